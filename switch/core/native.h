/* What C can say and Cython cannot: processor instructions, prefetching, hashing.
 *
 * No state but the choice of the CRC, made once at import. */

#ifndef SWITCH_NATIVE_H
#define SWITCH_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Set by one build that exists to prove that the durability test can fail. */
#ifndef SWITCH_TEST_NOSYNC
#define SWITCH_TEST_NOSYNC 0
#endif

/* 1 in builds for tests: what functions rely on and what they leave is looked at, and the
 * process ends where it does not hold. Otherwise what an assert asks has no effect, so that
 * the compiler leaves it out. */
#ifndef SWITCH_ASSERT
#define SWITCH_ASSERT 0
#endif

#if SWITCH_ASSERT
__attribute__((noreturn, cold)) static void native_failed(const char *text, const char *asked,
                                                          int line) {
    fprintf(stderr, "assert failed: %s (%s, _core.c:%d)\n", text, asked, line);
    abort();
}
#define native_assert(holds, text) \
    (__builtin_expect(!!(holds), 1) ? (void)0 : native_failed((text), #holds, __LINE__))
#else
#define native_assert(holds, text) ((void)sizeof(!!(holds)), (void)sizeof(text))
#endif

/* What a thread has met one after another in loops that the size of a chunk or a table bounds:
 * rows, items, accounts, holds. Counted in builds with asserts alone, for tests of what a request
 * costs. */
#if SWITCH_ASSERT
__attribute__((unused)) static __thread uint64_t native_walked;
#define native_walk(count) ((void)(native_walked += (count)))
#else
#define native_walked ((uint64_t)0)
#define native_walk(count) ((void)sizeof(count))
#endif

/* Whether PLANT names a rule: such a build then does without it, so that it can be seen which
 * test notices that. Any other build has no way to. */
#if SWITCH_ASSERT
static int native_planted(const char *rule) {
    const char *named = getenv("PLANT");
    return named != NULL && strcmp(named, rule) == 0;
}
#else
#define native_planted(rule) ((void)sizeof(rule), 0)
#endif

#define native_prefetch(p) __builtin_prefetch((p))
#define native_likely(x) __builtin_expect(!!(x), 1)

/* --- CRC-32C (Castagnoli), reflected; `crc` continues an earlier result --------- */

static uint32_t native_crc_table[8][256];

static void native_crc_init(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1)));
        native_crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            native_crc_table[t][i] =
                (native_crc_table[t - 1][i] >> 8) ^
                native_crc_table[0][native_crc_table[t - 1][i] & 0xFF];
}

/* Slicing by eight: for processors without the instruction. */
static uint32_t native_crc_portable(uint32_t crc, const uint8_t *data, size_t size) {
    crc = ~crc;
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        word ^= crc;
        crc = native_crc_table[7][word & 0xFF] ^
              native_crc_table[6][(word >> 8) & 0xFF] ^
              native_crc_table[5][(word >> 16) & 0xFF] ^
              native_crc_table[4][(word >> 24) & 0xFF] ^
              native_crc_table[3][(word >> 32) & 0xFF] ^
              native_crc_table[2][(word >> 40) & 0xFF] ^
              native_crc_table[1][(word >> 48) & 0xFF] ^
              native_crc_table[0][word >> 56];
        data += 8;
        size -= 8;
    }
    while (size--)
        crc = (crc >> 8) ^ native_crc_table[0][(crc ^ *data++) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

/* The instruction takes three cycles but can begin one in each: long data is read in
 * three lanes, whose results are joined by moving them on over a lane of zeros. */
#define NATIVE_LANE 1344 /* bytes; three of them and a little are a page of a run */
static uint32_t native_crc_lane[4][256];

static void native_crc_lane_init(void) {
    for (uint32_t byte = 0; byte < 4; byte++)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t bits = 0;
            if (i & (i - 1)) {
                bits = native_crc_lane[byte][i & (i - 1)] ^
                       native_crc_lane[byte][i & (0u - i)];
            } else if (i) {
                bits = i << (8 * byte);
                for (int zero = 0; zero < NATIVE_LANE; zero++)
                    bits = (bits >> 8) ^ native_crc_table[0][bits & 0xFF];
            }
            native_crc_lane[byte][i] = bits;
        }
}

