"""Goal: what a person copies from one command into another arrives whole or not.

Method: random bytes become text and bytes again; texts that were cut or changed.
"""

import random

import pytest

from switch.console.tokens import format_token, parse_token

QUOTATION_SIZE, HANDLE_SIZE = 144, 24


@pytest.mark.parametrize("size", [1, 2, 3, HANDLE_SIZE, QUOTATION_SIZE])
def test_there_and_back(size: int) -> None:
    draw = random.Random(size)
    for _ in range(200):
        token = draw.randbytes(size)
        text = format_token(token)
        assert "=" not in text
        assert "+" not in text
        assert "/" not in text
        assert parse_token(text) == token


def test_the_size_of_what_is_copied() -> None:
    assert len(format_token(bytes(QUOTATION_SIZE))) == 192
    assert len(format_token(bytes(HANDLE_SIZE))) == 32


@pytest.mark.parametrize(
    "text", ["", "A", "AAAAA", "AB", "AA==", "A A", "AAé", "+/AA", "AA\n"]
)
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(ValueError, match="not copied right"):
        parse_token(text)
