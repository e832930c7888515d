"""The Python face of the load client (benchmarks/client).

Everything between a message and its checked answer is in C and without the GIL.
"""

from base64 import b64encode

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "<stdbool.h>" nogil:
    ctypedef bint bool

cdef extern from "client/client.h" nogil:
    ctypedef struct SSL_CTX:
        pass
    void SSL_CTX_free(SSL_CTX* tls)

    enum:
        CHOICES, SERVICE_SIZE, CENTRE_SIZE
    ctypedef struct Making:
        const uint8_t* payment
        uint32_t item, id, service, amount, reference
        uint32_t operator_ "operator"
        uint32_t centre
        const uint16_t* chosen
        const uint8_t (*services)[5]
        const uint8_t (*centres)[9]
        uint32_t centres_count, first_bar, operators, amount_min, amount_max
        uint64_t seed
        bint is_ordered
    ctypedef struct Made:
        pass
    void messages_make(
        const Making* making, uint64_t first, size_t count, uint8_t* to, Made* made)

    enum:
        RESULTS_MAX, BUCKETS, STATUSES, RUN_FAILED

    ctypedef struct Failure:
        char[400] text
    ctypedef struct Layout:
        uint32_t payload, item, id, amount
        int asks
        bint is_held
    ctypedef struct Expected:
        pass
    ctypedef struct Totals:
        uint64_t payments, accepted, amount
        uint64_t* refused
    ctypedef struct LoadCounts:
        uint64_t messages, replies, sent, unanswered, open, resets
        uint64_t* statuses
    ctypedef struct Load:
        pass

    uint64_t clock_ns()
    size_t layout_size(const Layout* layout)
    void answers_expect(const Layout* layout, const uint8_t* message, Expected* expected)
    int answers_count(const uint8_t* reply, size_t size, Failure* failure)
    int answers_check(
        const Layout* layout, const uint8_t** at, const uint8_t* end,
        const Expected* expected, Totals* totals, Failure* failure)

    SSL_CTX* tls_context(
        bint is_server, const char* certificate, const char* key, const char* authority,
        Failure* failure)
    Load* load_new(
        const Layout* layout, bint is_stream, uint32_t connections, uint32_t outstanding,
        bint keeps_times, Failure* failure)
    int load_dial(
        Load* load, const char* host, int port, const char* path, SSL_CTX* tls,
        const char* session, uint32_t count)
    void load_free(Load* load)
    void load_supply(
        Load* load, const uint8_t* messages, const uint64_t* due_ns, size_t count)
    int load_run(Load* load, uint64_t until_ns)
    void load_end(Load* load, uint64_t at_ns)
    LoadCounts* load_counts(Load* load)
    Totals* load_totals(Load* load)
    void load_measure(Load* load, uint64_t since_ns, uint64_t until_ns)
    uint64_t* load_latencies(Load* load, uint64_t* largest)
    void load_clear_latencies(Load* load)
    void load_set_room(Load* load, int64_t messages)
    int64_t load_get_room(const Load* load)
    uint64_t load_next_due(const Load* load)
    size_t load_overdue(const Load* load, uint64_t at_ns)
    const uint64_t* load_times(const Load* load, size_t* count)
    const char* load_last_status(const Load* load)
    int sink_serve(
        int listener, SSL_CTX* tls, const Layout* layout, bint is_stream,
        int* stop, Failure* failure)
    int flood_keys(
        SSL_CTX* tls, const char* host, int port, uint64_t until_ns, uint64_t* sent,
        bool* is_ended, Failure* failure)
    ctypedef struct Connection:
        pass
    ctypedef struct BillersCounts:
        uint64_t messages, confirm, status, credited, credited_paise, bills_paid_again
    ctypedef struct BillersOfC "Billers":
        pass
    BillersOfC* billers_new(Failure* failure)
    int billers_dial(BillersOfC* self, const char* host, int port, SSL_CTX* tls)
    int billers_serve(BillersOfC* self, int* stop)
    const BillersCounts* billers_counts(const BillersOfC* self)
    void billers_free(BillersOfC* self)
    Connection* crowd_dial(SSL_CTX* tls, const char* host, int port, Failure* failure)
    bool crowd_is_ended(Connection* connection, Failure* failure)
    void crowd_close(Connection* connection)

