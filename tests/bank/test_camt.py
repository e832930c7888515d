"""Goal: what a bank's camt.053 or camt.054 says is what is taken, and nothing else.

Method: files are written by hand (`writer.py`), looked at by ISO's own schema where
there is one, and read; then one thing at a time is changed.
"""

import datetime as dt
from pathlib import Path

import pytest
from lxml import etree

from switch.bank.camt import read_camt
from switch.bank.lines import (
    BankLine,
    LineKind,
    Problem,
    Side,
    Statement,
    StatementError,
    canonical_reference,
)
from switch.bank.sequence import join_pages
from tests.bank.writer import (
    ACCOUNT,
    OTHER_UTR,
    SHORT_UTR,
    UTR,
    Detail,
    Entry,
    Sheet,
    page,
)

SCHEMAS = Path(__file__).resolve().parents[2] / "build" / "bank"


def read(sheet: Sheet, **more: object) -> Statement:
    """The one statement of a sheet."""
    (one,) = join_pages(read_camt(sheet.xml(), "file.xml", **more))  # type: ignore[arg-type]
    return one


def line_of(entry: Entry, **more: object) -> BankLine:
    """The one line of an entry; the balances follow it."""
    advice = Sheet((entry,), advice=True)
    (line,) = read(advice, **more).lines
    return line


def refused(sheet: Sheet) -> str:
    """Why a sheet is not believed."""
    with pytest.raises(StatementError) as caught:
        read(sheet)
    return str(caught.value)


@pytest.mark.parametrize("version", [8, 14])
def test_what_we_write_is_what_iso_says(version: int) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMAS / f"camt.053.001.{version:02d}.xsd"))
    entries = (
        Entry(),
        Entry(
            "300.00",
            "DBIT",
            reversal="true",
            own="X1",
            batch=2,
            details=(Detail("100.00", OTHER_UTR), Detail("200.00", SHORT_UTR)),
        ),
    )
    sheet = Sheet(
        entries,
        closing="1300.00",
        version=version,
        pages=page(1, last=True),
        summary="<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries><Sum>1800.00</Sum>"
        "</TtlNtries></TxsSummry>",
    )
    schema.assertValid(etree.fromstring(sheet.xml()))
    assert len(read(sheet).lines) == 3


@pytest.mark.parametrize("version", [2, 4, 6, 8, 10, 12, 14])
def test_a_statement_in_every_version(version: int) -> None:
    statement = read(Sheet(version=version))
    (line,) = statement.lines
    assert statement.account == ACCOUNT
    assert (statement.opening, statement.closing) == (10_000, 160_000)
    assert statement.number == 331
    assert statement.first_day == statement.last_day == dt.date(2026, 11, 27)
    assert (line.side, line.amount, line.reference) == (Side.CREDIT, 150_000, UTR)
    assert line.booked == dt.date(2026, 11, 27)
    assert line.texts == ("REQ-17",)
    assert line.key == (ACCOUNT, Side.CREDIT, False, UTR)
    assert line.problem is None


@pytest.mark.parametrize("version", [1, 15, 99])
def test_another_version_is_refused(version: int) -> None:
    assert "neither camt.053 nor camt.054" in refused(Sheet(version=version))


def test_an_advice_has_no_balances() -> None:
    statement = read(Sheet(advice=True))
    assert (statement.opening, statement.closing) == (None, None)
    assert statement.lines == read(Sheet()).lines


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        (UTR, UTR),
        (UTR.lower(), UTR),
        (" SBINR520 2611 2800 123456\n", UTR),
        (SHORT_UTR, SHORT_UTR),
        (OTHER_UTR, OTHER_UTR),
        ("NOBANK", ""),
        ("SBINR5202611280012345", ""),
        ("SBINR520261128001234567", ""),
        ("SBINR-2026112800123456", ""),
        # Letters of another script that look the same are no letters of a reference.
        ("ЅBINR52026112800123456", ""),
        ("६३३२१२३४५६७८", ""),
        ("", ""),
    ],
)
def test_a_reference_has_one_form(text: str, is_: str) -> None:
    assert canonical_reference(text) == is_
    line = line_of(Entry(details=(Detail(reference=text or "x"),)))
    assert line.reference == is_
    assert line.problem is (None if is_ else Problem.NO_REFERENCE)


@pytest.mark.parametrize("name", ["TxId", "ClrSysRef", "AcctSvcrRef"])
def test_the_banks_own_fields_have_its_reference(name: str) -> None:
    assert line_of(Entry(details=(Detail(field=name),))).reference == UTR


