"""The log in PostgreSQL: one head, chunks, nodes (schema.sql).

A `PostgresLog` has one connection and belongs to one thread at a time. It is made
without one: `reconnect` makes it, and anew after each DoubtError.
"""

import ipaddress
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, cast

from switch.cluster import NoClusterError, NoHeadError
from switch.cluster.log import (
    ADDRESS_MAX,
    NAME_MAX,
    READ_BYTES_MAX,
    READ_CHUNKS_MAX,
    DoubtError,
    Head,
    Part,
    Sealed,
)
from switch.cluster.replicator import Replicator
from switch.errors import ConfigError

__all__ = [
    "Appender",
    "Connection",
    "Hosts",
    "NodeRow",
    "PostgresLog",
    "appender",
    "create",
]

try:
    from switch.cluster._pq import HOSTS_MAX, Appender, Connection, parse
except ImportError:
    raise NoClusterError from None

WAIT_S: Final = 4.0
"""How long one step may take until it is in doubt: `append_timeout_s`."""
CONNECT_S: Final = 2.0
"""How long connecting may take, to all nodes at once."""
SCRIPT_S: Final = 60.0
"""How long making the tables may take."""
SERVER_LEAST: Final = 170005
"""Until 17.5 a commit right after a start could pass over the standbys, and say nothing
(release notes of 17.5: synchronous_standby_names immediately after startup).
"""
HASH_MAX: Final = 64
KEYS_PATTERN: Final = re.compile(r"[ -&(-\[\]-~]{0,200}")
"""Printable, and nothing that ends or bends a string of SQL."""
KEYS_MAX: Final = 200
"""Bytes of what a node says of its state and of its keys."""
NODES_MAX: Final = 64
"""Nodes that are listed, those seen last first."""
UNDEFINED: Final = ("3F000", "42P01", "42703", "42883")
"""What a server says of a schema, table, column or function that is not there."""

# Where anybody counts as a standby, so does a copy that is being made, which is none.
WAITS: Final = (
    "current_setting('synchronous_standby_names') <> ''"
    " AND current_setting('synchronous_standby_names') NOT LIKE '%*%'"
    " AND current_setting('synchronous_commit') IN ('on', 'remote_apply')"
    " AND current_setting('fsync') = 'on'"
    " AND current_setting('client_min_messages') = 'notice'"
)
"""Whether a commit waits for standbys and for disks, and a wait that is cut is told."""

APPEND: Final = f"""
WITH h AS (
    UPDATE payswitch.head SET sequence = $2, chain = $4
    WHERE ledger = 1 AND sequence = $1 AND chain = $5 AND epoch = $3
    RETURNING 1)
INSERT INTO payswitch.chunks (first_sequence, last_sequence, epoch, chain, chunk)
SELECT $1 + 1, $2, $3, $4, $6 FROM h
RETURNING {WAITS}
"""  # noqa: S608  it is ours, all of it
TAKE_OVER: Final = f"""
UPDATE payswitch.head SET epoch = epoch + 1, leader = $4, address = $5, keys = $6
WHERE ledger = 1 AND sequence = $1 AND chain = $2 AND epoch = $3
RETURNING epoch, {WAITS}
"""  # noqa: S608
# A message to nobody: the least that a transaction can write and must wait for.
BARRIER: Final = (
    "SELECT pg_logical_emit_message(true, 'payswitch', 'barrier') IS NOT NULL"
    f" AND {WAITS}"
)
HEAD: Final = (
    "SELECT instance, sequence, chain, epoch, leader, address, keys"
    " FROM payswitch.head WHERE ledger = 1"
)
CHUNK_AT: Final = "SELECT epoch, chain FROM payswitch.chunks WHERE first_sequence = $1"
CHECKS: Final = (
    "SELECT first_sequence, last_sequence, epoch, chain FROM payswitch.chunks"
    " WHERE first_sequence > $1 ORDER BY first_sequence LIMIT $2"
)
CHECKS_MAX: Final = 10_000
# How long a packed value is, or one beside its row, is known without unpacking it.
READ: Final = """
SELECT sequence, chunk FROM payswitch.head LEFT JOIN (
    SELECT first_sequence, chunk, row_number() OVER w AS nth,
        sum(octet_length(chunk)) OVER w AS size
    FROM (
        SELECT first_sequence, chunk FROM payswitch.chunks
        WHERE first_sequence > $1 AND last_sequence <= (
            SELECT sequence FROM payswitch.head WHERE ledger = 1)
        ORDER BY first_sequence LIMIT $3) AS found
    WINDOW w AS (ORDER BY first_sequence)) AS sized
ON nth = 1 OR size <= $2
WHERE ledger = 1
ORDER BY first_sequence
"""
# What a node says of itself may be lost; a commit must not wait for it.
NOTE: Final = """
WITH s AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS kept),
    before AS MATERIALIZED (SELECT process FROM payswitch.nodes WHERE name = $1)
INSERT INTO payswitch.nodes
    (name, address, sequence, state_hash, keys, seen, settings, process, clock_off_s)
SELECT $1, $2, $3, $4, $5, clock_timestamp(), $6, $7,
    ($8::int8 / 1e9 - extract(epoch FROM clock_timestamp()))::float8
FROM s WHERE kept = 'off'
ON CONFLICT (name) DO UPDATE SET address = excluded.address, keys = excluded.keys,
    sequence = excluded.sequence, state_hash = excluded.state_hash,
    seen = excluded.seen, settings = excluded.settings, process = excluded.process,
    clock_off_s = excluded.clock_off_s
RETURNING coalesce((SELECT process FROM before), '')
"""
# A word of the future, or of no moment (`infinity`), is no young one.
NODES: Final = """
SELECT name, address, sequence, state_hash, keys,
    least(abs(extract(epoch FROM clock_timestamp() - seen)), 1e9)::float8, settings,
    CASE WHEN abs(clock_off_s) < 1e9 THEN clock_off_s END
FROM payswitch.nodes ORDER BY seen DESC LIMIT $1
"""
# A wait for a lock ends with the step that it belongs to: who waits for an append that
# waits for standbys must not wait longer than that, nor for ever once nobody asks.
# A warning is all that tells of a wait for standbys that was cut. What a role, a
# database or the connection string says of these does not count here.
OPENED: Final = f"""
SELECT set_config('synchronous_commit', 'on', false),
    set_config('client_min_messages', 'notice', false),
    set_config('statement_timeout', '0', false),
    set_config('transaction_timeout', '0', false),
    set_config('lock_timeout', $1, false),
    set_config('default_transaction_isolation', 'read committed', false),
    {WAITS}
"""
CLOCK: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8"

