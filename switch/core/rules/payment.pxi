# Deciding payments: shape, rules in their documented order, baskets.
#
# Refuse first, in the order of the result's numbers; only then is the row recorded.
# Functions return 0 or an error that kills the ledger; refusals are in the result.

cdef inline void payment_mark(Draft* draft, int result) noexcept nogil:
    native_assert(0 < result and result < 16, b"payment_mark: a bit of `bad`")
    draft.bad |= <uint16_t>(1 << result)


cdef inline void payment_set_shape(Draft* draft) noexcept nogil:
    """The least of what is wrong with the shape is the answer: the lowest bit set."""
    draft.shape = <uint8_t>native_lowest_bit(draft.bad)


cdef bint payment_reference_is_valid(const uint8_t* reference) noexcept nogil:
    """1 to 32 printable ASCII characters, none of the outer ones a space, then zeros.

    "BILL" and "BILL " would be two bills, and the citizen's could be paid twice.
    """
    cdef int i = 0
    while i < REFERENCE_SIZE and 0x20 <= reference[i] <= 0x7E:
        i += 1
    if i == 0 or reference[0] == 0x20 or reference[i - 1] == 0x20:
        return False
    return keys_is_zero(reference + i, REFERENCE_SIZE - i)


cdef bint payment_text_is_valid(const uint8_t* text, uint32_t size) noexcept nogil:
    """Well-formed UTF-8."""
    cdef uint32_t i = 0
    cdef uint32_t point, least
    cdef int more
    while i < size:
        if text[i] < 0x80:
            i += 1
            continue
        if text[i] & 0xE0 == 0xC0:
            more, point, least = 1, text[i] & 0x1F, 0x80
        elif text[i] & 0xF0 == 0xE0:
            more, point, least = 2, text[i] & 0x0F, 0x800
        elif text[i] & 0xF8 == 0xF0:
            more, point, least = 3, text[i] & 0x07, 0x10000
        else:
            return False
        i += 1
        while more > 0:
            if i >= size or text[i] & 0xC0 != 0x80:
                return False
            point = (point << 6) | (text[i] & 0x3F)
            i += 1
            more -= 1
        if point < least or point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            return False
    return True


cdef void _payment_sign_on(State* s, Draft* draft, uint32_t centre) noexcept nogil:
    """A message of the centre itself: its payments are of who is signed on, said or not."""
    if draft.row.operator_ == 0 and draft.signed_on != OPERATOR_NOBODY:
        draft.row.operator_ = <uint32_t>draft.signed_on
        draft.names_nobody = 1
    draft.no_operator = (
        draft.signed_on == OPERATOR_NOBODY
        or draft.row.operator_ != draft.signed_on
        or operators_is_missing(s, centre, draft.row.operator_, draft.row.participant)
    )


cdef void _payment_find_centre(State* s, Draft* draft) noexcept nogil:
    """The wallet that pays: the sender's own, or the named centre's; 0 if there is none.

    Of a centre that is not active, too: what it has paid has its answer for ever.
    """
    cdef uint8_t[CODE_MAX] code
    cdef uint32_t centre = draft.bound
    draft.row.debit = 0
    draft.no_centre = 1
    draft.no_operator = 0
    if draft.names_nobody:
        # Once more, by another register: the centre may sign on no longer.
        draft.names_nobody = 0
        draft.row.operator_ = 0
    if draft.centre_size > 0:
        centre = 0
        if register_pad(draft.centre_code, draft.centre_size, code, CODE_MAX):
            centre = register_find_participant(s, code)
        if draft.bound != 0 and centre != draft.bound:
            centre = 0
    if 0 < centre < s.group.participants_count:
        draft.row.debit = s.group.participants[centre].wallet
        draft.no_centre = (
            draft.row.debit == 0 or s.group.participants[centre].role != ROLE_CENTRE
            or not s.group.participants[centre].active
        )
        draft.no_operator = operators_is_missing(
            s, centre, draft.row.operator_, draft.row.participant
        )
        if draft.signed_on != 0 and draft.bound != 0 and s.group.participants[centre].signs_on:
            _payment_sign_on(s, draft, centre)


