/* What the parts of the front share: the records, and who may change them.

   Threads: `handshake` owns listening sockets and handshakes, `front` owns connections,
   calls, owners and timers; what lies between threads is in `struct mailbox` and
   `struct handover`, each under its lock. */

#ifndef FRONT_PARTS_H
#define FRONT_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "front.h"

#ifdef SWITCH_ASSERT
#include <assert.h>
#define front_assert(condition) assert(condition)
#else
#define front_assert(condition) ((void)0)
#endif

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

enum {
    LISTENERS_MAX = 16,
    EPOLL_EVENTS = 256,        /* of one turn */
    READ_SIZE = 16 << 10,      /* a TLS record */
    READ_TURN_MAX = 256 << 10, /* of one connection in one turn */
    WRITE_TURN_MAX = 1 << 20,
    OWNER_TURN_IN = 512 << 10, /* of one owner in one turn: bytes, and what follows */
    FRAME_WORK = 64,           /* a frame costs as many bytes do beside its own */
    CALL_WORK = 1 << 10,       /* and a call */
    OWNER_TURN_OUT = 4 << 20,  /* bytes that one owner's connections take in one turn */
    OUT_FILL = 64 << 10,       /* framed bytes of a connection; beyond it no more is framed */
    OUT_KEEP = 16 << 10,       /* a buffer that large stays with its connection */
    FRAME_HEAD = 9,
    MESSAGE_HEAD = 5,          /* gRPC's: a flag and the size */
    FIELDS_MAX = 128,          /* fields of one header block that is sent */
    FIELD_OVERHEAD = 32,       /* what HTTP/2 counts a header field with */
    TEXT_MAX_BYTES = 2 << 10,  /* of a status, as it is sent; gRPC's clients take 8 KiB in all */
    PATH_MAX_BYTES = 512,      /* of a method's path that is not known */
    CALL_BLOCK = 1024,         /* calls are allocated by so many */
    CALL_BYTES = 1024,         /* what an open call is counted with, its stream included */
    EVENT_BYTES = 512,         /* and a call or message that the caller has not taken, beside its bytes */
    OUTGOING_BYTES = 128,      /* and a message that waits, beside its bytes */
    QUEUED_BYTES = 512,        /* and a frame that nghttp2 has not given out, its fields included */
    CONNECTION_BYTES = 48 << 10, /* and a connection: TLS and HTTP/2 state */
    SESSION_BYTES = 20 << 10,  /* of these nghttp2's; beyond it what it has is counted as it is, */
    STREAM_BYTES = 512,        /* but what of it is a stream's, which its call counts */
    OWNER_SLOTS = 4096,        /* lists of the table; it has no bound but connections_max */
    WHEEL_SLOTS = 4096,        /* of 1 ms; a later timer goes round more than once */
    EMPTY_BYTES_MAX = 256 << 10, /* a second, of records that hold next to nothing */
    LINGER_MS = 1000,          /* for the peer to read what was sent before the end */
    LINGER_BYTES = 1 << 20,    /* that it may still send meanwhile */
    GOAWAY_MS = 1000,          /* for the PING between the two GOAWAYs */
    IDLE_COMMANDS = 4096,      /* kept to be used again */
    IDLE_EVENTS = 4096,
    RELEASE_SOON = 64 << 10,   /* bytes of bodies that are over: Python is woken for them */
    COUNTED_MAX = 1000,        /* of a field, more than any call takes: not counted further */
    OWNERS_RESTING_MAX = 65536, /* without connections, until their buckets are full */
    TRUST_TURN = 8,            /* connections whose chains are verified in one turn */
    UNTRUSTED_MS = 5000,       /* for what is under way on one that is believed no more */
    TELL_MS = 1000,            /* between two looks at who was over its budget */
    ADDRESS_SLOTS = 1 << 14,   /* of handshakes; addresses whose hash is the same share one */
};

/* --- timers ------------------------------------------------------------------------ */

enum timer_kind {
    TIMER_CALL,
    TIMER_CONNECTION,
    TIMER_HOT,
    TIMER_OWNER,
    TIMER_TELL,
    TIMER_TRUST
};

