# The state machine: a requested row becomes a decided one, and an answer.
#
# One request after the other, in order: shape, then the id, then the rules. The same
# requests at the same times give the same rows.

cdef void _machine_shape_record(Draft* draft) noexcept nogil:
    """The fixed record that opens the tail of an open, limit, register or shift row."""
    cdef const uint8_t* tail = draft.tail
    cdef uint32_t size = draft.tail_size
    cdef bint good
    if draft.row.kind == KIND_SHIFT:
        good = size >= sizeof(ShiftRecord) and cases_shift_is_valid(
            <const ShiftRecord*>tail, draft.row.operator_
        )
    elif kinds_is_file(draft.row.kind):
        good = bills_record_is_valid(tail, size)
    else:
        good = treasury_record_is_valid(draft.row.kind, tail, size) and (
            draft.row.kind != KIND_REGISTER or margins_may_say(&draft.row, tail)
        )
    if not good:
        payment_mark(draft, RESULT_INVALID_RECORD)


cdef bint _machine_total_is_known(const Row* row) noexcept nogil:
    """Whether what a row says by its total is what one of its kind may say."""
    if not kinds_has_total(row.kind):
        return True
    if not kinds_is_told(row.kind):
        return kinds_may_be_proposed(row.total)
    if kinds_gives_index(row.kind):
        return complaints_reason_is_known(row.total)
    return complaints_step_is_known(row.total)


cdef void machine_shape(Draft* draft) noexcept nogil:
    """What is wrong with a row template's shape, whatever the state."""
    cdef const Row* row = &draft.row
    cdef int kind = row.kind
    cdef bint record = kinds_has_record(kind)
    cdef bint lines = kinds_has_total(kind) and row.total == PROPOSE_LINES
    if not kinds_may_be_asked(kind) or not _machine_total_is_known(row):
        payment_mark(draft, RESULT_INVALID_KIND)
        return
    if keys_no_id(row.id) == kinds_has_id(kind):
        payment_mark(draft, RESULT_INVALID_ID)
    if kinds_has_amount(kind):
        if (row.amount == 0 and not lines) or row.amount > AMOUNT_MAX:
            payment_mark(draft, RESULT_INVALID_AMOUNT)
    elif row.amount != 0:
        payment_mark(draft, RESULT_INVALID_AMOUNT)
    if kinds_takes_reference(kind):
        if not payment_reference_is_valid(row.reference):
            payment_mark(draft, RESULT_INVALID_REFERENCE)
    elif not record and kind != KIND_APPROVE and (
        not keys_is_zero(row.reference, REFERENCE_SIZE)
    ):
        payment_mark(draft, RESULT_INVALID_REFERENCE)
    if kinds_is_payment(kind):
        if fields_tender(row) > TENDER_CARD:
            payment_mark(draft, RESULT_INVALID_TENDER)
    if kinds_has_note(kind) and (
        draft.tail_size > NOTE_MAX or not payment_text_is_valid(draft.tail, draft.tail_size)
    ):
        payment_mark(draft, RESULT_INVALID_NOTE)
    if record:
        _machine_shape_record(draft)
    if lines and not lines_are_valid(row, draft.tail, draft.tail_size):
        payment_mark(draft, RESULT_INVALID_RECORD)
    if kinds_speaks(kind):
        if row.debit != 0 or row.credit != 0:
            payment_mark(draft, RESULT_INVALID_ACCOUNT)
    elif kind == KIND_REQUEST:
        if row.debit != 0:
            payment_mark(draft, RESULT_INVALID_ACCOUNT)
    elif kind == KIND_HANDED_OUT:
        if row.credit != 0:
            payment_mark(draft, RESULT_INVALID_ACCOUNT)
        if draft.tail_size > 0:
            payment_mark(draft, RESULT_INVALID_NOTE)
    elif kind == KIND_SIGNED_OFF:
        if row.credit != 0 or row.resolves != 0:
            payment_mark(draft, RESULT_INVALID_ACCOUNT)
        if draft.tail_size > 0:
            payment_mark(draft, RESULT_INVALID_NOTE)
    elif kind == KIND_BOOKED:
        if (row.debit == 0) == (row.credit == 0):
            payment_mark(draft, RESULT_INVALID_ACCOUNT)
        if draft.tail_size > BOOKED_TAIL_MAX:
            payment_mark(draft, RESULT_INVALID_RECORD)
    if kind == KIND_HOLD:
        if row.deadline == 0 or row.deadline > DEADLINE_MAX_S:
            payment_mark(draft, RESULT_INVALID_DEADLINE)
    elif row.deadline != 0:
        payment_mark(draft, RESULT_INVALID_DEADLINE)


