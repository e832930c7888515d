"""The numbers that payers and payouts carry to a bank: made, and found in its texts.

May use nothing of the product. docs/data-model.md says what a number is: `T` for a
request, `R` for a release, the sequence in 12 digits, three letters that only this
ledger gives this sequence. A clerk copies it and a bank reformats it, so capitals and
spaces mean nothing; everything else does, as nothing is guessed about money.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

NUMBER_SIZE: Final = 16
"""Characters of a number."""
SEQUENCE_MAX: Final = 10**12 - 1
"""The last one that twelve digits can say."""

_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without I and O, which are read as 1 and 0."""
_NUMBER: Final = re.compile(
    r"([TR])((?: *[0-9]){12})((?: *[A-Z2-9]){3})", re.ASCII | re.IGNORECASE
)


class Letter(Enum):
    """What a number is of."""

    REQUEST = "T"
    RELEASE = "R"

    @property
    def hashed(self) -> bytes:
        """What stands before the instance in what is hashed."""
        return self.name.lower().encode("ascii")


class Number(NamedTuple):
    """A number that was found, and is right."""

    letter: Letter
    sequence: int


def make_number(letter: Letter, instance: bytes, sequence: int) -> str:
    """The number of a request or a release. Raises ValueError beyond twelve digits."""
    if not 0 < sequence <= SEQUENCE_MAX:
        raise ValueError(f"no number is of entry {sequence}")
    return f"{letter.value}{sequence:012d}{_check(letter, instance, sequence)}"


def _check(letter: Letter, instance: bytes, sequence: int) -> str:
    return letters_of(letter.hashed, instance, sequence)


def letters_of(what: bytes, instance: bytes, sequence: int) -> str:
    """Three letters that only this ledger gives an entry, as one of `what`."""
    hashed = what + instance + sequence.to_bytes(8, "little")
    digest = hashlib.blake2b(hashed, digest_size=32).digest()
    bits = int.from_bytes(digest[:2], "big") >> 1
    return "".join(_ALPHABET[bits >> shift & 31] for shift in (10, 5, 0))


def read_number(text: str, instance: bytes) -> Number | None:
    """A text that is just a right number of this ledger."""
    found = _NUMBER.fullmatch(text.strip(" "))
    return None if found is None else _right(found, instance)


def find_number(texts: Iterable[str], instance: bytes) -> Number | None:
    """The one right number that stands in a line's texts as a word.

    Two different ones are none: nobody can tell which is meant.
    """
    found = {one for text in texts for one in _numbers(text, instance)}
    return found.pop() if len(found) == 1 else None


def _numbers(text: str, instance: bytes) -> Iterator[Number]:
    at = 0
    while (found := _NUMBER.search(text, at)) is not None:
        # From the next character on: a wrong one may begin within the right one.
        at = found.start() + 1
        if text[at - 2 : at - 1].isalnum() or text[found.end() :][:1].isalnum():
            continue
        number = _right(found, instance)
        if number is not None:
            yield number


def _right(found: "re.Match[str]", instance: bytes) -> Number | None:
    letter = Letter(found[1].upper())
    sequence = int(found[2].replace(" ", ""))
    check = found[3].replace(" ", "").upper()
    if not sequence or check != _check(letter, instance, sequence):
        return None
    return Number(letter, sequence)
