/* The request's side of a call: its headers, and the framing of its messages.

   A call is refused at its headers if they are enough to know: its body is then read and
   forgotten. A message is kept only if somebody wants it; what else a stream has sent is
   kept as it came, and its window is not given back. */

#include <string.h>

#include "parts.h"

static bool is(nghttp2_vec text, const char *other, size_t size) {
    return text.len == size && memcmp(text.base, other, size) == 0;
}

#define IS(text, literal) is(text, literal, sizeof(literal) - 1)

static void refuse_later(struct call *call, int reason) {
    if (call->refusal == FRONT_REASON_NONE) call->refusal = (uint8_t)reason;
}

/* --- headers ------------------------------------------------------------------------------- */

static uint32_t hash_path(const uint8_t *path, size_t size) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ path[i]) * 16777619u;
    return hash ^ hash >> 16;
}

void request_index_methods(struct front *front) {
    for (size_t i = 0; i < METHOD_SLOTS; i++) front->method_slots[i] = -1;
    for (size_t i = 0; i < front->methods_count; i++) {
        struct method *method = &front->methods[i];
        uint32_t hash = hash_path((const uint8_t *)method->path, method->path_size);
        int32_t *slot = &front->method_slots[hash % METHOD_SLOTS];
        method->next = *slot;
        *slot = (int32_t)i;
    }
}

static void request_path(struct call *call, nghttp2_vec path) {
    struct front *front = call->connection->front;
    int32_t at = front->method_slots[hash_path(path.base, path.len) % METHOD_SLOTS];
    for (; at >= 0; at = front->methods[at].next) {
        const struct method *method = &front->methods[at];
        if (!is(path, method->path, method->path_size)) continue;
        call->method = at;
        call->kind = method->kind;
        return;
    }
    size_t size = path.len < PATH_MAX_BYTES ? path.len : PATH_MAX_BYTES;
    call->path = block_copy(path.base, size);
    if (call->path == NULL) connection_fail(call->connection, FRONT_CAUSE_MEMORY);
}

/* One to eight digits and a unit; -1: it is none. */
static int64_t timeout_ns(nghttp2_vec text) {
    if (text.len < 2 || text.len > 9) return -1;
    int64_t number = 0;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') return -1;
        number = number * 10 + (text.base[i] - '0');
    }
    switch (text.base[text.len - 1]) {
    case 'n': return number;
    case 'u': return number * 1000;
    case 'm': return number * 1000000;
    case 'S': return number * 1000000000;
    case 'M': return number * 60 * 1000000000;
    case 'H': return number < 1000000 ? number * 3600 * 1000000000 : INT64_MAX / 2;
    default: return -1;
    }
}

static void request_timeout(struct call *call, nghttp2_vec value) {
    int64_t ns = timeout_ns(value);
    size_t size = value.len < FRONT_TIMEOUT_SIZE - 1 ? value.len : FRONT_TIMEOUT_SIZE - 1;
    memcpy(call->timeout, value.base, size);
    call->timeout[size] = 0;
    if (ns < 0) {
        refuse_later(call, FRONT_REASON_TIMEOUT_MALFORMED);
        return;
    }
    /* From when it came, which may be late in a long turn: the clock is asked anew. */
    int64_t now_ns = clock_ns();
    call->deadline_ns = ns > INT64_MAX / 2 - now_ns ? INT64_MAX / 2 : now_ns + ns;
}

/* Counts a header of so many letters; false: with it they are too many, and it is not kept. */
static bool request_count(struct call *call, size_t size) {
    call->metadata_size += size + FIELD_OVERHEAD;
    if (call->metadata_size <= (size_t)call->connection->front->bounds.metadata_bytes_max)
        return true;
    refuse_later(call, FRONT_REASON_METADATA_TOO_LARGE);
    return false;
}

/* Binary values are handed on as bytes; one field may have several, with commas between. Each
   has its name again, and costs it. */
static bool request_add_binary(struct call *call, nghttp2_vec name, nghttp2_vec value) {
    for (;;) {
        const uint8_t *comma = value.len > 0 ? memchr(value.base, ',', value.len) : NULL;
        size_t size = comma == NULL ? value.len : (size_t)(comma - value.base);
        struct block *bytes = NULL;
        bool good = base64_decode(value.base, size, &bytes) &&
                    fields_add(&call->metadata, name.base, name.len, bytes->data, bytes->size);
        block_free(bytes);
        if (!good) return false;
        if (comma == NULL || !request_count(call, name.len)) return true;
        value.base += size + 1;
        value.len -= size + 1;
        while (value.len > 0 && value.base[0] == ' ') value.base++, value.len--;
    }
}

