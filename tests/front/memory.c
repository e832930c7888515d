/* Memory that is not there, once, at each place where the hot calls ask for some.

       memory [STRIDE [FIRST]]

   Payments, a basket, batches and streams, and calls that the caller answers, come over
   three connections of three owners, all at once; a queue does what each of them says.
   Walk by walk the first, second, third ... allocation fails, of the front's own code and
   of the nghttp2 that it drives: while a front is made, from the beginning of one of the
   connections on, and while that one ends. STRIDE leaves some of a connection's out.

   What is not hurt must be answered as ever. One failure hurts one connection at most, or
   one call; whoever is told that nothing was done was not submitted, and what is told was;
   who has got a call or a connection hears of its end. At the end nothing may be open,
   held or leaked: it is built with sanitizers, asserts on. */

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../server/front/hot.h"
#include "certificates.h"
#include "client.h"

enum {
    OWNERS = 3,
    OTHER = HOT_METHODS, /* a method whose calls go to the caller, who sends back what comes */
    METHODS,
    PATIENCE_MS = 60000, /* only a failure takes so long */
    OTHERS_MAX = 16,     /* calls that the caller has at a time */
    STATUS_TEXT = 199,   /* bytes of the text of a status */
    WALKS_LEAST = 50,    /* that failed, or nothing was shown */
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- memory ---------------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);

static atomic_long left = -1; /* allocations until one fails; below zero: none does */
static _Thread_local bool exempt;

static bool refused(void) {
    if (exempt || atomic_load(&left) < 0) return false;
    return atomic_fetch_sub(&left, 1) == 1;
}

void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) {
    return refused() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    return refused() ? NULL : __real_realloc(old, size);
}

/* nghttp2 is no code of this program: it is given the same. */
static void *lend(size_t size, void *user) { return (void)user, __wrap_malloc(size); }
static void *lend_clean(size_t count, size_t size, void *user) {
    return (void)user, __wrap_calloc(count, size);
}
static void *lend_more(void *old, size_t size, void *user) {
    return (void)user, __wrap_realloc(old, size);
}
static void give_back(void *old, void *user) { (void)user, free(old); }
static nghttp2_mem lender = {NULL, lend, give_back, lend_clean, lend_more};

int __wrap_nghttp2_session_server_new2(nghttp2_session **session,
                                       const nghttp2_session_callbacks *callbacks, void *user,
                                       const nghttp2_option *option) {
    return nghttp2_session_server_new3(session, callbacks, user, option, &lender);
}

/* --- what is asked, and what must come of it ------------------------------------------- */

static const char *const PATHS[] = {"/h/Payment", "/h/Basket", "/h/Batch", "/h/Stream", "/h/Other"};

static const struct plan PLANS[OWNERS][CALLS_MAX] = {
    {{"/h/Payment", {"1o"}, ANSWERED, false, false},
     {"/h/Basket", {"0o"}, ANSWERED, false, false},
     {"/h/Batch", {"7o"}, ANSWERED, false, true},
     {"/h/Payment", {"1s"}, NOT_DONE, false, false},
     {"/h/Payment", {"1d"}, UNKNOWN, false, false},
     {"/h/Payment", {"1F"}, NOT_DONE, false, false},
     {"/h/Stream", {"1o", "2o", "3o"}, ANSWERED, false, false},
     {"/h/Stream", {"1o", "2f", "3o", "1o"}, ANSWERED, true, false},
     {"/h/Stream", {"1o", "2s"}, HALF, true, false},
     {"/h/Other", {"1o", "2o"}, ANSWERED, true, false},
     {"/h/Other", {"1o"}, LEFT, false, false}},
    {{"/h/Payment", {"1o"}, ANSWERED, false, false},
     {"/h/Batch", {"5o"}, ANSWERED, false, false},
     {"/h/Stream", {"1o", "2o"}, ANSWERED, true, false},
     {"/h/Other", {"1o"}, ANSWERED, false, false}},
    /* More than its bucket holds: what is beyond that waits for it. */
    {{"/h/Stream", {"2o", "1o", "1o"}, ANSWERED, false, false}},
};

static void wrong(const struct trial *trial, const char *why, long failed) {
    fprintf(stderr,
            "allocation %ld failed, call %d: %s (status %d %c, error %u, %d replies)\n"
            "  told %zu bytes, done: %.60s\n",
            failed, trial->number, why, trial->status, trial->said ? trial->said : '-',
            trial->error, trial->replies, trial->in_size, queue.done[trial->number]);
    exit(1);
}

