"""Opens a ledger's directory, whatever the last process left there.

What that was is said by files beside `journal/` and `index/`, each synced before what
it speaks of begins:

    OPENING        a start is under way, or died or was killed in it
    NEW            the first commit of a new ledger is not yet durable
    DOUBT          a process died in a call to LMDB, or did not come back from one
    index.damaged  the core met damage in index/ in service, or died there: rebuild it
    CLUSTER        it is a cluster's ledger: only a server with [cluster] serves it
    journal.found  chunks that are being put back into the journal (`repair.py`)
    index.aside/   the last index that was set aside, as evidence

An index that knows more than its journal is never given up, whatever is wrong with it:
it is the evidence that rows were lost (`evidence.py`).

LMDB trusts its pages. So after a start that did not come to its end, and after a doubt,
the next one lets another process walk them before it opens anything (`look.py`,
`pages.py`).
"""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from switch._core import Ledger, compare_journal
from switch.durable_files import make_directories, sync_directory
from switch.errors import (
    BusyError,
    CorruptionError,
    FormatError,
    IndexDamagedError,
    JournalBehindError,
    StorageError,
)
from switch.ledger.beginning import is_beginning
from switch.ledger.evidence import Tell, furthest_head
from switch.ledger.lengths import lengthen, short_by
from switch.ledger.look import Look, look
from switch.ledger.repair import is_lost, put_back
from switch.ledger.shapes import (
    FOLDER,
    FOUND,
    PARTS,
    check_ledger,
    open_file,
    remove_mark,
    shape,
    write_mark,
)

log = logging.getLogger("ledger")

OPENING: Final = "OPENING"
NEW: Final = "NEW"
DOUBT: Final = "DOUBT"
DAMAGED: Final = "index.damaged"
ASIDE: Final = "index.aside"

ROOM_LEAST: Final = 256 << 20
"""Bytes that stay free beside an index that is kept; as the ledger's `room_least`."""
INDEX_SHARE: Final = 0.7
"""An index has at most so many bytes for each of the journal's."""
CORRUPTED: Final = -30796
"""LMDB's code for a file that is not what was written."""
LMDB_CODES: Final = range(-30799, -30779)
"""LMDB's own return codes."""


class Progress:
    """How far an opening is, for another thread to read."""

    def __init__(self) -> None:
        """Nothing is done yet."""
        self.rows = np.zeros(2, dtype=np.uint64)
        """Rows indexed so far, and rows in all, as the ledger writes them."""
        self.walked = ""
        """What is looked through, and how far that is; empty when nothing is."""
        self.waited_for = ""
        """What is waited for once the ledger is open; empty when nothing is."""

    def text(self) -> str:
        """One phrase for people."""
        done, total = (int(number) for number in self.rows)
        if self.waited_for:
            return self.waited_for
        if self.walked:
            return self.walked
        if total:
            return f"{done:,} of {total:,} rows"
        return "reading"


