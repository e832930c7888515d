"""Four eyes, or six: what needs people has a proposal and its approvals behind it.

A deed is the one proposed if its content is that of the proposal that it names; a
refund names it by its id alone. Two people stand behind refunds, corrections, advances
and closes of cases always, behind verifies without a biller's word, and behind posts
and voids without one of what is kept, or of what its deadline keeps once that has come.
A proposal with `ROW_THIRD` is approved by two others.
Before it a void needs nobody: it cancels. Who wants something has the biller's newest
word before him: what was proposed before it is not done. That all of this still holds
when something is done: `decided`. Memory: 128 bytes for each of these.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Collection
from typing import Final

import numpy as np

from switch.audit.accounts import Accounts
from switch.audit.decided import Abilities, Decided
from switch.audit.findings import Findings
from switch.audit.holds import due_times
from switch.audit.kinds import BY_ONE, Move
from switch.audit.layout import (
    EVIDENCE,
    KEEP,
    PROPOSAL_LIFE_NS,
    ROW,
    THIRD,
    U64,
    Index,
    Rows,
    pick,
)
from switch.audit.reader import Journal
from switch.audit.register import NOT_YET
from switch.audit.spans import Resolutions
from switch.codes import Kind

Undone = dict[int, np.void]
"""Approvals behind which no deed stands, by the proposals' sequences."""
PLACE: Final = np.uint16(0xFF)
"""The bits of `basket` that say which place in it a row has; above is its size."""
SIZE_SHIFT: Final = 8
SAME: Final[dict[int, tuple[str, ...]]] = {
    Kind.POST: ("resolves", "amount"),
    Kind.VOID: ("basket",),
    Kind.REFUND: ("id", "participant", "resolves", "amount"),
    Move.CORRECTION: ("id", "participant", "resolves", "amount", "reference"),
    Move.ADVANCE: ("id", "participant", "resolves", "amount", "reference"),
    Kind.CASE_CLOSE: ("id", "participant", "resolves", "reference"),
    Kind.VERIFY: ("basket",),
}
"""By what is proposed: what the deed has of its proposal. `id` is made of the
proposal's; `basket`: both name holds of one basket, or the same hold.
"""
DEEDS: Final[dict[int, str]] = {
    Kind.POST: "it posts a kept hold: no biller's word",
    Kind.VOID: "it releases a hold: no biller's word",
    Kind.REFUND: "it refunds a payment",
    Move.CORRECTION: "it corrects a payment",
    Move.ADVANCE: "it advances a payment",
    Kind.CASE_CLOSE: "it closes a case",
    Kind.VERIFY: "it verifies a payment: no biller's word",
}


THROUGH: Final = (Kind.REFUND, Kind.CASE_CLOSE)
"""Deeds that name a post or a case, and not the hold."""


def lead_of(holds: Rows) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """The sequence of the first hold of each one's basket, its own without one."""
    lead: np.ndarray[tuple[int], np.dtype[np.uint64]]
    lead = holds["sequence"] - (holds["basket"] & PLACE).astype(np.uint64)
    return lead


def deed_id(proposal: bytes) -> bytes:
    """The id of what a proposal with this id leads to."""
    return hashlib.blake2b(b"refund" + proposal, digest_size=32).digest()[:16]


