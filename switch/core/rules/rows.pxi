# Rows of the group being made, and what memory learns from each row.
#
# `rows_note` is the one way by which a row changes state: the committer calls it as it
# writes a row, replay as it reads one.

cdef inline Row* rows_at(State* s, uint32_t index) noexcept nogil:
    native_assert(index <= GROUP_MAX, b"rows_at: a row of the group")
    return <Row*>(s.group.chunk + sizeof(Chunk)) + index


cdef inline void rows_seal(State* s) noexcept nogil:
    """Give the rows that have none their checks; many at a time is faster."""
    native_assert(
        s.group.rows_sealed <= s.group.rows_count,
        b"rows_seal: sealed rows are rows",
    )
    native_crc_records(
        <uint8_t*>rows_at(s, s.group.rows_sealed), sizeof(Row),
        s.group.rows_count - s.group.rows_sealed,
    )
    s.group.rows_sealed = s.group.rows_count


cdef inline uint64_t rows_time(const State* s) noexcept nogil:
    """The timestamp that the next row will have."""
    return s.group.now if s.group.now > s.group.last_timestamp else s.group.last_timestamp + 1


cdef inline int _rows_is_lost(State* s, uint64_t sequence, int rc) noexcept nogil:
    """Note which row is damaged, for people. One that is not there, although something
    names it, is damage and no answer."""
    if rc == MDB_NOTFOUND:
        rc = MDB_CORRUPTED
    if store_is_damage(rc):
        s.shared.damaged_row = sequence
    return rc


cdef int rows_get(State* s, uint64_t sequence, Row* out) noexcept nogil:
    """Copy a row, of this group or a durable one. MDB_CORRUPTED if there is none."""
    cdef const Row* row
    cdef int rc = MDB_NOTFOUND
    if sequence >= s.group.first:
        if sequence - s.group.first < s.group.rows_count:
            out[0] = rows_at(s, <uint32_t>(sequence - s.group.first))[0]
            return 0
    elif sequence != 0:
        rc = store_get_row(&s.group.reader, sequence, &row)
        if rc == 0:
            out[0] = row[0]
            return 0
    return _rows_is_lost(s, sequence, rc)


cdef int rows_get_tail(
    State* s, uint64_t sequence, const uint8_t** data, uint32_t* size
) noexcept nogil:
    cdef Tails tails
    if sequence >= s.group.first:
        rows_seal(s)
        tails.at = s.group.tail
        tails.seed = s.config.instance_check
        tails.left = s.group.tail_size
        return store_find_tail(
            tails, &s.group.places, rows_at(s, 0), <uint32_t>(sequence - s.group.first), data, size
        )
    cdef int rc = store_get_tail(&s.group.reader, sequence, data, size)
    return _rows_is_lost(s, sequence, rc) if rc != 0 else 0


cdef int rows_find_link(
    State* s, uint64_t sequence, uint64_t what, uint64_t* value
) noexcept nogil:
    """0 and the newest link, or 0 and value 0 if there is none."""
    cdef int rc = lookup_find(s, MAP_LINKS, sequence, what, 0, value)
    if rc == MDB_NOTFOUND:
        value[0] = 0
        return 0
    return rc


cdef int rows_find_accepted(State* s, uint64_t sequence, Row* row, bint* found) noexcept nogil:
    """An accepted row that was there before the one being decided."""
    cdef int rc
    found[0] = False
    if sequence == 0 or sequence >= s.group.first + s.group.rows_count:
        return 0
    rc = rows_get(s, sequence, row)
    found[0] = rc == 0 and row.result == RESULT_OK
    return rc


cdef inline void rows_publish_holds(State* s) noexcept nogil:
    """Show readers how many holds there are, and when the next is due, or a window is."""
    s.shared.holds_count = s.group.holds.count - s.group.holds.unverified
    s.shared.kept_count = s.group.holds.kept
    s.shared.unverified_count = s.group.holds.unverified
    s.shared.hold_due = s.shared.due = holds_due(&s.group.holds)
    s.shared.window_due = s.group.cutoff
    if s.group.cutoff != 0 and (s.shared.due == 0 or s.group.cutoff < s.shared.due):
        s.shared.due = s.group.cutoff


