/* Bytes and header fields: no state, and nothing of HTTP/2 or TLS. */

#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { BLOCK_LEAST = 256 };

struct block *block_new(size_t capacity) {
    struct block *block = malloc(sizeof(*block) + capacity);
    if (block != NULL) {
        block->next = NULL;
        block->size = 0;
        block->capacity = capacity;
    }
    return block;
}

struct block *block_copy(const void *data, size_t size) {
    struct block *block = block_new(size);
    if (block != NULL && size > 0) {
        memcpy(block->data, data, size);
        block->size = size;
    }
    return block;
}

void block_free(struct block *block) { free(block); }

/* Room for `size` more bytes: at least twice as large as before, so that a long block is
   not copied for each piece. */
static bool block_reserve(struct block **block, size_t size) {
    struct block *old = *block;
    size_t used = old == NULL ? 0 : old->size;
    size_t capacity = old == NULL ? 0 : old->capacity;
    if (size > SIZE_MAX / 4 - used) return false;
    if (used + size <= capacity && old != NULL) return true;
    capacity = capacity < BLOCK_LEAST / 2 ? BLOCK_LEAST : 2 * capacity;
    if (capacity < used + size) capacity = used + size;
    struct block *grown = realloc(old, sizeof(*grown) + capacity);
    if (grown == NULL) return false;
    if (old == NULL) {
        grown->next = NULL;
        grown->size = 0;
    }
    grown->capacity = capacity;
    *block = grown;
    return true;
}

bool block_add(struct block **block, const void *data, size_t size) {
    if (!block_reserve(block, size)) return false;
    if (size > 0) memcpy((*block)->data + (*block)->size, data, size);
    (*block)->size += size;
    return true;
}

/* --- fields -------------------------------------------------------------------------- */

enum { FIELD_HEAD = 6 };

static bool fields_reserve(struct block **fields, const void *name, size_t name_size,
                           size_t value_size, uint8_t **value) {
    if (name_size > UINT16_MAX || value_size > INT32_MAX) return false;
    if (!block_reserve(fields, FIELD_HEAD + name_size + value_size)) return false;
    uint8_t *at = (*fields)->data + (*fields)->size;
    uint16_t short_size = (uint16_t)name_size;
    uint32_t long_size = (uint32_t)value_size;
    memcpy(at, &short_size, 2);
    memcpy(at + 2, &long_size, 4);
    memcpy(at + FIELD_HEAD, name, name_size);
    *value = at + FIELD_HEAD + name_size;
    (*fields)->size += FIELD_HEAD + name_size + value_size;
    return true;
}

bool fields_add(struct block **fields, const void *name, size_t name_size, const void *value,
                size_t value_size) {
    uint8_t *at;
    if (!fields_reserve(fields, name, name_size, value_size, &at)) return false;
    if (value_size > 0) memcpy(at, value, value_size);
    return true;
}

bool fields_next(const struct block *fields, size_t *offset, struct field *field) {
    if (fields == NULL || *offset + FIELD_HEAD > fields->size) return false;
    const uint8_t *at = fields->data + *offset;
    uint16_t name_size;
    uint32_t value_size;
    memcpy(&name_size, at, 2);
    memcpy(&value_size, at + 2, 4);
    front_assert(*offset + FIELD_HEAD + name_size + value_size <= fields->size);
    field->name = at + FIELD_HEAD;
    field->name_size = name_size;
    field->value = field->name + name_size;
    field->value_size = value_size;
    *offset += FIELD_HEAD + name_size + (size_t)value_size;
    return true;
}

static bool is_binary(const void *name, size_t size) {
    return size > 4 && memcmp((const char *)name + size - 4, "-bin", 4) == 0;
}

bool fields_valid(const void *name, size_t name_size, const void *value, size_t value_size) {
    const uint8_t *letters = name;
    if (name_size == 0 || name_size > 256 || value_size > INT32_MAX / 2) return false;
    for (size_t i = 0; i < name_size; i++) {
        uint8_t c = letters[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                    c == '.';
        if (!good) return false;
    }
    if (is_binary(name, name_size)) return true;
    const uint8_t *bytes = value;
    for (size_t i = 0; i < value_size; i++)
        if (bytes[i] < 0x20 || bytes[i] > 0x7e) return false;
    /* HTTP/2 takes no blank at either end. */
    return value_size == 0 || (bytes[0] != ' ' && bytes[value_size - 1] != ' ');
}

/* --- base64 -------------------------------------------------------------------------- */

static const char LETTERS[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t base64_size(size_t size) { return size / 3 * 4 + (size % 3 ? size % 3 + 1 : 0); }

/* Without padding, as gRPC sends it. */
static void base64_encode(const uint8_t *data, size_t size, uint8_t *out) {
    size_t i = 0;
    for (; i + 3 <= size; i += 3) {
        uint32_t bits = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        *out++ = (uint8_t)LETTERS[bits >> 18];
        *out++ = (uint8_t)LETTERS[bits >> 12 & 63];
        *out++ = (uint8_t)LETTERS[bits >> 6 & 63];
        *out++ = (uint8_t)LETTERS[bits & 63];
    }
    if (size - i == 1) {
        *out++ = (uint8_t)LETTERS[data[i] >> 2];
        *out++ = (uint8_t)LETTERS[(data[i] & 3) << 4];
    } else if (size - i == 2) {
        uint32_t bits = (uint32_t)data[i] << 8 | data[i + 1];
        *out++ = (uint8_t)LETTERS[bits >> 10];
        *out++ = (uint8_t)LETTERS[bits >> 4 & 63];
        *out++ = (uint8_t)LETTERS[(bits & 15) << 2];
    }
}

static int base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Appends what `text` says, padded or not; false: it is no base64, or no memory. */
bool base64_decode(const uint8_t *text, size_t size, struct block **block) {
    while (size > 0 && text[size - 1] == '=') size--;
    if (size % 4 == 1) return false;
    if (!block_reserve(block, size / 4 * 3 + 2)) return false;
    uint8_t *out = (*block)->data + (*block)->size;
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < size; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = (uint8_t)(bits >> count);
        }
    }
    (*block)->size = (size_t)(out - (*block)->data);
    return true;
}

