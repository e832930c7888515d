"""Goal: nodes of two versions are one cluster while they are upgraded one at a time. As
long as the older rules run, both know the same behind each row; a node of the older
version takes nothing that a later version decides.

Method: a journal written by hand, of rules 16, with all that the images of rules 17 say
more: what was settled, paid out, more than that, and recalled. The state hash must be
the one that the last program of rules 16 has said of these very rows. An index of that
program's format, and of a later one, is made anew. From the rules row on the same
ledger is asked by the rules of now. So it is with rows of people, of rules 18, by which
nobody recovers.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import (
    BENEFICIARY_WAIT_S,
    RULES_VERSION,
    AccountKind,
    Kind,
    Record,
    Result,
    Role,
)
from switch.ledger.opening import open_ledger
from tests.audit.journal_writer import Images, write_journal
from tests.audit.journal_writer import Row as Written
from tests.audit.people_story import SECOND, UNFREEZE, WALLET, Desk
from tests.audit.people_story import top_up as credited
from tests.core.cashier import beneficiary
from tests.core.network import NOW
from tests.core.pair import read_outcome, rows_request
from tests.ledger.test_opening_evidence import set_format
from tests.records import (
    RULES_RECORD,
    AccountRecord,
    Outcome,
    ParticipantRecord,
    Row,
)
from tests.signing import Line

BEFORE = 16
"""The last rules whose images say nothing of what was settled and paid out."""
OF_THEIRS = "7d403701a7d37370"
"""The state hash that the last program of these rules has of these rows."""
OPTIONS: dict[str, Any] = {
    "map_size": 1 << 30,
    "reserve_size": 0,
    "threads": False,
    "index_step_rows": 16,
}
FIGURES = ("settled", "paid_out")
TREASURY, BILLER = 1, 2
FLOAT, SETTLEMENT, TRANSIT, HEAD = 1, 2, 3, 4
ACCOUNTS = (
    AccountRecord(TREASURY, 0, AccountKind.FLOAT),
    AccountRecord(TREASURY, 2, AccountKind.SETTLEMENT),
    AccountRecord(TREASURY, 18, AccountKind.BANK_TRANSIT),
    AccountRecord(BILLER, 0, AccountKind.BILLER),
)


def rules(version: int) -> bytes:
    return struct.pack("<B3xI", Record.RULES, version)


def moved(amount: int, debit: int, credit: int, resolves: int = 0) -> Written:
    return Written(
        Kind.TRANSFER, amount=amount, debit=debit, credit=credit, resolves=resolves
    )


def story(version: int) -> list[Written]:
    """A biller is settled 500 and paid out 900, of which 200 come back."""
    rows: list[Written] = []
    images = Images()

    def add(row: Written) -> int:
        row.sequence = len(rows) + 1
        row.id = b"mixed" + row.sequence.to_bytes(11, "big")
        row.timestamp = NOW + row.sequence
        images.apply(row)
        rows.append(row)
        return row.sequence

    add(Written(Kind.REGISTER, debit=1, tail=rules(version)))
    for index, (code, role) in enumerate(
        ((b"treasury", Role.TREASURY), (b"biller", Role.BILLER)), 1
    ):
        record = ParticipantRecord(code, role).pack()
        add(Written(Kind.REGISTER, debit=index, tail=record))
    for index, account in enumerate(ACCOUNTS, 1):
        add(Written(Kind.OPEN, debit=index, tail=account.pack()))
    named = add(Written(Kind.REGISTER, debit=1, tail=beneficiary(HEAD)))
    add(moved(1_000, FLOAT, SETTLEMENT))
    add(moved(500, FLOAT, HEAD))
    window = add(Written(Kind.WINDOW, tail=images.lines()))
    add(
        Written(
            *(Kind.SETTLE,), amount=500, resolves=window, debit=HEAD, credit=SETTLEMENT
        )
    )
    add(moved(100, SETTLEMENT, TRANSIT, named))
    released = add(moved(200, SETTLEMENT, TRANSIT, named))
    add(moved(200, TRANSIT, SETTLEMENT, released))
    add(moved(600, SETTLEMENT, TRANSIT, named))
    while len(rows) % 16:
        add(moved(1, FLOAT, SETTLEMENT))
    return rows


def opened(path: Path) -> Ledger:
    return Ledger(str(path), create=False, **OPTIONS)


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger of the rules before."""
    write_journal(tmp_path / "ledger", [story(BEFORE)])
    ledger = opened(tmp_path / "ledger")
    yield ledger
    ledger.close()


