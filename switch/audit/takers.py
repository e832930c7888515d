"""Reference claims: whether a payment of the same reference was in the way of another.

A claim is of (service, or of bills their series; citizen's reference) and is never
released: of those who took it the newest are looked at, and what has become of each by
then decides. Judged both ways: a payment that was made although one was in the way, and
one that was refused although none was, or another. Rows leave hashes here, and what
looks wrong is proven on the rows themselves. Memory: 48 bytes for each payment that
takes one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from switch.audit.ends import (
    BITS,
    CONFIRMS,
    CORRECTS,
    DISPUTES,
    EXPIRES,
    POSTS,
    REFUNDS,
    SETTLES,
    Ends,
)
from switch.audit.findings import Findings
from switch.audit.layout import (
    BILL_PART,
    HOUR_NS,
    PART_SIZE,
    TAKERS_MAX,
    U64,
    Index,
    Mask,
    mix,
    pick,
)
from switch.audit.prices import Priced
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.audit.timelines import (
    NEVER,
    NOWHERE,
    Timeline,
    among,
    distinct,
    find,
    joined,
    repeated,
)
from switch.codes import DuplicateRule, Kind, PriceRule, Result

RECENT_SEED: Final = 2
REFERENCE_SEED: Final = 5
WITHIN, BILL_ONCE, BILL_WITHIN, OPEN = range(4)
"""How what is in the way is told; `within` of any price rule but these."""
RULE_BITS: Final = np.uint64(16)
PLACE_BITS: Final = np.uint64(24)
HOLD_BITS: Final = np.uint64(32)
ONE_BYTE: Final = np.uint64(0xFF)
HOURS: Final = np.uint64(0xFFFF)
PROVE_PAIRS: Final = 4_096
"""Pairs of rows that are read again at a time."""


def owners(register: Register, service: Index) -> npt.NDArray[np.uint16]:
    """Whose references payments of some services claim: of bills those of the series,
    as the same bill comes by any of its services; of others their own.
    """
    bill = register.services["price_rule"][service] == PriceRule.BILL
    return np.where(bill, register.series[service], service).astype(np.uint16)


@dataclass(frozen=True)
class Payments:
    """Columns of payments, alike in length."""

    hashes: U64
    """Of the claims."""
    sequences: U64
    times: U64
    fetched: U64
    others: U64
    """`BILL_ONCE`: a hash of the row's reference. `OPEN`: what it is in addition to."""
    about: U64
    """Hours, rule, place in its basket, whether it is a hold; from the low bits on."""

    @classmethod
    def of(cls, priced: Priced, at: Index) -> "Payments":
        """Some payments."""
        rows, service = pick(priced.rows, at), priced.service[at]
        price = priced.price[at]
        bill = price == PriceRule.BILL
        within = priced.said("duplicate_rule")[at] == DuplicateRule.WITHIN
        rule = np.where(bill, np.where(within, BILL_WITHIN, BILL_ONCE), WITHIN)
        rule[(price == PriceRule.OPEN) & within] = OPEN
        names = mix(REFERENCE_SEED, *rows["reference"].T)
        others = np.where(rule == OPEN, rows["resolves"], np.uint64(0))
        about = priced.said("duplicate_hours")[at].astype(np.uint64)
        about |= rule.astype(np.uint64) << RULE_BITS
        about |= (rows["basket"] & np.uint16(0xFF)).astype(np.uint64) << PLACE_BITS
        about |= (rows["kind"] == Kind.HOLD).astype(np.uint64) << HOLD_BITS
        return cls(
            mix(
                RECENT_SEED, owners(priced.register, service), *priced.citizens()[at].T
            ),
            rows["sequence"].copy(),
            rows["timestamp"].copy(),
            priced.fetched()[at],
            np.where(rule == BILL_ONCE, names, others),
            about,
        )

    @classmethod
    def joined(cls, parts: "list[Payments]") -> "Payments":
        """One of many, which are let go."""
        columns: list[list[U64]] = [
            [getattr(part, name) for part in parts] for name in cls.__dataclass_fields__
        ]
        parts.clear()
        return cls(*(joined(column) for column in columns))

    def where(self, index: "Index | Mask") -> "Payments":
        """Some of them."""
        return Payments(
            *(getattr(self, name)[index] for name in self.__dataclass_fields__)
        )

    @property
    def rules(self) -> U64:
        """How what is in the way of each is told."""
        return self.about >> RULE_BITS & ONE_BYTE

    @property
    def hours_ns(self) -> U64:
        """How long each looks back."""
        return (self.about & HOURS) * np.uint64(HOUR_NS)

    @property
    def firsts(self) -> U64:
        """The sequences at which their baskets begin; their own without one."""
        return self.sequences - (self.about >> PLACE_BITS & ONE_BYTE)


