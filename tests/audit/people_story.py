"""Ledgers with people, row by row: each row is right unless a test changes it.

The first two are ONE's and TWO's checkers; whatever follows is proposed by a person,
approved by others, and done. What is told is written, right or forged.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

from switch.audit import audit
from switch.audit.layout import APPROVER_RULES
from switch.codes import (
    PROPOSE_LINES,
    RULES_VERSION,
    AccountKind,
    Kind,
    PersonRole,
    Record,
    Result,
    Role,
    RowFlag,
)
from tests import records, signing
from tests.audit.journal_writer import INSTANCE, Row, write_journal
from tests.audit.test_audit_certificates import person as participant
from tests.records import RULES_RECORD, AccountRecord
from tests.signing import (
    Line,
    PersonRecord,
    ThresholdsRecord,
    line_id,
    lines_item,
    public_key,
    secret_key,
)

START = 1_790_000_000 * 10**9
EPOCH = 1
"""Of the writer's journals."""
DAY = 24 * 3600 * 10**9
ONE, TWO, CENTRE, BILLER = range(1, 5)
FLOAT, SUSPENSE, SETTLEMENT, WALLET, HEAD = range(1, 6)
UPDATE, THIRD = int(RowFlag.UPDATE), int(RowFlag.THIRD)
UNFREEZE, CLAIM = int(RowFlag.UNFREEZE), int(RowFlag.CLAIM)
FIRST, SECOND = (ONE, 11), (TWO, 22)
"""The first two, checkers."""
MAKER, CHECKER, SUPPORT = (ONE, 12), (TWO, 23), (ONE, 14)
"""Who come after them, by what they may do."""
THRESHOLDS = ThresholdsRecord(1_000, 5_000, 9_000)

Who = tuple[int, int]


def hash_of(row: Row, item: bytes) -> bytes:
    """What is signed of a row."""
    names = (
        "id amount resolves reference debit credit operator_ participant flags total"
    )
    asked = {name: getattr(row, name) for name in names.split()}
    return signing.row_hash(records.Row(row.kind, **asked), INSTANCE, item, EPOCH)


def keyed(who: Who, role: int = PersonRole.CHECKER, active: int = 1) -> PersonRecord:
    """The record of a person, whose key has its number."""
    return PersonRecord(*who, public_key(who[1]), role, active)


def rules_record(version: int) -> bytes:
    """The record of a row that says by which rules those behind it are decided."""
    return RULES_RECORD[:4] + version.to_bytes(4, "little")


def register(record: bytes, debit: int = 0) -> Line:
    """A line of the register; nobody compares the number that it says."""
    return Line(Kind.REGISTER, debit=debit, tail=record)


def of_people(line: Line) -> bool:
    """Whether three must want a line while three may approve."""
    of = (Record.PERSON, Record.BANK_ACCOUNT, Record.BENEFICIARY)
    return line.kind == Kind.REGISTER and line.tail[:1] in [bytes([one]) for one in of]


def top_up(amount: int, utr: bytes = b"UTR-1", credit: int = WALLET) -> Line:
    return Line(Kind.TOP_UP, amount, debit=FLOAT, credit=credit, reference=utr)


