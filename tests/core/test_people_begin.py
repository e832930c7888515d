"""Goal: however a ledger begins, core and model agree whether it has people, and who.

Method: many small ledgers without accounts, or with one; random rows about a handful of
participants, persons and thresholds, signed and not, alone and as lines of proposals,
by whoever is there. What a network has always is seldom here: nobody, one person, two
who are no treasury's, keys that are wanted twice.
"""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from switch.codes import AccountKind, Kind, PersonRole, Record, Result, Role
from tests import signing
from tests.core.network import NOW
from tests.core.pair import Pair
from tests.core.staff import KEYS
from tests.office import Who, line_of
from tests.records import AccountRecord, ParticipantRecord, Row, ServiceRecord
from tests.signing import Line, PersonRecord, ThresholdsRecord

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": 16,
    "map_size": 1 << 28,
}
LEDGERS, ROWS = 60, 120
WHY = b'{"why": "%s"}' % (b"long " * 20)
"""As long as a signature and more."""
CODES = (b"a", b"b", b"c")
SEEN_LEAST = 5
"""Each of these comes up so often, in all ledgers together."""
SEEN = {
    (Kind.REGISTER, Result.OK),
    (Kind.REGISTER, Result.NOT_APPROVED),
    (Kind.REGISTER, Result.NOT_SIGNED),
    (Kind.REGISTER, Result.RULE_FIXED),
    (Kind.REGISTER, Result.SAME_PERSON),
    (Kind.REGISTER, Result.PARTICIPANT_UNKNOWN),
    (Kind.REGISTER, Result.LAST_TREASURIES),
    (Kind.REGISTER, Result.ID_REUSED),
    (Kind.REGISTER, Result.APPROVER_WAITS),
    (Kind.REGISTER, Result.THIRD_NEEDED),
    (Kind.OPEN, Result.OK),
    (Kind.OPEN, Result.NOT_APPROVED),
    (Kind.PROPOSE, Result.OK),
    (Kind.PROPOSE, Result.NOT_SIGNED),
    (Kind.APPROVE, Result.OK),
    (Kind.APPROVE, Result.NOT_SIGNED),
    (Kind.APPROVE, Result.PROPOSAL_NOT_FOUND),
    (Kind.APPROVE, Result.SAME_PERSON),
    (Kind.WITHDRAW, Result.OK),
    (Kind.WITHDRAW, Result.NOT_SIGNED),
}