def open_ledger(
    path: Path | str,
    *,
    create: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Ledger:
    """Open the ledger in `path` as `Ledger` does, and put right what can be.

    A damaged index is set aside and rebuilt; a new ledger whose first commit was cut
    off is begun anew. Raises what `Ledger` raises: CorruptionError for a damaged
    journal, JournalBehindError for one that lost rows, and ConfigError for a mark, a
    file or a folder that is a link or something else, all with nothing changed.
    """
    directory = Path(path)
    check_ledger(directory)
    if not create and not shape(_data(directory, "journal")):
        raise FormatError(0, f"{directory} holds no ledger")
    with locked(directory) as lock:
        opener = _Opener(directory, progress or Progress(), options)
        return opener.open(lock)


class _Opener:
    """One opening of one directory whose LOCK is held."""

    def __init__(
        self, directory: Path, progress: Progress, options: dict[str, Any]
    ) -> None:
        self.directory = directory
        self.progress = progress
        self.options = options

    def open(self, lock: int) -> Ledger:
        """Look at what was left, open, and take the marks away."""
        # Nobody else changes anything from here on.
        check_ledger(self.directory)
        self.begin_new()
        damaged = bool(shape(self.directory / DAMAGED))
        if self.is_doubted():
            self.check_journal()
            # What is made anew in any case need not be walked.
            if not damaged:
                self.check_index()
        self.check_length("journal")
        self.mend_journal()
        self.check_length("index")
        if damaged:
            self.set_aside("damage was met in it while it served")
            remove_mark(self.directory / DAMAGED)
        self.mark_opening()
        try:
            ledger = self.try_open(lock)
        finally:
            # Whatever it raised, it has come to its end.
            remove_mark(self.directory / OPENING)
            remove_mark(self.directory / DOUBT)
            if not any(shape(_data(self.directory, part)) for part in PARTS):
                # Nothing was begun. What is put here later is no beginning.
                remove_mark(self.directory / NEW)
        try:
            # What is new is durable, or the mark would let it be deleted.
            remove_mark(self.directory / NEW)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def try_open(self, lock: int) -> Ledger:
        """Open it, at the second time with a new index."""
        try:
            return self.ledger(lock)
        except JournalBehindError:
            raise
        except IndexDamagedError as error:
            self.set_aside(str(error))
        except StorageError as error:
            # LMDB says that something is wrong, and not where.
            if error.code not in LMDB_CODES:
                raise
            if not self.look_through():
                raise
        return self.ledger(lock)

    def ledger(self, lock: int) -> Ledger:
        """The ledger itself."""
        rows = self.progress.rows
        rows[:] = 0
        return Ledger(str(self.directory), lock_fd=lock, progress=rows, **self.options)

    # --- a ledger that is not there yet ------------------------------------------

    def begin_new(self) -> None:
        """Mark a new ledger as one, or delete what is left of one never committed."""
        journal, index = (_data(self.directory, part) for part in PARTS)
        if shape(self.directory / NEW):
            begun = [is_beginning(self.directory, part) for part in PARTS]
            if all(begun):
                log.warning("the making of this ledger was cut off; beginning anew")
                self.empty("journal")
                self.empty("index")
                return
            if begun[0]:
                raise JournalBehindError(
                    CORRUPTED, f"{index} has rows and {journal} has none. {_LOST}"
                )
            # A copy was put here: the mark speaks of what was here before.
            self.check_journal()
        if shape(journal):
            if journal.lstat().st_size == 0:
                raise CorruptionError(CORRUPTED, f"{journal} is empty. {_RESTORE}")
            return
        if shape(index):
            raise JournalBehindError(
                CORRUPTED, f"{index} is there and {journal} is not. {_LOST}"
            )
        write_mark(self.directory / NEW)

    def empty(self, part: str) -> None:
        """Delete the files of an environment; its directory may be a mount."""
        for name in ("data.mdb", "lock.mdb"):
            (self.directory / part / name).unlink(missing_ok=True)
        if shape(self.directory / part):
            sync_directory(self.directory / part)

    # --- after a process that did not come to its end ----------------------------

    def is_doubted(self) -> bool:
        """Whether the pages have to be walked first."""
        if shape(self.directory / OPENING):
            log.warning(
                "the last start did not come to its end; looking through the pages"
            )
            return True
        if shape(self.directory / DOUBT):
            log.warning(
                "the last process died in LMDB, or was stuck there; looking through "
                "the pages"
            )
            return True
        return False

    def mark_opening(self) -> None:
        """Say that a start is under way. A full disk does not keep it from that."""
        try:
            write_mark(self.directory / OPENING)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            log.warning("no room to mark this start: %s", error)

    def look_through(self) -> bool:
        """Walk both environments; true if a damaged index was set aside.

        Raises CorruptionError if the journal is damaged.
        """
        self.check_journal()
        return self.check_index()

    def check_index(self) -> bool:
        """Walk the index; true if it is damaged and was set aside."""
        damaged = self.damage("index")
        if damaged:
            self.set_aside(damaged)
        return bool(damaged)

    def check_journal(self) -> None:
        """Walk the journal. Raises CorruptionError if it is damaged."""
        damaged = self.damage("journal")
        if damaged:
            raise CorruptionError(
                CORRUPTED, f"journal/ is damaged: {damaged}. {_RESTORE}"
            )

    def look(self, part: str) -> Look:
        """Walk one environment, and tell how far that is."""
        try:
            return look(
                self.directory / part,
                self.tell(
                    f"the last process did not end well: looking through {part}/"
                ),
            )
        finally:
            self.progress.walked = ""

    def tell(self, doing: str) -> Tell:
        """Who hears how far it is with what it is doing."""

        def tell(done: int, total: int) -> None:
            self.progress.walked = f"{doing}, {100 * done // max(total, 1)} %"

        return tell

    def damage(self, part: str) -> str:
        """What is wrong with the pages of an environment; empty if nothing is."""
        if not shape(_data(self.directory, part)):
            return ""
        return "; ".join(self.look(part).findings)

    def check_length(self, part: str) -> None:
        """Refuse a journal that was cut short, and set such an index aside.

        A file may end before its last pages where these are free and nobody ever wrote
        them; then it is lengthened. Any other is left as it is: with zeros at its end
        it would no longer show what it lost.
        """
        size = short_by(_data(self.directory, part))
        if not size:
            return
        found = self.look(part)
        text = "; ".join(found.findings) or "it was not looked through to its end"
        if found.ended and not found.findings:
            lengthen(_data(self.directory, part), size)
        elif part == "index" and found.ended:
            self.set_aside(text)
        else:
            raise CorruptionError(
                CORRUPTED,
                f"{part}/ was cut short by {size:,} bytes: {text}. {_RESTORE}",
            )

    def mend_journal(self) -> None:
        """Put back what the journal lost with its newest meta page, if it is there.

        Before the index is asked: it may have been made of what is put back. Raises
        CorruptionError, with nothing changed, if two chunks could be that.
        """
        lost = is_lost(self.directory)
        if lost is None:
            # Of a start that died when it had put back everything.
            remove_mark(self.directory / FOUND)
            return
        self.mark_opening()
        try:
            put_back(self.directory, lost, self.options.get("map_size"))
        finally:
            remove_mark(self.directory / OPENING)

    # --- the index -----------------------------------------------------------------

    def set_aside(self, reason: str) -> None:
        """Put the index out of the way; kept once, if there is room for another.

        Raises JournalBehindError, with nothing changed, if it knows more than the
        journal.
        """
        index, aside = self.directory / "index", self.directory / ASIDE
        if not shape(index):
            return
        self.ask_index()
        self.remove_aside(aside)
        size = _data(self.directory, "journal").lstat().st_size
        least = int(self.options.get("room_least", ROOM_LEAST))
        room = shutil.disk_usage(self.directory).free - least
        if shape(aside) or index.is_mount() or room < size * INDEX_SHARE:
            log.error("index/ is deleted and rebuilt: %s", reason)
            self.empty("index")
            return
        log.error("index/ is kept as %s/ and rebuilt: %s", ASIDE, reason)
        index.rename(aside)
        sync_directory(self.directory)

    def ask_index(self) -> None:
        """Ask what is left of an index whether the journal lost rows."""
        if not shape(_data(self.directory, "index")):
            return
        try:
            head = furthest_head(
                _data(self.directory, "index"),
                self.tell("reading how far the damaged index was"),
            )
        finally:
            self.progress.walked = ""
        if head is None:
            log.warning("nothing in index/ says how far it was: %s", _UNKNOWN)
            return
        options = {k: v for k, v in self.options.items() if k == "map_size"}
        started = bool(shape(self.directory / OPENING))
        # Who dies in LMDB has died in a start, and the next one walks the pages.
        self.mark_opening()
        try:
            compare_journal(
                str(self.directory),
                head.instance,
                head.as_of,
                head.chunk_check,
                **options,
            )
        finally:
            if not started:
                remove_mark(self.directory / OPENING)

    def remove_aside(self, aside: Path) -> None:
        """Delete what lies in an earlier index's place, but nothing behind a link."""
        try:
            if shape(aside) == FOLDER:
                shutil.rmtree(aside)
            else:
                aside.unlink(missing_ok=True)
        except OSError as error:
            # Such as one that something is mounted on; the index is not kept then.
            log.warning("%s cannot be deleted: %s", aside, error)


_RESTORE: Final = (
    "Nothing was changed. Keep the directory as evidence and restore a copy "
    "(docs/durability.md)"
)
_UNKNOWN: Final = (
    "if the journal lost rows that it was made of, only what lies elsewhere can tell "
    "(docs/durability.md)"
)
_LOST: Final = (
    "The journal lost rows, and nothing was changed. Delete neither: both are "
    "evidence. Restore a copy that has what is missing (docs/durability.md)"
)


def _data(directory: Path, part: str) -> Path:
    return directory / part / "data.mdb"


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[int]:
    """The directory's LOCK, held. Raises BusyError if another process has it."""
    make_directories(directory)
    lock = open_file(directory / "LOCK", os.O_RDWR | os.O_CREAT)
    try:
        _take(lock, directory)
        yield lock
    finally:
        os.close(lock)


def _take(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(f"{directory} is open in another process") from None
