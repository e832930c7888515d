/* What is sent when, and what came back. See client.h.
 *
 * Messages leave when they are due, or as soon as a connection has room, in turn over
 * the connections. Each waits in a flight, in the order sent, until its answer has come
 * and is right; its latency runs from when it was due.
 */

#include "client.h"
#include "load.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 64,
    TICK_NS = 100000,         /* the shortest sleep: what is due within it leaves together */
    SLOTS_MAX = 1 << 20,      /* of a connection's table of calls */
};

static void* must(void* memory) {
    if (memory == NULL) abort();
    return memory;
}

/* --- flights ----------------------------------------------------------------------- */

static void flight_add(
    Flight* flight, const Layout* layout, const uint8_t* message, uint64_t due_ns) {
    uint32_t payload = layout->payload;
    if (flight->count == flight->size) {
        uint32_t size = flight->size ? 2 * flight->size : 1;
        uint64_t* due = must(malloc(size * sizeof *due));
        Expected* expected = must(malloc(size * payload * sizeof *expected));
        for (uint32_t i = 0; i < flight->count; i++) {
            uint32_t at = (flight->first + i) & (flight->size - 1);
            due[i] = flight->due_ns[at];
            memcpy(expected + i * payload, flight->expected + at * payload,
                   payload * sizeof *expected);
        }
        free(flight->due_ns);
        free(flight->expected);
        *flight = (Flight){due, expected, 0, flight->count, size};
    }
    uint32_t at = (flight->first + flight->count++) & (flight->size - 1);
    flight->due_ns[at] = due_ns;
    answers_expect(layout, message, flight->expected + (size_t)at * payload);
}

/* --- calls ------------------------------------------------------------------------- */

int slot_of(const Client* client, uint32_t stream) {
    int32_t slot = client->slots[(stream >> 1) & (client->slots_size - 1)];
    return slot != NONE && client->calls[slot].stream == stream ? slot : NONE;
}

static void slots_grow(Client* client) {
    uint32_t size = client->slots_size ? 2 * client->slots_size : 16;
    if (size > SLOTS_MAX) abort();
    client->slots = must(realloc(client->slots, size * sizeof *client->slots));
    client->slots_size = size;
    for (uint32_t i = 0; i < size; i++) client->slots[i] = NONE;
    for (uint32_t i = 0; i < client->calls_count; i++) {
        uint32_t stream = client->calls[i].stream;
        if (stream == 0) continue;
        int32_t* slot = &client->slots[(stream >> 1) & (size - 1)];
        if (*slot != NONE) {
            slots_grow(client);
            return;
        }
        *slot = (int32_t)i;
    }
}

static Call* call_open(Client* client) {
    Load* self = client->load;
    uint32_t stream = client->next_stream;
    client->next_stream += 2;
    int32_t found = client->free_call;
    if (found != NONE) {
        client->free_call = client->calls[found].next_free;
    } else {
        found = (int32_t)client->calls_count++;
        if ((found & (found - 1)) == 0)
            client->calls = must(realloc(
                client->calls, (found ? 2u * (uint32_t)found : 1u) * sizeof(Call)));
        memset(&client->calls[found], 0, sizeof(Call));
    }
    while (client->slots_size == 0
           || client->slots[(stream >> 1) & (client->slots_size - 1)] != NONE)
        slots_grow(client);
    client->slots[(stream >> 1) & (client->slots_size - 1)] = found;
    Call* call = &client->calls[found];
    call->stream = stream;
    call->window = client->connection.stream_window;
    call->replies = 0;
    call->is_last = !self->is_stream;
    /* :method POST and :scheme https are in the static table; the rest enters the
     * dynamic one with the first call, newest first from 62. */
    static const uint8_t again[] = {0x83, 0x87, 0xC1, 0xC0, 0xBF, 0xBE};
    uint8_t block[HEADERS_SIZE + SESSION_SIZE];
    size_t size = stream == 1 ? self->headers_size : sizeof again;
    memcpy(block, stream == 1 ? self->headers : again, size);
    memcpy(block + size, client->session, client->session_size);
    connection_frame(&client->connection, HEADERS, END_HEADERS, stream, block,
                     size + client->session_size);
    self->counts.open++;
    return call;
}

