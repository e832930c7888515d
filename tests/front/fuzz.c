/* Frames and TLS records that no client sends, against the front door without Python.

       fuzz [FRAMES [SEED]]
       fuzz race

   Connections send calls that are good, calls with something changed, and frames of
   chance; some have bytes of their TLS records changed on the way. Meanwhile another
   thread takes the events and answers as it pleases, and a third is the queue of the hot
   calls (queue.h). Built with sanitizers, asserts on; at the end nothing may be open, no
   byte held and no request kept. How far it is stands on stderr, and a
   front that takes nothing any more is a failure within a minute.

   `race` does what front.h forbids: two threads give commands at a time. A sanitizer of
   threads that lets it pass sees nothing of the front's. */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "../../server/front/hot.h"
#include "certificates.h"
#include "queue.h"

enum {
    FRAMES_USUAL = 50000,
    FRAMES_CONNECTION = 400, /* at most, of one connection */
    OUT_SIZE = 1 << 18,
    STREAMS = 64,            /* frames of chance name streams up to twice this */
    END_MS = 1000,
    ANSWER_MS = 3,
    PATIENCE_MS = 60000,     /* only a failure takes so long */
    TOLD_FRAMES = 100000,    /* a line on stderr for so many */
    RACE_COMMANDS = 10000,
    STUCK_MS = 200,          /* for a server that reads no more: the connection ends */
};

static const struct front_method METHODS[] = {
    {"/f/Unary", FRONT_UNARY, FRONT_FETCHES, 1, 2, FRONT_OPEN_NONE},
    {"/f/Server", FRONT_SERVER_STREAM, FRONT_READS, 1, 0, FRONT_FEEDS},
    {"/f/Bidi", FRONT_BIDI, FRONT_PAYMENTS, 1, 0, FRONT_WATCHES},
    {"/f/Closed", FRONT_UNARY, FRONT_RATE_NONE, 0, 0, FRONT_OPEN_NONE},
    {"/h/Payment", FRONT_UNARY, FRONT_PAYMENTS, 0, 0, FRONT_OPEN_NONE},
    {"/h/Basket", FRONT_UNARY, FRONT_PAYMENTS, 0, 0, FRONT_OPEN_NONE},
    {"/h/Batch", FRONT_UNARY, FRONT_PAYMENTS, 0, 0, FRONT_OPEN_NONE},
    {"/h/Stream", FRONT_BIDI, FRONT_PAYMENTS, 0, 0, FRONT_OPEN_NONE}};
enum { METHODS_COUNT = 8, FIRST_HOT = 4 };
static const uint8_t RIGHTS[METHODS_COUNT] = {1, 1, 1, 0, 1, 1, 1, 1};
static const struct hot_results RESULTS = {
    .damaged = 1, .biller_busy = 2, .refusals = 3, .field_debit = 1,
    .rows_max = 2 * QUEUE_ROWS_MAX, .room_wait_ms = 20, .steps_ns = {1000000, 10000000},
    .steps_count = 2};

/* Small enough that chance meets each of them. */
static const struct front_bounds BOUNDS = {
    .connections_max = 64, .handshakes_max = 16, .sockets_waiting_max = 32,
    .handshake_ms = 2000,
    .calls_connection_max = 50, .metadata_bytes_max = 4096, .message_bytes_max = 100000,
    .body_ms = 300, .idle_ms = 2000, .age_ms = 1500, .keepalive_ms = 300,
    .keepalive_timeout_ms = 500, .ping_min_ms = 1, .connection_bytes_max = 400000,
    .window_bytes = 20000, .output_bytes_max = 100000, .process_bytes_max = 1000000,
    .handshakes_address_max = 12, .handshakes_address_per_s = 100000,
    .control_frames_max = 500, .resets_max = 500};

/* Some owners have enough, and some soon nothing. */
static const struct front_budgets BUDGETS[2] = {
    {.payments_per_s = 1000000, .payments_at_once = 1000000, .reads_per_s = 1000000,
     .reads_at_once = 1000000, .fetches_per_s = 1000000, .fetches_at_once = 1000000,
     .owner_connections_max = 3, .owner_calls_max = 60, .owner_bytes_max = 600000,
     .owner_feeds_max = 30, .owner_watches_max = 30},
    {.payments_per_s = 200, .payments_at_once = 16, .reads_per_s = 20, .reads_at_once = 10,
     .fetches_per_s = 100, .fetches_at_once = 10, .owner_connections_max = 2,
     .owner_calls_max = 30, .owner_bytes_max = 300000, .owner_feeds_max = 2,
     .owner_watches_max = 1}};

