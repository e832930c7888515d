"""`payswitch cluster`: the log that several switches share, and who leads.

Asks the log itself, as a switch does: no switch need be there. What needs a ledger's
files is another program's (`switch/joining`). Without libpq each says so.
"""

import os
import signal
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from switch.config import load_config
from switch.console.output import Exit, Screen
from switch.errors import ConfigError, UsageError
from switch.fingerprints import different_keys, different_parts
from switch.programs import program, tethered

TEXT = "several switches over one log: begin it, join it, look at it, hand it on"
LOOK_S = 2.0
"""For one database node to answer."""
STANDBYS_LEAST = 2
"""With one that is lost a commit waits for ever."""
SEEN_MS = 5_000
LAG_ROWS_MAX = 65_536
CLOCK_OFF_MS = 1_000
"""Of a node that could take over: how long ago it spoke, how far behind it may be, and
how far its clock may be from the log's.
"""
NODE = """
SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names'),
    current_setting('synchronous_commit'), current_setting('data_checksums'),
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
     ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn)::int8
"""
"""What a database node says of itself to anybody."""
STEP_DOWN = """
UPDATE payswitch.head SET epoch = epoch + 1, leader = '', address = '',
    keys = CASE WHEN $2 = 0::int8 THEN keys ELSE '' END
WHERE ledger = 1 AND epoch = $1
RETURNING epoch,
"""
"""Wherever the log is by then: who steps down goes on appending until it sees that.
Whose keys are right stays known, unless they are to be forgotten.
"""

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_verbs(add: Add) -> None:
    """`cluster init | seed | status | step-down | upgrade`."""
    init = add("init", _init, "make the log of a ledger: tables, role and head")
    _add_dsn(init, "of the database's owner")
    which = init.add_mutually_exclusive_group(required=True)
    which.add_argument(
        *("--from",),
        dest="source",
        type=Path,
        metavar="DIR",
        help="a ledger that there is; its switch must be stopped",
    )
    which.add_argument(
        *("--new",),
        type=Path,
        metavar="DIR",
        help="where the first node's ledger will be; its keys are made there",
    )
    init.add_argument(
        "--again",
        action="store_true",
        help="of a cluster's ledger whose log is gone for good, or was never begun",
    )
    seed = add(
        "seed", _seed, "give a node its copy of the ledger, compared with the log"
    )
    _add_dsn(seed, "")
    seed.add_argument(
        "--from",
        dest="source",
        type=Path,
        required=True,
        metavar="DIR",
        help="a node's ledger, running or not, or a copy by `payswitch backup`; -: "
        "what `payswitch backup -` sends, on standard input",
    )
    seed.add_argument(
        "--keys",
        type=Path,
        metavar="DIR",
        help="which has quotation.keys and receipt.key (default: as --from)",
    )
    seed.add_argument("target", type=Path, metavar="TO", help="a directory to be made")
    status = add("status", _status, "databases, who leads, how far each node is")
    _add_dsn(status, "")
    down = add("step-down", _step_down, "have the leading switch hand over to another")
    _add_dsn(down, "")
    down.add_argument(
        "--forget-keys",
        action="store_true",
        help="whoever leads next has the right keys: only once all nodes have new ones",
    )
    upgrade = add("upgrade", _upgrade, "bring an older log's tables up to date")
    _add_dsn(upgrade, " of the database's owner")


def _upgrade(args: Namespace, screen: Screen) -> Exit:
    """Beside switches that go on."""
    from switch.cluster.log import DoubtError
    from switch.cluster.postgres import upgrade

    try:
        upgrade(_dsn(args))
    except DoubtError as doubt:
        screen.note(f"payswitch: it may have been done or not, try again: {doubt}")
        return Exit.UNKNOWN
    if screen.as_json:
        screen.value({"cluster": "upgraded"})
    else:
        screen.facts([("cluster", "upgraded")])
    return Exit.DONE


def _add_dsn(command: ArgumentParser, whose: str) -> None:
    said = f"libpq's connection string, with every node{' ' if whose else ''}{whose}"
    command.add_argument("--dsn", default="", metavar="DSN", help=said)
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a switch's settings, whose [cluster] has it",
    )


