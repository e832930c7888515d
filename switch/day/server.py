"""The server of a replay: a child process that is started, watched and stopped.

Talks to it by its command line, its ready line and signals; imports nothing of it.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Self

from switch.errors import SwitchError
from switch.programs import program

START_TIMEOUT_S = 120.0
"""Opening a ledger replays what its index does not cover."""
STOP_TIMEOUT_S = 60.0
LOG_LINES = 12
"""Last lines of the server's log that an error shows."""
HOST = "127.0.0.1"


class ServerError(SwitchError):
    """The server could not be started, or ended by itself. The text says why."""


class ServerProcess:
    """One server on `data`/ledger with certificates in `data`/tls."""

    def __init__(
        self,
        data: Path,
        port: int,
        settings: Mapping[str, int] | None = None,
        config: Path | None = None,
    ) -> None:
        """Start it and wait until it is ready. Raises ServerError.

        `port` 0 is a free one; `settings` are by name, `config` a file of others. The
        server's log goes to `data`/server.log.
        """
        self.ledger = data / "ledger"
        self.tls = data / "tls"
        self.log = data / "server.log"
        self.address = ""
        data.mkdir(parents=True, exist_ok=True)
        self._ready = threading.Event()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *program("server"),
                    *("--data", str(self.ledger), "--tls", str(self.tls)),
                    *("--listen", f"{HOST}:{port}", "--dev"),
                    # Any free one: the ready line names it.
                    *("--metrics", f"{HOST}:0"),
                    # A replay may come days after the last; the ledger records it.
                    "--accept-clock",
                    *(() if config is None else ("--config", str(config))),
                    *_arguments(settings or {}),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Ctrl-C is for this process, which then stops the server in order.
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._stdout = self._process.stdout
        self._reader = threading.Thread(
            target=self._read, args=(self._stdout,), daemon=True
        )
        self._reader.start()
        try:
            self._wait_ready()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code. Idempotent.

        Raises ServerError if it does not end; it is then killed.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(
                f"the server did not end within {STOP_TIMEOUT_S:.0f} s and was killed; "
                f"see {self.log}"
            ) from None
        self._close_output()
        return code

    def kill(self) -> None:
        """End it at once. What it acknowledged is safe."""
        self._process.kill()
        self._process.wait()
        self._close_output()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for it to end by itself; its exit code, or None after `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _close_output(self) -> None:
        """Only once it has ended, so that the reader meets the end first."""
        self._reader.join()
        self._stdout.close()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            if self.address:
                continue
            try:
                self.address = str(json.loads(line)["address"])
            except (ValueError, KeyError, TypeError):
                # Not the ready line; what it means stands in the log.
                continue
            self._ready.set()
        # The end of the output also ends the wait for it.
        self._ready.set()

    def _wait_ready(self) -> None:
        self._ready.wait(START_TIMEOUT_S)
        if self.address:
            return
        code = self.wait(1.0)
        how = "is not ready" if code is None else f"ended with exit code {code}"
        raise ServerError(f"the server {how}:\n{self._tail()}")

    def _tail(self) -> str:
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, LOG_LINES)).rstrip()


class Nodes:
    """Servers that others have started, the nodes of a cluster: nothing ends with this.
    In its place a day takes `ServerProcess`, which is alone.
    """

    def __init__(self, data: Path, address: str) -> None:
        """`address` has commas between several; `data`/ledger is the ledger of one of
        them, and in `data`/tls are certificates that they take.
        """
        self.ledger = data / "ledger"
        self.tls = data / "tls"
        self.log = data / "server.log"
        self.address = address
        if not (self.ledger / "journal").exists():
            raise ServerError(f"{self.ledger} is no node's ledger")

    def stop(self) -> int:
        """They go on."""
        return 0

    def wait(self, timeout_s: float) -> int | None:
        """They do not end with a day."""
        time.sleep(timeout_s)
        return None


def _arguments(settings: Mapping[str, int]) -> Iterator[str]:
    for name, value in settings.items():
        yield from ("--set", f"{name}={value}")


def choose_port(wanted: int) -> int:
    """`wanted` if nobody listens there, else 0, which lets the system choose."""
    with socket.socket() as probe:
        if os.name == "posix":
            # As the server does: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            return 0
        return wanted
