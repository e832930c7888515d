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

from benchmarks.arrivals import Times
from benchmarks.client_calls import Stream
from benchmarks.client_process import Count, Load, arguments, maker_of, report
from benchmarks.http2 import Connection
from benchmarks.messages import Maker, Shares
from switch.audit.reader import Journal

LOOK_S = 0.001
"""Between two looks at the durable sequence."""
WALLET_SHARE = 0.70
BILLER_SHARE = 0.58


class BillStream(Stream):
    """A stream that waits for posts, not for answers."""

    def __init__(self, load: "BillsLoad", transport: Connection) -> None:
        super().__init__(load, transport)
        self._bills = load

    @property
    def room(self) -> int:
        """Messages that may be sent now; on all connections together."""
        return self._bills.room

    def send(self, times: Times) -> None:
        """Send messages that were due at `times`, and keep these."""
        self._bills.sent(times)
        super().send(times)


class BillsLoad(Load):
    """Streams that wait for posts."""

    # A post's time is known by the group after its own, so that groups must follow.
    tail_ns = 200_000_000

    def __init__(self, options: argparse.Namespace, journal: Journal) -> None:
        super().__init__(options)
        self.times_ns: list[Times] = []
        """When messages were due, nanoseconds UTC."""
        self._utc_ns = time.time_ns() - time.perf_counter_ns()
        self._journal = journal
        self._base = journal.last_sequence()
        self._looked_s = 0.0
        self._sent = 0
        # Nothing before the first look, which shares out.
        self._room = 0

    @property
    def room(self) -> int:
        """Messages that may be sent until the next look."""
        return self._room // self.maker.payload

    def make_maker(self, options: argparse.Namespace) -> Maker:
        """70 % from one wallet, 58 % to one biller, unless it is told otherwise."""
        shares = Shares(WALLET_SHARE, options.biller_share, options.hot_billers)
        return maker_of(options, shares)

    def make_stream(self, transport: Connection) -> Stream:
        """What pays through a stream."""
        return BillStream(self, transport)

    def sent(self, times: Times) -> None:
        """Messages that were due at `times` are handed to the transport."""
        payments = len(times) * self.maker.payload
        self.times_ns.append(times + self._utc_ns)
        self._room -= payments
        self._sent += payments

    def next_look_s(self) -> float:
        """Look at the journal if it is time; send what is due."""
        if time.perf_counter() - self._looked_s >= LOOK_S:
            self._look()
            if self.refills:
                self._share_out()
        return min(super().next_look_s(), LOOK_S)

    def _look(self) -> None:
        """How many payments may be sent until the next look."""
        self._looked_s = time.perf_counter()
        posted = self._journal.last_sequence() - self._base - self.payments
        self._room = max(self.outstanding - (self._sent - posted), 0)

    def _share_out(self) -> None:
        """Send what there is room for, on all connections alike."""
        for left in range(len(self.connections), 0, -1):
            connection = self.connections[len(self.connections) - left]
            share = self.room // left
            if share:
                connection.send(np.full(share, time.perf_counter_ns(), np.int64))
                connection.transport.write()

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
    # In the order of the bills: messages are made as they are sent.
    times = np.repeat(np.concatenate(load.times_ns), options.payload)
    np.save(times_file(options.times, options.first), times)


if __name__ == "__main__":
    main()