/* Only what somebody reads is kept. */
static void request_metadata(struct call *call, nghttp2_vec name, nghttp2_vec value) {
    if (!IS(name, FRONT_SESSION_NAME) && !IS(name, FRONT_MIN_SEQUENCE_NAME) &&
        !IS(name, FRONT_ATTEMPTS_NAME))
        return;
    if (name.len > 4 && memcmp(name.base + name.len - 4, "-bin", 4) == 0) {
        if (!request_add_binary(call, name, value))
            refuse_later(call, FRONT_REASON_METADATA_MALFORMED);
    } else if (!fields_add(&call->metadata, name.base, name.len, value.base, value.len)) {
        connection_fail(call->connection, FRONT_CAUSE_MEMORY);
    }
}

static bool is_grpc(nghttp2_vec value) {
    static const char type[] = "application/grpc";
    enum { SIZE = sizeof(type) - 1 };
    if (value.len < SIZE || memcmp(value.base, type, SIZE) != 0) return false;
    if (value.len > SIZE && value.base[SIZE] == '+') {
        /* Messages are protobuf's, and of no other format. */
        static const char format[] = "+proto";
        enum { FORMAT = sizeof(format) - 1 };
        if (value.len < SIZE + FORMAT || memcmp(value.base + SIZE, format, FORMAT) != 0)
            return false;
        return value.len == SIZE + FORMAT || value.base[SIZE + FORMAT] == ';';
    }
    return value.len == SIZE || value.base[SIZE] == ';';
}

void request_header(struct call *call, nghttp2_vec name, nghttp2_vec value) {
    if (!request_count(call, name.len + value.len)) return;
    if (name.base[0] == ':') {
        if (IS(name, ":path"))
            request_path(call, value);
        else if (IS(name, ":method"))
            call->got_post = IS(value, "POST");
    } else if (name.len > 5 && memcmp(name.base, "grpc-", 5) == 0) {
        if (IS(name, "grpc-timeout"))
            request_timeout(call, value);
        else if (IS(name, "grpc-encoding")) {
            call->got_encoding = !IS(value, "identity");
            if (call->got_encoding) refuse_later(call, FRONT_REASON_COMPRESSED);
        } else if (IS(name, FRONT_ATTEMPTS_NAME)) {
            call->tried_before = true;
            request_metadata(call, name, value);
        }
    } else if (IS(name, "content-type")) {
        call->got_content_type = is_grpc(value);
    } else {
        request_metadata(call, name, value);
    }
}

/* What refuses a call at its headers, in order; NONE: nothing. */
static int request_refusal(const struct call *call) {
    const struct front *front = call->connection->front;
    if (call->refusal != FRONT_REASON_NONE) return call->refusal;
    if (call->deadline_ns > 0 && call->deadline_ns <= clock_ns()) return FRONT_REASON_DEADLINE;
    const struct owner *owner = call->connection->owner;
    if (owner->calls > owner->budgets.owner_calls_max) return FRONT_REASON_OVER_CALLS;
    if (front->counters.bytes_held > front->bounds.process_bytes_max)
        return FRONT_REASON_SERVER_FULL;
    return owners_ask_bytes(call->connection, 0);
}

void request_headers_whole(struct call *call) {
    struct connection *connection = call->connection;
    struct front *front = connection->front;
    call->headers_whole = true;
    /* There was no memory for something of them: nobody is given half a call. */
    if (connection->failed) return;
    if (call->metadata != NULL) owners_add_bytes(connection, call, call->metadata->capacity);
    if (!call->got_post || (!call->got_content_type && call->refusal == FRONT_REASON_NONE)) {
        reply_status(call, call->got_post ? "415" : "405");
        return;
    }
    int refusal = request_refusal(call);
    if (refusal != FRONT_REASON_NONE) {
        if (refusal == FRONT_REASON_COMPRESSED) COUNT(front, calls_unsupported);
        reply_refuse(call, refusal);
        return;
    }
    call->allowed = call->method >= 0 && connection->rights[call->method];
    refusal = rates_begin(call);
    if (refusal != FRONT_REASON_NONE) {
        reply_refuse(call, refusal);
        return;
    }
    struct hot *hot = call->allowed ? front->methods[call->method].hot : NULL;
    if (hot != NULL && hot->headers(hot, call)) {
        front_assert(call->hot != NULL || call->ending);
        call->given = true;
    } else if (!call->allowed) {
        call->dropping = true;
        calls_give(call, NULL);
    } else if (call->kind == FRONT_BIDI) {
        calls_give(call, NULL);
    }
    if (call->allowed && call->kind != FRONT_BIDI) {
        call->wanted = true;
        call->body_ms = front->now_ms + front->bounds.body_ms;
    }
    calls_schedule(call);
}

