"""The Python face of the compiled core, and the only one.

Below the border everything is C: no Python objects, no exceptions, no GIL. Here return
codes become exceptions, arguments are checked, and threads are kept.
"""

import contextlib
import fcntl
import hashlib
import logging
import math
import os
import secrets
import threading
import time
import weakref

import numpy as np
import numpy.typing as npt

from switch.codes import Kind, Result, RowFlag
from switch.entries import Entry as LedgerEntry
from switch.errors import (
    BusyError, ClockError, CorruptionError, DeadError, FollowError, FormatError,
    IndexDamagedError, JournalBehindError, NotLeaderError, OverloadError, SpaceError,
    SlowReadError, StorageError, UnknownOutcomeError, WireError,
)
from switch.readings import ClockState, GroupMeter, LedgerHead

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pycapsule cimport (
    PyCapsule_CheckExact, PyCapsule_GetContext, PyCapsule_GetPointer, PyCapsule_New,
    PyCapsule_SetContext,
)
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EDQUOT, EFBIG, EINTR, EINVAL, ENOMEM, ENOSPC, ESHUTDOWN, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memmove, memset, strerror
from posix.fcntl cimport (
    F_GETFL, F_SETFL, O_APPEND, O_CLOEXEC, O_RDONLY, O_WRONLY, fcntl as posix_fcntl,
    open as posix_open,
)
from posix.stat cimport fstat, struct_stat as stat_t
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID
from posix.unistd cimport close as posix_close, read as posix_read, write

from switch.core.answered cimport *
from switch.core.fault cimport *
from switch.core.codes cimport *
from switch.core.layout cimport *
from switch.core.lmdb cimport *
from switch.core.log cimport *
from switch.core.native cimport *
from switch.core.queue cimport *
from switch.core.registered cimport *
from switch.core.signature cimport *
from switch.core.places cimport *
from switch.core.state cimport *
from switch.core.tables cimport *
from switch.core.threads cimport *

cdef extern from "<fcntl.h>" nogil:
    const int O_DIRECT
    const int O_DIRECTORY

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void** memory, size_t alignment, size_t size)

cdef extern from "<unistd.h>" nogil:
    int fdatasync(int fd)

cdef extern from "<sys/random.h>" nogil:
    ssize_t getrandom(void* bytes, size_t size, unsigned int flags)

cdef extern from "<sys/statvfs.h>" nogil:
    ctypedef struct statvfs_t "struct statvfs":
        unsigned long f_frsize
        unsigned long f_bavail
    int fstatvfs(int fd, statvfs_t* room)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_CLOEXEC, EFD_NONBLOCK
    int eventfd(unsigned int value, int flags)

cdef extern from "<time.h>" nogil:
    const int CLOCK_BOOTTIME
    int clock_gettime(int clock, timespec* now)
    int nanosleep(const timespec* rest, timespec* left)

cdef extern from "<sys/timex.h>" nogil:
    ctypedef struct timex_t "struct timex":
        unsigned int modes
        int status
    int STA_UNSYNC
    int TIME_ERROR
    int adjtimex(timex_t* buffer)

