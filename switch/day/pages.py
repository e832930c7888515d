"""The pages beside a replayed day: a centre's counter and the public check.

Two child processes, as a centre and the public side would run them, each with its own
certificate; `DATA/pages.json`, readable by its owner alone, has their addresses while
they are there. Talks to them
by their command line and over HTTP; imports nothing of them.
"""

import json
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.day.server import choose_port
from switch.errors import SwitchError
from switch.programs import program
from switch.sample import PUBLIC

NAME: Final = "pages.json"
_THERE: Final = (200, 303)
"""A counter first asks who is at it."""
COUNTER_PORT: Final = 7480
"""Where docs/counter.md has the counter."""
PUBLIC_PORT: Final = 7446
"""Where docs/public.md has the public check."""
READY_S: Final = 60.0
"""How long a page may take to its first line."""
STOP_S: Final = 15.0
ASK_S: Final = 20.0


class PageError(SwitchError):
    """A page does not come up, or does not answer. The text says which."""


class Pages:
    """The counter of one centre, and the public check; a context manager."""

    def __init__(self, data: Path, address: str, tls: Path, centre: str) -> None:
        """Nothing is started yet. The authority of `tls` is a development one."""
        self._file = data / NAME
        self._log = data / "pages.log"
        authority = DevAuthority(tls)
        authority.leaf(Role.CENTRE, centre)
        authority.leaf(Role.PUBLIC, PUBLIC)
        where = ("--address", address, "--tls", str(tls))
        self._commands = {
            "public": [*program("switch", "public", "--json"), *where],
            "counter": [
                *program("switch", "counter", centre),
                *("--data", str(data / "counter"), *where),
            ],
        }
        self._processes: list[subprocess.Popen[str]] = []
        self.addresses: dict[str, str] = {}
        """By name, once they are there."""

    def __enter__(self) -> Self:
        """Start both. Raises PageError."""
        try:
            public = self._start_public(self._commands["public"])
            self.addresses["public"] = public
            # What its papers' squares open.
            counter = [*self._commands["counter"], "--check-base", public]
            self.addresses["counter"] = self._start_counter(counter)
        except BaseException:
            self.stop()
            raise
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(self.addresses) + "\n", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def ask(self) -> None:
        """Ask each for its first page. Raises PageError."""
        for name, address in self.addresses.items():
            host = urlsplit(address).netloc
            try:
                with closing(HTTPConnection(host, timeout=ASK_S)) as connection:
                    connection.request("GET", "/")
                    status = connection.getresponse().status
            except OSError as error:
                raise PageError(f"the {name} page does not answer: {error}") from error
            if status not in _THERE:
                raise PageError(f"the {name} page answers with {status}")

    def stop(self) -> None:
        """End both, in order if they can."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            _end(process)
        self._processes.clear()
        with suppress(FileNotFoundError):
            self._file.unlink()

    def _start_public(self, command: list[str]) -> str:
        """Start it where papers of days before say, if it can be. Raises PageError."""
        at = [*command, "--listen"]
        return self._start_at("public", PUBLIC_PORT, lambda n: [*at, f"127.0.0.1:{n}"])

    def _start_counter(self, command: list[str]) -> str:
        """Start it at its own port, if it can be. Raises PageError."""
        at = [*command, "--port"]
        return self._start_at("counter", COUNTER_PORT, lambda n: [*at, f"{n}"])

    def _start_at(
        self, name: str, wanted: int, command: Callable[[int], list[str]]
    ) -> str:
        """Start one at the port that it has by default if that is free, else at any.
        Raises PageError.
        """
        port = choose_port(wanted)
        if port:
            try:
                return self._start(name, command(port))
            except PageError:
                # Somebody else may have taken it since. If not, this fails, too.
                _end(self._processes.pop())
        return self._start(name, command(0))

    def _start(self, name: str, command: list[str]) -> str:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Ctrl-C is for the parent, which then ends them in order.
                start_new_session=True,
            )
        self._processes.append(process)
        lines: Queue[str] = Queue()
        out = process.stdout
        assert out is not None
        Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
        try:
            told = json.loads(lines.get(timeout=READY_S))
            # A counter without operators' keys opens with the secret of its start.
            return str(told.get("open", told["address"]))
        except (Empty, KeyError, TypeError, ValueError) as error:
            raise PageError(
                f"the {name} page does not come up; see {self._log}"
            ) from error


def _end(process: subprocess.Popen[str]) -> None:
    """End a page, in order if it can, and what it was read by."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
