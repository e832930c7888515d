"""One node of a cluster: it follows, may come to lead, and then only ever ends.

    following ──▶ leading ──▶ ended       another leads now, or it cannot go on
        └────────────────────▶ ended      its journal is not the log's

Who tries to lead is who has the lease; who leads is who the log's head names, and the
log alone decides that. A leader that was replaced is never a follower again: its memory
may be ahead of the log, and only opening the journal mends that.
"""

import contextlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from switch.cluster.following import (
    CONFIRM_S,
    POLL_S,
    DifferenceError,
    Follower,
    PutBackError,
    RoomError,
)
from switch.cluster.log import DoubtError, Head, Log
from switch.errors import ConfigError
from switch.fingerprints import different_keys

log = logging.getLogger("switch.cluster")

UNFIT_S: Final = 5.0
"""How long a node that must not lead leaves the lease to others."""
PAUSE_LEAST_S: Final = 0.05
PAUSE_MOST_S: Final = 0.5
"""Before the log is tried again: it doubles from the one to the other."""
NO_ROOM_S: Final = 1.0
"""Before what the disk had no room for is tried again."""
NOTE_S: Final = 1.0
"""Between two words about itself for the others."""
ROOM_S: Final = 60.0
"""Between two times that a leader has room made in the log, and looks at its clock."""
STATES_MAX: Final = 64
"""Hashes of own states that are kept, to be compared with those of others."""
CLOCK_OFF_MAX_S: Final = 1.0
"""What a leader's clock may differ from that of the log; a leader whose clock comes to
differ more goes on, and says so."""
WORD_OLD_S: Final = 5.0
"""How old a node's word may be for another one to halt, or not to lead, by it."""
LAG_ROWS_MAX: Final = 65_536
"""So far behind the head no node takes over that knows of another one further on: rows
that are followed well within a second.
"""
UNCONFIRMED_S: Final = 5.0
"""After so long without a word of the log a leader leaves the lease that it has to
others: the one connection may live where the other does not. Where both are lost there
is nothing to leave, and who led asks first once the database is there again.
"""
EARLIER_WORDS_MAX: Final = 2
"""Words of an earlier process under its own name that a node may meet: the last that
there was, and one that was on its way when that process died.
"""
_STEP_SIZE: Final = 8
FRESH_S: Final = 5.0
"""Until so long after it had all that there was a follower serves what reads."""


class NodeRow(Protocol):
    """What a node said of itself last."""

    @property
    def name(self) -> str:
        """Its own."""

    @property
    def sequence(self) -> int:
        """Of its last durable row."""

    @property
    def state_hash(self) -> bytes:
        """Of its state, behind the row that it begins with."""

    @property
    def keys(self) -> str:
        """The fingerprints of its keys."""

    @property
    def seen_age_s(self) -> float:
        """How long ago that was."""

    @property
    def settings(self) -> str:
        """The fingerprints of what settings of nodes have in common."""

    @property
    def clock_off_s(self) -> float | None:
        """How far its clock was ahead of the log's; None if it did not say."""


class Shared(Log, Protocol):
    """A log, and what else the nodes share."""

    def note(
        self,
        name: str,
        address: str,
        sequence: int,
        state_hash: bytes,
        keys: str,
        settings: str = "",
        process: str = "",
    ) -> str:
        """Say something of oneself; which process of this name did so before."""

    def clock_ns(self) -> int:
        """The log's wall clock, ns since 1970."""

    def nodes(self) -> Sequence[NodeRow]:
        """What each has said."""

    def standbys(self) -> int:
        """Database nodes that stream now, and count for the quorum."""

    def make_room(self, sequence: int) -> object:
        """Have room ready for rows behind this one."""


class Lease(Protocol):
    """The right to try, which one node has at a time. Keeps itself."""

    def start(self) -> None:
        """Begin to ask for it; once."""

    def holds(self) -> bool:
        """Whether this node has it."""

    def held_s(self) -> float:
        """For how long it has it, without a break; 0 if it does not."""

    def let_go(self, seconds: float) -> None:
        """Leave it to others, for so long at the least."""


