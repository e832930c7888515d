# What of the committer's tables is durable, for whoever asks. Under the lock, as the group
# that is being decided may have changed them already.

cdef uint32_t durable_find_account(
    State* s, uint32_t participant, uint16_t purpose
) noexcept nogil:
    """Index of the account, or 0."""
    cdef uint32_t index
    pthread_mutex_lock(&s.shared.lock)
    index = register_find_account(s, participant, purpose)
    if index >= s.shared.published.count:
        index = 0
    pthread_mutex_unlock(&s.shared.lock)
    return index


cdef uint32_t durable_find_participant(State* s, const uint8_t* code) noexcept nogil:
    """Index of the participant with this code of 32 bytes, or 0."""
    cdef uint32_t index
    pthread_mutex_lock(&s.shared.lock)
    index = register_find_participant(s, code)
    if s.group.participants[index].durable == 0:
        index = 0
    pthread_mutex_unlock(&s.shared.lock)
    return index


cdef uint32_t durable_find_service(State* s, const uint8_t* code) noexcept nogil:
    """Index of the service with this code of 16 bytes, or 0."""
    cdef uint32_t index
    pthread_mutex_lock(&s.shared.lock)
    index = register_find_service(s, code)
    if s.group.services[index].durable == 0:
        index = 0
    pthread_mutex_unlock(&s.shared.lock)
    return index


cdef bint durable_has_service(State* s, uint32_t service) noexcept nogil:
    cdef bint has
    pthread_mutex_lock(&s.shared.lock)
    has = 0 < service < s.group.services_count and s.group.services[service].durable != 0
    pthread_mutex_unlock(&s.shared.lock)
    return has


cdef bint durable_spell(
    State* s, uint32_t service, bint is_bill, uint8_t* text
) noexcept nogil:
    """Bring a reference or a bill's id into the one form that a durable service has for it.

    False, and it stays, if it has none.
    """
    cdef const Service* known = &s.group.services[service]
    cdef bint has
    pthread_mutex_lock(&s.shared.lock)
    native_assert(known.durable != 0, b"durable_spell: a durable service")
    # What makes bills of a service never changes: the group may update the rest.
    if is_bill:
        has = references_canonical_bill(known, text)
    else:
        # With a quotation the period is the biller's to say.
        has = references_canonical(known, text, known.record.price_rule != PRICE_BILL)
    pthread_mutex_unlock(&s.shared.lock)
    return has


cdef uint32_t durable_count_records(State* s, int record) noexcept nogil:
    """How many indices a kind of record has, those included that are not durable yet; 0 for a
    kind of which no list is kept. Of accounts, 0, all are durable."""
    cdef uint32_t count = 0
    pthread_mutex_lock(&s.shared.lock)
    if record == 0:
        count = s.shared.published.count
    elif record == RECORD_PARTICIPANT:
        count = s.group.participants_count
    elif record == RECORD_SERVICE:
        count = s.group.services_count
    elif RECORD_REVOCATION <= record <= RECORD_BUDGET:
        count = s.group.noted[record].count
    elif record == RECORD_PERSON:
        count = s.group.people_count
    elif record == RECORD_THRESHOLDS:
        count = SINGLE_RECORDS_MAX
    elif record == RECORD_SCHEDULE:
        count = SINGLE_RECORDS_MAX
    elif RECORD_BANK_ACCOUNT <= record <= RECORD_STATEMENT:
        # A statement has its bank account's index.
        count = s.group.banks_count
    elif record == RECORD_BENEFICIARY:
        count = s.group.beneficiaries_count
    elif record == RECORD_OPERATOR:
        count = s.group.operators_count
    elif record == RECORDS_COMPLAINT:
        count = s.group.complaints_count
    pthread_mutex_unlock(&s.shared.lock)
    return count


