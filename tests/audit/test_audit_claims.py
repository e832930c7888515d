"""Goal: a bill that is paid twice, or by a quotation from before its last release, is
found, and so are claims that are taken, released or refused where they should not.

Method: as in `test_audit_forgeries`, twins that differ in just that.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from switch.audit import bills, takers
from switch.codes import KeyRule, Kind, Result, RowFlag
from tests.audit import price_story as p
from tests.audit.journal_story import (
    HOUR,
    MINUTE,
    ONCE,
    PARTIAL,
    RECENT,
    STATED,
    WORD,
    A,
    B,
    Story,
)
from tests.audit.journal_writer import Row
from tests.audit.price_story import BELOW, DUE
from tests.audit.test_audit_forgeries import Pair, Tell, found_in

R = Result
RELEASE = int(RowFlag.RELEASE)
End = Callable[[Story, Row], object]


def flagged(flags: int, **f: object) -> Tell:
    """A bill that is held, the flags of its row turned over."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        p.held(s, A, 6, DUE, "BILL-90", **f).flags ^= flags

    return tell


def flagged_within(flags: int) -> Tell:
    def tell(s: Story) -> None:
        p.open_service(s)
        s.pay(A, 6, DUE, "ACCOUNT-1").flags ^= flags

    return tell


def flagged_stated(flags: int) -> Tell:
    def tell(s: Story) -> None:
        p.bill_service(s)
        p.stated(s, A, 6, DUE, "BILL-90").flags ^= flags

    return tell


def voided(s: Story, hold: Row) -> Row:
    return s.resolve(Kind.VOID, hold, word=WORD)


def posted(s: Story, hold: Row) -> Row:
    return s.resolve(Kind.POST, hold, word=WORD)


def expired(s: Story, hold: Row) -> Row:
    s.now = hold.timestamp + 3_600 * 10**9
    return s.resolve(Kind.EXPIRE, hold)


def verified(s: Story, hold: Row) -> Row:
    expired(s, hold)
    s.now += MINUTE
    return s.verify(hold, WORD)


def refunded(s: Story, hold: Row) -> Row:
    post = posted(s, hold)
    s.commit()
    return s.refunded_by_two(post, post.amount)


def refunded_in_part(s: Story, hold: Row) -> Row:
    post = posted(s, hold)
    s.commit()
    return s.refunded_by_two(post, post.amount - 1)


def left(s: Story, hold: Row) -> Row:
    return hold


def again(
    end: End, age: int | None = None, rule: int = BELOW, **service: object
) -> Tell:
    """A bill that is held and ended, and paid again by a quotation that is fetched
    `age` nanoseconds after that; None for none: its sender states what is due.
    """

    def tell(s: Story) -> None:
        p.bill_service(s, **service)  # type: ignore[arg-type]
        name = "CIT-1" if service else "BILL-90"
        hold = p.held(s, A, 6, DUE, name, amount_rule=rule)
        row = end(s, hold)
        assert isinstance(row, Row)
        s.now = max(s.now, row.timestamp + MINUTE)
        s.commit()
        if age is not None:
            fetched = row.timestamp + age
            p.quoted(s, B, 6, DUE, name, amount_rule=rule, fetched=fetched)
        else:
            p.stated(s, B, 6, DUE, name)

    return tell


def copied(kind: Kind, flags: int) -> Tell:
    """What ends a hold, or refunds it, with other flags than its payment's."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        row = p.stated(s, A, 6, DUE, "BILL-90", kind=Kind.HOLD, deadline=60)
        row = s.resolve(Kind.VOID if kind == Kind.VOID else Kind.POST, row, word=WORD)
        if kind == Kind.REFUND:
            s.commit()
            row = s.refunded_by_two(row, DUE - 1)
        row.flags ^= flags

    return tell


def released(end: End, flags: int, *, retaken: End | None = None) -> Tell:
    """The row that ends a bill, its flags turned over; perhaps it was taken again."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        hold = p.held(s, A, 6, DUE, "BILL-90", amount_rule=BELOW)
        if retaken is None:
            row = end(s, hold)
        else:
            post = posted(s, hold)
            s.now += HOUR
            s.commit()
            retaken(s, p.held(s, B, 6, DUE, "BILL-90", amount_rule=BELOW))
            s.commit()
            row = s.refunded_by_two(post, DUE)
            if retaken is left:
                row.flags &= ~RELEASE
        assert isinstance(row, Row)
        row.flags ^= flags

    return tell


