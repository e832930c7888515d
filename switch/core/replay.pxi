# Opening: the index as it was left, then the rows after it.
#
# Afterwards memory is what it would be had the ledger never been closed.

cdef int replay_load_runs(
    State* s, MDB_txn* txn, const RunRecord* records, uint32_t count
) noexcept nogil:
    """Runs with their filters and fences; the meta value lists them newest first."""
    cdef const RunRecord* record
    cdef Run* run
    cdef uint32_t i
    cdef int rc
    for i in range(count):
        record = &records[i]
        if record.map >= MAPS_COUNT or record.level >= LEVELS_MAX:
            return MDB_CORRUPTED
        if s.runs_count[record.map] >= LEVELS_MAX * LEVEL_RUNS_MAX:
            return MDB_CORRUPTED
        if record.filter_size == 0:
            return MDB_CORRUPTED
        run = runs_new(
            record.map, record.level, record.id, record.entries_count, record.filter_size
        )
        if run == NULL:
            return ENOMEM
        s.levels[record.map][s.runs_count[record.map]] = run
        s.runs_count[record.map] += 1
        run.first = record.first
        run.last = record.last
        run.entries_count = record.entries_count
        run.least = record.least
        run.greatest = record.greatest
        run.pages_count = record.pages_count
        if run.pages_count != (run.entries_count + PAGE_ENTRIES - 1) // PAGE_ENTRIES:
            return MDB_CORRUPTED
        rc = runs_get_pieces(
            s, txn, run, RUN_FILTER_BLOCK, run.filter, <size_t>run.filter_size * 32
        )
        if rc == 0:
            rc = runs_get_pieces(
                s, txn, run, RUN_FENCES_BLOCK, run.fences,
                <size_t>run.pages_count * sizeof(Fence),
            )
        if rc != 0:
            return rc
    return 0


cdef void replay_sort_runs(State* s) noexcept nogil:
    """Newest first."""
    cdef int map_
    cdef uint32_t i, j
    cdef Run* run
    for map_ in range(MAPS_COUNT):
        for i in range(1, s.runs_count[map_]):
            run = s.levels[map_][i]
            j = i
            while j > 0 and s.levels[map_][j - 1].first < run.first:
                s.levels[map_][j] = s.levels[map_][j - 1]
                j -= 1
            s.levels[map_][j] = run


