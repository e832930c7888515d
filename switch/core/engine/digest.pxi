# A short hash of what a ledger knows, by which nodes with the same journal are compared.
#
# It covers the published images of all accounts, which holds are open, kept or unverified, and
# which row counts of everything in the register and of each complaint, with the last window and
# the rules. It is no proof against who forges (the journal's chain and the auditor are): it finds
# a node whose memory has gone another way. What a node has met by itself (holds set aside for
# damage, budgets of refusals, quotation keys) is not in it, nor is the next cut-off: it follows
# from the schedule and the last window, and who cannot read that window's row has none.
#
# Behind each index step it is made of what was so right then, and nobody waits for it: whoever
# asks reads the values on in pieces, and a group that is published meanwhile puts by those
# that it changes. What a value of them is follows from its account or record alone.
#
# It is no sum that each change brings up to date: nodes of two versions compare it, and a change
# would cost each payment two checks of an image.

cdef enum:
    DIGEST_TABLE_PEOPLE = 7   # with thresholds, schedule and banks

cdef inline uint64_t _digest_add(uint64_t hash, uint64_t value) noexcept nogil:
    return native_mix(hash * <uint64_t>0x9E3779B97F4A7C15 + value + 1)


cdef inline uint64_t _digest_account(
    const Table* table, uint32_t index, uint32_t rules
) noexcept nogil:
    """As long as earlier rules run, nodes of the version before compare theirs: their images
    end before what was settled."""
    cdef const Account* account = &table.accounts[index]
    cdef size_t size = sizeof(Account)
    if rules < SETTLED_RULES:
        size -= sizeof(account.settled) + sizeof(account.paid_out)
    return native_crc(index, <const uint8_t*>account, size)


cdef uint64_t _digest_accounts(const Table* table, uint32_t rules) noexcept nogil:
    cdef uint64_t hash = table.count
    cdef uint32_t i
    for i in range(1, table.count):
        hash = _digest_add(hash, _digest_account(table, i, rules))
    return hash


cdef uint64_t _digest_holds(const Holds* holds) noexcept nogil:
    """A sum: the heap's order depends on when the ledger was opened. So does what was set
    aside; it counts as open."""
    cdef uint64_t sum_ = 0
    cdef uint32_t i
    for i in range(holds.count):
        sum_ += holds_mark(&holds.heap[i])
    native_assert(sum_ == holds.sum, b"_digest_holds: the sum of all")
    return holds.count + sum_


cdef uint64_t _digest_register(State* s) noexcept nogil:
    """What each record says follows from the row that speaks of it last."""
    cdef uint64_t hash = 0
    cdef uint32_t i
    cdef int record
    for i in range(1, s.group.participants_count):
        hash = _digest_add(hash, s.group.participants[i].sequence)
    for i in range(1, s.group.services_count):
        hash = _digest_add(hash, s.group.services[i].sequence)
    for record in range(RECORD_REVOCATION, RECORD_BUDGET + 1):
        for i in range(1, s.group.noted[record].count):
            hash = _digest_add(hash, s.group.noted[record].at[i].sequence)
    for i in range(1, s.group.people_count):
        hash = _digest_add(hash, s.group.people[i].sequence)
    hash = _digest_add(hash, s.group.thresholds.sequence)
    hash = _digest_add(hash, s.group.schedule.sequence)
    for i in range(1, s.group.banks_count):
        hash = _digest_add(hash, s.group.banks[i].sequence)
        hash = _digest_add(hash, s.group.banks[i].statement)
    for i in range(1, s.group.beneficiaries_count):
        hash = _digest_add(hash, s.group.beneficiaries[i].sequence)
    for i in range(1, s.group.operators_count):
        hash = _digest_add(hash, s.group.operators[i].sequence)
    for i in range(1, s.group.complaints_count):
        hash = _digest_add(hash, s.group.complaints[i].sequence)
    return hash


cdef uint64_t digest_state(State* s) noexcept nogil:
    """While nobody commits: memory is then exactly what is published, and the lock need not be
    held. Takes a millisecond for each 50,000 accounts."""
    cdef uint64_t hash = _digest_add(s.shared.last_window, s.shared.rules_version)
    native_assert(
        s.group.working.count == s.shared.published.count, b"digest_state: no group is decided"
    )
    hash = _digest_add(hash, _digest_accounts(&s.shared.published, s.shared.rules_version))
    hash = _digest_add(hash, _digest_holds(&s.group.holds))
    return _digest_add(hash, _digest_register(s))


