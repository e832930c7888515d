"""Goal: a table fits its screen, breaks no word, and says what it leaves out.

Method: every table that the source draws gets random cells, hostile ones too, in both
languages and on screens of every width. What a terminal would show is read back, column
by column, and compared with the cells word by word.
"""

import ast
import ctypes
import io
import locale
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.console import words
from switch.console.output import Screen, harmless
from switch.console.tables import cell_len, drop_order, fit
from switch.console.words import WORDS, Language
from tests.cli.drawn_tables import ROOT, Drawn, drawn_tables

DRAWN = drawn_tables()
NARROWEST, WIDEST = 20, 240
EVERYWHERE = [each.where for each in DRAWN]

short = st.text("abcXYZ019-/.", min_size=1, max_size=12)
names = st.lists(short, min_size=1, max_size=12).map(" ".join)
bengali = st.lists(
    st.sampled_from(["টাকার", "অঙ্ক", "প্রদেয়", "দেওয়া", "যাবে", "বিলার", "ক\u200dষ"]),
    min_size=1,
    max_size=6,
).map(" ".join)
hostile = st.text(
    "a\x1b\x07\r\t\x9b\u202e\u2066\u00a0\u2028[b]\\", min_size=1, max_size=10
)
cells = st.one_of(
    st.sampled_from(["", "₹12,34,567.89", "2026-03-02 12:00:00 IST", "f" * 64]),
    *(short, names, bengali, hostile),
    names.map("   {}  ".format),
)


class Terminal(io.StringIO):
    """Standard output as a terminal."""

    def isatty(self) -> bool:
        return True


def _shown(
    drawn: Drawn,
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    language: Language,
    wide: bool = False,
    has_footer: bool = False,
) -> str:
    """What a terminal of this width shows of a table, whose last row may be a footer;
    None: what a file gets.
    """
    out = io.StringIO() if width is None else Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setitem(os.environ, "COLUMNS", str(width or 40))
        # One that has no colours: what is read back has no other marks.
        patch.setitem(os.environ, "TERM", "dumb")
        screen = Screen(as_json=False, language=language, wide=wide)
        body, foot = (rows[:-1], rows[-1]) if has_footer else (rows, ())
        screen.table(
            drawn.columns,
            body,
            right=drawn.right,
            footer=foot,
            drop=drawn.drop,
            wraps=drawn.wraps,
            below=drawn.below,
            whole=drawn.whole,
        )
    return out.getvalue()


def _columns(text: str) -> list[list[str]]:
    """The words of each column, its head included, from what was printed."""
    lines = [line for line in text.splitlines() if line[:1] in ("┃", "│")]
    parts = [line.replace("┃", "│").split("│")[1:-1] for line in lines]
    return [" ".join(column).split() for column in zip(*parts, strict=True)]


def _below(text: str) -> list[str]:
    """The words that stand below the rows, the head's first."""
    lines = [line for line in text.splitlines() if line[:1] == "┊"]
    return [word for line in lines for word in line[1:].split()]


def _words(
    drawn: Drawn, rows: Sequence[Sequence[str]], at: int, language: Language
) -> list[str]:
    texts = [language.word(drawn.columns[at]), *(row[at] for row in rows)]
    return [word for text in texts for word in harmless(text).split()]


def _rows_of(drawn: Drawn) -> st.SearchStrategy[list[tuple[str, ...]]]:
    row = st.tuples(*[cells] * len(drawn.columns))
    return st.lists(row, min_size=0, max_size=4)


draws = st.sampled_from(DRAWN).flatmap(
    lambda one: st.tuples(st.just(one), _rows_of(one))
)


@pytest.mark.parametrize("width", [NARROWEST, WIDEST])
def test_a_cell_of_what_is_not_printable_is_not_empty(width: int) -> None:
    """What is signed is what is shown."""
    [drawn] = [one for one in DRAWN if "approved_breaks:show_proposals" in one.where]
    row = ("1", *[""] * (len(drawn.columns) - 2), "\r")
    assert "\\r" in _shown(drawn, [row], width, language=Language.ENGLISH)


