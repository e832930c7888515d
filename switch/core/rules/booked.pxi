# What banks say, and who waits for it: requests, booked lines, what ends those that nothing
# explains, statements.
#
# Refuses in the documented order and changes nothing on the way, as treasury.pxi does.

cdef int booked_request(State* s, const Row* row, int* result) noexcept nogil:
    """A centre asks for money for its wallet, not too often on one day."""
    cdef const Account* wallet = &s.group.working.accounts[0]
    cdef uint64_t high, low, sequence
    cdef int rc
    if treasury_knows(s, row.credit):
        wallet = &s.group.working.accounts[row.credit]
    result[0] = RESULT_ACCOUNT_UNKNOWN
    if wallet.kind == 0 or wallet.participant != row.participant:
        return 0
    result[0] = RESULT_ACCOUNT_KIND_WRONG
    if wallet.kind != ACCOUNT_WALLET:
        return 0
    result[0] = RESULT_CREDIT_CLOSED
    if wallet.state == STATE_CLOSED:
        return 0
    keys_requests(row.credit, keys_day(rows_time(s)), &high, &low)
    rc = lookup_find(s, MAP_LINKS, high, low, REQUESTS_DAY_MAX - 1, &sequence)
    result[0] = RESULT_DAY_COUNT_EXCEEDED
    if rc == MDB_NOTFOUND:
        result[0] = RESULT_OK
        return 0
    return rc


# --- payouts ------------------------------------------------------------------------------------

cdef int booked_is_payout(State* s, const Row* row, bint* payout) noexcept nogil:
    """Whether a transfer pays out what was settled: it goes from a settlement to a bank transit
    account, and speaks of nothing, or of a register row. Else it ends a debit."""
    cdef Row named
    cdef bint found
    cdef int rc
    payout[0] = (
        keys_kind(&s.group.working, row.debit) == ACCOUNT_SETTLEMENT
        and keys_kind(&s.group.working, row.credit) == ACCOUNT_BANK_TRANSIT
    )
    if not payout[0] or row.resolves == 0:
        return 0
    rc = rows_find_accepted(s, row.resolves, &named, &found)
    payout[0] = rc == 0 and found and named.kind == KIND_REGISTER
    return rc


