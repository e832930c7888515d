"""Who was turned away and why, and who has decided what: a log of its own.

A file a day, one JSON object a line. An *act* is what somebody of the treasury asked
for in a writing call of AdminService, or what the server did by itself; each has its
line. A *note* is a caller that was turned away: one line for each cause, participant,
address and minute, with the number of times, written when the minute is over.

A *search* is a look for payments by what is known of them: of a centre one line for
each kind of key, address and minute, with the number of searches and what they found.

To note or act is to change a table under a lock that is held for moments; a thread
writes. A disk that is full or hangs stops nothing: acts wait in a queue with a bound,
notes are lost, and both are counted. Every act that changed the ledger has a row there
as well, with the same participant.

The treasury's acts have a queue of their own, and as much of a day's bytes as all else
has: no centre pushes them out. Acts of others have a share for each participant, and
are counted where their day is full.
"""

import errno
import json
import logging
import os
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from switch.config import Config
from switch.credentials import check_trusted
from switch.durable_files import make_directories, sync_directory
from switch.errors import ConfigError

log = logging.getLogger("server.security")

KEYS_MAX = 1_024
"""Causes, participants and addresses that one minute tells apart."""
ADDRESSES_MAX = 16
"""Addresses of one cause and participant that one minute tells apart."""
SEARCHES_MAX: Final = 8_192
"""Lines of searches in one minute: each centre of a network may search."""
OTHERS: Final = "(others)"
"""Stands for whoever comes beyond these bounds."""
ACTS_MAX = 8_192
"""Acts of the treasury that may wait for a disk; as many of all others. With more the
treasury's oldest are lost, others' newest, and counted."""
OWN_ACTS_MAX = 1_024
"""Of others' those of one participant."""
TEXT_MAX = 200
"""Characters of one text in a line; what is cut ends with an ellipsis."""
FIELDS_MAX = 32
"""Fields of a request in a line."""
MINUTE_S = 60.0
RETRY_S = 5.0
"""Until a disk that took nothing is tried again."""
STOP_S = 2.0
"""How long the end of a server waits for the last lines."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
_NAME = re.compile(r"security-(\d{4}-\d{2}-\d{2})\.jsonl")


class Cause(StrEnum):
    """Why somebody was turned away."""

    UNKNOWN = "unknown"
    """The certificate names nobody that the register knows, or is not usable."""
    DENIED = "denied"
    """Known, and may not do this."""
    NOT_FOUND = "not_found"
    """Asked for what is not there, or another's: many of them are a search."""
    REVOKED = "revoked"
    EXPIRED = "expired"
    WRONG_PIN = "wrong_pin"
    """A counter says that PINs were wrong there."""
    OVER_BUDGET = "over_budget"
    """More than its share."""
    ABUSE = "abuse"
    """The connection was ended for what it did to the transport."""


class Key(NamedTuple):
    """What one line of notes is about."""

    cause: Cause
    participant: str
    """`role/participant`; empty if that is not known."""
    address: str
    """Without the port."""


_Act = dict[str, Any]
"""A line of it, before it is JSON."""
_Search = tuple[str, str, str]
"""Who, from where, and by which kind of key."""
_Found = tuple[int, int]
"""How often, and how many were found."""


