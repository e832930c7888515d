"""Goal: a match at a day's end goes on from the match before, also over the end of a
month; what was matched before a late list came is not believed until it was matched
anew. No payment is left out of what is expected.

Method: scrolls by hand in the folders of two months, lists that come in time, late, or
again; the switch is asked for nothing but what it has not.
"""

import datetime as dt
import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from switch.calendar import day_start_ns
from switch.cli.day_files import DayFiles, Matches
from switch.cli.day_matches import match_day
from switch.client import Client, Point
from switch.console.output import Screen
from switch.console.words import Language
from switch.matching.breaks import BANK_KEYS, Break, State, read_breaks
from switch.v1 import banks_pb2, schedules_pb2, types_pb2
from tests.matching.books import (
    BILLER,
    HEADS,
    KEYS,
    MAP,
    Entry,
    Told,
    list_text,
    told,
    write_scrolls,
)
from tests.matching.test_bank import ACCOUNTS, IFSC, NUMBERS, pain001, statement

DAYS = [dt.date(2026, 11, 29) + dt.timedelta(days=at) for at in range(4)]
"""Two of a month, two of the next."""
PAID = [Entry(100 * at + 1, 50_000 + at, day) for at, day in enumerate(DAYS, 1)]


class Switch:
    """Nobody waits."""

    def __init__(self) -> None:
        self.payees: list[banks_pb2.Beneficiary] = []
        self.payouts: list[types_pb2.Entry] = []
        self.cursors: list[int] = []
        self.is_said = False

    def exceptions(self, *_: object) -> list[Any]:
        return []

    def windows(self) -> Iterator[schedules_pb2.Window]:
        """Newest first, each behind the payment of its day."""
        for paid in reversed(PAID):
            yield schedules_pb2.Window(sequence=paid.entry + 1)

    def feed(self, biller: str, cursor: int) -> Iterator[types_pb2.Entry]:
        """All but the second have their biller's word."""
        assert biller == BILLER
        self.cursors.append(cursor)
        kind = types_pb2.ENTRY_KIND_POST
        for one in PAID:
            if one.entry > cursor:
                yield types_pb2.Entry(
                    sequence=one.entry,
                    kind=kind,
                    resolves=one.number,
                    by_biller=one is not PAID[1] or self.is_said,
                )

    def beneficiaries(self) -> list[banks_pb2.Beneficiary]:
        return self.payees

    def movements(self, *, after: Point, at: Point, **_: object) -> list[Any]:
        span = range(after.sequence + 1, at.sequence + 1)
        return [one for one in self.payouts if one.sequence in span]


class Folder:
    """What a treasury has written, a day after the other."""

    def __init__(self, root: Path) -> None:
        self.switch = Switch()
        self.bank: list[Path] = []
        self.recalls: list[types_pb2.Entry] = []
        self.files, self.lists = root / "files", root / "lists"
        self.lists.mkdir()
        (self.lists / f"{BILLER}.json").write_text(
            json.dumps(MAP | {"key": KEYS["id"]})
        )
        made = root / "made"
        write_scrolls(made, [[one] for one in PAID])
        for ordinal, day in enumerate(DAYS, 1):
            month = self.month(day)
            month.mkdir(parents=True, exist_ok=True)
            for path in made.glob(f"S2026-27-{ordinal:04d}-*"):
                path.rename(month / path.name)

    def month(self, day: dt.date) -> Path:
        return self.files / day.isoformat()[:7]

    def listed(self, day: dt.date, lines: Sequence[Told]) -> None:
        folder = self.lists / day.isoformat()
        folder.mkdir(exist_ok=True)
        (folder / f"{BILLER}.csv").write_text(list_text(lines))

    def match(
        self, day: dt.date, *instructions: str, with_lists: bool = True
    ) -> Matches:
        lists = self.lists if with_lists else None
        args = Namespace(files=self.files, lists=lists, bank_files=self.bank)
        of = DayFiles(day.isoformat(), [PAID[DAYS.index(day)].entry + 1])
        of.instructions = [{"file": one} for one in instructions]
        of.recalls = self.recalls
        client = cast("Client", self.switch)
        screen = Screen(as_json=True, language=Language.ENGLISH)
        return match_day(client, of, self.month(day), args, screen)

    def open(self, day: dt.date) -> list[Break]:
        path = self.month(day) / f"breaks-{BILLER}-{day:%Y%m%d}.csv"
        found = read_breaks(path.read_bytes(), path.name)
        return [one for one in found if one.state is State.OPEN]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_month_ends(folder: Folder) -> None:
    for day, paid in zip(DAYS, PAID, strict=True):
        # The last one once more on the first of the next month.
        again = [told(PAID[1], day=day)] if day == DAYS[2] else []
        folder.listed(day, [told(paid), *again])
        found = folder.match(day)
        assert not found.refused, found
    [twice] = folder.open(DAYS[3])
    assert twice.type == "duplicate"


