# The list of open and unverified holds on disk: HOLD_PIECES pieces, written in turn
# (index/turns.pxi).
#
# A hold belongs to the piece that its sequence leaves when divided by their number, so that
# pieces stay alike in size whatever opens and ends. A piece that was never written is empty.

cdef enum:
    HOLD_PIECES_WHOLE = 65536  # so many holds, 1 MiB, are written whole in each step


cdef inline void _hold_pieces_mark(
    State* s, uint64_t hold, uint64_t sequence
) noexcept nogil:
    """The row `sequence` has opened, kept or ended a hold, or ended the doubt about it."""
    native_assert(
        0 < hold and hold <= sequence,
        b"_hold_pieces_mark: the hold is not yet to come",
    )
    turns_mark(s, &s.index.holds_turns, <uint32_t>(hold % HOLD_PIECES), sequence)


cdef int hold_pieces_learn(Holds* holds, const Row* row) noexcept nogil:
    """What an accepted row does to the list of open and unverified holds."""
    native_assert(row.result == RESULT_OK, b"hold_pieces_learn: refused rows hold nothing")
    if row.kind == KIND_HOLD:
        return holds_add(
            holds, row.sequence, row.timestamp + <uint64_t>row.deadline * 1000000000
        )
    if row.kind == KIND_EXPIRE:
        holds_doubt(holds, row.resolves)
    elif kinds_resolves_hold(row.kind):
        native_assert(
            holds_is_open(holds, row.resolves), b"hold_pieces_learn: what ends was open"
        )
        native_assert(
            holds_is_kept(holds, row.resolves) == (row.flags & ROW_KEEP != 0),
            b"hold_pieces_learn: what ends says whether it was kept",
        )
        holds_remove(holds, row.resolves)
    elif keys_keeps_hold(row):
        native_assert(
            holds_is_open(holds, row.resolves) and not holds_is_kept(holds, row.resolves),
            b"hold_pieces_learn: what is kept was open",
        )
        holds_keep(holds, row.resolves)
    elif keys_ends_doubt(row):
        # One that was voided is not listed: a late confirmation alone was in question.
        native_assert(
            not holds_is_open(holds, row.resolves), b"hold_pieces_learn: doubt is of what ended"
        )
        holds_remove(holds, row.resolves)
    return 0


cdef inline uint64_t hold_pieces_spoken_of(const Row* row) noexcept nogil:
    """The hold that an accepted row opens, keeps or ends, or of which it ends the doubt; 0 for
    any other row."""
    if row.kind == KIND_HOLD:
        return row.sequence
    return row.resolves if keys_needs_hold(row) or keys_ends_doubt(row) else 0


cdef int hold_pieces_take_row(State* s, const Row* row) noexcept nogil:
    """Let the index writer's list learn an accepted row."""
    cdef uint64_t hold = hold_pieces_spoken_of(row)
    if hold == 0:
        return 0
    _hold_pieces_mark(s, hold, row.sequence)
    return hold_pieces_learn(&s.index.images_holds, row)


cdef uint32_t _hold_pieces_check(const HoldsHead* head) noexcept nogil:
    return native_crc(
        native_crc(0, <const uint8_t*>head, sizeof(HoldsHead) - 4),
        <const uint8_t*>(head + 1), <size_t>head.count * sizeof(Hold),
    )


cdef inline bint _hold_pieces_belong(
    const Hold* holds, uint32_t count, uint32_t number, uint64_t as_of
) noexcept nogil:
    """Whether holds are those of one piece, opened by then, none set aside. For asserts."""
    cdef uint32_t i
    if not SWITCH_ASSERT:
        return True
    for i in range(count):
        if holds[i].sequence % HOLD_PIECES != number or holds[i].sequence > as_of:
            return False
        if holds[i].due == ASIDE:
            return False
    return True


