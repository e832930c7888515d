/* The front door's face: HTTP/2 over mutual TLS on one thread, gRPC's framing included.

   What stands above it (the Python face, or a plain C program in tests) gives commands
   and takes events; both are lists that are exchanged under one lock, and each side is
   woken by an eventfd. Everything else belongs to the front thread. Nothing here knows
   Python. */

#ifndef FRONT_H
#define FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct front;

/* --- what is configured ---------------------------------------------------------- */

/* Every bound by its name. The unit is the name's end; what has none is a count. */
#define FRONT_BOUNDS(X)                                                                    \
    X(connections_max)          /* established, of all owners */                           \
    X(handshakes_max)           /* at a time */                                            \
    X(sockets_waiting_max)      /* without a handshake yet: silent, or in line for one */  \
    X(handshake_ms)             /* for a handshake, and for admission after it */          \
    X(calls_connection_max)     /* streams of one connection at a time */                  \
    X(metadata_bytes_max)       /* of a request's headers, with 32 bytes for each */       \
    X(message_bytes_max)        /* of one message, in */                                   \
    X(body_ms)                  /* for the one message of a call and its end */            \
    X(idle_ms)                  /* of a connection without calls */                        \
    X(age_ms)                   /* of a connection; it is drained then. 0: no bound */     \
    X(keepalive_ms)             /* without a byte from the peer; then a PING */            \
    X(keepalive_timeout_ms)     /* for the answer */                                       \
    X(ping_min_ms)              /* between PINGs of a peer that gets nothing else */       \
    X(connection_bytes_max)     /* buffered for one connection, in and out */              \
    X(window_bytes)             /* of a new stream, in */                                  \
    X(output_bytes_max)         /* framed and not yet sent; above it nothing is read */    \
    X(process_bytes_max)        /* buffered for all */                                     \
    X(handshakes_address_max)   /* at a time, of one address */                            \
    X(handshakes_address_per_s) /* begun a second, of one address; as many at once */      \
    X(control_frames_max)       /* a second and connection: SETTINGS, PING and the like */ \
    X(resets_max)               /* a second and connection: streams that a peer gives up */

struct front_bounds {
#define FRONT_FIELD(name) int64_t name;
    FRONT_BOUNDS(FRONT_FIELD)
#undef FRONT_FIELD
};

/* What one owner may use, whatever connections it has; told with their admission. */
#define FRONT_BUDGETS(X)                                                                   \
    X(payments_per_s)        /* rows */                                                    \
    X(payments_at_once)                                                                    \
    X(reads_per_s)                                                                         \
    X(reads_at_once)                                                                       \
    X(fetches_per_s)         /* references */                                              \
    X(fetches_at_once)                                                                     \
    X(owner_connections_max)                                                               \
    X(owner_calls_max)       /* open at a time */                                          \
    X(owner_bytes_max)       /* buffered */                                                \
    X(owner_feeds_max)       /* open at a time */                                          \
    X(owner_watches_max)

struct front_budgets {
#define FRONT_FIELD(name) int64_t name;
    FRONT_BUDGETS(FRONT_FIELD)
#undef FRONT_FIELD
};

/* Which budget was used up; in the order of their counters and names. */
#define FRONT_SHARES(X)                                                                    \
    X(PAYMENTS, payments) X(READS, reads) X(FETCHES, fetches) X(CONNECTIONS, connections)  \
    X(CALLS, calls) X(BYTES, bytes) X(FEEDS, feeds) X(WATCHES, watches)                    \
    X(REFUSALS, refusals) X(HOLDS, holds)

enum front_share {
#define FRONT_NUMBER(name, text) FRONT_SHARE_##name,
    FRONT_SHARES(FRONT_NUMBER)
#undef FRONT_NUMBER
    FRONT_SHARES_END
};

enum front_kind { FRONT_UNARY = 0, FRONT_SERVER_STREAM = 1, FRONT_BIDI = 2 };

