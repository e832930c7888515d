"""Goal: money of a biller goes to one account at a bank, which two or three people have
seen; whoever changes it waits, and what was proposed before is not paid to it.

Method: a real server on a ledger with people, whose settlement account was opened with
money; thresholds with a wait of seconds. What an approver sees is read with the client
library, as commands do.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.cli import main
from switch.cli.signing import NO_RELEASE, warnings_of
from switch.client.calls import CallError
from switch.codes import Result, Role
from switch.console.output import Exit
from switch.said import say
from switch.signed import pack_lines, read_line
from switch.specs import ParticipantSpec, Specs
from switch.v1 import banks_pb2, proposals_pb2
from switch.v1 import people_pb2 as pb
from tests.server.banking import Banking, ending
from tests.server.council import (
    ALPHA,
    BETA,
    GAMMA,
    LAKH,
    Council,
    centres,
    name_of,
    sitting,
)
from tests.server.harness import RUPEE

WAIT_S = 2
HEADS = ("0801-01", "0801-02")
NUMBER, IFSC = "33445566", "SBIN0001234"
OTHER = "77889900"
EXTRA = 1_000 * RUPEE
"""What lies in settlement and is nobody's yet."""
WAITS = proposals_pb2.PROPOSAL_STATE_OPEN


def thresholds(wait_s: int, amount: int = 10**15) -> pb.Wish:
    wish = pb.Thresholds(single=amount, batch=amount, day=amount, wait_s=wait_s)
    return pb.Wish(thresholds=wish)


def beneficiary(head: str = HEADS[0], **changes: Any) -> pb.Wish:
    values: dict[str, Any] = {"biller": "power", "head": head, "active": True}
    values |= {"number": NUMBER, "ifsc": IFSC, **changes}
    return pb.Wish(beneficiary=pb.BeneficiaryWish(**values))


def payout(amount: int, **more: Any) -> pb.Wish:
    made: pb.Wish = ending(0, payout=pb.Payout(amount=amount, **more))
    return made


def opened(head: str, amount: int, participant: str = "") -> pb.Wish:
    wish = pb.OpeningWish(participant=participant, head=head, amount=amount)
    return pb.Wish(opening=wish)


def settled(council: Council, amount: int, head: str = HEADS[0]) -> None:
    """So much of what lies in settlement is given to an account, and settled."""
    client = council.client()
    give = pb.GiveWish(biller="power", head=head, amount=amount, reason="old books")
    council.done(pb.Wish(give=give))
    council.close_window()
    wish = pb.SettleWish(biller="power", head=head, amount=amount)
    wish.window = client.ledger().last_window
    council.done(pb.Wish(settle=wish))


def power() -> Specs:
    biller = ParticipantSpec(id="power", role=Role.BILLER, heads=HEADS)
    return Specs((*centres().participants, biller), ())


def begun(council: Council) -> Banking:
    """Billers, a bank account, and money in settlement."""
    council.load(power())
    banking = Banking(council)
    council.done(opened("settlement", LAKH), thresholds(WAIT_S))
    settled(council, LAKH - EXTRA)
    return banking


def found(council: Council, head: str = HEADS[0]) -> banks_pb2.Beneficiary:
    [one] = [one for one in council.client().beneficiaries() if one.head == head]
    return one


def wait_for(council: Council, head: str = HEADS[0]) -> None:
    usable_ns = found(council, head).usable_from_ns
    time.sleep(max(usable_ns - time.time_ns(), 0) / 1e9 + 0.01)


def text_of(council: Council, *wishes: pb.Wish) -> str:
    """Why a proposal is not made."""
    request = pb.PrepareRequest(wishes=wishes, reason="a test")
    with pytest.raises(CallError) as failure:
        council.client().prepare(request)
    return f"{failure.value.reason} {failure.value.text}"


def waits(council: Council, one: banks_pb2.Beneficiary) -> bool:
    """Whether a payout to it is refused because it is too early; on a slow machine its
    time may have come.
    """
    request = pb.PrepareRequest(wishes=[payout(RUPEE)], reason="a test")
    told: CallError | None = None
    try:
        council.client().prepare(request)
    except CallError as error:
        told = error
    if told is None:
        assert time.time_ns() >= one.usable_from_ns
        return False
    assert told.reason == "BENEFICIARY_WAITS"
    assert "may be used from" in told.text
    return True


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(
        tmp_path_factory.mktemp("beneficiaries"), *arguments, three=True
    ) as one:
        begun(one)
        yield one


