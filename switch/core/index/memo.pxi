# Maps in memory: entries newer than the index.
#
# Uses nothing but memory. A memo only grows and is dropped whole with its step. A slot leads to
# the newest entry of a key, and that to those before it: what thousands of rows share costs
# each of them no more than what is its own.

cdef int memo_init(Memo* memo, uint64_t least, uint64_t seed) noexcept nogil:
    """An empty memo with room for at least so many entries before it grows."""
    cdef uint32_t capacity = 64
    while capacity < least:
        capacity *= 2
    native_assert(
        least <= MEMO_ENTRIES_MAX,
        b"memo_init: numbers of entries fit their bits",
    )
    memo.count = 0
    memo.capacity = capacity
    memo.seed = seed
    memo.entries = <Entry*>native_scattered(<size_t>capacity * sizeof(Entry))
    memo.slots = <uint32_t*>native_scattered_zeros(<size_t>capacity * 2 * sizeof(uint32_t))
    memo.befores = <uint32_t*>native_scattered(<size_t>capacity * sizeof(uint32_t))
    if memo.entries == NULL or memo.slots == NULL or memo.befores == NULL:
        memo_free(memo)
        return ENOMEM
    return 0


cdef void memo_free(Memo* memo) noexcept nogil:
    free(memo.entries)
    free(memo.slots)
    free(memo.befores)
    memo.entries = NULL
    memo.slots = NULL
    memo.befores = NULL
    memo.count = 0


cdef void memo_clear(Memo* memo) noexcept nogil:
    """Empty it, and keep its memory."""
    memset(memo.slots, 0, <size_t>memo.capacity * 2 * sizeof(uint32_t))
    memo.count = 0


cdef inline uint64_t memo_hash(uint64_t high, uint64_t low, uint64_t seed) noexcept nogil:
    return native_mix((high ^ seed) + low * <uint64_t>0x9E3779B97F4A7C15)


cdef enum:
    MEMO_NUMBER_MASK = 0x3FFFFF   # of a slot, the number of an entry and one more
    MEMO_ENTRIES_MAX = 0x200000   # room for two for each row of the longest step, 2^20 rows

# Larger than an enum's int.
cdef extern from *:
    """
    #define MEMO_VALUE_MOST 0xFFFFFFFFFFFFFFFFULL  /* whatever an entry's value is */
    """
    const uint64_t MEMO_VALUE_MOST

cdef inline uint32_t memo_home(const Memo* memo, uint64_t hash) noexcept nogil:
    return <uint32_t>hash & (memo.capacity * 2 - 1)


cdef inline uint32_t _memo_tag(uint64_t hash) noexcept nogil:
    """Ten bits of the hash, so that most other keys need not be looked at."""
    return <uint32_t>(hash >> 32) & ~<uint32_t>MEMO_NUMBER_MASK


cdef inline bint _memo_leads_to(const Memo* memo, uint32_t number) noexcept nogil:
    """Whether the slots lead from the home of an entry's key to the entry. For asserts."""
    cdef uint32_t mask = memo.capacity * 2 - 1
    cdef const Entry* entry = &memo.entries[number]
    cdef uint32_t slot
    if not SWITCH_ASSERT:
        return True
    slot = memo_home(memo, memo_hash(entry.high, entry_low(entry), memo.seed))
    while memo.slots[slot] != 0 and memo.slots[slot] & MEMO_NUMBER_MASK != number + 1:
        slot = (slot + 1) & mask
    return memo.slots[slot] != 0


cdef inline uint32_t* _memo_find(
    const Memo* memo, uint64_t hash, uint64_t high, uint64_t low
) noexcept nogil:
    """The slot of a key, or an empty one if the memo has none of it."""
    cdef uint32_t mask = memo.capacity * 2 - 1
    cdef uint32_t slot = memo_home(memo, hash)
    cdef uint32_t tag = _memo_tag(hash)
    cdef const Entry* entry
    while memo.slots[slot] != 0:
        if (memo.slots[slot] ^ tag) & ~<uint32_t>MEMO_NUMBER_MASK == 0:
            entry = &memo.entries[(memo.slots[slot] & MEMO_NUMBER_MASK) - 1]
            if entry.high == high and entry_low(entry) == low:
                break
        slot = (slot + 1) & mask
    return &memo.slots[slot]