static inline uint64_t native_crc_move(uint64_t crc) {
    return native_crc_lane[0][crc & 0xFF] ^ native_crc_lane[1][(crc >> 8) & 0xFF] ^
           native_crc_lane[2][(crc >> 16) & 0xFF] ^ native_crc_lane[3][crc >> 24];
}

__attribute__((target("sse4.2")))
static uint32_t native_crc_sse42(uint32_t crc, const uint8_t *data, size_t size) {
    uint64_t value = (uint32_t)~crc;
    uint64_t word;
    while (size >= 3 * NATIVE_LANE) {
        uint64_t second = 0, third = 0;
        for (int i = 0; i < NATIVE_LANE; i += 8) {
            memcpy(&word, data + i, 8);
            value = _mm_crc32_u64(value, word);
            memcpy(&word, data + NATIVE_LANE + i, 8);
            second = _mm_crc32_u64(second, word);
            memcpy(&word, data + 2 * NATIVE_LANE + i, 8);
            third = _mm_crc32_u64(third, word);
        }
        value = native_crc_move(native_crc_move(value) ^ second) ^ third;
        data += 3 * NATIVE_LANE;
        size -= 3 * NATIVE_LANE;
    }
    while (size >= 8) {
        memcpy(&word, data, 8);
        value = _mm_crc32_u64(value, word);
        data += 8;
        size -= 8;
    }
    while (size--)
        value = _mm_crc32_u8((uint32_t)value, *data++);
    return ~(uint32_t)value;
}
#endif

static uint32_t (*native_crc)(uint32_t, const uint8_t *, size_t) = native_crc_portable;

/* The checks of `count` records of `size` bytes, each over all but its last four bytes,
 * where it is written. */
static void native_crc_records_portable(uint8_t *data, size_t size, uint32_t count) {
    for (uint32_t i = 0; i < count; i++, data += size) {
        uint32_t check = native_crc(0, data, size - 4);
        memcpy(data + size - 4, &check, 4);
    }
}

#if defined(__x86_64__)
/* Three records at a time, for the same reason as above; `size` is a multiple of 8. */
__attribute__((target("sse4.2")))
static void native_crc_records_sse42(uint8_t *data, size_t size, uint32_t count) {
    for (; count >= 3; count -= 3, data += 3 * size) {
        uint64_t checks[3] = {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF};
        uint64_t word;
        uint32_t half;
        for (size_t at = 0; at + 8 < size; at += 8)
            for (int i = 0; i < 3; i++) {
                memcpy(&word, data + i * size + at, 8);
                checks[i] = _mm_crc32_u64(checks[i], word);
            }
        for (int i = 0; i < 3; i++) {
            memcpy(&half, data + i * size + size - 8, 4);
            half = ~_mm_crc32_u32((uint32_t)checks[i], half);
            memcpy(data + i * size + size - 4, &half, 4);
        }
    }
    native_crc_records_portable(data, size, count);
}
#endif

static void (*native_crc_records)(uint8_t *, size_t, uint32_t) =
    native_crc_records_portable;

static inline int native_crc_is_portable(void) { return native_crc == native_crc_portable; }

/* --- SipHash-1-3, with a result of 128 bits or of 64 --------------------------------
 * Keyed with bytes that nobody is told, so that a sender cannot aim for collisions. */

#define NATIVE_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define NATIVE_ROUND                                                     \
    do {                                                                 \
        v0 += v1; v1 = NATIVE_ROTL(v1, 13); v1 ^= v0; v0 = NATIVE_ROTL(v0, 32); \
        v2 += v3; v3 = NATIVE_ROTL(v3, 16); v3 ^= v2;                    \
        v0 += v3; v3 = NATIVE_ROTL(v3, 21); v3 ^= v0;                    \
        v2 += v1; v1 = NATIVE_ROTL(v1, 17); v1 ^= v2; v2 = NATIVE_ROTL(v2, 32); \
    } while (0)