cdef int booked_pay_out(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """A payout goes to the beneficiary whose newest row it names, not too soon after that row;
    before there are any it names none. In a ledger with people that row was there before the
    payout was proposed: of one to come nobody who approves sees to whom it pays. It is at most
    what was settled for the beneficiary's account and not paid out."""
    cdef const Beneficiary* beneficiary
    cdef const Account* payee
    cdef const uint8_t* tail
    cdef uint32_t size
    cdef Row named
    cdef int rc
    result[0] = RESULT_BENEFICIARY_WRONG
    if row.resolves == 0 or not beneficiaries_are(s):
        if row.resolves == 0 and not beneficiaries_are(s):
            result[0] = RESULT_OK
        return 0
    rc = rows_get(s, row.resolves, &named)
    if rc == 0:
        rc = rows_get_tail(s, row.resolves, &tail, &size)
    if rc != 0 or tail[0] != RECORD_BENEFICIARY:
        return rc
    native_assert(
        0 < named.debit and named.debit < s.group.beneficiaries_count,
        b"booked_pay_out: one that is there",
    )
    beneficiary = &s.group.beneficiaries[named.debit]
    other[0] = beneficiary.sequence
    if other[0] != row.resolves or not beneficiary.active:
        return 0
    if people_are(s) and row.resolves > row.total:
        return 0
    result[0] = RESULT_BENEFICIARY_WAITS
    if rows_time(s) - named.timestamp < beneficiaries_wait_ns(s):
        return 0
    other[0] = 0
    payee = &s.group.working.accounts[s.group.working.payees[named.debit]]
    result[0] = RESULT_OK
    if row.amount > effect_unpaid(payee) and not native_planted(b"payouts_are_settled"):
        result[0] = RESULT_EXCEEDS_SETTLED
    return 0


cdef inline bint booked_may_owe(const Table* table, const Row* row) noexcept nogil:
    """Whether a transfer says as it may that its wallet owes what it has not, or says nothing
    of it."""
    return not row.flags & ROW_OWED or (
        row.resolves != 0 and keys_kind(table, row.debit) == ACCOUNT_WALLET
        and keys_kind(table, row.credit) == ACCOUNT_BANK_TRANSIT
    )


# --- booked lines -------------------------------------------------------------------------------

cdef int _booked_find_claim(State* s, const Claim* claim, uint64_t* sequence) noexcept nogil:
    """The row that took a claim that is never released, or 0."""
    cdef uint64_t value
    cdef int rc = claims_find(s, claim, &value)
    sequence[0] = value >> 1 if rc == 0 else 0
    return 0 if rc == MDB_NOTFOUND else rc


cdef uint32_t _booked_bank(const State* s, uint32_t account) noexcept nogil:
    """Index of the bank account, if it is active, whose account of kind bank this one is, or 0."""
    cdef const Account* image = &s.group.working.accounts[account]
    cdef uint32_t index
    if image.kind != ACCOUNT_BANK:
        return 0
    index = banks_find_place(s, image.participant, image.purpose)
    return index if s.group.banks[index].active else 0


cdef int _booked_has_said(
    State* s, uint32_t account, bint credit, uint16_t flags, const uint8_t* reference, Row* said
) noexcept nogil:
    """The accepted row of a line of a bank, by its key; its sequence is 0 if there is none."""
    cdef Claim claim
    cdef uint64_t sequence
    cdef int rc
    said.sequence = 0
    keys_booked(account, credit, flags, reference, &claim)
    rc = _booked_find_claim(s, &claim, &sequence)
    if rc == 0 and sequence != 0:
        rc = rows_get(s, sequence, said)
    return rc


cdef int _booked_is_free(State* s, uint64_t sequence, bint* free_) noexcept nogil:
    """Whether no booked row is what a request or a release waited for, and no recall has ended
    the waiting."""
    cdef uint64_t link
    cdef int rc = rows_find_link(s, sequence, LINK_MATCHED, &link)
    free_[0] = rc == 0 and link == 0
    return rc


cdef int _booked_match_request(State* s, const Row* row, uint32_t* wallet) noexcept nogil:
    """The wallet for which just this was asked for, if that is open, or 0."""
    cdef Row asked
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &asked, &found)
    wallet[0] = 0
    if rc != 0 or not found or asked.kind != KIND_REQUEST or asked.amount != row.amount:
        return rc
    if rows_time(s) - asked.timestamp >= REQUEST_LIFE_NS:
        return 0
    if keys_kind(&s.group.working, asked.credit) != ACCOUNT_WALLET or (
        s.group.working.accounts[asked.credit].state == STATE_CLOSED
    ):
        return 0
    rc = _booked_is_free(s, asked.sequence, &found)
    if rc == 0 and found:
        wallet[0] = asked.credit
    return rc


cdef int _booked_credit(
    State* s, Row* row, uint64_t before, uint32_t* wallet
) noexcept nogil:
    """Money that came in: its UTR is claimed, if nobody has it, and with that it may be what
    a request before that sequence waited for."""
    cdef Claim claim
    cdef uint64_t claimed
    cdef int rc
    keys_utr(row.reference, &claim)
    rc = _booked_find_claim(s, &claim, &claimed)
    if rc != 0 or claimed != 0:
        # People have credited it by hand, or another bank account had it.
        return rc
    row.flags |= ROW_RECENT
    return _booked_match_request(s, row, wallet) if row.resolves < before else 0


cdef int _booked_is_release(State* s, const Row* row, bint* release) noexcept nogil:
    """Whether an accepted transfer to a bank transit account sends money out: a payout, or
    what goes back to its remitter."""
    release[0] = keys_kind(&s.group.working, row.debit) == ACCOUNT_BANK_SUSPENSE
    return 0 if release[0] else booked_is_payout(s, row, release)


cdef int _booked_match_release(
    State* s, const Row* row, uint32_t transit, bint* matched
) noexcept nogil:
    """Whether a line is what a release waited for: of its account, of just its amount."""
    cdef Row released
    cdef int rc = rows_find_accepted(s, row.resolves, &released, matched)
    if rc != 0 or not matched[0]:
        return rc
    if (
        released.kind != KIND_TRANSFER or released.credit != transit
        or released.amount != row.amount
    ):
        matched[0] = False
        return 0
    rc = _booked_is_release(s, &released, matched)
    if rc != 0 or not matched[0]:
        return rc
    return _booked_is_free(s, released.sequence, matched)


cdef bint _booked_is_beyond(
    const State* s, uint32_t account, bint credit, uint64_t amount
) noexcept nogil:
    """Whether a bank would have more, or owe more, than a statement can say: totals only
    grow, and whoever filled them would have ended the account for ever."""
    cdef const Account* image = &s.group.working.accounts[account]
    cdef uint64_t more = image.debits_posted
    cdef uint64_t less = image.credits_posted
    if credit:
        more += amount
    else:
        less += amount
    return max(more, less) - min(more, less) > <uint64_t>AMOUNT_MAX


