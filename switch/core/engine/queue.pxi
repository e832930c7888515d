# Group commit: what waits is one group, one loop commits it, the answers are handed over.
#
# A request is answered after the commit that holds it has returned, and never before.
# Senders and takers are any threads; the loop is one, and needs no GIL. Whoever sends
# either blocks for its own answer (Wait), and may then commit it in the place of a loop
# that sleeps, or takes it by its tag, group by group.

# --- time -----------------------------------------------------------------------------

cdef int queue_sleep(
    QueueState* q, pthread_cond_t* cond, uint64_t wait_ns
) noexcept nogil:
    """Under the lock: wait to be woken, for so long at the most; 0 if woken."""
    cdef timespec until
    cdef uint64_t at = clock_read(CLOCK_MONOTONIC) + wait_ns
    until.tv_sec = <long>(at // 1000000000)
    until.tv_nsec = <long>(at % 1000000000)
    return pthread_cond_timedwait(cond, &q.lock, &until)


cdef uint64_t queue_idle(const QueueState* q) noexcept nogil:
    """Nanoseconds until a hold is due, 0 if one is; IDLE_WAIT_MAX_NS at the most."""
    cdef uint64_t due = q.s.shared.due
    cdef uint64_t now
    if due == 0:
        return IDLE_WAIT_MAX_NS
    now = clock_wall(&q.guard)
    if due <= now:
        return 0
    return min(due - now, <uint64_t>IDLE_WAIT_MAX_NS)


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
    q.ring = <Call*>malloc(q.rows_max * sizeof(Call))
    if q.ring == NULL:
        return ENOMEM
    for i in range(<int>(DONE_GROUPS_MAX + 1)):
        group = &q.groups[i]
        group.calls = <Call*>malloc(GROUP_MAX * sizeof(Call))
        group.outcomes = <Outcome*>malloc(GROUP_MAX * sizeof(Outcome))
        group.replies = <uint8_t*>malloc(GROUP_MAX * WIRE_OUTCOME_MAX)
        group.parts = <Part*>malloc(GROUP_MAX * sizeof(Part))
        group.slots = <uint32_t*>malloc(TAG_SLOTS * sizeof(uint32_t))
        if group.calls == NULL or group.outcomes == NULL or group.replies == NULL:
            return ENOMEM
        if group.parts == NULL or group.slots == NULL:
            return ENOMEM
        if i < <int>DONE_GROUPS_MAX:
            group.next = q.free
            q.free = group
    return 0


cdef void queue_free(QueueState* q) noexcept nogil:
    cdef int i
    for i in range(<int>(DONE_GROUPS_MAX + 1)):
        free(q.groups[i].calls)
        free(q.groups[i].outcomes)
        free(q.groups[i].replies)
        free(q.groups[i].parts)
        free(q.groups[i].slots)
    free(q.ring)
    if q.event >= 0:
        posix_close(q.event)
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
        queue_sleep(q, &q.handed, until - now)
    if q.running:
        left = q.count > 0
        queue_abandon(q)
        while q.running:
            pthread_cond_wait(&q.handed, &q.lock)
    elif not q.ended:
        # It never began.
        left = q.count > 0
        queue_abandon(q)
        q.ended = 1
    pthread_mutex_unlock(&q.lock)
    return not left


cdef void queue_abandon(QueueState* q) noexcept nogil:
    """Under the lock: nothing more is committed; those who wait in vain hear it."""
    cdef uint64_t i
    cdef Call* call
    native_assert(q.head < q.rows_max and q.count <= q.rows_max, b"queue_abandon: the ring")
    q.stopping = 1
    q.abandoned = 1
    for i in range(q.count):
        call = &q.ring[(q.head + i) % q.rows_max]
        if call.wait != NULL:
            call.wait.rc = RC_STOPPED
            # Nobody's any more: it is dropped with the others.
            call.wait = NULL
            call.form = 0
    queue_wake(q)
    pthread_cond_broadcast(&q.changed)


cdef void queue_wake(QueueState* q) noexcept nogil:
    """Tell those who block, and who sleeps on the descriptor."""
    cdef uint64_t one = 1
    cdef ssize_t wrote
    pthread_cond_broadcast(&q.handed)
    if q.event >= 0:
        # It fails only when the counter is full, and then it is readable already.
        wrote = write(q.event, &one, 8)


# --- sending ------------------------------------------------------------------------------

cdef int queue_make_call(
    Call* call, const uint8_t* body, size_t size, uint32_t sender, uint32_t centre
) noexcept nogil:
    """A call from a message of payments; RC_FRAMING if it is none. The bytes stay there."""
    cdef uint32_t count
    cdef uint32_t[2] parts
    cdef int rc = wire_read_request(body, size, NULL, 0, 0, &count, GROUP_MAX, parts)
    if rc != 0 or count == 0:
        return RC_FRAMING
    memset(call, 0, sizeof(Call))
    call.body = body
    call.size = size
    call.sender = sender
    call.bound = centre
    call.rows_count = count
    call.tail_max = wire_tail_max(size, count)
    call.form = FORM_PAYMENTS
    return 0


cdef int queue_submit(QueueState* q, const Call* call) noexcept nogil:
    """Queue a call; never blocks on the disk. RC_FULL, RC_STOPPED: it was not taken."""
    cdef int rc = 0
    cdef int wake = 0
    pthread_mutex_lock(&q.lock)
    if q.stopping:
        rc = RC_STOPPED
    elif (
        q.rows_count + call.rows_count > q.rows_max
        or q.tail_size + call.tail_max > q.tail_max
    ):
        rc = RC_FULL
    else:
        native_assert(
            call.rows_count > 0 and q.count < q.rows_max,
            b"queue_submit: each call has a row",
        )
        q.ring[(q.head + q.count) % q.rows_max] = call[0]
        q.count += 1
        q.rows_count += call.rows_count
        q.tail_size += call.tail_max
        native_assert(q.count <= q.rows_count, b"queue_submit: rows are counted")
        # Who helps the loop wakes it, if something waits by then.
        wake = q.asleep and not q.helped
        if wake:
            q.asleep = 0
    pthread_mutex_unlock(&q.lock)
    if wake:
        pthread_cond_signal(&q.changed)
    return rc


cdef int queue_help(QueueState* q, Call* call) noexcept nogil:
    """Commit a call in the loop's place if that sleeps and nothing waits; 1 if done.

    The two changes of thread would cost a lone payment a quarter of its commit.
    """
    cdef Group* group
    pthread_mutex_lock(&q.lock)
    if not q.asleep or q.helped or q.stopping or q.count > 0 or q.free == NULL:
        pthread_mutex_unlock(&q.lock)
        return 0
    q.helped = 1
    native_assert(q.count == 0 and q.rows_count == 0, b"queue_help: nothing waits")
    group = queue_new_group(q)
    group.calls[0] = call[0]
    group.calls_count = 1
    q.gathers = 0
    pthread_mutex_unlock(&q.lock)
    queue_commit(q, group)
    pthread_mutex_lock(&q.lock)
    q.helped = 0
    queue_hand_over(q, group)
    if q.count > 0 or q.stopping or q.died or not q.asleep:
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
    if queue_help(q, call):
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
    pthread_mutex_lock(&q.lock)
    while q.died == 0:
        group = queue_next(q)
        if group == NULL:
            break
        pthread_mutex_unlock(&q.lock)
        queue_commit(q, group)
        pthread_mutex_lock(&q.lock)
        queue_hand_over(q, group)
    queue_abandon(q)
    q.running = 0
    q.ended = 1
    queue_wake(q)
    pthread_mutex_unlock(&q.lock)


cdef Group* queue_next(QueueState* q) noexcept nogil:
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
        if q.count > 0 or q.abandoned:
            break
        if q.stopping or q.died:
            return NULL
        wait_ns = queue_idle(q)
        if wait_ns == 0 or q.s.shared.dead:
            # Only the index writer can kill it between groups; the commit says so.
            break
        q.asleep = 1
        queue_sleep(q, &q.changed, wait_ns)
        q.asleep = 0
    if q.gathers and q.count > 0:
        queue_gather(q)
    if q.abandoned or q.died:
        return NULL
    group = queue_new_group(q)
    # Requests that fill whole groups leave no room for holds that are due: those get
    # every second group.
    q.expires = (
        q.rows_count > GROUP_MAX // 2 and not q.expires and queue_idle(q) == 0
    )
    if not q.expires and q.count > 0:
        queue_fill(q, group)
        q.gathers = group.calls_count >= <uint32_t>GATHER_REQUESTS_MIN
        q.begun = clock_read(CLOCK_MONOTONIC)
    return group


cdef Group* queue_new_group(QueueState* q) noexcept nogil:
    """Under the lock, with one free."""
    cdef Group* group = q.free
    native_assert(group != NULL and group.users == 0, b"queue_new_group: nobody's")
    q.free = group.next
    group.calls_count = 0
    group.tagged_count = 0
    return group


cdef void queue_gather(QueueState* q) noexcept nogil:
    """Under the lock: let a group grow while many small requests arrive.

    Each group costs an event loop a wake-up and each of its streams a message; at a
    group a millisecond these would be most of the work. One caller alone that waits for
    its answer before it sends again is never made to wait here.
    """
    cdef uint64_t until = q.begun + q.gather_ns
    cdef uint64_t now, count
    while q.rows_count < GROUP_MAX // 2 and not q.stopping:
        count = q.count
        now = clock_read(CLOCK_MONOTONIC)
        if now >= until:
            return
        queue_sleep(q, &q.changed, min(until - now, <uint64_t>GATHER_STEP_NS))
        if q.count == count:
            return


cdef void queue_fill(QueueState* q, Group* group) noexcept nogil:
    """Under the lock: move what waits into a group, whole calls only."""
    cdef uint64_t rows = 0
    cdef uint64_t tail = 0
    cdef Call* call
    while q.count > 0:
        call = &q.ring[q.head]
        rows += call.rows_count
        tail += call.tail_max
        if group.calls_count > 0 and (rows > GROUP_MAX or tail > TAIL_MAX):
            break
        native_assert(
            q.rows_count >= call.rows_count and q.tail_size >= call.tail_max,
            b"queue_fill: what waits was counted",
        )
        q.rows_count -= call.rows_count
        q.tail_size -= call.tail_max
        q.head = q.head + 1 if q.head + 1 < q.rows_max else 0
        q.count -= 1
        if call.form == 0:
            rows -= call.rows_count
            tail -= call.tail_max
            continue
        native_assert(group.calls_count < GROUP_MAX, b"queue_fill: the group has room")
        group.tagged_count += call.wait == NULL
        group.calls[group.calls_count] = call[0]
        group.calls_count += 1
    if q.count == 0:
        native_assert(
            q.rows_count == 0 and q.tail_size == 0,
            b"queue_fill: nothing counts as waiting",
        )
        # Memory that was touched before is used first.
        q.head = 0


cdef void queue_commit(QueueState* q, Group* group) noexcept nogil:
    """Commit a group; what came of it is in `group.rc`, and of the ledger in `died`."""
    cdef Reading now
    cdef int rc = RC_CLOSED
    cdef int died = RC_CLOSED
    cdef uint64_t before
    pthread_mutex_lock(q.committing)
    if q.is_open[0]:
        before = q.s.shared.sequence
        meter_begin(&q.meter, clock_read(CLOCK_MONOTONIC))
        rc = clock_take(&q.guard, q.s, group.outcomes, group.replies, &now)
        group.ahead_ns = now.ahead_ns
        if rc == 0:
            rc = group_commit(
                q.s, group.calls, group.calls_count, now.wall, group.outcomes,
                group.replies,
            )
        died = q.s.shared.dead
        meter_end(
            &q.meter, rc, q.s.shared.sequence - before, clock_read(CLOCK_MONOTONIC)
        )
    pthread_mutex_unlock(q.committing)
    if rc == 0 or rc == RC_CLOCK or rc == RC_SPACE:
        # A ledger that its index writer has killed since is noticed by the next group.
        died = 0
    elif rc != RC_DEAD and rc != RC_CLOSED:
        # It met an error on its way to the disk.
        rc = RC_UNKNOWN
    group.rc = rc
    q.died = died


cdef void queue_hand_over(QueueState* q, Group* group) noexcept nogil:
    """Under the lock: the group's answers to those who wait and those who take."""
    cdef uint32_t i
    cdef Wait* wait
    cdef uint32_t waiting = group.calls_count - group.tagged_count
    cdef int refused = group.rc != 0 and group.calls_count == 0
    # Who asked for the descriptor takes every group.
    cdef int taken = group.tagged_count > 0 or q.event >= 0
    native_assert(
        group.users == 0 and group.tagged_count <= group.calls_count,
        b"queue_hand_over: nobody's yet",
    )
    group.users = waiting + taken
    if waiting > 0:
        for i in range(group.calls_count):
            wait = group.calls[i].wait
            if wait != NULL:
                wait.call = &group.calls[i]
                wait.group = group
    if taken:
        group.next = NULL
        if q.done == NULL:
            q.done = group
        else:
            q.done_last.next = group
        q.done_last = group
    if group.users == 0:
        queue_recycle(q, group)
    queue_wake(q)
    if refused and q.count == 0 and not q.stopping:
        # Holds are due but cannot be released yet; do not spin on them.
        q.asleep = 1
        queue_sleep(q, &q.changed, IDLE_WAIT_MAX_NS)
        q.asleep = 0


# --- taking ---------------------------------------------------------------------------------

cdef int queue_open_event(QueueState* q) noexcept nogil:
    """Make the descriptor that is readable while there is something to take."""
    cdef int rc = 0
    pthread_mutex_lock(&q.lock)
    if q.event < 0:
        q.event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)
        rc = errno if q.event < 0 else 0
    pthread_mutex_unlock(&q.lock)
    return rc


