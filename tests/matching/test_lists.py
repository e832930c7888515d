"""Goal: no line of a list holds up the others, and no file that is none is believed.

Method: a right list with one thing changed at a time; what is refused is refused whole,
with a text that says where; what is kept is kept with all the rest.
"""

import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switch.column_maps import MAP_MAX
from switch.matching import judging, lists
from switch.matching.breaks import Break, Matched, Type, read_match, write_breaks
from switch.matching.cells import ListError
from switch.matching.day_lines import DayLine, read_day
from switch.matching.decisions import read_decided
from switch.matching.lines import Texts
from switch.matching.lists import BillerList, read_list
from switch.matching.maps import By, ListMap, read_map
from switch.matching.scrolls import read_scrolls
from tests.matching.books import (
    BILLER,
    DAY,
    MAP,
    Entry,
    Told,
    list_text,
    matched,
    told,
    write_scrolls,
)

COLUMNS = MAP | {
    "by": "reference",
    "key": "Consumer",
    "form": {"letters": "upper", "ignored": ["space", "hyphen"]},
}
HEAD = "Consumer,Date,Amount,Head\r\n"
LINE = "C1,27/11/2026,10.00,0043-00-102-001-01\r\n"


def columns(**changes: object) -> ListMap:
    return read_map(json.dumps(COLUMNS | changes).encode(), "map.json")


def read(
    text: str | bytes,
    count: int | None = None,
    total: int | None = None,
    **changes: object,
) -> BillerList:
    data = text.encode() if isinstance(text, str) else text
    return read_list(
        io.BytesIO(data),
        "list.csv",
        columns(**changes),
        Texts(),
        count=count,
        total=total,
    )


def refused(text: str | bytes, **changes: object) -> str:
    with pytest.raises(ListError) as caught:
        read(text, **changes)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (LINE, b"C1"),
        ("c-1 ,27/11/2026,10,00430010200101\r\n", b"C1"),
        (" c 1,27/11/2026, 10.00 ,0043\n", b"C1"),
        ('"C1","27/11/2026","10.00","0043"\n', b"C1"),
        ("'=C1,27/11/2026,10.00,0043\n", b"=C1"),
        ('"=""C1""",27/11/2026,10.00,0043\n', b"C1"),
        ('="0042",27/11/2026,10.00,0043\n', b"0042"),
        ("''C1,27/11/2026,10.00,0043\n", b"'C1"),
        ("C1,27/11/2026,10.00,0043", b"C1"),
        ('C1,27/11/2026,"1,00,00,000.00",0043\n', b"C1"),
    ],
)
def test_what_a_line_may_look_like(line: str, key: bytes) -> None:
    for mark in ("", "\ufeff"):
        found = read(mark + HEAD + line + "\r\n , ,,\n")
        assert (found.there.key.tolist(), found.bad, found.count) == ([key], (), 1)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("C1,27/11/2026,92233720368547758.08,1", "more than the ledger takes"),
        ("C1,27/11/2026,18446744073709551616,1", "more than the ledger takes"),
        ("C1,27/11/2026,0.00,1", "an amount of nothing"),
        ("C1,27/11/2026,-1.00,1", "not an amount"),
        ("C1,27/11/2026,1.5,1", "not an amount"),
        ("C1,27/11/2026,1e3,1", "not an amount"),
        ("C1,27/11/2026,=1+1,1", "not an amount"),
        ("C1,2026-11-27,1.00,1", "no date"),
        ("C1,27/11/0026,1.00,1", "no date"),
        ("C1,27/11/9999,1.00,1", "no date of these times"),
        ("C1,27/11/2026,1.00,---", "no head"),
        (",27/11/2026,1.00,1", "1 to 32 printable"),
        ("C" * 33 + ",27/11/2026,1.00,1", "1 to 32 printable"),
        ("টাকা,27/11/2026,1.00,1", "printable ASCII"),
        ("C1,27/11/2026,1.00", "more or fewer cells"),
        ("C1,27/11/2026,1,000.00,1", "more or fewer cells"),
        ('"C1,27/11/2026,1.00,1', "is no CSV"),
        ('C"1",27/11/2026,1.00,"1"x', "is no CSV"),
        ("C1\0,27/11/2026,1.00,1", "zero byte"),
        (b"C\xff,27/11/2026,1.00,1", "is not in utf-8, byte 1"),
        ("x" * 70_000, "more than 65536 bytes"),
        ('"' + "x" * 5_000 + '",27/11/2026,1.00,1', "a cell of more than 4000"),
    ],
)
def test_a_bad_line_costs_itself_alone(line: str | bytes, what: str) -> None:
    raw = line.encode() if isinstance(line, str) else line
    found = read(HEAD.encode() + LINE.encode() + raw + b"\r\n" + LINE.encode())
    assert found.there.line.tolist() == [2, 4]
    (bad,) = found.bad
    assert (bad.line, found.count) == (3, 3)
    assert what in bad.what
    # The others are matched; this one is an unknown break of its own.
    assert not found.is_complete


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "'Consumer' is not there"),
        (LINE, "'Consumer' is not there"),
        ("Consumer,Consumer,Date,Amount,Head\n" + LINE, "is twice there"),
        ((HEAD + LINE).encode("utf-16"), "is in UTF-16"),
        (b"\xff\xff" + HEAD.encode(), "its line of columns is none"),
    ],
)
def test_what_is_no_list(text: str | bytes, what: str) -> None:
    assert what in refused(text)


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LINES_MAX", 3)
    assert read(HEAD + LINE * 3).count == 3
    assert "more than 3 lines" in refused(HEAD + LINE * 4)
    monkeypatch.setattr(lists, "UNKNOWN_MAX", 2)
    assert len(read(HEAD + "x\n" * 2 + LINE).bad) == 2
    assert "3 lines cannot be read" in refused(HEAD + "x\n" * 3)
    monkeypatch.setattr(lists, "FILE_MAX", 200)
    assert "more than 200 bytes" in refused(HEAD + "x" * 300)
    assert "more than 200 bytes" in refused(HEAD + "x" * 300_000)