def exact_posted(flags: int) -> Tell:
    def tell(s: Story) -> None:
        p.bill_service(s)
        posted(s, p.held(s, A, 6, DUE, "BILL-90")).flags ^= flags

    return tell


def refused_after(end: End, age: int, result: Result = R.INSUFFICIENT_FUNDS) -> Tell:
    """A payment that is refused, by a quotation of so long after the end."""

    def tell(s: Story) -> None:
        p.bill_service(s, amount_rule=BELOW, amount_max=0)
        hold = p.held(s, A, 6, DUE, "BILL-90", amount_rule=BELOW)
        row = end(s, hold)
        assert isinstance(row, Row)
        s.now = max(s.now, row.timestamp + MINUTE)
        s.commit()
        more: dict[str, object] = {"result": result, "due": 10**18}
        if result == R.BILL_ALREADY_CLAIMED:
            more["total"] = hold.sequence
        fetched = row.timestamp + age
        amount = 10**17
        p.quoted(s, B, 6, amount, "BILL-90", amount_rule=BELOW, fetched=fetched, **more)

    return tell


def claimed_by(which: int) -> Tell:
    """Refused as claimed: two have held the bill, one after the other."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        first = p.held(s, A, 6, DUE, "BILL-90")
        void = voided(s, first)
        s.now += HOUR
        second = p.held(s, A, 6, DUE, "BILL-90", fetched=void.timestamp + 1)
        s.commit()
        p.quoted(
            s,
            B,
            6,
            DUE,
            "BILL-90",
            result=R.BILL_ALREADY_CLAIMED,
            total=(first, second)[which].sequence,
        )

    return tell


BILLS: dict[str, Pair] = {
    "no reference claim": ("claims", flagged(0), flagged(RECENT)),
    "no claim of a bill": ("claims", flagged(0), flagged(ONCE)),
    "a partial claim of an exact bill": ("claims", flagged(0), flagged(PARTIAL)),
    "no partial claim": (
        "claims",
        flagged(0, amount_rule=BELOW),
        flagged(PARTIAL, amount_rule=BELOW),
    ),
    "a claim of a bill within hours": (
        "claims",
        flagged_within(0),
        flagged_within(ONCE),
    ),
    "no claim within hours": ("claims", flagged_within(0), flagged_within(RECENT)),
    "a reference claim of what was stated": (
        "claims",
        flagged_stated(0),
        flagged_stated(RECENT),
    ),
    "paid again what is held": ("claims", again(voided, 1), again(left, 1)),
    "stated again what is held": ("claims", again(voided), again(left)),
    "paid again what was posted": (
        "claims",
        again(posted, 1),
        again(posted, 1, p.EXACT),
    ),
    "paid again what is refunded in part": (
        "claims",
        again(refunded, 1, p.EXACT),
        again(refunded_in_part, 1, p.EXACT),
    ),
    "an old quotation behind a void": ("claims", again(voided, 1), again(voided, -1)),
    "a quotation of the void's own time": (
        "claims",
        again(voided, 1),
        again(voided, 0),
    ),
    "an old quotation behind a verify": (
        "claims",
        again(verified, 1),
        again(verified, -1),
    ),
    "paid again what has expired": (
        "claims",
        again(verified, 1),
        again(expired, 1),
    ),
    "an old quotation behind a refund": (
        "claims",
        again(refunded, 1),
        again(refunded, -1),
    ),
    "an old quotation behind a part": ("claims", again(posted, 1), again(posted, -1)),
    "a part that does not release": (
        "claims",
        released(posted, 0),
        released(posted, RELEASE),
    ),
    "a post that does not say that its dues were stated": (
        "holds",
        copied(Kind.POST, 0),
        copied(Kind.POST, STATED),
    ),
    "a post with a reference claim": (
        "holds",
        copied(Kind.POST, 0),
        copied(Kind.POST, RECENT),
    ),
    "a void with a partial claim": (
        "holds",
        copied(Kind.VOID, 0),
        copied(Kind.VOID, PARTIAL),
    ),
    "a refund that does not say that its dues were stated": (
        "refunds",
        copied(Kind.REFUND, 0),
        copied(Kind.REFUND, STATED),
    ),
    "a refund with a partial claim": (
        "refunds",
        copied(Kind.REFUND, 0),
        copied(Kind.REFUND, PARTIAL),
    ),
    "a whole that releases": ("claims", exact_posted(0), exact_posted(RELEASE)),
    "a refund that does not release once more": (
        "claims",
        released(refunded, 0),
        released(refunded, RELEASE),
    ),
    "a refund that releases what another holds": (
        "claims",
        released(refunded, 0, retaken=left),
        released(refunded, RELEASE, retaken=left),
    ),
    "a refund that does not release what another has had": (
        "claims",
        released(refunded, 0, retaken=voided),
        released(refunded, RELEASE, retaken=voided),
    ),
    "refused by an old quotation": (
        "claims",
        refused_after(voided, 1),
        refused_after(voided, -1),
    ),
    "refused as claimed by an old quotation": (
        "refusals",
        refused_after(left, -1, R.BILL_ALREADY_CLAIMED),
        refused_after(voided, 1, R.BILL_ALREADY_CLAIMED),
    ),
    "refused as claimed by who has it no longer": (
        "refusals",
        claimed_by(1),
        claimed_by(0),
    ),
}


@pytest.mark.parametrize("name", BILLS)
def test_a_forgery_is_found_and_its_twin_is_not(tmp_path: Path, name: str) -> None:
    check, right, forged = BILLS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {check}


def test_bills_by_month_are_of_citizen_and_month(tmp_path: Path) -> None:
    """The same month again is the same bill, another is another; both are recent."""

    def tell(s: Story, month: int, result: Result, **f: object) -> None:
        p.bill_service(s, key=KeyRule.REFERENCE_PERIOD)
        periods = {"period": 2026 * 12 + 3}
        first = p.held(s, A, 6, DUE, "CIT-1/2026-04", **periods)
        s.now += HOUR
        s.commit()
        name, f["period"] = f"CIT-1/2026-{month:02}", 2026 * 12 + month - 1
        p.quoted(s, B, 6, DUE, name, result=result, total=first.sequence, **f)

    claimed, recent = R.BILL_ALREADY_CLAIMED, R.PAID_RECENTLY
    for at, (month, result, found) in enumerate(
        (
            (4, claimed, set()),
            (5, claimed, {"refusals"}),
            (5, recent, set()),
            (4, recent, {"refusals"}),
        )
    ):
        story = partial(tell, month=month, result=result)
        assert found_in(tmp_path / str(at), story) == found


def test_hashes_that_are_alike_are_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like one bill, or one reference, is read again before it is said."""

    def alike(seed: int, *words: "np.ndarray") -> "np.ndarray":
        return np.full(len(words[0]), seed, dtype=np.uint64)

    monkeypatch.setattr(bills, "mix", alike)
    monkeypatch.setattr(takers, "mix", alike)
    # What was kept was judged without that.
    monkeypatch.setattr("tests.audit.again._kept", {})

    def tell(s: Story) -> None:
        p.bill_service(s, rule=3, hours=5)
        p.open_service(s, 7)
        for at in range(5):
            s.pay(A, 7, DUE, f"REF-{at}")
            p.quoted(s, A, 6, DUE, f"CIT-{at}", citizen=f"CIT-{at}")
            s.pay(A, 1, DUE, f"BILL-9{at}")

    # Refusals name the row in their way: of one that is named nothing is proven.
    assert found_in(tmp_path / "a", tell) <= {"refusals"}
