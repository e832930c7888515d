"""One old page put back into a copy of an aged ledger: what becomes of it.

The copy is opened and asked everything, in another process, because it may die or
hang; that process has the next copy if this one was right. What may come of it: `right`
(nothing was noticed, and nothing is wrong), `rebuilt` (it refused, the next start
mended it, and nothing is wrong), `refused` (it serves no wrong value and says so). What
may not: `wrong`, `signal` and `hang`, unless the one start behind it recovers, and
`shut`: only the index was damaged, and the next start does not mend it although it
could.

A death in service, or a hang that is ended by a kill as an operator would, leaves what
the core's handler and its watch leave; the start behind it must make the index anew at
once, or refuse a damaged journal.

A start is the product's own, `switch.ledger.opening.open_ledger`: it marks a start,
looks through both files after one that died, and makes a damaged index anew.

Used by tests/core/test_old_pages.py and tests/torture/old_pages.py.
"""

import contextlib
import gc
import json
import logging
import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switch._core import Ledger
from switch.codes import Kind, Result
from switch.errors import StorageError
from switch.ledger.opening import open_ledger
from tests.core.aged import (
    PAGE,
    SOME,
    Plan,
    Refused,
    Story,
    outcomes_of,
    read_all,
    some_windows,
)
from tests.core.pair import pack_row
from tests.core.witness import Witness
from tests.model import Answers, Rows

TRIAL_S = 20.0
"""How long a copy may take before it counts as hanging."""
OPENINGS_MAX = 4
"""Starts of one copy before it counts as one that does not open; one behind a death."""
PATIENCE = 0.25
"""The share of a copy's time after which the ledger takes LMDB for stuck."""
BUSY = 0.125
"""The share of its time in which a copy must have used the processor to hang."""
SLEEP_MOST = 6
"""A child that hardly runs is given up so many times later."""
LIVES_MAX = 100
"""Copies of one process; one of which anything was refused is its last."""
ORDER_SIZE = 4
STARTS_MAX = 2
"""The one that may die or hang, and the one that puts it right."""
GOOD = ("right", "rebuilt", "refused")
BAD = ("wrong", "signal", "hang", "shut")
NOT_READ = {code for code in Result if code.name == "DATA_DAMAGED"}
"""The result of a request that speaks of what cannot be read."""


def rows_before(
    told: list[list[tuple[int, ...]]], before: int, after: int
) -> list[int]:
    """How many rows there were when each outcome of a group was decided: what is due
    comes first, and then each outcome makes its row or none.
    """
    counts = []
    count = after
    for outcome in (each for outcomes in reversed(told) for each in outcomes[::-1]):
        if outcome[1] > before and not outcome[3]:
            count = outcome[1] - 1
        counts.append(count)
    return counts[::-1]


@dataclass(frozen=True)
class Case:
    """One older content of one place."""

    file: str
    page: int
    back: int
    """1 is what stood there last before, 2 what stood there before that."""
    content: bytes

    def __str__(self) -> str:
        return f"{self.file} page {self.page}, {self.back} back"


def all_cases(story: Story) -> list[Case]:
    """Each older content of each place."""
    return [
        Case(place.file, place.page, back, content)
        for place in story.places
        for back, content in enumerate(place.older, 1)
    ]


class WrongError(Exception):
    """The copy told or did something that is not so."""