def test_what_the_payer_wrote_is_no_reference() -> None:
    # Twelve letters and digits of the payer's own are not the bank's word.
    line = line_of(Entry(details=(Detail(reference="n/a", end_to_end=SHORT_UTR),)))
    assert line.reference == ""
    assert line.problem is Problem.NO_REFERENCE
    line = line_of(
        Entry(details=(Detail(reference="n/a", end_to_end=SHORT_UTR),)),
        references=("EndToEndId",),
    )
    assert line.reference == SHORT_UTR


def test_an_entrys_own_reference_is_that_of_its_only_transaction() -> None:
    details = Detail("100.00", "n/a"), Detail("200.00", "n/a")
    one = Entry("100.00", own=UTR, details=details[:1])
    none = Entry("300.00", own=UTR, details=())
    two = Entry("300.00", own=UTR, details=details)
    assert line_of(one).reference == UTR
    assert line_of(none).reference == UTR
    lines = read(Sheet((two,), advice=True)).lines
    assert [line.reference for line in lines] == ["", ""]


def test_a_sum_of_several_without_saying_which_is_not_itemised() -> None:
    line = line_of(Entry(own=UTR, batch=3, details=()))
    assert line.problem is Problem.NOT_ITEMISED
    assert line.key is None


def test_parts_are_lines_and_make_up_their_entry() -> None:
    parts = Detail("100.00", OTHER_UTR), Detail("200.00", SHORT_UTR)
    lines = read(Sheet((Entry("300.00", details=parts),), advice=True)).lines
    assert [(one.amount, one.reference) for one in lines] == [
        (10_000, OTHER_UTR),
        (20_000, SHORT_UTR),
    ]
    against = Detail("500.00", OTHER_UTR), Detail("200.00", SHORT_UTR, side="DBIT")
    lines = read(Sheet((Entry("300.00", details=against),), advice=True)).lines
    assert [(one.side, one.amount) for one in lines] == [
        (Side.CREDIT, 50_000),
        (Side.DEBIT, 20_000),
    ]
    short = Sheet((Entry("300.01", details=parts),), advice=True)
    assert "not the sum of its transactions" in refused(short)
    other = Sheet((Entry("300.00", details=(Detail("299.99"),)),), advice=True)
    assert "not the sum of its transactions" in refused(other)


def test_only_what_is_booked_is_money() -> None:
    entries = Entry(), Entry("7.00", status="PDNG"), Entry("8.00", status="INFO")
    statement = read(Sheet(entries))
    assert len(statement.lines) == 1
    assert statement.pending_count == 2
    assert "no status" in refused(Sheet((Entry(status="MAYBE"),)))


def test_a_reversal_is_another_line() -> None:
    line, back = (
        line_of(Entry(side="DBIT", reversal=text)) for text in ("false", "true")
    )
    assert (line.reversal, back.reversal) == (False, True)
    assert line.key != back.key
    assert "no yes or no" in refused(Sheet((Entry(reversal="maybe"),)))


def test_kinds_of_lines() -> None:
    assert line_of(Entry(family="CHRG")).kind is LineKind.CHARGE
    assert line_of(Entry(family="INTR")).kind is LineKind.INTEREST
    assert line_of(Entry(family="RRTN")).kind is LineKind.RETURN
    returned = Detail(inner="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>")
    assert line_of(Entry(details=(returned,))).kind is LineKind.RETURN
    charged = Detail(
        inner='<Chrgs><TtlChrgsAndTaxAmt Ccy="INR">5.90</TtlChrgsAndTaxAmt></Chrgs>'
    )
    assert line_of(Entry(details=(charged,))).charges == 590


def test_a_statement_adds_up() -> None:
    assert "does not add up" in refused(Sheet(closing="1600.01"))
    assert "does not add up" in refused(Sheet(opening="-100.00"))
    assert read(Sheet(opening="-100.00", closing="1400.00")).opening == -10_000
    assert "has no CLBD" in refused(Sheet(closing=None))
    assert "has no OPBD" in refused(Sheet(opening=None))
    # Not an advice: its lines without a reference would be left to nobody.
    assert "has no OPBD" in refused(Sheet(opening=None, closing=None))


