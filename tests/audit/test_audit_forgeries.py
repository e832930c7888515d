"""Goal: a journal that no honest switch could have written is found, by its own check.

Method: the clean story goes on, once with what may be and once with what may not; the
two differ in just that. The one has no finding, the other has them in one check alone.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit import audit
from switch.codes import AccountKind, CaseType, KeyRule, Kind, Role, RowFlag
from tests.audit.journal_story import (
    HARNESS,
    HOUR,
    MINUTE,
    NEXT,
    SECOND,
    WORD,
    X0,
    X1,
    A,
    B,
    Story,
    Y,
    failed,
)
from tests.audit.journal_writer import NEVER, UNVERIFIED, Row
from tests.audit.told_story import (
    going_on,
    s_payable,
    written,
)

Tell = Callable[[Story], object]
Pair = tuple[str, Tell, Tell]
"""The check that finds it, what may be, and what may not."""

UPDATE = int(RowFlag.UPDATE)
RELEASES, KEEPS = 3, 5
"""Services, by what their deadline does."""


def paid(s: Story) -> Row:
    """A payment that can be refunded."""
    row = s.pay(A, 1, 3_000, "BILL-90")
    s.commit()
    return row


def held(s: Story) -> Row:
    """An open hold."""
    row = s.hold(A, 900, "HOLD-90")
    s.commit()
    return row


def kept(s: Story) -> Row:
    """A hold that outlived its deadline."""
    return next(row for row in s.rows if row.reference == b"KEPT-2")


def ended(s: Story, service: int, before_ns: int, word: bytes = b"") -> None:
    """A hold that is voided so long before its deadline."""
    hold = s.pay(A, service, 900, "HOLD-90", kind=Kind.HOLD, deadline=60)
    s.commit()
    s.now = hold.timestamp + MINUTE - before_ns
    s.resolve(Kind.VOID, hold, word=word)


def late(s: Story) -> Row:
    """A hold that was confirmed after its money went back."""
    hold = held(s)
    s.resolve(Kind.VOID, hold, word=WORD)
    s.case(hold, CaseType.LATE_CONFIRMATION)
    s.commit()
    return hold


def refund_of_another(s: Story) -> None:
    """Two people asked for another sum."""
    row = paid(s)
    s.approve(s.asked(Kind.REFUND, row, 200, b"paid twice"))
    s.refund(row, 201).checker = SECOND


def refund_twice(s: Story) -> None:
    """One approval, two refunds of its content."""
    row = paid(s)
    s.refunded_by_two(row, 200)
    s.refund(row, 200).checker = SECOND


def refund_before(s: Story) -> None:
    """The approval comes after what it lets happen."""
    row = paid(s)
    asked = s.asked(Kind.REFUND, row, 200, b"paid twice")
    s.refund(row, 200).checker = SECOND
    s.approve(asked)


def refund_by_another(s: Story) -> None:
    """Its checker is not who approved it."""
    row = paid(s)
    s.approve(s.asked(Kind.REFUND, row, 200, b"paid twice"))
    s.refund(row, 200).checker = 1


def correction(s: Story, *, asked: bool) -> None:
    hold = late(s)
    proposal = s.asked(Kind.TRANSFER, hold, 900, b"credited")
    if asked:
        s.approve(proposal)
    s.moved_by(proposal, hold.debit, hold.credit)


def settling(s: Story, sender: int) -> None:
    s.pay(A, 1, 3_000, "BILL-90")
    window = s.window()
    s.settle(window, X0, s_payable(window, X0)).participant = sender


def of_heads(s: Story, before: list[int], after: list[int], biller: int = 5) -> None:
    """A service whose record says other heads."""
    s.service(6, 1, 2, biller, before)
    s.service(6, 1, 2, biller, after, flags=UPDATE)


def periodic(s: Story, reference: str) -> None:
    s.service(6, 1, 2, 5, [Y], key=KeyRule.REFERENCE_PERIOD)
    s.pay(A, 6, 3_000, reference)


def switched_off(s: Story, active: int) -> None:
    s.participant(2, Role.CENTRE, b"centre-a", active, flags=UPDATE)
    s.pay(A, 1, 3_000, "BILL-90", participant=HARNESS)


def service_off(s: Story, active: int) -> None:
    s.service(4, 1, 1, 5, [Y], active=active, flags=UPDATE)
    s.pay(A, 4, 3_000, "FEE")


def ending(s: Story, *, ends: bool, keep: bool = False, groups: int = 17) -> None:
    """A hold, and many groups after it was due."""
    for sequence, due in list(s.images.holds.items()):
        if due not in (NEVER, UNVERIFIED):
            s.now = due
            s.resolve(Kind.EXPIRE, s.rows[sequence - 1])
    if keep:
        hold = s.pay(A, 5, 900, "KEPT-90", kind=Kind.HOLD, deadline=60)
    else:
        hold = s.hold(A, 900, "HOLD-90", deadline=60)
    s.commit()
    s.now += MINUTE
    if ends and keep:
        s.case(hold, CaseType.DEADLINE_PASSED)
    elif ends:
        s.resolve(Kind.EXPIRE, hold)
    for number in range(groups):
        s.top_up(A, 100, f"UTR-{number}")
        s.commit()
        s.now += HOUR


def late_by(s: Story, late_ns: int) -> None:
    """Many groups left a hold behind, all of them so long after it was due."""
    ending(s, ends=True, groups=0)
    hold = s.hold(A, 900, "HOLD-91", deadline=60)
    s.commit()
    s.now = hold.timestamp + MINUTE + late_ns
    for number in range(17):
        s.top_up(A, 100, f"UTR-LATE-{number}")
        s.commit()
        s.now += 1_000
    s.now += MINUTE
    s.resolve(Kind.EXPIRE, hold)


def rules(s: Story, *versions: int) -> None:
    """By these from here on; what was told before is by the first ones."""
    s.forget_claims()
    for place, version in enumerate(versions):
        s.add(
            Kind.REGISTER,
            id=bytes(16),
            participant=0,
            debit=1,
            tail=struct.pack("<B3xI", 4, version) + b"{}",
            flags=UPDATE if place else 0,
        )


def refund_of_closed(s: Story, *, closed: bool) -> None:
    """A payment to an account that was settled and has closed since."""
    rules(s, 1)
    s.open(NEXT, 5, 1, AccountKind.BILLER)
    s.service(6, 1, 2, 5, [NEXT])
    payment = s.pay(A, 6, 700, "BILL-90", credit=NEXT)
    window = s.window()
    s.settle(window, NEXT, 700)
    s.commit()
    if closed:
        s.add(Kind.CLOSE, debit=NEXT, reference=b"gone")
    s.refunded_by_two(payment, 700)


def proposing(s: Story, account: int) -> None:
    rules(s, 1)
    s.asked(Kind.REFUND, paid(s), 200, b"paid twice").debit = account


def two_of(kind: Kind) -> Tell:
    return lambda s: s.resolve(kind, held(s), word=WORD)


PAIRS: dict[str, Pair] = {
    "refund by one": (
        "approvals",
        lambda s: s.refunded_by_two(paid(s), 200),
        lambda s: s.refund(paid(s), 200),
    ),
    "refund of another sum": (
        "approvals",
        lambda s: s.refunded_by_two(paid(s), 200),
        refund_of_another,
    ),
    "refund twice": (
        "approvals",
        lambda s: s.refunded_by_two(paid(s), 200),
        refund_twice,
    ),
    "refund before": (
        "approvals",
        lambda s: s.refunded_by_two(paid(s), 200),
        refund_before,
    ),
    "refund by another": (
        "approvals",
        lambda s: s.refunded_by_two(paid(s), 200),
        refund_by_another,
    ),
    "correction by one": (
        "approvals",
        lambda s: correction(s, asked=True),
        lambda s: correction(s, asked=False),
    ),
    "release by one": (
        "approvals",
        lambda s: s.ended_by_two(Kind.VOID, kept(s)),
        lambda s: s.resolve(Kind.VOID, kept(s)),
    ),
    "release of what is due and has no case yet": (
        "approvals",
        lambda s: ended(s, KEEPS, 1),
        lambda s: ended(s, KEEPS, 0),
    ),
    "release without a word": (
        "approvals",
        lambda s: ended(s, KEEPS, 0, WORD),
        lambda s: ended(s, KEEPS, 0),
    ),
    "release of what its deadline does not release": (
        "approvals",
        lambda s: ended(s, RELEASES, 0),
        lambda s: ended(s, KEEPS, 0),
    ),
    "post without a word": (
        "evidence",
        two_of(Kind.POST),
        lambda s: s.resolve(Kind.POST, held(s)),
    ),
    "top-up by a centre": (
        "senders",
        lambda s: s.top_up(A, 500, "UTR-9"),
        lambda s: setattr(s.top_up(A, 500, "UTR-9"), "participant", 2),
    ),
    "top-up by nobody": (
        "senders",
        lambda s: s.top_up(A, 500, "UTR-9"),
        lambda s: setattr(s.top_up(A, 500, "UTR-9"), "participant", 99),
    ),
    "settle by a harness": (
        "senders",
        lambda s: settling(s, SECOND),
        lambda s: settling(s, HARNESS),
    ),
    "freeze by a centre": (
        "senders",
        lambda s: s.add(Kind.FREEZE, debit=B, reference=b"why"),
        lambda s: s.add(Kind.FREEZE, debit=B, reference=b"why", participant=2),
    ),
    "limit by a biller": (
        "senders",
        lambda s: s.add(Kind.LIMIT, debit=B, tail=struct.pack("<QII", 9, 5, 0)),
        lambda s: s.add(
            Kind.LIMIT, debit=B, tail=struct.pack("<QII", 9, 5, 0), participant=4
        ),
    ),
    "shift of another's wallet": (
        "senders",
        lambda s: s.shift(B, 500, 500, participant=3),
        lambda s: s.shift(B, 500, 500, participant=2),
    ),
    "another's wallet": (
        "senders",
        lambda s: s.pay(A, 1, 3_000, "BILL-90", participant=HARNESS),
        lambda s: s.pay(A, 1, 3_000, "BILL-90", participant=3),
    ),
    "another's wallet held": (
        "senders",
        lambda s: s.hold(A, 900, "HOLD-90", participant=HARNESS),
        lambda s: s.hold(A, 900, "HOLD-90", participant=3),
    ),
    "a biller pays": (
        "senders",
        lambda s: s.pay(A, 1, 3_000, "BILL-90"),
        lambda s: s.pay(A, 1, 3_000, "BILL-90", participant=4),
    ),
    "inactive centre": (
        "senders",
        lambda s: switched_off(s, 1),
        lambda s: switched_off(s, 0),
    ),
    "inactive service": (
        "services",
        lambda s: service_off(s, 1),
        lambda s: service_off(s, 0),
    ),
    "space behind a bill": (
        "fields",
        lambda s: s.pay(A, 1, 3_000, "BILL-90"),
        lambda s: s.pay(A, 1, 3_000, "BILL-1 "),
    ),
    "space before a bill": (
        "fields",
        lambda s: s.pay(A, 1, 3_000, "BILL-90"),
        lambda s: s.pay(A, 1, 3_000, " BILL-1"),
    ),
    "space behind a bank reference": (
        "fields",
        lambda s: s.top_up(A, 500, "UTR-9"),
        lambda s: s.top_up(A, 500, "UTR-9 "),
    ),
    "no period": (
        "services",
        lambda s: periodic(s, "METER-1/2026-04"),
        lambda s: periodic(s, "METER-1"),
    ),
    "no such month": (
        "services",
        lambda s: periodic(s, "METER-1/2026-12"),
        lambda s: periodic(s, "METER-1/2026-13"),
    ),
    "a head that is gone": (
        "services",
        lambda s: of_heads(s, [Y, Y], [Y, Y, Y]),
        lambda s: of_heads(s, [Y, Y], [Y]),
    ),
    "a head that is another": (
        "services",
        lambda s: of_heads(s, [X0, X1], [X0, X1, X0], biller=4),
        lambda s: of_heads(s, [X0, X1], [X1, X0], biller=4),
    ),
    "due and never ended": (
        "deadlines",
        lambda s: ending(s, ends=True),
        lambda s: ending(s, ends=False),
    ),
    "due for longer than a clock is ahead": (
        "deadlines",
        lambda s: late_by(s, MINUTE - 1_000_000),
        lambda s: late_by(s, MINUTE),
    ),
    "due and never a case": (
        "deadlines",
        lambda s: ending(s, ends=True, keep=True),
        lambda s: ending(s, ends=False, keep=True),
    ),
    "deadline beyond the bound": (
        "deadlines",
        lambda s: s.hold(A, 900, "HOLD-90", deadline=31 * 86_400),
        lambda s: s.hold(A, 900, "HOLD-90", deadline=31 * 86_400 + 1),
    ),
    "no deadline": (
        "deadlines",
        lambda s: s.hold(A, 900, "HOLD-90", deadline=1),
        lambda s: s.hold(A, 900, "HOLD-90", deadline=0),
    ),
    "refund out of a closed account": (
        "accounts",
        lambda s: refund_of_closed(s, closed=False),
        lambda s: refund_of_closed(s, closed=True),
    ),
    "proposal that names an account": (
        "cases",
        lambda s: proposing(s, 0),
        lambda s: proposing(s, 2**32 - 1),
    ),
    "rules that go back": (
        "services",
        lambda s: rules(s, 1, 1),
        lambda s: rules(s, 1, 0),
    ),
}


def found_in(path: Path, tell: Tell) -> set[str]:
    s = going_on()
    tell(s)
    if s.group:
        s.commit()
    return failed(audit(written(path, s.groups)))


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_and_its_twin_is_not(tmp_path: Path, name: str) -> None:
    check, right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {check}


def test_who_asked_does_not_approve(tmp_path: Path) -> None:
    """The approval is none, and so nothing stands behind the refund."""

    def alone(s: Story) -> None:
        row = paid(s)
        asked = s.asked(Kind.REFUND, row, 200, b"paid twice")
        s.approve(asked).participant = 1
        s.refund(row, 200).checker = 1

    assert found_in(tmp_path, alone) == {"approvals", "cases"}


def test_a_kept_hold_may_end_long_after_its_case(tmp_path: Path) -> None:
    def tell(s: Story) -> None:
        ending(s, ends=True, keep=True)
        hold = next(row for row in s.rows if row.reference == b"KEPT-90")
        s.resolve(Kind.POST, hold, word=WORD)

    assert found_in(tmp_path, tell) == set()


def test_a_few_full_groups_may_leave_a_hold_behind(tmp_path: Path) -> None:
    """Requests that were answered before take room and leave no row."""
    assert found_in(tmp_path, lambda s: ending(s, ends=False, groups=15)) == set()


def test_results_of_later_rules_are_refusals(tmp_path: Path) -> None:
    assert found_in(tmp_path, lambda s: s.pay(A, 1, 9, "X", result=250)) == set()
