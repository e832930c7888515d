# The Python face of the queue, part of _core.pyx.

@cython.final
cdef class Queue:
    def __cinit__(
        self, Ledger ledger not None, *, rows_max=16 * _GROUP_MAX, bytes_max=64 << 20,
        gather_s=0.001, clock=None,
    ):
        if not _GROUP_MAX <= rows_max <= 1 << 24 or not _TAIL_MAX <= bytes_max <= 1 << 40:
            raise ValueError("a queue holds at least one whole group")
        if not 0 <= gather_s <= 1:
            raise ValueError("a group gathers for 0 to 1 seconds")
        ledger._need_open()
        if not ledger.threads:
            raise ValueError("the ledger needs threads of its own")
        cdef const uint64_t[::1] times = clock
        if clock is not None and times.shape[0] != 3:
            raise ValueError("a clock is wall time, boot time, and whether it is kept")
        self.ledger = ledger
        self.clock = clock
        self.q = <QueueState*>calloc(1, sizeof(QueueState))
        if self.q == NULL:
            raise MemoryError
        self.q.s = ledger.s
        self.q.committing = &ledger.committing
        self.q.is_open = &ledger.is_open
        self.q.waiting.rows_max = rows_max
        self.q.waiting.bytes_max = bytes_max
        self.q.gather_ns = <uint64_t>(gather_s * 1e9)
        clock_begin(&self.q.guard, &times[0] if clock is not None else NULL)
        check(queue_init(self.q))
        face_make_api(self.q)

    def __dealloc__(self):
        # Not while the loop runs: its thread holds this object.
        if self.q != NULL:
            face_drop(self.q)
            queue_free(self.q)
            free(self.q)

    # --- sending -------------------------------------------------------------------------

    def submit(self, Request request not None, uint64_t tag):
        cdef Call call
        request.fill(&call)
        call.tag = tag
        call.owner = <void*>request
        # Before it can be taken, and so let go.
        Py_INCREF(request)
        cdef int rc = queue_submit(self.q, &call)
        if rc != 0:
            Py_DECREF(request)
            raise face_refusal(self.q, rc)

    def commit(self, Request request not None):
        cdef Call call
        cdef Wait wait
        request.fill(&call)
        cdef int rc
        with nogil:
            rc = queue_commit_call(self.q, &call, &wait)
            if wait.group != NULL:
                takers_keep_answer(self.q, &wait)
        if wait.group == NULL:
            raise face_refusal(self.q, rc)
        try:
            if rc != 0:
                raise face_failure(self.q, wait.group)
            return face_reply(wait.call, wait.group.outcomes, wait.group.replies)
        finally:
            takers_release(self.q, wait.group)

    # --- the clock -----------------------------------------------------------------------

    def clock_state(self):
        cdef Reading reading
        cdef Ledger ledger = self.ledger
        ledger._begin_commit()
        clock_look(&self.q.guard, &reading)
        ledger._end_commit()
        return ClockState(reading.wall, reading.boot, reading.ahead_ns)

    def vouched_clock(self):
        cdef Reading reading
        cdef Ledger ledger = self.ledger
        cdef int word
        ledger._begin_commit()
        word = clock_look_vouched(&self.q.guard, &reading)
        ledger._end_commit()
        if word < 0:
            raise OSError(-word, os.strerror(-word))
        if word == 0:
            return None
        return ClockState(reading.wall, reading.boot, reading.ahead_ns)

    def anchor_clock(self, state):
        cdef Ledger ledger = self.ledger
        if self.q.running or self.q.ended:
            raise ValueError("the clock is anchored before the queue runs")
        ledger._begin_commit()
        clock_anchor_at(&self.q.guard, state.wall_ns, state.boottime_ns)
        ledger._end_commit()

    def accept_clock(self, Request request not None, int64_t ahead_ns):
        cdef Ledger ledger = self.ledger
        cdef Call call
        cdef int rc
        if request.rows_count != 1 or request.form != FORM_ROWS:
            raise ValueError("one row says that the clock is accepted")
        request.fill(&call)
        ledger._begin_commit()
        try:
            ledger._need_open()
            with nogil:
                rc = clock_accept(
                    &self.q.guard, ledger.s, &call, ahead_ns, ledger.outcomes,
                    ledger.replies,
                )
            if rc == RC_CLOCK:
                raise ClockError("the clock has moved since it was looked at: look again")
            if rc == RC_DEAD:
                raise face_dead(ledger.s.shared.dead)
            if rc != 0 and rc not in (RC_SPACE, RC_FENCED, RC_FOLLOWS):
                raise face_unknown()
            check(rc)
            return face_reply(&call, ledger.outcomes, ledger.replies)
        finally:
            ledger._end_commit()

    # --- taking --------------------------------------------------------------------------

    def fileno(self):
        check(takers_open_event(self.q, 0))
        return self.q.takers[0].event

    def take(self):
        cdef Group* group
        takers_clear_event(self.q, 0)
        groups = []
        while True:
            group = takers_take(self.q, 0)
            if group == NULL:
                return groups
            try:
                groups.append(face_open(self.q, group))
            except BaseException:
                # Without memory nothing is lost: what is opened goes out, this group and
                # those behind it are taken by the next call.
                takers_put_back(self.q, 0, group, len(groups) > 0)
                if not groups:
                    raise
                return groups
            face_release(self.q, group)

    # --- the loop ------------------------------------------------------------------------

    def start(self, ended=None):
        if queue_begin(self.q) != 0:
            raise ValueError("a queue is started once")
        self.thread = threading.Thread(target=_run_queue, args=(self, ended), name="committer")
        self.thread.start()

    def stop(self, double drain_s):
        cdef bint drained
        cdef uint64_t drain_ns = <uint64_t>(max(drain_s, 0.0) * 1e9)
        with nogil:
            drained = queue_stop(self.q, drain_ns)
        if self.thread is not None:
            self.thread.join()
        return drained

    @property
    def stopping(self):
        return bool(self.q.stopping)

    @property
    def died(self):
        return face_death(self.q)

    @property
    def rows_waiting(self):
        return self.q.waiting.rows_count

    @property
    def bytes_waiting(self):
        return self.q.waiting.bytes

    def meter(self):
        cdef const Meter* meter = &self.q.meter
        cdef uint64_t since = meter.since
        cdef uint64_t now = clock_read(CLOCK_MONOTONIC)
        return GroupMeter(
            meter.rows,
            meter.refused,
            meter.spent_ns / 1e9,
            (now - since) / 1e9 if 0 < since < now else 0.0,
            tuple([(1 << i, meter.sizes[i]) for i in range(METER_SIZES)])
            + ((math.inf, meter.sizes[<int>METER_SIZES]),),
            _face_times(&meter.times[0]),
            meter.held_ns / 1e9,
            _face_times(&meter.holds[0]),
        )

    @contextlib.contextmanager
    def paused(self):
        cdef Ledger ledger = self.ledger
        ledger._begin_commit()
        try:
            yield
        finally:
            ledger._end_commit()

    def capsule(self):
        capsule = PyCapsule_New(&self.q.api, QUEUE_API_NAME, face_drop_capsule)
        # Who keeps the capsule keeps the queue.
        if PyCapsule_SetContext(capsule, <void*>self) == 0:
            Py_INCREF(self)
        return capsule

    # --- from C, see _core.pxd -------------------------------------------------------------

    cdef int submit_payments(
        self, const uint8_t* body, size_t size, uint32_t sender, uint32_t centre, uint64_t tag
    ) noexcept nogil:
        cdef Call call
        cdef int rc = queue_read_call(&call, body, size, sender, centre)
        if rc != 0:
            return rc
        call.tag = tag
        return queue_submit(self.q, &call)

    cdef int commit_payments(
        self, const uint8_t* body, size_t size, uint32_t sender, uint32_t centre, Wait* wait
    ) noexcept nogil:
        cdef Call call
        cdef int rc = queue_read_call(&call, body, size, sender, centre)
        wait.group = NULL
        return rc if rc != 0 else queue_commit_call(self.q, &call, wait)

    cdef Group* wait_group(self, uint64_t wait_ns) noexcept nogil:
        return queue_wait_group(self.q, wait_ns)

    cdef void release_group(self, Group* group) noexcept nogil:
        takers_release(self.q, group)


