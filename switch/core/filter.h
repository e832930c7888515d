/* Split-block Bloom filters: a key sets one bit in each of seven words of one line of 32 bytes.
 * The same hash always gives the same bits, whatever the processor.
 *
 * The eighth word of a line that is stored is its check: such a line is read where it lies in the
 * map, when it is asked, and a wrong one says "maybe". For little-endian processors; a part of
 * native.h. */

#ifndef SWITCH_FILTER_H
#define SWITCH_FILTER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FILTER_WORDS 7        /* of a line, that keys set bits of */
#define FILTER_LINE_WORDS 8   /* with its check */
#define FILTER_PROBE_AHEAD 16 /* lines fetched before the first of them is looked at */

static const uint32_t filter_salts[FILTER_LINE_WORDS] = {
    0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D,
    0x705495C7, 0x2DF1424B, 0x9EFC4947, 0, /* the check is no word of keys */
};

static inline uint32_t *native_filter_line(const uint32_t *filter, uint32_t lines,
                                           uint64_t hash) {
    return (uint32_t *)filter + FILTER_LINE_WORDS * native_scale(hash, lines);
}

static inline void filter_add(uint32_t *filter, uint32_t lines, uint64_t hash) {
    uint32_t *line = native_filter_line(filter, lines, hash);
    for (int i = 0; i < FILTER_WORDS; i++)
        line[i] |= 1u << (((uint32_t)hash * filter_salts[i]) >> 27);
}

static inline int filter_line_has(const uint32_t *line, uint64_t hash) {
    uint32_t missing = 0;
    for (int i = 0; i < FILTER_WORDS; i++)
        missing |= ~line[i] & (1u << (((uint32_t)hash * filter_salts[i]) >> 27));
    return missing == 0;
}

static void filter_add_all_portable(uint32_t *filter, uint32_t lines, const uint64_t *hashes,
                                    uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + FILTER_PROBE_AHEAD < count)
            native_prefetch(native_filter_line(filter, lines, hashes[i + FILTER_PROBE_AHEAD]));
        filter_add(filter, lines, hashes[i]);
    }
}

/* Sets maybe[i] where the filter, of lines without checks, has hashes[i] and highs[i] lies in
 * [least, greatest]. */
static void filter_probe_portable(const uint32_t *filter, uint32_t lines,
                                  const uint64_t *hashes, const uint64_t *highs,
                                  uint64_t least, uint64_t greatest, uint8_t *maybe,
                                  uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + FILTER_PROBE_AHEAD < count)
            native_prefetch(native_filter_line(filter, lines, hashes[i + FILTER_PROBE_AHEAD]));
        maybe[i] |= filter_line_has(native_filter_line(filter, lines, hashes[i]), hashes[i]) &
                    (highs[i] >= least) & (highs[i] <= greatest);
    }
}

/* The filter of a run lies in parts of `part_lines` lines each (`last_lines` the last), each at
 * lines[part]: the first entry of part i has the high key word firsts[i], in ascending order. */
typedef struct {
    const uint32_t *const *lines;
    const uint64_t *firsts;
    uint32_t count;
    uint32_t part_lines;
    uint32_t last_lines;
    uint32_t seed; /* of the lines' checks: the run's own */
} NativeParts;

/* What a stored line's check should be: of its part, its number there and its words. */
static inline uint32_t filter_check_portable(uint32_t seed, uint32_t part, uint32_t number,
                                             const uint32_t *line) {
    uint32_t words[2 + FILTER_WORDS] = {part, number};
    memcpy(words + 2, line, 4 * FILTER_WORDS);
    return native_crc(seed, (const uint8_t *)words, sizeof(words));
}

#if defined(__x86_64__)
/* The same, in place: the compiler knows that there are nine words. */
__attribute__((target("sse4.2")))
static inline uint32_t filter_check_sse42(uint32_t seed, uint32_t part, uint32_t number,
                                          const uint32_t *line) {
    uint64_t value = (uint32_t)~seed;
    uint64_t word;
    value = _mm_crc32_u64(value, (uint64_t)number << 32 | part);
    for (int i = 0; i + 1 < FILTER_WORDS; i += 2) {
        memcpy(&word, line + i, 8);
        value = _mm_crc32_u64(value, word);
    }
    return ~_mm_crc32_u32((uint32_t)value, line[FILTER_WORDS - 1]);
}
#endif

