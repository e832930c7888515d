"""A server that is a node of a cluster: who leads, and what that changes here.

A thread of its own follows the log, tries to lead, and once it leads asks again and
again whether it still does (`switch/cluster/member.py`). This module is between that
thread and the event loop: it tells the loop to serve what a follower may, then all, and
ends the process when it cannot go on.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from server.exits import EXIT_CONFIG, EXIT_DEAD, EXIT_DEPOSED, EXIT_HALTED
from server.node import Node
from switch.billing.put_in import Shared as FilesOfNodes
from switch.cluster.following import DifferenceError, Follower, HaltError
from switch.cluster.log import Head
from switch.cluster.member import (
    CLOCK_OFF_MAX_S,
    Lease,
    Member,
    Said,
    Shared,
    State,
)
from switch.cluster.replicator import Replicator
from switch.config import Config
from switch.errors import (
    ClockError,
    ConfigError,
    FollowError,
    NotLeaderError,
    SpaceError,
    SwitchError,
)
from switch.fingerprints import common_settings, different_keys, different_parts
from switch.ledger import node_keys
from switch.ledger.shapes import HALTED, write_mark
from switch.margin_rows import margin_tail

log = logging.getLogger("server.cluster")

CLOCK_REFUSED_S: Final = 10.0
"""For so long a leader refuses everything by its clock before it hands on."""
NODE_S: Final = 60.0
"""How old the word of a node may be whose settings and clock are looked at."""
RESERVE_LEAST: Final = 8 << 20
"""Bytes of the journal's reserve without which a full disk refuses payments."""
WATCH_S: Final = 0.2
"""Between two looks of a leader whether it is still known that it leads."""
STOP_S: Final = 10.0
"""How long the thread may take to end; it may wait for the log meanwhile."""


class Appending(Protocol):
    """A leader's way into the log, for one epoch."""

    @property
    def replicator(self) -> Replicator:
        """What it has met."""

    def capsule(self) -> object:
        """What `Ledger.replicate` takes."""

    @property
    def counts(self) -> tuple[int, int, float, float]:
        """(chunks, bytes, seconds waited for them, the longest wait)."""

    def close(self) -> None:
        """Nothing is appended any more."""


class Parts(Protocol):
    """What a node has of the log: connections of their own for each use."""

    @property
    def shared(self) -> Shared:
        """The connection of the thread that follows and leads."""

    @property
    def files(self) -> FilesOfNodes:
        """What nodes have of each other's files."""

    @property
    def lease(self) -> Lease:
        """The right to try."""

    def clock_off_s(self) -> float:
        """How far the clock here is from the log's."""

    def appending(self, epoch: int, stopping: Callable[[], bool]) -> Appending:
        """A way into the log."""

    def close(self) -> None:
        """Let go of all of it, the lease too."""


