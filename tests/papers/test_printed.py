"""Goal: what a roll printer makes of our bytes is the paper, and nothing else.

Method: a printer that was written from the makers' references and knows nothing of the
product (`tests.papers.roll_printer`) is sent every paper in both languages, at once and
byte by byte; what came out is held against the lines, the picture and the square. That
it takes nothing else is tried with bytes that are wrong by one.
"""

import io
from typing import Any

import pytest
import segno
from PIL import Image

from switch.counter.receipts import Reprint
from switch.papers import text32
from switch.papers.sheet import lay_out
from switch.payment_states import Standing
from tests.papers.made import (
    BASE,
    ITEMS,
    acknowledgement,
    facts,
    press,
    receipt,
    refund,
)
from tests.papers.roll_printer import HEAD_BYTES, NotTakenError, RollPrinter

PAPERS: dict[str, dict[str, Any]] = {
    "receipt": receipt(),
    "tariff": receipt(items=ITEMS),
    "reprint": receipt(reprint=Reprint(0)),
    "refund": refund(),
    "kept": acknowledgement(Standing.KEPT),
    "hostile": receipt(note="\x1b@\x1dv0 \x1bp0 \x10\x14", reference="=1+1\x1b"),
}


def printed(sent: bytes) -> tuple[list[str], list[bytes]]:
    """Lines and dots that came out, the lines first."""
    printer = RollPrinter()
    printer.take(sent)
    assert printer.ready
    assert not printer.line
    assert printer.printed[-4:] == [""] * 4
    out = printer.printed[:-4]
    lines = [one for one in out if isinstance(one, str)]
    dots = [one for one in out if isinstance(one, bytes)]
    assert out == [*lines, *dots]
    return lines, dots


@pytest.mark.parametrize("name", PAPERS)
def test_lines_come_out_as_they_are(name: str) -> None:
    found = facts(PAPERS[name])
    lines, dots = printed(press().roll(found, bengali=False, check_base=BASE))
    sheet = lay_out(found, bengali=False, check_base=BASE)
    assert lines == text32.lines(sheet)
    assert bool(dots) == bool(found.code)
    if found.code:
        assert sheet.url.startswith(f"{BASE}?r=")
        assert modules(dots) == modules_of(sheet.url)


@pytest.mark.parametrize("name", PAPERS)
def test_bengali_comes_out_as_it_was_set(name: str) -> None:
    found = facts(PAPERS[name])
    lines, dots = printed(press().roll(found, bengali=True, check_base=BASE))
    assert not lines
    picture = Image.open(
        io.BytesIO(press().picture(found, bengali=True, check_base=BASE))
    )
    assert picture.size[1] <= len(dots) <= picture.size[1] + 400  # and the square
    grey = picture.convert("L")
    for at in range(0, picture.size[1], 7):
        row = f"{int.from_bytes(dots[at], 'big'):0{8 * HEAD_BYTES}b}"
        for x in range(0, 8 * HEAD_BYTES, 5):
            shade = grey.getpixel((x, at))
            assert isinstance(shade, int)
            if shade < 100 or shade > 156:
                assert (row[x] == "1") == (shade < 128)


def modules(dots: list[bytes]) -> list[str]:
    """A square's modules, as a camera would see them: from one corner to the other."""
    rows = [f"{int.from_bytes(one, 'big'):0{8 * HEAD_BYTES}b}" for one in dots]
    inked = [at for at, row in enumerate(rows) if "1" in row]
    top, below = inked[0], inked[-1] + 1
    left = min(rows[at].index("1") for at in inked)
    # The finder in the corner is seven modules wide.
    edge = rows[top][left:].index("0") // 7
    assert (below - top) % edge == 0
    count = (below - top) // edge
    return [
        "".join(rows[top + edge * y][left + edge * x] for x in range(count))
        for y in range(count)
    ]


def modules_of(address: str) -> list[str]:
    """The square of an address, by the library alone."""
    matrix = segno.make_qr(address, error="m").matrix
    return ["".join(map(str, row)) for row in matrix]


def test_it_does_not_matter_in_which_pieces_they_come() -> None:
    sent = press().roll(facts(receipt()), bengali=False, check_base=BASE)
    whole, lines = RollPrinter(), RollPrinter()
    whole.take(sent)
    for line in sent.partition(b"\x1dv0")[0].splitlines(keepends=True):
        lines.take(line)
    assert lines.printed == [one for one in whole.printed if isinstance(one, str)][:-4]


@pytest.mark.parametrize(
    "sent",
    [b"\x1bp\x00", b"\x1b", b"\x1d(k", b"\x07", b"\xe0", b"\x1bt\x02", b"a" * 33,
     b"a\x1dv0\x00\x30\x00\x01\x00" + bytes(48),
     b"\x1dv0\x00\x31\x00\x01\x00" + bytes(49),
     b"\x1dv0\x01\x30\x00\x01\x00" + bytes(48),
     b"\x1dv0\x00\x30\x00\x00\x00", b"\x1dv0\x00\x30\x00\x00\x09" + bytes(110_592),
     b"\x1dv0\x00\x30\x00\x02\x00" + bytes(95)],
)  # fmt: skip
def test_the_printer_takes_nothing_else(sent: bytes) -> None:
    with pytest.raises(NotTakenError):
        RollPrinter().take(sent)
