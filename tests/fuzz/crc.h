#ifndef TESTS_FUZZ_CRC_H
#define TESTS_FUZZ_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C, bit by bit: a second one. */
static inline uint32_t other_crc(uint32_t crc, const void *data, size_t size) {
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

#endif
