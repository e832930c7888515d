"""Goal: a payout that two people have taken back stops no close and no match, is no
money for the bank, and leaves no break behind once it was paid anew.

Method: commands against a real server with people, over payments of a centre. One
folder has the instruction from before the recall, in another it was never written.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.calendar import parse_date
from switch.client import make_payment
from switch.codes import Result, Role
from switch.console.output import Exit
from switch.matching.breaks import State, read_breaks
from switch.v1 import banks_pb2
from switch.v1 import people_pb2 as pb
from tests.cli.at_council import Shell
from tests.cli.test_close_day import HEADS, MAP, close, network, pay
from tests.matching.test_bank import statement
from tests.server.banking import NUMBER, bank_account, ending
from tests.server.council import CENTRES, LAKH, Council, sitting, top_up
from tests.server.test_beneficiaries import (
    beneficiary,
    opened,
    payout,
    thresholds,
)

RELEASE = banks_pb2.BANK_ITEM_KIND_RELEASE
PAISE = 12_345
OTHER = 770
"""Of another head: the bank pays it, whatever becomes of the first."""


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("recalls"), *arguments) as one:
        one.load(network())
        one.done(top_up(LAKH))
        one.done(bank_account(NUMBER))
        one.done(opened("settlement", LAKH), thresholds(1))
        one.done(beneficiary(HEADS[0]), beneficiary(HEADS[1], number="2"))
        time.sleep(1)
        yield one


@pytest.fixture
def shell(council: Council, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(council, capsys)


def released(council: Council, head: int = 0, paise: int = PAISE) -> banks_pb2.BankItem:
    """A payout of what was collected, that is on its way."""
    council.done(payout(paise, biller="power", head=HEADS[head]))
    newest, *_ = council.client().bank_items(NUMBER, RELEASE)
    return newest


def settle(council: Council, *amounts: int) -> None:
    """The window is closed, and settled: so much of each head."""
    client = council.client()
    council.close_window()
    window = client.ledger().last_window
    for head, amount in zip(HEADS, amounts, strict=True):
        wish = pb.SettleWish(window=window, biller="power", head=head, amount=amount)
        council.done(pb.Wish(settle=wish))


class Office:
    """A folder of a treasury, with lists and a bank's statement."""

    def __init__(self, root: Path, name: str, day: str) -> None:
        self.files, self.lists = root / name, root / "lists"
        self._day, self._bank = day, root / "bank.xml"

    def close(
        self, shell: Shell, paid: list[tuple[str, int]], code: Exit
    ) -> dict[str, Any]:
        """Close the day; the bank has paid these."""
        self._bank.write_bytes(statement(paid, LAKH, parse_date(self._day)))
        words = ("--lists", str(self.lists), "--bank", str(self._bank))
        return close(shell, self.files, *words, code=code)

    def show(self, shell: Shell) -> str:
        """The same to a person."""
        words = ("--lists", str(self.lists), "--bank", str(self._bank))
        return shell.run("close-day", "--files", str(self.files), *words).out

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.files / f"close-{self._day}.json").read_bytes()
        )
        return found

    def open(self) -> list[tuple[str, str]]:
        [path] = self.files.glob("*/breaks-power-*.csv")
        breaks = read_breaks(path.read_bytes(), path.name)
        return [(one.by, one.text) for one in breaks if one.state is State.OPEN]


def test_a_recalled_payout_leaves_nothing_behind(
    council: Council, shell: Shell, tmp_path: Path
) -> None:
    pay(council, "ONE", PAISE)
    harness = council.client("harness", Role.HARNESS)
    more = make_payment("ANY", OTHER, "TWO", centre=CENTRES[0], head=1)
    assert Result(harness.pay(more).result) is Result.OK
    settle(council, PAISE, OTHER)
    first, other = released(council), released(council, 1, OTHER)
    paid = [(other.number, OTHER)]
    early = tmp_path / "early"
    # It closes the window; nobody has recalled anything, so the instruction is written.
    day = close(shell, early)["day"]
    [told] = json.loads((early / f"close-{day}.json").read_bytes())["instructions"]
    assert (told["payments"], told["amount_paise"]) == (2, PAISE + OTHER)
    lists = tmp_path / "lists"
    (lists / day).mkdir(parents=True)
    (lists / "power.json").write_text(json.dumps(MAP))
    sums = {"ONE": PAISE, "TWO": OTHER}
    rows = [f"{name},{day},{paise / 100:.2f}" for name, paise in sums.items()]
    rows = ["Consumer,Date,Amount", *rows, ""]
    (lists / day / "power.csv").write_text("\n".join(rows))
    council.done(ending(first.sequence, recall=True))

    offices = [Office(tmp_path, name, day) for name in ("early", "late")]
    codes = (Exit.DONE, Exit.FINDINGS)
    for office, code in zip(offices, codes, strict=True):
        found = office.close(shell, paid, code)
        # An instruction that was never written stays so, and that alone is in the way.
        why = found["in_the_way"]
        assert len(why) == (code is Exit.FINDINGS), why
        assert all("was not written" in one for one in why)
        assert len(list(office.files.glob("*/P*.xml"))) == (code is Exit.DONE)
        # What was collected is to be released again; all else is matched.
        assert office.open() == [("scroll", "not released")]
        assert found["breaks"] == 1
        assert found["to_bank_paise"] == OTHER
        [one] = office.report()["instructions"]
        assert (one["recalled_payments"], one["recalled_paise"]) == (1, PAISE)
        [match] = office.report()["matches"]
        assert match["bank"]["released"] == match["bank"]["booked"] == OTHER
        assert match["bank"]["not_passed_on"] == PAISE

    # It is paid anew, by another number, and the bank books that one.
    second = released(council)
    paid.append((second.number, PAISE))
    for office, code in zip(offices, codes, strict=True):
        found = office.close(shell, paid, code)
        assert office.open() == []
        assert (found["breaks"], found["to_bank_paise"]) == (0, PAISE + OTHER)
        [match] = office.report()["matches"]
        assert match["bank"]["released"] == match["bank"]["booked"] == PAISE + OTHER
        shown = office.show(shell)
        [line] = [line for line in shown.splitlines() if line.startswith(f"│ {day}")]
        # Amount, and to the bank.
        assert line.count("₹131.15") == 2, shown
        # Nothing lies about by which a bank would pay what was taken back.
        for path in office.files.rglob("*"):
            if first.number.encode() in (path.read_bytes() if path.is_file() else b""):
                assert path.name.startswith("P")
                assert office is offices[0]
