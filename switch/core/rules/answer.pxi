# What is told of a row: its result, the wallet, and where a payment stands by now.

cdef void answer_balance(State* s, Outcome* out, const Row* row) noexcept nogil:
    """The wallet that a row speaks of, as it is now."""
    cdef uint32_t account = row.debit
    cdef const Account* wallet
    if kinds_is_about_no_account(row.kind):
        return
    if not treasury_knows(s, account) or s.group.working.accounts[account].kind != ACCOUNT_WALLET:
        account = row.credit
    if not treasury_knows(s, account) or s.group.working.accounts[account].kind != ACCOUNT_WALLET:
        return
    wallet = &s.group.working.accounts[account]
    if wallet.credits_posted > wallet.debits_posted:
        # What it owes has no place in an answer.
        out.balance = wallet.credits_posted - wallet.debits_posted
    out.pending = wallet.debits_pending


cdef inline void _answer_receipt(State* s, Outcome* out, const Row* row) noexcept nogil:
    out.receipt = row.receipt
    if row.receipt != 0:
        out.year = keys_year_of(&s.group.working, keys_day(row.timestamp))


cdef int _answer_state(State* s, Outcome* out, const Row* row, bint repeat) noexcept nogil:
    """Where a payment stands: a new one by its row, a repeated one by what came after it."""
    cdef Row last
    cdef uint64_t due, link
    cdef int rc
    if not kinds_is_payment(row.kind):
        return 0
    if row.result != RESULT_OK:
        out.state = PAYMENT_REFUSED
        return 0
    out.state = PAYMENT_HELD if row.kind == KIND_HOLD else PAYMENT_COMPLETED
    if not repeat:
        return 0
    due = holds_find(&s.group.holds, row.sequence)
    if due != 0:
        if due == NEVER:
            out.state = PAYMENT_KEPT
        elif due == UNVERIFIED:
            out.state = PAYMENT_UNVERIFIED
        return 0
    rc = rows_find_link(s, row.sequence, 0, &link)
    if rc == 0 and link != 0:
        rc = rows_get(s, link, &last)
    if rc != 0 or link == 0:
        return rc
    if last.kind == KIND_POST:
        out.state = PAYMENT_COMPLETED
        _answer_receipt(s, out, &last)
        rc = rows_find_link(s, last.sequence, 0, &link)
        if link != 0:
            out.state = PAYMENT_REFUNDED
    elif last.kind == KIND_VOID:
        out.state = PAYMENT_REVERSED
    elif last.kind == KIND_EXPIRE:
        out.state = PAYMENT_EXPIRED
    else:
        out.state = PAYMENT_REFUNDED
    return rc


cdef int answer_other(State* s, Outcome* out, const Row* row) noexcept nogil:
    """Name the row in the way of a refused one. It is read, so that of a new one this
    comes before it is recorded."""
    cdef Row other
    cdef int rc
    if row.result == RESULT_OK or row.total == 0:
        return 0
    rc = rows_get(s, row.total, &other)
    if rc == 0:
        out.other = row.total
        memcpy(out.other_id, other.id, 16)
        # What another centre has paid is nobody else's to know.
        out.foreign = kinds_is_payment(row.kind) and (
            other.participant != row.participant and other.debit != row.debit
        )
    return rc


cdef int answer_row(State* s, Outcome* out, const Row* row, bint repeat) noexcept nogil:
    """Answer with a recorded row. Of a new one nothing is read: it cannot fail."""
    cdef int rc
    out.result = row.result
    out.sequence = row.sequence
    out.timestamp = row.timestamp
    out.repeat = repeat
    _answer_receipt(s, out, row)
    if row.result == RESULT_OK and kinds_gives_index(row.kind):
        out.index = row.debit
    answer_balance(s, out, row)
    rc = answer_other(s, out, row) if repeat else 0
    return _answer_state(s, out, row, repeat) if rc == 0 else rc
