"""Goal: in a ledger with people a certificate alone moves nothing of the treasury's;
two people do, or three; one person stops; and what was approved is done once, whatever
happens to the switch meanwhile.

Method: a real server on a ledger that was begun with two people, certificates and keys
of their own, and the client library, which signs what it was shown; and who has a
certificate and no key.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.client import make_payment
from switch.client.calls import CallError
from switch.client.messages import messages_of
from switch.client.people import Shown
from switch.codes import AmountRule, DuplicateRule, Mode, PersonRole, Role
from switch.ids import new_id
from switch.person_keys import PersonKey, make_key
from switch.signed import Ledger, Row, pack_lines
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import (
    admin_pb2,
    budgets_pb2,
    certificates_pb2,
    network_pb2,
    proposals_pb2,
)
from switch.v1 import people_pb2 as pb
from switch.v1 import types_pb2 as types
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    GAMMA,
    LAKH,
    MAKER,
    SECOND,
    Council,
    Name,
    balance,
    name_of,
    person,
    sitting,
    top_up,
)
from tests.server.harness import CALL_S, Peers, figure, until

OPEN = proposals_pb2.PROPOSAL_STATE_OPEN
APPROVED = proposals_pb2.PROPOSAL_STATE_APPROVED
DONE = proposals_pb2.PROPOSAL_STATE_DONE
READS = budgets_pb2.BUDGET_READS_PER_S
WITHDRAWN = proposals_pb2.PROPOSAL_STATE_WITHDRAWN


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("people"), *arguments) as found:
        yield found


def submitted(
    council: Council, by: Name, row: Row, key: PersonKey | None = None
) -> str:
    signer = council.signer(by, key)
    return name_of(council.client(by[0]).submit(row, signer))


# --- two people ----------------------------------------------------------------------


def test_two_people_move_money_and_the_list_says_who(council: Council) -> None:
    before = balance(council), balance(council, CENTRES[1])
    wishes = (top_up(LAKH), top_up(2 * LAKH, CENTRES[1]))
    sequence = council.propose(ALPHA, *wishes)
    assert balance(council) == before[0]

    shown = council.client().proposal(sequence)
    assert [one.credit for one in shown.lines] == [CENTRES[0], CENTRES[1]]
    assert [one.debit for one in shown.lines] == ["treasury float"] * 2
    stands = shown.answer.proposal
    assert (stands.state, stands.lines_count, stands.lines_done) == (OPEN, 2, 0)
    assert not stands.third_needed
    assert stands.proposed.amount == 3 * LAKH

    assert name_of(council.approve(BETA, sequence)) == "OK"
    assert council.client().proposal(sequence).answer.proposal.state == APPROVED
    assert balance(council) == before[0]

    assert council.do(sequence) == ["OK", "OK"]
    assert balance(council) == before[0] + LAKH
    assert balance(council, CENTRES[1]) == before[1] + 2 * LAKH
    shown = council.client().proposal(sequence)
    stands = shown.answer.proposal
    assert (stands.state, stands.lines_done) == (DONE, 2)
    [approval] = stands.approvals
    assert (approval.participant, approval.operator) == BETA
    sender = stands.proposed.sender
    assert (sender.participant, sender.operator) == ALPHA
    assert all(one.done_sequence > sequence for one in shown.lines)
    [listed] = [
        one
        for page in council.client().proposal_pages(all=True)
        for one in page.proposals
        if one.proposed.sequence == sequence
    ]
    assert listed == stands


def test_what_is_done_once_is_not_done_again(council: Council) -> None:
    sequence = council.done(top_up(LAKH))
    before = balance(council)
    assert council.do(sequence) == []
    assert balance(council) == before
    assert name_of(council.approve(BETA, sequence)) == "ALREADY_APPROVED"


def test_a_proposal_is_withdrawn_by_one_person(council: Council) -> None:
    sequence = council.propose(ALPHA, top_up(LAKH))
    client = council.client(SECOND)
    outcome = client.withdraw_signed(sequence, "a slip", council.signer(BETA))
    assert name_of(outcome) == "OK"
    assert client.proposal(sequence).answer.proposal.state == WITHDRAWN
    assert name_of(council.approve(BETA, sequence)) == "PROPOSAL_WITHDRAWN"
    assert set(council.do(sequence)) == {"NOT_APPROVED"}


def test_each_wish_is_a_line_that_can_be_done(council: Council) -> None:
    """All that the treasury does by lines, in the order in which it makes sense."""
    centre = CENTRES[2]
    key = bytes(range(32))
    council.done(
        pb.Wish(fund_suspense=pb.FundSuspenseWish(amount=LAKH, reason="advances")),
        pb.Wish(limit=pb.LimitWish(centre=centre, payment_max=500, day_count_max=7)),
        pb.Wish(pins=pb.PinsWish(participant=centre, pins=[key])),
        pb.Wish(budget=pb.BudgetWish(participant=centre, budget=READS, value=9)),
        person(MAKER, council, role=int(PersonRole.MAKER)),
        pb.Wish(participant=pb.ParticipantWish(participant="auditor", active=False)),
    )
    client = council.client()
    wallet = client.wallet(centre).wallet
    assert (wallet.payment_max, wallet.day_count_max) == (500, 7)
    assert [list(one.pins) for one in client.pins()] == [[key]]
    assert [(one.participant, one.value) for one in client.budgets()] == [(centre, 9)]
    assert MAKER in [(one.participant, one.number) for one in client.people().people]
    # What is so already is left out, and said.
    wishes = [
        pb.Wish(limit=pb.LimitWish(centre=centre, payment_max=500, day_count_max=7)),
        pb.Wish(pins=pb.PinsWish(participant=centre, pins=[key])),
        pb.Wish(budget=pb.BudgetWish(participant=centre, budget=READS, value=9)),
        pb.Wish(participant=pb.ParticipantWish(participant="auditor", active=False)),
        pb.Wish(unfreeze=pb.UnfreezeWish(centre=centre, reason="not frozen")),
        top_up(LAKH, centre),
    ]
    made = client.prepare(pb.PrepareRequest(wishes=wishes, reason="again"))
    assert (len(made.lines), made.already_count) == (1, 5)
    council.done(
        pb.Wish(pins=pb.PinsWish(participant=centre)),
        pb.Wish(budget=pb.BudgetWish(participant=centre, budget=READS)),
        pb.Wish(participant=pb.ParticipantWish(participant="auditor", active=True)),
        pb.Wish(close=pb.CloseWish(centre=CENTRES[3], reason="moved away")),
    )
    assert not list(client.pins())
    wallet = client.wallet(CENTRES[3]).wallet
    assert wallet.state == 3


def test_a_network_comes_in_phases_and_then_nothing_is_left(council: Council) -> None:
    client = council.client()
    biller = ParticipantSpec(id="power", role=Role.BILLER, heads=("0801-01",))
    service = ServiceSpec(
        code="LIGHT",
        biller="power",
        heads=("0801-01",),
        amount_rule=AmountRule.MIN_MAX,
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.WITHIN,
        duplicate_hours=1,
    )
    participants, services = messages_of(Specs((biller,), (service,)))
    wish = pb.NetworkWish(participants=participants, services=services)
    request = pb.PrepareRequest(network=wish, reason="power")
    said = []
    while sequence := council.proposed(ALPHA, request):
        assert name_of(council.approve(BETA, sequence)) == "OK"
        said.append([one.text for one in client.proposal(sequence).lines])
        assert set(council.do(sequence)) == {"OK"}
    assert [len(one) for one in said] == [1, 1, 1]
    assert "id: power" in said[0][0]
    assert said[1][0].startswith("open, of power")
    assert said[2][0].startswith("service, of power, code: LIGHT")
    assert [one.code for one in client.services()] == ["LIGHT"]
    made = client.prepare(request)
    assert (made.row, made.already_count) == (None, 2)


def test_a_refund_is_signed_by_two_people_too(council: Council) -> None:
    """What people want about one payment: proposed and approved signed, done once."""
    if not council.client().services():
        test_a_network_comes_in_phases_and_then_nothing_is_left(council)
    council.done(top_up(LAKH))
    before = balance(council)
    bill = make_payment("LIGHT", 700, "BILL-7", operator=1, centre=CENTRES[0])
    paid = council.client("harness", Role.HARNESS).pay(bill)
    assert name_of(paid) == "OK"
    assert balance(council) == before - 700
    wish = pb.PaymentWish(kind=types.PROPOSAL_KIND_REFUND, sequence=paid.sequence)
    sequence = council.proposed(
        ALPHA, pb.PrepareRequest(payment=wish, reason="paid twice")
    )
    assert council.client().proposal(sequence).stored.row.amount == 700
    assert council.do(sequence) == ["NOT_APPROVED"]
    assert name_of(council.approve(ALPHA, sequence)) == "SAME_PERSON"
    assert name_of(council.approve(BETA, sequence)) == "OK"
    assert council.do(sequence) == ["OK"]
    assert council.do(sequence) == ["OK"]
    assert balance(council) == before
    shown = council.client().proposal(sequence).answer.proposal
    assert (shown.state, shown.done.amount) == (DONE, 700)
    # Who has a certificate alone gets nothing back, and cannot ask for it.
    peers = Peers(council.server)
    refused = [
        peers.treasury.admin.Propose(
            admin_pb2.ProposeRequest(
                id=new_id(),
                kind=types.PROPOSAL_KIND_REFUND,
                sequence=paid.sequence,
                amount=1,
                reason="theft",
            ),
            timeout=CALL_S,
        ).outcome,
        peers.checker.admin.Approve(
            admin_pb2.ApproveRequest(id=new_id(), proposal_sequence=sequence),
            timeout=CALL_S,
        ).outcome,
    ]
    peers.close()
    assert [name_of(one) for one in refused] == ["NOT_SIGNED"] * 2


def test_lines_that_cannot_be_done_stay_and_leave_no_row(council: Council) -> None:
    """A wallet that is not empty is not closed; when it is, the line is done."""
    centre = CENTRES[4]
    council.done(top_up(LAKH, centre))
    close = pb.Wish(close=pb.CloseWish(centre=centre, reason="closing"))
    sequence = council.propose(ALPHA, close, top_up(LAKH))
    assert name_of(council.approve(BETA, sequence)) == "OK"
    assert council.do(sequence) == ["BALANCE_NOT_ZERO", "OK"]
    stands = council.client().proposal(sequence).answer.proposal
    assert (stands.state, stands.lines_done) == (APPROVED, 1)
    assert council.do(sequence) == ["BALANCE_NOT_ZERO"]
    waiting = [
        one.proposed.sequence
        for page in council.client().proposal_pages()
        for one in page.proposals
    ]
    assert sequence in waiting


# --- who has a certificate and no key, and who is alone ------------------------------


def test_a_certificate_without_a_key_moves_nothing(
    council: Council, tmp_path: Path
) -> None:
    thief = make_key(tmp_path / "thief.key")
    client = council.client()
    before = balance(council), client.ledger().sequence
    made = client.prepare(pb.PrepareRequest(wishes=[top_up(LAKH)], reason="theft"))
    assert made.row is not None
    assert submitted(council, ALPHA, made.row, thief) == "NOT_SIGNED"
    # Another person's signature is none of the person that is named.
    assert submitted(council, ALPHA, made.row, council.keys[BETA]) == "NOT_SIGNED"
    peers = Peers(council.server)
    admin, centre = peers.treasury.admin, CENTRES[0]
    calls: list[Any] = [
        admin.TopUp(
            admin_pb2.TopUpRequest(id=new_id(), centre=centre, amount=1, utr="U1")
        ),
        admin.SetLimit(admin_pb2.SetLimitRequest(id=new_id(), centre=centre)),
        admin.CloseWallet(
            admin_pb2.CloseWalletRequest(id=new_id(), centre=centre, reason="theft")
        ),
        admin.FundSuspense(
            admin_pb2.FundSuspenseRequest(id=new_id(), amount=1, reason="theft")
        ),
        admin.PinKeys(
            certificates_pb2.PinKeysRequest(
                id=new_id(), participant=centre, pins=[bytes([7]) * 32]
            )
        ),
        admin.FreezeWallet(
            admin_pb2.FreezeWalletRequest(
                id=new_id(), centre=centre, reason="theft", unfreeze=True
            )
        ),
    ]
    assert {name_of(one.outcome) for one in calls} == {"NOT_APPROVED"}
    frozen = admin.FreezeWallet(
        admin_pb2.FreezeWalletRequest(id=new_id(), centre=centre, reason="theft"),
        timeout=CALL_S,
    )
    assert name_of(frozen.outcome) == "NOT_SIGNED"
    peers.close()
    with pytest.raises(CallError, match="network propose"):
        client.load_network(
            [
                network_pb2.Participant(
                    id="thief", role=network_pb2.ROLE_CENTRE, active=True
                )
            ]
        )
    assert (balance(council), client.ledger().sequence) == before


def test_one_person_alone_moves_nothing(council: Council) -> None:
    """Not through the other treasury either: the key is its person's."""
    sequence = council.propose(ALPHA, top_up(LAKH))
    assert name_of(council.approve(ALPHA, sequence)) == "SAME_PERSON"
    assert council.do(sequence) == ["NOT_APPROVED"]
    other = council.client(SECOND)
    shown = other.proposal(sequence)
    # The key of one, said to be that of another.
    signer = council.signer(BETA, council.keys[ALPHA])
    assert name_of(other.approve_signed(shown, signer)) == "NOT_SIGNED"


def test_what_was_approved_is_what_was_shown(council: Council) -> None:
    """A switch that shows other lines gets a signature for those and nothing else."""
    sequence = council.propose(ALPHA, top_up(LAKH))
    small = council.propose(ALPHA, top_up(1))
    client = council.client(SECOND)
    shown, other = client.proposal(sequence), client.proposal(small)
    row = shown.stored.row._replace(tail=pack_lines(one.line for one in other.lines))
    forged = Shown(
        shown.stored._replace(row=row), shown.ledger, other.lines, shown.answer
    )
    outcome = client.approve_signed(forged, council.signer(BETA))
    assert name_of(outcome) == "PROPOSAL_NOT_FOUND"
    assert council.do(sequence) == ["NOT_APPROVED"]


def test_a_signature_is_of_one_ledger_alone(council: Council) -> None:
    client = council.client()
    made = client.prepare(pb.PrepareRequest(wishes=[top_up(LAKH)], reason="elsewhere"))
    assert made.row is not None
    signer = council.signer(ALPHA)._replace(ledger=Ledger(bytes(16)))
    assert name_of(client.submit(made.row, signer)) == "NOT_SIGNED"


def test_a_maker_proposes_and_does_not_approve(council: Council) -> None:
    if MAKER not in registered(council):
        council.done(person(MAKER, council, role=int(PersonRole.MAKER)))
    sequence = council.propose(MAKER, top_up(LAKH))
    other = council.propose(ALPHA, top_up(LAKH))
    assert name_of(council.approve(MAKER, other)) == "NOT_SIGNED"
    assert name_of(council.approve(ALPHA, sequence)) == "OK"
    assert council.do(sequence) == ["OK"]


