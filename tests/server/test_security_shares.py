"""Goal: nobody pushes an act of the treasury out of the security log, and of others
each has its share of what may wait.

Method: the log alone, with a clock that the test moves and a disk that refuses; what an
observer makes of who asks.
"""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server.observer import Observer
from server.security_log import OWN_ACTS_MAX
from server.status import NotFoundError
from switch.codes import Role
from switch.ids import new_id
from switch.register.identity import Identity
from switch.v1 import counter_pb2
from tests.server.kept_log import Full, Kept


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "log")


def test_nobody_pushes_an_act_of_the_treasury_out(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Centres have a queue of their own, and each a share of it."""
    disk = Full(monkeypatch, 0)
    kept.log.act("act", method="TopUp")
    for at in range(3 * OWN_ACTS_MAX):
        kept.log.others_act("centre/a", "act", number=at)
    kept.log.others_act("centre/b", "act", number=7)
    kept.log.write()
    assert kept.log.lost_count == 2 * OWN_ACTS_MAX
    disk.room = 1 << 30
    kept.log.write()
    first, *others = kept.lines()
    assert first["method"] == "TopUp"
    assert len(others) == OWN_ACTS_MAX + 1
    assert {"centre/a", "centre/b"} == {one["participant"] for one in others}
    # And all have their share again.
    kept.log.others_act("centre/a", "act", number=8)
    kept.log.write()
    assert kept.lines()[-1]["number"] == 8


@pytest.mark.parametrize("role", [Role.CENTRE, Role.HARNESS, Role.AUDITOR])
def test_the_treasury_alone_is_in_its_queue(kept: Kept, role: Role) -> None:
    observer = Observer(kept.log)
    peer: Any = SimpleNamespace(peer=lambda: "127.0.0.1:1")
    request = counter_pb2.CancelPaymentRequest(id=new_id())
    done = counter_pb2.CancelPaymentResponse(sequence=7)
    for who in (role, Role.TREASURY):
        caller = Identity(who, "somebody", 1)
        observer.acted("/a/CancelPayment", caller, request, done, None, peer)
    assert [one["participant"] for one in kept.log._acts] == ["treasury/somebody"]
    assert [one["participant"] for one in kept.log._others] == [
        f"{role.name.lower()}/somebody"
    ]
    # Whoever is refused has done nothing; one of the treasury is a line all the same.
    for who in (Role.CENTRE, Role.TREASURY):
        caller = Identity(who, "somebody", 1)
        refused = NotFoundError("it is another's, or not there")
        observer.acted("/a/CancelPayment", caller, request, None, refused, peer)
    assert (len(kept.log._acts), len(kept.log._others)) == (2, 1)


def test_acts_of_others_are_counted_on_a_full_day(tmp_path: Path) -> None:
    kept = Kept(tmp_path, most=64 << 10)
    count = 0
    while kept.log._size < 62 << 10:
        count += 1
        kept.log.others_act("centre/a", "act", text="x" * 100)
        kept.log.write()
    for _ in range(1_000):
        kept.log.others_act("centre/a", "act", text="x" * 100)
    kept.log.write()
    kept.log.act("act", method="TopUp")
    kept.pass_minute()
    assert kept.log._size < 65 << 10
    assert kept.log.lost_count == 0
    lines = kept.lines()
    assert [one["event"] for one in lines[-2:]] == ["act", "acts"]
    assert lines[-2]["method"] == "TopUp"
    listed = sum(one.get("participant") == "centre/a" for one in lines)
    assert listed + lines[-1]["count"] == count + 1_000
    kept.pass_minute()
    assert kept.lines() == lines


def test_the_treasury_has_as_much_of_a_day_as_all_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept(tmp_path, most=64 << 10)
    for _ in range(900):
        kept.log.act("act", text="x" * 100)
        kept.log.write()
    assert 127 << 10 < kept.log._size <= 128 << 10
    assert kept.log.lost_count > 0
    assert len(kept.lines()) + kept.log.lost_count == 900
    assert caplog.text.count("ALARM: the security log of this day is full") == 1
    kept.now += timedelta(days=1).total_seconds()
    kept.log.act("act", method="TopUp")
    kept.log.write()
    assert kept.lines()[-1]["method"] == "TopUp"