cdef inline void _rows_touch(State* s, uint32_t account) noexcept nogil:
    """Remember that this group changed an account."""
    native_assert(account > 0 and account < ACCOUNTS_MAX, b"_rows_touch: an account")
    native_assert(s.group.dirty_count < ACCOUNTS_MAX, b"_rows_touch: there is room")
    if s.group.touched[account] != s.group.number:
        s.group.touched[account] = s.group.number
        s.group.dirty[s.group.dirty_count] = account
        s.group.dirty_count += 1
    if s.group.working.accounts[account].kind == ACCOUNT_SETTLEMENT:
        s.group.settlement_changed = s.group.working.accounts[account].changed


cdef int rows_root(State* s, const Row* row, const Row* hold, Row* root) noexcept nogil:
    """The row that took the claim which `row` releases: the hold that it ends, or what
    was paid or held before. Of a transfer what it names."""
    cdef int rc
    if kinds_resolves_hold(row.kind):
        root[0] = hold[0]
        return 0
    rc = rows_get(s, row.resolves, root)
    if rc == 0 and root.kind == KIND_POST:
        return rows_get(s, root.resolves, root)
    return rc


cdef int _rows_find_payee(State* s, const Row* row, uint32_t* payee) noexcept nogil:
    """The biller account whose `paid_out` an accepted row changes, or 0. A payout names a row
    of its beneficiary. Its recall names the payout. So does the line of a debit that people
    end out of settlement: its bank has paid what had been recalled, or has paid twice."""
    cdef Row named
    cdef int rc = rows_get(s, row.resolves, &named)
    payee[0] = 0
    if rc == 0 and keys_is_line_of(&named):
        rc = rows_get(s, named.resolves, &named)
        if rc == 0 and not keys_may_have_paid_out(&s.group.working, &named):
            return 0
    if rc == 0 and keys_is_transfer_of(&named):
        rc = rows_get(s, named.resolves, &named)
    if rc == 0:
        payee[0] = effect_payee(&s.group.working, &named)
    return rc


cdef inline void _rows_keep_hold(State* s, const Row* row) noexcept nogil:
    """Remember what the list says of a hold before a row of the group changes that."""
    cdef uint64_t sequence = hold_pieces_spoken_of(row)
    if sequence == 0 or row.sequence < s.group.first:
        return
    native_assert(s.group.holds_before_count < GROUP_MAX, b"_rows_keep_hold: there is room")
    s.group.holds_before[s.group.holds_before_count].sequence = sequence
    # A hold is in no list before its own row.
    s.group.holds_before[s.group.holds_before_count].due = (
        holds_find(&s.group.holds, sequence) if sequence != row.sequence else 0
    )
    s.group.holds_before_count += 1


cdef int rows_note(
    State* s, const Row* row, const Row* hold, const uint8_t* tail, uint32_t tail_size,
    const Fence* keys
) noexcept nogil:
    """Let memory learn a row. `hold`: what a post, void or expire ends, or a case keeps.

    `keys`: of its draft, for what it claims and its id, or NULL to derive them. Damage is met
    before anything has changed.
    """
    cdef Derived derived
    cdef Row root
    cdef const WindowLine* lines
    cdef Step* step = lookup_step_of(s, row.sequence)
    cdef uint64_t* chain
    cdef Account* credit
    cdef uint32_t i, before
    cdef uint32_t payee = 0
    cdef bint pays = row.result == RESULT_OK and keys_is_of_payout(&s.group.working, row)
    cdef int rc = 0
    if step == NULL:
        return ENOMEM
    native_assert(row.sequence > s.shared.indexed, b"rows_note: the index lacks the row")
    native_assert(
        step.number == (row.sequence - 1) // s.config.step_rows,
        b"rows_note: its own step",
    )
    if pays or (row.result == RESULT_OK and row.flags & ROW_RELEASE):
        rc = rows_root(s, row, hold, &root)
        if rc == 0 and pays:
            rc = _rows_find_payee(s, row, &payee)
        if rc != 0:
            return rc
    if row.result == RESULT_OK:
        if not effect_is_within(row, tail, tail_size):
            return MDB_CORRUPTED
        effect_rely(&s.group.working, row, hold)
        credit = &s.group.working.accounts[row.credit if kinds_changes_credit(row.kind) else 0]
        before = effect_waiting(credit)
        effect_apply(&s.group.working, row, hold, tail, tail_size)
        if payee != 0:
            effect_pay_out(&s.group.working, row, payee)
            _rows_touch(s, payee)
        s.group.participants[credit.participant].holds += effect_waiting(credit) - before
        if kinds_moves_money(row.kind):
            native_assert(
                effect_may_owe(row) or effect_is_covered(&s.group.working.accounts[row.debit]),
                b"rows_note: no wallet below zero, but for what it owes",
            )
            _rows_touch(s, row.debit)
            _rows_touch(s, row.credit)
            chain = step.chain + 2 * (row.sequence - 1 - step.number * s.config.step_rows)
            native_assert(
                s.group.heads[row.debit] >> 1 < row.sequence,
                b"rows_note: the debit's chain goes back",
            )
            native_assert(
                s.group.heads[row.credit] >> 1 < row.sequence,
                b"rows_note: the credit's chain goes back",
            )
            chain[0] = s.group.heads[row.debit]
            chain[1] = s.group.heads[row.credit]
            s.group.heads[row.debit] = row.sequence << 1
            s.group.heads[row.credit] = (row.sequence << 1) | 1
        elif row.kind == KIND_WINDOW:
            lines = <const WindowLine*>tail
            for i in range(effect_lines(tail_size)):
                _rows_touch(s, lines[i].account)
            s.group.working_window = row.sequence
            cutoffs_follow(s, row.timestamp)
        elif row.kind == KIND_REGISTER:
            register_apply(s, row, tail)
        elif kinds_is_told(row.kind):
            complaints_apply(s, row)
        elif row.kind == KIND_BILLS:
            s.group.services[row.service].files_known = 0
        elif kinds_changes_debit(row.kind):
            _rows_touch(s, row.debit)
            if kinds_changes_credit(row.kind):
                _rows_touch(s, row.credit)
            if row.kind == KIND_OPEN:
                register_add_account(s, row.debit)
        elif row.kind == KIND_WITHDRAW:
            s.group.proposed.stands = 0
        _rows_keep_hold(s, row)
        rc = hold_pieces_learn(&s.group.holds, row)
        if rc != 0:
            return rc
    keys_derive(s, &s.group.working, row, &root, tail, tail_size, keys, &derived)
    for i in range(<uint32_t>derived.count):
        rc = memo_add(&step.maps[derived.maps[i]], &derived.entries[i])
        if rc != 0:
            return rc
    return 0