def test_before_the_first_a_payout_names_nobody(council: Council) -> None:
    assert list(council.client().beneficiaries()) == []
    sequence = council.propose(ALPHA, payout(RUPEE))
    [line] = council.client().proposal(sequence).lines
    assert not line.HasField("beneficiary")
    assert read_line(line.line).resolves == 0
    assert name_of(council.approve(BETA, sequence)) == "OK"
    # The first one comes before it is done: then it names nobody, and is not.
    council.done(beneficiary(name="Power board"))
    assert council.do(sequence) == ["BENEFICIARY_WRONG"]
    assert "no beneficiary" in text_of(
        council, payout(RUPEE, biller="power", head=HEADS[1])
    )


def test_an_approver_sees_where_the_money_goes(council: Council) -> None:
    one = found(council)
    assert (one.biller, one.head, one.number, one.ifsc) == (
        *("power", HEADS[0], NUMBER, IFSC),
    )
    assert (one.active, one.name, one.index) == (True, "Power board", 1)
    assert one.usable_from_ns == one.time_ns + WAIT_S * 10**9
    waits(council, one)
    wait_for(council)
    sequence = council.propose(ALPHA, payout(RUPEE))
    [line] = council.client().proposal(sequence).lines
    assert line.beneficiary == one
    packed = read_line(line.line)
    assert packed.resolves == one.sequence
    assert NUMBER in line.text
    assert IFSC in line.text
    said = say(packed, line.debit, line.credit, "somebody")
    assert said.what == "payout"
    assert name_of(council.approve(BETA, sequence)) == "OK"
    assert council.do(sequence) == ["OK"]
    [release] = [
        item
        for item in council.client().bank_items()
        if item.sequence == council.client().proposal(sequence).lines[0].done_sequence
    ]
    assert release.kind == banks_pb2.BANK_ITEM_KIND_RELEASE
    assert release.number.startswith("R")
    assert release.amount == RUPEE
    # It is no advance that somebody owes.
    assert list(council.client().exceptions()) == []


def test_a_change_waits_and_ends_what_was_proposed_before(council: Council) -> None:
    wait_for(council)
    before = council.propose(ALPHA, payout(2 * RUPEE))
    council.done(beneficiary(number=OTHER, name=""))
    changed = found(council)
    assert (changed.number, changed.ifsc, changed.name) == (OTHER, IFSC, "Power board")
    waits(council, changed)
    assert name_of(council.approve(BETA, before)) == "OK"
    outcomes = council.client().do_lines(before)
    assert [Result(one.outcome.result) for one in outcomes] == [
        Result.BENEFICIARY_WRONG
    ]
    assert outcomes[0].outcome.other_sequence == changed.sequence
    # What it was proposed for is still what is shown of it.
    [line] = council.client().proposal(before).lines
    assert line.beneficiary.number == NUMBER
    wait_for(council)
    council.done(payout(2 * RUPEE, biller="power", head=HEADS[0]))
    # A longer wait holds for what is approved already, and that is done later.
    late = council.propose(ALPHA, payout(3 * RUPEE))
    assert name_of(council.approve(BETA, late)) == "OK"
    council.done(thresholds(3_600))
    assert waits(council, changed)
    [outcome] = council.client().do_lines(late)
    assert Result(outcome.outcome.result) is Result.BENEFICIARY_WAITS
    assert outcome.outcome.other_sequence == changed.sequence
    assert found(council).usable_from_ns == changed.time_ns + 3_600 * 10**9
    council.done(thresholds(WAIT_S))
    assert council.do(late) == ["OK"]


def test_one_that_is_off_gets_nothing(council: Council) -> None:
    wait_for(council)
    known = found(council)
    before = council.propose(ALPHA, payout(RUPEE))
    council.done(beneficiary(number="", ifsc="", active=False))
    off = found(council)
    assert (off.number, off.ifsc, off.active) == (known.number, known.ifsc, False)
    assert "none is active" in text_of(council, payout(RUPEE))
    named = payout(RUPEE, biller="power", head=HEADS[0])
    assert text_of(council, named).startswith("BENEFICIARY_WRONG")
    assert name_of(council.approve(BETA, before)) == "OK"
    assert council.do(before) == ["BENEFICIARY_WRONG"]
    council.done(beneficiary(number="", ifsc="", active=True))
    wait_for(council)
    council.done(payout(RUPEE))


