"""Goal: whatever is asked in whatever order, the core answers and keeps what the
model does.

Method: a seeded generator drives both, more than a million requests in all; every
outcome and every row is compared, and regularly everything that can be read. In
between the ledger is closed and opened, with and without its index, and the index
is brought forward at random moments, in steps small enough for many levels of runs,
which are counted: a path that was not taken is no proof.
"""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from switch.codes import CaseType, Result, RowFlag
from tests.core.bank_cells import MATCHES, RECALLS, STATEMENTS, UTRS, WORDS
from tests.core.cells import ANSWERS, CASE_ROWS, DEEDS, THIRDS, Watched
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import SAMPLE, Pair
from tests.core.payout_cells import (
    CUT_OFFS,
    FIRST_WINDOW,
    LOWS,
    NEWS,
    OPENINGS,
    OWES,
    PAYOUTS,
    SIGNERS,
    TO_COME,
)
from tests.longer import SLOW_BUILD, quarter
from tests.model import Rows
from tests.office import Office

OPERATIONS = quarter(76_000)
"""Requests of one seed."""
RECALLS_ASKED = quarter(1_600)
"""Requests of one seed behind these, of what comes back from a bank."""
OPERATIONS_16 = 16_000
"""The same in steps of 16 rows: each is a sync, and each rebuilding takes them all."""
SEEN_LEAST = quarter(100)
"""How often each result must come up over all seeds."""
CELLS_LEAST = quarter(10)
"""And each cell of the table of biller's answers, each result of what people do."""
WITH_PEOPLE = frozenset((3, 5, 6, 9, 10, 12, 15, 16))
"""Seeds whose ledger is one with people."""
TELLING = frozenset((15, 16))
"""Of these such where banks have much to say, and payouts are told of too early."""
WITHOUT_BENEFICIARIES = frozenset((4, 5, 8, 10))
WITHOUT_SCHEDULE = frozenset((1, 5, 8, 11, 12, 14))
"""Of the ledgers with people as of the others some have neither, some one of both."""
UNSEEN = {
    Result.UNSPECIFIED: "nobody's result: a zeroed buffer",
    Result.DATA_DAMAGED: "needs a damaged file: tests/core/test_damaged_rows.py",
    Result.TOO_MANY_REFUSALS: "needs a bound: tests/core/test_refusals_bound.py",
    Result.TABLE_FULL: "needs 65,000 accounts or services: tests/core/test_bounds.py",
}
FUNDS = 100_000_000

# Random moments alone would leave steps so small ever further behind.
LAG_16: dict[str, Any] = {"index_step_rows": 16, "index_lag_max": 1_024}
STEPS_16: dict[str, Any] = {"threads": False, **LAG_16}
STEPS_64: dict[str, Any] = {"threads": False, "index_step_rows": 64}
STEPS_512: dict[str, Any] = {"threads": False, "index_step_rows": 512}
THREADS_256: dict[str, Any] = {"threads": True, "index_step_rows": 256}
DEFAULTS: dict[str, Any] = {"threads": True, "reserve_size": 64 << 20}
CASES = [
    (seed, options)
    for seed, options in enumerate(
        (STEPS_64, STEPS_512, THREADS_256, DEFAULTS) * 3
        + (STEPS_16, STEPS_512, STEPS_512, THREADS_256),
        1,
    )
]

# First in its turn, as the longest file; each seed has so many steps, and on a busy
# machine, with a core that is not optimized, they take as long as they take.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

MAPS = ("ids_runs", "claims_runs", "links_runs")
LEVELS_LEAST = {0, 1, 2} if SLOW_BUILD else {0, 1, 2, 3}
"""Levels of runs that each map must have had: a run of level 3 is of 512 steps, more
than a quarter has of steps with links."""
OPENED_LEAST = quarter(30)
"""How often a ledger was opened in the middle with its index, and as often without."""