class Takers:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """Nothing seen yet."""
        self.register = register
        self.findings = findings
        self._taken: list[Payments] = []
        self._refused: list[Payments] = []
        # Of those that were refused: which row was in the way, NEVER for other reasons.
        self._named: list[U64] = []

    def take(self, priced: Priced, at: Index) -> None:
        """Note accepted payments that take a claim."""
        self._taken.append(Payments.of(priced, at))

    def refuse(self, priced: Priced) -> None:
        """Note refused payments that would have taken one."""
        rows = priced.rows
        within = priced.said("duplicate_rule") == DuplicateRule.WITHIN
        takes = within | priced.quoted
        recently = rows["result"] == Result.PAID_RECENTLY
        self._add_refusals(rows["sequence"][recently & ~takes])
        # In a basket payments that were not made may be in the way.
        asked = recently | priced.quoted | (rows["resolves"] != 0)
        asked &= takes & (rows["basket"] == 0)
        at = np.flatnonzero(asked)
        if len(at):
            self._refused.append(Payments.of(priced, at))
            named = np.where(recently[at], rows["total"][at], NEVER)
            self._named.append(named.astype(np.uint64))

    def _add_refusals(self, sequences: U64) -> None:
        text = "PAID_RECENTLY, and the rows before it show no cause"
        self.findings.add_rows("refusals", sequences, text)

    def finish(self, ends: Ends, journal: Journal) -> None:
        """Judge all, with what ended payments that took a claim."""
        taken, refused = Payments.joined(self._taken), Payments.joined(self._refused)
        named = joined(self._named)
        self._additions(taken, taken)
        self._additions(taken, refused)
        asked = repeated(taken.hashes.copy()), refused.hashes
        again = distinct(np.concatenate(asked))
        taken = taken.where(among(taken.hashes, again))
        history = _History(taken, refused, ends)
        way, late = history.judge(taken)
        self._late(journal, history, late, taken)
        for one, two in self._proven(journal, history.pairs(way, taken)):
            text = f"sequence {one} of the same reference was in the way"
            self.findings.add("claims", two, text)
        way, late = history.judge(refused)
        self._late(journal, history, late, refused)
        found = history.names(way)
        wrong = (named != NEVER) & (found != named)
        held = np.flatnonzero(wrong & (found != NEVER))
        proven = self._proven(journal, (found[held], refused.sequences[held]))
        wrong[held] = np.isin(refused.sequences[held], [two for _, two in proven])
        self._add_refusals(np.sort(refused.sequences[wrong]))

    def _additions(self, taken: Payments, some: Payments) -> None:
        """Who is in addition to another names one of the same claim before it."""
        some = some.where((some.rules == OPEN) & (some.others != 0))
        at = find(some.others, taken.sequences)
        bad = (at == NOWHERE) | (some.others >= some.sequences)
        good = np.flatnonzero(~bad)
        bad[good] = taken.hashes[at[good]] != some.hashes[good]
        text = "what it is in addition to is no payment of its reference before it"
        self.findings.add_rows("claims", some.sequences[bad], text)

    def _late(
        self, journal: Journal, history: "_History", late: Index, some: Payments
    ) -> None:
        for one, two in self._proven(journal, history.pairs(late, some)):
            text = f"its quotation is older than what became of sequence {one}"
            self.findings.add("claims", two, text)

    def _proven(
        self, journal: Journal, pairs: tuple[U64, U64]
    ) -> list[tuple[int, int]]:
        """The pairs that are of one claim indeed, in the order of the second."""
        order = np.argsort(pairs[1], kind="stable")
        proven: list[tuple[int, int]] = []
        for start in range(0, len(order), PROVE_PAIRS):
            one, two = (each[order[start : start + PROVE_PAIRS]] for each in pairs)
            same = [
                mine == theirs
                for mine, theirs in zip(
                    self._claims(journal, one), self._claims(journal, two), strict=True
                )
            ]
            found = zip(one.tolist(), two.tolist(), same, strict=True)
            proven += [(left, right) for left, right, alike in found if alike]
        return proven

    def _claims(self, journal: Journal, sequences: U64) -> list[tuple[int, bytes]]:
        """Owner and citizen's reference of the claims of some payments, read again."""
        rows = journal.rows_at(sequences)
        service = rows["service"].astype(np.intp)
        bill = self.register.services["price_rule"][service] == PriceRule.BILL
        items = journal.items_at(sequences[bill])
        reference = rows["reference"].copy()
        for at in np.flatnonzero(bill).tolist():
            item = items.get(int(sequences[at]), b"")[:PART_SIZE].ljust(
                PART_SIZE, b"\0"
            )
            reference[at] = np.frombuffer(item, BILL_PART)["reference"][0]
        texts = [one.tobytes() for one in reference]
        whose = owners(self.register, service).tolist()
        return list(zip(whose, texts, strict=True))


