"""The journal as bytes: chunks, their chain, rows' checks, tails, sequence and time.

Nothing here knows what a row does. Each block is checked as it is read, once.
"""

import hashlib
from typing import Any, Final

import numpy as np

from switch.audit.crc import crc32c
from switch.audit.findings import Findings
from switch.audit.kinds import (
    AMOUNTS,
    ANSWERED,
    CLAIMED,
    COMPLAINING,
    DIGESTED,
    KEEPING,
    KNOWN,
    MADE,
    MARKED,
    NO_REFERENCE,
    OF_RECOVERY,
    OWN_REFERENCE,
    RELEASING_CLAIMS,
    SAYS_AMOUNT,
    TOTALLED,
)
from switch.audit.layout import (
    BOOKED_TAIL_MAX,
    CASE,
    CHUNK,
    EVIDENCE,
    KEEP,
    LINES_ITEM_MAX,
    OK,
    PRICE_FLAGS,
    REFUSALS_FROM,
    REFUSED_FLAGS,
    RELEASE,
    ROW_SIZE,
    TAIL,
    TAIL_ITEM_MAX,
    TAIL_ITEM_SIZE,
    U64,
    WINDOW_ITEM_MAX,
    Rows,
)
from switch.audit.logged import Log
from switch.audit.reader import Block, Chunk
from switch.audit.references import bad_references
from switch.codes import AMOUNT_MAX, Kind, Result

ROWS_TOGETHER: Final = 32
"""Rows whose checks are tested in one go; see `bad_rows`."""

KNOWN_RESULTS: Final = np.arange(256) >= REFUSALS_FROM
KNOWN_RESULTS[OK] = True
NO_ROW: Final = (
    Result.AMOUNT_DIFFERS,
    *(Result.ALREADY_BOOKED, Result.STATEMENT_GAP, Result.NOT_BOOKED),
    *(Result.OPERATOR_UNKNOWN, Result.THIRD_NEEDED, Result.APPROVER_WAITS),
    *(Result.ANOTHER_ID_NEEDED, Result.WINDOW_EMPTY),
)
KNOWN_RESULTS[list(NO_ROW)] = False
OF_COMPLAINTS: Final = np.zeros(256, dtype=np.bool_)
OF_COMPLAINTS[
    [Result.COMPLAINT_OPEN, Result.COMPLAINT_NOT_FOUND, Result.COMPLAINT_CLOSED]
] = True


def _residues() -> list[int]:
    """CRC-32C of n right rows, for n = 0 ... ROWS_TOGETHER; see `bad_rows`."""
    row = bytes(ROW_SIZE - 4)
    row += crc32c(row).to_bytes(4, "little")
    return [crc32c(row * count) for count in range(ROWS_TOGETHER + 1)]


RESIDUES: Final = _residues()


