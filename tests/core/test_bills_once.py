"""Goal: whatever centres, billers and citizens do, no bill is paid or credited twice or
beyond what is due, no open amount a second time by who does not know of the first; and
each credit without money and each money without a credit stands in a list until
somebody has explained it.

Method: a seeded walk: bills are fetched by several centres in several spellings, issued
again, paid in parts, singly, together and in baskets, with tokens that are fresh, old,
swapped, changed or another centre's; payments are confirmed, rejected, confirmed with
another amount, late, again, otherwise or never, called off or given back; their
deadlines release them or do not; two people put right what nothing else can. The ledger
is opened again, with and without its index, and by the next process after a kill. Core
and model are compared at each step. Kept apart from both, and made from the journal's
rows: a book of debts (`till_book.py`) and a list of what is open (`open_matters.py`);
beside the rows, what the department has credited (`department.py`).
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from switch.codes import PROPOSE_LINES, AccountKind, CaseType, Kind, Result
from tests.core.bill_ends import Ends
from tests.core.bill_troubles import Troubles
from tests.model_shapes import PROPOSED

BILLS = int(os.environ.get("PAYSWITCH_BILLS", "640"))
"""Debts of one walk."""
SEED = int(os.environ.get("SWITCH_TEST_SEED", "1"))
SEEDS = range(SEED, SEED + 8)
SEEN_LEAST = 5
WANTED = (
    *(
        result.name
        for result in (
            Result.QUOTATION_WRONG,
            Result.QUOTATION_EXPIRED,
            Result.BILL_ALREADY_CLAIMED,
            Result.PAID_RECENTLY,
            Result.ADDITION_WRONG,
            Result.FEE_CHANGED,
            Result.AMOUNT_NOT_EXACT,
            Result.BASKET_FAILED,
            Result.INVALID_BASKET,
            Result.AMOUNT_DIFFERS,
            Result.ALREADY_POSTED,
            Result.ALREADY_VOIDED,
            Result.ALREADY_EXPIRED,
        )
    ),
    *(kind.name for kind in (Kind.EXPIRE, Kind.VERIFY, Kind.WITHDRAW, Kind.CASE_CLOSE)),
    *(f"case {int(case)}" for case in CaseType if case != CaseType.UNVERIFIED),
    # Lines are of ledgers with people.
    *(f"propose {int(total)}" for total in PROPOSED if total != PROPOSE_LINES),
    "corrected",
    "advanced",
    "recovered",
    "settled",
    "refused while disputed",
    "fetched while disputed",
)
"""What must have happened so often at least in all walks together."""
EVENTS = {
    "late confirmation": f"case {int(CaseType.LATE_CONFIRMATION)}",
    "late rejection": f"case {int(CaseType.LATE_REJECTION)}",
    "unverified": Kind.EXPIRE.name,
    "kept": f"case {int(CaseType.DEADLINE_PASSED)}",
    "amount differs": f"case {int(CaseType.AMOUNT_DIFFERS)}",
    "damaged": "damaged",
    "refund owed": "refund owed",
    "disputed": "disputed",
    "partial bill": "partial bill",
    "re-issued bill": "re-issued bill",
    "old token": Result.QUOTATION_EXPIRED.name,
    "replay": "replay",
    "swapped token": "swapped token",
    "skew": "skew",
    "kill": "kill",
    "reconnect": "reconnect",
}
"""What a walk over bills is about, and by what it is counted: likewise."""
walked: Counter[str] = Counter()
"""What has happened in all walks, by its name."""


@pytest.mark.parametrize("seed", SEEDS)
def test_no_bill_is_paid_twice_or_beyond_what_is_due(tmp_path: Path, seed: int) -> None:
    walk = Troubles(tmp_path / "ledger", seed)
    walk.go(BILLS)
    walk.judge_all()
    listed = walk.matters.count()
    walk.put_right()
    pair = walk.market.pair
    for without_index in (False, True):
        pair.reopen(without_index=without_index)
        count = len(pair.model.rows)
        pair.compare_all(walk.rng.choices(range(1, count + 1), k=200))
        walk.judge_all()
    pair.compare_rows(1)
    everything_is_explained(walk)
    assert walk.pay_what_is_free()
    pair.close()
    paid = [each for each in walk.book.paid.values() if each.taken]
    assert len(paid) > BILLS // 4
    assert listed
    walked.update(what_happened(walk))
    walked["walks"] += 1


def test_everything_has_happened() -> None:
    if walked["walks"] < len(SEEDS):
        pytest.skip("only some seeds were walked")
    rare = {name: walked[name] for name in WANTED if walked[name] < SEEN_LEAST}
    assert not rare


@pytest.mark.parametrize("event", EVENTS)
def test_it_has_happened(event: str) -> None:
    if walked["walks"] < len(SEEDS):
        pytest.skip("only some seeds were walked")
    assert walked[EVENTS[event]] >= SEEN_LEAST


def everything_is_explained(walk: Ends) -> None:
    """Nothing is listed; what was credited is what was paid, account by account."""
    assert not walk.matters.count()
    credits: dict[int, int] = {}
    for sequence, paid in walk.book.paid.items():
        assert not paid.is_doubtful
        asked = sequence in walk.matters.holds
        credit = walk.department.credit(sequence) if asked else paid.money
        assert credit == paid.money, paid
        credits[paid.account] = credits.get(paid.account, 0) + credit
    images, _ = walk.market.pair.ledger.accounts()
    for field in ("kept_count", "kept_amount", "cases_count", "debits_pending"):
        assert not images[field].any(), field
    for index, image in enumerate(images):
        if image["kind"] == AccountKind.BILLER:
            balance = int(image["credits_posted"]) - int(image["debits_posted"])
            assert balance == credits.get(index, 0)


def what_happened(walk: Ends) -> Counter[str]:
    """A walk in which nothing went wrong proves nothing."""
    model = walk.market.model
    rows = [row for row in model.rows if row.result == Result.OK]
    found = Counter(Result(each).name for each in walk.results.elements())
    found.update(Kind(row.kind).name for row in rows)
    for kind, word in ((Kind.CASE, "case"), (Kind.PROPOSE, "propose")):
        found.update(f"{word} {int(row.total)}" for row in rows if row.kind == kind)
    found["corrected"], found["advanced"] = len(model.corrected), len(model.advanced)
    found["recovered"] = len(model.recovered)
    found["disputed"] = len(walk.book.disputed)
    found["settled"] = sum(paid.settled > 0 for paid in walk.book.paid.values())
    return found + walk.seen
