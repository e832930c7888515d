# What needs people, or comes from them and moves no money: proposals, approvals, withdrawals,
# the closing of cases, shifts; and what of a transfer that puts a payment right is theirs.
#
# Refuses in the documented order and changes nothing on the way, as treasury.pxi does.

# --- what a proposal is about -------------------------------------------------------------------

cdef int _cases_find_end(
    State* s, const Row* row, Row* case_, int* result, uint64_t* other
) noexcept nogil:
    """The case that a row closes: of a late rejection, or of another amount that was credited
    of what had been paid before."""
    cdef Row end
    cdef uint64_t closed
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, case_, &found)
    result[0] = RESULT_CASE_NOT_FOUND
    if rc != 0 or not found or case_.kind != KIND_CASE or not (
        case_.total == CASE_LATE_REJECTION or case_.total == CASE_AMOUNT_DIFFERS
    ):
        return rc
    memset(&end, 0, sizeof(Row))
    rc = rows_find_link(s, case_.resolves, 0, other)
    if rc == 0 and other[0] != 0:
        rc = rows_get(s, other[0], &end)
    if rc != 0:
        return rc
    if case_.total == CASE_AMOUNT_DIFFERS and end.kind != KIND_POST and (
        end.sequence == 0 or case_.sequence < end.sequence
    ):
        other[0] = 0
        return 0
    result[0] = RESULT_CASE_CLOSED
    if case_.total == CASE_AMOUNT_DIFFERS and case_.sequence < end.sequence:
        return 0
    other[0] = 0
    rc = rows_find_link(s, case_.sequence, 0, &closed)
    if rc == 0 and closed == 0 and case_.total == CASE_LATE_REJECTION and end.kind == KIND_POST:
        rc = standing_find_refund(s, &end, &closed)
    elif rc == 0 and closed == 0 and case_.total == CASE_LATE_REJECTION:
        rc = rows_find_link(s, case_.resolves, LINK_UNDOING, &closed)
        closed = closed if closed > case_.sequence else 0
    other[0] = closed
    if closed == 0:
        result[0] = RESULT_OK
    return rc


cdef int _cases_check(State* s, const Row* row, int* result) noexcept nogil:
    """What is asked for about a hold: that it stands as it must, and has so much."""
    cdef Standing standing
    cdef Row hold, end
    cdef bint found
    cdef int rc = resolve_find(s, row, &hold, result)
    if rc != 0 or result[0] != RESULT_OK:
        return rc
    if row.total == KIND_TRANSFER or row.total == KIND_VERIFY:
        rc = standing_get(s, hold.sequence, &standing, &end)
        found = rc == 0 and (
            standing_is_late(&standing)
            or (row.total == KIND_VERIFY and standing_is_unverified(&standing))
        )
    else:
        found = holds_is_kept(&s.group.holds, hold.sequence)
    if not found:
        result[0] = RESULT_CASE_NOT_FOUND
    elif row.total != KIND_VERIFY and row.amount > hold.amount:
        result[0] = RESULT_EXCEEDS_HOLD
    return rc


