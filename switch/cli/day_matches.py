"""A day's scrolls laid beside what billers and banks have sent: a part of `payswitch
close-day`.

May use `matching`; over the wire only for what the files need beside: who has not
answered, and whose account at a bank is whose.
"""

import datetime as dt
import itertools
import json
import re
from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from switch.bank.lines import StatementError
from switch.calendar import ist_date, parse_date
from switch.cli.acknowledged import write_words
from switch.cli.day_files import DayFiles, Matches
from switch.cli.day_recalls import entry_of, instructions_at_hand, payees_of
from switch.cli.match_files import bytes_of, write_file
from switch.cli.matching import booked_lines, match_files
from switch.client import Client, Point
from switch.column_maps import MAP_MAX, read_object
from switch.console.output import Screen, plain
from switch.matching.breaks import (
    BANK_KEYS,
    FILE_MAX,
    Break,
    Matched,
    State,
    read_match,
)
from switch.matching.cells import ListError
from switch.matching.payouts import KeptPaid
from switch.matching.report import name_of
from switch.matching.scrolls import DAYS_BEFORE
from switch.matching.sides import Wanted
from switch.v1 import types_pb2

LISTS_MAX: Final = 1_000
"""Billers whose lists are matched."""
CHAIN_MAX: Final = 31
"""Matches before one that must go on from each other."""
_BILLER: Final = re.compile(r"[a-z0-9-]{1,32}")


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
    if args.lists is not None and args.bank_files:
        with instructions_at_hand(client, of, folder) as payouts:
            matched = _match_lists(client, of, folder, payouts, args, screen, found)
    elif args.lists is not None:
        matched = _match_lists(client, of, folder, [], args, screen, found)
    bare = of.day.replace("-", "")
    for path in folder.glob(f"breaks-*-{bare}.csv"):
        biller = path.name.removeprefix("breaks-").removesuffix(f"-{bare}.csv")
        if biller in matched:
            continue
        _, breaks = _match_of(path)
        still_open = sum(one.state is State.OPEN for one in breaks)
        found.standing += still_open
        if still_open:
            found.breaks.append(path)
        report = _earlier_report(folder, f"{biller}-{bare}")
        if report is not None:
            found.earlier.append(report | {"earlier": True})
    return found


def _match_lists(
    client: Client,
    of: DayFiles,
    folder: Path,
    payouts: list[Path],
    args: Namespace,
    screen: Screen,
    found: Matches,
) -> set[str]:
    """Note in `found` what came of the lists; the billers that were matched.

    `payouts` are instructions to be laid beside the bank's files.
    """
    day, matched = of.day, set[str]()
    of_bank = Namespace(files=args.bank_files, bank_map=None)
    booked = list(booked_lines(of_bank, screen)) if args.bank_files else []
    undecided = folder / f"undecided-{day}.jsonl"
    payees = folder / f"payees-{day}.jsonl"
    recalls = folder / f"recalls-{day}.jsonl"
    _write_lines(undecided, map(plain, client.exceptions()))
    _write_lines(recalls, _recalls_to(of))
    owners, found.unknown = _payees(client, args.files, payouts)
    _write_lines(payees, owners)
    chains = Chains(args.files)
    for map_ in sorted(args.lists.glob("*.json"))[:LISTS_MAX]:
        biller = map_.stem
        list_ = args.lists / day / f"{biller}.csv"
        if not _BILLER.fullmatch(biller):
            continue
        has_list = not is_by_acknowledgements(map_)
        if has_list and not list_.exists():
            found.without.append(biller)
            continue
        try:
            before = chains.before(biller, day)
        except ListError as error:
            found.refused.append(f"{biller}: {error}")
            continue
        words = None
        if not has_list:
            words = folder / f"acknowledged-{biller}-{day}.jsonl"
            after = _acknowledged_after(client, of, before)
            write_words(client, biller, after, of.windows[-1], words)
        wanted = Namespace(
            scrolls=args.files,
            biller=biller,
            list=list_ if has_list else None,
            map=map_ if has_list else None,
            acknowledged=words,
            day=parse_date(day),
            first=None,
            last=None,
            count=None,
            total=None,
            open=before,
            undecided=undecided,
            payouts=payouts,
            payees=payees,
            recalls=recalls,
            files=[],
            bank_map=None,
            out=folder,
            limit=0,
        )
        try:
            _, _, report = match_files(
                wanted, screen, booked, partial(_kept_bank, folder, before)
            )
        except (ListError, StatementError) as error:
            found.refused.append(f"{biller}: {error}")
        else:
            found.reports.append(report)
            if report["breaks"]["open"]:
                bare = day.replace("-", "")
                found.breaks.append(folder / f"breaks-{biller}-{bare}.csv")
            if "bank" in report and not report["bank"]["looked_at"]:
                found.unasked.append(biller)
            matched.add(biller)
            if later := chains.stale_after(biller, day):
                found.stale.append(f"{biller}: {later}")
    return matched


