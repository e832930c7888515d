# What of libpq, POSIX and the core's interface is used; nothing else is.

cdef extern from "libpq-fe.h" nogil:
    ctypedef unsigned int Oid
    ctypedef struct PGconn
    ctypedef struct PGresult
    ctypedef struct PQconninfoOption:
        char *keyword
        char *val
    ctypedef enum PostgresPollingStatusType:
        PGRES_POLLING_FAILED
        PGRES_POLLING_READING
        PGRES_POLLING_WRITING
        PGRES_POLLING_OK
    ctypedef enum ConnStatusType:
        CONNECTION_OK
        CONNECTION_BAD
    ctypedef enum ExecStatusType:
        PGRES_COMMAND_OK
        PGRES_TUPLES_OK
    ctypedef void (*PQnoticeReceiver)(void *arg, const PGresult *result) noexcept nogil
    enum:
        PG_DIAG_SQLSTATE
        PG_DIAG_MESSAGE_PRIMARY

    PQconninfoOption *PQconninfoParse(const char *conninfo, char **errmsg)
    void PQconninfoFree(PQconninfoOption *options)
    void PQfreemem(void *ptr)
    PGconn *PQconnectStartParams(const char *const *keywords, const char *const *values, int)
    PostgresPollingStatusType PQconnectPoll(PGconn *conn)
    void PQfinish(PGconn *conn)
    ConnStatusType PQstatus(const PGconn *conn)
    int PQsocket(const PGconn *conn)
    int PQbackendPID(const PGconn *conn)
    int PQserverVersion(const PGconn *conn)
    int PQsslInUse(PGconn *conn)
    char *PQerrorMessage(const PGconn *conn)
    PQnoticeReceiver PQsetNoticeReceiver(PGconn *conn, PQnoticeReceiver receiver, void *arg)
    int PQsetnonblocking(PGconn *conn, int arg)
    int PQsendQuery(PGconn *conn, const char *query)
    int PQsendQueryParams(PGconn *conn, const char *command, int count, const Oid *types,
                          const char *const *values, const int *lengths, const int *formats,
                          int result_format)
    int PQsendPrepare(PGconn *conn, const char *name, const char *query, int count,
                      const Oid *types)
    int PQsendQueryPrepared(PGconn *conn, const char *name, int count,
                            const char *const *values, const int *lengths, const int *formats,
                            int result_format)
    int PQflush(PGconn *conn)
    int PQisBusy(PGconn *conn)
    int PQconsumeInput(PGconn *conn)
    PGresult *PQgetResult(PGconn *conn)
    ExecStatusType PQresultStatus(const PGresult *result)
    char *PQresultErrorField(const PGresult *result, int field)
    int PQntuples(const PGresult *result)
    int PQnfields(const PGresult *result)
    Oid PQftype(const PGresult *result, int field)
    char *PQgetvalue(const PGresult *result, int row, int field)
    int PQgetlength(const PGresult *result, int row, int field)
    int PQgetisnull(const PGresult *result, int row, int field)
    void PQclear(PGresult *result)

cdef extern from "poll.h" nogil:
    enum:
        POLLIN
        POLLOUT
    struct pollfd:
        int fd
        short events
        short revents
    int ppoll(pollfd *fds, unsigned long count, const timespec *timeout, const void *mask)

cdef extern from "sys/socket.h" nogil:
    enum:
        SHUT_RDWR
    int shutdown(int fd, int how)

cdef extern from "endian.h" nogil:
    uint64_t htobe64(uint64_t value)

cdef extern from * nogil:
    """
    /* Whether somebody else is within; who is not let in does nothing. */
    static inline int taken_before(int *in_use) {
        return __atomic_exchange_n(in_use, 1, __ATOMIC_ACQUIRE);
    }
    static inline void given_back(int *in_use) {
        __atomic_store_n(in_use, 0, __ATOMIC_RELEASE);
    }
    """
    int taken_before(int *in_use)
    void given_back(int *in_use)

cdef extern from "core/log_api.h" nogil:
    enum:
        API_VERSION "LOG_API_VERSION"
        API_DONE "LOG_DONE"
        API_UNKNOWN "LOG_UNKNOWN"
    const char *API_NAME "LOG_API_NAME"
    struct log_api:
        uint32_t version
        void *log
        int (*append)(void *log, const uint8_t *chunk, size_t size) noexcept nogil
