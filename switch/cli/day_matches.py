"""A day's scrolls laid beside what billers and banks have sent: a part of `payswitch
close-day`.

May use `matching`; over the wire only for what the files need beside: who has not
answered, and whose account at a bank is whose.
"""

import json
import re
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from switch.bank.lines import StatementError
from switch.calendar import parse_date
from switch.cli.day_files import DayFiles
from switch.cli.matching import booked_lines, match_files, write_file
from switch.client import Client
from switch.console.output import Screen, plain
from switch.matching.cells import ListError

LISTS_MAX: Final = 1_000
"""Billers whose lists are matched."""
_BILLER: Final = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(slots=True)
class Matches:
    """What came of the lists of one day."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    """Billers with a map, whose list has not come."""
    refused: list[str] = field(default_factory=list)
    """Lists that are not believed, and why."""

    @property
    def open(self) -> int:
        """Breaks that travel on."""
        return sum(one["breaks"]["open"] for one in self.reports)


def match_day(
    client: Client, of: DayFiles, folder: Path, args: Namespace, screen: Screen
) -> Matches:
    """Match the lists of a day, biller by biller; what is wrong with one stops none.

    `folder` has the scrolls, and the day's instructions. Raises what the client raises,
    ConfigError, and StatementError of a bank's file that is not believed.
    """
    found, day = Matches(), of.day
    if args.lists is None:
        return found
    of_bank = Namespace(files=args.bank_files, bank_map=None)
    booked = list(booked_lines(of_bank, screen)) if args.bank_files else []
    undecided = folder / f"undecided-{day}.jsonl"
    payees = folder / f"payees-{day}.jsonl"
    _write_lines(undecided, map(plain, client.exceptions()))
    _write_lines(payees, map(plain, client.beneficiaries()))
    payouts = [folder / one["file"] for one in of.instructions]
    for map_ in sorted(args.lists.glob("*.json"))[:LISTS_MAX]:
        biller = map_.stem
        list_ = args.lists / day / f"{biller}.csv"
        if not _BILLER.fullmatch(biller):
            continue
        if not list_.exists():
            found.without.append(biller)
            continue
        wanted = Namespace(
            scrolls=folder,
            biller=biller,
            list=list_,
            map=map_,
            day=parse_date(day),
            first=None,
            last=None,
            count=None,
            total=None,
            open=_open_before(args.files, biller, day),
            undecided=undecided,
            payouts=payouts if args.bank_files else [],
            payees=payees,
            files=[],
            bank_map=None,
            out=folder,
            limit=0,
        )
        try:
            _, _, report = match_files(wanted, screen, booked)
        except (ListError, StatementError) as error:
            found.refused.append(f"{biller}: {error}")
        else:
            found.reports.append(report)
    return found


def _open_before(files: Path, biller: str, day: str) -> Path | None:
    """The breaks of the newest match of an earlier day, in whichever month it was."""
    name = re.compile(rf"breaks-{biller}-([0-9]{{8}})\.csv")
    bare = day.replace("-", "")
    earlier = {
        found[1]: path
        for path in files.glob(f"*/breaks-{biller}-*.csv")
        if (found := name.fullmatch(path.name)) and found[1] < bare
    }
    return earlier[max(earlier)] if earlier else None


def _write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    lines = [json.dumps(one, ensure_ascii=False) for one in values]
    write_file(path, "".join(f"{one}\n" for one in lines).encode())
