"""Which files there are, and their bytes.

May use the makers. A file is made as it is read, and again the next time: what is kept
is how long it is and its hash, and those that are small.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np

from switch.codes import Result
from switch.file_names import FileKind, FileName
from switch.register.register import Account
from switch.treasury.account_statements import AccountStatement
from switch.treasury.books import Books, NoFileError
from switch.treasury.counted import corrects_earlier
from switch.treasury.memoranda import Memorandum
from switch.treasury.monthly import MonthlyStatement, month_of
from switch.treasury.scrolls import Scroll
from switch.treasury.windows import Window

STEP_ROWS: Final = 65_536
"""Rows of a window that are looked at together."""
KNOWN_MAX: Final = 4_096
"""Files whose length and hash are remembered."""
SMALL_MAX: Final = 256 << 10
"""Bytes of a file that is kept whole."""
KEPT_MAX: Final = 32 << 20
"""Bytes of all of those."""
WINDOWS_MAX: Final = 1_024
"""Windows of which it is remembered what they correct."""


class Digest(NamedTuple):
    """What a file's bytes must come to."""

    size: int
    sha256: bytes


class Table(Protocol):
    """What a table's maker offers; `blocks` first."""

    @property
    def name(self) -> FileName:
        """Of the table."""

    def blocks(self) -> Iterator[bytes]:
        """Its bytes; empty ones between them, so that no step is long."""

    def manifest(self, size: int, sha256: bytes) -> bytes:
        """What goes beside it."""


class Files:
    """All files of a ledger. Any thread may ask; a reading of one is one thread's."""

    def __init__(self, books: Books) -> None:
        """Nothing is read before it is needed."""
        self._books = books
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Digest, bytes | None]] = OrderedDict()
        self._kept = 0
        self._corrected: OrderedDict[int, frozenset[int]] = OrderedDict()

    # --- bytes -------------------------------------------------------------------

    def digest(self, name: FileName) -> Digest | None:
        """What is remembered of a file; None: read it once."""
        with self._lock:
            found = self._known.get(name.text)
            return None if found is None else found[0]

    def read(self, name: FileName) -> Iterator[bytes]:
        """The bytes of a file, in blocks, some of them empty; once all are read its
        `digest` is known.

        Raises NoFileError if there is none, at the latest at the end; CorruptionError.
        """
        with self._lock:
            kept = self._known.get(name.text, (None, None))[1]
        if kept is not None:
            yield kept
        elif name.form != "json":
            yield from self._make(name)
        else:
            for _ in self._make(name._replace(form="csv")):
                yield b""
            with self._lock:
                kept = self._known[name.text][1]
            assert kept is not None
            yield kept

    def _make(self, name: FileName) -> Iterator[bytes]:
        hashed, size = hashlib.sha256(), 0
        small: list[bytes] | None = []
        maker = self._maker(name)
        blocks = maker if isinstance(maker, Iterator) else maker.blocks()
        for block in blocks:
            hashed.update(block)
            size += len(block)
            if small is not None:
                small.append(block)
                if size > SMALL_MAX:
                    small = None
            yield block
        digest = Digest(size, hashed.digest())
        self._remember(name, digest, None if small is None else b"".join(small))
        if not isinstance(maker, Iterator):
            said = maker.manifest(size, digest.sha256)
            beside = Digest(len(said), hashlib.sha256(said).digest())
            self._remember(name._replace(form="json"), beside, said)

    def _maker(self, name: FileName) -> Table | Iterator[bytes]:
        books = self._books
        if name.kind is FileKind.MONTHLY:
            month = month_of(books, name.year, name.ordinal)
            owner = books.register.find_participant(name.owner)
            if month is None or owner is None:
                raise NoFileError(name.text)
            return MonthlyStatement(books, month, owner.index)
        if name.kind is FileKind.INSTRUCTION:
            raise NoFileError(name.text)
        window, account = books.find(name)
        if name.kind is FileKind.SCROLL:
            return Scroll(books, window, account)
        if name.kind is FileKind.MEMORANDUM:
            return Memorandum(books, window, account)
        return AccountStatement(books, window, account).blocks()

    def _remember(self, name: FileName, digest: Digest, whole: bytes | None) -> None:
        with self._lock:
            self._forget(name.text)
            self._known[name.text] = digest, whole
            self._kept += len(whole or b"")
            while len(self._known) > KNOWN_MAX or self._kept > KEPT_MAX:
                self._forget(next(iter(self._known)))

    def _forget(self, text: str) -> None:
        _, whole = self._known.pop(text, (None, None))
        self._kept -= len(whole or b"")

    # --- which there are ---------------------------------------------------------

    def names_of(
        self, window: Window, owner: int = 0
    ) -> Generator[None, None, Iterator[FileName]]:
        """The files of a window, in one order; of one biller's index, or of all.

        A generator that looks through the window first, and returns them. With the last
        window of a month that is over come the statements of that month.
        """
        books = self._books
        corrected = yield from self._look(window)
        heads = [
            one for one in books.heads(window) if not owner or one.participant == owner
        ]
        return self._listed(window, heads, corrected)

    def _listed(
        self, window: Window, heads: list[Account], corrected: frozenset[int]
    ) -> Iterator[FileName]:
        books = self._books
        for account in heads:
            scroll = books.name_of(FileKind.SCROLL, window, account)
            yield from (scroll, scroll._replace(form="json"))
            if account.index in corrected:
                memorandum = scroll.as_kind(FileKind.MEMORANDUM)
                yield from (memorandum, memorandum._replace(form="json"))
            yield scroll.as_kind(FileKind.ACCOUNT_STATEMENT, "xml")
        month = month_of(books, *window.month)
        if month is not None and month.windows[-1] == window:
            for code in sorted({books.owner_code(one) for one in heads}):
                statement = FileName(FileKind.MONTHLY, *window.month, code)
                yield from (statement, statement._replace(form="json"))

    def _look(self, window: Window) -> Generator[None, None, frozenset[int]]:
        """The accounts whose earlier scrolls a window corrects."""
        with self._lock:
            known = self._corrected.get(window.sequence)
        if known is not None:
            return known
        found: set[int] = set()
        first = window.after + 1
        while first <= window.sequence:
            count = min(STEP_ROWS, window.sequence + 1 - first)
            rows = self._books.ledger.rows(first, count)
            rows = rows[
                (rows["result"] == Result.OK) & corrects_earlier(rows, window.after)
            ]
            for side in ("debit", "credit"):
                found.update(np.unique(rows[side]).tolist())
            first += count
            yield
        made = frozenset(found)
        with self._lock:
            self._corrected[window.sequence] = made
            while len(self._corrected) > WINDOWS_MAX:
                self._corrected.popitem(last=False)
        return made