class Beginning:
    """One small ledger, and what it is asked."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair, self.model = pair, pair.model
        self.rng = random.Random(seed)
        self.now = NOW
        self.open_one_in = self.rng.choice((0, 0, 40, 8))
        """How seldom an account is asked for at once; 0: never but by a line."""
        self.sent: list[Row] = []
        self.asked: list[int] = []
        """Proposals of lines."""
        self.seen: Counter[tuple[int, int]] = Counter()

    def ask(self, *rows: Row) -> None:
        """One request, which core and model must answer alike."""
        self.now += self.rng.randrange(1, 3_600) * SECOND_NS
        if self.rng.randrange(25) == 0:
            self.now += 7 * DAY_NS
        for row in rows:
            self.sent.append(row)
            self.seen[row.kind, self.pair.one(row, self.now).result] += 1

    def who(self) -> Who:
        """Somebody, who may be registered."""
        persons = list(self.model.persons)
        if persons and self.rng.randrange(6):
            return self.rng.choice(persons)
        return self.rng.randrange(1, 4), self.rng.randrange(1, 4)

    def row(self, kind: Kind, **fields: int | bytes) -> Row:
        """A row of somebody's."""
        row = Row(kind, id=self.rng.randbytes(16))
        row.participant, row.operator_ = self.who()
        for name, value in fields.items():
            setattr(row, name, value)
        return row

    def signed(self, row: Row) -> Row:
        """Signed by whom it names, most often."""
        one = self.model.persons.get((row.participant, row.operator_))
        key = KEYS[one.key] if one and self.rng.randrange(10) else 9
        return signing.signed(row, key, self.model.instance)

    def record(self) -> bytes:
        """Of a person mostly; of a participant, thresholds or a service."""
        rng, draw = self.rng, self.rng.randrange(12)
        if len(self.model.approvers()) == 2 and rng.randrange(3) == 0:
            return self.another_checker()
        if draw < 3:
            treasury = Role.TREASURY
            role = rng.choice((treasury, treasury, Role.CENTRE))
            active = rng.randrange(4) > 0
            return ParticipantRecord(rng.choice(CODES), role, int(active)).pack()
        if draw == 3:
            return ThresholdsRecord(rng.randrange(2), 0, rng.choice((0, 9))).pack()
        if draw == 4:
            return ServiceRecord(b"S", 1, (1,), active=rng.randrange(2)).pack()
        who = self.who()
        one = self.model.persons.get(who)
        if one is not None and rng.randrange(2):
            # The same person, but perhaps not active.
            same = PersonRecord(*who, one.key, one.role, rng.randrange(2))
            return same.pack()
        if rng.randrange(4) == 0:
            code = rng.choice(CODES)
            index = self.model.participant_of.get(code, 0)
            known = self.model.participants[index].role or Role.TREASURY
            return ParticipantRecord(code, Role(known), 0).pack() + WHY
        role = rng.choice((*PersonRole, PersonRole.CHECKER, PersonRole.CHECKER))
        key = signing.public_key(rng.randrange(1, 7))
        active = rng.randrange(6) > 0
        return PersonRecord(*who, key, role, int(active)).pack()

    def another_checker(self) -> bytes:
        """Of somebody who can act by it, and by a key that may be free."""
        treasuries = sorted({who[0] for who in self.model.approvers()})
        key = signing.public_key(self.rng.randrange(1, 9))
        who = self.rng.choice(treasuries), self.rng.randrange(1, 6)
        return PersonRecord(*who, key, PersonRole.CHECKER).pack()

    def register(self) -> Row:
        return self.row(Kind.REGISTER, tail=self.record())

    def opened(self) -> Row:
        owner = AccountRecord(1, self.rng.randrange(4), AccountKind.SUSPENSE)
        return self.row(Kind.OPEN, tail=owner.pack())

    def again(self) -> None:
        """Something that was asked before: as it was, or with another tail item."""
        if not self.sent:
            return
        row = self.rng.choice(self.sent).copy()
        tail, draw = row.tail or b"", self.rng.randrange(4)
        if draw == 0:
            row.tail = tail[:-64] + bytes(64)
        elif draw == 1:
            row.tail = tail + b"{}"
        elif draw == 2:
            row.tail = tail[:-65] + b" " + tail[-64:]
        self.ask(row)

    def step(self) -> None:
        """One thing more."""
        rng, draw = self.rng, self.rng.randrange(12)
        if self.open_one_in and rng.randrange(self.open_one_in) == 0:
            self.ask(self.opened())
        elif draw < 3:
            row = self.register()
            self.ask(self.signed(row) if rng.randrange(4) == 0 else row)
        elif draw < 5:
            self.ask(self.signed(self.register()))
        elif draw == 5 and len(self.model.approvers()) == 2 and rng.randrange(3) == 0:
            self.overlap()
        elif draw == 5 and self.asked:
            self.do(self.rng.choice(self.asked))
        elif draw < 8:
            self.propose()
        elif draw < 10:
            self.speak()
        elif draw == 10:
            self.again()
        else:
            row = self.row(Kind.FREEZE, debit=rng.randrange(3), reference=b"a reason")
            self.ask(self.signed(row) if rng.randrange(2) else row)

    def propose(self) -> None:
        """Lines, approved by some who are there, and done."""
        rng = self.rng
        rows = [self.register() for _ in range(rng.randrange(1, 4))]
        if rng.randrange(4) == 0:
            rows.append(self.opened())
        who = self.who()
        row = signing.proposal_of_lines(
            rng.randbytes(16),
            [line_of(each) for each in rows],
            participant=who[0],
            operator=who[1],
        )
        count = len(self.model.rows)
        self.ask(self.signed(row))
        if len(self.model.rows) == count:
            return
        for _ in range(rng.randrange(4)):
            self.speak_of(self.model.rows[-1].resolves or len(self.model.rows))
        self.asked.append(count + 1)
        self.do(count + 1)

    def overlap(self) -> None:
        """Two who can want one more, and another; a week later both are done."""
        maker, checker = self.model.approvers()
        wanted: list[int] = []
        for _ in range(2):
            line = Line(Kind.REGISTER, tail=self.another_checker())
            self.ask(self.by(maker, self.proposed([line], maker)))
            wanted.append(len(self.model.rows))
            row = self.row(Kind.APPROVE, resolves=wanted[-1])
            row.participant, row.operator_ = checker
            asked = self.model.rows[-1]
            row.reference = signing.hash_of(asked, self.model.instance)
            self.ask(self.by(checker, row))
        self.now += 7 * DAY_NS
        for sequence in wanted:
            self.do(sequence)

    def by(self, who: Who, row: Row) -> Row:
        """Signed by this person."""
        key = KEYS.get(self.model.persons[who].key, 9)
        return signing.signed(row, key, self.model.instance)

    def proposed(self, lines: list[Line], who: Who) -> Row:
        """What asks for lines."""
        id_ = self.rng.randbytes(16)
        return signing.proposal_of_lines(
            id_, lines, participant=who[0], operator=who[1]
        )

    def do(self, sequence: int) -> None:
        """All lines of a proposal, whatever has become of it."""
        asked = self.model.rows[sequence - 1]
        link = self.model.rows[self.model.resolved.get(sequence, 1) - 1]
        self.ask(*signing.line_rows(asked, sequence, checker=link.participant))

    def speak(self) -> None:
        """Of any row that there is."""
        if self.model.rows:
            self.speak_of(self.rng.randrange(len(self.model.rows)) + 1)

    def speak_of(self, sequence: int) -> None:
        """Approve or withdraw it, most often by the right hash."""
        rng = self.rng
        row = self.row(Kind.APPROVE, resolves=sequence)
        asked = self.model.rows[sequence - 1]
        row.reference = signing.hash_of(asked, self.model.instance)
        if rng.randrange(8) == 0:
            row.reference = b""
        if rng.randrange(5) == 0:
            row.kind, row.reference = Kind.WITHDRAW, b"a reason"
        self.ask(self.signed(row))


