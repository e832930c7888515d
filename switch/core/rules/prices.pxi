# Prices: who is believed about an amount, what is recorded of it, and what is refused.
#
# By tariff it is the register, by bill the biller in its quotation, else the citizen within
# bounds. What the row must keep of it is the first part of its tail.

cdef inline const ServiceRecord* _prices_record(State* s, const Draft* draft) noexcept nogil:
    return &s.group.services[draft.row.service].record


cdef inline bint prices_has_tail(int price_rule) noexcept nogil:
    """Whether a payment's tail begins with a fixed part of FIXED_TAIL_SIZE."""
    return price_rule == PRICE_BILL or price_rule == PRICE_TARIFF


# --- bills ----------------------------------------------------------------------------------

cdef void _prices_note_quoted(const Service* service, Draft* draft) noexcept nogil:
    """What a bill's row is by its quotation, whether that is right or not: it is asked later.

    The row's reference becomes the bill's; what was sent is kept."""
    cdef BillTail* tail = <BillTail*>draft.fixed
    cdef Quotation quotation
    native_assert(
        draft.token_size == sizeof(Quotation), b"_prices_note_quoted: a whole quotation"
    )
    memcpy(&quotation, draft.token, sizeof(Quotation))
    draft.misspelled = not references_canonical(service, draft.row.reference, False)
    memcpy(tail.reference, draft.row.reference, REFERENCE_SIZE)
    tail.amount_due = quotation.amount_due
    tail.fetched = quotation.fetched
    tail.period = quotation.period
    tail.due_day = 0
    if quotation.due_time != 0 and keys_day(quotation.due_time) <= 0xFFFF:
        tail.due_day = <uint16_t>keys_day(quotation.due_time)
    tail.amount_rule = quotation.amount_rule
    if service.record.key_rule == KEY_BILL_ID:
        memcpy(draft.row.reference, quotation.bill, REFERENCE_SIZE)
    elif service.record.key_rule == KEY_REFERENCE_PERIOD:
        if not references_put_period(draft.row.reference, quotation.period):
            draft.misspelled = 1


cdef void _prices_note_stated(const Service* service, Draft* draft) noexcept nogil:
    """What a bill's row is by what its sender states."""
    cdef BillTail* tail = <BillTail*>draft.fixed
    draft.misspelled = not references_canonical(service, draft.row.reference, True)
    memcpy(tail.reference, draft.row.reference, REFERENCE_SIZE)
    tail.amount_due = draft.row.total
    tail.fetched = 0
    tail.period = 0
    if service.record.key_rule == KEY_REFERENCE_PERIOD:
        tail.period = references_cut_period(tail.reference)
    tail.due_day = 0
    tail.amount_rule = service.record.amount_rule


cdef void prices_note_bill(const Service* service, Draft* draft) noexcept nogil:
    """Prepare the payment of a bill: its row's reference, and the fixed part of its tail."""
    native_assert(not draft.respelled, b"prices_note_bill: the reference is as it was sent")
    memcpy(draft.sent, draft.row.reference, REFERENCE_SIZE)
    draft.respelled = 1
    memset(draft.fixed, 0, FIXED_TAIL_SIZE)
    (<BillTail*>draft.fixed).form = TAIL_BILL
    if draft.token_size == sizeof(Quotation):
        _prices_note_quoted(service, draft)
    else:
        _prices_note_stated(service, draft)


cdef int _prices_open(State* s, Draft* draft, uint64_t time, Quotation* quotation) noexcept nogil:
    """Whether the quotation is this payment's, by a row of the time `time`."""
    cdef const ServiceRecord* record = _prices_record(s, draft)
    cdef const BillTail* tail = <const BillTail*>draft.fixed
    cdef int opened = quotation_open(
        s.shared.token_keys, draft.token, draft.token_size, time, quotation
    )
    if opened == OPENED_WRONG or draft.misspelled:
        return RESULT_QUOTATION_WRONG
    if (
        quotation.centre != s.group.working.accounts[draft.row.debit].participant
        or quotation.service != draft.row.service
        or quotation.series != s.group.working.fixed[draft.row.service].series
        or quotation.head != fields_head(&draft.row)
        or memcmp(quotation.reference, tail.reference, REFERENCE_SIZE) != 0
        or (record.key_rule == KEY_BILL_ID and quotation.bill[0] == 0)
        or (record.key_rule == KEY_REFERENCE_PERIOD and quotation.period == 0)
    ):
        return RESULT_QUOTATION_WRONG
    return RESULT_OK if opened == OPENED_RIGHT else RESULT_QUOTATION_EXPIRED


