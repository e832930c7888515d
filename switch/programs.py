"""How a part of the product is run in a process of its own, and how programs begin.

Python puts the working directory before everything installed when it runs a module by
its name: a folder there that happens to be called like one of our packages would be run
in its place. `-P` leaves it out.
"""

import ctypes
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_ORPHANED: Final = 1


def program(module: str, *arguments: str) -> list[str]:
    """The command that runs our `module`, whatever lies in the working directory."""
    return [sys.executable, "-P", "-m", module, *arguments]


def script(path: str, *arguments: str) -> list[str]:
    """The command that runs one file, so that no variable decides which."""
    return [sys.executable, "-P", str(Path(path).resolve()), *arguments]


def tethered(command: list[str]) -> list[str]:
    """The command as one that is killed when the thread that starts it is no more.

    Also when that is killed itself: nothing is left behind that nobody waits for.
    """
    return script(__file__, str(os.getpid()), *command)


class ImportsThatStay:
    """Around the imports of a program's first module: what they make is no garbage.

    To look for garbage among them, meanwhile and at the end, is a quarter of the
    processor time that a short command takes.
    """

    def __enter__(self) -> None:
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.freeze()
        if self._collects:
            gc.enable()


def _main() -> None:
    """Become the command, tethered to the process of this number."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        # It ended before this was said.
        sys.exit(_ORPHANED)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    _main()
