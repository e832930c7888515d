"""`payswitch counter`: serve one centre's page on loopback until told to end."""

import argparse
import json
import logging
import socket
from pathlib import Path

import uvicorn

from switch.console.print_record import PrintRecord, counter_folder
from switch.console.terminal import ask_secret
from switch.errors import ConfigError, UsageError
from switch.web.assets import Assets
from switch.web.counter import catalogue, complaint_book, start_secret
from switch.web.counter.app import ASSETS, FOLDER, make_app
from switch.web.counter.arguments import HOST
from switch.web.counter.desk import Desk
from switch.web.counter.line import Line, credentials_in
from switch.web.counter.pins import PinStore
from switch.web.counter.printing import Printer
from switch.web.counter.settle import Settler
from switch.web.counter.till import Till, make_folder
from switch.web.listening import send_at_once
from switch.web.sessions import Sessions
from switch.web.shown import make_templates

CONCURRENCY_MAX = 64
"""Requests at a time; more are turned away."""
WITHOUT_TERMINAL = (
    "run it at the counter's own keyboard: a PIN is in no file and no command"
)
HEAD_MAX = 16 << 10
"""Bytes of a request's head."""


def make_desk(args: argparse.Namespace) -> Desk:
    """The counter that the arguments describe. Raises ConfigError."""
    mode = "training" if args.training else "counter"
    folder = _folder(args)
    make_folder(folder)
    line = Line(args.address, credentials_in(args.tls, args.centre))
    till = Till(folder / "till", f"{mode} {args.centre}")
    sessions = Sessions(args.first_language)
    path = folder / "catalogue.json"
    return Desk(
        centre=args.centre,
        is_training=args.training,
        till=till,
        line=line,
        settler=Settler(till, line, sessions.has_operator),
        sessions=sessions,
        templates=make_templates(FOLDER / "templates"),
        assets=Assets(ASSETS),
        pins=PinStore(folder / "operators", args.centre),
        secret=start_secret.load(folder),
        printer=Printer(args.printer, args.check_base),
        catalogue_path=path,
        catalogue=catalogue.load(path),
        printed=PrintRecord(folder),
        complaints=complaint_book.load(folder / "complaints.json"),
    )


def enrol(args: argparse.Namespace) -> int:
    """Make an operator's key; prints what the register is to have.

    Raises UsageError for what is no PIN, or was typed in two ways.
    """
    pin = ask_secret(f"PIN of operator {args.enrol}: ", WITHOUT_TERMINAL)
    if ask_secret("The same again: ", WITHOUT_TERMINAL) != pin:
        raise UsageError("the two are not the same: nothing was made")
    try:
        public = PinStore(_folder(args) / "operators", args.centre).enrol(
            args.enrol, pin
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(json.dumps({"operator": args.enrol, "key": public.hex()}), flush=True)
    return 0


def _folder(args: argparse.Namespace) -> Path:
    return counter_folder(args.data, args.centre, is_training=args.training)


def serve(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; prints one line of JSON once it does.

    With `--enrol` it makes a key instead. Raises ConfigError, UsageError.
    """
    if args.enrol:
        return enrol(args)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    listener, address = listen(args.port)
    desk = make_desk(args)
    try:
        with listener, desk.till:
            ready = {"ready": True, "address": address}
            if not desk.pins.operators():
                ready["open"] = f"{address}operator?secret={desk.secret}"
            print(json.dumps(ready), flush=True)
            config = serving(desk, listener)
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        desk.line.close()
    return 0


def listen(port: int) -> tuple[socket.socket, str]:
    """A socket on loopback and its address; whoever is told it finds somebody there.

    Raises ConfigError.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # Two may bind one port at a time; only one of them listens there.
        listener.listen(CONCURRENCY_MAX)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on port {port}: {error.strerror}; choose another one with "
            "--port, or 0 for any that is free"
        ) from error
    send_at_once(listener)
    return listener, f"http://{HOST}:{listener.getsockname()[1]}/"


def serving(desk: Desk, listener: socket.socket) -> uvicorn.Config:
    """How a desk's page is served on a socket of `listen`."""
    port = listener.getsockname()[1]
    return uvicorn.Config(
        make_app(desk, [f"{HOST}:{port}", f"localhost:{port}"]),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=CONCURRENCY_MAX,
        h11_max_incomplete_event_size=HEAD_MAX,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
