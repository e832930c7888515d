/* The log beyond this machine, as the core reaches it: each chunk is appended there before it is
 * committed here, so that the local journal never holds what the log lacks.
 *
 * `Ledger.replicate` takes a PyCapsule of a `struct log_api`, named LOG_API_NAME, and keeps it.
 * A single node has none.
 */
#ifndef SWITCH_LOG_API_H
#define SWITCH_LOG_API_H

#include <stddef.h>
#include <stdint.h>

#define LOG_API_VERSION 1
#define LOG_API_NAME "switch._core.log_api"

enum {               /* what came of an append; any other number counts as LOG_UNKNOWN */
    LOG_DONE = 0,    /* it is in the log, for good */
    LOG_FENCED = 1,  /* it is absent from the log for ever: nothing was done, another leads */
    LOG_UNKNOWN = 2, /* patience is over: it may be in the log, now or later */
};

struct log_api {
    uint32_t version; /* LOG_API_VERSION */
    void *log;

    /* Append one chunk: header, rows and tail, as docs/data-model.md has them; the header says its
     * place. Blocks, for a minute if it must. Called without the GIL, by one thread at a time,
     * which need not be the same; the bytes are the caller's again when it returns. After
     * anything but LOG_DONE it is never called again: the ledger takes no more. */
    int (*append)(void *log, const uint8_t *chunk, size_t size);
};

#endif
