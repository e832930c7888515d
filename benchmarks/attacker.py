"""Who attacks: a certificate, a time to end, and what came of it."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.messages import centre_code
from benchmarks.raw_peer import EndedError, HeldError, RawPeer, context_of
from switch.credentials import Credentials

ATTACKER = 1
"""A centre with money."""
CONNECTIONS_MAX = 10_000
ROUNDS_LEAST = 10
AGAIN_S = 0.05
"""Between two connections of an attacker that was thrown out."""


class Attack:
    """What an attack has, and what it notes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.address: str = options.address
        self.tls: Path = options.tls
        self.end_s: float = time.monotonic() + options.seconds
        self.asked = 0
        self.connections = 0
        self.ended = 0
        self.held = 0
        """Connections on which the other side took no more, to the end."""
        self.refused = 0
        """Connections that did not come about."""
        self.sent = 0
        """Bytes, payments or calls, as the attack counts; of a flood all it offered."""
        self.first_ended_s: float | None = None
        self.answers: dict[str, int] = {}

    @property
    def goes_on(self) -> bool:
        """Whether its time has not passed, or a busy machine has let it do nothing yet:
        it comes last there.
        """
        self.asked += 1
        return self.asked <= ROUNDS_LEAST or time.monotonic() < self.end_s

    def credentials(self, number: int = ATTACKER) -> Credentials:
        """A centre's."""
        return self.named(f"centre-{centre_code(number)}")

    def named(self, name: str) -> Credentials:
        """Of a file."""
        tls = self.tls
        return Credentials(tls / f"{name}.pem", tls / f"{name}.key", tls / "ca.pem")

    def again(self, body: Callable[[RawPeer], None], window: int) -> None:
        """One connection after another, until the time has passed."""
        context = context_of(self.credentials())
        while self.goes_on and self.connections < CONNECTIONS_MAX:
            began_s = time.monotonic()
            try:
                peer = RawPeer(self.address, context, window)
            except EndedError:
                self.refused += 1
                time.sleep(AGAIN_S)
                continue
            self.connections += 1
            try:
                body(peer)
            except EndedError:
                self.note_end(began_s)
                time.sleep(AGAIN_S)
            except HeldError:
                self.held += 1
            peer.close()

    def note_end(self, began_s: float) -> None:
        """The other side has ended a connection."""
        self.ended += 1
        if self.first_ended_s is None:
            self.first_ended_s = round(time.monotonic() - began_s, 3)

    def said(self) -> dict[str, object]:
        """What the runner is told."""
        names = ["connections", "ended", "held", "refused", "sent"]
        names += ["first_ended_s", "answers"]
        return {name: getattr(self, name) for name in names}
