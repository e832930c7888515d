"""Goal: what an approver is shown of a bank's lines is what their own bytes say, and
nothing that somebody wrote there passes for it.

Method: records and tails are packed a second time from docs/data-model.md; texts are
chosen to look like facts, and bytes at random are read as tails.
"""

import random
import struct

import pytest

from switch.bank_rows import (
    BankAccountRecord,
    BookedTexts,
    StatementRecord,
    bank_account_tail,
    booked_tail,
    read_bank_account,
    read_booked,
    read_statement,
    statement_tail,
)
from switch.codes import Kind, RowFlag, Source
from switch.console.words import WORDS
from switch.said import paise_of, say
from switch.signed import Line, read_line

SUSPENSE, TRANSIT = "bank/0123 suspense", "bank/0123 transit"


def test_a_bank_account_as_the_page_says() -> None:
    one = BankAccountRecord(True, 7, 65_533, "AB0123456789")
    tail = bank_account_tail(one)
    page = struct.pack("<BBHIH6s40s", 11, 1, 0, 7, 65_533, b"", b"AB0123456789")
    assert tail == page
    assert len(tail) == 56
    assert read_bank_account(tail + b'{"name":"x"}') == one
    for wrong in (one._replace(purpose=65_536), one._replace(account="ক")):
        with pytest.raises(ValueError, match="no bank account"):
            bank_account_tail(wrong)
    said = say(Line(Kind.REGISTER, tail=tail + b'{"active":"no","name":"main"}'))
    assert said.what == "bank account"
    assert said.facts == (
        ("account", "AB0123456789"),
        ("active", "yes"),
        ("purpose", "65533"),
        ("text active", '"no"'),
        ("name", '"main"'),
    )


def test_a_statement_as_the_page_says() -> None:
    one = StatementRecord(
        Source.CSV, 3, 331, 20_783, 20_784, 7, -5, 10**18, b"12345678"
    )
    tail = statement_tail(one)
    values = (3, 331, 20_783, 20_784, 7, -5, 10**18, b"12345678")
    assert tail == struct.pack("<BBHIIIIIqq8s", 12, 2, 0, *values)
    assert read_statement(tail) == one
    with pytest.raises(ValueError, match="no statement"):
        statement_tail(one._replace(number=2**32))
    said = say(Line(Kind.REGISTER, tail=tail))
    assert said.what == "statement"
    facts = dict(said.facts)
    assert facts["days"] == "2026-11-26 to 2026-11-27"
    assert [paise_of(name, facts[name]) for name in ("opening", "closing")] == [
        -5,
        10**18,
    ]
    assert paise_of("lines", facts["lines"]) is None


@pytest.mark.parametrize(
    ("flags", "debit", "credit", "what"),
    [
        (0, 5, 0, "credit"),
        (0, 0, 5, "debit"),
        # What goes the other way takes back one of the other side.
        (RowFlag.REVERSAL, 5, 0, "debit taken back"),
        (RowFlag.REVERSAL, 0, 5, "credit taken back"),
    ],
)
def test_what_was_booked(flags: int, debit: int, credit: int, what: str) -> None:
    tail = booked_tail(BookedTexts("2026-11-27", "charge", 250, ("a", "b, entry 9")))
    line = Line(Kind.BOOKED, flags, 100, 17, debit, credit, b"UTR", tail)
    assert read_line(line.pack()) == line._replace(
        reference=line.reference.ljust(32, b"\0")
    )
    said = say(line)
    assert said.what == what
    assert said.facts == (
        ("entry", "17"),
        ("booked", "2026-11-27"),
        ("kind", "charge"),
        ("charges", "250"),
        ("texts", '"a" "b, entry 9"'),
    )


def test_texts_pass_for_nothing() -> None:
    one = BookedTexts("today, entry 9", "x, charges 1", 0, ('" \x1b[2J\u202e',))
    facts = dict(say(Line(Kind.BOOKED, tail=booked_tail(one))).facts)
    assert facts["booked"] == '"today, entry 9"'
    assert facts["kind"] == '"x, charges 1"'
    assert facts["texts"].isprintable()
    assert "\\u202e" in facts["texts"]


@pytest.mark.parametrize(
    "tail",
    [
        # A name twice, of which a reader sees the last one.
        b'{"texts":["to nobody"],"texts":["b"]}',
        b'{"charges":1,"charges":0}',
        b'{"texts": ["a"]}',
        b'{"texts":["\\u0041"]}',
        b'{"charges":0}',
        b'{"texts":["a"],"booked":"2026-11-27"}',
    ],
)
def test_nothing_of_a_tail_is_hidden(tail: bytes) -> None:
    """What is not as it is made is told as it is."""
    assert read_booked(tail) == BookedTexts(texts=(tail.decode(),))


def test_any_bytes_are_read() -> None:
    draw = random.Random(3)
    whole = booked_tail(BookedTexts("2026-11-27", "charge", 5, ("ab", "cd"), True))
    for _ in range(3_000):
        tail = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            tail[draw.randrange(len(tail))] = draw.choice(b'"{}[]:,0\\u\xff\x00a')
        found = read_booked(bytes(tail))
        assert all(isinstance(text, str) for text in found.texts)
        assert say(Line(Kind.BOOKED, tail=bytes(tail))).what == "debit"


@pytest.mark.parametrize(
    ("resolves", "debit", "credit", "what"),
    [
        (0, "treasury float", "treasury suspense", "fund suspense"),
        (9, "centre-1", "treasury suspense", "recover"),
        (9, SUSPENSE, "centre-1", "end credit"),
        (9, SUSPENSE, "treasury settlement", "end credit"),
        (9, SUSPENSE, TRANSIT, "return"),
        (9, "centre-1", TRANSIT, "explain debit"),
        (0, "treasury settlement", TRANSIT, "payout"),
        # A biller may be called bank, and its head as it likes.
        (9, "bank suspense", "bank transit", "recover"),
    ],
)
def test_a_transfer_by_its_accounts(
    resolves: int, debit: str, credit: str, what: str
) -> None:
    said = say(Line(Kind.TRANSFER, resolves=resolves), debit, credit)
    assert said.what == what
    assert f"what {what}" in WORDS
