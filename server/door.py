"""Who is at the other end of each connection, and what they may call.

The identity of a connection is read once, out of its certificate; what it may call is
told to the front thread, which refuses the rest at its headers, before any body. Both
are asked again whenever the register changes. A connection ends with its certificate.

Until the ledger is open there is no register: what needs one is told to come again.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from server.budgets import Budgets, Limits
from server.security_log import OTHERS, Cause, SecurityLog, address_of
from server.status import OpeningError
from switch.config import STRANGER
from switch.credentials import Presented, presented
from switch.register.identity import (
    Certificates,
    Directory,
    Identity,
    IdentityError,
    check_certificate,
    identify,
)
from switch.register.rights import MATRIX, allow

OPEN_METHODS: Final = ("/grpc.health.", "/grpc.reflection.")
"""What the names of those methods begin with that need a certificate and no role."""
THROWN_OUT: Final = frozenset({"flood", "protocol"})
"""Causes of a connection's end that are noted in the security log as abuse."""
UNTRUSTED: Final = "untrusted"
"""Of one whose authority is believed no more, or whose chain is revoked."""
SWEEP_S: Final = 1.0
"""Between two looks for certificates that are over."""

DIGEST_SIZE: Final = 16
"""Bytes of the SHA-256 of a certificate by which a session knows it."""
NO_ERROR: Final = 0
"""HTTP/2's code of an end in order."""

Rights = bytes


class Commands(Protocol):
    """What the front thread is told about connections."""

    def admit(
        self,
        connection: int,
        owner: int,
        role: int,
        sender: int,
        bound: int,
        rights: bytes,
        budgets: tuple[int, ...],
    ) -> None:
        """Take calls of a connection: those of these rights, within these budgets."""

    def close_connection(self, connection: int, error: int) -> None:
        """Send what waits, then close it."""

    def take_refused(self) -> list[tuple[str, int]]:
        """Addresses that were turned away at their handshakes, and how often."""


class _Register(Directory, Certificates, Limits, Protocol):
    def listen(self, listener: Callable[[], None], /) -> None:
        """Call `listener` after each change, in any thread."""


class Peer:
    """The other end of one connection."""

    __slots__ = (
        *("address", "caller", "certificate", "error"),
        *("digest", "names", "not_after", "number", "owner", "stranger"),
    )

    def __init__(
        self,
        number: int,
        address: str,
        certificate: bytes,
        not_after: int,
        strangers: int,
    ) -> None:
        """`strangers` is how many owners there are for those who are not known."""
        self.number = number
        self.address = address
        names = self.names = uris(certificate)
        self.certificate = _presented(certificate)
        self.digest = hashlib.sha256(certificate).digest()[:DIGEST_SIZE]
        self.not_after: float = not_after
        self.owner = _owner(names)
        self.stranger = 1 + _owner([STRANGER, *names]) % strangers
        self.caller: Identity | None = None
        self.error: IdentityError | None = None


