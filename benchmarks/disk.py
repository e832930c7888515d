"""What: the disk's own durable writes. Not: any database.

    python -m benchmarks.disk --seconds 5 --json

Two limits, one file: appends of 1 MiB, each with its fdatasync, to blocks that were
never written (what a growing file costs), and the same over blocks that were.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.meters import need_room, scratch

PIECE = 1 << 20
"""Bytes of one write."""
FILE_MAX = 4 << 30
"""Bytes of the file at most; the appends end there, whatever the clock says."""
ROOM = FILE_MAX + (1 << 30)
MB = 1e6


def measure(
    directory: Path, seconds: float, file_max: int = FILE_MAX
) -> dict[str, object]:
    """Append for `seconds`, then overwrite for `seconds`; MB (10**6 bytes) a second."""
    need_room(directory, min(ROOM, 2 * file_max))
    path = directory / "disk"
    piece = os.urandom(PIECE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        appended, append_s = _write(descriptor, piece, seconds, file_max, file_max)
        size = appended
        written, write_s = _write(descriptor, piece, seconds, size, 1 << 60)
    finally:
        os.close(descriptor)
        path.unlink()
    return {
        "append_mb_per_s": round(appended / append_s / MB, 1),
        "append_s": round(append_s, 2),
        "append_bytes": appended,
        "overwrite_mb_per_s": round(written / write_s / MB, 1),
    }


def _write(
    descriptor: int, piece: bytes, seconds: float, around: int, most: int
) -> tuple[int, float]:
    """Durable writes from offset 0, beginning again at `around`; bytes and seconds."""
    start = time.perf_counter()
    done = 0
    while True:
        os.pwrite(descriptor, piece, done % around)
        os.fdatasync(descriptor)
        done += len(piece)
        took = time.perf_counter() - start
        if took >= seconds or done >= most:
            return done, took


def main() -> None:
    """Run once in a fresh file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each kind")
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    with scratch(options.directory, "disk") as directory:
        result = {**measure(directory, options.seconds), "machine": machine()}
    if not options.json:
        for name, value in result.items():
            print(f"{name:24}{value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
