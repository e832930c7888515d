"""Goal: who was paid out more than was settled is found, by whatever way, and who was
refused for that had a cause; what an account was settled and paid out is what the
ledger's index says.

Method: twins, as in `test_audit_people`; one refused row that is right, and beside it
one that is not; images of the tests' own, right and forged.
"""

from pathlib import Path

import pytest

from switch.audit import audit
from switch.codes import AccountKind, Kind, Result
from tests.audit.bank_story import TRANSIT
from tests.audit.journal_writer import Images, Row, write_index, write_journal
from tests.audit.payout_story import (
    Forgery,
    PayoutDesk,
    beneficiary,
    found_by_its_words,
)
from tests.audit.people_story import BILLER, DAY, HEAD, SETTLEMENT
from tests.audit.test_audit_payouts_refused import HUGE, NEW, PAYOUT, Told
from tests.records import AccountRecord
from tests.signing import Line

OTHER_HEAD = 13
TOO_MUCH = "it pays out more than was settled"
EXCEEDS = Result.EXCEEDS_SETTLED


def aged(desk: PayoutDesk, head: int = HEAD, place: int = 1) -> Row:
    """A beneficiary that all have seen for a day."""
    row = desk.benefits(beneficiary(head), debit=place)
    desk.now += DAY
    return row


def pays(desk: PayoutDesk, about: Row, amount: int = 500) -> Row:
    return desk.pays_out_unasked(about, amount, filled=True)


def comes_back(desk: PayoutDesk, release: Row) -> None:
    number, amount = release.sequence, release.amount
    desk.done(Line(Kind.TRANSFER, amount, number, TRANSIT, SETTLEMENT, b"back"))


def a_paisa_more(desk: PayoutDesk, forged: bool) -> None:
    one = aged(desk)
    desk.settles(500)
    desk.fills(SETTLEMENT, 1)
    pays(desk, one, 501 if forged else 500)


def twice(desk: PayoutDesk, forged: bool) -> None:
    one = aged(desk)
    desk.settles(500)
    desk.fills(SETTLEMENT, 500)
    release = pays(desk, one)
    if not forged:
        comes_back(desk, release)
    pays(desk, one)


def before_it_comes_back(desk: PayoutDesk, forged: bool) -> None:
    one = aged(desk)
    desk.settles(500)
    desk.fills(SETTLEMENT, 500)
    release = pays(desk, one)
    if forged:
        pays(desk, one)
    comes_back(desk, release)
    if not forged:
        pays(desk, one)


def before_it_is_settled(desk: PayoutDesk, forged: bool) -> None:
    one = aged(desk)
    desk.fills(SETTLEMENT, 500)
    if forged:
        pays(desk, one)
    desk.settles(500)
    if not forged:
        pays(desk, one)


def another_s(desk: PayoutDesk, forged: bool) -> None:
    line = Line(Kind.OPEN, tail=AccountRecord(BILLER, 1, AccountKind.BILLER).pack())
    desk.done(line, debit=OTHER_HEAD)
    one, two = aged(desk), aged(desk, OTHER_HEAD, 2)
    desk.settles(500, OTHER_HEAD)
    pays(desk, one if forged else two)


def opened(desk: PayoutDesk, forged: bool) -> None:
    """What lies in settlement is given first."""
    one = aged(desk)
    desk.fills(SETTLEMENT, 500)
    if not forged:
        desk.settles(500)
    pays(desk, one)


FORGERIES: dict[str, Forgery] = {
    tell.__name__.replace("_", " "): ("payouts", TOO_MUCH, tell)
    for tell in (
        *(a_paisa_more, twice, before_it_comes_back),
        *(before_it_is_settled, another_s, opened),
    )
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    check, text, tell = FORGERIES[name]
    found_by_its_words(tmp_path, check, text, tell)


def test_from_the_rules_on_it_is_judged(tmp_path: Path) -> None:
    """What was paid out before counts: from there on there is no room."""
    desk = PayoutDesk(rules=16)
    one = aged(desk)
    desk.fills(SETTLEMENT, 900)
    pays(desk, one, 700)
    assert desk.found(tmp_path / "before") == {}
    desk.rules(17)
    desk.settles(800)
    pays(desk, one, 100)
    assert desk.found(tmp_path / "right") == {}
    pays(desk, one, 1)
    [text] = desk.found(tmp_path / "wrong")["payouts"]
    assert TOO_MUCH in text


REFUSED = {
    "of too much": ({"resolves": NEW, "amount": HUGE}, True),
    "of what there is": ({"resolves": NEW}, False),
    "of another row": ({"resolves": 3, "amount": HUGE}, False),
    "of nobody": ({"amount": HUGE}, False),
    "with a row in the way": ({"resolves": NEW, "total": NEW, "amount": HUGE}, False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_was_refused_had_a_cause(tmp_path: Path, name: str) -> None:
    fields, right = REFUSED[name]
    told = Told()
    told.story.now += DAY
    said = {**PAYOUT, "reference": b"paid", "result": EXCEEDS, **fields}
    found = told.found(tmp_path, **said)
    assert [": refusals: " in one for one in found] == ([] if right else [True])


def test_who_was_refused_what_there_was(tmp_path: Path) -> None:
    """It is judged by what was settled until then, and not since."""
    found = []
    for amount in (501, 500):
        desk = PayoutDesk()
        one = aged(desk)
        desk.settles(500)
        number = one.sequence
        # Where people are it leaves no row; the amount is judged all the same.
        desk.add(
            Kind.TRANSFER, amount=amount, resolves=number, debit=SETTLEMENT,
            credit=TRANSIT, reference=b"paid", result=EXCEEDS,
        )  # fmt: skip
        desk.settles(500)
        texts = desk.found(tmp_path / str(amount)).get("refusals", [])
        found.append(any("so much was settled" in text for text in texts))
    assert found == [False, True]


@pytest.mark.parametrize("name", ["settled", "paid_out"])
def test_images_say_what_rows_say(tmp_path: Path, name: str) -> None:
    desk = PayoutDesk()
    one = aged(desk)
    release = desk.pays_out(one)
    comes_back(desk, release)
    pays(desk, one, 300)
    while len(desk.rows) % 16:
        desk.fills(HEAD, 1)
    images = Images()
    for row in desk.rows:
        images.apply(row)
    told = images.accounts[HEAD]
    assert (told["settled"], told["paid_out"]) == (500, 300)
    for path, more in ((tmp_path / "right", 0), (tmp_path / "wrong", 1)):
        told[name] += more
        write_journal(path, [[row] for row in desk.rows])
        write_index(path, images, len(desk.rows))
        found = [one.check for one in audit(path).findings.kept]
        assert found == ["index"] * more