cdef void payment_fetch_centres(State* s, uint32_t first, uint32_t last) noexcept nogil:
    """Have the centres that messages name in the cache by the time they are looked up; at most
    PROBES_MAX drafts. Each has lines of its own in a table of thousands."""
    cdef uint32_t[PROBES_MAX] homes
    cdef uint8_t[CODE_MAX] code
    cdef const Draft* draft
    cdef uint32_t i
    cdef uint32_t count = 0
    native_assert(last - first <= <uint32_t>PROBES_MAX, b"payment_fetch_centres: room for all")
    for i in range(first, last):
        draft = &s.group.drafts[i]
        if draft.centre_size > 0 and register_pad(
            draft.centre_code, draft.centre_size, code, CODE_MAX
        ):
            homes[count] = register_participant_home(s, code)
            native_prefetch(&s.group.participant_slots[homes[count]])
            count += 1
    for i in range(count):
        register_fetch_participant(s, s.group.participant_slots[homes[i]])


cdef inline void _payment_take_back_spelling(Draft* draft) noexcept nogil:
    """Let a draft that is looked up again have its reference as it was sent."""
    if draft.respelled:
        memcpy(draft.row.reference, draft.sent, REFERENCE_SIZE)
    draft.respelled = 0
    draft.misspelled = 0


cdef void _payment_spell(Draft* draft, const Service* service) noexcept nogil:
    """Make a reference canonical before anything is asked of it. What was sent is kept: the
    id may have been given to just that."""
    native_assert(not draft.respelled, b"_payment_spell: the reference is as it was sent")
    memcpy(draft.sent, draft.row.reference, REFERENCE_SIZE)
    draft.misspelled = not references_canonical(service, draft.row.reference, True)
    draft.respelled = memcmp(draft.sent, draft.row.reference, REFERENCE_SIZE) != 0


cdef inline void _payment_take_claim(State* s, Draft* draft, int number) noexcept nogil:
    cdef Claim claim
    claims_fill(s, draft, number, &claim)
    keys_hash(s, &claim, &draft.keys[number].high, &draft.keys[number].low)
    draft.claims_taken |= <uint8_t>(1 << number)


cdef void _payment_take_claims(State* s, Draft* draft) noexcept nogil:
    """Note which claims a payment of a known service takes."""
    cdef const Row* row = &draft.row
    cdef const ServiceRecord* record = &s.group.services[row.service].record
    native_assert(
        0 < row.service and row.service < s.group.services_count and draft.claims_taken == 0,
        b"_payment_take_claims: once, of a service",
    )
    if record.duplicate_rule == DUPLICATE_ONCE:
        _payment_take_claim(s, draft, CLAIMS_BILL)
    if record.duplicate_rule == DUPLICATE_WITHIN or (
        record.price_rule == PRICE_BILL and draft.token_size != 0
    ):
        _payment_take_claim(s, draft, CLAIMS_REFERENCE)


