"""Goal: what is done in C for every group and message is what NumPy does when it is
left to it, and nothing is half done.

Method: random rows go to a table through C, and to another through the calls that take
what C leaves; all columns are the same after each step. Then what C must leave alone.
"""

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from switch import _core
from switch._core import ANSWER, ROW, Rows
from switch.billing import _hot
from switch.billing._hot import (
    ASK,
    CANCEL,
    LATE,
    LATENCIES_MAX,
    Ends,
    Router,
    Turns,
    acknowledged,
)
from switch.billing.biller import Biller
from switch.billing.latencies import Latencies
from switch.billing.lines import FETCH_BIT, GONE_LEAST, LINES_FIRST, State
from switch.billing.table import Table
from switch.billing.work import Room, Work
from switch.codes import Answered, Kind, Result
from switch.config import load_config
from switch.payment_states import PaymentState
from switch.v1 import billers_pb2 as pb
from tests.billing.dispatch_bench import benches

SECOND = 10**9
NOW_NS = 1_773_628_200 * SECOND
WATER, GAS, UNMET = 1, 2, 3
"""Services; the last has no table."""
SETTINGS = load_config().biller_of("water")
COLUMNS = (
    "_number", "_id", "_centre", "_size", "_open", "_state", "_credit_until",
    "_final_from", "_calls", "_connection", "_asked", "_at", "_doubt", "_offered",
    "_free", "_confirm_until", "_confirms",
)  # fmt: skip


def rows_of(count: int) -> Rows:
    rows = np.zeros(count, ROW)
    rows["result"] = Result.OK
    return rows


def hold_rows(rng: random.Random, first: int, sizes: list[int], service: int) -> Rows:
    """Holds of one service: singles and whole baskets."""
    rows = rows_of(sum(sizes))
    rows["kind"] = Kind.HOLD
    rows["sequence"] = first + np.arange(len(rows))
    rows["timestamp"] = NOW_NS + np.arange(len(rows))
    rows["service"] = service
    at = 0
    for size in sizes:
        for place in range(size):
            row = rows[at + place]
            row["id"] = np.frombuffer(rng.randbytes(16), np.uint8)
            row["debit"] = rng.randrange(1, 9)
            row["deadline"] = rng.choice((1, 7, 600, 21_600, 2_678_400))
            row["basket"] = size << 8 | place if size > 1 else 0
        rows["deadline"][at : at + size] = rows["deadline"][at]
        at += size
    return rows


def end_rows(holds: Rows, first: int, kind: Kind) -> Rows:
    """Rows that decide these holds."""
    rows = rows_of(len(holds))
    rows["kind"] = kind
    rows["sequence"] = first + np.arange(len(rows))
    rows["resolves"] = holds["sequence"]
    rows["basket"] = holds["basket"]
    rows["service"] = holds["service"]
    return rows


def same(one: Table, two: Table) -> None:
    assert (one._count, one._gone) == (two._count, two._gone)
    assert (one.open_count, one.added) == (two.open_count, two.added)
    for name in COLUMNS:
        left, right = getattr(one, name), getattr(two, name)
        assert np.array_equal(left[: one._count], right[: one._count]), name
        assert not left[one._count :].any(), name


def heads(rows: Rows) -> npt.NDArray[np.uint64]:
    found: npt.NDArray[np.uint64] = rows["resolves"] - (rows["basket"] & 0xFF)
    return found


