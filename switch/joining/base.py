"""What a journal and a log have in common, read from both; nothing is changed.

Of a journal only its last chunk is read: its check goes back over all before it.
"""

import struct
from pathlib import Path
from typing import Final, NamedTuple

from switch.backup.copying import Source
from switch.backup.streaming import Stream
from switch.cluster.log import HEADER, Head, sealed
from switch.cluster.postgres import PostgresLog
from switch.errors import ConfigError

_META: Final = struct.Struct("<IHH16sQ")
"""Of `journal/meta`: magic, format, zero, instance, epoch."""
_NAME: Final = b"ledger"
_INSTANCE: Final = 6
"""Its place among a chunk header's fields."""

CHUNK_OF: Final = """
SELECT last_sequence, epoch, chain FROM payswitch.chunks
WHERE first_sequence <= $1 ORDER BY first_sequence DESC LIMIT 1
"""


class Base(NamedTuple):
    """How far a journal goes."""

    instance: bytes
    sequence: int
    chain: int
    epoch: int


def base_of(directory: Path) -> Base:
    """Of the journal in a ledger's directory. Raises ConfigError, StorageError."""
    journal = Source(directory)
    try:
        last = journal.last()
        if not last:
            return _empty(dict(journal.names()), str(directory))
        chunk = journal.value(last)
    finally:
        journal.close()
    try:
        found = sealed(chunk)
    except ValueError as error:
        raise ConfigError(f"{directory}: its last chunk is damaged: {error}") from None
    instance = HEADER.unpack_from(chunk)[_INSTANCE]
    return Base(instance, found.last, found.check, found.epoch)


def base_of_stream(stream: Stream) -> Base:
    """Of a copy that comes as a stream, as its beginning says: it is looked at again
    when it is there.
    """
    if not stream.begin.last:
        return _empty(dict(stream.names()), "the copy")
    _, _, _, rows, _, first, instance, epoch, _, _, check = HEADER.unpack(
        stream.begin.header
    )
    return Base(instance, first + rows - 1, check, epoch)


def _empty(names: dict[bytes, bytes], whose: str) -> Base:
    meta = names.get(_NAME, b"")
    if len(meta) != _META.size:
        raise ConfigError(f"{whose}: its journal has no name")
    return Base(_META.unpack(meta)[3], 0, 0, 0)


def check(log: PostgresLog, base: Base) -> Head:
    """The log's head; ConfigError unless this journal is what the log goes on from."""
    head = log.head()
    if base.instance != head.instance:
        raise ConfigError(
            f"the log is of the ledger {head.instance.hex()}, the copy of "
            f"{base.instance.hex()}"
        )
    if base.sequence > head.sequence:
        raise ConfigError(
            f"the log ends at entry {head.sequence}, and the copy has "
            f"{base.sequence}: the log was put back to an older state, or this "
            "ledger was served alone: it must not follow"
        )
    if (base.sequence, base.chain) == (head.sequence, head.chain):
        return head
    rows = log.execute(CHUNK_OF, base.sequence)
    if rows:
        if rows[0] == (base.sequence, base.epoch, base.chain):
            return head
    elif base.sequence < head.sequence:
        # The log began with this very entry, or behind it.
        following = log.read(base.sequence, most_chunks=1).chunks
        first = sealed(following[0]) if following else None
        if first and (first.first, first.previous) == (base.sequence + 1, base.chain):
            return head
        begins = first.first - 1 if first else head.sequence
        if begins > base.sequence:
            raise ConfigError(
                f"the log begins behind entry {begins}, and the copy ends with "
                f"{base.sequence}: take a newer one, of a node or a backup"
            )
    raise ConfigError(
        f"entry {base.sequence} of the copy is not the log's: they are two histories "
        "of one ledger. Nothing was changed; call a person"
    )
