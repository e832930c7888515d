"""Runs the benchmarks one after another and keeps their figures as JSON.

    python -m benchmarks.run             the quick set, about two minutes
    python -m benchmarks.run --full      the figures that README.md quotes

Each is run in a process of its own. With --repeat the figure kept is that of the run
with the median rate, beside the rates of all. A benchmark that fails ends it all.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"
TIMEOUT_S = 900
"""No single run takes as long."""

QUICK = (
    "ledger --rows 1000000 --batch 8190 --ids ordered",
    "ledger --rows 1000000 --batch 8190 --ids random",
    "ledger --rows 10000 --batch 1 --ids random",
    "load --mode batch --seconds 5",
    "load --mode stream --seconds 5",
    "load --mode unary --seconds 5",
)
FULL = (
    "ledger --rows 10000000 --batch 8190 --ids ordered",
    "ledger --rows 10000000 --batch 8190 --ids random",
    "ledger --rows 1000000 --batch 100 --ids random",
    "ledger --rows 20000 --batch 1 --ids random",
    "load --mode batch --seconds 60",
    "load --mode stream --seconds 60",
    "load --mode unary --seconds 60",
)


def rate(result: dict[str, object]) -> float:
    """What a result is compared by."""
    value = result.get("payments_per_s", result.get("rows_per_s"))
    return float(str(value))


def run(command: str, repeat: int) -> dict[str, object]:
    """The median of `repeat` runs. Raises CalledProcessError."""
    runs = []
    for _ in range(repeat):
        done = subprocess.run(
            [sys.executable, "-m", *f"benchmarks.{command} --json".split()],
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        result = json.loads(done.stdout.splitlines()[-1])
        # Once for all, beside the results.
        del result["machine"]
        runs.append(result)
    runs.sort(key=rate)
    middle: dict[str, object] = runs[(repeat - 1) // 2]
    rates = [round(rate(one)) for one in runs]
    return {"command": f"python -m benchmarks.{command}", **middle, "rates": rates}


def run_micro() -> list[dict[str, object]]:
    """The micro-benchmarks' medians. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="micro-bench-") as directory:
        file = Path(directory) / "micro.json"
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", str(RESULTS.parent)),
                *("--benchmark-quiet", f"--benchmark-json={file}"),
            ],
            stdout=sys.stderr,
            timeout=TIMEOUT_S,
            check=True,
        )
        content = json.loads(file.read_text())
    return [micro(one) for one in content["benchmarks"]]


def micro(one: dict[str, dict[str, float]]) -> dict[str, object]:
    """One micro-benchmark's figures, microseconds."""
    stats = one["stats"]
    figures: dict[str, object] = {"name": one["name"]}
    for name in ("min", "median", "max"):
        figures[f"{name}_us"] = round(stats[name] * 1e6, 3)
    rows = one["extra_info"].get("rows", 1)
    figures["median_ns_per_row"] = round(stats["median"] * 1e9 / rows)
    return figures


def show(result: dict[str, object]) -> None:
    """One line for people."""
    unit = "payments/s" if "payments_per_s" in result else "rows/s"
    figure = f"{rate(result):>12,.0f} {unit:10}"
    latency = f"p50 {result['p50_ms']:>8} ms, p99 {result['p99_ms']:>8} ms"
    print(f"{figure}  {latency}  {result['command']}", file=sys.stderr)


def main() -> None:
    """Run a set; write and print its JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    options = parser.parse_args()
    if options.repeat < 1:
        parser.error("--repeat is at least 1")
    results = []
    for command in FULL if options.full else QUICK:
        results.append(run(command, options.repeat))
        show(results[-1])
    content = {
        "taken": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "results": results,
        "micro": run_micro(),
    }
    out = options.out or RESULTS / ("full.json" if options.full else "quick.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n")
    median = {str(one["command"]): round(rate(one)) for one in results}
    print(json.dumps({"out": out.name, "rates": median}))


if __name__ == "__main__":
    main()