/* Writes the checks of a part's lines. */
static void native_filter_seal(uint32_t *filter, uint32_t lines, uint32_t seed, uint32_t part) {
    for (uint32_t i = 0; i < lines; i++, filter += FILTER_LINE_WORDS)
        filter[FILTER_WORDS] = filter_check_portable(seed, part, i, filter);
}

/* The last part that begins at or before `high`; 0 if none does. Without branches. */
static inline uint32_t native_parts_find(const NativeParts *parts, uint64_t high) {
    uint32_t at = 0;
    for (uint32_t left = parts->count; left > 1;) {
        uint32_t half = left / 2;
        at += parts->firsts[at + half] <= high ? half : 0;
        left -= half;
    }
    return at;
}

/* Parts for each step of the high key word, times 2^64, if keys lay evenly. */
static inline uint64_t filter_parts_scale(const NativeParts *parts) {
    uint64_t extent = parts->firsts[parts->count - 1] - parts->firsts[0];
    unsigned __int128 steps = (unsigned __int128)(parts->count - 1) << 64;
    return extent > parts->count ? (uint64_t)(steps / extent) : 0;
}

/* As native_parts_find. Most keys are random and lie evenly: it looks where one should be,
 * and on both sides of that, before it searches. */
static inline uint32_t filter_parts_guess(const NativeParts *parts, uint64_t high,
                                          uint64_t scale) {
    uint64_t above = high > parts->firsts[0] ? high - parts->firsts[0] : 0;
    uint64_t at = (uint64_t)(((unsigned __int128)above * scale) >> 64);
    const uint64_t *firsts = parts->firsts;
    if (at + 2 >= parts->count || at == 0)
        return native_parts_find(parts, high);
    at += (firsts[at + 1] <= high) - (uint64_t)(firsts[at] > high);
    if (firsts[at] <= high && firsts[at + 1] > high)
        return (uint32_t)at;
    return native_parts_find(parts, high);
}

/* The number of the line of a part that a key is in. */
static inline uint32_t filter_parts_number(const NativeParts *parts, uint32_t part,
                                           uint64_t hash) {
    uint32_t lines = part + 1 == parts->count ? parts->last_lines : parts->part_lines;
    return (uint32_t)native_scale(hash, lines);
}

/* Whether the part found, or one before it that shares its first key word, has `hash`: 1 maybe,
 * 0 no, -1 if the check of a line that says no is wrong. */
static int filter_parts_has_from(const NativeParts *parts, uint32_t part, uint64_t hash,
                                 uint64_t high) {
    for (;; part--) {
        uint32_t number = filter_parts_number(parts, part, hash);
        const uint32_t *line = parts->lines[part] + FILTER_LINE_WORDS * (size_t)number;
        if (filter_line_has(line, hash))
            return 1;
        if (filter_check_portable(parts->seed, part, number, line) != line[FILTER_WORDS])
            return -1;
        if (part == 0 || parts->firsts[part] != high)
            return 0;
    }
}

static int native_parts_has(const NativeParts *parts, uint64_t hash, uint64_t high) {
    return filter_parts_has_from(parts, native_parts_find(parts, high), hash, high);
}

/* As filter_probe, of a filter in parts; at most FILTER_PROBES keys. */
#define FILTER_PROBES 128

/* Where the keys of one probe are looked for. */
typedef struct {
    const uint32_t *lines[FILTER_PROBES];
    uint32_t numbers[FILTER_PROBES];
    uint32_t parts[FILTER_PROBES];
    uint32_t firsts[FILTER_PROBES]; /* keys that a part begins with */
    uint32_t firsts_count;
} FilterPlaces;

/* Finds each key's line and fetches it; the search goes on while lines come. Notes the keys that
 * a part begins with: what its line has not may stand in the part before. */
static inline void filter_parts_places(const NativeParts *parts, const uint64_t *hashes,
                                       const uint64_t *highs, FilterPlaces *places,
                                       uint32_t count) {
    uint64_t parts_per_key = filter_parts_scale(parts);
    places->firsts_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = filter_parts_guess(parts, highs[i], parts_per_key);
        uint32_t number = filter_parts_number(parts, part, hashes[i]);
        places->lines[i] = parts->lines[part] + FILTER_LINE_WORDS * (size_t)number;
        native_prefetch(places->lines[i]);
        places->parts[i] = part;
        places->numbers[i] = number;
        places->firsts[places->firsts_count] = i;
        places->firsts_count += (part > 0) & (parts->firsts[part] == highs[i]);
    }
}

