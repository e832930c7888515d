"""What: calls to a grpc.aio handler that does nothing, loaded as unary payments are.

    python -m benchmarks.empty --seconds 8

The yardstick of `benchmarks.load --mode unary`: the same client, certificates,
transport options, event loop and interpreter settings. Not in it: identity, ledger,
commit. The answer is ready-made, so that it is counted and not checked.
"""

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import uvloop

from benchmarks.client_process import Load
from benchmarks.load import DEFAULTS
from benchmarks.machine import machine
from benchmarks.messages import Checker
from server.app import REGISTERED, channel_options, tune_interpreter
from switch.codes import Role
from switch.config import load_config
from switch.identity import DevAuthority
from switch.v1 import payments_pb2

SERVICE = payments_pb2.DESCRIPTOR.services_by_name["PaymentService"].full_name
OUTCOME_SIZE = 38
"""About that of an accepted payment's outcome."""
REPLY = bytes([0x0A, OUTCOME_SIZE]) + bytes(OUTCOME_SIZE)
"""Framed as one outcome is."""
STOP_S = 10.0


class Unread(Checker):
    """Takes answers and does not look at them."""

    def add(
        self, requests: Sequence[memoryview], reply: bytes, starts: Sequence[int]
    ) -> None:
        """It is what the server always says."""

    def finish(self) -> None:
        """Nothing waits."""


async def serve(tls: Path) -> None:
    """Answer until killed; the first line of the output is the address."""

    async def answer(_: bytes, __: object) -> bytes:
        return REPLY

    config = load_config(None, tls_dir=tls)
    certificate, key, authority = DevAuthority(tls).server().read()
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], authority, require_client_auth=True
    )
    server = grpc.aio.server(options=channel_options(config))
    handlers: dict[str, Any] = {
        method: grpc.unary_unary_rpc_method_handler(answer) for method in REGISTERED
    }
    server.add_registered_method_handlers(SERVICE, handlers)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    tune_interpreter()
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def measure(options: argparse.Namespace, tls: Path) -> dict[str, object]:
    """One run against a server of its own."""
    DevAuthority(tls).leaf(Role.HARNESS, "harness")
    command = [sys.executable, "-m", "benchmarks.empty", "--serve", str(tls)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            if not address:
                raise RuntimeError("the empty server did not start")
            load = Load(
                argparse.Namespace(
                    address=address,
                    tls=tls,
                    mode="unary",
                    server_pid=server.pid,
                    connections=options.connections,
                    outstanding=options.outstanding,
                    payload=1,
                    ids="random",
                )
            )
            load.checker = Unread(1)
            gc.freeze()
            gc.disable()
            figures = load.run(options.warm_up, options.seconds)
        finally:
            server.kill()
            server.wait(STOP_S)
    del figures["accepted"]
    calls, seconds = int(str(figures["payments"])), float(str(figures["seconds"]))
    return {
        "mode": "empty",
        "calls_per_s": round(calls / seconds),
        **figures,
        "connections": options.connections,
        "outstanding": options.outstanding,
        "machine": machine(),
    }


def main() -> None:
    """Serve, or start a server and load it; the last line of the output is JSON."""
    connections, outstanding, _ = DEFAULTS["unary"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before")
    parser.add_argument("--connections", type=int, default=connections)
    parser.add_argument("--outstanding", type=int, default=outstanding)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options.serve))
        return
    with tempfile.TemporaryDirectory(prefix="load-bench-") as directory:
        print(json.dumps(measure(options, Path(directory))))


if __name__ == "__main__":
    main()
