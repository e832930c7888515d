"""References as people write them, and the one form in which a service knows them.

One of the words: may use `codes` and `errors`. It is for those who send: the counter,
the client, the command line, the simulated billers and the sample. The ledger makes
references canonical by itself, by the same rules ("Canonical references" in
docs/data-model.md); here a mistake is said before anything is sent, with the pattern
and an example.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from switch.codes import CheckDigit, Ignored, Letters
from switch.errors import SwitchError

REFERENCE_MAX = 32
"""Characters of a reference."""
PATTERN_MAX = 64
"""Characters of a pattern."""
COUNT_MAX = 32
"""Characters that one element of a pattern can take."""
FORMS_KEPT = 1_024
"""Forms whose patterns and examples are kept; others are worked out again."""

NOTHING = Ignored(0)

_DIGITS = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LETTERS = _UPPER + _UPPER.lower()
_ANY = "".join(map(chr, range(0x21, 0x7F)))
_CLASSES = {"9": _DIGITS, "A": _LETTERS, "X": _DIGITS + _LETTERS, "*": _ANY}
_NAMES = {"9": "digit", "A": "letter", "X": "letter or digit", "*": "character"}
_PLURALS = {"X": "letters or digits"}
_PRINTABLE = re.compile(r"[\x20-\x7E]*")
_COUNT = re.compile(r"\{([0-9]{1,2})(?:,([0-9]{1,2}))?\}")
_PERIOD = re.compile(r"/[0-9]{4}-(?:0[1-9]|1[0-2])\Z")
_IGNORED = {
    Ignored.SPACE: " ",
    Ignored.HYPHEN: "-",
    Ignored.SLASH: "/",
    Ignored.POINT: ".",
}
_IGNORED_NAMES = {
    Ignored.SPACE: "spaces",
    Ignored.HYPHEN: "-",
    Ignored.SLASH: "/",
    Ignored.POINT: ".",
    Ignored.ZEROS: "zeros in front",
}


class PatternError(SwitchError):
    """A pattern, or a form, that no register can have; the text says why."""


class WrongReferenceError(SwitchError):
    """It is no reference of the service; the text says why, and never what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the references of one service are written."""

    letters: Letters = Letters.AS_THEY_ARE
    ignored: Ignored = NOTHING
    check_digit: CheckDigit = CheckDigit.NONE
    pattern: str = ""
    """Empty for any reference."""
    has_period: bool = False
    """A reference may end in `/YYYY-MM`, which stays as it is."""


class Element(NamedTuple):
    """A part of a pattern: so many characters, each one of these."""

    chars: str
    least: int
    most: int
    name: str
    """`9 A X *`, or the empty text for a character that stands for itself."""


# --- the one form ----------------------------------------------------------------


def canonical(form: Form, text: str) -> str:
    """The form in which the service knows this reference.

    Two spellings of one reference give the same text, and that text gives itself.
    Raises WrongReferenceError for what is no reference of the service, PatternError
    for a form that cannot be.
    """
    if not is_reference(text):
        shape = (
            f"must be 1 to {REFERENCE_MAX} printable ASCII characters, "
            "without spaces around it"
        )
        raise WrongReferenceError(_wrong(form, shape) if form.pattern else shape)
    body, period = split_period(text) if form.has_period else (text, "")
    body = _fold(form, _leave_out(form.ignored, body))
    whole = body + period
    if not body or whole != whole.strip():
        raise WrongReferenceError(_wrong(form, "nothing is left of it"))
    if form.pattern and _spans(_elements(form), body) is None:
        raise WrongReferenceError(
            _wrong(form, "it is not written as those of the service are")
        )
    if not has_check_digit(form.check_digit, body):
        raise WrongReferenceError(_wrong(form, "its check digit is wrong"))
    return whole


def is_reference(text: str) -> bool:
    """Whether it has the shape of a reference, of whatever service."""
    return (
        0 < len(text) <= REFERENCE_MAX
        and text.isascii()
        and text.isprintable()
        and text == text.strip()
    )


def split_period(text: str) -> tuple[str, str]:
    """What stands before a period at the end, and that; empty without one."""
    found = _PERIOD.search(text)
    if found is None or not found.start():
        return text, ""
    return text[: found.start()], found[0]


def _leave_out(ignored: Ignored, text: str) -> str:
    for part, char in _IGNORED.items():
        if part in ignored:
            text = text.replace(char, "")
    if Ignored.ZEROS in ignored:
        text = text.lstrip("0") or text[-1:]
    return text


def _fold(form: Form, text: str) -> str:
    if form.letters is Letters.UPPER:
        return text.upper()
    return text.lower() if form.letters is Letters.LOWER else text


def _wrong(form: Form, reason: str) -> str:
    pattern = f"pattern {form.pattern}, " if form.pattern else ""
    return f"{reason}: {pattern}{describe(form)}"


# --- patterns --------------------------------------------------------------------


def parse_pattern(pattern: str) -> tuple[Element, ...]:
    """The elements of a pattern. Raises PatternError, which names the place."""
    if len(pattern) > PATTERN_MAX or not _PRINTABLE.fullmatch(pattern):
        raise PatternError(f"must be at most {PATTERN_MAX} printable ASCII characters")
    elements: list[Element] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "'":
            end = pattern.find("'", at + 1)
            if end <= at + 1:
                raise PatternError(f"has a ' at {at + 1} that quotes nothing")
            elements += [Element(one, 1, 1, "") for one in pattern[at + 1 : end]]
            at = end + 1
        elif char in _CLASSES:
            least, most, at = _read_count(pattern, at + 1)
            elements.append(Element(_CLASSES[char], least, most, char))
        elif char in "{}":
            raise PatternError(f"has a {char} at {at + 1} that stands behind no class")
        else:
            elements.append(Element(char, 1, 1, ""))
            at += 1
    return tuple(elements)


def _read_count(pattern: str, at: int) -> tuple[int, int, int]:
    """How many a class takes, least and most, and where the next element begins."""
    if pattern[at : at + 1] != "{":
        return 1, 1, at
    found = _COUNT.match(pattern, at)
    least = int(found[1]) if found else 0
    most = int(found[2] or found[1]) if found else 0
    if found is None or not least <= most <= COUNT_MAX or most < 1:
        raise PatternError(
            f"has a count at {at + 1} that is not {{m}} or {{m,n}} with "
            f"0 <= m <= n <= {COUNT_MAX} and n >= 1"
        )
    return least, most, found.end()


def form_problems(form: Form) -> Iterator[tuple[str, str]]:
    """(field, text) of what keeps references of this form from being."""
    try:
        elements = parse_pattern(form.pattern)
    except PatternError as error:
        yield "pattern", str(error)
        return
    literals = "".join(one.chars for one in elements if not one.name)
    if sum(one.least for one in elements) > REFERENCE_MAX:
        yield "pattern", f"needs more than {REFERENCE_MAX} characters"
    elif _fold(form, literals) != literals:
        yield "pattern", "has letters that are never left as they stand there"
    elif any(
        part in form.ignored and char in literals for part, char in _IGNORED.items()
    ):
        yield "pattern", "has a character that is ignored"
    elif find_example(form) is None:
        field = "check_digit" if _texts(form, elements) else "pattern"
        yield field, "leaves no reference that could be one"


@lru_cache(maxsize=FORMS_KEPT)
def _elements(form: Form) -> tuple[Element, ...]:
    return parse_pattern(form.pattern)


def _spans(elements: Sequence[Element], text: str) -> list[int] | None:
    """How many characters each element takes of the text; None if it does not match.

    Each takes what it can and gives nothing back.
    """
    sizes = []
    at = 0
    for element in elements:
        size = 0
        while (
            size < element.most
            and at + size < len(text)
            and text[at + size] in element.chars
        ):
            size += 1
        if size < element.least:
            return None
        sizes.append(size)
        at += size
    return sizes if at == len(text) else None


# --- check digits ----------------------------------------------------------------

# Verhoeff: multiplication in the dihedral group of ten, and the permutation by place.
_TIMES = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_TURNED = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def has_check_digit(kind: CheckDigit, text: str) -> bool:
    """Whether the last digit of the text is right; without any digit it is not."""
    digits = [int(char) for char in reversed(text) if char in _DIGITS]
    if kind is CheckDigit.NONE:
        return True
    if kind is CheckDigit.LUHN:
        # Every second digit from the right counts double, by its digits' sum.
        doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
        return bool(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0
    check = 0
    for place, digit in enumerate(digits):
        check = int(_TIMES[check][int(_TURNED[place % 8][digit])])
    return bool(digits) and check == 0


def with_check_digit(kind: CheckDigit, text: str) -> str:
    """The text with the digit behind it that makes it right."""
    if kind is CheckDigit.NONE:
        return text
    return next(text + one for one in _DIGITS if has_check_digit(kind, text + one))


# --- for people ------------------------------------------------------------------


def describe(form: Form) -> str:
    """The form in words, with an example: `9 digits, such as 123456789`."""
    texts = [_in_words(parse_pattern(form.pattern)) or "any characters"]
    if form.check_digit is not CheckDigit.NONE:
        texts.append("with a check digit")
    found = find_example(form)
    if found:
        texts.append(f"such as {found}")
    names = [name for part, name in _IGNORED_NAMES.items() if part in form.ignored]
    if names:
        texts.append(f"{' and '.join(names)} ignored")
    return ", ".join(texts)


def _in_words(elements: Sequence[Element]) -> str:
    texts: list[str] = []
    literal = ""
    for element in elements:
        if not element.name:
            literal += element.chars
            continue
        if literal:
            texts.append(f"“{literal}”")
            literal = ""
        plural = _PLURALS.get(element.name, f"{_NAMES[element.name]}s")
        name = _NAMES[element.name] if element.most == 1 else plural
        least = "" if element.least == element.most else f"{element.least} to "
        texts.append(f"{least}{element.most} {name}")
    if literal:
        texts.append(f"“{literal}”")
    return ", ".join(texts)


@lru_cache(maxsize=FORMS_KEPT)
def find_example(form: Form) -> str | None:
    """A reference of this form, canonical and without a period; None if none can be."""
    elements = parse_pattern(form.pattern) or (Element(_DIGITS, 8, 8, "9"),)
    for text in _texts(form, elements):
        example = _with_right_digit(form, elements, text)
        if example is not None:
            return example
    return None


def _with_right_digit(form: Form, elements: Sequence[Element], text: str) -> str | None:
    """A canonical reference like a text that the elements match; None if none is."""
    free = [
        bool(element.name)
        for element, size in zip(elements, _spans(elements, text) or (), strict=True)
        for _ in range(size)
    ]
    # Any digit that stands there freely can be the one that makes the sum right.
    for like in (_counting(form, text, free), text):
        for place in [at for at, one in enumerate(free) if one and like[at] in _DIGITS][
            ::-1
        ]:
            for digit in like[place] + _DIGITS:
                changed = like[:place] + digit + like[place + 1 :]
                if _is_canonical(form, elements, changed):
                    return changed
        if _is_canonical(form, elements, like):
            return like
    return None


def _is_canonical(form: Form, elements: Sequence[Element], text: str) -> bool:
    return (
        is_reference(text)
        and _fold(form, _leave_out(form.ignored, text)) == text
        and _spans(elements, text) is not None
        and has_check_digit(form.check_digit, text)
    )


def _counting(form: Form, text: str, free: Sequence[bool]) -> str:
    """The same with 1, 2, 3 and A, B, C where it is free: as one would make it up."""
    letters = _fold(form, _UPPER)
    digit = letter = 0
    made = ""
    for char, is_free in zip(text, free, strict=True):
        if is_free and char in _DIGITS:
            digit += 1
            char = _DIGITS[digit % 10]
        elif is_free and char in _LETTERS:
            char = letters[letter % len(letters)]
            letter += 1
        made += char
    return made


class _Rest(NamedTuple):
    """What a rest of a text is like, as far as it makes a difference before it."""

    first: str
    digits: int
    """Of those that may be chosen; two are as good as more."""
    is_spaced: bool
    """A space is its last character."""


def _texts(form: Form, elements: Sequence[Element]) -> list[str]:
    """Texts that elements match and the form leaves as they are, the shortest first.

    Read from the right: of each kind the shortest rest. An element that could take
    the character behind it must have had its most.
    """
    left_out = "".join(char for part, char in _IGNORED.items() if part in form.ignored)
    rests = {_Rest("", 0, False): ""}
    for element in reversed(elements):
        found: dict[_Rest, str] = {}
        for kind, size, rest in _sizes(element, rests, found):
            for char in element.chars:
                made = char * size + rest
                if char in left_out or _fold(form, char) != char:
                    continue
                free = size if element.name and char in _DIGITS else 0
                digits = min(kind.digits + free, 2)
                key = _Rest(char, digits, kind.is_spaced if rest else char == " ")
                if len(made) < len(found.get(key, made + " ")):
                    found[key] = made
        rests = {one: rest for one, rest in found.items() if len(rest) <= REFERENCE_MAX}
    zeros = Ignored.ZEROS in form.ignored
    texts = [
        rest
        for rest in rests.values()
        if is_reference(rest) and not (zeros and rest[0] == "0" and len(rest) > 1)
    ]
    return sorted(texts, key=len)


def _sizes(
    element: Element, rests: dict[_Rest, str], skipped: dict[_Rest, str]
) -> list[tuple[_Rest, int, str]]:
    """How many characters of an element may stand before which rest: the shortest
    wholes, with one more character for a second digit. Rests before which nothing need
    stand go into `skipped`.
    """
    best: dict[tuple[int, bool, bool], tuple[_Rest, int, str]] = {}
    for kind, rest in rests.items():
        takes = bool(kind.first) and kind.first in element.chars
        if element.least == 0 and not takes:
            skipped[kind] = rest
        least = element.most if takes else max(element.least, 1)
        for size in (least, min(least + 1, element.most)):
            key = kind.digits, kind.is_spaced, size > least
            _, known_size, known = best.setdefault(key, (kind, size, rest))
            if size + len(rest) < known_size + len(known):
                best[key] = kind, size, rest
    return list(best.values())