struct timer {
    struct timer *next, *prev; /* NULL: not set */
    int64_t due_ms;
    uint8_t kind;
};

struct wheel {
    struct timer slots[WHEEL_SLOTS]; /* heads of rings */
    uint64_t used[WHEEL_SLOTS / 64]; /* slots that may hold one */
    int64_t now_ms;                  /* slots before it have been looked at */
    size_t count;
};

/* --- owners ------------------------------------------------------------------------ */

/* In thousandths: what a rate a second brings each millisecond is as many of them. */
enum { BUCKET_ONE = 1000 };

struct bucket {
    int64_t left; /* below zero what was taken beyond it */
    int64_t since_ms;
};

struct hot_call;

/* Whose certificate a connection has: what its budgets are kept by. */
struct owner {
    struct owner *next; /* of its list in the table */
    uint64_t id;
    struct front_budgets budgets;
    struct bucket buckets[FRONT_RATES_END];
    int64_t open[FRONT_OPENS_END]; /* calls, by what they are counted as */
    int64_t connections, calls, bytes;
    int64_t closing; /* of the connections: those that are on their way out */
    bool resting;    /* it has none, and its buckets fill */
    struct timer timer;
    struct hot_call *held_first, *held_last; /* streams that wait for payments_per_s */
    int64_t turn;             /* the last in which it had anything read or written */
    int64_t turn_in, turn_out; /* what is left of that turn's */
    uint64_t full_pass;       /* the last in which the queue had no room for it */
    int64_t kept;             /* of the bytes: those that outlive their calls */
    int64_t kept_count;
    struct connection *first; /* its connections */
};

/* --- calls ------------------------------------------------------------------------- */

struct hot;

struct call {
    struct connection *connection; /* NULL: free */
    struct call *newer, *older;    /* of its connection; `older` also of the free ones */
    uint32_t index, generation;
    int32_t stream;
    int32_t method; /* -1: not known */
    uint8_t kind;   /* enum front_kind */

    /* The request's side. */
    bool headers_whole : 1; /* the request's first header block has been read */
    bool allowed : 1;
    bool dropping : 1;    /* what comes now is read and forgotten */
    bool half_closed : 1; /* the peer has sent its end */
    bool half_told : 1;
    bool given : 1;  /* its CALL event is made: ENDED follows, or the caller's finish */
    bool wanted : 1; /* the caller is ready for a message */
    /* The reply's side. */
    bool started : 1;   /* response headers are submitted */
    bool deferred : 1;  /* nghttp2 waits for more of its data */
    bool ending : 1;    /* its trailers are decided: the handle is dead */
    bool trailing : 1;  /* trailers are submitted */
    bool tell_sent : 1; /* SENT is due when its queue is empty */
    bool parsing : 1;    /* messages of it are being read, further up the stack */
    bool whole : 1;      /* the one message of a call that takes one is there */
    bool widened : 1;    /* its window is larger than window_bytes, for one message */
    bool got_content_type : 1, got_post : 1, got_encoding : 1;
    /* gRPC sends it again by itself, and tells the caller of this attempt alone: the one before
       may have been done. */
    bool tried_before : 1;
    bool charged : 1; /* something was taken for it from a rate */
    bool prepaid : 1; /* its opening was, and no message has come yet */
    uint8_t open; /* enum front_open: counted as, at its owner */

    uint8_t head[MESSAGE_HEAD];
    uint8_t head_count;
    uint8_t refusal; /* enum front_reason, found in its headers */
    char timeout[FRONT_TIMEOUT_SIZE];
    int64_t deadline_ns;        /* CLOCK_MONOTONIC; 0: none */
    int64_t body_ms;            /* when its body must be here; 0: it is, or need not */
    int64_t sent_ms;            /* when SENT is told, as its owner's reads were used up; 0: at once */
    size_t metadata_size;       /* as HTTP/2 counts it */
    struct block *path;         /* of a method that is not known */
    struct block *metadata;     /* fields */
    struct block *message;      /* the message that is being read, or the one of a UNARY */
    size_t message_size;        /* its whole size */
    struct block *raw;          /* what nobody wanted yet, as it came; a window at most */
    size_t raw_start;           /* bytes of it that were read since */
    size_t window;              /* of the stream, in */
    size_t unconsumed;          /* bytes of the stream's window that are not given back */
    size_t bytes;               /* what is counted for it, in and out */
    size_t with_caller;         /* of these, in messages that the caller has */

