/* A queue that does what each message says: "[1o 3 xx]" is its rows, what comes of it, the
   call, anything. Submitted to and taken from by the front thread; another one may read
   what is done under its lock. */

#ifndef TEST_SCRIPTED_QUEUE_H
#define TEST_SCRIPTED_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/queue_api.h"

enum {
    WAITING_MAX = 64,
    NUMBERS_MAX = 48,    /* of calls */
    TEXT_MAX = 48 << 10, /* of all messages of a call */
    DAMAGED = 9,         /* a result that is told by a status */
};

enum {
    DONE = 'o',
    FULL_ONCE = 'f', /* the first time there is no room */
    FULL = 'F',
    NO_SPACE = 's',  /* of its group */
    HURT = 'd',      /* its row needs what is damaged */
};

struct waiting {
    struct queue_request request;
    char kind;
};

static struct {
    pthread_mutex_t lock;
    struct waiting waiting[WAITING_MAX], group[WAITING_MAX];
    struct queue_part parts[WAITING_MAX];
    uint32_t waiting_count, group_count;
    void (*let_go)(void *owner);
    int fd;
    bool refused_once[NUMBERS_MAX];
    char done[NUMBERS_MAX][TEXT_MAX + 1]; /* what was committed of each call */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int call_of(const uint8_t *body) { return atoi((const char *)body + 4); }

static int queue_count(const uint8_t *body, size_t size, struct queue_counts *counts) {
    *counts = (struct queue_counts){0};
    for (size_t i = 0; i < size; i++)
        if (body[i] == '[') counts->payments += (uint32_t)(body[i + 1] - '0');
    /* One of none is a basket: of one row. */
    counts->baskets = counts->payments == 0;
    counts->rows = counts->payments + counts->baskets;
    return QUEUE_OK;
}

static int queue_open(void *self, void (*let_go)(void *owner)) {
    (void)self;
    queue.let_go = let_go;
    return 0;
}

static int queue_fileno(void *self, int taker) { return (void)self, (void)taker, queue.fd; }

static int queue_submit(void *self, int taker, const struct queue_request *request) {
    (void)self, (void)taker;
    char kind = (char)request->body[2];
    int call = call_of(request->body);
    if (kind == FULL) return QUEUE_FULL;
    if (kind == FULL_ONCE && !queue.refused_once[call]) {
        queue.refused_once[call] = true;
        return QUEUE_FULL;
    }
    pthread_mutex_lock(&queue.lock);
    if (queue.waiting_count == WAITING_MAX) abort();
    queue.waiting[queue.waiting_count++] = (struct waiting){*request, kind};
    if (kind != NO_SPACE && kind != HURT)
        strncat(queue.done[call], (const char *)request->body, request->size);
    pthread_mutex_unlock(&queue.lock);
    eventfd_write(queue.fd, 1);
    return QUEUE_OK;
}

static void queue_clear(void *self, int taker) {
    (void)self, (void)taker;
    eventfd_t count;
    eventfd_read(queue.fd, &count);
}

/* All that wait and come to the same; those of one tag are one part. */
static int queue_take(void *self, int taker, struct queue_taken *taken) {
    (void)self, (void)taker;
    pthread_mutex_lock(&queue.lock);
    uint32_t count = 0, kept = 0;
    bool no_space = queue.waiting_count > 0 && queue.waiting[0].kind == NO_SPACE;
    *taken = (struct queue_taken){.rc = no_space ? QUEUE_SPACE : QUEUE_OK, .parts = queue.parts};
    for (uint32_t i = 0; i < queue.waiting_count; i++) {
        struct waiting *one = &queue.waiting[i];
        if ((one->kind == NO_SPACE) == no_space)
            queue.group[count++] = *one;
        else
            queue.waiting[kept++] = *one;
    }
    queue.waiting_count = kept;
    queue.group_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct waiting *one = &queue.group[i];
        uint32_t at = 0;
        while (at < taken->parts_count && queue.parts[at].tag != one->request.tag) at++;
        struct queue_part *part = &queue.parts[at];
        if (at == taken->parts_count) {
            *part = (struct queue_part){.tag = one->request.tag, .first = i,
                                        .result = one->kind == HURT ? DAMAGED : 1};
            taken->parts_count++;
        }
        part->rows += one->request.rows;
        part->size += one->request.size;
    }
    pthread_mutex_unlock(&queue.lock);
    return count > 0;
}

static void queue_copy(const struct queue_taken *taken, const struct queue_part *part,
                       uint8_t *to) {
    (void)taken;
    for (uint32_t i = part->first; i < queue.group_count; i++) {
        const struct queue_request *one = &queue.group[i].request;
        if (one->tag != part->tag) continue;
        memcpy(to, one->body, one->size);
        to += one->size;
    }
}

static void queue_release(void *self, int taker, struct queue_taken *taken) {
    (void)self, (void)taker, (void)taken;
    for (uint32_t i = 0; i < queue.group_count; i++) queue.let_go(queue.group[i].request.owner);
    queue.group_count = 0;
}

static uint64_t queue_rows_waiting(void *self) { return (void)self, 4711; }

static int queue_died(void *self, char *text, size_t size) {
    return (void)self, (void)text, (void)size, 0;
}

static const struct queue_api API = {
    .version = QUEUE_API_VERSION, .count = queue_count, .open = queue_open,
    .fileno = queue_fileno, .submit = queue_submit, .clear = queue_clear, .take = queue_take,
    .copy = queue_copy, .release = queue_release, .rows_waiting = queue_rows_waiting,
    .died = queue_died};

#endif
