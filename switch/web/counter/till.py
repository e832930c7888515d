"""What the counter has begun and where it stands, on its own disk.

One file for each move (a payment, a shift, a signature, a request for money), named by
its id: the very bytes that are sent, and what was learned of them. It is written whole
under another name, synced, renamed, and its folder synced, before the first send; so
that whatever happens afterwards, the same id with the same content is sent again. A
move that has come to its end says so on disk before a person is told, and is never sent
again.

Any thread may call a till; one process owns a folder.
"""

import base64
import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from switch.errors import ConfigError, SwitchError

FORM = 1
"""Of a file; another is not read."""
FILE_MAX = 64 << 10
"""Bytes of one file."""
OPEN_MAX = 64
"""Moves that may not have been sent; with more the counter begins no other."""
KNOWN_MAX = 2_000
"""Payments that the switch has and no biller has decided, of which it bounds how many
there are. Those it has had the longest are let go beyond that: it is asked for them.
"""
ENDED_MAX = 2_000
"""Moves that have ended and are kept: a day's work of both operators."""
KEEP_S = 3 * 86_400
"""So long at most: reload and back lead to them."""
_SUFFIX = ".move"
_DRAFT = "draft"
_LOCK = "LOCK"
_MODE = "MODE"


class Kind(StrEnum):
    """What a move is."""

    PAYMENT = "payment"
    SHIFT = "shift"
    SIGNATURE = "signature"
    TOP_UP = "top_up"
    COMPLAINT = "complaint"
    HAND_OUT = "hand_out"


class Stage(StrEnum):
    """How far the counter knows."""

    OPEN = "open"
    """It may have been sent; the switch has not said what became of it."""
    KNOWN = "known"
    """The switch has it for good; its biller has not said yet."""
    ENDED = "ended"
    """Nothing more is sent or asked."""


class FullError(SwitchError):
    """Too much is open already. Nothing was begun."""


