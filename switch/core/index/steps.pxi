# One step of the index as a whole: its stages, their transactions, their publication.
#
# A step is a fixed sequence of stages: values of runs merged away are deleted, each level of
# each map merges its share, the step's own runs are written, and at last everything else,
# with which the index stands at the step's end. Each stage goes by units of one part. How
# many units make a transaction depends on how far behind the index is, and on nothing else:
# `meta` says which stage and part comes next, so that the index is a function of the journal
# whenever a process ends. Levels merge from the highest down, and what a merge retires is
# deleted in the next step: so nothing depends on where transactions are cut.

cdef enum:
    MERGE_HURRY_RUNS = 12     # so many runs of a level, and its share is doubled
    UNITS_ALL = 0x7FFFFFFF


# --- what the index says of itself -------------------------------------------------------

cdef void _steps_add_run(State* s, RunRecord** at, const Run* run) noexcept nogil:
    cdef RunRecord* record = at[0]
    native_assert(run.entries_count == run.entries_max, b"_steps_add_run: the run is whole")
    native_assert(run.id < s.index.next.run_next, b"_steps_add_run: its id is taken")
    native_assert(
        s.index.next.runs_count < MAPS_COUNT * (RUNS_MAX + LEVELS_MAX),
        b"_steps_add_run: room in the list",
    )
    record.id = run.id
    record.first = run.first
    record.last = run.last
    record.entries_count = run.entries_count
    record.least = run.least
    record.greatest = run.greatest
    record.map = run.map
    record.level = run.level
    at[0] += 1
    s.index.next.runs_count += 1


cdef inline bint _steps_is_merged(State* s, const Run* run) noexcept nogil:
    """Whether a finished merge replaces this run."""
    return merge_replaces(&s.index.merges[run.map * LEVELS_MAX + run.level], run)


cdef RunRecord* _steps_put_runs(State* s, RunRecord* at, bint whole) noexcept nogil:
    """All runs as they will be after the transaction; `whole`: the step's own ones too."""
    cdef int map_, level
    cdef uint32_t i
    s.index.next.runs_count = 0
    for map_ in range(MAPS_COUNT):
        if whole and s.index.step_runs[map_] != NULL:
            _steps_add_run(s, &at, s.index.step_runs[map_])
        for level in range(LEVELS_MAX):
            if s.index.merges[map_ * LEVELS_MAX + level].active == 2:
                _steps_add_run(s, &at, s.index.merges[map_ * LEVELS_MAX + level].target)
        for i in range(s.shared.runs_count[map_]):
            if not _steps_is_merged(s, s.shared.levels[map_][i]):
                _steps_add_run(s, &at, s.shared.levels[map_][i])
    return at


cdef MergeRecord* _steps_put_merges(State* s, MergeRecord* at) noexcept nogil:
    cdef const Merge* merge
    cdef int i
    s.index.next.merges_count = 0
    for i in range(MAPS_COUNT * LEVELS_MAX):
        merge = &s.index.merges[i]
        if merge.active != 1:
            continue
        native_assert(
            merge_adds_up(merge, merge.positions, merge.target.entries_count),
            b"_steps_put_merges: it adds up",
        )
        native_assert(
            merge.target.entries_count % PART_ENTRIES == 0,
            b"_steps_put_merges: whole parts",
        )
        at.id = merge.target.id
        at.entries_count = merge.target.entries_count
        memcpy(at.positions, merge.positions, sizeof(at.positions))
        at.map = i // LEVELS_MAX
        at.level = i % LEVELS_MAX
        at += 1
        s.index.next.merges_count += 1
    return at


