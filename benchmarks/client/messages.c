/* What is sent: payments as bytes of the wire, each another. See client.h.
 *
 * Whatever is drawn of a payment follows from the seed and its number alone, so that the
 * same payments can be made once more.
 */

#include "client.h"

#include <string.h>

enum {
    WORDS = 4,            /* drawn for a payment */
    AMOUNT_BITS = 7,      /* in a byte of a varint */
    DIGITS = 15,
};

/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"). */
static uint64_t drawn(uint64_t seed, uint64_t at) {
    uint64_t word = seed + at * UINT64_C(0x9E3779B97F4A7C15);
    word = (word ^ word >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ word >> 27) * UINT64_C(0x94D049BB133111EB);
    return word ^ word >> 31;
}

/* Evenly below `end`, of 32 bits that were drawn. */
static uint32_t below(uint32_t bits, uint32_t end) {
    return (uint32_t)((uint64_t)bits * end >> 32);
}

static void put_bytes(uint8_t* to, uint64_t value) {
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void digits_of(uint8_t* digits, uint64_t number) {
    for (int i = DIGITS - 1; i >= 0; i--, number /= 10) digits[i] = '0' + number % 10;
}

static void digits_next(uint8_t* digits) {
    int i = DIGITS - 1;
    for (; i > 0 && digits[i] == '9'; i--) digits[i] = '0';
    digits[i]++;
}

void messages_make(
    const Making* making, uint64_t first, size_t count, uint8_t* to, Made* made) {
    uint8_t bill[DIGITS];
    digits_of(bill, first);
    for (size_t i = 0; i < count; i++, to += making->item) {
        uint64_t number = first + i, words[WORDS];
        for (int j = 0; j < WORDS; j++)
            words[j] = drawn(making->seed, WORDS * number + (uint64_t)j);
        uint16_t service = making->chosen[(uint16_t)words[2]];
        uint32_t amount = making->amount_min
            + below(words[2] >> 32, making->amount_max - making->amount_min + 1);
        uint32_t centre = below((uint32_t)words[3], making->centres_count);
        if (words[3] >> 32 < making->first_bar) centre = 0;

        memcpy(to, making->payment, making->item);
        put_bytes(to + making->id, making->is_ordered ? number << 16 : words[0]);
        put_bytes(to + making->id + 8, words[1]);
        memcpy(to + making->service, making->services[service], sizeof *making->services);
        for (int j = 0; j < 3; j++)
            to[making->amount + j] = (amount >> j * AMOUNT_BITS & 0x7F) | (j < 2 ? 0x80 : 0);
        memcpy(to + making->reference, bill, DIGITS);
        digits_next(bill);
        to[making->operator] = (uint8_t)(1 + number % making->operators);
        if (making->centre)
            memcpy(to + making->centre, making->centres[centre], sizeof *making->centres);
        made[i] = (Made){amount, service, (uint16_t)centre};
    }
}
