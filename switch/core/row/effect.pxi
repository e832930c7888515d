# What an accepted row does to account images. Nothing here can fail.
#
# The one definition: the committer, replay and the index writer all go through it, each
# with its own table, so the same rows give the same images.

cdef bint _effect_service_is_within(
    const Row* row, const uint8_t* tail, uint32_t size
) noexcept nogil:
    cdef const ServiceRecord* record = <const ServiceRecord*>tail
    cdef uint32_t i
    if size < sizeof(ServiceRecord) or not 0 < row.debit < SERVICES_MAX:
        return False
    if record.biller >= PARTICIPANTS_MAX or record.heads_count > HEADS_MAX:
        return False
    for i in range(record.heads_count):
        if record.heads[i] >= ACCOUNTS_MAX:
            return False
    return record.items_count <= TARIFF_ITEMS_MAX and size >= sizeof(ServiceRecord) + (
        sizeof(TariffItem) * <uint32_t>record.items_count
    )


cdef bint _effect_schedule_is_within(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const ScheduleRecord* record = <const ScheduleRecord*>tail
    return (
        size >= sizeof(ScheduleRecord) and record.cutoffs_count <= CUTOFFS_MAX
        and record.holidays_count <= HOLIDAYS_MAX
        and size >= sizeof(ScheduleRecord) + 2 * <uint32_t>record.holidays_count
    )


cdef bint _effect_margin_is_within(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const MarginRecord* record = <const MarginRecord*>tail
    return (
        size >= sizeof(MarginRecord) and record.count <= MARGINS_MAX
        and size >= sizeof(MarginRecord) + record.count * sizeof(BillerMargin)
    )


cdef bint _effect_record_is_within(
    const Row* row, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    """The same of a register row: its number, and whom its record speaks of."""
    cdef int record = tail[0] if tail_size > 0 else 0
    cdef bint noted = 0 < row.debit < NOTED_MAX
    if record == RECORD_PARTICIPANT:
        return tail_size >= sizeof(ParticipantRecord) and 0 < row.debit < PARTICIPANTS_MAX
    elif record == RECORD_SERVICE:
        return _effect_service_is_within(row, tail, tail_size)
    elif record == RECORD_RULES:
        return tail_size >= sizeof(RulesRecord)
    elif record == RECORD_REVOCATION:
        return tail_size >= sizeof(RevocationRecord) and noted and (
            (<const RevocationRecord*>tail).participant < PARTICIPANTS_MAX
        )
    elif record == RECORD_CONFIRMATION:
        return tail_size >= sizeof(ConfirmationRecord) and noted and (
            (<const ConfirmationRecord*>tail).revocation < NOTED_MAX
        )
    elif record == RECORD_PINS:
        return tail_size >= sizeof(PinsRecord) and noted and (
            (<const PinsRecord*>tail).participant < PARTICIPANTS_MAX
        )
    elif record == RECORD_BUDGET:
        return tail_size >= sizeof(BudgetRecord) and noted and (
            (<const BudgetRecord*>tail).participant < PARTICIPANTS_MAX
        )
    elif record == RECORD_PERSON:
        return tail_size >= sizeof(PersonRecord) and 0 < row.debit < PEOPLE_MAX and (
            (<const PersonRecord*>tail).participant < PARTICIPANTS_MAX
            and (<const PersonRecord*>tail).bank < BANK_ACCOUNTS_MAX
        )
    elif record == RECORD_THRESHOLDS:
        return tail_size >= sizeof(ThresholdsRecord) and row.debit == 1
    elif record == RECORD_BANK_ACCOUNT:
        return tail_size >= sizeof(BankAccountRecord) and 0 < row.debit < BANK_ACCOUNTS_MAX and (
            (<const BankAccountRecord*>tail).participant < PARTICIPANTS_MAX
            and (<const BankAccountRecord*>tail).purpose <= BANK_PURPOSE_MOST
        )
    elif record == RECORD_STATEMENT:
        return tail_size >= sizeof(StatementRecord) and 0 < row.debit < BANK_ACCOUNTS_MAX
    elif record == RECORD_BENEFICIARY:
        return tail_size >= sizeof(BeneficiaryRecord) and 0 < row.debit < BENEFICIARIES_MAX and (
            (<const BeneficiaryRecord*>tail).account < ACCOUNTS_MAX
        )
    elif record == RECORD_SCHEDULE:
        return _effect_schedule_is_within(tail, tail_size) and row.debit == 1
    elif record == RECORD_OPERATOR:
        return tail_size >= sizeof(OperatorRecord) and 0 < row.debit < OPERATORS_MAX and (
            (<const OperatorRecord*>tail).participant < PARTICIPANTS_MAX
        )
    elif record == RECORD_MARGIN:
        return _effect_margin_is_within(tail, tail_size) and row.debit == 1
    return record != 0


cdef bint _effect_told_is_within(const Row* row) noexcept nogil:
    """The same of a complaint or a reply: its number, and its reason or step."""
    cdef uint64_t most = REASON_OTHER if row.kind == KIND_COMPLAINT else STEP_CLOSED
    return 0 < row.debit < COMPLAINTS_MAX and 0 < row.total <= most


cdef inline uint32_t effect_lines(uint32_t size) noexcept nogil:
    """How many lines the item of a window has. Of one that a person has closed the signature
    stands behind them, and tells itself: it is not as long as lines are."""
    if size >= <uint32_t>SIGNATURE_SIZE and (
        size % sizeof(WindowLine) == SIGNATURE_SIZE % sizeof(WindowLine)
    ):
        size -= <uint32_t>SIGNATURE_SIZE
    return size // <uint32_t>sizeof(WindowLine)


cdef bint effect_is_within(
    const Row* row, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    """Whether what an accepted row changes has a place in the tables.

    Asked of all rows that are read: a check that is right says nothing of the content.
    """
    cdef const WindowLine* lines = <const WindowLine*>tail
    cdef uint32_t i
    if row.kind == KIND_WINDOW:
        for i in range(effect_lines(tail_size)):
            if lines[i].account >= ACCOUNTS_MAX:
                return False
        return True
    if row.kind == KIND_REGISTER:
        return _effect_record_is_within(row, tail, tail_size)
    if kinds_is_told(row.kind):
        return _effect_told_is_within(row)
    if row.kind == KIND_REQUEST:
        # It is credited by another row.
        return row.credit < ACCOUNTS_MAX
    if row.kind == KIND_HANDED_OUT:
        # Its wallet does not change.
        return row.debit < ACCOUNTS_MAX
    if row.kind == KIND_SIGNED_OFF:
        return row.debit < ACCOUNTS_MAX
    if row.kind == KIND_OPEN and (
        tail_size < sizeof(AccountRecord) or row.debit == 0
        or (<const AccountRecord*>tail).participant >= PARTICIPANTS_MAX
    ):
        return False
    if kinds_changes_debit(row.kind) and row.debit >= ACCOUNTS_MAX:
        return False
    return not kinds_changes_credit(row.kind) or row.credit < ACCOUNTS_MAX


cdef inline uint32_t effect_waiting(const Account* account) noexcept nogil:
    """Open holds of an account that no people are waited for."""
    return account.holds_count - account.kept_count


cdef inline void _effect_count_kept(
    Table* table, const Row* row, const Row* hold, int step
) noexcept nogil:
    """One kept hold more or less between two accounts."""
    cdef Account* debit = &table.accounts[row.debit]
    cdef Account* credit = &table.accounts[row.credit]
    cdef uint64_t amount = hold.amount if step > 0 else 0 - hold.amount
    debit.kept_count += step
    debit.kept_amount += amount
    credit.kept_count += step
    credit.kept_amount += amount


cdef inline void _effect_count_case(Table* table, const Row* row, int step) noexcept nogil:
    """One payment in question, or one advance, more or less between two accounts."""
    table.accounts[row.debit].cases_count += step
    table.accounts[row.credit].cases_count += step


cdef inline void _effect_transfer(Table* table, const Row* row) noexcept nogil:
    """What a transfer with R does besides moving money: a correction or a recovery ends what
    an advance, or a payment in question, has begun. No case counts an undoing."""
    cdef uint64_t link = keys_transfer(table, row)
    native_assert(
        (row.flags & ROW_CASE != 0) == (link == LINK_CORRECTION),
        b"_effect_transfer: a correction says so",
    )
    native_assert(
        (row.flags & ROW_UNDOES != 0) == (link == LINK_UNDOING),
        b"_effect_transfer: an undoing says so",
    )
    if not keys_is_of_bank(table, row) and link != LINK_UNDOING:
        _effect_count_case(table, row, 1 if link == LINK_ADVANCE else -1)


cdef inline void _effect_case(Table* table, const Row* row, const Row* hold) noexcept nogil:
    if row.flags & ROW_CASE:
        _effect_count_case(table, row, 1)
    if row.flags & ROW_KEEP:
        _effect_count_kept(table, row, hold, 1)


cdef inline void _effect_release(
    Table* table, const Row* row, const Row* hold
) noexcept nogil:
    """Take a hold's amount out of both pending totals."""
    cdef Account* debit = &table.accounts[row.debit]
    cdef Account* credit = &table.accounts[row.credit]
    debit.debits_pending -= hold.amount
    credit.credits_pending -= hold.amount
    debit.holds_count -= 1
    credit.holds_count -= 1
    if row.flags & ROW_KEEP:
        _effect_count_kept(table, row, hold, -1)
    # What does not stay spent is given back to the day it was counted in.
    if keys_day(hold.timestamp) == debit.day:
        if row.kind == KIND_POST:
            debit.day_amount -= hold.amount - row.amount
        else:
            debit.day_amount -= hold.amount
            debit.day_count -= 1


cdef inline void _effect_post(Table* table, const Row* row) noexcept nogil:
    """Move the amount, and count it towards the biller's window."""
    cdef Account* debit = &table.accounts[row.debit]
    cdef Account* credit = &table.accounts[row.credit]
    debit.debits_posted += row.amount
    credit.credits_posted += row.amount
    if kinds_is_final(row.kind):
        debit.refundable += row.amount
        credit.refundable += row.amount
    elif row.kind == KIND_REFUND:
        debit.refundable -= row.amount
        credit.refundable -= row.amount
    if row.kind != KIND_SETTLE:
        if debit.kind == ACCOUNT_BILLER:
            debit.period_debits += row.amount
        if credit.kind == ACCOUNT_BILLER:
            credit.period_credits += row.amount
    else:
        debit.settled += row.amount


cdef inline void _effect_count_day(Table* table, const Row* row) noexcept nogil:
    cdef Account* debit = &table.accounts[row.debit]
    cdef uint32_t day = keys_day(row.timestamp)
    if debit.day != day:
        debit.day = day
        debit.day_amount = 0
        debit.day_count = 0
    debit.day_amount += row.amount
    debit.day_count += 1


cdef inline void _effect_receipt(Table* table, const Row* row) noexcept nogil:
    cdef Account* debit = &table.accounts[row.debit]
    native_assert(row.receipt > 0, b"_effect_receipt: what is paid has one")
    debit.receipt = row.receipt
    debit.year = keys_year_of(table, keys_day(row.timestamp))


cdef void _effect_open(Table* table, const Row* row, const uint8_t* tail) noexcept nogil:
    cdef const AccountRecord* record = <const AccountRecord*>tail
    cdef Account* account = &table.accounts[row.debit]
    native_assert(
        row.debit > 0 and row.debit < ACCOUNTS_MAX,
        b"_effect_open: the table has a place",
    )
    memset(account, 0, sizeof(Account))
    account.participant = record.participant
    account.purpose = record.purpose
    account.kind = record.kind
    account.state = STATE_OPEN
    account.opened = row.sequence
    account.day_amount_max = NO_AMOUNT_LIMIT
    account.day_count_max = NO_COUNT_LIMIT
    account.payment_max = NO_AMOUNT_LIMIT
    table.count = row.debit + 1


cdef void _effect_limit(Account* account, const uint8_t* tail, uint32_t tail_size) noexcept nogil:
    """All limits of a wallet; what a record of an earlier form does not say is none."""
    cdef const LimitRecord* limit = <const LimitRecord*>tail
    cdef uint64_t low_balance = 0
    account.day_amount_max = limit.day_amount_max
    account.day_count_max = limit.day_count_max
    account.payment_max = NO_AMOUNT_LIMIT
    if limit.form >= LIMIT_PAYMENT and tail_size >= <uint32_t>LIMIT_PAYMENT_SIZE:
        account.payment_max = limit.payment_max
    if limit.form >= LIMIT_LOW and tail_size >= sizeof(LimitRecord):
        low_balance = limit.low_balance
    low_limit(account, low_balance)


cdef inline void _effect_register(Table* table, const Row* row, const uint8_t* tail) noexcept nogil:
    """Whose bills a service's are and who says their price: what its rows' claims are made of.
    And that there are people, and by which rules: what proposals and limits are found by."""
    cdef const ServiceRecord* record = <const ServiceRecord*>tail
    cdef uint16_t series
    if tail[0] == RECORD_PERSON:
        table.people = 1
    elif tail[0] == RECORD_RULES:
        table.rules = (<const RulesRecord*>tail).version
    elif tail[0] == RECORD_BENEFICIARY:
        table.payees[row.debit] = (<const BeneficiaryRecord*>tail).account
    if tail[0] != RECORD_SERVICE:
        return
    series = record.series if record.series != 0 else <uint16_t>row.debit
    native_assert(
        table.fixed[row.debit].series == 0 or table.fixed[row.debit].series == series,
        b"_effect_register: a series never changes",
    )
    native_assert(
        series == row.debit or table.fixed[series].series == series,
        b"_effect_register: a series is of a service with its own",
    )
    table.fixed[row.debit].series = series
    table.fixed[row.debit].price_rule = record.price_rule


cdef void _effect_window(
    Table* table, const Row* row, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    cdef const WindowLine* lines = <const WindowLine*>tail
    cdef Account* account
    cdef uint64_t owed
    cdef uint32_t i
    for i in range(effect_lines(tail_size)):
        account = &table.accounts[lines[i].account]
        owed = lines[i].debits + lines[i].carried
        account.carried = owed - lines[i].credits if owed > lines[i].credits else 0
        native_assert(lines[i].account < table.count, b"_effect_window: the account is open")
        native_assert(account.kind == ACCOUNT_BILLER, b"_effect_window: it is a biller's")
        account.period_debits = 0
        account.period_credits = 0
        account.changed = row.sequence


cdef inline bint _effect_has_kept(const Account* account, const Row* hold) noexcept nogil:
    """Whether an account counts a hold among those that are kept. For asserts."""
    return account.kept_count > 0 and account.kept_amount >= hold.amount


cdef inline void effect_rely(const Table* table, const Row* row, const Row* hold) noexcept nogil:
    """What an accepted row that moves money finds in the images of both accounts: what it
    takes back was given. For asserts; asked by those whose images are all of one moment."""
    cdef const Account* debit = &table.accounts[row.debit]
    cdef const Account* credit = &table.accounts[row.credit]
    if not SWITCH_ASSERT:
        return
    native_assert(row.result == RESULT_OK, b"effect: refused rows change nothing")
    native_assert(
        row.debit != row.credit or not kinds_moves_money(row.kind), b"effect: of two accounts"
    )
    if kinds_resolves_hold(row.kind):
        native_assert(hold.kind == KIND_HOLD, b"effect: what is resolved is a hold")
        native_assert(
            hold.debit == row.debit and hold.credit == row.credit, b"effect: of its accounts"
        )
        native_assert(hold.sequence == row.resolves, b"effect: the one that it names")
        native_assert(row.amount <= hold.amount, b"effect: no more than was held")
        native_assert(debit.debits_pending >= hold.amount, b"effect: the debit was held")
        native_assert(credit.credits_pending >= hold.amount, b"effect: the credit was held")
        native_assert(debit.holds_count > 0, b"effect: the debit counts the hold")
        native_assert(credit.holds_count > 0, b"effect: the credit counts the hold")
        native_assert(
            not (row.flags & ROW_KEEP and row.kind == KIND_EXPIRE), b"effect: kept, or expired"
        )
        if row.flags & ROW_KEEP:
            native_assert(_effect_has_kept(debit, hold), b"effect: the debit counts it as kept")
            native_assert(_effect_has_kept(credit, hold), b"effect: the credit counts it as kept")
        if keys_day(hold.timestamp) == debit.day:
            native_assert(debit.day_amount >= hold.amount, b"effect: the day has the amount")
            native_assert(debit.day_count > 0, b"effect: the day counts the hold")
    elif row.kind == KIND_REFUND:
        native_assert(debit.refundable >= row.amount, b"effect: the debit can be refunded")
        native_assert(credit.refundable >= row.amount, b"effect: the credit can be refunded")
    elif keys_keeps_hold(row):
        native_assert(hold.sequence == row.resolves, b"effect: the hold that is kept")
        native_assert(debit.kept_count < debit.holds_count, b"effect: one of the debit's")
        native_assert(credit.kept_count < credit.holds_count, b"effect: one of the credit's")
    elif row.kind == KIND_VERIFY or (
        row.kind == KIND_TRANSFER and row.resolves != 0
        and keys_transfer(table, row) != LINK_ADVANCE
        and keys_transfer(table, row) != LINK_UNDOING
        and not keys_is_of_bank(table, row)
    ):
        native_assert(debit.cases_count > 0, b"effect: the debit counts a case")
        native_assert(credit.cases_count > 0, b"effect: the credit counts a case")
    elif row.kind == KIND_OPEN:
        native_assert(row.debit == table.count, b"effect: the next index is opened")
    elif row.kind == KIND_CLOSE:
        native_assert(debit.holds_count == 0, b"effect: what closes has no open hold")
    if kinds_moves_money(row.kind):
        native_assert(
            0 < row.debit and row.debit < table.count, b"effect: the debit is open"
        )
        native_assert(
            0 < row.credit and row.credit < table.count, b"effect: the credit is open"
        )
        native_assert(debit.changed < row.sequence, b"effect: the debit lacks the row")
        native_assert(credit.changed < row.sequence, b"effect: the credit lacks the row")


cdef inline bint effect_may_owe(const Row* row) noexcept nogil:
    """Whether a row may leave a wallet below zero: one that says so, or the end of what was
    held before the wallet came to owe."""
    return kinds_resolves_hold(row.kind) or (
        row.kind == KIND_TRANSFER and row.flags & ROW_OWED != 0
    )


cdef inline bint effect_is_covered(const Account* account) noexcept nogil:
    """Whether an account has not spent what it has not got, if it must not. For asserts."""
    if not SWITCH_ASSERT or account.kind != ACCOUNT_WALLET:
        return True
    return account.credits_posted >= account.debits_posted + account.debits_pending


cdef void effect_apply(
    Table* table, const Row* row, const Row* hold, const uint8_t* tail, uint32_t tail_size
) noexcept nogil:
    """Apply one accepted row. `hold` is the one that a post, void or expire ends, or that a
    case keeps."""
    cdef Account* debit = &table.accounts[row.debit]
    cdef int kind = row.kind
    if kind == KIND_PAY:
        _effect_post(table, row)
        _effect_count_day(table, row)
        _effect_receipt(table, row)
    elif kind == KIND_HOLD:
        debit.debits_pending += row.amount
        table.accounts[row.credit].credits_pending += row.amount
        debit.holds_count += 1
        table.accounts[row.credit].holds_count += 1
        _effect_count_day(table, row)
    elif kind == KIND_POST:
        _effect_release(table, row, hold)
        _effect_post(table, row)
        _effect_receipt(table, row)
    elif kinds_resolves_hold(kind):
        _effect_release(table, row, hold)
        if kind == KIND_EXPIRE:
            _effect_count_case(table, row, 1)
    elif kinds_posts(kind):
        _effect_post(table, row)
        if kind == KIND_TRANSFER and row.resolves != 0:
            _effect_transfer(table, row)
    elif kind == KIND_WINDOW:
        _effect_window(table, row, tail, tail_size)
        return
    elif kind == KIND_OPEN:
        _effect_open(table, row, tail)
    elif kind == KIND_LIMIT:
        _effect_limit(debit, tail, tail_size)
    elif kind == KIND_FREEZE:
        debit.state = STATE_OPEN if row.flags & ROW_UNFREEZE else STATE_FROZEN
    elif kind == KIND_CLOSE:
        debit.state = STATE_CLOSED
    elif kind == KIND_CASE:
        _effect_case(table, row, hold)
    elif kind == KIND_VERIFY:
        _effect_count_case(table, row, -1)
    elif kind == KIND_REGISTER:
        _effect_register(table, row, tail)
        return
    elif not kinds_changes_debit(kind):
        return
    low_change(debit, row.sequence)
    if kinds_changes_credit(row.kind):
        low_change(&table.accounts[row.credit], row.sequence)


cdef inline uint32_t effect_payee(const Table* table, const Row* root) noexcept nogil:
    """The biller account of whose money an accepted payout is; 0 if nobody is named. `root`: the
    row that the payout names."""
    cdef uint32_t payee
    if root.kind != KIND_REGISTER or root.debit >= <uint32_t>BENEFICIARIES_MAX:
        return 0
    payee = table.payees[root.debit]
    return payee if keys_kind(table, payee) == ACCOUNT_BILLER else 0


cdef inline void effect_pay_out(Table* table, const Row* row, uint32_t payee) noexcept nogil:
    """What a payout, or its recall, does to the account of whose money it is: no total moves,
    and it is not `changed`."""
    cdef Account* account = &table.accounts[payee]
    if keys_may_pay_out(table, row):
        account.paid_out += row.amount
    else:
        native_assert(account.paid_out >= row.amount, b"effect_pay_out: what was paid out")
        account.paid_out -= row.amount


cdef inline uint64_t effect_unpaid(const Account* account) noexcept nogil:
    """What was settled and not paid out. Rows of before this was asked may have paid out more,
    out of what an opening has put into a settlement account."""
    return account.settled - account.paid_out if account.settled > account.paid_out else 0


cdef void effect_totals(
    Totals* totals, const Row* row, uint64_t hold_amount, uint32_t account, int sign
) noexcept nogil:
    """Do (sign 1) or undo (sign -1) a money row on one account's four totals."""
    cdef uint64_t amount = row.amount if sign > 0 else 0 - row.amount
    cdef uint64_t held = hold_amount if sign > 0 else 0 - hold_amount
    if row.kind == KIND_HOLD:
        if row.debit == account:
            totals.debits_pending += amount
        if row.credit == account:
            totals.credits_pending += amount
        return
    if kinds_resolves_hold(row.kind):
        if row.debit == account:
            totals.debits_pending -= held
        if row.credit == account:
            totals.credits_pending -= held
        if not kinds_posts(row.kind):
            return
    if row.debit == account:
        totals.debits_posted += amount
    if row.credit == account:
        totals.credits_posted += amount
