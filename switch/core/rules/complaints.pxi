# Complaints: something is wrong with a payment, its centre says. Each has a number for its life,
# and memory knows the newest row about it.

cdef inline bint complaints_reason_is_known(uint64_t total) noexcept nogil:
    return REASON_NOT_CREDITED <= total <= REASON_OTHER


cdef inline bint complaints_step_is_known(uint64_t total) noexcept nogil:
    return STEP_ASKED <= total <= STEP_CLOSED


cdef void complaints_apply(State* s, const Row* row) noexcept nogil:
    """Note an accepted complaint or reply."""
    cdef Complaint* complaint = &s.group.complaints[row.debit]
    native_assert(
        kinds_is_told(row.kind) and row.result == RESULT_OK, b"complaints_apply: one of these"
    )
    native_assert(
        0 < row.debit and row.debit < COMPLAINTS_MAX, b"complaints_apply: it has a place"
    )
    native_assert(complaint.sequence < row.sequence, b"complaints_apply: the newest counts")
    native_assert(
        complaint.step != STEP_CLOSED, b"complaints_apply: nothing comes behind the end"
    )
    s.group.complaints_count = max(s.group.complaints_count, row.debit + 1)
    complaint.sequence = row.sequence
    complaint.step = 0 if kinds_gives_index(row.kind) else <uint8_t>row.total
    s.group.complaints_changed = 1


cdef void complaints_publish(State* s, const Row* row) noexcept nogil:
    """An accepted row about a complaint is durable."""
    native_assert(
        s.group.complaints[row.debit].sequence >= row.sequence,
        b"complaints_publish: memory knows it",
    )
    s.group.complaints[row.debit].durable = row.sequence


cdef void complaints_publish_all(State* s) noexcept nogil:
    """All that memory knows is durable."""
    cdef uint32_t i
    for i in range(s.group.complaints_count):
        s.group.complaints[i].durable = s.group.complaints[i].sequence
