# What core/native.h offers.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "core/native.h" nogil:
    void native_init(int portable)
    int native_crc_is_portable()
    void native_prefetch(const void* address)
    void* native_scattered(size_t size)
    void* native_scattered_zeros(size_t size)
    void* native_reserve(size_t size)
    void native_give_back(void* at, size_t size)
    void* native_reserve_scattered(size_t size)
    void native_give_back_scattered(void* at, size_t size)
    void native_will_need(const void* at, size_t size)
    uint32_t native_crc(uint32_t crc, const uint8_t* data, size_t size)
    uint32_t native_crc_portable(uint32_t crc, const uint8_t* data, size_t size)
    void native_crc_records(uint8_t* data, size_t size, uint32_t count)
    void native_siphash128(
        const uint64_t* key, const uint64_t* words, size_t count,
        uint64_t* high, uint64_t* low)
    uint64_t native_siphash64(
        const uint64_t* key, const uint64_t* words, size_t count, uint32_t behind)
    void native_filter_add_all(
        uint32_t* filter, uint32_t lines, const uint64_t* hashes, uint32_t count)
    ctypedef struct NativeParts:
        const uint32_t** lines
        const uint64_t* firsts
        uint32_t count
        uint32_t part_lines
        uint32_t last_lines
        uint32_t seed
    void native_filter_seal(uint32_t* filter, uint32_t lines, uint32_t seed, uint32_t part)
    uint32_t native_parts_find(const NativeParts* parts, uint64_t high)
    int native_parts_has(const NativeParts* parts, uint64_t hash, uint64_t high)
    void native_parts_probe(
        const NativeParts* parts, const uint64_t* hashes, const uint64_t* highs,
        uint64_t least, uint64_t greatest, uint8_t* maybe, uint32_t count)
    void native_filter_probe(
        const uint32_t* filter, uint32_t lines, const uint64_t* hashes,
        const uint64_t* highs, uint64_t least, uint64_t greatest, uint8_t* maybe,
        uint32_t count)
    ctypedef struct NativePage:
        uint32_t count
    size_t native_page_pack(const void* entries, uint32_t count, uint8_t* page)
    bint native_page_open(
        const uint8_t* block, size_t block_size, size_t head, uint32_t nth, uint32_t seed,
        NativePage* page)
    void native_page_get(const NativePage* page, uint32_t i, uint64_t* entry)
    void native_page_unpack(const NativePage* page, void* entries)
    uint32_t native_page_upper_bound(const NativePage* page, uint64_t high, uint64_t low)
    uint64_t native_mix(uint64_t x)
    uint64_t native_monotonic_ns()
    uint64_t native_scale(uint64_t hash, uint64_t n)
    int native_least(const void* keys, int count)
    int native_zeros(uint64_t x)
    int native_lowest_bit(uint32_t x)
    uint64_t native_swap64(uint64_t x)
    uint32_t native_swap32(uint32_t x)
    int native_add_overflows(uint64_t a, uint64_t b, uint64_t* sum)
    void native_blake2b_256(const uint8_t* data, size_t size, uint8_t* out)
    void native_blake2b_256_of_two(
        const uint8_t* head, size_t head_size, const uint8_t* data, size_t size, uint8_t* out)
    void native_blake2b_keyed_init(
        uint64_t* state, const uint8_t* key, size_t key_size, const uint8_t* salt,
        const uint8_t* person, size_t size)
    void native_blake2b_keyed_block(
        const uint64_t* state, const uint8_t* block, uint8_t* out, size_t size)
    bint native_equal_seals(const uint8_t* a, const uint8_t* b)
    int SWITCH_TEST_NOSYNC
    int SWITCH_ASSERT
    # `holds` must have no effect of its own: without SWITCH_ASSERT nobody asks it.
    void native_assert(bint holds, const char* text)
    bint native_planted(const char* rule)
    const uint64_t native_walked
    void native_walk(uint64_t count)
    void native_hold(uint64_t count)
    uint64_t native_take_held()
