"""Monthly statements: a biller's windows of a month, by head, and what was settled.

May use `books`, `counted` and `scrolls`. A month has the windows whose accounting date
is in it; so it leads from the balance behind the last window before it to that behind
its own last.
"""

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from switch._core import entries_of
from switch.calendar import ist_date
from switch.canonical_csv import STATEMENT_COLUMNS, csv_line, rupees, safe_text
from switch.codes import AccountKind, Record
from switch.entries import Entry
from switch.file_names import FileKind, FileName
from switch.register.register import Account
from switch.treasury.account_statements import balance
from switch.treasury.books import PART_FIRST, Books, NoFileError, differs
from switch.treasury.cells import time_text
from switch.treasury.counted import COUNTED, SETTLED, blocks
from switch.treasury.manifests import manifest
from switch.treasury.scrolls import window_sums
from switch.treasury.windows import Window, accounting_day


class Month(NamedTuple):
    """The windows of a calendar month, which is over."""

    year: int
    month: int
    windows: list[Window]


def month_of(books: Books, year: int, month: int) -> Month | None:
    """A month's windows, if it has any and none can come to it any more."""
    newest = books.ledger.sequence
    if not newest:
        return None
    day = accounting_day(books.ledger, newest)
    if (day.year, day.month) <= (year, month):
        return None
    # Only now: all that were closed up to that row are among them.
    windows = [one for one in books.windows.all() if one.month == (year, month)]
    return Month(year, month, windows) if windows else None


class MonthlyStatement:
    """One statement. `blocks` first, all of them; then its manifest."""

    def __init__(self, books: Books, month: Month, owner: int) -> None:
        """Of a participant index. Raises NoFileError if it has no head by then."""
        self._books = books
        self._month = month
        self._last = month.windows[-1]
        self._heads = [
            one for one in books.heads(self._last) if one.participant == owner
        ]
        self._owner = owner
        code = books.register.participant(owner).spec.id
        self.name = FileName(FileKind.MONTHLY, month.year, month.month, code)
        if not self._heads:
            raise NoFileError(self.name.text)
        self._lines = self._payments = 0
        self._sums = dict.fromkeys(("credits", "debits", "settled"), 0)
        self._opening = self._closing = 0

    def blocks(self) -> Iterator[bytes]:
        """Its table. Raises CorruptionError if its lines do not lead from the one
        balance to the other.
        """
        yield csv_line(STATEMENT_COLUMNS).encode()
        settled = yield from self._settlements()
        for account in self._heads:
            yield from self._head(account, settled.get(account.index, []))

    def _head(self, account: Account, settled: list[Entry]) -> Iterator[bytes]:
        books, windows = self._books, self._month.windows
        opening = balance(books, account.index, windows[0].after)
        closing = balance(books, account.index, self._last.sequence)
        yield self._balance("opening", account, opening)
        held, waiting = opening, settled.copy()
        for window in windows:
            while waiting and waiting[0].sequence < window.sequence:
                one = waiting.pop(0)
                held -= one.amount
                yield self._settled(account, one)
            said = window_sums(books, window, account.index)
            held += said["credits"] - said["debits"]
            count = 0
            for rows in blocks(
                books.ledger, account.index, window.after, window.sequence, COUNTED
            ):
                count += len(rows)
                yield b""
            yield self._window(account, window, count, said)
        if held != closing:
            text = f"head {account.head}: its lines lead to {held}, not to {closing}"
            raise differs(self.name.number, text)
        yield self._balance("closing", account, closing)
        self._opening += opening
        self._closing += closing

    def _settlements(self) -> Generator[bytes, None, dict[int, list[Entry]]]:
        """What was settled of its heads meanwhile, by account, in order. Read from the
        accounts that windows are settled to, which have few rows.
        """
        books = self._books
        mine = {one.index for one in self._heads}
        found: dict[int, list[Entry]] = {}
        for account in books.register.accounts():
            if account.kind is not AccountKind.SETTLEMENT:
                continue
            for rows in blocks(
                books.ledger,
                account.index,
                self._month.windows[0].after,
                self._last.sequence,
                SETTLED,
            ):
                for one in entries_of(rows):
                    if one.debit in mine:
                        found.setdefault(one.debit, []).append(one)
                yield b""
        return {
            index: sorted(several, key=lambda one: one.sequence)
            for index, several in found.items()
        }

    # --- lines -------------------------------------------------------------------

    def _line(self, entry: str, account: Account, **said: object) -> bytes:
        self._lines += 1
        values = {
            "line": self._lines,
            "entry": entry,
            "head": safe_text(account.head),
            "part": account.purpose + PART_FIRST,
            **said,
        }
        cells = (str(values.get(name, "")) for name in STATEMENT_COLUMNS)
        return csv_line(cells).encode()

    def _balance(self, entry: str, account: Account, paise: int) -> bytes:
        """A balance, as credit, or as debit if the biller owes it."""
        side = "debits" if paise < 0 else "credits"
        return self._line(entry, account, **{side: rupees(abs(paise))})

    def _settled(self, account: Account, one: Entry) -> bytes:
        self._sums["settled"] += one.amount
        return self._line(
            "settlement",
            account,
            sequence=one.sequence,
            date=ist_date(one.timestamp).isoformat(),
            time=time_text(one.timestamp),
            settled=rupees(one.amount),
            of_window=one.resolves,
        )

    def _window(
        self, account: Account, window: Window, count: int, said: dict[str, int]
    ) -> bytes:
        self._payments += count
        self._sums["credits"] += said["credits"]
        self._sums["debits"] += said["debits"]
        return self._line(
            "window",
            account,
            number=self._books.name_of(FileKind.SCROLL, window, account).number,
            sequence=window.sequence,
            date=window.day.isoformat(),
            time=time_text(window.time_ns),
            lines=count,
            **{name: rupees(paise) for name, paise in said.items()},
        )

    def manifest(self, size: int, sha256: bytes) -> bytes:
        """What goes beside the table, which has so many bytes and this hash."""
        books = self._books
        texts = books.texts(Record.PARTICIPANT, self._owner, self._last)
        said: dict[str, Any] = {
            "instance": books.ledger.instance.hex(),
            "biller": self.name.owner,
            "biller_name": texts.get("name_en", ""),
            "biller_name_bn": texts.get("name_bn", ""),
            "month": f"{self._month.year:04d}-{self._month.month:02d}",
            "after": self._month.windows[0].after,
            "window": self._last.sequence,
            "accounting_date": self._last.day.isoformat(),
            "time": time_text(self._last.time_ns),
            "windows": len(self._month.windows),
            "heads": len(self._heads),
            "lines": self._lines,
            "scroll_lines": self._payments,
            "opening": _signed(self._opening),
            "closing": _signed(self._closing),
            **{name: rupees(paise) for name, paise in self._sums.items()},
        }
        return manifest(self.name, size, sha256, said)


def _signed(paise: int) -> str:
    return ("-" if paise < 0 else "") + rupees(abs(paise))
