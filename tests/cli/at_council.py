"""Commands in this process against the server of a council: no interpreter is started
for each of them.
"""

import json
from typing import Any, NamedTuple

import pytest

from switch.cli import main
from switch.console.output import Exit
from tests.server.council import ALPHA, CHANNEL, Council


class Said(NamedTuple):
    """What a command has answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """What it says to machines, line by line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Types commands, as the treasury unless they say otherwise."""

    def __init__(self, council: Council, capsys: pytest.CaptureFixture[str]) -> None:
        self._council = council
        self._capsys = capsys

    def run(self, *words: str) -> Said:
        """A command, whatever comes of it."""
        where = ["--address", self._council.server.address]
        where += ["--tls", str(self._council.directory / "tls")]
        if words[0] == "close-day":
            # Who ends a day closes its window.
            key = self._council.key_file(ALPHA)
            where += ["--person", str(ALPHA[1]), "--key", str(key), "--yes"]
        return self.typed(*words, *where)

    def typed(self, *words: str) -> Said:
        """A command with nothing added to it."""
        self._capsys.readouterr()
        code = main([*words])
        return Said(code, *self._capsys.readouterr())

    def said(self, *words: str, code: Exit = Exit.DONE) -> list[Any]:
        """What one says to machines, that must end so."""
        done = self.run(*words, "--json")
        assert done.code == code, done
        return done.lines

    def by_channel(self, *words: str) -> list[Any]:
        """The same, signed by a bank's channel."""
        participant, number = CHANNEL
        key = str(self._council.key_file(CHANNEL))
        who = ("--as", f"treasury/{participant}", "--person", str(number))
        return self.said(*words, *who, "--key", key, "--yes")
