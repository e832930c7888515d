/* Who is served: a front's methods, bounds and budgets, and a caller that answers as it
   pleases, by `random_state`. For programs that send what no client sends. */

#ifndef TESTS_FRONT_CALLER_H
#define TESTS_FRONT_CALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../server/front/hot.h"
#include "queue.h"

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

/* Takes what there is, has `hear` answer it, and gives it back; how many events. */
static size_t take(struct front *front,
                   void (*hear)(struct front *front, const struct event *event)) {
    struct event *first = front_take_events(front), *last = NULL;
    size_t count = 0;
    for (struct event *one = first; one != NULL; one = one->next, count++) {
        hear(front, one);
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

/* --- hot calls --- */

/* What hot calls are told, and their queue, which was started; NULL: no memory. */
static inline struct hot_payments *set_hot(struct front *front) {
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
    return hot != NULL && hot_open(hot, &CHANCE_QUEUE) == 0 ? hot : NULL;
}

#endif
