"""Goal: a quotation says what the biller said, for the centre that asked, and a bill
that is paid or under way has none.

Method: bills of each key rule quoted from a real ledger, the tokens opened again;
payments that the ledger has of them, stated by a sender who may.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from switch._core import QUOTATION, Ledger, Request, Rows
from switch.billing.bills import Bill, Fetched
from switch.billing.quotations import BillState, Quoted, quote
from switch.codes import KeyRule, Mode, Opened, Policy, Result, Role
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.templates import Templates
from switch.register.load import committing, load_network
from switch.register.register import PURPOSE_FLOAT, Register, Service
from switch.specs import ParticipantSpec
from tests.billing.test_bills import HEADS, service_spec

CENTRE = 77
SERVICES = (
    service_spec(
        "ID", mode=Mode.CONFIRMED, deadline_s=60, deadline_policy=Policy.RELEASE
    ),
    service_spec("ARREARS", series="ID"),
    service_spec("MONTH", key_rule=KeyRule.REFERENCE_PERIOD),
)


class Desk:
    """A ledger with a key, and a sender who may state dues."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.register = Register(ledger)
        ledger.set_quotation_keys([(1, bytes(32))])
        participants = [
            ParticipantSpec(
                id="power", role=Role.BILLER, heads=HEADS, never_credits_late=True
            ),
            ParticipantSpec(id="bsk-1", role=Role.CENTRE, may_state_dues=True),
        ]
        load_network(self.register, committing(ledger), participants, SERVICES)
        centre = self.register.find_participant("bsk-1")
        wallet = self.register.find_wallet("bsk-1")
        assert centre
        assert wallet
        self.centre, self.wallet = centre.index, wallet.index
        biller = self.register.find_participant("power")
        assert biller
        # Whoever proposes and approves: the ledger asks only that they are two.
        self.biller, self.office = biller.index, 1
        source = self.register.treasury_account(PURPOSE_FLOAT).index
        self.do(
            moves.top_up(
                new_id(),
                source,
                self.wallet,
                10**9,
                new_id().hex(),
                sender=centre.index,
            )
        )

    @property
    def now_ns(self) -> int:
        return self.ledger.timestamp + 1

    def do(self, move: Templates) -> int:
        [reply] = self.ledger.commit([move.request()], self.now_ns)
        outcome = cast("Rows", reply)[0]
        assert Result(int(outcome["result"])) is Result.OK
        return int(outcome["sequence"])

    def hold(self, bill_id: str) -> tuple[bytes, int]:
        """A payment of a bill that waits for a minute: its id and sequence."""
        payment_id = new_id()
        move = moves.hold(
            payment_id,
            self.wallet,
            self.service("ID").index,
            700,
            bill_id,
            deadline_s=60,
            sender=self.centre,
            amount_due=700,
        )
        return payment_id, self.do(move)

    def wait(self, seconds: int) -> None:
        """Time passes; what is due is done."""
        self.ledger.commit([], self.now_ns + seconds * 10**9)

    def answer(self, answer: Rows) -> Rows:
        """A biller's word; its OUTCOME."""
        request = Request.answers(answer, self.biller)
        [reply] = self.ledger.commit([request], self.now_ns)
        outcome: Rows = cast("Rows", reply)[0]
        return outcome

    def service(self, code: str) -> Service:
        found = self.register.find_service(code)
        assert found is not None
        return found

    def quote(self, code: str, *bills: Bill, reference: str = "AB12") -> list[Quoted]:
        fetched = Fetched(self.service(code), reference, self.now_ns, bills)
        return quote(self.register, fetched, CENTRE, self.now_ns)

    def states(self, code: str, *bills: Bill) -> list[BillState]:
        quoted = self.quote(code, *bills)
        for one in quoted:
            assert bool(one.token) == (one.state is BillState.DUE)
        return [one.state for one in quoted]

    def opened(self, quoted: Quoted) -> dict[str, Any]:
        what, token = self.ledger.open_quotation(quoted.token, self.now_ns)
        assert what == Opened.RIGHT
        values: dict[str, Any] = {name: token[name] for name in QUOTATION.names or ()}
        for name in ("reference", "bill"):
            values[name] = values[name].tobytes().rstrip(b"\0").decode("ascii")
        return values


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Ledger(str(tmp_path), map_size=1 << 30, reserve_size=0) as ledger:
        yield Desk(ledger)


