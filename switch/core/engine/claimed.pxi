# What has a claim: a bill, a reference, a bank's line or its UTR, a biller's word. Durable rows
# only.
#
# A key may be shared, by chance or because somebody knows the secret: what has a claim is a row
# that claims just that, and no row that claims another thing counts for it.

cdef int _claimed_root(View* view, const Row* row, Row* root) noexcept nogil:
    """The row whose claim `row` releases: the hold that it ends, or what was paid or held."""
    cdef const Row* named
    cdef int rc = views_get_row(view, row.resolves, &named)
    if rc == 0 and named.kind == KIND_POST and not kinds_resolves_hold(row.kind):
        rc = views_get_row(view, named.resolves, &named)
    if rc == 0:
        root[0] = named[0]
    return rc


cdef int _claimed_is(
    State* s, View* view, const Claim* claim, uint64_t value, bint* same
) noexcept nogil:
    """Whether what an entry of the claim's key stands for is that claim."""
    cdef const Row* found
    cdef const uint8_t* tail = NULL
    cdef uint32_t size = 0
    cdef uint32_t domain = keys_domain(claim)
    cdef Claim other
    cdef Row row
    cdef int rc
    same[0] = False
    if value & 1 and domain != CLAIM_BILL:
        # A payment may take a bill and a reference. It gives back the bill alone.
        return 0
    rc = views_get_row(view, value >> 1, &found)
    if rc != 0:
        return rc
    row = found[0]
    if value & 1:
        rc = _claimed_root(view, &row, &row)
    if rc == 0 and keys_needs_tail(domain) and row.flags & ROW_TAIL:
        rc = store_get_tail(&view.journal, row.sequence, &tail, &size)
    if rc == 0:
        pthread_mutex_lock(&s.shared.lock)
        same[0] = keys_claims(&s.group.working, &row, domain, tail, size, &other)
        pthread_mutex_unlock(&s.shared.lock)
        same[0] = same[0] and keys_same_claim(&other, claim)
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int claimed_begin(
    State* s, View* view, Lookup* lookup, const Claim* claim
) noexcept nogil:
    cdef uint64_t high, low
    keys_hash(s, claim, &high, &low)
    return reads_begin_lookup(s, view, lookup, MAP_CLAIMS, high, low)


cdef int claimed_next(
    State* s, View* view, Lookup* lookup, const Claim* claim, uint64_t* value
) noexcept nogil:
    """The next entry of a claim, from the newest on; MDB_NOTFOUND after the last."""
    cdef bint same
    cdef int rc
    while True:
        rc = reads_next(s, view, lookup, value)
        if rc == 0:
            rc = _claimed_is(s, view, claim, value[0], &same)
        if rc != 0 or same:
            return rc


cdef int claimed_takers(
    State* s, const Claim* claim, uint64_t* takers, uint32_t* count, bint* free_
) noexcept nogil:
    """The newest durable payments that took a claim, the newest first, at most TAKERS_MAX;
    and whether the last thing that was done to it was to release it."""
    cdef View view
    cdef Lookup lookup
    cdef uint64_t value
    cdef bint first = True
    cdef int rc = claimed_begin(s, &view, &lookup, claim)
    count[0] = 0
    free_[0] = False
    while rc == 0 and count[0] < <uint32_t>TAKERS_MAX:
        rc = claimed_next(s, &view, &lookup, claim, &value)
        if rc == 0 and value & 1 == 0:
            takers[count[0]] = value >> 1
            count[0] += 1
        elif rc == 0 and first:
            free_[0] = True
        first = False
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc


cdef int _claimed_standing(State* s, uint64_t hold, Standing* out, Row* end) noexcept nogil:
    """Where a durable hold stands: as standing_get."""
    cdef uint64_t total
    cdef int rc
    memset(out, 0, sizeof(Standing))
    memset(end, 0, sizeof(Row))
    rc = reads_link(s, hold, 0, &out.end, &total)
    if rc != 0 or out.end == 0:
        return rc
    rc = reads_gather_rows(s, &out.end, 1, end)
    if rc != 0 or end.kind == KIND_POST:
        return rc
    out.expired = end.kind == KIND_EXPIRE
    rc = reads_link(s, hold, LINK_CASE + CASE_LATE_CONFIRMATION, &out.confirmed, &total)
    if rc == 0:
        rc = reads_link(s, hold, LINK_VERIFY, &out.verified, &total)
    if rc == 0:
        rc = reads_link(s, hold, LINK_CORRECTION, &out.corrected, &total)
    if rc == 0 and out.corrected != 0:
        rc = reads_link(s, hold, LINK_UNDOING, &out.undone, &total)
    standing_undo(out)
    return rc