bool fields_add_metadata(struct block **fields, const void *name, size_t name_size,
                         const void *value, size_t value_size) {
    if (!is_binary(name, name_size))
        return fields_add(fields, name, name_size, value, value_size);
    uint8_t *at;
    if (!fields_reserve(fields, name, name_size, base64_size(value_size), &at)) return false;
    base64_encode(value, value_size, at);
    return true;
}

/* --- status -------------------------------------------------------------------------- */

/* HTTP/2 takes no blank at either end. */
static bool is_plain(const uint8_t *text, size_t size, size_t at) {
    if (text[at] == ' ') return at > 0 && at + 1 < size;
    return text[at] > 0x20 && text[at] <= 0x7e && text[at] != '%';
}

/* The bytes of a text that are sent, no letter in part, and what they take. */
static size_t cut_text(const uint8_t *text, size_t size, size_t *encoded) {
    size_t letter = 0, letter_encoded = 0;
    *encoded = 0;
    for (size_t i = 0; i < size; i++) {
        if ((text[i] & 0xC0) != 0x80) letter = i, letter_encoded = *encoded;
        *encoded += is_plain(text, size, i) ? 1 : 3;
        if (*encoded <= TEXT_MAX_BYTES) continue;
        *encoded = letter_encoded;
        return letter;
    }
    return size;
}

static bool fields_add_message(struct block **fields, const uint8_t *text, size_t size) {
    static const char digits[] = "0123456789ABCDEF";
    size_t encoded, whole = size;
    uint8_t *at;
    size = cut_text(text, size, &encoded);
    if (!fields_reserve(fields, "grpc-message", 12, encoded, &at)) return false;
    for (size_t i = 0; i < size; i++) {
        if (is_plain(text, whole, i)) {
            *at++ = text[i];
        } else {
            *at++ = '%';
            *at++ = (uint8_t)digits[text[i] >> 4];
            *at++ = (uint8_t)digits[text[i] & 15];
        }
    }
    return true;
}

bool fields_add_status(struct block **fields, int code, const void *message, size_t message_size,
                       const void *details, size_t details_size) {
    char digits[2] = {(char)('0' + code / 10), (char)('0' + code % 10)};
    bool two = code >= 10;
    front_assert(code >= 0 && code <= 16);
    if (!fields_add(fields, "grpc-status", 11, two ? digits : digits + 1, two ? 2 : 1))
        return false;
    if (message_size > 0 && !fields_add_message(fields, message, message_size)) return false;
    return details_size == 0 || fields_add_metadata(fields, "grpc-status-details-bin", 23, details,
                                                    details_size);
}

static size_t put_varint(uint8_t *out, uint64_t number) {
    size_t size = 0;
    for (; number >= 0x80; number >>= 7) out[size++] = (uint8_t)(number | 0x80);
    out[size++] = (uint8_t)number;
    return size;
}

/* Field 3 of google.rpc.Status: an Any of a RetryInfo of a Duration. */
bool fields_add_retry(struct block **details, int64_t pause_ms) {
    static const char type[] = "type.googleapis.com/google.rpc.RetryInfo";
    enum { TYPE_SIZE = sizeof(type) - 1, DURATION_MAX = 22 };
    uint8_t duration[DURATION_MAX], any[TYPE_SIZE + DURATION_MAX + 8];
    size_t inner = 0, size = 0;
    duration[inner++] = 0x08; /* seconds */
    inner += put_varint(duration + inner, (uint64_t)pause_ms / 1000);
    duration[inner++] = 0x10; /* nanos */
    inner += put_varint(duration + inner, (uint64_t)pause_ms % 1000 * 1000000);
    any[size++] = 0x1A;
    any[size++] = (uint8_t)(TYPE_SIZE + inner + 6);
    any[size++] = 0x0A; /* type_url */
    any[size++] = TYPE_SIZE;
    memcpy(any + size, type, TYPE_SIZE);
    size += TYPE_SIZE;
    any[size++] = 0x12; /* value */
    any[size++] = (uint8_t)(inner + 2);
    any[size++] = 0x0A; /* retry_delay */
    any[size++] = (uint8_t)inner;
    memcpy(any + size, duration, inner);
    return block_add(details, any, size + inner);
}
