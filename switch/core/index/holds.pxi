# Open and unverified holds in memory: a binary heap by (due, sequence), and sequence -> heap
# position. An unverified one has expired: it is due no more, and stays until it is verified
# or corrected.
#
# The way from a sequence goes by buckets, each a chain of heap positions. With each hold that is
# more than there are buckets one of them is split: so no hold waits until all others have been
# placed anew. Nothing is moved either, as all have address space for as many as there may be.
#
# Uses nothing but memory. The committer has one, the index writer another.

cdef enum:
    HOLDS_AHEAD = 8           # buckets whose turn to be split comes so much later

cdef int holds_init(Holds* holds, uint64_t seed) noexcept nogil:
    holds.seed = seed
    holds.count = 0
    holds.kept = 0
    holds.unverified = 0
    holds.sum = 0
    holds.buckets = HOLDS_BUCKETS_LEAST
    holds.mask = 2 * HOLDS_BUCKETS_LEAST - 1
    holds.heap = <Hold*>native_reserve(<size_t>HOLDS_MAX * sizeof(Hold))
    holds.heads = <uint32_t*>native_reserve(<size_t>HOLDS_MAX * sizeof(uint32_t))
    holds.links = <HoldLink*>native_reserve(<size_t>HOLDS_MAX * sizeof(HoldLink))
    return 0 if holds.heap != NULL and holds.heads != NULL and holds.links != NULL else ENOMEM


cdef void holds_free(Holds* holds) noexcept nogil:
    native_give_back(holds.heap, <size_t>HOLDS_MAX * sizeof(Hold))
    native_give_back(holds.heads, <size_t>HOLDS_MAX * sizeof(uint32_t))
    native_give_back(holds.links, <size_t>HOLDS_MAX * sizeof(HoldLink))
    holds.heap = NULL
    holds.heads = NULL
    holds.links = NULL


cdef inline uint32_t _holds_hash(const Holds* holds, uint64_t sequence) noexcept nogil:
    return <uint32_t>native_mix(sequence ^ holds.seed)


cdef inline uint32_t _holds_home(const Holds* holds, uint32_t hash_) noexcept nogil:
    """The bucket of a hash. Those from `buckets` on are not split off yet."""
    cdef uint32_t home = hash_ & holds.mask
    return home if home < holds.buckets else home & (holds.mask >> 1)


cdef inline uint32_t* _holds_link(const Holds* holds, uint64_t sequence) noexcept nogil:
    """What leads to a hold: a head or a next. One that is 0, the end of its chain: it is not
    there."""
    cdef uint32_t hash_ = _holds_hash(holds, sequence)
    cdef uint32_t* link = &holds.heads[_holds_home(holds, hash_)]
    while link[0] != 0 and (
        holds.links[link[0] - 1].hash != hash_ or holds.heap[link[0] - 1].sequence != sequence
    ):
        link = &holds.links[link[0] - 1].next
    return link


cdef void _holds_split(Holds* holds) noexcept nogil:
    """Have one bucket more: what of another one belongs there goes there."""
    cdef uint32_t fresh = holds.buckets
    cdef uint32_t from_ = fresh & (holds.mask >> 1)
    cdef uint32_t* link = &holds.heads[from_]
    cdef uint32_t walked = 0
    cdef uint32_t at
    native_assert(fresh <= holds.mask, b"_holds_split: a bucket that the mask reaches")
    native_assert(holds.heads[fresh] == 0, b"_holds_split: nobody looked there")
    # Of those that are split soon the first holds are fetched: they stand anywhere.
    at = holds.heads[from_ + HOLDS_AHEAD]
    if at != 0:
        native_prefetch(&holds.links[at - 1])
    holds.buckets += 1
    while link[0] != 0:
        at = link[0]
        walked += 1
        if _holds_home(holds, holds.links[at - 1].hash) == fresh:
            link[0] = holds.links[at - 1].next
            holds.links[at - 1].next = holds.heads[fresh]
            holds.heads[fresh] = at
        else:
            link = &holds.links[at - 1].next
    native_hold(walked)
    if holds.buckets > holds.mask:
        holds.mask = 2 * holds.mask + 1


cdef inline void _holds_keep(Holds* holds, uint32_t position) noexcept nogil:
    """Before a position of the heap is changed."""
    if holds.copying.target != NULL:
        copying_keep(&holds.copying, holds.heap, position, sizeof(Hold))


cdef inline bint holds_has(const Holds* holds, uint64_t sequence) noexcept nogil:
    return _holds_link(holds, sequence)[0] != 0