class _History:
    """Who took each claim, in order, and what became of each of them."""

    def __init__(self, taken: Payments, refused: Payments, ends: Ends) -> None:
        """Of claims that more than one payment asked for."""
        self.line = Timeline(
            [taken.hashes, refused.hashes], [taken.sequences, refused.sequences]
        )
        places = self.line.places(taken.hashes, taken.sequences)
        order = np.argsort(places)
        self.places = places[order]
        self.taken = taken.where(order)
        at = find(ends.takers, taken.sequences)
        ends, at = ends.where(at != NOWHERE), at[at != NOWHERE]
        back = np.empty(len(order), dtype=np.intp)
        back[order] = np.arange(len(order))
        self._note(back[at], ends, [taken.sequences, refused.sequences])

    def _note(self, of: Index, ends: Ends, asked: list[U64]) -> None:
        """Put what became of takers in order; `of` are their places in `taken`."""
        whose = np.arange(len(self.places), dtype=np.uint64)
        self.line_of_ends = Timeline([whose], [ends.sequences, *asked])
        places = self.line_of_ends.places(of.astype(np.uint64), ends.sequences)
        # What a refund begins stands behind it.
        order = np.argsort(places, kind="stable")
        self.ends_places, ends, of = places[order], ends.where(order), of[order]
        # A refund, and what follows it, changes what a payment is, and not when it
        # ended: with the row before that, or if there is none when it was made.
        ended = np.where(
            ends.having(REFUNDS | DISPUTES | SETTLES), NOWHERE, np.arange(len(of))
        )
        last = np.maximum.accumulate(ended) if len(of) else ended
        own = (last != NOWHERE) & (of[last] == of)
        self.ended_at = np.where(own, ends.times[last], self.taken.times[of])
        self.bits = ends.bits

    def _state(self, at: Index, sequences: U64) -> tuple[Mask, Mask, U64]:
        """Of takers before some rows: which were unresolved, which paid, and when they
        ended.
        """
        places = self.line_of_ends.places(at.astype(np.uint64), sequences)
        end = self.line_of_ends.before(self.ends_places, places)
        made = np.flatnonzero(end == NOWHERE)
        held = (self.taken.about[at[made]] >> HOLD_BITS) != 0
        unresolved: Mask = np.zeros(len(at), dtype=np.bool_)
        paid: Mask = np.zeros(len(at), dtype=np.bool_)
        ended_at: U64 = np.zeros(len(at), dtype=np.uint64)
        unresolved[made], paid[made] = held, ~held
        ended_at[made] = self.taken.times[at[made]]
        done = np.flatnonzero(end != NOWHERE)
        bits = self.bits[end[done]]
        # What gave it back and leaves a question is no end; a correction pays.
        unresolved[done] = (bits & BITS(EXPIRES | CONFIRMS | DISPUTES)) != 0
        paid[done] = (bits & BITS(POSTS | CORRECTS)) != 0
        ended_at[done] = self.ended_at[end[done]]
        return unresolved, paid, ended_at

    def judge(self, some: Payments) -> tuple[Index, Index]:
        """For payments, who was in their way, or whose end is not before their
        quotation; NOWHERE if nobody. The newest taker that is either decides.
        """
        way = np.full(len(some.sequences), NOWHERE, dtype=np.intp)
        late, passed = way.copy(), np.zeros(len(way), dtype=np.bool_)
        rules, hours = some.rules, some.hours_ns
        places = self.line.places(some.hashes, some.sequences)
        newest = np.searchsorted(self.places, places) - 1
        for step in range(TAKERS_MAX):
            found = self.line.earlier(self.places, places, newest - step)
            there = np.flatnonzero(found != NOWHERE)
            if not len(there):
                break
            at, mine, rule = found[there], some.where(there), rules[there]
            unresolved, paid, ended_at = self._state(at, mine.sequences)
            ago = mine.times - ended_at
            counts = unresolved | (paid & (ago < hours[there]))
            dated = (rule == BILL_WITHIN) & (mine.fetched != 0) & ~counts
            dated &= (ended_at >= mine.fetched) & ~passed[there]
            late[there[dated]] = found[there[dated]]
            # Bills that were fetched, or are paid, together are several.
            other = (rule != BILL_ONCE) | (
                (self.taken.times[at] < mine.fetched)
                & (self.taken.others[at] != mine.others)
                & (self.taken.sequences[at] < mine.firsts)
            )
            stops = counts & other & ~passed[there]
            named = (rule == OPEN) & (self.taken.sequences[at] == mine.others)
            first = there[stops & ~named]
            way[first] = found[first]
            passed[there[stops | dated]] = True
        return way, late

    def names(self, at: Index) -> U64:
        """The sequences of takers; NEVER for NOWHERE."""
        if not len(self.places):
            return np.full(len(at), NEVER, dtype=np.uint64)
        return np.where(at == NOWHERE, NEVER, self.taken.sequences[at])

    def pairs(self, at: Index, some: Payments) -> tuple[U64, U64]:
        """Takers, and the payments that they are in the way of."""
        mine = at != NOWHERE
        return self.names(at)[mine], some.sequences[mine]