TIME, EMPTY, DONE = range(3)
PAYMENTS, PAYMENT_STATE, NOTHING = range(3)


class CheckError(Exception):
    """An answer is not the one to the payment that was sent."""


MADE = np.dtype([("amount", np.uint32), ("service", np.uint16), ("centre", np.uint16)])


cdef class Payments:
    """Makes payments that are each another, as `benchmarks.messages` describes them."""

    cdef Making making
    cdef object kept

    def __cinit__(
        self, payment, places, chosen, services, centres, *, first_share, operators,
        amounts, seed, bint is_ordered,
    ):
        cdef const uint8_t[::1] content = np.frombuffer(payment, np.uint8)
        cdef const uint16_t[::1] choice = chosen
        cdef const uint8_t[:, ::1] service = codes(services, SERVICE_SIZE)
        cdef const uint8_t[:, ::1] centre = codes(centres, CENTRE_SIZE)
        cdef Making* making = &self.making
        making.item = content.shape[0]
        sizes = {"id": 16, "service": SERVICE_SIZE, "amount": 3, "reference": 15,
                 "operator": 1, "centre": CENTRE_SIZE}
        for name, at in places.items():
            if not 0 < at <= <int>making.item - sizes[name]:
                raise ValueError(f"no place of a payment: {name}")
        if choice.shape[0] != CHOICES or chosen.max() >= len(services):
            raise ValueError("a choice of services is theirs")
        if not (0 < len(centres) <= 1 << 16 and 1 <= operators < 256):
            raise ValueError("centres and operators have bounds")
        if not 1 << 14 <= amounts[0] <= amounts[1] < 1 << 21:
            raise ValueError("an amount takes three bytes")
        making.payment = &content[0]
        making.id, making.service = places["id"], places["service"]
        making.amount, making.reference = places["amount"], places["reference"]
        making.operator_, making.centre = places["operator"], places.get("centre", 0)
        making.chosen = &choice[0]
        making.services = <const uint8_t (*)[5]>&service[0, 0]
        making.centres = <const uint8_t (*)[9]>&centre[0, 0]
        making.centres_count = len(centres)
        making.first_bar = min(int(first_share * (1 << 32)), (1 << 32) - 1)
        making.operators = operators
        making.amount_min, making.amount_max = amounts
        making.seed = seed
        making.is_ordered = is_ordered
        self.kept = content, choice, service, centre

    def make(self, first, rows not None):
        """Fill rows with the payments of these bills, and say what was drawn (MADE)."""
        cdef uint8_t[:, ::1] to = rows
        cdef size_t count = to.shape[0]
        cdef uint64_t number = first
        if <uint32_t>to.shape[1] != self.making.item or count == 0:
            raise ValueError("rows have a payment's bytes")
        made = np.empty(count, MADE)
        cdef uint8_t[::1] drawn = made.view(np.uint8)
        with nogil:
            messages_make(&self.making, number, count, &to[0, 0], <Made*>&drawn[0])
        return made


cdef object codes(object array, size_t size):
    """Codes of one size, as bytes."""
    if array.dtype.itemsize != size or len(array) == 0:
        raise ValueError(f"codes have {size} bytes")
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), size)


def now_ns():
    """The clock that all times here are of."""
    return clock_ns()


cdef Layout layout_of(object payload, object item, object id, object amount, int asks,
                      bint is_held) except *:
    cdef Layout layout
    if not (1 <= payload <= 8190 and 0 < item <= 4096 and 0 <= id <= item - 16):
        raise ValueError("no layout of a message")
    if not (asks != PAYMENTS or 0 <= amount <= item - 3):
        raise ValueError("no layout of a message")
    layout.payload, layout.item, layout.id = payload, item, id
    layout.amount, layout.asks, layout.is_held = amount, asks, is_held
    return layout