def test_what_the_bank_refuses_comes_back(council: Council) -> None:
    wait_for(council)
    client = council.client()
    council.done(payout(RUPEE))
    [release] = [
        item
        for item in client.bank_items()
        if item.kind == banks_pb2.BANK_ITEM_KIND_RELEASE
    ][-1:]
    paid = standing_of(council)
    recall = ending(release.sequence, recall=True)
    sequence = council.propose(ALPHA, recall)
    [line] = client.proposal(sequence).lines
    assert (line.release.sequence, line.release.amount) == (release.sequence, RUPEE)
    said = say(read_line(line.line), line.debit, line.credit)
    assert said.what == "recall"
    assert said.facts == (("entry", str(release.sequence)),)
    assert "speaks of each once" in text_of(council, recall, recall)
    assert name_of(council.approve(BETA, sequence)) == "OK"
    assert council.do(sequence) == ["OK"]
    # What is back is not paid out; lines count one behind the other.
    three, four = client.prepare(
        pb.PrepareRequest(wishes=[payout(3), payout(4)], reason="a test")
    ).lines
    assert three.standing.paid_out == four.standing.paid_out == paid - RUPEE
    assert (three.standing.in_lines_before, four.standing.in_lines_before) == (0, 3)
    assert three.standing.settled == LAKH - EXTRA
    # It is on its way no more, nobody owes it, and it does not come back twice.
    assert release.sequence not in [item.sequence for item in client.bank_items()]
    assert list(client.exceptions()) == []
    done = client.proposal(sequence).lines[0].done_sequence
    assert f"entry {done} has recalled" in text_of(council, recall)
    for other in (1, done, found(council).sequence):
        no_release = ending(other, recall=True)
        assert f"entry {other} is no release" in text_of(council, no_release)
    # A debit that nobody explained was paid by no bank: that does not come back.
    owed = ending(release.sequence, recall=True, owed=True)
    assert "owed" in text_of(council, owed)


def standing_of(council: Council) -> int:
    """What was paid out so far, as whoever proposes the next payout is shown it."""
    made = council.client().prepare(
        pb.PrepareRequest(wishes=[payout(1)], reason="a test")
    )
    return made.lines[0].standing.paid_out


def test_nothing_is_recalled_before_it_was_released(council: Council) -> None:
    """The ledger says so as it is done; people see it before they sign."""
    client = council.client()
    there = client.ledger().sequence
    for sequence in (there + 1, there + 1_000):
        text = text_of(council, ending(sequence, recall=True))
        assert f"no durable entry {sequence}" in text
    wait_for(council)
    council.done(payout(RUPEE))
    [release, *_] = client.bank_items()
    made = client.prepare(
        pb.PrepareRequest(wishes=[ending(release.sequence, recall=True)], reason="no")
    )
    assert made.row is not None
    line = read_line(made.lines[0].line)._replace(resolves=there + 1_000)
    row = made.row._replace(tail=pack_lines([line.pack()]))
    proposed = client.submit(row, council.signer(ALPHA)).sequence
    [shown] = client.proposal(proposed).lines
    assert not shown.HasField("release")
    said = say(line, shown.debit, shown.credit)
    assert warnings_of(shown, line, said.what) == [NO_RELEASE]
    key = str(council.key_file(BETA))
    words = ["approve", str(proposed), "--as", f"treasury/{BETA[0]}", "--yes"]
    words += ["--person", str(BETA[1]), "--key", key]
    where = ["--address", council.server.address]
    where += ["--tls", str(council.directory / "tls")]
    assert main([*words, *where]) == Exit.USAGE
    standing = client.proposal(proposed).answer.proposal
    assert not standing.approvals


