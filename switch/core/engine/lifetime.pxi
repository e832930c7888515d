# A ledger's memory and files, from opening to closing.

cdef struct Space:            # what native_reserve gave, to be given back
    void* address
    size_t size

cdef enum:
    SPACES_COUNT = 33


cdef int lifetime_allocate(
    State* s, Space* spaces, uint64_t step_rows, uint64_t lag_max
) noexcept nogil:
    """Every table of fixed size, and what is small."""
    cdef size_t[SPACES_COUNT] sizes
    cdef int i
    native_assert(s.shared.steps == NULL, b"lifetime_allocate: nothing is open")
    sizes[:] = [
        ACCOUNTS_MAX * sizeof(Account), ACCOUNTS_MAX * sizeof(Account),
        ACCOUNTS_MAX * sizeof(Account), ACCOUNTS_MAX * 8, ACCOUNTS_MAX * 8,
        ACCOUNTS_MAX * 4, REGISTER_ACCOUNT_SLOTS * 4,
        PARTICIPANTS_MAX * sizeof(Participant), chains_size(PARTICIPANTS_MAX),
        SERVICES_MAX * sizeof(Service), chains_size(SERVICES_MAX),
        sizeof(Chunk) + GROUP_MAX * sizeof(Row) + TAIL_MAX, TAIL_MAX,
        ACCOUNTS_MAX * sizeof(Latest), SERVICES_MAX * sizeof(Fixed), SERVICES_MAX * sizeof(Fixed),
        BENEFICIARIES_MAX * 4, BENEFICIARIES_MAX * 4,
        NOTED_MAX * sizeof(Noted), NOTED_MAX * sizeof(Noted), NOTED_MAX * sizeof(Noted),
        NOTED_MAX * sizeof(Noted), PEOPLE_MAX * sizeof(Person),
        BANK_ACCOUNTS_MAX * sizeof(BankAccount), BENEFICIARIES_MAX * sizeof(Beneficiary),
        ACCOUNTS_MAX * 4, OPERATORS_MAX * sizeof(Operator), chains_size(OPERATORS_MAX),
        chains_size(OPERATORS_MAX), COMPLAINTS_MAX * sizeof(Complaint), DIGEST_END * 8,
        DIGEST_END // 8 + 8, BILLER_ACCOUNTS_MAX * 4,
    ]
    for i in range(SPACES_COUNT):
        spaces[i].address = native_reserve(sizes[i])
        spaces[i].size = sizes[i]
        if spaces[i].address == NULL:
            return ENOMEM
    s.shared.published.accounts = <Account*>spaces[0].address
    s.group.working.accounts = <Account*>spaces[1].address
    s.index.images.accounts = <Account*>spaces[2].address
    s.group.heads = <uint64_t*>spaces[3].address
    s.group.touched = <uint64_t*>spaces[4].address
    s.group.dirty = <uint32_t*>spaces[5].address
    s.group.account_slots = <uint32_t*>spaces[6].address
    s.group.participants = <Participant*>spaces[7].address
    chains_init(&s.group.participant_codes, spaces[8].address, PARTICIPANTS_MAX)
    s.group.services = <Service*>spaces[9].address
    chains_init(&s.group.service_codes, spaces[10].address, SERVICES_MAX)
    s.group.chunk = <uint8_t*>spaces[11].address
    s.group.tail = <uint8_t*>spaces[12].address
    s.shared.latest = <Latest*>spaces[13].address
    s.group.working.fixed = <Fixed*>spaces[14].address
    s.index.images.fixed = <Fixed*>spaces[15].address
    s.group.working.payees = <uint32_t*>spaces[16].address
    s.index.images.payees = <uint32_t*>spaces[17].address
    native_assert(
        SPACES_COUNT == 29 + RECORD_BUDGET + 1 - RECORD_REVOCATION,
        b"lifetime_allocate: each space has its table",
    )
    for i in range(RECORD_REVOCATION, RECORD_BUDGET + 1):
        s.group.noted[i].at = <Noted*>spaces[18 + i - RECORD_REVOCATION].address
        s.group.noted[i].count = 1
    s.group.people = <Person*>spaces[SPACES_COUNT - 11].address
    s.group.banks = <BankAccount*>spaces[SPACES_COUNT - 10].address
    s.group.beneficiaries = <Beneficiary*>spaces[SPACES_COUNT - 9].address
    s.group.beneficiary_of = <uint32_t*>spaces[SPACES_COUNT - 8].address
    s.group.operators = <Operator*>spaces[SPACES_COUNT - 7].address
    chains_init(&s.group.operator_numbers, spaces[SPACES_COUNT - 6].address, OPERATORS_MAX)
    chains_init(&s.group.operator_keys, spaces[SPACES_COUNT - 5].address, OPERATORS_MAX)
    s.group.complaints = <Complaint*>spaces[SPACES_COUNT - 4].address
    s.group.digest.values = <uint64_t*>spaces[SPACES_COUNT - 3].address
    s.group.digest.has = <uint64_t*>spaces[SPACES_COUNT - 2].address
    s.group.biller_accounts = <uint32_t*>spaces[SPACES_COUNT - 1].address
    # What may lag, the group that comes on top of it, and the parts at both ends.
    s.config.steps_capacity = <uint32_t>((lag_max + GROUP_MAX) // step_rows + 4)
    native_assert(
        s.config.steps_capacity * step_rows >= lag_max + GROUP_MAX,
        b"lifetime_allocate: what lags has room",
    )
    s.shared.steps = <Step**>calloc(s.config.steps_capacity, sizeof(Step*))
    s.group.drafts = <Draft*>calloc(GROUP_MAX, sizeof(Draft))
    s.group.probes = <Probes*>calloc(1, sizeof(Probes))
    s.group.places_table = <PlacesTable*>calloc(1, sizeof(PlacesTable))
    s.group.holds_before = <Hold*>malloc(GROUP_MAX * sizeof(Hold))
    s.index.merges = <Merge*>calloc(MAPS_COUNT * LEVELS_MAX, sizeof(Merge))
    s.index.retired = <Retired*>calloc(RETIRED_MAX, sizeof(Retired))
    s.index.retired_durable = <Retired*>calloc(RETIRED_MAX, sizeof(Retired))
    s.index.block = <uint8_t*>malloc(BLOCK_HEAD + BLOCK_PAGES * PAGE_SIZE)
    s.index.page = <Entry*>malloc(PAGE_ENTRIES * sizeof(Entry))
    s.index.part = <uint8_t*>malloc(PART_SIZE_MAX)
    for i in range(MAPS_COUNT):
        s.shared.levels[i] = <Run**>calloc(RUNS_MAX, sizeof(Run*))
        if s.shared.levels[i] == NULL:
            return ENOMEM
    if s.shared.steps == NULL or s.group.drafts == NULL or s.group.probes == NULL:
        return ENOMEM
    if s.group.places_table == NULL:
        return ENOMEM
    if s.index.merges == NULL or s.index.page == NULL or s.group.holds_before == NULL:
        return ENOMEM
    if s.index.retired == NULL or s.index.retired_durable == NULL or s.index.block == NULL:
        return ENOMEM
    if s.index.part == NULL:
        return ENOMEM
    if not (
        _lifetime_make_turns(&s.index.segments_turns, ACCOUNTS_MAX // SEGMENT_ACCOUNTS)
        and _lifetime_make_turns(&s.index.holds_turns, HOLD_PIECES)
    ):
        return ENOMEM
    # A piece of the holds that was never written is empty.
    s.index.holds_turns.stored = HOLD_PIECES
    s.index.head.magic = INDEX_MAGIC
    s.index.head.format = INDEX_FORMAT
    s.index.head.step_rows = step_rows
    s.index.head.accounts_count = 1
    s.index.head.run_next = 1       # 0 is no run's
    # Index 0 of each table is nobody's.
    s.shared.published.count = s.group.working.count = s.index.images.count = 1
    s.group.participants_count = s.group.services_count = s.group.people_count = 1
    s.group.banks_count = s.group.beneficiaries_count = 1
    s.group.operators_count = s.group.complaints_count = 1
    i = secret_draw(s)
    if i != 0:
        return i
    if (
        holds_init(&s.group.holds, s.config.tables_secret[0]) != 0
        or holds_init(&s.index.images_holds, s.config.tables_secret[0]) != 0
    ):
        return ENOMEM
    return 0


cdef bint _lifetime_make_turns(Turns* turns, uint32_t count) noexcept nogil:
    turns.since = <uint64_t*>calloc(count, 8)
    turns.writing = <uint8_t*>calloc(count, 1)
    turns.pieces = <PieceRecord*>calloc(count, sizeof(PieceRecord))
    turns.written = <PieceRecord*>calloc(count, sizeof(PieceRecord))
    return turns.since != NULL and turns.writing != NULL and (
        turns.pieces != NULL and turns.written != NULL
    )


cdef void _lifetime_free_turns(Turns* turns) noexcept nogil:
    free(turns.since)
    free(turns.writing)
    free(turns.pieces)
    free(turns.written)


cdef int lifetime_open_directory(State* s, const char* path) noexcept nogil:
    """For the marks that a thread leaves there when it dies, or does not come back."""
    s.config.directory = posix_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if s.config.directory < 0:
        return errno
    s.shared.in_index.directory = s.config.directory
    s.shared.in_index.parts = FAULT_INDEX
    s.shared.in_journal.directory = s.config.directory
    s.shared.in_journal.parts = FAULT_JOURNAL
    s.shared.in_both.directory = s.config.directory
    s.shared.in_both.parts = FAULT_INDEX | FAULT_JOURNAL
    return fault_set_handlers()


cdef int lifetime_open_env(
    MDB_env** env, const char* path, size_t map_size
) noexcept nogil:
    """Default sync, ordinary writes; no read-ahead, since reads are scattered."""
    cdef unsigned int flags = MDB_NOTLS | MDB_NORDAHEAD
    cdef int rc = mdb_env_create(env)
    if rc != 0:
        return rc
    if SWITCH_TEST_NOSYNC:
        flags |= MDB_NOSYNC
    mdb_env_set_mapsize(env[0], map_size)
    mdb_env_set_maxdbs(env[0], 8)
    mdb_env_set_maxreaders(env[0], 254)
    rc = mdb_env_open(env[0], path, flags, 0o600)
    return _lifetime_check_file(env[0]) if rc == 0 else rc


cdef int _lifetime_check_file(MDB_env* env) noexcept nogil:
    """Refuse a file that was cut short: reading a page that it lacks would end the process.

    Lengthened with zeros it could not be told any more from one that was written so. Pages
    that nobody has written may be free ones behind its end: `opening.py` looks at that.
    """
    cdef MDB_envinfo info
    cdef stat_t status
    cdef int fd
    cdef int rc = mdb_env_get_fd(env, &fd)
    cdef uint64_t size
    if rc != 0:
        return rc
    mdb_env_info(env, &info)
    size = (<uint64_t>info.me_last_pgno + 1) * reserve_page_size(env)
    if fstat(fd, &status) != 0:
        return errno
    return MDB_CORRUPTED if <uint64_t>status.st_size < size else 0


cdef struct JournalMeta:
    uint32_t magic
    uint16_t format
    uint16_t reserved
    uint8_t instance[16]
    uint64_t epoch


cdef int _lifetime_read_name(State* s, MDB_txn* txn, const uint8_t* fresh) noexcept nogil:
    """Read the ledger's name, or give it the fresh one, if any, if the journal is new."""
    cdef MDB_val key, value
    cdef JournalMeta meta
    cdef int rc
    key.mv_size = 6
    key.mv_data = <void*><const char*>b"ledger"
    rc = mdb_get(txn, s.config.journal_meta, &key, &value)
    if rc == MDB_NOTFOUND:
        # In the very transaction that makes the tables: no other may lack it.
        if mdb_txn_id(txn) != 1 or fresh == NULL:
            return MDB_CORRUPTED
        memset(&meta, 0, sizeof(JournalMeta))
        meta.magic = CHUNK_MAGIC
        meta.format = JOURNAL_FORMAT
        memcpy(meta.instance, fresh, 16)
        value.mv_size = sizeof(JournalMeta)
        value.mv_data = &meta
        rc = mdb_put(txn, s.config.journal_meta, &key, &value, 0)
    if rc == 0 and value.mv_size != sizeof(JournalMeta):
        rc = RC_FORMAT
    if rc != 0:
        return rc
    memcpy(&meta, value.mv_data, sizeof(JournalMeta))
    if meta.magic != CHUNK_MAGIC or meta.format != JOURNAL_FORMAT:
        return RC_FORMAT
    memcpy(s.config.instance, meta.instance, 16)
    s.config.instance_check = native_crc(0, <const uint8_t*>s.config.instance, 16)
    s.config.epoch = meta.epoch
    s.group.epoch_next = meta.epoch
    memcpy(s.index.head.instance, s.config.instance, 16)
    return 0


cdef int _lifetime_open_journal(State* s, const uint8_t* fresh) noexcept nogil:
    """Tables and name, made in one transaction if the journal is new."""
    cdef MDB_txn* txn
    cdef int rc = mdb_txn_begin(s.config.journal_env, NULL, 0, &txn)
    if rc != 0:
        return rc
    rc = mdb_dbi_open(txn, b"meta", MDB_CREATE, &s.config.journal_meta)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"journal", MDB_CREATE, &s.config.journal)
    if rc == 0:
        rc = _lifetime_read_name(s, txn, fresh)
    if rc != 0:
        mdb_txn_abort(txn)
        return rc
    return mdb_txn_commit(txn)


cdef int _lifetime_open_index(State* s) noexcept nogil:
    cdef MDB_txn* txn
    cdef int rc = mdb_txn_begin(s.config.index_env, NULL, 0, &txn)
    if rc != 0:
        return rc
    rc = mdb_dbi_open(txn, b"meta", MDB_CREATE, &s.config.index_meta)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"segments", MDB_CREATE, &s.config.segments)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"runs", MDB_CREATE, &s.config.runs)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"postings", MDB_CREATE, &s.config.postings)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"holds", MDB_CREATE, &s.config.holds_table)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"records", MDB_CREATE, &s.config.records)
    if rc != 0:
        mdb_txn_abort(txn)
    else:
        rc = mdb_txn_commit(txn)
    return damage_of(rc)


