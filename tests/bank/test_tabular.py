"""Goal: a bank's CSV is read by the map of its columns alone, and adds up.

Method: one file and its map by hand; then one thing at a time is changed.
"""

import datetime as dt
import json

import pytest

from switch.bank.lines import Problem, Side, StatementError
from switch.bank.sequence import distinct_lines
from switch.bank.tabular import ColumnMap, read_csv, read_map
from tests.bank.writer import ACCOUNT, OTHER_UTR, UTR

MAP = {
    "account": ACCOUNT,
    "date": "Txn Date",
    "date_format": "%d/%m/%Y",
    "credit": "Deposit",
    "debit": "Withdrawal",
    "balance": "Balance",
    "reference": "Ref No",
    "texts": ["Narration"],
    "skip_lines": 1,
}
FILE = f"""Statement of account {ACCOUNT}
Txn Date,Narration,Ref No,Withdrawal,Deposit,Balance
27/11/2026,"NEFT, REQ-17",{UTR.lower()},,"1,23,456.00","1,23,556.00"
28/11/2026,Charges,,5.9,,123550.10
28/11/2026,Paid out,{OTHER_UTR},150000.00,,"-26,449.90"
"""


def columns(**changes: object) -> ColumnMap:
    return read_map(json.dumps(MAP | changes).encode(), "map.json")


def refused(text: str | bytes, **changes: object) -> str:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(StatementError) as caught:
        read_csv(data, "file.csv", columns(**changes))
    return str(caught.value)


def test_a_file_by_its_map() -> None:
    one = read_csv(FILE.encode(), "file.csv", columns())
    credit, charge, out = one.lines
    assert (one.account, one.opening, one.closing) == (ACCOUNT, 10_000, -2_644_990)
    assert (one.first_day, one.last_day) == (
        dt.date(2026, 11, 27),
        dt.date(2026, 11, 28),
    )
    assert (credit.side, credit.amount, credit.reference) == (
        Side.CREDIT,
        12_345_600,
        UTR,
    )
    assert credit.texts == (UTR.lower(), "NEFT, REQ-17")
    assert (charge.amount, charge.problem) == (590, Problem.NO_REFERENCE)
    assert (out.side, out.reference) == (Side.DEBIT, OTHER_UTR)
    assert out.place == "file.csv, line 5"


def test_the_same_file_is_the_same_statement() -> None:
    one, again, other = (
        read_csv(data, "x", columns())
        for data in (FILE.encode(), FILE.encode(), FILE.replace("REQ-17", "R").encode())
    )
    assert one.name == again.name != other.name


def test_newest_first_and_a_byte_order_mark() -> None:
    head, names, *rows = FILE.splitlines()
    text = "\r\n".join([head, names, *reversed(rows), ""])
    one = read_csv(b"\xef\xbb\xbf" + text.encode(), "x", columns(newest_first=True))
    assert (one.opening, one.closing) == (10_000, -2_644_990)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("123550.10", "123550.11", "line 4: the balance does not follow"),
        (",5.9,,", ",5.9,1.00,", "line 4: must be either a credit or a debit"),
        (",5.9,,", ",,,", "line 4: must be either"),
        (",5.9,,", ",-5.9,,", "line 4: not an amount"),
        (",5.9,,", ",5.901,,", "line 4: a part of a paisa"),
        ('"1,23,456.00"', '"1,23,4,56.00"', "line 3: not an amount"),
        ("28/11/2026,Charges", "2026-11-28,Charges", "line 4: no date"),
        ("28/11/2026,Charges", "31/02/2026,Charges", "line 4: no date"),
        ("Ref No", "Reference", "the column 'Ref No' is not there"),
        ("Narration,", "Ref No,", "the column 'Ref No' is twice there"),
        (",,123550.10", ",,123550.10,x", "line 4: has more or fewer cells"),
        (",5.9,,123550.10", ",5.9", "line 4: has more or fewer cells"),
        ('"1,23,556.00"', "", "line 3: no balance"),
        ('"1,23,556.00"', "-", "line 3: no balance"),
        ('"1,23,556.00"', "CR", "line 3: no balance"),
        ('"-26,449.90"', "-26449.90 DR", "line 5: no balance"),
        ('"-26,449.90"', "-26449.90 CR", "line 5: no balance"),
        ('"-26,449.90"', "26449.90 CRDR", "line 5: "),
        ('"NEFT, REQ-17"', '"NEFT"x', "is no CSV"),
    ],
)
def test_one_thing_wrong_and_nothing_is_believed(
    before: str, after: str, why: str
) -> None:
    assert FILE.count(before) == 1
    assert why in refused(FILE.replace(before, after))


