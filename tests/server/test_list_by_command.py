"""Goal: an empty list of a day that the shipped command sends gives back no more than
a hundred kept payments, nor little by little, until two people let it through.

Method: a real server on a ledger with people; all of it is typed.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.calendar import ist_date
from switch.codes import Role
from switch.console.list_words import LIST_WORDS
from switch.console.output import Exit
from switch.v1 import billers_pb2
from tests.cli.at_council import Said, Shell
from tests.server.council import (
    ALPHA,
    BETA,
    LAKH,
    Council,
    Name,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE, until
from tests.server.test_list_let_through import held, payable
from tests.server.test_list_let_through import pay as pay_one

FEW, MANY = 60, 70
"""Each is less than a list may lack; together they are more."""
MAP = {
    "by": "id",
    "key": "Id",
    "number": "Number",
    "date": "Date",
    "date_format": "%Y-%m-%d",
    "amount": "Amount",
}


def test_all_that_is_said_of_a_list_has_words() -> None:
    names = {one.name for one in billers_pb2.SendDayListResponse.DESCRIPTOR.fields}
    said = {one for one in names if not one.endswith("_numbers")}
    assert {f"list {one}" for one in said} <= LIST_WORDS.keys()


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    with sitting(tmp_path / "council", "--set", "signatures_per_s=1000") as one:
        one.load(payable())
        one.done(top_up(LAKH))
        one.authority.leaf(Role.BILLER, "power")
        yield one


@pytest.fixture
def shell(council: Council, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(council, capsys)


def pay(council: Council, count: int, first: int) -> None:
    """Payments that their biller hears about in time, and says nothing of."""
    for at in range(first, first + count):
        pay_one(council, RUPEE, f"BILL-{at}")


class Sending:
    """The command of a biller whose file has no line."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self._shell = shell
        map_, file = folder / "map.json", folder / "list.csv"
        map_.write_text(json.dumps(MAP))
        file.write_text("Id,Number,Date,Amount\n")
        day = str(ist_date(time.time_ns()))
        self._words = ["day-list", str(file), "--map", str(map_), "--day", day]
        self._words += ["--as", "biller/power", "--wait", "30"]

    def run(self, *words: str) -> Said:
        return self._shell.run(*self._words, *words)

    def said(self, code: Exit) -> dict[str, Any]:
        [found] = self._shell.said(*self._words, code=code)
        assert isinstance(found, dict)
        return found


def typed(council: Council, by: Name, *words: str) -> tuple[str, ...]:
    """A command that a person signs."""
    key = str(council.key_file(by))
    return (*words, "--as", f"treasury/{by[0]}", "--person", str(by[1]), "--key", key)


def test_an_empty_list_of_a_day(council: Council, shell: Shell, tmp_path: Path) -> None:
    sending = Sending(shell, tmp_path)
    pay(council, FEW, 0)
    # So many it may lack: they are final after a while, and given back.
    assert sending.said(Exit.DONE)["rejected"] == FEW
    assert held(council) == 0
    # With what it has taken before these are too many.
    pay(council, MANY, FEW)
    sending.said(Exit.REFUSED)
    until(lambda: sending.said(Exit.REFUSED)["lacks"]["count"] == FEW + MANY)
    found = sending.said(Exit.REFUSED)
    assert found.keys() == {"lacks"}
    lacks = found["lacks"]
    assert (lacks["count"], len(lacks["numbers"])) == (FEW + MANY, FEW + MANY)
    assert lacks["amount"] == (FEW + MANY) * RUPEE
    # While it waited it was sent again and again.
    left = held(council)
    assert (FEW + MANY) * RUPEE - left <= 100 * RUPEE

    # A person reads it in both languages, with the command for the treasury.
    for language, at in (("en", 0), ("bn", 1)):
        shown = sending.run("--lang", language)
        assert shown.code == Exit.REFUSED
        out = " ".join(shown.out.split())
        assert " ".join(LIST_WORDS["list too little"][at].split()) in out
        assert f"{LIST_WORDS['list lacks'][at]} {FEW + MANY} " in out
        assert f"₹{FEW + MANY}.00" in out
        [command] = [one for one in shown.out.splitlines() if "network set" in one]
        assert f"'day_list={lacks['let_through']}'" in command

    # One proposes it: that is one person, and nothing is let through.
    wanted = f"day_list={lacks['let_through']}"
    words = ("network", "set", "power", wanted, "--yes")
    done = shell.run(*typed(council, ALPHA, *words))
    assert done.code == Exit.DONE, done
    [proposal] = [
        one.proposed.sequence
        for page in council.client().proposal_pages()
        for one in page.proposals
    ]
    assert sending.said(Exit.REFUSED) == found
    same = shell.run(*typed(council, ALPHA, "approve", str(proposal), "--yes"))
    assert same.code == Exit.REFUSED
    assert sending.said(Exit.REFUSED) == found
    done = shell.run(*typed(council, BETA, "approve", str(proposal), "--yes"))
    assert done.code == Exit.DONE, done
    assert sending.said(Exit.REFUSED) == found
    assert shell.run("do", str(proposal)).code == Exit.DONE
    assert sending.said(Exit.DONE)["rejected"] == left // RUPEE
    assert held(council) == 0

    # It is let through with what people saw, however often it is sent.
    assert sending.said(Exit.DONE) == {}
    pay(council, 1, FEW + MANY)
    assert sending.said(Exit.REFUSED)["lacks"]["count"] == FEW + MANY + 1
    assert held(council) == RUPEE
