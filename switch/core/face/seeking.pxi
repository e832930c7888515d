# What is looked for by what people know: a reference, a complaint, an operator. Part of
# _core.pyx.

cdef enum:
    REPLIES_MAX = 64          # to one complaint that are listed, the newest
    HOLDS_MORE = 1024         # room for holds that come while a list is made

_COMPLAINTS_PAGE_MAX = 1000


cdef class _Seeking(_Reading):
    """Reads of what no rule asks for, of what the register has of operators, and of holds."""

    def find_payments(self, uint32_t service, bytes reference not None):
        cdef object _in_use = self._use()
        cdef uint8_t[REFERENCE_SIZE] text
        cdef uint64_t[TAKERS_MAX] found
        cdef uint32_t count
        cdef bint known
        cdef int rc
        if not face_pad(reference, text, REFERENCE_SIZE) or not payment_reference_is_valid(text):
            raise ValueError("1 to 32 printable characters are needed")
        with nogil:
            known = durable_has_service(self.s, service)
        if not known:
            raise LookupError(f"no service has the index {service}")
        with nogil:
            rc = search_payments(self.s, service, text, found, &count)
        self._check(rc)
        return np.array([found[i] for i in range(count)], np.uint64)

    def find_posts(self, uint32_t biller, bytes word not None):
        cdef object _in_use = self._use()
        cdef uint8_t[REFERENCE_SIZE] text
        cdef uint64_t[TAKERS_MAX] found
        cdef uint32_t size = <uint32_t>len(word)
        cdef uint32_t count
        cdef int rc
        if size == 0 or not face_pad(word, text, REFERENCE_SIZE):
            raise ValueError("1 to 32 printable characters are needed")
        with nogil:
            rc = search_posts(self.s, biller, text, size, found, &count)
        self._check(rc)
        return np.array([found[i] for i in range(count)], np.uint64)

    def bills(self, uint16_t service):
        return max(self._link(service, LINK_BILLS)[0], self._link(service, LINK_ADDITION)[0])

    def complaint(self, uint32_t number):
        cdef object _in_use = self._use()
        cdef uint64_t sequence
        with nogil:
            sequence = durable_complaint(self.s, number)
        return sequence

    def complaints(self, uint32_t before, uint32_t limit):
        cdef object _in_use = self._use()
        if not 1 <= limit <= _COMPLAINTS_PAGE_MAX:
            raise ValueError(f"limit is 1 to {_COMPLAINTS_PAGE_MAX}")
        numbers = np.empty(limit, np.uint32)
        sequences = np.empty(limit, np.uint64)
        cdef uint32_t[::1] at = numbers
        cdef uint64_t[::1] rows = sequences
        cdef uint32_t count
        with nogil:
            count = durable_list_complaints(self.s, before, &at[0], &rows[0], limit)
        return numbers[:count].copy(), sequences[:count].copy()

    def replies(self, uint64_t complaint):
        cdef object _in_use = self._use()
        cdef uint64_t[REPLIES_MAX] found
        cdef uint32_t count
        cdef int rc
        with nogil:
            rc = linked_replies(self.s, complaint, found, REPLIES_MAX, &count)
        self._check(rc)
        return np.array([found[i] for i in range(count)], np.uint64)

    def find_operator(self, uint32_t participant, uint32_t number):
        cdef object _in_use = self._use()
        cdef uint64_t sequence
        with nogil:
            sequence = durable_find_operator(self.s, participant, number)
        return sequence

    def operators(self, uint32_t participant):
        cdef object _in_use = self._use()
        cdef uint32_t room = 64
        cdef uint32_t count
        cdef uint64_t[::1] target
        if not 0 < participant < PARTICIPANTS_MAX:
            raise LookupError("there is no such participant")
        while True:
            sequences = np.empty(room, np.uint64)
            target = sequences
            with nogil:
                count = durable_list_operators(self.s, participant, &target[0], room)
            if count <= room:
                return sequences[:count].copy()
            room = count

    # --- open holds, and those in doubt --------------------------------------------------------

    def holds(self):
        listed, due = self._holds()
        return listed[due != _UNVERIFIED]

    def kept(self):
        listed, due = self._holds()
        return listed[due == _NEVER]

    def unverified(self):
        listed, due = self._holds()
        return listed[due == _UNVERIFIED]

    def holds_aside(self):
        listed, due = self._holds()
        return listed[due == _ASIDE]

    cdef _holds(self):
        """The listed holds, ascending, and when each is due."""
        cdef object _in_use = self._use()
        cdef uint64_t room = 0
        cdef uint64_t count = 1
        cdef uint64_t listed = 0
        cdef uint8_t[::1] target
        cdef int rc = 0
        while count > room:
            room = count + HOLDS_MORE
            holds = np.empty(room, _HOLD)
            target = holds.view(np.uint8)
            with nogil:
                # Touched beforehand, as accounts are.
                memset(&target[0], 0, room * sizeof(Hold))
                rc = durable_holds(self.s, <Hold*>&target[0], room, &listed, &count)
            check(rc)
        # Memory may be ahead of the disk for ever.
        if self.s.shared.dead:
            raise DeadError(self.s.shared.dead, self.dead)
        before = holds[listed:count]
        holds = holds[:listed]
        if before.size:
            named, first = np.unique(before["sequence"], return_index=True)
            before = before[first]
            holds = np.concatenate([
                holds[~np.isin(holds["sequence"], named)], before[before["due"] != 0]
            ])
        holds = holds[np.argsort(holds["sequence"])]
        return holds["sequence"].copy(), holds["due"]
