"""Goal: statements are links of a chain: what is missing, twice or changed is told.

Method: sheets of a few days in every order, with pages, repeats and holes.
"""

from itertools import permutations

import pytest

from switch.bank.camt import read_camt
from switch.bank.lines import Statement, StatementError
from switch.bank.sequence import Break, distinct_lines, join_pages, look_through
from tests.bank.writer import OTHER_UTR, SHORT_UTR, UTR, Detail, Entry, Sheet, page


def credit(amount: str, reference: str, side: str = "CRDT") -> Entry:
    return Entry(amount, side, details=(Detail(amount, reference),))


MONDAY = Sheet()
TUESDAY = Sheet(
    (credit("50.00", OTHER_UTR),),
    opening="1600.00",
    closing="1650.00",
    name="S-2026-332",
    number=332,
    first="2026-11-28T00:00:00+05:30",
    last="2026-11-28T23:59:59+05:30",
)
WEDNESDAY = Sheet(
    (credit("25.00", SHORT_UTR, "DBIT"),),
    opening="1650.00",
    closing="1625.00",
    name="S-2026-333",
    number=333,
    first="2026-11-29T00:00:00+05:30",
    last="2026-11-29T23:59:59+05:30",
)


def read(*sheets: Sheet) -> list[Statement]:
    parts = [
        one
        for at, sheet in enumerate(sheets)
        for one in read_camt(sheet.xml(), f"file-{at}.xml")
    ]
    return join_pages(parts)


def breaks(*sheets: Sheet) -> list[Break]:
    return [finding.what for finding in look_through(read(*sheets))]


def test_a_row_of_days_is_right_in_any_order() -> None:
    for order in permutations((MONDAY, TUESDAY, WEDNESDAY)):
        assert breaks(*order) == []


def test_a_missing_day_is_a_gap() -> None:
    assert breaks(MONDAY, WEDNESDAY) == [Break.GAP]
    # Nothing moved on it, so the balances hide it; the bank's count does not.
    empty = WEDNESDAY.but(opening="1600.00", closing="1575.00")
    assert breaks(MONDAY, empty) == [Break.GAP]


def test_a_balance_that_does_not_follow_is_a_gap() -> None:
    assert breaks(MONDAY, TUESDAY.but(opening="1600.01", closing="1650.01")) == [
        Break.GAP
    ]


def test_sent_twice_counts_once() -> None:
    assert breaks(MONDAY, MONDAY, TUESDAY) == [Break.REPEATED]
    assert len(distinct_lines(read(MONDAY, MONDAY, TUESDAY))) == 2


def test_another_of_the_same_name_contradicts() -> None:
    other = MONDAY.but(entries=(credit("1500.00", OTHER_UTR),))
    assert Break.CONTRADICTS in breaks(MONDAY, other)
    renamed = other.but(name="S-2026-331-B")
    assert Break.CONTRADICTS in breaks(MONDAY, renamed)


def test_a_movement_in_two_statements_overlaps() -> None:
    again = TUESDAY.but(entries=(credit("50.00", UTR),))
    first = MONDAY.but(entries=(credit("1500.00", UTR),))
    assert Break.AMOUNT_DIFFERS in breaks(first, again)
    same = TUESDAY.but(entries=(Entry(),), closing="3100.00")
    assert breaks(MONDAY, same) == [Break.OVERLAP]
    early = TUESDAY.but(first="2026-11-26T00:00:00+05:30")
    assert breaks(MONDAY, early) == [Break.OVERLAP]


def test_a_credit_that_stands_in_both_counts_once() -> None:
    advice = MONDAY.but(advice=True, name="A-1", number=None)
    for order in ((MONDAY, advice), (advice, MONDAY)):
        statements = read(*order)
        assert look_through(statements) == []
        (line,) = distinct_lines(statements)
        assert line in read(MONDAY)[0].lines
    wrong = advice.but(entries=(credit("1500.01", UTR),))
    assert breaks(MONDAY, wrong) == [Break.AMOUNT_DIFFERS]


def test_without_a_reference_the_statement_alone_counts() -> None:
    bare = MONDAY.but(entries=(Entry(details=(Detail(reference="n/a"),)),))
    advice = bare.but(advice=True, name="A-1", number=None)
    assert len(distinct_lines(read(bare, advice))) == 1
    assert distinct_lines(read(advice)) == []


def test_accounts_do_not_meet() -> None:
    other = MONDAY.but(account="999")
    assert breaks(MONDAY, other) == []
    assert len(distinct_lines(read(MONDAY, other))) == 2


def pages(count: int) -> list[Sheet]:
    """A statement of so many pages, a rupee on each."""
    return [
        MONDAY.but(
            entries=(credit("1.00", f"{at:012d}"),),
            opening="100.00" if at == 1 else None,
            closing=f"{100 + count}.00" if at == count else None,
            pages=page(at, last=at == count),
        )
        for at in range(1, count + 1)
    ]


def test_pages_make_one_statement_in_any_order() -> None:
    for order in permutations(pages(3)):
        (one,) = read(*order)
        assert [line.reference for line in one.lines] == [
            f"{at:012d}" for at in (1, 2, 3)
        ]
        assert (one.opening, one.closing) == (10_000, 10_300)
        assert len(one.sources) == 3
    (one,) = read(*pages(3), pages(3)[1])
    assert len(one.lines) == 3


@pytest.mark.parametrize(
    ("left", "why"),
    [
        ([0, 1], "its last page is missing"),
        ([0, 2], "has only the pages 1, 3"),
        ([1, 2], "has only the pages 2, 3"),
    ],
)
def test_a_missing_page_is_refused(left: list[int], why: str) -> None:
    with pytest.raises(StatementError, match=why):
        read(*(pages(3)[at] for at in left))


def test_pages_that_contradict_each_other_are_refused() -> None:
    first, second, third = pages(3)
    other = second.but(entries=(credit("1.00", "999999999999"),))
    with pytest.raises(StatementError, match="two pages of one number"):
        read(first, second, other, third)
    early = second.but(pages=page(2, last=True))
    with pytest.raises(StatementError, match="not the last"):
        read(first, early, third)
    zero = first.but(pages=page(0, last=False))
    with pytest.raises(StatementError, match="counted from 1"):
        read(zero, second, third)
