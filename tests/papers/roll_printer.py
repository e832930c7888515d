"""A roll printer of 58 mm that was written from the published references of ESC/POS
commands (those of several makers of such printers), and from nothing of the product.

It takes what small printers have in common, strictly: a byte that begins no command of
theirs, a picture while a line of text waits, one wider than the head or higher than
2,303 rows, or a line that would be broken is an error, and never printed differently.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

ESC, GS, LF = 0x1B, 0x1D, 0x0A
HEAD_BYTES, COLUMNS = 48, 32
ROWS_MAX = 2_303


class NotTakenError(ValueError):
    """No such printer does anything known with these bytes."""


@dataclass
class RollPrinter:
    """What came out of it, from above to below."""

    printed: list[str | bytes] = field(default_factory=list)
    """Lines of text, and rows of dots of HEAD_BYTES each, the left one first."""
    line: str = ""
    """What waits for its end."""
    ready: bool = False
    """Whether it was told to forget what was set before."""

    def take(self, sent: bytes) -> None:
        """Bytes, as they come. Raises NotTakenError."""
        rest = iter(sent)
        for one in rest:
            if one in (ESC, GS):
                self._command(one, rest)
            elif one == LF:
                self.printed.append(self.line)
                self.line = ""
            elif 0x20 <= one <= 0x7E:
                self.line += chr(one)
                if len(self.line) > COLUMNS:
                    raise NotTakenError(f"{self.line!r} goes on in the next line")
            else:
                raise NotTakenError(f"byte {one:#04x} begins no command")

    def _command(self, prefix: int, rest: Iterator[int]) -> None:
        def byte() -> int:
            found = next(rest, None)
            if found is None:
                raise NotTakenError("it waits for the rest of a command")
            return found

        known: dict[tuple[int, str], Callable[[Callable[[], int]], None]] = {
            (ESC, "@"): self._begin,
            (ESC, "R"): self._letters,
            (ESC, "t"): self._letters,
            (ESC, "d"): self._feed,
            (GS, "v"): self._picture,
        }
        name = prefix, chr(byte())
        if name not in known:
            raise NotTakenError(f"{name} is no command")
        known[name](byte)

    def _begin(self, byte: Callable[[], int]) -> None:
        self.line, self.ready = "", True

    def _letters(self, byte: Callable[[], int]) -> None:
        """Those of America, and of the first code page: what all of them have."""
        if number := byte():
            raise NotTakenError(f"set {number} has other letters")

    def _feed(self, byte: Callable[[], int]) -> None:
        """Print what waits, and so many lines."""
        count = byte()
        self.printed += [self.line] * (self.line != "") + [""] * count
        self.line = ""

    def _picture(self, byte: Callable[[], int]) -> None:
        if byte() != ord("0") or byte() not in (0, 48):
            raise NotTakenError("pictures are printed in their own size")
        width = byte() + 256 * byte()
        height = byte() + 256 * byte()
        if self.line:
            raise NotTakenError("a picture needs the line before to have ended")
        if width != HEAD_BYTES or not 0 < height <= ROWS_MAX:
            raise NotTakenError(f"a picture of {width} bytes by {height} rows")
        for _ in range(height):
            self.printed.append(bytes(byte() for _ in range(width)))