# --- behind a step --------------------------------------------------------------------------

cdef uint64_t _digest_value(const State* s, uint32_t place) noexcept nogil:
    """What is published at one place."""
    cdef uint32_t at
    if place < DIGEST_PARTICIPANTS:
        return _digest_account(&s.shared.published, place, s.group.digest.rules)
    if place < DIGEST_SERVICES:
        return s.group.participants[place - DIGEST_PARTICIPANTS].durable
    if place < DIGEST_NOTED:
        return s.group.services[place - DIGEST_SERVICES].durable
    if place < DIGEST_PEOPLE:
        at = place - DIGEST_NOTED
        return s.group.noted[RECORD_REVOCATION + at // NOTED_MAX].at[at % NOTED_MAX].durable
    native_assert(
        place >= DIGEST_BENEFICIARIES and place < DIGEST_END, b"_digest_value: one of a table"
    )
    if place < DIGEST_OPERATORS:
        return s.group.beneficiaries[place - DIGEST_BENEFICIARIES].durable
    if place < DIGEST_COMPLAINTS:
        return s.group.operators[place - DIGEST_OPERATORS].durable
    return s.group.complaints[place - DIGEST_COMPLAINTS].durable


cdef inline void _digest_keep(State* s, int table, uint32_t place) noexcept nogil:
    """Put by what is published at a place, unless it is there, or came later."""
    cdef Digest* digest = &s.group.digest
    cdef uint64_t bit = <uint64_t>1 << (place & 63)
    if place >= digest.ends[table] or digest.has[place >> 6] & bit:
        return
    digest.has[place >> 6] |= bit
    digest.values[place] = _digest_value(s, place)


cdef void digest_keep(State* s) noexcept nogil:
    """Before a group is published: put by what it changes of the state behind the last step."""
    cdef Digest* digest = &s.group.digest
    cdef const Row* row
    cdef uint32_t i
    cdef int table
    if not digest.open_:
        return
    for i in range(s.group.dirty_count):
        _digest_keep(s, 0, s.group.dirty[i])
    if not s.group.register_changed and not s.group.complaints_changed:
        return
    for i in range(s.group.rows_count):
        row = rows_at(s, i)
        if row.result != RESULT_OK:
            continue
        if kinds_is_told(row.kind):
            _digest_keep(s, DIGEST_TABLES - 1, DIGEST_COMPLAINTS + row.debit)
        elif row.kind == KIND_REGISTER:
            # Of whichever kind its record is.
            for table in range(1, DIGEST_TABLES - 1):
                if table != DIGEST_TABLE_PEOPLE:
                    _digest_keep(s, table, digest.firsts[table] - 1 + row.debit)


cdef void _digest_list(State* s, int table, uint32_t first, uint32_t count) noexcept nogil:
    """Read a table from `first` on, the place of its unused 0."""
    cdef Digest* digest = &s.group.digest
    cdef uint32_t word = first // 64
    native_assert(first % 64 == 0 and count > 0, b"_digest_list: words are of one table")
    digest.firsts[table] = first + 1
    digest.ends[table] = first + count
    memset(&digest.has[word], 0, (count // 64 + 1) * 8)


cdef uint32_t _digest_add_people(State* s) noexcept nogil:
    """People, thresholds, schedule and banks: there are few. How many values they have."""
    cdef uint64_t* value = s.group.digest.values + DIGEST_PEOPLE + 1
    cdef uint32_t i
    for i in range(1, s.group.people_count):
        value[0] = s.group.people[i].sequence
        value += 1
    value[0] = s.group.thresholds.sequence
    value[1] = s.group.schedule.sequence
    value += 2
    for i in range(1, s.group.banks_count):
        value[0] = s.group.banks[i].sequence
        value[1] = s.group.banks[i].statement
        value += 2
    return <uint32_t>(value - s.group.digest.values) - DIGEST_PEOPLE


cdef void digest_begin(State* s) noexcept nogil:
    """Under the lock, once a group is published: what is so now will be hashed. If somebody
    still reads the state of the step before, this one is passed over."""
    cdef Digest* digest = &s.group.digest
    cdef int record
    native_assert(
        DIGEST_END == ACCOUNTS_MAX + PARTICIPANTS_MAX + SERVICES_MAX + 4 * NOTED_MAX
        + DIGEST_PEOPLE_MAX + BENEFICIARIES_MAX + OPERATORS_MAX + COMPLAINTS_MAX
        and PEOPLE_MAX + 2 + 2 * BANK_ACCOUNTS_MAX <= DIGEST_PEOPLE_MAX,
        b"digest_begin: each table has room",
    )
    if digest.reading:
        return
    digest.sequence = s.shared.sequence
    digest.window = s.shared.last_window
    digest.rules = s.shared.rules_version
    digest.holds = s.group.holds.count + s.group.holds.sum
    _digest_list(s, 0, DIGEST_ACCOUNTS, s.shared.published.count)
    _digest_list(s, 1, DIGEST_PARTICIPANTS, s.group.participants_count)
    _digest_list(s, 2, DIGEST_SERVICES, s.group.services_count)
    for record in range(RECORD_REVOCATION, RECORD_BUDGET + 1):
        _digest_list(
            s, 3 + record - RECORD_REVOCATION,
            DIGEST_NOTED + (record - RECORD_REVOCATION) * NOTED_MAX, s.group.noted[record].count,
        )
    _digest_list(s, DIGEST_TABLE_PEOPLE, DIGEST_PEOPLE, _digest_add_people(s))
    _digest_list(s, 8, DIGEST_BENEFICIARIES, s.group.beneficiaries_count)
    _digest_list(s, 9, DIGEST_OPERATORS, s.group.operators_count)
    _digest_list(s, 10, DIGEST_COMPLAINTS, s.group.complaints_count)
    digest.open_ = 1


cdef void _digest_read_table(State* s, int table) noexcept nogil:
    """Read on what no group has put by, in pieces."""
    cdef Digest* digest = &s.group.digest
    cdef uint32_t first = digest.firsts[table]
    cdef uint32_t last, place
    while first < digest.ends[table]:
        last = min(first + <uint32_t>COPY_PIECE, digest.ends[table])
        pthread_mutex_lock(&s.shared.lock)
        native_hold(last - first)
        for place in range(first, last):
            _digest_keep(s, table, place)
        pthread_mutex_unlock(&s.shared.lock)
        copying_rest()
        first = last


cdef uint64_t _digest_sum_up(const Digest* digest) noexcept nogil:
    """The hash of `digest_state`, of values that are all there."""
    cdef uint64_t hash = _digest_add(digest.window, digest.rules)
    cdef uint64_t part = digest.ends[0] - DIGEST_ACCOUNTS
    cdef uint32_t place
    cdef int table
    for place in range(digest.firsts[0], digest.ends[0]):
        part = _digest_add(part, digest.values[place])
    hash = _digest_add(_digest_add(hash, part), digest.holds)
    part = 0
    for table in range(1, DIGEST_TABLES):
        for place in range(digest.firsts[table], digest.ends[table]):
            part = _digest_add(part, digest.values[place])
    return _digest_add(hash, part)


cdef uint64_t digest_step(State* s, uint64_t* sequence) noexcept nogil:
    """The hash of the state behind the last index step that ended since opening: it is read on
    to the end, if nobody else is at it."""
    cdef Digest* digest = &s.group.digest
    cdef uint64_t hash = 0
    cdef bint reads
    cdef int table
    pthread_mutex_lock(&s.shared.lock)
    reads = digest.open_ and not digest.reading
    if reads:
        digest.reading = 1
    pthread_mutex_unlock(&s.shared.lock)
    if reads:
        for table in range(DIGEST_TABLES):
            if table != DIGEST_TABLE_PEOPLE:
                _digest_read_table(s, table)
        pthread_mutex_lock(&s.shared.lock)
        digest.open_ = 0
        pthread_mutex_unlock(&s.shared.lock)
        hash = _digest_sum_up(digest)
    pthread_mutex_lock(&s.shared.lock)
    if reads:
        digest.hash = hash
        digest.hashed = digest.sequence
        digest.reading = 0
    hash = digest.hash
    sequence[0] = digest.hashed
    pthread_mutex_unlock(&s.shared.lock)
    return hash
