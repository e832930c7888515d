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
        else:
            target[i] = s.shared.published.accounts[i].opened
    pthread_mutex_unlock(&s.shared.lock)


cdef const Holds* durable_holds(const State* s) noexcept nogil:
    """The open holds. Between groups, that is while nobody may commit, memory is exactly
    what is durable: the caller sees to that, with the lock of commits and not this one."""
    return &s.group.holds
