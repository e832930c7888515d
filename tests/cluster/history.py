"""One history of three switches on one log, made from a seed; what must not be in it.

What is drawn: who goes on, how long a step takes and what goes wrong in it, the loss of
database nodes, what standbys lack, statements that land late, kills, stops and crashes
of switches, who thinks that it may lead, and what clients send. After a while nothing
goes wrong any more: then all must be answered, and all ledgers be equal.
"""

import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from switch.cluster.log import Sealed, sealed
from tests.cluster.chunks import is_one_chain
from tests.cluster.clients import Client, Request, Told
from tests.cluster.crash import snapshot
from tests.cluster.fake_databases import Databases
from tests.cluster.fake_log import FENCES, STEP_FAULTS, Fault
from tests.cluster.put_back import put_back
from tests.cluster.schedule import Schedule, StuckError
from tests.cluster.simulated import CLOCK_TIMES, NodeRow, Switch
from tests.cluster.small_ledger import INSTANCE, SECOND_NS, SmallLedger
from tests.core.pair import ids_of, pack_row
from tests.core.wire import encode_reply
from tests.model import Ask, Payments

SWITCHES: Final = 3
CLIENTS: Final = 3
TURNS: Final = 3
"""Requests of a client."""
TROUBLE_S: Final = (0.8, 1.6, 3.6)
"""How long things go wrong; one of them is drawn."""
PATIENCE_S: Final = (0.2, 0.6, 20.0)
"""How long a chunk may be in doubt; likewise."""
FAULTS: Final = {step: sorted(faults - FENCES) for step, faults in STEP_FAULTS.items()}


class Sent(NamedTuple):
    """A group for which a chunk was sent."""

    asks: list[Ask]
    now: int


class Group(NamedTuple):
    """A group that was answered behind a row."""

    before: int
    asks: list[Ask]
    now: int
    replies: list[Any]


