"""Goal: the auditor's canonical form of a reference, and its patterns, are the page's.

Method: known cases by hand; then random patterns and references beside Python's regular
expressions, whose possessive repetitions give nothing back either. What is made
canonical stays so; what many rows are told at once is what each is told alone.
"""

import itertools
import random
import re

import numpy as np
import pytest

from switch.audit import spelling as module
from switch.audit.layout import ROW
from switch.audit.references import with_period, without_period
from switch.audit.spelling import (
    AS_THEY_ARE,
    LOWER,
    LUHN,
    UPPER,
    VERHOEFF,
    Spelling,
    Spellings,
    check_digit_fits,
    match,
    parse,
)

SPACE, HYPHEN, SLASH, DOT, ZEROS = 1, 2, 4, 8, 16


def spelled(
    pattern: bytes = b"",
    ignored: int = 0,
    letters: int = AS_THEY_ARE,
    check_digit: int = 0,
    *,
    period: bool = False,
) -> Spelling:
    return Spelling(letters, ignored, check_digit, pattern, period)


def rows_of(references: list[bytes], service: int = 1) -> np.ndarray:
    rows = np.zeros(len(references), dtype=ROW)
    text = b"".join(reference.ljust(32, b"\0") for reference in references)
    rows["reference"] = np.frombuffer(text, dtype="<u8").reshape(-1, 4)
    rows["service"] = service
    return rows


def judged(spelling: Spelling, references: list[bytes]) -> list[bool]:
    """Which of some references are wrong, judged together."""
    spellings = Spellings()
    spellings.register(1, spelling)
    wrong: list[bool] = spellings.wrong(rows_of(references)).tolist()
    return wrong


