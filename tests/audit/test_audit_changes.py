"""Goal: a journal whose bytes are right and whose meaning is wrong is found out.

Method: each case changes one thing of the story and seals it again with right checks,
so that nothing but the meant check can see it; that check must have a finding.
"""

import dataclasses
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit import audit
from switch.audit.findings import CHECKS
from switch.codes import HEAD_SHIFT, Kind, Result
from tests.audit.journal_story import (
    EVIDENCE,
    KEEP,
    ONCE,
    RECENT,
    START,
    STATED,
    X0,
    X1,
    A,
    B,
    Y,
    failed,
)
from tests.audit.journal_writer import (
    Groups,
    Row,
    copied,
    write_journal,
)
from tests.audit.test_audit_decided import DECIDED
from tests.audit.test_audit_forgeries import PAIRS as FORGERIES
from tests.audit.test_audit_lines import LINES
from tests.audit.test_audit_people import PEOPLE
from tests.audit.test_audit_prices import PAIRS as PRICES
from tests.audit.told_story import (
    story,
)

# --- wrong meaning, sealed again -----------------------------------------------------


Change = Callable[[Groups], None]
CORRECTION, CORRECTED = 3, 7
"""The one transfer of the story that corrects a payment, and what proposes it."""
BILL = ONCE | STATED
"""The flags of a payment of the story that claims a bill."""


def row_of(groups: Groups, kind: Kind, number: int = 0, ok: bool = True) -> Row:
    """A row by kind and order."""
    rows = [row for group in groups for row in group if row.kind == kind]
    return [row for row in rows if (row.result == Result.OK) == ok][number]


def by_reference(groups: Groups, reference: bytes, kind: Kind = Kind.PAY) -> Row:
    rows = (row for group in groups for row in group if row.kind == kind)
    return next(r for r in rows if r.reference == reference and r.result == Result.OK)


def setting(kind: Kind, number: int = 0, /, **fields: object) -> Change:
    """A change that sets fields of a row."""

    def change(groups: Groups) -> None:
        row = row_of(groups, kind, number)
        for name, value in fields.items():
            setattr(row, name, value)

    return change


def naming(reference: bytes, kind: Kind = Kind.PAY, /, **fields: object) -> Change:
    """The same for a row known by its reference."""

    def change(groups: Groups) -> None:
        row = by_reference(groups, reference, kind)
        for name, value in fields.items():
            setattr(row, name, value)

    return change


def retailing(kind: Kind, number: int, offset: int, value: bytes) -> Change:
    """A change of some bytes of a row's tail item."""

    def change(groups: Groups) -> None:
        row = row_of(groups, kind, number)
        tail = row.tail or b""
        row.tail = tail[:offset] + value + tail[offset + len(value) :]

    return change


def without(kind: Kind, number: int = 0) -> Change:
    """A change that takes a row out and closes the gap."""

    def change(groups: Groups) -> None:
        gone = row_of(groups, kind, number)
        for group in groups:
            for row in group:
                row.sequence -= row.sequence > gone.sequence
                row.resolves -= row.resolves > gone.sequence
            if gone in group:
                group.remove(gone)

    return change


def correcting_twice(groups: Groups) -> None:
    """One more correction of the same payment, at the journal's end."""
    last = groups[-1][-1]
    more = dataclasses.replace(
        row_of(groups, Kind.TRANSFER, CORRECTION),
        id=b"again" + bytes(11),
        sequence=last.sequence + 1,
        timestamp=last.timestamp + 1,
    )
    groups[-1].append(more)


def splitting_basket(groups: Groups) -> None:
    """Put a basket's last payment into another chunk."""
    for at, group in enumerate(groups):
        for place, row in enumerate(group):
            if row.basket == 0x302:
                groups[at : at + 1] = [group[:place], group[place:]]
                return


def resolving_twice(groups: Groups) -> None:
    """Void again what was voided."""
    void = row_of(groups, Kind.VOID)
    last = groups[-1][-1]
    again = dataclasses.replace(void, sequence=last.sequence + 1)
    again.timestamp = last.timestamp + 1
    groups.append([again])


def raising_twice(groups: Groups) -> None:
    """Raise a case again."""
    case = row_of(groups, Kind.CASE)
    last = groups[-1][-1]
    again = dataclasses.replace(case, sequence=last.sequence + 1)
    again.timestamp = last.timestamp + 1
    groups.append([again])


