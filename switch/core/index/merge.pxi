# Merging runs, a bounded number of parts at each index step.
#
# Eight runs of one level become one of the next. Until the target is whole the sources
# stay in use. A merge moves by whole parts, and `meta` says how far it has come: whatever
# ends the process, the next one goes on where the last durable transaction left it. Belongs
# to the index writer.

cdef inline bint _merge_sources_follow(const Merge* merge) noexcept nogil:
    """Whether the sources are whole, and each is newer than the one before. For asserts."""
    cdef int i
    if not SWITCH_ASSERT:
        return True
    for i in range(RUN_FANOUT):
        if merge.sources[i] == NULL:
            return False
        if merge.sources[i].entries_count != merge.sources[i].entries_max:
            return False
        if i > 0 and merge.sources[i - 1].last >= merge.sources[i].first:
            return False
    return True


cdef inline bint merge_adds_up(
    const Merge* merge, const uint64_t* positions, uint64_t entries
) noexcept nogil:
    """Whether the target has what was taken of the sources, no more, no less. For asserts."""
    cdef uint64_t moved = 0
    cdef int i
    if not SWITCH_ASSERT:
        return True
    for i in range(RUN_FANOUT):
        if positions[i] > merge.sources[i].entries_count:
            return False
        moved += positions[i]
    return moved == entries


cdef void _merge_find_sources(const State* s, int map_, int level, Merge* merge) noexcept nogil:
    """The oldest RUN_FANOUT runs of a level: at the end of the list, newest first."""
    cdef uint32_t found = 0
    cdef uint32_t i = s.shared.runs_count[map_]
    while found < RUN_FANOUT and i > 0:
        i -= 1
        if s.shared.levels[map_][i].level == level:
            merge.sources[found] = s.shared.levels[map_][i]
            found += 1
    native_assert(
        _merge_sources_follow(merge),
        b"_merge_find_sources: eight runs, oldest first",
    )


cdef int merge_begin(State* s, int map_, int level, uint64_t id) noexcept nogil:
    """Begin a merge of the level's oldest runs."""
    cdef Merge* merge = &s.index.merges[map_ * LEVELS_MAX + level]
    cdef uint64_t entries = 0
    cdef int i
    native_assert(
        merge.active == 0 and level + 1 < LEVELS_MAX,
        b"merge_begin: none is under way",
    )
    memset(merge, 0, sizeof(Merge))
    _merge_find_sources(s, map_, level, merge)
    for i in range(RUN_FANOUT):
        entries += merge.sources[i].entries_count
    merge.target = runs_new(
        s, map_, level + 1, id, entries, merge.sources[0].first,
        merge.sources[RUN_FANOUT - 1].last,
    )
    merge.pages = <Entry*>malloc(RUN_FANOUT * PAGE_ENTRIES * sizeof(Entry))
    if merge.target == NULL or merge.pages == NULL:
        merge_drop(merge)
        return ENOMEM
    native_assert(merge.target.entries_max == entries, b"merge_begin: room for all entries")
    merge.target.least = merge.sources[0].least
    for i in range(1, RUN_FANOUT):
        merge.target.least = min(merge.target.least, merge.sources[i].least)
    merge.active = 1
    return 0


cdef int merge_start(State* s, int map_, int level) noexcept nogil:
    """Begin a merge if the level has enough runs and none is under way there."""
    cdef Merge* merge = &s.index.merges[map_ * LEVELS_MAX + level]
    cdef int rc
    if merge.active or level + 1 >= LEVELS_MAX:
        return 0
    if cover_count_runs(s, map_, level) < RUN_FANOUT:
        return 0
    rc = merge_begin(s, map_, level, s.index.next.run_next)
    if rc == 0:
        s.index.next.run_next += 1
        merge.target.cover = cover_take(s, map_, level + 1, merge.target.entries_max)
    return rc


