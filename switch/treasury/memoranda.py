"""Memoranda of Error: what a window says otherwise than earlier scrolls did.

May use `books`, `columns`, `counted`, `described` and `scrolls`. A scroll is never made
anew: what was refunded or corrected later is an entry of a later window, and the
memorandum says which line of which scroll each of them is about.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from switch.canonical_csv import MEMORANDUM_COLUMNS, csv_line, rupees
from switch.codes import Record
from switch.file_names import FileKind
from switch.register.register import Account
from switch.treasury import cells
from switch.treasury.books import Books, NoFileError, differs
from switch.treasury.cells import Cells
from switch.treasury.columns import Columns
from switch.treasury.counted import COUNTED, blocks, corrects_earlier
from switch.treasury.described import CORRECTION, ENTRIES, REFUND, Described, describe
from switch.treasury.manifests import manifest
from switch.treasury.scrolls import heading
from switch.treasury.windows import Window

U64 = npt.NDArray[np.uint64]
_SHARED = MEMORANDUM_COLUMNS[1:-2]
"""Columns that a scroll has as well."""


class Memorandum:
    """One memorandum. `blocks` first, all of them; then its manifest."""

    def __init__(self, books: Books, window: Window, account: Account) -> None:
        """Nothing is read yet."""
        self._books = books
        self._window = window
        self._account = account
        self.name = books.name_of(FileKind.MEMORANDUM, window, account)
        self._counts = dict.fromkeys((REFUND, CORRECTION), 0)
        self._sums = dict.fromkeys((REFUND, CORRECTION), 0)

    def blocks(self) -> Iterator[bytes]:
        """Its table. Raises NoFileError if there is nothing to correct."""
        books, window, account = self._books, self._window, self._account.index
        columns = Columns(books, window)
        line = 1
        for rows in blocks(
            books.ledger, account, window.after, window.sequence, COUNTED
        ):
            found = rows[corrects_earlier(rows, window.after)]
            if not len(found):
                # What is looked through has a bound, what is found may be far.
                yield b""
                continue
            if line == 1:
                yield csv_line(MEMORANDUM_COLUMNS).encode()
            described = describe(books, found, account)
            for entry in self._counts:
                amounts = found["amount"][described.entries == entry].tolist()
                self._counts[entry] += len(amounts)
                self._sums[entry] += sum(amounts)
            numbers = np.arange(line, line + len(found), dtype=np.uint64)
            made = [cells.digits(numbers)]
            made += [columns.make(name, described) for name in _SHARED]
            made += self._corrected(described)
            line += len(found)
            yield cells.lines(made)
        if line == 1:
            raise NoFileError(self.name.text)

    def _corrected(self, described: Described) -> list[Cells]:
        """The scroll and its line of each: none has what was given back unpaid."""
        rows, count = described.rows, len(described.rows)
        scrolls, lines = [b""] * count, np.zeros(count, np.uint64)
        is_refund = described.entries == REFUND
        sequences: U64 = rows["resolves"]
        for window in self._windows_of(sequences[is_refund]):
            these = is_refund & (sequences > window.after)
            these &= sequences <= window.sequence
            number = self._books.name_of(FileKind.SCROLL, window, self._account).number
            for at in np.flatnonzero(these).tolist():
                scrolls[at] = number.encode()
            lines[these] = self._places(window, sequences[these])
        return [cells.stacked(scrolls), cells.numbers(lines)]

    def _windows_of(self, sequences: U64) -> list[Window]:
        found: dict[int, Window] = {}
        for sequence in np.unique(sequences).tolist():
            window = self._books.windows.of_row(sequence)
            assert window is not None
            found[window.sequence] = window
        return list(found.values())

    def _places(self, window: Window, sequences: U64) -> U64:
        """The lines of these rows in the scroll of a window."""
        places = np.zeros(len(sequences), np.uint64)
        before = 0
        for rows in blocks(
            self._books.ledger,
            self._account.index,
            window.after,
            int(sequences.max()),
            COUNTED,
        ):
            counted: U64 = rows["sequence"]
            here = np.isin(sequences, counted)
            at = np.searchsorted(counted, sequences[here])
            places[here] = (at + before + 1).astype(np.uint64)
            before += len(counted)
        if not places.all():
            raise differs(self.name.number, "it corrects what no scroll has")
        return places

    def manifest(self, size: int, sha256: bytes) -> bytes:
        """What goes beside the table, which has so many bytes and this hash."""
        account, window = self._account, self._window
        texts = self._books.texts(Record.PARTICIPANT, account.participant, window)
        entries: dict[str, Any] = {
            ENTRIES[entry]: {
                "count": self._counts[entry],
                "amount": rupees(self._sums[entry]),
            }
            for entry in self._counts
        }
        return manifest(
            self.name,
            size,
            sha256,
            {
                **heading(self._books, window, account),
                "biller_name": texts.get("name_en", ""),
                "biller_name_bn": texts.get("name_bn", ""),
                "lines": sum(self._counts.values()),
                "entries": entries,
                "scroll": self.name.as_kind(FileKind.SCROLL).number,
            },
        )