@pytest.mark.parametrize(
    ("spelling", "sent", "canonical"),
    [
        (spelled(), b"aB- /.0", b"aB- /.0"),
        (spelled(ignored=SPACE), b"12 34  5", b"12345"),
        (spelled(ignored=HYPHEN | DOT), b"1-2.3/4", b"123/4"),
        (spelled(ignored=SLASH), b"/1/2/", b"12"),
        (spelled(ignored=HYPHEN), b"---", None),
        (spelled(ignored=ZEROS), b"000", b"0"),
        (spelled(ignored=ZEROS), b"00120", b"120"),
        (spelled(ignored=ZEROS), b"0A", b"A"),
        (spelled(ignored=ZEROS), b"A00", b"A00"),
        (spelled(ignored=ZEROS), b"-007", b"-007"),
        (spelled(ignored=ZEROS | HYPHEN), b"-00-7", b"7"),
        (spelled(ignored=ZEROS | HYPHEN), b"0-0-", b"0"),
        (spelled(letters=UPPER), b"mh12Ab/c", b"MH12AB/C"),
        (spelled(letters=LOWER), b"MH12aB/C", b"mh12ab/c"),
        # A space that is left at an end has been behind something left out.
        (spelled(ignored=HYPHEN), b"- A", None),
        (spelled(ignored=HYPHEN), b"A -", None),
        (spelled(ignored=HYPHEN), b"A -B", b"A B"),
        (spelled(b"A{2}9{4}", SPACE | HYPHEN, UPPER), b"mh-12 34", b"MH1234"),
        (spelled(b"A{2}9{4}", SPACE | HYPHEN, UPPER), b"mh-12 345", None),
        (spelled(b"9{4}", check_digit=VERHOEFF), b"2363", b"2363"),
        (spelled(b"9{4}", check_digit=VERHOEFF), b"2364", None),
        (
            spelled(b"'PT/'9{11}", check_digit=LUHN),
            b"PT/79927398713",
            b"PT/79927398713",
        ),
        (spelled(check_digit=LUHN), b"no digit", None),
        (spelled(period=True), b"M 1/2026-04", b"M 1/2026-04"),
        (
            spelled(b"9{3}", SLASH | HYPHEN, period=True),
            b"1-2/3/2026-04",
            b"123/2026-04",
        ),
        (spelled(b"9{3}", SLASH | HYPHEN, period=True), b"12/2026-04", None),
        (spelled(b"9{3}", ZEROS, period=True), b"0123/0001-01", b"123/0001-01"),
        (spelled(ignored=HYPHEN, period=True), b"-/2026-04", None),
        # Without a period the whole stays as it was sent.
        (spelled(b"9{3}", HYPHEN, period=True), b"1-2/2026-13", b"1-2/2026-13"),
        (spelled(b"9{3}", HYPHEN, period=True), b"/2026-12", b"/2026-12"),
        (spelled(ignored=HYPHEN, period=True), b" A/2026-04", None),
        (spelled(ignored=HYPHEN, period=True), b"A -/2026-04", b"A /2026-04"),
        # The check digit is of what stands before the period.
        (spelled(check_digit=VERHOEFF, period=True), b"2363/2026-04", b"2363/2026-04"),
        (spelled(check_digit=VERHOEFF, period=True), b"2364/2026-04", None),
    ],
)
def test_known_forms(spelling: Spelling, sent: bytes, canonical: bytes | None) -> None:
    assert spelling.canonical(sent) == canonical
    if sent.strip() == sent:
        assert judged(spelling, [sent]) == [sent != canonical]
    if canonical is not None:
        assert judged(spelling, [canonical]) == [False]


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        (b"9", [b"7"], [b"", b"A", b"77"]),
        (b"A", [b"q", b"Q"], [b"7", b"-"]),
        (b"X", [b"q", b"Q", b"0"], [b"-", b" "]),
        (b"*", [b"-", b"~", b"!", b"q"], [b" "]),
        (b"9{2}", [b"12"], [b"1", b"123", b"1A"]),
        (b"9{2,4}", [b"12", b"1234"], [b"1", b"12345"]),
        (b"9{0,2}A", [b"A", b"1A", b"12A"], [b"123A", b"12"]),
        # Five and no fewer: what the first takes it keeps.
        (b"9{1,4}9", [b"12345"], [b"1234", b"12", b"123456"]),
        (b"X{1,32}9", [], [b"A1", b"A" * 32]),
        (b"BILL-9", [b"BILL-3"], [b"BILLX3", b"bILL-3"]),
        (b"'9A'9", [b"9A5"], [b"995", b"9A"]),
        (b"'{,}'", [b"{,}"], [b"{}"]),
        (b"' 'X", [b" 1"], [b"1"]),
        (b"9,9", [b"1,2"], [b"12"]),
        (b"*{32}", [b"*" * 32], [b"*" * 31]),
        (b"9{1,32}", [b"1" * 32], [b"1" * 31 + b"A"]),
        (b"", [b"any thing", b"x" * 32], []),
    ],
)
def test_known_patterns(pattern: bytes, right: list[bytes], wrong: list[bytes]) -> None:
    elements = parse(pattern, AS_THEY_ARE)
    assert elements is not None
    assert [match(elements, text) for text in right] == [True] * len(right)
    assert [match(elements, text) for text in wrong] == [False] * len(wrong)


@pytest.mark.parametrize(
    "pattern",
    [
        *(b"'", b"'A", b"A''", b"'A''", b"{", b"}", b"{2}", b"9{", b"9}", b"9{}"),
        *(b"9{,2}", b"9{2,}", b"9{0}", b"9{0,0}", b"9{3,2}", b"9{33}", b"9{1,33}"),
        *(b"9{001}", b"9{ 1}", b"9{+1}", b"9{1}{1}", b"B{2}", b"'B'{2}", b"9{1,2,3}"),
        *(b"9\x7f", b"\xe9", b"9\x00A", b"'\t'", b"9{32}9", b"B" * 33, b"9{1'2}"),
    ],
)
def test_what_is_no_pattern(pattern: bytes) -> None:
    assert parse(pattern, AS_THEY_ARE) is None


