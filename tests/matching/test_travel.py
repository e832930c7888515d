"""Goal: a break travels with its number until an entry or a later list closes it.

Method: two or three days by hand, one thing wrong in the first; what the page says must
close it does, and nothing else. The same match again changes nothing.
"""

import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switch.matching.breaks import Break, Owner, State, Type
from switch.matching.cells import ListError
from switch.matching.maps import ListMap
from switch.matching.sides import Undecided
from tests.matching.books import (
    DAY,
    Entry,
    Run,
    Told,
    column_map,
    matched,
    told,
    write_scrolls,
)

NEXT = DAY + dt.timedelta(days=1)
THIRD = DAY + dt.timedelta(days=2)
PAID = Entry(100, 50_000)
OTHER = Entry(101, 30_000)


def runs(
    folder: Path,
    windows: Sequence[Sequence[Entry]],
    lists: Sequence[Sequence[Told | str]],
    by: str = "id",
    **changes: object,
) -> list[Run]:
    """What the match of each day has found; the file of each goes into the next. Of
    each day also: the same again gives the same bytes, with either file.
    """
    columns = column_map(by, **changes)
    file: bytes | None = None
    found: list[Run] = []
    for at, lines in enumerate(lists):
        day = DAY + dt.timedelta(days=at)
        scrolls = folder / str(at)
        write_scrolls(scrolls, windows[: at + 1])
        made = run(scrolls, lines, columns, day, file)
        for before in (file, made.file):
            assert run(scrolls, lines, columns, day, before).file == made.file
        file = made.file
        found.append(made)
    return found


def run(
    scrolls: Path,
    lines: Sequence[Told | str],
    columns: ListMap,
    day: dt.date,
    before: bytes | None,
) -> Run:
    return matched(scrolls, lines, columns, day=day, before=before, name=f"{day}.csv")


def days(
    folder: Path,
    windows: Sequence[Sequence[Entry]],
    lists: Sequence[Sequence[Told | str]],
    by: str = "id",
    **changes: object,
) -> list[list[Break]]:
    """The breaks of each day."""
    made = runs(folder, windows, lists, by, **changes)
    return [one.found.breaks for one in made]


def one(breaks: Sequence[Break]) -> Break:
    assert len(breaks) == 1
    return breaks[0]


def test_a_later_list_tells_it(tmp_path: Path) -> None:
    late = Entry(200, 10_000, day=NEXT)
    first, second, third = days(
        tmp_path,
        [[PAID, OTHER], [late], []],
        [[told(OTHER)], [told(late), told(PAID, day=NEXT)], []],
    )
    assert one(first).type is Type.MISSING_THERE
    closed = one(second)
    assert (closed.state, closed.number) == (State.CLOSED, one(first).number)
    assert closed.closed_by == "2026-11-28.csv line 3"
    assert closed.since == DAY
    assert third == []


def test_a_later_list_tells_it_otherwise(tmp_path: Path) -> None:
    wrong = told(PAID, amount=40_000)
    given = Entry(300, 10_000, day=THIRD, kind="refund", of=100, payment=100)
    first, second, third = days(tmp_path, [[PAID], [], [given]], [[], [wrong], []])
    changed = one(second)
    assert changed.number == one(first).number
    assert (changed.type, changed.amount_there) == (Type.AMOUNT, 40_000)
    # A refund of what is too much here makes it even, and is linked.
    closed = one(third)
    assert (closed.state, closed.linked) == (State.CLOSED, ((300, 10_000),))
    assert closed.closed_by == "entry 300"


def test_refunds_close_what_is_missing_there(tmp_path: Path) -> None:
    half = Entry(200, 20_000, day=NEXT, kind="refund", of=100, payment=100)
    rest = Entry(300, 30_000, day=THIRD, kind="refund", of=100, payment=100)
    _, second, third = days(tmp_path, [[PAID], [half], [rest]], [[], [], []])
    assert (one(second).state, one(second).left) == (State.OPEN, 30_000)
    assert one(third).state is State.CLOSED
    assert one(third).linked == ((200, 20_000), (300, 30_000))


