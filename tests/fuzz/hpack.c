/* See hpack.h.

   An input is cut into frames; what is left over stays behind the last. A header block, which
   may lie in several frames, is cut into its fields: what names an entry of the table, what is
   spelled out, changes of the table's size. One frame or one field is changed, left out,
   doubled, moved or made anew, a block may be cut into CONTINUATIONs at any byte, and lengths
   are put right, but now and then. */

#include "hpack.h"

#include <stdbool.h>
#include <string.h>

#include "target.h"

enum {
    FRAMES_MAX = 512,
    FIELDS_MAX = 512,
    BYTES_MAX = 1 << 16,
    HEAD = 9,
    DATA = 0, HEADERS = 1, CONTINUATION = 9, /* types */
    END_HEADERS = 4, PADDED = 8, PRIORITY = 32, /* flags */
    STATIC_ENTRIES = 61,
    WRONG = 20, /* one in so many lengths is left wrong */
};

struct frame {
    const uint8_t *bytes; /* of what is in it */
    size_t size;
    uint32_t stream;
    uint8_t type, flags;
    bool wrong; /* its length will be */
};

enum field_kind { INDEXED, KEPT, PASSING, NEVER, RESIZED, RAW };

/* `first`, its bits that say what it is, and bits of the number that follow them. */
static const struct {
    uint8_t first, bits;
} KINDS[] = {{0x80, 7}, {0x40, 6}, {0x00, 4}, {0x10, 4}, {0x20, 5}};

struct field {
    const uint8_t *name, *value; /* as they are coded, lengths included */
    size_t name_size, value_size;
    uint64_t number;
    uint8_t kind;
};

static struct frame frames[FRAMES_MAX];
static struct field fields[FIELDS_MAX];
static size_t frames_count, fields_count;
/* What is made anew stands behind the input's own bytes. */
static uint8_t bytes[4 * BYTES_MAX];
static size_t bytes_size;
static uint64_t state;

static uint64_t chance(uint64_t below) { return target_chance(&state, below); }
static bool one_in(uint64_t n) { return chance(n) == 0; }

static const uint8_t *keep(const void *data, size_t size) {
    if (size > sizeof(bytes) - bytes_size) return NULL;
    uint8_t *at = bytes + bytes_size;
    memmove(at, data, size);
    bytes_size += size;
    return at;
}

/* --- numbers and strings of HPACK -------------------------------------------------------- */

static size_t put_number(uint8_t *at, uint8_t first, int bits, uint64_t number) {
    uint64_t limit = (1u << bits) - 1;
    size_t size = 0;
    if (number < limit) {
        at[0] = (uint8_t)(first | number);
        return 1;
    }
    at[size++] = (uint8_t)(first | limit);
    for (number -= limit; number >= 128; number >>= 7) at[size++] = (uint8_t)(number | 128);
    at[size++] = (uint8_t)number;
    return size;
}

/* Bytes of the number, 0: it is none. */
static size_t get_number(const uint8_t *at, size_t size, int bits, uint64_t *number) {
    uint64_t limit = (1u << bits) - 1;
    if (size == 0) return 0;
    *number = at[0] & limit;
    if (*number < limit) return 1;
    for (size_t i = 1, shift = 0; i < size && shift < 56; i++, shift += 7) {
        *number += (uint64_t)(at[i] & 127) << shift;
        if (at[i] < 128) return i + 1;
    }
    return 0;
}

/* Bytes of a string with its length, 0: it is cut short. */
static size_t get_text(const uint8_t *at, size_t size) {
    uint64_t length;
    size_t head = get_number(at, size, 7, &length);
    return head == 0 || length > size - head ? 0 : head + (size_t)length;
}

static size_t put_text(uint8_t *at, const void *text, size_t size) {
    size_t head = put_number(at, one_in(30) ? 0x80 : 0, 7, size);
    memmove(at + head, text, size);
    return head + size;
}

/* --- fields -------------------------------------------------------------------------------- */

