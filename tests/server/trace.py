"""What strace saw of a server, and whether each reply came after its commit.

A commit of LMDB is, in this order: writes of data pages, one fdatasync, one write of
the meta page through a descriptor that was opened with O_DSYNC. A reply may be written
to its socket, by the front thread, when all three have returned, and one commit answers
one group.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "openat,fdatasync,fsync,pwrite64,pwritev,writev,sendmsg,sendto,write"
REPLY_MIN = 100
"""Bytes that a reply to a payment has at least; window updates and pings have fewer."""

_LINE = re.compile(r"^(\d+) +(.*)$")
_UNFINISHED = re.compile(r"^(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_CALL = re.compile(r"^(\w+)\((\d+)<([^>]*)>.*?= (-?\d+)")
_OPEN = re.compile(r'^openat\([^"]*"([^"]*)", ([A-Z_|]+).*= (\d+)<')
_SENDING = re.compile(r"^(?:sendmsg|sendto|writev?)\(\d+<socket:")
# Of each part of a message, or of the one string.
_LENGTHS = re.compile(r'iov_len=(\d+)|"(?:\.\.\.)?, (\d+)')


@dataclass
class Trace:
    """The events of one trace that matter, in order."""

    journal: str
    """The file that is looked at: the journal's, or another environment's."""
    meta: set[int] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    """`write`, `sync`, `meta` when they have returned; `reply` when it begins."""

    def read(self, text: str) -> None:
        """Take in what strace wrote, all at once or in parts that end with a line."""
        begun: dict[str, str] = {}
        for line in text.splitlines():
            match = _LINE.match(line)
            if match is None:
                continue
            process, call = match[1], match[2]
            if unfinished := _UNFINISHED.match(call):
                begun[process] = unfinished[1]
                self._begin(unfinished[1])
            elif resumed := _RESUMED.match(call):
                self._finish(begun.pop(process, "") + resumed[2])
            else:
                self._begin(call)
                self._finish(call)

    def _begin(self, call: str) -> None:
        if not _SENDING.match(call):
            return
        sizes = [int(one or other) for one, other in _LENGTHS.findall(call)]
        if sum(sizes) >= REPLY_MIN:
            self.events.append("reply")

    def _finish(self, call: str) -> None:
        if opened := _OPEN.match(call):
            if opened[1] == self.journal and "O_DSYNC" in opened[2]:
                self.meta.add(int(opened[3]))
            return
        done = _CALL.match(call)
        if done is None or done[3] != self.journal or int(done[4]) < 0:
            return
        if done[1] in ("fdatasync", "fsync"):
            self.events.append("sync")
        elif done[1] in ("pwrite64", "pwritev", "writev", "write"):
            self.events.append("meta" if int(done[2]) in self.meta else "write")


def violations(events: list[str]) -> list[str]:
    """Every reply that was begun before a whole commit of its own had returned."""
    found = []
    # How far the commit since the last reply has come: write, sync, meta.
    stage = 0
    replies = 0
    for event in events:
        if event == "reply":
            replies += 1
            if stage != 3:
                missing = ("data", "sync", "synchronous meta write")[stage]
                found.append(f"reply {replies} was written without {missing}")
            stage = 0
        elif event == "write":
            # Data after a sync is not covered by it.
            stage = 1
        elif event == "sync" and stage == 1:
            stage = 2
        elif event == "meta" and stage == 2:
            stage = 3
    return found


def unsynced(events: list[str]) -> int:
    """Meta pages that were written before what they lead to was on the disk."""
    found, dirty = 0, False
    for event in events:
        if event == "write":
            dirty = True
        elif event == "sync":
            dirty = False
        elif event == "meta":
            found += dirty
    return found


def traced(path: Path) -> list[str]:
    """The command that goes before a server's to trace it into `path`."""
    return ["strace", "-f", "-y", "-o", str(path), "-e", f"trace={CALLS}"]
