"""What: a biller's scrolls laid beside its list, by the command, from files to files.

    python -m benchmarks.matching --lines 1000000 --json

Scrolls and list have so many lines each, in 24 windows and three heads; among them are
breaks of each type, side by side and far apart. Measured is the whole process of
`payswitch match`: seconds from its start to its end, and the most memory that it had.
It must have found just the breaks that were put in. Making the files is outside.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from benchmarks.machine import machine
from switch.canonical_csv import SCROLL_COLUMNS, rupees

BILLER = "power"
DAY = dt.date(2026, 11, 27)
HEADS = ("0043-00-102-001-01", "0043-00-102-001-02", "0043-00-800-001-03")
WINDOWS = 24
SECONDS_MAX = 60.0
MEMORY_MAX_MB = 1_000
LINES_MAX = 1_000_000
TYPES = (
    "amount",
    "date",
    "duplicate",
    "head",
    "missing_here",
    "missing_there",
    "unknown",
)
MAPS: dict[str, dict[str, object]] = {
    "id": {"by": "id", "key": "Id"},
    "reference": {
        "by": "reference",
        "key": "Consumer",
        "form": {"letters": "upper", "ignored": ["space", "hyphen"]},
    },
}
COMMON = {"date": "Date", "date_format": "%d/%m/%Y", "amount": "Amount", "head": "Head"}


def payment_id(at: int) -> str:
    digits = f"{at * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835 % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def amount_of(at: int) -> int:
    return at * 7_919 % 1_000_000 + 100


def write_scrolls(folder: Path, count: int) -> None:
    """In order of sequence, a window after the other."""
    folder.mkdir()
    after = 0
    for window in range(WINDOWS):
        first, end = count * window // WINDOWS, count * (window + 1) // WINDOWS
        closed = (end + 1) * 10
        for head in range(len(HEADS)):
            _write_scroll(folder, window + 1, head, range(first, end), after, closed)
        after = closed


def _write_scroll(
    folder: Path, ordinal: int, head: int, payments: range, after: int, closed: int
) -> None:
    number = f"S2026-27-{ordinal:04d}-{BILLER}-{head + 1}"
    digest = hashlib.sha256()
    lines = total = 0
    with (folder / f"{number}.csv").open("wb") as file:

        def write(text: str) -> None:
            data = f"{text}\r\n".encode()
            digest.update(data)
            file.write(data)

        write(",".join(SCROLL_COLUMNS))
        for at in payments:
            if at % len(HEADS) != head:
                continue
            lines += 1
            amount = amount_of(at)
            total += amount
            sequence = (at + 1) * 10
            write(
                f"{lines},{sequence},payment,credit,{rupees(amount)},{DAY},"
                f"{DAY}T11:02:03+05:30,{sequence - 1},{payment_id(at)},"
                f"{DAY}T11:02:02+05:30,bsk-{at % 3561:05d}/2026-27/{at:06d},BSK0199,"
                f"Electricity,C{at:09d},,2026-11,WB{at:012d},bsk-{at % 3561:05d},"
                "Gram Panchayat,,"
            )
    manifest = {
        "format": 1,
        "kind": "scroll",
        "number": number,
        "file": {"name": f"{number}.csv", "sha256": digest.hexdigest()},
        "head": HEADS[head],
        "part": head + 1,
        "accounting_date": f"{DAY}",
        "window": closed,
        "after": after,
        "lines": lines,
        "credits": rupees(total),
        "debits": "0.00",
        "carried": "0.00",
        "payable": rupees(total),
    }
    (folder / f"{number}.json").write_text(json.dumps(manifest))


def wrong_ones(count: int, breaks: int) -> dict[int, str]:
    """Which payments have a break: half of them side by side."""
    near = list(range(count // 2, count // 2 + breaks // 2))
    far = [at * (count // 2) // breaks for at in range(breaks - len(near))]
    return {at: TYPES[i % len(TYPES)] for i, at in enumerate([*near, *far])}


def write_list(file: IO[str], count: int, wrong: dict[int, str]) -> None:
    file.write("Date,Id,Consumer,Amount,Head\n")
    for at in range(count):
        for line in _told(at, wrong.get(at, "")):
            file.write(line)


def _told(at: int, kind: str) -> Iterator[str]:
    amount, head, day = amount_of(at), at % len(HEADS), DAY
    if kind == "missing_there":
        return
    if kind == "amount":
        amount += 1
    elif kind == "head":
        head = (head + 1) % len(HEADS)
    elif kind == "date":
        day += dt.timedelta(days=2)
    line = (
        f"{day:%d/%m/%Y},{payment_id(at)},c-{at:09d},{rupees(amount)},"
        f"{HEADS[head].replace('-', '')}\n"
    )
    yield line
    if kind == "duplicate":
        yield line
    elif kind == "missing_here":
        yield line.replace(payment_id(at), payment_id(-at - 1)).replace("c-", "d-")
    elif kind == "unknown":
        yield line.replace(rupees(amount), "₹")


class Measured(NamedTuple):
    """What a command has used."""

    code: int
    seconds: float
    cpu_seconds: float
    """Of it alone, whatever else the machine does."""
    memory_mb: float


def measure(words: list[str]) -> Measured:
    begin_s = time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        pid = os.posix_spawn(
            words[0],
            words,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)],
        )
        _, status, used = os.wait4(pid, 0)
    seconds = time.monotonic() - begin_s
    return Measured(
        os.waitstatus_to_exitcode(status),
        seconds,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / 1_000,
    )


def run(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Make the files, match them, look at what was found."""
    wrong = wrong_ones(options.lines, options.breaks)
    write_scrolls(folder / "scrolls", options.lines)
    with (folder / "list.csv").open("w", encoding="utf-8") as file:
        write_list(file, options.lines, wrong)
    (folder / "map.json").write_text(json.dumps(COMMON | MAPS[options.by]))
    words = [sys.executable, "-m", "switch", "match", "--json", "--biller", BILLER]
    words += ["--day", f"{DAY}"]
    for name, what in (
        ("scrolls", "scrolls"),
        ("list", "list.csv"),
        ("map", "map.json"),
    ):
        words += [f"--{name}", str(folder / what)]
    used = measure([*words, "--out", str(folder)])
    if used.code not in (0, 4):
        raise SystemExit(f"the match ended with {used.code}")
    report = json.loads((folder / f"match-{BILLER}-{DAY:%Y%m%d}.json").read_bytes())
    found = report["breaks"]["types"]
    expected = {kind: [*wrong.values()].count(kind) for kind in TYPES}
    is_right = used.code == 4 and found == {k: n for k, n in expected.items() if n}
    difference = report["here"] - report["there"]
    is_right = is_right and difference == sum(report["explained"].values())
    return {
        "by": options.by,
        "lines": options.lines,
        "breaks": sum(found.values()),
        "seconds": round(used.seconds, 1),
        "cpu_seconds": round(used.cpu_seconds, 1),
        "memory_mb": round(used.memory_mb),
        "right": is_right,
        "ok": is_right
        and used.seconds < SECONDS_MAX
        and used.memory_mb < MEMORY_MAX_MB,
        "machine": machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=LINES_MAX - 1_000)
    parser.add_argument("--breaks", type=int, default=203)
    parser.add_argument("--by", choices=sorted(MAPS), default="id")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not 1_000 <= options.lines < LINES_MAX or not 0 <= options.breaks <= 400:
        parser.error(f"1,000 to {LINES_MAX - 1:,} lines, at most 400 breaks")
    with tempfile.TemporaryDirectory(prefix="matching-") as folder:
        found = run(options, Path(folder))
    if options.json:
        print(json.dumps(found))
    else:
        print(
            f"{found['lines']} lines by {found['by']}: {found['seconds']} s "
            f"({found['cpu_seconds']} s of a processor), "
            f"{found['memory_mb']} MB, {found['breaks']} breaks"
        )
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
