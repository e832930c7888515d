"""What is done for every group and every message with the lines of a table, in C.

The columns are NumPy's, allocated by `lines` and `table`, which do to the same memory what
is done more seldom. What is rare here is left to them too: who calls is told which rows or
that nothing was done. Belongs to the event loop's thread.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

import numpy as np

from switch import _core
from switch.billing import lines
from switch.core.codes cimport *
from switch.core.layout cimport Answer, Row

cdef enum:
    GONE, WAITING, CONFIRMING, UNKNOWN, CHECKING, ANSWERED, CANCELLING, STATES_COUNT
    NS_IN_S = 1000000000
    GONE_MIN = 256              # as `lines.GONE_LEAST`
    ENDS_FIRST = 64             # ends that there is room for at first; it doubles
    ENDS_MOST = 65536           # that wait to be told to one biller; then the oldest are left out
    END_SIZE = 32               # bytes of one: a tag and a size, and three fields at the most

cdef enum:
    LOOK_LATE = 1               # a question has no answer in time, or may not go out any more
    LOOK_ASK = 2                # a question may go out
    LOOK_CANCEL = 4             # money that may have to be given back

ENDS_MAX = ENDS_MOST
LATE, ASK, CANCEL = LOOK_LATE, LOOK_ASK, LOOK_CANCEL

if [GONE, WAITING, CONFIRMING, UNKNOWN, CHECKING, ANSWERED, CANCELLING, STATES_COUNT] != [
    lines.State.GONE, lines.State.WAITING, lines.State.CONFIRMING, lines.State.UNKNOWN,
    lines.State.CHECKING, lines.State.ANSWERED, lines.State.CANCELLING, lines.STATES,
] or (lines.FETCH_BIT, lines.GONE_LEAST) != (1 << 63, GONE_MIN):
    raise ImportError("compiled with other states of a line")


# --- ends -----------------------------------------------------------------------------

cdef struct End:
    uint64_t number
    uint64_t sequence
    uint8_t state


cdef inline uint8_t* put_field(uint8_t* at, int field, uint64_t value) noexcept nogil:
    """A varint of a message; 0 is left out, as the wire has it."""
    if value == 0:
        return at
    at[0] = <uint8_t>(field << 3)
    at += 1
    while value >= 0x80:
        at[0] = <uint8_t>(value | 0x80)
        value >>= 7
        at += 1
    at[0] = <uint8_t>value
    return at + 1


cdef inline uint8_t state_after(int kind) noexcept nogil:
    """How what a row ends stands then."""
    if kind == KIND_POST:
        return PAYMENT_COMPLETED
    if kind == KIND_VOID:
        return PAYMENT_REVERSED
    if kind == KIND_EXPIRE:
        return PAYMENT_UNVERIFIED
    if kind == KIND_VERIFY:
        return PAYMENT_EXPIRED
    return PAYMENT_REFUNDED if kind == KIND_REFUND else PAYMENT_NONE


@cython.final
cdef class Ends:
    cdef End* ends              # a ring
    cdef uint32_t room          # a power of two
    cdef uint32_t first
    cdef uint32_t count

    def __dealloc__(self):
        free(self.ends)

    def __bool__(self):
        return self.count > 0

    cdef int put(self, uint64_t number, int kind, uint64_t sequence) except -1:
        cdef End* end
        if self.count == self.room and self.room < <uint32_t>ENDS_MOST:
            self.grow()
        if self.count == self.room:
            self.first += 1
            self.count -= 1
        end = &self.ends[(self.first + self.count) & (self.room - 1)]
        end.number = number
        end.sequence = sequence
        end.state = state_after(kind)
        self.count += 1
        return 0

    cdef int grow(self) except -1:
        cdef uint32_t room = max(2 * self.room, <uint32_t>ENDS_FIRST)
        cdef End* ends = <End*>malloc(room * sizeof(End))
        cdef uint32_t i
        if ends == NULL:
            raise MemoryError
        for i in range(self.count):
            ends[i] = self.ends[(self.first + i) & (self.room - 1)]
        free(self.ends)
        self.ends = ends
        self.room = room
        self.first = 0
        return 0

    def add(self, holds, rows):
        cdef const uint64_t[::1] numbers = np.ascontiguousarray(holds, np.uint64)
        cdef const uint8_t[::1] kinds = np.ascontiguousarray(rows["kind"])
        cdef const uint64_t[::1] sequences = np.ascontiguousarray(rows["sequence"])
        cdef Py_ssize_t i
        for i in range(numbers.shape[0]):
            self.put(numbers[i], kinds[i], sequences[i])

    def take(self):
        cdef uint8_t* start
        cdef uint8_t* at
        cdef uint8_t* one
        cdef const End* end
        cdef uint32_t i
        if self.count == 0:
            return b""
        start = <uint8_t*>malloc(<size_t>self.count * END_SIZE)
        if start == NULL:
            raise MemoryError
        at = start
        for i in range(self.count):
            end = &self.ends[(self.first + i) & (self.room - 1)]
            # ConnectResponse.ended; what is in it is less than 128 bytes.
            at[0] = (4 << 3) | 2
            one = at + 2
            at = put_field(one, 1, end.number)
            at = put_field(at, 2, end.state)
            at = put_field(at, 3, end.sequence)
            (one - 1)[0] = <uint8_t>(at - one)
        self.count = 0
        self.first = 0
        try:
            return PyBytes_FromStringAndSize(<char*>start, at - start)
        finally:
            free(start)


# --- a table --------------------------------------------------------------------------

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
            self.open[self._count - 1] += 1
            self.open_count += 1
            return 0
        if self._count == self.state.shape[0] or (
            self._gone > GONE_MIN and self._gone > self._count // 2
        ):
            (<object>self)._make_room(1)
        at = self._count
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
            if self.confirm_until[i] <= wall_ns or (
                skew_ns and self.final_from[i] - self.credit_until[i] < skew_ns
            ):
                timely = False
        return places[:found], timely

    def ask(self, places, int state, uint32_t connection, double now, double until):
        cdef const int64_t[::1] which = np.ascontiguousarray(places)
        cdef int64_t place
        cdef Py_ssize_t i
        for i in range(which.shape[0]):
            place = which[i]
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


# --- all tables -----------------------------------------------------------------------

cdef inline bint is_accepted(const Row* row, int kind) noexcept nogil:
    return row.kind == kind and row.result == RESULT_OK


cdef inline bint is_whole(const Row* row, Py_ssize_t i) noexcept nogil:
    """Whether a hold stands alone, begins a basket, or follows one of its own."""
    return row.basket & 0xFF == 0 or (
        i > 0 and is_accepted(row - 1, KIND_HOLD) and (row - 1).basket == row.basket - 1
        and (row - 1).sequence == row.sequence - 1
    )


@cython.final
cdef class Router:
    cdef list tables            # by the index of a service; None: not met yet
    cdef uint64_t batch

    def __cinit__(self):
        self.tables = []

    def clear(self):
        self.tables = []

    def route(self, Py_ssize_t service, Columns table):
        while len(self.tables) <= service:
            self.tables.append(None)
        self.tables[service] = table

    cdef Columns table(self, Py_ssize_t service):
        return <Columns>self.tables[service] if service < len(self.tables) else None

    @staticmethod
    def kinds(rows):
        cdef const uint8_t[::1] data = view(rows)
        cdef const Row* row
        cdef bint[256] met
        cdef Py_ssize_t i
        for i in range(256):
            met[i] = False
        for i in range(rows.shape[0]):
            row = <const Row*>&data[0] + i
            if row.result == RESULT_OK:
                met[row.kind] = True
        return {i for i in range(256) if met[i]}

    def add(self, rows, uint64_t wall_ns):
        cdef const uint8_t[::1] data = view(rows)
        cdef const Row* row
        cdef Columns table
        cdef Py_ssize_t count = rows.shape[0]
        cdef Py_ssize_t i
        cdef list left = []
        self.batch += 1
        for i in range(count):
            row = <const Row*>&data[0] + i
            if not is_accepted(row, KIND_HOLD):
                continue
            table = self.table(row.service)
            if table is None:
                continue
            if table.batch != self.batch:
                table.batch = self.batch
                table.plain = True
            # Who has waited longer has had some of its questions, before a start.
            if not is_whole(row, i) or <int64_t>(wall_ns - row.timestamp) >= table.fresh:
                table.plain = False
        for i in range(count):
            row = <const Row*>&data[0] + i
            if not is_accepted(row, KIND_HOLD):
                continue
            table = self.table(row.service)
            # The numbers of a table ascend: all of its holds, or none.
            if table is None or not table.plain:
                left.append(i)
            else:
                table.append(row)
        return left

    def resolve(self, rows):
        cdef const uint8_t[::1] data = view(rows)
        cdef const Row* row
        cdef Columns table
        cdef Py_ssize_t i
        cdef list left = []
        for i in range(rows.shape[0]):
            row = <const Row*>&data[0] + i
            if row.result != RESULT_OK or (
                row.kind != KIND_POST and row.kind != KIND_VOID and row.kind != KIND_VERIFY
            ):
                continue
            table = self.table(row.service)
            if table is None or row.kind == KIND_VERIFY or not table.resolve_one(
                row.resolves - (row.basket & 0xFF)
            ):
                left.append(i)
            elif table.ends is not None:
                table.ends.put(row.resolves, row.kind, row.sequence)
        return left


cdef const uint8_t[::1] view(rows):
    """The bytes of at least one row."""
    if rows.dtype != _core.ROW or rows.shape[0] == 0:
        raise ValueError("rows must have the dtype ROW")
    return rows.view(np.uint8)
