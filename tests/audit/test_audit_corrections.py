"""Goal: what corrections and undoings say of claims, and an undoing that no honest
switch has made, are found, each by words of its own; by the rules of their time.

Method: twins, as in `test_audit_doubts`; refusals with their cause and without.
"""

from pathlib import Path

import pytest

from switch.audit import audit
from switch.audit.exceptions import What
from switch.codes import Kind, Result, RowFlag
from tests.audit import price_story as p
from tests.audit.doubt_story import LATE, REJECTED, Make, Pairs, Tell, judge, late
from tests.audit.journal_story import CASE, HOUR, MINUTE, WORD, A, B, Story
from tests.audit.journal_writer import Row
from tests.audit.test_audit_forgeries import found_in, rules
from tests.audit.told_story import going_on, written

R = Result
RELEASE, CLAIM, PARTIAL, UNDOES = map(
    int, (RowFlag.RELEASE, RowFlag.CLAIM, RowFlag.PARTIAL, RowFlag.UNDOES)
)
PARTS = {"amount_rule": p.BELOW}


def in_part(s: Story) -> Row:
    """A part of a bill, which its biller says that it has credited late."""
    p.bill_service(s, **PARTS)
    hold = p.held(s, A, 6, 900, "BILL-90", **PARTS)
    s.commit()
    s.now += MINUTE
    s.resolve(Kind.VOID, hold, word=WORD)
    s.case(hold, LATE)
    s.commit()
    s.now += MINUTE
    return hold


def corrects(of: Make, then: Tell = lambda _: None, **f: object) -> Tell:
    """Two people correct it, and perhaps more comes."""

    def tell(s: Story) -> None:
        hold = of(s)
        asked = s.asked(Kind.TRANSFER, hold, 900, b"credited")
        s.approve(asked)
        s.moved_by(asked, hold.debit, hold.credit, **f)
        s.commit()
        s.now += MINUTE
        then(s)

    return tell


def rest(age: int = 1) -> Tell:
    """Another centre pays what is left, of a quotation of some age."""

    def tell(s: Story) -> None:
        p.held(s, B, 6, 100, "BILL-90", fetched=s.now - age, **PARTS)

    return tell


def whole(s: Story) -> None:
    """Another centre pays the bill of a hold."""
    s.pay(B, 3, 900, "HOLD-90")


def corrected(s: Story) -> Row:
    hold = late(s)
    s.corrected_by_two(hold)
    return hold


def rejected(s: Story) -> Row:
    """And its biller rejects that."""
    hold = corrected(s)
    s.case(hold, REJECTED)
    return hold


def undoes(
    of: Make = rejected, times: int = 1, then: Tell | None = None, **f: object
) -> Tell:
    """What was corrected is taken back."""

    def tell(s: Story) -> None:
        hold = of(s)
        for _ in range(times):
            s.undo(hold, **f)
            f.setdefault("flags", UNDOES | CLAIM | RELEASE)
        if then is not None:
            s.commit()
            s.now += MINUTE
            then(s)

    return tell


def closed(s: Story) -> Row:
    """Its biller has credited it again, and people have closed the case."""
    hold = rejected(s)
    s.closed_by_two(s.rows[-1])
    return hold


def undone(s: Story) -> Row:
    hold = rejected(s)
    s.undo(hold)
    return hold


def corrected_again(s: Story) -> Row:
    hold = undone(s)
    s.case(hold, LATE)
    s.corrected_by_two(hold)
    return hold


def rejected_again(s: Story) -> Row:
    hold = corrected_again(s)
    s.case(hold, REJECTED)
    return hold


def by_rules(version: int, of: Make = rejected) -> Tell:
    def tell(s: Story) -> None:
        rules(s, version)
        hold = of(s)
        s.undo(hold, flags=UNDOES | (CLAIM | RELEASE if version >= 16 else 0))

    return tell