cdef int _steps_write_meta(State* s, MDB_txn* txn, bint whole) noexcept nogil:
    """What the index covers, how far it has come, and everything that it consists of."""
    cdef size_t size = sizeof(IndexMeta)
    cdef uint8_t* value
    cdef uint8_t* at
    cdef int rc
    retired_add(s)
    size += MAPS_COUNT * (RUNS_MAX + LEVELS_MAX) * sizeof(RunRecord)
    size += MAPS_COUNT * LEVELS_MAX * sizeof(MergeRecord) + RETIRED_MAX * sizeof(Retired)
    size += (<size_t>s.index.next.segments_count + HOLD_PIECES) * sizeof(PieceRecord)
    value = <uint8_t*>calloc(1, size)
    if value == NULL:
        return ENOMEM
    at = <uint8_t*>_steps_put_runs(s, <RunRecord*>(value + sizeof(IndexMeta)), whole)
    at = <uint8_t*>_steps_put_merges(s, <MergeRecord*>at)
    memcpy(at, s.index.retired, s.index.next.retired_count * sizeof(Retired))
    at += s.index.next.retired_count * sizeof(Retired)
    at = <uint8_t*>turns_put_list(
        &s.index.segments_turns, s.index.next.segments_count, whole, <PieceRecord*>at
    )
    at = <uint8_t*>turns_put_list(&s.index.holds_turns, HOLD_PIECES, whole, <PieceRecord*>at)
    native_assert(s.index.next.stage <= STAGE_LAST, b"_steps_write_meta: a stage")
    s.index.next.transaction = mdb_txn_id(txn)
    memcpy(value, &s.index.next, sizeof(IndexMeta))
    native_assert(<size_t>(at - value) <= size, b"_steps_write_meta: the lists have room")
    size = at - value
    s.index.next.check = steps_meta_check(value, size)
    (<IndexMeta*>value).check = s.index.next.check
    rc = indexer_put(txn, s.config.index_meta, b"index", 5, value, size)
    free(value)
    return rc


cdef uint32_t steps_meta_check(const uint8_t* value, size_t size) noexcept nogil:
    """The check that a meta value of this size should have."""
    return native_crc(
        native_crc(0, value, sizeof(IndexMeta) - 4), value + sizeof(IndexMeta),
        size - sizeof(IndexMeta),
    )


# --- stages ------------------------------------------------------------------------------

cdef uint32_t _steps_share(const State* s, uint32_t runs) noexcept nogil:
    """Parts that a level with so many runs merges in one step.

    Twice what a step brings, so that it keeps up; and all of it before the level is full.
    """
    cdef uint32_t parts = runs_count_parts(2 * s.config.step_rows)
    if runs >= LEVEL_RUNS_MAX - 1:
        return UNITS_ALL
    return 2 * parts if runs >= MERGE_HURRY_RUNS else parts


cdef int _steps_merge(
    State* s, MDB_txn* txn, int map_, int level, bint* wrote
) noexcept nogil:
    """The next part of the level's share, if there is one left."""
    cdef Merge* merge = &s.index.merges[map_ * LEVELS_MAX + level]
    cdef int rc = 0
    if not retired_has_room(s):
        return 0
    if s.index.next.stage_parts == 0:
        rc = merge_start(s, map_, level)
    if rc != 0 or merge.active != 1:
        return rc
    if s.index.next.stage_parts >= _steps_share(s, cover_count_runs(s, map_, level)):
        return 0
    wrote[0] = True
    return merge_advance(s, txn, merge)


cdef int _steps_write_fresh(State* s, MDB_txn* txn, int map_, bint* wrote) noexcept nogil:
    """The next part of the step's own run of a map, if it has one."""
    cdef uint32_t count = s.index.work.counts[map_]
    cdef uint64_t step = s.shared.indexed // s.config.step_rows
    cdef Run* run = s.index.step_runs[map_]
    if count == 0 or (run != NULL and run.entries_count == run.entries_max):
        return 0
    if run == NULL:
        if s.index.next.fresh[map_] == 0:
            s.index.next.fresh[map_] = s.index.next.run_next
            s.index.next.run_next += 1
        run = runs_new(s, map_, 0, s.index.next.fresh[map_], count, step, step)
        s.index.step_runs[map_] = run
        if run == NULL:
            return ENOMEM
        run.cover = cover_take(s, map_, 0, count)
    native_assert(
        run.entries_max == count and run.first == step,
        b"_steps_write_fresh: the step's own run",
    )
    native_assert(
        run.entries_count % PART_ENTRIES == 0,
        b"_steps_write_fresh: its parts are whole",
    )
    wrote[0] = True
    return pages_write_part(s, txn, run, s.index.work.entries[map_])


