# What may end a hold: its sender's post or void, a biller's answer, its deadline.
#
# Refuses in the documented order and changes nothing on the way. The list of open holds
# itself is kept by index/holds.pxi, which learns of each row after it.

cdef int resolve_hold(
    State* s, Row* row, Row* hold, int* result, uint64_t* other
) noexcept nogil:
    """Post or void: the hold must exist and be open; otherwise what resolved it."""
    cdef Row resolution
    cdef uint16_t kept = (
        ROW_HEAD_MASK | ROW_TENDER_MASK | ROW_CLAIM | ROW_RECENT | ROW_STATED | ROW_PARTIAL
    )
    cdef int rc
    result[0] = RESULT_HOLD_NOT_FOUND
    if row.resolves == 0 or row.resolves >= s.group.first + s.group.rows_count:
        return 0
    rc = rows_get(s, row.resolves, hold)
    if rc != 0:
        return rc
    if hold.kind != KIND_HOLD or hold.result != RESULT_OK:
        return 0
    if not holds_has(&s.group.holds, row.resolves):
        rc = rows_find_link(s, row.resolves, 0, other)
        if rc == 0:
            rc = rows_get(s, other[0], &resolution)
        if rc != 0:
            return rc
        if resolution.kind == KIND_POST:
            result[0] = RESULT_ALREADY_POSTED
        elif resolution.kind == KIND_VOID:
            result[0] = RESULT_ALREADY_VOIDED
        else:
            result[0] = RESULT_ALREADY_EXPIRED
        return 0
    if row.kind == KIND_POST and row.amount > hold.amount:
        result[0] = RESULT_EXCEEDS_HOLD
        return 0
    result[0] = RESULT_OK
    row.debit = hold.debit
    row.credit = hold.credit
    row.service = hold.service
    row.participant = hold.participant
    row.operator_ = hold.operator_
    row.basket = hold.basket
    row.flags = (hold.flags & kept) | (row.flags & ROW_EVIDENCE)
    memcpy(row.reference, hold.reference, REFERENCE_SIZE)
    if row.kind == KIND_POST:
        # What is left of a bill can be paid once a part of it is.
        return claims_release(s, row, hold) if hold.flags & ROW_PARTIAL else 0
    row.amount = hold.amount
    return claims_release(s, row, hold)


cdef int resolve_by_answer(
    State* s, Draft* draft, Row* hold, int* result, uint64_t* other
) noexcept nogil:
    """A post or void that a biller's answer makes; until now its id is the hold's."""
    cdef Row* row = &draft.row
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, hold, &found)
    result[0] = RESULT_HOLD_NOT_FOUND
    if rc != 0 or not found or hold.kind != KIND_HOLD:
        return rc
    if (
        memcmp(hold.id, row.id, 16) != 0
        # Whoever is to be paid, and no other biller.
        or s.group.working.accounts[hold.credit].participant != draft.bound
    ):
        return 0
    memset(row.id, 0, 16)
    row.amount = hold.amount
    return resolve_hold(s, row, hold, result, other)


cdef void resolve_make_case(Row* row, const Row* hold, int kind) noexcept nogil:
    """A case of this type about a hold."""
    memset(row, 0, sizeof(Row))
    row.kind = KIND_CASE
    row.result = RESULT_OK
    row.resolves = hold.sequence
    row.total = kind
    row.debit = hold.debit
    row.credit = hold.credit
    row.service = hold.service
    row.participant = hold.participant
    row.operator_ = hold.operator_
    memcpy(row.reference, hold.reference, REFERENCE_SIZE)


# --- what is due ----------------------------------------------------------------------------

cdef int resolve_due(State* s, Row* hold, Row* row) noexcept nogil:
    """Make the row that releases a hold that is due, or the case that keeps it."""
    cdef int result = RESULT_OK
    cdef uint64_t other = 0
    cdef int rc
    if hold.flags & ROW_KEEP:
        resolve_make_case(row, hold, CASE_DEADLINE_PASSED)
        return 0
    memset(row, 0, sizeof(Row))
    row.kind = KIND_EXPIRE
    row.resolves = hold.sequence
    rc = resolve_hold(s, row, hold, &result, &other)
    row.result = RESULT_OK
    return rc


cdef int resolve_all_due(
    State* s, uint64_t first, uint64_t last, Row* holds, Row* rows, uint32_t* count
) noexcept nogil:
    """Decide what ends those of the holds that are due. Nothing is recorded yet."""
    cdef uint64_t sequence
    cdef int rc
    count[0] = 0
    for sequence in range(first, last + 1):
        if not holds_is_due(&s.group.holds, sequence):
            continue
        rc = rows_get(s, sequence, &holds[count[0]])
        if rc == 0:
            rc = resolve_due(s, &holds[count[0]], &rows[count[0]])
        if rc != 0:
            return rc
        count[0] += 1
    return 0


cdef int resolve_find_basket(
    State* s, uint64_t sequence, uint64_t* lead, uint64_t* last
) noexcept nogil:
    """The first and last hold of the basket that an open hold belongs to; or damage, also
    if one of them has been set aside: what cannot be ended as a whole waits as a whole."""
    cdef Row hold
    cdef uint32_t index, size
    cdef uint64_t each
    cdef int rc = rows_get(s, sequence, &hold)
    lead[0] = last[0] = sequence
    if rc != 0 or hold.basket == 0:
        return rc
    index = fields_basket_index(&hold)
    size = fields_basket_size(&hold)
    if size > BASKET_MAX or index >= size or sequence <= index:
        return MDB_CORRUPTED
    lead[0] = sequence - index
    last[0] = lead[0] + size - 1
    for each in range(lead[0], last[0] + 1):
        if holds_is_aside(&s.group.holds, each):
            return MDB_CORRUPTED
    return 0


cdef void resolve_set_aside(State* s, uint64_t first, uint64_t last) noexcept nogil:
    """Let holds of which one cannot be read stay open and be due no more."""
    cdef uint64_t sequence
    for sequence in range(first, last + 1):
        if holds_is_due(&s.group.holds, sequence):
            holds_set_aside(&s.group.holds, sequence)
            s.group.aside_count += 1


cdef int resolve_expire(State* s, uint32_t room, bint* done) noexcept nogil:
    """End the hold that is due first, and with it its basket: `room` rows are free.

    Not done: the basket has no room. The others of a basket are due so many nanoseconds
    after its first as they stand behind it, and so do the rows that end them. A basket
    that cannot be read is set aside whole, and its money stays held.
    """
    cdef Row[BASKET_MAX] holds
    cdef Row[BASKET_MAX] rows
    cdef uint64_t first = s.group.holds.heap[0].sequence
    cdef uint64_t lead, last
    cdef uint32_t count = 0
    cdef uint32_t i
    cdef int rc = resolve_find_basket(s, first, &lead, &last)
    done[0] = rc != 0 or last - first < room
    if not done[0]:
        return 0
    if rc == 0:
        rc = resolve_all_due(s, first, last, holds, rows, &count)
    if store_is_damage(rc):
        resolve_set_aside(s, lead, last)
        s.group.aside_rc = rc
        return 0
    for i in range(count):
        if rc == 0:
            rc = rows_record(s, &rows[i], &holds[i], NULL, 0, NULL)
    return rc
