"""Goal: a leader that has to refuse all payments, for its disk or its clock, gives the
lead away, but only to a node that has all and may lead as far as it says.

Method: the state machine and the thread behind it, with what both hear set by the test;
then two real servers, of which the leading one's clock leaps.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest

from server.exits import EXIT_DEPOSED
from server.leadership import CLOCK_REFUSED_S
from switch.cluster.member import CLOCK_OFF_MAX_S, WORD_OLD_S
from tests.cluster.pair import Pair
from tests.cluster.test_leadership import Scene, made
from tests.cluster.world import OTHER, Word, World, leading
from tests.leaps import Leaps
from tests.server.harness import failing, payment, until

WHY = "its disk has no room"
ALL = OTHER._replace(sequence=3, seen_age_s=0.0)
OWN = "receipt=1 quotation=2"
LEAP_S = 7_200


@pytest.mark.parametrize(
    ("rows", "hands_on"),
    [
        ([], False),
        ([ALL._replace(name="north")], False),
        ([ALL._replace(sequence=2)], False),
        ([ALL._replace(seen_age_s=WORD_OLD_S + 1)], False),
        ([ALL._replace(clock_off_s=None)], False),
        ([ALL._replace(clock_off_s=-CLOCK_OFF_MAX_S - 0.1)], False),
        ([ALL._replace(clock_off_s=float("nan"))], False),
        ([ALL._replace(keys="receipt=3 quotation=2")], False),
        ([ALL._replace(keys=OWN)], True),
        ([ALL._replace(clock_off_s=CLOCK_OFF_MAX_S)], True),
        ([ALL._replace(sequence=2), ALL._replace(name="west")], True),
    ],
    ids=str,
)
def test_who_refuses_hands_on_to_who_has_all_and_may_lead(
    rows: list[Word], hands_on: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = World("abc")
    world.state = world.state._replace(keys=OWN)
    member = leading(world)
    world.rows = rows
    world.turn()
    assert not member.deposed, "it takes payments"
    world.why_refuses = WHY
    world.turn()
    assert member.deposed == hands_on
    assert (world.epoch, world.leader) == ((3, "") if hands_on else (2, "north"))
    assert (f"{WHY}: this node hands on" in caplog.text) == hands_on
    assert world.keys == OWN, "another one with other keys could lead"


def test_it_goes_on_if_an_append_was_faster() -> None:
    world = World("abc")
    member = leading(world)
    world.why_refuses = WHY
    world.rows = [ALL]
    world.before_take_over = lambda: setattr(world, "checks", "abcd")
    world.turn()
    assert (member.deposed, world.epoch) == (False, 2)
    world.before_take_over = lambda: None
    world.rows = [ALL._replace(sequence=4)]
    world.turn()
    assert (member.deposed, world.epoch) == (True, 3)


def test_a_clock_is_given_some_time(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "ledger")
    for refused_s, says in (
        (0.0, ""),
        (CLOCK_REFUSED_S, ""),
        (CLOCK_REFUSED_S + 1, "its clock leapt, and nothing was taken for 11 s"),
    ):
        scene.node.committer = made(clock_refused_s=refused_s)
        assert scene.leadership.refuses() == says


@pytest.mark.slow
def test_a_leader_whose_clock_leaps_hands_on(
    make_pair: Callable[[], AbstractContextManager[Pair]], tmp_path: Path
) -> None:
    leaps = Leaps(tmp_path)
    with make_pair() as pair:
        other, leader = pair.start()
        leader.end()
        leader.start(prefix=leaps.prefix)
        leader.ready()
        assert other.process.stop() == 0
        until(lambda: leader.leads)
        other.end()
        other.start()
        other.ready()
        one = payment()
        leaps.set(LEAP_S)
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            leader.peer().pay(one)
        assert failures[0].reason == "CLOCK_UNTRUSTED"
        assert failures[0].outcome == "not_done"
        assert leader.process.wait() == EXIT_DEPOSED
        said = leader.process.log()
        assert f"this node hands on, and {other.name} is there" in said
        until(lambda: other.leads)
        assert other.peer().pay(one).result == 1
        # Started again it follows, and says how its clock is; does not lead by it.
        leader.end()
        leader.start(prefix=leaps.prefix)
        leader.ready()
        figure = f'cluster_node_clock_off_seconds{{node="{leader.name}"}} 7'
        until(lambda: figure in other.figures())
        assert other.process.stop() == 0
        until(lambda: leader.figure("cluster_unfit") == 1)
        assert not leader.leads
