"""A tiny writer of ledger directories for tests, apart from core and auditor.

It packs rows, chunks, tails and segments with `struct` as docs/data-model.md says and
puts them into LMDB. It has no rules: whatever it is given it writes, well sealed. The
account images come from `Images`, which applies rows one by one in plain integers.
"""

import datetime
import hashlib
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb

from switch.audit.crc import crc32c
from switch.codes import AccountKind, CaseType, Kind, Record, RowFlag

INSTANCE = bytes(range(16))
STEP_ROWS = 1
"""So that an index may stand at any row."""
PIECES = 64
MAGIC = 0x314B4843
FORMAT = 5
INDEX_FORMAT = 12
MAP_SIZE = 1 << 30
ROW_FORMAT = "<16s4Q32s6IH2B2HQI"
DAY_S = 86_400
IST_S = 19_800
FIELDS = (
    *("debits_pending", "debits_posted", "credits_pending", "credits_posted"),
    *("day_amount", "day_amount_max", "period_debits", "period_credits", "carried"),
    *("opened", "changed", "day", "day_count", "day_count_max", "receipt"),
    *("participant", "holds_count", "year", "purpose", "kind", "state"),
    *("reserved", "refundable", "payment_max"),
    *("kept_amount", "kept_count", "cases_count"),
    *("low_balance", "low_since", "settled", "paid_out"),
)
IMAGE = struct.Struct("<11Q6I2H2BH3Q2I4Q")
"""An account's fields, in their order."""
NEVER, UNVERIFIED = 2**64 - 1, 2**64 - 3
"""When holds are due that are kept, and those that an expiry has left in question."""
NO_AMOUNT, NO_COUNT = 2**64 - 1, 2**32 - 1
KEEPS = (CaseType.DEADLINE_PASSED, CaseType.AMOUNT_DIFFERS)
OUT = (AccountKind.SETTLEMENT, AccountKind.BANK_TRANSIT)
"""Between which accounts is paid out."""
OF_BANKS = {
    *(AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT),
}
COMPLAINTS = 3
"""What the index counts complaints as."""
UNCHANGED = {
    *(Kind.REGISTER, Kind.REQUEST, Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW),
    *(Kind.COMPLAINT, Kind.REPLY, Kind.BILLS, Kind.HANDED_OUT),
    Kind.SIGNED_OFF,
}
"""What may name accounts that are none, and changes nothing."""
DIGESTED = {
    *(Kind.OPEN, Kind.LIMIT, Kind.REGISTER, Kind.WINDOW, Kind.SHIFT, Kind.BILLS),
}


@dataclass
class Row:
    """One row; `tail` is its tail item, None for none. Defaults are zero."""

    kind: int
    id: bytes = bytes(16)
    sequence: int = 0
    timestamp: int = 0
    amount: int = 0
    resolves: int = 0
    reference: bytes = b""
    debit: int = 0
    credit: int = 0
    receipt: int = 0
    operator_: int = 0
    checker: int = 0
    participant: int = 0
    service: int = 0
    result: int = 1
    flags: int = 0
    basket: int = 0
    total: int = 0
    deadline: int = 0
    tail: bytes | None = None

    def pack(self) -> bytes:
        """The 128 bytes, with the digest of the tail where there is one."""
        flags, reference = self.flags, self.reference
        if self.tail is not None:
            flags |= RowFlag.TAIL
            if self.kind in DIGESTED and not reference:
                reference = hashlib.blake2b(self.tail, digest_size=32).digest()
        body = struct.pack(
            ROW_FORMAT,
            self.id,
            self.sequence,
            self.timestamp,
            self.amount,
            self.resolves,
            reference,
            self.debit,
            self.credit,
            self.receipt,
            self.operator_,
            self.checker,
            self.participant,
            self.service,
            self.kind,
            self.result,
            flags,
            self.basket,
            self.total,
            self.deadline,
        )
        return body + struct.pack("<I", crc32c(body))


