"""Goal: whatever somebody sends as a statement costs little and changes nothing.

Method: expanding entities, other encodings, huge and deep files; then a right file with
bytes changed, left out, doubled or moved by chance: it is refused, or adds up.
"""

import random
import resource
import sys

import pytest

from switch.bank.camt import read_camt
from switch.bank.lines import Statement, StatementError
from switch.bank.sequence import join_pages
from switch.bank.xml import FILE_MAX
from tests.bank.writer import OTHER_UTR, Detail, Entry, Sheet

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&c;</Document>"""


def refused(data: bytes) -> str:
    with pytest.raises(StatementError) as caught:
        join_pages(read_camt(data, "file.xml"))
    return str(caught.value)


def test_no_entity_expands_and_nothing_is_fetched() -> None:
    assert "document type" in refused(BOMB)
    outer = BOMB.replace(b'"aaaaaaaaaa"', b'SYSTEM "file:///etc/passwd"')
    assert "document type" in refused(outer)
    fetched = b'<?xml version="1.0"?><!DOCTYPE d SYSTEM "http://127.0.0.1:9/x"><d/>'
    assert "document type" in refused(fetched)
    # Without a document type an entity is none.
    assert "is no XML" in refused(Sheet().xml().replace(b"REQ-17", b"&a;"))
    included = (
        Sheet()
        .xml()
        .replace(
            b"REQ-17",
            b'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="x"/>',
        )
    )
    (one,) = join_pages(read_camt(included, "file.xml"))
    assert not any("root" in text for text in one.lines[0].texts)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1", "utf-7"])
def test_utf_8_alone(encoding: str) -> None:
    text = Sheet().xml().decode().replace("UTF-8", encoding.upper())
    assert refused(text.encode(encoding))
    # The same words hidden behind another encoding's name are found, too.
    assert refused(BOMB.decode().encode(encoding))


def test_a_byte_order_mark_is_no_harm() -> None:
    marked = b"\xef\xbb\xbf" + Sheet().xml()
    assert join_pages(read_camt(marked, "x")) == join_pages(
        read_camt(Sheet().xml(), "x")
    )


def test_nothing_and_almost_nothing() -> None:
    for data in (b"", b"<", b"<a/>", b"\0", b"<?xml version='1.0'?>", b"PK\x03\x04"):
        assert refused(data)
    assert "has no Stmt" in refused(
        Sheet()
        .xml()
        .replace(b"Stmt>", b"Smtm>")
        .replace(b"BkToCstmrSmtm>", b"BkToCstmrStmt>")
    )


def test_deep_and_huge() -> None:
    deep = b"<x>" * 10_000 + b"</x>" * 10_000
    assert "is no XML" in refused(deep) or "deep" in refused(deep)
    inside = Sheet().xml().replace(b"REQ-17", b"<x>" * 100 + b"</x>" * 100)
    assert "nested more than" in refused(inside)
    assert "bytes" in refused(b" " * (FILE_MAX + 1))
    attribute = (
        Sheet().xml().replace(b'Ccy="INR"', b'Ccy="' + b"I" * 11_000_000 + b'"', 1)
    )
    assert refused(attribute)


def test_a_large_statement_in_bounded_memory() -> None:
    # Of 100 MB of text or more nothing is kept but the lines.
    entries = tuple(
        Entry("1.00", details=(Detail("1.00", f"{at:016d}"),)) for at in range(20_000)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (one,) = join_pages(read_camt(Sheet(entries, closing="20100.00").xml(), "x"))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(one.lines) == 20_000
    assert grown < 512 * 1024, "KiB"
    assert sys.getrefcount(one) > 0


def meaning(statements: list[Statement]) -> object:
    return [
        (
            one.account,
            one.opening,
            one.closing,
            [(line.key, line.amount, line.booked) for line in one.lines],
        )
        for one in statements
    ]


def test_a_spoilt_file_is_refused_or_says_something_that_adds_up() -> None:
    sheet = Sheet(
        (Entry(), Entry("50.00", "DBIT", details=(Detail("50.00", OTHER_UTR),))),
        closing="1550.00",
        summary="<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>",
    )
    right = sheet.xml()
    chance = random.Random(20261128)
    refusals = 0
    for _ in range(4_000):
        data = bytearray(right)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at = chance.randrange(len(data))
            way = chance.randrange(4)
            if way == 0:
                data[at] = chance.randrange(256)
            elif way == 1:
                del data[at : at + chance.randrange(1, 40)]
            elif way == 2:
                data[at:at] = data[at : at + chance.randrange(1, 40)]
            else:
                end = min(len(data), at + chance.randrange(1, 300))
                data[at:at] = data[at:end]
        try:
            made = join_pages(read_camt(bytes(data), "x"))
        except StatementError:
            refusals += 1
            continue
        for one in made:
            if one.opening is not None and one.closing is not None:
                assert one.opening + one.change == one.closing
            assert all(0 < line.amount <= 10**18 for line in one.lines)
    assert refusals > 2_000, "most spoilt files are refused"
    assert meaning(join_pages(read_camt(right, "x")))
