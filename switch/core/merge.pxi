# Merging runs, a bounded number of entries at each index step.
#
# Eight runs of one level become one of the next. Until the target is whole the sources
# stay in use; a merge that a stop interrupts starts again. Belongs to the index writer.

cdef int merge_start(State* s, int map_, int level) noexcept nogil:
    """Begin a merge if the level has enough runs and none is under way there."""
    cdef Merge* merge = &s.merges[map_ * LEVELS_MAX + level]
    cdef Run* run
    cdef uint64_t entries = 0
    cdef uint32_t i
    cdef uint32_t found = 0
    if merge.active or level + 1 >= LEVELS_MAX:
        return 0
    for i in range(s.runs_count[map_]):
        if s.levels[map_][i].level == level:
            found += 1
    if found < RUN_FANOUT:
        return 0
    # The oldest ones: at the end of the list, which has the newest first.
    found = 0
    i = s.runs_count[map_]
    while found < RUN_FANOUT:
        i -= 1
        run = s.levels[map_][i]
        if run.level == level:
            merge.sources[found] = run
            merge.positions[found] = 0
            entries += run.entries_count
            found += 1
    merge.target = runs_new(map_, level + 1, s.run_next, entries)
    merge.pages = <uint8_t*>malloc(RUN_FANOUT * PAGE_SIZE)
    merge.block = <uint8_t*>malloc(BLOCK_PAGES * PAGE_SIZE)
    if merge.target == NULL or merge.pages == NULL or merge.block == NULL:
        return ENOMEM
    s.run_next += 1
    merge.target.first = merge.sources[0].first
    merge.target.last = merge.sources[RUN_FANOUT - 1].last
    merge.active = 1
    return 0


cdef int merge_load(State* s, MDB_txn* txn, Merge* merge, int source) noexcept nogil:
    """Copy the page that the source's position has come to: puts may move the map."""
    cdef const Entry* entries
    cdef uint32_t count
    cdef uint64_t position = merge.positions[source]
    cdef int rc
    if position % PAGE_ENTRIES != 0 or position >= merge.sources[source].entries_count:
        return 0
    rc = runs_get_page(
        s, txn, merge.sources[source], <uint32_t>(position // PAGE_ENTRIES), &entries, &count
    )
    if rc == 0:
        memcpy(merge.pages + <size_t>source * PAGE_SIZE, entries, count * sizeof(Entry))
    return rc


cdef inline const Entry* merge_head(Merge* merge, int source) noexcept nogil:
    return <const Entry*>(merge.pages + <size_t>source * PAGE_SIZE) + (
        merge.positions[source] % PAGE_ENTRIES
    )


cdef int merge_advance(
    State* s, MDB_txn* txn, Merge* merge, uint64_t budget, int* done
) noexcept nogil:
    """Move up to `budget` entries; `done` says that the target is whole."""
    cdef const Entry* best
    cdef const Entry* head
    cdef int source, least
    cdef int rc
    done[0] = 0
    if merge.target.entries_count == 0:
        for source in range(RUN_FANOUT):
            rc = merge_load(s, txn, merge, source)
            if rc != 0:
                return rc
    while budget > 0:
        least = -1
        best = NULL
        # Sources are oldest first, and ties go to the older: equal keys keep their order.
        for source in range(RUN_FANOUT):
            if merge.positions[source] >= merge.sources[source].entries_count:
                continue
            head = merge_head(merge, source)
            if least < 0 or runs_compare(head, best.high, best.low) < 0:
                least = source
                best = head
        if least < 0:
            done[0] = 1
            return runs_finish(s, txn, merge.target, merge.block)
        rc = runs_append(s, txn, merge.target, merge.block, best)
        if rc != 0:
            return rc
        merge.positions[least] += 1
        rc = merge_load(s, txn, merge, least)
        if rc != 0:
            return rc
        budget -= 1
    return 0


cdef bint merge_replaces(const Merge* merge, const Run* run) noexcept nogil:
    """Whether this merge is finished and `run` is one of its sources."""
    cdef int i
    if merge.active != 2:
        return False
    for i in range(RUN_FANOUT):
        if merge.sources[i] == run:
            return True
    return False


cdef void merge_end(Merge* merge) noexcept nogil:
    free(merge.pages)
    free(merge.block)
    memset(merge, 0, sizeof(Merge))
