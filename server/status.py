"""Errors as gRPC statuses with details (google.rpc): one table, one way out.

Business refusals never come here; they are results in replies. The text of an
unexpected error stays in the log, because it may hold what a caller must not see.
"""

import errno
import logging
from collections.abc import Callable, Iterable

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from switch.errors import (
    BillerBusyError,
    BillerUnavailableError,
    BillNotFoundError,
    BillUnreadableError,
    CentreBusyError,
    ClockError,
    CorruptionError,
    DamagedError,
    DeadError,
    FilesSpentError,
    NotLeaderError,
    OverloadError,
    RefusalsSpentError,
    SpaceError,
    StorageError,
    SwitchError,
    UnknownOutcomeError,
    WireError,
)
from switch.register.identity import ForbiddenError, IdentityError
from switch.specs import NetworkError

log = logging.getLogger("server")

DOMAIN = "payswitch"
"""`domain` of every ErrorInfo."""
STATUS_BYTES_MAX = 4_096
TEXT_BYTES_MAX = 2_048
"""Of the text as its header has it, three for each byte that is no plain letter: the
front door cuts longer ones (`TEXT_MAX_BYTES`), and gRPC's clients want both texts to be
the same.
"""
LETTERS = (512, 256, 128, 64, 32)
"""A status comes in headers, of which gRPC's clients take 8 KiB: each of its texts,
which may repeat what was sent, has the most of these letters with which it is small
enough.
"""
PROBLEMS_MAX = 16
"""Fields of one request that are named; its text says how many more there are."""
RETRY_MS = 100
"""How long a caller who is turned away should wait, in RetryInfo."""
REFUSALS_RETRY_MS = 1_000
"""The same after too many refusals."""
OPENING_RETRY_MS = 1_000
"""The same while the ledger is being opened."""


class ArgumentError(SwitchError):
    """A field of a request cannot be used; `field` is its name."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


class NotFoundError(SwitchError):
    """What the request names is not there."""


class PreconditionError(SwitchError):
    """It cannot be done as things stand; `reason` says what is missing."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class LateError(SwitchError):
    """The call's deadline passed before anything was done."""


class OpeningError(SwitchError):
    """The ledger is not open yet; nothing was done."""


class UnimplementedError(SwitchError):
    """There is no such method."""


class SessionError(SwitchError):
    """Nobody, or another operator, is signed on; `reason` says which. Nothing was done.

    SIGN_ON_NEEDED: the centre's operators sign on, and the call has no session.
    SESSION_UNKNOWN: the server has not opened this one: GetSession does, if it is good.
    SESSION_ENDED: signed off, idle too long, or at its end: sign on again.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class OperatorDiffersError(SwitchError):
    """The operator that a call names is not the one who is signed on."""


class StoppingError(SwitchError):
    """The server is stopping; everything that was answered is done."""


def info(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    """Why, for programs."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def retry(pause_ms: int = RETRY_MS) -> error_details_pb2.RetryInfo:
    """After which pause."""
    found = error_details_pb2.RetryInfo()
    found.retry_delay.FromMilliseconds(pause_ms)
    return found


def _pause_ms(error: Exception) -> int:
    assert isinstance(error, BillerBusyError | BillerUnavailableError | FilesSpentError)
    return error.retry_ms


def _no_bill(error: Exception) -> list[Message]:
    assert isinstance(error, BillNotFoundError)
    return [info("BILL_NOT_FOUND", biller_reason=error.reason)]


def _unreadable(error: Exception) -> list[Message]:
    assert isinstance(error, BillUnreadableError)
    return [info("BILL_UNREADABLE", outcome="not_done", field=error.field)]


def _bad_request(error: Exception) -> list[Message]:
    violation = error_details_pb2.BadRequest.FieldViolation
    if isinstance(error, NetworkError) and error.problems:
        several = error.problems[:PROBLEMS_MAX]
        fields = [violation(field=one.field, description=one.text) for one in several]
        return [error_details_pb2.BadRequest(field_violations=fields)]
    field = error.field if isinstance(error, ArgumentError | WireError) else ""
    if not field:
        # A violation names a field, and what is no message has none.
        return [info("MALFORMED", outcome="not_done")]
    text = error.text if isinstance(error, ArgumentError) else str(error)
    one = violation(field=field, description=text)
    return [error_details_pb2.BadRequest(field_violations=[one])]