cdef uint64_t _durable_record(const State* s, int record, uint32_t i) noexcept nogil:
    """The durable sequence of one index of a register's table."""
    if record == RECORD_PARTICIPANT:
        return s.group.participants[i].durable
    if record == RECORD_SERVICE:
        return s.group.services[i].durable
    if RECORD_REVOCATION <= record <= RECORD_BUDGET:
        return s.group.noted[record].at[i].durable
    if record == RECORD_PERSON:
        return s.group.people[i].durable
    if record == RECORD_THRESHOLDS:
        return s.group.thresholds.durable if i > 0 else 0
    if record == RECORD_SCHEDULE:
        return s.group.schedule.durable if i > 0 else 0
    if record == RECORD_BANK_ACCOUNT:
        return s.group.banks[i].durable
    if record == RECORD_STATEMENT:
        return s.group.banks[i].statement_durable
    if record == RECORD_BENEFICIARY:
        return s.group.beneficiaries[i].durable
    if record == RECORD_OPERATOR:
        return s.group.operators[i].durable
    if record == RECORDS_COMPLAINT:
        return s.group.complaints[i].durable
    return s.shared.published.accounts[i].opened


cdef void durable_copy_records(
    State* s, int record, uint64_t* target, uint32_t count
) noexcept nogil:
    """The durable sequences of a register's rows, by index, of the first `count`; in pieces.
    Each is of the moment when its piece was read."""
    cdef uint32_t i
    cdef uint32_t first = 0
    cdef uint32_t last
    while first < count:
        last = min(first + <uint32_t>COPY_PIECE, count)
        if first > 0:
            copying_rest()
        pthread_mutex_lock(&s.shared.lock)
        native_hold(last - first)
        for i in range(first, last):
            target[i] = _durable_record(s, record, i)
        pthread_mutex_unlock(&s.shared.lock)
        first = last


cdef uint64_t durable_find_operator(
    State* s, uint32_t participant, uint32_t number
) noexcept nogil:
    """The durable row that speaks last of the operator with this number at a centre, or 0."""
    cdef uint64_t sequence
    pthread_mutex_lock(&s.shared.lock)
    sequence = s.group.operators[operators_find(s, participant, number)].durable
    pthread_mutex_unlock(&s.shared.lock)
    return sequence


cdef uint32_t durable_list_operators(
    State* s, uint32_t participant, uint64_t* sequences, uint32_t most
) noexcept nogil:
    """The same of each operator of a centre, the one that came last first; gives how many
    these are, which may be more than there is room for. In pieces: who comes meanwhile stands
    before all that are there."""
    cdef const Operator* each
    cdef uint32_t walked = 0
    cdef uint32_t count = 0
    cdef uint32_t index
    pthread_mutex_lock(&s.shared.lock)
    index = s.group.participants[participant].operators
    while index != 0:
        if walked == COPY_PIECE:
            pthread_mutex_unlock(&s.shared.lock)
            copying_rest()
            pthread_mutex_lock(&s.shared.lock)
            walked = 0
        walked += 1
        native_hold(walked)
        each = &s.group.operators[index]
        if each.durable != 0:
            if count < most:
                sequences[count] = each.durable
            count += 1
        index = each.next
    pthread_mutex_unlock(&s.shared.lock)
    return count


cdef uint64_t durable_complaint(State* s, uint32_t number) noexcept nogil:
    """The newest durable row about the complaint with a number, or 0."""
    cdef uint64_t sequence = 0
    pthread_mutex_lock(&s.shared.lock)
    if number < s.group.complaints_count:
        sequence = s.group.complaints[number].durable
    pthread_mutex_unlock(&s.shared.lock)
    return sequence