def _dsn(args: Namespace) -> str:
    """Where the log is, as an argument or a file of settings says."""
    dsn = str(args.dsn)
    if not dsn and args.config is not None:
        dsn = load_config(args.config).cluster.dsn
    if not dsn:
        raise UsageError("where is the log? Name it with --dsn, or --config FILE")
    return dsn


def _init(args: Namespace, screen: Screen) -> Exit:
    words = ["--from", str(args.source)] if args.source else ["--new", str(args.new)]
    if args.again:
        words.append("--again")
    return _run(screen, _dsn(args), "init", *words)


def _seed(args: Namespace, screen: Screen) -> Exit:
    words = ["--from", str(args.source)]
    if args.keys:
        words += ["--keys", str(args.keys)]
    return _run(screen, _dsn(args), "seed", *words, "--", str(args.target))


def _run(screen: Screen, dsn: str, *words: str) -> Exit:
    """A program of its own: LMDB trusts the pages that it maps."""
    # Says that libpq is not there, where that is so.
    import switch.cluster.postgres  # noqa: F401
    from switch.cluster import DSN_VARIABLE

    verb, *rest = words
    command = program("switch.joining", verb, "--lang", screen.language.value)
    if screen.as_json:
        command.append("--json")
    environment = os.environ | {DSN_VARIABLE: dsn}
    done = subprocess.run(tethered([*command, *rest]), check=False, env=environment)
    code = done.returncode
    if code < 0:
        screen.note(f"payswitch: it was ended by {signal.Signals(-code).name}")
        return Exit.FINDINGS
    return Exit(code)


# --- the log -------------------------------------------------------------------------


def _status(args: Namespace, screen: Screen) -> Exit:
    """What is so now, by the database alone."""
    from switch.cluster.log import DoubtError

    dsn = _dsn(args)
    databases = _databases(dsn)
    told: dict[str, Any] = {"databases": databases, "log": None, "nodes": []}
    try:
        told |= _log(dsn)
    except DoubtError as doubt:
        told["doubt"] = str(doubt)
    told["ok"] = _is_well(told)
    if screen.as_json:
        screen.value(told)
    else:
        _show(told, screen)
    return Exit.DONE if told["log"] else Exit.UNKNOWN


def _is_well(told: dict[str, Any]) -> bool:
    """Whether any one machine may go now: a database, and a switch."""
    return bool(
        told["log"]
        and told["log"]["leader"]
        and told["log"]["standbys"] >= STANDBYS_LEAST
        and all(one["reached"] for one in told["databases"])
        and any(map(_may_lead, told["nodes"]))
    )


def _may_lead(node: dict[str, Any]) -> bool:
    """Whether this node could take over soon from the one that leads."""
    return bool(
        not node["leads"]
        and node["seen_ms"] <= SEEN_MS
        and node["behind"] <= LAG_ROWS_MAX
        and not node["other_keys"]
        and abs(node["clock_off_ms"] or 0) <= CLOCK_OFF_MS
    )


def _databases(dsn: str) -> list[dict[str, Any]]:
    """Each database node by itself, whatever it is."""
    from switch.cluster.log import DoubtError
    from switch.cluster.postgres import Connection, Hosts

    found = []
    for options in Hosts(dsn, "status", any_node=True).all:
        address = f"{options.get('host', '')}:{options.get('port', '5432')}"
        connection = Connection()
        said: dict[str, Any] = {"address": address, "reached": True}
        try:
            connection.open([options], LOOK_S)
            standby, names, commit, sums, at = connection.execute(NODE, (), LOOK_S)[0]
            said |= {"role": "standby" if standby else "primary", "at": at}
            said |= {"checksums": sums == "on"}
            if not standby:
                said |= {"waits_for": names, "synchronous_commit": commit}
        except DoubtError as doubt:
            said |= {"reached": False, "why": str(doubt)}
        finally:
            connection.close()
        found.append(said)
    first = max((one["at"] for one in found if one.get("role") == "primary"), default=0)
    for one in found:
        if first and "at" in one:
            one["lag_bytes"] = max(0, first - one["at"])
    return found


