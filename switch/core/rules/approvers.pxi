# The people who may approve, and what makes them more.
#
# One person alone stops another. So two could stop the third, and then make a third of their
# own. What *widens*, so that somebody may approve who may not now, or sooner, needs three. While
# fewer than three may approve, two are enough; but then it waits, so that it is seen. The same
# is asked of what makes, changes or stops a recoverer.

cdef inline bint approvers_are_three(const State* s) noexcept nogil:
    """Whether three may approve."""
    return people_count_able(s) >= APPROVERS_ENOUGH


cdef int approvers_begin_third(State* s, const PersonRecord* record, bint* third) noexcept nogil:
    """Whether a row is of the third person with whom a ledger begins. It comes right behind the
    second's first one: nothing was said in between."""
    cdef uint64_t second = s.group.people[APPROVERS_ENOUGH - 1].sequence
    cdef Row row
    cdef int rc
    third[0] = (
        s.group.people_count == APPROVERS_ENOUGH and s.group.working.count == 1
        and second + 1 == s.group.first + s.group.rows_count
        and people_find(s, record.participant, record.number) == 0
        and record.participant < s.group.participants_count
        and people_would_approve(s, record)
    )
    if not third[0]:
        return 0
    rc = rows_get(s, second, &row)
    third[0] = rc == 0 and not row.flags & ROW_UPDATE
    return rc


cdef int approvers_begin_recoverer(
    State* s, const PersonRecord* record, bint* begins
) noexcept nogil:
    """Whether a row is of a recoverer with whom a ledger begins. People come one right behind
    the other from the second one on: nothing was said in between."""
    cdef const Person* people = s.group.people
    cdef uint32_t last = s.group.people_count - 1
    cdef uint32_t recoverers = 0
    cdef uint32_t i
    cdef Row row
    cdef int rc
    begins[0] = (
        APPROVERS_ENOUGH - 1 <= last < APPROVERS_ENOUGH + RECOVERERS_FIRST
        and s.group.working.count == 1
        and record.role == PERSON_RECOVERER and record.active != 0
        and record.participant < s.group.participants_count
        and people_can_recover_for(&s.group.participants[record.participant])
        and people_find(s, record.participant, record.number) == 0
    )
    if not begins[0]:
        return 0
    for i in range(3, last + 1):
        begins[0] = begins[0] and people[i].sequence == people[i - 1].sequence + 1
        recoverers += people[i].role == PERSON_RECOVERER
    begins[0] = (
        begins[0] and recoverers < RECOVERERS_FIRST
        and people[last].sequence + 1 == s.group.first + s.group.rows_count
    )
    if not begins[0]:
        return 0
    rc = rows_get(s, people[2].sequence, &row)
    begins[0] = rc == 0 and not row.flags & ROW_UPDATE
    return rc


cdef inline uint8_t _approvers_days(uint8_t said) noexcept nogil:
    return said if said != 0 else <uint8_t>APPROVER_WAIT_DAYS


cdef bint _approvers_widen_by_person(State* s, const PersonRecord* record) noexcept nogil:
    """Whether somebody may approve by a record who may not now, or by no such key; or whether
    it is of who recovers, or did."""
    cdef const Person* person = &s.group.people[
        people_find(s, record.participant, record.number)
    ]
    if record.role == PERSON_RECOVERER or person.role == PERSON_RECOVERER:
        return True
    if record.participant >= s.group.participants_count:
        return False
    return people_would_approve(s, record) and not (
        people_counts(person.role, person.active)
        and people_can_act_for(&s.group.participants[person.participant])
        and memcmp(person.key, record.key, 32) == 0
    )


cdef bint _approvers_join(State* s, const ParticipantRecord* record) noexcept nogil:
    """Whether a participant is of the treasury and active by a record, and is not now."""
    return (
        record.role == ROLE_TREASURY and record.active != 0
        and not people_can_act_for(
            &s.group.participants[register_find_participant(s, record.code)]
        )
    )


cdef bint _approvers_move_recoverers(State* s, const ParticipantRecord* record) noexcept nogil:
    """Whether recoverers can recover by a participant's record, and cannot now, or the other
    way round."""
    cdef uint32_t participant = register_find_participant(s, record.code)
    cdef bint can = record.role == ROLE_AUDITOR and record.active != 0
    return people_have_recoverer(s, participant) and (
        can != people_can_recover_for(&s.group.participants[participant])
    )


cdef uint64_t approvers_newest(State* s, const uint8_t* tail) noexcept nogil:
    """The newest row of a person who may approve, or recovers, by a participant's record, and
    not now; or 0."""
    cdef const ParticipantRecord* record = <const ParticipantRecord*>tail
    cdef const Person* person
    cdef uint64_t newest = 0
    cdef uint32_t participant
    cdef uint32_t i
    cdef bint join, recover
    if tail[0] != RECORD_PARTICIPANT:
        return 0
    join = _approvers_join(s, record)
    recover = (
        record.role == ROLE_AUDITOR and record.active != 0
        and _approvers_move_recoverers(s, record)
    )
    if not join and not recover:
        return 0
    participant = register_find_participant(s, record.code)
    for i in range(1, s.group.people_count):
        person = &s.group.people[i]
        if person.participant == participant and (
            (join and people_counts(person.role, person.active))
            or (recover and people_recovers(person))
        ):
            newest = max(newest, person.sequence)
    return newest


cdef bint approvers_widen(State* s, const uint8_t* tail) noexcept nogil:
    """Whether by a record of the register, whose shape is right, somebody may approve who may
    not now; or would have to wait for less long; or who recovers is another."""
    if native_planted(b"approvers_widen_by_three"):
        return False
    if tail[0] == RECORD_PERSON:
        return _approvers_widen_by_person(s, <const PersonRecord*>tail)
    elif tail[0] == RECORD_PARTICIPANT:
        return approvers_newest(s, tail) != 0 or (
            _approvers_move_recoverers(s, <const ParticipantRecord*>tail)
        )
    return tail[0] == RECORD_THRESHOLDS and (
        _approvers_days((<const ThresholdsRecord*>tail).wait_days)
        < _approvers_days(s.group.thresholds.wait_days)
    )


cdef int approvers_check(
    State* s, const Row* asked, uint64_t approved, const uint8_t* tail
) noexcept nogil:
    """What is asked of a record that widens, as its line is done. `approved`: when its last
    approval was made, ns."""
    cdef uint64_t wait_ns
    if fields_needs_third(asked) or not approvers_widen(s, tail):
        return RESULT_OK
    if approvers_are_three(s):
        return RESULT_THIRD_NEEDED
    wait_ns = _approvers_days(s.group.thresholds.wait_days) * <uint64_t>86400000000000
    if rows_time(s) - approved < wait_ns and not native_planted(b"approvers_wait"):
        return RESULT_APPROVER_WAITS
    return RESULT_OK
