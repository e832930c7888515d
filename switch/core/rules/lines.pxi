# Proposals of lines: rows of the treasury that people have proposed and approved together.
# And what a ledger with people asks of all that the treasury wants. Whether a line may be done
# is asked in decided.pxi.
#
# Refuses in the documented order and changes nothing on the way.

# --- the shape of a proposal ----------------------------------------------------------------

cdef inline uint32_t _lines_size(const ProposedLine* line) noexcept nogil:
    """Bytes of a line: its fields, its tail, and zeros."""
    return <uint32_t>sizeof(ProposedLine) + ((line.tail_size + 7) & ~<uint32_t>7)


cdef uint32_t _lines_walk(
    const uint8_t* tail, uint32_t size, uint32_t* offsets
) noexcept nogil:
    """How many lines a proposal's tail item has, and where each begins, if anybody wants to
    know; 0 if it is not formed so. Nothing is said of what is in them."""
    cdef const uint32_t* head = <const uint32_t*>tail
    cdef const ProposedLine* line
    cdef uint32_t at = 8
    cdef uint32_t end, i
    if not 8 + SIGNATURE_SIZE < size <= LINES_SIZE_MAX:
        return 0
    end = size - <uint32_t>SIGNATURE_SIZE
    if not 1 <= head[0] <= LINES_MAX or head[1] != 0:
        return 0
    for i in range(head[0]):
        line = <const ProposedLine*>(tail + at)
        if end - at < sizeof(ProposedLine) or line.tail_size > LINE_TAIL_MAX:
            return 0
        if end - at < _lines_size(line):
            return 0
        if offsets != NULL:
            offsets[i] = at
        at += _lines_size(line)
    return head[0] if at == end else 0


cdef inline const uint8_t* _lines_tail(const ProposedLine* line) noexcept nogil:
    return <const uint8_t*>line + sizeof(ProposedLine)


cdef bint _lines_is_valid(const ProposedLine* line) noexcept nogil:
    """Whether a line has the shape that its row must have."""
    cdef const uint8_t* tail = _lines_tail(line)
    cdef int kind = line.kind
    cdef uint32_t size = line.tail_size
    cdef uint16_t flags = 0
    if not kinds_may_be_line(kind) or line.reserved != 0:
        return False
    if not keys_is_zero(tail + size, _lines_size(line) - sizeof(ProposedLine) - size):
        return False
    if kind == KIND_FREEZE:
        flags = ROW_UNFREEZE
    elif kind == KIND_BOOKED:
        flags = ROW_REVERSAL
        if (line.debit == 0) == (line.credit == 0) or size > BOOKED_TAIL_MAX:
            return False
    elif kind == KIND_TRANSFER and line.resolves != 0:
        flags = ROW_OWED
    if line.flags & ~flags:
        return False
    if kinds_has_amount(kind):
        if line.amount == 0 or line.amount > AMOUNT_MAX:
            return False
    elif line.amount != 0:
        return False
    if not kinds_takes_reference(kind):
        if not keys_is_zero(line.reference, REFERENCE_SIZE):
            return False
    elif not payment_reference_is_valid(line.reference):
        return False
    if not kinds_has_record(kind):
        return size == 0 or kind == KIND_BOOKED
    if kind == KIND_REGISTER and (
        size == 0 or (tail[0] > RECORD_SERVICE and tail[0] < RECORD_PINS)
        or tail[0] == RECORD_MARGIN
    ):
        # Of the clock, of the rules, of margins and of certificates that are no longer good
        # nobody asks.
        return False
    return treasury_record_is_valid(kind, tail, size)


cdef inline bint _lines_is_of(const ProposedLine* line, int record) noexcept nogil:
    """Whether a line that is valid is a register row with this record."""
    return line.kind == KIND_REGISTER and _lines_tail(line)[0] == record


