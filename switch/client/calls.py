"""What every call of the client shares: credentials, bounds, errors, retries.

May use `errors`, `route`, `credentials` for the files of a certificate, and gRPC; knows
no service. An RPC error says that nothing is known, so a call that changes something is
repeated with the same ids or reported as unknown, never as failed.
"""

import random
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from switch.client.route import ATTEMPT_S, Looking, Route
from switch.credentials import Credentials
from switch.errors import SwitchError, UnknownOutcomeError

RETRIES_MAX = 5
"""Times one call is repeated after its first attempt."""
RETRY_DELAY_FIRST_S = 0.05
RETRY_DELAY_MAX_S = 2.0
RETRY_INFO_MAX_S = 30.0
"""A server that asks for a longer pause than this is not waited for."""
CALL_TIMEOUT_S = 10.0
"""Deadline of one attempt of a unary call."""
STREAM_TIMEOUT_S = 300.0
"""Deadline of one attempt of a call that streams a bounded answer."""
MESSAGE_MAX = 16 << 20
"""Bytes of one message in either direction."""
KEEPALIVE_MS = 30_000

SESSION: ContextVar[bytes] = ContextVar("SESSION", default=b"")
"""Of the operator who is signed on, for the calls of a thread or task; empty: none."""
_SESSION_KEY = "payswitch-session-bin"
_STATUS_KEY = "grpc-status-details-bin"

_RETRIED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        # Never the server's: gRPC says so of a connection whose TLS breaks.
        grpc.StatusCode.UNKNOWN,
    }
)
TOO_LARGE = "MESSAGE_TOO_LARGE"
"""The server's reason when it takes no message of that size, however often."""
# The server decides these before it does anything. RESOURCE_EXHAUSTED is not one of
# them: without a word from the server it may be the transport's refusal of an answer.
_NOTHING_DONE = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)

Request = TypeVar("Request")
Response = TypeVar("Response")


