/* Memory that is asked of the system: large pages, address space without memory, advice.
 *
 * A part of native.h; no state. */

#ifndef SWITCH_MEMORY_H
#define SWITCH_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Have the system read a part of a mapped file before it is touched page by page.
   Only advice: what it answers does not matter. */
static inline void native_will_need(const void *at, size_t size) {
    uintptr_t first = (uintptr_t)at & ~(uintptr_t)4095;
    madvise((void *)first, (uintptr_t)at + size - first, MADV_WILLNEED);
}

/* Memory that is asked at places all over it, for `free`; NULL if there is none.
 *
 * In large pages, as far as it fills them by half: what takes time is not a line of a cover
 * or table but to find its page, on a virtual machine above all. Only advice: without large
 * pages it is slower. */
static inline void *native_scattered(size_t size) {
    const size_t page = 2u << 20;
    size_t large = (size + page / 2) & ~(page - 1);
    void *at;
    if (large == 0)
        return malloc(size);
    if (posix_memalign(&at, page, size > large ? size : large) != 0)
        return NULL;
    madvise(at, large, MADV_HUGEPAGE);
    return at;
}

/* The same, all zero. */
static inline void *native_scattered_zeros(size_t size) {
    void *at = native_scattered(size);
    if (at != NULL)
        memset(at, 0, size);
    return at;
}

/* Bytes that memory asked at places all over it has: whole large pages, as far as it fills them
 * by half. */
static inline size_t native_scattered_room(size_t size) {
    const size_t page = 2u << 20;
    size_t large = (size + page / 2) & ~(page - 1);
    return size > large ? size : large;
}

/* Zeroed address space for what may become large, for `native_give_back`; NULL if there is none.
 *
 * A page costs memory once it is touched. So a table begins with all the room that it may ever
 * need, and nothing is moved as it grows. */
static inline void *native_reserve(size_t size) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static inline void native_give_back(void *at, size_t size) {
    if (at != NULL)
        munmap(at, size);
}

/* The same for what is asked at places all over it, in large pages as `native_scattered` has
 * them. Nothing is cleared beforehand: who needs it under a lock gets it at once. For
 * `native_give_back_scattered`. */
static inline void *native_reserve_scattered(size_t size) {
    const size_t page = 2u << 20;
    size_t room = native_scattered_room(size);
    char *at, *first;
    if (room < page)
        return native_reserve(room);
    at = native_reserve(room + page);
    if (at == NULL)
        return NULL;
    first = (char *)(((uintptr_t)at + page - 1) & ~(uintptr_t)(page - 1));
    if (first != at)
        munmap(at, (size_t)(first - at));
    room = (room + 4095) & ~(size_t)4095;
    if (first != at + page)
        munmap(first + room, (size_t)(at + page - first));
    madvise(first, room & ~(page - 1), MADV_HUGEPAGE);
    return first;
}

static inline void native_give_back_scattered(void *at, size_t size) {
    native_give_back(at, native_scattered_room(size));
}

#endif
