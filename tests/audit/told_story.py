"""Right ledgers, made row by row, for tests of those who read journals.

`story` has every row kind once at least, two days, two financial years, two windows;
`random_groups` goes on from it at random, with wallets close to zero.
"""

import functools
import json
import random
import struct
from pathlib import Path
from typing import Any

from switch.audit.approvals import deed_id
from switch.codes import (
    AccountKind,
    CaseType,
    Kind,
    Policy,
    Record,
    Result,
    Role,
    RowFlag,
)
from tests.audit.journal_story import (
    FLOAT,
    HARNESS,
    HOUR,
    MIRROR,
    ONCE,
    RECENT,
    SECOND,
    SETTLEMENT,
    SUSPENSE,
    TRANSIT,
    WAITING,
    WORD,
    X0,
    X1,
    A,
    B,
    C,
    Story,
    Y,
)
from tests.audit.journal_writer import (
    NEVER,
    Groups,
    Images,
    Row,
    copied,
    financial_year,
    ist_day,
    write_index,
    write_journal,
)

CLOCK = (
    bytes([Record.CLOCK])
    + json.dumps(
        {"cause": "agreed", "ahead_ns": 0, "wall_ns": 1, "boottime_ns": 1}
    ).encode()
)
"""A clock record, as the switch writes it."""


