"""Goal: what is lost comes back from what is left, with every answer that was given: a
node from the log alone or from another node, the log from a node; and a log that was
put back to the past is led by nobody as long as a node knows better.

Method: two real servers over real PostgreSQL, as docs/cluster.md tells an operator. The
log of the past is a copy of its database that was made earlier.
"""

import shutil
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from server.exits import EXIT_HALTED
from switch.cluster.following import HaltError
from switch.cluster.log import Part
from switch.ledger.opening import NEW, open_ledger
from switch.ledger.shapes import write_mark
from tests import forked
from tests.cluster.pair import Member, Pair
from tests.cluster.test_server_takes_over import Load, audited, balance, check_kept
from tests.cluster.world import World
from tests.server.harness import until

pytest.importorskip("switch.cluster.postgres")
MakePair = Callable[[], AbstractContextManager[Pair]]
KEYS = ("quotation.keys", "receipt.key")


def lose(member: Member) -> None:
    """Its disk is another one, with the keys that were kept apart."""
    member.end()
    kept = {name: (member.ledger / name).read_bytes() for name in KEYS}
    shutil.rmtree(member.ledger)
    member.ledger.mkdir(mode=0o700)
    for name, secret in kept.items():
        (member.ledger / name).write_bytes(secret)
        (member.ledger / name).chmod(0o600)


def seeded(member: Member, source: Path, dsn: str) -> None:
    """By `payswitch cluster seed`, in the place of what it has."""
    member.end()
    shutil.rmtree(member.ledger)
    payswitch("seed", str(member.ledger), "--from", str(source), dsn=dsn)


def payswitch(*words: str, dsn: str) -> None:
    done = forked.run("switch", "cluster", *words, "--dsn", dsn)
    assert done.returncode == 0, done.stderr


def begun(member: Member, dsn: str = "") -> None:
    """Start it, and wait until it serves anything."""
    member.end()
    member.start(dsn=dsn)
    member.ready()


def halts(member: Member, dsn: str) -> str:
    """It ends by itself, and a person must look; what it has said."""
    member.end()
    member.start(dsn=dsn)
    assert member.process.wait() == EXIT_HALTED, member.process.log()[-2_000:]
    return member.process.log()


def test_a_node_comes_back_from_the_log_alone_and_from_another_node(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        leader, other = pair.start()
        with Load(pair, "centre-a") as load:
            load.grows()
            lose(other)
            load.grows()
            begun(other)
            load.grows()
        # It has followed from the first entry on, and is as good as any.
        newest = balance(leader, "centre-a")
        assert balance(other, "centre-a", load.newest) == newest
        leader.process.stop(signal.SIGKILL)
        until(lambda: other.leads)
        check_kept(other, load)
        # While it leads the other one gets a copy of its journal.
        seeded(leader, other.ledger, pair.dsn)
        begun(leader)
        assert balance(leader, "centre-a", load.newest) == newest
        assert other.process.stop() == 0
        until(lambda: leader.leads)
        check_kept(leader, load)
        assert leader.process.stop() == 0
        for one in pair.members:
            audited(one)


def test_a_log_of_the_past_is_led_by_nobody_and_made_anew_from_a_node(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        first, second = pair.start()
        with Load(pair, "centre-a") as load:
            load.grows()
        # A backup of the log: nobody is connected while its database is copied.
        for one in (second, first):
            assert one.process.stop() == 0
        past, anew = f"{pair.database}_past", f"{pair.database}_anew"
        psql, dsn = pair.databases.psql, pair.databases.dsn
        psql(f"CREATE DATABASE {past} TEMPLATE {pair.database}")
        psql(f"CREATE DATABASE {anew}")
        begun(first)
        until(lambda: first.leads)
        with Load(pair, "centre-b") as more:
            more.grows()
        assert first.process.stop() == 0
        # Who is furthest says so, and ends. Who has less than the past follows it; it
        # has heard of the other, and does not lead.
        said = halts(first, dsn(database=past))
        assert "the log was put back to an older state" in said
        begun(second, dsn(database=past))
        until(lambda: second.figure("cluster_unfit") == 1)
        assert f"node {first.name} had row" in second.process.log()
        assert not second.leads
        second.end()
        # The log anew, from who has all; the other is behind its beginning.
        owner = dsn(user="postgres", database=anew)
        payswitch("init", "--again", "--from", str(first.ledger), dsn=owner)
        begun(first, dsn(database=anew))
        until(lambda: first.leads)
        said = halts(second, dsn(database=anew))
        assert "seed" in said
        seeded(second, first.ledger, dsn(database=anew))
        begun(second, dsn(database=anew))
        assert balance(second, "centre-b", more.newest) == balance(first, "centre-b")
        assert first.process.stop() == 0
        until(lambda: second.leads)
        for each in (load, more):
            check_kept(second, each)
        assert second.process.stop() == 0
        for one in pair.members:
            audited(one)


def test_a_node_that_was_killed_as_it_first_began_begins_again(
    make_pair: MakePair,
) -> None:
    with make_pair() as pair:
        first, second = pair.members
        first.start()
        first.ready()
        # What a start leaves that is killed before its ledger is durable: a name of
        # chance, as it had never asked the log, or the log's.
        for instance in (None, pair.instance):
            lose(second)
            open_ledger(second.ledger, instance=instance, map_size=1 << 28).close()
            write_mark(second.ledger / NEW)
            begun(second)
            assert second.process.stop() == 0


def test_an_empty_node_of_a_log_that_was_trimmed_says_so(make_pair: MakePair) -> None:
    with make_pair() as pair:
        leader, other = pair.start()
        with Load(pair, "centre-a") as load:
            load.grows()
        lose(other)
        psql = partial(pair.databases.psql, database=pair.database)
        for kept in (load.newest, 10**9):
            psql(f"DELETE FROM payswitch.chunks WHERE last_sequence < {kept}")
            said = halts(other, pair.dsn)
            assert "ends with row 0, and the log begins behind that: give it" in said
            assert "Traceback" not in said
            lose(other)
        # As it says.
        shutil.rmtree(other.ledger)
        payswitch("seed", str(other.ledger), "--from", str(leader.ledger), dsn=pair.dsn)
        begun(other)
        assert leader.process.stop() == 0
        until(lambda: other.leads)
        check_kept(other, load)


@pytest.mark.parametrize("own", ["", "a"])
def test_a_log_that_begins_behind_a_node_halts_it(own: str) -> None:
    """As one that was made anew from a node that was further."""
    world = World("abc", own)
    world.read = lambda *_: Part([], 3)  # type: ignore[method-assign]
    world.turn()
    said = f"ends with row {len(own)}, and the log begins behind"
    with pytest.raises(HaltError, match=said):
        world.turn()
    # Not before it is known that it was asked of the right one.
    assert world.asked[-2:] == ["chunk at", "barrier"]
