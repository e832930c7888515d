"""What: sealing and opening quotations in the core. Not: the look-up of what they name.

The part is called from a loop in C, once for each of a group's tokens; the time is that
of the whole loop. Opening finds the older key of two.
"""

import random

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks._drive import open_tokens, seal_tokens
from benchmarks.conftest import Bench, time_rounds
from switch import _core as core
from switch.codes import AmountRule

ROUNDS = 40
NOW = 10**18


def tokens(
    bench: Bench, secret: bytes
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    rng = random.Random(9)
    bench.ledger.set_quotation_keys([(1, secret)])
    made = np.zeros((core.GROUP_MAX, core.QUOTATION.itemsize), np.uint8)
    quotation = np.zeros(1, core.QUOTATION)
    quotation["amount_rule"] = AmountRule.EXACT
    quotation["service"] = quotation["series"] = 1
    quotation["fetched"] = NOW
    for number in range(core.GROUP_MAX):
        quotation["centre"] = number + 1
        quotation["amount_due"] = rng.randrange(1, 10**9)
        quotation["reference"] = np.frombuffer(b"%032d" % number, np.uint8)
        sealed = bench.ledger.seal_quotation(quotation)
        made[number] = np.frombuffer(sealed, np.uint8)
    return made


def test_open_quotations(benchmark: BenchmarkFixture, bench: Bench) -> None:
    secret, instance = random.Random(8).randbytes(32), bench.ledger.instance
    made = tokens(bench, secret)
    right = time_rounds(
        benchmark, lambda: open_tokens(made, secret, instance, NOW + 1), ROUNDS
    )
    assert right == core.GROUP_MAX
    benchmark.extra_info["rows"] = core.GROUP_MAX


def test_seal_quotations(benchmark: BenchmarkFixture, bench: Bench) -> None:
    secret, instance = random.Random(8).randbytes(32), bench.ledger.instance
    made = tokens(bench, secret)
    before = made.copy()
    made[:, -16:] = 0
    sealed = time_rounds(benchmark, lambda: seal_tokens(made, secret, instance), ROUNDS)
    assert sealed == core.GROUP_MAX
    assert (made == before).all()
    benchmark.extra_info["rows"] = core.GROUP_MAX
