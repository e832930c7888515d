"""The Python face of the compiled core, and the only one.

Below the border everything is C: no Python objects, no exceptions, no GIL. Here return
codes become exceptions, arguments are checked, and threads are kept.
"""

import collections
import contextlib
import fcntl
import hashlib
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
    BusyError, ClockError, CorruptionError, DeadError, FormatError, IndexDamagedError,
    JournalBehindError, OverloadError, SpaceError, StorageError, UnknownOutcomeError, WireError,
)

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EDQUOT, EFBIG, EINVAL, ENOMEM, ENOSPC, ESHUTDOWN, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memmove, memset, strerror
from posix.fcntl cimport (
    F_GETFL, F_SETFL, O_APPEND, O_CLOEXEC, O_RDONLY, O_WRONLY, fcntl as posix_fcntl,
    open as posix_open,
)
from posix.mman cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap,
)
from posix.stat cimport fstat, struct_stat as stat_t
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME
from posix.unistd cimport close as posix_close, ftruncate, read as posix_read, write

from switch.core.fault cimport *
from switch.core.codes cimport *
from switch.core.layout cimport *
from switch.core.lmdb cimport *
from switch.core.native cimport *
from switch.core.queue cimport *
from switch.core.state cimport *

cdef extern from "<fcntl.h>" nogil:
    const int O_DIRECT
    const int O_DIRECTORY

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void** memory, size_t alignment, size_t size)

cdef extern from "<unistd.h>" nogil:
    int fdatasync(int fd)

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
include "core/row/effect.pxi"
include "core/journal/store.pxi"
include "core/journal/reserve.pxi"
include "core/index/damage.pxi"
include "core/index/memo.pxi"
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
include "core/index/steps.pxi"
include "core/index/pace.pxi"
include "core/rules/references.pxi"
include "core/rules/quotation.pxi"
include "core/rules/register.pxi"
include "core/rules/rows.pxi"
include "core/rules/standing.pxi"
include "core/rules/claims.pxi"
include "core/rules/prices.pxi"
include "core/rules/payment.pxi"
include "core/rules/resolve.pxi"
include "core/rules/treasury.pxi"
include "core/rules/answer.pxi"
include "core/rules/evidence.pxi"
include "core/rules/cases.pxi"
include "core/rules/machine.pxi"
include "core/wire/wire.pxi"
include "core/wire/questions.pxi"
include "core/engine/replay.pxi"
include "core/engine/reads.pxi"
include "core/engine/lifetime.pxi"
include "core/engine/group.pxi"
include "core/engine/clock.pxi"
include "core/engine/meter.pxi"
include "core/engine/queue.pxi"
include "core/engine/watch.pxi"


include "core/face/declared.pxi"
include "core/face/entry.pxi"
include "core/face/request.pxi"
include "core/face/use.pxi"


# --- the ledger -----------------------------------------------------------------------------------

cdef double READERS_WAIT_S = 0.001
_PATIENCE_S = 60.0
cdef uint64_t READERS_CHECK_NS = 5000000000


