"""Goal: a power cut, a kill or a lost line at any moment leads to the same payment: the
cash that was taken pays once, or is known not to have paid.

Method: the counter dies at each sync of its disk between the form and the answer, by
strace; the switch does not read, dies, or comes back later; and a new counter is
started on the same folder.
"""

import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from switch.web.counter import desk
from tests.server.harness import until
from tests.stopped import stop
from tests.web.browsing import Browser
from tests.web.world import POWER, Counter, World, answering_later, counting

_numbers = iter(range(700_000_001, 1 << 30))
SYNCS_BEGINNING = 2
"""Of the payment's file and of its name: before them nothing may be sent."""


def reference() -> str:
    """One that nobody has paid for."""
    return str(next(_numbers))


def paid(world: World, owed: str) -> list[Any]:
    """The payments of a reference."""
    return [one for one in world.payments() if owed in one.reference]


@pytest.fixture(autouse=True)
def _served(world: World) -> None:
    world.serve()


def kill_at(counter: Counter, sync: int, log: Path) -> "subprocess.Popen[bytes]":
    """Have the counter die as its next sync but so many begins."""
    tracer = subprocess.Popen(
        [
            *("strace", "-f", "-qq", "-p", str(counter.process.pid), "-o", str(log)),
            *("-e", "trace=fsync,rename"),
            *("-e", f"inject=fsync:signal=SIGKILL:when={sync}"),
        ]
    )
    status = Path(f"/proc/{counter.process.pid}/status")
    until(lambda: "TracerPid:\t0" not in status.read_text())
    return tracer


@pytest.mark.parametrize("sync", [1, 2])
def test_it_dies_as_it_begins(world: World, tmp_path: Path, sync: int) -> None:
    owed = reference()
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        browser.fetch(POWER, owed)
        tracer = kill_at(counter, sync, tmp_path / "trace")
        with pytest.raises(httpx.TransportError):
            browser.pay("1000")
        assert counter.wait() == -signal.SIGKILL
        tracer.wait(60)
        assert not paid(world, owed), "sent before it was on disk"
        counter.start()
        with Browser(counter.address) as again:
            again.sign_on()
            left = [one["id"] for one in counter.moves()]
            if left:
                again.get(f"/payment/{left[0]}")
            else:
                # It died before it was whole: nothing was sent, and nothing is.
                assert sync == 1
                again.fetch(POWER, owed)
                again.pay("1000")
            assert again.settled("paid") == "paid"
            assert "Give back change: ₹50.00" in again.text
    assert len(paid(world, owed)) == 1


@pytest.mark.parametrize("sync", [1, 2])
def test_it_dies_as_it_learns(world: World, tmp_path: Path, sync: int) -> None:
    owed = reference()
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        browser.fetch(POWER, owed)
        # Its payment is on the way, and the switch answers once it is allowed to.
        answers = threading.Event()
        world.serve(answering_later(answers))
        browser.pay("1000")
        stop(world.server.pid)
        answers.set()
        tracer = kill_at(counter, sync, tmp_path / "trace")
        world.server.process.send_signal(signal.SIGCONT)
        assert counter.wait() == -signal.SIGKILL
        tracer.wait(60)
        assert len(paid(world, owed)) == 1
        counter.start()
        with Browser(counter.address) as again:
            again.sign_on()
            again.get(browser.path)
            assert again.settled("paid") == "paid"
            assert "Give back change: ₹50.00" in again.text
    assert len(paid(world, owed)) == 1


def test_nothing_is_sent_before_it_is_on_disk(world: World, tmp_path: Path) -> None:
    owed = reference()
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        browser.fetch(POWER, owed)
        log = tmp_path / "trace"
        tracer = subprocess.Popen(
            [
                *("strace", "-f", "-qq", "-p", str(counter.process.pid)),
                *("-o", str(log), "-e", "trace=fsync,rename,sendto,sendmsg,write"),
            ]
        )
        status = Path(f"/proc/{counter.process.pid}/status")
        until(lambda: "TracerPid:\t0" not in status.read_text())
        browser.pay()
        browser.settled("paid")
        tracer.terminate()
        tracer.wait(60)
    calls = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    syncs = [at for at, one in enumerate(calls) if one == "fsync"]
    sends = [at for at, one in enumerate(calls) if one in ("sendmsg", "sendto")]
    # Its file, then its name, and only then anything leaves for the switch.
    begun = syncs[SYNCS_BEGINNING - 1]
    to_switch = [at for at in sends if at > begun]
    assert "rename" in calls[syncs[0] : begun]
    assert to_switch
    assert len(paid(world, owed)) == 1


