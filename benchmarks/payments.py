"""Payments as row templates by the million, at a cost that a clock can leave out.

A pool of payments is made once. Each time round, what must be new in a payment is
written over it: its id, its bill and its wallet. That takes a hundredth of the time
that the commit takes, so that the ledger's own threads gain next to nothing while the
clock stands still.
"""

import numpy as np
import numpy.typing as npt

from benchmarks.network import payment_rows
from switch import _core as core

POOL_ROWS = 128 * core.GROUP_MAX
"""Payments of the pool: services and amounts repeat after these."""
BILL_DIGITS = 7
"""Digits of a bill that tell the payments of the pool apart; POOL_ROWS has no more."""
ROUND_DIGITS = 8
"""Digits of a bill, before those, that tell the rounds apart."""

_WORDS = core.ROW.itemsize // 8
assert core.ROW.fields is not None
_REFERENCE = core.ROW.fields["reference"][1] // 8
_GOLDEN = 0x9E3779B97F4A7C15
"""Odd, so that its multiples differ: what is random stays so, in another order."""

Rows = npt.NDArray[np.void]
Amounts = npt.NDArray[np.uint64]
"""Paise."""


class Maker:
    """Gives payments that nobody has had before, a group at a time."""

    def __init__(
        self,
        ids: str,
        harness: int,
        wallets: npt.NDArray[np.uint32],
        *,
        pool_rows: int = POOL_ROWS,
        first_round: int = 0,
    ) -> None:
        """`ids`: "ordered" or "random". Two makers of one ledger need other rounds."""
        rng = np.random.default_rng(2026)
        # Whole groups, so that a group is never cut at the pool's end.
        groups = max(pool_rows // core.GROUP_MAX, 1)
        self._pool = payment_rows(
            rng, 0, groups * core.GROUP_MAX, ids, harness, wallets
        )
        self._words = self._pool.view(np.uint64).reshape(-1, _WORDS)
        self._ordered = ids == "ordered"
        self._wallets = wallets
        self._choice = (self._pool["debit"] - wallets[0]).astype(np.int64)
        self._low = self._words[:, 1].copy()
        self._high = self._words[:, 0].copy()
        self._round = first_round
        self._at = 0
        self._left = self._pool[:0]

    def take(self, count: int) -> Rows:
        """The next `count` payments (at most GROUP_MAX), good until the next call."""
        if len(self._left) < count:
            # The rest of a group is not paid; its ids and bills stay unused.
            self._left = self._renew()
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def request(self, count: int) -> tuple[core.Request, Amounts]:
        """The next `count` payments as a request, and their amounts."""
        rows = self.take(count)
        return core.Request.rows(rows), rows["amount"].copy()

    def _renew(self) -> Rows:
        """The next group of the pool, with ids, bills and wallets of this round."""
        if self._at == len(self._pool):
            self._at = 0
            self._round += 1
        part = slice(self._at, self._at + core.GROUP_MAX)
        self._at = part.stop
        words = self._words[part]
        turn = self._round
        mix = np.uint64(turn * _GOLDEN & (2**64 - 1))
        words[:, 1] = self._low[part] ^ mix
        if self._ordered:
            numbers = np.arange(part.start, part.stop, dtype=np.uint64)
            numbers += np.uint64(turn * len(self._pool))
            # Ids are compared as bytes, so the number stands in big-endian order.
            words[:, 0] = (numbers << np.uint64(16)).byteswap()
        else:
            words[:, 0] = self._high[part] ^ mix
        digits = f"{turn:0{ROUND_DIGITS}}".encode()
        words[:, _REFERENCE] = np.frombuffer(digits, np.uint64)[0]
        places = self._choice[part] + turn * 1_000_003
        self._pool["debit"][part] = self._wallets[0] + places % len(self._wallets)
        return self._pool[part]


def next_round(ledger: core.Ledger, pool_rows: int) -> int:
    """A round that no maker had on a ledger whose last row is a maker's.

    Later than the last row's, and late enough for ordered ids of a smaller pool to
    come after those of a larger one.
    """
    reference = ledger.row(ledger.sequence).reference
    last = int(reference[:ROUND_DIGITS])
    return max(last, ledger.sequence // pool_rows + 1) + 1
