"""Goal: no row template, however wild, ends the process or leaves another index.

Method: an accepted proposal of an account that cannot be, stated by hand; then seeded
rows of every kind whose accounts, services and rows spoken of are drawn from the edges
of their fields. The ledger has several segments that are written in turn, so that each
opening applies rows again; the model says what becomes of each, and a ledger that was
never closed must have the same tables as one that was opened after every group
(`make torture` draws many more, of its own seed).
"""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import Kind, Record, Result
from switch.errors import CorruptionError
from tests.audit.journal_writer import Row as Written
from tests.audit.journal_writer import write_journal
from tests.core.cashier import bank_account, statement
from tests.core.generator import Generator
from tests.core.network import NOW
from tests.core.test_segments import OPTIONS, SEGMENTS, open_pair, stand, tables
from tests.longer import SEED, TIMES, turns
from tests.model import Rows
from tests.records import (
    AccountRecord,
    ParticipantRecord,
    Row,
    ServiceRecord,
    ShiftRecord,
)

pytestmark = pytest.mark.fills

SECOND_NS = 10**9
EDGES = (0, 1, 2, 511, 512, 2**21 - 1, 2**21, 2**31 - 1, 2**31, 2**32 - 1)
KINDS = (0, *Kind, 255)
SPEAKERS = (Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW, Kind.CASE_CLOSE)
"""What is about another row, and of no account."""


def wild(rng: random.Random, generator: Generator) -> Row:
    """A row that is right, but for one to four of its fields."""
    drawn: list[Row] = []
    while not drawn:
        drawn = rng.choice(generator.kinds)()
    row = replace(drawn[0])
    if row.kind == Kind.REGISTER:
        return row  # codes that the generator does not know would lead it astray
    names = "debit", "credit", "resolves", "service", "total", "checker", "operator_"
    for name in rng.sample(names, rng.randrange(1, 5)):
        wide = name in ("resolves", "total")
        value = rng.choice((*EDGES, 2**63, 2**64 - 1) if wide else EDGES)
        setattr(row, name, value & 0xFFFF if name == "service" else value)
    if rng.randrange(4) == 0:
        row.kind = rng.choice((*KINDS, *SPEAKERS))
    return row


def registered(number: int, tail: bytes) -> Written:
    """A row of the register that says this of this number."""
    return Written(Kind.REGISTER, id=b"r" * 16, debit=number, tail=tail)


def shift(network: Any, number: int) -> Row:
    """A shift of any wallet: it changes no account."""
    record = ShiftRecord(number).pack() + b"{}"
    row = Row(Kind.SHIFT, id=b"shift" + number.to_bytes(11, "big"), tail=record)
    row.debit = network.wallets[number % len(network.wallets)]
    row.operator_ = number
    return row


@pytest.mark.parametrize("name", ["debit", "credit"])
def test_what_speaks_of_rows_names_no_account(tmp_path: Path, name: str) -> None:
    pair, network = open_pair(tmp_path / "ledger", index_step_rows=16)
    for number, account in enumerate((1, 2**32 - 1)):
        for kind in SPEAKERS:
            row = Row(kind, id=bytes([kind, number]) * 8, participant=network.treasury)
            if kind != Kind.APPROVE:
                row.reference = b"a reason"
            if kind == Kind.PROPOSE:
                row.amount, row.total = 1, Kind.REFUND
            setattr(row, name, account)
            assert pair.one(row, NOW).result == Result.INVALID_ACCOUNT
    pair.close()


@pytest.mark.parametrize("seed", range(3 * SEED + 1, 3 * (SEED + TIMES) + 1))
def test_wild_rows_end_nothing(tmp_path: Path, seed: int) -> None:
    kept, network = open_pair(tmp_path / "kept", index_step_rows=16)
    opened, _ = open_pair(tmp_path / "opened", index_step_rows=16)
    rngs = random.Random(seed), random.Random(seed)
    pairs = list(zip((kept, opened), rngs, strict=True))
    makers = [Generator(seed, network, pair.model) for pair, _ in pairs]
    asked: set[int] = set()

    def enough() -> bool:
        """Most kinds were done, and all that speak of rows asked for."""
        done = {row.kind for row in kept.model.rows if row.result == Result.OK}
        return len(done) > 12 and asked >= set(SPEAKERS)

    for turn in turns(120, enough):
        for (pair, rng), maker in zip(pairs, makers, strict=True):
            rows = [wild(rng, maker) for _ in range(rng.choice((1, 5, 20)))]
            # A request has room for one window.
            windows = [row for row in rows if row.kind == Kind.WINDOW]
            rows = [row for row in rows if row not in windows[1:]]
            asked |= {row.kind for row in rows}
            rows.append(shift(network, turn))
            pair.commit([Rows(rows)], NOW + turn * SECOND_NS)
            if pair is opened:
                pair.reopen()
                pair.compare_accounts()
                continue
            while pair.ledger.index_step():
                pass
    opened.reopen(without_index=True)
    opened.compare_all(range(1, opened.ledger.sequence, 17))
    kept.close()
    opened.close()