def registered(council: Council) -> list[Name]:
    people = council.client().people().people
    return [(one.participant, one.number) for one in people]


# --- three ---------------------------------------------------------------------------


def test_a_third_person_is_needed_above_the_thresholds(tmp_path: Path) -> None:
    with sitting(
        tmp_path / "three", "--set", "signatures_per_s=1000", three=True
    ) as council:
        limits = pb.Thresholds(single=10 * LAKH, batch=20 * LAKH, day=100 * LAKH)
        council.done(pb.Wish(thresholds=limits))
        assert council.client().people().thresholds == limits
        small = council.propose(ALPHA, top_up(10 * LAKH))
        assert not council.client().proposal(small).answer.proposal.third_needed
        large = council.propose(ALPHA, top_up(10 * LAKH + 1))
        stands = council.client().proposal(large).answer.proposal
        assert stands.third_needed
        assert name_of(council.approve(BETA, large)) == "OK"
        stands = council.client().proposal(large).answer.proposal
        assert stands.state == OPEN
        assert [one.operator for one in stands.approvals] == [BETA[1]]
        assert council.do(large) == ["NOT_APPROVED"]
        assert name_of(council.approve(BETA, large)) == "SAME_PERSON"
        assert name_of(council.approve(ALPHA, large)) == "SAME_PERSON"
        council.restart()
        assert name_of(council.approve(GAMMA, large)) == "OK"
        stands = council.client().proposal(large).answer.proposal
        assert stands.state == APPROVED
        people = [(one.participant, one.operator) for one in stands.approvals]
        assert people == [BETA, GAMMA]
        assert council.do(large) == ["OK"]
        assert council.client().proposal(large).answer.proposal.state == DONE


