# What needs people, or comes from them and moves no money: cases, proposals, approvals,
# shifts; and an answer that comes too late for its hold.
#
# Refuses in the documented order and changes nothing on the way, as treasury.pxi does.

# --- an answer that comes too late ------------------------------------------------------------

cdef int cases_contradict(
    State* s, const Draft* draft, const Row* hold, Outcome* out
) noexcept nogil:
    """An answer that the hold's resolution contradicts raises a case, once of each type."""
    cdef Row row
    cdef uint64_t link
    cdef int kind = 0
    cdef int rc
    if draft.row.kind == KIND_POST and (
        out.result == RESULT_ALREADY_VOIDED or out.result == RESULT_ALREADY_EXPIRED
    ):
        kind = CASE_LATE_CONFIRMATION
    elif draft.row.kind == KIND_VOID and out.result == RESULT_ALREADY_POSTED:
        kind = CASE_LATE_REJECTION
    if kind == 0:
        return 0
    rc = rows_find_link(s, hold.sequence, LINK_CASE + kind, &link)
    if rc == 0 and link != 0:
        out.repeat = 1
        rc = rows_get(s, link, &row)
    elif rc == 0:
        resolve_make_case(&row, hold, kind)
        row.flags = ROW_EVIDENCE
        rc = rows_record(s, &row, NULL, draft.tail, draft.tail_size, NULL)
    out.sequence = row.sequence
    out.timestamp = row.timestamp
    answer_balance(s, out, &row)
    return rc


# --- people ---------------------------------------------------------------------------------------

cdef int cases_close(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """Close a case with a reason and, if money had to move, the row that moved it."""
    cdef Row spoken_of, case_
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &case_, &found)
    result[0] = RESULT_CASE_NOT_FOUND
    if rc != 0 or not found or case_.kind != KIND_CASE:
        return rc
    rc = rows_find_link(s, row.resolves, 0, other)
    if rc != 0:
        return rc
    if other[0] != 0:
        result[0] = RESULT_CASE_CLOSED
        return 0
    if row.total != 0:
        rc = rows_find_accepted(s, row.total, &spoken_of, &found)
        if rc != 0 or not found or not kinds_moves_money(spoken_of.kind):
            result[0] = RESULT_PAYMENT_NOT_FOUND
            return rc
    result[0] = RESULT_OK
    row.debit = case_.debit
    row.credit = case_.credit
    return 0


cdef int cases_check(
    State* s, const Row* row, int about, Row* case_, int* result
) noexcept nogil:
    """What puts a case of this type right: it moves no more than was held."""
    cdef Row hold
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, case_, &found)
    found = found and case_.kind == KIND_CASE and case_.total == <uint64_t>about
    result[0] = RESULT_OK if found else RESULT_CASE_NOT_FOUND
    if rc != 0 or not found:
        return rc
    rc = rows_get(s, case_.resolves, &hold)
    if rc == 0 and row.amount > hold.amount:
        result[0] = RESULT_EXCEEDS_HOLD
    return rc


cdef int cases_propose(State* s, const Row* row, int* result) noexcept nogil:
    """A refund of a payment, a transfer that corrects a late confirmation, or the void of
    a hold that its deadline kept."""
    cdef Row spoken_of
    cdef bint found
    cdef int rc
    if row.total == KIND_TRANSFER:
        return cases_check(s, row, CASE_LATE_CONFIRMATION, &spoken_of, result)
    if row.total == KIND_VOID:
        return cases_check(s, row, CASE_DEADLINE_PASSED, &spoken_of, result)
    rc = rows_find_accepted(s, row.resolves, &spoken_of, &found)
    found = found and kinds_is_final(spoken_of.kind)
    result[0] = RESULT_OK if found else RESULT_PAYMENT_NOT_FOUND
    return rc


cdef int cases_is_of(State* s, const Row* asked, const Row* hold, bint* same) noexcept nogil:
    """Whether a proposal to release a kept hold is of this one, or of one of its basket."""
    cdef Row case_, held
    cdef int rc = rows_get(s, asked.resolves, &case_)
    if rc == 0:
        rc = rows_get(s, case_.resolves, &held)
    if rc != 0:
        return rc
    same[0] = fields_basket_lead(&held) == fields_basket_lead(hold)
    return 0


