"""Goal: no cell of a table is a formula to anybody who opens it, every text comes back
as it was, and one table has one form.

Method: texts by chance and by malice, written and read back by Python's own CSV.
"""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switch.canonical_csv import (
    FORMULA,
    MEMORANDUM_COLUMNS,
    SCROLL_COLUMNS,
    STATEMENT_COLUMNS,
    csv_line,
    is_text,
    paise_of,
    plain_text,
    rupees,
    safe_text,
)

DANGEROUS = "=+-@\t\r\n＝＋－＠"
TEXTS = st.text(st.sampled_from(DANGEROUS + "'\",ab \r\n\u0985"), max_size=6)


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_a_text_is_safe_and_comes_back(text: str) -> None:
    cell = safe_text(text)
    assert not cell or cell[0] not in DANGEROUS
    assert plain_text(cell) == text
    assert (cell == text) == (not text or text[0] not in FORMULA)


@settings(max_examples=80, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=4))
def test_lines_are_those_of_others(texts: list[str]) -> None:
    made = io.StringIO()
    csv.writer(made, lineterminator="\r\n").writerow(texts)
    assert csv_line(texts) == made.getvalue()
    [back] = csv.reader(io.StringIO(csv_line(texts), newline=""), strict=True)
    assert back == texts


@pytest.mark.parametrize("paise", [0, 1, 99, 100, 123_450, 2**64 - 1])
def test_amounts(paise: int) -> None:
    assert paise_of(rupees(paise)) == paise
    assert rupees(paise) == f"{paise // 100}.{paise % 100:02d}"


@pytest.mark.parametrize(
    "cell",
    ["", "1", "1.0", "1.000", "01.00", "1,0.00", "-1.00", "1.0٣", "+1.00", ".10"],
)
def test_other_spellings_are_no_amounts(cell: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        paise_of(cell)


def test_no_negative_amount_is_written() -> None:
    with pytest.raises(ValueError, match="no negative"):
        rupees(-1)


def test_columns_have_one_meaning() -> None:
    for columns in (SCROLL_COLUMNS, MEMORANDUM_COLUMNS, STATEMENT_COLUMNS):
        assert len(set(columns)) == len(columns)
    texts = {name for name in SCROLL_COLUMNS if is_text(name)}
    assert texts == {
        *("receipt", "service", "service_name", "reference", "bill"),
        *("biller_reference", "centre", "centre_name"),
    }
