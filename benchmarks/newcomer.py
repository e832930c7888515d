"""Who comes anew while somebody attacks: how long it takes until it is let in.

    python -m benchmarks.newcomer --address A --tls DIRECTORY --seconds S

Run by `benchmarks.abuse`. A connection of the victim's certificate every fifth of a
second, one after the other, each with its handshake and the server's first frame.
"""

import json
import time

from benchmarks.raw_peer import SETTINGS, EndedError, RawPeer, context_of
from benchmarks.victim import own, parser
from switch.credentials import Credentials

SOURCE = "127.0.0.3"
"""Another machine than the attackers'."""
APART_S = 0.2
PATIENCE_S = 20.0


def come(address: str, credentials: Credentials) -> float:
    """Connect once; how long it took, in milliseconds. Raises EndedError."""
    context = context_of(credentials)
    began_s = time.monotonic()
    peer = RawPeer(address, context, source=SOURCE)
    try:
        while not peer.seen.get(SETTINGS):
            if time.monotonic() - began_s > PATIENCE_S:
                raise EndedError
            peer.pump()
            time.sleep(0.001)
        return (time.monotonic() - began_s) * 1_000
    finally:
        peer.close()


def main() -> None:
    """Come again and again."""
    options = parser().parse_args()
    credentials = own(options.tls)
    end_s = time.monotonic() + options.seconds
    took_ms: list[float] = []
    refused = 0
    while time.monotonic() < end_s:
        try:
            took_ms.append(come(options.address, credentials))
        except EndedError:
            refused += 1
        time.sleep(APART_S)
    most = round(max(took_ms, default=0.0), 1)
    print(json.dumps({"came": len(took_ms), "away": refused, "come_ms": most}))


if __name__ == "__main__":
    main()