def test_breaks_are_bounded_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [Entry(100 + at, 1_000) for at in range(6)]
    write_scrolls(tmp_path, [entries])
    monkeypatch.setattr(judging, "OPEN_MAX", 5)
    right = [told(one) for one in entries]
    assert len(matched(tmp_path, [*right, *right[1:]]).found.breaks) == 5
    wrong: tuple[list[Told], ...] = (
        [],
        [*right, *right],
        [told(one, amount=7) for one in entries],
        [told(Entry(900, 1_000)), *right[:1]],
    )
    for lines in wrong:
        with pytest.raises(ListError, match="it is not the list of these days"):
            matched(tmp_path, lines)


def test_control_figures() -> None:
    two = HEAD + LINE * 2
    assert read(two, count=2, total=2_000).is_complete
    assert not read(two, count=2).is_complete
    assert not read(two, total=2_000).is_complete
    assert "has 2 lines, not the 3 announced" in refused(two, count=3)
    assert "comes to 20.00, not to the 20.01 announced" in refused(two, total=2_001)
    assert "comes to 20.00, not to the 19.99 announced" in refused(two, total=1_999)
    # What cannot be read may be the rest, and never less than nothing.
    broken = two + "C1,27/11/2026,x,1\n"
    assert not read(broken, count=3, total=2_500).is_complete
    assert "announced" in refused(broken, count=3, total=1_999)
    # An amount that can be read counts, whatever else is wrong with its line.
    nameless = two + ",27/11/2026,5.00,1\n"
    assert read(nameless, count=3, total=2_500).total == 2_500
    assert "announced" in refused(nameless, count=3, total=2_000)


def test_windows_1252() -> None:
    text = HEAD + LINE.replace("C1", "C–1")
    assert read(text.encode("windows-1252")).bad
    found = read(text.encode("windows-1252"), encoding="windows-1252")
    assert "printable ASCII" in found.bad[0].what


def test_refunds_have_a_sign_where_a_list_tells_them() -> None:
    text = (
        HEAD
        + "C1,27/11/2026,-10.00,1\nC1,27/11/2026,10.00 DR,1\nC1,27/11/2026,-1 DR,1\n"
    )
    assert len(read(text).bad) == 3
    found = read(text, refunds=True)
    assert (found.there.refund.tolist(), found.total) == ([True, True], -2_000)
    assert len(found.bad) == 1


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"by": "name"}, "by is one of"),
        ({"key": ""}, "key has no such value"),
        ({"key": "Date"}, "one column for two things"),
        ({"date_format": "%d/%m"}, "no year"),
        ({"date_format": "%Y"}, "none of a day"),
        ({"delimiter": ";;"}, "no such delimiter"),
        ({"encoding": "utf-7"}, "encoding has no such value"),
        ({"refunds": 1}, "refunds has no such value"),
        ({"skip_lines": 10**9}, "skip_lines has no such value"),
        ({"form": {"letters": "up"}}, "form has no 'up'"),
        ({"form": {"pattern": "9{"}}, "form: pattern"),
        ({"by": "id"}, "a form is of the citizen's references"),
        ({"columns": 1}, "no such name"),
        ({"baskets": True}, "baskets are told by one payment's key"),
    ],
)
def test_maps_that_cannot_be(changes: dict[str, object], what: str) -> None:
    with pytest.raises(ListError, match="is no map of columns") as caught:
        columns(**changes)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"\xff", b'{"by":"id","by":"id"}', b"[" * 9_999, b" " * (MAP_MAX + 1)],
)
def test_what_is_no_map(data: bytes) -> None:
    with pytest.raises(ListError, match="is no map of columns"):
        read_map(data, "map.json")