cdef inline uint64_t holds_find(const Holds* holds, uint64_t sequence) noexcept nogil:
    """When a hold is due, 0 if it is neither open nor unverified."""
    cdef uint32_t at = _holds_link(holds, sequence)[0]
    return holds.heap[at - 1].due if at != 0 else 0


cdef inline bint holds_is_open(const Holds* holds, uint64_t sequence) noexcept nogil:
    cdef uint64_t due = holds_find(holds, sequence)
    return due != 0 and due != UNVERIFIED


cdef bint holds_is_due(const Holds* holds, uint64_t sequence) noexcept nogil:
    """Whether a hold is open, and neither kept nor set aside."""
    return 0 < holds_find(holds, sequence) < UNVERIFIED


cdef inline bint holds_is_kept(const Holds* holds, uint64_t sequence) noexcept nogil:
    return holds_find(holds, sequence) == NEVER


cdef inline bint holds_is_unverified(const Holds* holds, uint64_t sequence) noexcept nogil:
    return holds_find(holds, sequence) == UNVERIFIED


cdef bint holds_is_aside(const Holds* holds, uint64_t sequence) noexcept nogil:
    return holds_find(holds, sequence) == ASIDE


cdef inline uint64_t holds_mark(const Hold* hold) noexcept nogil:
    """What a hold adds to a sum over all, in which their order does not matter."""
    cdef uint64_t what = 0
    if hold.due == NEVER:
        what = 1
    elif hold.due == UNVERIFIED:
        what = 2
    return native_mix(hold.sequence << 2 | what)


cdef inline void _holds_count(Holds* holds, const Hold* hold, int step) noexcept nogil:
    """Count one as it is, or count it no more."""
    if hold.due == NEVER:
        holds.kept += step
    elif hold.due == UNVERIFIED:
        holds.unverified += step
    holds.sum += holds_mark(hold) * <uint64_t><int64_t>step
    native_assert(holds.kept + holds.unverified <= holds.count, b"_holds_count: some of all")


cdef inline bint _holds_before(const Hold* a, const Hold* b) noexcept nogil:
    return a.due < b.due or (a.due == b.due and a.sequence < b.sequence)


cdef inline bint _holds_is_at(const Holds* holds, uint32_t position) noexcept nogil:
    """Whether its chain says that a hold of the heap stands where it does. For asserts."""
    if not SWITCH_ASSERT:
        return True
    return _holds_link(holds, holds.heap[position].sequence)[0] == position + 1


