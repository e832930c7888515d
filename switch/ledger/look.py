"""Has another process walk the pages of an environment, before LMDB trusts them.

The other process may die or take too long without harm: what is known then is said. It
ends with this one, however that ends.
"""

import contextlib
import json
import logging
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from switch.ledger import pages
from switch.programs import script, tethered

log = logging.getLogger("ledger")

WALK_S: Final = 600.0
"""How long the pages of one environment are walked before it is given up."""
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
    directory: Path, tell: pages.Progress | None = None, seconds: float = WALK_S
) -> Look:
    """Walk the pages of `directory/data.mdb` in another process, for `seconds` at most.

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
    late = threading.Event()

    def give_up() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    last: dict[str, Any] = {}
    try:
        assert child.stdout is not None
        for line in child.stdout:
            with contextlib.suppress(ValueError):
                last = json.loads(line)
            if tell and "total" in last:
                tell(last["done"], last["total"])
    finally:
        timer.cancel()
        child.kill()
        code = child.wait()
        if child.stdout is not None:
            child.stdout.close()
    if "findings" in last:
        return Look(last["findings"], last["tables"], ended=True)
    if code in UNREADABLE and not late.is_set():
        name = signal.Signals(-code).name
        return Look([f"its pages cannot be read ({name})"], {}, ended=True)
    log.warning("%s was not looked through to its end: code %d", directory, code)
    return Look([], {}, ended=False)
