# Merging runs, a bounded number of entries at each index step.
#
# Eight runs of one level become one of the next. Until the target is whole the sources
# stay in use; a merge that a stop interrupts starts again. Belongs to the index writer.

cdef enum:
    MERGE_PIECES = 4          # pieces of the filter and the fences written in one step


cdef int merge_start(State* s, int map_, int level) noexcept nogil:
    """Begin a merge if the level has enough runs and none is under way there."""
    cdef Merge* merge = &s.merges[map_ * LEVELS_MAX + level]
    cdef Run* run
    cdef Cover* cover
    cdef uint64_t entries = 0
    cdef uint32_t found = 0
    cdef uint32_t i = s.runs_count[map_]
    if merge.active or level + 1 >= LEVELS_MAX:
        return 0
    if cover_count_runs(s, map_, level) < RUN_FANOUT:
        return 0
    # The oldest ones: at the end of the list, which has the newest first.
    while found < RUN_FANOUT:
        i -= 1
        run = s.levels[map_][i]
        if run.level == level:
            merge.sources[found] = run
            merge.positions[found] = 0
            merge.live[found] = <int>found
            entries += run.entries_count
            found += 1
    cover = cover_of_all(merge.sources)
    merge.target = runs_new(
        map_, level + 1, s.run_next, entries, 0 if cover != NULL else cover_lines(entries)
    )
    merge.pages = <uint8_t*>malloc(RUN_FANOUT * PAGE_SIZE)
    merge.block = <uint8_t*>malloc(BLOCK_PAGES * PAGE_SIZE)
    if merge.target == NULL or merge.pages == NULL or merge.block == NULL:
        return ENOMEM
    if cover != NULL:
        merge.target.filter = cover.filter
        merge.target.filter_size = cover.filter_size
        merge.target.whole_filter = 1
        cover.lent = 1
    merge.target.cover = cover_take(s, map_, level + 1, entries)
    s.run_next += 1
    merge.target.first = merge.sources[0].first
    merge.target.last = merge.sources[RUN_FANOUT - 1].last
    merge.live_count = RUN_FANOUT
    merge.active = 1
    return 0


cdef inline const Entry* merge_next(Merge* merge, int source) noexcept nogil:
    return <const Entry*>(merge.pages + <size_t>source * PAGE_SIZE) + (
        merge.positions[source] % PAGE_ENTRIES
    )


cdef int merge_load(State* s, MDB_txn* txn, Merge* merge, int source) noexcept nogil:
    """Copy the page that the source's position has come to: puts may move the map."""
    cdef const Run* run = merge.sources[source]
    cdef uint32_t page = <uint32_t>(merge.positions[source] // PAGE_ENTRIES)
    cdef const Entry* entries
    cdef uint32_t count
    cdef int rc
    if page % BLOCK_PAGES == 0:
        runs_will_need(s, txn, run, page // BLOCK_PAGES + 1)
    rc = runs_get_page(s, txn, run, page, &entries, &count)
    if rc == 0:
        memcpy(merge.pages + <size_t>source * PAGE_SIZE, entries, count * sizeof(Entry))
    return rc


cdef inline uint32_t merge_left(Merge* merge, int source) noexcept nogil:
    """Entries left of the source's current page."""
    cdef uint64_t position = merge.positions[source]
    return <uint32_t>min(
        PAGE_ENTRIES - position % PAGE_ENTRIES,
        merge.sources[source].entries_count - position,
    )


cdef inline void merge_set_head(Merge* merge, int at) noexcept nogil:
    cdef const Entry* entry = merge_next(merge, merge.live[at])
    merge.heads[at].high = entry.high
    merge.heads[at].low = entry.low


cdef uint32_t merge_count_together(Merge* merge, int at) noexcept nogil:
    """How many entries of the least source come before all others: a whole page, or 1.

    Runs that do not overlap, as those of ordered ids, are merged by the page.
    """
    cdef int source = merge.live[at]
    cdef uint32_t left = merge_left(merge, source)
    cdef const Entry* last = merge_next(merge, source) + left - 1
    cdef int i
    if merge.positions[source] % PAGE_ENTRIES != 0:
        return 1
    for i in range(merge.live_count):
        # Equal keys stay in the order of their runs: only what is below goes first.
        if i != at and runs_compare(<const Entry*>&merge.heads[i], last.high, last.low) <= 0:
            return 1
    return left


cdef int merge_step_on(
    State* s, MDB_txn* txn, Merge* merge, int at, uint32_t count
) noexcept nogil:
    """Move the position of a live source on, to its next page if need be, or out."""
    cdef int source = merge.live[at]
    cdef int rc = 0
    cdef int i
    merge.positions[source] += count
    if merge.positions[source] == merge.sources[source].entries_count:
        merge.live_count -= 1
        for i in range(at, merge.live_count):
            merge.live[i] = merge.live[i + 1]
            merge.heads[i] = merge.heads[i + 1]
        return 0
    if merge.positions[source] % PAGE_ENTRIES == 0:
        rc = merge_load(s, txn, merge, source)
    merge_set_head(merge, at)
    return rc


cdef int merge_move(
    State* s, MDB_txn* txn, Merge* merge, uint64_t budget
) noexcept nogil:
    """Move up to `budget` entries, or a page more."""
    cdef Entry[PAGE_ENTRIES] out
    cdef uint32_t gathered = 0
    cdef uint32_t count
    cdef uint64_t moved = 0
    cdef int at
    cdef int rc = 0
    while rc == 0 and moved < budget and merge.live_count > 0:
        # Sources are oldest first, and ties go to the first: equal keys keep their order.
        at = native_least(merge.heads, merge.live_count)
        count = merge_count_together(merge, at)
        if gathered + count > PAGE_ENTRIES:
            rc = pages_append(s, txn, merge.target, merge.block, out, gathered)
            gathered = 0
        memcpy(&out[gathered], merge_next(merge, merge.live[at]), count * sizeof(Entry))
        gathered += count
        moved += count
        if rc == 0:
            rc = merge_step_on(s, txn, merge, at, count)
    if rc == 0:
        rc = pages_append(s, txn, merge.target, merge.block, out, gathered)
    return rc


cdef int merge_advance(
    State* s, MDB_txn* txn, Merge* merge, uint64_t budget, int* done
) noexcept nogil:
    """Do one step's share; `done` says that the target is whole."""
    cdef int i
    cdef int rc = 0
    done[0] = 0
    if merge.target.entries_count == 0:
        for i in range(RUN_FANOUT):
            rc = merge_load(s, txn, merge, i)
            if rc != 0:
                return rc
            merge_set_head(merge, i)
    if merge.live_count > 0:
        rc = merge_move(s, txn, merge, budget)
        if rc == 0 and merge.live_count == 0:
            rc = pages_end(s, txn, merge.target, merge.block)
        return rc
    for i in range(MERGE_PIECES):
        rc = pages_put_piece(s, txn, merge.target, merge.pieces, done)
        merge.pieces += 1
        if rc != 0 or done[0]:
            break
    return rc


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


cdef void merge_give_up(Merge* merge) noexcept nogil:
    """Forget a merge that is not whole: its sources stay, and so does their cover."""
    if merge.target != NULL and merge.target.whole_filter:
        merge.sources[0].cover.lent = 0
        merge.target.filter = NULL
    runs_free(merge.target)
    merge_end(merge)
