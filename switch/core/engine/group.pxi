# One group: decode, apply, one chunk, one commit, publish, answer.
#
# The only part that joins the others. Runs in the committer's thread without the GIL.
# The lock is held while state is applied and published, never during the commit.

cdef void _group_decode_rows(Call* call, Draft* drafts) noexcept nogil:
    cdef const Row* rows = <const Row*>call.body
    cdef const uint8_t* tails = call.tails
    cdef Draft* draft
    cdef uint32_t i
    for i in range(call.rows_count):
        draft = &drafts[i]
        memset(<uint8_t*>draft + sizeof(Row), 0, sizeof(Draft) - sizeof(Row))
        draft.row = rows[i]
        draft.service = rows[i].service
        draft.proposal = rows[i].total
        draft.in_basket = rows[i].basket != 0
        draft.basket = <uint8_t>fields_basket_size(&rows[i])
        draft.basket_left = 1
        if rows[i].flags & ROW_TAIL:
            memcpy(&draft.tail_size, tails, 4)
            draft.tail = tails + 4
            tails += 4 + draft.tail_size
        if call.form == FORM_ANSWERS:
            draft.bound = call.bound
            if rows[i].kind == KIND_POST and rows[i].amount == 0:
                payment_mark(draft, RESULT_INVALID_AMOUNT)
            continue
        machine_shape(draft)
    _group_join_baskets(drafts, call.rows_count)


cdef void _group_join_baskets(Draft* drafts, uint32_t count) noexcept nogil:
    """Row templates of one basket stand side by side: size, and 0, 1, 2 ..."""
    cdef uint32_t i = 0
    cdef uint32_t j, size
    while i < count:
        size = drafts[i].basket
        j = 0
        while j < size and i + j < count and drafts[i + j].row.basket == fields_basket(size, j):
            j += 1
        if size == 0 or j < size:
            # Not the start of a whole basket: decided alone, which a basket cannot be.
            i += 1
            continue
        for j in range(size):
            drafts[i + j].basket_left = size - j
        native_assert(
            size <= BASKET_MAX and i + size <= count,
            b"_group_join_baskets: a whole basket",
        )
        i += size


cdef int _group_decode(State* s, Call* calls, uint32_t calls_count, uint32_t* count) noexcept nogil:
    """Fill the drafts of all requests."""
    cdef uint32_t i, j, found
    cdef uint32_t[2] parts
    count[0] = 0
    for i in range(calls_count):
        calls[i].first = count[0]
        native_assert(
            count[0] + calls[i].rows_count <= GROUP_MAX,
            b"_group_decode: drafts for all rows",
        )
        if calls[i].form != FORM_PAYMENTS:
            _group_decode_rows(&calls[i], s.group.drafts + count[0])
        elif wire_read_request(
            calls[i].body, calls[i].size, s.group.drafts + count[0], calls[i].sender,
            calls[i].bound, &found, calls[i].rows_count, parts,
        ) != 0 or found != calls[i].rows_count:
            return EINVAL
        elif calls[i].operator_ != 0:
            for j in range(found):
                s.group.drafts[count[0] + j].signed_on = calls[i].operator_
        count[0] += calls[i].rows_count
    return 0


cdef int _group_expire(State* s, uint32_t requested) noexcept nogil:
    """Expire what is due, the earliest first, as far as the group has room: what is due by
    the time that has passed, whatever time its row will have."""
    cdef uint64_t now = s.group.passed
    cdef uint64_t aside = s.shared.aside_count
    cdef bint done = True
    cdef int rc = 0
    while rc == 0 and done and s.group.holds.count > 0 and s.group.holds.heap[0].due <= now:
        native_assert(
            s.group.rows_count + requested <= GROUP_MAX,
            b"_group_expire: requests keep their room",
        )
        rc = resolve_expire(s, GROUP_MAX - s.group.rows_count - requested, &done)
        if rc == 0 and s.shared.aside_count != aside:
            aside = s.shared.aside_count
            rc = _group_go_on(s, s.group.aside_rc)
    native_assert(
        rc != 0 or s.group.rows_count + requested <= GROUP_MAX,
        b"_group_expire: requests have room",
    )
    return rc


cdef int _group_pass_over(State* s, Outcome* outs, uint32_t count, int rc) noexcept nogil:
    """Answer requests that met damage before anything of them was recorded."""
    cdef uint32_t i
    memset(outs, 0, count * sizeof(Outcome))
    for i in range(count):
        outs[i].result = RESULT_DATA_DAMAGED
    s.shared.damaged_requests += count
    return _group_go_on(s, rc)


