"""Goal: a right ledger passes the audit, and every kind of wrong is found as itself.

Method: one story with every row kind is written by an independent writer; each test
changes one thing in it and asks which check finds it. Changes of meaning are sealed
again with right checks, so that nothing but the meant check can see them. Account
images come from a plain reading, row by row, and must equal the bulk one.
"""

import dataclasses
import functools
import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from switch.audit import audit, reader
from switch.audit.auditor import Report
from switch.audit.findings import CHECKS, FINDINGS_MAX
from switch.audit.live import Live
from switch.audit.report import as_text
from switch.codes import HEAD_SHIFT, AccountKind, Kind, Result, Role, RowFlag
from switch.errors import ConfigError, StorageError
from tests.switch.journal_writer import (
    Groups,
    Images,
    Row,
    change_chunks,
    copied,
    financial_year,
    ist_day,
    read_chunks,
    write_chunks,
    write_index,
    write_journal,
)

HOUR = 3600 * 10**9
START = 1_774_978_200 * 10**9  # 2026-03-31 23:00 IST: both day and year end soon
ONCE = int(RowFlag.CLAIM)
RECENT = int(RowFlag.CLAIM | RowFlag.RECENT)
FLOAT, SUSPENSE, SETTLEMENT, A, B, X0, X1, Y, C = range(1, 10)


