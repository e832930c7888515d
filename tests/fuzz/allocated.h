/* Bytes that are allocated, whoever asks for them: ours, nghttp2's, OpenSSL's. */

#ifndef TESTS_FUZZ_ALLOCATED_H
#define TESTS_FUZZ_ALLOCATED_H

#include <stdint.h>

/* From now on; what is freed of before counts as less. */
void allocated_begin(void);
int64_t allocated_bytes(void);

#endif