@given(draws, st.sampled_from(Language), st.integers(NARROWEST, WIDEST), st.booleans())
def test_no_table_breaks_a_word_or_hides_that_it_leaves_something_out(
    drawn_rows: tuple[Drawn, list[tuple[str, ...]]],
    language: Language,
    width: int,
    footer: bool,
) -> None:
    drawn, rows = drawn_rows
    text = _shown(
        drawn, rows, width, language=language, has_footer=footer and bool(rows)
    )
    if drawn.whole and "┃" not in text:
        # Each row is a list: whatever is signed is there.
        told = text.split()
        for row in rows:
            for cell in row:
                for word in harmless(cell).split():
                    assert word in told
        return
    if drawn.whole:
        # What is empty is no part of it.
        told_of = [
            at
            for at in range(len(drawn.columns))
            if not at or any(row[at].strip() for row in rows)
        ]
        rows = [tuple(row[at] for at in told_of) for row in rows]
        drawn = replace(drawn, columns=tuple(drawn.columns[at] for at in told_of))
    found = _columns(text)
    kept: list[int] = []
    for at in range(len(drawn.columns)):
        waits = found[len(kept) : len(kept) + 1]
        if waits == [_words(drawn, rows, at, language)]:
            kept.append(at)
    assert len(kept) == len(found), "a column is none of the table's"
    assert kept[0] == 0, "the first column stays"
    if drawn.below and (told := _below(text)):
        at = drawn.columns.index(drawn.below)
        assert at not in kept
        assert told == _words(drawn, rows, at, language)
        kept.append(at)
    left_out = [at for at in range(len(drawn.columns)) if at not in kept]
    assert not (drawn.whole and left_out), "what is signed is what is shown"
    if len(found) > 1:
        table = [line for line in text.splitlines() if line[:1] in "┏┃┡│├└"]
        assert max(map(cell_len, table)) <= width
    natural = _shown(drawn, rows, None, language=language)
    if max(map(cell_len, natural.splitlines())) <= width:
        assert not left_out
    last = language.word("all with wide")
    assert (last in " ".join(text.split())) == bool(left_out)
    for at in left_out:
        for word in language.word(drawn.columns[at]).split():
            assert word in " ".join(text.split())


@given(draws, st.sampled_from(Language), st.sampled_from([None, 20, 80]))
def test_a_file_and_wide_have_every_column_and_nothing_wraps(
    drawn_rows: tuple[Drawn, list[tuple[str, ...]]],
    language: Language,
    width: int | None,
) -> None:
    drawn, rows = drawn_rows
    text = _shown(drawn, rows, width, language=language, wide=width is not None)
    every = range(len(drawn.columns))
    assert _columns(text) == [_words(drawn, rows, at, language) for at in every]
    # A head, the rows, and four lines of the frame at most.
    assert sum(line[:1] == "│" for line in text.splitlines()) == len(rows)
    assert sum(line[:1] == "┃" for line in text.splitlines()) == 1
    assert language.word("all with wide") not in text


@given(
    st.lists(st.tuples(short, cells), min_size=1, max_size=4),
    st.integers(NARROWEST, WIDEST),
)
def test_facts_and_lines_break_no_word_either(
    facts: list[tuple[str, str]], width: int
) -> None:
    out = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setitem(os.environ, "COLUMNS", str(width))
        screen = Screen(as_json=False, language=Language.ENGLISH)
        screen.facts(facts)
        facts_text = out.getvalue()
        out.truncate(0)
        for _, value in facts:
            screen.line(value)
    words = [
        word for name, value in facts for word in harmless(f"{name} {value}").split()
    ]
    assert sorted(facts_text.split()) == sorted(words)
    told = out.getvalue().replace("\0", "")
    assert told.split() == [w for _, value in facts for w in harmless(value).split()]
    for line in told.splitlines():
        assert cell_len(line) <= width or len(line.split()) == 1


def test_what_is_signed_is_whole() -> None:
    whole = {each.where.rsplit(":", 1)[0] for each in DRAWN if each.whole}
    assert whole >= {
        "switch.cli.signing:show_lines",
        "switch.cli.approved_breaks:show_proposals",
        "switch.cli.bookings:_show",
        "switch.cli.breaks:show_made",
    }