def _cut(text: str) -> str:
    size = 0
    for at, letter in enumerate(text):
        is_plain = "!" <= letter <= "~" and letter != "%"
        size += 1 if is_plain else 3 * len(letter.encode())
        if size > TEXT_BYTES_MAX:
            return text[:at]
    return text


def _shorten(details: Iterable[Message], letters: int) -> None:
    for one in details:
        if isinstance(one, error_details_pb2.BadRequest):
            for each in one.field_violations:
                each.field = each.field[:letters]
                each.description = each.description[:letters]


def _dead(error: Exception) -> list[Message]:
    stopping = isinstance(error, DeadError) and error.code == errno.ESHUTDOWN
    return [info("STOPPING" if stopping else "LEDGER_DEAD", outcome="not_done")]


def _not_leader(error: Exception) -> list[Message]:
    assert isinstance(error, NotLeaderError)
    leader = {"leader": error.leader} if error.leader else {}
    return [info("NOT_LEADER", outcome="not_done", **leader)]


def _missing(error: Exception) -> list[Message]:
    assert isinstance(error, PreconditionError)
    return [info(error.reason, outcome="not_done")]


def _session(error: Exception) -> list[Message]:
    assert isinstance(error, SessionError)
    return [info(error.reason, outcome="not_done")]


_Details = Callable[[Exception], list[Message]]

# The first class that fits decides, so that a class stands before its bases.
_TABLE: tuple[tuple[type[Exception], int, _Details], ...] = (
    (WireError, code_pb2.INVALID_ARGUMENT, _bad_request),
    (ArgumentError, code_pb2.INVALID_ARGUMENT, _bad_request),
    (NetworkError, code_pb2.INVALID_ARGUMENT, _bad_request),
    (IdentityError, code_pb2.UNAUTHENTICATED, lambda _: [info("IDENTITY_UNKNOWN")]),
    (SessionError, code_pb2.UNAUTHENTICATED, _session),
    (
        OperatorDiffersError,
        code_pb2.PERMISSION_DENIED,
        lambda _: [info("OPERATOR_DIFFERS", outcome="not_done")],
    ),
    (ForbiddenError, code_pb2.PERMISSION_DENIED, lambda _: [info("FORBIDDEN")]),
    (NotFoundError, code_pb2.NOT_FOUND, lambda _: [info("NOT_FOUND")]),
    (UnimplementedError, code_pb2.UNIMPLEMENTED, lambda _: []),
    (PreconditionError, code_pb2.FAILED_PRECONDITION, _missing),
    (
        LateError,
        code_pb2.DEADLINE_EXCEEDED,
        lambda _: [info("LATE", outcome="not_done")],
    ),
    (BillNotFoundError, code_pb2.NOT_FOUND, _no_bill),
    (
        # Not UNAVAILABLE: asked again, the biller makes the same mistake.
        BillUnreadableError,
        code_pb2.FAILED_PRECONDITION,
        _unreadable,
    ),
    (
        CentreBusyError,
        code_pb2.RESOURCE_EXHAUSTED,
        lambda error: [
            info("CENTRE_QUEUE_FULL", outcome="not_done"),
            retry(_pause_ms(error)),
        ],
    ),
    (
        BillerBusyError,
        code_pb2.RESOURCE_EXHAUSTED,
        lambda error: [
            info("BILLER_QUEUE_FULL", outcome="not_done"),
            retry(_pause_ms(error)),
        ],
    ),
    (
        BillerUnavailableError,
        code_pb2.UNAVAILABLE,
        lambda error: [
            info("BILLER_UNAVAILABLE", outcome="not_done"),
            retry(_pause_ms(error)),
        ],
    ),
    (
        RefusalsSpentError,
        code_pb2.RESOURCE_EXHAUSTED,
        lambda _: [
            info("REFUSALS_SPENT", outcome="not_done"),
            retry(REFUSALS_RETRY_MS),
        ],
    ),
    (
        FilesSpentError,
        code_pb2.RESOURCE_EXHAUSTED,
        lambda error: [
            info("OVER_BUDGET", outcome="not_done", budget="file_bytes_per_day"),
            retry(_pause_ms(error)),
        ],
    ),
    (
        OverloadError,
        code_pb2.RESOURCE_EXHAUSTED,
        lambda _: [info("OVERLOAD", outcome="not_done"), retry()],
    ),
    (
        SpaceError,
        code_pb2.RESOURCE_EXHAUSTED,
        lambda _: [info("NO_SPACE", outcome="not_done"), retry()],
    ),
    (
        ClockError,
        code_pb2.UNAVAILABLE,
        lambda _: [info("CLOCK_UNTRUSTED", outcome="not_done")],
    ),
    (
        OpeningError,
        code_pb2.UNAVAILABLE,
        lambda _: [info("OPENING", outcome="not_done"), retry(OPENING_RETRY_MS)],
    ),
    (NotLeaderError, code_pb2.UNAVAILABLE, _not_leader),
    (
        StoppingError,
        code_pb2.UNAVAILABLE,
        lambda _: [info("STOPPING", outcome="unknown")],
    ),
    (
        UnknownOutcomeError,
        code_pb2.UNAVAILABLE,
        lambda _: [info("LEDGER_DEAD", outcome="unknown")],
    ),
    (DeadError, code_pb2.UNAVAILABLE, _dead),
    (CorruptionError, code_pb2.DATA_LOSS, lambda _: [info("CHECK_FAILED")]),
    (
        DamagedError,
        code_pb2.DATA_LOSS,
        lambda _: [info("DATA_DAMAGED", outcome="unknown")],
    ),
    (StorageError, code_pb2.INTERNAL, lambda _: [info("STORAGE")]),
)


