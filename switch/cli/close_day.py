"""`payswitch close-day`: all that ends a day, or what exactly stands in the way.

Over the wire, and in a folder; may use the other commands' parts. It closes a window if
no cut-off has done that today, writes the files of the days, matches them with
what billers and banks have sent, reads the totals, asks what can be checked, and writes
down what came of it. Again is harmless: what is closed stays closed, and what is
written is compared. Breaks never stop a day; they travel on.
"""

import json
import shlex
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from switch.bank.lines import StatementError
from switch.calendar import format_ist, ist_date, parse_date
from switch.cli.arguments import as_argument
from switch.cli.commands import open_office
from switch.cli.day_checks import Check, audit_check, checks
from switch.cli.day_end import (
    CUTOFFS_ASKED,
    goes_on_until,
    kept_payments,
    unsettled_windows,
)
from switch.cli.day_files import (
    DayFiles,
    Matches,
    days_to_write,
    new_of,
    write_day,
)
from switch.cli.day_sums import differences
from switch.cli.match_files import write_file
from switch.cli.signing import add_person, agreed, is_signed, signer_of
from switch.cli.written_files import make_folder, one_run
from switch.client import Client, Point
from switch.client.people import Signer
from switch.codes import Result
from switch.console.output import Exit, Screen, program_name
from switch.errors import SwitchError, UsageError
from switch.money import format_crore
from switch.v1 import results_pb2, types_pb2

TEXT = "end the day: windows, files, match, totals, checks; or what stands in the way"

OPEN: Final = "the window behind {} is open: give --person and --key, who close it"
_COUNTED: Final = (
    types_pb2.ENTRY_KIND_PAY,
    types_pb2.ENTRY_KIND_POST,
    types_pb2.ENTRY_KIND_REFUND,
    # Payouts, too: the instruction of their window is to go to the bank.
    types_pb2.ENTRY_KIND_TRANSFER,
)
"""Entries for which a window is worth its scrolls."""


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "--files",
        type=Path,
        required=True,
        metavar="DIR",
        help="where files and reports are written, a folder for each month",
    )
    command.add_argument(
        "--lists",
        type=Path,
        metavar="DIR",
        help="billers' lists: DIR/BILLER.json, the map of its columns, and "
        "DIR/DATE/BILLER.csv",
    )
    command.add_argument(
        "--bank",
        dest="bank_files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a bank's statement or advice; may be given again",
    )
    command.add_argument(
        "--ledger",
        type=Path,
        metavar="DIR",
        help="the ledger's directory, where it is here: it is audited",
    )
    command.add_argument(
        "--now",
        action="store_true",
        help="close the open window although cut-offs close it by themselves",
    )
    add_person(command, required=False)
    command.add_argument(
        "--day",
        type=as_argument(parse_date),
        metavar="DATE",
        help="this accounting day alone (default: the newest, and what is missing of "
        "those before)",
    )


def close_day(args: Namespace, screen: Screen) -> Exit:
    """End the day; what stands in the way is said, and all else is done."""
    if args.bank_files and args.lists is None:
        text = "--bank goes with --lists: it is looked at beside billers' lists"
        raise UsageError(text)
    make_folder(args.files)
    with one_run(args.files), open_office(args) as client:
        # Who closes a window: before anything is done.
        signer = signer_of(args, client) if is_signed(args) else None
        closing = Closing(client, args, screen, signer)
        closing.run()
    closing.tell()
    return Exit.FINDINGS if closing.in_the_way else Exit.DONE


WRONG_SHOWN: Final = 10
"""Files of a day that are said to be wrong; of others how many there are."""