cdef int _steps_write_last(State* s, MDB_txn* txn) noexcept nogil:
    """What the step has besides runs; with it the index stands at the step's end."""
    cdef uint64_t first = s.shared.indexed + 1
    cdef uint64_t last = s.shared.indexed + s.config.step_rows
    cdef uint64_t step = last // s.config.step_rows
    cdef uint32_t segments = segments_count(s.index.images.count)
    cdef int map_
    cdef int rc
    native_assert(
        s.index.taken and s.index.next.stage == STAGE_LAST,
        b"_steps_write_last: all else is done",
    )
    native_assert(indexer_has_runs(s), b"_steps_write_last: the step has its runs")
    native_assert(
        s.index.next.as_of == s.shared.indexed,
        b"_steps_write_last: the index stands before it",
    )
    for map_ in range(MAPS_COUNT):
        # The shares of merges keep below it; a list that overran would take memory with it.
        if s.shared.runs_count[map_] + LEVELS_MAX >= RUNS_MAX:
            return RC_INDEX
    rc = postings_write(s, txn, &s.index.work, first, last)
    if rc == 0:
        rc = segments_write(s, txn, last)
    if rc == 0:
        rc = hold_pieces_write(s, txn, last)
    if rc == 0:
        rc = indexer_write_records(s, txn, &s.index.work)
    s.index.next.as_of = last
    s.index.next.window = s.index.images_window
    s.index.next.accounts_count = s.index.images.count
    s.index.next.segments_count = segments
    s.index.next.chunk_check = s.index.images_check
    s.index.next.behind = <uint32_t>(step - min(
        turns_oldest(&s.index.segments_turns, segments, step),
        turns_oldest(&s.index.holds_turns, HOLD_PIECES, step),
    ))
    native_assert(
        s.index.next.behind <= TURN_STEPS_MAX - 1,
        b"_steps_write_last: no piece is far behind",
    )
    memset(s.index.next.fresh, 0, sizeof(s.index.next.fresh))
    s.index.next.stage = s.index.next.stage_parts = 0
    return rc


cdef int _steps_unit(State* s, MDB_txn* txn, bint* wrote, bint* done) noexcept nogil:
    """The next unit. Nothing was written: the step's rows have to come first."""
    cdef uint32_t stage, map_, level
    cdef bint ended
    cdef int rc
    wrote[0] = False
    while True:
        stage = s.index.next.stage
        native_assert(stage <= STAGE_LAST, b"_steps_unit: a stage")
        ended = False
        if stage == STAGE_DELETE:
            rc = retired_delete(s, txn, wrote)
            ended = True
        elif stage < STAGE_FRESH:
            map_ = (stage - STAGE_MERGE) // LEVELS_MAX
            level = LEVELS_MAX - 1 - (stage - STAGE_MERGE) % LEVELS_MAX
            rc = _steps_merge(s, txn, map_, level, wrote)
            # One merge a step: whether its target has its place yet must not matter.
            ended = s.index.merges[map_ * LEVELS_MAX + level].active == 2
        elif not s.index.taken:
            return 0
        elif stage < STAGE_LAST:
            rc = _steps_write_fresh(s, txn, stage - STAGE_FRESH, wrote)
        else:
            done[0] = wrote[0] = True
            return _steps_write_last(s, txn)
        if rc != 0:
            return rc
        if wrote[0] and not ended:
            s.index.next.stage_parts += 1
            return 0
        s.index.next.stage += 1
        s.index.next.stage_parts = 0
        if wrote[0]:
            return 0


# --- publication ---------------------------------------------------------------------------

cdef void _steps_swap_merged(State* s, Merge* merge) noexcept nogil:
    """Put a merge's target in the place of its sources. Under the lock."""
    cdef int map_ = merge.target.map
    cdef Run** runs = s.shared.levels[map_]
    cdef uint32_t kept = 0
    cdef uint32_t i
    cdef bint placed = False
    for i in range(s.shared.runs_count[map_]):
        if merge_replaces(merge, runs[i]):
            views_bury_run(s, runs[i])
            if placed:
                continue
            runs[kept] = merge.target
            cover_publish(merge.target)
            placed = True
        else:
            runs[kept] = runs[i]
        kept += 1
    native_assert(
        kept + RUN_FANOUT == s.shared.runs_count[map_] + 1,
        b"_steps_swap_merged: one for eight",
    )
    s.shared.runs_count[map_] = kept
    native_assert(
        runs_descend(s.shared.levels[map_], s.shared.runs_count[map_], map_),
        b"_steps_swap_merged: runs newest first",
    )
    merge_end(merge)


