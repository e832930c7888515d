# Cash that is handed out at a counter: of a refund, or of what ended a hold long after its
# citizen had gone. The wallet has that money already, so that none moves here.
#
# Refuses in the documented order and changes nothing on the way.

cdef int _handouts_read_end(State* s, const Row* end, uint64_t* amount) noexcept nogil:
    """What the end of a hold gave back long after it: of one that was kept, or of an expiry.
    Their citizens were sent away; whatever else ends a hold does it while its citizen waits."""
    cdef Standing standing
    cdef Row hold, paid
    cdef int rc
    if end.flags & ROW_KEEP == 0 and end.kind != KIND_EXPIRE:
        return 0
    rc = rows_get(s, end.resolves, &hold)
    if rc != 0:
        return rc
    native_assert(end.amount <= hold.amount, b"_handouts_read_end: no more than was held")
    amount[0] = hold.amount
    if kinds_posts(end.kind):
        # Two people may have had a part of it paid.
        amount[0] -= end.amount
        return 0
    rc = standing_get(s, end.resolves, &standing, &paid)
    if rc == 0 and standing.corrected != 0:
        rc = rows_get(s, standing.corrected, &paid)
        if rc == 0 and paid.amount < hold.amount:
            # Or a part after all.
            amount[0] -= paid.amount
    return rc


cdef int _handouts_read(
    State* s, const Row* back, uint32_t* wallet, uint64_t* amount
) noexcept nogil:
    """Whose wallet an accepted row gives money back to that is handed out by a row of its
    own, and how much; 0 of any other row."""
    amount[0] = 0
    wallet[0] = back.debit
    if kinds_resolves_hold(back.kind):
        return _handouts_read_end(s, back, amount)
    if back.kind == KIND_REFUND:
        wallet[0] = back.credit
        amount[0] = back.amount
    return 0


cdef int _handouts_find_doubt(State* s, const Row* back, uint64_t* other) noexcept nogil:
    """The case or correction by which the biller has all that an expiry or a void gave back,
    or 0: its citizen would have both."""
    cdef Standing standing
    cdef Row end, hold, paid
    cdef int rc
    if not kinds_resolves_hold(back.kind) or kinds_posts(back.kind):
        return 0
    rc = standing_get(s, back.resolves, &standing, &end)
    if rc != 0 or standing.corrected == 0:
        if rc == 0 and standing_is_late(&standing):
            other[0] = standing.confirmed
        return rc
    rc = rows_get(s, back.resolves, &hold)
    if rc == 0:
        rc = rows_get(s, standing.corrected, &paid)
    if rc == 0 and paid.amount >= hold.amount:
        other[0] = standing.corrected
    return rc


cdef int handouts_check_wallet(const State* s, const Row* row) noexcept nogil:
    """What is wrong with the wallet at whose counter a row was made, or OK."""
    if not treasury_knows(s, row.debit) or (
        s.group.working.accounts[row.debit].participant != row.participant
    ):
        return RESULT_ACCOUNT_UNKNOWN
    if s.group.working.accounts[row.debit].kind != ACCOUNT_WALLET:
        return RESULT_ACCOUNT_KIND_WRONG
    return RESULT_OK


cdef int handouts_decide(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """The cash of a refund or of an end of a hold, once, by the centre whose wallet has it."""
    cdef Row back
    cdef uint32_t wallet
    cdef uint64_t amount
    cdef bint found
    cdef int rc
    result[0] = handouts_check_wallet(s, row)
    if result[0] != RESULT_OK:
        return 0
    rc = rows_find_accepted(s, row.resolves, &back, &found)
    if rc == 0 and found:
        rc = _handouts_read(s, &back, &wallet, &amount)
    if rc != 0:
        return rc
    if not found or amount == 0 or wallet != row.debit:
        result[0] = RESULT_PAYMENT_NOT_FOUND
        return 0
    if amount != row.amount:
        result[0] = RESULT_NET_DIFFERS
        return 0
    rc = rows_find_link(s, row.resolves, LINK_HANDED_OUT, other)
    if rc != 0 or other[0] != 0:
        result[0] = RESULT_ALREADY_HANDED_OUT
        return rc
    rc = _handouts_find_doubt(s, &back, other)
    if rc != 0 or other[0] != 0:
        result[0] = RESULT_CASES_OPEN
        return rc
    # The drawer counts cash: how the citizen had paid.
    row.flags = back.flags & <uint16_t>ROW_TENDER_MASK
    result[0] = RESULT_OK
    return 0
