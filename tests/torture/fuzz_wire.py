"""Millions of messages through the core's parser and the generated classes.

The same messages and the same comparison as `tests/core/test_wire_fuzz.py`, from seeds
that nobody has tried. Each line names its seed; `--seed` begins at one of them again.
Ends at the first disagreement, with a small message and both readings.
"""

import argparse
import secrets
import sys
import time
from collections import Counter

from tests.core.wire_compare import DisagreementError, run

INPUTS = 5_000_000
INPUTS_OF_ONE_SEED = 100_000


def main() -> int:
    """Compare, telling how far it is; 1 if the readings differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=INPUTS, help="messages in all")
    parser.add_argument("--seed", type=int, help="the first seed; random if not given")
    given = parser.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    sorts: Counter[str] = Counter()
    begun = time.monotonic()
    while (done := sorts.total()) < given.inputs:
        count = min(INPUTS_OF_ONE_SEED, given.inputs - done)
        try:
            sorts += run(seed, count)
        except DisagreementError as error:
            print(f"seed {seed}: the readings differ\n{error}", file=sys.stderr)
            return 1
        rate = sorts.total() / (time.monotonic() - begun)
        print(f"seed {seed}: {sorts.total():,} messages, {rate:,.0f}/s", flush=True)
        seed += 1
    print(", ".join(f"{sort} {count:,}" for sort, count in sorts.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
