"""Follows the journal and keeps its totals, in memory and in the store beside it.

May use the core and `ledger`. What was followed is kept in *parts*: sums of rows of one
day that follow each other. The newest part is in memory and grows; it is written whole,
now and then, in the place of what was written of it before. So a restart counts again
what came after the newest write, and nothing else.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb
import numpy as np

from switch._core import Ledger, Rows
from switch.calendar import day_date, day_number, day_start_ns
from switch.errors import OverloadError, SwitchError
from switch.totals.counting import Counter
from switch.totals.figures import CUT_MASKS, CUTS, Cut, Level, month_of
from switch.totals.months import month_parts
from switch.totals.snapshot import Snapshot
from switch.totals.store import (
    DoubtError,
    Header,
    NoRoomError,
    Part,
    PartKey,
    Reading,
    Store,
    header_of,
    open_store,
    set_aside,
)
from switch.totals.sums import Pile, added, to_entries

log = logging.getLogger("switch.totals")

STEP_ROWS: Final = 16_384
"""Rows read and counted at a time: 2 MiB, which stay in the processor's cache."""
TURN_ROWS: Final = 8 * STEP_ROWS
"""Rows after which others may have their turn."""
PART_ROWS: Final = 1 << 20
"""Rows of one part: what an explanation may have to count row by row at an end of its
span, and what is counted again after a restart."""
PART_ENTRIES: Final = 1 << 20
"""Entries of one part, about: 32 MiB."""
WRITE_S: Final = 30.0
"""Seconds after which what is new is written, however little it is."""
BEHIND_MAX: Final = 1 << 20
"""Rows that an answer waits for: about half a second."""
LOCK_WAIT_S: Final = 1.0
"""How long a call waits for another one that counts."""