void call_close(Client* client, Call* call) {
    Load* self = client->load;
    client->slots[(call->stream >> 1) & (client->slots_size - 1)] = NONE;
    self->in_flight[client->connection.number] -= call->flight.count;
    self->free += call->flight.count;
    self->counts.unanswered -= call->flight.count;
    self->counts.open--;
    call->flight.count = 0;
    call->pending.start = call->pending.end = 0;
    call->body.start = call->body.end = 0;
    call->stream = 0;
    call->next_free = client->free_call;
    client->free_call = (int32_t)(call - client->calls);
}

static void list(Client* client) {
    if (client->connection.is_listed) return;
    client->connection.is_listed = true;
    client->load->listed[client->load->listed_count++] = client->connection.number;
}

static void call_ready(Client* client, Call* call) {
    if (call->is_ready) return;
    if (client->ready_count == client->ready_size) {
        client->ready_size = client->ready_size ? 2 * client->ready_size : 16;
        client->ready =
            must(realloc(client->ready, client->ready_size * sizeof(uint32_t)));
    }
    call->is_ready = true;
    client->ready[client->ready_count++] = (uint32_t)(call - client->calls);
}

static void call_send(Client* client, Call* call, const uint8_t* message, size_t size) {
    Connection* connection = &client->connection;
    int64_t room = call->window < connection->window ? call->window : connection->window;
    bool is_first = call->is_last && client->ready_count == 0;
    if (is_first && (int64_t)size <= room && size <= FRAME_MAX) {
        connection_frame(connection, DATA, END_STREAM, call->stream, message, size);
        connection->window -= (int64_t)size;
        call->window -= (int64_t)size;
    } else {
        buffer_add(&call->pending, message, size);
        call_ready(client, call);
    }
    list(client);
}

/* Turn what is pending into frames, as far as the windows go; whether there is more,
 * for which only the buffer had no room. */
static bool frame_pending(Client* client) {
    Connection* connection = &client->connection;
    uint32_t kept = 0;
    bool is_full = false;
    for (uint32_t i = 0; i < client->ready_count; i++) {
        Call* call = &client->calls[client->ready[i]];
        Buffer* pending = &call->pending;
        while (pending->start < pending->end) {
            int64_t size = (int64_t)(pending->end - pending->start);
            if (size > FRAME_MAX) size = FRAME_MAX;
            if (size > call->window) size = call->window;
            if (size > connection->window) size = connection->window;
            is_full = connection->out.end - connection->out.start > OUT_MAX;
            if (size <= 0 || is_full) break;
            bool ends =
                call->is_last && pending->start + (size_t)size == pending->end;
            connection_frame(connection, DATA, ends ? END_STREAM : 0, call->stream,
                             pending->bytes + pending->start, (size_t)size);
            pending->start += (size_t)size;
            connection->window -= size;
            call->window -= size;
        }
        if (pending->start < pending->end) client->ready[kept++] = client->ready[i];
        else call->is_ready = false;
    }
    client->ready_count = kept;
    return is_full;
}

/* --- the run ----------------------------------------------------------------------- */

Load* load_new(
    const Layout* layout, bool is_stream, uint32_t connections, uint32_t outstanding,
    bool keeps_times, Failure* failure) {
    Load* self = must(calloc(1, sizeof *self));
    self->layout = *layout;
    self->is_stream = is_stream;
    self->outstanding = outstanding;
    self->keeps_times = keeps_times;
    self->clients = must(calloc(connections, sizeof *self->clients));
    self->in_flight = must(calloc(connections, sizeof *self->in_flight));
    self->listed = must(calloc(connections, sizeof *self->listed));
    self->room = INT64_MAX;
    self->end_ns = self->until_ns = UINT64_MAX;
    self->failure = failure;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->count = connections;
    return self;
}