@pytest.mark.parametrize("width", [40, 80, 200])
def test_what_is_signed_has_no_empty_fields(width: int) -> None:
    """A line of the register names no accounts and no amount; a transfer names them."""
    (drawn,) = (each for each in DRAWN if "signing:show_lines" in each.where)
    assert drawn.columns == (
        *("line", "what", "from", "to", "amount", "reference", "detail", "done"),
    )
    record = ("0", "participant", "", "", "", "", "id bsk-1, role centre", "")
    text = _shown(drawn, [record], width, language=Language.ENGLISH)
    for name in ("from", "to", "amount", "reference", "done"):
        assert WORDS[name][0] not in text.split(), text
    assert "id bsk-1, role centre" in " ".join(text.split())
    moved = ("1", "top-up", "float", "bsk-1", "₹5,000.00", "UTR-1", "", "")
    text = _shown(drawn, [record, moved], width, language=Language.ENGLISH)
    for cell in (*record, *moved):
        for word in cell.split():
            assert word in text.split()
    assert WORDS["done"][0] not in text.split()
    if "┃" not in text:
        first, second = text.strip().split("\n\n")
        assert WORDS["to"][0] not in first.split()
        assert WORDS["to"][0] in second.split()


def test_nobody_draws_tables_otherwise() -> None:
    for path in (ROOT / "switch").rglob("*.py"):
        assert "rich.table" not in path.read_text(encoding="utf-8"), path


def test_no_word_takes_the_place_of_another() -> None:
    """Words are merged from parts: a key that stands in two of them says one thing in
    the place of the other.
    """
    tree = ast.parse((ROOT / "switch/console/words.py").read_text(encoding="utf-8"))
    (value,) = (
        each.value
        for each in ast.walk(tree)
        if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == "WORDS"
    )
    assert isinstance(value, ast.Dict)
    keys: list[str] = []
    for key, part in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant):
            keys.append(str(key.value))
        else:
            keys += getattr(words, ast.unparse(part))
    assert sorted(keys) == sorted({*keys})
    assert {*keys} == {*WORDS}


def test_widths_are_those_of_terminals() -> None:
    """As the C library counts, by which terminals go."""
    library = ctypes.CDLL(None)
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    for letter in map(chr, [*range(0x20, 0x7F), *range(0x980, 0xA00), 0x20B9, 0x200C]):
        if letter.isprintable() or letter == "\u200c":
            assert cell_len(letter) == library.wcwidth(ord(letter)), hex(ord(letter))


@pytest.mark.parametrize("where", EVERYWHERE)
def test_a_table_names_columns_that_it_has(where: str) -> None:
    (drawn,) = (each for each in DRAWN if each.where == where)
    assert len({*drawn.columns}) == len(drawn.columns)
    assert {*drawn.drop} <= {*drawn.columns[1:]}, "the first column stays"
    assert len({*drawn.drop}) == len(drawn.drop)
    assert not (drawn.whole and drawn.drop), "nothing is left out of what is signed"
    assert {*drawn.wraps} <= {*drawn.columns}
    assert drawn.below is None or drawn.below in drawn.columns[1:]
    assert drawn.below not in drawn.drop, "it goes below its rows before that"
    for column in drawn.columns:
        assert column in WORDS, f"{column} has no words"
    for language in Language:
        heads = [language.word(column) for column in drawn.columns]
        assert len({*heads}) == len(heads), "two columns have one name"


def _takes_facts(part: ast.AST) -> bool:
    if isinstance(part, ast.Call):
        called = ast.unparse(part.func)
        return called == "screen.facts" or called.startswith("facts.")
    return isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "facts"


def test_named_values_have_words() -> None:
    """The names of a call of `screen.facts`, and of a list that is called `facts`."""
    names = {
        (path.name, pair.elts[0].value)
        for path in (ROOT / "switch/cli").rglob("*.py")
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _takes_facts(part)
        for pair in ast.walk(part)
        if isinstance(pair, ast.Tuple) and len(pair.elts) == 2
        if isinstance(pair.elts[0], ast.Constant)
    }
    assert len(names) > 100
    assert not {(path, name) for path, name in names if name not in WORDS}


