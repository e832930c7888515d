"""Goal: Bengali stands on paper as it is written: every letter has its glyph, signs
join theirs, and nowhere is the dotted circle of a sign that has lost its letter.

Method: HarfBuzz shapes each text that a paper can have (words of papers, numbers, names
of the sample network) in the very fonts, and its glyph ids are looked at. Typst then
draws the hardest words with both fonts and with the Bengali one alone: the same dots.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import groupby

import pytest
import uharfbuzz as hb

from switch import paper_words
from switch.counter.acknowledgements import _WORDS
from switch.counter.amount_words import number_in_words
from switch.papers import find_fonts, press
from switch.papers.letters import BENGALI, JOINERS, LATIN, harmless
from switch.sample import sample_specs

LOHIT = "Lohit-Bengali.ttf"
DEJAVU = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
HARD = (
    *(
        "ক্ষ",
        "জ্ঞ",
        "শ্রী",
        "স্ত্রী",
        "কর্ম",
        "র\u200d\u09cdযাব",
        "উদ্\u200cঘাটন",
        "রূপ",
        "গুরু",
        "হৃদয়",
    ),
    *(
        "কোটি",
        "সৌর",
        "দুঃখ",
        "চাঁদ",
        "ব্যাঙ্ক",
        "পুনর্মুদ্রণ",
        "প্রাপ্তিস্বীকার",
        "হঠাৎ",
        "ড়",
        "ঢ়",
        "য়",
    ),
)
"""Conjuncts, signs before and around their letter, joiners, letters with a dot below
in one code and in two.
"""


@cache
def font(name: str) -> hb.Font:
    return hb.Font(hb.Face(find_fonts()[name]))


def glyphs(text: str, name: str = LOHIT) -> list[int]:
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    hb.shape(font(name), buffer)
    return [info.codepoint for info in buffer.glyph_infos]


def faults(text: str) -> list[str]:
    """What is wrong with how a text is shaped."""
    found = []
    circle = font(LOHIT).get_nominal_glyph(0x25CC)
    for is_bengali, run in groupby(text, lambda one: one in BENGALI or one in JOINERS):
        piece = "".join(run)
        for name in (LOHIT,) if is_bengali else DEJAVU:
            ids = glyphs(piece, name)
            if 0 in ids:
                found.append(f"{name} lacks some of {piece!r}")
            if is_bengali and circle in ids:
                found.append(f"a dotted circle in {piece!r}")
    return found


def bengali_texts() -> Iterator[str]:
    for words in (
        *(paper_words.PAPER_WORDS, paper_words.RECEIPT_WORDS, paper_words.REFUND_WORDS),
        *(paper_words.ACKNOWLEDGEMENT_WORDS, paper_words.MARK_WORDS),
        *(paper_words.FORM_WORDS, paper_words.TENDER_WORDS),
    ):
        for english, bengali in words.values():
            yield english
            yield bengali
    for said in _WORDS.values():
        for both in said:
            yield from both
    yield from (number_in_words(number, bengali=True) for number in range(101))
    yield from (number_in_words(10**number, bengali=True) for number in range(14))
    yield "₹১২,৩৪,৫৬৭.৮৯ × = ২০২৬-০৩-১৬ ১১:০২:০৩ IST।॥"
    specs = sample_specs()
    for one in specs.participants:
        yield from (one.name_en, one.name_bn)
    for service in specs.services:
        yield from (service.name_en, service.name_bn)
        yield from (service.department_en, service.department_bn)
        for fee in service.tariff:
            yield from (fee.name_en, fee.name_bn)


def test_every_text_has_its_glyphs() -> None:
    texts = {*bengali_texts(), *HARD}
    assert sum(any(one in BENGALI for one in text) for text in texts) > 1_000
    wrong = [(text, found) for text in sorted(texts) if (found := faults(text))]
    assert not wrong
    # Nothing of them is `?` on paper either.
    assert [text for text in sorted(texts) if harmless(text) != text] == []


def test_the_letters_of_papers_are_those_of_the_fonts() -> None:
    lohit, dejavu = (font(name).face.unicodes for name in (LOHIT, DEJAVU[0]))
    assert {ord(one) for one in BENGALI | JOINERS} <= {*lohit}
    assert {ord(one) for one in LATIN} <= {*dejavu} & {*font(DEJAVU[1]).face.unicodes}
    # Typst takes of the first font what it has.
    assert not {ord(one) for one in BENGALI} & {*dejavu}
    block = {code for code in lohit if 0x980 <= code <= 0x9FF}
    assert block <= {ord(one) for one in BENGALI}


def test_that_faults_are_found() -> None:
    for text in ("\u09bf", "a\u09c7", "\u0984", "漢", "ক \u09cd"):
        assert faults(text), ascii(text)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_typst_draws_what_the_font_says(form: str) -> None:
    text = " ".join(unicodedata.normalize(form, word) for word in HARD)  # type: ignore[arg-type]

    def drawn(fonts: str) -> bytes:
        source = (
            "#set page(width: 900pt, height: 500pt)\n"
            f"#set text(font: {fonts}, fallback: false, size: 30pt, spacing: 10pt)\n"
            '#for word in sys.inputs.sheet.split(" ") { box(word); h(8pt) }'
        )
        made = pressed._compiler.compile(
            input=source.encode(), sys_inputs={"sheet": text}, format="png", ppi=72.0
        )
        assert isinstance(made, bytes)
        return made

    pressed = press.Press(find_fonts())
    both = drawn('("DejaVu Sans", "Lohit Bengali")')
    assert both == drawn('("Lohit Bengali",)')
    assert both != drawn('("DejaVu Sans",)')
