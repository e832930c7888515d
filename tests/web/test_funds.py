"""Goal: the counter's page asks for no cash that the wallet cannot pay, says so with
what to do, and says honestly when the balance is not known.

Method: a centre with little money at a real switch; its counter over HTTP; the rule
itself beside the switch's, check by check.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.calendar import ist_date
from switch.codes import NO_AMOUNT_LIMIT, NO_COUNT_LIMIT, Result, Role
from switch.v1 import admin_pb2, network_pb2, wallets_pb2
from switch.web.counter import funds
from tests.server.harness import CALL_S, RUPEE, payment, until
from tests.stopped import stopped
from tests.web.browsing import Browser
from tests.web.test_counter_page import reference
from tests.web.world import POWER, RELIEF, Counter, World, counting

POOR = "centre-w"
HAS = 500 * RUPEE


@pytest.fixture(scope="module")
def poor(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """The counter of a centre that has HAS."""
    participant = network_pb2.Participant(
        id=POOR,
        role=network_pb2.ROLE_CENTRE,
        active=True,
        name_en=POOR,
        code=f"BAN/{POOR}",
    )
    request = admin_pb2.LoadNetworkRequest(participants=[participant])
    world.peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    world.peers.authority.leaf(Role.CENTRE, POOR)
    assert world.peers.treasury.top_up(POOR, HAS).result == 1
    world.serve()
    directory = tmp_path_factory.mktemp("poor")
    with counting(world, directory, centre=POOR) as counter:
        yield counter


@pytest.fixture
def browser(poor: Counter, tmp_path: Path) -> Iterator[Browser]:
    with Browser(poor.address) as browser:
        yield browser.sign_on()


@pytest.mark.parametrize("language", ["en", "bn"])
def test_no_cash_is_asked_for_that_the_wallet_cannot_pay(
    poor: Counter, language: str
) -> None:
    with Browser(poor.address) as browser:
        browser.sign_on(3, language)
        browser.fetch(POWER, reference())
        assert browser.outcomes == ["no-funds"]
        assert 'name="cash"' not in browser.text
        said = {
            "en": "Take no cash. The wallet can pay ₹500.00; ₹450.00 is missing. Ask",
            "bn": "নগদ নেবেন না। ওয়ালেট থেকে ₹৫০০.০০ দেওয়া যাবে; ₹৪৫০.০০ কম। টাকার আবেদন",
        }
        assert said[language] in browser.text
        assert 'href="/wallet"' in browser.text


def test_a_top_up_is_offered_only_where_it_helps(
    world: World, poor: Counter, browser: Browser
) -> None:
    """Against the limit of one payment it does not."""

    def limit(paise: int) -> None:
        asked = admin_pb2.LoadNetworkRequest(
            participants=[network_pb2.Participant(id=POOR, payment_max=paise)],
            participant_fields=[network_pb2.FieldNames(names=["payment_max"])],
        )
        world.peers.treasury.admin.LoadNetwork(asked, timeout=CALL_S)

    limit(10 * RUPEE)
    try:
        browser.get("/wallet")  # reads it now; other pages every few seconds
        browser.fetch(RELIEF, reference(), amount="20")
        assert browser.outcomes == ["no-funds"]
        main = browser.text[browser.text.index("<main") :]
        assert 'href="/wallet"' not in main
    finally:
        limit(0)


def test_the_balance_stands_beside_what_is_due(browser: Browser) -> None:
    browser.fetch(RELIEF, reference(), amount="20")
    assert "The wallet can pay ₹500.00" in browser.text
    assert 'name="cash"' in browser.text
    # Of two bills that are due the one that can be paid.
    browser.fetch(POWER, "9" + reference()[1:])
    assert browser.text.count('type="radio" name="line"') == 1
    assert 'name="line" id="line1"' in browser.text
    assert "₹450.00 is missing" in browser.text


def test_what_the_wallet_has_lost_meanwhile_is_not_begun(
    world: World, poor: Counter, browser: Browser
) -> None:
    browser.fetch(RELIEF, reference(), amount="300")
    assert 'name="cash"' in browser.text
    peer = world.peers.centre(POOR)
    assert peer.pay(payment(RELIEF, amount=400 * RUPEE, operator=3)).result == 1
    before, path, lines = len(poor.moves()), browser.path, browser.lines
    # The counter reads its wallet every few seconds; this page has it read now.
    assert "₹100.00" in browser.get("/wallet").text
    assert browser.send(f"{path}/pay", line=0, cash="=", **lines).status_code == 422
    assert "The wallet can pay ₹100.00; ₹200.00 is missing" in browser.text
    assert 'name="cash"' not in browser.text
    assert len(poor.moves()) == before
    assert world.peers.treasury.top_up(POOR, 400 * RUPEE).result == 1
    browser.get(path)
    assert 'name="cash"' in browser.text
    browser.pay()
    browser.settled("paid")
    # The payment itself is known at once.
    browser.fetch(RELIEF, reference(), amount="250")
    assert "The wallet can pay ₹200.00; ₹50.00 is missing" in browser.text
    assert world.peers.treasury.top_up(POOR, 300 * RUPEE).result == 1


def test_a_balance_that_is_not_known_is_said_to_be_so(
    world: World, poor: Counter, browser: Browser
) -> None:
    browser.fetch(RELIEF, reference(), amount="30")
    path = browser.path
    # After a payment the counter knows of no balance until it has asked.
    browser.fetch(RELIEF, reference(), amount="20")
    browser.pay()
    browser.settled("paid")
    with stopped(world.server.pid):
        begun_s = time.monotonic()
        browser.get(path)
        assert time.monotonic() - begun_s < 4 * funds.READ_S
        assert 'data-funds="unknown"' in browser.text
        assert "The wallet&#39;s balance is not known now." in browser.text
        assert 'name="cash"' in browser.text
    until(lambda: "The wallet can pay" in browser.get(path).text)


# --- the rule -------------------------------------------------------------------------


def wallet(**values: object) -> wallets_pb2.Wallet:
    given: dict[str, object] = {
        "available": 1_000,
        "state": wallets_pb2.ACCOUNT_STATE_OPEN,
        # Of now: the tests may have been read before midnight.
        "day": ist_date(time.time_ns()).isoformat(),
        "day_amount_max": NO_AMOUNT_LIMIT,
        "day_count_max": NO_COUNT_LIMIT,
        "payment_max": NO_AMOUNT_LIMIT,
    }
    return wallets_pb2.Wallet(**{**given, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Result.OK),
        ({"available": 999}, Result.INSUFFICIENT_FUNDS),
        ({"available": 0}, Result.INSUFFICIENT_FUNDS),
        ({"state": wallets_pb2.ACCOUNT_STATE_FROZEN}, Result.DEBIT_FROZEN),
        ({"state": wallets_pb2.ACCOUNT_STATE_CLOSED}, Result.DEBIT_CLOSED),
        ({"payment_max": 999}, Result.PAYMENT_AMOUNT_EXCEEDED),
        ({"payment_max": 1_000}, Result.OK),
        ({"day_count_max": 4, "day_count": 4}, Result.DAY_COUNT_EXCEEDED),
        ({"day_count_max": 4, "day_count": 3}, Result.OK),
        ({"day_amount_max": 1_500, "day_amount": 501}, Result.DAY_AMOUNT_EXCEEDED),
        ({"day_amount_max": 1_500, "day_amount": 500}, Result.OK),
        # What was spent on another day counts no more.
        ({"day_count_max": 4, "day_count": 4, "day": "2001-01-01"}, Result.OK),
        ({"day_amount_max": 1_500, "day_amount": 1_500, "day": ""}, Result.OK),
        ({"payment_max": 999, "available": 0}, Result.PAYMENT_AMOUNT_EXCEEDED),
    ],
)
def test_why_a_wallet_would_not_pay(
    values: dict[str, object], expected: Result
) -> None:
    assert funds.refusal(wallet(**values), 1_000) is expected
