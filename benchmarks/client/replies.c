/* What comes back to a load: each answer is held against what was sent. See client.h. */

#include "client.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count_latency(Load* self, uint64_t due_ns, uint64_t now_ns) {
    if (due_ns < self->since_ns || due_ns >= self->until_ns) return;
    uint64_t value = now_ns - due_ns;
    int shift = 64 - __builtin_clzll(value | 1) - BUCKET_BITS - 1;
    if (shift < 0) shift = 0;
    self->latencies[((uint64_t)shift << BUCKET_BITS) + (value >> shift)]++;
    if (value > self->largest) self->largest = value;
}

/* The oldest message is answered; NULL if there is none. */
static const Expected* flight_first(const Flight* flight, uint32_t payload) {
    if (flight->count == 0) return NULL;
    return flight->expected + (size_t)flight->first * payload;
}

static void flight_done(Client* client, Flight* flight, uint64_t now_ns) {
    Load* self = client->load;
    count_latency(self, flight->due_ns[flight->first], now_ns);
    flight->first = (flight->first + 1) & (flight->size - 1);
    flight->count--;
    self->in_flight[client->connection.number]--;
    self->free++;
    self->counts.unanswered--;
    self->counts.messages++;
}

static int take_reply(Client* client, Call* call, const uint8_t* reply, size_t size) {
    Load* self = client->load;
    const Layout* layout = &self->layout;
    Flight* flight = &call->flight;
    uint64_t now_ns = clock_ns();
    self->counts.replies++;
    call->replies++;
    const Expected* expected = flight_first(flight, layout->payload);
    if (expected == NULL) return failure_set(self->failure, "nothing was asked");
    if (layout->asks == ASKS_PAYMENT_STATE) {
        flight_done(client, flight, now_ns);
        return answers_check_state(reply, size, expected, &self->totals, self->failure);
    }
    if (layout->asks == ASKS_NOTHING) {
        if (size) return failure_set(self->failure, "an empty handler gave an answer");
        flight_done(client, flight, now_ns);
        self->totals.payments++;
        self->totals.accepted++;
        return 0;
    }
    int count = answers_count(reply, size, self->failure);
    if (count < 0) return -1;
    uint32_t messages = (uint32_t)count / layout->payload;
    if ((uint32_t)count % layout->payload || messages > flight->count || count == 0)
        return failure_set(self->failure, "a reply does not answer whole messages");
    const uint8_t* at = reply;
    for (; messages > 0; messages--) {
        expected = flight_first(flight, layout->payload);
        for (uint32_t i = 0; i < layout->payload; i++)
            if (answers_check(layout, &at, reply + size, expected + i, &self->totals,
                              self->failure) != 0)
                return -1;
        flight_done(client, flight, now_ns);
    }
    return 0;
}

/* All whole messages; how many bytes they have, or -1. */
static int64_t take_messages(
    Client* client, Call* call, const uint8_t* bytes, size_t size) {
    size_t at = 0;
    while (size - at >= MESSAGE_HEAD) {
        const uint8_t* head = bytes + at;
        if (head[0]) return failure_set(client->load->failure, "a reply is compressed");
        size_t body = (size_t)head[1] << 24 | (size_t)head[2] << 16
                      | (size_t)head[3] << 8 | head[4];
        if (size - at < MESSAGE_HEAD + body) break;
        if (take_reply(client, call, head + MESSAGE_HEAD, body) != 0) return -1;
        at += MESSAGE_HEAD + body;
    }
    return (int64_t)at;
}

static int on_data(
    Connection* connection, uint32_t stream, const uint8_t* bytes, size_t size,
    bool ends) {
    Client* client = connection->owner;
    int slot = slot_of(client, stream);
    if (ends) return failure_set(connection->failure, "a call ended without a status");
    if (slot == NONE) return 0;
    Call* call = &client->calls[slot];
    Buffer* body = &call->body;
    bool is_part = body->start < body->end;
    if (is_part) {
        buffer_add(body, bytes, size);
        bytes = body->bytes + body->start;
        size = body->end - body->start;
    }
    int64_t taken = take_messages(client, call, bytes, size);
    if (taken < 0) return -1;
    if (is_part) body->start += (size_t)taken;
    else buffer_add(body, bytes + taken, size - (size_t)taken);
    return 0;
}