cdef inline void _group_fetch_account(State* s, uint32_t account) noexcept nogil:
    """Have an account in the cache by the time it is looked at. It has three or four lines."""
    cdef const uint8_t* image = <const uint8_t*>&s.group.working.accounts[account]
    native_prefetch(image)
    native_prefetch(image + 64)
    native_prefetch(image + 128)
    native_prefetch(image + sizeof(Account) - 1)
    native_prefetch(&s.group.heads[account])
    native_prefetch(&s.group.touched[account])


cdef void _group_prepare(State* s, uint32_t first, uint32_t last) noexcept nogil:
    """Keys of drafts [first, last), and what is known of them before this group."""
    cdef uint32_t i, end
    while first < last:
        end = min(first + <uint32_t>PROBES_MAX, last)
        native_assert(end <= GROUP_MAX, b"_group_prepare: drafts of the group")
        for i in range(first, end):
            # Row templates name their wallet; messages name a centre, looked up below.
            if s.group.drafts[i].row.debit < ACCOUNTS_MAX:
                _group_fetch_account(s, s.group.drafts[i].row.debit)
        payment_fetch_centres(s, first, end)
        for i in range(first, end):
            machine_prepare(s, &s.group.drafts[i])
            if s.group.drafts[i].from_message:
                _group_fetch_account(s, s.group.drafts[i].row.debit)
        lookup_probe(s, first, end)
        first = end


cdef int _group_apply(State* s, uint32_t count, Outcome* outs) noexcept nogil:
    """Decide the drafts in order, each block of them prepared just before."""
    cdef uint32_t i = 0
    cdef uint32_t prepared = 0
    cdef uint32_t j, size, recorded
    cdef int rc
    memset(outs, 0, count * sizeof(Outcome))
    while i < count:
        size = s.group.drafts[i].basket_left if s.group.drafts[i].in_basket else 1
        native_assert(size > 0 and i + size <= count, b"_group_apply: a whole basket")
        if i + size > prepared:
            j = min(max(i + size, prepared + <uint32_t>PROBES_MAX), count)
            _group_prepare(s, prepared, j)
            prepared = j
        if s.group.register_changed:
            # An earlier row of this group may have changed what the codes mean.
            for j in range(i, i + size):
                machine_prepare(s, &s.group.drafts[j])
                s.group.drafts[j].maybe_id = 1
                s.group.drafts[j].maybe_claims = 3
        recorded = s.group.rows_count
        rc = 0
        if s.group.drafts[i].in_basket:
            rc = machine_basket(s, &s.group.drafts[i], size, &outs[i])
        else:
            rc = machine_apply(s, &s.group.drafts[i], &outs[i])
        if store_is_damage(rc) and s.group.rows_count == recorded:
            rc = _group_pass_over(s, &outs[i], size, rc)
        if rc != 0:
            return rc
        i += size
    native_assert(
        i == count and s.group.rows_count <= GROUP_MAX, b"_group_apply: each is decided"
    )
    return 0


cdef size_t _group_seal(State* s) noexcept nogil:
    """Write the header and the tail; give the chunk's size."""
    cdef Chunk* chunk = <Chunk*>s.group.chunk
    native_assert(
        s.group.rows_count > 0 and s.group.rows_count <= GROUP_MAX,
        b"_group_seal: some rows",
    )
    native_assert(
        s.group.tail_size <= TAIL_MAX and s.group.tail_size % 8 == 0,
        b"_group_seal: whole items",
    )
    native_assert(rows_at(s, 0).sequence == s.group.first, b"_group_seal: the first row")
    native_assert(
        rows_at(s, s.group.rows_count - 1).timestamp == s.group.last_timestamp,
        b"_group_seal: the last row",
    )
    memset(chunk, 0, sizeof(Chunk))
    chunk.magic = CHUNK_MAGIC
    chunk.format = JOURNAL_FORMAT
    chunk.rows_count = s.group.rows_count
    chunk.tail_size = s.group.tail_size
    chunk.first_sequence = s.group.first
    memcpy(chunk.instance, s.config.instance, 16)
    chunk.epoch = s.group.epoch_next
    chunk.ordinal = s.group.ordinal + 1
    chunk.previous = s.group.chain
    rows_seal(s)
    memcpy(<uint8_t*>rows_at(s, s.group.rows_count), s.group.tail, s.group.tail_size)
    chunk.check = store_chunk_check(chunk)
    return sizeof(Chunk) + <size_t>s.group.rows_count * sizeof(Row) + s.group.tail_size


