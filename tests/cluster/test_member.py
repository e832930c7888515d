"""Goal: a node applies only what is on a quorum, leads only when it may, and ends when
its journal and the log are not of one history.

Method: the state machine alone, turn by turn, over a journal and a log that are a few
numbers; the real ones are in test_server_takes_over.py.
"""

from collections.abc import Sequence

import pytest

from switch.cluster.following import (
    CONFIRM_S,
    DifferenceError,
    HaltError,
    PutBackError,
)
from switch.cluster.log import DoubtError, Part
from switch.cluster.member import (
    FRESH_S,
    LAG_ROWS_MAX,
    NO_ROOM_S,
    PAUSE_MOST_S,
    ROOM_S,
    UNCONFIRMED_S,
    UNFIT_S,
    WORD_OLD_S,
    Said,
    State,
)
from switch.errors import SpaceError
from tests.cluster.world import INSTANCE, OTHER, Word, World, leading

# --- following -----------------------------------------------------------------------


def test_what_is_read_is_applied_behind_a_barrier() -> None:
    world = World("abc")
    world.turn()
    assert world.journal.checks == "abc"
    assert world.asked[:3] == ["reconnect", "read", "barrier"]


def test_nothing_is_applied_if_the_barrier_is_in_doubt() -> None:
    world = World("abc")

    def barrier() -> None:
        raise DoubtError("notice")

    world.barrier = barrier  # type: ignore[method-assign]
    for _ in range(5):
        assert world.turn() <= PAUSE_MOST_S
    assert (world.journal.checks, world.member.doubts) == ("", 5)
    assert world.member.follower.age_s() is None


def test_it_tells_how_old_what_it_has_may_be() -> None:
    world = World("abc")
    world.turn()
    assert world.member.follower.age_s() == 0
    assert (world.member.is_fresh, world.member.leader) == (True, "b:1")
    world.is_cut = True
    world.turn(FRESH_S - 1)
    assert world.member.is_fresh
    changes = world.changes
    world.turn(2.0)
    assert not world.member.is_fresh
    assert world.changes == changes + 1


def test_without_room_it_waits_leaves_the_lease_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("abc")
    world.turn()
    world.checks += "d"
    world.held = True
    follow = world.journal.follow

    def full(chunks: Sequence[bytes]) -> int:
        raise SpaceError("no room for the journal")

    world.journal.follow = full  # type: ignore[method-assign]
    for _ in range(2):
        assert world.turn(FRESH_S) == NO_ROOM_S
    member = world.member
    assert (member.state, member.has_room) == (State.FOLLOWING, False)
    assert (member.is_fresh, world.led, world.held) == (False, [], False)
    assert caplog.text.count("ALARM: this node does not follow: no room") == 1
    world.journal.follow = follow  # type: ignore[method-assign]
    world.turn()
    assert (member.is_fresh, member.has_room, world.journal.checks) == (
        True,
        True,
        "abcd",
    )


def test_who_has_no_room_to_lead_ends() -> None:
    world = World("abc")

    def lead(epoch: int) -> None:
        raise SpaceError("no room for the journal")

    world.lead = lead  # type: ignore[method-assign]
    world.held = True
    with pytest.raises(SpaceError):
        world.turn()


@pytest.mark.parametrize(
    ("own", "epoch", "instance", "said"),
    [
        ("abcd", 0, INSTANCE, "put back to an older state"),
        ("abc", 2, INSTANCE, "put back to an older state"),
        ("abX", 0, INSTANCE, "another one in the log"),
        ("abc", 0, bytes(16), "the log is of the ledger"),
    ],
)
def test_another_history_halts_it(
    own: str, epoch: int, instance: bytes, said: str
) -> None:
    world = World("abc", own)
    world.journal.epoch = epoch
    world.instance = instance
    with pytest.raises(HaltError, match=said):
        world.turn()
    assert world.journal.checks == own


def test_who_has_more_than_a_log_says_so_before_it_halts() -> None:
    world = World("abc", "abcd")
    world.state = Said(4, 0, b"", "keys")
    with pytest.raises(PutBackError):
        world.turn()
    assert [said[:6] for said in world.noted] == [
        ("north", "a:1", 4, bytes(8), "keys", "")
    ]

    def note(*_: object) -> str:
        raise DoubtError("lost")

    world.note = note  # type: ignore[method-assign]
    with pytest.raises(PutBackError):
        world.turn()


