"""A node's journal follows the log: what is on a quorum of it, and nothing else.

A follower decides nothing and reads no clock: it applies chunks as they are. What a
node of the database shows may not be on a quorum yet, and a node that was cut off shows
for ever what it had. A barrier behind what was read excludes both, so that it stands
before what was read is applied, and before it is believed that there is no more.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from switch.cluster.log import DoubtError, Head, Log
from switch.errors import FollowError, SpaceError, SwitchError

POLL_S: Final = 0.02
"""Between two looks for new chunks."""
CONFIRM_S: Final = 0.5
"""Between two looks, at the most, that are known to have been at the real log."""


_BEGINS_LATER: Final = (
    "this node ends with row {has}, and the log begins behind that: give it a newer "
    "copy, of a node or a backup, by `payswitch cluster seed` (docs/cluster.md)"
)


class HaltError(SwitchError):
    """The journal and the log are not of one history. A person must look: the text says
    what was found. Nothing was changed.
    """


class RoomError(Exception):
    """The disk here has no room for what the log has. Nothing of it was taken."""


class PutBackError(HaltError):
    """The log is behind what this node has of it."""


class DifferenceError(HaltError):
    """The memory here is not that of the leader. A new start would not find that again
    before it may lead.
    """


class Journal(Protocol):
    """What a follower needs of a ledger."""

    @property
    def instance(self) -> bytes:
        """Whose it is; 16 bytes."""

    @property
    def sequence(self) -> int:
        """Of its last durable row."""

    @property
    def head(self) -> tuple[int, int, int, int]:
        """(sequence, chain, ordinal, epoch) of its last durable chunk."""

    def follow(self, chunks: Sequence[bytes]) -> int:
        """Apply chunks of the log, all or none; the new last sequence."""


class Follower:
    """One ledger that follows. One thread at a time; the figures any thread may read.

    Its methods raise DoubtError, HaltError, RoomError, and what the ledger raises.
    """

    def __init__(
        self,
        ledger: Journal,
        log: Log,
        *,
        on_rows: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_rows` is called after each time that rows were applied."""
        self._ledger = ledger
        self._log = log
        self._on_rows = on_rows
        self._now = now
        self._whole_s: float | None = None
        """When it had all that there was, by `now`; None before the first time."""
        self.head: Head | None = None
        """As it was seen last, on a quorum."""

    def age_s(self) -> float | None:
        """How old what it has may be; None while it has never had all of it."""
        whole_s = self._whole_s
        return None if whole_s is None else max(self._now() - whole_s, 0.0)

    @property
    def sequence(self) -> int:
        """Of the ledger's last durable row."""
        return self._ledger.sequence

    @property
    def lag_rows(self) -> int:
        """Rows that the log has, as it was seen last, and the ledger has not."""
        head = self.head
        return 0 if head is None else max(head.sequence - self._ledger.sequence, 0)

    def poll(self) -> bool:
        """Apply what is new; whether there may be more at once."""
        begun_s = self._now()
        chunks, last = self._log.read(self._ledger.sequence)
        if not chunks:
            if self.lag_rows:
                self._check_begins_here()
            return False
        self._log.barrier()
        before = self._ledger.sequence
        try:
            self._ledger.follow(chunks)
        except SpaceError as error:
            raise RoomError(str(error)) from error
        except FollowError as error:
            if error.reason != "behind":
                raise
            raise HaltError(_BEGINS_LATER.format(has=before)) from error
        finally:
            if self._ledger.sequence != before:
                self._on_rows()
        if self._ledger.sequence < last:
            return True
        self._whole_s = begun_s
        return False

    def _check_begins_here(self) -> None:
        """Raise HaltError if the log has not what comes next, and goes further."""
        has = self._ledger.sequence
        if self._log.chunk_at(has + 1) is not None:
            return
        # Whoever was asked is the one that is written to, and has all of the head.
        self._log.barrier()
        raise HaltError(_BEGINS_LATER.format(has=has))

    def confirm(self) -> Head:
        """Look at the head, on a quorum, and hold the own journal against it."""
        begun_s = self._now()
        head = self._log.head()
        self._log.barrier()
        if head.instance != self._ledger.instance:
            raise HaltError(
                f"the log is of the ledger {head.instance.hex()}, and this is "
                f"{self._ledger.instance.hex()}"
            )
        sequence, chain, _, epoch = self._ledger.head
        if head.sequence < sequence or head.epoch < epoch:
            raise PutBackError(
                f"the log ends with row {head.sequence} of epoch {head.epoch}, and "
                f"this node has row {sequence} of epoch {epoch}: the log was put back "
                "to an older state, or this node was served alone (docs/cluster.md)"
            )
        if head.sequence == sequence:
            if head.chain != chain:
                raise HaltError(
                    f"row {sequence} is another one in the log: its chunk has the "
                    f"check {head.chain:08x} there and {chain:08x} here"
                )
            self._whole_s = begun_s
        self.head = head
        return head

    def catch_up(self) -> Head:
        """Follow to the head and give it; somebody may append meanwhile.

        DoubtError if rows that the head promises are not to be had.
        """
        while True:
            head = self.confirm()
            has = self._ledger.sequence
            if head.sequence == has:
                return head
            self.poll()
            if self._ledger.sequence == has:
                text = f"row {has + 1} is not to be had, of {head.sequence}"
                raise DoubtError("head", text)
