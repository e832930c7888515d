"""Goal: cash is handed out once, of what gave it back to the wallet of whom hands it
out, with its amount, and not while its biller says that it has the money; who was
refused had a cause.

Method: twins, told by one function each: the same rows once right, without a finding,
and once with one thing forged, every check of the bytes right.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.codes import Kind, Result
from tests.audit.again import audit
from tests.audit.counter_story import DESK, NOBODY, CounterDesk
from tests.audit.doubt_story import (
    LATE,
    Make,
    Pairs,
    Tell,
    corrected,
    expired,
    judge,
    kept,
    posted,
    posted_in_part,
    told,
    voided,
)
from tests.audit.journal_story import WORD, A, B, Story
from tests.audit.journal_writer import Row
from tests.audit.test_audit_forgeries import rules
from tests.audit.told_story import going_on, written

R = Result
CARD = 2 << 12
OWNER = {A: 2, B: 3}
"""Whose the wallets of the story are."""


def hand_out(s: Story, back: Row | int, **fields: Any) -> Row:
    """The cash of a row that gave it back, as it must be said."""
    said: dict[str, Any] = {"debit": A, "participant": OWNER[A], "operator_": 1}
    said |= {"resolves": back, "amount": 900}
    if isinstance(back, Row):
        said |= {"resolves": back.sequence, "amount": back.amount}
        said["flags"] = back.flags & 0x3000
    return s.add(Kind.HANDED_OUT, **{**said, **fields})


def end_of(s: Story, hold: Row) -> Row:
    """The row that ended a hold."""
    kinds = Kind.POST, Kind.VOID, Kind.EXPIRE
    return next(
        row for row in s.rows if row.resolves == hold.sequence and row.kind in kinds
    )


def refund(s: Story) -> Row:
    """Of all of a payment."""
    paid = end_of(s, posted(s))
    return s.refunded_by_two(paid, 900)


def expiry(s: Story) -> Row:
    return end_of(s, expired(s))


def rejection(s: Story) -> Row:
    """A biller's word about what was kept."""
    row = s.resolve(Kind.VOID, kept(s), word=WORD)
    s.commit()
    return row


def by_two(s: Story) -> Row:
    return s.ended_by_two(Kind.VOID, kept(s))


BACKS: dict[str, Make] = {
    "a refund": refund,
    "an expiry": expiry,
    "a late rejection": rejection,
    "two people": by_two,
}


def with_(make: Make, **wrong: Any) -> tuple[Tell, Tell]:
    """Right, and with something wrong."""
    return lambda s: hand_out(s, make(s)), lambda s: hand_out(s, make(s), **wrong)


def twice(s: Story) -> None:
    back = refund(s)
    hand_out(s, back)
    s.commit()
    hand_out(s, back)


def each(s: Story) -> None:
    hand_out(s, refund(s))
    s.commit()
    hand_out(s, refund(s))


def of_part(amount: int) -> Tell:
    def tell(s: Story) -> None:
        hand_out(s, end_of(s, posted_in_part(s)), amount=amount)

    return tell


def in_doubt(*, verified: bool) -> Tell:
    """A late confirmation that is open, or answered."""

    def tell(s: Story) -> None:
        back = expired(s)
        s.case(back, LATE)
        s.commit()
        if verified:
            s.verify(back, WORD)
            s.commit()
        hand_out(s, end_of(s, back))

    return tell


def before_its_word(s: Story) -> None:
    """What was handed out before anybody said that it is credited stays right."""
    back = expired(s)
    hand_out(s, end_of(s, back))
    s.commit()
    s.case(back, LATE)


def of_corrected(s: Story) -> None:
    """The void of a payment that was made after all."""
    hold = expired(s)
    s.case(hold, LATE)
    s.commit()
    s.corrected_by_two(hold)
    s.commit()
    hand_out(s, end_of(s, hold))


