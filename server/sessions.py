"""Who is signed on at a counter.

    counter                                   switch
      GetSignOnNonce  ───────────────────────▶  a nonce, sealed, for a minute and once
      signs it with the operator's key
      SignOn          ───────────────────────▶  a session: a sealed token
      every call with the token as metadata ─▶  whose it is, and that it was used

A token says whose it is and until when, and carries a seal by the keys of quotations,
so that it outlives connections and restarts of the server. When it was used last the
front door's table has (`front/sessions.c`), in which a call finds its operator. That
table has a bound: what others do may push a session out, and GetSession opens it again.
So what is over is known here, by operator: the newest sessions of each, and a time up
to which all others are over. Nobody else's sign-ons change that. After a restart, or on
a node that takes over, both are empty: GetSession opens what is good, as it was sealed.
What was signed off stays so there too: the ledger has a row of it, found by its id.
"""

import secrets
import struct
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server.status import OperatorDiffersError, SessionError
from switch.codes import Role
from switch.config import Config
from switch.counter.sign_offs import HASHED_SIZE, sign_off_id
from switch.errors import OverloadError
from switch.register.identity import Identity
from switch.sign_on import signed_bytes
from switch.specs import ParticipantSpec

METADATA: Final = b"payswitch-session-bin"
NONCE_LIFE_NS: Final = 60_000_000_000
NONCES_MAX: Final = 65_536
"""Nonces that were used and are not over yet; then nobody signs on for a moment."""
CHANGES_MAX: Final = 3
"""How often the register may change while one session is opened."""
SIGNATURE_SIZE: Final = 64

# What is sealed: a kind, then at 16 a random number, whose, when it was made and ends,
# of which certificate, and by which row of the register its operator signed on.
_SEALED: Final = struct.Struct("<B15xQIIQQ16sQ56x")
_SESSION, _NONCE = 3, 4
SEAL_SIZE: Final = 16
EPOCH: Final = 0
"""Of every ledger so far."""
TOKEN_SIZE: Final = _SEALED.size + SEAL_SIZE
assert TOKEN_SIZE == HASHED_SIZE + SEAL_SIZE == 144


class Table(Protocol):
    """The front door's."""

    def session_change(self, sender: int) -> int:
        """How often the register has changed of a sender: ask before it is read."""

    def open_session(
        self,
        token: bytes,
        sender: int,
        operator: int,
        lasts_ms: int,
        idle_ms: int,
        change: int,
    ) -> None:
        """Calls of the sender with this token are the operator's."""

    def drop_session(self, token: bytes) -> None:
        """It is not known any more."""

    def end_session(self, token: bytes) -> bool:
        """Whether it was on."""

    def use_session(self, token: bytes, sender: int) -> int | None:
        """Its operator; 0: it is over; None: it is not known."""

    def forget_sessions(self, sender: int) -> None:
        """None of this sender that is on is known any more."""


class NoTable:
    """Of a server without a front door: nobody is signed on."""

    def session_change(self, sender: int) -> int:
        """It does not matter."""
        return 0

    def open_session(
        self,
        token: bytes,
        sender: int,
        operator: int,
        lasts_ms: int,
        idle_ms: int,
        change: int,
    ) -> None:
        """Nothing."""

    def drop_session(self, token: bytes) -> None:
        """Nothing."""

    def end_session(self, token: bytes) -> bool:
        """It was not."""
        return False

    def use_session(self, token: bytes, sender: int) -> int | None:
        """It is not known."""
        return None

    def forget_sessions(self, sender: int) -> None:
        """Nothing."""


class Seals(Protocol):
    """The keys of quotations."""

    def seal(self, message: bytes) -> bytes:
        """16 bytes, by the newest key."""

    def is_sealed(self, message: bytes, seal: bytes) -> bool:
        """Whether one of the keys has made this seal."""