static size_t read_field(const uint8_t *at, size_t size, struct field *field) {
    *field = (struct field){0};
    uint8_t kind = at[0] & 0x80 ? INDEXED : at[0] & 0x40 ? KEPT
                 : at[0] & 0x20 ? RESIZED : at[0] & 0x10 ? NEVER : PASSING;
    size_t read = get_number(at, size, KINDS[kind].bits, &field->number);
    field->kind = kind;
    if (read == 0 || kind == INDEXED || kind == RESIZED) return read;
    if (field->number == 0) {
        field->name = at + read;
        field->name_size = get_text(at + read, size - read);
        if (field->name_size == 0) return 0;
        read += field->name_size;
    }
    field->value = at + read;
    field->value_size = get_text(at + read, size - read);
    return field->value_size == 0 ? 0 : read + field->value_size;
}

static void read_block(const uint8_t *at, size_t size) {
    fields_count = 0;
    while (size > 0 && fields_count + 1 < FIELDS_MAX) {
        struct field *field = &fields[fields_count++];
        size_t read = read_field(at, size, field);
        if (read == 0) break;
        at += read;
        size -= read;
        if (size == 0) return;
    }
    /* What cannot be read stays as it is. */
    if (size == 0) return;
    if (fields_count > 0) fields_count--;
    fields[fields_count++] = (struct field){.kind = RAW, .value = at, .value_size = size};
}

static size_t write_block(uint8_t *to, size_t most) {
    size_t size = 0;
    for (size_t i = 0; i < fields_count; i++) {
        const struct field *field = &fields[i];
        if (size + 16 + field->name_size + field->value_size > most) break;
        if (field->kind != RAW)
            size += put_number(to + size, KINDS[field->kind].first, KINDS[field->kind].bits,
                               field->number);
        memcpy(to + size, field->name_size > 0 ? field->name : to, field->name_size);
        size += field->name_size;
        memcpy(to + size, field->value_size > 0 ? field->value : to, field->value_size);
        size += field->value_size;
    }
    return size;
}

static const char *const WORDS[] = {
    ":method", "POST", ":scheme", "https", ":path", "/f/Unary", "/f/Server", "/f/Bidi",
    "/h/Payment", "/h/Basket", "/h/Batch", "/h/Stream", "/f/None", ":authority", "localhost",
    "te", "trailers", "content-type", "application/grpc", "application/grpc+proto",
    "grpc-timeout", "1S", "10m", "99999999H", "0n", "grpc-encoding", "identity", "gzip",
    "grpc-previous-rpc-attempts", "1", "payswitch-session-bin", "AAAA,AA==,AAAA", "min-sequence",
    "transfer-encoding", "connection", "content-length", "0", "18446744073709551616", "cookie",
    "", "X", "more"};

static struct field make_field(void) {
    static const uint8_t sizes[] = {0, 1, 2, 15, 16, 62, 63, 126, 127, 255};
    static uint8_t text[600];
    struct field field = {.kind = (uint8_t)chance(RAW)};
    if (field.kind == RESIZED) {
        field.number = one_in(2) ? chance(2) * 4096 : chance(1 << 14);
        return field;
    }
    field.number = field.kind == INDEXED || one_in(2)
                       ? one_in(3) ? STATIC_ENTRIES + chance(80) : chance(STATIC_ENTRIES + 1)
                       : 0;
    if (field.kind == INDEXED) return field;
    if (field.number == 0) {
        const char *word = WORDS[chance(sizeof(WORDS) / sizeof(*WORDS))];
        field.name_size = put_text(text, word, strlen(word));
        field.name = keep(text, field.name_size);
    }
    uint8_t value[300] = {0};
    const char *word = WORDS[chance(sizeof(WORDS) / sizeof(*WORDS))];
    size_t size = strlen(word);
    memcpy(value, word, size);
    if (one_in(4)) memset(value, 'a', size = sizes[chance(sizeof(sizes))]);
    field.value_size = put_text(text, value, size);
    field.value = keep(text, field.value_size);
    return field;
}

/* The text of a string that is no Huffman code is changed, and its length put right. */
static void change_text(const uint8_t **text, size_t *size) {
    static uint8_t inner[1024], coded[1100];
    uint64_t length;
    if (*text == NULL) return;
    size_t head = get_number(*text, *size, 7, &length);
    if (head == 0 || length > 900) return;
    memcpy(inner, *text + head, (size_t)length);
    size_t changed = LLVMFuzzerMutate(inner, (size_t)length, sizeof(inner));
    *size = put_text(coded, inner, changed);
    coded[0] |= (*text)[0] & 0x80;
    *text = keep(coded, *size);
}

