"""A server that is killed in the middle of a biller's list of a day, as by kill -9.

`python -m tests.server.dies_in_list WHEN NUMBER python -m server ...`: WHEN is `before`
the request of this number is committed, `amid` its commit, or `after` it is durable and
before anybody is told; `never` counts as much. A list makes requests of LINES lines, so
that a short one makes several. What runs is the server's own `main`.
"""

import asyncio
import os
import signal
import sys

from server.__main__ import main
from server.services.day_list import DayLists
from switch._core import Request, Rows
from switch.billing import answers

LINES = 4


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(when: str, number: int) -> None:
    """Have the server die at this request of a list."""
    commit, count = DayLists._commit, 0

    async def counted(self: DayLists, request: Request) -> Rows:
        nonlocal count
        count += 1
        if count < number or when == "never":
            return await commit(self, request)
        if when == "before":
            die()
        made = asyncio.ensure_future(commit(self, request))
        if when == "amid":
            # It has been handed to the committer's thread by then, and no further.
            await asyncio.sleep(0)
            die()
        rows = await made
        die()
        return rows

    vars(answers)["ANSWERS_MAX"] = LINES
    setattr(DayLists, "_commit", counted)  # noqa: B010


if __name__ == "__main__":
    dying(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[6:]))
