"""What makers of wishes share: the rows that are wanted, and what fits in one."""

from typing import NamedTuple

from server.status import ArgumentError
from switch.bank.lines import canonical_reference
from switch.codes import Kind
from switch.ledger.templates import REFERENCE_SIZE, Templates, template
from switch.register.register import Register

_PEOPLE_MAX = 4_096
"""All that a register may have."""


class About(NamedTuple):
    """A row that is wanted, and what of the register it is about, if that is once."""

    row: Templates
    about: tuple[str, str | int] | None = None
    before: tuple[Templates, ...] = ()
    """Rows that must be done first."""


def record(tail: bytes, about: tuple[str, str | int]) -> About:
    """A row of the register."""
    return About(template(Kind.REGISTER, tail=tail), about)


def warnings_of(register: Register) -> list[str]:
    """What in the register does nothing as it stands: channels without a bank account,
    as all were before each had one of its own.
    """
    found = []
    for person in register.people_after(0, _PEOPLE_MAX):
        if person.is_idle_channel:
            whose = register.participant(person.participant).spec.id
            name = f"person {whose} {person.number} channel"
            found.append(
                f"{name}: it has no bank account and books nothing; `payswitch propose "
                f"{name} --bank-account NUMBER` gives it one"
            )
    return found


def amount_of(amount: int) -> int:
    """An amount in paise that moves something."""
    if not amount:
        raise ArgumentError("amount", "must be at least one paisa")
    return amount


def plain(field: str, text: str) -> str:
    """What fits in a row as its reference: a line that does not would stop all."""
    fits = 1 <= len(text) <= REFERENCE_SIZE and text.isascii()
    if not fits or not text.isprintable() or text != text.strip():
        wanted = f"must be 1 to {REFERENCE_SIZE} printable ASCII characters"
        raise ArgumentError(field, wanted)
    return text


def utr_of(text: str) -> str:
    """A bank's reference as the bank's own lines have it, however it was typed: it is
    claimed by its bytes, and another spelling would credit the same money once more.
    """
    return canonical_reference(text) or text
