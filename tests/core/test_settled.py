"""Goal: a biller is paid out at most what was settled for its account, and once,
whatever was approved twice; the ledger knows after each opening how much it was.

Method: payouts and recalls of two accounts with beneficiaries, settled from what their
centre has paid and from what an opening has put into settlement; asked for at the last
paisa; before and after openings, with the index and without, with accounts in segments
that lag. A journal of older rules, written by hand, has paid out more than was settled.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import Ledger
from switch.codes import BENEFICIARY_WAIT_S, AccountKind, Result
from tests.audit.journal_writer import write_journal
from tests.audit.payout_story import PayoutDesk
from tests.audit.people_story import HEAD as STORY_HEAD
from tests.core.cashier import (
    RESTS,
    TRANSIT,
    Cashier,
    beneficiary,
    ended,
    ending,
    transfer,
)
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    FLOAT,
    HEAD,
    OK,
    SECOND_NS,
    SETTLEMENT,
    WALLET,
    Asked,
    no_row,
    register,
    top_up,
)
from tests.signing import Line

EXCEEDS = Result.EXCEEDS_SETTLED
SECOND_HEAD = 12
WAIT_NS = BENEFICIARY_WAIT_S * SECOND_NS


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """Two accounts of a biller; 5,000 on settlement that nobody was settled."""
    made = Cashier(tmp_path / "ledger").begin()
    made.open((BILLER, 1, AccountKind.BILLER))
    made.tell(top_up(20_000, b"FIRST"), transfer(5_000, FLOAT, SETTLEMENT))
    yield made
    ended(made)


def payees(cashier: Cashier) -> tuple[int, int]:
    """The rows of both beneficiaries, who have waited."""
    told = cashier.tell(*(register(beneficiary(one)) for one in (HEAD, SECOND_HEAD)))
    cashier.now += WAIT_NS
    return told[0].sequence, told[1].sequence


def payout(named: int, amount: int) -> Line:
    return ending(named, amount, SETTLEMENT, TRANSIT)


def back(released: int, amount: int) -> Line:
    return ending(released, amount, TRANSIT, SETTLEMENT)


def wanted(cashier: Cashier, *lines: Line) -> Asked:
    asked = cashier.propose(ALPHA, *lines)
    assert cashier.approve(BETA, asked).result == OK
    return asked


def figures(ledger: Ledger, account: int = HEAD) -> tuple[int, int]:
    """What the image of an account says was settled, and paid out."""
    image, _ = ledger.account(account)
    return int(image["settled"]), int(image["paid_out"])


@pytest.mark.parametrize("how", RESTS)
def test_one_debt_is_paid_once(cashier: Cashier, how: str) -> None:
    named, _ = payees(cashier)
    cashier.settle(700)
    old, new = wanted(cashier, payout(named, 700)), wanted(cashier, payout(named, 700))
    assert cashier.lines(new, 1, BETA)[0].result == OK
    cashier.rest(how)
    cashier.now += 20 * WAIT_NS
    told = cashier.lines(old, 1, BETA)[0]
    no_row(cashier, told, EXCEEDS)
    assert told.other == 0
    assert figures(cashier.ledger) == (700, 700)
    assert cashier.withdraw(ALPHA, old).result == OK
    cashier.rest(how)
    no_row(cashier, cashier.lines(old, 1, BETA)[0], Result.NOT_APPROVED)


@pytest.mark.parametrize("how", RESTS)
def test_it_is_asked_at_the_last_paisa(cashier: Cashier, how: str) -> None:
    named, other = payees(cashier)
    no_row(cashier, cashier.told(payout(named, 1)), EXCEEDS)
    cashier.settle(700)
    cashier.settle(50, SECOND_HEAD)
    cashier.rest(how)
    no_row(cashier, cashier.told(payout(named, 701)), EXCEEDS)
    assert cashier.told(payout(named, 300)).result == OK
    cashier.rest(how)
    no_row(cashier, cashier.told(payout(named, 401)), EXCEEDS)
    no_row(cashier, cashier.told(payout(other, 51)), EXCEEDS)
    assert cashier.told(payout(named, 400)).result == OK
    no_row(cashier, cashier.told(payout(named, 1)), EXCEEDS)
    assert cashier.told(payout(other, 50)).result == OK
    cashier.rest(how)
    assert figures(cashier.ledger) == (700, 700)
    assert figures(cashier.ledger, SECOND_HEAD) == (50, 50)


@pytest.mark.parametrize("how", RESTS)
def test_what_came_back_is_paid_again(cashier: Cashier, how: str) -> None:
    named, other = payees(cashier)
    cashier.settle(700)
    released = cashier.told(payout(named, 700)).sequence
    image, _ = cashier.ledger.account(HEAD)
    cashier.rest(how)
    # Whoever is another's beneficiary by now: it was of this account.
    cashier.told(register(beneficiary(HEAD, b"1")))
    assert cashier.told(back(released, 700)).result == OK
    cashier.rest(how)
    assert figures(cashier.ledger) == (700, 0)
    assert figures(cashier.ledger, SECOND_HEAD) == (0, 0)
    # No total has moved, and so nothing that its history could show.
    assert cashier.ledger.account(HEAD)[0]["changed"] == image["changed"]
    cashier.now += WAIT_NS
    newest = int(cashier.ledger.records(13)[1])
    assert cashier.told(payout(newest, 700)).result == OK
    no_row(cashier, cashier.told(payout(newest, 1)), EXCEEDS)
    no_row(cashier, cashier.told(payout(other, 1)), EXCEEDS)


def test_lines_count_one_behind_the_other(cashier: Cashier) -> None:
    named, _ = payees(cashier)
    cashier.settle(700)
    asked = wanted(cashier, *(payout(named, each) for each in (500, 300, 200)))
    told = cashier.lines(asked, 3, BETA)
    assert [each.result for each in told] == [OK, EXCEEDS, OK]
    # The one that waits is done when more is settled.
    cashier.settle(300)
    assert cashier.lines(asked, 3, BETA)[1].result == OK


@pytest.mark.parametrize("how", RESTS)
def test_what_was_opened_is_given_first(cashier: Cashier, how: str) -> None:
    named, _ = payees(cashier)
    no_row(cashier, cashier.told(payout(named, 5_000)), EXCEEDS)
    cashier.settle(5_000, from_=SETTLEMENT)
    cashier.rest(how)
    assert figures(cashier.ledger) == (5_000, 0)
    assert cashier.told(payout(named, 5_000)).result == OK
    assert cashier.balance(SETTLEMENT) == 0


def test_before_the_first_beneficiary_it_counts_for_nobody(cashier: Cashier) -> None:
    cashier.settle(700)
    early = cashier.told(payout(0, 3_000))
    assert early.result == OK
    assert figures(cashier.ledger) == (700, 0)
    payees(cashier)
    assert cashier.told(back(early.sequence, 3_000)).result == OK
    assert figures(cashier.ledger) == (700, 0)


def test_who_was_paid_more_before_gets_nothing_yet(tmp_path: Path) -> None:
    """By rules before 17: out of what an opening has put into settlement."""
    desk = PayoutDesk(rules=16)
    named = desk.benefits()
    desk.now += WAIT_NS
    release = desk.pays_out_unasked(named, 500)
    write_journal(tmp_path / "ledger", [[row] for row in desk.rows])
    ledger = Ledger(
        str(tmp_path / "ledger"), create=False, map_size=1 << 30, reserve_size=0,
        threads=False, index_step_rows=16,
    )  # fmt: skip
    assert release.amount == 500
    assert figures(ledger, STORY_HEAD) == (0, 500)
    while ledger.index_step():
        pass
    assert figures(ledger, STORY_HEAD) == (0, 500)
    ledger.close()


@pytest.mark.parametrize("seed", range(3))
def test_images_in_segments_that_lag(tmp_path: Path, seed: int) -> None:
    """Whose money it is stands in another segment than the accounts that it moves."""
    rng = random.Random(seed)
    options = {"index_segments_least": 1, "index_step_rows": 16}
    cashier = Cashier(tmp_path / "ledger", **options).begin()
    cashier.tell(top_up(900_000, b"FIRST"))
    heads = [HEAD]
    for part in range(3):
        purposes = range(1 + 520 * part, 521 + 520 * part)
        cashier.open(*((BILLER, one, AccountKind.BILLER) for one in purposes))
        heads.append(len(cashier.ledger.accounts()[0]) - 1)
    told = cashier.tell(*(register(beneficiary(one)) for one in heads))
    named = {head: one.sequence for head, one in zip(heads, told, strict=True)}
    cashier.now += WAIT_NS
    settled, paid = Counter[int](), Counter[int]()
    open_: list[tuple[int, int, int]] = []
    for _ in range(60):
        head, amount = rng.choice(heads), rng.randrange(1, 900)
        draw = rng.randrange(3)
        if draw == 0:
            cashier.settle(amount, head)
            settled[head] += amount
        elif draw == 1 or not open_:
            one = cashier.told(payout(named[head], amount))
            room = settled[head] - paid[head]
            assert one.result == (OK if amount <= room else EXCEEDS)
            if one.result == OK:
                paid[head] += amount
                open_.append((head, one.sequence, amount))
        else:
            whose, released, much = open_.pop(rng.randrange(len(open_)))
            assert cashier.told(back(released, much)).result == OK
            paid[whose] -= much
        while rng.random() < 0.7 and cashier.ledger.index_step():
            pass
        if rng.random() < 0.3:
            cashier.reopen()
        for head in heads:
            expected = settled[head], paid[head]
            assert figures(cashier.ledger, head) == expected
    assert cashier.balance(WALLET) == 900_000 - settled.total()
    ended(cashier)
