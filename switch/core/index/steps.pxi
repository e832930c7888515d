# One step of the index as a whole: its transaction, and its publication.

cdef int steps_write_meta(
    State* s, MDB_txn* txn, uint64_t as_of, Run** fresh
) noexcept nogil:
    """What the index covers, and its runs as they will be after this step."""
    cdef size_t capacity = 3
    cdef IndexMeta* meta
    cdef RunRecord* records
    cdef uint32_t i
    cdef int map_, level
    cdef size_t size
    cdef int rc
    for map_ in range(MAPS_COUNT):
        capacity += s.runs_count[map_] + LEVELS_MAX
    meta = <IndexMeta*>calloc(1, sizeof(IndexMeta) + capacity * sizeof(RunRecord))
    if meta == NULL:
        return ENOMEM
    records = <RunRecord*>(meta + 1)
    memcpy(meta.instance, s.instance, 16)
    meta.as_of = as_of
    meta.window = s.images_window
    meta.run_next = s.run_next
    meta.step_rows = s.step_rows
    meta.format = FORMAT_VERSION
    meta.accounts_count = s.images.count
    meta.chunk_check = s.images_check
    meta.segments_behind = segments_behind(s, as_of)
    for map_ in range(MAPS_COUNT):
        if fresh[map_] != NULL:
            steps_add_record(meta, records, fresh[map_])
        for level in range(LEVELS_MAX):
            if s.merges[map_ * LEVELS_MAX + level].active == 2:
                steps_add_record(meta, records, s.merges[map_ * LEVELS_MAX + level].target)
        for i in range(s.runs_count[map_]):
            if not steps_is_merged(s, s.levels[map_][i]):
                steps_add_record(meta, records, s.levels[map_][i])
    size = sizeof(IndexMeta) + meta.runs_count * sizeof(RunRecord)
    meta.check = native_crc(
        native_crc(0, <const uint8_t*>meta, sizeof(IndexMeta) - 4),
        <const uint8_t*>records, meta.runs_count * sizeof(RunRecord),
    )
    rc = indexer_put(txn, s.index_meta, b"index", 5, meta, size)
    free(meta)
    return rc


cdef void steps_add_record(IndexMeta* meta, RunRecord* records, const Run* run) noexcept nogil:
    cdef RunRecord* record = &records[meta.runs_count]
    record.id = run.id
    record.first = run.first
    record.last = run.last
    record.entries_count = run.entries_count
    record.least = run.least
    record.greatest = run.greatest
    record.pages_count = run.pages_count
    record.filter_size = run.filter_size
    record.map = run.map
    record.level = run.level
    meta.runs_count += 1


cdef inline bint steps_is_merged(State* s, const Run* run) noexcept nogil:
    """Whether a finished merge replaces this run."""
    return merge_replaces(&s.merges[run.map * LEVELS_MAX + run.level], run)


cdef int steps_merge(State* s, MDB_txn* txn) noexcept nogil:
    """Advance every merge by its share: twice what a step brings, so that it keeps up."""
    cdef Merge* merge
    cdef int map_, level, done
    cdef int rc
    for map_ in range(MAPS_COUNT):
        for level in range(LEVELS_MAX):
            rc = merge_start(s, map_, level)
            if rc != 0:
                return rc
            merge = &s.merges[map_ * LEVELS_MAX + level]
            if merge.active != 1:
                continue
            rc = merge_advance(s, txn, merge, 2 * s.step_rows, &done)
            if rc != 0:
                return rc
            if done:
                merge.active = 2
    return 0


cdef int steps_delete_retired(State* s, MDB_txn* txn) noexcept nogil:
    """Runs merged away by an earlier step: nobody can begin to read them any more."""
    cdef uint32_t i
    cdef int rc
    for i in range(s.retired_count):
        rc = runs_delete(s, txn, s.retired[i])
        if rc != 0:
            return rc
    return 0


