"""Goal: on a thin line (2 Mbit/s, 400 ms there and back) a citizen is served, and what
needs no switch is shown at once.

Method: a proxy between counter and switch that passes on each piece late.
"""

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.harness import CALL_S, until
from tests.web.browsing import Browser
from tests.web.slow_line import SlowLine
from tests.web.world import POWER, World, counting

PAGE_S = 0.3
PAY_S = 4.0
"""A few times there and back, and far less than a biller may take."""


@pytest.fixture
def thin(world: World) -> Iterator[SlowLine]:
    """The switch as it is seen through the line."""
    with SlowLine(world, delay_s=0.2, bytes_per_s=2_000_000 / 8) as line:
        yield line


def test_nothing_is_begun_half_a_second_after_the_line_was_cut(
    world: World, tmp_path: Path
) -> None:
    world.serve()
    with (
        SlowLine(world, delay_s=0.0, bytes_per_s=1e9) as line,
        counting(line, tmp_path) as counter,
        Browser(counter.address) as browser,
    ):
        browser.sign_on()
        browser.fetch(POWER, "600000004")
        path, lines = browser.path, browser.lines
        line.cut()
        time.sleep(0.5)
        assert browser.pay().status_code == 503
        assert "Nothing was sent: take no cash" in browser.text
        assert counter.moves() == []
        line.mend()
        until(
            lambda: (
                browser.send(f"{path}/pay", line=0, cash="=", **lines).status_code
                != 503
            )
        )
        browser.settled("paid")
        assert len(counter.moves()) == 1


def test_a_line_outlives_a_switch_that_begins_again(world: World) -> None:
    """Somebody knocks at each moment of it, and finds the switch afterwards."""
    has_begun = threading.Event()

    def knock() -> None:
        while not has_begun.wait(0.01):
            socket.create_connection(address).close()

    with SlowLine(world, delay_s=0.0, bytes_per_s=1e9) as line:
        host, _, port = line.switch_address.rpartition(":")
        address = (host, int(port))
        knocks = threading.Thread(target=knock)
        knocks.start()
        world.restart()
        has_begun.set()
        knocks.join()
        with socket.create_connection(address, CALL_S) as far:
            far.sendall(b"This is no TLS: it is turned away, by the switch.")
            far.recv(1)


def test_a_citizen_is_served_on_a_thin_line(
    world: World, thin: SlowLine, tmp_path: Path
) -> None:
    world.serve()
    with counting(thin, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()
        times = []
        for path in (
            "/",
            "/?q=bil",
            "/services?q=bidyut",
            f"/service/{POWER}",
            "/shift",
        ):
            tries = []
            for _ in range(3):
                begun_s = time.monotonic()
                browser.get(path)
                tries.append(time.monotonic() - begun_s)
            times.append(min(tries))
        # The best, of most of them: they meet a machine that is full of others' tests.
        assert statistics.median(times) < PAGE_S, times
        tries = []
        for reference in ("600000001", "600000002", "600000003"):
            browser.fetch(POWER, reference)
            begun_s = time.monotonic()
            browser.http.follow_redirects = False
            reply = browser.pay("1000")
            tries.append(time.monotonic() - begun_s)
            browser.http.follow_redirects = True
            if tries[-1] < PAY_S:
                break
        assert min(tries) < PAY_S, tries
        browser.get(reply.headers["location"])
        assert browser.outcomes[0] in ("sending", "paid")
        browser.settled("paid")
        assert "Give back change: ₹50.00" in browser.text