static bool is_name(const nghttp2_nv* field, const char* name) {
    return field->namelen == strlen(name) && !memcmp(field->name, name, field->namelen);
}

/* The statuses of a block of headers, 0 and -1 where it has none. */
static int read_headers(
    Client* client, const uint8_t* block, size_t size, int* http, int* grpc) {
    bool is_known = size <= MEMO_SIZE;
    for (size_t i = 0; i < size && is_known; i++)
        /* Each byte an entry of the tables, which stay as they are. */
        is_known = block[i] > 0x80 && block[i] != 0xFF;
    for (int i = 0; i < MEMO && is_known; i++) {
        const Memo* memo = &client->memo[i];
        if (memo->size == size && !memcmp(memo->block, block, size)) {
            *http = memo->http;
            *grpc = memo->grpc;
            return 0;
        }
    }
    if (!is_known) memset(client->memo, 0, sizeof client->memo);
    *http = 0;
    *grpc = -1;
    const uint8_t* at = block;
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        nghttp2_ssize used = nghttp2_hd_inflate_hd3(
            client->inflater, &field, &flags, at, (size_t)(block + size - at), 1);
        if (used < 0)
            return failure_set(client->load->failure, "headers cannot be read");
        at += used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            if (is_name(&field, ":status")) *http = atoi((const char*)field.value);
            if (is_name(&field, "grpc-status")) *grpc = atoi((const char*)field.value);
            if (is_name(&field, "grpc-message"))
                snprintf(client->load->last_status, sizeof client->load->last_status,
                         "%.*s", (int)field.valuelen, (const char*)field.value);
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
    }
    nghttp2_hd_inflate_end_headers(client->inflater);
    if (is_known) {
        Memo* memo = &client->memo[client->memo_next++ % MEMO];
        memcpy(memo->block, block, size);
        memo->size = (uint8_t)size;
        memo->http = *http;
        memo->grpc = *grpc;
    }
    return 0;
}

static int on_headers(
    Connection* connection, uint32_t stream, const uint8_t* block, size_t size,
    bool ends) {
    Client* client = connection->owner;
    Load* self = client->load;
    int http, grpc;
    if (read_headers(client, block, size, &http, &grpc) != 0) return -1;
    if (http != 0 && http != 200)
        return failure_set(self->failure, "a call has HTTP status %d", http);
    int slot = slot_of(client, stream);
    if (!ends || slot == NONE) return 0;
    Call* call = &client->calls[slot];
    if (grpc < 0) return failure_set(self->failure, "a call ended without a status");
    if (grpc != 0) {
        self->counts.statuses[grpc < STATUSES ? grpc : 2]++;
        if (self->is_stream)
            return failure_set(self->failure, "a stream ended with status %d: %s", grpc,
                               self->last_status);
    } else if (call->flight.count || call->body.start < call->body.end
               || !call->is_last || (!self->is_stream && call->replies != 1)) {
        return failure_set(self->failure, "a call ended early");
    }
    call_close(client, call);
    return 0;
}

static int on_reset(Connection* connection, uint32_t stream, uint32_t error) {
    Client* client = connection->owner;
    int slot = slot_of(client, stream);
    if (slot == NONE) return 0;
    if (client->load->is_stream)
        return failure_set(connection->failure, "a stream was reset: error %u", error);
    client->load->counts.resets++;
    call_close(client, &client->calls[slot]);
    return 0;
}

static void on_window(Connection* connection, uint32_t stream, int64_t change) {
    Client* client = connection->owner;
    if (stream == 0) {
        for (uint32_t i = 0; i < client->calls_count; i++)
            client->calls[i].window += change;
        return;
    }
    int slot = slot_of(client, stream);
    if (slot != NONE) client->calls[slot].window += change;
}

const Handler LOAD_HANDLER = {on_headers, on_data, on_reset, on_window};