cdef int replay_load_segments(State* s, MDB_txn* txn, uint32_t accounts_count) noexcept nogil:
    cdef size_t size = sizeof(Segment) + SEGMENT_ACCOUNTS * sizeof(Account)
    cdef const Segment* segment
    cdef uint32_t number, name
    cdef MDB_val key, value
    cdef int rc
    if accounts_count > ACCOUNTS_MAX or accounts_count == 0:
        return MDB_CORRUPTED
    for number in range((accounts_count + SEGMENT_ACCOUNTS - 1) // SEGMENT_ACCOUNTS):
        name = native_swap32(number)
        key.mv_size = 4
        key.mv_data = &name
        rc = mdb_get(txn, s.segments, &key, &value)
        if rc == MDB_NOTFOUND and accounts_count == 1:
            break  # index 0 is nobody's: no account is open yet
        if rc != 0:
            return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
        segment = <const Segment*>value.mv_data
        if (
            value.mv_size != size or segment.magic != SEGMENT_MAGIC
            or segment.number != number
            or segment.check != native_crc(
                native_crc(0, <const uint8_t*>segment, sizeof(Segment) - 4),
                <const uint8_t*>(segment + 1), size - sizeof(Segment),
            )
        ):
            return MDB_CORRUPTED
        memcpy(
            &s.images.accounts[number * SEGMENT_ACCOUNTS], segment + 1,
            SEGMENT_ACCOUNTS * sizeof(Account),
        )
    s.images.count = accounts_count
    return 0


cdef int replay_load_holds(State* s, MDB_txn* txn) noexcept nogil:
    cdef MDB_val key, value
    cdef const Hold* holds
    cdef uint32_t check, i
    cdef int rc
    key.mv_size = 5
    key.mv_data = <void*><const char*>b"holds"
    rc = mdb_get(txn, s.holds_table, &key, &value)
    if rc != 0:
        return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
    if value.mv_size < 4 or (value.mv_size - 4) % sizeof(Hold) != 0:
        return MDB_CORRUPTED
    memcpy(&check, <uint8_t*>value.mv_data + value.mv_size - 4, 4)
    if check != native_crc(0, <uint8_t*>value.mv_data, value.mv_size - 4):
        return MDB_CORRUPTED
    holds = <const Hold*>value.mv_data
    for i in range(<uint32_t>((value.mv_size - 4) // sizeof(Hold))):
        rc = holds_add(&s.holds, holds[i].sequence, holds[i].due)
        if rc == 0:
            rc = holds_add(&s.images_holds, holds[i].sequence, holds[i].due)
        if rc != 0:
            return rc
    return 0


cdef int replay_load_records(State* s, MDB_txn* txn, uint8_t kind) noexcept nogil:
    """Participants or services, in the order of their index."""
    cdef uint8_t[5] name
    cdef uint32_t index = 1
    cdef uint32_t swapped, size
    cdef uint64_t sequence
    cdef MDB_val key, value
    cdef Row row
    cdef const uint8_t* tail
    cdef int rc
    while True:
        name[0] = kind
        swapped = native_swap32(index)
        memcpy(&name[1], &swapped, 4)
        key.mv_size = 5
        key.mv_data = name
        rc = mdb_get(txn, s.records, &key, &value)
        if rc == MDB_NOTFOUND:
            return 0
        if rc == 0 and value.mv_size != 8:
            return MDB_CORRUPTED
        if rc == 0:
            memcpy(&sequence, value.mv_data, 8)
            rc = rows_get(s, sequence, &row)
        if rc == 0:
            rc = rows_get_tail(s, sequence, &tail, &size)
        if rc != 0:
            return rc
        if row.debit != index or row.kind != KIND_REGISTER or size == 0 or tail[0] != kind:
            return MDB_CORRUPTED
        register_apply(s, &row, tail)
        index += 1


cdef int replay_delete_orphans(State* s) noexcept nogil:
    """Delete pieces of runs that no step has published: an unfinished merge's, or those
    merged away right before the last stop."""
    cdef MDB_txn* txn
    cdef MDB_cursor* cursor
    cdef MDB_val key, value
    cdef uint8_t[13] name
    cdef uint8_t[13] found
    cdef uint64_t id
    cdef uint32_t i
    cdef bint listed
    cdef int rc = mdb_txn_begin(s.index_env, NULL, 0, &txn)
    if rc != 0:
        return rc
    memset(name, 0, 13)
    while True:
        rc = mdb_cursor_open(txn, s.runs, &cursor)
        if rc != 0:
            break
        key.mv_size = 13
        key.mv_data = name
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)
        if rc == 0 and key.mv_size == 13:
            memcpy(found, key.mv_data, 13)
        mdb_cursor_close(cursor)
        if rc != 0:
            break
        memcpy(&id, &found[1], 8)
        id = native_swap64(id)
        listed = False
        if found[0] < MAPS_COUNT:
            for i in range(s.runs_count[found[0]]):
                listed = listed or s.levels[found[0]][i].id == id
        memcpy(name, found, 13)
        if listed:
            # On to the next run.
            id = native_swap64(id + 1)
            memcpy(&name[1], &id, 8)
            memset(&name[9], 0, 4)
            continue
        key.mv_size = 13
        key.mv_data = name
        rc = mdb_del(txn, s.runs, &key, NULL)
        if rc != 0:
            break
    if rc != MDB_NOTFOUND:
        mdb_txn_abort(txn)
        return rc
    return mdb_txn_commit(txn)


cdef int replay_load_index(State* s) noexcept nogil:
    """Everything that the index knows, as of its last step."""
    cdef MDB_txn* txn
    cdef MDB_val key, value
    cdef const IndexMeta* meta
    cdef const Chunk* chunk
    cdef int rc = mdb_txn_begin(s.index_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    key.mv_size = 5
    key.mv_data = <void*><const char*>b"index"
    rc = mdb_get(txn, s.index_meta, &key, &value)
    if rc == MDB_NOTFOUND:
        mdb_txn_abort(txn)
        return 0
    meta = <const IndexMeta*>value.mv_data
    if rc == 0 and (
        value.mv_size < sizeof(IndexMeta)
        or value.mv_size != sizeof(IndexMeta) + meta.runs_count * sizeof(RunRecord)
        or meta.check != native_crc(
            native_crc(0, <const uint8_t*>meta, sizeof(IndexMeta) - 4),
            <const uint8_t*>(meta + 1), meta.runs_count * sizeof(RunRecord),
        )
    ):
        rc = MDB_CORRUPTED
    if rc == 0 and (
        meta.format != FORMAT_VERSION or memcmp(meta.instance, s.instance, 16) != 0
        or meta.step_rows != s.step_rows or meta.as_of > s.sequence
    ):
        rc = RC_OTHER
    if rc == 0:
        # The journal must have the very chunk that the index was made up to.
        rc = store_get_chunk(&s.reader, meta.as_of, &chunk)
        if rc == 0 and chunk.check != meta.chunk_check:
            rc = RC_OTHER
    if rc == 0:
        s.indexed = meta.as_of
        s.images_window = meta.window
        s.working_window = meta.window
        s.run_next = meta.run_next
        rc = replay_load_runs(s, txn, <const RunRecord*>(meta + 1), meta.runs_count)
    if rc == 0:
        replay_sort_runs(s)
        rc = replay_load_segments(s, txn, meta.accounts_count)
    if rc == 0:
        rc = replay_load_holds(s, txn)
    if rc == 0:
        rc = replay_load_records(s, txn, RECORD_PARTICIPANT)
    if rc == 0:
        rc = replay_load_records(s, txn, RECORD_SERVICE)
    mdb_txn_abort(txn)
    if rc == 0:
        rc = replay_delete_orphans(s)
    return rc


cdef int replay_row(
    State* s, const Row* row, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    """Let memory learn one durable row."""
    cdef Row hold
    cdef int rc = 0
    if row.result == RESULT_OK and keys_resolves_hold(row):
        rc = rows_get(s, row.resolves, &hold)
    return rows_note(s, row, &hold, tail, tail_size, NULL) if rc == 0 else rc


cdef int replay_chunk(State* s, const Chunk* chunk) noexcept nogil:
    """The rows of one chunk that the index does not cover."""
    cdef const Row* rows = <const Row*>(<const uint8_t*>chunk + sizeof(Chunk))
    cdef Tails tails
    cdef const uint8_t* tail
    cdef uint32_t tail_size, i
    cdef uint64_t sequence
    cdef int rc
    store_begin_tails(&tails, chunk)
    for i in range(chunk.rows_count):
        sequence = chunk.first_sequence + i
        rc = MDB_CORRUPTED
        if rows[i].sequence == sequence and rows[i].check == store_row_check(&rows[i]):
            rc = store_next_tail(&tails, &rows[i], &tail, &tail_size)
        if rc == 0 and sequence > s.indexed:
            rc = replay_row(s, &rows[i], tail, tail_size)
            if rc == 0 and sequence % s.step_rows == 0:
                # The step is whole: into the index with it, so that memory stays small.
                # Without room for it the step stays in memory, which holds as many as
                # may lag; the rows can be read all the same.
                rc = steps_run(s)
                if steps_is_space(rc) and s.steps_count < s.steps_capacity:
                    rc = 0
        if rc != 0:
            return rc
    return 0


cdef int replay_previous(
    State* s, Reader* reader, const Chunk* chunk, uint32_t* check
) noexcept nogil:
    """The check of the chunk before `chunk`."""
    cdef const Chunk* before
    cdef int rc
    check[0] = 0
    if chunk.first_sequence == 1:
        return 0
    rc = store_get_chunk(reader, chunk.first_sequence - 1, &before)
    if rc == 0:
        check[0] = before.check
    return rc


cdef int replay_rows(State* s) noexcept nogil:
    """Follow the chain from the index to the head; index whole steps on the way."""
    cdef Reader reader
    cdef const Chunk* chunk
    cdef uint64_t sequence = s.indexed + 1
    cdef uint32_t check = 0
    cdef uint32_t chunks = 0
    cdef int rc = store_begin(s, &reader)
    if rc != 0:
        return rc
    if s.sequence > 0:
        # The chunk that the last indexed row is in opens the chain.
        rc = store_get_chunk(&reader, max(s.indexed, <uint64_t>1), &chunk)
        if rc == 0:
            rc = replay_previous(s, &reader, chunk, &check)
        if rc == 0:
            sequence = chunk.first_sequence
    while rc == 0 and sequence <= s.sequence:
        # Fresh transactions often enough that no reader pins the file for long.
        chunks += 1
        if chunks % 256 == 0:
            rc = store_renew(&reader)
            if rc == 0:
                rc = store_renew(&s.reader)
            if rc != 0:
                break
        rc = store_get_chunk(&reader, sequence, &chunk)
        if rc != 0:
            break
        if (
            chunk.first_sequence != sequence
            or chunk.previous != check
            or chunk.check != store_chunk_check(chunk)
            or memcmp(chunk.instance, s.instance, 16) != 0
        ):
            rc = MDB_CORRUPTED
            break
        s.group_number += 1
        s.dirty_count = 0
        rc = replay_chunk(s, chunk)
        check = chunk.check
        sequence += chunk.rows_count
    if rc == 0:
        s.chain = check
    store_end(&reader)
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int replay_open(State* s) noexcept nogil:
    """Bring memory to the journal's head."""
    cdef uint32_t i
    cdef Row last
    cdef int rc
    s.group_first = <uint64_t>0xFFFFFFFFFFFFFFFF
    rc = replay_load_index(s)
    if rc != 0:
        return rc
    postings_restore(s)
    memcpy(s.working.accounts, s.images.accounts, s.images.count * sizeof(Account))
    s.working.count = s.images.count
    for i in range(1, s.working.count):
        register_add_account(s, i)
    rc = replay_rows(s)
    if rc == 0 and s.sequence > 0:
        rc = rows_get(s, s.sequence, &last)
        s.last_timestamp = last.timestamp
    if rc != 0:
        return rc
    memcpy(s.published.accounts, s.working.accounts, s.working.count * sizeof(Account))
    s.published.count = s.working.count
    for i in range(s.participants_count):
        s.participants[i].durable = s.participants[i].sequence
    for i in range(s.services_count):
        s.services[i].durable = s.services[i].sequence
    s.timestamp = s.last_timestamp
    s.last_window = s.working_window
    s.holds_count = s.holds.count
    s.due = s.holds.heap[0].due if s.holds.count > 0 else 0
    return 0
