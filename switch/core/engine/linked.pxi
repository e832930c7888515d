# What is found by a key of its own and not by what it resolves: what centres have asked for
# on a day, what a bank has said before. Durable rows only.

cdef int linked_requests(
    State* s, uint32_t wallet, uint32_t day, uint64_t* sequences, uint32_t* count
) noexcept nogil:
    """The requests for a wallet on an IST day, the newest first; room for REQUESTS_DAY_MAX.
    Their rows are not read: one that is damaged hides no other."""
    cdef View view
    cdef Lookup lookup
    cdef uint64_t high, low
    cdef int rc
    count[0] = 0
    keys_requests(wallet, day, &high, &low)
    rc = reads_begin_lookup(s, &view, &lookup, MAP_LINKS, high, low)
    while rc == 0 and count[0] < <uint32_t>REQUESTS_DAY_MAX:
        rc = reads_next(s, &view, &lookup, &sequences[count[0]])
        if rc == 0:
            count[0] += 1
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc


cdef int linked_booked(
    State* s, uint32_t account, bint credit, uint16_t flags, const uint8_t* reference,
    uint64_t* sequence
) noexcept nogil:
    """The accepted row of what a bank has booked under this key, or 0."""
    cdef View view
    cdef Lookup lookup
    cdef Claim claim
    cdef uint64_t value
    cdef int rc
    sequence[0] = 0
    keys_booked(account, credit, flags, reference, &claim)
    rc = claimed_begin(s, &view, &lookup, &claim)
    if rc == 0:
        rc = claimed_next(s, &view, &lookup, &claim, &value)
    if rc == 0:
        sequence[0] = value >> 1
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc


cdef int linked_replies(
    State* s, uint64_t complaint, uint64_t* sequences, uint32_t most, uint32_t* count
) noexcept nogil:
    """The accepted replies to a complaint, the newest first, at most as many as there is room
    for. Their rows are not read."""
    cdef View view
    cdef Lookup lookup
    cdef uint64_t value
    cdef int rc = reads_begin_lookup(s, &view, &lookup, MAP_LINKS, complaint, 0)
    count[0] = 0
    while rc == 0 and count[0] < most:
        rc = reads_next(s, &view, &lookup, &value)
        if rc == 0:
            sequences[count[0]] = value
            count[0] += 1
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc
