"""What a log of chunks is, whoever keeps it.

A log has one head, which says how far it goes and who may append, and the chunks up to
there. `append` and `take_over` compare the head with what their caller believes, in the
same step as they change it: that alone decides who leads. One thread at a time.
"""

import struct
from typing import Final, Literal, NamedTuple, Protocol

LOG_DONE: Final = 0
"""The chunk is in the log, on a quorum of its nodes."""
LOG_FENCED: Final = 1
"""Another one leads; the chunk is absent from the log, for ever. Nothing was done."""
LOG_UNKNOWN: Final = 2
"""It may be in the log or not: patience is over, or the switch ends."""

CHUNK_MAGIC: Final = 0x314B4843
ROW_SIZE: Final = 128
ROWS_MAX: Final = 8190
"""Rows of a chunk, as the core has them (docs/data-model.md)."""
TAIL_MAX: Final = 4 << 20
HEADER: Final = struct.Struct("<IHHIIQ16sQQII")
"""Of a chunk; all that a log must know of it stands there."""
CHUNK_MAX: Final = HEADER.size + ROWS_MAX * ROW_SIZE + TAIL_MAX
"""Bytes of the largest chunk."""
READ_BYTES_MAX: Final = 4 << 20
READ_CHUNKS_MAX: Final = 64
"""What one `read` returns at the most, but always one chunk if there is any."""
NAME_MAX: Final = 64
"""Characters of a node's name."""
ADDRESS_MAX: Final = 255
"""Characters of a node's address, host:port."""

Why = Literal[
    "lost", "timeout", "notice", "error", "settings", "no row", "head", "busy"
]


class Head(NamedTuple):
    """How far a log goes, and who may append."""

    instance: bytes
    """Of the ledger whose log it is; 16 bytes."""
    sequence: int
    """Of its last row; 0 before the first."""
    chain: int
    """The check of its last chunk; 0 before the first."""
    epoch: int
    """Of who may append. Only ever rises, by one with each take-over."""
    leader: str
    """The name of who took over last."""
    address: str
    """Where clients reach it."""
    keys: str = ""
    """The fingerprints of its keys; empty if nobody has led since the log was begun, or
    whose keys are right is to be decided anew by who leads next."""


class Part(NamedTuple):
    """What one reading of the log gave."""

    chunks: list[bytes]
    last: int
    """The last row of all that the log had then: more than these may have."""


class Sealed(NamedTuple):
    """A chunk, and what its header says."""

    first: int
    last: int
    previous: int
    check: int
    epoch: int
    data: bytes


def sealed(chunk: bytes) -> Sealed:
    """Read a chunk's header. ValueError if these are not the bytes of one chunk.

    Whether its check is right is the core's to say.
    """
    if not HEADER.size <= len(chunk) <= CHUNK_MAX:
        raise ValueError(f"a chunk of {len(chunk)} bytes")
    magic, _, _, rows, tail, first, _, epoch, _, previous, check = HEADER.unpack_from(
        chunk
    )
    if magic != CHUNK_MAGIC:
        raise ValueError("not a chunk")
    if not 1 <= rows <= ROWS_MAX or tail > TAIL_MAX or first < 1:
        raise ValueError("a chunk's header has impossible numbers")
    if len(chunk) != HEADER.size + rows * ROW_SIZE + tail:
        raise ValueError("a chunk's size is not what its header says")
    return Sealed(first, first + rows - 1, previous, check, epoch, chunk)


class DoubtError(Exception):
    """A step on the log that may have been done or not. `why` says how that is known:

    `lost`: no connection, or it ended; `timeout`: no answer in time; `notice`: the
    server added one, as it does when it ends a wait for its standbys; `error`: it
    refused; `settings`: it does not wait for standbys; `no row`: the head is not the
    one that the statement is about; `head`: it is none that there can be; `busy`: two
    threads at once.
    """

    def __init__(self, why: Why, text: str = "") -> None:
        super().__init__(f"{why}: {text}" if text else why)
        self.why: Why = why
        self.text = text


class Log(Protocol):
    """Each step has a deadline of its own. DoubtError is the only error of all."""

    def append(self, chunk: Sealed) -> None:
        """Return only if the chunk is in the log on a quorum, without any doubt."""

    def reconnect(self) -> None:
        """Let go of what was, and connect anew with the node that is written to."""

    def head(self) -> Head:
        """The head, of the node that is written to."""

    def chunk_at(self, first: int) -> tuple[int, int] | None:
        """(epoch, check) of the chunk that begins with row `first`."""

    def barrier(self) -> None:
        """Return once all that this connection has shown is on a quorum."""

    def take_over(
        self, at: Head, name: str, address: str, keys: str = ""
    ) -> int | None:
        """Become who may append to a log that is still as in `at`: the new epoch.

        None if it is not: somebody appended or was faster. After a DoubtError read the
        head, follow to it, and take over again.
        """

    def read(
        self,
        after: int,
        most_bytes: int = READ_BYTES_MAX,
        most_chunks: int = READ_CHUNKS_MAX,
    ) -> Part:
        """Chunks that begin behind row `after`, in order; one at least if there is."""
