/* New sockets: accepted, and brought through TLS, on a thread of their own.

   A handshake costs near a millisecond of processor time, and thousands may come at once
   after a restart: calls of those who are in already must not wait for them. A socket
   that is through is handed to the front thread. */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parts.h"

enum {
    ACCEPT_TURN_MAX = 64,
    BACKLOG = 4096,
    SURE_MS = 1000, /* what a handshake gets even while others stand in line */
};

struct listener {
    struct source source;
    int fd;
};

bool handshake_init(struct front *front) {
    struct handover *handover = &front->handover;
    pthread_mutex_init(&handover->lock, NULL);
    handover->end = &handover->first;
    handover->ring.next = handover->ring.prev = &handover->ring;
    handover->sockets = tls_sockets();
    handover->slots = calloc(ADDRESS_SLOTS, sizeof(*handover->slots));
    bool seeded = getrandom(&handover->slots_seed, sizeof(handover->slots_seed), 0) ==
                  sizeof(handover->slots_seed);
    handover->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    handover->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (handover->wake_fd < 0 || handover->epoll_fd < 0) return false;
    if (handover->sockets == NULL || handover->slots == NULL || !seeded) return false;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return epoll_ctl(handover->epoll_fd, EPOLL_CTL_ADD, handover->wake_fd, &event) == 0;
}

/* --- listening ------------------------------------------------------------------------ */

static int listen_at(const struct addrinfo *at, int *port) {
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int one = 1, zero = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    /* "::" takes IPv4 as well, whatever the system's default is. */
    if (at->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    return fd;
}

int front_listen(struct front *front, const char *host, int port) {
    struct handover *handover = &front->handover;
    if (port < 0 || port > 65535) return -EINVAL;
    char service[8];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int wrong = getaddrinfo(host, service, &hints, &found);
    if (wrong != 0) return wrong == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
    int fd = listen_at(found, &port);
    freeaddrinfo(found);
    if (fd < 0) return fd;
    pthread_mutex_lock(&handover->lock);
    int rc = handover->closed || handover->listeners_count == LISTENERS_MAX ? -EMFILE : 0;
    struct listener *listener = rc == 0 ? malloc(sizeof(*listener)) : NULL;
    if (rc == 0 && listener == NULL) rc = -ENOMEM;
    if (rc == 0) {
        *listener = (struct listener){{SOURCE_LISTENER}, fd};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
        if (epoll_ctl(handover->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) rc = -errno;
    }
    if (rc == 0) {
        handover->listeners[handover->listeners_count++] = listener;
    } else {
        free(listener);
        close(fd);
    }
    pthread_mutex_unlock(&handover->lock);
    return rc == 0 ? port : rc;
}

static void listeners_close(struct handover *handover) {
    for (int i = 0; i < handover->listeners_count; i++) {
        close(handover->listeners[i]->fd); /* epoll forgets it too */
        free(handover->listeners[i]);
    }
    handover->listeners_count = 0;
}

/* --- addresses ------------------------------------------------------------------------- */

static void write_address(struct peer_address *address, const struct sockaddr_storage *from) {
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
        address->port = ntohs(six->sin6_port);
        /* An IPv4 peer of a socket that takes both is named as such. */
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
            inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], address->text, sizeof(address->text));
        else
            inet_ntop(AF_INET6, &six->sin6_addr, address->text, sizeof(address->text));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)from;
        address->port = ntohs(four->sin_port);
        inet_ntop(AF_INET, &four->sin_addr, address->text, sizeof(address->text));
    }
}

/* What counts as one address: of IPv6 the network of 64 bits, of which a peer has all. */
static struct address_slot *slot_of(struct handover *handover,
                                    const struct sockaddr_storage *from) {
    uint64_t key = 0;
    if (from->ss_family == AF_INET) {
        memcpy(&key, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else {
        const uint8_t *bytes = ((const struct sockaddr_in6 *)from)->sin6_addr.s6_addr;
        bool is_four = IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)from)->sin6_addr);
        memcpy(&key, is_four ? bytes + 12 : bytes, is_four ? 4 : 8);
    }
    key ^= handover->slots_seed;
    key = (key ^ key >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    key = (key ^ key >> 27) * UINT64_C(0x94D049BB133111EB);
    return &handover->slots[(key ^ key >> 31) % ADDRESS_SLOTS];
}

