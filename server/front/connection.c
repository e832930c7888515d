/* Connections: from a finished handshake to their end.

   Work of a turn is done in two passes over the connections that have any: all are read,
   then all are written, with one write each in the usual case. A connection that fails
   goes at the end of the turn, so that nothing points to what is gone. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parts.h"

/* --- output -------------------------------------------------------------------------------- */

/* Room for `size` more bytes; who writes them adds to `size`. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size) {
    if (buffer->start + buffer->size + size <= buffer->capacity)
        return buffer->data + buffer->start + buffer->size;
    if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, buffer->size);
        buffer->start = 0;
    }
    if (buffer->size + size > buffer->capacity) {
        size_t capacity = buffer->capacity < OUT_KEEP / 4 ? OUT_KEEP / 4 : 2 * buffer->capacity;
        if (capacity < buffer->size + size) capacity = buffer->size + size;
        uint8_t *data = realloc(buffer->data, capacity);
        if (data == NULL) return NULL;
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

static void buffer_take(struct buffer *buffer, size_t size) {
    front_assert(size <= buffer->size);
    buffer->start += size;
    buffer->size -= size;
    if (buffer->size > 0) return;
    buffer->start = 0;
    if (buffer->capacity > OUT_KEEP) {
        free(buffer->data);
        *buffer = (struct buffer){0};
    }
}

/* --- handles and lists ----------------------------------------------------------------------- */

uint64_t connection_handle(const struct connection *connection) {
    return (uint64_t)connection->generation << 32 | connection->index;
}

struct connection *connection_find(struct front *front, uint64_t handle) {
    uint32_t index = (uint32_t)handle;
    if (index >= (uint64_t)front->bounds.connections_max) return NULL;
    struct connection *connection = front->connections[index];
    bool same = connection != NULL && connection->generation == handle >> 32;
    return same && !connection->failed ? connection : NULL;
}

void connection_touch(struct connection *connection) {
    struct front *front = connection->front;
    if (connection->in_turn) return;
    connection->in_turn = true;
    connection->turn_next = NULL;
    *front->turn_end = connection;
    front->turn_end = &connection->turn_next;
}

void connection_fail(struct connection *connection, int cause) {
    if (!connection->failed) connection->failed = (uint8_t)cause;
    connection_touch(connection);
}

/* --- begin ------------------------------------------------------------------------------------ */

static bool connection_tell(struct connection *connection, struct handshake *handshake) {
    struct mailbox *mailbox = &connection->front->mailbox;
    /* Who is told that it came is told that it went, whatever memory there is by then. */
    connection->last_event = mailbox_new_event(mailbox, FRONT_DISCONNECT);
    if (connection->last_event == NULL) return false;
    struct event *event = mailbox_new_event(mailbox, FRONT_CONNECT);
    if (event == NULL) return false;
    event->body = tls_certificate(connection->ssl, &event->time);
    event->connection = connection_handle(connection);
    event->number = handshake->address.port;
    memcpy(event->address, handshake->address.text, sizeof(event->address));
    if (event->body == NULL) event->kind = FRONT_VOID;
    mailbox_add_event(mailbox, event);
    return event->body != NULL;
}

/* The context of new connections, which belongs to who asks. */
static SSL_CTX *current_context(struct front *front) {
    pthread_mutex_lock(&front->handover.lock);
    SSL_CTX *context = front->handover.context;
    SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&front->handover.lock);
    return context;
}

/* Whether its authority was replaced while it shook hands. */
static bool is_outdated(struct front *front, const struct handshake *handshake) {
    SSL_CTX *context = current_context(front);
    bool outdated = SSL_get_SSL_CTX(handshake->ssl) != context &&
                    !tls_trusts(context, handshake->ssl);
    SSL_CTX_free(context);
    return outdated;
}

void connection_adopt(struct front *front, struct handshake *handshake) {
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || front->connections_free_count == 0 || front->draining ||
        is_outdated(front, handshake)) {
        COUNT(front, connections_refused);
        free(connection);
        handshake_free(handshake);
        return;
    }
    uint32_t index = front->connections_free[--front->connections_free_count];
    *connection = (struct connection){
        .source = SOURCE_CONNECTION, .index = index, .front = front,
        .generation = ++front->connection_generations[index], .fd = handshake->fd,
        .ssl = handshake->ssl, .born_ms = front->now_ms, .read_ms = front->now_ms,
        .quiet_ms = front->now_ms, .readable = true, .writable = true,
    };
    connection->timer.kind = TIMER_CONNECTION;
    front->connections[index] = connection;
    COUNT_MANY(front, connections_open, 1);
    owners_add_bytes(connection, NULL, CONNECTION_BYTES);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection};
    if (!http2_open(connection) ||
        epoll_ctl(front->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0 ||
        !connection_tell(connection, handshake)) {
        connection_fail(connection, FRONT_CAUSE_MEMORY);
    } else {
        connection->told = true;
    }
    free(handshake);
    connection_schedule(connection);
    connection_touch(connection);
}

