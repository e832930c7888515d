"""Goal: lists longer than a message come whole: services, and a window's lines.

Method: a real server with billers of three thousand heads, each paid once; what the
client reads page by page is compared with what was loaded and paid.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from switch.client import Client, make_payment
from switch.client.messages import messages_of
from switch.codes import AmountRule, DuplicateRule, Mode, PriceRule, Role
from switch.specs import TREASURY, ParticipantSpec, ServiceSpec, Specs
from switch.v1 import results_pb2
from tests.client.live import CENTRE, Live, running

BILLERS = ("gas", "power", "water")
HEADS = [f"WB:{number:05d}" for number in range(1_000)]
"""Of each biller."""
HEADS_OF_ONE = 8
SERVICES = 2_250


def service(number: int) -> ServiceSpec:
    """The billers in turn, with their heads in turn: 375 services have all."""
    first = number // len(BILLERS) * HEADS_OF_ONE % len(HEADS)
    return ServiceSpec(
        code=f"S-{number}",
        biller=BILLERS[number % len(BILLERS)],
        heads=tuple(HEADS[first : first + HEADS_OF_ONE]),
        price_rule=PriceRule.OPEN,
        amount_rule=AmountRule.MIN_MAX,
        amount_min=100,
        amount_max=10**6,
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.NONE,
    )


SPECS = Specs(
    (
        ParticipantSpec(id=TREASURY, role=Role.TREASURY),
        *(
            ParticipantSpec(id=biller, role=Role.BILLER, heads=tuple(HEADS))
            for biller in BILLERS
        ),
        ParticipantSpec(id=CENTRE, role=Role.CENTRE),
    ),
    tuple(map(service, range(SERVICES))),
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("heads") / "data") as live:
        with live.client(Role.TREASURY, TREASURY) as treasury:
            treasury.load_network(*messages_of(SPECS))
            treasury.top_up(CENTRE, 10**9, "UTR")
        yield live


@pytest.fixture(scope="module")
def treasury(live: Live) -> Iterator[Client]:
    with live.client(Role.TREASURY, TREASURY) as client:
        yield client


def test_all_services_are_listed(treasury: Client) -> None:
    found = treasury.services()
    assert [one.code for one in found] == [one.code for one in SPECS.services]
    again = treasury.load_network(*messages_of(SPECS))
    assert (again.added_count, again.replaced_count) == (0, 0)


def test_a_window_lists_every_head_that_moved(live: Live, treasury: Client) -> None:
    payments, paid = [], {}
    for number in range(len(BILLERS) * len(HEADS) // HEADS_OF_ONE):
        one = service(number)
        for at, head in enumerate(one.heads):
            amount = 100 + number
            payments.append(make_payment(one.code, amount, "R", head=at))
            paid[one.biller, head] = amount
    with live.client(Role.CENTRE, CENTRE) as centre:
        outcomes = centre.pay_batch(payments)
    assert {one.result for one in outcomes} == {results_pb2.RESULT_OK}
    window = treasury.close_window(0)
    assert {(one.biller, one.head): one.payable for one in window.lines} == paid
    assert len(window.lines) == len(paid)
    # Closed again it says the same, and each line settles.
    again = treasury.close_window(0)
    assert again.outcome.repeat
    assert again.lines == window.lines
    last = window.lines[-1]
    sequence = window.outcome.sequence
    settled = treasury.settle(sequence, last.biller, last.head, last.payable)
    assert settled.result == results_pb2.RESULT_OK


def test_what_changes_between_pages_is_newer(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or who proposes by it would pass over what has changed since its first page."""
    with live.client(Role.TREASURY, TREASURY) as treasury:
        read, pages = treasury._caller.read, []

        def reading(call: Any, request: Any) -> Any:
            reply = read(call, request)
            pages.append(reply.as_of_sequence)
            treasury.top_up(CENTRE, 100, f"UTR{len(pages)}")
            return reply

        monkeypatch.setattr(treasury._caller, "read", reading)
        found = treasury.network()
    assert len(found.services) == SERVICES
    assert pages[0] < pages[-1]
    assert found.as_of_sequence == pages[0]