static _Thread_local uint64_t random_state;

static uint64_t chance(uint64_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static bool one_in(uint64_t n) { return chance(n) == 0; }

/* --- the caller: answers as it pleases ------------------------------------------------- */

static uint8_t body[70000];
static atomic_bool over;

static struct command *command(struct front *front, int kind, uint64_t target) {
    struct command *one = front_new_command(front);
    one->kind = (uint8_t)kind;
    one->target = target;
    return one;
}

static void send_body(struct front *front, int kind, uint64_t call) {
    struct command *one = command(front, kind, call);
    one->message.data = body;
    one->message.size = one_in(20) ? chance(sizeof(body)) : chance(200);
    front_give_command(front, one);
}

static void finish(struct front *front, uint64_t call) {
    struct command *one = command(front, FRONT_FINISH, call);
    if (one_in(2)) {
        one->number = (int64_t)chance(17);
        fields_add_status(&one->fields, (int)one->number, body, chance(100), body, chance(100));
        fields_add_metadata(&one->fields, "seen-bin", 8, body, chance(100));
    }
    front_give_command(front, one);
}

static void admit(struct front *front, uint64_t connection, const uint8_t *rights) {
    struct command *one = command(front, FRONT_ADMIT, connection);
    one->owner = chance(8);
    one->budgets = BUDGETS[one_in(4) ? 1 : 0];
    one->fields = block_copy(rights, METHODS_COUNT);
    front_give_command(front, one);
}

static void answer(struct front *front, const struct event *event) {
    uint64_t call = event->call;
    switch (event->kind) {
    case FRONT_CONNECT:
        if (!one_in(30)) admit(front, event->connection, RIGHTS);
        break;
    case FRONT_CALL:
        if (one_in(200)) front_give_command(front, command(front, FRONT_CLOSE_CONNECTION,
                                                           event->connection));
        if (one_in(100)) admit(front, event->connection, (const uint8_t[METHODS_COUNT]){0});
        if (event->method == 2) {
            front_give_command(front, command(front, FRONT_WANT, call));
            if (one_in(2)) front_give_command(front, command(front, FRONT_START_CALL, call));
        } else if (one_in(3)) {
            finish(front, call);
        } else if (!one_in(10)) {
            if (one_in(4)) send_body(front, FRONT_SEND, call);
            send_body(front, FRONT_REPLY, call);
        }
        break;
    case FRONT_MESSAGE:
    case FRONT_SENT:
        if (one_in(2)) send_body(front, FRONT_SEND, call);
        if (!one_in(5)) front_give_command(front, command(front, FRONT_WANT, call));
        break;
    case FRONT_HALF_CLOSED:
    case FRONT_REVOKED:
        finish(front, call);
        break;
    case FRONT_ENDED:
        if (one_in(10)) finish(front, call); /* too late, and harmless */
        break;
    }
}

static size_t take(struct front *front) {
    struct event *first = front_take_events(front), *last = NULL;
    size_t count = 0;
    for (struct event *one = first; one != NULL; one = one->next, count++) {
        answer(front, one);
        last = one;
    }
    if (last != NULL) front_give_events(front, first, last);
    for (struct command *one = front_take_used(front); one != NULL;) {
        struct command *next = one->next;
        front_idle_command(front, one);
        one = next;
    }
    return count;
}

static void *caller_main(void *argument) {
    struct front *front = argument;
    random_state = 88172645463325252u;
    struct pollfd wait = {.fd = front_fileno(front), .events = POLLIN};
    while (!atomic_load(&over)) {
        poll(&wait, 1, 10);
        take(front);
    }
    return NULL;
}

/* --- frames ------------------------------------------------------------------------------- */

struct peer {
    int fd;
    SSL *ssl;
    uint8_t out[OUT_SIZE];
    size_t size;
    uint32_t next; /* stream */
    bool wild;     /* also what ends a connection at once */
};

static void put(struct peer *peer, const void *data, size_t size) {
    if (peer->size + size > OUT_SIZE) return;
    if (size > 0) memcpy(peer->out + peer->size, data, size);
    peer->size += size;
}

static void put_frame(struct peer *peer, uint8_t kind, uint8_t flags, uint32_t stream,
                      const void *data, size_t size) {
    size_t said = peer->wild && one_in(100) ? chance(20000) : size;
    uint8_t head[9] = {(uint8_t)(said >> 16), (uint8_t)(said >> 8), (uint8_t)said, kind, flags,
                       (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8),
                       (uint8_t)stream};
    put(peer, head, sizeof(head));
    put(peer, data, size);
}

static size_t add_field(uint8_t *block, size_t at, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value);
    if (at + name_size + value_size + 3 > 8000 || value_size > 126) return at;
    block[at++] = one_in(3) ? 0x40 : 0; /* into the table, or not */
    block[at++] = (uint8_t)name_size;
    memcpy(block + at, name, name_size);
    at += name_size;
    block[at++] = (uint8_t)value_size;
    memcpy(block + at, value, value_size);
    return at + value_size;
}

