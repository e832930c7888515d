# The journal on disk: chunks by first sequence.
#
# Uses LMDB and the formats. Nothing is handed out from a value whose check fails.

cdef inline void store_set_key(uint8_t* key, uint64_t sequence) noexcept nogil:
    cdef uint64_t swapped = native_swap64(sequence)
    memcpy(key, &swapped, 8)


cdef inline uint64_t _store_key(const uint8_t* key) noexcept nogil:
    cdef uint64_t swapped
    memcpy(&swapped, key, 8)
    return native_swap64(swapped)


cdef inline bint store_is_damage(int rc) noexcept nogil:
    """What was written is not what is read, in the journal or in the index."""
    return rc == MDB_CORRUPTED or rc == MDB_PAGE_NOTFOUND or rc == RC_INDEX


cdef inline uint32_t store_row_check(const Row* row) noexcept nogil:
    return native_crc(0, <const uint8_t*>row, sizeof(Row) - 4)


cdef uint32_t store_chunk_check(const Chunk* chunk) noexcept nogil:
    """The check that `chunk` should have, continued from the chunk before."""
    cdef const Row* rows = <const Row*>(<const uint8_t*>chunk + sizeof(Chunk))
    cdef uint32_t check = native_crc(chunk.previous, <const uint8_t*>chunk, sizeof(Chunk) - 4)
    cdef uint32_t i
    for i in range(chunk.rows_count):
        check = native_crc(check, <const uint8_t*>&rows[i].check, 4)
    return native_crc(check, <const uint8_t*>(rows + chunk.rows_count), chunk.tail_size)


cdef int store_begin(State* s, Reader* reader) noexcept nogil:
    """Start reading the journal as it is now. The snapshot is durable by nature."""
    cdef int rc
    reader.cursor = NULL
    reader.ahead = NULL
    reader.places = NULL
    reader.instance = s.config.instance
    reader.seed = s.config.instance_check
    rc = mdb_txn_begin(s.config.journal_env, NULL, MDB_RDONLY, &reader.txn)
    if rc != 0:
        reader.txn = NULL
        return rc
    rc = mdb_cursor_open(reader.txn, s.config.journal, &reader.cursor)
    if rc != 0:
        store_end(reader)
    return rc


cdef void store_end(Reader* reader) noexcept nogil:
    if reader.cursor != NULL:
        mdb_cursor_close(reader.cursor)
    if reader.txn != NULL:
        mdb_txn_abort(reader.txn)
    reader.cursor = NULL
    reader.txn = NULL


cdef int store_renew(Reader* reader) noexcept nogil:
    """Move a long-lived reader to the journal as it is now."""
    cdef int rc
    mdb_txn_reset(reader.txn)
    rc = mdb_txn_renew(reader.txn)
    if rc == 0:
        rc = mdb_cursor_renew(reader.txn, reader.cursor)
    return rc


cdef void store_rest(Reader* reader) noexcept nogil:
    """Pin nothing until the reader is resumed."""
    if reader.txn != NULL:
        mdb_txn_reset(reader.txn)


cdef int store_get_chunk(
    Reader* reader, uint64_t sequence, const Chunk** chunk
) noexcept nogil:
    """Find the chunk that holds `sequence`. Its bounds are checked, not its check."""
    cdef uint8_t wanted[8]
    cdef MDB_val key, data
    cdef int rc
    store_set_key(wanted, sequence)
    key.mv_size = 8
    key.mv_data = wanted
    rc = mdb_cursor_get(reader.cursor, &key, &data, MDB_SET_RANGE)
    if rc == MDB_NOTFOUND:
        rc = mdb_cursor_get(reader.cursor, &key, &data, MDB_LAST)
    elif rc == 0 and _store_key(<uint8_t*>key.mv_data) != sequence:
        rc = mdb_cursor_get(reader.cursor, &key, &data, MDB_PREV)
    if rc != 0:
        return rc
    chunk[0] = <const Chunk*>data.mv_data
    if (
        key.mv_size != 8
        or data.mv_size < sizeof(Chunk)
        or chunk[0].magic != CHUNK_MAGIC
        or chunk[0].format != JOURNAL_FORMAT
        or chunk[0].rows_count == 0
        or chunk[0].rows_count > GROUP_MAX
        or chunk[0].first_sequence != _store_key(<uint8_t*>key.mv_data)
        or memcmp(chunk[0].instance, reader.instance, 16) != 0
        or data.mv_size
        != sizeof(Chunk) + <size_t>chunk[0].rows_count * sizeof(Row) + chunk[0].tail_size
    ):
        return MDB_CORRUPTED
    if sequence < chunk[0].first_sequence:
        return MDB_CORRUPTED
    if sequence >= chunk[0].first_sequence + chunk[0].rows_count:
        return MDB_NOTFOUND
    return 0