class History:
    """One of them. `run` makes it and raises AssertionError for what must not be."""

    databases_type: type[Databases] = Databases
    switch_type: type[Switch] = Switch
    fault_shares = (0.0, 0.02, 0.05, 0.15, 0.3)
    """Of all steps on the log; one of them is drawn."""

    def __init__(self, small: SmallLedger, path: Path, seed: int) -> None:
        self.small = small
        self.seed = seed
        self.chance = random.Random(seed)
        self.schedule = Schedule(self.chance)
        self.databases = self.databases_type(INSTANCE, small.sequence, small.chain)
        self.lines: list[str] = []
        self.trouble = True
        self.trouble_s = self.chance.choice(TROUBLE_S)
        self.fault_share = self.chance.choice(self.fault_shares)
        self.patience_s = self.chance.choice(PATIENCE_S)
        self.event_share = self.chance.choice((0.01, 0.03, 0.06))
        self.leaseholder: Switch | None = None
        self.nodes: dict[str, NodeRow] = {}
        self.processes: dict[str, str] = {}
        """Which process of a node said that."""
        self.told: dict[bytes, Told] = {}
        self.asked: dict[int, Sent] = {}
        """By the check of the chunk that was sent."""
        self.groups: list[Group] = []
        self.fenced_checks: list[int] = []
        self.last_sent: dict[int, int] = {}
        """By switch: the check of its last chunk."""
        self.hashes: dict[int, bytes] = {}
        self.past: list[Sealed] = []
        """Chunks of a log before this one, which begins behind them."""
        self.was_put_back = False
        self.halted: set[int] = set()
        """Switches that a person has to look at."""
        self.held: set[int] = set()
        """Switches that nobody starts."""
        self.counts = dict.fromkeys(("epochs", "fenced", "kills", "answers"), 0)
        self.switches = [
            self.switch_type(self, number, small.copied(path / str(number)))
            for number in range(SWITCHES)
        ]
        self.clients = [Client(self, name, TURNS) for name in range(CLIENTS)]

    def note(self, line: str) -> None:
        """What happened, for people."""
        self.lines.append(f"{self.schedule.time:.6f} {line}")

    # --- what is drawn ----------------------------------------------------------------

    def latency(self) -> float:
        """Of one way to the databases."""
        return 0.001 if self.chance.random() < 0.9 else self.chance.uniform(0.001, 0.3)

    def late_poll(self) -> float:
        """How much later than it ought to be."""
        return self.chance.choice((0.05, 0.1, 0.1, 1.0)) if self.trouble else 0.1

    def fault(self, step: str) -> Fault | None:
        """What goes wrong in one step."""
        if not self.trouble or self.chance.random() >= self.fault_share:
            return None
        return self.chance.choice(FAULTS[step])

    def may_try(self, switch: Switch) -> bool:
        """The lease: one of them has it, and sometimes another thinks so, too."""
        if self.leaseholder is None:
            self.leaseholder = switch
        if self.leaseholder is switch:
            return True
        return self.trouble and self.chance.random() < 0.05

    def release(self, switch: Switch) -> None:
        """It has it no more."""
        if self.leaseholder is switch:
            self.leaseholder = None

    def release_unless_held(self, switch: Switch) -> None:
        """Who has not come to lead lets others try, now and then."""
        if self.chance.random() < 0.2:
            self.release(switch)

    def now_ns(self, switch: Switch) -> int:
        """A switch's clock, each a little off."""
        passed = int(self.schedule.time * CLOCK_TIMES * SECOND_NS)
        return self.small.now + passed + (switch.number - 1) * SECOND_NS // 3

    def event(self) -> None:
        """Something that nobody asked for."""
        chance, databases = self.chance, self.databases
        switch = self.switches[chance.randrange(SWITCHES)]
        match chance.randrange(15):
            case 0 | 1 | 2:
                self.kill(switch)
            case 3 | 4:
                self.note(f"{switch.name} is stopped")
                switch.actor.wake = self.schedule.time + chance.uniform(0.5, 5.0)
            case 5:
                self.note("the lease has passed")
                self.leaseholder = None
            case 6:
                cut_off = chance.random() < 0.5
                databases.lose_primary(cut_off=cut_off)
                self.note(f"the primary is {'cut off' if cut_off else 'lost'}")
            case 7:
                databases.heal()
            case 8:
                standby = chance.randrange(2)
                databases.attached[standby] = not databases.attached[standby]
                self.note(f"standbys are {databases.attached}")
            case 9 | 10:
                databases.ship(chance.randrange(2), 1)
            case 11:
                self.note(f"{databases.land_late()} land late")
            case 12:
                switch.room_at = self.schedule.time + chance.uniform(0.5, 5.0)
                self.note(f"{switch.name}'s disk is full")
            case 13:
                databases.names = not databases.names
                self.note(f"names are {'there' if databases.names else 'emptied'}")
            case 14 if not self.was_put_back:
                self.was_put_back = True
                begun = self.schedule.time
                put_back(self)
                self.trouble_s += self.schedule.time - begun

    def kill(self, switch: Switch) -> None:
        """Its process ends, wherever it is; it is started again."""
        self.counts["kills"] += 1
        self.note(f"{switch.name} is killed")
        if not switch.actor.is_over:
            self.schedule.remove(switch.actor)

    def send(self, request: Request, target: int) -> None:
        """To one of the switches; who is dead does not hear it."""
        switch = self.switches[target % SWITCHES]
        if switch.ledger is not None:
            switch.inbox.append(request)

    # --- what switches tell -----------------------------------------------------------

    def sent(self, switch: Switch, chunk: bytes) -> None:
        """A chunk is about to be appended."""
        what = sealed(chunk)
        asks = [request.ask for request in switch.group]
        self.asked[what.check] = Sent(asks, self.now_of_group)
        self.last_sent[switch.number] = what.check

    def begin_group(self, switch: Switch, now: int) -> None:
        """A commit begins, and perhaps its machine will not survive it."""
        self.now_of_group = now
        if self.trouble and self.chance.random() < 0.02:
            switch.crash = snapshot(switch.path)

    def not_done(self, switch: Switch, request: Request) -> None:
        """It was told NOT_LEADER."""
        self.clients[request.client].turned_away(request)

    def fenced(self, switch: Switch, requests: Sequence[Request]) -> None:
        """A chunk was said to be absent for ever; its group, and what waited."""
        self.counts["fenced"] += 1
        check = self.last_sent[switch.number]
        self.note(f"{switch.name} is fenced")
        self.fenced_checks.append(check)
        self.must_be_absent(check)
        for request in requests:
            self.not_done(switch, request)

    def committed(
        self,
        switch: Switch,
        group: Sequence[Request],
        replies: Sequence[Any],
        before: int,
        now: int,
    ) -> None:
        """A group is answered."""
        assert switch.ledger is not None
        asks = [request.ask for request in group]
        self.groups.append(Group(before, asks, now, list(replies)))
        self.must_be_durable(switch)
        for request, reply in zip(group, replies, strict=True):
            self.counts["answers"] += 1
            self.note(f"{request.client}.{request.turn} is answered")
            self.clients[request.client].answered(request, reply)

    # --- what must be -----------------------------------------------------------------

    def log(self) -> list[Sealed]:
        """What is in it for ever."""
        return self.past + self.databases.durable_chunks()

    def must_be_durable(self, switch: Switch) -> None:
        """A journal is never ahead of what two nodes have."""
        assert switch.ledger is not None
        head = switch.ledger.head
        log = self.log()
        at = (self.small.sequence, self.small.chain)
        ends = {at} | {(each.last, each.check) for each in log}
        if (head.sequence, head.chain) not in ends:
            raise AssertionError(f"{switch.name} has {head}, and the log has not")

    def must_be_absent(self, check: int) -> None:
        """What was said not to be done is not in the log."""
        if any(each.check == check for each in self.log()):
            raise AssertionError("what was said not to be done is in the log")

    def compare(self, switch: Switch) -> None:
        """Ledgers that are equally far are equal."""
        assert switch.ledger is not None
        self.must_be_durable(switch)
        sequence, hashed = switch.ledger.state_hash()
        if self.hashes.setdefault(sequence, hashed) != hashed:
            raise AssertionError(f"{switch.name} differs at {sequence}")

    # --- the history ------------------------------------------------------------------

    def run(self) -> str:
        """All of it; what happened, line by line."""
        quiet = [logging.getLogger(name) for name in ("switch.core", "switch.cluster")]
        levels = [each.level for each in quiet]
        for each in quiet:
            each.setLevel(logging.CRITICAL + 1)
        try:
            while self.schedule.time < self.trouble_s:
                if self.chance.random() < self.event_share:
                    self.event()
                self.turn()
            self.calm()
            while not self.is_over():
                self.turn()
            self.judge()
        finally:
            self.schedule.end()
            for each, level in zip(quiet, levels, strict=True):
                each.setLevel(level)
        return "\n".join(self.lines)

    def turn(self) -> None:
        """One turn of somebody, and what clients do meanwhile."""
        for client in self.clients:
            client.step()
        self.schedule.turn()
        self.start()

    def start(self) -> None:
        """Whoever has ended is started again, unless somebody keeps it so."""
        for switch in self.switches:
            number = switch.number
            if switch.actor.is_over and number not in self.held | self.halted:
                switch.actor = self.schedule.add(switch.live)

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.note("calm")
        self.trouble = False
        self.databases.heal()
        self.databases.attached = [True, True]
        self.databases.names = True
        self.databases.land_late()

    def is_over(self) -> bool:
        """All is answered, and all are equally far."""
        if not all(client.is_done for client in self.clients):
            return False
        self.databases.ship(0)
        self.databases.ship(1)
        last = self.databases.primary.head.sequence
        ledgers = [switch.ledger for switch in self.switches]
        return all(ledger is not None and ledger.sequence == last for ledger in ledgers)

    def judge(self) -> None:
        """The log against all that was said, and against the model."""
        log = self.log()
        if not is_one_chain(log, self.small.sequence, self.small.chain):
            raise AssertionError("the log is not one chain")
        for check in self.fenced_checks:
            self.must_be_absent(check)
        for switch in self.switches:
            self.compare(switch)
        rows = {
            each.data[at : at + 16]: int.from_bytes(
                each.data[at + 16 : at + 24], "little"
            )
            for each in log
            for at in range(64, 64 + 128 * (each.last - each.first + 1), 128)
        }
        for id_, told in self.told.items():
            if rows.get(id_) != told.sequence:
                raise AssertionError(f"{id_!r} was answered, and the log has it not so")
        self.counts["epochs"] = self.databases.primary.head.epoch
        self.ask_model()

    def ask_model(self) -> None:
        """The rules, group by group in the log's order: its rows and its answers."""
        model = self.small.copied_model()
        groups: dict[int, list[Group]] = {}
        for group in self.groups:
            groups.setdefault(group.before, []).append(group)
        for chunk in [*self.log(), None]:
            before = len(model.rows)
            sent = None if chunk is None else self.asked[chunk.check]
            for group in groups.pop(before, []):
                if sent is None or (group.asks, group.now) != sent:
                    self.same_replies(group, model.commit(group.asks, group.now))
                    if len(model.rows) != before:
                        raise AssertionError(f"rows behind {before} are not in the log")
            if chunk is None or sent is None:
                break
            told = model.commit(sent.asks, sent.now)
            for group in self.groups:
                if (group.before, group.asks, group.now) == (before, *sent):
                    self.same_replies(group, told)
            packed = b"".join(map(pack_row, model.rows[before:]))
            if chunk.data[64 : 64 + len(packed)] != packed:
                raise AssertionError(f"the rows behind {before} are not the model's")
        if groups:
            raise AssertionError(f"answered behind {sorted(groups)}, and no chunk ends")

    def same_replies(self, group: Group, told: list[Any]) -> None:
        """What was answered is what the model says."""
        for ask, outcomes, reply in zip(group.asks, told, group.replies, strict=True):
            if isinstance(ask, Payments):
                same = reply == encode_reply(ids_of(ask), outcomes)
            else:
                same = reply.tobytes() == b"".join(one.pack() for one in outcomes)
            if not same:
                raise AssertionError(f"behind {group.before} the model says {outcomes}")


__all__ = ["History", "StuckError"]
