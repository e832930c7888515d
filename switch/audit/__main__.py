"""`python -m switch.audit DIR`: audits a ledger directory, beside a server or alone."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import lmdb

from switch.audit.auditor import audit
from switch.audit.findings import CHECKS
from switch.audit.live import Live, ask
from switch.audit.logged import Logged, pages
from switch.audit.reader import DAMAGE
from switch.audit.report import as_json, as_text
from switch.cluster.log import DoubtError
from switch.errors import ConfigError, CorruptionError, SwitchError, UsageError

EXIT_OK: Final = 0
EXIT_FINDINGS: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREADABLE: Final = 3
EXIT_DAMAGED: Final = 4
EXIT_CONFIG: Final = 78

DEATHS: Final = ("SIGBUS", "SIGSEGV", "SIGABRT", "SIGFPE", "SIGILL")
"""Signals by which a process ends that follows pages which are none."""
PROGRESS_EVERY_S: Final = 0.2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="payswitch audit",
        description="Read a ledger's journal from its first row, rebuild every account "
        "and compare. Nothing is written; a server may be running.",
        epilog="Exit code: 0 nothing is wrong, 1 something is, 2 asked wrongly, "
        "3 there is no ledger that can be read, 4 its files are damaged, "
        "78 a certificate cannot be used.",
    )
    made.add_argument("directory", metavar="DIR", type=Path, help="ledger directory")
    made.add_argument(
        "--at", type=int, default=0, metavar="SEQ", help="end at this row (the last)"
    )
    made.add_argument(
        "--only",
        choices=("chain", "all"),
        default="all",
        help="chain: bytes, totals and balances, not each row's meaning",
    )
    made.add_argument("--json", action="store_true", help="print one JSON object")
    live = made.add_argument_group("a live server to compare with")
    live.add_argument("--live", metavar="HOST:PORT", help="its address")
    for name, text in (
        ("ca", "the authority's certificate"),
        ("cert", "the auditor's certificate"),
        ("key", "the auditor's key"),
    ):
        live.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    made.add_argument(
        "--log",
        metavar="DSN",
        help="hold every chunk against the log of a ledger with several switches",
    )
    return made


def logged(dsn: str | None) -> Iterable[Logged] | None:
    """The log's chunks as they are asked for, None if it is not to be asked."""
    if not dsn:
        return None
    # Only where there is a log: one machine needs no libpq.
    from switch.cluster.postgres import PostgresLog

    log = PostgresLog(dsn, "payswitch audit")
    log.reconnect()
    return pages(log.checks)


def question(arguments: argparse.Namespace) -> Callable[[], Live] | None:
    """How to ask the live server, None if it is not to be asked."""
    if not arguments.live:
        return None
    files = (arguments.ca, arguments.cert, arguments.key)
    if None in files:
        raise UsageError("--live needs --ca, --cert and --key")
    return lambda: ask(arguments.live, *files)


class Bar:
    """One line of progress on a terminal, at most a few times a second."""

    def __init__(self) -> None:
        """Nothing shown yet."""
        self.shown = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if now - self.shown < PROGRESS_EVERY_S:
            return
        self.shown = now
        share = 100 * done // max(total, 1)
        text = f"\raudit: {done:,} of {total:,} rows ({share} %)"
        print(text, end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it in a process of its own; gives the exit code.

    Pages that LMDB did not write end the process that follows them by a signal, and so
    does a file that is cut short meanwhile. The one who asked hears of it all the same.
    """
    arguments = parser().parse_args(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        code = EXIT_DAMAGED
        try:
            code = run(arguments)
            sys.stdout.flush()
        except Exception as error:  # noqa: BLE001
            # Bytes that are none of ours may read as anything.
            text = (
                f"{arguments.directory} made no sense: {type(error).__name__}: {error}"
            )
            print(f"payswitch audit: {text}", file=sys.stderr)
        finally:
            sys.stderr.flush()
            os._exit(code)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    name = signal.Signals(os.WTERMSIG(status)).name
    directory = arguments.directory
    if name not in DEATHS:
        print(f"payswitch audit: ended by {name}", file=sys.stderr)
        return EXIT_UNREADABLE
    print(
        f"payswitch audit: {directory} is damaged: reading its pages ended the reader "
        f"({name}); {CHECKS['chunks'][1]}",
        file=sys.stderr,
    )
    return EXIT_DAMAGED


def run(arguments: argparse.Namespace) -> int:
    """Audit, and print what came of it; gives the exit code."""
    bar = Bar() if sys.stderr.isatty() else None
    directory = arguments.directory
    try:
        if arguments.at < 0:
            raise UsageError("--at is a sequence, from 1")
        report = audit(
            directory,
            at=arguments.at,
            scope=arguments.only,
            ask=question(arguments),
            logged=logged(arguments.log),
            progress=bar,
        )
    except UsageError as error:
        print(f"payswitch audit: {error}", file=sys.stderr)
        return EXIT_USAGE
    except ConfigError as error:
        print(f"payswitch audit: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except (CorruptionError, *DAMAGE) as error:
        text = f"{directory} is damaged: {error}; {CHECKS['chunks'][1]}"
        print(f"payswitch audit: {text}", file=sys.stderr)
        return EXIT_DAMAGED
    except DoubtError as error:
        print(f"payswitch audit: the log cannot be asked: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    except (SwitchError, lmdb.Error, OSError) as error:
        text = f"{error}"
        if not (directory / "journal" / "data.mdb").is_file():
            text = f"{directory} holds no ledger: there is no journal/data.mdb; name "
            text += "the ledger's directory, such as data/ledger"
        print(f"payswitch audit: {text}", file=sys.stderr)
        return EXIT_UNREADABLE
    finally:
        if bar:
            bar.clear()
    print(as_json(report) if arguments.json else as_text(report))
    return EXIT_OK if report.ok else EXIT_FINDINGS


if __name__ == "__main__":
    sys.exit(main())