cdef bint _lines_lead_to(
    const uint8_t* lines, uint32_t count, const StatementRecord* record
) noexcept nogil:
    """Whether a statement is of the valid lines before it: booked ones of one account, which
    lead from its opening to its closing balance."""
    cdef const ProposedLine* line = <const ProposedLine*>lines
    cdef uint32_t account = line.debit | line.credit
    cdef uint64_t net = 0
    cdef uint32_t i
    if record.lines_count != count:
        return False
    for i in range(count):
        line = <const ProposedLine*>lines
        if line.kind != KIND_BOOKED or line.debit | line.credit != account:
            return False
        # Together they are an amount at most, or it is the proposal's that is wrong.
        net += line.amount if line.debit != 0 else 0 - line.amount
        lines += _lines_size(line)
    return <uint64_t>(record.closing - record.opening) == net


cdef bint lines_are_valid(const Row* row, const uint8_t* tail, uint32_t size) noexcept nogil:
    """Whether the tail item of a proposal lists such lines, and its row says their sum."""
    cdef const ProposedLine* line
    cdef uint32_t count = _lines_walk(tail, size, NULL)
    cdef uint32_t at = 8
    cdef uint32_t i
    cdef uint64_t left = row.amount
    if count == 0 or row.resolves != 0:
        return False
    for i in range(count):
        line = <const ProposedLine*>(tail + at)
        if not _lines_is_valid(line) or line.amount > left:
            return False
        left -= line.amount
        at += _lines_size(line)
        if _lines_is_of(line, RECORD_STATEMENT) and not (
            i + 1 == count
            and _lines_lead_to(tail + 8, i, <const StatementRecord*>_lines_tail(line))
        ):
            return False
    return left == 0


cdef bint _lines_are_of_channel(const State* s, const Draft* draft) noexcept nogil:
    """Whether a proposal whose shape is right is what a bank's connection may say: what the
    bank has booked for its one bank account, with or without a statement of that."""
    cdef const ProposedLine* line
    cdef uint32_t bank = people_get_bank(s, &draft.row)
    cdef uint32_t account
    cdef uint32_t at = 8
    cdef uint32_t end = signed_size(draft.tail_size)
    if draft.row.total != PROPOSE_LINES or draft.row.amount > CHANNEL_AMOUNT_MAX:
        return False
    if bank == 0:
        return False
    while at < end:
        line = <const ProposedLine*>(draft.tail + at)
        if line.kind == KIND_BOOKED:
            account = line.debit | line.credit
            if not treasury_knows(s, account) or not (
                banks_is_mirror(s, bank, &s.group.working.accounts[account])
                or native_planted(b"channels_are_of_one_bank")
            ):
                return False
        elif not (
            _lines_is_of(line, RECORD_STATEMENT)
            and (<const StatementRecord*>_lines_tail(line)).source == SOURCE_CAMT
            and (<const StatementRecord*>_lines_tail(line)).bank == bank
        ):
            return False
        at += _lines_size(line)
    return True


# --- what needs a third person --------------------------------------------------------------

cdef int _lines_get_stake(State* s, const Row* row, uint64_t* stake) noexcept nogil:
    """Paise that an accepted proposal moves or releases, whatever amount it states."""
    cdef Row hold
    cdef int rc
    stake[0] = row.amount
    if native_planted(b"stakes_are_what_moves"):
        return 0
    if not kinds_resolves_hold(row.total) and row.total != KIND_VERIFY:
        return 0
    rc = rows_get(s, row.resolves, &hold)
    if rc != 0:
        return rc
    if not kinds_posts(row.total):
        # One proposal voids each hold of its basket, or has its cash handed out.
        return evidence_get_sum(s, &hold, stake)
    # What a post does not pay goes back to the wallet.
    stake[0] = hold.amount
    return 0


cdef bint _lines_exceed(const State* s, const Draft* draft, uint64_t stake) noexcept nogil:
    """Whether what a proposal moves needs a third person, or that it changes from where on
    one is needed."""
    cdef const Row* row = &draft.row
    cdef const Thresholds* most = &s.group.thresholds
    cdef const ProposedLine* line
    cdef uint32_t at = 8
    cdef uint32_t end = signed_size(draft.tail_size)
    if stake > most.batch:
        return True
    if row.total != PROPOSE_LINES:
        return stake > most.single
    while at < end:
        line = <const ProposedLine*>(draft.tail + at)
        if line.amount > most.single:
            return True
        if _lines_is_of(line, RECORD_THRESHOLDS):
            return True
        at += _lines_size(line)
    native_assert(at == end, b"_lines_exceed: the lines are all of the item")
    return False


