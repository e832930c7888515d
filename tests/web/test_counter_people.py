"""Goal: where operators sign on, each payment is of who has opened a key with a PIN and
signed on at the switch; a session that is over costs a PIN and no payment. Papers,
complaints and cancelling do what they say.

Method: a real switch with a centre whose operators are registered by the keys that the
counter has enrolled, and the page as a browser sends its forms.
"""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from switch.ids import new_id
from switch.money import bengali_digits
from switch.v1 import admin_pb2, payments_pb2
from switch.web.counter.pins import PinStore
from tests import forked
from tests.server.harness import CALL_S, figure, payment, until
from tests.server.scripted_biller import silent
from tests.web.browsing import PATIENCE_S, Browser
from tests.web.world import (
    BOOKING,
    CENTRE,
    POWER,
    SIGNS,
    Counter,
    World,
    bills,
    counting,
)

LAST = 2**32 - 1
"""The largest number that an operator may have."""
PINS = {3: "482915", LAST: "739184"}
_numbers = iter(range(300_000_001, 1 << 30))


def reference() -> str:
    """One that nobody has paid for."""
    return str(next(_numbers))


@pytest.fixture(scope="module")
def signing(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counter]:
    world.serve()
    data = tmp_path_factory.mktemp("signing")
    store = PinStore(data / f"{SIGNS}-counter" / "operators", SIGNS)
    world.register({number: store.enrol(number, pin) for number, pin in PINS.items()})
    with counting(world, data, centre=SIGNS) as counter:
        yield counter


def test_who_has_no_pin_is_nobody(signing: Counter) -> None:
    with Browser(signing.address) as browser:
        for number, pin in [(3, "000111"), (5, "482915"), (3, ""), (LAST, PINS[3])]:
            browser.get("/operator")
            reply = browser.send("/operator/on", operator=number, pin=pin)
            assert reply.status_code == 403
            assert browser.get("/").url.path == "/operator"
    # One wrong PIN each is no lock, and the right one sets the count back.
    with Browser(signing.address) as browser:
        browser.sign_on(3, pin=PINS[3])


def test_a_lock_is_told_in_seconds(world: World, tmp_path: Path) -> None:
    store = PinStore(tmp_path / f"{SIGNS}-counter" / "operators", SIGNS)
    store.enrol(9, PINS[3])
    path = tmp_path / f"{SIGNS}-counter" / "operators" / "9.key"
    values = json.loads(path.read_bytes())
    counter = counting(world, tmp_path, centre=SIGNS)
    with counter as running, Browser(running.address) as browser:
        for wrong, said in ((3, "৩০ সেকেন্ড"), (30, "১২০ সেকেন্ড")):
            path.write_text(json.dumps({**values, "wrong": wrong, "at": 1 << 40}))
            browser.get("/operator")
            browser.send("/operator/on", operator=9, pin=PINS[3])
            assert said in browser.text


def test_a_pin_is_typed_in_bengali_digits_too(signing: Counter) -> None:
    with Browser(signing.address) as browser:
        browser.sign_on(3, pin=bengali_digits(PINS[3]))
        assert browser.get("/").url.path == "/"


def test_payments_and_shifts_are_of_who_signed_on(
    world: World, signing: Counter
) -> None:
    with Browser(signing.address) as browser, Browser(signing.address) as other:
        browser.sign_on(3, pin=PINS[3])
        other.sign_on(LAST, pin=PINS[LAST])
        for one, number in ((browser, 3), (other, LAST)):
            owed = reference()
            one.fetch(POWER, owed)
            one.pay()
            one.settled("paid")
            [paid] = [it for it in world.payments(SIGNS) if owed in it.reference]
            assert paid.operator == number
        browser.get("/shift")
        browser.send("/shift/close", id=browser.form_id, coins="950.00")
        browser.settled("done")
        sign = f"{browser.path}/sign"
        form = {"id": browser.form_id, "operator": LAST}
        assert browser.send(sign, **form, pin="000111").status_code == 422
        browser.send(sign, **form, pin=PINS[LAST])
        browser.settled("done")
        assert f"signed by operator {LAST}" in browser.text
        # Who is at a counter beside it stays signed on there.
        other.fetch(POWER, owed := reference())
        other.pay()
        other.settled("paid")
        other.send("/operator/off")