seen: Counter[int] = Counter()
done: dict[int, int] = {}
levels: dict[str, set[int]] = {name: set() for name in MAPS}
opened: Counter[bool] = Counter()
answers: Counter[tuple[str, str, Result, str]] = Counter()
deeds: Counter[tuple[str, Result]] = Counter()
cases: Counter[tuple[CaseType, RowFlag]] = Counter()
thirds: Counter[str] = Counter()
matches: Counter[str] = Counter()
utrs: Counter[str] = Counter()
statements: Counter[tuple[str, str, Result]] = Counter()
recalls: Counter[tuple[str, Result]] = Counter()
words: Counter[str] = Counter()
payouts: Counter[tuple[str, Result]] = Counter()
lows: Counter[str] = Counter()
owes: Counter[str] = Counter()
openings: Counter[str] = Counter()
cut_offs: Counter[str] = Counter()
signers: Counter[tuple[str, str, Result]] = Counter()
news: Counter[str] = Counter()


def open_pair(
    path: Path, options: dict[str, Any], *, people: bool = False
) -> tuple[Pair, Generator]:
    """A pair with the small network and its funds, and who asks it."""
    network = make_network()
    pair = Pair(path, Watched(), **options)
    funds = [
        top_up(network, wallet, FUNDS, b"UTR-FIRST-%d" % wallet)
        for wallet in network.wallets
    ]
    if people:
        Office(pair.model, pair.commit, NOW).have_built([*network.rows, *funds])
    else:
        pair.commit([Rows([*network.rows, *funds])], NOW)
    return pair, Generator(0, network, pair.model)


