/* What the two halves of a load share: load.c sends, replies.c reads. See client.h. */
#ifndef BENCHMARKS_CLIENT_LOAD_H
#define BENCHMARKS_CLIENT_LOAD_H

#include "client.h"

enum {
    NONE = -1,
    MEMO = 2,                 /* blocks of headers that are known: of a reply, and its end */
    MEMO_SIZE = 16,
};

/* Messages in the order sent, a ring; `size` is a power of two. */
typedef struct Flight {
    uint64_t* due_ns;
    Expected* expected;       /* a payload each */
    uint32_t first, count, size;
} Flight;

typedef struct Call {
    uint32_t stream;          /* 0: nobody's */
    int32_t next_free;
    int64_t window;
    Flight flight;
    Buffer pending;           /* what the windows have no room for */
    Buffer body;              /* of an answer that is not whole */
    uint32_t replies;
    bool is_last;             /* this side is closed behind what is pending */
    bool is_ready;
} Call;

typedef struct Memo {
    uint8_t block[MEMO_SIZE];
    uint8_t size;
    int http, grpc;
} Memo;

typedef struct Client {
    Connection connection;
    Load* load;
    nghttp2_hd_inflater* inflater;
    Memo memo[MEMO];
    int memo_next;
    Call* calls;
    uint32_t calls_count;
    int32_t free_call;
    int32_t* slots;           /* of calls, by (stream / 2) modulo `slots_size` */
    uint32_t slots_size;
    uint32_t next_stream;
    uint32_t* ready;          /* calls with something pending */
    uint32_t ready_count, ready_size;
    bool wants_write;         /* what epoll was told */
    uint8_t session[SESSION_SIZE]; /* a field behind the others of each call */
    size_t session_size;
} Client;

struct Load {
    Layout layout;
    bool is_stream;
    uint32_t count, dialled;  /* connections */
    uint32_t outstanding;     /* messages of each without an answer, at most */
    uint32_t* in_flight;      /* messages of each */
    uint64_t free;            /* what all may send besides */
    uint32_t turn;
    Client* clients;
    uint32_t* listed;         /* clients that have something to write */
    uint32_t listed_count;
    int epoll;
    uint8_t headers[HEADERS_SIZE];
    size_t headers_size;
    const uint8_t* messages;
    const uint64_t* due_ns;
    size_t supplied, taken;
    int64_t room;
    uint64_t end_ns, since_ns, until_ns;
    bool is_closed;           /* the streams' sides are */
    bool keeps_times;
    uint64_t* times;
    size_t times_count, times_size;
    LoadCounts counts;
    Totals totals;
    uint64_t latencies[BUCKETS];
    uint64_t largest;
    char last_status[256];
    Failure* failure;
};

/* The place of a stream's call, or NONE. */
int slot_of(const Client* client, uint32_t stream);
void call_close(Client* client, Call* call);

/* What frames of a load mean: replies.c. */
extern const Handler LOAD_HANDLER;

#endif
