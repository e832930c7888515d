"""Makes a message smaller as long as something about it stays: what a person reads.

First by its structure (fields left out, halves of texts), lengths written anew; then
byte by byte, for what has no structure.
"""

from collections.abc import Callable, Iterator, Sequence

from tests.core.wire import BYTES, FIXED32, FIXED64, VARINT, data, read_varint

TRIES_MAX = 20_000


def shrink(body: bytes, keeps: Callable[[bytes], bool]) -> bytes:
    """The smallest message that was found of which `keeps` still holds."""
    tries = 0
    for candidates in (smaller, shorter):
        found: bytes | None = body
        while found is not None and tries < TRIES_MAX:
            body, found = found, None
            for candidate in candidates(body):
                tries += 1
                if keeps(candidate):
                    found = candidate
                    break
    return body


def smaller(body: bytes, level: int = 0) -> Iterator[bytes]:
    """The message with fields left out, or with a smaller field; largest cuts first."""
    parts = split(body)
    for kept in without(parts):
        yield b"".join(kept)
    for index, part in enumerate(parts):
        tag, at = read_varint(part + b"\0", 0)
        if tag & 7 != BYTES or at >= len(part):
            continue
        _, at = read_varint(part, at)
        value = part[at:]
        # Payments and baskets are messages; what a payment holds is not.
        nested = level < 2 and tag >> 3 in (1, 2)
        for cut in smaller(value, level + 1) if nested else shorter(value):
            again = data(tag >> 3, cut)
            yield b"".join((*parts[:index], again, *parts[index + 1 :]))


def shorter(body: bytes) -> Iterator[bytes]:
    """The bytes with some of them left out."""
    for kept in without([body[at : at + 1] for at in range(len(body))]):
        yield b"".join(kept)


def without(parts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """All but one run of parts: halves of them, quarters, down to single ones."""
    size = len(parts)
    while size > 0:
        for at in range(0, len(parts), size):
            yield [*parts[:at], *parts[at + size :]]
        size //= 2


def split(body: bytes) -> list[bytes]:
    """The fields, as they are written; what is no field is the last part."""
    parts = []
    start = 0
    try:
        while start < len(body):
            tag, at = read_varint(body, start)
            if tag & 7 == VARINT:
                _, at = read_varint(body, at)
            elif tag & 7 == BYTES:
                size, at = read_varint(body, at)
                at += size
            else:
                at += {FIXED32: 4, FIXED64: 8}.get(tag & 7, 0)
            if at > len(body):
                break
            parts.append(body[start:at])
            start = at
    except IndexError:
        pass
    return [*parts, body[start:]] if start < len(body) else parts
