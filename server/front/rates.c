/* Rates: how much an owner may send a second.

   A bucket fills at its rate up to what may come at once. A call goes as long as anything
   is left, and may take more than that: what it overdraws has to fill first. So a call of
   any size goes at some time, and in the long run no more than the rate does. Buckets are
   the owner's, whatever connections and calls it has, and the clock is the monotonic one:
   who sets the time of day changes nothing. */

#include "parts.h"

static const uint8_t REASONS[FRONT_RATES_END] = {
    [FRONT_PAYMENTS] = FRONT_REASON_OVER_PAYMENTS,
    [FRONT_READS] = FRONT_REASON_OVER_READS,
    [FRONT_FETCHES] = FRONT_REASON_OVER_FETCHES,
};

void bucket_fill(struct bucket *bucket, int64_t per_s, int64_t at_once, int64_t now_ms) {
    int64_t passed_ms = now_ms - bucket->since_ms, full = BUCKET_ONE * at_once;
    if (passed_ms <= 0) return;
    bucket->since_ms = now_ms;
    /* Asked so that nothing overflows, however long it was. */
    if (bucket->left >= full || passed_ms > (full - bucket->left) / per_s)
        bucket->left = full;
    else
        bucket->left += passed_ms * per_s;
}

/* --- an owner's ----------------------------------------------------------------------- */

static int64_t per_s(const struct owner *owner, int rate) {
    const struct front_budgets *budgets = &owner->budgets;
    return rate == FRONT_PAYMENTS ? budgets->payments_per_s
           : rate == FRONT_READS  ? budgets->reads_per_s
                                  : budgets->fetches_per_s;
}

static int64_t at_once(const struct owner *owner, int rate) {
    const struct front_budgets *budgets = &owner->budgets;
    return rate == FRONT_PAYMENTS ? budgets->payments_at_once
           : rate == FRONT_READS  ? budgets->reads_at_once
                                  : budgets->fetches_at_once;
}

static struct bucket *fill(struct owner *owner, int rate, int64_t now_ms) {
    struct bucket *bucket = &owner->buckets[rate];
    bucket_fill(bucket, per_s(owner, rate), at_once(owner, rate), now_ms);
    return bucket;
}

bool rates_open(struct owner *owner, int rate, int64_t now_ms) {
    return fill(owner, rate, now_ms)->left > 0;
}

void rates_take(struct owner *owner, int rate, int64_t count) {
    owner->buckets[rate].left -= BUCKET_ONE * count;
}

void rates_give_back(struct owner *owner, int rate, int64_t count) {
    int64_t full = BUCKET_ONE * at_once(owner, rate);
    struct bucket *bucket = &owner->buckets[rate];
    bucket->left += BUCKET_ONE * count;
    if (bucket->left > full) bucket->left = full;
}

int64_t rates_wait_ms(struct owner *owner, int rate, int64_t now_ms) {
    int64_t left = fill(owner, rate, now_ms)->left;
    return left > 0 ? 0 : -left / per_s(owner, rate) + 1;
}

int64_t rates_full_ms(struct owner *owner, int64_t now_ms) {
    int64_t most_ms = 0;
    for (int rate = FRONT_RATE_NONE + 1; rate < FRONT_RATES_END; rate++) {
        int64_t missing = BUCKET_ONE * at_once(owner, rate) - fill(owner, rate, now_ms)->left;
        int64_t ms = (missing + per_s(owner, rate) - 1) / per_s(owner, rate);
        if (ms > most_ms) most_ms = ms;
    }
    return most_ms;
}

void rates_set(struct owner *owner, const struct front_budgets *budgets, int64_t now_ms) {
    bool is_new = owner->budgets.payments_per_s == 0;
    for (int rate = FRONT_RATE_NONE + 1; rate < FRONT_RATES_END; rate++) {
        struct bucket *bucket = &owner->buckets[rate];
        if (!is_new) fill(owner, rate, now_ms);
        bucket->left -= BUCKET_ONE * at_once(owner, rate);
    }
    owner->budgets = *budgets;
    for (int rate = FRONT_RATE_NONE + 1; rate < FRONT_RATES_END; rate++) {
        owner->buckets[rate].left += BUCKET_ONE * at_once(owner, rate);
        owner->buckets[rate].since_ms = now_ms;
    }
}

/* --- calls ---------------------------------------------------------------------------- */

