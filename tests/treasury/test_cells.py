"""Goal: columns of bytes are what Python writes one by one, for every number and text.

Method: arrays of chosen and of random values, each cell compared.
"""

import csv
import datetime as dt
import io
import random
import uuid

import numpy as np
import pytest

from switch.treasury import cells
from tests.treasury import expected

NUMBERS = (0, 1, 9, 10, 99, 100, 101, 10**9, 2**32, 2**63, 2**64 - 1)
TEXTS = (
    *("", "plain", "=1+1", "+9", "-", "@x", "'", "''a", 'a"b', "a,b", '","', " x "),
    *("x" * 32, '"' * 32, "-" * 32, "a'b", "1=1"),
)


def column(made: cells.Cells) -> list[str]:
    return [bytes(one).replace(b"\0", b"").decode() for one in made]


def drawn(seed: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.getrandbits(rng.randrange(1, 65)) for _ in range(300)]


@pytest.mark.parametrize("values", [list(NUMBERS), [0], [7, 12], drawn(1), []])
def test_numbers_and_amounts(values: list[int]) -> None:
    array = np.array(values, np.uint64)
    assert column(cells.digits(array)) == [str(one) for one in values]
    assert column(cells.digits(array, 6)) == [f"{one:06d}" for one in values]
    assert column(cells.numbers(array)) == [str(one) if one else "" for one in values]
    assert column(cells.rupees(array)) == [expected.rupees(one) for one in values]


def test_dates_and_times() -> None:
    rng = random.Random(2)
    begins = [
        dt.datetime(2026, 3, 31, 18, 29, 59, tzinfo=dt.UTC),
        dt.datetime.fromtimestamp(0, dt.UTC),
    ]
    values = [int(one.timestamp()) * 10**9 + 999_999_999 for one in begins]
    values += [one + 1 for one in values]
    values += [rng.randrange(2**62) for _ in range(200)]
    array = np.array(values, np.uint64)
    assert column(cells.times(array)) == [
        expected.moment(one).isoformat() for one in values
    ]
    assert column(cells.days(array)) == [
        expected.moment(one).date().isoformat() for one in values
    ]
    for one, start in zip(values, cells.day_starts(array).tolist(), strict=True):
        moment = expected.moment(one)
        assert expected.moment(start) == moment.replace(hour=0, minute=0, second=0)
    assert cells.time_text(values[0]) == "2026-03-31T23:59:59+05:30"


def test_ids() -> None:
    ids = [uuid.uuid4() for _ in range(20)] + [uuid.UUID(int=0)]
    array = np.frombuffer(b"".join(one.bytes for one in ids), np.uint8).reshape(-1, 16)
    assert column(cells.uuids(array)) == [str(one) for one in ids]


def test_texts_are_safe_and_quoted() -> None:
    array = cells.stacked([one.encode().ljust(32, b"\0") for one in TEXTS])
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    for one in TEXTS:
        writer.writerow(["", expected.safe(one)])
    assert cells.lines([cells.stacked([b""] * len(TEXTS)), cells.texts(array)]) == (
        made.getvalue().encode()
    )
    # A block in which none is odd is left as it is.
    plain = array[1:2]
    assert cells.texts(plain) is plain


def test_texts_of_any_script_and_without_an_end() -> None:
    assert cells.text_cell('＝১, "x"').decode() == '"\'＝১, ""x"""'
    assert cells.text_cell("a\0b") == b"ab"
    assert cells.text_cell("two\r\nlines") == b'"two\r\nlines"'


def test_cells_that_are_not_shown_are_empty() -> None:
    made = cells.digits(np.array([1, 22, 333], np.uint64))
    shown = np.array([True, False, True])
    assert column(cells.blank(made, shown)) == ["1", "", "333"]
    assert column(cells.looked_up(np.array([5, 3, 5]), lambda key: b"%d!" % key)) == [
        *("5!", "3!", "5!")
    ]
    assert cells.lines([cells.digits(np.zeros(0, np.uint64))] * 2) == b""
