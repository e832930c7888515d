"""Goal: a bank is told to pay just what two people have released in a window, to whom
they saw, and is told the same, byte for byte, whenever the file is made again.

Method: a ledger asked by hand, with all that may lie in a bank's transit account beside
payouts; every file against ISO's schema and read a second time, by lxml, field by field
against what was asked for. The ledger goes on, is opened, and made anew of its journal.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lxml import etree

from switch.codes import AMOUNT_MAX, Kind, Result
from switch.treasury import payouts as parts
from switch.treasury.instructions import NAMESPACE, instruct
from switch.treasury.payouts import PayoutsError, find_payouts
from tests.core.cashier import (
    BANK_SUSPENSE,
    NUMBER,
    OTHER_TRANSIT,
    RESTS,
    TRANSIT,
    beneficiary,
    credit,
    debit,
    ending,
    transfer,
    without_people,
)
from tests.core.council import HEAD, SETTLEMENT, WALLET, top_up
from tests.treasury.paying import DEBTOR, Paymaster, begun, made, named

SCHEMA = Path(__file__).resolve().parents[2] / "build/bank" / "pain.001.001.09.xsd"
PAY = "PmtInf/CdtTrfTxInf"


@pytest.fixture
def payer(tmp_path: Path) -> Iterator[Paymaster]:
    one = begun(tmp_path / "ledger")
    yield one
    one.close()


@pytest.fixture(scope="module")
def schema() -> Any:
    return etree.XMLSchema(etree.parse(SCHEMA))


def read(data: bytes, schema: Any) -> Any:
    """What is below the document, valid."""
    document = etree.fromstring(data)
    schema.assertValid(document)
    [body] = document
    return body


def all_of(body: Any, path: str) -> list[str]:
    """What the elements at a path say."""
    names = "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))
    return [one.text for one in body.findall(names)]


def test_two_payouts_field_by_field(payer: Paymaster, schema: Any) -> None:
    sequences = [payer.pay_out(1_234_567), payer.pay_out(100, 1), payer.pay_out(7, 1)]
    newest = payer.now
    window = payer.close_window()
    data = made(payer.ledger, window)
    body = read(data, schema)
    numbers = [payer.number(one) for one in sequences]
    for path in ("PmtId/EndToEndId", "PmtId/InstrId", "RmtInf/Ustrd"):
        assert all_of(body, f"{PAY}/{path}") == numbers
    assert all_of(body, f"{PAY}/Amt/InstdAmt") == ["12345.67", "1.00", "0.07"]
    amounts = body.iterfind(f".//{{{NAMESPACE}}}InstdAmt")
    assert {one.get("Ccy") for one in amounts} == {"INR"}
    names = all_of(body, f"{PAY}/Cdtr/Nm")
    assert names == ["pashchimabangga bidyut + Sons", "biller", "biller"]
    accounts = all_of(body, f"{PAY}/CdtrAcct/Id/Othr/Id")
    assert accounts == ["987654321", "55", "55"]
    branches = all_of(body, f"{PAY}/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId")
    assert branches == ["BANK0AB1234", "SBIN0001234", "SBIN0001234"]
    for path, wanted in (
        ("NbOfTxs", "3"),
        ("CtrlSum", "12346.74"),
    ):
        assert all_of(body, f"GrpHdr/{path}") == all_of(body, f"PmtInf/{path}")
        assert all_of(body, f"GrpHdr/{path}") == [wanted]
    [created] = all_of(body, "GrpHdr/CreDtTm")
    told_ns = int(np.datetime64(created[:-6], "ns").astype(int)) - 19_800 * 10**9
    assert told_ns == newest // 10**9 * 10**9
    assert created.endswith("+05:30")
    assert all_of(body, "PmtInf/ReqdExctnDt/Dt") == [created[:10]]
    assert all_of(body, "PmtInf/DbtrAcct/Id/Othr/Id") == [NUMBER.decode()]
    assert all_of(body, "PmtInf/BtchBookg") == ["false"]
    [name] = all_of(body, "GrpHdr/MsgId")
    assert name.startswith("P2025-0001-01-")
    assert all_of(body, "PmtInf/PmtInfId") == [name]
    assert data.isascii()


@pytest.mark.parametrize("how", RESTS)
def test_made_again_it_is_the_same(payer: Paymaster, how: str) -> None:
    payer.pay_out(500)
    window = payer.close_window()
    before = made(payer.ledger, window)
    # What comes later is another window's, and another name is another row's.
    payer.registered(beneficiary(HEAD, b"666") + named("SOMEBODY ELSE"))
    payer.told(ending(payer.payees[1], 9, SETTLEMENT, TRANSIT))
    payer.rest(how)
    assert made(payer.ledger, window) == before
    later = payer.close_window()
    assert payer.payouts(later).amount == 9
    assert made(payer.ledger, later) != before


def test_windows_part_all_payouts(payer: Paymaster) -> None:
    windows, wanted = [], []
    for count in (1, 0, 3):
        wanted.append([payer.pay_out(10 + at) for at in range(count)])
        windows.append(payer.close_window())
    # Nothing lies between them.
    assert [payer.payouts(one).sequences.tolist() for one in windows] == wanted
    with pytest.raises(PayoutsError, match="nothing is to be paid"):
        made(payer.ledger, windows[1])
    names = {made(payer.ledger, one)[200:260] for one in (windows[0], windows[2])}
    assert len(names) == 2, "letters of the window are in the name"


def test_steps_find_what_lies_behind_them(
    payer: Paymaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer.pay_out(1)
    payer.close_window()
    wanted = [payer.pay_out(10 + at, at % 2) for at in range(7)]
    window = payer.close_window()
    whole = made(payer.ledger, window)
    for step in (1, 2, 3, 7, 8, 9):
        monkeypatch.setattr(parts, "STEP_ROWS", step)
        monkeypatch.setattr("switch.treasury.instructions.STEP_PAYOUTS", step)
        assert payer.payouts(window).sequences.tolist() == wanted
        assert made(payer.ledger, window) == whole
    monkeypatch.setattr(parts, "PAYOUTS_MAX", 6)
    with pytest.raises(PayoutsError, match="more than 6 payouts"):
        payer.payouts(window)


def test_only_payouts_of_this_account(payer: Paymaster) -> None:
    ours = payer.pay_out(40)
    theirs = payer.pay_out(50, to=OTHER_TRANSIT)
    # A return to its remitter, a debit that settlement has paid, and lines of the bank.
    item = payer.book(credit(60, b"NEFT00000001")).sequence
    assert payer.told(ending(item, 60, BANK_SUSPENSE, TRANSIT)).result == Result.OK
    taken = payer.book(debit(70, b"NEFT00000002")).sequence
    assert payer.told(ending(taken, 70, SETTLEMENT, TRANSIT)).result == Result.OK
    payer.book(debit(40, b"NEFT00000003", ours))
    window = payer.close_window()
    assert payer.payouts(window).sequences.tolist() == [ours]
    assert payer.payouts(window, OTHER_TRANSIT).sequences.tolist() == [theirs]
    assert payer.payouts(window).left_out == ()


def test_who_names_nobody_is_left_out_and_told(tmp_path: Path) -> None:
    payer = Paymaster(tmp_path / "ledger").begin_paying(with_payees=False)
    nobody = payer.told(ending(0, 30, SETTLEMENT, TRANSIT)).sequence
    payer.register_payees()
    somebody = payer.pay_out(40)
    window = payer.close_window()
    found = payer.payouts(window)
    assert (found.sequences.tolist(), found.amount) == ([somebody], 40)
    [left] = found.left_out
    assert (left.sequence, left.amount) == (nobody, 30)
    assert "nobody is named" in left.why
    payer.close()


def test_what_one_alone_released_is_left_out(tmp_path: Path) -> None:
    alone = without_people(tmp_path / "ledger")
    for line in (
        top_up(900, b"UTR000000001"),
        transfer(900, WALLET, SETTLEMENT),
        transfer(800, SETTLEMENT, TRANSIT),
    ):
        told = alone.ask(
            line.kind,
            amount=line.amount,
            debit=line.debit,
            credit=line.credit,
            reference=line.reference,
        )
        assert told.result == Result.OK
    window = alone.ask(Kind.WINDOW, id=bytes(16)).sequence
    found = find_payouts(alone.ledger, window, TRANSIT)
    assert len(found.sequences) == 0
    [left] = found.left_out
    assert "by one person alone" in left.why
    alone.close()


def test_what_is_no_window_or_no_transit(payer: Paymaster) -> None:
    release = payer.pay_out(40)
    window = payer.close_window()
    for wrong in (0, release, window + 1, 10**9):
        with pytest.raises(PayoutsError, match="has closed no window"):
            payer.payouts(wrong)
    for account in (WALLET, SETTLEMENT, BANK_SUSPENSE):
        with pytest.raises(PayoutsError, match="transit"):
            payer.payouts(window, account)


def test_a_sum_that_no_bank_can_read(payer: Paymaster) -> None:
    payer.pay_out(40)
    found = payer.payouts(payer.close_window())
    for amount, is_fine in ((AMOUNT_MAX, True), (AMOUNT_MAX + 1, False)):
        one = found._replace(amount=amount)
        if is_fine:
            assert instruct(payer.ledger, one, DEBTOR, "2025-0001").payouts == one
            continue
        with pytest.raises(PayoutsError, match="more than can be said"):
            instruct(payer.ledger, one, DEBTOR, "2025-0001")
