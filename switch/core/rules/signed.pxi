# Which rows people sign, and whether one that is there was signed.
#
# May be asked in a ledger with people alone. One that is there, behind the first person's
# row, tells it by itself: what neither is a line nor switches on, was a stop. One of a
# certificate was signed if it is long enough: before rules 10 none was.

cdef enum:
    SIGNED_OFF_AT = 2         # where participants' and people's records say `active`
    SIGNED_OPERATOR_AT = 1    # and operators' do


cdef inline uint32_t signed_size(uint32_t size) noexcept nogil:
    """Of a tail item, without its signature."""
    return size - <uint32_t>SIGNATURE_SIZE if size > <uint32_t>SIGNATURE_SIZE else 0


cdef bint _signed_stops_service(State* s, const uint8_t* tail) noexcept nogil:
    cdef const ServiceRecord* record = <const ServiceRecord*>tail
    cdef const Service* service = &s.group.services[register_find_service(s, record.code)]
    cdef ServiceRecord on
    memcpy(&on, record, sizeof(ServiceRecord))
    if on.active:
        return False
    on.active = 1
    return memcmp(&on, &service.record, sizeof(ServiceRecord)) == 0 and memcmp(
        tail + sizeof(ServiceRecord), service.items, on.items_count * sizeof(TariffItem)
    ) == 0


cdef bint _signed_stops_participant(State* s, const ParticipantRecord* record) noexcept nogil:
    cdef const Participant* participant = &s.group.participants[
        register_find_participant(s, record.code)
    ]
    if participant.role == ROLE_AUDITOR and not native_planted(b"recoverers_stay") and (
        people_have_recoverer(s, register_find_participant(s, record.code))
    ):
        # One person alone would put out who is there for when two cannot act.
        return False
    return not record.active and participant.active and (
        record.role == participant.role
        and record.may_state_dues == participant.may_state_dues
        and record.never_credits_late == participant.never_credits_late
        and record.signs_on == participant.signs_on
        and record.answer_hours == participant.answer_hours
    )


cdef bint _signed_stops_person(State* s, const PersonRecord* record) noexcept nogil:
    cdef const Person* person = &s.group.people[
        people_find(s, record.participant, record.number)
    ]
    if person.role == PERSON_RECOVERER and not native_planted(b"recoverers_stay"):
        return False
    return not record.active and person.active and (
        record.role == person.role and record.bank == person.bank
        and memcmp(record.key, person.key, 32) == 0
    )


cdef bint _signed_stops_operator(State* s, const OperatorRecord* record) noexcept nogil:
    cdef const Operator* operator_ = &s.group.operators[
        operators_find(s, record.participant, record.number)
    ]
    return not record.active and operator_.active and (
        memcmp(record.key, operator_.key, 32) == 0
    )


