"""`payswitch day`: a whole hard March day, replayed over the wire and proved.

Begins a ledger with people, if there is none, whose keys it keeps in `people/`: all
that the treasury does is proposed by one of them and approved by another. Starts a
server and forty simulated billers, loads the sample network with every service
confirmed by its biller, tops up every wallet through a simulated bank, whose book and
statements it keeps in `bank/`, and sends the day's payments at their times, SPEED times
faster than life. Billers decline, do not answer and answer late at the sample's rates;
two are gone for an hour and one for good, one is slow, others forget or answer twice,
wrongly or too late, or credit other amounts or too late. Then the billers' lists of the
day end what they have not answered, two people decide what is left, and the settlement
window is closed, settled and paid out by the bank; it proves what came of the day, and
keeps serving. The last line of standard output is one JSON object; standard error has
everything that is not the report.
"""

import argparse
from pathlib import Path

from switch.config import Config
from switch.console.output import Exit, Screen
from switch.day.speed import SPEED

OWN_CENTRES = 120
"""Centres that send under their own certificates when no number is asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `payswitch day`."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="holds ledger/, tls/, people/, bank/, server.log (default: %(default)s)",
    )
    parser.add_argument(
        "--once", action="store_true", help="end after the report; do not keep serving"
    )
    parser.add_argument(
        "--payments", type=int, metavar="N", help="default: as a March day has"
    )
    parser.add_argument(
        "--centres-with-own-certificate",
        dest="own_centres",
        type=int,
        default=OWN_CENTRES,
        metavar="N",
        help="the others are sent for by the harness (default: %(default)s)",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=SPEED,
        metavar="X",
        help="seconds of the day in one second (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=Config().port,
        metavar="PORT",
        help="0 or a taken one: any free port (default: %(default)s)",
    )
    parser.add_argument(
        "--address",
        default="",
        metavar="HOST:PORT,…",
        help="servers that there are, nodes of a cluster, which have the settings of "
        "the pace; DIR/ledger is one's, DIR/tls is theirs. None is started or ended",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the plan (default: 0)"
    )


def run(args: argparse.Namespace, screen: Screen) -> Exit:
    """Replay a day; end with the exit code that the proofs deserve."""
    # Not before: what a day needs, NumPy above all, would be a third of the time that
    # every other command takes to start.
    from switch.day.session import replay

    return replay(args, screen)
