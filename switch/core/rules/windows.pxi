# Windows: what is in the one that is open, and that it is closed.
#
# Whether one may be closed by command, and what a second one is told, is the machine's.

cdef inline bint _windows_has_line(const Account* account) noexcept nogil:
    """Whether a biller account has something to say in the window that is open."""
    return account.period_debits | account.period_credits | account.carried != 0


cdef bint windows_is_empty(const State* s) noexcept nogil:
    """Whether nothing would be in the window that is open: no line, and no payout."""
    cdef uint32_t i
    if s.group.settlement_changed > s.group.working_window:
        return False
    for i in range(s.group.biller_accounts_count):
        if _windows_has_line(&s.group.working.accounts[s.group.biller_accounts[i]]):
            return False
    return True


cdef uint32_t _windows_list(State* s, WindowLine* lines) noexcept nogil:
    """List every biller account with something to say; at most BILLER_ACCOUNTS_MAX."""
    cdef const Account* account
    cdef WindowLine* line
    cdef uint64_t owed
    cdef uint32_t count = 0
    cdef uint32_t i
    native_hold(s.group.biller_accounts_count)
    for i in range(s.group.biller_accounts_count):
        account = &s.group.working.accounts[s.group.biller_accounts[i]]
        if not _windows_has_line(account):
            continue
        line = &lines[count]
        memset(line, 0, sizeof(WindowLine))
        line.account = s.group.biller_accounts[i]
        line.debits = account.period_debits
        line.credits = account.period_credits
        line.carried = account.carried
        owed = line.debits + line.carried
        line.payable = line.credits - owed if line.credits > owed else 0
        count += 1
    native_assert(
        count <= s.group.biller_accounts_count,
        b"_windows_list: a line of an account, at most",
    )
    return count


cdef int windows_record(State* s, Row* row, const uint8_t* signature) noexcept nogil:
    """Close the window that is open. `signature`: of the person who does, or NULL."""
    cdef uint8_t* item = <uint8_t*>malloc(
        BILLER_ACCOUNTS_MAX * sizeof(WindowLine) + SIGNATURE_SIZE
    )
    cdef uint32_t size
    cdef int rc
    if item == NULL:
        return ENOMEM
    native_assert(
        row.resolves == s.group.working_window, b"windows_record: behind the last one"
    )
    size = _windows_list(s, <WindowLine*>item) * <uint32_t>sizeof(WindowLine)
    if signature != NULL:
        memcpy(item + size, signature, SIGNATURE_SIZE)
        size += <uint32_t>SIGNATURE_SIZE
    if size > 0:
        native_blake2b_256(item, size, row.reference)
    row.result = RESULT_OK
    rc = rows_record(s, row, NULL, item, size, NULL)
    free(item)
    return rc


cdef int windows_cut_off(State* s) noexcept nogil:
    """The switch closes a window, in a group of its own: one that lists all accounts leaves
    too little of a tail for what was asked for, and that may need each of a group's rows."""
    cdef Row row
    cdef int rc
    native_assert(
        s.group.rows_count == 0 and s.group.tail_size == 0, b"windows_cut_off: a group of its own"
    )
    memset(&row, 0, sizeof(Row))
    row.kind = KIND_WINDOW
    row.resolves = s.group.working_window
    rc = windows_record(s, &row, NULL)
    native_assert(
        rc != 0 or s.group.cutoff == 0 or s.group.cutoff > row.timestamp,
        b"windows_cut_off: the next one is to come",
    )
    return rc
