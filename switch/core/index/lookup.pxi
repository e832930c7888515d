# Looking a key up: first what is newer than the index, then the runs.
#
# All of it under the lock, with a read transaction that was begun under the lock.

cdef Step* lookup_step_of(State* s, uint64_t sequence) noexcept nogil:
    """The step in memory that `sequence` falls into; made if it is the next one."""
    cdef uint64_t number = (sequence - 1) // s.config.step_rows
    cdef Step* step
    if s.shared.steps_count > 0 and s.shared.steps[s.shared.steps_count - 1].number == number:
        return s.shared.steps[s.shared.steps_count - 1]
    if s.shared.steps_count > 0 and number <= s.shared.steps[s.shared.steps_count - 1].number:
        if number < s.shared.steps[0].number:
            return NULL
        native_assert(
            s.shared.steps[number - s.shared.steps[0].number].number == number,
            b"lookup_step_of: steps follow each other",
        )
        return s.shared.steps[number - s.shared.steps[0].number]
    native_assert(
        s.shared.steps_count == 0 or number == s.shared.steps[s.shared.steps_count - 1].number + 1,
        b"lookup_step_of: the next step",
    )
    native_assert(sequence > s.shared.indexed, b"lookup_step_of: the index lacks it")
    if s.shared.steps_count == s.config.steps_capacity:
        return NULL
    step = s.shared.step_put_by
    s.shared.step_put_by = NULL
    if step == NULL:
        step = _lookup_new_step(s)
    if step == NULL:
        return NULL
    native_assert(
        step.maps[MAP_IDS].count == 0 and step.grave == NULL and step.buried == 0,
        b"lookup_step_of: a new one",
    )
    step.number = number
    step.before = s.shared.steps[s.shared.steps_count - 1] if s.shared.steps_count > 0 else NULL
    s.shared.steps[s.shared.steps_count] = step
    s.shared.steps_count += 1
    return step


cdef Step* _lookup_new_step(State* s) noexcept nogil:
    """One without anything; NULL if there is no memory."""
    cdef Step* step = <Step*>calloc(1, sizeof(Step))
    cdef int map_
    if step == NULL:
        return NULL
    step.chain = <uint64_t*>malloc(s.config.step_rows * 16)
    if step.chain == NULL:
        free(step)
        return NULL
    for map_ in range(MAPS_COUNT):
        if memo_init(&step.maps[map_], keys_most(map_, s.config.step_rows), s.config.seed) != 0:
            lookup_free_step(step)
            return NULL
    return step


cdef void lookup_put_by_step(State* s, Step* step) noexcept nogil:
    """Forget a step that nobody can see any more. Without the lock. Its memory, of some ten
    megabytes, is kept for the next one: the system clears each page of what it gives anew,
    and the committer would wait for that."""
    cdef int map_
    for map_ in range(MAPS_COUNT):
        memo_clear(&step.maps[map_])
    step.before = step.grave = NULL
    step.buried = 0
    pthread_mutex_lock(&s.shared.lock)
    if s.shared.step_put_by == NULL:
        s.shared.step_put_by = step
        step = NULL
    pthread_mutex_unlock(&s.shared.lock)
    lookup_free_step(step)


cdef void lookup_free_step(Step* step) noexcept nogil:
    cdef int map_
    if step == NULL:
        return
    for map_ in range(MAPS_COUNT):
        memo_free(&step.maps[map_])
    free(step.chain)
    free(step)


cdef struct KeyWalk:          # the values of one key, the newest first, in one go
    uint64_t hash
    uint64_t high
    uint64_t low
    int map
    bint before               # what was there before this group is looked at, too
    uint32_t steps_left       # in memory, older than the one that is walked through
    uint32_t at               # where the walk through that one goes on; 0: nowhere
    uint32_t runs_done        # the last of them is walked through, if `in_run`
    bint in_run
    RunWalk run


cdef inline void lookup_begin(
    State* s, KeyWalk* walk, int map_, uint64_t high, uint64_t low, bint before
) noexcept nogil:
    """Begin a walk over the values of a key. It lasts until a row is added, or the lock let go.

    `before` false: a probe has already said that nothing before this group has it.
    """
    walk.hash = memo_hash(high, low, s.config.seed)
    walk.high = high
    walk.low = low
    walk.map = map_
    walk.before = before
    walk.steps_left = s.shared.steps_count
    walk.at = 0
    walk.runs_done = 0
    walk.in_run = False


cdef bint _lookup_next_recent(State* s, KeyWalk* walk, uint64_t* value) noexcept nogil:
    """The next value in memory; False behind the last."""
    cdef const Step* step
    while True:
        if walk.at != 0:
            step = s.shared.steps[walk.steps_left]
            return memo_next(&step.maps[walk.map], &walk.at, MEMO_VALUE_MOST, value)
        if walk.steps_left == 0:
            return False
        step = s.shared.steps[walk.steps_left - 1]
        if not walk.before and step.number < s.group.fresh:
            walk.steps_left = 0
            return False
        walk.steps_left -= 1
        walk.at = memo_begin(&step.maps[walk.map], walk.hash, walk.high, walk.low)


