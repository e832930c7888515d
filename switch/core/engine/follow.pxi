# Following: chunks that another node has made, taken from the log.
#
# Nothing is decided here and no clock is read: windows of cut-offs, expiries and clock rows are
# rows like any other. What a row does to memory is said once, in `replay_row`. Chunks are verified
# before anything changes; then as many as fit a group are learned, stored in one transaction
# and shown, as a group is. The caller holds the lock of commits.

cdef enum:                    # why a chunk is not taken
    FOLLOW_FORMAT = -1        # no chunk, or of a format that this code does not know
    FOLLOW_INSTANCE = -2      # of another ledger
    FOLLOW_CHECK = -3         # its bytes are not those that were written
    FOLLOW_KIND = -4          # a row of it says what this code does not know
    FOLLOW_BEHIND = -5        # rows before it are lacking here
    FOLLOW_CHAIN = -6         # it follows another chunk than the last one here
    FOLLOW_EPOCH = -7         # of an earlier epoch than the last one here
    FOLLOW_CHUNKS_MAX = 64    # in one call


cdef inline const Row* _follow_rows(const Chunk* chunk) noexcept nogil:
    return <const Row*>(<const uint8_t*>chunk + sizeof(Chunk))


cdef inline uint64_t _follow_last(const Chunk* chunk) noexcept nogil:
    return chunk.first_sequence + chunk.rows_count - 1


cdef bint _follow_has_shape(const Chunk* chunk, size_t size) noexcept nogil:
    return (
        size >= sizeof(Chunk)
        and chunk.magic == CHUNK_MAGIC and chunk.format == JOURNAL_FORMAT
        and chunk.reserved_0 == 0
        and 0 < chunk.rows_count <= GROUP_MAX
        and chunk.tail_size <= TAIL_MAX and chunk.tail_size % 8 == 0
        and 0 < chunk.first_sequence and chunk.first_sequence < _follow_last(chunk) + 1
        and size == sizeof(Chunk) + <size_t>chunk.rows_count * sizeof(Row) + chunk.tail_size
    )


cdef bint _follow_knows(const Row* row, const uint8_t* tail, uint32_t size) noexcept nogil:
    """Whether this code knows what a row says. A later version's rules come with a row of
    theirs, before anything that is decided by them."""
    cdef int record = tail[0] if size > 0 else 0
    if kinds_traits(row.kind) == 0 or row.result == 0 or row.result > RESULT_EXCEEDS_SETTLED:
        return False
    if row.result != RESULT_OK:
        return True
    if row.kind == KIND_REGISTER:
        if not RECORD_PARTICIPANT <= record <= RECORD_MARGIN:
            return False
        if record == RECORD_RULES and size >= sizeof(RulesRecord):
            return (<const RulesRecord*>tail).version <= <uint32_t>RULES_VERSION
    return True


cdef int _follow_examine(State* s, const Chunk* chunk, size_t size) noexcept nogil:
    """A chunk by itself: whole, of this ledger, and of what this code knows."""
    cdef const Row* row
    cdef const uint8_t* tail
    cdef uint32_t tail_size, i
    cdef uint64_t time = 0
    cdef Tails tails
    if not _follow_has_shape(chunk, size):
        return FOLLOW_FORMAT
    if memcmp(chunk.instance, s.config.instance, 16) != 0:
        return FOLLOW_INSTANCE
    if chunk.check != store_chunk_check(chunk):
        return FOLLOW_CHECK
    store_begin_tails(&tails, &s.group.reader, chunk)
    for i in range(chunk.rows_count):
        row = _follow_rows(chunk) + i
        if (
            row.check != store_row_check(row) or row.sequence != chunk.first_sequence + i
            or row.timestamp <= time
            or store_next_tail(&tails, row, &tail, &tail_size) != 0
        ):
            return FOLLOW_CHECK
        time = row.timestamp
        if not _follow_knows(row, tail, tail_size):
            return FOLLOW_KIND
        if row.result == RESULT_OK and not effect_is_within(row, tail, tail_size):
            return FOLLOW_CHECK
    return 0 if tails.left == 0 else FOLLOW_CHECK


