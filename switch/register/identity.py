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
    certificate: bytes = bytes(16)
    """By which sessions know the certificate that it has shown."""
    operator: int = 0
    """Which of its operators is signed on for this call; 0: nobody."""

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


class Certificate(Protocol):
    """What is asked of a certificate beside its names."""

    @property
    def authority(self) -> bytes:
        """By which its issuer is known."""

    @property
    def serial(self) -> int:
        """Its number with that issuer."""

    @property
    def key(self) -> bytes:
        """By which its public key is known."""


class Directory(Protocol):
    """The part of the register that identities need; clients load no ledger."""

    def find_participant(self, participant_id: str, /) -> Known | None:
        """The participant with this id."""


class Certificates(Protocol):
    """The part of the register that certificates need."""

    def find_revocation(
        self, participant: int, authority: bytes, serial: int, /
    ) -> object | None:
        """The revocation of a certificate of this participant index."""

    def pins(self, participant: int, /) -> tuple[bytes, ...]:
        """The keys that its certificates may have; none: any."""


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


def check_certificate(
    caller: Identity, certificate: Certificate | None, register: Certificates
) -> None:
    """Raise IdentityError if the certificate is revoked, or its key is not pinned.

    Asked with each identity, and again whenever the register has changed. None is a
    certificate that nobody can read.
    """
    if certificate is None:
        raise IdentityError(f"the certificate of {caller.participant} is unreadable")
    known = register.find_revocation(
        caller.index, certificate.authority, certificate.serial
    )
    if known is not None:
        raise IdentityError(f"this certificate of {caller.participant} is revoked")
    pins = register.pins(caller.index)
    if pins and certificate.key not in pins:
        raise IdentityError(f"the key of {caller.participant} is none of those pinned")


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