def test_rows_that_are_promised_and_not_there_are_a_doubt() -> None:
    world = World("abc")
    world.held = True
    world.has_chunks = {1}
    world.read = lambda *_: Part([], 3)  # type: ignore[method-assign]
    for _ in range(3):
        world.turn()
    assert world.led == []


STEP = 8
OTHER_STATE = OTHER._replace(state_hash=STEP.to_bytes(8) + b"other")


def stepped(world: World) -> None:
    """It has had a state behind a step, and is farther now."""
    world.state = Said(3, STEP, b"state", "keys")
    world.turn()
    world.state = Said(3, 16, b"later", "keys")


@pytest.mark.parametrize(
    ("step", "theirs", "halts"),
    [(8, b"other", True), (8, b"state", False), (9, b"other", False), (0, b"", False)],
)
def test_another_state_than_the_leaders_behind_the_same_row_halts_it(
    step: int, theirs: bytes, halts: bool
) -> None:
    world = World("abc")
    stepped(world)
    word = step.to_bytes(8) + theirs if theirs else b""
    world.rows = [OTHER._replace(state_hash=word)]
    if halts:
        with pytest.raises(DifferenceError, match="behind row 8 the state of south"):
            world.turn()
    else:
        world.turn()
    assert world.noted[0][3] == (8).to_bytes(8) + b"state"


@pytest.mark.parametrize(
    "word",
    [
        OTHER_STATE._replace(name="west"),
        OTHER_STATE._replace(seen_age_s=WORD_OLD_S + 1),
    ],
)
def test_nobody_halts_for_another_follower_or_an_old_word(word: Word) -> None:
    world = World("abc")
    stepped(world)
    world.rows = [word]
    world.turn()
    assert world.member.differences == 0


def test_a_leader_goes_on_when_another_node_differs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("abc")
    member = leading(world)
    stepped(world)
    world.rows = [OTHER_STATE]
    world.turn()
    world.turn()
    assert (member.state, member.differences) == (State.LEADING, 1)
    assert "ALARM: behind row 8 the state of south was" in caplog.text
    world.rows = [OTHER_STATE._replace(state_hash=(16).to_bytes(8) + b"other")]
    world.turn()
    assert member.differences == 2


# --- leading -------------------------------------------------------------------------


def test_it_asks_for_the_lease_once_it_has_all() -> None:
    world = World("abc")
    world.is_cut = True
    world.turn()
    assert "lease" not in world.asked
    world.is_cut = False
    world.turn()
    world.turn()
    assert world.asked.count("lease") == 1
    assert world.led == []


def test_who_has_the_lease_takes_over_what_it_has_followed() -> None:
    world = World("abc")
    world.turn()
    world.checks += "d"
    member = leading(world)
    assert (world.journal.checks, world.led, member.epoch) == ("abcd", [2], 2)
    assert world.leader == "north"
    assert member.leader == ""


def test_who_was_slower_tries_again() -> None:
    world = World("abc")
    world.turn()
    world.held = True

    def append() -> None:
        world.checks += "d"
        world.before_take_over = lambda: None

    world.before_take_over = append
    world.turn()
    assert (world.led, world.member.lost_attempts) == ([], 1)
    world.turn()
    assert (world.led, world.journal.checks) == ([2], "abcd")


def test_who_is_unfit_leaves_it_to_others() -> None:
    world = World("abc")
    world.turn()
    world.held = True
    world.why_unfit = "its clock is off"
    world.turn()
    assert (world.led, world.let_go_s) == ([], [UNFIT_S])
    assert world.member.why_not == "its clock is off"
    assert "take over" not in world.asked
    world.why_unfit = ""
    assert leading(world).why_not == ""


def test_nobody_leads_a_log_that_has_less_than_a_node_had() -> None:
    world = World("abc")
    world.held = True
    # Seen long ago: it has ended since.
    world.rows = [OTHER, OTHER._replace(name="west", sequence=4, seen_age_s=1e6)]
    world.turn()
    assert (world.led, world.let_go_s) == ([], [UNFIT_S])
    assert world.member.why_not.startswith("node west had row 4; the log ends with 3")
    world.rows = [OTHER]
    leading(world)


def test_what_a_node_says_of_a_row_that_has_just_come_keeps_nobody_from_leading() -> (
    None
):
    world = World("abc")
    world.turn()

    def nodes() -> list[Word]:
        world.checks = "abcd"
        return [OTHER._replace(sequence=4)]

    world.nodes = nodes  # type: ignore[method-assign]
    world.turn(0.5)
    world.held = True
    world.turn(0.1)
    assert world.member.why_not == ""
    world.turn(0.1)
    assert (world.led, world.journal.checks) == ([2], "abcd")


