"""Scrolls: a window's payments of one head of a biller, a line each.

May use `books`, `columns`, `counted` and `described`. What its lines come to is what
the window's row says of the account, or there is no scroll.
"""

from collections.abc import Iterator

import numpy as np

from switch._core import Rows
from switch.canonical_csv import SCROLL_COLUMNS, csv_line, rupees
from switch.codes import Record
from switch.file_names import FileKind
from switch.ledger import explained
from switch.register.register import Account
from switch.treasury import cells
from switch.treasury.books import PART_FIRST, Books, differs
from switch.treasury.columns import Columns
from switch.treasury.counted import COUNTED, blocks, corrects_earlier
from switch.treasury.described import ENTRIES, SETTLEMENT, UNDOING, describe
from switch.treasury.manifests import manifest
from switch.treasury.windows import Window

WINDOW_SUMS = ("debits", "credits", "carried", "payable")


def window_sums(books: Books, window: Window, account: int) -> dict[str, int]:
    """What a window's row says of an account; all 0 where it has no line."""
    lines = explained.window_lines(books.ledger, window.sequence)
    lines = lines[lines["account"] == account]
    if not len(lines):
        return dict.fromkeys(WINDOW_SUMS, 0)
    return {name: int(lines[name][0]) for name in WINDOW_SUMS}


class Scroll:
    """One scroll. `blocks` first, all of them; then its manifest."""

    def __init__(self, books: Books, window: Window, account: Account) -> None:
        """Nothing is read yet."""
        self._books = books
        self._window = window
        self._account = account
        self.name = books.name_of(FileKind.SCROLL, window, account)
        self._counts = [0] * SETTLEMENT
        self._sums = [0] * SETTLEMENT
        self._credits = self._debits = 0
        self._corrects = False

    def blocks(self) -> Iterator[bytes]:
        """Its table. Raises CorruptionError if that does not come to the window's line,
        at the end.
        """
        books, window, account = self._books, self._window, self._account.index
        columns = Columns(books, window)
        yield csv_line(SCROLL_COLUMNS).encode()
        line = 1
        for rows in blocks(
            books.ledger, account, window.after, window.sequence, COUNTED
        ):
            if not len(rows):
                continue
            described = describe(books, rows, account)
            self._count(rows, described.entries, described.is_credit)
            numbers = np.arange(line, line + len(rows), dtype=np.uint64)
            made = [cells.digits(numbers)]
            made += [columns.make(name, described) for name in SCROLL_COLUMNS[1:]]
            line += len(rows)
            yield cells.lines(made)
        self._check()

    def _count(
        self, rows: Rows, entries: cells.Integers, is_credit: cells.Mask
    ) -> None:
        amounts = rows["amount"]
        for entry in np.unique(entries).tolist():
            these = entries == entry
            self._counts[entry] += int(these.sum())
            self._sums[entry] += sum(amounts[these].tolist())
        self._credits += sum(amounts[is_credit].tolist())
        self._debits += sum(amounts[~is_credit].tolist())
        self._corrects |= bool(corrects_earlier(rows, self._window.after).any())

    def _check(self) -> None:
        said = window_sums(self._books, self._window, self._account.index)
        for name, found in (("credits", self._credits), ("debits", self._debits)):
            if found != said[name]:
                text = f"its {name} come to {found}, the window says {said[name]}"
                raise differs(self.name.number, text)

    def manifest(self, size: int, sha256: bytes) -> bytes:
        """What goes beside the table, which has so many bytes and this hash."""
        books, window = self._books, self._window
        account = self._account
        said = window_sums(books, window, account.index)
        owner = account.participant
        texts = books.texts(Record.PARTICIPANT, owner, window)
        memorandum = self.name.as_kind(FileKind.MEMORANDUM).number
        return manifest(
            self.name,
            size,
            sha256,
            {
                **heading(books, window, account),
                "biller_name": texts.get("name_en", ""),
                "biller_name_bn": texts.get("name_bn", ""),
                "lines": sum(self._counts),
                "entries": {
                    ENTRIES[entry]: {
                        "count": self._counts[entry],
                        "amount": rupees(self._sums[entry]),
                    }
                    for entry in range(SETTLEMENT)
                    # One that says nothing of them is as it was before there were any.
                    if entry != UNDOING or self._counts[entry]
                },
                **{name: rupees(said[name]) for name in WINDOW_SUMS},
                "carried_after": rupees(
                    max(0, said["debits"] + said["carried"] - said["credits"])
                ),
                "memorandum": memorandum if self._corrects else "",
            },
        )


def heading(books: Books, window: Window, account: Account) -> dict[str, object]:
    """What manifests of a window and a head begin with."""
    return {
        "instance": books.ledger.instance.hex(),
        "account": account.index,
        "biller": books.owner_code(account),
        "head": account.head,
        "part": account.purpose + PART_FIRST,
        "window": window.sequence,
        "after": window.after,
        "time": cells.time_text(window.time_ns),
        "accounting_date": window.day.isoformat(),
        "closed_by": books.closer(window),
    }