int load_dial(
    Load* self, const char* host, int port, const char* path, SSL_CTX* tls,
    const char* session, uint32_t count) {
    if (strlen(path) > PATH_MAX_SIZE) return failure_set(self->failure, "a long path");
    self->headers_size = call_headers(self->headers, host, port, path);
    if (count > self->count - self->dialled)
        return failure_set(self->failure, "more connections than there are");
    uint32_t end = self->dialled + count;
    for (uint32_t i = self->dialled; i < end; i++) {
        Client* client = &self->clients[i];
        client->load = self;
        if (*session != '\0'
            && (client->session_size = session_header(client->session, session)) == 0)
            return failure_set(self->failure, "a long session");
        client->free_call = NONE;
        client->next_stream = 1;
        client->connection.number = i;
        client->connection.handler = &LOAD_HANDLER;
        client->connection.owner = client;
        if (nghttp2_hd_inflate_new(&client->inflater) != 0) abort();
        if (connection_dial(&client->connection, tls, host, port, self->failure) != 0)
            return -1;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(self->epoll, EPOLL_CTL_ADD, client->connection.fd, &event);
        if (self->is_stream) call_open(client);
        self->free += self->outstanding;
        list(client);
    }
    self->dialled = end;
    return 0;
}

void load_supply(
    Load* self, const uint8_t* messages, const uint64_t* due_ns, size_t count) {
    self->messages = messages;
    self->due_ns = due_ns;
    self->supplied = count;
    self->taken = 0;
}

static uint64_t due_at(const Load* self, uint64_t now_ns) {
    return self->due_ns != NULL ? self->due_ns[self->taken] : now_ns;
}

/* Whether everything was sent that ever will be. */
static bool is_over(const Load* self, uint64_t now_ns) {
    if (self->end_ns == UINT64_MAX) return false;
    if (self->due_ns == NULL) return now_ns >= self->end_ns;
    return self->taken < self->supplied && due_at(self, now_ns) >= self->end_ns;
}

static void keep_time(Load* self, uint64_t due_ns) {
    if (self->times_count == self->times_size) {
        self->times_size = self->times_size ? 2 * self->times_size : 4096;
        self->times =
            must(realloc(self->times, self->times_size * sizeof *self->times));
    }
    self->times[self->times_count++] = due_ns;
}

static void send_due(Load* self, uint64_t now_ns) {
    size_t size = layout_size(&self->layout);
    while (self->taken < self->supplied && self->free > 0 && self->room > 0) {
        uint64_t due_ns = due_at(self, now_ns);
        if (due_ns > now_ns || due_ns >= self->end_ns) return;
        while (self->in_flight[self->turn] >= self->outstanding)
            self->turn = self->turn + 1 < self->count ? self->turn + 1 : 0;
        uint32_t number = self->turn;
        self->turn = self->turn + 1 < self->count ? self->turn + 1 : 0;
        Client* client = &self->clients[number];
        Call* call = self->is_stream ? client->calls : call_open(client);
        const uint8_t* message = self->messages + self->taken++ * size;
        flight_add(&call->flight, &self->layout, message, due_ns);
        call_send(client, call, message, size);
        self->in_flight[number]++;
        self->free--;
        self->room--;
        self->counts.sent++;
        self->counts.unanswered++;
        if (self->keeps_times) keep_time(self, due_ns);
    }
}

static void close_streams(Load* self) {
    self->is_closed = true;
    for (uint32_t i = 0; i < self->count && self->is_stream; i++) {
        Client* client = &self->clients[i];
        Call* call = client->calls;
        call->is_last = true;
        if (call->pending.start == call->pending.end)
            connection_frame(
                &client->connection, DATA, END_STREAM, call->stream, NULL, 0);
        list(client);
    }
}

