"""Goal: the signed row that docs/data-model.md has byte by byte is one: whoever writes
a signer or an auditor from the page can hold theirs against it.

Method: all of it is read from the page, hashed with hashlib and verified with
`cryptography`, by the offsets that the page's own tables give; then the product's own
words for the same row must come to the same hash. One changed byte must not.
"""

import hashlib
import re
import struct

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from switch import signed
from switch.codes import Kind
from tests.server.harness import ROOT

PAGE = (ROOT / "docs" / "data-model.md").read_text(encoding="utf-8")
PREFIX = b"payswitch signed"


def vector() -> dict[str, bytes]:
    """The named values of the page's block."""
    block = PAGE.split("**A signed row, byte by byte.**")[1].split("```")[1]
    found: dict[str, str] = {}
    name = ""
    for line in block.strip("\n").splitlines():
        if line.startswith("    "):
            found[name] += line.strip()
        else:
            name = line
            found[name] = ""
    return {name: bytes.fromhex(text) for name, text in found.items()}


VECTOR = vector()
HASHED = (
    PREFIX
    + VECTOR["instance"]
    + VECTOR["epoch"]
    + VECTOR["row"]
    + VECTOR["tail item without the signature"]
)


def blake(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def verify(digest: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(VECTOR["public key"])
    public.verify(VECTOR["signature"], digest)


def test_the_page_is_right() -> None:
    assert len(HASHED) == 240
    assert "240 bytes" in PAGE
    assert blake(HASHED) == VECTOR["hash"]
    verify(VECTOR["hash"])
    secret = Ed25519PrivateKey.from_private_bytes(VECTOR["secret key"])
    assert secret.public_key().public_bytes_raw() == VECTOR["public key"]
    assert secret.sign(VECTOR["hash"]) == VECTOR["signature"]


def test_the_bytes_say_what_the_page_says() -> None:
    row, tail = VECTOR["row"], VECTOR["tail item without the signature"]
    assert [len(row), len(VECTOR["instance"]), len(VECTOR["epoch"])] == [128, 16, 8]

    def field(name: str) -> int:
        """By the place that the table of rows gives it."""
        found = re.search(rf"^\| (\d+) \| (\d+) \| {name} ", PAGE, re.MULTILINE)
        assert found is not None
        at, size = found.groups()
        return int.from_bytes(row[int(at) :][: int(size)], "little")

    rows = {name: field(name) for name in ("amount", "resolves", "debit", "credit")}
    assert rows == {"amount": 500_000, "resolves": 0, "debit": 0, "credit": 0}
    assert (field("operator_"), field("participant")) == (2, 1)
    assert (field("kind"), field("total")) == (int(Kind.PROPOSE), 512)
    assert b"top-up".ljust(32, b"\0") in row
    count, zero = struct.unpack_from("<II", tail)
    assert (count, zero, len(tail)) == (1, 0, 8 + 64)
    kind, nothing, flags, size, amount, named, debit, credit, text = struct.unpack(
        "<BBHIQQII32s", tail[8:]
    )
    assert (kind, nothing, flags, size) == (int(Kind.TOP_UP), 0, 0, 0)
    assert (amount, named, debit, credit) == (500_000, 0, 1, 4)
    assert text.rstrip(b"\0") == b"EXAMPLE-1"


@pytest.mark.parametrize("at", range(0, 240, 7))
def test_no_other_bytes_have_that_signature(at: int) -> None:
    other = bytearray(HASHED)
    other[at] ^= 1
    with pytest.raises(InvalidSignature):
        verify(blake(bytes(other)))


def test_the_product_signs_the_same() -> None:
    ledger = signed.Ledger(VECTOR["instance"], 0)
    tail = VECTOR["tail item without the signature"]
    stored = signed.read_row(VECTOR["row"], tail)
    assert stored.hash(ledger) == VECTOR["hash"]
    [line] = signed.split_lines(tail)
    assert signed.read_line(line).amount == 500_000
    assert signed.first_line(tail) == line