static void connection_revoke(struct connection *connection) {
    for (struct call *call = connection->newest; call != NULL; call = call->older) {
        if (!call->allowed || call->ending || connection->rights[call->method]) continue;
        call->allowed = false;
        if (call->hot != NULL) {
            struct hot *hot = connection->front->methods[call->method].hot;
            hot->revoked(hot, call);
        } else if (call->given) {
            calls_tell(call, FRONT_REVOKED, 0);
        } else {
            /* Its message is not here yet: it is refused by the caller, as at its headers. */
            call->dropping = true;
            call->body_ms = 0;
            calls_give(call, NULL);
        }
    }
}

void connection_admit(struct connection *connection, struct command *command) {
    struct front *front = connection->front;
    front_assert(command->fields->size == front->methods_count);
    bool is_new = connection->owner == NULL;
    if (is_new) connection->rights = malloc(front->methods_count + 1);
    struct owner *owner = owners_get(front, command->owner);
    if (connection->rights == NULL || owner == NULL) {
        connection_fail(connection, FRONT_CAUSE_MEMORY);
        return;
    }
    if (is_new)
        owners_join(front, owner, connection);
    else if (owner != connection->owner)
        owners_move(front, owner, connection);
    rates_set(owner, &command->budgets, front->now_ms);
    owners_schedule(front, owner);
    /* One that is new counts those that are on their way out: else it would come again and
       again. If the budget has shrunk, as many go as are too many. */
    int64_t count = owner->connections - (is_new ? 0 : owner->closing);
    if (count > owner->budgets.owner_connections_max) {
        COUNT(front, connections_refused);
        owners_over(connection, FRONT_SHARE_CONNECTIONS, 1);
        connection_close(connection, NGHTTP2_ENHANCE_YOUR_CALM, FRONT_CAUSE_OWNER_CONNECTIONS);
        return;
    }
    if (is_new) COUNT(front, connections_admitted);
    if (connection->untrusted)
        memset(connection->rights, 0, front->methods_count);
    else
        memcpy(connection->rights, command->fields->data, front->methods_count);
    connection->role = command->role;
    connection->sender = command->sender;
    connection->bound = command->bound;
    connection_revoke(connection);
    connection_schedule(connection);
    connection_touch(connection);
}

/* --- read -------------------------------------------------------------------------------------- */

/* Bytes that wait to be sent: framed, and of frames that are not yet. */
static size_t connection_waiting(const struct connection *connection) {
    return connection->out.size +
           QUEUED_BYTES * nghttp2_session_get_outbound_queue_size(connection->session);
}

static bool may_read(const struct connection *connection) {
    if (connection->failed) return false;
    if (connection->lingering) return true;
    return connection->owner != NULL && !connection->closing &&
           connection_waiting(connection) < (size_t)connection->front->bounds.output_bytes_max;
}

/* Everything is said. What the peer sends now is taken off its socket unread, so that it
   comes to read our last words; from one that goes on and on not much. */
static void connection_discard(struct connection *connection) {
    struct front *front = connection->front;
    while (connection->readable && connection->linger_left > 0) {
        ssize_t size = recv(connection->fd, front->read_buffer, READ_SIZE, 0);
        if (size > 0) {
            COUNT_MANY(front, bytes_in, size);
            connection->linger_left -= size;
        } else if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            connection->readable = false;
        } else if (size == 0 || errno != EINTR) {
            connection_fail(connection, connection->close_cause);
            return;
        }
    }
    if (connection->linger_left <= 0) connection_fail(connection, connection->close_cause);
}

