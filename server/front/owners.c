/* Owners: who holds how many bytes, calls and connections, and who gives way.

   Bytes are counted when they are kept and not before: a message that is announced and
   does not come costs nobody anything. One read adds READ_TURN_MAX at most before the
   bounds are asked again. */

#include <stdlib.h>

#include "parts.h"

static size_t owners_slot(uint64_t id) {
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 52) % OWNER_SLOTS;
}

/* NULL: it has gone, with nothing owed. */
struct owner *owners_find(struct front *front, uint64_t id) {
    struct owner *owner = front->owners[owners_slot(id)];
    while (owner != NULL && owner->id != id) owner = owner->next;
    return owner;
}

struct owner *owners_get(struct front *front, uint64_t id) {
    struct owner *owner = owners_find(front, id);
    if (owner != NULL) return owner;
    struct owner **list = &front->owners[owners_slot(id)];
    owner = calloc(1, sizeof(*owner));
    if (owner == NULL) return NULL;
    owner->id = id;
    owner->timer.kind = TIMER_OWNER;
    owner->next = *list;
    *list = owner;
    return owner;
}

static void owners_forget(struct front *front, struct owner *owner) {
    front_assert(owner->bytes == 0 && owner->calls == 0 && owner->held_first == NULL);
    timers_clear(&front->wheel, &owner->timer);
    if (owner->resting) front->owners_resting--;
    struct owner **at = &front->owners[owners_slot(owner->id)];
    while (*at != owner) at = &(*at)->next;
    *at = owner->next;
    free(owner);
}

/* An owner lives as long as it has a connection, or bytes that outlive their call, and then
   until its buckets are full: who comes again at once has no more than who stays. */
static void owners_look(struct front *front, struct owner *owner) {
    if (owner->connections > 0 || owner->kept_count > 0) return;
    if (!owner->resting) front->owners_resting++;
    owner->resting = true;
    if (rates_full_ms(owner, front->now_ms) == 0 || front->owners_resting > OWNERS_RESTING_MAX)
        owners_forget(front, owner);
    else
        owners_schedule(front, owner);
}

void owners_schedule(struct front *front, struct owner *owner) {
    int64_t wait_ms = -1;
    if (owner->held_first != NULL)
        wait_ms = rates_wait_ms(owner, FRONT_PAYMENTS, front->now_ms);
    else if (owner->resting)
        wait_ms = rates_full_ms(owner, front->now_ms);
    if (wait_ms < 0)
        timers_clear(&front->wheel, &owner->timer);
    else
        timers_set(&front->wheel, &owner->timer, front->now_ms + wait_ms);
}

void owners_tick(struct front *front, struct owner *owner) {
    /* It must not be forgotten by what is let go here. */
    owner->kept_count++;
    if (owner->held_first != NULL) front->hot->room(front->hot, owner);
    owners_schedule(front, owner);
    owner->kept_count--;
    owners_look(front, owner);
}

/* What a call has cost beside its price, whether it is still there or not. */
void owners_charge(struct front *front, uint64_t id, int64_t reads) {
    struct owner *owner = owners_find(front, id);
    if (owner == NULL) return;
    rates_take(owner, FRONT_READS, reads);
    if (owner->resting) owners_schedule(front, owner);
}

/* --- turns ----------------------------------------------------------------------------- */

static void owners_begin_turn(struct owner *owner, const struct front *front) {
    if (owner->turn == front->counters.turns) return;
    owner->turn = front->counters.turns;
    owner->turn_in = OWNER_TURN_IN;
    owner->turn_out = OWNER_TURN_OUT;
}

void owners_work(struct connection *connection, size_t work) {
    if (connection->owner != NULL) connection->owner->turn_in -= (int64_t)work;
}

bool owners_may_read(const struct connection *connection) {
    struct owner *owner = connection->owner;
    if (owner == NULL) return true;
    owners_begin_turn(owner, connection->front);
    return owner->turn_in > 0;
}

bool owners_may_write(const struct connection *connection) {
    struct owner *owner = connection->owner;
    if (owner == NULL) return true;
    owners_begin_turn(owner, connection->front);
    return owner->turn_out > 0;
}

void owners_wrote(struct connection *connection, size_t size) {
    if (connection->owner != NULL) connection->owner->turn_out -= (int64_t)size;
}

/* --- who is there ------------------------------------------------------------------------ */

void owners_join(struct front *front, struct owner *owner, struct connection *connection) {
    if (owner->resting) {
        owner->resting = false;
        front->owners_resting--;
        owners_schedule(front, owner);
    }
    connection->owner = owner;
    connection->owner_prev = NULL;
    connection->owner_next = owner->first;
    if (owner->first != NULL) owner->first->owner_prev = connection;
    owner->first = connection;
    owner->connections++;
    owner->bytes += (int64_t)connection->bytes;
}

void owners_leave(struct front *front, struct connection *connection) {
    struct owner *owner = connection->owner;
    if (owner == NULL) return;
    if (connection->owner_prev != NULL)
        connection->owner_prev->owner_next = connection->owner_next;
    else
        owner->first = connection->owner_next;
    if (connection->owner_next != NULL)
        connection->owner_next->owner_prev = connection->owner_prev;
    owner->bytes -= (int64_t)connection->bytes;
    if (connection->counted_closing) owner->closing--;
    connection->owner = NULL;
    owner->connections--;
    owners_look(front, owner);
}