static inline void filter_parts_look_back(const NativeParts *parts, const uint64_t *hashes,
                                          const uint64_t *highs, const FilterPlaces *places,
                                          uint8_t *maybe) {
    for (uint32_t i = 0; i < places->firsts_count; i++) {
        uint32_t key = places->firsts[i];
        if (!maybe[key])
            maybe[key] = native_parts_has(parts, hashes[key], highs[key]) != 0;
    }
}

static void filter_parts_probe_portable(const NativeParts *parts, const uint64_t *hashes,
                                        const uint64_t *highs, uint64_t least,
                                        uint64_t greatest, uint8_t *maybe, uint32_t count) {
    FilterPlaces places;
    filter_parts_places(parts, hashes, highs, &places, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *line = places.lines[i];
        int has = filter_line_has(line, hashes[i]) ||
                  filter_check_portable(parts->seed, places.parts[i], places.numbers[i],
                                        line) != line[FILTER_WORDS];
        maybe[i] |= has & (highs[i] >= least) & (highs[i] <= greatest);
    }
    filter_parts_look_back(parts, hashes, highs, &places, maybe);
}

#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((target("avx2")))
static inline __m256i filter_bits_avx2(uint64_t hash) {
    const __m256i salts = _mm256_loadu_si256((const __m256i *)filter_salts);
    const __m256i ones = _mm256_setr_epi32(1, 1, 1, 1, 1, 1, 1, 0);
    __m256i shift = _mm256_srli_epi32(
        _mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)hash), salts), 27);
    return _mm256_sllv_epi32(ones, shift);
}

__attribute__((target("avx2")))
static void filter_add_all_avx2(uint32_t *filter, uint32_t lines, const uint64_t *hashes,
                                uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + FILTER_PROBE_AHEAD < count)
            native_prefetch(native_filter_line(filter, lines, hashes[i + FILTER_PROBE_AHEAD]));
        __m256i *line = (__m256i *)native_filter_line(filter, lines, hashes[i]);
        _mm256_storeu_si256(
            line, _mm256_or_si256(_mm256_loadu_si256(line), filter_bits_avx2(hashes[i])));
    }
}

__attribute__((target("avx2")))
static void filter_probe_avx2(const uint32_t *filter, uint32_t lines, const uint64_t *hashes,
                              const uint64_t *highs, uint64_t least, uint64_t greatest,
                              uint8_t *maybe, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (i + FILTER_PROBE_AHEAD < count)
            native_prefetch(native_filter_line(filter, lines, hashes[i + FILTER_PROBE_AHEAD]));
        __m256i line = _mm256_loadu_si256(
            (const __m256i *)native_filter_line(filter, lines, hashes[i]));
        maybe[i] |= _mm256_testc_si256(line, filter_bits_avx2(hashes[i])) &
                    (highs[i] >= least) & (highs[i] <= greatest);
    }
}

/* A processor with AVX2 has SSE4.2, too. */
__attribute__((target("avx2,sse4.2")))
static void filter_parts_probe_avx2(const NativeParts *parts, const uint64_t *hashes,
                                    const uint64_t *highs, uint64_t least, uint64_t greatest,
                                    uint8_t *maybe, uint32_t count) {
    FilterPlaces places;
    filter_parts_places(parts, hashes, highs, &places, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *line = places.lines[i];
        int has = _mm256_testc_si256(_mm256_loadu_si256((const __m256i *)line),
                                     filter_bits_avx2(hashes[i]));
        has |= filter_check_sse42(parts->seed, places.parts[i], places.numbers[i], line) !=
               line[FILTER_WORDS];
        maybe[i] |= has & (highs[i] >= least) & (highs[i] <= greatest);
    }
    filter_parts_look_back(parts, hashes, highs, &places, maybe);
}
#endif

static void (*native_parts_probe)(const NativeParts *, const uint64_t *, const uint64_t *,
                                  uint64_t, uint64_t, uint8_t *,
                                  uint32_t) = filter_parts_probe_portable;

static void (*native_filter_probe)(const uint32_t *, uint32_t, const uint64_t *,
                                   const uint64_t *, uint64_t, uint64_t, uint8_t *,
                                   uint32_t) = filter_probe_portable;

static void (*native_filter_add_all)(uint32_t *, uint32_t, const uint64_t *,
                                     uint32_t) = filter_add_all_portable;

#endif
