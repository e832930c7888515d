# Sorted runs of the maps, in the index environment.
#
# A run covers whole index steps. Its entries lie in pages of 4,080 bytes (check, count,
# entries), sixteen pages to an LMDB value; in memory it keeps the first key of each
# page and a filter that says "surely not here". Runs of one level merge into the next a
# few entries at each step, so that no commit ever waits for a merge.

cdef enum:
    RUN_FILTER_BLOCK = 0x80000000   # block numbers of the filter's pieces ...
    RUN_FENCES_BLOCK = 0xC0000000   # ... and of the fences'
    RUN_PIECE = 1048560             # bytes of one such piece, its check not counted


cdef Run* runs_new(
    int map_, int level, uint64_t id, uint64_t entries_max, uint32_t filter_size
) noexcept nogil:
    """A run with room for so many entries; NULL if there is no memory.

    `filter_size` 0: it gets its filter from a cover.
    """
    cdef Run* run = <Run*>calloc(1, sizeof(Run))
    if run == NULL:
        return NULL
    run.id = id
    run.map = <uint8_t>map_
    run.level = <uint8_t>level
    run.filter_size = filter_size
    run.fences = <Fence*>malloc((entries_max // PAGE_ENTRIES + 1) * sizeof(Fence))
    if filter_size > 0:
        run.filter = <uint32_t*>calloc(filter_size, 32)
    if run.fences == NULL or (run.filter == NULL and filter_size > 0):
        runs_free(run)
        return NULL
    return run


cdef void runs_free(Run* run) noexcept nogil:
    if run != NULL:
        cover_drop(run.cover)
        free(run.fences)
        free(run.filter)
        free(run)


cdef inline void runs_set_key(uint8_t* key, const Run* run, uint32_t block) noexcept nogil:
    cdef uint64_t id = native_swap64(run.id)
    cdef uint32_t number = native_swap32(block)
    key[0] = run.map
    memcpy(key + 1, &id, 8)
    memcpy(key + 9, &number, 4)


cdef int runs_put(
    State* s, MDB_txn* txn, const Run* run, uint32_t block, const void* data, size_t size
) noexcept nogil:
    cdef uint8_t name[13]
    cdef MDB_val key, value
    runs_set_key(name, run, block)
    key.mv_size = 13
    key.mv_data = name
    value.mv_size = size
    value.mv_data = <void*>data
    return mdb_put(txn, s.runs, &key, &value, 0)


cdef int runs_get(
    State* s, MDB_txn* txn, const Run* run, uint32_t block, MDB_val* value
) noexcept nogil:
    cdef uint8_t name[13]
    cdef MDB_val key
    cdef int rc
    runs_set_key(name, run, block)
    key.mv_size = 13
    key.mv_data = name
    rc = mdb_get(txn, s.runs, &key, value)
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int runs_get_page(
    State* s, MDB_txn* txn, const Run* run, uint32_t page, const Entry** entries,
    uint32_t* count
) noexcept nogil:
    """Find one page of a run and verify its check."""
    cdef MDB_val value
    cdef const uint8_t* data
    cdef uint32_t check
    cdef int rc = runs_get(s, txn, run, page // BLOCK_PAGES, &value)
    if rc != 0:
        return rc
    if value.mv_size < <size_t>(page % BLOCK_PAGES + 1) * PAGE_SIZE:
        return MDB_CORRUPTED
    data = <const uint8_t*>value.mv_data + <size_t>(page % BLOCK_PAGES) * PAGE_SIZE
    memcpy(&check, data, 4)
    memcpy(count, data + 4, 4)
    if count[0] == 0 or count[0] > PAGE_ENTRIES:
        return MDB_CORRUPTED
    if native_crc(page, data + 4, 4 + count[0] * sizeof(Entry)) != check:
        return MDB_CORRUPTED
    entries[0] = <const Entry*>(data + 8)
    return 0


cdef void runs_will_need(State* s, MDB_txn* txn, const Run* run, uint32_t block) noexcept nogil:
    """A block of pages will be read soon: one read from the disk instead of sixteen."""
    cdef MDB_val value
    if block * BLOCK_PAGES < run.pages_count and runs_get(s, txn, run, block, &value) == 0:
        native_will_need(value.mv_data, value.mv_size)


cdef inline int runs_compare(const Entry* entry, uint64_t high, uint64_t low) noexcept nogil:
    """Order of an entry's key, or a fence's, which begins the same, and another key."""
    if entry.high != high:
        return -1 if entry.high < high else 1
    if entry.low != low:
        return -1 if entry.low < low else 1
    return 0


cdef int runs_find(
    State* s, MDB_txn* txn, const Run* run, uint64_t high, uint64_t low,
    uint32_t* nth, uint64_t* value
) noexcept nogil:
    """Look for the nth newest entry with a key; count `nth` down past older matches.

    Gives 0 and the value, MDB_NOTFOUND, or an error.
    """
    cdef uint32_t low_page = 0
    cdef uint32_t high_page = run.pages_count
    cdef uint32_t middle, count, at
    cdef int64_t page
    cdef const Entry* entries
    cdef int rc
    # The last page whose first key is not above; equal keys may begin before it.
    while low_page < high_page:
        middle = (low_page + high_page) // 2
        if runs_compare(<const Entry*>&run.fences[middle], high, low) <= 0:
            low_page = middle + 1
        else:
            high_page = middle
    page = <int64_t>low_page - 1
    while page >= 0:
        rc = runs_get_page(s, txn, run, <uint32_t>page, &entries, &count)
        if rc != 0:
            return rc
        at = runs_upper_bound(entries, count, high, low)
        while at > 0 and runs_compare(&entries[at - 1], high, low) == 0:
            if nth[0] == 0:
                value[0] = entries[at - 1].value
                return 0
            nth[0] -= 1
            at -= 1
        if at > 0:
            return MDB_NOTFOUND
        page -= 1
    return MDB_NOTFOUND


cdef uint32_t runs_upper_bound(
    const Entry* entries, uint32_t count, uint64_t high, uint64_t low
) noexcept nogil:
    cdef uint32_t first = 0
    cdef uint32_t last = count
    cdef uint32_t middle
    while first < last:
        middle = (first + last) // 2
        if runs_compare(&entries[middle], high, low) <= 0:
            first = middle + 1
        else:
            last = middle
    return first


cdef int runs_get_pieces(
    State* s, MDB_txn* txn, const Run* run, uint32_t first_block, void* data, size_t size
) noexcept nogil:
    cdef size_t at = 0
    cdef size_t length
    cdef uint32_t check
    cdef uint32_t block = first_block
    cdef MDB_val value
    cdef int rc
    while at < size:
        length = min(size - at, <size_t>RUN_PIECE)
        rc = runs_get(s, txn, run, block, &value)
        if rc != 0:
            return rc
        if value.mv_size != length + 4:
            return MDB_CORRUPTED
        native_will_need(value.mv_data, value.mv_size)
        memcpy(&check, <uint8_t*>value.mv_data + length, 4)
        if check != native_crc(block, <uint8_t*>value.mv_data, length):
            return MDB_CORRUPTED
        memcpy(<uint8_t*>data + at, value.mv_data, length)
        at += length
        block += 1
    return 0


cdef int runs_delete(State* s, MDB_txn* txn, const Run* run) noexcept nogil:
    """Delete every value of a run."""
    cdef uint8_t name[13]
    cdef MDB_val key
    cdef uint32_t block
    cdef uint32_t blocks = (run.pages_count - 1) // BLOCK_PAGES + 1
    cdef uint32_t filters = <uint32_t>(
        (<size_t>run.filter_size * 32 + RUN_PIECE - 1) // RUN_PIECE
    )
    cdef uint32_t fences = <uint32_t>(
        (<size_t>run.pages_count * sizeof(Fence) + RUN_PIECE - 1) // RUN_PIECE
    )
    cdef uint32_t i
    cdef int rc
    key.mv_size = 13
    key.mv_data = name
    for i in range(blocks + filters + fences):
        if i < blocks:
            block = i
        elif i < blocks + filters:
            block = <uint32_t>RUN_FILTER_BLOCK + (i - blocks)
        else:
            block = <uint32_t>RUN_FENCES_BLOCK + (i - blocks - filters)
        runs_set_key(name, run, block)
        rc = mdb_del(txn, s.runs, &key, NULL)
        if rc != 0:
            return rc
    return 0
