"""Goal: who approves what the treasury arranges sees what it is: where money goes, who
owes, what an account begins with, whose certificate is revoked.

Method: tails are packed from docs/data-model.md by hand; names of accounts are chosen
to pass for others.
"""

import struct

import pytest

from switch.bank_rows import (
    BeneficiaryRecord,
    beneficiary_tail,
    is_account_number,
    is_ifsc,
    read_beneficiary,
)
from switch.codes import Kind, RowFlag
from switch.console.words import WORDS
from switch.said import paise_of, payee_text, say
from switch.signed import Line, ThresholdsRecord, read_thresholds, thresholds_tail

FLOAT, SETTLEMENT = "treasury float", "treasury settlement"
BANK, TRANSIT = "bank/0123", "bank/0123 transit"


def test_a_beneficiary_as_the_page_says() -> None:
    one = BeneficiaryRecord(True, 9, "0011223344", "SBIN0001234")
    tail = beneficiary_tail(one)
    assert tail == struct.pack(
        "<BBHI40s16s", 13, 1, 0, 9, b"0011223344", b"SBIN0001234"
    )
    assert len(tail) == 64
    assert read_beneficiary(tail + b'{"name":"x"}') == one
    for wrong in (one._replace(account=2**32), one._replace(number="ক")):
        with pytest.raises(ValueError, match="no beneficiary"):
            beneficiary_tail(wrong)
    said = say(Line(Kind.REGISTER, tail=tail + b'{"ifsc":"HDFC0000001"}'))
    assert said.what == "beneficiary"
    assert said.facts == (
        ("account no", "9"),
        ("number", "0011223344"),
        ("ifsc", "SBIN0001234"),
        ("active", "yes"),
        ("text ifsc", '"HDFC0000001"'),
    )
    assert all(map(is_account_number, ("1", "A" * 34)))
    assert not any(map(is_account_number, ("", "a1", "A" * 35, "12 3", "12\n", "১২")))
    assert is_ifsc("SBIN0AB1234")
    wrong_codes = ("SBIN1001234", "SBI00012345", "sbin0001234", "SBIN000123", "")
    assert not any(map(is_ifsc, wrong_codes))


def test_thresholds_and_limits_as_the_page_says() -> None:
    one = ThresholdsRecord(1, 2, 3, 86_399, 8)
    tail = thresholds_tail(one)
    assert tail == struct.pack("<BBHIQQQ", 10, 8, 0, 86_399, 1, 2, 3)
    assert read_thresholds(tail) == one
    facts = dict(say(Line(Kind.REGISTER, tail=tail)).facts)
    waits = {"wait s": "86399", "approver days": "8"}
    assert facts == {"single": "1", "batch": "2", "day": "3", **waits}
    with pytest.raises(ValueError, match="no thresholds"):
        thresholds_tail(one._replace(wait_s=-1))
    for form, low in ((1, None), (2, 77)):
        limit = struct.pack("<QIB3xQQ", 5, 6, form, 7, 77)[: 16 + 8 * form]
        facts = dict(say(Line(Kind.LIMIT, tail=limit)).facts)
        assert facts.pop("low balance", None) == (str(low) if low else None)
        assert facts == {"a day": "5", "payments a day": "6", "a payment": "7"}
    assert paise_of("low balance", "77") == 77


def test_transfers_are_told_apart() -> None:
    def what(debit: str, credit: str, resolves: int = 0, to: str = "") -> str:
        line = Line(Kind.TRANSFER, amount=1, resolves=resolves, debit=1, credit=2)
        said = say(line, debit, credit, to).what
        assert f"what {said}" in WORDS
        return said

    assert what(FLOAT, "centre-1") == "opening"
    assert what(FLOAT, SETTLEMENT) == "opening"
    assert what(FLOAT, "power 0801-01") == "opening"
    assert what(BANK, FLOAT) == what(FLOAT, BANK) == "opening"
    assert what(FLOAT, "treasury suspense") == "fund suspense"
    # A biller's head may be called as it likes.
    assert what("power float", "treasury suspense") == "fund suspense"
    assert what(SETTLEMENT, TRANSIT) == "payout"
    assert what(SETTLEMENT, TRANSIT, 7) == "explain debit"
    assert what(SETTLEMENT, TRANSIT, 7, "power 0801-01, 1 at X") == "payout"
    assert what("centre-1", TRANSIT, 7) == "explain debit"
    assert what("bank/0123 suspense", TRANSIT, 7) == "return"
    assert what("centre-1", "treasury suspense", 7) == "recover"


def test_who_owes_and_who_is_paid_is_said() -> None:
    owed = Line(Kind.TRANSFER, int(RowFlag.OWED), 5, 7, 1, 2)
    assert say(owed, "centre-1", TRANSIT).facts == (("entry", "7"), ("owed", "yes"))
    payee = payee_text("power", "0801-01", "0011", "SBIN0001234")
    payout = owed._replace(flags=0)
    facts = dict(say(payout, SETTLEMENT, TRANSIT, payee).facts)
    assert facts == {"entry": "7", "to": "power 0801-01, 0011 at SBIN0001234"}
    assert payee_text("power", "0801-01", "", "") == ""


def test_certificates_that_are_revoked() -> None:
    authority, serial = bytes(range(32)), bytes(range(1, 20))
    tail = struct.pack("<BBHI32s20s4x", 5, 19, 0, 3, authority, serial)
    said = say(Line(Kind.REGISTER, tail=tail + b'{"reason":"stolen"}'))
    assert said.what == "revocation"
    assert dict(said.facts) == {
        "authority": authority.hex(),
        "serial": serial.hex(),
        "reason": '"stolen"',
    }
    said = say(Line(Kind.REGISTER, tail=struct.pack("<BBHI", 6, 0, 0, 17)))
    assert said == ("confirmation", (("number", "17"),))