cdef int cases_propose(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """A refund of a payment, the end of a case, what is to become of a hold, or lines: of
    these nothing is asked but their shape."""
    cdef Row spoken_of
    cdef bint found
    cdef int rc
    if row.total == PROPOSE_LINES:
        return 0
    if row.total == KIND_CASE_CLOSE:
        return _cases_find_end(s, row, &spoken_of, result, other)
    if row.total != KIND_REFUND:
        return _cases_check(s, row, result)
    rc = rows_find_accepted(s, row.resolves, &spoken_of, &found)
    found = found and kinds_is_final(spoken_of.kind)
    result[0] = RESULT_OK if found else RESULT_PAYMENT_NOT_FOUND
    return rc


# --- what two people wanted ---------------------------------------------------------------------

cdef int _cases_is_of(
    State* s, const Row* asked, const Row* hold, bint* same
) noexcept nogil:
    """Whether a proposal to void or verify is of this hold, or of one of its basket."""
    cdef Row held
    cdef int rc = rows_get(s, asked.resolves, &held)
    same[0] = rc == 0 and fields_basket_lead(&held) == fields_basket_lead(hold)
    return rc


cdef void cases_make_id(const Row* asked, uint8_t* id) noexcept nogil:
    """The id that follows from a proposal's, so that it is done once however often it is sent:
    16 bytes of 32."""
    cdef uint8_t[22] name
    memcpy(name, <const char*>b"refund", 6)
    memcpy(&name[6], asked.id, 16)
    native_blake2b_256(name, 22, id)


cdef uint64_t cases_asks(const Table* table, const Row* row) noexcept nogil:
    """What a proposal asks for that is of such a row."""
    if row.kind == KIND_TRANSFER and keys_transfer(table, row) == LINK_ADVANCE:
        return PROPOSE_ADVANCE
    return row.kind


cdef bint _cases_is_same(const Row* asked, const Row* row) noexcept nogil:
    """Whether a row with an id is what was proposed: its content, and the id that follows."""
    cdef uint8_t[32] digest
    cases_make_id(asked, digest)
    return (
        memcmp(digest, row.id, 16) == 0 and asked.participant == row.participant
        and asked.resolves == row.resolves
        and (not kinds_has_amount(row.kind) or asked.amount == row.amount)
        and (
            not kinds_takes_reference(row.kind)
            or memcmp(asked.reference, row.reference, REFERENCE_SIZE) == 0
        )
    )


cdef int cases_is_wanted(
    State* s, const Row* asked, const Row* row, const Row* hold, bint* same
) noexcept nogil:
    """Whether a row is what a proposal asks for. `hold`: of a post, void or verify. Whether it
    may be done now is asked in decided.pxi."""
    cdef Row held
    cdef int rc = 0
    same[0] = False
    if row.kind == KIND_POST:
        same[0] = asked.resolves == row.resolves and asked.amount == row.amount
        return 0
    if not kinds_has_id(row.kind):
        return _cases_is_of(s, asked, hold, same)
    if not _cases_is_same(asked, row):
        return 0
    if row.kind != KIND_TRANSFER:
        same[0] = True
        return 0
    rc = rows_get(s, row.resolves, &held)
    if rc == 0 and asked.total == PROPOSE_ADVANCE:
        same[0] = (
            keys_transfer(&s.group.working, row) == LINK_ADVANCE and row.credit == held.debit
        )
    elif rc == 0:
        same[0] = row.debit == held.debit and row.credit == held.credit
    return rc


# --- what is done then --------------------------------------------------------------------------

cdef int cases_close(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """Close a case, as proposed."""
    cdef Row case_
    cdef int rc = _cases_find_end(s, row, &case_, result, other)
    if rc == 0:
        row.debit = case_.debit
        row.credit = case_.credit
    return rc


cdef int _cases_correct(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """Pay after all what its biller has credited late, as proposed, while that is open."""
    cdef Standing standing
    cdef Row end
    cdef int rc = standing_get(s, row.resolves, &standing, &end)
    result[0] = RESULT_OK
    if rc == 0 and not standing_is_late(&standing):
        result[0] = RESULT_CASE_CLOSED
        other[0] = standing.corrected if standing.corrected != 0 else standing.verified
    return rc


cdef int _cases_advance(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """Pay a wallet ahead of its kept hold's end, as proposed, once for each hold."""
    cdef int rc
    result[0] = RESULT_HOLD_NOT_FOUND
    if not holds_is_kept(&s.group.holds, row.resolves):
        return 0
    rc = rows_find_link(s, row.resolves, LINK_ADVANCE, other)
    result[0] = RESULT_CASE_CLOSED if other[0] != 0 else RESULT_OK
    return rc


cdef int _cases_recover(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """Take an advance back: all of it, from the wallet that had it, once."""
    cdef Row advance
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &advance, &found)
    result[0] = RESULT_CASE_NOT_FOUND
    if rc != 0 or not found or advance.kind != KIND_TRANSFER or advance.resolves == 0 or (
        keys_transfer(&s.group.working, &advance) != LINK_ADVANCE
    ):
        return rc
    if row.debit != advance.credit or row.credit != advance.debit:
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    if row.amount != advance.amount:
        result[0] = RESULT_NET_DIFFERS
        return 0
    rc = rows_find_link(s, row.resolves, LINK_RECOVERY, other)
    result[0] = RESULT_CASE_CLOSED if other[0] != 0 else RESULT_OK
    return rc


cdef int _cases_find_rejection(
    State* s, uint64_t hold, uint64_t corrected, uint64_t* closed, bint* open_
) noexcept nogil:
    """Whether a late rejection of what a correction has paid is open; and who closed the newest
    one, or 0."""
    cdef uint64_t case_
    cdef int rc = rows_find_link(s, hold, LINK_CASE + CASE_LATE_REJECTION, &case_)
    closed[0] = 0
    open_[0] = False
    if rc != 0 or case_ < corrected:
        return rc
    rc = rows_find_link(s, case_, 0, closed)
    open_[0] = rc == 0 and closed[0] == 0
    return rc


cdef int _cases_undo(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """Take a correction back that its biller rejects: all of it, once."""
    cdef Standing standing
    cdef Row hold, end, paid
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &hold, &found)
    result[0] = RESULT_CASE_NOT_FOUND
    if rc != 0 or not found or hold.kind != KIND_HOLD:
        return rc
    rc = standing_get(s, row.resolves, &standing, &end)
    if rc != 0 or (standing.corrected == 0 and standing.undone == 0):
        return rc
    if row.debit != hold.credit or row.credit != hold.debit:
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    result[0] = RESULT_CASE_CLOSED
    other[0] = standing.undone
    if standing.corrected == 0:
        return 0
    rc = _cases_find_rejection(s, row.resolves, standing.corrected, other, &found)
    if rc == 0 and found:
        rc = rows_get(s, standing.corrected, &paid)
        result[0] = RESULT_OK if row.amount == paid.amount else RESULT_NET_DIFFERS
    return rc


cdef int _cases_release(State* s, Row* row) noexcept nogil:
    """What a correction or an undoing says of its hold's claim: one that was corrected in part
    is free as if it had been posted, and so is one whose correction is undone."""
    cdef Row hold
    cdef int rc = rows_get(s, row.resolves, &hold)
    if rc != 0:
        return rc
    row.flags |= hold.flags & <uint16_t>(ROW_CLAIM | ROW_PARTIAL)
    if row.flags & ROW_CASE and not hold.flags & ROW_PARTIAL:
        return 0
    if row.flags & ROW_UNDOES and native_planted(b"undone_is_free"):
        return 0
    return claims_release(s, row, &hold)


cdef int _cases_ask(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """What is asked of a transfer for what it speaks of."""
    cdef uint64_t link = keys_transfer(&s.group.working, row)
    cdef bint payout
    cdef int rc = booked_is_payout(s, row, &payout)
    if rc != 0:
        return rc
    if payout:
        return booked_pay_out(s, row, result, other)
    if row.resolves == 0:
        return 0
    if link == LINK_ADVANCE:
        return _cases_advance(s, row, result, other)
    if link == LINK_UNDOING:
        return _cases_undo(s, row, result, other)
    if link == LINK_RECOVERY:
        return _cases_recover(s, row, result, other)
    if link == LINK_ENDING:
        return booked_end(s, row, result, other)
    if link == LINK_MATCHED:
        return booked_recall(s, row, result, other)
    native_assert(link == LINK_CORRECTION, b"_cases_ask: nothing else is approved")
    return _cases_correct(s, row, result, other)


cdef int cases_transfer(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """A transfer, which is approved if it must be."""
    cdef uint64_t link
    cdef int rc
    result[0] = RESULT_OK
    if not booked_may_owe(&s.group.working, row):
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    rc = _cases_ask(s, row, result, other)
    if rc != 0 or result[0] != RESULT_OK:
        return rc
    result[0] = treasury_transfer(s, row)
    if result[0] != RESULT_OK or row.resolves == 0:
        return 0
    link = keys_transfer(&s.group.working, row)
    if link == LINK_CORRECTION:
        row.flags |= ROW_CASE
    elif link == LINK_UNDOING:
        row.flags |= ROW_UNDOES
    if link == LINK_CORRECTION or link == LINK_UNDOING:
        rc = _cases_release(s, row)
    return rc


# --- approvals ----------------------------------------------------------------------------------

cdef int cases_find_answer(
    State* s, const Row* asked, Row* first, int* result, uint64_t* other
) noexcept nogil:
    """What was made of a proposal, shift or stop: OK if nothing was yet, or one of two has
    approved it, in `first`; its sequence is 0 if nobody has."""
    cdef int rc = rows_find_link(s, asked.sequence, 0, other)
    first.sequence = 0
    result[0] = RESULT_OK
    if rc != 0 or other[0] == 0:
        return rc
    rc = rows_get(s, other[0], first)
    result[0] = RESULT_ALREADY_APPROVED
    if first.kind == KIND_WITHDRAW:
        result[0] = RESULT_PROPOSAL_WITHDRAWN
    elif fields_needs_third(asked) and first.total == 0:
        result[0] = RESULT_OK
    return rc


cdef int _cases_is_named(
    State* s, const Row* row, const Row* asked, bint* named
) noexcept nogil:
    """Whether what an approval is of may be approved, and it names just that: what a person
    has signed by its hash, so that nobody approves what is not before him."""
    cdef const uint8_t* tail = NULL
    cdef uint32_t size
    cdef int rc
    named[0] = False
    if not people_are(s) or asked.kind == KIND_SHIFT:
        named[0] = kinds_may_be_approved(asked.kind) and (
            keys_is_zero(row.reference, REFERENCE_SIZE)
        )
        return 0
    if not kinds_may_be_approved(asked.kind) and not kinds_may_be_line(asked.kind):
        # An approval is signed, too, and nobody approves it.
        return 0
    if s.group.named != asked.sequence:
        rc = signed_find(s, asked, &tail, &size, named)
        if rc != 0 or not named[0]:
            return rc
        if signed_is_word(asked, tail):
            # Another person stands by it in its own way.
            named[0] = False
            return 0
        # Of a proposal's lines it takes milliseconds.
        people_hash(s, asked, tail, size, s.group.named_hash)
        s.group.named = asked.sequence
    named[0] = memcmp(row.reference, s.group.named_hash, REFERENCE_SIZE) == 0
    return 0


cdef inline bint _cases_is_by(const Row* row, const Row* other) noexcept nogil:
    """Whether two rows are of one person."""
    return row.operator_ == other.operator_ and row.participant == other.participant


cdef int cases_approve(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    """Another person than the one who asked, once, or two others if a third is needed, and
    before it is too old. A person is (participant, operator); of a shift the operator alone,
    who may act through others for the same centre."""
    cdef Row asked, first
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &asked, &found)
    result[0] = RESULT_PROPOSAL_NOT_FOUND
    # What a channel proposes needs nobody, and so nobody says that it is right.
    found = found and not fields_is_of_channel(&asked)
    if rc == 0 and found:
        rc = _cases_is_named(s, row, &asked, &found)
    if rc != 0 or not found:
        return rc
    if _cases_is_by(row, &asked) or (
        asked.kind == KIND_SHIFT and row.operator_ == asked.operator_
    ):
        result[0] = RESULT_SAME_PERSON
        return 0
    rc = cases_find_answer(s, &asked, &first, result, other)
    if rc == 0 and result[0] == RESULT_OK and first.sequence != 0:
        if _cases_is_by(row, &first):
            result[0] = RESULT_SAME_PERSON
        native_assert(fields_needs_third(&asked), b"cases_approve: one of two")
        row.total = first.sequence
        other[0] = 0
    if rc == 0 and result[0] == RESULT_OK and asked.kind == KIND_PROPOSE and (
        rows_time(s) - asked.timestamp >= PROPOSAL_LIFE_NS
    ):
        result[0] = RESULT_PROPOSAL_EXPIRED
    if rc == 0 and result[0] == RESULT_OK and fields_is_recovery(&asked):
        row.flags |= ROW_RECOVERY
    return rc


# --- shifts -------------------------------------------------------------------------------------

cdef bint cases_shift_is_valid(const ShiftRecord* record, uint32_t operator_) noexcept nogil:
    cdef int difference = DIFFERENCE_NONE
    if record.cash_counted < record.cash_expected:
        difference = DIFFERENCE_SHORT
    elif record.cash_counted > record.cash_expected:
        difference = DIFFERENCE_OVER
    return (
        record.operator_ == operator_ and record.difference == difference
        and keys_is_zero(record.reserved, 7)
    )


cdef int cases_shift(
    State* s, const Row* row, int* result, uint64_t* other
) noexcept nogil:
    """An operator's shift at a wallet, after the one that it names and that no other one
    follows: what two of them counted would be counted twice."""
    cdef Row before
    cdef uint64_t high, low
    cdef bint found
    cdef int rc = 0
    if not treasury_knows(s, row.debit):
        result[0] = RESULT_ACCOUNT_UNKNOWN
        return 0
    if s.group.working.accounts[row.debit].kind != ACCOUNT_WALLET:
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    if row.resolves != 0:
        rc = rows_find_accepted(s, row.resolves, &before, &found)
        found = found and before.kind == KIND_SHIFT
        if not found or before.debit != row.debit or before.operator_ != row.operator_:
            result[0] = RESULT_PROPOSAL_NOT_FOUND
            return rc
    keys_shift(row, &high, &low)
    rc = rows_find_link(s, high, low, other)
    result[0] = RESULT_ALREADY_FOLLOWED if other[0] != 0 else RESULT_OK
    return rc
