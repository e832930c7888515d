"""Goal: a benchmark's figure can be trusted: the work is real and is looked at.

Method: the messages are read back with the generated classes; answers that are wrong in
each way must be noticed; what measures is held against plain arithmetic; each benchmark
runs end to end in small.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ledger, load_network, peer_postgres, plots
from benchmarks._client import CheckError, Payments, check
from benchmarks.arrivals import BLOCK, Arrivals
from benchmarks.commits import Stretch, WorkError, check_accepted, commit, curve
from benchmarks.histogram import (
    BUCKETS,
    Histogram,
    bucket_of,
    bucket_top,
    buckets_of,
)
from benchmarks.messages import PAYMENT, Maker, outcome_starts, places
from benchmarks.network import CENTRES, make_network
from benchmarks.payments import Maker as RowMaker
from benchmarks.payments import next_round
from benchmarks.run import FULL, QUICK, median
from benchmarks.tables import markdown
from benchmarks.targets import TARGETS, Results
from switch import _core as core
from switch.client.messages import form_of
from switch.codes import Result
from switch.references import canonical
from switch.v1 import network_pb2, results_pb2
from switch.v1 import payments_pb2 as pb
from tests.bench import (
    SMALL,
    answer,
    check_closed_loop,
    check_open_loop,
    read,
    run_json,
)

AT = places(PAYMENT)


def test_quantiles_are_close() -> None:
    rng = random.Random(1)
    values = sorted(int(rng.lognormvariate(14, 2)) for _ in range(10_000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for share in (0.5, 0.99, 1.0):
        exact = values[max(int(share * len(values)) - 1, 0)] / 1e6
        assert histogram.quantile_ms(share) == pytest.approx(exact, rel=0.01, abs=0.001)
    assert histogram.largest == values[-1]


def test_many_latencies_count_as_one_by_one() -> None:
    rng = random.Random(2)
    values = [
        *range(600),
        *(rng.getrandbits(rng.randrange(1, 53)) for _ in range(5000)),
    ]
    values += [1 << bit for bit in range(53)] + [(1 << bit) - 1 for bit in range(1, 54)]
    assert buckets_of(np.array(values)).tolist() == [bucket_of(one) for one in values]
    one_by_one, at_once = Histogram(), Histogram()
    for value in values:
        one_by_one.add(value)
    at_once.add_many(np.array(values))
    assert at_once.quantiles_ms() == one_by_one.quantiles_ms()
    assert at_once.total == len(values)
    with pytest.raises(ValueError, match="negative"):
        at_once.add_many(np.array([-1]))


def test_buckets_cover_all_values() -> None:
    for value in [*range(1000), *(1 << bit for bit in range(63)), (1 << 63) - 1]:
        bucket = bucket_of(value)
        assert 0 <= bucket < BUCKETS
        assert bucket_top(bucket) >= value
        assert bucket == 0 or bucket_top(bucket - 1) < value


@pytest.mark.parametrize("ids", ["ordered", "random"])
@pytest.mark.parametrize("payload", [1, 7, 8190])
def test_every_payment_is_another(payload: int, ids: str) -> None:
    maker = Maker(payload, ids)
    payments: list[pb.Payment] = []
    while len(payments) < 20_000:
        taken = maker.take(1)
        assert len(taken) == maker.size
        payments += read(taken)
    assert len({one.id for one in payments}) == len(payments)
    assert len({one.reference for one in payments}) == len(payments)
    assert len({one.service for one in payments}) == 97
    assert len({one.centre for one in payments}) > 3500
    assert all(len(one.id) == 16 and len(one.reference) == 15 for one in payments)
    assert all(1 <= one.operator <= 2 and one.amount >= 100 for one in payments)
    if ids == "ordered":
        assert [one.id for one in payments] == sorted(one.id for one in payments)


def test_references_are_those_of_their_services() -> None:
    forms = {
        one.code: form_of(one)
        for one in load_network.services(network_pb2.SERVICE_MODE_DIRECT)
    }
    for one in read(Maker(100, "random").take(1)):
        assert canonical(forms[one.service], one.reference) == one.reference


def test_checker_counts_what_was_paid() -> None:
    message = Maker(100, "random").take(1)
    payments = read(message)

    def refuse(outcome: pb.PaymentOutcome) -> None:
        outcome.result = results_pb2.RESULT_INSUFFICIENT_FUNDS
        outcome.receipt = 0

    reply = answer(payments, refuse)
    accepted, amount, refused = check(message, reply, payload=100, **AT)

    assert accepted == 99
    assert amount == sum(one.amount for one in payments[:-1])
    assert refused == {Result.INSUFFICIENT_FUNDS: 1}


def _other_id(outcome: pb.PaymentOutcome) -> None:
    outcome.id = bytes(16)


def _short_id(outcome: pb.PaymentOutcome) -> None:
    outcome.id = outcome.id[:15]


def _no_receipt(outcome: pb.PaymentOutcome) -> None:
    outcome.receipt = 0


def _not_durable(outcome: pb.PaymentOutcome) -> None:
    outcome.sequence = 0


@pytest.mark.parametrize("change", [_other_id, _short_id, _no_receipt, _not_durable])
def test_checker_notices(change: Callable[[pb.PaymentOutcome], None]) -> None:
    message = Maker(10, "random").take(1)
    reply = answer(read(message), change)
    with pytest.raises(CheckError):
        check(message, reply, payload=10, **AT)


def test_checker_notices_what_is_missing_or_out_of_order() -> None:
    message = Maker(10, "random").take(1)
    payments = read(message)
    for wrong in (payments[:-1], payments[::-1]):
        with pytest.raises(CheckError):
            check(message, answer(wrong), payload=10, **AT)
    whole = answer(payments)
    for cut in (whole[:-1], whole[:1], b"", whole + b"\x0a", whole + b"\x12\x00"):
        with pytest.raises(CheckError):
            check(message, cut, payload=10, **AT)
    with pytest.raises(CheckError):
        outcome_starts(whole[:-1])


@pytest.mark.parametrize("seed", range(5))
def test_no_reply_breaks_the_checker(seed: int) -> None:
    # It reads in C what a server says: whatever that is, it is noticed or is harmless.
    rng = random.Random(seed)
    message = Maker(3, "random").take(1)
    right = answer(read(message))
    noticed = 0
    for _ in range(2_000):
        reply = bytearray(right)
        for _ in range(rng.randint(1, 3)):
            reply[rng.randrange(len(reply))] = rng.randrange(256)
        try:
            check(message, bytes(reply), payload=3, **AT)
        except CheckError:
            noticed += 1
    assert noticed > 500


def test_arrivals_keep_their_rate_and_lose_nothing() -> None:
    arrivals = Arrivals(1000.0, 0, 7)
    taken: list[int] = []
    rng = random.Random(3)
    now_ns = 0
    while now_ns < 30e9:
        now_ns += rng.randrange(1, 10_000_000)
        due = arrivals.due(now_ns)
        times = arrivals.take(rng.randint(0, due)).tolist()
        assert not times or times[-1] < now_ns
        taken += times
    assert taken == sorted(taken)
    gaps = np.diff(np.array(taken, np.int64))
    assert gaps.mean() == pytest.approx(1e6, rel=0.05)
    # By chance, not by the clock: the spread of a Poisson process is its mean.
    assert gaps.std() == pytest.approx(1e6, rel=0.1)
    again = Arrivals(1000.0, 0, 7)
    assert again.take(2 * BLOCK + 1).tolist()[:BLOCK] == taken[:BLOCK]


@pytest.mark.parametrize("ids", ["ordered", "random"])
def test_rows_are_new_each_time_round(tmp_path: Path, ids: str) -> None:
    path = str(tmp_path / "ledger")
    with core.Ledger(path, map_size=1 << 36) as ledger:
        harness, first = make_network(ledger, 50)
        wallets = first + np.arange(50, dtype=np.uint32)
        pool_rows = 2 * core.GROUP_MAX
        maker = RowMaker(ids, harness, wallets, pool_rows=pool_rows)
        stretch, base = Stretch(), ledger.sequence
        seen: list[bytes] = []
        debits: set[int] = set()
        for _ in range(5):
            rows = maker.take(core.GROUP_MAX)
            seen += [row.tobytes() for row in rows["id"]]
            debits |= set(rows["debit"].tolist())
            commit(ledger, core.Request.rows(rows), rows["amount"], stretch)
        # Repeated ids or bills would have been answered, or refused, by the ledger.
        assert stretch.accepted == stretch.rows_count == 5 * core.GROUP_MAX
        check_accepted(ledger, stretch, base)
        assert len(set(seen)) == len(seen)
        assert ids == "random" or seen == sorted(seen)
        assert debits == set(wallets.tolist())
        later = RowMaker(
            ids,
            harness,
            wallets,
            pool_rows=core.GROUP_MAX,
            first_round=next_round(ledger, core.GROUP_MAX),
        )
        rows = later.take(core.GROUP_MAX)
        assert ids == "random" or rows["id"][0].tobytes() > seen[-1]
        commit(ledger, core.Request.rows(rows), rows["amount"], stretch)
        assert stretch.accepted == 6 * core.GROUP_MAX

        # The same again makes no rows, and must not count as work.
        commit(ledger, core.Request.rows(rows), rows["amount"], stretch)
        with pytest.raises(WorkError):
            check_accepted(ledger, stretch, base)


def test_curve_holds_every_row() -> None:
    stretch = Stretch()
    for number in range(400):
        stretch.add(8190, 0.001 * (1 + number))
    points = curve(stretch)
    assert points[-1]["rows"] == stretch.rows_count
    assert points[-1]["max_ms"] == pytest.approx(400)
    time_s = 0.0
    before = 0.0
    for point in points:
        assert (
            point["p50_ms"] <= point["p99_ms"] <= point["p99_9_ms"] <= point["max_ms"]
        )
        time_s += (point["rows"] - before) / point["rows_per_s"]
        before = point["rows"]
    assert time_s == pytest.approx(sum(stretch.took_s), rel=0.01)
    assert [point["rows"] // 1_000_000 for point in points[:-1]] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["get", "empty"])
def test_load(mode: str) -> None:
    """Batches, streams and bills: tests/test_benchmarks_quoted.py."""
    result = run_json(
        *("benchmarks.load", "--mode", mode),
        *("--seconds", "0.3", "--warm-up", "0.1", *SMALL),
    )
    assert result["mode"] == mode
    check_closed_loop(result)


@pytest.mark.slow
def test_one_caller_has_bare_commits_beside() -> None:
    result = run_json(
        *("benchmarks.load", "--mode", "unary", "--connections", "1", "--calls", "1"),
        *("--seconds", "0.3", "--warm-up", "0.1", *SMALL),
    )
    check_closed_loop(result)
    over = result["p50_ms"] - result["bare_p50_ms"]
    assert result["p50_over_bare_ms"] == pytest.approx(over, abs=0.001)


@pytest.mark.slow
def test_open_loop() -> None:
    """Streams: tests/test_benchmarks_quoted.py."""
    result = run_json(
        *("benchmarks.load", "--mode", "unary", "--sweep", "100,200"),
        *("--seconds", "0.3", "--warm-up", "0.1", *SMALL),
    )
    check_open_loop(result, 100, 200)
    assert all(one["accepted"] == one["payments"] for one in result["sweep"])


def test_ledger_sustained_and_burst() -> None:
    result = run_json(
        *("benchmarks.ledger", "--seconds", "0.2", "--disk", "0.2"),
        *("--ids", "random", "--json"),
    )
    assert result["accepted"] == result["rows"] > 0
    assert result["seconds"] >= 0.2
    assert result["written_bytes_per_row"] > 128
    assert result["share_of_disk"] > 0
    assert set(result["cpu_ns_per_row"]) == {"committer", "index", "reserve", "watch"}
    assert result["wall_rows_per_s"] < result["rows_per_s"]

    result = run_json("benchmarks.ledger", "--burst", "--rows", "40000", "--json")
    assert result["accepted"] == result["rows"] == 40_000
    assert result["reserve_s"] > 0

    result = run_json("benchmarks.ledger", "--ahead", "--rows", "40000", "--json")
    assert result["accepted"] == result["rows"] == 40_000
    assert result["making_share"] > 0
    assert result["reserve_bytes"] == 2 * ledger.RESERVE


def test_peers() -> None:
    result = run_json(
        *("benchmarks.peers", "--only", "disk,sqlite", "--seconds", "0.1", "--json")
    )
    disk, *sqlite = result["peers"]
    assert disk["append_mb_per_s"] > 0
    assert disk["overwrite_mb_per_s"] > 0
    kinds = [(one["mode"], one["ids"]) for one in sqlite]
    assert kinds == [("batch", "ordered"), ("batch", "random"), ("single", "random")]
    assert all(one["rows_per_s"] > 0 for one in sqlite)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("PostgreSQL", peer_postgres.binaries() is not None),
        ("Redis", shutil.which("redis-server") is not None),
    ],
)
def test_peers_that_may_be_missing(name: str, is_there: bool) -> None:
    result = run_json(
        *("benchmarks.peers", "--only", name.lower(), "--seconds", "0.2", "--json")
    )
    peers = result["peers"]
    if not is_there:
        [peer] = peers
        assert peer["skipped"]
        return
    assert {one["mode"] for one in peers} == {"single", "batch"}
    assert all(str(one["system"]).startswith(name) for one in peers)
    assert all(one["rows_per_s"] > 0 for one in peers)


@pytest.mark.slow
def test_scale() -> None:
    result = run_json(
        *("benchmarks.scale", "--rows", "60000", "--rounds", "1"),
        *("--seconds", "0.3", "--json"),
    )
    assert result["build"]["accepted"] == 60_000
    assert result["build"]["bytes_per_row"] > 128
    opening = result["opening"]
    assert set(opening) == {"clean_warm", "clean_cold", "killed_warm", "killed_cold"}
    sequences = [one["sequence"] for one in opening.values()]
    assert sequences == sorted(sequences)
    assert sequences[-1] > sequences[0] > 60_000
    assert result["commits"]["accepted"] == result["commits"]["rows"] > 0
    followers = result["followers"]
    assert all(rate > 0 for rate in followers["rows_per_s"].values())
    assert all(reader["rows"] > 0 for reader in followers["readers"])


VALGRIND = """\
#!/bin/sh
for word; do case $word in --callgrind-out-file=*) echo "$*" >"${word#*=}" ;; esac; done
while case $1 in --*) true ;; *) false ;; esac; do shift; done
exec "$@"
"""
"""Does the work, counting nothing, and says what it was: the real one takes a minute
of two processors, and `make bench` has it."""
ANNOTATE = """\
#!/bin/sh
for file; do :; done
if grep -q -e "--work pay" "$file"; then count=3,072; else count=1,024; fi
printf '%s,000 (50.1%%)  core.c:%s [core.so]\\n' $count {} $count {}
"""


def test_instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nm = ["nm", core.__file__]
    symbols = subprocess.run(nm, capture_output=True, text=True, check=True).stdout
    counted = [
        re.findall(rf"\b__pyx_pw_\w*{part}$", symbols, re.MULTILINE)
        for part in (r"Ledger_\d+commit", r"_\d+index_step")
    ]
    assert [len(names) for names in counted] == [1, 1]
    annotate = ANNOTATE.format(*(name for [name] in counted))
    for name, script in (("valgrind", VALGRIND), ("callgrind_annotate", annotate)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    result = run_json("benchmarks.instructions", "--rows", "1024", "--json")
    assert result["counter"] == "callgrind"
    assert result["instructions_per_row"] == {"commit": 2_000, "index": 2_000}


def test_sets_name_what_there_is() -> None:
    # Others may be added beside; a slip of the pen must not leave a target out.
    known = {"peers", "ledger", "load", "isolation", "singles", "instructions", "scale"}
    known |= {"abuse"}
    for command in (*QUICK, *FULL):
        assert command.split()[0] in known
    for name in ("ledger", "load"):
        help_ = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in {one for one in (*QUICK, *FULL) if one.startswith(name)}:
            asked = [word for word in command.split() if word.startswith("--")]
            assert all(word in help_ for word in asked)


def ledger_result(ids: str, rate: float, **more: object) -> dict[str, object]:
    return {
        "benchmark": "ledger",
        "command": f"ledger {ids}",
        "ids": ids,
        "batch": 8190,
        "burst": False,
        "accounts": CENTRES,
        "rows_per_s": rate,
        **more,
    }


def test_table_holds_figures_against_targets() -> None:
    sqlite = {"system": "SQLite 3", "mode": "batch", "ids": "ordered"}
    results: list[dict[str, object]] = [
        ledger_result("ordered", 1_600_000.0, rates=[1_500_000, 1_600_000, 1_700_000]),
        ledger_result("random", 1_000_000.0),
        {
            "benchmark": "peers",
            "command": "peers",
            "peers": [{**sqlite, "rows_per_s": 400_000}],
        },
    ]
    values = {
        (one.name, one.what): one.value(Results(list(results))) for one in TARGETS
    }
    assert values["R1", "sustained, ordered ids"] == 1_600_000
    assert values["R1", "against SQLite in batches, ordered ids"] == 4.0
    assert values["R1", "against SQLite in batches, random ids"] is None
    machine = {
        "cores": 2,
        "processor": "x",
        "memory_gib": 1,
        "system": "x",
        "python": "3",
    }
    text = markdown({"taken": "now", "machine": machine, "results": results})
    assert (
        "| sustained, ordered ids | ≥ 1,500,000 rows/s | 1,600,000 rows/s | yes" in text
    )
    assert (
        "| sustained, random ids | ≥ 1,200,000 rows/s | 1,000,000 rows/s | **no**"
        in text
    )
    assert "1,500,000 to 1,700,000" in text
    assert "not in this run" in text


def test_median_is_the_middle_run() -> None:
    runs: list[dict[str, object]] = [
        {"rows_per_s": rate, "p50_ms": rate / 10} for rate in (30, 10, 20)
    ]
    assert median(runs) == {"rows_per_s": 20, "p50_ms": 2.0, "rates": [30, 10, 20]}


def test_plots_are_drawings() -> None:
    points = [
        {"rows": 1e6 * n, "rows_per_s": 1e6 - n, "p50_ms": 4.0, "p99_ms": 9.0}
        | {"p99_9_ms": 20.0 + n, "max_ms": 90.0}
        for n in range(1, 20)
    ]
    sweep = [{**point, "offered_per_s": point["rows"]} for point in points]
    result = ledger_result("random", 1.0, curve=points)
    load = {"benchmark": "load", "mode": "stream", "sweep": sweep}
    drawn = plots.plots({"results": [result, load]})
    assert sorted(drawn) == [
        "growth-ledger-random-latency.svg",
        "growth-ledger-random.svg",
        "latency-stream.svg",
    ]
    for drawing in drawn.values():
        lines = ET.fromstring(drawing).findall(
            ".//{http://www.w3.org/2000/svg}polyline"
        )
        assert lines
        for one in lines:
            places = [point.split(",") for point in one.attrib["points"].split()]
            assert len(places) == len(points)
            assert all(0 <= float(x) <= plots.WIDTH for x, _ in places)
            assert all(0 <= float(y) <= plots.HEIGHT for _, y in places)


@pytest.mark.slow
def test_reads() -> None:
    result = run_json(
        *("benchmarks.reads", "--rows", "3000", "--step-rows", "64", "--json")
    )
    assert result["rows"] - result["indexed"] < 64
    for name in ("busy", "median", "rare", "quiet", "still", "biller"):
        assert len(result[name]) == 3
        for figures in result[name].values():
            assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]
    assert result["find"]["p50_us"] > 0
    assert result["totals"]["rows_per_s"] > 0


def test_files(tmp_path: Path) -> None:
    result = run_json(
        *("benchmarks.files", "--rows", "3000", "--json"),
        *("--directory", str(tmp_path)),
    )
    for name in ("scroll", "camt"):
        figures = result[name]
        assert figures["bytes"] > 3_000 * 100
        assert figures["lines_per_s"] > 0
        assert figures["memory_bytes"] >= 0


@pytest.mark.parametrize("mode", ["closed", "open"])
def test_singles(mode: str, tmp_path: Path) -> None:
    result = run_json(
        *("benchmarks.singles", "--mode", mode, "--json"),
        *("--seconds", "0.3", "--rate", "2000", "--directory", str(tmp_path)),
    )
    assert result["mode"] == mode
    assert result["payments"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert result["bare_p50_ms"] > 0
    if mode == "open":
        assert 0 < result["bare_open_p50_ms"] <= result["bare_open_p99_ms"]
        assert result["bare_open_rows_a_commit"] >= 1


PLACES = {"id": 1, "service": 20, "amount": 30, "reference": 40, "operator": 60}


def test_payments_are_made_as_they_are_described() -> None:
    template = bytes(range(64))
    described: dict[str, object] = {
        "payment": template,
        "places": PLACES,
        "chosen": np.zeros(1 << 16, np.uint16),
        "services": np.array([b"S0000"]),
        "centres": np.array([b"bsk-00000"]),
        "first_share": 0.0,
        "operators": 2,
        "amounts": (1 << 14, (1 << 21) - 1),
        "seed": 7,
        "is_ordered": False,
    }

    def made(first: int, **other: object) -> bytes:
        rows = np.empty((3, len(template)), np.uint8)
        Payments(**(described | other)).make(first, rows)  # type: ignore[arg-type]
        return rows.tobytes()

    # The same once more, and none that another seed or number has.
    assert made(5) == made(5)
    assert made(5)[64:] == made(6)[:-64]
    assert made(5)[1:17] not in made(5, seed=8) + made(8)
    # What is not drawn stays as it was.
    assert made(5)[17:20] == template[17:20]
    assert made(999)[40:55] == b"000000000000999"
    assert made(999)[104:119] == b"000000000001000"
    for other in (
        {"places": PLACES | {"operator": 64}},
        {"places": PLACES | {"id": 0}},
        {"chosen": np.ones(1 << 16, np.uint16)},
        {"services": np.array([b"S00000"])},
        {"centres": np.array([], "S9")},
        {"operators": 0},
        {"amounts": (1, 1 << 20)},
    ):
        with pytest.raises(ValueError, match=r"place|choice|codes|bounds|bytes"):
            made(1, **other)
