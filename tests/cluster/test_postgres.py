"""Goal: a chunk counts as in the log only once a quorum of PostgreSQL has it, a later
leader's log has no chunk of an earlier one's that was said not to be there, and
whatever ends an append otherwise is doubt that is settled right.

Method: a primary and two standbys, chunks of a real ledger, a proxy that cuts or holds
a connection at the moment of a test; standbys that are stopped; settings that an
operator has spoilt. What the log holds is asked of the primary by another way.
"""

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("switch.cluster._pq", reason="built without libpq")

from switch._core import Ledger
from switch.cluster import NoHeadError, blobs
from switch.cluster.log import (
    CHUNK_MAGIC,
    CHUNK_MAX,
    HEADER,
    LOG_DONE,
    LOG_FENCED,
    LOG_UNKNOWN,
    DoubtError,
    sealed,
)
from switch.cluster.postgres import PostgresLog, appender, create
from switch.cluster.replicator import Replicator
from tests.cluster.postgres import Nodes, nodes
from tests.cluster.proxy import Cut, Proxy, proxy, until
from tests.core.network import NOW
from tests.core.queues import OPTIONS, refused

APPEND = b"append\0\0\6"
"""The name of the statement, and how many parameters follow."""
BARRIER = b"pg_logical_emit_message"
HEAD = b"SELECT instance"
WAIT_S = 0.5
"""Of a step, where one has to time out."""
SILENT = (
    "-c synchronous_commit=off -c client_min_messages=error"
    " -c statement_timeout=1000 -c transaction_timeout=1000"
)
"""Settings of a session that waits for nobody, or not for long, and does not say so."""
WHERE: Iterator[int] = count()


@pytest.fixture(scope="module")
def servers() -> Iterator[Nodes]:
    with nodes() as made:
        yield made


class Base:
    """A database with a log of its own, and a ledger's chunks for it."""

    def __init__(self, servers: Nodes, path: Path) -> None:
        self.servers = servers
        self.name = f"payswitch{next(WHERE)}"
        self.options = ""
        """Settings that the connection string makes."""
        servers.psql(f"CREATE DATABASE {self.name}")
        self.chunks: list[bytes] = []

        def keep(chunk: bytes) -> int:
            self.chunks.append(chunk)
            return LOG_DONE

        with Ledger(str(path / "ledger"), **OPTIONS, threads=False) as ledger:
            ledger.replicate(keep, 1)
            for size in (1, 3, 2, 1):
                ledger.commit([refused(size)], NOW)
            self.instance: bytes = ledger.instance
        create(servers.dsn("postgres", self.name), self.instance)

    def dsn(self, port: int | None = None) -> str:
        """Of all three, or of one port, as the switch's role."""
        if port is None:
            return f"{self.servers.dsn(database=self.name)} options='{self.options}'"
        who = f"user=payswitch_log dbname={self.name} sslmode=disable"
        return f"host=127.0.0.1 port={port} {who}"

    def log(self, port: int | None = None, **how: Any) -> PostgresLog:
        made = PostgresLog(self.dsn(port), **how)
        made.reconnect()
        return made

    def leading(self, port: int | None = None, **how: Any) -> Replicator:
        """Who has taken over, in epoch 1."""
        log = self.log(port, **how)
        epoch = log.take_over(log.head(), "ALPHA", "127.0.0.1:1")
        assert epoch == 1
        return Replicator(log, epoch, patience_s=20.0)

    def there(self) -> list[int]:
        """The checks of the chunks that the primary shows."""
        log = self.log()
        found = log.checks(0)
        log.close()
        return [check for *_, check in found]


@pytest.fixture
def base(servers: Nodes, tmp_path: Path) -> Base:
    return Base(servers, tmp_path)


@pytest.fixture
def door(servers: Nodes) -> Iterator[Proxy]:
    with proxy(servers.primary.port) as made:
        yield made


def checks(chunks: list[bytes]) -> list[int]:
    return [sealed(chunk).check for chunk in chunks]


# --- without any trouble ----------------------------------------------------------