def test_of_several_one_is_named(council: Council) -> None:
    council.done(beneficiary(HEADS[1], number="1"))
    assert "must name one" in text_of(council, payout(RUPEE))
    wait_for(council)
    wait_for(council, HEADS[1])
    sequence = council.propose(ALPHA, payout(RUPEE, biller="power", head=HEADS[1]))
    [line] = council.client().proposal(sequence).lines
    assert (line.beneficiary.head, line.beneficiary.number) == (HEADS[1], "1")
    listed = list(council.client("auditor", Role.AUDITOR).beneficiaries())
    assert [one.head for one in listed] == list(HEADS)
    pages: list[banks_pb2.Beneficiary] = []
    request = banks_pb2.ListBeneficiariesRequest(page_size=1)
    while True:
        page = council.client()._banks.ListBeneficiaries(request)
        pages += page.beneficiaries
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert pages == listed


def test_what_cannot_be_is_told_before_a_signature(council: Council) -> None:
    for wish, why in (
        (beneficiary("nothing"), "no biller"),
        (beneficiary(number="12 3"), "capitals and digits"),
        (beneficiary(number="1" * 35), "capitals and digits"),
        (beneficiary(ifsc="SBIN1234567"), "four capitals"),
        (beneficiary(HEADS[1], number="2", name="x" * 201), "at most 200"),
    ):
        assert why in text_of(council, wish)
    twice = (beneficiary(number="21"), beneficiary(number="22"))
    assert "speaks of each once" in text_of(council, *twice)
    assert "at most" in text_of(council, thresholds(31 * 86_400 + 1))
    known = found(council)
    again = beneficiary(number=known.number, ifsc=known.ifsc, name="")
    made = council.client().prepare(pb.PrepareRequest(wishes=[again], reason="again"))
    assert (made.row, made.already_count) == (None, 1)


def test_the_wait_is_told_and_kept(council: Council) -> None:
    registered = council.client().people()
    assert registered.wait_s == WAIT_S
    assert registered.thresholds is not None
    assert registered.thresholds.wait_s == WAIT_S
    # 0 leaves it as it is.
    council.done(thresholds(0, 10**14))
    assert council.client().people().wait_s == WAIT_S


def test_a_third_person_approves_a_beneficiary(tmp_path: Path) -> None:
    with sitting(
        tmp_path / "third", "--set", "signatures_per_s=1000", three=True
    ) as council:
        assert council.client().people().wait_s == 86_400
        council.load(power())
        client = council.client()
        sequence = council.propose(ALPHA, beneficiary())
        assert client.proposal(sequence).answer.proposal.third_needed
        assert name_of(council.approve(BETA, sequence)) == "OK"
        assert client.proposal(sequence).answer.proposal.state == WAITS
        assert council.do(sequence) == ["NOT_APPROVED"]
        assert name_of(council.approve(GAMMA, sequence)) == "OK"
        assert council.do(sequence) == ["OK"]
        one = found(council)
        assert one.usable_from_ns == one.time_ns + 86_400 * 10**9
        council.restart()
        assert found(council) == one


def test_one_debt_is_paid_once(council: Council) -> None:
    """What was refused and proposed anew is paid by one of both: the other is done no
    more, until as much is settled again, or somebody takes it back.
    """
    wait_for(council)
    client = council.client()
    named = {"biller": "power", "head": HEADS[0]}
    [line] = client.prepare(
        pb.PrepareRequest(wishes=[payout(1, **named)], reason="a test")
    ).lines
    debt = line.standing.settled - line.standing.paid_out
    assert debt > RUPEE
    old, new = (council.propose(ALPHA, payout(debt, **named)) for _ in range(2))
    for sequence in (old, new):
        assert name_of(council.approve(BETA, sequence)) == "OK"
    assert council.do(new) == ["OK"]
    council.restart()
    assert council.do(old) == ["EXCEEDS_SETTLED"]
    # The money is there, and it is nobody's: it was settled for no biller.
    more = council.propose(ALPHA, payout(RUPEE, **named))
    assert name_of(council.approve(BETA, more)) == "OK"
    assert council.do(more) == ["EXCEEDS_SETTLED"]
    withdrawn = council.client().withdraw_signed(old, "paid", council.signer(ALPHA))
    assert name_of(withdrawn) == "OK"
    assert council.do(old) == ["NOT_APPROVED"]
    settled(council, EXTRA)
    assert council.do(more) == ["OK"]
