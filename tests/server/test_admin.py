"""Goal: the treasury's moves do what their contract says, once.

Method: each call on a wallet of its own, repeated with the same id, then wrongly; at
the end the books of all accounts must balance and give the hash that is served.
"""

import hashlib
import struct
from typing import Any

import grpc
import pytest

from switch.ids import new_id
from switch.v1 import admin_pb2 as pb
from switch.v1 import exceptions_pb2, network_pb2, types_pb2, wallets_pb2
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peer,
    Peers,
    ServerProcess,
    failing,
    network,
    payment,
    running,
)


def accounts(peer: Peer) -> tuple[list[pb.Account], int]:
    pages = list(peer.admin.ListAccounts(pb.ListAccountsRequest(), timeout=CALL_S))
    assert len({page.as_of_sequence for page in pages}) == 1
    return [one for page in pages for one in page.accounts], pages[0].as_of_sequence


def test_loading_again_changes_nothing(peers: Peers) -> None:
    wanted = network()
    count = len(wanted.participants) + len(wanted.services)
    before = peers.treasury.admin.GetLedger(pb.GetLedgerRequest(), timeout=CALL_S)
    reply = peers.treasury.admin.LoadNetwork(wanted, timeout=CALL_S)
    assert (reply.added_count, reply.replaced_count) == (0, 0)
    assert reply.unchanged_count == count
    assert reply.sequence == before.sequence


def test_a_service_is_added_by_data(peers: Peers) -> None:
    assert peers.centre().pay(payment("NEW")).result == results.RESULT_SERVICE_UNKNOWN
    service = network_pb2.Service()
    service.CopyFrom(network().services[0])
    service.code = "NEW"
    request = pb.LoadNetworkRequest(services=[service])
    reply = peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    assert reply.added_count == 1
    assert peers.centre().pay(payment("NEW")).result == results.RESULT_OK
    listed = peers.auditor.admin.ListServices(pb.ListServicesRequest(), timeout=CALL_S)
    assert service in listed.services
    service.active = False
    request = pb.LoadNetworkRequest(services=[service])
    reply = peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
    assert reply.replaced_count == 1
    assert peers.centre().pay(payment("NEW")).result == (
        results.RESULT_SERVICE_INACTIVE
    )


def reference_of(**fields: Any) -> pb.LoadNetworkRequest:
    """A new service with these fields."""
    service = network_pb2.Service()
    service.CopyFrom(network().services[0])
    service.MergeFrom(network_pb2.Service(code="NEWER", **fields))
    return pb.LoadNetworkRequest(services=[service])


def test_how_references_are_written_is_registered_for_ever(peers: Peers) -> None:
    rules: dict[str, Any] = {
        "ignored": [network_pb2.IGNORED_SPACE, network_pb2.IGNORED_ZEROS],
        "letters": network_pb2.LETTERS_LOWER,
        "pattern": "x9{1,9}",
        "check_digit": network_pb2.CHECK_DIGIT_VERHOEFF,
    }
    series = reference_of(**rules)
    series.services[0].code = "NEWEST"
    assert peers.treasury.admin.LoadNetwork(series, timeout=CALL_S).added_count == 1
    first = reference_of(**rules, series="NEWEST")
    assert peers.treasury.admin.LoadNetwork(first, timeout=CALL_S).added_count == 1
    listed = peers.auditor.admin.ListServices(pb.ListServicesRequest(), timeout=CALL_S)
    assert first.services[0] in listed.services
    for name, value in (("pattern", "9{1,9}"), ("series", ""), ("check_digit", 0)):
        other = pb.LoadNetworkRequest()
        other.CopyFrom(first)
        setattr(other.services[0], name, value)
        with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
            peers.treasury.admin.LoadNetwork(other, timeout=CALL_S)
        assert "another rule is another service code" in failures[0].text


