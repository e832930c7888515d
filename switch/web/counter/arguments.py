"""What `payswitch counter` is told; read where nothing of the page is installed."""

import argparse
from pathlib import Path

from switch.config import Config
from switch.console.print_record import COUNTER_DATA

HOST = "127.0.0.1"
"""The page is this computer's own: it listens nowhere else."""
PORT = 7480


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `payswitch counter`."""
    config = Config()
    add = parser.add_argument
    add("centre", metavar="CENTRE", help="participant id, as in the certificate")
    add("--address", default=config.address, help="host:port (default: %(default)s)")
    add(
        "--tls",
        type=Path,
        default=config.tls_dir,
        metavar="DIR",
        help="directory of the certificates (default: %(default)s)",
    )
    add(
        "--data",
        type=Path,
        default=COUNTER_DATA,
        metavar="DIR",
        help="what the counter has begun, and its operators' keys, below a folder for "
        "the centre (default: %(default)s)",
    )
    add(
        "--port",
        type=int,
        default=PORT,
        metavar="N",
        help=f"on {HOST}; 0 for any that is free (default: %(default)s)",
    )
    add(
        "--printer",
        default="",
        metavar="TO",
        help="roll of 58 mm: HOST:9100, a device or a file (default: the browser's)",
    )
    add(
        "--check-base",
        default="",
        metavar="URL",
        help="of the public check, for the squares on papers",
    )
    add(
        "--enrol",
        type=int,
        default=0,
        metavar="N",
        help="make operator N's key under a PIN, print its public half, and end",
    )
    add(
        "--training",
        action="store_true",
        help="for practice against a switch with simulated billers, in a folder of its "
        "own; each page says that nothing is real",
    )
    add(
        "--language",
        dest="first_language",
        choices=("bn", "en"),
        default="bn",
        help="that a page begins with (default: %(default)s)",
    )