/* What the calls of a method are counted by: in a bucket, and while they are open. */
enum front_rate {
    FRONT_RATE_NONE = 0,
    FRONT_PAYMENTS = 1,
    FRONT_READS = 2,
    FRONT_FETCHES = 3,
    FRONT_RATES_END
};
enum front_open { FRONT_OPEN_NONE = 0, FRONT_FEEDS = 1, FRONT_WATCHES = 2, FRONT_OPENS_END };

/* Why a call is answered here, with the gRPC status and what the caller is told. A call
   that ends so before its event was taken has done nothing. */
#define FRONT_REASONS(X)                                                                   \
    X(COMPRESSED, 12, "compressed messages are not taken: send them as they are")          \
    X(TIMEOUT_MALFORMED, 13, "grpc-timeout is malformed")                                  \
    X(METADATA_MALFORMED, 13, "a binary header is not base64")                             \
    X(METADATA_TOO_LARGE, 8, "the headers are larger than this server takes")              \
    X(MESSAGE_TOO_LARGE, 8, "the message is larger than this server takes")                \
    X(STREAM_MESSAGE_TOO_LARGE, 8, "the message is larger than this server takes")         \
    X(MESSAGE_COMPRESSED, 13, "a message is marked compressed and no encoding is named")   \
    X(FRAMING, 13, "a message is not framed as gRPC frames it")                            \
    X(SECOND_MESSAGE, 13, "the call takes one message, and there are more")                \
    X(NO_MESSAGE, 13, "the call takes one message, and there is none")                     \
    X(DEADLINE, 4, "the deadline has passed")                                              \
    X(BODY_LATE, 4, "the request's message did not arrive in time")                        \
    X(OVER_CALLS, 8, "too many calls of this participant are open")                        \
    X(OVER_BUDGET, 8, "this participant has too many bytes under way")                     \
    X(SERVER_FULL, 8, "the server has too many bytes under way")                           \
    X(SHED, 14, "the server had too many bytes under way and gave this call up")           \
    X(OVER_PAYMENTS, 8, "more payments a second than this participant may make")           \
    X(OVER_READS, 8, "more reads a second than this participant may make")                 \
    X(OVER_FETCHES, 8, "more bills a second than this participant may ask for")            \
    X(OVER_FEEDS, 8, "this participant follows too many feeds")                            \
    X(OVER_WATCHES, 8, "this participant watches too many payments")

enum front_reason {
    FRONT_REASON_NONE = 0,
#define FRONT_NUMBER(name, code, text) FRONT_REASON_##name,
    FRONT_REASONS(FRONT_NUMBER)
#undef FRONT_NUMBER
    FRONT_REASONS_END
};

/* Why a connection or a call is no more. */
#define FRONT_CAUSES(X)                                                                    \
    X(PEER_CLOSED, "peer_closed")         /* the peer closed the connection */             \
    X(PEER_RESET, "peer_reset")           /* the peer gave up the call */                  \
    X(DEADLINE, "deadline")               /* the call's deadline passed */                 \
    X(CONNECTION, "connection")           /* the call's connection is no more */           \
    X(SHED, "shed")                       /* too many bytes under way */                   \
    X(REFUSED, "refused")                 /* what the peer sent cannot be taken */         \
    X(CLOSED, "closed")                   /* a command closed it */                        \
    X(STOPPED, "stopped")                 /* the front has stopped */                      \
    X(NOT_ADMITTED, "not_admitted")       /* no admission in time */                       \
    X(OWNER_CONNECTIONS, "owner_connections")  /* its owner has too many */                \
    X(IDLE, "idle")                       /* without calls for too long */                 \
    X(AGED, "aged")                       /* open for too long, and drained */             \
    X(KEEPALIVE, "keepalive")             /* it does not answer a PING */                  \
    X(FLOOD, "flood")                     /* frames that only cost */                      \
    X(PROTOCOL, "protocol")               /* no HTTP/2 */                                  \
    X(UNTRUSTED, "untrusted")             /* its authority is believed no more */        \
    X(TLS, "tls")                         /* its records are broken */                     \
    X(MEMORY, "memory")                   /* an allocation failed */

