"""Goal: a camt file that says two things is refused, whichever of them is read.

Method: one statement by hand; elements of other namespaces, words between elements,
groups, totals and charges that contradict what they stand beside.
"""

import pytest

from switch.bank.camt import read_camt
from switch.bank.lines import BankLine, StatementError
from tests.bank.writer import OTHER_UTR, SHORT_UTR, UTR, Detail, Entry, Sheet

OTHER = 'xmlns:o="urn:other"'
TWO = (Detail("100.00", OTHER_UTR), Detail("200.00", SHORT_UTR))


def lines_of(data: bytes) -> tuple[BankLine, ...]:
    (one,) = read_camt(data, "x")
    return one.lines


def advice(*entries: Entry) -> bytes:
    return Sheet(entries, advice=True).xml()


def changed(data: bytes, before: str, after: str) -> bytes:
    assert data.count(before.encode()) == 1
    return data.replace(before.encode(), after.encode())


def refused(data: bytes) -> str:
    with pytest.raises(StatementError) as caught:
        read_camt(data, "x")
    return str(caught.value)


def test_elements_of_another_namespace_are_not_the_banks() -> None:
    # Beside the bank's own they are nothing, in place of them nothing either.
    right = advice(Entry())
    beside = changed(right, "<TxId>", f"<o:TxId {OTHER}>{OTHER_UTR}</o:TxId><TxId>")
    assert lines_of(beside)[0].reference == UTR
    foreign = changed(right, "<TxId>", f"<o:TxId {OTHER}>")
    assert not lines_of(changed(foreign, "</TxId>", "</o:TxId>"))[0].reference
    mark = f"<o:RvslInd {OTHER}>true</o:RvslInd><Sts>"
    assert not lines_of(changed(right, "<Sts>", mark))[0].reversal
    bare = changed(right, "<Sts>", '<RvslInd xmlns="">true</RvslInd><Sts>')
    assert lines_of(bare) == lines_of(right)
    # The root's namespace counts by its name, not by its prefix.
    prefixed = right.replace(b"<Document xmlns=", b"<c:Document xmlns:c=")
    prefixed = prefixed.replace(b"</Document", b"</c:Document")
    assert "has no BkToCstmr" in refused(prefixed)


def test_words_beside_elements_are_no_words() -> None:
    right = advice(Entry())
    for text in ("<x/>SBINR52026112800123456", "SBINR520261128<x>9</x>00123456"):
        assert "words beside elements" in refused(changed(right, UTR, text))
    # What is no element parts no words.
    for text in ("SBINR520261128<!-- 9 -->00123456", f"<![CDATA[{UTR}]]>"):
        assert lines_of(changed(right, UTR, text))[0].reference == UTR


def test_the_only_transaction_goes_the_way_of_its_entry() -> None:
    against = advice(Entry(details=(Detail(side="DBIT"),)))
    silent = changed(
        against, '<Amt Ccy="INR">1500.00</Amt><CdtDbtInd>DBIT', "<CdtDbtInd>DBIT"
    )
    for data in (against, silent):
        assert "not the sum of its transactions" in refused(data)
    other = changed(silent, "<CdtDbtInd>DBIT", "<CdtDbtInd>BOTH")
    assert "neither CRDT nor DBIT" in refused(other)


def test_a_batch_counts_what_is_in_it() -> None:
    # Three transactions are not the one that is told.
    assert "3 of 1 transactions" in refused(advice(Entry(batch=3)))
    assert "3 of 2" in refused(advice(Entry("300.00", batch=3, details=TWO)))
    right = advice(Entry("300.00", batch=2, details=TWO))
    assert len(lines_of(right)) == 2
    total = '</NbOfTxs><TtlAmt Ccy="INR">{}</TtlAmt><CdtDbtInd>{}</CdtDbtInd>'
    for amount, side, is_right in (
        ("300.00", "CRDT", True),
        ("300.01", "CRDT", False),
        ("300.00", "DBIT", False),
    ):
        data = changed(right, "</NbOfTxs>", total.format(amount, side))
        if is_right:
            assert len(lines_of(data)) == 2
        else:
            assert "not the sum of its transactions" in refused(data)
    second = "<NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch></NtryDtls></Ntry>"
    assert "2 of 0" in refused(changed(right, "</Ntry>", second))


def test_the_charges_of_an_entry_are_not_those_of_each_part() -> None:
    charges = '<Chrgs><TtlChrgsAndTaxAmt Ccy="INR">5.90</TtlChrgsAndTaxAmt></Chrgs>'
    for details, told in (((Detail(),), [590]), ((Detail("1.00"), TWO[0]), [0, 0])):
        data = advice(
            Entry("101.00" if len(details) > 1 else "1500.00", details=details)
        )
        both = changed(data, "<NtryDtls>", charges + "<NtryDtls>")
        assert [line.charges for line in lines_of(both)] == told
    each = '<Chrgs><Amt Ccy="INR">{}</Amt></Chrgs>'
    second = each.format("5.00") + each.format("0.90")
    data = Sheet((Entry(),), advice=True, version=2).xml()
    (line,) = lines_of(changed(data, "<NtryDtls>", second + "<NtryDtls>"))
    assert line.charges == 590


@pytest.mark.parametrize(
    ("net", "is_right"),
    [
        ("<TtlNetNtry><Amt>100</Amt><CdtDbtInd>CRDT</CdtDbtInd></TtlNetNtry>", True),
        ("<TtlNetNtry><Amt>100</Amt><CdtDbtInd>DBIT</CdtDbtInd></TtlNetNtry>", False),
        (
            "<TtlNetNtry><Amt>100.01</Amt><CdtDbtInd>CRDT</CdtDbtInd></TtlNetNtry>",
            False,
        ),
        ("<TtlNetNtryAmt>100</TtlNetNtryAmt><CdtDbtInd>CRDT</CdtDbtInd>", True),
        ("<TtlNetNtryAmt>100</TtlNetNtryAmt><CdtDbtInd>DBIT</CdtDbtInd>", False),
    ],
)
def test_the_net_of_all_entries(net: str, *, is_right: bool) -> None:
    summary = f"<TxsSummry><TtlNtries>{net}</TtlNtries></TxsSummry>"
    entries = Entry("300.00", details=TWO), Entry("200.00", "DBIT", details=())
    data = Sheet(entries, closing="200.00", summary=summary).xml()
    if is_right:
        assert len(lines_of(data)) == 3
    else:
        assert "not what its entries come to" in refused(data)


def test_days_that_are_none() -> None:
    assert "ends before it begins" in refused(Sheet(last="2026-11-26T23:59:59").xml())
    for day in ("2026-11-27Tnonsense", "2026-W48-5", "0000-01-01", "2026-11-27T9:00"):
        assert "no date" in refused(advice(Entry(day=day)))


def test_a_line_of_another_day() -> None:
    for day in ("2026-11-26", "2026-11-28", "1970-01-01"):
        entry = Entry(day=day)
        assert "is of another day" in refused(Sheet((entry,)).xml())
        # An advice may have been written on another day.
        assert len(lines_of(advice(entry))) == 1


def test_look_alikes_in_an_account() -> None:
    assert "no account number" in refused(Sheet(account="ſBI1").xml())
    assert "no account number" in refused(Sheet(account="12​34").xml())
