"""A queue that does what a test says, by the C interface of the real one.

The front thread calls it; what it was given a test looks at, and answers when it likes.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OK, SPACE, FULL, STOPPED = 0, -40002, -40005, -40006
CLOCK, UNKNOWN, FRAMING, NONE = -40008, -40009, -40010, -40014
NOT_LEADER = -40015
WAIT_S = 60.0


class _Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("rows", "payments", "baskets")]


class _Request(ctypes.Structure):
    _fields_ = [
        ("body", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("rows", ctypes.c_uint32),
        ("sender", ctypes.c_uint32),
        ("centre", ctypes.c_uint32),
        ("operator", ctypes.c_uint32),
        ("tag", ctypes.c_uint64),
        ("owner", ctypes.c_void_p),
    ]


class _Part(ctypes.Structure):
    _fields_ = [
        ("tag", ctypes.c_uint64),
        ("size", ctypes.c_size_t),
        ("first", ctypes.c_uint32),
        ("last", ctypes.c_uint32),
        ("rows", ctypes.c_uint32),
        ("refusals", ctypes.c_uint32),
        ("holds", ctypes.c_uint32),
        ("form", ctypes.c_uint8),
        ("result", ctypes.c_uint8),
        ("field", ctypes.c_uint8),
    ]


class _Taken(ctypes.Structure):
    _fields_ = [
        ("group", ctypes.c_void_p),
        ("rc", ctypes.c_int),
        ("ahead_ns", ctypes.c_int64),
        ("parts_count", ctypes.c_uint32),
        ("parts", ctypes.POINTER(_Part)),
    ]


_P = ctypes.c_void_p
_LET_GO = ctypes.CFUNCTYPE(None, _P)
_SIGNATURES = {
    "count": ctypes.CFUNCTYPE(
        ctypes.c_int, _P, ctypes.c_size_t, ctypes.POINTER(_Counts)
    ),
    "open": ctypes.CFUNCTYPE(ctypes.c_int, _P, _LET_GO),
    "fileno": ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_int),
    "submit": ctypes.CFUNCTYPE(
        ctypes.c_int, _P, ctypes.c_int, ctypes.POINTER(_Request)
    ),
    "clear": ctypes.CFUNCTYPE(None, _P, ctypes.c_int),
    "take": ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_int, ctypes.POINTER(_Taken)),
    "copy": ctypes.CFUNCTYPE(
        None, ctypes.POINTER(_Taken), ctypes.POINTER(_Part), ctypes.c_void_p
    ),
    "release": ctypes.CFUNCTYPE(None, _P, ctypes.c_int, ctypes.POINTER(_Taken)),
    "rows_waiting": ctypes.CFUNCTYPE(ctypes.c_uint64, _P),
    "died": ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_void_p, ctypes.c_size_t),
}


class _Api(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_uint32),
        ("queue", ctypes.c_void_p),
        *_SIGNATURES.items(),
    ]


@dataclass
class Submitted:
    """What the front has submitted."""

    body: bytes
    rows: int
    sender: int
    centre: int
    tag: int
    owner: int


class ScriptedQueue:
    """Messages are `pN`, `bN` and `x`: so many payments or baskets, or no message.

    Several behind each other are one, as with protobuf.
    """

    def __init__(self) -> None:
        self.submitted: list[Submitted] = []
        self.let_go: list[int] = []
        self.open: dict[int, Submitted] = {}
        """Without an answer yet, by owner."""
        self.tries = 0
        self.rc = OK
        """What the next submissions get."""
        self.died: tuple[int, str] = (0, "")
        self.on_submit: Callable[[], None] = lambda: None
        self.on_clear: Callable[[], None] = lambda: None
        """Called on the front thread: in the midst of a turn, and as one begins."""
        self.on_gone: Callable[[], None] = lambda: None
        """Called when nobody keeps the capsule any more."""
        self._changed = threading.Condition()
        self._groups: list[tuple[int, list[tuple[Submitted, bytes, int, int]]]] = []
        self._group: list[tuple[Submitted, bytes, int, int]] = []
        self._parts: Any = None
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)
        # Kept, or C would call what is gone.
        self._calls = {
            name: kind(getattr(self, f"_{name}")) for name, kind in _SIGNATURES.items()
        }
        self._api = _Api(version=4, queue=1, **self._calls)
        self._gone = ctypes.CFUNCTYPE(None, _P)(lambda _: self.on_gone())
        self._name = b"switch._core.queue_api"

    def capsule(self) -> object:
        make = ctypes.pythonapi.PyCapsule_New
        make.restype = ctypes.py_object
        make.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        gone = ctypes.cast(self._gone, ctypes.c_void_p)
        return make(ctypes.addressof(self._api), self._name, gone)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it is so; looked at after each call of the front."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S)

    def take(self, count: int) -> list[Submitted]:
        """The next so many that were submitted."""
        self.wait(lambda: len(self.submitted) >= count)
        taken, self.submitted = self.submitted[:count], self.submitted[count:]
        return taken

    def answer(
        self,
        *submitted: Submitted,
        rc: int = OK,
        result: int = 1,
        field: int = 0,
    ) -> None:
        """They are done, in one group; outcomes are their bodies in brackets."""
        group = [(one, b"<" + one.body + b">", result, field) for one in submitted]
        with self._changed:
            for one in submitted:
                del self.open[one.owner]
            self._groups.append((rc, group))
        os.eventfd_write(self._fd, 1)

    # --- what the front calls ----------------------------------------------------

    def _count(self, body: Any, size: int, counts: Any) -> int:
        text = ctypes.string_at(body, size).decode() if size else ""
        found = counts.contents
        found.rows = found.payments = found.baskets = 0
        for one in text.split():
            if one[0] not in "pb":
                return FRAMING
            number = int(one[1:])
            if one[0] == "p":
                found.payments += number
            else:
                found.baskets += number
            found.rows += number
        return OK if found.rows else NONE

    def _open(self, _: Any, let_go: Any) -> int:
        self._let_go = _LET_GO(ctypes.cast(let_go, ctypes.c_void_p).value or 0)
        return 1

    def _fileno(self, _: Any, taker: int) -> int:
        return self._fd

    def _submit(self, _: Any, taker: int, request: Any) -> int:
        one = request.contents
        self.on_submit()
        with self._changed:
            self.tries += 1
            if self.rc == OK:
                body = ctypes.string_at(one.body, one.size)
                mine = (one.rows, one.sender, one.centre, one.tag, one.owner)
                self.submitted.append(Submitted(body, *mine))
                self.open[one.owner] = self.submitted[-1]
            self._changed.notify_all()
            return self.rc

    def _clear(self, _: Any, taker: int) -> None:
        self.on_clear()
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def _take(self, _: Any, taker: int, taken: Any) -> int:
        with self._changed:
            if not self._groups:
                return 0
            rc, self._group = self._groups.pop(0)
        # One part a tag, in order of the first, as the real one joins them.
        tags = list(dict.fromkeys(one.tag for one, *_ in self._group))
        self._parts = (_Part * len(tags))()
        for at, tag in enumerate(tags):
            mine = [call for call in self._group if call[0].tag == tag]
            part = self._parts[at]
            part.tag = tag
            part.size = sum(len(call[1]) for call in mine)
            part.rows = sum(call[0].rows for call in mine)
            part.result, part.field = mine[0][2:]
        found = taken.contents
        found.group, found.rc, found.ahead_ns = 1, rc, 90 * 10**9
        found.parts_count, found.parts = len(tags), self._parts
        return 1

    def _copy(self, _: Any, part: Any, to: int) -> None:
        tag = part.contents.tag
        joined = b"".join(call[1] for call in self._group if call[0].tag == tag)
        ctypes.memmove(to, joined, len(joined))

    def _release(self, _: Any, taker: int, taken: Any) -> None:
        owners = [one.owner for one, *_ in self._group]
        for owner in owners:
            self._let_go(owner)
        with self._changed:
            self.let_go += owners
            self._changed.notify_all()

    def _rows_waiting(self, _: Any) -> int:
        return 4_711

    def _died(self, _: Any, text: int, size: int) -> int:
        code, why = self.died
        if code:
            ctypes.memmove(text, why.encode() + b"\0", len(why) + 1)
        return code
