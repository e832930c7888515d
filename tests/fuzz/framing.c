/* gRPC's framing: bytes of messages in pieces of any size, wanted whenever the caller pleases.

   Input: steps, a byte each of what (upper 3 bits) and of which call or how much (lower 5):
       0  a call begins: a unary, a stream of the server's, a stream both ways (lower 5, mod 3)
       1  bytes of a call (lower 2 bits): the next byte says how many follow
       2  the same, of a message that is right: its size is twelve times the next byte
       3  its last byte was sent
       4  the caller is ready for a message of it
       5  time passes, ms
       6  the caller ends it
       7  the peer gives it up

   Beside what door.h looks at: each call's bytes are read here a second time. What the caller
   gets is what was sent, message by message; nothing behind a mistake; and all of it where
   there is no mistake, the caller wants it and no bound is met. */

#include <string.h>

#include "door.h"
#include "plain.h"
#include "target.h"

enum {
    CALLS = 4,
    SENT_MAX = 16 << 10, /* bytes of one call: within its window and its owner's bytes */
    MESSAGE_MAX = 100000, /* of caller.h */
    TIMES = 12,          /* bytes of a right message for each that the input has */
    BIDI = 2,            /* the third method of caller.h */
};

static struct sent {
    uint8_t bytes[SENT_MAX];
    size_t size, read; /* `read`: before it, what the caller has got */
    uint64_t call;
    uint32_t stream;
    int method;
    bool over;  /* nothing more is sent */
    bool ended; /* the caller was told, or ended it */
    bool first; /* its one message was there */
} calls[CALLS];
static size_t calls_count;

static struct sent *find_sent(uint64_t call) {
    for (size_t i = 0; i < calls_count; i++)
        if (calls[i].call == call) return &calls[i];
    return NULL;
}

/* --- the second reading -------------------------------------------------------------------- */

enum next { WHOLE, PART, WRONG };

/* The message at `at`: whether it is there. */
static enum next next_message(const struct sent *sent, size_t at, size_t *size) {
    const uint8_t *head = sent->bytes + at;
    size_t left = sent->size - at;
    if (left < 5) return PART;
    *size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    if (head[0] != 0 || *size > MESSAGE_MAX) return WRONG;
    if (sent->method != BIDI && sent->first) return WRONG;
    return *size > left - 5 ? PART : WHOLE;
}

static void got_message(struct sent *sent, const struct block *body) {
    size_t size;
    target_check(next_message(sent, sent->read, &size) == WHOLE, "a message that was not sent");
    target_check(size == body->size && memcmp(sent->bytes + sent->read + 5, body->data, size) == 0,
                 "a message of %zu bytes is another than that of %zu", body->size, size);
    sent->read += 5 + size;
    sent->first = true;
}

/* --- the caller ---------------------------------------------------------------------------- */

static void give(int kind, uint64_t target) {
    struct command *command = front_new_command(door_front);
    command->kind = (uint8_t)kind;
    command->target = target;
    front_give_command(door_front, command);
}

static void admit(uint64_t connection) {
    static const uint8_t rights[] = {1, 1, 1, 0, 1, 1, 1, 1};
    struct command *command = front_new_command(door_front);
    command->kind = FRONT_ADMIT;
    command->target = connection;
    command->owner = 1;
    command->budgets = (struct front_budgets){
        .payments_per_s = 1000000, .payments_at_once = 1000000, .reads_per_s = 1000000,
        .reads_at_once = 1000000, .fetches_per_s = 1000000, .fetches_at_once = 1000000,
        .owner_connections_max = 3, .owner_calls_max = 60, .owner_bytes_max = 600000,
        .owner_feeds_max = 30, .owner_watches_max = 30};
    command->fields = block_copy(rights, sizeof(rights));
    front_give_command(door_front, command);
}

static void hear(struct front *front, const struct event *event) {
    (void)front;
    struct sent *sent = event->kind == FRONT_CALL ? find_sent(0) : find_sent(event->call);
    switch (event->kind) {
    case FRONT_CONNECT:
        admit(event->connection);
        break;
    case FRONT_CALL:
        /* Calls of one message come when that is there: by their order they are not known. */
        if (event->method == BIDI) {
            for (size_t i = 0; i < calls_count; i++)
                if (calls[i].call == 0 && calls[i].method == BIDI) {
                    calls[i].call = event->call;
                    return;
                }
            target_fail("a stream that was not begun");
        }
        for (size_t i = 0; i < calls_count; i++) {
            sent = &calls[i];
            size_t size;
            if (sent->call != 0 || sent->method != event->method || !sent->over ||
                next_message(sent, 0, &size) != WHOLE || size + 5 != sent->size ||
                size != event->body->size || memcmp(sent->bytes + 5, event->body->data, size) != 0)
                continue;
            sent->call = event->call;
            got_message(sent, event->body);
            return;
        }
        target_fail("a call of a message that was not sent");
        break;
    case FRONT_MESSAGE:
        target_check(sent != NULL, "a message of no call");
        got_message(sent, event->body);
        break;
    case FRONT_HALF_CLOSED:
        target_check(sent != NULL && sent->over && sent->read == sent->size,
                     "an end with bytes before it");
        break;
    case FRONT_ENDED:
        if (sent != NULL) sent->ended = true;
        break;
    }
}

