"""`python -m switch.joining init …` and `… seed …`, run by `payswitch cluster`.

The log's connection string is in the variable `DSN_VARIABLE`.
"""

import argparse
import datetime
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from switch.backup.copying import copy, finish, partial_of, receive
from switch.backup.ending import ended
from switch.backup.proof import prove
from switch.backup.streaming import STREAM, Stream, check_no_terminal
from switch.cluster import DSN_VARIABLE
from switch.cluster.log import DoubtError
from switch.cluster.postgres import CONNECT_S, Connection, Hosts, PostgresLog, create
from switch.console.output import Exit, Screen
from switch.console.words import Language
from switch.errors import ConfigError
from switch.fingerprints import different_keys
from switch.joining.base import Base, base_of, base_of_stream, check
from switch.ledger import quotation_keys, receipt_key
from switch.ledger.node_keys import fingerprints, make_keys
from switch.ledger.opening import locked
from switch.ledger.shapes import CLUSTER, HALTED, remove_mark, shape, write_mark

_INSTANCE_SIZE = 16
_NOTHING_DONE = ("25", "42", "53")
"""Classes of SQLSTATE that a statement fails with, and all before it: not allowed, not
right, no room. Others come of a connection's or a server's end, maybe behind a commit.
"""
LOG_IS_THERE = "SELECT to_regnamespace('payswitch') IS NOT NULL"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true")
    common.add_argument("--lang", default="en", choices=[one.value for one in Language])
    made = argparse.ArgumentParser(prog="python -m switch.joining", description=__doc__)
    verbs = made.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("init", parents=[common])
    one.add_argument("--from", dest="source", type=Path)
    one.add_argument("--new", type=Path)
    one.add_argument("--again", action="store_true")
    one = verbs.add_parser("seed", parents=[common])
    one.add_argument("--from", dest="source", type=Path, required=True)
    one.add_argument("--keys", type=Path)
    one.add_argument("target", type=Path)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; gives the exit code."""
    args = parser().parse_args(argv)
    screen = Screen(as_json=args.json, language=Language(args.lang))
    return ended(lambda: _run(args, screen), screen)


def _run(args: argparse.Namespace, screen: Screen) -> Exit:
    try:
        return (_init if args.verb == "init" else _seed)(args, screen)
    except DoubtError as doubt:
        screen.note(f"payswitch: the log: {doubt}")
        return Exit.UNKNOWN


def _init(args: argparse.Namespace, screen: Screen) -> Exit:
    """The tables, and a head where the ledger stands."""
    directory: Path = args.source or args.new
    if args.source and not shape(directory / "journal"):
        raise ConfigError(f"{directory} holds no ledger")
    if args.new and (directory / "journal").exists():
        raise ConfigError(f"{directory} holds a ledger: name it with --from")
    _check_mark(directory, again=args.again)
    # Nobody serves it until the log has its head, and it its mark: what was taken
    # meanwhile, or alone afterwards, would be in no log.
    with locked(directory):
        if args.source:
            base = base_of(directory)
        else:
            base = Base(secrets.token_bytes(_INSTANCE_SIZE), 0, 0, 0)
        dsn = os.environ[DSN_VARIABLE]
        _check_room(dsn)
        make_keys(directory)
        _create(dsn, base, directory, screen)
    told = {
        "cluster": "made",
        "instance": base.instance.hex(),
        "sequence": base.sequence,
        "epoch": base.epoch,
        "keys": fingerprints(directory),
    }
    return _tell(screen, told)


def _check_mark(directory: Path, *, again: bool) -> None:
    """Raise ConfigError if a ledger is evidence, or may have a log already."""
    _check_whole(directory)
    if shape(directory / CLUSTER) and not again:
        raise ConfigError(
            f"{directory} is a cluster's already: with a second log the same payments "
            "would be taken twice. Add --again only once all switches are stopped and "
            "the log that it had is gone for good, or was never begun "
            "(docs/cluster.md). Nothing was changed"
        )


def _check_whole(directory: Path) -> None:
    """Raise ConfigError if the node there has halted."""
    if shape(directory / HALTED):
        raise ConfigError(
            f"{directory} has {HALTED}: its node found that it differs from the log. "
            "Take another node's ledger, and keep this one for a person"
        )


def _create(dsn: str, base: Base, directory: Path, screen: Screen) -> None:
    """Mark the ledger, then begin its log. The mark goes if there is surely no log."""
    path = directory / CLUSTER
    marked_before = bool(shape(path))
    _mark(path, base)
    try:
        keys = fingerprints(directory)
        create(dsn, base.instance, base.sequence, base.chain, base.epoch, keys)
    except DoubtError as doubt:
        refused = doubt.why == "error" and doubt.text.startswith(_NOTHING_DONE)
        if refused and not marked_before:
            remove_mark(path)
        else:
            screen.note(
                f"payswitch: {path} stays, so that no server without [cluster] takes "
                "the ledger. Whether the log was begun `payswitch cluster status` "
                "tells; if it was not, try again (docs/cluster.md)"
            )
        raise


def _mark(path: Path, base: Base) -> None:
    """Say that a ledger is a cluster's; both words have one length for ever."""
    day = datetime.datetime.now(datetime.UTC).date()
    write_mark(path, f"{base.instance.hex()} {day}\n")