# The lowest part first; each may call those above it.
include "core/row/kinds.pxi"
include "core/row/fields.pxi"
include "core/row/keys.pxi"
include "core/row/low.pxi"
include "core/row/effect.pxi"
include "core/journal/store.pxi"
include "core/journal/reserve.pxi"
include "core/index/damage.pxi"
include "core/index/secret.pxi"
include "core/index/memo.pxi"
include "core/index/chains.pxi"
include "core/index/copying.pxi"
include "core/index/holds.pxi"
include "core/index/turns.pxi"
include "core/index/sort.pxi"
include "core/index/cover.pxi"
include "core/index/runs.pxi"
include "core/index/pages.pxi"
include "core/index/merge.pxi"
include "core/index/postings.pxi"
include "core/index/segments.pxi"
include "core/index/hold_pieces.pxi"
include "core/index/lookup.pxi"
include "core/index/views.pxi"
include "core/index/indexer.pxi"
include "core/index/retired.pxi"
include "core/index/steps.pxi"
include "core/index/pace.pxi"
include "core/rules/references.pxi"
include "core/rules/quotation.pxi"
include "core/rules/people.pxi"
include "core/rules/operators.pxi"
include "core/rules/banks.pxi"
include "core/rules/beneficiaries.pxi"
include "core/rules/budgets.pxi"
include "core/rules/cutoffs.pxi"
include "core/rules/margins.pxi"
include "core/rules/register.pxi"
include "core/rules/complaints.pxi"
include "core/rules/rows.pxi"
include "core/rules/approvers.pxi"
include "core/rules/standing.pxi"
include "core/rules/bills.pxi"
include "core/rules/claims.pxi"
include "core/rules/prices.pxi"
include "core/rules/payment.pxi"
include "core/rules/resolve.pxi"
include "core/rules/treasury.pxi"
include "core/rules/windows.pxi"
include "core/rules/booked.pxi"
include "core/rules/answer.pxi"
include "core/rules/evidence.pxi"
include "core/rules/signed.pxi"
include "core/rules/cases.pxi"
include "core/rules/complain.pxi"
include "core/rules/handouts.pxi"
include "core/rules/lines.pxi"
include "core/rules/recovery.pxi"
include "core/rules/refusals.pxi"
include "core/rules/known.pxi"
include "core/rules/decided.pxi"
include "core/rules/machine.pxi"
include "core/wire/wire.pxi"
include "core/wire/questions.pxi"
include "core/engine/recall.pxi"
include "core/engine/replay.pxi"
include "core/engine/reads.pxi"
include "core/engine/claimed.pxi"
include "core/engine/linked.pxi"
include "core/engine/search.pxi"
include "core/engine/durable.pxi"
include "core/engine/digest.pxi"
include "core/engine/lifetime.pxi"
include "core/engine/group.pxi"
include "core/engine/follow.pxi"
include "core/engine/clock.pxi"
include "core/engine/senders.pxi"
include "core/engine/takers.pxi"
include "core/engine/meter.pxi"
include "core/engine/queue.pxi"
include "core/engine/watch.pxi"


include "core/face/declared.pxi"
include "core/face/entry.pxi"
include "core/face/request.pxi"
include "core/face/use.pxi"
include "core/face/opened.pxi"
include "core/face/sought.pxi"
include "core/face/reading.pxi"
include "core/face/seeking.pxi"
include "core/face/following.pxi"


