"""Goal: nobody is credited twice or for another, and no chain stands still, whoever
lies: a bank's file, a clerk, whoever has a channel's key or a disk.

Method: a real server on a ledger with people, a bank account and a channel's key; what
a thief signs is made by hand. What the core does not refuse yet is expected to fail.
"""

import datetime as dt
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from switch.bank.booking import Piece, book
from switch.bank.lines import Side
from switch.bank_rows import NUMBER_MAX
from switch.client.banks import booking_row
from switch.codes import Kind, Role, Source
from switch.ids import new_id
from switch.signed import Line, line_id
from switch.v1 import banks_pb2 as pb
from switch.v1 import people_pb2, proposals_pb2
from tests.damage import damage_row
from tests.server.banking import DAY, Banking, ending, line
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    CHANNEL,
    Council,
    balance,
    name_of,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE

SETTINGS = ("--set", "signatures_per_s=1000")

LINES = 4_500
"""Of a long statement: several calls, within one proposal."""

_counter = count(1)


def utr() -> str:
    return f"HOST{next(_counter):08d}"


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    with sitting(tmp_path_factory.mktemp("hostile"), *SETTINGS) as found:
        yield found


@pytest.fixture(scope="module")
def banking(council: Council) -> Banking:
    return Banking(council)


def asked(council: Council, amount: int, request_id: bytes = b"") -> pb.RequestedTopUp:
    client = council.client(CENTRES[0], Role.CENTRE)
    reply = client.request_top_up(amount, request_id=request_id)
    assert name_of(reply.outcome) == "OK"
    return reply.request


def packed(banking: Banking, amount: int, reference: str, names: int = 0) -> bytes:
    """A credit as whoever has a key may sign it."""
    return Line(
        Kind.BOOKED,
        0,
        amount,
        names,
        banking.account.account,
        0,
        reference.encode("ascii"),
    ).pack()


def piece(*lines: bytes) -> Piece:
    """An advice of lines that were made by hand."""
    return Piece(lines, None, {}, {}, 0)


def stopped(council: Council, participant: str, number: int) -> None:
    """One person stops another one."""
    name = people_pb2.PersonName(participant=participant, number=number)
    client = council.client(ALPHA[0])
    stop = people_pb2.StopWish(person=name)
    made = client.prepare(people_pb2.PrepareRequest(stop=stop, reason="stolen"))
    assert made.row is not None
    assert name_of(client.submit(made.row, council.signer(ALPHA))) == "OK"


def waiting(council: Council) -> set[int]:
    """What is listed as waiting for somebody."""
    return {
        one.proposed.sequence
        for page in council.client().proposal_pages()
        for one in page.proposals
    }


# --- credited twice ------------------------------------------------------------------


@pytest.mark.parametrize("spell", [str.lower, lambda one: f"{one[:4]} {one[4:]}"])
def test_a_reference_by_hand_is_the_banks_however_it_is_typed(
    council: Council, banking: Banking, spell: object
) -> None:
    reference = utr()
    one = asked(council, 31 * RUPEE)
    before = balance(council)
    council.done(top_up(31 * RUPEE, utr=spell(reference)))  # type: ignore[operator]
    assert balance(council) == before + 31 * RUPEE
    [advice] = banking.advice(line(31 * RUPEE, reference, one.number))
    assert banking.put(advice).results == ["OK"]
    assert balance(council) == before + 31 * RUPEE


def test_what_was_credited_by_hand_is_not_ended_into_a_wallet(
    council: Council, banking: Banking
) -> None:
    """Its line waits unexplained behind a top-up, and looks like any other."""
    reference = utr()
    before = balance(council)
    council.done(top_up(33 * RUPEE, utr=reference))
    [advice] = banking.advice(line(33 * RUPEE, reference, "who is it"))
    banking.put(advice)
    [item, *_] = banking.items()
    proposal = council.propose(ALPHA, ending(item.sequence, credit_wallet=CENTRES[0]))
    assert name_of(council.approve(BETA, proposal)) == "OK"
    assert council.do(proposal) == ["UTR_ALREADY_CREDITED"]
    assert balance(council) == before + 33 * RUPEE