cdef int _claimed_is_disputed(
    State* s, uint64_t hold, const Row* post, bint* disputed
) noexcept nogil:
    """Whether a posted payment is disputed: as standing_get_dispute."""
    cdef uint64_t case_, refund, closed, total
    cdef int rc = reads_link(s, hold, LINK_CASE + CASE_AMOUNT_DIFFERS, &case_, &total)
    disputed[0] = False
    if rc != 0 or case_ < post.sequence:
        return rc
    rc = reads_link(s, post.sequence, 0, &refund, &total)
    if rc != 0 or refund == 0 or total < post.amount:
        return rc
    rc = reads_link(s, case_, 0, &closed, &total)
    disputed[0] = rc == 0 and closed == 0
    return rc


cdef int _claimed_credited(
    State* s, const uint64_t* takers, uint32_t count, uint64_t* other
) noexcept nogil:
    """The first of the payments that were given back and are credited by their biller's
    word, or 0."""
    cdef Standing standing
    cdef Row row
    cdef bint disputed
    cdef uint32_t i
    cdef int rc
    for i in range(count):
        rc = reads_gather_rows(s, &takers[i], 1, &row)
        if rc == 0 and row.kind != KIND_HOLD:
            continue
        if rc == 0:
            rc = _claimed_standing(s, takers[i], &standing, &row)
        disputed = False
        if rc == 0 and row.kind == KIND_POST:
            rc = _claimed_is_disputed(s, takers[i], &row, &disputed)
        elif rc == 0 and standing.corrected != 0:
            rc = reads_gather_rows(s, &standing.corrected, 1, &row)
            disputed = row.flags & ROW_PARTIAL == 0
        if rc != 0:
            return rc
        if disputed or standing_is_late(&standing):
            other[0] = takers[i]
            return 0
    return 0


cdef int _claimed_taker_counts(
    State* s, uint64_t sequence, uint64_t time, uint64_t hours_ns, Row* taker, bint* counts
) noexcept nogil:
    """Whether a payment that took a reference's claim is open, in question or disputed, or was
    paid within the hours before `time` and not wholly refunded."""
    cdef Standing standing
    cdef Row final
    cdef uint64_t refund, total
    cdef int rc = reads_gather_rows(s, &sequence, 1, taker)
    counts[0] = False
    final = taker[0]
    if rc == 0 and taker.kind == KIND_HOLD:
        rc = _claimed_standing(s, sequence, &standing, &final)
        if rc != 0:
            return rc
        if standing.end == 0 or standing_is_in_question(&standing):
            counts[0] = True
            return 0
        if standing.corrected != 0:
            rc = reads_gather_rows(s, &standing.corrected, 1, &final)
            counts[0] = time <= final.timestamp or time - final.timestamp < hours_ns
            return rc
    if rc != 0 or not kinds_is_final(final.kind):
        return rc
    rc = reads_link(s, final.sequence, 0, &refund, &total)
    if rc == 0 and refund != 0 and total >= final.amount:
        return _claimed_is_disputed(s, sequence, &final, counts) if final.kind == KIND_POST else 0
    counts[0] = time <= final.timestamp or time - final.timestamp < hours_ns
    return rc


cdef int claimed_in_the_way(
    State* s, uint32_t service, const uint8_t* reference, const uint8_t* citizen,
    uint64_t time, uint64_t* other
) noexcept nogil:
    """The row in the way of a payment, at `time`, of a bill that is fetched now: what has its
    claim, or a payment of another bill of the same citizen's reference. 0 for none."""
    cdef uint64_t[TAKERS_MAX] takers
    cdef Claim claim
    cdef ServiceRecord record
    cdef uint32_t series, owner, count, i
    cdef bint counts, free_
    cdef Row taker
    cdef int rc = 0
    other[0] = 0
    pthread_mutex_lock(&s.shared.lock)
    record = s.group.services[service].record
    series = s.group.working.fixed[service].series
    owner = keys_reference_owner(&s.group.working, <uint16_t>service)
    pthread_mutex_unlock(&s.shared.lock)
    if record.duplicate_rule == DUPLICATE_ONCE:
        keys_claim(CLAIM_BILL, record.biller, reference, series, &claim)
        rc = claimed_takers(s, &claim, takers, &count, &free_)
        if rc == 0 and count > 0 and not free_:
            other[0] = takers[0]
        elif rc == 0:
            rc = _claimed_credited(s, takers, count, other)
    if rc != 0 or other[0] != 0:
        return rc
    if record.duplicate_rule == DUPLICATE_NONE:
        return 0
    keys_claim(CLAIM_REFERENCE, owner, citizen, 0, &claim)
    rc = claimed_takers(s, &claim, takers, &count, &free_)
    for i in range(count):
        if rc == 0:
            rc = _claimed_taker_counts(
                s, takers[i], time,
                <uint64_t>record.duplicate_hours * 3600 * 1000000000, &taker, &counts,
            )
        if rc != 0:
            return rc
        if counts and not (
            record.duplicate_rule == DUPLICATE_ONCE
            and memcmp(taker.reference, reference, REFERENCE_SIZE) == 0
        ):
            other[0] = takers[i]
            return 0
    return rc
