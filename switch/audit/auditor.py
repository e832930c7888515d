"""One audit: reads the journal once, from its first row to a stated sequence."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from switch.audit.behind import rows_behind
from switch.audit.books import Books
from switch.audit.causes import Causes
from switch.audit.chain import Chain
from switch.audit.clocks import Clocks
from switch.audit.cutoffs import Cutoffs
from switch.audit.exceptions import Exceptions
from switch.audit.explained import Explaining, compare_explained
from switch.audit.findings import CHAIN_CHECKS, CHECKS, Findings
from switch.audit.index import Index, compare_index, compare_pieces, read_index
from switch.audit.layout import Rows
from switch.audit.live import Live, compare_live_accounts, compare_live_hash
from switch.audit.logged import Log, Logged
from switch.audit.payments import check_baskets
from switch.audit.reader import Block, Journal
from switch.audit.stakes import Stakes
from switch.audit.totals import Figures, Stored, read_totals
from switch.errors import UsageError

INDEX_STEP_ROWS = 131_072
"""Rows of an index step, as the settings have it by default."""
Scope = Literal["chain", "all"]
Progress = Callable[[int, int], None]
"""Called with (rows read, rows in all) after each step."""


@dataclass(frozen=True)
class Report:
    """What an audit came to. `checks` has the number of findings of each check made."""

    path: str
    sequence: int
    accounts: int
    holds: int
    state_hash: str
    findings: Findings
    checks: dict[str, int]
    notes: list[str]
    exceptions: Exceptions | None
    """What is open at the end; None if only the chain was looked at."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return self.findings.count == 0

    @property
    def rows_per_s(self) -> int:
        """Rows read in a second of wall time."""
        return round(self.sequence / self.seconds) if self.seconds > 0 else 0