cdef void group_publish(State* s) noexcept nogil:
    """Show readers what the commit has made durable."""
    cdef uint32_t i
    cdef const Row* row
    cdef uint64_t steps
    native_assert(
        s.group.first == s.shared.sequence + 1,
        b"group_publish: behind what is published",
    )
    native_assert(
        s.group.last_timestamp > s.shared.timestamp,
        b"group_publish: time goes on",
    )
    native_assert(
        (<Chunk*>s.group.chunk).ordinal == s.group.ordinal + 1,
        b"group_publish: chunks are numbered",
    )
    native_assert(
        (<Chunk*>s.group.chunk).previous == s.group.chain,
        b"group_publish: chunks are chained",
    )
    native_assert(
        (<Chunk*>s.group.chunk).epoch >= s.group.epoch,
        b"group_publish: epochs do not fall",
    )
    native_assert(
        s.group.working.count >= s.shared.published.count,
        b"group_publish: accounts do not go",
    )
    digest_keep(s)
    if s.shared.copying.target != NULL:
        for i in range(s.group.dirty_count):
            copying_keep(
                &s.shared.copying, s.shared.published.accounts, s.group.dirty[i], sizeof(Account)
            )
    for i in range(s.group.dirty_count):
        s.shared.published.accounts[s.group.dirty[i]] = s.group.working.accounts[s.group.dirty[i]]
    s.shared.published.count = s.group.working.count
    if s.group.register_changed:
        for i in range(s.group.rows_count):
            row = rows_at(s, i)
            if row.kind != KIND_REGISTER or row.result != RESULT_OK or row.debit == 0:
                continue
            if (
                row.debit < s.group.participants_count
                and s.group.participants[row.debit].sequence == row.sequence
            ):
                s.group.participants[row.debit].durable = row.sequence
            elif row.debit < s.group.services_count and (
                s.group.services[row.debit].sequence == row.sequence
            ):
                s.group.services[row.debit].durable = row.sequence
            else:
                register_publish(s, row)
    if s.group.complaints_changed:
        for i in range(s.group.rows_count):
            row = rows_at(s, i)
            if kinds_is_told(row.kind) and row.result == RESULT_OK:
                complaints_publish(s, row)
    steps = (steps_behind(s)) // s.config.step_rows
    s.shared.sequence = s.group.first + s.group.rows_count - 1
    s.shared.timestamp = s.group.last_timestamp
    s.shared.last_window = s.group.working_window
    s.shared.rules_version = s.group.working.rules
    rows_publish_holds(s)
    native_assert(
        s.shared.sequence >= s.shared.indexed,
        b"group_publish: the index is behind",
    )
    s.group.chain = (<Chunk*>s.group.chunk).check
    s.group.epoch = (<Chunk*>s.group.chunk).epoch
    s.group.ordinal += 1
    reserve_measure(s)
    if (steps_behind(s)) // s.config.step_rows != steps:
        pthread_cond_broadcast(&s.shared.step_due)
        if s.group.digests:
            digest_begin(s)
    if s.shared.reserve_left < s.config.reserve_size:
        pthread_cond_broadcast(&s.shared.space_due)


cdef void group_set_number(State* s, uint64_t number) noexcept nogil:
    """As if so many groups had been decided; a test's."""
    native_assert(number >= s.group.number, b"group_set_number: numbers do not come again")
    s.group.number = number


cdef void group_begin(State* s, uint64_t now, uint64_t passed) noexcept nogil:
    native_assert(
        s.shared.sequence == 0 or s.group.last_timestamp >= s.shared.timestamp,
        b"group_begin: time goes on",
    )
    native_assert(passed <= now, b"group_begin: no more has passed than the clock says")
    s.group.now = now
    s.group.passed = passed
    memcpy(s.group.handle_keys, s.shared.token_keys, sizeof(s.shared.token_keys))
    s.group.first = s.shared.sequence + 1
    s.group.fresh = s.shared.sequence // s.config.step_rows
    s.group.rows_count = 0
    s.group.rows_sealed = 0
    s.group.tail_size = 0
    s.group.places.count = 0
    s.group.holds_before_count = 0
    s.group.dirty_count = 0
    s.group.number += 1
    s.group.register_changed = 0
    s.group.complaints_changed = 0
    s.group.basket_lead = 0


