"""Goal: the number that a payer writes on a transfer names just one request of just
this ledger, however it was typed and reformatted; what is not it names nothing.

Method: the page's sentence a second time, by bits; numbers spoilt in each place, in
texts as banks make them; random sequences there and back.
"""

import hashlib
import random

import pytest

from switch.bank_numbers import (
    NUMBER_SIZE,
    SEQUENCE_MAX,
    Letter,
    Number,
    find_number,
    make_number,
    read_number,
)

INSTANCE = bytes(range(100, 116))
OTHER = bytes(range(16))
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
T, R = Letter.REQUEST, Letter.RELEASE


def by_the_page(word: bytes, instance: bytes, sequence: int) -> str:
    """The three letters: the first 15 bits of the hash, five at a time."""
    body = word + instance + sequence.to_bytes(8, "little")
    digest = hashlib.blake2b(body, digest_size=32).digest()
    bits = "".join(f"{byte:08b}" for byte in digest)
    return "".join(ALPHABET[int(bits[at : at + 5], 2)] for at in (0, 5, 10))


@pytest.mark.parametrize(("letter", "word"), [(T, b"request"), (R, b"release")])
def test_as_the_page_says(letter: Letter, word: bytes) -> None:
    draw = random.Random(7)
    sequences = [1, 9, SEQUENCE_MAX, *(draw.randrange(1, 10**12) for _ in range(500))]
    for sequence in sequences:
        number = make_number(letter, INSTANCE, sequence)
        letters = by_the_page(word, INSTANCE, sequence)
        assert number == f"{letter.value}{sequence:012d}{letters}"
        assert len(number) == NUMBER_SIZE
        assert read_number(number, INSTANCE) == Number(letter, sequence)
        assert read_number(number.lower(), INSTANCE) == Number(letter, sequence)
        assert read_number(f"  {number} ", INSTANCE) == Number(letter, sequence)


def test_no_number() -> None:
    for sequence in (0, -1, SEQUENCE_MAX + 1):
        with pytest.raises(ValueError, match="no number"):
            make_number(T, INSTANCE, sequence)
    zero = f"T{0:012d}{by_the_page(b'request', INSTANCE, 0)}"
    for text in ("", "T", zero, "T12", "S000000000001ABC", "T00000000000০ABC"):
        assert read_number(text, INSTANCE) is None


def test_of_this_ledger_alone_and_spoilt_nowhere() -> None:
    number = make_number(T, INSTANCE, 4711)
    assert read_number(number, OTHER) is None
    for at, char in enumerate(number):
        for other in "AZ2a9R" if at == 0 or at > 12 else "0123456789":
            if other.upper() != char:
                spoilt = number[:at] + other + number[at + 1 :]
                assert read_number(spoilt, INSTANCE) is None, spoilt
    for at in range(12):
        swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
        if swapped != number:
            assert read_number(swapped, INSTANCE) is None, swapped


NUMBER = make_number(T, INSTANCE, 4711)
RELEASE = make_number(R, INSTANCE, 815)
ANOTHER = make_number(T, INSTANCE, 4712)
FOUND = Number(T, 4711)


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        NUMBER.lower(),
        f"NEFT-SBIN0001234-{NUMBER}-CENTRE A",
        f"UPI/{NUMBER}/top up",
        f"RTGS {NUMBER[:5]} {NUMBER[5:9]}  {NUMBER[9:13]} {NUMBER[13:]} THANKS",
        " ".join(NUMBER),
        f"({NUMBER}).",
        f"T {NUMBER}",
        f"ref t{NUMBER[1:]}, {NUMBER}",
        # What begins like one and is none is passed over.
        f"T000 {NUMBER}",
        f"R{ANOTHER[1:]} {NUMBER}",
    ],
)
def test_found_in_what_a_bank_wrote(text: str) -> None:
    assert find_number(["NOTHING", text, "CENTRE B"], INSTANCE) == FOUND


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"X{NUMBER}",
        f"1{NUMBER}",
        f"{NUMBER}X",
        f"{NUMBER}1",
        f"ব{NUMBER}",
        f"{NUMBER}ব",
        # Only spaces mean nothing.
        NUMBER[:7] + "-" + NUMBER[7:],
        NUMBER[:7] + "\u00a0" + NUMBER[7:],
        NUMBER[:-1],
        # Capitals are those of A to Z.
        NUMBER.replace("T", "\u1d40"),
        f"{NUMBER} {ANOTHER}",
        f"{NUMBER} {RELEASE}",
    ],
)
def test_not_a_number_or_two(text: str) -> None:
    assert find_number([text], INSTANCE) is None


def test_over_several_texts() -> None:
    assert find_number([NUMBER, NUMBER.lower()], INSTANCE) == FOUND
    assert find_number([NUMBER, ANOTHER], INSTANCE) is None
    assert find_number([NUMBER[:8], NUMBER[8:]], INSTANCE) is None
    assert find_number(["PAYOUT " + RELEASE], INSTANCE) == Number(R, 815)
    assert find_number([], INSTANCE) is None


def test_random_texts_name_nothing() -> None:
    """One in 32,768 of those that have the form at all."""
    draw = random.Random(11)
    found = 0
    for _ in range(20_000):
        digits = "".join(draw.choice("0123456789") for _ in range(12))
        letters = "".join(draw.choice(ALPHABET) for _ in range(3))
        found += find_number([f"NEFT T{digits}{letters}"], INSTANCE) is not None
    assert found <= 5
