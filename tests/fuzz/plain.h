/* Connections without TLS: bytes in memory stand for what their records hold. */

#ifndef TESTS_FUZZ_PLAIN_H
#define TESTS_FUZZ_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLAIN_MAX = 1 << 18 }; /* bytes of one connection; more are not sent */

struct plain {
    const uint8_t *data; /* what the peer has sent */
    size_t size, read;
    bool ended;  /* and nothing more comes */
    bool stuck;  /* the peer takes nothing */
    size_t sent; /* bytes that it took */
    /* What the server says, as it takes it; may be NULL. */
    void (*hear)(const uint8_t *data, size_t size);
};

extern struct plain plain;

/* Sends so many bytes to the server, `step` at a time. Whether the connection is still there. */
bool plain_send(const uint8_t *data, size_t size, size_t step);
/* A connection of whoever the seed makes it. */
bool plain_open(uint64_t seed);
/* The peer ends it, or leaves it to its timers; nothing may be left. */
void plain_end(bool by_peer);

#endif