def test_links_are_kept_without_the_older_scrolls(tmp_path: Path) -> None:
    half = Entry(200, 20_000, day=NEXT, kind="refund", of=100, payment=100)
    rest = Entry(300, 30_000, day=THIRD, kind="refund", of=100, payment=100)
    _, second = runs(tmp_path, [[PAID], [half]], [[], []])
    write_scrolls(tmp_path / "new", [[rest]])
    found, _ = matched(tmp_path / "new", [], before=second.file, day=THIRD)
    assert one(found.breaks).state is State.CLOSED


def test_a_later_scroll_has_it(tmp_path: Path) -> None:
    late = Entry(200, 50_000, day=NEXT, made=DAY)
    first, second = days(
        tmp_path, [[OTHER], [late]], [[told(OTHER), told(late, day=DAY)], []]
    )
    assert one(first).type is Type.MISSING_HERE
    assert one(second).state is State.CLOSED
    assert one(second).closed_by == "S2026-27-0002-power-1 line 1, entry 200"


def test_a_correction_is_a_payment_after_all(tmp_path: Path) -> None:
    corrected = Entry(
        200, 50_000, day=NEXT, made=DAY, kind="correction", of=90, payment=90
    )
    first, second = days(
        tmp_path, [[OTHER], [corrected]], [[told(OTHER), told(corrected, day=DAY)], []]
    )
    assert one(first).type is Type.MISSING_HERE
    assert one(second).state is State.CLOSED


def test_a_later_scroll_has_another_amount(tmp_path: Path) -> None:
    late = Entry(200, 50_000, day=NEXT, made=DAY)
    wrong = told(late, day=DAY, amount=51_000)
    first, second, third = days(
        tmp_path,
        [[OTHER], [late], []],
        [[told(OTHER), wrong], [], [told(late, day=THIRD)]],
    )
    changed = one(second)
    assert changed.number == one(first).number
    assert (changed.type, changed.entry, changed.list_day) == (Type.AMOUNT, 200, DAY)
    assert one(third).state is State.CLOSED


def test_a_date_is_told_once(tmp_path: Path) -> None:
    ahead = told(PAID, day=NEXT)
    first, second = days(tmp_path, [[PAID], []], [[ahead], []])
    assert (one(first).type, one(first).differs) == (Type.DATE, "date")
    assert one(first).owner(THIRD) is Owner.BILLER
    assert one(second).state is State.CLOSED


def test_a_date_is_told_twice(tmp_path: Path) -> None:
    ahead = told(PAID, day=NEXT)
    first, second, third = days(
        tmp_path,
        [[PAID], [], []],
        [[ahead], [ahead], [told(PAID, is_refund=True, day=THIRD)]],
        refunds=True,
    )
    assert one(first).type is Type.DATE
    assert {(one.type, one.state) for one in second} == {
        (Type.DATE, State.CLOSED),
        (Type.DUPLICATE, State.OPEN),
    }
    # The biller takes it back.
    assert (one(third).type, one(third).state) == (Type.DUPLICATE, State.CLOSED)
    assert one(third).closed_by == "2026-11-29.csv line 2"


def test_a_payment_of_tomorrow_told_today(tmp_path: Path) -> None:
    tomorrow = Entry(200, 50_000, day=NEXT)
    columns = column_map()
    write_scrolls(tmp_path, [[PAID], [tomorrow]])
    early = [told(PAID), told(tomorrow, day=DAY)]
    first = matched(tmp_path, early, columns)
    assert one(first.found.breaks).type is Type.DATE
    after, _ = matched(tmp_path, [], columns, day=NEXT, before=first.file)
    # It is not missing there: it was told before.
    assert one(after.breaks).state is State.CLOSED
    sums = after.sums
    assert (sums.here, sums.there, sums.explained()) == (50_000, 0, {"date": 50_000})
    # Told again on its own day it is told twice.
    again = [told(tomorrow)]
    twice, _ = matched(tmp_path, again, columns, day=NEXT, before=first.file)
    assert {(one.type, one.state) for one in twice.breaks} == {
        (Type.DATE, State.CLOSED),
        (Type.DUPLICATE, State.OPEN),
    }


def test_what_was_settled_is_not_told_again(tmp_path: Path) -> None:
    first, second = days(tmp_path, [[PAID], []], [[told(PAID)], [told(PAID, day=NEXT)]])
    assert first == []
    assert one(second).type is Type.DUPLICATE


