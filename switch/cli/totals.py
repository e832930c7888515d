"""`payswitch totals`: what the network has taken, by day, place, or what was paid for.

Over the wire only, as `commands`, whose ways they share.
"""

import datetime as dt
import hashlib
import io
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final

from switch.calendar import IST, NS_IN_S, format_ist, parse_date
from switch.canonical_csv import csv_line, rupees, safe_text
from switch.cli.arguments import as_argument
from switch.cli.commands import open_office
from switch.cli.parquet import column_type
from switch.cli.written_files import write_whole
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.words import Language
from switch.money import RUPEE, format_crore
from switch.v1 import totals_pb2 as pb

TEXT = "what the network has taken: in all, by day, district, department"

FIGURES: Final = tuple(field.name for field in pb.TotalsFigures.DESCRIPTOR.fields)
SHOWN: Final = ("payments", "gross", "refunds", "net", "open", "in_question", "cases")
"""What a line for people has."""
_KEYS: Final = {
    "payments": "totals payments",
    "held": "totals held",
    "given_back": "totals given back",
    "cases": "totals cases",
    "open": "totals open",
    "in_question": "in question",
    "day": "totals day",
}
"""Keys of words, where a name is another word's."""
_BY: Final = {
    enum_word(pb.TotalsBy.DESCRIPTOR, number).replace("_", "-"): number
    for number in pb.TotalsBy.values()
    if number
}


def _to_day(text: str) -> str:
    return parse_date(text).isoformat()


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "--by", choices=tuple(_BY), help="a line for each of these (default: none)"
    )
    for name, what in (("from", "first"), ("to", "last")):
        command.add_argument(
            f"--{name}",
            dest=f"{name}_day",
            type=as_argument(_to_day),
            metavar="DATE",
            help=f"the {what} day, an IST date (default: the {what} there is)",
        )
    command.add_argument(
        "--biller", default="", metavar="ID", help="only what was paid to this one"
    )
    command.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the lines as CSV, too"
    )
    command.add_argument(
        "--parquet", type=Path, metavar="FILE", help="write the lines as Parquet, too"
    )


def totals(args: Namespace, screen: Screen) -> Exit:
    """Tell the totals as they are now."""
    by = pb.TotalsBy.ValueType(_BY[args.by] if args.by else 0)
    args.from_day, args.to_day = args.from_day or "", args.to_day or ""
    with open_office(args) as client:
        found = client.totals(by, args.from_day, args.to_day, args.biller)
    # Without lines the whole is one.
    lines = list(found.lines) if args.by else [pb.TotalsLine(figures=found.whole)]
    if args.csv is not None:
        data = "".join(_csv(found, lines)).encode()
        write_whole(args.csv, lambda file: _fill(file, data))
    if args.parquet is not None:
        data = _parquet(found, lines)
        write_whole(args.parquet, lambda file: _fill(file, data))
    if screen.as_json:
        said = plain(found)
        said["by"], said["biller"] = args.by or "", args.biller
        said["from_day"], said["to_day"] = args.from_day, args.to_day
        said["gross_crore"] = format_crore(found.whole.gross.paise)
        screen.value(said)
        return Exit.DONE
    if args.by:
        _show_lines(found, args.by.replace("-", "_"), screen)
    _show_whole(found, args, screen)
    return Exit.DONE


# --- for people ----------------------------------------------------------------------


def _show_whole(found: pb.ReadTotalsResponse, args: Namespace, screen: Screen) -> None:
    language = screen.language
    begin = args.from_day or language.word("from the beginning")
    end = args.to_day or language.word("to now")
    crore = format_crore(found.whole.gross.paise)
    gross = f"{language.amount(found.whole.gross.paise)} ({RUPEE}{crore} "
    facts = [
        ("days", f"{begin} – {end}"),
        ("gross", f"{gross}{language.word('crore')})"),
        ("net", language.amount(_net(found.whole))),
    ]
    for name in FIGURES:
        if name != "gross":
            told = getattr(found.whole, name)
            text = f"{language.count(told.count)}  {language.amount(told.paise)}"
            facts.append((_KEYS.get(name, name), text))
    time = format_ist(found.as_of_time_ns) if found.as_of_sequence else "-"
    facts.append(("as of", f"{language.count(found.as_of_sequence)} ({time})"))
    screen.facts(facts)
    screen.line(language.word("totals counts"))