class State(StrEnum):
    """Of a node."""

    FOLLOWING = "following"
    LEADING = "leading"
    ENDED = "ended"


class Said(NamedTuple):
    """What a node says of itself."""

    sequence: int
    """Of its last durable row."""
    step: int
    state_hash: bytes
    """Of its state behind row `step`; empty before the first step."""
    keys: str
    """The fingerprints of its keys."""
    settings: str = ""
    """The fingerprints of what settings of nodes have in common."""


class Server(Protocol):
    """What the node is for. All is called in the member's thread, and may block."""

    def unfit(self, head: Head) -> str:
        """Why it must not lead now, in words; empty if it may."""

    def refuses(self) -> str:
        """Why it must refuse all payments, for its disk or its clock; empty if not."""

    def lead(self, epoch: int) -> None:
        """Begin to lead. What it raises is the end of the node."""

    def leads_on(self) -> None:
        """Called once a minute while it leads. Raises DoubtError."""

    def confirmed(self, at_s: float) -> None:
        """At this moment of the member's clock nobody else led; before `lead`, too."""

    def changed(self) -> None:
        """Something that `Member` tells has changed."""

    def said(self) -> Said:
        """What the node says of itself."""


class Member:
    """The node's state. `turn` belongs to one thread; any may read the rest."""

    def __init__(
        self,
        follower: Follower,
        shared: Shared,
        lease: Lease,
        server: Server,
        *,
        name: str,
        address: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Follows. `name` and `address` are the node's own, as others see them."""
        self.follower = follower
        self._log = shared
        self._lease = lease
        self._server = server
        self._name = name
        self._address = address
        self._now = now
        self.state = State.FOLLOWING
        self.epoch = 0
        """In which it leads; 0: it does not."""
        self.deposed = False
        """Another leads in its place, which is final."""
        self.why_not = ""
        """Why it must not lead, in words; empty if it may, or was never asked."""
        self.doubts = 0
        """Times that the log could not be asked."""
        self.last_doubt = ""
        self.attempts = 0
        """Times that it tried to take over."""
        self.lost_attempts = 0
        """Of these, when another was faster, or it was not known what came of it."""
        self.standbys = -1
        """Database nodes that count for the quorum, as seen last; -1: not seen yet."""
        self.has_room = True
        """Whether the disk had room for what the log has."""
        self.nodes: Sequence[NodeRow] = ()
        self.differences = 0
        """Times that, as leader, it saw another node have another state."""
        self._differing: dict[str, int] = {}
        """Of nodes that have, behind which row."""
        self._process = ""
        """Its own word among those of its name; later ones are greater."""
        self._earlier_words = 0
        self._later = ""
        self._confirmed_s = 0.0
        self._confirm_at = self._note_at = self._room_at = 0.0
        self._asks = False
        self._is_lost = True
        self._pause_s = PAUSE_LEAST_S
        self._states: OrderedDict[int, bytes] = OrderedDict()
        self._told: tuple[object, ...] = ()

    # --- what others ask ---------------------------------------------------------

    @property
    def leader(self) -> str:
        """Where the leader is; empty if that is not known, or it is none other."""
        head = self.follower.head
        if head is None or head.leader == self._name:
            return ""
        return head.address

    @property
    def is_fresh(self) -> bool:
        """Whether what it has, as a follower, is young enough to be told."""
        age_s = self.follower.age_s()
        return age_s is not None and age_s <= FRESH_S

    def unconfirmed_s(self) -> float:
        """Of a leader: how long ago it last knew that nobody else leads."""
        return max(self._now() - self._confirmed_s, 0.0)

    # --- its thread --------------------------------------------------------------

    def turn(self) -> float:
        """Do what is due; how many seconds until the next turn.

        Raises HaltError, and what the ledger and `Server.lead` raise: the end.
        """
        try:
            if self._is_lost:
                self._log.reconnect()
                self._is_lost = False
            wait_s = self._lead_on() if self.epoch else self._follow_on()
            self._pause_s = PAUSE_LEAST_S
            self.has_room = True
        except RoomError as error:
            if self.has_room:
                log.critical("ALARM: this node does not follow: %s", error)
            self.has_room = False
            # It would keep those from leading that have room.
            self._lease.let_go(UNFIT_S)
            wait_s = NO_ROOM_S
        except PutBackError:
            # Before it ends: who has less must not lead a log that has less.
            with contextlib.suppress(DoubtError):
                self._say(self._server.said())
            raise
        except DoubtError as doubt:
            self._is_lost = True
            silent_s = min(self.unconfirmed_s(), self._lease.held_s())
            if self.epoch and silent_s > UNCONFIRMED_S:
                self._lease.let_go(UNFIT_S)
            self.doubts += 1
            self.last_doubt = str(doubt)
            wait_s = self._pause_s
            self._pause_s = min(2 * wait_s, PAUSE_MOST_S)
        told = (self.state, self.leader, self.is_fresh, self.deposed)
        if told != self._told:
            self._told = told
            self._server.changed()
        return wait_s

    def end(self) -> None:
        """The node ends."""
        self.state = State.ENDED

    def _follow_on(self) -> float:
        more = self.follower.poll()
        if self._now() >= self._confirm_at:
            self.follower.confirm()
            self._confirm_at = self._now() + CONFIRM_S
        self._note()
        if self._asks and self._lease.holds() and self._lags():
            self._lease.let_go(UNFIT_S)
        if more:
            return 0.0
        if not self._asks and self.follower.age_s() is not None:
            # Who has far to go would keep it from those who could lead at once.
            self._asks = True
            self._lease.start()
        if self._asks and self._lease.holds():
            self._take_over()
            return 0.0
        return POLL_S

    def _take_over(self) -> None:
        head = self.follower.catch_up()
        self.why_not = self._put_back() or self._server.unfit(head)
        if self.why_not:
            log.error("this node does not lead: %s", self.why_not)
            self._lease.let_go(UNFIT_S)
            return
        self.attempts += 1
        self.lost_attempts += 1
        begun_s = self._now()
        keys = self._server.said().keys
        epoch = self._log.take_over(head, self._name, self._address, keys)
        if epoch is None:
            log.warning("another node was faster, or still appends; trying again")
            return
        self.lost_attempts -= 1
        log.info("leads from row %d on, in epoch %d", head.sequence + 1, epoch)
        self.follower.head = head._replace(
            epoch=epoch, leader=self._name, address=self._address, keys=keys
        )
        self._confirm(begun_s)
        self._server.lead(epoch)
        self.epoch = epoch
        self.state = State.LEADING

    def _lags(self) -> bool:
        """Whether it is far from the head, and another node is not."""
        near = self.follower.sequence + LAG_ROWS_MAX
        return self.follower.lag_rows > LAG_ROWS_MAX and any(
            one.sequence > near and one.seen_age_s <= WORD_OLD_S
            for one in self.nodes
            if one.name != self._name
        )

    def _put_back(self) -> str:
        """Which node had more than the log has now, in words; empty if none.

        A node tells what it has followed, so that the head, read behind that, has it.
        """
        nodes = self._log.nodes()
        last = self._log.head().sequence
        for one in nodes:
            if one.sequence > last:
                return (
                    f"node {one.name} had row {one.sequence}; the log ends with "
                    f"{last}: it was put back to an older state (docs/cluster.md)"
                )
        return ""

    def _lead_on(self) -> float:
        """Ask whether it still leads: who appends nothing would not hear of another."""
        begun_s = self._now()
        head = self._log.head()
        self._log.barrier()
        if head.epoch < self.epoch:
            raise PutBackError(
                f"the log is in epoch {head.epoch}, and this node leads in "
                f"{self.epoch}: the log was put back to an older state"
            )
        if head.epoch > self.epoch:
            self.deposed = True
            self.follower.head = head
            log.critical(
                "%s leads in epoch %d, this node did in %d",
                head.leader or "nobody",
                head.epoch,
                self.epoch,
            )
            return CONFIRM_S
        self._confirm(begun_s)
        self._note()
        why = self._server.refuses()
        if why and self._hand_on(head, why):
            return CONFIRM_S
        if self._now() >= self._room_at:
            self._log.make_room(head.sequence)
            self._server.leads_on()
            self._room_at = self._now() + ROOM_S
        return CONFIRM_S

    def _hand_on(self, head: Head, why: str) -> bool:
        """Lead no more, if a node is there that has all and may lead, as far as it
        says; whether that is so now.
        """
        others = [
            one.name
            for one in self.nodes
            if one.name != self._name
            and one.seen_age_s <= WORD_OLD_S
            and one.sequence == head.sequence
            and one.clock_off_s is not None
            and abs(one.clock_off_s) <= CLOCK_OFF_MAX_S
            and not different_keys(one.keys, head.keys)
        ]
        if not others:
            return False
        # Whoever leads next has these keys, too.
        epoch = self._log.take_over(head, "", "", head.keys)
        if epoch is None:
            return False
        log.critical(
            "ALARM: %s: this node hands on, and %s is there", why, " or ".join(others)
        )
        self.deposed = True
        self.follower.head = head._replace(epoch=epoch, leader="", address="")
        return True

    def _say(self, said: Said) -> str:
        """Say this of itself; which process of its name had said something before."""
        if not self._process:
            # By the log's clock: on two machines it says who came first.
            self._process = f"{self._log.clock_ns():016x}{secrets.token_hex(8)}"
        state = said.step.to_bytes(_STEP_SIZE) + said.state_hash
        return self._log.note(
            *(self._name, self._address, said.sequence, state),
            *(said.keys, said.settings, self._process),
        )

    def _meet(self, before: str) -> None:
        """Raise ConfigError if an earlier process goes on under this node's name.

        One that died says nothing more, however short ago that is.
        """
        if before in ("", self._process, self._later):
            return
        if before > self._process:
            self._later = before
            log.error("a second node was started as %s; it ends by itself", self._name)
            return
        self._earlier_words += 1
        if self._earlier_words > EARLIER_WORDS_MAX:
            raise ConfigError(
                f"another node is there as {self._name}, and was before this one: give "
                "each a name of its own (`node` in [cluster]), or stop the other one, "
                "then start this one again (docs/cluster.md)"
            )

    def _confirm(self, at_s: float) -> None:
        self._confirmed_s = at_s
        self._server.confirmed(at_s)

    def _note(self) -> None:
        """Say how far it is, hear how far others are."""
        if self._now() < self._note_at:
            return
        self._note_at = self._now() + NOTE_S
        said = self._server.said()
        self._meet(self._say(said))
        self.nodes = self._log.nodes()
        self.standbys = self._log.standbys()
        if said.state_hash:
            self._states[said.step] = said.state_hash
            while len(self._states) > STATES_MAX:
                self._states.popitem(last=False)
        self._compare()

    def _compare(self) -> None:
        """See whether another node had another state behind the same row.

        One of the two is wrong, and all others must not stop for it: what the leader
        has is what was answered, so that a follower halts by the leader's word alone.
        """
        head = self.follower.head
        for one in self.nodes:
            step = int.from_bytes(one.state_hash[:_STEP_SIZE])
            theirs, own = one.state_hash[_STEP_SIZE:], self._states.get(step)
            if not theirs or not own or theirs == own:
                continue
            text = (
                f"behind row {step} the state of {one.name} was {theirs.hex()}, "
                f"and here it was {own.hex()}"
            )
            if self.epoch:
                if self._differing.get(one.name) != step:
                    self._differing[one.name] = step
                    self.differences += 1
                    log.critical("ALARM: %s", text)
            elif (
                head is not None
                and one.name == head.leader
                and one.seen_age_s <= WORD_OLD_S
            ):
                raise DifferenceError(text)
