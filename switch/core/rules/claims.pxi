# Claims: what makes a bill payable once, and keeps one reference from being paid twice by
# mistake.
#
# A bill's claim is held by one row and released by another. A reference's is held by nobody:
# each of the rows that took it is looked at, and what has become of it decides.

cdef inline uint64_t _claims_fetched(const Draft* draft) noexcept nogil:
    """When a quoted bill was fetched."""
    return (<const BillTail*>draft.fixed).fetched


cdef void claims_fill(State* s, const Draft* draft, int claim, Claim* out) noexcept nogil:
    """What a payment of a known service claims: its bill, or its citizen's reference, which of
    a bill is not the row's."""
    cdef const Row* row = &draft.row
    cdef const ServiceRecord* record = &s.group.services[row.service].record
    cdef const uint8_t* reference = &row.reference[0]
    native_assert(
        0 < row.service and row.service < s.group.services_count, b"claims_fill: of a service"
    )
    if claim == CLAIMS_BILL:
        keys_claim(
            CLAIM_BILL, record.biller, reference, s.group.working.fixed[row.service].series, out
        )
        return
    if draft.shape == 0 and record.price_rule == PRICE_BILL:
        reference = &(<const BillTail*>draft.fixed).reference[0]
    keys_claim(
        CLAIM_REFERENCE, keys_reference_owner(&s.group.working, row.service), reference, 0, out
    )


cdef int _claims_is(State* s, const Claim* claim, uint64_t value, bint* same) noexcept nogil:
    """Whether what an entry of the claim's key stands for is that claim: a key may be shared,
    by chance or because somebody knows the secret."""
    cdef const uint8_t* tail = NULL
    cdef uint32_t size = 0
    cdef uint32_t domain = keys_domain(claim)
    cdef Claim other
    cdef Row row, root
    cdef int rc
    same[0] = False
    if value & 1 and domain != CLAIM_BILL:
        # A payment may take a bill and a reference. It gives back the bill alone.
        return 0
    rc = rows_get(s, value >> 1, &row)
    if rc == 0 and value & 1:
        rc = rows_get(s, row.resolves, &root)
        if rc == 0 and root.kind == KIND_POST and not kinds_resolves_hold(row.kind):
            rc = rows_get(s, root.resolves, &root)
        row = root
    if rc == 0 and keys_needs_tail(domain) and row.flags & ROW_TAIL:
        rc = rows_get_tail(s, row.sequence, &tail, &size)
    if rc == 0:
        same[0] = keys_claims(&s.group.working, &row, domain, tail, size, &other) and (
            keys_same_claim(&other, claim)
        )
    return rc


cdef void _claims_begin(
    State* s, KeyWalk* walk, const Claim* claim, bint before
) noexcept nogil:
    """Begin a walk over the entries of a claim."""
    cdef uint64_t high, low
    keys_hash(s, claim, &high, &low)
    lookup_begin(s, walk, MAP_CLAIMS, high, low, before)


cdef int _claims_next(
    State* s, KeyWalk* walk, const Claim* claim, uint64_t* value
) noexcept nogil:
    """The next entry of just this claim, from the newest on, or MDB_NOTFOUND."""
    cdef bint same
    cdef int rc
    while True:
        rc = lookup_next(s, walk, value)
        if rc == 0:
            rc = _claims_is(s, claim, value[0], &same)
        if rc != 0 or same:
            return rc


cdef int claims_find(State* s, const Claim* claim, uint64_t* value) noexcept nogil:
    """The newest entry of a claim, of all that are there; or MDB_NOTFOUND."""
    cdef KeyWalk walk
    _claims_begin(s, &walk, claim, True)
    return _claims_next(s, &walk, claim, value)


cdef inline int _claims_first(
    State* s, KeyWalk* walk, const Draft* draft, int number, Claim* claim, uint64_t* value
) noexcept nogil:
    """Begin a walk over one of a draft's claims, whose key is known, and give the newest entry.
    What it claims is filled in only if there is any of its key: hardly ever."""
    cdef bint same
    cdef int rc
    native_assert(draft.claims_taken >> number & 1, b"_claims_first: one that it takes")
    lookup_begin(
        s, walk, MAP_CLAIMS, draft.keys[number].high, draft.keys[number].low,
        draft.maybe_claims >> number & 1,
    )
    rc = lookup_next(s, walk, value)
    if rc != 0:
        return rc
    claims_fill(s, draft, number, claim)
    rc = _claims_is(s, claim, value[0], &same)
    return rc if rc != 0 or same else _claims_next(s, walk, claim, value)


