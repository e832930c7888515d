/* Changes HTTP/2 frames so that they stay frames, and header blocks so that they stay fields. */

#ifndef TESTS_FUZZ_HPACK_H
#define TESTS_FUZZ_HPACK_H

#include <stddef.h>
#include <stdint.h>

enum { HPACK_OPTIONS = 2 }; /* bytes before the frames, which are no frame's */

size_t hpack_mutate(uint8_t *data, size_t size, size_t most, uint64_t seed);

#endif