cdef int _follow_is_own(State* s, const Chunk* chunk) noexcept nogil:
    """0 if the journal has this very chunk."""
    cdef const Chunk* own
    cdef int rc = store_get_chunk(&s.group.reader, chunk.first_sequence, &own)
    if rc == MDB_NOTFOUND:
        return FOLLOW_CHAIN
    if rc != 0:
        return rc
    if own.first_sequence != chunk.first_sequence or own.check != chunk.check:
        return FOLLOW_CHAIN
    return 0


cdef int _follow_place(State* s, const Chunk* chunk, const Chunk* before) noexcept nogil:
    """Whether a chunk comes right behind another one, NULL: behind the journal's last."""
    cdef uint64_t sequence = s.shared.sequence
    cdef uint64_t timestamp = s.group.last_timestamp
    cdef uint64_t ordinal = s.group.ordinal
    cdef uint64_t epoch = s.group.epoch
    cdef uint32_t chain = s.group.chain
    if before != NULL:
        sequence = _follow_last(before)
        timestamp = _follow_rows(before)[before.rows_count - 1].timestamp
        ordinal = before.ordinal
        epoch = before.epoch
        chain = before.check
    if chunk.first_sequence > sequence + 1:
        return FOLLOW_BEHIND
    if (
        chunk.first_sequence != sequence + 1 or chunk.previous != chain
        or chunk.ordinal != ordinal + 1 or _follow_rows(chunk)[0].timestamp <= timestamp
    ):
        return FOLLOW_CHAIN
    return FOLLOW_EPOCH if chunk.epoch < epoch else 0


cdef int follow_verify(
    State* s, const Piece* pieces, uint32_t count, uint32_t* known
) noexcept nogil:
    """Whether all chunks can be taken: 0, FOLLOW_..., or what reading has met. Nothing has
    changed. `known`: so many at the beginning are here already."""
    cdef FaultPlace* before
    cdef const Chunk* last = NULL
    cdef uint32_t i
    cdef int rc
    known[0] = 0
    before = fault_enter(&s.shared.in_both)
    pthread_mutex_lock(&s.shared.lock)
    rc = group_renew(s)
    pthread_mutex_unlock(&s.shared.lock)
    for i in range(count):
        if rc != 0:
            break
        rc = _follow_examine(s, pieces[i].chunk, pieces[i].size)
        if rc == 0 and last == NULL and _follow_last(pieces[i].chunk) <= s.shared.sequence:
            rc = _follow_is_own(s, pieces[i].chunk)
            known[0] += 1
        elif rc == 0:
            rc = _follow_place(s, pieces[i].chunk, last)
            last = pieces[i].chunk
    fault_leave(before)
    return rc


cdef int _follow_learn_chunk(State* s, const Chunk* chunk) noexcept nogil:
    """Put a chunk's rows behind those of the group, and let memory learn each."""
    cdef const Row* rows = _follow_rows(chunk)
    cdef Row* row
    cdef const uint8_t* tail
    cdef uint32_t tail_size, i
    cdef Tails tails
    cdef int rc
    native_assert(
        s.group.rows_count + chunk.rows_count <= GROUP_MAX
        and s.group.tail_size + chunk.tail_size <= TAIL_MAX,
        b"_follow_learn_chunk: the group has room",
    )
    memcpy(s.group.tail + s.group.tail_size, rows + chunk.rows_count, chunk.tail_size)
    s.group.tail_size += chunk.tail_size
    store_begin_tails(&tails, &s.group.reader, chunk)
    for i in range(chunk.rows_count):
        row = rows_at(s, s.group.rows_count)
        row[0] = rows[i]
        rc = store_next_tail(&tails, row, &tail, &tail_size)
        if rc == 0:
            rc = replay_row(s, row, tail, tail_size)
        if rc != 0:
            return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
        s.group.rows_count += 1
        s.group.rows_sealed = s.group.rows_count
        s.group.last_timestamp = row.timestamp
    return 0


