"""Goal: the auditor asks for a third person by the money that moves, as the core does.

Method: kept payments alone and in a basket, whose posts and voids state one paisa; each
with the flag that it must have and without, and by rules that looked at the statement.
"""

from pathlib import Path

import pytest

from switch.codes import AmountRule, Kind, Mode, Policy, PriceRule, Role, RowFlag
from tests.audit.journal_writer import Row
from tests.audit.people_story import (
    BILLER,
    CENTRE,
    HEAD,
    MAKER,
    SECOND,
    THIRD,
    WALLET,
    Desk,
    register,
    top_up,
)
from tests.records import ParticipantRecord, ServiceRecord

EACH = 900
"""Paise of a payment: below `single` alone, above it as one of two."""
DEADLINE_S = 60
KEEP = int(RowFlag.KEEP)


def kept(
    desk: Desk, *amounts: int, policy: Policy = Policy.KEEP, flags: int = KEEP
) -> list[Row]:
    """Payments in one basket, or one alone, that are kept behind their deadline; or
    have expired, by another policy.
    """
    biller = ParticipantRecord(b"person-%d" % BILLER, Role.BILLER, may_state_dues=0)
    desk.done(register(biller.pack()), debit=BILLER, flags=int(RowFlag.UPDATE))
    service = ServiceRecord(
        b"WATER",
        BILLER,
        (HEAD,),
        mode=Mode.CONFIRMED,
        deadline_policy=policy,
        deadline_s=DEADLINE_S,
        price_rule=PriceRule.OPEN,
        amount_rule=AmountRule.MIN_MAX,
        amount_min=100,
        amount_max=10_000,
    )
    desk.done(register(service.pack()), debit=1)
    for number, amount in enumerate(amounts):
        line = top_up(amount, b"UTR-%d" % number)
        desk.done(line, third=amount > 1_000)
    about = {
        "participant": CENTRE,
        "debit": WALLET,
        "credit": HEAD,
        "service": 1,
    }
    holds = []
    for index, amount in enumerate(amounts):
        basket = len(amounts) << 8 | index if len(amounts) > 1 else 0
        more = {"amount": amount, "basket": basket, "reference": b"BILL-%d" % index}
        row = desk.add(Kind.HOLD, deadline=DEADLINE_S, flags=flags, **about, **more)
        holds.append(row)
    desk.joined.update(row.sequence for row in holds[1:])
    desk.now += DEADLINE_S * 10**9
    for number, hold in enumerate(holds):
        said = {"id": bytes(16), "resolves": hold.sequence, "reference": hold.reference}
        if flags:
            row = desk.add(Kind.CASE, **about, **said, total=3, flags=flags)
        else:
            said |= {"amount": hold.amount, "basket": hold.basket}
            row = desk.add(Kind.EXPIRE, **about, **said)
        if number:
            desk.joined.add(row.sequence)
    return holds


def ask(desk: Desk, kind: int, hold: Row, *, third: bool) -> Row:
    """What is to become of it, stated as one paisa."""
    return desk.signed(
        Kind.PROPOSE,
        MAKER,
        amount=1,
        total=kind,
        resolves=hold.sequence,
        reference=b"not known",
        flags=THIRD if third else 0,
    )


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize(
    ("kind", "amounts", "third"),
    [
        (Kind.POST, (1_000,), False),
        (Kind.POST, (1_001,), True),
        (Kind.VOID, (1_000,), False),
        (Kind.VOID, (1_001,), True),
        (Kind.POST, (EACH, EACH), False),
        (Kind.VOID, (EACH, EACH), True),
    ],
)
def test_what_moves_is_judged(
    tmp_path: Path, kind: Kind, amounts: tuple[int, ...], third: bool, forged: bool
) -> None:
    desk = Desk()
    *_, hold = kept(desk, *amounts)
    row = ask(desk, kind, hold, third=third != forged)
    text = f"{row.sequence}: its flags do not say whether a third person is needed"
    assert desk.found(tmp_path) == ({"people": [text]} if forged else {})


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize(
    ("amounts", "third"), [((1_000,), False), ((1_001,), True), ((EACH, EACH), True)]
)
def test_a_verify_weighs_what_it_has_handed_out(
    tmp_path: Path, amounts: tuple[int, ...], third: bool, forged: bool
) -> None:
    desk = Desk()
    *_, hold = kept(desk, *amounts, policy=Policy.RELEASE, flags=0)
    row = ask(desk, Kind.VERIFY, hold, third=third != forged)
    text = f"{row.sequence}: its flags do not say whether a third person is needed"
    assert desk.found(tmp_path) == ({"people": [text]} if forged else {})


@pytest.mark.parametrize("forged", [False, True])
def test_a_day_adds_up_what_moves(tmp_path: Path, forged: bool) -> None:
    """A person's day has a bound of 9,000 in this ledger; ten voids move 10,000."""
    desk = Desk()
    [hold] = kept(desk, 1_000)
    desk.now += 86_400 * 10**9
    for number in range(10):
        past = number == 9
        row = ask(desk, Kind.VOID, hold, third=past and not forged)
    text = f"{row.sequence}: its flags do not say whether a third person is needed"
    assert desk.found(tmp_path) == ({"people": [text]} if forged else {})


def test_earlier_rules_looked_at_what_was_stated(tmp_path: Path) -> None:
    desk = Desk(rules=13)
    [hold] = kept(desk, 5_000)
    asked = ask(desk, Kind.POST, hold, third=False)
    desk.approve(asked, SECOND)
    assert desk.found(tmp_path) == {}
