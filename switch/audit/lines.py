"""Proposals of lines, and the rows that are made of them.

In a ledger with people the treasury does nothing that a line of an approved proposal
does not ask for: just that, once, and in time. What a proposal says is judged at its
place; the rows made of it when all have passed. Memory: 64 bytes for each line, 128 for
each row that needs one.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from switch.audit.budgets import broken as broken_budget
from switch.audit.certificates import broken as broken_pins
from switch.audit.findings import Findings
from switch.audit.kinds import AMOUNTS, DIGESTED, LINE, OWN_REFERENCE
from switch.audit.layout import (
    ACCOUNT_RECORD,
    LIMIT_RECORD,
    LIMIT_SIZES,
    LINE_TAIL_MAX,
    LINES_ITEM_MAX,
    LINES_MAX,
    PARTICIPANT_RECORD,
    PROPOSAL_LIFE_NS,
    PROPOSED_LINE,
    SERVICE_RECORD,
    SIGNATURE_SIZE,
    UNFREEZE,
    Index,
    Mask,
    Rows,
    pick,
)
from switch.audit.persons import LAYOUTS as PEOPLES
from switch.audit.persons import broken as broken_person
from switch.audit.references import bad_references
from switch.audit.register import ACCOUNT_KINDS, broken_participant
from switch.audit.services import broken_rules, broken_tariff
from switch.codes import AMOUNT_MAX, PROPOSE_LINES, Kind, Record

HEAD: Final = struct.Struct("<II")
"""How many lines there are, and zero."""
ID_SIZE: Final = 12
"""Bytes of a row's id before the number of its line."""
NUMBER_SHIFT: Final = np.uint64(32)
"""The upper half of an id's second word is the number of its line."""
SAME: Final = ("kind", "amount", "resolves", "reference")
"""What a row has of its line, whatever its kind; accounts of registers are given."""
SIDES: Final = ("debit", "credit")
EMPTY: Final = ("service", "basket", "deadline", "receipt")
NOBODY: Final = "nobody has proposed it: it names no proposal of lines before it"


@dataclass(frozen=True)
class Proposed:
    """What a proposal's lines say, as far as others must know."""

    most: int = 0
    """The greatest amount of one."""
    thresholds: bool = False
    """One of them sets thresholds."""


