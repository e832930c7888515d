/* The parts of the load client: messages, answers, connections, the load itself, billers, a sink.
 *
 * C over OpenSSL, and of nghttp2 what reads compressed headers; no Python. A part uses
 * what is declared above it. Functions give 0, or -1 with the reason in `Failure`. One
 * thread.
 */
#ifndef BENCHMARKS_CLIENT_H
#define BENCHMARKS_CLIENT_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Failure {
    char text[400];
} Failure;

int failure_set(Failure* failure, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

uint64_t clock_ns(void);

/* --- messages.c: what is sent ------------------------------------------------------ */

enum { CHOICES = 1 << 16, SERVICE_SIZE = 5, CENTRE_SIZE = 9 };

/* How payments are made: the bytes that are the same in all, and where the others go. */
typedef struct Making {
    const uint8_t* payment;
    uint32_t item;        /* bytes of it */
    uint32_t id, service, amount, reference, operator;
    uint32_t centre;      /* 0: it names none */
    const uint16_t* chosen; /* CHOICES numbers of services, each as often as it is paid */
    const uint8_t (*services)[SERVICE_SIZE];
    const uint8_t (*centres)[CENTRE_SIZE];
    uint32_t centres_count;
    uint32_t first_bar;   /* of 2^32 payments so many more are the first centre's */
    uint32_t operators;   /* in turn */
    uint32_t amount_min, amount_max; /* paise, of 15 to 21 bits */
    uint64_t seed;
    bool is_ordered;      /* ids, as UUIDv7 are */
} Making;

/* What was drawn, beside the bytes. */
typedef struct Made {
    uint32_t amount;
    uint16_t service, centre;
} Made;

/* Payments with these bill numbers, one behind the other. */
void messages_make(
    const Making* making, uint64_t first, size_t count, uint8_t* to, Made* made);

/* --- answers.c: what was sent, and whether an answer is the one to it -------------- */

enum {
    MESSAGE_HEAD = 5,     /* gRPC's: not compressed, four bytes of size */
    ID_SIZE = 16,
    RESULTS_MAX = 128,    /* every result takes one byte as a varint */
};

/* What a message asks, which is also how its answer is looked at. */
enum { ASKS_PAYMENTS, ASKS_PAYMENT_STATE, ASKS_NOTHING };

typedef struct Layout {
    uint32_t payload;     /* payments a message */
    uint32_t item;        /* bytes of a payment */
    uint32_t id;          /* where its id stands */
    uint32_t amount;      /* where its amount stands: three bytes of a varint */
    int asks;
    bool is_held;         /* payments that their billers confirm */
} Layout;

typedef struct Expected {
    uint8_t id[ID_SIZE];
    uint32_t amount;      /* paise */
} Expected;

typedef struct Totals {
    uint64_t payments;    /* answered */
    uint64_t accepted;
    uint64_t amount;      /* paise of the accepted */
    uint64_t refused[RESULTS_MAX];
} Totals;

size_t layout_size(const Layout* layout);

/* Read what the answers to one message must be; `expected` has room for a payload. */
void answers_expect(const Layout* layout, const uint8_t* message, Expected* expected);

/* Find the outcomes of a reply; their number, or -1. */
int answers_count(const uint8_t* reply, size_t size, Failure* failure);

/* Check a reply's next outcome, at `*at` before `end`, and move behind it. */
int answers_check(
    const Layout* layout, const uint8_t** at, const uint8_t* end,
    const Expected* expected, Totals* totals, Failure* failure);

/* Check the answer to GetPayment: a completed payment of that id. */
int answers_check_state(
    const uint8_t* reply, size_t size, const Expected* expected, Totals* totals,
    Failure* failure);

/* --- connection.c: TLS and the frames of HTTP/2 ------------------------------------ */

enum {
    FRAME_HEAD = 9,
    FRAME_MAX = 16384,    /* in both directions; RFC 9113's default */
    OUT_MAX = 1 << 18,    /* framed bytes that wait for the socket */
    DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7,
    WINDOW_UPDATE = 8,
    PATH_MAX_SIZE = 126, HEADERS_SIZE = 1024, SESSION_SIZE = 512,
    END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32,
};

typedef struct Buffer {
    uint8_t* bytes;
    size_t start, end, size;
} Buffer;

void buffer_add(Buffer* buffer, const void* bytes, size_t size);

typedef struct Connection Connection;

/* What the frames mean to whoever owns the connection. */
typedef struct Handler {
    int (*headers)(Connection*, uint32_t stream, const uint8_t*, size_t, bool ends);
    int (*data)(Connection*, uint32_t stream, const uint8_t*, size_t, bool ends);
    int (*reset)(Connection*, uint32_t stream, uint32_t error);
    /* More may be sent on a stream; 0: `change` to each. */
    void (*window)(Connection*, uint32_t stream, int64_t change);
} Handler;

struct Connection {
    int fd;
    uint32_t number;
    SSL* ssl;
    Buffer in, out;
    bool is_blocked;      /* the socket takes no more */
    bool is_listed;       /* among those that have something to write */
    int64_t window;       /* bytes that may be sent on all streams together */
    int64_t stream_window;
    uint64_t read;        /* bytes of DATA since the peer's window was opened again */
    const Handler* handler;
    void* owner;
    Failure* failure;
};

SSL_CTX* tls_context(
    bool is_server, const char* certificate, const char* key, const char* authority,
    Failure* failure);

/* Connect or take a socket, shake hands (blocks), say hello. */
int connection_dial(
    Connection* self, SSL_CTX* tls, const char* host, int port, Failure* failure);
int connection_accept(Connection* self, SSL_CTX* tls, int fd, Failure* failure);
void connection_close(Connection* self);

void connection_frame(
    Connection* self, int kind, int flags, uint32_t stream, const void* body,
    size_t size);
/* The block of headers of a first call to a method; its size, at most HEADERS_SIZE. */
size_t call_headers(uint8_t* to, const char* host, int port, const char* path);
/* The field of a session (its token in base64), as gRPC's own clients send it: whole with
 * each call, in no table, its letters packed; its size, at most SESSION_SIZE, or 0. */
size_t session_header(uint8_t* to, const char* session);
/* Read what is there and act on it; nothing is written. */
int connection_read(Connection* self);
/* Write until nothing is left or the socket takes no more. */
int connection_write(Connection* self);

/* --- load.c: what is sent when, and what came back --------------------------------- */

enum { BUCKET_BITS = 7, BUCKETS = (64 - BUCKET_BITS) << BUCKET_BITS };
enum { STATUSES = 17 };
enum { RUN_FAILED = -1, RUN_TIME, RUN_EMPTY, RUN_DONE };

typedef struct Load Load;

typedef struct LoadCounts {
    uint64_t messages;    /* answered */
    uint64_t replies;
    uint64_t sent;        /* messages */
    uint64_t unanswered;  /* messages */
    uint64_t open;        /* calls and streams */
    uint64_t resets;      /* calls that the server broke off */
    uint64_t statuses[STATUSES]; /* calls that ended with another status than OK */
} LoadCounts;

Load* load_new(const Layout* layout, bool is_stream, uint32_t connections,
               uint32_t outstanding, bool keeps_times, Failure* failure);
/* Connect the next `count` as one caller, whose calls have a session (base64) or
 * none (""); once for each caller, until all are connected. */
int load_dial(Load* self, const char* host, int port, const char* path, SSL_CTX* tls,
              const char* session, uint32_t count);
void load_free(Load* self);

/* Messages to send next, and when each is due (NULL: at once). Not copied. */
void load_supply(
    Load* self, const uint8_t* messages, const uint64_t* due_ns, size_t count);
/* Send and read until a moment (RUN_TIME), until messages are missing (RUN_EMPTY), or
 * until all is answered and the load is ending (RUN_DONE). */
int load_run(Load* self, uint64_t until_ns);
/* Send no message that is due later; close streams once all is sent. */
void load_end(Load* self, uint64_t at_ns);

LoadCounts* load_counts(Load* self);
Totals* load_totals(Load* self);
/* Latencies are of messages due within [since, until); closed loops count them all. */
void load_measure(Load* self, uint64_t since_ns, uint64_t until_ns);
uint64_t* load_latencies(Load* self, uint64_t* largest);
void load_clear_latencies(Load* self);
/* Messages that may be sent besides the connections' own bounds. */
void load_set_room(Load* self, int64_t messages);
int64_t load_get_room(const Load* self);
/* When the next message is due; UINT64_MAX if none is. */
uint64_t load_next_due(const Load* self);
/* Messages of what was supplied that were due before a moment and are not sent. */
size_t load_overdue(const Load* self, uint64_t at_ns);
const uint64_t* load_times(const Load* self, size_t* count);
const char* load_last_status(const Load* self);

/* --- billers.c: they confirm whatever they are asked -------------------------------- */

typedef struct Billers Billers;

typedef struct BillersCounts {
    uint64_t messages;    /* of answers */
    uint64_t confirm, status; /* questions */
    uint64_t credited, credited_paise;
    uint64_t bills_paid_again;
} BillersCounts;

Billers* billers_new(Failure* failure);
/* One connection more, of whichever biller the certificate is. */
int billers_dial(Billers* self, const char* host, int port, SSL_CTX* tls);
/* Answer until `*stop`; a connection that ends before is a failure. */
int billers_serve(Billers* self, volatile int* stop);
const BillersCounts* billers_counts(const Billers* self);
void billers_free(Billers* self);

/* --- sink.c: a server that does nothing but answer --------------------------------- */

/* Serve until `*stop`, on a listening socket. */
int sink_serve(
    int listener, SSL_CTX* tls, const Layout* layout, bool is_stream,
    volatile int* stop, Failure* failure);

/* --- flood.c: an attacker ---------------------------------------------------------- */

/* Change keys on one connection until a moment or its end; how often. */
int flood_keys(
    SSL_CTX* tls, const char* host, int port, uint64_t until_ns, uint64_t* sent,
    bool* is_ended, Failure* failure);

/* A connection of many that shakes hands and then says nothing; NULL if it cannot. */
Connection* crowd_dial(SSL_CTX* tls, const char* host, int port, Failure* failure);
bool crowd_is_ended(Connection* self, Failure* failure);
void crowd_close(Connection* self);

#endif
