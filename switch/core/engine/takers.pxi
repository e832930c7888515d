# Who takes what is done: each has a list of its own, a descriptor, and joins its answers.
#
# A group is in the list of each taker that has calls in it, and free again once all have
# released it. One that does not take is waited for: when DONE_GROUPS_MAX groups are done
# and not released no other begins, whosever they are. So that a taker that sleeps holds
# up the others no sooner than it has calls in that many groups, Python, which hears of
# every group, gets those without its calls only while there are free ones, and a bare
# wake-up otherwise. And of those with its calls it gets copies then, with its own calls alone:
# who else holds the interpreter's lock holds up Python, and nobody else. Copies have a bound
# of bytes; beyond it, and without memory, Python is waited for like any other.

cdef int takers_init(QueueState* q) noexcept nogil:
    """Python's is there from the beginning, without a descriptor."""
    cdef int i
    for i in range(QUEUE_TAKERS_MAX):
        q.takers[i].event = -1
    return takers_begin(q, NULL, &i)


cdef int takers_begin(
    QueueState* q, void (*let_go)(void* owner) noexcept nogil, int* number
) noexcept nogil:
    """One more; ENOSPC if there are QUEUE_TAKERS_MAX."""
    cdef Taker* taker
    cdef int rc = 0
    pthread_mutex_lock(&q.lock)
    if q.takers_count == QUEUE_TAKERS_MAX:
        rc = ENOSPC
    else:
        taker = &q.takers[q.takers_count]
        taker.let_go = let_go
        taker.parts = <Part*>malloc(GROUP_MAX * sizeof(Part))
        taker.slots = <uint32_t*>malloc(TAG_SLOTS * sizeof(uint32_t))
        if taker.parts == NULL or taker.slots == NULL:
            free(taker.parts)
            free(taker.slots)
            taker.parts = NULL
            taker.slots = NULL
            rc = ENOMEM
        else:
            number[0] = q.takers_count
            q.takers_count += 1
    pthread_mutex_unlock(&q.lock)
    return rc


cdef void takers_free(QueueState* q) noexcept nogil:
    cdef Group* group = q.takers[0].first
    cdef Group* after
    cdef int i
    # Copies that Python has not taken are in its list alone.
    while group != NULL:
        after = group.done[0]
        if group.copied > 0:
            free(group)
        group = after
    for i in range(q.takers_count):
        free(q.takers[i].parts)
        free(q.takers[i].slots)
        if q.takers[i].event >= 0:
            posix_close(q.takers[i].event)


cdef int takers_open_event(QueueState* q, int number) noexcept nogil:
    """Make the descriptor that is readable while there is something to take."""
    cdef Taker* taker = &q.takers[number]
    cdef int rc = 0
    pthread_mutex_lock(&q.lock)
    if taker.event < 0:
        taker.event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)
        rc = errno if taker.event < 0 else 0
    pthread_mutex_unlock(&q.lock)
    return rc


cdef void takers_clear_event(QueueState* q, int number) noexcept nogil:
    """Before taking: what is done from here on makes it readable again."""
    cdef uint64_t count
    cdef ssize_t got
    if q.takers[number].event >= 0:
        got = posix_read(q.takers[number].event, &count, 8)


cdef void _takers_wake(QueueState* q, int number) noexcept nogil:
    """Under the lock: who sleeps on the descriptor looks again."""
    cdef uint64_t one = 1
    cdef ssize_t wrote
    if q.takers[number].event >= 0:
        # It fails only when the counter is full, and then it is readable already.
        wrote = write(q.takers[number].event, &one, 8)


cdef void _takers_wake_all(QueueState* q) noexcept nogil:
    cdef int i
    for i in range(q.takers_count):
        _takers_wake(q, i)


cdef inline bint _takers_is_for(const Call* call, const Wait* wait) noexcept nogil:
    """Whether a call's answer is Python's to take, or of who waits there."""
    return call.wait == wait and (wait != NULL or call.taker == 0)


cdef inline uint32_t _takers_outcomes(const Group* group, const Call* call) noexcept nogil:
    """Outcomes that are read of a call: of a message its first."""
    return call.rows_count if group.rc == 0 and call.form != FORM_PAYMENTS else 1


cdef Group* _takers_make_copy(QueueState* q, uint64_t size) noexcept nogil:
    """Memory for one, if the bound leaves so much, or NULL."""
    cdef Group* copy = NULL
    pthread_mutex_lock(&q.lock)
    if size <= COPIES_BYTES_MAX - q.copies_bytes:
        copy = <Group*>malloc(size)
        q.copies_bytes += size if copy != NULL else 0
    pthread_mutex_unlock(&q.lock)
    if copy != NULL:
        memset(copy, 0, sizeof(Group))
        copy.copied = size
    return copy