def test_a_contradiction_is_told_once(council: Council, banking: Banking) -> None:
    reference = utr()
    [first] = banking.advice(line(RUPEE, reference))
    banking.put(first)
    [second] = banking.advice(line(2 * RUPEE, reference))
    told = banking.put(second)
    assert told.results == ["BOOKED_DIFFERS"]
    was = banking.account.contradictions_count
    for _ in range(3):
        council.do(told.proposal)
    assert banking.account.contradictions_count == was


def test_lines_named_by_a_thief(council: Council, banking: Banking) -> None:
    """References of another spelling, and requests that are none."""
    one = asked(council, 41 * RUPEE)
    before = balance(council)
    reference = utr()
    results = banking.put(
        piece(
            packed(banking, 41 * RUPEE, reference, one.sequence),
            packed(banking, 41 * RUPEE, reference.lower(), one.sequence),
            packed(banking, 41 * RUPEE, reference, one.sequence),
            packed(banking, 41 * RUPEE, utr(), one.sequence),
            packed(banking, 41 * RUPEE, utr(), 1),
            packed(banking, 41 * RUPEE, utr(), 1 << 62),
        )
    ).results
    assert results == ["OK", "OK", "ALREADY_BOOKED", "OK", "OK", "OK"]
    assert balance(council) == before + 41 * RUPEE


def test_what_was_withdrawn_is_not_done(council: Council, banking: Banking) -> None:
    one = asked(council, 42 * RUPEE)
    before = balance(council)
    client, signer = council.client(CHANNEL[0]), council.signer(CHANNEL)
    lines = [
        packed(banking, 42 * RUPEE, utr(), one.sequence),
        packed(banking, 1, utr()),
    ]
    outcome = client.submit(booking_row(lines, "x"), signer)
    withdrawn = council.client().withdraw_signed(
        outcome.sequence, "stolen", council.signer(ALPHA)
    )
    assert name_of(withdrawn) == "OK"
    assert council.do(outcome.sequence) == ["NOT_APPROVED"] * 2
    assert balance(council) == before


# --- a stolen channel key ------------------------------------------------------------