def priced(
    rule: "network_pb2.PriceRule.ValueType", **fields: Any
) -> pb.LoadNetworkRequest:
    """A new service with this price rule."""
    service = network_pb2.Service()
    service.CopyFrom(network().services[0])
    for name in ("amount_rule", "amount_min", "amount_max", "key_rule"):
        service.ClearField(name)
    service.ClearField("duplicate_hours")
    named = {
        network_pb2.PRICE_RULE_TARIFF: (
            network_pb2.AMOUNT_RULE_EXACT,
            network_pb2.KEY_RULE_REFERENCE,
        ),
        network_pb2.PRICE_RULE_BILL: (
            network_pb2.AMOUNT_RULE_EXACT,
            network_pb2.KEY_RULE_BILL_ID,
        ),
        network_pb2.PRICE_RULE_OPEN: (
            network_pb2.AMOUNT_RULE_MIN_MAX,
            network_pb2.KEY_RULE_REFERENCE,
        ),
    }[rule]
    service.amount_rule, service.key_rule = named
    service.duplicate_rule = network_pb2.DUPLICATE_RULE_ONCE
    service.price_rule, service.code = rule, f"PRICED-{rule}"
    for name, value in fields.items():
        if name == "tariff":
            service.tariff.extend(value)
        else:
            setattr(service, name, value)
    return pb.LoadNetworkRequest(services=[service])


FEE = network_pb2.Fee(
    code="FEE", amount=5_000, valid_from="2026-04-01", name_en="Fee", name_bn="ফি"
)
OLD_FEE = network_pb2.Fee(
    code="FEE", amount=4_000, valid_from="2025-04-01", name_en="Fee"
)
COPY = network_pb2.Fee(code="COPY", amount=200, valid_from="2025-04-01")
PRICED = (
    priced(network_pb2.PRICE_RULE_TARIFF, tariff=[FEE, OLD_FEE, COPY]),
    priced(network_pb2.PRICE_RULE_BILL, duplicate_hours=24),
    priced(
        network_pb2.PRICE_RULE_OPEN, amount_min=100, amount_max=10_000, amount_step=50
    ),
)


def test_prices_are_listed_as_they_were_given(peers: Peers) -> None:
    for request in PRICED:
        load = peers.treasury.admin.LoadNetwork
        assert load(request, timeout=CALL_S).added_count == 1
        assert load(request, timeout=CALL_S).unchanged_count == 1
    reply = peers.auditor.admin.ListServices(pb.ListServicesRequest(), timeout=CALL_S)
    listed = {one.code: one for one in reply.services}
    for request in PRICED:
        [wanted] = request.services
        # A tariff is in order of items and days, in whichever it was sent.
        tariff = sorted(wanted.tariff, key=lambda fee: (fee.code, fee.valid_from))
        found = listed[wanted.code]
        assert list(found.tariff) == tariff
        wanted.ClearField("tariff")
        found.ClearField("tariff")
        assert found == wanted


def fee(**changes: Any) -> network_pb2.Fee:
    changed = network_pb2.Fee()
    changed.CopyFrom(COPY)
    changed.MergeFrom(network_pb2.Fee(**changes))
    return changed