cdef void _steps_publish_step(State* s) noexcept nogil:
    """Let look-ups use the step's runs and postings instead of memory. Under the lock."""
    cdef uint64_t as_of = s.index.next.as_of
    cdef int map_
    for map_ in range(MAPS_COUNT):
        if s.index.step_runs[map_] != NULL:
            native_assert(
                s.shared.runs_count[map_] < RUNS_MAX,
                b"_steps_publish_step: room for a run",
            )
            memmove(
                s.shared.levels[map_] + 1, s.shared.levels[map_],
                s.shared.runs_count[map_] * sizeof(Run*),
            )
            s.shared.levels[map_][0] = s.index.step_runs[map_]
            cover_publish(s.index.step_runs[map_])
            s.shared.runs_count[map_] += 1
            native_assert(
                runs_descend(s.shared.levels[map_], s.shared.runs_count[map_], map_),
                b"_steps_publish_step: runs newest first",
            )
            s.index.step_runs[map_] = NULL
    if s.shared.steps_count > 0:  # while the ledger is opened memory has not learned the step
        native_assert(
            (s.shared.steps[0].number + 1) * s.config.step_rows == as_of,
            b"_steps_publish_step: the oldest step in memory goes",
        )
        views_bury_step(s, s.shared.steps[0])
        s.shared.steps_count -= 1
        memmove(s.shared.steps, s.shared.steps + 1, s.shared.steps_count * sizeof(Step*))
    postings_publish(s, &s.index.work, postings_step(s, as_of))
    native_assert(
        as_of == s.shared.indexed + s.config.step_rows,
        b"_steps_publish_step: one step on",
    )
    native_assert(as_of <= s.shared.sequence, b"_steps_publish_step: its rows are durable")
    s.shared.indexed = as_of
    pthread_cond_broadcast(&s.shared.moved)


cdef int _steps_find_runs(State* s, bint done) noexcept nogil:
    """The transaction is durable: learn where the runs lie that it made whole."""
    cdef int i
    cdef int rc = mdb_txn_renew(s.index.runs_txn)
    if rc != 0:
        return rc
    for i in range(MAPS_COUNT * LEVELS_MAX):
        if rc == 0 and s.index.merges[i].active == 2:
            rc = runs_load(s, s.index.runs_txn, s.index.merges[i].target)
    for i in range(MAPS_COUNT):
        if rc == 0 and done and s.index.step_runs[i] != NULL:
            rc = runs_load(s, s.index.runs_txn, s.index.step_runs[i])
    mdb_txn_reset(s.index.runs_txn)
    return rc


cdef void _steps_finish(State* s, bint done) noexcept nogil:
    """The transaction is durable: publish what it brought, and go on from here."""
    cdef int i
    pthread_mutex_lock(&s.shared.lock)
    for i in range(MAPS_COUNT * LEVELS_MAX):
        if s.index.merges[i].active == 2:
            _steps_swap_merged(s, &s.index.merges[i])
    if done:
        _steps_publish_step(s)
    pthread_mutex_unlock(&s.shared.lock)
    for i in range(MAPS_COUNT * LEVELS_MAX):
        if s.index.merges[i].active:
            merge_keep(&s.index.merges[i])
    native_assert(
        s.index.next.transaction > s.index.head.transaction,
        b"_steps_finish: a later transaction",
    )
    native_assert(
        s.index.next.as_of == s.shared.indexed,
        b"_steps_finish: what is published is durable",
    )
    s.index.head = s.index.next
    if done:
        turns_finish(&s.index.segments_turns, s.index.head.segments_count)
        turns_finish(&s.index.holds_turns, HOLD_PIECES)
        indexer_work_clear(&s.index.work)
        s.index.taken = 0
        if s.config.progress != NULL:
            s.config.progress[0] = s.shared.indexed
    views_free_buried(s, False)


cdef void _steps_take_back(State* s) noexcept nogil:
    """The transaction was aborted: memory returns to where the last durable one left it."""
    cdef uint64_t entries
    cdef int map_, i
    for i in range(MAPS_COUNT * LEVELS_MAX):
        merge_take_back(&s.index.merges[i])
    memcpy(s.index.retired, s.index.retired_durable, RETIRED_MAX * sizeof(Retired))
    for map_ in range(MAPS_COUNT):
        if s.index.step_runs[map_] == NULL:
            continue
        entries = s.index.step_runs[map_].entries_max
        if s.index.head.stage < <uint32_t>(STAGE_FRESH + map_):
            entries = 0
        elif s.index.head.stage == <uint32_t>(STAGE_FRESH + map_):
            entries = min(entries, <uint64_t>s.index.head.stage_parts * PART_ENTRIES)
        if s.index.head.fresh[map_] == 0:
            runs_free(s.index.step_runs[map_])
            s.index.step_runs[map_] = NULL
        else:
            runs_cut(s.index.step_runs[map_], entries)
    s.index.next = s.index.head
    native_assert(
        s.index.head.as_of == s.shared.indexed,
        b"_steps_take_back: as the index stands",
    )


cdef int _steps_remake_fresh(State* s) noexcept nogil:
    """After an opening in the middle of a step: memory learns what is stored of its runs."""
    cdef uint32_t parts, part
    cdef bint wrote
    cdef int map_
    cdef int rc = 0
    for map_ in range(MAPS_COUNT):
        if s.index.head.fresh[map_] == 0 or s.index.step_runs[map_] != NULL:
            continue
        parts = runs_count_parts(s.index.work.counts[map_])
        if s.index.head.stage == <uint32_t>(STAGE_FRESH + map_):
            parts = min(parts, s.index.head.stage_parts)
        for part in range(parts):
            if rc == 0:
                rc = _steps_write_fresh(s, NULL, map_, &wrote)
    return rc


