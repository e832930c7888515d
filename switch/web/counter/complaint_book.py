"""The centre's complaints as the switch told them last, and which were looked at.

Of its own the counter keeps which complaints the centre has, and up to which entry
somebody here has looked at each: so an answer is counted on the first page until it was
seen. The file may be deleted at any time; then every answer to a complaint that is not
closed counts as not looked at.
"""

import asyncio
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from switch.v1 import complaints_pb2 as pb
from switch.web.counter.till import write_whole

_log = logging.getLogger(__name__)

KNOWN_MAX = 1_000
"""Complaints that are remembered; of more the oldest are forgotten."""
FILE_MAX = 1 << 20
"""Bytes of the file."""
_DONE = (pb.COMPLAINT_STATE_ANSWERED, pb.COMPLAINT_STATE_CLOSED)


class Counts(NamedTuple):
    """What the first page says."""

    news: int
    """Answered or closed since somebody here has looked."""
    open: int
    """Without an answer."""
    overdue: int
    """Of these whose time is over."""
    is_cut: bool
    """There are more than were counted."""


def newest_sequence(complaint: pb.Complaint) -> int:
    """The entry that came last about a complaint."""
    return complaint.events[-1].sequence if complaint.events else complaint.sequence


@dataclass(slots=True)
class ComplaintBook:
    """The centre's complaints as the switch told them last, and what was looked at.

    Belongs to the event loop, but for the disk.
    """

    path: Path
    seen: dict[str, int] = field(default_factory=dict)
    """By number: up to which entry somebody has looked; 0 for none."""
    told: dict[str, pb.Complaint] = field(default_factory=dict)
    """Those that are not closed, and closed ones that nobody has looked at."""
    is_cut: bool = False
    asked_s: float | None = None
    """When the switch was last asked with success; None before that."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_news(self, complaint: pb.Complaint) -> bool:
        """Whether there is an answer that nobody here has looked at."""
        seen = self.seen.get(complaint.number, 0)
        return complaint.state in _DONE and newest_sequence(complaint) > seen

    def expire(self) -> None:
        """Have the next page ask the switch, however lately it was asked."""
        if self.asked_s is not None:
            self.asked_s = -math.inf

    def counts(self) -> Counts | None:
        """None while the switch was not asked yet."""
        if self.asked_s is None:
            return None
        waiting = [one for one in self.told.values() if one.state not in _DONE]
        return Counts(
            news=sum(map(self.is_news, self.told.values())),
            open=len(waiting),
            overdue=sum(one.overdue for one in waiting),
            is_cut=self.is_cut,
        )

    def lines(self) -> list[pb.Complaint]:
        """What the list shows: answers first that nobody has looked at, then by age."""
        return sorted(
            self.told.values(),
            key=lambda one: (not self.is_news(one), not one.overdue, -one.sequence),
        )


def load(path: Path) -> ComplaintBook:
    """What is known of before; nothing where no file can be read."""
    try:
        if path.stat().st_size > FILE_MAX:
            raise ValueError("too large")
        values = json.loads(path.read_bytes())
        seen = {str(number): int(to) for number, to in values["seen"].items()}
    except FileNotFoundError:
        seen = {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("%s cannot be read, and begins anew: %s", path, error)
        seen = {}
    return ComplaintBook(path, seen)


def save(path: Path, seen: Mapping[str, int]) -> dict[str, int]:
    """Have it on the disk what was looked at; what was kept of it. Raises OSError."""
    newest = sorted(seen, reverse=True)[:KNOWN_MAX]
    kept = {number: seen[number] for number in newest}
    write_whole(path, json.dumps({"seen": kept}, indent=1).encode())
    return kept