static const char *one_of(const char *const *all, size_t count) { return all[chance(count)]; }

#define ONE_OF(...) \
    one_of((const char *const[]){__VA_ARGS__}, \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static size_t make_headers(uint8_t *block, bool wild) {
    size_t at = 0;
    at = add_field(block, at, ":method", one_in(50) ? "GET" : "POST");
    at = add_field(block, at, ":scheme", "https");
    at = add_field(block, at, ":path",
                   ONE_OF("/f/Unary", "/f/Unary", "/f/Server", "/f/Bidi", "/f/Bidi", "/f/Closed",
                          "/f/None", "/h/Payment", "/h/Payment", "/h/Basket", "/h/Batch",
                          "/h/Stream", "/h/Stream", "/h/Stream"));
    if (!one_in(20)) at = add_field(block, at, ":authority", "localhost");
    at = add_field(block, at, "te", "trailers");
    at = add_field(block, at, "content-type",
                   one_in(30) ? "text/html" : ONE_OF("application/grpc", "application/grpc+proto"));
    if (one_in(3))
        at = add_field(block, at, "grpc-timeout",
                       ONE_OF("1S", "10m", "1m", "0n", "99999999H", "1", "x", "123456789S", ""));
    if (one_in(30)) at = add_field(block, at, "grpc-encoding", ONE_OF("gzip", "identity", ""));
    if (one_in(5)) at = add_field(block, at, "raw-bin", ONE_OF("AAA", "AA==,BB", "", "A", "!!", ","));
    for (uint64_t i = one_in(30) ? chance(100) : chance(3); i > 0; i--)
        at = add_field(block, at, "more", "0123456789012345678901234567890123456789");
    if (wild && one_in(15)) block[chance(at)] = (uint8_t)chance(256);
    return at;
}

static void put_headers(struct peer *peer, uint32_t stream, uint8_t flags) {
    uint8_t block[8192];
    size_t size = make_headers(block, peer->wild);
    size_t first = one_in(10) ? chance(size) : size;
    put_frame(peer, 1, (uint8_t)(flags | (first == size ? 4 : 0)), stream, block, first);
    while (first < size) {
        size_t piece = 1 + chance(size - first);
        put_frame(peer, 9, first + piece == size ? 4 : 0, stream, block + first, piece);
        first += piece;
    }
}

static void put_body(struct peer *peer, uint32_t stream) {
    static uint8_t bytes[20000];
    size_t size = 0;
    for (uint64_t count = one_in(3) ? chance(20) : 1; count > 0; count--) {
        size_t one = one_in(10) ? chance(3000) : chance(50);
        size_t said = one_in(40) ? chance(200000) : one;
        if (size + 5 + one > sizeof(bytes)) break;
        uint8_t head[5] = {one_in(60) ? (uint8_t)chance(4) : 0, (uint8_t)(said >> 24),
                           (uint8_t)(said >> 16), (uint8_t)(said >> 8), (uint8_t)said};
        memcpy(bytes + size, head, 5);
        if (one > 0) bytes[size + 5] = (uint8_t)chance(256); /* by which the queue counts */
        size += 5 + one;
    }
    if (one_in(10) && size > 0) size = chance(size);
    for (size_t at = 0; at < size;) {
        size_t piece = one_in(2) ? size - at : 1 + chance(size - at);
        if (piece > 16384) piece = 16384;
        bool last = at + piece == size && !one_in(5);
        put_frame(peer, 0, last ? 1 : 0, stream, bytes + at, piece);
        at += piece;
    }
}

static uint32_t some_stream(struct peer *peer) {
    if (peer->wild && one_in(20)) return (uint32_t)chance(1u << 31);
    if (peer->wild && one_in(10)) return (uint32_t)chance(peer->next + STREAMS);
    return peer->next < 3 ? 1 : 2 * (uint32_t)chance(peer->next / 2) + 1;
}

static void put_chance(struct peer *peer) {
    uint8_t bytes[300];
    size_t size = chance(one_in(5) ? sizeof(bytes) : 12);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)chance(256);
    put_frame(peer, (uint8_t)chance(one_in(10) ? 256 : 11), (uint8_t)chance(one_in(3) ? 256 : 2),
              one_in(3) ? 0 : some_stream(peer), bytes, size);
}

