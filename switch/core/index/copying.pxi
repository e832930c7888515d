# A copy of a table as it was at one moment, made in pieces: between two pieces others may change
# the table, and whoever does first puts by what is not copied yet.
#
# Uses nothing but memory. All of it under the lock that guards the table, but for the rest.

cdef enum:
    COPY_PIECE = 4096         # places that are copied in one go
    COPY_REST_NS = 50000      # between two pieces: a lock goes to who asks, not to whose turn it is

cdef int copying_begin(Copying* copying, void* target, uint32_t count) noexcept nogil:
    """Have what the table is now, `count` places of it, go to `target`, which has room."""
    cdef uint64_t* has = <uint64_t*>calloc(count // 64 + 1, 8)
    native_assert(copying.target == NULL, b"copying_begin: one at a time")
    if has == NULL:
        return ENOMEM
    copying.has = has
    copying.count = count
    copying.target = <uint8_t*>target
    return 0


cdef inline void copying_keep(
    Copying* copying, const void* table, uint32_t place, size_t size
) noexcept nogil:
    """Before a place of `size` bytes is changed."""
    cdef uint64_t bit = <uint64_t>1 << (place & 63)
    if place >= copying.count or copying.has[place >> 6] & bit:
        return
    copying.has[place >> 6] |= bit
    memcpy(copying.target + place * size, <const uint8_t*>table + place * size, size)


cdef void copying_add(
    Copying* copying, const void* table, uint32_t first, size_t size
) noexcept nogil:
    """Copy the piece that begins with a place."""
    cdef uint32_t last = min(first + <uint32_t>COPY_PIECE, copying.count)
    cdef uint32_t place = first
    native_assert(first % 64 == 0 and COPY_PIECE % 64 == 0, b"copying_add: whole words")
    native_hold(last - first)
    while place < last:
        if copying.has[place >> 6] == 0 and place + 64 <= last:
            memcpy(
                copying.target + place * size, <const uint8_t*>table + place * size, 64 * size
            )
            copying.has[place >> 6] = <uint64_t>-1
            place += 64
        else:
            copying_keep(copying, table, place, size)
            place += 1


cdef void copying_end(Copying* copying) noexcept nogil:
    free(copying.has)
    copying.has = NULL
    copying.target = NULL
    copying.count = 0


cdef void copying_rest() noexcept nogil:
    """Without the lock: let those go first who wait for it."""
    cdef timespec rest
    rest.tv_sec = 0
    rest.tv_nsec = COPY_REST_NS
    nanosleep(&rest, NULL)
