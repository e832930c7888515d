"""Goal: each counter of the front has one thread that writes it, which needs no lock.

Method: the source itself: which file counts what, and whose thread the file is.
"""

import re
from pathlib import Path

from server import _front

FRONT = Path(_front.__file__).parent / "front"
OF_HANDSHAKES = {"listening.c", "waiting.c", "handshake.c"}
"""What the thread of handshakes runs; all else is the front thread's."""


def counted(*, by_handshakes: bool) -> set[str]:
    found: set[str] = set()
    for file in FRONT.glob("*.c"):
        if (file.name in OF_HANDSHAKES) is by_handshakes:
            found |= set(re.findall(r"COUNT(?:_MANY)?\(\S+, (\w+)", file.read_text()))
    return found


def test_each_counter_has_one_writer() -> None:
    own, others = counted(by_handshakes=True), counted(by_handshakes=False)
    assert not own & others
    over = {name for name in _front.COUNTERS if name.startswith("over_")}
    assert own | others | over == set(_front.COUNTERS)
