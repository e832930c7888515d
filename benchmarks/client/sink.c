/* A server that does nothing but answer: what the client itself can reach.
 *
 * Each message has its answers at once, made up; a stream gets those of a turn in one
 * message. See client.h.
 */

#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CALLS_MAX = 8192,         /* of a connection under way; a power of two */
    EVENTS_MAX = 64,
    POLL_MS = 50,             /* between two looks at `stop` */
};

typedef struct Stream {
    uint32_t id;
    Buffer body;              /* of a message that is not whole */
} Stream;

typedef struct Peer {
    Connection connection;
    const Layout* layout;
    bool is_stream, has_replied, has_ended_one;
    uint32_t answering;       /* the stream whose answers wait for the turn's end */
    bool is_ended;
    Buffer reply;
    Stream streams[CALLS_MAX];
} Peer;

/* :status 200 and content-type, which enters the dynamic table with the first call;
 * then it is the newest there, and after the first trailers the second newest. */
static const uint8_t FIRST[] = "\x88\x5F\x10" "application/grpc";
static const uint8_t SECOND[] = {0x88, 0xBE};
static const uint8_t LATER[] = {0x88, 0xBF};
static const uint8_t FIRST_TRAILERS[] = "\x40\x0B" "grpc-status" "\x01" "0";
static const uint8_t LATER_TRAILERS[] = {0xBE};

/* One outcome: sizes, id, and after it a result and numbers as long as real ones. */
static const uint8_t OUTCOME_HEAD[] = {0x0A, 51, 0x0A, ID_SIZE};
static const uint8_t OUTCOME_TAIL[] = {
    0x10, 1, 0x18, 0x80, 0x80, 0x80, 1, 0x20, 0x80, 1, 0x28, 0xEA, 0x0F,
    0x30, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1,
    0x38, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0x68, 3};

_Static_assert(
    2 + ID_SIZE + sizeof OUTCOME_TAIL == 51, "the size in an outcome's head");

static void reply_add(Peer* self, const uint8_t* message) {
    const Layout* layout = self->layout;
    Buffer* reply = &self->reply;
    for (uint32_t i = 0; i < layout->payload && layout->asks == ASKS_PAYMENTS; i++) {
        const uint8_t* item = message + MESSAGE_HEAD + (size_t)i * layout->item;
        buffer_add(reply, OUTCOME_HEAD, sizeof OUTCOME_HEAD);
        buffer_add(reply, item + layout->id, ID_SIZE);
        buffer_add(reply, OUTCOME_TAIL, sizeof OUTCOME_TAIL);
    }
    if (layout->asks == ASKS_PAYMENT_STATE) {
        static const uint8_t head[] = {0x08, 3, 0x12, 2 + ID_SIZE, 0x2A, ID_SIZE};
        buffer_add(reply, head, sizeof head);
        buffer_add(reply, message + MESSAGE_HEAD + layout->id, ID_SIZE);
    }
}

static void send_reply(Peer* self, uint32_t stream) {
    Connection* connection = &self->connection;
    Buffer* reply = &self->reply;
    size_t size = reply->end - reply->start;
    uint8_t head[MESSAGE_HEAD] = {
        0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
        (uint8_t)size};
    connection_frame(connection, DATA, 0, stream, head, sizeof head);
    while (reply->start < reply->end) {
        size_t part = reply->end - reply->start;
        if (part > FRAME_MAX) part = FRAME_MAX;
        connection_frame(connection, DATA, 0, stream, reply->bytes + reply->start, part);
        reply->start += part;
    }
}

static void send_trailers(Peer* self, uint32_t stream) {
    const uint8_t* block = self->has_ended_one ? LATER_TRAILERS : FIRST_TRAILERS;
    size_t size = self->has_ended_one ? sizeof LATER_TRAILERS : sizeof FIRST_TRAILERS - 1;
    connection_frame(
        &self->connection, HEADERS, END_HEADERS | END_STREAM, stream, block, size);
    self->has_ended_one = true;
}

