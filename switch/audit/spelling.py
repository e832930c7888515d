"""References in their canonical form: what is left out, letters, pattern, check digit.

A service says how its references are spelled. A row keeps the canonical form, so that
two spellings are one bill; the form is asked for here in two ways. `Spelling.canonical`
makes it of one reference, step by step. `Spellings.wrong` judges many rows at once: a
pattern never gives a character back, so that it is an automaton, which takes the next
state from the state and the character alone.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from switch.audit.layout import SERVICES_MAX, U64, Index, Mask, Rows, pick
from switch.audit.references import (
    PERIOD_SIZE,
    REFERENCE_SIZE,
    with_period,
    without_period,
)

Text = npt.NDArray[np.uint8]
"""References as bytes: one row for each place, one column for each reference."""
Table = npt.NDArray[np.uint32]
"""The next state, by state and character; a state is where its row begins."""
Check = tuple[Table, Mask]
"""An automaton, and the states that it may end in."""

AS_THEY_ARE, UPPER, LOWER = 1, 2, 3
LUHN, VERHOEFF = 1, 2
IGNORED: Final = b" -/."
"""What may be left out, in the order of the bits that say so."""
ZEROS_IN_FRONT: Final = 1 << 4
COUNT_MAX: Final = 32
CHARACTERS: Final = 256
PRINTABLE: Final = range(0x20, 0x7F)
DIGITS: Final = frozenset(b"0123456789")
LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
CLASSES: Final = {
    ord("9"): DIGITS,
    ord("A"): LETTERS,
    ord("X"): DIGITS | LETTERS,
    ord("*"): frozenset(range(0x21, 0x7F)),
}
QUOTE, OPEN, COMMA, CLOSE = b"'{,}"
ZERO: Final = ord("0")

WRONG, RIGHT, BEGIN = 0, CHARACTERS, 2 * CHARACTERS
"""States: the two that every automaton ends in, and the first of its own."""
STATES_MAX: Final = 1 << 15
"""States of all automata together, 1 KiB each. References of services beyond are taken
one by one; there would have to be about a thousand different patterns."""
PATTERNS_KEPT: Final = 1_024
"""Patterns whose elements are remembered."""
ROWS_TOGETHER: Final = 8192
"""References that are judged in one go: their bytes stay near."""


@dataclass(frozen=True)
class Element:
    """Some characters, and how many of them: as many as there are, up to `most`."""

    characters: frozenset[int]
    least: int
    most: int


ANYTHING: Final = (Element(frozenset(PRINTABLE), 1, REFERENCE_SIZE),)


class _MalformedError(Exception):
    """A pattern that is not formed as one."""


@lru_cache(PATTERNS_KEPT)
def parse(pattern: bytes, letters: int) -> tuple[Element, ...] | None:
    """The elements of a pattern; None if it is none, or none could match it."""
    try:
        elements = tuple(_elements(pattern, letters)) or ANYTHING
    except _MalformedError:
        return None
    least = sum(element.least for element in elements)
    return elements if least <= REFERENCE_SIZE else None


def _elements(pattern: bytes, letters: int) -> Iterator[Element]:
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character in CLASSES:
            least, most, at = _count(pattern, at)
            yield Element(CLASSES[character], least, most)
        elif character == QUOTE:
            end = pattern.find(QUOTE, at)
            if end <= at:
                raise _MalformedError
            for literal in pattern[at:end]:
                yield _literal(literal, letters)
            at = end + 1
        elif character in (OPEN, CLOSE):
            raise _MalformedError
        else:
            yield _literal(character, letters)


def _literal(character: int, letters: int) -> Element:
    one = bytes([character])
    if character not in PRINTABLE or folded(one, letters) != one:
        raise _MalformedError
    return Element(frozenset(one), 1, 1)


def _count(pattern: bytes, at: int) -> tuple[int, int, int]:
    """Least, most, and where the pattern goes on."""
    if pattern[at : at + 1] != b"{":
        return 1, 1, at
    end = pattern.find(CLOSE, at)
    least, comma, most = pattern[at + 1 : max(end, at)].partition(b",")
    numbers = (least, most) if comma else (least, least)
    if not all(number.isdigit() and len(number) <= 2 for number in numbers):
        raise _MalformedError
    low, high = (int(number) for number in numbers)
    if not low <= high <= COUNT_MAX or not high:
        raise _MalformedError
    return low, high, end + 1


def folded(text: bytes, letters: int) -> bytes:
    """The text with its letters as a service wants them."""
    if letters == UPPER:
        return text.upper()
    return text.lower() if letters == LOWER else text


@dataclass(frozen=True)
class Spelling:
    """How the references of a service are spelled."""

    letters: int
    ignored: int
    check_digit: int
    pattern: bytes
    period: bool
    """`/YYYY-MM` stands behind what all this is about, and stays as it is."""

    @classmethod
    def of(cls, record: np.void, period: bool) -> Self:
        """What a service's record says of it."""
        letters, ignored = int(record["letters"]), int(record["ignored"])
        check_digit, pattern = int(record["check_digit"]), bytes(record["pattern"])
        return cls(letters, ignored, check_digit, pattern, period)

    @property
    def free(self) -> bool:
        """Any reference is canonical as it is."""
        return self.letters == AS_THEY_ARE and not (
            self.ignored or self.check_digit or self.pattern
        )

    @property
    def left_out(self) -> bytes:
        """The characters that are left out wherever they stand."""
        return bytes(c for bit, c in enumerate(IGNORED) if self.ignored >> bit & 1)

    def canonical(self, reference: bytes) -> bytes | None:
        """The one form of a reference; None if it is no reference of the service."""
        end = len(reference)
        if self.period:
            if not with_period(reference):
                return reference
            end -= PERIOD_SIZE
        text = reference[:end].translate(None, self.left_out)
        if self.ignored & ZEROS_IN_FRONT:
            text = text.lstrip(b"0") or text[-1:]
        text = folded(text, self.letters)
        elements = parse(self.pattern, self.letters)
        if not text or elements is None or not match(elements, text):
            return None
        rule = self.check_digit
        if rule in CHECK_DIGITS and not check_digit_fits(text, rule):
            return None
        text += reference[end:]
        return text if text.strip(b" ") == text else None

    def automaton(self) -> Table:
        """Whether a text is canonical, its check digit aside.

        A zero stands behind its last character. The rows are those of BEGIN and of
        the states behind it.
        """
        elements = parse(self.pattern, self.letters) or ()
        kinds = self._kinds(elements)
        # Behind a zero in front that would have been left out nothing may stand.
        zero_ends = self.ignored & ZEROS_IN_FRONT
        begin = (0, 0, False)
        numbers = {begin: BEGIN}
        waiting = [begin]
        rows = []
        for element, count, alone in waiting:
            row = [WRONG] * CHARACTERS
            rows.append(row)
            begins = not element and not count
            if not begins and ends(elements, element, count):
                row[0] = RIGHT
            for alike in [] if alone else kinds:
                found = step(elements, element, count, alike[0])
                if found is not None:
                    zero = alike[0] == ZERO
                    state = *found, bool(begins and zero_ends and zero)
                    if state not in numbers:
                        numbers[state] = BEGIN + len(numbers) * CHARACTERS
                        waiting.append(state)
                    for character in alike:
                        row[character] = numbers[state]
        return np.array(rows, dtype=np.uint32)

    def _kinds(self, elements: tuple[Element, ...]) -> list[bytes]:
        """The characters of canonical texts; together which no element tells apart."""
        kinds: dict[tuple[bool, ...], bytes] = {}
        for character in bytes(PRINTABLE).translate(None, self.left_out):
            one = bytes([character])
            if folded(one, self.letters) == one:
                taken = *(character in e.characters for e in elements), one == b"0"
                kinds[taken] = kinds.get(taken, b"") + one
        return list(kinds.values())