def test_by_reference_next_month_is_another_payment(tmp_path: Path) -> None:
    again = Entry(200, 50_000, day=NEXT, reference=PAID.consumer)
    _, second = days(
        tmp_path,
        [[PAID], [again]],
        [[], [told(again), told(again, amount=70_000)]],
        by="reference",
    )
    # The old one is still not told; 700 rupees are nobody's wrong amount.
    kinds = {(one.type, one.since) for one in second}
    assert kinds == {(Type.MISSING_THERE, DAY), (Type.MISSING_HERE, NEXT)}


@pytest.mark.parametrize(("ago", "kind"), [(5, "date"), (6, "missing_here")])
def test_by_reference_an_older_payment_is_near(
    ago: int, kind: str, tmp_path: Path
) -> None:
    """The consumer of last month pays the same again; by an id it is told late."""
    old = Entry(100, 50_000, day=DAY - dt.timedelta(days=ago))
    write_scrolls(tmp_path, [[old], [OTHER]])
    lines = [told(OTHER), told(old, day=DAY)]
    found, _ = matched(tmp_path, lines, column_map("reference"))
    assert [str(one.type) for one in found.breaks] == [kind]
    found, _ = matched(tmp_path, lines, column_map("id"))
    assert [str(one.type) for one in found.breaks] == ["date"]


def test_a_new_list_of_the_same_day_takes_the_place_of_the_first(
    tmp_path: Path,
) -> None:
    write_scrolls(tmp_path, [[PAID, OTHER]])
    stranger = told(Entry(999, 1_000))
    first = matched(tmp_path, [told(OTHER), stranger, "what is this"])
    found = first.found
    assert {one.type for one in found.breaks} == {
        Type.MISSING_THERE,
        Type.MISSING_HERE,
        Type.UNKNOWN,
    }
    right = [told(OTHER), told(PAID, amount=1)]
    again, _ = matched(tmp_path, right, before=first.file, name="second.csv")
    states = {(one.type, one.state) for one in again.breaks}
    assert states == {
        (Type.AMOUNT, State.OPEN),
        (Type.MISSING_HERE, State.CLOSED),
        (Type.UNKNOWN, State.CLOSED),
    }
    assert {one.number for one in again.breaks} == {one.number for one in found.breaks}


def test_a_stranger_that_is_told_every_day_has_a_number_each_time(
    tmp_path: Path,
) -> None:
    stranger = told(Entry(999, 1_000))
    first, second, third = days(tmp_path, [[], [], []], [[stranger]] * 3)
    assert [(one.type, one.since) for one in first] == [(Type.MISSING_HERE, DAY)]
    kinds = [(one.type, one.since) for one in third]
    assert sorted(kinds) == [
        (Type.DUPLICATE, NEXT),
        (Type.DUPLICATE, THIRD),
        (Type.MISSING_HERE, DAY),
    ]
    assert len({one.number for one in third}) == 3
    assert {one.number for one in second} < {one.number for one in third}


def test_whose_turn_it_is(tmp_path: Path) -> None:
    (first,) = days(tmp_path, [[PAID]], [[]])
    missing = one(first)
    assert missing.owner(NEXT) is Owner.BILLER
    assert missing.owner(THIRD) is Owner.TREASURY
    assert missing.decide_by == DAY + dt.timedelta(days=5)
    assert missing.age(THIRD) == 2


def test_undecided_payments_are_named(tmp_path: Path) -> None:
    """A list tells a kept payment; it lacks an unverified one, which is evidence."""
    write_scrolls(tmp_path, [[OTHER]])
    kept, lacking = Entry(90, 50_000), Entry(91, 20_000)
    undecided = [
        Undecided(
            at.entry + 500,
            kind,
            at.number,
            at.id.replace("-", ""),
            at.consumer,
            at.amount,
            DAY,
        )
        for at, kind in ((kept, "kept"), (lacking, "unverified"))
    ]
    for by in ("id", "number", "reference"):
        found, listed = matched(
            tmp_path,
            [told(OTHER), told(kept)],
            column_map(by),
            undecided=undecided,
            count=2,
            total=80_000,
        )
        assert listed.is_complete
        missing = one(found.breaks)
        assert (missing.type, missing.undecided) == (Type.MISSING_HERE, 590)
        assert found.not_listed == [undecided[1]]