def _run_queue(Queue queue, ended):
    """The committer's thread: without the GIL until the end, which it then tells."""
    with nogil:
        queue_run(queue.q)
    if ended is not None:
        ended()


cdef bytes face_join(Group* group, const Part* part):
    """The answers of a part, one after another."""
    cdef bytes joined = PyBytes_FromStringAndSize(NULL, part.size)
    takers_copy(group, part, <uint8_t*>PyBytes_AS_STRING(joined))
    return joined


cdef int face_release(QueueState* q, Group* group) except -1:
    """Give a group back that was taken, and let go of its requests."""
    cdef uint32_t i
    for i in range(group.calls_count):
        if group.calls[i].owner != NULL and group.calls[i].taker == 0:
            Py_DECREF(<object>group.calls[i].owner)
    takers_release(q, group)
    return 0


cdef int face_drop(QueueState* q) except -1:
    """Let go of the requests that nobody will hear of."""
    cdef Group* group
    queue_abandon(q)
    while True:
        group = takers_take(q, 0)
        if group == NULL:
            return 0
        face_release(q, group)


cdef face_answer(Group* group, const Part* part):
    """The answer to one part of a group that was committed."""
    if part.form == FORM_PAYMENTS:
        return face_join(group, part)
    return face_reply(&group.calls[part.first], group.outcomes, group.replies)


