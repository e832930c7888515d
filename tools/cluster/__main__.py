"""`make cluster`: start it, harm it, prove it, end it. The last line is one of JSON.

Without an option: the databases, two switches, each drill once, proofs, audits; then
all is ended. 1 if anything was not as it should be.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tools.cluster import whole
from tools.cluster.day import run_day
from tools.cluster.drills import ORDERS, cold_starts
from tools.cluster.payers import Payers, check_again
from tools.cluster.processes import as_default
from tools.cluster.programs import MissingError
from tools.cluster.proof import prove
from tools.cluster.restore import run_restore
from tools.cluster.stand import Stand, StandError
from tools.cluster.switches import Switches
from tools.cluster.writer import make_schema


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="make cluster ARGS=...", description=__doc__)
    made.add_argument("--data", type=Path, default=Path("data/cluster"), metavar="DIR")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--up", action="store_true", help="start it, and leave it")
    what.add_argument("--day", action="store_true", help="the hard day, with harms")
    what.add_argument("--restore", action="store_true", help="the log of the past")
    what.add_argument("--down", action="store_true", help="end and remove it")
    what.add_argument(
        "--cold-starts",
        nargs="*",
        metavar="ORDERS",
        help="kill three databases in turn and start them in these of the six orders",
    )
    when = made.add_mutually_exclusive_group()
    when.add_argument("--early", action="store_true", help="the second at its answers")
    when.add_argument("--late", action="store_true", help="when two are a quorum")
    made.add_argument("--short", action="store_true", help="less than four minutes")
    made.add_argument("--drills", nargs="*", choices=whole.ALL, help="only these")
    made.add_argument("--without-hook", action="store_true", help="see cluster.md")
    made.add_argument("--without-archive", action="store_true", help="see cluster.md")
    return made


def run_cold_starts(stand: Stand, args: argparse.Namespace) -> dict[str, Any]:
    """Each of the orders; the figures of all."""
    late = (False,) if args.early else (True,) if args.late else (False, True)
    rounds = []
    for one in cold_starts(stand, args.cold_starts or ORDERS, late):
        print(json.dumps(one), flush=True)
        rounds.append(one)
    good = [one for one in rounds if one["ok"]]
    took = [one["whole_s"] for one in good]
    return {
        "cold_starts": len(rounds),
        "whole": len(good),
        "whole_s": [min(took), max(took)] if took else None,
        "answered": sum(one["answered"] for one in rounds),
        "wrong": [text for one in rounds for text in one["wrong"]][:20],
        "collisions": sum(len(one["collisions"]) for one in rounds),
        "ok": len(good) == len(rounds),
    }


def run_whole(stand: Stand, args: argparse.Namespace) -> dict[str, Any]:
    """Two switches, the drills under load, and the proofs."""
    switches = Switches(stand)
    rounds = []
    try:
        if not args.kept:
            switches.make()
        switches.up()
        if not args.kept:
            switches.load_network()
        names = args.drills or (whole.SHORT if args.short else whole.ALL)
        with Payers(switches) as payers:
            for one in whole.run(stand, switches, payers, names):
                print(json.dumps(one), flush=True)
                rounds.append(one)
        say(f"{len(payers.answered)} were answered; asking again")
        again = check_again(switches, payers)
        switches.wait_level()
    finally:
        switches.down()
    say("comparing journals with the log, and auditing both")
    proof = prove(switches)
    wrong = [*again.pop("different"), *proof["wrong"]]
    ok = not wrong and all(one["ok"] for one in rounds)
    return {
        "drills": len(rounds),
        "silence_s": {one["drill"]: one["silence_s"] for one in rounds},
        **again,
        "sent_again": payers.again,
        "state_hash": proof["state_hash"],
        "wrong": wrong,
        "ok": ok,
    }


def main() -> int:
    """Run it; gives the exit code."""
    args = parser().parse_args()
    as_default()
    if args.down:
        stand = Stand.open(args.data, say)
        Switches(stand).down()
        stand.down()
        stand.remove()
        return 0
    keep = args.kept = (args.data / "stand.json").exists()
    if keep:
        stand = Stand.open(args.data, say)
        if not any(process.pid for process in stand.etcds):
            raise StandError(
                f"{args.data} has one that ended, and its logs: `make cluster-down` "
                "removes it"
            )
    else:
        stand = Stand.make(
            args.data,
            say,
            archive=not args.without_archive,
            hook=not args.without_hook,
        )
    try:
        if not keep:
            stand.up()
            make_schema(stand)
        if args.up:
            keep = True
            switches = Switches(stand)
            switches.make()
            switches.up()
            switches.load_network()
            say(f"{stand.told()}; `make cluster-down` ends it")
            told: dict[str, Any] = {"ok": True, "data": str(args.data)}
        elif args.day:
            told = run_day(stand)
        elif args.restore:
            told = run_restore(stand)
        elif args.cold_starts is not None:
            told = run_cold_starts(stand, args)
        else:
            told = run_whole(stand, args)
    finally:
        if not keep:
            stand.down()
    if told["ok"] and not keep:
        # Otherwise its logs are what one wants to read.
        stand.remove()
    print(json.dumps(told), flush=True)
    return 0 if told["ok"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (StandError, MissingError) as error:
        say(f"cluster: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
