"""Counts and sums of paise by a key of 64 bits while they grow, in C.

`sums` has the same in sorted columns. Here a row finds the sum of its key at once, and
nothing is sorted before somebody asks for all of it. One thread at a time.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from switch import _core
from switch.core.codes cimport KIND_PAY, RESULT_OK
from switch.core.layout cimport Row
from switch.core.native cimport (
    native_add_overflows, native_prefetch, native_scattered, native_scattered_zeros,
)
from switch.totals import figures

cdef enum:
    ROWS_AHEAD = 32             # whose places are fetched before the first of them is needed
    SUMS_FIRST = 1024           # that there is room for at first; it doubles
    SUMS_MOST = 1 << 23         # 256 MiB of them: eight parts as large as they may be
    OF_PAID = 1                 # a figure, and where the others of a key stand
    AT_WALLET = 4
    AT_SERVICE = 25
    AT_HEAD = 41

if [OF_PAID, AT_WALLET, AT_SERVICE, AT_HEAD] != [
    figures.Figure.PAID, figures.WALLET_SHIFT, figures.SERVICE_SHIFT, figures.HEAD_SHIFT,
]:
    raise ImportError("compiled with other keys of cells")

cdef struct Sum:
    uint64_t key
    uint64_t count
    uint64_t paise              # with `paise_high` a number of 128 bits
    uint64_t paise_high


cdef inline uint64_t mixed(uint64_t key) noexcept nogil:
    """As good as chance: wallets, services and heads are few, and follow each other."""
    key = (key ^ key >> 32) * <uint64_t>0xD6E8FEB86659FD93
    return key ^ key >> 32


cdef inline uint64_t key_of(const Row* row) noexcept nogil:
    return (
        <uint64_t>row.credit << AT_HEAD | <uint64_t>row.service << AT_SERVICE
        | <uint64_t>row.debit << AT_WALLET | OF_PAID
    )


@cython.final
cdef class Tally:
    cdef Sum* sums              # in the order in which their keys came
    cdef uint32_t* places       # a sum's number and 1, at its key's place or behind; 0: free
    cdef size_t count
    cdef size_t room            # for sums
    cdef size_t mask            # places but one; at least twice as many as there is room for

    def __dealloc__(self):
        free(self.sums)
        free(self.places)

    def __len__(self):
        return self.count

    cdef int make_room(self, size_t more) except -1:
        """For so many new keys. MemoryError, with all as it was, if there is none."""
        cdef size_t room = self.room if self.room else SUMS_FIRST
        cdef uint32_t* places
        cdef Sum* sums
        cdef size_t i
        if self.count + more <= self.room:
            return 0
        while room < self.count + more:
            room *= 2
        if room > SUMS_MOST:
            raise MemoryError("more sums than a tally has room for")
        places = <uint32_t*>native_scattered_zeros(2 * room * sizeof(uint32_t))
        if places == NULL:
            raise MemoryError("no memory for a tally")
        sums = <Sum*>native_scattered(room * sizeof(Sum))
        if sums == NULL:
            free(places)
            raise MemoryError("no memory for a tally")
        if self.count:
            memcpy(sums, self.sums, self.count * sizeof(Sum))
        free(self.sums)
        free(self.places)
        self.sums, self.places = sums, places
        self.room, self.mask = room, 2 * room - 1
        for i in range(self.count):
            places[self.place_of(sums[i].key)] = <uint32_t>i + 1
        return 0

    cdef inline size_t place_of(self, uint64_t key) noexcept nogil:
        """Where its sum's number is, or belongs."""
        cdef size_t place = mixed(key) & self.mask
        while self.places[place] and self.sums[self.places[place] - 1].key != key:
            place = (place + 1) & self.mask
        return place

    cdef inline void put(
        self, uint64_t key, uint64_t count, uint64_t paise, uint64_t paise_high
    ) noexcept nogil:
        """Add to a key's sum; there is room for a new one."""
        cdef size_t place = self.place_of(key)
        cdef Sum* found
        if self.places[place] == 0:
            memset(&self.sums[self.count], 0, sizeof(Sum))
            self.sums[self.count].key = key
            self.count += 1
            self.places[place] = <uint32_t>self.count
        found = &self.sums[self.places[place] - 1]
        found.count += count
        found.paise_high += paise_high
        found.paise_high += native_add_overflows(found.paise, paise, &found.paise)

    def add(self, keys, counts, low, high):
        cdef const uint64_t[::1] key = keys
        cdef const uint64_t[::1] count = counts
        cdef const uint64_t[::1] below = low
        cdef const uint64_t[::1] above = high
        cdef Py_ssize_t size = key.shape[0]
        cdef Py_ssize_t i
        if not size == count.shape[0] == below.shape[0] == above.shape[0]:
            raise ValueError("columns have one length")
        self.make_room(size)
        with nogil:
            for i in range(size):
                self.put(key[i], count[i], below[i] | above[i] << 32, above[i] >> 32)

    def add_paid(self, rows):
        cdef const uint8_t[::1] data
        cdef const Row* row
        cdef Py_ssize_t size = rows.shape[0]
        cdef Py_ssize_t i, end
        cdef Py_ssize_t first = 0
        cdef uint8_t others = 0
        cdef size_t place
        cdef uint64_t[ROWS_AHEAD] keys
        if rows.dtype != _core.ROW or size == 0:
            raise ValueError("rows must have the dtype ROW")
        data = rows.view(np.uint8)
        row = <const Row*>&data[0]
        with nogil:
            for i in range(size):
                others |= (row[i].kind ^ KIND_PAY) | (row[i].result ^ RESULT_OK)
        if others:
            return False
        self.make_room(size)
        with nogil:
            while first < size:
                end = min(first + ROWS_AHEAD, size)
                # First the places of all, then the sums there: no row waits for memory.
                for i in range(first, end):
                    keys[i - first] = key_of(row + i)
                    native_prefetch(self.places + (mixed(keys[i - first]) & self.mask))
                for i in range(first, end):
                    place = self.places[mixed(keys[i - first]) & self.mask]
                    native_prefetch(self.sums + (place - 1 if place else self.count))
                for i in range(first, end):
                    self.put(keys[i - first], 1, row[i].amount, 0)
                first = end
        return True

    def columns(self):
        cdef Py_ssize_t i
        made = np.empty((4, self.count), np.uint64)
        cdef uint64_t[:, ::1] column = made
        cdef const Sum* found = self.sums
        with nogil:
            for i in range(<Py_ssize_t>self.count):
                column[0, i], column[1, i] = found[i].key, found[i].count
                column[2, i] = found[i].paise & 0xFFFFFFFFu
                column[3, i] = found[i].paise >> 32 | found[i].paise_high << 32
        return made