# --- deciding -----------------------------------------------------------------------------------

cdef int _machine_close_window(State* s, Draft* draft, Outcome* out) noexcept nogil:
    cdef Row* row = &draft.row
    cdef Row repeated
    cdef const uint8_t* signature = NULL
    cdef uint64_t link
    cdef int result
    cdef int rc = rows_find_link(s, row.resolves, 0, &link)
    if rc != 0:
        return rc
    if row.resolves != s.group.working_window:
        out.result = RESULT_WINDOW_NOT_FOUND
        if link != 0:
            rc = rows_get(s, link, &repeated)
            if rc == 0 and repeated.kind == KIND_WINDOW:
                rc = answer_row(s, out, &repeated, True)
        return rc
    if row.participant != 0 and people_are(s):
        # What is in it is the ledger's word. A person signs that it is closed.
        rc = people_check(s, draft, &result)
        if rc != 0 or result != RESULT_OK or draft.tail_size != <uint32_t>SIGNATURE_SIZE:
            out.result = RESULT_NOT_SIGNED
            return rc
        signature = draft.tail
    if row.participant != 0 and windows_is_empty(s):
        # The schedule closes its own all the same: a day without payments has nil scrolls.
        out.result = RESULT_WINDOW_EMPTY
        return 0
    rc = windows_record(s, row, signature)
    return answer_row(s, out, row, False) if rc == 0 else rc


cdef inline bint _machine_is_kept(State* s, const Row* hold) noexcept nogil:
    """Whether an open hold is kept, is set aside, or will be kept with the next group."""
    cdef uint64_t due = hold.timestamp + <uint64_t>hold.deadline * 1000000000
    if not holds_is_due(&s.group.holds, hold.sequence):
        return True
    return hold.flags & ROW_KEEP != 0 and due <= rows_time(s)


cdef inline bint _machine_needs_two(State* s, const Row* row) noexcept nogil:
    """Whether a row with an id is done only if two people want it."""
    cdef uint64_t link
    if row.kind == KIND_TRANSFER:
        link = keys_transfer(&s.group.working, row)
        return row.resolves != 0 and link != LINK_RECOVERY and link != LINK_UNDOING and (
            not keys_is_of_bank(&s.group.working, row)
        )
    return kinds_has_id(row.kind) and kinds_may_be_proposed(row.kind)


cdef int _machine_cancel(State* s, Row* row, uint32_t operator_, int* result) noexcept nogil:
    """A void that cancels: its total is who wished it, 0 if the switch gives it back itself.

    Whether that operator is active is not asked: who was signed on a moment ago was."""
    cdef uint32_t centre = s.group.working.accounts[row.debit].participant
    row.total = operator_
    row.checker = 0
    if operator_ != 0 and s.group.participants[centre].signs_on and (
        operators_find(s, centre, operator_) == 0
    ):
        result[0] = RESULT_OPERATOR_UNKNOWN
    return 0


cdef int _machine_end(
    State* s, Draft* draft, Row* hold, int* result, uint64_t* other
) noexcept nogil:
    """A post, void or verify without a biller's word: two people must want it where only
    that could have said so. A void that needs nobody says which operator has wished it."""
    cdef Row* row = &draft.row
    # The row is to say its hold's.
    cdef uint32_t operator_ = row.operator_
    cdef bint two = True
    cdef int rc
    if kinds_resolves_hold(row.kind):
        rc = resolve_hold(s, row, hold, result, other)
    else:
        rc = resolve_doubt(s, row, hold, result, other)
    if rc != 0 or result[0] != RESULT_OK:
        return rc
    if row.kind == KIND_POST:
        two = row.flags & ROW_KEEP != 0
    elif row.kind == KIND_VOID:
        two = _machine_is_kept(s, hold)
        if not two:
            return _machine_cancel(s, row, operator_, result)
    if two:
        row.total = draft.proposal
        rc = decided_check(s, draft, hold, False, result)
    return rc