static void insert_field(size_t at, struct field field) {
    if (fields_count == FIELDS_MAX) return;
    memmove(fields + at + 1, fields + at, (fields_count - at) * sizeof(*fields));
    fields[at] = field;
    fields_count++;
}

static void change_block(void) {
    size_t at = fields_count > 0 ? chance(fields_count) : 0;
    struct field *field = &fields[at];
    switch (fields_count > 0 ? chance(9) : 0) {
    case 0: insert_field(at, make_field()); break;
    case 1: insert_field(at, *field); break;
    case 2: /* again and again: what costs one byte each */
        for (uint64_t times = chance(200); times > 0; times--) insert_field(at, fields[at]);
        break;
    case 3:
        memmove(field, field + 1, (--fields_count - at) * sizeof(*fields));
        break;
    case 4: {
        struct field other = fields[0];
        fields[0] = *field;
        *field = other;
        break;
    }
    case 5:
        field->number = one_in(2) ? field->number + 1 - chance(3) : STATIC_ENTRIES + chance(130);
        break;
    case 6: change_text(&field->name, &field->name_size); break;
    case 7: change_text(&field->value, &field->value_size); break;
    case 8:
        if (field->kind >= KEPT && field->kind <= NEVER)
            field->kind = (uint8_t)(KEPT + chance(3));
        else
            *field = make_field();
        break;
    }
}

/* --- frames -------------------------------------------------------------------------------- */

static void read_frames(const uint8_t *at, size_t size) {
    frames_count = 0;
    while (size >= HEAD && frames_count < FRAMES_MAX) {
        size_t length = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        struct frame *frame = &frames[frames_count++];
        *frame = (struct frame){
            .type = at[3], .flags = at[4], .bytes = at + HEAD,
            .stream = (uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8],
            .size = length < size - HEAD ? length : size - HEAD};
        at += HEAD + frame->size;
        size -= HEAD + frame->size;
    }
}

static size_t write_frames(uint8_t *to, size_t most) {
    size_t size = 0;
    for (size_t i = 0; i < frames_count; i++) {
        const struct frame *frame = &frames[i];
        if (frame->bytes == NULL || size + HEAD + frame->size > most) break;
        size_t said = frame->wrong ? chance(2 * frame->size + 20) : frame->size;
        uint8_t *at = to + size;
        at[0] = (uint8_t)(said >> 16), at[1] = (uint8_t)(said >> 8), at[2] = (uint8_t)said;
        at[3] = frame->type, at[4] = frame->flags;
        for (int byte = 0; byte < 4; byte++) at[5 + byte] = (uint8_t)(frame->stream >> (24 - 8 * byte));
        memcpy(at + HEAD, frame->bytes, frame->size);
        size += HEAD + frame->size;
    }
    return size;
}

static void remove_frames(size_t at, size_t count) {
    frames_count -= count;
    memmove(frames + at, frames + at + count, (frames_count - at) * sizeof(*frames));
}

static void insert_frame(size_t at, struct frame frame) {
    if (frames_count == FRAMES_MAX) return;
    memmove(frames + at + 1, frames + at, (frames_count - at) * sizeof(*frames));
    frames[at] = frame;
    frames_count++;
}

static uint32_t some_stream(void) {
    if (frames_count == 0 || one_in(8)) return (uint32_t)(2 * chance(20) + 1);
    return frames[chance(frames_count)].stream + (one_in(3) ? 2 : 0);
}

static struct frame make_frame(void) {
    static const uint8_t sizes[] = {5, 8, 5, 4, 6, 4, 8, 8, 4, 3};
    uint8_t content[64] = {0};
    struct frame frame = {.type = (uint8_t)chance(one_in(20) ? 256 : 10)};
    frame.size = frame.type < sizeof(sizes) && !one_in(10) ? sizes[frame.type] : chance(40);
    for (size_t i = 0; i < frame.size; i++) content[i] = (uint8_t)(one_in(3) ? chance(256) : chance(3));
    if (frame.type == DATA && frame.size > 4) {
        memset(content, 0, 5);
        content[4] = (uint8_t)(frame.size - 5);
    }
    frame.flags = (uint8_t)(one_in(3) ? chance(256) : chance(2));
    frame.stream = one_in(2) ? 0 : some_stream();
    frame.bytes = keep(content, frame.size);
    return frame;
}