def test_what_an_earlier_run_left_open_stands(folder: Folder) -> None:
    """A run without lists, or whose list is not believed, has no day without breaks."""
    folder.listed(DAYS[0], [])
    assert folder.match(DAYS[0]).open == 1
    assert folder.match(DAYS[0]).open == 1
    assert folder.match(DAYS[0], with_lists=False).open == 1
    (folder.lists / DAYS[0].isoformat() / f"{BILLER}.csv").write_text("no list\n")
    found = folder.match(DAYS[0])
    assert (found.open, len(found.refused)) == (1, 1)
    assert folder.match(DAYS[1], with_lists=False).open == 0


def test_a_biller_that_only_acknowledges(folder: Folder) -> None:
    """It is asked for what was not matched before, and for what is open still."""
    (folder.lists / f"{BILLER}.json").write_text('{"by": "acknowledged"}')
    for day, left in zip(DAYS, (0, 1, 1), strict=False):
        found = folder.match(day)
        assert (found.refused, found.without, found.open) == ([], [], left)
    assert [one.entry for one in folder.open(DAYS[2])] == [PAID[1].entry]
    # From behind the window before, and then from the payment that is open.
    assert folder.switch.cursors == [0, PAID[0].entry + 1, PAID[1].entry - 1]
    folder.switch.is_said = True
    assert folder.match(DAYS[3]).open == 0
    assert folder.switch.cursors[-1] == PAID[1].entry - 1


def of_bank(folder: Folder, day: dt.date) -> list[tuple[str, str, int]]:
    found = [one for one in folder.open(day) if one.by in BANK_KEYS]
    return [(one.by, one.type, one.amount_there) for one in found]


def test_a_run_without_the_bank_keeps_what_was_found(
    folder: Folder, tmp_path: Path
) -> None:
    payee = banks_pb2.Beneficiary(
        sequence=5, number=ACCOUNTS[0], biller=BILLER, head=HEADS[0], ifsc=IFSC
    )
    folder.switch.payees = [payee]
    folder.switch.payouts = [types_pb2.Entry(sequence=1, resolves=5)]
    day, paid = DAYS[0], PAID[0].amount
    (folder.month(day) / "P.xml").write_text(
        pain001([(NUMBERS[1], paid, ACCOUNTS[0])], day)
    )
    bank = tmp_path / "bank.xml"
    bank.write_bytes(statement([(NUMBERS[1], paid - 100)], 100_000, day))
    folder.bank = [bank]
    folder.listed(day, [])
    [first] = folder.match(day, "P.xml").reports
    assert first["bank"]["looked_at"] is True
    assert first["bank"]["not_passed_on"] == 100
    assert of_bank(folder, day) == [("payout", "amount", paid - 100)]
    # The list comes late, and whoever runs it again has not the bank's files at hand.
    folder.bank = []
    folder.listed(day, [told(PAID[0])])
    found = folder.match(day, "P.xml")
    [again] = found.reports
    assert again["bank"] == first["bank"] | {"looked_at": False}
    assert (found.unasked, found.open) == ([BILLER], 1)
    assert again["breaks"]["open"] == 1
    assert of_bank(folder, day) == [("payout", "amount", paid - 100)]
    # Nor does a run that matches nothing lose what was said.
    [stands] = folder.match(day, with_lists=False).earlier
    assert stands == again | {"earlier": True}
    # What was found is of other scrolls by now: the bank must be looked at again.
    write_scrolls(tmp_path / "more", [[PAID[0]], [replace(PAID[1], day=day)]])
    for path in (tmp_path / "more").glob("S2026-27-0002-*"):
        path.rename(folder.month(day) / path.name)
    refused = folder.match(day, "P.xml")
    assert "--bank FILE" in refused.refused[0]
    assert of_bank(folder, day) == [("payout", "amount", paid - 100)]
    folder.bank = [bank]
    assert not folder.match(day, "P.xml").unasked


