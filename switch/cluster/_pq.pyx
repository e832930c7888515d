"""PostgreSQL by libpq, with a deadline on every step and each notice seen.

A `Connection` belongs to one thread at a time. Whatever is not known to be done raises
DoubtError and ends the connection. `Appender` is the way that a ledger's commits take:
in C, without the GIL, and into Python only for what is in doubt.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strlen, strncpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

import struct
import sys

from switch.cluster import log as logs
from switch.cluster.log import DoubtError
from switch.errors import ConfigError

cdef enum:
    NS_IN_S = 1000000000
    HOSTS_MOST = 8              # nodes that a connection is looked for at
    PARAMS_MOST = 8             # of a statement
    OPTIONS_MOST = 64           # keywords of a connection; libpq has some 45

include "pq/libpq.pxi"
include "pq/link.pxi"
include "pq/connect.pxi"

HOSTS_MAX = HOSTS_MOST

WHYS = ("", "lost", "timeout", "notice", "error", "settings", "no row", "busy")


def parse(str dsn):
    """What a connection string or URI says. ConfigError if it cannot be read."""
    cdef char *error = NULL
    cdef bytes said = dsn.encode()
    cdef PQconninfoOption *options = PQconninfoParse(said, &error)
    cdef PQconninfoOption *one = options
    if options is NULL:
        # It quotes from the string, maybe a password.
        PQfreemem(error)
        raise ConfigError("dsn: not a connection string of PostgreSQL: key=value key=value ...")
    found = {}
    while one.keyword is not NULL:
        if one.val is not NULL and one.val[0]:
            found[one.keyword.decode()] = one.val.decode(errors="replace")
        one += 1
    PQconninfoFree(options)
    return found


cdef object value_of(const PGresult *result, int row, int field):
    """One value of a result in binary, of the types that our statements have."""
    if PQgetisnull(result, row, field):
        return None
    cdef const char *at = PQgetvalue(result, row, field)
    cdef Oid kind = PQftype(result, field)
    data = PyBytes_FromStringAndSize(at, PQgetlength(result, row, field))
    if kind == OID_INT8 or kind == OID_INT4:
        return int.from_bytes(data, "big", signed=True)
    if kind == OID_BYTEA:
        return data
    if kind == OID_TEXT:
        return data.decode()
    if kind == OID_BOOL:
        return data != b"\0"
    if kind == OID_FLOAT8:
        return struct.unpack(">d", data)[0]
    raise TypeError(f"a column of type {kind}: cast it")


@cython.final
cdef class Connection:
    """At most one connection, and what it is asked. DoubtError of all but misuse."""

    cdef Link link
    cdef object __weakref__

    def __cinit__(self):
        memset(&self.link, 0, sizeof(Link))

    def __dealloc__(self):
        link_close(&self.link, LINK_DONE)

    @property
    def connected(self):
        return self.link.conn is not NULL

    @property
    def notices(self):
        return self.link.notices

    @property
    def said(self):
        return (<bytes>self.link.text).decode(errors="replace")

    @property
    def backend(self):
        return PQbackendPID(self.link.conn) if self.link.conn is not NULL else 0

    @property
    def server_version(self):
        return PQserverVersion(self.link.conn) if self.link.conn is not NULL else 0

    @property
    def is_encrypted(self):
        return self.link.conn is not NULL and PQsslInUse(self.link.conn) != 0

    def open(self, hosts, double wait_s):
        """Connect to the first of these that is as its options say; which it was.

        Each is a dict of libpq's options for one host. One that has not answered in time
        before is taken only if no other is.
        """
        cdef Attempt attempts[HOSTS_MOST]
        cdef const char *keys[OPTIONS_MOST + 1]
        cdef const char *values[OPTIONS_MOST + 1]
        cdef int count = len(hosts), n, k, found = -1, avoid
        cdef int64_t until = clock_now() + <int64_t>(wait_s * NS_IN_S)
        if not 1 <= count <= HOSTS_MOST or any(len(one) > OPTIONS_MOST for one in hosts):
            raise ValueError(f"{count} hosts, or too many options")
        self._enter()
        try:
            avoid = self.link.at if self.link.failed == LINK_TIMEOUT else -1
            link_close(&self.link, LINK_DONE)
            memset(attempts, 0, sizeof(attempts))
            for n, options in enumerate(hosts):
                words = [(key.encode(), value.encode()) for key, value in options.items()]
                for k, (key, value) in enumerate(words):
                    keys[k], values[k] = key, value
                keys[len(words)] = values[len(words)] = NULL
                with nogil:  # a name is looked up for as long as the resolver likes
                    attempts[n].conn = PQconnectStartParams(keys, values, 0)
                if attempts[n].conn is NULL:
                    continue
                attempts[n].wants = PGRES_POLLING_WRITING
                PQsetNoticeReceiver(attempts[n].conn, link_noticed, &self.link)
                if PQstatus(attempts[n].conn) == CONNECTION_BAD:
                    link_say(&self.link, PQerrorMessage(attempts[n].conn))
                    PQfinish(attempts[n].conn)
                    attempts[n].conn = NULL
            with nogil:
                found = connect_first(attempts, count, avoid, until, &self.link)
                for n in range(count):
                    if n != found and attempts[n].conn is not NULL:
                        PQfinish(attempts[n].conn)
            if found < 0:
                raise DoubtError("lost", self.said)
            self.link.conn, self.link.at = attempts[found].conn, found
            PQsetnonblocking(self.link.conn, 1)
            # Those that came with connecting say nothing of a transaction.
            self.link.notices = 0
            return found
        finally:
            given_back(&self.link.in_use)

    def close(self):
        """Shut the socket. Does nothing if there is no connection."""
        self._enter()
        link_close(&self.link, self.link.failed)
        given_back(&self.link.in_use)

    def prepare_append(self, str statement, double wait_s):
        """Let the server know the statement that `append` runs."""
        cdef Oid kinds[APPEND_PARAMS]
        cdef bytes text = statement.encode()
        cdef PGresult *result = NULL
        cdef int n, sent
        for n in range(APPEND_PARAMS):
            kinds[n] = OID_INT8
        kinds[APPEND_PARAMS - 1] = OID_BYTEA
        self._enter()
        try:
            self._need()
            sent = PQsendPrepare(self.link.conn, APPEND_NAME, text, APPEND_PARAMS, kinds)
            result = self._take(sent, wait_s, self.link.notices)
            PQclear(result)
        finally:
            given_back(&self.link.in_use)

    def append(self, chunk, double wait_s):
        """Run the prepared append with a `Sealed`; return only if it is done."""
        cdef bytes data = chunk.data
        cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(data)
        cdef size_t size = len(data)
        cdef int64_t wait_ns = <int64_t>(wait_s * NS_IN_S)
        cdef Place place
        cdef int failed
        place.first, place.last, place.epoch = chunk.first, chunk.last, chunk.epoch
        place.previous, place.check = chunk.previous, chunk.check
        self._enter()
        try:
            with nogil:
                failed = link_append(&self.link, &place, at, size, wait_ns)
            if failed:
                self._fail(failed)
        finally:
            given_back(&self.link.in_use)

    def execute(self, str statement, tuple params, double wait_s):
        """Run one statement in a transaction of its own; its rows.

        Parameters are int (int8), bytes (bytea), str (text), float (float8) or bool.
        """
        cdef const char *values[PARAMS_MOST]
        cdef int lengths[PARAMS_MOST]
        cdef int formats[PARAMS_MOST]
        cdef Oid kinds[PARAMS_MOST]
        cdef PGresult *result = NULL
        cdef bytes text = statement.encode()
        cdef int n, m, sent, count = len(params)
        if count > PARAMS_MOST:
            raise ValueError(f"{count} parameters")
        kept = []
        for n, one in enumerate(params):
            if isinstance(one, bool):
                kinds[n], data = OID_BOOL, bytes([one])
            elif isinstance(one, int):
                kinds[n], data = OID_INT8, one.to_bytes(8, "big", signed=True)
            elif isinstance(one, float):
                kinds[n], data = OID_FLOAT8, struct.pack(">d", one)
            elif isinstance(one, str):
                kinds[n], data = OID_TEXT, one.encode()
            elif isinstance(one, bytes):
                kinds[n], data = OID_BYTEA, one
            else:
                raise TypeError(f"a parameter of type {type(one).__name__}")
            kept.append(data)
            values[n], lengths[n], formats[n] = PyBytes_AS_STRING(data), len(data), BINARY
        self._enter()
        try:
            self._need()
            sent = PQsendQueryParams(
                self.link.conn, text, count, kinds, values, lengths, formats, BINARY
            )
            result = self._take(sent, wait_s, self.link.notices)
            try:
                return [
                    tuple([value_of(result, n, m) for m in range(PQnfields(result))])
                    for n in range(PQntuples(result))
                ]
            finally:
                PQclear(result)
        finally:
            given_back(&self.link.in_use)

    def run_script(self, str script, double wait_s):
        """Run statements, one behind the other: for making tables. Notices may come."""
        cdef bytes text = script.encode()
        self._enter()
        try:
            self._need()
            PQclear(self._take(PQsendQuery(self.link.conn, text), wait_s, -1))
        finally:
            given_back(&self.link.in_use)

    cdef int _enter(self) except -1:
        if taken_before(&self.link.in_use):
            raise DoubtError("busy", "two threads have one connection")
        return 0

    cdef int _need(self) except -1:
        if self.link.conn is NULL:
            raise DoubtError("lost", "not connected")
        return 0

    cdef int _fail(self, int failed) except -1:
        text = self.said
        link_close(&self.link, failed)
        raise DoubtError(WHYS[failed], text)

    cdef PGresult *_take(self, int sent, double wait_s, int64_t notices) except NULL:
        """The result of what was sent; `notices`: how many there were, -1 if any may come."""
        cdef PGresult *result = NULL
        cdef int64_t until = clock_now() + <int64_t>(wait_s * NS_IN_S)
        cdef int failed
        if not sent:
            self._fail(link_lost(&self.link))
        with nogil:
            failed = link_take(&self.link, until, &result)
        if not failed and notices >= 0 and <int64_t>self.link.notices != notices:
            PQclear(result)
            failed = LINK_NOTICE
        if failed:
            self._fail(failed)
        return result


cdef struct Header:             # of a chunk; docs/data-model.md
    uint32_t magic
    uint16_t format
    uint16_t reserved_0
    uint32_t rows_count
    uint32_t tail_size
    uint64_t first_sequence
    uint8_t instance[16]
    uint64_t epoch
    uint64_t ordinal
    uint32_t previous
    uint32_t check

if sizeof(Header) != logs.HEADER.size:
    raise ImportError("compiled with another header of a chunk")

cdef struct Way:                # what an append needs that does not have the GIL
    log_api api
    Link *link
    uint64_t epoch
    int64_t wait_ns
    size_t size_max
    uint64_t appended           # chunks, without those that were in doubt
    uint64_t bytes_
    int64_t waited_ns           # for them
    int64_t longest_ns
    bint is_settled             # the newest was in doubt: Python knows what it came to
    void *owner                 # an Appender, which lives as long as the capsule


cdef int way_append(void *log, const uint8_t *chunk, size_t size) noexcept nogil:
    """`log_api.append`."""
    cdef Way *way = <Way *>log
    cdef Header header
    cdef Place at
    cdef int64_t began = clock_now()
    cdef int failed
    if size < sizeof(Header) or size > way.size_max:
        return way_settle(way, chunk, size, LINK_ERROR)
    memcpy(&header, chunk, sizeof(Header))
    if header.epoch != way.epoch:
        return way_settle(way, chunk, size, LINK_ERROR)
    if taken_before(&way.link.in_use):
        return way_settle(way, chunk, size, LINK_BUSY)
    at.first = header.first_sequence
    at.last = header.first_sequence + header.rows_count - 1
    at.epoch, at.previous, at.check = header.epoch, header.previous, header.check
    failed = link_append(way.link, &at, chunk, size, way.wait_ns)
    if failed:
        link_close(way.link, failed)
    given_back(&way.link.in_use)
    if failed:
        return way_settle(way, chunk, size, failed)
    began = clock_now() - began
    way.appended += 1
    way.bytes_ += size
    way.waited_ns += began
    way.longest_ns = max(way.longest_ns, began)
    return API_DONE


cdef int way_settle(Way *way, const uint8_t *chunk, size_t size, int failed) noexcept with gil:
    """What became of a chunk in doubt: the replicator says it."""
    owner = <Appender>way.owner
    try:
        data = PyBytes_FromStringAndSize(<const char *>chunk, size)
        text = owner.connection.said
        return owner.replicator.settle(data, DoubtError(WHYS[failed], text))
    except BaseException:
        # Not even a chunk of ours, or no memory: nothing is known of it.
        sys.unraisablehook(_Unraised(*sys.exc_info()))
        return API_UNKNOWN


class _Unraised:
    """An error in a place that can raise none, as Python reports it."""

    err_msg = "a chunk in doubt could not be settled"
    object = None

    def __init__(self, kind, value, traceback):
        self.exc_type, self.exc_value, self.exc_traceback = kind, value, traceback


cdef void way_end(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


@cython.final
cdef class Appender:
    """The log as a ledger's commits reach it: `Ledger.replicate(appender.capsule(), epoch)`.

    The connection is the one that the replicator's log reconnects; nobody else uses it.
    """

    cdef Way way
    cdef readonly Connection connection
    cdef readonly object replicator

    def __init__(self, Connection connection, replicator, double wait_s):
        memset(&self.way, 0, sizeof(Way))
        self.connection, self.replicator = connection, replicator
        self.way.api.version = API_VERSION
        self.way.api.log = &self.way
        self.way.api.append = way_append
        self.way.link = &connection.link
        self.way.epoch = replicator.epoch
        self.way.wait_ns = <int64_t>(wait_s * NS_IN_S)
        self.way.size_max = logs.CHUNK_MAX
        self.way.owner = <void *>self

    def capsule(self):
        """A `struct log_api`; who keeps it keeps all that it needs."""
        capsule = PyCapsule_New(&self.way.api, API_NAME, way_end)
        Py_INCREF(self)
        PyCapsule_SetContext(capsule, <void *>self)
        return capsule

    @property
    def counts(self):
        """(chunks, bytes, seconds waited for them, the longest wait), without doubts."""
        cdef Way *way = &self.way
        return way.appended, way.bytes_, way.waited_ns / 1e9, way.longest_ns / 1e9