# --- stops ---------------------------------------------------------------------------


def stopped(council: Council, by: Name, wish: pb.StopWish, reason: str = "") -> int:
    client = council.client(by[0])
    made = client.prepare(pb.PrepareRequest(stop=wish, reason=reason))
    assert made.row is not None
    outcome = client.submit(made.row, council.signer(by))
    assert name_of(outcome) == "OK"
    return outcome.sequence


def open_stops(council: Council) -> list[tuple[int, str]]:
    return [(one.sequence, one.about) for one in council.client().stops()]


def test_two_people_s_third_waits_and_is_counted(tmp_path: Path) -> None:
    """It is told by a figure, and whoever may propose takes it back."""
    settings = ("--set", "metrics.cases_s=1", "--set", "signatures_per_s=1000")
    with sitting(tmp_path / "waits", *settings) as council:
        until(lambda: figure(council.server, "approvers") == 2)
        assert figure(council.server, "proposals_widening") == 0
        sequence = council.propose(ALPHA, person(GAMMA, council))
        until(lambda: figure(council.server, "proposals_widening") == 1)
        stands = council.client().proposal(sequence).answer.proposal
        assert (stands.widens, stands.waits_until_ns) == (True, 0)
        assert name_of(council.approve(BETA, sequence)) == "OK"
        stands = council.client().proposal(sequence).answer.proposal
        week_ns = stands.waits_until_ns - stands.answer.time_ns
        assert week_ns == 7 * 86_400 * 10**9
        assert council.do(sequence) == ["APPROVER_WAITS"]
        council.stop()
        council.start(*settings)
        assert council.do(sequence) == ["APPROVER_WAITS"]
        # What does not widen does not wait.
        council.done(person(MAKER, council, role=1))
        assert not council.client().people().approvers_count > 2
        told = council.client().withdraw_signed(
            sequence, "not wanted", council.signer(MAKER)
        )
        assert name_of(told) == "OK"
        until(lambda: figure(council.server, "proposals_widening") == 0)
        assert council.do(sequence) == ["NOT_APPROVED"]


