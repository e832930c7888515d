# Quotations: what a biller said is owed, sealed, so that it can be believed later.
#
# A token is its first 128 bytes in the clear and a keyed BLAKE2b of them: who holds one can
# read it and change nothing. The key's block is compressed once, when the key is set, the
# token's for each one. Whose instance and epoch they are is in the salt and the
# personalisation, so that the key of one ledger seals nothing for another.

cdef enum:
    QUOTATION_SEALED = 128    # bytes that the seal is of
    QUOTATION_SEAL_SIZE = 16
    QUOTATION_HANDLE = 2      # first byte of what is sealed of a handle; no format of tokens


cdef void quotation_make_key(
    TokenKey* key, uint8_t number, const uint8_t* secret, const uint64_t* instance,
    uint64_t epoch
) noexcept nogil:
    """Make `key` of a secret of TOKEN_KEY_SIZE bytes. `number` is 1 to 255."""
    cdef uint8_t[16] person
    native_assert(number != 0, b"a key has a number")
    memcpy(person, b"bskquote", 8)
    memcpy(&person[8], &epoch, 8)
    native_blake2b_keyed_init(
        key.state, secret, TOKEN_KEY_SIZE, <const uint8_t*>instance, person,
        QUOTATION_SEAL_SIZE
    )
    key.number = number


cdef const TokenKey* _quotation_find_key(const TokenKey* keys, uint8_t number) noexcept nogil:
    """The key of this number among TOKEN_KEYS_MAX, or NULL."""
    cdef int i
    for i in range(TOKEN_KEYS_MAX):
        if keys[i].number == number and number != 0:
            return &keys[i]
    return NULL


cdef bint _quotation_is_text(const uint8_t* text) noexcept nogil:
    """Whether it is printable ASCII, zero-padded; an empty one is."""
    cdef uint32_t i = 0
    while i < REFERENCE_SIZE and 0x20 <= text[i] <= 0x7E:
        i += 1
    while i < REFERENCE_SIZE and text[i] == 0:
        i += 1
    return i == REFERENCE_SIZE


cdef bint _quotation_is_formed(const Quotation* quotation) noexcept nogil:
    """Whether its fields are such as a quotation can have; not who sealed it."""
    cdef uint64_t[2] reserved
    memcpy(reserved, quotation.reserved, 16)
    return (
        quotation.format == TOKEN_FORMAT
        and quotation.key != 0
        and quotation.head < HEADS_MAX
        and (
            quotation.amount_rule == AMOUNT_EXACT
            or quotation.amount_rule == AMOUNT_EXACT_AND_ABOVE
            or quotation.amount_rule == AMOUNT_EXACT_AND_BELOW
        )
        and quotation.centre != 0
        and quotation.service != 0
        and quotation.series != 0
        and quotation.period <= TOKEN_PERIOD_MAX
        and 0 < quotation.amount_due <= AMOUNT_MAX
        # So that a day later fits as well.
        and 0 < quotation.fetched <= NEVER - TOKEN_LIFE_MAX_NS
        and quotation.valid_until <= quotation.fetched + TOKEN_LIFE_MAX_NS
        and (reserved[0] | reserved[1]) == 0
        and quotation.reference[0] != 0
        and _quotation_is_text(quotation.reference)
        and _quotation_is_text(quotation.bill)
    )


cdef bint quotation_seal(const TokenKey* keys, Quotation* quotation) noexcept nogil:
    """Seal it with the newest key; False, and nothing sealed, if it is not formed.

    Its `valid_until` is cut to a day after `fetched`, 0 of it means that day.
    """
    cdef uint64_t last
    native_assert(keys[0].number != 0, b"there is a key")
    quotation.format = TOKEN_FORMAT
    quotation.key = keys[0].number
    if quotation.fetched > NEVER - TOKEN_LIFE_MAX_NS:
        return False
    last = quotation.fetched + TOKEN_LIFE_MAX_NS
    if quotation.valid_until == 0 or quotation.valid_until > last:
        quotation.valid_until = last
    if not _quotation_is_formed(quotation):
        return False
    native_blake2b_keyed_block(
        keys[0].state, <const uint8_t*>quotation, quotation.seal, QUOTATION_SEAL_SIZE
    )
    return True


cdef int quotation_open(
    const TokenKey* keys, const uint8_t* token, size_t size, uint64_t now, Quotation* out
) noexcept nogil:
    """What the bytes are at the time `now`: OPENED_*. `out` is theirs, and zero if they
    are wrong. Which centre, service and reference it is for is not asked here."""
    cdef uint8_t[QUOTATION_SEAL_SIZE] seal
    cdef const TokenKey* key
    if size == sizeof(Quotation):
        # Aligned, and out of reach of whoever sent it.
        memcpy(out, token, sizeof(Quotation))
        key = _quotation_find_key(keys, out.key)
        if key != NULL and out.format == TOKEN_FORMAT:
            native_blake2b_keyed_block(
                key.state, <const uint8_t*>out, seal, QUOTATION_SEAL_SIZE
            )
            if native_equal_seals(seal, out.seal):
                native_assert(_quotation_is_formed(out), b"what was sealed is formed")
                # One of a time to come, of a clock that was ahead, would outlive its day
                # and pass for fetched after whatever was paid meanwhile.
                if out.fetched <= now < out.valid_until:
                    return OPENED_RIGHT
                return OPENED_EXPIRED
    memset(out, 0, sizeof(Quotation))
    return OPENED_WRONG


# --- handles ------------------------------------------------------------------------------------

cdef void quotation_make_handle(
    const TokenKey* key, uint32_t centre, uint64_t sequence, uint8_t* handle
) noexcept nogil:
    """What lets this centre pay in addition to the payment of this sequence: HANDLE_SIZE
    bytes, the sequence and a seal."""
    cdef uint8_t[QUOTATION_SEALED] block
    memset(block, 0, QUOTATION_SEALED)
    block[0] = QUOTATION_HANDLE
    memcpy(&block[4], &centre, 4)
    memcpy(&block[8], &sequence, 8)
    memcpy(handle, &sequence, 8)
    native_blake2b_keyed_block(key.state, block, handle + 8, QUOTATION_SEAL_SIZE)


cdef bint quotation_is_handle(
    const TokenKey* keys, uint32_t centre, const uint8_t* handle, size_t size
) noexcept nogil:
    """Whether it was made for this centre with one of the keys."""
    cdef uint8_t[HANDLE_SIZE] made
    cdef uint64_t sequence
    cdef int i
    if size != HANDLE_SIZE:
        return False
    memcpy(&sequence, handle, 8)
    for i in range(TOKEN_KEYS_MAX):
        if keys[i].number == 0:
            continue
        quotation_make_handle(&keys[i], centre, sequence, made)
        if native_equal_seals(&made[8], handle + 8):
            return True
    return False
