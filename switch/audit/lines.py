"""Proposals of lines, and the rows that are made of them.

In a ledger with people the treasury does nothing that a line of an approved proposal
does not ask for: just that, once, and in time. What a proposal says is judged at its
place; the rows made of it when all have passed. Memory: 64 bytes for each line, 8 more
for each of a proposal that says what a bank has written, 128 for each row that needs
one.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from switch.audit.accounts import exact_sum
from switch.audit.approvals import Approvals
from switch.audit.approvers import Approvers
from switch.audit.banks import BANKS_RULES
from switch.audit.banks import LAYOUTS as BANKS
from switch.audit.banks import broken as broken_bank
from switch.audit.beneficiaries import broken as broken_beneficiary
from switch.audit.budgets import broken as broken_budget
from switch.audit.certificates import broken as broken_pins
from switch.audit.cutoffs import broken as broken_schedule
from switch.audit.findings import Findings
from switch.audit.kinds import AMOUNTS, DIGESTED, LINE, OWN_REFERENCE
from switch.audit.layout import (
    ACCOUNT_RECORD,
    BOOKED_TAIL_MAX,
    LINE_TAIL_MAX,
    LINES_ITEM_MAX,
    LINES_MAX,
    OK,
    OWED,
    PARTICIPANT_RECORD,
    PAYOUT_RULES,
    PROPOSAL_LIFE_NS,
    PROPOSED_LINE,
    RECOVERY,
    REVERSAL,
    ROW,
    SERVICE_RECORD,
    SIGNATURE_SIZE,
    STATEMENT_RECORD,
    TAIL,
    U64,
    UNFREEZE,
    Index,
    Mask,
    Rows,
    pick,
)
from switch.audit.limits import broken as broken_limit
from switch.audit.operators import broken as broken_operator
from switch.audit.participants import broken_participant
from switch.audit.persons import LAYOUTS as PEOPLES
from switch.audit.persons import broken as broken_person
from switch.audit.reader import Journal
from switch.audit.recovery import Recoveries
from switch.audit.references import bad_references
from switch.audit.register import ACCOUNT_KINDS
from switch.audit.services import broken_rules, broken_tariff
from switch.codes import AMOUNT_MAX, PROPOSE_LINES, Kind, Record, Source

HEAD: Final = struct.Struct("<II")
"""How many lines there are, and zero."""
ID_SIZE: Final = 12
"""Bytes of a row's id before the number of its line."""
Begin = tuple[int, bytes]
"""Whose rows these are, and what their ids begin with: ids of two never meet."""
NUMBER_SHIFT: Final = np.uint64(32)
"""The upper half of an id's second word is the number of its line."""
SAME: Final = ("kind", "amount", "resolves", "reference")
"""What a row has of its line, whatever its kind; accounts of registers are given."""
SIDES: Final = ("debit", "credit")
EMPTY: Final = ("service", "basket", "deadline", "receipt")
LOOKED_AT: Final = frozenset((Record.PERSON, Record.BANK_ACCOUNT, Record.BENEFICIARY))
"""Records that three must want while three may approve."""
NOBODY: Final = "nobody has proposed it: it names no proposal of lines before it"


@dataclass(frozen=True)
class Proposed:
    """What a proposal's lines say, as far as others must know."""

    most: int = 0
    """The greatest amount of one."""
    thresholds: bool = False
    """One of them sets thresholds."""
    people: bool = False
    """One of them is of a person, a bank account or a beneficiary."""
    told: bool = False
    """They are what a bank has booked, and a statement that it has made at most."""
    mirrors: frozenset[int] = frozenset()
    """Accounts that booked lines among them name."""
    bank: int = 0
    """Number of the bank account that a statement behind them is of."""
    register: tuple[bytes, ...] = ()
    """What those of the register say."""


