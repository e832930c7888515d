"""The columns that files have in common, made of described rows.

May use `books`, `cells` and `described`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from switch.calendar import financial_year, format_financial_year, format_month
from switch.codes import Record
from switch.treasury import cells
from switch.treasury.books import Books
from switch.treasury.cells import Cells, text_cell
from switch.treasury.described import ENTRIES, Described
from switch.treasury.windows import Window


class Columns:
    """Makes them, with the names as a window closed; remembers names between blocks."""

    def __init__(self, books: Books, window: Window) -> None:
        """Nothing is read before it is needed."""
        self._books = books
        self._window = window
        self._tables = {
            "service": _Table(self._services),
            "service_name": _Table(self._service_names),
            "centre": _Table(self._centres),
            "centre_name": _Table(self._centre_names),
        }
        self._makers: dict[str, Callable[[Described], Cells]] = {
            "sequence": lambda one: cells.digits(one.rows["sequence"]),
            "entry": lambda one: cells.looked_up(one.entries, _entry),
            "side": lambda one: cells.looked_up(one.is_credit.astype(np.int8), _side),
            "amount": lambda one: cells.rupees(one.rows["amount"]),
            "date": lambda one: cells.days(one.rows["timestamp"]),
            "time": lambda one: cells.times(one.rows["timestamp"]),
            "payment": lambda one: self._paid(
                one, cells.digits(one.payments["sequence"])
            ),
            "payment_id": lambda one: self._paid(one, cells.uuids(one.payments["id"])),
            "accepted": lambda one: self._paid(
                one, cells.times(one.payments["timestamp"])
            ),
            "receipt": self._receipts,
            "service": lambda one: self._named(one, "service", "service"),
            "service_name": lambda one: self._named(one, "service_name", "service"),
            "reference": lambda one: cells.texts(one.references),
            "bill": lambda one: cells.texts(one.bills),
            "period": lambda one: cells.looked_up(one.periods, _period),
            "biller_reference": lambda one: cells.texts(one.answers),
            "centre": lambda one: self._named(one, "centre", "debit"),
            "centre_name": lambda one: self._named(one, "centre_name", "debit"),
            "of_entry": lambda one: cells.numbers(one.of_entries),
            "basket": lambda one: cells.numbers(one.baskets),
        }

    def make(self, name: str, described: Described) -> Cells:
        """One column, by its name."""
        return self._makers[name](described)

    @staticmethod
    def _paid(described: Described, made: Cells) -> Cells:
        return cells.blank(made, described.is_paid)

    def _named(self, described: Described, what: str, field: str) -> Cells:
        """Cells of what a payment's field numbers."""
        keys = np.where(
            described.is_paid, described.payments[field].astype(np.int64), 0
        )
        return self._tables[what].cells(keys)

    def _centres(self, wallets: list[int]) -> list[str]:
        register = self._books.register
        return [self._books.owner_code(register.account(one)) for one in wallets]

    def _centre_names(self, wallets: list[int]) -> list[str]:
        register = self._books.register
        owners = [register.account(one).participant for one in wallets]
        return self._names(Record.PARTICIPANT, owners)

    def _services(self, services: list[int]) -> list[str]:
        register = self._books.register
        return [register.service(one).spec.code for one in services]

    def _service_names(self, services: list[int]) -> list[str]:
        return self._names(Record.SERVICE, services)

    def _names(self, record: Record, indexes: list[int]) -> list[str]:
        sequence = self._window.sequence
        found = self._books.names.read_ahead(record, indexes, sequence)
        return [found[index].get("name_en", "") for index in indexes]

    def _receipts(self, described: Described) -> Cells:
        """`CENTRE/2026-27/000123`: the centre's text is the beginning of the cell's, so
        what makes that one safe makes this one.
        """
        final: Any = described.final
        numbers = final["receipt"].astype(np.uint64)
        # Years are those of IST days, of which a block has few.
        day = cells.day_starts(final["timestamp"])
        made = cells.beside(
            self._named(described, "centre", "debit"),
            *(b"/", cells.looked_up(day, _year), b"/"),
            cells.digits(numbers, 6),
        )
        return cells.blank(made, described.is_paid & (numbers != 0))


class _Table:
    """Cells by number, found once for each number that comes up; 0 has an empty one."""

    def __init__(self, find: Callable[[list[int]], list[str]]) -> None:
        self._find = find
        self._places = np.zeros(1, np.int64)
        self._texts = [b""]
        self._made = cells.stacked(self._texts)

    def cells(self, keys: npt.NDArray[np.int64]) -> Cells:
        """The cell of each key."""
        most = int(keys.max(initial=0)) + 1
        if most > len(self._places):
            # By halves more, so that it is not copied for each block.
            grown = np.zeros(most + most // 2, np.int64)
            grown[: len(self._places)] = self._places
            self._places = grown
        new = np.unique(keys[(self._places[keys] == 0) & (keys != 0)]).tolist()
        if new:
            self._places[new] = np.arange(len(self._texts), len(self._texts) + len(new))
            self._texts += map(text_cell, self._find(new))
            self._made = cells.stacked(self._texts)
        return self._made[self._places[keys]]


def _entry(number: int) -> bytes:
    return ENTRIES[number].encode()


def _side(is_credit: int) -> bytes:
    return b"credit" if is_credit else b"debit"


def _period(month: int) -> bytes:
    return format_month(month).encode() if month else b""


def _year(time_ns: int) -> bytes:
    return format_financial_year(financial_year(time_ns)).encode()
