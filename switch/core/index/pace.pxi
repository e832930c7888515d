# The index writer's thread: how much it does at a time, and how long it rests.

cdef enum:
    PACE_REST = 4             # rests so many times as long as a unit's transaction took
    PACE_IDLE_NS = 1000000000
    PACE_BUSY_NS = 800000000  # steps that follow each other faster are taken whole, at once


cdef int pace_try(State* s, int* done) noexcept nogil:
    """Take a whole step if one is due."""
    cdef bint whole = False
    cdef int rc = 0
    done[0] = 0
    pthread_mutex_lock(&s.shared.stepping)
    while rc == 0 and not whole and steps_is_due(s):
        rc = steps_run(s, UNITS_ALL, &whole)
    done[0] = whole
    pthread_mutex_unlock(&s.shared.stepping)
    return rc


cdef int _pace_advance(State* s) noexcept nogil:
    """One unit in a transaction of its own, if there is one; `moved_on` says so."""
    cdef bint done
    cdef int rc = 0
    native_assert(
        s.shared.indexed % s.config.step_rows == 0, b"_pace_advance: the index has whole steps"
    )
    s.index.moved_on = 0
    if steps_behind(s) >= s.config.step_rows:
        rc = steps_take(s)
    if rc == 0:
        rc = steps_transact(s, 1, &done)
    steps_tell(s, rc)
    return rc


cdef int pace_try_unit(State* s, int* moved) noexcept nogil:
    """What the thread does while the index does not lag, once."""
    cdef int rc = 0
    moved[0] = 0
    pthread_mutex_lock(&s.shared.stepping)
    if not s.shared.stopping and not s.shared.dead:
        rc = _pace_advance(s)
        moved[0] = s.index.moved_on
    pthread_mutex_unlock(&s.shared.stepping)
    return rc


cdef bint _pace_is_busy(State* s, uint64_t behind, uint64_t now) noexcept nogil:
    """Whether a step is to be taken whole: it lags, or steps come so fast that it would.

    How fast they come is known as one begins, from when the one before it began: all of its
    units go by that. What is not in the index is looked up in memory, step by step.
    """
    if behind < s.config.step_rows:
        return False
    native_assert(now >= s.index.step_began, b"_pace_is_busy: a clock that nobody sets")
    if not s.index.taken:
        s.index.hurries = now - s.index.step_began < PACE_BUSY_NS
    return behind >= 2 * s.config.step_rows or s.index.hurries


cdef uint64_t pace_round(State* s) noexcept nogil:
    """A whole step if that is due and hurries, else one unit; gives how long to rest then.

    A commit of the journal waits while the disk writes what a step brings. In small pieces,
    with rests between them, that is hardly noticed; the rests shrink to nothing as the next
    step becomes due.
    """
    cdef uint64_t began, behind, rest
    cdef bint done = False
    pthread_mutex_lock(&s.shared.stepping)
    # Not before: another thread may have begun a step meanwhile, later than that.
    began = native_monotonic_ns()
    behind = steps_behind(s)
    s.index.paced = 0
    if s.shared.stopping or s.shared.dead:
        rest = PACE_IDLE_NS
    elif _pace_is_busy(s, behind, began):
        rest = PACE_IDLE_NS if steps_run(s, UNITS_ALL, &done) != 0 else 0
    elif behind < s.config.step_rows and began - s.index.step_began < PACE_BUSY_NS:
        # The next step may follow as fast, and is then taken whole.
        rest = PACE_BUSY_NS
    elif _pace_advance(s) != 0 or not s.index.moved_on:
        rest = PACE_IDLE_NS
    else:
        native_assert(
            behind < 2 * s.config.step_rows, b"pace_round: an index that lags does not rest"
        )
        s.index.paced = 1
        rest = min(2 * s.config.step_rows - behind, s.config.step_rows)
        rest = (native_monotonic_ns() - began) * PACE_REST * rest // s.config.step_rows
    pthread_mutex_unlock(&s.shared.stepping)
    return rest


cdef void pace_rest(State* s, uint64_t rest) noexcept nogil:
    """Wait so long, or until another step is due, or stop."""
    cdef timespec until
    cdef uint64_t steps
    pthread_mutex_lock(&s.shared.lock)
    steps = steps_behind(s) // s.config.step_rows
    if rest > 0 and not s.shared.stopping and (
        steps < 1 + <uint64_t>s.index.paced or s.shared.index_failed or s.shared.dead
    ):
        clock_gettime(CLOCK_MONOTONIC, &until)
        until.tv_sec += <long>((<uint64_t>until.tv_nsec + rest) // 1000000000)
        until.tv_nsec = <long>((<uint64_t>until.tv_nsec + rest) % 1000000000)
        pthread_cond_timedwait(&s.shared.step_due, &s.shared.lock, &until)
    pthread_mutex_unlock(&s.shared.lock)
