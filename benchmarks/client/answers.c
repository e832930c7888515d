/* What was sent, and whether an answer is the one to it. See client.h. */

#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    RESULT_OK = 1,
    STATE_HELD = 2,
    STATE_COMPLETED = 3,
    AMOUNT_SIZE = 3,
    /* Fields of PaymentOutcome, GetPaymentResponse and Entry that are looked at. */
    OUTCOME_ID = 1, OUTCOME_RESULT = 2, OUTCOME_SEQUENCE = 3, OUTCOME_RECEIPT = 4,
    OUTCOME_YEAR = 5, OUTCOME_TIME = 6, OUTCOME_STATE = 13,
    FOUND_STATE = 1, FOUND_ENTRY = 2, ENTRY_ID = 5,
    FIELDS = 16,          /* higher field numbers are passed over */
};

int failure_set(Failure* failure, const char* format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(failure->text, sizeof failure->text, format, list);
    va_end(list);
    return -1;
}

uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

size_t layout_size(const Layout* layout) {
    return MESSAGE_HEAD + (size_t)layout->payload * layout->item;
}

void answers_expect(const Layout* layout, const uint8_t* message, Expected* expected) {
    const uint8_t* item = message + MESSAGE_HEAD;
    for (uint32_t i = 0; i < layout->payload; i++, item += layout->item) {
        memcpy(expected[i].id, item + layout->id, ID_SIZE);
        expected[i].amount = 0;
        if (layout->asks == ASKS_PAYMENTS) {
            for (int byte = AMOUNT_SIZE - 1; byte >= 0; byte--)
                expected[i].amount = expected[i].amount << 7
                                     | (item[layout->amount + byte] & 0x7Fu);
        }
    }
}

/* A varint; NULL if it does not end before `end`. */
static const uint8_t* read_varint(
    const uint8_t* at, const uint8_t* end, uint64_t* value) {
    uint64_t found = 0;
    for (int shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t byte = *at++;
        found |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *value = found;
            return at;
        }
    }
    return NULL;
}

/* A field as a number, and where the content of one with a length lies. */
typedef struct Field {
    uint64_t value;
    const uint8_t* bytes;
} Field;

/* All fields of a message; -1 if it is none. The last of a number counts. */
static int read_fields(const uint8_t* at, const uint8_t* end, Field* fields) {
    memset(fields, 0, FIELDS * sizeof *fields);
    while (at < end) {
        uint64_t tag, value;
        at = read_varint(at, end, &tag);
        if (at == NULL) return -1;
        at = read_varint(at, end, &value);
        if (at == NULL) return -1;
        Field found = {value, NULL};
        if ((tag & 7) == 2) {
            if (value > (uint64_t)(end - at)) return -1;
            found.bytes = at;
            at += value;
        } else if ((tag & 7) != 0) {
            return -1;
        }
        if (tag >> 3 < FIELDS) fields[tag >> 3] = found;
    }
    return 0;
}

static bool is_id(const Field* field, const Expected* expected) {
    return field->bytes != NULL && field->value == ID_SIZE
           && memcmp(field->bytes, expected->id, ID_SIZE) == 0;
}

int answers_count(const uint8_t* reply, size_t size, Failure* failure) {
    const uint8_t* at = reply;
    const uint8_t* end = reply + size;
    int count = 0;
    while (at < end) {
        uint64_t length;
        if (*at != 0x0A) return failure_set(failure, "a reply has no outcome");
        at = read_varint(at + 1, end, &length);
        if (at == NULL || length > (uint64_t)(end - at))
            return failure_set(failure, "a reply ends within an outcome");
        at += length;
        count++;
    }
    return count;
}

int answers_check(
    const Layout* layout, const uint8_t** at, const uint8_t* end,
    const Expected* expected, Totals* totals, Failure* failure) {
    Field fields[FIELDS];
    uint64_t length = 0;
    /* Counted before, so that it has a tag and a length. */
    const uint8_t* outcome = read_varint(*at + 1, end, &length);
    *at = outcome + length;
    if (read_fields(outcome, outcome + length, fields) != 0)
        return failure_set(failure, "an outcome is no message");
    if (!is_id(&fields[OUTCOME_ID], expected))
        return failure_set(failure, "an outcome is of another payment than was sent");
    uint64_t result = fields[OUTCOME_RESULT].value;
    totals->payments++;
    if (result != RESULT_OK) {
        if (result == 0 || result >= RESULTS_MAX)
            return failure_set(failure, "an outcome has no result");
        totals->refused[result]++;
        return 0;
    }
    if (!fields[OUTCOME_SEQUENCE].value || !fields[OUTCOME_TIME].value)
        return failure_set(failure, "an outcome has no sequence or no time");
    if (layout->is_held != (fields[OUTCOME_STATE].value == STATE_HELD))
        return failure_set(failure, "a payment is held or is not, unlike its service");
    if (!layout->is_held
        && !(fields[OUTCOME_RECEIPT].value && fields[OUTCOME_YEAR].value))
        return failure_set(failure, "a payment was accepted without a receipt");
    totals->accepted++;
    totals->amount += expected->amount;
    return 0;
}

int answers_check_state(
    const uint8_t* reply, size_t size, const Expected* expected, Totals* totals,
    Failure* failure) {
    Field found[FIELDS], entry[FIELDS];
    if (read_fields(reply, reply + size, found) != 0
        || found[FOUND_ENTRY].bytes == NULL
        || found[FOUND_STATE].value != STATE_COMPLETED)
        return failure_set(failure, "a payment that was made is not completed");
    const uint8_t* body = found[FOUND_ENTRY].bytes;
    if (read_fields(body, body + found[FOUND_ENTRY].value, entry) != 0
        || !is_id(&entry[ENTRY_ID], expected))
        return failure_set(failure, "a payment has another id than was asked for");
    totals->payments++;
    totals->accepted++;
    return 0;
}