    struct outgoing *out_first, *out_last;
    size_t out_offset; /* bytes of the first that are framed, its head included */
    size_t out_left;   /* bytes to frame, heads included */
    struct block *end_fields;
    int32_t end_code;

    struct timer timer;
    struct event *event; /* its CALL, which nobody could take yet in the turn `event_turn` */
    int64_t event_turn;
    struct event *last_event; /* its ENDED, made with its CALL; NULL: it is told, or hot */
    void *hot;                /* what a hot method keeps */
};

/* --- connections -------------------------------------------------------------------- */

struct buffer {
    uint8_t *data;
    size_t start, size, capacity; /* bytes are data[start .. start + size) */
};

struct connection {
    uint8_t source; /* first: enum source_kind */
    uint32_t index, generation;
    int fd;
    SSL *ssl;
    nghttp2_session *session;
    struct front *front;
    struct owner *owner; /* NULL: not admitted */
    struct connection *owner_next, *owner_prev;
    uint8_t *rights; /* a byte for each method */
    uint32_t role, sender, bound;
    uint8_t failed; /* enum front_cause: it goes at the end of the turn */

    bool in_turn : 1;
    bool readable : 1, writable : 1;
    bool passed_over : 1; /* its owner's turn was used up: it is the first in the next */
    bool starved : 1;    /* more could be framed, and out is full */
    bool hung_up : 1;    /* the peer has sent its last byte: the end is to be read as well */
    bool told : 1;       /* CONNECT is made */
    bool draining : 1;   /* the first GOAWAY is out */
    bool drained : 1;    /* the second too */
    bool closing : 1;    /* it ends once everything is sent */
    bool lingering : 1;  /* everything is sent, the peer is to read it */
    bool in_callback : 1;
    bool counted_closing : 1; /* at its owner */
    bool untrusted : 1;  /* its chain holds no more: it may call nothing, and ends */
    uint8_t close_cause; /* with which it ends after closing */
    int64_t over[FRONT_SHARES_END]; /* refused, and not told yet */
    struct event *last_event; /* its DISCONNECT, made with its CONNECT */

    struct connection *turn_next, *later_next;
    struct call *newest;
    uint32_t calls_count;
    struct buffer out;
    size_t out_counted; /* of its capacity, of the frames that wait behind it, of the session */
    size_t session_bytes; /* that nghttp2 has allocated for it */
    size_t bytes;    /* counted: its calls' and its buffer's */
    size_t withheld; /* bytes of the connection's window that are not given back */

    struct timer timer;
    int64_t born_ms, read_ms; /* last byte from the peer */
    int64_t quiet_ms;         /* since when it has no calls */
    int64_t ping_ms;          /* when ours went out; 0: none is */
    int64_t goaway_ms, close_ms;
    int64_t linger_left; /* bytes that are still taken while it lingers */
    int64_t peer_ping_ms; /* the peer's last */
    int64_t second;       /* of the counts below */
    int64_t control_frames, resets;
    int32_t reset_stream; /* that the peer gave up last: it is counted once */
    size_t block_size;    /* of the header block that is being read, as HTTP/2 counts it */
    int64_t raw_bytes, data_bytes; /* read from the socket, and what they held */
    uint32_t ping_strikes;
};

/* --- between the threads ------------------------------------------------------------- */

struct mailbox {
    pthread_mutex_t lock;
    /* Under the lock. */
    struct command *commands, **commands_end;
    struct command *used;
    struct event *events, **events_end;
    struct event *events_back;
    bool wake_given;   /* the front thread has been woken and did not look yet */
    bool events_told;  /* events_fd is set */
    int commands_fd, events_fd;
    /* The caller's alone. */
    struct command *idle;
    size_t idle_count;
    /* The front thread's alone: what this turn has made. */
    struct event *turn_events, **turn_end;
    struct event *free_events;
    size_t free_events_count;
    struct command *turn_used, **turn_used_end;
    size_t turn_used_bytes;
};

