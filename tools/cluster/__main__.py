"""`make cluster`: start it, harm it, prove it, end it. The last line is one of JSON.

Without an option: the databases, two switches, each drill once, proofs, audits; then
all is ended. 1 if anything was not as it should be.
"""

import argparse
import json
import random
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from tools.cluster import apart, drills, soak, whole
from tools.cluster.cold import ORDERS, cold_starts
from tools.cluster.day import run_day
from tools.cluster.faults import Scene
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


def part(text: str) -> slice:
    """FROM-TO, as of a list."""
    first, _, last = text.partition("-")
    return slice(int(first), int(last))


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
    which = made.add_mutually_exclusive_group()
    which.add_argument("--short", action="store_true", help="less than four minutes")
    which.add_argument("--drills", nargs="+", choices=drills.ALL, help="only these")
    which.add_argument(
        "--rounds",
        nargs="?",
        type=part,
        const=slice(None),
        metavar="FROM-TO",
        help="20 switches, 10 postmasters, 5 hosts killed, 10 switches stopped, in an "
        "order of dice; or only a part of them, as 0-10",
    )
    which.add_argument(
        "--soak",
        nargs="?",
        type=int,
        const=5,
        metavar="MINUTES",
        help="payments with a hand-over each minute, and what has grown meanwhile",
    )
    made.add_argument("--seed", type=int, help="of the dice; else another each time")
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


def chosen(
    args: argparse.Namespace, dice: random.Random
) -> tuple[list[drills.Drill], bool]:
    """The drills that are asked for, and whether they begin at any moment."""
    if args.rounds is not None:
        return drills.of_rounds(dice)[args.rounds], True
    return drills.named(args.drills or (), short=args.short), False


def run_whole(stand: Stand, args: argparse.Namespace) -> dict[str, Any]:
    """Two switches, the drills under load, and the proofs."""
    switches = Switches(stand)
    seed = secrets.randbits(32) if args.seed is None else args.seed
    dice = random.Random(seed)
    todo, spread = ([], False) if args.soak else chosen(args, dice)
    pause_s = soak.PAUSE_S if args.soak else 0.0
    rounds = []
    try:
        if not args.kept:
            switches.make()
        switches.up()
        if not args.kept:
            switches.load_network()
        with Payers(switches, pause_s) as payers:
            scene = Scene(stand, switches, payers, dice, {}, args.machines)
            for one in (
                soak.run(scene, args.soak)
                if args.soak
                else whole.run(scene, todo, spread=spread)
            ):
                print(json.dumps(one), flush=True)
                rounds.append(one)
        say(f"{payers.count} were answered; asking again")
        again = check_again(switches, payers.answered)
        switches.wait_level()
        safe = switches.status()["ok"]
    finally:
        switches.down()
    say("comparing answers and journals with the log, and auditing both")
    proof = prove(switches, payers.answered)
    wrong = [*again.pop("different"), *proof["wrong"]]
    if not safe:
        wrong.append("`payswitch cluster status` says that it may not lose one")
    told: dict[str, Any]
    if args.soak:
        wrong += soak.grown(rounds)
        told = {"soak": [rounds[0], rounds[-1]]}
    else:
        told = {"drills": len(rounds), "silence": whole.figures(rounds)}
    ok = not wrong and all(one["ok"] for one in rounds)
    return {
        **told,
        "seed": seed,
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
    begun_s = time.monotonic()
    machines = args.machines = None
    if any(drills.ALL[name].is_apart for name in args.drills or ()):
        if not apart.is_inside():
            apart.enter("tools.cluster", sys.argv[1:])
        machines = args.machines = apart.begin()
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
            mount=machines.mount if machines else None,
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
            if machines:
                machines.unmount()
    if told["ok"] and not keep:
        # Otherwise its logs are what one wants to read.
        stand.remove()
    told["took_s"] = round(time.monotonic() - begun_s)
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
