"""Goal: a page that the disk has put back to what it was before is never believed.

Method: each 4 KiB place of a ledger's two files gets the content that it had before,
which is whole and whose checks are right, one place at a time. A copy with it is
opened, asked everything again (ids, bills, UTRs, ends of holds, refunds, statements),
worked on for ten more steps and opened again. It refuses, or is made anew, or is right;
never wrong. Once something was refused, what a biller is told is judged by the rows of
the copy, which are not those of the plan. This is the short form, of every place of
the journal and every third one of the index with the content before the last only;
`python -m tests.torture.old_pages` is the long one. What stood in a place of the index
before is seldom a whole page of another run, as pages are packed: so each place gets
what another ledger of the same story has there, too.
"""

import contextlib
import mmap
import os
import signal
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from switch.codes import Kind, Result
from switch.ledger.pages import _Walker
from tests import memory
from tests.core.aged import OLDER_MAX, PAGE, Pages, Plan, Story, make_plan, tell
from tests.core.market import BILL, CONFIRMED, DUE, ONCE, Market
from tests.core.trial import BAD, GOOD, Case, Trial, all_cases, rows_before, try_all
from tests.core.witness import Witness
from tests.longer import SLOW_BUILD, quarter
from tests.records import Said

SEED = 7
ROWS = 1_200
STEP_ROWS = 16
JOBS = 2
HANG_S = 40.0 if SLOW_BUILD else 10.0
"""A copy takes a tenth of a second; LMDB may loop over a page that is another one, and
then the next start has to look through the file."""
LEAST = {"index": quarter(50), "journal": quarter(30)}
"""Cases of each file that must have been tried, or nothing was proved."""
BACK_MAX = {"index": 1, "journal": OLDER_MAX}
"""A chunk's pages are written once: what the journal has of older pages are those of
its tree and LMDB's lists, a score of places in so small a story, each with several
older contents."""

BRANCH, LEAF, FIXED, HEADER = 0x01, 0x02, 0x20, 16
"""Flags of LMDB's pages, and the bytes of what says them."""
CASES_MOST = 20

pytestmark = [pytest.mark.slow, pytest.mark.forks]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with memory.folder() as path:
        yield path


@pytest.fixture(scope="module")
def story(folder: Path) -> Story:
    return tell(folder / "story", SEED, ROWS, STEP_ROWS)


@pytest.fixture(scope="module")
def plan(folder: Path, story: Story) -> Plan:
    return make_plan(story, folder / "plan")


def test_pages_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "file"
    pages = Pages(file)
    for written in (b"a" * 4096, b"b" * 4096, b"b" * 4096 + b"c", b"a" * 4096 + b"d"):
        file.write_bytes(written)
        pages.look()
    first, second = pages.places("index")
    assert [content[:1] for content in first.older] == [b"b", b"\0"]
    assert [content[:1] for content in second.older] == [b"c", b"\0"]


def test_an_undamaged_copy_is_right(story: Story, plan: Plan, folder: Path) -> None:
    """What is put back is what is there: nothing may be noticed."""
    body = (story.path / "index" / "data.mdb").read_bytes()
    case = Case("index", 5, 0, body[5 * 4096 : 6 * 4096])
    assert [one[1:] for one in try_all(story, plan, [case], folder)] == [("right", "")]


def test_a_plan_that_is_asked_twice_is_judged_by_the_rows(
    story: Story, plan: Plan, folder: Path
) -> None:
    """As a copy is that has refused something behind its first groups."""
    trial = Trial(story, plan, Case("index", 5, 0, b""), folder / "twice", HANG_S)
    trial.write(story.files())
    again = [at for at, turn in enumerate(plan.turns) if turn.again]
    with contextlib.closing(trial.open()) as ledger:
        for at in again:
            trial.take_turn(ledger, at)
        trial.weak = True
        for at in again:
            trial.take_turn(ledger, at)
        trial.check_rows(ledger)
    assert not trial.refusals


def test_what_a_biller_says_again_is_judged_by_the_rows(tmp_path: Path) -> None:
    """A case that was closed is raised once more; one that is open is named again."""
    market = Market(tmp_path)
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = market.pay(market.fetch(service, b"K", b"B"))
    posted = market.answer(held)
    witness = Witness(market.model)
    hold = market.row(held)
    biller = market.model.services[service - 1].biller
    said = Said(hold.sequence, hold.id, confirmed=False, text=b"word")

    def told() -> tuple[int, ...]:
        right = witness.hear(said, biller)
        return right.result, right.sequence, right.repeat, right.other

    for _ in range(2):
        case = market.answer(held, confirmed=False)
        new = Result.ALREADY_POSTED, case.sequence, 0, posted.sequence
        named = Result.ALREADY_POSTED, case.sequence, 1, posted.sequence
        witness.follow(market.pair.ledger, case.sequence - 1)
        assert told() == new
        witness.follow(market.pair.ledger, case.sequence)
        assert told() == named
        market.both(Kind.CASE_CLOSE, case.sequence, 1)
        assert told() == named
    market.refund(posted, DUE)
    witness.follow(market.pair.ledger, market.pair.ledger.sequence)
    assert told() == (Result.ALREADY_POSTED, 0, 0, posted.sequence)
    assert market.answer(held, confirmed=False).sequence == 0
    market.pair.close()


