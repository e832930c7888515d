/* A queue by the interface of the real one, for calls that the front answers itself.

   What is submitted is read byte by byte by a thread of its own, and answered in groups
   of chance, with whatever can come of a group or a payment. The bytes are somebody
   else's again once they are let go, and not before: a sanitizer sees who is mistaken. */

#ifndef TESTS_FRONT_QUEUE_H
#define TESTS_FRONT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/queue_api.h"

enum {
    QUEUE_CALLS_MAX = 8, /* that wait; more find no room */
    QUEUE_GROUP_MAX = 5,  /* calls of a group */
    QUEUE_GROUPS_MAX = 4, /* done and not taken; then nothing more is done */
    QUEUE_ROWS_MAX = 40,  /* of one message, by its first byte */
    QUEUE_RESULTS = 8,    /* of a payment; those below 4 are told by a status */
    QUEUE_PAUSE_US = 1000,  /* between groups */
    QUEUE_STUCK_US = 40000, /* now and then: longer than a stream waits for room */
};

static struct chance_queue {
    pthread_mutex_t lock;
    pthread_t thread;
    void (*let_go)(void *owner);
    struct queue_request waiting[QUEUE_CALLS_MAX];
    uint32_t waiting_count;
    struct queue_group {
        struct queue_part parts[QUEUE_GROUP_MAX];
        void *owners[QUEUE_GROUP_MAX];
        uint32_t parts_count, calls_count;
        int rc;
    } groups[QUEUE_GROUPS_MAX]; /* done, in order, from `first` on */
    uint32_t first, groups_count;
    uint64_t random, done, bytes_sum;
    int fd;
    bool stopping;
} chance_queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .random = 0x9E3779B97F4A7C15u};

