"""A server that takes longer to open its ledger, as a long rebuild does.

`python -m tests.server.slow_start SECONDS python -m server ...`: the words of the
command it stands before are left out; what runs is the server's own `main`.
"""

import sys
import time
from typing import Any

from server.__main__ import main
from switch._core import Ledger
from switch.ledger import opening


def slow(seconds: float) -> None:
    """Have every opening tell of some rows, and wait."""

    def ledger(path: str, **options: Any) -> Ledger:
        options["progress"][:] = (12_345, 1_000_000)
        time.sleep(seconds)
        return Ledger(path, **options)

    vars(opening)["Ledger"] = ledger


if __name__ == "__main__":
    slow(float(sys.argv[1]))
    sys.exit(main(sys.argv[5:]))
