"""One compression of BLAKE2b from any state, which hashlib does not offer."""

IV = [
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
]
SIGMA = [
    "0123456789abcdef",
    "ea489fd61c02b753",
    "b8c052fdae367194",
    "7931dcbe265a40f8",
    "905724afe1bc683d",
    "2c6a0b834d75fe19",
    "c51fed4a0763928b",
    "db7ec13950f4862a",
    "6fe9b308c2d714a5",
    "a2847615fb9e3cd0",
]
"""Of BLAKE2b, as RFC 7693 has them."""


def compress(state: list[int], block: bytes, count: int) -> bytes:
    """The last compression of BLAKE2b (RFC 7693, 3.2), whatever the state before."""
    mask = 2**64 - 1
    m = [int.from_bytes(block[at : at + 8], "little") for at in range(0, 128, 8)]
    v = [*state, *IV]
    v[12] ^= count
    v[14] ^= mask

    def mix(a: int, b: int, c: int, d: int, x: int, y: int) -> None:
        for word, first, second in ((x, 32, 24), (y, 16, 63)):
            v[a] = (v[a] + v[b] + word) & mask
            v[d] = turn(v[d] ^ v[a], first)
            v[c] = (v[c] + v[d]) & mask
            v[b] = turn(v[b] ^ v[c], second)

    def turn(value: int, bits: int) -> int:
        return (value >> bits | value << 64 - bits) & mask

    for round_ in range(12):
        words = [m[int(digit, 16)] for digit in SIGMA[round_ % 10]]
        for i in range(4):
            mix(i, i + 4, i + 8, i + 12, *words[2 * i : 2 * i + 2])
        for i in range(4):
            diagonal = (i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12)
            mix(*diagonal, *words[8 + 2 * i : 10 + 2 * i])
    after = [state[i] ^ v[i] ^ v[i + 8] for i in range(8)]
    return b"".join(word.to_bytes(8, "little") for word in after)
