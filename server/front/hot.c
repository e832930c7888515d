/* The hot calls: payments one by one, baskets and batches; what streams share with them.

   Requests are submitted at the end of a turn, so that a cancel that was read with its call
   wins. An answer comes from the queue only with a group that is on the disk. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "hot_parts.h"

#define HOT_ENTRY(name) #name,
const char *const hot_status_names[] = {HOT_STATUSES(HOT_ENTRY)};
#undef HOT_ENTRY

static inline const struct queue_api *queue_of(const struct hot_payments *hot) {
    return atomic_load_explicit(&hot->queue, memory_order_acquire);
}

/* --- calls ------------------------------------------------------------------------------- */

void hot_unref(struct hot_call *one) {
    if (--one->refs == 0) free(one);
}

static void hot_count(struct hot_call *one, int code) {
    struct hot_payments *hot = one->hot;
    const struct hot_results *bounds = &hot->results;
    int64_t spent_ns = clock_ns() - one->begun_ns;
    size_t step = 0;
    while (step < bounds->steps_count && spent_ns > bounds->steps_ns[step]) step++;
    uint32_t role = one->call->connection->role;
    uint64_t *calls = hot->counts.calls[one->method][role < HOT_ROLES ? role : 0];
    count_add((int64_t *)&calls[code], 1);
    count_add((int64_t *)&hot->counts.steps[one->method][step], 1);
    count_add((int64_t *)&hot->counts.spent_ns[one->method], spent_ns);
}

const struct hot_counts *hot_counts(const struct hot_payments *hot) { return &hot->counts; }

/* The call is over, and its record stays for what is still under way. */
static void hot_detach(struct hot_call *one, int code) {
    hot_count(one, code);
    if (one->method == HOT_STREAM) hot_stream_over(one);
    one->call->hot = NULL;
    one->call = NULL;
    hot_unref(one);
}

void hot_finish_ok(struct hot_call *one) {
    struct call *call = one->call;
    hot_detach(one, 0);
    reply_finish(call, 0, NULL);
}

static size_t hot_text(const struct hot_status *status, const char *what, char *to) {
    const char *from = (const char *)status->text->data;
    size_t size = status->text->size;
    const char *hole = memmem(from, size, "{}", 2);
    int written = hole == NULL
                      ? snprintf(to, HOT_TEXT_MAX, "%.*s", (int)size, from)
                      : snprintf(to, HOT_TEXT_MAX, "%.*s%s%.*s", (int)(hole - from), from, what,
                                 (int)(size - (size_t)(hole - from) - 2), hole + 2);
    return written < HOT_TEXT_MAX ? (size_t)written : HOT_TEXT_MAX - 1;
}

/* The details of a status whose text has a place: they were made without a message, which is
   put before them (field 2 of google.rpc.Status), as it must be the text. */
static struct block *hot_details(const struct block *made, const char *text, size_t size) {
    uint8_t head[3] = {0x12, (uint8_t)size};
    size_t head_size = 2;
    if (size >= 0x80) {
        head[1] = (uint8_t)(0x80 | (size & 0x7F));
        head[head_size++] = (uint8_t)(size >> 7);
    }
    struct block *whole = block_new(head_size + size + made->size);
    if (whole == NULL) return NULL;
    memcpy(whole->data, head, head_size);
    memcpy(whole->data + head_size, text, size);
    memcpy(whole->data + head_size + size, made->data, made->size);
    whole->size = head_size + size + made->size;
    return whole;
}

