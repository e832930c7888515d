# People: who acts for a participant, and by which key. What one of them signs of a row.
#
# The table has PEOPLE_MAX places and is looked through one by one. Index 0 is nobody's, and
# so is any place whose role is 0, which no core leaves.

cdef inline bint people_are(const State* s) noexcept nogil:
    """Whether this is a ledger with people."""
    return s.group.working.people != 0


# --- the register ---------------------------------------------------------------------------

cdef bint people_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const PersonRecord* record = <const PersonRecord*>tail
    return (
        size >= sizeof(PersonRecord)
        and PERSON_MAKER <= record.role <= PERSON_RECOVERER
        and record.active <= 1
        and record.participant != 0 and record.number != 0
        and not keys_is_zero(record.key, 32)
        and keys_is_zero(record.reserved_0, 1)
        and (record.bank == 0 or record.role == PERSON_CHANNEL)
    )


cdef bint people_thresholds_are_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    return size >= sizeof(ThresholdsRecord) and (
        keys_is_zero((<const ThresholdsRecord*>tail).reserved, 2)
        and (<const ThresholdsRecord*>tail).wait_s <= WAIT_MAX_S
        and (<const ThresholdsRecord*>tail).wait_days <= APPROVER_WAIT_DAYS_MAX
    )


cdef uint32_t people_find(
    const State* s, uint32_t participant, uint32_t number
) noexcept nogil:
    """Index of the person with this number under a participant, or 0."""
    cdef uint32_t i
    for i in range(1, s.group.people_count):
        if s.group.people[i].number == number and s.group.people[i].participant == participant:
            return i
    return 0


cdef bint people_has_key(
    const State* s, const uint8_t* key, uint32_t besides
) noexcept nogil:
    """Whether a key is of some person, active or not, other than this one."""
    cdef uint32_t i
    for i in range(1, s.group.people_count):
        if i != besides and memcmp(s.group.people[i].key, key, 32) == 0:
            return True
    return False


cdef inline bint people_begin(const State* s) noexcept nogil:
    """Whether the next person is one of the first two, whom nobody can propose yet."""
    return s.group.people_count <= 2 and s.group.working.count == 1


