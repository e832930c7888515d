"""Goal: what ends kept holds, proposals and their answers, and which services release,
are as the rules say; each wrong is found by words of its own.

Method: twins, as in `test_audit_doubts`.
"""

from pathlib import Path

import pytest

from switch.codes import PROPOSE_ADVANCE, AccountKind, Kind, Role, RowFlag
from tests.audit.doubt_story import (
    DIFFERS,
    Make,
    Pairs,
    Tell,
    expired,
    held,
    judge,
    kept,
    late,
    posted,
    voided,
)
from tests.audit.journal_story import (
    HOUR,
    KEEP,
    MINUTE,
    NEXT,
    SECOND,
    WORD,
    A,
    B,
    Story,
    Y,
)

RELEASE, UPDATE = int(RowFlag.RELEASE), int(RowFlag.UPDATE)
MONTH = 30 * 24 * HOUR


def ended(kind: Kind, how: str, flags: int = 0) -> Tell:
    """What ends a kept hold, by a word, two people or nobody; its flags turned over."""

    def tell(s: Story) -> None:
        hold = kept(s)
        if how == "two":
            s.ended_by_two(kind, hold)
        else:
            s.resolve(kind, hold, word=WORD if how == "word" else b"")
        s.rows[-1].flags ^= flags

    return tell


def checked_by(checker: int) -> Tell:
    """A post that says who has approved it."""

    def tell(s: Story) -> None:
        s.ended_by_two(Kind.POST, kept(s)).checker = checker

    return tell


def post_in_part(asked: int, amount: int) -> Tell:
    def tell(s: Story) -> None:
        hold = kept(s)
        s.ended_by_two(Kind.POST, hold, asked)
        s.rows[-1].amount = amount

    return tell


def expiry(*, keeps: bool = False, flags: int = 0) -> Tell:
    """What is due has its row; perhaps a case has kept it before."""

    def tell(s: Story) -> None:
        hold = held(s)
        if keeps:
            s.case(hold, DIFFERS)
        s.now = hold.timestamp + MINUTE
        s.resolve(Kind.EXPIRE, hold).flags ^= flags

    return tell


def approval(after_ns: int, *, before: str = "") -> Tell:
    """A refund approved so long after the proposal, which had another answer before."""

    def tell(s: Story) -> None:
        payment = s.pay(A, 1, 3_000, "BILL-90")
        s.commit()
        asked = s.asked(Kind.REFUND, payment, 200, b"paid twice")
        s.commit()
        s.now = asked.timestamp + after_ns
        if before == "withdrawn":
            s.add(Kind.WITHDRAW, resolves=asked.sequence, reference=b"x")
        elif before == "approved":
            s.approve(asked)
        if before != "left":
            s.approve(asked)

    return tell


def withdrawal(*answers: str, sender: int = 1) -> Tell:
    def tell(s: Story) -> None:
        hold = kept(s)
        asked = s.asked(Kind.POST, hold, 200, b"so it says")
        for answer in answers:
            if answer == "approve":
                s.approve(asked)
            elif answer == "do":
                done = s.resolve(Kind.POST, hold, 200)
                done.checker, done.total = SECOND, asked.sequence
            else:
                s.add(
                    Kind.WITHDRAW,
                    resolves=asked.sequence,
                    reference=b"x",
                    participant=sender,
                )

    return tell


def withdrawal_beside(role: Role, sender: int = 1) -> Tell:
    """Somebody of this role is there, number 9."""
    withdraw = withdrawal("withdraw", sender=sender)

    def tell(s: Story) -> None:
        s.participant(9, role, b"desk")
        withdraw(s)

    return tell


def proposal(kind: int, of: Make, amount: int = 900) -> Tell:
    return lambda s: s.asked(kind, of(s), amount, b"found out")


def promise(promises: int, *, keep: bool) -> Tell:
    """A hold of a service that releases, whose biller promises nothing any more."""

    def tell(s: Story) -> None:
        s.participant(4, Role.BILLER, b"biller-x", promises=promises, flags=UPDATE)
        held(s).flags |= KEEP if keep else 0

    return tell


def releasing(promises: int, mode: int = 2) -> Tell:
    """A service that releases at its deadline."""

    def tell(s: Story) -> None:
        s.participant(5, Role.BILLER, b"biller-y", promises=promises, flags=UPDATE)
        s.service(6, mode, 1, 5, [Y])

    return tell


def closed(how: str) -> Tell:
    """An account closes, and one of its payments is in question or not."""

    def tell(s: Story) -> None:
        s.participant(9, Role.CENTRE, b"centre-d")
        s.open(NEXT, 9, 0, AccountKind.WALLET)
        s.top_up(NEXT, 900, "UTR-D")
        hold = s.hold(NEXT, 900, "HOLD-90", deadline=60, participant=9)
        s.commit()
        s.now = hold.timestamp + MINUTE
        s.resolve(Kind.EXPIRE, hold)
        if how == "verified":
            s.verify(hold, WORD)
        s.add(Kind.TRANSFER, debit=NEXT, credit=B, amount=900, reference=b"moved")
        s.add(Kind.CLOSE, debit=NEXT, reference=b"gone")

    return tell