void owners_move(struct front *front, struct owner *owner, struct connection *connection) {
    struct owner *before = connection->owner;
    for (struct call *call = connection->newest; call != NULL; call = call->older) {
        before->calls--;
        owner->calls++;
        if (call->open == FRONT_OPEN_NONE) continue;
        before->open[call->open]--;
        owner->open[call->open]++;
    }
    if (connection->counted_closing) owner->closing++;
    owners_leave(front, connection); /* what the queue has of it stays there */
    owners_join(front, owner, connection);
}

void owners_free(struct front *front) {
    for (size_t i = 0; i < OWNER_SLOTS; i++)
        while (front->owners[i] != NULL) owners_forget(front, front->owners[i]);
}

void owners_add_bytes(struct connection *connection, struct call *call, size_t size) {
    if (call != NULL) call->bytes += size;
    connection->bytes += size;
    if (connection->owner != NULL) connection->owner->bytes += (int64_t)size;
    COUNT_MANY(connection->front, bytes_held, size);
}

void owners_take_bytes(struct connection *connection, struct call *call, size_t size) {
    if (call != NULL) {
        front_assert(call->bytes >= size);
        call->bytes -= size;
    }
    front_assert(connection->bytes >= size);
    connection->bytes -= size;
    if (connection->owner != NULL) connection->owner->bytes -= (int64_t)size;
    COUNT_MANY(connection->front, bytes_held, -(int64_t)size);
}

void owners_keep_more(struct front *front, struct owner *owner, size_t size) {
    owner->bytes += (int64_t)size;
    owner->kept += (int64_t)size;
    COUNT_MANY(front, bytes_held, size);
}

void owners_keep(struct front *front, struct owner *owner, size_t size) {
    owner->kept_count++;
    owners_keep_more(front, owner, size);
}

void owners_let_go(struct front *front, struct owner *owner, size_t size) {
    front_assert(owner->kept >= (int64_t)size && owner->kept_count > 0);
    owner->bytes -= (int64_t)size;
    owner->kept -= (int64_t)size;
    COUNT_MANY(front, bytes_held, -(int64_t)size);
    owner->kept_count--;
    owners_look(front, owner);
}

int owners_ask_bytes(const struct connection *connection, size_t size) {
    const struct front *front = connection->front;
    const struct owner *owner = connection->owner;
    if (owner != NULL && owner->bytes + (int64_t)size > owner->budgets.owner_bytes_max)
        return FRONT_REASON_OVER_BUDGET;
    /* A connection of the greatest message alone must be able to send it. */
    if (connection->bytes + size > (size_t)front->bounds.connection_bytes_max)
        return FRONT_REASON_OVER_BUDGET;
    return FRONT_REASON_NONE;
}

/* --- what is told of it --------------------------------------------------------------- */

void owners_over(struct connection *connection, int share, int64_t count) {
    struct front *front = connection->front;
    count_add(&front->counters.over_payments + share, count);
    connection->over[share] += count;
    if (front->tell_timer.next == NULL)
        timers_set(&front->wheel, &front->tell_timer, front->now_ms + TELL_MS);
}

/* One event for each budget: a flood of refusals is no flood of events. */
void owners_tell_of(struct connection *connection) {
    struct mailbox *mailbox = &connection->front->mailbox;
    for (int share = 0; share < FRONT_SHARES_END; share++) {
        if (connection->over[share] == 0) continue;
        struct event *event = mailbox_new_event(mailbox, FRONT_OVER);
        if (event == NULL) return; /* counted all the same, and told the next time */
        event->connection = connection_handle(connection);
        event->cause = (uint8_t)share;
        event->number = connection->over[share];
        connection->over[share] = 0;
        mailbox_add_event(mailbox, event);
    }
}

void owners_tell(struct front *front) {
    for (size_t i = 0; i < (size_t)front->bounds.connections_max; i++)
        if (front->connections[i] != NULL) owners_tell_of(front->connections[i]);
}

/* --- who gives way -------------------------------------------------------------------- */

static struct owner *owners_largest(struct front *front) {
    struct owner *largest = NULL;
    for (size_t i = 0; i < OWNER_SLOTS; i++)
        for (struct owner *owner = front->owners[i]; owner != NULL; owner = owner->next)
            if (owner->calls > 0 && (largest == NULL || owner->bytes - owner->kept >
                                                            largest->bytes - largest->kept))
                largest = owner;
    return largest;
}

static struct call *call_to_shed(const struct connection *connection) {
    for (struct call *call = connection->newest; call != NULL; call = call->older)
        if (!call->ending || call->out_left > 0) return call;
    return NULL;
}

/* The call of an owner that came last on the connection that holds most; one whose reply is
   decided counts as long as the peer does not read it. */
static struct call *owners_newest_call(struct owner *owner) {
    struct connection *fullest = NULL;
    for (struct connection *one = owner->first; one != NULL; one = one->owner_next)
        if (call_to_shed(one) != NULL && (fullest == NULL || one->bytes > fullest->bytes)) fullest = one;
    return fullest == NULL ? NULL : call_to_shed(fullest);
}

void owners_shed(struct front *front) {
    while (front->counters.bytes_held > front->bounds.process_bytes_max) {
        struct owner *owner = owners_largest(front);
        if (owner == NULL) return; /* connections alone: connections_max bounds them */
        /* What is kept for the queue is no call's to give up. */
        int64_t half = (owner->bytes - owner->kept) / 2;
        bool any = false;
        /* Down to half of what it held, so that the table is not searched for each call. */
        while (owner->bytes - owner->kept > half &&
               front->counters.bytes_held > front->bounds.process_bytes_max) {
            struct call *call = owners_newest_call(owner);
            if (call == NULL) break;
            COUNT(front, calls_shed);
            reply_refuse(call, FRONT_REASON_SHED);
            any = true;
        }
        if (!any) return;
    }
}
