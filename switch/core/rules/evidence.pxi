# What a biller says of a hold, and what follows from that: its end, the end of a doubt about
# it, or a case for people.
#
# Whatever a biller says, however often it changes its mind, makes a few rows about a hold by
# itself and no more: then people decide.

cdef int evidence_get_sum(State* s, const Row* hold, uint64_t* sum_) noexcept nogil:
    """Paise that a biller was asked about: those of a hold, or of all holds of its basket."""
    cdef uint64_t lead = fields_basket_lead(hold)
    cdef uint64_t total = 0
    cdef uint32_t size = fields_basket_size(hold)
    cdef uint32_t i
    cdef Row member
    cdef int rc
    if hold.basket == 0 or s.group.basket_lead == lead:
        sum_[0] = hold.amount if hold.basket == 0 else s.group.basket_sum
        return 0
    if size > BASKET_MAX or fields_basket_index(hold) >= size:
        return MDB_CORRUPTED
    for i in range(size):
        rc = rows_get(s, lead + i, &member)
        if rc != 0:
            return rc
        if member.kind != KIND_HOLD or member.basket != fields_basket(size, i):
            return MDB_CORRUPTED
        native_assert(
            not payment_overflows(total, 0, member.amount, 0), b"evidence_get_sum: 16 fit"
        )
        total += member.amount
    s.group.basket_lead = lead
    s.group.basket_sum = total
    sum_[0] = total
    return 0


cdef int _evidence_tell(State* s, Outcome* out, uint64_t sequence, bint repeat) noexcept nogil:
    """Name the case of an answer, beside its result."""
    cdef Row row
    cdef int rc = rows_get(s, sequence, &row)
    if rc == 0:
        out.sequence = row.sequence
        out.timestamp = row.timestamp
        out.repeat = repeat
        answer_balance(s, out, &row)
    return rc


cdef int _evidence_repeat(State* s, Outcome* out, uint64_t sequence) noexcept nogil:
    """Nothing new: the row that was made of it."""
    cdef Row row
    cdef int rc = rows_get(s, sequence, &row)
    out.other = 0
    return answer_row(s, out, &row, True) if rc == 0 else rc


cdef int _evidence_raise(
    State* s, const Draft* draft, const Row* hold, int type_, uint16_t flags, Outcome* out
) noexcept nogil:
    """Record a case with what the biller says."""
    cdef Row row
    cdef int rc
    resolve_make_case(&row, hold, type_)
    row.flags = ROW_EVIDENCE | flags
    if type_ != CASE_LATE_REJECTION:
        row.amount = draft.row.amount
    rc = rows_record(s, &row, hold, draft.tail, draft.tail_size, NULL)
    if rc == 0:
        out.sequence = row.sequence
        out.timestamp = row.timestamp
        answer_balance(s, out, &row)
    return rc


cdef int _evidence_find_open(
    State* s, const Row* hold, const Row* end, int type_, uint64_t* case_
) noexcept nogil:
    """The newest case of a type if nobody has closed it, or 0. One of an amount is over when
    its hold ends, a late rejection when a correction is undone."""
    cdef uint64_t closed
    cdef int rc = rows_find_link(s, hold.sequence, LINK_CASE + type_, case_)
    if rc == 0 and type_ == CASE_LATE_REJECTION and case_[0] != 0:
        rc = rows_find_link(s, hold.sequence, LINK_UNDOING, &closed)
        if closed > case_[0]:
            case_[0] = 0
    if rc != 0 or case_[0] == 0:
        return rc
    if type_ == CASE_AMOUNT_DIFFERS and case_[0] < end.sequence:
        case_[0] = 0
        return 0
    rc = rows_find_link(s, case_[0], 0, &closed)
    if closed != 0:
        case_[0] = 0
    return rc


cdef int _evidence_insist(
    State* s, const Draft* draft, const Row* hold, const Row* end, int type_, uint16_t flags,
    Outcome* out
) noexcept nogil:
    """A case of a type: the one that is open, or a new one."""
    cdef uint64_t case_
    cdef int rc = _evidence_find_open(s, hold, end, type_, &case_)
    if rc != 0:
        return rc
    if case_ != 0:
        return _evidence_tell(s, out, case_, True)
    return _evidence_raise(s, draft, hold, type_, flags, out)


cdef int _evidence_record(State* s, Draft* draft, const Row* hold, Outcome* out) noexcept nogil:
    """What the answer makes: a post, a void or a verify, whose kind the row has by now."""
    cdef Row* row = &draft.row
    cdef int rc = resolve_fill(s, row, hold)
    row.result = RESULT_OK
    if rc == 0:
        rc = rows_record(s, row, hold, draft.tail, draft.tail_size, NULL)
    return answer_row(s, out, row, False) if rc == 0 else rc


cdef int _evidence_of_open(State* s, Draft* draft, const Row* hold, Outcome* out) noexcept nogil:
    """It ends the hold, unless another amount was credited: then the hold is kept."""
    cdef Row* row = &draft.row
    cdef Row end
    cdef uint16_t flags = ROW_KEEP
    cdef uint64_t sum_
    cdef int rc
    if row.kind == KIND_VOID:
        return _evidence_record(s, draft, hold, out)
    rc = evidence_get_sum(s, hold, &sum_)
    if rc != 0:
        return rc
    if row.amount == sum_:
        row.amount = hold.amount
        return _evidence_record(s, draft, hold, out)
    out.result = RESULT_AMOUNT_DIFFERS
    memset(&end, 0, sizeof(Row))
    if holds_is_kept(&s.group.holds, hold.sequence):
        flags = 0
    return _evidence_insist(s, draft, hold, &end, CASE_AMOUNT_DIFFERS, flags, out)