def test_what_is_appended_is_what_is_read(base: Base) -> None:
    log = base.log()
    assert log.head() == (base.instance, 0, 0, 0, "", "", "")
    assert log.read(0).chunks == []
    assert log.take_over(log.head(), "ALPHA", "127.0.0.1:1", "keys") == 1
    for chunk in base.chunks:
        log.append(sealed(chunk))
    last = sealed(base.chunks[-1])
    assert log.head()[1:] == (7, last.check, 1, "ALPHA", "127.0.0.1:1", "keys")
    assert log.read(0).chunks == base.chunks
    assert log.read(4).chunks == base.chunks[2:]
    assert log.read(0, most_chunks=2).chunks == base.chunks[:2]
    # One at least; then as many as there is room for.
    assert log.read(0, most_bytes=1) == (base.chunks[:1], 7)
    sizes = [len(chunk) for chunk in base.chunks]
    assert log.read(0, most_bytes=sum(sizes[:3])).chunks == base.chunks[:3]
    assert log.read(0, most_bytes=sum(sizes[:3]) - 1).chunks == base.chunks[:2]
    assert log.chunk_at(2) == (1, sealed(base.chunks[1]).check)
    assert log.chunk_at(3) is None
    assert log.checks(1, 2) == [
        (one.first, one.last, 1, one.check) for one in map(sealed, base.chunks[1:3])
    ]
    # What a standby shows is the same, and it may be read there.
    base.servers.shown()
    standby = base.log(base.servers.standbys[0].port, any_node=True)
    assert standby.head().sequence == 7
    assert standby.read(0).chunks == base.chunks
    with pytest.raises(DoubtError, match=r"^error: .* during recovery"):
        standby.barrier()


def test_the_largest_chunk_has_room(base: Base) -> None:
    log = base.log()
    log.take_over(log.head(), "ALPHA", "")
    header = HEADER.pack(
        CHUNK_MAGIC, 5, 0, 8190, 4 << 20, 1, bytes(16), 1, 1, 0, 2**32 - 1
    )
    largest = header + bytes(CHUNK_MAX - len(header))
    log.append(sealed(largest))
    assert log.read(0).chunks == [largest]
    assert log.head().chain == 2**32 - 1


def test_a_ledger_commits_through_it_and_another_follows(
    base: Base, tmp_path: Path
) -> None:
    leading = base.leading()
    assert isinstance(leading.log, PostgresLog)
    way = appender(leading.log, leading)
    paths = [str(tmp_path / name) for name in "ab"]
    given = {"instance": base.instance, **OPTIONS, "threads": False}
    with Ledger(paths[0], **given) as first, Ledger(paths[1], **given) as second:
        first.replicate(way.capsule(), leading.epoch)
        for size in (1, 3, 2):
            first.commit([refused(size)], NOW)
        assert second.follow(base.log().read(0).chunks) == first.sequence == 6
        assert second.state_hash() == first.state_hash()
        assert second.head == first.head
    appended, size, waited_s, longest_s = way.counts
    assert (appended, size) == (3, sum(len(one) for one in base.log().read(0).chunks))
    assert 0 < longest_s <= waited_s
    assert leading.doubts == 0


def test_who_takes_over_must_have_seen_the_newest_head(base: Base) -> None:
    log, other = base.log(), base.log()
    seen = log.head()
    assert log.take_over(seen, "ALPHA", "127.0.0.1:1") == 1
    assert other.take_over(seen, "BETA", "127.0.0.1:2") is None
    behind = other.head()
    log.append(sealed(base.chunks[0]))
    assert other.take_over(behind, "BETA", "127.0.0.1:2") is None
    for wrong in (
        other.head()._replace(sequence=0),
        other.head()._replace(chain=0),
        other.head()._replace(epoch=0),
    ):
        assert other.take_over(wrong, "BETA", "127.0.0.1:2") is None
    assert other.take_over(other.head(), "BETA", "127.0.0.1:2") == 2
    assert log.head()[3:] == (2, "BETA", "127.0.0.1:2", "")


