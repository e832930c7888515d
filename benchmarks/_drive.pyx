"""Load that no Python stands in the way of: payments through the queue, one by one.

Every latency is kept, in arrays made before the clock starts. Answers are looked at: an
outcome must be of the payment that was sent. Beside it a bare LMDB commit, and the core's
own sealing and opening of tokens.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset
from posix.time cimport CLOCK_MONOTONIC

from switch._core cimport Queue
from switch.core.codes cimport *
from switch.core.layout cimport *
from switch.core.lmdb cimport *
from switch.core.native cimport *
from switch.core.queue cimport (
    FORM_ANSWERS, FORM_PAYMENTS, FORM_ROWS, KEPT_PART, LINE_ANSWERS, LINE_FRESH, LINE_ROUND,
    LINES_COUNT, QUEUE_API_NAME, QUEUE_API_VERSION, RESERVE_PART, SENDER_BUCKETS, SENDERS_MAX,
    TURN_ROWS, Call, Counts, Group, Line, QueueApi, Sender, Submitted, Taken, Wait, Waiting,
)
from switch.core.state cimport RC_FULL, TokenKey
from switch.core.threads cimport timespec

from switch.errors import StorageError, SwitchError

cdef extern from "<time.h>" nogil:
    int TIMER_ABSTIME
    int clock_gettime(int clock, timespec* now)
    int clock_nanosleep(int clock, int flags, const timespec* until, timespec* left)

# The parts themselves, compiled here once more: from Python a call costs what they do.
include "../switch/core/rules/quotation.pxi"
include "../switch/core/engine/senders.pxi"

cdef enum:
    OUTCOME_ID = 4            # bytes of tags and sizes before the id of an outcome
    OUTCOME_RESULT = 21       # where its result stands
    PAYMENT_ID = 4            # likewise the id of a payment within its message
    WAIT_NS = 1000000000
    CHUNK_HEAD = 64           # bytes before the rows of a chunk


cdef uint64_t drive_now() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec


cdef void drive_sleep(uint64_t at) noexcept nogil:
    cdef timespec until
    until.tv_sec = <long>(at // 1000000000)
    until.tv_nsec = <long>(at % 1000000000)
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL)


cdef int drive_look(
    const Group* group, const Call* call, const uint8_t* message, uint64_t* accepted
) noexcept nogil:
    """Count an outcome; -1 if it is not of this message."""
    cdef const uint8_t* outcome = group.replies + call.reply
    if call.reply_size <= OUTCOME_RESULT:
        return -1
    if memcmp(outcome + OUTCOME_ID, message + PAYMENT_ID, 16) != 0:
        return -1
    accepted[0] += outcome[OUTCOME_RESULT] == 1
    return 0


def now_ns():
    """The clock that all times here are of."""
    return drive_now()


def closed(
    Queue queue not None, const uint8_t[:, ::1] messages, uint32_t sender,
    uint64_t[::1] latencies, uint64_t until_ns,
):
    """Pay one message, wait for its answer, pay the next; (sent, accepted).

    Until the messages or the time are at their end. Without the GIL, so that several
    threads are several clients.
    """
    cdef Py_ssize_t count = messages.shape[0]
    cdef size_t size = messages.shape[1]
    cdef Py_ssize_t i = 0
    cdef uint64_t before, after
    cdef uint64_t accepted = 0
    cdef int rc = 0
    cdef Wait wait
    if latencies.shape[0] < count:
        raise ValueError("a latency for each message")
    with nogil:
        before = drive_now()
        while i < count and before < until_ns:
            rc = queue.commit_payments(&messages[i, 0], size, sender, 0, &wait)
            if wait.group == NULL:
                break
            if rc == 0:
                rc = drive_look(wait.group, wait.call, &messages[i, 0], &accepted)
            queue.release_group(wait.group)
            if rc != 0:
                break
            after = drive_now()
            latencies[i] = after - before
            before = after
            i += 1
    if rc != 0:
        raise SwitchError(f"payment {i} ended with {rc}")
    return i, accepted


def send(
    Queue queue not None, const uint8_t[:, ::1] messages, uint32_t sender,
    uint64_t start_ns, double rate,
):
    """Pay each message at its time, whatever came of those before; how many were late.

    Late is one that found the queue full: it is sent as soon as there is room, and
    its latency still counts from its time.
    """
    cdef Py_ssize_t count = messages.shape[0]
    cdef size_t size = messages.shape[1]
    cdef Py_ssize_t i = 0
    cdef uint64_t late = 0
    cdef uint64_t at
    cdef int rc = 0
    with nogil:
        while i < count:
            at = start_ns + <uint64_t>(i * (1e9 / rate))
            if drive_now() < at:
                drive_sleep(at)
            rc = queue.submit_payments(&messages[i, 0], size, sender, 0, i)
            if rc == RC_FULL:
                late += 1
                while rc == RC_FULL:
                    drive_sleep(drive_now() + 100000)
                    rc = queue.submit_payments(&messages[i, 0], size, sender, 0, i)
            if rc != 0:
                break
            i += 1
    if rc != 0:
        raise SwitchError(f"payment {i} ended with {rc}")
    return late


def receive(
    Queue queue not None, const uint8_t[:, ::1] messages, uint64_t[::1] latencies,
    uint64_t start_ns, double rate,
):
    """Take the answers to all that `send` sends; (groups, accepted)."""
    cdef Py_ssize_t count = messages.shape[0]
    cdef uint64_t left = count
    cdef uint64_t accepted = 0
    cdef uint64_t groups = 0
    cdef uint64_t now, tag
    cdef uint32_t i
    cdef int rc = 0
    cdef int idle = 0
    cdef Group* group
    if latencies.shape[0] < count:
        raise ValueError("a latency for each message")
    with nogil:
        while left > 0 and rc == 0 and idle < 30:
            group = queue.wait_group(WAIT_NS)
            if group == NULL:
                idle += 1
                continue
            idle = 0
            now = drive_now()
            groups += 1
            rc = group.rc
            for i in range(group.calls_count):
                if rc != 0:
                    break
                tag = group.calls[i].tag
                rc = drive_look(group, &group.calls[i], &messages[tag, 0], &accepted)
                latencies[tag] = now - (start_ns + <uint64_t>(tag * (1e9 / rate)))
                left -= 1
            queue.release_group(group)
    if rc != 0 or left > 0:
        raise SwitchError(f"{left} payments have no answer: {rc}")
    return groups, accepted


cdef void drive_let_go(void* owner) noexcept nogil:
    with gil:
        Py_DECREF(<object>owner)


cdef class Taker:
    """Who submits and takes by `core/queue_api.h`, as another extension does."""

    cdef object capsule
    cdef const QueueApi* api
    cdef int number
    cdef Taken taken

    def __init__(self, capsule):
        self.api = <const QueueApi*>PyCapsule_GetPointer(capsule, QUEUE_API_NAME)
        assert self.api.version == QUEUE_API_VERSION
        self.capsule = capsule
        self.taken.group = NULL
        self.number = self.api.open(self.api.queue, drive_let_go)
        if self.number < 0:
            raise OSError(-self.number, "no taker")

    def fileno(self):
        return self.api.fileno(self.api.queue, self.number)

    def count(self, bytes body not None):
        cdef Counts counts
        cdef int rc = self.api.count(
            <const uint8_t*>PyBytes_AS_STRING(body), len(body), &counts
        )
        return rc, counts.rows, counts.payments, counts.baskets

    def submit(self, bytes body not None, uint32_t rows, uint32_t sender, uint64_t tag):
        cdef Submitted request
        request.body = <const uint8_t*>PyBytes_AS_STRING(body)
        request.size = len(body)
        request.rows = rows
        request.sender = sender
        request.centre = 0
        request.tag = tag
        request.owner = <void*>body
        Py_INCREF(body)
        cdef int rc = self.api.submit(self.api.queue, self.number, &request)
        if rc != 0:
            Py_DECREF(body)
        return rc

    def take(self):
        cdef bytes answer
        cdef uint32_t i
        if self.taken.group != NULL:
            raise ValueError("one group at a time")
        self.api.clear(self.api.queue, self.number)
        if not self.api.take(self.api.queue, self.number, &self.taken):
            return None
        parts = []
        for i in range(self.taken.parts_count):
            part = &self.taken.parts[i]
            answer = b""
            if self.taken.rc == 0:
                answer = PyBytes_FromStringAndSize(NULL, part.size)
                self.api.copy(&self.taken, part, <uint8_t*>PyBytes_AS_STRING(answer))
            parts.append((part.tag, part.rows, part.result, answer))
        return self.taken.rc, parts

    def release(self):
        self.api.release(self.api.queue, self.number, &self.taken)

    def died(self):
        cdef char[200] text
        cdef int rc = self.api.died(self.api.queue, text, sizeof(text))
        return (rc, (<bytes>text).decode()) if rc != 0 else (0, "")


def bare_commits(bytes path not None, uint64_t first, uint64_t[::1] latencies):
    """Durable LMDB commits of two small puts each: the least that a payment could cost.

    A row of 128 bytes by its number, from `first` on, and its number by a 16-byte id.
    """
    cdef MDB_env* env = NULL
    cdef const char* name = path
    cdef Py_ssize_t count = latencies.shape[0]
    cdef int rc
    with nogil:
        rc = drive_env(&env, name)
        if rc == 0:
            rc = drive_commit(env, first, &latencies[0], count)
        if env != NULL:
            mdb_env_close(env)
    if rc != 0:
        raise StorageError(rc, "a bare commit failed")


cdef int drive_env(MDB_env** env, const char* path) noexcept nogil:
    cdef int rc = mdb_env_create(env)
    if rc == 0:
        mdb_env_set_mapsize(env[0], <size_t>1 << 34)
        mdb_env_set_maxdbs(env[0], 2)
        rc = mdb_env_open(env[0], path, MDB_NOTLS | MDB_NORDAHEAD, 0o600)
    return rc


cdef int drive_open(MDB_env* env, MDB_dbi* rows, MDB_dbi* ids) noexcept nogil:
    cdef MDB_txn* txn
    cdef int rc = mdb_txn_begin(env, NULL, 0, &txn)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"rows", MDB_CREATE, rows)
    if rc == 0:
        rc = mdb_dbi_open(txn, b"ids", MDB_CREATE, ids)
    return mdb_txn_commit(txn) if rc == 0 else rc


cdef int drive_commit(
    MDB_env* env, uint64_t first, uint64_t* latencies, Py_ssize_t count
) noexcept nogil:
    cdef MDB_dbi rows, ids
    cdef MDB_txn* txn
    cdef MDB_val key, value
    cdef uint64_t[16] row
    cdef uint64_t[2] number
    cdef uint64_t swapped, before, after
    cdef Py_ssize_t i
    cdef int rc = drive_open(env, &rows, &ids)
    for i in range(16):
        row[i] = 0
    before = drive_now()
    for i in range(count):
        if rc == 0:
            rc = mdb_txn_begin(env, NULL, 0, &txn)
        if rc != 0:
            return rc
        # Big-endian, so that rows are appended, and the ids too: the best case.
        swapped = __builtin_bswap64(first + i)
        key.mv_size = 8
        key.mv_data = &swapped
        value.mv_size = sizeof(row)
        value.mv_data = &row[0]
        rc = mdb_put(txn, rows, &key, &value, MDB_APPEND)
        number[0] = swapped
        number[1] = i * <uint64_t>0x9E3779B97F4A7C15
        key.mv_size = 16
        key.mv_data = &number[0]
        value.mv_size = 8
        value.mv_data = &swapped
        if rc == 0:
            rc = mdb_put(txn, ids, &key, &value, 0)
        if rc != 0:
            mdb_txn_abort(txn)
            return rc
        rc = mdb_txn_commit(txn)
        after = drive_now()
        latencies[i] = after - before
        before = after
    return rc


def bare_open(
    bytes path not None, uint64_t first, uint64_t[::1] latencies, uint64_t start_ns, double rate
):
    """The least that `send` and `receive` could show: arrivals at a rate, and bare commits.

    All rows of 128 bytes that are due are one chunk, appended in one commit; a latency counts
    from the scheduled time. Row numbers are from `first` on. How many commits there were.
    """
    cdef MDB_env* env = NULL
    cdef const char* name = path
    cdef uint64_t commits = 0
    cdef uint8_t* chunk = <uint8_t*>malloc(CHUNK_HEAD + GROUP_MAX * sizeof(Row))
    cdef int rc
    if chunk == NULL:
        raise MemoryError
    with nogil:
        memset(chunk, 7, CHUNK_HEAD + GROUP_MAX * sizeof(Row))
        rc = drive_env(&env, name)
        if rc == 0:
            rc = drive_commit_due(
                env, chunk, first, &latencies[0], latencies.shape[0], start_ns, rate, &commits
            )
        if env != NULL:
            mdb_env_close(env)
    free(chunk)
    if rc != 0:
        raise StorageError(rc, "a bare commit failed")
    return commits


cdef int drive_commit_due(
    MDB_env* env, uint8_t* chunk, uint64_t first, uint64_t* latencies, Py_ssize_t count,
    uint64_t start_ns, double rate, uint64_t* commits,
) noexcept nogil:
    cdef MDB_dbi rows, ids
    cdef MDB_txn* txn
    cdef MDB_val key, value
    cdef Py_ssize_t done = 0
    cdef Py_ssize_t i, due
    cdef uint64_t swapped, now
    cdef int rc = drive_open(env, &rows, &ids)
    while rc == 0 and done < count:
        now = drive_now()
        due = 0 if now < start_ns else 1 + <Py_ssize_t>((now - start_ns) * rate / 1e9)
        due = min(due, count, done + GROUP_MAX)
        if due <= done:
            drive_sleep(start_ns + <uint64_t>(done * (1e9 / rate)))
            continue
        swapped = __builtin_bswap64(first + done)
        key.mv_size = 8
        key.mv_data = &swapped
        value.mv_size = CHUNK_HEAD + (due - done) * sizeof(Row)
        value.mv_data = chunk
        rc = mdb_txn_begin(env, NULL, 0, &txn)
        if rc != 0:
            return rc
        rc = mdb_put(txn, rows, &key, &value, MDB_APPEND)
        if rc != 0:
            mdb_txn_abort(txn)
            return rc
        rc = mdb_txn_commit(txn)
        now = drive_now()
        for i in range(done, due):
            latencies[i] = now - (start_ns + <uint64_t>(i * (1e9 / rate)))
        done = due
        commits[0] += 1
    return rc


cdef extern from *:
    uint64_t __builtin_bswap64(uint64_t value) nogil


cdef void drive_line(Call* line, const Call* call, uint32_t calls, Group* group) noexcept nogil:
    """What is left of `senders.pxi` if nobody has turns: calls wait in one line, where each is
    copied to, and leave it as far as the group has room."""
    cdef uint64_t rows = 0
    cdef uint64_t size = 0
    cdef uint32_t i
    for i in range(calls):
        if rows + call.rows_count > 2 * GROUP_MAX or size > 1 << 30:
            return
        line[i] = call[0]
        rows += call.rows_count
        size += call.size + call.tail_max
    for i in range(calls):
        if group.rows_count + line[i].rows_count > GROUP_MAX or (
            group.calls_count > 0 and group.tail_max + line[i].tail_max > TAIL_MAX
        ):
            return
        senders_put(group, &line[i])


def turns(uint32_t calls, uint32_t rounds, bint in_line):
    """Calls of one row of one sender, so many a group: (ns, calls that came out). `in_line`:
    without turns, in the order in which they came."""
    cdef Waiting w
    cdef Group group
    cdef Call call
    cdef Call* line = <Call*>malloc(GROUP_MAX * sizeof(Call))
    cdef uint64_t began, took
    cdef uint64_t done = 0
    cdef uint32_t _i, _j
    cdef int rc
    memset(&w, 0, sizeof(Waiting))
    memset(&group, 0, sizeof(Group))
    memset(&call, 0, sizeof(Call))
    w.rows_max = 8 * GROUP_MAX
    w.bytes_max = 1 << 30
    call.form = FORM_PAYMENTS
    call.sender = call.rows_count = call.taker = 1
    call.size = 61
    call.tail_max = 8
    group.calls = <Call*>malloc(GROUP_MAX * sizeof(Call))
    rc = senders_init(&w)
    if rc != 0 or line == NULL or group.calls == NULL or calls > GROUP_MAX:
        free(line)
        free(group.calls)
        senders_free(&w)
        raise MemoryError("too many calls, or no memory")
    with nogil:
        began = drive_now()
        for _i in range(rounds):
            group.calls_count = group.rows_count = group.tagged[1] = 0
            group.tail_max = 0
            if in_line:
                drive_line(line, &call, calls, &group)
            else:
                for _j in range(calls):
                    rc |= senders_add(&w, &call)
                senders_fill(&w, &group, False)
            done += group.calls_count
        took = drive_now() - began
    free(line)
    free(group.calls)
    senders_free(&w)
    if rc != 0:
        raise StorageError(rc, "a call found no room")
    return took, done


cdef int drive_make_keys(
    TokenKey* keys, const uint8_t[::1] secret, const uint8_t[::1] instance
) except -1:
    """The second key of two, so that opening finds it last; the first is another."""
    cdef uint64_t[2] name
    cdef uint8_t[TOKEN_KEY_SIZE] other
    if secret.shape[0] != TOKEN_KEY_SIZE or instance.shape[0] != 16:
        raise ValueError("a key has 32 bytes, an instance 16")
    memcpy(name, &instance[0], 16)
    memset(other, 7, TOKEN_KEY_SIZE)
    quotation_make_key(&keys[0], 2, other, name, 0)
    quotation_make_key(&keys[1], 1, &secret[0], name, 0)
    return 0


def open_tokens(
    const uint8_t[:, ::1] tokens, const uint8_t[::1] secret, const uint8_t[::1] instance,
    uint64_t now_ns,
):
    """Open each, sealed with the key of number 1; how many were right."""
    cdef TokenKey[TOKEN_KEYS_MAX] keys
    cdef Quotation quotation
    cdef Py_ssize_t i
    cdef Py_ssize_t right = 0
    cdef size_t size = tokens.shape[1]
    drive_make_keys(keys, secret, instance)
    with nogil:
        for i in range(tokens.shape[0]):
            right += quotation_open(keys, &tokens[i, 0], size, now_ns, &quotation) == OPENED_RIGHT
    return right


def seal_tokens(
    uint8_t[:, ::1] tokens, const uint8_t[::1] secret, const uint8_t[::1] instance
):
    """Seal each again where it stands, with the key of number 1; how many were."""
    cdef TokenKey[TOKEN_KEYS_MAX] keys
    cdef Py_ssize_t i
    cdef Py_ssize_t sealed = 0
    if tokens.shape[1] != sizeof(Quotation):
        raise ValueError("a token has 144 bytes")
    drive_make_keys(keys, secret, instance)
    with nogil:
        for i in range(tokens.shape[0]):
            sealed += quotation_seal(&keys[1], <Quotation*>&tokens[i, 0])
    return sealed
