# Looking a key up: first what is newer than the index, then the runs.
#
# All of it under the lock, with a read transaction that was begun under the lock.

cdef Step* index_step_of(State* s, uint64_t sequence) noexcept nogil:
    """The step in memory that `sequence` falls into; made if it is the next one."""
    cdef uint64_t number = (sequence - 1) // s.step_rows
    cdef Step* step
    cdef int map_
    if s.steps_count > 0 and s.steps[s.steps_count - 1].number == number:
        return s.steps[s.steps_count - 1]
    if s.steps_count > 0 and number <= s.steps[s.steps_count - 1].number:
        return (
            s.steps[number - s.steps[0].number] if number >= s.steps[0].number else NULL
        )
    if s.steps_count == s.steps_capacity:
        return NULL
    step = <Step*>calloc(1, sizeof(Step))
    if step == NULL:
        return NULL
    step.number = number
    step.chain = <uint64_t*>malloc(s.step_rows * 16)
    if step.chain == NULL:
        free(step)
        return NULL
    for map_ in range(MAPS_COUNT):
        if memo_init(&step.maps[map_], 64, s.instance[0] ^ s.instance[1]) != 0:
            index_free_step(step)
            return NULL
    s.steps[s.steps_count] = step
    s.steps_count += 1
    return step


cdef void index_free_step(Step* step) noexcept nogil:
    cdef int map_
    if step == NULL:
        return
    for map_ in range(MAPS_COUNT):
        memo_free(&step.maps[map_])
    free(step.chain)
    free(step)


cdef int index_find(
    State* s, MDB_txn* txn, int map_, uint64_t high, uint64_t low, uint32_t nth,
    bint in_runs, uint64_t* value
) noexcept nogil:
    """The nth newest value of a key; 0 and the value, MDB_NOTFOUND, or an error.

    `in_runs` false: the filters have already said that no run has it.
    """
    cdef uint32_t i = s.steps_count
    cdef uint32_t found
    cdef uint64_t hash
    cdef Run* run
    cdef int rc
    while i > 0:
        i -= 1
        found = memo_count(&s.steps[i].maps[map_], high, low)
        if nth < found:
            value[0] = memo_value(&s.steps[i].maps[map_], high, low, found - 1 - nth)
            return 0
        nth -= found
    if not in_runs:
        return MDB_NOTFOUND
    hash = memo_hash(high, low, s.instance[0])
    for i in range(s.runs_count[map_]):
        run = s.levels[map_][i]
        if high < run.least or high > run.greatest or not runs_filter_has(run, hash):
            continue
        rc = runs_find(s, txn, run, high, low, &nth, value)
        if rc != MDB_NOTFOUND:
            return rc
    return MDB_NOTFOUND


cdef void index_probe(State* s, uint32_t count) noexcept nogil:
    """Ask every run's filter about every draft's keys at once.

    Run by run, so that a filter's lines are fetched for many keys in parallel; the
    drafts of which no filter knows anything need not look into runs again.
    """
    cdef uint32_t i, r
    cdef Run* run
    cdef Draft* draft
    cdef uint64_t hash
    for i in range(count):
        s.drafts[i].maybe_id = 0
        s.drafts[i].maybe_claim = 0
    for r in range(s.runs_count[MAP_IDS]):
        run = s.levels[MAP_IDS][r]
        for i in range(count):
            draft = &s.drafts[i]
            if draft.id_high < run.least or draft.id_high > run.greatest:
                continue
            hash = memo_hash(draft.id_high, draft.id_low, s.instance[0])
            if runs_filter_has(run, hash):
                draft.maybe_id = 1
    for r in range(s.runs_count[MAP_CLAIMS]):
        run = s.levels[MAP_CLAIMS][r]
        for i in range(count):
            draft = &s.drafts[i]
            if not draft.claims or draft.claim_high < run.least:
                continue
            if draft.claim_high > run.greatest:
                continue
            hash = memo_hash(draft.claim_high, draft.claim_low, s.instance[0])
            if runs_filter_has(run, hash):
                draft.maybe_claim = 1
