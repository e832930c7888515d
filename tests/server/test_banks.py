"""Goal: what a centre asks for is credited when the bank says that it has come, once,
in whatever order the bank says it; what nobody explains waits for two people; and each
is told of just what is its own.

Method: a real server on a ledger with people, a bank account and a channel's key; the
client library signs what a bank's lines become. Each test has references of its own.
"""

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from server.budgets import cost_of
from server.services.wished import warnings_of
from server.services.wishes import prepare
from switch.bank import booking
from switch.bank.booking import book
from switch.bank.lines import Side
from switch.bank_numbers import Letter, make_number
from switch.client.banks import booking_row
from switch.client.calls import CallError
from switch.codes import REQUEST_LIFE_NS, REQUESTS_DAY_MAX, PersonRole, Role, Source
from switch.ids import new_id
from switch.register.identity import Identity
from switch.register.register import Register
from switch.v1 import banks_pb2 as pb
from switch.v1 import exceptions_pb2, people_pb2, proposals_pb2
from tests.core.cashier import Cashier
from tests.core.council import Person, register
from tests.server.banking import Banking, Told, ending, line
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    CHANNEL,
    MAKER,
    SECOND,
    Council,
    balance,
    name_of,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE

if TYPE_CHECKING:
    from server.node import Node

OPEN, PAID = pb.TOP_UP_STATE_OPEN, pb.TOP_UP_STATE_PAID
CREDIT, DEBIT = pb.BANK_ITEM_KIND_CREDIT, pb.BANK_ITEM_KIND_DEBIT
RELEASE = pb.BANK_ITEM_KIND_RELEASE
CONTRADICTION = pb.BANK_ITEM_KIND_CONTRADICTION
MISSING = "there is no such request"

_counter = count(1)


def utr() -> str:
    return f"TEST{next(_counter):08d}"


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("banks"), *arguments) as found:
        yield found


@pytest.fixture(scope="module")
def banking(council: Council) -> Banking:
    return Banking(council)


def asked(council: Council, amount: int, centre: str = CENTRES[0]) -> pb.RequestedTopUp:
    reply = council.client(centre, Role.CENTRE).request_top_up(amount, operator=7)
    assert name_of(reply.outcome) == "OK"
    return reply.request


def stands(
    council: Council, one: pb.RequestedTopUp, centre: str = CENTRES[0]
) -> pb.RequestedTopUp:
    return council.client(centre, Role.CENTRE).top_up_request(one.number.lower())


# --- a request -----------------------------------------------------------------------


def test_a_request_is_a_number_and_no_money(council: Council) -> None:
    client = council.client(CENTRES[0], Role.CENTRE)
    before = balance(council)
    request_id = new_id()
    first = client.request_top_up(5 * RUPEE, operator=7, request_id=request_id)
    again = client.request_top_up(5 * RUPEE, operator=7, request_id=request_id)
    assert (first.outcome.repeat, again.outcome.repeat) == (False, True)
    one = first.request
    assert again.request == one
    assert (one.centre, one.amount, one.operator) == (CENTRES[0], 5 * RUPEE, 7)
    assert (one.state, one.booked_sequence) == (OPEN, 0)
    assert one.number.startswith(f"T{one.sequence:012d}")
    assert one.open_until_ns == one.time_ns + REQUEST_LIFE_NS
    assert client.top_up_request(one.number) == one
    spaced = f" {one.number[:4]} {one.number[4:].lower()}"
    assert client.top_up_request(spaced) == one
    assert client.top_up_request(request_id=request_id) == one
    other = client.request_top_up(6 * RUPEE, operator=7, request_id=request_id)
    assert name_of(other.outcome) == "ID_REUSED"
    assert not other.HasField("request")
    assert balance(council) == before


def test_a_request_that_cannot_be(council: Council) -> None:
    client = council.client(CENTRES[0], Role.CENTRE)
    assert name_of(client.request_top_up(0).outcome) == "INVALID_AMOUNT"
    reply = client.request_top_up(RUPEE, request_id=b"short")
    assert name_of(reply.outcome) == "INVALID_ID"
    with pytest.raises(CallError, match="may not call"):
        council.client().request_top_up(RUPEE)