enum front_cause {
    FRONT_CAUSE_NONE = 0,
#define FRONT_NUMBER(name, text) FRONT_CAUSE_##name,
    FRONT_CAUSES(FRONT_NUMBER)
#undef FRONT_NUMBER
    FRONT_CAUSES_END
};

/* What is counted since the start; those of FRONT_GAUGES go up and down. */
#define FRONT_COUNTERS(X)                                                                  \
    X(connections_accepted) X(connections_refused) X(connections_admitted)                 \
    X(connections_flooded) X(connections_kept_dead) X(connections_idle)                    \
    X(connections_untrusted)                    \
    X(handshakes_done) X(handshakes_failed) X(handshakes_late) X(handshakes_shed)          \
    X(handshakes_refused) X(sockets_refused)                                               \
    X(calls_begun) X(calls_given) X(calls_reset) X(calls_refused) X(calls_unsupported)     \
    X(calls_late) X(calls_shed) X(messages_in) X(messages_out) X(bytes_in) X(bytes_out)    \
    X(turns) X(turns_used_up) X(handshake_turns) X(streams_held)                           \
    X(over_payments) X(over_reads) X(over_fetches) X(over_connections) X(over_calls)       \
    X(over_bytes) X(over_feeds) X(over_watches) X(over_refusals) X(over_holds)

#define FRONT_GAUGES(X)                                                                    \
    X(connections_open) X(handshakes_open) X(sockets_waiting) X(calls_open) X(bytes_held)

struct front_counters {
#define FRONT_FIELD(name) int64_t name;
    FRONT_COUNTERS(FRONT_FIELD)
    FRONT_GAUGES(FRONT_FIELD)
#undef FRONT_FIELD
};

/* --- bytes ------------------------------------------------------------------------ */

/* Bytes of their own allocation. */
struct block {
    struct block *next;
    size_t size;
    size_t capacity;
    uint8_t data[];
};

struct block *block_new(size_t capacity); /* NULL: no memory */
struct block *block_copy(const void *data, size_t size);
void block_free(struct block *block);
bool block_add(struct block **block, const void *data, size_t size); /* grows; false: no memory */

/* Header fields in a block: name's size (uint16), value's size (uint32), name, value. */
bool fields_add(struct block **fields, const void *name, size_t name_size, const void *value,
                size_t value_size);
/* The same for a name that may end in -bin, whose value is then encoded. */
bool fields_add_metadata(struct block **fields, const void *name, size_t name_size,
                         const void *value, size_t value_size);
/* Whether a field may be sent: a name of gRPC's letters, a value of printable ASCII or binary. */
bool fields_valid(const void *name, size_t name_size, const void *value, size_t value_size);
/* grpc-status, grpc-message (percent-encoded) and grpc-status-details-bin. */
bool fields_add_status(struct block **fields, int code, const void *message, size_t message_size,
                       const void *details, size_t details_size);

struct field {
    const uint8_t *name, *value;
    size_t name_size, value_size;
};

/* Reads the field at *offset and moves on; false at the end. */
bool fields_next(const struct block *fields, size_t *offset, struct field *field);
/* Appends google.rpc.RetryInfo to the details of a status. */
bool fields_add_retry(struct block **details, int64_t pause_ms);

/* --- events: from the front thread ------------------------------------------------ */

enum front_event_kind {
    FRONT_CONNECT = 0, /* body: the certificate's DER; number: port; time: its last second */
    FRONT_DISCONNECT = 1,
    FRONT_CALL = 2, /* time: the deadline in ns of CLOCK_MONOTONIC, or 0 */
    FRONT_MESSAGE = 3,
    FRONT_HALF_CLOSED = 4,
    FRONT_SENT = 5, /* number: bytes that are left */
    FRONT_ENDED = 6,
    FRONT_REVOKED = 7,
    FRONT_OVER = 8, /* over a budget: cause: which share, number: how often since the last */
    FRONT_VOID = 9  /* a call that ended in the turn in which it came */
};

