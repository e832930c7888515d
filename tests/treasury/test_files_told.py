"""Goal: every file says what the rows say: scrolls line by line, memoranda, monthly
statements and camt.053, with the names of their window, numbered without gaps.

Method: some weeks over a year's end, drawn by chance; each table is compared, to the
byte, with one that is computed from the rows alone and written by Python's own CSV, and
in blocks of every size. XML is judged by ISO's schema, and added up again.
"""

import csv
import hashlib
import io
import json
from collections.abc import Generator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from lxml import etree

from switch.canonical_csv import MEMORANDUM_COLUMNS, SCROLL_COLUMNS, STATEMENT_COLUMNS
from switch.codes import Kind, Result
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.file_names import FileKind, FileName
from switch.treasury import counted
from switch.treasury.books import Books, NoFileError
from switch.treasury.files import Files
from switch.treasury.monthly import month_of
from switch.treasury.scrolls import Scroll
from switch.treasury.windows import Window
from tests.memory import folder
from tests.treasury import expected
from tests.treasury.expected import Closed, Line, rupees
from tests.treasury.story import HEADS, Story

T = TypeVar("T")
SCHEMA = Path("build/bank/camt.053.001.08.xsd")
NS = "{urn:iso:std:iso:20022:tech:xsd:camt.053.001.08}"


class Told(NamedTuple):
    story: Story
    rows: list[Entry]
    windows: list[Closed]
    books: Books
    files: Files

    def read(self, name: FileName) -> bytes:
        data = b"".join(self.files.read(name))
        digest = self.files.digest(name)
        assert digest == (len(data), hashlib.sha256(data).digest())
        return data

    def head(self, head: str) -> Any:
        account = self.story.register.find_head(HEADS[head], head)
        assert account
        return account

    def each(self) -> Iterator[tuple[Window, Closed, str]]:
        pairs = zip(self.books.windows.all(), self.windows, strict=True)
        return ((one, other, head) for one, other in pairs for head in HEADS)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with folder() as path:
        story = Story(path / "ledger")
        story.happen(60)
        story.opened()
        story.undone()
        story.happen(300)
        # Into the next financial year.
        story.wait(18 * 86_400)
        story.happen(250)
        story.wait(40 * 86_400)
        story.paid_directly()
        rows = story.rows()
        books = Books(story.register)
        yield Told(
            story,
            rows,
            expected.windows_of(rows, story.groups()),
            books,
            Files(books),
        )
        story.ledger.close()