class Cube:
    """Any thread may call it; it blocks, so not the event loop's."""

    def __init__(
        self,
        ledger: Ledger,
        directory: Path | str | None = None,
        *,
        step_rows: int = STEP_ROWS,
        part_rows: int = PART_ROWS,
        part_entries: int = PART_ENTRIES,
        write_s: float = WRITE_S,
    ) -> None:
        """Nothing is opened before it is needed. `directory` is the ledger's own."""
        self._ledger = ledger
        self._directory = Path(ledger.path if directory is None else directory)
        self._step_rows = step_rows
        self._part_rows, self._part_entries = part_rows, part_entries
        self._write_s = write_s
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._readers_lock = threading.Lock()
        self._readers = 0
        self._doubt: DoubtError | None = None
        self._closed = False
        self._begin(None)

    # --- its turns -----------------------------------------------------------------

    def follow(self) -> bool:
        """Count some rows, and write what is due. True if more rows are there.

        Raises CorruptionError if one of them cannot be read, and OSError.
        """
        with self._lock:
            self._open()
            self._read_on(min(self._ledger.sequence, self._last + TURN_ROWS))
            if time.monotonic() - self._written_s >= self._write_s:
                self._write_if_there_is_room()
            return self._last < self._ledger.sequence

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The totals up to the newest durable row.

        Raises OverloadError while too many are not yet counted, CorruptionError if one
        cannot be read, and DoubtError from within if what is stored cannot be believed:
        it is made anew then.
        """
        with self._locked():
            self._open()
            newest = self._ledger.sequence
            if newest - self._last > BEHIND_MAX:
                raise OverloadError(
                    f"the totals are being made: {self._last:,} of {newest:,} entries"
                )
            self._read_on(newest)
            found = self._look()
        yield from self._given(found)

    @contextmanager
    def peek(self) -> Iterator[Snapshot]:
        """The same of what is counted already; raises likewise."""
        with self._locked():
            self._open()
            found = self._look()
        yield from self._given(found)

    def has_work(self) -> bool:
        """Whether a turn would do something. Any thread, without waiting."""
        if self._last < self._ledger.sequence or self._doubt is not None:
            return True
        due = time.monotonic() - self._written_s >= self._write_s
        return due and self._written < self._last

    def progress(self) -> tuple[int, int]:
        """Up to which row it has counted, and which is durable."""
        return self._last, self._ledger.sequence

    def close(self) -> None:
        """Write what is new, and close the store. Nobody may be asking."""
        with self._lock:
            self._closed = True
            if self._store is None:
                return
            try:
                if self._doubt is None:
                    self._write()
            except (SwitchError, OSError) as error:
                log.error("the newest totals are not written: %s", error)
            self._store.close()
            self._store = None

    # --- opening -------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=LOCK_WAIT_S):
            raise OverloadError("the totals are being counted; try again")
        try:
            yield
        finally:
            self._lock.release()

    def _open(self) -> None:
        if self._closed:
            raise OverloadError("the totals are closed")
        if self._doubt is not None:
            self._begin_anew(self._doubt)
        if self._store is None:
            store, header = open_store(self._directory, self._ledger)
            try:
                self._take_up(store, header)
            except DoubtError as error:
                store.close()
                set_aside(self._directory, error)
                self._begin(None)
                store, _ = open_store(self._directory, self._ledger)
            except BaseException:
                store.close()
                raise
            self._store = store

    def _take_up(self, store: Store, header: Header | None) -> None:
        """Begin where the store ends."""
        self._begin(header)
        with store.reading() as reading:
            for key in reading.keys(Level.MONTH, Cut.CELLS):
                self._sealed = key.period + 1
            if header is None:
                return
            keys = list(reading.keys(Level.DAY, Cut.CELLS, header.day))
            if not self._sealed:
                first = next(reading.keys(Level.DAY, Cut.CELLS))
                self._sealed = month_of(first.period)
            if not keys:
                raise DoubtError("its newest part is of another day than its header")
            newest = keys[-1]
            self._first = newest.first
            self._cells = Pile(reading.part(newest).sums)
            accounts = newest._replace(cut=Cut.ACCOUNTS)
            self._accounts = Pile(reading.part(accounts).sums)

    def _begin(self, header: Header | None) -> None:
        """Begin an empty part behind what a header says."""
        self._counter = Counter(self._ledger)
        self._last = header.sequence if header else 0
        self._timestamp = header.timestamp if header else 0
        self._day = header.day if header else -1
        self._first = self._last + 1
        self._cells, self._accounts = Pile(), Pile()
        self._sealed = 0
        """The month from which on there are no parts of months; 0: not known yet."""
        self._written = self._last
        self._written_s = time.monotonic()

    def _begin_anew(self, why: DoubtError) -> None:
        """Set aside what is not believed, once nobody reads it."""
        if self._readers:
            raise OverloadError("the totals are made anew: they were damaged")
        if self._store is not None:
            self._store.close()
            self._store = None
            set_aside(self._directory, why)
        self._doubt = None
        self._begin(None)

    # --- counting ------------------------------------------------------------------

    def _read_on(self, last: int) -> None:
        """Count up to a durable row."""
        while self._last < last:
            count = min(self._step_rows, last - self._last)
            rows = self._ledger.rows(self._last + 1, count)
            for day, of_day in _by_day(rows):
                self._take(day, of_day)

    def _take(self, day: int, rows: Rows) -> None:
        """Count rows of one day, which are the next ones."""
        if day != self._day or self._is_full():
            self._write()
            self._first = self._last + 1
            self._cells, self._accounts = Pile(), Pile()
            self._day = day
            self._sealed = self._sealed or month_of(day)
        if not self._cells.add_paid(rows):
            counted = self._counter.count(rows)
            for pile, parts in (
                (self._cells, counted.cells),
                (self._accounts, counted.accounts),
            ):
                for sums in parts:
                    pile.add(sums)
        self._last = int(rows["sequence"][-1])
        self._timestamp = int(rows["timestamp"][-1])

    def _is_full(self) -> bool:
        most = max(len(self._cells), len(self._accounts))
        return (
            self._last + 1 - self._first >= self._part_rows
            or most >= self._part_entries
        )

    # --- the store -----------------------------------------------------------------

    def _write(self) -> None:
        """Put what is new into the store.

        Raises NoRoomError, OverloadError for a store that cannot be believed, OSError.
        """
        self._written_s = time.monotonic()
        if self._written == self._last:
            return
        assert self._store is not None
        header = header_of(self._ledger, self._last, self._timestamp, self._day)
        try:
            self._store.write(header, self._parts)
        except DoubtError as error:
            self._doubt = error
            raise OverloadError(f"the totals are made anew: {error}") from error
        self._written = self._last
        self._sealed = max(self._sealed, month_of(self._day))

    def _write_if_there_is_room(self) -> None:
        """What is new stays in memory otherwise, as far as one part goes."""
        try:
            self._write()
        except NoRoomError as error:
            log.warning("the newest totals stay in memory: %s", error)

    def _parts(self, reading: Reading) -> Iterator[tuple[PartKey, Part]]:
        """The newest part, and months that have ended since."""
        cells = self._cells.whole()
        sums = {Cut.CELLS: cells, Cut.ACCOUNTS: self._accounts.whole()}
        for cut, mask in CUT_MASKS.items():
            sums[cut] = added([cells], mask)
        for cut in CUTS[Level.DAY]:
            key = PartKey(Level.DAY, cut, self._day, self._first)
            yield key, Part(self._last, to_entries(sums[cut]))
        for month in range(self._sealed, month_of(self._day)):
            yield from month_parts(reading, month, self._part_entries)

    def _look(self) -> Snapshot:
        """What is counted now; belongs to one thread, which gives it back."""
        assert self._store is not None
        found = Snapshot(
            reading=self._store.reading(),
            sequence=self._last,
            timestamp=self._timestamp,
            day=self._day,
            first=self._first,
            cells=self._cells.whole(),
            accounts=self._accounts.whole(),
            sealed=self._sealed,
        )
        with self._readers_lock:
            self._readers += 1
        return found

    def _given(self, found: Snapshot) -> Iterator[Snapshot]:
        try:
            with found.reading:
                yield found
        except (DoubtError, lmdb.Error) as error:
            # The next turn sets it aside.
            self._doubt = DoubtError(f"{error}")
            raise OverloadError(
                "the totals are made anew: what was stored is damaged"
            ) from error
        finally:
            with self._readers_lock:
                self._readers -= 1


def _by_day(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Rows that follow each other, by the IST day of their times."""
    times = rows["timestamp"]
    while len(rows):
        day = day_number(int(times[0]))
        end = len(rows)
        if day_number(int(times[-1])) != day:
            following = np.uint64(day_start_ns(day_date(day + 1)))
            end = int(np.searchsorted(times, following))
        yield day, rows[:end]
        rows, times = rows[end:], times[end:]
