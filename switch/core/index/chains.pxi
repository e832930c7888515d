# A hash table in memory that never stops: from a hash to the indices of another table that have
# it. Buckets are chains of indices, and with each index that is more than there are buckets one
# of them is split. Nothing else is moved, since there is address space for all that may come.
#
# Uses nothing but memory, and knows hashes alone: who looks up compares the keys.

cdef inline size_t chains_size(uint32_t most) noexcept nogil:
    """Bytes of zeros that chains need for indices below `most`, a power of two."""
    return <size_t>most * 3 * sizeof(uint32_t)


cdef void chains_init(Chains* chains, void* space, uint32_t most) noexcept nogil:
    native_assert(most & (most - 1) == 0, b"chains_init: a power of two")
    chains.heads = <uint32_t*>space
    chains.nexts = chains.heads + most
    chains.hashes = chains.nexts + most
    chains.most = most
    chains.count = 0
    chains.buckets = min(most, <uint32_t>CHAINS_BUCKETS_LEAST)
    chains.mask = 2 * chains.buckets - 1


cdef inline uint32_t chains_home(const Chains* chains, uint32_t hash_) noexcept nogil:
    """The bucket of a hash. Those from `buckets` on are not split off yet."""
    cdef uint32_t home = hash_ & chains.mask
    return home if home < chains.buckets else home & (chains.mask >> 1)


cdef inline uint32_t chains_begin(const Chains* chains, uint32_t hash_) noexcept nogil:
    """The first index of those that have a hash, or 0."""
    cdef uint32_t index = chains.heads[chains_home(chains, hash_)]
    while index != 0 and chains.hashes[index] != hash_:
        index = chains.nexts[index]
    return index


cdef inline uint32_t chains_next(const Chains* chains, uint32_t index) noexcept nogil:
    """The next index that has the hash of this one, or 0."""
    cdef uint32_t next_ = chains.nexts[index]
    while next_ != 0 and chains.hashes[next_] != chains.hashes[index]:
        next_ = chains.nexts[next_]
    return next_


cdef void _chains_split(Chains* chains) noexcept nogil:
    """Have one bucket more: what of another one belongs there goes there."""
    cdef uint32_t fresh = chains.buckets
    cdef uint32_t* link = &chains.heads[fresh & (chains.mask >> 1)]
    cdef uint32_t walked = 0
    cdef uint32_t index
    native_assert(chains.heads[fresh] == 0, b"_chains_split: nobody looked there")
    chains.buckets += 1
    while link[0] != 0:
        index = link[0]
        walked += 1
        if chains_home(chains, chains.hashes[index]) == fresh:
            link[0] = chains.nexts[index]
            chains.nexts[index] = chains.heads[fresh]
            chains.heads[fresh] = index
        else:
            link = &chains.nexts[index]
    native_hold(walked)
    if chains.buckets > chains.mask:
        chains.mask = 2 * chains.mask + 1


cdef void chains_add(Chains* chains, uint32_t index, uint32_t hash_) noexcept nogil:
    """Have an index found by a hash; it has none yet."""
    cdef uint32_t home
    native_assert(0 < index and index < chains.most, b"chains_add: an index of the table")
    if chains.count >= chains.buckets and chains.buckets < chains.most:
        _chains_split(chains)
    home = chains_home(chains, hash_)
    chains.hashes[index] = hash_
    chains.nexts[index] = chains.heads[home]
    chains.heads[home] = index
    chains.count += 1


cdef void chains_remove(Chains* chains, uint32_t index) noexcept nogil:
    """Have an index found no more."""
    cdef uint32_t* link = &chains.heads[chains_home(chains, chains.hashes[index])]
    while link[0] != index:
        native_assert(link[0] != 0, b"chains_remove: it is there")
        link = &chains.nexts[link[0]]
    link[0] = chains.nexts[index]
    chains.count -= 1
