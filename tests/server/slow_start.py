"""A server that takes longer to open its ledger, as a long rebuild does.

`python -m tests.server.slow_start FILE python -m server ...`: it goes on when the file
is there. The words of the command it stands before are left out; what runs is the
server's own `main`.
"""

import sys
import time
from pathlib import Path
from typing import Any

from server.__main__ import main
from switch._core import Ledger
from switch.ledger import opening


def slow(until: Path) -> None:
    """Have every opening tell of some rows, and wait."""

    def ledger(path: str, **options: Any) -> Ledger:
        options["progress"][:] = (12_345, 1_000_000)
        while not until.exists():
            time.sleep(0.01)
        return Ledger(path, **options)

    vars(opening)["Ledger"] = ledger


if __name__ == "__main__":
    slow(Path(sys.argv[1]))
    sys.exit(main(sys.argv[5:]))
