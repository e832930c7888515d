/* A stream of payments: messages in as they come, one reply for each group.

   Between the two stand the rows that are not answered yet, or whose answers have not left:
   beyond two groups of them nothing is read, so that HTTP/2's windows hold the client back.
   Messages that arrive in one turn are one request, as far as a group reaches. Whatever
   ends the reading, what was read is answered first. */

#include <stdlib.h>
#include <string.h>

#include "hot_parts.h"

void hot_stream_begin(struct hot_call *stream) {
    struct hot_payments *hot = stream->hot;
    stream->next = hot->streams;
    if (hot->streams != NULL) hot->streams->prev = stream;
    hot->streams = stream;
}

void hot_stream_over(struct hot_call *stream) {
    if (stream->next != NULL) stream->next->prev = stream->prev;
    if (stream->prev != NULL)
        stream->prev->next = stream->next;
    else
        stream->hot->streams = stream->next;
    stream->joining = NULL;
    hot_stream_drop_held(stream);
}

/* Whether there is room for what a message may bring: one group, and the next. */
static bool may_read(const struct hot_call *stream) {
    uint64_t rows = stream->rows_waiting + stream->rows_unsent;
    return !stream->ended && !hot_stream_waits(stream) &&
           rows <= (uint64_t)stream->hot->results.rows_max;
}

bool hot_stream_waits(const struct hot_call *stream) {
    return stream->room_ms != 0 || stream->held != NULL;
}

/* Goes on reading with the next turn. */
void hot_stream_resume(struct hot_call *stream) {
    struct hot_payments *hot = stream->hot;
    if (stream->call == NULL || stream->resumed || stream->call->wanted || !may_read(stream))
        return;
    stream->resumed = true;
    stream->refs++;
    stream->next_resumed = hot->resumed;
    hot->resumed = stream;
    connection_touch(stream->call->connection);
}

/* --- in -------------------------------------------------------------------------------------- */

/* Joins a message to what this turn has brought before; false: it is one of its own. */
static bool join(struct hot_call *stream, const struct block *body, uint32_t rows) {
    struct hot_request *request = stream->joining;
    if (request == NULL || request->rows + rows > (uint32_t)stream->hot->results.rows_max ||
        request->body->size + body->size > HOT_REQUEST_MAX)
        return false;
    size_t before = request->body->capacity;
    if (!block_add(&request->body, body->data, body->size)) return false;
    request->rows += rows;
    size_t more = request->body->capacity - before;
    request->kept += more;
    owners_keep_more(stream->hot->front, request->owner, more);
    return true;
}

/* A message for which nothing is left in the bucket waits at its owner, behind those of its
   other streams; its stream is not read meanwhile, so that there is one at most of each. */
static void hold(struct hot_call *stream, struct block *body, uint32_t rows) {
    struct owner *owner = stream->call->connection->owner;
    struct front *front = stream->hot->front;
    if ((stream->held = hot_keep(stream, body, rows)) == NULL) return;
    stream->held_next = NULL;
    stream->held_prev = owner->held_last;
    if (owner->held_last != NULL)
        owner->held_last->held_next = stream;
    else
        owner->held_first = stream;
    owner->held_last = stream;
    COUNT(front, streams_held);
    owners_schedule(front, owner);
}

static struct hot_request *take_held(struct hot_call *stream) {
    struct hot_request *request = stream->held;
    struct owner *owner = request->owner;
    stream->held = NULL;
    if (stream->held_next != NULL)
        stream->held_next->held_prev = stream->held_prev;
    else
        owner->held_last = stream->held_prev;
    if (stream->held_prev != NULL)
        stream->held_prev->held_next = stream->held_next;
    else
        owner->held_first = stream->held_next;
    return request;
}

void hot_stream_let_go(struct hot_call *stream) {
    struct hot_request *request = take_held(stream);
    rates_take(request->owner, FRONT_PAYMENTS, request->rows);
    hot_submit_soon(request);
    hot_stream_resume(stream);
}

void hot_stream_drop_held(struct hot_call *stream) {
    if (stream->held == NULL) return;
    stream->rows_waiting -= stream->held->rows;
    hot_drop(take_held(stream));
}