cdef enum:
    READ_AHEAD = 2097152      # bytes


cdef void store_read_ahead(Reader* reader, const Chunk* chunk) noexcept nogil:
    """Have the journal read in large pieces by whoever follows it in order.

    It is mapped for scattered reads. Chunks lie in the file as they were appended.
    """
    cdef const uint8_t* at = <const uint8_t*>chunk
    if at + READ_AHEAD // 2 > reader.ahead or at + READ_AHEAD < reader.ahead:
        native_will_need(at, READ_AHEAD)
        reader.ahead = at + READ_AHEAD


cdef int store_get_row(Reader* reader, uint64_t sequence, const Row** row) noexcept nogil:
    """Find one row; valid until the reader ends. Its own check and place are verified."""
    cdef const Chunk* chunk
    cdef int rc = store_get_chunk(reader, sequence, &chunk)
    if rc != 0:
        return rc
    row[0] = <const Row*>(<const uint8_t*>chunk + sizeof(Chunk)) + (
        sequence - chunk.first_sequence
    )
    if row[0].sequence != sequence or row[0].check != store_row_check(row[0]):
        return MDB_CORRUPTED
    return 0


cdef struct Tails:            # a walk over the tail items of one chunk, in row order
    const uint8_t* at
    uint64_t left
    uint32_t seed


cdef inline void store_begin_tails(
    Tails* tails, const Reader* reader, const Chunk* chunk
) noexcept nogil:
    tails.seed = reader.seed
    tails.at = <const uint8_t*>chunk + sizeof(Chunk) + chunk.rows_count * sizeof(Row)
    tails.left = chunk.tail_size


cdef uint32_t store_tail_check(
    uint32_t seed, uint64_t sequence, const uint8_t* data, uint32_t size
) noexcept nogil:
    """The check of a row's tail item; `seed` is the instance's. No other row's item, and
    nothing that was zeroed, passes for it."""
    cdef uint32_t check = native_crc(seed, <const uint8_t*>&sequence, 8)
    return native_crc(native_crc(check, <const uint8_t*>&size, 4), data, size)


cdef int store_next_tail(
    Tails* tails, const Row* row, const uint8_t** data, uint32_t* size
) noexcept nogil:
    """The item of the next row of the walk; size 0 if it has none."""
    cdef TailItem item
    cdef uint64_t padded
    data[0] = NULL
    size[0] = 0
    if not row.flags & ROW_TAIL:
        return 0
    if tails.left < sizeof(TailItem):
        return MDB_CORRUPTED
    memcpy(&item, tails.at, sizeof(TailItem))
    padded = (<uint64_t>item.size + 7) & ~<uint64_t>7
    if tails.left - sizeof(TailItem) < padded:
        return MDB_CORRUPTED
    data[0] = tails.at + sizeof(TailItem)
    size[0] = item.size
    tails.at += sizeof(TailItem) + padded
    tails.left -= sizeof(TailItem) + padded
    if item.check != store_tail_check(tails.seed, row.sequence, data[0], item.size):
        return MDB_CORRUPTED
    return 0


cdef int _store_hop(
    Tails* tails, const Row* rows, uint32_t first, uint32_t last
) noexcept nogil:
    """Pass over the items of rows [first, last) by their sizes alone.

    What a damaged flag or size leads to is no item of the row that is looked for: an item's
    check is that of its own row's sequence.
    """
    cdef uint32_t i, size
    cdef uint64_t padded
    native_walk(last - first)
    for i in range(first, last):
        if not rows[i].flags & ROW_TAIL:
            continue
        if tails.left < sizeof(TailItem):
            return MDB_CORRUPTED
        memcpy(&size, tails.at, 4)
        padded = sizeof(TailItem) + ((<uint64_t>size + 7) & ~<uint64_t>7)
        if tails.left < padded:
            return MDB_CORRUPTED
        tails.at += padded
        tails.left -= padded
    return 0


cdef int _store_seek(
    Tails* tails, Places* places, const Row* rows, uint32_t index
) noexcept nogil:
    """Move `tails` from its beginning to the item of rows[index], by the places that are
    known. Those up to there are known from then on."""
    cdef Tails begin = tails[0]
    cdef uint32_t wanted = index // PLACES_STEP
    cdef uint32_t known
    cdef int rc
    native_assert(index < GROUP_MAX, b"_store_seek: a row of a chunk")
    if places.count == 0:
        places.offsets[0] = 0
        places.count = 1
    known = min(wanted, places.count - 1)
    while True:
        tails.at = begin.at + places.offsets[known]
        tails.left = begin.left - places.offsets[known]
        if known == wanted:
            return _store_hop(tails, rows, wanted * PLACES_STEP, index)
        rc = _store_hop(tails, rows, known * PLACES_STEP, (known + 1) * PLACES_STEP)
        if rc != 0:
            return rc
        known += 1
        places.offsets[known] = <uint32_t>(begin.left - tails.left)
        places.count = known + 1