static bool read_varint(const uint8_t *data, size_t size, size_t *at, uint64_t *number) {
    *number = 0;
    for (int shift = 0; shift < 64 && *at < size; shift += 7) {
        uint8_t byte = data[(*at)++];
        *number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* How often a message has a field of bytes. Of what is no message: as far as it is one, for
   its parser takes none of it. Of groups, which nobody sends, the fields count as if they
   stood outside. */
static int64_t count_field(const uint8_t *data, size_t size, uint32_t field) {
    enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
    int64_t count = 0;
    uint64_t key, number;
    for (size_t at = 0; count < COUNTED_MAX && read_varint(data, size, &at, &key);) {
        size_t skip = 0;
        switch (key & 7) {
        case VARINT:
            if (!read_varint(data, size, &at, &number)) return count;
            break;
        case BYTES:
            if (!read_varint(data, size, &at, &number) || number > size - at) return count;
            skip = (size_t)number;
            if ((uint32_t)key >> 3 == field) count++;
            break;
        case FIXED64: skip = 8; break;
        case FIXED32: skip = 4; break;
        }
        if (skip > size - at) return count;
        at += skip;
    }
    return count;
}

static int64_t cost_of(const struct method *method, const struct block *message) {
    if (method->counted == 0) return method->cost;
    int64_t count = count_field(message->data, message->size, method->counted);
    return count > method->cost ? count : method->cost;
}

static int count_open(struct call *call, int open) {
    struct owner *owner = call->connection->owner;
    bool feed = open == FRONT_FEEDS;
    int64_t most = feed ? owner->budgets.owner_feeds_max : owner->budgets.owner_watches_max;
    if (owner->open[open] >= most)
        return feed ? FRONT_REASON_OVER_FEEDS : FRONT_REASON_OVER_WATCHES;
    owner->open[open]++;
    call->open = (uint8_t)open;
    return FRONT_REASON_NONE;
}

/* One of a rate, of which there must be something. */
static bool rates_take_one(struct call *call, int rate) {
    struct owner *owner = call->connection->owner;
    if (!rates_open(owner, rate, call->connection->front->now_ms)) return false;
    rates_take(owner, rate, 1);
    call->charged = true;
    return true;
}

void rates_refused(struct call *call, int rate) {
    /* Nobody gets into debt by it: who knows no better could read nothing for days. Others lose
       nothing, since each owner has its part of a turn. */
    if (!call->charged) rates_take_one(call, rate);
}

int rates_begin(struct call *call) {
    struct front *front = call->connection->front;
    struct owner *owner = call->connection->owner;
    /* The caller says why, which costs as much as an answer. */
    if (!call->allowed)
        return rates_take_one(call, FRONT_READS) ? FRONT_REASON_NONE : FRONT_REASON_OVER_READS;
    const struct method *method = &front->methods[call->method];
    if (method->kind == FRONT_BIDI && method->hot == NULL && method->rate != FRONT_RATE_NONE) {
        /* A stream costs one as it is opened, which its first message has paid. */
        if (!rates_take_one(call, method->rate)) return REASONS[method->rate];
        call->prepaid = true;
    }
    /* A stream of payments is held back at its messages, and not refused; another has read. */
    bool asked = method->rate != FRONT_RATE_NONE && method->kind != FRONT_BIDI;
    if (asked && !rates_open(owner, method->rate, front->now_ms)) return REASONS[method->rate];
    return method->open == FRONT_OPEN_NONE ? FRONT_REASON_NONE : count_open(call, method->open);
}

int rates_message(struct call *call, const struct block *message) {
    struct front *front = call->connection->front;
    struct owner *owner = call->connection->owner;
    const struct method *method = &front->methods[call->method];
    int64_t cost = method->rate == FRONT_RATE_NONE ? 0 : cost_of(method, message);
    if (cost == 0) return FRONT_REASON_NONE;
    call->charged = true; /* or refused by its own rate */
    if (call->prepaid) rates_give_back(owner, method->rate, 1);
    call->prepaid = false;
    /* Since its headers others may have taken what was left. */
    if (!rates_open(owner, method->rate, front->now_ms)) return REASONS[method->rate];
    rates_take(owner, method->rate, cost);
    return FRONT_REASON_NONE;
}

int rates_of_reason(int reason) {
    int rate = FRONT_RATE_NONE + 1;
    while (rate < FRONT_RATES_END && REASONS[rate] != reason) rate++;
    return rate < FRONT_RATES_END ? rate : FRONT_RATE_NONE;
}
