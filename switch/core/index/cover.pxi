# Covers: one filter for several runs, so that a new key is looked up in few places.
#
# The runs of a level that will merge together share a cover, whose filter learns their
# keys as they are written. Covers live in memory only: runs that were there at opening have
# none and are asked one by one until they are merged away. Belongs to the index writer; the
# committer asks the covers of published runs under the lock, and further keys in them do no
# harm.

cdef void cover_drop(Cover* cover) noexcept nogil:
    """One user less."""
    if cover == NULL:
        return
    native_assert(cover.users > 0, b"cover_drop: somebody uses it")
    cover.users -= 1
    if cover.users == 0:
        free(cover.filter)
        free(cover)


cdef uint32_t cover_count_runs(const State* s, int map_, int level) noexcept nogil:
    """Published runs of one level, those being merged included."""
    cdef uint32_t found = 0
    cdef uint32_t i
    for i in range(s.shared.runs_count[map_]):
        if s.shared.levels[map_][i].level == level:
            found += 1
    return found


cdef inline uint32_t cover_lines(uint64_t keys) noexcept nogil:
    """Lines of a filter, of a cover or a run, for so many keys."""
    return <uint32_t>(keys // FILTER_KEYS_PER_LINE + 1)


cdef Cover* _cover_new(uint64_t keys_max) noexcept nogil:
    cdef uint32_t filter_size = cover_lines(keys_max)
    cdef Cover* cover = <Cover*>calloc(1, sizeof(Cover))
    if cover == NULL:
        return NULL
    cover.filter = <uint32_t*>native_scattered_zeros(<size_t>filter_size * 32)
    if cover.filter == NULL:
        free(cover)
        return NULL
    cover.filter_size = filter_size
    cover.keys_max = keys_max
    cover.least = <uint64_t>0xFFFFFFFFFFFFFFFF
    cover.users = 1
    return cover


cdef Cover* cover_take(State* s, int map_, int level, uint64_t entries) noexcept nogil:
    """The cover that the next run of a level joins, or NULL: it has none then.

    A cover begins with the first of RUN_FANOUT runs, and has room for so many of the size
    of that one and an eighth; a batch that grows beyond goes on without.
    """
    cdef uint32_t members = cover_count_runs(s, map_, level) % RUN_FANOUT
    cdef Cover* cover
    cdef uint64_t keys_max = entries * RUN_FANOUT + entries
    if members == 0:
        cover_drop(s.index.covers[map_][level])
        s.index.covers[map_][level] = NULL
        if keys_max <= COVER_KEYS_MAX:
            # Without memory for it there is none, which is slower and nothing else.
            s.index.covers[map_][level] = _cover_new(keys_max)
    cover = s.index.covers[map_][level]
    if cover == NULL or cover.members != members or cover.keys + entries > cover.keys_max:
        return NULL
    native_assert(cover.users > 0, b"cover_take: the list uses it")
    native_assert(members < RUN_FANOUT, b"cover_take: it has room for a run")
    cover.users += 1
    return cover


cdef void cover_publish(Run* run) noexcept nogil:
    """The run is published: its cover answers for it from here on. Under the lock."""
    cdef Cover* cover = run.cover
    if cover == NULL:
        return
    native_assert(run.entries_count == run.entries_max, b"cover_publish: the run is whole")
    native_assert(cover.members < RUN_FANOUT, b"cover_publish: it has room for a run")
    native_assert(run.least <= run.greatest, b"cover_publish: the run has an extent")
    cover.members += 1
    cover.keys += run.entries_count
    cover.least = min(cover.least, run.least)
    cover.greatest = max(cover.greatest, run.greatest)
    native_assert(cover.keys <= cover.keys_max, b"cover_publish: it has room for the keys")
