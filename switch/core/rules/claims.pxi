# Claims: what makes a bill payable once, and keeps one reference from being paid twice by
# mistake.
#
# A bill's claim is held by one row and released by another. A reference's is held by nobody:
# each of the rows that took it is looked at, and what has become of it decides.

cdef inline uint64_t _claims_fetched(const Draft* draft) noexcept nogil:
    """When a quoted bill was fetched."""
    return (<const BillTail*>draft.fixed).fetched


cdef inline int _claims_find(
    State* s, const Draft* draft, int claim, uint32_t nth, uint64_t* value
) noexcept nogil:
    """The nth newest entry of one of a draft's claims."""
    native_assert(draft.claims_taken >> claim & 1, b"_claims_find: one that it takes")
    return lookup_find(
        s, s.group.index_txn, MAP_CLAIMS, draft.claims[claim].high, draft.claims[claim].low,
        nth, draft.maybe_claims >> claim & 1, value,
    )


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
    State* s, const Draft* draft, int* result, uint64_t* other
) noexcept nogil:
    """Whether a bill that was given back is free: none of the payments that took its claim
    before, as far as they are looked at, has been credited after all. What is due may be
    another amount since people have settled that with its biller."""
    cdef uint64_t value, settled
    cdef uint32_t takers = 0
    cdef uint32_t nth = 1
    cdef bint credited
    cdef int rc
    while takers < <uint32_t>TAKERS_MAX:
        rc = _claims_find(s, draft, CLAIMS_BILL, nth, &value)
        if rc != 0:
            return 0 if rc == MDB_NOTFOUND else rc
        nth += 1
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
    cdef Row row
    cdef int rc = _claims_find(s, draft, CLAIMS_BILL, 0, &value)
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
    return _claims_check_released(s, draft, result, other)


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
    cdef uint32_t nth
    cdef bint done = False
    cdef int rc
    for nth in range(<uint32_t>TAKERS_MAX):
        rc = _claims_find(s, draft, CLAIMS_REFERENCE, nth, &value)
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


cdef inline bint _claims_collide(
    const Draft* earlier, const Draft* draft, int claim
) noexcept nogil:
    """Whether an earlier payment of the same basket takes what this one claims."""
    return (
        (earlier.claims_taken & draft.claims_taken) >> claim & 1
        and earlier.claims[claim].high == draft.claims[claim].high
        and earlier.claims[claim].low == draft.claims[claim].low
    )


cdef bint claims_check_basket_bill(const Draft* drafts, uint32_t index) noexcept nogil:
    """Whether the bill of drafts[index] is free of those before it in its basket. As each is
    decided as if they had been done, this comes before what is there already."""
    cdef uint32_t i
    for i in range(index):
        if _claims_collide(&drafts[i], &drafts[index], CLAIMS_BILL):
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
        if _claims_collide(&drafts[i], &drafts[index], CLAIMS_REFERENCE):
            return False
    return True


cdef int claims_release(State* s, Row* row, const Row* root) noexcept nogil:
    """Mark `row` as releasing root's claim of a bill, unless a later row holds it by now. One
    that is free is released once more: quotations from before that do not pay."""
    cdef uint64_t high, low, value
    cdef int rc
    if not root.flags & ROW_CLAIM:
        return 0
    native_assert(
        root.result == RESULT_OK and kinds_may_claim(root.kind),
        b"claims_release: what took the claim",
    )
    native_assert(not row.flags & ROW_RELEASE, b"claims_release: once")
    keys_claim_of(s, &s.group.working, root, &high, &low)
    rc = lookup_find(s, s.group.index_txn, MAP_CLAIMS, high, low, 0, True, &value)
    if rc == 0 and (value & 1 or value == root.sequence << 1):
        row.flags |= ROW_RELEASE
    return 0 if rc == MDB_NOTFOUND else rc
