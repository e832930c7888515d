"""Audits of journals that begin alike: what they share is judged once.

Most forgeries stand behind one story, which is right: to judge it again for each of a
thousand journals was most of what these tests did. Here the auditor's state behind the
chunks that two journals of a file share is kept. The next journal that begins with the
very same chunks, byte for byte, is judged from there on by the auditor itself, as if it
had read them in a block before; all that is judged at the end is judged anew, of all
rows. A journal without such a beginning, or whose audit compares something on the way
through it, is read as a whole. tests/audit/test_again.py holds the two ways against
each other.
"""

import io
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from unittest import mock

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from switch.audit import auditor
from switch.audit.auditor import Report
from switch.audit.chain import Chain
from switch.audit.layout import GROUP_MAX, ROW
from switch.audit.logged import Log
from switch.audit.reader import (
    BLOCK_ROWS,
    Block,
    Journal,
    structure_problem,
)
from tests.audit.journal_writer import INSTANCE

WORTH: Final = 16
"""So few chunks are read again sooner than a state is kept and taken up."""
KEPT_MAX: Final = 8
"""Beginnings that are kept, the latest used last."""
SPARSE: Final = 1 << 15
"""Bytes from which an array is kept without the zeros behind its last value."""
PAGE: Final = 4_096
"""Bytes that are looked at together for that."""

ROOM: Final = BLOCK_ROWS + GROUP_MAX
"""Rows of a block."""

Chunks = list[tuple[int, bytes]]
"""By first sequence."""


@dataclass(frozen=True)
class Beginning:
    """Chunks, and the auditor's state behind them."""

    chunks: Chunks
    state: bytes


class Kept:
    """What is known of the journals of this process, by how they are audited."""

    def __init__(self) -> None:
        self.beginnings: list[Beginning] = []
        self.before: Chunks = []
        """Those of the journal that was audited last."""
        self.used = 0
        """How often a beginning was gone on from."""

    def longest(self, chunks: Chunks) -> Beginning | None:
        """The longest beginning of a journal."""
        fitting = [b for b in self.beginnings if b.chunks == chunks[: len(b.chunks)]]
        if not fitting:
            return None
        found = max(fitting, key=lambda one: len(one.chunks))
        self.beginnings.remove(found)
        self.beginnings.append(found)
        return found

    def keep(self, beginning: Beginning) -> None:
        """In the place of the one that was not used for longest."""
        self.beginnings.append(beginning)
        del self.beginnings[:-KEPT_MAX]


_kept: dict[str, Kept] = {}


def audit(
    path: Path | str,
    *,
    at: int = 0,
    scope: Literal["chain", "all"] = "all",
    kept: Kept | None = None,
) -> Report:
    """What `switch.audit.audit` reports of the ledger in `path`."""
    of_all = _kept.setdefault(scope, Kept())

    class _FromThere(_Again):
        known = of_all if kept is None else kept

    with mock.patch.object(auditor, "_Audit", _FromThere):
        return auditor.audit(path, at=at, scope=scope)


