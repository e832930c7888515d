"""Goal: one command ends a day, once: what is closed, written, matched and proved is
told, again it does nothing, and what stands in the way is said exactly.

Method: the command against a real server with people, over payments of a centre;
billers' lists by hand, right and wrong; a file is spoilt.
"""

import datetime as dt
import io
import json
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from switch.calendar import parse_date, parse_moment
from switch.cli import close_day, day_files
from switch.cli.close_day import Closing
from switch.cli.day_end import WINDOWS_TOLD, goes_on_until, unsettled_windows
from switch.cli.written_files import Written, one_run, write_file
from switch.client import Client, make_payment
from switch.codes import AmountRule, DuplicateRule, Mode, PriceRule, Result, Role
from switch.console.output import Exit, Screen
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import admin_pb2, results_pb2, schedules_pb2, types_pb2
from tests.cli.at_council import Shell
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    LAKH,
    Council,
    centres,
    sitting,
    top_up,
)

HEADS = ("0801-01", "0801-02")
MAP = {
    "by": "reference",
    "key": "Consumer",
    "date": "Date",
    "date_format": "%Y-%m-%d",
    "amount": "Amount",
}
PAID = {"ONE": 12_345, "TWO": 100, "THREE": 7_700}


def network() -> Specs:
    """Two billers, of whom one is paid."""
    billers = (
        ParticipantSpec(id="power", role=Role.BILLER, heads=HEADS),
        ParticipantSpec(id="water", role=Role.BILLER, heads=("0215",)),
    )
    service = ServiceSpec(
        code="ANY",
        biller="power",
        heads=HEADS,
        amount_rule=AmountRule.ANY,
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.NONE,
        price_rule=PriceRule.STATED,
    )
    return Specs((*centres().participants, *billers), (service,))


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("closing"), *arguments) as one:
        one.load(network())
        one.done(top_up(LAKH))
        yield one


