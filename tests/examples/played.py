"""A switch that a test plays: the calls of one service, over mutual TLS."""

from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from switch.authority.development import DevAuthority
from switch.codes import Role


@contextmanager
def playing(
    directory: Path,
    role: Role,
    participant: str,
    services: "Mapping[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]]",
) -> Iterator[tuple[str, ...]]:
    """Serve these methods; the arguments by which a program finds them.

    Certificates are in `directory`, one for this participant among them.
    """
    authority = DevAuthority(directory)
    authority.leaf(role, participant)
    certificate, key, ca = authority.server().read()
    credentials = grpc.ssl_server_credentials([(key, certificate)], ca, True)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = [
        grpc.method_handlers_generic_handler(f"payswitch.v1.{name}", dict(methods))
        for name, methods in services.items()
    ]
    server.add_generic_rpc_handlers(handlers)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield ("--switch", f"127.0.0.1:{port}", "--tls", str(directory))
    finally:
        server.stop(None).wait()
