"""What: what it costs one sender alone that a group's room is shared out by turns.

    python -m benchmarks.turns --json

Calls of one payment wait for their turn (`switch/core/engine/senders.pxi`), or, for
comparison, in one line with the same two copies of each; both are called from a loop in
C, in turn. Not: the queue's lock, commits. `*_ns` are of one call, medians of the
rounds. What a call costs a server in all is `server_cpu_us_per_payment` of
`benchmarks.load`.
"""

import argparse
import json
from statistics import median

from benchmarks import _drive
from benchmarks.machine import machine

SIZES = (1, 100, 400, 8190)
"""Calls of a group: one caller alone, connections of 100 calls, and as many as fit."""
CALLS = 400_000
"""Of one measurement."""
ROUNDS_MAX = 1_000


def one_ns(calls: int, in_line: bool) -> float:
    """Nanoseconds of a call."""
    rounds = CALLS // calls
    took_ns, done = _drive.turns(calls, rounds, in_line)
    if done != calls * rounds:
        raise SystemExit(f"{done} of {calls * rounds} calls came out")
    return took_ns / done


def main() -> None:
    """Measure all sizes; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not 1 <= options.rounds <= ROUNDS_MAX:
        parser.error(f"--rounds is 1 to {ROUNDS_MAX}")
    sizes = []
    for calls in SIZES:
        pairs = [
            (one_ns(calls, in_line=True), one_ns(calls, in_line=False))
            for _ in range(options.rounds)
        ]
        sizes.append(
            {
                "calls_a_group": calls,
                "line_ns": round(median(line for line, _ in pairs), 1),
                "turns_ns": round(median(turns for _, turns in pairs), 1),
                "more_ns": round(median(turns - line for line, turns in pairs), 1),
            }
        )
        if not options.json:
            print(sizes[-1])
    print(json.dumps({"sizes": sizes, "machine": machine()}))


if __name__ == "__main__":
    main()
