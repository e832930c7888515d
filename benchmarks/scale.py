"""What: a file of 100 million rows: growth, opening, commits, reads, followers.

    python -m benchmarks.scale --rows 100000000 --ids random --json
    python -m benchmarks.scale --rows 2000000                      to try it
    python -m benchmarks.scale --keep DIRECTORY ...                keep the file, or use
                                                                   the one that is there

Each piece runs in a process of its own (`benchmarks.scale_work`), on one file:

    build      so many payments; the rate and the latencies by million rows. With
               `--payments quoted` each has the quotation of its bill, sealed outside
               the clock; what is paid later states what is due
    opening    after a clean stop and after kill -9 under load, the files in the page
               cache and not; resident memory that is no file's
    commits    groups of 8,190 back to back, one at a time
    reads      `benchmarks.reads`, if it is there
    followers  two readers, one at the head and one far behind, as fast as they can: as
               processes beside the ledger and as the server's feed in its threads. The
               committer's rate is held against that beside processes which use as much
               of the cores and read nothing: the difference is what reading costs it.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.meters import need_room, recall_pages, scratch
from benchmarks.network import CENTRES
from benchmarks.sources import KINDS

FILE_BYTES = 250
"""Bytes on disk for a row, with what merges need, for the check of the room."""
FILE_BYTES_QUOTED = 400
"""Of one with a bill's tail and claims."""
ROWS_PER_S_MOST = 1_500_000
KILL_AFTER_S = 3.0
"""Of a load that is killed, or all of a shorter measurement's seconds."""
BEHIND_ROWS = 50_000_000
"""How far the second follower is behind, or half of a smaller file."""
COMPANIES = ("alone", "readers", "readers_strangers", "feeds", "feeds_strangers")
"""What the committer runs beside: itself alone, reading processes, processes as busy
as those, the server's feed in threads, processes as busy as those."""
ROUNDS = 3
"""Of the followers' comparison, each with every company once."""
FOLLOW_SHARE = 0.15
"""Of `--seconds`: how long the committer runs in each company."""
PIECE_TIMEOUT_S = 3_600.0

Result = dict[str, object]
Piece = subprocess.Popen[str]
Words = tuple[object, ...]
"""A kind of work and its arguments."""


def command(*words: object) -> list[str]:
    """The command line of a piece: its kind of work and its arguments."""
    return [sys.executable, "-m", "benchmarks.scale_work", *map(str, words)]


def run(*words: object) -> Result:
    """A piece that ends by itself. Raises CalledProcessError."""
    return finished(command(*words))