cdef void queue_clear_event(QueueState* q) noexcept nogil:
    """Before taking: what is done from here on makes it readable again."""
    cdef uint64_t count
    cdef ssize_t got
    if q.event >= 0:
        got = posix_read(q.event, &count, 8)


cdef Group* queue_take(QueueState* q) noexcept nogil:
    """The oldest group that is done; after the end what was never committed; or NULL."""
    cdef Group* group
    pthread_mutex_lock(&q.lock)
    group = q.done
    if group != NULL:
        q.done = group.next
    elif q.abandoned and q.count > 0 and q.groups[<int>DONE_GROUPS_MAX].users == 0:
        group = &q.groups[<int>DONE_GROUPS_MAX]
        group.calls_count = 0
        group.tagged_count = 0
        queue_fill(q, group)
        group.users = 1
        group.rc = RC_STOPPED
    pthread_mutex_unlock(&q.lock)
    return group


cdef void queue_put_back(QueueState* q, Group* group, bint wake) noexcept nogil:
    """A group that was taken and not opened: it is the next that is taken."""
    pthread_mutex_lock(&q.lock)
    native_assert(group.users > 0, b"queue_put_back: it was taken")
    group.next = q.done
    q.done = group
    if group.next == NULL:
        q.done_last = group
    if wake:
        queue_wake(q)
    pthread_mutex_unlock(&q.lock)


