"""Goal: kill -9 of the switch on a hard day leaves no payment without an end, none paid
twice, and nothing that the billers and the ledger tell differently.

Method: the replayed day (`payswitch day`) in small, with its dead, slow, late and wrong
billers, whose processes live on while the switch is killed three times and started
again. Centres send again what got no answer. All proofs of the day must hold, the
auditor's included, and every step of its script must have come to one end. How many
citizens give up, because billers or the switch were away, is the machine's affair.
"""

import argparse
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from switch.audit.reader import Journal
from switch.client import Client
from switch.console.output import Screen
from switch.console.words import Language
from switch.day.billers import BillersProcess
from switch.day.day import BEGIN_S, Day
from switch.day.fates import Fate, State, count_states
from switch.day.replay import Replayed
from switch.day.report import DayReport
from switch.day.script import TROUBLES, Script
from switch.day.server import ServerProcess
from switch.day.speed import Pace
from switch.v1 import types_pb2
from tools.postgres import ports_to_keep

SPEED = 1_800.0
"""The day's 7.5 hours in 15 seconds."""
PAYMENTS = 2_500
KILLS = 3
BUSY_S = 60.0
"""Until the next commit, at most, on a machine that stands still meanwhile."""
DAY_S = 7.5 * 3600
MORE_TROUBLES = """\
sbstc    at 10:00  answer late  9h  +2h
nbstc    at 11:00  die
wbfdc    at 10:00  answer late  8h  +40m
wbtdcl   at 10:00  credit late  8h  +40m
drsr     at 11:00  answer amounts  4h  -1
cesc     at 10:00  answer twice
wbsedcl  at 12:00  answer wrongly  2h
"""
"""Bookings are few, and wait for half an hour: more of them expire on a small day, all
of sbstc's for certain, as it says for hours that it does not know."""

TROUBLED = ("status", "twice", "wrong", "late")
"""What the billers count of questions and answers that a quiet day does not have."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Killed:
    """A switch that is killed and started again on the same port."""

    def __init__(self, data: Path, pace: Pace) -> None:
        [self._port] = ports_to_keep(1)
        self._data = data
        self._pace = pace
        self._server = self._start()
        self.address = self._server.address
        self.ledger = self._server.ledger
        self.tls = self._server.tls
        self.kills = 0

    def _start(self) -> ServerProcess:
        return ServerProcess(self._data, self._port, self._pace.settings())

    def kill(self) -> None:
        """What it acknowledged is in its files; the rest is nowhere.

        It dies right behind a commit, so that answers are on their way each time.
        """
        with Journal(self.ledger) as journal:
            last = journal.last_sequence()
            end_s = time.monotonic() + BUSY_S
            while journal.last_sequence() == last:
                assert time.monotonic() < end_s, "nothing happens on this day"
        self._server.kill()
        self._server = self._start()
        assert self._server.address == self.address
        self.kills += 1

    def stop(self) -> int:
        return self._server.stop()


class HardDay(Day):
    """A day on which the switch is killed at times that a seed chooses."""

    troubles = TROUBLES + MORE_TROUBLES

    def _replay(
        self, script: Script, own: dict[str, Client], begin_unix_s: float
    ) -> Replayed:
        assert isinstance(self._server, Killed)
        server = self._server
        errors: list[BaseException] = []

        def kill() -> None:
            dice = random.Random(int(os.environ.get("SWITCH_TEST_SEED", script.number)))
            try:
                for part in range(KILLS):
                    share = (part + dice.uniform(0.3, 0.9)) / KILLS
                    at_s = begin_unix_s + share * DAY_S / SPEED
                    time.sleep(max(0.0, at_s - time.time()))
                    server.kill()
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            return super()._replay(script, own, begin_unix_s)
        finally:
            thread.join()
            assert not errors, errors


def prove_steps(report: DayReport) -> None:
    """Each citizen paid, was told that there is nothing to pay, or gave up: once."""
    replayed = report.replayed
    # Who was told of a payment before, and confirms, pays beside the script.
    ends = Counter(one.step for one in replayed.sent if not one.payment.additional_to)
    ends.update(step for step, _ in replayed.told)
    ends.update(replayed.unsent)
    assert ends == Counter(report.script.steps)
    assert all(one.outcome is not None for one in replayed.sent)


def is_expired(fate: Fate) -> bool:
    """Given back without the biller's word, whatever was decided later."""
    resolution = fate.resolution
    return resolution is not None and resolution.kind == types_pb2.ENTRY_KIND_EXPIRE


@pytest.mark.slow
@pytest.mark.alone(beside=1)  # what waits for seconds here is hours there
def test_hard_day(tmp_path: Path) -> None:
    assert BEGIN_S == 10 * 3600
    args = argparse.Namespace(payments=PAYMENTS, seed=1, own_centres=20)
    pace = Pace(SPEED)
    screen = Screen(as_json=True, language=Language.ENGLISH)
    server = Killed(tmp_path, pace)
    try:
        with BillersProcess(
            server.address, server.tls, tmp_path, pace, args.seed
        ) as billers:
            report = HardDay(args, screen, server, billers, pace).run()
    finally:
        code = server.stop()
    assert code == 0
    assert server.kills == KILLS
    prove_steps(report)
    # The day was hard: every end but one came about.
    states = count_states(report.fates)
    assert states[State.OPEN] == 0
    assert states[State.COMPLETED] > PAYMENTS // 2
    assert states[State.REVERSED] > 0
    # Some were paid after all, by a correction: these do not stand as expired.
    expired = [one for one in report.fates.values() if is_expired(one)]
    assert expired
    assert sum(report.decided.values()) > 0
    # Which troubles met a payment depends on when the machine came to it.
    assert sum(report.billers.get(name, 0) for name in TROUBLED) > 0
    assert [one for one in report.proofs if not one.ok] == []
