/* The reply's side of a call: headers, framed messages, trailers. */

#include <string.h>

#include "parts.h"

#define FIELD(name, value)                                                                 \
    {(uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1,           \
     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}

static const nghttp2_nv HEADERS[] = {FIELD(":status", "200"),
                                     FIELD("content-type", "application/grpc")};
enum { HEADERS_COUNT = sizeof(HEADERS) / sizeof(HEADERS[0]) };

static const struct {
    int code;
    const char *text;
} REASONS[FRONT_REASONS_END] = {
#define FRONT_ENTRY(name, code, text) [FRONT_REASON_##name] = {code, text},
    FRONT_REASONS(FRONT_ENTRY)
#undef FRONT_ENTRY
};

/* Appends fields to what is sent; those beyond FIELDS_MAX are not. */
static size_t append_fields(nghttp2_nv *out, size_t count, const struct block *fields) {
    struct field field;
    size_t offset = 0;
    while (count < FIELDS_MAX && fields_next(fields, &offset, &field)) {
        /* nghttp2 copies: the block may go before the frame does. Texts and details differ
           from call to call, and are not worth a place in the peer's table. */
        uint8_t flags = field.value_size > 4 ? NGHTTP2_NV_FLAG_NO_INDEX : 0;
        out[count++] = (nghttp2_nv){(uint8_t *)field.name, (uint8_t *)field.value,
                                    field.name_size, field.value_size, flags};
    }
    return count;
}

static size_t append_trailers(nghttp2_nv *out, size_t count, const struct call *call) {
    static const nghttp2_nv ok = FIELD("grpc-status", "0");
    if (call->end_fields != NULL) return append_fields(out, count, call->end_fields);
    out[count++] = ok;
    return count;
}

/* --- DATA -------------------------------------------------------------------------------- */

static int reply_trail(struct call *call) {
    nghttp2_nv trailers[FIELDS_MAX];
    call->trailing = true;
    return nghttp2_submit_trailer(call->connection->session, call->stream, trailers,
                                  append_trailers(trailers, 0, call));
}

/* How much of a call's queue the next frame takes; reply_write copies it. */
static nghttp2_ssize reply_read(nghttp2_session *session, int32_t stream, uint8_t *unused,
                                size_t size, uint32_t *flags, nghttp2_data_source *source,
                                void *user) {
    (void)session, (void)stream, (void)unused;
    struct connection *connection = user;
    struct call *call = source->ptr;
    if (connection->out.size >= OUT_FILL) {
        connection->starved = true;
        return NGHTTP2_ERR_PAUSE;
    }
    if (call->out_left == 0 && (!call->ending || call->trailing)) {
        call->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (size > call->out_left) size = call->out_left;
    if (size > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size == call->out_left && call->ending) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (reply_trail(call) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (nghttp2_ssize)size;
}

static void reply_pop(struct call *call) {
    struct front *front = call->connection->front;
    struct outgoing *message = call->out_first;
    call->out_first = message->next;
    if (call->out_first == NULL) call->out_last = NULL;
    call->out_offset = 0;
    owners_take_bytes(call->connection, call, message->size + OUTGOING_BYTES);
    message->release(front, message);
}

void reply_write(struct call *call, uint8_t *out, size_t size) {
    front_assert(size <= call->out_left);
    call->out_left -= size;
    while (size > 0) {
        struct outgoing *message = call->out_first;
        front_assert(message != NULL);
        while (call->out_offset < MESSAGE_HEAD && size > 0) {
            /* Not compressed, and the size in network order. */
            size_t at = call->out_offset++;
            *out++ = at == 0 ? 0 : (uint8_t)(message->size >> (8 * (MESSAGE_HEAD - 1 - at)));
            size--;
        }
        if (call->out_offset < MESSAGE_HEAD) return;
        size_t done = call->out_offset - MESSAGE_HEAD;
        size_t piece = message->size - done;
        if (piece > size) piece = size;
        if (piece > 0) memcpy(out, message->data + done, piece);
        out += piece;
        size -= piece;
        call->out_offset += piece;
        if (done + piece < message->size) continue;
        reply_pop(call);
        /* What is open as long as it is read pays for each message: a page is a read. */
        if (call->open == FRONT_FEEDS) rates_take(call->connection->owner, FRONT_READS, 1);
    }
    if (call->out_left == 0 && call->tell_sent && !call->ending) {
        call->tell_sent = false;
        calls_sent(call);
    }
}

void reply_drop(struct call *call) {
    while (call->out_first != NULL) reply_pop(call);
    call->out_left = 0;
}

/* --- what the caller says ------------------------------------------------------------------ */

static void reply_submit(struct call *call, const nghttp2_nv *fields, size_t count, bool data) {
    nghttp2_data_provider2 provider = {{.ptr = call}, reply_read};
    call->started = true;
    struct connection *connection = call->connection;
    http2_check(connection, nghttp2_submit_response2(connection->session, call->stream, fields,
                                                     count, data ? &provider : NULL));
}

void reply_start(struct call *call, const struct block *metadata) {
    if (call->started) return;
    if (metadata == NULL) {
        reply_submit(call, HEADERS, HEADERS_COUNT, true);
        return;
    }
    nghttp2_nv fields[FIELDS_MAX];
    memcpy(fields, HEADERS, sizeof(HEADERS));
    reply_submit(call, fields, append_fields(fields, HEADERS_COUNT, metadata), true);
}

static void reply_resume(struct call *call) {
    if (call->deferred) {
        call->deferred = false;
        http2_check(call->connection,
                    nghttp2_session_resume_data(call->connection->session, call->stream));
    }
}

void reply_send(struct call *call, struct outgoing *message) {
    message->next = NULL;
    if (call->out_last == NULL)
        call->out_first = message;
    else
        call->out_last->next = message;
    call->out_last = message;
    call->out_left += MESSAGE_HEAD + message->size;
    owners_add_bytes(call->connection, call, message->size + OUTGOING_BYTES);
    COUNT(call->connection->front, messages_out);
    reply_start(call, NULL);
    reply_resume(call);
}

static void reply_conclude(struct call *call, int code, struct block *fields) {
    call->ending = true;
    call->end_code = code;
    call->end_fields = fields;
    call->dropping = true;
    call->body_ms = 0;
    call->sent_ms = 0;
    request_drop(call);
    if (call->deadline_ns == 0) timers_clear(&call->connection->front->wheel, &call->timer);
    if (!call->started) {
        /* Nothing was sent: headers and trailers are one. */
        nghttp2_nv all[FIELDS_MAX];
        memcpy(all, HEADERS, sizeof(HEADERS));
        call->trailing = true;
        reply_submit(call, all, append_trailers(all, HEADERS_COUNT, call), false);
    } else if (call->out_left == 0) {
        /* Not by way of the queue, which waits for the peer's window: these need none. */
        http2_check(call->connection, reply_trail(call));
    }
}

void reply_finish(struct call *call, int code, struct block *fields) {
    reply_conclude(call, code, fields);
}

/* The budget that a reason says is used up; FRONT_SHARES_END: none. */
static int share_of(int reason) {
    switch (reason) {
    case FRONT_REASON_OVER_PAYMENTS: return FRONT_SHARE_PAYMENTS;
    case FRONT_REASON_OVER_READS: return FRONT_SHARE_READS;
    case FRONT_REASON_OVER_FETCHES: return FRONT_SHARE_FETCHES;
    case FRONT_REASON_OVER_CALLS: return FRONT_SHARE_CALLS;
    case FRONT_REASON_OVER_BUDGET: return FRONT_SHARE_BYTES;
    case FRONT_REASON_OVER_FEEDS: return FRONT_SHARE_FEEDS;
    case FRONT_REASON_OVER_WATCHES: return FRONT_SHARE_WATCHES;
    default: return FRONT_SHARES_END;
    }
}

/* Status and details of what the front answers itself; NULL: no memory. */
static struct block *refusal_fields(struct call *call, int reason, bool maybe_done) {
    const struct block *details = call->connection->front->details[reason][maybe_done];
    struct owner *owner = call->connection->owner;
    int rate = rates_of_reason(reason);
    struct block *fields = NULL, *own = NULL;
    bool good = true;
    if (reason == FRONT_REASON_COMPRESSED)
        good = fields_add(&fields, "grpc-accept-encoding", 20, "identity", 8);
    if (good && rate != FRONT_RATE_NONE && details != NULL) {
        /* When there is room again is known to the millisecond. */
        own = block_copy(details->data, details->size);
        int64_t wait_ms = rates_wait_ms(owner, rate, call->connection->front->now_ms);
        good = own != NULL && fields_add_retry(&own, wait_ms);
        details = own;
    }
    good = good && fields_add_status(&fields, REASONS[reason].code, REASONS[reason].text,
                                     strlen(REASONS[reason].text),
                                     details == NULL ? NULL : details->data,
                                     details == NULL ? 0 : details->size);
    block_free(own);
    if (good) return fields;
    block_free(fields);
    return NULL;
}

/* What the front answers itself, whoever has the call. */
void reply_refuse(struct call *call, int reason) {
    struct front *front = call->connection->front;
    int cause = reason == FRONT_REASON_DEADLINE ? FRONT_CAUSE_DEADLINE
                : reason == FRONT_REASON_SHED   ? FRONT_CAUSE_SHED
                                                : FRONT_CAUSE_REFUSED;
    bool was_ending = call->ending;
    COUNT(front, calls_refused);
    /* What is beyond a rate draws on no other; who is shed has done nothing. */
    if (rates_of_reason(reason) == FRONT_RATE_NONE && reason != FRONT_REASON_SHED)
        rates_refused(call, FRONT_READS);
    if (share_of(reason) != FRONT_SHARES_END) owners_over(call->connection, share_of(reason), 1);
    call->end_code = REASONS[reason].code;
    calls_end(call, cause);
    /* What was answered before a message that cannot be taken is sent before the status. */
    bool drop = cause != FRONT_CAUSE_REFUSED;
    bool torn = drop && call->out_offset > 0;
    if (drop) reply_drop(call);
    if (torn || was_ending) {
        /* After a part of a message there is no place for a status. */
        calls_reset(call, cause == FRONT_CAUSE_SHED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_CANCEL);
        return;
    }
    /* A call that takes one message has done nothing before that is there, whoever has it, nor
       before its rate was asked. */
    bool is_one = call->kind != FRONT_BIDI;
    bool over_rate = rates_of_reason(reason) != FRONT_RATE_NONE;
    bool maybe_done = call->given && (!is_one || (call->whole && !over_rate));
    struct block *fields = refusal_fields(call, reason, maybe_done || call->tried_before);
    if (fields == NULL) {
        connection_fail(call->connection, FRONT_CAUSE_MEMORY);
        return;
    }
    reply_conclude(call, REASONS[reason].code, fields);
}

/* An answer of HTTP alone, to what is no gRPC. */
void reply_status(struct call *call, const char *status) {
    nghttp2_nv field = {(uint8_t *)":status", (uint8_t *)status, 7, strlen(status), 0};
    COUNT(call->connection->front, calls_refused);
    rates_refused(call, FRONT_READS);
    call->ending = true;
    call->dropping = true;
    call->trailing = true;
    reply_submit(call, &field, 1, false);
}