class Lines:
    """Gathers proposals and rows while they pass, judges rows in `finish`."""

    def __init__(self, findings: Findings) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self._proposed: dict[int, Rows] = {}
        self._rows: list[Rows] = []

    def propose(self, row: np.void, item: bytes, rules: int) -> Proposed:
        """Take an accepted proposal of lines, with its signature."""
        found = parse(item)
        if found is None:
            self._add(row, "its lines are not whole")
            return Proposed()
        lines, tails = found
        for text in _problems(lines, tails, row, rules):
            self._add(row, text)
        amounts = lines["amount"].tolist()
        if sum(amounts) != int(row["amount"]):
            self._add(row, f"its lines' amounts come to {sum(amounts)}")
        if row["resolves"]:
            self._add(row, "it has lines, and names a row")
        sets = False
        for number in np.flatnonzero(DIGESTED[lines["kind"]]).tolist():
            tail = tails[number]
            digest = hashlib.blake2b(tail, digest_size=32).digest()
            lines["reference"][number] = np.frombuffer(digest, np.uint64)
            register = lines["kind"][number] == Kind.REGISTER
            sets |= bool(register and tail[:1] == bytes([Record.THRESHOLDS]))
        self._proposed[int(row["sequence"])] = lines
        return Proposed(max(amounts), sets)

    def needed(self, rows: Rows) -> None:
        """Note accepted rows that must each be that of a line."""
        self._rows.append(rows)

    def _add(self, row: np.void, text: str) -> None:
        self.findings.add("lines", int(row["sequence"]), text)

    def finish(
        self, proposals: dict[int, np.void], approved: dict[int, np.void]
    ) -> None:
        """Judge the rows: by the accepted proposals, and the last approval that each
        of those needed which has as many as it needs.
        """
        if not self._rows:
            return
        rows = np.concatenate(self._rows)
        self._rows.clear()
        rows = pick(rows, np.lexsort((rows["sequence"], rows["total"])))
        numbers, first = np.unique(rows["total"], return_index=True)
        last = np.append(first[1:], len(rows))
        for number, low, high in zip(
            numbers.tolist(), first.tolist(), last.tolist(), strict=True
        ):
            asked = proposals.get(number)
            lines = self._proposed.get(number)
            mine = rows[low:high]
            if asked is None or lines is None or asked["total"] != PROPOSE_LINES:
                self.findings.add_rows("lines", mine["sequence"], NOBODY)
                continue
            approval = approved.get(number)
            for text, wrong in self._judged(asked, lines, approval, mine):
                if wrong.any():
                    self.findings.add_rows("lines", mine["sequence"][wrong], text)

    @staticmethod
    def _judged(
        asked: np.void, lines: Rows, approval: np.void | None, rows: Rows
    ) -> Iterator[tuple[str, Mask]]:
        """What may be wrong with the rows of one proposal, and of which it is."""
        sequence = int(asked["sequence"])
        all_ = np.ones(len(rows), dtype=np.bool_)
        if approval is None:
            text = f"proposal {sequence} was not approved by as many as it needs"
            yield text, all_
        else:
            early = rows["sequence"] <= approval["sequence"]
            yield f"proposal {sequence} was approved after it", early
            age = rows["timestamp"] - approval["timestamp"]
            late = ~early & (age >= np.uint64(PROPOSAL_LIFE_NS))
            text = f"proposal {sequence} was approved 30 days or more before it"
            yield text, late
            other = rows["checker"] != approval["participant"]
            yield "it names another as who approved it", other
        ids = rows["id"]
        begins = np.frombuffer(line_id(asked["id"].tobytes(), 0), np.uint64)
        number = ids[:, 1] >> NUMBER_SHIFT
        known = (ids[:, 0] == begins[0]) & (number < len(lines))
        known &= (ids[:, 1] ^ begins[1]) << NUMBER_SHIFT == 0
        yield f"its id is that of no line of proposal {sequence}", ~known
        at: Index = np.where(known, number, 0).astype(np.intp)
        _, once = np.unique(at, return_index=True)
        twice = known.copy()
        twice[once] = False
        yield f"its line of proposal {sequence} was done before", twice
        yield (
            f"it is not what proposal {sequence} asks for",
            known & _differ(asked, lines[at], rows),
        )


def _differ(asked: np.void, lines: Rows, rows: Rows) -> Mask:
    """Which rows are in something not what their lines ask for."""
    differ: Mask = np.zeros(len(rows), dtype=np.bool_)
    for name in SAME:
        other = rows[name] != lines[name]
        differ |= other if other.ndim == 1 else other.any(axis=1)
    filled = np.isin(lines["kind"], (Kind.OPEN, Kind.REGISTER))
    for name in SIDES:
        differ |= ~filled & (rows[name] != lines[name])
    differ |= ((rows["flags"] ^ lines["flags"]) & np.uint16(UNFREEZE)) != 0
    for name in ("participant", "operator_"):
        differ |= rows[name] != asked[name]
    for name in EMPTY:
        differ |= rows[name] != 0
    return differ


def line_id(proposal: bytes, number: int) -> bytes:
    """The id of the row of a line, by its proposal's id and its number from 0."""
    digest = hashlib.blake2b(b"line" + proposal, digest_size=32).digest()
    return digest[:ID_SIZE] + number.to_bytes(4, "little")


