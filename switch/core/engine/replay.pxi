# Opening: the index as it was left, then the rows after it.
#
# Afterwards memory is what it would be had the ledger never been closed.

cdef Run* _replay_new_run(State* s, const RunRecord* record) noexcept nogil:
    cdef Run* run = runs_new(
        s, <int>record.map, <int>record.level, record.id, record.entries_count, record.first,
        record.last,
    )
    if run != NULL:
        runs_cut(run, record.entries_count)
        run.least = record.least
        run.greatest = record.greatest
    return run


cdef int _replay_load_runs(State* s, MDB_txn* txn, const RunRecord* records) noexcept nogil:
    """Runs, and where their parts lie, put in order, newest first."""
    cdef const RunRecord* record
    cdef Run* run
    cdef Run** runs
    cdef uint32_t i, j
    cdef int rc
    for i in range(s.index.head.runs_count):
        record = &records[i]
        if record.map >= MAPS_COUNT or record.level >= LEVELS_MAX or record.entries_count == 0:
            return RC_INDEX
        if s.shared.runs_count[record.map] >= RUNS_MAX - 1:
            return RC_INDEX
        run = _replay_new_run(s, record)
        if run == NULL:
            return ENOMEM
        runs = s.shared.levels[record.map]
        j = s.shared.runs_count[record.map]
        while j > 0 and runs[j - 1].first < run.first:
            runs[j] = runs[j - 1]
            j -= 1
        runs[j] = run
        s.shared.runs_count[record.map] += 1
        rc = runs_load(s, txn, run)
        if rc != 0:
            return rc
    _replay_fetch_filters(s)
    return 0


cdef void _replay_fetch_filters(const State* s) noexcept nogil:
    """Have the system read what the first groups will ask, of each map the newest first.
    Nothing waits for it: what is not there yet is read when it is asked."""
    cdef uint64_t left
    cdef uint32_t i
    cdef int map_
    for map_ in range(MAPS_COUNT):
        left = FILTERS_FETCHED_MAX
        for i in range(s.shared.runs_count[map_]):
            left = runs_fetch_filters(s.shared.levels[map_][i], left)


cdef int _replay_load_merges(State* s, const MergeRecord* records) noexcept nogil:
    """Merges go on where the last durable transaction left them; nothing is read for it."""
    cdef const MergeRecord* record
    cdef Merge* merge
    cdef uint64_t moved
    cdef uint32_t i, j
    cdef int rc
    for i in range(s.index.head.merges_count):
        record = &records[i]
        if record.map >= MAPS_COUNT or record.level >= LEVELS_MAX - 1:
            return RC_INDEX
        if cover_count_runs(s, <int>record.map, <int>record.level) < RUN_FANOUT:
            return RC_INDEX
        rc = merge_begin(s, <int>record.map, <int>record.level, record.id)
        if rc != 0:
            return rc
        merge = &s.index.merges[record.map * LEVELS_MAX + record.level]
        moved = 0
        for j in range(<uint32_t>RUN_FANOUT):
            if record.positions[j] > merge.sources[j].entries_count:
                return RC_INDEX
            merge.positions[j] = record.positions[j]
            moved += record.positions[j]
        if moved != record.entries_count or moved % PART_ENTRIES != 0 or moved == 0:
            return RC_INDEX
        runs_cut(merge.target, moved)
        native_assert(
            merge_adds_up(merge, merge.positions, moved), b"_replay_load_merges: it adds up"
        )
        merge_keep(merge)
    return 0


cdef int _replay_load_retired(State* s, const Retired* records) noexcept nogil:
    cdef uint32_t i
    if s.index.head.retired_count > RETIRED_MAX:
        return RC_INDEX
    memcpy(s.index.retired, records, s.index.head.retired_count * sizeof(Retired))
    for i in range(s.index.head.retired_count):
        if records[i].map >= MAPS_COUNT or records[i].level >= LEVELS_MAX:
            return RC_INDEX
    return 0