cdef str text_of(const Failure* failure):
    return (<bytes>failure.text).decode(errors="replace")


cdef object refused_of(const Totals* totals):
    return {result: totals.refused[result] for result in range(RESULTS_MAX)
            if totals.refused[result]}


def check(
    const uint8_t[::1] messages not None, const uint8_t[::1] reply not None,
    *, payload, item, id, amount, bint is_held=False,
):
    """Hold a reply against whole messages; (accepted, paise, {result: refused}).

    Raises CheckError.
    """
    cdef Layout layout = layout_of(payload, item, id, amount, PAYMENTS, is_held)
    cdef Failure failure
    cdef Totals* totals
    cdef Expected* expected
    cdef size_t size = layout_size(&layout)
    cdef size_t count = <size_t>messages.shape[0] // size
    cdef size_t i, j
    cdef const uint8_t* at = NULL
    cdef const uint8_t* end
    cdef int found
    if <size_t>messages.shape[0] != count * size or count == 0:
        raise ValueError("whole messages")
    if reply.shape[0] == 0:
        raise CheckError("an empty reply")
    found = answers_count(&reply[0], reply.shape[0], &failure)
    if found < 0:
        raise CheckError(text_of(&failure))
    if <size_t>found != count * layout.payload:
        raise CheckError(f"{found} outcomes for {count} messages")
    zeros = np.zeros(3 + RESULTS_MAX, np.uint64)
    space = np.empty(20 * layout.payload, np.uint8)
    cdef uint64_t[::1] counts = zeros
    cdef uint8_t[::1] room = space
    totals = <Totals*>&counts[0]
    expected = <Expected*>&room[0]
    at = &reply[0]
    end = at + reply.shape[0]
    for i in range(count):
        answers_expect(&layout, &messages[i * size], expected)
        for j in range(layout.payload):
            if answers_check(
                &layout, &at, end, <Expected*>(&room[0] + 20 * j), totals, &failure
            ) != 0:
                raise CheckError(text_of(&failure))
    return totals.accepted, totals.amount, refused_of(totals)


