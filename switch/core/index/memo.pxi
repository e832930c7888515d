# Maps in memory: entries newer than the index, and the open holds.
#
# Uses nothing but memory. A memo only grows and is dropped whole with its step; equal
# keys are kept in the order they came, so that the newest can be asked for first.

cdef int memo_init(Memo* memo, uint64_t least, uint64_t seed) noexcept nogil:
    """An empty memo with room for at least so many entries before it grows."""
    cdef uint32_t capacity = 64
    while capacity < least:
        capacity *= 2
    memo.count = 0
    memo.capacity = capacity
    memo.seed = seed
    memo.entries = <Entry*>malloc(capacity * sizeof(Entry))
    memo.slots = <uint32_t*>calloc(capacity * 2, sizeof(uint32_t))
    if memo.entries == NULL or memo.slots == NULL:
        memo_free(memo)
        return ENOMEM
    return 0


cdef void memo_free(Memo* memo) noexcept nogil:
    free(memo.entries)
    free(memo.slots)
    memo.entries = NULL
    memo.slots = NULL
    memo.count = 0


cdef inline uint64_t memo_hash(uint64_t high, uint64_t low, uint64_t seed) noexcept nogil:
    return native_mix((high ^ seed) + low * <uint64_t>0x9E3779B97F4A7C15)


cdef enum:
    MEMO_NUMBER_BITS = 21     # a memo holds fewer than 2^21 entries
    MEMO_NUMBER_MASK = 0x1FFFFF


cdef inline uint32_t memo_home(const Memo* memo, uint64_t hash) noexcept nogil:
    return <uint32_t>hash & (memo.capacity * 2 - 1)


cdef inline uint32_t memo_tag(uint64_t hash) noexcept nogil:
    """Eleven bits of the hash, so that most other keys need not be looked at."""
    return <uint32_t>(hash >> 32) & ~<uint32_t>MEMO_NUMBER_MASK


cdef void memo_place(Memo* memo, uint32_t number) noexcept nogil:
    cdef uint32_t mask = memo.capacity * 2 - 1
    cdef const Entry* entry = &memo.entries[number]
    cdef uint64_t hash = memo_hash(entry.high, entry.low, memo.seed)
    cdef uint32_t slot = memo_home(memo, hash)
    while memo.slots[slot] != 0:
        slot = (slot + 1) & mask
    memo.slots[slot] = memo_tag(hash) | (number + 1)


cdef int memo_grow(Memo* memo) noexcept nogil:
    cdef Entry* entries
    cdef uint32_t* slots
    cdef uint32_t number
    entries = <Entry*>realloc(memo.entries, <size_t>memo.capacity * 2 * sizeof(Entry))
    if entries == NULL:
        return ENOMEM
    memo.entries = entries
    slots = <uint32_t*>calloc(<size_t>memo.capacity * 4, sizeof(uint32_t))
    if slots == NULL:
        return ENOMEM
    free(memo.slots)
    memo.slots = slots
    memo.capacity *= 2
    for number in range(memo.count):
        memo_place(memo, number)
    return 0


cdef int memo_add(Memo* memo, uint64_t high, uint64_t low, uint64_t value) noexcept nogil:
    cdef int rc
    if memo.count == memo.capacity:
        rc = memo_grow(memo)
        if rc != 0:
            return rc
    memo.entries[memo.count].high = high
    memo.entries[memo.count].low = low
    memo.entries[memo.count].value = value
    memo_place(memo, memo.count)
    memo.count += 1
    return 0