class Operator(Protocol):
    """One operator of the register."""

    @property
    def active(self) -> bool:
        """Whether they may sign on."""

    @property
    def key(self) -> bytes:
        """Their Ed25519 public key."""

    @property
    def sequence(self) -> int:
        """Of the register's newest row about them."""


IsOver = Callable[[int, bytes], bool]
"""Whether a participant has a durable row with an id: its session is over; reads."""
FindOperator = Callable[[int, int], Operator | None]
"""A participant's operator with a number, by the register; reads."""


class Centre(Protocol):
    """What the register has of a centre."""

    @property
    def spec(self) -> ParticipantSpec:
        """Whether its operators sign on."""


class Centres(Protocol):
    """The part of the register that knows them."""

    def participant(self, index: int, /) -> Centre:
        """The participant with this index."""


@dataclass(slots=True)
class _Made:
    """A session of an operator, as this process knows it."""

    made_ns: int
    token: bytes
    is_over: bool = False


@dataclass(slots=True)
class _Newest:
    """The newest sessions of one operator, in the order in which they were made."""

    sessions: list[_Made]
    over_until_ns: int = 0
    """Those that were made by then, and are not among them, are over."""

    def find(self, token: bytes) -> _Made | None:
        return next((one for one in self.sessions if one.token == token), None)

    def add(self, one: _Made, most: int) -> list[_Made]:
        """Add one; those that are over by it, for which there is no place."""
        self.sessions.append(one)
        self.sessions.sort(key=lambda each: (not each.is_over, each.made_ns))
        gone = self.sessions[: max(0, len(self.sessions) - most)]
        del self.sessions[: len(gone)]
        for each in gone:
            self.over_until_ns = max(self.over_until_ns, each.made_ns)
        return gone


@dataclass(frozen=True, slots=True)
class Session:
    """What a good token says."""

    operator: int
    ends_ns: int


class SignedOff(NamedTuple):
    """What signing off has ended, and what is left to be done for it."""

    was_on: bool
    operator: int
    row_id: bytes
    """Of the row that says it for good; empty where no row is needed."""


def unknown() -> SessionError:
    """The server has not opened it."""
    return SessionError(
        "SESSION_UNKNOWN",
        "this session is not open here: ask GetSession for it once, or sign on",
    )


def ended() -> SessionError:
    """It is over."""
    return SessionError(
        "SESSION_ENDED", "this session is over: the operator signs on again"
    )


def needed() -> SessionError:
    """There is none."""
    return SessionError(
        "SIGN_ON_NEEDED",
        "the operators of this centre sign on: the call has no session",
    )