/* Ends a call with a status; `number` stands in its text, if that has a place for one. */
void hot_finish(struct hot_call *one, int which, int64_t number, bool committed) {
    struct hot_payments *hot = one->hot;
    const struct queue_api *queue = queue_of(hot);
    struct call *call = one->call;
    char what[HOT_TEXT_MAX], text[HOT_TEXT_MAX], why[HOT_TEXT_MAX / 2];
    snprintf(what, sizeof(what), "%lld", (long long)number);
    if (which == HOT_STATUS_STOPPED) {
        int code = queue->died(queue->queue, why, sizeof(why));
        if (code != 0) {
            which = HOT_STATUS_DEAD;
            snprintf(what, sizeof(what), "%d: %s", code, why);
        }
    }
    const struct hot_status *status = &hot->statuses[one->method][which];
    const struct block *details = status->details[committed || call->tried_before];
    struct block *fields = NULL, *own = NULL;
    size_t size = hot_text(status, what, text);
    bool has_place = memmem(status->text->data, status->text->size, "{}", 2) != NULL;
    if (has_place) details = own = hot_details(details, text, size);
    bool added = details != NULL && fields_add_status(&fields, status->code, text, size,
                                                      details->data, details->size);
    block_free(own);
    if (!added) {
        block_free(fields);
        connection_fail(call->connection, FRONT_CAUSE_MEMORY);
        return; /* the call is ended with its connection */
    }
    hot_detach(one, status->code);
    reply_finish(call, status->code, fields);
}

int hot_status_of(int rc) {
    switch (rc) {
    case QUEUE_MANY: return HOT_STATUS_MANY;
    case QUEUE_NONE: return HOT_STATUS_NONE;
    case QUEUE_FRAMING: return HOT_STATUS_FRAMING;
    case QUEUE_FULL: return HOT_STATUS_FULL;
    case QUEUE_SPACE: return HOT_STATUS_SPACE;
    case QUEUE_CLOCK: return HOT_STATUS_CLOCK;
    case QUEUE_STOPPED: return HOT_STATUS_STOPPED;
    case QUEUE_NOT_LEADER: return HOT_STATUS_NOT_LEADER;
    default: return HOT_STATUS_UNKNOWN;
    }
}

/* --- requests ---------------------------------------------------------------------------- */

int hot_signed_on(struct hot_call *one) {
    switch (sessions_of_call(one->call, &one->operator_)) {
    case FRONT_SESSION_UNKNOWN: return HOT_STATUS_SESSION_UNKNOWN;
    case FRONT_SESSION_ENDED: return HOT_STATUS_SESSION_ENDED;
    default: return -1;
    }
}

struct hot_request *hot_keep(struct hot_call *one, struct block *body, uint32_t rows) {
    struct call *call = one->call;
    struct hot_payments *hot = one->hot;
    struct hot_request *request = calloc(1, sizeof(*request));
    if (request == NULL) {
        block_free(body);
        connection_fail(call->connection, FRONT_CAUSE_MEMORY);
        return NULL;
    }
    request->call = one;
    one->refs++;
    request->body = body;
    request->rows = rows;
    request->sender = call->connection->sender;
    request->centre = call->connection->bound;
    request->operator_ = one->operator_;
    request->owner = call->connection->owner;
    request->kept = sizeof(*request) + body->capacity;
    owners_keep(hot->front, request->owner, request->kept);
    hot->requests_count++;
    return request;
}

void hot_submit_soon(struct hot_request *request) {
    struct hot_payments *hot = request->call->hot;
    *hot->end = request;
    hot->end = &request->next;
}

void hot_drop(struct hot_request *request) {
    struct hot_payments *hot = request->call->hot;
    owners_let_go(hot->front, request->owner, request->kept);
    hot->requests_count--;
    hot_unref(request->call);
    block_free(request->body);
    free(request);
}

/* One that was not submitted has cost its sender nothing. */
static void hot_give_back(struct hot_request *request) {
    rates_give_back(request->owner, FRONT_PAYMENTS, request->rows);
    hot_drop(request);
}

/* The queue is through with a request. */
static void hot_let_go(void *owner) { hot_drop(owner); }

void hot_lead_until(struct hot_payments *hot, int64_t until_ns) {
    atomic_store_explicit(&hot->leads_until_ns, until_ns, memory_order_relaxed);
}