class SecurityLog:
    """Collects in any thread, writes in its own."""

    def __init__(
        self,
        directory: Path,
        *,
        days: int,
        day_bytes_max: int,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is opened before `start`; until then it collects."""
        self._directory = directory
        self._days = days
        self._day_bytes_max = day_bytes_max
        self._wall = wall
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._notes: Counter[Key] = Counter()
        self._addresses: Counter[tuple[Cause, str]] = Counter()
        self._minute = self._minute_of(wall())
        self._searches: dict[_Search, _Found] = {}
        self._acts: deque[_Act] = deque()
        self._others: deque[_Act] = deque()
        self._of_others: Counter[str] = Counter()
        self._stopping = False
        self._thread: threading.Thread | None = None
        # The writer's own.
        self._file = -1
        self._day = date.min
        self._size = 0
        self._unlisted = 0
        self._said_full = date.min
        self.counts: Counter[Cause] = Counter()
        """Notes since the start, by cause."""
        self.acts_count = 0
        """Acts since the start."""
        self.lost_count = 0
        """Lines that were never written, for want of room, since the start."""
        self.failing = ""
        """Why the last writing failed; empty if it did not."""

    # --- collecting --------------------------------------------------------------

    def note(
        self, cause: Cause, participant: str, address: str, count: int = 1
    ) -> None:
        """Somebody was turned away. Call it when they have their answer.

        Never blocks, and costs the same whatever is noted.
        """
        key = Key(cause, participant, address)
        with self._lock:
            self.counts[cause] += count
            if key not in self._notes:
                key = self._admit(key)
            self._notes[key] += count

    def _admit(self, key: Key) -> Key:
        """A new line of this minute, or the one that stands for those without room."""
        if len(self._notes) >= KEYS_MAX:
            return Key(key.cause, OTHERS, OTHERS)
        pair = (key.cause, key.participant)
        if self._addresses[pair] >= ADDRESSES_MAX:
            return key._replace(address=OTHERS)
        self._addresses[pair] += 1
        return key

    def searched(self, participant: str, address: str, key: str, found: int) -> None:
        """A centre has searched its payments by a kind of key, and found so many.

        Never blocks, as `note`.
        """
        search = participant, address, key
        with self._lock:
            if search not in self._searches and len(self._searches) >= SEARCHES_MAX:
                search = OTHERS, OTHERS, key
            times, so_far = self._searches.get(search, (0, 0))
            self._searches[search] = times + 1, so_far + found

    def act(self, event: str, **what: Any) -> None:
        """The treasury has decided something, or the switch; each is a line of its own.

        `what` are JSON values; texts are cut.
        """
        line = {"time": _stamp(self._wall()), "event": event, **what}
        with self._wake:
            self.acts_count += 1
            if len(self._acts) >= ACTS_MAX:
                self._acts.popleft()
                self.lost_count += 1
            self._acts.append(line)
            self._wake.notify()

    def others_act(self, participant: str, event: str, **what: Any) -> None:
        """The same of somebody else, `role/participant`, within its share."""
        line = {"time": _stamp(self._wall()), "event": event}
        line |= {"participant": participant, **what}
        with self._wake:
            self.acts_count += 1
            own = self._of_others[participant]
            if own >= OWN_ACTS_MAX or (own and len(self._others) >= ACTS_MAX):
                self.lost_count += 1
                return
            self._of_others[participant] += 1
            self._others.append(line)
            self._wake.notify()

    # --- the writer's thread -----------------------------------------------------

    def start(self) -> None:
        """Begin to write. Raises ConfigError if the directory cannot be used.

        A disk without room is no reason not to start.
        """
        try:
            self._open()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise ConfigError(
                    f"the security log cannot be kept in {self._directory}: "
                    f"{error.strerror}"
                ) from error
        else:
            # Who can write there can take lines away.
            check_trusted(self._directory)
        self._thread = threading.Thread(
            target=self._run, name="security-log", daemon=True
        )
        self._thread.start()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Write what there is; wait for so long at the most. Idempotent."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._is_due():
                    self._wake.wait(self._left_s())
                stopping = self._stopping
            self.write(everything=stopping)
            if stopping:
                break
            if self.failing:
                with self._wake:
                    self._wake.wait_for(lambda: self._stopping, RETRY_S)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_due(self) -> bool:
        return bool(self._acts or self._others) or self._stopping or self._left_s() <= 0

    def _left_s(self) -> float:
        """Seconds until the minute of the notes is over; all of it if it leapt back."""
        left_s = (self._minute + 1) * MINUTE_S - self._wall()
        return min(left_s, MINUTE_S)

    @staticmethod
    def _minute_of(wall: float) -> int:
        return int(wall // MINUTE_S)

    def write(self, *, everything: bool = False) -> None:
        """Write the acts that wait, and the notes if their minute is over.

        In the writer's thread, or without one.
        """
        with self._lock:
            acts, others = list(self._acts), list(self._others)
            notes: Counter[Key] = Counter()
            searches: dict[_Search, _Found] = {}
            minute = self._minute
            is_over = everything or self._left_s() <= 0
            if is_over:
                notes, self._notes = self._notes, notes
                searches, self._searches = self._searches, searches
                self._addresses.clear()
                self._minute = self._minute_of(self._wall())
        try:
            self._open()
            self._write_acts(acts)
            self._write_others(others)
            if is_over:
                self._write_unlisted(minute)
            self._write_notes(notes, minute)
            self._write_searches(searches, minute)
            self.failing = ""
        except OSError as error:
            if not self.failing:
                log.critical("ALARM: the security log is not written: %s", error)
            self.failing = str(error)
            with self._lock:
                self.lost_count += len(notes) + len(searches)

    def _write_acts(self, acts: "list[_Act]") -> None:
        """The treasury's: as far as the day has room for them behind all else."""
        lines = self._fitting(acts, 2 * self._day_bytes_max)
        self._write(lines, sync=True)
        with self._lock:
            self.lost_count += len(acts) - len(lines)
            for one in acts:
                # Some may have been let go for want of room.
                if self._acts and self._acts[0] is one:
                    self._acts.popleft()
        if len(lines) < len(acts) and self._said_full != self._day:
            self._said_full = self._day
            log.critical("ALARM: the security log of this day is full")

    def _write_others(self, acts: "list[_Act]") -> None:
        """Of those for whom the day has no room it is told how many they are."""
        lines = self._fitting(acts, self._day_bytes_max)
        self._write(lines, sync=True)
        self._unlisted += len(acts) - len(lines)
        with self._lock:
            for one in acts:
                self._others.popleft()
                self._of_others[one["participant"]] -= 1
            self._of_others = +self._of_others

    def _fitting(self, acts: "list[_Act]", most: int) -> list[bytes]:
        """The lines of as many as there is room for in a file of `most` bytes."""
        lines: list[bytes] = []
        size = self._size
        for line in map(_line, acts):
            size += len(line)
            if size > most:
                break
            lines.append(line)
        return lines

    def _write_unlisted(self, minute: int) -> None:
        if not self._unlisted:
            return
        said = {"event": "acts", "participant": OTHERS, "count": self._unlisted}
        self._write([_line({"time": _stamp(minute * MINUTE_S), **said})], sync=False)
        self._unlisted = 0

    def _write_notes(self, notes: Counter[Key], minute: int) -> None:
        if not notes:
            return
        stamp = _stamp(minute * MINUTE_S)
        lines = [_note_line(stamp, key, count) for key, count in notes.items()]
        if self._size + sum(map(len, lines)) > self._day_bytes_max:
            sums: Counter[Key] = Counter()
            for key, count in notes.items():
                sums[Key(key.cause, OTHERS, OTHERS)] += count
            lines = [_note_line(stamp, key, count) for key, count in sums.items()]
        self._write(lines, sync=False)

    def _write_searches(self, searches: "dict[_Search, _Found]", minute: int) -> None:
        stamp = _stamp(minute * MINUTE_S)
        lines = [_search_line(stamp, *one, *told) for one, told in searches.items()]
        if self._size + sum(map(len, lines)) > self._day_bytes_max:
            sums: dict[str, _Found] = {}
            for (_, _, key), (times, found) in searches.items():
                before = sums.get(key, (0, 0))
                sums[key] = before[0] + times, before[1] + found
            lines = [
                _search_line(stamp, OTHERS, OTHERS, key, *told)
                for key, told in sums.items()
            ]
        self._write(lines, sync=False)

    def _write(self, lines: Iterable[bytes], *, sync: bool) -> None:
        """All of them or an error. The file ends with a whole line."""
        data = b"".join(lines)
        if not data:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            if sync:
                os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def _open(self) -> None:
        """The file of today; files that are too old are removed."""
        today = datetime.fromtimestamp(self._wall(), UTC).date()
        path = self._directory / f"security-{today}.jsonl"
        if self._file >= 0 and today == self._day:
            return
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        make_directories(self._directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        sync_directory(self._directory)
        self._day = today
        self._size = _whole_size(self._file)
        os.ftruncate(self._file, self._size)
        for old in self._directory.iterdir():
            named = _NAME.fullmatch(old.name)
            if named and named[1] <= f"{today - timedelta(days=self._days)}":
                old.unlink()


def security_log(config: Config) -> SecurityLog:
    """As the settings have it."""
    settings = config.security_log
    return SecurityLog(
        config.security_dir,
        days=settings.days,
        day_bytes_max=settings.day_bytes_max,
    )


# --- lines ---------------------------------------------------------------------------


def fields_of(message: Any) -> dict[str, Any]:
    """What a request says, for a line: texts cut, lists as how many they are."""
    said: dict[str, Any] = {}
    for descriptor, value in message.ListFields()[:FIELDS_MAX]:
        if descriptor.is_repeated:
            said[f"{descriptor.name}_count"] = len(value)
        elif descriptor.message_type is not None:
            said[descriptor.name] = "…"
        elif descriptor.enum_type is not None:
            named = descriptor.enum_type.values_by_number.get(value)
            said[descriptor.name] = named.name if named else value
        else:
            # Of what waits to be written nothing is large; a line cuts it as texts are.
            is_long = isinstance(value, str | bytes)
            said[descriptor.name] = value[: TEXT_MAX + 1] if is_long else value
    return said


def address_of(peer: str) -> str:
    """An address without its port, out of `ipv4:HOST:PORT`, `ipv6:[HOST]:PORT`."""
    kind, _, rest = peer.partition(":")
    host = rest if kind in ("ipv4", "ipv6") else peer
    host = host.replace("%5B", "[").replace("%5D", "]")
    host = host.rpartition(":")[0] or host
    return host.strip("[]")


def _note_line(stamp: str, key: Key, count: int) -> bytes:
    return _line(
        {
            "time": stamp,
            "event": "turned_away",
            "cause": key.cause.value,
            "participant": key.participant,
            "address": key.address,
            "count": count,
        }
    )


def _search_line(
    stamp: str, participant: str, address: str, key: str, times: int, found: int
) -> bytes:
    return _line(
        {
            "time": stamp,
            "event": "searched",
            "participant": participant,
            "address": address,
            "key": key,
            "count": times,
            "found": found,
        }
    )


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(_plain(said), ensure_ascii=True).encode() + b"\n"


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, bytes):
        value = value.hex()
    if isinstance(value, str) and len(value) > TEXT_MAX:
        return value[: TEXT_MAX - 1] + "…"
    return value


def _stamp(wall: float) -> str:
    moment = datetime.fromtimestamp(wall, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whole_size(file: int) -> int:
    """Bytes of a file up to the end of its last whole line."""
    size = os.fstat(file).st_size
    while size:
        first = max(size - 65_536, 0)
        end = os.pread(file, size - first, first).rfind(b"\n")
        if end >= 0:
            return first + end + 1
        size = first
    return 0