def test_rights_reach_as_far_as_the_log(base: Base) -> None:
    for statement in (
        "DELETE FROM payswitch.chunks",
        "UPDATE payswitch.chunks SET epoch = 9",
        "DELETE FROM payswitch.head",
        "UPDATE payswitch.head SET instance = ''",
        "TRUNCATE payswitch.blobs",
        "DROP SCHEMA payswitch CASCADE",
        "CREATE TABLE payswitch.more (n int)",
        "ALTER SYSTEM SET fsync = off",
    ):
        log = base.log()
        with pytest.raises(DoubtError, match=r"^error: 42501 "):
            log.execute(statement)
        log.close()


def test_a_database_without_a_log_says_so(base: Base, servers: Nodes) -> None:
    empty = PostgresLog(servers.dsn("postgres", "postgres"))
    with pytest.raises(NoHeadError, match="cluster init"):
        empty.reconnect()
    with pytest.raises(DoubtError, match="42P06"):
        create(servers.dsn("postgres", base.name), base.instance)
    assert base.log().head().instance == base.instance


def test_rows_have_their_partitions_ahead(base: Base, servers: Nodes) -> None:
    log = base.log()
    assert log.make_room(0) == 0
    assert log.make_room(9_999_999) == 1
    with pytest.raises(DoubtError, match="too far ahead"):
        log.make_room(10_000_001)
    log.reconnect()
    assert log.execute(
        "SELECT relname::text FROM pg_class WHERE relname LIKE 'chunks\\_0%'"
        " AND relkind = 'r' ORDER BY 1"
    ) == [(f"chunks_00000{n}",) for n in range(4)]


def test_nodes_tell_of_themselves(base: Base) -> None:
    log = base.log()
    log.note("ALPHA", "127.0.0.1:1", 7, b"\1" * 16, "receipt=00")
    log.note("BETA", "127.0.0.1:2", 5, b"\2" * 16, "")
    log.note("ALPHA", "127.0.0.1:1", 8, b"\3" * 16, "receipt=00")
    assert [row[:5] for row in log.nodes()] == [
        ("ALPHA", "127.0.0.1:1", 8, b"\3" * 16, "receipt=00"),
        ("BETA", "127.0.0.1:2", 5, b"\2" * 16, ""),
    ]
    assert all(0 <= row.seen_age_s < 30 for row in log.nodes())
    assert log.standbys() == 2
    assert time.time_ns() - 10**6 <= log.clock_ns() <= time.time_ns() + 10**6


def test_files_are_there_by_their_hash(base: Base) -> None:
    log = base.log()
    for data in (b"", b"lines", bytes(blobs.PART_SIZE) + b"more"):
        name = blobs.put(log, data)
        assert blobs.get(log, name) == data
        assert blobs.put(log, data) == name
    # One part is all that came of it.
    log.execute(blobs.PUT, bytes(32), 0, 2, b"half")
    assert blobs.get(log, bytes(32)) is None
    log.execute(blobs.PUT, bytes(32), 1, 2, b"other")
    with pytest.raises(blobs.BlobError):
        blobs.get(log, bytes(32))


# --- connections that end -----------------------------------------------------------