/* Whether another node may lead by now. The clock alone says so: no thread needs to have run,
   as after a stop of the process. What was submitted before goes its way: its call came before
   that moment, and an answer may be as old as its call. */
static bool hot_is_unconfirmed(const struct hot_payments *hot) {
    int64_t until_ns = atomic_load_explicit(&hot->leads_until_ns, memory_order_relaxed);
    return until_ns != 0 && clock_ns() > until_ns;
}

/* Whether it is done with: false, it stays and is tried again. */
static bool hot_submit(struct hot_payments *hot, struct hot_request *request) {
    const struct queue_api *queue = queue_of(hot);
    struct hot_call *one = request->call;
    if (one->call == NULL || one->refused) {
        one->rows_waiting -= request->rows;
        hot_stream_look(one);
        hot_give_back(request);
        return true;
    }
    if (one->pass == hot->pass) return false; /* the one before it found no room */
    /* Nor did another stream of its owner, for which there was no less. */
    bool full = one->method == HOT_STREAM && request->owner->full_pass == hot->pass;
    struct queue_request submitted = {.body = request->body->data,
                                      .size = request->body->size,
                                      .rows = request->rows,
                                      .sender = request->sender,
                                      .centre = request->centre,
                                      .operator_ = request->operator_,
                                      .tag = (uintptr_t)one,
                                      .owner = request};
    bool unconfirmed = hot_is_unconfirmed(hot);
    int rc = unconfirmed ? QUEUE_NOT_LEADER
             : full      ? QUEUE_FULL
                         : queue->submit(queue->queue, hot->taker, &submitted);
    if (rc == QUEUE_FULL) request->owner->full_pass = hot->pass;
    if (rc == QUEUE_OK) {
        if (one->room_ms != 0) {
            one->room_ms = 0;
            hot_stream_resume(one);
        }
        return true;
    }
    int status = unconfirmed ? HOT_STATUS_UNCONFIRMED : hot_status_of(rc);
    int64_t number = (int64_t)queue->rows_waiting(queue->queue);
    if (one->method != HOT_STREAM) {
        hot_finish(one, status, number, false);
    } else if (rc == QUEUE_FULL && hot_stream_wait(one)) {
        return false;
    } else {
        one->rows_waiting -= request->rows;
        hot_stream_refuse(one, status);
    }
    hot_give_back(request);
    return true;
}

/* Those that find no room wait for it, and are tried again when it is time, not with each
   turn. Behind one of a stream that waits its later ones do, too. */
static void hot_submit_all(struct hot_payments *hot, struct hot_request *request, bool again) {
    hot->pass++;
    for (struct hot_request *next; request != NULL; request = next) {
        next = request->next;
        request->next = NULL;
        struct hot_call *one = request->call;
        if (one->joining == request) one->joining = NULL;
        if (request->waits) {
            request->waits = false;
            one->waiting_count--;
        }
        if ((again || one->waiting_count == 0) && hot_submit(hot, request)) continue;
        request->waits = true;
        one->waiting_count++;
        *hot->waiting_end = request;
        hot->waiting_end = &request->next;
    }
    if (hot->waiting != NULL && hot->timer.next == NULL)
        timers_set(&hot->front->wheel, &hot->timer, hot->front->now_ms + HOT_RETRY_MS);
}

static void hot_turn(struct hot *base) {
    struct hot_payments *hot = (struct hot_payments *)base;
    while (hot->resumed != NULL) {
        struct hot_call *stream = hot->resumed;
        hot->resumed = stream->next_resumed;
        stream->resumed = false;
        if (stream->call != NULL) request_want(stream->call);
        hot_unref(stream);
    }
    if (hot->first == NULL) return;
    struct hot_request *request = hot->first;
    hot->first = NULL;
    hot->end = &hot->first;
    hot_submit_all(hot, request, false);
}