static int client_write(Client* client) {
    Connection* connection = &client->connection;
    Load* self = client->load;
    bool is_full;
    do {
        is_full = frame_pending(client);
        if (connection_write(connection) != 0) return -1;
    } while (is_full && !connection->is_blocked);
    if (connection->is_blocked != client->wants_write) {
        client->wants_write = connection->is_blocked;
        struct epoll_event event = {
            .events = EPOLLIN | (client->wants_write ? EPOLLOUT : 0),
            .data.u32 = connection->number};
        epoll_ctl(self->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    }
    return 0;
}

static int write_listed(Load* self) {
    for (uint32_t i = 0; i < self->listed_count; i++) {
        Client* client = &self->clients[self->listed[i]];
        client->connection.is_listed = false;
        if (client_write(client) != 0) return -1;
    }
    self->listed_count = 0;
    return 0;
}

/* Sleep until something comes, something is due, or `until_ns`; read what came. */
static int turn(Load* self, uint64_t now_ns, uint64_t until_ns) {
    uint64_t wait = until_ns - now_ns;
    uint64_t next = load_next_due(self);
    if (self->free > 0 && self->room > 0 && next < self->end_ns && next - now_ns < wait)
        wait = next > now_ns + TICK_NS ? next - now_ns : TICK_NS;
    struct timespec limit = {
        (time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_pwait2(self->epoll, events, EVENTS_MAX, &limit, NULL);
    for (int i = 0; i < count; i++) {
        Client* client = &self->clients[events[i].data.u32];
        if (events[i].events & ~(uint32_t)EPOLLOUT
            && connection_read(&client->connection) != 0)
            return -1;
        list(client);
    }
    return 0;
}

int load_run(Load* self, uint64_t until_ns) {
    for (;;) {
        uint64_t now_ns = clock_ns();
        send_due(self, now_ns);
        bool is_all_sent = is_over(self, now_ns);
        if (is_all_sent && !self->is_closed) close_streams(self);
        if (write_listed(self) != 0) return RUN_FAILED;
        if (is_all_sent && self->counts.open == 0) return RUN_DONE;
        if (now_ns >= until_ns) return RUN_TIME;
        if (!is_all_sent && self->taken == self->supplied) return RUN_EMPTY;
        if (turn(self, now_ns, until_ns) != 0) return RUN_FAILED;
    }
}

void load_end(Load* self, uint64_t at_ns) {
    if (at_ns < self->end_ns) self->end_ns = at_ns;
}

LoadCounts* load_counts(Load* self) { return &self->counts; }
Totals* load_totals(Load* self) { return &self->totals; }

void load_measure(Load* self, uint64_t since_ns, uint64_t until_ns) {
    self->since_ns = since_ns;
    self->until_ns = until_ns;
}

uint64_t* load_latencies(Load* self, uint64_t* largest) {
    *largest = self->largest;
    return self->latencies;
}

void load_clear_latencies(Load* self) {
    memset(self->latencies, 0, sizeof self->latencies);
    self->largest = 0;
}

void load_set_room(Load* self, int64_t messages) { self->room = messages; }
int64_t load_get_room(const Load* self) { return self->room; }

uint64_t load_next_due(const Load* self) {
    if (self->due_ns == NULL || self->taken == self->supplied) return UINT64_MAX;
    return self->due_ns[self->taken];
}

size_t load_overdue(const Load* self, uint64_t at_ns) {
    size_t count = 0;
    if (self->due_ns == NULL) return 0;
    for (size_t i = self->taken; i < self->supplied && self->due_ns[i] < at_ns; i++)
        count++;
    return count;
}

const uint64_t* load_times(const Load* self, size_t* count) {
    *count = self->times_count;
    return self->times;
}

const char* load_last_status(const Load* self) { return self->last_status; }

void load_free(Load* self) {
    if (self == NULL) return;
    for (uint32_t i = 0; i < self->count; i++) {
        Client* client = &self->clients[i];
        for (uint32_t j = 0; j < client->calls_count; j++) {
            Call* call = &client->calls[j];
            free(call->flight.due_ns);
            free(call->flight.expected);
            free(call->pending.bytes);
            free(call->body.bytes);
        }
        free(client->calls);
        free(client->slots);
        free(client->ready);
        if (client->inflater != NULL) nghttp2_hd_inflate_del(client->inflater);
        connection_close(&client->connection);
    }
    if (self->epoll >= 0) close(self->epoll);
    free(self->clients);
    free(self->in_flight);
    free(self->listed);
    free(self->times);
    free(self);
}