class Closing:
    """One run, and what came of it."""

    def __init__(
        self,
        client: Client,
        args: Namespace,
        screen: Screen,
        signer: Signer | None = None,
    ) -> None:
        """Nothing is done yet. In a ledger with people a `signer` closes a window."""
        self._client = client
        self._signer = signer
        self._args = args
        self._screen = screen
        self.closed = 0
        """Sequence of the window that this run has closed, or 0."""
        self.days: list[DayFiles] = []
        self.matches: dict[str, Matches] = {}
        """By day."""
        self.checks: list[Check] = []
        self.totals: dict[str, Any] = {}
        self.sequence = 0
        self.goes_on_until = 0
        """Until when another window may come to the day, ns; 0 if it is over."""
        self.in_the_way: list[str] = []
        """What people must do something about before the day is closed."""
        self.waits: list[str] = []
        """What is still to come, and is done by another run."""

    def run(self) -> None:
        """All of it, in order. Raises what the first step raises: without windows there
        is nothing to write.
        """
        self.close_window()
        self.days = days_to_write(self._client, self._args.day)
        if self.days:
            schedule = self._client.schedule(CUTOFFS_ASKED)
            newest = self.days[-1].day
            self.goes_on_until = goes_on_until(newest, schedule, time.time_ns())
        if not self.days:
            self.in_the_way.append("no window is closed that has a file")
        for day in self.days:
            folder = self._args.files / day.day[:7]
            make_folder(folder)
            with self._step(f"files of {day.day}"):
                write_day(self._client, day, folder, self._screen)
                self.in_the_way += day.wrong[:WRONG_SHOWN]
                if more := len(day.wrong[WRONG_SHOWN:]):
                    self.in_the_way.append(f"files of {day.day}: {more} others, too")
                self._tell_recalls(day)
            if day.is_closed:
                with self._step(f"sums of {day.day}"):
                    self._compare_sums(day)
                with self._step(f"match of {day.day}"):
                    self._match(day, folder)
        with self._step("totals"):
            self._read_totals()
        with self._step("checks"):
            self.checks += checks(self._client)
        with self._step("kept payments"):
            self.waits += kept_payments(self._client)
        if self.days:
            with self._step("unsettled windows"):
                self.waits += unsettled_windows(self._client, self.days[-1].day)
        if self._args.ledger is not None:
            with self._step("audit"):
                self.checks.append(audit_check(self._args.ledger))
        self.in_the_way += [
            f"{one.name}: {one.text}" for one in self.checks if not one.ok
        ]
        self.sequence = self._client.ledger().sequence
        for day in self.days:
            if day.is_closed:
                path = self._args.files / f"close-{day.day}.json"
                write_file(path, _canonical(self._report(day)))

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """What a step cannot do stands in the way, and stops no other."""
        try:
            yield
        except (SwitchError, StatementError, OSError) as error:
            self.in_the_way.append(f"{name}: {error}")

    def close_window(self) -> None:
        """If none closes by itself one is closed by command; but only if it would count
        anything, and never to end another day than this.
        """
        if (
            self._args.day not in (None, ist_date(time.time_ns()))
            and not self._args.now
        ):
            return
        last = self._client.ledger().last_window
        if not self._args.now and self._is_by_schedule():
            return
        after = Point(sequence=last)
        for kind in _COUNTED:
            if next(self._client.movements(kind=kind, after=after), None) is not None:
                if not self._agreed(last):
                    self.in_the_way.append(OPEN.format(last))
                    return
                outcome = self._client.close_window(last, self._signer).outcome
                if outcome.result == results_pb2.RESULT_OK:
                    self.closed = outcome.sequence
                elif outcome.result == results_pb2.RESULT_WINDOW_EMPTY:
                    # What has moved is of no biller, and pays nobody out.
                    pass
                elif outcome.result == results_pb2.RESULT_NOT_SIGNED:
                    self.in_the_way.append(OPEN.format(last))
                elif self._client.ledger().last_window == last:
                    why = Result(outcome.result).name
                    self.in_the_way.append(f"the window is open: {why}")
                # Else somebody else has closed it meanwhile.
                return

    def _agreed(self, last: int) -> bool:
        """Whether who signs it, if anybody does, agrees to what is shown."""
        if self._signer is None:
            return True
        if not self._screen.as_json:
            facts = [("instance", self._signer.ledger.instance.hex())]
            self._screen.facts([*facts, ("closes the window behind", str(last))])
        return agreed(self._args, self._screen)

    def _is_by_schedule(self) -> bool:
        """Whether the schedule has cut-offs: then nobody else ends a day."""
        schedule = self._client.schedule().schedule
        return bool(schedule.minutes and schedule.weekdays)

    def _compare_sums(self, day: DayFiles) -> None:
        """Files that do not come to what the ledger has are no day's."""
        found = list(differences(self._client, day.windows, day.sums))
        self.in_the_way += found[:WRONG_SHOWN]
        if more := len(found[WRONG_SHOWN:]):
            self.in_the_way.append(f"sums of {day.day}: {more} others, too")

    def _tell_recalls(self, day: DayFiles) -> None:
        """What was not written stands in the way of the day that is closed; of one
        before, a bank has had it long since, or people see to it.
        """
        held = [
            f"{one}; it was not written, and must not get to a bank as it is"
            for one in day.held_back
        ]
        if day.is_closed:
            self.in_the_way += held
        else:
            self.waits += held
        self.waits += [f"the bank's word: {one}" for one in day.recalled]

    def _match(self, day: DayFiles, folder: Path) -> None:
        # They need NumPy, which no other command should wait for.
        from switch.cli.day_matches import match_day
        from switch.cli.day_recalls import note_recalls

        if day.instructions or self._args.bank_files:
            note_recalls(self._client, day, folder)
        found = match_day(self._client, day, folder, self._args, self._screen)
        self.matches[day.day] = found
        # A list comes late, or again: the day is not held up by it.
        self.waits += [f"the list of {one}" for one in found.refused]
        self.waits += [f"the list of {one} has not come" for one in found.without]
        self.waits += [
            f"the bank of {one}, not looked at: what an earlier run found stands"
            for one in found.unasked
        ]
        self.waits += [f"whose money entry {one} paid out" for one in found.unknown]
        self.waits += [
            f"another match of {one}, which was before this one" for one in found.stale
        ]

    def _read_totals(self) -> None:
        found = self._client.totals()
        self.totals = {
            "gross_paise": found.whole.gross.paise,
            "gross_crore": format_crore(found.whole.gross.paise),
            "payments": found.whole.payments.count,
            "corrections": found.whole.corrections.count,
            "refunds_paise": found.whole.refunds.paise,
            "as_of_sequence": found.as_of_sequence,
            "as_of_time_ns": found.as_of_time_ns,
        }

    # --- what is told ----------------------------------------------------------------

    def _report(self, day: DayFiles) -> dict[str, Any]:
        matches = self.matches.get(day.day, Matches())
        return {
            "day": day.day,
            "windows": day.windows,
            "scrolls": day.scrolls,
            "nil": day.nil,
            "lines": day.lines,
            "credits_paise": day.credits,
            "debits_paise": day.debits,
            "amount_paise": day.amount,
            "instructions": day.instructions,
            "to_bank_paise": day.to_bank,
            "files": [
                {"name": one.name, "size": one.size, "sha256": one.sha256}
                for one in day.written
            ],
            "breaks": self._breaks_open(day),
            "matches": [*matches.reports, *matches.earlier],
            "totals": self.totals,
            "checks": [one._asdict() for one in self.checks],
            "in_the_way": self.in_the_way,
            "waits": self.waits,
            "goes_on_until_ns": self.goes_on_until,
            "sequence": self.sequence,
        }

    def _breaks_open(self, day: DayFiles) -> int | None:
        """Of the day; None if its match could not be made: nobody knows how many."""
        found = self.matches.get(day.day)
        return None if found is None else found.open

    def tell(self) -> None:
        """For people, or one object for machines."""
        closed = [one for one in self.days if one.is_closed]
        opened = (self._breaks_open(one) for one in closed)
        known = [one for one in opened if one is not None]
        value = {
            "windows": sum(len(one.windows) for one in closed),
            "scrolls": sum(one.scrolls for one in closed),
            "breaks": None if len(known) < len(closed) else sum(known),
            "amount_paise": sum(one.amount for one in closed),
            "sequence": self.sequence,
            "ok": not self.in_the_way,
            "closed": self.closed,
            "day": closed[0].day if closed else "",
            "days": [one.day for one in self.days],
            "instructions": sum(len(one.instructions) for one in closed),
            "to_bank_paise": sum(one.to_bank for one in closed),
            "files": sum(len(one.names) for one in self.days),
            "new": new_of(self.days),
            "totals": self.totals,
            "in_the_way": self.in_the_way,
            "waits": self.waits,
            "goes_on_until_ns": self.goes_on_until,
        }
        if self._screen.as_json:
            self._screen.value(value)
        else:
            self._show()

    def _show(self) -> None:
        language, screen = self._screen.language, self._screen
        amount, count, word = language.amount, language.count, language.word
        screen.table(
            (
                *("closed day", "closed windows", "scrolls", "nil scrolls", "amount"),
                *("to the bank", "breaks open"),
            ),
            [
                (
                    one.day,
                    count(len(one.windows)),
                    count(one.scrolls),
                    count(one.nil),
                    amount(one.amount),
                    amount(one.to_bank),
                    "?"
                    if (opened := self._breaks_open(one)) is None
                    else count(opened),
                )
                for one in self.days
                if one.is_closed
            ],
            right=(
                *("closed windows", "scrolls", "nil scrolls", "amount"),
                *("to the bank", "breaks open"),
            ),
            drop=("nil scrolls", "scrolls", "closed windows"),
        )
        if self.days:
            screen.line(word("amount counts"))
            screen.line(word("to the bank counts"))
        self._show_breaks()
        if self.totals:
            as_of_time = format_ist(self.totals["as_of_time_ns"])
            text = f"{self.totals['gross_crore']} {word('crore')}"
            as_of = f"{count(self.totals['as_of_sequence'])} ({as_of_time})"
            completed = self.totals["payments"] + self.totals["corrections"]
            facts = [("gross ever", text), ("payments ever", count(completed))]
            screen.facts([*facts, ("as of", as_of)])
        screen.table(
            ("check", "state", "detail"),
            [
                (word(f"check {one.name}"), "ok" if one.ok else "FAILED", one.text)
                for one in self.checks
            ],
        )
        for one in self.waits:
            screen.line(f"{word('still to come')}: {one}")
        if self.goes_on_until:
            until = format_ist(self.goes_on_until)
            screen.line(f"{word('day goes on')} {until}")
        elif not self.in_the_way:
            screen.line(word("day closed"))
            last = max(self.days[-1].windows)
            screen.line(f"{word('paid since')}: {count(last)}.")
        for one in self.in_the_way:
            screen.line(f"{word('in the way')}: {one}")

    def _show_breaks(self) -> None:
        """How one looks at what is open: the files of the day lie here, and no switch
        is asked.
        """
        files = [
            path for matches in self.matches.values() for path in sorted(matches.breaks)
        ]
        if files:
            self._screen.line(self._screen.language.word("see breaks"))
        for path in files:
            words = (program_name(), "breaks", "list", str(path))
            self._screen.line(f"  {shlex.join(words)}")


def _canonical(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1)
    return text.encode() + b"\n"