def bad_rows(rows: Rows) -> list[int]:
    """Indices of rows whose check is not the CRC-32C of the bytes before it.

    A CRC over bytes followed by their own CRC is a constant, whatever the bytes are,
    and so is the CRC over n such rows one after the other. One call over several rows
    is thus as good as one for each: a single wrong row always changes the result, two
    or more escape as seldom as a CRC-32C is fooled. Only a run of rows that differs is
    looked at row by row.
    """
    raw = rows.view(np.uint8).data
    bad: list[int] = []
    step = ROWS_TOGETHER * ROW_SIZE
    for start in range(0, len(raw), step):
        part = raw[start : start + step]
        if crc32c(part) == RESIDUES[len(part) // ROW_SIZE]:
            continue
        for at in range(0, len(part), ROW_SIZE):
            row = part[at : at + ROW_SIZE]
            if crc32c(row[:-4]) != int.from_bytes(row[-4:], "little"):
                bad.append((start + at) // ROW_SIZE)
    return bad


class Chain:
    """Checks blocks in order. `tails` are the last block's items by row index."""

    def __init__(
        self, instance: bytes, findings: Findings, log: Log | None = None
    ) -> None:
        """`instance` is that of the journal's own record; `log` what it was led
        through, if that is to be compared.
        """
        self.findings = findings
        self.instance = instance
        self.log = log
        self.epoch = 0
        """The highest so far."""
        self.led_from = 0
        """The first row of the first chunk that went through a log, 0 if none has."""
        self.previous: int | None = 0
        self.expected = 1
        self.ordinal = 0
        self.timestamp = 0
        self.tails: dict[int, bytes] = {}

    def block(self, block: Block) -> None:
        """Check one block; everything that is wrong goes to the findings."""
        for key, text in block.broken:
            self.findings.add("chunks", key, f"the chunk cannot be read: {text}")
            self.previous = None
            self.ordinal += 1
        self.tails = {}
        rows = block.rows
        if not block.chunks:
            return
        checks = np.ascontiguousarray(rows["check"]).view(np.uint8).data
        headers = np.frombuffer(b"".join(c.header for c in block.chunks), dtype=CHUNK)
        for chunk, header in zip(block.chunks, headers.tolist(), strict=True):
            self._chunk(chunk, header, checks)
        for index in bad_rows(rows):
            sequence = int(rows["sequence"][index])
            self.findings.add("rows", sequence, "the row's bytes differ from its check")
        self._order(rows, headers)
        self._fields(rows)
        self._shapes(rows)
        self._tails(block)

    def _chunk(self, chunk: Chunk, header: tuple[Any, ...], checks: memoryview) -> None:
        """One chunk's header and its place in the chain."""
        add = self.findings.add
        _, _, zero, _, _, first, instance, epoch, ordinal, previous, check = header
        if zero:
            add("chunks", chunk.key, "reserved fields of the header are not zero")
        if first != chunk.key:
            add("chunks", chunk.key, f"stored there, its header says {first}")
        if instance != self.instance:
            add("chunks", chunk.key, "the chunk is another ledger's")
        if epoch < self.epoch:
            text = f"its epoch is {epoch}, behind one of epoch {self.epoch}"
            add("chunks", chunk.key, text)
        if epoch and not self.epoch:
            self.led_from = chunk.key
        self.epoch = max(epoch, self.epoch)
        if self.log:
            self.log.chunk(chunk.key, chunk.count, epoch, check)
        if first != self.expected:
            text = f"the chunk begins at {first} where {self.expected} follows"
            add("sequence", chunk.key, text)
        if ordinal != self.ordinal + 1:
            text = f"it is chunk number {ordinal} where {self.ordinal + 1} follows"
            add("sequence", chunk.key, text)
        self.ordinal = ordinal
        if self.previous is not None and previous != self.previous:
            add("chain", chunk.key, "the chunk does not continue the one before it")
        start, end = chunk.offset * 4, (chunk.offset + chunk.count) * 4
        own = crc32c(chunk.header[:60], previous)
        own = crc32c(checks[start:end], own)
        own = crc32c(chunk.tail, own)
        if own != check:
            add("chain", chunk.key, "the chunk's bytes differ from its check")
        self.previous = check
        self.expected = first + chunk.count

    def _order(self, rows: Rows, headers: Rows) -> None:
        """Sequences follow the headers; timestamps go up."""
        counts = headers["rows_count"].astype(np.intp)
        starts = np.cumsum(counts) - counts
        steps = np.arange(len(rows), dtype=np.uint64)
        expected = np.repeat(headers["first_sequence"] - steps[starts], counts) + steps
        sequences: U64 = rows["sequence"]
        wrong = sequences != expected
        if wrong.any():
            text = "the row has another sequence in its place"
            self.findings.add_rows("sequence", expected[wrong], text)
        times = np.ascontiguousarray(rows["timestamp"])
        late = np.empty(len(rows), dtype=np.bool_)
        late[0] = times[0] <= self.timestamp
        np.less_equal(times[1:], times[:-1], out=late[1:])
        if late.any():
            text = "the timestamp is not later than that of the row before"
            self.findings.add_rows("time", sequences[late], text)
        self.timestamp = int(times[-1])

    def _fields(self, rows: Rows) -> None:
        """What a field may hold, whatever the state."""
        kind, result, flags, total, deadline = (
            np.ascontiguousarray(rows[name])
            for name in ("kind", "result", "flags", "total", "deadline")
        )
        refused = result != OK
        made = MADE[kind]
        ids = rows["id"]
        empty = (ids[:, 0] | ids[:, 1]) == 0
        wrong = {
            "the kind is not known": ~KNOWN[kind],
            "the result is not one that leaves a row": ~KNOWN_RESULTS[result],
            "it is refused for what only complaints are": OF_COMPLAINTS[result]
            & ~COMPLAINING[kind],
            "it is refused for what only cash that is handed out is": (
                result == Result.ALREADY_HANDED_OUT
            )
            & (kind != Kind.HANDED_OUT),
            "it is refused for what only withdrawals are": (
                result == Result.ALREADY_DONE
            )
            & (kind != Kind.WITHDRAW),
            "its flags speak of claims or dues, and it has none": (
                flags & np.uint16(PRICE_FLAGS) & ~CLAIMED[kind]
            )
            != 0,
            "it is refused, and has more flags than its sender gave it": refused
            & ((flags & np.uint16(0xFFFF ^ REFUSED_FLAGS)) != 0),
            "total is set, and it says nothing there": (total != 0)
            & ~TOTALLED[kind]
            & ~refused,
            "a biller or a bank has said it, and it is nothing that one says": (
                (flags & np.uint16(EVIDENCE)) != 0
            )
            & ~ANSWERED[kind],
            "its flags speak of what is kept, and it keeps or ends no hold": (
                (flags & np.uint16(KEEP)) != 0
            )
            & ~(KEEPING[kind] | OF_RECOVERY[kind]),
            "its flags speak of what is in question, and it says nothing of that": (
                (flags & np.uint16(CASE)) != 0
            )
            & ~MARKED[kind],
            "its flags release a claim, and it ends no payment": (
                (flags & np.uint16(RELEASE)) != 0
            )
            & ~RELEASING_CLAIMS[kind],
            "what is in the way comes after it": refused & (total >= rows["sequence"]),
            "deadline is set, and it is no hold": (deadline != 0) & (kind != Kind.HOLD),
            "a refused row has a receipt": refused & (rows["receipt"] != 0),
            "the switch's own rows are never refused": refused & made,
            "the switch's own rows have no id": made & ~empty,
            "the id is missing": empty & ~made & (rows["participant"] != 0),
        }
        for text, mask in wrong.items():
            if mask.any():
                self.findings.add_rows("fields", rows["sequence"][mask], text)

    def _shapes(self, rows: Rows) -> None:
        """Amounts and references as no request may break them, and so no row either."""
        kind, amount = rows["kind"], np.ascontiguousarray(rows["amount"])
        says = AMOUNTS[kind] | (
            (kind == Kind.CASE) & np.isin(rows["total"], SAYS_AMOUNT)
        )
        bad = np.where(says, amount == 0, amount != 0)
        # Lines that move nothing add up to nothing; they speak of no row. Of an
        # accepted one `cases` says whether it has lines.
        bad &= (kind != Kind.PROPOSE) | (rows["resolves"] != 0) | (amount != 0)
        # Of a basket a biller says the sum, which may be beyond the bound.
        bad |= (amount > AMOUNT_MAX) & (kind != Kind.CASE)
        if bad.any():
            text = "its amount is none, beyond the bound, or of a kind without one"
            self.findings.add_rows("fields", rows["sequence"][bad], text)
        own = np.flatnonzero(OWN_REFERENCE[kind])
        bad = np.zeros(len(rows), dtype=np.bool_)
        bad[own] = bad_references(rows["reference"][own])
        none = np.flatnonzero(NO_REFERENCE[kind])
        bad[none] = (rows["reference"][none] != 0).any(axis=1)
        if bad.any():
            text = "its reference is not one: length, characters, spaces at an end"
            self.findings.add_rows("fields", rows["sequence"][bad], text)

    def _tails(self, block: Block) -> None:
        """Every tail holds the items of its chunk's rows, in order, and no more."""
        rows = block.rows
        noted = np.flatnonzero(rows["flags"] & np.uint16(TAIL))
        with_tail, kinds = noted.tolist(), rows["kind"][noted]
        sequences = rows["sequence"][noted].tolist()
        sizes_max = np.full(len(noted), TAIL_ITEM_MAX)
        sizes_max[kinds == Kind.WINDOW] = WINDOW_ITEM_MAX
        sizes_max[kinds == Kind.PROPOSE] = LINES_ITEM_MAX
        told = (kinds == Kind.BOOKED).tolist()
        bounds = sizes_max.tolist()
        digested = DIGESTED[kinds].tolist()
        at = 0
        for chunk in block.chunks:
            end = chunk.offset + chunk.count
            position = 0
            while at < len(with_tail) and with_tail[at] < end:
                index, sequence = with_tail[at], sequences[at]
                if position >= 0:
                    item, position = self._item(chunk, sequence, position, bounds[at])
                    if item is not None:
                        self.tails[index] = item
                        if digested[at]:
                            self._digest(sequence, rows[index], item)
                        if told[at] and not 1 <= len(item) <= BOOKED_TAIL_MAX:
                            text = "what its bank has written is nothing, or too long"
                            self.findings.add("tails", sequence, text)
                at += 1
            if position >= 0 and position != len(chunk.tail):
                text = "the tail has bytes that belong to no row"
                self.findings.add("tails", chunk.key, text)
        # A window with nothing to list is the one that has none.
        lacking = DIGESTED[rows["kind"]] & ((rows["flags"] & np.uint16(TAIL)) == 0)
        lacking &= (rows["kind"] != Kind.WINDOW) | (rows["reference"] != 0).any(axis=1)
        if lacking.any():
            text = "the row should have a tail item and has none"
            self.findings.add_rows("tails", rows["sequence"][lacking], text)

    def _digest(self, sequence: int, row: np.void, item: bytes) -> None:
        """The reference of some kinds of rows is the digest of their item."""
        digest = hashlib.blake2b(item, digest_size=32).digest()
        if digest != row["reference"].tobytes():
            text = "its reference is not the digest of its item"
            self.findings.add("tails", sequence, text)

    def _item(
        self, chunk: Chunk, sequence: int, position: int, size_max: int
    ) -> tuple[bytes | None, int]:
        """Check one item; it, and the position after it, -1 if none can be read."""
        body = position + TAIL_ITEM_SIZE
        if body > len(chunk.tail):
            self.findings.add("tails", sequence, "the tail ends before its item")
            return None, -1
        size = int.from_bytes(chunk.tail[position : position + 4], "little")
        check = int.from_bytes(chunk.tail[position + 4 : body], "little")
        end = body + (size + 7) // 8 * 8
        if size > size_max or end > len(chunk.tail):
            self.findings.add("tails", sequence, f"its item claims {size} bytes")
            return None, -1
        item = chunk.tail[body : body + size]
        # Bound to its row: neither zeros nor another row's item pass for it.
        bound = self.instance + sequence.to_bytes(8, "little")
        if crc32c(item, crc32c(bound + size.to_bytes(4, "little"))) != check:
            self.findings.add("tails", sequence, "its item differs from its check")
        if any(chunk.tail[body + size : end]):
            self.findings.add("tails", sequence, "its item is not padded with zeros")
        return item, end
