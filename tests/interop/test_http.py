"""Goal: curl's and nghttp's HTTP/2, which know nothing of gRPC, are answered as well.

Method: both as commands, with certificates, against one server. What gRPC's libraries
never send is theirs: other methods, content types and paths, padding, CONTINUATION,
trailers of a request, windows of a byte, tables of headers that grow and shrink, no
certificate, HTTP/1.1. h2load has no certificates: all its clients together get nothing.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from switch.v1 import payments_pb2
from tests.server.harness import ServerProcess, payment

RUN_S = 60
"""Only a failure takes so long."""
PAY = "/payswitch.v1.PaymentService/CreatePayment"
BATCH = "/payswitch.v1.PaymentService/CreatePayments"
MIB = 1 << 20
GRPC = ("content-type: application/grpc", "te: trailers")
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED = 0, 3, 4, 7
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 8, 12, 13
CURLE_SEND, CURLE_RECV = 55, 56


def framed(body: bytes) -> bytes:
    """A gRPC message with its head."""
    return b"\0" + len(body).to_bytes(4, "big") + body


def one_payment() -> tuple[bytes, bytes]:
    """A payment's id, and the request's message."""
    paid = payment()
    request = payments_pb2.CreatePaymentRequest(payment=paid)
    return paid.id, framed(request.SerializeToString())


def is_paid(body: bytes, identity: bytes) -> bool:
    """Whether a body is one answer, that this payment is made."""
    size = int.from_bytes(body[1:5], "big")
    assert len(body) == 5 + size
    reply = payments_pb2.CreatePaymentResponse.FromString(body[5:])
    return reply.outcome.id == identity and reply.outcome.sequence > 0


# --- curl ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What curl saw; of several answers the last."""

    code: int
    """curl's own."""
    status: str
    """HTTP's, behind its version."""
    fields: dict[str, str]
    body: bytes