cdef void steps_swap_merged(State* s, Merge* merge) noexcept nogil:
    """Put a merge's target in the place of its sources. Under the lock."""
    cdef int map_ = merge.target.map
    cdef Run** runs = s.levels[map_]
    cdef uint32_t kept = 0
    cdef uint32_t i
    cdef bint placed = False
    for i in range(s.runs_count[map_]):
        if merge_replaces(merge, runs[i]):
            s.retired[s.retired_count] = runs[i]
            s.retired_count += 1
            if placed:
                continue
            runs[kept] = merge.target
            cover_publish(merge.target)
            placed = True
        else:
            runs[kept] = runs[i]
        kept += 1
    s.runs_count[map_] = kept
    merge_end(merge)


cdef void steps_publish(State* s, Run** fresh, uint64_t as_of) noexcept nogil:
    """Let look-ups use the step's runs and postings instead of memory."""
    cdef int map_, level
    cdef uint32_t i
    pthread_mutex_lock(&s.lock)
    for i in range(s.retired_count):
        views_bury_run(s, s.retired[i])
    s.retired_count = 0
    for map_ in range(MAPS_COUNT):
        for level in range(LEVELS_MAX):
            if s.merges[map_ * LEVELS_MAX + level].active == 2:
                steps_swap_merged(s, &s.merges[map_ * LEVELS_MAX + level])
        if fresh[map_] != NULL:
            memmove(
                s.levels[map_] + 1, s.levels[map_], s.runs_count[map_] * sizeof(Run*)
            )
            s.levels[map_][0] = fresh[map_]
            cover_publish(fresh[map_])
            s.runs_count[map_] += 1
    if s.steps_count > 0:  # while the ledger is opened memory has not learned the step
        views_bury_step(s, s.steps[0])
        s.steps_count -= 1
        memmove(s.steps, s.steps + 1, s.steps_count * sizeof(Step*))
    postings_publish(s, &s.work, postings_step(s, as_of))
    s.indexed = as_of
    pthread_cond_broadcast(&s.moved)
    pthread_mutex_unlock(&s.lock)


cdef int steps_check_room(State* s) noexcept nogil:
    """Stop before the disk is full: a write that is cut short cannot be tried again."""
    cdef statvfs_t room
    cdef uint64_t needed = s.room_least
    cdef const Run* target
    cdef int fd, i
    cdef int rc = mdb_env_get_fd(s.index_env, &fd)
    for i in range(MAPS_COUNT * LEVELS_MAX):
        target = s.merges[i].target
        if target != NULL:
            # What a merge may still have to write of its filter and fences.
            needed += 2 * (
                <uint64_t>target.filter_size * 32
                + <uint64_t>target.pages_count * sizeof(Fence)
            )
    if rc == 0 and fstatvfs(fd, &room) != 0:
        rc = errno
    if rc == 0 and <uint64_t>room.f_bavail * room.f_frsize < needed:
        rc = ENOSPC
    return rc


cdef int steps_write(
    State* s, Work* work, uint64_t first, uint64_t last, Run** fresh
) noexcept nogil:
    cdef MDB_txn* txn
    cdef int rc = steps_check_room(s)
    if rc == 0:
        rc = mdb_txn_begin(s.index_env, NULL, 0, &txn)
    if rc != 0:
        return rc
    rc = steps_delete_retired(s, txn)
    if rc == 0:
        rc = indexer_write_runs(s, txn, work, fresh)
    if rc == 0:
        rc = steps_merge(s, txn)
    if rc == 0:
        rc = postings_write(s, txn, work, first, last)
    if rc == 0:
        rc = segments_write(s, txn, last)
    if rc == 0:
        rc = indexer_write_holds(s, txn)
    if rc == 0:
        rc = indexer_write_records(s, txn, work)
    if rc == 0:
        rc = steps_write_meta(s, txn, last, fresh)
    if rc != 0:
        mdb_txn_abort(txn)
        return rc
    return mdb_txn_commit(txn)


