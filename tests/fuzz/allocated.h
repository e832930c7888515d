/* Bytes that are allocated, whoever asks for them: ours, nghttp2's, OpenSSL's. */

#ifndef TESTS_FUZZ_ALLOCATED_H
#define TESTS_FUZZ_ALLOCATED_H

#include <stdbool.h>
#include <stdint.h>

/* From now on; what is freed of before counts as less. */
void allocated_begin(void);
int64_t allocated_bytes(void);
/* Whether what happens now counts: a peer in the same process does not. */
void allocated_watch(bool watch);

#endif