cdef int lifetime_find_head(State* s) noexcept nogil:
    """Sequence of the journal's last row.

    As many chunks have to be there as the last one says, and no more transactions may have
    been made than these and the first: else an older page shows an older journal.
    """
    cdef MDB_val key, value
    cdef MDB_stat stat
    cdef const Chunk* chunk
    cdef int rc = mdb_cursor_get(s.group.reader.cursor, &key, &value, MDB_LAST)
    if rc == MDB_NOTFOUND:
        s.shared.sequence = 0
        return 0 if mdb_txn_id(s.group.reader.txn) <= 1 else MDB_CORRUPTED
    if rc != 0:
        return rc
    if key.mv_size != 8 or value.mv_size < sizeof(Chunk):
        return MDB_CORRUPTED
    chunk = <const Chunk*>value.mv_data
    s.shared.sequence = chunk.first_sequence + chunk.rows_count - 1
    rc = store_get_chunk(&s.group.reader, s.shared.sequence, &chunk)
    if rc == 0:
        rc = mdb_stat(s.group.reader.txn, s.config.journal, &stat)
    if rc != 0:
        return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
    s.group.ordinal = chunk.ordinal
    if stat.ms_entries != s.group.ordinal or mdb_txn_id(s.group.reader.txn) > s.group.ordinal + 1:
        return MDB_CORRUPTED
    return 0


