"""Goal: the client repeats what may be repeated, and never calls unknown failed.

Method: a scripted server with mutual TLS fails in each way a real one can, before
and after the work is done; what the client sends and reports is compared.
"""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from switch.client import CallError, Client, LostReplyError, make_payment
from switch.client.calls import RETRY_INFO_MAX_S, Attempts
from switch.credentials import Credentials
from switch.errors import ConfigError, UnknownOutcomeError, WireError
from switch.ids import id_time_ms
from switch.v1 import counter_pb2, network_pb2, results_pb2
from switch.v1 import payments_pb2 as pb
from tests.client.scripted import (
    DENIED,
    EXHAUSTED,
    FEED_LENGTH,
    INTERNAL,
    UNAVAILABLE,
    Fault,
    Scripted,
    ScriptedFeed,
    serving,
)

Served = tuple[Scripted, ScriptedFeed, Client]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with (
        serving(tmp_path / "tls") as (script, feed, address, credentials),
        Client(address, credentials, retries_max=2, timeout_s=5) as client,
    ):
        yield script, feed, client


def payment() -> pb.Payment:
    return make_payment("BSK0199", 95_000, "123456789/2026-03")


def test_a_payment_gets_an_ascending_id_and_its_outcome(served: Served) -> None:
    _, _, client = served
    first, second = payment(), payment()
    assert abs(id_time_ms(first.id) - time.time() * 1000) < 10_000
    assert first.id < second.id
    outcome = client.pay(first)
    assert outcome.id == first.id
    assert not outcome.repeat


def test_a_payment_without_an_id_is_given_one(served: Served) -> None:
    _, _, client = served
    bare = pb.Payment(service="BSK0199", amount=1, reference="1")
    assert client.pay(bare).id == bare.id != b""


def test_a_lost_reply_is_asked_for_again_with_the_same_id(served: Served) -> None:
    script, _, client = served
    script.faults.append(Fault(UNAVAILABLE, is_done=True))
    outcome = client.pay(payment())
    assert outcome.repeat
    assert script.calls == 2
    assert len(script.sequences) == 1


def test_a_bill_is_paid_again_with_the_same_id_and_content(served: Served) -> None:
    script, _, client = served
    script.faults.append(Fault(UNAVAILABLE, is_done=True))
    outcome = client.pay_bill(make_payment("S", 10, "R", quotation=b"q" * 144))
    assert outcome.repeat
    first, second = script.counter.paid
    assert first == second
    assert first.quotation == b"q" * 144


def test_bills_come_with_their_quotations(served: Served) -> None:
    script, _, client = served
    bill = counter_pb2.Bill(
        reference="R", state=counter_pb2.BILL_STATE_DUE, quotation=b"q" * 144
    )
    script.counter.bills["R"] = [bill, bill]
    script.faults.append(Fault(UNAVAILABLE))
    assert client.fetch_bill("S", "R") == [bill, bill]
    with pytest.raises(CallError) as caught:
        client.fetch_bill("S", "none")
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    none, two = client.fetch_bills("S", ["none", "R"])
    assert (none.reference, none.error, list(none.bills)) == (
        *("none", "BILL_NOT_FOUND"),
        [],
    )
    assert (two.error, len(two.bills)) == ("", 2)
    script.counter.swap_fetched = True
    with pytest.raises(WireError, match="other references"):
        client.fetch_bills("S", ["none", "R"])


def test_what_needs_a_person_is_not_done_by_itself(served: Served) -> None:
    script, _, client = served
    for refusal in (
        pb.PaymentOutcome(
            result=results_pb2.RESULT_PAID_RECENTLY, additional_to=b"h" * 24
        ),
        pb.PaymentOutcome(result=results_pb2.RESULT_QUOTATION_EXPIRED),
    ):
        script.counter.refusals.append(refusal)
        sent = make_payment("S", 10, "R", items=[("COPY", 2)])
        outcome = client.pay_bill(sent)
        assert outcome.result == refusal.result
        assert script.counter.paid.pop() == sent
        assert sent.additional_to == b""
    assert script.counter.fetched == script.counter.paid == []


