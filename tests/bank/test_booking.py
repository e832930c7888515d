"""Goal: what a bank has said becomes just the lines that the ledger's page says, so
that a movement has one key in whatever file it stands, and any statement chains.

Method: files of the second writer and statements of chance; what is made is read by the
tests' own reading of lines and of the statement's record, and what it must be follows
from the page. Tails are cut at each size around their bound.
"""

import datetime as dt
import json
import random
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from switch.bank import booking
from switch.bank.booking import Bank, Piece, book, book_advice
from switch.bank.camt import read_camt
from switch.bank.lines import (
    BankLine,
    LineKind,
    Side,
    Statement,
    StatementError,
    canonical_reference,
    tidy_text,
)
from switch.bank_numbers import Letter, make_number
from switch.bank_rows import BookedTexts, booked_tail, read_booked, read_statement
from switch.codes import BOOKED_TAIL_MAX, Kind, RowFlag, Source
from switch.signed import LINES_MAX, LINES_SIZE_MAX, SIGNATURE_SIZE, pack_lines
from tests.bank.writer import ACCOUNT, OTHER_UTR, SHORT_UTR, UTR, Detail, Entry, Sheet
from tests.signing import Line, lines_of

INSTANCE = bytes(range(50, 66))
BANK = Bank(3, 17, INSTANCE)
EPOCH = dt.date(1970, 1, 1)
DAY = dt.date(2026, 11, 27)
REQUEST = make_number(Letter.REQUEST, INSTANCE, 4711)
RELEASE = make_number(Letter.RELEASE, INSTANCE, 815)


def written(piece: Piece) -> list[Line]:
    """The lines of a piece, by the tests' own reading."""
    return lines_of(pack_lines(piece.lines))


def record(line: Line) -> tuple[object, ...]:
    """A statement's record, from the page: source, bank, number, days, lines, balances,
    name.
    """
    assert (line.kind, len(line.tail)) == (Kind.REGISTER, 48)
    kind, *values = struct.unpack("<BBxxIIIIIqq8s", line.tail)
    assert kind == 12
    return tuple(values)


def line(
    amount: int = 100, side: Side = Side.CREDIT, reference: str = UTR, **more: Any
) -> BankLine:
    return BankLine(ACCOUNT, side, amount, DAY, reference, **more)


def statement(lines: Sequence[BankLine], opening: int = 0, **more: Any) -> Statement:
    change = sum(one.change for one in lines)
    values: dict[str, Any] = {
        "opening": opening,
        "closing": opening + change,
        "number": 331,
        "first_day": DAY,
        "last_day": DAY,
    }
    return Statement(ACCOUNT, "S-331", tuple(lines), **(values | more))


def made_of(one: BankLine) -> Line:
    [piece] = book(statement([one]), BANK, Source.CAMT)
    booked, _ = written(piece)
    return booked


# --- a line --------------------------------------------------------------------------


def test_a_file_as_lines() -> None:
    entries = (
        Entry(details=(Detail(remittance=f"top up {REQUEST.lower()} centre"),)),
        Entry(amount="20.00", side="DBIT", details=(Detail("20.00", OTHER_UTR),)),
        Entry(amount="1.50", side="DBIT", family="CHRG", details=()),
    )
    data = Sheet(entries, closing="1578.50").xml()
    [piece] = book(read_camt(data, "a.xml")[0], BANK, Source.CAMT)
    credit, debit, charge, own = written(piece)
    assert (credit.kind, credit.flags) == (Kind.BOOKED, 0)
    assert (credit.debit, credit.credit, credit.amount) == (17, 0, 150_000)
    assert (credit.reference, credit.resolves) == (UTR.encode(), 4711)
    assert (debit.debit, debit.credit, debit.amount) == (0, 17, 2_000)
    assert (debit.reference, debit.resolves) == (OTHER_UTR.encode(), 0)
    # Told apart by its statement, in a form that no bank's reference has.
    assert charge.reference == b"S20261127-331/3"
    assert canonical_reference(charge.reference.decode()) == ""
    texts = json.loads(charge.tail)
    assert texts == {"booked": "2026-11-27", "kind": "charge"}
    assert json.loads(credit.tail)["texts"] == [
        "REQ-17",
        f"top up {REQUEST.lower()} centre",
    ]
    days = (DAY - EPOCH).days
    head = (1, 3, 331, days, days, 3, 10_000, 157_850)
    assert record(own)[:-1] == head
    assert (own.amount, own.debit, own.credit, own.reference) == (0, 0, 0, b"")
    assert piece.counts == {Side.CREDIT: 1, Side.DEBIT: 2}
    assert piece.sums == {Side.CREDIT: 150_000, Side.DEBIT: 2_150}
    assert piece.named == 1
    assert piece.statement == read_statement(own.tail)


