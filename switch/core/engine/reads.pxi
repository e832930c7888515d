# What any thread may ask. Durable state only.
#
# The lock is held to begin a view and to look at the maps in memory, not while the disk
# is read: chunks, postings and runs never change once written, and what is in memory of
# older steps and runs stays there as long as a view may look at it.

cdef struct Lookup:           # the entries of one key, the newest first
    int map
    uint64_t high
    uint64_t low
    uint32_t recent           # of those in memory, how many have been given
    uint32_t old              # of those in runs, likewise
    bint in_runs
    uint32_t runs_count
    const Run* runs[RUNS_MAX]  # of the map, when the view was begun


# --- rows by id, and by what they resolve ---------------------------------------------------

cdef int reads_begin_lookup(
    State* s, View* view, Lookup* lookup, int map_, uint64_t high, uint64_t low
) noexcept nogil:
    cdef int rc
    lookup.map = map_
    lookup.high = high
    lookup.low = low
    lookup.recent = 0
    lookup.old = 0
    lookup.in_runs = False
    pthread_mutex_lock(&s.shared.lock)
    rc = views_begin(s, view)
    lookup.runs_count = s.shared.runs_count[map_]
    memcpy(lookup.runs, s.shared.levels[map_], lookup.runs_count * sizeof(Run*))
    pthread_mutex_unlock(&s.shared.lock)
    return rc


cdef bint _reads_recent(
    State* s, const View* view, const Lookup* lookup, uint64_t* value
) noexcept nogil:
    """The next entry in memory, durable ones only. Locked: the newest maps still grow."""
    cdef const Step* step = view.newest
    cdef uint64_t hash = memo_hash(lookup.high, lookup.low, s.config.seed)
    cdef uint32_t nth = lookup.recent
    cdef uint64_t most = view.sequence
    if lookup.map == MAP_CLAIMS:
        # A claim's value is twice a sequence, and one more if it was released.
        most = (most << 1) | 1
    while step != NULL:
        if memo_newest(
            &step.maps[lookup.map], hash, lookup.high, lookup.low, most, &nth, value
        ):
            return True
        step = views_before(s, view, step)
    return False


cdef int _reads_old(
    State* s, const View* view, const Lookup* lookup, uint64_t* value
) noexcept nogil:
    """The next entry in the runs; MDB_NOTFOUND after the last."""
    cdef uint64_t hash = memo_hash(lookup.high, lookup.low, s.config.seed)
    cdef uint32_t nth = lookup.old
    cdef const Run* run
    cdef uint32_t i
    cdef int rc
    for i in range(lookup.runs_count):
        run = lookup.runs[i]
        if not runs_maybe(run, hash, lookup.high):
            continue
        rc = runs_find(s, view.index, run, lookup.high, lookup.low, &nth, value)
        if rc != MDB_NOTFOUND:
            return rc
    return MDB_NOTFOUND


cdef int reads_next(
    State* s, const View* view, Lookup* lookup, uint64_t* value
) noexcept nogil:
    """The next entry of the key, from the newest on; MDB_NOTFOUND after the last."""
    cdef bint found
    cdef int rc
    if not lookup.in_runs:
        pthread_mutex_lock(&s.shared.lock)
        found = _reads_recent(s, view, lookup, value)
        pthread_mutex_unlock(&s.shared.lock)
        lookup.recent += 1
        if found:
            return 0
        lookup.in_runs = True
    rc = _reads_old(s, view, lookup, value)
    lookup.old += 1
    return rc


cdef int reads_find(
    State* s, uint32_t sender, const uint8_t* id, uint64_t* sequence
) noexcept nogil:
    """The row with this id of this sender; sequence 0 if none is durable."""
    cdef View view
    cdef Lookup lookup
    cdef uint64_t high, low, value
    cdef const Row* row
    cdef int rc
    sequence[0] = 0
    keys_id(s, id, sender, &high, &low)
    rc = reads_begin_lookup(s, &view, &lookup, MAP_IDS, high, low)
    while rc == 0 and sequence[0] == 0:
        rc = reads_next(s, &view, &lookup, &value)
        if rc == 0:
            rc = views_get_row(&view, value, &row)
        if rc == 0 and row.participant == sender and memcmp(row.id, id, 16) == 0:
            sequence[0] = value
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc


cdef int reads_find_own(
    State* s, uint32_t sender, const uint8_t* id, uint32_t wallet, uint64_t* sequence
) noexcept nogil:
    """The same if it debits `wallet`; sequence 0 if it debits another, or is not there.

    The time it takes must not show which of the two it is: both walk through all steps and
    runs, and what is not found is read elsewhere, a page, a row, whose damage is no matter."""
    cdef View view
    cdef Lookup lookup
    cdef uint64_t high, low, value
    cdef uint64_t found = 0
    cdef uint32_t nth, i
    cdef bint in_run = False
    cdef const Row* row
    cdef int rc
    sequence[0] = 0
    keys_id(s, id, sender, &high, &low)
    rc = reads_begin_lookup(s, &view, &lookup, MAP_IDS, high, low)
    while rc == 0:
        rc = reads_next(s, &view, &lookup, &value)
        if rc == 0:
            rc = views_get_row(&view, value, &row)
        if rc == 0 and found == 0 and row.participant == sender and memcmp(row.id, id, 16) == 0:
            found = value
            in_run = lookup.in_runs
            if row.debit == wallet:
                sequence[0] = value
    if rc == MDB_NOTFOUND and not in_run and lookup.runs_count > 0:
        # Twice, as behind what is found in a run it looks for an older one.
        for i in range(2):
            nth = i
            runs_find(
                s, view.index, lookup.runs[low % lookup.runs_count], high, low, &nth, &value
            )
    if rc == MDB_NOTFOUND and found == 0 and view.sequence > 0:
        views_get_row(&view, 1 + native_mix(high ^ low) % view.sequence, &row)
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc


cdef int reads_link(
    State* s, uint64_t resolved, uint64_t what, uint64_t* sequence, uint64_t* total
) noexcept nogil:
    """The newest durable row that resolves another, and its running total."""
    cdef View view
    cdef Lookup lookup
    cdef uint64_t value
    cdef const Row* row
    cdef int rc
    sequence[0] = 0
    total[0] = 0
    rc = reads_begin_lookup(s, &view, &lookup, MAP_LINKS, resolved, what)
    if rc == 0:
        rc = reads_next(s, &view, &lookup, &value)
    if rc == 0:
        rc = views_get_row(&view, value, &row)
    if rc == 0:
        sequence[0] = value
        total[0] = row.total
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc


# --- what is in the way of a bill -----------------------------------------------------------

cdef int reads_takers(
    State* s, uint64_t high, uint64_t low, uint64_t* takers, uint32_t* count, bint* free_
) noexcept nogil:
    """The newest durable payments that took a claim, the newest first, at most TAKERS_MAX;
    and whether the last thing that was done to it was to release it."""
    cdef View view
    cdef Lookup lookup
    cdef uint64_t value
    cdef bint first = True
    cdef int rc = reads_begin_lookup(s, &view, &lookup, MAP_CLAIMS, high, low)
    count[0] = 0
    free_[0] = False
    while rc == 0 and count[0] < <uint32_t>TAKERS_MAX:
        rc = reads_next(s, &view, &lookup, &value)
        if rc == 0 and value & 1 == 0:
            takers[count[0]] = value >> 1
            count[0] += 1
        elif rc == 0 and first:
            free_[0] = True
        first = False
    views_end(s, &view)
    return 0 if rc == MDB_NOTFOUND else rc


cdef int _reads_standing(State* s, uint64_t hold, Standing* out, Row* end) noexcept nogil:
    """Where a durable hold stands: as standing_get."""
    cdef uint64_t total
    cdef int rc
    memset(out, 0, sizeof(Standing))
    memset(end, 0, sizeof(Row))
    rc = reads_link(s, hold, 0, &out.end, &total)
    if rc != 0 or out.end == 0:
        return rc
    rc = reads_gather_rows(s, &out.end, 1, end)
    if rc != 0 or end.kind == KIND_POST:
        return rc
    out.expired = end.kind == KIND_EXPIRE
    rc = reads_link(s, hold, LINK_CASE + CASE_LATE_CONFIRMATION, &out.confirmed, &total)
    if rc == 0:
        rc = reads_link(s, hold, LINK_VERIFY, &out.verified, &total)
    if rc == 0:
        rc = reads_link(s, hold, LINK_CORRECTION, &out.corrected, &total)
    if rc == 0 and out.corrected != 0:
        rc = reads_link(s, hold, LINK_UNDOING, &out.undone, &total)
    standing_undo(out)
    return rc