cdef int _claims_is_credited(
    State* s, uint64_t taker, bint* credited, uint64_t* settled
) noexcept nogil:
    """Whether a payment that was given back has, by its biller's word, been credited; and when
    people have settled that after a refund, or 0. One that was corrected in part is not in the
    way of what is left of its bill."""
    cdef Standing standing
    cdef Row row, end
    cdef uint64_t case_, closed
    cdef int rc = rows_get(s, taker, &row)
    credited[0] = False
    settled[0] = 0
    if rc != 0 or row.kind != KIND_HOLD:
        return rc
    rc = standing_get(s, taker, &standing, &end)
    if rc != 0:
        return rc
    if end.kind != KIND_POST:
        credited[0] = standing_is_late(&standing)
        if standing.corrected != 0:
            rc = rows_get(s, standing.corrected, &row)
            credited[0] = (
                row.flags & ROW_PARTIAL == 0
                or native_planted(b"corrected_in_part_is_free")
            )
        return rc
    rc = standing_get_dispute(s, taker, &end, &case_, &closed)
    credited[0] = rc == 0 and case_ != 0 and closed == 0
    if rc == 0 and closed != 0:
        rc = rows_get(s, closed, &row)
        settled[0] = row.timestamp
    return rc


cdef int _claims_check_released(
    State* s, const Draft* draft, KeyWalk* walk, const Claim* claim, int* result, uint64_t* other
) noexcept nogil:
    """Whether a bill that was given back is free: none of the payments that took its claim
    before, as far as they are looked at, has been credited after all. What is due may be
    another amount since people have settled that with its biller."""
    cdef uint64_t value, settled
    cdef uint32_t takers = 0
    cdef bint credited
    cdef int rc
    while takers < <uint32_t>TAKERS_MAX:
        rc = _claims_next(s, walk, claim, &value)
        if rc != 0:
            return 0 if rc == MDB_NOTFOUND else rc
        if value & 1:
            continue
        takers += 1
        rc = _claims_is_credited(s, value >> 1, &credited, &settled)
        if rc != 0:
            return rc
        if draft.quoted and settled >= _claims_fetched(draft):
            result[0] = RESULT_QUOTATION_EXPIRED
        if credited:
            result[0] = RESULT_BILL_ALREADY_CLAIMED
            other[0] = value >> 1
            return 0
    return 0


cdef int _claims_check_bill(
    State* s, const Draft* draft, int* result, uint64_t* other
) noexcept nogil:
    """Whether the bill is free, and has not been since its quotation was fetched."""
    cdef uint64_t value
    cdef KeyWalk walk
    cdef Claim claim
    cdef Row row
    cdef int rc = _claims_first(s, &walk, draft, CLAIMS_BILL, &claim, &value)
    if rc != 0:
        return 0 if rc == MDB_NOTFOUND else rc
    if value & 1 == 0:
        result[0] = RESULT_BILL_ALREADY_CLAIMED
        other[0] = value >> 1
        return 0
    if draft.quoted:
        rc = rows_get(s, value >> 1, &row)
        if rc == 0 and row.timestamp >= _claims_fetched(draft):
            result[0] = RESULT_QUOTATION_EXPIRED
    if rc != 0 or result[0] != RESULT_OK:
        return rc
    return _claims_check_released(s, draft, &walk, &claim, result, other)


cdef int _claims_end(
    State* s, const Row* taker, bint* open_, bint* paid, uint64_t* ended
) noexcept nogil:
    """What has become of a payment: whether its hold is open, or it is in question or disputed,
    whether it is paid and not wholly refunded, and when it ended, as far as it has."""
    cdef Standing standing
    cdef Row final
    cdef uint64_t refund, case_, closed
    cdef int rc
    open_[0] = paid[0] = False
    ended[0] = taker.timestamp
    if holds_has(&s.group.holds, taker.sequence):
        open_[0] = True
        return 0
    final = taker[0]
    if taker.kind == KIND_HOLD:
        rc = standing_get(s, taker.sequence, &standing, &final)
        if rc == 0 and standing_is_late(&standing):
            open_[0] = True
            return 0
        if rc == 0 and standing.corrected != 0:
            rc = rows_get(s, standing.corrected, &final)
            paid[0] = True
        elif rc == 0 and standing.verified != 0:
            rc = rows_get(s, standing.verified, &final)
        if rc != 0:
            return rc
        ended[0] = final.timestamp
    if not kinds_is_final(final.kind):
        return 0
    rc = standing_find_refund(s, &final, &refund)
    paid[0] = refund == 0
    if rc == 0 and refund != 0 and final.kind == KIND_POST:
        rc = standing_get_dispute(s, taker.sequence, &final, &case_, &closed)
        open_[0] = rc == 0 and case_ != 0 and closed == 0
    native_assert(not (open_[0] and paid[0]), b"_claims_end: open or paid, or neither")
    return rc


