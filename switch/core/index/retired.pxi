# Runs that were merged away: their values are deleted a few at a time.
#
# `meta` lists them, the oldest first, with how many of their values have gone. Nobody begins
# to read them any more; those who still do have a transaction of their own, in which nothing
# goes. What an index step deletes has a bound, and is as much as a step can bring: so that
# the eight runs of one merge have gone when the next eight of their level come. Belongs to
# the index writer.

cdef uint32_t _retired_count_values(const State* s, int map_) noexcept nogil:
    """Values of one level of a map that go in a step: those of the largest run that a step
    can write. What is merged away is never more than that, level by level, so that the
    eight runs of one merge have gone when the next eight come."""
    return runs_count_values(keys_most(map_, s.config.step_rows))


cdef void _retired_forget(State* s) noexcept nogil:
    """Runs of which nothing is left leave the list."""
    cdef Retired run
    cdef uint32_t kept = 0
    cdef uint32_t i
    for i in range(s.index.next.retired_count):
        run = s.index.retired[i]
        native_assert(
            run.deleted <= run.blocks_count + run.parts_count,
            b"_retired_forget: no more than there was",
        )
        if run.deleted < run.blocks_count + run.parts_count:
            s.index.retired[kept] = run
            kept += 1
    s.index.next.retired_count = kept


cdef int retired_delete(State* s, MDB_txn* txn, bint* wrote) noexcept nogil:
    """Some values of runs merged away by an earlier step: nobody begins to read them."""
    cdef uint8_t[MAPS_COUNT * LEVELS_MAX] seen
    cdef uint32_t i, place, deleted, most
    cdef int rc
    memset(seen, 0, sizeof(seen))
    for i in range(s.index.next.retired_count):
        place = s.index.retired[i].map * LEVELS_MAX + s.index.retired[i].level
        if seen[place]:
            continue
        seen[place] = 1
        most = _retired_count_values(s, s.index.retired[i].map)
        rc = runs_delete(s, txn, &s.index.retired[i], most, &deleted)
        if rc != 0:
            return rc
        wrote[0] = True
    _retired_forget(s)
    return 0


cdef bint retired_has_room(const State* s) noexcept nogil:
    """Whether one more merge may end: its sources need places among the runs to be deleted.

    Each level's have gone when its next merge ends, so that it always may. Should they ever
    not have gone, the merge waits for them: a whole run is never deleted at once.
    """
    cdef uint32_t taken = s.index.next.retired_count + RUN_FANOUT
    cdef int i
    for i in range(MAPS_COUNT * LEVELS_MAX):
        if s.index.merges[i].active == 2:
            taken += RUN_FANOUT
    return taken <= RETIRED_MAX


cdef void retired_add(State* s) noexcept nogil:
    """The sources of finished merges join the runs to be deleted."""
    cdef const Run* run
    cdef Retired* record
    cdef int i, j
    for i in range(MAPS_COUNT * LEVELS_MAX):
        if s.index.merges[i].active != 2:
            continue
        native_assert(
            s.index.next.retired_count + RUN_FANOUT <= RETIRED_MAX,
            b"retired_add: there is room",
        )
        for j in range(RUN_FANOUT):
            run = s.index.merges[i].sources[j]
            native_assert(
                run.entries_count == run.entries_max and run.pages_count > 0,
                b"retired_add: all of it goes",
            )
            record = &s.index.retired[s.index.next.retired_count]
            memset(record, 0, sizeof(Retired))
            record.id = run.id
            record.map = run.map
            record.level = run.level
            record.blocks_count = (run.pages_count - 1) // BLOCK_PAGES + 1
            record.parts_count = runs_count_parts(run.entries_count)
            s.index.next.retired_count += 1
