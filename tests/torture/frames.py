"""What each type of frame costs the front door: `make torture ARGS="--only frames"`.

Instructions (callgrind) and bytes that are asked for, both for a KB that the peer
sends, as a ratio to those of a plain HEADERS, a call with its fields spelled out:
`tests/fuzz/frames.c` sends 400 frames of each type to the front as it is installed,
without TLS. More than RATIO_MAX times a plain HEADERS, and a peer chooses that type:
the run fails. JSON last.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "fuzz" / "frames"
RATIO_MAX = 10.0
KB = 1024


def measure(number: int) -> dict[str, Any]:
    """One type: what `frames.c` says of it, and the instructions of a KB."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        callgrind = ["valgrind", "--tool=callgrind", "--toggle-collect=measured"]
        done = subprocess.run(
            [*callgrind, f"--callgrind-out-file={out}", PROGRAM, str(number)],
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        (total,) = re.findall(
            r"^(?:summary|totals): ([0-9]+)", out.read_text(), re.MULTILINE
        )[:1]
    found["instructions_kb"] = int(total) * KB / found["sent"]
    found["asked_kb"] = found["asked"] * KB / found["sent"]
    return found


def main() -> int:
    """Measure all; 1 if one costs more than RATIO_MAX times the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seed", type=int, help="taken and not used: nothing is by chance"
    )
    parser.parse_args()
    subprocess.run(["bash", "tools/need.sh", "valgrind"], cwd=ROOT, check=True)
    subprocess.run(["make", "-s", "-j2", "build/fuzz/frames"], cwd=ROOT, check=True)
    names = subprocess.run([PROGRAM], capture_output=True, text=True, check=True).stdout
    plain = measure(0)
    ratios: dict[str, tuple[float, float]] = {}
    for number, name in enumerate(names.splitlines()):
        found = measure(number)
        instructions = found["instructions_kb"] / plain["instructions_kb"]
        asked = found["asked_kb"] / plain["asked_kb"]
        ratios[name] = round(instructions, 2), round(asked, 2)
        print(
            f"{name}: {found['instructions_kb']:,.0f} instructions a KB "
            f"({instructions:.2f}), "
            f"{found['asked_kb']:,.0f} bytes a KB ({asked:.2f}), "
            f"{'stays open' if found['open'] else 'is ended'}",
            flush=True,
        )
    ok = all(max(pair) <= RATIO_MAX for pair in ratios.values())
    print(json.dumps({"frames": "ok" if ok else "failed", "ratios": ratios}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
