"""A slow line between a counter and its switch: a proxy on loopback that passes on each
piece late, no faster than a line of that rate, and that can be cut.
"""

import contextlib
import queue
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.web.world import World

PIECE_BYTES_MAX = 16 << 10


class SlowLine:
    """The switch of a world, as a counter far away sees it; a context manager."""

    def __init__(self, world: World, *, delay_s: float, bytes_per_s: float) -> None:
        """`delay_s` is the time of one way, so half of what there and back takes."""
        self._world = world
        self._delay_s, self._bytes_per_s = delay_s, bytes_per_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._mutex = threading.Lock()
        self.is_cut = False
        """Whether nothing passes: what comes is turned away at once."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def tls(self) -> Path:
        """Where the certificates are."""
        return self._world.tls

    @property
    def switch_address(self) -> str:
        """Where a counter reaches the switch through this line."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Cut the line: connections end now, and others are turned away."""
        self.is_cut = True
        self._end_connections()

    def mend(self) -> None:
        """Have the line pass on again."""
        self.is_cut = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_connections()

    def _end_connections(self) -> None:
        with self._mutex:
            sockets, self._sockets = self._sockets, []
        for end in sockets:
            _close(end)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        host, _, port = self._world.switch_address.rpartition(":")
        if self.is_cut:
            near.close()
            return
        try:
            far = socket.create_connection((host, int(port)))
        except OSError:
            # The switch is down.
            near.close()
            return
        with self._mutex:
            self._sockets += [near, far]
        for pair in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on what comes, the delay later and no faster than the line's rate."""
        pieces: queue.Queue[tuple[float, bytes]] = queue.Queue()

        def read() -> None:
            data = b"-"
            while data:
                try:
                    data = source.recv(PIECE_BYTES_MAX)
                except OSError:
                    data = b""
                pieces.put((time.monotonic() + self._delay_s, data))

        threading.Thread(target=read, daemon=True).start()
        while True:
            due_s, data = pieces.get()
            wait_s = max(0.0, due_s - time.monotonic())
            time.sleep(wait_s + len(data) / self._bytes_per_s)
            if not data:
                break
            try:
                target.sendall(data)
            except OSError:
                break
        _close(source)
        _close(target)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
