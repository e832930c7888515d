"""Goal: every error has its own status, and what is unexpected tells nothing.

Method: each error once through the table.
"""

import errno
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from google.rpc import code_pb2, error_details_pb2

from server import status
from switch.errors import (
    BillerBusyError,
    BillerUnavailableError,
    BillNotFoundError,
    ClockError,
    CorruptionError,
    DeadError,
    OverloadError,
    SpaceError,
    StorageError,
    UnknownOutcomeError,
    WireError,
)
from switch.register.identity import ForbiddenError, IdentityError
from switch.specs import NetworkError, Problem

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("error", "code", "reason", "outcome"),
    [
        (WireError("x", "f"), code_pb2.INVALID_ARGUMENT, "", ""),
        (WireError("x"), code_pb2.INVALID_ARGUMENT, "MALFORMED", "not_done"),
        (status.ArgumentError("f", "x"), code_pb2.INVALID_ARGUMENT, "", ""),
        (NetworkError("x", [Problem("f", "x")]), code_pb2.INVALID_ARGUMENT, "", ""),
        (IdentityError("x"), code_pb2.UNAUTHENTICATED, "IDENTITY_UNKNOWN", ""),
        (ForbiddenError("x"), code_pb2.PERMISSION_DENIED, "FORBIDDEN", ""),
        (status.NotFoundError("x"), code_pb2.NOT_FOUND, "NOT_FOUND", ""),
        (status.LateError("x"), code_pb2.DEADLINE_EXCEEDED, "LATE", "not_done"),
        (BillNotFoundError("x", "E1"), code_pb2.NOT_FOUND, "BILL_NOT_FOUND", ""),
        (
            BillerBusyError("x", 5),
            code_pb2.RESOURCE_EXHAUSTED,
            "BILLER_QUEUE_FULL",
            "not_done",
        ),
        (
            BillerUnavailableError("x", 5),
            code_pb2.UNAVAILABLE,
            "BILLER_UNAVAILABLE",
            "not_done",
        ),
        (OverloadError("x"), code_pb2.RESOURCE_EXHAUSTED, "OVERLOAD", "not_done"),
        (SpaceError("x"), code_pb2.RESOURCE_EXHAUSTED, "NO_SPACE", "not_done"),
        (ClockError("x"), code_pb2.UNAVAILABLE, "CLOCK_UNTRUSTED", "not_done"),
        (status.StoppingError("x"), code_pb2.UNAVAILABLE, "STOPPING", "unknown"),
        (UnknownOutcomeError("x"), code_pb2.UNAVAILABLE, "LEDGER_DEAD", "unknown"),
        (DeadError(5, "x"), code_pb2.UNAVAILABLE, "LEDGER_DEAD", "not_done"),
        (
            DeadError(errno.ESHUTDOWN, "x"),
            code_pb2.UNAVAILABLE,
            "STOPPING",
            "not_done",
        ),
        (CorruptionError(5, "x"), code_pb2.DATA_LOSS, "CHECK_FAILED", ""),
        (StorageError(5, "x"), code_pb2.INTERNAL, "STORAGE", ""),
    ],
)
def test_the_table(error: Exception, code: int, reason: str, outcome: str) -> None:
    made = status.make_status(error)
    assert made.code == code
    infos = []
    for detail in made.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            infos.append((info.domain, info.reason, info.metadata.get("outcome", "")))
    assert infos == ([("payswitch", reason, outcome)] if reason else [])


@pytest.mark.parametrize("error", [OverloadError("x"), SpaceError("x")])
def test_who_is_turned_away_is_told_when_to_come_back(error: Exception) -> None:
    retry = error_details_pb2.RetryInfo()
    details = status.make_status(error).details
    assert any(detail.Unpack(retry) for detail in details)
    assert retry.retry_delay.ToMilliseconds() == status.RETRY_MS


@pytest.mark.parametrize(
    "error", [BillerBusyError("x", 1_500), BillerUnavailableError("x", 1_500)]
)
def test_a_biller_has_a_pause_of_its_own(error: Exception) -> None:
    retry = error_details_pb2.RetryInfo()
    details = status.make_status(error).details
    assert any(detail.Unpack(retry) for detail in details)
    assert retry.retry_delay.ToMilliseconds() == 1_500


def test_a_wrong_field_is_named() -> None:
    bad = error_details_pb2.BadRequest()
    [detail] = status.make_status(status.ArgumentError("page_size", "is odd")).details
    assert detail.Unpack(bad)
    [violation] = bad.field_violations
    assert (violation.field, violation.description) == ("page_size", "is odd")


def test_the_unexpected_tells_nothing() -> None:
    made = status.make_status(KeyError("a secret"))
    assert made.code == code_pb2.INTERNAL
    assert "secret" not in made.message
    assert not made.details


@pytest.mark.parametrize("letter", ["x", "৳"])
def test_a_status_fits_in_the_headers_of_grpc_s_clients(letter: str) -> None:
    """They take 8 KiB, of which the text and its details have theirs."""
    long = letter * 200_000
    several = [Problem(long, long) for _ in range(100)]
    for error in (
        NetworkError(long, several),
        status.ArgumentError(long, long),
        status.NotFoundError(long),
    ):
        made = status.make_status(error)
        assert made.message.startswith(letter * 32)
        assert made.ByteSize() <= status.STATUS_BYTES_MAX
        assert len(quote(made.message)) <= status.TEXT_BYTES_MAX
    # A short one is whole.
    short = status.make_status(status.NotFoundError(letter * 220))
    assert short.message == letter * 220


def test_the_front_door_cuts_no_text_of_ours() -> None:
    parts = (ROOT / "server/front/parts.h").read_text()
    [shift] = re.findall(r"TEXT_MAX_BYTES = 2 << (\d+),", parts)
    assert 2 << int(shift) == status.TEXT_BYTES_MAX
