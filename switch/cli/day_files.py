"""The files of a day, in a folder: a part of `payswitch close-day`.

Over the wire. What is there already is compared, or, of a day that is over, left; it is
never replaced.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, Final

from switch.canonical_csv import paise_of
from switch.cli.written_files import Written, write_file
from switch.client import Client
from switch.console.output import Screen
from switch.errors import ConfigError
from switch.file_names import FileKind, parse_name
from switch.v1 import schedules_pb2

DAYS_MAX: Final = 31
"""Accounting days that one run writes; older ones by `--day`."""
WINDOWS_MAX: Final = 1_000
"""Windows that one run looks at."""


@dataclass(slots=True)
class DayFiles:
    """The files of one accounting day, and what they come to."""

    day: str
    windows: list[int] = field(default_factory=list)
    """By sequence, ascending."""
    names: list[str] = field(default_factory=list)
    is_newest: bool = False
    written: list[Written] = field(default_factory=list)
    """Those that this run has written or compared."""
    scrolls: int = 0
    nil: int = 0
    """Scrolls without a line."""
    lines: int = 0
    credits: int = 0
    debits: int = 0
    """Of all scrolls, in paise."""
    wrong: list[str] = field(default_factory=list)
    """Files that are there with other bytes, and why they are not believed."""
    instructions: list[dict[str, Any]] = field(default_factory=list)
    """What banks are to be told: file, payments, amount, what is left out."""

    @property
    def amount(self) -> int:
        """What the scrolls come to, in paise: credits less debits."""
        return self.credits - self.debits


def days_to_write(client: Client, only: date | None) -> list[DayFiles]:
    """The newest accounting days, or one, oldest first, with the names of their files.

    A month's statements come with its last window, when the next month has begun; so
    the days before are looked at again.
    """
    found: dict[str, DayFiles] = {}
    for window in islice(client.windows(), WINDOWS_MAX):
        files = list(client.files(window.sequence))
        day = files[0].day if files else _day_of(window)
        if only is not None and day < only.isoformat():
            break
        if day not in found and len(found) == DAYS_MAX:
            break
        one = found.setdefault(day, DayFiles(day, is_newest=not found))
        one.windows.insert(0, window.sequence)
        one.names = [file.name for file in files] + one.names
    if only is not None:
        return [one for day, one in found.items() if day == only.isoformat()]
    return list(found.values())[::-1]


def _day_of(window: schedules_pb2.Window) -> str:
    """Of a window without any file: nobody is paid yet."""
    return window.last_day or "-"


def write_day(client: Client, day: DayFiles, folder: Path, screen: Screen) -> None:
    """Write what is not there; of the newest day what is there is compared, and one of
    that name with other bytes stops none of the others.

    Raises what the client raises.
    """
    right = []
    with screen.progress(len(day.names), screen.language.word("files")) as step:
        for name in day.names:
            try:
                if day.is_newest or not (folder / name).exists():
                    day.written.append(write_file(client, name, folder))
                right.append(name)
            except ConfigError as error:
                day.wrong.append(str(error))
            step.advance()
    for name in right:
        if name.endswith(".json"):
            _count(day, parse_name(name).kind, folder / name)


def _count(day: DayFiles, kind: FileKind, manifest: Path) -> None:
    """Add up what a manifest says."""
    said = json.loads(manifest.read_bytes())
    if kind is FileKind.SCROLL:
        day.scrolls += 1
        day.nil += not said["lines"]
        day.lines += said["lines"]
        day.credits += paise_of(said["credits"])
        day.debits += paise_of(said["debits"])
    elif kind is FileKind.INSTRUCTION:
        day.instructions.append(
            {
                "file": said["file"]["name"],
                "message": said["message"],
                "payments": said["payments"],
                "amount_paise": paise_of(said["amount"]),
                "left_out": said["left_out_payments"],
            }
        )


def new_of(days: Sequence[DayFiles]) -> int:
    """How many files this run has written."""
    return sum(one.is_new for day in days for one in day.written)
