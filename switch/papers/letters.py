"""Which characters get onto a paper, whatever a name, a note or a reference has in it.

May use nothing of the product. A paper has what its two fonts have, and nothing that
steers: no control of a printer, nothing that turns the direction of a line, nothing
that is not seen. Everything else is `?`, so that it is seen that there was something.
"""

import re
from typing import Final
from unicodedata import category

BENGALI: Final = frozenset(
    chr(code)
    for first, last in (
        *((0x0964, 0x0965), (0x0980, 0x0983), (0x0985, 0x098C), (0x098F, 0x0990)),
        *((0x0993, 0x09A8), (0x09AA, 0x09B0), (0x09B2, 0x09B2), (0x09B6, 0x09B9)),
        *((0x09BC, 0x09C4), (0x09C7, 0x09C8), (0x09CB, 0x09CE), (0x09D7, 0x09D7)),
        *((0x09DC, 0x09DD), (0x09DF, 0x09E3), (0x09E6, 0x09FB)),
    )
    for code in range(first, last + 1)
)
"""What Lohit Bengali has of the script, its two full stops included."""
LATIN: Final = frozenset(
    [chr(code) for code in range(0x20, 0x7F)]
    # Latin-1 without its space that does not break and its hyphen that is not seen.
    + [chr(code) for code in range(0xA1, 0x100) if code != 0xAD]
    + [*"–—‘’“”•…₹−"]
)
"""What DejaVu Sans is asked for."""
JOINERS: Final = frozenset("\u200c\u200d")
"""They choose a Bengali letter's form, and stand behind one."""
BREAK: Final = "\u200b"
"""Where a line may break, in what is laid out; not seen."""

PIECE_MAX: Final = 12
"""Letters of a piece of a word that fits every place."""
UNKNOWN: Final = "?"
_SEPARATORS: Final = re.compile(r"[-/.:_,;]+")
_VIRAMA: Final = "\u09cd"
_PLAIN: Final = {
    "₹": "Rs.",
    "×": "x",
    **dict.fromkeys("–—−", "-"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    "•": "*",
    "…": "...",
}


def harmless(text: str) -> str:
    """The text as it gets onto a paper."""
    shown = []
    before = ""
    for one in text:
        # Neither a sign without its letter nor a joiner without one: a reader would
        # see a dotted circle, or two equal texts that are not.
        needs_letter = one in JOINERS or (one in BENGALI and category(one)[0] == "M")
        if needs_letter and not (before in BENGALI or before in JOINERS):
            kept = UNKNOWN
        elif one in BENGALI or one in LATIN or one in JOINERS:
            kept = one
        else:
            kept = UNKNOWN
        shown.append(kept)
        before = kept
    return "".join(shown)


def as_ascii(text: str) -> str | None:
    """Harmless text in ASCII, for a printer that has no more; None if some is lost."""
    plain = "".join(_PLAIN.get(one, one) for one in text)
    return plain if plain.isascii() else None


def breakable(word: str) -> str:
    """A harmless word that may break: behind its separators if that is often enough,
    else between any two of its letters, within none.
    """
    pieces = _SEPARATORS.sub(lambda found: found[0] + BREAK, word).split(BREAK)
    if max(map(len, pieces)) <= PIECE_MAX:
        return BREAK.join(pieces)
    broken = []
    before = _VIRAMA
    for one in word:
        joined = one in JOINERS or category(one)[0] == "M"
        if not joined and before != _VIRAMA and before not in JOINERS:
            broken.append(BREAK)
        broken.append(one)
        before = one
    return "".join(broken)
