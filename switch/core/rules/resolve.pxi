# What may end a hold, or the doubt about one: its sender's post or void, its deadline, what
# people want of it. A biller's answers are evidence.pxi's.
#
# Refuses in the documented order and changes nothing on the way. The list of holds itself is
# kept by index/holds.pxi, which learns of each row after it.

cdef int resolve_find(State* s, const Row* row, Row* hold, int* result) noexcept nogil:
    """The accepted hold that a row names."""
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, hold, &found)
    found = found and hold.kind == KIND_HOLD
    result[0] = RESULT_OK if found else RESULT_HOLD_NOT_FOUND
    return rc


cdef int resolve_fill(State* s, Row* row, const Row* hold) noexcept nogil:
    """Make a post, void, expire or verify a row about its hold, as all of them copy it."""
    cdef uint16_t copied = (
        ROW_HEAD_MASK | ROW_TENDER_MASK | ROW_CLAIM | ROW_RECENT | ROW_STATED | ROW_PARTIAL
    )
    native_assert(
        hold.kind == KIND_HOLD and hold.result == RESULT_OK, b"resolve_fill: an accepted hold"
    )
    native_assert(row.resolves == hold.sequence, b"resolve_fill: the one that it names")
    row.debit = hold.debit
    row.credit = hold.credit
    row.service = hold.service
    row.participant = hold.participant
    row.operator_ = hold.operator_
    row.basket = hold.basket
    row.flags = (hold.flags & copied) | (row.flags & ROW_EVIDENCE)
    memcpy(row.reference, hold.reference, REFERENCE_SIZE)
    if holds_is_kept(&s.group.holds, hold.sequence):
        row.flags |= ROW_KEEP
    if kinds_posts(row.kind):
        # What is left of a bill can be paid once a part of it is.
        return claims_release(s, row, hold) if hold.flags & ROW_PARTIAL else 0
    row.amount = hold.amount if kinds_resolves_hold(row.kind) else 0
    # Of what has expired nobody has said that it was not credited: it stays claimed.
    return claims_release(s, row, hold) if row.kind != KIND_EXPIRE else 0


cdef int resolve_hold(
    State* s, Row* row, Row* hold, int* result, uint64_t* other
) noexcept nogil:
    """Post or void: the hold must exist and be open; otherwise what resolved it."""
    cdef Row resolution
    cdef int rc = resolve_find(s, row, hold, result)
    if rc != 0 or result[0] != RESULT_OK:
        return rc
    if not holds_is_open(&s.group.holds, row.resolves):
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
    return resolve_fill(s, row, hold)


cdef int resolve_doubt(
    State* s, Row* row, Row* hold, int* result, uint64_t* other
) noexcept nogil:
    """Verify: the payment must be in question; otherwise what verified it last, if it was."""
    cdef Standing standing
    cdef Row end
    cdef int rc = resolve_find(s, row, hold, result)
    if rc != 0 or result[0] != RESULT_OK:
        return rc
    rc = standing_get(s, row.resolves, &standing, &end)
    if rc != 0:
        return rc
    if not standing_is_in_question(&standing):
        result[0] = RESULT_HOLD_NOT_FOUND
        other[0] = standing.verified
        return 0
    return resolve_fill(s, row, hold)


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

cdef int _resolve_due(State* s, const Row* hold, Row* row) noexcept nogil:
    """Make the row that releases a hold that is due, or the case that keeps it."""
    native_assert(
        holds_is_due(&s.group.holds, hold.sequence), b"_resolve_due: it is open and not kept"
    )
    if hold.flags & ROW_KEEP:
        resolve_make_case(row, hold, CASE_DEADLINE_PASSED)
        row.flags = ROW_KEEP
        return 0
    memset(row, 0, sizeof(Row))
    row.kind = KIND_EXPIRE
    row.result = RESULT_OK
    row.resolves = hold.sequence
    return resolve_fill(s, row, hold)


cdef int _resolve_all_due(
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
            rc = _resolve_due(s, &holds[count[0]], &rows[count[0]])
        if rc != 0:
            return rc
        count[0] += 1
    return 0


cdef int _resolve_find_basket(
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


cdef void _resolve_set_aside(State* s, uint64_t first, uint64_t last) noexcept nogil:
    """Let holds of which one cannot be read stay open and be due no more."""
    cdef uint64_t sequence
    for sequence in range(first, last + 1):
        if holds_is_due(&s.group.holds, sequence):
            holds_set_aside(&s.group.holds, sequence)
            s.shared.aside_count += 1


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
    cdef int rc = _resolve_find_basket(s, first, &lead, &last)
    done[0] = rc != 0 or last - first < room
    if not done[0]:
        return 0
    if rc == 0:
        rc = _resolve_all_due(s, first, last, holds, rows, &count)
    if store_is_damage(rc):
        _resolve_set_aside(s, lead, last)
        s.group.aside_rc = rc
        return 0
    for i in range(count):
        if rc == 0:
            rc = rows_record(s, &rows[i], &holds[i], NULL, 0, NULL)
    return rc