TARIFF, BILL, OPEN = (
    network_pb2.PRICE_RULE_TARIFF,
    network_pb2.PRICE_RULE_BILL,
    network_pb2.PRICE_RULE_OPEN,
)
BOUNDS: dict[str, Any] = {"amount_min": 100, "amount_max": 10_000}


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (
            pb.LoadNetworkRequest(
                participants=[
                    network_pb2.Participant(id="Bad Id", role=network_pb2.ROLE_CENTRE)
                ]
            ),
            ["participants[0].id"],
        ),
        (
            pb.LoadNetworkRequest(participants=[network_pb2.Participant(id="x")]),
            ["participants[0].role"],
        ),
        (
            pb.LoadNetworkRequest(
                participants=[
                    network_pb2.Participant(
                        id="x", role=network_pb2.ROLE_BILLER, may_state_dues=True
                    )
                ]
            ),
            ["participants[0].may_state_dues"],
        ),
        (
            pb.LoadNetworkRequest(
                services=[network_pb2.Service(code="X", biller="nobody")]
            ),
            ["services[0].amount_rule"],
        ),
        (
            pb.LoadNetworkRequest(
                participants=[network_pb2.Participant(id="x")] * 8_191
            ),
            ["participants"],
        ),
        (reference_of(letters=9), ["services[0].letters"]),
        (reference_of(ignored=[9]), ["services[0].ignored"]),
        (
            reference_of(ignored=[network_pb2.IGNORED_UNSPECIFIED]),
            ["services[0].ignored"],
        ),
        (reference_of(check_digit=3), ["services[0].check_digit"]),
        (reference_of(pattern="9{"), ["services[0].pattern"]),
        (reference_of(series="NOSUCH"), ["services[0].series"]),
        (reference_of(price_rule=4), ["services[0].price_rule"]),
        (priced(TARIFF), ["services[0].tariff"]),
        (priced(TARIFF, tariff=[COPY] * 65), None),
        (priced(TARIFF, tariff=[COPY, COPY]), ["services[0].tariff[1].valid_from"]),
        (priced(TARIFF, tariff=[fee(code="copy")]), ["services[0].tariff[0].code"]),
        (priced(TARIFF, tariff=[network_pb2.Fee(code="A")]), None),
        (
            priced(TARIFF, tariff=[fee(valid_from="1/4/2026")]),
            ["services[0].tariff[0].valid_from"],
        ),
        (
            priced(TARIFF, tariff=[fee(valid_from="1969-12-31")]),
            ["services[0].tariff[0].valid_from"],
        ),
        (
            priced(TARIFF, tariff=[fee(amount=10**18 + 1)]),
            ["services[0].tariff[0].amount"],
        ),
        (priced(TARIFF, tariff=[fee(name_en="\n")]), ["services[0].tariff[0].name_en"]),
        (priced(TARIFF, tariff=[COPY], amount_min=1), ["services[0].amount_min"]),
        (
            priced(TARIFF, tariff=[COPY], key_rule=network_pb2.KEY_RULE_BILL_ID),
            ["services[0].key_rule"],
        ),
        (priced(TARIFF, tariff=[COPY], amount_step=1), ["services[0].amount_step"]),
        (priced(BILL, tariff=[COPY]), ["services[0].tariff"]),
        (
            priced(BILL, amount_rule=network_pb2.AMOUNT_RULE_ANY),
            ["services[0].amount_rule"],
        ),
        (
            priced(BILL, key_rule=network_pb2.KEY_RULE_REFERENCE),
            ["services[0].key_rule"],
        ),
        (priced(BILL, duplicate_hours=8_785), ["services[0].duplicate_hours"]),
        (
            priced(BILL, duplicate_rule=network_pb2.DUPLICATE_RULE_NONE, key_rule=0),
            ["services[0].duplicate_rule"],
        ),
        (priced(OPEN, **{**BOUNDS, "amount_min": 99}), ["services[0].amount_min"]),
        (priced(OPEN, amount_min=100), ["services[0].amount_max"]),
        (priced(OPEN, **BOUNDS, amount_step=10**18 + 1), ["services[0].amount_step"]),
        (priced(OPEN, **BOUNDS, duplicate_hours=1), ["services[0].duplicate_hours"]),
    ],
)
def test_a_network_that_cannot_be(
    peers: Peers, request_: pb.LoadNetworkRequest, fields: list[str] | None
) -> None:
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        peers.treasury.admin.LoadNetwork(request_, timeout=CALL_S)
    [failure] = failures
    assert failure.violations
    assert fields is None or failure.fields == fields
    assert all(field in failure.text for field in failure.fields[:5])


def test_top_up_is_once_by_id_and_by_utr(peers: Peers) -> None:
    request = pb.TopUpRequest(
        id=new_id(), centre="centre-b", amount=100 * RUPEE, utr="UTR-1"
    )
    first = peers.treasury.admin.TopUp(request, timeout=CALL_S).outcome
    assert first.result == results.RESULT_OK
    again = peers.treasury.admin.TopUp(request, timeout=CALL_S).outcome
    assert again.repeat
    assert again.sequence == first.sequence
    assert again.wallet_balance == first.wallet_balance
    other = peers.treasury.top_up("centre-c", 1, "UTR-1")
    assert other.result == results.RESULT_UTR_ALREADY_CREDITED
    assert other.other_sequence == first.sequence
    request.amount += 1
    reused = peers.treasury.admin.TopUp(request, timeout=CALL_S).outcome
    assert reused.result == results.RESULT_ID_REUSED
    assert reused.differing_field == results.FIELD_AMOUNT
    with failing(grpc.StatusCode.NOT_FOUND):
        peers.treasury.top_up("nobody", 1)
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        peers.centre().top_up("centre-a", 1)