@cython.final
cdef class Ledger:
    cdef object __weakref__
    cdef State* s
    cdef Space[SPACES_COUNT] spaces
    cdef readonly str path
    cdef int lock_fd
    cdef bint is_open
    cdef pthread_mutex_t committing
    cdef object threads
    cdef object watch
    cdef _Users users
    cdef Outcome* outcomes
    cdef uint8_t* replies
    cdef Call* calls
    cdef uint64_t[::1] progress

    def __cinit__(self):
        cdef pthread_condattr_t attributes
        self.lock_fd = -1
        self.s = <State*>calloc(1, sizeof(State))
        self.outcomes = <Outcome*>calloc(GROUP_MAX, sizeof(Outcome))
        self.replies = <uint8_t*>malloc(GROUP_MAX * WIRE_OUTCOME_MAX)
        self.calls = <Call*>malloc(GROUP_MAX * sizeof(Call))
        if self.s == NULL or self.outcomes == NULL or self.replies == NULL or self.calls == NULL:
            raise MemoryError
        memset(self.spaces, 0, sizeof(self.spaces))
        self.users = _Users()
        self.s.config.reserve_fd = self.s.config.directory = -1
        pthread_mutex_init(&self.committing, NULL)
        pthread_mutex_init(&self.s.shared.lock, NULL)
        pthread_mutex_init(&self.s.shared.stepping, NULL)
        pthread_mutex_init(&self.s.shared.watching, NULL)
        # Waits are by a clock that nobody sets.
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(&self.s.shared.moved, &attributes)
        pthread_cond_init(&self.s.shared.step_due, &attributes)
        pthread_cond_init(&self.s.shared.space_due, &attributes)
        pthread_cond_init(&self.s.shared.watch_due, &attributes)
        pthread_condattr_destroy(&attributes)

    def __init__(
        self, path, *, create=True, map_size=4 << 40, reserve_size=64 << 20,
        index_step_rows=131072, index_lag_max=1048576, index_segments_least=16,
        room_least=256 << 20, threads=True, patience_s=None, lock_fd=-1, progress=None,
    ):
        if self.is_open or self.lock_fd >= 0:
            raise ValueError("open already")
        if not 16 <= index_step_rows <= 1 << 20:
            raise ValueError("index_step_rows is 16 to 2^20")
        if not index_step_rows <= index_lag_max <= 1 << 26:
            raise ValueError("index_lag_max is index_step_rows to 2^26")
        if map_size > MAP_SIZE_MAX:
            raise ValueError("map_size is at most 2^46")
        if not 1 <= index_segments_least <= ACCOUNTS_MAX // SEGMENT_ACCOUNTS:
            raise ValueError("index_segments_least is 1 to 4096")
        watched = threads or patience_s is not None
        if patience_s is None:
            patience_s = _PATIENCE_S
        if not 0 < patience_s <= 86400:
            raise ValueError("patience_s is more than 0, and a day at most")
        if progress is not None:
            self.progress = progress
            if self.progress.shape[0] != 2:
                raise ValueError("progress is rows indexed so far, and rows in all")
        self.path = os.fspath(path)
        self.threads = []
        try:
            self.s.config.room_least = room_least
            self.s.config.segments_least = index_segments_least
            self.s.config.patience_ns = <uint64_t>(patience_s * 1e9)
            # A duplicate holds the caller's lock until both are closed.
            self.lock_fd = os.dup(lock_fd) if lock_fd >= 0 else -1
            self._open(create, map_size, reserve_size, index_step_rows, index_lag_max)
        except BaseException:
            self._release()
            raise
        self.is_open = True
        _opened.add(self)
        if threads:
            self.threads = [self._start("index", _run_index), self._start("reserve", _run_reserve)]
        if watched:
            self.watch = self._start("watch", _run_watch)

    def _start(self, name, target):
        thread = threading.Thread(target=target, args=(self,), name=name, daemon=True)
        thread.start()
        return thread

    def _open(self, create, map_size, reserve_size, step_rows, lag_max):
        journal = os.path.join(self.path, "journal")
        index = os.path.join(self.path, "index")
        data = os.path.join(journal, "data.mdb")
        if not create and not os.path.isfile(data):
            raise FormatError(0, f"{self.path} holds no ledger")
        os.makedirs(journal, mode=0o700, exist_ok=True)
        os.makedirs(index, mode=0o700, exist_ok=True)
        if self.lock_fd < 0:
            self.lock_fd = _lock_file(self.path)
        cdef State* s = self.s
        cdef int rc
        s.config.step_rows = step_rows
        s.config.lag_max = lag_max
        s.config.reserve_size = reserve_size
        check(lifetime_allocate(s, self.spaces, step_rows, lag_max))
        check(lifetime_open_directory(s, os.fsencode(self.path)))
        check(lifetime_open_env(&s.config.journal_env, os.fsencode(journal), map_size))
        rc = lifetime_open_env(&s.config.index_env, os.fsencode(index), map_size)
        check(RC_INDEX if rc == MDB_INVALID or rc == MDB_VERSION_MISMATCH else damage_of(rc))
        if self.progress is not None:
            s.config.progress = &self.progress[0]
        if reserve_size:
            check(reserve_open(s, os.fsencode(data)))
        cdef bytes fresh = secrets.token_bytes(16)
        cdef const uint8_t* name = <const uint8_t*>PyBytes_AS_STRING(fresh)
        with nogil:
            rc = lifetime_begin(s, name)
        check(RC_SPACE if steps_is_space(rc) else rc)
        if s.shared.rules_version > RULES_VERSION:
            raise FormatError(
                0, f"rules {s.shared.rules_version} run this ledger, and this version knows them "
                "up "
                f"to {_RULES_VERSION}: start it with the version that ran last, or a newer one"
            )

    def close(self):
        if not self.is_open:
            return
        cdef int done = len(self.threads) > 0
        self._begin_commit()
        try:
            self.is_open = False
            # Whole steps go into the index now, or opening would have to do it. What fails
            # here fails again there and is told: nothing depends on it.
            with nogil:
                while done and not self.s.shared.dead:
                    pace_try(self.s, &done)
            pthread_mutex_lock(&self.s.shared.lock)
            self.s.shared.stopping = 1
            pthread_cond_broadcast(&self.s.shared.step_due)
            pthread_cond_broadcast(&self.s.shared.space_due)
            pthread_cond_broadcast(&self.s.shared.moved)
            pthread_mutex_unlock(&self.s.shared.lock)
            watch_stop(self.s)
            for thread in self.threads:
                thread.join()
            if self.watch is not None:
                self.watch.join()
                self.watch = None
                watch_end(self.s)
            # No read begins any more; those under way end soon.
            while self.users.count:
                time.sleep(READERS_WAIT_S)
            self._release()
        finally:
            self._end_commit()

    cdef _leave(self):
        """Be closed, and leave everything to the process that opened it."""
        if not self.is_open:
            return
        self.is_open = False
        self.threads = []
        self.watch = None
        # Whoever held it is not in this process.
        pthread_mutex_init(&self.committing, NULL)
        # The lock is the parent's; with a duplicate here it would outlive it.
        os.close(self.lock_fd)
        self.lock_fd = -1

    def _release(self):
        if self.s.config.reserve_fd >= 0:
            posix_close(self.s.config.reserve_fd)
            self.s.config.reserve_fd = -1
        lifetime_end(self.s, self.spaces)
        memset(self.s, 0, sizeof(State))
        memset(self.spaces, 0, sizeof(self.spaces))
        self.s.config.reserve_fd = self.s.config.directory = -1
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    def __dealloc__(self):
        # An object that was never closed leaves its threads and files to the process.
        if not self.is_open:
            free(self.s)
        free(self.outcomes)
        free(self.replies)
        free(self.calls)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    cdef _use(self):
        """Something that keeps the ledger from being closed for as long as it lives."""
        self._need_open()
        return _Use(self.users)

    cdef int _need_open(self) except -1:
        if not self.is_open:
            raise DeadError(0, "the ledger is closed")
        return 0

    cdef int _check(self, int rc) except -1:
        """What a read has met; damage of the index leaves a mark for the next start."""
        if rc == RC_INDEX:
            damage_mark(self.s)
        return check(rc)

    cdef int _begin_commit(self) except -1:
        """Wait until nobody commits. The queue's loop holds this lock without the GIL."""
        with nogil:
            pthread_mutex_lock(&self.committing)
        return 0

    cdef int _end_commit(self) except -1:
        pthread_mutex_unlock(&self.committing)
        return 0

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
            # Without a thread of its own the index is brought on here.
            while not self.threads and steps_behind(self.s) > self.s.config.lag_max:
                if not self.index_step():
                    break
            with nogil:
                rc = group_commit(
                    self.s, self.calls, count, now_ns, self.outcomes, self.replies
                )
            if rc == RC_DEAD:
                raise DeadError(self.s.shared.dead, self.dead)
            check(rc)
            return [
                face_reply(&self.calls[index], self.outcomes, self.replies)
                for index in range(count)
            ]
        finally:
            self._end_commit()

    def expiry(self):
        return self.s.shared.due

    def index_step(self):
        cdef object _in_use = self._use()
        cdef int rc, done
        with nogil:
            rc = pace_try(self.s, &done)
        check(RC_SPACE if steps_is_space(rc) else rc)
        return bool(done)

    def index_unit(self):
        cdef object _in_use = self._use()
        cdef int rc, moved
        with nogil:
            rc = pace_try_unit(self.s, &moved)
        check(RC_SPACE if steps_is_space(rc) else rc)
        return bool(moved)

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
            memcpy(self.s.group.token_keys, made, sizeof(made))
            pthread_mutex_unlock(&self.s.shared.lock)

    cdef void _copy_keys(self, TokenKey* keys) noexcept nogil:
        """The keys as they are now; sealing and opening then hold up nobody."""
        pthread_mutex_lock(&self.s.shared.lock)
        memcpy(keys, self.s.group.token_keys, TOKEN_KEYS_MAX * sizeof(TokenKey))
        pthread_mutex_unlock(&self.s.shared.lock)

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
        return self.s.group.damaged_requests

    @property
    def holds_turned_away(self):
        return self.s.group.holds_turned_away

    @property
    def dead(self):
        return error_text(self.s.shared.dead) if self.s.shared.dead else ""

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
            "damaged_requests": self.s.group.damaged_requests,
            "holds_set_aside": self.s.group.aside_count,
            "damaged_row": self.s.group.damaged_row,
        }

    # --- reading ----------------------------------------------------------------------------------

    def accounts(self):
        cdef object _in_use = self._use()
        cdef uint64_t sequence
        cdef uint32_t count = self.s.shared.published.count
        images = np.empty(count, ACCOUNT)
        cdef uint8_t[::1] target = images.view(np.uint8)
        with nogil:
            # Touched beforehand: a million images are copied in tens of milliseconds, but
            # getting their pages under the lock would take as long again.
            memset(&target[0], 0, count * sizeof(Account))
            pthread_mutex_lock(&self.s.shared.lock)
            memcpy(&target[0], self.s.shared.published.accounts, count * sizeof(Account))
            sequence = self.s.shared.sequence
            pthread_mutex_unlock(&self.s.shared.lock)
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
            pthread_mutex_lock(&self.s.shared.lock)
            index = register_find_account(self.s, participant, purpose)
            if index >= self.s.shared.published.count:
                index = 0
            pthread_mutex_unlock(&self.s.shared.lock)
        return index

    def find_participant(self, str code not None):
        cdef object _in_use = self._use()
        cdef bytes text = code.encode()
        cdef uint8_t[CODE_MAX] data
        cdef uint32_t index
        if not face_pad(text, data, CODE_MAX):
            return 0
        with nogil:
            pthread_mutex_lock(&self.s.shared.lock)
            index = register_find_participant(self.s, data)
            if self.s.group.participants[index].durable == 0:
                index = 0
            pthread_mutex_unlock(&self.s.shared.lock)
        return index

    def find_service(self, str code not None):
        cdef object _in_use = self._use()
        cdef bytes text = code.encode()
        cdef uint8_t[SERVICE_CODE_MAX] data
        cdef uint32_t index
        if not face_pad(text, data, SERVICE_CODE_MAX):
            return 0
        with nogil:
            pthread_mutex_lock(&self.s.shared.lock)
            index = register_find_service(self.s, data)
            if self.s.group.services[index].durable == 0:
                index = 0
            pthread_mutex_unlock(&self.s.shared.lock)
        return index

    def canonical(self, uint32_t service, bytes reference not None):
        return self._spell(service, reference, False)

    def canonical_bill(self, uint32_t service, bytes bill not None):
        return self._spell(service, bill, True)

    cdef _spell(self, uint32_t service, bytes text, bint is_bill):
        """A reference or a bill's id in the one form that a service has for it, or None."""
        cdef object _in_use = self._use()
        cdef uint8_t[REFERENCE_SIZE] data
        cdef const Service* known = NULL
        cdef bint has = False
        if not face_pad(text, data, REFERENCE_SIZE) or not payment_reference_is_valid(data):
            raise ValueError("1 to 32 printable characters are needed")
        with nogil:
            pthread_mutex_lock(&self.s.shared.lock)
            if 0 < service < self.s.group.services_count and (
                self.s.group.services[service].durable != 0
            ):
                # What makes bills of a service never changes: a group may update the rest.
                known = &self.s.group.services[service]
            if known != NULL and is_bill:
                has = references_canonical_bill(known, data)
            elif known != NULL:
                # With a quotation the period is the biller's to say.
                has = references_canonical(known, data, known.record.price_rule != PRICE_BILL)
            pthread_mutex_unlock(&self.s.shared.lock)
        if known == NULL:
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
        if not 0 < service < self.s.group.services_count:
            raise LookupError(f"no service has the index {service}")
        if not face_pad(reference, bill, REFERENCE_SIZE) or (
            not face_pad(citizen, paid, REFERENCE_SIZE)
        ):
            raise ValueError("a reference is 1 to 32 printable characters")
        with nogil:
            rc = reads_in_the_way(self.s, service, bill, paid, now_ns, &other)
        self._check(rc)
        return other

    def records(self, int record):
        cdef object _in_use = self._use()
        cdef uint32_t count = self.s.shared.published.count
        if record == RECORD_PARTICIPANT:
            count = self.s.group.participants_count
        elif record == RECORD_SERVICE:
            count = self.s.group.services_count
        elif record != 0:
            raise ValueError("records are of participants, services, or 0 for accounts")
        sequences = np.empty(count, np.uint64)
        cdef uint64_t[::1] target = sequences
        with nogil:
            reads_copy_records(self.s, record, &target[0], count)
        # Those that are not durable yet are the last.
        return sequences[: max(np.flatnonzero(sequences).tolist(), default=0) + 1]

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
        if wanted.size and not 0 < wanted.min() <= wanted.max() <= self.s.shared.sequence:
            raise LookupError("one of the rows is not durable")
        # A memory view needs a writable array; nothing is written.
        return wanted if wanted.flags.writeable else wanted.copy()

    def turn_away(self, uint32_t biller, bint busy):
        self._need_open()
        if not 0 < biller < PARTICIPANTS_MAX:
            raise LookupError("there is no such participant")
        # One byte, which the committer reads as it comes: exact to a group.
        self.s.group.participants[biller].busy = busy

    def limit_holds(self, uint32_t most):
        self._need_open()
        self.s.group.holds_most = most

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
        cdef FaultPlace* before = fault_enter(&self.s.shared.in_journal)
        try:
            self._check(store_begin(self.s, &reader))
            check(store_get_tail(&reader, sequence, &data, &size))
            return PyBytes_FromStringAndSize(<char*>data, size)
        finally:
            store_end(&reader)
            fault_leave(before)

    def tails(self, sequences):
        cdef object _in_use = self._use()
        cdef uint64_t[::1] wanted = self._durable(sequences, _TAILS_MAX)
        cdef list found = []
        cdef Reader reader
        cdef Walk walk
        cdef const Row* row
        cdef const uint8_t* data
        cdef uint32_t size
        cdef Py_ssize_t i
        cdef FaultPlace* before = fault_enter(&self.s.shared.in_journal)
        try:
            self._check(store_begin(self.s, &reader))
            store_begin_walk(&walk, &reader)
            for i in range(wanted.shape[0]):
                check(store_walk_to(&walk, wanted[i], &row, &data, &size))
                found.append(PyBytes_FromStringAndSize(<char*>data, size))
            return found
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
        cdef uint8_t[::1] target
        # Between groups memory is exactly what is durable.
        self._begin_commit()
        try:
            self._need_open()
            if self.s.shared.dead:
                raise DeadError(self.s.shared.dead, self.dead)
            holds = np.empty(self.s.group.holds.count, _HOLD)
            if holds.size:
                target = holds.view(np.uint8)
                memcpy(&target[0], self.s.group.holds.heap, holds.size * sizeof(Hold))
        finally:
            self._end_commit()
        holds = holds[np.argsort(holds["sequence"])]
        return holds["sequence"].copy(), holds["due"]


cdef bint face_pad(bytes text, uint8_t* code, uint32_t size):
    """A code as the register keeps it; False if no code is like that."""
    if len(text) > size:
        return False
    return register_pad(
        <const uint8_t*>PyBytes_AS_STRING(text), <uint32_t>len(text), code, size
    )


include "core/face/threads.pxi"
include "core/face/queue.pxi"
