"""Goal: whoever approves sees what it is about: the payment of a proposal, with its
receipt and reference, what a payout's account was settled and paid out, which release a
recall takes back; and a switch that tells of something else is not believed.

Method: messages by hand; no server.
"""

import dataclasses
import datetime as dt

import pytest

from switch.cli.abouts import about_facts, about_text, amount_text
from switch.cli.approved_breaks import breaks_of, show_proposals, wrong_with
from switch.cli.signing import ABOVE, NO_RELEASE, NOT_KNOWN, behind, warnings_of
from switch.codes import Kind
from switch.console.output import Screen
from switch.console.words import Language
from switch.errors import SwitchError, UsageError
from switch.matching.breaks import Break, Type
from switch.matching.decisions import proposal_id
from switch.signed import Line
from switch.v1 import banks_pb2, people_pb2, proposals_pb2, types_pb2

ENGLISH = Language.ENGLISH
NOON_NS = 1_795_762_800 * 10**9
"""2026-11-27 in IST."""
NUMBER = "B20261127-AAAAAAAAAAAAAAAA"
DAY = dt.date(2026, 11, 27)


def proposal(kind: int, about: types_pb2.Entry | None = None) -> proposals_pb2.Proposal:
    proposed = types_pb2.Entry(
        sequence=80,
        proposal_kind=kind,  # type: ignore[arg-type]
        resolves=71,
        id=proposal_id(NUMBER, 3),
    )
    hold = types_pb2.Entry(
        sequence=70, biller="power", head="0801", reference="C-1", amount=4_500
    )
    made = proposals_pb2.Proposal(proposed=proposed)
    if about is not None:
        made.about.CopyFrom(about)
        made.payment.CopyFrom(hold)
    return made


POST = types_pb2.Entry(
    sequence=71,
    kind=types_pb2.ENTRY_KIND_POST,
    receipt=12,
    centre="bsk-1",
    time_ns=NOON_NS,
)
CASE = types_pb2.Entry(
    sequence=71,
    kind=types_pb2.ENTRY_KIND_CASE,
    case_type=types_pb2.CASE_TYPE_AMOUNT_DIFFERS,
    reported_amount=4_400,
)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (POST, "71 (of payment 70): power/0801, bsk-1/2026-27/000012, C-1, ₹45.00"),
        (CASE, "71 (of payment 70): amount differs, power/0801, C-1, ₹45.00, ₹44.00"),
        # What is damaged at the switch is no more than its number.
        (None, "71"),
    ],
)
def test_what_a_proposal_is_about(about: types_pb2.Entry | None, text: str) -> None:
    assert about_text(proposal(6, about), ENGLISH) == text


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (POST, "70 (confirmed by entry 71)"),
        (CASE, "70"),
        (types_pb2.Entry(sequence=71, kind=types_pb2.ENTRY_KIND_PAY), "70"),
    ],
)
def test_the_payment_that_was_asked_for_is_named(
    about: types_pb2.Entry, text: str
) -> None:
    """A refund names a payment's confirmation; who asks has the payment's entry."""
    facts = about_facts(proposal(6, about), ENGLISH)
    assert facts[0] == ("payment", text)
    assert dict(facts).keys() >= {"biller", "reference", "paid"}


def test_another_entry_than_is_named() -> None:
    other = types_pb2.Entry(sequence=72)
    with pytest.raises(SwitchError, match="shown entry 72 for 71"):
        about_text(proposal(6, other), ENGLISH)


@pytest.mark.parametrize(
    ("kind", "amount", "text"),
    [
        (types_pb2.PROPOSAL_KIND_CLOSE_CASE, 0, "nothing moves"),
        (types_pb2.PROPOSAL_KIND_VOID, 0, "the whole"),
        (types_pb2.PROPOSAL_KIND_REFUND, 100, "₹1.00"),
        (types_pb2.PROPOSAL_KIND_LINES, 0, "₹0.00"),
    ],
)
def test_no_amount_is_not_none(kind: int, amount: int, text: str) -> None:
    assert amount_text(kind, amount, ENGLISH) == text


MISSING = Break(
    number=NUMBER,
    type=Type.MISSING_THERE,
    biller="power",
    day=DAY,
    since=DAY,
    by="id",
    key="00",
    entry=71,
)


@pytest.mark.parametrize(
    ("number", "known", "why"),
    [
        (NUMBER, MISSING, ""),
        (NUMBER, dataclasses.replace(MISSING, entry=72), "another payment"),
        (NUMBER, None, "no break of the file"),
        ("B20261127-BBBBBBBBBBBBBBBB", MISSING, "was not proposed for"),
    ],
)
def test_a_proposal_is_of_its_break(number: str, known: Break | None, why: str) -> None:
    breaks = {number: known} if known else {}
    found = wrong_with(number, proposal(6), breaks)
    assert why in found
    assert bool(found) is bool(why)


def test_whoever_approves_sees_break_and_payment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables: list[list[tuple[str, ...]]] = []
    monkeypatch.setattr(Screen, "table", lambda _, __, rows, **___: tables.append(rows))
    screen = Screen(as_json=False, language=ENGLISH)
    one = proposal(types_pb2.PROPOSAL_KIND_REFUND, POST)
    one.proposed.amount, one.proposed.reference = 500, "letter 9"
    known = dataclasses.replace(MISSING, amount_here=4_500)
    show_proposals([(NUMBER, 80), ("X70", 81)], {80: one}, {NUMBER: known}, screen)
    [[told]] = tables
    assert told == (
        *(NUMBER, "missing there", "₹45.00", "", "80", "refund"),
        *("71 (of payment 70): power/0801, bsk-1/2026-27/000012, C-1, ₹45.00", "₹5.00"),
        *("letter 9", ""),
    )


def test_nobody_approves_breaks_unseen() -> None:
    assert breaks_of(None, [("X70", 80)]) == {}
    with pytest.raises(UsageError, match="--of FILE"):
        breaks_of(None, [("X70", 80), (NUMBER, 81)])


@pytest.mark.parametrize(
    ("what", "line", "found"),
    [
        ("payout", {"settled": 1_000, "paid_out": 400}, []),
        ("payout", {"settled": 1_000, "paid_out": 401}, [ABOVE]),
        ("payout", {"settled": 1_000, "paid_out": 1, "in_lines_before": 400}, [ABOVE]),
        ("payout", {}, [NOT_KNOWN]),
        ("recall", None, [NO_RELEASE]),
    ],
)
def test_what_stands_behind_a_payout(
    what: str, line: dict[str, int] | None, found: list[str]
) -> None:
    message = people_pb2.ProposedLine()
    if line is not None:
        message.beneficiary.CopyFrom(banks_pb2.Beneficiary(sequence=5))
    if line:
        message.standing.CopyFrom(people_pb2.PayoutStanding(**line))
    packed = Line(Kind.TRANSFER, amount=600, resolves=5)
    assert warnings_of(message, packed, what) == found
    assert len(behind(message, ENGLISH)) == len(line or {})
    if what == "recall":
        message.release.sequence = 5
    else:
        message.done_sequence = 90
    assert warnings_of(message, packed, what) == []
