"""A folder that looks like a fresh clone, with the ledger of `make run` in it.

Whatever is typed there is typed as the documents write it: `.venv`, `docs` and the
rest are the tree's own, `data` is the folder's.
"""

import json
import os
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from switch.calendar import ist_date
from tests.journeys.terminal import Done, Running
from tests.server.harness import ROOT

BUILD: Final = ROOT / "build" / "journeys"
PROGRESS_S: Final = 15.0
DAY_S: Final = 600.0
"""How long a day of `make run` may take until it serves."""
DAY: Final = ".venv/bin/payswitch day --data ./data --payments 2000"
"""What `make run ARGS="--payments 2000"` runs."""
_LINKS: Final = ("docs", "benchmarks", "switch", "server", "build", "README.md")

LEARNT: Final[Mapping[str, str]] = {
    "entry": r"payswitch approve (\d+)",
    "payment": r"Payment id +([0-9a-f-]{36})",
    "due": r"bill pay bsk-00001 BSK0199 (\S+) ",
    "key": r"Public key +([0-9a-f]{64})",
    "window": r"│ (\d+) +│ 20\d\d-[^\n]*│ +[1-9]\d* │",
    "request": r"Number +(T\w+)",
    "complaint": r"\b(C[0-9A-Z]{11})\b",
}
"""What a person reads in an answer, to type it in a command that follows: by name."""
_SAID_BY: Final[Mapping[str, str]] = {"window": "payswitch windows"}
"""The only command that a name is learnt from: tables of others look alike."""

_RECEIPT: Final = re.compile(r"Receipt +(\d+) / (\S+)")


class World:
    """The folder, the day's server, what was learnt, and each step with its time."""

    def __init__(self) -> None:
        """Makes the folder anew."""
        self.directory = BUILD / "folder"
        self.begin_s = time.monotonic()
        self.learnt: dict[str, list[str]] = defaultdict(list)
        self.steps: list[dict[str, Any]] = []
        self.failed: list[str] = []
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        for name in _LINKS:
            (self.directory / name).symlink_to(ROOT / name)
        (self.directory / ".venv").symlink_to(ROOT / ".venv")
        path = f"{ROOT / '.venv' / 'bin'}:{os.environ.get('PATH', '')}"
        self.env = {"PATH": path, "LANG": "C.UTF-8", "TERM": "xterm"}
        self.day: Running | None = None
        self.journey = ""
        self.learnt["today"].append(ist_date(time.time_ns()).isoformat())

    # --- what is typed ----------------------------------------------------------------

    def type(self, command: str) -> Running:
        """Type a command; it runs."""
        return Running(command, self.directory, self.env)

    def run(self, command: str, codes: Sequence[int] = (0,)) -> Done:
        """Type a command and let it end; another exit code than these is a stop."""
        return self.told(command, self.type(command).wait(), codes)

    def told(self, command: str, done: Done, codes: Sequence[int] = (0,)) -> Done:
        """Note what became of a command, and what can be read in it."""
        for name, pattern in LEARNT.items():
            if _SAID_BY.get(name, "") in command:
                self.learnt[name] += re.findall(pattern, done.output)
        for number, year in _RECEIPT.findall(done.output):
            self.learnt["number"].append(f"{year}/{int(number):06}")
        is_right = done.code in codes
        self.note(command, done.seconds, is_right, f"exit code {done.code}")
        if not is_right or "Traceback (most recent call last)" in done.output:
            self.failed.append(f"{self.journey}: {command}")
            print(_tail(done.output), flush=True)
        return done

    def note(self, text: str, seconds: float, is_right: bool, more: str = "") -> None:
        """One step with its time: a line of progress, and of the report."""
        step = {"journey": self.journey, "step": text, "seconds": round(seconds, 1)}
        self.steps.append(step | {"ok": is_right, "more": more})
        since = time.monotonic() - self.begin_s
        mark = "ok  " if is_right else "STOP"
        shown = " ".join(text.split())[:110]
        print(f"{since:6.0f} s  {mark} {seconds:6.1f} s  {shown}", flush=True)

    def stop(self, step: str, why: str) -> None:
        """Something that stopped the person."""
        self.note(step, 0.0, is_right=False, more=why)
        self.failed.append(f"{self.journey}: {step}")
        print(_tail(why), flush=True)

    def learnt_text(self, found: "re.Match[str]") -> str:
        """What was learnt last by a name, `{entry}`; `{key.1}` is the one before.

        Raises LookupError.
        """
        known = self.learnt[found[1]]
        back = int(found[2] or 0)
        if back >= len(known):
            raise LookupError(f"no answer has named any {found[1]} yet")
        return known[-1 - back]

    def find(self, text: str, wanted: str, where: str) -> None:
        """Whether what a person must read is there, wherever a table breaks it."""
        plain = re.sub(r"[\s│┃]+", "", text)
        is_there = re.sub(r"\s+", "", wanted) in plain
        self.note(f"reads {wanted!r} in {where}", 0.0, is_there)
        if not is_there:
            self.failed.append(f"{self.journey}: no {wanted!r} in {where}")

    # --- the day ----------------------------------------------------------------------

    def begin(self) -> float:
        """Begin the ledger as `make run` does; seconds until it serves."""
        begin_s = time.monotonic()
        self.day = self.type(DAY)
        while not self.day.until("Ctrl-C ends it", PROGRESS_S):
            since_s = time.monotonic() - begin_s
            if since_s > DAY_S or not self.day.is_running:
                raise AssertionError(f"the day does not serve:\n{self.day.output}")
            lines = [line for line in self.day.output.splitlines() if line.strip()]
            print(f"{since_s:6.0f} s  … {lines[-1][:100] if lines else ''}", flush=True)
        return time.monotonic() - begin_s

    def page(self, name: str) -> str:
        """The address of a page beside it: `counter`, `public`."""
        told = json.loads((self.directory / "data" / "pages.json").read_text())
        return str(told[name]).rstrip("/")

    def end(self) -> None:
        """Ctrl-C, as a person ends it."""
        if self.day is not None:
            self.journey = "end"
            self.told(DAY, self.day.interrupt())
            self.day = None


def _tail(text: str) -> str:
    return "\n".join(f"        {line}" for line in text.splitlines()[-25:])
