/* The hot calls: payments, batches, baskets and streams of them, from the request's bytes
   to the core's queue and back without Python.

   Everything runs on the front thread but hot_new, hot_set_status, hot_open and hot_close;
   hot_lead_until is any thread's.
   What a request has brought lives until the queue lets go of it, whatever becomes of its
   call: what was submitted is done, and an answer to a call that is over is dropped. */

#ifndef FRONT_HOT_H
#define FRONT_HOT_H

#include "front.h"

struct queue_api;
struct hot_payments;

/* The methods, in the order in which hot_new takes their numbers. */
enum hot_method { HOT_PAYMENT, HOT_BASKET, HOT_BATCH, HOT_STREAM, HOT_METHODS };

/* What a call is told other than its outcomes. Python prepares status and details for each
   method; a text has at most one {}, in whose place stands what is named here. */
#define HOT_STATUSES(X)                                                                    \
    X(FRAMING)      /* the bytes are no request */                                         \
    X(MANY)         /* more payments than a group holds */                                 \
    X(NONE)         /* no payment */                                                       \
    X(OTHER)        /* not the one payment, or basket, that the call takes */              \
    X(FULL)         /* no room in the queue; {}: rows that wait */                         \
    X(SPACE)        /* no room on the disk */                                              \
    X(CLOCK)        /* the clock is not trusted; {}: seconds ahead */                      \
    X(UNKNOWN)      /* it failed in the commit */                                          \
    X(STOPPED)      /* the queue takes no more */                                          \
    X(DEAD)         /* the ledger is dead; {}: its code and text */                        \
    X(NOT_LEADER)   /* another node leads: nothing was done */                             \
    X(UNCONFIRMED)  /* another node may lead by now: nothing was done */                   \
    X(DAMAGED)      /* what it depends on is damaged */                                    \
    X(BILLER_BUSY)  /* the biller's queue is full */                                       \
    X(CENTRE_BUSY)  /* the centre has too much open */                                     \
    X(REFUSALS)     /* too many requests of the sender were refused */                     \
    X(STOPPING)     /* a stream: the server stops, what was told is final */               \
    X(STOPPING_NEW) /* a call that begins while the server stops */                        \
    X(REVOKED)      /* a stream whose caller may not make it any more */                   \
    X(SESSION_UNKNOWN) /* a token that was not opened here */                              \
    X(SESSION_ENDED) /* signed off, idle too long, or at its end */                        \
    X(MEMORY)       /* no memory for the answer */

enum hot_status_number {
#define HOT_NUMBER(name) HOT_STATUS_##name,
    HOT_STATUSES(HOT_NUMBER)
#undef HOT_NUMBER
    HOT_STATUSES_END
};

extern const char *const hot_status_names[];

/* What is counted: answered calls by method, role and status, and how long they took. */
enum { HOT_ROLES = 16, HOT_CODES = 17, HOT_STEPS_MAX = 32 };

struct hot_counts {
    uint64_t calls[HOT_METHODS][HOT_ROLES][HOT_CODES];
    uint64_t steps[HOT_METHODS][HOT_STEPS_MAX]; /* by the first bound that is not less */
    uint64_t spent_ns[HOT_METHODS];
};

/* Results that a call of one payment, or one basket, is told by a status. */
struct hot_results {
    uint8_t damaged, biller_busy, refusals;
    uint8_t field_debit; /* with biller_busy: the centre's own */
    int64_t rows_max;    /* of a group */
    int64_t room_wait_ms;
    int64_t steps_ns[HOT_STEPS_MAX - 1]; /* bounds of how long calls take, ascending */
    size_t steps_count;
};

/* Before the front starts. NULL: no memory. It is freed with the front. */
struct hot_payments *hot_new(struct front *front, const int methods[HOT_METHODS],
                             const struct hot_results *results);
/* `committed`: what is told if part of the call may have been done. */
bool hot_set_status(struct hot_payments *hot, int method, int status, int code,
                    const void *text, size_t text_size, const void *details,
                    size_t details_size, const void *committed, size_t committed_size);
/* From now on calls are taken. 0 or -errno. */
int hot_open(struct hot_payments *hot, const struct queue_api *queue);
/* Calls are refused from this moment of clock_ns on, 0: never, until there is a later one. */
void hot_lead_until(struct hot_payments *hot, int64_t until_ns);
/* Readable while answers wait, or -1; and takes them: the front thread's, and once it is over
   anybody's, until hot_close. A queue goes on only as far as its answers are taken. */
int hot_fileno(const struct hot_payments *hot);
void hot_take(struct hot_payments *hot);
/* Written by the front thread, read by any: whole numbers. */
const struct hot_counts *hot_counts(const struct hot_payments *hot);
/* After the front was joined and the queue has stopped: what is left in the queue. */
void hot_close(struct hot_payments *hot);

#endif