cdef face_open(QueueState* q, Group* group):
    """(error or None, [(tag, rows, answer or the error), ...])"""
    cdef uint32_t i
    cdef Part* part
    takers_join(q, 0, group)
    error = face_failure(q, group) if group.rc else None
    answers = []
    for i in range(q.takers[0].parts_count):
        part = &q.takers[0].parts[i]
        if error is not None:
            answer = error
        else:
            try:
                answer = face_answer(group, part)
            except MemoryError:
                # A large answer costs its own caller the answer, nobody else theirs.
                answer = UnknownOutcomeError("no memory for the answer; send it again")
        answers.append((part.tag, part.rows, answer))
    return error, answers


cdef face_failure(QueueState* q, Group* group):
    """What came of every request of a group."""
    if group.rc == RC_SPACE:
        return SpaceError("the disk has no room for the journal; nothing was done")
    if group.rc == RC_CLOCK:
        return ClockError(
            f"the wall clock runs {group.ahead_ns // 1000000000} s ahead of the time that "
            "has passed; nothing is taken until it is set right, or the kernel vouches for "
            "it, or somebody does: payswitch accept-clock"
        )
    if group.rc == RC_UNKNOWN:
        return face_unknown()
    if group.rc == RC_FENCED:
        return face_not_leader()
    return face_refusal(q, RC_STOPPED)


cdef face_refusal(QueueState* q, int rc):
    """Why a request was not taken."""
    if rc == RC_FULL:
        return OverloadError(
            f"{q.waiting.rows_count} entries wait to be committed; try again later"
        )
    if q.died == RC_FENCED:
        return face_not_leader()
    if q.died:
        return DeadError(q.died, face_death(q))
    return DeadError(ESHUTDOWN, "the switch is stopping")


cdef str face_death(QueueState* q):
    """Why the ledger is dead; empty while it is alive."""
    if q.died == 0:
        return ""
    if q.died == RC_CLOSED:
        return "the ledger is closed"
    return f"the ledger is dead: {error_text(q.died)}"


# --- core/queue_api.h ---------------------------------------------------------------------

