"""A day's scrolls laid beside what billers and banks have sent: a part of `payswitch
close-day`.

May use `matching`; over the wire only for what the files need beside: who has not
answered, and whose account at a bank is whose.
"""

import itertools
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
from switch.cli.day_recalls import releases_of
from switch.cli.matching import booked_lines, bytes_of, match_files, write_file
from switch.client import Client, Point
from switch.console.output import Screen, plain
from switch.matching.breaks import FILE_MAX, Break, Matched, State, read_match
from switch.matching.cells import ListError
from switch.v1 import types_pb2

LISTS_MAX: Final = 1_000
"""Billers whose lists are matched."""
CHAIN_MAX: Final = 31
"""Matches before one that must go on from each other."""
_BILLER: Final = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(slots=True)
class Matches:
    """What came of the lists of one day."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    """Billers with a map, whose list has not come."""
    refused: list[str] = field(default_factory=list)
    """Lists that are not believed, and why."""
    unknown: list[int] = field(default_factory=list)
    """Payouts, by their entries, to beneficiaries that were changed since."""
    stale: list[str] = field(default_factory=list)
    """Biller and day of what was matched on from something else than there is now."""
    standing: int = 0
    """Open breaks of earlier runs for this day, of billers not matched by this one."""

    @property
    def open(self) -> int:
        """Breaks that travel on."""
        counts: list[int] = [one["breaks"]["open"] for one in self.reports]
        return sum(counts) + self.standing


def match_day(
    client: Client, of: DayFiles, folder: Path, args: Namespace, screen: Screen
) -> Matches:
    """Match the lists of a day, biller by biller; what is wrong with one stops none.

    `folder` has the scrolls, and the day's instructions; also what earlier runs have
    left open, which stands for billers that are not matched now. Raises what the client
    raises, ConfigError, ListError, and StatementError of a bank's file that is not
    believed.
    """
    found, matched = Matches(), set[str]()
    if args.lists is not None:
        matched = _match_lists(client, of, folder, args, screen, found)
    bare = of.day.replace("-", "")
    for path in folder.glob(f"breaks-*-{bare}.csv"):
        if path.name.removeprefix("breaks-").removesuffix(f"-{bare}.csv") in matched:
            continue
        _, breaks = _match_of(path)
        found.standing += sum(one.state is State.OPEN for one in breaks)
    return found


def _match_lists(
    client: Client,
    of: DayFiles,
    folder: Path,
    args: Namespace,
    screen: Screen,
    found: Matches,
) -> set[str]:
    """Note in `found` what came of the lists; the billers that were matched."""
    day, matched = of.day, set[str]()
    of_bank = Namespace(files=args.bank_files, bank_map=None)
    booked = list(booked_lines(of_bank, screen)) if args.bank_files else []
    undecided = folder / f"undecided-{day}.jsonl"
    payees = folder / f"payees-{day}.jsonl"
    _write_lines(undecided, map(plain, client.exceptions()))
    payouts = []
    if args.bank_files:
        payouts = [folder / one["file"] for one in of.instructions]
    owners, found.unknown = _payees(client, args.files, payouts)
    _write_lines(payees, owners)
    chains = Chains(args.files)
    for map_ in sorted(args.lists.glob("*.json"))[:LISTS_MAX]:
        biller = map_.stem
        list_ = args.lists / day / f"{biller}.csv"
        if not _BILLER.fullmatch(biller):
            continue
        if not list_.exists():
            found.without.append(biller)
            continue
        try:
            before = chains.before(biller, day)
        except ListError as error:
            found.refused.append(f"{biller}: {error}")
            continue
        wanted = Namespace(
            scrolls=args.files,
            biller=biller,
            list=list_,
            map=map_,
            day=parse_date(day),
            first=None,
            last=None,
            count=None,
            total=None,
            open=before,
            undecided=undecided,
            payouts=payouts,
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
            matched.add(biller)
            if later := chains.stale_after(biller, day):
                found.stale.append(f"{biller}: {later}")
    return matched


def _payees(
    client: Client, files: Path, instructions: Iterable[Path]
) -> tuple[list[dict[str, Any]], list[int]]:
    """Whose account is whose, and whose money each payout was: departments have one
    account for several heads, and may have another by now. Also the entries of which
    nobody knows that.

    Raises what the client raises, ConfigError, StatementError, ListError.
    """
    lines = [plain(one) for one in client.beneficiaries()]
    known = {int(one["sequence"]): one for one in lines}
    for path in files.glob("*/payees-*.jsonl"):
        try:
            for raw in bytes_of(path, FILE_MAX).splitlines():
                one = json.loads(raw)
                if "sequence" in one:
                    known.setdefault(int(one["sequence"]), one)
        except (ValueError, TypeError, RecursionError):
            raise ListError(str(path), "is not as a close has written it") from None
    unknown = []
    for path in instructions:
        entries = releases_of(path)
        for payout in client.movements(
            kind=types_pb2.ENTRY_KIND_TRANSFER,
            after=Point(sequence=min(entries) - 1),
            at=Point(sequence=max(entries)),
        ):
            if payout.sequence not in entries:
                continue
            to = known.get(payout.resolves)
            if to is None:
                unknown.append(payout.sequence)
            else:
                whose = {"biller": to["biller"], "head": to["head"]}
                lines.append({"release": payout.sequence, **whose})
    return lines, unknown


class Chains:
    """The matches of days, each with the open breaks of the one before."""

    def __init__(self, files: Path) -> None:
        """`files` has a folder for each month."""
        self._files = files

    def before(self, biller: str, day: str) -> Path | None:
        """The breaks of the newest match of an earlier day, in whichever month.

        Raises ListError if one of those before goes on from something else than there
        is now, as if a list came late: it would have what the biller has told since
        travel on for ever as what it has not.
        """
        row = self._row(biller)
        days = [one for one in row if one < day][-CHAIN_MAX:]
        for first, second in itertools.pairwise(days):
            if _is_stale(row[first], row[second]):
                raise ListError(
                    row[second].name,
                    f"was matched before {first} was, or was so anew: "
                    f"first close-day --day {second}, with its lists and bank's files",
                )
        return row[days[-1]] if days else None

    def stale_after(self, biller: str, day: str) -> str:
        """The next day that was matched, if it is to be matched anew; or nothing."""
        row = self._row(biller)
        later = min((one for one in row if one > day), default="")
        return later if later and _is_stale(row[day], row[later]) else ""

    def _row(self, biller: str) -> dict[str, Path]:
        name = re.compile(rf"breaks-{biller}-([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})\.csv")
        found = {
            "-".join(told.groups()): path
            for path in self._files.glob(f"*/breaks-{biller}-*.csv")
            if (told := name.fullmatch(path.name))
        }
        return dict(sorted(found.items()))


def _is_stale(before: Path, after: Path) -> bool:
    """Whether a match has not begun with what the one before it has left open."""
    matched, left = _match_of(before)
    following, found = _match_of(after)
    if following.before != (matched.last, matched.window):
        return True
    still_open = {one.number for one in left if one.state is State.OPEN}
    taken = {one.number for one in found if one.since < following.first}
    return still_open != taken


def _match_of(path: Path) -> tuple[Matched, list[Break]]:
    matched, breaks = read_match(bytes_of(path, FILE_MAX), str(path))
    if matched is None:
        raise ListError(str(path), "does not say of which match it is")
    return matched, breaks


def _write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    lines = [json.dumps(one, ensure_ascii=False) for one in values]
    write_file(path, "".join(f"{one}\n" for one in lines).encode())