cdef bint memo_newest(
    const Memo* memo, uint64_t hash, uint64_t high, uint64_t low, uint32_t* nth,
    uint64_t* value
) noexcept nogil:
    """The nth newest value of a key; or False, with `nth` counted down past all of them."""
    cdef uint32_t mask = memo.capacity * 2 - 1
    cdef uint32_t home = memo_home(memo, hash)
    cdef uint32_t tag = memo_tag(hash)
    cdef uint32_t slot = home
    cdef uint32_t found = 0
    cdef const Entry* entry
    while memo.slots[slot] != 0:
        if (memo.slots[slot] ^ tag) & ~<uint32_t>MEMO_NUMBER_MASK == 0:
            entry = &memo.entries[(memo.slots[slot] & MEMO_NUMBER_MASK) - 1]
            if entry.low == low and entry.high == high:
                value[0] = entry.value
                found += 1
        slot = (slot + 1) & mask
    if nth[0] >= found:
        nth[0] -= found
        return False
    if nth[0] == 0:
        return True
    # Rare: several entries of one key, and not the newest is asked for.
    found -= nth[0]
    slot = home
    while found > 0:
        entry = &memo.entries[(memo.slots[slot] & MEMO_NUMBER_MASK) - 1]
        if entry.low == low and entry.high == high:
            value[0] = entry.value
            found -= 1
        slot = (slot + 1) & mask
    return True


cdef void memo_probe(const Memo* memo, Probes* probes) noexcept nogil:
    """Mark the keys that this memo holds."""
    cdef uint32_t mask = memo.capacity * 2 - 1
    cdef uint32_t i, slot, tag
    cdef const Entry* entry
    for i in range(probes.count):
        native_prefetch(&memo.slots[memo_home(memo, probes.hashes[i])])
    for i in range(probes.count):
        slot = memo_home(memo, probes.hashes[i])
        tag = memo_tag(probes.hashes[i])
        while memo.slots[slot] != 0:
            if (memo.slots[slot] ^ tag) & ~<uint32_t>MEMO_NUMBER_MASK == 0:
                entry = &memo.entries[(memo.slots[slot] & MEMO_NUMBER_MASK) - 1]
                if entry.low == probes.lows[i] and entry.high == probes.highs[i]:
                    probes.maybe[i] = 1
                    break
            slot = (slot + 1) & mask


# --- open holds: a binary heap by (due, sequence), and sequence -> heap position -------

cdef int holds_init(Holds* holds) noexcept nogil:
    holds.count = 0
    holds.capacity = 1024
    holds.heap = <Hold*>malloc(holds.capacity * sizeof(Hold))
    holds.slots = <uint32_t*>calloc(holds.capacity * 2, sizeof(uint32_t))
    return 0 if holds.heap != NULL and holds.slots != NULL else ENOMEM


cdef void holds_free(Holds* holds) noexcept nogil:
    free(holds.heap)
    free(holds.slots)
    holds.heap = NULL
    holds.slots = NULL


cdef inline uint32_t holds_home(const Holds* holds, uint64_t sequence) noexcept nogil:
    return <uint32_t>native_mix(sequence) & (holds.capacity * 2 - 1)


cdef uint32_t holds_slot(const Holds* holds, uint64_t sequence) noexcept nogil:
    """The slot that holds `sequence`, or the empty one where it would go."""
    cdef uint32_t mask = holds.capacity * 2 - 1
    cdef uint32_t slot = holds_home(holds, sequence)
    while holds.slots[slot] != 0 and holds.heap[holds.slots[slot] - 1].sequence != sequence:
        slot = (slot + 1) & mask
    return slot


cdef inline bint holds_has(const Holds* holds, uint64_t sequence) noexcept nogil:
    return holds.slots[holds_slot(holds, sequence)] != 0


cdef bint holds_is_due(const Holds* holds, uint64_t sequence) noexcept nogil:
    """Whether a hold is open, and neither kept beyond its deadline nor set aside."""
    cdef uint32_t slot = holds_slot(holds, sequence)
    return holds.slots[slot] != 0 and holds.heap[holds.slots[slot] - 1].due < ASIDE


cdef bint holds_is_aside(const Holds* holds, uint64_t sequence) noexcept nogil:
    cdef uint32_t slot = holds_slot(holds, sequence)
    return holds.slots[slot] != 0 and holds.heap[holds.slots[slot] - 1].due == ASIDE