class Lines:
    """Gathers proposals and rows while they pass, judges rows in `finish`."""

    def __init__(
        self, findings: Findings, approvers: Approvers, recoveries: Recoveries
    ) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self.approvers = approvers
        self.recoveries = recoveries
        self.proposed: dict[int, Rows] = {}
        """The lines of each accepted proposal, by its sequence."""
        self._tails: dict[int, U64] = {}
        self._rows: list[Rows] = []
        self._refused: list[Rows] = []

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
        for number in np.flatnonzero(DIGESTED[lines["kind"]]).tolist():
            digest = hashlib.blake2b(tails[number], digest_size=32).digest()
            lines["reference"][number] = np.frombuffer(digest, np.uint64)
        sequence = int(row["sequence"])
        self.proposed[sequence] = lines
        if (lines["tail_size"][lines["kind"] == Kind.BOOKED] != 0).any():
            self._tails[sequence] = np.array([_mark(one) for one in tails], np.uint64)
        return said_by(lines, tails)

    def needed(self, rows: Rows) -> None:
        """Note accepted rows that must each be that of a line."""
        self._rows.append(rows)

    def refused(self, rows: Rows) -> None:
        """Note refused ones: the row in the way stands in place of the proposal."""
        self._refused.append(rows)

    def _add(self, row: np.void, text: str) -> None:
        self.findings.add("lines", int(row["sequence"]), text)

    def _all(self, proposals: dict[int, np.void]) -> Rows:
        """All rows that must be those of lines, each with its proposal."""
        if self._refused:
            begins = {
                begin_of(asked): number
                for number, asked in proposals.items()
                if number in self.proposed
            }
            rows = np.concatenate(self._refused)
            rows["total"] = [begins.get(named_by(row), 0) for row in rows]
            self._rows.append(rows)
            self._refused.clear()
        rows = np.concatenate([np.empty(0, ROW), *self._rows])
        self._rows.clear()
        return rows

    def finish(self, journal: Journal, approvals: Approvals) -> None:
        """Judge the rows: by the accepted proposals, and by the last approval of those
        that have as many as they need.
        """
        proposals = approvals.proposals
        rows = self._all(proposals)
        if not len(rows):
            return
        rows = pick(rows, np.lexsort((rows["sequence"], rows["total"])))
        numbers, first = np.unique(rows["total"], return_index=True)
        last = np.append(first[1:], len(rows))
        for number, low, high in zip(
            numbers.tolist(), first.tolist(), last.tolist(), strict=True
        ):
            asked = proposals.get(number)
            lines = self.proposed.get(number)
            mine = rows[low:high]
            if asked is None or lines is None or asked["total"] != PROPOSE_LINES:
                self.findings.add_rows("lines", mine["sequence"], NOBODY)
                continue
            grounds = *_approval(asked, approvals, mine), *_places(asked, lines, mine)
            if (approval := approvals.approved.get(number)) is None:
                pass
            elif number in self.recoveries.begun:
                grounds += (*self.recoveries.grounds(asked, approval, mine),)
            else:
                grounds += (*self.approvers.grounds(asked, approval, mine),)
            for text, wrong in grounds:
                if wrong.any():
                    self.findings.add_rows("lines", mine["sequence"][wrong], text)

            self._written(journal, number, lines, mine)
            self._complete(approvals, number, len(lines), mine)

    @staticmethod
    def _complete(approvals: Approvals, number: int, count: int, rows: Rows) -> None:
        """Note that each line of a proposal has a row."""
        done = rows[rows["result"] == OK]
        if len(np.unique(done["id"][:, 1] >> NUMBER_SHIFT)) >= count:
            approvals.decided.done[number] = int(done["sequence"].max())

    def _written(self, journal: Journal, number: int, lines: Rows, rows: Rows) -> None:
        """What a bank has written of a line is what was proposed."""
        rows = rows[rows["kind"] == Kind.BOOKED]
        marks = self._tails.get(number)
        if not len(rows) or (marks is None and not (rows["flags"] & TAIL).any()):
            return
        items = journal.items_at(rows["sequence"])
        told = [_mark(items.get(int(one), b"")) for one in rows["sequence"]]
        at = np.minimum(rows["id"][:, 1] >> NUMBER_SHIFT, len(lines) - 1)
        wanted = np.zeros(len(rows), np.uint64) if marks is None else marks[at]
        wrong = np.array(told, np.uint64) != wanted
        text = f"what its bank has written is not what proposal {number} says"
        self.findings.add_rows("lines", rows["sequence"][wrong], text)


def _mark(tail: bytes) -> int:
    """Of what a bank has written: 64 bits of its hash, 0 for nothing."""
    digest = hashlib.blake2b(tail, digest_size=8).digest()
    return int.from_bytes(digest, "little") if tail else 0


def _approval(
    asked: np.void, approvals: Approvals, rows: Rows
) -> Iterator[tuple[str, Mask]]:
    """What may be wrong with the approval behind the rows of one proposal, and of which
    it is. A bank's connection needs none, but must not have been told to stop.
    """
    sequence = int(asked["sequence"])
    channel = sequence in approvals.channels
    approval = asked if channel else approvals.approved.get(sequence)
    if approval is None:
        text = f"proposal {sequence} was not approved by as many as it needs"
        yield text, np.ones(len(rows), dtype=np.bool_)
        return
    does = "made" if channel else "approved"
    early = rows["sequence"] <= approval["sequence"]
    yield f"proposal {sequence} was {does} after it", early
    age = rows["timestamp"] - approval["timestamp"]
    late = ~early & (age >= np.uint64(PROPOSAL_LIFE_NS))
    text = f"proposal {sequence} was {does} 30 days or more before it"
    if not int(asked["flags"]) & RECOVERY:
        yield text, late
    other = rows["checker"] != (0 if channel else approval["participant"])
    yield "it names another as who approved it", other
    behind = [] if channel else approvals.behind(sequence)
    yield from approvals.decided.grounds(asked, behind, rows)


def _places(asked: np.void, lines: Rows, rows: Rows) -> Iterator[tuple[str, Mask]]:
    """The same of the lines whose rows they are."""
    sequence = int(asked["sequence"])
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
    booked = lines["kind"] == Kind.BOOKED
    for name in SIDES:
        # A bank says one account, the ledger finds the other.
        free = filled | (booked & (lines[name] == 0))
        differ |= ~free & (rows[name] != lines[name])
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


