# What any thread may ask. Durable state only.
#
# The lock is held to look at memory and to begin the transactions, not while the disk
# is read: chunks and postings never change once written.

cdef struct View:
    MDB_txn* index
    Reader journal
    uint64_t sequence         # durable when the view was begun
    uint64_t indexed


cdef int reads_begin(State* s, View* view) noexcept nogil:
    """Begin a view. The lock is held by the caller."""
    cdef int rc
    view.index = NULL
    view.journal.txn = NULL
    view.journal.cursor = NULL
    view.sequence = s.sequence
    view.indexed = s.indexed
    rc = mdb_txn_begin(s.index_env, NULL, MDB_RDONLY, &view.index)
    if rc != 0:
        view.index = NULL
        return rc
    rc = store_begin(s, &view.journal)
    if rc != 0:
        reads_end(view)
    return rc


cdef void reads_end(View* view) noexcept nogil:
    store_end(&view.journal)
    if view.index != NULL:
        mdb_txn_abort(view.index)
    view.index = NULL


cdef int reads_find(
    State* s, uint32_t sender, const uint8_t* id, uint64_t* sequence
) noexcept nogil:
    """The row with this id of this sender; sequence 0 if none is durable."""
    cdef View view
    cdef uint64_t high, low, value
    cdef uint32_t nth = 0
    cdef const Row* row
    cdef int rc
    sequence[0] = 0
    keys_id(id, sender, &high, &low)
    pthread_mutex_lock(&s.lock)
    rc = reads_begin(s, &view)
    while rc == 0:
        rc = index_find(s, view.index, MAP_IDS, high, low, nth, True, &value)
        nth += 1
        if rc != 0 or value > view.sequence:
            continue
        rc = store_get_row(&view.journal, value, &row)
        if rc == MDB_NOTFOUND:
            rc = MDB_CORRUPTED
        if rc == 0 and row.participant == sender and memcmp(row.id, id, 16) == 0:
            sequence[0] = value
            break
    pthread_mutex_unlock(&s.lock)
    reads_end(&view)
    return 0 if rc == MDB_NOTFOUND else rc


cdef int reads_link(
    State* s, uint64_t resolved, uint64_t what, uint64_t* sequence, uint64_t* total
) noexcept nogil:
    """The newest durable row that resolves another, and its running total."""
    cdef View view
    cdef uint64_t value
    cdef uint32_t nth = 0
    cdef const Row* row
    cdef int rc
    sequence[0] = 0
    total[0] = 0
    pthread_mutex_lock(&s.lock)
    rc = reads_begin(s, &view)
    while rc == 0:
        rc = index_find(s, view.index, MAP_LINKS, resolved, what, nth, True, &value)
        nth += 1
        if rc == 0 and value <= view.sequence:
            break
    pthread_mutex_unlock(&s.lock)
    if rc == 0:
        rc = store_get_row(&view.journal, value, &row)
        if rc == 0:
            sequence[0] = value
            total[0] = row.total
        elif rc == MDB_NOTFOUND:
            rc = MDB_CORRUPTED
    elif rc == MDB_NOTFOUND:
        rc = 0
    reads_end(&view)
    return rc