@pytest.fixture
def shell(council: Council, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(council, capsys)


def pay(council: Council, reference: str, paise: int) -> None:
    harness = council.client("harness", Role.HARNESS)
    done = harness.pay(make_payment("ANY", paise, reference, centre=CENTRES[0]))
    assert Result(done.result) is Result.OK


def close(
    shell: Shell, folder: Path, *words: str, code: Exit = Exit.DONE
) -> dict[str, Any]:
    """Close, for machines."""
    [value] = shell.said("close-day", "--files", str(folder), *words, code=code)
    assert isinstance(value, dict)
    assert value["ok"] is (code is Exit.DONE)
    return value


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


def set_time(monkeypatch: pytest.MonkeyPatch, time_ns: int) -> None:
    """The command's own clock."""
    monkeypatch.setattr(close_day, "time", SimpleNamespace(time_ns=lambda: time_ns))


def test_a_day_is_closed_once(
    council: Council, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "files"
    for reference, amount in PAID.items():
        pay(council, reference, amount)
    total = sum(PAID.values())
    first = close(shell, folder)
    assert first["closed"]
    assert (first["windows"], first["scrolls"], first["breaks"]) == (1, 3, 0)
    assert first["amount_paise"] == first["totals"]["gross_paise"] == total
    assert first["new"] == first["files"] > 0
    assert first["totals"]["payments"] == len(PAID)
    [day] = first["days"]
    written = files_of(folder)
    scrolls = [one for one in written if "/S" in one and one.endswith(".csv")]
    assert len(scrolls) == 3
    report = json.loads(written[f"close-{day}.json"])
    assert (report["nil"], report["lines"]) == (2, len(PAID))
    assert {one["name"] for one in report["checks"]} == {"books"}

    again = close(shell, folder, "--ledger", str(council.directory / "ledger"))
    assert (again["closed"], again["new"]) == (0, 0)
    same = ("windows", "scrolls", "breaks", "amount_paise", "sequence", "days")
    assert {one: again[one] for one in same} == {one: first[one] for one in same}
    assert files_of(folder).keys() == written.keys()

    # Nobody closes a window by a schedule here: another may come until midnight.
    midnight = f"{parse_date(day) + dt.timedelta(days=1)} 00:00"
    set_time(monkeypatch, moment(midnight) - 1)
    shown = shell.run("close-day", "--files", str(folder))
    monkeypatch.undo()
    assert shown.code == Exit.DONE
    assert "The day is closed." not in shown.out
    assert "The day is not over" in shown.out
    assert f"Run this again after {midnight}:00 IST" in " ".join(shown.out.split())
    assert first["goes_on_until_ns"] == moment(midnight)
    assert "₹201.45" in shown.out
    assert "Amount: credits less debits of the day's scrolls" in shown.out
    assert "To the bank: payouts in the day's instructions" in shown.out

    # Another window of the same day.
    pay(council, "FOUR", 5)
    more = close(shell, folder)
    assert (more["windows"], more["amount_paise"]) == (2, total + 5)
    assert 0 < more["new"] < more["files"]
    assert (
        files_of(folder).items()
        >= {
            name: data
            for name, data in written.items()
            if not name.startswith("close-")
        }.items()
    )


def test_without_a_person_a_day_stays_open(
    council: Council, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's certificate closes a window; what is in the way says what to do."""
    pay(council, "ALONE", 3)
    folder, last = tmp_path / "files", council.client().ledger().last_window
    tls = str(council.directory / "tls")
    where = ("--address", council.server.address, "--tls", tls)
    alone = shell.typed("close-day", "--files", str(folder), *where, "--json")
    assert alone.code == Exit.FINDINGS
    [told] = alone.lines
    assert told["in_the_way"][0] == close_day.OPEN.format(last)
    assert council.client().ledger().last_window == last
    key = ("--key", str(council.key_file(BETA)))
    wrong = shell.typed(
        *("close-day", "--files", str(folder), *where, "--person", "1", *key)
    )
    assert (wrong.code, "is not the key of person 1" in wrong.err) == (Exit.USAGE, True)
    # Without a terminal nobody is asked, and at one nothing but yes is yes.
    who = (*where, "--person", str(ALPHA[1]), "--key", str(council.key_file(ALPHA)))
    unasked = shell.typed("close-day", "--files", str(folder), *who)
    assert (unasked.code, "add --yes" in unasked.err) == (Exit.USAGE, True)
    terminal = io.StringIO("n\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    no = shell.typed("close-day", "--files", str(folder), *who)
    assert no.code == Exit.FINDINGS
    assert f"Closes the window behind  {last}" in no.out
    assert "Sign this?" in no.err
    assert close_day.OPEN.format(last) in no.out
    assert council.client().ledger().last_window == last
    assert close(shell, folder)["closed"] > last


def test_a_day_that_is_over_is_closed(
    council: Council, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same day, looked at once it is over."""
    pay(council, "LATE", 5)
    folder = tmp_path / "files"
    day = close(shell, folder)["day"]
    set_time(monkeypatch, moment(f"{parse_date(day) + dt.timedelta(days=1)} 00:00"))
    shown = shell.run("close-day", "--files", str(folder), "--day", day)
    assert shown.code == Exit.DONE
    assert "The day is closed." in shown.out
    assert "What is paid behind its last window is in the next one's files" in shown.out
    assert "not over" not in shown.out
    assert close(shell, folder, "--day", day)["goes_on_until_ns"] == 0


def moment(text: str) -> int:
    return parse_moment(f"{text.replace(' ', 'T')}:00+05:30")


def told(*moments: str) -> schedules_pb2.GetScheduleResponse:
    """A schedule of 12:00 and 20:00 whose next cut-offs are these."""
    return schedules_pb2.GetScheduleResponse(
        schedule=schedules_pb2.Schedule(weekdays=[1], minutes=[720, 1_200]),
        cutoffs=[schedules_pb2.CutOff(time_ns=moment(text)) for text in moments],
    )


NOON, EVENING = "2026-12-01 12:00", "2026-12-01 20:00"


@pytest.mark.parametrize(
    ("schedule", "now", "until"),
    [
        (told(NOON, EVENING, "2026-12-02 12:00"), "2026-12-01 09:00", EVENING),
        (told(EVENING, "2026-12-02 12:00"), "2026-12-01 12:01", EVENING),
        # Behind its last cut-off it is over, though it is the same date.
        (told("2026-12-02 12:00"), "2026-12-01 20:01", None),
        # A cut-off at midnight is the end of the day before.
        (told("2026-12-02 00:00"), "2026-12-01 20:01", "2026-12-02 00:00"),
        (told("2026-12-01 00:00"), "2026-11-30 20:01", None),
        (schedules_pb2.GetScheduleResponse(), "2026-12-01 23:59", "2026-12-02 00:00"),
        (schedules_pb2.GetScheduleResponse(), "2026-12-02 00:00", None),
    ],
)
def test_until_when_a_day_goes_on(
    schedule: schedules_pb2.GetScheduleResponse, now: str, until: str | None
) -> None:
    found = goes_on_until("2026-12-01", schedule, moment(now))
    assert found == (moment(until) if until else 0)


def test_what_was_cut_off_goes_on(
    council: Council, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(council, "ZERO", 1)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    first = close(shell, whole)
    left = 5

    def dies(client: Client, name: str, folder: Path) -> Written:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return write_file(client, name, folder)

    monkeypatch.setattr(day_files, "write_file", dies)
    assert shell.run("close-day", "--files", str(cut)).code == Exit.INTERRUPTED
    assert len(list(cut.rglob("*.*"))) == 5
    monkeypatch.undo()
    again = close(shell, cut)
    assert again["new"] == first["new"] - 5
    reports = {name for name in files_of(whole) if name.startswith("close-")}
    made, told = files_of(cut), files_of(whole)
    assert made.keys() == told.keys()
    assert {one for one in told if made[one] != told[one]} <= reports


def test_lists_are_matched_and_stop_nothing(
    council: Council, shell: Shell, tmp_path: Path
) -> None:
    folder, lists = tmp_path / "files", tmp_path / "lists"
    mine = {f"LISTED-{at}": 100 + at for at in range(2)}
    for reference, amount in mine.items():
        pay(council, reference, amount)
    day = close(shell, folder)["days"][0]
    (lists / day).mkdir(parents=True)
    for biller in ("power", "water"):
        (lists / f"{biller}.json").write_text(json.dumps(MAP))
    listed = [f"{one},{day},{paise / 100:.2f}" for one, paise in mine.items()]
    rows = ["Consumer,Date,Amount", *listed, f"NOBODY,{day},9.00", ""]
    (lists / day / "power.csv").write_text("\n".join(rows))
    found = close(shell, folder, "--lists", str(lists))
    # Two of all payments are listed, and one that is missing here.
    payments = json.loads((folder / f"close-{day}.json").read_bytes())["lines"]
    assert found["breaks"] == payments - 2 + 1
    assert found["waits"] == ["the list of water has not come"]
    [breaks] = folder.glob("*/breaks-power-*.csv")
    shown = shell.run("close-day", "--files", str(folder), "--lists", str(lists))
    assert f"  payswitch breaks list {breaks}\n" in shown.out
    alone = shell.run("close-day", "--files", str(folder), "--bank", "camt.xml")
    assert (alone.code, "--bank goes with --lists" in alone.err) == (Exit.USAGE, True)
    before = breaks.read_bytes()
    assert before.count(b"missing_there") == payments - 2
    again = close(shell, folder, "--lists", str(lists))
    assert (again["breaks"], breaks.read_bytes()) == (found["breaks"], before)
    (lists / day / "water.csv").write_text("no list at all\n")
    wrong = close(shell, folder, "--lists", str(lists))
    assert len(wrong["waits"]) == 1
    assert wrong["waits"][0].startswith("the list of water: ")
    assert wrong["breaks"] == found["breaks"]
    # If the match cannot be made at all, nobody knows how many are open.
    spoilt = breaks.with_name("payees-2020-01-01.jsonl")
    spoilt.write_text("no line\n")
    asked = ("--lists", str(lists))
    failed = close(shell, folder, *asked, code=Exit.FINDINGS)
    assert failed["breaks"] is None
    assert failed["in_the_way"][0].startswith(f"match of {day}: ")
    shown = shell.run("close-day", "--files", str(folder), *asked)
    [line] = [one for one in shown.out.splitlines() if one.startswith(f"│ {day}")]
    assert line.split()[-2] == "?"
    spoilt.unlink()
    # A biller of whom nothing is open is not named, matched now or before.
    (lists / day / "water.csv").write_text("Consumer,Date,Amount\n")
    for words in (("--lists", str(lists)), ()):
        shown = shell.run("close-day", "--files", str(folder), *words)
        assert len(list(folder.glob("*/breaks-*-*.csv"))) == 2
        assert shown.out.count("payswitch breaks list ") == 1


def test_a_biller_without_lists(council: Council, shell: Shell, tmp_path: Path) -> None:
    """Matched with what it has acknowledged: of this service nobody is asked."""
    folder, lists = tmp_path / "files", tmp_path / "lists"
    pay(council, "UNASKED", 500)
    lists.mkdir()
    (lists / "power.json").write_text('{"by": "acknowledged"}')
    found = close(shell, folder, "--lists", str(lists))
    assert (found["breaks"], found["waits"]) == (0, [])
    report = json.loads((folder / f"close-{found['day']}.json").read_bytes())
    [told] = report["matches"]
    assert told["explained"] == {"not_asked": report["amount_paise"]}
    assert "amount" in told["not_looked_at"]
    again = close(shell, folder, "--lists", str(lists))
    assert again["breaks"] == 0


def test_one_run_at_a_time(council: Council, shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    pay(council, "ALONE", 3)
    day = close(shell, folder)["day"]
    with one_run(folder):
        done = shell.run("close-day", "--files", str(folder))
    assert done.code == Exit.CONFIG
    assert "another run is writing" in done.err
    # What ends another day than today closes no window of today.
    pay(council, "LATER", 3)
    yesterday = (parse_date(day) - dt.timedelta(days=1)).isoformat()
    words = ("--day", yesterday)
    assert close(shell, folder, *words, code=Exit.FINDINGS)["closed"] == 0
    assert close(shell, folder, "--day", day)["closed"]


def test_what_stands_in_the_way(council: Council, shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    first = close(shell, folder)
    [spoilt, *_] = sorted(folder.glob("*/S*-power-1.csv"))
    right = spoilt.read_bytes()
    spoilt.write_bytes(right.replace(b"ONE", b"ANY"))
    words = ("--ledger", str(tmp_path / "nowhere"))
    found = close(shell, folder, *words, code=Exit.FINDINGS)
    files, audit = found["in_the_way"]
    assert spoilt.name in files
    assert found["scrolls"] == first["scrolls"], "its manifest is there"
    [missing, *_] = sorted(folder.glob("*/S*-water-1.csv"))
    missing.unlink()
    again = close(shell, folder, code=Exit.FINDINGS)
    assert (again["new"], missing.exists()) == (1, True), "one stops no other"
    assert audit.startswith("audit: ")
    assert found["totals"]["payments"], "all else is done"
    shown = shell.run("close-day", "--files", str(folder))
    assert shown.code == Exit.FINDINGS
    assert "stands in the way" in shown.out
    assert "The day is closed." not in shown.out
    spoilt.write_bytes(right)
    close(shell, folder)
    shutil.rmtree(folder)
    folder.write_text("no folder")
    done = shell.run("close-day", "--files", str(folder))
    assert done.code == Exit.CONFIG


class Switch:
    """What is asked before a window is closed by command, and whether it is."""

    def __init__(self, *minutes: int, counts: bool = True) -> None:
        self.result = Result.OK
        self.last = 7
        self._minutes = minutes
        self._counts = counts
        self.closed: list[int] = []

    def schedule(self) -> schedules_pb2.GetScheduleResponse:
        if not self._minutes:
            return schedules_pb2.GetScheduleResponse()
        days = schedules_pb2.Schedule(minutes=self._minutes, weekdays=[7])
        return schedules_pb2.GetScheduleResponse(schedule=days)

    def ledger(self) -> admin_pb2.GetLedgerResponse:
        return admin_pb2.GetLedgerResponse(last_window=self.last)

    def movements(self, **_: object) -> Iterator[types_pb2.Entry]:
        return iter([types_pb2.Entry()] if self._counts else [])

    def close_window(self, before: int, _: object) -> admin_pb2.CloseWindowResponse:
        self.closed.append(before)
        outcome = results_pb2.Outcome(sequence=9, result=self.result.value)  # type: ignore[arg-type]
        return admin_pb2.CloseWindowResponse(outcome=outcome)


@pytest.mark.parametrize(
    ("minutes", "counts", "now", "closes"),
    [
        # Whenever the cut-offs are: a run past midnight ends no window of theirs.
        ((), True, False, True),
        ((), False, False, False),
        ((0,), True, False, False),
        ((750, 1_410), True, False, False),
        ((750, 1_410), True, True, True),
        ((750, 1_410), False, True, False),
    ],
)
def test_who_closes_a_window(
    minutes: tuple[int, ...], counts: bool, now: bool, closes: bool
) -> None:
    switch = Switch(*minutes, counts=counts)
    args = Namespace(now=now, day=None)
    closing = Closing(cast("Client", switch), args, cast("Screen", None))
    closing.close_window()
    assert (switch.closed, closing.closed) == (([7], 9) if closes else ([], 0))


@pytest.mark.parametrize(("meanwhile", "told"), [(7, 1), (8, 0)])
def test_a_window_that_was_not_closed_is_told(meanwhile: int, told: int) -> None:
    switch = Switch()
    switch.result = Result.WINDOW_NOT_FOUND
    args = Namespace(now=False, day=None)
    closing = Closing(cast("Client", switch), args, cast("Screen", None))
    close = switch.close_window

    def close_window(before: int, signer: object) -> admin_pb2.CloseWindowResponse:
        switch.last = meanwhile
        return close(before, signer)

    switch.close_window = close_window  # type: ignore[assignment,method-assign]
    closing.close_window()
    assert (closing.closed, len(closing.in_the_way)) == (0, told)


def test_windows_that_no_bank_has_settled_are_named() -> None:
    """Of days before alone: today's are on their way to the bank."""

    def told(*windows: schedules_pb2.Window) -> list[str]:
        client = cast(Client, SimpleNamespace(windows=lambda: iter(windows)))
        return list(unsettled_windows(client, "2026-11-28"))

    def window(sequence: int, day: str, settled: int) -> schedules_pb2.Window:
        return schedules_pb2.Window(
            sequence=sequence, last_day=day, payable=70_000, settled=settled
        )

    one = window(9, "2026-11-27", 20_000)
    others = (window(12, "2026-11-28", 0), window(7, "2026-11-26", 70_000))
    [line] = told(*others, one, schedules_pb2.Window(sequence=3))
    assert line.startswith("window 9 of 2026-11-27: ₹500.00 is not settled")
    assert "payswitch propose settle 9 BILLER HEAD AMOUNT" in line
    *lines, last = told(*[one] * (WINDOWS_TOLD + 2))
    assert len(lines) == WINDOWS_TOLD
    assert last.startswith("2 older windows")