CHANGES: dict[str, tuple[str, Change]] = {
    "time runs back": ("time", setting(Kind.PAY, 3, timestamp=START)),
    "unknown kind": ("fields", setting(Kind.TRANSFER, 0, kind=21)),
    "unknown result": ("fields", setting(Kind.PAY, 0, result=20)),
    "flag of another kind": ("fields", setting(Kind.TRANSFER, 0, flags=STATED)),
    "flag of a claim of another kind": ("fields", setting(Kind.CASE, 2, flags=ONCE)),
    "top-up with a reference claim": (
        "fields",
        setting(Kind.TOP_UP, 0, flags=ONCE | RECENT),
    ),
    "top-up without its claim": ("claims", setting(Kind.TOP_UP, 0, flags=0)),
    "answer that pays": ("fields", setting(Kind.PAY, 0, flags=BILL | EVIDENCE)),
    "payment that is kept": ("fields", setting(Kind.PAY, 0, flags=BILL | KEEP)),
    "id on a case": ("fields", setting(Kind.CASE, 0, id=b"x" * 16)),
    "total on a payment": ("fields", setting(Kind.PAY, 0, total=5)),
    "deadline on a payment": ("fields", setting(Kind.PAY, 0, deadline=5)),
    "id on a post": ("fields", setting(Kind.POST, 0, id=b"x" * 16)),
    "no id on a payment": ("fields", setting(Kind.PAY, 0, id=bytes(16))),
    "refused void": ("fields", setting(Kind.VOID, 0, result=51)),
    "receipt on a refusal": ("fields", setting(Kind.PAY, 0, result=48)),
    "wrong sequence in a row": ("sequence", setting(Kind.PAY, 2, sequence=9_999)),
    "wrong digest": ("tails", setting(Kind.OPEN, 0, reference=b"d" * 32)),
    "no tail": ("tails", setting(Kind.LIMIT, 0, tail=None, reference=b"d" * 32)),
    "account index": ("accounts", setting(Kind.OPEN, 4, debit=77)),
    "account twice": ("accounts", retailing(Kind.OPEN, 6, 0, struct.pack("<IH", 4, 0))),
    "account's owner": ("accounts", retailing(Kind.OPEN, 3, 0, struct.pack("<I", 99))),
    "account's kind": ("accounts", retailing(Kind.OPEN, 3, 6, bytes([9]))),
    "pays no account": ("accounts", setting(Kind.PAY, 0, credit=4_000)),
    "pays account 0": ("accounts", setting(Kind.PAY, 0, debit=0)),
    "pays a wallet": ("accounts", setting(Kind.PAY, 0, credit=B)),
    "tops up a biller": ("accounts", setting(Kind.TOP_UP, 1, credit=Y)),
    "transfer to itself": ("accounts", setting(Kind.TRANSFER, 0, credit=B)),
    "pays nothing": ("accounts", setting(Kind.PAY, 0, amount=0)),
    "frozen wallet pays": ("accounts", without(Kind.FREEZE, 1)),
    "close with money": ("accounts", setting(Kind.TRANSFER, 2, amount=600)),
    "too small a top-up": ("below_zero", setting(Kind.TOP_UP, 0, amount=100_000)),
    "suspense below zero": ("below_zero", setting(Kind.TRANSFER, 0, amount=600)),
    "settles too much": ("below_zero", setting(Kind.SETTLE, 0, amount=10**9)),
    "hold too large": ("below_zero", naming(b"OPEN-1", Kind.HOLD, amount=10**9)),
    "overflow": ("totals", setting(Kind.TOP_UP, 0, amount=2**64 - 1)),
    "resolved twice": ("holds", resolving_twice),
    "post of nothing held": ("holds", setting(Kind.POST, 0, resolves=1)),
    "post of more": ("holds", setting(Kind.POST, 0, amount=30_001)),
    "void of less": ("holds", setting(Kind.VOID, 0, amount=1)),
    "void of another": ("holds", setting(Kind.VOID, 0, debit=B)),
    "void without operator": ("holds", setting(Kind.VOID, 0, operator_=0)),
    "post of another bill": ("holds", setting(Kind.POST, 0, reference=b"HOLD-0")),
    "expired early": ("holds", naming(b"HOLD-3", Kind.HOLD, deadline=86_400)),
    "answer posts a part": ("holds", setting(Kind.POST, 2, amount=1)),
    "case of no hold": ("cases", setting(Kind.CASE, 2, resolves=1)),
    "case twice": ("cases", raising_twice),
    "kept too early": ("cases", naming(b"KEPT", Kind.HOLD, deadline=86_400)),
    "kept by no policy": ("cases", naming(b"KEPT", Kind.HOLD, flags=STATED)),
    "case of another biller": ("cases", setting(Kind.CASE, 2, credit=X1)),
    "case of no type": ("cases", setting(Kind.CASE, 2, total=4)),
    "case of another type": ("cases", setting(Kind.CASE, 3, total=1)),
    "case with money": ("fields", setting(Kind.CASE, 0, amount=1)),
    "late confirmation of nothing": ("fields", setting(Kind.CASE, 2, amount=0)),
    "expiry that says that it was kept": (
        "fields",
        setting(Kind.EXPIRE, 0, flags=0x80),
    ),
    "flag of doubt of another kind": (
        "fields",
        setting(Kind.PAY, 0, flags=BILL | 0x40),
    ),
    "case that releases a claim": ("fields", setting(Kind.CASE, 2, flags=0x148)),
    "verify with money": ("fields", setting(Kind.VERIFY, 0, amount=1)),
    "withdraw with money": ("fields", setting(Kind.WITHDRAW, 0, amount=1)),
    "withdraw of no proposal": ("cases", setting(Kind.WITHDRAW, 0, resolves=1)),
    "refused for an amount that differs": ("fields", setting(Kind.PAY, 2, result=82)),
    "case without an answer": ("cases", setting(Kind.CASE, 2, flags=0)),
    "close of no case": ("cases", setting(Kind.CASE_CLOSE, 0, resolves=1)),
    "close that was not proposed": ("approvals", setting(Kind.CASE_CLOSE, 0, total=1)),
    "proposal of no payment": ("cases", setting(Kind.PROPOSE, 0, resolves=1)),
    "proposal of no refund": ("cases", setting(Kind.PROPOSE, 0, total=7)),
    "proposal of nothing": ("cases", setting(Kind.PROPOSE, 0, amount=0)),
    "approved by who asked": ("cases", setting(Kind.APPROVE, 0, participant=1)),
    "approval of nothing": ("cases", setting(Kind.APPROVE, 0, resolves=1)),
    "more than was proposed": (
        "approvals",
        setting(Kind.REFUND, 3, amount=501, total=501),
    ),
    "refund by another checker": ("approvals", setting(Kind.REFUND, 3, checker=3)),
    "shift signed through another": ("cases", setting(Kind.APPROVE, 6, operator_=1)),
    "proposal to correct no case": (
        "cases",
        setting(Kind.PROPOSE, CORRECTED, resolves=1),
    ),
    "proposal to release what expired": (
        "cases",
        setting(Kind.PROPOSE, CORRECTED, total=4),
    ),
    "correction of another sum": (
        "approvals",
        setting(Kind.TRANSFER, CORRECTION, amount=899),
    ),
    "correction of another wallet": (
        "cases",
        setting(Kind.TRANSFER, CORRECTION, debit=B),
    ),
    "correction, no checker": (
        "approvals",
        setting(Kind.TRANSFER, CORRECTION, checker=0),
    ),
    "corrected twice": ("cases", correcting_twice),
    "shift of a biller": ("cases", setting(Kind.SHIFT, 0, debit=Y)),
    "shift's difference": ("cases", retailing(Kind.SHIFT, 0, 56, bytes([1]))),
    "shift's operator": ("cases", retailing(Kind.SHIFT, 0, 52, bytes([7]))),
    "shift after none": ("cases", setting(Kind.SHIFT, 1, resolves=1)),
    "receipts gap": ("receipts", setting(Kind.PAY, 4, receipt=9)),
    "receipt twice": ("receipts", setting(Kind.PAY, 1, receipt=1)),
    "receipt missing": ("receipts", setting(Kind.POST, 0, receipt=0)),
    "receipt on a top-up": ("receipts", setting(Kind.TOP_UP, 0, receipt=1)),
    "receipt of last year": ("receipts", naming(b"BILL-4", receipt=10)),
    "half a basket": ("baskets", without(Kind.PAY, 7)),
    "basket in two chunks": ("baskets", splitting_basket),
    "basket of two wallets": ("baskets", naming(b"BASKET-1", debit=B)),
    "basket of two billers": ("baskets", naming(b"BASKET-1", credit=Y)),
    "basket of two deadlines": (
        "baskets",
        naming(b"PAIR-1", Kind.HOLD, deadline=3_601),
    ),
    "basket refused in part": ("baskets", naming(b"BASKET-1", result=46, receipt=0)),
    "basket of one": ("baskets", setting(Kind.PAY, 0, basket=0x100)),
    "window line": ("windows", retailing(Kind.WINDOW, 0, 16, struct.pack("<Q", 1))),
    "window payable": ("windows", retailing(Kind.WINDOW, 1, 32, struct.pack("<Q", 1))),
    "window line missing": ("windows", setting(Kind.WINDOW, 0, tail=b"")),
    "window account": ("windows", retailing(Kind.WINDOW, 0, 0, struct.pack("<I", A))),
    "window after none": ("windows", setting(Kind.WINDOW, 1, resolves=3)),
    "settles less": ("settles", setting(Kind.SETTLE, 0, amount=1)),
    "settles twice": ("settles", setting(Kind.SETTLE, 1, debit=X1)),
    "settles another window": ("settles", setting(Kind.SETTLE, 0, resolves=3)),
    "unknown service": ("services", setting(Kind.PAY, 0, service=99)),
    "no such head": ("services", setting(Kind.PAY, 0, flags=BILL | 5 << HEAD_SHIFT)),
    "another head": ("services", setting(Kind.PAY, 0, credit=X1)),
    "below the minimum": ("services", setting(Kind.PAY, 0, amount=99)),
    "not marked as direct": ("services", naming(b"DIRECT-1", flags=BILL)),
    "kept against its policy": (
        "services",
        naming(b"HOLD-4", Kind.HOLD, flags=BILL | KEEP),
    ),
    "service of another code": ("services", setting(Kind.REGISTER, 6, debit=3)),
    "service's head": (
        "services",
        retailing(Kind.REGISTER, 7, 52, struct.pack("<I", X0)),
    ),
    "limit of amounts": ("limits", retailing(Kind.LIMIT, 0, 0, struct.pack("<Q", 9))),
    "limit of payments": ("limits", retailing(Kind.LIMIT, 0, 8, struct.pack("<I", 4))),
    "id twice": ("ids", setting(Kind.PAY, 4, id=(27).to_bytes(16, "big"))),
    "claim not taken": ("claims", setting(Kind.PAY, 0, flags=STATED)),
    "bill twice": ("claims", naming(b"BILL-4", reference=b"BILL-1")),
    "bill while held": ("claims", naming(b"BILL-4", reference=b"OPEN-1")),
    "released by nobody": ("claims", naming(b"HOLD-2", Kind.VOID, flags=BILL)),
    "paid within the hours": (
        "claims",
        retailing(Kind.REGISTER, 7, 40, struct.pack("<I", 720)),
    ),
    "release in part": ("claims", setting(Kind.REFUND, 0, flags=BILL | 8)),
    "bank reference twice": ("utrs", setting(Kind.TOP_UP, 1, reference=b"UTR-A1")),
    "refunds exceed": ("refunds", setting(Kind.REFUND, 1, amount=20_001, total=30_001)),
    "refund's total": ("refunds", setting(Kind.REFUND, 1, total=15_000)),
    "refund of a top-up": ("refunds", setting(Kind.REFUND, 0, resolves=23)),
    "refund to another": ("refunds", setting(Kind.REFUND, 0, credit=B)),
    "refund of another bill": ("refunds", setting(Kind.REFUND, 0, reference=b"BILL")),
}


