/* See allocated.h: what the address sanitizer tells of each allocation. */

#include "allocated.h"

#include <stddef.h>

/* Of sanitizer/allocator_interface.h, which gcc comes without. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *memory);

static int64_t bytes;
static bool installed, watched;

static void on_malloc(const volatile void *memory, size_t size) {
    (void)memory;
    if (watched) bytes += (int64_t)size;
}

static void on_free(const volatile void *memory) {
    if (!watched || memory == NULL) return;
    bytes -= (int64_t)__sanitizer_get_allocated_size(memory);
}

void allocated_begin(void) {
    if (!installed) __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    installed = watched = true;
    bytes = 0;
}

int64_t allocated_bytes(void) { return bytes; }

void allocated_watch(bool watch) { watched = watch; }
