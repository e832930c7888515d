"""Goal: what a counter has fetched of bills that were put in does not outlive a file.
If just as much is due the page pays it all the same, and else takes no money for it.

Method: a real switch and the counter as a process of its own; between the page with the
bill and the citizen's cash its biller puts a file in.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from switch.codes import Role
from switch.v1 import admin_pb2, network_pb2, results_pb2
from switch.v1 import billers_pb2 as pb
from tests.server.harness import CALL_S
from tests.server.test_put_bills import DELTA, FULL, file_of, put
from tests.web.browsing import Browser
from tests.web.world import DUE, World, counting

FILES = "BSK0255"


@pytest.fixture(scope="module")
def browser(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    service = network_pb2.Service(
        code=FILES,
        biller="water",
        heads=["0215-01"],
        name_en="Holding tax",
        name_bn="সম্পত্তি কর",
        amount_rule=network_pb2.AMOUNT_RULE_EXACT,
        mode=network_pb2.SERVICE_MODE_DIRECT,
        price_rule=network_pb2.PRICE_RULE_BILL,
        duplicate_rule=network_pb2.DUPLICATE_RULE_ONCE,
        key_rule=network_pb2.KEY_RULE_BILL_ID,
        active=True,
    )
    request = admin_pb2.LoadNetworkRequest(services=[service])
    world.peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    directory: Path = tmp_path_factory.mktemp("files")
    with counting(world, directory) as counter, Browser(counter.address) as browser:
        yield browser.sign_on()


def bill(number: int, amount: int = DUE) -> pb.DueBill:
    return pb.DueBill(id=f"ID-{number}", reference=f"REF-{number}", amount_due=amount)


def put_in(
    world: World, number: int, bills: Sequence[pb.DueBill], kind: int = DELTA
) -> None:
    file = file_of(number, bills, kind, service=FILES)
    biller = world.peers.get(Role.BILLER, "water")
    assert put(biller, file, bills).outcome.result == results_pb2.RESULT_OK


def test_a_file_comes_between_the_page_and_the_cash(
    world: World, browser: Browser
) -> None:
    put_in(world, 1, [bill(1), bill(2), bill(3)], FULL)
    # Another bill is replaced: this one is fetched once more, and paid.
    browser.fetch(FILES, "REF-1")
    assert "due" in browser.outcomes
    put_in(world, 2, [bill(2, DUE + 100)])
    browser.pay()
    assert browser.settled("paid", "not-paid") == "paid"
    paid = world.payments()[0]
    assert (paid.reference, paid.amount) == ("ID-1", DUE)
    # This one itself: nobody is asked for another amount than was counted.
    browser.fetch(FILES, "REF-3")
    put_in(world, 3, [bill(3, DUE + 100)])
    browser.pay()
    assert browser.settled("paid", "not-paid") == "not-paid"
    assert world.payments()[0].id == paid.id
    # It is gone.
    browser.fetch(FILES, "REF-2")
    put_in(world, 4, [bill(3)], FULL)
    browser.pay()
    assert browser.settled("paid", "not-paid") == "not-paid"
    assert world.payments()[0].id == paid.id