def test_what_is_anothers_is_not_there(council: Council) -> None:
    mine = asked(council, RUPEE)
    other = council.client(CENTRES[1], Role.CENTRE)
    wrong = mine.number[:-1] + ("A" if mine.number[-1] != "A" else "B")
    instance = council.client().bank_accounts().instance
    for number in (
        *(mine.number, wrong, "T000000000001AAA", "nothing", "R" * 16),
        # Right numbers, of an entry of another kind and of none.
        make_number(Letter.REQUEST, instance, 1),
        make_number(Letter.REQUEST, instance, 10**12 - 1),
        make_number(Letter.RELEASE, instance, mine.sequence),
    ):
        with pytest.raises(CallError, match=MISSING):
            other.top_up_request(number)
    with pytest.raises(CallError, match=MISSING):
        other.top_up_request(request_id=new_id())
    with pytest.raises(CallError, match="either"):
        other.top_up_request()
    for office in (council.client(), council.client("auditor", Role.AUDITOR)):
        assert office.top_up_request(mine.number) == mine
    assert mine not in other.top_up_requests()
    with pytest.raises(CallError, match="own wallet"):
        list(other.top_up_requests(CENTRES[0]))


def test_lists_of_requests(council: Council) -> None:
    centre = CENTRES[2]
    made = [asked(council, RUPEE + at, centre) for at in range(5)][::-1]
    client = council.client(centre, Role.CENTRE)
    assert list(client.top_up_requests()) == made
    assert list(client.top_up_requests(open_only=True)) == made
    assert list(council.client().top_up_requests(centre)) == made
    listed = list(council.client().top_up_requests(open_only=True))
    assert [one for one in listed if one.centre == centre] == made
    assert listed == sorted(listed, key=lambda one: -one.sequence)
    with pytest.raises(CallError, match="must name a centre"):
        list(council.client().top_up_requests())
    # Page by page.
    for office, request in (
        (client, pb.ListTopUpRequestsRequest(page_size=2)),
        (council.client(), pb.ListTopUpRequestsRequest(page_size=2, open_only=True)),
    ):
        found = []
        while True:
            page = office._banks.ListTopUpRequests(request)
            assert len(page.requests) <= 2
            found += [one for one in page.requests if one.centre == centre]
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        assert found == made


def test_a_day_has_a_bound(council: Council) -> None:
    centre = CENTRES[4]
    client = council.client(centre, Role.CENTRE)
    for at in range(REQUESTS_DAY_MAX):
        assert name_of(client.request_top_up(RUPEE + at).outcome) == "OK"
    reply = client.request_top_up(RUPEE)
    assert name_of(reply.outcome) == "DAY_COUNT_EXCEEDED"
    assert len(list(client.top_up_requests())) == REQUESTS_DAY_MAX


# --- the whole way -------------------------------------------------------------------