def test_three_people_want_a_fourth_at_once(tmp_path: Path) -> None:
    settings = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path / "fourth", *settings, three=True) as council:
        assert council.client().people().approvers_count == 3
        council.done(person(MAKER, council))
        assert council.client().people().approvers_count == 4


def test_one_person_stops_and_another_stands_by_it(tmp_path: Path) -> None:
    with sitting(
        tmp_path / "stops", "--set", "signatures_per_s=1000", three=True
    ) as council:
        client = council.client()
        frozen = stopped(council, ALPHA, pb.StopWish(wallet=CENTRES[0]), "strange")
        assert client.wallet(CENTRES[0]).wallet.state == 2
        off = stopped(council, ALPHA, pb.StopWish(participant=CENTRES[1]))
        gone = stopped(
            council,
            BETA,
            pb.StopWish(person=pb.PersonName(participant=SECOND, number=GAMMA[1])),
        )
        waiting = [
            (frozen, CENTRES[0]),
            (off, CENTRES[1]),
            (gone, f"{SECOND}/{GAMMA[1]}"),
        ]
        assert open_stops(council) == waiting
        council.restart()
        assert open_stops(council) == waiting
        with pytest.raises(CallError, match="not active"):
            council.client(CENTRES[1], Role.CENTRE).wallet("")
        # Whoever is stopped signs nothing any more.
        made = council.client(SECOND).prepare(
            pb.PrepareRequest(wishes=[top_up(LAKH)], reason="gone")
        )
        assert made.row is not None
        assert submitted(council, GAMMA, made.row) == "NOT_SIGNED"
        # Nobody stands by a stop of their own.
        assert name_of(council.approve(ALPHA, frozen)) == "SAME_PERSON"
        assert name_of(council.approve(BETA, frozen)) == "OK"
        assert open_stops(council) == waiting[1:]
        shown = council.client().proposal(frozen).answer.stop
        assert (shown.approved_by.participant, shown.open) == (SECOND, False)
        assert (shown.reason, shown.about) == ("strange", CENTRES[0])
        # What is started again is stopped no more.
        on = pb.ParticipantWish(participant=CENTRES[1], active=True)
        council.done(pb.Wish(participant=on))
        assert open_stops(council) == waiting[2:]
        assert council.client(CENTRES[1], Role.CENTRE).wallet("").wallet.centre
        stop = pb.StopWish(participant="auditor")
        stopped(council, ALPHA, stop)
        with pytest.raises(CallError, match="nothing to stop"):
            stopped(council, BETA, stop)


def test_two_people_stay(council: Council) -> None:
    """One person cannot put out the only other one, and be alone."""
    stop = pb.StopWish(person=pb.PersonName(participant=SECOND, number=BETA[1]))
    client = council.client()
    made = client.prepare(pb.PrepareRequest(stop=stop))
    assert made.row is not None
    assert submitted(council, ALPHA, made.row) == "LAST_TREASURIES"