def test_the_balance_before_and_the_opening_are_one() -> None:
    right = Sheet().xml()
    balance = right[right.index(b"<Bal>") : right.index(b"</Bal>") + 6]
    before = balance.replace(b"OPBD", b"PRCD")
    for both, is_right in (
        (before + balance, True),
        (before, True),
        (before.replace(b"100.00", b"100.01") + balance, False),
        (before.replace(b"CRDT", b"DBIT") + balance, False),
    ):
        data = right.replace(balance, both)
        if is_right:
            assert join_pages(read_camt(data, "x")) == [read(Sheet())]
        else:
            with pytest.raises(StatementError, match="OPBD is not PRCD"):
                read_camt(data, "x")
    advice = Sheet(advice=True).xml().replace(b"</Acct>", b"</Acct>" + balance)
    with pytest.raises(StatementError, match="an advice with balances"):
        read_camt(advice, "x")


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        ("<TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries>", "2 of 1 entries"),
        ("<TtlNtries><Sum>1500.01</Sum></TtlNtries>", "not the sum"),
        ("<TtlCdtNtries><NbOfNtries>0</NbOfNtries></TtlCdtNtries>", "0 of 1"),
        ("<TtlDbtNtries><NbOfNtries>1</NbOfNtries></TtlDbtNtries>", "1 of 0"),
        ("<TtlDbtNtries><Sum>-1</Sum></TtlDbtNtries>", "not an amount"),
    ],
)
def test_totals_that_are_given_are_right(summary: str, why: str) -> None:
    assert why in refused(Sheet(summary=f"<TxsSummry>{summary}</TxsSummry>"))


@pytest.mark.parametrize(
    "amount",
    ["", "-1.00", "+1.00", "1e3", "1,500.00", "0x10", "1.001", "1.", ".5", "NaN", "১"],
)
def test_an_amount_is_whole_paise(amount: str) -> None:
    sheet = Sheet((Entry(amount, details=()),), advice=True)
    assert "line 5" in refused(sheet)


@pytest.mark.parametrize(
    ("amount", "paise"),
    [("1", 100), ("1.5", 150), ("1.50", 150), ("1.50000", 150), ("0.01", 1)],
)
def test_amounts_as_iso_writes_them(amount: str, paise: int) -> None:
    assert line_of(Entry(amount, details=())).amount == paise


@pytest.mark.parametrize("amount", [str(2**63), "92233720368547758.08", "9" * 18])
def test_amounts_beyond_the_ledger(amount: str) -> None:
    sheet = Sheet((Entry(amount, details=()),), advice=True)
    assert "more than the ledger takes" in refused(sheet) or "not an amount" in refused(
        sheet
    )


def test_nothing_but_rupees() -> None:
    assert "not in INR" in refused(Sheet((Entry(currency="USD"),)))
    assert "not in INR" in refused(Sheet(currency="USD"))
    assert "not in INR" in refused(Sheet((Entry(currency=""),)))
    assert "moves nothing" in refused(Sheet((Entry("0.00", details=()),)))


def test_one_of_what_there_is_one_of() -> None:
    twice = Sheet().xml().replace(b"<Sts>", b"<Sts><Cd>PDNG</Cd></Sts><Sts>")
    with pytest.raises(StatementError, match="is there twice"):
        read_camt(twice, "file.xml")
    balance = b"<Bal><Tp><CdOrPrtry><Cd>OPBD"
    second = Sheet().xml().replace(b"CLBD", b"OPBD")
    assert balance in second
    with pytest.raises(StatementError, match="a second OPBD"):
        read_camt(second, "file.xml")
    missing = Sheet().xml().replace(b"<BookgDt><Dt>2026-11-27</Dt></BookgDt>", b"")
    with pytest.raises(StatementError, match="has no BookgDt"):
        read_camt(missing, "file.xml")


@pytest.mark.parametrize("day", ["2026-02-30", "27-11-2026", "2026-11-27x", "", "0"])
def test_a_day_is_a_day(day: str) -> None:
    assert "no date" in refused(Sheet((Entry(day=day),)))


def test_texts_are_on_one_line_and_bounded() -> None:
    note = "a\n b\x1b"
    spoilt = Detail(remittance="a\n  b" + "&#x202E;")
    line = line_of(Entry(details=(spoilt,)))
    assert "a b" in line.texts
    assert all(text.isprintable() for text in line.texts), note
    many = "".join(f"<Ustrd>{at}</Ustrd>" for at in range(100))
    line = line_of(Entry(details=(Detail(inner=f"<RmtInf>{many}</RmtInf>"),)))
    assert len(line.texts) == 32
    long = line_of(Entry(details=(Detail(remittance="x" * 5_000),)))
    assert max(map(len, long.texts)) == 500