cdef int _reads_is_disputed(
    State* s, uint64_t hold, const Row* post, bint* disputed
) noexcept nogil:
    """Whether a posted payment is disputed: as standing_get_dispute."""
    cdef uint64_t case_, refund, closed, total
    cdef int rc = reads_link(s, hold, LINK_CASE + CASE_AMOUNT_DIFFERS, &case_, &total)
    disputed[0] = False
    if rc != 0 or case_ < post.sequence:
        return rc
    rc = reads_link(s, post.sequence, 0, &refund, &total)
    if rc != 0 or refund == 0 or total < post.amount:
        return rc
    rc = reads_link(s, case_, 0, &closed, &total)
    disputed[0] = rc == 0 and closed == 0
    return rc


cdef int _reads_credited(
    State* s, const uint64_t* takers, uint32_t count, uint64_t* other
) noexcept nogil:
    """The first of the payments that were given back and are credited by their biller's
    word, or 0."""
    cdef Standing standing
    cdef Row row
    cdef bint disputed
    cdef uint32_t i
    cdef int rc
    for i in range(count):
        rc = reads_gather_rows(s, &takers[i], 1, &row)
        if rc == 0 and row.kind != KIND_HOLD:
            continue
        if rc == 0:
            rc = _reads_standing(s, takers[i], &standing, &row)
        disputed = False
        if rc == 0 and row.kind == KIND_POST:
            rc = _reads_is_disputed(s, takers[i], &row, &disputed)
        elif rc == 0 and standing.corrected != 0:
            rc = reads_gather_rows(s, &standing.corrected, 1, &row)
            disputed = row.flags & ROW_PARTIAL == 0
        if rc != 0:
            return rc
        if disputed or standing_is_late(&standing):
            other[0] = takers[i]
            return 0
    return 0


cdef int _reads_taker_counts(
    State* s, uint64_t sequence, uint64_t time, uint64_t hours_ns, Row* taker, bint* counts
) noexcept nogil:
    """Whether a payment that took a reference's claim is open, in question or disputed, or was
    paid within the hours before `time` and not wholly refunded."""
    cdef Standing standing
    cdef Row final
    cdef uint64_t refund, total
    cdef int rc = reads_gather_rows(s, &sequence, 1, taker)
    counts[0] = False
    final = taker[0]
    if rc == 0 and taker.kind == KIND_HOLD:
        rc = _reads_standing(s, sequence, &standing, &final)
        if rc != 0:
            return rc
        if standing.end == 0 or standing_is_in_question(&standing):
            counts[0] = True
            return 0
        if standing.corrected != 0:
            rc = reads_gather_rows(s, &standing.corrected, 1, &final)
            counts[0] = time <= final.timestamp or time - final.timestamp < hours_ns
            return rc
    if rc != 0 or not kinds_is_final(final.kind):
        return rc
    rc = reads_link(s, final.sequence, 0, &refund, &total)
    if rc == 0 and refund != 0 and total >= final.amount:
        return _reads_is_disputed(s, sequence, &final, counts) if final.kind == KIND_POST else 0
    counts[0] = time <= final.timestamp or time - final.timestamp < hours_ns
    return rc


cdef int reads_in_the_way(
    State* s, uint32_t service, const uint8_t* reference, const uint8_t* citizen,
    uint64_t time, uint64_t* other
) noexcept nogil:
    """The row in the way of a payment, at `time`, of a bill that is fetched now: what has its
    claim, or a payment of another bill of the same citizen's reference. 0 for none."""
    cdef uint64_t[TAKERS_MAX] takers
    cdef uint64_t[2] highs
    cdef uint64_t[2] lows
    cdef ServiceRecord record
    cdef uint32_t series, owner, count, i
    cdef bint counts, free_
    cdef Row taker
    cdef int rc = 0
    other[0] = 0
    pthread_mutex_lock(&s.shared.lock)
    record = s.group.services[service].record
    series = s.group.working.fixed[service].series
    owner = keys_reference_owner(&s.group.working, <uint16_t>service)
    pthread_mutex_unlock(&s.shared.lock)
    if record.duplicate_rule == DUPLICATE_ONCE:
        keys_claim(s, CLAIM_BILL, record.biller, reference, series, highs, lows)
        rc = reads_takers(s, highs[0], lows[0], takers, &count, &free_)
        if rc == 0 and count > 0 and not free_:
            other[0] = takers[0]
        elif rc == 0:
            rc = _reads_credited(s, takers, count, other)
    if rc != 0 or other[0] != 0:
        return rc
    if record.duplicate_rule == DUPLICATE_NONE:
        return 0
    keys_claim(s, CLAIM_REFERENCE, owner, citizen, 0, highs, lows)
    rc = reads_takers(s, highs[0], lows[0], takers, &count, &free_)
    for i in range(count):
        if rc == 0:
            rc = _reads_taker_counts(
                s, takers[i], time,
                <uint64_t>record.duplicate_hours * 3600 * 1000000000, &taker, &counts,
            )
        if rc != 0:
            return rc
        if counts and not (
            record.duplicate_rule == DUPLICATE_ONCE
            and memcmp(taker.reference, reference, REFERENCE_SIZE) == 0
        ):
            other[0] = takers[i]
            return 0
    return rc


