"""The close of a replayed day: `payswitch close-day`, run as people run it, and again.

Starts processes; uses nothing of theirs but what they print.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from switch.console.output import Screen
from switch.day.council import CLERKS, key_file
from switch.day.lists import write_lists
from switch.day.server import ServerError
from switch.programs import program, tethered
from switch.specs import TREASURY

CLOSE_S: Final = 600
"""Seconds that a close may take: a day's files, and an audit."""
_DONE, _FINDINGS = 0, 4
"""Its exit codes: closed, or not, with the reasons."""


def close_day(
    data: Path, address: str, credits_: Path, screen: Screen
) -> dict[str, Any]:
    """Close the day that a server has behind it, and once more. The second answer, with
    an `ok` that also says that there was nothing left to do.

    Raises ServerError if it cannot even be tried.
    """
    count = write_lists(credits_, data / "lists")
    screen.note(f"closing the day, with {count} lists of billers")
    # What is paid out goes to the bank today, not with the schedule's next window.
    words = ["close-day", "--now", "--files", str(data / "files")]
    words += ["--lists", str(data / "lists")]
    for one in sorted((data / "bank").glob("*.xml")):
        words += ["--bank", str(one)]
    clerk = CLERKS[0]
    key = key_file(data, TREASURY, clerk)
    words += ["--person", str(clerk), "--key", str(key), "--yes"]
    words += ["--address", address, "--tls", str(data / "tls")]
    if screen.as_json:
        _run([*words, "--json"], subprocess.DEVNULL)
    else:
        _run([*words, "--lang", screen.language.value], sys.stdout.fileno())
    lines = _run([*words, "--json"], subprocess.PIPE).strip().splitlines()
    again = json.loads(lines[-1])
    assert isinstance(again, dict)
    again["ok"] = again["ok"] and not again["new"] and not again["closed"]
    return again


def _run(words: list[str], stdout: int) -> str:
    done = subprocess.run(
        tethered(program("switch", *words)),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        text=True,
        timeout=CLOSE_S,
        check=False,
    )
    if done.returncode not in (_DONE, _FINDINGS):
        raise ServerError(f"close-day ended with exit code {done.returncode}")
    return done.stdout or ""
