"""`python -m switch.audit DIR`: audits a ledger directory, beside a server or alone."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import lmdb

from switch.audit.auditor import audit
from switch.audit.live import Live, ask
from switch.audit.report import as_json, as_text
from switch.errors import ConfigError, SwitchError

EXIT_OK: Final = 0
EXIT_FINDINGS: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREADABLE: Final = 3

PROGRESS_EVERY_S: Final = 0.2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="payswitch audit",
        description="Read a ledger's journal from its first row, rebuild every account "
        "and compare. Nothing is written; a server may be running.",
        epilog="Exit code: 0 nothing is wrong, 1 something is, 2 asked wrongly, "
        "3 the ledger cannot be read.",
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
    return made


def question(arguments: argparse.Namespace) -> Callable[[], Live] | None:
    """How to ask the live server, None if it is not to be asked."""
    if not arguments.live:
        return None
    files = (arguments.ca, arguments.cert, arguments.key)
    if None in files:
        raise ConfigError("--live needs --ca, --cert and --key")
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
    """Run it; gives the exit code."""
    arguments = parser().parse_args(argv)
    bar = Bar() if sys.stderr.isatty() else None
    try:
        if arguments.at < 0:
            raise ConfigError("--at is a sequence, from 1")
        report = audit(
            arguments.directory,
            at=arguments.at,
            scope=arguments.only,
            ask=question(arguments),
            progress=bar,
        )
    except ConfigError as error:
        print(f"payswitch audit: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (SwitchError, lmdb.Error, OSError) as error:
        print(f"payswitch audit: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    finally:
        if bar:
            bar.clear()
    print(as_json(report) if arguments.json else as_text(report))
    return EXIT_OK if report.ok else EXIT_FINDINGS


if __name__ == "__main__":
    sys.exit(main())
