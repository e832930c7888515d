"""Goal: the files of a bank that others wrote come in without a hand.

Method: PyPI's mock-bank runs as a process of its own; money arrives there, its clock is
moved on, and what it sends is read. It writes the payer's reference as the bank's.
"""

from collections.abc import Iterator

import pytest

from switch.bank.lines import LineKind, Side, StatementError
from switch.bank.sequence import Break, distinct_lines, look_through
from tests.bank.mock import Bank, mock_bank
from tests.bank.writer import OTHER_UTR, SHORT_UTR, UTR


@pytest.fixture
def bank() -> Iterator[Bank]:
    with mock_bank() as made:
        yield made


def test_a_week_of_statements_and_advices(bank: Bank) -> None:
    bank.credit(150_000, UTR, "REQ-17")
    bank.credit(250, OTHER_UTR, "REQ-18")
    bank.go_on(1)
    bank.credit(1, SHORT_UTR, "REQ-19")
    bank.go_on(2)

    statements = bank.statements("camt.053")
    advices = bank.statements("camt.054")
    assert [one.change for one in statements] == [150_250, 1, 0]
    assert [one.opening for one in statements] == [10_000, 160_250, 160_251]
    assert statements[-1].closing == 160_251
    assert advices
    assert all(one.opening is None for one in advices)
    # Whole in itself, and each credit counts once in whatever order they come.
    for order in (statements + advices, advices + statements[::-1]):
        assert look_through(order) == []
        lines = distinct_lines(order)
        assert {(line.reference, line.amount) for line in lines} == {
            (UTR, 150_000),
            (OTHER_UTR, 250),
            (SHORT_UTR, 1),
        }
        assert len(lines) == 3
    assert {line.side for line in distinct_lines(statements)} == {Side.CREDIT}
    assert {line.kind for line in distinct_lines(statements)} == {LineKind.TRANSFER}
    assert "REQ-17" in statements[0].lines[0].texts
    gap = [look.what for look in look_through([statements[0], statements[2]])]
    assert gap == [Break.GAP]


def test_a_statement_with_a_hole_is_not_believed(bank: Bank) -> None:
    bank.behave("statement-gap")
    bank.credit(150_000, UTR, "REQ-17")
    bank.credit(250, OTHER_UTR, "REQ-18")
    bank.go_on(1)
    assert bank.files("camt.053")
    with pytest.raises(StatementError, match="does not add up"):
        bank.statements("camt.053")
