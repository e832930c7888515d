# Connecting: all hosts at once, and the first that is as it should be wins.
#
# libpq would try them one after the other, without any bound of its own for one that does
# not answer. Names are looked up one after the other, by a resolver that may take longer
# than any deadline of ours: use addresses, or `hostaddr`.

cdef enum:
    GRACE_NS = 300000000

cdef struct Attempt:
    PGconn *conn                # NULL once it has failed
    PostgresPollingStatusType wants
    bint ready                  # it is connected, and kept in case no other is


cdef int connect_step(Attempt *one, Link *link) noexcept nogil:
    """Go on with one attempt: 1 if it is connected now."""
    one.wants = PQconnectPoll(one.conn)
    if one.wants == PGRES_POLLING_OK:
        return 1
    if one.wants == PGRES_POLLING_FAILED:
        link_say(link, PQerrorMessage(one.conn))
        PQfinish(one.conn)
        one.conn = NULL
    return 0


cdef int connect_first(
    Attempt *all_, int count, int avoid, int64_t until, Link *link
) noexcept nogil:
    """Which attempt is connected first; -1 if none is by then.

    The one to `avoid` is taken only if every other has failed, or is silent for GRACE_NS:
    it is the node that did not answer before, and may be one that nobody follows any more.
    """
    cdef int64_t grace = min(until, clock_now() + GRACE_NS)
    cdef bint kept = False
    cdef pollfd fds[HOSTS_MOST]
    cdef int places[HOSTS_MOST]
    cdef int n, waiting
    while True:
        waiting = 0
        for n in range(count):
            if all_[n].conn is NULL or all_[n].ready:
                continue
            places[waiting] = n
            fds[waiting].fd = PQsocket(all_[n].conn)
            fds[waiting].events = POLLIN if all_[n].wants == PGRES_POLLING_READING else POLLOUT
            fds[waiting].revents = 0
            waiting += 1
        if not waiting:
            break
        if not wait_for(fds, waiting, grace if kept else until):
            link_say(link, b"no connection in time")
            break
        for n in range(waiting):
            if not fds[n].revents or not connect_step(&all_[places[n]], link):
                continue
            if places[n] != avoid:
                return places[n]
            kept = all_[places[n]].ready = True
    for n in range(count):
        if all_[n].conn is not NULL and all_[n].ready:
            return n
    return -1
