# Watches how long the two writers stay in LMDB.
#
# Over a page that is another one LMDB may go on for ever, and who then ends the process leaves
# nothing behind. So the mark that has the next start walk the pages is made while it lasts, and
# taken away if it was only slow. Readers need no watch: what they ask of LMDB ends, whatever the
# pages are (a tree is followed to a bounded depth, and no header that none of its pages can have
# is believed: tools/fetch_lmdb.py).

cdef enum:
    WATCH_LOOKS = 8           # so many while a writer's patience lasts

cdef struct Watched:
    uint64_t turns
    uint64_t since            # monotonic ns at which they were first seen


cdef bint _watch_is_stuck(
    const State* s, const FaultPlace* place, Watched* seen, uint64_t now
) noexcept nogil:
    """Whether the writer of a place is there, and has been for too long."""
    if seen.turns != place.turns:
        seen.turns = place.turns
        seen.since = now
    return seen.turns % 2 == 1 and now - seen.since > s.config.patience_ns


cdef void _watch_look(State* s, Watched* index, Watched* journal) noexcept nogil:
    cdef uint64_t now = native_monotonic_ns()
    cdef int stuck = 0
    if _watch_is_stuck(s, &s.shared.in_index, index, now):
        stuck |= FAULT_INDEX
    if _watch_is_stuck(s, &s.shared.in_journal, journal, now):
        stuck |= FAULT_JOURNAL
    if stuck and not s.shared.stuck:
        fault_mark(s.config.directory, FAULT_WALK_MARK)
    elif s.shared.stuck and not stuck:
        fault_unmark(s.config.directory, FAULT_WALK_MARK)
    s.shared.stuck = stuck


cdef void watch_run(State* s) noexcept nogil:
    """Look from time to time, until the ledger is closed."""
    cdef Watched index, journal
    cdef timespec until
    cdef uint64_t rest = s.config.patience_ns // WATCH_LOOKS
    memset(&index, 0, sizeof(Watched))
    memset(&journal, 0, sizeof(Watched))
    while not s.shared.stopping:
        _watch_look(s, &index, &journal)
        clock_gettime(CLOCK_MONOTONIC, &until)
        until.tv_sec += <long>((<uint64_t>until.tv_nsec + rest) // 1000000000)
        until.tv_nsec = <long>((<uint64_t>until.tv_nsec + rest) % 1000000000)
        pthread_mutex_lock(&s.shared.watching)
        if not s.shared.stopping:
            pthread_cond_timedwait(&s.shared.watch_due, &s.shared.watching, &until)
        pthread_mutex_unlock(&s.shared.watching)


cdef void watch_stop(State* s) noexcept nogil:
    """`stopping` was said: let the watch see it now."""
    pthread_mutex_lock(&s.shared.watching)
    pthread_cond_broadcast(&s.shared.watch_due)
    pthread_mutex_unlock(&s.shared.watching)


cdef void watch_end(State* s) noexcept nogil:
    """Both writers and the watch have ended: who was stuck was only slow."""
    native_assert(
        s.shared.in_index.turns % 2 == 0 and s.shared.in_journal.turns % 2 == 0,
        b"watch_end: no writer is there",
    )
    if s.shared.stuck:
        fault_unmark(s.config.directory, FAULT_WALK_MARK)
    s.shared.stuck = 0
