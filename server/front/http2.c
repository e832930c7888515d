/* HTTP/2 by nghttp2: its callbacks, windows, and frames that only cost.

   A connection must not be taken down inside a callback: connection_fail marks it. */

#include <string.h>

#include "parts.h"

enum {
    CONTINUATIONS_MAX = 8,
    SETTINGS_MAX = 32,        /* entries of one frame */
    ACKS_MAX = 64,            /* that wait to be sent */
    SMALL_UPDATE = 256,       /* a window's update below it is counted as control */
    PING_STRIKES_MAX = 2,
};

/* --- floods --------------------------------------------------------------------------------- */

static void http2_flooded(struct connection *connection) {
    if (connection->closing || connection->failed) return;
    COUNT(connection->front, connections_flooded);
    connection_close(connection, NGHTTP2_ENHANCE_YOUR_CALM, FRONT_CAUSE_FLOOD);
}

static void http2_new_second(struct connection *connection) {
    int64_t second = connection->front->now_ms / 1000;
    if (connection->second == second) return;
    connection->second = second;
    connection->control_frames = 0;
    connection->resets = 0;
    connection->raw_bytes = connection->data_bytes = 0;
}

/* Keys that change and records without data cost as much as those with it. */
void http2_count_records(struct connection *connection, uint64_t raw, size_t data) {
    http2_new_second(connection);
    connection->raw_bytes += (int64_t)raw;
    connection->data_bytes += (int64_t)data;
    int64_t empty = connection->raw_bytes - connection->data_bytes;
    if (empty > EMPTY_BYTES_MAX && empty > 4 * connection->data_bytes) http2_flooded(connection);
}

static void http2_count_control(struct connection *connection) {
    http2_new_second(connection);
    if (++connection->control_frames > connection->front->bounds.control_frames_max)
        http2_flooded(connection);
}

static void http2_count_reset(struct connection *connection) {
    http2_new_second(connection);
    if (++connection->resets > connection->front->bounds.resets_max) http2_flooded(connection);
}

/* gRPC's clients measure the way with PINGs: one after each DATA or HEADERS is theirs. */
static void http2_got_ping(struct connection *connection) {
    int64_t now_ms = connection->front->now_ms;
    bool early = now_ms - connection->peer_ping_ms < connection->front->bounds.ping_min_ms;
    connection->peer_ping_ms = now_ms;
    if (!early)
        connection->ping_strikes = 0;
    else if (++connection->ping_strikes > PING_STRIKES_MAX)
        http2_flooded(connection);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user) {
    (void)session;
    struct connection *connection = user;
    owners_work(connection, FRAME_WORK);
    switch (head->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_WINDOW_UPDATE:
        break;
    case NGHTTP2_DATA:
        /* Too little for the head of a message: nothing, padding, or bytes for streams that
           are gone. Who means well sends that where a window ends, and not often. */
        if (head->length < MESSAGE_HEAD && !(head->flags & NGHTTP2_FLAG_END_STREAM))
            http2_count_control(connection);
        break;
    default:
        http2_count_control(connection);
    }
    return 0;
}

/* --- what the peer sends --------------------------------------------------------------------- */

static struct call *call_of(nghttp2_session *session, int32_t stream) {
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct connection *connection = user;
    connection->block_size = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    if (connection->closing || connection->failed) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    struct call *call = calls_new(connection, frame->hd.stream_id);
    if (call == NULL) {
        http2_check(connection, nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE,
                                                          frame->hd.stream_id,
                                                          NGHTTP2_REFUSED_STREAM));
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user) {
    (void)flags;
    struct connection *connection = user;
    nghttp2_vec name_text = nghttp2_rcbuf_get_buf(name), value_text = nghttp2_rcbuf_get_buf(value);
    connection->block_size += name_text.len + value_text.len + FIELD_OVERHEAD;
    /* A little more than may be is answered with words. Of what goes on, whatever it is of, no
       field is looked at any more: few bytes name many. */
    if (connection->block_size > 2 * (size_t)connection->front->bounds.metadata_bytes_max)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0; /* trailers say nothing */
    struct call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL || call->ending) return 0;
    request_header(call, name_text, value_text);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *user) {
    (void)flags;
    struct connection *connection = user;
    struct call *call = call_of(session, stream);
    if (call != NULL)
        request_data(call, data, size);
    else
        http2_consume_connection(connection, size);
    return 0;
}