cdef int _hold_pieces_put(
    State* s, MDB_txn* txn, uint64_t as_of, uint32_t number, const Hold* holds, uint32_t count
) noexcept nogil:
    cdef HoldsHead* head
    cdef int rc = turns_put(
        txn, s.config.holds_table, number, <void**>&head, sizeof(HoldsHead) + count * sizeof(Hold)
    )
    if rc != 0:
        return rc
    native_assert(as_of % s.config.step_rows == 0, b"_hold_pieces_put: at the end of a step")
    native_assert(
        _hold_pieces_belong(holds, count, number, as_of),
        b"_hold_pieces_put: its own holds",
    )
    head.magic = HOLDS_MAGIC
    head.number = number
    head.as_of = as_of
    head.count = count
    memcpy(head + 1, holds, count * sizeof(Hold))
    head.check = _hold_pieces_check(head)
    s.index.holds_turns.written[number].steps = <uint32_t>(as_of // s.config.step_rows)
    s.index.holds_turns.written[number].check = head.check
    return 0


cdef int hold_pieces_write(State* s, MDB_txn* txn, uint64_t as_of) noexcept nogil:
    """Write this step's share of the holds that are open or unverified at `as_of`."""
    cdef uint32_t[HOLD_PIECES + 1] ends
    cdef const Hold* heap = s.index.images_holds.heap
    cdef uint32_t least = HOLD_PIECES
    cdef uint32_t i, number
    cdef Hold* sorted_
    cdef int rc = 0
    if s.index.images_holds.count > HOLD_PIECES_WHOLE:
        least = HOLD_PIECES // TURN_STEPS_MAX
    turns_choose(&s.index.holds_turns, HOLD_PIECES, least, as_of // s.config.step_rows)
    # By piece, those that are not written left out: ends[n] is where piece n - 1 ends.
    memset(ends, 0, sizeof(ends))
    for i in range(s.index.images_holds.count):
        number = <uint32_t>(heap[i].sequence % HOLD_PIECES)
        ends[number + 1] += s.index.holds_turns.writing[number]
    for number in range(<uint32_t>HOLD_PIECES):
        ends[number + 1] += ends[number]
    native_assert(
        ends[HOLD_PIECES] <= s.index.images_holds.count,
        b"hold_pieces_write: listed holds only",
    )
    sorted_ = <Hold*>malloc(<size_t>ends[HOLD_PIECES] * sizeof(Hold) + 1)
    if sorted_ == NULL:
        return ENOMEM
    for i in range(s.index.images_holds.count):
        number = <uint32_t>(heap[i].sequence % HOLD_PIECES)
        if s.index.holds_turns.writing[number]:
            sorted_[ends[number]] = heap[i]
            ends[number] += 1
    for number in range(<uint32_t>HOLD_PIECES):
        # By now ends[n] is where piece n ends.
        i = ends[number - 1] if number > 0 else 0
        if rc == 0 and s.index.holds_turns.writing[number]:
            rc = _hold_pieces_put(s, txn, as_of, number, &sorted_[i], ends[number] - i)
    native_assert(
        ends[HOLD_PIECES - 1] == ends[HOLD_PIECES],
        b"hold_pieces_write: each has its place",
    )
    free(sorted_)
    return rc


# --- opening -----------------------------------------------------------------------------

cdef int _hold_pieces_load_one(
    State* s, MDB_txn* txn, uint32_t number, uint64_t* applied
) noexcept nogil:
    cdef const PieceRecord* piece = &s.index.holds_turns.pieces[number]
    cdef const HoldsHead* head
    cdef const Hold* holds
    cdef MDB_val value
    cdef uint32_t i
    cdef int rc
    applied[0] = piece.steps * s.config.step_rows
    if piece.steps == 0:
        return 0
    rc = turns_get(txn, s.config.holds_table, number, &value)
    if rc != 0:
        return rc
    head = <const HoldsHead*>value.mv_data
    if value.mv_size < sizeof(HoldsHead) or head.magic != HOLDS_MAGIC:
        return RC_INDEX
    if (
        value.mv_size != sizeof(HoldsHead) + <size_t>head.count * sizeof(Hold)
        or head.number != number or head.as_of != applied[0]
        or head.check != piece.check or head.check != _hold_pieces_check(head)
    ):
        return RC_INDEX
    holds = <const Hold*>(head + 1)
    for i in range(head.count):
        rc = holds_add(&s.index.images_holds, holds[i].sequence, holds[i].due)
        if rc != 0:
            return rc
    return 0


cdef int hold_pieces_load(State* s, MDB_txn* txn, uint64_t* applied) noexcept nogil:
    """Load every piece, and up to which row it was written: the very ones `meta` lists."""
    cdef uint32_t number
    cdef int rc = 0
    for number in range(<uint32_t>HOLD_PIECES):
        if rc == 0:
            rc = _hold_pieces_load_one(s, txn, number, &applied[number])
    s.index.holds_turns.stored = HOLD_PIECES
    return rc


cdef int hold_pieces_catch_up(State* s, const uint64_t* applied, const Row* row) noexcept nogil:
    """Apply an accepted row if the piece of its hold lacks it."""
    cdef uint64_t hold = hold_pieces_spoken_of(row)
    if hold == 0 or applied[hold % HOLD_PIECES] >= row.sequence:
        return 0
    return hold_pieces_take_row(s, row)