def finished(command: list[str]) -> Result:
    """The result of a command that ends by itself. Raises CalledProcessError."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PIECE_TIMEOUT_S,
        check=True,
    )
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def started(*words: object) -> Iterator[Piece]:
    """A piece that is ready; killed at the end if it has not ended."""
    pipe = subprocess.PIPE
    piece = subprocess.Popen(command(*words), stdin=pipe, stdout=pipe, text=True)
    try:
        assert piece.stdout is not None
        if not piece.stdout.readline():
            raise SystemExit(f"{words[0]} did not start")
        yield piece
    finally:
        if piece.poll() is None:
            piece.kill()
        piece.communicate()


def result_of(piece: Piece) -> Result:
    """What a piece says when it has ended."""
    output, _ = piece.communicate("\n", timeout=PIECE_TIMEOUT_S)
    if piece.returncode != 0:
        raise SystemExit(f"a piece ended with exit code {piece.returncode}")
    result: Result = json.loads(output.splitlines()[-1])
    return result


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def opening(directory: Path, ids: str, load_s: float) -> Result:
    """Seconds to open, after a clean stop and after kill -9 under load."""
    results: Result = {}
    for end in ("clean", "killed"):
        for cold in (False, True):
            if end == "killed":
                kill_under_load(directory, ids, load_s)
            more = ["--cold"] if cold else []
            opened = run("open", "--directory", directory, *more)
            results[f"{end}_{'cold' if cold else 'warm'}"] = opened
            say(f"opened, {end}, {'cold' if cold else 'warm'}: {opened['open_s']} s")
    return results


def kill_under_load(directory: Path, ids: str, load_s: float) -> None:
    """Commit for so many seconds and end with kill -9."""
    place = ("--directory", directory, "--ids", ids)
    with started("commits", *place, "--seconds", 600) as piece:
        assert piece.stdin is not None
        piece.stdin.write("\n")
        piece.stdin.flush()
        time.sleep(load_s)
        if piece.poll() is not None:
            raise SystemExit("the commits ended before they were killed")
        piece.kill()


def beside(
    directory: Path, ids: str, seconds: float, company: list[Words], *more: object
) -> tuple[Result, list[Result]]:
    """Commit for `seconds` beside other pieces; what the commits and these say."""
    place = ("--directory", directory, "--ids", ids, "--seconds", seconds)
    with ExitStack() as stack:
        committer = stack.enter_context(started("commits", *place, *more))
        pieces = [stack.enter_context(started(*words)) for words in company]
        result = result_of(committer)
        for piece in pieces:
            piece.terminate()
        return result, [result_of(piece) for piece in pieces]


def followers(directory: Path, ids: str, seconds: float, rounds: int) -> Result:
    """The committer's rate alone, with followers, and with as busy strangers."""
    last = int(str(run("open", "--directory", directory)["sequence"]))
    behind = max(last - BEHIND_ROWS, last // 2)
    place: Words = ("follow", "--directory", directory)
    readers: list[Words] = [(*place, "--head"), (*place, "--behind", behind)]
    feeds = ("--followers", "--behind", behind)
    rates: dict[str, list[float]] = {name: [] for name in COMPANIES}
    said: list[Result] = []
    for _ in range(rounds):
        alone, _ = beside(directory, ids, seconds, [])
        with_readers, said = beside(directory, ids, seconds, readers)
        as_busy, _ = beside(directory, ids, seconds, strangers(cores_of(said)))
        with_feeds, _ = beside(directory, ids, seconds, [], *feeds)
        cores = feed_cores(with_feeds)
        as_busy_too, _ = beside(directory, ids, seconds, strangers(cores))
        runs = (alone, with_readers, as_busy, with_feeds, as_busy_too)
        for name, result in zip(rates, runs, strict=True):
            rates[name].append(float(str(result["rows_per_s"])))
        say(f"followers, rows/s: {rates}")
    middle = {name: sorted(values)[len(values) // 2] for name, values in rates.items()}
    return {
        "behind_rows": last - behind,
        "rows_per_s": middle,
        "rates": rates,
        "readers": said,
        "feed_cores": cores,
        "readers_loss": round(1 - middle["readers"] / middle["readers_strangers"], 4),
        "feeds_loss": round(1 - middle["feeds"] / middle["feeds_strangers"], 4),
    }


def cores_of(said: list[Result]) -> list[float]:
    """How much of a core each piece used."""
    return [float(str(one["cores"])) for one in said]


def feed_cores(result: Result) -> list[float]:
    """How much of a core each following thread of the committer's process used."""
    cpu = result["cpu_ns_per_row"]
    assert isinstance(cpu, dict)
    rows_per_s = float(str(result["rows_per_s"]))
    return [round(cpu[name] * rows_per_s / 1e9, 3) for name in ("head", "behind")]


def strangers(cores: list[float]) -> list[Words]:
    """Pieces that use as much of the cores and read nothing."""
    return [("spin", "--share", min(share, 1.0)) for share in cores]


def measure(options: argparse.Namespace, directory: Path) -> Result:
    """All pieces, on the file that is there or on one that is made."""
    result: Result = {
        name: getattr(options, name) for name in ("rows", "ids", "payments")
    }
    place = ("--directory", directory, "--ids", options.ids)
    if (directory / "journal").exists():
        say(f"using the file in {directory}")
    else:
        need_room(directory.parent, room(options))
        sizes = ("--rows", options.rows, "--accounts", options.accounts)
        kind = ("--payments", options.payments)
        result["build"] = run("build", *place, *sizes, *kind)
    # Before the opening: that has the system forget what it caches of the files.
    say(f"commits of 8,190 for {options.seconds} s")
    with started("commits", *place, "--seconds", options.seconds) as piece:
        result["commits"] = result_of(piece)
    load_s = min(KILL_AFTER_S, options.seconds)
    result["opening"] = opening(directory, options.ids, load_s)
    if importlib.util.find_spec("benchmarks.reads") is not None:
        result["reads"] = reads(directory)
    # The opening had it forgotten: else each round would find more of it than the last.
    recall_pages(directory)
    seconds = options.seconds / 4
    result["followers"] = followers(directory, options.ids, seconds, options.rounds)
    return result


def reads(directory: Path) -> Result:
    """What `benchmarks.reads` says of the file. Raises CalledProcessError."""
    say("reads")
    module = (sys.executable, "-m", "benchmarks.reads")
    return finished([*module, "--json", "--directory", str(directory)])


def room(options: argparse.Namespace) -> int:
    """Bytes of disk that all pieces may need."""
    commits_s = options.seconds * (1 + len(COMPANIES) * options.rounds * FOLLOW_SHARE)
    commits_s += 2 * KILL_AFTER_S
    rows: int = options.rows + round(commits_s * ROWS_PER_S_MOST)
    return rows * (FILE_BYTES if options.payments == "rows" else FILE_BYTES_QUOTED)


def main() -> None:
    """Measure in a scratch directory, or in one that is kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--ids", choices=("ordered", "random"), default="ordered")
    parser.add_argument("--payments", choices=KINDS, default=KINDS[0])
    parser.add_argument("--accounts", type=int, default=CENTRES, help="wallets")
    parser.add_argument("--seconds", type=float, default=20.0, help="of commits")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of followers")
    parser.add_argument("--directory", type=Path, help="parent of a fresh directory")
    parser.add_argument("--keep", type=Path, help="directory to make and keep, or use")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if options.payments != "rows" and options.accounts != CENTRES:
        parser.error("--accounts goes with row templates")
    if options.rows < 1 or options.accounts < 1 or options.seconds <= 0:
        parser.error("--rows, --accounts and --seconds are more than nothing")
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        result = measure(options, options.keep / "ledger")
    else:
        with scratch(options.directory, "scale") as directory:
            result = measure(options, directory / "ledger")
    result["machine"] = machine()
    if not options.json:
        for name, value in result.items():
            say(f"{name:12}{value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