cdef void payment_resolve(State* s, Draft* draft) noexcept nogil:
    """Look up what the payment names in the register as it is now; derive its claim.

    Decides nothing: its id may have an answer already.
    """
    cdef uint8_t[SERVICE_CODE_MAX] code
    cdef Row* row = &draft.row
    cdef const ServiceRecord* record
    cdef uint32_t head = fields_head(row)
    if draft.from_message:
        row.service = 0
        row.kind = KIND_PAY
        row.deadline = 0
        if register_pad(draft.service_code, draft.service_size, code, SERVICE_CODE_MAX):
            row.service = <uint16_t>register_find_service(s, code)
        _payment_find_centre(s, draft)
    else:
        row.service = draft.service
        draft.no_centre = (
            not 0 < row.debit < s.group.working.count
            or s.group.working.accounts[row.debit].kind != ACCOUNT_WALLET
        )
        draft.no_operator = not draft.no_centre and operators_is_missing(
            s, s.group.working.accounts[row.debit].participant, row.operator_, row.participant
        )
    native_assert(kinds_is_payment(row.kind), b"payment_resolve: a payment")
    native_assert(
        draft.no_centre or (0 < row.debit and row.debit < s.group.working.count),
        b"payment_resolve: who pays has a wallet",
    )
    payment_set_shape(draft)
    _payment_take_back_spelling(draft)
    draft.claims_taken = 0
    row.credit = 0
    if row.service == 0 or row.service >= s.group.services_count:
        row.service = 0
        return
    record = &s.group.services[row.service].record
    if draft.from_message and record.mode == MODE_CONFIRMED:
        row.kind = KIND_HOLD
        row.deadline = record.deadline_s
    if head < record.heads_count:
        row.credit = record.heads[head]
    if draft.shape == 0 and record.price_rule == PRICE_BILL:
        prices_note_bill(&s.group.services[row.service], draft)
    elif draft.shape == 0 and s.group.services[row.service].ruled:
        _payment_spell(draft, &s.group.services[row.service])
    _payment_take_claims(s, draft)


cdef inline int _payment_check_states(const Account* debit, const Account* credit) noexcept nogil:
    if debit.state == STATE_CLOSED:
        return RESULT_DEBIT_CLOSED
    if debit.state == STATE_FROZEN:
        return RESULT_DEBIT_FROZEN
    if credit.state == STATE_CLOSED:
        return RESULT_CREDIT_CLOSED
    if credit.state == STATE_FROZEN:
        return RESULT_CREDIT_FROZEN
    return RESULT_OK


cdef inline uint64_t payment_available(const Account* account) noexcept nogil:
    """What a credit account may still spend; reserved money is spent."""
    cdef uint64_t used = account.debits_posted + account.debits_pending
    return account.credits_posted - used if account.credits_posted > used else 0


cdef inline bint payment_overflows(
    uint64_t posted, uint64_t pending, uint64_t amount, uint64_t more
) noexcept nogil:
    cdef uint64_t total
    return (
        native_add_overflows(posted, pending, &total)
        or native_add_overflows(total, amount, &total)
        or native_add_overflows(total, more, &total)
    )


cdef int _payment_check_limits(State* s, const Draft* drafts, uint32_t index) noexcept nogil:
    """Limits, then funds, as if the payments before drafts[index] had been done."""
    cdef const Row* row = &drafts[index].row
    cdef const Account* wallet = &s.group.working.accounts[row.debit]
    cdef uint32_t day = keys_day(rows_time(s) + index)
    cdef uint64_t before = 0
    cdef uint64_t amount = 0
    cdef uint64_t count = 0
    cdef uint64_t available = payment_available(wallet)
    cdef uint32_t i
    if wallet.day == day:
        amount = wallet.day_amount
        count = wallet.day_count
    for i in range(index):
        before += drafts[i].row.amount
        # A basket may lie across midnight: each payment counts on its own day.
        if keys_day(rows_time(s) + i) == day:
            amount += drafts[i].row.amount
            count += 1
    if row.amount > wallet.payment_max:
        return RESULT_PAYMENT_AMOUNT_EXCEEDED
    if wallet.day_count_max != NO_COUNT_LIMIT and count + 1 > wallet.day_count_max:
        return RESULT_DAY_COUNT_EXCEEDED
    if wallet.day_amount_max != NO_AMOUNT_LIMIT and (
        amount > wallet.day_amount_max or row.amount > wallet.day_amount_max - amount
    ):
        return RESULT_DAY_AMOUNT_EXCEEDED
    if available < before or available - before < row.amount:
        return RESULT_INSUFFICIENT_FUNDS
    return RESULT_OK