cdef Group* queue_wait_group(QueueState* q, uint64_t wait_ns) noexcept nogil:
    """The same, waiting for it; NULL after so long, and after the end."""
    cdef uint64_t until = clock_read(CLOCK_MONOTONIC) + wait_ns
    cdef uint64_t now
    pthread_mutex_lock(&q.lock)
    while q.done == NULL and not q.ended:
        now = clock_read(CLOCK_MONOTONIC)
        if now >= until:
            break
        queue_sleep(q, &q.handed, until - now)
    pthread_mutex_unlock(&q.lock)
    return queue_take(q)


cdef void queue_release(QueueState* q, Group* group) noexcept nogil:
    """One of its readers is through with it."""
    pthread_mutex_lock(&q.lock)
    native_assert(group.users > 0, b"queue_release: a reader's")
    group.users -= 1
    if group.users == 0:
        queue_recycle(q, group)
    pthread_mutex_unlock(&q.lock)


cdef void queue_recycle(QueueState* q, Group* group) noexcept nogil:
    """Under the lock. The one used last is used next: its memory is still near."""
    if group == &q.groups[<int>DONE_GROUPS_MAX]:
        return
    native_assert(group.users == 0, b"queue_recycle: nobody reads it")
    if q.free == NULL:
        pthread_cond_signal(&q.changed)
    group.next = q.free
    q.free = group