@pytest.mark.parametrize(
    ("traps", "counts"),
    [
        # doubts, resends, barriers
        pytest.param([(APPEND, Cut.BEFORE)], (1, 1, 0), id="before it is sent"),
        pytest.param([(APPEND, Cut.AFTER)], (1, 0, 1), id="after it is done"),
        pytest.param(
            [(APPEND, Cut.AFTER), (BARRIER, Cut.AFTER)], (1, 0, 2), id="barrier too"
        ),
        pytest.param(
            [(APPEND, Cut.BEFORE), (APPEND, Cut.AFTER)], (1, 1, 1), id="resent, lost"
        ),
        pytest.param(
            [(APPEND, Cut.AFTER), (HEAD, Cut.BEFORE)], (1, 0, 1), id="head, too"
        ),
        pytest.param([(APPEND, Cut.DEAF)], (1, 1, 0), id="held before it is sent"),
        pytest.param([(APPEND, Cut.MUTE)], (1, 0, 1), id="held after it is done"),
        pytest.param([(APPEND, Cut.MUTE), (HEAD, Cut.MUTE)], (1, 0, 1), id="held head"),
        pytest.param(
            [(APPEND, Cut.MUTE), (BARRIER, Cut.DEAF)], (1, 0, 2), id="held barrier"
        ),
    ],
)
def test_a_connection_that_ends_is_settled(
    base: Base,
    door: Proxy,
    traps: list[tuple[bytes, Cut]],
    counts: tuple[int, int, int],
) -> None:
    waits = {cut for _, cut in traps} & {Cut.DEAF, Cut.MUTE}
    leading = base.leading(door.port, wait_s=WAIT_S if waits else 20.0)
    assert leading.append(base.chunks[0]) == LOG_DONE
    door.trap(*traps)
    assert leading.append(base.chunks[1]) == LOG_DONE
    assert door.sprung
    assert (leading.doubts, leading.resends, leading.barriers) == counts
    assert leading.append(base.chunks[2]) == LOG_DONE
    assert base.there() == checks(base.chunks[:3])


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_the_way_of_commits_settles_too(base: Base, door: Proxy, cut: Cut) -> None:
    leading = base.leading(door.port, wait_s=WAIT_S)
    append = called(leading)
    assert append(base.chunks[0]) == LOG_DONE
    door.trap((APPEND, cut))
    assert append(base.chunks[1]) == LOG_DONE
    assert (leading.doubts, leading.deposed) == (1, False)
    assert append(base.chunks[2]) == LOG_DONE
    assert base.there() == checks(base.chunks[:3])


def test_the_way_of_commits_takes_only_chunks_of_its_epoch(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    leading = base.leading()
    append = called(leading)
    said: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: said.append(one.exc_type))
    for wrong in (b"short", base.chunks[0][:40] + b"\7" + base.chunks[0][41:]):
        assert append(wrong) == LOG_UNKNOWN
    assert said == [ValueError, ValueError]
    assert base.there() == []
    assert append(base.chunks[0]) == LOG_DONE


def called(leading: Replicator) -> Callable[[bytes], int]:
    """`log_api.append`, as the core calls it."""
    assert isinstance(leading.log, PostgresLog)
    capsule = appender(leading.log, leading).capsule()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    )

    class Api(ctypes.Structure):
        _fields_ = [
            ("version", ctypes.c_uint32),
            ("log", ctypes.c_void_p),
            ("append", kind),
        ]

    at = pointer(capsule, b"switch._core.log_api")
    api = Api.from_address(at)

    def append(chunk: bytes) -> int:
        assert capsule is not None
        return int(api.append(api.log, chunk, len(chunk)))

    return append


# --- another leads --------------------------------------------------------------------


def take_over(base: Base, name: str = "BETA") -> int:
    log = base.log()
    epoch = log.take_over(log.head(), name, "127.0.0.1:2")
    log.close()
    assert epoch is not None
    return epoch


@pytest.mark.parametrize("way", ["Python", "C"])
def test_who_was_deposed_is_fenced(base: Base, way: str) -> None:
    leading = base.leading()
    append = called(leading) if way == "C" else leading.append
    assert append(base.chunks[0]) == LOG_DONE
    assert take_over(base) == 2
    assert append(base.chunks[1]) == LOG_FENCED
    assert leading.deposed
    assert (leading.fences, leading.barriers) == (1, 1)
    assert leading.doubts_by == {"no row": 1}
    assert append(base.chunks[1]) == LOG_FENCED
    assert base.there() == checks(base.chunks[:1])


