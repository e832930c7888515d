"""Windows of one load that goes on, with counters beside it and without: the steadier
measure of `benchmarks.counter --windows`.

A load of its own for each measurement meets other connections, other threads and
another minute; here the clients pay on through all windows, and only the counters come
and go, in the order ABBA, so that what drifts is in both. Each pair of neighbours gives
a ratio of what a payment cost the server; told are their mean and their median, each
with an interval that 95 of 100 such runs would have it in (of the mean by drawing the
pairs again, of the median by signs). A disk that is slow for a second makes larger
groups, which cost less a payment: one such window moves the mean, and not the median.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from benchmarks.counter_browsers import Operators, Seen, serving
from benchmarks.load_network import Figures, LoadError
from benchmarks.meters import process_ns
from switch.client import Client

SETTLE_S = 1.0
"""From the beginning or the end of the counters to the window."""
BEGIN_S = 60.0
"""For the clients' first payments."""
BEGUN = 2_000
"""Payments that are no beginning any more."""
DRAWS = 10_000
TAIL = 0.025
NS_IN_S = 1e9
MAIN_S = 3.0
"""The clients begin so long before the first window, and end after the last."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in one."""

    has_counters: bool
    seconds: float
    server_ns: int
    payments: int
    citizens: int

    @property
    def cost_us(self) -> float:
        """The server's time of a payment."""
        return self.server_ns / self.payments / 1e3


def seconds_of(count: int, window_s: float) -> float:
    """How long the clients pay for so many pairs of windows."""
    return 2 * count * (window_s + 2 * SETTLE_S) + 2 * MAIN_S


def run(
    count: int,
    window_s: float,
    pause_s: float,
    pay: Callable[[], Figures],
    server_pid: int,
    treasury: Client,
    operators: Operators,
) -> tuple[list[Window], list[Seen]]:
    """`count` pairs while `pay` pays, and the pages seen. Raises LoadError."""
    errors: list[Exception] = []

    def client() -> None:
        try:
            pay()
        except LoadError as error:
            errors.append(error)

    begun = treasury.ledger().sequence
    thread = threading.Thread(target=client)
    thread.start()
    found: list[Window] = []
    pages: list[Seen] = []
    end_s = time.monotonic() + BEGIN_S
    while treasury.ledger().sequence < begun + BEGUN:
        if time.monotonic() > end_s or not thread.is_alive():
            raise LoadError(f"nobody pays: {errors}")
        time.sleep(0.1)
    time.sleep(MAIN_S)
    for number in range(count):
        for has_counters in (False, True) if number % 2 == 0 else (True, False):
            for one in operators.all:
                one.seen.clear()
                one.paid_ns.clear()
            with serving(operators, pause_s if has_counters else 0):
                time.sleep(SETTLE_S)
                found.append(
                    _window(window_s, has_counters, server_pid, treasury, operators)
                )
            pages += [page for one in operators.all for page in one.seen]
    if not thread.is_alive():
        errors.append(LoadError("the clients ended before the last window"))
    thread.join()
    if errors:
        raise errors[0]
    return found, pages


def _window(
    seconds: float,
    has_counters: bool,
    server_pid: int,
    treasury: Client,
    operators: Operators,
) -> Window:
    begin_ns = time.monotonic_ns()
    before, sequence = process_ns(server_pid), treasury.ledger().sequence
    time.sleep(seconds)
    entries, after = treasury.ledger().sequence - sequence, process_ns(server_pid)
    end_ns = time.monotonic_ns()
    citizens = sum(
        begin_ns <= at < end_ns for one in operators.all for at in one.paid_ns
    )
    # One that is paid at a page has two entries.
    return Window(
        has_counters,
        (end_ns - begin_ns) / NS_IN_S,
        after - before,
        entries - citizens,
        citizens,
    )


def told(windows: list[Window]) -> Figures:
    """The figures of all windows."""
    kinds = {
        name: [one for one in windows if one.has_counters == has_counters]
        for name, has_counters in (("alone", False), ("beside counters", True))
    }
    loads = {
        name: {
            "server_cpu_us_per_payment": round(
                float(np.median([one.cost_us for one in some])), 2
            ),
            "payments_per_s": round(
                sum(one.payments for one in some) / sum(one.seconds for one in some)
            ),
            "server_cores": round(
                sum(one.server_ns for one in some)
                / NS_IN_S
                / sum(one.seconds for one in some),
                2,
            ),
            "citizens": sum(one.citizens for one in some),
        }
        for name, some in kinds.items()
    }
    ratios = np.array(
        [
            with_.cost_us / without.cost_us
            for with_, without in zip(
                kinds["beside counters"], kinds["alone"], strict=True
            )
        ]
    )
    low, high = interval(ratios)
    median_low, median_high = median_interval(ratios)
    return {
        "loads": loads,
        "ratio": round(float(ratios.mean()), 4),
        "ratio_low": round(low, 4),
        "ratio_high": round(high, 4),
        "median": round(float(np.median(ratios)), 4),
        "median_low": round(median_low, 4),
        "median_high": round(median_high, 4),
        "ratios": [round(float(one), 3) for one in ratios],
    }


def median_interval(ratios: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Of the median, by signs alone: at least 95 of 100, or all that was seen."""
    ordered, count = np.sort(ratios), len(ratios)
    below, outside = 0.5**count, 0
    while below <= TAIL and 2 * (outside + 1) < count:
        outside += 1
        below += 0.5**count * comb(count, outside)
    at = max(outside - 1, 0)
    return float(ordered[at]), float(ordered[count - 1 - at])


def interval(ratios: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Of the mean, by drawing the pairs again; the same for the same ratios."""
    draws = np.random.default_rng(1).choice(ratios, (DRAWS, len(ratios)))
    low, high = np.quantile(draws.mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
