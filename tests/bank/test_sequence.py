"""Goal: statements are links of a chain: what is missing, twice or changed is told.

Method: sheets of a few days in every order, with pages, repeats and holes.
"""

from dataclasses import replace
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
    early = second.but(pages=page(2, last=True), closing="102.00")
    with pytest.raises(StatementError, match="not the last"):
        read(first, early, third)
    zero = first.but(pages=page(0, last=False))
    with pytest.raises(StatementError, match="counted from 1"):
        read(zero, second, third)


def test_a_page_of_another_statement_is_no_page_of_this() -> None:
    first, second, third = pages(3)
    for other in (
        second.but(number=332),
        second.but(first="2025-11-27T00:00:00+05:30"),
        second.but(last="2026-11-28T00:00:00+05:30"),
        second.but(opening="100.01"),
        second.but(closing="101.00"),
    ):
        with pytest.raises(StatementError, match=r"of other days|another balance"):
            read(first, other, third)
    # What its lines lead from and to, or what the whole statement has.
    for other in (
        second.but(opening="101.00", closing="102.00"),
        second.but(opening="100.00", closing="103.00"),
    ):
        assert len(read(first, other, third)) == 1


def test_pages_of_an_advice_are_none_of_a_statement() -> None:
    first, second, third = pages(3)
    advice = second.but(advice=True)
    with pytest.raises(StatementError, match="has only the pages"):
        read(first, advice, third)


def test_very_many_pages_are_no_work() -> None:
    (part,) = read_camt(Sheet().xml(), "x")
    parts = [replace(part, page=at, last_page=False) for at in range(1, 20_001)]
    with pytest.raises(StatementError, match="more than 1000 pages"):
        join_pages(parts)


def test_sent_twice_counts_once_without_a_reference_too() -> None:
    bare = MONDAY.but(entries=(Entry(details=(Detail(reference="n/a"),)),))
    renamed = bare.but(name="S-2026-331-B")
    for twice in (bare, renamed):
        assert breaks(bare, twice) == [Break.REPEATED]
        assert len(distinct_lines(read(bare, twice))) == 1


def test_an_advice_may_have_a_statements_name() -> None:
    assert breaks(MONDAY, MONDAY.but(advice=True)) == []


def test_two_statements_overlap_whatever_an_advice_has_said() -> None:
    advice = MONDAY.but(advice=True, name="A-1")
    same = TUESDAY.but(entries=(Entry(),), closing="3100.00")
    for order in permutations((MONDAY, advice, same)):
        assert breaks(*order) == [Break.OVERLAP]


def test_a_bank_may_begin_again_with_one() -> None:
    december = MONDAY.but(
        number=1, first="2026-12-31T00:00:00", last="2026-12-31T23:59:59"
    )
    january = TUESDAY.but(
        number=1, first="2027-01-01T00:00:00", last="2027-01-01T23:59:59"
    )
    for number in (1, 365):
        for order in permutations((december.but(number=number), january)):
            assert breaks(*order) == []
    second = january.but(number=2)
    assert breaks(december.but(number=365), second) == [Break.GAP]


def test_several_of_one_day_follow_their_balances() -> None:
    day = {"first": MONDAY.first, "last": MONDAY.last, "number": None}
    first, second, third = (one.but(**day) for one in (MONDAY, TUESDAY, WEDNESDAY))
    empty = first.but(name="S-0", entries=(), opening="1600.00")
    for order in permutations((first, second, third, empty)):
        assert breaks(*order) == []
    still = first.but(name="S-00", entries=(), closing="100.00")
    for order in permutations((first, second, still)):
        assert breaks(*order) == []
    for order in permutations((first, third)):
        assert breaks(*order) == [Break.GAP]


def test_without_a_period_the_closing_balance_has_the_day() -> None:
    monday, tuesday = (one.but(number=1, has_period=False) for one in (MONDAY, TUESDAY))
    january = tuesday.but(first="2027-01-01T00:00:00", last="2027-01-01T00:00:00")
    for order in permutations((monday, january)):
        assert breaks(*order) == []
    first, second = pages(2)
    (one,) = read(first.but(has_period=False), second.but(has_period=False))
    assert str(one.last_day) == "2026-11-27"


def test_what_only_an_advice_tells_is_told_once_its_day_is_over() -> None:
    advice = MONDAY.but(advice=True, name="A-1")
    monday = MONDAY.but(entries=(), opening="1600.00")
    for order in permutations((advice, monday, TUESDAY)):
        assert breaks(*order) == [Break.NOT_BOOKED]
    # Another statement of Monday may come, and so may Monday's own.
    assert breaks(advice, monday) == []
    assert breaks(advice, TUESDAY) == []
    assert breaks(advice, MONDAY, TUESDAY) == []
    debit = advice.but(entries=(Entry(side="DBIT"),))
    assert breaks(debit, MONDAY, TUESDAY) == [Break.NOT_BOOKED]
