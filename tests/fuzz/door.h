/* The front door in memory, on the calling thread, by a clock of its own: one connection
   at a time, and nothing left of it.

   The front is the product's but for three things: its thread's loop is called turn by
   turn, its clock is door_pass, and its sockets are not there. */

#ifndef TESTS_FUZZ_DOOR_H
#define TESTS_FUZZ_DOOR_H

#include "../../server/front/hot.h"
#include "../../server/front/parts.h"

/* Bytes that may be allocated for a connection: so many times what is counted to its owner. */
enum { DOOR_TIMES = 1 };
/* And so many more: none, but what TLS has in one that sends half a record. */
extern int64_t door_beside;

extern struct front *door_front;

/* Who answers events; each is given back afterwards. NULL: caller.h, as it pleases. */
typedef void door_caller(struct front *front, const struct event *event);

/* Makes the front, once. */
void door_init(door_caller *caller);
struct front *door_new(void); /* with its credentials; for who counts what that costs */
/* A connection is through with its handshake: NULL if it is refused. `ssl` is its from now on. */
struct connection *door_open(SSL *ssl, uint64_t seed);
/* Turns, the first with these events of the connection's socket, until there is nothing to do.
   Looks at what is allocated after each. Whether the connection is still there. */
bool door_turn(uint32_t events);
void door_pass(int64_t ms);
/* By its timers, if it has not ended: nothing may be left. */
void door_end(void);

#endif
