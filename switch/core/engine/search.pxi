# Payments by what people know of them: a reference, or their biller's word. No rule asks here.
#
# Durable rows only, the newest TAKERS_MAX: what thousands of payments share costs no more.

cdef struct SearchKeys:       # the claims under which payments of a reference may stand
    Claim claims[4]
    int count


cdef void _search_add_key(
    SearchKeys* keys, uint32_t domain, uint32_t owner, const uint8_t* reference, uint64_t amount
) noexcept nogil:
    native_assert(keys.count < 4, b"_search_add_key: there is room")
    keys_claim(domain, owner, reference, amount, &keys.claims[keys.count])
    keys.count += 1


cdef void _search_make_keys(
    State* s, uint32_t service, const uint8_t* text, SearchKeys* keys
) noexcept nogil:
    """The claims of a reference as it was typed, or of a bill's id. Under the lock."""
    cdef const Service* known = &s.group.services[service]
    cdef uint64_t series = s.group.working.fixed[service].series
    cdef uint8_t[REFERENCE_SIZE] form, bill
    keys.count = 0
    memcpy(form, text, REFERENCE_SIZE)
    memcpy(bill, text, REFERENCE_SIZE)
    if references_canonical(known, form, True):
        _search_add_key(keys, CLAIM_SEARCH, service, form, 0)
        _search_add_key(keys, CLAIM_BILL, known.record.biller, form, series)
    if known.record.price_rule == PRICE_BILL:
        # A quoted bill's row has its biller's id, and the citizen's reference in its tail.
        memcpy(form, text, REFERENCE_SIZE)
        if not references_canonical(known, form, False):
            memset(form, 0, REFERENCE_SIZE)
        if references_canonical_bill(known, bill):
            _search_add_key(keys, CLAIM_BILL, known.record.biller, bill, series)
    if form[0] != 0:
        _search_add_key(
            keys, CLAIM_REFERENCE,
            keys_reference_owner(&s.group.working, <uint16_t>service), form, 0,
        )


cdef uint32_t _search_join(
    uint64_t* found, uint32_t count, const uint64_t* more, uint32_t more_count
) noexcept nogil:
    """Put sequences into a list, both descending; the newest TAKERS_MAX stay, each once."""
    cdef uint32_t i, at
    for i in range(more_count):
        at = 0
        while at < count and found[at] > more[i]:
            at += 1
        if at == <uint32_t>TAKERS_MAX:
            break
        if at < count and found[at] == more[i]:
            continue
        count = min(count + 1, <uint32_t>TAKERS_MAX)
        memmove(&found[at + 1], &found[at], (count - 1 - at) * sizeof(uint64_t))
        found[at] = more[i]
    return count


cdef int search_payments(
    State* s, uint32_t service, const uint8_t* text, uint64_t* found, uint32_t* count
) noexcept nogil:
    """Accepted pays and holds of a reference, which is zero-padded, through a durable service
    or another of its series: the newest first; room for TAKERS_MAX."""
    cdef uint64_t[TAKERS_MAX] takers
    cdef SearchKeys keys
    cdef uint32_t more
    cdef bint free_
    cdef int rc = 0
    cdef int i
    count[0] = 0
    pthread_mutex_lock(&s.shared.lock)
    _search_make_keys(s, service, text, &keys)
    pthread_mutex_unlock(&s.shared.lock)
    for i in range(keys.count):
        rc = claimed_takers(s, &keys.claims[i], takers, &more, &free_)
        if rc != 0:
            return rc
        count[0] = _search_join(found, count[0], takers, more)
    return 0


cdef int search_posts(
    State* s, uint32_t biller, const uint8_t* word, uint32_t size, uint64_t* found,
    uint32_t* count
) noexcept nogil:
    """Accepted posts for which a biller has given this word, likewise."""
    cdef Claim claim
    cdef bint free_
    keys_word(biller, word, size, &claim)
    return claimed_takers(s, &claim, found, count, &free_)
