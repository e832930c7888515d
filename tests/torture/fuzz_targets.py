"""The fuzz targets for some minutes each: `make torture ARGS="--only fuzz --minutes
5"`.

libFuzzer drives those in C (clang-19, libclang-rt-19-dev), atheris that of bank
statements: an input has a second, 256 MB and 32 MB at a time. Without them the same
targets go without looking at coverage: those in C as gcc has built them, the other by
`camt.changed`. What they grow by stays in `build/fuzz/grown`; what is found lies in
`build/fuzz/found`, and its target's last words are told. What the decoder of payments
has grown by is then read by the generated classes as well. JSON last; 1 if anything was
found.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.core.wire_compare import DisagreementError, compare
from tests.fuzz import camt, seeds

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
ATHERIS = "atheris==3.0.0"
LIMITS = ("-rss_limit_mb=256", "-malloc_limit_mb=32", "-timeout=1", "-max_len=8192")
CLANG = "clang-19"
RUNS_AT_ONCE = 20_000
"""Of a target that is not driven by coverage, between two looks at the clock."""


def environment() -> dict[str, str]:
    """What is freed is watched for a while, as the process has a bound."""
    path = f"{BUILD / 'atheris'}:{ROOT}"
    return {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=16", "PYTHONPATH": path}


def has_libfuzzer() -> bool:
    """Whether clang and its runtime, which has libFuzzer, can be had."""

    def is_here() -> bool:
        pattern = "lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.fuzzer-*.a"
        return shutil.which(CLANG) is not None and any(Path("/usr").glob(pattern))

    if not is_here():
        needed = (CLANG, "libclang_rt=libclang-rt-19-dev")
        subprocess.run(["bash", "tools/need.sh", *needed], cwd=ROOT, check=False)
    return is_here()


def has_atheris() -> bool:
    """Whether atheris is here, or pip has it for this Python."""
    folder = BUILD / "atheris"
    if (folder / "atheris").is_dir():
        return True
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
    ]
    done = subprocess.run([*pip, "--target", folder, ATHERIS], check=False)
    return done.returncode == 0


def covered(target: str, command: list[str], seconds: int, seed: int) -> dict[str, Any]:
    """A target that coverage drives; tells its last words if it found anything."""
    grown, found = BUILD / "grown" / target, BUILD / "found"
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *command,
            *LIMITS,
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-artifact_prefix={found}/{target}-",
            grown,
            BUILD / "corpus" / target,
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(errors="replace")
    runs = re.findall(r"#([0-9]+)\t", said)
    reached = re.findall(r"cov: ([0-9]+)", said)
    result = {
        "runs": int(runs[-1]) if runs else 0,
        "reached": int(reached[-1]) if reached else 0,
        "ok": done.returncode == 0,
    }
    if done.returncode != 0:
        print(said[-3_000:], file=sys.stderr)
    return result


def by_chance(target: str, seconds: int, seed: int) -> dict[str, Any]:
    """A target in C as gcc has built it: its corpus, changed."""
    until, runs = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        done = subprocess.run(
            [
                *(BUILD / target, "-runs", str(RUNS_AT_ONCE), str(seed + runs)),
                BUILD / "corpus" / target,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            print(done.stderr[-3_000:], file=sys.stderr)
            return {"runs": runs, "reached": None, "ok": False}
        runs += RUNS_AT_ONCE
    return {"runs": runs, "reached": None, "ok": True}


def statements_by_chance(seconds: int, seed: int) -> dict[str, Any]:
    """Bank statements, changed; what is raised ends it and is shown."""
    until, runs, rng = time.monotonic() + seconds, 0, random.Random(seed)
    files = [content for _, content in camt.seeds()]
    while time.monotonic() < until:
        data = camt.changed(rng.choice(files), rng)
        try:
            camt.run(data)
        except Exception:
            (BUILD / "found").mkdir(exist_ok=True)
            (BUILD / "found" / "camt-chance").write_bytes(data)
            raise
        runs += 1
    return {"runs": runs, "reached": None, "ok": True}


def disagreements() -> int:
    """Payments that grew here and that the generated classes read otherwise."""
    count = 0
    for path in sorted((BUILD / "grown" / "wire").glob("*")):
        try:
            compare(path.read_bytes())
        except DisagreementError as error:
            print(f"{path}: {error}", file=sys.stderr)
            count += 1
    return count


def main() -> int:
    """Run them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", nargs="*", choices=[*seeds.TARGETS])
    given = parser.parse_args()
    seconds = max(1, round(given.minutes * 60))
    seed = given.seed % 2**31 or 1
    libfuzzer = has_libfuzzer()
    made = "fuzz-covered" if libfuzzer else "fuzz-targets"
    subprocess.run(["make", "-s", "-j2", made], cwd=ROOT, check=True)
    seeds.write(BUILD / "corpus")
    results: dict[str, dict[str, Any]] = {}
    for target in given.targets or seeds.TARGETS:
        if target == "camt":
            atheris = [sys.executable, "-m", "tests.fuzz.camt_covered"]
            if has_atheris():
                result = covered(target, atheris, seconds, seed)
            else:
                result = statements_by_chance(seconds, seed)
        elif libfuzzer:
            result = covered(target, [f"{BUILD / target}.covered"], seconds, seed)
        else:
            result = by_chance(target, seconds, seed)
        results[target] = result
        way = "places reached" if result["reached"] is not None else "without coverage"
        print(
            f"{target}: {result['runs']:,} inputs, {result['reached'] or ''} {way}, "
            f"{'nothing found' if result['ok'] else 'FOUND'}",
            flush=True,
        )
    wrong = disagreements() if "wire" in results else 0
    ok = wrong == 0 and all(result["ok"] for result in results.values())
    told = {"targets": results, "disagreements": wrong}
    print(json.dumps({"fuzz": "ok" if ok else "failed", "libfuzzer": libfuzzer} | told))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
