"""Goal: whatever a name is, a bank gets letters that it takes, always the same ones.

Method: words by hand; each character below U+3000, and some of those above.
"""

import random
import sys

import pytest

from switch.treasury.letters import bank_text

TAKEN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Power board", "Power board"),
        ("  a \t\n b ", "a b"),
        ("Café Zoë & Söhne; 'x' [y] _z_", "Cafe Zoe + Sohne, 'x' (y) -z-"),
        ("কলকাতা পৌরসংস্থা", "kalakata paurasangstha"),
        ("বিদ্যুৎ", "bidyut"),
        ("ঋণ", "rina"),
        ("বড়বাজার ১২৩।", "barabajara 123."),
        ("ড়\u09a1\u09bc", "rara"),
        # One vowel sign, in one piece and in two.
        ("কো\u0995\u09c7\u09be", "koko"),
        ("ক্\u200dষ", "ksha"),
        ("日本 क", "?? ?"),
        ("৳", "?"),
        ("//--:a///b", "a/b"),
        ("a\x00\x1b\u202eb", "a???b"),
        ("", ""),
        ("/ :-", ""),
    ],
)
def test_by_hand(text: str, wanted: str) -> None:
    assert bank_text(text, 140) == wanted


def test_it_has_an_end() -> None:
    assert bank_text("ab cd", 3) == "ab"
    assert bank_text("ক" * 500, 140) == "ka" * 70


def test_every_character() -> None:
    chance = random.Random(13)
    codes = [*range(0x3000), *(chance.randrange(sys.maxunicode) for _ in range(500))]
    for code in codes:
        if 0xD800 <= code < 0xE000:
            continue
        found = bank_text(f"xক{chr(code)}z", 140)
        assert set(found) <= TAKEN, hex(code)
        assert found[0] == "x"
        assert found[-1] == "z"
        assert "//" not in found