@pytest.mark.parametrize("language", Language)
def test_a_table_of_billers_fits_eighty_columns(language: Language) -> None:
    (drawn,) = (each for each in DRAWN if "office:billers" in each.where)
    row = ("municipality-of-durgapur", "probing", "up", *["12,345"] * 12)
    text = _shown(drawn, [row], 80, language=language)
    for column in ("biller", "health", "waiting", "doubtful"):
        assert language.word(column).split()[0] in text.split("└")[0]
    assert "municipality-of-durgapur" in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_long_text_takes_no_other_column_with_it() -> None:
    (drawn,) = (each for each in DRAWN if "exceptions:proposals" in each.where)
    texts = {"entry": "15302", "kind": "refund", "about": f"15294: sha256:{'f' * 64}"}
    row = [texts.get(column, "₹500.00") for column in drawn.columns]
    text = _shown(drawn, [row], 80, language=Language.ENGLISH)
    table, note = text.split("└")
    for column in ("entry", "kind", "amount", "state"):
        assert WORDS[column][0] in table
    assert f"15294: sha256:{'f' * 64}" in " ".join(_below(table))
    assert WORDS["about"][0] not in note
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_column_that_is_too_wide_takes_no_other_with_it() -> None:
    heads = ("first", "wide", "third")
    cells = [["x"], ["w" * 90], ["y"]]
    assert fit(cells, heads, drop_order(heads, ()), 80).shown == (0, 2)


def test_short_cells_wrap_only_where_the_table_is_too_wide() -> None:
    heads = ("first", "state", "text")
    cells = [["x" * 10], ["approved, not done"], ["a text of many words"]]
    order = drop_order(heads, ())
    for width, widths, below in (
        (58, (10, 18, 20), None),
        # The state wraps, then the text goes below, then the state is left out.
        (57, (10, 17, 20), None),
        (49, (10, 9, 20), None),
        (48, (10, 18), 2),
        (26, (10, 9), 2),
        (25, (10,), 2),
    ):
        found = fit(cells, heads, order, width, wraps=[1], below=2)
        assert (found.widths, found.below) == (widths, below), width


def test_columns_go_in_their_order() -> None:
    """Of columns that are equally wide those that matter least."""
    heads = ("first", "least", "third", "fifth")
    cells = [["x" * 10]] * 4
    order = drop_order(heads, ("least",))
    for width, shown in ((53, (0, 1, 2, 3)), (52, (0, 2, 3)), (39, (0, 2)), (26, (0,))):
        assert fit(cells, heads, order, width).shown == shown


def test_what_goes_first_is_stated() -> None:
    assert drop_order(("a", "b", "c", "d"), ("c",)) == [2, 3, 1]
    assert drop_order(("a",), ()) == []


def test_a_column_that_is_empty_goes_first_and_does_not_come_back() -> None:
    heads = ("first", "empty", "told", "last")
    cells = [["x" * 10], [""], ["y" * 10], ["z" * 40]]
    order = drop_order(heads, ("told",))
    assert fit(cells, heads, order, 75).shown == (0, 2, 3)
    assert fit(cells, heads, order, 60).shown == (0, 3)


@pytest.mark.parametrize(
    ("where", "told", "kept"),
    [
        (
            "close_day:",
            {"closed day": "2026-12-02", "amount": "₹12,34,567.89"},
            ("amount", "to the bank", "breaks open"),
        ),
        (
            "commands:statement",
            {"time": "2026-12-02 08:25:08 IST", "kind": "transfer"},
            ("kind", "change", "balance"),
        ),
    ],
)
def test_what_matters_stays_on_eighty_columns(
    where: str, told: dict[str, str], kept: tuple[str, ...]
) -> None:
    drawn = next(
        each for each in DRAWN if where in each.where and {*kept} <= {*each.columns}
    )
    row = [told.get(column, "₹12,345.00") for column in drawn.columns]
    table = _columns(_shown(drawn, [row], 80, language=Language.ENGLISH))
    heads = [column[: len(WORDS[name][0].split())] for column in table for name in kept]
    for name in kept:
        assert WORDS[name][0].split() in heads


class Order(NamedTuple):
    """In which order a table leaves columns out, and what of it stays at 80 columns."""

    where: str
    title: str
    order: str
    row: dict[str, str]
    kept: tuple[str, ...]


