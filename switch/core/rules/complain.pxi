# What becomes of complaints: raised by the centre that paid, asked and closed by the treasury,
# answered by the biller. Money moves by none of that.
#
# Refuses in the documented order and changes nothing on the way.

cdef int _complain_find_payment(
    State* s, uint64_t sequence, Row* payment, bint* found
) noexcept nogil:
    """An accepted pay or hold, which is of the owner of the wallet that it debits."""
    cdef int rc = rows_find_accepted(s, sequence, payment, found)
    found[0] = found[0] and kinds_is_payment(payment.kind)
    return rc


cdef int complain_raise(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """A complaint about a payment of its sender, about which no other is open."""
    cdef Row payment, before
    cdef uint64_t link
    cdef bint found
    cdef int rc = _complain_find_payment(s, row.resolves, &payment, &found)
    result[0] = RESULT_PAYMENT_NOT_FOUND
    if rc != 0 or not found or (
        s.group.working.accounts[payment.debit].participant != row.participant
    ):
        return rc
    rc = rows_find_link(s, row.resolves, LINK_COMPLAINT, &link)
    if rc == 0 and link != 0:
        rc = rows_get(s, link, &before)
        if rc == 0 and s.group.complaints[before.debit].step != STEP_CLOSED:
            result[0] = RESULT_COMPLAINT_OPEN
            other[0] = link
            return 0
    if rc != 0:
        return rc
    if s.group.complaints_count >= COMPLAINTS_MAX:
        result[0] = RESULT_TABLE_FULL
        return 0
    native_assert(s.group.complaints_count > 0, b"complain_raise: 0 is nobody's")
    row.debit = s.group.complaints_count
    result[0] = RESULT_OK
    return 0


cdef int _complain_may_reply(
    State* s, const Row* row, const Row* complaint, bint* may
) noexcept nogil:
    """Whether the sender of a reply may take this step: its biller answers, the treasury asks
    and closes."""
    cdef const Participant* sender
    cdef Row payment
    cdef int rc
    may[0] = False
    if row.participant == 0 or row.participant >= s.group.participants_count:
        return 0
    if row.total == STEP_ANSWERED:
        rc = _complain_find_payment(s, complaint.resolves, &payment, may)
        may[0] = may[0] and (
            s.group.working.accounts[payment.credit].participant == row.participant
        )
        return rc
    sender = &s.group.participants[row.participant]
    may[0] = sender.role == ROLE_TREASURY and sender.active != 0
    return 0


cdef int complain_reply(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """The next step of a complaint's life: not the last one again, and none behind the end."""
    cdef const Complaint* known
    cdef Row complaint
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &complaint, &found)
    result[0] = RESULT_COMPLAINT_NOT_FOUND
    if rc == 0 and found and complaint.kind == KIND_COMPLAINT:
        rc = _complain_may_reply(s, row, &complaint, &found)
    else:
        found = False
    if rc != 0 or not found:
        return rc
    known = &s.group.complaints[complaint.debit]
    native_assert(known.sequence >= complaint.sequence, b"complain_reply: memory knows it")
    if known.step == STEP_CLOSED or known.step == row.total:
        other[0] = known.sequence
        result[0] = (
            RESULT_COMPLAINT_CLOSED if known.step == STEP_CLOSED else RESULT_ALREADY_FOLLOWED
        )
        return 0
    row.debit = complaint.debit
    result[0] = RESULT_OK
    return 0
