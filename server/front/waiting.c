/* Sockets that wait for their handshake: who has sent nothing, and who stands in line.

   Neither has TLS yet, so that it costs a descriptor and a record. Who has spoken stands in
   the line of its address, and addresses take turns. If the room is full the address with
   the most silent sockets gives up its oldest; if nobody is silent, the one with the most
   in line its newest. */

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "parts.h"

/* --- rings ------------------------------------------------------------------------------ */

static void link_init(struct link *ring) { ring->next = ring->prev = ring; }

static bool link_is_empty(const struct link *ring) { return ring->next == ring; }

static void link_append(struct link *ring, struct link *link) {
    link->prev = ring->prev;
    link->next = ring;
    ring->prev->next = link;
    ring->prev = link;
}

static void link_remove(struct link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

static struct handshake *by_place(struct link *link) {
    return (struct handshake *)((char *)link - offsetof(struct handshake, place));
}

static struct handshake *by_age(struct link *link) {
    return (struct handshake *)((char *)link - offsetof(struct handshake, age));
}

static struct address_slot *by_silent(struct link *link) {
    return (struct address_slot *)((char *)link - offsetof(struct address_slot, with_silent));
}

static struct address_slot *by_turn(struct link *link) {
    return (struct address_slot *)((char *)link - offsetof(struct address_slot, with_line));
}

bool waiting_init(struct handover *handover) {
    link_init(&handover->waiting);
    link_init(&handover->with_silent);
    link_init(&handover->with_line);
    handover->slots = calloc(ADDRESS_SLOTS, sizeof(*handover->slots));
    if (handover->slots == NULL) return false;
    for (size_t i = 0; i < ADDRESS_SLOTS; i++) {
        link_init(&handover->slots[i].silent);
        link_init(&handover->slots[i].line);
    }
    return true;
}

/* --- who waits --------------------------------------------------------------------------- */

static void waiting_be_silent(struct handover *handover, struct handshake *handshake) {
    struct address_slot *slot = handshake->slot;
    if (slot->silent_count++ == 0) link_append(&handover->with_silent, &slot->with_silent);
    link_append(&slot->silent, &handshake->place);
}

static void waiting_stand_in_line(struct handover *handover, struct handshake *handshake) {
    struct address_slot *slot = handshake->slot;
    handshake->in_line = true;
    if (slot->line_count++ == 0) link_append(&handover->with_line, &slot->with_line);
    link_append(&slot->line, &handshake->place);
}

static void waiting_leave_place(struct handshake *handshake) {
    struct address_slot *slot = handshake->slot;
    link_remove(&handshake->place);
    if (handshake->in_line && --slot->line_count == 0) link_remove(&slot->with_line);
    if (!handshake->in_line && --slot->silent_count == 0) link_remove(&slot->with_silent);
}

static void waiting_leave(struct front *front, struct handshake *handshake) {
    waiting_leave_place(handshake);
    link_remove(&handshake->age);
    COUNT_MANY(front, sockets_waiting, -1);
}

static void waiting_drop(struct front *front, struct handshake *handshake) {
    waiting_leave(front, handshake);
    handshake_free(handshake);
}

/* Whether something of it is there to be read. */
static bool has_spoken(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void waiting_add(struct front *front, struct handshake *handshake) {
    struct handover *handover = &front->handover;
    link_append(&handover->waiting, &handshake->age);
    COUNT_MANY(front, sockets_waiting, 1);
    /* Who means well has spoken by now, and is never among those who have not. */
    if (has_spoken(handshake->fd))
        waiting_stand_in_line(handover, handshake);
    else
        waiting_be_silent(handover, handshake);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
                                .data.ptr = handshake};
    if (epoll_ctl(handover->epoll_fd, EPOLL_CTL_ADD, handshake->fd, &event) != 0) {
        COUNT(front, sockets_refused);
        waiting_drop(front, handshake);
    }
}

/* epoll has told of one that waits. */
void waiting_hear(struct front *front, struct handshake *handshake, uint32_t events) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        COUNT(front, handshakes_failed);
        waiting_drop(front, handshake);
    } else if (!handshake->in_line) {
        waiting_leave_place(handshake);
        waiting_stand_in_line(&front->handover, handshake);
    }
}

/* --- who gives way ------------------------------------------------------------------------ */

/* Whether there is room for one more, of this address. */
bool waiting_make_room(struct front *front, const struct address_slot *slot) {
    struct handover *handover = &front->handover;
    if (front->counters.sockets_waiting < front->bounds.sockets_waiting_max) return true;
    struct link *ring = &handover->with_silent;
    struct address_slot *most = NULL;
    for (struct link *link = ring->next; link != ring; link = link->next)
        if (most == NULL || by_silent(link)->silent_count > most->silent_count)
            most = by_silent(link);
    if (most != NULL) {
        COUNT(front, handshakes_shed);
        waiting_drop(front, by_place(most->silent.next));
        return true;
    }
    ring = &handover->with_line;
    most = by_turn(ring->next);
    for (struct link *link = ring->next; link != ring; link = link->next)
        if (by_turn(link)->line_count > most->line_count) most = by_turn(link);
    /* Nobody makes room for itself: it would only change places. */
    if (slot->line_count + 1 >= most->line_count) return false;
    COUNT(front, handshakes_shed);
    waiting_drop(front, by_place(most->line.prev));
    return true;
}

void waiting_expire(struct front *front, int64_t now_ms) {
    struct link *ring = &front->handover.waiting;
    while (!link_is_empty(ring) &&
           now_ms - by_age(ring->next)->born_ms >= front->bounds.handshake_ms) {
        COUNT(front, handshakes_late);
        waiting_drop(front, by_age(ring->next));
    }
}

/* When the oldest has had its time; INT64_MAX: nobody waits. */
int64_t waiting_due_ms(struct front *front) {
    struct link *ring = &front->handover.waiting;
    return link_is_empty(ring) ? INT64_MAX
                               : by_age(ring->next)->born_ms + front->bounds.handshake_ms;
}

/* --- whose turn it is ---------------------------------------------------------------------- */

bool waiting_has_line(const struct handover *handover) {
    return !link_is_empty(&handover->with_line);
}

/* The first address in line that `may` begin one more; NULL: none. */
struct address_slot *waiting_turn(struct front *front, int64_t now_ms,
                                  bool (*may)(struct front *front, struct address_slot *slot,
                                              int64_t now_ms)) {
    struct link *ring = &front->handover.with_line;
    for (struct link *link = ring->next; link != ring; link = link->next)
        if (may(front, by_turn(link), now_ms)) return by_turn(link);
    return NULL;
}

/* The first in line of an address, whose next turn comes after those of all others. */
struct handshake *waiting_take(struct front *front, struct address_slot *slot) {
    struct handshake *first = by_place(slot->line.next);
    waiting_leave(front, first);
    if (slot->line_count > 0) {
        link_remove(&slot->with_line);
        link_append(&front->handover.with_line, &slot->with_line);
    }
    return first;
}

void waiting_end(struct front *front) {
    struct link *ring = &front->handover.waiting;
    while (ring->next != NULL && !link_is_empty(ring)) waiting_drop(front, by_age(ring->next));
}
