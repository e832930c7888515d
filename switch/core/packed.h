/* Pages of runs: entries in as few bits as a page's own need. For little-endian processors;
 * a part of native.h.
 *
 * An entry is two words of 64 bits: `high`, and 24 bits of `low` above 40 of `value`. In a
 * page it is one number of `width` bits: high and value less the least of the page, with low
 * between them. */

#ifndef SWITCH_PACKED_H
#define SWITCH_PACKED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    PACKED_HEAD = 24,       /* bytes: check, count and bits, least high, least value */
    PACKED_LOW_BITS = 24,
    PACKED_VALUE_BITS = 40,
    PACKED_WIDTH_MAX = 120, /* bits that 16 bytes hold wherever in a byte they begin; else 128 */
    PACKED_WORD_BITS = 56,  /* bits that 8 bytes hold, likewise */
    PACKED_UNIT = 8         /* bytes: pages end at multiples of it */
};

typedef struct {
    const uint8_t *bits; /* of the first entry */
    uint64_t high;       /* the least of the page */
    uint64_t value;
    uint32_t count;
    uint32_t width; /* of an entry, bits */
    uint32_t high_bits;
    uint32_t value_bits;
} NativePage;

static inline uint64_t native_mask(uint32_t bits) {
    return bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1;
}

static inline uint32_t native_page_width(uint32_t high_bits, uint32_t value_bits) {
    uint32_t width = high_bits + PACKED_LOW_BITS + value_bits;
    return width > PACKED_WIDTH_MAX ? 128 : width;
}

/* Bytes of a page, so that 16 bytes can be read where each of its entries begins. */
static inline size_t native_page_size(uint32_t count, uint32_t width) {
    size_t size = PACKED_HEAD + (size_t)(count - 1) * width / 8 + 16;
    return (size + PACKED_UNIT - 1) / PACKED_UNIT * PACKED_UNIT;
}

/* Whether both of an entry's halves, high and low with value, can be taken by the word:
 * nearly always, and then each costs a load or a store and no branch. */
static inline int native_page_by_word(uint32_t high_bits, uint32_t value_bits) {
    return high_bits <= PACKED_WORD_BITS && value_bits + PACKED_LOW_BITS <= PACKED_WORD_BITS;
}

/* Where bits are written one number after another. */
typedef struct {
    uint8_t *at;
    uint64_t begun; /* bits of the byte at `at` that are written */
    uint32_t bits;  /* how many */
} NativeBits;

static inline void native_bits_put(NativeBits *to, uint64_t number, uint32_t bits) {
    uint64_t word = to->begun | number << to->bits;
    memcpy(to->at, &word, 8);
    bits += to->bits;
    to->begun = word >> (bits & ~7u);
    to->at += bits / 8;
    to->bits = bits % 8;
}

static inline void native_page_put_words(const uint64_t *words, uint32_t count, uint64_t high,
                                         uint64_t value, uint32_t high_bits,
                                         uint32_t value_bits, uint8_t *at) {
    NativeBits to = {at, 0, 0};
    for (uint32_t i = 0; i < count; i++) {
        uint64_t rest = words[2 * i + 1];
        uint64_t low = rest >> PACKED_VALUE_BITS;
        rest = (rest & native_mask(PACKED_VALUE_BITS)) - value;
        native_bits_put(&to, low << value_bits | rest, PACKED_LOW_BITS + value_bits);
        native_bits_put(&to, words[2 * i] - high, high_bits);
    }
}

static inline void native_page_put_wide(const uint64_t *words, uint32_t count, uint64_t high,
                                        uint64_t value, uint32_t width, uint32_t value_bits,
                                        uint8_t *first) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t rest = words[2 * i + 1];
        size_t bit = (size_t)i * width;
        uint8_t *at = first + bit / 8;
        unsigned __int128 number = words[2 * i] - high;
        number = number << PACKED_LOW_BITS | rest >> PACKED_VALUE_BITS;
        number = number << value_bits | ((rest & native_mask(PACKED_VALUE_BITS)) - value);
        number = number << bit % 8 | (*at & native_mask(bit % 8));
        memcpy(at, &number, 16);
    }
}

/* Write a page of sorted entries, all but its check; gives its bytes. */
static inline size_t native_page_pack(const void *entries, uint32_t count, uint8_t *page) {
    const uint64_t *words = entries;
    uint64_t high = words[0], least = ~(uint64_t)0, most = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = words[2 * i + 1] & native_mask(PACKED_VALUE_BITS);
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    uint64_t span = words[2 * (count - 1)] - high;
    uint32_t high_bits = span ? 64 - (uint32_t)__builtin_clzll(span) : 0;
    uint32_t value_bits = most > least ? 64 - (uint32_t)__builtin_clzll(most - least) : 0;
    uint32_t width = native_page_width(high_bits, value_bits);
    size_t size = native_page_size(count, width);
    native_assert(count > 0 && count <= 255, "native_page_pack: a page");
    page[4] = (uint8_t)count;
    page[5] = (uint8_t)high_bits;
    page[6] = (uint8_t)value_bits;
    page[7] = 0;
    memcpy(page + 8, &high, 8);
    memcpy(page + 16, &least, 8);
    if (native_page_by_word(high_bits, value_bits))
        native_page_put_words(words, count, high, least, high_bits, value_bits,
                              page + PACKED_HEAD);
    else
        native_page_put_wide(words, count, high, least, width, value_bits, page + PACKED_HEAD);
    size_t end = PACKED_HEAD + ((size_t)count * width + 7) / 8;
    memset(page + end, 0, size - end);
    return size;
}

