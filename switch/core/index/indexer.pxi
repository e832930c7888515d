# The index writer: behind the journal, one step at a time, in a thread of its own.
#
# A step covers a fixed range of rows, so the index is a function of the journal. All of
# a step is one transaction of the index environment.

cdef int indexer_work_init(State* s, Work* work) noexcept nogil:
    """Empty scratch for a step. What the step before had is used again: the system clears each
    page of what it gives anew, which took the index writer a fifth of its time."""
    if work.places != NULL:
        indexer_work_clear(work)
        return 0
    if _indexer_work_allocate(s, work) == 0:
        return 0
    indexer_work_free(work)
    return ENOMEM


cdef int _indexer_work_allocate(State* s, Work* work) noexcept nogil:
    cdef int map_
    memset(work, 0, sizeof(Work))
    for map_ in range(MAPS_COUNT):
        work.capacities[map_] = <uint32_t>keys_most(map_, s.config.step_rows)
        work.entries[map_] = <Entry*>malloc(work.capacities[map_] * sizeof(Entry))
        if work.entries[map_] == NULL:
            return ENOMEM
    # A window changes no accounts but billers'.
    work.accounts = <PostingsAccount*>malloc(
        (2 * s.config.step_rows + BILLER_ACCOUNTS_MAX) * sizeof(PostingsAccount)
    )
    work.posted = <uint32_t*>malloc(2 * s.config.step_rows * 4)
    work.rows = <uint32_t*>malloc(2 * s.config.step_rows * 4)
    work.places = <uint32_t*>calloc(ACCOUNTS_MAX, 4)
    work.marks = <Mark*>malloc((2 * s.config.step_rows // POSTINGS_MARK + 1) * sizeof(Mark))
    if work.accounts == NULL or work.posted == NULL or work.rows == NULL or work.places == NULL:
        return ENOMEM
    if work.marks == NULL:
        return ENOMEM
    return 0


cdef void indexer_work_clear(Work* work) noexcept nogil:
    """Forget what a step brought, and keep the memory for the next one."""
    cdef uint32_t i
    for i in range(work.accounts_count):
        work.places[work.accounts[i].account] = 0
    memset(work.counts, 0, sizeof(work.counts))
    work.accounts_count = work.posted_count = work.marks_count = work.registers_count = 0


cdef void indexer_work_free(Work* work) noexcept nogil:
    cdef int map_
    for map_ in range(MAPS_COUNT):
        free(work.entries[map_])
    free(work.accounts)
    free(work.posted)
    free(work.rows)
    free(work.places)
    free(work.marks)
    free(work.registers)
    memset(work, 0, sizeof(Work))


cdef int _indexer_keep_register(Work* work, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note a row that becomes the current one of an account, of what the register speaks of,
    or of a complaint."""
    cdef Registered* registers
    cdef uint8_t record = 0
    if row.kind == KIND_REGISTER:
        record = tail[0]
        if record == RECORD_CLOCK or record == RECORD_MARGIN:
            # The one speaks of nothing, the other is found by its link.
            return 0
    elif kinds_is_told(row.kind):
        record = RECORDS_COMPLAINT
    native_assert(
        record < RECORD_KINDS and row.debit > 0,
        b"_indexer_keep_register: a record",
    )
    if work.registers_count == work.registers_capacity:
        work.registers_capacity = work.registers_capacity * 2 + 64
        registers = <Registered*>realloc(
            work.registers, work.registers_capacity * sizeof(Registered)
        )
        if registers == NULL:
            return ENOMEM
        work.registers = registers
    native_assert(
        work.registers_count < work.registers_capacity,
        b"_indexer_keep_register: room",
    )
    work.registers[work.registers_count].sequence = row.sequence
    work.registers[work.registers_count].index = row.debit
    work.registers[work.registers_count].record = record
    work.registers_count += 1
    return 0


cdef int _indexer_take_row(
    State* s, Work* work, Reader* reader, const Row* row, const uint8_t* tail,
    uint32_t tail_size, uint32_t row_number
) noexcept nogil:
    """Let the images and the step's scratch learn one row."""
    cdef Derived derived
    cdef const Row* hold = NULL
    cdef const Row* root = NULL
    cdef const WindowLine* lines
    cdef bint pays = row.result == RESULT_OK and keys_is_of_payout(&s.index.images, row)
    cdef uint32_t payee = 0
    cdef uint32_t i
    cdef int map_
    cdef int rc
    native_assert(
        row.sequence == s.shared.indexed + 1 + row_number,
        b"_indexer_take_row: rows in order",
    )
    native_assert(row_number < s.config.step_rows, b"_indexer_take_row: rows of the step")
    if row.result == RESULT_OK:
        if not effect_is_within(row, tail, tail_size):
            return MDB_CORRUPTED
        if keys_needs_hold(row) or row.flags & ROW_RELEASE or pays:
            rc = store_get_row(reader, row.resolves, &hold)
            root = hold
            if rc == 0 and hold.kind == KIND_POST:
                rc = store_get_row(reader, hold.resolves, &root)
            if rc == 0 and pays:
                rc = segments_find_payee(s, reader, row, &payee)
            if rc != 0:
                return rc
        effect_rely(&s.index.images, row, hold)
        effect_apply(&s.index.images, row, hold, tail, tail_size)
        if payee != 0:
            effect_pay_out(&s.index.images, row, payee)
            segments_mark(s, payee, row.sequence)
        if kinds_moves_money(row.kind):
            postings_add(s, work, row.debit, row_number)
            postings_add(s, work, row.credit, row_number)
        if kinds_gives_index(row.kind) or kinds_is_told(row.kind):
            rc = _indexer_keep_register(work, row, tail)
            if rc != 0:
                return rc
        if row.kind == KIND_WINDOW:
            s.index.images_window = row.sequence
            lines = <const WindowLine*>tail
            for i in range(effect_lines(tail_size)):
                postings_touch(work, lines[i].account)
                segments_mark(s, lines[i].account, row.sequence)
        elif kinds_changes_debit(row.kind):
            postings_touch(work, row.debit)
            segments_mark(s, row.debit, row.sequence)
            if kinds_changes_credit(row.kind):
                postings_touch(work, row.credit)
                segments_mark(s, row.credit, row.sequence)
        rc = hold_pieces_take_row(s, row)
        if rc != 0:
            return rc
    keys_derive(s, &s.index.images, row, root, tail, tail_size, NULL, &derived)
    for i in range(<uint32_t>derived.count):
        map_ = derived.maps[i]
        native_assert(
            work.counts[map_] < work.capacities[map_],
            b"_indexer_take_row: room for its keys",
        )
        work.entries[map_][work.counts[map_]] = derived.entries[i]
        work.counts[map_] += 1
    return 0


cdef int indexer_take_rows(
    State* s, Work* work, uint64_t first, uint64_t last
) noexcept nogil:
    """Read the rows of one step from the journal, each through its own check."""
    cdef Reader* reader = &s.index.step_readers[0]
    cdef Reader* other = &s.index.step_readers[1]
    cdef Walk walk
    cdef const Row* row
    cdef const uint8_t* tail
    cdef uint32_t tail_size
    cdef uint64_t sequence = first
    cdef FaultPlace* before = fault_enter(&s.shared.in_journal)
    cdef int rc = store_renew(reader)
    if rc == 0:
        rc = store_renew(other)
    native_assert(
        first == s.shared.indexed + 1 and last == s.shared.indexed + s.config.step_rows,
        b"indexer_take_rows: the step after the index",
    )
    native_assert(
        work.posted_count == 0 and work.accounts_count == 0,
        b"indexer_take_rows: nothing is taken yet",
    )
    store_begin_walk(&walk, reader)
    while rc == 0 and sequence <= last:
        store_fetch_images(&walk, s.index.images.accounts)
        rc = store_walk_to(&walk, sequence, &row, &tail, &tail_size)
        if rc == 0:
            rc = _indexer_take_row(
                s, work, other, row, tail, tail_size, <uint32_t>(sequence - first)
            )
        sequence += 1
    if rc == 0:
        native_assert(
            work.posted_count <= 2 * s.config.step_rows,
            b"indexer_take_rows: two accounts a row",
        )
        s.index.images_check = walk.chunk.check
        postings_sort(work)
        rc = _indexer_sort(work)
    store_rest(reader)
    store_rest(other)
    fault_leave(before)
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int _indexer_sort(Work* work) noexcept nogil:
    """Bring the step's entries into the order of their runs."""
    cdef uint32_t most = max(max(work.counts[0], work.counts[1]), work.counts[2])
    cdef Entry* scratch = <Entry*>malloc(<size_t>most * sizeof(Entry) + 1)
    cdef int map_
    if scratch == NULL:
        return ENOMEM
    for map_ in range(MAPS_COUNT):
        sort_entries(work.entries[map_], scratch, work.counts[map_])
        native_assert(
            sort_is_done(work.entries[map_], work.counts[map_]),
            b"_indexer_sort: keys ascend",
        )
    free(scratch)
    return 0


cdef inline bint indexer_has_runs(const State* s) noexcept nogil:
    """Whether the step's own runs are whole, of every map that has keys. For asserts."""
    cdef int map_
    if not SWITCH_ASSERT:
        return True
    for map_ in range(MAPS_COUNT):
        if s.index.work.counts[map_] == 0:
            continue
        if s.index.step_runs[map_] == NULL:
            return False
        if s.index.step_runs[map_].entries_count != s.index.work.counts[map_]:
            return False
    return True


# --- the step's transaction -----------------------------------------------------------------

cdef int indexer_put(
    MDB_txn* txn, MDB_dbi table, const void* name, size_t name_size, const void* data,
    size_t size
) noexcept nogil:
    cdef MDB_val key, value
    cdef int rc
    key.mv_size = name_size
    key.mv_data = <void*>name
    rc = damage_before_put(txn, table, &key)
    value.mv_size = size
    value.mv_data = <void*>data
    return mdb_put(txn, table, &key, &value, 0) if rc == 0 else rc


cdef inline uint64_t indexer_record_mark(uint32_t index, uint64_t sequence) noexcept nogil:
    """What a record adds to the sum of its kind."""
    return native_mix(sequence + (<uint64_t>index << 40))


cdef int indexer_write_records(State* s, MDB_txn* txn, const Work* work) noexcept nogil:
    """The sequence of the current row of each account, of all in the register, of complaints.

    `meta` counts and sums them, so that an older one is not taken for the current one.
    """
    cdef uint8_t[5] name
    cdef uint32_t index, i
    cdef uint64_t before
    cdef const Registered* each
    cdef MDB_val key, value
    cdef int rc
    key.mv_size = 5
    key.mv_data = name
    for i in range(work.registers_count):
        each = &work.registers[i]
        native_assert(
            each.sequence > s.index.next.as_of,
            b"indexer_write_records: a row of the step",
        )
        name[0] = each.record
        index = native_swap32(each.index)
        memcpy(&name[1], &index, 4)
        rc = mdb_get(txn, s.config.records, &key, &value)
        if rc == 0 and value.mv_size == 8:
            memcpy(&before, value.mv_data, 8)
            s.index.next.records_sum[each.record] -= indexer_record_mark(each.index, before)
        elif rc == MDB_NOTFOUND:
            s.index.next.records_count[each.record] += 1
        else:
            return RC_INDEX if rc == 0 else damage_of(rc)
        s.index.next.records_sum[each.record] += indexer_record_mark(each.index, each.sequence)
        rc = indexer_put(txn, s.config.records, name, 5, &each.sequence, 8)
        if rc != 0:
            return rc
    return 0