def test_a_channel_that_is_stopped_says_nothing_more(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What it signed before, and nobody has done yet, is its thief's word."""
    with sitting(tmp_path_factory.mktemp("stopped"), *SETTINGS) as council:
        banking = Banking(council)
        one = asked(council, 51 * RUPEE)
        lines = [packed(banking, 51 * RUPEE, utr(), one.sequence)]
        client, signer = council.client(CHANNEL[0]), council.signer(CHANNEL)
        outcome = client.submit(booking_row(lines, "x"), signer)
        assert name_of(outcome) == "OK"
        stopped(council, *CHANNEL)
        # With the certificate alone, which is not the person.
        assert council.do(outcome.sequence) == ["NOT_APPROVED"]
        assert balance(council) == 0


def test_a_line_names_no_request_that_is_still_to_come(
    council: Council, banking: Banking
) -> None:
    """Money is asked for before it is sent, and sent before a bank tells of it."""
    newest = council.client().ledger().sequence
    lines = [packed(banking, 52 * RUPEE, utr(), newest + at) for at in range(1, 12)]
    client, signer = council.client(CHANNEL[0]), council.signer(CHANNEL)
    outcome = client.submit(booking_row(lines, "x"), signer)
    assert name_of(outcome) == "OK"
    before = balance(council)
    asked(council, 52 * RUPEE)
    assert council.do(outcome.sequence) == ["OK"] * 11
    assert balance(council) == before


def test_a_bank_account_cannot_be_filled_up(council: Council) -> None:
    """Totals only grow: who fills them ends the account, for ever."""
    banking = Banking(council, "FILLED1")
    client, signer = council.client(CHANNEL[0]), council.signer(banking.channel)
    of = banking.account.account
    made = Line(Kind.BOOKED, 0, 10**15 + 1, 0, of, 0, utr().encode("ascii"))
    told = client.submit(booking_row([made.pack()], "all there is"), signer)
    assert name_of(told) == "NOT_SIGNED"
    assert banking.put(piece(packed(banking, RUPEE, utr()))).results == ["OK"]


@pytest.mark.parametrize(
    ("day", "number"), [(dt.date(2149, 6, 6), 1), (dt.date(2027, 11, 27), NUMBER_MAX)]
)
def test_a_statement_of_a_day_that_is_still_to_come(
    council: Council, day: dt.date, number: int
) -> None:
    """Nothing could follow it for as long, and nothing takes it back."""
    banking = Banking(council, f"FUTURE{day.year}")
    one = banking.statement([], first_day=day, last_day=day, number=number)
    [told] = [banking.put(piece_) for piece_ in book(one, banking.bank, Source.CAMT)]
    assert told.results != ["OK"]


def test_what_is_done_passes_for_nothing_withdrawn(
    council: Council, banking: Banking
) -> None:
    """Whoever takes back what a channel has said hides nothing by it."""
    [advice] = banking.advice(line(RUPEE, utr()), line(RUPEE, utr()))
    proposal = banking.put(advice).proposal
    client, signer = council.client(), council.signer(ALPHA)
    told = client.withdraw_signed(proposal, "hide it", signer)
    assert name_of(told) == "ALREADY_DONE"
    shown = client.proposal(proposal).answer.proposal
    assert shown.state == proposals_pb2.PROPOSAL_STATE_DONE
    # One of which half is done was taken back all the same.
    [advice] = banking.advice(line(RUPEE, utr()), line(RUPEE, utr()))
    channel, key = council.client(CHANNEL[0]), council.signer(CHANNEL)
    half = channel.submit(booking_row(advice.lines, "half"), key).sequence
    request = people_pb2.DoLinesRequest(proposal_sequence=half, lines_max=1)
    assert client._people.DoLines(request).lines_done == 1
    # Nobody would take back what no list has.
    assert half in waiting(council)
    assert proposal not in waiting(council)
    assert name_of(client.withdraw_signed(half, "stop it", signer)) == "OK"
    assert half not in waiting(council)
    assert council.do(half) == ["NOT_APPROVED"]
    shown = client.proposal(half).answer.proposal
    assert shown.state == proposals_pb2.PROPOSAL_STATE_WITHDRAWN


def test_two_people_undo_a_false_statement(council: Council) -> None:
    """What it put in goes back by a release, and a statement of theirs takes it out of
    the chain; then the bank's own follows, and all figures are the bank's.
    """
    banking = Banking(council, "MENDED1")
    true = banking.statement([line(100 * RUPEE, utr(), "true")])
    banking.book(true)
    one = asked(council, 70 * RUPEE)
    before = balance(council)
    council.done(top_up(1_000 * RUPEE))
    lines = [line(70 * RUPEE, utr(), one.number), line(5_000 * RUPEE, utr(), "false")]
    banking.book(banking.statement(lines))
    assert balance(council) == before + 1_070 * RUPEE
    day = {"opening": 100 * RUPEE, "closing": 109 * RUPEE}
    following = banking.statement([line(9 * RUPEE, utr())], **day)
    [told] = banking.book(following)
    assert told.results == ["OK", "STATEMENT_GAP"]
    [_, item, *_] = banking.items()
    council.done(ending(item.sequence, send_back=True))
    release = banking.items()[0]
    out = Side.DEBIT
    undone = banking.statement(
        [
            line(5_000 * RUPEE, utr(), release.number, side=out),
            line(70 * RUPEE, utr(), side=out),
        ]
    )
    [mended] = banking.book(undone, by=ALPHA)
    assert name_of(council.approve(BETA, mended.proposal)) == "OK"
    assert council.do(mended.proposal) == ["OK"] * 3
    debit = banking.items()[0]
    council.done(ending(debit.sequence, from_wallet=CENTRES[0]))
    assert balance(council) == before + 1_000 * RUPEE
    last = banking.statement([], first_day=DAY, number=9)
    again = book(
        replace(following, number=last.number, name=last.name),
        banking.bank,
        Source.CAMT,
    )
    results = [banking.put(one).results for one in again]
    assert results[0][-1] == "OK", results
    account = banking.account
    assert account.statement.closing == following.closing == 109 * RUPEE
    assert (account.balance, account.unlisted) == (109 * RUPEE, 0)
    assert (account.suspense, account.transit) == (109 * RUPEE, 0)
    assert [one.amount for one in banking.items()] == [9 * RUPEE, 100 * RUPEE]


# --- a disk --------------------------------------------------------------------------


def test_what_is_damaged_hides_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Lists go on beside it, and say what is known of it."""
    with sitting(tmp_path_factory.mktemp("damaged"), *SETTINGS) as council:
        banking = Banking(council)
        lost_id = new_id()
        fine = asked(council, 61 * RUPEE)
        lost = asked(council, 62 * RUPEE, lost_id)
        # Each in a commit of its own, as what is committed together is checked so.
        told = []
        for amount in (1, 2, 3):
            [advice] = banking.advice(line(amount * RUPEE, utr(), "?"))
            told.append(banking.put(advice).proposal)
        items = banking.items()
        account = banking.account
        ledger = council.directory / "ledger"
        proposed = council.client().proposal(told[1]).stored.id
        start = line_id(proposed, 0) + items[1].sequence.to_bytes(8, "little")
        damage_row(ledger, start)
        damage_row(ledger, lost_id + lost.sequence.to_bytes(8, "little"))
        known = pb.BankItem(
            kind=items[1].kind,
            sequence=items[1].sequence,
            account=items[1].account,
            amount=items[1].amount,
        )
        assert banking.items() == [items[0], known, items[2]]
        assert banking.account == account
        bare = pb.RequestedTopUp(sequence=lost.sequence, number=lost.number)
        assert list(council.client().top_up_requests(open_only=True)) == [bare, fine]


def test_killed_in_the_middle_of_many_lines(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What was done stays, the rest is done once, and the figures are the bank's."""
    with sitting(tmp_path_factory.mktemp("killed"), *SETTINGS) as council:
        banking = Banking(council)
        named = [asked(council, 10 * RUPEE) for _ in range(20)]
        lines = [
            line(10 * RUPEE, utr(), named[at].number if at < 20 else "?")
            for at in range(LINES)
        ]
        statement = banking.statement(lines)
        [one] = book(statement, banking.bank, Source.CAMT)
        client, signer = council.client(CHANNEL[0]), council.signer(CHANNEL)
        outcome = client.submit(booking_row(one.lines, "statement"), signer)
        assert name_of(outcome) == "OK"
        request = people_pb2.DoLinesRequest(proposal_sequence=outcome.sequence)
        while request.from_line <= LINES // 3:
            request.from_line = client._people.DoLines(request).next_line
        council.server.process.kill()
        council.stop(signal.SIGKILL)
        council.start(*SETTINGS)
        done = council.client().proposal(outcome.sequence).answer.proposal.lines_done
        assert LINES // 3 < done < LINES
        assert set(council.do(outcome.sequence)) == {"OK"}
        assert council.do(outcome.sequence) == []
        account = banking.account
        assert account.balance == account.statement.closing == statement.closing
        assert (account.unlisted, account.credits_count) == (0, LINES - 20)
        assert balance(council) == 200 * RUPEE
        assert account.suspense == statement.closing - 200 * RUPEE
        before = time.monotonic()
        assert len(banking.items()) == LINES - 20
        assert time.monotonic() - before < 60
