# What can be said of a row without any state: its day, its year, its keys.

cdef inline uint32_t keys_day(uint64_t timestamp) noexcept nogil:
    """IST day, days since 1970-01-01."""
    return <uint32_t>((timestamp // 1000000000 + IST_OFFSET_S) // 86400)


cdef uint16_t keys_year(uint32_t day) noexcept nogil:
    """Financial year of an IST day: the calendar year in which its April fell.

    Days are counted from a 1 March, so that leap days fall at a year's end.
    """
    cdef uint64_t days = <uint64_t>day + 719468
    cdef uint64_t era = days // 146097
    cdef uint64_t of_era = days % 146097
    cdef uint64_t year_of_era = (
        of_era - of_era // 1460 + of_era // 36524 - of_era // 146096
    ) // 365
    cdef uint64_t of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    # `of_year` counts from 1 March: 31 is 1 April.
    cdef uint64_t year = era * 400 + year_of_era
    return <uint16_t>(year if of_year >= 31 else year - 1)


cdef inline uint16_t keys_year_of(Table* table, uint32_t day) noexcept nogil:
    """The same, remembering the last answer: rows of one group share their day."""
    if table.day != day or table.year == 0:
        table.day = day
        table.year = keys_year(day)
    return table.year


cdef inline void keys_id(
    const State* s, const uint8_t* id, uint32_t sender, uint64_t* high, uint64_t* low
) noexcept nogil:
    """Ids keep their order (time-ordered ones make runs that do not overlap).

    All of the id and its sender are hashed into a few bits, with a secret: whoever has found a
    key looks at the row, and nobody can choose ids that have one key.
    """
    cdef uint64_t[2] words
    memcpy(words, id, 16)
    high[0] = native_swap64(words[0])
    low[0] = native_siphash64(s.config.secret, words, 2, sender) >> (64 - ENTRY_LOW_BITS)
    if native_planted(b"ids_are_hashed"):
        low[0] = 0


cdef inline bint _keys_is_id(const State* s, const Row* row, const Fence* key) noexcept nogil:
    """Whether a key is that of a row's id. For asserts."""
    cdef uint64_t high, low
    if not SWITCH_ASSERT:
        return True
    keys_id(s, row.id, row.participant, &high, &low)
    return key.high == high and key.low == low


cdef enum:  # domains of claim keys
    CLAIM_BILL = 1
    CLAIM_REFERENCE = 2
    CLAIM_UTR = 3
    CLAIM_BOOKED = 4
    # To be found by; no rule asks for these.
    CLAIM_SEARCH = 5          # a payment that takes no claim, by its reference
    CLAIM_WORD = 6            # a post, by its biller's word

cdef enum:  # the keys of a draft, by their place there: of claims that it may take, of its id
    CLAIMS_BILL = 0
    CLAIMS_REFERENCE = 1
    KEYS_ID = 2


cdef inline void keys_claim(
    uint32_t domain, uint32_t owner, const uint8_t* reference, uint64_t amount, Claim* claim
) noexcept nogil:
    claim.words[0] = (<uint64_t>domain << 32) | owner
    memcpy(&claim.words[1], reference, REFERENCE_SIZE)
    claim.words[5] = amount


cdef inline uint32_t keys_domain(const Claim* claim) noexcept nogil:
    return <uint32_t>(claim.words[0] >> 32)


cdef inline bint keys_same_claim(const Claim* claim, const Claim* other) noexcept nogil:
    return memcmp(claim, other, sizeof(Claim)) == 0


cdef void keys_hash(
    const State* s, const Claim* claim, uint64_t* high, uint64_t* low
) noexcept nogil:
    """The key of a claim. Whoever has found it looks at what its row claims, too."""
    native_siphash128(s.config.secret, claim.words, CLAIM_WORDS, high, low)
    low[0] >>= 64 - ENTRY_LOW_BITS
    if native_planted(b"claims_are_hashed"):
        high[0] = low[0] = 0


cdef inline uint8_t keys_kind(const Table* table, uint32_t account) noexcept nogil:
    """What kind an account is; 0, nobody's, of one that is not open."""
    return table.accounts[account].kind if account < ACCOUNTS_MAX else 0


cdef void keys_booked(
    uint32_t account, bint credit, uint16_t flags, const uint8_t* reference, Claim* claim
) noexcept nogil:
    """The claim of a line that a bank has booked to an account's credit or debit."""
    cdef uint32_t owner = account << 2
    native_assert(account < ACCOUNTS_MAX, b"keys_booked: an account")
    if not credit:
        owner |= 2
    if flags & ROW_REVERSAL:
        owner |= 1
    keys_claim(CLAIM_BOOKED, owner, reference, 0, claim)


cdef void keys_utr(const uint8_t* reference, Claim* claim) noexcept nogil:
    """The claim of a bank's reference, however it is typed: capitals, without spaces."""
    cdef uint8_t[REFERENCE_SIZE] bare
    cdef uint32_t size = 0
    cdef uint32_t i
    memset(bare, 0, REFERENCE_SIZE)
    for i in range(<uint32_t>REFERENCE_SIZE):
        if reference[i] != 32:
            bare[size] = reference[i] - 32 if 97 <= reference[i] <= 122 else reference[i]
            size += 1
    keys_claim(CLAIM_UTR, 0, bare, 0, claim)


cdef void keys_claim_of(const Table* table, const Row* row, Claim* claim) noexcept nogil:
    """The claim of a bill, of a UTR or of a bank's line that an accepted row took."""
    cdef bint credit
    if row.kind == KIND_TOP_UP:
        keys_utr(row.reference, claim)
    elif row.kind == KIND_BOOKED:
        credit = keys_kind(table, row.debit) == ACCOUNT_BANK
        keys_booked(
            row.debit if credit else row.credit, credit, row.flags, row.reference, claim
        )
    else:
        native_assert(
            table.fixed[row.service].series != 0, b"keys_claim_of: a service has a series"
        )
        keys_claim(
            CLAIM_BILL, table.accounts[row.credit].participant, row.reference,
            table.fixed[row.service].series, claim,
        )


cdef inline uint32_t keys_reference_owner(const Table* table, uint16_t service) noexcept nogil:
    """Whose the reference claims of a service are: a bill is paid through all of a series, and
    so are those that its biller issues again."""
    if table.fixed[service].price_rule == PRICE_BILL:
        native_assert(table.fixed[service].series != 0, b"keys_reference_owner: it has a series")
        return table.fixed[service].series
    return service


cdef bint _keys_reference_of(
    const Table* table, const Row* row, const uint8_t* tail, uint32_t tail_size, Claim* claim
) noexcept nogil:
    """The claim of its citizen's reference, or of its UTR, that an accepted pay, hold or booked
    took. False if its tail should have that and has not, which no core wrote."""
    cdef const uint8_t* reference = &row.reference[0]
    if row.kind == KIND_BOOKED:
        keys_utr(row.reference, claim)
        return True
    if table.fixed[row.service].price_rule == PRICE_BILL:
        if tail_size < FIXED_TAIL_SIZE:
            return False
        reference = &(<const BillTail*>tail).reference[0]
    keys_claim(CLAIM_REFERENCE, keys_reference_owner(table, row.service), reference, 0, claim)
    return True


cdef void keys_word(
    uint32_t biller, const uint8_t* word, uint32_t size, Claim* claim
) noexcept nogil:
    """What a post is found by, by the word that its biller has given for it."""
    cdef uint8_t[REFERENCE_SIZE] padded
    native_assert(size <= <uint32_t>REFERENCE_SIZE, b"keys_word: a word has so many characters")
    memset(padded, 0, REFERENCE_SIZE)
    memcpy(padded, word, size)
    keys_claim(CLAIM_WORD, biller, padded, 0, claim)


cdef inline bint _keys_has_word(const Row* row, uint32_t tail_size) noexcept nogil:
    """Whether an accepted row is a post by its biller's word, which its tail is."""
    return row.kind == KIND_POST and row.flags & ROW_EVIDENCE != 0 and (
        0 < tail_size <= <uint32_t>REFERENCE_SIZE
    )


cdef inline bint _keys_is_only_found(const Row* row) noexcept nogil:
    """Whether an accepted row is a payment that takes no claim, and is found by its reference."""
    return kinds_is_payment(row.kind) and row.service != 0 and (
        row.flags & (ROW_CLAIM | ROW_RECENT) == 0
    )


cdef inline bint keys_needs_tail(uint32_t domain) noexcept nogil:
    """Whether what a row claims in a domain may stand in its tail."""
    return domain == CLAIM_REFERENCE or domain == CLAIM_WORD


cdef bint keys_claims(
    const Table* table, const Row* row, uint32_t domain, const uint8_t* tail, uint32_t tail_size,
    Claim* claim
) noexcept nogil:
    """What a row claims in a domain, or False. Of a row that is not accepted it is nothing."""
    if row.result != RESULT_OK:
        return False
    if domain == CLAIM_SEARCH:
        keys_claim(CLAIM_SEARCH, row.service, row.reference, 0, claim)
        return _keys_is_only_found(row)
    if domain == CLAIM_WORD:
        if not _keys_has_word(row, tail_size):
            return False
        keys_word(table.accounts[row.credit].participant, tail, tail_size, claim)
        return True
    if not kinds_may_claim(row.kind):
        return False
    if row.flags & ROW_CLAIM:
        keys_claim_of(table, row, claim)
        if keys_domain(claim) == domain:
            return True
    return row.flags & ROW_RECENT != 0 and (
        _keys_reference_of(table, row, tail, tail_size, claim) and keys_domain(claim) == domain
    )


cdef inline bint keys_is_zero(const uint8_t* data, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if data[i] != 0:
            return False
    return True


cdef bint keys_code_is_valid(
    const uint8_t* code, uint32_t size, bint upper
) noexcept nogil:
    """[a-z0-9-] or [A-Z0-9-], at least one, zero-padded."""
    cdef uint32_t i = 0
    cdef uint8_t c
    while i < size and code[i] != 0:
        c = code[i]
        if not (48 <= c <= 57 or c == 45 or (65 <= c <= 90 if upper else 97 <= c <= 122)):
            return False
        i += 1
    return i > 0 and keys_is_zero(code + i, size - i)


cdef inline bint keys_no_id(const uint8_t* id) noexcept nogil:
    """Sixteen zeros: the row is the switch's own."""
    cdef uint64_t high, low
    memcpy(&high, id, 8)
    memcpy(&low, id + 8, 8)
    return (high | low) == 0


cdef inline bint keys_keeps_hold(const Row* row) noexcept nogil:
    """A case that keeps an open hold."""
    return row.kind == KIND_CASE and row.flags & ROW_KEEP != 0


cdef inline bint keys_ends_doubt(const Row* row) noexcept nogil:
    """What says for good whether the biller has a credit of what was given back."""
    return row.kind == KIND_VERIFY or (row.kind == KIND_TRANSFER and row.flags & ROW_CASE != 0)


cdef inline bint keys_needs_hold(const Row* row) noexcept nogil:
    """Whether what an accepted row does to accounts depends on the hold that it resolves."""
    return kinds_resolves_hold(row.kind) or keys_keeps_hold(row)


cdef inline uint64_t keys_transfer(const Table* table, const Row* row) noexcept nogil:
    """What a transfer with R does, told by its accounts: the link that R gets to it; 0 if it
    is none of those that are accepted."""
    cdef uint8_t debit = keys_kind(table, row.debit)
    cdef uint8_t credit = keys_kind(table, row.credit)
    if debit == ACCOUNT_BANK_SUSPENSE or credit == ACCOUNT_BANK_TRANSIT:
        return LINK_ENDING
    if debit == ACCOUNT_BANK_TRANSIT:
        return LINK_MATCHED
    if debit == ACCOUNT_WALLET and credit == ACCOUNT_BILLER:
        return LINK_CORRECTION
    if debit == ACCOUNT_SUSPENSE and credit == ACCOUNT_WALLET:
        return LINK_ADVANCE
    if debit == ACCOUNT_WALLET and credit == ACCOUNT_SUSPENSE:
        return LINK_RECOVERY
    if debit == ACCOUNT_BILLER and credit == ACCOUNT_WALLET:
        return LINK_UNDOING
    return 0


cdef inline bint keys_is_of_bank(const Table* table, const Row* row) noexcept nogil:
    """Whether a transfer with R is an ending, a payout or a recall: no case counts it, and in a
    ledger without people nobody else needs to want it."""
    cdef uint64_t link = keys_transfer(table, row)
    return link == LINK_ENDING or link == LINK_MATCHED


cdef inline bint keys_may_pay_out(const Table* table, const Row* row) noexcept nogil:
    """Whether a transfer with R goes where payouts do. One that is accepted is a payout if R is
    a register row, or else the ending of a debit."""
    return (
        row.kind == KIND_TRANSFER and row.resolves != 0
        and keys_kind(table, row.debit) == ACCOUNT_SETTLEMENT
        and keys_kind(table, row.credit) == ACCOUNT_BANK_TRANSIT
    )


cdef inline bint keys_may_have_paid_out(const Table* table, const Row* row) noexcept nogil:
    """Whether a row that a bank's line names may be an accepted payout."""
    return row.result == RESULT_OK and keys_may_pay_out(table, row)


cdef inline bint keys_is_line_of(const Row* row) noexcept nogil:
    """Whether it is a bank's line that names a row which is there: anybody may write any number."""
    return row.kind == KIND_BOOKED and 0 < row.resolves and row.resolves < row.sequence


cdef inline bint keys_is_transfer_of(const Row* row) noexcept nogil:
    """Whether it is a transfer that names a row, as a payout names its beneficiary."""
    return row.kind == KIND_TRANSFER and row.resolves != 0


cdef inline bint keys_is_of_payout(const Table* table, const Row* row) noexcept nogil:
    """Whether what a transfer names says to whose beneficiary it pays: it may be a payout, end
    a debit whose line names one, or recall one. What was sent back to its remitter is recalled
    to a suspense account."""
    return keys_may_pay_out(table, row) or (
        row.kind == KIND_TRANSFER and row.resolves != 0
        and keys_kind(table, row.debit) == ACCOUNT_BANK_TRANSIT
        and keys_kind(table, row.credit) == ACCOUNT_SETTLEMENT
    )


cdef inline uint64_t _keys_transfer_link(
    const Table* table, const Row* row, const Row* root
) noexcept nogil:
    """The link that R of an accepted transfer gets to it."""
    if keys_may_pay_out(table, row) and root.kind == KIND_REGISTER:
        return LINK_PAYOUT
    return keys_transfer(table, row)


cdef inline void keys_shift(const Row* row, uint64_t* high, uint64_t* low) noexcept nogil:
    """The link that a shift takes: one shift follows another, one is an operator's first."""
    if row.resolves != 0:
        high[0] = row.resolves
        low[0] = LINK_SHIFT
    else:
        high[0] = (<uint64_t>row.operator_ << 32) | row.debit
        low[0] = LINK_SHIFT + 1


cdef inline void keys_proposals(
    uint32_t participant, uint32_t operator_, uint32_t day, uint64_t* high, uint64_t* low
) noexcept nogil:
    """The link that the proposals of one person have on an IST day."""
    high[0] = (<uint64_t>participant << 32) | operator_
    low[0] = LINK_PROPOSALS + day


cdef inline void keys_requests(
    uint32_t wallet, uint32_t day, uint64_t* high, uint64_t* low
) noexcept nogil:
    """The link that the requests for one wallet have on an IST day."""
    high[0] = wallet
    low[0] = LINK_REQUESTS + day


cdef enum:
    KEYS_OF_ROW = 4           # entries that one row adds to all maps, at most

cdef struct Derived:          # what a row adds to the maps
    Entry entries[KEYS_OF_ROW]
    uint8_t maps[KEYS_OF_ROW]
    int count


cdef inline uint64_t keys_most(int map_, uint64_t rows) noexcept nogil:
    """Entries that so many rows add to one map at most: a bill, or a line that a bank has
    booked, takes two claims, and a post may release one and have a word."""
    return 2 * rows if map_ == MAP_CLAIMS else rows


cdef inline void _keys_derive_one(
    Derived* out, uint8_t map_, uint64_t high, uint64_t low, uint64_t value
) noexcept nogil:
    native_assert(value >> ENTRY_VALUE_BITS == 0, b"_keys_derive_one: the entry has room for it")
    native_assert(out.count < KEYS_OF_ROW, b"_keys_derive_one: the row has room for it")
    out.maps[out.count] = map_
    out.entries[out.count].high = high
    out.entries[out.count].rest = (low << ENTRY_VALUE_BITS) | value
    out.count += 1


cdef void keys_derive(
    State* s, const Table* table, const Row* row, const Row* root, const uint8_t* tail,
    uint32_t tail_size, const Fence* keys, Derived* out
) noexcept nogil:
    """Every map entry of a row. `root`: the row that took the claim this one releases, or that
    a transfer names which may be a payout.

    `keys`: those of its draft, where they are known already: of its id, and of what it claims.
    """
    cdef uint64_t high, low
    cdef Claim claim
    cdef bint adds
    out.count = 0
    if not keys_no_id(row.id):
        if keys != NULL:
            native_assert(_keys_is_id(s, row, &keys[KEYS_ID]), b"keys_derive: the draft's own")
            high, low = keys[KEYS_ID].high, keys[KEYS_ID].low
        else:
            keys_id(s, row.id, row.participant, &high, &low)
        _keys_derive_one(out, MAP_IDS, high, low, row.sequence)
    if row.result != RESULT_OK:
        return
    if row.flags & ROW_RELEASE:
        keys_claim_of(table, root, &claim)
        keys_hash(s, &claim, &high, &low)
        _keys_derive_one(out, MAP_CLAIMS, high, low, (row.sequence << 1) | 1)
    elif row.flags & ROW_CLAIM and kinds_may_claim(row.kind):
        if keys != NULL:
            high, low = keys[CLAIMS_BILL].high, keys[CLAIMS_BILL].low
        else:
            keys_claim_of(table, row, &claim)
            keys_hash(s, &claim, &high, &low)
        _keys_derive_one(out, MAP_CLAIMS, high, low, row.sequence << 1)
    elif _keys_is_only_found(row):
        keys_claim(CLAIM_SEARCH, row.service, row.reference, 0, &claim)
        keys_hash(s, &claim, &high, &low)
        _keys_derive_one(out, MAP_CLAIMS, high, low, row.sequence << 1)
    if _keys_has_word(row, tail_size):
        keys_word(table.accounts[row.credit].participant, tail, tail_size, &claim)
        keys_hash(s, &claim, &high, &low)
        _keys_derive_one(out, MAP_CLAIMS, high, low, row.sequence << 1)
    if row.flags & ROW_RECENT and kinds_may_claim(row.kind):
        if keys != NULL:
            high, low = keys[CLAIMS_REFERENCE].high, keys[CLAIMS_REFERENCE].low
            _keys_derive_one(out, MAP_CLAIMS, high, low, row.sequence << 1)
        elif _keys_reference_of(table, row, tail, tail_size, &claim):
            keys_hash(s, &claim, &high, &low)
            _keys_derive_one(out, MAP_CLAIMS, high, low, row.sequence << 1)
    if kinds_links(row.kind):
        _keys_derive_one(out, MAP_LINKS, row.resolves, 0, row.sequence)
    elif row.kind == KIND_CASE:
        _keys_derive_one(out, MAP_LINKS, row.resolves, LINK_CASE + row.total, row.sequence)
    elif row.kind == KIND_TRANSFER and row.resolves != 0:
        _keys_derive_one(
            out, MAP_LINKS, row.resolves, _keys_transfer_link(table, row, root), row.sequence
        )
    elif row.kind == KIND_VERIFY:
        _keys_derive_one(out, MAP_LINKS, row.resolves, LINK_VERIFY, row.sequence)
    elif row.kind == KIND_SETTLE:
        _keys_derive_one(out, MAP_LINKS, row.resolves, <uint64_t>row.debit + 1, row.sequence)
    elif row.kind == KIND_SHIFT:
        keys_shift(row, &high, &low)
        _keys_derive_one(out, MAP_LINKS, high, low, row.sequence)
    elif row.kind == KIND_BOOKED:
        if row.flags & ROW_MATCHED:
            _keys_derive_one(out, MAP_LINKS, row.resolves, LINK_MATCHED, row.sequence)
    elif row.kind == KIND_REQUEST:
        keys_requests(row.credit, keys_day(row.timestamp), &high, &low)
        _keys_derive_one(out, MAP_LINKS, high, low, row.sequence)
    elif row.kind == KIND_PROPOSE and table.people:
        keys_proposals(
            row.participant, row.operator_, keys_day(row.timestamp), &high, &low
        )
        _keys_derive_one(out, MAP_LINKS, high, low, row.sequence)
    elif row.kind == KIND_FREEZE and table.people and not row.flags & ROW_UNFREEZE:
        _keys_derive_one(out, MAP_LINKS, row.debit, LINK_FREEZE, row.sequence)
    elif row.kind == KIND_LIMIT and table.people and (
        table.rules == 0 or table.rules >= <uint32_t>LIMIT_RULES
    ):
        # An index of earlier rules has none: so none is derived of their rows, ever.
        _keys_derive_one(out, MAP_LINKS, row.debit, LINK_LIMIT, row.sequence)
    elif row.kind == KIND_REGISTER and tail_size > 0 and tail[0] == RECORD_MARGIN:
        _keys_derive_one(out, MAP_LINKS, 0, LINK_MARGIN, row.sequence)
    elif row.kind == KIND_COMPLAINT:
        _keys_derive_one(out, MAP_LINKS, row.resolves, LINK_COMPLAINT, row.sequence)
    elif row.kind == KIND_BILLS:
        adds = (
            tail_size >= sizeof(BillsRecord)
            and (<const BillsRecord*>tail).form == BILLS_FORM_ADDITION
        )
        _keys_derive_one(
            out, MAP_LINKS, row.service, LINK_ADDITION if adds else LINK_BILLS, row.sequence
        )
    elif row.kind == KIND_HANDED_OUT:
        _keys_derive_one(out, MAP_LINKS, row.resolves, LINK_HANDED_OUT, row.sequence)