cdef int _lines_exceed_day(
    State* s, uint64_t stake, uint64_t high, uint64_t low, bint* third
) noexcept nogil:
    """Whether all that a person has proposed that day, with this stake, is too much."""
    cdef Row before
    cdef uint64_t sequence
    cdef uint64_t left = s.group.thresholds.day
    cdef uint32_t i
    cdef KeyWalk walk
    cdef int rc
    third[0] = True
    if stake > left:
        return 0
    left -= stake
    lookup_begin(s, &walk, MAP_LINKS, high, low, True)
    for i in range(<uint32_t>PROPOSALS_DAY_MAX):
        rc = lookup_next(s, &walk, &sequence)
        if rc == MDB_NOTFOUND:
            break
        if rc == 0:
            rc = rows_get(s, sequence, &before)
        if rc == 0:
            rc = _lines_get_stake(s, &before, &stake)
        if rc != 0:
            return rc
        if stake > left:
            return 0
        left -= stake
    third[0] = False
    return 0


cdef bint _lines_appoint(State* s, const Draft* draft) noexcept nogil:
    """Whether one of a proposal's lines is of a person, a bank account or a beneficiary, or
    widens."""
    cdef const ProposedLine* line
    cdef uint32_t at = 8
    cdef uint32_t end = signed_size(draft.tail_size)
    if draft.row.total != PROPOSE_LINES:
        return False
    while at < end:
        line = <const ProposedLine*>(draft.tail + at)
        if (
            _lines_is_of(line, RECORD_PERSON) or _lines_is_of(line, RECORD_BANK_ACCOUNT)
            or _lines_is_of(line, RECORD_BENEFICIARY)
            or (line.kind == KIND_REGISTER and approvers_widen(s, _lines_tail(line)))
        ):
            return True
        at += _lines_size(line)
    return False


cdef int lines_judge(State* s, Draft* draft, int* result) noexcept nogil:
    """What a ledger with people asks of each proposal at last: that its person has not made
    too many that day, and whether a third person must approve it, or nobody."""
    cdef Row* row = &draft.row
    cdef uint64_t high, low, sequence, stake
    cdef bint third
    cdef int rc
    native_assert(
        people_find(s, row.participant, row.operator_) != 0, b"lines_judge: by a person"
    )
    keys_proposals(row.participant, row.operator_, keys_day(rows_time(s)), &high, &low)
    rc = lookup_find(s, MAP_LINKS, high, low, PROPOSALS_DAY_MAX - 1, &sequence)
    if rc != MDB_NOTFOUND:
        result[0] = RESULT_DAY_COUNT_EXCEEDED
        return rc
    if people_is_channel(s, row):
        row.flags |= ROW_EVIDENCE
        return 0
    rc = 0
    # Two of three could otherwise make a third of their own.
    third = approvers_are_three(s) and _lines_appoint(s, draft)
    if not third and s.group.thresholds.sequence != 0:
        rc = _lines_get_stake(s, row, &stake)
        third = rc == 0 and _lines_exceed(s, draft, stake)
        if rc == 0 and not third:
            rc = _lines_exceed_day(s, stake, high, low, &third)
    if rc == 0 and third:
        row.flags |= ROW_THIRD
    return rc


# --- the row of a line ----------------------------------------------------------------------

cdef int lines_find(State* s, uint64_t sequence, Row* asked, bint* found) noexcept nogil:
    """An accepted proposal of lines."""
    cdef int rc = rows_find_accepted(s, sequence, asked, found)
    found[0] = found[0] and asked.kind == KIND_PROPOSE and asked.total == PROPOSE_LINES
    return rc