def test_shifts_mark_no_segment(tmp_path: Path) -> None:
    """What a ledger writes does not depend on when it was opened."""
    kept, network = open_pair(tmp_path / "kept", index_step_rows=16)
    opened, _ = open_pair(tmp_path / "opened", index_step_rows=16)
    for turn in range(60):
        rows = [shift(network, 16 * turn + number) for number in range(16)]
        if turn % 7 == 0:
            # All segments change, and are written in the steps that follow.
            for number in range(SEGMENTS):
                freeze = Row(Kind.FREEZE, id=b"freeze%05d" % turn + bytes([number]) * 5)
                freeze.debit, freeze.reference = 512 * number + 9, b"a reason"
                rows[number] = freeze
        for pair in (kept, opened):
            pair.commit([Rows(rows)], NOW + turn * SECOND_NS)
            while pair.ledger.index_step():
                pass
        opened.reopen()
        assert stand(kept.path) == stand(opened.path)
    kept.close()
    opened.close()
    # Postings bear the ledger's name in their checks, and these are two.
    for table in ("segments", "holds", "records"):
        assert tables(kept.path, table) == tables(opened.path, table)


@pytest.mark.parametrize(
    "row",
    [
        Written(Kind.LIMIT, id=b"l" * 16, debit=2**21, tail=bytes(16)),
        Written(Kind.TRANSFER, id=b"t" * 16, debit=1, credit=2**32 - 1, amount=1),
        Written(Kind.WINDOW, tail=(2**32 - 1).to_bytes(40, "little")),
        # Whose an account is, and what else of the register is an index of a table.
        Written(Kind.OPEN, id=b"o" * 16, debit=1, tail=AccountRecord(2**32 - 1).pack()),
        Written(Kind.OPEN, id=b"o" * 16, debit=1, tail=AccountRecord(1).pack()[:31]),
        Written(Kind.OPEN, id=b"o" * 16, debit=0, tail=AccountRecord(1).pack()),
        registered(2**32 - 1, ParticipantRecord(b"x").pack()),
        registered(0, ParticipantRecord(b"x").pack()),
        registered(1, ParticipantRecord(b"x").pack()[:63]),
        registered(1, ServiceRecord(b"X", 2**32 - 1, (1,)).pack()),
        registered(1, ServiceRecord(b"X", 1, (2**32 - 1,)).pack()),
        registered(1, ServiceRecord(b"X", 1, (1,), heads_count=9).pack()),
        registered(1, bytes([Record.RULES, 0, 0, 0])),
        Written(Kind.REQUEST, id=b"q" * 16, credit=2**21, amount=1),
        Written(Kind.BOOKED, id=b"b" * 16, debit=2**21, credit=1, amount=1),
        Written(Kind.BOOKED, id=b"b" * 16, debit=1, credit=2**32 - 1, amount=1),
        registered(0, bank_account(b"N", 1, 16)),
        registered(256, bank_account(b"N", 1, 16)),
        registered(1, bank_account(b"N", 1, 16)[:55]),
        registered(1, bank_account(b"N", 2**32 - 1, 16)),
        registered(1, bank_account(b"N", 1, 65_534)),
        registered(0, statement(0, 0, 0).tail),
        registered(256, statement(0, 0, 0).tail),
        registered(1, statement(0, 0, 0).tail[:47]),
    ],
)
def test_a_journal_of_accounts_that_cannot_be(tmp_path: Path, row: Written) -> None:
    """Its checks are right and its content is not: refused, whoever reads it first."""
    row.sequence, row.timestamp = 1, NOW
    rest = [
        Written(
            Kind.SHIFT, id=bytes([n]) * 16, sequence=n, timestamp=NOW + n, tail=b"x"
        )
        for n in range(2, 18)
    ]
    for count in (1, 16):
        path = tmp_path / str(count)
        write_journal(path, [[row, *rest[: count - 1]]])
        options = {**OPTIONS, "index_step_rows": 16}
        with pytest.raises(CorruptionError):
            Ledger(str(path), create=False, **options)