static void got_ping(struct connection *connection, bool ack) {
    if (!ack) {
        http2_got_ping(connection);
        return;
    }
    connection->ping_ms = 0;
    /* The answer to the PING that goes with the first GOAWAY: what was on the way is here. */
    if (connection->draining && !connection->drained) connection_drain(connection);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct connection *connection = user;
    struct call *call;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        call = call_of(session, frame->hd.stream_id);
        if (call == NULL) break;
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) request_headers_whole(call);
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) request_half_closed(call);
        break;
    case NGHTTP2_DATA:
        call = call_of(session, frame->hd.stream_id);
        if (call != NULL && frame->hd.flags & NGHTTP2_FLAG_END_STREAM) request_half_closed(call);
        break;
    case NGHTTP2_RST_STREAM:
        connection->reset_stream = frame->hd.stream_id;
        http2_count_reset(connection);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        if (frame->window_update.window_size_increment < SMALL_UPDATE)
            http2_count_control(connection);
        break;
    case NGHTTP2_PING:
        got_ping(connection, frame->hd.flags & NGHTTP2_FLAG_ACK);
        break;
    }
    return 0;
}

/* What nghttp2 answers with a reset by itself, as a stream beyond those that there may be. */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user) {
    (void)session, (void)error;
    struct connection *connection = user;
    connection->reset_stream = frame->hd.stream_id;
    http2_count_reset(connection);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
    struct connection *connection = user;
    struct call *call = call_of(session, stream);
    if (call == NULL) return 0;
    if (!call->ending) {
        /* By the peer, or by nghttp2 for what the peer did: both cost, and are counted. */
        COUNT(connection->front, calls_reset);
        if (error != NGHTTP2_NO_ERROR && stream != connection->reset_stream)
            http2_count_reset(connection);
        calls_end(call, FRONT_CAUSE_PEER_RESET);
    }
    nghttp2_session_set_stream_user_data(session, stream, NULL);
    calls_free(call);
    return 0;
}