static void put_control(struct peer *peer) {
    uint8_t bytes[12] = {0};
    uint32_t number = peer->wild && one_in(10) ? (uint32_t)chance(UINT32_MAX)
                                               : 1 + (uint32_t)chance(40000);
    static const uint8_t harmless[] = {1, 3, 4, 6}; /* settings */
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(number >> (24 - 8 * i));
    switch (chance(5)) {
    case 0: put_frame(peer, 8, 0, one_in(2) ? 0 : some_stream(peer), bytes, 4); break;
    case 1: put_frame(peer, 3, 0, some_stream(peer), bytes, 4); break;
    case 2: put_frame(peer, 6, (uint8_t)chance(2), 0, bytes, 8); break;
    case 3:
        bytes[5] = bytes[3], bytes[4] = bytes[2], bytes[3] = bytes[2] = 0;
        bytes[0] = 0, bytes[1] = peer->wild ? (uint8_t)chance(8) : harmless[chance(4)];
        put_frame(peer, 4, 0, 0, bytes, 6);
        break;
    case 4: put_frame(peer, 7, 0, 0, bytes, 8); break;
    }
}

/* One step of a connection: some frames. */
static size_t put_step(struct peer *peer) {
    if (one_in(4) && peer->next > 1) put_control(peer);
    if (peer->wild && one_in(12)) put_chance(peer);
    if (peer->wild && one_in(6)) put_body(peer, some_stream(peer));
    uint32_t stream = peer->next;
    peer->next += 2;
    bool ends = one_in(20);
    put_headers(peer, stream, ends ? 1 : 0);
    if (!ends || peer->wild) put_body(peer, stream);
    if (one_in(8)) put_frame(peer, 3, 0, stream, "\0\0\0\x08", 4);
    return 3;
}

/* --- one connection -------------------------------------------------------------------------- */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int dial(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = END_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) return fd;
    close(fd);
    return -1;
}

/* What the socket has goes into TLS, and its answers out; false: the connection has ended. */
static bool pump(struct peer *peer, bool damage, int wait_ms) {
    uint8_t bytes[16384];
    BIO *in = SSL_get_rbio(peer->ssl), *out = SSL_get_wbio(peer->ssl);
    int64_t until = now_ms() + STUCK_MS;
    int size;
    while ((size = BIO_read(out, bytes, sizeof(bytes))) > 0) {
        if (damage && one_in(20)) bytes[chance((uint64_t)size)] ^= (uint8_t)(1 + chance(255));
        for (ssize_t at = 0; at < size;) {
            ssize_t sent = send(peer->fd, bytes + at, (size_t)(size - at),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0) {
                at += sent;
            } else if (errno == EAGAIN && now_ms() < until) {
                struct pollfd wait = {.fd = peer->fd, .events = POLLOUT};
                poll(&wait, 1, 10);
            } else {
                return false;
            }
        }
    }
    struct pollfd wait = {.fd = peer->fd, .events = POLLIN};
    if (poll(&wait, 1, wait_ms) <= 0) return true;
    ssize_t got = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    BIO_write(in, bytes, (int)got);
    return true;
}

static bool shake_hands(struct peer *peer, bool damage) {
    int64_t until = now_ms() + 5000;
    while (now_ms() < until) {
        int rc = SSL_do_handshake(peer->ssl);
        int error = SSL_get_error(peer->ssl, rc);
        if (!pump(peer, damage, rc == 1 ? 0 : 20)) return false;
        if (rc == 1) return true;
        if (error != SSL_ERROR_WANT_READ) return false;
    }
    return false;
}