@functools.cache
def story() -> Story:
    """Every row kind, two days, two financial years, two windows."""
    s = Story()
    codes = (
        b"treasury",
        b"centre-a",
        b"centre-b",
        b"biller-x",
        b"biller-y",
        b"centre-c",
    )
    roles = (Role.TREASURY, *[Role.CENTRE] * 2, *[Role.BILLER] * 2, Role.CENTRE)
    for index, (code, role) in enumerate(zip(codes, roles, strict=True), 1):
        s.participant(index, role, code)
    s.commit()
    s.open(FLOAT, 1, 0, AccountKind.FLOAT)
    s.open(SUSPENSE, 1, 1, AccountKind.SUSPENSE)
    s.open(SETTLEMENT, 1, 2, AccountKind.SETTLEMENT)
    s.open(A, 2, 0, AccountKind.WALLET)
    s.open(B, 3, 0, AccountKind.WALLET)
    s.open(X0, 4, 0, AccountKind.BILLER)
    s.open(X1, 4, 1, AccountKind.BILLER)
    s.open(Y, 5, 0, AccountKind.BILLER)
    s.open(C, 6, 0, AccountKind.WALLET)
    s.service(1, 1, 2, 4, [X0, X1])
    s.service(2, 1, 3, 5, [Y])
    s.service(3, 2, 2, 4, [X0], series=1)
    s.service(4, 1, 1, 5, [Y])
    s.participant(2, Role.CENTRE, b"centre-a", flags=int(RowFlag.UPDATE))
    s.add(Kind.LIMIT, debit=A, tail=struct.pack("<QII", 900_000, 50, 0))
    s.add(Kind.REGISTER, id=bytes(16), participant=0, tail=CLOCK)
    s.commit()
    s.top_up(A, 1_000_000, "UTR-A1")
    s.top_up(B, 600_000, "UTR-B1")
    s.commit()
    s.pay(A, 1, 50_000, "BILL-1", tail=b"a note")
    s.pay(A, 1, 60_000, "BILL-2", head=1)
    taker = s.rows[-2].sequence
    s.pay(B, 1, 70_000, "BILL-1", result=Result.BILL_ALREADY_CLAIMED, total=taker)
    s.pay(B, 2, 10_000, "METER-9")
    s.pay(B, 4, 500, "FEE")
    s.pay(B, 4, 500, "FEE")
    s.pay(A, 3, 1_000, "DIRECT-1")
    s.pay(A, 9 - 8, 10**8, "BILL-3", result=Result.INSUFFICIENT_FUNDS)
    s.commit()
    for index in range(3):
        s.pay(
            A, 1, 2_000 + index, f"BASKET-{index}", head=index % 2, basket=0x300 + index
        )
    for index, result in enumerate((Result.BASKET_FAILED, Result.AMOUNT_BELOW_MINIMUM)):
        amount = 50 if index else 5_000
        s.pay(A, 1, amount, f"FAILED-{index}", basket=0x200 + index, result=result)
    whole = [s.hold(B, 3_000, f"PAIR-{i}", basket=0x200 + i) for i in range(2)]
    s.commit()
    posted = s.hold(A, 30_000, "HOLD-1")
    voided = s.hold(A, 20_000, "HOLD-2")
    expired = s.hold(B, 15_000, "HOLD-3", deadline=60)
    taker = expired.sequence
    s.pay(B, 3, 15_000, "HOLD-3", result=Result.BILL_ALREADY_CLAIMED, total=taker)
    s.commit()
    post = s.resolve(Kind.POST, posted, word=WORD)
    s.resolve(Kind.VOID, voided, word=WORD)
    s.resolve(Kind.POST, whole[0], word=WORD)
    s.resolve(Kind.VOID, whole[1], word=WORD)
    again = s.hold(B, 20_000, "HOLD-2")
    s.commit()
    window = s.window()
    s.commit()
    s.now += 2 * HOUR  # past midnight: 1 April
    s.resolve(Kind.EXPIRE, expired)
    s.pay(B, 3, 15_000, "HOLD-3", result=Result.BILL_ALREADY_CLAIMED, total=taker)
    s.verify(expired, b"NOTHING")
    s.pay(B, 1, 15_000, "HOLD-3")
    s.resolve(Kind.VOID, again, word=WORD)
    s.pay(A, 1, 1_500, "BILL-4")
    s.settle(window, X1, s_payable(window, X1))
    s.settle(window, X0, s_payable(window, X0))
    s.commit()
    s.participant(SECOND, Role.TREASURY, b"second")
    s.participant(HARNESS, Role.HARNESS, b"harness")
    s.refunded_by_two(post, 10_000)
    s.refunded_by_two(post, 20_000)
    s.pay(A, 3, 30_000, "HOLD-1")
    first = next(r for r in s.rows if r.reference == b"BILL-2")
    s.refunded_by_two(first, 60_000)
    s.add(Kind.FREEZE, debit=B, reference=b"suspected")
    s.pay(B, 1, 700, "BILL-7", result=Result.DEBIT_FROZEN)
    s.add(Kind.FREEZE, debit=B, reference=b"cleared", flags=int(RowFlag.UNFREEZE))
    s.add(Kind.TRANSFER, debit=B, credit=SUSPENSE, amount=700, reference=b"found")
    s.add(Kind.TRANSFER, debit=SUSPENSE, credit=C, amount=700, reference=b"found")
    s.add(Kind.TRANSFER, debit=C, credit=Y, amount=700, reference=b"corrected")
    s.add(Kind.CLOSE, debit=C, reference=b"gone")
    s.commit()
    second = s.window()
    s.settle(second, Y, s_payable(second, Y))
    s.commit()
    s.now += 25 * HOUR
    s.pay(B, 2, 10_000, "METER-9")
    s.hold(A, 4_000, "OPEN-1")
    s.pay(A, 1, 1_600, "BILL-2")
    s.window()
    s.commit()
    tell_of_people(s, whole[0], expired)
    tell_of_doubts(s)
    tell_of_banks(s)
    return s


