"""How much of the tests by chance there is, and from which seed.

`make test` has each of them once, always the same; `make torture` many times as much,
from a seed of its own, which it names.
"""

import os

TIMES = int(os.environ.get("PAYSWITCH_TIMES", "1"))
"""How many times as much as in `make test`."""
SEED = int(os.environ.get("SWITCH_TEST_SEED", "0"))
"""0 is that of `make test`."""
