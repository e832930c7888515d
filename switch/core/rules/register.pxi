# The register in memory: participants, services, and which account is whose.
#
# Codes are found through chains, of which as much is used as there are codes for: spread over
# all of it each payment would wait for memory. An entry is never removed; `durable` is the
# sequence readers may know of.

cdef enum:
    REGISTER_ACCOUNT_SLOTS = 4194304       # twice ACCOUNTS_MAX


cdef inline uint32_t _register_hash(
    const State* s, const uint8_t* code, uint32_t size
) noexcept nogil:
    """`size` is a multiple of 8; codes are zero-padded to it, and most are short."""
    cdef uint64_t hash = s.config.tables_secret[0]
    cdef uint64_t word
    cdef uint32_t i
    for i in range(0, size, 8):
        memcpy(&word, code + i, 8)
        if word == 0:
            break
        hash = native_mix(hash + word)
    return <uint32_t>hash


cdef inline uint32_t register_hash_participant(const State* s, const uint8_t* code) noexcept nogil:
    """What a participant's code is looked for by."""
    return _register_hash(s, code, CODE_MAX)


cdef inline void register_fetch_participant(const State* s, uint32_t index) noexcept nogil:
    """Have what is looked at of a participant in the cache; it has two or three lines."""
    cdef const uint8_t* at = <const uint8_t*>&s.group.participants[index]
    native_prefetch(at)
    native_prefetch(at + 64)


cdef uint32_t register_find_participant(State* s, const uint8_t* code) noexcept nogil:
    """Index of the participant with this code of 32 bytes, or 0."""
    cdef uint32_t index = chains_begin(
        &s.group.participant_codes, register_hash_participant(s, code)
    )
    while index != 0 and memcmp(s.group.participants[index].code, code, CODE_MAX) != 0:
        index = chains_next(&s.group.participant_codes, index)
    return index


cdef uint32_t register_find_service(State* s, const uint8_t* code) noexcept nogil:
    """Index of the service with this code of 16 bytes, or 0."""
    cdef uint32_t index = chains_begin(
        &s.group.service_codes, _register_hash(s, code, SERVICE_CODE_MAX)
    )
    while index != 0 and (
        memcmp(s.group.services[index].record.code, code, SERVICE_CODE_MAX) != 0
    ):
        index = chains_next(&s.group.service_codes, index)
    return index


cdef void register_limit_biller(State* s, uint32_t biller, uint32_t below) noexcept nogil:
    """From the next group on the open holds of this biller stay below so many, 0 for no bound.
    Any thread says so."""
    native_assert(0 < biller and biller < PARTICIPANTS_MAX, b"register_limit_biller: a number")
    pthread_mutex_lock(&s.shared.lock)
    s.group.participants[biller].holds_below = below
    pthread_mutex_unlock(&s.shared.lock)


cdef uint32_t register_find_account(
    State* s, uint32_t participant, uint16_t purpose
) noexcept nogil:
    cdef uint32_t mask = REGISTER_ACCOUNT_SLOTS - 1
    cdef uint64_t key = (<uint64_t>participant << 16) | purpose
    cdef uint32_t slot = <uint32_t>native_mix(key ^ s.config.tables_secret[0]) & mask
    cdef const Account* account
    while s.group.account_slots[slot] != 0:
        account = &s.group.working.accounts[s.group.account_slots[slot]]
        if account.participant == participant and account.purpose == purpose:
            return s.group.account_slots[slot]
        slot = (slot + 1) & mask
    return 0


