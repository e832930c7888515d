/* What the two parts of the hot calls share. */

#ifndef FRONT_HOT_PARTS_H
#define FRONT_HOT_PARTS_H

#include "core/queue_api.h"
#include "hot.h"
#include "parts.h"

enum {
    HOT_RETRY_MS = 5,          /* between two looks for room in a full queue */
    HOT_REQUEST_MAX = 1 << 20, /* bytes of messages of a stream that become one request */
    HOT_TEXT_MAX = 512,
    CODE_CANCELLED = 1, /* gRPC's */
    CODE_DEADLINE_EXCEEDED = 4,
};

struct hot_status {
    int code;
    struct block *text;
    struct block *details[2]; /* that of a call of which something may have been done second */
};

/* A call: as long as the call, a request or a reply of it is there. */
struct hot_call {
    struct hot_payments *hot;
    struct call *call; /* NULL: it is over */
    uint32_t refs;
    uint8_t method;
    bool taken; /* its message is there */
    uint32_t operator_; /* who is signed on, as of its last message; 0: nobody */
    int64_t begun_ns;

    /* Of streams. */
    struct hot_call *next, *prev;  /* in the list of open ones */
    struct hot_call *next_resumed; /* in the list of those that go on reading */
    struct hot_request *joining;   /* what this turn's messages are joined to */
    struct hot_request *held;      /* a message beyond payments_per_s: it waits for room */
    struct hot_call *held_next, *held_prev; /* at its owner, while it has one */
    uint64_t rows_waiting;         /* read, and without an answer */
    uint64_t rows_unsent;          /* of answers that have not left */
    int64_t room_ms;               /* until then it waits for room; 0: it does not */
    uint64_t pass;                 /* the last in which it found none */
    uint32_t waiting_count;        /* its requests that wait for room */
    int status;                    /* with which it ends once all is answered */
    bool ended;                    /* nothing more is read */
    bool refused;                  /* the queue did not take a request: nor the later ones */
    bool resumed;                  /* in the list */
};

/* Bytes on their way through the queue. */
struct hot_request {
    struct hot_request *next; /* of those that are not submitted yet */
    struct hot_call *call;
    struct owner *owner; /* whose budget they count in */
    size_t kept;
    struct block *body;
    uint32_t rows, sender, centre, operator_;
    bool waits; /* for room in the queue */
};

struct hot_reply {
    struct outgoing message; /* first */
    struct hot_call *call;
    uint32_t rows;
    uint8_t data[];
};

struct hot_payments {
    struct hot hot; /* first */
    struct front *front;
    _Atomic(const struct queue_api *) queue; /* NULL: not open yet */
    _Atomic int64_t leads_until_ns; /* of a node of a cluster; 0: of one that is alone */
    int taker;
    uint64_t requests_count; /* not let go yet */
    bool stopping;
    struct hot_results results;
    struct hot_counts counts;
    int method_of[HOT_METHODS]; /* the front's number */
    struct hot_status statuses[HOT_METHODS][HOT_STATUSES_END];
    struct hot_request *first, **end; /* to be submitted, in order */
    struct hot_request *waiting, **waiting_end; /* those that found no room, in order */
    struct hot_call *streams, *resumed;
    uint64_t pass;
    struct timer timer; /* while a stream waits for room */
};

/* hot.c */
void hot_unref(struct hot_call *one);
void hot_finish(struct hot_call *one, int status, int64_t number, bool committed);
void hot_finish_ok(struct hot_call *one);
/* A request of these bytes; NULL: no memory, and the call is told. */
struct hot_request *hot_keep(struct hot_call *one, struct block *body, uint32_t rows);
/* Looks who is signed on, of a message that came now: -1, or the status that it ends with. */
int hot_signed_on(struct hot_call *one);
void hot_submit_soon(struct hot_request *request); /* with the turn */
void hot_drop(struct hot_request *request); /* one that was not submitted */
int hot_status_of(int rc);                  /* of QUEUE_FRAMING and the like */
/* The answer of a part; NULL: no memory. */
struct hot_reply *hot_make_reply(struct hot_call *one, const struct queue_taken *taken,
                                 const struct queue_part *part);

/* hot_stream.c */
void hot_stream_begin(struct hot_call *stream);
void hot_stream_over(struct hot_call *stream);
void hot_stream_message(struct hot_call *stream, struct block *body);
void hot_stream_end(struct hot_call *stream, int status); /* reads no more; -1: all is read */
void hot_stream_refuse(struct hot_call *stream, int status);
void hot_stream_look(struct hot_call *stream);            /* whether it is at its end */
void hot_stream_answer(struct hot_call *stream, const struct queue_taken *taken,
                       const struct queue_part *part);
void hot_stream_sent(struct hot_call *stream, uint32_t rows);
void hot_stream_resume(struct hot_call *stream);
/* Whether a request that found no room is kept for another try. */
bool hot_stream_wait(struct hot_call *stream);
bool hot_stream_waits(const struct hot_call *stream); /* for room, there or in its rate */
/* Its owner's bucket has room for the first that is held back. */
void hot_stream_let_go(struct hot_call *stream);
void hot_stream_drop_held(struct hot_call *stream);

#endif