cdef int _follow_learn(State* s, const Piece* pieces, uint32_t count) noexcept nogil:
    """Under the lock: what memory knows of the chunks, before they are stored."""
    cdef uint32_t i
    cdef int rc = group_wait(s, 0)
    if rc != 0:
        return rc
    group_begin(s, 0, 0)
    rc = group_renew(s)
    for i in range(count):
        if rc == 0:
            rc = _follow_learn_chunk(s, pieces[i].chunk)
    if rc != 0:
        # Memory may be ahead of the disk now: only opening mends it.
        s.shared.dead = rc
        if rc == RC_INDEX:
            damage_mark(s)
    return rc


cdef void _follow_publish(State* s, const Chunk* last) noexcept nogil:
    """Under the lock: show what is durable. Of several chunks the last one is the group's."""
    native_assert(
        last.ordinal > s.group.ordinal and last.epoch >= s.group.epoch,
        b"_follow_publish: chunks go on",
    )
    (<Chunk*>s.group.chunk)[0] = last[0]
    s.group.ordinal = last.ordinal - 1
    s.group.chain = last.previous
    group_publish(s)
    s.group.epoch_next = last.epoch


cdef int _follow_apply(State* s, const Piece* pieces, uint32_t count) noexcept nogil:
    """Learn, store and show chunks that fit one group. Anything but 0 and RC_SPACE: the
    ledger is dead from here on."""
    cdef FaultPlace* before = fault_enter(&s.shared.in_both)
    cdef int rc
    pthread_mutex_lock(&s.shared.lock)
    rc = _follow_learn(s, pieces, count)
    pthread_mutex_unlock(&s.shared.lock)
    fault_leave(before)
    if rc != 0:
        return rc
    before = fault_enter_writing(&s.shared.in_journal)
    rc = store_put_pieces(s, pieces, count)
    fault_leave_writing(before, &s.shared.in_journal)
    pthread_mutex_lock(&s.shared.lock)
    if rc == 0:
        _follow_publish(s, pieces[count - 1].chunk)
    else:
        s.shared.dead = rc
    pthread_mutex_unlock(&s.shared.lock)
    return rc


cdef uint32_t follow_count(State* s, const Piece* pieces, uint32_t count) noexcept nogil:
    """So many of the chunks fit one group; one that ends an index step is its group's last, so
    that every node hashes its state behind the same chunk."""
    cdef const Chunk* chunk
    cdef uint64_t rows_count = 0
    cdef uint64_t tail_size = 0
    cdef uint64_t step = s.shared.sequence // s.config.step_rows
    cdef uint32_t i
    for i in range(count):
        chunk = pieces[i].chunk
        rows_count += chunk.rows_count
        tail_size += chunk.tail_size
        if rows_count > GROUP_MAX or tail_size > TAIL_MAX:
            break
        if _follow_last(chunk) // s.config.step_rows != step:
            return i + 1
    else:
        return count
    native_assert(i > 0, b"follow_count: one chunk is a group")
    return i


cdef int follow_take(State* s, const Piece* pieces, uint32_t count) noexcept nogil:
    """Take the next chunks of those that were verified, `follow_count` of them."""
    native_assert(
        count > 0 and pieces[0].chunk.previous == s.group.chain,
        b"follow_take: behind the last one",
    )
    s.group.digests = 1
    return RC_DEAD if s.shared.dead else _follow_apply(s, pieces, count)


cdef int follow_restore(State* s, const Piece* piece) noexcept nogil:
    """Put a chunk that was found behind the journal's last one in its place: 0, FOLLOW_..., or
    what reading or writing has met. Of the ledger nothing is open but the journal's file."""
    cdef const Chunk* last = NULL
    cdef int rc = lifetime_open_to_read(s)
    if rc == 0:
        rc = store_begin(s, &s.group.reader)
    if rc == 0:
        rc = lifetime_find_head(s)
    if rc == 0 and s.shared.sequence > 0:
        rc = store_get_chunk(&s.group.reader, s.shared.sequence, &last)
        if rc == 0 and last.check != store_chunk_check(last):
            rc = MDB_CORRUPTED
    if rc == 0:
        rc = _follow_examine(s, piece.chunk, piece.size)
    if rc == 0:
        rc = _follow_place(s, piece.chunk, last)
    if rc == 0:
        rc = store_put_pieces(s, piece, 1)
    return rc