cdef inline bint _holds_in_order(const Holds* holds, uint32_t position) noexcept nogil:
    """Whether the heap's order holds between one position and those next to it. For asserts."""
    cdef const Hold* hold = &holds.heap[position]
    cdef uint64_t child = 2 * <uint64_t>position + 1
    if not SWITCH_ASSERT:
        return True
    if position > 0 and _holds_before(hold, &holds.heap[(position - 1) // 2]):
        return False
    if child < holds.count and _holds_before(&holds.heap[child], hold):
        return False
    return child + 1 >= holds.count or not _holds_before(&holds.heap[child + 1], hold)


cdef void _holds_swap(Holds* holds, uint32_t a, uint32_t b) noexcept nogil:
    native_assert(a < holds.count and b < holds.count, b"_holds_swap: both are in the heap")
    # What leads to each is found while the heap is whole. Where one of the two leads to the other
    # this comes out right as well: the chain has both in the same order as before.
    cdef uint32_t* link_a = _holds_link(holds, holds.heap[a].sequence)
    cdef uint32_t* link_b = _holds_link(holds, holds.heap[b].sequence)
    cdef Hold hold = holds.heap[a]
    cdef HoldLink next_
    if a == b:
        return
    _holds_keep(holds, a)
    _holds_keep(holds, b)
    holds.heap[a] = holds.heap[b]
    holds.heap[b] = hold
    link_a[0] = b + 1
    link_b[0] = a + 1
    next_ = holds.links[a]
    holds.links[a] = holds.links[b]
    holds.links[b] = next_
    native_assert(
        _holds_is_at(holds, a) and _holds_is_at(holds, b),
        b"_holds_swap: chains lead to both",
    )


cdef void _holds_sift(Holds* holds, uint32_t position) noexcept nogil:
    """Restore the heap's order around one position."""
    cdef uint32_t parent, child
    native_assert(position < holds.count, b"_holds_sift: it is in the heap")
    while position > 0:
        parent = (position - 1) // 2
        if not _holds_before(&holds.heap[position], &holds.heap[parent]):
            break
        _holds_swap(holds, position, parent)
        position = parent
    while True:
        child = 2 * position + 1
        if child >= holds.count:
            break
        if child + 1 < holds.count and _holds_before(&holds.heap[child + 1], &holds.heap[child]):
            child += 1
        if not _holds_before(&holds.heap[child], &holds.heap[position]):
            break
        _holds_swap(holds, position, child)
        position = child
    native_assert(_holds_in_order(holds, position), b"_holds_sift: the earliest stands above")
    native_assert(_holds_is_at(holds, position), b"_holds_sift: a chain leads to the hold")


cdef int holds_add(Holds* holds, uint64_t sequence, uint64_t due) noexcept nogil:
    cdef Hold* hold = &holds.heap[holds.count]
    cdef uint32_t hash_ = _holds_hash(holds, sequence)
    cdef uint32_t home
    native_assert(sequence > 0, b"holds_add: a hold is a row")
    native_assert(not holds_has(holds, sequence), b"holds_add: it is not open yet")
    native_assert(due > 0, b"holds_add: it is due some time")
    if holds.count == HOLDS_MAX:
        return ENOMEM
    if holds.count >= holds.buckets:
        _holds_split(holds)
    _holds_keep(holds, holds.count)
    home = _holds_home(holds, hash_)
    hold.sequence = sequence
    hold.due = due
    holds.links[holds.count].hash = hash_
    holds.links[holds.count].next = holds.heads[home]
    holds.count += 1
    holds.heads[home] = holds.count
    _holds_count(holds, hold, 1)
    _holds_sift(holds, holds.count - 1)
    native_assert(holds_has(holds, sequence), b"holds_add: it is open")
    native_assert(
        not _holds_before(&holds.heap[holds.count - 1], &holds.heap[0]),
        b"holds_add: the earliest is first",
    )
    return 0


cdef void _holds_put_off(Holds* holds, uint64_t sequence, uint64_t due) noexcept nogil:
    """Let a hold be due later than it was; it stays listed."""
    cdef uint32_t at = _holds_link(holds, sequence)[0]
    cdef uint32_t position
    if at == 0:
        return
    position = at - 1
    native_assert(position < holds.count, b"_holds_put_off: it is in the heap")
    native_assert(due >= holds.heap[position].due, b"_holds_put_off: later, not earlier")
    _holds_keep(holds, position)
    _holds_count(holds, &holds.heap[position], -1)
    holds.heap[position].due = due
    _holds_count(holds, &holds.heap[position], 1)
    _holds_sift(holds, position)


cdef inline void holds_keep(Holds* holds, uint64_t sequence) noexcept nogil:
    """Let a hold be due no more."""
    _holds_put_off(holds, sequence, NEVER)


cdef inline void holds_doubt(Holds* holds, uint64_t sequence) noexcept nogil:
    """Let a hold that has expired be unverified."""
    native_assert(holds_is_due(holds, sequence), b"holds_doubt: it was due")
    _holds_put_off(holds, sequence, UNVERIFIED)


cdef inline void holds_set_aside(Holds* holds, uint64_t sequence) noexcept nogil:
    """Let a hold that cannot be read be due no more, until the ledger is opened again."""
    _holds_put_off(holds, sequence, ASIDE)


cdef inline uint64_t holds_due(const Holds* holds) noexcept nogil:
    """When the next hold is due, 0 if none is."""
    if holds.count == 0 or holds.heap[0].due >= UNVERIFIED:
        return 0
    return holds.heap[0].due


cdef void holds_remove(Holds* holds, uint64_t sequence) noexcept nogil:
    cdef uint32_t* link = _holds_link(holds, sequence)
    cdef uint32_t last = holds.count - 1
    cdef uint32_t position
    if link[0] == 0:
        return
    position = link[0] - 1
    native_assert(position < holds.count, b"holds_remove: it is in the heap")
    native_assert(holds.heap[position].sequence == sequence, b"holds_remove: it is the one")
    _holds_count(holds, &holds.heap[position], -1)
    link[0] = holds.links[position].next
    if position != last:
        # The last one takes its place.
        _holds_keep(holds, position)
        link = _holds_link(holds, holds.heap[last].sequence)
        link[0] = position + 1
        holds.links[position] = holds.links[last]
        holds.heap[position] = holds.heap[last]
    holds.count = last
    if position < last:
        _holds_sift(holds, position)
    native_assert(not holds_has(holds, sequence), b"holds_remove: it is listed no more")
    native_assert(holds.kept + holds.unverified <= holds.count, b"holds_remove: some of all")
    native_assert(
        holds.count == 0 or _holds_is_at(holds, holds.count - 1),
        b"holds_remove: a chain leads to the last",
    )
    native_assert(
        position >= holds.count or _holds_in_order(holds, position),
        b"holds_remove: the order holds",
    )
