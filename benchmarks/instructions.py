"""What: instructions of the processor for each row. Not: time, disk, kernel.

    python -m benchmarks.instructions --json
    python -m benchmarks.instructions --payments quoted --json    from messages

The one figure that a busy machine hardly moves. The same payments are made twice, each
time in a process of its own that is counted: made only, and made, committed and indexed
on one thread. The difference by the rows is what a payment takes. What is made are row
templates, or with `--payments` messages (`benchmarks.sources`), which are read when
they are committed. valgrind's callgrind tells the committer's part and the index
writer's; `perf stat`, used where there is no valgrind and the machine lets it count,
tells both together; else it says so.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.commits import Source, Stretch, check_accepted, commit
from benchmarks.machine import machine
from benchmarks.meters import scratch
from benchmarks.network import CENTRES
from benchmarks.payments import Maker
from benchmarks.sources import KINDS, message_maker, open_network
from switch import _core as core

ROWS = 131_072
STEP_ROWS = 8_192
"""Rows of an index step: smaller than the product's, so that merges are in it."""
MAP_SIZE = 8 << 30
"""What valgrind can map twice."""
WORK = ("make", "pay")
TIMEOUT_S = 600.0
SKIPPED = "valgrind is not installed, and perf cannot count instructions here"
ALL = ("--threshold=100",)
PARTS = {
    "commit": r"^\s*([\d,]+) .*:__pyx_pw_\w*Ledger_\d+commit\b",
    "index": r"^\s*([\d,]+) .*:__pyx_pw_\w*_\d+index_step\b",
}
"""Functions of the core, with all that they call, as callgrind_annotate lists them."""

Result = dict[str, object]
Counts = dict[str, int]


def work(kind: str, options: argparse.Namespace) -> None:
    """One of WORK, in this process. Raises WorkError."""
    stretch = Stretch()
    directory: Path = options.work_directory
    rows_count, batch = options.rows, options.batch
    path = str(directory / "ledger")
    with core.Ledger(
        path,
        map_size=MAP_SIZE,
        reserve_size=0,
        index_step_rows=STEP_ROWS,
        index_lag_max=2 * rows_count + STEP_ROWS * 2,
        threads=False,
    ) as ledger:
        harness, wallets = open_network(ledger, options.payments, CENTRES)
        maker: Source = Maker(options.ids, harness, wallets, pool_rows=rows_count)
        if options.payments != "rows":
            maker = message_maker(ledger, options.payments, batch, options.ids)
        while ledger.index_step():
            pass
        base = ledger.sequence
        for start in range(0, rows_count, batch):
            request, amounts = maker.request(min(batch, rows_count - start))
            if kind == "make":
                continue
            commit(ledger, request, amounts, stretch)
            while ledger.index_step():
                pass
        if kind != "make":
            check_accepted(ledger, stretch, base)


def counter() -> str:
    """What can count here: "callgrind", "perf" or nothing."""
    if shutil.which("valgrind"):
        return "callgrind"
    if shutil.which("perf"):
        done = subprocess.run(
            ["perf", "stat", "-x", ",", "-e", "instructions:u", "true"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0 and re.match(r"\d+,", done.stderr):
            return "perf"
    return ""


def count(program: str, kind: str, options: argparse.Namespace) -> Counts:
    """Instructions of one kind of work in a process of its own, by part."""
    with scratch(options.directory, "instructions") as directory:
        out = directory / "counts"
        prefixes = {
            "callgrind": [
                *("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"),
                "--error-exitcode=9",
            ],
            "perf": ["perf", "stat", "-x", ",", "-e", "instructions:u", "-o", str(out)],
        }
        command = [*prefixes[program], sys.executable, "-m", "benchmarks.instructions"]
        command += ["--work", kind, "--work-directory", str(directory)]
        for name in ("rows", "batch", "ids", "payments"):
            command += [f"--{name}", str(getattr(options, name))]
        # Python's own hashes would differ from run to run.
        output(command, {"PYTHONHASHSEED": "0"})
        if program == "perf":
            return {"all": int(find(r"^(\d+),", out.read_text()))}
        text = output(["callgrind_annotate", "--inclusive=yes", *ALL, str(out)], {})
        # The first is the function itself; those after it were inlined from elsewhere.
        return {part: int(find(symbol, text)) for part, symbol in PARTS.items()}


def output(command: list[str], more: dict[str, str]) -> str:
    """What a command prints. Raises SystemExit if it fails."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, **more},
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed: {done.stderr[-600:]}")
    return done.stdout


def find(pattern: str, text: str) -> str:
    """The first number that a pattern has, without its commas."""
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"nothing was counted for {pattern}")
    return found[1].replace(",", "")


def measure(options: argparse.Namespace) -> Result:
    """Instructions for each row."""
    program = counter()
    names = ("rows", "batch", "ids", "payments")
    result: Result = {name: getattr(options, name) for name in names}
    if not program:
        return {**result, "skipped": SKIPPED}
    # Or the first to import a changed module would be charged for compiling it.
    output([sys.executable, "-m", "benchmarks.instructions", "--help"], {})
    # At a time: the count is the same however busy the machine is.
    with ThreadPoolExecutor(len(WORK)) as pool:
        made, paid = pool.map(lambda kind: count(program, kind, options), WORK)
    per_row = {part: (paid[part] - made[part]) / options.rows for part in paid}
    return {
        **result,
        "counter": program,
        "instructions_per_row": {
            part: round(value, 1) for part, value in per_row.items()
        },
    }


def main() -> None:
    """Count, or be what is counted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--batch", type=int, default=core.GROUP_MAX)
    parser.add_argument("--ids", choices=("ordered", "random"), default="random")
    parser.add_argument("--payments", choices=KINDS, default=KINDS[0])
    parser.add_argument("--directory", type=Path, help="parent of fresh directories")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--work-directory", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rows < 1 or not 1 <= options.batch <= core.GROUP_MAX:
        parser.error(f"--rows is at least 1, --batch 1 to {core.GROUP_MAX}")
    if options.work:
        work(options.work, options)
        return
    result = {**measure(options), "machine": machine()}
    if not options.json:
        for name, value in result.items():
            print(f"{name:28}{value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