class Leadership:
    """Of one server. Its methods belong to the event loop unless they say otherwise."""

    def __init__(
        self,
        config: Config,
        node: Node,
        parts: Parts,
        *,
        lead: Callable[[], None],
        lead_until: Callable[[float], None],
        changed: Callable[[], None],
        end: Callable[[int], None],
        check: Callable[[], None],
    ) -> None:
        """Nothing runs before `start`.

        In the event loop `lead` is called once the ledger takes payments, `changed`
        when what may be served has changed, `end` with the exit code. `check` raises
        ConfigError for a ledger that is not to be served so. `lead_until` is told, in
        any thread, until when of `time.monotonic` payments may be taken.
        """
        self._config = config
        self._node = node
        self._parts = parts
        self._lead = lead
        self._lead_until = lead_until
        self._changed = changed
        self._end = end
        self._check = check
        self._keys = node_keys.fingerprints(Path(node.ledger.path))
        self._settings = common_settings(config)
        self._told_settings: dict[str, list[str]] = {}
        self.follower = Follower(node.ledger, parts.shared, on_rows=self._took_rows)
        self.member = Member(
            self.follower,
            parts.shared,
            parts.lease,
            self,
            name=config.cluster.node,
            address=config.cluster.address,
        )
        self.clock_off_s: float | None = None
        """How far the clock here was ahead of the log's when that was asked last."""
        self._was_confirmed = True
        self.appending: Appending | None = None
        """Once it leads."""
        self.first = asyncio.Event()
        """Set when it serves for the first time, as whatever it is."""
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)
        node.check_leads = self._check_leads
        node.dispatch.may_ask = self._may_ask
        node.put_in.shared = parts.files

    # --- what calls ask ----------------------------------------------------------

    @property
    def leads(self) -> bool:
        """Whether it leads, as far as it knows."""
        return self.member.state is State.LEADING

    @property
    def is_confirmed(self) -> bool:
        """Of a leader: whether it knows well enough that nobody else leads."""
        return self.member.unconfirmed_s() <= self._config.cluster.lease_s

    @property
    def sequence(self) -> int:
        """Of the last durable row here."""
        return self._node.ledger.sequence

    def age_ms(self) -> int | None:
        """How old what is here may be, as a follower; None: too old to be told."""
        age_s = self.follower.age_s()
        if age_s is None or not self.member.is_fresh:
            return None
        return int(age_s * 1_000)

    @property
    def serves_reads(self) -> bool:
        """Whether a follower's answers may be given now."""
        return self.member.is_fresh

    def refusal(self, why: str = "") -> NotLeaderError:
        """What a call is told that only the leader can answer."""
        leader = self.member.leader
        where = f"ask {leader}" if leader else "who leads is not known here yet"
        said = f"this node does not lead: {where}"
        return NotLeaderError(f"{said} ({why})" if why else said, leader)

    def _check_leads(self) -> None:
        """Of a leader: refuse what would be told as the newest, if it may be old."""
        if self.leads and not self.is_confirmed:
            raise self.refusal("it has not heard from the log for a while")

    def _may_ask(self) -> bool:
        """Whether billers may be asked: another leader may have given holds back."""
        return self.leads and self.is_confirmed

    # --- starting and stopping ---------------------------------------------------

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    async def stop(self) -> None:
        """End the thread, so that the ledger can be closed."""
        self._stopping.set()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._thread.join, STOP_S)

    def abandon(self) -> None:
        """Wait no longer for what is in doubt: it stays unknown."""
        self._abandoned.set()

    def close(self) -> None:
        """After the ledger: let go of the log, and of the lease."""
        self.member.end()
        if self.appending is not None:
            self.appending.close()
        self._parts.close()

    # --- the thread --------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                wait_s = self.member.turn()
                if self.member.deposed:
                    self._end_soon(EXIT_DEPOSED)
                    return
                self._stopping.wait(wait_s)
        except (HaltError, FollowError) as error:
            log.critical("ALARM: this node has halted: %s", error)
            if isinstance(error, DifferenceError):
                self._mark_halted(str(error))
            self._end_soon(EXIT_HALTED)
        except NotLeaderError as error:
            log.critical("another node was faster: %s", error)
            self._end_soon(EXIT_DEPOSED)
        except (ClockError, ConfigError, SpaceError) as error:
            log.critical("this node cannot go on: %s", error)
            self._end_soon(EXIT_CONFIG)
        except Exception:
            log.critical("ALARM: this node cannot go on", exc_info=True)
            self._end_soon(EXIT_DEAD)

    def _mark_halted(self, why: str) -> None:
        """Have it stay so: started again it could lead before it differs again."""
        try:
            write_mark(Path(self._node.ledger.path) / HALTED, f"{why}\n")
        except (OSError, ConfigError) as error:
            log.critical("ALARM: do not start this node again; no mark: %s", error)

    def _end_soon(self, code: int) -> None:
        self._in_loop(partial(self._end, code))

    def _in_loop(self, call: Callable[[], None]) -> None:
        self._node.loop.call_soon_threadsafe(call)

    def _took_rows(self) -> None:
        self._node.register.refresh()
        self._in_loop(self._node.followed)

    # --- what the member asks, in the thread --------------------------------------

    def unfit(self, head: Head) -> str:
        """Why this node must not lead now; empty if it may. Raises DoubtError."""
        why = self.cramped() or different_keys(self._keys, head.keys)
        if why:
            return why
        off_s = self.clock_off_s = self._parts.clock_off_s()
        if abs(off_s) > CLOCK_OFF_MAX_S:
            return f"its clock is {off_s:+.1f} s off that of the log's database"
        try:
            self._check()
            if not self._config.accept_clock:
                self._node.committer.check_clock()
        except SwitchError as error:
            return str(error)
        return ""

    def refuses(self) -> str:
        """Why payments are refused here, if that may last; empty if not."""
        for_s = self._node.committer.clock_refused_s
        if for_s > CLOCK_REFUSED_S:
            return f"its clock leapt, and nothing was taken for {for_s:.0f} s"
        return self.cramped()

    def cramped(self) -> str:
        """Why its disk has payments refused, as the core refuses them; empty if not."""
        info = self._node.ledger.info()
        if not info["space_error"]:
            return ""
        behind = info["sequence"] - info["index_sequence"]
        if (
            info["reserve_bytes"] >= RESERVE_LEAST
            and behind < self._config.index_lag_max
        ):
            return ""
        return "its disk has no room"

    def lead(self, epoch: int) -> None:
        """Take payments from now on, in this epoch."""
        node = self._node
        self.appending = self._parts.appending(epoch, self._abandoned.is_set)
        node.ledger.replicate(self.appending.capsule(), epoch)
        node.committer.start(
            accept_clock=self._config.accept_clock,
            margin=margin_tail(self._config.margins),
        )
        node.register.refresh()
        asyncio.run_coroutine_threadsafe(self._begin_to_lead(), node.loop).result()

    def leads_on(self) -> None:
        """Once a minute while it leads: whether its clock is still that of the log, and
        others would serve as it does.
        """
        self._compare_settings()
        off_s = self.clock_off_s = self._parts.clock_off_s()
        if abs(off_s) > CLOCK_OFF_MAX_S:
            log.critical(
                "ALARM: the clock here, whose time entries and deadlines have, is "
                "%+.1f s off that of the log's database: set right whichever is wrong",
                off_s,
            )

    def other_settings(self) -> dict[str, list[str]]:
        """Nodes whose settings are others than here, and in which parts. Any thread."""
        nodes = [one for one in self.member.nodes if one.seen_age_s <= NODE_S]
        found = {
            one.name: different_parts(self._settings, one.settings)
            for one in nodes
            if one.name != self._config.cluster.node
        }
        return {name: parts for name, parts in found.items() if parts}

    def _compare_settings(self) -> None:
        found = self.other_settings()
        for name, parts in found.items():
            if self._told_settings.get(name) != parts:
                log.warning(
                    "the settings of %s differ from those here, in %s: it would serve "
                    "otherwise than this node does",
                    name,
                    ", ".join(parts),
                )
        self._told_settings = found

    async def _begin_to_lead(self) -> None:
        self._node.lead()
        self._lead()
        self.first.set()
        self._watch()

    def _watch(self) -> None:
        """Tell when it is not known any more that it leads, and when it is again.

        In the loop: the thread may be waiting for the log.
        """
        self._node.loop.call_later(WATCH_S, self._watch)
        is_confirmed = self.is_confirmed
        if not self.leads or is_confirmed == self._was_confirmed:
            return
        self._was_confirmed = is_confirmed
        if is_confirmed:
            log.info("the log is there again, and this node still leads")
        else:
            log.error("the log cannot be asked who leads: no calls are taken")
        self._changed()

    def confirmed(self, at_s: float) -> None:
        """At this moment of `time.monotonic` nobody else led."""
        self._lead_until(at_s + self._config.cluster.lease_s)

    def changed(self) -> None:
        """What the member tells has changed."""
        self._in_loop(self._tell)

    def _tell(self) -> None:
        if self.member.is_fresh:
            self.first.set()
        self._changed()

    def said(self) -> Said:
        """What this node says of itself."""
        ledger = self._node.ledger
        return Said(ledger.sequence, *ledger.step_hash(), self._keys, self._settings)