def test_what_was_corrected_is_judged_as_such(tmp_path: Path) -> None:
    """Rejected then, it is a case; before, its biller would only repeat itself."""
    market = Market(tmp_path)
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = market.pay(market.fetch(service, b"K", b"B"))
    market.void(held)
    witness = Witness(market.model)
    assert market.answer(held).result == Result.ALREADY_VOIDED
    hold = market.row(held)
    accounts = {"debit": hold.debit, "credit": hold.credit}
    done = market.both(Kind.TRANSFER, held.sequence, DUE, **accounts)
    assert done.result == Result.OK
    case = market.answer(held, confirmed=False)
    biller = market.model.services[service - 1].biller
    witness.follow(market.pair.ledger, case.sequence - 1)
    said = Said(hold.sequence, hold.id, confirmed=False, text=b"word")
    right = witness.hear(said, biller)
    assert (right.result, right.sequence) == (case.result, case.sequence)
    assert (right.repeat, right.other) == (0, case.other)
    market.pair.close()


def test_counts_of_a_group_are_those_before_each_row() -> None:
    """Result, sequence, receipt, repeat, other: 2 rows were due, 2 were asked for."""
    told: list[list[tuple[int, ...]]] = [
        [(1, 3, 0, 1, 0), (1, 13, 0, 0, 0)],
        [(1, 13, 0, 1, 0), (1, 14, 0, 0, 0)],
        [(51, 0, 0, 0, 0)],
    ]
    assert rows_before(told, 10, 14) == [12, 12, 13, 13, 14]


def test_a_process_has_the_next_copy_while_all_is_right(
    story: Story, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that refused, died, hung or left without a word is followed by another."""
    tale = ("right", "right", "refused", "dies", "right", "hangs", "leaves", "right")

    def run(trial: Trial, died: str = "") -> str:
        trial.refusals.append(f"{os.getpid()} {died}")
        told = tale[trial.case.page]
        if told == "dies" and not died:
            os.kill(os.getpid(), signal.SIGKILL)
        elif told == "hangs" and not died:
            while True:
                pass
        elif told == "leaves":
            os._exit(3)
        return told if told in GOOD else "rebuilt"

    monkeypatch.setattr(Trial, "run", run)
    monkeypatch.setattr(Trial, "write", lambda *_: None)
    cases = [Case("index", page, 1, b"") for page in range(len(tale))]
    ended = {
        case.page: (outcome, why)
        for case, outcome, why in try_all(story, plan, cases, tmp_path, seconds=1.0)
    }
    assert [ended[page][0] for page in range(len(tale))] == [
        *("right", "right", "refused", "rebuilt", "right", "rebuilt", "wrong", "right")
    ]
    process = {page: why.split()[0] for page, (_, why) in ended.items()}
    assert process[0] == process[1] == process[2]
    assert len({process[page] for page in (0, 3, 4, 5, 7)}) == 5
    assert ended[3][1].endswith(" SIGKILL")
    assert ended[5][1].endswith(" no end in time")
    assert ended[6][1] == "it ended with 3 and no word"


def judge(story: Story, plan: Plan, cases: list[Case], folder: Path) -> Counter[str]:
    """What becomes of the cases, of which none may end badly."""
    outcomes: Counter[str] = Counter()
    bad = []
    for case, outcome, why in try_all(story, plan, cases, folder, JOBS, HANG_S):
        outcomes[outcome] += 1
        if outcome in BAD:
            bad.append(f"{case}: {outcome}: {why}")
    assert not bad, outcomes
    assert outcomes.total() == len(cases)
    return outcomes


@pytest.mark.parametrize("file", ["index", "journal"])
def test_no_older_page_is_believed(
    story: Story, plan: Plan, folder: Path, file: str
) -> None:
    # Zeros, where a file was longer than ever before, are the long form's.
    cases = [
        case
        for case in all_cases(story)
        if case.file == file and case.back <= BACK_MAX[file] and any(case.content)
    ]
    if file == "index":
        cases = cases[::3]
    if SLOW_BUILD:
        cases = cases[::4]
    assert len(cases) >= LEAST[file]
    judge(story, plan, cases, folder)


def in_use(file: Path) -> npt.NDArray[np.int64]:
    """Numbers of the pages of a file of LMDB that its newest meta page leads to."""
    with file.open("rb") as opened:
        walker = _Walker(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ), None)
    walker.run()
    return np.flatnonzero(walker.used == 1)


def test_no_page_of_another_ledger_is_believed(
    story: Story, plan: Plan, folder: Path
) -> None:
    """Of the same runs at the same places, with entries that are whole."""
    file = Path("index") / "data.mdb"
    other = tell(folder / "other", SEED, ROWS, STEP_ROWS)
    own, others = ((one.path / file).read_bytes() for one in (story, other))
    assert len(own) == len(others)
    cases = [
        Case("index", at // PAGE, 0, others[at : at + PAGE])
        for at in PAGE * in_use(story.path / file)[2:]
        if own[at : at + PAGE] != others[at : at + PAGE]
    ]
    if SLOW_BUILD:
        cases = cases[::4]
    outcomes = judge(story, plan, cases, folder)
    assert outcomes["rebuilt"] >= quarter(10), "those of runs in use were asked"


def test_a_header_that_is_none_is_not_searched_for_ever(
    story: Story, plan: Plan, folder: Path
) -> None:
    """LMDB would look for the middle of 2^31 keys, which an int cannot hold."""
    file = story.path / "index" / "data.mdb"
    body = file.read_bytes()
    cases = []
    for page in map(int, in_use(file)[2:]):
        old = body[page * PAGE : (page + 1) * PAGE]
        number, flags = struct.unpack_from("<QxxH", old)
        if number != page or flags not in (BRANCH, LEAF):
            continue
        # A branch of fixed keys that ends before it begins.
        new = struct.pack("<QHHHH", page, 0, BRANCH | FIXED, 8, 8) + old[HEADER:]
        cases.append(Case("index", page, 0, new))
    assert len(cases) >= 5
    cases = cases[:: 1 + len(cases) // CASES_MOST]
    outcomes = judge(story, plan, cases, folder)
    assert outcomes["rebuilt"]