class Trial:
    """One copy, from its first opening to its end."""

    def __init__(
        self, story: Story, plan: Plan, case: Case, folder: Path, seconds: float
    ) -> None:
        self.story, self.plan, self.case, self.folder = story, plan, case, folder
        self.patience_s = seconds * PATIENCE
        self.refusals: list[str] = []
        self.weak = False
        """A payment was refused because its row cannot be read: from here on state is
        not that of the plan, but nothing may be done twice or told wrongly."""
        self.witness = Witness(story.model)

    # --- the copy ---------------------------------------------------------------------

    def write(self, files: dict[str, bytes]) -> None:
        """The files, with the old content in its place."""
        for name, body in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        with (self.folder / self.case.file / "data.mdb").open("r+b") as file:
            file.seek(PAGE * self.case.page)
            file.write(self.case.content)

    def open(self) -> Ledger:
        options = {**self.story.options, "patience_s": self.patience_s}
        ledger = open_ledger(str(self.folder), create=False, **options)
        ledger.set_quotation_keys(self.story.model.keys)
        return ledger

    # --- its life ---------------------------------------------------------------------

    def run(self, died: str = "") -> str:
        """What became of the copy; `died` says that its first start ended badly."""
        if died:
            self.refusals.append(died)
        # What only the index has lost can be made anew.
        mended = self.case.file == "index"
        openings = OPENINGS_MAX if mended else 2
        for _ in range(1 if died and mended else openings):
            before = len(self.refusals)
            doing = "opening"
            try:
                with contextlib.closing(self.open()) as ledger:
                    doing = "service"
                    self.live(ledger)
                doing = "reopening"
                with contextlib.closing(self.open()) as ledger:
                    self.check_end(ledger, self.plan.last)
            except StorageError as error:
                self.refusals.append(f"{doing}: {error}")
            if len(self.refusals) == before:
                return "rebuilt" if self.refusals else "right"
        return "shut" if mended else "refused"

    def live(self, ledger: Ledger) -> None:
        """Everything that is asked of it, from where it stands."""
        plan, turns = self.plan, self.plan.turns
        at = self.find_turn(ledger.sequence)
        if at == 0:
            self.take_turn(ledger, 0)
            at = 1
        if ledger.sequence == plan.begin:
            windows = some_windows(plan, plan.begin)
            self.compare(plan.first, read_all(ledger, plan.begin, windows))
        while at < len(turns) and not (self.weak and not turns[at].again):
            self.take_turn(ledger, at)
            while ledger.index_step():
                pass
            at += 1
            self.look_for_damage(ledger)
        self.check_end(ledger, plan.some, SOME)

    def find_turn(self, sequence: int) -> int:
        """The turn that comes next in a ledger that has so many rows."""
        if self.weak:
            return 1
        turns = self.plan.turns
        if sequence == turns[0].before != turns[0].after:
            # The newest meta page is all that knows of the last commit.
            if self.case.file == "journal" and self.case.page < 2:
                return 0
            raise WrongError(f"the last commit has gone: {sequence} rows")
        for at, turn in enumerate(turns[1:], 1):
            if turn.before == sequence:
                return at
        if sequence == turns[-1].after:
            return len(turns)
        raise WrongError(f"{sequence} rows, where no group ended")

    def take_turn(self, ledger: Ledger, at: int) -> None:
        turn = self.plan.turns[at]
        before = ledger.sequence
        replies = [bytes(reply) for reply in ledger.commit(turn.requests, turn.now)]
        self.look_for_damage(ledger)
        if replies == turn.replies and not self.weak:
            if ledger.sequence != turn.after:
                raise WrongError(
                    f"group {at}: {ledger.sequence} rows, not {turn.after}"
                )
            return
        told = list(map(outcomes_of, turn.asks, replies))
        counts = iter(rows_before(told, before, ledger.sequence))
        for ask, reply, outcomes in zip(turn.asks, turn.replies, told, strict=True):
            pairs = zip(outcomes_of(ask, reply), outcomes, strict=True)
            for place, (expected, found) in enumerate(pairs):
                count = next(counts)
                if found[0] in NOT_READ and found[1] == 0:
                    self.meet_damage("a request was refused")
                elif not self.weak:
                    self.complain(at, ask, place, expected, found)
                elif isinstance(ask, Answers):
                    self.witness.follow(ledger, count)
                    self.compare_answer(at, ask, place, found)
                else:
                    self.compare_weakly(at, ask, place, expected, found)
        if not self.weak:
            raise WrongError(f"group {at}: answers differ")

    def look_for_damage(self, ledger: Ledger) -> None:
        """Holds that are due and cannot be read are passed over without a word."""
        aside = getattr(ledger, "holds_aside", None)
        if aside is not None and len(aside()) and not self.weak:
            self.meet_damage("holds were set aside")

    def meet_damage(self, what: str) -> None:
        """From here on state is not the plan's."""
        self.weak = True
        self.refusals.append(what)

    def compare_weakly(
        self, at: int, ask: Any, place: int, want: tuple[int, ...], got: tuple[int, ...]
    ) -> None:
        """Of rows that were there before everything; what they refuse stays refused."""
        known = 0 < want[1] <= self.plan.begin and not self.has_moved_on(
            ask, place, got
        )
        by_known = want[0] == Result.EXCEEDS_PAYMENT or 0 < want[4] <= self.plan.begin
        if known:
            # Result, sequence and repeat; receipts come with later posts.
            if (*want[:2], want[3]) != (*got[:2], got[3]):
                self.complain(at, ask, place, want, got)
        elif by_known and got[0] == Result.OK != want[0]:
            self.complain(at, ask, place, want, got)

    def has_moved_on(self, ask: Any, place: int, got: tuple[int, ...]) -> bool:
        """Whether nothing was done again of a payment in question: what its biller has
        said by now is not that of the plan, if some of it was refused.
        """
        doubts = isinstance(ask, Rows) and ask.rows[place].kind == Kind.VERIFY
        nothing_new = got[1] == 0 or got[3] == 1
        return doubts and nothing_new

    def compare_answer(
        self, at: int, ask: Answers, place: int, got: tuple[int, ...]
    ) -> None:
        """Where the payment of a biller's answer stands, the rows of the copy say."""
        right = self.witness.hear(ask.answers[place], ask.biller)
        want = (right.result, right.sequence, right.repeat, right.other)
        if want != (*got[:2], *got[3:]):
            told = (right.result, right.sequence, got[2], right.repeat, right.other)
            self.complain(at, ask, place, told, got)

    def complain(
        self, at: int, ask: Any, place: int, want: tuple[int, ...], got: tuple[int, ...]
    ) -> None:
        if want == got:
            return
        asked = ask.rows[place] if isinstance(ask, Rows) else type(ask).__name__
        raise WrongError(f"group {at}: {got} instead of {want} for {asked}")

    def check_end(self, ledger: Ledger, want: list[Any], stride: int = 1) -> None:
        """All reads, or some, behind the plan's last group."""
        if self.weak:
            self.check_rows(ledger)
            return
        turn = self.plan.turns[-1]
        if ledger.sequence != turn.after:
            raise WrongError(f"{ledger.sequence} rows at the end, not {turn.after}")
        windows = some_windows(self.plan, turn.after)
        self.compare(want, read_all(ledger, turn.after, windows, stride))

    def check_rows(self, ledger: Ledger) -> None:
        """The rows that were there before are there, as they were."""
        for row in self.story.model.rows[: self.plan.begin]:
            try:
                found = ledger.rows(row.sequence, 1).tobytes()
            except StorageError as error:
                self.refusals.append(f"row {row.sequence}: {error}")
                continue
            if found != pack_row(row):
                raise WrongError(f"row {row.sequence} is another")

    def compare(self, want: list[Any], got: list[Any]) -> None:
        """Each read is right, or was refused."""
        if want == got:
            return
        if len(want) != len(got):
            raise WrongError(f"{len(got)} reads, not {len(want)}")
        refused: dict[str, int] = {}
        for place, (one, other) in enumerate(zip(want, got, strict=True)):
            if isinstance(other, Refused):
                refused.setdefault(other, place)
            elif one != other:
                raise WrongError(
                    f"read {place}: {str(other)[:200]}, not {str(one)[:200]}"
                )
        for error, place in refused.items():
            self.refusals.append(f"read {place}: {error}")