#define FRONT_TIMEOUT_SIZE 12
#define FRONT_ADDRESS_SIZE 64

struct owner;

struct event {
    struct event *next;
    uint64_t call;
    uint64_t connection;
    int64_t time;
    int64_t number;
    struct block *path;     /* of a method that is not known */
    struct block *metadata; /* fields, or NULL */
    struct block *body;     /* or NULL */
    struct owner *owner;    /* in whose budget these bytes count until it is given back */
    size_t kept;
    int32_t method;         /* -1: not known */
    uint8_t kind;
    uint8_t cause;
    bool allowed;
    char timeout[FRONT_TIMEOUT_SIZE];
    char address[FRONT_ADDRESS_SIZE]; /* of a CONNECT only; not set otherwise */
};

/* Takes all events, in order. They are given back with front_give_events. */
struct event *front_take_events(struct front *front);
void front_give_events(struct front *front, struct event *first, struct event *last);
/* Who took more than it could do with: front_fileno becomes readable again. */
void front_more_events(struct front *front);

/* --- commands: to the front thread ------------------------------------------------ */

/* A message on its way out. `release` is called once, on the front thread. */
struct outgoing {
    struct outgoing *next;
    const uint8_t *data;
    size_t size;
    void (*release)(struct front *front, struct outgoing *message);
};

enum front_command_kind {
    FRONT_ADMIT,            /* fields: a byte for each method; the owner's budgets */
    FRONT_CLOSE_CONNECTION, /* number: HTTP/2's error */
    FRONT_START_CALL,       /* fields: metadata */
    FRONT_SEND,             /* message */
    FRONT_FINISH,           /* number: status; fields: trailers, or NULL for OK alone */
    FRONT_REPLY,            /* message; then FINISH with OK */
    FRONT_WANT,
    FRONT_CHARGE, /* owner; number: reads that a call of it has cost beside its price */
    FRONT_TRUST, /* the authority may have changed */
    FRONT_STOP_STREAMS, /* of hot methods */
    FRONT_DRAIN,
    FRONT_STOP /* number: ms */
};

struct command {
    struct outgoing message; /* first: a message that is released is its command */
    struct command *next;
    uint64_t target; /* a call or a connection */
    uint64_t owner;
    int64_t number;
    struct block *fields;
    void *keeper; /* what holds the message's bytes; the caller's */
    uint32_t role, sender, bound;
    uint8_t kind;
    struct front_budgets budgets;
};

/* A command to fill; NULL: no memory. One thread at a time gives commands. */
struct command *front_new_command(struct front *front);
void front_give_command(struct front *front, struct command *command);
/* Commands that are over, whose keepers the caller lets go. They go to front_idle_command. */
struct command *front_take_used(struct front *front);
void front_idle_command(struct front *front, struct command *command);

/* --- the front -------------------------------------------------------------------- */

struct front_method {
    const char *path;
    int kind;
    int rate;    /* enum front_rate. Of hot methods: PAYMENTS, and its rows are counted */
    int cost;    /* of a call that comes as far as its caller, in its rate */
    int counted; /* a field of its message, whose occurrences are the cost; 0: none */
    int open;    /* enum front_open */
};

/* A process with a front ignores SIGPIPE, as Python does: sockets end while they are written. */
struct front *front_new(const struct front_bounds *bounds, const struct front_method *methods,
                        size_t methods_count); /* NULL: no memory, or no descriptors */
void front_free(struct front *front);          /* stopped, or never started */

/* 0, or -1 with a text. For connections from now on; after FRONT_TRUST those that are open and
   whose chains hold no more are drained. Revocation lists may be empty. */
int front_set_credentials(struct front *front, const void *certificate, size_t certificate_size,
                          const void *key, size_t key_size, const void *authority,
                          size_t authority_size, const void *revocations,
                          size_t revocations_size, char *text, size_t text_size);
