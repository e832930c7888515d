"""Goal: a counter is told what there is, cheaply, and also when money does not move.

Method: the small network with texts, fees and free services; every reader; what is
kept is asked for by its version; pages as small as can be. In the process itself the
readers are taken away, the ledger's payments with them.
"""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from server.reading import OWN_READS_MAX, OWN_THREADS
from switch.calendar import ist_date
from switch.client import Client
from switch.codes import Role
from switch.v1 import admin_pb2, catalogue_pb2, network_pb2, payments_pb2
from tests.server.harness import CALL_S, Peer, Peers, failing, network, until
from tests.server.inside import FailedError, inside
from tests.server.scripted_biller import ScriptedBiller

FREE = network_pb2.FreeService(
    code="FREE-1",
    name_en="Caste certificate",
    name_bn="জাতি শংসাপত্র",
    where_en="Block office",
    where_bn="ব্লক অফিস",
    documents=[network_pb2.Words(en="Photograph", bn="ছবি")],
)
FEES = [
    network_pb2.Fee(code="COPY", amount=200, valid_from="2025-04-01", name_en="Copy"),
    network_pb2.Fee(code="COPY", amount=300, valid_from="2026-04-01", name_en="Copy"),
    network_pb2.Fee(code="LATER", amount=1, valid_from="2999-01-01", name_en="Later"),
]


def more() -> admin_pb2.LoadNetworkRequest:
    """Beside the small network: a tariff, a form, free services, what is off."""
    services = network()
    land = next(one for one in services.participants if one.id == "land")
    land.free_services.append(FREE)
    tariff = network_pb2.Service(
        code="A-TARIFF",
        biller="land",
        heads=["0029-01"],
        name_en="Certified copy",
        name_bn="প্রত্যয়িত নকল",
        active=True,
        price_rule=network_pb2.PRICE_RULE_TARIFF,
        amount_rule=network_pb2.AMOUNT_RULE_EXACT,
        mode=network_pb2.SERVICE_MODE_DIRECT,
        duplicate_rule=network_pb2.DUPLICATE_RULE_WITHIN,
        duplicate_hours=24,
        pattern="9{9}",
        check_digit=network_pb2.CHECK_DIGIT_LUHN,
        tariff=FEES,
        called_en=["porcha", "record of rights"],
        called_bn=["পরচা"],
        fields=[network_pb2.FormField(name="mouza", label_en="Mouza", example="7")],
        documents=[network_pb2.Words(en="Deed", bn="দলিল")],
    )
    off = network_pb2.Service()
    off.CopyFrom(next(one for one in services.services if one.code == "ANY"))
    off.code, off.active = "OFF", False
    return admin_pb2.LoadNetworkRequest(participants=[land], services=[tariff, off])


@pytest.fixture(scope="module")
def loaded(peers: Peers) -> Peers:
    peers.treasury.admin.LoadNetwork(more(), timeout=CALL_S)
    return peers


def ask(peer: Peer, **fields: Any) -> catalogue_pb2.ListCatalogueResponse:
    request = catalogue_pb2.ListCatalogueRequest(**fields)
    return peer.counter.ListCatalogue(request, timeout=CALL_S)


def test_what_a_counter_is_told(loaded: Peers) -> None:
    told = ask(loaded.centre())
    codes = [one.code for one in told.services]
    assert codes == sorted(codes)
    assert "OFF" not in codes
    assert {"ANY", "ONCE", "SUPPLY", "A-TARIFF"} <= {*codes}
    one = told.services[codes.index("A-TARIFF")]
    assert (one.name_en, one.name_bn) == ("Certified copy", "প্রত্যয়িত নকল")
    assert list(one.called_en) == ["porcha", "record of rights"]
    assert list(one.called_bn) == ["পরচা"]
    # The fee of today; of what has none yet nothing.
    assert [(item.code, item.amount) for item in one.items] == [("COPY", 300)]
    assert one.pattern == "9{9}"
    assert len(one.example) == 9
    assert [field.name for field in one.fields] == ["mouza"]
    assert one.documents[0].bn == "দলিল"
    assert told.day == ist_date(time.time_ns()).isoformat()
    [free] = told.free_services
    assert (free.biller, free.service) == ("land", FREE)


