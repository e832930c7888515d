"""Text as banks take it: Latin letters without marks, digits and a little more.

May use nothing of the product. A bank's systems pass on `a-z A-Z 0-9`, spaces and
`/ - ? : ( ) . , ' +`, and refuse or spoil the rest. Bengali is written with Latin
letters by a table of its own, so that a name comes out the same on every machine; it is
for the eye of a clerk, and nothing is found by it. docs/files.md has the rule.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

UNKNOWN: Final = "?"
"""In the place of a letter that is in no table."""

_TAKEN: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ "
)
_LIKE: Final = str.maketrans(
    {
        "&": "+",
        "_": "-",
        '"': "'",
        ";": ",",
        "[": "(",
        "]": ")",
        "\u00a0": " ",
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": "'",
        "\u201d": "'",
        # A danda ends a sentence; joiners only shape letters.
        "\u0964": ".",
        "\u0965": ".",
        "\u200c": None,
        "\u200d": None,
        "\ufeff": None,
    }
)
_LATIN_LAST: Final = "\u024f"
"""Up to here marks are taken off; every letter below has one decomposition for ever."""


def _pairs(letters: str, latin: str) -> dict[str, str]:
    return dict(zip(letters, latin.split(" "), strict=True))


_VOWELS: Final = _pairs("অআইঈউঊঋঌএঐওঔৠৡ", "a a i i u u ri li e ai o au ri li")
_SIGNS: Final = _pairs(
    "\u09be\u09bf\u09c0\u09c1\u09c2\u09c3\u09c4\u09e2\u09e3\u09c7\u09c8\u09cb\u09cc",
    "a i i u u ri ri li li e ai o au",
)
_CONSONANTS: Final = _pairs(
    "কখগঘঙচছজঝঞটঠডঢণতথদধনপফবভমযরলশষসহৰৱ",
    "k kh g gh ng ch chh j jh n t th d dh n t th d dh n "
    "p ph b bh m y r l sh sh s h r w",
)
_DOTTED: Final = {"ড": "r", "ঢ": "rh", "য": "y"}
"""With a dot below (U+09BC); of any other letter it means nothing here."""
_DOT: Final = "\u09bc"
_HASANTA: Final = "\u09cd"
"""Takes away the vowel that a consonant has by itself."""
_OTHERS: Final = {
    "\u0981": "n",
    "\u0982": "ng",
    "\u0983": "h",
    "\u09bd": "'",
    "\u09ce": "t",
    "\u09d7": "",
    _DOT: "",
    _HASANTA: "",
} | {chr(0x09E6 + digit): str(digit) for digit in range(10)}


def bank_text(text: str, size: int) -> str:
    """A text in letters that banks take, at most `size` characters; it may be empty.

    It neither begins with a mark nor has two slashes in a row, as a bank would take
    both for the end of a field.
    """
    latin = "".join(_letters(text.translate(_LIKE)))
    while "//" in latin:
        latin = latin.replace("//", "/")
    return " ".join(latin.split()).lstrip("/-: ")[:size].rstrip()


def _letters(text: str) -> Iterator[str]:
    # What no table has is replaced first: how it falls apart may differ by machine.
    known = "".join(one if _is_known(one) else UNKNOWN for one in text)
    whole = unicodedata.normalize("NFC", known)
    at = 0
    while at < len(whole):
        one = whole[at]
        at += 1
        if one in _CONSONANTS:
            latin = _CONSONANTS[one]
            if whole[at : at + 1] == _DOT:
                latin = _DOTTED.get(one, latin)
                at += 1
            follows = whole[at : at + 1]
            if follows in _SIGNS:
                latin += _SIGNS[follows]
                at += 1
            elif follows == _HASANTA:
                at += 1
            else:
                latin += "a"
            yield latin
        elif one in _TAKEN:
            yield one
        else:
            yield _other(one)


def _is_known(one: str) -> bool:
    is_bengali = "\u0980" <= one <= "\u09ff"
    return one <= _LATIN_LAST or "\u0300" <= one <= "\u036f" or is_bengali


def _other(one: str) -> str:
    """A vowel, a sign, or a Latin letter with marks."""
    for table in (_VOWELS, _SIGNS, _OTHERS):
        if one in table:
            return table[one]
    if one.isspace():
        return " "
    bare = unicodedata.normalize("NFD", one)
    if "\u0300" <= one <= "\u036f":
        return ""
    return bare[0] if bare[0] in _TAKEN else UNKNOWN
