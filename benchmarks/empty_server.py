"""A gRPC server whose one method does nothing: the limit that a unary call can reach.

    python -m benchmarks.empty_server --tls DIRECTORY

grpc.aio with the event loop, the interpreter settings and the mutual TLS of `python -m
server`, and a handler that gets the bytes of a payment and gives none: what the front
door is measured against. Prints its address as JSON; ends with SIGTERM.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path

import grpc
import uvloop

from benchmarks.client_process import EMPTY
from server.app import tune_interpreter
from switch.authority.certificates import server_credentials

OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 4_096),
    ("grpc.max_allowed_incoming_connections", 10_000),
]


async def call(_: bytes, __: object) -> bytes:
    """Nothing."""
    return b""


async def serve(tls: Path) -> None:
    """Serve until SIGTERM."""
    certificate, key, authority = server_credentials(tls, dev=True).read()
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], authority, require_client_auth=True
    )
    server = grpc.aio.server(options=OPTIONS)
    _, service, method = EMPTY.split("/")
    handler: grpc.RpcMethodHandler[bytes, bytes]
    handler = grpc.unary_unary_rpc_method_handler(call)
    server.add_registered_method_handlers(service, {method: handler})
    port = server.add_secure_port("127.0.0.1:0", credentials)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    tune_interpreter()
    await server.start()
    print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
    await stop.wait()
    await server.stop(None)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", type=Path, required=True)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.tls))


if __name__ == "__main__":
    main()
