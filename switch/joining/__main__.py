"""`python -m switch.joining init …` and `… seed …`, run by `payswitch cluster`.

The log's connection string is in the variable `DSN_VARIABLE`.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lmdb

from switch.backup.copying import copy, finish, partial_of
from switch.backup.proof import UnprovedError, check_idle, prove
from switch.cluster import DSN_VARIABLE
from switch.cluster.log import DoubtError
from switch.cluster.postgres import CONNECT_S, Connection, Hosts, PostgresLog, create
from switch.console.output import Exit, Screen
from switch.console.words import Language
from switch.errors import BusyError, ConfigError, StorageError, SwitchError
from switch.joining.base import Base, base_of, check
from switch.ledger import quotation_keys, receipt_key
from switch.ledger.node_keys import fingerprints, make_keys

_INSTANCE_SIZE = 16
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
    one = verbs.add_parser("seed", parents=[common])
    one.add_argument("--from", dest="source", type=Path, required=True)
    one.add_argument("--keys", type=Path)
    one.add_argument("target", type=Path)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; gives the exit code."""
    args = parser().parse_args(argv)
    screen = Screen(as_json=args.json, language=Language(args.lang))
    try:
        return int((_init if args.verb == "init" else _seed)(args, screen))
    except ConfigError as error:
        screen.note(f"payswitch: {error}")
        return Exit.CONFIG
    except BusyError as error:
        screen.note(f"payswitch: {error}")
        return Exit.USAGE
    except DoubtError as doubt:
        screen.note(f"payswitch: the log: {doubt}")
        return Exit.UNKNOWN
    except (StorageError, UnprovedError, SwitchError, lmdb.Error, OSError) as error:
        screen.note(f"payswitch: {error}")
        return Exit.UNKNOWN
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _init(args: argparse.Namespace, screen: Screen) -> Exit:
    """The tables, and a head where the ledger stands."""
    directory: Path = args.source or args.new
    if args.source:
        # Entries that came while the head is written would be in no log.
        check_idle(directory)
        base = base_of(directory)
    else:
        if (directory / "journal").exists():
            raise ConfigError(f"{directory} holds a ledger: name it with --from")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        base = Base(secrets.token_bytes(_INSTANCE_SIZE), 0, 0, 0)
    dsn = os.environ[DSN_VARIABLE]
    _check_room(dsn)
    make_keys(directory)
    create(dsn, base.instance, base.sequence, base.chain, base.epoch)
    told = {
        "cluster": "made",
        "instance": base.instance.hex(),
        "sequence": base.sequence,
        "epoch": base.epoch,
        "keys": fingerprints(directory),
    }
    return _tell(screen, told)


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
    log = PostgresLog(os.environ[DSN_VARIABLE], "seed")
    log.reconnect()
    keys: Path = args.keys or args.source
    # Before the copy is made: it takes longer.
    fingerprints(keys)
    check(log, base_of(args.source))
    copied = copy(args.source, args.target)
    partial = partial_of(args.target)
    proof = prove(partial, None)
    if proof.findings:
        for finding in proof.findings:
            screen.note(f"  {finding}")
        raise ConfigError(f"{partial} is damaged, and so is what it was copied from")
    base = base_of(partial)
    log.reconnect()
    head = check(log, base)
    log.close()
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


def _tell(screen: Screen, told: dict[str, Any]) -> Exit:
    if screen.as_json:
        screen.value(told)
    else:
        screen.facts([(name.replace("_", " "), str(of)) for name, of in told.items()])
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
