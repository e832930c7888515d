"""Goal: the register is read whole, in bounded pages, and nobody is told a key who is
not to know it.

Method: a real server with a network that says every field; pages of every size, one
record, wrong tokens, records that do not fit on one page, each reading role.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from server.services import replaced
from server.services.network_list import PAGE_BYTES
from server.status import PreconditionError
from switch._core import Ledger
from switch.client.messages import messages_of, specs_of
from switch.codes import Role
from switch.specs import ParticipantSpec, Specs
from switch.v1 import admin_pb2 as pb
from switch.v1 import network_pb2
from tests.server.harness import CALL_S, Peer, Peers, ServerProcess, failing, running
from tests.whole_network import BILLED, CENTRE, WHOLE

NOT_FOUND = grpc.StatusCode.NOT_FOUND
OFFICES = (ParticipantSpec(id="support", role=Role.SUPPORT),)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(tmp_path_factory.mktemp("network_list")) as process:
        yield process


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    with closing(Peers(server)) as found:
        specs = Specs((*WHOLE.participants, *OFFICES), WHOLE.services)
        participants, services = messages_of(specs)
        request = pb.LoadNetworkRequest(participants=participants, services=services)
        found.treasury.admin.LoadNetwork(request, timeout=CALL_S)
        yield found


def read(peer: Peer, size: int = 0) -> tuple[Specs, int]:
    """The register by pages of a size, and how many there were."""
    request = pb.ListNetworkRequest(page_size=size)
    participants: list[network_pb2.Participant] = []
    services: list[network_pb2.Service] = []
    pages = 0
    while True:
        reply = peer.admin.ListNetwork(request, timeout=CALL_S)
        pages += 1
        count = len(reply.participants) + len(reply.services)
        assert 0 < count <= (size or 100)
        participants += reply.participants
        services += reply.services
        if not reply.next_page_token:
            assert reply.as_of_sequence
            return specs_of(participants, services), pages
        request.page_token = reply.next_page_token


def test_pages_of_every_size_are_one_register(peers: Peers) -> None:
    whole, pages = read(peers.auditor)
    count = len(whole.participants) + len(whole.services)
    assert {*whole.services} == {*WHOLE.services}
    assert {*WHOLE.participants} <= {*whole.participants}
    assert pages == 1
    for size in range(1, count + 1):
        assert read(peers.auditor, size) == (whole, -(-count // size)), size


def test_one_record(peers: Peers) -> None:
    def named(participant: str = "", service: str = "") -> pb.ListNetworkResponse:
        request = pb.ListNetworkRequest(participant=participant, service=service)
        return peers.auditor.admin.ListNetwork(request, timeout=CALL_S)

    [centre] = named(participant=CENTRE).participants
    [spec] = [each for each in WHOLE.participants if each.id == CENTRE]
    assert specs_of([centre], ()).participants == (spec,)
    reply = named(participant=BILLED, service=BILLED)
    assert [each.code for each in reply.services] == [BILLED]
    assert not reply.participants
    for names in ({"participant": "nobody"}, {"service": "NOWHERE"}):
        with failing(NOT_FOUND):
            named(**names)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        request = pb.ListNetworkRequest(page_token="x" * 32)
        peers.auditor.admin.ListNetwork(request, timeout=CALL_S)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        request = pb.ListNetworkRequest(page_size=-1)
        peers.auditor.admin.ListNetwork(request, timeout=CALL_S)


def test_no_key_is_told_who_signs_nobody_on(peers: Peers) -> None:
    for peer in (peers.auditor, peers.treasury):
        whole, _ = read(peer)
        [centre] = [each for each in whole.participants if each.id == CENTRE]
        assert all(len(operator.key) == 64 for operator in centre.operators)
    request = pb.ListNetworkRequest()
    reply = peers.pmu.admin.ListNetwork(request, timeout=CALL_S)
    [known] = [each for each in reply.participants if each.id == CENTRE]
    assert [(each.number, each.key) for each in known.operators] == [(1, b""), (7, b"")]
    assert known.name_en
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        peers.support.admin.ListNetwork(request, timeout=CALL_S)


def test_a_page_has_a_bound_in_bytes(peers: Peers) -> None:
    """Billers with all the heads that one may have: no page is more than a mebibyte."""
    billers = [
        ParticipantSpec(
            id=f"wide-{at}",
            role=Role.BILLER,
            heads=tuple(f"WB:{at}-{head}".ljust(64, "x") for head in range(1_024)),
        )
        for at in range(20)
    ]
    participants, _ = messages_of(Specs(tuple(billers), ()))
    request = pb.LoadNetworkRequest(participants=participants)
    peers.treasury.admin.LoadNetwork(request, timeout=60)
    whole, pages = read(peers.auditor)
    assert pages > 1
    assert {*billers} <= {*whole.participants}
    asked = pb.ListNetworkRequest()
    reply = peers.auditor.admin.ListNetwork(asked, timeout=CALL_S)
    assert reply.ByteSize() < PAGE_BYTES + 1024


def test_limits_are_looked_for_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was prepared too long ago is prepared anew; it is not taken unseen."""
    with Ledger(f"{tmp_path}/ledger", threads=False, reserve_size=0) as ledger:
        assert replaced._limits_since(ledger, 0) == {}
        monkeypatch.setattr(replaced, "ROWS_MAX", -1)
        with pytest.raises(PreconditionError, match="too long ago"):
            replaced._limits_since(ledger, 0)