def test_breaks_of_others_and_of_later_days_are_refused(tmp_path: Path) -> None:
    write_scrolls(tmp_path, [[PAID]])
    file = matched(tmp_path, []).file
    with pytest.raises(ListError, match="is of the match to 2026-11-27"):
        matched(tmp_path, [], day=DAY - dt.timedelta(days=1), before=file)
    late = matched(tmp_path, [], day=NEXT, before=file).file
    with pytest.raises(ListError, match="is of the match to 2026-11-28"):
        matched(tmp_path, [], before=late)
    with pytest.raises(ListError, match="of another biller"):
        matched(tmp_path, [], before=file.replace(b",power,", b",water,"))


def test_what_comes_behind_a_cut_off_is_expected_once(tmp_path: Path) -> None:
    """Windows close at six: what is paid in the evening is in the next day's scroll,
    and in the list of its own day. When that was matched before the scroll was there,
    its lines wait a day; when after, they are of no other day.
    """
    noon, evening = Entry(100, 1_000), Entry(101, 2_000)
    untold = Entry(102, 3_000)
    morning = Entry(200, 4_000, day=NEXT)
    lists = [[told(noon), told(evening)], [told(morning)]]
    write_scrolls(tmp_path / "early", [[noon]])
    write_scrolls(tmp_path / "late", [[noon], [evening, untold, morning]])
    columns = column_map()
    early = run(tmp_path / "early", lists[0], columns, DAY, None)
    assert one(early.found.breaks).type is Type.MISSING_HERE
    after = run(tmp_path / "late", lists[1], columns, NEXT, early.file)
    kinds = {(one.type, one.state, one.since) for one in after.found.breaks}
    assert kinds == {
        (Type.MISSING_HERE, State.CLOSED, DAY),
        (Type.MISSING_THERE, State.OPEN, NEXT),
    }
    assert after.found.sums.here == 9_000
    # The same day once more, now that the evening is there.
    again = run(tmp_path / "late", lists[0], columns, DAY, early.file)
    kinds = {(one.type, one.state, one.since) for one in again.found.breaks}
    assert kinds == {
        (Type.MISSING_HERE, State.CLOSED, DAY),
        (Type.MISSING_THERE, State.OPEN, DAY),
    }
    then = run(tmp_path / "late", lists[1], columns, NEXT, again.file)
    assert [(one.type, one.since) for one in then.found.breaks] == [
        (Type.MISSING_THERE, DAY)
    ]
    assert then.found.sums.here == 4_000


def test_refunds_in_a_list(tmp_path: Path) -> None:
    """Refunds of both sides are lines of their own; what a biller takes back of its own
    is nobody's.
    """
    given = Entry(102, 50_000, kind="refund", of=100, payment=100)
    part = Entry(103, 5_000, kind="refund", of=101, payment=101)
    twice = Entry(777, 9_000)
    write_scrolls(tmp_path, [[PAID, OTHER, given, part]])
    lines = [
        told(PAID),
        told(OTHER),
        told(given, is_refund=True),
        told(part, is_refund=True, amount=6_000),
        told(twice),
        told(twice, is_refund=True),
    ]
    found, _ = matched(tmp_path, lines, column_map(refunds=True))
    wrong = one(found.breaks)
    assert (wrong.type, wrong.entry, wrong.refund) == (Type.AMOUNT, 103, True)
    assert found.sums.explained() == {"amount": 1_000}
    # A payment and its refund of which the list tells neither are even.
    even, _ = matched(
        tmp_path, [told(OTHER), told(part, is_refund=True)], column_map(refunds=True)
    )
    assert even.breaks == []
    # Of one whose refund alone is told the payment is missing there.
    lines = [told(OTHER), told(part, is_refund=True), told(given, is_refund=True)]
    half, _ = matched(tmp_path, lines, column_map(refunds=True))
    assert [(one.type, one.entry) for one in half.breaks] == [(Type.MISSING_THERE, 100)]
    sums = half.sums
    assert sums.here - sums.there == sum(sums.explained().values()) == 50_000


