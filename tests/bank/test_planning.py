"""Goal: the same files again propose nothing, a chain that was cut off goes on where it
ended, and what cannot follow is told before anybody signs it.

Method: statements of chance are cut into pieces and put into a ledger's place one by
one; after each the plan of the same files has just the rest.
"""

import datetime as dt
from dataclasses import replace
from itertools import count

import pytest

from switch.bank import booking
from switch.bank.booking import Bank
from switch.bank.lines import BankLine, Side, Statement, StatementError
from switch.bank.planning import Plan, Standing, plan
from switch.bank_rows import StatementRecord
from switch.codes import Source

ACCOUNT, OTHER = "0123456789", "9876543210"
DAY = dt.date(2026, 11, 27)
BANKS = {ACCOUNT: Bank(1, 11, bytes(16)), OTHER: Bank(2, 21, bytes(16))}

_counter = count(1)


def line(amount: int = 100, side: Side = Side.CREDIT, day: dt.date = DAY) -> BankLine:
    return BankLine(ACCOUNT, side, amount, day, f"PLAN{next(_counter):08d}")


def day(
    number: int, opening: int, *lines: BankLine, account: str = ACCOUNT
) -> Statement:
    """The statement of a day."""
    date = dt.date(2026, 11, number)
    return Statement(
        account,
        f"S-{number}",
        lines,
        opening=opening,
        closing=opening + sum(one.change for one in lines),
        number=number,
        first_day=date,
        last_day=date,
    )


def advice(*lines: BankLine) -> Statement:
    return Statement(ACCOUNT, f"A-{next(_counter)}", lines, is_advice=True)


def planned(
    *statements: Statement, last: StatementRecord | None = None, other: bool = False
) -> Plan:
    there = {ACCOUNT: Standing(BANKS[ACCOUNT], last)}
    if other:
        there[OTHER] = Standing(BANKS[OTHER], None)
    return plan(statements, there, Source.CAMT, DAY)


def last_of(found: Plan) -> StatementRecord:
    """What a ledger has, once all of a plan is done."""
    records = [one.piece.statement for one in found.wanted if one.piece.statement]
    return records[-1]


def test_days_in_any_order_and_once() -> None:
    days = [
        day(20, 0, line()),
        day(21, 100, line()),
        day(22, 200),
        day(23, 200, line()),
    ]
    found = planned(days[2], days[0], days[3], days[1], days[0])
    assert [one.statement for one in found.wanted] == days
    assert (found.already, found.older, found.late) == ((), (), ())
    for at in range(1, 5):
        last = last_of(planned(*days[:at]))
        rest = planned(*days, last=last)
        assert [one.statement for one in rest.wanted] == days[at:]
        assert {one.name for one in rest.already} == {one.name for one in days[:at]}


def test_two_of_one_day_and_two_accounts() -> None:
    first = replace(day(20, 0, line()), number=None)
    second = replace(day(20, 100, line()), name="S-20b", number=None)
    far = day(20, 5, line(), account=OTHER)
    found = planned(far, second, first, other=True)
    assert [one.statement for one in found.wanted] == [far, first, second]
    rest = planned(second, first, last=last_of(planned(first)))
    assert [one.statement for one in rest.wanted] == [second]


def test_a_chain_that_was_cut_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "STATEMENT_LINES_MAX", 2)
    amounts = (5, -5, 7, 1, 2, -3, 4)
    whole = day(
        20,
        50,
        *(line(abs(one), Side.CREDIT if one > 0 else Side.DEBIT) for one in amounts),
    )
    found = planned(whole)
    records = [one.piece.statement for one in found.wanted]
    assert len(records) == 4
    for at, record in enumerate(records):
        rest = planned(whole, last=record)
        told = [one.piece.statement for one in rest.wanted]
        # Its first piece ends where it begins: what is asked for again does no harm.
        assert told == records[at + 1 :]
    assert planned(whole, last=records[-1]).already == (whole,)


def test_what_does_not_follow() -> None:
    last = last_of(planned(day(20, 0, line())))
    with pytest.raises(StatementError, match="one between is missing"):
        planned(day(22, 101, line()), last=last)
    # Of the same place, and another one.
    with pytest.raises(StatementError, match="one between is missing"):
        planned(replace(day(20, 5, line()), name="S-20b"), last=last)
    old = day(19, 5, line())
    found = planned(old, last=last)
    assert (found.wanted, found.already, found.older) == ((), (), (old,))
    for account in (OTHER, "1"):
        with pytest.raises(StatementError, match="not registered"):
            planned(day(20, 0, line(), account=account))


def test_advices_are_for_what_no_statement_tells() -> None:
    told, before, new = line(), line(day=dt.date(2026, 11, 19)), line()
    of_day = day(27, 0, told)
    early = advice(told)
    assert planned(early).wanted[0].piece.statement is None
    assert [one.statement for one in planned(early, of_day).wanted] == [of_day]
    both = advice(told, new)
    found = planned(both, of_day)
    assert [one.statement for one in found.wanted] == [of_day, both]
    last = last_of(planned(of_day))
    # Of the last day another statement may come; of one before it not.
    assert [one.statement for one in planned(both, last=last).wanted] == [both]
    late = advice(before)
    found = planned(late, both, last=last)
    assert found.late == (late,)
    assert [one.statement for one in found.wanted] == [both]
    bare = replace(line(), reference="")
    assert planned(advice(bare)).wanted == ()


def test_statements_of_one_day_again() -> None:
    """Without numbers their balances alone tell which the ledger has."""
    first = replace(day(20, 0, line()), number=None)
    second = replace(day(20, 100, line()), name="S-20b", number=None)
    back = replace(day(20, 200, line(200, Side.DEBIT)), name="S-20c", number=None)
    for count_ in (2, 3):
        ones = [first, second, back][:count_]
        found = planned(*ones, last=last_of(planned(*ones)))
        assert (found.wanted, found.older) == ((), ())
        assert [*found.already] == ones


def test_the_days_before_lead_to_the_last_one() -> None:
    days = [day(20, 0, line()), day(21, 100, line()), day(22, 200, line())]
    last = last_of(planned(*days))
    assert planned(days[0], days[1], last=last).already == (days[0], days[1])
    # One between is missing: whether the ledger has the first nothing tells.
    found = planned(days[0], days[2], last=last)
    assert (found.already, found.older) == ((days[2],), (days[0],))


def test_what_nobody_can_follow_is_told() -> None:
    """A thief's statement of tomorrow: the bank's are older, and not there."""
    false = StatementRecord(Source.CAMT, 1, 9, 20_785, 20_785, 0, 0, 10**9, bytes(8))
    true = [day(26, 0, line()), day(27, 100, line())]
    found = planned(*true, last=false)
    assert (found.wanted, found.already, found.older) == ((), (), (*true,))


def test_a_day_to_come_is_not_believed() -> None:
    """Nothing could follow it until then: a map that takes days for months, say."""
    for number, is_good in ((28, True), (29, False)):
        on = dt.date(2026, 11, number)
        later = day(number, 0, line(day=on))
        for one in (later, replace(later, opening=None, closing=None, is_advice=True)):
            if is_good:
                assert planned(one).wanted
                continue
            with pytest.raises(StatementError, match="a day to come"):
                planned(one)