cdef int booked_decide(
    State* s, Row* row, uint64_t proposal, int* result, uint64_t* other
) noexcept nogil:
    """A line that a bank has booked: once, and to what it says that it is for. That was there
    before the line was proposed: nobody can sign today for who asks tomorrow."""
    cdef uint64_t before = proposal if people_are(s) else s.group.first + s.group.rows_count
    cdef const BankAccount* bank
    cdef bint credit = row.debit != 0
    cdef uint32_t account = row.debit if credit else row.credit
    cdef uint32_t against
    cdef uint32_t wallet = 0
    cdef bint matched = False
    cdef Row said
    cdef int rc
    result[0] = RESULT_ACCOUNT_UNKNOWN
    if not treasury_knows(s, account):
        return 0
    bank = &s.group.banks[_booked_bank(s, account)]
    result[0] = RESULT_ACCOUNT_KIND_WRONG
    if bank.sequence == 0:
        return 0
    rc = _booked_has_said(s, account, credit, row.flags, row.reference, &said)
    if rc != 0:
        return rc
    if said.sequence != 0:
        other[0] = said.sequence
        result[0] = RESULT_BOOKED_DIFFERS
        if said.amount == row.amount:
            result[0] = RESULT_ALREADY_BOOKED
        return 0
    against = register_find_account(s, bank.participant, bank.purpose + (1 if credit else 2))
    if against == 0:
        # No core registers such a one.
        return MDB_CORRUPTED
    if row.flags & ROW_REVERSAL:
        matched = False
    elif credit:
        rc = _booked_credit(s, row, before, &wallet)
        matched = wallet != 0
    elif row.resolves < before:
        rc = _booked_match_release(s, row, against, &matched)
    if rc != 0:
        return rc
    if wallet != 0:
        against = wallet
    row.debit = account if credit else against
    row.credit = against if credit else account
    row.flags |= ROW_CLAIM
    if matched:
        row.flags |= ROW_MATCHED
    result[0] = RESULT_OK
    if treasury_overflows(s, row) or _booked_is_beyond(s, account, credit, row.amount):
        result[0] = RESULT_OVERFLOWS
    return 0


# --- open items ---------------------------------------------------------------------------------

cdef bint _booked_may_end(State* s, const Row* row, const Row* item) noexcept nogil:
    """Whether an open item may end by a transfer between these accounts."""
    cdef const Account* image
    cdef uint8_t kind
    if keys_kind(&s.group.working, item.debit) == ACCOUNT_BANK:
        if row.debit != item.credit:
            return False
        kind = keys_kind(&s.group.working, row.credit)
        if kind == ACCOUNT_BANK_TRANSIT:
            image = &s.group.working.accounts[item.debit]
            return row.credit == register_find_account(
                s, image.participant, image.purpose + 2
            )
    else:
        if row.credit != item.debit:
            return False
        kind = keys_kind(&s.group.working, row.debit)
    return kind == ACCOUNT_WALLET or kind == ACCOUNT_SETTLEMENT or kind == ACCOUNT_SUSPENSE


cdef int _booked_was_credited(
    State* s, const Row* item, int* result, uint64_t* other
) noexcept nogil:
    """Refuse to give a wallet what it has by hand: the item's UTR was a top-up's."""
    cdef Claim claim
    cdef uint64_t sequence
    cdef Row said
    cdef int rc
    if item.flags & (ROW_RECENT | ROW_REVERSAL):
        return 0
    keys_utr(item.reference, &claim)
    rc = _booked_find_claim(s, &claim, &sequence)
    if rc != 0 or sequence == 0:
        return rc
    rc = rows_get(s, sequence, &said)
    if rc == 0 and said.kind == KIND_TOP_UP:
        other[0] = sequence
        result[0] = RESULT_UTR_ALREADY_CREDITED
    return rc


cdef int booked_end(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """A transfer that says what an open item was for: all of it, once."""
    cdef Row item
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &item, &found)
    result[0] = RESULT_CASE_NOT_FOUND
    if rc != 0 or not found or item.kind != KIND_BOOKED or item.flags & ROW_MATCHED:
        return rc
    if not _booked_may_end(s, row, &item):
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    if row.amount != item.amount:
        result[0] = RESULT_NET_DIFFERS
        return 0
    rc = rows_find_link(s, row.resolves, LINK_ENDING, other)
    if rc != 0 or other[0] != 0:
        result[0] = RESULT_CASE_CLOSED
        return rc
    result[0] = RESULT_OK
    if keys_kind(&s.group.working, row.credit) != ACCOUNT_WALLET:
        return 0
    return _booked_was_credited(s, &item, result, other)


