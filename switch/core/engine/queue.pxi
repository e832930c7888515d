# Group commit: what waits is one group, one loop commits it, the answers are handed over.
#
# A request is answered after the commit that holds it has returned, and never before.
# Senders and takers are any threads; the loop is one, and needs no GIL. Whoever sends
# either blocks for its own answer (Wait), and may then commit it in the place of a loop
# that sleeps, or takes it by its tag, group by group.

# --- time -----------------------------------------------------------------------------

cdef int _queue_sleep(
    QueueState* q, pthread_cond_t* cond, uint64_t wait_ns
) noexcept nogil:
    """Under the lock: wait to be woken, for so long at the most; 0 if woken."""
    cdef timespec until
    cdef uint64_t at = clock_read(CLOCK_MONOTONIC) + wait_ns
    until.tv_sec = <long>(at // 1000000000)
    until.tv_nsec = <long>(at % 1000000000)
    return pthread_cond_timedwait(cond, &q.lock, &until)


cdef uint64_t _queue_idle(const QueueState* q) noexcept nogil:
    """Nanoseconds until a group has something to do by itself, 0 if it has; IDLE_WAIT_MAX_NS
    at the most."""
    cdef uint64_t hold_due = q.s.shared.hold_due
    cdef uint64_t window_due = q.s.shared.window_due
    cdef uint64_t wait_ns = IDLE_WAIT_MAX_NS
    cdef uint64_t passed
    cdef Reading now
    if q.s.shared.due == 0:
        return wait_ns
    clock_look(&q.guard, &now)
    passed = clock_passed(&now)
    if hold_due != 0:
        wait_ns = min(wait_ns, hold_due - passed if hold_due > passed else 0)
    if window_due != 0:
        wait_ns = min(wait_ns, window_due - now.wall if window_due > now.wall else 0)
    return wait_ns


# --- from the beginning to the end ------------------------------------------------------

cdef int queue_init(QueueState* q) noexcept nogil:
    """Memory for what may wait and what may be done; touched only as it is used."""
    cdef pthread_condattr_t attributes
    cdef Group* group
    cdef int i
    pthread_mutex_init(&q.lock, NULL)
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(&q.changed, &attributes)
    pthread_cond_init(&q.handed, &attributes)
    pthread_condattr_destroy(&attributes)
    if senders_init(&q.waiting) != 0 or takers_init(q) != 0:
        return ENOMEM
    for i in range(<int>(DONE_GROUPS_MAX + QUEUE_TAKERS_MAX)):
        group = &q.groups[i]
        group.calls = <Call*>malloc(GROUP_MAX * sizeof(Call))
        group.outcomes = <Outcome*>malloc(GROUP_MAX * sizeof(Outcome))
        group.replies = <uint8_t*>malloc(GROUP_MAX * WIRE_OUTCOME_MAX)
        if group.calls == NULL or group.outcomes == NULL or group.replies == NULL:
            return ENOMEM
        if i < <int>DONE_GROUPS_MAX:
            group.next = q.free
            q.free = group
            q.free_count += 1
    return 0


cdef void queue_free(QueueState* q) noexcept nogil:
    cdef int i
    for i in range(<int>(DONE_GROUPS_MAX + QUEUE_TAKERS_MAX)):
        free(q.groups[i].calls)
        free(q.groups[i].outcomes)
        free(q.groups[i].replies)
    senders_free(&q.waiting)
    takers_free(q)
    pthread_mutex_destroy(&q.lock)
    pthread_cond_destroy(&q.changed)
    pthread_cond_destroy(&q.handed)


cdef int queue_stop(QueueState* q, uint64_t drain_ns) noexcept nogil:
    """Take no more, commit what waits within so long, wait for the end.

    1 if nothing was left. What is left belongs to those who take or wait.
    """
    cdef uint64_t until = clock_read(CLOCK_MONOTONIC) + drain_ns
    cdef uint64_t now
    cdef int left = 0
    pthread_mutex_lock(&q.lock)
    q.stopping = 1
    pthread_cond_broadcast(&q.changed)
    while q.running:
        now = clock_read(CLOCK_MONOTONIC)
        if now >= until:
            break
        _queue_sleep(q, &q.handed, until - now)
    if q.running:
        left = q.waiting.count > 0
        queue_abandon(q)
        while q.running:
            pthread_cond_wait(&q.handed, &q.lock)
    elif not q.ended:
        # It never began.
        left = q.waiting.count > 0
        queue_abandon(q)
        q.ended = 1
    pthread_mutex_unlock(&q.lock)
    return not left


cdef void queue_abandon(QueueState* q) noexcept nogil:
    """Under the lock: nothing more is committed; those who wait in vain hear it."""
    q.stopping = 1
    q.abandoned = 1
    takers_leave(q)
    pthread_cond_broadcast(&q.handed)
    pthread_cond_broadcast(&q.changed)


# --- sending ------------------------------------------------------------------------------

cdef void queue_make_call(
    Call* call, const uint8_t* body, size_t size, uint32_t rows_count, uint32_t sender,
    uint32_t centre, uint64_t operator_,
) noexcept nogil:
    """A call from a message of so many payments, which was checked. The bytes stay there."""
    memset(call, 0, sizeof(Call))
    call.body = body
    call.size = size
    call.sender = sender
    call.bound = centre
    call.operator_ = operator_
    call.rows_count = rows_count
    call.tail_max = wire_tail_max(size, rows_count)
    call.form = FORM_PAYMENTS


cdef int queue_read_call(
    Call* call, const uint8_t* body, size_t size, uint32_t sender, uint32_t centre
) noexcept nogil:
    """The same of any message; RC_FRAMING if it holds no payments."""
    cdef uint32_t count
    cdef uint32_t[2] parts
    cdef int rc = wire_read_request(body, size, NULL, 0, 0, &count, GROUP_MAX, parts)
    if rc != 0 or count == 0:
        return RC_FRAMING
    queue_make_call(call, body, size, count, sender, centre, 0)
    return 0


cdef int queue_submit(QueueState* q, const Call* call) noexcept nogil:
    """Queue a call; never blocks on the disk. RC_FULL, RC_STOPPED, RC_FENCED: it was not
    taken."""
    cdef int rc = 0
    cdef int wake = 0
    pthread_mutex_lock(&q.lock)
    if q.stopping:
        rc = takers_refusal(q)
    else:
        rc = senders_add(&q.waiting, call)
    if rc == 0:
        # Who helps the loop wakes it, if something waits by then.
        wake = q.asleep and not q.helped
        if wake:
            q.asleep = 0
    pthread_mutex_unlock(&q.lock)
    if wake:
        pthread_cond_signal(&q.changed)
    return rc


cdef int _queue_help(QueueState* q, Call* call) noexcept nogil:
    """Commit a call in the loop's place if that sleeps and nothing waits; 1 if done.

    The two changes of thread would cost a lone payment a quarter of its commit.
    """
    cdef Group* group
    cdef int died
    pthread_mutex_lock(&q.lock)
    if not q.asleep or q.helped or q.stopping or q.waiting.count > 0 or q.free == NULL:
        pthread_mutex_unlock(&q.lock)
        return 0
    q.helped = 1
    native_assert(q.waiting.rows_count == 0, b"_queue_help: nothing waits")
    group = _queue_new_group(q)
    senders_put(group, call)
    q.gathers = 0
    pthread_mutex_unlock(&q.lock)
    died = _queue_commit(q, group)
    pthread_mutex_lock(&q.lock)
    q.died = died
    q.helped = 0
    # Only who waits here has a call in it.
    _queue_hand_over(q, group, NULL)
    if q.waiting.count > 0 or q.stopping or q.died or not q.asleep:
        q.asleep = 0
        pthread_cond_signal(&q.changed)
    pthread_mutex_unlock(&q.lock)
    return 1


cdef int queue_commit_call(QueueState* q, Call* call, Wait* wait) noexcept nogil:
    """Queue a call and block until its answer is there; what came of it.

    If `wait.group` is there, it is to be released.
    """
    cdef int rc
    wait.group = NULL
    wait.rc = 0
    call.wait = wait
    if _queue_help(q, call):
        return wait.group.rc
    rc = queue_submit(q, call)
    if rc != 0:
        return rc
    pthread_mutex_lock(&q.lock)
    while wait.group == NULL and wait.rc == 0:
        pthread_cond_wait(&q.handed, &q.lock)
    pthread_mutex_unlock(&q.lock)
    return wait.rc if wait.group == NULL else wait.group.rc


# --- the loop -----------------------------------------------------------------------------

cdef int queue_begin(QueueState* q) noexcept nogil:
    """From here on `queue_stop` waits for the loop; EINVAL if it began before."""
    cdef int rc
    pthread_mutex_lock(&q.lock)
    rc = EINVAL if q.running or q.ended else 0
    q.running = 1
    pthread_mutex_unlock(&q.lock)
    return rc


cdef void queue_run(QueueState* q) noexcept nogil:
    """After `queue_begin`: commit groups until `queue_stop` or the ledger's death."""
    cdef Group* group
    cdef Group* copy
    cdef int died
    pthread_mutex_lock(&q.lock)
    while q.died == 0:
        group = _queue_next(q)
        if group == NULL:
            break
        pthread_mutex_unlock(&q.lock)
        died = _queue_commit(q, group)
        copy = takers_copy_for_python(q, group)
        pthread_mutex_lock(&q.lock)
        q.died = died
        _queue_hand_over(q, group, copy)
    queue_abandon(q)
    q.running = 0
    q.ended = 1
    pthread_cond_broadcast(&q.handed)
    pthread_mutex_unlock(&q.lock)


cdef Group* _queue_next(QueueState* q) noexcept nogil:
    """Under the lock: wait for work. A group, without calls if only holds are due.

    NULL at the end.
    """
    cdef Group* group
    cdef uint64_t wait_ns
    while True:
        # Looked at after each sleep: a caller that commits in the loop's place may have
        # the last free group still. Where all are taken, too much is done that nobody
        # has fetched: what waits may grow meanwhile.
        if q.helped or (q.free == NULL and not q.abandoned):
            pthread_cond_wait(&q.changed, &q.lock)
            continue
        if q.waiting.count > 0 or q.abandoned:
            break
        if q.stopping or q.died:
            return NULL
        wait_ns = _queue_idle(q)
        if wait_ns == 0 or q.s.shared.dead:
            # Only the index writer can kill it between groups; the commit says so.
            break
        q.asleep = 1
        _queue_sleep(q, &q.changed, wait_ns)
        q.asleep = 0
    if q.gathers and q.waiting.count > 0:
        _queue_gather(q)
    if q.abandoned or q.died:
        return NULL
    group = _queue_new_group(q)
    if q.waiting.count > 0:
        senders_fill(&q.waiting, group, _queue_idle(q) == 0)
        q.gathers = group.calls_count >= <uint32_t>GATHER_REQUESTS_MIN
        q.begun = clock_read(CLOCK_MONOTONIC)
    return group


cdef Group* _queue_new_group(QueueState* q) noexcept nogil:
    """Under the lock, with one free."""
    cdef Group* group = q.free
    native_assert(group != NULL and group.users == 0, b"_queue_new_group: nobody's")
    q.free = group.next
    q.free_count -= 1
    takers_reset(group)
    return group


cdef void _queue_gather(QueueState* q) noexcept nogil:
    """Under the lock: let a group grow while many small requests arrive.

    Each group costs a commit, its takers a wake-up and each stream in it a message. One
    caller alone that waits for its answer before it sends again never waits here.
    """
    cdef uint64_t until = q.begun + q.gather_ns
    cdef uint64_t now, count
    while q.waiting.rows_count < GROUP_MAX // 2 and not q.stopping:
        count = q.waiting.count
        now = clock_read(CLOCK_MONOTONIC)
        if now >= until:
            return
        _queue_sleep(q, &q.changed, min(until - now, <uint64_t>GATHER_STEP_NS))
        if q.waiting.count == count:
            return


cdef int _queue_commit(QueueState* q, Group* group) noexcept nogil:
    """Commit a group; what came of it is in `group.rc`. Why the ledger is dead now, or 0,
    for `q.died` under the lock."""
    cdef Reading now
    cdef int rc = RC_CLOSED
    cdef int died = RC_CLOSED
    cdef uint64_t before
    pthread_mutex_lock(q.committing)
    if q.is_open[0]:
        before = q.s.shared.sequence
        meter_begin(
            &q.meter, clock_read(CLOCK_MONOTONIC), clock_read(CLOCK_THREAD_CPUTIME_ID)
        )
        rc = clock_take(&q.guard, q.s, group.outcomes, group.replies, &now)
        group.ahead_ns = now.ahead_ns
        if rc == 0:
            rc = group_commit(
                q.s, group.calls, group.calls_count, now.wall, clock_passed(&now),
                group.outcomes, group.replies,
            )
        died = q.s.shared.dead
        meter_end(
            &q.meter, rc, q.s.shared.sequence - before, clock_read(CLOCK_MONOTONIC),
            clock_read(CLOCK_THREAD_CPUTIME_ID),
        )
    pthread_mutex_unlock(q.committing)
    if rc == RC_FOLLOWS:
        rc = RC_FENCED
        died = 0
    elif rc == 0 or rc == RC_CLOCK or rc == RC_SPACE:
        # A ledger that its index writer has killed since is noticed by the next group.
        died = 0
    elif rc == RC_DEAD or rc == RC_CLOSED:
        # Found so before anything of it was decided.
        rc = RC_FENCED if died == RC_FENCED else RC_STOPPED
    elif rc != RC_FENCED:
        # It met an error on its way to the disk.
        rc = RC_UNKNOWN
    group.rc = rc
    return died


cdef void _queue_hand_over(QueueState* q, Group* group, Group* copy) noexcept nogil:
    """Under the lock: the group's answers to those who wait and those who take. `copy`: what
    Python gets of it, or NULL."""
    cdef uint32_t i
    cdef Wait* wait
    cdef int refused = group.rc != 0 and group.calls_count == 0
    native_assert(
        group.users == 0 and group.waited <= group.calls_count,
        b"_queue_hand_over: nobody's yet",
    )
    if group.waited > 0:
        for i in range(group.calls_count):
            wait = group.calls[i].wait
            if wait != NULL:
                wait.call = &group.calls[i]
                wait.group = group
    group.users = group.waited + takers_list(q, group, copy)
    if group.users == 0:
        takers_recycle(q, group)
    pthread_cond_broadcast(&q.handed)
    if refused and q.waiting.count == 0 and not q.stopping:
        # Holds are due but cannot be released yet; do not spin on them.
        q.asleep = 1
        _queue_sleep(q, &q.changed, IDLE_WAIT_MAX_NS)
        q.asleep = 0


# --- taking ---------------------------------------------------------------------------------

cdef Group* queue_wait_group(QueueState* q, uint64_t wait_ns) noexcept nogil:
    """The next of Python's, waiting for it; NULL after so long, and after the end."""
    cdef uint64_t until = clock_read(CLOCK_MONOTONIC) + wait_ns
    cdef uint64_t now
    pthread_mutex_lock(&q.lock)
    while q.takers[0].first == NULL and not q.ended:
        now = clock_read(CLOCK_MONOTONIC)
        if now >= until:
            break
        _queue_sleep(q, &q.handed, until - now)
    pthread_mutex_unlock(&q.lock)
    return takers_take(q, 0)
