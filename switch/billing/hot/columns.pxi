# The table of one biller.
#
# How long its answers took is noted here too, as all that is done for each of them.

cdef class Recent:
    cdef double[LATENCIES_MOST] seconds
    cdef uint64_t count

    cdef inline void put(self, double seconds) noexcept nogil:
        self.seconds[self.count % LATENCIES_MOST] = seconds
        self.count += 1

    def add(self, const double[::1] seconds):
        cdef Py_ssize_t i
        for i in range(seconds.shape[0]):
            self.put(seconds[i])

    def all(self):
        cdef Py_ssize_t count = <Py_ssize_t>min(self.count, <uint64_t>LATENCIES_MOST)
        return np.array([self.seconds[i] for i in range(count)], np.float64)


cdef class Columns:
    cdef uint64_t[::1] number
    cdef uint64_t[:, ::1] id
    cdef uint32_t[::1] centre
    cdef uint8_t[::1] size
    cdef uint8_t[::1] open
    cdef uint8_t[::1] state
    cdef uint64_t[::1] credit_until
    cdef uint64_t[::1] final_from
    cdef uint16_t[::1] calls
    cdef uint32_t[::1] connection
    cdef double[::1] asked
    cdef double[::1] at
    cdef uint8_t[::1] doubt
    cdef uint8_t[::1] offered
    cdef uint8_t[::1] free
    cdef uint64_t[::1] confirm_until
    cdef uint16_t[::1] confirms
    cdef public Py_ssize_t _count
    cdef public Py_ssize_t _gone
    cdef public Py_ssize_t open_count
    cdef public Py_ssize_t added
    cdef public bint offers
    cdef public bint stirred
    cdef public bint tells
    cdef public bint has_room
    cdef public Ends ends
    cdef uint64_t margin
    cdef uint64_t answering
    cdef int64_t fresh
    cdef uint64_t batch         # of the router's, in which it was met last
    cdef bint plain             # whether all of its holds of that are as they mostly are

    def _bind(self):
        own = self
        self.number = own._number
        self.id = own._id
        self.centre = own._centre
        self.size = own._size
        self.open = own._open
        self.state = own._state
        self.credit_until = own._credit_until
        self.final_from = own._final_from
        self.calls = own._calls
        self.connection = own._connection
        self.asked = own._asked
        self.at = own._at
        self.doubt = own._doubt.view(np.uint8)
        self.offered = own._offered.view(np.uint8)
        self.free = own._free.view(np.uint8)
        self.confirm_until = own._confirm_until
        self.confirms = own._confirms

    def set_times(self, uint64_t margin_ns, uint64_t answering_ns, int64_t fresh_ns):
        self.margin = margin_ns
        self.answering = answering_ns
        self.fresh = fresh_ns

    # --- groups ---

    cdef int append(self, const Row* row) except -1:
        """A line for an accepted hold, or one payment more of the last one's basket."""
        cdef Py_ssize_t at
        cdef uint64_t length, margin, until
        if row.basket & 0xFF:
            native_assert(
                self._count > 0 and self.open[self._count - 1] < self.size[self._count - 1],
                b"append: behind the first of its basket",
            )
            self.open[self._count - 1] += 1
            self.open_count += 1
            return 0
        if self._count == self.state.shape[0] or (
            self._gone > GONE_MIN and self._gone > self._count // 2
        ):
            (<object>self)._make_room(1)
        at = self._count
        native_assert(
            at == 0 or self.number[at - 1] < row.sequence, b"append: numbers ascend"
        )
        # As `deadlines.moments` has them.
        length = <uint64_t>row.deadline * NS_IN_S
        margin = min(self.margin, length // 2)
        until = row.timestamp + length - margin
        self.number[at] = row.sequence
        memcpy(&self.id[at, 0], row.id, 16)
        self.centre[at] = row.debit
        self.size[at] = <uint8_t>max(row.basket >> 8, 1)
        self.open[at] = 1
        self.state[at] = WAITING
        self.credit_until[at] = until
        self.final_from[at] = until + margin // 2
        self.confirm_until[at] = until - min(self.answering, (length - margin) // 2)
        self.offered[at] = self.offers
        self._count += 1
        self.open_count += 1
        self.added += 1
        return 0

    cdef Py_ssize_t find_one(self, uint64_t number) noexcept nogil:
        """The place of a number, -1 if there is none or it is gone."""
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t high = self._count
        cdef Py_ssize_t middle
        while low < high:
            middle = (low + high) // 2
            if self.number[middle] < number:
                low = middle + 1
            else:
                high = middle
        if low == self._count or self.number[low] != number or self.state[low] == GONE:
            return -1
        return low

    cdef bint resolve_one(self, uint64_t number) noexcept nogil:
        """One payment of a line is decided; whether it is here."""
        cdef Py_ssize_t place = self.find_one(number)
        if place < 0:
            return False
        native_assert(
            self.open[place] > 0 and self.open_count > 0, b"resolve_one: it is open"
        )
        self.open[place] -= 1
        self.open_count -= 1
        if self.open[place] == 0:
            self.state[place] = GONE
            self._gone += 1
        return True

    # --- messages ---

    def counts(self):
        cdef Py_ssize_t[8] found
        cdef Py_ssize_t i
        for i in range(8):
            found[i] = 0
        for i in range(self._count):
            found[self.state[i] & 7] += 1
        return [found[i] for i in range(STATES_COUNT)]

    def look(self, double now, uint64_t wall_ns):
        cdef Py_ssize_t i
        cdef int found = 0
        cdef int state
        for i in range(self._count):
            state = self.state[i]
            if state == WAITING:
                found |= LOOK_ASK
                if self.offered[i]:
                    found |= LOOK_LATE if self.confirm_until[i] <= wall_ns else 0
                else:
                    found |= LOOK_CANCEL if self.credit_until[i] <= wall_ns else 0
            elif state != GONE and self.at[i] <= now:
                if state == UNKNOWN:
                    found |= LOOK_ASK
                elif state == CANCELLING:
                    found |= LOOK_CANCEL
                else:
                    found |= LOOK_LATE
        return found

    def oldest(self, Py_ssize_t room, uint64_t wall_ns, uint64_t skew_ns):
        cdef Py_ssize_t most = max(min(room, self._count - self._gone), 0)
        cdef Py_ssize_t found = 0
        cdef Py_ssize_t i
        cdef bint timely = True
        places = np.empty(most, np.int64)
        cdef int64_t[::1] out = places
        for i in range(self._count):
            if found == most:
                break
            if self.state[i] != WAITING:
                continue
            out[found] = i
            found += 1
            timely = timely and self.is_timely(i, wall_ns, skew_ns)
        return places[:found], timely

    def to_confirm(self, Py_ssize_t most, Py_ssize_t room, Py_ssize_t share, uint64_t wall_ns,
                   uint64_t skew_ns):
        cdef Py_ssize_t waiting = 0
        cdef Py_ssize_t confirming = 0
        cdef Py_ssize_t checking = 0
        cdef Py_ssize_t found = 0
        cdef Py_ssize_t payments = 0
        cdef Py_ssize_t i
        cdef int state
        for i in range(self._count):
            state = self.state[i]
            if state == UNKNOWN:
                return None
            waiting += state == WAITING
            confirming += state == CONFIRMING
            checking += state == CHECKING
        room = min(room, most - confirming - checking)
        if room <= 0 or waiting + confirming > share:
            return None
        places = np.empty(min(room, waiting), np.int64)
        cdef int64_t[::1] out = places
        for i in range(self._count):
            if found == out.shape[0]:
                break
            if self.state[i] != WAITING:
                continue
            if not self.is_timely(i, wall_ns, skew_ns):
                return None
            payments += self.size[i]
            if payments > PAYMENTS_MOST:
                break
            out[found] = i
            found += 1
        return places[:found]

    cdef inline bint is_timely(
        self, Py_ssize_t place, uint64_t wall_ns, uint64_t skew_ns
    ) noexcept nogil:
        """Whether it may be confirmed still, by a clock that differs so much."""
        return self.confirm_until[place] > wall_ns and (
            skew_ns == 0 or self.final_from[place] - self.credit_until[place] >= skew_ns
        )

    def ask(self, places, int state, uint32_t connection, double now, double until):
        cdef const int64_t[::1] which = np.ascontiguousarray(places)
        cdef int64_t place
        cdef Py_ssize_t i
        for i in range(which.shape[0]):
            place = which[i]
            native_assert(0 <= place < self._count, b"ask: a line")
            if state == CONFIRMING:
                self.confirms[place] += 1
            else:
                self.calls[place] += 1
            self.free[place] = False
            self.offered[place] = True
            self.state[place] = <uint8_t>state
            self.connection[place] = connection
            self.asked[place] = now
            self.at[place] = until

    def take_final(self, answers, double until):
        if answers.dtype != _core.ANSWER:
            raise ValueError("answers must have the dtype ANSWER")
        cdef Py_ssize_t count = answers.shape[0]
        places = np.empty(count, np.int64)
        if count == 0:
            return places
        cdef const uint8_t[::1] data = np.ascontiguousarray(answers).view(np.uint8)
        cdef const Answer* answer = <const Answer*>&data[0]
        cdef int64_t[::1] out = places
        cdef uint8_t[::1] before = np.empty(count, np.uint8)
        cdef Py_ssize_t i, place
        for i in range(count):
            place = self.find_asked(&answer[i])
            if place < 0:
                break
            out[i] = place
            before[i] = self.state[place]
            # A second answer to the same question is none of these.
            self.state[place] = ANSWERED
        else:
            for i in range(count):
                self.at[out[i]] = until
            return places
        while i > 0:
            i -= 1
            self.state[out[i]] = before[i]
        return None

    def settle(self, places, double since, double now, Recent recent):
        cdef const int64_t[::1] which = np.ascontiguousarray(places)
        cdef Py_ssize_t counted = 0
        cdef bint single = True
        cdef int64_t place
        cdef Py_ssize_t i
        for i in range(which.shape[0]):
            place = which[i]
            native_assert(self.state[place] == ANSWERED, b"settle: just answered")
            counted += self.asked[place] >= since
            single = single and self.size[place] == 1
            recent.put(now - self.asked[place])
        return counted, single

    cdef Py_ssize_t find_asked(self, const Answer* answer) noexcept nogil:
        """The place of the question that this answers for good; -1 for anything else."""
        cdef Py_ssize_t place
        if answer.bad or not (
            answer.kind == ANSWERED_CONFIRMED and answer.amount
            or answer.kind == ANSWERED_REJECTED
        ):
            return -1
        place = self.find_one(answer.number)
        if place < 0 or memcmp(&self.id[place, 0], answer.id, 16) != 0:
            return -1
        if self.state[place] != CONFIRMING and self.state[place] != CHECKING:
            return -1
        return place