@pytest.mark.parametrize(
    ("side", "reversal", "text", "named"),
    [
        (Side.CREDIT, False, REQUEST, 4711),
        (Side.DEBIT, False, RELEASE, 815),
        (Side.DEBIT, True, REQUEST, 4711),
        (Side.CREDIT, True, RELEASE, 815),
        # A payout that came back.
        (Side.CREDIT, False, RELEASE, 815),
        # Nobody pays out for a request.
        (Side.DEBIT, False, REQUEST, 0),
        (Side.CREDIT, True, REQUEST, 0),
        (Side.CREDIT, False, f"{REQUEST} {RELEASE}", 0),
        (Side.CREDIT, False, make_number(Letter.REQUEST, bytes(16), 4711), 0),
    ],
)
def test_what_a_line_names(side: Side, reversal: bool, text: str, named: int) -> None:
    made = made_of(line(side=side, reversal=reversal, texts=("CENTRE A", text)))
    assert made.resolves == named
    assert made.flags == (RowFlag.REVERSAL if reversal else 0)


def test_statements_that_tell_lines_apart() -> None:
    """The same place in another statement is another line, in any year."""
    bare = line(reference="")
    marks = set()
    for changes in (
        {},
        {"number": 332},
        {"last_day": DAY + dt.timedelta(365)},
        {"number": None},
    ):
        [piece] = book(statement([bare, bare], **changes), BANK, Source.CAMT)
        marks |= {one.reference for one in written(piece)[:-1]}
    assert len(marks) == 8
    other = Statement(ACCOUNT, "S-332", (bare,), False, 0, 100, None, DAY, DAY)
    [piece] = book(other, BANK, Source.CSV)
    assert written(piece)[0].reference not in marks
    assert all(len(one) <= 32 and b"/" in one for one in marks)


# --- what a bank wrote ---------------------------------------------------------------


def test_texts_there_and_back() -> None:
    whole = BookedTexts("2026-11-27", str(LineKind.RETURN), 250, ('a "b" \\', "কলকাতা"))
    assert read_booked(booked_tail(whole)) == whole
    assert booked_tail(BookedTexts()) == b""
    assert read_booked(b"") == BookedTexts()


@pytest.mark.parametrize("char", ["a", '"', "ক", "\U0001f600"])
def test_texts_are_cut_and_say_so(char: str) -> None:
    for size in range(200, 1_100):
        one = BookedTexts("2026-11-27", "transfer", 0, ("first", char * size, "last"))
        tail = booked_tail(one)
        assert len(tail) <= BOOKED_TAIL_MAX
        found = read_booked(tail)
        if found == one:
            continue
        assert found.is_cut
        assert found[:3] == one[:3]
        assert found.texts[0] == "first"
        if len(found.texts) == 3:
            # Only the last one was too much.
            assert one.texts[2].startswith(found.texts[2].removesuffix("…"))
        else:
            kept = found.texts[1].removesuffix("…")
            assert one.texts[1].startswith(kept)
            # No more would have fitted.
            more = len(json.dumps(char, ensure_ascii=False).encode()) - 2
            assert len(tail) + more > BOOKED_TAIL_MAX


@pytest.mark.parametrize(
    "tail",
    [
        b"x",
        b"\xff\xfe",
        b"[]",
        b"1",
        b'{"texts":"ab"}',
        b'{"booked":1}',
        b'{"charges":"1"}',
        b'{"charges":true}',
        b'{"charges":-1}',
        b'{"texts":[1]}',
        b'{"other":1}',
        b'{"cut":1}',
        b'{"texts":["\\ud800"]}',
        b"[" * 1_000,
    ],
)
def test_what_somebody_else_wrote_is_a_text(tail: bytes) -> None:
    assert read_booked(tail) == BookedTexts(texts=(tail.decode("utf-8", "replace"),))


# --- several proposals ---------------------------------------------------------------


def drawn(draw: random.Random, count: int, size: int) -> list[BankLine]:
    """Lines of chance, each with a reference of its own, and texts of about a size."""
    return [
        line(
            draw.randrange(1, 10**8),
            draw.choice(list(Side)),
            f"{draw.randrange(10**5):05d}{at:07d}" if draw.random() < 0.9 else "",
            texts=("x" * draw.randrange(size + 1),),
        )
        for at in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "size", "pieces"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (7_999, 0, 1),
        (8_000, 0, 2),
        (20_000, 0, 3),
        (9_000, 400, 2),
    ],
)
def test_a_long_statement_chains(count: int, size: int, pieces: int) -> None:
    lines = drawn(random.Random(count), count, size)
    whole = statement(lines, opening=-5_000)
    found = book(whole, BANK, Source.CAMT)
    assert len(found) >= pieces
    if not size:
        assert len(found) == pieces
    records = []
    told: list[Line] = []
    for piece in found:
        tail = pack_lines(piece.lines)
        assert len(tail) + SIGNATURE_SIZE <= LINES_SIZE_MAX
        assert len(piece.lines) <= LINES_MAX
        *booked, own = written(piece)
        assert all(one.kind == Kind.BOOKED for one in booked)
        change = sum(one.amount if one.debit else -one.amount for one in booked)
        records.append(record(own))
        *_, lines_count, opening, closing, _ = records[-1]
        assert lines_count == len(booked)
        assert closing == opening + change  # type: ignore[operator]
        told += booked
    assert records[0][6] == whole.opening
    assert records[-1][7] == whole.closing
    for before, after in pairwise(records):
        assert before[7] == after[6]
        assert (before[:5], before[8]) == (after[:5], after[8])
    assert [one.amount for one in told] == [one.amount for one in lines]
    # A line without a reference is numbered in all of its statement.
    assert len({one.reference for one in told}) == count


