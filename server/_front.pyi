# What the front door offers; its C stands in front/.

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

UNARY: Final[int]
SERVER_STREAM: Final[int]
BIDI: Final[int]

# What a method's calls are counted by: a second, and while they are open.
PAYMENTS: Final[int]
READS: Final[int]
FETCHES: Final[int]
FEEDS: Final[int]
WATCHES: Final[int]

# Events, each a tuple whose first field is its kind.
CONNECT: Final[int]
"""(CONNECT, connection, address, port, certificate as DER, its last second)"""
DISCONNECT: Final[int]
"""(DISCONNECT, connection, cause)"""
CALL: Final[int]
"""(CALL, call, connection, method, path, deadline, timeout, metadata, body, allowed)

The method is -1 if it is not known. The deadline is in ns of CLOCK_MONOTONIC, 0:
none; `timeout` is the header as it came. `body` is None for BIDI, and for what is not
allowed: nothing of such a call is read, and `finish` is the answer to it.
"""
MESSAGE: Final[int]
"""(MESSAGE, call, body), once for each `want`"""
HALF_CLOSED: Final[int]
"""(HALF_CLOSED, call): the peer sends no more, and all it has sent has been given"""
SENT: Final[int]
"""(SENT, call, bytes left): what `send` was given has left for the socket"""
ENDED: Final[int]
"""(ENDED, call, cause): over without `finish` or `reply`; its handle is dead"""
REVOKED: Final[int]
"""(REVOKED, call): the rights do not allow it any more; it goes on until `finish`"""

OVER: Final[int]
"""(OVER, connection, share, count): so often, since the last, it was refused what is
beyond this share of its owner's budgets"""

BOUNDS: Final[tuple[str, ...]]
BUDGETS: Final[tuple[str, ...]]
"""What `admit` takes, in this order."""
SHARES: Final[tuple[str, ...]]
"""Of the budgets, as OVER names them; each has a counter, `over_` before its name."""
COUNTERS: Final[tuple[str, ...]]
REASONS: Final[dict[str, int]]
"""What the front answers itself; `set_details` takes these numbers."""
STATUSES: Final[dict[int, tuple[int, str]]]
"""gRPC's status and the text of each reason."""
CAUSES: Final[tuple[str, ...]]
HOT_STATUSES: Final[tuple[str, ...]]
"""What a hot call may be told; `set_hot_status` takes their numbers."""

@final
class Front:
    def __init__(
        self,
        methods: Sequence[tuple[str, int]],
        bounds: Mapping[str, int],
        costs: Sequence[tuple[int, int, int, int]] = (),
    ) -> None:
        """`costs` of each method: PAYMENTS, READS, FETCHES or 0; how many of these a
        call is; a field of its message whose occurrences are counted instead, or 0;
        FEEDS, WATCHES or 0."""
    def set_credentials(
        self,
        certificate: bytes,
        key: bytes,
        authority: bytes,
        revocations: bytes = ...,
    ) -> None: ...
    def set_details(self, reason: int, given: bool, details: bytes) -> None: ...
    def set_hot(
        self,
        methods: Sequence[int],
        *,
        damaged: int,
        biller_busy: int,
        refusals: int,
        field_debit: int,
        rows_max: int,
        room_wait_ms: int,
        steps_s: Sequence[float] = (),
    ) -> None: ...
    def set_hot_status(
        self,
        method: int,
        status: int,
        code: int,
        text: bytes,
        details: bytes,
        committed: bytes,
    ) -> None: ...
    def open_hot(self, queue: object) -> None: ...
    def lead_until(self, until_s: float) -> None:
        """Refuse hot calls after this moment of `time.monotonic`, until told a later
        one; any thread."""
    def hot_calls(
        self,
    ) -> list[tuple[dict[tuple[int, int], int], list[int], float]]: ...
    def hot_fileno(self) -> int: ...
    def drop_answers(self) -> None: ...
    def stop_streams(self) -> None: ...
    def close_hot(self) -> None: ...
    def open_session(
        self,
        token: bytes,
        sender: int,
        operator: int,
        lasts_ms: int,
        idle_ms: int,
        change: int,
    ) -> None: ...
    def session_change(self, sender: int) -> int: ...
    def end_session(self, token: bytes) -> bool: ...
    def drop_session(self, token: bytes) -> None: ...
    def forget_sessions(self, sender: int) -> None: ...
    def use_session(self, token: bytes, sender: int) -> int | None: ...
    def listen(self, host: str, port: int) -> int: ...
    def start(self) -> None: ...
    def fileno(self) -> int: ...
    def take(self, most: int = 1024) -> list[tuple[Any, ...]]: ...
    def admit(
        self,
        connection: int,
        owner: int,
        role: int,
        sender: int,
        bound: int,
        rights: bytes,
        budgets: tuple[int, ...],
    ) -> None: ...
    def close_connection(self, connection: int, error: int) -> None: ...
    def start_call(
        self, call: int, metadata: Iterable[tuple[bytes, bytes]] = ()
    ) -> None: ...
    def send(self, call: int, body: bytes) -> None: ...
    def reply(self, call: int, body: bytes) -> None: ...
    def finish(
        self,
        call: int,
        code: int,
        message: str,
        details: bytes,
        metadata: Iterable[tuple[bytes, bytes]] = (),
    ) -> None: ...
    def want(self, call: int) -> None: ...
    def charge(self, owner: int, reads: int) -> None:
        """Take so many reads of an owner, for what a call has cost beside its price."""
    def drain(self) -> None: ...
    def stop(self, grace_ms: int) -> None: ...
    def take_refused(self) -> list[tuple[str, int]]:
        """Addresses that were turned away at their handshakes since the last time, and
        how often; the empty one stands for many."""

    def counters(self) -> dict[str, int]: ...
    def turns(self) -> tuple[float, tuple[tuple[float, int], ...]]:
        """Turns of the front's thread: the processor time of all of them, in seconds,
        and how many took so much, as (bound, how many above the bound before)."""