static int on_headers(
    Connection* connection, uint32_t id, const uint8_t* block, size_t size, bool ends) {
    (void)block, (void)size, (void)ends;
    Peer* self = connection->owner;
    Stream* stream = &self->streams[(id >> 1) & (CALLS_MAX - 1)];
    if (stream->id) return failure_set(connection->failure, "too many calls");
    stream->id = id;
    stream->body.start = stream->body.end = 0;
    const uint8_t* head = self->has_ended_one ? LATER : SECOND;
    if (self->has_replied)
        connection_frame(connection, HEADERS, END_HEADERS, id, head, sizeof LATER);
    else
        connection_frame(connection, HEADERS, END_HEADERS, id, FIRST, sizeof FIRST - 1);
    self->has_replied = true;
    return 0;
}

static int on_data(
    Connection* connection, uint32_t id, const uint8_t* bytes, size_t size, bool ends) {
    Peer* self = connection->owner;
    Stream* stream = &self->streams[(id >> 1) & (CALLS_MAX - 1)];
    Buffer* body = &stream->body;
    size_t message = layout_size(self->layout);
    bool is_part = body->start < body->end;
    if (stream->id != id) return failure_set(connection->failure, "an unknown call");
    if (is_part) {
        buffer_add(body, bytes, size);
        bytes = body->bytes + body->start;
        size = body->end - body->start;
    }
    size_t taken = 0;
    for (; size - taken >= message; taken += message) reply_add(self, bytes + taken);
    if (is_part) body->start += taken;
    else buffer_add(body, bytes + taken, size - taken);
    if (self->is_stream) {
        self->answering = id;
        self->is_ended = ends;
    } else if (ends) {
        send_reply(self, id);
        send_trailers(self, id);
        stream->id = 0;
    }
    return 0;
}

static int on_reset(Connection* connection, uint32_t stream, uint32_t error) {
    return failure_set(connection->failure, "stream %u is reset: %u", stream, error);
}

static void on_window(Connection* connection, uint32_t stream, int64_t change) {
    (void)connection, (void)stream, (void)change;
}

static const Handler HANDLER = {on_headers, on_data, on_reset, on_window};

/* Read, and answer the turn's messages of a stream together. */
static int peer_turn(Peer* self) {
    if (connection_read(&self->connection) != 0) return -1;
    if (self->answering) {
        if (self->reply.start < self->reply.end)
            send_reply(self, self->answering);
        if (self->is_ended) send_trailers(self, self->answering);
        self->answering = 0;
    }
    return 0;
}

static Peer* peer_accept(
    int listener, SSL_CTX* tls, const Layout* layout, bool is_stream, Failure* failure) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    Peer* self = fd < 0 ? NULL : calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->layout = layout;
    self->is_stream = is_stream;
    self->connection.handler = &HANDLER;
    self->connection.owner = self;
    if (connection_accept(&self->connection, tls, fd, failure) == 0) return self;
    connection_close(&self->connection);
    free(self);
    return NULL;
}

static void peer_close(Peer* self) {
    for (int i = 0; i < CALLS_MAX; i++) free(self->streams[i].body.bytes);
    free(self->reply.bytes);
    connection_close(&self->connection);
    free(self);
}

static void watch(int epoll, Peer* peer, int how) {
    struct epoll_event event = {
        .events = EPOLLIN | (peer->connection.is_blocked ? EPOLLOUT : 0),
        .data.ptr = peer};
    epoll_ctl(epoll, how, peer->connection.fd, &event);
}

int sink_serve(
    int listener, SSL_CTX* tls, const Layout* layout, bool is_stream, volatile int* stop,
    Failure* failure) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event first = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first) != 0)
        return failure_set(failure, "epoll: %s", strerror(errno));
    while (!*stop) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, POLL_MS);
        for (int i = 0; i < count; i++) {
            Peer* peer = events[i].data.ptr;
            if (peer == NULL) {
                peer = peer_accept(listener, tls, layout, is_stream, failure);
                if (peer == NULL) continue;
                watch(epoll, peer, EPOLL_CTL_ADD);
            }
            bool was_blocked = peer->connection.is_blocked;
            if (peer_turn(peer) != 0 || connection_write(&peer->connection) != 0)
                peer_close(peer);
            else if (peer->connection.is_blocked != was_blocked)
                watch(epoll, peer, EPOLL_CTL_MOD);
        }
    }
    close(epoll);
    return 0;
}