enum source_kind { SOURCE_WAKE, SOURCE_LISTENER, SOURCE_HANDSHAKE, SOURCE_CONNECTION, SOURCE_HOT };

struct source {
    uint8_t source;
};

#include "sockets.h"

/* --- hot methods --------------------------------------------------------------------- */

/* Calls that are answered without Python. A call of such a method is offered when its
   headers are whole and allowed; a hot method that takes it sees its messages whole and
   answers with calls_send, calls_finish and calls_want. Everything runs on the front
   thread. */
struct hot {
    /* Whether it takes the call. If not, the call is an event like any other. */
    bool (*headers)(struct hot *hot, struct call *call);
    /* A whole message; the block is the method's from now on (block_free). For BIDI only
       after calls_want. */
    void (*message)(struct hot *hot, struct call *call, struct block *message);
    void (*half_closed)(struct hot *hot, struct call *call);
    /* The call is over without its doing; `call` is not to be touched again. */
    void (*ended)(struct hot *hot, struct call *call, int cause);
    /* The rights do not allow it any more. */
    void (*revoked)(struct hot *hot, struct call *call);
    /* After everything of a turn has been read: the time to submit. */
    void (*turn)(struct hot *hot);
    /* Its timer is due: what found no room is tried again. */
    void (*retry)(struct hot *hot);
    /* `fd` is readable. */
    void (*ready)(struct hot *hot);
    /* The server stops: streams read no more, and what was read is answered. */
    void (*stop)(struct hot *hot);
    /* Streams of the owner that are held back may have room. */
    void (*room)(struct hot *hot, struct owner *owner);
    int fd;
};

/* --- the front ----------------------------------------------------------------------- */

struct method {
    const char *path;
    uint32_t path_size;
    int32_t next; /* of its list in the table; -1: the last */
    uint8_t kind, rate, open;
    uint16_t cost, counted;
    struct hot *hot; /* NULL: Python's */
};

enum { METHOD_SLOTS = 1024 };

struct front {
    struct front_bounds bounds;
    struct front_counters counters; /* written by one thread each, read by any */
    struct front_turns turns;       /* likewise */
    int64_t used_ns;                /* processor time of the front thread at its last turn's end */
    struct method *methods;
    size_t methods_count;
    int32_t method_slots[METHOD_SLOTS];
    struct block *details[FRONT_REASONS_END][2]; /* by whether it may be done */
    struct mailbox mailbox;
    struct handover handover;
    struct sessions *sessions; /* under a lock of its own */

    /* From here on the front thread's. */
    pthread_t thread;
    bool started, joined;
    int epoll_fd;
    struct source wake_source, hot_source;
    struct hot *hot;
    struct wheel wheel;
    struct connection **connections; /* by index; NULL: free */
    uint32_t *connection_generations;
    uint32_t *connections_free;
    size_t connections_free_count;
    struct call **call_blocks;
    size_t call_blocks_count, call_blocks_max;
    struct call *free_call;
    struct owner *owners[OWNER_SLOTS];
    size_t owners_resting;
    struct timer trust_timer; /* set while connections are verified anew */
    size_t trust_next;        /* the index of the next */
    struct timer tell_timer; /* set while somebody was over its budget and it is not told */
    struct connection *turn_first, **turn_end;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;
    int64_t now_ms; /* of this turn; what must be exact asks the clock */
    int64_t stop_ms;
    bool draining, stopping;
    uint8_t read_buffer[READ_SIZE];
};