cdef int lifetime_open_to_read(State* s) noexcept nogil:
    """Tables and name of a journal that is there; nothing is made."""
    cdef MDB_txn* txn
    cdef int rc = mdb_txn_begin(s.config.journal_env, NULL, MDB_RDONLY, &txn)
    if rc != 0:
        return rc
    rc = mdb_dbi_open(txn, b"meta", 0, &s.config.journal_meta)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"journal", 0, &s.config.journal)
    if rc == 0:
        rc = _lifetime_read_name(s, txn, NULL)
    if rc != 0:
        mdb_txn_abort(txn)
        return rc
    # The tables stay open only if it is committed.
    return mdb_txn_commit(txn)


cdef int lifetime_compare(
    State* s, const uint8_t* instance, uint64_t as_of, uint32_t chunk_check
) noexcept nogil:
    """Whether the journal has what an index was made of, which says so of itself.

    One of another ledger is no witness, unless the journal has no row of any.
    """
    cdef int rc = lifetime_open_to_read(s)
    if rc == 0:
        rc = store_begin(s, &s.group.reader)
    if rc == 0:
        rc = lifetime_find_head(s)
    if rc == MDB_NOTFOUND or (rc == 0 and s.shared.sequence == 0):
        return RC_BEHIND if as_of > 0 else 0
    if rc != 0 or memcmp(instance, s.config.instance, 16) != 0:
        return rc
    s.index.head.as_of = as_of
    s.index.head.chunk_check = chunk_check
    return replay_compare_journal(s)