class CallError(SwitchError):
    """A call was not answered, and it is certain that it changed nothing.

    `code` is the gRPC status code, `reason` the server's `ErrorInfo` reason or empty,
    `outcome` what that says of the work (`not_done`, `unknown` or nothing),
    `violations` what `BadRequest` named (field, description), `retry_s` the pause in
    seconds that the server asks for, or 0, `leader` the address of who leads, as one
    that does not has said.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        text: str,
        *,
        reason: str = "",
        outcome: str = "",
        violations: Sequence[tuple[str, str]] = (),
        retry_s: float = 0.0,
        leader: str = "",
    ) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text
        self.reason = reason
        self.outcome = outcome
        self.violations = tuple(violations)
        self.retry_s = retry_s
        self.leader = leader

    @property
    def unreachable(self) -> bool:
        """Whether the server could not be asked, or had no room."""
        return self.code in _RETRIED


class LostReplyError(UnknownOutcomeError):
    """It is not known whether it was done: send the same `ids` with the same content.

    `ids` are those of the payments or moves without an answer, in the order they
    were sent; empty for a call that has none (a window, a network). `last` is the
    error of the last attempt.
    """

    def __init__(self, ids: Sequence[bytes], last: CallError) -> None:
        what = f"{len(ids)} payments or moves" if len(ids) != 1 else "one move"
        super().__init__(
            f"no answer is known for {what if ids else 'the call'}: {last}"
        )
        self.ids = tuple(ids)
        self.last = last


def open_channel(address: str, credentials: Credentials) -> grpc.Channel:
    """A channel with mutual TLS, connected by its first call.

    Raises ConfigError if a file of the credentials cannot be read.
    """
    certificate, key, authority = credentials.read()
    return grpc.secure_channel(
        address,
        grpc.ssl_channel_credentials(
            root_certificates=authority,
            private_key=key,
            certificate_chain=certificate,
        ),
        options=[
            # Retries are ours: they must know which calls change something.
            ("grpc.enable_retries", 0),
            ("grpc.max_send_message_length", MESSAGE_MAX),
            ("grpc.max_receive_message_length", MESSAGE_MAX),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            # Clients with different certificates must not share a connection.
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )


def call_error(error: grpc.RpcError) -> CallError:
    """The rich error model of one failed attempt, as an exception."""
    if not isinstance(error, grpc.Call):
        return CallError(grpc.StatusCode.UNKNOWN, str(error))
    code = error.code() or grpc.StatusCode.UNKNOWN
    reason, outcome, leader, retry_s = "", "", "", 0.0
    violations: list[tuple[str, str]] = []
    for key, value in error.trailing_metadata() or ():
        if key != _STATUS_KEY or isinstance(value, str):
            continue
        status = status_pb2.Status()
        try:
            status.ParseFromString(value)
        except DecodeError:
            # The details are help for people; without them the code still holds.
            continue
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            retry = error_details_pb2.RetryInfo()
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(info):
                reason = info.reason
                outcome = info.metadata.get("outcome", "")
                leader = info.metadata.get("leader", "")
            elif detail.Unpack(retry):
                delay = retry.retry_delay
                retry_s = float(delay.seconds) + float(delay.nanos) / 1e9
            elif detail.Unpack(bad):
                violations += [(v.field, v.description) for v in bad.field_violations]
    return CallError(
        code,
        error.details() or "the server gave no reason",
        reason=reason,
        outcome=outcome,
        violations=violations,
        retry_s=retry_s,
        leader=leader,
    )


class Attempts:
    """Decides after each failed attempt of one call whether there is another.

    Delays double from RETRY_DELAY_FIRST_S to RETRY_DELAY_MAX_S and are spread by
    half in both directions, so that many clients do not come back together. With a
    route it is not the number of attempts that is bounded, but their time.
    """

    def __init__(
        self, retries_max: int, *, changes: bool, route: Route | None = None
    ) -> None:
        self._retries_max = retries_max
        self._changes = changes
        self._route = route
        self._looking = Looking()
        self._count = 0
        self._maybe_done = False

    def progress(self) -> None:
        """An answer arrived: what comes next has all its attempts."""
        self._count = 0
        self._looking.progress()

    def delay_after(self, error: CallError, ids: Sequence[bytes] = ()) -> float:
        """Seconds to wait before the next attempt.

        Raises LostReplyError or CallError when there is none.
        """
        self._maybe_done |= self._changes and not nothing_done(error)
        delay = self._delay(error)
        if (
            delay is None
            or error.code not in _RETRIED
            or error.reason == TOO_LARGE
            or error.retry_s > RETRY_INFO_MAX_S
        ):
            if self._maybe_done:
                raise LostReplyError(ids, error)
            raise error
        self._count += 1
        return max(error.retry_s, delay * random.uniform(0.5, 1.5))

    def _delay(self, error: CallError) -> float | None:
        """Before the next attempt, wherever that goes; None: there is none."""
        route, is_known = self._route, False
        if route is not None and error.code in _RETRIED:
            is_busy = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            # A server that gives a reason has spoken, however late.
            is_silent = (
                error.code is grpc.StatusCode.DEADLINE_EXCEEDED and not error.reason
            )
            is_known = route.failed(
                error.reason, error.leader, is_busy=is_busy, is_silent=is_silent
            )
        if route is not None and self._retries_max:
            return self._looking.pause_s(is_known=is_known)
        if self._count >= self._retries_max:
            return None
        return min(RETRY_DELAY_MAX_S, RETRY_DELAY_FIRST_S * (1 << self._count))


def nothing_done(error: CallError) -> bool:
    """Whether the error proves that the attempt changed nothing."""
    if error.outcome:
        return error.outcome == "not_done"
    return error.code in _NOTHING_DONE


class Caller:
    """Makes unary calls with retries. Thread-safe."""

    def __init__(
        self, retries_max: int, timeout_s: float, route: Route | None = None
    ) -> None:
        self.retries_max = retries_max
        self.timeout_s = timeout_s
        self.route = route
        """Between several servers; None where there is one."""
        self.pay_timeout_s = timeout_s if route is None else min(timeout_s, ATTEMPT_S)
        """Deadline of one attempt to pay."""
        self._closing = threading.Event()

    def read(
        self, method: Callable[..., Response], request: object, timeout_s: float = 0.0
    ) -> Response:
        """Call something that changes nothing. Raises CallError."""
        attempts = self.attempts(changes=False)
        return self._call(attempts, method, request, (), timeout_s)

    def change(
        self,
        method: Callable[..., Response],
        request: object,
        ids: Sequence[bytes] = (),
        timeout_s: float = 0.0,
    ) -> Response:
        """Call something that changes the ledger and is idempotent.

        Raises CallError if nothing was done, LostReplyError with `ids` if that is not
        known.
        """
        attempts = self.attempts(changes=True)
        return self._call(attempts, method, request, ids, timeout_s)

    def attempts(self, *, changes: bool) -> Attempts:
        """For a call that streams: what decides about its next attempt."""
        return Attempts(self.retries_max, changes=changes, route=self.route)

    def pause(self, delay_s: float) -> None:
        """Wait between attempts; ends early when the client is closed."""
        self._closing.wait(delay_s)

    def close(self) -> None:
        """End all pauses."""
        self._closing.set()

    def _call(
        self,
        attempts: Attempts,
        method: Callable[..., Response],
        request: object,
        ids: Sequence[bytes],
        timeout_s: float,
    ) -> Response:
        session = SESSION.get()
        options = {"metadata": ((_SESSION_KEY, session),)} if session else {}
        while True:
            try:
                return method(request, timeout=timeout_s or self.timeout_s, **options)
            except grpc.RpcError as error:
                self.pause(attempts.delay_after(call_error(error), ids))
