"""Goal: what quotations are said to take is what they take: each payment has its own.

Method: messages are read back with the generated classes, and each token is opened by
the ledger's own key, as documented, in Python; seals that were made ahead are those of
the payments that are sent, and when they are used up nothing more is. Ratios of made-up
runs are held against plain arithmetic. Each benchmark runs in small.
"""

import hashlib
import json
import os
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks._client import CheckError, check
from benchmarks.beside import COMPARED, in_turn
from benchmarks.commits import Stretch, check_accepted, commit
from benchmarks.load import DEFAULTS, QUOTED_PER_S, ahead
from benchmarks.load_network import Figures, LoadError
from benchmarks.messages import Shares, outcome_starts, places
from benchmarks.meters import process_ns
from benchmarks.network import CENTRES, FIRST_CENTRE, FIRST_SERVICE, make_network
from benchmarks.quoted import QuotedMaker, Sealer
from benchmarks.sources import KINDS, message_maker, open_network
from benchmarks.targets import TARGETS, Results
from switch import _core as core
from switch.codes import AmountRule, PriceRule, Result, RowFlag
from switch.ledger.payment_tails import payment_tail
from switch.ledger.quotation_keys import Key, write_keys
from tests.bench import (
    SMALL,
    answer,
    check_closed_loop,
    check_open_loop,
    read,
    run_json,
)

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
SECRET, INSTANCE = bytes(range(1, 33)), bytes(range(16))
HOURS_24 = 86_400 * 10**9


def quoted_maker(payload: int, *, ahead: int = 0, ids: str = "random") -> QuotedMaker:
    sealer = Sealer(SECRET, INSTANCE)
    return QuotedMaker(payload, ids, sealer=sealer, ahead=ahead)


def is_sealed(token: bytes) -> bool:
    """As data-model.md says."""
    person = b"bskquote" + bytes(8)
    seal = hashlib.blake2b(
        token[:128], digest_size=16, key=SECRET, salt=INSTANCE, person=person
    )
    return len(token) == 144 and token[0] == 1 and seal.digest() == token[128:]


@pytest.mark.parametrize("ids", ["ordered", "random"])
@pytest.mark.parametrize(("payload", "ahead"), [(1, 9000), (7, 0), (8190, 20_000)])
def test_every_payment_has_the_quotation_of_its_bill(
    payload: int, ahead: int, ids: str
) -> None:
    before_ns = time.time_ns()
    maker = quoted_maker(payload, ahead=ahead, ids=ids)
    seen: set[str] = set()
    while len(seen) < 9000:
        for payment in read(maker.take(1)):
            token = payment.quotation
            assert is_sealed(token)
            quotation = np.frombuffer(token, core.QUOTATION)[0]
            assert quotation["amount_rule"] == AmountRule.EXACT
            assert quotation["amount_due"] == payment.amount
            centre = FIRST_CENTRE + int(payment.centre.removeprefix("bsk-"))
            service = FIRST_SERVICE + int(payment.service.removeprefix("S"))
            assert quotation["centre"] == centre
            assert quotation["service"] == quotation["series"] == service
            for name in ("reference", "bill"):
                text = quotation[name].tobytes().rstrip(b"\0")
                assert text.decode() == payment.reference
            assert before_ns <= quotation["fetched"] <= time.time_ns()
            assert quotation["valid_until"] == quotation["fetched"] + HOURS_24
            seen.add(payment.reference)


def test_what_is_sealed_ahead_is_what_is_sent() -> None:
    made, sealed = quoted_maker(100), quoted_maker(100, ahead=8_000)
    # A whole block, of which 81 messages are made at a time.
    for _ in range(81):
        for now, later in zip(read(made.take(1)), read(sealed.take(1)), strict=True):
            assert now.id == later.id
            assert is_sealed(later.quotation)
    with pytest.raises(CheckError, match="sealed beforehand"):
        sealed.take(1)


@pytest.mark.parametrize("mode", QUOTED_PER_S)
def test_quotations_are_sealed_for_more_than_is_paid(mode: str) -> None:
    """For the whole run, at a rate that payments without quotations never had."""
    paid = [
        one["payments_per_s"]
        for file in RESULTS.glob("*.json")
        for one in json.loads(file.read_text())["results"]
        if one.get("mode") == mode and "sweep" not in one
    ]
    connections, outstanding, payload = DEFAULTS[mode]
    options = Namespace(
        mode=mode,
        connections=connections,
        outstanding=outstanding,
        payload=payload,
        warm_up=2.0,
        seconds=4.0,
    )
    under_way = connections * outstanding * payload
    assert ahead(options, 0.0) >= 1.25 * max(paid) * 6 + under_way
    # Of an open loop, what is due by chance.
    assert ahead(options, 1_000.0) >= 1.1 * 1_000 * 6 + under_way


