"""`payswitch public`: the page on which anybody checks a receipt, and reads the totals.

Over the wire only, of an identity of its own. What the page needs besides is installed
by the extra `payswitch[counter]`, and asked for only here.
"""

import logging
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from switch.cli.commands import credentials_of
from switch.client import Client
from switch.codes import Role
from switch.console.output import Exit, Screen
from switch.errors import ConfigError

TEXT = "the page on which anybody checks a receipt and reads the totals"
PUBLIC = "public"
"""The participant whose certificate it has if no other is named."""
LISTEN = ("127.0.0.1", 7446)
RETRIES_MAX = 1
"""A citizen rather hears that it cannot be checked now than waits."""
TIMEOUT_S = 5.0


def _to_listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal():
        raise ArgumentTypeError(f"not host:port: {text[:64]!a}")
    if int(port) > 65_535:
        raise ArgumentTypeError(f"there is no port {port[:16]}")
    return host, int(port)


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "--listen",
        type=_to_listen,
        default=LISTEN,
        metavar="HOST:PORT",
        help=f"where browsers reach it (default: {LISTEN[0]}:{LISTEN[1]}; 0: any port)",
    )
    command.add_argument(
        "--name",
        action="append",
        default=[],
        dest="names",
        metavar="HOST",
        help="what browsers call it, also several (default: where it listens)",
    )
    command.add_argument(
        "--proxy",
        action="append",
        default=[],
        dest="proxies",
        metavar="ADDRESS",
        help="of a proxy in front of it, which says by X-Forwarded-For who asks",
    )
    command.add_argument(
        "--certificate", type=Path, metavar="FILE", help="of the page, for https"
    )
    command.add_argument("--key", type=Path, metavar="FILE", help="of that certificate")
    command.add_argument(
        "--write",
        type=Path,
        metavar="DIR",
        help="serve nothing: write the totals into this folder as HTML, CSV and JSON",
    )
    command.add_argument(
        "--check",
        default="",
        metavar="URL",
        help="with --write: where its pages say that receipts are checked",
    )


def public(args: Namespace, screen: Screen) -> Exit:
    """Serve the page, or write the totals."""
    try:
        from switch.web.public.serving import Settings, serve
    except ImportError as error:
        raise ConfigError(
            f"the page needs {error.name}: install payswitch[counter]"
        ) from error
    if args.write is not None:
        return _write(args, screen)
    host, port = args.listen
    settings = Settings(
        host=host,
        port=port,
        names=args.names,
        proxies=args.proxies,
        certificate=args.certificate,
        key=args.key,
    )

    def ready(address: str) -> None:
        if screen.as_json:
            screen.value({"address": address})
        else:
            screen.note(f"payswitch: receipts are checked at {address}")

    # What it logs is counts and causes, never what somebody asked.
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    with _open_client(args) as client:
        serve(settings, client, ready)
    return Exit.DONE


def _open_client(args: Namespace) -> Client:
    role, participant = args.identity or (Role.PUBLIC, PUBLIC)
    credentials = credentials_of(args.tls, role, participant)
    return Client(
        args.address.split(","),
        credentials,
        retries_max=RETRIES_MAX,
        timeout_s=TIMEOUT_S,
    )


def _write(args: Namespace, screen: Screen) -> Exit:
    from switch.web.public.book import read_book
    from switch.web.public.site import make_site
    from switch.web.public.writing import write_site

    with _open_client(args) as client:
        book = read_book(client)
    files = make_site(book, check=args.check)
    is_new = write_site(files, args.write)
    told = {of: as_of.sequence for of, as_of in book.as_of.items()}
    if screen.as_json:
        value = {"folder": str(args.write), "files": len(files), "new": is_new}
        screen.value({**value, "as_of_sequence": told})
    else:
        done = "written" if is_new else "there already"
        screen.line(f"{args.write}: {len(files)} files {done}")
        for of, sequence in told.items():
            screen.line(f"  {of}: to entry {sequence}")
    return Exit.DONE