Row = tuple[int | bytes | str | float | bool | None, ...]


class NodeRow(NamedTuple):
    """What a node said of itself last."""

    name: str
    address: str
    sequence: int
    state_hash: bytes
    keys: str
    seen_age_s: float
    settings: str = ""
    clock_off_s: float | None = None


class Hosts:
    """The nodes of a database, as a connection string names them.

    They are tried at once, so that one that does not answer costs nothing while another
    does. ConfigError if the string cannot be read, has a secret in it, or would have
    what leaves this machine believed to come from the log's database unproved.
    """

    def __init__(
        self, dsn: str, name: str, any_node: bool = False, wait_s: float = WAIT_S
    ) -> None:
        """`any_node`: whichever answers first; else the one that is written to."""
        said = parse(dsn)
        if "service" in said:
            raise ConfigError("dsn: no service, whose file could name other hosts")
        for key, instead in SECRETS.items():
            if key in said:
                raise ConfigError(f"dsn: no {key} in it, which others see: {instead}")
        wait_ms = str(max(1, int(wait_s * 1000)))
        said |= {
            "target_session_attrs": "any" if any_node else "read-write",
            "application_name": f"payswitch {name}"[:NAME_MAX],
            "client_encoding": "UTF8",
            # It would be taken instead of TLS, and nobody would look at `sslmode`.
            "gssencmode": "disable",
            # A peer that is gone without a word, where no step's deadline is running.
            "tcp_user_timeout": wait_ms,
            "keepalives": "1",
            "keepalives_idle": "2",
            "keepalives_interval": "1",
            "keepalives_count": "3",
        }
        lists = {key: said[key].split(",") for key in HOST_KEYS if key in said}
        count = max((len(words) for words in lists.values()), default=1)
        if count > HOSTS_MAX:
            raise ConfigError(f"dsn: {count} hosts; at most {HOSTS_MAX}")
        if any(len(words) not in (1, count) for words in lists.values()):
            raise ConfigError("dsn: as many ports as hosts, or one")
        self.all = [
            said | {key: words[n % len(words)] for key, words in lists.items()}
            for n in range(count)
        ]
        """libpq's options for each."""
        proved = said.get("sslmode") in PROVED
        if not proved and not all(is_here(one) for one in self.all):
            raise ConfigError(
                "dsn: sslmode must be verify-full unless each host is a loopback "
                "address or the path of a socket"
            )


HOST_KEYS: Final = ("host", "hostaddr", "port")
SECRETS: Final = {
    "password": "name a passfile",
    "sslpassword": "use a key without one, that only its owner can read",
}
PROVED: Final = ("verify-full", "verify-ca")
"""With which a server without the right certificate is none."""