# --- recalls ------------------------------------------------------------------------------------

cdef inline bint _booked_may_recall(
    const State* s, const Row* row, const Row* release
) noexcept nogil:
    """Whether a recall takes a release back between these accounts. What a return was for has
    ended: its money does not become an open item again."""
    if row.debit != release.credit:
        return False
    if keys_kind(&s.group.working, release.debit) == ACCOUNT_SETTLEMENT:
        return row.credit == release.debit
    return keys_kind(&s.group.working, row.credit) == ACCOUNT_SUSPENSE


cdef int booked_recall(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """A transfer that takes a release back which its bank has not debited: all of it, once."""
    cdef Row release
    cdef bint found
    cdef int rc = rows_find_accepted(s, row.resolves, &release, &found)
    result[0] = RESULT_CASE_NOT_FOUND
    if rc != 0 or not found or release.kind != KIND_TRANSFER or (
        keys_kind(&s.group.working, release.credit) != ACCOUNT_BANK_TRANSIT
    ):
        return rc
    rc = _booked_is_release(s, &release, &found)
    if rc != 0 or not found:
        return rc
    if not _booked_may_recall(s, row, &release):
        result[0] = RESULT_ACCOUNT_KIND_WRONG
        return 0
    if row.amount != release.amount:
        result[0] = RESULT_NET_DIFFERS
        return 0
    rc = rows_find_link(s, row.resolves, LINK_MATCHED, other)
    result[0] = RESULT_CASE_CLOSED if other[0] != 0 else RESULT_OK
    return rc


# --- statements ---------------------------------------------------------------------------------

cdef inline bint _booked_follows(
    const State* s, const Proposed* proposed, const BankAccount* bank,
    const StatementRecord* record
) noexcept nogil:
    """Whether a statement begins where the last one has ended, and is no earlier one. A long
    one comes in parts of one day and number. People may put right which days were said."""
    # A day to come, and nothing could follow for so long.
    if record.last_day > keys_day(rows_time(s)) + 1:
        return False
    if bank.statement == 0:
        return True
    if not fields_is_of_channel(&proposed.asked):
        # Without lines two people say where the account stands, whatever was said before.
        return record.opening == bank.closing or record.lines_count == 0
    if record.opening != bank.closing:
        return False
    return record.last_day > bank.last_day or (
        record.last_day == bank.last_day and record.number >= bank.number
    )


cdef int booked_statement(
    State* s, Row* row, const StatementRecord* record, int* result, uint64_t* other
) noexcept nogil:
    """What a statement says of the lines before it in its proposal, which is at hand: all of
    them are in the ledger, and nothing is missing since the one before."""
    cdef const Proposed* p = &s.group.proposed
    cdef const BankAccount* bank = &s.group.banks[0]
    cdef const ProposedLine* line
    cdef Row said
    cdef uint32_t account, i
    cdef int rc
    native_assert(p.sequence == row.total and p.count > 0, b"booked_statement: a line of it")
    row.debit = 0
    result[0] = RESULT_ACCOUNT_UNKNOWN
    if record.bank < s.group.banks_count:
        bank = &s.group.banks[record.bank]
    if bank.sequence == 0:
        return 0
    account = register_find_account(s, bank.participant, bank.purpose)
    for i in range(p.count - 1):
        line = <const ProposedLine*>(p.tail + p.offsets[i])
        if line.debit != account and line.credit != account:
            result[0] = RESULT_ACCOUNT_KIND_WRONG
            return 0
    if not _booked_follows(s, p, bank, record):
        result[0] = RESULT_STATEMENT_GAP
        other[0] = bank.statement
        return 0
    for i in range(p.count - 1):
        line = <const ProposedLine*>(p.tail + p.offsets[i])
        rc = _booked_has_said(
            s, account, line.debit == account, line.flags, line.reference, &said
        )
        if rc != 0:
            return rc
        if said.sequence == 0 or said.amount != line.amount:
            result[0] = RESULT_NOT_BOOKED
            return 0
    row.debit = record.bank
    if bank.statement != 0:
        row.flags |= ROW_UPDATE
    result[0] = RESULT_OK
    return 0
