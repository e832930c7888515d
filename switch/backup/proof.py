"""Proves a copy: first its pages, without LMDB, then its chunks, by the auditor.

Nothing is mapped before the pages are known to be whole: LMDB would follow torn ones to
wherever they lead.
"""

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from switch.errors import BusyError, ConfigError, CorruptionError
from switch.ledger.look import look
from switch.ledger.lost import told_lost
from switch.ledger.shapes import check_ledger, open_file, shape
from switch.programs import program, tethered

Tell = Callable[[int, int], None]

PARTS: Final = ("journal", "index")
CORRUPTED: Final = -30796
"""LMDB's code for a file that is not what was written."""
AUDITED: Final = (0, 1)
"""Exit codes of an auditor that has read everything: nothing wrong, or something."""


class UnprovedError(Exception):
    """It could not be read to its end; nothing is known."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What is wrong with a copy, nothing if it is whole; what it holds."""

    findings: list[str]
    sequence: int = 0
    state_hash: str = ""


def data_file(directory: Path) -> Path:
    """The file that holds a ledger's journal."""
    return directory / "journal" / "data.mdb"


def prove(directory: Path, tell: Callable[[str], Tell] | None = None) -> Proof:
    """Look through a copy's pages, then through every chunk and row.

    `tell` makes a receiver of progress for one part. Raises ConfigError if there is no
    copy or something else in a file's place, BusyError if a server writes it,
    UnprovedError.
    """
    check_ledger(directory)
    if not data_file(directory).exists():
        raise ConfigError(f"{directory} holds no ledger: there is no journal/data.mdb")
    check_idle(directory)
    for part in PARTS:
        if not (directory / part / "data.mdb").exists():
            continue
        found = look(directory / part, tell(part) if tell else None)
        if not found.ended:
            raise UnprovedError(f"{part}/ was not looked through to its end")
        if found.findings:
            return Proof([f"{part}/: {finding}" for finding in found.findings])
    lost = told_lost(directory)
    return Proof([f"journal/: {lost}"]) if lost else _audit(directory)


def check_idle(directory: Path) -> None:
    """Raise BusyError if a ledger is open: its pages change while they are read."""
    path = directory / "LOCK"
    if not shape(path):
        return
    with open(open_file(path, os.O_RDONLY), "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"{directory} is open in another process, and is no copy: `payswitch "
                "audit` reads it beside that"
            ) from None


def check_end(directory: Path) -> None:
    """Raise CorruptionError if nobody has a ledger open and its journal lacks chunks
    that a start would put back: a copy, or a log begun with it, would never have them.
    """
    try:
        check_idle(directory)
        lost = told_lost(directory)
        if lost:
            # Unless somebody has opened it meanwhile, and is in a commit.
            check_idle(directory)
    except BusyError:
        return
    if lost:
        raise CorruptionError(
            CORRUPTED, f"{directory}: {lost}. Start the switch on it once, and end it"
        )


def _audit(directory: Path) -> Proof:
    """What the auditor says of chunks, rows and sums, in a process of its own."""
    command = tethered(
        program("switch.audit", str(directory), "--only", "chain", "--json")
    )
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return Proof([f"the auditor was ended by {name} while it read"])
    if done.returncode not in AUDITED:
        return Proof(["the auditor cannot read it"])
    report: dict[str, Any] = json.loads(done.stdout)
    findings = [
        f"{one['check']}, entry {one['sequence']}: {one['text']}"
        for one in report["findings"]
    ]
    return Proof(findings, report["sequence"], report["state_hash"])
