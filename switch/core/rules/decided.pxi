# What people have decided, asked once more when it is done: may this row be made now?
#
# It was proposed and approved some time ago, and what was true then need not be true any more.
# So all that may have changed is asked of each such row as it is made, here and nowhere else:
#
#   asked of                  what must be true                                 of which rows
#   ------------------------  ------------------------------------------------  ----------------
#   the proposal              the row is just what it asks for                  all
#   its approval              all that it needs are there, none withdrew it     all
#   the approval's age        less than 30 days at the row's own time           all
#   proposer, each approver   could sign it by now; in a ledger with people     all
#   what its biller has said  is older than the proposal                        of a payment
#   the register              its newest row about the same is older            register lines
#   the account               its newest freeze, or limit, is older             unfreeze, limit
#   who may approve           three wanted it, or it has waited                 what widens
#
# What a bank's connection has told needs no approval: its own age counts, and the newest rows
# about it and its participant must be older. What fails leaves no row, and can be withdrawn.
# docs/decided.md has the whole table, with what is asked earlier.

# --- who wanted it --------------------------------------------------------------------------

cdef int _decided_by_channel(
    State* s, const Row* asked, Row* approval, bint* stands
) noexcept nogil:
    """Whether what a bank's connection has told still counts: nobody has withdrawn it, and it
    is still the one that has signed: what was stopped says nothing more."""
    cdef const Person* channel = &s.group.people[
        people_find(s, asked.participant, asked.operator_)
    ]
    cdef uint64_t link
    cdef int rc = rows_find_link(s, asked.sequence, 0, &link)
    memset(approval, 0, sizeof(Row))
    approval.resolves = asked.sequence
    approval.timestamp = asked.timestamp
    stands[0] = (
        rc == 0 and link == 0 and channel.sequence < asked.sequence
        and s.group.participants[channel.participant].sequence < asked.sequence
        and people_may_speak(s, channel)
    )
    return rc


cdef int _decided_find_approval(
    State* s, const Row* asked, Row* approval, bint* stands
) noexcept nogil:
    """The last approval that a proposal needed, if it is there, nobody has withdrawn it since,
    and each person who wanted it could still sign it."""
    cdef Row first
    cdef uint64_t link
    cdef int rc
    if fields_is_of_channel(asked):
        return _decided_by_channel(s, asked, approval, stands)
    stands[0] = False
    rc = rows_find_link(s, asked.sequence, 0, &link)
    if rc != 0 or link == 0:
        return rc
    rc = rows_get(s, link, approval)
    if rc != 0 or approval.kind != KIND_APPROVE:
        return rc
    if fields_needs_third(asked) and approval.total == 0:
        return 0
    stands[0] = native_planted(b"people_can_act") or not people_are(s) or (
        people_could_sign(s, asked) and people_could_sign(s, approval)
    )
    if stands[0] and fields_needs_third(asked):
        rc = rows_get(s, approval.total, &first)
        stands[0] = rc == 0 and people_could_sign(s, &first)
    return rc


# --- what was wanted ------------------------------------------------------------------------

cdef int _decided_find_line(State* s, const Draft* draft, bint* wanted) noexcept nogil:
    """Whether a row is that of a line whose proposal stands. That it does is asked once in a
    group, and again behind each row by which it may not stand any more."""
    cdef Proposed* p = &s.group.proposed
    cdef Row asked, approval
    cdef int rc = 0
    wanted[0] = draft.proposal != 0 and p.sequence == draft.proposal and p.stands
    if not wanted[0]:
        # Only behind its approval is the item of a proposal read, which may be long.
        rc = lines_find(s, draft.proposal, &asked, wanted)
        if rc == 0 and wanted[0]:
            rc = _decided_find_approval(s, &asked, &approval, wanted)
        if rc == 0 and wanted[0]:
            rc = lines_get(s, &asked)
        if rc != 0 or not wanted[0]:
            return rc
        p.approval = approval
        p.stands = 1
    native_assert(
        p.approval.resolves == p.sequence, b"_decided_find_line: the approval is of it"
    )
    wanted[0] = lines_is_row(p, draft)
    return 0


cdef int _decided_find_deed(
    State* s, const Draft* draft, const Row* hold, Row* asked, Row* approval, bint* wanted
) noexcept nogil:
    """The same of a row that a proposal without lines asks for."""
    cdef const Row* row = &draft.row
    cdef int rc = rows_find_accepted(s, draft.proposal, asked, wanted)
    wanted[0] = wanted[0] and asked.kind == KIND_PROPOSE and (
        asked.total == cases_asks(&s.group.working, row)
    )
    if rc == 0 and wanted[0]:
        rc = cases_is_wanted(s, asked, row, hold, wanted)
    if rc == 0 and wanted[0]:
        rc = _decided_find_approval(s, asked, approval, wanted)
    wanted[0] = rc == 0 and wanted[0] and approval.participant == row.checker
    return rc


