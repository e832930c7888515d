# Deciding what is neither a payment nor a hold's end: refunds, the treasury's moves,
# windows, the register.
#
# Same rules as for payments: refuse in the documented order, change nothing on the way.

cdef inline bint treasury_knows(const State* s, uint32_t account) noexcept nogil:
    return 0 < account < s.group.working.count


cdef bint _treasury_is_short(const Account* account, uint64_t amount) noexcept nogil:
    """Only a float may be overdrawn, at its opening a bank's account, and by a recall what is in
    transit, from which the bank may have debited what nothing explains."""
    return (
        account.kind != ACCOUNT_FLOAT and account.kind != ACCOUNT_BANK
        and account.kind != ACCOUNT_BANK_TRANSIT and payment_available(account) < amount
    )


cdef bint treasury_overflows(State* s, const Row* row) noexcept nogil:
    cdef const Account* debit = &s.group.working.accounts[row.debit]
    cdef const Account* credit = &s.group.working.accounts[row.credit]
    return payment_overflows(
        debit.debits_posted, debit.debits_pending, row.amount, 0
    ) or payment_overflows(credit.credits_posted, credit.credits_pending, row.amount, 0)


cdef int treasury_refund(State* s, Row* row, int* result) noexcept nogil:
    cdef Row payment, last, root
    cdef uint64_t link
    cdef uint64_t refunded = 0
    cdef uint16_t kept = (
        ROW_HEAD_MASK | ROW_TENDER_MASK | ROW_CLAIM | ROW_RECENT | ROW_STATED | ROW_PARTIAL
    )
    cdef int rc
    # An accepted pay or post, or there were no proposal of it.
    rc = rows_get(s, row.resolves, &payment)
    if rc != 0:
        return rc
    native_assert(
        payment.result == RESULT_OK and kinds_is_final(payment.kind),
        b"treasury_refund: of what was paid",
    )
    row.debit = payment.credit
    row.credit = payment.debit
    row.service = payment.service
    row.flags = payment.flags & kept
    memcpy(row.reference, payment.reference, REFERENCE_SIZE)
    if s.group.working.accounts[row.debit].state == STATE_CLOSED:
        result[0] = RESULT_DEBIT_CLOSED
        return 0
    if s.group.working.accounts[row.credit].state == STATE_CLOSED:
        result[0] = RESULT_CREDIT_CLOSED
        return 0
    rc = rows_find_link(s, row.resolves, 0, &link)
    if rc == 0 and link != 0:
        rc = rows_get(s, link, &last)
        refunded = last.total
    if rc != 0:
        return rc
    native_assert(
        refunded <= payment.amount, b"treasury_refund: no more was given back than paid"
    )
    if row.amount > payment.amount - refunded:
        result[0] = RESULT_EXCEEDS_PAYMENT
        return 0
    if treasury_overflows(s, row):
        result[0] = RESULT_OVERFLOWS
        return 0
    result[0] = RESULT_OK
    row.total = refunded + row.amount
    if row.total < payment.amount:
        return 0
    # `root` is the row that took the claim: the hold, if there was one.
    rc = rows_root(s, row, NULL, &root)
    return claims_release(s, row, &root) if rc == 0 else rc


cdef int treasury_top_up(State* s, Row* row, int* result, uint64_t* other) noexcept nogil:
    cdef Claim claim
    cdef uint64_t value
    cdef int rc
    if not treasury_knows(s, row.debit) or not treasury_knows(s, row.credit):
        result[0] = RESULT_ACCOUNT_UNKNOWN
        return 0
    if (
        s.group.working.accounts[row.debit].kind != ACCOUNT_FLOAT
        or s.group.working.accounts[row.credit].kind != ACCOUNT_WALLET
    ):
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    if s.group.working.accounts[row.credit].state == STATE_CLOSED:
        result[0] = RESULT_CREDIT_CLOSED
        return 0
    keys_claim_of(&s.group.working, row, &claim)
    rc = claims_find(s, &claim, &value)
    if rc == 0:
        result[0] = RESULT_UTR_ALREADY_CREDITED
        other[0] = value >> 1
        return 0
    if rc != MDB_NOTFOUND:
        return rc
    row.flags |= ROW_CLAIM
    result[0] = RESULT_OVERFLOWS if treasury_overflows(s, row) else RESULT_OK
    return 0