def tail_item(sequence: int, data: bytes) -> bytes:
    """The tail item of a row: size, check, bytes, padding."""
    check = crc32c(INSTANCE + struct.pack("<QI", sequence, len(data)) + data)
    return struct.pack("<2I", len(data), check) + data + bytes(-len(data) % 8)


def chunk(
    first: int, rows: bytes, tail: bytes, ordinal: int, previous: int, epoch: int = 0
) -> bytes:
    """A sealed chunk around packed rows."""
    count, size = len(rows) // 128, len(tail)
    head = struct.pack("<I2H2IQ16s", MAGIC, FORMAT, 0, count, size, first, INSTANCE)
    head += struct.pack("<QQI", epoch, ordinal, previous)
    check = crc32c(head, previous)
    checks = b"".join(rows[at + 124 : at + 128] for at in range(0, len(rows), 128))
    check = crc32c(tail, crc32c(checks, check))
    return head + struct.pack("<I", check) + rows + tail


@dataclass
class Images:
    """Account images, row by row; the plain reading of the data model."""

    accounts: list[dict[str, int]] = field(default_factory=lambda: [{}])
    rows: dict[int, Row] = field(default_factory=dict)
    holds: dict[int, int] = field(default_factory=dict)
    records: dict[tuple[int, int], int] = field(default_factory=dict)
    window: int = 0

    def apply(self, row: Row) -> None:
        """Apply one row; then look whether what it has changed is low."""
        self._apply(row)
        if row.result != 1 or row.kind in UNCHANGED:
            return
        sides = {row.debit, row.credit}
        for account in (self.accounts[one] for one in sides):
            if account.get("changed") == row.sequence:
                have = account["credits_posted"] - account["debits_posted"]
                available = max(0, have - account["debits_pending"])
                low = available < account["low_balance"]
                since = account["low_since"] or row.sequence
                account["low_since"] = since if low else 0

    def _apply(self, row: Row) -> None:
        self.rows[row.sequence] = row
        if row.result != 1:
            return
        if row.kind == Kind.REGISTER:
            kind = (row.tail or b"")[0]
            if kind not in (Record.CLOCK, Record.MARGIN):
                self.records[kind, row.debit] = row.sequence
            return
        if row.kind == Kind.OPEN:
            self._open(row)
            return
        if row.kind == Kind.WINDOW:
            self._window(row)
            return
        if row.kind in (Kind.COMPLAINT, Kind.REPLY):
            self.records[COMPLAINTS, row.debit] = row.sequence
        if row.kind >= Kind.CASE and row.kind != Kind.BOOKED:
            if row.kind in (Kind.CASE, Kind.CASE_CLOSE, Kind.VERIFY):
                self._people(row)
            return
        debit = self.accounts[row.debit]
        debit["changed"] = row.sequence
        if row.kind == Kind.LIMIT:
            amount, count = struct.unpack_from("<QI", row.tail or b"")
            debit["day_amount_max"], debit["day_count_max"] = amount, count
            debit |= {"payment_max": NO_AMOUNT, "low_balance": 0}
            for form, name in ((1, "payment_max"), (2, "low_balance")):
                if (row.tail or b"")[12] >= form:
                    at = 8 + 8 * form
                    debit[name] = struct.unpack_from("<Q", row.tail or b"", at)[0]
        elif row.kind == Kind.FREEZE:
            debit["state"] = 1 if row.flags & RowFlag.UNFREEZE else 2
        elif row.kind == Kind.CLOSE:
            debit["state"] = 3
        else:
            self._money(row, debit, self.accounts[row.credit])

    def _open(self, row: Row) -> None:
        participant, purpose, kind = struct.unpack_from("<IHB", row.tail or b"")
        image = dict.fromkeys(FIELDS, 0)
        image |= {"participant": participant, "purpose": purpose, "kind": kind}
        image |= {"state": 1, "opened": row.sequence, "changed": row.sequence}
        image |= {"day_amount_max": NO_AMOUNT, "day_count_max": NO_COUNT}
        image["payment_max"] = NO_AMOUNT
        self.accounts.append(image)
        self.records[0, row.debit] = row.sequence

    def _people(self, row: Row) -> None:
        """A case, its close, or a verify."""
        sides = [self.accounts[index] for index in (row.debit, row.credit)]
        for account in sides:
            account["changed"] = row.sequence
        if row.kind == Kind.VERIFY:
            self._known(row.resolves)
            self._doubt(sides, -1)
        elif row.kind == Kind.CASE and row.total == CaseType.LATE_CONFIRMATION:
            self._doubt(sides, bool(row.flags & RowFlag.CASE))
        keeps = row.kind == Kind.CASE and row.total in KEEPS
        if keeps and self.open(row.resolves) and not self.kept(row.resolves):
            self.holds[row.resolves] = NEVER
            self._keep(sides, self.rows[row.resolves].amount, 1)

    def _known(self, hold: int) -> None:
        """An expired hold is not unverified any more."""
        if self.holds.get(hold) == UNVERIFIED:
            del self.holds[hold]

    def open(self, hold: int) -> bool:
        """Whether a hold is open."""
        return self.holds.get(hold, UNVERIFIED) != UNVERIFIED

    def kept(self, hold: int) -> bool:
        """Whether it is open, and due no more."""
        return self.holds.get(hold) == NEVER

    @staticmethod
    def _doubt(sides: list[dict[str, int]], more: int) -> None:
        for account in sides:
            # Forged rows may take away what was never there.
            account["cases_count"] = max(account["cases_count"] + more, 0)

    @staticmethod
    def _keep(sides: list[dict[str, int]], amount: int, count: int) -> None:
        for account in sides:
            account["kept_amount"] += amount
            account["kept_count"] += count

    def lines(self) -> bytes:
        """The tail of a window closed now."""
        out = b""
        for index, a in enumerate(self.accounts):
            if a and a["kind"] == AccountKind.BILLER:
                debits, credits = a["period_debits"], a["period_credits"]
                if debits or credits or a["carried"]:
                    payable = max(0, credits - debits - a["carried"])
                    line = (index, 0, debits, credits, a["carried"], payable)
                    out += struct.pack("<2I4Q", *line)
        return out

    def _window(self, row: Row) -> None:
        self.window = row.sequence
        item = row.tail or b""
        # Behind the lines stands the signature of a person who has closed it.
        lines = item[:-64] if len(item) % 40 else item
        for account, _, debits, credits, carried, _ in struct.iter_unpack(
            "<2I4Q", lines
        ):
            a = self.accounts[account]
            a["carried"] = max(0, debits + carried - credits)
            a["period_debits"] = a["period_credits"] = 0
            a["changed"] = row.sequence

    def _money(self, row: Row, debit: dict[str, int], credit: dict[str, int]) -> None:
        credit["changed"] = row.sequence
        day = ist_day(row.timestamp)
        if row.kind in (Kind.PAY, Kind.HOLD):
            if debit["day"] != day:
                debit |= {"day": day, "day_amount": 0, "day_count": 0}
            debit["day_amount"] += row.amount
            debit["day_count"] += 1
        if row.kind == Kind.HOLD:
            self._pending(debit, credit, row.amount, 1)
            self.holds[row.sequence] = row.timestamp + row.deadline * 10**9
            return
        if row.kind in (Kind.POST, Kind.VOID, Kind.EXPIRE):
            hold = self.rows[row.resolves]
            if self.kept(row.resolves):
                self._keep([debit, credit], -hold.amount, -1)
            del self.holds[row.resolves]
            if row.kind == Kind.EXPIRE:
                self.holds[row.resolves] = UNVERIFIED
                self._doubt([debit, credit], 1)
            self._pending(debit, credit, -hold.amount, -1)
            if ist_day(hold.timestamp) == debit["day"]:
                posted = row.amount if row.kind == Kind.POST else 0
                debit["day_amount"] -= hold.amount - posted
                debit["day_count"] -= row.kind != Kind.POST
            if row.kind != Kind.POST:
                return
        if row.kind == Kind.TRANSFER and row.resolves:
            kinds = debit["kind"], credit["kind"]
            lends = kinds == (AccountKind.SUSPENSE, AccountKind.WALLET)
            undoes = kinds == (AccountKind.BILLER, AccountKind.WALLET)
            if not undoes and not OF_BANKS.intersection(kinds):
                self._doubt([debit, credit], 1 if lends else -1)
            if kinds == (AccountKind.WALLET, AccountKind.BILLER):
                self._known(row.resolves)
        debit["debits_posted"] += row.amount
        credit["credits_posted"] += row.amount
        if row.kind in (Kind.PAY, Kind.POST):
            year = financial_year(day)
            if debit["year"] != year:
                debit |= {"year": year, "receipt": 0}
            debit["receipt"] += 1
        paid = row.kind in (Kind.PAY, Kind.POST)
        for account in (debit, credit):
            if paid or row.kind == Kind.REFUND:
                account["refundable"] += row.amount if paid else -row.amount
        if row.kind == Kind.SETTLE:
            debit["settled"] += row.amount
        elif row.kind == Kind.TRANSFER and row.resolves:
            self._paid(row)
        if row.kind != Kind.SETTLE:
            if debit["kind"] == AccountKind.BILLER:
                debit["period_debits"] += row.amount
            if credit["kind"] == AccountKind.BILLER:
                credit["period_credits"] += row.amount

    def _between(self, row: Row) -> tuple[int, ...]:
        return tuple(self.accounts[one]["kind"] for one in (row.debit, row.credit))

    def _paid(self, row: Row) -> None:
        """What a payout to a beneficiary, or its recall, does to whose money it is."""
        release, sign = row, 1
        kinds = self._between(row)
        if kinds == OUT[::-1]:
            release, sign = self.rows[row.resolves], -1
        elif kinds != OUT:
            return
        elif self.rows[row.resolves].kind == Kind.BOOKED:
            # The ending of a debit, whose line may name a payout.
            release = self.rows.get(self.rows[row.resolves].resolves, row)
            if release.kind != Kind.TRANSFER or release.result != 1:
                return
            if self._between(release) != OUT:
                return
        named = self.rows.get(release.resolves)
        if named is None or named.kind != Kind.REGISTER:
            return
        if (named.tail or b"")[0] == Record.BENEFICIARY:
            account = int.from_bytes((named.tail or b"")[4:8], "little")
            self.accounts[account]["paid_out"] += sign * row.amount

    @staticmethod
    def _pending(
        debit: dict[str, int], credit: dict[str, int], amount: int, count: int
    ) -> None:
        debit["debits_pending"] += amount
        credit["credits_pending"] += amount
        debit["holds_count"] += count
        credit["holds_count"] += count

    def segment(self, number: int, as_of: int) -> bytes:
        """The segment `number` as it stands."""
        first = number * 512
        packed = [
            IMAGE.pack(*a.values()) if a else bytes(IMAGE.size)
            for a in self.accounts[first : first + 512]
        ]
        body = b"".join(packed).ljust(512 * IMAGE.size, b"\0")
        head = struct.pack("<2IQ3I", 0x31474553, number, as_of, 0, 0, 0)
        return head + struct.pack("<I", crc32c(body, crc32c(head))) + body

    def segments(self, as_of: int) -> dict[int, bytes]:
        """All segments."""
        count = len(self.accounts)
        if count == 1:
            return {}
        return {n: self.segment(n, as_of) for n in range((count + 511) // 512)}

    def piece(self, number: int, as_of: int) -> bytes:
        """The listed holds whose sequence leaves `number` when divided by 64."""
        holds = [hold for hold in self.holds.items() if hold[0] % PIECES == number]
        body = b"".join(struct.pack("<2Q", *hold) for hold in holds)
        head = struct.pack("<2IQI", 0x31444C48, number, as_of, len(holds))
        return head + struct.pack("<I", crc32c(body, crc32c(head))) + body

    def meta(self, as_of: int, behind: int, chunk_check: int) -> bytes:
        """What the index says of itself, up to its check; it has no runs here.

        Behind it stands what it lists. Its transaction is 0 until it is `sealed`.
        """
        count, total = [0] * 16, [0] * 16
        for (kind, index), sequence in self.records.items():
            count[kind] += 1
            total[kind] += mix((sequence + (index << 40)) % 2**64)
        head = struct.pack("<2I16s", 0x31584449, INDEX_FORMAT, INSTANCE)
        head += struct.pack("<5Q24x", as_of, self.window, 1, STEP_ROWS, 0)
        head += b"an index's secret"[:16]
        head += struct.pack("<32Q", *count, *(each % 2**64 for each in total))
        numbers = (len(self.accounts), 0, 0, 0, len(self.segments(as_of)))
        return head + struct.pack("<9I", *numbers, chunk_check, behind, 0, 0)

    def state_hash(self) -> str:
        """The state hash of what stands."""
        totals = b"".join(
            struct.pack("<4Q", *list(a.values())[:4]) for a in self.accounts[1:]
        )
        return hashlib.blake2b(totals, digest_size=32).hexdigest()


def mix(x: int) -> int:
    """The 64-bit finaliser that records are summed up with."""
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD % 2**64
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53 % 2**64
    return x ^ x >> 33


def ist_day(timestamp: int) -> int:
    """IST day of a timestamp in ns."""
    return (timestamp // 10**9 + IST_S) // DAY_S


def financial_year(day: int) -> int:
    """Financial year of an IST day."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return date.year if date.month >= 4 else date.year - 1


Groups = list[list[Row]]


def write_journal(
    directory: Path, groups: Groups, epoch: Callable[[int], int] = lambda ordinal: 0
) -> None:
    """Write groups of rows as `directory/journal`, every check right."""
    chunks, previous = [], 0
    for ordinal, group in enumerate(groups, 1):
        rows = b"".join(row.pack() for row in group)
        tail = b"".join(
            tail_item(row.sequence, row.tail) for row in group if row.tail is not None
        )
        value = chunk(group[0].sequence, rows, tail, ordinal, previous, epoch(ordinal))
        previous = int.from_bytes(value[60:64], "little")
        chunks.append((group[0].sequence, value))
    write_chunks(directory, chunks)


def write_chunks(directory: Path, chunks: list[tuple[int, bytes]]) -> None:
    """Write chunks as they are, with the ledger's own record."""
    path = directory / "journal"
    path.mkdir(parents=True)
    options: dict[str, Any] = {"map_size": MAP_SIZE, "max_dbs": 4, "sync": False}
    # In one transaction: a journal has no more than one, and one for each chunk.
    with lmdb.open(str(path), **options) as env, env.begin(write=True) as txn:
        meta = env.open_db(b"meta", txn=txn)
        journal = env.open_db(b"journal", txn=txn)
        record = struct.pack("<I2H16sQ", MAGIC, FORMAT, 0, INSTANCE, 1)
        txn.put(b"ledger", record, db=meta)
        for first, value in chunks:
            txn.put(first.to_bytes(8, "big"), value, db=journal)


def write_index(
    directory: Path,
    images: Images,
    as_of: int,
    segments: dict[int, bytes] | None = None,
    behind: int = 0,
    holds: dict[int, bytes] | None = None,
) -> None:
    """Write `directory/index` as `images` stand, or with other segments or holds.

    `behind`: steps before `as_of` that pieces may lack. Pieces of holds that are not
    there were never written. The journal is there already.
    """
    path = directory / "index"
    path.mkdir(parents=True)
    if segments is None:
        segments = images.segments(as_of)
    if holds is None:
        holds = {n: images.piece(n, as_of) for n in range(PIECES)} if as_of else {}
    # What a piece says of itself: its sequence, and its check.
    listed = b""
    for number in range(len(images.segments(as_of))):
        listed += record_of(segments.get(number), 28)
    for number in range(PIECES):
        listed += record_of(holds.get(number), 20)
    meta = images.meta(as_of, behind, check_of_chunk(directory, as_of))
    with open_index(directory) as env:
        names = (b"meta", b"segments", b"holds", b"records")
        table, *others, records = (env.open_db(name) for name in names)
        with env.begin(write=True) as txn:
            txn.put(b"index", sealed(meta + bytes(4) + listed, txn.id()), db=table)
            for pieces, other in zip((segments, holds), others, strict=True):
                for number, value in pieces.items():
                    txn.put(number.to_bytes(4, "big"), value, db=other)
            for (kind, index), sequence in images.records.items():
                key = struct.pack(">BI", kind, index)
                txn.put(key, struct.pack("<Q", sequence), db=records)


def record_of(piece: bytes | None, check_at: int) -> bytes:
    """What the index says of a piece: its steps and its check; zeros if it has none."""
    if piece is None:
        return bytes(8)
    steps = int.from_bytes(piece[8:16], "little") // STEP_ROWS
    return struct.pack("<I", steps) + piece[check_at : check_at + 4].ljust(4, b"\0")


def check_of_chunk(directory: Path, sequence: int) -> int:
    """The check of the chunk that holds a row; 0 for none."""
    chunks = [v for first, v in read_chunks(directory).items() if first <= sequence]
    return int.from_bytes(chunks[-1][60:64], "little") if chunks else 0


def open_index(directory: Path) -> lmdb.Environment:
    """The environment of an index, to be written."""
    return lmdb.open(
        str(directory / "index"), map_size=MAP_SIZE, max_dbs=8, sync=False, lock=False
    )


def sealed(meta: bytes, transaction: int) -> bytes:
    """What an index says of itself, as this transaction's and with its check right."""
    meta = meta[:56] + transaction.to_bytes(8, "little") + meta[64:]
    check = crc32c(meta[400:], crc32c(meta[:396]))
    return meta[:396] + struct.pack("<I", check) + meta[400:]


def change_index(
    directory: Path, table: str, key: bytes, change: Callable[[bytes], bytes | None]
) -> None:
    """Change a value of an index, or delete it; what it says of itself stays sealed."""
    with open_index(directory) as env:
        meta, name = (env.open_db(n, create=False) for n in (b"meta", table.encode()))
        with env.begin(write=True) as txn:
            old = txn.get(key, db=name)
            assert old is not None
            value = change(bytes(old))
            if value is None:
                txn.delete(key, db=name)
            else:
                txn.put(key, value, db=name)
            whole = sealed(bytes(txn.get(b"index", db=meta) or b""), txn.id())
            txn.put(b"index", whole, db=meta)


def change_chunks(directory: Path, change: "dict[int, bytes | None]") -> None:
    """Replace or delete chunks by first sequence."""
    with lmdb.open(str(directory / "journal"), map_size=MAP_SIZE, max_dbs=4) as env:
        journal = env.open_db(b"journal")
        with env.begin(write=True) as txn:
            for first, value in change.items():
                key = first.to_bytes(8, "big")
                if value is None:
                    txn.delete(key, db=journal)
                else:
                    txn.put(key, value, db=journal)


def read_chunks(directory: Path) -> dict[int, bytes]:
    """Every chunk by first sequence."""
    with lmdb.open(str(directory / "journal"), map_size=MAP_SIZE, max_dbs=4) as env:
        journal = env.open_db(b"journal")
        with env.begin() as txn, txn.cursor(journal) as cursor:
            return {int.from_bytes(key, "big"): value for key, value in cursor}


def copied(groups: Groups) -> Groups:
    """A copy whose rows can be changed."""
    # By way of bytes: several times as fast as `deepcopy`, and the same.
    copy: Groups = pickle.loads(pickle.dumps(groups))
    return copy