cdef void people_apply(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note an accepted register row of a person, or of the thresholds."""
    cdef const PersonRecord* record = <const PersonRecord*>tail
    cdef Person* person
    if tail[0] == RECORD_THRESHOLDS:
        s.group.thresholds.sequence = row.sequence
        s.group.thresholds.single = (<const ThresholdsRecord*>tail).single
        s.group.thresholds.batch = (<const ThresholdsRecord*>tail).batch
        s.group.thresholds.day = (<const ThresholdsRecord*>tail).day
        s.group.thresholds.wait_s = (<const ThresholdsRecord*>tail).wait_s
        s.group.thresholds.wait_days = (<const ThresholdsRecord*>tail).wait_days
        return
    native_assert(0 < row.debit and row.debit < PEOPLE_MAX, b"people_apply: one has a place")
    person = &s.group.people[row.debit]
    native_assert(person.sequence < row.sequence, b"people_apply: the newest counts")
    native_assert(s.group.working.people, b"people_apply: a ledger with people")
    if s.group.people_since == 0 and row.debit == 1 and not row.flags & ROW_UPDATE:
        # The index may have a later one of it alone.
        s.group.people_since = row.sequence
    s.group.people_count = max(s.group.people_count, row.debit + 1)
    person.sequence = row.sequence
    person.participant = record.participant
    person.number = record.number
    person.role = record.role
    person.active = record.active
    person.bank = record.bank
    memcpy(person.key, record.key, 32)
    # Whoever has wanted something may not act by now.
    s.group.proposed.stands = 0


cdef void people_publish(State* s, const Row* row) noexcept nogil:
    """A row of a person or of the thresholds is durable."""
    if row.debit < s.group.people_count and (
        s.group.people[row.debit].sequence == row.sequence
    ):
        s.group.people[row.debit].durable = row.sequence
    elif s.group.thresholds.sequence == row.sequence:
        s.group.thresholds.durable = row.sequence


# --- what one may do ------------------------------------------------------------------------

cdef inline bint people_counts(uint8_t role, uint8_t active) noexcept nogil:
    """Whether who is of the treasury may approve by these."""
    return active != 0 and role == PERSON_CHECKER


cdef inline bint people_can_act_for(const Participant* participant) noexcept nogil:
    return participant.active != 0 and participant.role == ROLE_TREASURY


cdef inline bint people_can_recover_for(const Participant* participant) noexcept nogil:
    return participant.active != 0 and participant.role == ROLE_AUDITOR


cdef inline bint people_recovers(const Person* person) noexcept nogil:
    """Whether who can act for its participant, an auditor, recovers the treasury."""
    return person.active != 0 and person.role == PERSON_RECOVERER


cdef bint people_have_recoverer(const State* s, uint32_t participant) noexcept nogil:
    """Whether an active recoverer is registered under a participant."""
    cdef uint32_t i
    for i in range(1, s.group.people_count):
        if s.group.people[i].participant == participant and people_recovers(&s.group.people[i]):
            return True
    return False


cdef bint people_are_too_few(
    const State* s, uint32_t person, uint32_t participant, bint may
) noexcept nogil:
    """Whether a register row would leave fewer than two who may approve, and finds two: one
    alone must not put out all others. The row is about one person, who may approve by it or
    may not, or, with `person` 0, about a participant, who may have such people or may not."""
    cdef const Person* each
    cdef uint32_t before = 0
    cdef uint32_t after = 0
    cdef uint32_t i
    cdef bint counts, now
    for i in range(1, s.group.people_count):
        each = &s.group.people[i]
        counts = people_counts(each.role, each.active)
        now = counts and people_can_act_for(&s.group.participants[each.participant])
        before += now
        if person == 0 and each.participant == participant:
            after += counts and may
        else:
            after += may if i == person else now
    return before >= 2 and after < 2


cdef uint32_t people_count_able(const State* s) noexcept nogil:
    """How many may approve."""
    cdef const Person* person
    cdef uint32_t count = 0
    cdef uint32_t i
    for i in range(1, s.group.people_count):
        person = &s.group.people[i]
        count += people_counts(person.role, person.active) and (
            people_can_act_for(&s.group.participants[person.participant])
        )
    return count


cdef inline bint people_is_recoverer(const State* s, const Row* row) noexcept nogil:
    """Whether who a row names recovers the treasury, if that cannot act, and does nothing else."""
    return (
        s.group.people[people_find(s, row.participant, row.operator_)].role == PERSON_RECOVERER
    )


cdef inline bint people_is_channel(const State* s, const Row* row) noexcept nogil:
    """Whether who a row names is a bank's connection and no person."""
    return s.group.people[people_find(s, row.participant, row.operator_)].role == PERSON_CHANNEL


cdef uint32_t people_get_bank(const State* s, const Row* row) noexcept nogil:
    """Index of the bank account whose connection a row names, or 0."""
    return s.group.people[people_find(s, row.participant, row.operator_)].bank


cdef bint people_may_speak(const State* s, const Person* channel) noexcept nogil:
    """Whether somebody is a bank's connection that may say what it has booked."""
    return (
        channel.role == PERSON_CHANNEL and channel.active != 0 and channel.bank != 0
        and people_can_act_for(&s.group.participants[channel.participant])
    )


cdef bint people_could_sign(const State* s, const Row* said) noexcept nogil:
    """Whether who has signed a proposal or an approval could sign one by now. By which key
    that would be is not asked."""
    cdef const Person* person = &s.group.people[
        people_find(s, said.participant, said.operator_)
    ]
    if said.flags & ROW_RECOVERY:
        return people_recovers(person) and people_can_recover_for(
            &s.group.participants[person.participant]
        )
    return (
        person.active != 0 and people_can_act_for(&s.group.participants[person.participant])
        and (
            person.role == PERSON_CHECKER
            or (person.role == PERSON_MAKER and said.kind == KIND_PROPOSE)
        )
    )


cdef bint people_would_approve(const State* s, const PersonRecord* record) noexcept nogil:
    """Whether somebody may approve who is registered so."""
    return people_counts(record.role, record.active) and (
        people_can_act_for(&s.group.participants[record.participant])
    )


cdef inline bint _people_stands_by(const Draft* draft) noexcept nogil:
    """Whether a row stands by what another person has asked for: it approves or confirms."""
    return draft.row.kind == KIND_APPROVE or (
        kinds_has_record(draft.row.kind) and draft.tail[0] == RECORD_CONFIRMATION
    )


cdef bint _people_may(const State* s, uint32_t index, const Draft* draft) noexcept nogil:
    """Whether a person may sign a row now."""
    cdef const Person* person = &s.group.people[index]
    if people_recovers(person):
        # What it is about is asked in recovery.pxi.
        return people_can_recover_for(&s.group.participants[person.participant]) and (
            kinds_is_said(draft.row.kind)
        )
    return (
        index != 0 and person.active != 0
        and people_can_act_for(&s.group.participants[person.participant])
        and (
            person.role == PERSON_CHECKER
            or (person.role == PERSON_MAKER and not _people_stands_by(draft))
            or (person.role == PERSON_CHANNEL and kinds_has_total(draft.row.kind))
        )
    )


# --- signatures -----------------------------------------------------------------------------

cdef void people_hash(
    const State* s, const Row* row, const uint8_t* item, uint32_t size, uint8_t* hash_
) noexcept nogil:
    """What is signed of a row: what was asked for, and its tail item as far as the
    signature."""
    cdef uint8_t[168] head
    cdef Row asked
    memset(&asked, 0, sizeof(Row))
    memcpy(asked.id, row.id, 16)
    asked.amount = row.amount
    asked.resolves = row.resolves
    asked.credit = row.credit
    asked.operator_ = row.operator_
    asked.participant = row.participant
    asked.kind = row.kind
    asked.flags = row.flags & ROW_UNFREEZE
    if kinds_says_reference(row.kind):
        # Elsewhere these are the ledger's: the item's hash, signature and all, and the number.
        memcpy(asked.reference, row.reference, REFERENCE_SIZE)
        asked.debit = row.debit
    if kinds_has_total(row.kind):
        asked.total = row.total
    memcpy(head, <const char*>b"payswitch signed", 16)
    memcpy(&head[16], s.config.instance, 16)
    memcpy(&head[32], &s.config.epoch, 8)
    memcpy(&head[40], &asked, sizeof(Row))
    native_blake2b_256_of_two(head, 168, item, size, hash_)


cdef int people_is_signed(
    const State* s, const Row* row, const uint8_t* key, const uint8_t* item, uint32_t size
) noexcept nogil:
    """Whether a row is signed by this key: 1 or 0, -1 without memory. The signature stands
    behind `size` bytes of its item."""
    cdef uint8_t[32] hash_
    people_hash(s, row, item, size, hash_)
    return signature_is_right(key, item + size, hash_)


cdef int people_check(State* s, const Draft* draft, int* result) noexcept nogil:
    """Whether the person that a row names may ask for it, and has signed it."""
    cdef const Row* row = &draft.row
    cdef uint32_t index = people_find(s, row.participant, row.operator_)
    cdef uint32_t size = draft.tail_size - <uint32_t>SIGNATURE_SIZE
    cdef int right
    result[0] = RESULT_NOT_SIGNED
    if draft.tail_size < <uint32_t>SIGNATURE_SIZE or not _people_may(s, index, draft):
        return 0
    right = people_is_signed(s, row, s.group.people[index].key, draft.tail, size)
    if right < 0:
        return ENOMEM
    if right:
        result[0] = RESULT_OK
    return 0