PAID = [Entry(100, 50_000), Entry(101, 20_000, head=1)]


def test_scrolls_that_are_not_what_they_say(tmp_path: Path) -> None:
    scroll = tmp_path / f"S2026-27-0001-{BILLER}-1.csv"
    write_scrolls(tmp_path, [PAID])
    right = scroll.read_bytes()
    header, line = right.splitlines(keepends=True)
    for wrong, what in (
        (right.replace(b"500.00", b"501.00"), "hash"),
        (header, "hash"),
        (right[:-9], "is no scroll"),
        (right + line, "its line 2 is none"),
        (right.replace(b",payment,credit", b",topping,credit"), "is no scroll"),
        (b"", "has not the columns"),
    ):
        scroll.write_bytes(wrong)
        with pytest.raises(ListError, match=what):
            read_scrolls(tmp_path, BILLER, By.ID, Texts())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("credits", "1.00"),
        ("lines", 2),
        ("number", "S2026-27-0002-power-1"),
        ("format", 2),
        ("kind", "memorandum"),
        ("payable", "-1.00"),
        ("window", "7"),
        ("file", None),
    ],
)
def test_manifests_that_are_not_of_their_scroll(
    field: str, value: object, tmp_path: Path
) -> None:
    write_scrolls(tmp_path, [PAID])
    manifest = tmp_path / f"S2026-27-0001-{BILLER}-1.json"
    said = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(said | {field: value}))
    with pytest.raises(ListError, match="S2026-27-0001"):
        read_scrolls(tmp_path, BILLER, By.ID, Texts())


def test_no_scroll_in_between_may_lack(tmp_path: Path) -> None:
    write_scrolls(tmp_path, [PAID, [], PAID[:0]])
    for form in ("csv", "json"):
        (tmp_path / f"S2026-27-0002-{BILLER}-2.{form}").unlink()
    with pytest.raises(ListError, match="a scroll is not there"):
        read_scrolls(tmp_path, BILLER, By.ID, Texts())
    other = tmp_path / "other"
    write_scrolls(other, [PAID])
    with pytest.raises(ListError, match="has no scroll of it since"):
        read_scrolls(other, BILLER, By.ID, Texts(), DAY + dt.timedelta(days=1))
    with pytest.raises(ListError, match="has no scroll of 'water'"):
        read_scrolls(tmp_path, "water", By.ID, Texts())


def test_of_every_head_the_newest_must_be_there(tmp_path: Path) -> None:
    write_scrolls(tmp_path, [PAID, PAID[:0]])
    for form in ("csv", "json"):
        (tmp_path / f"S2026-27-0002-{BILLER}-2.{form}").unlink()
    with pytest.raises(ListError, match="power-2 a scroll of that head is not there"):
        read_scrolls(tmp_path, BILLER, By.ID, Texts())


def test_scrolls_lie_in_months(tmp_path: Path) -> None:
    write_scrolls(tmp_path, [PAID, [Entry(200, 1)]])
    for month, ordinal in (("2026-10", 1), ("2026-11", 2)):
        (tmp_path / month).mkdir()
        for path in tmp_path.glob(f"S2026-27-000{ordinal}-*"):
            path.rename(tmp_path / month / path.name)
    assert len(read_scrolls(tmp_path, BILLER, By.ID, Texts()).here) == 3
    since = dt.date(2026, 11, 1)
    assert len(read_scrolls(tmp_path, BILLER, By.ID, Texts(), since).here) == 1
    name = f"S2026-27-0002-{BILLER}-1.csv"
    (tmp_path / name).write_bytes((tmp_path / "2026-11" / name).read_bytes())
    with pytest.raises(ListError, match=", too"):
        read_scrolls(tmp_path, BILLER, By.ID, Texts())


DAY_MAP = {
    "by": "id",
    "key": "Id",
    "number": "Number",
    "biller_reference": "Ours",
    "date": "Date",
    "date_format": "%d/%m/%Y",
    "amount": "Amount",
}


