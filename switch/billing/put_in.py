"""Bills that billers have put in: the rows of the journal, their files, the store.

May use the core, the register, `bill_files` and `bill_store`. The journal says which
file of a service is the newest; the store must have just that one, or no bill of the
service is told: what is due would be what was due. Files that the store lacks, after a
crash or a damage, are taken from where they lie; one that is not there is its biller's
to put in again, as a full file.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from switch._core import Ledger
from switch.billing.bill_files import (
    FILES,
    NAME,
    PARTIAL,
    BillFileError,
    Line,
    Writer,
    folder_of,
    is_whole,
    read_file,
)
from switch.billing.bill_store import (
    FOUND_MAX,
    BillStore,
    Met,
    State,
    StoreError,
    close_store,
    open_store,
    set_aside,
)
from switch.billing.bills import BILLS_MAX
from switch.codes import BillsForm, KeyRule
from switch.errors import (
    BillerUnavailableError,
    BillNotFoundError,
    BillUnreadableError,
    SpaceError,
    SwitchError,
)
from switch.ledger.bills_put import Bills, newest_bills, read_bills
from switch.ledger.shapes import FILE, shape
from switch.register.register import Register
from switch.v1 import billers_pb2 as pb

log = logging.getLogger("switch.bills")

CHAIN_MAX = 65_536
"""Files of a service since its last full one that are gone through."""
FILES_BYTES_MAX = 2 << 30
"""Bytes that the files of a service may take before one must be a full one."""
RETRY_MS = 60_000
"""When to ask again for a bill of a service whose files are not all there."""


class _File(NamedTuple):
    """A file that was put in, by its row."""

    sequence: int
    before: int
    bills: Bills


class Shared(Protocol):
    """Where the nodes of a cluster have each other's files, by their hash."""

    def put(self, data: bytes) -> None:
        """Have a file there, durably. Raises NotLeaderError, SpaceError."""

    def get(self, name: bytes) -> bytes | None:
        """A file; None if it is not to be had now."""