def disturb(pair: Pair, rng: random.Random) -> None:
    """Between two groups: a step of the index, an opening, a comparison, or nothing."""
    draw = rng.randrange(400)
    if not pair.options["threads"]:
        while rng.randrange(3) == 0 and pair.ledger.index_step():
            pass
    info = pair.ledger.info()
    for name in MAPS:
        levels[name] |= {level for level, count in enumerate(info[name]) if count}
    if draw >= 380:
        for biller in tuple(pair.model.biller_most):
            pair.turn_away(biller, busy=False)
        pair.limit_holds(0)
    elif draw >= 370:
        service = rng.choice(pair.model.services)
        pair.limit_biller(service.biller, rng.choice((0, 0, 20)))
    elif draw >= 360:
        # A few more than a wallet has, or fewer.
        holds = max(one.holds_count - one.kept_count for one in pair.model.accounts)
        pair.limit_holds(max(rng.randrange(holds + 12), 1))
    if draw < 2:
        pair.reopen(without_index=draw == 1)
        opened[draw == 1] += 1
    if draw < 10:
        count = len(pair.model.rows)
        recent = rng.choices(range(max(1, count - 500), count + 1), k=SAMPLE // 2)
        pair.compare_all(rng.choices(range(1, count + 1), k=SAMPLE) + recent)


@pytest.mark.parametrize(("seed", "options"), CASES)
def test_core_does_what_the_model_does(
    tmp_path: Path, seed: int, options: dict[str, Any]
) -> None:
    people = seed in WITH_PEOPLE
    pair, generator = open_pair(tmp_path / "ledger", options, people=people)
    generator.rng.seed(seed)
    generator.with_beneficiaries = seed not in WITHOUT_BENEFICIARIES
    generator.with_schedule = seed not in WITHOUT_SCHEDULE
    generator.tells_much = seed in TELLING
    generator.weigh()
    rng = random.Random(-seed)
    operations = OPERATIONS_16 if options is STEPS_16 else OPERATIONS
    while pair.operations < operations:
        asks, now = generator.group()
        pair.commit(asks, now)
        disturb(pair, rng)
    generator.begin_recalls(1_000 + seed)
    while pair.operations < operations + RECALLS_ASKED:
        asks, now = generator.group_of_recalls()
        pair.commit(asks, now)
        disturb(pair, rng)
    pair.reopen()
    pair.compare_rows(1)
    pair.reopen(without_index=True)
    count = len(pair.model.rows)
    pair.compare_all(rng.choices(range(1, count + 1), k=10 * SAMPLE))
    pair.close()
    seen.update(pair.results)
    assert isinstance(pair.model, Watched)
    answers.update(pair.model.answers_met)
    deeds.update(pair.model.deeds_met)
    cases.update(pair.model.cases_met)
    thirds.update(pair.model.thirds_met)
    matches.update(pair.model.matches_met)
    utrs.update(pair.model.utrs_met)
    statements.update(pair.model.statements_met)
    words.update(pair.model.words_met)
    recalls.update(pair.model.recalls_met)
    payouts.update(pair.model.payouts_met)
    lows.update(pair.model.lows_met)
    owes.update(pair.model.owes_met)
    openings.update(pair.model.openings_met)
    cut_offs.update(pair.model.cut_offs_met)
    signers.update(pair.model.signers_met)
    news.update(pair.model.news_met)
    done[seed] = pair.operations


def test_every_result_was_seen() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    assert sum(done.values()) >= quarter(1_000_000)
    rare = {result.name: seen[result] for result in Result if seen[result] < SEEN_LEAST}
    assert set(rare) == {result.name for result in UNSEEN}
    assert not any(rare.values())


def test_every_answer_of_a_biller_was_heard() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    assert set(answers) == ANSWERS
    assert not [cell for cell in ANSWERS if answers[cell] < CELLS_LEAST]
    assert set(cases) == CASE_ROWS
    assert not [case for case in CASE_ROWS if cases[case] < CELLS_LEAST]


def test_everything_that_people_do_was_done() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    wanted = [(deed, result) for deed, results in DEEDS.items() for result in results]
    assert not [each for each in wanted if deeds[each] < CELLS_LEAST]
    assert not [reason for reason in THIRDS if thirds[reason] < CELLS_LEAST]


def test_everything_became_of_what_banks_said() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    assert set(matches) == MATCHES
    assert not [each for each in MATCHES if matches[each] < CELLS_LEAST]
    assert set(utrs) == UTRS
    assert not [each for each in UTRS if utrs[each] < CELLS_LEAST]


def test_what_was_released_came_back() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    assert set(recalls) == RECALLS
    assert not [each for each in RECALLS if recalls[each] < CELLS_LEAST]


def test_connections_and_people_said_all_that_they_may() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    assert set(statements) == STATEMENTS
    assert not [each for each in STATEMENTS if statements[each] < CELLS_LEAST]
    assert set(words) == WORDS
    assert not [each for each in WORDS if words[each] < CELLS_LEAST]


def test_everybody_was_paid_out_and_owed_and_was_told_to_wait() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    assert set(payouts) - {(TO_COME, Result.BENEFICIARY_WRONG)} == PAYOUTS
    assert not [each for each in PAYOUTS if payouts[each] < CELLS_LEAST]
    assert not [each for each in OWES if owes[each] < CELLS_LEAST]
    assert not [each for each in LOWS if lows[each] < CELLS_LEAST]
    assert set(openings) == OPENINGS
    assert not [each for each in OPENINGS if openings[each] < CELLS_LEAST]


def test_every_cut_off_came_and_everybody_signed() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    assert set(cut_offs) == CUT_OFFS | {FIRST_WINDOW}
    assert not [each for each in CUT_OFFS if cut_offs[each] < CELLS_LEAST]
    assert cut_offs[FIRST_WINDOW] >= len(CASES) // 4
    assert not [each for each in SIGNERS if signers[each] < CELLS_LEAST]
    assert not [each for each in NEWS if news[each] < CELLS_LEAST]


def test_every_path_of_the_index_was_taken() -> None:
    if len(done) < len(CASES):
        pytest.skip("only some seeds were run")
    for name in MAPS:
        assert levels[name] >= LEVELS_LEAST, name
    assert min(opened[False], opened[True]) >= OPENED_LEAST, opened
