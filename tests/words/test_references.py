"""Goal: every spelling of a reference gives one form, and what is none is told as such.

Method: patterns against possessive regular expressions, check digits against their
formulas in docs/data-model.md; drawn forms and spellings must keep what the page says.
"""

import dataclasses
import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from switch.codes import CheckDigit, Ignored, KeyRule, Letters
from switch.references import (
    PATTERN_MAX,
    REFERENCE_MAX,
    Form,
    PatternError,
    WrongReferenceError,
    canonical,
    describe,
    find_example,
    form_problems,
    has_check_digit,
    is_reference,
    parse_pattern,
    split_period,
    with_check_digit,
)
from tests import model_references

CLASSES = {"9": "[0-9]", "A": "[A-Za-z]", "X": "[0-9A-Za-z]", "*": r"[\x21-\x7E]"}
CHARS = {
    Ignored.SPACE: " ",
    Ignored.HYPHEN: "-",
    Ignored.SLASH: "/",
    Ignored.POINT: ".",
}

# --- drawn forms -----------------------------------------------------------------

counts = st.tuples(st.integers(0, 6), st.integers(1, 8)).filter(
    lambda one: one[0] <= one[1]
)
classes = st.sampled_from("9AX*")
quoted = st.text(st.sampled_from("09AX*{}-/ Bb"), min_size=1, max_size=4)
plain = st.sampled_from("BZbz0/-. #")


SOME = {"9": "09", "A": "Bz", "X": "0Bz", "*": "0B#"}


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, str, str]:
    """An element of a pattern, the same as a regular expression, what it may take."""
    kind = draw(st.sampled_from(["class", "count", "counts", "quoted", "plain"]))
    if kind == "plain":
        char = draw(plain)
        return char, re.escape(char), char
    if kind == "quoted":
        text = draw(quoted)
        return f"'{text}'", re.escape(text), text
    name = draw(classes)
    least, most = draw(counts)
    count = f"{{{least},{most}}}"
    if kind == "class":
        count, least, most = "", 1, 1
    elif kind == "count":
        count, least = f"{{{most}}}", most
    text = draw(st.text(SOME[name], min_size=least, max_size=most))
    possessive = "+" if kind == "counts" else ""
    return name + count, CLASSES[name] + count + possessive, text


patterns = st.lists(parts(), max_size=6).map(
    lambda some: (
        tuple("".join(texts) for texts in zip(*some, strict=True)) or ("", "", "")
    )
)
ignoring = st.sets(st.sampled_from(list(Ignored))).map(
    lambda some: Ignored(sum(int(one) for one in some))
)
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


@st.composite
def forms(draw: st.DrawFn, *, possible: bool = True) -> Form:
    """A form that a register can have, or perhaps not."""
    form = Form(
        letters=draw(st.sampled_from(Letters)),
        ignored=draw(ignoring),
        check_digit=draw(st.sampled_from(CheckDigit)),
        pattern=draw(patterns)[0],
        has_period=draw(st.booleans()),
    )
    assume(not possible or not list(form_problems(form)))
    return form


# --- patterns --------------------------------------------------------------------


def matches(pattern: str, text: str) -> bool:
    try:
        return canonical(Form(pattern=pattern), text) == text
    except WrongReferenceError:
        return False


@settings(max_examples=400)
@given(patterns, texts)
def test_a_pattern_takes_what_a_possessive_expression_takes(
    pattern: tuple[str, ...], other: str
) -> None:
    written, expression, made = pattern
    assume(written and len(written) <= PATTERN_MAX)
    parse_pattern(written)
    for text in filter(is_reference, (made, other, made[:-1], made + other[:1])):
        assert matches(written, text) is bool(re.fullmatch(expression, text))


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        ("9{9}", ["123456789"], ["12345678", "1234567890", "12345678A"]),
        ("9{1,4}9", ["12345"], ["1234", "12", "123456"]),
        ("'A'9{2}X*", ["A12z~"], ["B12zz", "A1zzz", "A12-z"]),
        ("GP9{4}/9{5}", ["GP0001/00002"], ["gp0001/00002", "GP000100002"]),
        ("9{0,2}A", ["A", "1A", "12A"], ["123A", "1"]),
        ("'9{2}'", ["9{2}"], ["99"]),
        ("9'-'9 9", ["1-2 3"], ["1-23"]),
    ],
)
def test_patterns_by_example(pattern: str, right: list[str], wrong: list[str]) -> None:
    assert [matches(pattern, one) for one in right] == [True] * len(right)
    assert [matches(pattern, one) for one in wrong] == [False] * len(wrong)


