"""The front door's face for Python: commands in, events out; the C in `front/` does the rest.

One thread of Python uses it (the event loop's); `stop` and `lead_until` alone may be called
from another.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

import os

UNARY = FRONT_UNARY
SERVER_STREAM = FRONT_SERVER_STREAM
BIDI = FRONT_BIDI

PAYMENTS = FRONT_PAYMENTS
READS = FRONT_READS
FETCHES = FRONT_FETCHES
FEEDS = FRONT_FEEDS
WATCHES = FRONT_WATCHES

CONNECT = FRONT_CONNECT
DISCONNECT = FRONT_DISCONNECT
CALL = FRONT_CALL
MESSAGE = FRONT_MESSAGE
HALF_CLOSED = FRONT_HALF_CLOSED
SENT = FRONT_SENT
ENDED = FRONT_ENDED
REVOKED = FRONT_REVOKED
OVER = FRONT_OVER

BOUNDS = tuple([front_bound_names[i].decode() for i in range(front_bounds_count)])
BUDGETS = tuple([front_budget_names[i].decode() for i in range(front_budgets_count)])
SHARES = tuple([front_share_names[i].decode() for i in range(FRONT_SHARES_END)])
COUNTERS = tuple([front_counter_names[i].decode() for i in range(front_counters_count)])
REASONS = {front_reason_names[i].decode(): i for i in range(1, FRONT_REASONS_END)}
HOT_STATUSES = tuple([hot_status_names[i].decode() for i in range(HOT_STATUSES_END)])
STATUSES = {
    i: (front_reason_codes[i], front_reason_texts[i].decode()) for i in REASONS.values()
}
CAUSES = tuple([front_cause_name(i).decode() for i in range(FRONT_CAUSES_END)])

cdef enum:
    TEXT_SIZE = 256
    CODE_MAX = 16
    COUNTERS_MAX = 64
    COST_MAX = 1000

cdef object BOUND_MAX = 1 << 40

assert len(COUNTERS) <= COUNTERS_MAX


cdef object bytes_of(const block* one):
    return PyBytes_FromStringAndSize(<const char*> one.data, one.size)


cdef list metadata_of(const block* fields):
    cdef list pairs = []
    cdef size_t offset = 0
    cdef field one
    while fields_next(fields, &offset, &one):
        pairs.append((
            PyBytes_FromStringAndSize(<const char*> one.name, one.name_size),
            PyBytes_FromStringAndSize(<const char*> one.value, one.value_size),
        ))
    return pairs


cdef int add_metadata(block** fields, object metadata) except -1:
    """Append pairs of bytes to `fields`."""
    cdef bytes name, value
    for name, value in metadata:
        if not fields_valid(
            PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
            PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value),
        ):
            raise ValueError(f"{name!r} cannot be sent as a header")
        if not fields_add_metadata(
            fields, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
            PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value),
        ):
            raise MemoryError
    return 0


@cython.final
@cython.no_gc_clear  # what ends it submits to the queue's memory until then
cdef class Front:
    """One front door: its sockets, its threads, its calls."""

    cdef front* door
    cdef hot_payments* hot
    cdef object queue  # keeps what hot calls are submitted to
    cdef event* waiting  # taken from the door, and not yet by `take`
    cdef tuple paths
    cdef size_t methods_count
    cdef bint started
    cdef bint stopped

    def __cinit__(self, methods, bounds, costs=()):
        cdef size_t i
        cdef int64_t* numbers
        cdef front_method* rows
        if set(bounds) != set(BOUNDS):
            raise ValueError(f"bounds: {sorted(set(bounds) ^ set(BOUNDS))}")
        for name, number in bounds.items():
            least = 0 if name == "age_ms" else 1
            if not least <= number <= BOUND_MAX:
                raise ValueError(f"{name}: {number}")
        for name in ("connections_max", "window_bytes", "calls_connection_max",
                     "metadata_bytes_max", "message_bytes_max"):
            if bounds[name] >= 1 << 30:
                raise ValueError(f"{name}: {bounds[name]}")
        paths = [path.encode() for path, _ in methods]
        if len(set(paths)) != len(paths):
            raise ValueError("a method is there twice")
        if not all(kind in (UNARY, SERVER_STREAM, BIDI) for _, kind in methods):
            raise ValueError("a method's kind is not known")
        costs = tuple(costs) or ((0, 0, 0, 0),) * len(paths)
        if len(costs) != len(paths):
            raise ValueError(f"{len(costs)} costs for {len(paths)} methods")
        for rate, cost, counted, opened in costs:
            if not (0 <= rate < FRONT_RATES_END and 0 <= opened < FRONT_OPENS_END
                    and 0 <= cost <= COST_MAX and 0 <= counted <= COST_MAX):
                raise ValueError(f"a method's cost: {(rate, cost, counted, opened)}")
        self.paths = tuple([path for path, _ in methods])
        self.methods_count = len(paths)
        numbers = <int64_t*> malloc(front_bounds_count * sizeof(int64_t))
        rows = <front_method*> malloc((len(paths) + 1) * sizeof(front_method))
        try:
            if numbers == NULL or rows == NULL:
                raise MemoryError
            for i in range(front_bounds_count):
                numbers[i] = bounds[BOUNDS[i]]
            for i in range(self.methods_count):
                rows[i].path = PyBytes_AS_STRING(paths[i])
                rows[i].kind = methods[i][1]
                rows[i].rate, rows[i].cost, rows[i].counted, rows[i].open = costs[i]
            self.door = front_new(<front_bounds*> numbers, rows, self.methods_count)
        finally:
            free(numbers)
            free(rows)
        if self.door == NULL:
            raise MemoryError("the front door cannot be made")

    def __dealloc__(self):
        if self.door == NULL:
            return
        if self.started and not self.stopped:
            self.end(0)
        self.give_back()
        self.free_used()
        self.close_hot()
        front_free(self.door)

    def set_credentials(self, bytes certificate, bytes key, bytes authority,
                        bytes revocations=b""):
        cdef char text[TEXT_SIZE]
        if front_set_credentials(
            self.door, PyBytes_AS_STRING(certificate), PyBytes_GET_SIZE(certificate),
            PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
            PyBytes_AS_STRING(authority), PyBytes_GET_SIZE(authority),
            PyBytes_AS_STRING(revocations), PyBytes_GET_SIZE(revocations), text, TEXT_SIZE,
        ) != 0:
            raise ValueError(text.decode("utf-8", "replace"))
        if self.started and not self.stopped:
            front_give_command(self.door, self.command_for(FRONT_TRUST, 0))

    def set_details(self, int reason, bint given, bytes details):
        if not front_set_details(
            self.door, reason, given, PyBytes_AS_STRING(details), PyBytes_GET_SIZE(details)
        ):
            raise ValueError(f"reason {reason}")

    # --- hot calls --------------------------------------------------------------

    def set_hot(self, methods, *, int damaged, int biller_busy, int refusals,
                int field_debit, int rows_max, int room_wait_ms, steps_s=()):
        cdef int[HOT_METHODS] numbers
        cdef hot_results results
        if self.started or self.hot != NULL or len(methods) != HOT_METHODS:
            raise ValueError("hot calls are set once, before the start")
        for i, number in enumerate(methods):
            if not 0 <= number < self.methods_count:
                raise ValueError(f"method {number}")
            numbers[i] = number
        results.damaged = damaged
        results.biller_busy = biller_busy
        results.refusals = refusals
        results.field_debit = field_debit
        results.rows_max = rows_max
        results.room_wait_ms = room_wait_ms
        if len(steps_s) >= HOT_STEPS_MAX:
            raise ValueError("too many steps of time")
        results.steps_count = len(steps_s)
        for i, step in enumerate(steps_s):
            results.steps_ns[i] = <int64_t> (step * 1e9)
        self.hot = hot_new(self.door, numbers, &results)
        if self.hot == NULL:
            raise MemoryError

    def set_hot_status(self, int method, int status, int code, bytes text, bytes details,
                       bytes committed):
        if self.started or self.hot == NULL:
            raise ValueError("what hot calls are told is set before the start")
        if not (0 <= method < HOT_METHODS and 0 <= status < HOT_STATUSES_END):
            raise ValueError(f"status {status} of {method}")
        if not hot_set_status(
            self.hot, method, status, code, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text),
            PyBytes_AS_STRING(details), PyBytes_GET_SIZE(details),
            PyBytes_AS_STRING(committed), PyBytes_GET_SIZE(committed),
        ):
            raise MemoryError

    def open_hot(self, queue):
        if self.hot == NULL or self.queue is not None:
            raise ValueError("hot calls are opened once")
        cdef const queue_api* api = <const queue_api*> PyCapsule_GetPointer(
            queue, QUEUE_API_NAME
        )
        self.queue = queue
        cdef int rc = hot_open(self.hot, api)
        if rc < 0:
            raise OSError(-rc, os.strerror(-rc))

    def lead_until(self, double until_s):
        """Refuse hot calls after this moment of `time.monotonic`, until told a later one."""
        # It is never 0, which would be for ever.
        if self.hot != NULL:
            hot_lead_until(self.hot, max(<int64_t> (until_s * 1e9), 1))

    def hot_calls(self):
        cdef const hot_counts_t* counts
        cdef int method, role, code, step
        if self.hot == NULL:
            return []
        counts = hot_counts(self.hot)
        return [
            (
                {
                    (role, code): counts.calls[method][role][code]
                    for role in range(HOT_ROLES) for code in range(HOT_CODES)
                    if counts.calls[method][role][code]
                },
                [counts.steps[method][step] for step in range(HOT_STEPS_MAX)],
                counts.spent_ns[method] / 1e9,
            )
            for method in range(HOT_METHODS)
        ]

    def hot_fileno(self):
        """Readable while answers to hot calls wait to be taken."""
        return -1 if self.hot == NULL else hot_fileno(self.hot)

    def drop_answers(self):
        """Once stopped: what the queue answers is nobody's, and its bytes are let go."""
        if not self.stopped:
            raise ValueError("the front thread takes the answers")
        if self.hot != NULL:
            hot_take(self.hot)

    def stop_streams(self):
        front_give_command(self.door, self.command_for(FRONT_STOP_STREAMS, 0))

    cpdef close_hot(self):
        if self.hot != NULL and (self.stopped or not self.started):
            hot_close(self.hot)
            self.hot = NULL

    # --- who is signed on ---------------------------------------------------------

    def open_session(self, bytes token, uint32_t sender, operator, int64_t lasts_ms,
                     int64_t idle_ms, uint64_t change):
        """From now on calls of this sender with the token are this operator's, as the
        register had it at this change."""
        if len(token) != FRONT_SESSION_SIZE or not sender or not operator:
            raise ValueError("a session is a token, a sender and an operator")
        front_open_session(
            self.door, <const uint8_t*> PyBytes_AS_STRING(token), sender, operator, lasts_ms,
            idle_ms, change,
        )

    def session_change(self, uint32_t sender):
        """How often the register has changed of a sender: ask before it is read."""
        return front_session_change(self.door, sender)

    def end_session(self, bytes token):
        """Whether it was on. It stays known, as ended."""
        if len(token) != FRONT_SESSION_SIZE:
            return False
        return bool(
            front_end_session(self.door, <const uint8_t*> PyBytes_AS_STRING(token))
        )

    def drop_session(self, bytes token):
        """It is not known any more: whoever opens sessions knows that it is over."""
        if len(token) == FRONT_SESSION_SIZE:
            front_drop_session(self.door, <const uint8_t*> PyBytes_AS_STRING(token))

    def forget_sessions(self, uint32_t sender):
        """Those of a sender that are on are asked about anew; what has ended stays so."""
        front_forget_sessions(self.door, sender)

    def use_session(self, bytes token, uint32_t sender):
        """Its operator; 0 for one that is over, None for one that is not known."""
        cdef uint32_t found_operator = 0
        cdef int found = front_use_session(
            self.door, <const uint8_t*> PyBytes_AS_STRING(token), PyBytes_GET_SIZE(token),
            sender, &found_operator,
        )
        return None if found == FRONT_SESSION_UNKNOWN else found_operator

    def listen(self, str host, int port):
        cdef int rc = front_listen(self.door, host.encode(), port)
        if rc < 0:
            raise OSError(-rc, os.strerror(-rc), f"{host}:{port}")
        return rc

    def start(self):
        if self.started:
            raise ValueError("started already")
        cdef int rc = front_start(self.door)
        if rc < 0:
            raise OSError(-rc, os.strerror(-rc))
        self.started = True

    def fileno(self):
        return front_fileno(self.door)

    # --- events -----------------------------------------------------------------

    def take(self, Py_ssize_t most=1024):
        """Take events; what is more than `most` stays for the next time."""
        cdef list taken = []
        cdef event* first
        cdef event* one
        cdef event* last = NULL
        self.free_used()
        if self.waiting == NULL:
            self.waiting = front_take_events(self.door)
        first = one = self.waiting
        try:
            while one != NULL and len(taken) < most:
                if one.kind != FRONT_VOID:
                    taken.append(self.event_of(one))
                last = one
                one = one.next
        except BaseException:
            # Without memory nothing is lost: this event and those behind it stay.
            if not taken:
                raise
        finally:
            self.waiting = one
            if last != NULL:
                front_give_events(self.door, first, last)
            if one != NULL:
                front_more_events(self.door)
        return taken

    cdef tuple event_of(self, event* one):
        cdef int kind = one.kind
        if kind == FRONT_CALL:
            return (
                CALL, one.call, one.connection, one.method,
                self.paths[one.method] if one.method >= 0
                else bytes_of(one.path).decode("utf-8", "replace"),
                one.time,
                "" if one.timeout[0] == 0 else one.timeout.decode("ascii", "replace"),
                [] if one.metadata == NULL else metadata_of(one.metadata),
                None if one.body == NULL else bytes_of(one.body),
                one.allowed,
            )
        if kind == FRONT_MESSAGE:
            return MESSAGE, one.call, bytes_of(one.body)
        if kind == FRONT_HALF_CLOSED:
            return HALF_CLOSED, one.call
        if kind == FRONT_SENT:
            return SENT, one.call, one.number
        if kind == FRONT_ENDED:
            return ENDED, one.call, CAUSES[one.cause]
        if kind == FRONT_REVOKED:
            return REVOKED, one.call
        if kind == FRONT_OVER:
            return OVER, one.connection, SHARES[one.cause], one.number
        if kind == FRONT_CONNECT:
            return (
                CONNECT, one.connection, one.address.decode(), one.number,
                bytes_of(one.body), one.time,
            )
        return DISCONNECT, one.connection, CAUSES[one.cause]

    cdef void give_back(self) noexcept:
        cdef event* one
        if self.waiting == NULL:
            self.waiting = front_take_events(self.door)
        one = self.waiting
        if one == NULL:
            return
        while one.next != NULL:
            one = one.next
        front_give_events(self.door, self.waiting, one)
        self.waiting = NULL

    cdef void free_used(self) noexcept:
        """Let go the bytes of commands that are over."""
        cdef command* one = front_take_used(self.door)
        cdef command* following
        while one != NULL:
            following = one.next
            if one.keeper != NULL:
                Py_DECREF(<object> one.keeper)
            front_idle_command(self.door, one)
            one = following

    # --- commands ---------------------------------------------------------------

    cdef command* command_for(self, int kind, uint64_t target) except NULL:
        cdef command* one = front_new_command(self.door)
        if one == NULL:
            raise MemoryError
        one.kind = kind
        one.target = target
        return one

    cdef int send_bytes(self, int kind, uint64_t call, bytes body) except -1:
        cdef command* one = self.command_for(kind, call)
        Py_INCREF(body)
        one.keeper = <void*> body
        one.message.data = <const uint8_t*> PyBytes_AS_STRING(body)
        one.message.size = PyBytes_GET_SIZE(body)
        front_give_command(self.door, one)
        return 0

    def admit(self, uint64_t connection, uint64_t owner, uint32_t role, uint32_t sender,
              uint32_t bound, bytes rights, tuple budgets):
        cdef size_t i
        cdef int64_t* numbers
        if <size_t> PyBytes_GET_SIZE(rights) != self.methods_count:
            raise ValueError(f"{len(rights)} rights for {self.methods_count} methods")
        if <size_t> len(budgets) != front_budgets_count:
            raise ValueError(f"{len(budgets)} budgets, not {front_budgets_count}")
        for name, number in zip(BUDGETS, budgets):
            if not 1 <= number <= BOUND_MAX:
                raise ValueError(f"{name}: {number}")
        cdef block* fields = block_copy(PyBytes_AS_STRING(rights), PyBytes_GET_SIZE(rights))
        if fields == NULL:
            raise MemoryError
        cdef command* one = front_new_command(self.door)
        if one == NULL:
            block_free(fields)
            raise MemoryError
        one.kind = FRONT_ADMIT
        one.target = connection
        one.owner = owner
        one.role = role
        one.sender = sender
        one.bound = bound
        one.fields = fields
        numbers = <int64_t*> &one.budgets
        for i in range(front_budgets_count):
            numbers[i] = budgets[i]
        front_give_command(self.door, one)

    def close_connection(self, uint64_t connection, uint32_t error):
        cdef command* one = self.command_for(FRONT_CLOSE_CONNECTION, connection)
        one.number = error
        front_give_command(self.door, one)

    def start_call(self, uint64_t call, metadata=()):
        cdef command* one
        cdef block* fields = NULL
        try:
            add_metadata(&fields, metadata)
            one = self.command_for(FRONT_START_CALL, call)
        except BaseException:
            block_free(fields)
            raise
        one.fields = fields
        front_give_command(self.door, one)

    def send(self, uint64_t call, bytes body not None):
        self.send_bytes(FRONT_SEND, call, body)

    def reply(self, uint64_t call, bytes body not None):
        self.send_bytes(FRONT_REPLY, call, body)

    def finish(self, uint64_t call, int code, str message, bytes details not None,
               metadata=()):
        cdef command* one
        cdef block* fields = NULL
        cdef bytes text = message.encode("utf-8", "replace")
        if not 0 <= code <= CODE_MAX:
            raise ValueError(f"status {code}")
        try:
            if code != 0 or text or details or metadata:
                if not fields_add_status(
                    &fields, code, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text),
                    PyBytes_AS_STRING(details), PyBytes_GET_SIZE(details),
                ):
                    raise MemoryError
                add_metadata(&fields, metadata)
            one = self.command_for(FRONT_FINISH, call)
        except BaseException:
            block_free(fields)
            raise
        one.number = code
        one.fields = fields
        front_give_command(self.door, one)

    def want(self, uint64_t call):
        front_give_command(self.door, self.command_for(FRONT_WANT, call))

    def charge(self, uint64_t owner, int64_t reads):
        if not 0 <= reads <= BOUND_MAX:
            raise ValueError(f"{reads} reads")
        cdef command* one = self.command_for(FRONT_CHARGE, 0)
        one.owner = owner
        one.number = reads
        front_give_command(self.door, one)

    def drain(self):
        front_give_command(self.door, self.command_for(FRONT_DRAIN, 0))

    cdef int end(self, int64_t grace_ms) except -1:
        cdef command* one = self.command_for(FRONT_STOP, 0)
        one.number = grace_ms
        front_give_command(self.door, one)
        with nogil:
            front_join(self.door)
        self.stopped = True
        return 0

    def stop(self, int64_t grace_ms):
        """Drain, wait for open calls within the grace, end all. Blocks; lets others run."""
        if self.started and not self.stopped:
            self.end(grace_ms)

    def take_refused(self):
        cdef front_refused[FRONT_REFUSED_MAX] refused
        cdef size_t i, count = front_take_refused(self.door, refused)
        return [(refused[i].address.decode(), refused[i].count) for i in range(count)]

    def counters(self):
        cdef int64_t[COUNTERS_MAX] numbers
        front_count(self.door, <front_counters*> &numbers[0])
        return {name: numbers[i] for i, name in enumerate(COUNTERS)}

    def turns(self):
        cdef front_turns_ found
        front_turns(self.door, &found)
        bounds = [(FRONT_TURN_LEAST_NS << i) / 1e9 for i in range(FRONT_TURN_STEPS)]
        counts = [found.counts[i] for i in range(FRONT_TURN_STEPS + 1)]
        times = tuple(zip([*bounds, float("inf")], counts))
        return found.spent_ns / 1e9, times
