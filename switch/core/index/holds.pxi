# Open and unverified holds in memory: a binary heap by (due, sequence), and sequence -> heap
# position. An unverified one has expired: it is due no more, and stays until it is verified
# or corrected.
#
# Uses nothing but memory. The committer has one, the index writer another.

cdef int holds_init(Holds* holds, uint64_t seed) noexcept nogil:
    holds.seed = seed
    holds.count = 0
    holds.kept = 0
    holds.unverified = 0
    holds.capacity = 1024
    holds.heap = <Hold*>malloc(holds.capacity * sizeof(Hold))
    holds.slots = <uint32_t*>calloc(holds.capacity * 2, sizeof(uint32_t))
    return 0 if holds.heap != NULL and holds.slots != NULL else ENOMEM


cdef void holds_free(Holds* holds) noexcept nogil:
    free(holds.heap)
    free(holds.slots)
    holds.heap = NULL
    holds.slots = NULL


cdef inline uint32_t _holds_home(const Holds* holds, uint64_t sequence) noexcept nogil:
    return <uint32_t>native_mix(sequence ^ holds.seed) & (holds.capacity * 2 - 1)


cdef uint32_t _holds_slot(const Holds* holds, uint64_t sequence) noexcept nogil:
    """The slot that holds `sequence`, or the empty one where it would go."""
    cdef uint32_t mask = holds.capacity * 2 - 1
    cdef uint32_t slot = _holds_home(holds, sequence)
    native_assert(
        holds.count <= holds.capacity,
        b"_holds_slot: an empty slot ends the search",
    )
    while holds.slots[slot] != 0 and holds.heap[holds.slots[slot] - 1].sequence != sequence:
        slot = (slot + 1) & mask
    return slot


cdef inline bint holds_has(const Holds* holds, uint64_t sequence) noexcept nogil:
    return holds.slots[_holds_slot(holds, sequence)] != 0


cdef inline uint64_t holds_find(const Holds* holds, uint64_t sequence) noexcept nogil:
    """When a hold is due, 0 if it is neither open nor unverified."""
    cdef uint32_t slot = _holds_slot(holds, sequence)
    return holds.heap[holds.slots[slot] - 1].due if holds.slots[slot] != 0 else 0


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


cdef inline void holds_count(Holds* holds, uint64_t due, int step) noexcept nogil:
    """Count one that is due then, or count it no more."""
    if due == NEVER:
        holds.kept += step
    elif due == UNVERIFIED:
        holds.unverified += step
    native_assert(holds.kept + holds.unverified <= holds.count, b"holds_count: some of all")


cdef inline bint _holds_before(const Hold* a, const Hold* b) noexcept nogil:
    return a.due < b.due or (a.due == b.due and a.sequence < b.sequence)


cdef inline bint _holds_is_at(const Holds* holds, uint32_t position) noexcept nogil:
    """Whether the slots say that a hold of the heap stands where it does. For asserts."""
    if not SWITCH_ASSERT:
        return True
    return holds.slots[_holds_slot(holds, holds.heap[position].sequence)] == position + 1


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
    # Both slots are looked up while the heap is whole.
    cdef uint32_t slot_a = _holds_slot(holds, holds.heap[a].sequence)
    cdef uint32_t slot_b = _holds_slot(holds, holds.heap[b].sequence)
    cdef Hold hold = holds.heap[a]
    holds.heap[a] = holds.heap[b]
    holds.heap[b] = hold
    holds.slots[slot_a] = b + 1
    holds.slots[slot_b] = a + 1
    native_assert(
        _holds_is_at(holds, a) and _holds_is_at(holds, b),
        b"_holds_swap: slots know both",
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
    native_assert(_holds_is_at(holds, position), b"_holds_sift: the slots know the hold")


cdef int holds_add(Holds* holds, uint64_t sequence, uint64_t due) noexcept nogil:
    cdef Hold* heap
    cdef uint32_t* slots
    cdef uint32_t position
    native_assert(sequence > 0, b"holds_add: a hold is a row")
    native_assert(not holds_has(holds, sequence), b"holds_add: it is not open yet")
    native_assert(due > 0, b"holds_add: it is due some time")
    if holds.count == holds.capacity:
        heap = <Hold*>realloc(holds.heap, <size_t>holds.capacity * 2 * sizeof(Hold))
        if heap == NULL:
            return ENOMEM
        holds.heap = heap
        slots = <uint32_t*>calloc(<size_t>holds.capacity * 4, sizeof(uint32_t))
        if slots == NULL:
            return ENOMEM
        free(holds.slots)
        holds.slots = slots
        holds.capacity *= 2
        for position in range(holds.count):
            holds.slots[_holds_slot(holds, holds.heap[position].sequence)] = position + 1
    native_assert(holds.count < holds.capacity, b"holds_add: there is room")
    holds.heap[holds.count].sequence = sequence
    holds.heap[holds.count].due = due
    holds.slots[_holds_slot(holds, sequence)] = holds.count + 1
    holds.count += 1
    holds_count(holds, due, 1)
    _holds_sift(holds, holds.count - 1)
    native_assert(holds_has(holds, sequence), b"holds_add: it is open")
    native_assert(
        not _holds_before(&holds.heap[holds.count - 1], &holds.heap[0]),
        b"holds_add: the earliest is first",
    )
    return 0


cdef void _holds_put_off(Holds* holds, uint64_t sequence, uint64_t due) noexcept nogil:
    """Let a hold be due later than it was; it stays listed."""
    cdef uint32_t slot = _holds_slot(holds, sequence)
    cdef uint32_t position
    if holds.slots[slot] == 0:
        return
    position = holds.slots[slot] - 1
    native_assert(position < holds.count, b"_holds_put_off: it is in the heap")
    native_assert(due >= holds.heap[position].due, b"_holds_put_off: later, not earlier")
    holds_count(holds, holds.heap[position].due, -1)
    holds.heap[position].due = due
    holds_count(holds, due, 1)
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
    cdef uint32_t mask = holds.capacity * 2 - 1
    cdef uint32_t slot = _holds_slot(holds, sequence)
    cdef uint32_t position, hole, home
    if holds.slots[slot] == 0:
        return
    position = holds.slots[slot] - 1
    native_assert(position < holds.count, b"holds_remove: it is in the heap")
    native_assert(holds.heap[position].sequence == sequence, b"holds_remove: it is the one")
    holds_count(holds, holds.heap[position].due, -1)
    _holds_swap(holds, position, holds.count - 1)
    # Close the gap, so that no later key is cut off from its home.
    hole = slot
    while True:
        slot = (slot + 1) & mask
        if holds.slots[slot] == 0:
            break
        home = _holds_home(holds, holds.heap[holds.slots[slot] - 1].sequence)
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            holds.slots[hole] = holds.slots[slot]
            hole = slot
    holds.slots[hole] = 0
    holds.count -= 1
    if position < holds.count:
        _holds_sift(holds, position)
    native_assert(not holds_has(holds, sequence), b"holds_remove: it is listed no more")
    native_assert(holds.kept + holds.unverified <= holds.count, b"holds_remove: some of all")
    native_assert(
        holds.count == 0 or _holds_is_at(holds, holds.count - 1),
        b"holds_remove: the last has its slot",
    )
    native_assert(
        position >= holds.count or _holds_in_order(holds, position),
        b"holds_remove: the order holds",
    )