cdef Group* _takers_copy(QueueState* q, const Group* group, const Wait* wait) noexcept nogil:
    """What Python, or who waits, needs of a group that is done, or NULL. Without the lock: the
    caller reads the group still."""
    cdef Group* copy
    cdef Call* call
    cdef uint64_t calls = 0
    cdef uint64_t outcomes = 0
    cdef uint64_t bytes_ = 0
    cdef uint32_t i
    for i in range(group.calls_count):
        call = &group.calls[i]
        if _takers_is_for(call, wait):
            calls += 1
            outcomes += _takers_outcomes(group, call)
            bytes_ += call.reply_size if group.rc == 0 else 0
    copy = _takers_make_copy(
        q, sizeof(Group) + calls * sizeof(Call) + outcomes * sizeof(Outcome) + bytes_
    )
    if copy == NULL:
        return NULL
    copy.calls = <Call*>(copy + 1)
    copy.outcomes = <Outcome*>(copy.calls + calls)
    copy.replies = <uint8_t*>(copy.outcomes + outcomes)
    copy.rc = group.rc
    copy.ahead_ns = group.ahead_ns
    copy.users = 1
    outcomes = bytes_ = 0
    for i in range(group.calls_count):
        if not _takers_is_for(&group.calls[i], wait):
            continue
        call = &copy.calls[copy.calls_count]
        call[0] = group.calls[i]
        copy.calls_count += 1
        copy.rows_count += call.rows_count
        if group.rc == 0:
            memcpy(
                &copy.outcomes[outcomes], &group.outcomes[call.first],
                _takers_outcomes(group, call) * sizeof(Outcome),
            )
            memcpy(copy.replies + bytes_, group.replies + call.reply, call.reply_size)
        else:
            # Nothing was answered: what stands there is of a group before.
            memset(&copy.outcomes[outcomes], 0, sizeof(Outcome))
            call.reply_size = 0
        call.first = <uint32_t>outcomes
        call.reply = bytes_
        outcomes += _takers_outcomes(group, call)
        bytes_ += call.reply_size
    copy.tagged[0] = copy.calls_count
    return copy


cdef Group* takers_copy_for_python(QueueState* q, const Group* group) noexcept nogil:
    """By the committer, of a group that is done: a copy for Python's list if there are few free
    ones, or NULL. Without the lock."""
    cdef bint needed
    if group.tagged[0] == 0:
        return NULL
    pthread_mutex_lock(&q.lock)
    needed = q.free_count < NOTICE_GROUPS_MIN
    pthread_mutex_unlock(&q.lock)
    return _takers_copy(q, group, NULL) if needed else NULL


cdef void takers_keep_answer(QueueState* q, Wait* wait) noexcept nogil:
    """By who waited: have a copy of the answer instead of the group, so that the group is free
    however long this thread waits for the interpreter's lock."""
    cdef Group* copy = _takers_copy(q, wait.group, wait)
    if copy == NULL:
        return
    takers_release(q, wait.group)
    wait.group = copy
    wait.call = &copy.calls[0]


cdef int takers_list(QueueState* q, Group* group, Group* copy) noexcept nogil:
    """Under the lock: put a group into the lists of those it is for; how many they are.
    `copy`: what Python gets instead of it, or NULL."""
    cdef int count = 0
    cdef bint listed
    cdef int i
    if copy != NULL:
        _takers_append(q, 0, copy)
    for i in range(q.takers_count):
        listed = group.tagged[i] > 0
        if i == 0 and copy != NULL:
            continue
        if i == 0 and q.takers[0].event >= 0 and not listed:
            # Who asked for the descriptor hears of every group.
            listed = q.free_count >= NOTICE_GROUPS_MIN
            if not listed:
                _takers_wake(q, 0)
        if listed:
            _takers_append(q, i, group)
            count += 1
    return count


cdef void _takers_append(QueueState* q, int number, Group* group) noexcept nogil:
    """Under the lock."""
    cdef Taker* taker = &q.takers[number]
    group.done[number] = NULL
    if taker.first == NULL:
        taker.first = group
    else:
        taker.last.done[number] = group
    taker.last = group
    _takers_wake(q, number)


cdef inline int takers_refusal(const QueueState* q) noexcept nogil:
    """Why the queue takes no more: it stops, or another node leads."""
    return RC_FENCED if q.died == RC_FENCED else RC_STOPPED


cdef void takers_leave(QueueState* q) noexcept nogil:
    """Under the lock: what waits is never committed; each taker hears it of its calls.

    Who waits for one hears it at once.
    """
    cdef uint32_t slot
    cdef Call* call
    cdef Taker* taker
    while True:
        slot = senders_drain(&q.waiting)
        if slot == 0:
            break
        call = &q.waiting.slots[slot - 1]
        if call.wait != NULL:
            call.wait.rc = takers_refusal(q)
            senders_give_back(&q.waiting, slot)
            continue
        taker = &q.takers[call.taker]
        call.next = 0
        if taker.left_first == 0:
            taker.left_first = slot
        else:
            q.waiting.slots[taker.left_last - 1].next = slot
        taker.left_last = slot
    _takers_wake_all(q)


