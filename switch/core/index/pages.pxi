# Writing runs: pages as entries come in order, and behind each part its filter and fences.
#
# Belongs to the index writer. Everything goes into the transaction under way; without one
# the parts are stored already, and only memory learns of them. A part is written as a whole, so
# that the values of one are all that is ever in memory.

cdef inline Fence* _pages_fences(const State* s) noexcept nogil:
    """Those of the part being written, in its value."""
    return <Fence*>(s.index.part + PART_HEAD)


cdef inline uint32_t* _pages_filter(const State* s, const Run* run, uint32_t part) noexcept nogil:
    """Likewise."""
    return <uint32_t*>(s.index.part + runs_part_filter(runs_part_pages(run, part)))


cdef void _pages_learn(
    State* s, Run* run, const Entry* entries, uint32_t page, uint32_t count
) noexcept nogil:
    """Let the filters learn the keys of one page, of the part being written."""
    cdef uint64_t[PAGE_ENTRIES] hashes
    cdef uint32_t part = page // PART_PAGES
    cdef uint32_t i
    native_assert(count <= <uint32_t>PAGE_ENTRIES, b"_pages_learn: one page")
    native_assert(
        part < runs_count_parts(run.entries_max),
        b"_pages_learn: the run has this part",
    )
    for i in range(count):
        hashes[i] = memo_hash(entries[i].high, entry_low(&entries[i]), s.config.seed)
    native_filter_add_all(
        _pages_filter(s, run, part), runs_part_lines(run, part), hashes, count
    )
    if run.cover != NULL:
        native_filter_add_all(run.cover.filter, run.cover.filter_size, hashes, count)


