"""Which files there are, and their bytes.

May use the makers. A file is made as it is read, and again the next time: what is kept
is how long it is and its hash, and those that are small.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Final, NamedTuple, Protocol

import numpy as np

from switch._core import Ledger
from switch.codes import Result
from switch.file_names import FORMS, FileKind, FileName
from switch.register.register import Account
from switch.treasury.account_statements import AccountStatement
from switch.treasury.books import Books, NoFileError
from switch.treasury.counted import corrects_earlier
from switch.treasury.instructions import Instruction, instructions_of
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
        self._looks: OrderedDict[int, _Look] = OrderedDict()

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
            for _ in self._make(name._replace(form=FORMS[name.kind][0])):
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
            return self._instruction(name)
        window, account = books.find(name)
        if name.kind is FileKind.SCROLL:
            return Scroll(books, window, account)
        if name.kind is FileKind.MEMORANDUM:
            return Memorandum(books, window, account)
        return AccountStatement(books, window, account).blocks()

    def _instruction(self, name: FileName) -> Instruction:
        closed = self._books.windows.numbered(name.year, name.ordinal)
        if closed is None:
            raise NoFileError(name.text)
        return Instruction(self._books, closed, name)

    def recalled(self, name: FileName) -> Generator[None, None, list[int]]:
        """The payouts of an instruction that were recalled behind its window, as of
        now. A generator that looks at some at a time, and returns them.

        Raises NoFileError, CorruptionError.
        """
        found: list[int] = []
        for some in self._instruction(name).recalled():
            found += some
            yield
        return found

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
        window of a month that is over come the statements of that month. Instructions
        to banks are of no biller.
        """
        books = self._books
        corrected = yield from self._look(window)
        heads = [
            one for one in books.heads(window) if not owner or one.participant == owner
        ]
        # What is there later comes last, so that pages do not move.
        return chain(
            self._of_heads(window, heads, corrected),
            () if owner else self._instructions(window),
            self._of_month(window, heads),
        )

    def _instructions(self, window: Window) -> Iterator[FileName]:
        for name in instructions_of(self._books, window):
            yield from (name, name._replace(form="json"))

    def _of_heads(
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

    def _of_month(self, window: Window, heads: list[Account]) -> Iterator[FileName]:
        following = self._books.windows.following(window)
        if following is not None and following.month == window.month:
            return
        month = month_of(self._books, *window.month)
        if month is not None and month.windows[-1] == window:
            for code in sorted({self._books.owner_code(one) for one in heads}):
                statement = FileName(FileKind.MONTHLY, *window.month, code)
                yield from (statement, statement._replace(form="json"))

    def _look(self, window: Window) -> Generator[None, None, frozenset[int]]:
        """The accounts whose earlier scrolls a window corrects."""
        with self._lock:
            look = self._looks.get(window.sequence)
            if look is None:
                look = self._looks[window.sequence] = _Look(self._books.ledger, window)
                while len(self._looks) > WINDOWS_MAX:
                    self._looks.popitem(last=False)
        while not look.step():
            yield
        return look.found


class _Look:
    """Goes through a window once, whoever asks; all who do go on together."""

    def __init__(self, ledger: Ledger, window: Window) -> None:
        self.found: frozenset[int] = frozenset()
        self._ledger = ledger
        self._window = window
        self._lock = threading.Lock()
        self._next = window.after + 1

    def step(self) -> bool:
        """Look at some more rows; True once all are."""
        window = self._window
        with self._lock:
            if self._next > window.sequence:
                return True
            count = min(STEP_ROWS, window.sequence + 1 - self._next)
            rows = self._ledger.rows(self._next, count)
            is_accepted = rows["result"] == Result.OK
            rows = rows[is_accepted & corrects_earlier(rows, window.after)]
            both = np.concatenate([rows["debit"], rows["credit"]])
            self.found |= frozenset(np.unique(both).tolist())
            self._next += count
            return self._next > window.sequence