cdef int _prices_believe_quotation(
    State* s, Draft* draft, uint64_t time, int* result
) noexcept nogil:
    """Whether a bill's quotation is to be believed; what is in the way of its claims."""
    cdef Quotation quotation
    cdef int claim_result = RESULT_OK
    cdef uint64_t renewed
    cdef int rc
    native_assert(
        _prices_record(s, draft).price_rule == PRICE_BILL and draft.respelled,
        b"_prices_believe_quotation: its bill is noted",
    )
    result[0] = _prices_open(s, draft, time, &quotation)
    if result[0] != RESULT_OK:
        return 0
    rc = bills_renewed(s, draft.row.service, &renewed)
    if rc != 0:
        return rc
    if renewed >= quotation.fetched and not native_planted(b"files_expire_quotations"):
        result[0] = RESULT_QUOTATION_EXPIRED
        return 0
    draft.quoted = 1
    draft.claim_other = 0
    rc = claims_check(s, draft, time, &claim_result, &draft.claim_other)
    draft.claim_result = <uint8_t>claim_result
    if claim_result == RESULT_QUOTATION_EXPIRED:
        result[0] = claim_result
    return rc


cdef int _prices_check_addition(State* s, const Draft* draft, int* result) noexcept nogil:
    """Whether what a payment is in addition to is a payment of the same reference, and its
    sender was told of it. Row templates come from within."""
    cdef const ServiceRecord* record = _prices_record(s, draft)
    cdef uint32_t centre = s.group.working.accounts[draft.row.debit].participant
    cdef Row first
    cdef bint found
    cdef int rc
    result[0] = RESULT_ADDITION_WRONG
    if record.price_rule != PRICE_OPEN or record.duplicate_rule != DUPLICATE_WITHIN:
        return 0
    if draft.from_message and not quotation_is_handle(
        s.shared.token_keys, centre, draft.handle, draft.handle_size
    ):
        return 0
    rc = rows_find_accepted(s, draft.row.resolves, &first, &found)
    if (
        rc == 0 and found and kinds_is_payment(first.kind)
        and first.service == draft.row.service
        and memcmp(first.reference, draft.row.reference, REFERENCE_SIZE) == 0
    ):
        result[0] = RESULT_OK
    return rc


cdef int prices_believe(State* s, Draft* draft, uint64_t time, int* result) noexcept nogil:
    """Whether what a new payment brings with it is to be believed: a quotation, a handle.
    If not, that is its result and it has no row."""
    cdef const ServiceRecord* record = _prices_record(s, draft)
    cdef int rc
    result[0] = RESULT_OK
    draft.quoted = 0
    draft.stated = 0
    if draft.row.service == 0:
        return 0
    if record.price_rule != PRICE_BILL and draft.token_size != 0:
        result[0] = RESULT_QUOTATION_WRONG
        return 0
    if record.price_rule == PRICE_BILL and draft.token_size != 0:
        rc = _prices_believe_quotation(s, draft, time, result)
        if rc != 0 or result[0] != RESULT_OK:
            return rc
    elif record.price_rule == PRICE_BILL or record.price_rule == PRICE_STATED:
        draft.stated = s.group.participants[draft.row.participant].may_state_dues
        if not draft.stated:
            result[0] = RESULT_QUOTATION_NEEDED
            return 0
    native_assert(
        not (draft.quoted and draft.stated), b"prices_believe: one of them says what is due"
    )
    if draft.row.resolves != 0 or draft.handle_size != 0:
        return _prices_check_addition(s, draft, result)
    return 0


# --- amounts --------------------------------------------------------------------------------

cdef int _prices_check_rule(int amount_rule, uint64_t amount, uint64_t due) noexcept nogil:
    if amount_rule == AMOUNT_MIN_MAX or amount_rule == AMOUNT_ANY:
        return RESULT_OK
    if due == 0:
        return RESULT_AMOUNT_NOT_EXACT
    if amount_rule == AMOUNT_EXACT and amount != due:
        return RESULT_AMOUNT_NOT_EXACT
    if amount_rule == AMOUNT_EXACT_AND_ABOVE and amount < due:
        return RESULT_AMOUNT_NOT_EXACT
    if amount_rule == AMOUNT_EXACT_AND_BELOW and amount > due:
        return RESULT_AMOUNT_NOT_EXACT
    return RESULT_OK