static inline void count_add(int64_t *counter, int64_t n) {
    /* One writer: no lock is needed, only that a reader sees whole numbers. */
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* What a peer can see, its end too, is counted before: who has seen it finds it counted. */
#define COUNT(front, name) count_add(&(front)->counters.name, 1)
#define COUNT_MANY(front, name, n) count_add(&(front)->counters.name, (int64_t)(n))

int64_t clock_ns(void);
static inline int64_t clock_ms(void) { return clock_ns() / 1000000; }

/* timers.c */
void timers_init(struct wheel *wheel, int64_t now_ms);
void timers_set(struct wheel *wheel, struct timer *timer, int64_t due_ms); /* or move */
void timers_clear(struct wheel *wheel, struct timer *timer);
/* Takes out what is due, in a ring below `due`. */
void timers_take(struct wheel *wheel, int64_t now_ms, struct timer *due);
int timers_wait_ms(const struct wheel *wheel, int64_t now_ms); /* -1: none is set */

/* fields.c: no state; see front.h */
bool base64_decode(const uint8_t *text, size_t size, struct block **block);

/* sessions.c; see front.h */
struct sessions *sessions_new(void);
void sessions_free(struct sessions *sessions);
/* Who is signed on by the call's metadata: enum FRONT_SESSION_NONE and on. */
int sessions_of_call(const struct call *call, uint32_t *operator_);

/* mailbox.c */
bool mailbox_init(struct mailbox *mailbox);
void mailbox_free(struct front *front);
void mailbox_over(struct front *front); /* the thread is over: events that come back are freed */
struct event *mailbox_new_event(struct mailbox *mailbox, int kind);
void mailbox_spare(struct mailbox *mailbox, struct event *event); /* one that is not needed */
void mailbox_keep(struct front *front, struct event *event, struct owner *owner, size_t size);
void mailbox_add_event(struct mailbox *mailbox, struct event *event);
struct command *mailbox_take_commands(struct front *front, bool woken);
void mailbox_use_command(struct mailbox *mailbox, struct command *command);
void mailbox_end_turn(struct mailbox *mailbox);
void mailbox_release(struct front *front, struct outgoing *message);

/* rates.c */
void bucket_fill(struct bucket *bucket, int64_t per_s, int64_t at_once, int64_t now_ms);
/* The owner's budgets from now on: what it has used stays used. */
void rates_set(struct owner *owner, const struct front_budgets *budgets, int64_t now_ms);
/* Whether anything is left; then a call may go, and take more than that. */
bool rates_open(struct owner *owner, int rate, int64_t now_ms);
void rates_take(struct owner *owner, int rate, int64_t count);
void rates_give_back(struct owner *owner, int rate, int64_t count); /* nothing was done */
int64_t rates_wait_ms(struct owner *owner, int rate, int64_t now_ms); /* until rates_open */
int64_t rates_full_ms(struct owner *owner, int64_t now_ms); /* until all buckets are full */
/* What came to nothing and was charged nothing costs one of a rate, if any is left. */
void rates_refused(struct call *call, int rate);
/* Whether a call may go on: a reason, or NONE and it is counted. At its headers; and of one
   that is the caller's with each message. */
int rates_begin(struct call *call);
int rates_message(struct call *call, const struct block *message);
int rates_of_reason(int reason); /* enum front_rate */

/* owners.c */
struct owner *owners_get(struct front *front, uint64_t id); /* made if need be; NULL: no memory */
struct owner *owners_find(struct front *front, uint64_t id);
void owners_charge(struct front *front, uint64_t id, int64_t reads);
/* It may be time for its held streams, or to forget it. */
void owners_tick(struct front *front, struct owner *owner);
void owners_schedule(struct front *front, struct owner *owner);
/* What one owner may have of a turn, whatever connections it has: each callback says what it
   costs, and the next piece is read only if something is left. */
void owners_work(struct connection *connection, size_t work);
bool owners_may_read(const struct connection *connection);
bool owners_may_write(const struct connection *connection);
void owners_wrote(struct connection *connection, size_t size);
/* A refusal, which is told with the others of the second. */
void owners_over(struct connection *connection, int share, int64_t count);
void owners_tell(struct front *front);
void owners_tell_of(struct connection *connection);
void owners_join(struct front *front, struct owner *owner, struct connection *connection);
void owners_leave(struct front *front, struct connection *connection);
/* It is another's from now on, with what is open on it. */
void owners_move(struct front *front, struct owner *owner, struct connection *connection);
void owners_free(struct front *front);
/* Counts bytes for a connection and a call (or NULL), its owner and the process. */
void owners_add_bytes(struct connection *connection, struct call *call, size_t size);
void owners_take_bytes(struct connection *connection, struct call *call, size_t size);
/* The same for bytes that outlive their call: they are the owner's alone. */
void owners_keep(struct front *front, struct owner *owner, size_t size);
void owners_keep_more(struct front *front, struct owner *owner, size_t size);
void owners_let_go(struct front *front, struct owner *owner, size_t size);
/* Which bound would be passed by `size` more: a reason, or NONE. */
int owners_ask_bytes(const struct connection *connection, size_t size);
/* Gives up the newest calls of who holds most until the process is within its bound. */
void owners_shed(struct front *front);

/* connection.c */
void connection_adopt(struct front *front, struct handshake *handshake);
struct connection *connection_find(struct front *front, uint64_t handle);
uint64_t connection_handle(const struct connection *connection);
void connection_admit(struct connection *connection, struct command *command);
void connection_read(struct connection *connection);
void connection_flush(struct connection *connection);
void connection_tick(struct connection *connection);
void connection_touch(struct connection *connection); /* it has something to do this turn */
void connection_fail(struct connection *connection, int cause); /* ends with the turn */
void connection_close(struct connection *connection, uint32_t error, int cause);
void connection_drain(struct connection *connection);
void connection_destroy(struct connection *connection);
void connections_check_trust(struct front *front); /* some of them; the others in later turns */
void connection_schedule(struct connection *connection);
bool connection_busy(const struct connection *connection); /* more to do in the next turn */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size); /* NULL: no memory */

