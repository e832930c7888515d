/* Where sockets come from: listeners, addresses, and what one address may begin.

   Everything is accepted as soon as it comes, so that nobody stands behind others in the
   system's line, which knows no addresses. What becomes of it decides `waiting.c`. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parts.h"

enum {
    ACCEPT_TURN_MAX = 64,
    BACKLOG = 4096,
    /* The system keeps who is silent for so long. No longer: its own line of those has a bound
       that knows no addresses. */
    DEFER_S = 1,
};

struct listener {
    struct source source;
    int fd;
};

static int listen_at(const struct addrinfo *at, int *port) {
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int one = 1, zero = 0, defer_s = DEFER_S;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    /* "::" takes IPv4 as well, whatever the system's default is. */
    if (at->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s));
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

void listening_close(struct handover *handover) {
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

/* --- accepting ------------------------------------------------------------------------- */

/* Whether one more may come from its address. */
static bool address_has_rate(const struct front *front, struct address_slot *slot,
                             int64_t now_ms) {
    int64_t per_s = front->bounds.handshakes_address_per_s;
    bucket_fill(&slot->bucket, per_s, per_s, now_ms);
    if (slot->bucket.left <= 0) return false;
    slot->bucket.left -= BUCKET_ONE;
    return true;
}

static int accept_one(int listener, struct sockaddr_storage *from) {
    socklen_t size = sizeof(*from);
    return accept4(listener, (struct sockaddr *)from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* No descriptor is left: by the spare one who comes is told so, and does not wait. False: not
   even that. */
static bool turn_away(struct front *front, int listener) {
    struct handover *handover = &front->handover;
    if (handover->spare_fd < 0) return false;
    close(handover->spare_fd);
    struct sockaddr_storage from;
    int fd = accept_one(listener, &from);
    if (fd >= 0) {
        COUNT(front, connections_accepted);
        COUNT(front, sockets_refused);
        close(fd);
    }
    handover->spare_fd = listening_spare();
    return fd >= 0;
}

int listening_spare(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

/* Takes sockets of a listener; false: the system has no room for one more. */
bool listening_accept(struct front *front, const struct listener *listener, int64_t now_ms) {
    struct handover *handover = &front->handover;
    if (handover->spare_fd < 0) handover->spare_fd = listening_spare();
    for (int i = 0; i < ACCEPT_TURN_MAX; i++) {
        struct sockaddr_storage from;
        int fd = accept_one(listener->fd, &from);
        if (fd < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
            bool full = errno == EMFILE || errno == ENFILE;
            if (full ? turn_away(front, listener->fd) : errno != ENOMEM && errno != ENOBUFS)
                continue; /* what ended while it stood there is an error of one */
            return false;
        }
        COUNT(front, connections_accepted);
        struct address_slot *slot = slot_of(handover, &from);
        struct handshake *handshake = NULL;
        if (!address_has_rate(front, slot, now_ms) || !waiting_make_room(front, slot)) {
            COUNT(front, handshakes_refused);
            note_refused(handover, &from);
            close(fd);
        } else if ((handshake = calloc(1, sizeof(*handshake))) == NULL) {
            COUNT(front, sockets_refused);
            close(fd);
        } else {
            *handshake = (struct handshake){
                .source = SOURCE_HANDSHAKE, .slot = slot, .fd = fd, .born_ms = now_ms};
            write_address(&handshake->address, &from);
            waiting_add(front, handshake);
        }
    }
    return true;
}

/* Who cannot be taken is not polled for: its level would wake the thread at once. */
void listening_watch(struct handover *handover, bool watch) {
    pthread_mutex_lock(&handover->lock);
    for (int i = 0; i < handover->listeners_count; i++) {
        struct epoll_event event = {.events = watch ? EPOLLIN : 0,
                                    .data.ptr = handover->listeners[i]};
        epoll_ctl(handover->epoll_fd, EPOLL_CTL_MOD, handover->listeners[i]->fd, &event);
    }
    pthread_mutex_unlock(&handover->lock);
}