cdef Places* _store_places(Reader* reader, const Chunk* chunk) noexcept nogil:
    """What is known of the places in a chunk; another one's make room for them. NULL: nothing
    is kept of it, as of a chunk that is walked through at once."""
    cdef PlacesTable* table = reader.places
    cdef uint32_t set_, way
    if table == NULL or chunk.rows_count <= PLACES_STEP:
        return NULL
    set_ = <uint32_t>(native_mix(chunk.first_sequence ^ reader.instance[0]) % PLACES_SETS)
    for way in range(<uint32_t>PLACES_WAYS):
        if table.firsts[set_][way] == chunk.first_sequence:
            return &table.chunks[set_][way]
    way = table.next[set_]
    table.next[set_] = <uint8_t>((way + 1) % <uint32_t>PLACES_WAYS)
    table.firsts[set_][way] = chunk.first_sequence
    table.chunks[set_][way].count = 0
    return &table.chunks[set_][way]


cdef int store_find_tail(
    Tails tails, Places* places, const Row* rows, uint32_t index, const uint8_t** data,
    uint32_t* size
) noexcept nogil:
    """Find the item of rows[index]. That row and its item are verified; those on the way are
    hopped over. `places`: what is known of these rows, or NULL."""
    cdef int rc
    if rows[index].check != store_row_check(&rows[index]):
        return MDB_CORRUPTED
    if not rows[index].flags & ROW_TAIL:
        return store_next_tail(&tails, &rows[index], data, size)
    if places != NULL:
        rc = _store_seek(&tails, places, rows, index)
    else:
        rc = _store_hop(&tails, rows, 0, index)
    return rc if rc != 0 else store_next_tail(&tails, &rows[index], data, size)


cdef struct Walk:             # rows with their tails, best in ascending order
    Reader* reader
    const Chunk* chunk
    Tails tails
    uint32_t passed           # rows of the chunk that `tails` is behind


cdef inline void store_begin_walk(Walk* walk, Reader* reader) noexcept nogil:
    walk.reader = reader
    walk.chunk = NULL


cdef int store_walk_to(
    Walk* walk, uint64_t sequence, const Row** row, const uint8_t** tail, uint32_t* tail_size
) noexcept nogil:
    """Find a row, and its tail item; valid until the reader ends. Rows that ascend are found
    at once; what lies between two of them is hopped over.

    Each row that is given is verified by its check and place, and its tail item.
    """
    cdef const Chunk* chunk = walk.chunk
    cdef const Row* rows
    cdef Places* places
    cdef uint32_t index
    cdef int rc = 0
    if (
        chunk == NULL or sequence < chunk.first_sequence
        or sequence >= chunk.first_sequence + chunk.rows_count
    ):
        rc = store_get_chunk(walk.reader, sequence, &walk.chunk)
        if rc != 0:
            walk.chunk = NULL
            return rc
        chunk = walk.chunk
        store_read_ahead(walk.reader, chunk)
        store_begin_tails(&walk.tails, walk.reader, chunk)
        walk.passed = 0
    index = <uint32_t>(sequence - chunk.first_sequence)
    rows = <const Row*>(<const uint8_t*>chunk + sizeof(Chunk))
    if index < walk.passed or index > walk.passed + PLACES_STEP:
        places = _store_places(walk.reader, chunk)
        if places != NULL or index < walk.passed:
            store_begin_tails(&walk.tails, walk.reader, chunk)
            walk.passed = 0
        if places != NULL:
            rc = _store_seek(&walk.tails, places, rows, index)
            walk.passed = index
    if rc == 0 and walk.passed != index:
        rc = _store_hop(&walk.tails, rows, walk.passed, index)
    walk.passed = index + 1
    row[0] = &rows[index]
    if rc == 0 and (
        row[0].sequence != sequence or row[0].check != store_row_check(row[0])
    ):
        rc = MDB_CORRUPTED
    if rc == 0:
        rc = store_next_tail(&walk.tails, row[0], tail, tail_size)
    if rc != 0:
        # Where the next item begins is not known.
        walk.chunk = NULL
    return rc


cdef enum:
    WALK_AHEAD = 12           # rows


