# What a biller is told: how payments ended, and which answers need not be sent again.
#
# Written as fields of a ConnectResponse.

cdef struct End:
    uint64_t number
    uint64_t sequence
    uint8_t state


cdef inline uint8_t* put_varint(uint8_t* at, uint64_t value) noexcept nogil:
    while value >= 0x80:
        at[0] = <uint8_t>(value | 0x80)
        value >>= 7
        at += 1
    at[0] = <uint8_t>value
    return at + 1


cdef inline uint8_t* put_field(uint8_t* at, int field, uint64_t value) noexcept nogil:
    """A varint of a message; 0 is left out, as the wire has it."""
    if value == 0:
        return at
    at[0] = <uint8_t>(field << 3)
    return put_varint(at + 1, value)


cdef inline uint8_t* put_tag(uint8_t* at, int field, uint64_t size) noexcept nogil:
    """What stands before `size` bytes of a field."""
    at[0] = <uint8_t>(field << 3 | 2)
    return put_varint(at + 1, size)


cdef inline uint8_t state_after(int kind) noexcept nogil:
    """How what a row ends stands then."""
    if kind == KIND_POST:
        return PAYMENT_COMPLETED
    if kind == KIND_VOID:
        return PAYMENT_REVERSED
    if kind == KIND_EXPIRE:
        return PAYMENT_UNVERIFIED
    if kind == KIND_VERIFY:
        return PAYMENT_EXPIRED
    return PAYMENT_REFUNDED if kind == KIND_REFUND else PAYMENT_NONE


@cython.final
cdef class Ends:
    cdef End* ends              # a ring
    cdef uint32_t room          # a power of two
    cdef uint32_t first
    cdef uint32_t count

    def __dealloc__(self):
        free(self.ends)

    def __bool__(self):
        return self.count > 0

    cdef int put(self, uint64_t number, int kind, uint64_t sequence) except -1:
        cdef End* end
        if self.count == self.room and self.room < <uint32_t>ENDS_MOST:
            self.grow()
        if self.count == self.room:
            self.first += 1
            self.count -= 1
        end = &self.ends[(self.first + self.count) & (self.room - 1)]
        end.number = number
        end.sequence = sequence
        end.state = state_after(kind)
        self.count += 1
        return 0

    cdef int grow(self) except -1:
        cdef uint32_t room = max(2 * self.room, <uint32_t>ENDS_FIRST)
        cdef End* ends = <End*>malloc(room * sizeof(End))
        cdef uint32_t i
        if ends == NULL:
            raise MemoryError
        for i in range(self.count):
            ends[i] = self.ends[(self.first + i) & (self.room - 1)]
        free(self.ends)
        self.ends = ends
        self.room = room
        self.first = 0
        return 0

    def add(self, holds, rows):
        cdef const uint64_t[::1] numbers = np.ascontiguousarray(holds, np.uint64)
        cdef const uint8_t[::1] kinds = np.ascontiguousarray(rows["kind"])
        cdef const uint64_t[::1] sequences = np.ascontiguousarray(rows["sequence"])
        cdef Py_ssize_t i
        for i in range(numbers.shape[0]):
            self.put(numbers[i], kinds[i], sequences[i])

    def take(self):
        cdef uint8_t* start
        cdef uint8_t* at
        cdef uint8_t* one
        cdef const End* end
        cdef uint32_t i
        if self.count == 0:
            return b""
        start = <uint8_t*>malloc(<size_t>self.count * END_SIZE)
        if start == NULL:
            raise MemoryError
        at = start
        for i in range(self.count):
            end = &self.ends[(self.first + i) & (self.room - 1)]
            # What is in it is less than 128 bytes.
            at = put_tag(at, TOLD_ENDED, 0)
            one = at
            at = put_field(one, 1, end.number)
            at = put_field(at, 2, end.state)
            at = put_field(at, 3, end.sequence)
            (one - 1)[0] = <uint8_t>(at - one)
        self.count = 0
        self.first = 0
        try:
            return PyBytes_FromStringAndSize(<char*>start, at - start)
        finally:
            free(start)


def acknowledged(list told):
    """A field with the numbers in all of these arrays."""
    cdef const uint64_t[::1] numbers
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t i
    cdef uint8_t* start
    cdef uint8_t* first
    cdef uint8_t* at
    cdef uint8_t* end
    for one in told:
        count += len(one)
    if count == 0:
        return b""
    start = <uint8_t*>malloc(VARINT_SIZE + 1 + <size_t>count * VARINT_SIZE)
    if start == NULL:
        raise MemoryError
    # In front of the numbers is room for their size, which follows from them.
    first = at = start + VARINT_SIZE + 1
    try:
        for one in told:
            numbers = np.ascontiguousarray(one, np.uint64)
            for i in range(numbers.shape[0]):
                at = put_varint(at, numbers[i])
        end = put_tag(start, TOLD_ACKNOWLEDGED, <uint64_t>(at - first))
        memmove(end, first, at - first)
        return PyBytes_FromStringAndSize(<char*>start, end - start + (at - first))
    finally:
        free(start)
