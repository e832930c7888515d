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
    FILTER_KEYS_PER_LINE = 20       # 12.8 bits a key

cdef uint32_t[8] runs_salts
runs_salts[:] = [
    0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D,
    0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31,
]


cdef Run* runs_new(int map_, int level, uint64_t id, uint64_t entries_max) noexcept nogil:
    """A run with room for so many entries; NULL if there is no memory."""
    cdef Run* run = <Run*>calloc(1, sizeof(Run))
    if run == NULL:
        return NULL
    run.id = id
    run.map = <uint8_t>map_
    run.level = <uint8_t>level
    run.filter_size = <uint32_t>(entries_max // FILTER_KEYS_PER_LINE + 1)
    run.fences = <Fence*>malloc((entries_max // PAGE_ENTRIES + 1) * sizeof(Fence))
    run.filter = <uint32_t*>calloc(run.filter_size, 32)
    if run.fences == NULL or run.filter == NULL:
        runs_free(run)
        return NULL
    return run


cdef void runs_free(Run* run) noexcept nogil:
    if run != NULL:
        free(run.fences)
        free(run.filter)
        free(run)


cdef inline uint32_t* runs_filter_line(const Run* run, uint64_t hash) noexcept nogil:
    return run.filter + 8 * native_scale(hash, run.filter_size)


cdef inline void runs_filter_mask(uint64_t hash, uint32_t* mask) noexcept nogil:
    """The bits that a key sets in its line, the same in every run."""
    cdef int i
    for i in range(8):
        mask[i] = <uint32_t>1 << ((<uint32_t>hash * runs_salts[i]) >> 27)


cdef inline void runs_filter_add(Run* run, uint64_t hash) noexcept nogil:
    cdef uint32_t* line = runs_filter_line(run, hash)
    cdef uint32_t[8] mask
    cdef int i
    runs_filter_mask(hash, mask)
    for i in range(8):
        line[i] |= mask[i]


cdef inline bint runs_filter_has(
    const Run* run, uint64_t hash, const uint32_t* mask
) noexcept nogil:
    """Whether every bit is set; without branches, since most keys are not there."""
    cdef const uint32_t* line = runs_filter_line(run, hash)
    cdef uint32_t missing = 0
    cdef int i
    for i in range(8):
        missing |= mask[i] & ~line[i]
    return missing == 0


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


# --- writing ---------------------------------------------------------------------------

cdef void runs_sort(Entry* entries, Entry* scratch, uint32_t count) noexcept nogil:
    """Sort by (high, low), stable: bytes from the least significant, constant ones skipped."""
    cdef uint32_t[256] counts
    cdef uint32_t i, total, number
    cdef int shift, word
    cdef uint64_t differs_low = 0
    cdef uint64_t differs_high = 0
    cdef uint64_t key
    cdef Entry* source = entries
    cdef Entry* target = scratch
    cdef Entry* swap
    for i in range(1, count):
        differs_low |= entries[i].low ^ entries[0].low
        differs_high |= entries[i].high ^ entries[0].high
    for word in range(2):
        for shift in range(0, 64, 8):
            if ((differs_high if word else differs_low) >> shift) & 0xFF == 0:
                continue
            memset(counts, 0, sizeof(counts))
            for i in range(count):
                key = source[i].high if word else source[i].low
                counts[(key >> shift) & 0xFF] += 1
            total = 0
            for i in range(256):
                number = counts[i]
                counts[i] = total
                total += number
            for i in range(count):
                key = source[i].high if word else source[i].low
                key = (key >> shift) & 0xFF
                target[counts[key]] = source[i]
                counts[key] += 1
            swap = source
            source = target
            target = swap
    if source != entries:
        memcpy(entries, source, count * sizeof(Entry))


cdef int runs_append(
    State* s, MDB_txn* txn, Run* run, uint8_t* block, const Entry* entry
) noexcept nogil:
    """Add the next entry in order; full blocks go to `txn`."""
    cdef uint32_t in_page = <uint32_t>(run.entries_count % PAGE_ENTRIES)
    cdef uint32_t page = <uint32_t>(run.entries_count // PAGE_ENTRIES)
    cdef int rc
    if in_page == 0:
        if page > 0:
            runs_seal_page(block, page - 1, PAGE_ENTRIES)
            if page % BLOCK_PAGES == 0:
                rc = runs_put(
                    s, txn, run, page // BLOCK_PAGES - 1, block, BLOCK_PAGES * PAGE_SIZE
                )
                if rc != 0:
                    return rc
        run.fences[page].high = entry.high
        run.fences[page].low = entry.low
        run.pages_count = page + 1
    if run.entries_count == 0:
        run.least = entry.high
    run.greatest = entry.high
    memcpy(
        block + <size_t>(page % BLOCK_PAGES) * PAGE_SIZE + 8 + in_page * sizeof(Entry),
        entry, sizeof(Entry),
    )
    runs_filter_add(run, memo_hash(entry.high, entry.low, s.seed))
    run.entries_count += 1
    return 0


cdef void runs_seal_page(uint8_t* block, uint32_t page, uint32_t count) noexcept nogil:
    cdef uint8_t* data = block + <size_t>(page % BLOCK_PAGES) * PAGE_SIZE
    cdef uint32_t check
    memcpy(data + 4, &count, 4)
    # Seeded with the page's number, so that pages cannot change places.
    check = native_crc(page, data + 4, 4 + count * sizeof(Entry))
    memcpy(data, &check, 4)
    memset(data + 8 + count * sizeof(Entry), 0, PAGE_SIZE - 8 - count * sizeof(Entry))


cdef int runs_put_pieces(
    State* s, MDB_txn* txn, const Run* run, uint32_t first_block, const void* data, size_t size
) noexcept nogil:
    """Store a filter or fences in pieces, each with its check behind it."""
    cdef uint8_t* piece = <uint8_t*>malloc(RUN_PIECE + 4)
    cdef size_t at = 0
    cdef size_t length
    cdef uint32_t check
    cdef uint32_t block = first_block
    cdef int rc = 0
    if piece == NULL:
        return ENOMEM
    while at < size and rc == 0:
        length = min(size - at, <size_t>RUN_PIECE)
        memcpy(piece, <const uint8_t*>data + at, length)
        check = native_crc(block, piece, length)
        memcpy(piece + length, &check, 4)
        rc = runs_put(s, txn, run, block, piece, length + 4)
        at += length
        block += 1
    free(piece)
    return rc


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


cdef int runs_finish(State* s, MDB_txn* txn, Run* run, uint8_t* block) noexcept nogil:
    """Write the last block, the filter and the fences."""
    cdef uint32_t pages = run.pages_count
    cdef uint32_t in_block = (pages - 1) % BLOCK_PAGES + 1
    cdef int rc
    runs_seal_page(
        block, pages - 1,
        <uint32_t>(run.entries_count - <uint64_t>(pages - 1) * PAGE_ENTRIES),
    )
    rc = runs_put(
        s, txn, run, (pages - 1) // BLOCK_PAGES, block, <size_t>in_block * PAGE_SIZE
    )
    if rc == 0:
        rc = runs_put_pieces(
            s, txn, run, RUN_FILTER_BLOCK, run.filter, <size_t>run.filter_size * 32
        )
    if rc == 0:
        rc = runs_put_pieces(
            s, txn, run, RUN_FENCES_BLOCK, run.fences,
            <size_t>run.pages_count * sizeof(Fence),
        )
    return rc


cdef int runs_write(
    State* s, MDB_txn* txn, Run* run, const Entry* entries, uint32_t count
) noexcept nogil:
    """Write a whole run of sorted entries."""
    cdef uint8_t* block = <uint8_t*>malloc(BLOCK_PAGES * PAGE_SIZE)
    cdef uint32_t i
    cdef int rc = 0
    if block == NULL:
        return ENOMEM
    for i in range(count):
        rc = runs_append(s, txn, run, block, &entries[i])
        if rc != 0:
            break
    if rc == 0:
        rc = runs_finish(s, txn, run, block)
    free(block)
    return rc


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
