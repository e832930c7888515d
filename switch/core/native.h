/* What C can say and Cython cannot: processor instructions, prefetching, hashing.
 *
 * No state but the choice of the CRC, made once at import. */

#ifndef SWITCH_NATIVE_H
#define SWITCH_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Set by one build that exists to prove that the durability test can fail. */
#ifndef SWITCH_TEST_NOSYNC
#define SWITCH_TEST_NOSYNC 0
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
__attribute__((target("sse4.2")))
static uint32_t native_crc_sse42(uint32_t crc, const uint8_t *data, size_t size) {
    uint64_t value = (uint32_t)~crc;
    while (size >= 8) {
        uint64_t word;
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

static void native_init(void) {
    native_crc_init();
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2"))
        native_crc = native_crc_sse42;
#endif
}

/* --- SipHash-1-3 with a 128-bit result, over whole 64-bit words ------------------
 * Keyed with the ledger's instance, so that a sender cannot aim for collisions. */

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

static inline uint64_t native_swap64(uint64_t x) { return __builtin_bswap64(x); }
static inline uint32_t native_swap32(uint32_t x) { return __builtin_bswap32(x); }

/* Have the system read a part of a mapped file before it is touched page by page.
   Only advice: what it answers does not matter. */
static inline void native_will_need(const void *at, size_t size) {
    uintptr_t first = (uintptr_t)at & ~(uintptr_t)4095;
    madvise((void *)first, (uintptr_t)at + size - first, MADV_WILLNEED);
}

/* a + b, or 1 in the return value if it does not fit. */
static inline int native_add_overflows(uint64_t a, uint64_t b, uint64_t *sum) {
    return __builtin_add_overflow(a, b, sum);
}

/* --- BLAKE2b-256, unkeyed (RFC 7693) -------------------------------------------- */

static const uint64_t native_blake_iv[8] = {
    0x6a09e667f3bcc908ULL, 0xbb67ae8584caa73bULL, 0x3c6ef372fe94f82bULL,
    0xa54ff53a5f1d36f1ULL, 0x510e527fade682d1ULL, 0x9b05688c2b3e6c1fULL,
    0x1f83d9abfb41bd6bULL, 0x5be0cd19137e2179ULL};

static const uint8_t native_blake_sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

#define NATIVE_ROTR(x, b) (((x) >> (b)) | ((x) << (64 - (b))))
#define NATIVE_G(a, b, c, d, x, y)                 \
    do {                                           \
        a += b + (x); d = NATIVE_ROTR(d ^ a, 32);  \
        c += d;       b = NATIVE_ROTR(b ^ c, 24);  \
        a += b + (y); d = NATIVE_ROTR(d ^ a, 16);  \
        c += d;       b = NATIVE_ROTR(b ^ c, 63);  \
    } while (0)

static void native_blake_block(uint64_t h[8], const uint8_t block[128], uint64_t count,
                               int last) {
    uint64_t m[16], v[16];
    memcpy(m, block, 128);
    memcpy(v, h, 64);
    memcpy(v + 8, native_blake_iv, 64);
    v[12] ^= count;
    if (last)
        v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const uint8_t *s = native_blake_sigma[round % 10];
        NATIVE_G(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
        NATIVE_G(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
        NATIVE_G(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
        NATIVE_G(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
        NATIVE_G(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
        NATIVE_G(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
        NATIVE_G(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
        NATIVE_G(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++)
        h[i] ^= v[i] ^ v[i + 8];
}

static void native_blake2b_256(const uint8_t *data, size_t size, uint8_t out[32]) {
    uint64_t h[8];
    uint8_t block[128];
    uint64_t count = 0;
    memcpy(h, native_blake_iv, 64);
    h[0] ^= 0x01010000 ^ 32;
    while (size > 128) {
        count += 128;
        native_blake_block(h, data, count, 0);
        data += 128;
        size -= 128;
    }
    memset(block, 0, 128);
    memcpy(block, data, size);
    count += size;
    native_blake_block(h, block, count, 1);
    memcpy(out, h, 32);
}

#endif