def tell_of_people(s: Story, posted: Row, expired: Row) -> None:
    """Cases of each type, a refund by two people, two shifts, answers of billers."""
    s.service(5, 2, 1, 5, [Y], policy=Policy.KEEP)
    kept = s.pay(A, 5, 2_000, "KEPT", kind=Kind.HOLD, deadline=60)
    open_ = s.pay(A, 5, 2_500, "KEPT-2", kind=Kind.HOLD, deadline=60)
    given_back = s.hold(A, 900, "HOLD-4")
    s.commit()
    s.now += HOUR // 2
    s.case(kept, CaseType.DEADLINE_PASSED)
    s.case(open_, CaseType.DEADLINE_PASSED)
    s.case(expired, CaseType.LATE_CONFIRMATION, tail=b"CREDITED/7")
    rejected = s.case(posted, CaseType.LATE_REJECTION)
    s.resolve(Kind.POST, kept, word=b"CREDITED/8")
    s.resolve(Kind.VOID, given_back, word=b"E-1")
    # Another payment has its bill by now.
    s.verified_by_two(expired).flags &= ~int(RowFlag.RELEASE)
    s.closed_by_two(rejected)
    s.commit()
    payment = next(r for r in s.rows if r.reference == b"BILL-4")
    proposal = s.asked(Kind.REFUND, payment, 500, b"paid too much")
    s.commit()
    s.approve(proposal)
    refund = s.refund(payment, 500)
    refund.id, refund.checker = deed_id(proposal.id), SECOND
    first = s.shift(A, 9_000, 8_990, participant=2)
    s.add(Kind.APPROVE, resolves=first.sequence, participant=2, operator_=9)
    s.shift(A, 500, 500, participant=2, resolves=first.sequence)
    s.case(given_back, CaseType.LATE_CONFIRMATION)
    left = s.pay(A, 5, 2_700, "KEPT-3", kind=Kind.HOLD, participant=HARNESS)
    left.deadline = 60
    s.commit()
    s.now += HOUR // 30
    s.case(left, CaseType.DEADLINE_PASSED)
    s.ended_by_two(Kind.VOID, left)
    correction = s.asked(Kind.TRANSFER, given_back, 900, b"credited")
    s.commit()
    s.approve(correction)
    s.moved_by(correction, given_back.debit, given_back.credit)
    s.commit()


def tell_of_doubts(s: Story) -> None:
    """An advance and its recovery, other amounts, a withdrawn proposal."""
    hold = s.pay(A, 5, 2_800, "KEPT-4", kind=Kind.HOLD, deadline=60)
    other = s.hold(A, 1_100, "HOLD-5")
    s.commit()
    s.now += HOUR // 30
    s.case(hold, CaseType.DEADLINE_PASSED)
    s.case(other, CaseType.AMOUNT_DIFFERS)
    s.case(hold, CaseType.AMOUNT_DIFFERS)
    s.add(Kind.TRANSFER, debit=FLOAT, credit=SUSPENSE, amount=5_000, reference=b"lent")
    advance = s.advanced_by_two(hold)
    s.commit()
    mistaken = s.asked(Kind.POST, other, 1_000, b"it says so")
    s.add(Kind.WITHDRAW, resolves=mistaken.sequence, reference=b"another sum")
    s.ended_by_two(Kind.POST, other, 900)
    s.ended_by_two(Kind.VOID, hold)
    s.recover(advance)
    s.commit()
    s.closed_by_two(s.case(other, CaseType.AMOUNT_DIFFERS))
    s.add(Kind.TRANSFER, debit=SUSPENSE, credit=FLOAT, amount=5_000, reference=b"back")
    s.commit()


def tell_of_banks(s: Story) -> None:
    """A bank account; a request that is met, items that people end, releases."""
    for at, kind in enumerate(
        (AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)
    ):
        s.open(MIRROR + at, 1, 16 + at, kind)
    record = struct.pack("<BB2xIH6x40s", Record.BANK_ACCOUNT, 1, 1, 16, b"0123456789")
    s.add(Kind.REGISTER, debit=1, tail=record + b"{}")
    s.commit()

    def booked(debit: int, credit: int, amount: int, utr: bytes, **f: object) -> Row:
        flags = ONCE | (RECENT if debit == MIRROR else 0)
        said: dict[str, object] = {"reference": utr, "flags": flags, **f}
        return s.add(Kind.BOOKED, debit=debit, credit=credit, amount=amount, **said)

    def moved(debit: int, credit: int, amount: int, about: Row | None) -> Row:
        number = about.sequence if about else 0
        said: dict[str, object] = {"reference": b"found", "resolves": number}
        return s.add(Kind.TRANSFER, debit=debit, credit=credit, amount=amount, **said)

    met: dict[str, Any] = {"flags": ONCE | int(RowFlag.MATCHED)}
    asked = s.add(Kind.REQUEST, participant=2, credit=A, amount=70_000)
    wrong: dict[str, Any] = {"result": Result.ACCOUNT_UNKNOWN}
    s.add(Kind.REQUEST, participant=2, credit=B, amount=70_000, **wrong)
    s.commit()
    number: dict[str, Any] = {"resolves": asked.sequence}
    booked(MIRROR, WAITING, 3, b"UTR000000000", **number)
    word: dict[str, Any] = {"tail": b'{"payer":"ALPHA"}', **number}
    word["flags"] = met["flags"] | RECENT
    first = booked(MIRROR, A, 70_000, b"UTR000000001", **word)
    wrong = {"result": Result.BOOKED_DIFFERS, "total": first.sequence, "flags": 0}
    booked(MIRROR, 0, 70_001, b"UTR000000001", **wrong)
    item = booked(MIRROR, WAITING, 70_000, b"UTR000000002", **number)
    back = booked(MIRROR, WAITING, 5_000, b"UTR000000003")
    s.commit()
    moved(WAITING, B, 70_000, item)
    returned = moved(WAITING, TRANSIT, 5_000, back)
    paid = moved(SETTLEMENT, TRANSIT, 1_000, None)
    s.commit()
    booked(TRANSIT, MIRROR, 5_000, b"OUT000000001", **met, resolves=returned.sequence)
    charge = booked(TRANSIT, MIRROR, 20, b"charges of May", resolves=paid.sequence)
    moved(B, TRANSIT, 20, charge)
    s.commit()