def close(flags: int) -> Tell:
    def tell(s: Story) -> None:
        rejected(s)
        case = s.rows[-1]
        asked = s.asked(Kind.CASE_CLOSE, case, 1, b"it was right")
        s.approve(asked)
        s.close(case, asked, flags=flags)

    return tell


def own_transfer(flags: int) -> Tell:
    """The treasury's own move, which names nothing."""

    def tell(s: Story) -> None:
        late(s)
        row = s.rows[-1]
        s.add(
            Kind.TRANSFER,
            debit=row.credit,
            credit=row.debit,
            amount=1,
            reference=b"x",
            flags=flags,
        )

    return tell


NO_RELEASE = CASE | CLAIM | PARTIAL
CLAIMED = "cases", "its flags do not say what its hold had claimed"
FORGED: Pairs = {
    "a part that keeps its claim": (
        "claims",
        "it ends a payment and does not release its claim",
        corrects(in_part),
        corrects(in_part, flags=NO_RELEASE),
    ),
    "a part that does not say so": (
        *CLAIMED,
        corrects(in_part),
        corrects(in_part, flags=CASE | CLAIM),
    ),
    "a whole that says that it is a part": (
        *CLAIMED,
        corrects(late),
        corrects(late, flags=NO_RELEASE | RELEASE),
    ),
    "a whole that releases its claim": (
        "claims",
        "it releases a claim, and none was taken or it ends nothing",
        corrects(late),
        corrects(late, flags=CASE | CLAIM | RELEASE),
    ),
    "the rest by an old quotation": (
        "claims",
        "its quotation is older than what released",
        corrects(in_part, rest()),
        corrects(in_part, rest(HOUR)),
    ),
    "a bill of what is corrected": (
        "claims",
        "late, of the same bill",
        undoes(then=whole),
        corrects(late, whole),
    ),
    "an undoing that keeps the claim": (
        "claims",
        "it ends a payment and does not release its claim",
        undoes(),
        undoes(flags=UNDOES | CLAIM),
    ),
    "an undoing without its claim": (*CLAIMED, undoes(), undoes(flags=UNDOES)),
    "an undoing that does not say so": (
        "cases",
        "its flags do not say whether it undoes a correction",
        undoes(),
        undoes(flags=CLAIM),
    ),
    "a correction that says that it undoes": (
        "cases",
        "its flags do not say whether it undoes a correction",
        corrects(late),
        corrects(late, flags=CASE | CLAIM | RELEASE | UNDOES),
    ),
    "an undoing of what nobody rejects": (
        "cases",
        "it undoes what its biller does not reject by then",
        undoes(),
        undoes(corrected),
    ),
    "an undoing of what is closed": (
        "cases",
        "it undoes what its biller does not reject by then",
        undoes(),
        undoes(closed),
    ),
    "a second undoing": (
        "cases",
        "it undoes what its biller does not reject by then",
        undoes(),
        undoes(times=2),
    ),
    "an undoing behind a rejection from before": (
        "cases",
        "it undoes what its biller does not reject by then",
        undoes(rejected_again),
        undoes(corrected_again),
    ),
    "an undoing of another amount": (
        "cases",
        "it takes back another amount than was corrected",
        undoes(),
        undoes(amount=899),
    ),
    "an undoing for another wallet": (
        "cases",
        "it undoes a correction of other accounts",
        undoes(),
        undoes(credit=B),
    ),
    "an undoing of nothing": (
        "cases",
        "what it undoes was never corrected",
        undoes(),
        undoes(resolves=7, flags=UNDOES),
    ),
    "an undoing by rules that know none": (
        "cases",
        "it undoes a correction, and its rules know no undoing",
        by_rules(16),
        by_rules(14),
    ),
    "a close that releases": (
        "fields",
        "its flags release a claim, and it ends no payment",
        close(0),
        close(RELEASE),
    ),
    "a transfer of its own that undoes": (
        "cases",
        "its flags speak of a correction or of a claim, and it names no hold",
        own_transfer(0),
        own_transfer(UNDOES),
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_found_by_its_own_words(tmp_path: Path, name: str) -> None:
    judge(tmp_path, FORGED[name])


def refusal(result: Result, of: Make = rejected, **f: object) -> Tell:
    """An undoing that was refused."""

    def tell(s: Story) -> None:
        s.undo(of(s), flags=0, result=result, **f)

    return tell


def refused_behind(of: Make, which: Kind, result: Result = R.CASE_CLOSED) -> Tell:
    """One that names the last row of a kind."""

    def tell(s: Story) -> None:
        hold = of(s)
        row = [row for row in s.rows if row.kind == which][-1]
        s.undo(hold, flags=0, result=result, total=row.sequence)

    return tell


REFUSED = {
    "nothing": (refusal(R.CASE_NOT_FOUND, resolves=7), refusal(R.CASE_NOT_FOUND)),
    "amount": (refusal(R.NET_DIFFERS, amount=899), refusal(R.NET_DIFFERS)),
    "accounts": (
        refusal(R.ACCOUNT_KIND_WRONG, credit=B),
        refusal(R.ACCOUNT_KIND_WRONG),
    ),
    "not rejected": (refusal(R.CASE_CLOSED, corrected), refusal(R.CASE_CLOSED)),
    "closed": (refused_behind(closed, Kind.CASE_CLOSE), refusal(R.CASE_CLOSED, closed)),
    "undone": (refused_behind(undone, Kind.TRANSFER), refusal(R.CASE_CLOSED, undone)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_its_cause(tmp_path: Path, name: str) -> None:
    right, forged = REFUSED[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {"refusals"}


@pytest.mark.parametrize("version", [14, 16])
def test_a_correction_is_judged_by_the_rules_of_its_time(
    tmp_path: Path, version: int
) -> None:
    """By older ones it kept what is left of its bill, and said nothing of that."""

    def tell(s: Story) -> None:
        rules(s, version)
        corrects(in_part)(s)

    def late_release(s: Story) -> None:
        rules(s, version)
        flags = {14: CASE | CLAIM | PARTIAL | RELEASE, 16: CASE}
        corrects(in_part, flags=flags[version])(s)

    assert found_in(tmp_path / "right", tell) == set()
    assert found_in(tmp_path / "forged", late_release) == {"cases"}


@pytest.mark.parametrize("of", [rejected, undone])
def test_a_rejection_is_open_until_it_is_undone(tmp_path: Path, of: Make) -> None:
    s = going_on()
    of(s)
    s.commit()
    exceptions = audit(written(tmp_path / "after", s.groups)).exceptions
    before = audit(written(tmp_path / "before", going_on().groups)).exceptions
    assert before is not None
    assert exceptions is not None
    there, now = (each.open[What.LATE_REJECTION] for each in (before, exceptions))
    assert now.count - there.count == (of is rejected)


def service(version: int, mode: int, *, before: int = 0) -> Tell:
    """A service of bills in parts, by some rules; perhaps one that is there already."""

    def tell(s: Story) -> None:
        if before:
            rules(s, before)
            p.bill_service(s, mode=mode, **PARTS)
        rules(s, version)
        flags = {"flags": int(RowFlag.UPDATE)} if before else {}
        s.rows[-1].flags = int(RowFlag.UPDATE) if before else 0
        p.bill_service(s, mode=mode, **PARTS, **flags)

    return tell


@pytest.mark.parametrize(
    ("tell", "found"),
    [
        (service(16, 2), set()),
        (service(16, 1), {"services"}),
        (service(14, 1), set()),
        (service(16, 1, before=14), set()),
    ],
)
def test_no_direct_service_has_bills_in_parts(
    tmp_path: Path, tell: Tell, found: set[str]
) -> None:
    assert found_in(tmp_path, tell) == found
