/* Packed pages of the index: entries into a page and back, and bytes that are said to be one.

   Input: a byte of what it is, and
       0, 2: a byte of how wide numbers are, and entries: what each is above the one before
       1:    a page without its check, which is put right; where it ends is right, too
       3:    a block as it is: its first two bytes say where its page ends

   What is packed is unpacked as it was, as a whole and one by one, and found where it is. What
   is opened is as long as its head says, and is read within it. */

#include <stdbool.h>

#pragma GCC diagnostic ignored "-Wunused-function" /* most of what native.h has */
#include "core/native.h"
#include "crc.h"
#include "target.h"

enum { ENTRIES_MAX = 255, ENTRY = 16, ENDS = 8 /* bytes before the first page */, SEED = 7 };

/* Each of its entries, read in each way. */
static void judge_reading(const NativePage *page, const uint64_t *entries) {
    for (uint32_t i = 0; i < page->count; i++) {
        uint64_t entry[2];
        native_page_get(page, i, entry);
        target_check(memcmp(entry, entries + 2 * i, ENTRY) == 0, "entry %u read by itself", i);
        target_check(native_page_high(page, i) == entry[0], "the key of entry %u", i);
    }
}

/* Keys ascend: how many are not above entry i's. */
static void judge_bounds(const NativePage *page, const uint64_t *entries) {
    for (uint32_t i = 0; i < page->count; i++) {
        uint64_t high = entries[2 * i], low = entries[2 * i + 1] >> PACKED_VALUE_BITS;
        uint32_t above = i + 1;
        while (above < page->count && entries[2 * above] == high &&
               entries[2 * above + 1] >> PACKED_VALUE_BITS == low)
            above++;
        target_check(native_page_upper_bound(page, high, low) == above, "entry %u is not found", i);
    }
}

static void pack(const uint8_t *data, size_t size) {
    uint64_t entries[2 * ENTRIES_MAX], back[2 * ENTRIES_MAX];
    if (size < 2) return;
    uint32_t bytes = 1 + data[0] % 8, rest_bytes = 1 + data[0] / 8 % 8, count = 0;
    uint64_t high = 0, rest = 0;
    for (size_t at = 1; at + bytes + rest_bytes <= size && count < ENTRIES_MAX;
         at += bytes + rest_bytes, count++) {
        uint64_t more = 0, beside = 0;
        memcpy(&more, data + at, bytes);
        memcpy(&beside, data + at + bytes, rest_bytes);
        /* Order is by the key and what is beside it; beyond the end it stays where it is. */
        if (more > ~high) more = 0;
        rest = more == 0 ? (beside > ~rest ? rest : rest + beside) : beside;
        high += more;
        entries[2 * count] = high;
        entries[2 * count + 1] = rest;
    }
    if (count == 0) return;
    uint8_t *page = malloc(PACKED_HEAD + ENTRIES_MAX * ENTRY);
    size_t written = native_page_pack(entries, count, page);
    target_check(written <= PACKED_HEAD + (size_t)count * ENTRY + PACKED_UNIT, "%zu bytes for %u",
                 written, count);
    uint8_t *block = malloc(ENDS + written);
    uint16_t end = (uint16_t)((ENDS + written) / PACKED_UNIT);
    memset(block, 0, ENDS);
    memcpy(block, &end, 2);
    memcpy(block + ENDS, page, written);
    uint32_t check = other_crc(SEED, page + 4, written - 4);
    memcpy(block + ENDS, &check, 4);
    NativePage opened;
    target_check(native_page_open(block, ENDS + written, ENDS, 0, SEED, &opened),
                 "a page of %u entries does not open", count);
    native_page_unpack(&opened, back);
    target_check(opened.count == count && memcmp(back, entries, (size_t)count * ENTRY) == 0,
                 "%u entries come back otherwise", count);
    judge_reading(&opened, entries);
    judge_bounds(&opened, entries);
    block[ENDS + 4 + data[1] % (written - 4)] ^= 1;
    target_check(!native_page_open(block, ENDS + written, ENDS, 0, SEED, &opened),
                 "a page with a changed byte opens");
    free(block);
    free(page);
}

static void open_block(uint8_t *block, size_t size) {
    NativePage page;
    uint64_t entries[2 * ENTRIES_MAX];
    if (!native_page_open(block, size, ENDS, 0, SEED, &page)) return;
    uint16_t end;
    memcpy(&end, block, 2);
    size_t written = (size_t)end * PACKED_UNIT - ENDS;
    uint32_t check = other_crc(SEED, block + ENDS + 4, written - 4);
    target_check(memcmp(&check, block + ENDS, 4) == 0, "a page with a wrong check opens");
    native_page_unpack(&page, entries);
    judge_reading(&page, entries);
    /* Not sorted, it is found somewhere within. */
    for (uint32_t i = 0; i < page.count; i++)
        target_check(native_page_upper_bound(&page, entries[2 * i], i) <= page.count, "beyond");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (native_crc_table[0][1] == 0) native_crc_init();
    if (size == 0) return 0;
    if (data[0] % 2 == 0) {
        pack(data + 1, size - 1);
        return 0;
    }
    bool whole = data[0] % 4 == 3;
    size_t page = size - 1, block_size = whole ? page : ENDS + page / 8 * 8;
    if (block_size < ENDS + PACKED_HEAD || block_size > 8 * UINT16_MAX) return 0;
    uint8_t *block = malloc(block_size);
    if (whole) {
        memcpy(block, data + 1, page);
    } else {
        uint16_t end = (uint16_t)(block_size / PACKED_UNIT);
        memset(block, 0, ENDS);
        memcpy(block, &end, 2);
        memcpy(block + ENDS, data + 1, block_size - ENDS);
        uint32_t check = other_crc(SEED, block + ENDS + 4, block_size - ENDS - 4);
        memcpy(block + ENDS, &check, 4);
    }
    open_block(block, block_size);
    free(block);
    return 0;
}
