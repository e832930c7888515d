/* A fuzz target: bytes in, no state left behind, the same bytes the same walk.

   Linked with main.c it reads files, under gcc's sanitizers; built by clang with
   -fsanitize=fuzzer libFuzzer drives it. What must not be ends the process. */

#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A target may change an input in its own terms: in place, its new size, at most `most`. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
    __attribute__((weak));
/* libFuzzer's, or main.c's: bytes changed without knowing what they are. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* What a target has measured, for people; main.c asks at the end. */
void target_tell(void) __attribute__((weak));

#define target_fail(...) \
    (fprintf(stderr, "the target found: " __VA_ARGS__), fputc('\n', stderr), abort())
#define target_check(condition, ...) ((condition) ? (void)0 : target_fail(__VA_ARGS__))

/* Numbers of chance from a seed, for mutators. */
static inline uint64_t target_chance(uint64_t *state, uint64_t below) {
    *state += 0x9E3779B97F4A7C15u;
    uint64_t word = (*state ^ *state >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return (word ^ word >> 31) % below;
}

#endif
