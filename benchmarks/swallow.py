"""A dummy port: takes what attackers send and throws it away, at once.

    python -m benchmarks.swallow --tls DIRECTORY

The yardstick of `benchmarks.abuse`: what an attacker takes from others by the processor
time that it and any reader of it use. Mutual TLS; opens every window; answers nothing.
"""

import argparse
import asyncio
import json
import signal
import ssl
from pathlib import Path

import uvloop

from benchmarks.raw_peer import SETTINGS, WINDOW_UPDATE, frame
from switch.authority.certificates import server_credentials

READ_SIZE = 1 << 18
BACKLOG = 1_024
WINDOW = (1 << 31) - 1 - 65_535
HELLO = frame(SETTINGS, 0, 0, b"\0\x04\x7f\xff\xff\xff")
HELLO += frame(WINDOW_UPDATE, 0, 0, WINDOW.to_bytes(4, "big"))


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        writer.write(HELLO)
        while await reader.read(READ_SIZE):
            pass
    except OSError:
        pass
    finally:
        writer.close()


async def serve(tls: Path) -> None:
    """Serve until SIGTERM."""
    files = server_credentials(tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    context.load_verify_locations(files.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    server = await asyncio.start_server(
        swallow, "127.0.0.1", 0, ssl=context, backlog=BACKLOG, limit=READ_SIZE
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
    await stop.wait()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", type=Path, required=True)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.tls))


if __name__ == "__main__":
    main()