/* Turned away: told to who asks for it. */
static void note_refused(struct handover *handover, const struct sockaddr_storage *from) {
    struct peer_address address;
    write_address(&address, from);
    pthread_mutex_lock(&handover->lock);
    size_t at = 0;
    while (at < handover->refused_count && at < FRONT_REFUSED_MAX - 1 &&
           strcmp(handover->refused[at].address, address.text) != 0)
        at++;
    struct front_refused *refused = &handover->refused[at];
    if (at == handover->refused_count) {
        memset(refused, 0, sizeof(*refused));
        if (at < FRONT_REFUSED_MAX - 1) strcpy(refused->address, address.text);
        handover->refused_count++;
    }
    refused->count++;
    pthread_mutex_unlock(&handover->lock);
}

size_t front_take_refused(struct front *front, struct front_refused refused[FRONT_REFUSED_MAX]) {
    struct handover *handover = &front->handover;
    pthread_mutex_lock(&handover->lock);
    size_t count = handover->refused_count;
    memcpy(refused, handover->refused, count * sizeof(*refused));
    handover->refused_count = 0;
    pthread_mutex_unlock(&handover->lock);
    return count;
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

static void handshake_begin(struct front *front, int fd, const struct sockaddr_storage *from,
                            struct address_slot *slot) {
    struct handover *handover = &front->handover;
    struct handshake *handshake = calloc(1, sizeof(*handshake));
    SSL *ssl = NULL;
    if (handshake != NULL) {
        pthread_mutex_lock(&handover->lock);
        ssl = tls_new(handover->context, handover->sockets, fd);
        pthread_mutex_unlock(&handover->lock);
    }
    if (ssl == NULL) {
        COUNT(front, connections_refused);
        free(handshake);
        close(fd);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *handshake = (struct handshake){.source = SOURCE_HANDSHAKE, .slot = slot, .fd = fd,
                                    .ssl = ssl, .born_ms = clock_ms()};
    slot->open++;
    write_address(&handshake->address, from);
    struct handshake *ring = &handover->ring;
    handshake->prev = ring->prev;
    handshake->next = ring;
    ring->prev->next = handshake;
    ring->prev = handshake;
    COUNT_MANY(front, handshakes_open, 1);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = handshake};
    if (epoll_ctl(handover->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        COUNT(front, connections_refused);
        handshake_drop(front, handshake);
    }
}

/* --- the thread ------------------------------------------------------------------------ */

/* Room for one more: the oldest goes if it had its time while others stand in line. */
static bool handshake_make_room(struct front *front, int64_t now_ms) {
    struct handover *handover = &front->handover;
    if (front->counters.handshakes_open < front->bounds.handshakes_max) return true;
    struct handshake *oldest = handover->ring.next;
    if (now_ms - oldest->born_ms < SURE_MS) return false;
    COUNT(front, handshakes_shed);
    handshake_drop(front, oldest);
    return true;
}

/* Whether one more may begin from its address. As above its oldest gives way. */
static bool address_make_room(struct front *front, struct address_slot *slot, int64_t now_ms) {
    int64_t per_s = front->bounds.handshakes_address_per_s;
    bucket_fill(&slot->bucket, per_s, per_s, now_ms);
    if (slot->bucket.left <= 0) return false;
    if (slot->open >= front->bounds.handshakes_address_max) {
        struct handshake *oldest = front->handover.ring.next;
        while (oldest->slot != slot) oldest = oldest->next;
        if (now_ms - oldest->born_ms < SURE_MS) return false;
        COUNT(front, handshakes_shed);
        handshake_drop(front, oldest);
    }
    slot->bucket.left -= BUCKET_ONE;
    return true;
}

/* Takes sockets of one listener; false: there is no room, and someone may stand in line. */
static bool handshake_take_sockets(struct front *front, int listener, int64_t now_ms) {
    for (int i = 0; i < ACCEPT_TURN_MAX; i++) {
        if (!handshake_make_room(front, now_ms)) return false;
        struct sockaddr_storage from;
        socklen_t size = sizeof(from);
        int fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
        COUNT(front, connections_accepted);
        int64_t open = __atomic_load_n(&front->counters.connections_open, __ATOMIC_RELAXED);
        if (open + front->counters.handshakes_open >= front->bounds.connections_max) {
            COUNT(front, connections_refused);
            close(fd);
            continue;
        }
        struct address_slot *slot = slot_of(&front->handover, &from);
        if (!address_make_room(front, slot, now_ms)) {
            COUNT(front, handshakes_refused);
            note_refused(&front->handover, &from);
            close(fd);
            continue;
        }
        handshake_begin(front, fd, &from, slot);
    }
    return true;
}

static void handshake_expire(struct front *front, int64_t now_ms) {
    struct handshake *ring = &front->handover.ring;
    while (ring->next != ring && now_ms - ring->next->born_ms >= front->bounds.handshake_ms) {
        COUNT(front, handshakes_late);
        handshake_drop(front, ring->next);
    }
}

static int handshake_wait_ms(struct front *front, bool in_line, int64_t now_ms) {
    struct handshake *ring = &front->handover.ring;
    if (ring->next == ring) return in_line ? SURE_MS : -1; /* no descriptors: try again */
    int64_t due = ring->next->born_ms + (in_line ? SURE_MS : front->bounds.handshake_ms);
    return due <= now_ms ? 0 : (int)(due - now_ms);
}

/* The sockets that somebody stands in line at are not polled: their level would wake the
   thread at once. */
static void handshake_watch_listeners(struct handover *handover, bool watch) {
    pthread_mutex_lock(&handover->lock);
    for (int i = 0; i < handover->listeners_count; i++) {
        struct epoll_event event = {.events = watch ? EPOLLIN : 0,
                                    .data.ptr = handover->listeners[i]};
        epoll_ctl(handover->epoll_fd, EPOLL_CTL_MOD, handover->listeners[i]->fd, &event);
    }
    pthread_mutex_unlock(&handover->lock);
}

static void handshake_look_closed(struct handover *handover) {
    uint64_t count;
    ssize_t got = read(handover->wake_fd, &count, sizeof(count));
    (void)got;
    pthread_mutex_lock(&handover->lock);
    if (handover->closed) listeners_close(handover);
    pthread_mutex_unlock(&handover->lock);
}

static void *handshake_main(void *argument) {
    struct front *front = argument;
    struct handover *handover = &front->handover;
    struct epoll_event events[EPOLL_EVENTS];
    bool in_line = false;
    while (!atomic_load(&handover->stop)) {
        int64_t now_ms = clock_ms();
        int wait_ms = handshake_wait_ms(front, in_line, now_ms);
        int count = epoll_wait(handover->epoll_fd, events, EPOLL_EVENTS, wait_ms);
        now_ms = clock_ms();
        if (in_line) handshake_watch_listeners(handover, true);
        in_line = false;
        bool closed = false;
        struct listener *ready[LISTENERS_MAX];
        int ready_count = 0;
        /* Handshakes first: one that a new socket sheds is not looked at afterwards. */
        for (int i = 0; i < count; i++) {
            struct source *source = events[i].data.ptr;
            if (source == NULL)
                closed = true;
            else if (source->source == SOURCE_LISTENER)
                ready[ready_count++] = (struct listener *)source;
            else
                handshake_step(front, (struct handshake *)source);
        }
        handshake_expire(front, now_ms);
        for (int i = 0; i < ready_count; i++)
            if (!handshake_take_sockets(front, ready[i]->fd, now_ms)) in_line = true;
        if (in_line) handshake_watch_listeners(handover, false);
        if (closed) handshake_look_closed(handover);
    }
    while (handover->ring.next != &handover->ring) handshake_drop(front, handover->ring.next);
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
    listeners_close(handover);
}