static size_t run_connection(SSL_CTX *context, int port, size_t frames_most) {
    static struct peer peer;
    peer.fd = dial(port);
    peer.size = 0;
    peer.next = 1;
    peer.wild = one_in(3);
    if (peer.fd < 0) return 0;
    bool damage = one_in(4), reads = !one_in(6);
    peer.ssl = SSL_new(context);
    SSL_set_bio(peer.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(peer.ssl);
    size_t frames = 0;
    bool open = shake_hands(&peer, damage && one_in(3));
    put(&peer, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", peer.wild && one_in(10) ? chance(25) : 24);
    put_frame(&peer, 4, 0, 0, "\0\x04\0\xff\xff\xff", one_in(2) ? 6 : 0);
    if (one_in(2)) put_frame(&peer, 4, 1, 0, NULL, 0); /* its own settings are then in force */
    while (open && frames < frames_most) {
        frames += put_step(&peer);
        /* Now and then it waits for what the server says, as what comes behind a last word
           is not looked at. */
        open = SSL_write(peer.ssl, peer.out, (int)peer.size) > 0 &&
               pump(&peer, damage, one_in(6) ? ANSWER_MS : 0);
        peer.size = 0;
        uint8_t bytes[4096];
        while (open && reads && SSL_read(peer.ssl, bytes, sizeof(bytes)) > 0) {}
        if (SSL_get_shutdown(peer.ssl) & SSL_RECEIVED_SHUTDOWN) break;
        if (one_in(300)) SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
        if (one_in(300)) break;
    }
    /* An end that leaves the server time to read all of it, or not. */
    if (open && !one_in(4)) {
        shutdown(peer.fd, SHUT_WR);
        int64_t until = now_ms() + END_MS;
        uint8_t bytes[4096];
        while (now_ms() < until && recv(peer.fd, bytes, sizeof(bytes), 0) > 0) {}
    }
    SSL_free(peer.ssl);
    close(peer.fd);
    return frames;
}

/* Nothing but new keys: the server has to end it. */
static bool ends_at_keys(SSL_CTX *context, int port) {
    static struct peer peer;
    peer = (struct peer){.fd = dial(port), .next = 1};
    peer.ssl = SSL_new(context);
    SSL_set_bio(peer.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(peer.ssl);
    bool open = peer.fd >= 0 && shake_hands(&peer, false);
    put(&peer, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put_frame(&peer, 4, 0, 0, NULL, 0);
    open = open && SSL_write(peer.ssl, peer.out, (int)peer.size) > 0;
    for (int64_t until = now_ms() + PATIENCE_MS; open && now_ms() < until;) {
        for (int i = 0; i < 100; i++) {
            SSL_key_update(peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
            SSL_do_handshake(peer.ssl);
        }
        open = pump(&peer, false, 0);
        uint8_t bytes[4096];
        while (open && SSL_read(peer.ssl, bytes, sizeof(bytes)) > 0) {}
    }
    SSL_free(peer.ssl);
    close(peer.fd);
    return !open;
}

static void *race_main(void *argument) {
    struct front *front = argument;
    for (int i = 0; i < RACE_COMMANDS; i++)
        front_idle_command(front, front_new_command(front));
    return NULL;
}

/* Nothing of this fails by itself: who watches has to see it. */
static int race(struct front *front) {
    pthread_t other;
    pthread_create(&other, NULL, race_main, front);
    race_main(front);
    pthread_join(other, NULL);
    return 0;
}

/* What hot calls are told, and their queue; NULL: no memory. */
static struct hot_payments *set_hot(struct front *front) {
    int methods[HOT_METHODS];
    for (int i = 0; i < HOT_METHODS; i++) methods[i] = FIRST_HOT + i;
    struct hot_payments *hot = hot_new(front, methods, &RESULTS);
    for (int i = 0; hot != NULL && i < HOT_METHODS * HOT_STATUSES_END; i++) {
        static const char text[] = "{} wait", details[] = "details", done[] = "may be done";
        size_t place = i % 3 == 0 ? 0 : 2; /* with a place for a number, or without */
        if (!hot_set_status(hot, i / HOT_STATUSES_END, i % HOT_STATUSES_END, 1 + i % 16,
                            text + place, sizeof(text) - 1 - place, details,
                            sizeof(details) - 1, done, sizeof(done) - 1))
            return NULL;
    }
    return hot != NULL && queue_start() && hot_open(hot, &CHANCE_QUEUE) == 0 ? hot : NULL;
}

/* Connections until so many frames are sent; how many connections, 0: nothing is taken. */
static size_t run_connections(SSL_CTX *context, int port, size_t wanted, size_t *frames) {
    size_t connections = 0, told = TOLD_FRAMES;
    int64_t last_ms = now_ms();
    while (*frames < wanted) {
        size_t sent = run_connection(context, port, 1 + chance(FRAMES_CONNECTION));
        *frames += sent;
        connections++;
        if (sent > 0) last_ms = now_ms();
        if (now_ms() - last_ms > PATIENCE_MS) return 0;
        for (; *frames >= told; told += TOLD_FRAMES) fprintf(stderr, "%zu frames\n", *frames);
    }
    return connections;
}

int main(int count, char **arguments) {
    bool races = count > 1 && strcmp(arguments[1], "race") == 0;
    size_t wanted = count > 1 ? strtoull(arguments[1], NULL, 10) : FRAMES_USUAL;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    signal(SIGPIPE, SIG_IGN);
    random_state = seed * 2 + 1;
    for (int i = 0; i < 20; i++) chance(2);
    struct identity identity;
    identity_make(&identity);
    struct front *front = front_new(&BOUNDS, METHODS, METHODS_COUNT);
    char text[200];
    if (front == NULL ||
        front_set_credentials(front, identity.certificate_pem, (size_t)identity.certificate_size,
                              identity.key_pem, (size_t)identity.key_size,
                              identity.certificate_pem, (size_t)identity.certificate_size, "", 0,
                              text, sizeof(text)) != 0) {
        fprintf(stderr, "no front: %s\n", front == NULL ? "memory" : text);
        return 2;
    }
    if (races) return race(front);
    front_set_details(front, FRONT_REASON_OVER_BUDGET, true, body, 50);
    struct hot_payments *hot = set_hot(front);
    int port = front_listen(front, "127.0.0.1", 0);
    if (hot == NULL || port < 0 || front_start(front) != 0) return 2;
    pthread_t caller;
    pthread_create(&caller, NULL, caller_main, front);

    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_use_certificate(context, identity.certificate);
    SSL_CTX_use_PrivateKey(context, identity.key);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x02h2", 3);
    if (!ends_at_keys(context, port)) {
        fprintf(stderr, "a flood of new keys does not end\n");
        return 1;
    }
    size_t frames = 0, connections = run_connections(context, port, wanted, &frames);
    if (connections == 0 && wanted > 0) {
        fprintf(stderr, "nothing is taken any more, after %zu frames\n", frames);
        return 1;
    }
    atomic_store(&over, true);
    pthread_join(caller, NULL);
    front_give_command(front, command(front, FRONT_STOP_STREAMS, 0));
    struct command *stop = command(front, FRONT_STOP, 0);
    stop->number = 200;
    front_give_command(front, stop);
    front_join(front);
    while (take(front) > 0) {}
    take(front);
    queue_stop();
    hot_take(hot);
    pthread_join(chance_queue.thread, NULL);
    hot_close(hot);
    struct front_counters counters;
    front_count(front, &counters);
    printf("%zu frames on %zu connections: %ld calls, %ld given, %ld refused, %ld reset, "
           "%ld shed, %ld floods; %ld handshakes failed; %lu requests in the queue\n",
           frames, connections, (long)counters.calls_begun, (long)counters.calls_given,
           (long)counters.calls_refused, (long)counters.calls_reset, (long)counters.calls_shed,
           (long)counters.connections_flooded, (long)counters.handshakes_failed,
           (unsigned long)chance_queue.done);
    bool clean = counters.calls_open == 0 && counters.bytes_held == 0 &&
                 counters.connections_open == 0 && counters.handshakes_open == 0;
    if (!clean)
        fprintf(stderr, "left: %ld calls, %ld bytes, %ld connections, %ld handshakes\n",
                (long)counters.calls_open, (long)counters.bytes_held,
                (long)counters.connections_open, (long)counters.handshakes_open);
    front_free(front);
    SSL_CTX_free(context);
    identity_free(&identity);
    return clean ? 0 : 1;
}