def audit(
    path: Path | str,
    *,
    at: int = 0,
    scope: Scope = "all",
    ask: Callable[[], Live] | None = None,
    logged: Iterable[Logged] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Audit the ledger in `path` from its first row to sequence `at` (0: the last).

    `scope` "chain" looks at bytes, totals and balances only. `ask` asks a live server,
    which is compared at the sequences it states; `logged` is what the log says of its
    chunks, ascending, read as it is asked for. Raises FormatError or StorageError if
    the directory cannot be read, UsageError if `at` is not durable yet.
    """
    started = time.monotonic()
    directory, findings = Path(path), Findings()
    # What is compared is read before the end of the journal is, so that it is behind.
    live = ask() if ask else None
    index = read_index(directory, findings)
    totals = read_totals(directory, findings) if scope == "all" else None
    with Journal(directory) as journal:
        durable = journal.last_sequence()
        if at > durable:
            raise UsageError(f"sequence {at} is not there yet; the last is {durable}")
        last = at or durable
        ledger = journal.instance + journal.epoch.to_bytes(8, "little")
        stakes = Stakes(journal.rows_at)
        books = Books(findings, ledger, stakes, whole=scope == "all")
        run = _Audit(journal, findings, books, (durable, last))
        notes = run.plan_index(index)
        notes += run.plan_live(live)
        notes += run.plan_totals(totals) if scope == "all" else []
        log = None if logged is None else Log(logged, findings)
        notes += run.read(progress, log)
        exceptions = _finish(journal, books, last)
        if not at and live is None:
            notes += _behind(rows_behind(directory, journal))
    checks = list(CHECKS) if scope == "all" else list(CHAIN_CHECKS)
    compared = {
        "index": index is not None or "index" in findings.counts,
        "lost": index is not None or totals is not None,
        "figures": totals is not None or "figures" in findings.counts,
        "log": log is not None,
        "live": live is not None,
    }
    checks = [name for name in checks if name not in compared]
    checks += [name for name, made in compared.items() if made]
    return Report(
        path=str(path),
        sequence=last,
        accounts=books.accounts.count,
        holds=books.holds.count,
        state_hash=books.accounts.state_hash(),
        findings=findings,
        checks={name: findings.counts.get(name, 0) for name in checks},
        notes=notes,
        exceptions=exceptions,
        seconds=time.monotonic() - started,
    )


def _finish(journal: Journal, books: Books, last: int) -> Exceptions | None:
    """Judge what needs all rows; gives what is open at the end, None if only the chain
    is looked at.
    """
    if books.claims is None:
        return None
    books.claims.people(*books.cases.settling())
    books.claims.finish(journal, last)
    refunds = books.claims.refunds
    now = int(journal.rows_at(np.array([last], np.uint64))["timestamp"][0])
    exceptions = books.cases.finish(journal, refunds, books.refusals, now)
    lines, endings = books.people.lines, books.refusals.endings
    books.booked.finish(journal, lines, books.claims.utrs, endings)
    books.settled.finish()
    books.deadlines.finish(books.holds, last)
    books.complaints.finish(journal)
    books.handouts.finish(journal)
    causes = Causes(journal, books.cases, books.findings)
    causes.judge(books.refusals.speaking)
    return exceptions


def _behind(rows: tuple[int, int] | None) -> list[str]:
    """What was not audited, as the journal does not show it yet."""
    if rows is None:
        return []
    text = (
        f"rows {rows[0]} to {rows[1]} lie in the file behind the last one, and go on "
        "from it: the disk has lost a meta page, or a process died before it had "
        "answered them; start the switch, which puts them back, and audit again"
    )
    return [text]


def _without_index(findings: Findings, durable: int) -> str:
    """What is true where no index is compared, and what to do."""
    if "index" in findings.counts:
        return "the index is not compared: it cannot be read, see index"
    text = "there is no index to compare, and nothing is lost with it"
    if durable < INDEX_STEP_ROWS:
        return (
            f"{text}: the switch writes its first step after {INDEX_STEP_ROWS:,} rows "
            "(index_step_rows), and keeps newer rows in memory; nothing is to be done"
        )
    return f"{text}; start the switch, which makes it from the journal, and audit again"


class _Audit:
    """The pass over the journal, with the stops at which something is compared."""

    def __init__(
        self,
        journal: Journal,
        findings: Findings,
        books: Books,
        bounds: tuple[int, int],
    ) -> None:
        """`bounds`: the last durable sequence, and the one to end at."""
        self.journal = journal
        self.findings = findings
        self.books = books
        self.durable, self.last = bounds
        self.stops: dict[int, list[Callable[[Books], None]]] = {}
        self.explaining = Explaining(())
        self.cutoffs = Cutoffs(findings)
        self.clocks = Clocks(findings)
        self.figures: Figures | None = None
        self.figures_end = 0

    def _stop(
        self, check: str, what: str, sequence: int, compare: Callable[[Books], None]
    ) -> list[str]:
        """Compare after the row `sequence`; a note if the pass ends before it."""
        if sequence > self.durable:
            text = f"{what} at {sequence}, the journal ends at {self.durable}"
            self.findings.add(check, sequence, text)
        elif sequence > self.last:
            return [f"not compared: {what} at {sequence}, past {self.last}"]
        else:
            self.stops.setdefault(sequence, []).append(compare)
        return []

    def plan_index(self, index: Index | None) -> list[str]:
        """Have the index compared where it stands; say what cannot be."""
        if index is None:
            return [_without_index(self.findings, self.durable)]
        journal, findings = self.journal, self.findings
        notes = self._stop(
            "lost",
            "the index is",
            index.as_of,
            lambda books: compare_index(index, books, journal, findings),
        )
        for at in sorted(index.stands):
            # Behind the index itself, whose note says enough if the pass ends before.
            if at <= self.durable:
                self._stop("index", "pieces of it are", at, self._pieces(index, at))
        if index.as_of < self.last:
            notes.append(f"the index is compared as of {index.as_of}")
        return notes

    def _pieces(self, index: Index, at: int) -> Callable[[Books], None]:
        """Compares the pieces of the index that stand at one sequence."""
        return lambda books: compare_pieces(index, at, books, self.findings)

    def plan_live(self, live: Live | None) -> list[str]:
        """Have what a server said compared; say what cannot be."""
        if live is None:
            return []
        findings = self.findings
        explaining = self.explaining = Explaining(live.explained)

        def compare(books: Books) -> None:
            compare_live_accounts(live, books.accounts, findings)
            compare_explained(live.explained, explaining, live.as_of, findings)

        return self._stop(
            "live", "the server's accounts are", live.as_of, compare
        ) + self._stop(
            "live",
            "the server's state hash is",
            live.sequence,
            lambda books: compare_live_hash(live, books.accounts, findings),
        )

    def plan_totals(self, totals: Stored | None) -> list[str]:
        """Have the totals compared as the rows come; say what cannot be."""
        if totals is None:
            if "figures" in self.findings.counts:
                return ["the totals are not compared: they cannot be read, see figures"]
            text = "there are no totals to compare, and nothing is lost with them"
            return [f"{text}; the switch counts them from the journal while it serves"]
        if totals.instance != self.journal.instance:
            text = "its store is of another ledger"
            self.findings.add("figures", totals.sequence, text)
            return []
        figures = Figures(totals, self.journal, self.findings)

        def compare(_: Books) -> None:
            figures.check_header()
            figures.finish()

        before = self.findings.count
        notes = self._stop("lost", "the totals are", totals.sequence, compare)
        if not notes and self.findings.count == before:
            self.figures, self.figures_end = figures, totals.sequence
            if totals.sequence < self.last:
                notes.append(f"the totals are compared as of {totals.sequence}")
        return notes

    def read(self, progress: Progress | None, log: Log | None) -> list[str]:
        """Read, check and apply every block up to the last sequence; notes of that."""
        chain = Chain(self.journal.instance, self.findings, log)
        waiting = sorted(self.stops)
        while waiting and waiting[0] == 0:
            self._compare(waiting.pop(0))
        for block in self.journal.blocks(self.last):
            chain.block(block)
            self._apply(block, chain.tails, waiting)
            if progress:
                progress(min(chain.expected - 1, self.last), self.last)
        for sequence in waiting:
            self._compare(sequence)
        self.books.check_balance(self.last)
        if chain.expected <= self.last:
            text = f"the journal ends before it, at {chain.expected - 1}"
            self.findings.add("sequence", self.last, text)
        if log:
            return log.finish(self.last, whole=self.last == self.durable)
        if chain.led_from:
            text = f"led through a log from {chain.led_from} on, now in epoch "
            return [f"not compared: {text}{chain.epoch}; --log holds it against that"]
        return []

    def _apply(self, block: Block, tails: dict[int, bytes], waiting: list[int]) -> None:
        """Apply a block's rows, with pauses at the stops that lie in it."""
        rows: Rows = block.rows
        if not len(rows):
            return
        sequences = rows["sequence"]
        if int(sequences[-1]) > self.last:
            rows = rows[: int(np.searchsorted(sequences, self.last, side="right"))]
            sequences = rows["sequence"]
        starts = np.array([one.offset for one in block.chunks], dtype=np.intp)
        self.cutoffs.block(rows, starts[starts < len(rows)], tails)
        self.clocks.block(rows, tails)
        start = 0
        while waiting and len(rows) and waiting[0] <= int(sequences[-1]):
            stop = waiting.pop(0)
            end = int(np.searchsorted(sequences, stop, side="right"))
            if end > start:
                self._take(rows[start:end], start, tails)
                start = end
            self._compare(stop)
        if start < len(rows):
            self._take(rows[start:], start, tails)
        if self.books.claims:
            self.books.claims.ids(rows)
            self.books.deadlines.block(block, self.last)
            check_baskets(block.rows, block.chunks, self.books.accounts, self.findings)

    def _take(self, rows: Rows, first: int, tails: dict[int, bytes]) -> None:
        self.books.apply(rows, first, tails)
        self.explaining.apply(rows)
        # Its last row is a stop, so that rows are before it or behind it together.
        if self.figures and int(rows["sequence"][-1]) <= self.figures_end:
            self.figures.take(rows)

    def _compare(self, sequence: int) -> None:
        """What was to be compared after this row."""
        self.books.check_balance(sequence)
        for compare in self.stops[sequence]:
            compare(self.books)