static inline void native_siphash128(const uint64_t key[2], const uint64_t *words,
                                     size_t count, uint64_t *high, uint64_t *low) {
    uint64_t v0 = 0x736f6d6570736575ULL ^ key[0];
    uint64_t v1 = 0x646f72616e646f6dULL ^ key[1] ^ 0xee;
    uint64_t v2 = 0x6c7967656e657261ULL ^ key[0];
    uint64_t v3 = 0x7465646279746573ULL ^ key[1];
    for (size_t i = 0; i < count; i++) {
        v3 ^= words[i];
        NATIVE_ROUND;
        v0 ^= words[i];
    }
    uint64_t last = (uint64_t)(count * 8) << 56;
    v3 ^= last;
    NATIVE_ROUND;
    v0 ^= last;
    v2 ^= 0xee;
    NATIVE_ROUND; NATIVE_ROUND; NATIVE_ROUND;
    *low = v0 ^ v1 ^ v2 ^ v3;
    v1 ^= 0xdd;
    NATIVE_ROUND; NATIVE_ROUND; NATIVE_ROUND;
    *high = v0 ^ v1 ^ v2 ^ v3;
}

/* The usual result of 64 bits, over whole words and four bytes behind them. */
static inline uint64_t native_siphash64(const uint64_t key[2], const uint64_t *words,
                                        size_t count, uint32_t behind) {
    uint64_t v0 = 0x736f6d6570736575ULL ^ key[0];
    uint64_t v1 = 0x646f72616e646f6dULL ^ key[1];
    uint64_t v2 = 0x6c7967656e657261ULL ^ key[0];
    uint64_t v3 = 0x7465646279746573ULL ^ key[1];
    uint64_t last = (uint64_t)(count * 8 + 4) << 56 | behind;
    for (size_t i = 0; i < count; i++) {
        v3 ^= words[i];
        NATIVE_ROUND;
        v0 ^= words[i];
    }
    v3 ^= last;
    NATIVE_ROUND;
    v0 ^= last;
    v2 ^= 0xff;
    NATIVE_ROUND; NATIVE_ROUND; NATIVE_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

/* Finaliser of a 64-bit mix: every input bit reaches every output bit. */
static inline uint64_t native_mix(uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    x ^= x >> 33;
    return x;
}

/* The high half of a 64 by 64 bit product: maps a hash to [0, n). */
static inline uint64_t native_scale(uint64_t hash, uint64_t n) {
    return (uint64_t)(((unsigned __int128)hash * n) >> 64);
}

/* The index of the least of `count` 128-bit keys, each its high half first; of equal
 * ones the first. Without branches, which would be guessed wrong. */
static inline int native_least(const void *keys, int count) {
    const uint64_t *key = keys;
    unsigned __int128 least = (unsigned __int128)key[0] << 64 | key[1];
    int index = 0;
    for (int i = 1; i < count; i++) {
        unsigned __int128 other = (unsigned __int128)key[2 * i] << 64 | key[2 * i + 1];
        index = other < least ? i : index;
        least = other < least ? other : least;
    }
    return index;
}

/* Leading zero bits; 64 of zero. */
static inline int native_zeros(uint64_t x) { return x ? __builtin_clzll(x) : 64; }

/* The number of the lowest bit set; 0 if none is (bit 0 is nobody's). */
static inline int native_lowest_bit(uint32_t x) { return x ? __builtin_ctz(x) : 0; }

static inline uint64_t native_swap64(uint64_t x) { return __builtin_bswap64(x); }
static inline uint32_t native_swap32(uint32_t x) { return __builtin_bswap32(x); }

/* Have the system read a part of a mapped file before it is touched page by page.
   Only advice: what it answers does not matter. */
static inline void native_will_need(const void *at, size_t size) {
    uintptr_t first = (uintptr_t)at & ~(uintptr_t)4095;
    madvise((void *)first, (uintptr_t)at + size - first, MADV_WILLNEED);
}

/* Memory that is asked at places all over it, for `free`; NULL if there is none.
 *
 * In large pages, as far as it fills them by half: of 100 million rows a look-up touches
 * fifty lines of filters, and what takes time is not the line but to find its page, on a
 * virtual machine above all. Only advice: without large pages it is slower. */
static inline void *native_scattered(size_t size) {
    const size_t page = 2u << 20;
    size_t large = (size + page / 2) & ~(page - 1);
    void *at;
    if (large == 0)
        return malloc(size);
    if (posix_memalign(&at, page, size > large ? size : large) != 0)
        return NULL;
    madvise(at, large, MADV_HUGEPAGE);
    return at;
}

/* The same, all zero. */
static inline void *native_scattered_zeros(size_t size) {
    void *at = native_scattered(size);
    if (at != NULL)
        memset(at, 0, size);
    return at;
}

static inline uint64_t native_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* a + b, or 1 in the return value if it does not fit. */
static inline int native_add_overflows(uint64_t a, uint64_t b, uint64_t *sum) {
    return __builtin_add_overflow(a, b, sum);
}

/* --- Split-block Bloom filters: a key sets one bit in each of the eight words of one
 * line of 32 bytes. The same hash always gives the same bits, whatever the processor. */

#define NATIVE_PROBE_AHEAD 16 /* lines fetched before the first of them is looked at */

static const uint32_t native_salts[8] = {
    0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D,
    0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31,
};

static inline uint32_t *native_filter_line(const uint32_t *filter, uint32_t lines,
                                           uint64_t hash) {
    return (uint32_t *)filter + 8 * native_scale(hash, lines);
}

static inline void native_filter_add(uint32_t *filter, uint32_t lines, uint64_t hash) {
    uint32_t *line = native_filter_line(filter, lines, hash);
    for (int i = 0; i < 8; i++)
        line[i] |= 1u << (((uint32_t)hash * native_salts[i]) >> 27);
}

static inline int native_filter_has(const uint32_t *filter, uint32_t lines,
                                    uint64_t hash) {
    const uint32_t *line = native_filter_line(filter, lines, hash);
    uint32_t missing = 0;
    for (int i = 0; i < 8; i++)
        missing |= ~line[i] & (1u << (((uint32_t)hash * native_salts[i]) >> 27));
    return missing == 0;
}

static void native_filter_add_all_portable(uint32_t *filter, uint32_t lines,
                                           const uint64_t *hashes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + NATIVE_PROBE_AHEAD < count)
            native_prefetch(
                native_filter_line(filter, lines, hashes[i + NATIVE_PROBE_AHEAD]));
        native_filter_add(filter, lines, hashes[i]);
    }
}

