"""Another centre, that pays as ever while somebody attacks: what it sees of it.

    python -m benchmarks.victim --address A --tls DIRECTORY --seconds S

Run by `benchmarks.abuse`. Payments by chance at a rate, on two connections; a latency
runs from when one was due. Whatever is refused, reset or unanswered is told.
"""

import argparse
import gc
import json
from pathlib import Path

from benchmarks import _client
from benchmarks._client import CheckError
from benchmarks.arrivals import Arrivals
from benchmarks.attacks import OwnMaker
from benchmarks.client_process import METHODS
from benchmarks.histogram import Histogram
from benchmarks.messages import centre_code, places
from switch.credentials import Credentials

VICTIM = 0
"""The centre's number."""
CONNECTIONS = 2
OUTSTANDING = 10_000
"""A bound that a server in time never meets."""
DRAIN_NS = 10_000_000_000
HEAD_NS = 200_000_000
"""Not measured: the first payments."""


def parser() -> argparse.ArgumentParser:
    """What whoever acts as the victim is told: a server, a directory, how long."""
    found = argparse.ArgumentParser()
    found.add_argument("--address", required=True)
    found.add_argument("--tls", type=Path, required=True)
    found.add_argument("--seconds", type=float, required=True)
    return found


def own(tls: Path) -> Credentials:
    """The victim's."""
    name = f"centre-{centre_code(VICTIM)}"
    return Credentials(tls / f"{name}.pem", tls / f"{name}.key", tls / "ca.pem")


def suffer(options: argparse.Namespace) -> dict[str, object]:
    """Pay for so long; what became of it. Raises CheckError."""
    maker = OwnMaker(1, centre=VICTIM, first=options.first)
    client = _client.Client(
        options.address,
        own(options.tls),
        METHODS["unary"],
        connections=CONNECTIONS,
        outstanding=OUTSTANDING,
        payload=1,
        **places(maker.layout),
    )
    start_ns = _client.now_ns()
    end_ns = start_ns + HEAD_NS + round(options.seconds * 1e9)
    arrivals = Arrivals(options.rate, start_ns, options.first)
    client.measure(start_ns + HEAD_NS, end_ns)
    client.end(end_ns)
    found = _client.EMPTY
    while found != _client.DONE and _client.now_ns() < end_ns + DRAIN_NS:
        if found == _client.EMPTY:
            block = maker.take(1 << 30)
            client.supply(block, arrivals.take(len(block) // maker.size))
        found = client.run(end_ns + DRAIN_NS)
    counts = client.counts()
    refused = sum(client.refused().values()) + sum(client.statuses().values())
    refused += counts["resets"] + counts["unanswered"]
    quantiles = Histogram.of(*client.latencies()).quantiles_ms()
    return {
        "payments": counts["payments"],
        "refused": refused,
        "said": client.last_status,
        **quantiles,
    }


def main() -> None:
    """Suffer once."""
    told = parser()
    told.add_argument("--rate", type=float, default=200.0)
    told.add_argument("--first", type=int, required=True, help="bill")
    options = told.parse_args()
    gc.disable()
    try:
        said = suffer(options)
    except CheckError as error:
        # Thrown out, which is what must not happen to it.
        said = {"payments": 0, "refused": 1, "said": str(error)}
        said |= Histogram().quantiles_ms()
    print(json.dumps(said))


if __name__ == "__main__":
    main()