static void hot_retry(struct hot *base) {
    struct hot_payments *hot = (struct hot_payments *)base;
    struct hot_request *request = hot->waiting;
    hot->waiting = NULL;
    hot->waiting_end = &hot->waiting;
    hot_submit_all(hot, request, true);
}

static void hot_room(struct hot *base, struct owner *owner) {
    struct hot_payments *hot = (struct hot_payments *)base;
    while (owner->held_first != NULL &&
           rates_open(owner, FRONT_PAYMENTS, hot->front->now_ms))
        hot_stream_let_go(owner->held_first);
    hot_turn(base);
}

/* --- answers ------------------------------------------------------------------------------ */

static void hot_release(struct front *front, struct outgoing *message) {
    (void)front;
    struct hot_reply *reply = (struct hot_reply *)message;
    if (reply->call->method == HOT_STREAM) hot_stream_sent(reply->call, reply->rows);
    hot_unref(reply->call);
    free(reply);
}

struct hot_reply *hot_make_reply(struct hot_call *one, const struct queue_taken *taken,
                                 const struct queue_part *part) {
    struct hot_reply *reply = malloc(sizeof(*reply) + part->size);
    if (reply == NULL) return NULL;
    const struct queue_api *queue = queue_of(one->hot);
    queue->copy(taken, part, reply->data);
    reply->message.data = reply->data;
    reply->message.size = part->size;
    reply->message.release = hot_release;
    reply->call = one;
    one->refs++;
    reply->rows = part->rows;
    return reply;
}

/* A result that the call is told by a status; -1: it is told by its outcome. */
static int hot_told(const struct hot_call *one, const struct queue_part *part) {
    const struct hot_results *results = &one->hot->results;
    if (one->method == HOT_BATCH) return -1;
    if (part->result == results->damaged) return HOT_STATUS_DAMAGED;
    if (part->result == results->refusals) return HOT_STATUS_REFUSALS;
    if (part->result != results->biller_busy) return -1;
    return part->field == results->field_debit ? HOT_STATUS_CENTRE_BUSY : HOT_STATUS_BILLER_BUSY;
}

static void hot_answer(struct hot_call *one, const struct queue_taken *taken,
                       const struct queue_part *part) {
    if (one->call == NULL) return;
    struct connection *connection = one->call->connection;
    if (part->refusals > 0) owners_over(connection, FRONT_SHARE_REFUSALS, part->refusals);
    if (part->holds > 0) owners_over(connection, FRONT_SHARE_HOLDS, part->holds);
    if (one->method == HOT_STREAM) {
        hot_stream_answer(one, taken, part);
        return;
    }
    if (taken->rc != QUEUE_OK) {
        hot_finish(one, hot_status_of(taken->rc), taken->ahead_ns / 1000000000, false);
        return;
    }
    int status = hot_told(one, part);
    if (status >= 0) {
        hot_finish(one, status, 0, false);
        return;
    }
    struct hot_reply *reply = hot_make_reply(one, taken, part);
    if (reply == NULL) {
        hot_finish(one, HOT_STATUS_MEMORY, 0, true);
        return;
    }
    struct call *call = one->call;
    hot_detach(one, 0);
    reply_send(call, &reply->message);
    reply_finish(call, 0, NULL);
}

void hot_take(struct hot_payments *hot) {
    const struct queue_api *queue = queue_of(hot);
    if (queue == NULL) return;
    struct queue_taken taken;
    queue->clear(queue->queue, hot->taker);
    while (queue->take(queue->queue, hot->taker, &taken)) {
        for (uint32_t i = 0; i < taken.parts_count; i++)
            hot_answer((struct hot_call *)(uintptr_t)taken.parts[i].tag, &taken,
                       &taken.parts[i]);
        queue->release(queue->queue, hot->taker, &taken);
    }
}

int hot_fileno(const struct hot_payments *hot) { return hot->hot.fd; }

static void hot_ready(struct hot *base) { hot_take((struct hot_payments *)base); }