def _show_lines(found: pb.ReadTotalsResponse, by: str, screen: Screen) -> None:
    language = screen.language
    right = [_KEYS.get(name, name) for name in SHOWN]
    rows = []
    for line in found.lines:
        cells = []
        for name in SHOWN:
            if name == "net":
                cells.append(language.amount(_net(line.figures)))
                continue
            told = getattr(line.figures, name)
            counts = name in ("payments", "cases")
            cells.append(
                language.count(told.count) if counts else language.amount(told.paise)
            )
        rows.append((*_called(line, by, language), *cells))
    screen.table(
        (_KEYS.get(by, by), "name", *right),
        rows,
        right=right,
        drop=("totals cases", "in question", "totals open", "refunds"),
    )


def _called(line: pb.TotalsLine, by: str, language: Language) -> tuple[str, str]:
    """The code and the name of a line."""
    if not line.code:
        return language.word("not stated"), ""
    names = (line.name_en, line.name_bn)
    name = names[language is Language.BENGALI] or line.name_en
    return (name, "") if by == "department" else (line.code, name)


def _net(figures: pb.TotalsFigures) -> int:
    return figures.gross.paise - figures.refunds.paise


# --- as files ------------------------------------------------------------------------


def _columns() -> list[str]:
    names = ["as_of_sequence", "as_of_time", "code", "name_en", "name_bn"]
    for name in FIGURES:
        names += [name, f"{name}_amount"]
    return names


def _csv(found: pb.ReadTotalsResponse, lines: Sequence[pb.TotalsLine]) -> Iterator[str]:
    """Canonical CSV, of which each line says as of which entry it is."""
    yield csv_line(_columns())
    for line in lines:
        cells = [str(found.as_of_sequence), _time(found)]
        cells += map(safe_text, (line.code, line.name_en, line.name_bn))
        for name in FIGURES:
            told = getattr(line.figures, name)
            cells += [str(told.count), rupees(told.paise)]
        yield csv_line(cells)


def _time(found: pb.ReadTotalsResponse) -> str:
    seconds = found.as_of_time_ns // NS_IN_S
    return dt.datetime.fromtimestamp(seconds, IST).isoformat()


def _fill(file: BinaryIO, data: bytes) -> "hashlib._Hash":
    """What an earlier run has left is of another moment."""
    file.truncate(0)
    file.write(data)
    return hashlib.sha256(data)


def _parquet(found: pb.ReadTotalsResponse, lines: Sequence[pb.TotalsLine]) -> bytes:
    """The same table with types; only who wants it waits for pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    time = column_type("time")
    columns: dict[str, Any] = {
        "as_of_sequence": pa.array([found.as_of_sequence] * len(lines), pa.uint64()),
        "as_of_time": pa.array([found.as_of_time_ns // NS_IN_S] * len(lines), time),
    }
    for name in ("code", "name_en", "name_bn"):
        columns[name] = pa.array([getattr(line, name) for line in lines], pa.string())
    for name in FIGURES:
        told = [getattr(line.figures, name) for line in lines]
        columns[name] = pa.array([one.count for one in told], pa.uint64())
        amounts = [Decimal(one.paise).scaleb(-2) for one in told]
        columns[f"{name}_amount"] = pa.array(amounts, column_type("amount"))
    table = io.BytesIO()
    pq.write_table(pa.table(columns), table, compression="zstd")
    return table.getvalue()