cdef int _machine_find_operator(State* s, const Row* row, bint* missing) noexcept nogil:
    """Whether a shift of a wallet, the approval of one, a complaint or what hands cash out is of
    a centre that signs on, and of another sender, or names none of its operators; or whether
    who is signed off is none of its sender's."""
    cdef Row shift
    cdef bint found
    cdef uint32_t wallet = 0
    cdef uint32_t centre = 0
    cdef int rc
    missing[0] = False
    if row.kind == KIND_SIGNED_OFF:
        # Active or not: it ends what was begun while they were.
        missing[0] = operators_find(s, row.participant, row.operator_) == 0
        return 0
    if row.kind == KIND_SHIFT:
        wallet = row.debit
    elif row.kind == KIND_HANDED_OUT:
        wallet = row.debit
    elif row.kind == KIND_APPROVE:
        rc = rows_find_accepted(s, row.resolves, &shift, &found)
        if rc != 0:
            return rc
        if found and shift.kind == KIND_SHIFT:
            wallet = shift.debit
    elif kinds_is_told(row.kind) and kinds_gives_index(row.kind):
        centre = row.participant
    if treasury_knows(s, wallet) and s.group.working.accounts[wallet].kind == ACCOUNT_WALLET:
        centre = s.group.working.accounts[wallet].participant
    if 0 < centre < s.group.participants_count:
        missing[0] = operators_is_missing(s, centre, row.operator_, row.participant)
    return 0


cdef inline bint _machine_is_unsaid(int kind, int result, bint approved) noexcept nogil:
    """Whether a refusal becomes no row. That a bank contradicts itself always does: people
    must look."""
    if result == RESULT_OK or result == RESULT_BOOKED_DIFFERS:
        return False
    return approved or kind == KIND_BOOKED or not kinds_has_id(kind)