def test_all_readers_are_told_the_same(loaded: Peers) -> None:
    told = ask(loaded.centre())
    for role, name in (
        (Role.HARNESS, "harness"),
        (Role.TREASURY, "treasury"),
        (Role.AUDITOR, "auditor"),
        (Role.PMU, "pmu"),
        (Role.SUPPORT, "support"),
    ):
        assert ask(loaded.get(role, name)) == told


def test_what_is_kept_is_not_sent_again(loaded: Peers) -> None:
    told = ask(loaded.centre())
    assert not told.unchanged
    kept = ask(loaded.centre(), if_version=told.version)
    assert kept.unchanged
    assert not kept.services
    assert not kept.free_services
    assert kept.version == told.version
    assert len(kept.SerializeToString()) < 200
    # Any other text is another version.
    for other in ("", "0" * 32, told.version.upper() + " ", "x" * 64):
        assert not ask(loaded.centre(), if_version=other).unchanged
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        ask(loaded.centre(), if_version="x" * 65)
    assert failures[0].fields == ["if_version"]


def test_a_change_is_another_version_and_back_is_the_first(loaded: Peers) -> None:
    before = ask(loaded.centre()).version
    changed = more()
    changed.services[0].called_bn.append("নকশা")
    loaded.treasury.admin.LoadNetwork(changed, timeout=CALL_S)
    assert ask(loaded.centre()).version != before
    loaded.treasury.admin.LoadNetwork(more(), timeout=CALL_S)
    assert ask(loaded.centre()).version == before


def test_pages_are_the_whole(loaded: Peers) -> None:
    whole = ask(loaded.centre())
    for size in (1, 4):
        codes: list[str] = []
        free: list[str] = []
        token = ""
        while True:
            page = ask(loaded.centre(), page_size=size, page_token=token)
            assert 1 <= len(page.services) + len(page.free_services) <= size
            assert page.version == whole.version
            codes += [one.code for one in page.services]
            free += [one.service.code for one in page.free_services]
            token = page.next_page_token
            if not token:
                break
        assert codes == [one.code for one in whole.services]
        assert free == ["FREE-1"]
    token = ask(loaded.centre(), page_size=1).next_page_token
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        ask(loaded.support, page_size=1, page_token=token)


def test_whether_billers_answer_is_told_beside_it(loaded: Peers) -> None:
    """Land is asked nothing: it is neither here nor away."""
    before = ask(loaded.centre())
    assert list(before.unavailable_billers) == ["power", "water", "gas"]

    def away() -> list[str]:
        told = ask(loaded.centre(), if_version=before.version)
        assert told.unchanged
        return list(told.unavailable_billers)

    with ScriptedBiller(loaded.biller("water")):
        until(lambda: away() == ["power", "gas"])
    until(lambda: away() == ["power", "water", "gas"])


def test_the_client_joins_pages(loaded: Peers) -> None:
    files = loaded.authority.leaf(Role.CENTRE, "centre-a")
    with Client(loaded.server.address, files) as client:
        whole = client.catalogue()
        assert whole.services == ask(loaded.centre()).services
        assert client.catalogue(whole.version).unchanged


async def test_it_is_told_when_nothing_else_is(tmp_path: Path) -> None:
    """All who read the ledger wait, and as many as may wait with them."""
    async with inside(tmp_path) as one:
        held = threading.Event()
        centre = one.node.register.find_participant("centre-a")
        assert centre is not None
        waiting = [
            asyncio.ensure_future(one.node.readers.read(centre.index, held.wait))
            for _ in range(OWN_READS_MAX + OWN_THREADS)
        ]
        await asyncio.sleep(0)
        listed = payments_pb2.ListPaymentsRequest()
        with pytest.raises(FailedError) as failed:
            await one.call("ListPayments", listed, by="centre/centre-a")
        assert failed.value.reason == "OVERLOAD"
        request = catalogue_pb2.ListCatalogueRequest()
        body = await one.call("ListCatalogue", request, by="centre/centre-a")
        assert len(catalogue_pb2.ListCatalogueResponse.FromString(body).services) == 10
        held.set()
        assert all(await asyncio.gather(*waiting))
