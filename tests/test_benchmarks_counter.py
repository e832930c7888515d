"""Goal: the benchmark of counters measures pages and payments that were really made.

Method: figures of made-up pages; the counters' disks with a payment that was not paid;
the benchmark runs in small.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.counter import paid_at, ratios, spread
from benchmarks.counter_browsers import Seen
from benchmarks.counter_client import OwnMaker
from benchmarks.counter_windows import Window, median_interval, told
from benchmarks.load_network import LoadError
from tests.bench import read, run_json

MS = 1_000_000


def test_centres_pay_for_themselves() -> None:
    made = read(OwnMaker(100, "random").take(1))
    assert {one.centre for one in made} == {""}
    assert {one.operator for one in made} == {1}
    assert len({one.id for one in made}) == 100


def test_figures_of_pages_and_rounds() -> None:
    found = spread([Seen("due", 0, took * MS) for took in range(1, 101)])
    assert (found["pages"], found["p50_ms"], found["max_ms"]) == (100, 50.5, 100.0)
    cost = ("server_cpu_us_per_payment", "p50_ms", "p99_ms")
    with_: list[dict[str, object]]
    with_ = [dict.fromkeys(cost, value) for value in (3, 8, 5)]
    without: list[dict[str, object]]
    without = [dict.fromkeys(cost, value) for value in (2, 4, 5)]
    found = ratios(with_, without)
    assert found["p50_ms"] == 1.5
    assert found["p50_ms_each"] == [1.5, 2.0, 1.0]


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [({}, True), ({"outcome": "sending"}, False), ({"kind": "shift"}, False)],
)
def test_only_what_is_paid_counts(
    tmp_path: Path, changes: dict[str, str], is_good: bool
) -> None:
    move = {"kind": "payment", "outcome": "paid", "facts": {"amount": 7}} | changes
    (tmp_path / "one.move").write_text(json.dumps(move))
    if is_good:
        assert paid_at(tmp_path) == [7]
        return
    with pytest.raises(LoadError, match=r"one\.move is"):
        paid_at(tmp_path)


@pytest.mark.slow
@pytest.mark.alone(beside=1)  # its citizens are counted within seconds
def test_counters_beside_payments() -> None:
    result = run_json(
        *("benchmarks.counter", "--json", "--seconds", "3", "--rounds", "1"),
        *("--counters", "2", "--pause", "0.5", "--connections", "8"),
        *("--centres", "2", "--rate", "200"),
    )
    loads = result["loads"]
    for name, one in loads.items():
        assert one["server_cpu_us_per_payment"] > 0
        assert (one["citizens"] > 0) == ("beside" in name)
    assert len(loads) == 4
    kinds = {"home", "find", "form", "due", "pay", "payment", "receipt", "line"}
    assert kinds <= result["pages"].keys()
    for one in result["pages"].values():
        assert 0 < one["p50_ms"] <= one["p99_ms"] <= one["max_ms"]
    assert result["ratio_with_sessions"]["alone"]["server_cpu_us_per_payment"] > 0


def test_windows_are_pairs() -> None:
    costs = [(100, 110), (200, 190), (50, 50), (80, 84)]
    windows = [
        Window(has, 1.0, cost * 1_000 * 10, 10, 2 * has)
        for pair in costs
        for has, cost in zip((False, True), pair, strict=True)
    ]
    found = told(windows)
    assert found["ratio"] == pytest.approx((1.1 + 0.95 + 1 + 1.05) / 4)
    assert found["ratio_low"] < found["ratio"] < found["ratio_high"]  # type: ignore[operator]
    assert found["ratio_low"] >= 0.95  # type: ignore[operator]
    loads = found["loads"]
    assert isinstance(loads, dict)
    assert loads["beside counters"]["citizens"] == 8
    assert loads["alone"]["server_cpu_us_per_payment"] == 90


@pytest.mark.slow
@pytest.mark.alone(beside=1)  # its citizens are counted within seconds
def test_counters_that_come_and_go() -> None:
    result = run_json(
        *("benchmarks.counter", "--json", "--seconds", "3", "--windows", "1"),
        *("--counters", "2", "--pause", "0.5", "--connections", "8", "--signed"),
        *("--centres", "2", "--rate", "700"),
    )
    assert result["loads"]["alone"]["citizens"] == 0
    assert result["loads"]["beside counters"]["citizens"] > 0
    assert len(result["ratios"]) == 1


def test_the_interval_of_a_median_is_that_of_the_tables() -> None:
    # Ranks 2 and 9 of 10, 6 and 16 of 21; of five there is none that is that certain.
    for count, low, high in ((10, 2, 9), (21, 6, 16), (5, 1, 5), (1, 1, 1)):
        ranks = np.arange(count, 0, -1).astype(np.float64)
        assert median_interval(ranks) == (low, high)
