/* Payments as a client sends them: bytes into drafts.

   Input: a message. Both walks, that which counts and that which fills drafts, come to the
   same. What drafts point to lies in the message. Payments that are right are written down
   anew, each field once and in order, and read again: the same drafts. That other parsers read
   the same is asked of what grows here by tests/torture/fuzz_targets.py. */

#include "core.h"
#include "target.h"

enum {
    DRAFTS = 64,
    SENDER = 7,
    BOUND = 3,
    TEXT_MAX = 255, /* of a code, as it is cut */
};

typedef struct __pyx_t_6switch_4core_6layout_TariffTail Tariff;

struct texts { /* what stands for pointers, which differ */
    const uint8_t *at[5];
    size_t size[5];
};

static struct texts texts_of(const Draft *draft) {
    return (struct texts){
        {draft->service_code, draft->centre_code, draft->tail, draft->token, draft->handle},
        {draft->service_size, draft->centre_size, draft->tail_size, draft->token_size,
         draft->handle_size}};
}

static void judge_draft(const Draft *draft, const uint8_t *body, size_t size) {
    struct texts texts = texts_of(draft);
    for (int i = 0; i < 5; i++) {
        if (texts.size[i] == 0) continue;
        size_t at = (size_t)(texts.at[i] - body);
        target_check(at <= size && texts.size[i] <= size - at, "text %d lies outside", i);
    }
    target_check(draft->items_count <= 4, "%d items", draft->items_count);
    target_check(draft->from_message == 1, "it is from a message");
}

/* --- written anew ---------------------------------------------------------------------------- */

static uint8_t written[1 << 17];
static size_t written_size, anew;

static void put_number(uint64_t number) {
    for (; number >= 128; number >>= 7) written[written_size++] = (uint8_t)(number | 128);
    written[written_size++] = (uint8_t)number;
}

static void put_scalar(int field, uint64_t number) {
    if (number == 0) return;
    put_number((uint64_t)field << 3);
    put_number(number);
}

static void put_bytes(int field, const void *bytes, size_t size) {
    if (size == 0) return;
    put_number((uint64_t)field << 3 | 2);
    put_number(size);
    memcpy(written + written_size, bytes, size);
    written_size += size;
}

static size_t text_size(const uint8_t *text, size_t most) {
    while (most > 0 && text[most - 1] == 0) most--;
    return most;
}

/* Moves what was written since `from` behind a tag and its length. */
static void close_message(int field, size_t from) {
    static uint8_t inner[sizeof(written)];
    size_t size = written_size - from;
    memcpy(inner, written + from, size);
    written_size = from;
    put_number((uint64_t)field << 3 | 2);
    put_number(size);
    memcpy(written + written_size, inner, size);
    written_size += size;
}

static void put_payment(const Draft *draft) {
    const Row *row = &draft->row;
    size_t from = written_size;
    put_bytes(1, row->id, 16);
    put_bytes(2, draft->service_code, draft->service_size);
    put_scalar(3, row->amount);
    put_bytes(4, row->reference, text_size(row->reference, 32));
    put_scalar(5, row->operator_);
    put_bytes(6, draft->centre_code, draft->centre_size);
    put_scalar(7, row->total);
    put_scalar(8, CORE(fields_tender)(row));
    put_scalar(9, CORE(fields_head)(row));
    put_bytes(10, draft->tail, draft->tail_size);
    put_bytes(11, draft->token, draft->token_size);
    put_bytes(12, draft->handle, draft->handle_size);
    const Tariff *tariff = (const Tariff *)draft->fixed;
    for (int i = 0; i < draft->items_count; i++) {
        size_t item = written_size;
        put_bytes(1, tariff->items[i].code, text_size(tariff->items[i].code, 8));
        put_scalar(2, tariff->items[i].count);
        close_message(13, item);
    }
    close_message(1, from);
}

static void same_draft(const Draft *one, const Draft *other, uint32_t nth) {
    struct texts texts = texts_of(one), others = texts_of(other);
    for (int i = 0; i < 5; i++)
        target_check(texts.size[i] == others.size[i] &&
                         (texts.size[i] == 0 ||
                          memcmp(texts.at[i], others.at[i], texts.size[i]) == 0),
                     "text %d of payment %u", i, nth);
    target_check(memcmp(&one->row, &other->row, sizeof(Row)) == 0, "the row of payment %u", nth);
    target_check(one->bad == other->bad, "payment %u: wrong %x and %x", nth, one->bad, other->bad);
    target_check(one->items_count == other->items_count &&
                     memcmp(one->fixed, other->fixed, sizeof(one->fixed)) == 0,
                 "the items of payment %u", nth);
    target_check(one->in_basket == other->in_basket && one->basket == other->basket &&
                     one->basket_left == other->basket_left,
                 "the basket of payment %u", nth);
}

static void write_anew(const Draft *drafts, uint32_t count) {
    static Draft again[DRAFTS];
    written_size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (drafts[i].bad != 0 || drafts[i].service_size == TEXT_MAX ||
            drafts[i].centre_size == TEXT_MAX || drafts[i].token_size > 144 ||
            drafts[i].handle_size > 24)
            return; /* what was cut cannot be written as it was */
    }
    for (uint32_t i = 0; i < count;) {
        size_t from = written_size;
        uint32_t left = drafts[i].in_basket ? drafts[i].basket_left : 1;
        target_check(left > 0 && left <= count - i, "a basket of %u of %u", left, count - i);
        bool basket = drafts[i].in_basket;
        for (; left > 0; left--, i++) put_payment(&drafts[i]);
        if (basket) close_message(2, from);
    }
    uint32_t found, parts[2];
    int rc = CORE(wire_read_request)(written, written_size, again, SENDER, BOUND, &found, DRAFTS,
                                     parts);
    target_check(rc == 0 && found == count, "written anew: %d, %u of %u payments", rc, found, count);
    for (uint32_t i = 0; i < count; i++) same_draft(&drafts[i], &again[i], i);
    anew++;
}

void wire_tell(void) { printf("%zu written anew\n", anew); }

int wire_run(const uint8_t *data, size_t size) {
    static Draft drafts[DRAFTS];
    uint32_t count, parts[2], counted, parts_counted[2];
    int rc = CORE(wire_read_request)(data, size, drafts, SENDER, BOUND, &count, DRAFTS, parts);
    int counts = CORE(wire_read_request)(data, size, NULL, SENDER, BOUND, &counted, DRAFTS,
                                         parts_counted);
    target_check(rc == counts && count == counted && parts[0] == parts_counted[0] &&
                     parts[1] == parts_counted[1],
                 "%d with %u payments, and %d with %u", rc, count, counts, counted);
    target_check(count <= DRAFTS, "%u payments", count);
    if (rc != 0) return 0;
    for (uint32_t i = 0; i < count; i++) judge_draft(&drafts[i], data, size);
    if (size <= sizeof(written) / 2) write_anew(drafts, count);
    return 0;
}
