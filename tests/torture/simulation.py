"""Histories of three switches on one log: `python -m tests.torture.simulation`.

As tests/cluster/test_simulation.py, from seeds of its own, in as many processes as are
asked for; what fails is named by its seed, which makes it again. Each line says with
which `--seed` the rest may be run later, as with what `--histories`.
"""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.cluster.history import History
from tests.cluster.small_ledger import SmallLedger
from tests.memory import folder

PORTION = 250
"""Histories that one process runs in a row."""
SAID = 2_500
"""Between two lines of how far it is."""
FAILURES_MAX = 10


def portion(first: int, count: int) -> tuple[dict[str, int], list[tuple[int, str]]]:
    """Some of them: what was in them, and the seeds that failed with why."""
    counts: dict[str, int] = {}
    failed: list[tuple[int, str]] = []
    with folder() as path:
        small = SmallLedger(path / "small")
        for seed in range(first, first + count):
            with folder() as where:
                history = History(small, Path(where), seed)
                try:
                    history.run()
                except Exception as error:  # noqa: BLE001
                    failed.append((seed, f"{type(error).__name__}: {error}"))
            for name, number in history.counts.items():
                counts[name] = counts.get(name, 0) + number
    return counts, failed


def main() -> int:
    """Run them; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first history")
    parser.add_argument("--histories", type=int, default=100_000)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=cores)
    given = parser.parse_args()
    begun = time.monotonic()
    counts: dict[str, int] = {}
    failed: list[tuple[int, str]] = []
    firsts = range(given.seed, given.seed + given.histories, PORTION)
    sizes = [min(PORTION, given.seed + given.histories - first) for first in firsts]
    done = 0
    with ProcessPoolExecutor(given.processes) as pool:
        for size, (more, wrong) in zip(
            sizes, pool.map(portion, firsts, sizes), strict=True
        ):
            done += size
            failed += wrong
            for name, number in more.items():
                counts[name] = counts.get(name, 0) + number
            for seed, text in wrong[: max(0, FAILURES_MAX - len(failed) + len(wrong))]:
                print(f"seed {seed}: {text}", flush=True)
            if done % SAID == 0:
                rate = done / (time.monotonic() - begun)
                print(
                    f"{done:,} histories, {rate:.0f}/s, {len(failed)} failed; the rest "
                    f"is --seed {given.seed + done} "
                    f"--histories {given.histories - done}",
                    flush=True,
                )
    seconds = time.monotonic() - begun
    print(
        json.dumps(
            {
                "histories": done,
                "per_s": round(done / seconds, 1),
                "seed": given.seed,
                "failed": len(failed),
                **counts,
            }
        )
    )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