def test_who_signs_a_shift_is_signed_off_with_it(
    world: World, signing: Counter
) -> None:
    """Their session is for one signature: nothing can be done with it afterwards."""
    with Browser(signing.address) as browser:
        browser.sign_on(3, pin=PINS[3])
        browser.fetch(POWER, reference())
        browser.pay()
        browser.settled("paid")
        browser.get("/shift")
        browser.send("/shift/close", id=browser.form_id, coins="950.00")
        browser.settled("done")
        before = rows(world)
        form = {"id": browser.form_id, "operator": LAST, "pin": PINS[LAST]}
        browser.send(f"{browser.path}/sign", **form)
        browser.settled("done")
        # The signature, and the end of the session with which it was made.
        until(lambda: rows(world) == before + 2)
        # The one who is there is not.
        browser.fetch(POWER, reference())
        browser.pay()
        browser.settled("paid")


def test_the_switch_is_told_of_guesses(world: World, tmp_path: Path) -> None:
    store = PinStore(tmp_path / f"{SIGNS}-counter" / "operators", SIGNS)
    store.enrol(9, PINS[3])
    path = tmp_path / f"{SIGNS}-counter" / "operators" / "9.key"
    values = json.loads(path.read_bytes())
    before = told_guesses(world)
    counter = counting(world, tmp_path, centre=SIGNS)
    with counter as running, Browser(running.address) as browser:
        for wrong, told in ((8, 0), (9, 10), (10, 0), (19, 10)):
            path.write_text(json.dumps({**values, "wrong": wrong, "at": 0}))
            browser.get("/operator")
            reply = browser.send("/operator/on", operator=9, pin="000111")
            assert reply.status_code == 403
            before += told
            until(lambda now=before: told_guesses(world) == now)


def test_a_counter_without_keys_asks_for_the_secret_of_its_start(
    counter: Counter,
) -> None:
    """Any account of the computer reaches loopback."""
    secret = (counter.folder / "start-secret").read_text()
    assert (counter.folder / "start-secret").stat().st_mode & 0o077 == 0
    for typed in (None, "", secret[:-1], secret + "a", "é", "x" * 32):
        with Browser(counter.address) as stranger:
            stranger.text = stranger.http.get("/operator").text
            assert 'id="secret"' in stranger.text
            given = {} if typed is None else {"secret": typed}
            reply = stranger.send("/operator/on", operator=3, **given)
            assert reply.status_code == 403
            assert stranger.get("/").url.path == "/operator"
            reply = stranger.http.get("/operator", params=given or {"secret": "no"})
            assert 'id="secret"' in reply.text
    with Browser(counter.address) as knows:
        knows.text = knows.http.get("/operator").text
        parts = f" {secret[:4].upper()}-{secret[4:8]}-{secret[8:]}"
        knows.send("/operator/on", operator=3, secret=parts)
        assert knows.path == "/"
        # Whoever leaves is followed by somebody at the same browser.
        knows.send("/operator/off")
        assert 'id="secret"' not in knows.text
    with Browser(counter.address) as opened:
        opened.get("/" + counter.opens)
        assert opened.path == "/operator"
        assert 'id="secret"' not in opened.text


def test_with_keys_nobody_is_asked_for_a_secret(signing: Counter) -> None:
    assert signing.opens == ""
    secret = (signing.folder / "start-secret").read_text()
    with Browser(signing.address) as browser:
        assert 'id="secret"' not in browser.get(f"/operator?secret={secret}").text
        browser.send("/operator/on", operator=3, secret=secret)
        assert browser.get("/").url.path == "/operator"


def rows(world: World) -> int:
    """How many rows the ledger has."""
    request = admin_pb2.GetLedgerRequest()
    ledger = world.peers.treasury.admin.GetLedger(request, timeout=CALL_S)
    return int(ledger.sequence)


def told_guesses(world: World) -> float:
    """Wrong PINs of which the switch was told."""
    return max(0.0, figure(world.server, r'turned_away_total\{cause="wrong_pin"\}'))