cdef int group_wait(State* s, uint32_t windows) noexcept nogil:
    """Under the lock: wait for the index, look at the reserve, renew the readers. Once before
    a group: not for the rows of `windows` that have closed for it since."""
    cdef timespec until
    cdef uint64_t most = s.config.lag_max + windows
    while not s.shared.dead and not s.shared.stopping and steps_behind(s) > most:
        if s.shared.index_failed:
            return RC_SPACE
        clock_gettime(CLOCK_MONOTONIC, &until)
        until.tv_sec += 1
        pthread_cond_timedwait(&s.shared.moved, &s.shared.lock, &until)
    if s.shared.dead:
        return RC_DEAD
    if s.shared.space_failed and s.shared.reserve_left < RESERVE_LEAST:
        return RC_SPACE
    return 0


cdef int group_renew(State* s) noexcept nogil:
    """Under the lock: read both environments as they are now."""
    cdef int rc = store_renew(&s.group.reader)
    s.group.lines_window = 0
    s.group.proposed.sequence = 0
    s.group.named = 0
    if rc == 0:
        mdb_txn_reset(s.group.index_txn)
        rc = mdb_txn_renew(s.group.index_txn)
    return rc


cdef int _group_go_on(State* s, int met) noexcept nogil:
    """After damage that cost no more than who met it; `met` is its code. LMDB gives up a
    transaction that met a damaged page: both are begun anew."""
    if met == RC_INDEX:
        damage_mark(s)
    return group_renew(s)


cdef bint _group_make_handle(
    State* s, const Draft* draft, const Outcome* out, uint8_t* handle
) noexcept nogil:
    """What lets the citizen pay again although an open amount was paid recently."""
    cdef const Row* row = &draft.row
    if (
        out.result != RESULT_PAID_RECENTLY or out.other == 0 or row.service == 0
        or s.group.services[row.service].record.price_rule != PRICE_OPEN
        or s.group.handle_keys[0].number == 0
    ):
        return False
    quotation_make_handle(
        &s.group.handle_keys[0], s.group.working.accounts[row.debit].participant, out.other,
        handle,
    )
    return True


cdef size_t _group_encode(
    State* s, Call* calls, uint32_t calls_count, const Outcome* outs, uint8_t* replies
) noexcept nogil:
    """Write the answers of payment messages as response bytes."""
    cdef uint8_t[HANDLE_SIZE] handle
    cdef uint8_t* at = replies
    cdef uint32_t i, j
    for i in range(calls_count):
        calls[i].reply = at - replies
        calls[i].refusals = calls[i].holds = 0
        if calls[i].form == FORM_PAYMENTS:
            for j in range(calls[i].first, calls[i].first + calls[i].rows_count):
                at = wire_put_outcome(
                    at, s.group.drafts[j].row.id, &outs[j],
                    handle if _group_make_handle(s, &s.group.drafts[j], &outs[j], handle)
                    else NULL,
                )
                if outs[j].result == RESULT_TOO_MANY_REFUSALS:
                    calls[i].refusals += 1
                elif outs[j].result == RESULT_BILLER_BUSY and outs[j].field == FIELD_DEBIT:
                    calls[i].holds += 1
        calls[i].reply_size = at - replies - calls[i].reply
    native_assert(
        <size_t>(at - replies) <= <size_t>GROUP_MAX * WIRE_OUTCOME_MAX,
        b"_group_encode: room for the answers",
    )
    return at - replies


cdef int group_replicate(State* s, const LogApi* log, uint64_t epoch) noexcept nogil:
    """From here on a log has each chunk first, in this epoch; EINVAL if that is earlier than
    the last chunk's, or a log is there."""
    cdef int rc = EINVAL
    pthread_mutex_lock(&s.shared.lock)
    if s.group.log == NULL and epoch >= s.group.epoch:
        s.group.log = log
        s.group.epoch_next = epoch
        s.group.digests = 1
        rc = 0
    pthread_mutex_unlock(&s.shared.lock)
    return rc


