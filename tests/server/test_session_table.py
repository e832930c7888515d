"""Goal: what the front door knows of a session is never more than the server has said
of it: whose it is, until when, and that it was not idle for too long.

Method: the table alone, without sockets, with times of some hundredths of a second.
"""

import os
import time

import pytest

from server import _front
from tests.server.door import BOUNDS, METHODS

LONG_MS = 60_000
SENDER, OPERATOR = 5, 2
ENDED = 0
SETS, PLACES = 4_096, 8


@pytest.fixture
def front() -> _front.Front:
    return _front.Front(METHODS, BOUNDS)


def token(number: int = 0) -> bytes:
    """One with this number, which says in which set it lies."""
    body = bytearray(os.urandom(144))
    body[16:24] = number.to_bytes(8, "little")
    return bytes(body)


def open_session(
    front: _front.Front,
    token: bytes,
    sender: int,
    operator: int,
    lasts_ms: int,
    idle_ms: int,
) -> None:
    """As the register has its sender now."""
    change = front.session_change(sender)
    front.open_session(token, sender, operator, lasts_ms, idle_ms, change)


def test_it_is_one_sender_s_and_one_token_s(front: _front.Front) -> None:
    one = token()
    assert front.use_session(one, SENDER) is None
    open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
    assert front.use_session(one, SENDER) == OPERATOR
    assert front.use_session(one, SENDER + 1) is None
    for other in (one[:-1], one + b"x", b"", one[:143] + bytes([one[143] ^ 1])):
        assert front.use_session(other, SENDER) is None
    for sender, operator in ((0, OPERATOR), (SENDER, 0)):
        with pytest.raises(ValueError, match="session"):
            open_session(front, token(), sender, operator, LONG_MS, LONG_MS)


def test_it_ends_by_idleness_and_at_its_end(front: _front.Front) -> None:
    idle, short = token(1), token(2)
    open_session(front, idle, SENDER, OPERATOR, LONG_MS, 60)
    open_session(front, short, SENDER, OPERATOR, 90, LONG_MS)
    for _ in range(6):
        time.sleep(0.02)
        front.use_session(idle, SENDER)
    assert front.use_session(short, SENDER) == ENDED
    time.sleep(0.1)
    assert front.use_session(idle, SENDER) == ENDED
    # Over is over, whoever opens it.
    for one in (idle, short):
        open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
        assert front.use_session(one, SENDER) == ENDED


def test_signed_off_is_over(front: _front.Front) -> None:
    one = token()
    assert not front.end_session(one)
    open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
    assert front.end_session(one)
    assert not front.end_session(one)
    front.forget_sessions(SENDER)
    open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
    assert front.use_session(one, SENDER) == ENDED


def test_after_a_change_of_the_register_each_is_opened_anew(
    front: _front.Front,
) -> None:
    one = token()
    open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
    front.forget_sessions(SENDER)
    assert front.use_session(one, SENDER) is None
    open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
    assert front.use_session(one, SENDER) == OPERATOR


def test_a_change_of_the_register_is_no_use_of_a_session(front: _front.Front) -> None:
    """Else a desk that nobody sits at would be open as long as the network changes."""
    one = token()
    open_session(front, one, SENDER, OPERATOR, LONG_MS, 50)
    time.sleep(0.03)
    front.forget_sessions(SENDER)
    time.sleep(0.03)
    front.forget_sessions(SENDER)
    open_session(front, one, SENDER, OPERATOR, LONG_MS, 50)
    assert front.use_session(one, SENDER) == ENDED


def test_a_full_set_gives_up_what_was_used_longest_ago(front: _front.Front) -> None:
    crowd = [token(3 + SETS * at) for at in range(PLACES + 1)]
    for one in crowd[:PLACES]:
        open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
        time.sleep(0.002)
    assert front.use_session(crowd[0], SENDER) == OPERATOR
    open_session(front, crowd[PLACES], SENDER, OPERATOR, LONG_MS, LONG_MS)
    found = [front.use_session(one, SENDER) for one in crowd]
    assert found == [OPERATOR, None, *[OPERATOR] * (PLACES - 1)]


def test_a_change_of_one_centre_leaves_the_others(front: _front.Front) -> None:
    one, other = token(1), token(2)
    open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
    open_session(front, other, SENDER + 1, OPERATOR, LONG_MS, LONG_MS)
    front.forget_sessions(SENDER)
    assert front.use_session(one, SENDER) is None
    assert front.use_session(other, SENDER + 1) == OPERATOR


def test_a_change_after_the_register_was_read_is_not_missed(
    front: _front.Front,
) -> None:
    one = token()
    change = front.session_change(SENDER)
    # Its operator is read, and switched off before the session is opened by that.
    front.forget_sessions(SENDER)
    front.open_session(one, SENDER, OPERATOR, LONG_MS, LONG_MS, change)
    assert front.use_session(one, SENDER) is None


def test_what_is_dropped_is_not_known(front: _front.Front) -> None:
    one = token()
    open_session(front, one, SENDER, OPERATOR, LONG_MS, LONG_MS)
    front.drop_session(one)
    assert front.use_session(one, SENDER) is None
    front.drop_session(one)
    front.drop_session(b"no token")