@pytest.mark.parametrize(
    "pattern",
    [
        "9{", "9{}", "9{0}", "9{0,0}", "9{3,2}", "9{33}", "9{1,33}", "9{001}", "9{1,}",
        "9{,1}", "9{ 1}", "9{1}{2}", "{2}", "}", "-{2}", "'a'{2}", "'", "'a", "''",
        "9\t", "১", "9" * (PATTERN_MAX + 1),
    ],
)  # fmt: skip
def test_patterns_that_are_not_formed_so(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse_pattern(pattern)
    assert [field for field, _ in form_problems(Form(pattern=pattern))] == ["pattern"]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (Form(pattern="9{32}9"), "pattern"),
        (Form(pattern="ab", letters=Letters.UPPER), "pattern"),
        (Form(pattern="'Ab'", letters=Letters.LOWER), "pattern"),
        (Form(pattern="WB-9{4}", ignored=Ignored.HYPHEN), "pattern"),
        (Form(pattern="*{0,32}9"), "pattern"),
        (Form(pattern="09{3}", ignored=Ignored.ZEROS), "pattern"),
        (Form(pattern="A{4}", check_digit=CheckDigit.LUHN), "check_digit"),
        (Form(pattern="'12'", check_digit=CheckDigit.VERHOEFF), "check_digit"),
    ],
)
def test_forms_that_leave_no_reference(form: Form, field: str) -> None:
    assert [one for one, _ in form_problems(form)] == [field]


# --- check digits ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "reference"),
    [
        # The check digit stands in what may be missing, and the shortest has none.
        (Form(pattern="/9{0,8}", check_digit=CheckDigit.VERHOEFF), "/56749848"),
        (Form(pattern="'WB'9{0,6}", check_digit=CheckDigit.LUHN), "WB18"),
        (Form(pattern="X{0,1}-", check_digit=CheckDigit.LUHN), "0-"),
        (Form(pattern="A*{0,2}", check_digit=CheckDigit.LUHN), "A0"),
        # The shortest ends with a space, which no reference does.
        (Form(pattern="L 9{0,1}"), "L 1"),
        (Form(pattern="L *{0,1}", check_digit=CheckDigit.VERHOEFF), "L 0"),
        (Form(pattern="9{0,2} 9{0,2}"), "1 1"),
        # The only digit would have to be a zero in front.
        (
            Form(
                pattern="9{1,24} B", ignored=Ignored.ZEROS, check_digit=CheckDigit.LUHN
            ),
            "18 B",
        ),
    ],
)
def test_a_form_that_some_reference_has_can_be(form: Form, reference: str) -> None:
    assert canonical(form, reference) == reference
    assert not list(form_problems(form))
    example = find_example(form)
    assert example is not None
    assert canonical(form, example) == example


@settings(max_examples=300)
@given(forms(possible=False), st.lists(parts(), max_size=6))
def test_no_form_is_refused_that_some_reference_has(
    form: Form, some: list[tuple[str, str, str]]
) -> None:
    pattern, text = "".join(one[0] for one in some), "".join(one[2] for one in some)
    form = dataclasses.replace(form, pattern=pattern)
    if any("leaves no reference" in said for _, said in form_problems(form)):
        with pytest.raises(WrongReferenceError):
            canonical(form, text)


def luhn(text: str) -> bool:
    total = 0
    for place, digit in enumerate(map(int, reversed(text))):
        doubled = 2 * digit if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def verhoeff(text: str) -> bool:
    def turned(times: int, digit: int) -> int:
        for _ in range(times):
            digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
        return digit

    def times(a: int, b: int) -> int:
        if a < 5:
            return (a + b) % 5 + (0 if b < 5 else 5)
        return (a - b) % 5 + (5 if b < 5 else 0)

    check = 0
    for place, digit in enumerate(map(int, reversed(text))):
        check = times(check, turned(place % 8, digit))
    return check == 0


@given(st.text("0123456789", min_size=1, max_size=32))
def test_check_digits_are_the_formulas(text: str) -> None:
    assert has_check_digit(CheckDigit.LUHN, text) is luhn(text)
    assert has_check_digit(CheckDigit.VERHOEFF, text) is verhoeff(text)
    for kind in (CheckDigit.LUHN, CheckDigit.VERHOEFF):
        made = with_check_digit(kind, text)
        assert has_check_digit(kind, made)
        others = [made[:-1] + one for one in "0123456789" if one != made[-1]]
        assert not any(has_check_digit(kind, one) for one in others)


def test_check_digits_by_example() -> None:
    assert has_check_digit(CheckDigit.LUHN, "79927398713")
    assert has_check_digit(CheckDigit.VERHOEFF, "2363")
    assert has_check_digit(CheckDigit.VERHOEFF, "A2/3-63")
    for kind in (CheckDigit.LUHN, CheckDigit.VERHOEFF):
        assert not has_check_digit(kind, "ABC")
    assert has_check_digit(CheckDigit.NONE, "ABC")


# --- the one form ----------------------------------------------------------------


