# The reserve: zeros written ahead, so that a commit overwrites written blocks.

cdef inline uint64_t reserve_page_size(MDB_env* env) noexcept nogil:
    cdef MDB_stat stat
    mdb_env_stat(env, &stat)
    return stat.ms_psize


cdef int reserve_measure(State* s) noexcept nogil:
    """How far the journal's file reaches beyond the pages in use."""
    cdef MDB_envinfo info
    cdef stat_t status
    cdef uint64_t used
    if s.config.reserve_fd < 0:
        return 0
    mdb_env_info(s.config.journal_env, &info)
    used = (<uint64_t>info.me_last_pgno + 1) * reserve_page_size(s.config.journal_env)
    if fstat(s.config.reserve_fd, &status) != 0:
        return errno
    s.shared.reserve_left = max(<uint64_t>status.st_size, used) - used
    return 0


cdef enum:
    RESERVE_PIECE = 1048576   # bytes of zeros written at a time, if it hurries
    RESERVE_SYNC = 8388608    # and synced together
    RESERVE_SMALL = 131072    # bytes at a time while at least half of it is left,
    RESERVE_REST = 4          # with rests so many times as long as writing took,
    RESERVE_REST_MAX_NS = 100000000  # but no longer than this
    RESERVE_ALIGN = 4096      # what writing past the page cache asks of the memory


cdef int reserve_open(State* s, const char* path) noexcept nogil:
    """A descriptor that only appends, past the page cache where the file system can.

    Zeros have no business in the page cache: each would be copied there, push out what is
    read, and be waited for by the next commit's sync.
    """
    cdef int flags = O_WRONLY | O_APPEND | O_CLOEXEC
    s.config.reserve_fd = posix_open(path, flags | O_DIRECT)
    if s.config.reserve_fd < 0 and errno == EINVAL:
        s.config.reserve_fd = posix_open(path, flags)
    return errno if s.config.reserve_fd < 0 else 0


cdef bint _reserve_leave_direct(State* s) noexcept nogil:
    """Write through the page cache from here on; False if that is done already.

    A file whose end is not where the disk's blocks end cannot be appended to past it.
    """
    cdef int flags = posix_fcntl(s.config.reserve_fd, F_GETFL)
    if flags & O_DIRECT == 0:
        return False
    return posix_fcntl(s.config.reserve_fd, F_SETFL, flags & ~O_DIRECT) == 0


cdef void _reserve_rest(uint64_t took) noexcept nogil:
    """Between two small pieces: a commit that came meanwhile has the disk."""
    cdef timespec rest
    rest.tv_sec = 0
    rest.tv_nsec = <long>min(took * RESERVE_REST, <uint64_t>RESERVE_REST_MAX_NS)
    nanosleep(&rest, NULL)


cdef int _reserve_extend(State* s) noexcept nogil:
    """Append zeros until a whole reserve and one more lie ahead, and sync them.

    The descriptor only appends, so it can never touch a page that LMDB has written.
    """
    cdef void* zeros = NULL
    cdef uint64_t left, unsynced, began
    cdef ssize_t written
    cdef bint paced
    cdef int rc = reserve_measure(s)
    if rc != 0 or s.config.reserve_fd < 0 or s.shared.reserve_left >= s.config.reserve_size:
        return rc
    native_assert(s.config.reserve_size > 0, b"_reserve_extend: one is wanted")
    rc = posix_memalign(&zeros, RESERVE_ALIGN, RESERVE_PIECE)
    if rc != 0:
        return rc
    memset(zeros, 0, RESERVE_PIECE)
    # What commits use up meanwhile is made good the next time.
    left = s.shared.reserve_left
    unsynced = 0
    while rc == 0 and left < 2 * s.config.reserve_size and not s.shared.stopping:
        paced = 2 * s.shared.reserve_left >= s.config.reserve_size
        began = native_monotonic_ns()
        written = write(s.config.reserve_fd, zeros, RESERVE_SMALL if paced else RESERVE_PIECE)
        if written < 0:
            rc = errno
            if rc == EINVAL and _reserve_leave_direct(s):
                rc = 0
                continue
            break
        if paced:
            _reserve_rest(native_monotonic_ns() - began)
        left += written
        unsynced += written
        if unsynced >= RESERVE_SYNC or left >= 2 * s.config.reserve_size:
            unsynced = 0
            rc = errno if fdatasync(s.config.reserve_fd) != 0 else 0
    free(zeros)
    return rc


cdef int reserve_wait(State* s) noexcept nogil:
    """Wait until the reserve is small or a second has passed, then extend it."""
    cdef timespec until
    cdef int rc
    pthread_mutex_lock(&s.shared.lock)
    if not s.shared.stopping and (
        s.shared.reserve_left >= s.config.reserve_size or s.shared.space_failed or s.shared.dead
    ):
        clock_gettime(CLOCK_MONOTONIC, &until)
        until.tv_sec += 1
        pthread_cond_timedwait(&s.shared.space_due, &s.shared.lock, &until)
    pthread_mutex_unlock(&s.shared.lock)
    if s.shared.stopping or s.shared.dead:
        return 0
    rc = _reserve_extend(s)
    pthread_mutex_lock(&s.shared.lock)
    if rc != 0 and not store_is_space(rc) and rc != ENOMEM and not s.shared.dead:
        # An error of the disk is told once, to whoever asks first: what LMDB has written of
        # this very file may be lost with it, and its next sync would say that all is well.
        s.shared.dead = rc
        pthread_cond_broadcast(&s.shared.moved)
    s.shared.space_failed = rc
    reserve_measure(s)
    pthread_mutex_unlock(&s.shared.lock)
    return rc