/* Sets maybe[i] where the filter has hashes[i] and highs[i] lies in [least, greatest]. */
static void native_filter_probe_portable(
    const uint32_t *filter, uint32_t lines, const uint64_t *hashes, const uint64_t *highs,
    uint64_t least, uint64_t greatest, uint8_t *maybe, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + NATIVE_PROBE_AHEAD < count)
            native_prefetch(
                native_filter_line(filter, lines, hashes[i + NATIVE_PROBE_AHEAD]));
        maybe[i] |= native_filter_has(filter, lines, hashes[i]) &
                    (highs[i] >= least) & (highs[i] <= greatest);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((target("avx2")))
static inline __m256i native_filter_bits_avx2(uint64_t hash) {
    const __m256i salts = _mm256_loadu_si256((const __m256i *)native_salts);
    __m256i shift = _mm256_srli_epi32(
        _mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)hash), salts), 27);
    return _mm256_sllv_epi32(_mm256_set1_epi32(1), shift);
}

__attribute__((target("avx2")))
static void native_filter_add_all_avx2(uint32_t *filter, uint32_t lines,
                                       const uint64_t *hashes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + NATIVE_PROBE_AHEAD < count)
            native_prefetch(
                native_filter_line(filter, lines, hashes[i + NATIVE_PROBE_AHEAD]));
        __m256i *line = (__m256i *)native_filter_line(filter, lines, hashes[i]);
        _mm256_storeu_si256(line, _mm256_or_si256(_mm256_loadu_si256(line),
                                                  native_filter_bits_avx2(hashes[i])));
    }
}