class Sessions:
    """The sessions of one running server, for any thread."""

    def __init__(
        self,
        config: Config,
        table: Table,
        seals: Seals,
        find_operator: FindOperator,
        is_over: IsOver,
        instance: bytes,
    ) -> None:
        self._config = config
        self._table = table
        self._seals = seals
        self._find_operator = find_operator
        self._is_over = is_over
        self.instance = instance
        self._lock = threading.Lock()
        self._used: dict[int, int] = {}  # nonces, and when they are over
        # By participant and number: as many as operators that signed on.
        self._newest: dict[tuple[int, int], _Newest] = {}

    # --- signing on --------------------------------------------------------------

    def make_nonce(self, caller: Identity) -> bytes:
        """What an operator of the caller signs, for NONCE_LIFE_NS."""
        now_ns = time.time_ns()
        return self._seal(_NONCE, caller, 0, now_ns, now_ns + NONCE_LIFE_NS)

    def sign_on(
        self, caller: Identity, operator: int, nonce: bytes, signature: bytes
    ) -> tuple[bytes, Session]:
        """A session's token, and what it says.

        Raises SessionError, the same whatever is wrong: the nonce, the operator, the
        signature. OverloadError.
        """
        now_ns = time.time_ns()
        fresh = self._use(caller, nonce, now_ns)
        change = self._table.session_change(caller.index)
        known = self._find_operator(caller.index, operator)
        message = signed_bytes(
            self.instance,
            EPOCH,
            nonce,
            caller.participant,
            operator,
            caller.certificate,
        )
        # Who is not there has a key that signs nothing, so that all take as long.
        key = known.key if known is not None else bytes(32)
        good = _is_signed(key, signature, message)
        if not fresh or known is None or not known.active or not good:
            raise SessionError("SIGN_ON_WRONG", "nobody can sign on with this")
        ends_ns = now_ns + self._config.session_s * 1_000_000_000
        token = self._seal(_SESSION, caller, operator, now_ns, ends_ns, known.sequence)
        with self._lock:
            self._note(caller, operator, _Made(now_ns, token))
            self._open(caller, token, operator, now_ns, ends_ns, change)
        return token, Session(operator, ends_ns)

    def _note(self, caller: Identity, operator: int, one: _Made) -> None:
        """Another session of an operator; with too many the oldest is over. Under the
        lock.
        """
        newest = self._newest.setdefault((caller.index, operator), _Newest([]))
        begun_ns = time.time_ns() - self._config.session_s * 1_000_000_000
        # What its seal says to be over need not be known.
        newest.sessions = [each for each in newest.sessions if each.made_ns > begun_ns]
        for gone in newest.add(one, self._config.sessions_operator_max):
            # Its place is another's: that it is over says the time up to which all are.
            self._table.drop_session(gone.token)

    def _use(self, caller: Identity, nonce: bytes, now_ns: int) -> bool:
        """Whether the nonce is the caller's, in its time, and used for the first time.

        Raises OverloadError.
        """
        said = self._unseal(_NONCE, caller, nonce)
        if said is None:
            return False
        number, _, _, until_ns, _ = said
        if now_ns >= until_ns:
            return False
        with self._lock:
            if number in self._used:
                return False
            if len(self._used) >= NONCES_MAX:
                left = {one: end for one, end in self._used.items() if end > now_ns}
                self._used = left
            if len(self._used) >= NONCES_MAX:
                raise OverloadError("too many sign on; try again in a minute")
            self._used[number] = until_ns
        return True

    # --- while it lasts ----------------------------------------------------------

    def register_changed(self, centres: Collection[int]) -> None:
        """Whoever is on there may not be any more: each is opened again, if good."""
        for centre in centres:
            self._table.forget_sessions(centre)

    def open_again(self, caller: Identity, token: bytes) -> Session:
        """Open a token that is good, as after a restart. Raises SessionError."""
        for _ in range(CHANGES_MAX):
            session = self._open_once(caller, token)
            operator = self._table.use_session(token, caller.index)
            if operator == 0:
                raise ended()  # it was open, and is over
            if operator is not None:
                return session
            # The register has changed since it was read.
        raise unknown()

    def _open_once(self, caller: Identity, token: bytes) -> Session:
        said = self._unseal(_SESSION, caller, token)
        if said is None:
            raise ended()
        _, operator, made_ns, ends_ns, row = said
        now_ns = time.time_ns()
        # Before it is read: a change that comes meanwhile is not missed.
        change = self._table.session_change(caller.index)
        known = self._find_operator(caller.index, operator)
        if now_ns >= ends_ns or known is None or not known.active:
            raise ended()
        if known.sequence != row:
            # With another key, or switched off and on since.
            raise ended()
        if self._is_over(caller.index, sign_off_id(token)):
            raise ended()  # whatever this process knows of it
        with self._lock:
            if not self._is_good(caller, operator, made_ns, token):
                raise ended()  # signed off, or too many of this operator came since
            self._open(caller, token, operator, now_ns, ends_ns, change)
        return Session(operator, ends_ns)

    def _is_good(
        self, caller: Identity, operator: int, made_ns: int, token: bytes
    ) -> bool:
        """Whether a sealed session is not over; one of before the start is noted. Under
        the lock.
        """
        newest = self._newest.get((caller.index, operator))
        one = newest.find(token) if newest is not None else None
        if one is None:
            if newest is not None and made_ns <= newest.over_until_ns:
                return False
            self._note(caller, operator, _Made(made_ns, token))
            one = self._newest[caller.index, operator].find(token)
        return one is not None and not one.is_over

    def end(self, caller: Identity, token: bytes) -> SignedOff:
        """Sign off here: whoever asks has then to write the row. Raises SessionError.

        Asked again it says the same row until that is durable.
        """
        said = self._unseal(_SESSION, caller, token)
        if said is None:
            raise ended()
        _, operator, _, ends_ns, row = said
        was_on = self._end(caller, token, operator)
        known = self._find_operator(caller.index, operator)
        row_id = sign_off_id(token)
        # What its seal or the register has ended stays so without a row.
        is_past = time.time_ns() >= ends_ns or known is None or known.sequence != row
        if is_past or self._is_over(caller.index, row_id):
            row_id = b""
        return SignedOff(was_on, operator, row_id)

    def _end(self, caller: Identity, token: bytes, operator: int) -> bool:
        # Known from now on, so that it is not opened again.
        try:
            self.open_again(caller, token)
        except SessionError:
            return False
        with self._lock:
            one = self._newest[caller.index, operator].find(token)
            if one is not None:
                one.is_over = True
            return self._table.end_session(token)

    def signed_on(self, caller: Identity, token: bytes) -> Identity:
        """The caller, with who is signed on. Raises SessionError."""
        operator = self._table.use_session(token, caller.index)
        if operator is None:
            raise unknown()
        if operator == 0:
            raise ended()
        return replace(caller, operator=operator)

    # --- seals -------------------------------------------------------------------

    def _open(
        self,
        caller: Identity,
        token: bytes,
        operator: int,
        now_ns: int,
        ends_ns: int,
        change: int,
    ) -> None:
        lasts_ms = max(1, (ends_ns - now_ns) // 1_000_000)
        idle_ms = self._config.session_idle_s * 1_000
        of = token, caller.index, operator
        self._table.open_session(*of, lasts_ms, idle_ms, change)

    def _seal(
        self,
        kind: int,
        caller: Identity,
        operator: int,
        from_ns: int,
        until_ns: int,
        row: int = 0,
    ) -> bytes:
        number = secrets.randbits(64)
        whose = caller.index, operator, from_ns, until_ns, caller.certificate
        message = _SEALED.pack(kind, number, *whose, row)
        return message + self._seals.seal(message)

    def _unseal(
        self, kind: int, caller: Identity, token: bytes
    ) -> tuple[int, int, int, int, int] | None:
        """(number, operator, made, ends, row) of the caller's own; None if it is not
        that.
        """
        if len(token) != TOKEN_SIZE:
            return None
        message, seal = token[: _SEALED.size], token[_SEALED.size :]
        if not self._seals.is_sealed(message, seal):
            return None
        said = _SEALED.unpack(message)
        if (said[0], said[2], said[6]) != (kind, caller.index, caller.certificate):
            return None
        return said[1], said[3], said[4], said[5], said[7]


def operator_of(
    register: Centres, caller: Identity, operator: int, centre: int = 0
) -> int:
    """The operator of a call of a caller that names `operator`; 0 names nobody.
    `centre` is the participant index of the centre at whose counter another caller
    asks, 0 for none.

    Of a centre whose operators sign on it is who is signed on; as a session is the
    centre's own, nobody else asks for anything there. Raises SessionError,
    OperatorDiffersError.
    """
    at = caller.index if caller.role is Role.CENTRE else centre
    if not at or not register.participant(at).spec.signs_on:
        return operator
    if caller.operator == 0:
        raise needed()
    if operator not in (0, caller.operator):
        raise OperatorDiffersError("another operator is signed on than the call names")
    return caller.operator


def _is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    if len(signature) != SIGNATURE_SIZE:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