/* --- messages ------------------------------------------------------------------------------ */

/* Grows a block of the call by `data`, within the budgets; false: the call is refused. */
static bool request_keep(struct call *call, struct block **block, const uint8_t *data,
                         size_t size) {
    struct connection *connection = call->connection;
    size_t before = *block == NULL ? 0 : (*block)->capacity;
    if (*block == NULL || (*block)->size + size > before) {
        int reason = owners_ask_bytes(connection, size);
        if (reason != FRONT_REASON_NONE) {
            reply_refuse(call, reason);
            return false;
        }
    }
    if (!block_add(block, data, size)) {
        connection_fail(connection, FRONT_CAUSE_MEMORY);
        return false;
    }
    if ((*block)->capacity > before)
        owners_add_bytes(connection, call, (*block)->capacity - before);
    return true;
}

/* A message's head is whole; false: the call is refused. */
static bool request_begin_message(struct call *call) {
    const struct front_bounds *bounds = &call->connection->front->bounds;
    const uint8_t *head = call->head;
    call->message_size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 |
                         (size_t)head[4];
    int reason = FRONT_REASON_NONE;
    if (head[0] > 1)
        reason = FRONT_REASON_FRAMING;
    else if (head[0] == 1)
        reason = FRONT_REASON_MESSAGE_COMPRESSED;
    else if (call->message_size > (size_t)bounds->message_bytes_max)
        reason = call->kind == FRONT_BIDI ? FRONT_REASON_STREAM_MESSAGE_TOO_LARGE
                                          : FRONT_REASON_MESSAGE_TOO_LARGE;
    else if (call->whole)
        reason = FRONT_REASON_SECOND_MESSAGE;
    if (reason != FRONT_REASON_NONE) {
        reply_refuse(call, reason);
        return false;
    }
    if (call->message_size + MESSAGE_HEAD > call->window) {
        http2_widen(call, call->message_size + MESSAGE_HEAD);
        call->widened = true;
    }
    if (call->message_size > 0 && call->message_size <= READ_SIZE) {
        /* Here, since it need not grow: request_keep asks for what does. */
        reason = owners_ask_bytes(call->connection, call->message_size);
        if (reason != FRONT_REASON_NONE) {
            reply_refuse(call, reason);
            return false;
        }
        call->message = block_new(call->message_size);
        if (call->message == NULL) {
            connection_fail(call->connection, FRONT_CAUSE_MEMORY);
            return false;
        }
        owners_add_bytes(call->connection, call, call->message_size);
    }
    return true;
}

/* A message is whole: it goes to who wants it. */
static void request_end_message(struct call *call) {
    struct front *front = call->connection->front;
    struct block *message = call->message;
    if (message == NULL && (message = block_new(0)) == NULL) {
        connection_fail(call->connection, FRONT_CAUSE_MEMORY);
        return;
    }
    COUNT(front, messages_in);
    call->head_count = 0;
    if (call->widened) {
        http2_widen(call, (size_t)front->bounds.window_bytes);
        call->widened = false;
    }
    if (call->kind != FRONT_BIDI) {
        call->message = message;
        call->whole = true;
        return;
    }
    if (call->hot == NULL) {
        int reason = rates_message(call, message);
        if (reason != FRONT_REASON_NONE) {
            call->message = message; /* it goes with the call */
            reply_refuse(call, reason);
            return;
        }
    }
    call->message = NULL;
    call->wanted = false;
    call->with_caller = message->capacity;
    if (call->hot != NULL) {
        struct hot *hot = front->methods[call->method].hot;
        hot->message(hot, call, message);
    } else {
        calls_message(call, message);
    }
}

