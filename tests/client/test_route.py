"""Goal: a client of several servers asks the right one next: who leads by NOT_LEADER's
word if that is one of its own, else the next round the list, for a bounded time.

Method: channels that are lists of what was called, a clock that the test sets.
"""

from typing import Any

import grpc
import pytest

from switch.client.calls import Attempts, CallError, LostReplyError
from switch.client.route import (
    ATTEMPT_S,
    LEADER_ONLY,
    ROUND_FIRST_S,
    ROUND_MAX_S,
    ROUND_S,
    SILENT_S,
    Looking,
    Route,
)

ADDRESSES = ("a:1", "b:1", "c:1")


class Channel:
    """One that says which it is, and what it was given."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    def unary_unary(self, path: str) -> Any:
        return lambda request, **given: (self.address, path, request, given)

    def close(self) -> None:
        self.closed = True


class Channels(dict[str, Channel]):
    def open(self, address: str) -> Any:
        self[address] = Channel(address)
        return self[address]


def route(*, leader_only: bool = True) -> tuple[Route, Channels]:
    channels = Channels()
    return Route(ADDRESSES, channels.open, leader_only=leader_only), channels


def asked(made: Route) -> str:
    """Which server the next call goes to."""
    address: str = made.unary_unary("/x")(b"")[0]
    return address


def error(
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, **fields: Any
) -> CallError:
    return CallError(code, "a test", **fields)


@pytest.mark.parametrize(
    ("reason", "leader", "is_busy", "following"),
    [
        ("NOT_LEADER", "c:1", False, "c:1"),
        ("NOT_LEADER", "", False, "b:1"),
        # Whoever it is, it is none that this client was told to trust.
        ("NOT_LEADER", "evil:1", False, "b:1"),
        # It says that it does not lead, and that it does.
        ("NOT_LEADER", "a:1", False, "b:1"),
        # Only NOT_LEADER is believed about others.
        ("STOPPING", "c:1", False, "b:1"),
        ("", "", False, "b:1"),
        ("LEDGER_DEAD", "", False, "b:1"),
        ("OPENING", "", False, "b:1"),
        ("BILLER_UNAVAILABLE", "", False, "a:1"),
        ("CLOCK_UNTRUSTED", "", False, "a:1"),
        ("OVERLOAD", "", True, "a:1"),
    ],
)
def test_who_is_asked_next(
    reason: str, leader: str, is_busy: bool, following: str
) -> None:
    made, _ = route()
    assert asked(made) == "a:1"
    known = made.failed(reason, leader, is_busy=is_busy)
    assert asked(made) == following
    assert known == (following == "c:1")


def test_it_goes_round_the_list_and_opens_each_once() -> None:
    made, channels = route()
    seen = []
    for _ in range(7):
        seen.append(asked(made))
        made.failed("", "", is_busy=False)
    assert seen == [*ADDRESSES, *ADDRESSES, "a:1"]
    assert list(channels) == [*ADDRESSES]
    made.close()
    assert all(one.closed for one in channels.values())


def test_who_finds_that_others_have_moved_on_stays_there() -> None:
    made, _ = route()
    asked(made)
    # Another thread has moved meanwhile.
    made._at = 2
    made.failed("", "", is_busy=False)
    assert made._at == 2


def test_calls_say_that_no_follower_may_answer() -> None:
    made, _ = route()
    own = ("session", "s")
    given = made.unary_unary("/x")(b"", metadata=(own,), timeout=1.0)[3]
    assert given == {"metadata": (own, LEADER_ONLY), "timeout": 1.0}
    free, _ = route(leader_only=False)
    assert free.unary_unary("/x")(b"")[3] == {"metadata": ()}


def test_pauses_grow_and_looking_ends() -> None:
    now = [100.0]
    looking = Looking(lambda: now[0])
    pauses = [looking.pause_s(is_known=False) for _ in range(7)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, ROUND_MAX_S, ROUND_MAX_S]
    assert looking.pause_s(is_known=True) == ROUND_FIRST_S
    now[0] += ROUND_S - 0.01
    assert looking.pause_s(is_known=True) is not None
    now[0] += 0.01
    assert looking.pause_s(is_known=True) is None
    looking.progress()
    assert looking.pause_s(is_known=False) == ROUND_FIRST_S


def test_attempts_look_for_the_leader_and_know_what_may_be_done() -> None:
    made, _ = route()
    attempts = Attempts(5, changes=True, route=made)
    for _ in range(50):
        asked(made)
        refused = error(reason="NOT_LEADER", outcome="not_done", leader="b:1")
        assert 0 < attempts.delay_after(refused) <= 1.5 * ROUND_MAX_S
    asked(made)
    attempts.delay_after(error())
    attempts._looking = Looking(iter([0.0, ROUND_S]).__next__)
    attempts.delay_after(error())
    with pytest.raises(LostReplyError) as lost:
        attempts.delay_after(error(reason="NOT_LEADER", outcome="not_done"), [b"id"])
    assert lost.value.ids == (b"id",)


def test_nobody_sends_it_back_to_a_server_that_just_said_nothing() -> None:
    now = [100.0]
    pair = Route(ADDRESSES[:2], Channels().open, leader_only=True, now=lambda: now[0])
    attempts = Attempts(5, changes=True, route=pair)
    names_it = error(reason="NOT_LEADER", outcome="not_done", leader="a:1")
    seen = [asked(pair)]
    attempts.delay_after(error(grpc.StatusCode.DEADLINE_EXCEEDED))
    for _ in range(3):
        # The other one follows, and has not heard yet that its leader is gone.
        seen.append(asked(pair))
        attempts.delay_after(names_it)
        now[0] += SILENT_S / 4
    assert seen == ["a:1", "b:1", "b:1", "b:1"]
    now[0] += SILENT_S / 4
    assert asked(pair) == "b:1"
    # It may have been slow only: then it is asked again, and leads.
    assert pair.failed("NOT_LEADER", "a:1", is_busy=False)
    assert asked(pair) == "a:1"


def test_who_is_silent_is_left_out_of_the_round_unless_all_are() -> None:
    now = [100.0]
    made = Route(ADDRESSES, Channels().open, leader_only=True, now=lambda: now[0])
    late = error(grpc.StatusCode.DEADLINE_EXCEEDED)
    attempts = Attempts(5, changes=True, route=made)
    assert asked(made) == "a:1"
    attempts.delay_after(late)
    for following in ("b:1", "c:1", "b:1"):
        assert asked(made) == following
        attempts.delay_after(error())
    for following in ("c:1", "b:1"):
        assert asked(made) == following
        attempts.delay_after(late)
    assert asked(made) == "c:1"
    # One that says why it took so long was not silent.
    said = Route(ADDRESSES[:2], Channels().open, leader_only=True, now=lambda: now[0])
    asked(said)
    slow = error(grpc.StatusCode.DEADLINE_EXCEEDED, reason="LEDGER_DEAD")
    Attempts(5, changes=True, route=said).delay_after(slow)
    asked(said)
    assert said.failed("NOT_LEADER", "a:1", is_busy=False)


def test_without_retries_the_next_call_goes_elsewhere_all_the_same() -> None:
    made, _ = route()
    asked(made)
    with pytest.raises(CallError):
        Attempts(0, changes=False, route=made).delay_after(error())
    assert asked(made) == "b:1"
    assert ATTEMPT_S < ROUND_S