def test_a_session_that_is_over_costs_a_pin_and_no_payment(
    world: World, signing: Counter
) -> None:
    owed = reference()
    with Browser(signing.address) as browser, Browser(signing.address) as other:
        browser.sign_on(3, pin=PINS[3])
        browser.fetch(POWER, owed)
        # The same operator leaves in another browser: the switch has no session left.
        other.sign_on(3, pin=PINS[3])
        other.get("/operator")
        other.send("/operator/off")
        browser.pay()
        browser.settled("sign-on")
        assert "Do not take money again, do not return it" in browser.text
        where = browser.path
        assert not [one for one in world.payments(SIGNS) if owed in one.reference]
        # Another operator does not pay it for the first.
        other.sign_on(LAST, pin=PINS[LAST])
        other.get(where)
        other.settled("sign-on")
        other.sign_on(3, pin=PINS[3])
        other.get(where)
        other.settled("paid")
    [paid] = [one for one in world.payments(SIGNS) if owed in one.reference]
    assert paid.operator == 3


def test_a_switch_that_was_started_anew_knows_the_session(
    world: World, signing: Counter
) -> None:
    owed = reference()
    with Browser(signing.address) as browser:
        browser.sign_on(LAST, pin=PINS[LAST])
        world.restart()
        world.serve()
        until(lambda: "due" in browser.fetch(POWER, owed).text)
        until(lambda: "/due/" in browser.fetch(POWER, owed).url.path)
        browser.pay()
        browser.settled("paid")


# --- papers, complaints, cancelling ---------------------------------------------------


def test_papers(world: World, tmp_path: Path) -> None:
    roll = tmp_path / "roll"
    world.serve()
    with (
        counting(world, tmp_path / "c", "--printer", str(roll)) as counter,
        Browser(counter.address) as browser,
    ):
        browser.sign_on()
        browser.fetch(POWER, reference())
        browser.pay()
        browser.settled("paid")
        where = browser.path
        assert "REPRINT" not in browser.text
        pdf = browser.get(f"{where}/pdf")
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.content.startswith(b"%PDF")
        browser.get(where)
        browser.send(f"{where}/print", kind="receipt")
        assert "Sent to the printer" in browser.text
        assert roll.read_bytes()
        assert "REPRINT" in browser.text
        # Of two clicks the second is a reprint, at the browser's printer, too.
        browser.fetch(POWER, reference())
        browser.pay()
        browser.settled("paid")
        assert "REPRINT" not in browser.text
        where = browser.path
        form = {"token": browser.token, "kind": "receipt"}
        clicks = [
            threading.Thread(
                target=httpx.post,
                args=(f"{counter.address.rstrip('/')}{where}/print",),
                kwargs={
                    "data": form,
                    "cookies": dict(browser.http.cookies),
                    "headers": {"origin": counter.address.rstrip("/")},
                    "timeout": PATIENCE_S,
                },
            )
            for _ in range(2)
        ]
        for click in clicks:
            click.start()
        for click in clicks:
            click.join()
        assert b"REPRINT" in roll.read_bytes()
        browser.fetch(POWER, reference())
        browser.pay()
        browser.settled("paid")
        form["token"] = browser.token
        assert "REPRINT" in browser.http.post(f"{browser.path}/printed", data=form).text
        # A printer that fails is said, and touches nothing.
        roll.unlink()
        roll.mkdir()
        assert browser.send(f"{where}/print", kind="receipt").status_code == 502
        assert "The payment is not touched by that" in browser.text
        browser.get(where)
        assert browser.settled("paid")


def test_of_a_receipt_there_is_one_original(world: World, tmp_path: Path) -> None:
    """At the printer, as A5, and from the command line, in whatever order."""
    roll, copy = tmp_path / "roll", tmp_path / "copy"
    world.serve()

    def command(payment: str) -> str:
        mine = ("--as", f"centre/{CENTRE}", "--data", str(tmp_path / "c"))
        where = ("--address", world.server.address, "--tls", str(world.tls))
        forms = ("--printer", str(copy))
        done = forked.run("switch", "receipt", payment, *mine, *where, *forms)
        assert done.returncode == 0, done.stderr
        return copy.read_bytes().decode("latin-1")

    with (
        counting(world, tmp_path / "c", "--printer", str(roll)) as counter,
        Browser(counter.address) as browser,
    ):
        browser.sign_on()

        def paid() -> str:
            browser.fetch(POWER, reference())
            browser.pay()
            browser.settled("paid")
            assert "REPRINT" not in browser.text
            return browser.path

        # The command line first.
        where = paid()
        assert "REPRINT" not in command(where.rpartition("/")[2])
        assert "REPRINT" in browser.get(where).text
        browser.send(f"{where}/print", kind="receipt")
        assert b"REPRINT" in roll.read_bytes()
        # A5 first: who has the page has an original.
        where = paid()
        browser.get(f"{where}/pdf?kind=receipt")
        assert "REPRINT" in browser.get(where).text
        assert "REPRINT" in command(where.rpartition("/")[2])
        # The printer first, with a printer that fails before; a new start forgets none.
        where = paid()
        roll.unlink()
        roll.mkdir()
        assert (
            "The payment is not touched"
            in browser.send(f"{where}/print", kind="receipt").text
        )
        roll.rmdir()
        assert "REPRINT" not in browser.get(where).text
        browser.send(f"{where}/print", kind="receipt")
        assert b"REPRINT" not in roll.read_bytes()
        counter.kill()
        counter.start()
        browser.sign_on()
        assert "REPRINT" in browser.get(where).text
        assert "REPRINT" in command(where.rpartition("/")[2])