ORDERS = (
    Order(
        "exceptions:proposals",
        "proposals",
        "done as, answered, lines done, proposed, reason, answered by, proposed by, "
        "kind, amount, state",
        {
            "entry": "1530212",
            "kind": "lines of the treasury",
            "about": "71: bsk-0001, power-durgapur/0801-01, bsk-0001/2026-27/000012, "
            "C-1234567, ₹4,500.00",
            "amount": "₹1,00,00,000.00",
            "reason": "letter 9 of 2 March",
            "proposed": "2026-12-02 08:25:08 IST",
            "proposed by": "finance/1",
            "state": "approved, not done",
            "answered": "2026-12-02 08:25:08 IST",
            "answered by": "finance/2 (3)",
            "lines done": "0 / 12",
        },
        ("entry", "kind", "amount", "proposed by", "state"),
    ),
    Order(
        "match_files:show_breaks",
        "breaks list",
        "entry, age, head, match key, differs, decide by, there, here, turn, type",
        {
            "break": "B20261127-AAAAAAAAAAAAAAAA",
            "type": "missing there",
            "head": "0043-00-101-001-01",
            "match key": "SBIN0123456789",
            "entry": "1530212",
            "here": "₹12,345.00",
            "there": "₹12,300.00",
            "differs": "amount",
            "age": "3",
            "decide by": "2026-12-03",
            "turn": "treasury",
        },
        ("break", "type", "here", "there", "turn"),
    ),
    Order(
        "search:_show",
        "search and payments",
        "id, service, centre, time, reference, receipt, amount, state",
        {
            "entry": "1530212",
            "time": "2026-12-02 08:25:08 IST",
            "state": "completed",
            "centre": "bsk-0001",
            "service": "ELECTRICITY-BILL",
            "reference": "C-1234567",
            "amount": "₹12,345.00",
            "receipt": "2026-27/000123",
            "id": "0192f0c4-7b1e-7a53-8f00-3f6f5c8d1a2b",
        },
        ("entry", "state", "reference", "amount", "receipt"),
    ),
    Order(
        "exceptions:_show_list",
        "exceptions",
        "says, payment, biller, age, reference, centre, decide by, turn, amount, kind",
        {
            "entry": "1530212",
            "kind": "late rejection",
            "payment": "1530200",
            "centre": "bsk-0001",
            "biller": "power-durgapur",
            "reference": "C-1234567",
            "amount": "₹12,345.00",
            "says": "₹12,300.00",
            "age": "3",
            "decide by": "2026-12-03 !",
            "turn": "treasury",
        },
        ("entry", "kind", "amount", "decide by", "turn"),
    ),
)


@pytest.mark.parametrize("told", ORDERS, ids=[each.title for each in ORDERS])
def test_who_what_how_much_and_whose_turn_stay(told: Order) -> None:
    (drawn,) = (each for each in DRAWN if told.where in each.where)
    names = [name for name in drawn.columns if name != drawn.below]
    order = [drawn.columns[at] for at in drop_order(drawn.columns, drawn.drop)]
    assert ", ".join(each for each in order if each != drawn.below) == told.order
    assert {*told.row} <= {*drawn.columns}
    row = [told.row.get(column, "") for column in drawn.columns]
    for language in Language:
        text = _shown(drawn, [row], 80, language=language)
        assert max(map(cell_len, text.splitlines())) <= 80
        found = [" ".join(column) for column in _columns(text)]
        for name in told.kept:
            assert f"{language.word(name)} {told.row[name]}" in found, text
    # They go in that order, the narrower the screen is.
    gone: list[str] = []
    cells = ["x" * 20 if name == names[0] else "x" * 24 for name in drawn.columns]
    for width in range(400, NARROWEST, -1):
        text = _shown(drawn, [cells], width, language=Language.ENGLISH)
        heads = [column[:-1] for column in _columns(text)]
        for name in names:
            if WORDS[name][0].split() not in heads and name not in gone:
                gone.append(name)
    assert ", ".join(gone) == told.order


def test_the_documents_state_the_orders() -> None:
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    for told in ORDERS:
        names = ", ".join(WORDS[name][0] for name in told.order.split(", "))
        assert f"| `{told.title.replace(' and ', '`, `')}` | {names} |" in text