/* Reads as much of the bytes as is wanted; how many those are. */
static size_t request_parse(struct call *call, const uint8_t *data, size_t size) {
    size_t at = 0;
    call->parsing = true;
    while (at < size && call->wanted && !call->dropping) {
        if (call->head_count < MESSAGE_HEAD) {
            call->head[call->head_count++] = data[at++];
            if (call->head_count < MESSAGE_HEAD) continue;
            if (!request_begin_message(call)) break;
            if (call->message_size == 0) request_end_message(call);
            continue;
        }
        size_t have = call->message == NULL ? 0 : call->message->size;
        size_t piece = call->message_size - have;
        if (piece > size - at) piece = size - at;
        if (!request_keep(call, &call->message, data + at, piece)) break;
        at += piece;
        if (have + piece == call->message_size) request_end_message(call);
    }
    call->parsing = false;
    return call->dropping || call->connection->failed ? size : at;
}

static void request_free(struct call *call, struct block **block) {
    if (*block == NULL) return;
    owners_take_bytes(call->connection, call, (*block)->capacity);
    block_free(*block);
    *block = NULL;
}

void request_drop(struct call *call) {
    calls_take_back(call);
    if (call->parsing) return; /* it is being read: it goes with the call */
    request_free(call, &call->message);
    request_free(call, &call->raw);
}

/* Once everything that came before the end has been read: what the end means. */
static void request_look_end(struct call *call) {
    if (!call->half_closed || call->half_told || call->dropping || call->raw != NULL) return;
    if (call->head_count > 0) {
        reply_refuse(call, FRONT_REASON_FRAMING);
        return;
    }
    call->half_told = true;
    struct front *front = call->connection->front;
    struct hot *hot = call->hot != NULL ? front->methods[call->method].hot : NULL;
    if (call->kind == FRONT_BIDI) {
        if (hot != NULL)
            hot->half_closed(hot, call);
        else
            calls_tell(call, FRONT_HALF_CLOSED, 0);
        return;
    }
    if (!call->whole) {
        reply_refuse(call, FRONT_REASON_NO_MESSAGE);
        return;
    }
    if (hot == NULL) {
        int reason = rates_message(call, call->message);
        if (reason != FRONT_REASON_NONE) {
            reply_refuse(call, reason);
            return;
        }
    }
    struct block *message = call->message;
    call->message = NULL;
    call->with_caller = message->capacity;
    call->body_ms = 0;
    if (call->deadline_ns == 0) calls_schedule(call);
    if (hot != NULL)
        hot->message(hot, call, message);
    else
        calls_give(call, message);
}

void request_data(struct call *call, const uint8_t *data, size_t size) {
    http2_consume_connection(call->connection, size);
    if (call->dropping) {
        http2_consume(call, size);
        return;
    }
    if (call->kind != FRONT_BIDI) {
        http2_consume(call, size);
        request_parse(call, data, size);
        return;
    }
    call->unconsumed += size;
    size_t at = call->raw == NULL ? request_parse(call, data, size) : 0;
    if (call->raw_start > 0 && call->raw_start >= call->raw->size / 2) {
        call->raw->size -= call->raw_start;
        memmove(call->raw->data, call->raw->data + call->raw_start, call->raw->size);
        call->raw_start = 0;
    }
    if (at < size && !request_keep(call, &call->raw, data + at, size - at)) return;
    /* What is not kept as it came has been read, or belongs to a message that is wanted. */
    size_t kept = call->raw == NULL ? 0 : call->raw->size - call->raw_start;
    if (call->unconsumed > kept) {
        http2_consume(call, call->unconsumed - kept);
        call->unconsumed = kept;
    }
}

void request_half_closed(struct call *call) {
    call->half_closed = true;
    request_look_end(call);
}

void request_want(struct call *call) {
    if (call->kind != FRONT_BIDI || call->dropping) return;
    call->wanted = true;
    calls_take_back(call);
    if (call->parsing) return; /* a hot method, between two messages */
    if (call->raw == NULL) {
        request_look_end(call);
        return;
    }
    struct block *raw = call->raw;
    size_t read = request_parse(call, raw->data + call->raw_start, raw->size - call->raw_start);
    call->raw_start += read;
    call->unconsumed -= read < call->unconsumed ? read : call->unconsumed;
    http2_consume(call, read);
    if (call->raw_start < raw->size) return;
    request_free(call, &call->raw);
    call->raw_start = 0;
    request_look_end(call);
}