cdef uint32_t durable_list_complaints(
    State* s, uint32_t before, uint32_t* numbers, uint64_t* sequences, uint32_t most
) noexcept nogil:
    """Complaints with numbers below `before` (0: all), the newest first, and the newest
    durable row about each; gives how many, at most as many as there is room for."""
    cdef uint32_t count = 0
    cdef uint32_t number
    pthread_mutex_lock(&s.shared.lock)
    number = s.group.complaints_count
    if 0 < before < number:
        number = before
    while number > 1 and count < most:
        number -= 1
        if s.group.complaints[number].durable != 0:
            numbers[count] = number
            sequences[count] = s.group.complaints[number].durable
            count += 1
    pthread_mutex_unlock(&s.shared.lock)
    return count


cdef void _durable_copy(
    State* s, Copying* copying, const void* table, size_t size, uint32_t count
) noexcept nogil:
    """Under the lock, which is let go between two pieces: copy a table to the end."""
    cdef uint32_t first = 0
    while first < count:
        copying_add(copying, table, first, size)
        first += COPY_PIECE
        if first < count:
            pthread_mutex_unlock(&s.shared.lock)
            copying_rest()
            pthread_mutex_lock(&s.shared.lock)
    copying_end(copying)


cdef int durable_accounts(
    State* s, Account* target, uint32_t room, uint32_t* count, uint64_t* sequence
) noexcept nogil:
    """All published images as they are at one moment, if there is room for them; how many they
    are, and the sequence of that moment. What a group changes meanwhile is put by when that is
    published, so that no group waits for more than a piece of them."""
    cdef int rc = 0
    pthread_mutex_lock(&s.shared.listing)
    pthread_mutex_lock(&s.shared.lock)
    count[0] = s.shared.published.count
    sequence[0] = s.shared.sequence
    if count[0] <= room:
        rc = copying_begin(&s.shared.copying, target, count[0])
        if rc == 0:
            _durable_copy(
                s, &s.shared.copying, s.shared.published.accounts, sizeof(Account), count[0]
            )
    pthread_mutex_unlock(&s.shared.lock)
    pthread_mutex_unlock(&s.shared.listing)
    return rc


cdef int durable_holds(
    State* s, Hold* target, uint64_t room, uint64_t* listed, uint64_t* count
) noexcept nogil:
    """How many entries the holds have, which are copied if there is room for all of them, as
    they are at one moment.

    The first `listed` are what memory has. If a group is decided and not durable yet, those
    behind them say what was so before: of each hold the first entry counts, with due 0 if it
    was not listed.
    """
    cdef uint64_t before = 0
    cdef int rc = 0
    pthread_mutex_lock(&s.shared.listing)
    pthread_mutex_lock(&s.shared.lock)
    if s.group.first == s.shared.sequence + 1:
        before = s.group.holds_before_count
    listed[0] = s.group.holds.count
    count[0] = listed[0] + before
    if count[0] <= room:
        memcpy(target + listed[0], s.group.holds_before, before * sizeof(Hold))
        rc = copying_begin(&s.group.holds.copying, target, s.group.holds.count)
        if rc == 0:
            _durable_copy(
                s, &s.group.holds.copying, s.group.holds.heap, sizeof(Hold), s.group.holds.count
            )
    pthread_mutex_unlock(&s.shared.lock)
    pthread_mutex_unlock(&s.shared.listing)
    return rc


cdef struct Head:             # of the journal: where its last chunk ends
    uint64_t sequence
    uint64_t ordinal
    uint64_t epoch
    uint32_t chain            # the chunk's check


cdef void durable_head(State* s, Head* head) noexcept nogil:
    pthread_mutex_lock(&s.shared.lock)
    head.sequence = s.shared.sequence
    head.ordinal = s.group.ordinal
    head.epoch = s.group.epoch
    head.chain = s.group.chain
    pthread_mutex_unlock(&s.shared.lock)


cdef bint durable_has_log(State* s) noexcept nogil:
    """Whether each chunk goes to a log first."""
    cdef bint has
    pthread_mutex_lock(&s.shared.lock)
    has = s.group.log != NULL
    pthread_mutex_unlock(&s.shared.lock)
    return has
