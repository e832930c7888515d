# What any thread may ask. Durable state only.
#
# The lock is held to begin a view and to look at the maps in memory, not while the disk
# is read: chunks, postings and runs never change once written, and what is in memory of
# older steps and runs stays there as long as a view may look at it.

cdef struct Lookup:           # the entries of one key, the newest first
    int map
    uint64_t hash
    uint64_t high
    uint64_t low
    uint64_t most             # values above it are not durable in the view
    const Step* step          # in memory, the one that is looked at next; NULL behind the last
    const Step* at_step       # that is walked through, and where that goes on
    uint32_t at
    bint in_runs
    bint in_run               # the last of `runs_done` is walked through
    uint32_t runs_done
    RunWalk run
    uint32_t runs_count
    const Run* runs[RUNS_MAX]  # of the map, when the view was begun


# --- rows by id, and by what they resolve ---------------------------------------------------

cdef int reads_begin_lookup(
    State* s, View* view, Lookup* lookup, int map_, uint64_t high, uint64_t low
) noexcept nogil:
    cdef int rc
    lookup.map = map_
    lookup.hash = memo_hash(high, low, s.config.seed)
    lookup.high = high
    lookup.low = low
    lookup.at = 0
    lookup.in_runs = lookup.in_run = False
    lookup.runs_done = 0
    pthread_mutex_lock(&s.shared.lock)
    rc = views_begin(s, view)
    lookup.step = view.newest
    # A claim's value is twice a sequence, and one more if it was released.
    lookup.most = (view.sequence << 1) | 1 if map_ == MAP_CLAIMS else view.sequence
    lookup.runs_count = s.shared.runs_count[map_]
    memcpy(lookup.runs, s.shared.levels[map_], lookup.runs_count * sizeof(Run*))
    pthread_mutex_unlock(&s.shared.lock)
    return rc


cdef bint _reads_recent(
    State* s, const View* view, Lookup* lookup, uint64_t* value
) noexcept nogil:
    """The next entry in memory, durable ones only. Locked: the newest maps still grow."""
    while True:
        if lookup.at != 0 and memo_next(
            &lookup.at_step.maps[lookup.map], &lookup.at, lookup.most, value
        ):
            return True
        if lookup.step == NULL:
            return False
        lookup.at_step = lookup.step
        lookup.step = views_before(s, view, lookup.step)
        lookup.at = memo_begin(
            &lookup.at_step.maps[lookup.map], lookup.hash, lookup.high, lookup.low
        )


cdef int _reads_old(
    State* s, const View* view, Lookup* lookup, uint64_t* value
) noexcept nogil:
    """The next entry in the runs; MDB_NOTFOUND after the last."""
    cdef const Run* run
    cdef bint maybe
    cdef int rc
    while True:
        if lookup.in_run:
            rc = runs_next(s, view.index, &lookup.run, value)
            if rc != MDB_NOTFOUND:
                return rc
        lookup.in_run = False
        while lookup.runs_done < lookup.runs_count and not lookup.in_run:
            run = lookup.runs[lookup.runs_done]
            lookup.runs_done += 1
            rc = runs_maybe(run, lookup.hash, lookup.high, &maybe)
            if rc == 0 and maybe:
                rc = runs_begin(&lookup.run, run, lookup.high, lookup.low)
                lookup.in_run = True
            if rc != 0:
                return rc
        if not lookup.in_run:
            return MDB_NOTFOUND


cdef int reads_next(
    State* s, const View* view, Lookup* lookup, uint64_t* value
) noexcept nogil:
    """The next entry of the key, from the newest on; MDB_NOTFOUND after the last."""
    cdef bint found
    if not lookup.in_runs:
        pthread_mutex_lock(&s.shared.lock)
        found = _reads_recent(s, view, lookup, value)
        pthread_mutex_unlock(&s.shared.lock)
        if found:
            return 0
        lookup.in_runs = True
    return _reads_old(s, view, lookup, value)


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
        if runs_begin(&lookup.run, lookup.runs[low % lookup.runs_count], high, low) == 0:
            runs_next(s, view.index, &lookup.run, &value)
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
        rc = store_is_late(&view.journal)
        if rc == 0:
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


cdef int _reads_copy_some(
    State* s, uint64_t first, uint64_t count, Row* target, uint64_t* done
) noexcept nogil:
    """Copy rows [first + done, first + count) as far as one reader may last."""
    cdef Reader reader
    cdef const Chunk* chunk
    cdef const Row* row
    cdef int rc = store_begin_bounded(s, &reader)
    while rc == 0 and done[0] < count:
        rc = store_get_chunk(&reader, first + done[0], &chunk)
        if rc != 0:
            break
        row = <const Row*>(<const uint8_t*>chunk + sizeof(Chunk))
        row += first + done[0] - chunk.first_sequence
        while done[0] < count and first + done[0] < chunk.first_sequence + chunk.rows_count:
            if row.sequence != first + done[0] or row.check != store_row_check(row):
                rc = MDB_CORRUPTED
                break
            target[done[0]] = row[0]
            done[0] += 1
            row += 1
    store_end(&reader)
    return rc


cdef int reads_copy_rows(State* s, uint64_t first, uint64_t count, Row* target) noexcept nogil:
    """Copy rows out of their chunks, each through its own check. What was copied stays right,
    so that a reader who has lasted too long is followed by another."""
    cdef uint64_t before
    cdef uint64_t done = 0
    cdef FaultPlace* place = fault_enter(&s.shared.in_journal)
    cdef int rc
    while True:
        before = done
        rc = _reads_copy_some(s, first, count, target, &done)
        if rc != RC_LATE or done == before:
            break
    fault_leave(place)
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef int reads_gather_rows(
    State* s, const uint64_t* sequences, uint64_t count, Row* target
) noexcept nogil:
    """Copy durable rows in the order asked for, each through its own check."""
    return reads_gather(s, sequences, count, target, NULL)


cdef void _reads_begin(State* s, View* view, int* rc) noexcept nogil:
    pthread_mutex_lock(&s.shared.lock)
    rc[0] = views_begin(s, view)
    pthread_mutex_unlock(&s.shared.lock)


cdef int reads_gather(
    State* s, const uint64_t* sequences, uint64_t count, Row* target, uint8_t* whole
) noexcept nogil:
    """Likewise; with `whole` damage is no error: it says which of the rows are there."""
    cdef View view
    cdef const Row* row
    cdef uint64_t i
    cdef uint64_t begun = 0
    cdef int rc
    _reads_begin(s, &view, &rc)
    for i in range(count):
        if rc == 0:
            rc = views_get_row(&view, sequences[i], &row)
        if rc == RC_LATE and i > begun:
            # Rows do not change: the rest is read in another view.
            begun = i
            views_end(s, &view)
            _reads_begin(s, &view, &rc)
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
    """Runs by map and level; gives the bytes that they have in memory: covers, and where the
    parts of runs lie."""
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
            size += <uint64_t>runs_count_parts(run.entries_count) * (8 + 2 * sizeof(void*))
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
