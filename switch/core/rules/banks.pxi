# Bank accounts: what a bank keeps for a participant, and what its last statement said.
#
# The table has BANK_ACCOUNTS_MAX places and is looked through one by one. Index 0 is
# nobody's, and so is any place without a number.

cdef bint banks_number_is_valid(const uint8_t* account) noexcept nogil:
    """[A-Z0-9]{1,34}, zero-padded."""
    cdef uint32_t i = 0
    while i < <uint32_t>BANK_NUMBER_MAX and (
        48 <= account[i] <= 57 or 65 <= account[i] <= 90
    ):
        i += 1
    return i > 0 and keys_is_zero(account + i, BANK_NUMBER_SIZE - i)


cdef bint banks_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const BankAccountRecord* record = <const BankAccountRecord*>tail
    return (
        size >= sizeof(BankAccountRecord)
        and record.active <= 1 and record.participant != 0
        and BANK_PURPOSE_LEAST <= record.purpose <= BANK_PURPOSE_MOST
        and banks_number_is_valid(record.account)
        and keys_is_zero(record.reserved_0, 2) and keys_is_zero(record.reserved_1, 6)
    )


cdef inline bint _banks_is_balance(int64_t amount) noexcept nogil:
    cdef int64_t most = <int64_t>AMOUNT_MAX
    return -most <= amount <= most


cdef bint banks_statement_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const StatementRecord* record = <const StatementRecord*>tail
    return (
        size >= sizeof(StatementRecord)
        and SOURCE_CAMT <= record.source <= SOURCE_CSV
        and record.bank != 0 and record.last_day != 0
        and record.first_day <= record.last_day <= STATEMENT_DAY_MAX
        and record.lines_count < LINES_MAX
        and _banks_is_balance(record.opening) and _banks_is_balance(record.closing)
        and keys_is_zero(record.reserved, 2)
    )


cdef uint32_t banks_find(const State* s, const uint8_t* account) noexcept nogil:
    """Index of the bank account with this number of the bank, or 0."""
    cdef uint32_t i
    for i in range(1, s.group.banks_count):
        if memcmp(s.group.banks[i].account, account, BANK_NUMBER_SIZE) == 0:
            return i
    return 0


cdef uint32_t banks_find_place(
    const State* s, uint32_t participant, uint16_t purpose
) noexcept nogil:
    """Index of the bank account whose account of kind bank is this one, or 0."""
    cdef uint32_t i
    for i in range(1, s.group.banks_count):
        if s.group.banks[i].purpose == purpose and s.group.banks[i].participant == participant:
            return i
    return 0


cdef inline bint banks_is_mirror(
    const State* s, uint32_t index, const Account* image
) noexcept nogil:
    """Whether an account is the one of kind bank of a bank account; of 0 none is."""
    return (
        0 < index < s.group.banks_count
        and s.group.banks[index].purpose == image.purpose
        and s.group.banks[index].participant == image.participant
    )


cdef void banks_apply(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note an accepted register row of a bank account, or of a statement of one."""
    cdef const BankAccountRecord* record = <const BankAccountRecord*>tail
    cdef const StatementRecord* statement = <const StatementRecord*>tail
    cdef BankAccount* bank = &s.group.banks[row.debit]
    native_assert(0 < row.debit and row.debit < BANK_ACCOUNTS_MAX, b"banks_apply: it has a place")
    if tail[0] == RECORD_STATEMENT:
        native_assert(bank.statement < row.sequence, b"banks_apply: the newest statement counts")
        bank.statement = row.sequence
        bank.closing = statement.closing
        bank.last_day = statement.last_day
        bank.number = statement.number
        return
    native_assert(bank.sequence < row.sequence, b"banks_apply: the newest counts")
    s.group.banks_count = max(s.group.banks_count, row.debit + 1)
    bank.sequence = row.sequence
    bank.participant = record.participant
    bank.purpose = record.purpose
    bank.active = record.active
    memcpy(bank.account, record.account, BANK_NUMBER_SIZE)


cdef void banks_publish(State* s, const Row* row) noexcept nogil:
    """A row of a bank account, or of a statement, is durable."""
    cdef BankAccount* bank
    if row.debit >= s.group.banks_count:
        return
    bank = &s.group.banks[row.debit]
    if bank.sequence == row.sequence:
        bank.durable = row.sequence
    elif bank.statement == row.sequence:
        bank.statement_durable = row.sequence


cdef void banks_publish_all(State* s) noexcept nogil:
    """All that memory knows is durable."""
    cdef uint32_t i
    for i in range(s.group.banks_count):
        s.group.banks[i].durable = s.group.banks[i].sequence
        s.group.banks[i].statement_durable = s.group.banks[i].statement