cdef void steps_forget(State* s, Run** fresh) noexcept nogil:
    """Undo in memory what an aborted transaction had written: new runs and merges."""
    cdef int map_, i
    for map_ in range(MAPS_COUNT):
        runs_free(fresh[map_])
    for i in range(MAPS_COUNT * LEVELS_MAX):
        if s.merges[i].active:
            # Its pages of this step are lost; it starts again with the next.
            merge_give_up(&s.merges[i])


cdef void steps_finish(State* s, Run** fresh, uint64_t as_of) noexcept nogil:
    """The transaction is durable: let go of what it made superfluous, and publish."""
    segments_finish(s)
    steps_publish(s, fresh, as_of)
    views_free_buried(s, False)
    indexer_work_free(&s.work)
    s.taken = 0


cdef inline bint steps_is_due(const State* s) noexcept nogil:
    return s.sequence - s.indexed >= s.step_rows and not s.stopping and not s.dead


cdef inline bint steps_is_space(int rc) noexcept nogil:
    """The disk is full: nothing is broken, and it can be tried again."""
    return rc == ENOSPC or rc == EFBIG or rc == EDQUOT


cdef int steps_run(State* s) noexcept nogil:
    """Take the next step; a whole one must be durable. One thread at a time.

    A full disk is told and tried again; any other error kills the ledger.
    """
    cdef Run* fresh[MAPS_COUNT]
    cdef uint64_t first = s.indexed + 1
    cdef uint64_t last = s.indexed + s.step_rows
    cdef int rc = 0
    memset(fresh, 0, sizeof(fresh))
    if not s.taken:
        rc = indexer_work_init(s, &s.work)
        if rc == 0:
            rc = indexer_take_rows(s, &s.work, first, last)
        s.taken = rc == 0
    if rc == 0:
        rc = steps_write(s, &s.work, first, last, fresh)
        if rc != 0:
            steps_forget(s, fresh)
    if rc == 0:
        steps_finish(s, fresh, last)
    pthread_mutex_lock(&s.lock)
    s.index_failed = rc
    if rc != 0 and not steps_is_space(rc) and not s.dead:
        s.dead = rc
    pthread_cond_broadcast(&s.moved)
    pthread_mutex_unlock(&s.lock)
    return rc


cdef int steps_try(State* s, int* done) noexcept nogil:
    """Take a step if one is due."""
    cdef int rc = 0
    done[0] = 0
    pthread_mutex_lock(&s.stepping)
    if steps_is_due(s):
        rc = steps_run(s)
        done[0] = rc == 0
    pthread_mutex_unlock(&s.stepping)
    return rc


cdef void steps_wait(State* s) noexcept nogil:
    """Wait until a step is due, or a second has passed, or stop."""
    cdef timespec until
    pthread_mutex_lock(&s.lock)
    if not s.stopping and (not steps_is_due(s) or s.index_failed):
        clock_gettime(CLOCK_REALTIME, &until)
        until.tv_sec += 1
        pthread_cond_timedwait(&s.step_due, &s.lock, &until)
    pthread_mutex_unlock(&s.lock)


cdef int steps_wait_space(State* s) noexcept nogil:
    """Wait until the reserve is small or a second has passed, then extend it."""
    cdef timespec until
    cdef int rc
    pthread_mutex_lock(&s.lock)
    if not s.stopping and (s.reserve_left >= s.reserve_size or s.space_failed):
        clock_gettime(CLOCK_REALTIME, &until)
        until.tv_sec += 1
        pthread_cond_timedwait(&s.space_due, &s.lock, &until)
    pthread_mutex_unlock(&s.lock)
    if s.stopping:
        return 0
    rc = store_extend_reserve(s)
    pthread_mutex_lock(&s.lock)
    s.space_failed = rc
    store_measure_reserve(s)
    pthread_mutex_unlock(&s.lock)
    return rc
