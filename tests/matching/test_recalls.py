"""Goal: a payout that was recalled has released nothing: its break ends with the
recall, and what is to be released again is open until it is, however often a day is
matched.

Method: days one after the other, each matched again by its own result; the command gets
the recalls as a file.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from switch.cli import main
from switch.matching.breaks import Break, State, Type, read_breaks, write_breaks
from switch.matching.payouts import Booked, Payout, Recall, match_payouts
from tests.matching.books import (
    BILLER,
    DAY,
    HEADS,
    MAP,
    Entry,
    list_text,
    told,
    write_scrolls,
)
from tests.matching.test_bank import (
    ACCOUNTS,
    IFSC,
    NEXT,
    NUMBERS,
    SCROLL,
    booked,
    pain001,
)

THIRD = NEXT + dt.timedelta(days=1)
FIRST = Payout(NUMBERS[1], 500, DAY, BILLER, HEADS[0], "P-1.xml")
ANEW = Payout(NUMBERS[2], 500, NEXT, BILLER, HEADS[0], "P-2.xml")
RECALL = 90
"""The entry of a recall."""
RECALLED = {1: Recall(RECALL, NEXT)}
MORE = replace(SCROLL, number="S2026-27-0002-power-1", day=NEXT, payable=70)

Row = tuple[str, str, State, int, int]


def day_of(
    day: dt.date,
    payouts: Sequence[Payout] = (),
    lines: Sequence[Booked] = (),
    opened: Sequence[Break] | None = None,
    recalls: Mapping[int, Recall] = RECALLED,
) -> list[Break]:
    """What a day finds; the same again finds the same, by either file."""

    def run(before: Sequence[Break] | None) -> list[Break]:
        return match_payouts(
            [SCROLL, MORE],
            payouts,
            lines,
            biller=BILLER,
            first=day,
            last=day,
            opened=before,
            recalls=recalls,
        ).breaks

    breaks = run(opened)
    written = write_breaks(breaks, day)
    for before in (opened, read_breaks(written, "breaks.csv")):
        assert write_breaks(run(before), day) == written
    return breaks


def rows(breaks: Sequence[Break]) -> list[Row]:
    """By, type, state, what it is about, what is left of that."""
    found = [
        (one.by, str(one.type), one.state, one.amount_here, one.left) for one in breaks
    ]
    return sorted(found)


OPEN, CLOSED = State.OPEN, State.CLOSED
NOT_BOOKED = ("payout", "missing_there", OPEN, 500, 500)
WAITS = ("recall", "missing_there", OPEN, 500, 500)
OF_MORE = ("scroll", "missing_there", OPEN, 70, 70)


def test_a_recall_of_the_next_day() -> None:
    first = day_of(DAY, [FIRST])
    assert rows(first) == [NOT_BOOKED]
    second = day_of(NEXT, opened=first)
    assert rows(second) == [("payout", "missing_there", CLOSED, 500, 0), WAITS, OF_MORE]
    [ended, waits, _] = sorted(second, key=lambda one: one.by)
    assert ended.closed_by == f"entry {RECALL}"
    assert (waits.entry, waits.key, waits.head) == (RECALL, NUMBERS[1], HEADS[0])
    # It is released again, with what else is open, and the bank books that.
    more = replace(ANEW, amount=570, day=THIRD)
    lines = [booked(570, NUMBERS[2], day=THIRD)]
    third = day_of(THIRD, [more], lines, second)
    assert [(one[0], *one[2:]) for one in rows(third)] == [
        ("recall", CLOSED, 500, 0),
        ("scroll", CLOSED, 70, 0),
    ]
    assert {one.closed_by for one in third} == {"entry 2"}


def test_it_is_paid_anew_on_the_day_of_the_recall() -> None:
    first = day_of(DAY, [FIRST])
    lines = [booked(500, NUMBERS[2], day=NEXT)]
    second = day_of(NEXT, [ANEW], lines, first)
    assert [one for one in rows(second) if one[2] is OPEN] == [OF_MORE]
    # In two parts, the second of which is paid on another day.
    part = replace(ANEW, amount=200)
    lines = [booked(200, NUMBERS[2], day=NEXT)]
    second = day_of(NEXT, [part], lines, first)
    assert ("recall", "amount", OPEN, 500, 300) in rows(second)


def test_a_recall_before_the_day_is_matched() -> None:
    """It was recalled on its own day: nothing was released."""
    today = {1: Recall(RECALL, DAY)}
    first = day_of(DAY, [FIRST], recalls=today)
    assert rows(first) == [("scroll", "missing_there", OPEN, 500, 500)]
    lines = [booked(500, NUMBERS[2], day=NEXT)]
    second = day_of(NEXT, [ANEW], lines, first, recalls=today)
    assert [one for one in rows(second) if one[2] is OPEN] == [OF_MORE]
    # The day was matched before the recall, and is matched again.
    again = day_of(DAY, [FIRST], opened=day_of(DAY, [FIRST]), recalls=today)
    assert [one for one in rows(again) if one[2] is OPEN] == rows(first)


def test_what_is_recalled_later_is_not_of_the_day() -> None:
    assert rows(day_of(DAY, [FIRST], [booked(500, NUMBERS[1])])) == []
    assert rows(day_of(DAY, [FIRST])) == [NOT_BOOKED]


def test_too_much_was_released_and_is_recalled() -> None:
    twice = replace(FIRST, reference=NUMBERS[3])
    lines = [booked(500, NUMBERS[3])]
    first = day_of(DAY, [FIRST, twice], lines)
    assert rows(first) == [NOT_BOOKED, ("scroll", "amount", OPEN, 500, -500)]
    second = day_of(NEXT, opened=first)
    assert [one for one in rows(second) if one[2] is OPEN] == [OF_MORE]
    assert len([one for one in second if one.state is CLOSED]) == 2


def test_a_payout_of_two_scrolls() -> None:
    """One of them is closed since; of the other only what is left is open."""
    before = day_of(DAY)
    assert rows(before) == [("scroll", "missing_there", OPEN, 500, 500)]
    both = replace(FIRST, amount=550, day=NEXT)
    first = day_of(NEXT, [both], opened=before, recalls={})
    assert [one for one in rows(first) if one[2] is OPEN] == [
        ("payout", "missing_there", OPEN, 550, 550),
        ("scroll", "amount", OPEN, 70, 20),
    ]
    recalls = {1: Recall(RECALL, THIRD)}
    second = day_of(THIRD, opened=first, recalls=recalls)
    assert [one for one in rows(second) if one[2] is OPEN] == [WAITS, OF_MORE]


def test_a_bank_that_pays_what_was_recalled() -> None:
    first = day_of(DAY, [FIRST])
    lines = [booked(500, NUMBERS[1], day=NEXT)]
    second = day_of(NEXT, lines=lines, opened=first)
    [one] = [one for one in second if one.by == "payout"]
    assert (one.type, one.text) == (Type.MISSING_HERE, "booked, and recalled")
    # Nobody is to release it again as long as the bank has paid it.
    assert [one.by for one in second] == ["payout", "scroll"]
    # Without a new line it stays as it is, and what was counted is not counted again.
    third = day_of(THIRD, lines=lines, opened=second)
    assert (NUMBERS[1], 500) in {(one.key, one.amount_there) for one in third}
    assert "recall" not in {one.by for one in third}
    # It sends it back.
    back = [*lines, booked(500, NUMBERS[1], is_debit=False, day=THIRD)]
    third = day_of(THIRD, lines=back, opened=second)
    assert [one for one in rows(third) if one[2] is OPEN] == [WAITS, OF_MORE]
    # The same if it was told in one match: recalled, and booked all the same.
    today = {1: Recall(RECALL, DAY)}
    [one] = day_of(DAY, [FIRST], [booked(500, NUMBERS[1])], recalls=today)
    assert (one.by, one.text) == ("payout", "booked, and recalled")


def test_it_is_told_again_with_the_recall() -> None:
    first = day_of(DAY, [FIRST])
    second = day_of(NEXT, [FIRST], opened=first)
    assert [one for one in rows(second) if one[2] is OPEN] == [WAITS, OF_MORE]


def line(**changes: object) -> str:
    # Noon of the day, in nanoseconds UTC.
    time_ns = int(dt.datetime.combine(DAY, dt.time(6, 30), dt.UTC).timestamp()) * 10**9
    row = {"sequence": RECALL, "kind": "transfer", "resolves": 1, "time_ns": time_ns}
    return json.dumps(row | changes) + "\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (line(), 4),
        (line() + line(), 4),
        ("", 4),
        (line(kind="pay"), 1),
        (line(resolves=0), 1),
        (line(resolves=RECALL), 1),
        (line() + line(sequence=91), 1),
        (line(time_ns=10**40), 1),
        ("[]\n", 1),
        ("no line\n", 1),
    ],
)
def test_the_command_is_told_of_recalls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int
) -> None:
    write_scrolls(tmp_path / "scrolls", [[Entry(100, 300)]])
    (tmp_path / "list.csv").write_text(list_text([told(Entry(100, 300))]))
    (tmp_path / "map.json").write_text(json.dumps(MAP))
    (tmp_path / "pain.xml").write_text(pain001([(NUMBERS[1], 300, ACCOUNTS[0])]))
    payee = {"biller": BILLER, "head": HEADS[0], "number": ACCOUNTS[0], "ifsc": IFSC}
    (tmp_path / "payees.json").write_text(json.dumps(payee))
    (tmp_path / "recalls.json").write_text(text)
    words = ["match", "--biller", BILLER, "--day", str(DAY), "--json"]
    for name, file in (
        *(("scrolls", "scrolls"), ("list", "list.csv"), ("map", "map.json")),
        *(("payouts", "pain.xml"), ("payees", "payees.json")),
        *(("recalls", "recalls.json"), ("out", "out")),
    ):
        words += [f"--{name}", str(tmp_path / file)]
    assert main(words) == code
    said = capsys.readouterr()
    if code == 1:
        assert "--rows transfer-out" in said.err
        return
    report = json.loads(said.out.splitlines()[-1])
    assert report["breaks"]["open"] == 1
    assert report["bank"]["released"] == (0 if text else 300)