cdef int _lifetime_open_readers(State* s) noexcept nogil:
    """The index writer's readers, for life: later there may be no slot left."""
    cdef int rc = store_begin(s, &s.index.step_readers[0])
    if rc == 0:
        rc = store_begin(s, &s.index.step_readers[1])
    store_rest(&s.index.step_readers[0])
    store_rest(&s.index.step_readers[1])
    return rc


cdef int lifetime_begin(State* s, const uint8_t* fresh) noexcept nogil:
    """Tables, name, readers, then memory."""
    cdef FaultPlace* before = fault_enter(&s.shared.in_both)
    cdef int rc = _lifetime_open_journal(s, fresh)
    if rc == 0:
        rc = store_begin(s, &s.group.reader)
        s.group.reader.places = s.group.places_table
    if rc == 0:
        rc = _lifetime_open_readers(s)
    if rc == 0:
        rc = _lifetime_open_index(s)
    if rc == 0:
        rc = mdb_txn_begin(s.config.index_env, NULL, MDB_RDONLY, &s.group.index_txn)
    if rc == 0:
        # Nothing reads through it before the first group; idle it pins nothing.
        mdb_txn_reset(s.group.index_txn)
        rc = mdb_txn_begin(s.config.index_env, NULL, MDB_RDONLY, &s.index.runs_txn)
    if rc == 0:
        mdb_txn_reset(s.index.runs_txn)
        rc = lifetime_find_head(s)
    if rc == 0 and s.config.progress != NULL:
        s.config.progress[1] = s.shared.sequence
    if rc == 0:
        rc = replay_open(s)
    if rc == 0:
        rc = reserve_measure(s)
    native_assert(
        rc != 0 or s.shared.indexed <= s.shared.sequence, b"lifetime_begin: no index without rows"
    )
    native_assert(
        rc != 0 or s.group.working.count == s.shared.published.count,
        b"lifetime_begin: readers see all accounts",
    )
    native_assert(
        rc != 0 or s.group.last_timestamp == s.shared.timestamp,
        b"lifetime_begin: time goes on from the last row",
    )
    fault_leave(before)
    return rc


