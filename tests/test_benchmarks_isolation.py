"""Goal: the figures of isolation are those of the other billers, in real trouble;
windows are closed while others pay.

Method: posts and runs made by hand have known figures; the benchmark runs in small.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.bills import Posts, Run
from benchmarks.isolation import DEAD, SLOW, compare
from benchmarks.load_network import LoadError, first_bill
from benchmarks.network import FIRST_SERVICE

MS = 1_000_000
HEALTHY = 2
PHASES = {"calm": [0, 2], "troubled": [1]}


def run(number: int) -> Run:
    """Three bills, due when it begins; it lasts 100 ms of 1,000."""
    begin_ns = number * 1_000 * MS
    return Run(
        first=first_bill(number),
        due_ns=np.full(3, begin_ns, np.int64),
        begin_ns=begin_ns,
        end_ns=begin_ns + 100 * MS,
        posted_ns=begin_ns + 900 * MS,
        accepted=3,
        is_open=True,
    )


def posts(healthy_ms: list[int], dead_ms: list[int]) -> Posts:
    """Of each run one bill of each biller, posted so long after it was due."""
    numbers, services, durable_ns = [], [], []
    for number, (healthy, dead) in enumerate(zip(healthy_ms, dead_ms, strict=True)):
        for place, biller in enumerate((DEAD, SLOW, HEALTHY)):
            after_ms = healthy if biller == HEALTHY else dead
            numbers.append(first_bill(number) + place)
            services.append(FIRST_SERVICE + biller)
            durable_ns.append((number * 1_000 + after_ms) * MS)
    return Posts(
        np.array(numbers, np.uint64),
        np.array(services, np.uint16),
        np.array(durable_ns, np.int64),
        amount=9,
        holds=9,
    )


def test_only_the_others_are_compared() -> None:
    runs = [run(number) for number in range(3)]
    found = compare(PHASES, posts([10, 22, 30], [90, 800, 90]), runs)
    assert found["calm_p99_each_ms"] == [10.0, 30.0]
    assert (found["calm_p99_ms"], found["troubled_p99_ms"]) == (20.0, 22.0)
    assert found["p50_ratio"] == found["p99_ratio"] == 1.1


def test_a_dead_biller_that_answers_is_no_trouble() -> None:
    runs = [run(number) for number in range(3)]
    with pytest.raises(LoadError, match="dead"):
        compare(PHASES, posts([10, 22, 30], [90, 50, 90]), runs)


@pytest.mark.slow
def test_isolation() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.isolation", "--json"),
            *("--seconds", "0.5", "--phases", "1", "--rate", "500"),
            *("--warm-up", "0.2", "--backlog", "6000", "--centres", "100"),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    [waiting] = result["waiting"]
    assert waiting["dead"] > waiting["slow"] > 1_024
    assert result["refused"] == 0
    assert len(result["calm_p99_each_ms"]) == 2
    for kind in ("calm", "troubled"):
        assert 0 < result[f"{kind}_p50_ms"] <= result[f"{kind}_p99_ms"]
    assert result["p99_ratio"] > 0


@pytest.mark.slow
def test_windows_are_closed_beside_payments() -> None:
    """In small; whether the bound is kept is nothing that so short a run can say."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.closing", "--json", "--rounds", "2"),
            *("--windows", "20", "--seconds", "0.3", "--warm-up", "0.1"),
            *("--centres", "100"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["windows"]) == len(found["p99_ms_alone"]) == found["rounds"] == 2
    assert min(found["windows"]) > 0
    assert found["ratio"] > 0
