# Recovery: two people of an auditor make people of the treasury, if these cannot act any more.
#
# The register does not show that: keys are lost without a row. So a recovery waits, where all
# see it, and ends as soon as two people of the treasury have acted: one of them has signed
# something behind it, and another has approved that. One person alone cannot do so.

# --- what recoverers may say ----------------------------------------------------------------

cdef bint _recovery_makes_person(const State* s, const PersonRecord* record) noexcept nogil:
    """Whether a person of the treasury may approve by a record, as far as it says that."""
    return (
        people_counts(record.role, record.active)
        and record.participant < s.group.participants_count
        and s.group.participants[record.participant].role == ROLE_TREASURY
    )


cdef bint _recovery_starts(State* s, const ParticipantRecord* record) noexcept nogil:
    """Whether a record switches a participant of the treasury on, and does nothing else."""
    cdef const Participant* participant = &s.group.participants[
        register_find_participant(s, record.code)
    ]
    return (
        record.active != 0 and participant.active == 0
        and participant.role == ROLE_TREASURY and record.role == ROLE_TREASURY
        and record.may_state_dues == participant.may_state_dues
        and record.never_credits_late == participant.never_credits_late
        and record.signs_on == participant.signs_on
        and record.answer_hours == participant.answer_hours
    )


cdef bint _recovery_makes_people(State* s, const Draft* draft) noexcept nogil:
    """Whether a proposal whose shape is right is a recovery: all that it does is that people
    of the treasury may approve."""
    cdef const ProposedLine* line
    cdef const uint8_t* tail
    cdef uint32_t at = 8
    cdef uint32_t end = signed_size(draft.tail_size)
    if draft.row.total != PROPOSE_LINES:
        return False
    while at < end:
        line = <const ProposedLine*>(draft.tail + at)
        tail = lines_tail(line)
        if line.kind != KIND_REGISTER:
            return False
        if tail[0] == RECORD_PERSON:
            if not _recovery_makes_person(s, <const PersonRecord*>tail):
                return False
        elif tail[0] != RECORD_PARTICIPANT or not (
            _recovery_starts(s, <const ParticipantRecord*>tail)
        ):
            return False
        at += lines_size(line)
    native_assert(at == end, b"_recovery_makes_people: the lines are all of the item")
    return True


cdef inline bint _recovery_is_shift(const Row* asked) noexcept nogil:
    """Whether what is approved is a shift, which needs no signature."""
    return asked.kind == KIND_SHIFT


cdef int _recovery_ask_answer(
    State* s, const Row* row, bint recovers, int* result
) noexcept nogil:
    """The same of an approval and a withdrawal. The treasury's people withdraw a recovery."""
    cdef bint withdraws = row.kind == KIND_WITHDRAW
    cdef Row asked
    cdef bint found
    cdef int rc
    if withdraws and not recovers:
        return 0
    rc = rows_find_accepted(s, row.resolves, &asked, &found)
    if rc != 0 or (found and not withdraws and _recovery_is_shift(&asked)):
        return rc
    if (found and fields_is_recovery(&asked)) != recovers:
        result[0] = RESULT_NOT_SIGNED
    return 0


cdef int recovery_ask(State* s, const Draft* draft, int* result) noexcept nogil:
    """Whether who has signed a row may say that: a recoverer what is of a recovery and nothing
    else, and nobody else approves one."""
    cdef const Row* row = &draft.row
    cdef bint recovers
    if not people_are(s) or not kinds_is_said(row.kind):
        return 0
    recovers = people_is_recoverer(s, row)
    if row.kind != KIND_PROPOSE:
        return _recovery_ask_answer(s, row, recovers, result)
    if recovers and not _recovery_makes_people(s, draft):
        result[0] = RESULT_NOT_SIGNED
    return 0


# --- when it is done ------------------------------------------------------------------------

cdef int _recovery_look(State* s, uint64_t proposal) noexcept nogil:
    """Look at each approval of the treasury behind a proposal that was not looked at yet."""
    cdef Acted* acted = &s.group.acted
    cdef bint goes_on = acted.upto != 0 and acted.after <= proposal
    cdef uint64_t least = acted.upto if goes_on else proposal
    cdef uint64_t newest = least
    cdef uint64_t named = acted.named if goes_on else 0
    cdef uint64_t sequence
    cdef Row approval
    cdef KeyWalk walk
    cdef int rc
    lookup_begin(s, &walk, MAP_LINKS, 0, LINK_APPROVED, True)
    while True:
        rc = lookup_next(s, &walk, &sequence)
        if rc == MDB_NOTFOUND or (rc == 0 and sequence <= least):
            break
        if rc == 0:
            rc = rows_get(s, sequence, &approval)
        if rc != 0:
            return rc
        newest = max(newest, sequence)
        named = max(named, approval.resolves)
    if not goes_on:
        acted.after = proposal
    acted.upto = newest
    acted.named = named
    return 0


cdef int recovery_check(
    State* s, const Row* asked, uint64_t approved, int* result
) noexcept nogil:
    """What is asked of each line of a recovery as it is done. `approved`: when that was, ns.
    That it is less than 60 days is asked with all else that people decided."""
    cdef int rc = _recovery_look(s, asked.sequence)
    result[0] = RESULT_NOT_APPROVED
    if rc != 0:
        return rc
    if s.group.acted.named > asked.sequence and not native_planted(b"recoveries_end"):
        return 0
    result[0] = RESULT_OK
    if rows_time(s) - approved < RECOVERY_WAIT_NS and not native_planted(b"recoveries_wait"):
        result[0] = RESULT_APPROVER_WAITS
    return 0
