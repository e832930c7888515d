"""Goal: a receipt's words say exactly the figure, in both languages.

Method: hand-made examples at every edge of the scales; then words are read back into
numbers by a reader of the test's own, for every number below a lakh and for large ones.
"""

import random

import pytest

from switch.codes import AMOUNT_MAX
from switch.counter.amount_words import amount_in_words, number_in_words
from switch.counter.masks import mask_reference

LAKHS = "Twelve Lakh Thirty Four Thousand Five Hundred"
SCALES = {
    False: {"Crore": 10**7, "Lakh": 10**5, "Thousand": 1000, "Hundred": 100},
    True: {"কোটি": 10**7, "লক্ষ": 10**5, "হাজার": 1000, "শত": 100},
}


@pytest.mark.parametrize(
    ("paise", "english"),
    [
        (0, "Rupees Zero Only"),
        (1, "Rupees Zero and Paise One Only"),
        (100, "Rupees One Only"),
        (50_050, "Rupees Five Hundred and Paise Fifty Only"),
        (123_456_789, f"Rupees {LAKHS} Sixty Seven and Paise Eighty Nine Only"),
        (10**9 * 100, "Rupees One Hundred Crore Only"),
        (AMOUNT_MAX, "Rupees One Hundred Crore Crore Only"),
    ],
)
def test_english_amounts(paise: int, english: str) -> None:
    assert amount_in_words(paise) == english


@pytest.mark.parametrize(
    ("paise", "bengali"),
    [
        (0, "শূন্য টাকা মাত্র"),
        (95_000, "নয় শত পঞ্চাশ টাকা মাত্র"),
        (164_625, "এক হাজার ছয় শত ছেচল্লিশ টাকা পঁচিশ পয়সা মাত্র"),
        (10**9, "এক কোটি টাকা মাত্র"),
        (1_250_000_00, "বারো লক্ষ পঞ্চাশ হাজার টাকা মাত্র"),
    ],
)
def test_bengali_amounts(paise: int, bengali: str) -> None:
    assert amount_in_words(paise, bengali=True) == bengali


def read(words: str, *, bengali: bool) -> int:
    """The number that words say; each scale multiplies what stands before it."""
    small = {number_in_words(n, bengali=bengali).split()[-1]: n for n in range(20)} | {
        number_in_words(n, bengali=bengali): n
        for n in range(20, 100, 1 if bengali else 10)
    }
    total = group = 0
    for word in words.split():
        if word in SCALES[bengali]:
            size = SCALES[bengali][word]
            if size == 10**7:
                total, group = (total + group) * size, 0
            else:
                total, group = total + group * size, 0
        else:
            group += small[word]
    return total + group


@pytest.mark.parametrize("bengali", [False, True])
def test_words_read_back(bengali: bool) -> None:
    draw = random.Random(7)
    numbers = [
        *range(20_000),
        *(draw.randrange(10 ** draw.randrange(1, 17)) for _ in range(5_000)),
    ]
    for number in numbers:
        words = number_in_words(number, bengali=bengali)
        assert read(words, bengali=bengali) == number, words


def test_every_number_has_its_own_words() -> None:
    assert len({number_in_words(n, bengali=True) for n in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    ("reference", "masked"),
    [
        ("123456789", "12****89"),
        (b"123456789/2026-03\0\0", "12****03"),
        ("1234567", "****"),
        ("", "****"),
        ("a\n234567\n", "a?****7?"),
    ],
)
def test_masked_references(reference: str | bytes, masked: str) -> None:
    assert mask_reference(reference) == masked