def step(
    elements: tuple[Element, ...], element: int, count: int, character: int
) -> tuple[int, int] | None:
    """Where a pattern stands behind one more character: element, and how many of it."""
    while element < len(elements):
        one = elements[element]
        if count < one.most and character in one.characters:
            return element, count + 1
        if count < one.least:
            return None
        element, count = element + 1, 0
    return None


def ends(elements: tuple[Element, ...], element: int, count: int) -> bool:
    """Whether a text may end there."""
    rest = elements[element:]
    return not rest or (
        count >= rest[0].least and not any(one.least for one in rest[1:])
    )


def match(elements: tuple[Element, ...], text: bytes) -> bool:
    """Whether the elements match a text, whole; they give nothing back."""
    at = 0
    for one in elements:
        count = 0
        while count < one.most and text[at : at + 1] and text[at] in one.characters:
            at, count = at + 1, count + 1
        if count < one.least:
            return False
    return at == len(text)


def check_digit_fits(text: bytes, rule: int) -> bool:
    """Whether a text's digits satisfy a check digit; without any digit they do not."""
    table, right = CHECK_DIGITS[rule]
    row = 0
    for character in reversed(text):
        row = int(table[row, character]) // CHARACTERS
    return bool(right[row])


def _luhn(place: int, total: int, digit: int) -> tuple[int, int]:
    """From the right: every second digit counts twice, its own digits summed up."""
    if place % 2:
        digit = digit * 2 - 9 if digit > 4 else digit * 2
    return (place + 1) % 2, (total + digit) % 10


def _verhoeff(place: int, total: int, digit: int) -> tuple[int, int]:
    """From the right: each digit is exchanged as often as its place says, and then
    turns or mirrors a pentagon, whose ten ways of lying there the totals are.
    """
    for _ in range(place):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    mirrored = (total >= 5) != (digit >= 5)
    turned = (total - digit if total >= 5 else total + digit) % 5
    return (place + 1) % 8, turned + 5 * mirrored