def test_no_byte_too_many() -> None:
    """Of lines of 800 bytes 3,250 would fit, but for what stands around them."""
    bare = made_of(line(texts=("",)))
    size = 800 - 64 - len(bare.tail)
    lines = [line(reference=f"{at:012d}", texts=("x" * size,)) for at in range(3_300)]
    first, second = book(statement(lines), BANK, Source.CAMT)
    assert {len(one) for one in first.lines[:-1]} == {800}
    assert len(first.lines) == 3_249 + 1
    assert len(pack_lines(first.lines)) + SIGNATURE_SIZE <= LINES_SIZE_MAX
    assert len(second.lines) == 51 + 1


def test_an_advice_is_lines_alone() -> None:
    lines = drawn(random.Random(5), 9_000, 0)
    advice = Statement(ACCOUNT, "A-1", (*lines, lines[0], lines[1]), is_advice=True)
    found = book_advice(advice, BANK)
    with_reference = [one for one in lines if one.reference]
    told = [one for piece in found for one in written(piece)]
    assert len(found) == 2
    assert len(found[0].lines) == LINES_MAX
    assert all(one.kind == Kind.BOOKED for one in told)
    assert [one.reference.decode() for one in told] == [
        one.reference for one in with_reference
    ]
    assert book_advice(Statement(ACCOUNT, "A-2", (), is_advice=True), BANK) == []
    # The same line, wherever it stands: the same key, and the same bytes.
    [piece] = book(statement([with_reference[0]]), BANK, Source.CAMT)
    assert piece.lines[0] == found[0].lines[0]


# --- what cannot be booked -----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"closing": None}, "no balances"),
        ({"is_advice": True}, "no balances"),
        ({"first_day": None, "last_day": None}, "no day"),
        ({"number": 2**32}, "number"),
        ({"last_day": dt.date(2150, 1, 1)}, "days"),
        ({"first_day": dt.date(1969, 12, 31)}, "days"),
        ({"first_day": DAY + dt.timedelta(1)}, "days"),
        ({"opening": 10**18 + 1}, "balance"),
        ({"closing": -(10**18) - 1}, "balance"),
    ],
)
def test_what_the_ledger_has_no_place_for(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(StatementError, match=what):
        book(statement([line()], **changes), BANK, Source.CAMT)


def test_one_day_is_both() -> None:
    [piece] = book(
        statement([line(reference=SHORT_UTR)], first_day=None), BANK, Source.CSV
    )
    found = record(written(piece)[-1])
    assert found[0] == 2
    assert found[3] == found[4] == (DAY - EPOCH).days


def test_more_than_a_ledger_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may say anything: it is refused with words, and nothing else happens."""
    most = 10**18
    pairs = [
        line(most, side, f"MOST{at:07d}{side[0].upper()}")
        for at in range(20)
        for side in (Side.CREDIT, Side.DEBIT)
    ]
    with pytest.raises(StatementError, match="more than one proposal"):
        book(statement(pairs), BANK, Source.CAMT)
    advice = Statement(ACCOUNT, "A", tuple(pairs), is_advice=True)
    with pytest.raises(StatementError, match="more than one proposal"):
        book_advice(advice, BANK)
    # Of pieces each must be able to end.
    monkeypatch.setattr(booking, "STATEMENT_LINES_MAX", 1)
    ups = [line(most // 2 + 1, Side.CREDIT, f"UPUP{at:08d}") for at in range(2)]
    downs = [line(most // 2 + 1, Side.DEBIT, f"DOWN{at:08d}") for at in range(2)]
    with pytest.raises(StatementError, match="no balance"):
        book(statement([*ups, *downs]), BANK, Source.CAMT)


def test_spaces_of_any_kind_part_words() -> None:
    """A number behind one of them is a word, as a reader sees it."""
    for space in "\u00a0\u2003\u2028\u3000\x0b\x85":
        text = tidy_text(f"NEFT{space}{REQUEST}{space}ABC")
        assert text == f"NEFT {REQUEST} ABC"
        assert made_of(line(texts=(text,))).resolves == 4_711