cdef int _replay_load_pieces(State* s, MDB_txn* txn) noexcept nogil:
    """All account images and open holds, brought to the index's as_of where a piece of them
    is behind it."""
    cdef uint64_t[HOLD_PIECES] holds_applied
    cdef uint64_t* applied
    cdef int rc
    if s.index.head.behind * s.config.step_rows > s.index.head.as_of:
        return RC_INDEX
    if not 0 < s.index.head.accounts_count <= ACCOUNTS_MAX or (
        s.index.head.segments_count != segments_count(s.index.head.accounts_count)
    ):
        return RC_INDEX
    applied = <uint64_t*>calloc(ACCOUNTS_MAX // SEGMENT_ACCOUNTS, 8)
    if applied == NULL:
        return ENOMEM
    rc = segments_load(s, txn, s.index.head.accounts_count, applied)
    if rc == 0:
        rc = hold_pieces_load(s, txn, holds_applied)
    if rc == 0:
        rc = _replay_catch_up(s, applied, holds_applied)
    free(applied)
    return rc


cdef int _replay_catch_up(
    State* s, const uint64_t* applied, const uint64_t* holds_applied
) noexcept nogil:
    """Bring every piece to the index's as_of with the rows that some may lack.

    No piece lacks an earlier one, however long ago it was written.
    """
    cdef Reader reader
    cdef Walk walk
    cdef const Row* row
    cdef const uint8_t* tail
    cdef uint32_t tail_size
    cdef uint64_t sequence = s.index.head.as_of - s.index.head.behind * s.config.step_rows + 1
    cdef int rc
    if sequence > s.index.head.as_of:
        return 0
    rc = store_begin(s, &reader)
    if rc != 0:
        return rc
    store_begin_walk(&walk, &reader)
    while rc == 0 and sequence <= s.index.head.as_of:
        store_fetch_images(&walk, s.index.images.accounts)
        rc = store_walk_to(&walk, sequence, &row, &tail, &tail_size)
        if rc != 0:
            break
        if row.result == RESULT_OK:
            rc = MDB_CORRUPTED
            if effect_is_within(row, tail, tail_size):
                rc = hold_pieces_catch_up(s, holds_applied, row)
        if rc == 0 and row.result == RESULT_OK:
            if row.kind == KIND_WINDOW:
                segments_take_window(s, applied, row, tail, tail_size)
            elif kinds_changes_debit(row.kind):
                rc = segments_take_row(s, applied, &reader, row, tail, tail_size)
                if rc == 0:
                    rc = segments_take_payout(s, applied, &reader, row)
        sequence += 1
    store_end(&reader)
    s.index.images.count = s.index.head.accounts_count
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef bint _replay_meta_is_whole(const IndexMeta* meta, size_t size) noexcept nogil:
    """Whether a meta value has the size that it speaks of, and its check."""
    cdef uint64_t wanted = sizeof(IndexMeta)
    wanted += <uint64_t>meta.runs_count * sizeof(RunRecord)
    wanted += <uint64_t>meta.merges_count * sizeof(MergeRecord)
    wanted += <uint64_t>meta.retired_count * sizeof(Retired)
    wanted += (<uint64_t>meta.segments_count + HOLD_PIECES) * sizeof(PieceRecord)
    return size == wanted and meta.check == steps_meta_check(<const uint8_t*>meta, size)


cdef inline bint _replay_is_ahead(const State* s, const IndexMeta* meta) noexcept nogil:
    """Whether an index of this ledger, of any format, knows rows that the journal lacks."""
    return memcmp(meta.instance, s.config.instance, 16) == 0 and (
        meta.as_of > s.shared.sequence
    )


cdef int _replay_get_meta(State* s, MDB_txn* txn, const uint8_t** lists) noexcept nogil:
    """What the index says of itself, into `head`; MDB_NOTFOUND if no step is begun yet."""
    cdef MDB_val key, value
    cdef const IndexMeta* meta
    key.mv_size = 5
    key.mv_data = <void*><const char*>b"index"
    cdef int rc = mdb_get(txn, s.config.index_meta, &key, &value)
    if rc == MDB_NOTFOUND and mdb_txn_id(txn) <= 1:
        return rc
    if rc != 0:
        return damage_of(rc)
    meta = <const IndexMeta*>value.mv_data
    # Magic, format, instance and as_of have their places in every format.
    if value.mv_size < INDEX_FRONT_SIZE or meta.magic != INDEX_MAGIC:
        return RC_OTHER
    if meta.format != INDEX_FORMAT:
        return RC_BEHIND if _replay_is_ahead(s, meta) else RC_OTHER
    if value.mv_size < sizeof(IndexMeta) or not _replay_meta_is_whole(meta, value.mv_size):
        return RC_INDEX
    if memcmp(meta.instance, s.config.instance, 16) != 0 or meta.step_rows != s.config.step_rows:
        return RC_OTHER
    # Each transaction writes it anew: another one's is an older page.
    if meta.transaction != mdb_txn_id(txn) or meta.as_of % s.config.step_rows != 0:
        return RC_INDEX
    if meta.stage > STAGE_LAST or meta.segments_count > ACCOUNTS_MAX // SEGMENT_ACCOUNTS:
        return RC_INDEX
    if (meta.secret[0] | meta.secret[1]) == 0:
        return RC_INDEX
    s.index.head = meta[0]
    s.index.next = s.index.head
    secret_learn(s)
    lists[0] = <const uint8_t*>(meta + 1)
    return replay_compare_journal(s)


cdef int replay_compare_journal(State* s) noexcept nogil:
    """The journal must have the very chunk that the index was made up to."""
    cdef const Chunk* chunk
    cdef int rc
    if s.index.head.as_of > s.shared.sequence:
        return RC_BEHIND
    if s.index.head.as_of == 0:
        return 0
    rc = store_get_chunk(&s.group.reader, s.index.head.as_of, &chunk)
    if rc == 0 and chunk.check != s.index.head.chunk_check:
        return RC_BEHIND
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int _replay_load_images(State* s, MDB_txn* txn, const uint8_t* lists) noexcept nogil:
    """What the index writer works on, exactly as of the index's last step."""
    cdef size_t size = s.index.head.segments_count * sizeof(PieceRecord)
    cdef int rc
    lists += s.index.head.runs_count * sizeof(RunRecord)
    lists += s.index.head.merges_count * sizeof(MergeRecord)
    lists += s.index.head.retired_count * sizeof(Retired)
    s.shared.indexed = s.index.head.as_of
    s.index.images_window = s.index.head.window
    s.index.images_check = s.index.head.chunk_check
    s.index.images.people = s.index.head.records_count[RECORD_PERSON] > 0
    memcpy(s.index.segments_turns.pieces, lists, size)
    memcpy(s.index.holds_turns.pieces, lists + size, HOLD_PIECES * sizeof(PieceRecord))
    # Before the first step is done there is nothing but the beginnings of its runs.
    if s.shared.indexed == 0:
        return 0
    # Whose money a payout was is what the pieces are brought forward with.
    rc = recall_fixed(s, txn)
    return _replay_load_pieces(s, txn) if rc == 0 else rc


cdef int _replay_load_lists(State* s, MDB_txn* txn, const uint8_t* lists) noexcept nogil:
    """Runs, merges under way, and what is still to be deleted."""
    cdef int rc = _replay_load_runs(s, txn, <const RunRecord*>lists)
    lists += s.index.head.runs_count * sizeof(RunRecord)
    if rc == 0:
        rc = _replay_load_merges(s, <const MergeRecord*>lists)
    lists += s.index.head.merges_count * sizeof(MergeRecord)
    return _replay_load_retired(s, <const Retired*>lists) if rc == 0 else rc


cdef int _replay_load_index(State* s) noexcept nogil:
    """Everything that the index knows, as of its last step, but the register."""
    cdef MDB_txn* txn
    cdef const uint8_t* lists
    cdef int rc = mdb_txn_begin(s.config.index_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    rc = _replay_get_meta(s, txn, &lists)
    if rc == 0:
        rc = _replay_load_lists(s, txn, lists)
    if rc == 0:
        rc = _replay_load_images(s, txn, lists)
    mdb_txn_abort(txn)
    if rc == MDB_NOTFOUND:
        return 0
    if rc == 0:
        postings_restore(s)
    return rc


cdef int _replay_take_back(State* s) noexcept nogil:
    """Bring the images back from a step that was taken and found no room."""
    cdef MDB_txn* txn
    cdef const uint8_t* lists
    cdef int map_
    cdef int rc
    indexer_work_free(&s.index.work)
    s.index.taken = 0
    for map_ in range(MAPS_COUNT):
        runs_free(s.index.step_runs[map_])
        s.index.step_runs[map_] = NULL
    memset(s.index.images.accounts, 0, s.index.images.count * sizeof(Account))
    memset(s.index.segments_turns.since, 0, ACCOUNTS_MAX // SEGMENT_ACCOUNTS * 8)
    memset(s.index.holds_turns.since, 0, HOLD_PIECES * 8)
    s.index.images.count = 1
    s.index.images_window = 0
    s.index.images.people = 0
    s.index.images.rules = 0
    s.index.segments_turns.stored = 0
    holds_free(&s.index.images_holds)
    if holds_init(&s.index.images_holds, s.config.tables_secret[0]) != 0:
        return ENOMEM
    rc = mdb_txn_begin(s.config.index_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    rc = _replay_get_meta(s, txn, &lists)
    if rc == 0:
        rc = _replay_load_images(s, txn, lists)
    mdb_txn_abort(txn)
    return 0 if rc == MDB_NOTFOUND else rc


# --- the journal after the index -------------------------------------------------------------

cdef struct Chain:            # how far the journal has been followed
    Reader reader
    uint64_t next             # first sequence of the next chunk
    uint64_t ordinal          # of the chunk before it
    uint32_t check            # of the chunk before it
    uint64_t epoch            # of the chunk before it


cdef int _replay_begin_chain(State* s, Chain* chain) noexcept nogil:
    """The chunk that the last indexed row is in opens the chain."""
    cdef const Chunk* chunk
    cdef int rc = store_begin(s, &chain.reader)
    chain.next = 1
    chain.ordinal = 0
    chain.check = 0
    chain.epoch = 0
    if rc != 0 or s.shared.indexed == 0:
        return rc
    rc = store_get_chunk(&chain.reader, s.shared.indexed, &chunk)
    if rc == 0 and chunk.first_sequence > 1:
        chain.next = chunk.first_sequence
        chain.ordinal = chunk.ordinal - 1
        rc = store_get_chunk(&chain.reader, chain.next - 1, &chunk)
        if rc == 0:
            chain.check = chunk.check
            chain.epoch = chunk.epoch
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int _replay_follow(State* s, Chain* chain, uint64_t last) noexcept nogil:
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
            or chunk.ordinal != chain.ordinal + 1
            or chunk.previous != chain.check
            or chunk.epoch < chain.epoch
            or chunk.check != store_chunk_check(chunk)
            or memcmp(chunk.instance, s.config.instance, 16) != 0
        ):
            return MDB_CORRUPTED
        native_assert(chunk.rows_count > 0, b"_replay_follow: the chain goes on")
        chain.check = chunk.check
        chain.epoch = chunk.epoch
        chain.ordinal = chunk.ordinal
        chain.next += chunk.rows_count
    return 0


cdef int _replay_steps(State* s, Chain* chain) noexcept nogil:
    """Index every whole step, so that memory need not learn its rows.

    Without room for a step the index stays where it is. Memory learns as many rows as may
    lag, so that they can be read all the same; if there are more, that is an error.
    """
    cdef bint done
    cdef int rc = 0
    while rc == 0 and steps_behind(s) >= s.config.step_rows:
        rc = _replay_follow(s, chain, s.shared.indexed + s.config.step_rows)
        if rc == 0:
            rc = steps_run(s, UNITS_ALL, &done)
    if not store_is_space(rc):
        return rc
    if steps_behind(s) > s.config.steps_capacity * s.config.step_rows:
        return rc
    return _replay_take_back(s)


cdef int _replay_fill_working(State* s) noexcept nogil:
    """What the committer works on, as of the index; its register too."""
    cdef MDB_txn* txn
    cdef uint32_t i
    cdef int rc
    native_assert(
        s.group.working.count <= 1 and s.group.holds.count == 0,
        b"_replay_fill_working: nothing is there yet",
    )
    native_assert(
        s.index.images.count > 0 and s.index.images.count <= ACCOUNTS_MAX,
        b"_replay_fill_working: images",
    )
    memcpy(
        s.group.working.accounts, s.index.images.accounts, s.index.images.count * sizeof(Account)
    )
    s.group.working.count = s.index.images.count
    s.group.working.people = s.index.images.people
    s.group.working.rules = s.index.images.rules
    memcpy(s.group.working.fixed, s.index.images.fixed, SERVICES_MAX * sizeof(Fixed))
    memcpy(s.group.working.payees, s.index.images.payees, BENEFICIARIES_MAX * 4)
    s.group.working_window = s.index.images_window
    for i in range(s.index.images_holds.count):
        rc = holds_add(
            &s.group.holds, s.index.images_holds.heap[i].sequence, s.index.images_holds.heap[i].due
        )
        if rc != 0:
            return rc
    native_assert(
        s.group.holds.count == s.index.images_holds.count, b"_replay_fill_working: each hold once"
    )
    rc = mdb_txn_begin(s.config.index_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    rc = recall_register(s, txn)
    mdb_txn_abort(txn)
    if rc == 0:
        for i in range(1, s.group.working.count):
            register_add_account(s, i)
    return rc


cdef int replay_row(
    State* s, const Row* row, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    """Let memory learn a row that was decided before, here or on another node."""
    cdef Row hold
    cdef int rc = 0
    if row.result == RESULT_OK and keys_needs_hold(row):
        rc = rows_get(s, row.resolves, &hold)
    return rows_note(s, row, &hold, tail, tail_size, NULL) if rc == 0 else rc


cdef int _replay_rows(State* s) noexcept nogil:
    """Let memory learn the rows after the index."""
    cdef Reader reader
    cdef Walk walk
    cdef const Row* row
    cdef const uint8_t* tail
    cdef uint32_t tail_size
    cdef uint64_t sequence = s.shared.indexed + 1
    cdef int rc = store_begin(s, &reader)
    if rc != 0:
        return rc
    native_assert(
        s.shared.steps_count == 0, b"_replay_rows: memory begins where the index ends"
    )
    store_begin_walk(&walk, &reader)
    s.group.number += 1
    while rc == 0 and sequence <= s.shared.sequence:
        rc = store_walk_to(&walk, sequence, &row, &tail, &tail_size)
        if rc == 0:
            rc = replay_row(s, row, tail, tail_size)
        sequence += 1
    store_end(&reader)
    s.group.dirty_count = 0
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int _replay_journal(State* s) noexcept nogil:
    """Follow the chain from the index to the head: whole steps, then what is left."""
    cdef Chain chain
    cdef int rc = _replay_begin_chain(s, &chain)
    if rc == 0:
        rc = _replay_steps(s, &chain)
    if rc == 0:
        rc = _replay_follow(s, &chain, s.shared.sequence)
    store_end(&chain.reader)
    s.group.chain = chain.check
    if s.shared.sequence > 0:
        s.group.epoch = s.group.epoch_next = chain.epoch
    if rc == 0 and chain.ordinal != s.group.ordinal:
        rc = MDB_CORRUPTED
    if rc == 0:
        rc = _replay_fill_working(s)
    return _replay_rows(s) if rc == 0 else rc


cdef int replay_open(State* s) noexcept nogil:
    """Bring memory to the journal's head."""
    cdef Row last
    cdef int rc
    s.group.first = <uint64_t>0xFFFFFFFFFFFFFFFF
    rc = _replay_load_index(s)
    if rc == 0:
        rc = _replay_journal(s)
    if rc == 0 and s.shared.sequence > 0:
        rc = rows_get(s, s.shared.sequence, &last)
        s.group.last_timestamp = last.timestamp
    if rc == 0:
        rc = cutoffs_open(s)
    if rc != 0:
        return rc
    native_assert(
        s.shared.indexed <= s.shared.sequence and s.shared.indexed % s.config.step_rows == 0,
        b"replay_open: whole steps are indexed",
    )
    native_assert(
        s.shared.steps_count == 0
        or s.shared.steps[0].number * s.config.step_rows == s.shared.indexed,
        b"replay_open: memory begins where the index ends",
    )
    native_assert(
        s.shared.indexed == s.index.head.as_of, b"replay_open: the index says so itself"
    )
    memcpy(
        s.shared.published.accounts, s.group.working.accounts,
        s.group.working.count * sizeof(Account),
    )
    s.shared.published.count = s.group.working.count
    register_publish_all(s)
    complaints_publish_all(s)
    s.shared.timestamp = s.group.last_timestamp
    s.shared.last_window = s.group.working_window
    s.shared.rules_version = s.group.working.rules
    rows_publish_holds(s)
    return 0