def begin_of(proposal: np.void) -> Begin:
    """What the rows of a proposal's lines have in common."""
    return int(proposal["participant"]), line_id(proposal["id"].tobytes(), 0)[:ID_SIZE]


def named_by(row: np.void) -> Begin:
    """The same of a row of a line, which does not say its proposal."""
    return int(row["participant"]), row["id"].tobytes()[:ID_SIZE]


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
    booked, may = kind == Kind.BOOKED, np.zeros(len(lines), np.uint16)
    may[kind == Kind.FREEZE], may[booked] = UNFREEZE, REVERSAL
    if not 0 < rules < PAYOUT_RULES:
        may[(kind == Kind.TRANSFER) & (lines["resolves"] != 0)] = OWED
    most = np.where(AMOUNTS[kind], np.uint64(AMOUNT_MAX), np.uint64(0))
    bad = ~LINE[kind] | (lines["reserved"] != 0) | ((flags & ~may) != 0)
    bad |= (amount > most) | (AMOUNTS[kind] & (amount == 0))
    bad |= (lines["tail_size"] != 0) & ~(DIGESTED[kind] | booked)
    bad |= booked & (lines["tail_size"] > BOOKED_TAIL_MAX)
    bad |= booked & ((lines["debit"] == 0) == (lines["credit"] == 0))
    if 0 < rules < BANKS_RULES:
        bad |= booked
    own = OWN_REFERENCE[kind]
    bad |= ~own & (lines["reference"] != 0).any(axis=1)
    if own.any():
        bad[own] |= bad_references(lines["reference"][own])
    for number in np.flatnonzero(bad).tolist():
        yield f"its line {number} has not the shape of a row"
    for number in np.flatnonzero(DIGESTED[kind]).tolist():
        if wrong := _broken(int(kind[number]), tails[number], row, rules):
            yield f"the record of its line {number} {wrong}"
        elif _record(kind[number], tails[number]) == Record.STATEMENT:
            record = np.frombuffer(tails[number], STATEMENT_RECORD, 1)[0]
            if wrong := _other_sum(record, lines, number):
                yield f"the statement that is its line {number} {wrong}"


def _record(kind: int, tail: bytes) -> int:
    """Of what a line of the register is, 0 for another line."""
    return tail[0] if kind == Kind.REGISTER and tail else 0


def said_by(lines: Rows, tails: list[bytes]) -> Proposed:
    """What whole lines say."""
    kinds = lines["kind"].tolist()
    records = [_record(kind, tail) for kind, tail in zip(kinds, tails, strict=True)]
    states = records[-1] == Record.STATEMENT and tails[-1][1:2] == bytes([Source.CAMT])
    told = kinds[:-1] if states else kinds
    booked = lines[lines["kind"] == Kind.BOOKED]
    return Proposed(
        max(lines["amount"].tolist()),
        thresholds=Record.THRESHOLDS in records,
        people=not LOOKED_AT.isdisjoint(records),
        told=all(kind == Kind.BOOKED for kind in told),
        mirrors=frozenset((booked["debit"] | booked["credit"]).tolist()),
        bank=int.from_bytes(tails[-1][4:8], "little") if states else 0,
        register=tuple(
            tail
            for kind, tail in zip(kinds, tails, strict=True)
            if kind == Kind.REGISTER
        ),
    )


def _other_sum(record: np.void, lines: Rows, number: int) -> str:
    """What is wrong with a statement behind its lines; empty if nothing is."""
    before = lines[:number]
    if number != len(lines) - 1 or record["lines_count"] != number:
        return "is not the last, or has not as many lines as it says"
    if (before["kind"] != Kind.BOOKED).any():
        return "is behind what is no line of it"
    if len(np.unique(before["debit"] + before["credit"])) > 1:
        return "is of several accounts"
    came, amounts = before["debit"] != 0, before["amount"]
    moved = exact_sum(amounts[came]) - exact_sum(amounts[~came])
    change = int(record["closing"]) - int(record["opening"])
    return "" if moved == change else f"does not come to its lines, {moved} paise"


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
        return broken_limit(tail, rules)
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
    if record in BANKS:
        return broken_bank(tail, rules)
    if record == Record.BENEFICIARY:
        return broken_beneficiary(tail, rules)
    if record == Record.SCHEDULE:
        return broken_schedule(tail, rules)
    if record == Record.OPERATOR:
        return broken_operator(tail, rules)
    if record == Record.PARTICIPANT and len(tail) >= PARTICIPANT_RECORD.itemsize:
        one = np.frombuffer(tail, PARTICIPANT_RECORD, 1)[0]
        names = broken_participant(one, rules)
    elif record == Record.SERVICE and len(tail) >= SERVICE_RECORD.itemsize:
        service = np.frombuffer(tail, SERVICE_RECORD, 1)[0]
        names = broken_rules(service)
        names += ["tariff"] if broken_tariff(service, tail) else []
    else:
        return "is none that a line may have"
    return f"has a wrong {names[0]}" if names else ""