def freeze(peers: Peers, centre: str, *, unfreeze: bool = False) -> results.Outcome:
    request = pb.FreezeWalletRequest(
        id=new_id(), centre=centre, unfreeze=unfreeze, reason="a test"
    )
    return peers.treasury.admin.FreezeWallet(request, timeout=CALL_S).outcome


def test_freeze_and_unfreeze(peers: Peers) -> None:
    centre = peers.centre("centre-c")
    paid = centre.pay(payment())
    assert freeze(peers, "centre-c").result == results.RESULT_OK
    assert centre.pay(payment()).result == results.RESULT_DEBIT_FROZEN
    wallet = centre.wallets.GetWallet(wallets_pb2.GetWalletRequest(), timeout=CALL_S)
    assert wallet.wallet.state == wallets_pb2.ACCOUNT_STATE_FROZEN
    assert peers.refund(paid.sequence, 1).result == results.RESULT_OK
    assert freeze(peers, "centre-c", unfreeze=True).result == results.RESULT_OK
    assert centre.pay(payment()).result == results.RESULT_OK


def test_close(peers: Peers) -> None:
    centre = peers.centre("centre-d")
    request = pb.CloseWalletRequest(id=new_id(), centre="centre-d", reason="moved")
    outcome = peers.treasury.admin.CloseWallet(request, timeout=CALL_S).outcome
    assert outcome.result == results.RESULT_BALANCE_NOT_ZERO
    wallet = centre.wallets.GetWallet(wallets_pb2.GetWalletRequest(), timeout=CALL_S)
    assert centre.pay(payment(amount=wallet.wallet.balance)).wallet_balance == 0
    again = peers.treasury.admin.CloseWallet(request, timeout=CALL_S).outcome
    assert again.result == results.RESULT_BALANCE_NOT_ZERO
    assert again.repeat
    request.id = new_id()
    # What it has paid could be refunded, to this wallet: it can only be frozen.
    outcome = peers.treasury.admin.CloseWallet(request, timeout=CALL_S).outcome
    assert outcome.result == results.RESULT_PAYMENTS_REFUNDABLE
    frozen = freeze(peers, "centre-d")
    assert frozen.result == results.RESULT_OK
    assert centre.pay(payment()).result == results.RESULT_DEBIT_FROZEN


def test_limits(peers: Peers) -> None:
    centre = peers.centre("centre-b")
    request = pb.SetLimitRequest(id=new_id(), centre="centre-b", day_count_max=1)
    outcome = peers.treasury.admin.SetLimit(request, timeout=CALL_S).outcome
    assert outcome.result == results.RESULT_OK
    # One at most is left of the day, whatever this wallet has paid before.
    answers = {one.result for one in centre.pay_all([payment(), payment()])}
    assert results.RESULT_DAY_COUNT_EXCEEDED in answers
    request = pb.SetLimitRequest(id=new_id(), centre="centre-b")
    peers.treasury.admin.SetLimit(request, timeout=CALL_S)
    assert centre.pay(payment()).result == results.RESULT_OK
    wallet = centre.wallets.GetWallet(wallets_pb2.GetWalletRequest(), timeout=CALL_S)
    assert wallet.wallet.day_count_max == 2**32 - 1
    assert wallet.wallet.payment_max == 2**64 - 1
    request = pb.SetLimitRequest(id=new_id(), centre="centre-b", payment_max=1)
    peers.treasury.admin.SetLimit(request, timeout=CALL_S)
    refused = centre.pay(payment()).result
    assert refused == results.RESULT_PAYMENT_AMOUNT_EXCEEDED
    request = pb.SetLimitRequest(id=new_id(), centre="centre-b")
    peers.treasury.admin.SetLimit(request, timeout=CALL_S)
    assert centre.pay(payment()).result == results.RESULT_OK


def test_refunds_never_exceed_the_payment(peers: Peers) -> None:
    paid = peers.centre().pay(payment(amount=10 * RUPEE))

    def refund(amount: int) -> int:
        return peers.refund(paid.sequence, amount).result

    assert refund(6 * RUPEE) == results.RESULT_OK
    assert refund(5 * RUPEE) == results.RESULT_EXCEEDS_PAYMENT
    assert refund(4 * RUPEE) == results.RESULT_OK
    assert refund(1) == results.RESULT_EXCEEDS_PAYMENT
    # The first entry is the register's, and no payment.
    with failing(grpc.StatusCode.NOT_FOUND):
        propose(peers.treasury, 1, 1)


