"""The names of the treasury's files: what each is, of which window, and whose.

May use `calendar`. A name says all that there is to say of a file, so that it can be
made again from a copy of the ledger; none is given twice, and none has other bytes
later ("Names" in docs/files.md).
"""

import re
from enum import IntEnum
from typing import Final, NamedTuple

from switch.calendar import format_financial_year


class FileKind(IntEnum):
    """What a file is; the numbers are the wire's."""

    SCROLL = 1
    """A window's payments of one head of a biller."""
    MEMORANDUM = 2
    """What a window corrects of earlier scrolls."""
    ACCOUNT_STATEMENT = 3
    """camt.053 of a head's account over a window."""
    MONTHLY = 4
    """A biller's windows of a month."""
    INSTRUCTION = 5
    """pain.001: what a bank is to pay out."""


_LETTERS: Final = {
    FileKind.SCROLL: "S",
    FileKind.MEMORANDUM: "M",
    FileKind.ACCOUNT_STATEMENT: "C",
    FileKind.MONTHLY: "B",
    FileKind.INSTRUCTION: "P",
}
_KINDS: Final = {letter: kind for kind, letter in _LETTERS.items()}
FORMS: Final = {
    FileKind.SCROLL: ("csv", "json"),
    FileKind.MEMORANDUM: ("csv", "json"),
    FileKind.ACCOUNT_STATEMENT: ("xml",),
    FileKind.MONTHLY: ("csv", "json"),
    FileKind.INSTRUCTION: ("xml", "json"),
}
"""What has a manifest beside it has `json`."""
NAME_MAX: Final = 80
"""Characters of a name at most."""

_OF_WINDOW: Final = re.compile(
    r"([SMCP])([0-9]{4})-([0-9]{2})-([0-9]{4,9})-([A-Za-z0-9-]{1,34})-([1-9][0-9]{0,4})"
    r"\.(csv|json|xml)"
)
_OF_MONTH: Final = re.compile(
    r"B([0-9]{4})-(0[1-9]|1[0-2])-([A-Za-z0-9-]{1,34})\.(csv|json)"
)


class FileName(NamedTuple):
    """One file, taken apart."""

    kind: FileKind
    year: int
    """The year in which the window's financial year began; of MONTHLY the month's."""
    ordinal: int
    """Of the window among those of its financial year, from 1; of MONTHLY the month."""
    owner: str
    """The biller's participant id; of INSTRUCTION the number of a bank account."""
    part: int = 0
    """Number of the head, from 1; of MONTHLY 0."""
    form: str = "csv"

    @property
    def number(self) -> str:
        """The name without its form: what papers call the file by."""
        letter = _LETTERS[self.kind]
        if self.kind is FileKind.MONTHLY:
            return f"{letter}{self.year:04d}-{self.ordinal:02d}-{self.owner}"
        window = window_text(self.year, self.ordinal)
        return f"{letter}{window}-{self.owner}-{self.part}"

    @property
    def text(self) -> str:
        """The name."""
        return f"{self.number}.{self.form}"

    def as_kind(self, kind: FileKind, form: str = "csv") -> "FileName":
        """Another file of the same window and head."""
        return self._replace(kind=kind, form=form)


def window_text(year: int, ordinal: int) -> str:
    """How files call a window: `2026-27-0001`."""
    return f"{format_financial_year(year)}-{ordinal:04d}"


_INSTRUCTION_ID: Final = re.compile(
    r"P([0-9]{4})-[0-9]{2}-([0-9]{4,9})-([0-9]{2,3})-([1-9][0-9]{0,4})-[A-Z2-9]{3}"
)


def instruction_id(name: FileName, bank: int, letters: str) -> str:
    """What an instruction is called at its bank, in 35 characters at most: by the index
    of its bank account, whose number may be as long.
    """
    window = window_text(name.year, name.ordinal)
    return f"P{window}-{bank:02d}-{name.part}-{letters}"


def parse_instruction_id(text: str) -> tuple[int, FileName] | None:
    """The index of the bank account of an instruction that may be ours, and the name of
    its file, but for the account's number.
    """
    found = _INSTRUCTION_ID.fullmatch(text)
    if found is None:
        return None
    year, ordinal, bank, part = map(int, found.groups())
    name = FileName(FileKind.INSTRUCTION, year, ordinal, "", part, "xml")
    return (bank, name) if text == instruction_id(name, bank, text[-3:]) else None


def parse_name(text: str) -> FileName:
    """A name taken apart. Raises ValueError for what is none."""
    found = None
    if len(text) > NAME_MAX:
        pass
    elif match := _OF_WINDOW.fullmatch(text):
        letter, year, _, ordinal, owner, part, form = match.groups()
        found = FileName(
            _KINDS[letter], int(year), int(ordinal), owner, int(part), form
        )
    elif match := _OF_MONTH.fullmatch(text):
        year, month, owner, form = match.groups()
        found = FileName(FileKind.MONTHLY, int(year), int(month), owner, 0, form)
    # So that a file has one name, and a form that its kind has.
    if found is None or found.text != text or found.form not in FORMS[found.kind]:
        raise ValueError(f"not a file's name: {text[:NAME_MAX]!r}")
    return found
