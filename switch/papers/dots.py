"""Dots of a thermal printer: rows of bits, black is 1, eight dots a byte.

May use nothing of the product.
"""

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image

WIDTH: Final = 384
"""Dots across a roll of 58 mm, of which 48 mm are printed."""
ROW_SIZE: Final = WIDTH // 8
_DARK: Final = 150
"""A pixel that is darker is a black dot: of 0 (black) to 255. A little above the
middle, so that thin strokes stay whole.
"""


@dataclass(frozen=True, slots=True)
class Dots:
    """A picture, ROW_SIZE bytes a row."""

    data: bytes

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.data) // ROW_SIZE


def read_png(png: bytes, height_max: int) -> Dots:
    """The dots of a picture WIDTH wide. Raises ValueError for another one."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        if image.width != WIDTH or not 0 < image.height <= height_max:
            raise ValueError(
                f"a picture of {image.width} × {image.height} dots is none of a roll"
            )
        grey = image.convert("L")
    black = grey.point([255 * (level < _DARK) for level in range(256)], "1")
    return Dots(black.tobytes())
