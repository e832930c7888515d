"""Goal: money that was collected and not passed on is named, to the paisa.

Method: complaint 10 of the domain: collected 22.13 crore, passed on 21.50 crore. The
command gets scrolls, the biller's list, instructions and the bank's statement as files,
and must say which scroll and which payout lack the 63 lakh, and what the list lacks.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from switch.cli import main
from switch.matching.breaks import Break, State, Type, read_breaks, write_breaks
from switch.matching.cells import ListError
from switch.matching.payouts import Booked, Payout, match_payouts
from switch.matching.scrolls import Scroll
from tests.bank.writer import Detail, Sheet
from tests.bank.writer import Entry as Line
from tests.matching.books import (
    BILLER,
    DAY,
    HEADS,
    MAP,
    Entry,
    list_text,
    told,
    write_scrolls,
)

LAKH = 100_000 * 100
CRORE = 100 * LAKH
NEXT = DAY + dt.timedelta(days=1)
NUMBERS = [f"R{at:012d}ABC" for at in range(4)]
ACCOUNTS = ["111100001111", "222200002222", "333300003333"]
IFSC = "SBIN0000001"


def pain001(payments: Sequence[tuple[str, int, str]], day: dt.date = DAY) -> str:
    inner = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{number}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="INR">{amount // 100}.{amount % 100:02d}</InstdAmt></Amt>'
        f"<CdtrAgt><FinInstnId><ClrSysMmbId><MmbId>{IFSC}</MmbId></ClrSysMmbId>"
        f"</FinInstnId></CdtrAgt><CdtrAcct><Id><Othr><Id>{account}</Id></Othr></Id>"
        "</CdtrAcct></CdtTrfTxInf>"
        for number, amount, account in payments
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">'
        f"<CstmrCdtTrfInitn><PmtInf><ReqdExctnDt><Dt>{day}</Dt></ReqdExctnDt>{inner}"
        "</PmtInf></CstmrCdtTrfInitn></Document>"
    )


def statement(
    debits: Sequence[tuple[str, int]], opening: int, day: dt.date = DAY
) -> bytes:
    def rupees(paise: int) -> str:
        return f"{paise // 100}.{paise % 100:02d}"

    lines = [
        Line(
            amount=rupees(amount),
            side="DBIT",
            details=(
                Detail(
                    amount=rupees(amount),
                    reference=f"SBINR520261128{at:08d}",
                    end_to_end=number.lower(),
                ),
            ),
        )
        for at, (number, amount) in enumerate(debits)
    ]
    closing = opening - sum(amount for _, amount in debits)
    sheet = Sheet(
        entries=lines,
        opening=rupees(opening),
        closing=rupees(closing),
        first=f"{day}T00:00:00+05:30",
        last=f"{day}T23:59:59+05:30",
    )
    return sheet.xml()


def shares(total: int, count: int, start: int, head: int) -> list[Entry]:
    """Payments that come to a sum."""
    amounts = [total // count] * count
    amounts[-1] += total - sum(amounts)
    return [Entry(start + at, one, head=head) for at, one in enumerate(amounts)]


def test_collected_22_13_crore_and_passed_on_21_50(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [
        *shares(10 * CRORE, 300, 1_000, 0),
        *shares(8 * CRORE, 200, 2_000, 1),
        *shares(375 * LAKH, 100, 3_000, 2),
    ]
    second = shares(38 * LAKH, 20, 5_000, 2)
    write_scrolls(tmp_path / "scrolls", [first, second])
    # Of head 2 the list lacks two payments of four lakh each.
    lacking = (2_010, 2_011)
    lines = [told(one) for one in first + second if one.entry not in lacking]
    (tmp_path / "list.csv").write_text(list_text(lines))
    (tmp_path / "map.json").write_text(json.dumps(MAP))
    released = [
        (NUMBERS[0], 10 * CRORE, ACCOUNTS[0]),
        (NUMBERS[1], 5 * CRORE, ACCOUNTS[1]),
        (NUMBERS[2], 3 * CRORE, ACCOUNTS[1]),
        (NUMBERS[3], 375 * LAKH, ACCOUNTS[2]),
    ]
    (tmp_path / "pain.xml").write_text(pain001(released))
    payees = [
        {"biller": BILLER, "head": head, "number": account, "ifsc": IFSC}
        for head, account in zip(HEADS, ACCOUNTS, strict=True)
    ]
    (tmp_path / "payees.json").write_text("\n".join(map(json.dumps, payees)))
    paid = [(number, amount) for number, amount, _ in released]
    paid[2] = (NUMBERS[2], 275 * LAKH)
    (tmp_path / "bank.xml").write_bytes(statement(paid, 30 * CRORE))
    words = ["match", "--biller", BILLER, "--day", str(DAY)]
    for name, file in (
        *(("scrolls", "scrolls"), ("list", "list.csv"), ("map", "map.json")),
        *(("payouts", "pain.xml"), ("payees", "payees.json"), ("bank", "bank.xml")),
        ("out", "out"),
    ):
        words += [f"--{name}", str(tmp_path / file)]
    assert main([*words, "--json"]) == 4
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["here"] == 2_213 * LAKH
    assert report["there"] == 2_205 * LAKH
    assert report["explained"] == {"missing_there": 8 * LAKH}
    bank = report["bank"]
    assert bank["payable"] == 2_213 * LAKH
    assert bank["released"] == 2_175 * LAKH
    assert bank["booked"] == 2_150 * LAKH
    assert bank["not_passed_on"] == 63 * LAKH
    breaks = read_breaks((tmp_path / "out/breaks-power-20261127.csv").read_bytes(), "b")
    # Where the 63 lakh lie, and where the biller's eight.
    lies = {
        (one.by, one.key, one.head): one.amount_here - one.amount_there
        for one in breaks
    }
    assert lies == {
        ("payout", NUMBERS[2], HEADS[1]): 25 * LAKH,
        ("scroll", f"S2026-27-0002-{BILLER}-3", HEADS[2]): 38 * LAKH,
        ("id", told_id(2_010), HEADS[1]): 4 * LAKH,
        ("id", told_id(2_011), HEADS[1]): 4 * LAKH,
    }
    # A person is told the same.
    assert main(words) == 4
    text = capsys.readouterr().out
    assert "₹22,13,00,000.00" in text
    assert "₹21,50,00,000.00" in text
    assert "₹63,00,000.00" in text
    # On the next day the bank books the rest, and the scroll is paid out.
    rest = [("R000000000009XYZ", 38 * LAKH, ACCOUNTS[2])]
    (tmp_path / "pain.xml").write_text(pain001(rest, NEXT))
    paid = [(NUMBERS[2], 25 * LAKH), (rest[0][0], 38 * LAKH)]
    (tmp_path / "bank.xml").write_bytes(statement(paid, 30 * CRORE, NEXT))
    (tmp_path / "list.csv").write_text(
        list_text([told(one, day=NEXT) for one in first if one.entry in lacking])
    )
    words[4] = "2026-11-28"
    words += ["--open", str(tmp_path / "out/breaks-power-20261127.csv")]
    assert main(words) == 0
    told_to = capsys.readouterr()
    assert "Nothing differs." in told_to.out
    assert "the scrolls end with 2026-11-27" in told_to.err
    assert main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["breaks"] == {"open": 0, "closed": 4, "types": {}}


def told_id(number: int) -> str:
    return Entry(number, 1).id.replace("-", "")


# --- payouts alone --------------------------------------------------------------------

SCROLL = Scroll(
    "S2026-27-0001-power-1", "x.csv", HEADS[0], 1, DAY, 9, 0, 1, 500, 0, 0, 500, ""
)
PAYOUT = Payout(NUMBERS[0], 500, DAY, BILLER, HEADS[0])


def booked(
    amount: int,
    number: str = NUMBERS[0],
    *,
    is_debit: bool = True,
    day: dt.date = DAY,
) -> Booked:
    return Booked(amount, day, is_debit, (f"NEFT/{number} x",), "bank.xml")


def found(
    payouts: Sequence[Payout],
    lines: Sequence[Booked],
    opened: Sequence[Break] | None = None,
    day: dt.date = DAY,
) -> list[Break]:
    """What a day finds; the same again finds the same, by either file."""

    def run(before: Sequence[Break] | None) -> list[Break]:
        return match_payouts(
            [SCROLL], payouts, lines, biller=BILLER, first=day, last=day, opened=before
        ).breaks

    breaks = run(opened)
    written = write_breaks(breaks, day)
    for before in (opened, read_breaks(written, "breaks.csv")):
        assert write_breaks(run(before), day) == written
    return breaks


@pytest.mark.parametrize(
    ("lines", "kind", "there"),
    [
        ([booked(500)], None, 0),
        ([booked(500, f"{NUMBERS[0][:5]} {NUMBERS[0][5:].lower()}")], None, 0),
        ([], Type.MISSING_THERE, 0),
        ([booked(499)], Type.AMOUNT, 499),
        ([booked(501)], Type.AMOUNT, 501),
        ([booked(300), booked(200)], None, 0),
        ([booked(500), booked(500)], Type.DUPLICATE, 1_000),
        ([booked(500), booked(500, is_debit=False)], Type.MISSING_THERE, 0),
        ([booked(500), booked(500, is_debit=False), booked(500)], None, 0),
        ([booked(500, f"{NUMBERS[0]} {NUMBERS[1]}")], None, 0),
    ],
)
def test_a_payout_against_the_bank(
    lines: list[Booked], kind: Type | None, there: int
) -> None:
    wrong = found([PAYOUT], lines)
    assert [(one.type, one.amount_there) for one in wrong] == (
        [] if kind is None else [(kind, there)]
    )


def test_lines_of_others_are_nobodys_break() -> None:
    others = replace(PAYOUT, biller="water", reference=NUMBERS[2])
    lines = [booked(500), booked(70, NUMBERS[1]), booked(500, NUMBERS[2])]
    assert found([PAYOUT, others], lines) == []


def test_what_is_paid_later_is_closed_then() -> None:
    first = found([], [])
    assert [(one.by, one.type) for one in first] == [("scroll", Type.MISSING_THERE)]
    late = replace(PAYOUT, day=NEXT)
    second = found([late], [booked(200, day=NEXT)], first, NEXT)
    assert {(one.by, one.state, one.amount_there) for one in second} == {
        ("payout", State.OPEN, 200),
        ("scroll", State.CLOSED, 500),
    }
    # A statement of the day itself comes on the next one.
    (slow,) = found([PAYOUT], [])
    (paid,) = found([], [booked(500)], [slow], NEXT)
    assert (slow.type, paid.state) == (Type.MISSING_THERE, State.CLOSED)
    # If its instruction is given again, too, it is judged anew.
    (again,) = found([PAYOUT], [booked(499)], [slow], NEXT)
    assert (again.number, again.since) == (slow.number, DAY)
    (anew,) = found([PAYOUT], [booked(499), booked(1, day=NEXT)], [again], NEXT)
    assert (anew.number, anew.state) == (slow.number, State.CLOSED)
    # In the next statement the rest; what was counted is not counted again.
    third = NEXT + dt.timedelta(days=1)
    both = [booked(200, day=NEXT), booked(300, day=third)]
    last = found([], both, second, third)
    assert [(one.by, one.state) for one in last] == [("payout", State.CLOSED)]


def test_a_scroll_is_released_in_parts() -> None:
    parts = [
        replace(PAYOUT, amount=200),
        replace(PAYOUT, reference=NUMBERS[1], day=NEXT),
    ]
    first = found(parts[:1], [booked(200)])
    assert [(one.by, one.left, one.linked) for one in first] == [
        ("scroll", 300, ((0, 200),))
    ]
    more = [replace(parts[1], amount=400)]
    second = found(more, [booked(400, NUMBERS[1], day=NEXT)], first, NEXT)
    assert [(one.by, one.left, one.state) for one in second] == [
        ("scroll", -100, State.OPEN)
    ]


def test_instructions_that_are_given_twice() -> None:
    twice = replace(PAYOUT, file="copy.xml")
    assert found([PAYOUT, twice], [booked(500)]) == []
    with pytest.raises(ListError, match="twice, and not the same"):
        found([PAYOUT, replace(twice, amount=501)], [])


@pytest.mark.parametrize("named", [True, False])
def test_heads_with_one_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    write_scrolls(tmp_path / "scrolls", [[Entry(100, 300), Entry(101, 200, head=1)]])
    (tmp_path / "list.csv").write_text(
        list_text([told(Entry(100, 300)), told(Entry(101, 200, head=1))])
    )
    (tmp_path / "map.json").write_text(json.dumps(MAP))
    released = [(NUMBERS[1], 300, ACCOUNTS[0]), (NUMBERS[2], 200, ACCOUNTS[0])]
    # Of others two more have one, which is nobody's matter here.
    others = [(NUMBERS[3], 77, ACCOUNTS[1])]
    (tmp_path / "pain.xml").write_text(pain001(released + others))
    payees = [
        {"biller": biller, "head": head, "number": account, "ifsc": IFSC}
        for account, billers in ((ACCOUNTS[0], (BILLER,)), (ACCOUNTS[1], ("a", "b")))
        for biller in billers
        for head in HEADS[:2]
    ]
    releases = [
        {"release": at, "biller": BILLER, "head": head}
        for at, head in ((1, HEADS[0]), (2, HEADS[1]))
    ]
    lines = [*payees, *(releases if named else [])]
    (tmp_path / "payees.json").write_text("\n".join(map(json.dumps, lines)))
    paid = [(number, amount) for number, amount, _ in released]
    (tmp_path / "bank.xml").write_bytes(statement(paid, 1_000))
    words = ["match", "--biller", BILLER, "--day", str(DAY), "--json"]
    for name, file in (
        *(("scrolls", "scrolls"), ("list", "list.csv"), ("map", "map.json")),
        *(("payouts", "pain.xml"), ("payees", "payees.json"), ("bank", "bank.xml")),
        ("out", "out"),
    ):
        words += [f"--{name}", str(tmp_path / file)]
    assert main(words) == (0 if named else 1)
    said = capsys.readouterr()
    if named:
        bank = json.loads(said.out.splitlines()[-1])["bank"]
        assert (bank["released"], bank["booked"], bank["not_passed_on"]) == (
            500,
            500,
            0,
        )
    else:
        assert "an account of 2 heads" in said.err