cdef void register_add_account(State* s, uint32_t index) noexcept nogil:
    """Note an account whose image is in the working table."""
    cdef uint32_t mask = REGISTER_ACCOUNT_SLOTS - 1
    cdef const Account* account = &s.group.working.accounts[index]
    cdef uint64_t key = (<uint64_t>account.participant << 16) | account.purpose
    cdef uint32_t slot = <uint32_t>native_mix(key ^ s.config.tables_secret[0]) & mask
    native_assert(
        0 < index and index < s.group.working.count, b"register_add_account: one of the table"
    )
    while s.group.account_slots[slot] != 0:
        slot = (slot + 1) & mask
    s.group.account_slots[slot] = index
    if account.kind == ACCOUNT_WALLET and account.purpose == 0:
        s.group.participants[account.participant].wallet = index
    if account.kind == ACCOUNT_SETTLEMENT and account.changed > s.group.settlement_changed:
        s.group.settlement_changed = account.changed
    if account.kind == ACCOUNT_BILLER:
        native_assert(
            s.group.biller_accounts_count < BILLER_ACCOUNTS_MAX,
            b"register_add_account: no more of billers than a window has room for",
        )
        s.group.biller_accounts[s.group.biller_accounts_count] = index
        s.group.biller_accounts_count += 1
        s.group.participants[account.participant].holds += effect_waiting(account)
    native_assert(
        register_find_account(s, account.participant, account.purpose) != 0,
        b"register_add_account: it is found",
    )
    s.group.register_changed = 1


cdef inline bint _register_counts(const Participant* participant) noexcept nogil:
    """Whether it is of the treasury, and nothing says that it may be somebody else."""
    return participant.role == ROLE_TREASURY and participant.active and (
        participant.unconfirmed == 0
    )


cdef bint register_is_last(State* s, uint32_t index) noexcept nogil:
    """Whether the treasury would lack the two who can act if this one could not: one person
    alone must not put out all others."""
    return _register_counts(&s.group.participants[index]) and (
        s.group.treasuries_count <= <uint32_t>TREASURIES_LEAST
    )


cdef uint32_t register_find_budget(
    State* s, uint32_t participant, uint8_t budget
) noexcept nogil:
    """Index of a participant's budget, or 0."""
    cdef const Noted* all_ = s.group.noted[RECORD_BUDGET].at
    cdef uint32_t index = s.group.participants[participant].budgets
    while index != 0 and all_[index].budget != budget:
        index = all_[index].next
    return index


cdef void _register_apply_budget(
    State* s, Noted* noted, uint32_t index, const BudgetRecord* record
) noexcept nogil:
    cdef Participant* participant = &s.group.participants[record.participant]
    if noted.sequence == 0:
        noted.next = participant.budgets
        participant.budgets = index
    noted.budget = record.budget
    if record.budget == BUDGET_REFUSALS_PER_S:
        participant.refusals_per_s = record.value
    elif record.budget == BUDGET_REFUSALS_AT_ONCE:
        participant.refusals_at_once = record.value
    else:
        return
    # What was used is kept as the time that it took by the number that was: by another one
    # that time is no measure, and whoever is given more should not have to wait it out.
    participant.refused_until = 0


cdef void _register_count_unconfirmed(State* s, uint32_t index, int step) noexcept nogil:
    """One revocation more or less that nobody else has stood by."""
    cdef Participant* participant = &s.group.participants[index]
    s.group.treasuries_count -= _register_counts(participant)
    participant.unconfirmed += step
    s.group.treasuries_count += _register_counts(participant)