/* --- what the front says -------------------------------------------------------------------- */

static bool hot_headers(struct hot *base, struct call *call) {
    struct hot_payments *hot = (struct hot_payments *)base;
    if (queue_of(hot) == NULL) return false;
    struct hot_call *one = calloc(1, sizeof(*one));
    if (one == NULL) {
        connection_fail(call->connection, FRONT_CAUSE_MEMORY);
        return false;
    }
    one->hot = hot;
    one->call = call;
    one->begun_ns = clock_ns();
    one->refs = 1;
    one->status = -1;
    while (hot->method_of[one->method] != call->method) one->method++;
    call->hot = one;
    if (one->method != HOT_STREAM) return true;
    hot_stream_begin(one);
    if (hot->stopping)
        hot_finish(one, HOT_STATUS_STOPPING_NEW, 0, false);
    else
        request_want(call);
    return true;
}

static void hot_message(struct hot *base, struct call *call, struct block *body) {
    struct hot_payments *hot = (struct hot_payments *)base;
    struct hot_call *one = call->hot;
    /* From here on they are a request's, or gone. */
    calls_take_back(call);
    call->charged = true; /* by its rows, below */
    one->taken = true;
    if (one->method == HOT_STREAM) {
        hot_stream_message(one, body);
        return;
    }
    if (hot->stopping) {
        block_free(body);
        hot_finish(one, HOT_STATUS_STOPPING_NEW, 0, false);
        return;
    }
    const struct queue_api *queue = queue_of(hot);
    struct queue_counts counts;
    int rc = queue->count(body->data, body->size, &counts);
    int status = rc == QUEUE_OK ? -1 : hot_status_of(rc);
    if (status < 0) status = hot_signed_on(one);
    if (rc == QUEUE_OK && one->method == HOT_PAYMENT && (counts.payments != 1 || counts.baskets))
        status = HOT_STATUS_OTHER;
    if (rc == QUEUE_OK && one->method == HOT_BASKET && (counts.baskets != 1 || counts.payments))
        status = HOT_STATUS_OTHER;
    struct owner *owner = call->connection->owner;
    bool is_open = rates_open(owner, FRONT_PAYMENTS, hot->front->now_ms);
    if (status >= 0) {
        /* What is no request has been read nevertheless. */
        if (is_open) rates_take(owner, FRONT_PAYMENTS, 1);
        block_free(body);
        hot_finish(one, status, 0, false);
        return;
    }
    /* Since its headers others may have taken what was left. */
    if (!is_open) {
        block_free(body);
        reply_refuse(call, FRONT_REASON_OVER_PAYMENTS);
        return;
    }
    one->rows_waiting = counts.rows;
    struct hot_request *request = hot_keep(one, body, counts.rows);
    if (request == NULL) return;
    rates_take(owner, FRONT_PAYMENTS, counts.rows);
    hot_submit_soon(request);
}

static void hot_half_closed(struct hot *base, struct call *call) {
    (void)base;
    /* A stream that has brought nothing was opened all the same. */
    rates_refused(call, FRONT_PAYMENTS);
    hot_stream_end(call->hot, -1);
}

static void hot_ended(struct hot *base, struct call *call, int cause) {
    (void)base;
    hot_detach(call->hot, cause == FRONT_CAUSE_DEADLINE  ? CODE_DEADLINE_EXCEEDED
                          : cause == FRONT_CAUSE_REFUSED ? call->end_code
                                                         : CODE_CANCELLED);
}

static void hot_revoked(struct hot *base, struct call *call) {
    (void)base;
    struct hot_call *one = call->hot;
    if (one->method == HOT_STREAM && hot_stream_waits(one))
        /* What waits for room was not taken, and may not be made any more. */
        hot_stream_refuse(one, HOT_STATUS_REVOKED);
    else if (one->method == HOT_STREAM)
        hot_stream_end(one, HOT_STATUS_REVOKED);
    else if (!one->taken)
        hot_finish(one, HOT_STATUS_REVOKED, 0, false);
    /* One that was taken while it might be made is answered. */
}