class Story:
    """Makes groups of rows; keeps what a row must carry on from earlier ones."""

    def __init__(self) -> None:
        self.groups: Groups = []
        self.group: list[Row] = []
        self.rows: list[Row] = []
        self.images = Images()
        self.now = START
        self.receipts: dict[tuple[int, int], int] = {}
        self.refunded: dict[int, int] = {}
        self.last_window = 0

    def add(self, kind: Kind, **fields: object) -> Row:
        row = Row(kind, sequence=len(self.rows) + 1, timestamp=self.now)
        self.now += 1000
        if kind not in (Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.WINDOW):
            row.id = row.sequence.to_bytes(16, "big")
            row.participant = 1
        for name, value in fields.items():
            assert hasattr(row, name)
            setattr(row, name, value)
        if kind in (Kind.PAY, Kind.POST) and row.result == Result.OK:
            key = row.debit, financial_year(ist_day(row.timestamp))
            row.receipt = self.receipts[key] = self.receipts.get(key, 0) + 1
        self.rows.append(row)
        self.group.append(row)
        self.images.apply(row)
        return row

    def commit(self) -> None:
        self.groups.append(self.group)
        self.group = []

    def participant(
        self, index: int, role: Role, code: bytes, **fields: object
    ) -> None:
        tail = struct.pack("<3B5x32s24x", 1, role, 1, code) + b'{"name":"x"}'
        self.add(Kind.REGISTER, debit=index, tail=tail, **fields)

    def open(self, index: int, owner: int, purpose: int, kind: AccountKind) -> None:
        tail = struct.pack("<IHB25x", owner, purpose, kind)
        self.add(Kind.OPEN, debit=index, tail=tail)

    def service(
        self,
        index: int,
        mode: int,
        rule: int,
        biller: int,
        heads: list[int],
        **f: object,
    ) -> None:
        hours = 24 if rule == 3 else 0
        tail = struct.pack(
            "<8B16sQQIII8I44x",
            *(2, 3, mode, rule, int(rule == 2), 1, 1, len(heads)),
            b"BSK%04d" % index,
            *(100, 10**9, hours, 3600, biller),
            *heads,
            *[0] * (8 - len(heads)),
        )
        self.add(Kind.REGISTER, debit=index, tail=tail, **f)

    def pay(self, wallet: int, service: int, amount: int, ref: str, **f: object) -> Row:
        owner = 2 if wallet == A else 3
        head = int(str(f.pop("head", 0)))
        credit = {1: [X0, X1], 2: [Y], 3: [X0], 4: [Y]}[service][head]
        flags = {1: ONCE, 2: RECENT, 3: ONCE, 4: 0}[service] | head << HEAD_SHIFT
        kind = Kind(int(str(f.pop("kind", Kind.PAY))))
        if kind == Kind.PAY and service == 3:
            flags |= RowFlag.AS_DIRECT
        if "result" in f:
            flags &= ~RECENT
        fields: dict[str, object] = {"participant": owner, "operator_": 1, **f}
        return self.add(
            kind,
            debit=wallet,
            credit=credit,
            amount=amount,
            service=service,
            reference=ref.encode(),
            flags=flags,
            **fields,
        )

    def hold(self, wallet: int, amount: int, ref: str, **f: object) -> Row:
        f.setdefault("deadline", 3600)
        return self.pay(wallet, 3, amount, ref, kind=Kind.HOLD, **f)

    def resolve(self, kind: Kind, hold: Row, amount: int | None = None) -> Row:
        fields = {
            name: getattr(hold, name)
            for name in (
                "debit credit service participant operator_ basket reference flags"
            ).split()
        }
        if kind != Kind.POST and hold.flags & RowFlag.CLAIM:
            fields["flags"] |= RowFlag.RELEASE
        amount = hold.amount if amount is None else amount
        return self.add(kind, resolves=hold.sequence, amount=amount, **fields)

    def refund(self, payment: Row, amount: int) -> Row:
        total = self.refunded.get(payment.sequence, 0) + amount
        self.refunded[payment.sequence] = total
        flags = payment.flags & ~int(RowFlag.AS_DIRECT | RowFlag.TAIL)
        if total == payment.amount and payment.flags & RowFlag.CLAIM:
            flags |= RowFlag.RELEASE
        return self.add(
            Kind.REFUND,
            debit=payment.credit,
            credit=payment.debit,
            reference=payment.reference,
            service=payment.service,
            amount=amount,
            resolves=payment.sequence,
            flags=flags,
            total=total,
        )

    def top_up(self, wallet: int, amount: int, utr: str) -> Row:
        return self.add(
            Kind.TOP_UP,
            debit=FLOAT,
            credit=wallet,
            amount=amount,
            reference=utr.encode(),
            flags=ONCE,
        )

    def window(self) -> Row:
        tail = self.images.lines()
        row = self.add(Kind.WINDOW, resolves=self.last_window, tail=tail)
        self.last_window = row.sequence
        return row

    def settle(self, window: Row, account: int, amount: int) -> Row:
        return self.add(
            Kind.SETTLE,
            debit=account,
            credit=SETTLEMENT,
            amount=amount,
            resolves=window.sequence,
        )


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
    s.service(3, 2, 2, 4, [X0])
    s.service(4, 1, 1, 5, [Y])
    s.participant(2, Role.CENTRE, b"centre-a", flags=int(RowFlag.UPDATE))
    s.add(Kind.LIMIT, debit=A, tail=struct.pack("<QII", 900_000, 50, 0))
    s.add(Kind.REGISTER, id=bytes(16), participant=0, tail=struct.pack("<B31x", 3))
    s.commit()
    s.top_up(A, 1_000_000, "UTR-A1")
    s.top_up(B, 600_000, "UTR-B1")
    s.commit()
    s.pay(A, 1, 50_000, "BILL-1", tail=b"a note")
    s.pay(A, 1, 60_000, "BILL-2", head=1)
    s.pay(B, 1, 70_000, "BILL-1", result=Result.BILL_ALREADY_CLAIMED)
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
        s.pay(A, 1, 5_000, f"FAILED-{index}", basket=0x200 + index, result=result)
    whole = [s.hold(B, 3_000, f"PAIR-{i}", basket=0x200 + i) for i in range(2)]
    s.commit()
    posted = s.hold(A, 30_000, "HOLD-1")
    voided = s.hold(A, 20_000, "HOLD-2")
    expired = s.hold(B, 15_000, "HOLD-3", deadline=60)
    s.pay(B, 3, 15_000, "HOLD-3", result=Result.BILL_ALREADY_CLAIMED)
    s.commit()
    post = s.resolve(Kind.POST, posted, 25_000)
    s.resolve(Kind.VOID, voided)
    s.resolve(Kind.POST, whole[0])
    s.resolve(Kind.VOID, whole[1])
    again = s.hold(B, 20_000, "HOLD-2")
    s.commit()
    window = s.window()
    s.commit()
    s.now += 2 * HOUR  # past midnight: 1 April
    s.resolve(Kind.EXPIRE, expired)
    s.pay(B, 1, 15_000, "HOLD-3")
    s.resolve(Kind.VOID, again)
    s.pay(A, 1, 1_500, "BILL-4")
    s.settle(window, X1, s_payable(window, X1))
    s.settle(window, X0, s_payable(window, X0))
    s.commit()
    s.refund(post, 10_000)
    s.refund(post, 15_000)
    s.pay(A, 3, 30_000, "HOLD-1")
    first = next(r for r in s.rows if r.reference == b"BILL-2")
    s.refund(first, 60_000)
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
    return s