void hot_stream_message(struct hot_call *stream, struct block *body) {
    struct call *call = stream->call;
    struct owner *owner = call->connection->owner;
    const struct queue_api *queue =
        atomic_load_explicit(&stream->hot->queue, memory_order_acquire);
    struct queue_counts counts;
    int rc = stream->ended ? QUEUE_STOPPED : queue->count(body->data, body->size, &counts);
    if (rc != QUEUE_OK) {
        block_free(body);
        if (rates_open(owner, FRONT_PAYMENTS, stream->hot->front->now_ms))
            rates_take(owner, FRONT_PAYMENTS, 1);
        if (!stream->ended) hot_stream_end(stream, hot_status_of(rc));
        return;
    }
    int status = hot_signed_on(stream);
    if (status >= 0) {
        block_free(body);
        hot_stream_end(stream, status);
        return;
    }
    stream->rows_waiting += counts.rows;
    if (owner->held_first != NULL ||
        !rates_open(owner, FRONT_PAYMENTS, stream->hot->front->now_ms)) {
        hold(stream, body, counts.rows);
        return;
    }
    if (join(stream, body, counts.rows)) {
        block_free(body);
    } else if ((stream->joining = hot_keep(stream, body, counts.rows)) == NULL) {
        return;
    } else {
        hot_submit_soon(stream->joining);
    }
    rates_take(owner, FRONT_PAYMENTS, counts.rows);
    if (may_read(stream)) request_want(call);
}

void hot_stream_end(struct hot_call *stream, int status) {
    if (stream->ended) return;
    stream->ended = true;
    stream->status = status;
    hot_stream_look(stream);
}

/* The queue did not take a request. What was read before it is answered first, and then
   the stream fails, though the client may have sent its end. */
void hot_stream_refuse(struct hot_call *stream, int status) {
    hot_stream_drop_held(stream);
    stream->refused = true;
    stream->ended = true;
    if (stream->status < 0) stream->status = status;
    hot_stream_look(stream);
}

/* All is read and answered: the end, whose status says nothing of what was told before. */
void hot_stream_look(struct hot_call *stream) {
    if (stream->call == NULL || !stream->ended || stream->rows_waiting > 0) return;
    if (stream->status < 0) {
        hot_finish_ok(stream);
        return;
    }
    const struct queue_api *queue =
        atomic_load_explicit(&stream->hot->queue, memory_order_acquire);
    hot_finish(stream, stream->status, (int64_t)queue->rows_waiting(queue->queue), false);
}

/* The queue is full: whether the stream may wait for room any longer. It does not read then. */
bool hot_stream_wait(struct hot_call *stream) {
    struct hot_payments *hot = stream->hot;
    int64_t now_ms = hot->front->now_ms;
    if (stream->room_ms == 0) stream->room_ms = now_ms + hot->results.room_wait_ms;
    stream->pass = hot->pass;
    return now_ms < stream->room_ms;
}

/* --- out ------------------------------------------------------------------------------------- */

void hot_stream_answer(struct hot_call *stream, const struct queue_taken *taken,
                       const struct queue_part *part) {
    front_assert(stream->rows_waiting >= part->rows);
    struct hot_reply *reply = NULL;
    if (taken->rc == QUEUE_OK) reply = hot_make_reply(stream, taken, part);
    if (reply == NULL) {
        /* What else was read and not told may be done. */
        bool committed = taken->rc == QUEUE_OK || stream->rows_waiting > part->rows;
        int status = taken->rc == QUEUE_OK ? HOT_STATUS_MEMORY : hot_status_of(taken->rc);
        hot_finish(stream, status, taken->ahead_ns / 1000000000, committed);
        return;
    }
    stream->rows_waiting -= part->rows;
    stream->rows_unsent += part->rows;
    reply_send(stream->call, &reply->message);
    hot_stream_look(stream);
}

void hot_stream_sent(struct hot_call *stream, uint32_t rows) {
    stream->rows_unsent -= rows;
    hot_stream_resume(stream);
}
