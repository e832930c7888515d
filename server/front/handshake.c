/* Handshakes: sockets that have spoken are brought through TLS, on a thread of their own.

   A handshake costs near a millisecond of processor time, and thousands may come at once
   after a restart: calls of those who are in already must not wait for them. A socket
   that is through is handed to the front thread. */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parts.h"

enum {
    SURE_MS = 1000,   /* what a handshake gets even while others stand in line */
    PAUSE_MS = 100,   /* while the system has no room for a socket */
};

bool handshake_init(struct front *front) {
    struct handover *handover = &front->handover;
    pthread_mutex_init(&handover->lock, NULL);
    handover->end = &handover->first;
    handover->ring.next = handover->ring.prev = &handover->ring;
    handover->sockets = tls_sockets();
    bool good = waiting_init(handover);
    good &= getrandom(&handover->slots_seed, sizeof(handover->slots_seed), 0) ==
            sizeof(handover->slots_seed);
    handover->spare_fd = listening_spare();
    handover->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    handover->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    good &= handover->wake_fd >= 0 && handover->epoll_fd >= 0 && handover->spare_fd >= 0;
    if (!good || handover->sockets == NULL) return false;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return epoll_ctl(handover->epoll_fd, EPOLL_CTL_ADD, handover->wake_fd, &event) == 0;
}

/* --- one handshake --------------------------------------------------------------------- */

void handshake_free(struct handshake *handshake) {
    SSL_free(handshake->ssl);
    close(handshake->fd);
    free(handshake);
}

static void handshake_unlink(struct front *front, struct handshake *handshake) {
    handshake->slot->open--;
    handshake->prev->next = handshake->next;
    handshake->next->prev = handshake->prev;
    COUNT_MANY(front, handshakes_open, -1);
}

static void handshake_drop(struct front *front, struct handshake *handshake) {
    handshake_unlink(front, handshake);
    handshake_free(handshake);
}

static void handshake_hand_over(struct front *front, struct handshake *handshake) {
    struct handover *handover = &front->handover;
    epoll_ctl(handover->epoll_fd, EPOLL_CTL_DEL, handshake->fd, NULL);
    handshake_unlink(front, handshake);
    handshake->next = NULL;
    pthread_mutex_lock(&handover->lock);
    bool wake = handover->first == NULL;
    *handover->end = handshake;
    handover->end = &handshake->next;
    pthread_mutex_unlock(&handover->lock);
    uint64_t one = 1;
    if (wake) {
        ssize_t written = write(front->mailbox.commands_fd, &one, sizeof(one));
        (void)written; /* it fails only when it is set */
    }
    COUNT(front, handshakes_done);
}

/* The front thread's: those who are through, in order. */
struct handshake *handshake_take(struct front *front) {
    struct handover *handover = &front->handover;
    pthread_mutex_lock(&handover->lock);
    struct handshake *first = handover->first;
    handover->first = NULL;
    handover->end = &handover->first;
    pthread_mutex_unlock(&handover->lock);
    return first;
}

static void handshake_step(struct front *front, struct handshake *handshake) {
    switch (tls_accept(handshake->ssl)) {
    case TLS_DONE:
        handshake_hand_over(front, handshake);
        break;
    case TLS_AGAIN:
        break; /* edges: epoll tells of the next byte, either way */
    case TLS_CLOSED:
    case TLS_BROKEN:
        COUNT(front, handshakes_failed);
        handshake_drop(front, handshake);
        break;
    }
}