@dataclass(frozen=True, slots=True)
class Move:
    """One of them. `request` is what is sent, serialized."""

    id: bytes
    kind: Kind
    request: bytes
    made_ns: int
    stage: Stage = Stage.OPEN
    outcome: str = "sending"
    """What the page says of it: a key of its words."""
    answer: bytes = b""
    """The last message that the switch has said about it, serialized."""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What the page shows beside it: strings and numbers."""
    ended_ns: int = 0


def make_folder(folder: Path) -> None:
    """Have a folder that is its user's alone, and its name on the disk."""
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    sync_folder(folder.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Put a file there wholly or not at all, and both it and its name on the disk."""
    draft = path.with_name(f"{path.name}.{_DRAFT}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # A disk that is full gets back what half of a file has taken.
        draft.unlink()
        raise
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Till:
    """The moves of one counter; a context manager that holds its folder."""

    def __init__(self, folder: Path, mode: str) -> None:
        """Read what is there. `mode` is whose folder it is: centre, and if it is for
        training. Raises ConfigError for another's, one that is in use, or a file that
        cannot be read: it may be a payment, and is for a person to look at.
        """
        self._folder = folder
        self._moves: dict[bytes, Move] = {}
        self._mutex = threading.Lock()
        make_folder(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        self._lock = os.fdopen(os.open(folder / _LOCK, flags, 0o600), "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ConfigError(f"{folder} is another counter's, which runs") from error
        try:
            self._check_mode(mode)
            self._read()
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Let another process have the folder. A thread that learns something later
        writes nothing.
        """
        with self._mutex:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _check_mode(self, mode: str) -> None:
        path = self._folder / _MODE
        if not path.exists():
            write_whole(path, mode.encode())
        elif path.read_bytes() != mode.encode():
            found = path.read_text(errors="replace")[:100]
            raise ConfigError(f"{self._folder} is of {found}, not of {mode}")

    def _read(self) -> None:
        for path in sorted(self._folder.iterdir()):
            if path.name.endswith(f".{_DRAFT}"):
                # Half of a write: what it was to replace is whole, or was never sent.
                path.unlink()
            elif path.suffix == _SUFFIX:
                move = _unpack(path)
                self._moves[move.id] = move
        self._forget()

    def begin(self, move: Move) -> Move:
        """Have a move on disk; the one that is there already under its id, if any.

        Raises FullError, or OSError if the disk does not take it: then nothing may be
        sent.
        """
        with self._mutex:
            found = self._moves.get(move.id)
            if found is not None:
                return found
            if sum(one.stage is Stage.OPEN for one in self._unended()) >= OPEN_MAX:
                raise FullError("too much is open")
            self._forget()
            try:
                self._write(move)
            except OSError:
                # Its name may be there already, not known to be on the disk: a new
                # start would send what the operator was told is not begun.
                self._path(move.id).unlink(missing_ok=True)
                raise
            return move

    def learn(self, move_id: bytes, **changes: Any) -> Move | None:
        """What the switch has said, on disk before anybody is told; None if the move
        was let go.
        """
        with self._mutex:
            before = self._moves.get(move_id)
            if self._lock.closed or before is None or before.stage is Stage.ENDED:
                return before
            move = replace(before, **changes)
            if move.stage is Stage.ENDED:
                move = replace(move, ended_ns=time.time_ns())
            if move != before:
                self._write(move)
            return move

    def note(self, move_id: bytes, **facts: Any) -> None:
        """Something beside what became of a move, such as what was refunded of it."""
        with self._mutex:
            before = self._moves.get(move_id)
            if before is not None:
                self._write(replace(before, facts={**before.facts, **facts}))

    def get(self, move_id: bytes) -> Move | None:
        """The move with this id, if the counter has begun it and kept it."""
        with self._mutex:
            return self._moves.get(move_id)

    def unended(self) -> list[Move]:
        """What has not come to its end, the oldest first."""
        with self._mutex:
            return self._unended()

    def recent(self, kind: Kind) -> list[Move]:
        """Those of one kind, the newest first."""
        with self._mutex:
            found = [one for one in self._moves.values() if one.kind is kind]
        return sorted(found, key=lambda one: one.id, reverse=True)

    def _unended(self) -> list[Move]:
        found = [one for one in self._moves.values() if one.stage is not Stage.ENDED]
        return sorted(found, key=lambda one: one.id)

    def _write(self, move: Move) -> None:
        write_whole(self._path(move.id), _pack(move))
        self._moves[move.id] = move

    def _path(self, move_id: bytes) -> Path:
        return self._folder / f"{move_id.hex()}{_SUFFIX}"

    def _forget(self) -> None:
        """Leave room: of what has ended the oldest go, and of what the switch has."""
        ended = sorted(
            (one for one in self._moves.values() if one.stage is Stage.ENDED),
            key=lambda one: one.ended_ns,
        )
        too_old_ns = time.time_ns() - KEEP_S * 1_000_000_000
        surplus = len(ended) - ENDED_MAX
        for place, move in enumerate(ended):
            if place >= surplus and move.ended_ns >= too_old_ns:
                break
            self._drop(move)
        known = [one for one in self._unended() if one.stage is Stage.KNOWN]
        for move in known[: max(0, len(known) - KNOWN_MAX)]:
            self._drop(move)

    def _drop(self, move: Move) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path(move.id).unlink()
        del self._moves[move.id]


def _pack(move: Move) -> bytes:
    values = {
        "form": FORM,
        "id": move.id.hex(),
        "kind": move.kind.value,
        "request": base64.b64encode(move.request).decode(),
        "made_ns": move.made_ns,
        "stage": move.stage.value,
        "outcome": move.outcome,
        "answer": base64.b64encode(move.answer).decode(),
        "facts": dict(move.facts),
        "ended_ns": move.ended_ns,
    }
    content = json.dumps(values, ensure_ascii=False, indent=1).encode()
    if len(content) > FILE_MAX:
        raise SwitchError("a move is too large for its file")
    return content


def _unpack(path: Path) -> Move:
    try:
        content = path.read_bytes()
        if len(content) > FILE_MAX:
            raise ValueError("too large")
        values = json.loads(content)
        if values["form"] != FORM or path.stem != values["id"]:
            raise ValueError("of another form, or another's name")
        return Move(
            id=bytes.fromhex(values["id"]),
            kind=Kind(values["kind"]),
            request=base64.b64decode(values["request"], validate=True),
            made_ns=int(values["made_ns"]),
            stage=Stage(values["stage"]),
            outcome=str(values["outcome"]),
            answer=base64.b64decode(values["answer"], validate=True),
            facts=MappingProxyType(dict(values["facts"])),
            ended_ns=int(values["ended_ns"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error}): it may be a payment. Keep it, look "
            "the payment up by its id, which is the file's name, and move it away"
        ) from error