cdef int _group_append(State* s, size_t size) noexcept nogil:
    """Have the sealed chunk in the log. May take a minute: not in LMDB, and without the lock,
    so that what is published is read meanwhile."""
    cdef int outcome = s.group.log.append(s.group.log.log, s.group.chunk, size)
    if outcome == LOG_DONE:
        return 0
    return RC_FENCED if outcome == LOG_FENCED else RC_UNSETTLED


cdef int _group_make_durable(State* s) noexcept nogil:
    """Commit the rows of the group that was decided, and show them. Anything but 0: the
    ledger is dead from here on. RC_FENCED: nothing of the group was done, anywhere."""
    cdef FaultPlace* before
    cdef size_t size = _group_seal(s)
    cdef int rc = 0
    if s.group.log != NULL:
        rc = _group_append(s, size)
    if rc == 0:
        before = fault_enter_writing(&s.shared.in_journal)
        rc = store_put_chunk(s, <Chunk*>s.group.chunk, size)
        fault_leave_writing(before, &s.shared.in_journal)
    pthread_mutex_lock(&s.shared.lock)
    if rc == 0:
        group_publish(s)
    else:
        s.shared.dead = rc
    pthread_mutex_unlock(&s.shared.lock)
    return rc


cdef int _group_cut_off(State* s, uint64_t now, uint32_t windows) noexcept nogil:
    """The window of a cut-off that has come, before the group of this time."""
    cdef FaultPlace* before = fault_enter(&s.shared.in_both)
    cdef int rc
    pthread_mutex_lock(&s.shared.lock)
    rc = group_wait(s, windows)
    if rc == 0:
        group_begin(s, now, now)
        rc = group_renew(s)
        if rc == 0:
            rc = windows_cut_off(s)
        if rc != 0:
            s.shared.dead = rc
    pthread_mutex_unlock(&s.shared.lock)
    fault_leave(before)
    return _group_make_durable(s) if rc == 0 else rc


cdef int _group_decide(
    State* s, Call* calls, uint32_t calls_count, uint64_t now, uint64_t passed,
    uint32_t windows, Outcome* outs
) noexcept nogil:
    """Under the lock: everything up to the chunk that is to be committed."""
    cdef uint32_t count
    cdef int rc = group_wait(s, windows)
    if rc != 0:
        return rc
    group_begin(s, now, passed)
    rc = group_renew(s)
    if rc == 0:
        rc = _group_decode(s, calls, calls_count, &count)
    if rc == 0:
        rc = _group_expire(s, count)
    if rc == 0:
        rc = _group_apply(s, count, outs)
    if rc == 0 and s.group.rows_count == 0:
        # Nothing will be published, but what was due may have been set aside.
        rows_publish_holds(s)
    if rc != 0:
        # Memory may be ahead of the disk now: nothing more can be decided from it.
        s.shared.dead = rc
        if rc == RC_INDEX:
            damage_mark(s)
    return rc


cdef int group_commit(
    State* s, Call* calls, uint32_t calls_count, uint64_t now, uint64_t passed,
    Outcome* outs, uint8_t* replies
) noexcept nogil:
    """Decide, make durable, answer. Anything but 0: nothing was answered. Rows have the time
    `now`; holds are due by `passed`, which is no later.

    RC_DEAD and RC_SPACE: nothing of it happened, though a cut-off's window may have closed
    before. Any other: the ledger is dead from here on, and only after RC_FENCED is it certain
    that nothing happened. RC_FOLLOWS: as RC_SPACE; the journal came through a log that is not
    there, and a row of its own would lead it astray.
    """
    cdef FaultPlace* before
    cdef uint32_t windows = 0
    cdef int rc
    if s.group.log == NULL and s.group.epoch > s.config.epoch:
        return RC_FOLLOWS
    while cutoffs_is_due(s, now):
        # The second one, if this one took the last nanosecond before it.
        rc = _group_cut_off(s, now, windows)
        if rc != 0:
            return rc
        windows += 1
        native_assert(windows <= 2, b"group_commit: they are minutes apart")
    before = fault_enter(&s.shared.in_both)
    pthread_mutex_lock(&s.shared.lock)
    rc = _group_decide(s, calls, calls_count, now, passed, windows, outs)
    pthread_mutex_unlock(&s.shared.lock)
    fault_leave(before)
    if rc != 0:
        return rc
    if s.group.rows_count > 0:
        rc = _group_make_durable(s)
    if rc == 0:
        _group_encode(s, calls, calls_count, outs, replies)
    return rc
