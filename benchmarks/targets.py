"""What the figures are held against, read from the JSON of `benchmarks.run`.

A target names a bound and the place of its figure in the results; nothing here is
measured or typed. A figure that a run does not have is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.network import CENTRES

Result = Mapping[str, Any]

MILLION = 1_000_000
"""Wallets of the large network."""


class Results:
    """The results of one run."""

    def __init__(self, results: list[Result], micro: Sequence[Result] = ()) -> None:
        """`micro`: the figures of the micro-benchmarks."""
        self._results = results
        self._micro = micro

    def find(self, benchmark: str, **fields: object) -> Result:
        """The first result of a benchmark with these fields; KeyError if none.

        Of those in process, one of row templates.
        """
        fields = {"payments": "rows", **fields}
        for result in self._results:
            # Only some benchmarks say what payments are.
            result_ = {"payments": "rows", **result}
            same = all(result_.get(name) == value for name, value in fields.items())
            if result["benchmark"] == benchmark and same:
                return result
        raise KeyError(benchmark)

    def micro(self, name: str) -> Result:
        """A micro-benchmark; KeyError if it was not run."""
        for result in self._micro:
            if result["name"] == name:
                return result
        raise KeyError(name)

    def peers(self, system: str, **fields: object) -> Result:
        """The first peer whose name begins with `system`; KeyError if none."""
        for result in self._results:
            if result["benchmark"] != "peers":
                continue
            for peer in result["peers"]:
                same = all(peer.get(name) == value for name, value in fields.items())
                if same and str(peer["system"]).startswith(system):
                    return dict(peer)
        raise KeyError(system)

    def sustained(self, ids: str, accounts: int = CENTRES) -> Result:
        """Batches of 8,190 in process, not a burst."""
        return self.find("ledger", ids=ids, batch=8190, burst=False, accounts=accounts)

    def burst(self, ids: str) -> Result:
        """The same into a reserve that was there."""
        return self.find("ledger", ids=ids, batch=8190, burst=True)

    def load(
        self, mode: str, *, quoted: bool = False, rate: int = 0, connections: int = 0
    ) -> Result:
        """A load over gRPC: a closed loop, or an open one at a rate.

        `quoted`: beside the same without quotations; `connections`: 0 for any number.
        """
        for result in self._results:
            if result["benchmark"] != "load" or result["mode"] != mode:
                continue
            if "sweep" in result or result.get("offered_per_s", 0) != rate:
                continue
            if connections and result["connections"] != connections:
                continue
            if "ratio" in result if quoted else "quoted" not in result:
                return result
        raise KeyError(mode)


@dataclass(frozen=True)
class Target:
    """One bound: `at_least` or `below`, in `unit`; neither for a figure to know."""

    name: str
    what: str
    unit: str
    figure: "Figure"
    at_least: float | None = None
    below: float | None = None

    def value(self, results: Results) -> float | None:
        """The figure; None if the run has none."""
        try:
            return float(self.figure(results))
        except (KeyError, ZeroDivisionError):
            return None

    def holds(self, value: float) -> bool | None:
        """Whether a figure keeps the bound; None if there is no bound."""
        if self.at_least is not None:
            return value >= self.at_least
        return None if self.below is None else value < self.below

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"≥ {self.at_least:,.12g} {self.unit}"
        return "" if self.below is None else f"< {self.below:,.12g} {self.unit}"


Figure = Callable[[Results], float]


def _sustained(name: str, ids: str, accounts: int = CENTRES) -> Figure:
    return lambda all_: float(all_.sustained(ids, accounts)[name])


def _burst(ids: str) -> Figure:
    return lambda all_: float(all_.burst(ids)["rows_per_s"])


def _to_sqlite(ids: str) -> Figure:
    def figure(results: Results) -> float:
        sqlite = results.peers("SQLite", mode="batch", ids=ids)
        return float(results.sustained(ids)["rows_per_s"] / sqlite["rows_per_s"])

    return figure


def _load(name: str, mode: str, *, rate: int = 0, connections: int = 0) -> Figure:
    return lambda all_: float(all_.load(mode, rate=rate, connections=connections)[name])


def _batches_to_ledger(results: Results) -> float:
    """Batches over gRPC to the same without a network."""
    ledger = float(results.sustained("random")["rows_per_s"])
    return float(results.load("batch")["payments_per_s"]) / ledger


def _quoted(name: str, mode: str) -> Figure:
    """With quotations to without."""
    return lambda all_: float(all_.load(mode, quoted=True)["ratio"][name])


def _field(benchmark: str, *path: str, **fields: object) -> Callable[[Results], float]:
    """The figure at a path within a result."""

    def figure(results: Results) -> float:
        value: Any = results.find(benchmark, **fields)
        for name in path:
            value = value[name]
        return float(value)

    return figure


def _slowest_read(results: Results) -> float:
    """p99 of the slowest kind of statement or past balance, milliseconds."""
    reads = results.find("scale")["reads"]
    times = [
        figures["p99_us"]
        for kind in reads.values()
        if isinstance(kind, dict)
        for figures in kind.values()
        if isinstance(figures, dict) and "p99_us" in figures
    ]
    if not times:
        raise KeyError("reads")
    return float(max(times)) / 1e3


def _to_empty(results: Results) -> float:
    """Payments by unary calls, to calls of an empty handler of grpc.aio."""
    unary = float(results.load("unary", connections=4)["payments_per_s"])
    return unary / float(results.load("empty")["payments_per_s"])


def _memory(results: Results) -> float:
    opened = results.find("scale")["opening"].values()
    return float(max(one["anonymous_bytes"] for one in opened)) / 1e9


def _million_to_few(results: Results) -> float:
    million = float(results.sustained("random", MILLION)["rows_per_s"])
    return million / float(results.sustained("random")["rows_per_s"])


def _bytes(result: Result) -> float:
    return float(result["journal_bytes_per_row"] + result["index_bytes_per_row"])


def _bytes_in_singles(results: Results) -> float:
    return _bytes(results.find("ledger", batch=1))


def _bytes_of(payments: str) -> Figure:
    return lambda all_: _bytes(all_.find("ledger", payments=payments))


TARGETS: tuple[Target, ...] = (
    Target("R1", "sustained, ordered ids", "rows/s",
           _sustained("rows_per_s", "ordered"), at_least=1.5e6),
    Target("R1", "sustained, random ids", "rows/s",
           _sustained("rows_per_s", "random"), at_least=1.2e6),
    Target("R1", "against SQLite in batches, ordered ids", "×",
           _to_sqlite("ordered"), at_least=3.5),
    Target("R1", "against SQLite in batches, random ids", "×",
           _to_sqlite("random"), at_least=3.5),
    Target("R1", "time the disk alone takes for the bytes, ordered ids", "×",
           _sustained("share_of_disk", "ordered")),
    Target("R1", "time the disk alone takes for the bytes, random ids", "×",
           _sustained("share_of_disk", "random")),
    Target("R1", "burst, ordered ids", "rows/s", _burst("ordered"), at_least=4e6),
    Target("R1", "burst, random ids", "rows/s", _burst("random"), at_least=2.5e6),
    Target("R2", "one payment alone, closed loop from C", "payments/s",
           _field("singles", "payments_per_s", mode="closed"), at_least=4_000),
    Target("R2", "p50", "ms", _field("singles", "p50_ms", mode="closed"), below=0.25),
    Target("R2", "p50 against a bare LMDB commit", "×",
           _field("singles", "p50_to_bare", mode="closed"), below=1.15),
    Target("R3", "100,000 singles a second, open loop from C: p99", "ms",
           _field("singles", "p99_ms", mode="open"), below=1),
    Target("R4", "gRPC, batches of 8,190", "payments/s",
           _load("payments_per_s", "batch")),
    Target("R4", "to R1 with random ids", "×", _batches_to_ledger, at_least=0.85),
    Target("R4", "with quotations, to without", "×",
           _quoted("payments_per_s", "batch")),
    Target("R4", "opening a quotation, in the core", "ns",
           lambda all_: all_.micro("test_open_quotations")["median_ns_per_row"],
           below=300),
    Target("R5", "gRPC, streams, 4 × 500", "payments/s",
           _load("payments_per_s", "stream"), at_least=400_000),
    Target("R5", "open loop of 100,000/s: p99", "ms",
           _load("p99_ms", "stream", rate=100_000), below=12),
    Target("R5", "with quotations, to without", "×",
           _quoted("payments_per_s", "stream")),
    Target("R5", "p99 with quotations, to without", "×", _quoted("p99_ms", "stream")),
    Target("R6", "gRPC, unary, 4 × 100", "payments/s",
           _load("payments_per_s", "unary", connections=4), at_least=100_000),
    Target("R6", "p99", "ms", _load("p99_ms", "unary", connections=4), below=10),
    Target("R6", "open loop of 50,000/s: p99", "ms",
           _load("p99_ms", "unary", rate=50_000), below=10),
    Target("R6", "500 × 1", "payments/s",
           _load("payments_per_s", "unary", connections=500), at_least=50_000),
    Target("R6", "one caller alone: p50 beyond a bare LMDB commit", "ms",
           _load("p50_over_bare_ms", "unary", connections=1), below=0.2),
    Target("R6", "to an empty handler of grpc.aio", "×", _to_empty),
    Target("R7", "gRPC, bills from hold to post", "payments/s",
           _load("payments_per_s", "bills"), at_least=50_000),
    Target("R7", "the server's processor time of one", "µs",
           _load("server_cpu_us_per_payment", "bills"), below=22),
    Target("R7", "open loop of 20,000/s: p99", "ms",
           _load("p99_ms", "bills", rate=20_000), below=50),
    Target("R7", "GetPayment, a handler in Python", "calls/s",
           _load("payments_per_s", "get"), at_least=25_000),
    Target("R7", "with quotations, to without", "×",
           _quoted("payments_per_s", "bills")),
    Target("R7", "p99 with quotations, to without", "×", _quoted("p99_ms", "bills")),
    Target("R7", "p99 while two other billers are dead and slow, to its own", "×",
           _field("isolation", "p99_ratio"), below=1.2),
    Target("R8", "rate of the last part to the first", "×",
           _field("scale", "build", "last_to_first"), at_least=0.9),
    Target("R8", "opening after a clean stop", "s",
           _field("scale", "opening", "clean_warm", "open_s"), below=1),
    Target("R8", "opening after kill -9", "s",
           _field("scale", "opening", "killed_warm", "open_s"), below=3),
    Target("R8", "resident memory without page cache", "GB", _memory, below=1),
    Target("R8", "file bytes a row, in batches", "bytes",
           _field("scale", "build", "bytes_per_row"), below=220),
    Target("R8", "file bytes a row, in singles", "bytes",
           _bytes_in_singles, below=300),
    Target("R8", "the same, of messages with quotations", "bytes",
           _bytes_of("quoted")),
    Target("R8", "the same, of messages without", "bytes", _bytes_of("stated")),
    Target("R9", "statements and past balances, slowest kind: p99", "ms",
           _slowest_read, below=1),
    Target("R9", "totals by NumPy", "rows/s",
           _field("scale", "reads", "totals", "rows_per_s"), at_least=20e6),
    Target("R10", "commits of 8,190 at full size: p99.9", "ms",
           _field("scale", "commits", "p99_9_ms"), below=20),
    Target("R10", "the longest", "ms",
           _field("scale", "commits", "max_ms"), below=100),
    Target("R11", "1 M wallets against 3,561, random ids", "×", _million_to_few,
           at_least=0.6),
    Target("R11", "p99.9", "ms", _sustained("p99_9_ms", "random", MILLION), below=20),
    Target("R11", "the longest", "ms", _sustained("max_ms", "random", MILLION),
           below=100),
    Target("R12", "lost to two reading processes, beyond their cores", "×",
           _field("scale", "followers", "readers_loss"), below=0.05),
    Target("R12", "lost to two feeds in threads, beyond their cores", "×",
           _field("scale", "followers", "feeds_loss"), below=0.05),
)  # fmt: skip