@cython.final
cdef class Ledger(_Following):
    # --- writing -----------------------------------------------------------------------------

    def commit(self, requests, uint64_t now_ns):
        cdef Request request
        cdef uint32_t count = 0
        cdef uint32_t total = 0
        cdef uint64_t size = 0
        cdef int rc
        requests = tuple(requests)
        self._begin_commit()
        try:
            self._need_open()
            for request in requests:
                if request is None:
                    raise TypeError("a request is needed, not None")
                total += request.rows_count
                size += request.size
                if total > GROUP_MAX or size > TAIL_MAX:
                    raise ValueError("the requests exceed one group")
                request.fill(&self.calls[count])
                count += 1
            self._bring_index_on()
            with nogil:
                rc = group_commit(
                    self.s, self.calls, count, now_ns, now_ns, self.outcomes, self.replies
                )
            self._check_commit(rc)
            return [
                face_reply(&self.calls[index], self.outcomes, self.replies)
                for index in range(count)
            ]
        finally:
            self._end_commit()

    def expiry(self):
        return self.s.shared.due

    def index_unit(self):
        cdef object _in_use = self._use()
        cdef int rc, moved
        with nogil:
            rc = pace_try_unit(self.s, &moved)
        check(RC_SPACE if store_is_space(rc) else rc)
        return bool(moved)

    def limit_biller(self, uint32_t biller, most):
        self._need_open()
        if not 0 < biller < PARTICIPANTS_MAX:
            raise LookupError("there is no such participant")
        cdef uint32_t below = 0 if most is None else <uint32_t>most + 1
        with nogil:
            register_limit_biller(self.s, biller, below)

    def limit_holds(self, uint32_t most):
        self._need_open()
        with nogil:
            pthread_mutex_lock(&self.s.shared.lock)
            self.s.shared.holds_most = most
            pthread_mutex_unlock(&self.s.shared.lock)

    def limit_refusals(self, uint32_t role, uint32_t per_second, uint32_t at_once):
        self._need_open()
        if not 0 < role < ROLES_COUNT:
            raise LookupError("there is no such role")
        if per_second > 1000000 or per_second and at_once < BASKET_MAX:
            raise ValueError("refusals: at most 1,000,000 a second, at least 16 at once")
        cdef RefusalBudget* budget = &self.s.shared.refusals[role]
        with nogil:
            pthread_mutex_lock(&self.s.shared.lock)
            budget.per_s = per_second
            budget.at_once = at_once
            pthread_mutex_unlock(&self.s.shared.lock)

    # --- quotations --------------------------------------------------------------------------

    def set_quotation_keys(self, keys):
        cdef object _in_use = self._use()
        cdef TokenKey[TOKEN_KEYS_MAX] made
        cdef bytes secret
        cdef int count = 0
        memset(made, 0, sizeof(made))
        keys = tuple(keys)
        if not 1 <= len(keys) <= TOKEN_KEYS_MAX or len({key[0] for key in keys}) < len(keys):
            raise ValueError("one key or two of different numbers, the newest first")
        for number, secret in keys:
            if not 1 <= number <= 255 or secret is None or len(secret) != TOKEN_KEY_SIZE:
                raise ValueError("a key has a number of 1 to 255, and 32 bytes")
            quotation_make_key(
                &made[count], number, <const uint8_t*>PyBytes_AS_STRING(secret),
                self.s.config.instance, self.s.config.epoch,
            )
            count += 1
        with nogil:
            # No group is decided meanwhile: all of one are opened with the same keys.
            pthread_mutex_lock(&self.s.shared.lock)
            memcpy(self.s.shared.token_keys, made, sizeof(made))
            pthread_mutex_unlock(&self.s.shared.lock)

    cdef void _copy_keys(self, TokenKey* keys) noexcept nogil:
        """The keys as they are now; sealing and opening then hold up nobody."""
        pthread_mutex_lock(&self.s.shared.lock)
        memcpy(keys, self.s.shared.token_keys, TOKEN_KEYS_MAX * sizeof(TokenKey))
        pthread_mutex_unlock(&self.s.shared.lock)

    # --- what centres and banks have said ----------------------------------------------------

    def requests(self, uint32_t wallet, uint32_t day):
        cdef object _in_use = self._use()
        cdef uint64_t[REQUESTS_DAY_MAX] found
        cdef uint32_t count
        cdef int rc
        with nogil:
            rc = linked_requests(self.s, wallet, day, found, &count)
        self._check(rc)
        return np.array([found[i] for i in range(count)], np.uint64)

    def find_booked(
        self, uint32_t account, bint debit, bint reversal, bytes reference not None
    ):
        cdef object _in_use = self._use()
        cdef uint8_t[REFERENCE_SIZE] padded
        cdef uint64_t sequence
        cdef int rc
        self._need_account(account)
        if not face_pad(reference, padded, REFERENCE_SIZE):
            return 0
        with nogil:
            rc = linked_booked(
                self.s, account, not debit, ROW_REVERSAL if reversal else 0, padded, &sequence
            )
        self._check(rc)
        return sequence

    # --- quotations --------------------------------------------------------------------------

    def seal_quotation(self, quotation not None):
        cdef object _in_use = self._use()
        if quotation.dtype != QUOTATION or quotation.size != 1:
            raise ValueError("one quotation is needed, of the dtype QUOTATION")
        cdef bytes given = quotation.tobytes()
        cdef TokenKey[TOKEN_KEYS_MAX] keys
        cdef Quotation token
        cdef bint sealed
        memcpy(&token, PyBytes_AS_STRING(given), sizeof(Quotation))
        with nogil:
            self._copy_keys(keys)
            sealed = keys[0].number != 0 and quotation_seal(keys, &token)
        if keys[0].number == 0:
            raise ValueError("no key of quotations is set")
        if not sealed:
            raise ValueError("a field of the quotation is out of its bounds")
        return PyBytes_FromStringAndSize(<char*>&token, sizeof(Quotation))

    def open_quotation(self, bytes token not None, uint64_t now_ns):
        cdef object _in_use = self._use()
        cdef TokenKey[TOKEN_KEYS_MAX] keys
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(token)
        cdef size_t size = PyBytes_GET_SIZE(token)
        opened = np.empty(1, QUOTATION)
        cdef uint8_t[::1] target = opened.view(np.uint8)
        cdef int what
        with nogil:
            self._copy_keys(keys)
            what = quotation_open(keys, data, size, now_ns, <Quotation*>&target[0])
        return what, opened.reshape(())


include "core/face/threads.pxi"
include "core/face/queue.pxi"
