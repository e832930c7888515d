"""A year's rows of the sample network, made up as they are read.

They stand for a journal that would take hours to write: what follows it finds the rows
that it would find there, in the same order and types, and nothing else of a ledger.
Three of four payments are held and posted, the rest are paid at once; one in 128 of
what was held is given back. Services have the sample's shares.
"""

import time
from typing import Final

import numpy as np

from switch import _core as core
from switch.calendar import DAY_S, NS_IN_S, day_start_ns, parse_date
from switch.codes import Kind, Result, Role
from switch.register.register import Register
from switch.sample import load_sample

FIRST_DAY: Final = "2025-04-01"
POOL: Final = 1 << 18
"""Payments that are drawn; they come again and again, a day's never in step."""
LAG: Final = 4_001
"""Rows from a hold to what ends it; odd."""
VOIDED: Final = 128


def year_days(days: int) -> tuple[int, int]:
    """The first and the last day."""
    first = day_start_ns(parse_date(FIRST_DAY)) // NS_IN_S // DAY_S + 1
    return first, first + days - 1


class Year:
    """What a cube asks of a ledger, of made-up rows."""

    def __init__(
        self, ledger: core.Ledger, register: Register, rows: int, days: int
    ) -> None:
        """`ledger` is a real one that has the register."""
        rng = np.random.default_rng(2026)
        sample = load_sample()
        found = [register.find_service(one.code) for one in sample.services]
        services = [one for one in found if one is not None]
        shares = np.array([one.share for one in sample.services])
        wallets = [
            account.index
            for account in register.accounts()
            if register.participant(account.participant).spec.role is Role.CENTRE
        ]
        drawn = rng.choice(len(services), POOL, p=shares / shares.sum())
        self._service = np.array([one.index for one in services], np.uint16)[drawn]
        self._head = np.array([one.heads[0] for one in services], np.uint32)[drawn]
        self._wallet = rng.choice(np.array(wallets, np.uint32), POOL)
        self._amount = rng.integers(1_000, 400_000, POOL, dtype=np.uint64)
        self.instance, self.path = ledger.instance, ledger.path
        self.sequence = rows
        self._start_ns = day_start_ns(parse_date(FIRST_DAY))
        self._step_ns = days * DAY_S * NS_IN_S // rows
        self.made_s = 0.0
        """Seconds that rows took to be made, and processor time."""
        self.made_cpu_s = 0.0

    def chunk_of(self, sequence: int) -> tuple[int, int, int, int]:
        """As of a journal whose chunks have one row."""
        return sequence, sequence, 1, sequence & 0xFFFFFFFF

    def rows(self, first: int, count: int) -> core.Rows:
        """As `Ledger.rows`."""
        began, used = time.perf_counter(), time.thread_time()
        sequences = np.arange(first, first + count, dtype=np.uint64)
        rows = np.zeros(count, core.ROW)
        rows["sequence"] = sequences
        rows["timestamp"] = self._start_ns + sequences * np.uint64(self._step_ns)
        rows["result"] = Result.OK
        self._fill(rows, sequences)
        self.made_s += time.perf_counter() - began
        self.made_cpu_s += time.thread_time() - used
        return rows

    def gather(self, sequences: "np.typing.NDArray[np.uint64]") -> core.Rows:
        """As `Ledger.gather`: the payments that these are."""
        rows = np.zeros(len(sequences), core.ROW)
        self._fill(rows, sequences)
        return rows

    def _fill(self, rows: core.Rows, sequences: "np.typing.NDArray[np.uint64]") -> None:
        """Even rows end the hold LAG rows before; of odd ones that hold, or pay."""
        lag = np.uint64(LAG)
        ends = (sequences % np.uint64(2) == 0) & (sequences > lag)
        begun = np.where(ends, sequences - lag, sequences)
        # One of four is paid at once; its end is another payment's.
        direct = begun % np.uint64(8) == 1
        payment = np.where(direct, sequences, begun)
        places = ((payment * np.uint64(0x9E3779B1)) % np.uint64(POOL)).astype(np.intp)
        rows["debit"], rows["credit"] = self._wallet[places], self._head[places]
        rows["service"], rows["amount"] = self._service[places], self._amount[places]
        ends &= ~direct
        voids = ends & (begun % np.uint64(VOIDED) == 3)
        kinds = np.where(direct, int(Kind.PAY), int(Kind.HOLD))
        kinds[ends], kinds[voids] = int(Kind.POST), int(Kind.VOID)
        kinds[(sequences % np.uint64(2) == 0) & (sequences <= lag)] = int(Kind.PAY)
        rows["kind"] = kinds
        rows["resolves"][ends] = begun[ends]
        rows["amount"][voids] = 0
