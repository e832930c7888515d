# Views: what one reading call sees, and how long what it looks at stays in memory.
#
# A view has read transactions of both environments and the steps in memory, all of one
# moment. Steps that go into the index and runs that are merged away while it lasts are
# buried, not freed: a view may look at them without the lock. Only the index writer
# frees, and only what no view begun before the burial can still see. That is bounded:
# views are as many as LMDB has readers, and each lasts for one call, and for `view_s` at most:
# whoever reads more of the journal than that allows goes on with another view.

cdef int views_begin(State* s, View* view) noexcept nogil:
    """Begin a view of what is durable now. The lock is held by the caller."""
    cdef int rc
    memset(view, 0, sizeof(View))
    view.before = fault_enter(&s.shared.in_both)
    view.sequence = s.shared.sequence
    view.indexed = s.shared.indexed
    view.newest = s.shared.steps[s.shared.steps_count - 1] if s.shared.steps_count > 0 else NULL
    view.number = s.shared.views_number
    s.shared.views_number += 1
    view.older = s.shared.views
    if view.older != NULL:
        view.older.younger = view
    else:
        s.shared.views_oldest = view
    s.shared.views = view
    native_assert(
        view.indexed <= view.sequence,
        b"views_begin: the index is behind the journal",
    )
    native_assert(
        view.older == NULL or view.older.number < view.number,
        b"views_begin: views are numbered",
    )
    rc = mdb_txn_begin(s.config.index_env, NULL, MDB_RDONLY, &view.index)
    if rc != 0:
        view.index = NULL
        return rc
    return store_begin_bounded(s, &view.journal)


cdef void views_end(State* s, View* view) noexcept nogil:
    """End a view, also one whose beginning failed. Without the lock."""
    store_end(&view.journal)
    if view.index != NULL:
        mdb_txn_abort(view.index)
    pthread_mutex_lock(&s.shared.lock)
    if view.younger != NULL:
        view.younger.older = view.older
    else:
        s.shared.views = view.older
    if view.older != NULL:
        view.older.younger = view.younger
    else:
        s.shared.views_oldest = view.younger
    native_assert(
        (s.shared.views == NULL) == (s.shared.views_oldest == NULL),
        b"views_end: both ends of the list",
    )
    pthread_mutex_unlock(&s.shared.lock)
    fault_leave(view.before)


cdef inline Step* views_before(State* s, const View* view, const Step* step) noexcept nogil:
    """The step before `step`; NULL once the index has it, as the view sees it."""
    return step.before if step.number * s.config.step_rows > view.indexed else NULL


cdef int views_get_row(View* view, uint64_t sequence, const Row** row) noexcept nogil:
    """A durable row, through its own check; rows of one chunk after another are cheap."""
    cdef const Chunk* chunk = view.chunk
    cdef int rc
    if chunk == NULL or not (
        chunk.first_sequence <= sequence < chunk.first_sequence + chunk.rows_count
    ):
        rc = store_get_chunk(&view.journal, sequence, &chunk)
        if rc != 0:
            return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
        view.chunk = chunk
    row[0] = <const Row*>(<const uint8_t*>chunk + sizeof(Chunk)) + (
        sequence - chunk.first_sequence
    )
    if row[0].sequence != sequence or row[0].check != store_row_check(row[0]):
        return MDB_CORRUPTED
    return 0


# --- burials: the index writer's -----------------------------------------------------------

cdef void views_bury_step(State* s, Step* step) noexcept nogil:
    """Put away a step that the index has now. Under the lock."""
    step.buried = s.shared.views_number
    native_assert(
        s.index.steps_buried == NULL or s.index.steps_buried.buried <= step.buried,
        b"views_bury_step: burials are in order",
    )
    step.grave = s.index.steps_buried
    s.index.steps_buried = step


cdef void views_bury_run(State* s, Run* run) noexcept nogil:
    """Put away a run that look-ups no longer use. Under the lock."""
    run.buried = s.shared.views_number
    native_assert(
        s.index.runs_buried == NULL or s.index.runs_buried.buried <= run.buried,
        b"views_bury_run: burials are in order",
    )
    run.grave = s.index.runs_buried
    s.index.runs_buried = run


cdef void views_free_buried(State* s, bint all_) noexcept nogil:
    """Free what no view can see any more, or everything. Without the lock."""
    cdef Step** step_from = &s.index.steps_buried
    cdef Run** run_from = &s.index.runs_buried
    cdef Step* step
    cdef Run* run
    cdef uint64_t oldest
    pthread_mutex_lock(&s.shared.lock)
    oldest = s.shared.views_number
    if s.shared.views_oldest != NULL:
        oldest = s.shared.views_oldest.number
    pthread_mutex_unlock(&s.shared.lock)
    # Burials are in order: behind the first that can go all can go.
    while step_from[0] != NULL and step_from[0].buried > oldest and not all_:
        step_from = &step_from[0].grave
    while run_from[0] != NULL and run_from[0].buried > oldest and not all_:
        run_from = &run_from[0].grave
    while step_from[0] != NULL:
        step = step_from[0]
        step_from[0] = step.grave
        lookup_put_by_step(s, step)
    while run_from[0] != NULL:
        run = run_from[0]
        run_from[0] = run.grave
        runs_free(run)