cdef int lookup_next(State* s, KeyWalk* walk, uint64_t* value) noexcept nogil:
    """The next value of a key, from the newest on: 0 and the value, MDB_NOTFOUND behind the
    last, or an error."""
    cdef const Run* run
    cdef bint maybe
    cdef int rc
    if not walk.in_run:
        if _lookup_next_recent(s, walk, value):
            return 0
        if not walk.before:
            return MDB_NOTFOUND
    while True:
        if walk.in_run:
            rc = runs_next(s, s.group.index_txn, &walk.run, value)
            if rc != MDB_NOTFOUND:
                return rc
        walk.in_run = False
        while walk.runs_done < s.shared.runs_count[walk.map] and not walk.in_run:
            run = s.shared.levels[walk.map][walk.runs_done]
            walk.runs_done += 1
            rc = runs_maybe(run, walk.hash, walk.high, &maybe)
            if rc == 0 and maybe:
                rc = runs_begin(&walk.run, run, walk.high, walk.low)
                walk.in_run = True
            if rc != 0:
                return rc
        if not walk.in_run:
            return MDB_NOTFOUND


cdef int lookup_find(
    State* s, int map_, uint64_t high, uint64_t low, uint32_t nth, uint64_t* value
) noexcept nogil:
    """The nth newest value of a key, of all that are there, as the walk gives it."""
    cdef KeyWalk walk
    cdef int rc
    lookup_begin(s, &walk, map_, high, low, True)
    rc = lookup_next(s, &walk, value)
    while rc == 0 and nth > 0:
        nth -= 1
        rc = lookup_next(s, &walk, value)
    return rc


cdef inline void _lookup_add_probe(
    Probes* probes, uint64_t high, uint64_t low, uint64_t seed, uint32_t draft
) noexcept nogil:
    cdef uint32_t i = probes.count
    native_assert(i < <uint32_t>PROBES_MAX, b"_lookup_add_probe: there is room")
    probes.hashes[i] = memo_hash(high, low, seed)
    probes.highs[i] = high
    probes.lows[i] = low
    probes.drafts[i] = draft
    probes.maybe[i] = 0
    probes.count += 1


cdef void _lookup_probe_map(State* s, int map_, Probes* probes) noexcept nogil:
    """Ask older steps in memory and the runs; fetch where newer entries would be."""
    cdef uint64_t least = <uint64_t>0xFFFFFFFFFFFFFFFF
    cdef uint64_t greatest = 0
    cdef const Run* run
    cdef const Cover* cover = NULL
    cdef const Memo* memo
    cdef NativeParts parts
    cdef uint32_t i, j
    for i in range(probes.count):
        least = min(least, probes.highs[i])
        greatest = max(greatest, probes.highs[i])
    for i in range(s.shared.runs_count[map_]):
        run = s.shared.levels[map_][i]
        if run.cover != NULL:
            # Runs that share a cover stand side by side: it is asked once for all.
            if run.cover != cover and greatest >= run.cover.least and (
                least <= run.cover.greatest
            ):
                native_filter_probe(
                    run.cover.filter, run.cover.filter_size, probes.hashes, probes.highs,
                    run.cover.least, run.cover.greatest, probes.maybe, probes.count,
                )
            cover = run.cover
        elif greatest >= run.least and least <= run.greatest:
            runs_get_filter(run, &parts)
            native_parts_probe(
                &parts, probes.hashes, probes.highs, run.least, run.greatest,
                probes.maybe, probes.count,
            )
    for i in range(s.shared.steps_count):
        memo = &s.shared.steps[i].maps[map_]
        if s.shared.steps[i].number < s.group.fresh:
            memo_probe(memo, probes)
            continue
        for j in range(probes.count):
            native_prefetch(&memo.slots[memo_home(memo, probes.hashes[j])])


cdef void lookup_probe(State* s, uint32_t first, uint32_t last) noexcept nogil:
    """Mark the drafts whose keys something before this group may hold.

    At most PROBES_MAX drafts. The others need only be looked up among what the group
    itself has added.
    """
    cdef Probes* probes = s.group.probes
    cdef Draft* draft
    cdef uint32_t i, claim
    native_assert(
        first <= last and last - first <= <uint32_t>PROBES_MAX,
        b"lookup_probe: so many at a time",
    )
    probes.count = 0
    for i in range(first, last):
        draft = &s.group.drafts[i]
        _lookup_add_probe(
            probes, draft.keys[KEYS_ID].high, draft.keys[KEYS_ID].low, s.config.seed, i
        )
    _lookup_probe_map(s, MAP_IDS, probes)
    for i in range(probes.count):
        s.group.drafts[probes.drafts[i]].maybe_id = probes.maybe[i]
    for i in range(first, last):
        s.group.drafts[i].maybe_claims = 0
    for claim in range(2):
        probes.count = 0
        for i in range(first, last):
            draft = &s.group.drafts[i]
            if draft.claims_taken >> claim & 1:
                _lookup_add_probe(
                    probes, draft.keys[claim].high, draft.keys[claim].low, s.config.seed, i
                )
        if probes.count > 0:
            _lookup_probe_map(s, MAP_CLAIMS, probes)
        for i in range(probes.count):
            s.group.drafts[probes.drafts[i]].maybe_claims |= probes.maybe[i] << claim
