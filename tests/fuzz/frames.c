/* What a frame costs: so many of one type, to a front without TLS and without sanitizers.

       frames TYPE        one line of JSON: bytes sent, bytes allocated, frames, whether it stays
       frames             the names of the types

   Run under callgrind with --toggle-collect=measured: that is all that the frames' reading,
   answering and writing does. What comes before, as the streams that are reset, is not in it. */

#include <malloc.h>
#include <string.h>

#include "allocated.h"
#include "door.h"
#include "plain.h"
#include "target.h"

enum {
    TURN_FRAMES = 20, /* in one turn: fewer than there may be calls at a time */
    FRAMES = 400, /* below the bounds of caller.h, beyond which the connection ends */
    BYTES_MAX = 128 << 10,
    SEED = 3, /* of an owner that is let in and has large budgets */
};

/* --- memory: each allocation of the process, nghttp2's too ------------------------------------ */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

static int64_t asked, held;

static void *counted(void *memory) {
    int64_t size = memory == NULL ? 0 : (int64_t)malloc_usable_size(memory);
    asked += size;
    held += size;
    return memory;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }
void *realloc(void *memory, size_t size) {
    held -= memory == NULL ? 0 : (int64_t)malloc_usable_size(memory);
    return counted(__libc_realloc(memory, size));
}
void free(void *memory) {
    held -= memory == NULL ? 0 : (int64_t)malloc_usable_size(memory);
    __libc_free(memory);
}

void allocated_begin(void) { held = 0; }
int64_t allocated_bytes(void) { return held; }

/* --- frames ------------------------------------------------------------------------------------ */

static uint8_t bytes[BYTES_MAX];
static size_t size;