def test_an_outcome_that_stays_unknown_carries_its_ids(served: Served) -> None:
    script, _, client = served
    script.faults.extend(Fault(UNAVAILABLE) for _ in range(3))
    sent = [payment(), payment()]
    with pytest.raises(LostReplyError) as caught:
        client.pay_batch(sent)
    assert isinstance(caught.value, UnknownOutcomeError)
    assert caught.value.ids == (sent[0].id, sent[1].id)
    assert script.calls == 3


def test_an_internal_error_is_unknown_and_not_repeated(served: Served) -> None:
    script, _, client = served
    script.faults.append(Fault(INTERNAL))
    with pytest.raises(LostReplyError):
        client.pay(payment())
    assert script.calls == 1


def test_a_refusal_of_the_caller_is_certain(served: Served) -> None:
    script, _, client = served
    script.faults.append(Fault(DENIED, reason="FORBIDDEN"))
    with pytest.raises(CallError) as caught:
        client.pay(payment())
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.reason == "FORBIDDEN"
    assert script.calls == 1


def test_a_refusal_after_an_attempt_that_may_have_worked_is_unknown(
    served: Served,
) -> None:
    script, _, client = served
    script.faults.extend([Fault(UNAVAILABLE), Fault(DENIED)])
    with pytest.raises(LostReplyError):
        client.pay(payment())


def test_a_full_queue_is_certain_and_its_pause_is_kept(served: Served) -> None:
    script, _, client = served
    script.faults.extend(
        Fault(EXHAUSTED, reason="OVERLOAD", outcome="not_done", retry_ms=200)
        for _ in range(3)
    )
    start_s = time.monotonic()
    with pytest.raises(CallError) as caught:
        client.pay(payment())
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert time.monotonic() - start_s >= 0.4


def test_what_is_too_large_is_not_sent_again(served: Served) -> None:
    script, _, client = served
    fault = Fault(EXHAUSTED, reason="MESSAGE_TOO_LARGE", outcome="not_done")
    script.faults.append(fault)
    with pytest.raises(CallError) as caught:
        client.pay(payment())
    assert (caught.value.reason, script.calls) == ("MESSAGE_TOO_LARGE", 1)


def test_a_refusal_without_a_word_from_the_server_is_unknown(served: Served) -> None:
    script, _, client = served
    script.faults.extend(Fault(EXHAUSTED) for _ in range(3))
    with pytest.raises(LostReplyError):
        client.pay(payment())


def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    attempts = Attempts(5, changes=False)
    error = CallError(
        grpc.StatusCode.UNAVAILABLE, "later", retry_s=RETRY_INFO_MAX_S + 1
    )
    with pytest.raises(CallError, match="later"):
        attempts.delay_after(error)


def test_what_breaks_below_a_call_is_tried_again_and_was_maybe_done() -> None:
    broken = CallError(grpc.StatusCode.UNKNOWN, "Stream removed")
    attempts = Attempts(1, changes=True)
    assert attempts.delay_after(broken) > 0
    with pytest.raises(LostReplyError):
        attempts.delay_after(broken)


def test_pauses_grow_and_progress_starts_them_over() -> None:
    attempts = Attempts(3, changes=False)
    error = CallError(grpc.StatusCode.UNAVAILABLE, "down")
    delays = [attempts.delay_after(error) for _ in range(3)]
    assert 0.025 <= delays[0] <= 0.075
    assert 0.1 <= delays[2] <= 0.3
    with pytest.raises(CallError):
        attempts.delay_after(error)
    attempts.progress()
    assert attempts.delay_after(error) <= 0.075


def test_outcomes_of_other_ids_are_unknown(served: Served) -> None:
    script, _, client = served
    script.swap_ids = True
    with pytest.raises(LostReplyError):
        client.pay(payment())


