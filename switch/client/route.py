"""Which of several servers a client speaks to: the one that leads.

May use gRPC and the generated messages; knows no service. Where one channel stands in
the stubs, a `Route` may: it makes each call on the channel of the server that it
believes to lead. A failed attempt says which is the next: the leader's address out of
NOT_LEADER, if it is one of those that were given, else the next one round the list.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc

ROUND_FIRST_S: Final = 0.05
ROUND_MAX_S: Final = 1.0
"""Pauses between attempts round the list: they double from the one to the other."""
ROUND_S: Final = 30.0
"""How long the leader is looked for; a host that is lost costs 22 s."""
ATTEMPT_S: Final = 3.0
"""Deadline of one attempt to pay: a server that was stopped says nothing at all."""
SILENT_S: Final = 2.0
"""How long nobody's word sends a client back to a server that let an attempt run out:
followers name a leader that was stopped until another leads."""
LEADER_ONLY: Final = ("min-sequence", "leader")
"""In the metadata of a call that no follower may answer."""
NOT_LEADER: Final = "NOT_LEADER"
_STAYS: Final = frozenset(
    {"BILLER_UNAVAILABLE", "CLOCK_UNTRUSTED", "OVERLOAD", "OVER_BUDGET"}
)
"""Reasons of a server that leads: another one would not do it either."""


class Route:
    """A channel to whichever of several servers leads. Thread-safe."""

    def __init__(
        self,
        addresses: Sequence[str],
        open_channel: Callable[[str], grpc.Channel],
        *,
        leader_only: bool,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`leader_only`: no follower may answer. Connects with the first call."""
        self._now = now
        self.addresses = tuple(addresses)
        self._open = open_channel
        self._metadata = (LEADER_ONLY,) if leader_only else ()
        self._lock = threading.Lock()
        self._channels: dict[int, grpc.Channel] = {}
        self._silent_until_s: dict[int, float] = {}
        self._at = 0
        self._used = threading.local()

    def channel(self) -> tuple[int, grpc.Channel]:
        """The server that is believed to lead, and its channel. Raises ConfigError."""
        with self._lock:
            at = self._at
            if at not in self._channels:
                self._channels[at] = self._open(self.addresses[at])
            self._used.at = at
            return at, self._channels[at]

    def failed(
        self, reason: str, leader: str, *, is_busy: bool, is_silent: bool = False
    ) -> bool:
        """This thread's last attempt failed; whether the next has a known leader.

        `is_silent`: its time was over without a word. Who finds that another thread
        has moved on stays there.
        """
        if reason in _STAYS or is_busy:
            return False
        with self._lock:
            used = getattr(self._used, "at", self._at)
            if is_silent:
                self._silent_until_s[used] = self._now() + SILENT_S
            named = used
            if reason == NOT_LEADER and leader in self.addresses:
                named = self.addresses.index(leader)
            is_known = named != used and not self._is_silent(named)
            if used == self._at:
                self._at = named if is_known else self._after(used)
            return is_known

    def _after(self, used: int) -> int:
        """The next round the list that was not silent just now."""
        count = len(self.addresses)
        for step in range(1, count + 1):
            if not self._is_silent((used + step) % count):
                return (used + step) % count
        return (used + 1) % count

    def _is_silent(self, at: int) -> bool:
        return self._now() < self._silent_until_s.get(at, float("-inf"))

    def close(self) -> None:
        """Close every channel."""
        with self._lock:
            for channel in self._channels.values():
                channel.close()

    # --- what stubs ask of a channel -----------------------------------------------

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        """A method with one request and one answer."""
        return self._method("unary_unary", args, options)

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """A method with one request and many answers."""
        return self._method("unary_stream", args, options)

    def stream_unary(self, *args: Any, **options: Any) -> Any:
        """A method with many requests and one answer."""
        return self._method("stream_unary", args, options)

    def stream_stream(self, *args: Any, **options: Any) -> Any:
        """A method with many requests and many answers."""
        return self._method("stream_stream", args, options)

    def _method(self, kind: str, args: Any, options: Any) -> Callable[..., Any]:
        made: dict[int, Any] = {}

        def call(request: Any, **given: Any) -> Any:
            at, channel = self.channel()
            method = made.get(at)
            if method is None:
                method = made[at] = getattr(channel, kind)(*args, **options)
            metadata = (*(given.pop("metadata", None) or ()), *self._metadata)
            return method(request, metadata=metadata, **given)

        return call


class Looking:
    """How long one call has looked for the leader, and when it looks again."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Nothing has failed yet."""
        self._now = now
        self.progress()

    def progress(self) -> None:
        """An answer came: what fails next has all its time."""
        self._since_s: float | None = None
        self._pause_s = ROUND_FIRST_S

    def pause_s(self, *, is_known: bool) -> float | None:
        """Before the next attempt; None: it has looked long enough.

        `is_known`: who leads was just said.
        """
        now_s = self._now()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= ROUND_S:
            return None
        if is_known:
            return ROUND_FIRST_S
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, ROUND_MAX_S)
        return pause_s