cdef inline void store_fetch_images(const Walk* walk, const Account* images) noexcept nogil:
    """Have the images of a row some way ahead in the cache by the time it is reached.

    The row is not verified yet; fetching what is not there does no harm.
    """
    cdef const Row* row
    cdef uint32_t number = walk.passed + WALK_AHEAD
    if walk.chunk != NULL and number < walk.chunk.rows_count:
        row = <const Row*>(<const uint8_t*>walk.chunk + sizeof(Chunk)) + number
        native_prefetch(&images[row.debit])
        native_prefetch(<const uint8_t*>&images[row.debit] + 64)
        native_prefetch(&images[row.debit].low_balance)
        native_prefetch(&images[row.credit])
        native_prefetch(<const uint8_t*>&images[row.credit] + 64)
        native_prefetch(&images[row.credit].low_balance)


cdef int store_get_tail(
    Reader* reader, uint64_t sequence, const uint8_t** data, uint32_t* size
) noexcept nogil:
    """Find the tail item of a durable row; valid until the reader ends."""
    cdef const Chunk* chunk
    cdef Tails tails
    cdef int rc = store_get_chunk(reader, sequence, &chunk)
    if rc != 0:
        return rc
    store_begin_tails(&tails, reader, chunk)
    return store_find_tail(
        tails, _store_places(reader, chunk),
        <const Row*>(<const uint8_t*>chunk + sizeof(Chunk)),
        <uint32_t>(sequence - chunk.first_sequence), data, size,
    )


cdef int store_find_tails(
    Reader* reader, const uint64_t* sequences, const int64_t* order, Py_ssize_t count,
    uint64_t* places, uint32_t* sizes
) noexcept nogil:
    """Where the tail items of durable rows lie, and their sizes; good until the reader ends.
    `order`: the indices of the sequences as they ascend."""
    cdef Walk walk
    cdef const Row* row
    cdef const uint8_t* data
    cdef uint64_t last = 0
    cdef int64_t at
    cdef Py_ssize_t i
    cdef int rc
    store_begin_walk(&walk, reader)
    for i in range(count):
        at = order[i]
        native_assert(sequences[at] >= last, b"store_find_tails: they ascend")
        if sequences[at] == last:
            # Asked for twice.
            places[at] = places[order[i - 1]]
            sizes[at] = sizes[order[i - 1]]
            continue
        last = sequences[at]
        rc = store_walk_to(&walk, last, &row, &data, &sizes[at])
        if rc != 0:
            return rc
        places[at] = <uint64_t><size_t>data
    return 0


cdef int _store_put(
    State* s, MDB_txn* txn, const Chunk* chunk, size_t size
) noexcept nogil:
    """Write one chunk behind all others, as part of a transaction."""
    cdef MDB_val key, data
    cdef uint8_t name[8]
    native_assert(
        chunk.rows_count > 0 and chunk.rows_count <= GROUP_MAX,
        b"_store_put: some rows",
    )
    native_assert(
        size == sizeof(Chunk) + chunk.rows_count * sizeof(Row) + chunk.tail_size,
        b"_store_put: header, rows, tail",
    )
    native_assert(
        chunk.ordinal > 0 and memcmp(chunk.instance, s.config.instance, 16) == 0,
        b"_store_put: of this ledger",
    )
    store_set_key(name, chunk.first_sequence)
    key.mv_size = 8
    key.mv_data = name
    data.mv_size = size
    data.mv_data = <void*>chunk
    return mdb_put(txn, s.config.journal, &key, &data, MDB_APPEND)


cdef struct Piece:            # a chunk as it came from the log
    const Chunk* chunk
    size_t size


cdef int store_put_pieces(State* s, const Piece* pieces, uint32_t count) noexcept nogil:
    """One transaction, one chunk or several. When this returns 0 all of them are durable."""
    cdef MDB_txn* txn
    cdef uint32_t i
    cdef int rc = mdb_txn_begin(s.config.journal_env, NULL, 0, &txn)
    native_assert(
        count > 0 and pieces[0].chunk.first_sequence == s.shared.sequence + 1,
        b"store_put_pieces: behind the last row",
    )
    if rc != 0:
        return rc
    for i in range(count):
        rc = _store_put(s, txn, pieces[i].chunk, pieces[i].size)
        if rc != 0:
            mdb_txn_abort(txn)
            return rc
    return mdb_txn_commit(txn)


cdef int store_put_chunk(State* s, const Chunk* chunk, size_t size) noexcept nogil:
    """One transaction, one chunk. When this returns 0 the chunk is durable."""
    cdef Piece piece
    piece.chunk = chunk
    piece.size = size
    return store_put_pieces(s, &piece, 1)
