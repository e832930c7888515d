# A short hash of what a ledger knows, by which nodes with the same journal are compared.
#
# It covers the published images of all accounts, which holds are open, kept or unverified, and
# which row counts of everything in the register and of each complaint, with the last window and
# the rules. It is no proof against who forges (the journal's chain and the auditor are): it finds
# a node whose memory has gone another way. What a node has met by itself (holds set aside for
# damage, budgets of refusals, quotation keys) is not in it, nor is the next cut-off: it follows
# from the schedule and the last window, and who cannot read that window's row has none.

cdef inline uint64_t _digest_add(uint64_t hash, uint64_t value) noexcept nogil:
    return native_mix(hash * <uint64_t>0x9E3779B97F4A7C15 + value + 1)


cdef uint64_t _digest_accounts(const Table* table, uint32_t rules) noexcept nogil:
    """As long as earlier rules run, nodes of the version before compare theirs: their images
    end before what was settled."""
    cdef uint64_t hash = table.count
    cdef size_t size = sizeof(Account)
    cdef uint32_t i
    if rules < SETTLED_RULES:
        size -= sizeof(table.accounts[0].settled) + sizeof(table.accounts[0].paid_out)
    for i in range(1, table.count):
        hash = _digest_add(hash, native_crc(i, <const uint8_t*>&table.accounts[i], size))
    return hash


cdef uint64_t _digest_holds(const Holds* holds) noexcept nogil:
    """A sum: the heap's order depends on when the ledger was opened. So does what was set
    aside; it counts as open."""
    cdef uint64_t sum_ = holds.count
    cdef uint64_t what
    cdef uint32_t i
    for i in range(holds.count):
        what = 0
        if holds.heap[i].due == NEVER:
            what = 1
        elif holds.heap[i].due == UNVERIFIED:
            what = 2
        sum_ += native_mix(holds.heap[i].sequence << 2 | what)
    return sum_


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
    """Under the lock, and between groups: memory is then exactly what is published. Takes a
    millisecond for each 50,000 accounts."""
    cdef uint64_t hash = _digest_add(s.shared.last_window, s.shared.rules_version)
    native_assert(
        s.group.working.count == s.shared.published.count, b"digest_state: no group is decided"
    )
    hash = _digest_add(hash, _digest_accounts(&s.shared.published, s.shared.rules_version))
    hash = _digest_add(hash, _digest_holds(&s.group.holds))
    return _digest_add(hash, _digest_register(s))
