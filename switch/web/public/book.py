"""All that is told of the totals, read over the wire at one state.

May use the client and the messages. What may be told the switch decides; nothing is
left out or added here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from switch.errors import OverloadError
from switch.v1 import public_pb2 as pb

YEARS_MAX: Final = 30
"""Financial years, the newest ones, that have tables of their own."""
TRIES: Final = 3
"""How often it is read anew because another day was told meanwhile."""

OF: Final = {
    "payments": pb.PUBLIC_OF_PAYMENTS,
    "refunds": pb.PUBLIC_OF_REFUNDS,
}
TIMES: Final = {
    "years": pb.PUBLIC_BY_YEAR,
    "months": pb.PUBLIC_BY_MONTH,
    "days": pb.PUBLIC_BY_DAY,
}
PLACES: Final = {
    "departments": pb.PUBLIC_BY_DEPARTMENT,
    "districts": pb.PUBLIC_BY_DISTRICT,
}


class Teller(Protocol):
    """The part of the client that is asked."""

    def public_totals(
        self,
        by: "pb.PublicBy.ValueType",
        of: "pb.PublicOf.ValueType",
        from_day: str = "",
        to_day: str = "",
    ) -> pb.ReadPublicTotalsResponse:
        """All lines of a table."""


class Key(NamedTuple):
    """Which table: of what, by what, and of which financial year ("" for all)."""

    of: str
    by: str
    year: str = ""

    @property
    def name(self) -> str:
        """What its files are called."""
        return "-".join(filter(None, (self.of, self.by, self.year)))


class AsOf(NamedTuple):
    """Up to where it is told."""

    sequence: int
    """Of the last entry; 0 if nothing is told yet."""
    time_ns: int


@dataclass(frozen=True, slots=True)
class Book:
    """All tables, each by its key."""

    as_of: Mapping[str, AsOf]
    """Of payments, and of refunds."""
    tables: Mapping[Key, tuple[pb.PublicLine, ...]]

    @property
    def years(self) -> list[str]:
        """The financial years that have tables of their own, the newest first."""
        found = {key.year for key in self.tables if key.year}
        return sorted(found, reverse=True)


class _ChangedError(Exception):
    """Another day was told while it was read."""


def read_book(teller: Teller) -> Book:
    """Read everything. Raises CallError, WireError, and OverloadError if days end
    faster than they are read.
    """
    for _ in range(TRIES):
        try:
            return _read(teller)
        except _ChangedError:
            continue
    raise OverloadError("the totals change while they are read; try again")


def _read(teller: Teller) -> Book:
    as_of: dict[str, AsOf] = {}
    tables: dict[Key, tuple[pb.PublicLine, ...]] = {}

    def read(key: Key, from_day: str = "", to_day: str = "") -> None:
        by = {**TIMES, **PLACES}[key.by]
        reply = teller.public_totals(by, OF[key.of], from_day, to_day)
        found = AsOf(reply.as_of_sequence, reply.as_of_time_ns)
        if as_of.setdefault(key.of, found) != found:
            raise _ChangedError
        tables[key] = tuple(reply.lines)

    for of in OF:
        for by in (*TIMES, *PLACES):
            read(Key(of, by))
    told = tables[Key("payments", "years")]
    for year in [line.code for line in told][-YEARS_MAX:]:
        first = int(year[:4])
        for of in OF:
            days = tables[Key(of, "days")]
            of_year = (one for one in days if _year_of(one.to_day) == first)
            tables[Key(of, "days", year)] = tuple(of_year)
            for by in PLACES:
                read(Key(of, by, year), f"{first}-04-01", f"{first + 1}-03-31")
    return Book(as_of, tables)


def _year_of(day: str) -> int:
    """In which calendar year the financial year of a date began."""
    return int(day[:4]) - (day[5:7] < "04")
