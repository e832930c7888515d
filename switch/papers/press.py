"""Sets papers: A5 as PDF by Typst, rolls as text and dots.

May use the words. Typst gets the text as data and two fonts, no others; it has no
network, and no file but the template. The same paper is the same bytes for as long as
a release lasts: its date is the payment's, and nothing of chance is in it.
"""

import io
import json
import threading
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import segno
import typst

from switch.papers import escpos, text32
from switch.papers.checks import squares
from switch.papers.dots import Dots, read_png
from switch.papers.facts import Facts, PaperError
from switch.papers.fonts import BENGALI, LATIN, Fonts
from switch.papers.letters import breakable
from switch.papers.sheet import Line, Sheet, lay_out

PDF_SIZE: Final = 8.7
"""Points of the text on A5."""
ROLL_SIZE: Final = 21
"""Dots of the text on a roll: 2.6 mm."""
WORD_MAX: Final = 6
"""Characters of a word that fits everywhere; what is longer may have to break."""
ROLL_DOTS_MAX: Final = 24_000
"""Dots of a roll's length at most: 3 m, which no paper within its bounds reaches."""
_NS: Final = 10**9
_DOT: Final = 72.0
"""Dots an inch, so that a point of the template is a dot."""
_EVERY_FONT: Final = f"""
#set text(font: ("{LATIN}", "{BENGALI}"), fallback: false)
a *a* ক
""".encode()


class Press:
    """Sets one paper at a time, in some 40 ms; any thread may ask."""

    def __init__(self, fonts: Fonts) -> None:
        """Read templates and fonts. Blocks for some milliseconds."""
        self._lock = threading.Lock()
        self._a5 = _template("a5.typ")
        self._roll = _template("roll.typ")
        # A folder that has the fonts alone, as they were looked at, and nothing else
        # that a template could read. What is set once keeps all of them in memory.
        with TemporaryDirectory(prefix="payswitch-fonts-") as folder:
            for name, data in fonts.items():
                (Path(folder) / name).write_bytes(data)
            found = typst.Fonts(
                include_system_fonts=False,
                include_embedded_fonts=False,
                font_paths=[folder],
            )
            self._compiler = typst.Compiler(
                root=folder, font_paths=found, ignore_system_fonts=True
            )
            self._compiler.compile(input=_EVERY_FONT, format="pdf", timestamp=0)

    def pdf(self, facts: Facts, *, bengali: bool, check_base: str = "") -> bytes:
        """The paper on A5. Raises ValueError for a `check_base` that is none."""
        values = self._a5_values(facts, bengali, check_base)
        made = self._set(
            self._a5, values, format="pdf", timestamp=facts.accepted_ns // _NS
        )
        assert isinstance(made, bytes)
        return made

    def pages(
        self, facts: Facts, *, bengali: bool, check_base: str = "", dpi: int = 96
    ) -> list[bytes]:
        """The pages of the same as PNG, to be looked at. Raises as `pdf`."""
        values = self._a5_values(facts, bengali, check_base)
        made = self._set(self._a5, values, format="png", ppi=float(dpi))
        return [made] if isinstance(made, bytes) else made

    def _a5_values(
        self, facts: Facts, bengali: bool, check_base: str
    ) -> dict[str, Any]:
        sheet = lay_out(facts, bengali=bengali, check_base=check_base)
        values = _values(sheet, PDF_SIZE)
        if sheet.url:
            drawn = io.BytesIO()
            code = segno.make_qr(sheet.url, error="m")
            code.save(drawn, kind="svg", border=2, xmldecl=False, svgns=True)
            values["square"] = drawn.getvalue().decode()
        return values

    def roll(self, facts: Facts, *, bengali: bool, check_base: str = "") -> bytes:
        """The paper for a printer of 58 mm (ESC/POS).

        English is text of the printer's own letters, if it has them all; else it is
        dots, as Bengali is. Raises ValueError as `pdf`, PaperError for one too long.
        """
        sheet = lay_out(facts, bengali=bengali, check_base=check_base)
        lines = None if bengali else text32.lines(sheet)
        body = (
            escpos.text(lines)
            if lines is not None
            else escpos.raster(self._dots(sheet))
        )
        square = escpos.raster(escpos.square(squares(sheet.url))) if sheet.url else b""
        return escpos.START + body + square + escpos.END

    def picture(self, facts: Facts, *, bengali: bool, check_base: str = "") -> bytes:
        """The text of a roll as PNG, 384 dots wide: what `roll` has in Bengali."""
        sheet = lay_out(facts, bengali=bengali, check_base=check_base)
        return self._picture(sheet)

    def _dots(self, sheet: Sheet) -> Dots:
        try:
            return read_png(self._picture(sheet), ROLL_DOTS_MAX)
        except ValueError as error:
            raise PaperError(f"the paper does not fit a roll: {error}") from error

    def _picture(self, sheet: Sheet) -> bytes:
        values = _values(sheet, ROLL_SIZE)
        made = self._set(self._roll, values, format="png", ppi=_DOT)
        # Its page is as long as it has to be.
        assert isinstance(made, bytes)
        return made

    def _set(
        self, template: bytes, values: dict[str, Any], **how: Any
    ) -> bytes | list[bytes]:
        with self._lock:
            made = self._compiler.compile(
                input=template, sys_inputs={"sheet": json.dumps(values)}, **how
            )
        assert made is not None
        return made


def _template(name: str) -> bytes:
    return files("switch.papers").joinpath(name).read_bytes()


def _values(sheet: Sheet, size: float) -> dict[str, Any]:
    """What a template is given."""
    return {
        "latin": LATIN,
        "bengali": BENGALI,
        "size": size,
        "strong": "regular" if sheet.bengali else "bold",
        "lang": "bn" if sheet.bengali else "en",
        "title": sheet.title,
        "centre": [_words(text) for text in sheet.centre],
        "marks": sheet.marks,
        "heading": sheet.heading,
        "number": sheet.number,
        "number_words": _words(sheet.number),
        "groups": [[_line(one) for one in group] for group in sheet.groups],
        "foot": sheet.foot,
        "code": sheet.code,
        "code_label": sheet.code_label,
        "check": sheet.check,
        "address": _words(sheet.address),
        "url": sheet.url,
        "square": "",
    }


def _line(one: Line) -> dict[str, Any]:
    return {
        "label": _words(one.label),
        "value": _words(one.value),
        "sum": one.is_sum,
        "total": one.is_total,
    }


def _words(text: str) -> list[tuple[str, str]]:
    """Each word as it is, and as it may break where it is too wide for its place."""
    return [
        (word, word if len(word) <= WORD_MAX else breakable(word))
        for word in text.split()
    ]
