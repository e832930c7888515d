# Sorting entries by key, and those of one key by value, which is the journal's order.
#
# Keys are mostly spread evenly (hashes, random ids) or nearly in order already (ids made
# from the time). The leading bits in which they differ at all are sorted by radix, which
# leaves few neighbours with equal bits; those are sorted again by their further bits.

cdef enum:
    SORT_FEW = 24             # so many entries are sorted by insertion
    SORT_BITS = 11            # of one radix pass; there are two
    SORT_BUCKETS = 2048


cdef inline bint _sort_before(const Entry* a, const Entry* b) noexcept nogil:
    return a.high < b.high or (a.high == b.high and a.rest < b.rest)


cdef inline bint sort_is_done(const Entry* entries, uint32_t count) noexcept nogil:
    """Whether keys ascend, and of equal ones the values. For asserts."""
    cdef uint32_t i
    if not SWITCH_ASSERT:
        return True
    for i in range(1, count):
        if _sort_before(&entries[i], &entries[i - 1]):
            return False
    return True


cdef void _sort_few(Entry* entries, uint32_t count) noexcept nogil:
    cdef uint32_t i, j
    cdef Entry entry
    for i in range(1, count):
        entry = entries[i]
        j = i
        while j > 0 and _sort_before(&entry, &entries[j - 1]):
            entries[j] = entries[j - 1]
            j -= 1
        entries[j] = entry


cdef inline uint32_t _sort_bits(const Entry* entry, bint by_rest, int shift) noexcept nogil:
    """The 2 x SORT_BITS bits behind the first `shift` bits of one half of the entry."""
    return <uint32_t>(
        ((entry.rest if by_rest else entry.high) << shift) >> (64 - 2 * SORT_BITS)
    )


cdef void _sort_pass(
    const Entry* source, Entry* target, uint32_t count, bint by_rest, int shift, int right
) noexcept nogil:
    cdef uint32_t[SORT_BUCKETS] places
    cdef uint32_t i, bucket, number
    cdef uint32_t total = 0
    memset(places, 0, sizeof(places))
    for i in range(count):
        places[(_sort_bits(&source[i], by_rest, shift) >> right) & (SORT_BUCKETS - 1)] += 1
    for i in range(<uint32_t>SORT_BUCKETS):
        number = places[i]
        places[i] = total
        total += number
    native_assert(total == count, b"_sort_pass: each entry has a place")
    for i in range(count):
        bucket = (_sort_bits(&source[i], by_rest, shift) >> right) & (SORT_BUCKETS - 1)
        target[places[bucket]] = source[i]
        places[bucket] += 1


cdef void sort_entries(Entry* entries, Entry* scratch, uint32_t count) noexcept nogil:
    """Sort `count` entries; `scratch` has room for as many. At most six calls deep."""
    cdef uint64_t differs_high = 0
    cdef uint64_t differs_rest = 0
    cdef uint32_t i, first, bits
    cdef bint sorted_ = True
    cdef bint by_rest
    cdef int shift
    if count <= SORT_FEW:
        _sort_few(entries, count)
        return
    for i in range(1, count):
        differs_high |= entries[i].high ^ entries[0].high
        differs_rest |= entries[i].rest ^ entries[0].rest
        sorted_ = sorted_ and not _sort_before(&entries[i], &entries[i - 1])
    if sorted_:
        return
    by_rest = differs_high == 0
    shift = native_zeros(differs_rest if by_rest else differs_high)
    _sort_pass(entries, scratch, count, by_rest, shift, 0)
    _sort_pass(scratch, entries, count, by_rest, shift, SORT_BITS)
    # Entries with all these bits equal differ further behind, if at all: each round
    # takes the next 22 of the 128 bits.
    first = 0
    for i in range(1, count + 1):
        bits = _sort_bits(&entries[first], by_rest, shift)
        if i < count and _sort_bits(&entries[i], by_rest, shift) == bits:
            continue
        if i - first > 1:
            sort_entries(entries + first, scratch, i - first)
        first = i