def test_cut_short_wherever_it_is() -> None:
    whole = read_csv(FILE.encode(), "x", columns())
    for end in range(len(FILE)):
        try:
            one = read_csv(FILE[:end].encode(), "x", columns())
        except StatementError:
            continue
        # What is left are whole lines, and adds up; the chain shows what is missing.
        assert one.lines == whole.lines[: len(one.lines)]
        assert one.closing is not None
        assert one.opening is not None
        assert one.opening + one.change == one.closing


def test_a_balance_cut_in_its_digits_does_not_follow() -> None:
    assert "does not follow" in refused(FILE[: FILE.index("123550.10") + 5])


@pytest.mark.parametrize("data", [b"\xff\xfe" + FILE.encode("utf-16-le"), b"\x80", b""])
def test_another_encoding_or_nothing(data: bytes) -> None:
    assert refused(data)


def test_zero_bytes_and_huge_cells() -> None:
    assert "zero bytes" in refused(FILE.replace("Charges", "Char\0ges"))
    assert "4000 characters" in refused(FILE.replace("Charges", "x" * 5_000))
    assert "is no CSV" in refused(FILE.replace("Charges", "x" * 200_000))


@pytest.mark.parametrize(
    "changes",
    [
        {"account": ""},
        {"account": 1},
        {"texts": "Narration"},
        {"texts": ["x"] * 33},
        {"skip_lines": -1},
        {"skip_lines": True},
        {"newest_first": 1},
        {"delimiter": ""},
        {"delimiter": ",,"},
        {"colour": "red"},
        {"account": "12-3"},
        {"account": "1\x1b[2J"},
        {"delimiter": "\n"},
        {"delimiter": '"'},
        {"credit": "Withdrawal"},
        {"credit": "Balance"},
        {"reference": "Txn Date"},
        {"date_format": "%d/%m"},
        {"date_format": "%m/%Y"},
        {"date_format": "%d%d/%m/%Y"},
        {"date_format": "%Q"},
        {"date_format": "%d/%m/%Y %"},
    ],
)
def test_a_map_that_is_none(changes: dict[str, object]) -> None:
    with pytest.raises(StatementError, match="is no map of columns"):
        columns(**changes)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b"[" * 70_000, b'{"account": "1"}', b"NaN"]
)
def test_no_map_at_all(data: bytes) -> None:
    with pytest.raises(StatementError, match="is no map of columns"):
        read_map(data, "map.json")


def test_a_map_that_says_one_thing_twice() -> None:
    twice = json.dumps(MAP).replace('"credit"', '"credit": "Withdrawal", "credit"')
    with pytest.raises(StatementError, match="a name is there twice"):
        read_map(twice.encode(), "map.json")


def test_an_account_in_its_one_form() -> None:
    assert columns(account=" ab 12 34 ").account == "AB1234"


@pytest.mark.parametrize("date_format", ["%d-%b-%y", "%G-W%V-%u", "%d/%m/%Y %H:%M:%S"])
def test_ways_of_writing_a_day(date_format: str) -> None:
    text = dt.datetime(2026, 11, 27).strftime(date_format)  # noqa: DTZ001
    rows = FILE.replace("27/11/2026", text).replace("28/11/2026", text)
    one = read_csv(rows.encode(), "x", columns(date_format=date_format))
    assert one.first_day == one.last_day == dt.date(2026, 11, 27)


@pytest.mark.parametrize("balance", ["26449.90 DR", "26449.90Dr", '"-26,449.90"'])
def test_a_balance_below_zero(balance: str) -> None:
    rows = FILE.replace('"-26,449.90"', balance)
    assert read_csv(rows.encode(), "x", columns()).closing == -2_644_990


def test_without_balances_its_lines_count_all_the_same() -> None:
    bare = read_csv(FILE.encode(), "x", columns(balance="Balance", texts=[]))
    given = {name: MAP[name] for name in MAP if name != "balance"}
    one = read_csv(FILE.encode(), "x", read_map(json.dumps(given).encode(), "m"))
    assert (one.opening, one.closing) == (None, None)
    # It is no advice: nobody else tells of what has no reference.
    assert len(distinct_lines([one])) == len(distinct_lines([bare])) == 3