def test_rows_change_a_table_as_numpy_changes_it() -> None:
    rng = random.Random(11)
    by_c, by_numpy = Work(SETTINGS), Work(SETTINGS)
    router = Router()
    router.route(WATER, by_c.table)
    ends = by_c.table.ends = Ends()
    told: list[tuple[int, int, int]] = []
    ledger: object = None
    sequence = 1
    open_: list[Rows] = []
    grown = compacted = 0
    for step in range(300):
        # A surge first, so that the table grows, and is compacted after it.
        many = 120 if step < 40 else 8
        sizes = [rng.choice((1, 1, 1, 1, 2, 16)) for _ in range(rng.randrange(many))]
        holds = hold_rows(rng, sequence, sizes, WATER)
        sequence += len(holds)
        left_alone = rows_of(3)
        left_alone["kind"] = (Kind.PAY, Kind.TOP_UP, Kind.HOLD)
        left_alone["service"] = WATER
        left_alone["result"][2] = Result.BILLER_BUSY
        before = by_c.table._count
        assert router.add(np.concatenate([left_alone, holds]), NOW_NS) == []
        compacted += by_c.table._count < before
        if len(holds):
            by_numpy.add(holds, ledger, NOW_NS)  # type: ignore[arg-type]
        same(by_c.table, by_numpy.table)
        grown = max(grown, len(by_c.table.state))
        open_ += [holds[at : at + 1] for at in range(len(holds))]
        rng.shuffle(open_)
        count = rng.randrange(len(open_) // (8 if step < 40 else 2) + 1)
        ended, open_ = open_[:count], open_[count:]
        if not ended:
            continue
        kind = rng.choice((Kind.POST, Kind.VOID))
        rows = end_rows(np.concatenate(ended), sequence, kind)
        sequence += len(rows)
        state = {Kind.POST: PaymentState.COMPLETED, Kind.VOID: PaymentState.REVERSED}
        told += [
            (int(one["resolves"]), int(state[kind]), int(one["sequence"]))
            for one in rows
        ]
        assert router.resolve(rows) == []
        assert by_numpy.table.resolve(heads(rows)).all()
        same(by_c.table, by_numpy.table)
    found = pb.ConnectResponse.FromString(ends.take()).ended
    assert [(one.number, int(one.state), one.sequence) for one in found] == told
    assert grown > LINES_FIRST
    assert compacted > 1


def test_what_has_waited_or_has_no_table_is_left_whole() -> None:
    rng = random.Random(3)
    work, gas = Work(SETTINGS), Work(SETTINGS)
    router = Router()
    router.route(WATER, work.table)
    router.route(GAS, gas.table)
    holds = np.concatenate(
        [hold_rows(rng, 10 * one, [1, 2], one) for one in (WATER, GAS, UNMET)]
    )
    # One of the first table's is from before a start: none of them is taken, for
    # numbers ascend.
    holds["timestamp"][1] -= 3_600 * SECOND
    assert router.add(holds, NOW_NS) == [0, 1, 2, 6, 7, 8]
    assert (work.table.lines_count, gas.table.lines_count) == (0, 2)
    # A basket that has begun elsewhere.
    cut = hold_rows(rng, 100, [3], WATER)[1:]
    assert router.add(cut, NOW_NS) == [0, 1]
    assert not work.table.lines_count
    # What is verified, or is not of this table, is for who knows more.
    ends = gas.table.ends = Ends()
    rows = np.concatenate(
        [
            end_rows(holds[3:4], 200, Kind.VERIFY),
            end_rows(holds[:1], 201, Kind.POST),
            end_rows(holds[6:7], 202, Kind.POST),
            end_rows(holds[3:4], 203, Kind.EXPIRE),
        ]
    )
    assert router.resolve(rows) == [0, 1, 2]
    assert (gas.table.lines_count, bool(ends)) == (2, False)
    assert router.kinds(rows) == {Kind.VERIFY, Kind.POST, Kind.EXPIRE}
    router.clear()
    assert router.resolve(end_rows(holds[3:4], 204, Kind.POST)) == [0]


def filled(count: int) -> tuple[Table, Rows]:
    """A table, and final answers to questions about all of its lines."""
    rng = random.Random(count)
    work = Work(SETTINGS)
    router = Router()
    router.route(WATER, work.table)
    holds = hold_rows(rng, 1, [1] * count, WATER)
    router.add(holds, NOW_NS)
    answers = np.zeros(count, ANSWER)
    answers["number"], answers["id"] = holds["sequence"], holds["id"]
    answers["kind"] = np.where(
        np.arange(count) % 2, Answered.REJECTED, Answered.CONFIRMED
    )
    answers["amount"] = answers["kind"] == Answered.CONFIRMED
    return work.table, answers


def test_final_answers_are_taken_together() -> None:
    table, answers = filled(10)
    table.ask(np.arange(4), State.CONFIRMING, 1, 1.0, 2.0)
    table.ask(np.arange(4, 10), State.CHECKING, 1, 1.0, 2.0)
    mixed = answers[[3, 1, 8]]
    places = table.take_final(mixed, 9.0)
    assert places is not None
    assert places.tolist() == [3, 1, 8]
    assert table.places(State.ANSWERED).tolist() == [1, 3, 8]
    assert table.due(State.ANSWERED, 9.0).tolist() == [1, 3, 8]
    assert not len(table.due(State.ANSWERED, 8.0))
    # They have an answer already.
    assert table.take_final(mixed, 9.0) is None
    none = table.take_final(answers[:0], 9.0)
    assert none is not None
    assert not len(none)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bad", 1),
        ("kind", Answered.UNKNOWN),
        ("kind", Answered.NOT_SEEN),
        ("kind", 0),
        # A confirmation without an amount.
        ("amount", 0),
        ("id", np.zeros(16, np.uint8)),
        ("number", 1_000),
        ("number", 1 | FETCH_BIT),
        # A second answer to a question of the same message.
        ("number", 1),
        ("number", 2),
    ],
)
def test_one_answer_that_is_not_final_leaves_all(field: str, value: object) -> None:
    table, answers = filled(6)
    asked = np.array([0, 1, 2, 3, 4])
    table.ask(asked[:3], State.CONFIRMING, 1, 1.0, 2.0)
    table.ask(asked[3:], State.CHECKING, 1, 1.0, 2.0)
    states, times = table.state.copy(), table._at.copy()
    answers = answers[asked]
    if field == "number" and value in (1, 2):
        answers[4] = answers[int(str(value)) - 1]
    answers[field][4] = value
    assert table.take_final(answers, 9.0) is None
    assert np.array_equal(table.state, states)
    assert np.array_equal(table._at, times)