def propose(peer: Peer, payment_sequence: int, amount: int) -> results.Outcome:
    request = pb.ProposeRequest(
        id=new_id(),
        kind=types_pb2.PROPOSAL_KIND_REFUND,
        sequence=payment_sequence,
        amount=amount,
        reason="asked",
    )
    return peer.admin.Propose(request, timeout=CALL_S).outcome


def exceptions(peer: Peer) -> list[int]:
    listed = []
    request = exceptions_pb2.ListExceptionsRequest(page_size=1)
    while True:
        reply = peer.admin.ListExceptions(request, timeout=CALL_S)
        listed += [one.sequence for one in reply.exceptions]
        request.page_token = reply.next_page_token
        if not request.page_token:
            return listed


def test_a_refund_needs_two_people_and_is_done_once(peers: Peers) -> None:
    centre = peers.centre("centre-a")
    paid = centre.pay(payment(amount=10 * RUPEE))
    asked = propose(peers.treasury, paid.sequence, 6 * RUPEE)
    other = propose(peers.checker, paid.sequence, 1)
    assert {asked.sequence, other.sequence} <= set(exceptions(peers.auditor))
    request = pb.ApproveRequest(id=new_id(), proposal_sequence=asked.sequence)
    own = peers.treasury.admin.Approve(request, timeout=CALL_S)
    assert own.outcome.result == results.RESULT_SAME_PERSON
    assert not own.done
    wallet = centre.wallets.GetWallet(wallets_pb2.GetWalletRequest(), timeout=CALL_S)
    request.id = new_id()
    first = peers.checker.admin.Approve(request, timeout=CALL_S)
    [done] = first.done
    assert first.outcome.result == done.result == results.RESULT_OK
    again = peers.checker.admin.Approve(request, timeout=CALL_S)
    assert again.outcome.repeat
    [repeated] = again.done
    assert (repeated.repeat, repeated.sequence) == (True, done.sequence)
    request.id = new_id()
    twice = peers.checker.admin.Approve(request, timeout=CALL_S)
    assert twice.outcome.result == results.RESULT_ALREADY_APPROVED
    assert twice.outcome.other_sequence == first.outcome.sequence
    # It is done, and once.
    assert [(one.repeat, one.sequence) for one in twice.done] == [(True, done.sequence)]
    after = centre.wallets.GetWallet(wallets_pb2.GetWalletRequest(), timeout=CALL_S)
    assert after.wallet.balance == wallet.wallet.balance + 6 * RUPEE
    left = exceptions(peers.treasury)
    assert asked.sequence not in left
    assert other.sequence in left
    request.proposal_sequence = paid.sequence
    with failing(grpc.StatusCode.NOT_FOUND):
        peers.checker.admin.Approve(request, timeout=CALL_S)
    request.proposal_sequence = 1 << 60
    with failing(grpc.StatusCode.NOT_FOUND):
        peers.checker.admin.Approve(request, timeout=CALL_S)
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        propose(centre, paid.sequence, 1)


def test_window_and_settlement(peers: Peers) -> None:
    treasury = peers.treasury.admin
    before = treasury.GetLedger(pb.GetLedgerRequest(), timeout=CALL_S).last_window
    peers.centre().pay_all([payment("HEADS", amount=3 * RUPEE, head=1)] * 1)
    request = pb.CloseWindowRequest(previous_window=before)
    reply = treasury.CloseWindow(request, timeout=CALL_S)
    assert reply.outcome.result == results.RESULT_OK
    again = treasury.CloseWindow(request, timeout=CALL_S)
    assert again.outcome.repeat
    assert again.lines == reply.lines
    assert treasury.GetLedger(pb.GetLedgerRequest(), timeout=CALL_S).last_window == (
        reply.outcome.sequence
    )
    [line] = [one for one in reply.lines if one.head == "0801-02"]
    assert line.biller == "power"
    assert line.credits == line.payable == 3 * RUPEE

    def settle(amount: int, head: str = "0801-02") -> results.Outcome:
        settlement = pb.SettleRequest(
            id=new_id(),
            window=reply.outcome.sequence,
            biller="power",
            head=head,
            amount=amount,
        )
        return treasury.Settle(settlement, timeout=CALL_S).outcome

    assert settle(line.payable - 1).result == results.RESULT_NET_DIFFERS
    assert settle(line.payable).result == results.RESULT_OK
    assert settle(line.payable).result == results.RESULT_ALREADY_SETTLED
    with failing(grpc.StatusCode.NOT_FOUND):
        settle(1, "0000-00")