# --- running -------------------------------------------------------------------------------

cdef int _steps_check_room(State* s) noexcept nogil:
    """Stop before the disk is full: a write that is cut short cannot be tried again."""
    cdef statvfs_t room
    cdef int fd
    cdef int rc = mdb_env_get_fd(s.config.index_env, &fd)
    if rc == 0 and fstatvfs(fd, &room) != 0:
        rc = errno
    if rc == 0 and <uint64_t>room.f_bavail * room.f_frsize < s.config.room_least:
        rc = ENOSPC
    return rc


cdef int steps_transact(State* s, uint32_t units, bint* done) noexcept nogil:
    """Up to so many units in one transaction; nothing if there is nothing to do."""
    cdef MDB_txn* txn
    cdef bint wrote = True, any_ = False
    cdef FaultPlace* before
    cdef int rc = _steps_check_room(s)
    done[0] = s.index.moved_on = 0
    if rc != 0:
        return rc
    before = fault_enter_writing(&s.shared.in_index)
    rc = mdb_txn_begin(s.config.index_env, NULL, 0, &txn)
    if rc != 0:
        fault_leave_writing(before, &s.shared.in_index)
        return damage_of(rc)
    s.index.next = s.index.head
    memcpy(s.index.retired_durable, s.index.retired, RETIRED_MAX * sizeof(Retired))
    while rc == 0 and wrote and not done[0] and units > 0:
        rc = _steps_unit(s, txn, &wrote, done)
        any_ = any_ or wrote
        units -= 1
    if rc == 0 and any_:
        rc = _steps_write_meta(s, txn, done[0])
    if rc == 0 and any_:
        rc = mdb_txn_commit(txn)
    else:
        mdb_txn_abort(txn)
    s.index.moved_on = rc == 0 and any_
    if s.index.moved_on:
        # What is durable and cannot be found again has to be made anew: nothing is taken back.
        rc = _steps_find_runs(s, done[0])
    fault_leave_writing(before, &s.shared.in_index)
    if s.index.moved_on and rc == 0:
        _steps_finish(s, done[0])
    else:
        done[0] = False
        if not s.index.moved_on:
            _steps_take_back(s)
    return damage_of(rc)


cdef inline uint64_t steps_behind(const State* s) noexcept nogil:
    """Durable rows that the index lacks."""
    return s.shared.sequence - s.shared.indexed


cdef inline bint steps_is_due(const State* s) noexcept nogil:
    return steps_behind(s) >= s.config.step_rows and not s.shared.stopping and not s.shared.dead


cdef int steps_take(State* s) noexcept nogil:
    """Let the images and the scratch learn the rows of the next step, once."""
    cdef uint64_t first
    cdef int rc = 0
    if not s.index.taken:
        rc = indexer_work_init(s, &s.index.work)
        if rc == 0:
            first = s.shared.indexed + 1
            rc = indexer_take_rows(
                s, &s.index.work, first, s.shared.indexed + s.config.step_rows
            )
        if rc == 0:
            rc = _steps_remake_fresh(s)
        native_assert(
            rc != 0 or s.index.work.accounts_count <= s.index.images.count,
            b"steps_take: accounts that there are",
        )
        s.index.taken = rc == 0
        s.index.step_began = native_monotonic_ns()
    return rc


cdef void steps_tell(State* s, int rc) noexcept nogil:
    """A full disk is told and tried again; any other error kills the ledger."""
    if rc == RC_INDEX or rc == ENOMEM:
        # An older list of LMDB's free pages may ask for any memory. Where there was none
        # for us, an index that is made anew is lost time and nothing else.
        damage_mark(s)
    pthread_mutex_lock(&s.shared.lock)
    s.shared.index_failed = rc
    if rc != 0 and not store_is_space(rc) and not s.shared.dead:
        s.shared.dead = rc
    pthread_cond_broadcast(&s.shared.moved)
    pthread_mutex_unlock(&s.shared.lock)


cdef int steps_run(State* s, uint32_t units, bint* done) noexcept nogil:
    """Go on with the next step; a whole one must be durable. One thread at a time."""
    cdef int rc = steps_take(s)
    done[0] = False
    if rc == 0:
        rc = steps_transact(s, units, done)
    steps_tell(s, rc)
    return rc