# --- what has changed since -----------------------------------------------------------------

cdef uint64_t _decided_newest_record(State* s, const uint8_t* tail) noexcept nogil:
    """The newest register row about the participant, service, person, operator, bank account or
    beneficiary that a record is of, or about thresholds or schedule; 0 of one that is new, or
    of anything else."""
    cdef const PersonRecord* person = <const PersonRecord*>tail
    if tail[0] == RECORD_PARTICIPANT:
        return s.group.participants[
            register_find_participant(s, (<const ParticipantRecord*>tail).code)
        ].sequence
    elif tail[0] == RECORD_SERVICE:
        return s.group.services[
            register_find_service(s, (<const ServiceRecord*>tail).code)
        ].sequence
    elif tail[0] == RECORD_PERSON:
        return s.group.people[people_find(s, person.participant, person.number)].sequence
    elif tail[0] == RECORD_OPERATOR:
        return s.group.operators[operators_find(s, person.participant, person.number)].sequence
    elif tail[0] == RECORD_THRESHOLDS:
        return s.group.thresholds.sequence
    elif tail[0] == RECORD_SCHEDULE:
        return s.group.schedule.sequence
    elif tail[0] == RECORD_BANK_ACCOUNT:
        return s.group.banks[
            banks_find(s, (<const BankAccountRecord*>tail).account)
        ].sequence
    elif tail[0] == RECORD_BENEFICIARY:
        return s.group.beneficiaries[
            beneficiaries_find(s, (<const BeneficiaryRecord*>tail).account)
        ].sequence
    return 0


cdef int _decided_newest_word(State* s, const Row* row, uint64_t* newest) noexcept nogil:
    """The newest word of its biller about the payment that a row is about; 0 for none, and of
    a direct payment, of which no biller is asked."""
    cdef Row spoken_of
    cdef uint64_t hold = row.resolves
    cdef int rc = rows_get(s, row.resolves, &spoken_of)
    newest[0] = 0
    if rc != 0 or spoken_of.kind == KIND_PAY:
        return rc
    if not kinds_is_payment(spoken_of.kind):
        hold = spoken_of.resolves
    return standing_find_word(s, hold, newest)


cdef int _decided_newest(
    State* s, const Draft* draft, bint line, uint64_t* newest
) noexcept nogil:
    """The newest row that must be older than the proposal of this one, or 0."""
    cdef const Row* row = &draft.row
    newest[0] = 0
    if not line:
        return _decided_newest_word(s, row, newest)
    if row.kind == KIND_REGISTER:
        newest[0] = max(
            _decided_newest_record(s, draft.tail), approvers_newest(s, draft.tail)
        )
    elif row.kind == KIND_FREEZE and row.flags & ROW_UNFREEZE:
        return rows_find_link(s, row.debit, LINK_FREEZE, newest)
    elif row.kind == KIND_LIMIT and not native_planted(b"newest_limit_wins"):
        return rows_find_link(s, row.debit, LINK_LIMIT, newest)
    return 0


cdef int decided_check(
    State* s, const Draft* draft, const Row* hold, bint line, int* result
) noexcept nogil:
    """Whether a row that people decided may be made now.

    `line`: it must be that of a line. `hold`: what a post or void ends, or of which a verify
    ends the doubt.
    """
    cdef Row asked, approval
    cdef uint64_t newest, sequence, approved
    cdef bint wanted
    cdef int rc
    result[0] = RESULT_NOT_APPROVED
    if line:
        rc = _decided_find_line(s, draft, &wanted)
    else:
        rc = _decided_find_deed(s, draft, hold, &asked, &approval, &wanted)
    if rc != 0 or not wanted:
        return rc
    sequence = s.group.proposed.sequence if line else asked.sequence
    approved = s.group.proposed.approval.timestamp if line else approval.timestamp
    if rows_time(s) - approved >= PROPOSAL_LIFE_NS and not (
        native_planted(b"approvals_are_young")
    ):
        return 0
    rc = _decided_newest(s, draft, line, &newest)
    if rc == 0 and newest < sequence:
        result[0] = RESULT_OK
        if line and draft.row.kind == KIND_REGISTER:
            result[0] = approvers_check(
                s, &s.group.proposed.asked, approved, draft.tail
            )
    return rc


# --- taking it back -------------------------------------------------------------------------

cdef int _decided_find_row(
    State* s, const Row* asked, const uint8_t* id, int kind, uint64_t* done
) noexcept nogil:
    """The row of this id that a proposal asked for, or 0: another may have used the id up."""
    cdef Row row
    cdef bint found
    cdef int rc = known_find_id(s, id, asked.participant, &row, &found)
    done[0] = 0
    if rc == 0 and found and row.result == RESULT_OK and row.kind == kind and (
        row.total == asked.sequence or row.kind == KIND_REFUND
    ):
        # A refund names its proposal by its id alone.
        done[0] = row.sequence
    return rc


