/* Calls: their records, their handles, and what the caller is told of them.

   A call lives as long as its HTTP/2 stream. Its handle dies earlier, when its trailers
   are decided (`ending`): commands for it are then ignored. */

#include <stdlib.h>
#include <string.h>

#include "parts.h"

/* No more calls than a process may hold if each held nothing but itself. */
bool calls_init(struct front *front) {
    size_t most = (size_t)front->bounds.process_bytes_max / CALL_BYTES + 1;
    if (most > INT32_MAX) most = INT32_MAX;
    front->call_blocks_max = most / CALL_BLOCK + 1;
    front->call_blocks = calloc(front->call_blocks_max, sizeof(*front->call_blocks));
    return front->call_blocks != NULL;
}

void calls_free_all(struct front *front) {
    for (size_t i = 0; i < front->call_blocks_count; i++) free(front->call_blocks[i]);
    free(front->call_blocks);
}

static bool calls_grow(struct front *front) {
    if (front->call_blocks_count == front->call_blocks_max) return false;
    struct call *block = calloc(CALL_BLOCK, sizeof(*block));
    if (block == NULL) return false;
    size_t first = front->call_blocks_count * CALL_BLOCK;
    front->call_blocks[front->call_blocks_count++] = block;
    for (size_t i = CALL_BLOCK; i-- > 0;) {
        block[i].index = (uint32_t)(first + i);
        block[i].generation = 1;
        block[i].older = front->free_call;
        front->free_call = &block[i];
    }
    return true;
}

struct call *calls_new(struct connection *connection, int32_t stream) {
    struct front *front = connection->front;
    if (front->free_call == NULL && !calls_grow(front)) return NULL;
    struct call *call = front->free_call;
    front->free_call = call->older;
    uint32_t index = call->index, generation = call->generation;
    memset(call, 0, sizeof(*call));
    call->index = index;
    call->generation = generation;
    call->connection = connection;
    call->stream = stream;
    call->method = -1;
    call->window = (size_t)front->bounds.window_bytes;
    call->timer.kind = TIMER_CALL;
    call->older = connection->newest;
    if (connection->newest != NULL) connection->newest->newer = call;
    connection->newest = call;
    connection->calls_count++;
    connection->owner->calls++;
    owners_work(connection, CALL_WORK);
    owners_add_bytes(connection, call, CALL_BYTES);
    COUNT_MANY(front, calls_open, 1);
    COUNT(front, calls_begun);
    return call;
}

uint64_t calls_handle(const struct call *call) {
    return (uint64_t)call->generation << 32 | call->index;
}

/* The call that a command names; NULL: it is over. */
struct call *calls_find(struct front *front, uint64_t handle) {
    uint32_t index = (uint32_t)handle;
    if (index / CALL_BLOCK >= front->call_blocks_count) return NULL;
    struct call *call = &front->call_blocks[index / CALL_BLOCK][index % CALL_BLOCK];
    bool same = call->connection != NULL && call->generation == handle >> 32;
    return same && !call->ending ? call : NULL;
}

void calls_free(struct call *call) {
    struct connection *connection = call->connection;
    struct front *front = connection->front;
    timers_clear(&front->wheel, &call->timer);
    reply_drop(call);
    mailbox_spare(&front->mailbox, call->last_event);
    block_free(call->message);
    block_free(call->raw);
    block_free(call->path);
    block_free(call->metadata);
    block_free(call->end_fields);
    owners_take_bytes(connection, call, call->bytes);
    if (call->newer != NULL)
        call->newer->older = call->older;
    else
        connection->newest = call->older;
    if (call->older != NULL) call->older->newer = call->newer;
    if (--connection->calls_count == 0) connection->quiet_ms = front->now_ms;
    connection->owner->calls--;
    if (call->open != FRONT_OPEN_NONE) connection->owner->open[call->open]--;
    COUNT_MANY(front, calls_open, -1);
    call->connection = NULL;
    /* Handles fit in 63 bits, and none is zero. */
    call->generation = (call->generation & INT32_MAX) == INT32_MAX ? 1 : call->generation + 1;
    call->older = front->free_call;
    front->free_call = call;
}

/* --- events ------------------------------------------------------------------------------ */

static struct event *calls_event(struct call *call, int kind) {
    struct connection *connection = call->connection;
    struct event *event = mailbox_new_event(&connection->front->mailbox, kind);
    if (event == NULL) {
        connection_fail(connection, FRONT_CAUSE_MEMORY);
        return NULL;
    }
    event->call = calls_handle(call);
    event->connection = connection_handle(connection);
    return event;
}

/* What the caller has of the call's messages, and what it has no longer. */
void calls_lend(struct call *call, size_t size) {
    call->with_caller += size;
    owners_add_bytes(call->connection, call, size);
}

void calls_take_back(struct call *call) {
    owners_take_bytes(call->connection, call, call->with_caller);
    call->with_caller = 0;
}