cdef inline bint holds_before(const Hold* a, const Hold* b) noexcept nogil:
    return a.due < b.due or (a.due == b.due and a.sequence < b.sequence)


cdef void holds_swap(Holds* holds, uint32_t a, uint32_t b) noexcept nogil:
    # Both slots are looked up while the heap is whole.
    cdef uint32_t slot_a = holds_slot(holds, holds.heap[a].sequence)
    cdef uint32_t slot_b = holds_slot(holds, holds.heap[b].sequence)
    cdef Hold hold = holds.heap[a]
    holds.heap[a] = holds.heap[b]
    holds.heap[b] = hold
    holds.slots[slot_a] = b + 1
    holds.slots[slot_b] = a + 1


cdef void holds_sift(Holds* holds, uint32_t position) noexcept nogil:
    """Restore the heap's order around one position."""
    cdef uint32_t parent, child
    while position > 0:
        parent = (position - 1) // 2
        if not holds_before(&holds.heap[position], &holds.heap[parent]):
            break
        holds_swap(holds, position, parent)
        position = parent
    while True:
        child = 2 * position + 1
        if child >= holds.count:
            return
        if child + 1 < holds.count and holds_before(&holds.heap[child + 1], &holds.heap[child]):
            child += 1
        if not holds_before(&holds.heap[child], &holds.heap[position]):
            return
        holds_swap(holds, position, child)
        position = child


cdef int holds_add(Holds* holds, uint64_t sequence, uint64_t due) noexcept nogil:
    cdef Hold* heap
    cdef uint32_t* slots
    cdef uint32_t position
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
            holds.slots[holds_slot(holds, holds.heap[position].sequence)] = position + 1
    holds.heap[holds.count].sequence = sequence
    holds.heap[holds.count].due = due
    holds.slots[holds_slot(holds, sequence)] = holds.count + 1
    holds.count += 1
    holds_sift(holds, holds.count - 1)
    return 0


cdef void holds_put_off(Holds* holds, uint64_t sequence, uint64_t due) noexcept nogil:
    """Let a hold be due later than it was; it stays open."""
    cdef uint32_t slot = holds_slot(holds, sequence)
    cdef uint32_t position
    if holds.slots[slot] == 0:
        return
    position = holds.slots[slot] - 1
    holds.heap[position].due = due
    holds_sift(holds, position)


cdef inline void holds_keep(Holds* holds, uint64_t sequence) noexcept nogil:
    """Let a hold be due no more."""
    holds_put_off(holds, sequence, NEVER)


cdef inline void holds_set_aside(Holds* holds, uint64_t sequence) noexcept nogil:
    """Let a hold that cannot be read be due no more, until the ledger is opened again."""
    holds_put_off(holds, sequence, ASIDE)


cdef inline uint64_t holds_due(const Holds* holds) noexcept nogil:
    """When the next hold is due, 0 if none is."""
    if holds.count == 0 or holds.heap[0].due >= ASIDE:
        return 0
    return holds.heap[0].due


cdef void holds_remove(Holds* holds, uint64_t sequence) noexcept nogil:
    cdef uint32_t mask = holds.capacity * 2 - 1
    cdef uint32_t slot = holds_slot(holds, sequence)
    cdef uint32_t position, hole, home
    if holds.slots[slot] == 0:
        return
    position = holds.slots[slot] - 1
    holds_swap(holds, position, holds.count - 1)
    # Close the gap, so that no later key is cut off from its home.
    hole = slot
    while True:
        slot = (slot + 1) & mask
        if holds.slots[slot] == 0:
            break
        home = holds_home(holds, holds.heap[holds.slots[slot] - 1].sequence)
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            holds.slots[hole] = holds.slots[slot]
            hole = slot
    holds.slots[hole] = 0
    holds.count -= 1
    if position < holds.count:
        holds_sift(holds, position)
