"""The work that every peer is given, and the form of its figures.

One transfer: debit a random one of 3,561 wallets that may not go below zero, credit one
of 97 billers by a Zipf choice, under a 128-bit id that nothing may have twice, durable
before the answer. It has no claim, no daily counters, no receipt, no journal and no
history by account, which a payment of the switch has: a peer does less.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.commits import quantiles_ms
from benchmarks.network import CENTRES, SERVICES, TOP_UP

WALLETS = CENTRES
BILLERS = SERVICES
BALANCE = TOP_UP
"""Paise of each wallet at first: more than any run spends."""
BATCH = 8_000
AMOUNT_MIN, AMOUNT_MAX = 100, 200_000
"""Paise; the upper one is not reached."""

Integers = npt.NDArray[np.int64]


class Transfers:
    """Makes transfers; accounts are numbered from 1, billers after the wallets."""

    def __init__(self, ids: str) -> None:
        """`ids`: "ordered" or "random"."""
        self._ordered = ids == "ordered"
        self._rng = np.random.default_rng(2026)
        weights = 1.0 / np.arange(1, BILLERS + 1)
        self._shares = weights / weights.sum()
        self._next = 1
        self.count = 0
        self.amount = 0
        """Paise of all transfers so far."""

    def take(self, count: int) -> tuple[list[bytes], Integers, Integers, Integers]:
        """Ids, debits, credits and amounts of the next `count` transfers."""
        halves = np.frombuffer(self._rng.bytes(16 * count), ">u8").reshape(count, 2)
        if self._ordered:
            halves = halves.copy()
            halves[:, 0] = np.arange(self._next, self._next + count) << 16
        self._next += count
        content = halves.tobytes()
        ids = [content[at : at + 16] for at in range(0, len(content), 16)]
        debits = self._rng.integers(1, WALLETS + 1, count)
        chosen = self._rng.choice(BILLERS, count, p=self._shares)
        credits_ = (WALLETS + 1 + chosen).astype(np.int64)
        amounts = self._rng.integers(AMOUNT_MIN, AMOUNT_MAX, count)
        self.count += count
        self.amount += int(amounts.sum())
        return ids, debits, credits_, amounts


class PeerError(Exception):
    """A peer did not do the work, so that it has no figure."""


def check_books(
    system: str, transfers: Transfers, count: int, spent: int, got: int
) -> None:
    """Hold a peer's books against what it was given. Raises PeerError."""
    if count != transfers.count or not spent == got == transfers.amount:
        raise PeerError(f"{system}: the books do not balance")


def figures(
    system: str, mode: str, rows: int, took_s: Sequence[float], **more: object
) -> dict[str, object]:
    """What a peer did: `took_s` is the time of each call, one after another."""
    took = np.asarray(took_s)
    rate = round(rows / float(took.sum()))
    latencies = quantiles_ms(took)
    return {
        "system": system,
        "mode": mode,
        **more,
        "rows": rows,
        "rows_per_s": rate,
        **latencies,
    }