/* Find page `nth` of a block, whose pages' ends stand before them; 0 unless its check, which
 * begins with `seed`, is right. `head`: bytes before the first page. */
static inline int native_page_open(const uint8_t *block, size_t block_size, size_t head,
                                   uint32_t nth, uint32_t seed, NativePage *page) {
    uint16_t end;
    uint32_t check;
    size_t first = head, last;
    if (block_size < head) return 0;
    if (nth > 0) {
        memcpy(&end, block + 2 * (size_t)(nth - 1), 2);
        first = (size_t)end * PACKED_UNIT;
    }
    memcpy(&end, block + 2 * (size_t)nth, 2);
    last = (size_t)end * PACKED_UNIT;
    if (first < head || last > block_size || last < first + PACKED_HEAD + 16) return 0;
    const uint8_t *at = block + first;
    memcpy(&check, at, 4);
    if (native_crc(seed, at + 4, last - first - 4) != check) return 0;
    page->count = at[4];
    page->high_bits = at[5];
    page->value_bits = at[6];
    if (page->count == 0 || page->high_bits > 64 || page->value_bits > PACKED_VALUE_BITS)
        return 0;
    memcpy(&page->high, at + 8, 8);
    memcpy(&page->value, at + 16, 8);
    page->bits = at + PACKED_HEAD;
    page->width = native_page_width(page->high_bits, page->value_bits);
    return last - first == native_page_size(page->count, page->width);
}

/* Entry `i`, as two words. */
static inline void native_page_get(const NativePage *page, uint32_t i, uint64_t *entry) {
    size_t bit = (size_t)i * page->width;
    unsigned __int128 number;
    memcpy(&number, page->bits + bit / 8, 16);
    number >>= bit % 8;
    uint64_t value = page->value + ((uint64_t)number & native_mask(page->value_bits));
    number >>= page->value_bits;
    uint64_t low = (uint64_t)number & native_mask(PACKED_LOW_BITS);
    number >>= PACKED_LOW_BITS;
    entry[0] = page->high + ((uint64_t)number & native_mask(page->high_bits));
    entry[1] = low << PACKED_VALUE_BITS | value;
}

/* `high` of entry `i`. */
static inline uint64_t native_page_high(const NativePage *page, uint32_t i) {
    size_t bit = (size_t)i * page->width + PACKED_LOW_BITS + page->value_bits;
    uint64_t high, entry[2];
    if (page->high_bits > PACKED_WORD_BITS) {
        native_page_get(page, i, entry);
        return entry[0];
    }
    memcpy(&high, page->bits + bit / 8, 8);
    return page->high + (high >> bit % 8 & native_mask(page->high_bits));
}

static inline void native_page_unpack(const NativePage *page, void *entries) {
    uint64_t *to = entries;
    uint32_t half = PACKED_LOW_BITS + page->value_bits;
    if (!native_page_by_word(page->high_bits, page->value_bits)) {
        for (uint32_t i = 0; i < page->count; i++) native_page_get(page, i, to + 2 * (size_t)i);
        return;
    }
    for (size_t i = 0, bit = 0; i < page->count; i++, bit += page->width) {
        uint64_t rest, high;
        memcpy(&rest, page->bits + bit / 8, 8);
        memcpy(&high, page->bits + (bit + half) / 8, 8);
        rest >>= bit % 8;
        high >>= (bit + half) % 8;
        to[2 * i] = page->high + (high & native_mask(page->high_bits));
        to[2 * i + 1] =
            (rest >> page->value_bits & native_mask(PACKED_LOW_BITS)) << PACKED_VALUE_BITS |
            (page->value + (rest & native_mask(page->value_bits)));
    }
}

/* How many entries of a page have a key that is not above this one. */
static inline uint32_t native_page_upper_bound(const NativePage *page, uint64_t high,
                                               uint64_t low) {
    uint32_t first = 0, last = page->count;
    while (first < last) {
        uint32_t middle = (first + last) / 2;
        uint64_t other = native_page_high(page, middle), entry[2];
        int up_to = other < high;
        if (other == high) {
            native_page_get(page, middle, entry);
            up_to = entry[1] >> PACKED_VALUE_BITS <= low;
        }
        first = up_to ? middle + 1 : first;
        last = up_to ? last : middle;
    }
    return first;
}

#endif