/* http2.c */
bool http2_init(struct front *front);
void http2_free(struct front *front);
bool http2_open(struct connection *connection);
void http2_receive(struct connection *connection, const uint8_t *data, size_t size);
bool http2_fill(struct connection *connection); /* frames into out; false: it failed */
/* Gives bytes of windows back to the peer: of the connection, of a stream. */
void http2_consume_connection(struct connection *connection, size_t size);
void http2_consume(struct call *call, size_t size);
void http2_count_records(struct connection *connection, uint64_t raw, size_t data);
void http2_widen(struct call *call, size_t window);
/* What nghttp2 says to a frame that is to be sent. */
void http2_check(struct connection *connection, int rc);

/* request.c */
void request_header(struct call *call, nghttp2_vec name, nghttp2_vec value);
void request_headers_whole(struct call *call);
void request_data(struct call *call, const uint8_t *data, size_t size);
void request_half_closed(struct call *call);
void request_index_methods(struct front *front);
void request_drop(struct call *call); /* lets go what is kept of it; the call is ending */
void request_want(struct call *call); /* the caller is ready for a message */

/* reply.c */
void reply_start(struct call *call, const struct block *metadata);
void reply_send(struct call *call, struct outgoing *message);
void reply_finish(struct call *call, int code, struct block *fields); /* fields: taken */
void reply_refuse(struct call *call, int reason);
void reply_status(struct call *call, const char *status); /* HTTP's, without a body */
void reply_drop(struct call *call); /* lets go what is queued */
void reply_write(struct call *call, uint8_t *out, size_t size); /* the next framed bytes */

/* calls.c */
bool calls_init(struct front *front);
void calls_free_all(struct front *front);
struct call *calls_new(struct connection *connection, int32_t stream);
struct call *calls_find(struct front *front, uint64_t handle);
uint64_t calls_handle(const struct call *call);
void calls_free(struct call *call); /* its stream is closed */
void calls_give(struct call *call, struct block *body);
void calls_end(struct call *call, int cause); /* the caller is told, if it knows of it */
void calls_tick(struct call *call);
void calls_schedule(struct call *call);
void calls_message(struct call *call, struct block *body);
void calls_sent(struct call *call);
void calls_lend(struct call *call, size_t size); /* bytes that the caller has of it */
void calls_take_back(struct call *call);
void calls_tell(struct call *call, int kind, int64_t number);
void calls_reset(struct call *call, uint32_t error);

/* loop.c */
struct epoll_event;
void loop_command(struct front *front, struct command *command);
bool loop_turn(struct front *front, const struct epoll_event *events, int count);

#endif