def is_here(options: Mapping[str, str]) -> bool:
    """Whether a connection surely stays on this machine; a name may lead anywhere."""
    at = options.get("hostaddr") or options.get("host", "")
    try:
        return at.startswith(("/", "@")) or ipaddress.ip_address(at).is_loopback
    except ValueError:
        return False


class PostgresLog:
    """A `Log` (log.py), and what nodes say of themselves."""

    def __init__(
        self,
        dsn: str,
        name: str = "log",
        *,
        any_node: bool = False,
        wait_s: float = WAIT_S,
        connect_s: float = CONNECT_S,
    ) -> None:
        """`name` is what the database's lists of sessions show. Does not connect."""
        self._hosts = Hosts(dsn, name, any_node, wait_s).all
        self._any_node = any_node
        self.wait_s = wait_s
        """How long one step may take."""
        self._connect_s = connect_s
        self.connection = Connection()

    # --- Log ----------------------------------------------------------------------

    def reconnect(self) -> None:
        """Let go of what was, and connect anew.

        A node that did not answer in time is taken again only if no other is there.
        """
        self.connection.close()
        self.connection.open(self._hosts, self._connect_s)
        if self.connection.server_version < SERVER_LEAST:
            self.connection.close()
            raise ConfigError(TOO_OLD)
        lock_ms = str(max(1, int(self.wait_s * 1000)))
        waits = self._execute(OPENED, lock_ms)[0][-1]
        if self._any_node:
            return
        if not waits:
            self.connection.close()
            raise DoubtError("settings", UNSAFE)
        try:
            self.connection.prepare_append(APPEND, self.wait_s)
        except DoubtError as doubt:
            raise named(doubt) from None

    def append(self, chunk: Sealed) -> None:
        """Return only if the chunk is in the log on a quorum, without any doubt."""
        self.connection.append(chunk, self.wait_s)

    def head(self) -> Head:
        """The head. NoHeadError if the database has none, or lets us see none."""
        rows = self._execute(HEAD)
        if not rows:
            raise NoHeadError(NO_HEAD)
        return Head(*cast(tuple[bytes, int, int, int, str, str, str], rows[0]))

    def chunk_at(self, first: int) -> tuple[int, int] | None:
        """(epoch, check) of the chunk that begins with row `first`."""
        rows = self._execute(CHUNK_AT, first)
        return cast(tuple[int, int], rows[0]) if rows else None

    def barrier(self) -> None:
        """Return once all that this connection has shown is on a quorum."""
        self._must_wait(self._execute(BARRIER)[0][0])

    def take_over(
        self, at: Head, name: str, address: str, keys: str = ""
    ) -> int | None:
        """Become who may append to a log that is still as in `at`: the new epoch."""
        bounded(name, address, keys)
        self.make_room(at.sequence)
        where = at.sequence, at.chain, at.epoch
        rows = self._execute(TAKE_OVER, *where, name, address, keys)
        if not rows:
            return None
        epoch, waits = rows[0]
        self._must_wait(waits)
        return cast(int, epoch)

    def read(
        self,
        after: int,
        most_bytes: int = READ_BYTES_MAX,
        most_chunks: int = READ_CHUNKS_MAX,
    ) -> Part:
        """Chunks that begin behind row `after`, in order; one at least if there is."""
        most = min(most_bytes, READ_BYTES_MAX), min(most_chunks, READ_CHUNKS_MAX)
        rows = self._execute(READ, after, *most)
        if not rows:
            raise NoHeadError(NO_HEAD)
        chunks = [cast(bytes, chunk) for _, chunk in rows if chunk is not None]
        return Part(chunks, cast(int, rows[0][0]))

    def checks(
        self, after: int, most: int = CHECKS_MAX
    ) -> list[tuple[int, int, int, int]]:
        """(first, last, epoch, check) of chunks behind row `after`, in order."""
        rows = self._execute(CHECKS, after, min(most, CHECKS_MAX))
        return [cast(tuple[int, int, int, int], row) for row in rows]

    # --- beside it ------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the connection."""
        self.connection.close()

    def make_room(self, sequence: int) -> int:
        """Have partitions made for rows from here on; how many were missing.

        Who leads calls it now and then, on a connection that appends do not use.
        """
        return cast(int, self._execute(MAKE_ROOM, sequence)[0][0])

    def note(
        self,
        name: str,
        address: str,
        sequence: int,
        state_hash: bytes,
        keys: str,
        settings: str = "",
        process: str = "",
    ) -> str:
        """Say how far a node is; which process had its name before. Nothing waits for
        it; it may be lost.
        """
        bounded(name, address, keys)
        bounded(name, address, settings)
        if len(state_hash) > HASH_MAX:
            raise ValueError("a state hash that is too long")
        said = name, address, sequence, state_hash, keys, settings, process
        return cast(str, self._execute(NOTE, *said, time.time_ns())[0][0])

    def nodes(self) -> list[NodeRow]:
        """What nodes have said of themselves, the newest word first."""
        rows = self._execute(NODES, NODES_MAX)
        return [
            NodeRow(
                *cast(tuple[str, str, int, bytes, str, float, str, float | None], row)
            )
            for row in rows
        ]

    def clock_ns(self) -> int:
        """The server's wall clock, ns since 1970."""
        return cast(int, self._execute(CLOCK)[0][0]) * 1000

    def standbys(self) -> int:
        """Standbys that stream now and that commits may wait for."""
        return cast(int, self._execute("SELECT payswitch.standbys()")[0][0])

    def execute(self, statement: str, *params: int | bytes | str) -> list[Row]:
        """Another statement on these tables, in a transaction of its own."""
        return self._execute(statement, *params)

    def _execute(self, statement: str, *params: int | bytes | str) -> list[Row]:
        try:
            return self.connection.execute(statement, params, self.wait_s)
        except DoubtError as doubt:
            raise named(doubt) from None

    def _must_wait(self, waits: object) -> None:
        if waits is not True:
            self.connection.close()
            raise DoubtError("settings", UNSAFE)


