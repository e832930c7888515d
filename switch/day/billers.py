"""The billers of a replay: a child process that is started, killed, ended and read.

Talks to it by its command line, its files and signals; imports nothing of it.
"""

import json
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from switch.day.speed import DEADLINE_S, Pace
from switch.errors import SwitchError
from switch.programs import program

STOP_TIMEOUT_S = 30.0
LISTS_S = 10.0
"""Billers send their lists of the day again for so much longer than the last of their
payments by tariff can be credited."""


class BillersError(SwitchError):
    """The simulated billers ended by themselves, or do not end. The text says why."""


class BillersProcess:
    """All billers of the sample, with a script or without; a context manager."""

    def __init__(
        self, address: str, tls: Path, directory: Path, pace: Pace, seed: int = 0
    ) -> None:
        """Nothing is started yet.

        In `directory`: `billers.txt` the script, `credits.txt` what they credited over
        all days, `billers.log`.
        """
        self.credits = directory / "credits.txt"
        self._script = directory / "billers.txt"
        self._log = directory / "billers.log"
        self._command = [
            *program("switch", "biller", "--json"),
            *("--address", address, "--tls", str(tls), "--seed", str(seed)),
            *("--state", str(self.credits)),
            *("--response-speed", str(pace.response_speed)),
        ]
        self._pace = pace
        self._lists_s = pace.seconds(DEADLINE_S) + LISTS_S
        self._process: subprocess.Popen[str] | None = None

    def start(
        self, *, script: str = "", begin: str = "", begin_unix_s: float = 0.0
    ) -> None:
        """Start them; they dial in by themselves.

        With a script, the time of the day `begin` (HH:MM) is at `begin_unix_s`, and
        they send the lists of their day when they are ended.
        """
        command = list(self._command)
        if script:
            self._script.write_text(script, encoding="utf-8")
            command += ["--script", str(self._script), "--begin", begin]
            command += ["--begin-unix", str(begin_unix_s)]
            command += ["--speed", str(self._pace.speed)]
            command += ["--day-list", str(self._lists_s)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Ctrl-C is for the parent, which then ends them in order.
                start_new_session=True,
            )

    def stop(self) -> dict[str, Any]:
        """End them; what they were asked, said and credited. Raises BillersError."""
        process = self._process
        if process is None:
            return {}
        self._process = None
        process.send_signal(signal.SIGTERM)
        try:
            out, _ = process.communicate(timeout=self._lists_s + STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise BillersError(f"the billers do not end; see {self._log}") from None
        if process.returncode != 0:
            raise BillersError(
                f"the billers ended with exit code {process.returncode}; "
                f"see {self._log}"
            )
        summary: dict[str, Any] = json.loads(out.strip().rpartition("\n")[2])
        return summary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """They are killed if nobody has ended them: what they said is in their file."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
