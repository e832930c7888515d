"""Goal: the benchmark of the ledger through a log measures what it says, in small.

What is held of the figures is what any machine keeps, however busy.
"""

from typing import Any

import pytest

from benchmarks.cluster import GOALS, NAMES, held
from benchmarks.cluster_servers import Seen, lags
from tests.bench import run_json
from tests.longer import TIMES
from tools.postgres import NoPostgresError, binaries, who

MS = 1_000_000
START: Seen = [(0, 10), (1 * MS, 20)]
"""The first look, and that after the first payments."""


@pytest.fixture
def postgres() -> None:
    """Skips the test where there is none."""
    pytest.importorskip("switch.cluster._pq", exc_type=ImportError)
    try:
        binaries()
        who()
    except NoPostgresError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("leader", "follower", "lag_ms"),
    [
        # All at once.
        ([(50, 120)], [(50, 120)], [0, 0]),
        # One portion for two of the leader's.
        ([(50, 120), (60, 220)], [(75, 220)], [15, 25]),
        # The follower was looked at behind the leader, and had more already.
        ([(50, 120)], [(49, 120)], [0, 0]),
        # Half of it in time: an entry counts with the last one of its look.
        ([(50, 120)], [(50, 70), (90, 120)], [40, 40]),
    ],
)
def test_lag_is_from_the_leader_s_entry_to_the_follower_s(
    leader: Seen, follower: Seen, lag_ms: list[int]
) -> None:
    found = lags(
        START + [(at * MS, last) for at, last in leader],
        START + [(at * MS, last) for at, last in follower],
        warm_up_s=0.02,
    )
    assert found["lag_entries"] == leader[-1][1] - 20
    assert [found["lag_p50_ms"], found["lag_max_ms"]] == lag_ms


def test_the_warm_up_is_left_out() -> None:
    late = [(500 * MS, 30), (510 * MS, 40)]
    found = lags([*START, (2 * MS, 30), (505 * MS, 40)], [*START, *late], 0.02)
    assert found["lag_entries"] == 10
    assert found["lag_max_ms"] == 5


def test_goals_are_held_against_what_has_a_log() -> None:
    one: dict[str, object] = {"p50_ms": 1.0, "p99_ms": 2.0}
    figures = held("one", {"alone": {"p50_ms": 0.1, "p99_ms": 0.2}, "log": one})
    goals: Any = figures["goals"]
    assert goals["p50_ms"] == {"goal": "<= 1", "is": 1.0, "kept": True}
    assert goals["p99_ms"] == {"goal": "< 2", "is": 2.0, "kept": False}
    assert "goals" not in held("callers", {"log": one})
    assert set(GOALS) < set(NAMES)


def run(*cases: str) -> dict[str, Any]:
    """These, in small; not in pytest's folders: PostgreSQL's user may not go there."""
    return run_json(
        "benchmarks.cluster",
        *(word for case in cases for word in ("--case", case)),
        *("--seconds", "0.3", "--rounds", "1", "--json"),
    )


@pytest.mark.usefixtures("postgres")
def test_in_process() -> None:
    result = run("callers", "small", "catch-up")
    assert result["disk"]
    assert result["callers"]["bare_p50_ms"] > 0
    for name in ("callers", "small"):
        log = result[name]["log"]
        assert 0 < log["p50_ms"] <= log["p99_ms"]
        # A row's id at least, which packing makes no smaller.
        assert log["wal_bytes_per_payment"] > 16
        assert log["postgres_cpu_us_per_payment"] >= 0
        assert "wal_bytes_per_payment" not in result[name]["alone"]
    for name in ("alone", "log"):
        small = result["small"][name]
        rates = ("wall_rows_per_s", "rows_per_s", "commits_rows_per_s")
        assert 0 < small[rates[0]] <= small[rates[1]] <= small[rates[2]]
    assert result["small"]["goals"]["commits_rows_per_s"]["goal"] == ">= 80,000"
    assert result["catch-up"]["of_100"]["rows"] > 0
    assert result["catch-up"]["of_8190"]["rows_per_s"] > 0


@pytest.mark.slow
@pytest.mark.skipif(TIMES == 1, reason="five servers with networks: make torture")
@pytest.mark.usefixtures("postgres")
def test_servers() -> None:
    result = run("unary", "lag")
    unary, lag = result["unary"], result["lag"]
    for name in ("alone", "log"):
        assert unary[name]["payments_per_s"] > 0
        assert 0 < unary[name]["p50_ms"] <= unary[name]["p99_ms"]
    assert unary["log"]["follower_cpu_us_per_payment"] >= 0
    assert lag["offered_per_s"] == 20_000
    assert lag["lag_entries"] > 0
    assert 0 <= lag["lag_p50_ms"] <= lag["lag_p99_ms"] <= lag["lag_max_ms"]