/* A block of header fields, from frame `at` on: changed, and cut anew. */
static void change_headers(size_t at) {
    static uint8_t block[BYTES_MAX];
    size_t count = 1, size = 0;
    while (!(frames[at + count - 1].flags & END_HEADERS) && at + count < frames_count &&
           frames[at + count].type == CONTINUATION)
        count++;
    for (size_t i = at; i < at + count; i++) {
        size_t room = sizeof(block) - size;
        size_t piece = frames[i].size < room ? frames[i].size : room;
        memcpy(block + size, frames[i].bytes, piece);
        size += piece;
    }
    const struct frame first = frames[at];
    read_block(block, size);
    for (uint64_t times = 1 + chance(3); times > 0; times--) change_block();
    static uint8_t written[BYTES_MAX / 2];
    size = write_block(written, sizeof(written));
    const uint8_t *kept = keep(written, size);
    if (kept == NULL) return;
    remove_frames(at, count);
    uint64_t pieces = one_in(4) ? 1 + chance(10) : 1;
    bool begun = false;
    for (size_t begin = 0; pieces > 0; pieces--) {
        size_t end = pieces == 1 ? size : begin + chance(size - begin + 1);
        struct frame frame = first;
        frame.bytes = kept + begin;
        frame.size = end - begin;
        frame.type = begun ? CONTINUATION : HEADERS;
        frame.flags = begun ? 0 : first.flags & 1;
        if (pieces == 1 && !one_in(WRONG)) frame.flags |= END_HEADERS;
        insert_frame(at++, frame);
        begin = end;
        begun = true;
    }
}

static void change_frame(size_t at) {
    struct frame *frame = &frames[at], other = *frame;
    static uint8_t content[BYTES_MAX];
    switch (chance(8)) {
    case 0: insert_frame(at, make_frame()); break;
    case 1: remove_frames(at, 1); break;
    case 2: /* again, as the next stream or as the same */
        if (one_in(2)) other.stream += 2;
        insert_frame(at + 1, other);
        break;
    case 3: {
        size_t from = chance(frames_count);
        *frame = frames[from];
        frames[from] = other;
        break;
    }
    case 4: frame->stream = some_stream(); break;
    case 5: frame->flags ^= (uint8_t)(1u << chance(8)); break;
    case 6:
        if (frame->size > sizeof(content) - 100) break;
        memcpy(content, frame->bytes, frame->size);
        frame->size = LLVMFuzzerMutate(content, frame->size, frame->size + 100);
        frame->bytes = keep(content, frame->size);
        break;
    case 7: frame->wrong = one_in(WRONG); break;
    }
}

size_t hpack_mutate(uint8_t *data, size_t size, size_t most, uint64_t seed) {
    state = seed;
    if (size < HPACK_OPTIONS || size > BYTES_MAX || one_in(10))
        return LLVMFuzzerMutate(data, size, most);
    bytes_size = 0;
    const uint8_t *kept = keep(data, size);
    read_frames(kept + HPACK_OPTIONS, size - HPACK_OPTIONS);
    if (one_in(20)) data[chance(HPACK_OPTIONS)] = (uint8_t)chance(256);
    if (frames_count == 0) insert_frame(0, make_frame());
    for (uint64_t times = 1 + chance(3); times > 0 && frames_count > 0; times--) {
        size_t at = chance(frames_count);
        if (frames[at].bytes == NULL) break;
        bool plain = frames[at].type == HEADERS && !(frames[at].flags & (PADDED | PRIORITY));
        if (plain && !one_in(3))
            change_headers(at);
        else
            change_frame(at);
    }
    return HPACK_OPTIONS + write_frames(data + HPACK_OPTIONS, most - HPACK_OPTIONS);
}
