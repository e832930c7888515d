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
#include <time.h>

#include "memory.h"

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

/* The most that a thread has gone through in one go under the ledger's lock, where that could
 * be all accounts, holds or records of a table. Likewise. */
#if SWITCH_ASSERT
static __thread uint64_t native_held_most;
#define native_hold(count) \
    ((void)((count) > native_held_most ? native_held_most = (count) : 0))
static inline uint64_t native_take_held(void) {
    uint64_t most = native_held_most;
    native_held_most = 0;
    return most;
}
#else
#define native_hold(count) ((void)sizeof(count))
static inline uint64_t native_take_held(void) { return 0; }
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

static inline uint64_t native_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* a + b, or 1 in the return value if it does not fit. */
static inline int native_add_overflows(uint64_t a, uint64_t b, uint64_t *sum) {
    return __builtin_add_overflow(a, b, sum);
}

#include "filter.h"

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
        native_filter_probe = filter_probe_avx2;
        native_parts_probe = filter_parts_probe_avx2;
        native_filter_add_all = filter_add_all_avx2;
    }
#endif
}

#include "blake2b.h"
#include "packed.h"

#endif