class _Again(auditor._Audit):
    """A pass that begins behind what was judged before."""

    known: Kept

    def _begin(self, log: Log | None) -> tuple[Chain, Iterable[Block]]:
        chain, blocks = super()._begin(log)
        # What is compared on the way is compared before any later row is taken, and
        # totals need all rows. What was found before is not to be forgotten.
        stop = min(self.stops, default=self.last)
        if log or self.figures or self.findings.count:
            return chain, blocks
        chunks = sound(self.journal, min(stop, self.last))
        # One is left to be read, so that there is a block.
        shared = min(count_shared(chunks, self.known.before), len(chunks) - 1)
        self.known.before = chunks
        found = self.known.longest(chunks[:-1])
        start = len(found.chunks) if found else 0
        if found:
            chain = self._restore(found)
            self.known.used += 1
        if shared - start < WORTH:
            return chain, self._blocks(chunks[start][0], self.last) if found else blocks
        return chain, self._keeping(chain, chunks, start, shared)

    def _blocks(self, first: int, last: int) -> Iterator[Block]:
        """The blocks from one chunk on that begin at or before `last`."""
        key, buffer = first.to_bytes(8, "big"), np.empty(ROOM, dtype=ROW)
        while key:
            block, key = self.journal._step(key, last, buffer)
            yield block

    def _keeping(
        self, chain: Chain, chunks: Chunks, start: int, end: int
    ) -> Iterator[Block]:
        """The same, with a pause behind what is shared, in which the state is kept."""
        yield from self._blocks(chunks[start][0], chunks[end][0] - 1)
        if not self.findings.count:
            self.known.keep(Beginning(chunks[:end], self._state(chain)))
        yield from self._blocks(chunks[end][0], self.last)

    # --- the state -------------------------------------------------------------------

    def _state(self, chain: Chain) -> bytes:
        """All that the rows so far have left behind, without the journal itself."""
        out = io.BytesIO()
        pickler = _Pickler(out, protocol=5)
        pickler.ours = {id(self.journal): "journal", id(self.findings): "findings"}
        pickler.dump((chain, self.books, self.cutoffs, self.clocks))
        return out.getvalue()

    def _restore(self, found: Beginning) -> Chain:
        unpickler = _Unpickler(io.BytesIO(found.state))
        unpickler.ours = {"journal": self.journal, "findings": self.findings}
        chain, books, self.cutoffs, self.clocks = unpickler.load()
        # Who began the audit has these books in hand, and finishes with them.
        vars(self.books).update(vars(books))
        assert isinstance(chain, Chain)
        return chain


class _Pickler(pickle.Pickler):
    ours: dict[int, str]

    def persistent_id(self, value: object) -> str | None:
        return self.ours.get(id(value))

    def reducer_override(self, value: Any) -> Any:
        """Tables with room for all that may ever come are mostly zeros; keys are kept
        as their bytes.
        """
        if isinstance(value, Ed25519PublicKey):
            return Ed25519PublicKey.from_public_bytes, (value.public_bytes_raw(),)
        if type(value) is np.ndarray and value.nbytes >= SPARSE:
            raw = np.ascontiguousarray(value).view(np.uint8).reshape(-1)
            whole = raw[: len(raw) // PAGE * PAGE].reshape(-1, PAGE).view(np.uint64)
            filled = np.flatnonzero(whole.any(axis=1))
            end = (int(filled[-1]) + 1) * PAGE if len(filled) else 0
            if raw[whole.nbytes :].any():
                end = len(raw)
            return filled_up, (value.shape, value.dtype, raw[:end].tobytes())
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    ours: dict[str, object]

    def persistent_load(self, name: str) -> object:
        return self.ours[name]


def filled_up(shape: tuple[int, ...], dtype: np.dtype[Any], begin: bytes) -> Any:
    """An array that begins so and has zeros behind that."""
    array = np.zeros(shape, dtype=dtype)
    array.view(np.uint8).reshape(-1)[: len(begin)] = np.frombuffer(begin, np.uint8)
    return array


def sound(journal: Journal, last: int) -> Chunks:
    """The chunks with which a journal begins, as far as each can be read, follows the
    one before, and ends by `last`.
    """
    chunks: Chunks = []
    if (journal.instance, journal.epoch) != (INSTANCE, 1):
        return chunks
    following = 1
    with journal.env.begin() as txn, txn.cursor(journal.chunks) as cursor:
        for key, value in cursor:
            first = int.from_bytes(key, "big")
            if first != following or structure_problem(key, memoryview(value)):
                break
            following += int.from_bytes(value[8:12], "little")
            if following - 1 > last:
                break
            chunks.append((first, value))
    return chunks


def count_shared(one: Chunks, other: Chunks) -> int:
    """Chunks with which both begin."""
    for count, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return count
    return min(len(one), len(other))