cdef bint signed_is_stop(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Whether a row whose shape is right, asked for now, stops something or somebody and
    does nothing else."""
    if row.kind == KIND_FREEZE:
        return not row.flags & ROW_UNFREEZE
    if row.kind != KIND_REGISTER:
        return False
    if tail[0] == RECORD_PARTICIPANT:
        return _signed_stops_participant(s, <const ParticipantRecord*>tail)
    elif tail[0] == RECORD_SERVICE:
        return _signed_stops_service(s, tail)
    elif tail[0] == RECORD_OPERATOR:
        return _signed_stops_operator(s, <const OperatorRecord*>tail)
    return tail[0] == RECORD_PERSON and _signed_stops_person(s, <const PersonRecord*>tail)


cdef inline bint signed_is_word(const Row* row, const uint8_t* tail) noexcept nogil:
    """Whether a row is one person's word about a certificate: signed, but no stop."""
    return row.kind == KIND_REGISTER and RECORD_REVOCATION <= tail[0] <= RECORD_CONFIRMATION


cdef int signed_check_stop(State* s, const Draft* draft, int* result) noexcept nogil:
    """Whether a stop, or a word about a certificate, is signed. What is signed must be a record
    without the signature, too."""
    result[0] = RESULT_NOT_SIGNED
    if draft.row.kind == KIND_REGISTER and not (
        register_record_is_valid(draft.tail, signed_size(draft.tail_size))
    ):
        return 0
    return people_check(s, draft, result)


cdef bint _signed_was_stop(
    State* s, const Row* row, const uint8_t* tail, uint32_t size
) noexcept nogil:
    cdef bint done = row.result == RESULT_OK
    if row.kind == KIND_FREEZE:
        # The row of a line names its proposal. One that was refused is in no journal.
        return not row.flags & ROW_UNFREEZE and (not done or row.total == 0)
    if row.kind != KIND_REGISTER:
        return False
    if done and not (size > 0 and signed_is_word(row, tail)) and (
        row.total != 0 or not row.flags & ROW_UPDATE
    ):
        return False
    size = signed_size(size)
    if size > 0 and signed_is_word(row, tail):
        return size >= (
            sizeof(RevocationRecord) if tail[0] == RECORD_REVOCATION
            else sizeof(ConfirmationRecord)
        )
    if size >= sizeof(ParticipantRecord) and tail[0] == RECORD_PARTICIPANT:
        return tail[SIGNED_OFF_AT] == 0
    elif size >= sizeof(ServiceRecord) and tail[0] == RECORD_SERVICE:
        return (<const ServiceRecord*>tail).active == 0
    elif size >= sizeof(OperatorRecord) and tail[0] == RECORD_OPERATOR:
        return tail[SIGNED_OPERATOR_AT] == 0
    if size < sizeof(PersonRecord) or tail[0] != RECORD_PERSON or tail[SIGNED_OFF_AT] != 0:
        return False
    if done or row.result == RESULT_LAST_TREASURIES:
        return True
    # Who is alone stops itself in vain, as who is registered so is refused: but signs it.
    return row.result == RESULT_RULE_FIXED and (
        people_is_signed(s, row, (<const PersonRecord*>tail).key, tail, size) == 1
    )


cdef int _signed_look_for_people(State* s) noexcept nogil:
    """Find the first person's first row: near the journal's beginning, before any account."""
    cdef Walk walk
    cdef const Row* row
    cdef const uint8_t* tail
    cdef uint32_t size
    cdef uint64_t sequence = 0
    cdef int rc
    store_begin_walk(&walk, &s.group.reader)
    while s.group.people_since == 0:
        sequence += 1
        rc = store_walk_to(&walk, sequence, &row, &tail, &size)
        if rc != 0:
            return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
        if row.kind == KIND_REGISTER and row.result == RESULT_OK and (
            size > 0 and tail[0] == RECORD_PERSON
        ):
            s.group.people_since = sequence
    native_assert(
        s.group.people_since <= s.shared.sequence, b"_signed_look_for_people: it is durable"
    )
    return 0


cdef int _signed_had_people(State* s, const Row* row, bint* had) noexcept nogil:
    """Whether there was a person before a row that is there."""
    cdef uint32_t i
    cdef int rc = 0
    for i in range(1, s.group.people_count):
        if 0 < s.group.people[i].sequence < row.sequence:
            had[0] = True
            return 0
    if s.group.people_since == 0:
        rc = _signed_look_for_people(s)
    had[0] = rc == 0 and s.group.people_since < row.sequence
    return rc


cdef int signed_find(
    State* s, const Row* row, const uint8_t** tail, uint32_t* size, bint* was
) noexcept nogil:
    """Whether a row that is there was signed; then its tail item, and how much of it stands
    before the signature."""
    cdef Row asked
    cdef bint found
    cdef int rc = 0
    was[0] = False
    size[0] = 0
    if not people_are(s) or not (kinds_is_said(row.kind) or kinds_may_be_line(row.kind)):
        return 0
    rc = _signed_had_people(s, row, &found)
    if rc != 0 or not found:
        return rc
    if row.flags & ROW_TAIL:
        rc = rows_get_tail(s, row.sequence, tail, size)
    if rc != 0:
        return rc
    if row.kind == KIND_APPROVE:
        rc = rows_find_accepted(s, row.resolves, &asked, &found)
        was[0] = rc == 0 and not (found and asked.kind == KIND_SHIFT)
    else:
        was[0] = kinds_is_said(row.kind) or _signed_was_stop(s, row, tail[0], size[0])
    size[0] = signed_size(size[0])
    return rc