def s_payable(window: Row, account: int) -> int:
    """What a window owes an account."""
    for line in struct.iter_unpack("<2I4Q", window.tail or b""):
        if line[0] == account:
            return int(line[5])
    raise LookupError(account)


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
        write_index(directory, [images_at(groups, last).segment(0, last)])
    return directory


def failed(report: Report) -> set[str]:
    return {name for name, count in report.checks.items() if count}


# --- right ledgers -------------------------------------------------------------------


def test_story_has_every_kind() -> None:
    kinds = {row.kind for row in story().rows if row.result == Result.OK}
    assert kinds == {kind for kind in Kind if kind <= Kind.REGISTER}


@pytest.mark.parametrize("block_rows", [1, 7, 32_768])
def test_right_ledger_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    monkeypatch.setattr(reader, "BLOCK_ROWS", block_rows)
    s = story()
    report = audit(written(tmp_path, s.groups))
    assert report.findings.kept == []
    assert report.sequence == len(s.rows)
    assert report.accounts == 9
    assert report.holds == 1
    assert report.state_hash == s.images.state_hash()
    assert set(report.checks) == set(CHECKS) - {"live"}
    assert audit(tmp_path, scope="chain").ok


def test_every_prefix_gives_the_plain_images(tmp_path: Path) -> None:
    """The bulk reading equals the plain one wherever the index stands."""
    s = story()
    write_journal(tmp_path / "j", s.groups)
    for sequence in range(0, len(s.rows) + 1, 3):
        directory = tmp_path / str(sequence)
        directory.mkdir()
        (directory / "journal").symlink_to(tmp_path / "j" / "journal")
        images = images_at(s.groups, sequence)
        write_index(directory, [images.segment(0, sequence)])
        report = audit(directory)
        assert report.findings.kept == []
        if sequence:
            short = audit(directory, at=sequence)
            assert short.findings.kept == []
            assert short.state_hash == images.state_hash()


def test_index_may_be_absent_behind_or_ahead(tmp_path: Path) -> None:
    s = story()
    absent = audit(written(tmp_path / "a", s.groups, index=False))
    assert absent.ok
    assert "index" not in absent.checks
    assert "no index" in absent.notes[0]
    ahead = audit(written(tmp_path / "b", s.groups), at=20)
    assert ahead.ok
    assert "past 20" in ahead.notes[0]


def test_empty_ledger_passes(tmp_path: Path) -> None:
    write_chunks(tmp_path, [])
    report = audit(tmp_path)
    assert report.ok
    assert report.sequence == 0
    assert as_text(report)


def random_groups(seed: int, count: int, most: int) -> Groups:
    """Random right payments, holds, resolutions and top-ups over the story's state."""
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
    rng = random.Random(seed)
    accounts, holds, done = s.images.accounts, [], []
    for number in range(count):
        s.now += rng.choice((0, 0, 0, HOUR, 5 * HOUR))
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
            late = s.now >= hold.timestamp + 60 * 10**9
            kind = rng.choice(
                (Kind.POST, Kind.VOID, Kind.EXPIRE if late else Kind.POST)
            )
            part = rng.randrange(1, hold.amount + 1) if kind == Kind.POST else None
            row = s.resolve(kind, hold, part)
            done += [row] if kind == Kind.POST else []
        elif move == "refund" and done:
            payment = rng.choice(done)
            left = payment.amount - s.refunded.get(payment.sequence, 0)
            if left:
                s.refund(payment, rng.choice((left, rng.randrange(1, left + 1))))
        if rng.random() < 0.3 and s.group:
            s.commit()
    if s.group:
        s.commit()
    return s.groups