def test_literal_letters_are_those_that_the_fold_leaves() -> None:
    for pattern, letters in ((b"b9", UPPER), (b"'b'", UPPER), (b"B", LOWER)):
        assert parse(pattern, letters) is None
        assert parse(pattern, AS_THEY_ARE) is not None
        assert parse(pattern.swapcase(), letters) is not None
    # Classes are no letters.
    assert parse(b"A9X*", LOWER) is not None


def test_check_digits() -> None:
    for text in (b"79927398713", b"4539578763621486", b"0", b"18", b"1-8"):
        assert check_digit_fits(text, LUHN)
    for text in (b"2363", b"123451", b"1428570", b"1234567890120", b"0", b"2-3/6.3"):
        assert check_digit_fits(text, VERHOEFF)
    for rule in (LUHN, VERHOEFF):
        assert not check_digit_fits(b"", rule)
        assert not check_digit_fits(b"AB", rule)


@pytest.mark.parametrize("rule", [LUHN, VERHOEFF])
def test_check_digits_find_every_wrong_digit_and_neighbours_exchanged(
    rule: int,
) -> None:
    rng = random.Random(rule)
    for _ in range(200):
        digits = [rng.randrange(10) for _ in range(rng.randrange(1, 24))]
        fitting = [d for d in range(10) if check_digit_fits(text(*digits, d), rule)]
        assert len(fitting) == 1
        whole = [*digits, *fitting]
        at = rng.randrange(len(whole))
        for other in set(range(10)) - {whole[at]}:
            assert not check_digit_fits(
                text(*whole[:at], other, *whole[at + 1 :]), rule
            )
        for left, right in itertools.pairwise(range(len(whole))):
            one, two = whole[left], whole[right]
            if one != two and (rule == VERHOEFF or {one, two} != {0, 9}):
                changed = [*whole]
                changed[left], changed[right] = two, one
                assert not check_digit_fits(text(*changed), rule)


def text(*digits: int) -> bytes:
    return "".join(map(str, digits)).encode()


# --- at random -----------------------------------------------------------------------

ALPHABET = b"0019Aaz -/.{'*"
CLASSES = {b"9": b"[0-9]", b"A": b"[A-Za-z]", b"X": b"[A-Za-z0-9]", b"*": b"[!-~]"}


def random_pattern(rng: random.Random) -> tuple[bytes, bytes]:
    """A pattern, and the regular expression that matches the same."""
    pattern = expression = b""
    for _ in range(rng.randrange(1, 6)):
        if rng.random() < 0.7:
            name = rng.choice(list(CLASSES))
            pattern, expression = pattern + name, expression + CLASSES[name]
            if rng.random() < 0.7:
                most = rng.choice((1, 1, 2, 3, 32))
                least = rng.randrange(min(most, 3) + 1)
                pattern += b"{%d,%d}" % (least, most)
                # Possessive: gives nothing back.
                expression += b"{%d,%d}+" % (least, most)
        else:
            literal = bytes(rng.choices(b"01Aa -/.", k=rng.randrange(1, 3)))
            expression += re.escape(literal)
            quoted = rng.random() < 0.5 or b"A" in literal
            pattern += b"'%s'" % literal if quoted else literal
    return pattern, expression


def random_reference(rng: random.Random) -> bytes:
    body = bytes(rng.choices(ALPHABET, k=rng.randrange(1, 12))).strip() or b"0"
    return body + rng.choice((b"", b"", b"/2026-04", b"/2026-13"))


def plain_form(spelling: Spelling, expression: bytes, sent: bytes) -> bytes | None:
    """The page's steps, in Python's words."""
    end = len(sent)
    if spelling.period:
        if not re.fullmatch(rb".+/[0-9]{4}-(0[1-9]|1[0-2])", sent):
            return sent
        end -= 8
    for bit, character in enumerate((b" ", b"-", b"/", b".")):
        if spelling.ignored >> bit & 1:
            sent, end = (
                sent[:end].replace(character, b"") + sent[end:],
                end - sent[:end].count(character),
            )
    body, rest = sent[:end], sent[end:]
    if spelling.ignored & ZEROS:
        while len(body) > 1 and body.startswith(b"0"):
            body = body[1:]
    body = {UPPER: body.upper(), LOWER: body.lower()}.get(spelling.letters, body)
    if not body or not re.fullmatch(expression, body):
        return None
    if spelling.check_digit and not check_digit_fits(body, spelling.check_digit):
        return None
    return None if (body + rest) != (body + rest).strip() else body + rest