void connection_read(struct connection *connection) {
    struct front *front = connection->front;
    if (connection->lingering) {
        if (!connection->failed) connection_discard(connection);
        return;
    }
    const struct tls_socket *socket = tls_socket(connection->ssl);
    uint64_t first = socket->bytes_in, raw = first;
    size_t total = 0;
    connection->passed_over = false;
    while (connection->readable && may_read(connection) && total < READ_TURN_MAX &&
           raw - first < READ_TURN_MAX) {
        if (!owners_may_read(connection)) {
            connection->passed_over = total == 0;
            COUNT(front, turns_used_up);
            break;
        }
        size_t size;
        enum tls_result result = tls_read(connection->ssl, front->read_buffer, READ_SIZE, &size);
        uint64_t before = raw;
        raw = socket->bytes_in;
        owners_work(connection, raw - before);
        switch (result) {
        case TLS_DONE:
            total += size;
            COUNT_MANY(front, bytes_in, size);
            connection->read_ms = front->now_ms;
            http2_receive(connection, front->read_buffer, size);
            break;
        case TLS_AGAIN:
            /* Bytes that held no data are no end: there may be more. */
            if (raw == before) connection->readable = false;
            break;
        case TLS_CLOSED:
            connection_fail(connection, FRONT_CAUSE_PEER_CLOSED);
            break;
        case TLS_BROKEN:
            connection_fail(connection, FRONT_CAUSE_TLS);
            break;
        }
        /* What comes from now on, epoll tells. Of an end it may have told already. */
        if (!connection->hung_up && tls_drained(connection->ssl)) connection->readable = false;
    }
    http2_count_records(connection, raw - first, total);
}

/* --- write ------------------------------------------------------------------------------------- */

static void connection_write(struct connection *connection) {
    struct front *front = connection->front;
    size_t total = 0;
    while (connection->writable && !connection->failed && total < WRITE_TURN_MAX) {
        if (!owners_may_write(connection)) {
            connection->starved = true;
            return;
        }
        if (!http2_fill(connection)) {
            connection_fail(connection, FRONT_CAUSE_PROTOCOL);
            return;
        }
        struct buffer *out = &connection->out;
        if (out->size == 0) return;
        size_t size;
        switch (tls_write(connection->ssl, out->data + out->start, out->size, &size)) {
        case TLS_DONE:
            total += size;
            COUNT_MANY(front, bytes_out, size);
            owners_wrote(connection, size);
            buffer_take(out, size);
            break;
        case TLS_AGAIN:
            connection->writable = false;
            break;
        case TLS_CLOSED:
            connection_fail(connection, FRONT_CAUSE_PEER_CLOSED);
            break;
        case TLS_BROKEN:
            connection_fail(connection, FRONT_CAUSE_TLS);
            break;
        }
    }
}

/* Everything is sent: the peer gets time to read it, since closing a socket with unread
   bytes resets it and takes back what the peer did not read yet. */
static void connection_linger(struct connection *connection) {
    connection->lingering = true;
    connection->close_ms = connection->front->now_ms + LINGER_MS;
    connection->linger_left = LINGER_BYTES;
    tls_close(connection->ssl, true);
    shutdown(connection->fd, SHUT_WR);
    connection_schedule(connection);
    connection_touch(connection);
}

/* What HTTP/2 has of memory beyond the share of every connection: frames that wait; and
   strings of header fields, which nghttp2 makes room for when they are announced. */
static size_t connection_session(const struct connection *connection) {
    size_t own = SESSION_BYTES + (size_t)connection->calls_count * STREAM_BYTES;
    size_t beyond = connection->session_bytes > own ? connection->session_bytes - own : 0;
    size_t queued = QUEUED_BYTES * nghttp2_session_get_outbound_queue_size(connection->session);
    return queued > beyond ? queued : beyond;
}

static void connection_count_output(struct connection *connection) {
    size_t before = connection->out_counted;
    size_t now = connection->out.capacity + connection_session(connection);
    if (now > before)
        owners_add_bytes(connection, NULL, now - before);
    else if (before > now)
        owners_take_bytes(connection, NULL, before - now);
    connection->out_counted = now;
}

void connection_flush(struct connection *connection) {
    if (connection->failed || connection->lingering) return;
    if (connection->withheld > 0) http2_consume_connection(connection, 0);
    connection_write(connection);
    connection_count_output(connection);
    if (connection->failed || connection->out.size > 0 || connection->starved) return;
    bool over = !nghttp2_session_want_read(connection->session) &&
                !nghttp2_session_want_write(connection->session);
    if (over && !connection->closing)
        connection->close_cause = connection->drained ? connection->close_cause
                                                      : FRONT_CAUSE_PROTOCOL;
    if (over || (connection->closing && !nghttp2_session_want_write(connection->session)))
        connection_linger(connection);
}