cdef int _decided_find_lines(State* s, const Row* asked, uint64_t* done) noexcept nogil:
    """The row of the last line of a proposal, if all lines have theirs, or 0."""
    cdef const Proposed* p = &s.group.proposed
    cdef const ProposedLine* line
    cdef uint8_t[16] id
    cdef uint64_t sequence
    cdef uint32_t number
    cdef int rc = lines_get(s, asked)
    done[0] = 0
    if rc != 0:
        return rc
    memcpy(id, p.name, 12)
    # Lines are done in their order: one that is lacking is found soon.
    number = p.count
    while number > 0:
        number -= 1
        line = <const ProposedLine*>(p.tail + p.offsets[number])
        memcpy(&id[12], &number, 4)
        rc = _decided_find_row(s, asked, id, line.kind, &sequence)
        if rc != 0 or sequence == 0:
            done[0] = 0
            return rc
        done[0] = max(done[0], sequence)
    return 0


cdef int _decided_find_end(
    State* s, const Row* asked, uint64_t hold, uint64_t* done
) noexcept nogil:
    """The row by which a proposal has ended or verified a hold, or 0. What is newer than a
    proposal is looked through: a few rows."""
    cdef Row row
    cdef uint64_t what = LINK_VERIFY if asked.total == KIND_VERIFY else 0
    cdef uint64_t sequence
    cdef KeyWalk walk
    cdef int rc
    done[0] = 0
    lookup_begin(s, &walk, MAP_LINKS, hold, what, True)
    while True:
        rc = lookup_next(s, &walk, &sequence)
        if rc == MDB_NOTFOUND or (rc == 0 and sequence < asked.sequence):
            return 0
        if rc == 0:
            rc = rows_get(s, sequence, &row)
        if rc != 0:
            return rc
        # Who cancels alone is named in the same place, but checked by nobody.
        if row.kind == asked.total and row.checker != 0 and row.total == asked.sequence:
            done[0] = sequence
            return 0


cdef int _decided_find_ends(State* s, const Row* asked, uint64_t* done) noexcept nogil:
    """The same of the hold that a proposal names, or of each of its basket; 0 if one lacks."""
    cdef Row hold
    cdef uint64_t first = asked.resolves
    cdef uint64_t sequence
    cdef uint32_t count = 1
    cdef uint32_t i
    cdef int rc = rows_get(s, asked.resolves, &hold)
    done[0] = 0
    if rc == 0 and hold.basket != 0 and not kinds_posts(asked.total):
        first = fields_basket_lead(&hold)
        count = fields_basket_size(&hold)
        if count > <uint32_t>BASKET_MAX:
            return MDB_CORRUPTED
    for i in range(count):
        if rc == 0:
            rc = _decided_find_end(s, asked, first + i, &sequence)
        if rc != 0 or sequence == 0:
            done[0] = 0
            return rc
        done[0] = max(done[0], sequence)
    return rc


cdef int _decided_find_done(State* s, const Row* asked, uint64_t* done) noexcept nogil:
    """The last row of all that a proposal asks for, or 0 as long as one of them lacks."""
    cdef uint8_t[32] id
    if asked.total == PROPOSE_LINES:
        return _decided_find_lines(s, asked, done)
    if kinds_resolves_hold(asked.total) or asked.total == KIND_VERIFY:
        return _decided_find_ends(s, asked, done)
    cases_make_id(asked, id)
    return _decided_find_row(
        s, asked, id, KIND_TRANSFER if asked.total == PROPOSE_ADVANCE else <int>asked.total, done
    )


cdef int decided_withdraw(
    State* s, const Row* row, int* result, uint64_t* other
) noexcept nogil:
    """Take a proposal out of the way, whoever has approved it, as long as anything that it
    asks for is not done. What is done stays."""
    cdef Row asked, first
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &asked, &found)
    result[0] = RESULT_PROPOSAL_NOT_FOUND
    if rc != 0 or not found or asked.kind != KIND_PROPOSE:
        return rc
    rc = cases_find_answer(s, &asked, &first, result, other)
    if rc != 0 or result[0] == RESULT_PROPOSAL_WITHDRAWN:
        return rc
    found = result[0] == RESULT_ALREADY_APPROVED or fields_is_of_channel(&asked)
    if found and native_planted(b"withdrawn_until_done"):
        return rc
    result[0] = RESULT_OK
    other[0] = 0
    if found:
        rc = _decided_find_done(s, &asked, other)
        if other[0] != 0:
            result[0] = RESULT_ALREADY_DONE
    return rc
