"""What: other systems and the disk itself at the same work. Not: the switch.

    python -m benchmarks.peers --seconds 10 --json
    python -m benchmarks.peers --only sqlite,disk

The work is in `benchmarks.peer_work`: less than a payment of the switch. Each system
runs on a fresh directory with the durability it promises by itself, its books are
checked, and one that is not installed is skipped with a word.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import disk, peer_postgres, peer_redis, peer_sqlite
from benchmarks.machine import machine
from benchmarks.meters import scratch
from benchmarks.peer_work import PeerError

Measure = Callable[[Path, float], list[dict[str, object]]]

PEERS: dict[str, Measure] = {
    "disk": lambda directory, seconds: [
        {"system": "disk", **disk.measure(directory, seconds)}
    ],
    "sqlite": peer_sqlite.measure,
    "postgresql": peer_postgres.measure,
    "redis": peer_redis.measure,
}


def measure(
    names: list[str], seconds: float, parent: Path | None
) -> list[dict[str, object]]:
    """The figures of some peers. Raises PeerError."""
    results: list[dict[str, object]] = []
    for name in names:
        with scratch(parent, name) as directory:
            try:
                results += PEERS[name](directory, seconds)
            except FileNotFoundError as error:
                print(f"{name} is skipped: {error}", file=sys.stderr)
                results.append({"system": name, "skipped": str(error)})
    return results


def show(result: dict[str, object]) -> str:
    """One line for people."""
    return ", ".join(f"{name} {value}" for name, value in result.items())


def main() -> None:
    """Run the peers that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default=",".join(PEERS), help="of " + ", ".join(PEERS)
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each mode")
    parser.add_argument("--directory", type=Path, help="parent of fresh directories")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    names = options.only.split(",")
    if not set(names) <= set(PEERS):
        parser.error(f"--only takes {', '.join(PEERS)}")
    try:
        results = measure(names, options.seconds, options.directory)
    except PeerError as error:
        raise SystemExit(f"no figure: {error}") from error
    if not options.json:
        for result in results:
            print(show(result), file=sys.stderr)
    print(json.dumps({"peers": results, "machine": machine()}))


if __name__ == "__main__":
    main()