cdef uint64_t _prices_fee(const Service* service, const uint8_t* code, uint32_t day) noexcept nogil:
    """What one of an item costs on an IST day, 0 if the tariff does not say."""
    cdef uint64_t fee = 0
    cdef uint32_t i
    # Items are in the order of code and day: the last that fits counts.
    for i in range(service.record.items_count):
        if memcmp(service.items[i].code, code, 8) == 0 and service.items[i].valid_from <= day:
            fee = service.items[i].fee
    return fee


cdef int _prices_check_items(
    const Service* service, const Draft* draft, uint64_t time
) noexcept nogil:
    """The items that a payment names, by the tariff of its day."""
    cdef const TariffTail* tail = <const TariffTail*>draft.fixed
    cdef uint32_t day = keys_day(time)
    cdef uint64_t left = draft.row.amount
    cdef bint less = False
    cdef uint64_t fee
    cdef uint32_t i
    if service.record.price_rule != PRICE_TARIFF:
        return RESULT_ITEM_UNKNOWN if draft.items_count > 0 else RESULT_OK
    if draft.items_count == 0:
        return RESULT_ITEM_UNKNOWN
    native_assert(draft.items_count <= ITEMS_MAX, b"_prices_check_items: they have room")
    for i in range(draft.items_count):
        native_assert(tail.items[i].count > 0, b"_prices_check_items: one of it, or more")
        fee = _prices_fee(service, tail.items[i].code, day)
        if fee == 0:
            return RESULT_ITEM_UNKNOWN
        # A fee is at most 10^18 and a count 9,999: divided, so that nothing overflows.
        if less or left // tail.items[i].count < fee:
            less = True
        else:
            left -= fee * tail.items[i].count
    return RESULT_FEE_CHANGED if less or left != 0 else RESULT_OK


cdef int prices_check(State* s, const Draft* draft, uint64_t time) noexcept nogil:
    """Whether the amount is the service's. `total` of a requested row is the amount due."""
    cdef const ServiceRecord* record = _prices_record(s, draft)
    cdef const BillTail* bill = <const BillTail*>draft.fixed
    cdef const Row* row = &draft.row
    cdef int result = RESULT_OK
    native_assert(
        0 < row.amount and row.amount <= AMOUNT_MAX, b"prices_check: an amount of good shape"
    )
    if row.amount < record.amount_min:
        return RESULT_AMOUNT_BELOW_MINIMUM
    if record.amount_max != 0 and row.amount > record.amount_max:
        return RESULT_AMOUNT_ABOVE_MAXIMUM
    if record.amount_step != 0 and row.amount % record.amount_step != 0:
        return RESULT_AMOUNT_STEP_WRONG
    if record.price_rule == PRICE_BILL:
        result = _prices_check_rule(bill.amount_rule, row.amount, bill.amount_due)
    elif record.price_rule == PRICE_STATED:
        result = _prices_check_rule(record.amount_rule, row.amount, row.total)
    if result != RESULT_OK:
        return result
    return _prices_check_items(&s.group.services[row.service], draft, time)


# --- the row --------------------------------------------------------------------------------

cdef uint16_t prices_flags(State* s, const Draft* draft) noexcept nogil:
    """Flags of an accepted payment that its price decides."""
    cdef const ServiceRecord* record = _prices_record(s, draft)
    if (
        record.price_rule == PRICE_BILL and draft.row.kind == KIND_HOLD
        and draft.claims_taken >> CLAIMS_BILL & 1
        and (<const BillTail*>draft.fixed).amount_rule == AMOUNT_EXACT_AND_BELOW
    ):
        return ROW_PARTIAL
    return 0


cdef uint32_t prices_make_tail(State* s, const Draft* draft, uint8_t* tail) noexcept nogil:
    """The tail of a payment's row: the fixed part, if its service has one, and the note. At
    most FIXED_TAIL_SIZE + NOTE_MAX bytes; gives how many."""
    cdef uint32_t size = 0
    if draft.row.service != 0 and prices_has_tail(_prices_record(s, draft).price_rule):
        memcpy(tail, draft.fixed, FIXED_TAIL_SIZE)
        size = FIXED_TAIL_SIZE
        if _prices_record(s, draft).price_rule == PRICE_TARIFF:
            (<TariffTail*>tail).items_count = draft.items_count
            (<TariffTail*>tail).form = TAIL_TARIFF
    native_assert(draft.tail_size <= NOTE_MAX, b"prices_make_tail: a note has its bound")
    if draft.tail_size > 0:
        memcpy(tail + size, draft.tail, draft.tail_size)
    return size + draft.tail_size