class PutIn:
    """The bills that were put in beside one open ledger. Any thread."""

    def __init__(self, ledger: Ledger, register: Register) -> None:
        """The store is opened once a file is put in, or was; it gets what it lacks."""
        self._ledger = ledger
        self._register = register
        self._directory = Path(ledger.path)
        self.shared: Shared | None = None
        """Of a node of a cluster."""
        self._opened: BillStore | None = None
        self._given_up: list[BillStore] = []
        """Closed at the end: somebody may be reading them."""
        self._caught_up: dict[int, int] = {}
        """By service: the newest row of a file that `catch_up` has met and has."""
        self._told: dict[int, int] = {}
        """Likewise, that it could not have."""
        self._coming: dict[tuple[int, str], int] = {}
        """Service and name of files that are kept and have no row yet, with when."""
        self._ends = False
        """Nothing more is fetched."""
        self._lock = threading.RLock()
        for path in (self._directory / NAME / FILES).glob(f"*/{PARTIAL}*"):
            path.unlink()  # nobody writes it any more

    @property
    def _store(self) -> BillStore:
        # Without the lock where it is open: who brings files in holds that for long.
        opened = self._opened
        if opened is not None:
            return opened
        with self._lock:
            if self._opened is None:
                self._opened = open_store(self._directory, self._ledger.instance)
            return self._opened

    def close(self) -> None:
        """Nobody may be reading."""
        for store in self._given_up:
            store.close()
        if self._opened is not None:
            close_store(self._directory, self._opened)

    def bring_up(self, service: int) -> State:
        """Have the files of a service in the store that the journal names.

        Raises BillFileError, StoreError, SpaceError, CorruptionError, OSError.
        """
        with self._lock:
            newest = self._ledger.bills(service)
            try:
                return self._follow(service, newest)
            except StoreError as error:
                self._give_up(error)
            return self._follow(service, newest)

    def _give_up(self, error: StoreError) -> None:
        """Under the lock: the store is derived, and made anew, of all services."""
        if self._opened is not None:
            self._given_up.append(self._opened)
            self._opened = None
        set_aside(self._directory, error)

    def catch_up(self) -> bool:
        """Have what was put in before anybody asks for it, one file after the other;
        whether all is here. Of a node of a cluster, in one thread.
        """
        for service in self._behind():
            if self._ends:
                return False
            newest = self._ledger.bills(service)
            try:
                with self._lock:
                    self.bring_up(service)
                    # As `done` does where they were put in.
                    self._sweep(service)
            except (SwitchError, OSError) as error:
                if self._told.get(service) != newest:
                    log.warning(
                        "bills of service %d wait for a file: %s", service, error
                    )
                self._told[service] = newest
            else:
                self._caught_up[service] = newest
        return self.behind == 0

    def end(self) -> None:
        """Let `catch_up` fetch no file more: who stops the server waits for it, and
        until then keeps others from leading. Any thread.
        """
        self._ends = True

    @property
    def behind(self) -> int:
        """Services whose newest files `catch_up` has not brought in yet."""
        return len(self._behind())

    def _behind(self) -> list[int]:
        indices = [service.index for service in self._register.services()]
        return [
            index
            for index in indices
            if self._ledger.bills(index) != self._caught_up.get(index, 0)
        ]

    def is_put_in(self, service: int) -> bool:
        """Whether the bills of a service are put in, and nobody is asked. Reads."""
        return self._ledger.bills(service) != 0

    def _now_ns(self) -> int:
        """The wall clock, later than the last row that is durable."""
        return max(time.time_ns(), self._ledger.timestamp + 1)

    def asked_ns(self, service: int) -> int:
        """When a bill that is looked for now was fetched: before the row of any file
        that is not durable yet, as it is told without that.
        """
        coming = [ns for (of, _), ns in list(self._coming.items()) if of == service]
        return min([self._now_ns(), *coming])

    def meets(self, service: int, lines: Sequence[Line]) -> Met:
        """What lines of the delta that is next meet among the bills that are there.

        Raises BillerUnavailableError if that is not known: a delta that nobody has
        compared is not taken.
        """
        spec = self._register.service(service).spec
        by_period = spec.key_rule is KeyRule.REFERENCE_PERIOD
        try:
            state = self.bring_up(service)
            met = self._store.met(state, service, lines, by_period=by_period)
        except (BillFileError, StoreError, SpaceError, OSError) as error:
            log.error("what a file of bills replaces is not known: %s", error)
            met = None
        if met is None:
            raise _missing()
        return met

    def find(self, service: int, reference: str, now_ns: int) -> list[pb.DueBill]:
        """What is due for a reference, as its biller would answer.

        Raises BillNotFoundError, BillerUnavailableError while files are missing,
        BillUnreadableError if there are more bills than an answer may have.
        """
        try:
            lines = self._lines(service, reference)
        except (BillFileError, StoreError, SpaceError, OSError) as error:
            log.error("bills of service %d are not told: %s", service, error)
            lines = None
        if lines is None:
            raise _missing()
        if len(lines) == FOUND_MAX:
            raise BillUnreadableError(
                f"more than {BILLS_MAX} bills were put in for it", "bills"
            )
        valid = [one for one in lines if not 0 < one.valid_until_ns <= now_ns]
        if not valid:
            raise BillNotFoundError("no bill that was put in is of it", "")
        return [line.message() for line in valid]

    def _lines(self, service: int, reference: str) -> list[Line] | None:
        """The lines of a reference; None while another brings files in."""
        newest, bills = newest_bills(self._ledger, service)
        assert bills is not None
        try:
            lines = self._store.find(service, reference, newest, bills.hash)
        except StoreError as error:
            if not self._lock.acquire(blocking=False):
                return None
            try:
                self._give_up(error)
            finally:
                self._lock.release()
            lines = None
        if lines is not None:
            return lines
        # One of those who ask makes it anew; the others have threads to leave.
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self.bring_up(service)
        finally:
            self._lock.release()
        return self._store.find(service, reference, newest, bills.hash)

    # --- a file comes in ---------------------------------------------------------

    def needs_full(self, service: int) -> bool:
        """Whether the files since the last full one take so much that only a full one,
        in whose place they go, is taken.
        """
        folder = folder_of(self._directory, service)
        if not shape(folder):
            return False
        size = 0
        for path in folder.iterdir():
            # What is fetched, or goes, meanwhile has another name or none.
            with suppress(FileNotFoundError):
                size += path.lstat().st_size
        return size >= FILES_BYTES_MAX

    def writer(self, service: int) -> Writer:
        """A new file of a service. Raises OSError, ConfigError."""
        return Writer(folder_of(self._directory, service))

    def keep(self, service: int, writer: Writer) -> None:
        """All of a file is here: durable under its name, and for the other nodes.

        `done` follows. Raises NotLeaderError, SpaceError: nothing was done.
        """
        with self._lock:
            self._coming[service, writer.digest.hex()] = self._now_ns()
        path = writer.keep()
        if self.shared is not None:
            try:
                self.shared.put(path.read_bytes())
            except SwitchError:
                with self._lock:
                    self._coming.pop((service, writer.digest.hex()), None)
                raise

    def done(self, service: int, writer: Writer, *, is_known: bool) -> None:
        """A file has its row, or will have none: then it goes.

        Not `is_known`: its row may be durable all the same, as after a commit that
        failed. It stays, and a later one decides.
        """
        with self._lock:
            self._coming.pop((service, writer.digest.hex()), None)
            if is_known:
                with suppress(SwitchError, OSError):
                    self._sweep(service)

    def taken(self, service: int) -> State:
        """A file's row is durable: have it in the store.

        Whatever is wrong with the store, the file is taken: it is logged, and tried
        again when a bill is asked for.
        """
        try:
            state = self.bring_up(service)
        except (SwitchError, OSError) as error:
            log.error("a file of bills waits for the store: %s", error)
            return State()
        return state

    # --- joining -----------------------------------------------------------------

    def _follow(self, service: int, newest: int) -> State:
        state = self._store.state(service)
        if not newest:
            return state
        bills = read_bills(self._ledger.tail(newest))
        if (state.sequence, state.hash) == (newest, bills.hash):
            return state
        spec = self._register.service(service).spec
        by_period = spec.key_rule is KeyRule.REFERENCE_PERIOD
        for file in reversed(list(self._lacking(service, state.sequence, newest))):
            path = folder_of(self._directory, service) / file.bills.hash.hex()
            self._fetch(service, path, file.bills.hash)
            lines = read_file(path, file.bills.hash)
            form = int(file.bills.form)
            counted = _counted(lines, file.bills)
            state = self._store.apply(
                service,
                file.before,
                State(file.sequence, hash=file.bills.hash),
                form,
                counted,
                by_period=by_period,
            )
        return state

    def _fetch(self, service: int, path: Path, digest: bytes) -> None:
        """Have a file that another node has taken, or that was damaged here, if that
        can be.
        """
        if self.shared is None or self._ends or is_whole(path, digest):
            return
        data = self.shared.get(digest)
        if data is None:
            return
        with self.writer(service) as writer:
            writer.write(data)
            if writer.digest == digest:
                writer.keep()

    def _lacking(self, service: int, has: int, newest: int) -> Iterator[_File]:
        """The files after `has`, the newest first, back to a full one."""
        sequence = newest
        for _ in range(CHAIN_MAX):
            if sequence in (0, has):
                return
            bills = read_bills(self._ledger.tail(sequence))
            before = self._ledger.row(sequence).resolves
            yield _File(sequence, before, bills)
            if bills.form is BillsForm.FULL:
                return
            sequence = before
        raise BillFileError(
            f"service {service} has more than {CHAIN_MAX} files since its last full "
            "one: its biller puts in a full one"
        )

    def _sweep(self, service: int) -> None:
        """Under the lock: delete what no start needs: files before the last full one,
        those that have no row.
        """
        newest, _ = newest_bills(self._ledger, service)
        lacking = self._lacking(service, 0, newest)
        needed = {one.bills.hash.hex() for one in lacking}
        needed |= {name for of, name in self._coming if of == service}
        for path in folder_of(self._directory, service).iterdir():
            if path.name in needed or path.name.startswith(PARTIAL):
                continue  # a file that is on its way is its writer's
            if shape(path) == FILE:
                path.unlink()


def _missing() -> BillerUnavailableError:
    return BillerUnavailableError(
        "not all bills that were put in are there: they are being made anew, or their "
        "biller puts them in again, as a full file",
        RETRY_MS,
    )


def _counted(lines: Iterator[Line], bills: Bills) -> Iterator[Line]:
    """The lines of a file, which must be as many as its row says."""
    count = 0
    for line in lines:
        count += 1
        yield line
    if count != bills.count:
        raise BillFileError(f"a file of bills has {count} lines and not {bills.count}")