def test_a_batch_answers_payments_before_baskets(served: Served) -> None:
    _, _, client = served
    basket = pb.Basket(payments=[payment(), payment()])
    alone = payment()
    outcomes = client.pay_batch([alone], [basket])
    ids = [alone.id, *(one.id for one in basket.payments)]
    assert [one.id for one in outcomes] == ids


def test_a_stream_keeps_the_order(served: Served) -> None:
    _, _, client = served
    sent = [payment() for _ in range(200)]
    outcomes: list[pb.PaymentOutcome] = []
    with client.open_stream(outstanding_max=10) as stream:
        for at in range(0, len(sent), 4):
            outcomes += stream.send(sent[at : at + 4])
        outcomes += stream.finish()
    assert [one.id for one in outcomes] == [one.id for one in sent]
    assert not any(one.repeat for one in outcomes)


def test_a_broken_stream_goes_on_where_it_was(served: Served) -> None:
    script, _, client = served
    script.break_stream_after = 7
    sent = [payment() for _ in range(60)]
    outcomes: list[pb.PaymentOutcome] = []
    with client.open_stream() as stream:
        for at in range(0, len(sent), 4):
            outcomes += stream.send(sent[at : at + 4])
        outcomes += stream.finish()
    assert [one.id for one in outcomes] == [one.id for one in sent]
    assert len(script.sequences) == len(sent)
    # The half of a message that was done and not answered came back as a repeat.
    assert any(one.repeat for one in outcomes)
    assert script.calls == 2


def test_a_stream_that_cannot_be_resumed_names_what_is_unknown(served: Served) -> None:
    script, _, client = served
    script.faults.extend(Fault(UNAVAILABLE) for _ in range(4))
    sent = [payment() for _ in range(3)]
    with client.open_stream() as stream:
        stream.send(sent)
        with pytest.raises(LostReplyError) as caught:
            stream.finish()
    assert list(caught.value.ids) == [one.id for one in sent]


@pytest.mark.parametrize("count", [0, 11])
def test_a_stream_refuses_a_message_out_of_bounds(served: Served, count: int) -> None:
    _, _, client = served
    message = [payment() for _ in range(count)]
    with (
        client.open_stream(outstanding_max=10) as stream,
        pytest.raises(ValueError, match="1 to 10"),
    ):
        stream.send(message)


def test_a_feed_resumes_from_its_last_entry(served: Served) -> None:
    _, feed, client = served
    entries = [one.sequence for one in client.feed()]
    assert entries == list(range(1, FEED_LENGTH + 1))
    assert feed.cursors == [0, 3, 6, 9, 10]


def test_a_watch_that_breaks_goes_on_and_repeats_no_state(served: Served) -> None:
    script, _, client = served
    script.faults.append(Fault(UNAVAILABLE))
    states = [one.state for one in client.watch_payment(bytes(16))]
    assert states == [pb.PAYMENT_STATE_HELD, pb.PAYMENT_STATE_COMPLETED]
    assert script.calls == 2


def test_no_server_is_an_error_of_a_read_and_unknown_for_a_change(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as (_, _, address, credentials):
        pass
    with Client(address, credentials, retries_max=1, timeout_s=2) as client:
        with pytest.raises(CallError) as caught:
            client.wallet("bsk-00001")
        assert caught.value.unreachable
        with pytest.raises(LostReplyError):
            client.pay(payment())


def test_a_certificate_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "one") as (script, _, address, _),
        serving(tmp_path / "two") as (_, _, _, foreign),
        Client(address, foreign, retries_max=0, timeout_s=3) as client,
    ):
        with pytest.raises(LostReplyError):
            client.pay(payment())
        assert script.calls == 0


