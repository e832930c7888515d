# Pieces of state that are written in turn: account segments, and the list of open holds.
#
# A step writes the pieces that have waited longest, as many as are needed for each to be
# written within TURN_STEPS_MAX steps from its first change. So a step's share stays small
# with a million accounts or holds, and what a stored piece lacks is never far back in the
# journal: opening applies it again, to that piece only. `meta` lists up to which step each
# piece was written and its check, so that an older one is not taken for it.

cdef inline void turns_mark(
    const State* s, Turns* turns, uint32_t number, uint64_t sequence
) noexcept nogil:
    """The row `sequence` has changed a piece."""
    native_assert(
        number < ACCOUNTS_MAX // SEGMENT_ACCOUNTS and sequence > 0,
        b"turns_mark: it is a piece",
    )
    if turns.since[number] == 0:
        turns.since[number] = (sequence - 1) // s.config.step_rows + 1
    native_assert(
        turns.since[number] <= (sequence - 1) // s.config.step_rows + 1,
        b"turns_mark: rows come in order",
    )


cdef inline uint32_t _turns_left(
    const Turns* turns, uint32_t number, uint64_t step
) noexcept nogil:
    """How many steps a piece can wait at `step`; TURN_STEPS_MAX if it is as stored."""
    cdef uint64_t since = turns.since[number]
    cdef uint64_t waited
    if since == 0:
        return TURN_STEPS_MAX
    if number >= turns.stored:
        return 0  # so that below the stored ones no piece is ever missing
    native_assert(since <= step, b"_turns_left: what has changed it is not yet to come")
    # The step that ends at `step` has the number step - 1, as `since` is one more than it.
    waited = min(step - since, <uint64_t>TURN_STEPS_MAX - 1)
    return TURN_STEPS_MAX - 1 - <uint32_t>waited


cdef inline bint _turns_keep_terms(
    const Turns* turns, uint32_t count, uint64_t step
) noexcept nogil:
    """Whether every piece that cannot wait is written, and none for nothing. For asserts."""
    cdef uint32_t number, left
    if not SWITCH_ASSERT:
        return True
    for number in range(count):
        left = _turns_left(turns, number, step)
        if turns.writing[number] and left == TURN_STEPS_MAX:
            return False
        if left == 0 and not turns.writing[number]:
            return False
    return True


cdef void turns_choose(
    Turns* turns, uint32_t count, uint32_t least, uint64_t step
) noexcept nogil:
    """Mark what the step that ends at `step` writes: as few as keep every term."""
    cdef uint32_t[TURN_STEPS_MAX] waiting
    cdef uint32_t share = least
    cdef uint32_t due = 0
    cdef uint32_t number, left
    memset(waiting, 0, sizeof(waiting))
    for number in range(count):
        turns.writing[number] = 0
        left = _turns_left(turns, number, step)
        if left < TURN_STEPS_MAX:
            waiting[left] += 1
    for left in range(<uint32_t>TURN_STEPS_MAX):
        # So many are due within left + 1 steps, this one included.
        due += waiting[left]
        share = max(share, due // (left + 1) + (due % (left + 1) != 0))
    for left in range(<uint32_t>TURN_STEPS_MAX):
        for number in range(count):
            if share > 0 and _turns_left(turns, number, step) == left:
                turns.writing[number] = 1
                share -= 1
    native_assert(
        _turns_keep_terms(turns, count, step),
        b"turns_choose: each piece keeps its term",
    )


cdef uint64_t turns_oldest(const Turns* turns, uint32_t count, uint64_t step) noexcept nogil:
    """Up to which step no piece lacks a row once the step that ends at `step` is written."""
    cdef uint64_t oldest = step
    cdef uint32_t number
    for number in range(count):
        if turns.since[number] != 0 and not turns.writing[number]:
            oldest = min(oldest, turns.since[number] - 1)
    native_assert(
        oldest <= step and step - oldest < TURN_STEPS_MAX,
        b"turns_oldest: none is far behind",
    )
    return oldest


cdef void turns_finish(Turns* turns, uint32_t count) noexcept nogil:
    """The step is durable: what it wrote is as stored."""
    cdef uint32_t number
    native_assert(count >= turns.stored, b"turns_finish: no piece goes")
    turns.stored = count
    for number in range(count):
        if turns.writing[number]:
            native_assert(turns.since[number] != 0, b"turns_finish: what was written had changed")
            native_assert(
                turns.written[number].steps > turns.pieces[number].steps,
                b"turns_finish: it is newer",
            )
            turns.since[number] = 0
            turns.pieces[number] = turns.written[number]


cdef PieceRecord* turns_put_list(
    const Turns* turns, uint32_t count, bint whole, PieceRecord* at
) noexcept nogil:
    """The pieces as they are stored; `whole`: with what the step under way has written."""
    cdef uint32_t number
    for number in range(count):
        at[number] = turns.pieces[number]
        if whole and turns.writing[number]:
            native_assert(
                turns.written[number].steps > turns.pieces[number].steps,
                b"turns_put_list: what is written is newer",
            )
            at[number] = turns.written[number]
    return at + count


cdef int turns_put(
    MDB_txn* txn, MDB_dbi table, uint32_t number, void** data, size_t size
) noexcept nogil:
    """Room for a piece's value, to be filled before the next call."""
    cdef uint32_t name = native_swap32(number)
    cdef MDB_val key, value
    cdef int rc
    key.mv_size = 4
    key.mv_data = &name
    rc = damage_before_put(txn, table, &key)
    if rc != 0:
        return rc
    value.mv_size = size
    value.mv_data = NULL
    rc = mdb_put(txn, table, &key, &value, MDB_RESERVE)
    data[0] = value.mv_data
    return rc


cdef int turns_get(
    MDB_txn* txn, MDB_dbi table, uint32_t number, MDB_val* value
) noexcept nogil:
    cdef uint32_t name = native_swap32(number)
    cdef MDB_val key
    key.mv_size = 4
    key.mv_data = &name
    return damage_of(mdb_get(txn, table, &key, value))