/* Bytes of the call that from now on lie in an event. */
static void calls_hand_over(struct call *call, struct event *event) {
    struct front *front = call->connection->front;
    size_t size = EVENT_BYTES;
    if (event->body != NULL) size += event->body->capacity;
    if (event->metadata != NULL) {
        owners_take_bytes(call->connection, call, event->metadata->capacity);
        size += event->metadata->capacity;
    }
    calls_take_back(call);
    mailbox_keep(front, event, call->connection->owner, size);
}

/* Gives the call to the caller, with its message if it takes one. */
void calls_give(struct call *call, struct block *body) {
    struct front *front = call->connection->front;
    struct event *event = calls_event(call, FRONT_CALL);
    /* Whoever gets the call hears of its end, whatever memory there is by then. */
    call->last_event = event == NULL ? NULL : calls_event(call, FRONT_ENDED);
    if (call->last_event == NULL) {
        mailbox_spare(&front->mailbox, event);
        block_free(body);
        return;
    }
    event->method = call->method;
    event->allowed = call->allowed;
    event->time = call->deadline_ns;
    memcpy(event->timeout, call->timeout, sizeof(event->timeout));
    event->path = call->path;
    event->metadata = call->metadata;
    event->body = body;
    calls_hand_over(call, event);
    call->path = NULL;
    call->metadata = NULL;
    call->given = true;
    call->event = event;
    call->event_turn = front->counters.turns;
    COUNT(front, calls_given);
    mailbox_add_event(&front->mailbox, event);
}

void calls_message(struct call *call, struct block *body) {
    struct event *event = calls_event(call, FRONT_MESSAGE);
    if (event == NULL) {
        block_free(body);
        return;
    }
    event->body = body;
    calls_hand_over(call, event);
    mailbox_add_event(&call->connection->front->mailbox, event);
}

void calls_tell(struct call *call, int kind, int64_t number) {
    struct event *event = calls_event(call, kind);
    if (event == NULL) return;
    event->number = number;
    mailbox_add_event(&call->connection->front->mailbox, event);
}

/* All that it had to send has left. What is open as long as it is read has paid for that, and
   hears of it, so that the next is made, when its owner may read on. */
void calls_sent(struct call *call) {
    struct front *front = call->connection->front;
    call->sent_ms = 0;
    if (call->open == FRONT_FEEDS) {
        int64_t wait_ms = rates_wait_ms(call->connection->owner, FRONT_READS, front->now_ms);
        if (wait_ms > 0) call->sent_ms = front->now_ms + wait_ms;
        calls_schedule(call);
    }
    if (call->sent_ms == 0) calls_tell(call, FRONT_SENT, 0);
}

/* The call is over without the caller's doing: it is told if it knows of it. */
void calls_end(struct call *call, int cause) {
    if (call->ending) return;
    call->ending = true;
    call->sent_ms = 0;
    if (!call->given) return;
    struct connection *connection = call->connection;
    struct method *method = call->method >= 0 ? &connection->front->methods[call->method] : NULL;
    if (call->hot != NULL && method != NULL) {
        method->hot->ended(method->hot, call, cause);
        call->hot = NULL;
    } else if (call->event_turn == connection->front->counters.turns && call->event != NULL) {
        /* It came and went in one turn: nobody hears of it. */
        call->event->kind = FRONT_VOID;
    } else {
        struct event *event = call->last_event;
        front_assert(event != NULL);
        call->last_event = NULL;
        event->cause = (uint8_t)cause;
        mailbox_add_event(&connection->front->mailbox, event);
    }
}

void calls_reset(struct call *call, uint32_t error) {
    struct connection *connection = call->connection;
    http2_check(connection, nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE,
                                                      call->stream, error));
}

/* --- time -------------------------------------------------------------------------------- */

static int64_t deadline_ms(const struct call *call) {
    /* Not before it has passed. */
    return (call->deadline_ns + 999999) / 1000000;
}

void calls_schedule(struct call *call) {
    int64_t due_ms = call->deadline_ns > 0 ? deadline_ms(call) : INT64_MAX;
    if (call->body_ms > 0 && call->body_ms < due_ms) due_ms = call->body_ms;
    if (call->sent_ms > 0 && call->sent_ms < due_ms) due_ms = call->sent_ms;
    struct wheel *wheel = &call->connection->front->wheel;
    if (due_ms == INT64_MAX)
        timers_clear(wheel, &call->timer);
    else
        timers_set(wheel, &call->timer, due_ms);
}

void calls_tick(struct call *call) {
    struct front *front = call->connection->front;
    bool late = call->deadline_ns > 0 && front->now_ms >= deadline_ms(call);
    if (late && call->ending) {
        /* The reply is decided, and the peer did not take it in time. */
        reply_drop(call);
        calls_reset(call, NGHTTP2_CANCEL);
    } else if (late || (call->body_ms > 0 && front->now_ms >= call->body_ms)) {
        COUNT(front, calls_late);
        reply_refuse(call, late ? FRONT_REASON_DEADLINE : FRONT_REASON_BODY_LATE);
    } else if (call->sent_ms > 0 && front->now_ms >= call->sent_ms) {
        calls_sent(call);
    } else {
        calls_schedule(call);
    }
}
