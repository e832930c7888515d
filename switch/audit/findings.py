"""What the auditor looks for, what it found, and what to do about it.

A check is a name; a finding is one sentence with the sequence it speaks of. How many
are kept is bounded; how many there were is always counted.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

FINDINGS_MAX: Final = 20
"""Findings kept for one check; the rest are counted."""

DAMAGED = "restore journal/ from a copy and audit that"
WRONG = "stop taking payments; compare with a copy, then correct by new entries"
LOST = "keep journal/ and index/ as they are; restore a copy that has the rows"
DERIVED = "stop the server, delete index/ and let it be rebuilt, audit again"
FORKED = "stop this switch, keep its journal, hold the others' against the log first"
SUMMED = "stop the server, delete totals/ and let it be made anew, audit again"

CHECKS: Final[dict[str, tuple[str, str]]] = {
    "chunks": ("every chunk's header, size and instance", DAMAGED),
    "chain": ("every chunk's check, continued from the one before", DAMAGED),
    "rows": ("every row's check", DAMAGED),
    "tails": ("every tail item: size, check, padding, digest", DAMAGED),
    "sequence": ("sequences run from 1 without gaps", DAMAGED),
    "time": ("timestamps strictly increase", WRONG),
    "clocks": ("clock records are formed, and the kernel vouches within bounds", WRONG),
    "margins": ("margins are the switch's own, and each names the one before", WRONG),
    "fields": ("kinds, results, flags and reserved fields are known", WRONG),
    "accounts": ("accounts are opened once, fit the movement, and may move", WRONG),
    "totals": ("debits equal credits, and fit their size", WRONG),
    "below_zero": ("no account is below zero, but by refunds and what is owed", WRONG),
    "senders": ("rows come from those who may send them, and from their wallet", WRONG),
    "evidence": ("what posts a hold has a biller's word", WRONG),
    "approvals": ("as many people as it needs stand behind what needs them", WRONG),
    "deadlines": ("deadlines have a bound, and a hold that is due ends", WRONG),
    "refusals": ("who was refused had a cause, as far as the rows show it", WRONG),
    "holds": ("every hold is resolved at most once, exactly, and not early", WRONG),
    "cases": ("cases, approvals and shifts fit what they speak of, once", WRONG),
    "complaints": ("complaints and replies fit their payment, each in its turn", WRONG),
    "handouts": ("cash is handed out once, of what gave it back to the wallet", WRONG),
    "windows": ("windows list exactly what was posted, and come at cut-offs", WRONG),
    "settles": ("settlements move exactly a window's net, once", WRONG),
    "receipts": ("receipts have no gaps for a wallet and financial year", WRONG),
    "baskets": ("baskets are whole: one wallet, one biller, all or none", WRONG),
    "services": ("payments fit the service they name", WRONG),
    "certificates": ("revocations and pins fit, and two treasuries stay", WRONG),
    "budgets": ("budgets of participants fit, and the treasury set them", WRONG),
    "people": ("people and operators are registered, act and sign; two stay", WRONG),
    "lines": ("what the treasury does is a line that its people approved, once", WRONG),
    "banks": ("what a bank has told is booked once, rightly, and meets its own", WRONG),
    "payouts": ("what is paid out goes where people had time to look at", WRONG),
    "bills": ("files of bills are of their biller's service, in their turn", WRONG),
    "prices": ("amounts are those of tariffs, bills and bounds, and say so", WRONG),
    "limits": ("no wallet is past its limits of a day", WRONG),
    "ids": ("an id is used once by a sender", WRONG),
    "claims": ("a bill is paid once, and nothing in the way of a payment", WRONG),
    "utrs": ("a bank reference is credited once", WRONG),
    "refunds": ("refunds fit their payment and never exceed it", WRONG),
    "index": ("the index holds the accounts that the journal gives", DERIVED),
    "figures": ("the network's totals are what the journal gives", SUMMED),
    "lost": ("the journal has what index and totals were made of", LOST),
    "log": ("every chunk is in the log as it is here, and none beside it", FORKED),
    "live": ("the server serves what the journal gives", "restart the server"),
}
CHAIN_CHECKS: Final = (
    "chunks",
    "chain",
    "rows",
    "tails",
    "sequence",
    "time",
    "clocks",
    "margins",
    "fields",
    "accounts",
    "totals",
    "below_zero",
    "holds",
    "windows",
    "settles",
)
"""What `--only chain` looks at; the others need every row's id, claim or receipt."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `sequence` is 0 where no row can be named."""

    check: str
    sequence: int
    text: str

    def __str__(self) -> str:
        """One line: where, what, and what to do."""
        advice = CHECKS[self.check][1]
        return f"sequence {self.sequence}: {self.check}: {self.text}; {advice}"


@dataclass
class Findings:
    """All that was found, bounded for each check, counted exactly."""

    counts: dict[str, int] = field(default_factory=dict)
    kept: list[Finding] = field(default_factory=list)
    _kept_counts: dict[str, int] = field(default_factory=dict)

    def add(self, check: str, sequence: int, text: str) -> None:
        """Note one finding."""
        self.counts[check] = self.counts.get(check, 0) + 1
        kept = self._kept_counts.get(check, 0)
        if kept < FINDINGS_MAX:
            self._kept_counts[check] = kept + 1
            self.kept.append(Finding(check, sequence, text))

    def add_rows(
        self, check: str, sequences: npt.NDArray[np.uint64], text: str
    ) -> None:
        """Note the same finding for each of some rows."""
        for sequence in sequences[:FINDINGS_MAX]:
            self.add(check, int(sequence), text)
        rest = len(sequences) - FINDINGS_MAX
        if rest > 0:
            self.counts[check] += rest

    @property
    def count(self) -> int:
        """How many there were, kept or not."""
        return sum(self.counts.values())
