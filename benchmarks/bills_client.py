"""The load of bills: pays through streams, and keeps so many payments without a post.

Started by `benchmarks.load` in a process of its own. A payment is under way until its
post is durable. How many are posted follows from the durable sequence, which is read
from the journal's file a thousand times a second: the entries that are not holds. When
each payment was due is kept, in the order of the bills, for who reads the journal.

In a closed loop each look shares out what there is room for among the connections, and
a payment is due when it is sent. In an open loop payments are due by chance.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks import _client
from benchmarks.client_process import Count, Load, arguments, maker_of, report
from benchmarks.messages import Maker, Shares
from switch.audit.reader import Journal

WALLET_SHARE = 0.70
BILLER_SHARE = 0.58
UNANSWERED_MAX = 1 << 19
"""Holds of a connection without an answer: more than can be without a post."""


class BillsLoad(Load):
    """Streams that wait for posts, on all connections together."""

    # A post's time is known by the group after its own, so that groups must follow.
    tail_ns = 200_000_000
    look_ns = 1_000_000
    keeps_times = True

    def __init__(self, options: argparse.Namespace, journal: Journal) -> None:
        super().__init__(options)
        self._utc_ns = time.time_ns() - _client.now_ns()
        self._journal = journal
        self._base = journal.last_sequence()
        self._outstanding: int = options.outstanding
        # Nothing before the first look.
        self.client.room = 0

    def bound(self, _: argparse.Namespace) -> int:
        """Posts are what it waits for."""
        return UNANSWERED_MAX

    def make_maker(self, options: argparse.Namespace) -> Maker:
        """70 % from one wallet, 58 % to one biller, unless it is told otherwise."""
        shares = Shares(WALLET_SHARE, options.biller_share, options.hot_billers)
        return maker_of(options, shares)

    def look(self) -> None:
        """How many payments may be sent until the next look."""
        counts, payload = self.client.counts(), self.maker.payload
        posted = self._journal.last_sequence() - self._base - counts["payments"]
        under_way = counts["sent"] * payload - posted
        self.client.room = max(self._outstanding - under_way, 0) // payload

    def times_ns(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """When payments were due, nanoseconds UTC, in the order of the bills."""
        times = self.client.times().astype(np.int64) + self._utc_ns
        return np.repeat(times, self.maker.payload)

    def figures(self, before: Count, after: Count) -> dict[str, object]:
        """Also when the measurement began and ended, nanoseconds UTC."""
        found = super().figures(before, after)
        begin_ns, end_ns = (one.at_ns + self._utc_ns for one in (before, after))
        return {**found, "begin_ns": begin_ns, "end_ns": end_ns}


def times_file(directory: Path, first: int) -> Path:
    """Where the run whose bills begin at `first` leaves when each was due."""
    return directory / f"times-{first}.npy"


def main() -> None:
    """Run one load; leave the times in a file."""
    parser = arguments()
    parser.add_argument("--times", type=Path, required=True, help="directory for them")
    parser.add_argument("--biller-share", type=float, default=BILLER_SHARE)
    parser.add_argument("--hot-billers", type=int, default=1, help="that have it")
    options = parser.parse_args()
    with Journal(options.ledger) as journal:
        load = BillsLoad(options, journal)
        report(load, options)
    np.save(times_file(options.times, options.first), load.times_ns())


if __name__ == "__main__":
    main()