cdef void lifetime_end(State* s, Space* spaces) noexcept nogil:
    cdef uint32_t i
    cdef int map_
    native_assert(s.shared.views == NULL, b"lifetime_end: nobody reads")
    if s.config.directory >= 0:
        posix_close(s.config.directory)
    store_end(&s.group.reader)
    store_end(&s.index.step_readers[0])
    store_end(&s.index.step_readers[1])
    if s.group.index_txn != NULL:
        mdb_txn_abort(s.group.index_txn)
    if s.index.runs_txn != NULL:
        mdb_txn_abort(s.index.runs_txn)
    if s.config.journal_env != NULL:
        mdb_env_close(s.config.journal_env)
    if s.config.index_env != NULL:
        mdb_env_close(s.config.index_env)
    for i in range(s.shared.steps_count):
        lookup_free_step(s.shared.steps[i])
    if s.index.merges != NULL:
        for i in range(<uint32_t>(MAPS_COUNT * LEVELS_MAX)):
            merge_drop(&s.index.merges[i])
    for map_ in range(MAPS_COUNT):
        for i in range(s.shared.runs_count[map_]):
            runs_free(s.shared.levels[map_][i])
        free(s.shared.levels[map_])
        runs_free(s.index.step_runs[map_])
        for i in range(<uint32_t>LEVELS_MAX):
            cover_drop(s.index.covers[map_][i])
    views_free_buried(s, True)
    lookup_free_step(s.shared.step_put_by)
    indexer_work_free(&s.index.work)
    holds_free(&s.group.holds)
    holds_free(&s.index.images_holds)
    free(s.shared.steps)
    free(s.group.drafts)
    free(s.group.probes)
    free(s.group.places_table)
    free(s.group.holds_before)
    free(s.index.merges)
    free(s.index.retired)
    free(s.index.retired_durable)
    free(s.index.block)
    free(s.index.page)
    free(s.index.part)
    _lifetime_free_turns(&s.index.segments_turns)
    _lifetime_free_turns(&s.index.holds_turns)
    for i in range(<uint32_t>SPACES_COUNT):
        native_give_back(spaces[i].address, spaces[i].size)
