# The log beyond this machine: a leader's commits go there first, a follower's rows come from
# there. Part of _core.pyx.

_log = logging.getLogger("switch.core")
_LOG_OUTCOMES = {"LOG_DONE": LOG_DONE, "LOG_FENCED": LOG_FENCED, "LOG_UNKNOWN": LOG_UNKNOWN}
_FOLLOW_CHUNKS_MAX = FOLLOW_CHUNKS_MAX
# By way of the dictionary: as names they are C's.
globals().update(FOLLOW_CHUNKS_MAX=_FOLLOW_CHUNKS_MAX, **_LOG_OUTCOMES)
_FOLLOW_REASONS = {
    FOLLOW_FORMAT: ("format", "it is no chunk of a format that this version reads"),
    FOLLOW_INSTANCE: ("instance", "it is of another ledger"),
    FOLLOW_CHECK: ("check", "its bytes are not those that were written"),
    FOLLOW_KIND: ("kind", "a row says what this version does not know"),
    FOLLOW_BEHIND: ("behind", "rows before it are lacking here"),
    FOLLOW_CHAIN: ("chain", "it does not follow the chunk before it here"),
    FOLLOW_EPOCH: ("epoch", "it is of an earlier epoch than the chunk before it here"),
}


def restore_chunk(path, bytes chunk not None, *, map_size=4 << 40):
    cdef _Opened opened = _Opened.__new__(_Opened)
    cdef Piece piece
    cdef int rc
    piece.chunk = <const Chunk*>PyBytes_AS_STRING(chunk)
    piece.size = PyBytes_GET_SIZE(chunk)
    journal = os.fsencode(os.path.join(path, "journal"))
    try:
        check(lifetime_open_env(&opened.s.config.journal_env, journal, map_size))
        with nogil:
            rc = follow_restore(opened.s, &piece)
        if rc in _FOLLOW_REASONS:
            raise FollowError(*_FOLLOW_REASONS[rc], opened.s.shared.sequence)
        check(RC_SPACE if store_is_space(rc) else rc)
    finally:
        opened._release()


cdef int face_append(void* log, const uint8_t* chunk, size_t size) noexcept with gil:
    """An append by a Python callable. One that fails leaves it open whether it was done."""
    cdef _Following ledger = <_Following>log
    try:
        return ledger.log(PyBytes_FromStringAndSize(<const char*>chunk, size))
    except BaseException as error:
        _log.exception("the append to the log has failed")
        ledger.failure = error
        return LOG_UNKNOWN


cdef class _Following(_Seeking):
    """Replicating and following; what both need of the index's bringing on."""

    cdef LogApi by_python     # the C face of a Python callable
    cdef object log           # the capsule or the callable: kept for as long as the ledger
    cdef object failure       # what the callable has raised, or None

    @property
    def head(self):
        cdef object _in_use = self._use()
        cdef Head head
        with nogil:
            durable_head(self.s, &head)
        return LedgerHead(head.sequence, head.chain, head.ordinal, head.epoch)

    def replicate(self, log, uint64_t epoch):
        cdef const LogApi* api = &self.by_python
        cdef int rc
        if epoch >> 63:
            raise ValueError("an epoch is less than 2^63")
        if PyCapsule_CheckExact(log):
            api = <const LogApi*>PyCapsule_GetPointer(log, LOG_API_NAME)
            if api.version != LOG_API_VERSION:
                raise ValueError("the log was compiled for another version of the core")
        elif not callable(log):
            raise TypeError("a log is a capsule, or a callable that appends")
        self._begin_commit()
        try:
            self._need_open()
            if self.s.shared.dead:
                raise face_dead(self.s.shared.dead)
            with nogil:
                rc = group_replicate(self.s, api, epoch)
            if rc != 0:
                raise ValueError(
                    "the ledger has a log already, or its last chunk is of a later epoch"
                )
            self.log = log
            self.by_python.version = LOG_API_VERSION
            self.by_python.log = <void*>self
            self.by_python.append = face_append
        finally:
            self._end_commit()

    def follow(self, chunks):
        cdef Piece[FOLLOW_CHUNKS_MAX] pieces
        cdef bytes chunk
        cdef uint32_t known, taken, more
        cdef uint32_t count = 0
        cdef int rc
        chunks = tuple(chunks)
        if len(chunks) > FOLLOW_CHUNKS_MAX:
            raise ValueError(f"at most {_FOLLOW_CHUNKS_MAX} chunks are taken at a time")
        for chunk in chunks:
            if chunk is None:
                raise TypeError("a chunk is needed, not None")
            pieces[count].chunk = <const Chunk*>PyBytes_AS_STRING(chunk)
            pieces[count].size = PyBytes_GET_SIZE(chunk)
            count += 1
        self._begin_commit()
        try:
            self._need_open()
            if self.s.shared.dead:
                raise face_dead(self.s.shared.dead)
            if durable_has_log(self.s):
                raise ValueError("a ledger that replicates does not follow")
            with nogil:
                rc = follow_verify(self.s, pieces, count, &known)
            if rc in _FOLLOW_REASONS:
                raise FollowError(*_FOLLOW_REASONS[rc], self.s.shared.sequence)
            self._check(rc)
            taken = known
            while taken < count:
                self._bring_index_on()
                with nogil:
                    more = follow_count(self.s, &pieces[taken], count - taken)
                    rc = follow_take(self.s, &pieces[taken], more)
                self._check_commit(rc)
                taken += more
            return self.s.shared.sequence
        finally:
            self._end_commit()

    def state_hash(self):
        cdef uint64_t hash_, sequence
        self._begin_commit()
        try:
            self._need_open()
            if self.s.shared.dead:
                raise face_dead(self.s.shared.dead)
            with nogil:
                hash_ = digest_state(self.s)
                sequence = self.s.shared.sequence
        finally:
            self._end_commit()
        return sequence, int(hash_).to_bytes(8, "big")

    def step_hash(self):
        cdef object _in_use = self._use()
        cdef uint64_t hash_, sequence
        with nogil:
            hash_ = digest_step(self.s, &sequence)
        return sequence, int(hash_).to_bytes(8, "big") if sequence else b""

    # --- the index, without a thread of its own ------------------------------------------------

    def index_step(self):
        cdef object _in_use = self._use()
        cdef int rc, done
        with nogil:
            rc = pace_try(self.s, &done)
        check(RC_SPACE if store_is_space(rc) else rc)
        return bool(done)

    cdef int _bring_index_on(self) except -1:
        """Without a thread of its own the index is brought on by who adds rows."""
        while not self.threads and steps_behind(self.s) > self.s.config.lag_max:
            if not self.index_step():
                break
        return 0

    cdef int _check_commit(self, int rc) except -1:
        """What came of adding rows."""
        if rc == RC_DEAD:
            raise face_dead(self.s.shared.dead)
        if rc == RC_UNSETTLED:
            raise face_unknown() from self.failure
        return check(rc)