/* Whether it came to something else than it would have, which must be no lie. */
static bool judge(const struct trial *trial, long failed) {
    const char *done = queue.done[trial->number];
    char told[TEXT_MAX + 1];
    size_t size = 0, at = 0;
    while (at + 5 <= trial->in_size) {
        const uint8_t *head = trial->in + at;
        size_t one = (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        if (at + 5 + one > trial->in_size) break; /* cut off with its connection */
        memcpy(told + size, head + 5, one);
        size += one;
        at += 5 + one;
    }
    told[size] = 0;
    size_t done_size = strlen(done);
    if (memcmp(trial->sent, done, done_size) != 0) wrong(trial, "done out of order", failed);
    if (size > done_size || memcmp(done, told, size) != 0)
        wrong(trial, "told what is not done", failed);
    if (trial->status == 0 && size != trial->sent_size) wrong(trial, "ended well, untold", failed);
    if (trial->status > 0 && trial->said == 0) wrong(trial, "a status without details", failed);
    if (trial->said == 'N' && done_size > size) wrong(trial, "said not to be done", failed);
    if (trial->error == NGHTTP2_REFUSED_STREAM && done_size > 0)
        wrong(trial, "refused, and done", failed);
    switch (trial->plan->expected) {
    case ANSWERED: return trial->status != 0;
    case NOT_DONE: return trial->said != 'N' || size > 0;
    case HALF: return trial->said != 'N' || size == 0;
    case UNKNOWN: return trial->said != 'U';
    case LEFT: return trial->status >= 0 || size != trial->sent_size;
    }
    return true;
}

/* --- walks ----------------------------------------------------------------------------- */

static const struct front_bounds BOUNDS = {
    .connections_max = 16, .handshakes_max = 8, .sockets_waiting_max = 16,
    .handshake_ms = PATIENCE_MS,
    .calls_connection_max = 100, .metadata_bytes_max = 4096, .message_bytes_max = 100000,
    .body_ms = PATIENCE_MS, .idle_ms = 10 * PATIENCE_MS, .keepalive_ms = 10 * PATIENCE_MS,
    .keepalive_timeout_ms = PATIENCE_MS, .ping_min_ms = 1, .connection_bytes_max = 4000000,
    .window_bytes = 20000, .output_bytes_max = 1000000, .process_bytes_max = 50000000,
    .handshakes_address_max = 8, .handshakes_address_per_s = 100000,
    .control_frames_max = 1000, .resets_max = 1000};

static const struct front_budgets WIDE = {
    .payments_per_s = 1000000, .payments_at_once = 1000000, .reads_per_s = 1000000,
    .reads_at_once = 1000000,
    .fetches_per_s = 1, .fetches_at_once = 1, .owner_connections_max = 8, .owner_calls_max = 100,
    .owner_bytes_max = 10000000};

static const struct hot_results RESULTS = {.damaged = DAMAGED, .biller_busy = DAMAGED + 1,
                                           .refusals = DAMAGED + 2, .rows_max = 8190,
                                           .room_wait_ms = PATIENCE_MS};

static struct front *front;
static struct hot_payments *hot;
static struct client clients[OWNERS];
static long connects, disconnects;
static uint64_t others[OTHERS_MAX]; /* calls that the caller has; 0: none */
static struct event *taken_first, *taken_last;
enum { UNHURT, TOLD, LOST, OUTCOMES };
static long outcomes[OUTCOMES]; /* of walks: nobody, one call, one connection was hurt */

/* A front with hot calls, or NULL: nothing of it is left. */
static bool make_front(void) {
    static const int methods[HOT_METHODS] = {0, 1, 2, 3};
    struct front_method of[METHODS];
    for (int i = 0; i < METHODS; i++)
        of[i] = (struct front_method){PATHS[i], i < HOT_STREAM ? FRONT_UNARY : FRONT_BIDI,
                                      i == OTHER ? FRONT_RATE_NONE : FRONT_PAYMENTS,
                                      i != OTHER, 0, FRONT_OPEN_NONE};
    front = front_new(&BOUNDS, of, METHODS);
    if (front == NULL) return false;
    hot = hot_new(front, methods, &RESULTS);
    bool good = hot != NULL;
    for (int i = 0; good && i < HOT_METHODS; i++)
        for (int status = 0; good && status < HOT_STATUSES_END; status++) {
            bool unknown = status == HOT_STATUS_DAMAGED || status == HOT_STATUS_MEMORY ||
                           status == HOT_STATUS_UNKNOWN;
            /* Long enough that fields grow; and with what the front puts before them details
               end where base64 ends a letter. */
            char text[STATUS_TEXT];
            memset(text, 'x', sizeof(text));
            if (status == HOT_STATUS_FULL) memcpy(text, "{}", 2);
            good = hot_set_status(hot, i, status, 8, text, sizeof(text),
                                  unknown ? "UUU" : "NNN", 3, "UUU", 3);
        }
    if (good) return true;
    front_free(front);
    if (hot != NULL) hot_close(hot);
    return false;
}

/* The first, second, ... allocation of a front that is made; how many there are. */
static long walk_start(void) {
    for (long n = 1;; n++) {
        atomic_store(&left, n);
        bool made = make_front();
        bool failed = atomic_load(&left) <= 0;
        atomic_store(&left, -1);
        if (made == failed) fail("a front without some of its memory");
        if (made) return n - 1;
    }
}

static int owner_at(int64_t port) {
    for (int i = 0; i < OWNERS; i++) {
        struct sockaddr_in mine;
        socklen_t size = sizeof(mine);
        bool known = getsockname(clients[i].fd, (struct sockaddr *)&mine, &size) == 0;
        if (known && ntohs(mine.sin_port) == port) return i;
    }
    return -1;
}

static struct command *command(int kind, uint64_t target) {
    struct command *one = front_new_command(front);
    one->kind = (uint8_t)kind;
    one->target = target;
    return one;
}

static void admit(const struct event *event) {
    struct command *one = command(FRONT_ADMIT, event->connection);
    int owner = owner_at(event->number);
    one->owner = (uint64_t)owner + 1;
    one->budgets = WIDE;
    if (owner == OWNERS - 1) {
        one->budgets.payments_per_s = 500;
        one->budgets.payments_at_once = 1;
    }
    one->fields = block_copy("\1\1\1\1\1", METHODS);
    front_give_command(front, one);
}

/* Which calls the caller has. */
static void others_note(uint64_t call, bool open) {
    for (int i = 0; i < OTHERS_MAX; i++)
        if (others[i] == (open ? 0 : call)) {
            others[i] = open ? call : 0;
            return;
        }
    if (open) fail("calls do not end");
}

static void send_back(const struct event *event) {
    struct command *one = command(FRONT_SEND, event->call);
    strncat(queue.done[call_of(event->body->data)], (const char *)event->body->data,
            event->body->size);
    one->keeper = block_copy(event->body->data, event->body->size);
    one->message.data = ((struct block *)one->keeper)->data;
    one->message.size = event->body->size;
    front_give_command(front, one);
    front_give_command(front, command(FRONT_WANT, event->call));
}

static void take_event(const struct event *event) {
    switch (event->kind) {
    case FRONT_CONNECT:
        connects++;
        admit(event);
        break;
    case FRONT_DISCONNECT:
        disconnects++;
        break;
    case FRONT_CALL:
        others_note(event->call, true);
        front_give_command(front, command(FRONT_WANT, event->call));
        break;
    case FRONT_MESSAGE:
        send_back(event);
        break;
    case FRONT_HALF_CLOSED:
        front_give_command(front, command(FRONT_FINISH, event->call));
        others_note(event->call, false);
        break;
    case FRONT_ENDED:
        others_note(event->call, false);
        break;
    }
}

/* Events are given back at the end of all, so that none is there to be used again. */
static void take_events(void) {
    struct event *one = front_take_events(front);
    if (one != NULL && taken_first == NULL)
        taken_first = one;
    else if (one != NULL)
        taken_last->next = one;
    for (; one != NULL; one = one->next) {
        take_event(one);
        taken_last = one;
    }
    for (struct command *used = front_take_used(front), *next; used != NULL; used = next) {
        next = used->next;
        block_free(used->keeper);
        front_idle_command(front, used);
    }
}

static void turn(void) {
    struct pollfd wait[OWNERS + 1] = {{.fd = front_fileno(front), .events = POLLIN}};
    for (int i = 0; i < OWNERS; i++)
        wait[i + 1] = (struct pollfd){.fd = clients[i].over ? -1 : clients[i].fd, .events = POLLIN};
    poll(wait, OWNERS + 1, 1);
    take_events();
    for (int i = 0; i < OWNERS; i++)
        if (clients[i].session != NULL) client_pump(&clients[i]);
}

static bool all_are_done(void) {
    bool done = true;
    for (int i = 0; i < OWNERS; i++) done = done && client_is_done(&clients[i]);
    return done;
}

/* Nothing is open but the connections that were not hurt. */
static bool is_quiet(void) {
    struct front_counters counters;
    int64_t connections = 0;
    for (int i = 0; i < OWNERS; i++) connections += clients[i].session != NULL && !clients[i].over;
    front_count(front, &counters);
    pthread_mutex_lock(&queue.lock);
    bool empty = queue.waiting_count == 0;
    pthread_mutex_unlock(&queue.lock);
    for (int i = 0; i < OTHERS_MAX; i++) empty = empty && others[i] == 0;
    return empty && counters.calls_open == 0 && counters.handshakes_open == 0 &&
           counters.connections_open == connections;
}

static void wait_for(bool (*condition)(void), const char *what, long failed) {
    int64_t until = now_ms() + PATIENCE_MS;
    while (!condition()) {
        turn();
        if (now_ms() < until) continue;
        fprintf(stderr, "allocation %ld failed: %s\n", failed, what);
        for (int i = 0; i < OWNERS; i++)
            for (int j = 0; j < clients[i].calls; j++)
                if (!clients[i].trials[j].ended)
                    wrong(&clients[i].trials[j], "has no end", failed);
        exit(1);
    }
}

enum part { CALLS, END };

/* All calls at once, with one allocation that fails: from the first connection's beginning
   on, or from its end on. False: there are not so many. */
static bool walk(SSL_CTX *context, int port, enum part part, long n) {
    memset(queue.refused_once, 0, sizeof(queue.refused_once));
    for (int i = 0; i < NUMBERS_MAX; i++) queue.done[i][0] = 0;
    for (int i = 1; i < OWNERS; i++)
        if (clients[i].session == NULL) client_open(&clients[i], context, port);
    for (int i = 1; i < OWNERS; i++) client_ask(&clients[i], PLANS[i], i * CALLS_MAX);
    if (part == CALLS) atomic_store(&left, n);
    client_open(&clients[0], context, port);
    client_ask(&clients[0], PLANS[0], 0);
    wait_for(all_are_done, "a call has no end", n);
    if (part == END) atomic_store(&left, n);
    int lost = 0, hurt = 0;
    for (int i = 0; i < OWNERS; i++) {
        int calls = 0;
        for (int j = 0; j < clients[i].calls; j++) calls += judge(&clients[i].trials[j], n);
        lost += clients[i].over;
        hurt += clients[i].over ? 0 : calls;
        if (i == 0 || clients[i].over) client_close(&clients[i]);
    }
    /* The end of the first one, and of the call that it has left, belong to the walk. */
    wait_for(is_quiet, "something stays open", n);
    for (int i = 1; i < OWNERS; i++) {
        if (!clients[i].over) continue;
        lost++;
        client_close(&clients[i]);
    }
    bool failed = atomic_load(&left) <= 0;
    atomic_store(&left, -1);
    outcomes[lost > 0 ? LOST : hurt > 0 ? TOLD : UNHURT] += failed;
    if (lost + hurt > failed) {
        fprintf(stderr, "allocation %ld failed: %d connections and %d other calls are hurt\n", n,
                lost, hurt);
        exit(1);
    }
    return failed;
}

int main(int count, char **arguments) {
    long stride = count > 1 ? atol(arguments[1]) : 1, first = count > 2 ? atol(arguments[2]) : 1;
    signal(SIGPIPE, SIG_IGN);
    long start = walk_start();
    exempt = true;
    struct identity identity;
    identity_make(&identity);
    queue.fd = eventfd(0, EFD_NONBLOCK);
    char text[200];
    if (front_set_credentials(front, identity.certificate_pem, (size_t)identity.certificate_size,
                              identity.key_pem, (size_t)identity.key_size,
                              identity.certificate_pem, (size_t)identity.certificate_size, "", 0,
                              text, sizeof(text)) != 0)
        fail(text);
    int port = front_listen(front, "127.0.0.1", 0);
    if (port < 0 || hot_open(hot, &API) != 0 || front_start(front) != 0) fail("no front");
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_use_certificate(context, identity.certificate);
    SSL_CTX_use_PrivateKey(context, identity.key);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x02h2", 3);
    for (int i = 0; i < OWNERS; i++) clients[i].fd = -1;
    long walks[2] = {0};
    for (long n = first; walk(context, port, CALLS, n); n += stride) walks[CALLS]++;
    for (long n = 1; walk(context, port, END, n); n++) walks[END]++;
    for (int i = 1; i < OWNERS; i++)
        if (clients[i].session != NULL) client_close(&clients[i]);
    wait_for(is_quiet, "something stays open", 0);
    front_give_command(front, command(FRONT_STOP, 0));
    front_join(front);
    take_events();
    if (taken_first != NULL) front_give_events(front, taken_first, taken_last);
    struct front_counters counters;
    front_count(front, &counters);
    printf("%ld allocations of a start, %ld of calls and %ld of an end failed, one at a time: %ld "
           "connections were lost, %ld calls, and %ld cost nobody anything\n",
           start, walks[CALLS], walks[END], outcomes[LOST], outcomes[TOLD], outcomes[UNHURT]);
    if (counters.bytes_held != 0) fail("bytes are held");
    if (connects != disconnects) fail("connections came of which nobody heard that they went");
    hot_close(hot);
    front_free(front);
    SSL_CTX_free(context);
    identity_free(&identity);
    close(queue.fd);
    return walks[CALLS] >= WALKS_LEAST / stride ? 0 : 1;
}
