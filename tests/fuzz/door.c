/* See door.h. */

#include "door.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../front/caller.h"
#include "../front/certificates.h"
#include "allocated.h"
#include "target.h"

enum {
    BEGIN_MS = 4096 * 1000, /* so many rounds of the wheel: each input begins at the same slot */
    TURNS_MAX = 100000,     /* of one input: more, and it goes round and round */
    LEAP_MS = 500,
    LEAPS_MAX = 200, /* beyond any timer of caller.h */
    QUIET_MS = 10000, /* until all buckets are full again */
};

struct front *door_front;
int64_t door_beside;
struct identity door_identity;
static struct hot_payments *hot;
static door_caller *caller_of;
static struct connection *connection;
static uint64_t handle;
static int64_t clock_now_ns = (int64_t)BEGIN_MS * 1000000, most = INT64_MIN;
static size_t turns;

/* --- what stands in for the machine ------------------------------------------------------ */

int64_t __wrap_clock_ns(void);
int __wrap_shutdown(int fd, int how);

int64_t __wrap_clock_ns(void) { return clock_now_ns; }
int __wrap_shutdown(int fd, int how) { return (void)fd, (void)how, 0; }

void door_pass(int64_t ms) { clock_now_ns += ms * 1000000; }

/* --- turns --------------------------------------------------------------------------------- */

static void look_at_memory(void) {
    int64_t counted = door_front->counters.bytes_held;
    /* What shakes hands is bounded by its number (handshakes_max), and counted to nobody. */
    if (door_front->counters.connections_open == 0) return;
    int64_t beyond = allocated_bytes() - DOOR_TIMES * counted;
    if (beyond > most) most = beyond;
    target_check(beyond <= door_beside, "%ld bytes are allocated, and %ld counted",
                 (long)allocated_bytes(), (long)counted);
    target_check(counted >= 0, "%ld bytes are counted", (long)counted);
}

static bool is_there(void) {
    return connection != NULL && connection_find(door_front, handle) == connection;
}

static void turn_once(uint32_t events) {
    struct epoll_event told[3];
    int count = 0;
    if (door_front->mailbox.wake_given)
        told[count++] =
            (struct epoll_event){.events = EPOLLIN, .data.ptr = &door_front->wake_source};
    if (events != 0 && is_there())
        told[count++] = (struct epoll_event){.events = events, .data.ptr = connection};
    if (hot != NULL && chance_queue.groups_count > 0)
        told[count++] =
            (struct epoll_event){.events = EPOLLIN, .data.ptr = &door_front->hot_source};
    loop_turn(door_front, told, count);
    look_at_memory();
    take(door_front, caller_of);
    queue_commit();
    target_check(++turns < TURNS_MAX, "it goes round and round");
}

/* Whether something would wake the front at once. */
static bool has_work(void) {
    return door_front->turn_first != NULL || chance_queue.groups_count > 0 ||
           chance_queue.waiting_count > 0 || door_front->mailbox.commands != NULL ||
           door_front->mailbox.events != NULL;
}

bool door_turn(uint32_t events) {
    turn_once(events);
    while (has_work()) turn_once(0);
    return is_there();
}

/* --- connections --------------------------------------------------------------------------- */

struct front *door_new(void) {
    char text[200];
    struct front *front = front_new(&BOUNDS, METHODS, METHODS_COUNT);
    identity_make(&door_identity);
    if (front == NULL ||
        front_set_credentials(front, door_identity.certificate_pem,
                              (size_t)door_identity.certificate_size, door_identity.key_pem,
                              (size_t)door_identity.key_size, door_identity.certificate_pem,
                              (size_t)door_identity.certificate_size, "", 0, text,
                              sizeof(text)) != 0)
        target_fail("no front: %s", front == NULL ? "memory" : text);
    return front;
}

/* Calls are allocated by a thousand, for whoever comes: they are there from the beginning. */
static void make_calls(void) {
    struct owner owner = {0};
    struct connection nobody = {.front = door_front, .owner = &owner};
    calls_free(calls_new(&nobody, 1));
}

void door_init(door_caller *caller) {
    if (door_front != NULL) return;
    caller_of = caller == NULL ? answer : caller;
    door_front = door_new();
    front_set_details(door_front, FRONT_REASON_OVER_BUDGET, true, body, 50);
    hot = queue_init() ? set_hot(door_front) : NULL;
    target_check(hot != NULL, "no hot calls");
    make_calls();
    door_front->started = true; /* its thread is the one that asks */
}

struct connection *door_open(SSL *ssl, uint64_t seed) {
    clock_now_ns = (clock_now_ns / 1000000 / BEGIN_MS + 1) * BEGIN_MS * 1000000;
    random_state = seed * 2 + 1;
    chance_queue.random = 0x9E3779B97F4A7C15u;
    turns = 0;
    connection = NULL;
    struct handshake *handshake = calloc(1, sizeof(*handshake));
    handshake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    handshake->ssl = ssl;
    strcpy(handshake->address.text, "192.0.2.1");
    turn_once(0); /* the wheel comes to the new time */
    connection_adopt(door_front, handshake);
    connection = door_front->turn_first;
    if (connection != NULL) handle = connection_handle(connection);
    return door_turn(0) ? connection : NULL;
}

void door_end(void) {
    for (int leaps = 0; door_front->counters.connections_open > 0; leaps++) {
        target_check(leaps < LEAPS_MAX, "the connection does not end");
        door_pass(LEAP_MS);
        door_turn(0);
    }
    /* Until its owner is forgotten, whose buckets have to be full. */
    for (int leaps = 0; leaps < 2 || door_front->wheel.count > 0; leaps++) {
        target_check(leaps < LEAPS_MAX, "%zu timers are left", door_front->wheel.count);
        door_pass(QUIET_MS);
        door_turn(0);
    }
    const struct front_counters *counters = &door_front->counters;
    target_check(counters->bytes_held == 0, "%ld bytes are counted for nobody",
                 (long)counters->bytes_held);
    target_check(counters->calls_open == 0, "%ld calls are open for nobody",
                 (long)counters->calls_open);
}

void target_tell(void) {
    printf("%ld bytes beyond those counted at most; %ld calls, %ld given, %ld messages in, %ld out\n",
           (long)most, (long)door_front->counters.calls_begun,
           (long)door_front->counters.calls_given, (long)door_front->counters.messages_in,
           (long)door_front->counters.messages_out);
}
