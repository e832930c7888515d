"""Goal: lines are paired just as docs/matching.md says, whatever stands side by side.

Method: few keys, amounts, days and heads, so that all meet all; a model that walks over
the page's sentences one line at a time says the same; each line has one type or none.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from switch.matching.lines import Gathered, Here, There
from switch.matching.pairing import Asked, agree, key_codes, pair

LINE = st.tuples(
    st.sampled_from("ab"),  # key
    st.booleans(),  # refund
    st.integers(1, 3),  # amount
    st.integers(1, 3),  # day
    st.integers(0, 1),  # head
)
HERE = st.tuples(LINE, st.integers(0, 1), st.integers(0, 1), st.booleans())

_Line = tuple[str, bool, int, int, int]
_Here = tuple[_Line, int, int, bool]


def columns(here: Sequence[_Here], there: Sequence[_Line]) -> tuple[Here, There]:
    mine, theirs = Gathered(Here), Gathered(There)
    for at, ((key, refund, amount, day, head), earlier, _, _) in enumerate(here):
        row = (key.encode(), refund, amount, day, day - earlier, head, at + 1, at + 1)
        mine.add((*row, 0, 0, b"", 0, 0, 0, 0))
    for at, (key, refund, amount, day, head) in enumerate(there):
        theirs.add((key.encode(), refund, amount, day, head, at))
    return mine.columns(), theirs.columns()


def model(
    here: Sequence[_Here],
    there: Sequence[_Line],
    *,
    with_heads: bool,
    names_one: bool,
) -> set[tuple[int, int]]:
    """Who goes with whom, by the page."""
    pairs: set[tuple[int, int]] = set()
    left_here, left_there = list(range(len(here))), list(range(len(there)))

    def agrees(mine: _Here, line: _Line, wanted: tuple[str, str, bool]) -> bool:
        (key, refund, amount, day, head), earlier, given, usual = mine
        how, when, with_head = wanted
        if (key, refund) != (line[0], line[1]):
            return False
        if how and line[2] != (amount if how == "all" else amount - given):
            return False
        if when and line[3] != (day if when == "accounted" else day - earlier):
            return False
        if with_head and with_heads and line[4] != head:
            return False
        return bool(how) or names_one or usual

    def as_told(line: _Line) -> tuple[object, ...]:
        return line if with_heads else line[:4]

    hows = ("all", "left")
    whens = ("accounted", "made")
    order = [(how, when, True) for how in hows for when in whens]
    order += [(how, "", True) for how in hows]
    order += [(how, when, False) for how in hows for when in whens]
    order += [(how, "", False) for how in hows]
    order += [("", when, True) for when in whens]
    order += [("", when, False) for when in whens] + [("", "", False)]
    told: set[tuple[object, ...]] | None = None
    for wanted in order:
        if not wanted[0] and told is None:
            told = {as_told(there[at]) for _, at in pairs}
        # The first there with the first here that it agrees with, as they stand.
        for second, first in itertools.product(list(left_there), list(left_here)):
            if second not in left_there or first not in left_here:
                continue
            if told is not None and not names_one and as_told(there[second]) in told:
                continue
            if agrees(here[first], there[second], wanted):
                pairs.add((first, second))
                left_here.remove(first)
                left_there.remove(second)
    return pairs


@settings(max_examples=150, deadline=None)
@given(
    st.lists(HERE, max_size=7),
    st.lists(LINE, max_size=7),
    st.booleans(),
    st.booleans(),
)
def test_pairs_are_those_of_the_page(
    here: list[_Here], there: list[_Line], with_heads: bool, names_one: bool
) -> None:
    mine, theirs = columns(here, there)
    net = mine.amount - np.array([one[2] for one in here], np.int64)
    usual = np.array([one[3] for one in here], np.bool_)
    asked = Asked(mine, theirs, net, usual, with_heads, names_one)
    found = pair(asked, np.arange(len(here)), np.arange(len(there)))
    pairs = set(zip(found.here.tolist(), found.there.tolist(), strict=True))
    assert pairs == model(here, there, with_heads=with_heads, names_one=names_one)
    assert len({first for first, _ in pairs}) == len(pairs)
    assert len({second for _, second in pairs}) == len(pairs)
    for at, (first, second) in enumerate(
        zip(found.here.tolist(), found.there.tolist(), strict=True)
    ):
        (_, _, amount, day, head), earlier, given, is_usual = here[first]
        line = there[second]
        assert found.amount[at] == (line[2] not in (amount, amount - given))
        assert found.head[at] == (with_heads and line[4] != head)
        is_dated = line[3] in (day, day - earlier) and is_usual
        assert found.date[at] == (not is_dated)


@given(st.lists(st.binary(max_size=20).map(lambda key: key.rstrip(b"\0"))))
@settings(max_examples=50, deadline=None)
def test_codes_of_keys(keys: list[bytes]) -> None:
    codes = key_codes(np.array(keys, np.bytes_)).tolist()
    assert [codes.index(one) for one in codes] == [keys.index(one) for one in keys]


def test_the_first_goes_with_the_first() -> None:
    one = [np.array([5, 7, 5, 5])], [np.array([5, 5, 9])]
    first, second = agree(*one)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 0), (2, 1)]