cdef void _memo_place(Memo* memo, uint32_t number) noexcept nogil:
    cdef const Entry* entry = &memo.entries[number]
    cdef uint64_t hash = memo_hash(entry.high, entry_low(entry), memo.seed)
    cdef uint32_t* slot = _memo_find(memo, hash, entry.high, entry_low(entry))
    native_assert(number < memo.capacity, b"_memo_place: the entry is one of the memo's")
    native_assert(number + 1 < MEMO_NUMBER_MASK, b"_memo_place: its number fits a slot")
    native_assert(
        slot[0] & MEMO_NUMBER_MASK <= number, b"_memo_place: those of its key came before it"
    )
    memo.befores[number] = slot[0] & MEMO_NUMBER_MASK
    slot[0] = _memo_tag(hash) | (number + 1)


cdef int _memo_grow(Memo* memo) noexcept nogil:
    cdef Entry* entries
    cdef uint32_t* slots
    cdef uint32_t* befores
    cdef uint32_t number
    native_assert(memo.count == memo.capacity, b"_memo_grow: it is full")
    native_assert(
        memo.capacity & (memo.capacity - 1) == 0,
        b"_memo_grow: slots are a power of two",
    )
    entries = <Entry*>realloc(memo.entries, <size_t>memo.capacity * 2 * sizeof(Entry))
    if entries == NULL:
        return ENOMEM
    memo.entries = entries
    befores = <uint32_t*>realloc(memo.befores, <size_t>memo.capacity * 2 * sizeof(uint32_t))
    if befores == NULL:
        return ENOMEM
    memo.befores = befores
    slots = <uint32_t*>native_scattered_zeros(<size_t>memo.capacity * 4 * sizeof(uint32_t))
    if slots == NULL:
        return ENOMEM
    free(memo.slots)
    memo.slots = slots
    memo.capacity *= 2
    for number in range(memo.count):
        _memo_place(memo, number)
    return 0


cdef int memo_add(Memo* memo, const Entry* entry) noexcept nogil:
    cdef int rc
    if memo.count == memo.capacity:
        rc = _memo_grow(memo)
        if rc != 0:
            return rc
    native_assert(memo.count < memo.capacity, b"memo_add: there is room")
    memo.entries[memo.count] = entry[0]
    _memo_place(memo, memo.count)
    native_assert(_memo_leads_to(memo, memo.count), b"memo_add: the key is found again")
    memo.count += 1
    return 0


cdef inline uint32_t memo_begin(
    const Memo* memo, uint64_t hash, uint64_t high, uint64_t low
) noexcept nogil:
    """Where a walk over the entries of a key begins: with the newest. 0: there is none."""
    return _memo_find(memo, hash, high, low)[0] & MEMO_NUMBER_MASK


cdef bint memo_next(
    const Memo* memo, uint32_t* at, uint64_t most, uint64_t* value
) noexcept nogil:
    """The next value of a walk that is at most `most`, from the newest on; or False. What came
    since it was begun is not in it."""
    cdef uint64_t found
    while at[0] != 0:
        found = entry_value(&memo.entries[at[0] - 1])
        native_assert(memo.befores[at[0] - 1] < at[0], b"memo_next: the one before came before")
        at[0] = memo.befores[at[0] - 1]
        if found <= most:
            value[0] = found
            return True
    return False


cdef void memo_probe(const Memo* memo, Probes* probes) noexcept nogil:
    """Mark the keys that this memo holds."""
    cdef uint32_t mask = memo.capacity * 2 - 1
    cdef uint32_t i, slot, tag
    cdef const Entry* entry
    for i in range(probes.count):
        native_prefetch(&memo.slots[memo_home(memo, probes.hashes[i])])
    for i in range(probes.count):
        slot = memo_home(memo, probes.hashes[i])
        tag = _memo_tag(probes.hashes[i])
        while memo.slots[slot] != 0:
            if (memo.slots[slot] ^ tag) & ~<uint32_t>MEMO_NUMBER_MASK == 0:
                entry = &memo.entries[(memo.slots[slot] & MEMO_NUMBER_MASK) - 1]
                if entry.high == probes.highs[i] and entry_low(entry) == probes.lows[i]:
                    probes.maybe[i] = 1
                    break
            slot = (slot + 1) & mask
