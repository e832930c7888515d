"""What: the ledger through a log in PostgreSQL, on a quorum, beside the same without.

    python -m benchmarks.cluster                         all cases
    python -m benchmarks.cluster --case groups --json    one of them

Starts a primary and two standbys of PostgreSQL 17 (`tools/postgres.py`; a commit waits
for one of the two) in a fresh directory, which should be on a real disk, and ends them.
Each chunk is appended to the log, on the quorum, and then committed locally.

    one       in process: one caller alone, payments one by one through the queue; and
              bare LMDB commits on the same disk (`bare_p50_ms`), the disk's own pace
    callers   the same with eight callers
    small     in process: groups of 100 rows, one after the other
    groups    the same of 8,190 rows
    unary     two servers with mutual TLS, the one that leads paid through by
              `benchmarks.load`'s client; one payment a call
    stream    the same with streams
    lag       how far behind the one that follows is, at 20,000 payments a second
    catch-up  in process: a follower that has nothing yet

All but the last two stand beside a ledger without a log that is paid through in turn;
`--seconds` are those of each case and kind together over its `--rounds`, and figures
are medians of the rounds. Everything shares one machine, so the databases' processor
time is told beside (`postgres_cpu_us_per_payment`, of all three).

Of groups `commits_rows_per_s` is over the time within commits alone, `rows_per_s` with
the wait for the index at the end, `wall_rows_per_s` with making the requests, too. A
lag runs from when the leader's journal has an entry, which is before it is answered, to
when the follower's has it; both are looked at each millisecond.
"""

import argparse
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.commits import WorkError
from benchmarks.load import log_tail, run_once
from benchmarks.load_network import LoadError
from switch import _core as core
from switch.cluster import NoClusterError
from switch.errors import SwitchError

SECONDS_MAX = 120.0
SECONDS_LEAST = 0.2
ROUNDS_MAX = 9
CALLERS = 8
SMALL = 100
"""Rows of a small group."""
RATE = 20_000.0
"""Payments a second at which the lag is measured."""
SETTINGS = """
shared_buffers = 64MB
wal_keep_size = 512MB
max_wal_size = 1GB
wal_log_hints = on
autovacuum = on
"""
"""Of the databases, as `make cluster` has them, without TLS and archive."""

Figures = dict[str, object]
Case = Callable[[Any, Path, float, int], Figures]

SIGNS = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}
GOALS = {
    "one": {"p50_ms": ("<=", 1.0), "p99_ms": ("<", 2.0)},
    "small": {"commits_rows_per_s": (">=", 80_000.0)},
    "groups": {"commits_rows_per_s": (">=", 400_000.0)},
    "unary": {"payments_per_s": (">=", 20_000.0)},
    "stream": {"payments_per_s": (">=", 100_000.0)},
    "lag": {"lag_p99_ms": ("<", 100.0)},
}
"""What is wanted of a case, with a log."""


def cases() -> dict[str, Case]:
    """By their names. Raises NoClusterError."""
    from benchmarks import cluster_log as own
    from benchmarks import cluster_servers as servers

    def singles(clients: int) -> Case:
        return lambda nodes, where, seconds, rounds: own.singles(
            nodes, where, clients, seconds, rounds
        )

    def groups(batch: int) -> Case:
        return lambda nodes, where, seconds, rounds: own.groups(
            nodes, where, batch, seconds, rounds
        )

    def front(mode: str) -> Case:
        return lambda nodes, where, seconds, rounds: servers.front(
            nodes, where, mode, seconds, rounds
        )

    def catch_up(nodes: Any, where: Path, seconds: float, _: int) -> Figures:
        found: Figures = {}
        for batch in (SMALL, core.GROUP_MAX):
            directory = where / f"groups_of_{batch}"
            directory.mkdir()
            found[f"of_{batch}"] = own.catch_up(nodes, directory, batch, seconds)
        return found

    return {
        "one": singles(1),
        "callers": singles(CALLERS),
        "small": groups(SMALL),
        "groups": groups(core.GROUP_MAX),
        "unary": front("unary"),
        "stream": front("stream"),
        "lag": lambda nodes, where, seconds, _: servers.lag(
            nodes, where, RATE, seconds
        ),
        "catch-up": catch_up,
    }


NAMES = ("one", "callers", "small", "groups", "unary", "stream", "lag", "catch-up")


def held(name: str, figures: Figures) -> Figures:
    """The figures of a case with its goals."""
    found = figures.get("log", figures)
    assert isinstance(found, dict)
    goals = {
        figure: {
            "goal": f"{sign} {bound:,.10g}",
            "is": found[figure],
            "kept": SIGNS[sign](found[figure], bound),
        }
        for figure, (sign, bound) in GOALS.get(name, {}).items()
    }
    return figures | ({"goals": goals} if goals else {})


def measure(options: argparse.Namespace, directory: Path) -> Figures:
    """The cases that were asked for. Raises LoadError."""
    try:
        known = cases()
        from tools.postgres import NoPostgresError, running
    except NoClusterError as error:
        raise LoadError(str(error)) from error
    # PostgreSQL is another user's if we are root.
    directory.chmod(0o711)
    base = directory / "databases"
    base.mkdir()
    found: Figures = {"disk": file_system(directory)}
    try:
        with running(base, SETTINGS) as nodes:
            for name in options.case or NAMES:
                where = directory / name.replace("-", "_")
                where.mkdir()
                figures = known[name](nodes, where, options.seconds, options.rounds)
                found[name] = held(name, figures)
                if not options.json:
                    print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    except (NoPostgresError, WorkError, LoadError, SwitchError) as error:
        logs = sorted(directory.rglob("server.log"))
        tails = "\n".join(log_tail(one.parent) for one in logs)
        raise LoadError(f"{error}\n{tails}") from error
    return found


def file_system(directory: Path) -> str:
    """The kind of the one that has the directory: tmpfs is no disk."""
    mounts = [
        line.split() for line in Path("/proc/self/mounts").read_text().split("\n")
    ]
    kinds = {fields[1]: fields[2] for fields in mounts if fields}
    places = (directory.resolve(), *directory.resolve().parents)
    return next(kinds[str(one)] for one in places if str(one) in kinds)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=NAMES, action="append", help="may be several")
    parser.add_argument("--seconds", type=float, default=9.0, help="of each case")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not SECONDS_LEAST <= options.seconds <= SECONDS_MAX:
        parser.error(f"--seconds is {SECONDS_LEAST} to {SECONDS_MAX:.0f}")
    if not 1 <= options.rounds <= ROUNDS_MAX:
        parser.error(f"--rounds is 1 to {ROUNDS_MAX}")
    return options


def main() -> int:
    """Run once; 1 if the work was not done."""
    return run_once(parse(), "cluster", measure, ("seconds", "rounds"))


if __name__ == "__main__":
    sys.exit(main())
