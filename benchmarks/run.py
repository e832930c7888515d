"""Runs the benchmarks one after another and keeps their figures as JSON.

    python -m benchmarks.run             the quick set, some five minutes
    python -m benchmarks.run --full      everything, 100 million rows included
    python -m benchmarks.run --table benchmarks/results/full.json     as Markdown

Each is run in a process of its own. With --repeat the whole set is run as often, so
that what changes slowly meets all alike; the figure kept is that of the run with the
median rate, beside the rates of all. What takes longest is run once. A benchmark that
fails ends it all; one whose module is not there is left out with a word.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.tables import markdown, rate

RESULTS = Path(__file__).parent / "results"
TIMEOUT_S = 1_200
"""No single run takes as long."""
LONG_TIMEOUT_S = 4 * 3_600
"""Nor one of ONCE."""
ONCE = {"abuse", "instructions", "isolation", "peers", "scale"}
"""Run once, however often the others are: they repeat within, or take long."""

STREAM_SWEEP = "10000,20000,50000,100000,200000,300000,400000"
UNARY_SWEEP = "5000,10000,20000,40000,60000,80000,100000"
BILLS_SWEEP = "5000,10000,15000,20000,25000,30000,40000"
"""Payments a second."""

QUICK: tuple[str, ...] = (
    "peers --only disk,sqlite --seconds 4",
    "ledger --seconds 8 --ids ordered --disk 4",
    "ledger --seconds 8 --ids random --disk 4",
    "ledger --rows 1000000 --burst --ids ordered",
    "ledger --rows 1000000 --burst --ids random",
    "ledger --rows 10000 --batch 1 --ids random",
    "singles --mode closed --seconds 4",
    "singles --mode open --rate 100000 --seconds 4",
    "load --mode batch --seconds 5",
    "load --mode stream --seconds 5",
    "load --mode unary --seconds 5",
    "load --mode bills --seconds 5",
    "load --mode get --seconds 5",
    "load --mode empty --seconds 5",
    "load --mode unary --connections 1 --calls 1 --seconds 5",
    "load --mode unary --connections 500 --calls 1 --seconds 5",
    "load --mode unary --rate 50000 --seconds 5",
    "load --mode stream --rate 100000 --seconds 5",
    "load --mode bills --rate 20000 --seconds 5",
    "load --mode batch --seconds 4 --quoted --beside 1",
    "ledger --burst --rows 1000000 --payments stated --ids random",
    "ledger --burst --rows 1000000 --payments quoted --ids random",
    "isolation --seconds 2 --phases 2",
    "abuse --all --seconds 3",
    "instructions --ids random",
)
FULL: tuple[str, ...] = (
    "peers --seconds 20",
    "ledger --seconds 60 --ids ordered --disk 10",
    "ledger --seconds 60 --ids random --disk 10",
    "ledger --seconds 60 --ids random --disk 10 --accounts 1000000",
    "ledger --rows 10000000 --burst --ids ordered",
    "ledger --rows 10000000 --burst --ids random",
    "ledger --rows 1000000 --batch 100 --ids random",
    "ledger --rows 100000 --batch 1 --ids random",
    "singles --mode closed --seconds 20",
    "singles --mode open --rate 100000 --seconds 20",
    "load --mode batch --seconds 30",
    "load --mode stream --seconds 30",
    "load --mode unary --seconds 30",
    "load --mode bills --seconds 30",
    "load --mode get --seconds 30",
    "load --mode empty --seconds 30",
    "load --mode unary --connections 1 --calls 1 --seconds 30",
    "load --mode unary --connections 500 --calls 1 --seconds 30",
    "load --mode unary --rate 50000 --seconds 30",
    "load --mode stream --rate 100000 --seconds 30",
    "load --mode bills --rate 20000 --seconds 30",
    f"load --mode stream --seconds 10 --sweep {STREAM_SWEEP}",
    f"load --mode unary --seconds 10 --sweep {UNARY_SWEEP}",
    f"load --mode bills --seconds 10 --sweep {BILLS_SWEEP}",
    "load --mode batch --seconds 10 --quoted --beside 3",
    "load --mode stream --seconds 10 --quoted --beside 3",
    "load --mode bills --seconds 10 --quoted --beside 3",
    "ledger --burst --rows 4000000 --payments stated --ids random",
    "ledger --burst --rows 4000000 --payments quoted --ids random",
    "isolation --seconds 11 --phases 5",
    "abuse --all --seconds 10",
    "instructions --ids ordered",
    "instructions --ids random",
    "instructions --ids random --payments stated",
    "instructions --ids random --payments quoted",
    "scale --rows 100000000 --ids random",
)

Result = dict[str, object]


def run(command: str) -> Result:
    """One benchmark in a process of its own. Raises CalledProcessError."""
    name = command.split()[0]
    done = subprocess.run(
        [sys.executable, "-m", *f"benchmarks.{command} --json".split()],
        stdout=subprocess.PIPE,
        text=True,
        timeout=LONG_TIMEOUT_S if name in ONCE else TIMEOUT_S,
        check=True,
    )
    result: Result = json.loads(done.stdout.splitlines()[-1])
    # Once for all, beside the results.
    result.pop("machine", None)
    return {"benchmark": name, "command": f"python -m benchmarks.{command}", **result}


def run_set(commands: tuple[str, ...], repeat: int) -> list[Result]:
    """The median of each. Raises CalledProcessError."""
    there = [command for command in commands if is_there(command)]
    runs: dict[str, list[Result]] = {command: [] for command in there}
    for turn in range(repeat):
        for number, command in enumerate(there, 1):
            if turn and command.split()[0] in ONCE:
                continue
            place = f"[{number}/{len(there)}]"
            again = f" run {turn + 1} of {repeat}" if repeat > 1 else ""
            say(f"{place} {command}{again}")
            begun = time.monotonic()
            runs[command].append(run(command))
            say(f"{line(runs[command][-1])}  {time.monotonic() - begun:.0f} s")
    return [median(runs[command]) for command in there]


def is_there(command: str) -> bool:
    """Whether the module of a command exists; says so if not."""
    name = command.split()[0]
    found = importlib.util.find_spec(f"benchmarks.{name}") is not None
    if not found:
        say(f"benchmarks.{name} is not there: {command} is left out")
    return found


def median(runs: list[Result]) -> Result:
    """The run with the median rate, with the rates of all."""
    rates = [rate(one) for one in runs]
    if None in rates:
        return runs[-1]
    ordered = sorted(runs, key=lambda one: rate(one) or 0.0)
    middle = ordered[(len(ordered) - 1) // 2]
    return {**middle, "rates": [round(one or 0.0) for one in rates]}


def line(result: Result) -> str:
    """One line for people."""
    value = rate(result)
    if value is None:
        return f"{'':12} {result['benchmark']}"
    unit = "payments/s" if "payments_per_s" in result else "rows/s"
    spread = ", ".join(
        f"{name} {result[key]} ms"
        for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"))
        if key in result
    )
    return f"{value:>12,.0f} {unit:10} {spread}"


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def run_micro() -> list[Result]:
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


def micro(one: dict[str, dict[str, float]]) -> Result:
    """One micro-benchmark's figures, microseconds."""
    stats = one["stats"]
    figures: Result = {"name": one["name"]}
    for name in ("min", "median", "max"):
        figures[f"{name}_us"] = round(stats[name] * 1e6, 3)
    rows = one["extra_info"].get("rows", 1)
    figures["median_ns_per_row"] = round(stats["median"] * 1e9 / rows)
    return figures


def main() -> None:
    """Run a set; write and print its JSON. Or print a table of one that was run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", help="the commands that begin so")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    parser.add_argument("--table", type=Path, help="print this JSON as Markdown")
    options = parser.parse_args()
    if options.table is not None:
        print(markdown(json.loads(options.table.read_text())), end="")
        return
    if options.repeat < 1:
        parser.error("--repeat is at least 1")
    commands = FULL if options.full else QUICK
    if options.only is not None:
        commands = tuple(one for one in commands if one.startswith(options.only))
        if not commands or options.out is None:
            parser.error("--only names commands of the set, and needs --out")
    content = {
        "taken": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "results": run_set(commands, options.repeat),
        "micro": [] if options.only is not None else run_micro(),
    }
    out = options.out or RESULTS / ("full.json" if options.full else "quick.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n")
    say(markdown(content))
    print(json.dumps({"out": out.name}))


if __name__ == "__main__":
    main()