@pytest.mark.parametrize("seed", range(8))
def test_random_patterns_as_regular_expressions_read_them(seed: int) -> None:
    rng = random.Random(seed)
    met = {True: 0, False: 0}
    for _ in range(250):
        pattern, expression = random_pattern(rng)
        if rng.random() < 0.3:
            pattern, expression = b"", b"[ -~]*"
        letters = rng.choice((AS_THEY_ARE, UPPER, LOWER))
        check_digit = rng.choice((0, 0, 0, LUHN, VERHOEFF))
        spelling = spelled(
            pattern,
            rng.choice((0, rng.randrange(32))),
            letters,
            check_digit,
            period=rng.random() < 0.3,
        )
        if parse(pattern, letters) is None:
            continue
        references = [random_reference(rng) for _ in range(40)]
        forms = [spelling.canonical(sent) for sent in references]
        assert forms == [plain_form(spelling, expression, sent) for sent in references]
        right = [form for form in forms if form is not None]
        assert [spelling.canonical(form) for form in right] == right
        pairs = zip(references, forms, strict=True)
        assert judged(spelling, references) == [sent != form for sent, form in pairs]
        assert judged(spelling, right) == [False] * len(right)
        for sent, form in zip(references, forms, strict=True):
            met[sent == form] += 1
    assert min(met.values()) > 500


def test_services_are_judged_together_each_by_its_own() -> None:
    """Also those for which there is no room in the tables: one by one."""
    spellings, rng = Spellings(), random.Random(3)
    own = [spelled(b"9{%d}" % count) for count in range(1, 33)]
    own += [spelled(letters=UPPER), spelled(), spelled(check_digit=LUHN)]
    for service, spelling in enumerate(own, 1):
        spellings.register(service, spelling)
    rows = rows_of([b"1" * rng.randrange(1, 33) for _ in range(2_000)])
    rows["service"] = [rng.randrange(1, len(own) + 1) for _ in rows]
    expected = [
        spellings.canonical(row) != row["reference"].tobytes().rstrip(b"\0")
        for row in rows
    ]
    assert 0 < sum(expected) < len(expected)
    assert spellings.wrong(rows).tolist() == expected
    # A service that is not registered takes any reference; others say so.
    assert not spellings.wrong(rows_of([b"a"], service=60_000)).any()


def test_beyond_the_room_of_the_tables_references_are_taken_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STATES_MAX", 40)
    test_services_are_judged_together_each_by_its_own()


def test_tables_are_filled_up_to_their_bound_and_not_beyond() -> None:
    """States are numbered in 16 bits: a number too many would be another's state."""
    spellings, services = Spellings(), range(1, 1_301)
    for service in services:
        pattern = b"9{%d}A{1,32}-%d" % (service % 20 + 1, 1_000 + service)
        spellings.register(service, spelled(pattern))
    references = [b"1" * count + b"AB-%d" % (1_000 + s) for s, count in ENDS]
    rows = rows_of(references * 2)
    rows["service"] = [s for s, _ in ENDS] + [s % 1_300 + 1 for s, _ in ENDS]
    expected = [False] * len(ENDS) + [True] * len(ENDS)
    assert spellings.wrong(rows).tolist() == expected


ENDS = [(service, service % 20 + 1) for service in (1, 2, *range(1_000, 1_301))]


def test_periods() -> None:
    texts = [b"A/2026-01", b"A/2026-12", b"/2026-12", b"A/2026-00", b"A/2026-13"]
    texts += [b"A/20a6-12", b"A-2026-12", b"A/2026/12", b"2026-12", b"A", b"0/0000-01"]
    right = [with_period(text) for text in texts]
    assert right == [True, True, *[False] * 8, True]
    assert (~without_period(rows_of(texts))).tolist() == right