def test_from_the_request_to_the_wallet(council: Council, banking: Banking) -> None:
    one = asked(council, 1_500 * RUPEE)
    before = balance(council)
    wrong = asked(council, 700 * RUPEE)
    statement = banking.statement(
        [
            line(1_500 * RUPEE, utr(), f"NEFT-{one.number.lower()}-CENTRE"),
            # Not its amount.
            line(701 * RUPEE, utr(), wrong.number),
            line(9 * RUPEE, utr(), "cash deposit"),
            line(3 * RUPEE, "", "charges", side=Side.DEBIT),
        ]
    )
    [told] = banking.book(statement)
    assert told.results == ["OK"] * 5
    assert balance(council) == before + 1_500 * RUPEE
    paid = stands(council, one)
    assert paid.state == PAID
    assert paid.booked_time_ns > paid.time_ns
    assert stands(council, wrong).state == OPEN
    open_ = [item for item in banking.items() if item.sequence > told.proposal]
    assert [(item.kind, item.amount // RUPEE) for item in open_] == [
        (DEBIT, 3),
        (CREDIT, 9),
        (CREDIT, 701),
    ]
    assert list(open_[1].texts) == ["cash deposit"]
    assert open_[0].reference.startswith("S20261127-")
    assert open_[2].named_sequence == wrong.sequence
    account = banking.account
    assert account.statement.closing == statement.closing
    assert account.balance == account.statement.closing
    assert (account.unlisted, account.before) == (0, 0)
    shown = council.client().proposal(told.proposal).answer.proposal
    assert shown.by_channel
    assert shown.state == proposals_pb2.PROPOSAL_STATE_DONE
    # The same again changes nothing at all.
    sequence = council.client().ledger().sequence
    [again] = banking.book(statement)
    assert again == Told(told.proposal, True, [])
    assert council.client().ledger().sequence == sequence


def test_an_advice_before_its_statement(council: Council, banking: Banking) -> None:
    one = asked(council, 20 * RUPEE)
    before = balance(council)
    credit = line(20 * RUPEE, utr(), one.number)
    other = line(4 * RUPEE, utr(), "nobody knows")
    account = banking.account
    [advice] = banking.advice(credit, other)
    assert banking.put(advice).results == ["OK", "OK"]
    assert balance(council) == before + 20 * RUPEE
    assert banking.account.unlisted == account.unlisted + 24 * RUPEE
    items = len(banking.items())
    [told] = banking.book(banking.statement([other, credit]))
    assert set(told.results) <= {"OK", "ALREADY_BOOKED"}
    assert balance(council) == before + 20 * RUPEE
    assert banking.account.unlisted == account.unlisted
    assert len(banking.items()) == items
    # What is in a statement is told by an advice once more.
    late = council.client().ledger().sequence
    assert set(banking.put(advice).results) <= {"ALREADY_BOOKED"}
    assert council.client().ledger().sequence == late
    shown = council.client().proposal(told.proposal)
    assert all(one.done_sequence for one in shown.lines)
    assert shown.answer.proposal.state == proposals_pb2.PROPOSAL_STATE_DONE


def test_a_statement_in_pieces(
    council: Council, banking: Banking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a statement, done in order and not otherwise."""
    monkeypatch.setattr(booking, "STATEMENT_LINES_MAX", 3)
    before = banking.account
    statement = banking.statement([line(RUPEE + at, utr()) for at in range(7)])
    assert statement.closing is not None
    first, second, third = book(statement, banking.bank, Source.CAMT)
    assert banking.put(second).results == ["OK"] * 3 + ["STATEMENT_GAP"]
    assert banking.put(first).results == ["OK"] * 4
    # What was refused is done once it can be.
    assert banking.put(second).results == ["OK"]
    assert banking.account.statement.closing < statement.closing
    assert banking.put(third).results == ["OK"] * 2
    after = banking.account
    assert after.statement.closing == statement.closing
    assert after.credits_count == before.credits_count + 7
    assert after.unlisted == before.unlisted


# --- what nobody explains ------------------------------------------------------------


def unexplained(
    council: Council, banking: Banking, amount: int, side: Side = Side.CREDIT
) -> pb.BankItem:
    banking.book(banking.statement([line(amount, utr(), "who is it", side=side)]))
    return banking.items()[0]


def test_two_people_give_a_credit_to_a_wallet(
    council: Council, banking: Banking
) -> None:
    item = unexplained(council, banking, 11 * RUPEE)
    before = balance(council)
    suspense = banking.account.suspense
    wish = ending(item.sequence, credit_wallet=CENTRES[0])
    proposal = council.propose(ALPHA, wish)
    [shown] = council.client().proposal(proposal).lines
    assert shown.text.startswith("end credit, ₹11.00, from bank/0123456789 suspense")
    assert council.do(proposal) == ["NOT_APPROVED"]
    assert name_of(council.approve(ALPHA, proposal)) == "SAME_PERSON"
    assert name_of(council.approve(BETA, proposal)) == "OK"
    assert council.do(proposal) == ["OK"]
    assert balance(council) == before + 11 * RUPEE
    assert banking.account.suspense == suspense - 11 * RUPEE
    assert item.sequence not in [one.sequence for one in banking.items()]
    with pytest.raises(CallError, match="has ended"):
        council.propose(ALPHA, wish)


def test_a_credit_goes_back_and_is_booked(council: Council, banking: Banking) -> None:
    item = unexplained(council, banking, 12 * RUPEE)
    transit = banking.account.transit
    council.done(ending(item.sequence, send_back=True))
    [release] = [one for one in banking.items() if one.sequence > item.sequence]
    assert (release.kind, release.amount) == (RELEASE, 12 * RUPEE)
    assert banking.account.transit == transit + 12 * RUPEE
    count_ = banking.account.releases_count
    paid = line(12 * RUPEE, utr(), f"RTN {release.number}", side=Side.DEBIT)
    assert set(banking.book(banking.statement([paid]))[0].results) == {"OK"}
    assert banking.account.releases_count == count_ - 1
    assert banking.account.transit == transit
    assert release.sequence not in [one.sequence for one in banking.items()]


def test_a_debit_is_explained(council: Council, banking: Banking) -> None:
    council.done(top_up(50 * RUPEE))
    item = unexplained(council, banking, 13 * RUPEE, Side.DEBIT)
    assert item.kind == DEBIT
    before = balance(council)
    council.done(ending(item.sequence, from_wallet=CENTRES[0]))
    assert balance(council) == before - 13 * RUPEE
    assert item.sequence not in [one.sequence for one in banking.items()]


def test_what_does_not_fit_is_told_before_a_signature(
    council: Council, banking: Banking
) -> None:
    credit = unexplained(council, banking, 14 * RUPEE)
    debit = unexplained(council, banking, 15 * RUPEE, Side.DEBIT)
    for wish, what in (
        (ending(credit.sequence, from_settlement=True), "cannot be of a credit"),
        (ending(debit.sequence, send_back=True), "cannot be of a debit"),
        (ending(debit.sequence, credit_wallet=CENTRES[0]), "cannot be of a debit"),
        (ending(credit.sequence), "what becomes of it"),
        (ending(1, send_back=True), "no line that waits"),
        (ending(1 << 60, send_back=True), "no durable entry"),
        (ending(credit.sequence, credit_wallet="nobody"), "no centre"),
        (ending(credit.sequence, "", send_back=True), "printable ASCII"),
        (
            ending(5, payout=people_pb2.Payout(account="X", amount=5)),
            "nothing is ended",
        ),
        (ending(0, payout=people_pb2.Payout(account="X", amount=5)), "no bank account"),
        (ending(0, payout=people_pb2.Payout(amount=0)), "one paisa"),
    ):
        with pytest.raises(CallError, match=what):
            council.propose(ALPHA, wish)
    wish = ending(credit.sequence, to_suspense=True)
    with pytest.raises(CallError, match="speaks of each once"):
        council.propose(ALPHA, wish, wish)


def test_a_bank_that_contradicts_itself(council: Council, banking: Banking) -> None:
    reference = utr()
    first = line(16 * RUPEE, reference)
    banking.book(banking.statement([first]))
    count_ = banking.account.contradictions_count
    [advice] = banking.advice(line(17 * RUPEE, reference, "once more"))
    assert banking.put(advice).results == ["BOOKED_DIFFERS"]
    assert banking.account.contradictions_count == count_ + 1
    [found] = [one for one in banking.items() if one.kind == CONTRADICTION]
    assert (found.amount, found.reference) == (17 * RUPEE, reference)
    assert (found.debit, list(found.texts)) == (False, ["once more"])


# --- who may, and at what cost ------------------------------------------------------


def test_a_channel_of_older_rules_is_named(tmp_path: Path) -> None:
    """It has no bank account: it books nothing, and whoever loads a network is told."""
    with Cashier(tmp_path / "ledger").begin().ledger as ledger:
        assert warnings_of(Register(ledger)) == []
    older = Cashier(tmp_path / "older").begin()
    older.do(register(Person(2, 22, 22, PersonRole.CHANNEL).record()))
    node = SimpleNamespace(ledger=older.ledger, register=Register(older.ledger))
    [warning] = warnings_of(node.register)
    wish = people_pb2.ParticipantWish(participant="treasury-b", active=True)
    told = prepare(
        cast("Node", node),
        people_pb2.PrepareRequest(
            wishes=[people_pb2.Wish(participant=wish)], reason="none"
        ),
        Identity(Role.TREASURY, "treasury-b", 2),
    )
    assert (told.already_count, list(told.warnings)) == (1, [warning])
    assert warning.startswith("person treasury-b 22 channel: it has no bank account")
    # Who is switched off books nothing anyway.
    older.do(register(Person(2, 22, 22, PersonRole.CHANNEL).record(active=0)))
    assert warnings_of(Register(older.ledger)) == []
    older.close()


def test_a_channel_books_for_its_own_bank_account_only(
    council: Council, banking: Banking
) -> None:
    """What it signs for another is not even recorded; that has a channel of its own."""
    other = Banking(council, "OTHER9")
    assert other.channel != banking.channel
    [advice] = other.advice(line(19 * RUPEE, utr()))
    row = booking_row(advice.lines, "statement")
    client = council.client(CHANNEL[0])
    refused = client.submit(row, council.signer(banking.channel))
    assert name_of(refused) == "NOT_SIGNED"
    assert refused.sequence == 0
    assert other.put(advice).results == ["OK"]
    told = {one.number: one.bank_account for one in client.people().people}
    assert told[CHANNEL[1]] == banking.number
    assert told[other.channel[1]] == "OTHER9"
    # It keeps the one that it has, as its key, or is given another.
    for number, lines in (("", 0), (banking.number, 0), ("OTHER9", 1)):
        named = people_pb2.PersonWish(
            participant=SECOND,
            number=CHANNEL[1],
            role=int(PersonRole.CHANNEL),  # type: ignore[arg-type]
            active=True,
            bank_account=number,
        )
        wish = people_pb2.Wish(person=named)
        request = people_pb2.PrepareRequest(wishes=[wish], reason="to book")
        made = council.client().prepare(request)
        assert (len(made.lines), made.already_count) == (lines, 1 - lines)
    # Nobody becomes one without: it would book nothing.
    key = council.keys[MAKER].public
    values: dict[str, Any] = {
        "participant": SECOND,
        "number": 77,
        "active": True,
        "key": key,
    }
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"role": int(PersonRole.CHANNEL)}, "bank_account: must be given"),
        (
            {"role": int(PersonRole.CHANNEL), "bank_account": "NONE"},
            "the register has no bank account",
        ),
        (
            {"role": int(PersonRole.MAKER), "bank_account": "OTHER9"},
            "bank_account: is a channel's",
        ),
    )
    for changes, text in cases:
        wish = people_pb2.Wish(person=people_pb2.PersonWish(**values, **changes))
        request = people_pb2.PrepareRequest(wishes=[wish], reason="to book")
        with pytest.raises(CallError, match=text):
            council.client().prepare(request)


def test_a_channel_proposes_nothing_else(council: Council, banking: Banking) -> None:
    client = council.client(CHANNEL[0])
    prepared = client.prepare(
        people_pb2.PrepareRequest(wishes=[top_up(RUPEE)], reason="mine")
    )
    assert prepared.row is not None
    refused = client.submit(prepared.row, council.signer(CHANNEL))
    assert name_of(refused) == "NOT_SIGNED"
    # People may say what the bank says, and two of them must.
    statement = banking.statement([line(RUPEE, utr(), "by hand")])
    [told] = banking.book(statement, by=ALPHA)
    assert council.do(told.proposal) == ["NOT_APPROVED"] * 2
    assert name_of(council.approve(BETA, told.proposal)) == "OK"
    assert council.do(told.proposal) == ["OK"] * 2
    # Nobody stands by what a channel has said.
    [own] = banking.book(banking.statement([line(RUPEE, utr())]))
    assert name_of(council.approve(BETA, own.proposal)) == "PROPOSAL_NOT_FOUND"


def test_what_calls_cost() -> None:
    """A request is a row, lists are lists."""
    costs = {
        one.name: cost_of(f"/payswitch.v1.BankService/{one.name}")
        for one in pb.DESCRIPTOR.services_by_name["BankService"].methods
    }
    assert costs.pop("RequestTopUp") == cost_of(
        "/payswitch.v1.CounterService/CloseShift"
    )
    assert costs.pop("GetTopUpRequest") == cost_of(
        "/payswitch.v1.WalletService/GetWallet"
    )
    lists = cost_of("/payswitch.v1.WalletService/ListStatement")
    assert set(costs.values()) == {lists}
    assert len(costs) == 4


def test_what_a_channel_has_said_is_not_in_the_way(
    council: Council, banking: Banking
) -> None:
    """No list of what waits for people has it."""
    waiting = {
        one.proposed.sequence
        for page in council.client().proposal_pages()
        for one in page.proposals
    }
    [told] = banking.book(banking.statement([line(RUPEE, utr())]))
    after = {
        one.proposed.sequence
        for page in council.client().proposal_pages()
        for one in page.proposals
    }
    assert told.proposal not in after
    assert after == waiting


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    with sitting(tmp_path / "again", "--set", "signatures_per_s=1000") as council:
        banking = Banking(council)
        one = asked(council, 5 * RUPEE)
        lines = [line(5 * RUPEE, utr(), one.number), line(6 * RUPEE, utr(), "?")]
        banking.book(banking.statement(lines))
        told = banking.account, banking.items(), stands(council, one)
        council.restart()
        assert (banking.account, banking.items(), stands(council, one)) == told
        assert balance(council) == 5 * RUPEE


def test_ages_are_of_now(council: Council, banking: Banking) -> None:
    item = unexplained(council, banking, RUPEE)
    assert 0 <= time.time_ns() - item.time_ns < 60 * 10**9


def test_what_is_ended_is_no_advance(council: Council, banking: Banking) -> None:
    """Both are transfers that name a row, and one of them is to come back."""
    item = unexplained(council, banking, 18 * RUPEE)
    debit = unexplained(council, banking, 18 * RUPEE, Side.DEBIT)
    council.done(ending(item.sequence, to_suspense=True))
    council.done(ending(debit.sequence, from_suspense=True))
    [page, *_] = council.client().exception_pages(
        exceptions_pb2.ListExceptionsRequest()
    )
    advance = exceptions_pb2.EXCEPTION_KIND_ADVANCE
    assert advance not in {one.kind for one in page.exceptions}
