"""Has another process walk the pages of an environment, before LMDB trusts them.

The other process may die or fall silent without harm: what is known then is said. It
takes as long as the file has pages, and says how far it is. It ends with this one,
however that ends.
"""

import contextlib
import json
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from switch.ledger import pages
from switch.programs import script, tethered

log = logging.getLogger("ledger")

SILENCE_S: Final = 600.0
"""How long a walk may get no further before it is given up: a disk that hangs. While it
gets on it is not, however long that takes: a billion rows are some fifty million pages.
"""
UNREADABLE: Final = (-signal.SIGBUS, -signal.SIGSEGV)
"""How a process ends that reads what the disk does not give. Another end, such as one
by the kernel for want of memory, says nothing about the file."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a walk in another process came to."""

    findings: list[str]
    tables: dict[str, int]
    ended: bool
    """False if it was cut off: then nothing is known."""


def look(
    directory: Path,
    tell: pages.Progress | None = None,
    silence_s: float = SILENCE_S,
) -> Look:
    """Walk the pages of `directory/data.mdb` in another process, while it gets on.

    `tell` hears how many pages of how many are done. Nobody may write meanwhile.
    """
    child = subprocess.Popen(
        tethered(script(pages.__file__, str(directory))),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        # What a terminal sends to all is not meant for it.
        start_new_session=True,
    )
    patience = _Patience(child, silence_s)
    last: dict[str, Any] = {}
    try:
        assert child.stdout is not None
        with patience.watching():
            for line in child.stdout:
                with contextlib.suppress(ValueError):
                    last = json.loads(line)
                if "total" in last and patience.hear(last["done"]) and tell:
                    tell(last["done"], last["total"])
    finally:
        child.kill()
        code = child.wait()
        if child.stdout is not None:
            child.stdout.close()
    if "findings" in last:
        return Look(last["findings"], last["tables"], ended=True)
    if code in UNREADABLE and not patience.ended:
        name = signal.Signals(-code).name
        return Look([f"its pages cannot be read ({name})"], {}, ended=True)
    log.warning("%s was not looked through to its end: code %d", directory, code)
    return Look([], {}, ended=False)


class _Patience:
    """Kills a child that gets no further for so long."""

    def __init__(self, child: "subprocess.Popen[str]", silence_s: float) -> None:
        self.child = child
        self.silence_s = silence_s
        self.heard = time.monotonic()
        self.done = 0
        self.over = threading.Event()
        self.ended = False
        """Whether it was killed for that."""

    def hear(self, done: int) -> bool:
        """So many pages are done; whether that is more than before."""
        if done <= self.done:
            return False
        self.done = done
        self.heard = time.monotonic()
        return True

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch it meanwhile, in a thread."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()

    def _watch(self) -> None:
        left = self.silence_s
        while not self.over.wait(left):
            left = self.heard + self.silence_s - time.monotonic()
            if left <= 0:
                self.ended = True
                self.child.kill()
                return
