"""What a biller has acknowledged, in the place of a list: which payments it has said it
has credited.

May use `acknowledgements`, `lists`, `lines`, `sides` and the words. Its word is the
entry that completed the payment, so that amounts, dates, heads and what is missing here
are the ledger's own: of these it says nothing, and nobody may take them for compared.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final

import numpy as np

from switch.matching.acknowledgements import LINES_MAX, Word
from switch.matching.breaks import Type
from switch.matching.cells import ListError
from switch.matching.lines import Numbers, There, exact_sum, pick
from switch.matching.lists import FILE_MAX, BillerList
from switch.matching.maps import By
from switch.matching.sides import Acknowledged, Wanted, expected, travelling

LINE_MAX: Final = 4_096
"""Bytes of a line."""
NOT_LOOKED_AT: Final = (
    Type.AMOUNT,
    Type.DATE,
    Type.DUPLICATE,
    Type.HEAD,
    Type.MISSING_HERE,
    Type.UNKNOWN,
)
"""What acknowledgements cannot differ in."""


_WHY: Final = {
    Word.PEOPLE: "completed without its biller's word",
    Word.WITHDRAWN: "its biller has said otherwise since",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A file of them: all completed payments of a biller between two entries."""

    name: str
    sha256: str
    biller: str
    after: int
    to: int
    by_entry: dict[int, Word]


def read_words(file: BinaryIO, name: str) -> Words:
    """The file that `payswitch acknowledged` has written. Raises ListError."""
    digest = hashlib.sha256()
    lines = _objects(file, name, digest)
    try:
        said = next(lines)["acknowledged"]
        after, to = _whole(said["after"]), _whole(said["to"])
        found = Words(name, "", str(said["biller"]), after, to, {})
        for one in lines:
            entry = _whole(one["entry"])
            if not after < entry <= to or entry in found.by_entry:
                raise ValueError("is not of these entries, or there twice")
            found.by_entry[entry] = Word(one["word"])
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError) as error:
        text = f"is not as `acknowledged` has written it: {error}"
        raise ListError(name, text) from None
    return replace(found, sha256=digest.hexdigest())


def _objects(
    file: BinaryIO, name: str, digest: "hashlib._Hash"
) -> Iterator[dict[str, Any]]:
    size = 0
    for count, raw in enumerate(iter(lambda: file.readline(LINE_MAX + 1), b"")):
        digest.update(raw)
        size += len(raw)
        if len(raw) > LINE_MAX or count > LINES_MAX or size > FILE_MAX:
            raise ListError(f"{name}, line {count + 1}", "is too long, or one too many")
        yield json.loads(raw)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError("an entry is a whole number")
    return value


def with_words(wanted: Wanted, words: Words) -> Wanted:
    """The same match, with what was acknowledged as the list. Raises ListError if the
    file does not say of each payment that is expected how it stands.
    """
    if wanted.by is not By.NUMBER:
        raise ListError(words.name, "is by number")
    if words.biller != wanted.biller:
        raise ListError(words.name, f"is of {words.biller[:64]!a}")
    own = wanted.scrolls.here
    own = pick(own, ~own.refund)
    due = expected(wanted, own)
    standing = np.array([one.entry for one in travelling(wanted).payments], np.int64)
    within = (own.entry > words.after) & (own.entry <= words.to)
    known = np.isin(own.entry, _entries(words, *Word))
    lacking = own.entry[due & ~(within & known)]
    if len(lacking):
        text = f"says nothing of entry {int(lacking.min())}, of {len(lacking)} in all"
        raise ListError(words.name, text)
    is_told = np.isin(own.entry, _entries(words, Word.BILLER))
    chosen = pick(own, is_told & (due | np.isin(own.entry, standing)))
    nothing = np.zeros(len(chosen), np.int32)
    there = There(
        key=chosen.key,
        refund=chosen.refund,
        amount=chosen.amount,
        day=chosen.day,
        head=chosen.head,
        line=nothing,
    )
    listed = BillerList(
        name=words.name,
        sha256=words.sha256,
        there=there,
        bad=(),
        count=len(there),
        total=exact_sum(there.amount),
        is_complete=False,
    )
    not_asked = frozenset(_entries(words, Word.NOBODY).tolist())
    why = {entry: _WHY.get(word, "") for entry, word in words.by_entry.items()}
    return replace(
        wanted, list=listed, acknowledged=Acknowledged(not_asked, why), undecided=()
    )


def _entries(words: Words, *which: Word) -> Numbers:
    found = [entry for entry, word in words.by_entry.items() if word in which]
    return np.array(found, np.int64)