class Approvals:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(self, findings: Findings) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self._needed: list[Rows] = []
        self.undone: Undone = {}
        """When `finish` is done: what was approved and not done."""
        self.proposals: dict[int, np.void] = {}
        self.approved: dict[int, np.void] = {}
        self.decided = Decided(Abilities(), NOT_YET)
        self.channels: Collection[int] = ()
        self.firsts: dict[int, np.void] = {}
        """And all accepted proposals; of those that have as many approvals as they need
        the last; what has become of them; which of them are of banks' connections; of
        those that need two approvals the first.
        """
        # The rows that were made of each, but for lines.
        self._made: dict[int, list[int]] = {}

    def needed(self, rows: Rows) -> None:
        """Note accepted rows that need two people."""
        self._needed.append(rows)

    def ended(self, found: Resolutions, rows: Rows) -> Rows:
        """Note what ended some holds and needs two people; the voids that need nobody,
        and have no biller's word, are given back.
        """
        holds, kept = found.holds, found.kept
        void = rows["kind"] == Kind.VOID
        due = (holds["flags"] & np.uint16(KEEP)) != 0
        due &= rows["timestamp"] >= due_times(holds)
        unsaid = (rows["flags"] & np.uint16(EVIDENCE)) == 0
        needs = (found.post & kept | void & (kept | due)) & unsaid
        if needs.any():
            self._needed.append(pick(rows, needs))
        self.answered(rows)
        return pick(rows, void & unsaid & ~needs)

    def answered(self, rows: Rows) -> None:
        """With a biller's word nobody else is needed, and none is named."""
        named = (rows["total"] != 0) | (rows["checker"] != 0)
        named &= (rows["flags"] & np.uint16(EVIDENCE)) != 0
        text = "a biller's word made it, and it names a proposal or who approved it"
        self.findings.add_rows("approvals", rows["sequence"][named], text)

    def finish(
        self,
        journal: Journal,
        accounts: Accounts,
        rows: Rows,
        since: int,
        unsigned: set[int],
        channels: Collection[int],
        decided: Decided,
    ) -> None:
        """Judge by the people's accepted rows, but for those that are `unsigned`; from
        the row `since` on it is not only a verify that must be newer than all its
        biller has said. Proposals of `channels` are approved by nobody.
        """
        self.channels, self.decided = channels, decided
        self.answered(pick(rows, rows["kind"] == Kind.VERIFY))
        proposals = self.proposals = {
            int(row["sequence"]): row for row in rows[rows["kind"] == Kind.PROPOSE]
        }
        approved = self.approved = self._approved(rows, proposals, unsigned)
        deeds, asked = self._deeds(accounts, rows)
        named = deeds["total"].copy()
        refunds = asked == Kind.REFUND
        # An id is its sender's own.
        of_ids = {
            (int(row["participant"]), deed_id(row["id"].tobytes())): sequence
            for sequence, row in proposals.items()
            if row["total"] == Kind.REFUND
        }
        senders = deeds["participant"][refunds].tolist()
        ids = [one.tobytes() for one in deeds["id"][refunds]]
        named[refunds] = [of_ids.get(one, 0) for one in zip(senders, ids, strict=True)]
        holds = {int(row["resolves"]) for row in proposals.values()}
        leads = self._leads(journal, np.array(sorted(holds), dtype=np.uint64))
        # What ends or verifies a hold says its place in its basket.
        own = deeds["resolves"] - (deeds["basket"] & PLACE).astype(np.uint64)
        words = _Words(rows)
        about = self._holds(journal, deeds["resolves"], asked)
        done = self._made
        for deed, what, number, lead, hold in zip(
            *(deeds, asked.tolist(), named.tolist(), own.tolist(), about.tolist()),
            strict=True,
        ):
            approval = approved.get(number)
            proposal = proposals.get(number)
            if (
                approval is None
                or proposal is None
                or approval["sequence"] >= deed["sequence"]
                or approval["participant"] != deed["checker"]
            ):
                text = f"{DEEDS[what]}, and no two people asked for that"
                self.findings.add("approvals", int(deed["sequence"]), text)
            elif proposal["total"] != what or not self._same(
                proposal, deed, what, (leads.get(int(proposal["resolves"]), 0), lead)
            ):
                text = f"it is not what {number} proposed"
                self.findings.add("approvals", int(deed["sequence"]), text)
            elif wrong := decided.wrong(proposal, self.behind(number), deed):
                self.findings.add("approvals", int(deed["sequence"]), wrong)
            else:
                done.setdefault(number, []).append(int(deed["sequence"]))
                judged = what != Kind.VERIFY and deed["sequence"] < since
                if not judged and words.before(hold, int(deed["sequence"])) > number:
                    text = "its proposal is older than what its biller has said"
                    self.findings.add("approvals", int(deed["sequence"]), text)
        self._complete(journal)
        left = [
            number
            for number in approved
            if number not in done and number not in decided.withdrawn
        ]
        about = self._holds(
            journal,
            np.array([proposals[one]["resolves"] for one in left], np.uint64),
            np.array([proposals[one]["total"] for one in left], np.intp),
        )
        # What was proposed before a word of the biller's is done no more.
        self.undone = {
            number: approved[number]
            for number, hold in zip(left, about.tolist(), strict=True)
            if words.before(hold, NOT_YET) < number
        }

    def behind(self, number: int) -> list[np.void]:
        """All approvals that a proposal needed, the last one last."""
        first = self.firsts.get(number)
        return [*([] if first is None else [first]), self.approved[number]]

    def _complete(self, journal: Journal) -> None:
        """Note which proposals without lines are done: one row for each, or of a void
        or a verify one for each hold of its basket.
        """
        several = [
            number
            for number in self._made
            if self.proposals[number]["total"] in (Kind.VOID, Kind.VERIFY)
        ]
        about = [int(self.proposals[number]["resolves"]) for number in several]
        holds = journal.rows_at(np.array(about, np.uint64))
        sizes = np.maximum(holds["basket"] >> np.uint16(SIZE_SHIFT), 1).tolist()
        wanted = dict(zip(several, sizes, strict=True))
        for number, made in self._made.items():
            if len(made) >= wanted.get(number, 1):
                self.decided.done[number] = max(made)

    @staticmethod
    def _holds(journal: Journal, about: U64, asked: Index) -> U64:
        """The holds that deeds of some kinds are about, or through a case or a post
        speak of; of a direct payment it is that.
        """
        about = about.copy()
        through = np.flatnonzero(np.isin(asked, THROUGH))
        spoken_of = journal.rows_at(about[through])
        inner = np.isin(spoken_of["kind"], (Kind.POST, Kind.CASE))
        about[through[inner]] = spoken_of["resolves"][inner]
        return about

    def _deeds(self, accounts: Accounts, rows: Rows) -> tuple[Rows, np.ndarray]:
        """What needs two people, ascending, and as what each must be proposed."""
        transfers = rows["kind"] == Kind.TRANSFER
        moves = accounts.moves(rows)
        needs = (rows["kind"] == Kind.CASE_CLOSE) | (
            transfers & ~np.isin(moves, BY_ONE)
        )
        alone = (rows["flags"] & np.uint16(EVIDENCE)) == 0
        needs |= (rows["kind"] == Kind.VERIFY) & alone
        deeds = np.concatenate([np.empty(0, ROW), *self._needed, pick(rows, needs)])
        self._needed.clear()
        deeds = pick(deeds, np.argsort(deeds["sequence"]))
        asked = deeds["kind"].astype(np.intp)
        transfers = asked == Kind.TRANSFER
        asked[transfers] = accounts.moves(deeds)[transfers]
        return deeds, asked

    def _approved(
        self, rows: Rows, proposals: dict[int, np.void], unsigned: set[int]
    ) -> dict[int, np.void]:
        """The last approval that each proposal needed, if it has as many, as they may
        be.
        """
        approved, withdrawn = dict[int, np.void](), self.decided.withdrawn
        good = set[int]()
        for number in unsigned:
            proposals.pop(number, None)
        for row in rows[np.isin(rows["kind"], (Kind.APPROVE, Kind.WITHDRAW))]:
            number, sequence = int(row["resolves"]), int(row["sequence"])
            does = "withdraws" if row["kind"] == Kind.WITHDRAW else "approves"
            if number in withdrawn:
                text = f"it {does} what sequence {withdrawn[number]} has withdrawn"
                self.findings.add("approvals", sequence, text)
            elif number in approved and (
                row["kind"] == Kind.APPROVE or sequence < self.decided.since
            ):
                first = approved[number]["sequence"]
                text = f"it {does} what sequence {first} has approved"
                self.findings.add("approvals", sequence, text)
            elif row["kind"] == Kind.WITHDRAW:
                withdrawn[number] = sequence
            elif number in self.channels:
                text = "it approves what a bank has told, which nobody approves"
                self.findings.add("approvals", sequence, text)
            else:
                asked = proposals.get(number)
                counts = sequence not in unsigned and self._counts(row, asked)
                if not self._is_first(row, asked, counts=counts):
                    approved[number] = row
                    good.update([number] if counts else [])
        return {number: approved[number] for number in good}

    def _counts(self, row: np.void, asked: np.void | None) -> bool:
        """Whether an approval is one of its proposal, by another person, in time."""
        if asked is None or asked["sequence"] >= row["sequence"]:
            return False
        age = int(row["timestamp"]) - int(asked["timestamp"])
        if age >= PROPOSAL_LIFE_NS:
            text = "what it approves was proposed 30 days or more before it"
            self.findings.add("approvals", int(row["sequence"]), text)
            return False
        return not same_person(row, asked)

    def _is_first(self, row: np.void, asked: np.void | None, *, counts: bool) -> bool:
        """Whether behind an approval another one is needed."""
        number, sequence = int(row["resolves"]), int(row["sequence"])
        third = asked is not None and int(asked["flags"]) & THIRD
        first = self.firsts.get(number) if third else None
        if row["total"] != (0 if first is None else first["sequence"]):
            text = "it does not say which approval was before it"
            self.findings.add("approvals", sequence, text)
        if not third:
            return False
        if first is None:
            if counts:
                self.firsts[number] = row
            return True
        if same_person(row, first):
            text = "who approved it first approves it again, and a third is needed"
            self.findings.add("approvals", sequence, text)
            return True
        return not counts

    @staticmethod
    def _leads(journal: Journal, sequences: np.ndarray) -> dict[int, int]:
        """The first hold of the basket of each of some holds."""
        leads = lead_of(journal.rows_at(sequences))
        return dict(zip(sequences.tolist(), leads.tolist(), strict=True))

    @staticmethod
    def _same(
        proposal: np.void, deed: np.void, what: int, leads: tuple[int, int]
    ) -> bool:
        """Whether a deed is what was proposed."""
        for name in SAME[what]:
            if name == "id":
                same = deed["id"].tobytes() == deed_id(proposal["id"].tobytes())
            elif name == "basket":
                same = leads[0] == leads[1]
            else:
                same = deed[name].tobytes() == proposal[name].tobytes()
            if not same:
                return False
        return True


def same_person(one: np.void, other: np.void) -> bool:
    """Whether two rows name the same person of the same participant."""
    return all(one[name] == other[name] for name in ("participant", "operator_"))


class _Words:
    """What billers have said of payments that people look at."""

    def __init__(self, rows: Rows) -> None:
        """Of accepted rows, those that are cases by a biller's word."""
        said = (rows["kind"] == Kind.CASE) & (
            (rows["flags"] & np.uint16(EVIDENCE)) != 0
        )
        self._of: dict[int, list[int]] = {}
        for hold, sequence in zip(
            rows["resolves"][said].tolist(),
            rows["sequence"][said].tolist(),
            strict=True,
        ):
            self._of.setdefault(hold, []).append(sequence)

    def before(self, hold: int, sequence: int) -> int:
        """The newest word about a hold before a row, or 0."""
        words = self._of.get(hold, [])
        at = bisect_left(words, sequence)
        return words[at - 1] if at else 0