def test_an_answer_to_what_was_not_asked_is_left() -> None:
    table, answers = filled(3)
    table.ask(np.arange(2), State.CONFIRMING, 1, 1.0, 2.0)
    assert table.take_final(answers, 9.0) is None
    assert table.places(State.CONFIRMING).tolist() == [0, 1]
    table.let_go(np.array([1]))
    assert table.take_final(answers[:2], 9.0) is None


def test_a_look_says_what_there_is_to_do() -> None:
    rng = random.Random(5)
    for _ in range(300):
        table, _ = filled(rng.randrange(1, 6))
        for place in range(table.lines_count):
            at = np.array([place])
            until = rng.choice((1.0, 3.0))
            action = rng.randrange(7)
            if action == 0:
                table.ask(at, State.CONFIRMING, 1, 0.0, until)
            elif action == 1:
                table.ask(at, State.CHECKING, 1, 0.0, until)
            elif action == 2:
                table.doubt(at, until)
            elif action == 3:
                table.answer(at, until)
            elif action == 4:
                table.cancel(at, until)
            elif action == 5:
                table.offer(at)
            else:
                table.let_go(at)
        wall_ns = NOW_NS + rng.choice((0, 5, 3_000, 30_000_000)) * SECOND
        late = [
            *table.due(State.CONFIRMING, 2.0),
            *table.due(State.CHECKING, 2.0),
            *table.due(State.ANSWERED, 2.0),
            *table.too_late(wall_ns),
        ]
        ask = [*table.places(State.WAITING), *table.due(State.UNKNOWN, 2.0)]
        cancel = [*table.due(State.CANCELLING, 2.0), *table.not_offered(wall_ns)]
        wanted = LATE * bool(late) | ASK * bool(ask) | CANCEL * bool(cancel)
        assert table.look(2.0, wall_ns) == wanted
        assert table.counts() == [table.count(state) for state in range(7)]
        room, skew_ns = rng.randrange(6), rng.choice((0, 10, 10**15))
        oldest, are_timely = table.oldest(room, wall_ns, skew_ns)
        waiting = table.places(State.WAITING)[:room]
        assert oldest.tolist() == waiting.tolist()
        assert are_timely == table.timely(waiting, wall_ns, skew_ns).all()