def test_a_complaint_has_one_number(counter: Counter, browser: Browser) -> None:
    browser.fetch(POWER, reference())
    browser.pay()
    browser.settled("paid")
    where, move_id = browser.path, new_id().hex()
    numbers = set()
    for _ in range(2):
        browser.get(where)
        browser.send(f"{where}/complain", id=move_id, reason="PAID_TWICE", note="twice")
        browser.settled("done")
        numbers |= {*re.findall(r"data-number>(C[0-9A-Z]+)<", browser.text)}
    assert len(numbers) == 1
    # Another one about the same payment is told the number of the first.
    browser.get(where)
    browser.send(f"{where}/complain", id=new_id().hex(), reason="OTHER", note="")
    browser.settled("refused")
    assert numbers.pop() in browser.text
    for wrong in ({"reason": "NONE"}, {"reason": "OTHER", "note": "নাম"}):
        browser.get(where)
        fields = {"id": new_id().hex(), **wrong}
        assert browser.send(f"{where}/complain", **fields).status_code == 400


def test_it_is_cancelled_until_the_department_was_asked(
    world: World, browser: Browser
) -> None:
    world.serve(lambda question: bills(question) if question.kind == 4 else ())
    owed = reference()
    biller = world.serve()
    biller.script = lambda question: (
        bills(question) if question.number and not question.amount else silent(question)
    )
    browser.fetch(POWER, owed)
    browser.pay()
    browser.settled("waiting")
    where = browser.path
    browser.send(f"{where}/cancel")
    assert "Too late to cancel" in browser.text
    world.serve()
    browser.get(where)
    browser.settled("paid", "given-back")


def test_the_page_says_who_cancelled(world: World, counter: Counter) -> None:
    """Held for a department that takes nothing for now: one operator has taken the
    cash, another gives it back.
    """
    owed = payment(BOOKING, operator=3)
    held = world.peers.centre(CENTRE).pay(owed)
    assert held.state == payments_pb2.PAYMENT_STATE_HELD
    where = f"/payment/{owed.id.hex()}"
    with Browser(counter.address) as browser:
        browser.sign_on(4)
        browser.get(where)
        assert browser.outcomes[0] == "waiting"
        browser.send(f"{where}/cancel")
        assert browser.outcomes[0] == "given-back"
        assert "operator 4 has cancelled the payment" in browser.text
        browser.send("/language", language="bn", back=where)
        assert "অপারেটর ৪ লেনদেনটি বাতিল করেছেন" in browser.text


def test_training_says_so_and_keeps_apart(world: World, tmp_path: Path) -> None:
    training = counting(world, tmp_path, "--training")
    with training as counter, Browser(counter.address) as browser:
        browser.sign_on()
        for path in ("/", "/today", "/nowhere"):
            assert (
                "TRAINING: nothing on this page is real money" in browser.get(path).text
            )
    assert (tmp_path / f"{CENTRE}-training" / "till" / "MODE").exists()
    assert not (tmp_path / f"{CENTRE}-counter" / "till").exists()


def test_a_biller_that_comes_is_soon_no_longer_away(
    world: World, tmp_path: Path
) -> None:
    """The counter of a centre may be on before the departments have dialled in."""
    if world.biller is not None:
        world.biller.close()
        world.biller = None
    with counting(world, tmp_path) as counter, Browser(counter.address) as browser:
        browser.sign_on()

        def is_away() -> bool:
            return "does not answer" in browser.get("/services?q=bidyut").text

        until(is_away)
        world.serve()
        until(lambda: not is_away(), 25)