def _log(dsn: str) -> dict[str, Any]:
    """The head, and what nodes say of themselves. Raises DoubtError, ConfigError."""
    from switch.cluster.postgres import PostgresLog

    log = PostgresLog(dsn, "status")
    try:
        log.reconnect()
        nodes, head, standbys = log.nodes(), log.head(), log.standbys()
    finally:
        log.close()
    leaders = {one.name: one.settings for one in nodes}.get(head.leader, "")
    return {
        "log": {
            "instance": head.instance.hex(),
            "sequence": head.sequence,
            "chain": f"{head.chain:08x}",
            "epoch": head.epoch,
            "leader": head.leader,
            "address": head.address,
            "keys": head.keys,
            "standbys": standbys,
        },
        "nodes": [
            {
                "name": one.name,
                "address": one.address,
                "leads": one.name == head.leader,
                "sequence": one.sequence,
                "behind": max(0, head.sequence - one.sequence),
                "seen_ms": round(1000 * one.seen_age_s),
                "clock_off_ms": one.clock_off_s and round(1000 * one.clock_off_s),
                "keys": one.keys,
                "other_keys": different_keys(one.keys, head.keys),
                "settings": one.settings,
                "other_settings": different_parts(leaders, one.settings),
            }
            for one in nodes
        ],
    }


def _show(told: dict[str, Any], screen: Screen) -> None:
    """For people."""
    word = screen.language.word
    screen.table(
        ("database", "database role", "lag", "waits for"),
        [
            (
                one["address"],
                one.get("role", word("unreachable")),
                str(one.get("lag_bytes", "")),
                one.get("waits_for", one.get("why", "")),
            )
            for one in told["databases"]
        ],
    )
    if told["log"] is None:
        screen.line(f"{word('no log')}: {told['doubt']}")
        return
    screen.table(
        ("node", "node address", "leads", "entry", "behind", "seen"),
        [
            (
                one["name"],
                one["address"],
                word("yes" if one["leads"] else "no"),
                str(one["sequence"]),
                str(one["behind"]),
                f"{one['seen_ms']} ms",
            )
            for one in told["nodes"]
        ],
        drop=("node address", "entry"),
    )
    for one in told["nodes"]:
        if one["other_keys"]:
            screen.line(f"{one['name']}: {one['other_keys']}")
        if abs(one["clock_off_ms"] or 0) > CLOCK_OFF_MS:
            screen.line(f"{one['name']}: {word('clock off')} {one['clock_off_ms']} ms")
        if one["other_settings"]:
            parts = ", ".join(one["other_settings"])
            screen.line(f"{one['name']}: {word('other settings')}: {parts}")
    log = told["log"]
    screen.facts(
        [
            ("leads", f"{log['leader'] or '-'} {log['address']}".rstrip()),
            ("epoch", str(log["epoch"])),
            ("as of", str(log["sequence"])),
            ("standbys", str(log["standbys"])),
            ("may lose one", word("yes" if told["ok"] else "no")),
        ]
    )


def _step_down(args: Namespace, screen: Screen) -> Exit:
    """Raise the epoch for nobody: the leader sees that, and another one takes over."""
    from switch.cluster.log import DoubtError
    from switch.cluster.postgres import WAITS, PostgresLog

    log = PostgresLog(_dsn(args), "step-down")
    try:
        log.reconnect()
        head = log.head()
        if not head.leader and not args.forget_keys:
            raise ConfigError("nobody leads that could step down")
        rows = log.execute(STEP_DOWN + WAITS, head.epoch, int(args.forget_keys))
        if not rows:
            raise ConfigError("another one has taken over meanwhile")
        epoch, waited = rows[0]
        if not waited:
            raise DoubtError("settings")
    except DoubtError as doubt:
        screen.note(f"payswitch: it may have been done or not: {doubt}")
        return Exit.UNKNOWN
    finally:
        log.close()
    told = {"stepped_down": head.leader, "epoch": epoch}
    if screen.as_json:
        screen.value(told)
    else:
        screen.facts([("steps down", head.leader), ("epoch", str(epoch))])
    return Exit.DONE
