"""`payswitch bank-statement`: what a bank's files say, and what is wrong with them.

May use `bank`. Reads files alone; no switch is asked.
"""

import os
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from switch.bank.camt import ALL_REFERENCE_FIELDS, REFERENCE_FIELDS, read_camt
from switch.bank.lines import BankLine, Side, Statement, StatementError, tidy_text
from switch.bank.sequence import Finding, distinct_lines, join_pages, look_through
from switch.bank.tabular import ColumnMap, read_csv, read_map
from switch.bank.xml import FILE_MAX
from switch.cli.arguments import to_count
from switch.console.output import Exit, Screen
from switch.money import format_amount

TEXT = "what a bank's statements say (camt.053, camt.054, CSV), and what is wrong"
FILES_MAX = 1_000
"""Files of one command: a year of days, with their advices."""
SHOWN = 200
"""Lines that a person is shown when no number is asked for."""


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    add_files(command)
    command.add_argument(
        "--limit",
        type=to_count,
        default=SHOWN,
        metavar="N",
        help="lines and findings to show at most, 0 for all (default: %(default)s)",
    )


def add_files(command: ArgumentParser) -> None:
    """Which files, and how they are read."""
    command.add_argument(
        "files", nargs="+", metavar="FILE", type=Path, help="of the bank"
    )
    kind = command.add_mutually_exclusive_group()
    kind.add_argument(
        "--map", type=Path, metavar="FILE", help="the files are CSV, with these columns"
    )
    kind.add_argument(
        "--reference",
        action="append",
        choices=ALL_REFERENCE_FIELDS,
        metavar="FIELD",
        help="where this bank writes its own reference, in place of "
        f"{', '.join(REFERENCE_FIELDS)}; may be given again",
    )


def bank_statement(args: Namespace, screen: Screen) -> Exit:
    """Read the files, say what they hold, and what does not fit."""
    try:
        statements = read_files(args, screen)
    except StatementError as error:
        screen.note(f"not believed: {error}")
        return Exit.REFUSED
    findings = look_through(statements)
    lines = distinct_lines(statements)
    if screen.as_json:
        for line in lines:
            screen.value({"line": _plain_line(line)})
        for finding in findings:
            screen.value({"finding": plain_finding(finding)})
        screen.value({"statements": [_plain_statement(one) for one in statements]})
    else:
        _show(statements, lines, findings, args.limit, screen)
    return Exit.FINDINGS if findings else Exit.DONE


def read_files(args: Namespace, screen: Screen) -> list[Statement]:
    """Whole statements and advices. Raises StatementError."""
    return join_pages(_read_all(args, screen))


def _read_all(args: Namespace, screen: Screen) -> Iterator[Statement]:
    if len(args.files) > FILES_MAX:
        raise StatementError("the command", f"more than {FILES_MAX} files")
    columns: ColumnMap | None = None
    if args.map is not None:
        columns = read_map(read_bytes(args.map), tidy_text(str(args.map)))
    references = tuple(args.reference or REFERENCE_FIELDS)
    with screen.progress(len(args.files), "files") as step:
        for path in args.files:
            # A file's name is a text of others, too.
            data, source = read_bytes(path), tidy_text(str(path))
            if columns is not None:
                yield read_csv(data, source, columns)
            else:
                yield from read_camt(data, source, references=references)
            step.advance()


def read_bytes(path: Path) -> bytes:
    """What a file has, as far as one may. Raises StatementError."""
    try:
        with path.open("rb") as file:
            # Not from a pipe or a device that has no end, either.
            data = file.read(FILE_MAX + 1)
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else str(error)
        raise StatementError(tidy_text(str(path)), what) from error
    return data


def _show(
    statements: Sequence[Statement],
    lines: Sequence[BankLine],
    findings: Sequence[Finding],
    limit: int,
    screen: Screen,
) -> None:
    screen.table(
        ["account", "statement", "from", "to", "opening", "change", "closing", "lines"],
        [
            (
                one.account,
                one.name,
                str(one.first_day or ""),
                str(one.last_day or ""),
                "" if one.opening is None else format_amount(one.opening),
                format_amount(one.change),
                "" if one.closing is None else format_amount(one.closing),
                str(len(one.lines)),
            )
            for one in statements
        ],
        right=("opening", "change", "closing", "lines"),
        drop=("lines", "from", "statement", "opening"),
    )
    shown = lines[: limit or None]
    screen.table(
        ["account", "booked", "side", "amount", "reference", "kind", "texts"],
        [
            (
                line.account,
                str(line.booked),
                f"{line.side}{', reversal' if line.reversal else ''}",
                format_amount(line.amount),
                line.reference or str(line.problem or ""),
                str(line.kind),
                " · ".join(line.texts[:4]),
            )
            for line in shown
        ],
        drop=("kind", "texts"),
    )
    if len(shown) < len(lines):
        screen.note(f"{len(lines) - len(shown)} more lines; --limit 0 shows them")
    totals: Counter[tuple[str, Side]] = Counter()
    for line in lines:
        totals[line.account, line.side] += line.amount
    for account in dict.fromkeys(one.account for one in statements):
        for side in Side:
            total = format_amount(totals[account, side])
            screen.line(f"{account}, {side}: {total}")
    show_findings(findings, limit, screen)


def show_findings(findings: Sequence[Finding], limit: int, screen: Screen) -> None:
    """What is wrong, as many as a person is shown."""
    told = findings[: limit or None]
    for finding in told:
        screen.line(f"{finding.what}, {finding.account}: {finding.text}")
    if len(told) < len(findings):
        screen.note(f"{len(findings) - len(told)} more findings; --limit 0 shows them")


def _plain_line(line: BankLine) -> dict[str, object]:
    return {
        "account": line.account,
        "side": line.side,
        "reversal": line.reversal,
        "reference": line.reference,
        "amount": line.amount,
        "charges": line.charges,
        "kind": line.kind,
        "booked": line.booked.isoformat(),
        "texts": list(line.texts),
        "problem": line.problem,
        "place": line.place,
    }


def plain_finding(finding: Finding) -> dict[str, object]:
    """The same for machines."""
    return {"what": finding.what, "account": finding.account, "text": finding.text}


def _plain_statement(one: Statement) -> dict[str, object]:
    return {
        "account": one.account,
        "name": one.name,
        "number": one.number,
        "first_day": one.first_day and one.first_day.isoformat(),
        "last_day": one.last_day and one.last_day.isoformat(),
        "opening": one.opening,
        "closing": one.closing,
        "lines_count": len(one.lines),
        "pending_count": one.pending_count,
        "sources": list(one.sources),
    }