cdef int face_make_api(QueueState* q) except -1:
    q.api.version = QUEUE_API_VERSION
    q.api.queue = q
    q.api.count = face_count
    q.api.open = face_open_taker
    q.api.fileno = face_taker_fileno
    q.api.submit = face_submit
    q.api.clear = face_clear
    q.api.take = face_take
    q.api.copy = face_copy
    q.api.release = face_give_back
    q.api.rows_waiting = face_rows_waiting
    q.api.died = face_died
    ours = (RC_FULL, RC_STOPPED, RC_FRAMING, RC_FENCED)
    if (QUEUE_FULL, QUEUE_STOPPED, QUEUE_FRAMING, QUEUE_NOT_LEADER) != ours:
        raise ImportError("compiled with other return codes")
    return 0


cdef void face_drop_capsule(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


cdef int face_count(const uint8_t* body, size_t size, Counts* counts) noexcept nogil:
    cdef uint32_t[2] parts
    cdef int rc = wire_read_request(body, size, NULL, 0, 0, &counts.rows, GROUP_MAX, parts)
    counts.payments = parts[0]
    counts.baskets = parts[1]
    if rc == 0 and counts.rows == 0:
        return QUEUE_NONE
    return rc if rc == 0 else QUEUE_MANY if rc == -2 else QUEUE_FRAMING


cdef int face_open_taker(void* queue, void (*let_go)(void*) noexcept nogil) noexcept nogil:
    cdef int number
    cdef int rc = takers_begin(<QueueState*>queue, let_go, &number)
    return number if rc == 0 else -rc


cdef int face_taker_fileno(void* queue, int taker) noexcept nogil:
    cdef int rc = takers_open_event(<QueueState*>queue, taker)
    return (<QueueState*>queue).takers[taker].event if rc == 0 else -rc


cdef int face_submit(void* queue, int taker, const Submitted* request) noexcept nogil:
    cdef Call call
    queue_make_call(
        &call, request.body, request.size, request.rows, request.sender, request.centre,
        request.operator_ if request.operator_ != 0 else OPERATOR_NOBODY,
    )
    call.tag = request.tag
    call.owner = request.owner
    call.taker = <uint8_t>taker
    return queue_submit(<QueueState*>queue, &call)


cdef void face_clear(void* queue, int taker) noexcept nogil:
    takers_clear_event(<QueueState*>queue, taker)


cdef int face_take(void* queue, int taker, Taken* taken) noexcept nogil:
    cdef QueueState* q = <QueueState*>queue
    cdef Group* group = takers_take(q, taker)
    if group == NULL:
        return 0
    takers_join(q, taker, group)
    taken.group = group
    taken.rc = group.rc
    taken.ahead_ns = group.ahead_ns
    taken.parts_count = q.takers[taker].parts_count
    taken.parts = q.takers[taker].parts
    return 1


cdef void face_copy(const Taken* taken, const Part* part, uint8_t* to) noexcept nogil:
    takers_copy(<const Group*>taken.group, part, to)


cdef void face_give_back(void* queue, int taker, Taken* taken) noexcept nogil:
    cdef QueueState* q = <QueueState*>queue
    cdef Group* group = <Group*>taken.group
    cdef const Call* call
    cdef uint32_t i
    for i in range(group.calls_count):
        call = &group.calls[i]
        if call.taker == taker and call.owner != NULL:
            q.takers[taker].let_go(call.owner)
    taken.group = NULL
    taken.parts = NULL
    takers_release(q, group)


cdef uint64_t face_rows_waiting(void* queue) noexcept nogil:
    return (<QueueState*>queue).waiting.rows_count


cdef int face_died(void* queue, char* text, size_t size) noexcept nogil:
    cdef QueueState* q = <QueueState*>queue
    cdef const char* why
    if q.died == 0:
        return 0
    if q.died == RC_CLOSED:
        snprintf(text, size, b"the ledger is closed")
    else:
        why = face_error_text(q.died)
        snprintf(text, size, b"the ledger is dead: %s", why)
    return q.died


cdef tuple _face_times(const uint64_t* counts):
    """(bound in seconds, how many) of a meter's times."""
    cdef int i
    return tuple([
        (<uint64_t>METER_TIME_NS * (1 << i) / 1e9, counts[i]) for i in range(METER_TIMES)
    ]) + ((math.inf, counts[<int>METER_TIMES]),)