def _check_room(dsn: str) -> None:
    """Raise ConfigError if the database has a log; DoubtError if it does not answer."""
    connection = Connection()
    try:
        connection.open(Hosts(dsn, "init").all, CONNECT_S)
        if connection.execute(LOG_IS_THERE, (), CONNECT_S)[0][0]:
            raise ConfigError(
                "the database has a log already: a ledger has one, and a log one "
                "ledger. Nothing was changed"
            )
    finally:
        connection.close()


def _seed(args: argparse.Namespace, screen: Screen) -> Exit:
    """A copy of a journal that the log goes on from, with the keys of all nodes."""
    stream = _stream(args)
    if stream is None:
        _check_whole(args.source)
    log = PostgresLog(os.environ[DSN_VARIABLE], "seed")
    log.reconnect()
    keys: Path = args.keys or args.source
    # Before the copy is made: it takes longer.
    own = fingerprints(keys)
    head = check(log, base_of_stream(stream) if stream else base_of(args.source))
    differs = different_keys(own, head.keys)
    if differs:
        raise ConfigError(f"{keys} is not for this log: {differs}")
    if stream:
        clusters = stream.begin.is_clusters
        copied = receive(stream, args.target, is_clusters=clusters)
    else:
        copied = copy(args.source, args.target)
    partial = partial_of(args.target)
    proof = prove(partial, None)
    if proof.findings:
        for finding in proof.findings:
            screen.note(f"  {finding}")
        raise ConfigError(f"{partial} is damaged, and so is what it was copied from")
    base = base_of(partial)
    if base.sequence != copied.sequence or base.sequence != proof.sequence:
        raise ConfigError(f"{partial} does not end where the copy did")
    log.reconnect()
    head = check(log, base)
    log.close()
    _mark(partial / CLUSTER, base)
    finish(args.target)
    quotation_keys.write_keys(args.target, quotation_keys.read_keys(keys))
    receipt = receipt_key.read_key(keys)
    assert receipt is not None
    receipt_key.write_key(args.target, receipt)
    told = {
        "seed": "ok",
        "to": str(args.target),
        "sequence": copied.sequence,
        "epoch": base.epoch,
        "behind": head.sequence - copied.sequence,
        "state_hash": proof.state_hash,
        "keys": fingerprints(args.target),
    }
    return _tell(screen, told)


def _stream(args: argparse.Namespace) -> Stream | None:
    """What comes on standard input, if the copy does."""
    if str(args.source) != STREAM:
        return None
    if args.keys is None:
        raise ConfigError(
            "keys do not come with a stream: name a directory that has them with --keys"
        )
    check_no_terminal(sys.stdin, "--from -")
    return Stream(sys.stdin.buffer)


def _tell(screen: Screen, told: dict[str, Any]) -> Exit:
    if screen.as_json:
        screen.value(told)
    else:
        screen.facts([(name.replace("_", " "), str(of)) for name, of in told.items()])
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
