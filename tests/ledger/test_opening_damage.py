"""Goal: no damage to LMDB's pages stops two starts in a row: none goes round for ever,
and the one after a start that a signal ended opens the ledger, or refuses it with a
sentence.

Method: pages of the journal or the index are damaged as torn writes do, and as hostile
hands would (pointers to themselves, to others, out of the file). Then a start is made
in a process of its own, killed when it takes too long, and another after one that died.
"""

import faulthandler
import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from switch.errors import SwitchError
from switch.ledger import pages
from switch.ledger.opening import OPENING, open_ledger
from tests.ledger.test_opening import OPTIONS, PAGE, fill
from tests.ledger.test_pages import DAMAGE, Damage
from tests.longer import SEED, TIMES

DAMAGES = 40 if TIMES == 1 else 60 * TIMES
HUNG_S = 60.0

pytestmark = [pytest.mark.forks]
"""A start of so small a ledger that takes longer has met a loop; on a busy machine one
that is refused takes some seconds, as it walks both parts in another process."""
OPEN, REFUSED = 0, 7


def _pointer(data: bytearray, seeded: random.Random) -> None:
    """Of a branch or a long value, in any page that looks like a tree's."""
    to = seeded.choice([0, 1, 2, seeded.randrange(len(data) // PAGE), 1 << 20])
    found = []
    heads = np.frombuffer(data, dtype=np.uint8).reshape(-1, PAGE)
    kinds = heads[:, 10:12].copy().view("<u2").ravel()
    lowers = heads[:, 12:14].copy().view("<u2").ravel()
    del heads
    for number in range(pages.METAS, len(kinds)):
        if kinds[number] not in (pages.BRANCH, pages.LEAF):
            continue
        for place in range((min(int(lowers[number]), PAGE) - pages.HEADER) // 2):
            at = number * PAGE
            node = int.from_bytes(data[at + 16 + 2 * place :][:2], "little")
            if node > PAGE - pages.NODE:
                continue
            is_big = data[at + node + 4] == pages.BIG
            if kinds[number] == pages.BRANCH:
                found.append((at + node, 6, number))
            elif is_big:
                key_size = int.from_bytes(data[at + node + 6 :][:2], "little")
                found.append((at + node + pages.NODE + key_size, 8, number))
    if found:
        at, size, number = seeded.choice(found)
        value = number if to == 2 else to
        data[at : at + size] = value.to_bytes(size, "little")


WAYS: tuple[Damage, ...] = (*DAMAGE, _pointer, _pointer, _pointer)


def start(directory: Path) -> str:
    """Open the ledger in a process of its own and read it; how that ended."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = 1
        try:
            with open_ledger(directory, **OPTIONS) as ledger:
                code = OPEN if ledger.sequence >= 0 else 1
        except SwitchError:
            code = REFUSED
        finally:
            os._exit(code)
    until = time.monotonic() + HUNG_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return {OPEN: "open", REFUSED: "refused"}.get(code, f"died {code}")
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


@pytest.mark.slow
@pytest.mark.timeout(300 * TIMES)
def test_no_damage_stops_two_starts(tmp_path: Path) -> None:
    fill(tmp_path / "whole")
    seeded = random.Random(4 + SEED)
    ends: dict[str, int] = {}
    for number in range(DAMAGES):
        ledger = tmp_path / "ledger"
        shutil.rmtree(ledger, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", ledger)
        part = seeded.choice(["journal", "index"])
        path = ledger / part / "data.mdb"
        data = bytearray(path.read_bytes())
        for _ in range(seeded.choice([1, 1, 2])):
            seeded.choice(WAYS)(data, seeded)
            if len(data) < 4 * PAGE:
                break
        path.write_bytes(data)
        end = start(ledger)
        ends[end] = ends.get(end, 0) + 1
        # A signal may end a start; no start goes round for ever.
        assert end != "hung", (number, part)
        assert (ledger / OPENING).exists() == (end not in ("open", "refused"))
        if end not in ("open", "refused"):
            assert start(ledger) in ("open", "refused"), (number, part, end)
    # Both ends come up, or nothing was shown.
    assert ends["open"] >= 5
    assert ends["refused"] >= 5
