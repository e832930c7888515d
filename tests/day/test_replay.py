"""Goal: the day's counters fetch, pay and come back as people do, and present exactly
the token that their step says.

Method: a small switch of the test's own stands in for the client: it quotes what the
simulated billers have, turns fetches away as often as it is told, and answers payments
as it is told; nothing is waited for, as the day began long ago.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self, cast

import grpc
import pytest

from switch.client import CallError, Client
from switch.codes import Result
from switch.day.replay import (
    AHEAD_PARTS,
    BACK_PARTS,
    PACE_S,
    TRIES_MAX,
    Replay,
    Replayed,
    Told,
    forged,
)
from switch.day.script import Script, write_script
from switch.day.sending import Payment, result_of
from switch.day.step import Step, Token
from switch.simulator.bills import bills_of
from switch.v1 import counter_pb2, payments_pb2, results_pb2

RECENTLY = results_pb2.RESULT_PAID_RECENTLY
SCRIPT = write_script(1, payments=2_000)
OWN = "bsk-00001"
HANDLE = b"handle"


class Stream:
    """Answers at once, whatever is sent."""

    def __init__(self, switch: "Switch") -> None:
        self._switch = switch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def send(self, payments: Sequence[Payment]) -> list[payments_pb2.PaymentOutcome]:
        return self._switch.pay_batch(payments)

    def finish(self) -> list[payments_pb2.PaymentOutcome]:
        return []


class Switch:
    """A switch and its billers, for one client."""

    def __init__(self) -> None:
        self.fetched: list[tuple[str, str, str]] = []
        self.paid: list[Payment] = []
        self.away = 0
        """So many fetches are turned away first."""
        self.state = counter_pb2.BILL_STATE_DUE
        self.result: Callable[[Payment], Result] = lambda _: Result.OK
        self._lock = threading.Lock()

    def fetch_bill(
        self, service: str, reference: str, centre: str = ""
    ) -> list[counter_pb2.Bill]:
        [found] = self.fetch_bills(service, [reference], centre)
        if found.error:
            raise CallError(grpc.StatusCode.UNAVAILABLE, "", reason=found.error)
        return list(found.bills)

    def fetch_bills(
        self, service: str, references: Sequence[str], centre: str = ""
    ) -> list[counter_pb2.FetchedBills]:
        return [self._fetch(service, one, centre) for one in references]

    def _fetch(
        self, service: str, reference: str, centre: str
    ) -> counter_pb2.FetchedBills:
        with self._lock:
            self.fetched.append((centre, service, reference))
            if self.away:
                self.away -= 1
                return counter_pb2.FetchedBills(
                    reference=reference, error="BILLER_UNAVAILABLE"
                )
        found = counter_pb2.FetchedBills(reference=reference)
        for bill in bills_of(service, bill_of(service, reference), 1):
            token = f"{centre} {bill.key}".encode().ljust(144, b"\0")
            due = self.state == counter_pb2.BILL_STATE_DUE
            found.bills.add(
                id=bill.id,
                period=bill.period,
                reference=bill.reference,
                amount_due=bill.amount_due,
                state=self.state,
                quotation=token if due else b"",
            )
        return found

    def pay_batch(
        self, payments: Sequence[Payment]
    ) -> list[payments_pb2.PaymentOutcome]:
        return [self.pay(one) for one in payments]

    def pay_bill(
        self, payment: Payment, wait_ms: int = 0
    ) -> payments_pb2.PaymentOutcome:
        return self.pay(payment)

    def pay(self, payment: Payment) -> payments_pb2.PaymentOutcome:
        with self._lock:
            self.paid.append(payment)
            result = self.result(payment)
        return payments_pb2.PaymentOutcome(
            id=payment.id,
            result=results_pb2.Result.ValueType(result.value),
            sequence=len(self.paid),
            additional_to=HANDLE if result is Result.PAID_RECENTLY else b"",
        )

    def open_stream(self) -> Stream:
        return Stream(self)


BILL_OF = {(one.service, one.reference): one.bill for one in SCRIPT.steps}


def bill_of(service: str, reference: str) -> str:
    """A reference in its one form, by the script."""
    return BILL_OF[service, reference]


def replay(
    steps: Sequence[Step], harness: Switch, own: dict[str, Switch] | None = None
) -> Replayed:
    """Replay these steps as fast as it goes."""
    script = Script(1, SCRIPT.date, tuple(steps), {})
    clients = cast("dict[str, Client]", own or {})
    return Replay(
        script,
        cast("Client", harness),
        clients,
        speed=1e9,
        begin_s=36_000.0,
        begin_unix_s=0.0,
    ).run(lambda _: None)


def find(**wanted: object) -> Step:
    """The first step that is so."""
    for step in SCRIPT.steps:
        if all(getattr(step, name) == value for name, value in wanted.items()):
            return step
    raise AssertionError(f"no step has {wanted}")


def first_of(step: Step) -> Step:
    """The payment before a slip."""
    return find(key=step.key, expected=Result.OK, is_again=False)


def test_every_step_is_sent_or_told_or_given_up() -> None:
    switch = Switch()
    replayed = replay(SCRIPT.steps, switch)
    sent = Counter(one.step for one in replayed.sent)
    assert sum(sent.values()) == len(SCRIPT.steps)
    # A bill is asked for once by each counter that needs it then.
    wanted = {
        (one.centre, one.service, one.reference, one.half_hour)
        for one in SCRIPT.steps
        if one.token is Token.OWN
    }
    assert replayed.fetches == len(switch.fetched)
    assert len(wanted) * 0.99 <= replayed.fetches <= len(wanted) * 1.01
    for one in replayed.sent:
        assert bool(one.payment.quotation) == (one.step.token is not Token.NONE)
        assert [(i.code, i.count) for i in one.payment.items] == list(one.step.items)
        if one.step.token is Token.OWN:
            assert one.row_reference in one.payment.quotation.decode()
            assert one.payment.quotation.decode().startswith(one.step.centre)


def test_a_centre_fetches_and_pays_for_itself() -> None:
    step = replace(find(token=Token.OWN), centre=OWN)
    mine, harness = Switch(), Switch()
    replayed = replay([step], harness, {OWN: mine})
    assert mine.fetched == [("", step.service, step.reference)]
    assert [one.centre for one in mine.paid] == [""]
    assert harness.fetched == harness.paid == []
    assert replayed.own_centres == 1


def test_who_is_turned_away_comes_back_and_gives_up_in_the_end() -> None:
    step = find(token=Token.OWN)
    for own in (False, True):
        for times in (1, TRIES_MAX - 1, TRIES_MAX):
            switch = Switch()
            switch.away = times
            one = replace(step, centre=OWN) if own else step
            # There is a day left in which they can come back.
            late = replace(
                find(token=Token.NONE, expected=Result.OK),
                time_ns=one.time_ns + TRIES_MAX * BACK_PARTS * PACE_S * 10**9,
            )
            replayed = replay([one, late], switch, {OWN: switch} if own else None)
            assert replayed.turned_away == times
            if times < TRIES_MAX:
                assert [sent.step for sent in replayed.sent] == [one, late]
                assert replayed.unsent == []
            else:
                assert replayed.unsent == [one]


def test_who_is_turned_away_at_the_end_of_the_day_may_still_come_once_more() -> None:
    step = find(token=Token.OWN)
    switch = Switch()
    switch.away = 1
    assert len(replay([step], switch).sent) == 1
    switch.away = 100
    replayed = replay([step], switch)
    assert replayed.unsent == [step]
    assert replayed.sent == []


@pytest.mark.parametrize("token", [Token.OLD, Token.OTHERS, Token.FORGED])
def test_a_token_that_is_none_is_that_of_the_payment_before(token: Token) -> None:
    slip = find(token=token)
    first = first_of(slip)
    replayed = replay([first, slip], Switch())
    before, after = [one.payment.quotation for one in replayed.sent]
    assert after == (forged(before, slip.amount) if token is Token.FORGED else before)
    # Nobody has it before that payment, and without one it is never presented.
    assert replay([slip], Switch()).unsent == [slip]


def test_who_pays_again_waits_for_the_first() -> None:
    again = find(token=Token.OWN, is_again=True)
    first = first_of(again)
    switch = Switch()
    # The first comes back when the second is there, which then goes after it.
    switch.away = 1
    replayed = replay([first, again], switch)
    assert [one.step for one in replayed.sent] == [first, again]
    assert replay([again], Switch()).unsent == [again]


def test_a_rest_is_fetched_after_its_part_was_paid() -> None:
    rest = next(one for one in SCRIPT.steps if one.paid_before)
    part = find(key=rest.key, paid_before=0, expected=Result.OK)
    assert AHEAD_PARTS < BACK_PARTS
    switch = Switch()
    switch.away = 1
    replayed = replay([part, rest], switch)
    assert [one.step for one in replayed.sent] == [part, rest]
    # In vain, then for both at once, then for the rest after its part.
    assert len(switch.fetched) == 3
    expired: Counter[bytes] = Counter()

    def once(payment: Payment) -> Result:
        expired[payment.id] += 1
        is_rest = payment.amount == rest.amount and len(expired) == 2
        return Result.QUOTATION_EXPIRED if is_rest else Result.OK

    switch = Switch()
    switch.result = once
    replayed = replay([part, rest], switch)
    assert [result_of(one) for one in replayed.sent] == [Result.OK, Result.OK]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (counter_pb2.BILL_STATE_PAID, Told.PAID),
        (counter_pb2.BILL_STATE_IN_PROGRESS, Told.IN_PROGRESS),
    ],
)
def test_no_money_is_taken_for_what_is_paid(
    state: counter_pb2.BillState.ValueType, told: Told
) -> None:
    step = find(token=Token.OWN, paid_before=0)
    switch = Switch()
    switch.state = state
    replayed = replay([step], switch)
    assert replayed.told == [(step, told)]
    assert switch.paid == []
    other = replace(step, due=step.due + 1)
    assert replay([other], Switch()).told == [(other, Told.NOTHING_DUE)]


def only_the_first_with_a_handle() -> Callable[[Payment], Result]:
    """How a switch answers who pays once more."""
    used: set[bytes] = set()

    def answer(payment: Payment) -> Result:
        if not payment.additional_to or payment.additional_to in used:
            return Result.PAID_RECENTLY
        used.add(payment.additional_to)
        return Result.OK

    return answer


def test_a_person_who_wants_to_gives_the_handle_back_and_nobody_else_does() -> None:
    for step in (find(confirms=True), find(confirms=False, is_again=True, due=0)):
        switch = Switch()
        switch.result = only_the_first_with_a_handle()
        replayed = replay([step], switch)
        results = [result_of(one) for one in replayed.sent]
        handles = [one.payment.additional_to for one in replayed.sent]
        if step.confirms:
            assert results == [RECENTLY, Result.OK, RECENTLY]
            assert handles == [b"", HANDLE, HANDLE]
            expected = [one.step.expected for one in replayed.sent]
            assert expected == results
        else:
            assert handles == [b""]