# --- in processes of their own --------------------------------------------------------


@dataclass
class Child:
    """A process that lives one copy's life after the other, and the copy it has now."""

    process: int
    orders: int
    """Which case comes next; closed if none does."""
    words: int
    """What became of each."""
    case: Case
    folder: Path
    deadline: float
    died: str = ""
    starts: int = 1
    lives: int = 1
    used_s: float = 0.0
    """The processor time that the copies before have had."""
    said: bytes = b""


def try_all(
    story: Story,
    plan: Plan,
    cases: list[Case],
    folder: Path,
    jobs: int = 1,
    seconds: float = TRIAL_S,
) -> Iterator[tuple[Case, str, str]]:
    """Each case with what became of it and why, as they end."""
    files = story.files()
    # What is there by now is neither looked at nor copied in each child.
    gc.collect()
    gc.freeze()
    waiting = iter(range(len(cases)))
    running: dict[int, Child] = {}

    def place_of(case: Case) -> Path:
        return folder / f"{case.file}-{case.page}-{case.back}"

    def live(number: int, died: str) -> tuple[str, str]:
        case = cases[number]
        return life(Trial(story, plan, case, place_of(case), seconds), files, died)

    def begin(number: int, died: str = "", starts: int = 1) -> None:
        case = cases[number]
        deadline = time.monotonic() + seconds
        ordered, orders = os.pipe()
        words, spoken = os.pipe()
        process = os.fork()
        if process == 0:
            # Each must find its own pipes at their end when the parent has gone.
            for other in running.values():
                os.close(other.orders)
            os.close(orders)
            os.close(words)
            live_and_exit(live, number, died, ordered, spoken)
        os.close(ordered)
        os.close(spoken)
        place = place_of(case)
        one = Child(process, orders, words, case, place, deadline, died, starts)
        running[words] = one

    def go_on(one: Child, number: int) -> None:
        """The next case for a child that waits for it."""
        one.case, one.folder = cases[number], place_of(cases[number])
        one.said, one.lives = b"", one.lives + 1
        one.used_s, one.deadline = used_by(one.process), time.monotonic() + seconds
        os.write(one.orders, number.to_bytes(ORDER_SIZE, "big"))

    while True:
        while len(running) < jobs and (number := next(waiting, None)) is not None:
            begin(number)
        if not running:
            gc.unfreeze()
            return
        ready, _, _ = select.select(list(running), [], [], 0.5)
        for words, one in list(running.items()):
            late = is_late(one, seconds)
            if late:
                os.kill(one.process, signal.SIGKILL)
            elif words not in ready:
                continue
            elif part := os.read(words, 65_536):
                one.said += part
                if not one.said.endswith(b"\n"):
                    continue
            outcome, why = "", ""
            if one.said.endswith(b"\n"):
                outcome, why = json.loads(one.said)
            is_sound = outcome == "right" and not late and one.lives < LIVES_MAX
            number = next(waiting, None) if is_sound else None
            if is_sound and number is not None:
                case, left = one.case, one.folder
                shutil.rmtree(left, ignore_errors=True)
                go_on(one, number)
                yield case, outcome, why
                continue
            del running[words]
            os.close(one.orders)
            os.close(words)
            _, status = os.waitpid(one.process, 0)
            if late or not outcome:
                outcome, why = end_of(status, late=late)
                if outcome != "wrong" and one.starts < STARTS_MAX:
                    begin(cases.index(one.case), why, one.starts + 1)
                    continue
            shutil.rmtree(one.folder, ignore_errors=True)
            yield one.case, outcome, why