def test_what_was_given_back_may_be_told_or_not(tmp_path: Path) -> None:
    given = Entry(102, 50_000, kind="refund", of=100, payment=100)
    part = Entry(103, 5_000, kind="refund", of=101, payment=101)
    write_scrolls(tmp_path, [[PAID, OTHER, given, part]])
    for lines in (
        [told(OTHER)],
        [told(OTHER), told(PAID)],
        [told(OTHER, amount=25_000)],
    ):
        found, _ = matched(tmp_path, lines)
        assert found.breaks == []
        sums = found.sums
        assert sums.here - sums.there == sum(sums.explained().values())


WRONG = (
    *("", "", "", "late", "late", "dated", "posted"),
    *("evening", "evening", "never", "stranger", "amount"),
)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(WRONG), st.integers(1, 2)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(("id", "number", "receipt", "biller_reference", "reference")),
)
def test_in_the_end_only_what_is_wrong_is_open(
    fates: list[tuple[int, str, int]], by: str
) -> None:
    """Whatever is told or posted late, by whichever date or window, ends; what is never
    told, or is of nobody, or has another amount, is open as what it is, and no more.
    """
    windows: list[list[Entry]] = [[] for _ in range(6)]
    lists: list[list[Told | str]] = [[] for _ in range(6)]
    expected: set[tuple[str, int]] = set()
    for at, (on, what, delay) in enumerate(fates):
        day = DAY + dt.timedelta(days=on)
        later = on + delay
        posted = later if what == "posted" else on
        one_paid = Entry(
            (posted + 1) * 1_000 + at,
            10_000 + at,
            day=DAY + dt.timedelta(days=posted),
            made=day,
            payment=50 + at,
        )
        if what == "evening":
            # Behind the cut-off: of its day, and of the next day's scroll.
            one_paid = replace(one_paid, entry=one_paid.entry + 500)
            windows[posted + 1].append(one_paid)
        elif what != "stranger":
            windows[posted].append(one_paid)
        if what == "never":
            expected.add(("missing_there", one_paid.entry))
            continue
        line = told(one_paid, day=day)
        if what == "amount":
            line = replace(line, amount=7)
            expected.add((what, one_paid.entry))
        elif what == "stranger":
            expected.add(("missing_here", 0))
        elif what == "late":
            line = replace(line, day=DAY + dt.timedelta(days=later))
        elif what == "dated":
            line = replace(line, day=day + dt.timedelta(days=1))
        lists[later if what == "late" else on].append(line)
    with tempfile.TemporaryDirectory() as folder:
        found = days(Path(folder), windows, lists, by)
    left = [one for one in found[-1] if one.state is State.OPEN]
    assert {(str(one.type), one.entry) for one in left} == expected
    strangers = sum(what == "stranger" for _, what, _ in fates)
    assert sum(one.type is Type.MISSING_HERE for one in left) == strangers


def test_a_basket_is_one_line(tmp_path: Path) -> None:
    """With its sum, by its first payment; what is given back of any of it counts."""
    basket = [Entry(100 + at, 1_000 * (at + 1), basket=100, head=at) for at in range(3)]
    back = Entry(200, 2_000, kind="refund", of=101, payment=101, head=1)
    other = [Entry(110 + at, 500, basket=110) for at in range(2)]
    write_scrolls(tmp_path, [[*basket, *other, back]])
    columns = replace(column_map("number"), head="", baskets=True)
    for whole in (6_000, 4_000):
        lines = [told(basket[0], amount=whole), told(other[0], amount=1_000)]
        found, _ = matched(tmp_path, lines, columns)
        assert found.breaks == []
        assert found.sums.here == 7_000
    found, _ = matched(tmp_path, [told(one) for one in basket], columns)
    kinds = {(str(one.type), one.amount_here, one.amount_there) for one in found.breaks}
    assert kinds == {
        ("amount", 6_000, 1_000),
        ("missing_there", 1_000, 0),
        ("missing_here", 0, 2_000),
        ("missing_here", 0, 3_000),
    }
    wrong = one([one for one in found.breaks if one.type is Type.AMOUNT])
    assert wrong.linked == ((200, 2_000),)
