"""Counters that share a process: each is what `payswitch counter` runs otherwise.

Started by `benchmarks.counter`. Each has its own centre, certificate, connection,
disk, port and server of HTTP, made by the product's own functions. What they share is
Python: one interpreter, one event loop, one pool of threads, so that a page waits for
the other nineteen, which at a real counter it does not. One line of JSON has the
addresses by centre; SIGTERM ends it.
"""

import argparse
import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn

from switch.web.counter.arguments import add_arguments
from switch.web.counter.command import listen, make_desk, serving


class Server(uvicorn.Server):
    """One of several in a process, which has the signals to itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield


async def serve(servers: list[tuple[Server, list[socket.socket]]]) -> None:
    """All of them, until SIGTERM."""

    def end() -> None:
        for server, _ in servers:
            server.should_exit = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    await asyncio.gather(*(server.serve(sockets) for server, sockets in servers))


def main() -> None:
    """Serve the pages of some centres."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--tls", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("centres", nargs="+")
    options = parser.parse_args()
    counter = argparse.ArgumentParser()
    add_arguments(counter)
    told = ["--address", options.address, "--tls", options.tls, "--language", "en"]
    servers, addresses = [], {}
    with ExitStack() as all_:
        for centre in options.centres:
            own = ["--data", str(options.data), "--port", "0", *told]
            listener, addresses[centre] = listen(0)
            all_.enter_context(listener)
            desk = make_desk(counter.parse_args([centre, *own]))
            all_.callback(desk.line.close)
            all_.enter_context(desk.till)
            servers.append((Server(serving(desk, listener)), [listener]))
        print(json.dumps(addresses), flush=True)
        asyncio.run(serve(servers))


if __name__ == "__main__":
    main()