/* --- what goes out ------------------------------------------------------------------------------ */

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct connection *connection = user;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    connection->ping_strikes = 0;
    connection->peer_ping_ms = 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        struct call *call = call_of(session, frame->hd.stream_id);
        /* The peer need not send the rest of what is refused or answered early. */
        if (call != NULL && !call->half_closed) calls_reset(call, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/* A header block that HTTP/2 has no room for: its call would wait for ever. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user) {
    (void)error, (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    struct call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL) return 0;
    calls_end(call, FRONT_CAUSE_REFUSED);
    reply_drop(call);
    calls_reset(call, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t size, nghttp2_data_source *source, void *user) {
    (void)session;
    struct connection *connection = user;
    front_assert(frame->data.padlen == 0);
    uint8_t *out = buffer_reserve(&connection->out, FRAME_HEAD + size);
    if (out == NULL) return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(out, head, FRAME_HEAD);
    reply_write(source->ptr, out + FRAME_HEAD, size);
    connection->out.size += FRAME_HEAD + size;
    return 0;
}

bool http2_fill(struct connection *connection) {
    connection->starved = false;
    while (connection->out.size < OUT_FILL) {
        const uint8_t *data;
        connection->in_callback = true;
        nghttp2_ssize size = nghttp2_session_mem_send2(connection->session, &data);
        connection->in_callback = false;
        if (size < 0) return false;
        if (size == 0) return true;
        uint8_t *out = buffer_reserve(&connection->out, (size_t)size);
        if (out == NULL) return false;
        memcpy(out, data, (size_t)size);
        connection->out.size += (size_t)size;
    }
    connection->starved = true;
    return true;
}

void http2_receive(struct connection *connection, const uint8_t *data, size_t size) {
    connection->in_callback = true;
    nghttp2_ssize read = nghttp2_session_mem_recv2(connection->session, data, size);
    connection->in_callback = false;
    if (read == (nghttp2_ssize)size) return;
    if (read == NGHTTP2_ERR_FLOODED) COUNT(connection->front, connections_flooded);
    connection_fail(connection, read == NGHTTP2_ERR_FLOODED ? FRONT_CAUSE_FLOOD
                                : read == NGHTTP2_ERR_NOMEM ? FRONT_CAUSE_MEMORY
                                                            : FRONT_CAUSE_PROTOCOL);
}

/* --- windows -------------------------------------------------------------------------------------- */

void http2_check(struct connection *connection, int rc) {
    /* A stream that is gone is no error: its close is told. */
    if (rc == NGHTTP2_ERR_NOMEM) connection_fail(connection, FRONT_CAUSE_MEMORY);
    connection_touch(connection);
}

/* A connection that holds too much gets no more of its window until it holds less. */
void http2_consume_connection(struct connection *connection, size_t size) {
    connection->withheld += size;
    if (connection->withheld == 0 ||
        connection->bytes > (size_t)connection->front->bounds.connection_bytes_max)
        return;
    int rc = nghttp2_session_consume_connection(connection->session, connection->withheld);
    connection->withheld = 0;
    if (rc != 0) http2_check(connection, rc);
}

void http2_consume(struct call *call, size_t size) {
    if (size == 0) return;
    http2_check(call->connection,
                nghttp2_session_consume_stream(call->connection->session, call->stream, size));
}

void http2_widen(struct call *call, size_t window) {
    call->window = window;
    http2_check(call->connection,
                nghttp2_session_set_local_window_size(call->connection->session, NGHTTP2_FLAG_NONE,
                                                      call->stream, (int32_t)window));
}

/* --- sessions --------------------------------------------------------------------------------------- */

bool http2_init(struct front *front) {
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&front->callbacks) != 0) return false;
    if (nghttp2_option_new(&front->options) != 0) return false;
    callbacks = front->callbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_option_set_no_auto_window_update(front->options, 1);
    nghttp2_option_set_no_closed_streams(front->options, 1);
    nghttp2_option_set_max_continuations(front->options, CONTINUATIONS_MAX);
    nghttp2_option_set_max_settings(front->options, SETTINGS_MAX);
    nghttp2_option_set_max_outbound_ack(front->options, ACKS_MAX);
    uint64_t resets = (uint64_t)front->bounds.resets_max;
    nghttp2_option_set_stream_reset_rate_limit(front->options, 2 * resets, resets);
    return true;
}

void http2_free(struct front *front) {
    nghttp2_session_callbacks_del(front->callbacks);
    nghttp2_option_del(front->options);
}

bool http2_open(struct connection *connection) {
    const struct front_bounds *bounds = &connection->front->bounds;
    if (nghttp2_session_server_new2(&connection->session, connection->front->callbacks,
                                    connection, connection->front->options) != 0)
        return false;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)bounds->calls_connection_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)bounds->window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)bounds->metadata_bytes_max},
        /* Trees of streams that a peer makes, and calls of gRPC never ask for. */
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    if (nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof(settings) / sizeof(settings[0])) != 0)
        return false;
    /* What is kept is bounded by bytes, not by this window: it need not be small. */
    int32_t window = (int32_t)(bounds->connection_bytes_max < INT32_MAX / 2
                                   ? bounds->connection_bytes_max
                                   : INT32_MAX / 2);
    return nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                                 window) == 0;
}