cdef bint _treasury_is_opening(const State* s, uint32_t bank, uint32_t float_) noexcept nogil:
    """Whether a transfer between these is what a bank account of the register begins with."""
    cdef const Account* image = &s.group.working.accounts[bank]
    return (
        image.kind == ACCOUNT_BANK
        and keys_kind(&s.group.working, float_) == ACCOUNT_FLOAT
        and banks_find_place(s, image.participant, image.purpose) != 0
        and (
            image.debits_pending | image.debits_posted
            | image.credits_pending | image.credits_posted
        ) == 0
    )


cdef bint _treasury_may_move(const State* s, const Row* row) noexcept nogil:
    """Whether a transfer leaves a bank's three accounts alone, ends an open item, or is a
    payout, its recall, or an opening. What a bank has booked is moved by booked rows alone."""
    cdef uint8_t debit = keys_kind(&s.group.working, row.debit)
    cdef uint8_t credit = keys_kind(&s.group.working, row.credit)
    if debit < ACCOUNT_BANK and credit < ACCOUNT_BANK:
        return True
    if row.resolves != 0:
        return keys_is_of_bank(&s.group.working, row)
    return (
        (debit == ACCOUNT_SETTLEMENT and credit == ACCOUNT_BANK_TRANSIT)
        or _treasury_is_opening(s, row.debit, row.credit)
        or _treasury_is_opening(s, row.credit, row.debit)
    )


cdef int treasury_transfer(State* s, const Row* row) noexcept nogil:
    cdef const Account* debit
    if not treasury_knows(s, row.debit) or not treasury_knows(s, row.credit):
        return RESULT_ACCOUNT_UNKNOWN
    if row.debit == row.credit:
        return RESULT_ACCOUNTS_MUST_DIFFER
    if not _treasury_may_move(s, row):
        return RESULT_ACCOUNT_KIND_WRONG
    debit = &s.group.working.accounts[row.debit]
    if debit.state == STATE_CLOSED:
        return RESULT_DEBIT_CLOSED
    if s.group.working.accounts[row.credit].state == STATE_CLOSED:
        return RESULT_CREDIT_CLOSED
    if not row.flags & ROW_OWED and _treasury_is_short(debit, row.amount) and not (
        # As a refund: what a biller has not got by now it owes.
        row.resolves != 0 and keys_transfer(&s.group.working, row) == LINK_UNDOING
    ):
        return RESULT_INSUFFICIENT_FUNDS
    return RESULT_OVERFLOWS if treasury_overflows(s, row) else RESULT_OK


cdef bint _treasury_lines_ascend(const State* s) noexcept nogil:
    """Whether the lines at hand are in the order of their accounts. For asserts."""
    cdef uint32_t i
    if not SWITCH_ASSERT:
        return True
    for i in range(1, s.group.lines_count):
        if s.group.lines[i - 1].account >= s.group.lines[i].account:
            return False
    return True


cdef int _treasury_get_lines(State* s, uint64_t window) noexcept nogil:
    """Have a window's lines at hand: those of one are read and verified once in a group."""
    cdef const uint8_t* tail
    cdef uint32_t size
    cdef int rc
    if s.group.lines_window == window:
        return 0
    s.group.lines_window = 0
    rc = rows_get_tail(s, window, &tail, &size)
    if rc != 0:
        return rc
    s.group.lines = <const WindowLine*>tail
    s.group.lines_count = effect_lines(size)
    s.group.lines_window = window
    native_assert(_treasury_lines_ascend(s), b"_treasury_get_lines: by account, none twice")
    return 0


