"""A proxy of TCP that ends, or holds, a connection at the moment that a test names.

A trap is set on bytes of what a client sends; it is sprung once. What comes before it
on the same connection, and later connections, pass.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

WAIT_S = 30.0
"""After which something else is wrong."""


class Cut(Enum):
    """What happens to the connection on which a trap is sprung."""

    BEFORE = auto()  # ended, and what was sent does not arrive
    AFTER = auto()  # what was sent arrives; ended when it is answered
    DEAF = auto()  # held, and nothing arrives any more
    MUTE = auto()  # held; what was sent arrives, no answer does


class Proxy:
    """In front of one server; it can also be like a network that is gone."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._traps: list[tuple[bytes, Cut]] = []
        self._held: list[socket.socket] = []
        self._holds = threading.Event()
        self._ends = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def hold(self) -> None:
        """From now on nothing is carried either way, nor is anything ended."""
        self._holds.set()

    def heal(self) -> None:
        """All that was held goes on, with nothing lost."""
        self._holds.clear()

    def trap(self, *traps: tuple[bytes, Cut]) -> None:
        """Set these, to be sprung in this order."""
        self._traps.extend(traps)

    @property
    def sprung(self) -> bool:
        """Whether none is left."""
        return not self._traps

    def end(self) -> None:
        self._ends = True
        for thread in self._threads:
            thread.join(WAIT_S)
        for one in (self._listener, *self._held):
            one.close()

    def _accept(self) -> None:
        self._listener.settimeout(0.05)
        while not self._ends:
            with contextlib.suppress(TimeoutError):
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._carry, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _carry(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            server = socket.create_connection(self._server)
            self._held += [client, server]
            self._carry_between(client, server)

    def _carry_between(self, client: socket.socket, server: socket.socket) -> None:
        cut: Cut | None = None
        # Not `select`: a process of many tests may have more than 1,024 files open.
        with selectors.DefaultSelector() as ears:
            for one in (client, server):
                ears.register(one, selectors.EVENT_READ, one)
            while not self._ends:
                if self._holds.is_set():
                    time.sleep(0.01)
                    continue
                for one in [key.data for key, _ in ears.select(0.05)]:
                    data = one.recv(1 << 20)
                    if one is client and cut is None and data:
                        cut = self._sprung(data)
                    if (
                        not data
                        or cut is Cut.BEFORE
                        or (one is server and cut is Cut.AFTER)
                    ):
                        for end in (client, server):
                            with contextlib.suppress(OSError):
                                end.shutdown(socket.SHUT_RDWR)
                        return
                    if one is server and cut is Cut.MUTE:
                        continue
                    if cut is Cut.DEAF:
                        for each in list(ears.get_map().values()):
                            ears.unregister(each.fileobj)
                        break
                    (server if one is client else client).sendall(data)

    def _sprung(self, data: bytes) -> Cut | None:
        if self._traps and self._traps[0][0] in data:
            return self._traps.pop(0)[1]
        return None


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """In front of this port, for the time of the block."""
    made = Proxy(port)
    try:
        yield made
    finally:
        made.end()


def until(condition: object, wait_s: float = WAIT_S) -> None:
    """Until a callable says something that is true."""
    end = time.monotonic() + wait_s
    assert callable(condition)
    while not condition():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.01)