cdef void _rows_add_tail(
    State* s, uint64_t sequence, const uint8_t* tail, uint32_t size
) noexcept nogil:
    cdef TailItem item
    cdef uint32_t padded = (size + 7) & ~<uint32_t>7
    native_assert(
        size > 0 and s.group.tail_size % 8 == 0,
        b"_rows_add_tail: items are aligned",
    )
    native_assert(
        s.group.tail_size + sizeof(TailItem) + padded <= TAIL_MAX,
        b"_rows_add_tail: there is room",
    )
    item.size = size
    item.check = store_tail_check(s.config.instance_check, sequence, tail, size)
    memcpy(s.group.tail + s.group.tail_size, &item, sizeof(TailItem))
    memcpy(s.group.tail + s.group.tail_size + sizeof(TailItem), tail, size)
    memset(s.group.tail + s.group.tail_size + sizeof(TailItem) + size, 0, padded - size)
    s.group.tail_size += <uint32_t>sizeof(TailItem) + padded


cdef int rows_record(
    State* s, Row* row, const Row* hold, const uint8_t* tail, uint32_t tail_size,
    const Fence* keys
) noexcept nogil:
    """Number a decided row, give it its time and receipt, and add it to the group.

    If this fails for damage, nothing has changed: the row counts once memory knows it.
    """
    cdef const Account* wallet
    cdef int rc
    native_assert(s.group.rows_count < GROUP_MAX, b"rows_record: the group has room")
    row.sequence = s.group.first + s.group.rows_count
    row.timestamp = rows_time(s)
    native_assert(row.timestamp > s.group.last_timestamp, b"rows_record: time goes on")
    row.receipt = 0
    if row.result == RESULT_OK and kinds_is_final(row.kind):
        wallet = &s.group.working.accounts[row.debit]
        row.receipt = 1
        if wallet.year == keys_year_of(&s.group.working, keys_day(row.timestamp)):
            row.receipt = wallet.receipt + 1
    row.flags &= <uint16_t>(~ROW_TAIL & 0xFFFF)
    if tail_size > 0:
        row.flags |= ROW_TAIL
    rc = rows_note(s, row, hold, tail, tail_size, keys)
    if rc != 0:
        return rc
    if tail_size > 0:
        _rows_add_tail(s, row.sequence, tail, tail_size)
    native_assert(
        row.sequence == s.group.first + s.group.rows_count,
        b"rows_record: no row came between",
    )
    rows_at(s, s.group.rows_count)[0] = row[0]
    s.group.rows_count += 1
    s.group.last_timestamp = row.timestamp
    return 0
