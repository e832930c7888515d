"""Goal: the simulated bank's files are what ISO says and what our reader believes, and
tell its book and nothing else; a bank that is opened again goes on.

Method: each kind of movement is booked; what is read out of the files is compared with
the book, which the test counts along by hand.
"""

import datetime as dt
from pathlib import Path

import pytest
from lxml import etree

from switch.bank.camt import read_camt
from switch.bank.lines import BankLine, LineKind, Side, Statement
from switch.bank.sequence import join_pages, look_through
from switch.simulator.bank import Movement, Sheet, SimulatedBank

ACCOUNT = "0123456789"
DAY = dt.date(2026, 3, 30)
SCHEMA = Path(__file__).resolve().parents[2] / "build/bank/camt.053.001.08.xsd"


@pytest.fixture
def bank() -> SimulatedBank:
    return SimulatedBank(ACCOUNT, DAY, opening=-5, number=245)


def read(*files: bytes) -> Statement:
    parts = [one for data in files for one in read_camt(data, "a file")]
    (whole,) = join_pages(parts)
    return whole


def busy(bank: SimulatedBank) -> None:
    """One of each, 1,000 paise in all."""
    bank.receive(1_500, "NEFT <T1> & more", "UTIB026332000017", "ALPHA & SONS")
    payout = bank.pay(700, "R000000000017ABC", "BETA")
    bank.give_back(payout)
    taken = bank.receive(300, "by mistake")
    bank.reverse(taken)
    bank.charge(590)
    bank.interest(90)


def check(line: BankLine, one: Movement) -> None:
    side = Side.CREDIT if one.change > 0 else Side.DEBIT
    assert (line.side, line.change, line.booked) == (side, one.change, one.day)
    assert (line.reference, line.reversal) == (one.reference, one.reversal)
    assert one.text in line.texts


def test_a_statement_is_the_book(bank: SimulatedBank) -> None:
    busy(bank)
    sheet = bank.close()
    [data] = sheet.pages()
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(etree.fromstring(data))
    one = read(data)
    assert (one.opening, one.closing) == (-5, 995)
    assert (sheet.closing, bank.balance) == (995, 995)
    assert (one.account, one.number, one.name) == (ACCOUNT, 245, "STMT-2025-00245")
    assert (one.first_day, one.last_day) == (DAY, DAY)
    for line, movement in zip(one.lines, bank.movements, strict=True):
        check(line, movement)
    kinds = [line.kind for line in one.lines]
    assert kinds[2] is LineKind.RETURN
    assert kinds[5:] == [LineKind.CHARGE, LineKind.INTEREST]
    first, *_, reversal, charge, interest = one.lines
    assert "ALPHA & SONS" in first.texts
    assert (reversal.reversal, reversal.key) != (False, first.key)
    assert (charge.reference, interest.reference) == ("", "")
    references = [line.reference for line in one.lines[:4]]
    assert len({*references}) == 4
    assert all(len(each) == 16 for each in references)


@pytest.mark.parametrize("count", [2, 3, 7, 9])
def test_pages_are_one_statement(bank: SimulatedBank, count: int) -> None:
    busy(bank)
    sheet = bank.close()
    files = sheet.pages(count)
    assert len(files) == count
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    for data in files:
        schema.assertValid(etree.fromstring(data))
    assert read(*files[::-1]) == read(*sheet.pages())


def test_an_advice_tells_what_a_statement_will_tell(bank: SimulatedBank) -> None:
    busy(bank)
    advice = read(bank.advise(bank.movements[:2]))
    statement = read(*bank.close().pages())
    assert advice.is_advice
    assert advice.lines == statement.lines[:2]
    assert not look_through([advice, statement])


def test_statements_follow_each_other_over_the_years_end(bank: SimulatedBank) -> None:
    sheets: list[Sheet] = []
    for at in range(4):
        bank.go_on(DAY + dt.timedelta(days=at))
        bank.receive(100 + at, "something")
        sheets.append(bank.close())
        if at == 2:
            sheets.append(bank.close())
    assert [one.number for one in sheets] == [245, 246, 1, 2, 3]
    assert sheets == bank.sheets
    assert sheets[3].movements == ()
    statements = [read(*one.pages()) for one in sheets]
    assert not look_through(statements)
    assert statements[-1].closing == bank.balance == -5 + 406
    with pytest.raises(ValueError, match="is before"):
        bank.go_on(DAY)


def test_what_no_statement_had_is_in_the_next(bank: SimulatedBank) -> None:
    bank.receive(100, "late")
    bank.go_on(DAY + dt.timedelta(days=1))
    bank.receive(200, "early")
    one = read(*bank.close().pages())
    assert (one.first_day, one.last_day) == (DAY, bank.day)
    assert [line.booked for line in one.lines] == [DAY, bank.day]


def test_a_bank_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "book"
    first = SimulatedBank(ACCOUNT, DAY, path=path)
    busy(first)
    first.close()
    first.go_on(DAY + dt.timedelta(days=1))
    first.receive(7, "untold")
    again = SimulatedBank(ACCOUNT, DAY, path=path)
    assert again.day == first.day
    assert (again.movements, again.sheets) == (first.movements, first.sheets)
    assert (again.balance, again.untold) == (first.balance, first.untold)
    assert again.close() == first.close()
    assert again.receive(1, "next").reference not in {
        one.reference for one in first.movements
    }