cdef int _machine_treasury(State* s, Draft* draft, Outcome* out) noexcept nogil:
    """Decide and record everything that is not a payment."""
    cdef Row* row = &draft.row
    cdef Row hold, resolution
    cdef int kind = row.kind
    cdef bint two = _machine_needs_two(s, row)
    cdef bint line = False
    cdef bint missing
    cdef int result = RESULT_OK
    cdef uint64_t other = 0
    cdef int rc = 0
    if kind == KIND_WINDOW:
        return _machine_close_window(s, draft, out)
    if row.flags & ROW_EVIDENCE:
        return evidence_apply(s, draft, out)
    rc = _machine_find_operator(s, row, &missing)
    if rc != 0 or missing:
        out.result = RESULT_OPERATOR_UNKNOWN
        return rc
    if two and kind == KIND_TRANSFER and not booked_may_owe(&s.group.working, row):
        # Nobody proposes that: it is refused as it stands, or as a line.
        two = False
    if not two:
        rc = lines_ask(s, draft, &line, &result)
        if rc == 0 and result == RESULT_OK:
            rc = recovery_ask(s, draft, &result)
    if rc == 0 and (two or line):
        rc = decided_check(s, draft, NULL, line, &result)
    if rc != 0 or result != RESULT_OK:
        out.result = <uint8_t>result
        return rc
    if two or line:
        row.total = draft.proposal
    if line and fields_is_recovery(&s.group.proposed.asked):
        row.flags |= ROW_RECOVERY
    if kinds_resolves_hold(kind) or kind == KIND_VERIFY:
        rc = _machine_end(s, draft, &hold, &result, &other)
    elif kind == KIND_REFUND:
        rc = treasury_refund(s, row, &result)
    elif kind == KIND_TOP_UP:
        rc = treasury_top_up(s, row, &result, &other)
    elif kind == KIND_TRANSFER:
        rc = cases_transfer(s, row, &result, &other)
    elif kind == KIND_SETTLE:
        rc = treasury_settle(s, row, &result, &other)
    elif kind == KIND_OPEN:
        result = treasury_open(s, row, <const AccountRecord*>draft.tail, &other)
    elif kind == KIND_REQUEST:
        rc = booked_request(s, row, &result)
    elif kind == KIND_BOOKED:
        rc = booked_decide(s, row, draft.proposal, &result, &other)
    elif kind == KIND_REGISTER and draft.tail[0] == RECORD_STATEMENT:
        rc = booked_statement(s, row, <const StatementRecord*>draft.tail, &result, &other)
    elif kind == KIND_REGISTER and draft.tail[0] == RECORD_MARGIN:
        rc = treasury_margin(s, row)
    elif kind == KIND_REGISTER:
        result = treasury_register(s, row, draft.tail)
        if result == RESULT_OK:
            rc = bills_keep_rule(s, row, draft.tail, &result)
    elif kind == KIND_CASE_CLOSE:
        rc = cases_close(s, row, &result, &other)
    elif kind == KIND_PROPOSE:
        rc = cases_propose(s, row, &result, &other)
        if rc == 0 and result == RESULT_OK and people_are(s):
            rc = lines_judge(s, draft, &result)
    elif kind == KIND_APPROVE:
        rc = cases_approve(s, row, &result, &other)
    elif kind == KIND_WITHDRAW:
        rc = decided_withdraw(s, row, &result, &other)
    elif kind == KIND_SHIFT:
        rc = cases_shift(s, row, &result, &other)
    elif kind == KIND_COMPLAINT:
        rc = complain_raise(s, row, &result, &other)
    elif kind == KIND_REPLY:
        rc = complain_reply(s, row, &result, &other)
    elif kind == KIND_BILLS:
        rc = bills_decide(s, row, &result, &other)
    elif kind == KIND_HANDED_OUT:
        rc = handouts_decide(s, row, &result, &other)
    elif kind == KIND_SIGNED_OFF:
        result = handouts_check_wallet(s, row)
    elif not treasury_knows(s, row.debit):
        result = RESULT_ACCOUNT_UNKNOWN
    elif kind == KIND_LIMIT:
        if s.group.working.accounts[row.debit].kind != ACCOUNT_WALLET:
            result = RESULT_ACCOUNT_KIND_WRONG
    elif kind == KIND_FREEZE:
        if s.group.working.accounts[row.debit].state == STATE_CLOSED:
            result = RESULT_DEBIT_CLOSED
    else:
        result = treasury_close(&s.group.working.accounts[row.debit])
    if rc != 0:
        return rc
    if result != RESULT_OK:
        row.flags &= <uint16_t>(
            ~(ROW_CLAIM | ROW_RECENT | ROW_RELEASE | ROW_PARTIAL) & 0xFFFF
        )
        row.total = other
    row.result = <uint8_t>result
    if _machine_is_unsaid(kind, result, two or line):
        # No row: what two people want is sent again with this id, once it can be done. What
        # resolved the hold is the answer if it is the same thing.
        if (
            (kind == KIND_POST and result == RESULT_ALREADY_POSTED)
            or (kind == KIND_VOID and result == RESULT_ALREADY_VOIDED)
            or (kind == KIND_VERIFY and other != 0)
        ):
            rc = rows_get(s, other, &resolution)
            return answer_row(s, out, &resolution, True) if rc == 0 else rc
        out.result = row.result
        out.other = other
        return 0
    if result != RESULT_OK and not refusals_take(s, row.participant, 1):
        out.result = RESULT_TOO_MANY_REFUSALS
        return 0
    rc = answer_other(s, out, row)
    if rc == 0:
        rc = rows_record(s, row, &hold, draft.tail, draft.tail_size, NULL)
    return answer_row(s, out, row, False) if rc == 0 else rc


cdef void machine_prepare(State* s, Draft* draft) noexcept nogil:
    """Fill in what a draft says about keys, from the register as it is now."""
    if kinds_is_payment(draft.row.kind):
        payment_resolve(s, draft)
    else:
        draft.claims_taken = 0
        payment_set_shape(draft)
        if not kinds_has_total(draft.row.kind):
            draft.row.total = 0
    keys_id(
        s, draft.row.id, draft.row.participant,
        &draft.keys[KEYS_ID].high, &draft.keys[KEYS_ID].low,
    )