static void put(uint8_t type, uint8_t flags, uint32_t stream, const void *content, size_t length) {
    uint8_t head[FRAME_HEAD] = {
        (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, type, flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    if (length + FRAME_HEAD > sizeof(bytes) - size) return;
    memcpy(bytes + size, head, FRAME_HEAD);
    if (length > 0) memcpy(bytes + size + FRAME_HEAD, content, length);
    size += FRAME_HEAD + length;
}

static size_t put_field(uint8_t *at, int first, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value);
    at[0] = (uint8_t)first;
    at[1] = (uint8_t)name_size;
    memcpy(at + 2, name, name_size);
    at[2 + name_size] = (uint8_t)value_size;
    memcpy(at + 3 + name_size, value, value_size);
    return 3 + name_size + value_size;
}

/* The fields of a call; `first` 0x40: into the table. */
static size_t put_call(uint8_t *block, int first) {
    static const char *const fields[][2] = {
        {":method", "POST"}, {":scheme", "https"}, {":path", "/f/Unary"},
        {":authority", "localhost"}, {"te", "trailers"}, {"content-type", "application/grpc"}};
    size_t length = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        length += put_field(block + length, first, fields[i][0], fields[i][1]);
    return length;
}

enum type {
    PLAIN_HEADERS, INDEXED_HEADERS, INDEXED_FIELDS, KEPT_FIELDS, TABLE_SIZES, TRAILERS, CONTINUED,
    MESSAGES, DATA_ONE, DATA_EMPTY, DATA_PADDED, PRIORITY, RESET, RAPID_RESET, SETTINGS_NONE,
    SETTINGS_MANY, PING, WINDOW_ALL, WINDOW_ONE, UNKNOWN, TYPES
};

static const char *const NAMES[TYPES] = {
    "plain HEADERS", "indexed HEADERS", "indexed fields", "fields kept in the table",
    "sizes of the table", "trailers", "CONTINUATION", "DATA, messages of 1 KB",
    "DATA of one byte", "DATA of none", "DATA, padded", "PRIORITY", "RST_STREAM",
    "HEADERS and RST_STREAM", "SETTINGS of none", "SETTINGS of 30", "PING",
    "WINDOW_UPDATE", "WINDOW_UPDATE of one byte", "a type that is unknown"};

/* What comes before, so that these frames are possible. */
static void prepare(enum type type) {
    uint8_t block[1000];
    size_t length = put_call(block, type == INDEXED_HEADERS || type == INDEXED_FIELDS ? 0x40 : 0);
    for (uint32_t i = 0; i < 40 && type == RESET; i++) put(1, 4, 2 * i + 1, block, length);
    if (type == INDEXED_HEADERS || type == INDEXED_FIELDS) put(1, 5, 1, block, length);
    if (type >= MESSAGES && type <= DATA_PADDED) {
        length = put_field(block, 0, ":path", "/f/Bidi") + 0;
        length += put_field(block + length, 0, ":method", "POST");
        length += put_field(block + length, 0, ":scheme", "https");
        length += put_field(block + length, 0, ":authority", "localhost");
        length += put_field(block + length, 0, "content-type", "application/grpc");
        put(1, 4, 1, block, length);
    }
    if (type == WINDOW_ONE || type == WINDOW_ALL || type == TRAILERS || type == PRIORITY)
        put(1, 4, 1, block, length);
}

static void add(enum type type, uint32_t i) {
    static uint8_t content[2048];
    static const uint8_t indexed[] = {0x80 | 67, 0x80 | 66, 0x80 | 65, 0x80 | 64, 0x80 | 63,
                                      0x80 | 62};
    uint8_t block[1000];
    uint32_t stream = 2 * i + 3;
    size_t length = put_call(block, type == KEPT_FIELDS ? 0x40 : 0);
    memset(content, 0, sizeof(content));
    switch (type) {
    case PLAIN_HEADERS: put(1, 5, stream, block, length); break;
    case INDEXED_HEADERS: put(1, 5, stream, indexed, sizeof(indexed)); break;
    case INDEXED_FIELDS: /* one field, again and again */
        memcpy(content, indexed, sizeof(indexed));
        memset(content + sizeof(indexed), 0x80 | 16, 1000);
        put(1, 5, stream, content, sizeof(indexed) + (i < 60 ? 1000 : 0));
        break;
    case KEPT_FIELDS: put(1, 5, stream, block, length); break;
    case TABLE_SIZES:
        content[0] = 0x20, content[1] = 0x3f, content[2] = 0xe1, content[3] = 0x1f;
        memcpy(content + 4, block, length);
        put(1, 5, stream, content, length + 4);
        break;
    case TRAILERS:
        put(1, 4, stream, block, length);
        put(1, 5, stream, block, put_field(block, 0, "more", "some"));
        break;
    case CONTINUED:
        for (size_t at = 0; at < length; at += length / 6)
            put(at == 0 ? 1 : 9, (uint8_t)((at == 0) | (length - at <= length / 6 ? 4 : 0)), stream,
                block + at, length - at <= length / 6 ? length - at : length / 6);
        break;
    case MESSAGES:
        content[3] = 4;
        if (i < 16) put(0, 0, 1, content, 5 + 1024);
        break;
    case DATA_ONE: put(0, 0, 1, content, 1); break;
    case DATA_EMPTY: put(0, 0, 1, content, 0); break;
    case DATA_PADDED:
        content[0] = 255;
        if (i < 60) put(0, 8, 1, content, 256);
        break;
    case PRIORITY: put(2, 0, 1 + 2 * (i % 50), content, 5); break;
    case RESET:
        content[3] = 8;
        put(3, 0, 1 + 2 * (i % 40), content, 4);
        break;
    case RAPID_RESET:
        put(1, 4, stream, block, length);
        content[3] = 8;
        put(3, 0, stream, content, 4);
        break;
    case SETTINGS_NONE: put(4, 0, 0, content, 0); break;
    case SETTINGS_MANY:
        for (int each = 0; each < 30; each++) content[6 * each + 1] = 3, content[6 * each + 5] = 50;
        put(4, 0, 0, content, 180);
        break;
    case PING: put(6, 0, 0, content, 8); break;
    case WINDOW_ALL:
        content[2] = 1;
        put(8, 0, 0, content, 4);
        break;
    case WINDOW_ONE:
        content[3] = 1;
        put(8, 0, 1, content, 4);
        break;
    case UNKNOWN: put(200, 0, 0, content, 4); break;
    case TYPES: break;
    }
}

__attribute__((noinline)) void measured(size_t step);
void measured(size_t step) { plain_send(bytes, size, step); }

int main(int count, char **arguments) {
    static const uint8_t begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    int type = count > 1 ? atoi(arguments[1]) : TYPES;
    if (count < 2 || type < 0 || type >= TYPES) {
        for (type = 0; type < TYPES; type++) puts(NAMES[type]);
        return 0;
    }
    door_init(NULL);
    target_check(plain_open(SEED), "no connection");
    plain_send(begin, sizeof(begin) - 1, 1 << 20);
    target_check(door_front->counters.connections_admitted == 1, "it is not let in");
    prepare((enum type)type);
    if (size > 0) plain_send(bytes, size, 1 << 20);
    size = 0;
    for (uint32_t i = 0; i < FRAMES; i++) add((enum type)type, i);
    int64_t before = asked, held_before = held;
    /* PINGs come one after the other, as more at a time are a flood at once. */
    measured(type == PING ? FRAME_HEAD + 8 : size * TURN_FRAMES / FRAMES);
    printf("{\"name\": \"%s\", \"sent\": %zu, \"asked\": %ld, \"held\": %ld, \"calls\": %ld, "
           "\"flooded\": %ld, \"open\": %ld}\n",
           NAMES[type], plain.read, (long)(asked - before), (long)(held - held_before),
           (long)door_front->counters.calls_begun, (long)door_front->counters.connections_flooded,
           (long)door_front->counters.connections_open);
    return 0;
}