static void hot_stop(struct hot *base) {
    struct hot_payments *hot = (struct hot_payments *)base;
    hot->stopping = true;
    for (struct hot_call *stream = hot->streams, *next; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->held != NULL)
            /* Its time may be far off. */
            hot_stream_refuse(stream, HOT_STATUS_STOPPING);
        else
            hot_stream_end(stream, HOT_STATUS_STOPPING);
    }
}

/* --- begin and end ---------------------------------------------------------------------------- */

struct hot_payments *hot_new(struct front *front, const int methods[HOT_METHODS],
                             const struct hot_results *results) {
    struct hot_payments *hot = calloc(1, sizeof(*hot));
    if (hot == NULL) return NULL;
    hot->hot = (struct hot){.headers = hot_headers,
                            .message = hot_message,
                            .half_closed = hot_half_closed,
                            .ended = hot_ended,
                            .revoked = hot_revoked,
                            .turn = hot_turn,
                            .retry = hot_retry,
                            .ready = hot_ready,
                            .stop = hot_stop,
                            .room = hot_room,
                            .fd = -1};
    hot->front = front;
    hot->results = *results;
    hot->end = &hot->first;
    hot->waiting_end = &hot->waiting;
    hot->pass = 1;
    hot->timer.kind = TIMER_HOT;
    for (int i = 0; i < HOT_METHODS; i++) {
        hot->method_of[i] = methods[i];
        front->methods[methods[i]].hot = &hot->hot;
    }
    front->hot = &hot->hot;
    return hot;
}

bool hot_set_status(struct hot_payments *hot, int method, int status, int code,
                    const void *text, size_t text_size, const void *details,
                    size_t details_size, const void *committed, size_t committed_size) {
    struct hot_status *to = &hot->statuses[method][status];
    to->code = code;
    to->text = block_copy(text, text_size);
    to->details[0] = block_copy(details, details_size);
    to->details[1] = block_copy(committed, committed_size);
    return to->text != NULL && to->details[0] != NULL && to->details[1] != NULL;
}

int hot_open(struct hot_payments *hot, const struct queue_api *queue) {
    if (queue->version != QUEUE_API_VERSION) return -EINVAL;
    hot->taker = queue->open(queue->queue, hot_let_go);
    if (hot->taker < 0) return hot->taker;
    hot->hot.fd = queue->fileno(queue->queue, hot->taker);
    if (hot->hot.fd < 0) return hot->hot.fd;
    /* The front thread finds the queue before it is woken by it. */
    atomic_store_explicit(&hot->queue, queue, memory_order_release);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &hot->front->hot_source};
    return epoll_ctl(hot->front->epoll_fd, EPOLL_CTL_ADD, hot->hot.fd, &event) == 0 ? 0 : -errno;
}

void hot_close(struct hot_payments *hot) {
    while (hot->first != NULL) {
        struct hot_request *request = hot->first;
        hot->first = request->next;
        hot_drop(request);
    }
    hot->end = &hot->first;
    while (hot->waiting != NULL) {
        struct hot_request *request = hot->waiting;
        hot->waiting = request->next;
        hot_drop(request);
    }
    hot->waiting_end = &hot->waiting;
    while (hot->resumed != NULL) {
        struct hot_call *stream = hot->resumed;
        hot->resumed = stream->next_resumed;
        hot_unref(stream);
    }
    hot_take(hot);
    /* The queue was not stopped: bytes that it may still read are left to it. */
    if (hot->requests_count > 0) return;
    for (int i = 0; i < HOT_METHODS; i++)
        for (int j = 0; j < HOT_STATUSES_END; j++) {
            struct hot_status *status = &hot->statuses[i][j];
            block_free(status->text);
            block_free(status->details[0]);
            block_free(status->details[1]);
        }
    free(hot);
}