@pytest.mark.parametrize(
    ("cut", "outcome"), [(Cut.BEFORE, LOG_FENCED), (Cut.AFTER, LOG_DONE)]
)
def test_who_was_deposed_while_in_doubt_knows_what_became_of_it(
    base: Base, door: Proxy, cut: Cut, outcome: int
) -> None:
    leading = base.leading(door.port)
    assert leading.append(base.chunks[0]) == LOG_DONE

    def meanwhile(seconds: float) -> None:
        if seconds == 0.05:
            take_over(base)
        time.sleep(seconds)

    # Its first look at the head finds no connection; then there is another leader.
    door.trap((APPEND, cut), (HEAD, Cut.BEFORE))
    leading._sleep = meanwhile
    assert leading.append(base.chunks[1]) == outcome
    assert leading.deposed
    landed = 2 if outcome == LOG_DONE else 1
    assert base.there() == checks(base.chunks[:landed])


def test_another_epochs_chunk_at_its_place_is_not_mine(base: Base) -> None:
    leading = base.leading()
    assert leading.append(base.chunks[0]) == LOG_DONE
    assert take_over(base) == 2
    head = HEADER.unpack_from(base.chunks[1])
    theirs = HEADER.pack(*head[:7], 2, *head[8:10], 77) + base.chunks[1][HEADER.size :]
    base.log().append(sealed(theirs))
    assert leading.append(base.chunks[1]) == LOG_FENCED
    assert base.there() == [*checks(base.chunks[:1]), 77]


def test_a_chunk_that_does_not_follow_matches_nothing(base: Base) -> None:
    leading = base.leading()
    assert leading.append(base.chunks[0]) == LOG_DONE
    forked = bytearray(base.chunks[1])
    forked[56:60] = (sealed(base.chunks[1]).previous ^ 1).to_bytes(4, "little")
    for wrong in (bytes(forked), base.chunks[2]):
        with pytest.raises(DoubtError, match=r"^no row"):
            base.log().append(sealed(wrong))
    assert base.there() == checks(base.chunks[:1])


def test_a_log_that_was_put_back_settles_nothing(base: Base, servers: Nodes) -> None:
    leading = base.leading()
    for chunk in base.chunks[:3]:
        assert leading.append(chunk) == LOG_DONE
    first = sealed(base.chunks[0])
    owner = PostgresLog(servers.dsn("postgres", base.name))
    owner.reconnect()
    change = "UPDATE payswitch.head SET sequence = $1, chain = $2, epoch = $3"
    for epoch in (0, 1):
        owner.execute(change, 1, first.check, epoch)
        leading._patience_s = 0.2
        assert leading.append(base.chunks[3]) == LOG_UNKNOWN
        assert "head" in leading.doubts_by
        assert not leading.deposed


# --- standbys and settings ------------------------------------------------------------


def waiting(servers: Nodes, event: str = "SyncRep") -> str:
    """The server processes that wait for standbys."""
    return servers.psql(
        f"SELECT pid FROM pg_stat_activity WHERE wait_event = '{event}' ORDER BY 1"
    )


@pytest.mark.parametrize("options", ["", SILENT], ids=["plain", "silent"])
def test_a_wait_that_was_cut_short_is_doubt_until_a_standby_is_back(
    base: Base, servers: Nodes, options: str
) -> None:
    base.options = options
    leading = base.leading()
    assert leading.append(base.chunks[0]) == LOG_DONE
    outcome: list[int] = []
    append = called(leading)
    work = threading.Thread(target=lambda: outcome.append(append(base.chunks[1])))
    one, two = servers.standbys
    with one.stopped(), two.stopped():
        work.start()
        until(lambda: waiting(servers))
        pid = waiting(servers)
        # It ends as if it were done, with a notice; and the chunk is to be seen.
        servers.psql(f"SELECT pg_cancel_backend({pid})")
        until(lambda: leading.barriers)
        until(lambda: waiting(servers) not in ("", pid))
        assert leading.doubts_by["notice"] == 1
        assert base.there() == checks(base.chunks[:2])
        assert work.is_alive()
        assert outcome == []
    work.join(20.0)
    assert outcome == [LOG_DONE]
    assert leading.barriers >= 1