cdef uint64_t reads_chain(
    State* s, uint32_t account, uint64_t above, uint64_t below, uint64_t limit, uint64_t* out
) noexcept nogil:
    """Durable rows of an account that are newer than the index, descending. Locked.

    `above` < sequence < `below` (0: no bound); at most `limit` of them.
    """
    cdef uint64_t at = s.heads[account]
    cdef uint64_t sequence
    cdef uint64_t count = 0
    cdef Step* step
    while count < limit:
        sequence = at >> 1
        if sequence <= s.indexed or sequence <= above:
            break
        if sequence <= s.sequence and (below == 0 or sequence < below):
            out[count] = sequence
            count += 1
        step = s.steps[(sequence - 1) // s.step_rows - s.steps[0].number]
        at = step.chain[2 * (sequence - 1 - step.number * s.step_rows) + (at & 1)]
    return count


cdef int reads_postings(
    State* s, View* view, uint64_t sequence, const PostingsHead** head
) noexcept nogil:
    """The postings of the step that `sequence` falls into, check verified."""
    cdef uint64_t first = (sequence - 1) // s.step_rows * s.step_rows + 1
    cdef uint8_t[8] name
    cdef MDB_val key, value
    cdef size_t size
    cdef int rc
    store_set_key(name, first)
    key.mv_size = 8
    key.mv_data = name
    rc = mdb_get(view.index, s.postings, &key, &value)
    if rc != 0:
        return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
    head[0] = <const PostingsHead*>value.mv_data
    if value.mv_size < sizeof(PostingsHead) or head[0].magic != POSTINGS_MAGIC:
        return MDB_CORRUPTED
    size = (
        sizeof(PostingsHead) + <size_t>head[0].accounts_count * sizeof(PostingsAccount)
        + <size_t>head[0].postings_count * 4
    )
    if value.mv_size != size or head[0].first_sequence != first or head[0].check != native_crc(
        native_crc(0, <const uint8_t*>head[0], sizeof(PostingsHead) - 4),
        <const uint8_t*>(head[0] + 1), size - sizeof(PostingsHead),
    ):
        return MDB_CORRUPTED
    return 0


cdef const PostingsAccount* reads_postings_of(
    const PostingsHead* head, uint32_t account
) noexcept nogil:
    cdef const PostingsAccount* accounts = <const PostingsAccount*>(head + 1)
    cdef uint32_t first = 0
    cdef uint32_t last = head.accounts_count
    cdef uint32_t middle
    while first < last:
        middle = (first + last) // 2
        if accounts[middle].account < account:
            first = middle + 1
        else:
            last = middle
    if first < head.accounts_count and accounts[first].account == account:
        return &accounts[first]
    return NULL


cdef const uint32_t* reads_postings_rows(
    const PostingsHead* head, const PostingsAccount* entry
) noexcept nogil:
    return <const uint32_t*>(
        <const PostingsAccount*>(head + 1) + head.accounts_count
    ) + entry.offset


cdef int reads_account_rows(
    State* s, uint32_t account, uint64_t before, uint64_t limit, uint64_t* out,
    uint64_t* count
) noexcept nogil:
    """Sequences of an account's money rows below `before`, descending."""
    cdef View view
    cdef const PostingsHead* head
    cdef const PostingsAccount* entry
    cdef const uint32_t* rows
    cdef uint64_t at
    cdef uint32_t i
    cdef int rc
    count[0] = 0
    pthread_mutex_lock(&s.lock)
    rc = reads_begin(s, &view)
    if rc == 0:
        count[0] = reads_chain(s, account, 0, before, limit, out)
    pthread_mutex_unlock(&s.lock)
    at = view.indexed
    if before != 0 and before - 1 < at:
        at = before - 1
    while rc == 0 and at > 0 and count[0] < limit:
        rc = reads_postings(s, &view, at, &head)
        if rc != 0:
            break
        entry = reads_postings_of(head, account)
        if entry != NULL:
            rows = reads_postings_rows(head, entry)
            i = entry.count
            while i > 0 and count[0] < limit:
                i -= 1
                if head.first_sequence + rows[i] <= at:
                    out[count[0]] = head.first_sequence + rows[i]
                    count[0] += 1
        at = head.first_sequence - 1
    reads_end(&view)
    return rc


cdef int reads_apply_totals(
    View* view, uint32_t account, uint64_t sequence, int sign, Totals* totals
) noexcept nogil:
    cdef const Row* found
    cdef Row row
    cdef uint64_t held = 0
    cdef int rc = store_get_row(&view.journal, sequence, &found)
    if rc != 0:
        return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
    row = found[0]
    if keys_resolves_hold(&row):
        rc = store_get_row(&view.journal, row.resolves, &found)
        if rc != 0:
            return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
        held = found.amount
    effect_totals(totals, &row, held, account, sign)
    return 0


cdef int reads_balance_indexed(
    State* s, View* view, uint32_t account, uint64_t sequence, Totals* totals, bint* found
) noexcept nogil:
    """From the postings: the opening totals of the step, and its rows up to `sequence`."""
    cdef const PostingsHead* head
    cdef const PostingsAccount* entry
    cdef const uint32_t* rows
    cdef uint64_t at = sequence
    cdef uint32_t i
    cdef int rc
    found[0] = False
    while at <= view.indexed:
        rc = reads_postings(s, view, at, &head)
        if rc != 0:
            return rc
        entry = reads_postings_of(head, account)
        at = head.last_sequence + 1
        if entry == NULL:
            # Not in this step: its totals are those before the next step that has it.
            continue
        found[0] = True
        totals.debits_pending = entry.debits_pending
        totals.debits_posted = entry.debits_posted
        totals.credits_pending = entry.credits_pending
        totals.credits_posted = entry.credits_posted
        rows = reads_postings_rows(head, entry)
        for i in range(entry.count):
            if head.first_sequence + rows[i] > sequence:
                break
            rc = reads_apply_totals(view, account, head.first_sequence + rows[i], 1, totals)
            if rc != 0:
                return rc
        return 0
    return 0


cdef int reads_balance(
    State* s, uint32_t account, uint64_t sequence, Totals* totals
) noexcept nogil:
    """The four totals of an account right after the row `sequence`."""
    cdef View view
    cdef const Account* image
    cdef uint64_t* newer = NULL
    cdef uint64_t count = 0
    cdef uint64_t i
    cdef bint found = False
    cdef int rc
    pthread_mutex_lock(&s.lock)
    rc = reads_begin(s, &view)
    if rc == 0:
        image = &s.published.accounts[account]
        totals.debits_pending = image.debits_pending
        totals.debits_posted = image.debits_posted
        totals.credits_pending = image.credits_pending
        totals.credits_posted = image.credits_posted
        newer = <uint64_t*>malloc((view.sequence - view.indexed + 1) * 8)
        if newer == NULL:
            rc = ENOMEM
        else:
            count = reads_chain(
                s, account, sequence, 0, view.sequence - view.indexed, newer
            )
    pthread_mutex_unlock(&s.lock)
    if rc == 0 and sequence == 0:
        memset(totals, 0, sizeof(Totals))
        count = 0
    elif rc == 0 and sequence <= view.indexed:
        rc = reads_balance_indexed(s, &view, account, sequence, totals, &found)
        if found:
            count = 0
    for i in range(count):
        if rc == 0:
            rc = reads_apply_totals(&view, account, newer[i], -1, totals)
    free(newer)
    reads_end(&view)
    return rc


cdef int reads_copy_rows(State* s, uint64_t first, uint64_t count, Row* target) noexcept nogil:
    """Copy rows out of their chunks, each through its own check."""
    cdef Reader reader
    cdef const Chunk* chunk
    cdef const Row* row
    cdef uint64_t done = 0
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
    return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc


cdef void reads_copy_records(
    State* s, int record, uint64_t* target, uint32_t count
) noexcept nogil:
    """The durable sequences of a register's rows, by index."""
    cdef uint32_t i
    pthread_mutex_lock(&s.lock)
    for i in range(count):
        if record == RECORD_PARTICIPANT:
            target[i] = s.participants[i].durable
        elif record == RECORD_SERVICE:
            target[i] = s.services[i].durable
        else:
            target[i] = s.published.accounts[i].opened
    pthread_mutex_unlock(&s.lock)


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
    pthread_mutex_lock(&s.lock)
    for map_ in range(MAPS_COUNT):
        for i in range(s.runs_count[map_]):
            run = s.levels[map_][i]
            counts[map_][run.level] += 1
            size += <uint64_t>run.filter_size * 32 + <uint64_t>run.pages_count * sizeof(Fence)
            # Members of a cover stand side by side.
            if run.cover != NULL and run.cover != cover:
                size += <uint64_t>run.cover.filter_size * 32
            cover = run.cover
    steps[0] = s.steps_count
    pthread_mutex_unlock(&s.lock)
    return size


cdef void reads_forget_dead(State* s) noexcept nogil:
    """Forget readers that died, or the pages they saw could never be used again."""
    cdef int dead
    mdb_reader_check(s.journal_env, &dead)
    mdb_reader_check(s.index_env, &dead)