/* --- the peer ------------------------------------------------------------------------------ */

static size_t step;

static void send_frame(uint8_t type, uint8_t flags, uint32_t stream, const void *data,
                       size_t size) {
    uint8_t frame[FRAME_HEAD + SENT_MAX];
    uint8_t head[FRAME_HEAD] = {
        (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(frame, head, FRAME_HEAD);
    if (size > 0) memcpy(frame + FRAME_HEAD, data, size);
    plain_send(frame, FRAME_HEAD + size, step);
}

static size_t put_field(uint8_t *at, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value);
    at[0] = 0;
    at[1] = (uint8_t)name_size;
    memcpy(at + 2, name, name_size);
    at[2 + name_size] = (uint8_t)value_size;
    memcpy(at + 3 + name_size, value, value_size);
    return 3 + name_size + value_size;
}

static void begin_call(int method) {
    static const char *const paths[] = {"/f/Unary", "/f/Server", "/f/Bidi"};
    uint8_t block[300];
    size_t size = 0;
    if (calls_count == CALLS) return;
    struct sent *sent = &calls[calls_count];
    *sent = (struct sent){.method = method, .stream = 2 * (uint32_t)calls_count + 1};
    calls_count++;
    size += put_field(block + size, ":method", "POST");
    size += put_field(block + size, ":scheme", "https");
    size += put_field(block + size, ":path", paths[method]);
    size += put_field(block + size, ":authority", "localhost");
    size += put_field(block + size, "te", "trailers");
    size += put_field(block + size, "content-type", "application/grpc");
    send_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, sent->stream, block, size);
}

static void send_bytes(struct sent *sent, const void *data, size_t size) {
    if (sent->over || size > SENT_MAX - sent->size) return;
    memcpy(sent->bytes + sent->size, data, size);
    sent->size += size;
    send_frame(NGHTTP2_DATA, 0, sent->stream, data, size);
}

static void send_message(struct sent *sent, size_t size) {
    static uint8_t message[5 + 255 * TIMES];
    for (size_t i = 0; i < size; i++) message[5 + i] = (uint8_t)(i * 7 + size);
    message[3] = (uint8_t)(size >> 8), message[4] = (uint8_t)size;
    send_bytes(sent, message, 5 + size);
}

/* One step; how many bytes of the input it took. */
static size_t follow(const uint8_t *data, size_t size, bool *given_up) {
    int what = data[0] >> 5, how = data[0] & 31;
    struct sent *sent = how % CALLS < (int)calls_count ? &calls[how % CALLS] : NULL;
    size_t count = size > 1 ? data[1] : 0;
    if (what == 0) begin_call(how % 3);
    if (what == 5) door_pass(how);
    if (sent == NULL) return 1;
    switch (what) {
    case 1:
        if (count > size - 2 || size < 2) return size;
        send_bytes(sent, data + 2, count);
        return 2 + count;
    case 2:
        send_message(sent, count * TIMES);
        return 2;
    case 3:
        if (sent->over) break;
        sent->over = true;
        send_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, sent->stream, NULL, 0);
        break;
    case 4:
        give(FRONT_WANT, sent->call);
        door_turn(0);
        break;
    case 6:
        sent->ended = true;
        give(FRONT_FINISH, sent->call);
        door_turn(0);
        break;
    case 7:
        if (sent->over) break;
        sent->over = sent->ended = true;
        *given_up = true;
        send_frame(NGHTTP2_RST_STREAM, 0, sent->stream, "\0\0\0\x08", 4);
        break;
    }
    return 1;
}

/* What is left when everybody wants everything. */
static void want_all(void) {
    for (size_t i = 0; i < calls_count; i++) {
        struct sent *sent = &calls[i];
        size_t size, before = SENT_MAX + 1;
        if (sent->method != BIDI || sent->ended) continue;
        while (sent->read != before && !sent->ended) {
            before = sent->read;
            give(FRONT_WANT, sent->call);
            door_turn(0);
        }
        target_check(sent->ended || next_message(sent, sent->read, &size) != WHOLE,
                     "a message that never comes, at %zu of %zu", sent->read, sent->size);
        target_check(sent->ended || next_message(sent, sent->read, &size) != WRONG,
                     "a mistake that nobody minds, at %zu of %zu", sent->read, sent->size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static const size_t steps[] = {1 << 20, 1000, 13, 3};
    if (size == 0) return 0;
    door_init(hear);
    plain = (struct plain){0};
    calls_count = 0;
    step = steps[data[0] & 3];
    bool given_up = false, open = plain_open(1);
    target_check(open, "no connection");
    plain_send((const uint8_t *)preface, sizeof(preface) - 1, 1 << 20);
    for (size_t at = 1; at < size && door_front->counters.connections_open > 0;)
        at += follow(data + at, size - at, &given_up);
    if (door_front->counters.connections_open > 0) want_all();
    plain_end(true);
    return 0;
}