ENDS: Pairs = {
    "a kept hold posted by nobody": (
        "approvals",
        "it posts a kept hold: no biller's word, and no two people",
        ended(Kind.POST, "two"),
        ended(Kind.POST, ""),
    ),
    "a kept hold posted, and another has approved": (
        "approvals",
        "it posts a kept hold: no biller's word, and no two people",
        checked_by(SECOND),
        checked_by(1),
    ),
    "a kept hold voided by nobody": (
        "approvals",
        "it releases a hold: no biller's word, and no two people",
        ended(Kind.VOID, "two"),
        ended(Kind.VOID, ""),
    ),
    "a post of another amount than was proposed": (
        "approvals",
        "proposed",
        post_in_part(700, 700),
        post_in_part(700, 701),
    ),
    "a post that does not say that it was kept": (
        "holds",
        "its flags do not say whether its hold was kept",
        ended(Kind.POST, "word"),
        ended(Kind.POST, "word", KEEP),
    ),
    "a void that does not say that it was kept": (
        "holds",
        "its flags do not say whether its hold was kept",
        ended(Kind.VOID, "two"),
        ended(Kind.VOID, "two", KEEP),
    ),
    "an expiry that releases": (
        "claims",
        "it expires a hold and releases its claim",
        expiry(),
        expiry(flags=RELEASE),
    ),
    "an expiry of what another amount keeps": (
        "holds",
        "it expires a hold that is kept",
        expiry(),
        expiry(keeps=True),
    ),
    "an approval after 30 days": (
        "approvals",
        "what it approves was proposed 30 days or more before it",
        approval(MONTH - 1),
        approval(MONTH),
    ),
    "an approval of what was withdrawn": (
        "approvals",
        "it approves what sequence",
        approval(MINUTE),
        approval(MINUTE, before="withdrawn"),
    ),
    "a second approval": (
        "approvals",
        "it approves what sequence",
        approval(MINUTE),
        approval(MINUTE, before="approved"),
    ),
    "a withdraw of what was done": (
        "approvals",
        "which was done",
        withdrawal("approve", "withdraw"),
        withdrawal("approve", "do", "withdraw"),
    ),
    "a post behind the withdraw of it": (
        "approvals",
        "was withdrawn before it",
        withdrawal("approve", "do"),
        withdrawal("approve", "withdraw", "do"),
    ),
    "a second withdraw": (
        "approvals",
        "it withdraws what sequence",
        withdrawal("withdraw"),
        withdrawal("withdraw", "withdraw"),
    ),
    "a withdraw by a centre": (
        "senders",
        "its sender has no role that may send it",
        withdrawal("withdraw"),
        withdrawal("withdraw", sender=2),
    ),
    "a withdraw by a support desk": (
        "senders",
        "its sender has no role that may send it",
        withdrawal_beside(Role.SUPPORT),
        withdrawal_beside(Role.SUPPORT, sender=9),
    ),
    "a withdraw by a programme's office": (
        "senders",
        "its sender has no role that may send it",
        withdrawal_beside(Role.PMU),
        withdrawal_beside(Role.PMU, sender=9),
    ),
    "a proposal to post what is not kept": (
        "cases",
        "it proposes to post a hold that is not kept",
        proposal(Kind.POST, kept),
        proposal(Kind.POST, held),
    ),
    "a proposal to void what is not kept": (
        "cases",
        "it proposes to void a hold that is not kept",
        proposal(Kind.VOID, kept),
        proposal(Kind.VOID, expired),
    ),
    "a proposal to advance what is not kept": (
        "cases",
        "it proposes to advance what is not kept",
        proposal(PROPOSE_ADVANCE, kept),
        proposal(PROPOSE_ADVANCE, posted),
    ),
    "a proposal to correct what is not late": (
        "cases",
        "it proposes to correct what no open late confirmation is about",
        proposal(Kind.TRANSFER, late),
        proposal(Kind.TRANSFER, expired),
    ),
    "a proposal to verify what is not in question": (
        "cases",
        "it proposes to verify what is not in question",
        proposal(Kind.VERIFY, late),
        proposal(Kind.VERIFY, voided),
    ),
    "a proposal to close what is no case": (
        "cases",
        "it proposes to close what is no case that people close",
        proposal(Kind.VERIFY, expired),
        proposal(Kind.CASE_CLOSE, expired),
    ),
    "a proposal of more than was held": (
        "cases",
        "it proposes more than was held",
        proposal(Kind.POST, kept, 900),
        proposal(Kind.POST, kept, 901),
    ),
    "a proposal about a payment": (
        "cases",
        "what it proposes is about no hold",
        proposal(Kind.POST, kept),
        proposal(Kind.POST, lambda s: s.pay(A, 1, 3_000, "BILL-90")),
    ),
    "a proposal of nothing that is known": (
        "cases",
        "is nothing that is proposed",
        proposal(Kind.POST, kept),
        proposal(Kind.SETTLE, kept),
    ),
    "a hold that does not keep what nobody promises": (
        "services",
        "its flags do not fit its service's deadline policy, and its biller's word",
        promise(0, keep=True),
        promise(0, keep=False),
    ),
    "a hold that keeps what is promised": (
        "services",
        "its flags do not fit its service's deadline policy, and its biller's word",
        promise(1, keep=False),
        promise(1, keep=True),
    ),
    "a word that is none": (
        "services",
        "its record's never_credits_late is not one",
        promise(1, keep=False),
        promise(2, keep=True),
    ),
    "a service that releases without a promise": (
        "services",
        "it releases, and its biller has not promised to credit nothing late",
        releasing(1),
        releasing(0),
    ),
    "a service that releases and confirms": (
        "services",
        "it releases, and its biller has not promised to credit nothing late",
        releasing(0, mode=1),
        releasing(0),
    ),
    "a close with a payment in question": (
        "accounts",
        "payments in question, or advances",
        closed("verified"),
        closed(""),
    ),
}

PAIRS = ENDS


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    judge(tmp_path, PAIRS[name])
