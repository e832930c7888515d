/* BLAKE2b (RFC 7693), for little-endian processors. A part of native.h. */

#ifndef SWITCH_BLAKE2B_H
#define SWITCH_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* --- 256 bits, unkeyed ---------------------------------------------------------- */

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
    /* So that which word of the message comes next is known to the compiler. */
#pragma GCC unroll 12
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

/* The same of two pieces, one behind the other; `head_size` is 129 to 255. */
static void native_blake2b_256_of_two(const uint8_t *head, size_t head_size,
                                      const uint8_t *data, size_t size, uint8_t out[32]) {
    uint64_t h[8];
    uint8_t block[128] = {0};
    size_t left = head_size - 128;
    size_t taken = size < 128 - left ? size : 128 - left;
    uint64_t count = 128 + left + taken;
    memcpy(h, native_blake_iv, 64);
    h[0] ^= 0x01010000 ^ 32;
    native_blake_block(h, head, 128, 0);
    memcpy(block, head + 128, left);
    if (taken > 0)
        memcpy(block + left, data, taken);
    while (taken < size) {
        size_t next = size - taken < 128 ? size - taken : 128;
        native_blake_block(h, block, count, 0);
        memset(block, 0, 128);
        memcpy(block, data + taken, next);
        taken += next;
        count += next;
    }
    native_blake_block(h, block, count, 1);
    memcpy(out, h, 32);
}

/* --- with a key, salt and personalisation, of messages of one block --------------
 * The key is a block before the message's. What it leaves is kept, so that a message of
 * 128 bytes costs one compression. */

/* `key_size` is 1 to 64, `size` (of the digest) likewise; salt and person have 16 bytes. */
static void native_blake2b_keyed_init(uint64_t h[8], const uint8_t *key, size_t key_size,
                                      const uint8_t *salt, const uint8_t *person,
                                      size_t size) {
    uint8_t block[128] = {0};
    uint64_t words[2];
    memcpy(h, native_blake_iv, 64);
    h[0] ^= 0x01010000 ^ (uint64_t)key_size << 8 ^ size;
    memcpy(words, salt, 16);
    h[4] ^= words[0];
    h[5] ^= words[1];
    memcpy(words, person, 16);
    h[6] ^= words[0];
    h[7] ^= words[1];
    memcpy(block, key, key_size);
    native_blake_block(h, block, 128, 0);
    explicit_bzero(block, sizeof block);
}

/* The digest of one block of 128 bytes, its first `size` bytes. */
static void native_blake2b_keyed_block(const uint64_t state[8], const uint8_t block[128],
                                       uint8_t *out, size_t size) {
    uint64_t h[8];
    memcpy(h, state, 64);
    native_blake_block(h, block, 256, 1);
    memcpy(out, h, size);
}

/* Whether two seals of 16 bytes are equal; takes as long wherever they differ. */
static inline int native_equal_seals(const uint8_t *a, const uint8_t *b) {
    uint64_t left[2], right[2];
    memcpy(left, a, 16);
    memcpy(right, b, 16);
    uint64_t differs = (left[0] ^ right[0]) | (left[1] ^ right[1]);
    /* So that no compiler makes two comparisons of it. */
    __asm__("" : "+r"(differs));
    return differs == 0;
}

#endif