def test_every_check_has_a_change() -> None:
    bytes_only = {"chunks", "chain", "rows", "index", "lost", "live"}
    found = {check for check, _ in CHANGES.values()}
    for pairs in (FORGERIES, PRICES):
        found |= {check for check, _, _ in pairs.values()}
    for forgeries in (PEOPLE, LINES, DECIDED):
        found |= {check for check, _, _ in forgeries.values()}
    # Theirs are in test_audit_refusals.py, test_audit_certificates.py,
    # test_audit_budgets.py, test_audit_booked.py, test_audit_payouts.py,
    # test_audit_totals.py, test_audit_complaints.py, test_audit_put_bills.py,
    # test_audit_clocks.py, test_audit_margins.py, test_audit_handouts.py and
    # cluster/test_audit_log.py.
    found |= {"refusals", "certificates", "budgets", "banks", "payouts", "figures"}
    found |= {"complaints", "bills", "log", "clocks", "margins", "handouts"}
    assert found | bytes_only == set(CHECKS)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_by_its_check(tmp_path: Path, name: str) -> None:
    check, change = CHANGES[name]
    groups = copied(story().groups)
    change(groups)
    write_journal(tmp_path, groups)
    report = audit(tmp_path)
    found = failed(report)
    assert check in found, report.findings.kept
    assert not found & {"chunks", "chain", "rows"}
    if name != "wrong sequence in a row":
        assert all(f.sequence <= report.sequence for f in report.findings.kept)


def test_a_refusal_counted_as_accepted_is_found(tmp_path: Path) -> None:
    groups = copied(story().groups)
    row_of(groups, Kind.PAY, 1, ok=False).result = Result.OK
    write_journal(tmp_path, groups)
    assert {"below_zero", "receipts", "claims"} <= failed(audit(tmp_path))