def test_quotations_do_not_change_the_payments() -> None:
    shares = Shares(wallet=0.7, biller=0.58)
    sealer = Sealer(SECRET, INSTANCE)
    maker = QuotedMaker(500, "random", sealer=sealer, shares=shares)
    payments = read(maker.take(1))
    from_one = sum(one.centre == "bsk-00000" for one in payments)
    assert from_one / len(payments) == pytest.approx(0.7, abs=0.08)


def test_sealer_takes_a_fresh_ledgers_first_key_only(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="keys"):
        Sealer.of(tmp_path, INSTANCE)
    write_keys(tmp_path, (Key(1, SECRET),))
    maker = QuotedMaker(1, "random", sealer=Sealer.of(tmp_path, INSTANCE))
    assert is_sealed(read(maker.take(1))[0].quotation)
    write_keys(tmp_path, (Key(2, INSTANCE * 2), Key(1, SECRET)))
    with pytest.raises(CheckError, match="keys"):
        Sealer.of(tmp_path, INSTANCE)


def test_checker_reads_answers_to_quoted_payments() -> None:
    maker = quoted_maker(100)
    message = maker.take(1)
    payments = read(message)
    reply = answer(payments)
    accepted, amount, _ = check(message, reply, payload=100, **places(maker.layout))
    assert accepted == 100
    assert amount == sum(one.amount for one in payments)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_messages_are_paid_in_process(tmp_path: Path, kind: str) -> None:
    with core.Ledger(str(tmp_path / "ledger"), map_size=1 << 36) as ledger:
        open_network(ledger, kind, CENTRES)
        source = message_maker(ledger, kind, 100, "random")
        stretch, base = Stretch(), ledger.sequence
        paid = 0
        for count in (100, 100, 7):
            request, amounts = source.request(count)
            assert request.rows_count == len(amounts) == count
            commit(ledger, request, amounts, stretch)
            paid += int(amounts.sum())
        assert stretch.accepted == stretch.rows_count == 207
        assert stretch.paid == paid
        check_accepted(ledger, stretch, base)
        row = ledger.row(ledger.sequence)
        # The quotation was believed, not the harness.
        assert bool(row.flags & RowFlag.STATED) == (kind == "stated")
        rule = PriceRule.BILL if kind == "quoted" else PriceRule.STATED
        bill = payment_tail(ledger, row, rule).bill
        if kind == "quoted":
            assert bill is not None
            assert bill.amount_due == row.amount
        else:
            assert bill is None


def test_a_quotation_of_another_ledger_pays_nothing(tmp_path: Path) -> None:
    with core.Ledger(str(tmp_path / "ledger"), map_size=1 << 36) as ledger:
        harness, _ = make_network(ledger, CENTRES, PriceRule.BILL)
        ledger.set_quotation_keys([(1, SECRET)])
        body = bytes(quoted_maker(10).take(1)[5:])
        request = core.Request.payments(body, harness, 0)
        [reply] = ledger.commit([request], time.time_ns())
        assert isinstance(reply, bytes)
        starts = outcome_starts(reply)
        assert {reply[at + 21] for at in starts} == {Result.QUOTATION_WRONG}


def figures_of(rate: float, **more: float) -> Figures:
    return {**dict.fromkeys(COMPARED, 1.0), "payments_per_s": rate, **more}


def test_ratios_are_those_of_each_round() -> None:
    order: list[bool] = []
    stated = iter([100.0, 300.0, 200.0])
    quoted = iter([90.0, 150.0, 220.0])

    def measure(is_quoted: bool) -> Figures:
        order.append(is_quoted)
        rate = next(quoted if is_quoted else stated)
        return figures_of(rate, p99_ms=3.0 if is_quoted else 2.0)

    found = in_turn(measure, 3)
    # Neither is always the first of a round.
    assert order == [False, True, True, False, False, True]
    assert found["ratios"]["payments_per_s"] == [0.9, 0.5, 1.1]  # type: ignore[index]
    assert found["ratio"]["payments_per_s"] == 0.9  # type: ignore[index]
    assert found["ratio"]["p99_ms"] == 1.5  # type: ignore[index]
    assert found["payments_per_s"] == 150.0
    assert found["stated"]["payments_per_s"] == 200.0  # type: ignore[index]
    assert found["each_per_s"] == {
        "stated": [100.0, 300.0, 200.0],
        "quoted": [90.0, 150.0, 220.0],
    }


def test_what_was_not_measured_is_no_ratio() -> None:
    with pytest.raises(LoadError, match="p50_ms is 0: give it more --seconds"):
        in_turn(lambda _: figures_of(1.0, p99_ms=1.0) | {"p50_ms": 0.0}, 1)


def test_processor_time_is_no_matter_of_ticks() -> None:
    before = process_ns(os.getpid())
    sum(range(1_000))
    assert 0 < process_ns(os.getpid()) - before < 10**10