def make_status(
    error: Exception, *, has_committed: bool = False, tried_before: bool = False
) -> status_pb2.Status:
    """The status and details of an error; an unexpected one tells nothing.

    `has_committed`: the call made something durable before it failed, so that no error
    may say that nothing was done. `tried_before`: this attempt did nothing, and what
    came of those before it, which gRPC made by itself, is not known here.
    """
    code, message, details = _describe(error)
    if has_committed or (tried_before and _is_not_done(details)):
        _unknown(details)
    for letters in LETTERS:
        _shorten(details, letters)
        status = status_pb2.Status(code=code, message=_cut(message[:letters]))
        status.details.extend(map(pack, details))
        if status.ByteSize() <= STATUS_BYTES_MAX:
            break
    return status


def pack(detail: Message) -> any_pb2.Any:
    """A detail as the rich error model carries it."""
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _describe(error: Exception) -> tuple[int, str, list[Message]]:
    for kind, code, details in _TABLE:
        if isinstance(error, kind):
            return code, str(error), details(error)
    return code_pb2.INTERNAL, "internal error", []


def code_of(error: BaseException) -> int:
    """The status that a call ends with for an error; CANCELLED for who went away."""
    if not isinstance(error, Exception):
        return int(code_pb2.CANCELLED)
    for kind, code, _ in _TABLE:
        if isinstance(error, kind):
            return int(code)
    return int(code_pb2.INTERNAL)


def reason_of(error: Exception) -> str:
    """The reason of an error's ErrorInfo; empty for one that has none."""
    _, _, details = _describe(error)
    infos = [one for one in details if isinstance(one, error_details_pb2.ErrorInfo)]
    return infos[0].reason if infos else ""


def _is_not_done(details: list[Message]) -> bool:
    return any(
        one.metadata.get("outcome") == "not_done"
        for one in details
        if isinstance(one, error_details_pb2.ErrorInfo)
    )


def _unknown(details: list[Message]) -> None:
    """Whatever they say of the error: the call's outcome is not known."""
    infos = [one for one in details if isinstance(one, error_details_pb2.ErrorInfo)]
    if not infos:
        infos = [info("ANSWER_LOST")]
        details += infos
    for one in infos:
        one.metadata["outcome"] = "unknown"


def failed(
    method: str,
    error: Exception,
    *,
    has_committed: bool = False,
    tried_before: bool = False,
) -> status_pb2.Status:
    """The status of a call that failed; log what an operator must see."""
    status = make_status(error, has_committed=has_committed, tried_before=tried_before)
    if status.code in (code_pb2.INTERNAL, code_pb2.DATA_LOSS):
        log.error("%s failed: %s", method, type(error).__name__, exc_info=error)
    return status
