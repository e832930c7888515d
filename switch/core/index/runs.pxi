# Sorted runs of the maps, in the index environment.
#
# A run covers whole index steps. Its entries lie in pages of PAGE_ENTRIES, packed into as few
# bits as they need (packed.h), BLOCK_PAGES of them to an LMDB value. PART_PAGES pages are a
# part, which has the first key of each of its pages and a filter that says "surely not here":
# a run that is half made is whole as far as its parts are. Both are read where they lie in the
# index's map. Memory has two pointers for each part, and the kernel lets go what nobody reads.
# LMDB does not move a value in pages of its own; the index writer deletes it once nobody begins
# to read its run. Checks of pages, fences and lines are seeded with what they belong to and where
# they stand: none is taken for another, or for an older one. Each is verified at each reading.

cdef enum:
    RUN_PART_BLOCK = 0x80000000   # block numbers of the parts' filters and fences
    RUN_SEED_WORDS = 5


cdef inline uint32_t runs_count_parts(uint64_t entries) noexcept nogil:
    return <uint32_t>((entries + PART_ENTRIES - 1) // PART_ENTRIES)


cdef inline uint32_t runs_count_pages(uint64_t entries) noexcept nogil:
    return <uint32_t>((entries + PAGE_ENTRIES - 1) // PAGE_ENTRIES)


cdef inline uint32_t runs_count_values(uint64_t entries) noexcept nogil:
    """LMDB's values that a run of so many entries is kept in: blocks of pages, and parts."""
    return (runs_count_pages(entries) - 1) // BLOCK_PAGES + 1 + runs_count_parts(entries)


cdef inline uint32_t runs_part_pages(const Run* run, uint32_t part) noexcept nogil:
    """Pages of one part: the last one has what pages are left."""
    return min(
        runs_count_pages(run.entries_max) - part * PART_PAGES, <uint32_t>PART_PAGES
    )


cdef inline size_t runs_part_filter(uint32_t pages) noexcept nogil:
    """Where in the value of a part of so many pages its filter begins: no line of it lies in
    two lines of the processor's."""
    return PART_HEAD + <size_t>(pages + pages % 2) * sizeof(Fence)


cdef inline size_t runs_part_size(uint32_t pages, uint32_t lines) noexcept nogil:
    """Bytes of the value of a part."""
    return max(
        runs_part_filter(pages) + <size_t>lines * 32, <size_t>PART_SIZE_MIN
    )


cdef inline uint32_t runs_part_lines(const Run* run, uint32_t part) noexcept nogil:
    """Lines of the filter of one part: the last one has what entries are left."""
    cdef uint64_t before = <uint64_t>part * PART_ENTRIES
    native_assert(before < run.entries_max, b"runs_part_lines: the run has this part")
    if run.entries_max - before >= PART_ENTRIES:
        return PART_LINES
    return cover_lines(run.entries_max - before)


cdef Run* runs_new(
    const State* s, int map_, int level, uint64_t id, uint64_t entries_max, uint64_t first,
    uint64_t last
) noexcept nogil:
    """A run with room for so many entries; NULL if there is no memory."""
    cdef uint64_t[RUN_SEED_WORDS] words
    cdef uint32_t parts = runs_count_parts(entries_max)
    cdef Run* run = <Run*>calloc(1, sizeof(Run))
    native_assert(entries_max > 0 and first <= last, b"runs_new: it covers something")
    native_assert(
        0 <= map_ < MAPS_COUNT and 0 <= level < LEVELS_MAX,
        b"runs_new: of a map and level",
    )
    if run == NULL:
        return NULL
    run.id = id
    run.map = <uint8_t>map_
    run.level = <uint8_t>level
    run.first = first
    run.last = last
    run.entries_max = entries_max
    words[:] = [<uint64_t>map_, <uint64_t>level, first, last, entries_max]
    run.seed = native_crc(s.config.instance_check, <const uint8_t*>words, sizeof(words))
    run.parts = <uint64_t*>malloc(<size_t>parts * 8)
    run.fences = <const Fence**>malloc(<size_t>parts * sizeof(Fence*))
    run.filters = <const uint32_t**>malloc(<size_t>parts * sizeof(uint32_t*))
    if run.parts == NULL or run.fences == NULL or run.filters == NULL:
        runs_free(run)
        return NULL
    return run


cdef void runs_cut(Run* run, uint64_t entries) noexcept nogil:
    """The run has so many entries stored, whole parts of them or all."""
    native_assert(entries <= run.entries_max, b"runs_cut: no more than it has")
    native_assert(
        entries % PART_ENTRIES == 0 or entries == run.entries_max,
        b"runs_cut: whole parts, or all",
    )
    run.entries_count = entries
    run.pages_count = runs_count_pages(entries)


cdef inline bint runs_descend(Run** runs, uint32_t count, int map_) noexcept nogil:
    """Whether runs of a map are whole, the newest first. For asserts."""
    cdef uint32_t i
    if not SWITCH_ASSERT:
        return True
    for i in range(count):
        if runs[i].entries_count != runs[i].entries_max or runs[i].map != map_:
            return False
        if i > 0 and (runs[i - 1].first <= runs[i].last or runs[i - 1].level > runs[i].level):
            return False
    return True


cdef void runs_free(Run* run) noexcept nogil:
    if run != NULL:
        cover_drop(run.cover)
        free(run.parts)
        free(run.fences)
        free(run.filters)
        free(run)


cdef inline void runs_get_filter(const Run* run, NativeParts* parts) noexcept nogil:
    """The filter of a whole run, as it is asked."""
    native_assert(
        run.entries_count == run.entries_max,
        b"runs_get_filter: the run is whole",
    )
    parts.lines = run.filters
    parts.firsts = run.parts
    parts.seed = run.seed
    parts.count = runs_count_parts(run.entries_max)
    parts.part_lines = PART_LINES
    parts.last_lines = runs_part_lines(run, parts.count - 1)


cdef inline int runs_maybe(
    const Run* run, uint64_t hash, uint64_t high, bint* maybe
) noexcept nogil:
    """Whether a whole run can have a key; RC_INDEX if its filter cannot be believed."""
    cdef NativeParts parts
    cdef int has
    maybe[0] = False
    if high < run.least or high > run.greatest:
        return 0
    runs_get_filter(run, &parts)
    has = native_parts_has(&parts, hash, high)
    maybe[0] = has > 0
    return RC_INDEX if has < 0 else 0


cdef inline uint32_t runs_seed(const Run* run, uint32_t block) noexcept nogil:
    """Where the check of a page (its number) or a part begins (its block)."""
    return native_crc(run.seed, <const uint8_t*>&block, 4)


cdef void _runs_set_key(uint8_t* key, int map_, uint64_t id, uint32_t block) noexcept nogil:
    cdef uint64_t swapped = native_swap64(id)
    cdef uint32_t number = native_swap32(block)
    key[0] = <uint8_t>map_
    memcpy(key + 1, &swapped, 8)
    memcpy(key + 9, &number, 4)


cdef inline bint _runs_has_block(const Run* run, uint32_t block) noexcept nogil:
    """Whether a run of this size has such a block of pages, or such a part. For asserts."""
    if not SWITCH_ASSERT:
        return True
    if block >= <uint32_t>RUN_PART_BLOCK:
        return block - <uint32_t>RUN_PART_BLOCK < runs_count_parts(run.entries_max)
    return block <= (runs_count_pages(run.entries_max) - 1) // BLOCK_PAGES


cdef int runs_put(
    State* s, MDB_txn* txn, const Run* run, uint32_t block, const void* data, size_t size
) noexcept nogil:
    """Store a value; without a transaction it is stored already."""
    cdef uint8_t name[13]
    cdef MDB_val key, value
    native_assert(size > 0 and _runs_has_block(run, block), b"runs_put: a block of the run")
    if txn == NULL:
        return 0
    _runs_set_key(name, run.map, run.id, block)
    key.mv_size = 13
    key.mv_data = name
    value.mv_size = size
    value.mv_data = <void*>data
    return mdb_put(txn, s.config.runs, &key, &value, 0)


cdef int _runs_get(
    State* s, MDB_txn* txn, const Run* run, uint32_t block, MDB_val* value
) noexcept nogil:
    cdef uint8_t name[13]
    cdef MDB_val key
    native_assert(_runs_has_block(run, block), b"_runs_get: a block of the run")
    _runs_set_key(name, run.map, run.id, block)
    key.mv_size = 13
    key.mv_data = name
    return damage_of(mdb_get(txn, s.config.runs, &key, value))


cdef int runs_get_page(
    State* s, MDB_txn* txn, const Run* run, uint32_t page, NativePage* found
) noexcept nogil:
    """Find one page of a run and verify its check."""
    cdef MDB_val value
    cdef int rc = _runs_get(s, txn, run, page // BLOCK_PAGES, &value)
    if rc != 0:
        return rc
    if not native_page_open(
        <const uint8_t*>value.mv_data, value.mv_size, BLOCK_HEAD, page % BLOCK_PAGES,
        runs_seed(run, page), found,
    ):
        return RC_INDEX
    # The check is right, so it is the page that was written; its size is asked all the same.
    return 0 if found.count <= <uint32_t>PAGE_ENTRIES else RC_INDEX


cdef void runs_will_need(State* s, MDB_txn* txn, const Run* run, uint32_t block) noexcept nogil:
    """A block of pages will be read soon: one read from the disk instead of many."""
    cdef MDB_val value
    if block * BLOCK_PAGES < run.pages_count and _runs_get(s, txn, run, block, &value) == 0:
        native_will_need(value.mv_data, value.mv_size)


cdef inline bint runs_is_up_to(
    uint64_t high, uint64_t low, uint64_t other_high, uint64_t other_low
) noexcept nogil:
    """Whether a key, or a whole entry, is not above another."""
    return high < other_high or (high == other_high and low <= other_low)


cdef struct RunWalk:          # the entries of one key in a run, the newest first
    const Run* run
    uint64_t high
    uint64_t low
    NativePage page           # the one that is read, of the walk's transaction
    uint32_t pages_left       # before it
    uint32_t left             # entries of it that may have the key, and are not given yet


cdef bint _runs_fences_hold(const Run* run, uint32_t part, const Fence* fences) noexcept nogil:
    """Whether the check before a part's fences is right."""
    cdef uint32_t check
    memcpy(&check, <const uint8_t*>fences - PART_HEAD, 4)
    return check == native_crc(
        runs_seed(run, <uint32_t>RUN_PART_BLOCK + part), <const uint8_t*>fences,
        runs_part_pages(run, part) * sizeof(Fence),
    )


cdef int runs_begin(RunWalk* walk, const Run* run, uint64_t high, uint64_t low) noexcept nogil:
    """Begin a walk over the entries of a key in a whole run. No page is read yet."""
    cdef NativeParts parts
    cdef const Fence* fences
    cdef uint32_t part, low_page, high_page, middle
    native_assert(run.entries_count == run.entries_max, b"runs_begin: the run is whole")
    native_assert(
        run.pages_count == runs_count_pages(run.entries_max),
        b"runs_begin: with all its pages",
    )
    walk.run = run
    walk.high = high
    walk.low = low
    walk.left = walk.pages_left = 0
    runs_get_filter(run, &parts)
    part = native_parts_find(&parts, high)
    while True:
        fences = run.fences[part]
        if not _runs_fences_hold(run, part, fences):
            return RC_INDEX
        # The last page whose first key is not above; equal keys may begin before it.
        low_page = 0
        high_page = runs_part_pages(run, part)
        while low_page < high_page:
            middle = (low_page + high_page) // 2
            if runs_is_up_to(fences[middle].high, fences[middle].low, high, low):
                low_page = middle + 1
            else:
                high_page = middle
        if low_page > 0 or part == 0:
            walk.pages_left = part * PART_PAGES + low_page
            return 0
        part -= 1


cdef int runs_next(State* s, MDB_txn* txn, RunWalk* walk, uint64_t* value) noexcept nogil:
    """The next entry of a walk, from the newest on: 0 and its value, MDB_NOTFOUND behind the
    last, or an error. All of it in one transaction."""
    cdef Entry entry
    cdef int rc
    while walk.left == 0:
        if walk.pages_left == 0:
            return MDB_NOTFOUND
        walk.pages_left -= 1
        rc = runs_get_page(s, txn, walk.run, walk.pages_left, &walk.page)
        if rc != 0:
            return rc
        walk.left = native_page_upper_bound(&walk.page, walk.high, walk.low)
    walk.left -= 1
    native_page_get(&walk.page, walk.left, <uint64_t*>&entry)
    if entry.high != walk.high or entry_low(&entry) != walk.low:
        walk.left = walk.pages_left = 0
        return MDB_NOTFOUND
    value[0] = entry_value(&entry)
    return 0


cdef int _runs_load_part(State* s, MDB_txn* txn, Run* run, uint32_t part) noexcept nogil:
    """Learn where a stored part's fences and filter lie, and its first key."""
    cdef uint32_t pages = runs_part_pages(run, part)
    cdef const Fence* fences
    cdef MDB_val value
    cdef int rc = _runs_get(s, txn, run, <uint32_t>RUN_PART_BLOCK + part, &value)
    if rc != 0:
        return rc
    # Only what lies in pages of its own stays where it is.
    if value.mv_size != runs_part_size(pages, runs_part_lines(run, part)) or (
        not damage_is_long(&value)
    ):
        return RC_INDEX
    fences = <const Fence*>(<const uint8_t*>value.mv_data + PART_HEAD)
    if not _runs_fences_hold(run, part, fences):
        return RC_INDEX
    run.fences[part] = fences
    run.filters[part] = <const uint32_t*>(
        <const uint8_t*>value.mv_data + runs_part_filter(pages)
    )
    run.parts[part] = fences[0].high
    return 0


cdef int runs_load(State* s, MDB_txn* txn, Run* run) noexcept nogil:
    """Learn where all parts of a whole run lie; their fences are asked for early."""
    cdef uint32_t count = runs_count_parts(run.entries_max)
    cdef uint32_t part
    cdef MDB_val value
    cdef int rc = 0
    native_assert(run.entries_count == run.entries_max, b"runs_load: the run is whole")
    for part in range(count):
        rc = _runs_get(s, txn, run, <uint32_t>RUN_PART_BLOCK + part, &value)
        if rc != 0:
            return rc
        native_will_need(
            value.mv_data,
            min(value.mv_size, runs_part_filter(runs_part_pages(run, part))),
        )
    for part in range(count):
        rc = _runs_load_part(s, txn, run, part)
        if rc != 0:
            return rc
    return 0 if run.parts[0] == run.least else RC_INDEX


cdef uint64_t runs_fetch_filters(const Run* run, uint64_t most) noexcept nogil:
    """Ask the system for the filters of a run, up to so many bytes; gives what is left."""
    cdef uint32_t part
    cdef uint64_t size
    for part in range(runs_count_parts(run.entries_max)):
        size = <uint64_t>runs_part_lines(run, part) * 32
        if size > most:
            return 0
        native_will_need(run.filters[part], size)
        most -= size
    return most


cdef int runs_delete(
    State* s, MDB_txn* txn, Retired* run, uint32_t most, uint32_t* done
) noexcept nogil:
    """Delete up to `most` values of a run that was merged away; `done`: how many."""
    cdef uint8_t name[13]
    cdef MDB_val key, value
    cdef uint32_t block
    cdef int rc
    native_assert(
        run.deleted <= run.blocks_count + run.parts_count,
        b"runs_delete: no more than there is",
    )
    native_assert(
        run.map < MAPS_COUNT and run.level < LEVELS_MAX,
        b"runs_delete: of a map and level",
    )
    done[0] = 0
    key.mv_size = 13
    key.mv_data = name
    while done[0] < most and run.deleted < run.blocks_count + run.parts_count:
        block = run.deleted
        if block >= run.blocks_count:
            block = RUN_PART_BLOCK + (block - run.blocks_count)
        _runs_set_key(name, run.map, run.id, block)
        rc = damage_of(mdb_get(txn, s.config.runs, &key, &value))
        if rc == 0:
            rc = damage_of_pages(&value)
        if rc == 0:
            rc = damage_of(mdb_del(txn, s.config.runs, &key, NULL))
        if rc != 0:
            return rc
        run.deleted += 1
        done[0] += 1
    return 0