cdef int lines_get(State* s, const Row* asked) noexcept nogil:
    """Have an accepted proposal of lines at hand: the item of one is read, verified and walked
    through once in a group, however many of its rows are asked for."""
    cdef Proposed* p = &s.group.proposed
    cdef uint8_t[20] name
    cdef uint32_t size
    cdef int rc
    if p.sequence == asked.sequence:
        return 0
    p.sequence = 0
    p.stands = 0
    p.asked = asked[0]
    rc = rows_get_tail(s, asked.sequence, &p.tail, &size)
    if rc != 0:
        return rc
    p.count = _lines_walk(p.tail, size, p.offsets)
    if p.count == 0:
        # No core accepts such a one.
        return MDB_CORRUPTED
    memcpy(name, <const char*>b"line", 4)
    memcpy(&name[4], p.asked.id, 16)
    native_blake2b_256(name, 20, p.name)
    native_assert(p.count <= LINES_MAX, b"lines_get: each has a place")
    p.sequence = asked.sequence
    return 0


cdef bint lines_is_row(const Proposed* p, const Draft* draft) noexcept nogil:
    """Whether a row is just that of the line that its id names, by the approval at hand."""
    cdef const Row* row = &draft.row
    cdef const ProposedLine* line
    cdef uint32_t number
    memcpy(&number, &row.id[12], 4)
    if number >= p.count or memcmp(row.id, p.name, 12) != 0:
        return False
    line = <const ProposedLine*>(p.tail + p.offsets[number])
    return (
        row.participant == p.asked.participant and row.operator_ == p.asked.operator_
        and row.checker == p.approval.participant
        and row.kind == line.kind and row.amount == line.amount
        and row.resolves == line.resolves
        and row.debit == line.debit and row.credit == line.credit
        and row.flags & ~ROW_TAIL == line.flags
        and row.service == 0 and row.basket == 0
        and (
            not kinds_takes_reference(row.kind)
            or memcmp(row.reference, line.reference, REFERENCE_SIZE) == 0
        )
        and draft.tail_size == line.tail_size
        and (
            draft.tail_size == 0
            or memcmp(draft.tail, _lines_tail(line), draft.tail_size) == 0
        )
    )


cdef int _lines_is_free(State* s, const Draft* draft, bint* free_) noexcept nogil:
    """Whether a register row needs neither a proposal nor a signature: of the clock, the
    rules, the margin, and of the people with whom a ledger begins."""
    cdef int record = draft.tail[0]
    free_[0] = record == RECORD_CLOCK or record == RECORD_RULES or record == RECORD_MARGIN or (
        record == RECORD_PERSON and people_begin(s)
    )
    if free_[0] or record != RECORD_PERSON:
        return 0
    return approvers_begin_third(s, <const PersonRecord*>draft.tail, free_)


cdef int lines_ask(State* s, const Draft* draft, bint* line, int* result) noexcept nogil:
    """What a ledger with people asks of a row first: that it is signed if it must be, and
    whether it must be the row of a line that people have approved."""
    cdef const Row* row = &draft.row
    cdef Row asked
    cdef bint found
    cdef int rc
    line[0] = False
    result[0] = RESULT_OK
    if not people_are(s):
        if row.kind == KIND_PROPOSE and row.total == PROPOSE_LINES:
            result[0] = RESULT_NOT_SIGNED
        elif row.kind == KIND_REGISTER and draft.tail[0] == RECORD_STATEMENT:
            # It speaks of the lines of its proposal.
            result[0] = RESULT_NOT_APPROVED
        return 0
    if row.kind == KIND_APPROVE:
        rc = rows_find_accepted(s, row.resolves, &asked, &found)
        if rc != 0 or (found and asked.kind == KIND_SHIFT):
            return rc
        return people_check(s, draft, result)
    if kinds_is_said(row.kind):
        if people_is_channel(s, row) and not _lines_are_of_channel(s, draft):
            result[0] = RESULT_NOT_SIGNED
            return 0
        return people_check(s, draft, result)
    if not kinds_may_be_line(row.kind):
        return 0
    if signed_is_word(row, draft.tail):
        return signed_check_stop(s, draft, result)
    if draft.proposal == 0 and signed_is_stop(s, row, draft.tail):
        return signed_check_stop(s, draft, result)
    line[0] = True
    if row.kind == KIND_REGISTER:
        rc = _lines_is_free(s, draft, &found)
        line[0] = not found
        return rc
    return 0