def bill(**changes: Any) -> Bill:
    values: dict[str, Any] = {
        "id": "AB11",
        "period": "",
        "amount_due": 700,
        "due_time_ns": 5,
        "valid_until_ns": 0,
        "head": 1,
        "supersedes": (),
    }
    return Bill(**values | changes)


def test_what_a_quotation_says(desk: Desk) -> None:
    until_ns = desk.now_ns + 9
    [quoted] = desk.quote("ARREARS", bill(valid_until_ns=until_ns))
    said = desk.opened(quoted)
    named = desk.service("ID")
    assert said["centre"] == CENTRE
    assert said["service"] == desk.service("ARREARS").index
    assert said["series"] == named.index
    assert (said["reference"], said["bill"]) == ("AB12", "AB11")
    assert (said["amount_due"], said["head"], said["period"]) == (700, 1, 0)
    assert (said["due_time"], said["valid_until"]) == (5, until_ns)
    assert said["fetched"] == desk.now_ns
    assert said["amount_rule"] == int(named.spec.amount_rule)
    [quoted] = desk.quote("MONTH", bill(id="", period="2026-11"))
    said = desk.opened(quoted)
    assert (said["bill"], said["period"]) == ("", 2026 * 12 + 10)
    assert said["series"] == said["service"] == desk.service("MONTH").index


def test_a_bill_that_is_held_and_paid(desk: Desk) -> None:
    ids = bill(), bill(id="AB22"), bill(id="AB33", supersedes=("AB00", "AB22"))
    assert desk.states("ID", *ids) == [BillState.DUE] * 3
    _, held = desk.hold("AB22")
    under_way = [BillState.DUE, BillState.IN_PROGRESS, BillState.IN_PROGRESS]
    assert desk.states("ID", *ids) == under_way
    # By another service of the series it is the same bill.
    assert desk.states("ARREARS", *ids) == under_way
    desk.do(moves.post(held, 700))
    paid = [BillState.DUE, BillState.PAID, BillState.PAID]
    assert desk.states("ID", *ids) == desk.states("ARREARS", *ids) == paid


def test_a_bill_of_which_nobody_knows_whether_it_is_paid(desk: Desk) -> None:
    payment_id, held = desk.hold("AB22")
    desk.wait(61)
    asked = bill(id="AB22")
    assert desk.ledger.unverified().tolist() == [held]
    assert desk.states("ID", asked) == [BillState.IN_PROGRESS]
    answer = moves.confirmed(held, payment_id, 700)
    told = desk.answer(answer)
    assert told["result"] == Result.ALREADY_EXPIRED
    assert desk.states("ID", asked) == [BillState.IN_PROGRESS]
    row = desk.ledger.row(held)
    first, second = desk.office, desk.office + 1
    proposal = desk.do(
        moves.propose_correction(new_id(), row, 700, "seen", sender=first)
    )
    desk.do(moves.approve(new_id(), proposal, sender=second))
    wanted = desk.ledger.row(proposal)
    desk.do(moves.approved_correction(wanted, row, checker=second))
    assert desk.states("ID", asked) == [BillState.PAID]


def test_a_bill_that_is_free_again(desk: Desk) -> None:
    payment_id, held = desk.hold("AB22")
    desk.wait(61)
    told = desk.answer(moves.rejected(held, payment_id, "NONE"))
    assert told["result"] == Result.OK
    assert desk.states("ID", bill(id="AB22")) == [BillState.DUE]
    # It was credited after all, says its biller now.
    desk.answer(moves.confirmed(held, payment_id, 700))
    assert desk.states("ID", bill(id="AB22")) == [BillState.IN_PROGRESS]


def test_a_month_is_known_by_its_period(desk: Desk) -> None:
    months = bill(period="2026-10"), bill(period="2026-11")
    move = moves.pay(
        new_id(),
        desk.wallet,
        desk.service("MONTH").index,
        700,
        "AB12/2026-11",
        sender=desk.centre,
        amount_due=700,
    )
    desk.do(move)
    assert desk.states("MONTH", *months) == [BillState.DUE, BillState.PAID]
