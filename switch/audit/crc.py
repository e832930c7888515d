"""CRC-32C as the journal and the index use it: a library's, not the core's."""

from google_crc32c import extend


def crc32c(data: bytes | bytearray | memoryview, seed: int = 0) -> int:
    """CRC-32C of `data`, continued from `seed`."""
    # The library takes nothing else.
    return int(extend(seed, bytes(data)))
