"""What files are made of: the ledger, the register as it was, the windows.

May use the core, `register` and `windows`.
"""

from collections.abc import Iterator
from typing import Final

from switch._core import Ledger
from switch.codes import AccountKind, Record
from switch.errors import CorruptionError
from switch.file_names import FileKind, FileName
from switch.ledger.opening import CORRUPTED
from switch.register.past import PastNames
from switch.register.register import Account, Register
from switch.treasury.windows import Window, Windows

PART_FIRST: Final = 1
"""Number of a biller's first head, whose account has purpose 0."""


class NoFileError(LookupError):
    """There is no such file, or not yet."""


class Books:
    """A ledger, read by makers of files. Any thread may read."""

    def __init__(self, register: Register, names: PastNames | None = None) -> None:
        """Of the register's ledger."""
        self.register = register
        self.ledger: Ledger = register.ledger
        self.names = names or PastNames(register)
        self.windows = Windows(register.ledger)
        # By which version of the register; when each was opened.
        self._heads: tuple[int, list[tuple[int, Account]]] = (-1, [])

    def heads(self, window: Window) -> list[Account]:
        """The accounts of billers that were open when a window closed, by index."""
        self.register.refresh()
        version, heads = self._heads
        if version != self.register.version:
            version = self.register.version
            opened = self.ledger.records(0)
            heads = [
                (int(opened[one.index]), one)
                for one in self.register.accounts()
                if one.kind is AccountKind.BILLER
            ]
            # At once, for whoever asks in another thread.
            self._heads = version, heads
        return [one for opened, one in heads if opened <= window.sequence]

    def owner_code(self, account: Account) -> str:
        """The participant id of an account's owner, which is for ever."""
        return self.register.participant(account.participant).spec.id

    def name_of(self, kind: FileKind, window: Window, account: Account) -> FileName:
        """The file of a kind about a window and a head."""
        return FileName(
            kind,
            window.year,
            window.ordinal,
            self.owner_code(account),
            account.purpose + PART_FIRST,
        )

    def find(self, name: FileName) -> tuple[Window, Account]:
        """The window and the head of a file's name. Raises NoFileError."""
        window = self.windows.numbered(name.year, name.ordinal)
        owner = self.register.find_participant(name.owner)
        if window is not None and owner is not None:
            purpose = name.part - PART_FIRST
            account = self.register.find_account(owner.index, purpose)
            if account is not None and account in self.heads(window):
                return window, account
        raise NoFileError(name.text)

    def texts(self, record: Record, index: int, window: Window) -> dict[str, str]:
        """What the register said of a participant or service as a window closed."""
        return self.names.texts(record, index, window.sequence)

    def closer(self, window: Window) -> str:
        """Who closed a window: `schedule`, or a participant with its person."""
        participant, operator = window.closed_by
        if not participant:
            return "schedule"
        code = self.register.participant(participant).spec.id
        return f"{code}/{operator}" if operator else code


def differs(name: str, text: str) -> CorruptionError:
    """Two readings of the ledger do not agree: then there is no file."""
    return CorruptionError(CORRUPTED, f"{name}: {text}")


def pieces(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of just this size, but for the last."""
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
