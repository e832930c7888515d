"""The load beside counters: centres that pay for themselves, with or without sessions.

Started by `benchmarks.counter` in a process of its own. Connections are shared out
among the centres, each with its own certificate. With `--signed` the operator of each
centre signs on before the first payment, and every call carries the session, as gRPC's
own clients send it: whole with each call.
"""

import argparse
from pathlib import Path

from benchmarks.client_process import Callers, Count, Load, arguments, report
from benchmarks.counter_network import OPERATOR, key_of, payers
from benchmarks.messages import OWN_PAYMENT, Maker
from switch.client import Client
from switch.credentials import Credentials


class OwnMaker(Maker):
    """Payments of whoever sends them, by its one operator."""

    layout = OWN_PAYMENT
    operators = 1


class OwnLoad(Load):
    """Connections of many centres."""

    def make_maker(self, options: argparse.Namespace) -> Maker:
        """Payments that name no centre."""
        first, seed = options.first, options.seed
        return OwnMaker(options.payload, options.ids, seed=seed, first=first)

    def callers(self, options: argparse.Namespace) -> Callers:
        """The centres, signed on if they are to be."""
        found = []
        for centre in payers(options.centres, is_signed=options.signed):
            credentials = credentials_of(options.tls, centre)
            session = b""
            if options.signed:
                with Client(options.address, credentials) as client:
                    session = client.sign_on(centre, OPERATOR, key_of(centre)).session
            found.append((credentials, session))
        return found

    def figures(self, before: Count, after: Count) -> dict[str, object]:
        """Also when the measurement began and ended, on the clock of all processes, and
        what the server has computed meanwhile.
        """
        return {
            **super().figures(before, after),
            "begin_ns": before.at_ns,
            "end_ns": after.at_ns,
            "server_s": after.server_s - before.server_s,
        }


def credentials_of(tls: Path, centre: str) -> Credentials:
    """A centre's files, as the development authority names them."""
    return Credentials(
        tls / f"centre-{centre}.pem", tls / f"centre-{centre}.key", tls / "ca.pem"
    )


def main() -> None:
    """Run one load."""
    parser = arguments()
    parser.add_argument("--signed", action="store_true", help="with sessions")
    options = parser.parse_args()
    report(OwnLoad(options), options)


if __name__ == "__main__":
    main()
