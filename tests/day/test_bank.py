"""Goal: what a day proves of its bank holds on a right day, and fails with one thing
wrong.

Method: the bank's book of a small day is made by the simulated bank, the ledger's side
by hand as it should be; then one thing is changed.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from switch.day.bank import Banked, Mistake
from switch.day.bank_proofs import (
    prove_again,
    prove_explained,
    prove_lines,
    prove_mirror,
)
from switch.day.channel import Taken
from switch.day.proof import Books, Proof
from switch.sample import load_sample
from switch.simulator.bank import SimulatedBank
from switch.v1 import admin_pb2, banks_pb2

CENTRES = [one.id for one in load_sample().centres[:3]]
Account = admin_pb2.Account


@dataclass
class Told:
    """A day as it was."""

    bank: SimulatedBank
    banked: Banked
    account: banks_pb2.BankAccount
    before: Books
    after: Books
    open_count: int = 0

    @property
    def proofs(self) -> list[Proof]:
        return [
            prove_mirror(self.bank, self.account, self.after),
            prove_lines(self.before, self.after, self.banked),
            prove_explained(self.banked, self.after, self.open_count),
            prove_again(self.banked),
        ]

    @property
    def failed(self) -> set[int]:
        return {at for at, one in enumerate(self.proofs) if not one.ok}


def books(mirror: tuple[int, int], suspense: int = 0, by_hand: int = 0) -> Books:
    """What came in and what went out of the bank."""
    kinds = admin_pb2
    return Books(
        [
            Account(kind=kinds.ACCOUNT_KIND_FLOAT, participant="treasury"),
            Account(
                kind=kinds.ACCOUNT_KIND_BANK,
                participant="treasury",
                debits_posted=mirror[0],
                credits_posted=mirror[1],
            ),
            Account(
                kind=kinds.ACCOUNT_KIND_BANK_SUSPENSE,
                participant="treasury",
                credits_posted=suspense,
            ),
            Account(
                kind=kinds.ACCOUNT_KIND_FLOAT,
                participant="treasury",
                debits_posted=by_hand,
            ),
        ],
        1,
    )


@pytest.fixture
def told() -> Told:
    """A day before, and one with two requests, of which one was wrong; a centre that
    cannot ask; one who pays twice and a stranger; two returns and a payout.
    """
    bank = SimulatedBank("0123456789", dt.date(2026, 3, 2))
    bank.receive(1_000, "the day before")
    bank.close()
    for at, centre in enumerate([*CENTRES, CENTRES[0], "NOBODY"]):
        bank.receive(500 + at, "something", party=centre)
    bank.close()
    bank.pay(503, "RETURN", CENTRES[0])
    bank.pay(504, "RETURN", "NOBODY")
    bank.pay(700, "PAYOUT", "cesc")
    bank.close()
    banked = Banked(
        statements=2,
        lines=8,
        requested=2,
        by_evidence=1,
        cannot_ask=1,
        to_wallets=2,
        returned=2,
        payouts=1,
        paid_out=700,
        again=Taken(0, 0, 0),
        movements=bank.movements[1:],
    )
    banked.mistakes.update([Mistake.AMOUNT, Mistake.TWICE, Mistake.STRANGER])
    account = banks_pb2.BankAccount(balance=bank.balance)
    account.statement.number = 3
    account.statement.closing = bank.balance
    return Told(bank, banked, account, books((1_000, 0)), books((1_000 + 2_510, 1_707)))


def test_a_right_day_proves_right(told: Told) -> None:
    assert told.failed == set()
    # What a centre has is what it has sent less what went back to it.
    assert told.banked.credited == dict(zip(CENTRES, (500, 501, 502), strict=True))


def _untold(told: Told) -> None:
    told.bank.receive(1, "after the last statement")


def _mirror(told: Told) -> None:
    told.account.balance -= 1


def _unlisted(told: Told) -> None:
    told.account.unlisted = 1


def _older(told: Told) -> None:
    told.account.statement.number = 2


def _no_line(told: Told) -> None:
    told.after = books((1_000 + 2_511, 1_708))


def _by_hand(told: Told) -> None:
    told.after = books((1_000 + 2_510, 1_707), by_hand=1)


def _no_evidence(told: Told) -> None:
    told.banked.by_evidence = 0


def _too_much_evidence(told: Told) -> None:
    told.banked.by_evidence = 2


def _not_ended(told: Told) -> None:
    told.banked.to_wallets -= 1


def _waits(told: Told) -> None:
    told.open_count = 1


def _in_suspense(told: Told) -> None:
    told.after = books((1_000 + 2_510, 1_707), suspense=1)


def _taken_again(told: Told) -> None:
    told.banked.again = Taken(0, 1, 0)


def _not_sent_again(told: Told) -> None:
    told.banked.again = None


def _rows_again(told: Told) -> None:
    told.banked.again_rows = 1


def _refused_again(told: Told) -> None:
    told.banked.again = Taken(0, 0, 0, ("STATEMENT_GAP",))


def _a_line_more(told: Told) -> None:
    one = told.banked.movements[0]
    told.banked.movements = [*told.banked.movements, replace(one, change=1)]


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (_untold, {0}),
        (_mirror, {0}),
        (_unlisted, {0}),
        (_older, {0}),
        # No net of it: what came in and went out again without a line is seen.
        (_no_line, {1}),
        (_by_hand, {1}),
        (_a_line_more, {1}),
        (_no_evidence, {2}),
        (_too_much_evidence, {2}),
        (_not_ended, {2}),
        (_waits, {2}),
        (_in_suspense, {2}),
        (_taken_again, {3}),
        (_not_sent_again, {3}),
        (_rows_again, {3}),
        (_refused_again, {3}),
    ],
)
def test_one_thing_wrong_is_seen(
    told: Told, change: Callable[[Told], None], failed: set[int]
) -> None:
    change(told)
    assert told.failed == failed