def test_whom_to_ask_is_the_same_without_weighing() -> None:
    rng = random.Random(19)
    found = {"nothing to weigh": 0, "nobody": 0, "something to weigh": 0}
    for step in range(600):
        work = Work(SETTINGS)
        router = Router()
        router.route(WATER, work.table)
        count = rng.choice((0, 3, 20, 500))
        sizes = [rng.choice((1, 1, 16)) for _ in range(count)]
        holds = hold_rows(rng, 1, sizes, WATER)
        if step % 2:
            # One centre, which may have no more than its share.
            holds["debit"] = 1
        if count:
            router.add(holds, NOW_NS)
        table = work.table
        asked = np.flatnonzero(np.array([rng.random() < 0.2 for _ in range(count)]))
        table.ask(asked, State.CONFIRMING, 1, 1.0, 9.0)
        if step % 4 == 0 and count:
            table.doubt(asked[:1], 1.0)
        most = rng.choice((1, 8, 600, 1_024))
        skew_ns = rng.choice((0, 0, 10**15))
        wall_ns = NOW_NS + rng.choice((0, 0, 30_000_000)) * SECOND
        quick = work.to_confirm(most, 3_072, wall_ns, skew_ns)
        left = min(most - work.asked_count, 3_072)
        if quick is None:
            found["something to weigh"] += 1
            continue
        assert left > 0
        room = Room(most, left, (most + 1) // 2, {}, skew_ns)
        chosen = work.choose(room, 1.0, wall_ns)
        assert quick.tolist() == chosen.confirms.tolist()
        assert not len(chosen.checks)
        assert not chosen.behind
        found["nothing to weigh" if len(quick) else "nobody"] += 1
    assert min(found.values()) > 50, found


def test_how_long_answers_took_is_noted_once() -> None:
    table, recent = Work(SETTINGS).table, Latencies()
    router = Router()
    router.route(WATER, table)
    router.add(hold_rows(random.Random(5), 1, [1, 1, 2], WATER), NOW_NS)
    for place, asked in enumerate((1.0, 2.0, 4.0)):
        table.ask(np.array([place]), State.CONFIRMING, 1, asked, 9.0)
    places = np.array([0, 1])
    table.answer(places, 9.0)
    assert table.settle(places, 2.0, 5.0, recent) == (1, True)
    assert recent.all().tolist() == [4.0, 3.0]
    table.answer(np.array([2]), 9.0)
    assert table.settle(np.array([2]), 0.0, 5.0, recent) == (1, False)
    assert recent.percentile_ms(100) == 4_000
    recent.add(np.full(LATENCIES_MAX, 0.5))
    assert len(recent.all()) == LATENCIES_MAX
    assert recent.percentile_ms(100) == 500


def test_acknowledgements_are_one_field() -> None:
    assert acknowledged([]) == acknowledged([np.zeros(0, np.uint64)]) == b""
    rng = random.Random(23)
    for count in (1, 13, 8_190):
        told = [
            np.array([rng.getrandbits(rng.randrange(1, 65)) for _ in range(count)])
            for _ in range(3)
        ]
        told = [one.astype(np.uint64) for one in told]
        wanted = np.concatenate(told).tolist()
        body = acknowledged(told)
        assert body == pb.ConnectResponse(acknowledged=wanted).SerializeToString()


def test_turns_go_round() -> None:
    turns, tables = Turns(), [Table() for _ in range(4)]
    assert turns.next() == -1
    for table in tables:
        turns.add(table)
    turns.begin()
    assert turns.next() == -1
    tables[1].stirred = tables[3].tells = True
    tables[2].added = 5
    assert (turns.many(5), turns.many(1)) == ([], [])
    tables[2].has_room = True
    assert (turns.many(5), turns.many(6)) == ([2], [])
    turns.begin()
    met = []
    while (place := turns.next()) >= 0:
        met.append(place)
        turns.passed()
        if len(met) == 2:
            break
    assert met == [1, 2]
    # Who was not reached is first, and nobody comes twice in a round.
    turns.begin()
    while (place := turns.next()) >= 0:
        met.append(place)
        turns.passed()
    assert met == [1, 2, 3, 1, 2]


def test_what_the_biller_may_hear_of_by_itself_is_offered() -> None:
    work = Work(SETTINGS)
    router = Router()
    router.route(WATER, work.table)
    router.add(hold_rows(random.Random(1), 1, [1], WATER), NOW_NS)
    work.table.offers = True
    router.add(hold_rows(random.Random(2), 2, [1], WATER), NOW_NS)
    assert work.table.offered.tolist() == [False, True]
    assert work.table._gone <= GONE_LEAST


def test_it_is_of_the_build_that_is_tested() -> None:
    folder = Path(_core.__file__).parent
    assert Path(_hot.__file__).parent == folder / "billing"


def test_only_rows_and_answers_are_read() -> None:
    with pytest.raises(ValueError, match="ROW"):
        Router().add(np.zeros(1, ANSWER), NOW_NS)
    with pytest.raises(ValueError, match="ROW"):
        Router().kinds(rows_of(0))
    with pytest.raises(ValueError, match="ANSWER"):
        Table().take_final(rows_of(1), 1.0)


def test_what_is_usual_never_comes_to_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("this was C's to do")

    for bench in benches(tmp_path):
        biller, connection = bench.connect()
        # Its table is known from here on.
        bench.answer(biller, [*bench.questions(bench.pay()), *connection.take()])
        for one, name in ((Biller, "add"), (Biller, "_take_known"), (Work, "end")):
            monkeypatch.setattr(one, name, fail)
        paid = [*bench.pay(3), *bench.pay(basket=3)]
        assert bench.answer(biller, connection.take()) == 0
        assert bench.dispatch.failures == 0
        assert not bench.ledger.holds_count
        bench.dispatch.tick()
        assert {end.number for end in connection.ended} > {*paid}