cdef const WindowLine* _treasury_find_line(const State* s, uint32_t account) noexcept nogil:
    """The line of an account, or NULL: a window lists its accounts in ascending order."""
    cdef uint32_t low = 0
    cdef uint32_t high = s.group.lines_count
    cdef uint32_t middle
    while low < high:
        middle = low + (high - low) // 2
        if s.group.lines[middle].account < account:
            low = middle + 1
        else:
            high = middle
    if low < s.group.lines_count and s.group.lines[low].account == account:
        return &s.group.lines[low]
    return NULL


cdef int treasury_settle(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    cdef Row window
    cdef const WindowLine* line
    cdef uint64_t payable
    cdef int rc
    result[0] = RESULT_WINDOW_NOT_FOUND
    if row.resolves == 0 or row.resolves >= s.group.first + s.group.rows_count:
        return 0
    rc = rows_get(s, row.resolves, &window)
    if rc != 0:
        return rc
    if window.kind != KIND_WINDOW or window.result != RESULT_OK:
        return 0
    if not treasury_knows(s, row.debit) or not treasury_knows(s, row.credit):
        result[0] = RESULT_ACCOUNT_UNKNOWN
        return 0
    if (
        s.group.working.accounts[row.debit].kind != ACCOUNT_BILLER
        or s.group.working.accounts[row.credit].kind != ACCOUNT_SETTLEMENT
    ):
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    rc = rows_find_link(s, row.resolves, <uint64_t>row.debit + 1, other)
    if rc != 0:
        return rc
    if other[0] != 0:
        result[0] = RESULT_ALREADY_SETTLED
        return 0
    rc = _treasury_get_lines(s, row.resolves)
    if rc != 0:
        return rc
    line = _treasury_find_line(s, row.debit)
    payable = line.payable if line != NULL else 0
    if payable == 0 or payable != row.amount:
        result[0] = RESULT_NET_DIFFERS
    elif _treasury_is_short(&s.group.working.accounts[row.debit], row.amount):
        result[0] = RESULT_INSUFFICIENT_FUNDS
    elif treasury_overflows(s, row):
        result[0] = RESULT_OVERFLOWS
    else:
        result[0] = RESULT_OK
    return 0


cdef int treasury_open(
    State* s, Row* row, const AccountRecord* record, uint64_t* other
) noexcept nogil:
    cdef uint32_t existing
    row.debit = 0
    if record.participant == 0 or record.participant >= s.group.participants_count:
        return RESULT_PARTICIPANT_UNKNOWN
    existing = register_find_account(s, record.participant, record.purpose)
    if existing != 0:
        other[0] = s.group.working.accounts[existing].opened
        return RESULT_ACCOUNT_EXISTS
    if s.group.working.count >= ACCOUNTS_MAX or (
        record.kind == ACCOUNT_BILLER and s.group.biller_accounts_count >= BILLER_ACCOUNTS_MAX
    ):
        return RESULT_TABLE_FULL
    native_assert(s.group.working.count > 0, b"treasury_open: 0 is nobody's")
    row.debit = s.group.working.count
    return RESULT_OK


cdef bint _treasury_has_series(
    State* s, const ServiceRecord* record, uint32_t existing
) noexcept nogil:
    """Whether a service may share the series that it names: another service's of its biller,
    which has it for itself."""
    cdef const ServiceRecord* other = &s.group.services[record.series].record
    return (
        record.series < s.group.services_count and record.series != existing
        and other.biller == record.biller and other.series == 0
    )


cdef int _treasury_note(
    State* s, Row* row, const uint8_t* tail, uint32_t* existing
) noexcept nogil:
    """The same of a revocation, a confirmation, pins or a budget."""
    cdef uint32_t participant = (<const RevocationRecord*>tail).participant
    cdef uint32_t revocation = (<const ConfirmationRecord*>tail).revocation
    cdef const NotedTable* revocations = &s.group.noted[RECORD_REVOCATION]
    cdef uint32_t count = s.group.noted[tail[0]].count
    if tail[0] == RECORD_CONFIRMATION:
        if revocation >= revocations.count:
            return RESULT_PROPOSAL_NOT_FOUND
        if revocations.at[revocation].sender == row.participant and (
            not people_are(s) or revocations.at[revocation].operator_ == row.operator_
        ):
            return RESULT_SAME_PERSON
        if revocations.at[revocation].confirmed:
            return RESULT_ALREADY_APPROVED
        native_assert(
            s.group.participants[revocations.at[revocation].participant].unconfirmed > 0,
            b"_treasury_note: what nobody has confirmed is counted",
        )
    elif participant >= s.group.participants_count:
        return RESULT_PARTICIPANT_UNKNOWN
    elif tail[0] == RECORD_REVOCATION:
        if register_is_last(s, participant):
            return RESULT_LAST_TREASURIES
    elif tail[0] == RECORD_PINS:
        if s.group.participants[participant].role == ROLE_TREASURY and (
            row.participant != participant
        ):
            # By keys that nobody has it would be put out for ever.
            return RESULT_LAST_TREASURIES
        existing[0] = s.group.participants[participant].pins
    else:
        existing[0] = register_find_budget(
            s, participant, (<const BudgetRecord*>tail).budget
        )
    if existing[0] == 0 and count >= NOTED_MAX:
        return RESULT_TABLE_FULL
    native_assert(
        existing[0] < count and count > 0, b"_treasury_note: one that is there, or the next"
    )
    row.debit = existing[0] if existing[0] != 0 else count
    return RESULT_OK


cdef int _treasury_person(
    State* s, Row* row, const PersonRecord* record, uint32_t* existing
) noexcept nogil:
    """The same of a person."""
    if record.participant >= s.group.participants_count:
        return RESULT_PARTICIPANT_UNKNOWN
    if record.bank >= s.group.banks_count and record.bank != 0:
        return RESULT_ACCOUNT_UNKNOWN
    existing[0] = people_find(s, record.participant, record.number)
    if people_has_key(s, record.key, existing[0]) or operators_has_key(s, record.key, 0):
        return RESULT_SAME_PERSON
    if s.group.people_count <= 2 and not (
        people_begin(s) and record.active and record.role == PERSON_CHECKER
    ):
        # Nobody could propose the second one, or whatever is to come.
        return RESULT_RULE_FIXED
    if record.role == PERSON_RECOVERER and (
        s.group.participants[record.participant].role != ROLE_AUDITOR
    ):
        return RESULT_RULE_FIXED
    if existing[0] != 0 and people_are_too_few(
        s, existing[0], 0, people_would_approve(s, record)
    ):
        return RESULT_LAST_TREASURIES
    if existing[0] == 0 and s.group.people_count >= PEOPLE_MAX:
        return RESULT_TABLE_FULL
    row.debit = existing[0] if existing[0] != 0 else s.group.people_count
    return RESULT_OK


cdef int _treasury_bank(
    State* s, Row* row, const BankAccountRecord* record, uint32_t* existing
) noexcept nogil:
    """The same of a bank account, whose three accounts in the ledger are there."""
    cdef const Account* image
    cdef bint moved = False
    cdef uint32_t index
    cdef uint32_t i
    if record.participant >= s.group.participants_count:
        return RESULT_PARTICIPANT_UNKNOWN
    for i in range(3):
        index = register_find_account(s, record.participant, <uint16_t>(record.purpose + i))
        image = &s.group.working.accounts[index]
        if image.kind != ACCOUNT_BANK + i:
            return RESULT_ACCOUNT_UNKNOWN
        moved = moved or (
            image.debits_pending | image.debits_posted
            | image.credits_pending | image.credits_posted
        ) != 0
    existing[0] = banks_find(s, record.account)
    if existing[0] != banks_find_place(s, record.participant, record.purpose):
        return RESULT_RULE_FIXED
    if existing[0] == 0 and moved:
        return RESULT_BALANCE_NOT_ZERO
    if existing[0] == 0 and s.group.banks_count >= BANK_ACCOUNTS_MAX:
        return RESULT_TABLE_FULL
    row.debit = existing[0] if existing[0] != 0 else s.group.banks_count
    return RESULT_OK


cdef int _treasury_beneficiary(
    State* s, Row* row, const BeneficiaryRecord* record, uint32_t* existing
) noexcept nogil:
    """The same of a beneficiary."""
    if not treasury_knows(s, record.account):
        return RESULT_ACCOUNT_UNKNOWN
    if s.group.working.accounts[record.account].kind != ACCOUNT_BILLER:
        return RESULT_ACCOUNT_KIND_WRONG
    existing[0] = beneficiaries_find(s, record.account)
    if existing[0] == 0 and s.group.beneficiaries_count >= BENEFICIARIES_MAX:
        return RESULT_TABLE_FULL
    row.debit = existing[0] if existing[0] != 0 else s.group.beneficiaries_count
    return RESULT_OK


cdef bint _treasury_limit_is_valid(const LimitRecord* limit, uint32_t size) noexcept nogil:
    """A record is as long as its form says, or longer; JSON may follow."""
    if size < LIMIT_DAY_SIZE or not keys_is_zero(limit.reserved, 3):
        return False
    if limit.form == LIMIT_LOW:
        return size >= sizeof(LimitRecord) and limit.low_balance <= AMOUNT_MAX
    return limit.form == LIMIT_DAY or (
        limit.form == LIMIT_PAYMENT and size >= <uint32_t>LIMIT_PAYMENT_SIZE
    )


cdef bint treasury_record_is_valid(
    int kind, const uint8_t* tail, uint32_t size
) noexcept nogil:
    """The fixed record that opens the tail of an open, limit or register row."""
    cdef const AccountRecord* account = <const AccountRecord*>tail
    if kind == KIND_OPEN:
        return (
            size >= sizeof(AccountRecord)
            and ACCOUNT_WALLET <= account.kind <= ACCOUNT_BANK_TRANSIT
            and keys_is_zero(account.reserved, 25)
        )
    elif kind == KIND_LIMIT:
        return _treasury_limit_is_valid(<const LimitRecord*>tail, size)
    return register_record_is_valid(tail, size)


cdef int treasury_register(State* s, Row* row, const uint8_t* tail) noexcept nogil:
    """Choose the index: the one this code has, or the next."""
    cdef const ServiceRecord* record = <const ServiceRecord*>tail
    cdef const Account* account
    cdef uint32_t existing = 0
    cdef uint32_t i
    cdef int result
    row.debit = 0
    if tail[0] == RECORD_CLOCK:
        return RESULT_OK
    if RECORD_REVOCATION <= tail[0] <= RECORD_BUDGET:
        result = _treasury_note(s, row, tail, &existing)
        if result != RESULT_OK:
            return result
    elif tail[0] == RECORD_RULES:
        native_assert(
            s.group.working.rules <= (<const RulesRecord*>tail).version,
            b"treasury_register: rules do not go back",
        )
        row.debit = 1
        existing = s.group.working.rules
    elif tail[0] == RECORD_THRESHOLDS:
        row.debit = 1
        existing = s.group.thresholds.sequence != 0
    elif tail[0] == RECORD_SCHEDULE:
        row.debit = 1
        existing = s.group.schedule.sequence != 0
    elif tail[0] == RECORD_PERSON:
        result = _treasury_person(s, row, <const PersonRecord*>tail, &existing)
        if result != RESULT_OK:
            return result
    elif tail[0] == RECORD_BANK_ACCOUNT:
        result = _treasury_bank(s, row, <const BankAccountRecord*>tail, &existing)
        if result != RESULT_OK:
            return result
    elif tail[0] == RECORD_BENEFICIARY:
        result = _treasury_beneficiary(s, row, <const BeneficiaryRecord*>tail, &existing)
        if result != RESULT_OK:
            return result
    elif tail[0] == RECORD_OPERATOR:
        result = operators_decide(s, row, <const OperatorRecord*>tail, &existing)
        if result != RESULT_OK:
            return result
    elif tail[0] == RECORD_PARTICIPANT:
        existing = register_find_participant(s, (<const ParticipantRecord*>tail).code)
        if existing == 0 and s.group.participants_count >= PARTICIPANTS_MAX:
            return RESULT_TABLE_FULL
        if existing != 0 and register_is_last(s, existing) and not (
            (<const ParticipantRecord*>tail).role == ROLE_TREASURY
            and (<const ParticipantRecord*>tail).active
        ):
            return RESULT_LAST_TREASURIES
        if existing != 0 and people_are_too_few(
            s, 0, existing, (<const ParticipantRecord*>tail).role == ROLE_TREASURY
            and (<const ParticipantRecord*>tail).active
        ):
            return RESULT_LAST_TREASURIES
        native_assert(
            existing < s.group.participants_count and s.group.participants_count > 0,
            b"treasury_register: a participant that is there, or the next",
        )
        row.debit = existing if existing != 0 else s.group.participants_count
    else:
        if record.biller == 0 or record.biller >= s.group.participants_count:
            return RESULT_PARTICIPANT_UNKNOWN
        for i in range(record.heads_count):
            if not treasury_knows(s, record.heads[i]):
                return RESULT_ACCOUNT_UNKNOWN
            account = &s.group.working.accounts[record.heads[i]]
            if account.participant != record.biller or account.kind != ACCOUNT_BILLER:
                return RESULT_ACCOUNT_UNKNOWN
        if (
            record.mode == MODE_CONFIRMED and record.deadline_policy == POLICY_RELEASE
            and register_keeps(s, record)
        ):
            return RESULT_RELEASE_NOT_PROMISED
        existing = register_find_service(s, record.code)
        if record.series != 0 and not _treasury_has_series(s, record, existing):
            return RESULT_SERVICE_UNKNOWN
        if record.series != 0 and not (
            register_has_form(&s.group.services[record.series].record, record)
        ):
            # A bill of the series would have two forms, and be two bills.
            return RESULT_RULE_FIXED
        if existing != 0 and not (
            register_keeps_rules(&s.group.services[existing].record, record)
            and (
                register_keeps_heads(&s.group.services[existing].record, record)
                or native_planted(b"heads_only_grow")
            )
        ):
            return RESULT_RULE_FIXED
        if register_is_in_parts(record) and (
            existing == 0 or not register_is_in_parts(&s.group.services[existing].record)
        ):
            # Nobody would release what is left of its bills.
            return RESULT_RULE_FIXED
        if existing == 0 and s.group.services_count >= SERVICES_MAX:
            return RESULT_TABLE_FULL
        native_assert(
            existing < s.group.services_count and s.group.services_count > 0,
            b"treasury_register: a service that is there, or the next",
        )
        row.debit = existing if existing != 0 else s.group.services_count
    native_assert(row.debit != 0, b"treasury_register: 0 is nobody's")
    if existing != 0:
        row.flags |= ROW_UPDATE
    return RESULT_OK


cdef int treasury_margin(State* s, Row* row) noexcept nogil:
    """There is one setting, number 1; each of its rows names the one before."""
    cdef int rc = rows_find_link(s, 0, LINK_MARGIN, &row.resolves)
    row.debit = 1
    if rc == 0 and row.resolves != 0:
        row.flags |= ROW_UPDATE
    return rc


cdef int treasury_close(const Account* account) noexcept nogil:
    """An account closes when nothing can move it any more.

    With a balance of zero, nothing in the open window and nothing carried, no window of a
    biller account is left unsettled: its balance is the sum of these.
    """
    if account.kind != ACCOUNT_WALLET and account.kind != ACCOUNT_BILLER:
        # What others end in: as long as any of them can move, so can these.
        return RESULT_ACCOUNT_KIND_WRONG
    if account.state == STATE_CLOSED:
        return RESULT_DEBIT_CLOSED
    if account.holds_count > 0:
        return RESULT_HOLDS_OPEN
    if account.credits_posted != account.debits_posted:
        return RESULT_BALANCE_NOT_ZERO
    if account.period_debits | account.period_credits | account.carried != 0:
        return RESULT_WINDOWS_OPEN
    if account.cases_count > 0:
        return RESULT_CASES_OPEN
    if account.refundable > 0:
        return RESULT_PAYMENTS_REFUNDABLE
    return RESULT_OK