class Door:
    """Admits connections. Belongs to the event loop's thread."""

    def __init__(
        self,
        front: Commands,
        methods: Sequence[str],
        domain: str,
        where: Callable[[], str],
        security: SecurityLog,
        budgets: Budgets,
    ) -> None:
        """Closed. `where` says how far the opening of the ledger is."""
        self._front = front
        self._methods = methods
        self._domain = domain
        self._where = where
        self._security = security
        self._budgets = budgets
        self.instead: Callable[[], Exception] | None = None
        """While another node leads: what is said in place of a refusal, which may only
        be of what has not come here yet."""
        self._peers: dict[int, Peer] = {}
        self._register: _Register | None = None
        self._rights: dict[object, Rights] = {}
        self._loop = asyncio.get_running_loop()
        self._asks = False
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def open(self, register: _Register) -> None:
        """The ledger is open: ask its register from now on."""
        self._register = register
        register.listen(self._changed)
        self._ask_again()

    def close(self) -> None:
        """Look after nothing any more."""
        self._sweeper.cancel()

    # --- what the transport asks -------------------------------------------------

    def connect(
        self, connection: int, address: str, certificate: bytes, not_after: int
    ) -> None:
        """A connection whose handshake is done."""
        peer = Peer(
            connection, address, certificate, not_after, self._budgets.strangers
        )
        self._peers[connection] = peer
        self._admit(peer)

    def disconnect(self, connection: int, cause: str) -> None:
        """It is gone."""
        peer = self._peers.pop(connection, None)
        if peer is not None and cause in THROWN_OUT:
            self._note(Cause.ABUSE, peer)
        elif peer is not None and cause == UNTRUSTED:
            self._note(Cause.REVOKED, peer)

    def over_budget(self, connection: int, share: str, count: int) -> None:
        """It was refused so often what is beyond this share of its budgets."""
        self._note(Cause.OVER_BUDGET, self._peers[connection], count=count)

    def peer(self, connection: int) -> Peer:
        """Who is at its other end, until `disconnect`."""
        return self._peers[connection]

    def refusal(self, connection: int, method: str) -> Exception:
        """Why it may not call `method`."""
        if self._register is None:
            return OpeningError(
                f"the ledger is being opened ({self._where()}); come again"
            )
        if self.instead is not None:
            return self.instead()
        peer = self._peers[connection]
        if peer.caller is None:
            assert peer.error is not None
            return peer.error
        try:
            allow(peer.caller, method)
        except Exception as error:  # noqa: BLE001
            return error
        # It was refused by what held when it came, a moment ago.
        return OpeningError(f"who may call {method} has just changed; come again")

    # --- admission ---------------------------------------------------------------

    def _admit(self, peer: Peer) -> None:
        peer.caller, peer.error = None, None
        if self._register is not None:
            try:
                known = identify(peer.names, self._register, self._domain)
                check_certificate(known, peer.certificate, self._register)
                peer.caller = replace(known, certificate=peer.digest)
            except IdentityError as error:
                peer.error = error
        caller = peer.caller
        is_stranger = caller is None and self._register is not None
        self._front.admit(
            peer.number,
            # Who has a participant's name and is not it uses nothing of its budgets.
            peer.stranger if is_stranger else peer.owner,
            0 if caller is None else int(caller.role),
            0 if caller is None else caller.index,
            0 if caller is None else caller.bound_centre,
            self._rights_of(caller),
            self._budgets.of(caller, self._register),
        )

    def _rights_of(self, caller: Identity | None) -> Rights:
        """A byte for each method: 1 if it may be called."""
        key = None if caller is None else (caller.role, caller.index == 0)
        if key not in self._rights:
            self._rights[key] = bytes(
                _may_call(caller, method) for method in self._methods
            )
        return self._rights[key]

    def _note(
        self,
        cause: Cause,
        peer: Peer,
        caller: Identity | None = None,
        count: int = 1,
    ) -> None:
        who = caller or peer.caller
        name = f"{who.role.name.lower()}/{who.participant}" if who else ""
        self._security.note(cause, name, address_of(peer.address), count)

    def _changed(self) -> None:
        """The register has; in whatever thread took that in."""
        self._loop.call_soon_threadsafe(self._ask_soon)

    def _ask_soon(self) -> None:
        # A load of a network has many changes; those of one turn are one.
        if not self._asks:
            self._asks = True
            self._loop.call_soon(self._ask_again)

    def _ask_again(self) -> None:
        self._asks = False
        for peer in self._peers.values():
            before = peer.caller
            self._admit(peer)
            if before is not None and peer.caller is None:
                self._note(Cause.REVOKED, peer, before)

    # --- each second -------------------------------------------------------------

    def _sweep(self) -> None:
        """End connections whose certificate is over; note who was not let as far.

        A look each second and no timer each: a wall clock can be set.
        """
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        for address, count in self._front.take_refused():
            self._security.note(Cause.OVER_BUDGET, "", address or OTHERS, count)
        now = time.time()
        for peer in self._peers.values():
            if peer.not_after < now:
                self._note(Cause.EXPIRED, peer)
                self._front.close_connection(peer.number, NO_ERROR)
                peer.not_after = math.inf


def uris(certificate: bytes) -> list[str]:
    """The URIs among the alternative names of a certificate in DER.

    None for one that cannot be read: it names nobody.
    """
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (
        ValueError,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ):
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _presented(certificate: bytes) -> Presented | None:
    """What a certificate is known by; None for one that cannot be read."""
    try:
        return presented(certificate)
    except (UnsupportedAlgorithm, ValueError):
        return None


def _may_call(caller: Identity | None, method: str) -> bool:
    if method.startswith(OPEN_METHODS):
        return True
    if caller is None or method not in MATRIX:
        return False
    try:
        allow(caller, method)
    except Exception:  # noqa: BLE001
        return False
    return True


def _owner(names: list[str]) -> int:
    """Whose budget a connection draws on: 64 bits that are the same for the same names.

    Not the register's index: there is none before the ledger is open, and none for
    those whom it does not know.
    """
    text = "\n".join(sorted(names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
