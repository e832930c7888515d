"""The files of a day, in a folder: a part of `payswitch close-day`.

Over the wire. What is there already is compared, or, of a day that is over, left; it is
never replaced.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from switch.calendar import ist_date, parse_date
from switch.canonical_csv import paise_of
from switch.cli.day_sums import Scroll, Sums, read_sums
from switch.cli.written_files import Written, is_recalled, write_file
from switch.client import CallError, Client
from switch.console.output import Screen
from switch.errors import ConfigError, WireError
from switch.file_names import FileKind, parse_name
from switch.v1 import files_pb2, schedules_pb2, types_pb2

DAYS_MAX: Final = 31
"""Accounting days that one run writes; older ones by `--day`."""


@dataclass(slots=True)
class DayFiles:
    """The files of one accounting day, and what they come to."""

    day: str
    windows: list[int] = field(default_factory=list)
    """By sequence, ascending."""
    names: list[str] = field(default_factory=list)
    is_closed: bool = False
    """It is the one that this run closes. Of those before only what is not there is
    written, and nothing is added up: nobody has looked whether it is still right.
    """
    written: list[Written] = field(default_factory=list)
    """Those that this run has written or compared."""
    scrolls: int = 0
    nil: int = 0
    """Scrolls without a line."""
    lines: int = 0
    credits: int = 0
    debits: int = 0
    """Of all scrolls, in paise."""
    sums: dict[Scroll, Sums] = field(default_factory=dict)
    """What each scroll comes to, by its manifest."""
    held_back: list[str] = field(default_factory=list)
    """Instructions that were not written, as payouts in them were recalled."""
    recalled: list[str] = field(default_factory=list)
    """The same of those that are there: a bank may have them."""
    wrong: list[str] = field(default_factory=list)
    """Files that are there with other bytes, and why they are not believed."""
    instructions: list[dict[str, Any]] = field(default_factory=list)
    """What banks are to be told: file, payments, amount, what is left out, and what of
    it was recalled since."""
    after: int = 0
    """The entry behind which the payouts of these begin."""
    recalls: list[types_pb2.Entry] = field(default_factory=list)
    """What was recalled of all payouts and returns, of whichever day."""

    @property
    def amount(self) -> int:
        """What the scrolls come to, in paise: credits less debits."""
        return self.credits - self.debits

    @property
    def to_bank(self) -> int:
        """What its banks are to pay, in paise: what was recalled is paid anew, by
        another instruction.
        """
        return sum(
            one["amount_paise"] - one["recalled_paise"] for one in self.instructions
        )


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
    unasked: list[str] = field(default_factory=list)
    """Billers of whom an earlier run's look at the bank stands: this one has none."""
    earlier: list[dict[str, Any]] = field(default_factory=list)
    """What earlier runs have said of this day, of billers not matched by this one."""
    standing: int = 0
    """Open breaks of those."""
    breaks: list[Path] = field(default_factory=list)
    """Files of breaks of which some are open."""

    @property
    def open(self) -> int:
        """Breaks that travel on."""
        counts: list[int] = [one["breaks"]["open"] for one in self.reports]
        return sum(counts) + self.standing


def days_to_write(client: Client, only: date | None) -> list[DayFiles]:
    """The newest accounting days, or one, oldest first, with the names of their files.

    Of each day all windows are looked at, however many somebody has closed. A month's
    statements come with its last window, when the next month has begun; so the days
    before are looked at again.
    """
    found: dict[str, DayFiles] = {}
    for window in client.windows():
        files = list(client.files(window.sequence))
        day = _day_of(window, files)
        if only is not None and day < only.isoformat():
            break
        if day not in found and len(found) == DAYS_MAX:
            break
        one = found.setdefault(day, DayFiles(day))
        one.windows.insert(0, window.sequence)
        one.names = [file.name for file in files] + one.names
    days = list(found.values())[::-1]
    if only is not None:
        days = [one for one in days if one.day == only.isoformat()]
    if days:
        days[-1].is_closed = True
    return days


def _day_of(window: schedules_pb2.Window, files: Sequence[files_pb2.File]) -> str:
    """Its accounting day; without files, as long as there are no billers, that on which
    it was closed. What the server says becomes a folder's name: it must be a date.
    """
    if not files:
        return ist_date(window.time_ns).isoformat()
    try:
        return parse_date(files[0].day).isoformat()
    except ValueError:
        raise WireError(f"window {window.sequence} has no day") from None


def write_day(client: Client, day: DayFiles, folder: Path, screen: Screen) -> None:
    """Write what is not there; of the day that is closed what is there is compared, and
    one of that name with other bytes stops none of the others.

    Raises what the client raises.
    """
    with screen.progress(len(day.names), screen.language.word("files")) as step:
        for name in day.names:
            try:
                if day.is_closed or not (folder / name).exists():
                    _write(client, name, day, folder)
                    if day.is_closed and name.endswith(".json"):
                        _count(day, parse_name(name).kind, folder / name)
            except ConfigError as error:
                day.wrong.append(str(error))
            except (ValueError, KeyError, TypeError) as error:
                day.wrong.append(f"{name} is no manifest: {error!r}")
            step.advance()


def _write(client: Client, name: str, day: DayFiles, folder: Path) -> None:
    """Write or compare one. An instruction in which payouts were recalled is not
    written: whoever takes it from the folder would have them paid.
    """
    try:
        day.written.append(write_file(client, name, folder))
    except CallError as error:
        if not is_recalled(error):
            raise
        if not (folder / name).exists():
            day.held_back.append(error.text)
            return
        day.recalled.append(error.text)
        day.written.append(write_file(client, name, folder, although_recalled=True))


def _count(day: DayFiles, kind: FileKind, manifest: Path) -> None:
    """Add up what a manifest says."""
    said = json.loads(manifest.read_bytes())
    if kind is FileKind.SCROLL:
        lines = said["lines"]
        scroll, sums = read_sums(said)
        if scroll in day.sums:
            raise ValueError(f"there is another scroll of {scroll}")
        day.sums[scroll] = sums
        day.scrolls += 1
        day.nil += not lines
        day.lines += lines
        day.credits += sums["credits"]
        day.debits += sums["debits"]
    elif kind is FileKind.INSTRUCTION:
        after = int(said["after"])
        day.after = min(day.after, after) if day.instructions else after
        day.instructions.append(
            {
                "file": said["file"]["name"],
                "message": said["message"],
                "payments": said["payments"],
                "amount_paise": paise_of(said["amount"]),
                "left_out": said["left_out_payments"],
                "recalled_payments": 0,
                "recalled_paise": 0,
            }
        )


def new_of(days: Sequence[DayFiles]) -> int:
    """How many files this run has written."""
    return sum(one.is_new for day in days for one in day.written)
