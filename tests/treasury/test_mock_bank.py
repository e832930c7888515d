"""Goal: somebody else's bank is told what to pay, answers, pays and tells so, without a
hand: afterwards nothing is on its way but what the bank has refused.

Method: PyPI's mock-bank runs as a process of its own; it is given our pain.001, and its
pain.002, camt.054 and camt.053 are read and booked by the product's own parts, on a
ledger asked by hand. It accepts, refuses some, all, or in silence, and gives back.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.bank.booking import Bank as OurBank
from switch.bank.camt import read_camt
from switch.bank.instructed import Known, Standing, Verdict, judge, read_instruction
from switch.bank.payment_status import read_status
from switch.bank.planning import Standing as Stands
from switch.bank.planning import plan
from switch.bank.sequence import join_pages, look_through
from switch.bank_rows import read_statement
from switch.codes import Record, Result, RowFlag, Source
from switch.signed import pack_lines
from tests.bank.mock import IBAN, Bank, mock_bank
from tests.core.cashier import BANK, BANK_SUSPENSE, TRANSIT, beneficiary, ending
from tests.core.council import HEAD, SECOND_NS, SETTLEMENT
from tests.signing import lines_of
from tests.treasury.paying import Paymaster

CLOSED = "GB29NWBK60161331926819"


class Payer(Paymaster):
    """Its bank account is the bank's; and it takes what the bank tells."""

    bank_number = IBAN.encode()

    def instruct(self) -> tuple[str, bytes]:
        """Close the window; its instruction's name, and the file."""
        data = self.made(self.close_window())
        return read_instruction(data, "ours").name, data

    def take(
        self, bank: Bank, kinds: tuple[str, ...] = ("camt.054", "camt.053")
    ) -> list[Result]:
        """Book all that the bank has told so far and the ledger lacks."""
        told = [one for kind in kinds for one in self.parts(bank.files(kind))]
        statements = join_pages(told)
        assert {str(one.what) for one in look_through(statements)} <= {"repeated"}
        last = int(self.ledger.records(Record.STATEMENT)[-1])
        record = read_statement(self.ledger.tail(last)) if last else None
        stands = Stands(OurBank(1, BANK, self.ledger.instance), record)
        day = dt.date(2026, 12, 31)
        wanted = plan(statements, {IBAN: stands}, Source.CAMT, day)
        assert wanted.late == ()
        results = []
        for one in wanted.wanted:
            lines = lines_of(pack_lines(one.piece.lines))
            asked = self.say(*lines)
            results += self.done(asked, *range(len(lines)))
        return results

    def parts(self, files: list[bytes]) -> list:  # type: ignore[type-arg]
        """As the bank is known to write: the payer's reference in place of its own."""
        return [
            one
            for at, data in enumerate(files)
            for one in read_camt(data, f"file {at}", references=("EndToEndId",))
        ]

    @property
    def on_its_way(self) -> int:
        """Paise."""
        return self.balance(TRANSIT)


@pytest.fixture
def bank() -> Iterator[Bank]:
    with mock_bank() as made_bank:
        made_bank.open("CLOSED", CLOSED, "closed-account")
        yield made_bank


@pytest.fixture
def payer(tmp_path: Path, bank: Bank) -> Iterator[Payer]:
    one = Payer(tmp_path / "ledger")
    one.begin_paying()
    one.now = now_ns(bank)
    yield one
    one.close()


def now_ns(bank: Bank) -> int:
    """What time it is at the bank."""
    now = bank.ask("GET", "/_mock/state")["clock"]["now"]
    return int(dt.datetime.fromisoformat(now).timestamp()) * SECOND_NS


def judged(bank: Bank, data: bytes, ledger: Known | None = None) -> list[Standing]:
    """How our instruction stands, by all that the bank has answered."""
    ours = read_instruction(data, "ours")
    reports = [read_status(one, "theirs") for one in bank.answers(ours.name)]
    return judge([ours], reports, ledger)


def next_day(payer: Payer, bank: Bank, days: int = 1) -> None:
    """Go on, and take what the bank tells."""
    bank.go_on(days)
    payer.now = now_ns(bank)
    assert set(payer.take(bank)) == {Result.OK}