@pytest.mark.parametrize("seed", range(6))
def test_random_right_ledgers_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Wallets run close to zero, so sums alone do not prove them."""
    monkeypatch.setattr(reader, "BLOCK_ROWS", 64)
    groups = random_groups(seed, 600, 10**9 if seed else 1_000)
    report = audit(written(tmp_path, groups))
    assert report.findings.kept == []
    last = groups[-1][-1].sequence
    assert report.state_hash == images_at(groups, last).state_hash()


# --- wrong bytes ---------------------------------------------------------------------


def flipped(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 0x10]) + value[at + 1 :]


def key_with_tail(chunks: dict[int, bytes]) -> int:
    return next(k for k, v in chunks.items() if int.from_bytes(v[12:16], "little"))


@pytest.mark.parametrize("at", [8, 20, 55, 64 + 5, 64 + 40, 64 + 124])
def test_flipped_bits_in_headers_and_rows_are_found(tmp_path: Path, at: int) -> None:
    written(tmp_path, story().groups)
    key = list(read_chunks(tmp_path))[3]
    value = flipped(read_chunks(tmp_path)[key], at)
    change_chunks(tmp_path, {key: value})
    expected = "chunks" if at < 16 else "chain" if at < 64 else "rows"
    found = failed(audit(tmp_path))
    assert expected in found
    if at == 64 + 124:
        assert "chain" in found


def test_every_flipped_bit_of_a_chunk_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    chunks = read_chunks(tmp_path)
    key = next(k for k, v in chunks.items() if b"a note" in v)
    for at in range(0, len(chunks[key]), 13):
        change_chunks(tmp_path, {key: flipped(chunks[key], at)})
        found = failed(audit(tmp_path, scope="chain"))
        assert found & {"chunks", "chain", "rows"}, at


def test_a_flipped_bit_in_a_tail_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    chunks = read_chunks(tmp_path)
    key = key_with_tail(chunks)
    start = 64 + 128 * int.from_bytes(chunks[key][8:12], "little")
    for at in (start, start + 4, start + 12, len(chunks[key]) - 1):
        change_chunks(tmp_path, {key: flipped(chunks[key], at)})
        assert {"tails", "chain"} <= failed(audit(tmp_path, scope="chain")), at


def test_swapped_chunks_are_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    chunks = read_chunks(tmp_path)
    one, two = list(chunks)[2:4]
    change_chunks(tmp_path, {one: chunks[two], two: chunks[one]})
    assert {"chunks", "chain", "sequence"} <= failed(audit(tmp_path))


def test_a_dropped_chunk_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    change_chunks(tmp_path, {list(read_chunks(tmp_path))[4]: None})
    assert {"chain", "sequence"} <= failed(audit(tmp_path))


def test_a_chunk_of_another_ledger_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    key, value = list(read_chunks(tmp_path).items())[4]
    change_chunks(tmp_path, {key: flipped(value, 30)})
    assert "chunks" in failed(audit(tmp_path))


@pytest.mark.parametrize("value", [b"", bytes(64), bytes(500)])
def test_a_value_that_is_no_chunk_is_found(tmp_path: Path, value: bytes) -> None:
    written(tmp_path, story().groups)
    change_chunks(tmp_path, {list(read_chunks(tmp_path))[4]: value})
    assert {"chunks", "sequence"} <= failed(audit(tmp_path))


def test_garbage_never_stops_the_audit(tmp_path: Path) -> None:
    """Whatever a row says, the audit ends with findings."""
    written(tmp_path, story().groups)
    rng = random.Random(1)
    for key, value in read_chunks(tmp_path).items():
        count = int.from_bytes(value[8:12], "little")
        noise = bytearray(value)
        for at in range(64, 64 + 128 * count, 128):
            start = at + rng.randrange(0, 120)
            noise[start : start + 8] = rng.randbytes(8)
        change_chunks(tmp_path, {key: bytes(noise)})
    report = audit(tmp_path)
    assert {"rows", "fields"} <= failed(report)
    assert len(as_text(report).splitlines()) < 100


# --- wrong meaning, sealed again -----------------------------------------------------


Change = Callable[[Groups], None]


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


CHANGES: dict[str, tuple[str, Change]] = {
    "time runs back": ("time", setting(Kind.PAY, 3, timestamp=START)),
    "unknown kind": ("fields", setting(Kind.TRANSFER, 0, kind=16)),
    "unknown result": ("fields", setting(Kind.PAY, 0, result=20)),
    "unknown flag": ("fields", setting(Kind.PAY, 0, flags=ONCE | 0x0080)),
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
    "account's role": ("accounts", retailing(Kind.OPEN, 3, 6, bytes([3]))),
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
    "receipts gap": ("receipts", setting(Kind.PAY, 4, receipt=9)),
    "receipt twice": ("receipts", setting(Kind.PAY, 1, receipt=1)),
    "receipt missing": ("receipts", setting(Kind.POST, 0, receipt=0)),
    "receipt on a top-up": ("receipts", setting(Kind.TOP_UP, 0, receipt=1)),
    "receipt of last year": ("receipts", naming(b"BILL-4", receipt=10)),
    "half a basket": ("baskets", without(Kind.PAY, 7)),
    "basket in two chunks": ("baskets", splitting_basket),
    "basket of two wallets": ("baskets", naming(b"BASKET-1", debit=B)),
    "basket of two billers": ("baskets", naming(b"BASKET-1", credit=Y)),
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
    "no such head": ("services", setting(Kind.PAY, 0, flags=ONCE | 5 << HEAD_SHIFT)),
    "another head": ("services", setting(Kind.PAY, 0, credit=X1)),
    "below the minimum": ("services", setting(Kind.PAY, 0, amount=99)),
    "not marked as direct": ("services", naming(b"DIRECT-1", flags=ONCE)),
    "service of another code": ("services", setting(Kind.REGISTER, 6, debit=3)),
    "service's head": (
        "services",
        retailing(Kind.REGISTER, 7, 52, struct.pack("<I", X0)),
    ),
    "limit of amounts": ("limits", retailing(Kind.LIMIT, 0, 0, struct.pack("<Q", 9))),
    "limit of payments": ("limits", retailing(Kind.LIMIT, 0, 8, struct.pack("<I", 4))),
    "id twice": ("ids", setting(Kind.PAY, 4, id=(27).to_bytes(16, "big"))),
    "claim not taken": ("claims", setting(Kind.PAY, 0, flags=0)),
    "bill twice": ("claims", naming(b"BILL-4", reference=b"BILL-1")),
    "bill while held": ("claims", naming(b"BILL-4", reference=b"OPEN-1")),
    "released by nobody": ("claims", naming(b"HOLD-2", Kind.VOID, flags=ONCE)),
    "paid within the hours": (
        "claims",
        retailing(Kind.REGISTER, 7, 40, struct.pack("<I", 720)),
    ),
    "release in part": ("claims", setting(Kind.REFUND, 0, flags=ONCE | 8)),
    "bank reference twice": ("utrs", setting(Kind.TOP_UP, 1, reference=b"UTR-A1")),
    "refunds exceed": ("refunds", setting(Kind.REFUND, 1, amount=15_001, total=25_001)),
    "refund's total": ("refunds", setting(Kind.REFUND, 1, total=15_000)),
    "refund of a top-up": ("refunds", setting(Kind.REFUND, 0, resolves=23)),
    "refund to another": ("refunds", setting(Kind.REFUND, 0, credit=B)),
    "refund of another bill": ("refunds", setting(Kind.REFUND, 0, reference=b"BILL")),
}


def test_every_check_has_a_change() -> None:
    bytes_only = {"chunks", "chain", "rows", "index", "live"}
    assert {check for check, _ in CHANGES.values()} | bytes_only == set(CHECKS)


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


# --- what is compared ----------------------------------------------------------------


ACCOUNT_FIELDS = tuple(name for name in story().images.accounts[1])


@pytest.mark.parametrize("name", ACCOUNT_FIELDS)
def test_a_wrong_field_of_a_segment_is_found(tmp_path: Path, name: str) -> None:
    s = story()
    write_journal(tmp_path, s.groups)
    images = images_at(s.groups, 40)
    images.accounts[X0][name] ^= 1
    write_index(tmp_path, [images.segment(0, 40)])
    report = audit(tmp_path)
    assert failed(report) == {"index"}
    assert [f.sequence for f in report.findings.kept] == [40]
    assert f"account {X0}: {name} " in report.findings.kept[0].text


def test_a_damaged_segment_is_found(tmp_path: Path) -> None:
    s = story()
    write_journal(tmp_path, s.groups)
    segment = images_at(s.groups, 40).segment(0, 40)
    write_index(tmp_path, [flipped(segment, 5_000)])
    assert failed(audit(tmp_path)) == {"index"}


def served(sequence: int) -> Live:
    """What a right server says at a sequence."""
    images = images_at(story().groups, sequence)
    accounts = images.accounts[1:]
    totals = [list(a.values())[:4] for a in accounts]
    return Live(
        as_of=sequence,
        totals=np.array(totals, dtype=np.uint64).reshape(len(accounts), 4),
        kinds=[a["kind"] for a in accounts],
        states=[a["state"] for a in accounts],
        holds_counts=[a["holds_count"] for a in accounts],
        sequence=sequence + 2,
        state_hash=images_at(story().groups, sequence + 2).state_hash(),
    )


def test_a_right_server_passes(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    report = audit(tmp_path, ask=lambda: served(40))
    assert report.ok
    assert report.checks["live"] == 0
    short = audit(tmp_path, at=30, ask=lambda: served(40))
    assert short.ok
    assert any("server" in note for note in short.notes)


def test_a_wrong_server_is_found(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    right = served(40)
    totals = right.totals.copy()
    totals[3, 1] += np.uint64(1)
    wrongs = (
        dataclasses.replace(right, totals=totals),
        dataclasses.replace(right, totals=right.totals[:-1]),
        dataclasses.replace(right, states=[2, *right.states[1:]]),
        dataclasses.replace(right, state_hash="00" * 32),
    )
    for wrong in wrongs:
        report = audit(tmp_path, ask=lambda wrong=wrong: wrong)
        assert failed(report) == {"live"}
        assert report.findings.count == 1


# --- the command ---------------------------------------------------------------------


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "switch.audit", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_command_says_ok(tmp_path: Path) -> None:
    written(tmp_path, story().groups)
    done = command(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["audit"] == "ok"
    assert said["findings"] == []
    assert said["sequence"] == said["rows"] == len(story().rows)
    assert said["state_hash"] == story().images.state_hash()
    done = command(tmp_path, "--at", 30, "--only", "chain")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("ok: 30 rows")


def test_command_says_what_is_wrong(tmp_path: Path) -> None:
    groups = copied(story().groups)
    setting(Kind.PAY, 4, receipt=9)(groups)
    write_journal(tmp_path, groups)
    done = command(tmp_path)
    assert done.returncode == 1
    assert "receipts: wallet" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FAILED")
    said = json.loads(command(tmp_path, "--json").stdout)
    assert said["audit"] == "failed"
    assert said["findings"][0]["check"] == "receipts"


def test_command_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    assert command(tmp_path / "nothing").returncode == 3
    assert command().returncode == 2
    written(tmp_path, story().groups)
    assert command(tmp_path, "--at", 10_000).returncode == 2
    assert command(tmp_path, "--live", "localhost:1").returncode == 2


def test_errors_are_of_the_tree(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        audit(tmp_path)
    written(tmp_path, story().groups)
    with pytest.raises(ConfigError):
        audit(tmp_path, at=10_000)


def test_findings_are_bounded(tmp_path: Path) -> None:
    groups = copied(story().groups)
    for group in groups:
        for row in group:
            row.flags |= 0x0080
    write_journal(tmp_path, groups)
    report = audit(tmp_path)
    assert report.checks["fields"] == len(story().rows)
    kept = [f for f in report.findings.kept if f.check == "fields"]
    assert len(kept) == FINDINGS_MAX


def test_the_core_is_never_imported() -> None:
    code = (
        "import sys, switch.audit.__main__\n"
        "assert not [m for m in sys.modules if m.startswith('switch._core')]\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'grpc']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
