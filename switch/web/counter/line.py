"""The line to the switch: every call of the page goes by it, and it knows if it holds.

A call that could not reach the switch says so as OfflineError; what a page shows of the
line is what the last call has found, never a guess.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import grpc

from switch.client import CallError, Client
from switch.client.calls import LostReplyError
from switch.credentials import Credentials
from switch.errors import SwitchError, UnknownOutcomeError
from switch.v1 import wallets_pb2

CALL_S = 8.0
"""Deadline of one attempt: an operator waits no longer for a word."""
WALLET_S = 12.0
"""A wallet that was read is shown for so long without asking again."""
_CLOSED = frozenset({"OPENING", "STOPPING", "LEDGER_DEAD", "CLOCK_UNTRUSTED"})
"""Reasons of a switch that answers and takes nothing."""

SESSION_UNKNOWN = "SESSION_UNKNOWN"
NEEDS_SIGN_ON = frozenset(
    {"SIGN_ON_NEEDED", "SESSION_ENDED", SESSION_UNKNOWN, "OPERATOR_DIFFERS"}
)
"""Reasons of a switch that wants to know who is at the counter. Nothing was done."""

T = TypeVar("T")


class OfflineError(SwitchError):
    """The switch could not be asked. Nothing was done by this call."""


def is_offline(error: CallError) -> bool:
    """Whether an error is the line's, or of a switch that is closed altogether."""
    if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return True
    if error.code is not grpc.StatusCode.UNAVAILABLE:
        return False
    return not error.reason or error.reason in _CLOSED


class Line:
    """One centre's client, and how it fares. Any thread may call it."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        """Prepare; the first call connects. Raises ConfigError."""
        # Repeats are ours: whoever waits is told of each.
        self.client = Client(
            address.split(","), credentials, retries_max=0, timeout_s=CALL_S
        )
        self._is_up: bool | None = None
        self._wallet: wallets_pb2.Wallet | None = None
        self._wallet_s = 0.0
        self.sessions: dict[int, bytes] = {}
        """Of operators who are signed on at the switch, by their number."""

    def close(self) -> None:
        """End the connection."""
        self.client.close()

    @property
    def is_up(self) -> bool:
        """Whether the last call reached the switch; before the first, that none did."""
        return bool(self._is_up)

    def note(self, error: CallError | None) -> None:
        """What a call has found; None if it was answered."""
        self._is_up = error is None or not is_offline(error)

    def read(self, call: Callable[[], T]) -> T:
        """Make a call that changes nothing, once more if the connection was stale.

        Raises CallError, and OfflineError if the switch could not be asked.
        """
        for attempt in (1, 2):
            try:
                answer = call()
            except CallError as error:
                self.note(error)
                if not is_offline(error):
                    raise
                stale = error.code is grpc.StatusCode.UNAVAILABLE and not error.reason
                if attempt == 2 or not stale:
                    raise OfflineError(str(error)) from error
            else:
                self.note(None)
                return answer
        raise AssertionError

    def send(self, call: Callable[[], T], operator: int = 0) -> T:
        """Make a call that changes something, once, as an operator.

        Raises CallError if this attempt did nothing, LostReplyError if that is not
        known.
        """
        session = self.sessions.get(operator, b"")
        # Whatever becomes of it, the wallet may have another balance afterwards.
        self._wallet = None
        try:
            with self.client.signed_on(session):
                answer = call()
        except CallError as error:
            self.note(error)
            if error.reason == SESSION_UNKNOWN and session:
                # The switch was started anew. The next attempt has it.
                self._open(operator, session)
            elif error.reason in NEEDS_SIGN_ON:
                self.sessions.pop(operator, None)
            raise
        except LostReplyError as error:
            self.note(error.last)
            raise
        self.note(None)
        return answer

    def _open(self, operator: int, session: bytes) -> None:
        try:
            self.client.open_session(session)
        except CallError as error:
            self.note(error)
            if not is_offline(error):
                self.sessions.pop(operator, None)

    def leave(self, operator: int) -> None:
        """End an operator's session: here, and at the switch if it can be told."""
        session = self.sessions.pop(operator, b"")
        if session:
            with suppress(OfflineError, CallError, UnknownOutcomeError):
                self.read(lambda: self.client.sign_off(session))

    def tell_wrong_pins(self, count: int) -> None:
        """Have the switch know of so many wrong PINs, if it can be told."""
        with suppress(OfflineError, CallError):
            self.read(lambda: self.client.tell_wrong_pins(count))

    def wallet(self, *, fresh: bool = False) -> wallets_pb2.Wallet:
        """The centre's wallet, at most WALLET_S old. Raises as `read`."""
        now = time.monotonic()
        wallet = self._wallet
        if fresh or wallet is None or now - self._wallet_s > WALLET_S:
            wallet = self.read(lambda: self.client.wallet()).wallet
            self._wallet, self._wallet_s = wallet, now
        return wallet


def credentials_in(folder: Path, centre: str) -> Credentials:
    """The files of a centre's certificate, as `payswitch` names them."""
    return Credentials(
        certificate=folder / f"centre-{centre}.pem",
        key=folder / f"centre-{centre}.key",
        authority=folder / "ca.pem",
    )