def test_credentials_that_are_not_there_are_a_setting(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(ConfigError, match=r"none\.pem"):
        Client("127.0.0.1:1", Credentials(missing, missing, missing))


EXPIRED = results_pb2.RESULT_QUOTATION_EXPIRED
SAID = 1, 1, 0, 1, 7, 3, 3, 2026 * 12 + 10, b"R", b"ID-1", 500, 9, 10, 0, bytes(16)
OLD, NEW = struct.pack("<BBBBIHHI32s32sQQQQ16x16s", *SAID), b"n" * 144
"""Quotations."""


def due_bill(**fields: object) -> counter_pb2.Bill:
    """The bill that OLD is of, as it is fetched once more."""
    bill = counter_pb2.Bill(
        id="ID-1",
        period="2026-11",
        amount_due=500,
        amount_rule=network_pb2.AMOUNT_RULE_EXACT,
        quotation=NEW,
        state=counter_pb2.BILL_STATE_DUE,
    )
    for name, value in fields.items():
        setattr(bill, name, value)
    return bill


def expire(script: Scripted, times: int = 1) -> None:
    """So many payments are refused."""
    script.counter.refusals += [pb.PaymentOutcome(result=EXPIRED) for _ in range(times)]


@pytest.mark.parametrize(
    ("change", "pays"),
    [
        ({}, True),
        ({"amount_due": 600}, False),
        ({"amount_due": 499}, False),
        ({"amount_rule": network_pb2.AMOUNT_RULE_EXACT_AND_ABOVE}, False),
        ({"head": 1}, False),
        ({"id": "ID-2"}, False),
        ({"period": "2026-12"}, False),
        ({"state": counter_pb2.BILL_STATE_PAID}, False),
    ],
)
def test_a_bill_whose_quotation_has_expired_is_fetched_once_more(
    served: Served, change: dict[str, object], pays: bool
) -> None:
    script, _, client = served
    script.counter.bills["R"] = [due_bill(**change)]
    expire(script)
    sent = make_payment("S", 500, "R", quotation=OLD)
    outcome = client.pay_bill(sent)
    assert (outcome.result == results_pb2.RESULT_OK) is pays
    assert script.counter.fetched == ["R"]
    assert [one.quotation for one in script.counter.paid] == [OLD, NEW][: 1 + pays]
    assert {one.id for one in script.counter.paid} == {sent.id}
    assert {one.amount for one in script.counter.paid} == {500}
    assert sent.quotation == OLD


@pytest.mark.parametrize("waits", [False, True])
def test_it_is_fetched_once_and_no_more(served: Served, waits: bool) -> None:
    script, _, client = served
    script.counter.bills["R"] = [due_bill()]
    sent = make_payment("S", 500, "R", quotation=OLD)
    pay = client.pay_bill if waits else client.pay
    expire(script, 2)
    assert pay(sent).result == EXPIRED
    assert script.counter.fetched == ["R"]
    # Whoever sends it again begins anew.
    expire(script)
    assert pay(sent).result == results_pb2.RESULT_OK
    assert script.counter.fetched == ["R", "R"]


def test_nothing_is_fetched_without_a_cause(served: Served) -> None:
    script, _, client = served
    sent = make_payment("S", 500, "R", quotation=OLD)
    for result in (
        results_pb2.RESULT_QUOTATION_WRONG,
        results_pb2.RESULT_QUOTATION_NEEDED,
        results_pb2.RESULT_BILL_ALREADY_CLAIMED,
    ):
        script.counter.refusals.append(pb.PaymentOutcome(result=result))
        assert client.pay_bill(sent).result == result
    # What has no quotation has none to renew, and what is no token says nothing.
    for quotation in (b"", b"x" * 143):
        expire(script)
        sent.quotation = quotation
        assert client.pay_bill(sent).result == EXPIRED
    assert len(script.counter.paid) == 5
    assert script.counter.fetched == []


def test_what_cannot_be_fetched_once_more_stays_refused(served: Served) -> None:
    script, _, client = served
    expire(script)
    sent = make_payment("S", 500, "R", quotation=OLD)
    assert client.pay_bill(sent).result == EXPIRED
    assert script.counter.fetched == ["R"]
    assert len(script.counter.paid) == 1