cdef inline bint _machine_turns_away(
    State* s, const Draft* draft, uint32_t count
) noexcept nogil:
    """Whether so many payments more, that came in a message, are too many for their biller.

    Asked after ids that are known have had their answers: what was taken stays taken."""
    cdef const Participant* biller
    if not draft.from_message or draft.row.kind != KIND_HOLD:
        return False
    biller = &s.group.participants[s.group.services[draft.row.service].record.biller]
    return biller.holds_below != 0 and (
        <uint64_t>biller.holds + count >= biller.holds_below
    )


cdef inline bint _machine_wallet_is_full(
    State* s, const Draft* draft, uint32_t count
) noexcept nogil:
    """Whether so many payments more, that came in a message, are too many for their wallet to
    hold: one centre alone is not to fill the queue of a biller. As a full queue, asked late.
    What is kept waits for people, and for them alone."""
    cdef uint64_t holds = effect_waiting(&s.group.working.accounts[draft.row.debit])
    return draft.from_message and draft.row.kind == KIND_HOLD and (
        s.shared.holds_most != 0 and holds + count > s.shared.holds_most
    )


cdef void _machine_turn_away(State* s, Outcome* out, bint full) noexcept nogil:
    """Too much waits for the biller, or, if `full`, the payment's wallet holds too much."""
    native_assert(out.sequence == 0, b"machine: who is turned away has no row")
    out.result = RESULT_BILLER_BUSY
    if full:
        out.field = FIELD_DEBIT
        s.shared.holds_turned_away += 1
    else:
        s.shared.billers_turned_away += 1


cdef int _machine_basket_believe(
    State* s, Draft* drafts, uint32_t count, const uint8_t* known, Outcome* outs, bint* waits
) noexcept nogil:
    """Whether something that a payment of a basket brings with it is not to be believed: then
    those that are new get an answer without a row."""
    cdef int result
    cdef uint32_t i
    cdef int rc
    waits[0] = False
    for i in range(count):
        if known[i]:
            continue
        rc = prices_believe(s, &drafts[i], rows_time(s) + i, &result)
        if rc != 0:
            return rc
        outs[i].result = RESULT_INVALID_BASKET
        if result != RESULT_OK:
            outs[i].result = <uint8_t>result
            waits[0] = True
    return 0


cdef bint _machine_basket_lacks_operator(
    const Draft* drafts, uint32_t count, const uint8_t* known, Outcome* outs
) noexcept nogil:
    """Whether those of a basket that are new get an answer without a row, as one of them is of
    a centre that signs on and of none of its operators."""
    cdef bint lacks = False
    cdef uint32_t i
    for i in range(count):
        lacks = lacks or (not known[i] and drafts[i].no_operator)
    if not lacks:
        return False
    for i in range(count):
        if not known[i]:
            outs[i].result = (
                RESULT_OPERATOR_UNKNOWN if drafts[i].no_operator else RESULT_INVALID_BASKET
            )
    return True


cdef bint _machine_basket_waits(
    State* s, const Draft* drafts, uint32_t count, const uint8_t* known, bint new, Outcome* outs
) noexcept nogil:
    """Whether those of a basket that are new get an answer without a row: none that the
    register, as it is now, would let pay, or too much waits for their biller."""
    cdef bint whole = payment_basket_is_whole(s, drafts, count)
    cdef bint busy, full
    cdef uint32_t unknown = 0
    cdef uint32_t i
    if new:
        whole = whole and payment_basket_has_one_kind(drafts, count)
    for i in range(count):
        whole = whole and (known[i] or not drafts[i].no_centre)
        unknown += not known[i]
    if whole and _machine_basket_lacks_operator(drafts, count, known, outs):
        return True
    busy = _machine_turns_away(s, &drafts[0], unknown)  # a basket has one biller
    full = not busy and _machine_wallet_is_full(s, &drafts[0], unknown)
    if whole and not busy and not full:
        return False
    for i in range(count):
        if known[i]:
            continue
        if whole:
            _machine_turn_away(s, &outs[i], full)
        elif drafts[i].no_centre:
            outs[i].result = RESULT_INVALID_CENTRE
        else:
            outs[i].result = RESULT_INVALID_BASKET
    return True


