"""A server of C that does nothing but answer: how much the load client itself can do.

    python -m benchmarks.sink --tls DIRECTORY --mode unary --payload 1

The same frames and mutual TLS as the switch's, and made-up answers at once. Prints its
address as JSON; ends with SIGTERM.
"""

import argparse
import json
import signal
import socket
import threading
from pathlib import Path

from benchmarks import _client
from benchmarks.client_process import METHODS, QUESTION, STREAMS
from benchmarks.messages import PAYMENT, places
from switch.authority.certificates import server_credentials

BACKLOG = 1_024


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", type=Path, required=True)
    parser.add_argument("--mode", choices=sorted(METHODS), required=True)
    parser.add_argument("--payload", type=int, default=1)
    options = parser.parse_args()
    asks = {"get": _client.PAYMENT_STATE, "empty": _client.NOTHING}
    at = places(QUESTION if options.mode == "get" else PAYMENT)
    sink = _client.Sink(
        server_credentials(options.tls),
        payload=options.payload,
        item=at["item"],
        id=at["id"],
        asks=asks.get(options.mode, _client.PAYMENTS),
        is_stream=options.mode in STREAMS,
    )
    signal.signal(signal.SIGTERM, lambda *_: sink.stop())
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        print(json.dumps({"address": address}), flush=True)
        # Signals are for the main thread, which must be in Python to hear them.
        thread = threading.Thread(target=sink.serve, args=(listener.fileno(),))
        thread.start()
        thread.join()


if __name__ == "__main__":
    main()