cdef int payment_check(
    State* s, Draft* drafts, uint32_t index, int* result, uint64_t* other
) noexcept nogil:
    """Decide drafts[index], as if the ones before it had been done."""
    cdef Draft* draft = &drafts[index]
    cdef Row* row = &draft.row
    cdef const ServiceRecord* record
    cdef const Account* credit
    cdef uint64_t before_credit = 0
    cdef uint32_t i
    cdef int rc
    native_assert(draft.shape == 0, b"payment_check: of good shape")
    native_assert(
        0 < row.debit and row.debit < s.group.working.count, b"payment_check: a wallet pays"
    )
    other[0] = 0
    if row.service == 0:
        result[0] = RESULT_SERVICE_UNKNOWN
        return 0
    record = &s.group.services[row.service].record
    if not record.active:
        result[0] = RESULT_SERVICE_INACTIVE
        return 0
    if row.credit == 0:
        result[0] = RESULT_HEAD_UNKNOWN
        return 0
    if draft.misspelled:
        result[0] = RESULT_REFERENCE_WRONG
        return 0
    result[0] = prices_check(s, draft, rows_time(s) + index)
    if result[0] != RESULT_OK:
        return 0
    if record.key_rule == KEY_REFERENCE_PERIOD and not references_has_period(row.reference):
        result[0] = RESULT_PERIOD_MISSING
        return 0
    credit = &s.group.working.accounts[row.credit]
    result[0] = _payment_check_states(&s.group.working.accounts[row.debit], credit)
    if result[0] != RESULT_OK:
        return 0
    if not claims_check_basket_bill(s, drafts, index):
        result[0] = RESULT_BILL_ALREADY_CLAIMED
        return 0
    if draft.quoted:
        result[0] = draft.claim_result
        other[0] = draft.claim_other
        rc = 0
    else:
        rc = claims_check(s, draft, rows_time(s) + index, result, other)
    if rc != 0 or result[0] != RESULT_OK:
        return rc
    if not claims_check_basket_reference(s, drafts, index):
        result[0] = RESULT_PAID_RECENTLY
        return 0
    for i in range(index):
        if drafts[i].row.credit == row.credit:
            before_credit += drafts[i].row.amount
    result[0] = _payment_check_limits(s, drafts, index)
    if result[0] != RESULT_OK:
        return 0
    if payment_overflows(
        credit.credits_posted, credit.credits_pending, row.amount, before_credit
    ):
        result[0] = RESULT_OVERFLOWS
    native_assert(
        result[0] != RESULT_OK
        or row.amount <= payment_available(&s.group.working.accounts[row.debit]),
        b"payment_check: what is accepted is there",
    )
    return 0


cdef inline void payment_decide(Row* row, int result, uint64_t other) noexcept nogil:
    native_assert(0 < result and result < 256, b"payment_decide: a result")
    row.result = <uint8_t>result
    row.total = other


cdef int payment_record(State* s, Draft* draft) noexcept nogil:
    """Record a decided payment."""
    cdef Row* row = &draft.row
    cdef const ServiceRecord* record
    cdef uint8_t[FIXED_TAIL_SIZE + NOTE_MAX] tail
    cdef uint32_t size = prices_make_tail(s, draft, tail)
    native_assert(row.result != 0 and draft.shape == 0, b"payment_record: it is decided")
    native_assert(
        row.result != RESULT_OK or (row.debit != 0 and row.credit != 0 and row.service != 0),
        b"payment_record: what is accepted has a payer, a payee and a service",
    )
    if draft.stated:
        row.flags |= ROW_STATED
    if row.result == RESULT_OK:
        record = &s.group.services[row.service].record
        if draft.claims_taken >> CLAIMS_BILL & 1:
            row.flags |= ROW_CLAIM
        if draft.claims_taken >> CLAIMS_REFERENCE & 1:
            row.flags |= ROW_RECENT
        row.flags |= prices_flags(s, draft)
        if kinds_is_final(row.kind):
            if record.mode == MODE_CONFIRMED:
                row.flags |= ROW_AS_DIRECT
        elif draft.keeps or register_keeps(s, record):
            row.flags |= ROW_KEEP
    return rows_record(s, row, NULL, tail, size, draft.keys)