cdef void queue_join(Group* group) noexcept nogil:
    """Join the answers of each tag, in order, to parts.

    Outcomes are a repeated field, so that the answers to payments concatenate to one.
    Rows have an answer of their own, and end the part before them.
    """
    cdef uint32_t mask = 63
    cdef uint32_t i, slot
    cdef Call* call
    cdef Part* part
    while mask + 1 < 2 * group.tagged_count:
        mask = 2 * mask + 1
    memset(group.slots, 0, (mask + 1) * sizeof(uint32_t))
    group.parts_count = 0
    for i in range(group.calls_count):
        call = &group.calls[i]
        if call.wait != NULL:
            continue
        call.next = 0
        slot = <uint32_t>native_mix(call.tag) & mask
        while group.slots[slot] != 0 and group.parts[group.slots[slot] - 1].tag != call.tag:
            slot = (slot + 1) & mask
        part = NULL
        if group.slots[slot] != 0:
            part = &group.parts[group.slots[slot] - 1]
        if part != NULL and part.form == FORM_PAYMENTS and call.form == FORM_PAYMENTS:
            group.calls[part.last].next = i + 1
        else:
            part = &group.parts[group.parts_count]
            group.parts_count += 1
            native_assert(
                group.parts_count <= group.tagged_count,
                b"queue_join: no more parts than calls",
            )
            group.slots[slot] = group.parts_count
            part.tag = call.tag
            part.form = call.form
            part.first = i
            part.rows_count = 0
            part.size = 0
        part.last = i
        part.rows_count += call.rows_count
        part.size += call.reply_size