__attribute__((target("avx2")))
static void native_filter_probe_avx2(
    const uint32_t *filter, uint32_t lines, const uint64_t *hashes, const uint64_t *highs,
    uint64_t least, uint64_t greatest, uint8_t *maybe, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + NATIVE_PROBE_AHEAD < count)
            native_prefetch(
                native_filter_line(filter, lines, hashes[i + NATIVE_PROBE_AHEAD]));
        __m256i line = _mm256_loadu_si256(
            (const __m256i *)native_filter_line(filter, lines, hashes[i]));
        maybe[i] |= _mm256_testc_si256(line, native_filter_bits_avx2(hashes[i])) &
                    (highs[i] >= least) & (highs[i] <= greatest);
    }
}
#endif

/* The filter of a run lies in parts of `part_lines` lines each (`last_lines` the last):
 * the first entry of part i has the high key word firsts[i], in ascending order. */
typedef struct {
    const uint32_t *filter;
    const uint64_t *firsts;
    uint32_t count;
    uint32_t part_lines;
    uint32_t last_lines;
} NativeParts;

/* The last part that begins at or before `high`; 0 if none does. Without branches. */
static inline uint32_t native_parts_find(const NativeParts *parts, uint64_t high) {
    uint32_t at = 0;
    for (uint32_t left = parts->count; left > 1;) {
        uint32_t half = left / 2;
        at += parts->firsts[at + half] <= high ? half : 0;
        left -= half;
    }
    return at;
}

/* Parts for each step of the high key word, times 2^64, if keys lay evenly. */
static inline uint64_t native_parts_scale(const NativeParts *parts) {
    uint64_t extent = parts->firsts[parts->count - 1] - parts->firsts[0];
    unsigned __int128 steps = (unsigned __int128)(parts->count - 1) << 64;
    return extent > parts->count ? (uint64_t)(steps / extent) : 0;
}

/* As native_parts_find. Most keys are random and lie evenly: it looks where one should be,
 * and on both sides of that, before it searches. */
static inline uint32_t native_parts_guess(const NativeParts *parts, uint64_t high,
                                          uint64_t scale) {
    uint64_t above = high > parts->firsts[0] ? high - parts->firsts[0] : 0;
    uint64_t at = (uint64_t)(((unsigned __int128)above * scale) >> 64);
    const uint64_t *firsts = parts->firsts;
    if (at + 2 >= parts->count || at == 0)
        return native_parts_find(parts, high);
    at += (firsts[at + 1] <= high) - (uint64_t)(firsts[at] > high);
    if (firsts[at] <= high && firsts[at + 1] > high)
        return (uint32_t)at;
    return native_parts_find(parts, high);
}

static inline const uint32_t *native_parts_line(const NativeParts *parts, uint32_t part,
                                                uint64_t hash) {
    uint32_t lines = part + 1 == parts->count ? parts->last_lines : parts->part_lines;
    return native_filter_line(parts->filter + (size_t)part * parts->part_lines * 8, lines,
                              hash);
}

static inline int native_line_has(const uint32_t *line, uint64_t hash) {
    uint32_t missing = 0;
    for (int i = 0; i < 8; i++)
        missing |= ~line[i] & (1u << (((uint32_t)hash * native_salts[i]) >> 27));
    return missing == 0;
}

/* Whether the part found, or one before it that shares its first key word, has `hash`. */
static int native_parts_has_from(const NativeParts *parts, uint32_t part, uint64_t hash,
                                 uint64_t high) {
    while (!native_line_has(native_parts_line(parts, part, hash), hash)) {
        if (part == 0 || parts->firsts[part] != high)
            return 0;
        part--;
    }
    return 1;
}

static int native_parts_has(const NativeParts *parts, uint64_t hash, uint64_t high) {
    return native_parts_has_from(parts, native_parts_find(parts, high), hash, high);
}

/* As native_filter_probe, of a filter in parts; at most NATIVE_PROBES keys. */
#define NATIVE_PROBES 128