# --- an account's rows and past totals ------------------------------------------------------

cdef uint64_t _reads_before(
    State* s, const View* view, const Step** step, uint64_t at
) noexcept nogil:
    """The account's row before the row `at` of memory; both as in `Step.chain`."""
    cdef uint64_t sequence = at >> 1
    while step[0].number != (sequence - 1) // s.config.step_rows:
        step[0] = views_before(s, view, step[0])
    return step[0].chain[2 * (sequence - 1 - step[0].number * s.config.step_rows) + (at & 1)]


cdef int reads_account_rows(
    State* s, uint32_t account, uint64_t before, uint64_t limit, uint64_t* out,
    uint64_t* count
) noexcept nogil:
    """Sequences of an account's money rows below `before` (0: all), descending."""
    cdef View view
    cdef Postings found
    cdef PostingsLink last
    cdef const Step* step
    cdef const uint32_t* rows
    cdef uint64_t newest, end
    cdef uint32_t i
    cdef int rc
    pthread_mutex_lock(&s.shared.lock)
    rc = views_begin(s, &view)
    newest = s.group.heads[account]
    last = s.shared.latest[account].last
    pthread_mutex_unlock(&s.shared.lock)
    count[0] = 0
    end = view.sequence if before == 0 else min(before - 1, view.sequence)
    step = view.newest
    while newest >> 1 > view.indexed and count[0] < limit:
        if newest >> 1 <= end:
            out[count[0]] = newest >> 1
            count[0] += 1
        newest = _reads_before(s, &view, &step, newest)
    found.entry = NULL
    end = min(end, view.indexed)
    if rc == 0 and count[0] < limit:
        rc = postings_seek(s, view.index, account, last, postings_step(s, end), &found)
    while rc == 0 and found.entry != NULL and count[0] < limit:
        rc = postings_get_rows(&found, &rows)
        if rc != 0:
            break
        i = postings_count_to(&found, rows, end)
        while i > 0 and count[0] < limit:
            i -= 1
            out[count[0]] = found.head.first_sequence + rows[i]
            count[0] += 1
        if count[0] < limit:
            rc = postings_follow(s, view.index, account, 0, &found)
    views_end(s, &view)
    return rc


cdef int _reads_undo(
    View* view, uint32_t account, uint64_t sequence, Totals* totals
) noexcept nogil:
    """Take one of the account's rows out of its totals."""
    cdef const Row* found
    cdef Row row
    cdef uint64_t held = 0
    cdef int rc = views_get_row(view, sequence, &found)
    if rc != 0:
        return rc
    row = found[0]
    if kinds_resolves_hold(row.kind):
        rc = views_get_row(view, row.resolves, &found)
        if rc != 0:
            return rc
        held = found.amount
    effect_totals(totals, &row, held, account, -1)
    return 0


cdef int _reads_balance_indexed(
    State* s, View* view, uint32_t account, PostingsLink last, uint64_t sequence,
    Totals* totals
) noexcept nogil:
    """From the postings: the nearest later totals less at most POSTINGS_MARK rows."""
    cdef Postings found
    cdef const uint32_t* rows
    cdef uint32_t count, at
    cdef int rc
    memset(totals, 0, sizeof(Totals))
    rc = postings_seek(s, view.index, account, last, postings_step(s, sequence), &found)
    if rc != 0 or found.entry == NULL:
        return rc
    totals[0] = found.entry.totals
    if sequence >= found.head.last_sequence:
        return 0
    rc = postings_get_rows(&found, &rows)
    if rc != 0:
        return rc
    count = postings_count_to(&found, rows, sequence)
    at = postings_get_totals(&found, rows, count, totals)
    while rc == 0 and at > count:
        at -= 1
        rc = _reads_undo(view, account, found.head.first_sequence + rows[at], totals)
    return rc