/* One that waited is under way from now on. */
static void handshake_begin(struct front *front, struct handshake *handshake, int64_t now_ms) {
    struct handover *handover = &front->handover;
    pthread_mutex_lock(&handover->lock);
    handshake->ssl = tls_new(handover->context, handover->sockets, handshake->fd);
    pthread_mutex_unlock(&handover->lock);
    if (handshake->ssl == NULL) {
        COUNT(front, sockets_refused);
        handshake_free(handshake);
        return;
    }
    int one = 1;
    setsockopt(handshake->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    handshake->born_ms = now_ms;
    handshake->slot->open++;
    struct handshake *ring = &handover->ring;
    handshake->prev = ring->prev;
    handshake->next = ring;
    ring->prev->next = handshake;
    ring->prev = handshake;
    COUNT_MANY(front, handshakes_open, 1);
    /* What it has said already is an edge again. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = handshake};
    if (epoll_ctl(handover->epoll_fd, EPOLL_CTL_MOD, handshake->fd, &event) != 0) {
        COUNT(front, sockets_refused);
        handshake_drop(front, handshake);
    }
}

/* --- who gives way ---------------------------------------------------------------------- */

static void handshake_shed(struct front *front, struct handshake *handshake) {
    COUNT(front, handshakes_shed);
    handshake_drop(front, handshake);
}

static struct handshake *handshake_oldest_of(struct front *front,
                                             const struct address_slot *slot) {
    struct handshake *oldest = front->handover.ring.next;
    while (oldest->slot != slot) oldest = oldest->next;
    return oldest;
}

static bool had_its_time(const struct handshake *handshake, int64_t now_ms) {
    return now_ms - handshake->born_ms >= SURE_MS;
}

/* Whether the address is within its share, or its oldest has had its time. */
static bool address_may(struct front *front, struct address_slot *slot, int64_t now_ms) {
    return slot->open < front->bounds.handshakes_address_max ||
           had_its_time(handshake_oldest_of(front, slot), now_ms);
}

/* Room for one more of an address that may: the oldest goes if it had its time. */
static bool handshake_make_room(struct front *front, struct address_slot *slot, int64_t now_ms) {
    if (slot->open >= front->bounds.handshakes_address_max) {
        handshake_shed(front, handshake_oldest_of(front, slot));
    } else if (front->counters.handshakes_open >= front->bounds.handshakes_max) {
        struct handshake *oldest = front->handover.ring.next;
        if (!had_its_time(oldest, now_ms)) return false;
        handshake_shed(front, oldest);
    }
    return true;
}

/* Lets in from the line as many as there is room for; an address at a time. */
static void handshake_begin_waiting(struct front *front, int64_t now_ms) {
    struct address_slot *slot;
    while ((slot = waiting_turn(front, now_ms, address_may)) != NULL) {
        int64_t open = __atomic_load_n(&front->counters.connections_open, __ATOMIC_RELAXED);
        if (open + front->counters.handshakes_open >= front->bounds.connections_max) {
            COUNT(front, sockets_refused);
            handshake_free(waiting_take(front, slot));
        } else if (handshake_make_room(front, slot, now_ms)) {
            handshake_begin(front, waiting_take(front, slot), now_ms);
        } else {
            return;
        }
    }
}

static void handshake_expire(struct front *front, int64_t now_ms) {
    struct handshake *ring = &front->handover.ring;
    while (ring->next != ring && now_ms - ring->next->born_ms >= front->bounds.handshake_ms) {
        COUNT(front, handshakes_late);
        handshake_drop(front, ring->next);
    }
}

/* --- the thread ------------------------------------------------------------------------ */

static int handshake_wait_ms(struct front *front, int64_t now_ms) {
    struct handover *handover = &front->handover;
    struct handshake *ring = &handover->ring;
    int64_t due_ms = waiting_due_ms(front);
    if (ring->next != ring) {
        int64_t late_ms = ring->next->born_ms + front->bounds.handshake_ms;
        if (late_ms < due_ms) due_ms = late_ms;
    }
    if (waiting_has_line(handover)) {
        /* Those who had their time give way to none of these. */
        struct handshake *next = ring->next;
        while (next != ring && had_its_time(next, now_ms)) next = next->next;
        if (next != ring && next->born_ms + SURE_MS < due_ms) due_ms = next->born_ms + SURE_MS;
    }
    if (handover->again_ms != 0 && handover->again_ms < due_ms) due_ms = handover->again_ms;
    if (due_ms == INT64_MAX) return -1;
    return due_ms <= now_ms ? 0 : (int)(due_ms - now_ms);
}

/* Without room in the system for a socket the listeners rest. */
static void handshake_accept(struct front *front, struct listener *const *ready, int count,
                             int64_t now_ms) {
    struct handover *handover = &front->handover;
    if (handover->again_ms != 0 && now_ms >= handover->again_ms) {
        handover->again_ms = 0;
        listening_watch(handover, true);
    }
    for (int i = 0; i < count && handover->again_ms == 0; i++)
        if (!listening_accept(front, ready[i], now_ms)) {
            handover->again_ms = now_ms + PAUSE_MS;
            listening_watch(handover, false);
        }
}

static void handshake_look_closed(struct handover *handover) {
    uint64_t count;
    ssize_t got = read(handover->wake_fd, &count, sizeof(count));
    (void)got;
    pthread_mutex_lock(&handover->lock);
    if (handover->closed) listening_close(handover);
    pthread_mutex_unlock(&handover->lock);
}

/* What epoll tells of is looked at before anybody gives way to others: who is gone is told of
   no more. */
static bool handshake_look(struct front *front, const struct epoll_event *events, int count,
                           struct listener **ready, int *ready_count) {
    bool closed = false;
    *ready_count = 0;
    for (int i = 0; i < count; i++) {
        struct source *source = events[i].data.ptr;
        struct handshake *handshake = (struct handshake *)source;
        if (source == NULL)
            closed = true;
        else if (source->source == SOURCE_LISTENER)
            ready[(*ready_count)++] = (struct listener *)source;
        else if (handshake->ssl == NULL)
            waiting_hear(front, handshake, events[i].events);
        else
            handshake_step(front, handshake);
    }
    return closed;
}

static void *handshake_main(void *argument) {
    struct front *front = argument;
    struct handover *handover = &front->handover;
    struct epoll_event events[EPOLL_EVENTS];
    struct listener *ready[LISTENERS_MAX];
    while (!atomic_load(&handover->stop)) {
        int wait_ms = handshake_wait_ms(front, clock_ms());
        int count = epoll_wait(handover->epoll_fd, events, EPOLL_EVENTS, wait_ms);
        int64_t now_ms = clock_ms();
        COUNT(front, handshake_turns);
        int ready_count;
        bool closed = handshake_look(front, events, count, ready, &ready_count);
        waiting_expire(front, now_ms);
        handshake_expire(front, now_ms);
        handshake_accept(front, ready, ready_count, now_ms);
        handshake_begin_waiting(front, now_ms);
        if (closed) handshake_look_closed(handover);
    }
    while (handover->ring.next != &handover->ring) handshake_drop(front, handover->ring.next);
    waiting_end(front);
    return NULL;
}

int handshake_start(struct front *front) {
    int rc = pthread_create(&front->handover.thread, NULL, handshake_main, front);
    front->handover.running = rc == 0;
    return -rc;
}

static void handshake_wake(struct handover *handover) {
    uint64_t one = 1;
    ssize_t written = write(handover->wake_fd, &one, sizeof(one));
    (void)written;
}

void handshake_close(struct front *front) {
    struct handover *handover = &front->handover;
    pthread_mutex_lock(&handover->lock);
    handover->closed = true;
    pthread_mutex_unlock(&handover->lock);
    handshake_wake(handover);
}

void handshake_stop(struct front *front) {
    struct handover *handover = &front->handover;
    if (handover->running) {
        atomic_store(&handover->stop, true);
        handshake_wake(handover);
        pthread_join(handover->thread, NULL);
        handover->running = false;
    }
    for (struct handshake *one = handshake_take(front); one != NULL;) {
        struct handshake *next = one->next;
        handshake_free(one);
        one = next;
    }
    listening_close(handover);
}