static uint64_t queue_chance(uint64_t below) {
    uint64_t *state = &chance_queue.random;
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

static int queue_count(const uint8_t *body, size_t size, struct queue_counts *counts) {
    if (size == 0) return QUEUE_NONE;
    if (body[0] % 16 == 0) return QUEUE_FRAMING;
    if (body[0] % 16 == 1) return QUEUE_MANY;
    bool basket = body[0] % 16 < 6;
    counts->rows = body[0] % 2 == 0 ? 1 : 1 + body[0] % QUEUE_ROWS_MAX;
    counts->baskets = basket;
    counts->payments = basket ? 0 : counts->rows;
    return QUEUE_OK;
}

static int queue_open(void *queue, void (*let_go)(void *owner)) {
    (void)queue;
    chance_queue.let_go = let_go;
    return 1;
}

static int queue_fileno(void *queue, int taker) {
    (void)queue, (void)taker;
    return chance_queue.fd;
}

static int queue_submit(void *queue, int taker, const struct queue_request *request) {
    (void)queue, (void)taker;
    pthread_mutex_lock(&chance_queue.lock);
    int rc = chance_queue.stopping                              ? QUEUE_STOPPED
             : chance_queue.waiting_count == QUEUE_CALLS_MAX ? QUEUE_FULL
                                                                : QUEUE_OK;
    if (rc == QUEUE_OK) chance_queue.waiting[chance_queue.waiting_count++] = *request;
    pthread_mutex_unlock(&chance_queue.lock);
    return rc;
}

/* Calls of one tag are one part, as long as the answers of all of them. */
static void queue_join(struct queue_group *group, const struct queue_request *call) {
    uint32_t at = 0;
    while (at < group->parts_count && group->parts[at].tag != call->tag) at++;
    struct queue_part *part = &group->parts[at];
    if (at == group->parts_count) {
        group->parts_count++;
        *part = (struct queue_part){.tag = call->tag, .first = at, .last = at,
                                    .result = (uint8_t)queue_chance(QUEUE_RESULTS),
                                    .field = (uint8_t)queue_chance(2)};
    }
    part->rows += call->rows;
    part->refusals += queue_chance(20) == 0;
    part->holds += queue_chance(20) == 0;
    part->size += 10 * call->rows + queue_chance(20);
}

static void queue_commit(void) {
    static const int all[] = {QUEUE_SPACE, QUEUE_STOPPED, QUEUE_CLOCK, QUEUE_UNKNOWN,
                              QUEUE_NOT_LEADER};
    pthread_mutex_lock(&chance_queue.lock);
    if (chance_queue.waiting_count > 0 && chance_queue.groups_count < QUEUE_GROUPS_MAX) {
        uint32_t at = (chance_queue.first + chance_queue.groups_count) % QUEUE_GROUPS_MAX;
        struct queue_group *group = &chance_queue.groups[at];
        uint32_t count = 1 + (uint32_t)queue_chance(QUEUE_GROUP_MAX);
        if (count > chance_queue.waiting_count) count = chance_queue.waiting_count;
        *group = (struct queue_group){.calls_count = count};
        if (queue_chance(8) == 0) group->rc = all[queue_chance(5)];
        for (uint32_t i = 0; i < count; i++) {
            struct queue_request *call = &chance_queue.waiting[i];
            for (size_t byte = 0; byte < call->size; byte++)
                chance_queue.bytes_sum += call->body[byte];
            group->owners[i] = call->owner;
            queue_join(group, call);
        }
        chance_queue.waiting_count -= count;
        memmove(chance_queue.waiting, chance_queue.waiting + count,
                chance_queue.waiting_count * sizeof(*chance_queue.waiting));
        chance_queue.groups_count++;
        chance_queue.done += count;
        uint64_t one = 1;
        ssize_t written = write(chance_queue.fd, &one, sizeof(one));
        (void)written;
    }
    pthread_mutex_unlock(&chance_queue.lock);
}

static inline void *queue_main(void *unused) {
    (void)unused;
    for (bool over = false; !over;) {
        queue_commit();
        pthread_mutex_lock(&chance_queue.lock);
        over = chance_queue.stopping && chance_queue.waiting_count == 0;
        pthread_mutex_unlock(&chance_queue.lock);
        usleep(queue_chance(50) == 0 ? QUEUE_STUCK_US : QUEUE_PAUSE_US);
    }
    return NULL;
}

static void queue_clear(void *queue, int taker) {
    (void)queue, (void)taker;
    uint64_t count;
    ssize_t got = read(chance_queue.fd, &count, sizeof(count));
    (void)got;
}

static int queue_take(void *queue, int taker, struct queue_taken *taken) {
    (void)queue, (void)taker;
    pthread_mutex_lock(&chance_queue.lock);
    struct queue_group *group = &chance_queue.groups[chance_queue.first];
    bool any = chance_queue.groups_count > 0;
    pthread_mutex_unlock(&chance_queue.lock);
    if (any)
        *taken = (struct queue_taken){.group = group, .rc = group->rc,
                                      .ahead_ns = 1234567890123,
                                      .parts_count = group->parts_count, .parts = group->parts};
    return any;
}

static void queue_copy(const struct queue_taken *taken, const struct queue_part *part,
                       uint8_t *to) {
    (void)taken;
    memset(to, (int)part->rows, part->size);
}

static void queue_release(void *queue, int taker, struct queue_taken *taken) {
    (void)queue, (void)taker;
    struct queue_group *group = taken->group;
    for (uint32_t i = 0; i < group->calls_count; i++) chance_queue.let_go(group->owners[i]);
    memset(group, 0xA5, sizeof(*group));
    pthread_mutex_lock(&chance_queue.lock);
    chance_queue.first = (chance_queue.first + 1) % QUEUE_GROUPS_MAX;
    chance_queue.groups_count--;
    pthread_mutex_unlock(&chance_queue.lock);
}

static uint64_t queue_rows_waiting(void *queue) {
    (void)queue;
    pthread_mutex_lock(&chance_queue.lock);
    uint64_t count = chance_queue.waiting_count;
    pthread_mutex_unlock(&chance_queue.lock);
    return count;
}

static int queue_died(void *queue, char *text, size_t size) {
    (void)queue;
    if (size > 0) strncpy(text, "damaged", size - 1), text[size - 1] = 0;
    return -30000;
}

static const struct queue_api CHANCE_QUEUE = {
    .version = QUEUE_API_VERSION, .count = queue_count, .open = queue_open,
    .fileno = queue_fileno, .submit = queue_submit, .clear = queue_clear, .take = queue_take,
    .copy = queue_copy, .release = queue_release, .rows_waiting = queue_rows_waiting,
    .died = queue_died};

/* Without its thread: who uses it calls queue_commit. */
static bool queue_init(void) {
    chance_queue.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return chance_queue.fd >= 0;
}

static inline bool queue_start(void) {
    return queue_init() &&
           pthread_create(&chance_queue.thread, NULL, queue_main, NULL) == 0;
}

/* Takes no more; what waits is still done, as far as it is taken meanwhile. */
static inline void queue_stop(void) {
    pthread_mutex_lock(&chance_queue.lock);
    chance_queue.stopping = true;
    pthread_mutex_unlock(&chance_queue.lock);
}

#endif
