"""Latencies in bounded memory: counts in buckets whose width is 1/64 of their value."""

SUB_BITS = 6
"""Each power of two is split into 2**SUB_BITS buckets: an error of at most 1.6 %."""
_SUB = 1 << SUB_BITS
BUCKETS = (64 - SUB_BITS) * _SUB
"""Enough for every 63-bit number of nanoseconds."""


def bucket_of(value: int) -> int:
    """The bucket of a value; small values have one each."""
    shift = max(value.bit_length() - SUB_BITS - 1, 0)
    return (shift << SUB_BITS) + (value >> shift)


def bucket_top(bucket: int) -> int:
    """The largest value of a bucket."""
    if bucket < 2 * _SUB:
        return bucket
    shift = (bucket >> SUB_BITS) - 1
    return (((bucket & (_SUB - 1)) + _SUB + 1) << shift) - 1


class Histogram:
    """How often each latency was seen, in nanoseconds."""

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.total = 0
        self.largest = 0

    def add(self, value_ns: int, count: int = 1) -> None:
        """Count a latency `count` times."""
        self._counts[bucket_of(value_ns)] += count
        self.total += count
        if value_ns > self.largest:
            self.largest = value_ns

    def quantile_ms(self, share: float) -> float:
        """The latency that `share` of all do not exceed, milliseconds; 0 if empty."""
        wanted = share * self.total
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return round(min(bucket_top(bucket), self.largest) / 1e6, 3)
        return 0.0

    def clear(self) -> None:
        """Forget everything."""
        self._counts = [0] * BUCKETS
        self.total = 0
        self.largest = 0