cdef int _evidence_is_right(
    State* s, const Draft* draft, const Row* hold, const Row* paid, bint* right
) noexcept nogil:
    """Whether a biller has credited what it was paid, by a post or a correction. Of a basket
    the sum alone says that of all of it, and of what was paid in part no amount does."""
    cdef uint64_t sum_
    cdef int rc
    right[0] = draft.row.amount == paid.amount
    if hold.basket == 0:
        return 0
    rc = evidence_get_sum(s, hold, &sum_)
    right[0] = rc == 0 and draft.row.amount == sum_ and paid.amount == hold.amount
    return rc


cdef int _evidence_is_given_back(
    State* s, const Row* hold, const Row* post, bint* given_back
) noexcept nogil:
    """Whether all of a payment was refunded that its biller had rejected late: it has no
    money for it, whatever it says of a credit by now."""
    cdef uint64_t rejected, refund
    cdef int rc = rows_find_link(s, hold.sequence, LINK_CASE + CASE_LATE_REJECTION, &rejected)
    given_back[0] = False
    if rc != 0 or rejected == 0:
        return rc
    rc = standing_find_refund(s, post, &refund)
    given_back[0] = rc == 0 and refund != 0
    return rc


cdef int _evidence_of_posted(
    State* s, const Draft* draft, const Row* hold, const Row* post, Outcome* out
) noexcept nogil:
    """It agrees with the post, or is a case: of another amount, or of none at all."""
    cdef uint64_t refund
    cdef bint right
    cdef bint given_back = False
    cdef int rc
    if draft.row.kind == KIND_POST:
        rc = _evidence_is_right(s, draft, hold, post, &right)
        if rc == 0 and right:
            rc = _evidence_is_given_back(s, hold, post, &given_back)
        if rc != 0:
            return rc
        if right and not given_back:
            return answer_row(s, out, post, True)
        out.result = RESULT_AMOUNT_DIFFERS
        out.other = post.sequence
        return _evidence_insist(s, draft, hold, post, CASE_AMOUNT_DIFFERS, 0, out)
    out.result = RESULT_ALREADY_POSTED
    out.other = post.sequence
    rc = standing_find_refund(s, post, &refund)
    if rc != 0 or refund != 0:
        # With all of it given back the biller is owed nothing: both say the same.
        return rc
    return _evidence_insist(s, draft, hold, post, CASE_LATE_REJECTION, 0, out)


cdef int _evidence_of_credit(
    State* s, const Draft* draft, const Row* hold, const Row* end, const Standing* standing,
    Outcome* out
) noexcept nogil:
    """A late confirmation: once while it is open. What was paid after all is compared."""
    cdef Row paid
    cdef bint right
    cdef int rc
    if standing.corrected != 0:
        rc = rows_get(s, standing.corrected, &paid)
        if rc == 0:
            rc = _evidence_is_right(s, draft, hold, &paid, &right)
        if rc != 0 or right:
            return rc
        out.result = RESULT_AMOUNT_DIFFERS
        return _evidence_insist(s, draft, hold, end, CASE_AMOUNT_DIFFERS, 0, out)
    if standing_is_late(standing):
        return _evidence_tell(s, out, standing.confirmed, True)
    return _evidence_raise(
        s, draft, hold, CASE_LATE_CONFIRMATION,
        0 if standing_is_unverified(standing) else ROW_CASE, out,
    )


cdef int _evidence_of_none(
    State* s, Draft* draft, const Row* hold, const Row* end, const Standing* standing,
    Outcome* out
) noexcept nogil:
    """That nothing is credited of what was given back: it ends the doubt, once. A biller that
    has said both has contradicted itself, and people decide."""
    if standing.corrected != 0:
        return _evidence_insist(s, draft, hold, end, CASE_LATE_REJECTION, 0, out)
    if standing_is_in_question(standing) and standing.verified == 0 and (
        standing.expired or end.flags & ROW_EVIDENCE == 0
    ):
        draft.row.kind = KIND_VERIFY
        out.other = 0
        return _evidence_record(s, draft, hold, out)
    if not standing.expired:
        return _evidence_repeat(s, out, end.sequence)
    if standing_is_late(standing):
        return 0
    return _evidence_repeat(s, out, standing.verified)


cdef int evidence_apply(State* s, Draft* draft, Outcome* out) noexcept nogil:
    """A biller's answer: a post or a void by its word, of the hold whose id it names."""
    cdef Row* row = &draft.row
    cdef Standing standing
    cdef Row hold, end
    cdef int result
    cdef int rc = resolve_find(s, row, &hold, &result)
    out.result = RESULT_HOLD_NOT_FOUND
    if rc != 0 or result != RESULT_OK or memcmp(hold.id, row.id, 16) != 0:
        return rc
    # Whoever is to be paid, and no other biller.
    if s.group.working.accounts[hold.credit].participant != draft.bound:
        return 0
    memset(row.id, 0, 16)
    if holds_is_open(&s.group.holds, hold.sequence):
        return _evidence_of_open(s, draft, &hold, out)
    rc = standing_get(s, hold.sequence, &standing, &end)
    if rc != 0:
        return rc
    native_assert(standing.end != 0, b"evidence_apply: what is not open has an end")
    if end.kind == KIND_POST:
        return _evidence_of_posted(s, draft, &hold, &end, out)
    out.result = RESULT_ALREADY_EXPIRED if standing.expired else RESULT_ALREADY_VOIDED
    out.other = end.sequence
    if row.kind == KIND_POST:
        return _evidence_of_credit(s, draft, &hold, &end, &standing, out)
    return _evidence_of_none(s, draft, &hold, &end, &standing, out)
