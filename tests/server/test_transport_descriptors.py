"""Goal: without descriptors a door turns away who comes, and rests; then it goes on.

Method: a door in a process of its own, which says how many descriptors it has left.
"""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from server import descriptors
from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.config import Config
from switch.errors import ConfigError
from tests.server.door import WAIT_S, running
from tests.server.frames import RECORD, Peer
from tests.server.harness import until

FEW = 6
"""Descriptors that the door is left with."""


def use_up() -> None:
    """Leave FEW descriptors and no more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    opened = []
    with suppress(OSError):
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    for one in opened[-FEW:]:
        os.close(one)


def serve(directory: Path) -> None:
    """Run a door; on each line of standard input say what is counted."""
    with running(directory) as reached:
        print(reached.port, flush=True)
        for line in sys.stdin:
            if line == "few\n":
                use_up()
            print(json.dumps(reached.front.counters()), flush=True)


class Served:
    """The door of the other process."""

    def __init__(self, directory: Path, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self.credentials = DevAuthority(directory / "tls").leaf(Role.CENTRE, "c1")

    def ask(self, word: str = "counters") -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(word, file=self._process.stdin, flush=True)
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    command = [sys.executable, "-m", __name__, str(tmp_path)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield Served(tmp_path, process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


@contextmanager
def begun(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port), WAIT_S)
            opened.append(stack.enter_context(one))
            one.sendall(RECORD)
        yield opened


def test_without_descriptors_who_comes_is_turned_away(served: Served) -> None:
    before = served.ask("few")
    with begun(served.port, 40) as sockets:
        ended = 0
        for one in sockets[FEW:]:
            # None waits for what others may let go some time.
            with suppress(ConnectionResetError):
                assert one.recv(1) == b""
            ended += 1
        assert ended == len(sockets) - FEW
        counts = served.ask()
        assert counts["sockets_refused"] - before["sockets_refused"] == ended
        # Each turn of the thread had a reason: it does not spin.
        assert counts["handshake_turns"] - before["handshake_turns"] < 1_000
    # Who comes before the door has let go of those is turned away too.
    until(lambda: served.ask()["handshakes_open"] == 0, WAIT_S)
    with Peer(served.port, served.credentials) as peer:
        peer.echo()


def test_the_settings_ask_for_their_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[int, int]] = []
    limits = [(1_024, 65_536)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[0])
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: told.append(both))
    config = Config()
    most = descriptors.needed(config)
    assert most > config.transport.connections_max + config.transport.handshakes_max
    descriptors.ensure(config)
    assert told == [(most, 65_536)]
    limits[0] = (most, most)
    descriptors.ensure(config)
    limits[0] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    descriptors.ensure(config)
    assert len(told) == 1
    limits[0] = (1_024, most - 1)
    with pytest.raises(ConfigError, match="LimitNOFILE"):
        descriptors.ensure(config)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
