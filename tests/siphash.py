"""SipHash once more, plainly: what the keys of the index are made with."""

import struct

MASK = 2**64 - 1
LOW_BITS = 24
"""Of a key's second word."""
Key = tuple[int, int]


def siphash(key: bytes, words: list[int], within: int = 1, behind: int = 3) -> Key:
    """SipHash with a result of 128 bits, over whole words; its halves in order."""
    k0, k1 = struct.unpack("<2Q", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE]
    v += [k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    for word in [*words, len(words) * 8 % 256 << 56]:
        v[3] ^= word
        turn(v, within)
        v[0] ^= word
    halves = []
    for place, constant in ((2, 0xEE), (1, 0xDD)):
        v[place] ^= constant
        turn(v, behind)
        halves.append(v[0] ^ v[1] ^ v[2] ^ v[3])
    return halves[0], halves[1]


def siphash64(
    key: bytes, words: list[int], last: int, within: int = 1, behind: int = 3
) -> int:
    """The usual one, of 64 bits; `last` is the word with the size in its upper byte."""
    k0, k1 = struct.unpack("<2Q", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D]
    v += [k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    for word in [*words, last]:
        v[3] ^= word
        turn(v, within)
        v[0] ^= word
    v[2] ^= 0xFF
    turn(v, behind)
    return int(v[0] ^ v[1] ^ v[2] ^ v[3])


def id_key(secret: bytes, id_: bytes, sender: int) -> Key:
    """What an id of a sender is looked up by."""
    low = siphash64(secret, list(struct.unpack("<2Q", id_)), 20 << 56 | sender)
    return int.from_bytes(id_[:8], "big"), low >> 64 - LOW_BITS


def turn(v: list[int], rounds: int) -> None:
    """So many rounds."""
    for _ in range(rounds):
        for a, b, c, d, left, right in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = (v[a] + v[b]) & MASK
            v[b] = rotated(v[b], left) ^ v[a]
            v[a] = rotated(v[a], 32)
            v[c] = (v[c] + v[d]) & MASK
            v[d] = rotated(v[d], right) ^ v[c]


def rotated(x: int, by: int) -> int:
    return (x << by | x >> 64 - by) & MASK
