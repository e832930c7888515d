"""Goal: on a thin line (2 Mbit/s, 400 ms there and back) a citizen is served, and what
needs no switch is shown at once.

Method: a proxy between counter and switch that passes on each piece late.
"""

import contextlib
import queue
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.browsing import Browser
from tests.web.world import POWER, World, counting

DELAY_S = 0.2
BYTES_S = 2_000_000 / 8
PAGE_S = 0.3
PAY_S = 4.0
"""A few times there and back, and far less than a biller may take."""
PIECE = 16 << 10


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, DELAY_S later and no faster than BYTES_S."""
    pieces: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def read() -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(PIECE)
            except OSError:
                data = b""
            pieces.put((time.monotonic() + DELAY_S, data))

    threading.Thread(target=read, daemon=True).start()
    while True:
        due_s, data = pieces.get()
        time.sleep(max(0.0, due_s - time.monotonic()) + len(data) / BYTES_S)
        if not data:
            break
        try:
            target.sendall(data)
        except OSError:
            break
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def port_of(listener: socket.socket) -> int:
    """Where it listens."""
    return int(listener.getsockname()[1])


@pytest.fixture
def thin(world: World) -> Iterator[Any]:
    """The switch as it is seen through the line."""
    host, _, port = world.server.address.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = listener.accept()
                theirs = socket.create_connection((host, int(port)))
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    class Seen:
        tls = world.tls
        server = type("At", (), {"address": f"127.0.0.1:{port_of(listener)}"})

    yield Seen
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_citizen_is_served_on_a_thin_line(
    world: World, thin: Any, tmp_path: Path
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