cdef int reads_balance(
    State* s, uint32_t account, uint64_t sequence, Totals* totals
) noexcept nogil:
    """The four totals of an account right after the row `sequence`."""
    cdef View view
    cdef PostingsLink last
    cdef const Step* step
    cdef uint64_t newest
    cdef int rc
    pthread_mutex_lock(&s.shared.lock)
    rc = views_begin(s, &view)
    newest = s.group.heads[account]
    last = s.shared.latest[account].last
    postings_set_totals(totals, &s.shared.published.accounts[account])
    pthread_mutex_unlock(&s.shared.lock)
    if rc == 0 and sequence <= view.indexed:
        rc = _reads_balance_indexed(s, &view, account, last, sequence, totals)
        newest = 0
    step = view.newest
    while rc == 0 and newest >> 1 > sequence:
        if newest >> 1 <= view.sequence:
            rc = _reads_undo(&view, account, newest >> 1, totals)
        newest = _reads_before(s, &view, &step, newest)
    views_end(s, &view)
    return rc


cdef int reads_copy_rows(State* s, uint64_t first, uint64_t count, Row* target) noexcept nogil:
    """Copy rows out of their chunks, each through its own check."""
    cdef Reader reader
    cdef const Chunk* chunk
    cdef const Row* row
    cdef uint64_t done = 0
    cdef FaultPlace* before = fault_enter(&s.shared.in_journal)
    cdef int rc = store_begin(s, &reader)
    while rc == 0 and done < count:
        rc = store_get_chunk(&reader, first + done, &chunk)
        if rc != 0:
            break
        row = <const Row*>(<const uint8_t*>chunk + sizeof(Chunk))
        row += first + done - chunk.first_sequence
        while done < count and first + done < chunk.first_sequence + chunk.rows_count:
            if row.sequence != first + done or row.check != store_row_check(row):
                rc = MDB_CORRUPTED
                break
            target[done] = row[0]
            done += 1
            row += 1
    store_end(&reader)
    fault_leave(before)
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int reads_gather_rows(
    State* s, const uint64_t* sequences, uint64_t count, Row* target
) noexcept nogil:
    """Copy durable rows in the order asked for, each through its own check."""
    return reads_gather(s, sequences, count, target, NULL)


cdef int reads_gather(
    State* s, const uint64_t* sequences, uint64_t count, Row* target, uint8_t* whole
) noexcept nogil:
    """Likewise; with `whole` damage is no error: it says which of the rows are there."""
    cdef View view
    cdef const Row* row
    cdef uint64_t i
    cdef int rc
    pthread_mutex_lock(&s.shared.lock)
    rc = views_begin(s, &view)
    pthread_mutex_unlock(&s.shared.lock)
    for i in range(count):
        if rc == 0:
            rc = views_get_row(&view, sequences[i], &row)
        if whole != NULL:
            whole[i] = rc == 0
        if rc == 0:
            target[i] = row[0]
        elif whole != NULL and store_is_damage(rc):
            # LMDB gives up a transaction that met a damaged page.
            view.chunk = NULL
            rc = store_renew(&view.journal)
    views_end(s, &view)
    return rc


cdef uint64_t reads_count_runs(
    State* s, uint32_t[MAPS_COUNT][LEVELS_MAX] counts, uint32_t* steps
) noexcept nogil:
    """Runs by map and level; gives the bytes of their filters, covers and fences."""
    cdef uint64_t size = 0
    cdef uint32_t i
    cdef const Cover* cover = NULL
    cdef int map_
    cdef const Run* run
    memset(counts, 0, MAPS_COUNT * LEVELS_MAX * sizeof(uint32_t))
    pthread_mutex_lock(&s.shared.lock)
    for map_ in range(MAPS_COUNT):
        for i in range(s.shared.runs_count[map_]):
            run = s.shared.levels[map_][i]
            counts[map_][run.level] += 1
            size += <uint64_t>run.pages_count * sizeof(Fence)
            size += <uint64_t>runs_count_parts(run.entries_count) * (PART_LINES * 32 + 8)
            # Members of a cover stand side by side.
            if run.cover != NULL and run.cover != cover:
                size += <uint64_t>run.cover.filter_size * 32
            cover = run.cover
    steps[0] = s.shared.steps_count
    pthread_mutex_unlock(&s.shared.lock)
    return size


cdef void reads_forget_dead(State* s) noexcept nogil:
    """Forget readers that died, or the pages they saw could never be used again."""
    cdef int dead
    mdb_reader_check(s.config.journal_env, &dead)
    mdb_reader_check(s.config.index_env, &dead)
