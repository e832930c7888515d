# Account images on disk: segments of 512 accounts, written in turn.
#
# A step writes the segments that have waited longest, as many as are needed for each to
# be written within SEGMENT_STEPS_MAX steps from its first change. So a step's share stays
# small with a million accounts, and what a stored segment lacks is never far back in the
# journal: opening applies it again, to the accounts of that segment only.

cdef inline void segments_mark(State* s, uint32_t account, uint64_t sequence) noexcept nogil:
    """The row `sequence` has changed an account's image."""
    cdef uint64_t* since = &s.segments_since[account // SEGMENT_ACCOUNTS]
    if since[0] == 0:
        since[0] = (sequence - 1) // s.step_rows + 1


cdef inline uint32_t segments_count(uint32_t accounts_count) noexcept nogil:
    """Segments that so many accounts fill; index 0 alone, which is nobody's, fills none."""
    if accounts_count <= 1:
        return 0
    return (accounts_count + SEGMENT_ACCOUNTS - 1) // SEGMENT_ACCOUNTS


cdef inline uint32_t segments_left(
    const State* s, uint32_t number, uint64_t step
) noexcept nogil:
    """How many steps a segment can wait at `step`; SEGMENT_STEPS_MAX if it is as stored."""
    cdef uint64_t since = s.segments_since[number]
    cdef uint64_t waited
    if since == 0:
        return SEGMENT_STEPS_MAX
    if number >= s.segments_stored:
        return 0  # so that below the stored accounts no segment is ever missing
    # The step that ends at `step` has the number step - 1, as `since` is one more than it.
    waited = min(step - since, <uint64_t>SEGMENT_STEPS_MAX - 1)
    return SEGMENT_STEPS_MAX - 1 - <uint32_t>waited


cdef void segments_choose(State* s, uint64_t as_of) noexcept nogil:
    """Mark what the step that ends at `as_of` writes: as few as keep every term."""
    cdef uint32_t[SEGMENT_STEPS_MAX] waiting
    cdef uint64_t step = as_of // s.step_rows
    cdef uint32_t count = segments_count(s.images.count)
    cdef uint32_t share = s.segments_least
    cdef uint32_t due = 0
    cdef uint32_t number, left
    memset(waiting, 0, sizeof(waiting))
    for number in range(count):
        s.segments_writing[number] = 0
        left = segments_left(s, number, step)
        if left < SEGMENT_STEPS_MAX:
            waiting[left] += 1
    for left in range(<uint32_t>SEGMENT_STEPS_MAX):
        # So many are due within left + 1 steps, this one included.
        due += waiting[left]
        share = max(share, due // (left + 1) + (due % (left + 1) != 0))
    for left in range(<uint32_t>SEGMENT_STEPS_MAX):
        for number in range(count):
            if share > 0 and segments_left(s, number, step) == left:
                s.segments_writing[number] = 1
                share -= 1


cdef uint32_t segments_check(const Segment* segment) noexcept nogil:
    """The check that a segment should have."""
    return native_crc(
        native_crc(0, <const uint8_t*>segment, sizeof(Segment) - 4),
        <const uint8_t*>(segment + 1), SEGMENT_ACCOUNTS * sizeof(Account),
    )


cdef int segments_write(State* s, MDB_txn* txn, uint64_t as_of) noexcept nogil:
    """Write this step's share. The images are exact at `as_of`."""
    cdef size_t size = sizeof(Segment) + SEGMENT_ACCOUNTS * sizeof(Account)
    cdef Segment* segment
    cdef uint32_t number, name
    cdef MDB_val key, value
    cdef int rc
    segments_choose(s, as_of)
    for number in range(segments_count(s.images.count)):
        if not s.segments_writing[number]:
            continue
        name = native_swap32(number)
        key.mv_size = 4
        key.mv_data = &name
        value.mv_size = size
        value.mv_data = NULL
        rc = mdb_put(txn, s.segments, &key, &value, MDB_RESERVE)
        if rc != 0:
            return rc
        segment = <Segment*>value.mv_data
        memset(segment, 0, sizeof(Segment))
        segment.magic = SEGMENT_MAGIC
        segment.number = number
        segment.as_of = as_of
        memcpy(
            segment + 1, &s.images.accounts[number * SEGMENT_ACCOUNTS],
            SEGMENT_ACCOUNTS * sizeof(Account),
        )
        segment.check = segments_check(segment)
    return 0


cdef uint32_t segments_behind(const State* s, uint64_t as_of) noexcept nogil:
    """How many steps before `as_of` some segment will lack once this step is written."""
    cdef uint64_t step = as_of // s.step_rows
    cdef uint64_t oldest = step
    cdef uint32_t number
    for number in range(segments_count(s.images.count)):
        if s.segments_since[number] != 0 and not s.segments_writing[number]:
            oldest = min(oldest, s.segments_since[number] - 1)
    return <uint32_t>(step - oldest)


cdef void segments_finish(State* s) noexcept nogil:
    """The step is durable: what it wrote is as stored."""
    cdef uint32_t number
    s.segments_stored = segments_count(s.images.count)
    for number in range(s.segments_stored):
        if s.segments_writing[number]:
            s.segments_since[number] = 0


# --- opening -----------------------------------------------------------------------------

cdef int segments_get(
    State* s, MDB_txn* txn, uint32_t number, MDB_val* value
) noexcept nogil:
    cdef uint32_t name = native_swap32(number)
    cdef MDB_val key
    cdef int rc
    key.mv_size = 4
    key.mv_data = &name
    rc = mdb_get(txn, s.segments, &key, value)
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int segments_load(
    State* s, MDB_txn* txn, uint32_t accounts_count, uint64_t as_of, uint64_t* applied
) noexcept nogil:
    """Load all images, and for each segment up to which row it was written."""
    cdef size_t size = sizeof(Segment) + SEGMENT_ACCOUNTS * sizeof(Account)
    cdef const Segment* segment
    cdef uint32_t number
    cdef MDB_val value
    cdef int rc
    if accounts_count > ACCOUNTS_MAX or accounts_count == 0:
        return MDB_CORRUPTED
    for number in range(segments_count(accounts_count)):
        rc = segments_get(s, txn, number, &value)
        if rc != 0:
            return rc
        native_will_need(value.mv_data, value.mv_size)
    for number in range(segments_count(accounts_count)):
        rc = segments_get(s, txn, number, &value)
        if rc != 0:
            return rc
        segment = <const Segment*>value.mv_data
        if (
            value.mv_size != size or segment.magic != SEGMENT_MAGIC
            or segment.number != number or segment.as_of > as_of
            or segment.check != segments_check(segment)
        ):
            return MDB_CORRUPTED
        memcpy(
            &s.images.accounts[number * SEGMENT_ACCOUNTS], segment + 1,
            SEGMENT_ACCOUNTS * sizeof(Account),
        )
        applied[number] = segment.as_of
    s.images.count = accounts_count
    s.segments_stored = segments_count(accounts_count)
    return 0


cdef inline bint segments_lack(
    const uint64_t* applied, uint32_t account, uint64_t sequence
) noexcept nogil:
    return applied[account // SEGMENT_ACCOUNTS] < sequence


cdef int segments_take_row(
    State* s, const uint64_t* applied, Reader* reader, const Row* row, const uint8_t* tail,
    uint32_t tail_size
) noexcept nogil:
    """Apply an accepted row to those of its accounts whose segments lack it."""
    cdef bint debit = segments_lack(applied, row.debit, row.sequence)
    cdef bint two = keys_changes_both(row)
    cdef bint credit = two and segments_lack(applied, row.credit, row.sequence)
    cdef const Row* hold = NULL
    cdef Account kept
    cdef int rc
    if not (debit or credit):
        return 0
    if keys_resolves_hold(row):
        rc = store_get_row(reader, row.resolves, &hold)
        if rc != 0:
            return rc
    # What has the row already is put back as it was.
    if not debit:
        kept = s.images.accounts[row.debit]
    elif two and not credit:
        kept = s.images.accounts[row.credit]
    effect_apply(&s.images, row, hold, tail, tail_size)
    if not debit:
        s.images.accounts[row.debit] = kept
    elif two and not credit:
        s.images.accounts[row.credit] = kept
    if debit:
        segments_mark(s, row.debit, row.sequence)
    if credit:
        segments_mark(s, row.credit, row.sequence)
    return 0


cdef void segments_take_window(
    State* s, const uint64_t* applied, const Row* row, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    """Likewise a window row, whose lines are one account each."""
    cdef const WindowLine* lines = <const WindowLine*>tail
    cdef uint32_t i
    for i in range(tail_size // sizeof(WindowLine)):
        if segments_lack(applied, lines[i].account, row.sequence):
            effect_apply(&s.images, row, NULL, <const uint8_t*>&lines[i], sizeof(WindowLine))
            segments_mark(s, lines[i].account, row.sequence)


cdef int segments_catch_up(
    State* s, const uint64_t* applied, uint64_t exact, uint64_t as_of
) noexcept nogil:
    """Bring every image to `as_of` with the rows after `exact`.

    No segment lacks an earlier one, however long ago it was written.
    """
    cdef Reader reader
    cdef Walk walk
    cdef const Row* row
    cdef const uint8_t* tail
    cdef uint32_t tail_size
    cdef uint32_t accounts_count = s.images.count
    cdef uint64_t sequence = exact + 1
    cdef int rc
    if sequence > as_of:
        return 0
    rc = store_begin(s, &reader)
    if rc != 0:
        return rc
    store_begin_walk(&walk, &reader)
    while rc == 0 and sequence <= as_of:
        store_fetch_images(&walk, s.images.accounts)
        rc = store_walk_to(&walk, sequence, &row, &tail, &tail_size)
        if rc != 0:
            break
        if row.result == RESULT_OK and not effect_is_within(row, tail, tail_size):
            rc = MDB_CORRUPTED
        elif row.result == RESULT_OK and row.kind == KIND_WINDOW:
            segments_take_window(s, applied, row, tail, tail_size)
        elif row.result == RESULT_OK and keys_changes_account(row):
            rc = segments_take_row(s, applied, &reader, row, tail, tail_size)
        sequence += 1
    store_end(&reader)
    s.images.count = accounts_count
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