def of_corrected_in_part(amount: int, paid: int = 700) -> Tell:
    """What is left of a payment of 900 that was made after all in part."""

    def tell(s: Story) -> None:
        hold = expired(s)
        s.case(hold, LATE)
        s.commit()
        s.corrected_by_two(hold, paid)
        s.commit()
        hand_out(s, end_of(s, hold), amount=amount)

    return tell


NOTHING = "what it names gave nothing back that is handed out"
RIGHT = with_(refund)[0]
FORGERIES: Pairs = {
    "twice": ("handouts", "the same was handed out before", each, twice),
    "more": ("handouts", "gave back another amount", *with_(refund, amount=901)),
    "less": ("handouts", "gave back another amount", *with_(expiry, amount=899)),
    "of another's wallet": (
        *("handouts", "no account of its sender"),
        *with_(refund, participant=OWNER[B]),
    ),
    "to another wallet": (
        *("handouts", NOTHING),
        *with_(refund, debit=B, participant=OWNER[B]),
    ),
    "of nothing": ("handouts", NOTHING, *with_(refund, resolves=0)),
    "of a row to come": ("handouts", NOTHING, *with_(refund, resolves=9_999)),
    "of a payment": (
        *("handouts", NOTHING, RIGHT),
        lambda s: hand_out(s, end_of(s, posted(s))),
    ),
    "of a void at once": (
        *("handouts", NOTHING),
        lambda s: hand_out(s, rejection(s)),
        lambda s: hand_out(s, end_of(s, voided(s))),
    ),
    "of what is kept still": (
        *("handouts", NOTHING, RIGHT),
        lambda s: hand_out(s, kept(s)),
    ),
    "all of a part": (
        *("handouts", "gave back another amount"),
        *(of_part(200), of_part(900)),
    ),
    "what was paid of a part": (
        *("handouts", "gave back another amount"),
        *(of_part(200), of_part(700)),
    ),
    "while its biller has it": (
        *("handouts", "its biller says by then"),
        *(in_doubt(verified=True), in_doubt(verified=False)),
    ),
    "of what was corrected": (
        *("handouts", "its biller says by then"),
        *(before_its_word, of_corrected),
    ),
    "all of what was corrected in part": (
        *("handouts", "gave back another amount"),
        *(of_corrected_in_part(200), of_corrected_in_part(900)),
    ),
    "what was paid of that": (
        *("handouts", "gave back another amount"),
        *(of_corrected_in_part(200), of_corrected_in_part(700)),
    ),
    "by card": ("handouts", "how its citizen had paid", *with_(refund, flags=CARD)),
    "unfrozen": ("handouts", "how its citizen had paid", *with_(refund, flags=0x10)),
    "with a note": ("handouts", "how its citizen had paid", *with_(refund, tail=b"x")),
    "with a credit": ("handouts", "where none of its kind", *with_(refund, credit=B)),
    "with a receipt": ("handouts", "where none of its kind", *with_(refund, receipt=1)),
    "with a service": ("handouts", "where none of its kind", *with_(refund, service=1)),
    "with a checker": ("handouts", "where none of its kind", *with_(refund, checker=1)),
    "with a reference": (
        *("fields", "its reference is not one"),
        *with_(refund, reference=b"cash"),
    ),
    "with a total": ("fields", "total is set", *with_(refund, total=1)),
    "of no sum": ("fields", "its amount is none", *with_(refund, amount=0)),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_and_its_twin(tmp_path: Path, name: str) -> None:
    check, text, right, forged = FORGERIES[name]
    if name == "of no sum":
        # Which is not what was given back, either.
        found = told(tmp_path / "forged", forged)
        assert {one for one, _ in found} == {"fields", "handouts"}
        return
    judge(tmp_path, (check, text, right, forged))


@pytest.mark.parametrize("name", BACKS)
def test_what_is_handed_out(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, lambda s: hand_out(s, BACKS[name](s))) == []


def test_who_sends_it(tmp_path: Path) -> None:
    """Nobody but a centre: the treasury has no counter."""
    found = told(tmp_path, lambda s: hand_out(s, refund(s), participant=1))
    assert {check for check, _ in found} == {"handouts", "senders"}


def test_rules_of_before_know_none(tmp_path: Path) -> None:
    def tell(version: int) -> Tell:
        def made(s: Story) -> None:
            rules(s, version)
            hand_out(s, refund(s))

        return made

    assert told(tmp_path / "14", tell(14)) == []
    found = told(tmp_path / "13", tell(13))
    assert ("handouts", "it is not known to rules 13") in found


def test_who_is_at_the_counter(tmp_path: Path) -> None:
    """Of a centre that signs on it names an operator of that, refused or not."""
    for number, checks in ((DESK[1], []), (NOBODY, ["people"])):
        desk = CounterDesk()
        said = {"result": R.PAYMENT_NOT_FOUND, "operator_": number, "amount": 5}
        desk.hand_out(1, **said)
        assert list(desk.found(tmp_path / str(number))) == checks


# --- refused ones ---------------------------------------------------------------------


def refused(result: Result, make: Make, **said: Any) -> Tell:
    def tell(s: Story) -> None:
        back = make(s)
        hand_out(s, back, **{"result": result, **said})

    return tell


def again(s: Story) -> None:
    back = refund(s)
    out = hand_out(s, back)
    s.commit()
    hand_out(s, back, result=R.ALREADY_HANDED_OUT, total=out.sequence)


def doubted(s: Story) -> None:
    hold = expired(s)
    case = s.case(hold, LATE)
    s.commit()
    hand_out(s, end_of(s, hold), result=R.CASES_OPEN, total=case.sequence)


CAUSED: dict[str, Tell] = {
    "again": again,
    "doubted": doubted,
    "no wallet of its sender": refused(R.ACCOUNT_UNKNOWN, refund, debit=B),
    "no wallet": refused(R.ACCOUNT_UNKNOWN, refund, debit=9_999),
    "another amount": refused(R.NET_DIFFERS, refund, amount=1),
    "nothing": refused(R.PAYMENT_NOT_FOUND, refund, resolves=0),
    "another's": refused(R.PAYMENT_NOT_FOUND, refund, debit=B, participant=OWNER[B]),
}
CAUSELESS: dict[str, Tell] = {
    "again": refused(R.ALREADY_HANDED_OUT, refund),
    "doubted": refused(R.CASES_OPEN, expiry),
    "a wallet": refused(R.ACCOUNT_UNKNOWN, refund),
    "its amount": refused(R.NET_DIFFERS, refund),
    "something": refused(R.PAYMENT_NOT_FOUND, rejection),
    "another way": refused(R.ACCOUNT_KIND_WRONG, refund),
    "it could not": refused(R.INSUFFICIENT_FUNDS, refund),
}


@pytest.mark.parametrize("name", CAUSED)
def test_who_was_refused_with_a_cause(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, CAUSED[name]) == []


@pytest.mark.parametrize("name", CAUSELESS)
def test_who_was_refused_without_one(tmp_path: Path, name: str) -> None:
    found = told(tmp_path, CAUSELESS[name])
    assert {check for check, _ in found} == {"refusals"}


def test_no_other_row_is_refused_so(tmp_path: Path) -> None:
    s = going_on()
    s.pay(A, 1, 900, "ONCE-MORE", result=R.ALREADY_HANDED_OUT)
    s.commit()
    report = audit(written(tmp_path, s.groups))
    texts = [one.text for one in report.findings.kept if one.check == "fields"]
    assert texts == ["it is refused for what only cash that is handed out is"]


def test_a_correction_of_another_payment(tmp_path: Path) -> None:
    def tell(s: Story) -> None:
        corrected(s)
        hand_out(s, rejection(s))

    assert told(tmp_path, tell) == []