def test_targets_tell_loads_apart() -> None:
    load = {"benchmark": "load", "mode": "batch"}
    beside = {**load, "quoted": True, "payments_per_s": 8e5, "ratio": {"p99_ms": 1.2}}
    beside["ratio"] = {"payments_per_s": 0.8}
    ledger = {"benchmark": "ledger", "ids": "random", "batch": 8190, "burst": True}
    sizes = {"journal_bytes_per_row": 190.0, "index_bytes_per_row": 60.0}
    quoted = {**ledger, "payments": "quoted", "rows_per_s": 1e6, **sizes}
    plain = {**ledger, "payments": "rows", "rows_per_s": 3e6}
    micro = {"name": "test_open_quotations", "median_ns_per_row": 250}
    unary = {"benchmark": "load", "mode": "unary"}
    alone = {**unary, "connections": 1, "p50_over_bare_ms": 0.1, "p99_ms": 1.0}
    paced = {**unary, "connections": 4, "offered_per_s": 50_000, "p99_ms": 4.0}
    many = [
        {**unary, "connections": connections, "payments_per_s": rate, "p99_ms": 9.0}
        for connections, rate in ((500, 6e4), (4, 2e5))
    ]
    loads = [beside, {**load, "payments_per_s": 1e6}, alone, paced, *many]
    results = Results([*loads, quoted, plain], [micro])
    values = {(one.name, one.what): one.value(results) for one in TARGETS}
    assert values["R4", "gRPC, batches of 8,190"] == 1e6
    assert values["R4", "with quotations, to without"] == 0.8
    assert values["R6", "gRPC, unary, 4 × 100"] == 2e5
    assert values["R6", "p99"] == 9.0
    assert values["R6", "open loop of 50,000/s: p99"] == 4.0
    assert values["R6", "500 × 1"] == 6e4
    assert values["R6", "one caller alone: p50 beyond a bare LMDB commit"] == 0.1
    assert values["R4", "opening a quotation, in the core"] == 250
    assert values["R5", "with quotations, to without"] is None
    assert values["R1", "burst, random ids"] == 3e6
    assert values["R8", "the same, of messages with quotations"] == 250.0


def test_ledger_of_messages() -> None:
    sizes = {}
    for kind in KINDS[1:]:
        result = run_json(
            *("benchmarks.ledger", "--burst", "--rows", "140000"),
            *("--payments", kind, "--json"),
        )
        assert result["payments"] == kind
        assert result["accepted"] == result["rows"] == 140_000
        sizes[kind] = result["journal_bytes_per_row"]
    # A tail of 56 bytes and its head; the network's rows, one in twenty, have none.
    assert 56 < sizes["quoted"] - sizes["stated"] < 64


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["batch", "bills"])
def test_load_with_quotations(mode: str) -> None:
    result = run_json(
        *("benchmarks.load", "--mode", mode, "--quoted"),
        *("--seconds", "0.3", "--warm-up", "0.1", *SMALL),
    )
    assert result["quoted"]
    assert result["refused"] == {}
    size = quoted_maker(result["payload"]).size / result["payload"]
    assert result["request_bytes_per_payment"] == pytest.approx(size, abs=0.1)
    if mode == "batch":
        check_closed_loop(result)
        return
    assert result["payments"] > 0
    assert result["status_questions"] == 0
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
    # A post comes after the hold was answered, or the clocks are not to be trusted.
    assert result["p50_ms"] >= result["hold_p50_ms"]


@pytest.mark.slow
def test_load_with_quotations_beside_the_same_without() -> None:
    result = run_json(
        *("benchmarks.load", "--mode", "stream", "--quoted", "--beside", "1"),
        *("--seconds", "1", "--warm-up", "0.1", *SMALL),
    )
    assert result["quoted"]
    assert "quoted" not in result["stated"]
    for one in (result, result["stated"]):
        assert one["refused"] == {}
        check_closed_loop(one)
    more = result["request_bytes_per_payment"]
    # Token, its tag and size, and one byte more for the payment's own size.
    assert more - result["stated"]["request_bytes_per_payment"] == 144 + 3 + 1
    assert 0 < result["ratio"]["payments_per_s"] < 10


@pytest.mark.slow
def test_open_loop_with_quotations() -> None:
    result = run_json(
        *("benchmarks.load", "--mode", "stream", "--quoted", "--sweep", "100,200"),
        *("--seconds", "0.3", "--warm-up", "0.1", *SMALL),
    )
    check_open_loop(result, 100, 200)
    assert all(one["accepted"] == one["payments"] for one in result["sweep"])


def test_a_large_file_of_bills_is_paid_on(tmp_path: Path) -> None:
    place = ("--directory", str(tmp_path / "ledger"), "--payments", "quoted")
    built = run_json(
        "benchmarks.scale_work", "build", *place, "--rows", str(5 * core.GROUP_MAX)
    )
    assert built["accepted"] == 5 * core.GROUP_MAX
    # What is paid later is of the same services, and states what is due.
    later = run_json("benchmarks.scale_work", "commits", *place, "--seconds", "0.1")
    assert later["accepted"] == later["rows"] > 0
