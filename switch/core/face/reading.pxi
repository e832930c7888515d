# What is read of an open ledger: always what is durable. Part of _core.pyx.

cdef bint face_pad(bytes text, uint8_t* code, uint32_t size):
    """A code as the register keeps it; False if no code is like that."""
    if len(text) > size:
        return False
    return register_pad(
        <const uint8_t*>PyBytes_AS_STRING(text), <uint32_t>len(text), code, size
    )


cdef class _Reading(_Opened):
    """Reads of accounts, of the register, of rows, and of who is behind a row."""

    # --- where it stands -----------------------------------------------------------------------

    @property
    def instance(self):
        return PyBytes_FromStringAndSize(<char*>self.s.config.instance, 16)

    @property
    def sequence(self):
        return self.s.shared.sequence

    @property
    def timestamp(self):
        return self.s.shared.timestamp

    @property
    def index_sequence(self):
        return self.s.shared.indexed

    @property
    def last_window(self):
        return self.s.shared.last_window

    @property
    def rules_version(self):
        return self.s.shared.rules_version

    @property
    def holds_count(self):
        return self.s.shared.holds_count

    @property
    def kept_count(self):
        return self.s.shared.kept_count

    @property
    def unverified_count(self):
        return self.s.shared.unverified_count

    @property
    def damaged_requests(self):
        return self.s.shared.damaged_requests

    @property
    def holds_turned_away(self):
        return self.s.shared.holds_turned_away

    @property
    def billers_turned_away(self):
        return self.s.shared.billers_turned_away

    @property
    def refusals_turned_away(self):
        return self.s.shared.refusals_turned_away

    @property
    def ids_turned_away(self):
        return self.s.shared.ids_turned_away

    @property
    def dead(self):
        return error_text(self.s.shared.dead) if self.s.shared.dead else ""

    @property
    def fenced(self):
        return self.s.shared.dead == RC_FENCED

    @property
    def unsettled(self):
        return self.s.shared.dead == RC_UNSETTLED

    @property
    def stuck(self):
        cdef int parts = self.s.shared.stuck
        names = (("index", FAULT_INDEX), ("journal", FAULT_JOURNAL))
        return " and ".join(name for name, part in names if parts & part)

    def info(self):
        cdef object _in_use = self._use()
        cdef MDB_envinfo journal, index
        cdef uint32_t[MAPS_COUNT][LEVELS_MAX] runs
        cdef uint64_t filters
        cdef uint32_t steps
        with nogil:
            mdb_env_info(self.s.config.journal_env, &journal)
            mdb_env_info(self.s.config.index_env, &index)
            filters = reads_count_runs(self.s, runs, &steps)
        return {
            "sequence": self.s.shared.sequence,
            "index_sequence": self.s.shared.indexed,
            "journal_bytes": (journal.me_last_pgno + 1) * (
                reserve_page_size(self.s.config.journal_env)
            ),
            "index_bytes": (index.me_last_pgno + 1) * reserve_page_size(self.s.config.index_env),
            "reserve_bytes": self.s.shared.reserve_left,
            "filter_bytes": filters,
            "steps_in_memory": steps,
            "ids_runs": [runs[MAP_IDS][level] for level in range(LEVELS_MAX)],
            "claims_runs": [runs[MAP_CLAIMS][level] for level in range(LEVELS_MAX)],
            "links_runs": [runs[MAP_LINKS][level] for level in range(LEVELS_MAX)],
            "space_error": self.s.shared.space_failed or self.s.shared.index_failed,
            "damaged_requests": self.s.shared.damaged_requests,
            "holds_set_aside": self.s.shared.aside_count,
            "damaged_row": self.s.shared.damaged_row,
        }

    # --- accounts and the register --------------------------------------------------------------

    def accounts(self):
        cdef object _in_use = self._use()
        cdef uint64_t sequence
        cdef uint32_t room = 0
        cdef uint32_t count = self.s.shared.published.count
        cdef uint8_t[::1] target
        cdef int rc = 0
        while count > room:
            room = count
            images = np.empty(room, ACCOUNT)
            target = images.view(np.uint8)
            with nogil:
                # Touched beforehand: getting their pages takes as long as the copy, and a group
                # that is published meanwhile would wait for some of it.
                memset(&target[0], 0, room * sizeof(Account))
                rc = durable_accounts(self.s, <Account*>&target[0], room, &count, &sequence)
            check(rc)
        return images, sequence

    def account(self, uint32_t index):
        cdef object _in_use = self._use()
        self._need_account(index)
        cdef uint64_t sequence
        image = np.empty(1, ACCOUNT)
        cdef uint8_t[::1] target = image.view(np.uint8)
        with nogil:
            pthread_mutex_lock(&self.s.shared.lock)
            memcpy(&target[0], &self.s.shared.published.accounts[index], sizeof(Account))
            sequence = self.s.shared.sequence
            pthread_mutex_unlock(&self.s.shared.lock)
        return image.reshape(()), sequence

    cdef int _need_account(self, uint32_t index) except -1:
        if not 0 < index < self.s.shared.published.count:
            raise LookupError(f"there is no account {index}")
        return 0

    def find_account(self, uint32_t participant, uint16_t purpose):
        cdef object _in_use = self._use()
        cdef uint32_t index
        with nogil:
            index = durable_find_account(self.s, participant, purpose)
        return index

    def find_participant(self, str code not None):
        cdef object _in_use = self._use()
        cdef bytes text = code.encode()
        cdef uint8_t[CODE_MAX] data
        cdef uint32_t index
        if not face_pad(text, data, CODE_MAX):
            return 0
        with nogil:
            index = durable_find_participant(self.s, data)
        return index

    def find_service(self, str code not None):
        cdef object _in_use = self._use()
        cdef bytes text = code.encode()
        cdef uint8_t[SERVICE_CODE_MAX] data
        cdef uint32_t index
        if not face_pad(text, data, SERVICE_CODE_MAX):
            return 0
        with nogil:
            index = durable_find_service(self.s, data)
        return index

    def canonical(self, uint32_t service, bytes reference not None):
        return self._spell(service, reference, False)

    def canonical_bill(self, uint32_t service, bytes bill not None):
        return self._spell(service, bill, True)

    cdef _spell(self, uint32_t service, bytes text, bint is_bill):
        """A reference or a bill's id in the one form that a service has for it, or None."""
        cdef object _in_use = self._use()
        cdef uint8_t[REFERENCE_SIZE] data
        cdef bint known
        cdef bint has = False
        if not face_pad(text, data, REFERENCE_SIZE) or not payment_reference_is_valid(data):
            raise ValueError("1 to 32 printable characters are needed")
        with nogil:
            known = durable_has_service(self.s, service)
            if known:
                has = durable_spell(self.s, service, is_bill, data)
        if not known:
            raise LookupError(f"no service has the index {service}")
        return data[:references_size(data, REFERENCE_SIZE)] if has else None

    def in_the_way(
        self, uint32_t service, bytes reference not None, bytes citizen not None,
        uint64_t now_ns,
    ):
        cdef object _in_use = self._use()
        cdef uint8_t[REFERENCE_SIZE] bill, paid
        cdef uint64_t other
        cdef int rc
        cdef bint known
        with nogil:
            known = durable_has_service(self.s, service)
        if not known:
            raise LookupError(f"no service has the index {service}")
        if not face_pad(reference, bill, REFERENCE_SIZE) or (
            not face_pad(citizen, paid, REFERENCE_SIZE)
        ):
            raise ValueError("a reference is 1 to 32 printable characters")
        with nogil:
            rc = claimed_in_the_way(self.s, service, bill, paid, now_ns, &other)
        self._check(rc)
        return other

    def records(self, int record):
        cdef object _in_use = self._use()
        cdef uint32_t count
        with nogil:
            count = durable_count_records(self.s, record)
        if count == 0:
            raise ValueError("no list is kept of these records; 0 is for accounts")
        sequences = np.empty(count, np.uint64)
        cdef uint64_t[::1] target = sequences
        with nogil:
            durable_copy_records(self.s, record, &target[0], count)
        # Those that are not durable yet are the last.
        return sequences[: max(np.flatnonzero(sequences).tolist(), default=0) + 1]

    def people(self):
        sequences = self.records(RECORD_PERSON)
        found = np.zeros(len(sequences), PERSON_RECORD)
        there = np.flatnonzero(sequences)
        for index, tail in zip(there, self.tails(sequences[there])):
            found[index] = np.frombuffer(tail, PERSON_RECORD, 1)[0]
        return found, sequences

    def thresholds(self):
        sequences = self.records(RECORD_THRESHOLDS)
        if len(sequences) == 1:
            return None
        record = np.frombuffer(self.tail(int(sequences[1])), THRESHOLDS_RECORD, 1)[0]
        return int(record["single"]), int(record["batch"]), int(record["day"])

    def rows(self, uint64_t first, uint64_t count):
        cdef object _in_use = self._use()
        if first == 0:
            raise ValueError("sequences begin at 1")
        cdef uint64_t last = self.s.shared.sequence
        count = min(count, <uint64_t>_ROWS_MAX)
        if first > last or count == 0:
            return np.empty(0, ROW)
        count = min(count, last - first + 1)
        rows = np.empty(count, ROW)
        cdef uint8_t[::1] target = rows.view(np.uint8)
        cdef int rc
        with nogil:
            rc = reads_copy_rows(self.s, first, count, <Row*>&target[0])
        self._check(rc)
        return rows

    cdef uint64_t[::1] _durable(self, sequences, uint64_t most):
        """Sequences as a C array, each of a durable row."""
        wanted = np.ascontiguousarray(sequences, np.uint64).reshape(-1)
        if wanted.size > most:
            raise ValueError(f"at most {most} rows in one call")
        # A memory view needs a writable array; nothing is written.
        cdef uint64_t[::1] found = wanted if wanted.flags.writeable else wanted.copy()
        cdef uint64_t last = self.s.shared.sequence
        cdef Py_ssize_t i
        for i in range(found.shape[0]):
            if not 0 < found[i] <= last:
                raise LookupError("one of the rows is not durable")
        return found

    # --- rows -------------------------------------------------------------------------------------

    def gather(self, sequences):
        cdef object _in_use = self._use()
        cdef uint64_t[::1] wanted = self._durable(sequences, _ROWS_MAX)
        cdef uint64_t count = wanted.shape[0]
        rows = np.empty(count, ROW)
        if count == 0:
            return rows
        cdef uint8_t[::1] target = rows.view(np.uint8)
        cdef int rc
        with nogil:
            rc = reads_gather_rows(self.s, &wanted[0], count, <Row*>&target[0])
        self._check(rc)
        return rows

    def gather_whole(self, sequences):
        cdef object _in_use = self._use()
        cdef uint64_t[::1] wanted = self._durable(sequences, _ROWS_MAX)
        cdef uint64_t count = wanted.shape[0]
        rows = np.empty(count, ROW)
        whole = np.empty(count, np.bool_)
        if count == 0:
            return rows, np.empty(0, np.uint64)
        cdef uint8_t[::1] target = rows.view(np.uint8)
        cdef uint8_t[::1] found = whole.view(np.uint8)
        cdef int rc
        with nogil:
            rc = reads_gather(self.s, &wanted[0], count, <Row*>&target[0], &found[0])
        check(rc)
        return rows[whole], np.asarray(wanted)[~whole]

    def questions(self, sequences, int kind, uint64_t deadline_ns, uint64_t sent_ns, until_ns):
        cdef object _in_use = self._use()
        cdef uint64_t[::1] wanted = self._durable(sequences, _QUESTIONS_MAX)
        cdef uint64_t[::1] until = np.ascontiguousarray(until_ns, np.uint64)
        cdef uint32_t count = <uint32_t>wanted.shape[0]
        cdef uint8_t* out
        cdef size_t size
        cdef int rc
        if kind != QUESTION_CONFIRM and kind != QUESTION_STATUS:
            raise ValueError("holds are asked about to be confirmed, or for their status")
        if until.shape[0] != wanted.shape[0]:
            raise ValueError("each hold has a time until which it may be credited")
        if count == 0:
            return b""
        # Room for baskets throughout; memory is used as it is written.
        out = <uint8_t*>malloc(<size_t>count * QUESTION_MAX)
        if out == NULL:
            raise MemoryError
        try:
            with nogil:
                rc = questions_write(
                    self.s, &wanted[0], &until[0], count, kind, deadline_ns, sent_ns, out, &size
                )
            if rc == MDB_NOTFOUND:
                raise LookupError("one of the rows is not an accepted hold")
            self._check(rc)
            return PyBytes_FromStringAndSize(<char*>out, size)
        finally:
            free(out)

    def row(self, uint64_t sequence):
        cdef object _in_use = self._use()
        if not 0 < sequence <= self.s.shared.sequence:
            raise LookupError(f"row {sequence} is not durable")
        cdef Row row
        cdef int rc
        with nogil:
            rc = reads_copy_rows(self.s, sequence, 1, &row)
        self._check(rc)
        return entry_make(&row)

    def tail(self, uint64_t sequence):
        cdef object _in_use = self._use()
        if not 0 < sequence <= self.s.shared.sequence:
            raise LookupError(f"row {sequence} is not durable")
        cdef Reader reader
        cdef const uint8_t* data
        cdef uint32_t size
        cdef int rc
        cdef FaultPlace* before = fault_enter(&self.s.shared.in_journal)
        try:
            self._check(store_begin(self.s, &reader))
            with nogil:
                rc = store_get_tail(&reader, sequence, &data, &size)
            check(rc)
            return PyBytes_FromStringAndSize(<char*>data, size)
        finally:
            store_end(&reader)
            fault_leave(before)

    def tails(self, sequences):
        cdef object _in_use = self._use()
        cdef uint64_t[::1] wanted = self._durable(sequences, _TAILS_MAX)
        # One walk over each chunk, whatever the order of those that are asked for.
        cdef int64_t[::1] order = np.argsort(wanted, kind="stable").astype(np.int64)
        cdef list found = [b""] * wanted.shape[0]
        cdef Py_ssize_t begin = 0
        cdef Py_ssize_t count = wanted.shape[0]
        cdef int rc
        while begin < wanted.shape[0]:
            rc = self._tails(wanted, order[begin : begin + count], found)
            if rc == RC_LATE and count > 1:
                # Fewer in one reader: they do not change meanwhile.
                count = (count + 1) // 2
                continue
            check(rc)
            begin += count
            count = min(count, wanted.shape[0] - begin)
        return found

    cdef int _tails(self, uint64_t[::1] wanted, int64_t[::1] order, list found) except? -1:
        """The tails of some rows, as far as one reader may last."""
        cdef Py_ssize_t count = order.shape[0]
        cdef uint64_t[::1] some = np.asarray(wanted)[np.asarray(order)]
        cdef int64_t[::1] ascending = np.arange(count)
        cdef uint64_t[::1] places = np.zeros(count, np.uint64)
        cdef uint32_t[::1] sizes = np.zeros(count, np.uint32)
        cdef Reader reader
        cdef Py_ssize_t i
        cdef int rc
        cdef FaultPlace* before = fault_enter(&self.s.shared.in_journal)
        try:
            self._check(store_begin_bounded(self.s, &reader))
            with nogil:
                rc = store_find_tails(
                    &reader, &some[0], &ascending[0], count, &places[0], &sizes[0]
                )
            for i in range(count):
                if rc == 0:
                    rc = store_is_late(&reader)
                if rc != 0:
                    return rc
                found[order[i]] = PyBytes_FromStringAndSize(
                    <char*><size_t>places[i], sizes[i]
                )
            return 0
        finally:
            store_end(&reader)
            fault_leave(before)

    def find(self, uint32_t sender, bytes id not None):
        cdef object _in_use = self._use()
        if len(id) != 16:
            raise ValueError("an id has 16 bytes")
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(id)
        cdef uint64_t sequence
        cdef int rc
        with nogil:
            rc = reads_find(self.s, sender, data, &sequence)
        self._check(rc)
        return sequence

    def find_entries(self, list wanted not None):
        cdef object _in_use = self._use()
        cdef Sought[SOUGHT_MAX] sought
        cdef Py_ssize_t count = len(wanted)
        cdef Py_ssize_t i
        cdef list found = []
        if count > SOUGHT_MAX:
            raise ValueError(f"at most {SOUGHT_MAX} ids in one call")
        for i in range(count):
            sender, id, wallet = wanted[i]
            face_seek(&sought[i], sender, id, wallet)
        # Let go once for all: each time whoever waits for the interpreter is woken.
        with nogil:
            for i in range(count):
                face_find_entry(self.s, &sought[i])
        for i in range(count):
            try:
                self._check(sought[i].rc)
                found.append(None if sought[i].sequence == 0 else (
                    entry_make(&sought[i].row), sought[i].resolved_by, sought[i].total
                ))
            except Exception as error:
                found.append(error)
        return found

    cdef _link(self, uint64_t resolved, uint64_t what):
        cdef object _in_use = self._use()
        cdef uint64_t sequence, total
        cdef int rc
        with nogil:
            rc = reads_link(self.s, resolved, what, &sequence, &total)
        self._check(rc)
        return sequence, total

    def resolution(self, uint64_t sequence):
        return self._link(sequence, 0)

    def link(self, uint64_t sequence, uint64_t what):
        return self._link(sequence, what)[0]

    def settled(self, uint64_t window, uint32_t account):
        return self._link(window, <uint64_t>account + 1)[0]

    def account_rows(self, uint32_t account, uint64_t before, uint64_t limit):
        cdef object _in_use = self._use()
        self._need_account(account)
        if not 1 <= limit <= _ROWS_MAX:
            raise ValueError(f"limit is 1 to {_ROWS_MAX}")
        sequences = np.empty(limit, np.uint64)
        cdef uint64_t[::1] target = sequences
        cdef uint64_t count
        cdef int rc
        with nogil:
            rc = reads_account_rows(self.s, account, before, limit, &target[0], &count)
        self._check(rc)
        return sequences[:count].copy()

    def balance_at(self, uint32_t account, uint64_t sequence):
        cdef object _in_use = self._use()
        self._need_account(account)
        if sequence > self.s.shared.sequence:
            raise LookupError(f"row {sequence} is not durable")
        cdef Totals totals
        cdef int rc
        with nogil:
            rc = reads_balance(self.s, account, sequence, &totals)
        self._check(rc)
        return (
            totals.debits_pending, totals.debits_posted,
            totals.credits_pending, totals.credits_posted,
        )

    def balances_at(self, accounts, uint64_t sequence):
        cdef object _in_use = self._use()
        cdef uint32_t[::1] wanted = np.array(accounts, np.uint32).reshape(-1)
        cdef Py_ssize_t count = wanted.shape[0]
        if count > _BALANCES_MAX:
            raise ValueError(f"at most {_BALANCES_MAX} accounts in one call")
        if sequence > self.s.shared.sequence:
            raise LookupError(f"row {sequence} is not durable")
        cdef Py_ssize_t i
        for i in range(count):
            self._need_account(wanted[i])
        found = np.zeros((count, 4), np.uint64)
        if count == 0:
            return found
        cdef uint64_t[:, ::1] target = found
        cdef Totals totals
        cdef int rc = 0
        with nogil:
            for i in range(count):
                rc = reads_balance(self.s, wanted[i], sequence, &totals)
                if rc != 0:
                    break
                target[i, 0] = totals.debits_pending
                target[i, 1] = totals.debits_posted
                target[i, 2] = totals.credits_pending
                target[i, 3] = totals.credits_posted
        self._check(rc)
        return found

    def chunk_of(self, uint64_t sequence):
        cdef object _in_use = self._use()
        if not 0 < sequence <= self.s.shared.sequence:
            raise LookupError(f"row {sequence} is not durable")
        cdef Reader reader
        cdef const Chunk* chunk = NULL
        cdef int rc
        cdef FaultPlace* before = fault_enter(&self.s.shared.in_journal)
        try:
            self._check(store_begin(self.s, &reader))
            with nogil:
                rc = store_get_chunk(&reader, sequence, &chunk)
                # Who is told the check holds it against other copies of the journal.
                if rc == 0 and chunk.check != store_chunk_check(chunk):
                    rc = MDB_CORRUPTED
            check(MDB_CORRUPTED if rc == MDB_NOTFOUND else rc)
            return chunk.ordinal, chunk.first_sequence, chunk.rows_count, chunk.check
        finally:
            store_end(&reader)
            fault_leave(before)
