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


cdef int replay_load_segments(State* s, MDB_txn* txn, const IndexMeta* meta) noexcept nogil:
    """All account images, brought to the index's as_of where a segment is behind it."""
    cdef uint64_t* applied
    cdef uint64_t exact = meta.as_of - meta.segments_behind * s.step_rows
    cdef int rc
    if meta.segments_behind * s.step_rows > meta.as_of:
        return MDB_CORRUPTED
    applied = <uint64_t*>calloc(ACCOUNTS_MAX // SEGMENT_ACCOUNTS, 8)
    if applied == NULL:
        return ENOMEM
    rc = segments_load(s, txn, meta.accounts_count, meta.as_of, applied)
    if rc == 0:
        rc = segments_catch_up(s, applied, exact, meta.as_of)
    free(applied)
    return rc


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
        rc = holds_add(&s.images_holds, holds[i].sequence, holds[i].due)
        if rc != 0:
            return rc
    return 0


cdef int replay_load_records(
    State* s, MDB_txn* txn, Walk* walk, uint8_t kind
) noexcept nogil:
    """Participants or services, in the order of their index."""
    cdef uint8_t[5] name
    cdef uint32_t index = 1
    cdef uint32_t swapped, size
    cdef uint64_t sequence
    cdef MDB_val key, value
    cdef const Row* row
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
            # Most were registered in this order, so that the walk goes on.
            rc = store_walk_to(walk, sequence, &row, &tail, &size)
        if rc != 0:
            return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
        if row.debit != index or row.kind != KIND_REGISTER or size == 0 or tail[0] != kind:
            return MDB_CORRUPTED
        register_apply(s, row, tail)
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


cdef int replay_get_meta(State* s, MDB_txn* txn, const IndexMeta** out) noexcept nogil:
    """What the index says of itself; MDB_NOTFOUND if no step is done yet."""
    cdef MDB_val key, value
    cdef const IndexMeta* meta
    cdef const Chunk* chunk
    cdef int rc
    key.mv_size = 5
    key.mv_data = <void*><const char*>b"index"
    rc = mdb_get(txn, s.index_meta, &key, &value)
    if rc != 0:
        return rc
    meta = out[0] = <const IndexMeta*>value.mv_data
    if (
        value.mv_size < sizeof(IndexMeta)
        or value.mv_size != sizeof(IndexMeta) + meta.runs_count * sizeof(RunRecord)
        or meta.check != native_crc(
            native_crc(0, <const uint8_t*>meta, sizeof(IndexMeta) - 4),
            <const uint8_t*>(meta + 1), meta.runs_count * sizeof(RunRecord),
        )
    ):
        return MDB_CORRUPTED
    if (
        meta.format != FORMAT_VERSION or memcmp(meta.instance, s.instance, 16) != 0
        or meta.step_rows != s.step_rows or meta.as_of > s.sequence
    ):
        return RC_OTHER
    # The journal must have the very chunk that the index was made up to.
    rc = store_get_chunk(&s.reader, meta.as_of, &chunk)
    if rc == 0 and chunk.check != meta.chunk_check:
        return RC_OTHER
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int replay_load_images(State* s, MDB_txn* txn, const IndexMeta* meta) noexcept nogil:
    """What the index writer works on, exactly as of the index's last step."""
    cdef int rc
    s.indexed = meta.as_of
    s.images_window = meta.window
    rc = replay_load_segments(s, txn, meta)
    return replay_load_holds(s, txn) if rc == 0 else rc


cdef int replay_load_index(State* s) noexcept nogil:
    """Everything that the index knows, as of its last step, but the register."""
    cdef MDB_txn* txn
    cdef const IndexMeta* meta
    cdef int rc = mdb_txn_begin(s.index_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    rc = replay_get_meta(s, txn, &meta)
    if rc == 0:
        s.run_next = meta.run_next
        rc = replay_load_runs(s, txn, <const RunRecord*>(meta + 1), meta.runs_count)
    if rc == 0:
        replay_sort_runs(s)
        rc = replay_load_images(s, txn, meta)
    mdb_txn_abort(txn)
    if rc == MDB_NOTFOUND:
        return 0
    if rc == 0:
        postings_restore(s)
    return replay_delete_orphans(s) if rc == 0 else rc


cdef int replay_take_back(State* s) noexcept nogil:
    """Bring the images back from a step that was taken and found no room."""
    cdef MDB_txn* txn
    cdef const IndexMeta* meta
    cdef int rc
    indexer_work_free(&s.work)
    s.taken = 0
    memset(s.images.accounts, 0, s.images.count * sizeof(Account))
    memset(s.segments_since, 0, ACCOUNTS_MAX // SEGMENT_ACCOUNTS * 8)
    s.images.count = 1
    s.images_window = 0
    s.segments_stored = 0
    holds_free(&s.images_holds)
    if holds_init(&s.images_holds) != 0:
        return ENOMEM
    rc = mdb_txn_begin(s.index_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    rc = replay_get_meta(s, txn, &meta)
    if rc == 0:
        rc = replay_load_images(s, txn, meta)
    mdb_txn_abort(txn)
    return 0 if rc == MDB_NOTFOUND else rc


# --- the journal after the index -------------------------------------------------------------

cdef struct Chain:            # how far the journal has been followed
    Reader reader
    uint64_t next             # first sequence of the next chunk
    uint32_t check            # of the chunk before it


cdef int replay_begin_chain(State* s, Chain* chain) noexcept nogil:
    """The chunk that the last indexed row is in opens the chain."""
    cdef const Chunk* chunk
    cdef int rc = store_begin(s, &chain.reader)
    chain.next = 1
    chain.check = 0
    if rc != 0 or s.indexed == 0:
        return rc
    rc = store_get_chunk(&chain.reader, s.indexed, &chunk)
    if rc == 0 and chunk.first_sequence > 1:
        chain.next = chunk.first_sequence
        rc = store_get_chunk(&chain.reader, chain.next - 1, &chunk)
        chain.check = chunk.check if rc == 0 else 0
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int replay_follow(State* s, Chain* chain, uint64_t last) noexcept nogil:
    """Verify the chain up to the chunk that holds the row `last`; not each row."""
    cdef const Chunk* chunk
    cdef int rc
    while chain.next <= last:
        rc = store_get_chunk(&chain.reader, chain.next, &chunk)
        if rc != 0:
            return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
        store_read_ahead(&chain.reader, chunk)
        if (
            chunk.first_sequence != chain.next
            or chunk.previous != chain.check
            or chunk.check != store_chunk_check(chunk)
            or memcmp(chunk.instance, s.instance, 16) != 0
        ):
            return MDB_CORRUPTED
        chain.check = chunk.check
        chain.next += chunk.rows_count
    return 0


cdef int replay_steps(State* s, Chain* chain) noexcept nogil:
    """Index every whole step, so that memory need not learn its rows.

    Without room for a step the index stays where it is. Memory learns as many rows as may
    lag, so that they can be read all the same; if there are more, that is an error.
    """
    cdef int rc = 0
    while rc == 0 and s.sequence - s.indexed >= s.step_rows:
        rc = replay_follow(s, chain, s.indexed + s.step_rows)
        if rc == 0:
            rc = steps_run(s)
    if not steps_is_space(rc):
        return rc
    if (s.sequence - 1) // s.step_rows - s.indexed // s.step_rows >= s.steps_capacity:
        return rc
    return replay_take_back(s)


cdef int replay_fill_working(State* s) noexcept nogil:
    """What the committer works on, as of the index; its register too."""
    cdef MDB_txn* txn
    cdef Walk walk
    cdef uint32_t i
    cdef int rc
    memcpy(s.working.accounts, s.images.accounts, s.images.count * sizeof(Account))
    s.working.count = s.images.count
    s.working_window = s.images_window
    for i in range(s.images_holds.count):
        rc = holds_add(
            &s.holds, s.images_holds.heap[i].sequence, s.images_holds.heap[i].due
        )
        if rc != 0:
            return rc
    rc = mdb_txn_begin(s.index_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    store_begin_walk(&walk, &s.reader)
    rc = replay_load_records(s, txn, &walk, RECORD_PARTICIPANT)
    if rc == 0:
        rc = replay_load_records(s, txn, &walk, RECORD_SERVICE)
    if rc == 0:
        rc = replay_load_records(s, txn, &walk, RECORD_RULES)
    mdb_txn_abort(txn)
    if rc == 0:
        for i in range(1, s.working.count):
            register_add_account(s, i)
    return rc


cdef int replay_rows(State* s) noexcept nogil:
    """Let memory learn the rows after the index."""
    cdef Reader reader
    cdef Walk walk
    cdef const Row* row
    cdef const uint8_t* tail
    cdef uint32_t tail_size
    cdef uint64_t sequence = s.indexed + 1
    cdef Row hold
    cdef int rc = store_begin(s, &reader)
    if rc != 0:
        return rc
    store_begin_walk(&walk, &reader)
    s.group_number += 1
    while rc == 0 and sequence <= s.sequence:
        rc = store_walk_to(&walk, sequence, &row, &tail, &tail_size)
        if rc == 0 and row.result == RESULT_OK and keys_resolves_hold(row):
            rc = rows_get(s, row.resolves, &hold)
        if rc == 0:
            rc = rows_note(s, row, &hold, tail, tail_size, NULL)
        sequence += 1
    store_end(&reader)
    s.dirty_count = 0
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int replay_journal(State* s) noexcept nogil:
    """Follow the chain from the index to the head: whole steps, then what is left."""
    cdef Chain chain
    cdef int rc = replay_begin_chain(s, &chain)
    if rc == 0:
        rc = replay_steps(s, &chain)
    if rc == 0:
        rc = replay_follow(s, &chain, s.sequence)
    store_end(&chain.reader)
    s.chain = chain.check
    if rc == 0:
        rc = replay_fill_working(s)
    return replay_rows(s) if rc == 0 else rc


cdef int replay_open(State* s) noexcept nogil:
    """Bring memory to the journal's head."""
    cdef uint32_t i
    cdef Row last
    cdef int rc
    s.group_first = <uint64_t>0xFFFFFFFFFFFFFFFF
    rc = replay_load_index(s)
    if rc == 0:
        rc = replay_journal(s)
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
    s.rules_version = s.working_rules
    s.holds_count = s.holds.count
    s.due = holds_due(&s.holds)
    return 0
