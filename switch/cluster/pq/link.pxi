# One connection, without Python: sending, waiting until a moment, and the one append.
#
# Every function that waits is told until when. What is not known to be done ends the
# connection: its socket is shut before libpq lets go of it, so that nothing that it still
# holds can arrive later, and no cancel request is ever sent: one would cut short the wait
# for standbys of a transaction that is done, and say that it succeeded.

cdef enum:  # what came of a step; WHYS says the same in words
    LINK_DONE = 0
    LINK_LOST
    LINK_TIMEOUT
    LINK_NOTICE
    LINK_ERROR
    LINK_SETTINGS
    LINK_NO_ROW
    LINK_BUSY

cdef enum:
    TEXT_SIZE = 512             # bytes kept of what a server or libpq said last
    OID_BOOL = 16
    OID_BYTEA = 17
    OID_INT8 = 20
    OID_INT4 = 23
    OID_TEXT = 25
    OID_FLOAT8 = 701
    BINARY = 1
    APPEND_PARAMS = 6

cdef extern from * nogil:
    """
    #define APPEND_NAME "append"  /* under which a server knows the statement */
    """
    const char *APPEND_NAME

cdef struct Link:
    PGconn *conn                # NULL while there is no connection
    uint64_t notices            # that the server added, since it was connected
    int in_use                  # by a thread
    int at                      # which of its hosts it is connected to, or was last
    int failed                  # what came of the newest step
    char text[TEXT_SIZE]

cdef struct Place:              # of a chunk, as its header says
    uint64_t first
    uint64_t last
    uint64_t epoch
    uint32_t previous
    uint32_t check


cdef int64_t clock_now() noexcept nogil:
    """Nanoseconds that no setting of the wall clock changes."""
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * NS_IN_S + now.tv_nsec


cdef int wait_for(pollfd *fds, int count, int64_t until) noexcept nogil:
    """Until one of them is ready: whether one is before the moment has come."""
    cdef int64_t left
    cdef timespec wait
    cdef int ready
    while True:
        left = until - clock_now()
        if left <= 0:
            return 0
        wait.tv_sec = left // NS_IN_S
        wait.tv_nsec = left % NS_IN_S
        ready = ppoll(fds, count, &wait, NULL)
        if ready > 0:
            return 1
        # A signal, or its time is over; the clock knows.


cdef void link_say(Link *link, const char *text) noexcept nogil:
    """Keep the first line of it."""
    cdef size_t n = 0
    while n < TEXT_SIZE - 1 and text[n] != 0 and text[n] != c"\n":
        link.text[n] = text[n]
        n += 1
    link.text[n] = 0


cdef void link_say_result(Link *link, const PGresult *result) noexcept nogil:
    """Keep what a server says: its code, and the sentence."""
    cdef const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE)
    cdef const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
    cdef size_t n
    if code is NULL:
        link_say(link, b"no code")
    else:
        link_say(link, code)
    n = strlen(link.text)
    if text is not NULL and n + 2 < TEXT_SIZE:
        link.text[n] = c" "
        strncpy(link.text + n + 1, text, TEXT_SIZE - n - 2)
        link.text[TEXT_SIZE - 1] = 0


cdef void link_noticed(void *arg, const PGresult *result) noexcept nogil:
    """libpq calls it for each notice, whatever it says."""
    cdef Link *link = <Link *>arg
    link.notices += 1
    link_say_result(link, result)


cdef void link_close(Link *link, int failed) noexcept nogil:
    """Let go of the connection, if there is one. Does not wait."""
    cdef int fd
    link.failed = failed
    if link.conn is not NULL:
        fd = PQsocket(link.conn)
        if fd >= 0:
            shutdown(fd, SHUT_RDWR)
        PQfinish(link.conn)
        link.conn = NULL


cdef int link_lost(Link *link) noexcept nogil:
    link_say(link, PQerrorMessage(link.conn))
    return LINK_LOST


cdef int link_take(Link *link, int64_t until, PGresult **taken) noexcept nogil:
    """All that the server says to what was sent, up to the end of its transaction.

    Its last result is the caller's to clear if this is LINK_DONE, and NULL if not.
    """
    cdef PGresult *result
    cdef ExecStatusType status
    cdef pollfd fd
    cdef int failed = LINK_DONE
    cdef int unsent = 1
    cdef bint ended = False
    taken[0] = NULL
    while True:
        if unsent:
            unsent = PQflush(link.conn)
            if unsent < 0:
                failed = link_lost(link)
                break
        while not ended and not PQisBusy(link.conn):
            result = PQgetResult(link.conn)
            if result is NULL:
                ended = True
                break
            status = PQresultStatus(result)
            if status != PGRES_TUPLES_OK and status != PGRES_COMMAND_OK:
                failed = LINK_ERROR
                link_say_result(link, result)
                PQclear(result)
                continue
            PQclear(taken[0])
            taken[0] = result
        if ended:
            break
        fd.fd = PQsocket(link.conn)
        fd.events = POLLIN | (POLLOUT if unsent else 0)
        fd.revents = 0
        if not wait_for(&fd, 1, until):
            link_say(link, b"no answer in time")
            failed = LINK_TIMEOUT
            break
        if fd.revents & ~POLLOUT and not PQconsumeInput(link.conn):
            failed = link_lost(link)
            break
    if not failed and taken[0] is NULL:
        link_say(link, b"an answer without a result")
        failed = LINK_ERROR
    if PQstatus(link.conn) != CONNECTION_OK:
        failed = failed or link_lost(link)
    if failed:
        PQclear(taken[0])
        taken[0] = NULL
    return failed


cdef int link_append(
    Link *link, const Place *at, const uint8_t *chunk, size_t size, int64_t wait_ns
) noexcept nogil:
    """The append: LINK_DONE only if the server says so without any doubt."""
    cdef uint64_t numbers[5]
    cdef const char *values[APPEND_PARAMS]
    cdef int lengths[APPEND_PARAMS]
    cdef int formats[APPEND_PARAMS]
    cdef PGresult *result = NULL
    cdef uint64_t notices = link.notices
    cdef int n, failed
    if link.conn is NULL:
        link_say(link, b"not connected")
        return LINK_LOST
    numbers[0] = htobe64(at.first - 1)
    numbers[1] = htobe64(at.last)
    numbers[2] = htobe64(at.epoch)
    numbers[3] = htobe64(at.check)
    numbers[4] = htobe64(at.previous)
    for n in range(5):
        values[n] = <const char *>&numbers[n]
        lengths[n] = sizeof(uint64_t)
        formats[n] = BINARY
    values[5] = <const char *>chunk
    lengths[5] = <int>size
    formats[5] = BINARY
    if not PQsendQueryPrepared(
        link.conn, APPEND_NAME, APPEND_PARAMS, values, lengths, formats, BINARY
    ):
        return link_lost(link)
    failed = link_take(link, clock_now() + wait_ns, &result)
    if not failed:
        if PQntuples(result) != 1 or PQnfields(result) != 1:
            link_say(link, b"the head is not the one before the chunk")
            failed = LINK_NO_ROW
        elif PQgetlength(result, 0, 0) != 1 or PQgetvalue(result, 0, 0)[0] != 1:
            link_say(link, b"the server does not wait for standbys")
            failed = LINK_SETTINGS
        PQclear(result)
    if not failed and link.notices != notices:
        failed = LINK_NOTICE
    return failed
