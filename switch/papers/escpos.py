"""The bytes that a thermal printer is sent (ESC/POS), and no more than it needs.

May use nothing of the product. Text is printable ASCII alone: whatever a name or a note
has in it, it cannot steer a printer. There is no cut: rolls of 58 mm are torn off.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from switch.papers.dots import ROW_SIZE, WIDTH, Dots

_ESC: Final = b"\x1b"
_GS: Final = b"\x1d"
# Forget what somebody set before; the American letters of the first code page.
START: Final = _ESC + b"@" + _ESC + b"R\x00" + _ESC + b"t\x00"
END: Final = _ESC + b"d\x04"
"""Four lines of paper, so that the last one comes out."""
BAND: Final = 240
"""Rows sent at once: less than the memory of small printers."""
SQUARE_MARGIN: Final = 4
"""Modules that stay white around a QR code, as its norm wants."""
SQUARE_DOT_MAX: Final = 6
"""Dots of a module at most."""


def text(lines: Iterable[str]) -> bytes:
    """Lines of printable ASCII. Raises ValueError for anything else."""
    sent = b""
    for line in lines:
        if not (line.isascii() and line.isprintable()):
            raise ValueError("a printer gets printable ASCII alone")
        sent += line.encode("ascii") + b"\n"
    return sent


def raster(dots: Dots) -> bytes:
    """A picture, in bands (`GS v 0`)."""
    sent = []
    for at in range(0, dots.height, BAND):
        band = dots.data[at * ROW_SIZE : (at + BAND) * ROW_SIZE]
        height = len(band) // ROW_SIZE
        size = ROW_SIZE.to_bytes(2, "little") + height.to_bytes(2, "little")
        sent += [_GS + b"v0\x00" + size, band]
    return b"".join(sent)


def square(rows: Sequence[bytes | bytearray]) -> Dots:
    """A QR code in the middle of a roll, as large as it fits. Raises ValueError."""
    modules = len(rows) + 2 * SQUARE_MARGIN
    dot = min(SQUARE_DOT_MAX, WIDTH // modules)
    if dot < 2:
        raise ValueError("the QR code is too fine for a roll")
    left = (WIDTH - len(rows) * dot) // 2
    right = WIDTH - left - len(rows) * dot
    blank = bytes(ROW_SIZE * dot * SQUARE_MARGIN)
    drawn = [blank]
    for row in rows:
        bits = "0" * left + "".join(str(one) * dot for one in row) + "0" * right
        drawn.append(int(bits, 2).to_bytes(ROW_SIZE, "big") * dot)
    drawn.append(blank)
    return Dots(b"".join(drawn))