@settings(max_examples=300)
@given(forms(), st.data())
def test_every_spelling_gives_one_form(form: Form, data: st.DataObject) -> None:
    example = find_example(form)
    assert example is not None
    assert canonical(form, example) == example
    spelled = "".join(respelled(form, one, data.draw) for one in example)
    if Ignored.ZEROS in form.ignored:
        spelled = "0" * data.draw(st.integers(0, 3)) + spelled
    assume(is_reference(spelled))
    assume(not form.has_period or not split_period(spelled)[1])
    assert canonical(form, spelled) == example
    if form.has_period and len(spelled) + 8 <= REFERENCE_MAX:
        assert canonical(form, spelled + "/2026-03") == example + "/2026-03"


def respelled(form: Form, char: str, draw: Callable[..., str]) -> str:
    """The character as somebody else may write it."""
    if form.letters is not Letters.AS_THEY_ARE:
        char = draw(st.sampled_from([char.lower(), char.upper()]))
    around = [one for part, one in CHARS.items() if part in form.ignored]
    return char + draw(st.sampled_from([*around, "", ""]))


@settings(max_examples=300)
@given(forms(), texts)
def test_what_is_canonical_stays(form: Form, text: str) -> None:
    try:
        found = canonical(form, text)
    except WrongReferenceError:
        return
    assert is_reference(found)
    assert len(found) <= len(text)
    assert canonical(form, found) == found


@settings(max_examples=500)
@given(forms(), st.one_of(texts, st.text("09Bz -/.", max_size=8)), st.booleans())
def test_the_ledger_s_model_gives_the_same(
    form: Form, text: str, is_monthly: bool
) -> None:
    text += "/2026-03" if is_monthly else ""
    assume(is_reference(text))
    # Without a period the ledger leaves it as it is: it has a refusal for that.
    assume(not form.has_period or split_period(text)[1])
    expected = model_references.canonical(
        text.encode(),
        letters=form.letters,
        ignored=form.ignored,
        check_digit=form.check_digit,
        pattern=form.pattern.encode(),
        key_rule=KeyRule.REFERENCE_PERIOD if form.has_period else KeyRule.BILL_ID,
    )
    if expected is None:
        with pytest.raises(WrongReferenceError):
            canonical(form, text)
    else:
        assert canonical(form, text) == expected.decode()


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        (Form(ignored=Ignored.SPACE | Ignored.HYPHEN), "12-34 5", "12345"),
        (Form(ignored=Ignored.SLASH | Ignored.POINT), "1/2.3-4", "123-4"),
        (Form(ignored=Ignored.ZEROS), "000", "0"),
        (Form(ignored=Ignored.ZEROS), "00A0", "A0"),
        (Form(ignored=Ignored.ZEROS | Ignored.POINT), "0.00.7", "7"),
        (Form(letters=Letters.UPPER), "wb-00Ab", "WB-00AB"),
        (Form(letters=Letters.LOWER), "WB", "wb"),
        (Form(), "As it IS", "As it IS"),
        (Form(ignored=Ignored.HYPHEN), "-", None),
        (Form(ignored=Ignored.HYPHEN), "- 1", None),
        (Form(), "", None),
        (Form(), " 1", None),
        (Form(), "১", None),
        (Form(), "x" * 33, None),
        (Form(check_digit=CheckDigit.LUHN), "A/799 2739-8713", "A/799 2739-8713"),
        (Form(check_digit=CheckDigit.LUHN), "A/799 2739-8731", None),
        (Form(has_period=True, ignored=Ignored.SLASH), "1/2/2026-03", "12/2026-03"),
        (Form(has_period=True, pattern="9{2}"), "12/2026-13", None),
        (Form(has_period=True), "12 /2026-03", "12 /2026-03"),
        (Form(has_period=True, pattern="9{2}"), "12", "12"),
        (Form(has_period=True, pattern="9{2}"), "/2026-03", None),
        (Form(pattern="9{2}"), "12/2026-03", None),
    ],
)
def test_references_by_example(form: Form, text: str, found: str | None) -> None:
    if found is None:
        with pytest.raises(WrongReferenceError):
            canonical(form, text)
    else:
        assert canonical(form, text) == found


def test_a_mistake_is_told_with_the_pattern_and_an_example() -> None:
    form = Form(
        pattern="GP9{4}/9{1,5}",
        ignored=Ignored.SPACE | Ignored.ZEROS,
        check_digit=CheckDigit.LUHN,
    )
    example = find_example(form)
    assert example
    for wrong in ("GP 12/34", "GP 1234/5", "GP১"):
        with pytest.raises(WrongReferenceError) as caught:
            canonical(form, wrong)
        parts = (form.pattern, example, "4 digits", "1 to 5 digits", "check digit")
        assert all(part in str(caught.value) for part in parts)
        assert wrong not in str(caught.value)
    assert "spaces and zeros in front ignored" in describe(form)
