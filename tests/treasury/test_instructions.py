"""Goal: a bank is told to pay just what two people have released in a window, to whom
they saw, and is told the same, byte for byte, whenever the file is made again.

Method: a ledger asked by hand, with all that may lie in a bank's transit account beside
payouts; every file against ISO's schema and read a second time, by lxml, field by field
against what was asked for. The ledger goes on, is opened, and made anew of its journal.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lxml import etree

from switch.codes import Kind, Result
from switch.errors import CorruptionError
from switch.file_names import parse_instruction_id, parse_name
from switch.treasury import instructions, payouts
from switch.treasury.books import NoFileError
from switch.treasury.instructions import NAMESPACE
from switch.treasury.payouts import find_payouts
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
from tests.core.council import (
    DAY_NS,
    HEAD,
    SECOND_NS,
    SETTLEMENT,
    WALLET,
    participant,
    register,
    top_up,
)
from tests.signing import Line
from tests.treasury.paying import Paymaster, begun, named

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
    data = payer.made(window)
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
    assert name.startswith("P2025-26-0002-01-1-")
    [file] = payer.names(window)
    assert file.text == f"P2025-26-0002-{NUMBER.decode()}-1.xml"
    assert parse_name(file.text) == file
    assert parse_instruction_id(name) == (1, file._replace(owner=""))
    assert all_of(body, "PmtInf/PmtInfId") == [name]
    assert data.isascii()


@pytest.mark.parametrize("how", RESTS)
def test_made_again_it_is_the_same(payer: Paymaster, how: str) -> None:
    payer.pay_out(500)
    window = payer.close_window()
    before = payer.made(window)
    # What comes later is another window's, and another name is another row's.
    payer.registered(beneficiary(HEAD, b"666") + named("SOMEBODY ELSE"))
    renamed = register(participant(1) + b'{"name_en":"ANOTHER"}')
    assert payer.told(renamed).result == Result.OK
    payer.told(ending(payer.payees[1], 9, SETTLEMENT, TRANSIT))
    payer.rest(how)
    assert payer.made(window) == before
    later = payer.close_window()
    assert payer.payouts(later).amount == 9
    assert b"ANOTHER" in payer.made(later)


def test_made_of_a_copy_it_is_the_same(payer: Paymaster, tmp_path: Path) -> None:
    payer.pay_out(500)
    window = payer.close_window()
    payer.registered(beneficiary(HEAD, b"666") + named("SOMEBODY ELSE"))
    before = payer.made(window)
    [name] = payer.names(window)
    beside = payer.instruction(name).manifest(1, bytes(32))
    payer.ledger.close()
    shutil.copytree(payer.path / "journal", tmp_path / "copy" / "journal")
    copy = Paymaster(tmp_path / "copy")
    assert copy.made(window) == before
    assert copy.instruction(name).manifest(1, bytes(32)) == beside
    copy.close()
    payer.reopen()


def test_windows_part_all_payouts(payer: Paymaster) -> None:
    windows, wanted = [], []
    for count in (1, 0, 3):
        wanted.append([payer.pay_out(10 + at) for at in range(count)])
        windows.append(payer.close_window())
    # Nothing lies between them.
    assert [payer.payouts(one).sequences.tolist() for one in windows] == wanted
    first, none, third = map(payer.names, windows)
    assert (len(first), none, len(third)) == (1, [], 1)
    for wrong in (
        first[0]._replace(ordinal=3),
        first[0]._replace(part=2),
        first[0]._replace(owner="NOBODY"),
    ):
        with pytest.raises(NoFileError):
            payer.instruction(wrong)
    ids = {payer.instruction(one).id[-3:] for one in (*first, *third)}
    assert len(ids) == 2, "letters of the window are in the message's name"


def test_steps_and_parts(
    payer: Paymaster, schema: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer.pay_out(1)
    payer.close_window()
    wanted = [payer.pay_out(10 + at, at % 2) for at in range(7)]
    window = payer.close_window()
    whole = payer.made(window)
    for step in (1, 2, 3, 7, 8, 9):
        monkeypatch.setattr(payouts, "STEP_FIRST", step)
        monkeypatch.setattr(payouts, "STEP_ROWS", step + step // 3)
        monkeypatch.setattr(instructions, "STEP_PAYOUTS", step)
        assert payer.payouts(window).sequences.tolist() == wanted
        assert payer.made(window) == whole
    monkeypatch.setattr(instructions, "PART_PAYOUTS", 3)
    names = payer.names(window)
    assert [one.part for one in names] == [1, 2, 3]
    bodies = [read(b"".join(payer.instruction(one).blocks()), schema) for one in names]
    assert [all_of(one, "GrpHdr/NbOfTxs") for one in bodies] == [["3"], ["3"], ["1"]]
    assert [all_of(one, "GrpHdr/CtrlSum") for one in bodies] == [
        ["0.33"], ["0.42"], ["0.16"]
    ]  # fmt: skip
    numbers = [one for body in bodies for one in all_of(body, f"{PAY}/PmtId/InstrId")]
    assert numbers == [payer.number(one) for one in wanted]
    assert len({all_of(one, "GrpHdr/MsgId")[0] for one in bodies}) == 3


def test_a_name_is_never_a_number(payer: Paymaster, schema: Any) -> None:
    # Whoever is called like a release would have the bank's line name two.
    other = payer.number(payer.pay_out(5))
    named_so = beneficiary(HEAD) + named(f"Board {other.lower()}")
    payer.payees[0] = payer.registered(named_so)
    payer.now += 2 * SECOND_NS
    payer.pay_out(6)
    body = read(payer.made(payer.close_window()), schema)
    assert all_of(body, f"{PAY}/Cdtr/Nm")[1] == "biller"


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
    assert payer.payouts(window).left_out_count == 0


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
    [name] = payer.names(window)
    maker = payer.instruction(name)
    assert payer.number(nobody).encode() not in b"".join(maker.blocks())
    beside = json.loads(maker.manifest(1, bytes(32)))
    assert beside["left_out"] == [
        {"sequence": nobody, "amount": "0.30", "why": left.why}
    ]
    assert (beside["left_out_payments"], beside["left_out_amount"]) == (1, "0.30")
    assert (beside["payments"], beside["amount"]) == (1, "0.40")
    assert beside["message"] == maker.id
    payer.close()


def test_what_was_recalled_in_its_window_is_left_out(payer: Paymaster) -> None:
    back, stays, later = (payer.pay_out(amount) for amount in (30, 40, 50))
    assert payer.told(ending(back, 30, TRANSIT, SETTLEMENT)).result == Result.OK
    window = payer.close_window()
    found = payer.payouts(window)
    assert found.sequences.tolist() == [stays, later]
    [left] = found.left_out
    assert (left.sequence, left.amount) == (back, 30)
    assert "recalled" in left.why
    # What is recalled later stays in the file, which the bank may have.
    before = payer.made(window)
    assert payer.told(ending(later, 50, TRANSIT, SETTLEMENT)).result == Result.OK
    assert payer.made(window) == before
    assert payer.names(payer.close_window()) == []


def test_what_one_alone_released_is_left_out(tmp_path: Path) -> None:
    alone = without_people(tmp_path / "ledger")

    def asked(line: Line) -> int:
        told = alone.ask(
            line.kind,
            amount=line.amount,
            resolves=line.resolves,
            debit=line.debit,
            credit=line.credit,
            reference=line.reference,
        )
        assert told.result == Result.OK, told
        return told.sequence

    asked(top_up(900, b"UTR000000001"))
    asked(transfer(900, WALLET, HEAD))
    before = alone.ask(Kind.WINDOW, id=bytes(16)).sequence
    asked(Line(Kind.SETTLE, 900, before, HEAD, SETTLEMENT, bytes(32)))
    payee = alone.ask(Kind.REGISTER, tail=beneficiary(HEAD)).sequence
    alone.now += 2 * DAY_NS
    release = asked(ending(payee, 800, SETTLEMENT, TRANSIT))
    window = alone.ask(Kind.WINDOW, id=bytes(16), resolves=before).sequence
    found = find_payouts(alone.ledger, before, window, TRANSIT)
    assert len(found.sequences) == 0
    [left] = found.left_out
    assert (left.sequence, left.amount) == (release, 800)
    assert "by one person alone" in left.why
    alone.close()


def test_a_sum_that_no_bank_can_read(
    payer: Paymaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        payer.pay_out(1)
    [name] = payer.names(payer.close_window())
    payer.instruction(name)
    monkeypatch.setattr(instructions, "AMOUNT_MAX", 2)
    payer.instruction(name)
    monkeypatch.setattr(instructions, "AMOUNT_MAX", 1)
    with pytest.raises(CorruptionError, match="more than a bank"):
        payer.instruction(name)


def test_names_of_messages() -> None:
    for wrong in (
        "P2025-26-0001-01-1-AB",
        "P2025-27-0001-01-1-ABC",
        "P2025-26-00001-01-1-ABC",
        "P2025-26-0001-001-1-ABC",
        "P2025-26-0001-01-01-ABC",
        "S2025-26-0001-01-1-ABC",
        " P2025-26-0001-01-1-ABC",
        "NOTPROVIDED",
        "",
    ):
        assert parse_instruction_id(wrong) is None, wrong
