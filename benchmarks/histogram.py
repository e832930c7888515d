"""Latencies in bounded memory: counts in buckets 1/128 of their value wide."""

import numpy as np
import numpy.typing as npt

SUB_BITS = 7
"""Each power of two is split into 2**SUB_BITS buckets: an error of at most 0.8 %."""
_SUB = 1 << SUB_BITS
BUCKETS = (64 - SUB_BITS) * _SUB
"""Enough for every 63-bit number of nanoseconds."""
EXACT_MAX = 1 << 53
"""Nanoseconds, 104 days, up to which many values are counted at a time."""


def bucket_of(value: int) -> int:
    """The bucket of a value; small values have one each."""
    shift = max(value.bit_length() - SUB_BITS - 1, 0)
    return (shift << SUB_BITS) + (value >> shift)


def buckets_of(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The buckets of values below EXACT_MAX."""
    _, lengths = np.frexp(values.astype(np.float64))
    shifts = np.maximum(lengths.astype(np.int64) - SUB_BITS - 1, 0)
    return (shifts << SUB_BITS) + (values >> shifts)


def bucket_top(bucket: int) -> int:
    """The largest value of a bucket."""
    if bucket < 2 * _SUB:
        return bucket
    shift = (bucket >> SUB_BITS) - 1
    return (((bucket & (_SUB - 1)) + _SUB + 1) << shift) - 1


class Histogram:
    """How often each latency was seen, in nanoseconds."""

    def __init__(self) -> None:
        self._counts = np.zeros(BUCKETS, np.int64)
        self.total = 0
        self.largest = 0

    @classmethod
    def of(cls, counts: npt.NDArray[np.uint64], largest: int) -> "Histogram":
        """What C counted in the same buckets."""
        found = cls()
        found._counts += counts.astype(np.int64)
        found.total = int(counts.sum())
        found.largest = largest
        return found

    def add(self, value_ns: int, count: int = 1) -> None:
        """Count a latency `count` times."""
        self._counts[bucket_of(value_ns)] += count
        self.total += count
        if value_ns > self.largest:
            self.largest = value_ns

    def add_many(self, values_ns: npt.NDArray[np.int64]) -> None:
        """Count latencies, each once."""
        if not len(values_ns):
            return
        largest = int(values_ns.max())
        if largest >= EXACT_MAX or values_ns.min() < 0:
            raise ValueError("a latency is negative or longer than 104 days")
        found = np.bincount(buckets_of(values_ns), minlength=BUCKETS)
        self._counts += found
        self.total += len(values_ns)
        self.largest = max(self.largest, largest)

    def quantile_ms(self, share: float) -> float:
        """The latency that `share` of all do not exceed, milliseconds; 0 if empty."""
        if not self.total:
            return 0.0
        wanted = max(int(np.ceil(share * self.total)), 1)
        bucket = int(np.searchsorted(np.cumsum(self._counts), wanted))
        return round(min(bucket_top(bucket), self.largest) / 1e6, 3)

    def quantiles_ms(self) -> dict[str, float]:
        """p50, p99, p99.9 and the largest, milliseconds."""
        return {
            "p50_ms": self.quantile_ms(0.5),
            "p99_ms": self.quantile_ms(0.99),
            "p99_9_ms": self.quantile_ms(0.999),
            "max_ms": round(self.largest / 1e6, 3),
        }

    def clear(self) -> None:
        """Forget everything."""
        self._counts[:] = 0
        self.total = 0
        self.largest = 0