/* Finds each key's line and fetches it; the search goes on while lines come. Gives the
 * keys that a part begins with: what its line has not may stand in the part before. */
static inline uint32_t native_parts_lines(const NativeParts *parts, const uint64_t *hashes,
                                          const uint64_t *highs, const uint32_t **lines,
                                          uint32_t *firsts, uint32_t count) {
    uint32_t firsts_count = 0;
    uint64_t parts_per_key = native_parts_scale(parts);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = native_parts_guess(parts, highs[i], parts_per_key);
        lines[i] = native_parts_line(parts, part, hashes[i]);
        native_prefetch(lines[i]);
        firsts[firsts_count] = i;
        firsts_count += (part > 0) & (parts->firsts[part] == highs[i]);
    }
    return firsts_count;
}

static inline void native_parts_look_back(const NativeParts *parts, const uint64_t *hashes,
                                          const uint64_t *highs, uint8_t *maybe,
                                          const uint32_t *firsts, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!maybe[firsts[i]])
            maybe[firsts[i]] = native_parts_has(parts, hashes[firsts[i]], highs[firsts[i]]);
}

static void native_parts_probe_portable(const NativeParts *parts, const uint64_t *hashes,
                                        const uint64_t *highs, uint64_t least,
                                        uint64_t greatest, uint8_t *maybe,
                                        uint32_t count) {
    const uint32_t *lines[NATIVE_PROBES];
    uint32_t firsts[NATIVE_PROBES];
    uint32_t firsts_count = native_parts_lines(parts, hashes, highs, lines, firsts, count);
    for (uint32_t i = 0; i < count; i++)
        maybe[i] |= native_line_has(lines[i], hashes[i]) & (highs[i] >= least) &
                    (highs[i] <= greatest);
    native_parts_look_back(parts, hashes, highs, maybe, firsts, firsts_count);
}

#if defined(__x86_64__)
__attribute__((target("avx2")))
static void native_parts_probe_avx2(const NativeParts *parts, const uint64_t *hashes,
                                    const uint64_t *highs, uint64_t least,
                                    uint64_t greatest, uint8_t *maybe, uint32_t count) {
    const uint32_t *lines[NATIVE_PROBES];
    uint32_t firsts[NATIVE_PROBES];
    uint32_t firsts_count = native_parts_lines(parts, hashes, highs, lines, firsts, count);
    for (uint32_t i = 0; i < count; i++) {
        __m256i line = _mm256_loadu_si256((const __m256i *)lines[i]);
        maybe[i] |= _mm256_testc_si256(line, native_filter_bits_avx2(hashes[i])) &
                    (highs[i] >= least) & (highs[i] <= greatest);
    }
    native_parts_look_back(parts, hashes, highs, maybe, firsts, firsts_count);
}
#endif

static void (*native_parts_probe)(const NativeParts *, const uint64_t *, const uint64_t *,
                                  uint64_t, uint64_t, uint8_t *,
                                  uint32_t) = native_parts_probe_portable;

static void (*native_filter_probe)(const uint32_t *, uint32_t, const uint64_t *,
                                   const uint64_t *, uint64_t, uint64_t, uint8_t *,
                                   uint32_t) = native_filter_probe_portable;

static void (*native_filter_add_all)(uint32_t *, uint32_t, const uint64_t *,
                                     uint32_t) = native_filter_add_all_portable;

/* Chooses, once, what the processor offers beyond the baseline; `portable` leaves it
 * aside. The results are the same. */
static void native_init(int portable) {
    native_crc_init();
    if (portable)
        return;
#if defined(__x86_64__)
    native_crc_lane_init();
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2")) {
        native_crc = native_crc_sse42;
        native_crc_records = native_crc_records_sse42;
    }
    if (__builtin_cpu_supports("avx2")) {
        native_filter_probe = native_filter_probe_avx2;
        native_parts_probe = native_parts_probe_avx2;
        native_filter_add_all = native_filter_add_all_avx2;
    }
#endif
}

#include "blake2b.h"
#include "packed.h"

#endif
