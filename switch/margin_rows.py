"""How long before its deadline nobody credits a payment any more: the record.

Over bytes alone; docs/data-model.md ("Margins") says what each is. May use `codes`.
"""

import re
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from switch.codes import Record

MARGINS_MAX: Final = 4_096
"""Billers with a margin of their own."""
_HEAD: Final = struct.Struct("<B3xII4x")
_OWN: Final = struct.Struct("<32sI4x")
_ID: Final = re.compile(r"[a-z0-9-]{1,32}")


class MarginRecord(NamedTuple):
    """The margins, as the record has them; milliseconds."""

    margin_ms: int
    """Of all billers but those that have one of their own."""
    own: Mapping[str, int] = {}
    """By participant id."""

    def of(self, biller: str) -> int:
        """That of one biller."""
        return self.own.get(biller, self.margin_ms)


def margin_tail(one: MarginRecord) -> bytes:
    """The record, as it stands in a `register` row's tail: the same margins have the
    same bytes. What no participant can be called is left out. Raises ValueError.
    """
    own = {
        biller: margin
        for biller, margin in sorted(one.own.items())
        if margin != one.margin_ms and _ID.fullmatch(biller)
    }
    if len(own) > MARGINS_MAX:
        raise ValueError(f"at most {MARGINS_MAX} billers have a margin of their own")
    head = _HEAD.pack(int(Record.MARGIN), one.margin_ms, len(own))
    return head + b"".join(
        _OWN.pack(biller.encode(), margin) for biller, margin in own.items()
    )


def read_margin(tail: bytes) -> MarginRecord:
    """The margins out of a tail."""
    _, margin_ms, count = _HEAD.unpack_from(tail)
    own = dict(_OWN.iter_unpack(tail[_HEAD.size :][: count * _OWN.size]))
    names = {code.rstrip(b"\0").decode("ascii"): own[code] for code in own}
    return MarginRecord(margin_ms, names)
