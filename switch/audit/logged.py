"""The log that a ledger was led through, held against its journal, chunk by chunk.

A chunk is in the log before it is in any journal, under the same first row, with the
same last row, epoch and check; the check continues that of the chunk before, so that
one comparison speaks of all that lies before it. A log may begin later than a journal:
then it was made for a ledger that was there already.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from switch.audit.findings import Findings

PAGE: Final = 10_000
"""Chunks that are asked for at once."""


class Logged(NamedTuple):
    """What the log says of one chunk."""

    first: int
    last: int
    epoch: int
    check: int


def pages(
    ask: Callable[[int, int], Sequence[tuple[int, int, int, int]]],
) -> Iterator[Logged]:
    """All that `ask` (behind this row, at most so many) gives, one page at a time.

    The end is asked for when it is reached: by then whatever a journal has shown
    before is in the log.
    """
    after = 0
    while page := ask(after, PAGE):
        yield from (Logged(*each) for each in page)
        after = page[-1][0]


class Log:
    """Compares chunks in order; what the log has besides is looked at on the way."""

    def __init__(self, logged: Iterable[Logged], findings: Findings) -> None:
        """`logged`: the log's chunks, ascending."""
        self._rest = iter(logged)
        self._next = next(self._rest, None)
        self.begins = self._next.first if self._next else 0
        """The first row that the log has, 0 if it has none."""
        self.findings = findings
        self.skipped = 0
        """Rows of the journal that are older than the log."""

    def chunk(self, first: int, count: int, epoch: int, check: int) -> None:
        """One chunk of the journal."""
        if not self.begins or first < self.begins:
            self._before(first, count, epoch)
            return
        while self._next is not None and self._next.first < first:
            text = f"the log has a chunk at {self._next.first}, the journal none"
            self._found(self._next.first, text)
            self._advance()
        if self._next is None or self._next.first > first:
            self._found(first, "the log does not have the chunk that begins there")
            return
        own = Logged(first, first + count - 1, epoch, check)
        if own != self._next:
            names = ("row", "last row", "epoch", "check")
            which = [
                f"its {name} is {here}, in the log {there}"
                for name, here, there in zip(names, own, self._next, strict=True)
                if here != there
            ]
            self._found(first, "; ".join(which))
        self._advance()

    def _before(self, first: int, count: int, epoch: int) -> None:
        """A chunk that is older than the log; if that is so, no epoch was in it."""
        self.skipped += count
        if epoch:
            text = f"it was led in epoch {epoch}, and the log does not have it"
            self._found(first, text)

    def finish(self, last: int, *, whole: bool) -> list[str]:
        """Notes about what was not compared, `last` being the journal's last row that
        was; `whole`: it is the last of all.
        """
        notes = []
        if self.skipped:
            begins = f"begins at {self.begins}" if self.begins else "is empty"
            notes.append(f"the log {begins}: {self.skipped} rows before are not in it")
        if not whole:
            return notes
        ahead = 0
        while self._next is not None:
            if self._next.first <= last:
                text = f"the log has a chunk at {self._next.first}, the journal none"
                self._found(self._next.first, text)
            ahead = self._next.last - last
            self._advance()
        if ahead > 0:
            notes.append(f"the log is {ahead} rows ahead: they are not here yet")
        return notes

    def _advance(self) -> None:
        self._next = next(self._rest, None)

    def _found(self, sequence: int, text: str) -> None:
        self.findings.add("log", sequence, text)