def parse(item: bytes) -> tuple[Rows, list[bytes]] | None:
    """The lines of a proposal's item, and the tails behind them; None if they are not
    whole, or more than there may be.
    """
    body = item[:-SIGNATURE_SIZE]
    if len(item) > LINES_ITEM_MAX or len(body) < HEAD.size:
        return None
    count, zero = HEAD.unpack_from(body)
    if not 1 <= count <= LINES_MAX or zero:
        return None
    heads, tails, at = [], [], HEAD.size
    for _ in range(count):
        start = at + PROPOSED_LINE.itemsize
        size = int.from_bytes(body[at + 4 : at + 8], "little")
        end = start + size
        after = end + -size % 8
        if size > LINE_TAIL_MAX or after > len(body) or any(body[end:after]):
            return None
        heads.append(body[at:start])
        tails.append(body[start:end])
        at = after
    if at != len(body):
        return None
    return np.frombuffer(b"".join(heads), PROPOSED_LINE).copy(), tails


def _problems(
    lines: Rows, tails: list[bytes], row: np.void, rules: int
) -> Iterator[str]:
    """Why a proposal's lines have not the shape of the rows that they ask for."""
    kind, amount, flags = lines["kind"], lines["amount"], lines["flags"]
    may = np.where(kind == Kind.FREEZE, np.uint16(UNFREEZE), np.uint16(0))
    most = np.where(AMOUNTS[kind], np.uint64(AMOUNT_MAX), np.uint64(0))
    bad = ~LINE[kind] | (lines["reserved"] != 0) | ((flags & ~may) != 0)
    bad |= (amount > most) | (AMOUNTS[kind] & (amount == 0))
    bad |= (lines["tail_size"] != 0) & ~DIGESTED[kind]
    own = OWN_REFERENCE[kind]
    bad |= ~own & (lines["reference"] != 0).any(axis=1)
    if own.any():
        bad[own] |= bad_references(lines["reference"][own])
    for number in np.flatnonzero(bad).tolist():
        yield f"its line {number} has not the shape of a row"
    for number in np.flatnonzero(DIGESTED[kind]).tolist():
        if wrong := _broken(int(kind[number]), tails[number], row, rules):
            yield f"the record of its line {number} {wrong}"


def _broken(kind: int, tail: bytes, row: np.void, rules: int) -> str:
    """What is wrong with the record of a line; empty if nothing is."""
    if kind == Kind.OPEN:
        record = np.frombuffer(tail.ljust(32, b"\0"), ACCOUNT_RECORD, 1)[0]
        whole = len(tail) >= ACCOUNT_RECORD.itemsize and not any(
            bytes(record["reserved"])
        )
        fits = whole and int(record["kind"]) in ACCOUNT_KINDS
        return "" if fits else "is no account's"
    if kind == Kind.LIMIT:
        record = np.frombuffer(
            tail.ljust(LIMIT_RECORD.itemsize, b"\0"), LIMIT_RECORD, 1
        )[0]
        form = int(record["form"])
        whole = form < len(LIMIT_SIZES) and len(tail) >= LIMIT_SIZES[form]
        return "" if whole and not any(bytes(record["reserved"])) else "is no limit's"
    return _broken_register(tail, row, rules)


def _broken_register(tail: bytes, row: np.void, rules: int) -> str:
    """The same of a register's record."""
    record, names = tail[0] if tail else 0, list[str]()
    if record == Record.PINS:
        return broken_pins(tail)
    if record == Record.BUDGET:
        return broken_budget(row, tail, rules)
    if record in PEOPLES:
        return broken_person(tail, rules)
    if record == Record.PARTICIPANT and len(tail) >= PARTICIPANT_RECORD.itemsize:
        names = broken_participant(np.frombuffer(tail, PARTICIPANT_RECORD, 1)[0])
    elif record == Record.SERVICE and len(tail) >= SERVICE_RECORD.itemsize:
        service = np.frombuffer(tail, SERVICE_RECORD, 1)[0]
        names = broken_rules(service)
        names += ["tariff"] if broken_tariff(service, tail) else []
    else:
        return "is none that a line may have"
    return f"has a wrong {names[0]}" if names else ""
