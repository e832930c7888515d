"""`payswitch match`: what it takes.

What it does stands in `matching`, which needs NumPy: that is imported when somebody
matches, so that no other command waits for it.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from switch.bank.lines import StatementError
from switch.calendar import parse_date
from switch.cli.arguments import add_announced, as_argument
from switch.cli.match_files import add_limit
from switch.console.output import Exit, Screen
from switch.matching.cells import ListError

TEXT = "lay scrolls, a biller's list and the bank side by side, and write what differs"


def match(args: Namespace, screen: Screen) -> Exit:
    """Match the files, write the breaks, and say where the difference lies."""
    from switch.cli import matching

    try:
        return matching.match(args, screen)
    except (ListError, StatementError) as error:
        screen.note(f"not believed: {error}")
        return Exit.REFUSED


# --- arguments ------------------------------------------------------------------------


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    date = as_argument(parse_date)
    command.add_argument(
        "--scrolls", type=Path, required=True, metavar="DIR", help="of the ledger"
    )
    command.add_argument("--biller", required=True, metavar="BILLER", help="whose list")
    command.add_argument("--list", type=Path, metavar="FILE", help="CSV")
    command.add_argument(
        "--map", type=Path, metavar="FILE", help="of the list's columns"
    )
    command.add_argument(
        "--acknowledged",
        type=Path,
        metavar="FILE",
        help="in the place of a list, what `acknowledged` has written",
    )
    command.add_argument("--day", type=date, metavar="DATE", help="of the list (IST)")
    command.add_argument(
        "--from",
        dest="first",
        type=date,
        metavar="DATE",
        help="the first day that is matched",
    )
    command.add_argument(
        "--to",
        dest="last",
        type=date,
        metavar="DATE",
        help="the last day that is matched",
    )
    add_announced(command)
    command.add_argument(
        "--open", type=Path, metavar="FILE", help="the breaks of the match before"
    )
    command.add_argument(
        "--undecided",
        type=Path,
        metavar="FILE",
        help="the lines of `exceptions --json`: payments without their biller's word",
    )
    command.add_argument(
        "--payouts",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a payment instruction (pain.001); may be given again",
    )
    command.add_argument(
        "--payees",
        type=Path,
        metavar="FILE",
        help="the lines of `beneficiaries --json`: whose accounts it pays",
    )
    command.add_argument(
        "--recalls",
        type=Path,
        metavar="FILE",
        help="payouts that were recalled: the lines of `explain 'bank/ACCOUNT transit' "
        "--rows transfer-out --limit 0 --json`",
    )
    command.add_argument(
        "--bank",
        dest="files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a bank's statement or advice; may be given again",
    )
    command.add_argument(
        "--bank-map", type=Path, metavar="FILE", help="the bank's files are CSV"
    )
    command.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where it is written"
    )
    add_limit(command)