class Curl:
    """curl with one centre's certificate."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self.url = f"https://{server.address}"
        self.tls = server.directory / "tls"
        self.folder = folder

    def __call__(
        self,
        path: str,
        body: bytes | None,
        *options: str,
        fields: tuple[str, ...] = GRPC,
        name: str = "centre-centre-a",
        times: int = 1,
    ) -> Answer:
        heads, got, sent = (self.folder / name for name in ("heads", "got", "sent"))
        got.write_bytes(b"")
        given = ["--cacert", str(self.tls / "ca.pem")]
        if name:
            given += ["--cert", str(self.tls / f"{name}.pem")]
            given += ["--key", str(self.tls / f"{name}.key")]
        given += [word for one in fields for word in ("--header", one)]
        if body is not None:
            sent.write_bytes(body)
            given += ["--data-binary", f"@{sent}"]
        done = subprocess.run(
            [
                *("curl", "--silent", "--http2", "--max-time", str(RUN_S)),
                *("--dump-header", str(heads)),
                *("--write-out", "%{http_version} %{http_code}\n"),
                *given,
                *options,
                *(["--output", str(got), self.url + path] * times),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = heads.read_text().splitlines() if heads.exists() else []
        found = dict(line.split(": ", 1) for line in lines if ": " in line)
        said = done.stdout.split("\n")[-2]
        return Answer(done.returncode, said, found, got.read_bytes())


@pytest.fixture
def curl(server: ServerProcess, tmp_path: Path) -> Curl:
    return Curl(server, tmp_path)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_pays(curl: Curl, version: str) -> None:
    identity, body = one_payment()
    answer = curl(PAY, body, f"--tlsv{version}", "--tls-max", version)
    assert (answer.code, answer.status) == (0, "2 200")
    assert answer.fields["content-type"] == "application/grpc"
    assert answer.fields["grpc-status"] == str(OK)
    assert is_paid(answer.body, identity)


def test_curl_pays_once_on_many_streams(curl: Curl) -> None:
    """A payment that is sent again, at the same time and on one connection."""
    identity, body = one_payment()
    answer = curl(PAY, body, "--parallel", times=40)
    assert answer.code == 0
    assert is_paid(answer.body, identity)


@pytest.mark.parametrize(
    ("path", "more", "body", "status"),
    [
        pytest.param("/payswitch.v1.PaymentService/None", (), b"", 12, id="no_method"),
        pytest.param("/", (), framed(b""), UNIMPLEMENTED, id="no_path"),
        pytest.param(PAY, (), framed(b""), INVALID_ARGUMENT, id="no_payment"),
        pytest.param(PAY, (), b"", INTERNAL, id="no_message"),
        pytest.param(PAY, (), b"\0\0\0\0\x09x", INTERNAL, id="cut_off"),
        pytest.param(PAY, (), framed(b"") * 2, INTERNAL, id="two_messages"),
        pytest.param(BATCH, (), framed(bytes(8 * MIB)), 8, id="too_large"),
        pytest.param(PAY, ("grpc-timeout: 0n",), framed(b""), 4, id="no_time"),
        pytest.param(PAY, ("grpc-timeout: soon",), framed(b""), 13, id="what_time"),
        pytest.param(PAY, ("grpc-encoding: gzip",), framed(b""), 12, id="gzip"),
        pytest.param(
            "/payswitch.v1.AdminService/TopUp", (), framed(b""), 7, id="denied"
        ),
    ],
)
def test_curl_is_told_a_status(
    curl: Curl, path: str, more: tuple[str, ...], body: bytes, status: int
) -> None:
    answer = curl(path, body, fields=GRPC + more)
    assert (answer.code, answer.status) == (0, "2 200")
    assert answer.fields["grpc-status"] == str(status)
    assert answer.fields["grpc-message"]
    assert answer.body == b""
    if "grpc-encoding: gzip" in more:
        assert answer.fields["grpc-accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("options", "body", "fields", "status"),
    [
        pytest.param((), None, (), "405", id="get"),
        pytest.param(("--head",), None, (), "405", id="head"),
        pytest.param(("--request", "PUT"), b"x", GRPC, "405", id="put"),
        pytest.param(("--request", "OPTIONS"), None, GRPC, "405", id="options"),
        pytest.param((), b"x", ("content-type: text/plain",), "415", id="text"),
        pytest.param((), b"x", ("content-type: application/grpcx",), "415", id="near"),
        pytest.param((), b"x", ("content-type:",), "415", id="nothing"),
        pytest.param((), bytes(MIB), ("content-type: a/b",), "415", id="long_body"),
    ],
)
def test_curl_is_answered_as_http(
    curl: Curl,
    options: tuple[str, ...],
    body: bytes | None,
    fields: tuple[str, ...],
    status: str,
) -> None:
    answer = curl(PAY, body, *options, fields=fields)
    assert answer.code == 0
    assert answer.status == f"2 {status}"
    # Of HEAD curl writes down the headers.
    assert answer.body == b"" or "--head" in options


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param((), "", id="no_certificate"),
        pytest.param(("--http1.1",), "centre-centre-a", id="http1"),
        pytest.param(("--no-alpn",), "centre-centre-a", id="no_alpn"),
        pytest.param(("--tls-max", "1.1"), "centre-centre-a", id="tls_1_1"),
    ],
)
def test_curl_does_not_get_in(curl: Curl, options: tuple[str, ...], name: str) -> None:
    answer = curl(PAY, one_payment()[1], *options, name=name)
    assert answer.code != 0
    assert answer.status == "0 000"


# --- nghttp --------------------------------------------------------------------------


def nghttp(server: ServerProcess, body: bytes, folder: Path, *options: str) -> bytes:
    """What it tells of the frames that it sends and gets."""
    sent = folder / "sent"
    sent.write_bytes(body)
    tls = server.directory / "tls"
    fields = [word for one in GRPC for word in ("--header", one)]
    done = subprocess.run(
        [
            *("nghttp", "--verbose", "--null-out", "--no-verify-peer"),
            *("--cert", str(tls / "centre-centre-a.pem")),
            *("--key", str(tls / "centre-centre-a.key")),
            *("--timeout", f"{RUN_S}s", "--data", str(sent), *fields, *options),
            f"https://{server.address}{PAY}",
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def statuses(said: bytes) -> list[int]:
    """gRPC's, of each stream."""
    return [int(one) for one in re.findall(rb"grpc-status: (\d+)", said)]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="plain"),
        pytest.param(("--padding", "255"), id="padding"),
        pytest.param(("--trailer", "x-sum: 1"), id="trailer"),
        pytest.param(("--no-content-length",), id="no_length"),
        pytest.param(("--expect-continue",), id="expect"),
        pytest.param(("--window-bits", "1"), id="window_of_a_byte"),
        pytest.param(("--window-bits", "30"), id="wide_window"),
        pytest.param(("--no-dep", "--no-rfc7540-pri"), id="no_priorities"),
        pytest.param(("--header-table-size", "0"), id="no_table"),
        pytest.param(
            ("--header-table-size", "0", "--header-table-size", "65536"),
            id="a_table_that_grows",
        ),
        pytest.param(("--encoder-header-table-size", "0"), id="no_table_of_its_own"),
    ],
)
def test_nghttp_pays(
    server: ServerProcess, tmp_path: Path, options: tuple[str, ...]
) -> None:
    said = nghttp(server, one_payment()[1], tmp_path, *options)
    assert statuses(said) == [OK]
    # Its settings are answered, and it leaves in peace.
    assert re.search(rb"recv SETTINGS frame <length=0, flags=0x01", said)
    assert b"send GOAWAY frame" in said
    assert b"recv GOAWAY" not in said


def test_nghttp_pays_on_many_streams(server: ServerProcess, tmp_path: Path) -> None:
    said = nghttp(server, one_payment()[1], tmp_path, "--multiply", "300")
    assert statuses(said) == [OK] * 300


def test_nghttp_is_told_a_status(server: ServerProcess, tmp_path: Path) -> None:
    said = nghttp(server, b"", tmp_path)
    assert statuses(said) == [INTERNAL]
    # Headers of 32 KiB, in more frames than one.
    said = nghttp(server, one_payment()[1], tmp_path, "--continuation")
    assert statuses(said) == [RESOURCE_EXHAUSTED]
    said = nghttp(server, b"", tmp_path, "--header", ":method: HEAD")
    assert re.search(rb":status: 405", said)


def test_h2load_does_not_get_in(server: ServerProcess, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *("h2load", "--requests", "50", "--clients", "50"),
            *("--connection-inactivity-timeout", f"{RUN_S}s"),
            f"https://{server.address}{PAY}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S,
    )
    assert " 0 succeeded" in done.stdout
    assert statuses(nghttp(server, one_payment()[1], tmp_path)) == [OK]