def day_of(
    text: str, columns: Mapping[str, object] = DAY_MAP, total: int | None = None
) -> list[DayLine]:
    made = read_map(json.dumps(columns).encode(), "map.json")
    return read_day(io.BytesIO(text.encode()), "list.csv", made, DAY, total=total)


def test_the_list_of_a_day_has_numbers_and_ids() -> None:
    paid = Entry(100, 50_000)
    text = list_text([told(paid), told(PAID[1])])
    first, second = day_of(text.replace("\r\n", "\r\n\r\n"), total=70_000)
    assert first == DayLine(100, UUID(paid.id).bytes, 50_000, paid.theirs)
    assert second.number == 101
    assert day_of(list_text([])) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("500.00", "0.00"), "line 2: an amount of nothing"),
        (("27/11/2026", "28/11/2026"), "line 2: is not of 2026-11-27"),
        ((",100,", ",1e2,"), "line 2: has no number"),
        (("WB0000000100", "W" * 33), "line 2: a reference has 32"),
        (("Number", "Numbers"), "the column 'Number' is not there"),
        (("500.00", "501.00"), "comes to 501.00, not to the 500.00 announced"),
    ],
)
def test_one_wrong_line_and_it_is_no_list_of_a_day(
    change: tuple[str, str], what: str
) -> None:
    text = list_text([told(Entry(100, 50_000))])
    assert change[0] in text
    with pytest.raises(ListError, match=what):
        day_of(text.replace(*change), total=50_000)


def test_maps_of_no_list_of_a_day() -> None:
    text = list_text([told(Entry(100, 50_000))])
    wrongs: tuple[dict[str, object], ...] = (
        {"refunds": True},
        {"by": "number", "key": "Number", "number": "Id"},
    )
    for wrong in wrongs:
        with pytest.raises(ListError, match="the list of a day is by id"):
            day_of(text, DAY_MAP | wrong)


def spoilt(right: bytes) -> st.SearchStrategy[bytes]:
    """Something else, or the right bytes with some others in them."""
    cuts = st.tuples(
        st.integers(0, len(right)), st.integers(0, 30), st.binary(max_size=12)
    )

    def cut(changes: list[tuple[int, int, bytes]]) -> bytes:
        data = right
        for at, size, other in changes:
            data = data[:at] + other + data[at + size :]
        return data

    return st.one_of(st.binary(max_size=200), st.lists(cuts, max_size=4).map(cut))


LIST = (HEAD + LINE * 3 + '"C,2",27/11/2026,"1,000.00",1\n').encode()
FULL = write_breaks(
    [
        Break(
            number="B20261127-AAAAAAAAAAAAAAAA",
            type=Type.AMOUNT,
            biller=BILLER,
            day=DAY,
            since=DAY,
            by="id",
            key="k",
            entry=5,
            amount_here=500,
            linked=((7, 100),),
        )
    ],
    DAY,
    Matched(
        biller=BILLER, first=DAY, last=DAY, by="id", window=9, list="l", before=None
    ),
)
DECIDE = b"number,decision,about,amount,reason\nX7,verify,,,x\nB1,refund,,1.00,x\n"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_are_more_than_refused(data: st.DataObject) -> None:
    """Whatever is read is a list, or is refused with a word about it; each line of it
    is kept, or is a bad one.
    """
    readers: tuple[tuple[bytes, Callable[[bytes], object]], ...] = (
        (LIST, lambda given: read(given)),
        (json.dumps(COLUMNS).encode(), lambda given: read_map(given, "m")),
        (FULL, lambda given: read_match(given, "b")),
        (DECIDE, lambda given: list(read_decided(given, "d", {}))),
    )
    right, reader = data.draw(st.sampled_from(readers))
    try:
        found = reader(data.draw(spoilt(right)))
    except ListError:
        return
    if isinstance(found, BillerList):
        assert len(found.there) + len(found.bad) == found.count
    # What is right is read.
    reader(right)


def test_a_million_sums_of_the_largest_amounts_are_exact(tmp_path: Path) -> None:
    """2^63 paise are twelve of these: no sum is of 64 bits."""
    entries = [Entry(100 + at, 10**18) for at in range(40)]
    write_scrolls(tmp_path, [entries])
    found, listed = matched(tmp_path, [told(one) for one in entries[1:]])
    assert found.sums.here == 40 * 10**18
    assert listed.total == found.sums.there == 39 * 10**18
    assert found.sums.explained() == {"missing_there": 10**18}
    assert [head["here"] for head in found.sums.heads()] == [40 * 10**18]