/* The details (google.rpc.Status) for what the front answers itself, of a call that may have
   done something (its one message is there, or it is a stream) or has not; before the start. */
bool front_set_details(struct front *front, int reason, bool may_be_done, const void *details,
                       size_t size);
/* The port, or -errno. */
int front_listen(struct front *front, const char *host, int port);
int front_start(struct front *front); /* 0 or -errno */
int front_fileno(const struct front *front);
void front_join(struct front *front); /* after FRONT_STOP was given */
void front_count(const struct front *front, struct front_counters *counters);

/* Turns of the front thread by the processor time that they took: within
   FRONT_TURN_LEAST_NS, its doubles, and the rest. */
enum { FRONT_TURN_STEPS = 12, FRONT_TURN_LEAST_NS = 1 << 18 };
struct front_turns {
    int64_t counts[FRONT_TURN_STEPS + 1];
    int64_t spent_ns; /* by all of them */
};
void front_turns(const struct front *front, struct front_turns *turns);

/* Addresses that were turned away at their handshakes, and how often, since the last time
   they were asked for; the last of FRONT_REFUSED_MAX stands for all others. */
enum { FRONT_REFUSED_MAX = 16 };
struct front_refused {
    char address[FRONT_ADDRESS_SIZE]; /* empty: others */
    int64_t count;
};
size_t front_take_refused(struct front *front, struct front_refused refused[FRONT_REFUSED_MAX]);

/* Sessions of people who are signed on: whose a sealed token is that was verified. Any thread.
   A token has a random number of 8 bytes at FRONT_SESSION_NUMBER, and comes as metadata. */
#define FRONT_SESSION_NAME "payswitch-session-bin"
/* The other metadata of a call that the caller gets; all else is counted and forgotten. */
#define FRONT_MIN_SEQUENCE_NAME "min-sequence"
#define FRONT_ATTEMPTS_NAME "grpc-previous-rpc-attempts"
enum {
    FRONT_SESSION_SIZE = 144,
    FRONT_SESSION_NUMBER = 16,
    FRONT_SESSIONS_MAX = 32768, /* 3,561 centres, some nine each */
};
enum {
    FRONT_SESSION_NONE = 0, /* the call has none */
    FRONT_SESSION_ON = 1,
    FRONT_SESSION_UNKNOWN = 2, /* not opened here, or another's */
    FRONT_SESSION_ENDED = 3,   /* signed off, idle too long, or at its end */
};
/* How often the register has changed of a centre, to be asked before it is read. */
uint64_t front_session_change(struct front *front, uint32_t sender);
/* With that change. One that is there already stays as it is. Times in ms, more than 0. */
void front_open_session(struct front *front, const uint8_t *token, uint32_t sender,
                        uint32_t operator_, int64_t lasts_ms, int64_t idle_ms, uint64_t change);
/* Whether it was on. It stays known, as ended. */
bool front_end_session(struct front *front, const uint8_t *token);
/* It is not known any more: who opens sessions knows that it is over. */
void front_drop_session(struct front *front, const uint8_t *token);
/* None of a centre that is on is known any more, until it is opened again; it is no less idle
   for it. */
void front_forget_sessions(struct front *front, uint32_t sender);
/* ON, with its operator, and it was used now; UNKNOWN, ENDED. */
int front_use_session(struct front *front, const uint8_t *token, size_t size, uint32_t sender,
                      uint32_t *operator_);
const char *front_cause_name(int cause);

/* The names of the tables above, in their order. */
extern const char *const front_bound_names[];
extern const char *const front_budget_names[];
extern const char *const front_share_names[]; /* their counters: "over_" and the name */
extern const char *const front_counter_names[]; /* counters, then gauges */
extern const char *const front_reason_names[];  /* by number; that of NONE is empty */
extern const int front_reason_codes[];
extern const char *const front_reason_texts[];
extern const size_t front_bounds_count, front_budgets_count, front_counters_count;

#endif