def is_by_acknowledgements(map_: Path) -> bool:
    """Whether a biller's map says that it has no lists: `{"by": "acknowledged"}`."""
    try:
        return read_object(bytes_of(map_, MAP_MAX)) == {"by": "acknowledged"}
    except (ValueError, ListError):
        return False


def _acknowledged_after(client: Client, of: DayFiles, before: Path | None) -> int:
    """From behind which entry on acknowledgements are to be known: of all that was not
    matched before, and of what is open still.
    """
    first, still_open = of.windows[0], list[int]()
    if before is not None:
        matched, breaks = _match_of(before)
        first = min(first, matched.window)
        oldest = parse_date(of.day) - dt.timedelta(days=DAYS_BEFORE)
        still_open = [
            one.entry
            for one in breaks
            if one.state is State.OPEN and one.entry and one.day >= oldest
        ]
    sequences = (one.sequence for one in client.windows())
    after = next((one for one in sequences if one < first), 0)
    return min([after, *(entry - 1 for entry in still_open)])


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
        entries = {entry_of(one) for one in payees_of(path)}
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


def _recalls_to(of: DayFiles) -> Iterable[dict[str, Any]]:
    """What was recalled until a day: its match once more is the same, whatever is
    recalled later.
    """
    return [
        plain(one)
        for one in sorted(of.recalls, key=lambda one: one.sequence)
        if ist_date(one.time_ns).isoformat() <= of.day
    ]


def _kept_bank(folder: Path, before: Path | None, wanted: Wanted) -> KeptPaid | None:
    """What an earlier run of these days has found of the bank: it stands, if it was
    found of the same scrolls, and behind the same match.

    Raises ListError if it does not: then the bank is to be looked at again.
    """
    report = _earlier_report(folder, name_of(wanted))
    if report is None or "bank" not in report:
        return None
    path = folder / f"breaks-{name_of(wanted)}.csv"
    matched, breaks = _match_of(path)
    told = {one["number"] for one in report["bank"]["scrolls"]}
    is_same = matched.before == wanted.previous and all(
        one.number in told
        for one in wanted.scrolls.scrolls
        if wanted.first <= one.day <= wanted.last
    )
    if not is_same or (before is not None and _is_stale(before, path)):
        what = "was matched with the bank's files before other scrolls were there"
        raise ListError(path.name, f"{what}: give them again, --bank FILE")
    kept = [one for one in breaks if one.by in BANK_KEYS]
    return KeptPaid(kept, report["bank"])


def _earlier_report(folder: Path, name: str) -> dict[str, Any] | None:
    """What an earlier run has said of a match. Raises ListError for what is none."""
    path = folder / f"match-{name}.json"
    if not path.exists():
        return None
    try:
        said = json.loads(bytes_of(path, FILE_MAX))
        int(said["breaks"]["open"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ListError(str(path), "is not as a match has written it") from None
    found: dict[str, Any] = said
    return found


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