class Desk:
    """The rows of a ledger, as its people make them; each is a group of its own, unless
    it is `joined` to the one before.
    """

    roles: tuple[Role, ...] = (Role.TREASURY, Role.TREASURY, Role.CENTRE, Role.BILLER)
    """Of the participants, in their order."""
    recoverers: tuple[Who, ...] = ()
    """With whom the ledger begins, behind its people."""

    def __init__(self, *, rules: int = RULES_VERSION, people: bool = True) -> None:
        self.rows: list[Row] = []
        self.now = START
        self.places = {Record.PERSON: 0, Record.PARTICIPANT: 0}
        self.accounts = 0
        self.lines: dict[int, Sequence[Line]] = {}
        self.approvals: dict[int, list[Row]] = {}
        self.joined: set[int] = set()
        self.record(rules_record(rules), 1, participant=0)
        for number, role in enumerate(self.roles, 1):
            self.record(participant(number, role), number, participant=0)
        if people:
            self.record(keyed(FIRST).pack(), 1)
            self.record(keyed(SECOND).pack(), 2)
            self.begins_with_three = rules >= APPROVER_RULES
            if self.begins_with_three:
                self.record(keyed(CHECKER).pack(), 3)
            for place, who in enumerate(self.recoverers, 4):
                self.record(keyed(who, PersonRole.RECOVERER).pack(), place)
            self.begin()

    def begin(self) -> None:
        """More people, thresholds and accounts, as the first two want them."""
        three = self.begins_with_three
        asked = self.propose(
            [
                *([] if three else [register(keyed(CHECKER).pack())]),
                register(keyed(MAKER, PersonRole.MAKER).pack()),
                register(keyed(SUPPORT, PersonRole.SUPPORT).pack()),
                register(THRESHOLDS.pack()),
                *(
                    Line(Kind.OPEN, tail=AccountRecord(*owned).pack())
                    for owned in (
                        *((ONE, 0, AccountKind.FLOAT), (ONE, 1, AccountKind.SUSPENSE)),
                        (ONE, 2, AccountKind.SETTLEMENT),
                        *((CENTRE, 0, AccountKind.WALLET), (BILLER, 0, 2)),
                    )
                ),
            ],
            FIRST,
            flags=THIRD if three else 0,
        )
        self.approve(asked, SECOND)
        if three:
            self.approve(asked, CHECKER)
        first = 4 + len(self.recoverers) if three else 3
        debits = (*range(first, 6 + len(self.recoverers)), 1, 1, 2, 3, 4, 5)
        for number, debit in enumerate(debits):
            self.do(asked, number, debit=debit)

    def add(self, kind: int, **fields: object) -> Row:
        row = Row(kind, sequence=len(self.rows) + 1, timestamp=self.now)
        row.id = row.sequence.to_bytes(16, "big")
        self.now += 1000
        for name, value in fields.items():
            assert hasattr(row, name)
            setattr(row, name, value)
        self.rows.append(row)
        return row

    def record(self, tail: bytes, debit: int, **fields: object) -> Row:
        fields.setdefault("participant", ONE)
        return self.add(Kind.REGISTER, debit=debit, tail=tail, **fields)

    def sign(self, row: Row, who: Who | None = None, key: int | None = None) -> Row:
        """Sign a row that has no signature yet, as the person that it names."""
        who = who or (row.participant, row.operator_)
        item = row.tail or b""
        made = secret_key(who[1] if key is None else key).sign(hash_of(row, item))
        row.tail = item + made
        return row

    def signed(self, kind: int, who: Who, **fields: object) -> Row:
        sender, number = who
        fields = {"participant": sender, "operator_": number, **fields}
        key = fields.pop("key", None)
        assert key is None or isinstance(key, int)
        return self.sign(self.add(kind, **fields), key=key)

    def propose(self, lines: Sequence[Line], who: Who = MAKER, **fields: object) -> Row:
        """A proposal of lines."""
        said: dict[str, object] = {
            "amount": sum(line.amount for line in lines),
            "total": PROPOSE_LINES,
            "reference": b"as agreed",
            "tail": lines_item(lines),
        }
        row = self.signed(Kind.PROPOSE, who, **{**said, **fields})
        self.lines[row.sequence] = lines
        return row

    def approve(self, asked: Row, who: Who = SECOND, **fields: object) -> Row:
        """An approval; the second one names the first."""
        before = self.approvals.setdefault(asked.sequence, [])
        said: dict[str, object] = {
            "resolves": asked.sequence,
            "reference": hash_of(asked, (asked.tail or b"")[:-64]),
        }
        if before and fields.get("result", Result.OK) == Result.OK:
            said["total"] = before[-1].sequence
        row = self.signed(Kind.APPROVE, who, **{**said, **fields})
        if row.result == Result.OK:
            before.append(row)
        return row

    def do(self, asked: Row, number: int = 0, **fields: object) -> Row:
        """The row of a line."""
        line = self.lines[asked.sequence][number]
        last = self.approvals.get(asked.sequence, [])
        flags = line.flags | (CLAIM if line.kind == Kind.TOP_UP else 0)
        said: dict[str, object] = {
            "id": line_id(asked.id, number),
            "amount": line.amount,
            "resolves": line.resolves,
            "reference": line.reference,
            "debit": line.debit,
            "credit": line.credit,
            "participant": asked.participant,
            "operator_": asked.operator_,
            "checker": last[-1].participant if last else 0,
            "total": asked.sequence,
            "flags": flags,
            "tail": line.tail or None,
        }
        return self.add(line.kind, **{**said, **fields})

    def done(self, *lines: Line, third: bool | None = None, **fields: object) -> Row:
        """Lines that two people want, or as they are of people three, and that are
        done; the first one's row.
        """
        if third is None:
            third = any(of_people(line) for line in lines)
        asked = self.propose(lines, flags=THIRD if third else 0)
        self.approve(asked)
        if third:
            self.approve(asked, FIRST)
        rows = [self.do(asked, at, **fields) for at in range(len(lines))]
        return rows[0]

    def stop(self, who: Who = MAKER, **fields: object) -> Row:
        """A freeze of the wallet, by one person's word."""
        fields = {"debit": WALLET, "reference": b"suspected", **fields}
        return self.signed(Kind.FREEZE, who, **fields)

    def off(self, record: bytes, debit: int, who: Who = MAKER, **f: object) -> Row:
        """What the register says of somebody, switched off by one person's word."""
        fields = {"debit": debit, "flags": UPDATE, "tail": record, **f}
        return self.signed(Kind.REGISTER, who, **fields)

    def found(self, path: Path) -> dict[str, list[str]]:
        """What the auditor finds, by check."""
        groups: list[list[Row]] = []
        for row in self.rows:
            if row.sequence in self.joined:
                groups[-1].append(row)
            else:
                groups.append([row])
        write_journal(path, groups)
        told: dict[str, list[str]] = {}
        for one in audit(path).findings.kept:
            told.setdefault(one.check, []).append(f"{one.sequence}: {one.text}")
        return told


def numbers(*values: int) -> bytes:
    """Words of 32 bits."""
    return struct.pack(f"<{len(values)}I", *values)