def test_by_the_rules_before_nodes_of_both_versions_know_the_same(
    older: Ledger,
) -> None:
    image, _ = older.account(HEAD)
    assert [int(image[name]) for name in FIGURES] == [500, 700]
    sequence, hash_ = older.state_hash()
    assert (sequence, hash_.hex()) == (16, OF_THEIRS)


@pytest.mark.parametrize("number", [9, 11])
def test_an_index_of_another_version_is_made_anew(
    older: Ledger, tmp_path: Path, number: int
) -> None:
    """Of the version before, and of one that was tried and taken back."""
    while older.index_step():
        pass
    before = older.state_hash(), older.accounts()[0].tolist()
    older.close()
    set_format(tmp_path / "ledger", number)
    with open_ledger(tmp_path / "ledger", create=False, **OPTIONS) as again:
        assert (again.index_sequence, again.rules_version) == (16, BEFORE)
        assert (again.state_hash(), again.accounts()[0].tolist()) == before
    assert (tmp_path / "ledger" / "index.aside").exists()
    again = opened(tmp_path / "ledger")
    assert (again.state_hash(), again.accounts()[0].tolist()) == before
    again.close()


def test_who_was_paid_more_by_the_rules_before_waits(tmp_path: Path) -> None:
    """From the rules row on: until as much is settled, or has come back."""
    write_journal(tmp_path / "ledger", [story(BEFORE)])
    ledger = opened(tmp_path / "ledger")
    now, numbers = NOW + 10**9, iter(range(1, 100))

    def ask(kind: int, amount: int = 0, **given: Any) -> Outcome:
        nonlocal ledger, now
        while ledger.index_step():
            pass
        ledger.close()
        ledger = opened(tmp_path / "ledger")
        now += 10**9
        id_ = b"asked" + next(numbers).to_bytes(11, "big")
        id_ = bytes(16) if kind == Kind.WINDOW else id_
        row = Row(kind, id=id_, participant=TREASURY, amount=amount, **given)
        told: Any = ledger.commit([rows_request([row])], now)[0]
        return read_outcome(told[0].tobytes())

    def pay(amount: int) -> int:
        said = {"debit": SETTLEMENT, "credit": TRANSIT, "resolves": 8}
        return ask(Kind.TRANSFER, amount, reference=b"paid", **said).result

    now += BENEFICIARY_WAIT_S * 10**9
    assert ask(Kind.REGISTER, tail=RULES_RECORD).result == Result.OK
    assert ledger.rules_version == RULES_VERSION
    assert pay(1) == Result.EXCEEDS_SETTLED
    given = {"debit": FLOAT, "credit": HEAD, "reference": b"owed"}
    assert ask(Kind.TRANSFER, 200, **given).result == Result.OK
    window = ask(Kind.WINDOW, resolves=ledger.last_window)
    given = {"debit": HEAD, "credit": SETTLEMENT, "reference": bytes(32)}
    settled = ask(Kind.SETTLE, 200, resolves=window.sequence, **given)
    assert settled.result == Result.OK
    # As much was paid.
    assert pay(1) == Result.EXCEEDS_SETTLED
    given = {"debit": TRANSIT, "credit": SETTLEMENT, "reference": b"came back"}
    assert ask(Kind.TRANSFER, 600, resolves=16, **given).result == Result.OK
    assert pay(601) == Result.EXCEEDS_SETTLED
    assert pay(600) == Result.OK
    assert pay(1) == Result.EXCEEDS_SETTLED
    image, _ = ledger.account(HEAD)
    assert [int(image[name]) for name in FIGURES] == [700, 700]
    ledger.close()


# --- rules 18: nobody recovers --------------------------------------------------------

UNRECOVERED = 18
OF_PEOPLE = "d10e2fdcb99db0ae"
"""The state hash that the last program of these rules has of the rows below."""


def people_of(path: Path) -> Desk:
    """Three people, who top up, stop, start again, and leave proposals open."""
    desk = Desk(rules=UNRECOVERED)
    desk.done(credited(500))
    desk.approve(desk.stop(), SECOND)
    back = Line(Kind.FREEZE, debit=WALLET, reference=b"found", flags=UNFREEZE)
    desk.done(back)
    while len(desk.rows) % 16:
        desk.propose([credited(7, b"UTR-%d" % len(desk.rows))])
    assert desk.found(path) == {}
    return desk


def test_before_anybody_recovers_both_versions_know_the_same(tmp_path: Path) -> None:
    people_of(tmp_path / "ledger")
    ledger = opened(tmp_path / "ledger")
    assert ledger.rules_version == UNRECOVERED
    assert ledger.state_hash()[1].hex() == OF_PEOPLE
    while ledger.index_step():
        pass
    assert ledger.state_hash()[1].hex() == OF_PEOPLE
    ledger.close()