def test_what_is_recalled_later_is_not_of_the_day(folder: Folder) -> None:
    """So the day once more is the same, and the next one has it."""
    noon_ns = 12 * 3600 * 10**9
    folder.recalls = [
        types_pb2.Entry(
            kind=types_pb2.ENTRY_KIND_TRANSFER,
            sequence=1_000 + at,
            resolves=1 + at,
            time_ns=day_start_ns(day) + noon_ns,
        )
        for at, day in enumerate(DAYS)
    ][::-1]
    for at, day in enumerate(DAYS, 1):
        folder.listed(day, [])
        folder.match(day)
        told = (folder.month(day) / f"recalls-{day}.jsonl").read_text().splitlines()
        assert [json.loads(one)["resolves"] for one in told] == list(range(1, at + 1))


def test_no_list_on_the_last_of_a_month(folder: Folder) -> None:
    folder.listed(DAYS[0], [told(PAID[0])])
    folder.match(DAYS[0])
    folder.match(DAYS[1])
    folder.listed(DAYS[2], [told(PAID[2])])
    folder.match(DAYS[2])
    [one] = folder.open(DAYS[2])
    assert (one.type, one.entry) == ("missing_there", PAID[1].entry)


def test_a_list_comes_late(folder: Folder) -> None:
    for at in (0, 2):
        folder.listed(DAYS[at], [told(PAID[at])])
        folder.match(DAYS[at])
    folder.listed(DAYS[1], [told(PAID[1])])
    found = folder.match(DAYS[1])
    # What was matched since then did not know of it.
    assert found.stale == [f"{BILLER}: {DAYS[2]}"]
    folder.listed(DAYS[3], [told(PAID[3])])
    refused = folder.match(DAYS[3])
    assert len(refused.refused) == 1
    assert f"--day {DAYS[2]}" in refused.refused[0]
    assert folder.match(DAYS[2]).stale == []
    assert not folder.match(DAYS[3]).refused
    assert folder.open(DAYS[3]) == []


def test_a_list_is_given_anew(folder: Folder) -> None:
    folder.listed(DAYS[0], [])
    folder.listed(DAYS[1], [told(PAID[1])])
    folder.match(DAYS[0])
    assert folder.match(DAYS[1]).stale == []
    assert len(folder.open(DAYS[1])) == 1
    # The same once more changes nothing of what was matched after it.
    assert folder.match(DAYS[0]).stale == []
    folder.listed(DAYS[0], [told(PAID[0])])
    assert folder.match(DAYS[0]).stale == [f"{BILLER}: {DAYS[1]}"]
    folder.listed(DAYS[2], [told(PAID[2])])
    assert folder.match(DAYS[2]).refused
    folder.match(DAYS[1])
    assert not folder.match(DAYS[2]).refused
    assert folder.open(DAYS[2]) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_beneficiary_was_changed_since(
    folder: Folder, tmp_path: Path, known: bool
) -> None:
    for at in (0, 1):
        folder.listed(DAYS[at], [told(PAID[at])])
    payee, other = (
        banks_pb2.Beneficiary(
            sequence=at, number=account, biller=BILLER, head=HEADS[0], ifsc=IFSC
        )
        for at, account in ((5, ACCOUNTS[0]), (9, ACCOUNTS[1]))
    )
    folder.switch.payees = [payee] if known else []
    folder.match(DAYS[0])
    # It was paid out to the one; then came the other.
    folder.switch.payees = [other]
    folder.switch.payouts = [types_pb2.Entry(sequence=1, resolves=5)]
    paid = NUMBERS[1], PAID[1].amount
    (folder.month(DAYS[1]) / "P.xml").write_text(
        pain001([(*paid, ACCOUNTS[0])], DAYS[1])
    )
    folder.bank = [tmp_path / "bank.xml"]
    folder.bank[0].write_bytes(statement([paid], 100_000, DAYS[1]))
    found = folder.match(DAYS[1], "P.xml")
    assert found.unknown == ([] if known else [1])
    [report] = found.reports
    assert report["bank"]["released"] == (paid[1] if known else 0)