def test_a_window_is_read_in_pages(peers: Peers) -> None:
    treasury = peers.treasury.admin
    before = treasury.GetLedger(pb.GetLedgerRequest(), timeout=CALL_S).last_window
    bills = [payment("HEADS", head=head) for head in (0, 1)] + [payment("ANY")]
    paid = peers.centre().pay_all(bills)
    reply = treasury.CloseWindow(
        pb.CloseWindowRequest(previous_window=before), timeout=CALL_S
    )
    assert len(reply.lines) >= 3
    assert not reply.next_page_token
    window = reply.outcome.sequence
    request = pb.ListWindowLinesRequest(window=window, page_size=2)
    lines: list[pb.WindowLine] = []
    while True:
        page = peers.auditor.admin.ListWindowLines(request, timeout=CALL_S)
        lines += page.lines
        assert len(page.lines) == 2 or not page.next_page_token
        token = request.page_token or page.next_page_token
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert lines == list(reply.lines)
    for wrong in (window + 1, paid[0].sequence, 0):
        with failing(grpc.StatusCode.NOT_FOUND):
            request = pb.ListWindowLinesRequest(window=wrong)
            treasury.ListWindowLines(request, timeout=CALL_S)
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        request = pb.ListWindowLinesRequest(window=before, page_token=token)
        treasury.ListWindowLines(request, timeout=CALL_S)
    assert failures[0].fields == ["page_token"]


def test_services_are_read_in_pages(peers: Peers) -> None:
    request = pb.ListServicesRequest(page_size=4)
    codes: list[str] = []
    while True:
        reply = peers.auditor.admin.ListServices(request, timeout=CALL_S)
        codes += [one.code for one in reply.services]
        if not reply.next_page_token:
            break
        assert len(reply.services) == 4
        request.page_token = reply.next_page_token
    # Another test adds to them.
    known = [one.code for one in network().services]
    assert codes[: len(known)] == known
    assert len(set(codes)) == len(codes)


def test_the_books_balance_and_hash(peers: Peers) -> None:
    ledger = peers.auditor.admin.GetLedger(pb.GetLedgerRequest(), timeout=CALL_S)
    listed, as_of = accounts(peers.auditor)
    assert as_of == ledger.sequence
    assert [one.index for one in listed] == list(range(1, len(listed) + 1))
    assert ledger.accounts_count == len(listed)
    assert len(ledger.instance) == 16
    totals = b"".join(
        struct.pack(
            "<4Q",
            one.debits_pending,
            one.debits_posted,
            one.credits_pending,
            one.credits_posted,
        )
        for one in listed
    )
    assert hashlib.blake2b(totals, digest_size=32).digest() == ledger.state_hash
    assert sum(one.debits_posted for one in listed) == (
        sum(one.credits_posted for one in listed)
    )
    names = {(one.participant, one.head) for one in listed}
    assert {("treasury", "float"), ("power", "0801-02"), ("centre-a", "")} <= names


def test_before_the_network_is_loaded(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running(tmp_path_factory.mktemp("empty")) as server:
        check_bootstrap(server)


def check_bootstrap(server: ServerProcess) -> None:
    peers = Peers(server)
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        peers.treasury.top_up("centre-a", 1)
    with failing(grpc.StatusCode.UNAUTHENTICATED):
        peers.auditor.admin.GetLedger(pb.GetLedgerRequest(), timeout=CALL_S)
    reply = peers.treasury.admin.LoadNetwork(network(), timeout=CALL_S)
    assert reply.added_count > 0
    assert peers.treasury.top_up("centre-a", 1).result == results.RESULT_OK
    peers.close()