def used_by(process: int) -> float:
    """The processor time that a child has had so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_late(one: Child, seconds: float) -> bool:
    """Whether a copy hangs: it has had its time of the processor, or sleeps for ever.

    A machine that has other work lets it wait.
    """
    over = time.monotonic() - one.deadline
    if over < 0:
        return False
    used_s = used_by(one.process) - one.used_s
    return used_s > seconds * BUSY or over > SLEEP_MOST * seconds


def live_and_exit(
    live: Callable[[int, str], tuple[str, str]],
    number: int,
    died: str,
    orders: int,
    words: int,
) -> None:
    """The child's whole life; it never returns into the parent's code."""
    gc.disable()
    # What a start says of each damage is its outcome here.
    logging.disable()
    try:
        while True:
            outcome, why = live(number, died)
            os.write(words, json.dumps([outcome, why[:4_000]]).encode() + b"\n")
            # What was refused may have left more than its files.
            order = os.read(orders, ORDER_SIZE) if outcome == "right" else b""
            if not order:
                return
            number, died = int.from_bytes(order, "big"), ""
            gc.collect()
    finally:
        os._exit(0)


def life(trial: Trial, files: dict[str, bytes], died: str) -> tuple[str, str]:
    """What became of a copy and why."""
    try:
        if not died:
            trial.write(files)
        return trial.run(died), "; ".join(trial.refusals[:3])
    except WrongError as error:
        return "wrong", str(error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is told
        return "wrong", f"{type(error).__name__}: {error}"


def end_of(status: int, *, late: bool) -> tuple[str, str]:
    """How a child died that said nothing."""
    if late:
        return "hang", "no end in time"
    if os.WIFSIGNALED(status):
        return "signal", signal.Signals(os.WTERMSIG(status)).name
    return "wrong", f"it ended with {os.waitstatus_to_exitcode(status)} and no word"