def test_all_is_accepted_and_paid(payer: Payer, bank: Bank) -> None:
    sequences = [payer.pay_out(700), payer.pay_out(1_234_567, 1), payer.pay_out(1)]
    _, data = payer.instruct()
    answer = bank.pay(data)
    assert (answer["status"], answer["findings"]) == ("ACCP", []), answer
    found = judged(bank, data)
    assert [one.payment for one in found] == [payer.number(one) for one in sequences]
    assert {(one.verdict, one.code) for one in found} == {(Verdict.ACCEPTED, "ACCP")}
    assert payer.on_its_way == 700 + 1_234_567 + 1
    bank.go_on(1)
    payer.now = now_ns(bank)
    # The advice has the debits, and the statement tells them again.
    assert payer.take(bank, ("camt.054",)) == [Result.OK] * 3
    assert payer.on_its_way == 0
    again = [Result.ALREADY_BOOKED] * 3
    assert payer.take(bank, ("camt.053",)) == [*again, Result.OK]
    assert payer.on_its_way == 0
    assert payer.balance(BANK) == 700 + 1_234_567 + 1
    rows = map(payer.ledger.row, payer.ledger.account_rows(TRANSIT, 0, 99).tolist())
    matched = {one.resolves for one in rows if RowFlag.MATCHED in one.flags}
    assert matched == {*sequences}
    assert payer.take(bank) == [], "the same files again"
    # Sent a second time it is refused, which says nothing of the first.
    assert bank.pay(data)["status"] == "RJCT"
    found = judged(bank, data, Known(()))
    assert {one.verdict for one in found} == {Verdict.ACCEPTED}
    assert all("sent before" in one.notes[0] for one in found)


def test_one_of_three_is_refused(payer: Payer, bank: Bank) -> None:
    payer.payees[0] = payer.registered(beneficiary(HEAD, CLOSED.encode()))
    payer.now += 2 * SECOND_NS
    payer.pay_out(500, 1)
    refused = payer.pay_out(600)
    payer.pay_out(700, 1)
    _, data = payer.instruct()
    assert bank.pay(data)["status"] == "PART"
    found = {one.payment: one for one in judged(bank, data)}
    [one] = [one for one in found.values() if one.verdict is Verdict.REJECTED]
    assert (one.payment, one.amount) == (payer.number(refused), 600)
    assert [reason.code for reason in one.reasons] == ["AC04"]
    next_day(payer, bank)
    assert payer.on_its_way == 600
    # Two people take it back; then it can be paid anew.
    before = payer.balance(SETTLEMENT)
    told = payer.told(ending(0, 600, TRANSIT, SETTLEMENT))
    assert told.result == Result.ACCOUNT_KIND_WRONG
    told = payer.told(ending(refused, 600, TRANSIT, SETTLEMENT))
    assert told.result == Result.OK
    assert (payer.on_its_way, payer.balance(SETTLEMENT)) == (0, before + 600)
    again = payer.pay_out(600, 1)
    _, data = payer.instruct()
    assert bank.pay(data)["status"] == "ACCP"
    next_day(payer, bank)
    assert payer.on_its_way == 0
    assert [one.payment for one in judged(bank, data)] == [payer.number(again)]


def test_a_file_that_is_refused_whole(payer: Payer, bank: Bank) -> None:
    bank.behave("reject-file")
    payer.pay_out(500, 1)
    payer.pay_out(600)
    _, data = payer.instruct()
    assert bank.pay(data)["status"] == "RJCT"
    found = judged(bank, data)
    assert {one.verdict for one in found} == {Verdict.REJECTED}
    assert [one.reasons[0].code for one in found] == ["FF01", "FF01"]
    next_day(payer, bank)
    assert payer.on_its_way == 1_100


def test_silence_is_no_answer_but_its_statement_is(payer: Payer, bank: Bank) -> None:
    bank.behave("silent")
    payer.pay_out(500, 1)
    _, data = payer.instruct()
    assert bank.pay(data)["status"] == "ACCP"
    assert bank.answers(read_instruction(data, "ours").name) == []
    [one] = judged(bank, data)
    assert (one.verdict, one.code) == (Verdict.PENDING, "")
    next_day(payer, bank)
    assert payer.on_its_way == 0
    [one] = judged(bank, data, Known(()))
    assert one.booked


def test_what_comes_back_is_settlement_s_again(payer: Payer, bank: Bank) -> None:
    change = {"behaviour": "return-later", "parameters": {"days": 1, "reason": "AC04"}}
    bank.ask("PATCH", "/_mock/accounts/FLOAT", change)
    release = payer.pay_out(500, 1)
    before = payer.balance(SETTLEMENT)
    _, data = payer.instruct()
    assert bank.pay(data)["status"] == "ACCP"
    next_day(payer, bank, 3)
    assert payer.on_its_way == 0
    assert payer.balance(BANK_SUSPENSE) == 500
    [item] = payer.ledger.account_rows(BANK_SUSPENSE, 0, 9).tolist()
    assert payer.ledger.row(item).resolves == release
    back = payer.told(ending(item, 500, BANK_SUSPENSE, SETTLEMENT))
    assert back.result == Result.OK
    assert payer.balance(SETTLEMENT) == before + 500