cdef class Client:
    """Connections to one method of one server, and all that goes over them."""

    cdef Load* load
    cdef Failure failure
    cdef readonly size_t size
    cdef object supplied

    def __cinit__(
        self, address, callers, path, *, connections, outstanding, payload, item, id,
        amount=0, int asks=PAYMENTS, bint is_stream=False, bint is_held=False,
        bint keeps_times=False,
    ):
        cdef Layout layout = layout_of(payload, item, id, amount, asks, is_held)
        cdef int failed
        cdef Load* load
        cdef int port_number
        cdef SSL_CTX* tls
        cdef bytes session
        cdef const char* session_text
        cdef uint32_t each
        host, _, port = address.rpartition(":")
        cdef bytes host_bytes = host.encode()
        cdef bytes path_bytes = path.encode()
        cdef const char* host_text = host_bytes
        cdef const char* path_text = path_bytes
        port_number = int(port)
        if not isinstance(callers, list):
            callers = [(callers, b"")]
        if not (1 <= connections <= 100_000 and 1 <= outstanding <= 1 << 19):
            raise ValueError("connections and messages have bounds")
        if not callers or connections % len(callers) != 0:
            raise ValueError("callers have as many connections each")
        self.size = layout_size(&layout)
        each = connections // len(callers)
        self.load = load = load_new(
            &layout, is_stream, connections, outstanding, keeps_times, &self.failure)
        for credentials, token in callers:
            session = b64encode(token).rstrip(b"=")
            session_text = session
            tls = context(credentials, False, &self.failure)
            with nogil:
                failed = load_dial(
                    load, host_text, port_number, path_text, tls, session_text, each)
                # What was connected keeps it.
                SSL_CTX_free(tls)
            if failed != 0:
                raise CheckError(text_of(&self.failure))

    def __dealloc__(self):
        load_free(self.load)

    def supply(self, const uint8_t[::1] messages not None, due_ns=None):
        """What is sent next: whole messages, each at its time, or at once."""
        cdef const uint64_t[::1] times
        cdef const uint64_t* due = NULL
        cdef size_t count = <size_t>messages.shape[0] // self.size
        if count == 0 or count * self.size != <size_t>messages.shape[0]:
            raise ValueError("whole messages")
        if due_ns is not None:
            times = due_ns
            if <size_t>times.shape[0] != count:
                raise ValueError("a time for each message")
            due = &times[0]
        load_supply(self.load, &messages[0], due, count)
        self.supplied = (messages, due_ns)

    def run(self, uint64_t until_ns):
        """Send and read until then (TIME), or messages are missing (EMPTY), or DONE.

        Raises CheckError.
        """
        cdef int rc
        with nogil:
            rc = load_run(self.load, until_ns)
        if rc == RUN_FAILED:
            raise CheckError(text_of(&self.failure))
        return rc

    def end(self, uint64_t at_ns):
        """Nothing is sent that is due later; streams are closed."""
        load_end(self.load, at_ns)

    def measure(self, uint64_t since_ns, uint64_t until_ns):
        """Count latencies of messages due in this time, from nothing on."""
        load_clear_latencies(self.load)
        load_measure(self.load, since_ns, until_ns)

    def freeze(self):
        """Count no more latencies."""
        load_measure(self.load, 1, 0)

    def latencies(self):
        """The counts of the histogram's buckets, and the largest, nanoseconds."""
        cdef uint64_t largest
        cdef uint64_t* counts = load_latencies(self.load, &largest)
        return np.array(<uint64_t[:BUCKETS]>counts), largest

    def counts(self):
        """What has happened so far."""
        cdef const LoadCounts* counts = load_counts(self.load)
        cdef const Totals* totals = load_totals(self.load)
        return {
            "messages": counts.messages,
            "replies": counts.replies,
            "sent": counts.sent,
            "unanswered": counts.unanswered,
            "payments": totals.payments,
            "accepted": totals.accepted,
            "amount": totals.amount,
            "resets": counts.resets,
        }

    def refused(self):
        """How many payments had each other result than OK."""
        return refused_of(load_totals(self.load))

    def statuses(self):
        """How many calls ended with each other status than OK."""
        cdef const LoadCounts* counts = load_counts(self.load)
        return {code: counts.statuses[code] for code in range(STATUSES)
                if counts.statuses[code]}

    @property
    def last_status(self):
        """The message of the last call that ended so."""
        return (<bytes>load_last_status(self.load)).decode(errors="replace")

    @property
    def room(self):
        """Messages that may be sent besides the connections' own bounds."""
        return load_get_room(self.load)

    @room.setter
    def room(self, int64_t messages):
        load_set_room(self.load, messages)

    @property
    def next_due_ns(self):
        """When the next message is due that was supplied and not sent; None if none."""
        cdef uint64_t due = load_next_due(self.load)
        return None if due == <uint64_t>-1 else due

    def overdue(self, uint64_t at_ns):
        """Messages that were supplied, due before then, and are not sent."""
        return load_overdue(self.load, at_ns)

    def times(self):
        """When each message that was sent was due."""
        cdef size_t count
        cdef const uint64_t* times = load_times(self.load, &count)
        if count == 0:
            return np.empty(0, np.uint64)
        return np.array(<uint64_t[:count]>times)


cdef SSL_CTX* context(object credentials, bint is_server, Failure* failure) except NULL:
    cdef bytes certificate = str(credentials.certificate).encode()
    cdef bytes key = str(credentials.key).encode()
    cdef bytes authority = str(credentials.authority).encode()
    cdef SSL_CTX* tls = tls_context(is_server, certificate, key, authority, failure)
    if tls == NULL:
        raise CheckError(text_of(failure))
    return tls