cdef int machine_basket(State* s, Draft* drafts, uint32_t count, Outcome* outs) noexcept nogil:
    """Apply the payments of one basket, all or none."""
    cdef uint8_t[BASKET_MAX] known
    cdef int[BASKET_MAX] results
    cdef uint64_t[BASKET_MAX] others
    cdef bint found, waits
    cdef bint new = True
    cdef uint32_t refused = 0
    cdef uint32_t i
    cdef int rc
    if not payment_basket_is_formed(drafts, count):
        for i in range(count):
            outs[i].result = drafts[i].shape if drafts[i].shape else RESULT_INVALID_BASKET
        return 0
    for i in range(count):
        rc = known_answer(s, &drafts[i], &outs[i], &found)
        if rc != 0:
            return rc
        known[i] = found
        new = new and not found
    if known_basket_is_crowded(s, drafts, count, known, outs):
        return 0
    if _machine_basket_waits(s, drafts, count, known, new, outs):
        return 0
    rc = _machine_basket_believe(s, drafts, count, known, outs, &waits)
    if rc != 0 or waits:
        return rc
    if new:
        payment_basket_join_deadlines(s, drafts, count)
    rc = payment_basket(s, drafts, count, known, results, others)
    for i in range(count):
        refused += rc == 0 and not known[i] and results[i] != RESULT_OK
    if refused != 0 and not refusals_take(s, drafts[0].row.participant, refused):
        for i in range(count):
            if not known[i]:
                outs[i].result = RESULT_TOO_MANY_REFUSALS
        return 0
    for i in range(count):
        if rc == 0 and not known[i]:
            payment_decide(&drafts[i].row, results[i], others[i])
            rc = answer_other(s, &outs[i], &drafts[i].row)
    # All that had to be read was there: past this line the basket cannot fail by half.
    for i in range(count):
        if rc == 0 and not known[i]:
            rc = payment_record(s, &drafts[i])
        if rc == 0 and not known[i]:
            rc = answer_row(s, &outs[i], &drafts[i].row, False)
    return rc


cdef int machine_apply(State* s, Draft* draft, Outcome* out) noexcept nogil:
    """Apply one request. Every refusal is an answer. Damage has changed nothing unless a
    row was recorded; any other error kills the ledger."""
    cdef bint known
    cdef int result
    cdef uint64_t other
    cdef int rc
    if draft.shape != 0:
        out.result = draft.shape
        return 0
    if kinds_has_id(draft.row.kind):
        rc = known_answer(s, draft, out, &known)
        if rc != 0 or known:
            return rc
        if known_is_crowded(s, draft, 0, out):
            return 0
    if not kinds_is_payment(draft.row.kind):
        return _machine_treasury(s, draft, out)
    if draft.no_centre:
        out.result = RESULT_INVALID_CENTRE
        return 0
    if draft.no_operator:
        out.result = RESULT_OPERATOR_UNKNOWN
        return 0
    if _machine_turns_away(s, draft, 1):
        _machine_turn_away(s, out, False)
        return 0
    if _machine_wallet_is_full(s, draft, 1):
        _machine_turn_away(s, out, True)
        return 0
    rc = prices_believe(s, draft, rows_time(s), &result)
    if rc != 0 or result != RESULT_OK:
        out.result = <uint8_t>result
        return rc
    rc = payment_check(s, draft, 0, &result, &other)
    if rc == 0 and result != RESULT_OK and not refusals_take(s, draft.row.participant, 1):
        out.result = RESULT_TOO_MANY_REFUSALS
        return 0
    if rc == 0:
        payment_decide(&draft.row, result, other)
        rc = answer_other(s, out, &draft.row)
    if rc == 0:
        rc = payment_record(s, draft)
    return answer_row(s, out, &draft.row, False) if rc == 0 else rc
