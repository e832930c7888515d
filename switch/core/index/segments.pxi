# Account images on disk: segments of 512 accounts, written in turn (index/turns.pxi).

cdef inline void segments_mark(State* s, uint32_t account, uint64_t sequence) noexcept nogil:
    """The row `sequence` has changed an account's image."""
    native_assert(account > 0 and account < ACCOUNTS_MAX, b"segments_mark: an account")
    turns_mark(s, &s.index.segments_turns, account // SEGMENT_ACCOUNTS, sequence)


cdef inline uint32_t segments_count(uint32_t accounts_count) noexcept nogil:
    """Segments that so many accounts fill; index 0 alone, which is nobody's, fills none."""
    if accounts_count <= 1:
        return 0
    return (accounts_count + SEGMENT_ACCOUNTS - 1) // SEGMENT_ACCOUNTS


cdef uint32_t _segments_check(const Segment* segment) noexcept nogil:
    """The check that a segment should have."""
    return native_crc(
        native_crc(0, <const uint8_t*>segment, sizeof(Segment) - 4),
        <const uint8_t*>(segment + 1), SEGMENT_ACCOUNTS * sizeof(Account),
    )


cdef int segments_write(State* s, MDB_txn* txn, uint64_t as_of) noexcept nogil:
    """Write this step's share. The images are exact at `as_of`."""
    cdef size_t size = sizeof(Segment) + SEGMENT_ACCOUNTS * sizeof(Account)
    cdef uint32_t count = segments_count(s.index.images.count)
    cdef Segment* segment
    cdef uint32_t number
    cdef int rc
    native_assert(as_of % s.config.step_rows == 0, b"segments_write: at the end of a step")
    native_assert(
        count >= s.index.segments_turns.stored,
        b"segments_write: accounts do not go",
    )
    turns_choose(
        &s.index.segments_turns, count, s.config.segments_least,
        as_of // s.config.step_rows,
    )
    for number in range(count):
        if not s.index.segments_turns.writing[number]:
            continue
        rc = turns_put(txn, s.config.segments, number, <void**>&segment, size)
        if rc != 0:
            return rc
        memset(segment, 0, sizeof(Segment))
        segment.magic = SEGMENT_MAGIC
        segment.number = number
        segment.as_of = as_of
        memcpy(
            segment + 1, &s.index.images.accounts[number * SEGMENT_ACCOUNTS],
            SEGMENT_ACCOUNTS * sizeof(Account),
        )
        segment.check = _segments_check(segment)
        s.index.segments_turns.written[number].steps = <uint32_t>(as_of // s.config.step_rows)
        s.index.segments_turns.written[number].check = segment.check
    return 0


# --- opening -----------------------------------------------------------------------------

cdef int segments_load(
    State* s, MDB_txn* txn, uint32_t accounts_count, uint64_t* applied
) noexcept nogil:
    """Load all images, and for each segment up to which row it was written.

    Each has to be the very one that `meta` lists.
    """
    cdef size_t size = sizeof(Segment) + SEGMENT_ACCOUNTS * sizeof(Account)
    cdef const Segment* segment
    cdef const PieceRecord* piece
    cdef uint32_t number
    cdef MDB_val value
    cdef int rc
    for number in range(segments_count(accounts_count)):
        rc = turns_get(txn, s.config.segments, number, &value)
        if rc != 0:
            return rc
        native_will_need(value.mv_data, value.mv_size)
    for number in range(segments_count(accounts_count)):
        rc = turns_get(txn, s.config.segments, number, &value)
        if rc != 0:
            return rc
        segment = <const Segment*>value.mv_data
        piece = &s.index.segments_turns.pieces[number]
        if (
            value.mv_size != size or segment.magic != SEGMENT_MAGIC
            or segment.number != number
            or segment.as_of != piece.steps * s.config.step_rows
            or segment.check != piece.check or segment.check != _segments_check(segment)
        ):
            return RC_INDEX
        memcpy(
            &s.index.images.accounts[number * SEGMENT_ACCOUNTS], segment + 1,
            SEGMENT_ACCOUNTS * sizeof(Account),
        )
        applied[number] = segment.as_of
    s.index.images.count = accounts_count
    s.index.segments_turns.stored = segments_count(accounts_count)
    return 0


cdef inline bint _segments_lack(
    const uint64_t* applied, uint32_t account, uint64_t sequence
) noexcept nogil:
    return applied[account // SEGMENT_ACCOUNTS] < sequence


cdef int segments_take_row(
    State* s, const uint64_t* applied, Reader* reader, const Row* row, const uint8_t* tail,
    uint32_t tail_size
) noexcept nogil:
    """Apply an accepted row to those of its accounts whose segments lack it."""
    cdef bint debit = _segments_lack(applied, row.debit, row.sequence)
    cdef bint two = kinds_changes_credit(row.kind)
    cdef bint credit = two and _segments_lack(applied, row.credit, row.sequence)
    cdef const Row* hold = NULL
    cdef Account kept
    cdef int rc
    if not (debit or credit):
        return 0
    native_assert(
        row.sequence <= s.index.head.as_of,
        b"segments_take_row: the index has the row",
    )
    if keys_needs_hold(row):
        rc = store_get_row(reader, row.resolves, &hold)
        if rc != 0:
            return rc
    # What has the row already is put back as it was.
    if not debit:
        kept = s.index.images.accounts[row.debit]
    elif two and not credit:
        kept = s.index.images.accounts[row.credit]
    effect_apply(&s.index.images, row, hold, tail, tail_size)
    if not debit:
        s.index.images.accounts[row.debit] = kept
    elif two and not credit:
        s.index.images.accounts[row.credit] = kept
    if debit:
        segments_mark(s, row.debit, row.sequence)
    if credit:
        segments_mark(s, row.credit, row.sequence)
    return 0


cdef int segments_find_payee(
    State* s, Reader* reader, const Row* row, uint32_t* payee
) noexcept nogil:
    """The biller account whose `paid_out` a row changes, or 0. `rows` asks it of a group."""
    cdef const Row* named
    cdef int rc = store_get_row(reader, row.resolves, &named)
    payee[0] = 0
    if rc == 0 and keys_is_line_of(named):
        rc = store_get_row(reader, named.resolves, &named)
        if rc == 0 and not keys_may_have_paid_out(&s.index.images, named):
            return 0
    if rc == 0 and keys_is_transfer_of(named):
        rc = store_get_row(reader, named.resolves, &named)
    if rc == 0:
        payee[0] = effect_payee(&s.index.images, named)
    return rc


cdef int segments_take_payout(
    State* s, const uint64_t* applied, Reader* reader, const Row* row
) noexcept nogil:
    """Apply a payout, or its recall, to the account of whose money it is, if that lacks it."""
    cdef uint32_t payee
    cdef int rc
    if not keys_is_of_payout(&s.index.images, row):
        return 0
    rc = segments_find_payee(s, reader, row, &payee)
    if rc != 0:
        return rc
    if payee != 0 and _segments_lack(applied, payee, row.sequence):
        effect_pay_out(&s.index.images, row, payee)
        segments_mark(s, payee, row.sequence)
    return 0


cdef void segments_take_window(
    State* s, const uint64_t* applied, const Row* row, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    """Likewise a window row, whose lines are one account each."""
    cdef const WindowLine* lines = <const WindowLine*>tail
    cdef uint32_t i
    native_assert(
        row.sequence <= s.index.head.as_of,
        b"segments_take_window: the index has the row",
    )
    for i in range(effect_lines(tail_size)):
        if _segments_lack(applied, lines[i].account, row.sequence):
            effect_apply(&s.index.images, row, NULL, <const uint8_t*>&lines[i], sizeof(WindowLine))
            segments_mark(s, lines[i].account, row.sequence)
