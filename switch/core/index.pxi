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
        # Ids and claims come with nearly every row: room for all, so that nothing grows.
        if memo_init(&step.maps[map_], 64 if map_ == MAP_LINKS else s.step_rows, s.seed) != 0:
            index_free_step(step)
            return NULL
    step.before = s.steps[s.steps_count - 1] if s.steps_count > 0 else NULL
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
    cdef uint32_t[8] mask
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
    hash = memo_hash(high, low, s.seed)
    runs_filter_mask(hash, mask)
    for i in range(s.runs_count[map_]):
        run = s.levels[map_][i]
        if high < run.least or high > run.greatest or not runs_filter_has(run, hash, mask):
            continue
        rc = runs_find(s, txn, run, high, low, &nth, value)
        if rc != MDB_NOTFOUND:
            return rc
    return MDB_NOTFOUND


cdef enum:
    PROBE_AHEAD = 16          # filter lines fetched before the first of them is looked at


cdef void index_probe_run(const Run* run, Probe* probes, uint32_t count) noexcept nogil:
    """Ask one run's filter about many keys, fetching its lines in parallel."""
    cdef uint32_t first = 0
    cdef uint32_t last, i
    while first < count:
        last = min(first + <uint32_t>PROBE_AHEAD, count)
        for i in range(first, last):
            native_prefetch(runs_filter_line(run, probes[i].hash))
        for i in range(first, last):
            probes[i].maybe |= (
                runs_filter_has(run, probes[i].hash, probes[i].mask)
                & (probes[i].high >= run.least) & (probes[i].high <= run.greatest)
            )
        first = last


cdef void index_probe_map(State* s, int map_, uint32_t count) noexcept nogil:
    """Ask the runs of a map, and fetch the places in memory where the keys would be."""
    cdef uint32_t i, step
    cdef const Memo* memo
    cdef uint64_t least = <uint64_t>0xFFFFFFFFFFFFFFFF
    cdef uint64_t greatest = 0
    for i in range(count):
        least = min(least, s.probes[i].high)
        greatest = max(greatest, s.probes[i].high)
    for i in range(s.runs_count[map_]):
        if greatest >= s.levels[map_][i].least and least <= s.levels[map_][i].greatest:
            index_probe_run(s.levels[map_][i], s.probes, count)
    for step in range(s.steps_count):
        memo = &s.steps[step].maps[map_]
        for i in range(count):
            native_prefetch(&memo.slots[memo_home(memo, s.probes[i].hash)])


cdef inline void index_set_probe(
    Probe* probe, uint64_t high, uint64_t low, uint64_t seed
) noexcept nogil:
    probe.hash = memo_hash(high, low, seed)
    probe.high = high
    probe.maybe = 0
    runs_filter_mask(probe.hash, probe.mask)


cdef void index_probe(State* s, uint32_t count) noexcept nogil:
    """Mark the drafts whose keys some run may hold; the others need not look into runs."""
    cdef uint32_t keys = 0
    cdef uint32_t i
    cdef Draft* draft
    for i in range(count):
        draft = &s.drafts[i]
        index_set_probe(&s.probes[i], draft.id_high, draft.id_low, s.seed)
    index_probe_map(s, MAP_IDS, count)
    for i in range(count):
        s.drafts[i].maybe_id = s.probes[i].maybe != 0
    for i in range(count):
        draft = &s.drafts[i]
        if draft.claims:
            index_set_probe(&s.probes[keys], draft.claim_high, draft.claim_low, s.seed)
            s.probes[keys].draft = i
            keys += 1
    index_probe_map(s, MAP_CLAIMS, keys)
    for i in range(keys):
        s.drafts[s.probes[i].draft].maybe_claim = s.probes[i].maybe != 0
