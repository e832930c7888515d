/* Chunks as a follower gets them from the log, each by itself.

   Input: a chunk. The mutator changes any byte, and puts the checks right in most of what it
   makes: of tail items, of rows, of the chunk. What is taken must be whole by a second
   reading, written from docs/data-model.md; a chunk that ends earlier, or any byte of which is
   another, is never taken. */

#include "core.h"
#include "target.h"

enum {
    HEAD = 64,
    ROW = 128,
    FLAGS_AT = 108, /* of a row */
    TAIL = 1,       /* the flag of a row that has an item */
    TRIED = 64,     /* bits of each chunk that is taken */
};

static const uint8_t INSTANCE[16] = "fuzzed instance";

static uint32_t get32(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, 4);
    return number;
}

static uint64_t get64(const uint8_t *at) {
    uint64_t number;
    memcpy(&number, at, 8);
    return number;
}

/* Walks the tail's items: puts their checks right, or says whether they are. */
static bool walk_items(uint8_t *chunk, size_t size, bool mend) {
    uint32_t rows = get32(chunk + 8);
    size_t at = HEAD + (size_t)rows * ROW;
    uint32_t seed = other_crc(0, INSTANCE, sizeof(INSTANCE));
    for (uint32_t i = 0; i < rows; i++) {
        const uint8_t *row = chunk + HEAD + (size_t)i * ROW;
        if (!(row[FLAGS_AT] & TAIL)) continue;
        if (at + 8 > size) return false;
        uint32_t length = get32(chunk + at), check;
        size_t padded = ((size_t)length + 7) / 8 * 8;
        if (padded > size - at - 8) return false;
        check = other_crc(other_crc(seed, row + 16, 8), chunk + at, 4);
        check = other_crc(check, chunk + at + 8, length);
        if (mend) memcpy(chunk + at + 4, &check, 4);
        if (get32(chunk + at + 4) != check) return false;
        at += 8 + padded;
    }
    return at == size;
}

static uint32_t check_of(const uint8_t *chunk, size_t size) {
    uint32_t rows = get32(chunk + 8), check = other_crc(get32(chunk + 56), chunk, HEAD - 4);
    for (uint32_t i = 0; i < rows; i++)
        check = other_crc(check, chunk + HEAD + (size_t)i * ROW + ROW - 4, 4);
    size_t tail = HEAD + (size_t)rows * ROW;
    return other_crc(check, chunk + tail, size - tail);
}

static bool has_shape(const uint8_t *chunk, size_t size) {
    if (size < HEAD || memcmp(chunk, "CHK1", 4) != 0) return false;
    uint64_t rows = get32(chunk + 8), tail = get32(chunk + 12);
    return rows > 0 && tail % 8 == 0 && size == HEAD + rows * ROW + tail;
}

/* The second reading of a chunk that is taken. */
static void judge(uint8_t *chunk, size_t size) {
    target_check(has_shape(chunk, size), "%zu bytes have no chunk's shape", size);
    target_check(memcmp(chunk + 24, INSTANCE, 16) == 0, "it is another ledger's");
    target_check(get32(chunk + 60) == check_of(chunk, size), "its check is wrong");
    uint64_t sequence = get64(chunk + 16), time = 0;
    for (uint32_t i = 0; i < get32(chunk + 8); i++) {
        const uint8_t *row = chunk + HEAD + (size_t)i * ROW;
        target_check(get32(row + ROW - 4) == other_crc(0, row, ROW - 4), "row %u's check", i);
        target_check(get64(row + 16) == sequence + i, "row %u's sequence", i);
        target_check(get64(row + 24) > time, "row %u's time", i);
        time = get64(row + 24);
    }
    target_check(walk_items(chunk, size, false), "its tail's items");
}

static State *state;
static size_t taken;

static int examine(const uint8_t *bytes, size_t size) {
    if (state == NULL) {
        native_crc_init();
        state = calloc(1, sizeof(*state));
        memcpy(state->config.instance, INSTANCE, sizeof(INSTANCE));
        state->config.instance_check = other_crc(0, INSTANCE, sizeof(INSTANCE));
        state->group.reader.seed = state->config.instance_check;
    }
    uint8_t *chunk = malloc(size);
    if (size > 0) memcpy(chunk, bytes, size);
    int rc = CORE(_follow_examine)(state, (const Chunk *)chunk, size);
    if (rc == 0) judge(chunk, size);
    taken += rc == 0;
    free(chunk);
    return rc;
}

int chunks_run(const uint8_t *data, size_t size) {
    static uint8_t other[1 << 16];
    if (examine(data, size) != 0 || size > sizeof(other)) return 0;
    target_check(examine(data, size - 8) != 0, "a chunk that is cut is taken");
    memcpy(other, data, size);
    uint64_t numbers = size;
    for (int i = 0; i < TRIED; i++) {
        size_t at = target_chance(&numbers, size);
        uint8_t bit = (uint8_t)(1u << target_chance(&numbers, 8));
        other[at] ^= bit;
        target_check(examine(other, size) != 0, "byte %zu is another, and it is taken", at);
        other[at] ^= bit;
    }
    return 0;
}

void chunks_tell(void) { printf("%zu chunks taken\n", taken); }

static void mend(uint8_t *chunk, size_t size) {
    uint32_t tail = (uint32_t)(size - HEAD) % ROW, rows = get32(chunk + 8);
    if (rows == 0 || rows > (size - HEAD) / ROW) rows = (uint32_t)(size - HEAD) / ROW;
    tail = (uint32_t)(size - HEAD - (size_t)rows * ROW) / 8 * 8;
    memcpy(chunk, "CHK1", 4);
    memcpy(chunk + 8, &rows, 4);
    memcpy(chunk + 12, &tail, 4);
    memcpy(chunk + 24, INSTANCE, sizeof(INSTANCE));
    walk_items(chunk, size, true);
    for (uint32_t i = 0; i < rows; i++) {
        uint8_t *row = chunk + HEAD + (size_t)i * ROW;
        uint32_t check = other_crc(0, row, ROW - 4);
        memcpy(row + ROW - 4, &check, 4);
    }
    uint32_t check = check_of(chunk, size);
    memcpy(chunk + 60, &check, 4);
}

/* A row again: with the sequence and time that come behind the last. */
static size_t add_row(uint8_t *chunk, size_t size, size_t most, uint64_t nth) {
    uint32_t rows = get32(chunk + 8);
    if (rows == 0 || (uint64_t)HEAD + (uint64_t)rows * ROW > size || size + ROW > most) return size;
    uint8_t *end = chunk + HEAD + (size_t)rows * ROW, row[ROW];
    memcpy(row, chunk + HEAD + nth % rows * ROW, ROW);
    uint64_t sequence = get64(chunk + 16) + rows, time = get64(end - ROW + 24) + 1;
    memcpy(row + 16, &sequence, 8);
    memcpy(row + 24, &time, 8);
    row[FLAGS_AT] &= (uint8_t)~TAIL;
    memmove(end + ROW, end, size - (size_t)(end - chunk));
    memcpy(end, row, ROW);
    rows++;
    memcpy(chunk + 8, &rows, 4);
    return size + ROW;
}

size_t chunks_mutate(uint8_t *data, size_t size, size_t most, unsigned int seed) {
    uint64_t numbers = seed;
    if (size >= HEAD && target_chance(&numbers, 4) == 0)
        size = add_row(data, size, most, target_chance(&numbers, 1000));
    else
        size = LLVMFuzzerMutate(data, size, most);
    if (size >= HEAD + ROW && target_chance(&numbers, 8) > 0) mend(data, size);
    return size;
}