def test_a_leader_asks_whether_it_still_leads() -> None:
    world = World("abc")
    member = leading(world)
    before = len(world.asked)
    assert world.turn(ROOM_S) == CONFIRM_S
    assert world.asked[before:] == ["head", "barrier", "room", "clock"]
    assert member.unconfirmed_s() == 0
    assert world.confirmed_s[1:] == [world.now_s]
    world.is_cut = True
    world.turn(7.0)
    assert member.unconfirmed_s() == 7
    assert (member.state, member.deposed) == (State.LEADING, False)
    world.is_cut = False
    world.epoch, world.leader, world.address = 3, "south", "b:1"
    world.turn()
    world.turn()
    assert member.deposed
    assert len(world.confirmed_s) == 2
    assert member.leader == "b:1"


def test_a_log_that_was_put_back_halts_a_leader() -> None:
    world = World("abc")
    leading(world)
    world.epoch = 1
    with pytest.raises(HaltError, match="put back"):
        world.turn()


def test_what_comes_at_the_last_moment_is_followed_first() -> None:
    world = World("abc")

    def holds() -> bool:
        world.checks = "abcd"
        return True

    world.holds = holds  # type: ignore[method-assign]
    world.turn()
    assert (world.led, world.journal.checks) == ([2], "abcd")


def test_who_has_not_read_all_is_neither_current_nor_asks_for_the_lease() -> None:
    # What one reading gives ends before a chunk that would be too much: its size says
    # nothing of what there is.
    world = World("abcdefg")
    world.reads = 3
    world.turn()
    follower = world.member.follower
    assert (world.journal.checks, follower.age_s()) == ("abc", None)
    assert not world.member.is_fresh
    assert "lease" not in world.asked
    world.turn()
    world.turn()
    assert (world.journal.checks, follower.age_s()) == ("abcdefg", 0.0)
    assert "lease" in world.asked


@pytest.mark.parametrize(
    ("ahead", "age_s", "name", "leads"),
    [
        (LAG_ROWS_MAX + 1, 0.1, "south", False),
        (LAG_ROWS_MAX, 0.1, "south", True),
        (LAG_ROWS_MAX + 1, WORD_OLD_S + 1, "south", True),
        (LAG_ROWS_MAX + 1, 0.1, "north", True),
    ],
)
def test_who_is_far_behind_leaves_the_lead_to_another_who_is_not(
    ahead: int, age_s: float, name: str, leads: bool
) -> None:
    world = World("abc")
    world.turn()
    # It stood still for a while, with the lease that it had asked for.
    world.checks += "x" * (LAG_ROWS_MAX + 2)
    world.reads = 1
    world.rows = [Word(name, 4 + ahead, b"", "", age_s)]
    world.held = True
    world.turn()
    assert (world.led, world.let_go_s) == ([], [] if leads else [UNFIT_S])
    world.reads = 2 * LAG_ROWS_MAX
    world.turn()
    assert world.led == ([2] if leads else [])


def test_a_leader_that_hears_nothing_of_its_log_leaves_the_lease_to_others() -> None:
    # The lease is another connection, and may live.
    world = World("abc")
    world.turn()
    member = leading(world)
    world.is_cut = True
    world.turn(UNCONFIRMED_S)
    assert world.let_go_s == []
    world.turn()
    assert world.let_go_s == [UNFIT_S]
    # It is asked for once.
    world.turn()
    assert world.let_go_s == [UNFIT_S]
    # Nobody took over: it goes on.
    world.is_cut = False
    world.turn()
    assert (member.state, member.unconfirmed_s()) == (State.LEADING, 0.0)


def test_a_leader_whose_lease_was_lost_with_its_log_asks_for_it_like_before() -> None:
    # A database that was away for long is back: another one would lead for nothing.
    world = World("abc")
    world.turn()
    member = leading(world)
    world.is_cut, world.held = True, False
    for _ in range(20):
        world.turn()
    # The lease comes back first, by a moment.
    world.held, world.has_held_s = True, UNCONFIRMED_S
    world.turn()
    assert world.let_go_s == []
    world.is_cut = False
    world.turn()
    assert (member.state, member.unconfirmed_s()) == (State.LEADING, 0.0)
    assert world.held
