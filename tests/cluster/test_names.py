"""Goal: two nodes with one name do not go on unnoticed: who came later ends, and says
what to do. One that was ended and is started again is not refused, however soon.

Method: two state machines that write one line, in any order; then real servers over
real PostgreSQL.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

import pytest

from server.exits import EXIT_CONFIG
from switch.cluster.member import EARLIER_WORDS_MAX, NOTE_S, State
from switch.errors import ConfigError
from tests.cluster.pair import Pair
from tests.cluster.world import World, leading
from tests.longer import SEED
from tests.server.harness import until


class Line:
    """Of a name: who wrote it last."""

    process = ""


class Named(World):
    """A node that writes this line."""

    def __init__(self, line: Line, now_s: float) -> None:
        super().__init__("abc")
        self.line = line
        self.now_s = now_s

    def note(self, *words: object) -> str:
        before, self.line.process = self.line.process, str(words[-1])
        return before


def ends(one: Named) -> bool:
    """Whether it ends with its next turn."""
    try:
        one.turn(NOTE_S)
    except ConfigError as error:
        return str(error).startswith("another node is there as north")
    return False


@pytest.mark.parametrize("together", [False, True])
def test_who_came_later_ends_and_the_first_goes_on(
    together: bool, caplog: pytest.LogCaptureFixture
) -> None:
    chance = Random(SEED)
    for _ in range(50):
        line = Line()
        first, later = Named(line, 1_000.0), Named(line, 1_000.5)
        member = leading(first) if not together else first.member
        turns = 0
        while True:
            if chance.random() < 0.5:
                assert not ends(first)
            elif ends(later):
                break
            turns += 1
            assert turns < 200
        assert not ends(first)
        assert member.state is (State.FOLLOWING if together else State.LEADING)
    assert caplog.text.count("a second node was started as north") == 50


def test_one_that_was_started_again_is_not_refused() -> None:
    line = Line()
    one = Named(line, 1_000.0)
    for start in range(20):
        one.turn()
        died = line.process
        one = Named(line, 1_001.0 + start)
        assert not ends(one)
        # What was on its way when it died comes late.
        line.process = died
        assert not any(ends(one) for _ in range(5))


def test_it_takes_more_than_what_a_dead_one_leaves() -> None:
    line = Line()
    one = Named(line, 1_000.0)
    for _ in range(EARLIER_WORDS_MAX):
        line.process = "0"
        assert not ends(one)
    line.process = "0"
    assert ends(one)


def test_two_servers_with_one_name(
    make_pair: Callable[[], AbstractContextManager[Pair]],
) -> None:
    with make_pair() as pair:
        first, second = pair.members
        first.start()
        first.ready()
        until(lambda: first.leads)
        # A copied file of settings.
        second.name = first.name
        second.start()
        assert second.process.wait() == EXIT_CONFIG
        assert f"another node is there as {first.name}" in second.process.log()
        second.end()
        until(lambda: first.leads)
        assert "a second node was started as" in first.process.log()
        # Killed and started again at once, as often as that is.
        for _ in range(3):
            first.end()
            first.start()
            first.ready()
        until(lambda: first.leads)
        second.name = "south"
        second.start()
        second.ready()
        until(lambda: 'node_seen_seconds{node="south"}' in first.figures())
        assert first.process.process.poll() is None
        assert second.process.process.poll() is None