bool connection_busy(const struct connection *connection) {
    if (connection->failed) return true;
    if (connection->readable && may_read(connection)) return true;
    return connection->writable && !connection->lingering &&
           (connection->out.size > 0 || connection->starved);
}

/* --- end ----------------------------------------------------------------------------------------- */

/* GOAWAY, what is ready to be sent, and the end. */
void connection_close(struct connection *connection, uint32_t error, int cause) {
    if (connection->closing || connection->failed) return;
    connection->closing = true;
    if (connection->owner != NULL) {
        connection->counted_closing = true;
        connection->owner->closing++;
    }
    connection->close_cause = (uint8_t)cause;
    connection->close_ms = connection->front->now_ms + LINGER_MS;
    /* What is ready goes before the GOAWAY: after it nghttp2 sends nothing. */
    if (!connection->in_callback && !http2_fill(connection))
        connection_fail(connection, FRONT_CAUSE_PROTOCOL);
    if (nghttp2_session_terminate_session(connection->session, error) != 0)
        connection_fail(connection, FRONT_CAUSE_MEMORY);
    connection_schedule(connection);
    connection_touch(connection);
}

/* GOAWAY in two steps: no new calls soon, and, once what was on the way is here, now. */
void connection_drain(struct connection *connection) {
    struct front *front = connection->front;
    if (connection->closing || connection->failed || connection->drained) return;
    int rc;
    if (!connection->draining) {
        connection->draining = true;
        connection->goaway_ms = front->now_ms;
        connection->ping_ms = front->now_ms;
        rc = nghttp2_submit_shutdown_notice(connection->session);
        if (rc == 0)
            rc = nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
    } else {
        connection->drained = true;
        if (connection->close_cause == FRONT_CAUSE_NONE)
            connection->close_cause = FRONT_CAUSE_CLOSED;
        int32_t last = nghttp2_session_get_last_proc_stream_id(connection->session);
        rc = nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR,
                                   NULL, 0);
    }
    if (rc != 0) connection_fail(connection, FRONT_CAUSE_MEMORY);
    connection_schedule(connection);
    connection_touch(connection);
}

/* What is under way is answered; nothing new is, whatever the register says of it. */
static void connection_distrust(struct connection *connection) {
    struct front *front = connection->front;
    if (connection->untrusted || connection->closing || connection->lingering ||
        connection->failed)
        return;
    connection->untrusted = true;
    COUNT(front, connections_untrusted);
    if (connection->owner == NULL) {
        connection_close(connection, NGHTTP2_NO_ERROR, FRONT_CAUSE_UNTRUSTED);
        return;
    }
    memset(connection->rights, 0, front->methods_count);
    connection_revoke(connection);
    connection->close_cause = FRONT_CAUSE_UNTRUSTED;
    connection->close_ms = front->now_ms + UNTRUSTED_MS;
    connection_drain(connection);
    connection_schedule(connection);
}

/* A chain costs near a tenth of a millisecond: a few in each turn, so that calls do not wait
   for ten thousand. */
void connections_check_trust(struct front *front) {
    SSL_CTX *context = current_context(front);
    size_t most = (size_t)front->bounds.connections_max;
    for (int left = TRUST_TURN; left > 0 && front->trust_next < most; front->trust_next++) {
        struct connection *connection = front->connections[front->trust_next];
        if (connection == NULL) continue;
        left--;
        if (!tls_trusts(context, connection->ssl)) connection_distrust(connection);
    }
    SSL_CTX_free(context);
    if (front->trust_next < most)
        timers_set(&front->wheel, &front->trust_timer, front->now_ms + 1);
}

