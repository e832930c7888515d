"""How much of the tests by chance there is, and from which seed.

`make test` has each of them once, always the same; `make torture` many times as much,
from a seed of its own, which it names. Builds that are there to be slow have a quarter
of what only gains by its number.
"""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

TIMES = int(os.environ.get("PAYSWITCH_TIMES", "1"))
"""How many times as much as in `make test`."""
SEED = int(os.environ.get("SWITCH_TEST_SEED", "0"))
"""0 is that of `make test`."""
SLOW_BUILD = Path(os.environ.get("SWITCH_TEST_LIB", "")).parent.name in {
    "sanitize",
    "trace",
}
"""Whether the core is that of `make sanitize` or of `make coverage`."""


def quarter(count: int) -> int:
    """So many, or a quarter of them on such a build."""
    return count // 4 if SLOW_BUILD else count


def turns(least: int, enough: Callable[[], bool]) -> Iterator[int]:
    """Turns of a walk, from 0: so many, and more until there was enough in it, whatever
    its dice are weighted for. Fails after ten times as many.
    """
    for turn in count():
        if turn >= least and enough():
            return
        assert turn < 10 * least, "a longer walk does not meet it either"
        yield turn