def drain(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def table(columns: tuple[str, ...], lines: list[Line]) -> bytes:
    """As Python's own writer has it."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([[line[name] for name in columns] for line in lines])
    return made.getvalue().encode()


def test_the_story_has_what_is_to_be_told(told: Told) -> None:
    """Else all that follows proves little."""
    kinds = {(row.kind, row.result) for row in told.rows}
    wanted = (Kind.PAY, Kind.POST, Kind.REFUND, Kind.TRANSFER, Kind.SETTLE, Kind.WINDOW)
    assert {(kind, Result.OK) for kind in wanted} <= kinds
    assert any(expected.is_correction(row) for row in told.rows)
    assert any(expected.is_undoing(row) for row in told.rows)
    assert {Kind.PAY, Kind.POST} <= {row.kind for row in told.rows if row.basket_size}
    assert len({expected.years(one.day) for one in told.windows}) == 2
    assert len(told.story.told) > 10


def test_an_undoing_is_called_by_its_name(told: Told) -> None:
    """It was a transfer, as that with which an account begins, and of no payment."""
    [undoing] = [row for row in told.rows if expected.is_undoing(row)]
    found: list[tuple[Line, Any]] = []
    for window, _, head in told.each():
        name = told.books.name_of(FileKind.SCROLL, window, told.head(head))
        text = told.read(name).decode()
        manifest = json.loads(told.read(name._replace(form="json")))
        lines = list(csv.DictReader(io.StringIO(text)))
        counts = {line["entry"] for line in lines}
        assert ("undoing" in manifest["entries"]) == ("undoing" in counts)
        found += [(one, manifest) for one in lines if one["entry"] == "undoing"]
    [(line, manifest)] = found
    assert line["sequence"] == str(undoing.sequence)
    assert (line["side"], line["payment"]) == ("debit", str(undoing.resolves))
    assert line["reference"]
    assert manifest["entries"]["undoing"] == {"count": 1, "amount": line["amount"]}


def test_windows_are_numbered_without_gaps(told: Told) -> None:
    found = told.books.windows.all()
    assert [one.text for one in found] == [one.number for one in told.windows]
    assert [one.day for one in found] == [one.day for one in told.windows]
    by_year: dict[int, list[int]] = {}
    for one in found:
        by_year.setdefault(one.year, []).append(one.ordinal)
        assert told.books.windows.numbered(one.year, one.ordinal) == one
        for sequence in (one.after + 1, one.sequence):
            assert told.books.windows.of_row(sequence) == one
    assert len(by_year) == 2
    for ordinals in by_year.values():
        assert ordinals == list(range(1, len(ordinals) + 1))
    assert told.books.windows.of_row(told.rows[-1].sequence) is None
    assert told.books.windows.find(1) is None


def test_each_scroll_is_what_the_rows_make_it(told: Told) -> None:
    nil = later = 0
    for window, closed, head in told.each():
        account = told.head(head)
        network = told.story.network(window.sequence)
        lines = expected.scroll(told.rows, closed, account.index, network)
        name = told.books.name_of(FileKind.SCROLL, window, account)
        assert told.read(name) == table(SCROLL_COLUMNS, lines), name.text
        nil += not lines
        later += sum(line["basket"] not in ("", line["payment"]) for line in lines)
    assert nil
    assert later > 2, "payments in baskets behind their first"


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_size_of_blocks_changes_nothing(
    told: Told, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        told.books.name_of(kind, window, told.head(head))
        for window, _, head in told.each()
        for kind in (FileKind.SCROLL, FileKind.ACCOUNT_STATEMENT)
    ]
    names = [
        one._replace(form="xml") if one.kind is not FileKind.SCROLL else one
        for one in names
    ][:60]
    before = [told.read(name) for name in names]
    monkeypatch.setattr(counted, "BLOCK_ROWS", size)
    fresh = Files(told.books)
    for name, data in zip(names, before, strict=True):
        assert b"".join(fresh.read(name)) == data


def test_each_manifest_is_its_scrolls(told: Told) -> None:
    for window, closed, head in told.each():
        account = told.head(head)
        name = told.books.name_of(FileKind.SCROLL, window, account)
        data = told.read(name)
        beside = told.read(name._replace(form="json"))
        said = json.loads(beside)
        made = json.dumps(said, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
        assert beside == made.encode()
        assert said["file"] == {
            "name": name.text,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        lines = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
        assert said["lines"] == len(lines)
        for entry, both in said["entries"].items():
            amounts = [Decimal(one["amount"]) for one in lines if one["entry"] == entry]
            assert both == {"count": len(amounts), "amount": f"{sum(amounts):.2f}"} or (
                not amounts and both == {"count": 0, "amount": "0.00"}
            )
        sides = {
            side: sum(Decimal(one["amount"]) for one in lines if one["side"] == side)
            for side in ("credit", "debit")
        }
        assert Decimal(said["credits"]) == sides["credit"]
        assert Decimal(said["debits"]) == sides["debit"]
        net = sides["credit"] - sides["debit"] - Decimal(said["carried"])
        assert Decimal(said["payable"]) == max(net, 0)
        assert Decimal(said["carried_after"]) == max(-net, 0)
        assert said["number"] == f"S{closed.number}-{HEADS[head]}-{account.purpose + 1}"
        assert said["financial_year"] == expected.years(closed.day)
        assert said["accounting_date"] == closed.day.isoformat()
        assert (said["window"], said["after"]) == (closed.sequence, closed.after)
        assert (said["head"], said["biller"]) == (head, HEADS[head])
        assert said["instance"] == told.story.ledger.instance.hex()
        names = [one for one in told.story.told if one[0] <= window.sequence][-1][1]
        assert said["biller_name"] == names[HEADS[head]]


def test_each_memorandum_names_the_lines_that_it_corrects(told: Told) -> None:
    corrected = given_back = 0
    for window, closed, head in told.each():
        account = told.head(head)
        part = f"{HEADS[head]}-{account.purpose + 1}"
        network = told.story.network(window.sequence)
        lines = expected.memorandum(
            told.rows, told.windows, closed, account.index, network, part
        )
        name = told.books.name_of(FileKind.MEMORANDUM, window, account)
        scroll = json.loads(told.read(name.as_kind(FileKind.SCROLL, "json")))[
            "memorandum"
        ]
        if not lines:
            with pytest.raises(NoFileError):
                told.read(name)
            assert scroll == ""
            continue
        assert told.read(name) == table(MEMORANDUM_COLUMNS, lines)
        said = json.loads(told.read(name._replace(form="json")))
        assert (said["number"], said["lines"]) == (scroll, len(lines))
        for line in lines:
            if not line["corrects_scroll"]:
                given_back += 1
                continue
            corrected += 1
            year, ordinal = (
                line["corrects_scroll"].split("-")[:2],
                line["corrects_scroll"].split("-")[2],
            )
            earlier = told.books.windows.numbered(int(year[0][1:]), int(ordinal))
            assert earlier
            old = told.read(told.books.name_of(FileKind.SCROLL, earlier, account))
            listed = list(csv.DictReader(io.StringIO(old.decode(), newline="")))
            there = listed[int(line["corrects_line"]) - 1]
            assert there["sequence"] == line["of_entry"]
            assert there["payment_id"] == line["payment_id"]
    assert corrected
    assert given_back


def test_a_list_has_every_file_and_each_can_be_read(told: Told) -> None:
    names: list[FileName] = []
    for window in told.books.windows.all():
        names += list(drain(told.files.names_of(window)))
    assert len({one.text for one in names}) == len(names)
    kinds = {one.kind for one in names}
    assert kinds == set(FileKind) - {FileKind.INSTRUCTION}
    for name in names:
        assert told.read(name)
    mine = told.head("0029-02")
    last = told.books.windows.all()[-1]
    of_one = list(drain(told.files.names_of(last, mine.participant)))
    assert {one.owner for one in of_one} == {"land"}
    assert {one.part for one in of_one} == {0, 1, 2}


def test_monthly_statements_lead_from_one_balance_to_the_next(told: Told) -> None:
    months = sorted({one.day.isoformat()[:7] for one in told.windows})
    assert len(months) >= 2
    for biller in ("power", "land"):
        held: dict[str, int] = {}
        settled = 0
        for month in months:
            year, number = map(int, month.split("-"))
            name = FileName(FileKind.MONTHLY, year, number, biller)
            data = told.read(name)
            lines = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
            assert data == table(STATEMENT_COLUMNS, lines)
            assert [one["line"] for one in lines] == [
                str(at + 1) for at in range(len(lines))
            ]
            for head in (one for one in HEADS if HEADS[one] == biller):
                mine = [one for one in lines if one["head"] == head]
                _is_month_of(told, month, head, mine, held)
                settled += sum(one["entry"] == "settlement" for one in mine)
            said = json.loads(told.read(name._replace(form="json")))
            assert said["month"] == month
            assert said["lines"] == len(lines)
        assert settled


def _paise(cell: str) -> int:
    return int(cell.replace(".", "")) if cell else 0


def _is_month_of(
    told: Told, month: str, head: str, lines: list[Line], held: dict[str, int]
) -> None:
    account = told.head(head).index
    windows = [one for one in told.windows if one.day.isoformat()[:7] == month]
    opening, *inner, closing = lines
    assert (opening["entry"], closing["entry"]) == ("opening", "closing")
    balance = _paise(opening["credits"]) - _paise(opening["debits"])
    assert balance == held.get(head, balance)
    listed = [one for one in inner if one["entry"] == "window"]
    part = f"{HEADS[head]}-{told.head(head).purpose + 1}"
    assert [one["number"] for one in listed] == [
        f"S{one.number}-{part}" for one in windows
    ]
    for line, window in zip(listed, windows, strict=True):
        rows = expected.accepted(told.rows, window, account, expected.COUNTED)
        assert line["lines"] == str(len(rows))
        assert _paise(line["credits"]) == sum(
            row.amount for row in rows if row.credit == account
        )
        balance += _paise(line["credits"]) - _paise(line["debits"])
    for line in inner:
        if line["entry"] == "settlement":
            row = told.rows[int(line["sequence"]) - 1]
            assert (row.kind, row.debit) == (Kind.SETTLE, account)
            assert line["of_window"] == str(row.resolves)
            assert line["settled"] == rupees(row.amount)
            balance -= row.amount
    wanted = sum(
        row.kind == Kind.SETTLE and row.result == Result.OK and row.debit == account
        for row in told.rows[windows[0].after : windows[-1].sequence]
    )
    assert len(inner) - len(listed) == wanted
    assert balance == _paise(closing["credits"]) - _paise(closing["debits"])
    held[head] = balance


def test_a_month_that_is_not_over_has_no_statement(tmp_path: Path) -> None:
    story = Story(tmp_path / "ledger")
    story.paid_directly()
    story.closed()
    files = Files(Books(story.register))
    name = FileName(FileKind.MONTHLY, 2026, 3, "power")
    with pytest.raises(NoFileError):
        list(files.read(name))
    [window] = Books(story.register).windows.all()
    assert FileKind.MONTHLY not in {one.kind for one in drain(files.names_of(window))}
    # Any row of a later month will do: nothing can come to this one any more.
    story.wait(30 * 86_400)
    story.paid_directly()
    assert b"".join(files.read(name))
    assert FileKind.MONTHLY in {one.kind for one in drain(files.names_of(window))}
    for other in ("nobody", "bsk-1", "clerk"):
        with pytest.raises(NoFileError):
            list(files.read(name._replace(owner=other)))
    story.ledger.close()


def test_a_window_that_closes_meanwhile_is_no_month_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the cut-off at a month's end does it: of the old month, at the new one's
    first moment.
    """
    story = Story(tmp_path / "ledger")
    story.paid_directly()
    story.closed()
    books = Books(story.register)
    known = books.windows.all

    def closes_behind() -> list[Window]:
        windows = known()
        story.now += 30 * 86_400 * 10**9
        story.closed()
        return windows

    monkeypatch.setattr(books.windows, "all", closes_behind)
    assert month_of(books, 2026, 3) is None
    monkeypatch.undo()
    story.now += 30 * 86_400 * 10**9
    story.closed()
    month = month_of(books, 2026, 3)
    assert month
    assert len(month.windows) == 2
    story.ledger.close()


def test_camt_is_what_the_schema_says_and_adds_up(told: Told) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    closings: dict[str, Decimal] = {}
    for window, closed, head in told.each():
        account = told.head(head)
        name = told.books.name_of(FileKind.ACCOUNT_STATEMENT, window, account)
        root = etree.fromstring(told.read(name._replace(form="xml")))
        schema.assertValid(root)
        rows = expected.accepted(told.rows, closed, account.index, expected.POSTED)
        entries = root.findall(f".//{NS}Ntry")
        assert [one.findtext(f"{NS}NtryRef") for one in entries] == [
            str(row.sequence) for row in rows
        ]
        balances = {
            one.findtext(f".//{NS}Cd"): signed(one) for one in root.iter(f"{NS}Bal")
        }
        moved = sum(map(signed, entries))
        assert balances["OPBD"] + moved == balances["CLBD"]
        assert balances["OPBD"] == closings.get(head, balances["OPBD"])
        closings[head] = balances["CLBD"]
        for side, code in (("Cdt", "CRDT"), ("Dbt", "DBIT")):
            sums: Any = root.find(f".//{NS}Ttl{side}Ntries")
            mine = [one for one in entries if one.findtext(f"{NS}CdtDbtInd") == code]
            assert sums.findtext(f"{NS}NbOfNtries") == str(len(mine))
            assert Decimal(sums.findtext(f"{NS}Sum")) == abs(sum(map(signed, mine)))
        for row, entry in zip(rows, entries, strict=True):
            line: Line = {"entry": "settlement"}
            if row.kind != Kind.SETTLE:
                network = told.story.network(window.sequence)
                line = expected.paid(told.rows, row, network)
            entry_code = entry.findtext(f"{NS}BkTxCd/{NS}Prtry/{NS}Cd")
            assert entry_code == line["entry"].upper()
            if line["entry"] in ("settlement", "transfer"):
                assert entry.find(f"{NS}NtryDtls") is None
                continue
            payment_id = line["payment_id"].replace("-", "")
            assert entry.findtext(f".//{NS}EndToEndId") == payment_id
            receipt = entry.findtext(f".//{NS}AddtlTxInf") or ""
            assert expected.safe(receipt) == line["receipt"]


def signed(element: Any) -> Decimal:
    amount = Decimal(element.findtext(f"{NS}Amt"))
    return amount if element.findtext(f"{NS}CdtDbtInd") == "CRDT" else -amount


def test_no_file_is_made_that_differs_from_its_window(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is left out is noticed, as one that is there twice."""
    window, account = next(
        (one, told.head(head))
        for one, other, head in told.each()
        if len(
            expected.accepted(told.rows, other, told.head(head).index, expected.COUNTED)
        )
        > 2
    )
    whole = counted.blocks

    def without_one(*args: Any) -> Iterator[Any]:
        for rows in whole(*args):
            yield rows[1:]

    monkeypatch.setattr("switch.treasury.scrolls.blocks", without_one)
    monkeypatch.setattr("switch.treasury.account_statements.blocks", without_one)
    with pytest.raises(CorruptionError, match="the window says"):
        list(Scroll(told.books, window, account).blocks())
    name = told.books.name_of(FileKind.ACCOUNT_STATEMENT, window, account)
    with pytest.raises(CorruptionError, match="lead from"):
        list(Files(told.books).read(name._replace(form="xml")))


def test_what_is_not_there(told: Told) -> None:
    window = told.books.windows.all()[0]
    name = told.books.name_of(FileKind.SCROLL, window, told.head("0029-01"))
    for other in (
        name._replace(part=3),
        name._replace(owner="nobody"),
        name._replace(owner="bsk-1"),
        name._replace(ordinal=9_999),
        name._replace(year=1999),
        name._replace(kind=FileKind.INSTRUCTION, form="xml"),
    ):
        with pytest.raises(NoFileError):
            list(told.files.read(other))
