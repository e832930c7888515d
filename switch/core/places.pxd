# Where the items of a chunk's tail begin, as far as somebody has looked for them.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    PLACES_STEP = 32          # rows
    PLACES_COUNT = 256        # for a chunk of GROUP_MAX rows
    PLACES_WAYS = 8           # chunks of a set
    PLACES_SETS = 512

cdef struct Places:           # where in its chunk's tail the item of each 32nd row would begin
    uint32_t offsets[PLACES_COUNT]
    uint32_t count            # known: of the first ones

cdef struct PlacesTable:      # of chunks in which items were looked for; a chunk never changes
    uint64_t firsts[PLACES_SETS][PLACES_WAYS]  # sequence of each one's first row, or 0
    Places chunks[PLACES_SETS][PLACES_WAYS]
    uint8_t next[PLACES_SETS]  # way that the next chunk of a set gets
