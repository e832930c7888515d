"""Billers in C for a load of bills: they credit whatever they are asked to, at once.

    python -m benchmarks.billers --address HOST:PORT --tls DIRECTORY NAME...

A biller of `payswitch biller` takes as much of the processor as the switch does for a
payment; these take about a microsecond, so that what is measured is the switch. They
keep as strict books: an id is credited once, and a bill that two ids pay is counted.
Prints what they did as JSON; ends with SIGTERM.
"""

import argparse
import json
import signal
import threading
from pathlib import Path

from benchmarks import _client
from benchmarks._client import CheckError
from switch.authority.development import DevAuthority
from switch.codes import Role


def main() -> None:
    """Answer until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="participants")
    parser.add_argument("--address", required=True)
    parser.add_argument("--tls", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=1, help="of each")
    options = parser.parse_args()
    billers = _client.Billers()
    signal.signal(signal.SIGTERM, lambda *_: billers.stop())
    authority = DevAuthority(options.tls)
    for name in options.names:
        credentials = authority.leaf(Role.BILLER, name)
        for _ in range(options.connections):
            billers.dial(options.address, credentials)
    failures: list[CheckError] = []

    def serve() -> None:
        try:
            billers.serve()
        except CheckError as error:
            failures.append(error)

    # Signals are for the main thread, which must be in Python to hear them.
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    print(json.dumps(billers.counts()), flush=True)
    if failures:
        raise SystemExit(f"the billers: {failures[0]}")


if __name__ == "__main__":
    main()