def _check_digits(
    places: int, rule: Callable[[int, int, int], tuple[int, int]]
) -> Check:
    """An automaton that reads from the right. State 0: no digit was met yet."""

    def state(place: int, total: int) -> int:
        return (1 + place * 10 + total) * CHARACTERS

    states = np.arange(1 + places * 10, dtype=np.uint32) * CHARACTERS
    table = np.repeat(states[:, None], CHARACTERS, axis=1)
    right = np.zeros(len(table), dtype=np.bool_)
    right[1::10] = True
    for digit in range(10):
        table[0, ZERO + digit] = state(*rule(0, 0, digit))
        for place, total in itertools.product(range(places), range(10)):
            found = state(*rule(place, total, digit))
            table[state(place, total) // CHARACTERS, ZERO + digit] = found
    return table, right


CHECK_DIGITS: Final = {
    LUHN: _check_digits(2, _luhn),
    VERHOEFF: _check_digits(8, _verhoeff),
}


class Spellings:
    """The spellings of all services, those that are alike together."""

    def __init__(self) -> None:
        """No service: any reference is right."""
        self.rules = np.zeros(SERVICES_MAX + 1, dtype=np.uint16)
        """By service: which of `known`; 0 is the one that takes any reference."""
        free = Spelling(AS_THEY_ARE, 0, 0, b"", period=False)
        self.known = [free]
        self._numbers = {free: 0}
        self._begins = np.zeros(SERVICES_MAX + 1, dtype=np.uint32)
        """By rule: the state that its automaton begins in, WRONG if it has none."""
        self._periods = np.zeros(SERVICES_MAX + 1, dtype=np.bool_)
        self._checks = np.zeros(SERVICES_MAX + 1, dtype=np.uint8)
        self._tables = [np.zeros((2, CHARACTERS), dtype=np.uint32)]
        self._tables[0][1, 0] = RIGHT
        self._end = BEGIN

    def register(self, service: int, spelling: Spelling) -> None:
        """Have the references of a service spelled like this, for ever."""
        if spelling.free:
            spelling = self.known[0]
        number = self._numbers.setdefault(spelling, len(self.known))
        if number == len(self.known):
            self.known.append(spelling)
            self._periods[number] = spelling.period
            self._checks[number] = spelling.check_digit
            self._add(number, spelling.automaton())
        self.rules[service] = number

    def canonical(self, row: np.void) -> bytes | None:
        """The canonical form of a row's reference by its service."""
        spelling: Spelling = self.known[self.rules[row["service"]]]
        reference: bytes = row["reference"].tobytes()
        return spelling.canonical(reference.rstrip(b"\0"))

    def wrong(self, rows: Rows) -> Mask:
        """Which rows have another reference than its canonical form, or one without."""
        rules = self.rules[rows["service"]]
        result: Mask = rules != 0
        spelled: Index = np.flatnonzero(result)
        for start in range(0, len(spelled), ROWS_TOGETHER):
            some = spelled[start : start + ROWS_TOGETHER]
            result[some] = self._wrong(rows, some, rules[some])
        return result

    def _add(self, rule: int, table: Table) -> None:
        """Put an automaton behind the others, while there is room."""
        end = self._end + table.size
        if end <= STATES_MAX * CHARACTERS:
            self._begins[rule] = self._end
            table[table >= BEGIN] += np.uint32(self._end - BEGIN)
            self._tables.append(table)
            self._end = end

    def _wrong(self, rows: Rows, some: Index, rules: npt.NDArray[np.uint16]) -> Mask:
        """The same of some rows, whose services do not take any reference."""
        words: U64 = rows["reference"][some]
        used = 8 * int(np.flatnonzero(np.bitwise_or.reduce(words)).max(initial=-1) + 1)
        text: Text = words.view(np.uint8)[:, :used]
        periodic: Index = np.flatnonzero(self._periods[rules])
        lacking = periodic[without_period(pick(rows, some[periodic]))]
        if len(periodic):
            part = text[periodic]
            size = (part != 0).sum(axis=1)
            part[np.arange(used) >= size[:, None] - PERIOD_SIZE] = 0
            text[periodic] = part
        if len(self._tables) > 1:
            self._tables = [np.concatenate(self._tables)]
        begins = self._begins[rules]
        wrong: Mask = run(self._tables[0], begins, text.T) != RIGHT
        checks = self._checks[rules]
        for rule, (table, right) in CHECK_DIGITS.items() if checks.any() else ():
            mine: Index = np.flatnonzero(checks == rule)
            none = np.zeros(len(mine), dtype=np.uint32)
            found = run(table, none, text[mine].T[::-1])
            wrong[mine] |= ~right[found // CHARACTERS]
        for at in np.flatnonzero(begins == WRONG).tolist():
            row = rows[some[at]]
            wrong[at] = self.canonical(row) != row["reference"].tobytes().rstrip(b"\0")
        wrong[lacking] = False
        return wrong


def run(table: Table, states: Table, text: Text) -> Table:
    """Where an automaton stands behind each text, and behind the zero at its end."""
    flat = table.reshape(-1)
    for column in text:
        states = flat.take(states | column, mode="clip")
    return flat.take(states, mode="clip")
