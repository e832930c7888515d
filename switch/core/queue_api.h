/* The queue as another extension reaches it, from any thread and without the GIL.
 *
 * `Queue.capsule()` gives a PyCapsule of a `struct queue_api`, which lives as long as the
 * queue; who keeps the capsule keeps the queue. Nothing here waits for the disk.
 *
 * Who submits opens a taker first. Its answers come a group at a time, in the order of
 * commits, only after the commit that holds them is on the disk. A taker belongs to one
 * thread. It takes and releases soon: DONE_GROUPS_MAX groups that are done and not
 * released hold up every other.
 */
#ifndef SWITCH_QUEUE_API_H
#define SWITCH_QUEUE_API_H

#include <stddef.h>
#include <stdint.h>

#define QUEUE_API_VERSION 4
#define QUEUE_API_NAME "switch._core.queue_api"

enum { /* what came of a call; the numbers are those of core/state.pxd */
    QUEUE_OK = 0,
    QUEUE_SPACE = -40002,   /* no room on the disk: nothing was done */
    QUEUE_FULL = -40005,    /* no room in the queue: it was not taken */
    QUEUE_STOPPED = -40006, /* it takes no more, or never committed it: nothing was done */
    QUEUE_CLOCK = -40008,   /* the wall clock cannot be trusted: nothing was done */
    QUEUE_UNKNOWN = -40009, /* it failed in the commit: done or not */
    QUEUE_FRAMING = -40010, /* the bytes are no payments request */
    QUEUE_MANY = -40013,    /* more payments than a group has rows */
    QUEUE_NONE = -40014,    /* no payment in it */
    QUEUE_NOT_LEADER = -40015, /* another node leads: nothing was done */
};

struct queue_counts { /* of a message, or of several one behind the other */
    uint32_t rows;     /* payments, those in baskets included */
    uint32_t payments; /* outside baskets */
    uint32_t baskets;
};

struct queue_request {
    const uint8_t *body; /* stays as it is until `let_go` gets the owner */
    size_t size;
    uint32_t rows;   /* as counted */
    uint32_t sender; /* participant */
    uint32_t centre; /* the only one whose wallet may pay, 0: the message names it */
    uint32_t operator_; /* of that centre, who is signed on; 0: nobody */
    uint64_t tag;    /* given back with the answer */
    void *owner;     /* given to `let_go` when the answer is released, or NULL */
};

struct queue_part { /* the calls of one tag in a group, in the order of submission */
    uint64_t tag;
    size_t size;    /* bytes of all answers, joined to one response message */
    uint32_t first; /* for `copy` */
    uint32_t last;
    uint32_t rows;
    uint32_t refusals; /* of them beyond their sender's budget: not recorded */
    uint32_t holds;    /* turned away since their wallet has too much open */
    uint8_t form;
    uint8_t result; /* of the first row: Result, and what field it is about */
    uint8_t field;
};

struct queue_taken {
    void *group;
    int rc;           /* of all its calls: QUEUE_OK, _SPACE, _STOPPED, _CLOCK, _UNKNOWN,
                       * _NOT_LEADER */
    int64_t ahead_ns; /* with QUEUE_CLOCK: of the wall clock */
    uint32_t parts_count;
    const struct queue_part *parts; /* theirs until the group is released */
};

struct queue_api {
    uint32_t version;
    void *queue;

    /* What a message holds; QUEUE_OK, _FRAMING, _MANY, _NONE. */
    int (*count)(const uint8_t *body, size_t size, struct queue_counts *counts);

    /* A taker: its number, or a negative errno (ENOSPC, ENOMEM). */
    int (*open)(void *queue, void (*let_go)(void *owner));
    /* Its descriptor, readable while there is something to take; or a negative errno. */
    int (*fileno)(void *queue, int taker);

    /* QUEUE_OK, _FULL, _STOPPED, _NOT_LEADER. Only a call that was taken has an answer. */
    int (*submit)(void *queue, int taker, const struct queue_request *request);

    /* Before a wake-up's first `take`: what is done from here on wakes again. */
    void (*clear)(void *queue, int taker);
    /* The next group; 0 if there is none. One at a time: release it first. */
    int (*take)(void *queue, int taker, struct queue_taken *taken);
    /* The answers of a part, `size` bytes; only with rc QUEUE_OK. */
    void (*copy)(const struct queue_taken *taken, const struct queue_part *part, uint8_t *to);
    void (*release)(void *queue, int taker, struct queue_taken *taken);

    uint64_t (*rows_waiting)(void *queue);
    /* Why the ledger is dead: its code, and the text as in DeadError; 0 while it is alive. */
    int (*died)(void *queue, char *text, size_t size);
};

#endif
