"""The same load without and with quotations, in turn, so that one machine has both.

A machine's pace changes from minute to minute. So what counts is the ratio within a
round, and of all rounds the median one; who begins changes from round to round.
"""

from collections.abc import Callable
from statistics import median

from benchmarks.load_network import Figures, LoadError

COMPARED = (
    "payments_per_s",
    "p50_ms",
    "p99_ms",
    "server_cpu_us_per_payment",
    "client_cpu_us_per_payment",
    "request_bytes_per_payment",
)
"""Figures whose ratio is told, with quotations to without."""


def in_turn(measure: Callable[[bool], Figures], rounds: int) -> Figures:
    """`measure(quoted)` both ways so many times; the figures of all together.

    Raises LoadError.
    """
    runs: dict[bool, list[Figures]] = {False: [], True: []}
    for number in range(rounds):
        for quoted in (False, True) if number % 2 == 0 else (True, False):
            runs[quoted].append(measure(quoted))
    ratios = {
        name: [
            ratio_of(with_, without, name)
            for without, with_ in zip(runs[False], runs[True], strict=True)
        ]
        for name in COMPARED
    }
    return {
        **middle(runs[True]),
        "rounds": rounds,
        "ratio": {name: round(median(each), 4) for name, each in ratios.items()},
        "ratios": {
            name: [round(one, 4) for one in each] for name, each in ratios.items()
        },
        "each_per_s": {
            "stated": [one["payments_per_s"] for one in runs[False]],
            "quoted": [one["payments_per_s"] for one in runs[True]],
        },
        "stated": middle(runs[False]),
    }


def middle(runs: list[Figures]) -> Figures:
    """The run with the median rate; of two, the slower one."""
    ordered = sorted(runs, key=lambda one: number_of(one, "payments_per_s"))
    return ordered[(len(ordered) - 1) // 2]


def ratio_of(with_: Figures, without: Figures, name: str) -> float:
    """Of one figure. Raises LoadError if there is nothing to compare with."""
    if number_of(without, name) == 0:
        raise LoadError(f"without quotations {name} is 0: give it more --seconds")
    return number_of(with_, name) / number_of(without, name)


def number_of(one: Figures, name: str) -> float:
    """A figure."""
    return float(str(one[name]))