UNSAFE: Final = "the server does not wait for standbys, or would not say so"
MAKE_ROOM: Final = "SELECT payswitch.make_room($1)"
TOO_OLD: Final = (
    "the log needs PostgreSQL 17.5 or newer: before that a commit right after a start "
    "may pass over the standbys"
)
NO_HEAD: Final = "the database has no log: `payswitch cluster init` makes it"
OLD_LOG: Final = (
    "the log was begun by an older version: `payswitch cluster upgrade` brings its "
    "tables up to date, while its switches go on (docs/cluster.md)"
)
OLD_COLUMN: Final = "42703"
"""What a server says of a column that is not there."""


def named(doubt: DoubtError) -> Exception:
    """What is raised for it: that there are no tables will not be otherwise soon."""
    if doubt.why == "error" and doubt.text.startswith(UNDEFINED):
        is_old = doubt.text.startswith(OLD_COLUMN)
        return NoHeadError(OLD_LOG if is_old else NO_HEAD)
    return doubt


def bounded(name: str, address: str, keys: str = "") -> None:
    """ValueError for what the tables have no room for."""
    if len(keys.encode()) > KEYS_MAX:
        raise ValueError("keys, or settings, that are too long")
    if len(name.encode()) > NAME_MAX or len(address.encode()) > ADDRESS_MAX:
        raise ValueError(
            f"a name of at most {NAME_MAX} bytes, an address of {ADDRESS_MAX}"
        )


def appender(log: PostgresLog, replicator: Replicator) -> Appender:
    """The way that commits take through this log, and the replicator over it."""
    if replicator.log is not log:
        raise ValueError("the replicator is another log's")
    return Appender(log.connection, replicator, log.wait_s)


def create(
    dsn: str,
    instance: bytes,
    sequence: int = 0,
    chain: int = 0,
    epoch: int = 0,
    keys: str = "",
) -> None:
    """Make the tables and the head of a ledger that is as far as this, and has these
    keys.

    The connection string is that of the database's owner. DoubtError if it fails: a
    database that has the tables already is left as it is.
    """
    if len(instance) != 16:
        raise ValueError("an instance has 16 bytes")
    if not KEYS_PATTERN.fullmatch(keys):
        raise ValueError("keys are fingerprints")
    # Nothing that must be quoted, and one transaction as it is one message.
    script = Path(__file__).with_name("schema.sql").read_text() + (
        "INSERT INTO payswitch.head VALUES"  # noqa: S608
        f" (1, '\\x{instance.hex()}', {sequence:d}, {chain:d}, {epoch:d}, '', '',"
        f" '{keys}');\n"
        f"SELECT payswitch.make_room({sequence:d})"
    )
    _run_script(dsn, script)


def upgrade(dsn: str) -> None:
    """Bring the tables of a log that there is up to date, as the database's owner; what
    is so already stays. DoubtError if it fails.
    """
    _run_script(dsn, Path(__file__).with_name("upgrade.sql").read_text())


def _run_script(dsn: str, script: str) -> None:
    connection = Connection()
    connection.open(Hosts(dsn, "owner").all, CONNECT_S)
    try:
        connection.run_script(script, SCRIPT_S)
    finally:
        connection.close()
