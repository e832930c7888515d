# Writing runs: pages as entries come in order, then the filter and the fences in pieces.
#
# Belongs to the index writer. Everything goes into the transaction of its step.

cdef void pages_learn(State* s, Run* run, const Entry* entries, uint32_t count) noexcept nogil:
    """Let the filters learn the keys of one page."""
    cdef uint64_t[PAGE_ENTRIES] hashes
    cdef uint32_t i
    for i in range(count):
        hashes[i] = memo_hash(entries[i].high, entries[i].low, s.seed)
    if not run.whole_filter:
        native_filter_add_all(run.filter, run.filter_size, hashes, count)
    if run.cover != NULL:
        native_filter_add_all(run.cover.filter, run.cover.filter_size, hashes, count)


cdef void pages_seal(
    State* s, Run* run, uint8_t* block, uint32_t page, uint32_t count
) noexcept nogil:
    """A page has all its entries: its count, its check, zeros behind."""
    cdef uint8_t* data = block + <size_t>(page % BLOCK_PAGES) * PAGE_SIZE
    cdef uint32_t check
    memcpy(data + 4, &count, 4)
    # Seeded with the page's number, so that pages cannot change places.
    check = native_crc(page, data + 4, 4 + count * sizeof(Entry))
    memcpy(data, &check, 4)
    memset(data + 8 + count * sizeof(Entry), 0, PAGE_SIZE - 8 - count * sizeof(Entry))
    pages_learn(s, run, <const Entry*>(data + 8), count)


cdef int pages_begin(
    State* s, MDB_txn* txn, Run* run, uint8_t* block, const Entry* entry
) noexcept nogil:
    """Begin the page that `entry` opens; a full block goes to `txn`."""
    cdef uint32_t page = run.pages_count
    cdef int rc = 0
    if page > 0:
        pages_seal(s, run, block, page - 1, PAGE_ENTRIES)
        if page % BLOCK_PAGES == 0:
            rc = runs_put(
                s, txn, run, page // BLOCK_PAGES - 1, block, BLOCK_PAGES * PAGE_SIZE
            )
    else:
        run.least = entry.high
    run.fences[page].high = entry.high
    run.fences[page].low = entry.low
    run.pages_count = page + 1
    return rc


cdef int pages_append(
    State* s, MDB_txn* txn, Run* run, uint8_t* block, const Entry* entries, uint32_t count
) noexcept nogil:
    """Add the next entries in order."""
    cdef uint32_t in_page = <uint32_t>(run.entries_count % PAGE_ENTRIES)
    cdef uint32_t taken
    cdef uint8_t* data
    cdef int rc
    while count > 0:
        if in_page == 0:
            rc = pages_begin(s, txn, run, block, entries)
            if rc != 0:
                return rc
        taken = min(count, PAGE_ENTRIES - in_page)
        data = block + <size_t>((run.pages_count - 1) % BLOCK_PAGES) * PAGE_SIZE + 8
        memcpy(data + in_page * sizeof(Entry), entries, taken * sizeof(Entry))
        run.entries_count += taken
        run.greatest = entries[taken - 1].high
        entries += taken
        count -= taken
        in_page = (in_page + taken) % PAGE_ENTRIES
    return 0


cdef int pages_end(State* s, MDB_txn* txn, Run* run, uint8_t* block) noexcept nogil:
    """All entries have come: write the last block."""
    cdef uint32_t page = run.pages_count - 1
    pages_seal(
        s, run, block, page, <uint32_t>(run.entries_count - <uint64_t>page * PAGE_ENTRIES)
    )
    return runs_put(
        s, txn, run, page // BLOCK_PAGES, block,
        <size_t>(page % BLOCK_PAGES + 1) * PAGE_SIZE,
    )


cdef inline uint32_t pages_count_pieces(size_t size) noexcept nogil:
    return <uint32_t>((size + RUN_PIECE - 1) // RUN_PIECE)


cdef int pages_put_piece(
    State* s, MDB_txn* txn, const Run* run, uint32_t number, int* last
) noexcept nogil:
    """Store a piece of the filter, or behind those of the fences, with its check."""
    cdef size_t filter_size = <size_t>run.filter_size * 32
    cdef size_t fences_size = <size_t>run.pages_count * sizeof(Fence)
    cdef uint32_t filters = pages_count_pieces(filter_size)
    cdef const uint8_t* data = <const uint8_t*>run.filter
    cdef size_t size = filter_size
    cdef uint32_t at = number
    cdef uint32_t block = RUN_FILTER_BLOCK
    cdef uint32_t check
    cdef size_t length
    cdef uint8_t* piece
    cdef int rc
    if number >= filters:
        data = <const uint8_t*>run.fences
        size = fences_size
        at = number - filters
        block = RUN_FENCES_BLOCK
    length = min(size - <size_t>at * RUN_PIECE, <size_t>RUN_PIECE)
    piece = <uint8_t*>malloc(length + 4)
    if piece == NULL:
        return ENOMEM
    memcpy(piece, data + <size_t>at * RUN_PIECE, length)
    check = native_crc(block + at, piece, length)
    memcpy(piece + length, &check, 4)
    rc = runs_put(s, txn, run, block + at, piece, length + 4)
    free(piece)
    last[0] = number + 1 == filters + pages_count_pieces(fences_size)
    return rc


cdef int pages_write(
    State* s, MDB_txn* txn, Run* run, const Entry* entries, uint32_t count
) noexcept nogil:
    """Write a whole run of sorted entries."""
    cdef uint8_t* block = <uint8_t*>malloc(BLOCK_PAGES * PAGE_SIZE)
    cdef uint32_t piece = 0
    cdef int last = 0
    cdef int rc
    if block == NULL:
        return ENOMEM
    rc = pages_append(s, txn, run, block, entries, count)
    if rc == 0:
        rc = pages_end(s, txn, run, block)
    while rc == 0 and not last:
        rc = pages_put_piece(s, txn, run, piece, &last)
        piece += 1
    free(block)
    return rc