def test_no_standby_is_no_answer_and_then_unknown(base: Base, servers: Nodes) -> None:
    leading = base.leading(wait_s=WAIT_S)
    leading._patience_s = 1.5
    assert leading.append(base.chunks[0]) == LOG_DONE
    one, two = servers.standbys
    with one.stopped(), two.stopped():
        begun = time.monotonic()
        assert leading.append(base.chunks[1]) == LOG_UNKNOWN
        assert time.monotonic() - begun >= 1.5
        assert leading.doubts_by["timeout"] >= 1
    servers.streaming()
    # What waited lands by itself now, once.
    until(lambda: base.there() == checks(base.chunks[:2]))


def test_one_standby_of_two_is_enough(base: Base, servers: Nodes) -> None:
    leading = base.leading()
    for standby, chunk in zip(servers.standbys, base.chunks, strict=False):
        with standby.stopped():
            assert leading.append(chunk) == LOG_DONE
    assert leading.doubts == 0
    assert base.there() == checks(base.chunks[:2])


STEPS: dict[str, Callable[[PostgresLog, Base], object]] = {
    "append": lambda log, base: log.append(sealed(base.chunks[1])),
    "barrier": lambda log, _: log.barrier(),
    "take-over": lambda log, _: log.take_over(log.head(), "BETA", "127.0.0.1:2"),
    "reconnect": lambda log, _: log.reconnect(),
}


@pytest.mark.parametrize("value", ["", "ANY 1 (*)"], ids=["nobody", "anybody"])
def test_a_server_that_waits_for_nobody_it_names_is_never_done(
    base: Base, servers: Nodes, value: str
) -> None:
    name = "synchronous_standby_names"
    was = servers.psql(f"SHOW {name}")
    leading = base.leading()
    leading._patience_s = 0.5
    append = called(leading)
    assert append(base.chunks[0]) == LOG_DONE
    logs = {step: base.log() for step in STEPS}
    asks = base.log()
    assert asks.standbys() == 2
    servers.set(name, value)
    try:
        until(lambda: asks.execute(f"SHOW {name}") == [(value,)])
        assert asks.standbys() == 0
        for step, log in logs.items():
            until(lambda log=log: log.execute(f"SHOW {name}") == [(value,)])
            with pytest.raises(DoubtError, match=r"^settings"):
                STEPS[step](log, base)
            assert not log.connection.connected
        assert append(base.chunks[2]) == LOG_UNKNOWN
        assert leading.doubts_by["settings"] >= 2
    finally:
        servers.set(name, was)
    log = base.log()
    log.barrier()
    # It did land, and it is a quorum's now.
    assert base.there() == checks(base.chunks[:2])


@pytest.mark.parametrize(
    ("name", "value"), [("client_min_messages", "error"), ("synchronous_commit", "off")]
)
def test_a_session_that_tells_of_no_wait_is_never_done(
    base: Base, name: str, value: str
) -> None:
    leading = base.leading()
    assert leading.append(base.chunks[0]) == LOG_DONE
    for step in ("append", "barrier", "take-over"):
        log = base.log()
        # As who pools connections may do between two statements.
        log.execute(f"SELECT set_config('{name}', '{value}', false)")
        with pytest.raises(DoubtError, match=r"^settings"):
            STEPS[step](log, base)
        assert not log.connection.connected


def test_a_stop_leaves_what_is_in_doubt_unknown(base: Base, door: Proxy) -> None:
    leading = base.leading(door.port)
    leading._stopping = lambda: True
    assert leading.append(base.chunks[0]) == LOG_DONE
    door.trap((APPEND, Cut.AFTER))
    assert leading.append(base.chunks[1]) == LOG_UNKNOWN
    assert leading.unknowns == 1
    assert base.there() == checks(base.chunks[:2])


def test_two_threads_have_no_connection_in_common(base: Base, servers: Nodes) -> None:
    leading = base.leading(wait_s=10.0)
    work = threading.Thread(target=leading.append, args=(base.chunks[0],))
    one, two = servers.standbys
    with one.stopped(), two.stopped():
        work.start()
        until(lambda: waiting(servers))
        with pytest.raises(DoubtError, match=r"^busy"):
            leading.log.head()
    work.join(20.0)
    assert base.there() == checks(base.chunks[:1])