cdef int _claims_check_taker(
    State* s, const Draft* draft, uint64_t sequence, uint64_t time, int* result,
    uint64_t* other, bint* done
) noexcept nogil:
    """One payment of the same reference. `done`: the older ones are not looked at."""
    cdef const ServiceRecord* record = &s.group.services[draft.row.service].record
    cdef uint64_t hours_ns = <uint64_t>record.duplicate_hours * 3600 * 1000000000
    cdef bint open_, paid, counts
    cdef uint64_t ended
    cdef Row taker
    cdef int rc = rows_get(s, sequence, &taker)
    done[0] = True
    if rc == 0:
        rc = _claims_end(s, &taker, &open_, &paid, &ended)
    if rc != 0:
        return rc
    counts = open_ or (paid and (time <= ended or time - ended < hours_ns))
    if record.price_rule == PRICE_BILL and record.duplicate_rule == DUPLICATE_ONCE:
        # Bills that were fetched before it was paid stand beside it; so does what is left
        # of its own.
        counts = (
            counts and taker.timestamp < _claims_fetched(draft)
            and memcmp(taker.reference, draft.row.reference, REFERENCE_SIZE) != 0
        )
    elif counts and draft.row.resolves == sequence:
        return 0
    if counts:
        result[0] = RESULT_PAID_RECENTLY
        other[0] = sequence
        return 0
    if (
        draft.quoted and record.duplicate_rule == DUPLICATE_WITHIN
        and ended >= _claims_fetched(draft)
    ):
        result[0] = RESULT_QUOTATION_EXPIRED
        return 0
    done[0] = False
    return 0


cdef int _claims_check_reference(
    State* s, const Draft* draft, uint64_t time, int* result, uint64_t* other
) noexcept nogil:
    """The payments that took the claim of the reference, the newest first."""
    cdef uint64_t value
    cdef uint32_t i
    cdef KeyWalk walk
    cdef Claim claim
    cdef bint done = False
    cdef int rc = _claims_first(s, &walk, draft, CLAIMS_REFERENCE, &claim, &value)
    for i in range(<uint32_t>TAKERS_MAX):
        if i > 0:
            rc = _claims_next(s, &walk, &claim, &value)
        if rc != 0:
            return 0 if rc == MDB_NOTFOUND else rc
        native_assert(value & 1 == 0, b"_claims_check_reference: nobody releases it")
        rc = _claims_check_taker(s, draft, value >> 1, time, result, other, &done)
        if rc != 0 or done:
            return rc
    return 0


cdef int claims_check(
    State* s, const Draft* draft, uint64_t time, int* result, uint64_t* other
) noexcept nogil:
    """Whether what the payment claims is free for a row of the time `time`."""
    cdef int rc = 0
    native_assert(result[0] == RESULT_OK, b"claims_check: nothing else is in the way")
    if draft.claims_taken >> CLAIMS_BILL & 1:
        rc = _claims_check_bill(s, draft, result, other)
    if rc == 0 and result[0] == RESULT_OK and draft.claims_taken >> CLAIMS_REFERENCE & 1:
        rc = _claims_check_reference(s, draft, time, result, other)
    return rc


cdef bint _claims_collide(
    State* s, const Draft* earlier, const Draft* draft, int claim
) noexcept nogil:
    """Whether an earlier payment of the same basket takes what this one claims."""
    cdef Claim taken, wanted
    if not (
        (earlier.claims_taken & draft.claims_taken) >> claim & 1
        and earlier.keys[claim].high == draft.keys[claim].high
        and earlier.keys[claim].low == draft.keys[claim].low
    ):
        return False
    claims_fill(s, earlier, claim, &taken)
    claims_fill(s, draft, claim, &wanted)
    return keys_same_claim(&taken, &wanted)


cdef bint claims_check_basket_bill(
    State* s, const Draft* drafts, uint32_t index
) noexcept nogil:
    """Whether the bill of drafts[index] is free of those before it in its basket. As each is
    decided as if they had been done, this comes before what is there already."""
    cdef uint32_t i
    for i in range(index):
        if _claims_collide(s, &drafts[i], &drafts[index], CLAIMS_BILL):
            return False
    return True


cdef bint claims_check_basket_reference(
    State* s, const Draft* drafts, uint32_t index
) noexcept nogil:
    """The same of its reference, which comes after what is there already."""
    cdef const ServiceRecord* record = &s.group.services[drafts[index].row.service].record
    cdef uint32_t i
    if record.price_rule == PRICE_BILL and record.duplicate_rule == DUPLICATE_ONCE:
        return True
    for i in range(index):
        if _claims_collide(s, &drafts[i], &drafts[index], CLAIMS_REFERENCE):
            return False
    return True


cdef int claims_release(State* s, Row* row, const Row* root) noexcept nogil:
    """Mark `row` as releasing root's claim of a bill, unless a later row holds it by now. One
    that is free is released once more: quotations from before that do not pay."""
    cdef Claim claim
    cdef uint64_t value
    cdef int rc
    if not root.flags & ROW_CLAIM:
        return 0
    native_assert(
        root.result == RESULT_OK and kinds_may_claim(root.kind),
        b"claims_release: what took the claim",
    )
    native_assert(not row.flags & ROW_RELEASE, b"claims_release: once")
    keys_claim_of(&s.group.working, root, &claim)
    rc = claims_find(s, &claim, &value)
    if rc == 0 and (value & 1 or value == root.sequence << 1):
        row.flags |= ROW_RELEASE
    return 0 if rc == MDB_NOTFOUND else rc
