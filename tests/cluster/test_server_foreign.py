"""Goal: a gRPC client that knows nothing of nodes finds the leader by gRPC's own means,
and the next one when that is gone: a list of addresses, round robin, the health of a
service, a policy of retries, as docs/protocol.md has them.

Method: the page's own service config, given to clients of gRPC's three families over
two real servers, of which the leader is killed while they pay.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import grpc

from switch.codes import Role
from switch.v1 import payments_pb2, payments_pb2_grpc
from tests.cluster.pair import Pair
from tests.interop.built import ROOT, go_client, node_modules
from tests.server.harness import payment, until

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
DEADLINE_S = 30.0


def service_config() -> str:
    """As the page has it."""
    [found] = re.findall(r'```json\n(\{"loadBal.*?)```', PAGE.read_text(), re.DOTALL)
    return json.dumps(json.loads(found))


Pay = Callable[[payments_pb2.CreatePaymentRequest], payments_pb2.PaymentOutcome]


@contextmanager
def grpcio(pair: Pair) -> Iterator[Pay]:
    """GRPC's own for Python, as anybody would open it."""
    certificate, key, authority = pair.authority.leaf(Role.CENTRE, "centre-a").read()
    channel = grpc.secure_channel(
        "ipv4:" + ",".join(pair.addresses),
        grpc.ssl_channel_credentials(authority, key, certificate),
        options=[
            ("grpc.service_config", service_config()),
            ("grpc.default_authority", "localhost"),
        ],
    )
    with channel:
        stub = payments_pb2_grpc.PaymentServiceStub(channel)
        yield lambda one: stub.CreatePayment(one, timeout=DEADLINE_S).outcome


def go(pair: Pair) -> tuple[list[str], dict[str, str]]:
    """The command of gRPC-Go's client, and what it has in its environment."""
    words = ",".join(pair.addresses), str(pair.directory / "tls"), "leader"
    return [str(go_client()), *words, service_config()], {}


def node(pair: Pair) -> tuple[list[str], dict[str, str]]:
    """The same of grpc-js."""
    program = ROOT / "tests" / "interop" / "node" / "leader.js"
    words = ",".join(pair.addresses), str(pair.directory / "tls"), service_config()
    return ["node", str(program), *words], {"NODE_PATH": str(node_modules())}


Command = Callable[[Pair], tuple[list[str], dict[str, str]]]


@contextmanager
def program(pair: Pair, of: Command) -> Iterator[Pay]:
    """A client that is another program: it is told lines, and answers with lines."""
    command, environment = of(pair)
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, said = process.stdin, process.stdout

        def pay(one: payments_pb2.CreatePaymentRequest) -> payments_pb2.PaymentOutcome:
            end_s = time.monotonic() + DEADLINE_S
            while True:
                told.write(one.SerializeToString().hex() + "\n")
                line = said.readline().strip()
                if not line.lower().startswith("! unavailable"):
                    break
                # As the page says: the same again, with the same id.
                assert time.monotonic() < end_s, line
            assert not line.startswith("!"), line
            body = bytes.fromhex(line)
            return payments_pb2.CreatePaymentResponse.FromString(body).outcome

        try:
            yield pay
        finally:
            told.close()
            process.wait(DEADLINE_S)


def test_others_find_who_leads_and_who_leads_next(
    make_pair: Callable[[], AbstractContextManager[Pair]],
) -> None:
    programs = {"go": go, "node": node}
    with make_pair() as pair, ExitStack() as stack:
        leader, other = pair.start()
        clients = {"grpcio": stack.enter_context(grpcio(pair))}
        for name, of in programs.items():
            clients[name] = stack.enter_context(program(pair, of))
        sent = {name: [request() for _ in range(20)] for name in clients}
        first = {name: [*map(pay, sent[name])] for name, pay in clients.items()}
        leader.process.stop(signal.SIGKILL)
        for name, pay in clients.items():
            again = [pay(one) for one in sent[name]]
            assert all(one.result == 1 and one.repeat for one in again), name
            assert not any(one.repeat for one in first[name]), name
            assert [one.sequence for one in again] == [
                one.sequence for one in first[name]
            ]
            assert pay(request()).result == 1, name
        until(lambda: other.leads)


def request() -> payments_pb2.CreatePaymentRequest:
    return payments_pb2.CreatePaymentRequest(payment=payment())