cdef bint cases_is_same(const Row* asked, const Row* row) noexcept nogil:
    """Whether a refund or correction is what was proposed: its content, and the id that
    follows from the proposal's, so that it is done once however often it is sent."""
    cdef uint8_t[22] name
    cdef uint8_t[32] digest
    memcpy(name, <const char*>b"refund", 6)
    memcpy(&name[6], asked.id, 16)
    native_blake2b_256(name, 22, digest)
    return (
        memcmp(digest, row.id, 16) == 0 and asked.participant == row.participant
        and asked.resolves == row.resolves and asked.amount == row.amount
        and (
            row.kind == KIND_REFUND
            or memcmp(asked.reference, row.reference, REFERENCE_SIZE) == 0
        )
    )


cdef int cases_approved(
    State* s, const Draft* draft, const Row* hold, int* result
) noexcept nogil:
    """What two people must want: a proposal of just this, and its approval by the checker.

    That these are two is the approval's own rule. `hold`: the kept one that a void ends.
    """
    cdef const Row* row = &draft.row
    cdef Row asked, approval
    cdef uint64_t link = 0
    cdef bint found, same
    cdef int rc = rows_find_accepted(s, draft.proposal, &asked, &found)
    result[0] = RESULT_NOT_APPROVED
    if rc != 0 or not found or asked.kind != KIND_PROPOSE or asked.total != row.kind:
        return rc
    if row.kind == KIND_VOID:
        rc = cases_is_of(s, &asked, hold, &same)
    else:
        same = cases_is_same(&asked, row)
    if rc == 0:
        rc = rows_find_link(s, asked.sequence, 0, &link)
    if rc != 0 or not same or link == 0:
        return rc
    rc = rows_get(s, link, &approval)
    if rc == 0 and approval.participant == row.checker:
        result[0] = RESULT_OK
    return rc


cdef int cases_correct(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """A transfer that names a case, as proposed: from the hold's wallet to its biller, once,
    while the case is open."""
    cdef Row late
    cdef int rc = rows_get(s, row.resolves, &late)
    result[0] = RESULT_OK
    if rc != 0:
        return rc
    if row.debit != late.debit or row.credit != late.credit:
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    rc = rows_find_link(s, row.resolves, LINK_CASE, other)
    if rc == 0 and other[0] == 0:
        rc = rows_find_link(s, row.resolves, 0, other)
    if other[0] != 0:
        result[0] = RESULT_CASE_CLOSED
    return rc


cdef int cases_approve(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """Another person than the one who asked, once. A person is (participant, operator); of
    a shift the operator alone, who may act through others for the same centre."""
    cdef Row asked
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &asked, &found)
    result[0] = RESULT_PROPOSAL_NOT_FOUND
    if rc != 0 or not found or not kinds_may_be_approved(asked.kind):
        return rc
    if row.operator_ == asked.operator_ and (
        row.participant == asked.participant or asked.kind == KIND_SHIFT
    ):
        result[0] = RESULT_SAME_PERSON
        return 0
    rc = rows_find_link(s, row.resolves, 0, other)
    result[0] = RESULT_ALREADY_APPROVED if other[0] != 0 else RESULT_OK
    return rc


cdef bint cases_shift_is_valid(const ShiftRecord* record, uint32_t operator_) noexcept nogil:
    cdef int difference = DIFFERENCE_NONE
    if record.cash_counted < record.cash_expected:
        difference = DIFFERENCE_SHORT
    elif record.cash_counted > record.cash_expected:
        difference = DIFFERENCE_OVER
    return (
        record.operator_ == operator_ and record.difference == difference
        and keys_is_zero(record.reserved, 7)
    )


cdef int cases_shift(
    State* s, const Row* row, int* result, uint64_t* other
) noexcept nogil:
    """An operator's shift at a wallet, after the one that it names and that no other one
    follows: what two of them counted would be counted twice."""
    cdef Row before
    cdef uint64_t high, low
    cdef bint found
    cdef int rc = 0
    if not treasury_knows(s, row.debit):
        result[0] = RESULT_ACCOUNT_UNKNOWN
        return 0
    if s.group.working.accounts[row.debit].kind != ACCOUNT_WALLET:
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    if row.resolves != 0:
        rc = rows_find_accepted(s, row.resolves, &before, &found)
        found = found and before.kind == KIND_SHIFT
        if not found or before.debit != row.debit or before.operator_ != row.operator_:
            result[0] = RESULT_PROPOSAL_NOT_FOUND
            return rc
    keys_shift(row, &high, &low)
    rc = rows_find_link(s, high, low, other)
    result[0] = RESULT_ALREADY_FOLLOWED if other[0] != 0 else RESULT_OK
    return rc