cdef class Sink:
    """Answers whatever a client asks, as fast as it can, until it is stopped."""

    cdef SSL_CTX* tls
    cdef Layout layout
    cdef bint is_stream
    cdef int stopped

    def __cinit__(
        self, credentials, *, payload, item, id, int asks, bint is_stream
    ):
        cdef Failure failure
        self.layout = layout_of(payload, item, id, 0, asks, False)
        self.is_stream = is_stream
        self.tls = context(credentials, True, &failure)

    def __dealloc__(self):
        SSL_CTX_free(self.tls)

    def stop(self):
        """From a signal handler or another thread."""
        self.stopped = 1

    def serve(self, int listener):
        """Serve on a listening socket's descriptor until stopped."""
        cdef Failure failure
        cdef int rc
        with nogil:
            rc = sink_serve(
                listener, self.tls, &self.layout, self.is_stream, &self.stopped, &failure)
        if rc != 0:
            raise CheckError(text_of(&failure))


cdef class Billers:
    """Billers that confirm whatever they are asked."""

    cdef BillersOfC* billers
    cdef Failure failure
    cdef int stopped

    def __cinit__(self):
        self.billers = billers_new(&self.failure)

    def __dealloc__(self):
        billers_free(self.billers)

    def dial(self, address, credentials):
        """Connect with the certificate of one of them. Raises CheckError."""
        cdef int rc
        host, _, port = address.rpartition(":")
        cdef bytes host_bytes = host.encode()
        cdef const char* host_text = host_bytes
        cdef int port_number = int(port)
        cdef SSL_CTX* tls = context(credentials, False, &self.failure)
        with nogil:
            rc = billers_dial(self.billers, host_text, port_number, tls)
            SSL_CTX_free(tls)
        if rc != 0:
            raise CheckError(text_of(&self.failure))

    def stop(self):
        """From a signal handler or another thread."""
        self.stopped = 1

    def serve(self):
        """Answer until stopped. Raises CheckError."""
        cdef int rc
        with nogil:
            rc = billers_serve(self.billers, &self.stopped)
        if rc != 0:
            raise CheckError(text_of(&self.failure))

    def counts(self):
        """What has happened so far."""
        cdef const BillersCounts* counts = billers_counts(self.billers)
        return {
            "messages": counts.messages,
            "confirm": counts.confirm,
            "status": counts.status,
            "credited": counts.credited,
            "credited_paise": counts.credited_paise,
            "bills_paid_again": counts.bills_paid_again,
        }


def update_keys(address, credentials, uint64_t until_ns):
    """Change TLS keys on one connection without an end; (how often, was it ended).

    Raises CheckError if it does not come about.
    """
    cdef Failure failure
    cdef uint64_t sent
    cdef bool is_ended
    cdef int rc
    host, _, port = address.rpartition(":")
    cdef bytes host_bytes = host.encode()
    cdef const char* host_text = host_bytes
    cdef int port_number = int(port)
    cdef SSL_CTX* tls = context(credentials, False, &failure)
    with nogil:
        rc = flood_keys(
            tls, host_text, port_number, until_ns, &sent, &is_ended, &failure)
        SSL_CTX_free(tls)
    if rc != 0:
        raise CheckError(text_of(&failure))
    return sent, is_ended != 0


cdef class Silent:
    """A connection that shakes hands, without the GIL, and then says nothing."""

    cdef Connection* connection

    def __cinit__(self, address, credentials):
        cdef Failure failure
        host, _, port = address.rpartition(":")
        cdef bytes host_bytes = host.encode()
        cdef const char* host_text = host_bytes
        cdef int port_number = int(port)
        cdef SSL_CTX* tls = context(credentials, False, &failure)
        with nogil:
            self.connection = crowd_dial(tls, host_text, port_number, &failure)
            SSL_CTX_free(tls)
        if self.connection == NULL:
            raise CheckError(text_of(&failure))

    def __dealloc__(self):
        if self.connection != NULL:
            crowd_close(self.connection)

    @property
    def is_ended(self):
        """Whether the other side has closed it."""
        cdef Failure failure
        return crowd_is_ended(self.connection, &failure) != 0
