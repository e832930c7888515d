"""Who is calling.

An identity is the URI SAN `spiffe://<domain>/<role>/<participant>` of the client's
certificate and nothing else: no field of a message and no common name. The register
has the last word: the participant must be in it, active, with that role. What a role
may call is said in `rights`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from switch.codes import Role
from switch.credentials import SPIFFE
from switch.errors import SwitchError, shown
from switch.specs import TREASURY, ParticipantSpec


class IdentityError(SwitchError):
    """The certificate names nobody that the switch knows."""


class ForbiddenError(SwitchError):
    """The caller is known and may not do this."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: role, participant id, and its index in the register."""

    role: Role
    participant: str
    index: int
    """0 only for a treasury that the register does not have yet."""

    @property
    def bound_centre(self) -> int:
        """The participant index of the only centre it acts for, 0 if it names one."""
        return self.index if self.role is Role.CENTRE else 0


class Known(Protocol):
    """What the register says of a participant."""

    @property
    def index(self) -> int:
        """Dense, from 1."""

    @property
    def spec(self) -> ParticipantSpec:
        """Role, and whether it is active."""


class Directory(Protocol):
    """The part of the register that identities need; clients load no ledger."""

    def find_participant(self, participant_id: str, /) -> Known | None:
        """The participant with this id."""


def identify(names: Iterable[str], register: Directory, domain: str) -> Identity:
    """Who has a certificate with these URIs as alternative names.

    Raises IdentityError.
    """
    role, participant = parse_names(names, domain)
    known = register.find_participant(participant)
    if known is None:
        if role is Role.TREASURY and register.find_participant(TREASURY) is None:
            return Identity(role, participant, 0)
        raise IdentityError(f"participant {participant} is not in the register")
    if known.spec.role is not role:
        raise IdentityError(f"participant {participant} is no {role.name.lower()}")
    if not known.spec.active:
        raise IdentityError(f"participant {participant} is not active")
    return Identity(role, participant, known.index)


def parse_names(names: Iterable[str], domain: str) -> tuple[Role, str]:
    """Role and participant id out of the URIs of a certificate's alternative names.

    There must be one alone, a SPIFFE id of `domain`. Raises IdentityError.
    """
    found = list(names)
    if len(found) != 1:
        raise IdentityError("the certificate must have exactly one URI, a SPIFFE id")
    match = SPIFFE.fullmatch(found[0])
    if match is None or match[1] != domain:
        raise IdentityError(
            f"the certificate's SPIFFE id is not spiffe://{domain}/ROLE/PARTICIPANT"
        )
    try:
        role = Role[match[2].upper()]
    except KeyError:
        raise IdentityError(f"{shown(match[2])} is not a role") from None
    return role, match[3]