void connection_destroy(struct connection *connection) {
    struct front *front = connection->front;
    int cause = connection->failed;
    front_assert(!connection->in_turn);
    while (connection->newest != NULL) {
        calls_end(connection->newest, FRONT_CAUSE_CONNECTION);
        calls_free(connection->newest);
    }
    timers_clear(&front->wheel, &connection->timer);
    if (connection->told) {
        owners_tell_of(connection);
        struct event *event = connection->last_event;
        event->connection = connection_handle(connection);
        event->cause = (uint8_t)cause;
        mailbox_add_event(&front->mailbox, event);
    } else {
        mailbox_spare(&front->mailbox, connection->last_event);
    }
    if (connection->session != NULL) nghttp2_session_del(connection->session);
    COUNT_MANY(front, connections_open, -1);
    tls_close(connection->ssl, !connection->lingering && cause != FRONT_CAUSE_TLS &&
                                   cause != FRONT_CAUSE_PEER_CLOSED);
    owners_take_bytes(connection, NULL, connection->bytes);
    owners_leave(front, connection);
    SSL_free(connection->ssl);
    close(connection->fd);
    free(connection->out.data);
    free(connection->rights);
    front->connections[connection->index] = NULL;
    if (front->connection_generations[connection->index] == INT32_MAX)
        front->connection_generations[connection->index] = 0;
    front->connections_free[front->connections_free_count++] = connection->index;
    front_assert(!connection->in_turn);
    free(connection);
}

/* --- time ------------------------------------------------------------------------------------------ */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void connection_schedule(struct connection *connection) {
    const struct front_bounds *bounds = &connection->front->bounds;
    int64_t due;
    if (connection->closing || connection->lingering) {
        due = connection->close_ms;
    } else if (connection->owner == NULL) {
        due = connection->born_ms + bounds->handshake_ms;
    } else {
        /* What changes without this being asked anew (an answer to a PING, a last call that
           ends) is seen when the timer comes, which is soon enough. */
        int64_t now_ms = connection->front->now_ms;
        int64_t quiet_ms = connection->calls_count == 0 ? connection->quiet_ms : now_ms;
        due = least(quiet_ms + bounds->idle_ms,
                    connection->ping_ms > 0
                        ? least(connection->ping_ms + bounds->keepalive_timeout_ms,
                                now_ms + bounds->keepalive_ms)
                        : connection->read_ms + bounds->keepalive_ms);
        if (connection->draining && !connection->drained)
            due = least(due, connection->goaway_ms + GOAWAY_MS);
        if (bounds->age_ms > 0 && !connection->draining)
            due = least(due, connection->born_ms + bounds->age_ms);
        if (connection->untrusted) due = least(due, connection->close_ms);
    }
    timers_set(&connection->front->wheel, &connection->timer, due);
}

static void connection_keep_alive(struct connection *connection) {
    struct front *front = connection->front;
    if (connection->ping_ms > 0) {
        /* Any byte since then shows that the peer is there. */
        if (connection->read_ms >= connection->ping_ms) {
            connection->ping_ms = 0;
        } else if (front->now_ms - connection->ping_ms >= front->bounds.keepalive_timeout_ms) {
            COUNT(front, connections_kept_dead);
            connection_fail(connection, FRONT_CAUSE_KEEPALIVE);
        }
        return;
    }
    if (front->now_ms - connection->read_ms < front->bounds.keepalive_ms) return;
    connection->ping_ms = front->now_ms;
    if (nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL) != 0)
        connection_fail(connection, FRONT_CAUSE_MEMORY);
    connection_touch(connection);
}

void connection_tick(struct connection *connection) {
    struct front *front = connection->front;
    const struct front_bounds *bounds = &front->bounds;
    int64_t now_ms = front->now_ms;
    if (connection->failed) return;
    if (connection->closing || connection->lingering) {
        if (now_ms >= connection->close_ms) connection_fail(connection, connection->close_cause);
    } else if (connection->owner == NULL) {
        if (now_ms - connection->born_ms >= bounds->handshake_ms)
            connection_fail(connection, FRONT_CAUSE_NOT_ADMITTED);
    } else {
        connection_keep_alive(connection);
        if (connection->draining && !connection->drained &&
            now_ms - connection->goaway_ms >= GOAWAY_MS)
            connection_drain(connection);
        if (bounds->age_ms > 0 && !connection->draining &&
            now_ms - connection->born_ms >= bounds->age_ms) {
            connection->close_cause = FRONT_CAUSE_AGED;
            connection_drain(connection);
        }
        if (connection->untrusted && now_ms >= connection->close_ms)
            connection_close(connection, NGHTTP2_NO_ERROR, FRONT_CAUSE_UNTRUSTED);
        if (connection->calls_count == 0 && now_ms - connection->quiet_ms >= bounds->idle_ms) {
            COUNT(front, connections_idle);
            connection_close(connection, NGHTTP2_NO_ERROR, FRONT_CAUSE_IDLE);
        }
    }
    if (!connection->failed) connection_schedule(connection);
}