def test_however_it_begins(tmp_path: Path) -> None:
    seen: Counter[tuple[int, int]] = Counter()
    counts: Counter[tuple[int, bool]] = Counter()
    for seed in range(LEDGERS):
        pair = Pair(tmp_path / f"ledger-{seed}", **OPTIONS)
        ledger = Beginning(pair, seed)
        for code in CODES[: ledger.rng.randrange(4)]:
            record = ParticipantRecord(code, Role.TREASURY).pack()
            ledger.ask(ledger.row(Kind.REGISTER, tail=record))
        for _ in range(ROWS):
            ledger.step()
        pair.reopen(without_index=seed % 2 == 0)
        pair.compare_all(range(1, len(pair.model.rows) + 1))
        pair.close()
        seen.update(ledger.seen)
        counts[min(2, len(pair.model.persons)), len(pair.model.accounts) > 1] += 1
    rare = {each: seen[each] for each in SEEN if seen[each] < SEEN_LEAST}
    assert rare == {}
    # Nobody with accounts, one alone, two and more with accounts and without.
    assert min(counts[0, True], counts[2, False], counts[2, True]) > 0, counts


@pytest.mark.parametrize("record", [Record.PERSON, Record.THRESHOLDS])
def test_no_record_without_its_bytes(empty: Pair, record: Record) -> None:
    """Each byte that must be zero, each that must not, and each that is missing."""
    person = PersonRecord(1, 1, signing.public_key(1)).pack()
    good = person if record == Record.PERSON else ThresholdsRecord(1, 2, 3).pack()
    participant = ParticipantRecord(b"a", Role.TREASURY).pack()
    rows = [Row(Kind.REGISTER, id=b"participant 0001", tail=participant)]
    wrong = [
        good[:at] + bytes([good[at] ^ 8]) + good[at + 1 :] for at in range(len(good))
    ]
    wrong += [good[:size] for size in range(1, len(good))]
    wrong += [good[:4] + bytes(4) + good[8:], good[:8] + bytes(4) + good[12:]]
    wrong += [good[:16] + bytes(32), good + b"{}", good]
    for number, tail in enumerate(wrong):
        rows.append(Row(Kind.REGISTER, id=b"record %09d" % number, tail=tail))
    for number, row in enumerate(rows):
        empty.one(row, NOW + number)
    empty.compare_all(range(1, len(empty.model.rows) + 1))