def s_payable(window: Row, account: int) -> int:
    """What a window owes an account."""
    for line in struct.iter_unpack("<2I4Q", window.tail or b""):
        if line[0] == account:
            return int(line[5])
    raise LookupError(account)


def going_on() -> Story:
    """A copy of the story that goes on where it ends."""
    s = Story()
    s.groups, s.group = copied(story().groups), []
    s.rows = [row for group in s.groups for row in group]
    for row in s.rows:
        s.images.apply(row)
        if row.receipt:
            key = row.debit, financial_year(ist_day(row.timestamp))
            s.receipts[key] = row.receipt
    s.now = s.rows[-1].timestamp + 1000
    s.last_window = next(r.sequence for r in reversed(s.rows) if r.kind == Kind.WINDOW)
    s.refunded = dict(story().refunded)
    s.services = dict(story().services)
    return s


def random_groups(seed: int, count: int, most: int) -> Groups:
    """Random right payments, holds, resolutions and top-ups over the story's state."""
    s = going_on()
    rng = random.Random(seed)
    accounts = s.images.accounts
    ends = s.images.holds
    holds = [row for row in s.rows if ends.get(row.sequence, NEVER) != NEVER]
    done: list[Row] = []
    for number in range(count):
        s.now += rng.choice((0, 0, 0, HOUR, 5 * HOUR))
        if not s.group:
            for hold in [one for one in holds if ends[one.sequence] <= s.now]:
                holds.remove(hold)
                s.resolve(Kind.EXPIRE, hold)
        wallet = rng.choice((A, B))
        a = accounts[wallet]
        free = a["credits_posted"] - a["debits_posted"] - a["debits_pending"]
        move = rng.choice(("pay", "pay", "hold", "hold", "end", "top", "refund", "win"))
        amount = min(free, rng.randrange(100, most))
        if move == "top" or free < 100:
            s.top_up(wallet, rng.randrange(100, most), f"U{number}")
        elif move == "win" and rng.random() < 0.2:
            s.window()
        elif move == "pay" and wallet == B:
            done.append(s.pay(B, 1, amount, f"R{number}", head=rng.randrange(2)))
        elif move == "hold" and wallet == B:
            holds.append(s.hold(B, amount, f"R{number}", deadline=60))
        elif move == "end" and holds:
            hold = holds.pop(rng.randrange(len(holds)))
            kind = rng.choice((Kind.POST, Kind.POST, Kind.VOID))
            row = s.resolve(kind, hold, word=WORD)
            done += [row] if kind == Kind.POST else []
        elif move == "refund" and done:
            payment = rng.choice(done)
            left = payment.amount - s.refunded.get(payment.sequence, 0)
            if left:
                s.refunded_by_two(payment, rng.choice((left, rng.randint(1, left))))
        if rng.random() < 0.3 and s.group:
            s.commit()
    if s.group:
        s.commit()
    return s.groups


def images_at(groups: Groups, sequence: int) -> Images:
    images = Images()
    for row in (row for group in groups for row in group):
        if row.sequence <= sequence:
            images.apply(row)
    return images


def written(directory: Path, groups: Groups, index: bool = True) -> Path:
    write_journal(directory, groups)
    if index:
        last = groups[-1][-1].sequence
        write_index(directory, images_at(groups, last), last)
    return directory