cdef Group* _takers_left(QueueState* q, int number) noexcept nogil:
    """Under the lock: a group of what was never committed, or NULL."""
    cdef Taker* taker = &q.takers[number]
    cdef Group* group = &q.groups[<int>DONE_GROUPS_MAX + number]
    cdef uint32_t slot
    if taker.left_first == 0 or group.users != 0:
        return NULL
    takers_reset(group)
    while taker.left_first != 0 and group.calls_count < GROUP_MAX:
        slot = taker.left_first
        taker.left_first = q.waiting.slots[slot - 1].next
        senders_put(group, &q.waiting.slots[slot - 1])
        senders_give_back(&q.waiting, slot)
    group.users = 1
    group.rc = takers_refusal(q)
    return group


cdef void takers_reset(Group* group) noexcept nogil:
    """No calls."""
    native_assert(group.users == 0, b"takers_reset: nobody reads it")
    group.calls_count = 0
    group.rows_count = 0
    group.tail_max = 0
    group.waited = 0
    memset(group.tagged, 0, sizeof(group.tagged))


cdef Group* takers_take(QueueState* q, int number) noexcept nogil:
    """The oldest group that is done; after the end what was never committed; or NULL."""
    cdef Taker* taker = &q.takers[number]
    cdef Group* group
    pthread_mutex_lock(&q.lock)
    group = taker.first
    if group != NULL:
        taker.first = group.done[number]
    else:
        group = _takers_left(q, number)
    pthread_mutex_unlock(&q.lock)
    return group


cdef void takers_put_back(QueueState* q, int number, Group* group, bint wake) noexcept nogil:
    """A group that was taken and not opened: it is the next that is taken."""
    cdef Taker* taker = &q.takers[number]
    pthread_mutex_lock(&q.lock)
    native_assert(group.users > 0, b"takers_put_back: it was taken")
    group.done[number] = taker.first
    taker.first = group
    if group.done[number] == NULL:
        taker.last = group
    if wake:
        _takers_wake(q, number)
    pthread_mutex_unlock(&q.lock)


cdef void takers_release(QueueState* q, Group* group) noexcept nogil:
    """One of its readers is through with it."""
    pthread_mutex_lock(&q.lock)
    native_assert(group.users > 0, b"takers_release: a reader's")
    group.users -= 1
    if group.users == 0 and group.copied > 0:
        native_assert(q.copies_bytes >= group.copied, b"takers_release: it was counted")
        q.copies_bytes -= group.copied
        free(group)
    elif group.users == 0:
        takers_recycle(q, group)
    pthread_mutex_unlock(&q.lock)


cdef void takers_recycle(QueueState* q, Group* group) noexcept nogil:
    """Under the lock. The one used last is used next: its memory is still near."""
    if group >= &q.groups[<int>DONE_GROUPS_MAX]:
        return
    native_assert(group.copied == 0, b"takers_recycle: one of the queue's")
    native_assert(group.users == 0, b"takers_recycle: nobody reads it")
    if q.free == NULL:
        pthread_cond_signal(&q.changed)
    group.next = q.free
    q.free = group
    q.free_count += 1


cdef void takers_join(QueueState* q, int number, Group* group) noexcept nogil:
    """Join the answers of each of a taker's tags, in order, to parts, in its own memory.

    Outcomes are a repeated field, so that the answers to payments concatenate to one.
    Rows have an answer of their own, and end the part before them.
    """
    cdef Taker* taker = &q.takers[number]
    cdef uint32_t mask = 63
    cdef uint32_t i, slot
    cdef Call* call
    cdef Part* part
    while mask + 1 < 2 * group.tagged[number]:
        mask = 2 * mask + 1
    memset(taker.slots, 0, (mask + 1) * sizeof(uint32_t))
    taker.parts_count = 0
    for i in range(group.calls_count):
        call = &group.calls[i]
        if call.wait != NULL or call.taker != number:
            continue
        call.next = 0
        slot = <uint32_t>native_mix(call.tag) & mask
        while taker.slots[slot] != 0 and taker.parts[taker.slots[slot] - 1].tag != call.tag:
            slot = (slot + 1) & mask
        part = NULL
        if taker.slots[slot] != 0:
            part = &taker.parts[taker.slots[slot] - 1]
        if part != NULL and part.form == FORM_PAYMENTS and call.form == FORM_PAYMENTS:
            group.calls[part.last].next = i + 1
        else:
            part = &taker.parts[taker.parts_count]
            taker.parts_count += 1
            native_assert(
                taker.parts_count <= group.tagged[number],
                b"takers_join: no more parts than calls",
            )
            taker.slots[slot] = taker.parts_count
            part.tag = call.tag
            part.form = call.form
            part.result = group.outcomes[call.first].result
            part.field = group.outcomes[call.first].field
            part.first = i
            part.rows = part.refusals = part.holds = 0
            part.size = 0
        part.last = i
        part.rows += call.rows_count
        part.refusals += call.refusals
        part.holds += call.holds
        part.size += call.reply_size


cdef void takers_copy(const Group* group, const Part* part, uint8_t* at) noexcept nogil:
    """The answers of a part, one after another: `part.size` bytes."""
    cdef const Call* call
    cdef uint32_t number = part.first + 1
    while number != 0:
        call = &group.calls[number - 1]
        memcpy(at, group.replies + call.reply, call.reply_size)
        at += call.reply_size
        number = call.next
