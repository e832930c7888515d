"""A client that has one file, and a program that writes it and is killed at a step.

python -m tests.cli.dying_writer STEP DIRECTORY
"""

import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import grpc

from switch.cli.written_files import write_file
from switch.client.calls import CallError
from switch.errors import WireError

NAME = "S2026-27-0001-power-1.csv"
DATA = b"".join(b"line %d\r\n" % at for at in range(1_000))


class Scripted:
    """A client that has one file."""

    def __init__(self, data: bytes = DATA, piece: int = 4_000) -> None:
        self.data, self.piece = data, piece
        self.offsets: list[int] = []

    def file_size(self, name: str, **_: bool) -> tuple[int, bytes]:
        return len(self.data), hashlib.sha256(self.data).digest()

    def read_file(self, name: str, offset: int, hashed: Any, **_: bool) -> Any:
        self.offsets.append(offset)
        if offset > len(self.data):
            raise CallError(grpc.StatusCode.INVALID_ARGUMENT, "offset: too far")
        for at in range(offset, len(self.data), self.piece):
            piece = self.data[at : at + self.piece]
            hashed.update(piece)
            yield piece
        if hashed.digest() != hashlib.sha256(self.data).digest():
            raise WireError("not what its hash says")


def write(client: Scripted, path: Path) -> Any:
    return write_file(client, NAME, path)  # type: ignore[arg-type]


class Killer:
    """Ends this process before the step with a number."""

    def __init__(self, step: int) -> None:
        self.left = step

    def count(self) -> None:
        """One more step comes."""
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, real: Any) -> Any:
        """The function, as a step."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.count()
            return real(*args, **kwargs)

        return call


class Dying(Scripted):
    """The client; each piece that it gives is a step."""

    def __init__(self, killer: Killer) -> None:
        super().__init__()
        self.killer = killer

    def read_file(self, *args: Any, **more: Any) -> Any:
        for piece in super().read_file(*args):
            self.killer.count()
            yield piece


def main(step: int, path: Path) -> None:
    """Write the file, or die of it."""
    killer = Killer(step)
    for name in ("open", "fsync", "close"):
        setattr(os, name, killer.counted(getattr(os, name)))
    Path.rename = killer.counted(Path.rename)  # type: ignore[method-assign]
    try:
        write(Dying(killer), path)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