def test_the_line_is_lost_and_comes_back(world: World, tmp_path: Path) -> None:
    owed = reference()
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        browser.fetch(POWER, owed)
        answers = threading.Event()
        world.serve(answering_later(answers))
        browser.pay()
        # The switch has the connection, and reads nothing any more.
        stop(world.server.pid)
        answers.set()
        where = browser.path
        assert browser.settled("sending", "offline")
        assert "Do not take money again, do not return it" in browser.text
        counter.kill()
        counter.start()
        world.server.process.send_signal(signal.SIGCONT)
        with Browser(counter.address) as again:
            again.sign_on()
            again.get("/")
            again.get(where)
            again.settled("paid")
    assert len(paid(world, owed)) == 1


def test_the_switch_dies_with_the_payment_on_its_way(
    world: World, tmp_path: Path
) -> None:
    owed = reference()
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        browser.fetch(POWER, owed)
        answers = threading.Event()
        world.serve(answering_later(answers))
        browser.pay()
        stop(world.server.pid)
        answers.set()
        where = browser.path

        def meanwhile() -> None:
            browser.get(where)
            browser.settled("offline")
            assert "there is no line" in browser.text
            assert 'data-line="down"' in browser.text
            # The strip of a page that showed the outcome as a part follows at once.
            part = browser.http.get(f"{where}/state", params={"seen": "sending"})
            assert 'data-outcome="offline"' in part.text
            assert part.headers["HX-Trigger"] == desk.SHOWN
            strip = browser.http.get("/line", params={"line": "up"})
            assert 'data-line="down"' in strip.text
            # And nothing is told of complaints, whatever was known a moment ago.
            assert "data-open" not in browser.http.get("/complaints/count").text
            # Nobody begins another of the same, nor anything else.
            browser.get("/")
            assert "unfinished" in browser.text

        world.restart(meanwhile=meanwhile)
        world.serve()
        browser.get(where)
        browser.settled("paid")
    assert len(paid(world, owed)) == 1


def test_a_form_of_before_a_restart_does_nothing(world: World, tmp_path: Path) -> None:
    owed = reference()
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        browser.fetch(POWER, owed)
        path, token = browser.path, browser.token
        counter.kill()
        counter.start()
        fields = {"token": token, "line": "0", "cash": "="}
        reply = browser.http.post(f"{path}/pay", data=fields)
        assert reply.status_code == 403
        assert "form" in reply.text
        browser.sign_on()
        browser.get("/operator")
        assert browser.send(f"{path}/pay", line=0, cash="=").status_code == 410
        assert "nothing was paid by this form" in browser.text
        assert counter.moves() == []
    assert not paid(world, owed)


def test_a_refusal_that_was_told_is_never_sent_again(
    world: World, tmp_path: Path
) -> None:
    owed = reference()
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        browser.fetch(POWER, owed)
        path = browser.path
        # Another counter pays the bill meanwhile.
        elsewhere = counting(world, tmp_path / "other")
        with elsewhere as second, Browser(second.address) as other:
            other.sign_on(4)
            other.fetch(POWER, owed)
            other.pay()
            other.settled("paid")
        browser.get(path)
        browser.pay()
        assert browser.settled("refused", "not-paid")
        assert "Not paid. Return the cash" in browser.text
        where = browser.path
        counter.kill()
        counter.start()
        with Browser(counter.address) as again:
            again.sign_on()
            again.get(where)
            assert again.settled("refused", "not-paid")
    assert len(paid(world, owed)) == 1
