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


cdef void durable_copy_records(
    State* s, int record, uint64_t* target, uint32_t count
) noexcept nogil:
    """The durable sequences of a register's rows, by index, of the first `count`."""
    cdef uint32_t i
    pthread_mutex_lock(&s.shared.lock)
    for i in range(count):
        if record == RECORD_PARTICIPANT:
            target[i] = s.group.participants[i].durable
        elif record == RECORD_SERVICE:
            target[i] = s.group.services[i].durable
        elif RECORD_REVOCATION <= record <= RECORD_BUDGET:
            target[i] = s.group.noted[record].at[i].durable
        elif record == RECORD_PERSON:
            target[i] = s.group.people[i].durable
        elif record == RECORD_THRESHOLDS:
            target[i] = s.group.thresholds.durable if i > 0 else 0
        elif record == RECORD_SCHEDULE:
            target[i] = s.group.schedule.durable if i > 0 else 0
        elif record == RECORD_BANK_ACCOUNT:
            target[i] = s.group.banks[i].durable
        elif record == RECORD_STATEMENT:
            target[i] = s.group.banks[i].statement_durable
        elif record == RECORD_BENEFICIARY:
            target[i] = s.group.beneficiaries[i].durable
        elif record == RECORD_OPERATOR:
            target[i] = s.group.operators[i].durable
        elif record == RECORDS_COMPLAINT:
            target[i] = s.group.complaints[i].durable
        else:
            target[i] = s.shared.published.accounts[i].opened
    pthread_mutex_unlock(&s.shared.lock)


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
    these are, which may be more than there is room for."""
    cdef const Operator* each
    cdef uint32_t count = 0
    cdef uint32_t index
    pthread_mutex_lock(&s.shared.lock)
    index = s.group.participants[participant].operators
    while index != 0:
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


cdef uint64_t durable_holds(
    State* s, Hold* target, uint64_t room, uint64_t* listed
) noexcept nogil:
    """How many entries the holds have, which are copied if there is room for all of them.

    The first `listed` are what memory has. If a group is decided and not durable yet, those
    behind them say what was so before: of each hold the first entry counts, with due 0 if it
    was not listed.
    """
    cdef uint64_t count
    cdef uint64_t before = 0
    pthread_mutex_lock(&s.shared.lock)
    if s.group.first == s.shared.sequence + 1:
        before = s.group.holds_before_count
    listed[0] = s.group.holds.count
    count = listed[0] + before
    if count <= room:
        memcpy(target, s.group.holds.heap, listed[0] * sizeof(Hold))
        memcpy(target + listed[0], s.group.holds_before, before * sizeof(Hold))
    pthread_mutex_unlock(&s.shared.lock)
    return count


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


cdef uint64_t durable_digest(State* s, uint64_t* sequence) noexcept nogil:
    """The hash of the state behind the last index step that ended since opening."""
    cdef uint64_t hash
    pthread_mutex_lock(&s.shared.lock)
    hash = s.group.digest
    sequence[0] = s.group.digested
    pthread_mutex_unlock(&s.shared.lock)
    return hash