cdef inline const Entry* _merge_next(Merge* merge, int source) noexcept nogil:
    return (
        merge.pages + <size_t>source * PAGE_ENTRIES + merge.positions[source] % PAGE_ENTRIES
    )


cdef int _merge_load(State* s, MDB_txn* txn, Merge* merge, int source) noexcept nogil:
    """Unpack the page that the source's position has come to."""
    cdef const Run* run = merge.sources[source]
    cdef uint32_t page = <uint32_t>(merge.positions[source] // PAGE_ENTRIES)
    cdef NativePage found
    cdef int rc
    native_assert(
        merge.positions[source] < run.entries_count,
        b"_merge_load: the source has more",
    )
    if page % BLOCK_PAGES == 0:
        runs_will_need(s, txn, run, page // BLOCK_PAGES + 1)
    rc = runs_get_page(s, txn, run, page, &found)
    if rc == 0:
        native_assert(
            found.count > merge.positions[source] % PAGE_ENTRIES,
            b"_merge_load: the page has more",
        )
        native_page_unpack(&found, merge.pages + <size_t>source * PAGE_ENTRIES)
    return rc


cdef inline uint32_t _merge_left(Merge* merge, int source) noexcept nogil:
    """Entries left of the source's current page."""
    cdef uint64_t position = merge.positions[source]
    return <uint32_t>min(
        PAGE_ENTRIES - position % PAGE_ENTRIES,
        merge.sources[source].entries_count - position,
    )


cdef inline void _merge_set_head(Merge* merge, int at) noexcept nogil:
    cdef const Entry* entry = _merge_next(merge, merge.live[at])
    native_assert(0 <= at < merge.live_count, b"_merge_set_head: a live source")
    merge.heads[at] = entry[0]


cdef uint32_t _merge_count_together(Merge* merge, int at) noexcept nogil:
    """How many entries of the least source come before all others: a whole page, or 1.

    Runs that do not overlap, as those of ordered ids, are merged by the page.
    """
    cdef int source = merge.live[at]
    cdef uint32_t left = _merge_left(merge, source)
    cdef const Entry* last = _merge_next(merge, source) + left - 1
    cdef int i
    native_assert(
        0 <= at < merge.live_count and left > 0,
        b"_merge_count_together: the source has more",
    )
    if merge.positions[source] % PAGE_ENTRIES != 0:
        return 1
    for i in range(merge.live_count):
        if i != at and runs_is_up_to(
            merge.heads[i].high, merge.heads[i].rest, last.high, last.rest
        ):
            return 1
    return left


cdef int _merge_step_on(
    State* s, MDB_txn* txn, Merge* merge, int at, uint32_t count
) noexcept nogil:
    """Move the position of a live source on, to its next page if need be, or out."""
    cdef int source = merge.live[at]
    cdef int rc = 0
    cdef int i
    native_assert(
        count > 0 and count <= _merge_left(merge, source),
        b"_merge_step_on: within the page",
    )
    merge.positions[source] += count
    if merge.positions[source] == merge.sources[source].entries_count:
        merge.live_count -= 1
        for i in range(at, merge.live_count):
            merge.live[i] = merge.live[i + 1]
            merge.heads[i] = merge.heads[i + 1]
        return 0
    if merge.positions[source] % PAGE_ENTRIES == 0:
        rc = _merge_load(s, txn, merge, source)
    _merge_set_head(merge, at)
    return rc


cdef int _merge_load_all(State* s, MDB_txn* txn, Merge* merge) noexcept nogil:
    """Take up the sources where the positions say, after an opening or an abort."""
    cdef int i
    cdef int rc
    merge.live_count = 0
    for i in range(RUN_FANOUT):
        if merge.positions[i] == merge.sources[i].entries_count:
            continue
        rc = _merge_load(s, txn, merge, i)
        if rc != 0:
            return rc
        merge.live[merge.live_count] = i
        merge.live_count += 1
        _merge_set_head(merge, merge.live_count - 1)
    native_assert(merge.live_count > 0, b"_merge_load_all: there is something left")
    merge.loaded = 1
    return 0


cdef int _merge_move_part(State* s, MDB_txn* txn, Merge* merge) noexcept nogil:
    """Write the target's next part."""
    cdef Entry[PAGE_ENTRIES] out
    cdef uint32_t gathered = 0
    cdef uint32_t room = PART_ENTRIES
    cdef uint32_t count
    cdef int at
    cdef int rc = 0
    native_assert(merge.active == 1 and merge.loaded, b"_merge_move_part: it is under way")
    native_assert(
        merge.target.entries_count % PART_ENTRIES == 0,
        b"_merge_move_part: its parts are whole",
    )
    native_assert(
        merge_adds_up(merge, merge.positions, merge.target.entries_count),
        b"_merge_move_part: it adds up before",
    )
    while rc == 0 and room > 0 and merge.live_count > 0:
        # Equal keys go by their values, which ascend from source to source.
        at = native_least(merge.heads, merge.live_count)
        count = min(_merge_count_together(merge, at), room)
        if gathered + count > <uint32_t>PAGE_ENTRIES:
            rc = pages_append(s, txn, merge.target, out, gathered)
            gathered = 0
        native_assert(
            gathered + count <= <uint32_t>PAGE_ENTRIES, b"_merge_move_part: a page at a time"
        )
        memcpy(&out[gathered], _merge_next(merge, merge.live[at]), count * sizeof(Entry))
        gathered += count
        room -= count
        if rc == 0:
            rc = _merge_step_on(s, txn, merge, at, count)
    if rc == 0:
        rc = pages_append(s, txn, merge.target, out, gathered)
    native_assert(
        rc != 0 or merge_adds_up(merge, merge.positions, merge.target.entries_count),
        b"_merge_move_part: it adds up afterwards",
    )
    return pages_end_part(s, txn, merge.target) if rc == 0 else rc


cdef int merge_advance(State* s, MDB_txn* txn, Merge* merge) noexcept nogil:
    """Move one part; afterwards `active` says whether the target is whole."""
    cdef int rc = 0
    if not merge.loaded:
        rc = _merge_load_all(s, txn, merge)
    if rc == 0:
        rc = _merge_move_part(s, txn, merge)
    if rc == 0 and merge.live_count == 0:
        native_assert(
            merge.target.entries_count == merge.target.entries_max,
            b"merge_advance: the target is whole",
        )
        merge.active = 2
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
    """Forget a merge whose target has its place."""
    free(merge.pages)
    memset(merge, 0, sizeof(Merge))


cdef void merge_drop(Merge* merge) noexcept nogil:
    """Forget a merge and its target."""
    runs_free(merge.target)
    merge_end(merge)


# --- what is durable ---------------------------------------------------------------------

cdef void merge_keep(Merge* merge) noexcept nogil:
    """The transaction is durable: this is where to go on from."""
    native_assert(
        merge_adds_up(merge, merge.positions, merge.target.entries_count),
        b"merge_keep: it adds up",
    )
    native_assert(
        merge.target.entries_count >= merge.durable_entries,
        b"merge_keep: it never goes back",
    )
    memcpy(merge.durable, merge.positions, sizeof(merge.durable))
    merge.durable_entries = merge.target.entries_count


cdef void merge_take_back(Merge* merge) noexcept nogil:
    """The transaction was aborted: back to where the last durable one left it."""
    if not merge.active:
        return
    if merge.durable_entries == 0:
        merge_drop(merge)
        return
    memcpy(merge.positions, merge.durable, sizeof(merge.durable))
    native_assert(
        merge_adds_up(merge, merge.positions, merge.durable_entries),
        b"merge_take_back: it adds up",
    )
    native_assert(
        merge.target.entries_count >= merge.durable_entries,
        b"merge_take_back: back, not on",
    )
    runs_cut(merge.target, merge.durable_entries)
    merge.loaded = 0
    merge.active = 1