cdef void _pages_seal(State* s, Run* run, uint32_t page, uint32_t count) noexcept nogil:
    """A page has all its entries: packed behind those before it, with its check."""
    cdef uint32_t nth = page % BLOCK_PAGES
    cdef uint8_t* data
    cdef uint16_t end
    cdef size_t size
    cdef uint32_t check
    native_assert(
        0 < count and count <= <uint32_t>PAGE_ENTRIES,
        b"_pages_seal: no page is empty",
    )
    native_assert(page + 1 == run.pages_count, b"_pages_seal: it is the last page")
    if nth == 0:
        s.index.block_size = BLOCK_HEAD
        memset(s.index.block, 0, BLOCK_HEAD)
    data = s.index.block + s.index.block_size
    size = native_page_pack(s.index.page, count, data)
    native_assert(size <= PAGE_SIZE, b"_pages_seal: the block has room")
    check = native_crc(runs_seed(run, page), data + 4, size - 4)
    memcpy(data, &check, 4)
    s.index.block_size += size
    end = <uint16_t>(s.index.block_size // 8)
    memcpy(s.index.block + 2 * nth, &end, 2)
    _pages_learn(s, run, s.index.page, page, count)


cdef int _pages_begin(State* s, MDB_txn* txn, Run* run, const Entry* entry) noexcept nogil:
    """Begin the page that `entry` opens; a full block goes to `txn`."""
    cdef uint32_t page = run.pages_count
    cdef int rc = 0
    native_assert(
        run.entries_count == <uint64_t>page * PAGE_ENTRIES,
        b"_pages_begin: those before are full",
    )
    native_assert(
        page < runs_count_pages(run.entries_max),
        b"_pages_begin: the run has this page",
    )
    if page % PART_PAGES == 0:
        # The part before is stored whole.
        memset(
            s.index.part, 0,
            runs_part_size(
                runs_part_pages(run, page // PART_PAGES),
                runs_part_lines(run, page // PART_PAGES),
            ),
        )
        if page == 0:
            run.least = entry.high
    else:
        native_assert(
            runs_is_up_to(
                _pages_fences(s)[page % PART_PAGES - 1].high,
                _pages_fences(s)[page % PART_PAGES - 1].low,
                entry.high, entry_low(entry),
            ),
            b"_pages_begin: keys ascend from page to page",
        )
        _pages_seal(s, run, page - 1, PAGE_ENTRIES)
        if page % BLOCK_PAGES == 0:
            rc = runs_put(
                s, txn, run, page // BLOCK_PAGES - 1, s.index.block, s.index.block_size
            )
    _pages_fences(s)[page % PART_PAGES].high = entry.high
    _pages_fences(s)[page % PART_PAGES].low = entry_low(entry)
    run.pages_count = page + 1
    return rc


cdef inline bint _pages_ascend(const Entry* entries, uint32_t count) noexcept nogil:
    """Whether no entry is below the one before it. For asserts."""
    cdef uint32_t i
    if not SWITCH_ASSERT:
        return True
    for i in range(1, count):
        if not runs_is_up_to(
            entries[i - 1].high, entries[i - 1].rest, entries[i].high, entries[i].rest
        ):
            return False
    return True


cdef int pages_append(
    State* s, MDB_txn* txn, Run* run, const Entry* entries, uint32_t count
) noexcept nogil:
    """Add the next entries in order, none beyond the end of a part."""
    cdef uint32_t in_page = <uint32_t>(run.entries_count % PAGE_ENTRIES)
    cdef uint32_t taken
    cdef int rc
    native_assert(
        run.entries_count + count <= run.entries_max,
        b"pages_append: no more than was meant",
    )
    native_assert(
        run.entries_count % PART_ENTRIES + count <= PART_ENTRIES,
        b"pages_append: not beyond the part",
    )
    native_assert(_pages_ascend(entries, count), b"pages_append: keys ascend")
    native_assert(
        count == 0 or run.entries_count % PART_ENTRIES == 0 or run.greatest <= entries[0].high,
        b"pages_append: from where the part stands",
    )
    while count > 0:
        if in_page == 0:
            rc = _pages_begin(s, txn, run, entries)
            if rc != 0:
                return rc
        taken = min(count, <uint32_t>PAGE_ENTRIES - in_page)
        memcpy(s.index.page + in_page, entries, taken * sizeof(Entry))
        run.entries_count += taken
        run.greatest = entries[taken - 1].high
        entries += taken
        count -= taken
        in_page = (in_page + taken) % PAGE_ENTRIES
    native_assert(
        run.pages_count == runs_count_pages(run.entries_count),
        b"pages_append: pages and entries agree",
    )
    return 0


cdef int pages_end_part(State* s, MDB_txn* txn, Run* run) noexcept nogil:
    """A part has all its entries: store its last block, its fences and its filter."""
    cdef uint32_t page = run.pages_count - 1
    cdef uint32_t part = page // PART_PAGES
    cdef uint32_t block = RUN_PART_BLOCK + part
    cdef uint32_t pages = page % PART_PAGES + 1
    cdef uint32_t lines = runs_part_lines(run, part)
    cdef uint32_t check
    cdef int rc
    native_assert(
        run.entries_count > 0 and run.pages_count == runs_count_pages(run.entries_count),
        b"pages_end_part: pages and entries agree",
    )
    native_assert(
        run.entries_count % PART_ENTRIES == 0 or run.entries_count == run.entries_max,
        b"pages_end_part: the part is whole",
    )
    native_assert(
        _pages_fences(s)[0].high <= run.greatest,
        b"pages_end_part: it ends behind its beginning",
    )
    native_assert(
        pages == runs_part_pages(run, part),
        b"pages_end_part: it has its pages",
    )
    _pages_seal(
        s, run, page, <uint32_t>(run.entries_count - <uint64_t>page * PAGE_ENTRIES)
    )
    rc = runs_put(s, txn, run, page // BLOCK_PAGES, s.index.block, s.index.block_size)
    if rc != 0:
        return rc
    check = native_crc(
        runs_seed(run, block), <const uint8_t*>_pages_fences(s), pages * sizeof(Fence)
    )
    memcpy(s.index.part, &check, 4)
    native_filter_seal(_pages_filter(s, run, part), lines, run.seed, part)
    return runs_put(s, txn, run, block, s.index.part, runs_part_size(pages, lines))


cdef int pages_write_part(
    State* s, MDB_txn* txn, Run* run, const Entry* entries
) noexcept nogil:
    """The next part of a run, whose entries lie sorted in memory."""
    cdef uint32_t count = <uint32_t>min(
        run.entries_max - run.entries_count, <uint64_t>PART_ENTRIES
    )
    cdef int rc = pages_append(s, txn, run, entries + run.entries_count, count)
    native_assert(rc != 0 or count > 0, b"pages_write_part: there was a part left")
    return pages_end_part(s, txn, run) if rc == 0 else rc