cdef void _register_apply_noted(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note a revocation, a confirmation, pins, or a budget."""
    cdef NotedTable* table = &s.group.noted[tail[0]]
    cdef Noted* noted = &table.at[row.debit]
    cdef Noted* revocation
    native_assert(0 < row.debit and row.debit < NOTED_MAX, b"_register_apply_noted: it has a place")
    native_assert(noted.sequence < row.sequence, b"_register_apply_noted: the newest counts")
    table.count = max(table.count, row.debit + 1)
    if tail[0] == RECORD_CONFIRMATION:
        revocation = &s.group.noted[RECORD_REVOCATION].at[
            (<const ConfirmationRecord*>tail).revocation
        ]
        revocation.confirmed = 1
        _register_count_unconfirmed(s, revocation.participant, -1)
    elif tail[0] == RECORD_REVOCATION:
        noted.participant = (<const RevocationRecord*>tail).participant
        _register_count_unconfirmed(s, noted.participant, 1)
    elif tail[0] == RECORD_PINS:
        noted.participant = (<const PinsRecord*>tail).participant
        s.group.participants[noted.participant].pins = row.debit
    else:
        noted.participant = (<const BudgetRecord*>tail).participant
        _register_apply_budget(s, noted, row.debit, <const BudgetRecord*>tail)
    noted.sequence = row.sequence
    noted.sender = row.participant
    noted.operator_ = row.operator_


cdef void register_publish(State* s, const Row* row) noexcept nogil:
    """A row of all else is durable."""
    cdef const NotedTable* table
    cdef int record
    native_assert(row.result == RESULT_OK, b"register_publish: what was accepted")
    for record in range(RECORD_REVOCATION, RECORD_BUDGET + 1):
        table = &s.group.noted[record]
        if row.debit < table.count and table.at[row.debit].sequence == row.sequence:
            table.at[row.debit].durable = row.sequence
    people_publish(s, row)
    banks_publish(s, row)
    beneficiaries_publish(s, row)
    operators_publish(s, row)
    cutoffs_publish(s, row)


cdef void register_publish_all(State* s) noexcept nogil:
    """All that memory has learned is durable."""
    cdef uint32_t i
    cdef int record
    for i in range(s.group.participants_count):
        s.group.participants[i].durable = s.group.participants[i].sequence
    for i in range(s.group.services_count):
        s.group.services[i].durable = s.group.services[i].sequence
    for record in range(RECORD_REVOCATION, RECORD_BUDGET + 1):
        for i in range(s.group.noted[record].count):
            s.group.noted[record].at[i].durable = s.group.noted[record].at[i].sequence
    for i in range(s.group.people_count):
        s.group.people[i].durable = s.group.people[i].sequence
    s.group.thresholds.durable = s.group.thresholds.sequence
    s.group.schedule.durable = s.group.schedule.sequence
    banks_publish_all(s)
    beneficiaries_publish_all(s)
    operators_publish_all(s)


cdef void register_apply(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note an accepted register row: participant or service number `debit`."""
    cdef const ParticipantRecord* participant = <const ParticipantRecord*>tail
    cdef uint32_t index = row.debit
    native_assert(row.result == RESULT_OK, b"register_apply: what was accepted")
    if tail[0] == RECORD_PARTICIPANT:
        native_assert(
            0 < index and index < PARTICIPANTS_MAX, b"register_apply: a participant has a place"
        )
        if index == s.group.participants_count:
            s.group.participants_count += 1
            memcpy(s.group.participants[index].code, participant.code, CODE_MAX)
            chains_add(
                &s.group.participant_codes, index,
                register_hash_participant(s, participant.code),
            )
        s.group.treasuries_count -= _register_counts(&s.group.participants[index])
        s.group.participants[index].role = participant.role
        s.group.participants[index].active = participant.active
        s.group.participants[index].may_state_dues = participant.may_state_dues
        s.group.participants[index].never_credits_late = participant.never_credits_late
        s.group.participants[index].signs_on = participant.signs_on
        s.group.participants[index].answer_hours = participant.answer_hours
        s.group.participants[index].sequence = row.sequence
        s.group.treasuries_count += _register_counts(&s.group.participants[index])
        # Whose people have wanted something may not act by now.
        s.group.proposed.stands = 0
    elif tail[0] == RECORD_SERVICE:
        native_assert(
            0 < index and index < SERVICES_MAX, b"register_apply: a service has a place"
        )
        memcpy(&s.group.services[index].record, tail, sizeof(ServiceRecord))
        if index == s.group.services_count:
            s.group.services_count += 1
            chains_add(
                &s.group.service_codes, index,
                _register_hash(s, s.group.services[index].record.code, SERVICE_CODE_MAX),
            )
        references_learn(&s.group.services[index])
        memset(s.group.services[index].items, 0, TARIFF_ITEMS_MAX * sizeof(TariffItem))
        memcpy(
            s.group.services[index].items, tail + sizeof(ServiceRecord),
            s.group.services[index].record.items_count * sizeof(TariffItem),
        )
        s.group.services[index].sequence = row.sequence
    elif RECORD_REVOCATION <= tail[0] <= RECORD_BUDGET:
        _register_apply_noted(s, row, tail)
    elif RECORD_PERSON <= tail[0] <= RECORD_THRESHOLDS:
        people_apply(s, row, tail)
    elif RECORD_BANK_ACCOUNT <= tail[0] <= RECORD_STATEMENT:
        banks_apply(s, row, tail)
    elif tail[0] == RECORD_BENEFICIARY:
        beneficiaries_apply(s, row, tail)
    elif tail[0] == RECORD_SCHEDULE:
        cutoffs_apply(s, row, tail)
    elif tail[0] == RECORD_OPERATOR:
        operators_apply(s, row, tail)
    s.group.register_changed = 1


cdef bint register_pad(
    const uint8_t* text, uint32_t size, uint8_t* code, uint32_t code_size
) noexcept nogil:
    """Pad a code as it was sent to the size it is kept in. No code holds a zero."""
    cdef uint32_t i
    if size > code_size:
        return False
    for i in range(size):
        if text[i] == 0:
            return False
        code[i] = text[i]
    memset(code + size, 0, code_size - size)
    return True


cdef bint _register_participant_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const ParticipantRecord* record = <const ParticipantRecord*>tail
    return (
        size >= sizeof(ParticipantRecord)
        and ROLE_CENTRE <= record.role <= ROLE_PUBLIC
        and record.active <= 1
        and keys_is_zero(record.reserved_0, 5)
        and record.may_state_dues <= 1
        and record.never_credits_late <= 1
        and record.signs_on <= (1 if record.role == ROLE_CENTRE else 0)
        and record.answer_hours <= HOURS_MAX
        and keys_is_zero(record.reserved_1, 1) and keys_is_zero(record.reserved_2, 18)
        and keys_code_is_valid(record.code, CODE_MAX, False)
    )


cdef bint _register_rules_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    """No other rules than this code's begin to run."""
    cdef const RulesRecord* record = <const RulesRecord*>tail
    return (
        size >= sizeof(RulesRecord) and keys_is_zero(record.reserved, 3)
        and record.version == RULES_VERSION
    )


cdef bint _register_revocation_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    """A serial number is one row of bytes: nothing in front of it, nothing behind."""
    cdef const RevocationRecord* record = <const RevocationRecord*>tail
    return (
        size >= sizeof(RevocationRecord)
        and 1 <= record.serial_size <= SERIAL_MAX
        and record.serial[0] != 0
        and keys_is_zero(record.serial + record.serial_size, SERIAL_MAX - record.serial_size)
        and record.participant != 0 and not keys_is_zero(record.authority, 32)
        and keys_is_zero(record.reserved_0, 2) and keys_is_zero(record.reserved_1, 4)
    )


cdef bint _register_confirmation_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const ConfirmationRecord* record = <const ConfirmationRecord*>tail
    return (
        size >= sizeof(ConfirmationRecord) and record.revocation != 0
        and keys_is_zero(record.reserved, 3)
    )


cdef bint _register_pins_are_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const PinsRecord* record = <const PinsRecord*>tail
    cdef uint32_t i
    if size < sizeof(PinsRecord) or record.count > PINS_MAX or record.participant == 0:
        return False
    for i in range(<uint32_t>PINS_MAX):
        if keys_is_zero(record.pins + 32 * i, 32) != (i >= record.count):
            return False
    return keys_is_zero(record.reserved, 2) and not (
        record.count == 2 and memcmp(record.pins, record.pins + 32, 32) == 0
    )


cdef bint _register_references_are_valid(const ServiceRecord* record) noexcept nogil:
    """The part of a service's record that says what its references are; the rest is zero."""
    return (
        LETTERS_AS_THEY_ARE <= record.letters <= LETTERS_LOWER
        and record.ignored <= (
            IGNORED_SPACE | IGNORED_HYPHEN | IGNORED_SLASH | IGNORED_POINT | IGNORED_ZEROS
        )
        and record.check_digit <= CHECK_DIGIT_VERHOEFF
        and record.reserved_0 == 0 and keys_is_zero(record.reserved_1, 4)
        and keys_is_zero(record.reserved_2, 24) and keys_is_zero(record.reserved_3, 64)
        and references_pattern_is_valid(record)
    )


cdef bint register_has_form(
    const ServiceRecord* other, const ServiceRecord* record
) noexcept nogil:
    """Whether each reference has one form by both records."""
    return (
        other.price_rule == record.price_rule
        and other.key_rule == record.key_rule
        and other.letters == record.letters
        and other.ignored == record.ignored
        and other.check_digit == record.check_digit
        and memcmp(other.pattern, record.pattern, PATTERN_MAX) == 0
    )


cdef bint register_keeps_rules(
    const ServiceRecord* before, const ServiceRecord* record
) noexcept nogil:
    """Whether what makes bills of a service stays: claims, once taken, are for ever."""
    return (
        before.biller == record.biller
        and before.duplicate_rule == record.duplicate_rule
        and before.series == record.series
        and register_has_form(before, record)
    )


cdef bint register_keeps_heads(
    const ServiceRecord* before, const ServiceRecord* record
) noexcept nogil:
    """Whether each head of a service has its account still: a payment names one by its place,
    chosen when the bill was fetched."""
    return before.heads_count <= record.heads_count and memcmp(
        before.heads, record.heads, before.heads_count * sizeof(uint32_t)
    ) == 0


cdef inline bint register_is_in_parts(const ServiceRecord* record) noexcept nogil:
    """Whether bills of a direct service would be paid in parts."""
    return (
        record.mode == MODE_DIRECT and record.price_rule == PRICE_BILL
        and record.amount_rule == AMOUNT_EXACT_AND_BELOW
    )


cdef inline bint register_keeps(State* s, const ServiceRecord* record) noexcept nogil:
    """Whether a hold of a service outlives its deadline: it may be released only as long as
    its biller promises to credit nothing late."""
    return record.deadline_policy == POLICY_KEEP or (
        record.deadline_policy == POLICY_RELEASE
        and not s.group.participants[record.biller].never_credits_late
    )


cdef bint _register_tariff_is_valid(const TariffItem* items, uint32_t count) noexcept nogil:
    """In the order of code and day, no two the same."""
    cdef uint32_t i
    cdef int order
    if not 1 <= count <= TARIFF_ITEMS_MAX:
        return False
    for i in range(count):
        if not keys_code_is_valid(items[i].code, 8, True) or items[i].reserved != 0:
            return False
        if not 0 < items[i].fee <= AMOUNT_MAX:
            return False
        if i > 0:
            order = memcmp(items[i - 1].code, items[i].code, 8)
            if order > 0 or (order == 0 and items[i - 1].valid_from >= items[i].valid_from):
                return False
    return True


cdef bint _register_amounts_are_valid(
    const ServiceRecord* record, const TariffItem* items
) noexcept nogil:
    """What each price rule says of the amounts."""
    if record.amount_min > AMOUNT_MAX or record.amount_max > AMOUNT_MAX:
        return False
    if record.amount_max != 0 and record.amount_min > record.amount_max:
        return False
    if record.price_rule != PRICE_OPEN and record.amount_step != 0:
        return False
    if record.price_rule == PRICE_TARIFF:
        return (
            record.amount_rule == AMOUNT_EXACT
            and record.amount_min == 0 and record.amount_max == 0
            and _register_tariff_is_valid(items, record.items_count)
        )
    if record.items_count != 0:
        return False
    if record.price_rule == PRICE_BILL:
        return (
            record.amount_rule == AMOUNT_EXACT
            or record.amount_rule == AMOUNT_EXACT_AND_ABOVE
            or record.amount_rule == AMOUNT_EXACT_AND_BELOW
        )
    if record.price_rule == PRICE_OPEN:
        return (
            record.amount_rule == AMOUNT_MIN_MAX
            and record.amount_min >= OPEN_AMOUNT_LEAST and record.amount_max != 0
            and record.amount_step <= AMOUNT_MAX
        )
    return AMOUNT_EXACT <= record.amount_rule <= AMOUNT_EXACT_AND_BELOW


cdef bint _register_duplicates_are_valid(const ServiceRecord* record) noexcept nogil:
    """What each price rule says of payments of the same thing."""
    cdef bint bills = record.price_rule == PRICE_STATED or record.price_rule == PRICE_BILL
    if record.duplicate_hours > HOURS_MAX:
        return False
    if record.duplicate_rule == DUPLICATE_WITHIN:
        return record.key_rule == 0 and record.duplicate_hours > 0
    if record.duplicate_hours != 0 and record.price_rule != PRICE_BILL:
        return False
    if record.duplicate_rule == DUPLICATE_NONE:
        return record.key_rule == 0 and (
            record.price_rule == PRICE_STATED or record.price_rule == PRICE_OPEN
        )
    if bills:
        return KEY_BILL_ID <= record.key_rule <= KEY_REFERENCE_PERIOD
    return record.key_rule == KEY_REFERENCE


cdef bint _register_service_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const ServiceRecord* record = <const ServiceRecord*>tail
    if size < sizeof(ServiceRecord):
        return False
    if size < sizeof(ServiceRecord) + <uint32_t>record.items_count * sizeof(TariffItem):
        return False
    if not keys_code_is_valid(record.code, SERVICE_CODE_MAX, True):
        return False
    if not (
        record.price_rule <= PRICE_OPEN
        and MODE_DIRECT <= record.mode <= MODE_CONFIRMED
        and DUPLICATE_NONE <= record.duplicate_rule <= DUPLICATE_WITHIN
        and record.deadline_policy <= POLICY_KEEP
        and record.active <= 1
        and 1 <= record.heads_count <= HEADS_MAX
        and _register_references_are_valid(record)
    ):
        return False
    if record.deadline_s > DEADLINE_MAX_S:
        return False
    if record.mode == MODE_CONFIRMED and (record.deadline_s == 0 or record.deadline_policy == 0):
        return False
    return _register_duplicates_are_valid(record) and _register_amounts_are_valid(
        record, <const TariffItem*>(tail + sizeof(ServiceRecord))
    )


cdef bint register_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    """The fixed record that opens the tail of a register row."""
    cdef int record = tail[0] if size > 0 else 0
    if record == RECORD_PARTICIPANT:
        return _register_participant_is_valid(tail, size)
    elif record == RECORD_SERVICE:
        return _register_service_is_valid(tail, size)
    elif record == RECORD_RULES:
        return _register_rules_is_valid(tail, size)
    elif record == RECORD_REVOCATION:
        return _register_revocation_is_valid(tail, size)
    elif record == RECORD_CONFIRMATION:
        return _register_confirmation_is_valid(tail, size)
    elif record == RECORD_PINS:
        return _register_pins_are_valid(tail, size)
    elif record == RECORD_BUDGET:
        return budgets_record_is_valid(tail, size)
    elif record == RECORD_PERSON:
        return people_record_is_valid(tail, size)
    elif record == RECORD_THRESHOLDS:
        return people_thresholds_are_valid(tail, size)
    elif record == RECORD_BANK_ACCOUNT:
        return banks_record_is_valid(tail, size)
    elif record == RECORD_STATEMENT:
        return banks_statement_is_valid(tail, size)
    elif record == RECORD_BENEFICIARY:
        return beneficiaries_record_is_valid(tail, size)
    elif record == RECORD_SCHEDULE:
        return cutoffs_record_is_valid(tail, size)
    elif record == RECORD_OPERATOR:
        return operators_record_is_valid(tail, size)
    elif record == RECORD_MARGIN:
        return margins_record_is_valid(tail, size)
    return record == RECORD_CLOCK
