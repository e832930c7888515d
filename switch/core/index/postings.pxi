# Postings: which rows belong to which account, one value for each index step.
#
# A value has a head, an entry for each account that the step changed, and words: the
# rows of each account and, behind them, its totals after every POSTINGS_MARK of them.
# Head, entry and words have checks of their own, so that a read verifies what it serves
# and no more.
#
# An entry has links to earlier ones of its account: to the last one before its step, its
# block of 32 steps and its block of 1,024. A search for a step goes by the widest block
# that the step lies before: what it lands on is either still too late or the answer, and
# at most 31 entries of a block, 31 of a block of blocks, and one for each block of blocks
# are passed. Links lead to entries with postings only, always to earlier steps.

cdef enum:
    POSTINGS_ANYWHERE = 0xFFFFFFFF  # a link's place, if it has to be searched for
    POSTINGS_MARK_WORDS = 8   # words of one mark: four totals


cdef struct Postings:         # one account's entry, in the value that it stands in
    const PostingsHead* head
    const PostingsAccount* accounts
    const uint32_t* words
    const PostingsAccount* entry  # NULL: none
    uint32_t step             # number of the index step + 1


cdef inline uint32_t postings_step(const State* s, uint64_t sequence) noexcept nogil:
    """Number + 1 of the step that a row falls into; 0 for no row."""
    return <uint32_t>((sequence - 1) // s.config.step_rows + 1) if sequence > 0 else 0


cdef inline uint32_t _postings_words(const PostingsAccount* entry) noexcept nogil:
    return entry.count + entry.count // POSTINGS_MARK * POSTINGS_MARK_WORDS


cdef inline uint32_t _postings_entry_check(
    const State* s, const PostingsAccount* entry, uint32_t step
) noexcept nogil:
    return native_crc(
        native_crc(s.config.instance_check, <const uint8_t*>&step, 4),
        <const uint8_t*>entry, sizeof(PostingsAccount) - 4,
    )


cdef inline uint32_t _postings_head_check(const State* s, const PostingsHead* head) noexcept nogil:
    return native_crc(s.config.instance_check, <const uint8_t*>head, sizeof(PostingsHead) - 4)


cdef inline uint32_t _postings_block(uint32_t step, int level) noexcept nogil:
    """The first step of the block that `step` lies in, both as number + 1."""
    cdef int shift = level * POSTINGS_BLOCK_BITS
    return (((step - 1) >> shift) << shift) + 1


# --- reading -------------------------------------------------------------------------------

cdef int _postings_open(State* s, MDB_txn* txn, uint32_t step, Postings* out) noexcept nogil:
    """The value of a step, its head verified; no entry yet."""
    cdef uint64_t first = (step - 1) * s.config.step_rows + 1
    cdef uint8_t[8] name
    cdef MDB_val key, value
    cdef int rc
    out.entry = NULL
    out.step = step
    store_set_key(name, first)
    key.mv_size = 8
    key.mv_data = name
    rc = damage_of(mdb_get(txn, s.config.postings, &key, &value))
    if rc != 0:
        return rc
    if value.mv_size < sizeof(PostingsHead):
        return RC_INDEX
    out.head = <const PostingsHead*>value.mv_data
    out.accounts = <const PostingsAccount*>(out.head + 1)
    if (
        out.head.magic != POSTINGS_MAGIC or out.head.first_sequence != first
        or out.head.check != _postings_head_check(s, out.head)
        or value.mv_size != sizeof(PostingsHead) + (
            <size_t>out.head.accounts_count * sizeof(PostingsAccount)
        ) + <size_t>out.head.words_count * 4
    ):
        return RC_INDEX
    out.words = <const uint32_t*>(out.accounts + out.head.accounts_count)
    return 0


cdef uint32_t _postings_search(const Postings* value, uint32_t account) noexcept nogil:
    """The place of the account, or where it would be. Nothing is verified."""
    cdef uint32_t first = 0
    cdef uint32_t last = value.head.accounts_count
    cdef uint32_t middle
    while first < last:
        middle = (first + last) // 2
        if value.accounts[middle].account < account:
            first = middle + 1
        else:
            last = middle
    return first


cdef int _postings_get(
    State* s, MDB_txn* txn, uint32_t account, PostingsLink link, Postings* out
) noexcept nogil:
    """An account's entry, verified. MDB_NOTFOUND only of a link to ANYWHERE in a step."""
    cdef const PostingsAccount* entry
    cdef uint32_t place = link.place
    cdef int rc = _postings_open(s, txn, link.step, out)
    if rc != 0:
        return rc
    if place == <uint32_t>POSTINGS_ANYWHERE:
        place = _postings_search(out, account)
        if place == out.head.accounts_count or out.accounts[place].account != account:
            return MDB_NOTFOUND
    if place >= out.head.accounts_count:
        return RC_INDEX
    entry = &out.accounts[place]
    if (
        entry.account != account or entry.check != _postings_entry_check(s, entry, link.step)
        or <uint64_t>entry.offset + _postings_words(entry) > out.head.words_count
    ):
        return RC_INDEX
    out.entry = entry
    return 0


cdef int postings_follow(
    State* s, MDB_txn* txn, uint32_t account, int level, Postings* at
) noexcept nogil:
    """On to the last entry before the block of a level; no entry if there is none."""
    cdef PostingsLink link = at.entry.links[level]
    cdef int rc
    if link.step == 0:
        at.entry = NULL
        return 0
    # What leads on must lead back, or a damaged link could be followed for ever.
    if link.step >= _postings_block(at.step, level) or (
        link.place == <uint32_t>POSTINGS_ANYWHERE
    ):
        return RC_INDEX
    rc = _postings_get(s, txn, account, link, at)
    if rc == 0 and at.entry.count == 0:
        return RC_INDEX
    return rc


cdef int postings_seek(
    State* s, MDB_txn* txn, uint32_t account, PostingsLink last, uint32_t step, Postings* out
) noexcept nogil:
    """The account's last entry at or before a step; `last` is its newest of all."""
    cdef PostingsLink link
    cdef int level
    cdef int rc
    out.entry = NULL
    if last.step == 0 or step == 0:
        return 0
    if last.step > step:
        # A busy account has an entry right there.
        link.step = step
        link.place = <uint32_t>POSTINGS_ANYWHERE
        rc = _postings_get(s, txn, account, link, out)
        if rc != MDB_NOTFOUND:
            return rc
    rc = _postings_get(s, txn, account, last, out)
    while rc == 0 and out.entry != NULL and out.step > step:
        level = POSTINGS_LINKS - 1
        while level > 0 and _postings_block(out.step, level) <= step:
            level -= 1
        rc = postings_follow(s, txn, account, level, out)
    return RC_INDEX if rc == MDB_NOTFOUND else rc


cdef int postings_get_rows(const Postings* at, const uint32_t** rows) noexcept nogil:
    """An entry's postings, with its marks verified: rows counted from the step's first."""
    rows[0] = at.words + at.entry.offset
    if at.entry.words_check != native_crc(
        0, <const uint8_t*>rows[0], <size_t>_postings_words(at.entry) * 4
    ):
        return RC_INDEX
    return 0


cdef uint32_t postings_count_to(
    const Postings* at, const uint32_t* rows, uint64_t sequence
) noexcept nogil:
    """How many of an entry's rows are not after `sequence`."""
    cdef uint32_t first = 0
    cdef uint32_t last = at.entry.count
    cdef uint32_t middle
    while first < last:
        middle = (first + last) // 2
        if at.head.first_sequence + rows[middle] <= sequence:
            first = middle + 1
        else:
            last = middle
    return first


cdef uint32_t postings_get_totals(
    const Postings* at, const uint32_t* rows, uint32_t count, Totals* totals
) noexcept nogil:
    """The nearest totals after the first `count` rows or more; gives after how many."""
    cdef uint32_t number = max((count + POSTINGS_MARK - 1) // POSTINGS_MARK, <uint32_t>1)
    if number * POSTINGS_MARK > at.entry.count:
        totals[0] = at.entry.totals
        return at.entry.count
    memcpy(
        totals, rows + at.entry.count + (number - 1) * POSTINGS_MARK_WORDS, sizeof(Totals)
    )
    return number * POSTINGS_MARK


# --- writing: the index writer's ------------------------------------------------------------

cdef void postings_set_totals(Totals* totals, const Account* image) noexcept nogil:
    totals.debits_pending = image.debits_pending
    totals.debits_posted = image.debits_posted
    totals.credits_pending = image.credits_pending
    totals.credits_posted = image.credits_posted


cdef PostingsAccount* postings_touch(Work* work, uint32_t account) noexcept nogil:
    """The step's entry of an account: every account that a row changes has one.

    So the step of an account's last entry is that of its image's `changed`.
    """
    cdef PostingsAccount* entry
    native_assert(account > 0 and account < ACCOUNTS_MAX, b"postings_touch: an account")
    if work.places[account] == 0:
        entry = &work.accounts[work.accounts_count]
        memset(entry, 0, sizeof(PostingsAccount))
        entry.account = account
        work.accounts_count += 1
        work.places[account] = work.accounts_count
    native_assert(work.places[account] <= work.accounts_count, b"postings_touch: its place")
    native_assert(
        work.accounts[work.places[account] - 1].account == account,
        b"postings_touch: its own",
    )
    return &work.accounts[work.places[account] - 1]


cdef void postings_add(
    State* s, Work* work, uint32_t account, uint32_t row_number
) noexcept nogil:
    """Note that a money row, which the images have learned, belongs to an account."""
    cdef PostingsAccount* entry = postings_touch(work, account)
    cdef Mark* mark
    native_assert(row_number < s.config.step_rows, b"postings_add: a row of the step")
    native_assert(
        work.posted_count < 2 * s.config.step_rows,
        b"postings_add: two accounts a row",
    )
    native_assert(
        work.posted_count == 0 or work.rows[work.posted_count - 1] <= row_number,
        b"postings_add: rows in order",
    )
    entry.count += 1
    if entry.count % POSTINGS_MARK == 0:
        native_assert(
            work.marks_count <= 2 * s.config.step_rows // POSTINGS_MARK,
            b"postings_add: room",
        )
        mark = &work.marks[work.marks_count]
        mark.account = account
        mark.number = entry.count // POSTINGS_MARK - 1
        postings_set_totals(&mark.totals, &s.index.images.accounts[account])
        work.marks_count += 1
    work.posted[work.posted_count] = account
    work.rows[work.posted_count] = row_number
    work.posted_count += 1


cdef int _postings_compare(const void* a, const void* b) noexcept nogil:
    cdef uint32_t x = (<const PostingsAccount*>a).account
    cdef uint32_t y = (<const PostingsAccount*>b).account
    return -1 if x < y else (1 if x > y else 0)


cdef inline bint _postings_ascend(const Work* work) noexcept nogil:
    """Whether accounts ascend, each once, and their places are known. For asserts."""
    cdef uint32_t i
    if not SWITCH_ASSERT:
        return True
    for i in range(work.accounts_count):
        if work.places[work.accounts[i].account] != i + 1:
            return False
        if i > 0 and work.accounts[i - 1].account >= work.accounts[i].account:
            return False
    return True


cdef void postings_sort(Work* work) noexcept nogil:
    """Bring a whole step's entries into their order."""
    cdef uint32_t i
    qsort(work.accounts, work.accounts_count, sizeof(PostingsAccount), _postings_compare)
    for i in range(work.accounts_count):
        work.places[work.accounts[i].account] = i + 1
    native_assert(_postings_ascend(work), b"postings_sort: accounts ascend")


cdef int _postings_find_latest(
    State* s, MDB_txn* txn, uint32_t account, Latest* latest
) noexcept nogil:
    """Where an account's history ends. Read once after opening, then known."""
    cdef Postings at
    cdef int rc = 0
    latest[0] = s.shared.latest[account]
    if latest.last.step == 0 or latest.last.place != <uint32_t>POSTINGS_ANYWHERE:
        return 0
    rc = _postings_get(s, txn, account, latest.last, &at)
    if rc == 0 and at.entry.count == 0:
        rc = postings_follow(s, txn, account, 0, &at)
    if rc != 0:
        return RC_INDEX if rc == MDB_NOTFOUND else rc
    memset(latest, 0, sizeof(Latest))
    if at.entry != NULL:
        latest.last.step = at.step
        latest.last.place = <uint32_t>(at.entry - at.accounts)
        memcpy(latest.links, at.entry.links, sizeof(latest.links))
    return 0


cdef int _postings_link(
    State* s, MDB_txn* txn, uint32_t step, PostingsAccount* entry
) noexcept nogil:
    """Set an entry's links: those of the entry before it, as far as it is in its blocks."""
    cdef Latest latest
    cdef int level
    cdef int rc = _postings_find_latest(s, txn, entry.account, &latest)
    native_assert(rc != 0 or latest.last.step < step, b"_postings_link: earlier steps only")
    for level in range(<int>POSTINGS_LINKS):
        entry.links[level] = latest.last
        if latest.last.step >= _postings_block(step, level):
            entry.links[level] = latest.links[level]
    return rc


cdef int _postings_fill(
    State* s, MDB_txn* txn, Work* work, uint32_t step, uint32_t* words
) noexcept nogil:
    """Lay out the words, then finish each entry with its totals, links and checks."""
    cdef PostingsAccount* entry
    cdef const Mark* mark
    cdef uint32_t i
    cdef uint32_t offset = 0
    cdef int rc
    for i in range(work.accounts_count):
        work.accounts[i].offset = offset
        offset += _postings_words(&work.accounts[i])
    native_assert(
        offset == work.posted_count + work.marks_count * POSTINGS_MARK_WORDS,
        b"_postings_fill: a word for each row, eight for each mark",
    )
    for i in range(work.posted_count):
        entry = &work.accounts[work.places[work.posted[i]] - 1]
        # `check` counts the rows placed so far, until it is set below.
        native_assert(entry.check < entry.count, b"_postings_fill: no more than were counted")
        words[entry.offset + entry.check] = work.rows[i]
        entry.check += 1
    for i in range(work.marks_count):
        mark = &work.marks[i]
        entry = &work.accounts[work.places[mark.account] - 1]
        native_assert(
            mark.number < entry.count // POSTINGS_MARK, b"_postings_fill: the entry has the mark"
        )
        memcpy(
            words + entry.offset + entry.count + mark.number * POSTINGS_MARK_WORDS,
            &mark.totals, sizeof(Totals),
        )
    for i in range(work.accounts_count):
        entry = &work.accounts[i]
        native_assert(entry.check == entry.count, b"_postings_fill: each row has its word")
        postings_set_totals(&entry.totals, &s.index.images.accounts[entry.account])
        entry.words_check = native_crc(
            0, <const uint8_t*>(words + entry.offset), <size_t>_postings_words(entry) * 4
        )
        rc = _postings_link(s, txn, step, entry)
        if rc != 0:
            return rc
        entry.check = _postings_entry_check(s, entry, step)
    return 0


cdef int postings_write(
    State* s, MDB_txn* txn, Work* work, uint64_t first, uint64_t last
) noexcept nogil:
    """Put the value of a whole step; `work` keeps the entries as they were written."""
    cdef size_t words_count = work.posted_count + <size_t>work.marks_count * POSTINGS_MARK_WORDS
    cdef size_t accounts_size = work.accounts_count * sizeof(PostingsAccount)
    cdef size_t size = sizeof(PostingsHead) + accounts_size + words_count * 4
    cdef uint8_t* data = <uint8_t*>calloc(1, size)
    cdef PostingsHead* head = <PostingsHead*>data
    cdef MDB_val key, value
    cdef uint8_t[8] name
    cdef uint32_t i
    cdef int rc
    if data == NULL:
        return ENOMEM
    native_assert(
        (first - 1) % s.config.step_rows == 0 and last - first + 1 == s.config.step_rows,
        b"postings_write: a whole step",
    )
    native_assert(_postings_ascend(work), b"postings_write: accounts ascend")
    for i in range(work.accounts_count):
        work.accounts[i].check = 0
    rc = _postings_fill(
        s, txn, work, postings_step(s, first),
        <uint32_t*>(data + sizeof(PostingsHead) + accounts_size),
    )
    memcpy(data + sizeof(PostingsHead), work.accounts, accounts_size)
    head.magic = POSTINGS_MAGIC
    head.accounts_count = work.accounts_count
    head.first_sequence = first
    head.last_sequence = last
    head.words_count = <uint32_t>words_count
    head.check = _postings_head_check(s, head)
    store_set_key(name, first)
    key.mv_size = 8
    key.mv_data = name
    value.mv_size = size
    value.mv_data = data
    if rc == 0:
        rc = mdb_put(txn, s.config.postings, &key, &value, 0)
    free(data)
    return rc


cdef void postings_publish(State* s, const Work* work, uint32_t step) noexcept nogil:
    """Let reads begin with the entries of a step that is durable. Under the lock."""
    cdef const PostingsAccount* entry
    cdef Latest* latest
    cdef uint32_t i
    for i in range(work.accounts_count):
        entry = &work.accounts[i]
        if entry.count == 0:
            continue
        latest = &s.shared.latest[entry.account]
        native_assert(latest.last.step < step, b"postings_publish: later than what there is")
        latest.last.step = step
        latest.last.place = i
        memcpy(latest.links, entry.links, sizeof(latest.links))


cdef void postings_restore(State* s) noexcept nogil:
    """After opening: an account's last entry is in the step that changed its image last."""
    cdef uint32_t i
    for i in range(1, s.index.images.count):
        if s.index.images.accounts[i].changed > 0:
            native_assert(
                s.index.images.accounts[i].changed <= s.shared.indexed,
                b"postings_restore: the index has it",
            )
            s.shared.latest[i].last.step = postings_step(s, s.index.images.accounts[i].changed)
            s.shared.latest[i].last.place = <uint32_t>POSTINGS_ANYWHERE