# --- baskets -----------------------------------------------------------------------------

cdef bint payment_basket_is_formed(const Draft* drafts, uint32_t count) noexcept nogil:
    """2 to 16 payments, no id twice, each of good shape; whatever the state."""
    cdef uint32_t i, j
    if not BASKET_MIN <= count <= BASKET_MAX:
        return False
    for i in range(count):
        if not kinds_is_payment(drafts[i].row.kind):
            return False
        if drafts[i].shape != 0:
            return False
        for j in range(i):
            if memcmp(drafts[i].row.id, drafts[j].row.id, 16) == 0:
                return False
    return True


cdef bint _payment_basket_is_one(const int* results, uint32_t count) noexcept nogil:
    """Whether all or none of a basket's payments are accepted. For asserts."""
    cdef uint32_t i
    if not SWITCH_ASSERT:
        return True
    for i in range(count):
        if (results[i] == RESULT_OK) != (results[0] == RESULT_OK):
            return False
    return True


cdef bint payment_basket_is_whole(State* s, const Draft* drafts, uint32_t count) noexcept nogil:
    """Of one wallet to one biller, as the register is now."""
    cdef uint32_t biller = 0
    cdef uint32_t i, service
    for i in range(count):
        if drafts[i].row.debit != drafts[0].row.debit:
            return False
        service = drafts[i].row.service
        if service != 0:
            if biller != 0 and s.group.services[service].record.biller != biller:
                return False
            biller = s.group.services[service].record.biller
    return True


cdef bint payment_basket_has_one_kind(const Draft* drafts, uint32_t count) noexcept nogil:
    """Whether all pay at once or all hold, as far as the services are known; row templates
    for as long."""
    cdef int kind = 0
    cdef uint32_t i
    for i in range(count):
        if not drafts[i].from_message and drafts[i].row.deadline != drafts[0].row.deadline:
            return False
        if drafts[i].row.service == 0:
            continue
        if kind != 0 and drafts[i].row.kind != kind:
            return False
        kind = drafts[i].row.kind
    return True


cdef void payment_basket_join_deadlines(State* s, Draft* drafts, uint32_t count) noexcept nogil:
    """A basket ends as a whole: with the first deadline of its services, and kept if one
    of them keeps its holds."""
    cdef uint32_t first = 0
    cdef uint32_t i
    cdef uint8_t keeps = 0
    for i in range(count):
        if drafts[i].row.kind != KIND_HOLD:
            continue
        if first == 0 or drafts[i].row.deadline < first:
            first = drafts[i].row.deadline
        if register_keeps(s, &s.group.services[drafts[i].row.service].record):
            keeps = 1
    for i in range(count):
        drafts[i].keeps = keeps
        if drafts[i].row.kind == KIND_HOLD:
            drafts[i].row.deadline = first


cdef int payment_basket(
    State* s, Draft* drafts, uint32_t count, const uint8_t* known, int* results,
    uint64_t* others
) noexcept nogil:
    """Decide a basket: the first that fails has its reason, the rest fail with it.

    `known[i]` marks ids that have an answer already; with some of them known and some
    not, nothing new is done.
    """
    cdef uint32_t failed = count
    cdef uint32_t i
    cdef bint partly = False
    cdef int rc
    native_assert(payment_basket_is_formed(drafts, count), b"payment_basket: of good shape")
    for i in range(count):
        partly = partly or known[i]
    for i in range(count):
        others[i] = 0
        results[i] = RESULT_BASKET_FAILED
    if partly:
        return 0
    for i in range(count):
        rc = payment_check(s, drafts, i, &results[i], &others[i])
        if rc != 0:
            return rc
        if results[i] != RESULT_OK:
            failed = i
            break
    if failed < count:
        for i in range(count):
            if i != failed:
                results[i] = RESULT_BASKET_FAILED
                others[i] = 0
    native_assert(
        _payment_basket_is_one(results, count), b"payment_basket: all is accepted, or nothing"
    )
    return 0
