# A ledger's files, locks and threads: opening and closing it. Part of _core.pyx.

cdef double READERS_WAIT_S = 0.001
_PATIENCE_S = 60.0
_VIEW_S = 10.0
cdef uint64_t READERS_CHECK_NS = 5000000000


def compare_journal(path, instance, as_of, chunk_check, *, map_size=4 << 40):
    cdef _Opened opened = _Opened.__new__(_Opened)
    cdef const uint8_t[::1] name = instance
    cdef uint64_t last = as_of
    cdef uint32_t wanted = chunk_check
    cdef int rc
    if name.shape[0] != 16:
        raise ValueError("an instance has 16 bytes")
    journal = os.fsencode(os.path.join(path, "journal"))
    try:
        check(lifetime_open_env(&opened.s.config.journal_env, journal, map_size))
        with nogil:
            rc = lifetime_compare(opened.s, &name[0], last, wanted)
        check(rc)
    finally:
        opened._release()


cdef class _Opened:
    """What is open, and who may use it; `Ledger` adds what is done with it."""

    cdef object __weakref__
    cdef State* s
    cdef Space[SPACES_COUNT] spaces
    cdef readonly str path
    cdef int lock_fd
    cdef bint is_open
    cdef pthread_mutex_t committing
    cdef object threads
    cdef object watch
    cdef _Users users
    cdef Outcome* outcomes
    cdef uint8_t* replies
    cdef Call* calls
    cdef uint64_t[::1] progress

    def __cinit__(self):
        cdef pthread_condattr_t attributes
        self.lock_fd = -1
        self.s = <State*>calloc(1, sizeof(State))
        self.outcomes = <Outcome*>calloc(GROUP_MAX, sizeof(Outcome))
        self.replies = <uint8_t*>malloc(GROUP_MAX * WIRE_OUTCOME_MAX)
        self.calls = <Call*>malloc(GROUP_MAX * sizeof(Call))
        if self.s == NULL or self.outcomes == NULL or self.replies == NULL or self.calls == NULL:
            raise MemoryError
        memset(self.spaces, 0, sizeof(self.spaces))
        self.users = _Users()
        self.s.config.reserve_fd = self.s.config.directory = -1
        pthread_mutex_init(&self.committing, NULL)
        pthread_mutex_init(&self.s.shared.lock, NULL)
        pthread_mutex_init(&self.s.shared.stepping, NULL)
        pthread_mutex_init(&self.s.shared.listing, NULL)
        pthread_mutex_init(&self.s.shared.watching, NULL)
        # Waits are by a clock that nobody sets.
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(&self.s.shared.moved, &attributes)
        pthread_cond_init(&self.s.shared.step_due, &attributes)
        pthread_cond_init(&self.s.shared.space_due, &attributes)
        pthread_cond_init(&self.s.shared.watch_due, &attributes)
        pthread_condattr_destroy(&attributes)

    def __init__(
        self, path, *, create=True, map_size=4 << 40, reserve_size=64 << 20,
        index_step_rows=131072, index_lag_max=1048576, index_segments_least=16,
        room_least=256 << 20, threads=True, patience_s=None, lock_fd=-1, progress=None,
        instance=None, view_s=_VIEW_S,
    ):
        if self.is_open or self.lock_fd >= 0:
            raise ValueError("open already")
        if not 16 <= index_step_rows <= 1 << 20:
            raise ValueError("index_step_rows is 16 to 2^20")
        if not index_step_rows <= index_lag_max <= 1 << 26:
            raise ValueError("index_lag_max is index_step_rows to 2^26")
        if map_size > MAP_SIZE_MAX:
            raise ValueError("map_size is at most 2^46")
        if not 1 <= index_segments_least <= ACCOUNTS_MAX // SEGMENT_ACCOUNTS:
            raise ValueError("index_segments_least is 1 to 4096")
        watched = threads or patience_s is not None
        if patience_s is None:
            patience_s = _PATIENCE_S
        if not 0 < patience_s <= 86400:
            raise ValueError("patience_s is more than 0, and a day at most")
        if not 0 < view_s <= 86400:
            raise ValueError("view_s is more than 0, and a day at most")
        if instance is not None and len(instance) != 16:
            raise ValueError("an instance has 16 bytes")
        if progress is not None:
            self.progress = progress
            if self.progress.shape[0] != 2:
                raise ValueError("progress is rows indexed so far, and rows in all")
        self.path = os.fspath(path)
        self.threads = []
        try:
            self.s.config.room_least = room_least
            self.s.config.segments_least = index_segments_least
            self.s.config.patience_ns = <uint64_t>(patience_s * 1e9)
            self.s.config.view_ns = <uint64_t>(view_s * 1e9)
            # A duplicate holds the caller's lock until both are closed.
            self.lock_fd = os.dup(lock_fd) if lock_fd >= 0 else -1
            self._open(
                create, map_size, reserve_size, index_step_rows, index_lag_max, instance
            )
        except BaseException:
            self._release()
            raise
        self.is_open = True
        _opened.add(self)
        if threads:
            self.threads = [self._start("index", _run_index), self._start("reserve", _run_reserve)]
        if watched:
            self.watch = self._start("watch", _run_watch)

    def _start(self, name, target):
        thread = threading.Thread(target=target, args=(self,), name=name, daemon=True)
        thread.start()
        return thread

    def _open(self, create, map_size, reserve_size, step_rows, lag_max, instance):
        journal = os.path.join(self.path, "journal")
        index = os.path.join(self.path, "index")
        data = os.path.join(journal, "data.mdb")
        if not create and not os.path.isfile(data):
            raise FormatError(0, f"{self.path} holds no ledger")
        is_new = not (os.path.isfile(data) and os.path.isfile(os.path.join(index, "data.mdb")))
        os.makedirs(journal, mode=0o700, exist_ok=True)
        os.makedirs(index, mode=0o700, exist_ok=True)
        if self.lock_fd < 0:
            self.lock_fd = _lock_file(self.path)
        cdef State* s = self.s
        cdef int rc
        s.config.step_rows = step_rows
        s.config.lag_max = lag_max
        s.config.reserve_size = reserve_size
        check(lifetime_allocate(s, self.spaces, step_rows, lag_max))
        check(lifetime_open_directory(s, os.fsencode(self.path)))
        check(lifetime_open_env(&s.config.journal_env, os.fsencode(journal), map_size))
        rc = lifetime_open_env(&s.config.index_env, os.fsencode(index), map_size)
        check(RC_INDEX if rc == MDB_INVALID or rc == MDB_VERSION_MISMATCH else damage_of(rc))
        if self.progress is not None:
            s.config.progress = &self.progress[0]
        if reserve_size:
            check(reserve_open(s, os.fsencode(data)))
        cdef bytes fresh = secrets.token_bytes(16) if instance is None else bytes(instance)
        cdef const uint8_t* name = <const uint8_t*>PyBytes_AS_STRING(fresh)
        with nogil:
            rc = lifetime_begin(s, name)
        check(RC_SPACE if store_is_space(rc) else rc)
        if is_new:
            # What is in a file survives a loss of power only if its name does.
            above = os.path.dirname(os.path.abspath(self.path))
            for directory in (journal, index, self.path, above):
                _sync_directory(directory)
        if instance is not None and memcmp(s.config.instance, name, 16) != 0:
            raise FormatError(0, f"{self.path} holds another ledger than the one to follow")
        if s.shared.rules_version > RULES_VERSION:
            raise FormatError(
                0, f"rules {s.shared.rules_version} run this ledger, and this version knows them "
                "up "
                f"to {_RULES_VERSION}: start it with the version that ran last, or a newer one"
            )

    def close(self):
        if not self.is_open:
            return
        cdef int done = len(self.threads) > 0
        self._begin_commit()
        try:
            self.is_open = False
            # Whole steps go into the index now, or opening would have to do it. What fails
            # here fails again there and is told: nothing depends on it.
            with nogil:
                while done and not self.s.shared.dead:
                    pace_try(self.s, &done)
            pthread_mutex_lock(&self.s.shared.lock)
            self.s.shared.stopping = 1
            pthread_cond_broadcast(&self.s.shared.step_due)
            pthread_cond_broadcast(&self.s.shared.space_due)
            pthread_cond_broadcast(&self.s.shared.moved)
            pthread_mutex_unlock(&self.s.shared.lock)
            watch_stop(self.s)
            for thread in self.threads:
                thread.join()
            if self.watch is not None:
                self.watch.join()
                self.watch = None
                watch_end(self.s)
            # No read begins any more; those under way end soon.
            while self.users.count:
                time.sleep(READERS_WAIT_S)
            self._release()
        finally:
            self._end_commit()

    cdef _leave(self):
        """Be closed, and leave everything to the process that opened it."""
        if not self.is_open:
            return
        self.is_open = False
        self.threads = []
        self.watch = None
        # Whoever held it is not in this process.
        pthread_mutex_init(&self.committing, NULL)
        # The lock is the parent's; with a duplicate here it would outlive it.
        os.close(self.lock_fd)
        self.lock_fd = -1

    def _release(self):
        if self.s.config.reserve_fd >= 0:
            posix_close(self.s.config.reserve_fd)
            self.s.config.reserve_fd = -1
        lifetime_end(self.s, self.spaces)
        memset(self.s, 0, sizeof(State))
        memset(self.spaces, 0, sizeof(self.spaces))
        self.s.config.reserve_fd = self.s.config.directory = -1
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    def __dealloc__(self):
        # An object that was never closed leaves its threads and files to the process.
        if not self.is_open:
            free(self.s)
        free(self.outcomes)
        free(self.replies)
        free(self.calls)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    cdef _use(self):
        """Something that keeps the ledger from being closed for as long as it lives."""
        self._need_open()
        return _Use(self.users)

    cdef int _need_open(self) except -1:
        if not self.is_open:
            raise DeadError(0, "the ledger is closed")
        return 0

    cdef int _check(self, int rc) except -1:
        """What a read has met; damage of the index leaves a mark for the next start."""
        if rc == RC_INDEX:
            damage_mark(self.s)
        return check(rc)

    cdef int _begin_commit(self) except -1:
        """Wait until nobody commits. The queue's loop holds this lock without the GIL."""
        with nogil:
            pthread_mutex_lock(&self.committing)
        return 0

    cdef int _end_commit(self) except -1:
        pthread_mutex_unlock(&self.committing)
        return 0


def test_number_groups(_Opened ledger not None, uint64_t number):
    """As if so many groups had been decided."""
    group_set_number(ledger.s, number)
