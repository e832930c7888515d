"""Goal: whoever has a certificate and a person's key can neither end the switch, nor
write anything into the register alone, nor have others approve what they do not see.

Method: as in `test_registered_people.py`, with rows that no client of ours would make:
texts behind a record that are none, that pass themselves off as facts, or that differ
from what the register has; and the old call for approvals on a proposal of lines.
"""

import json
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import grpc
import pytest

from switch.cli.signing import facts_of
from switch.client import make_payment
from switch.client.calls import CallError
from switch.client.people import check_shown
from switch.codes import (
    PROPOSE_ADVANCE,
    PROPOSE_LINES,
    AmountRule,
    CheckDigit,
    DuplicateRule,
    KeyRule,
    Kind,
    Mode,
    PriceRule,
    Record,
    Role,
)
from switch.console.output import Screen
from switch.console.words import Language
from switch.errors import SwitchError
from switch.ids import new_id
from switch.register.register import Register
from switch.register.tails import service_tail
from switch.said import say
from switch.signed import Ledger, Line, Row, Stored, pack_lines
from switch.specs import ServiceSpec
from switch.tariffs import Fee
from switch.v1 import admin_pb2 as admin
from switch.v1 import people_pb2 as pb
from switch.v1 import proposals_pb2, types_pb2
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    GAMMA,
    LAKH,
    SECOND,
    Council,
    name_of,
    payable,
    sitting,
    top_up,
)
from tests.server.harness import CALL_S

NO_TEXTS = (
    b"\xff",
    b"{no",
    b"[" * 60_000,
    b"7",
    b'["name_en"]',
    b'{"name_en": 7}',
    b'{"name_en": "\\ud800"}',
    b'{"name_en": "a", "name_en": "b"}',
)
"""What a reader of texts might end by."""


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("hostile"), *arguments, three=True) as found:
        yield found


def participant(name: str, texts: bytes, role: Role = Role.CENTRE) -> bytes:
    """The tail of a register row."""
    record = struct.pack("<BBB5x32s24x", Record.PARTICIPANT, role, 1, name.encode())
    return record + texts


def texts(**values: str) -> bytes:
    return json.dumps(values).encode()


def test_texts_that_are_none_end_no_switch(council: Council) -> None:
    lines = [
        Line(Kind.REGISTER, tail=participant(f"odd-{at}", one)).pack()
        for at, one in enumerate(NO_TEXTS)
    ]
    row = Row(Kind.PROPOSE, PROPOSE_LINES, reference=b"odd", tail=pack_lines(lines))
    outcome = council.client().submit(row, council.signer(ALPHA))
    assert name_of(outcome) == "OK"
    assert name_of(council.approve(BETA, outcome.sequence)) == "OK"
    assert set(council.do(outcome.sequence)) == {"OK"}
    council.restart()
    for at, one in enumerate(NO_TEXTS):
        wish = pb.StopWish(participant=f"odd-{at}")
        stop = council.client().prepare(pb.PrepareRequest(stop=wish)).row
        assert stop is not None
        # A stop leaves even these.
        assert (
            stop.tail
            == participant(f"odd-{at}", one)[:2]
            + b"\0"
            + (participant(f"odd-{at}", one)[3:])
        )


@pytest.mark.parametrize("behind", [*NO_TEXTS, texts(name_en="Mine")])
def test_a_stop_leaves_the_texts_as_they_are(council: Council, behind: bytes) -> None:
    client = council.client()
    wish = pb.StopWish(participant=CENTRES[3])
    row = client.prepare(pb.PrepareRequest(stop=wish)).row
    assert row is not None
    changed = row._replace(tail=row.tail[:64] + behind)
    with pytest.raises(CallError, match="tail: must be what the register has of it"):
        client.submit(changed, council.signer(ALPHA))
    assert client.prepare(pb.PrepareRequest(stop=wish)).row == row


def test_nothing_stands_behind_a_stopped_person(council: Council) -> None:
    client = council.client()
    wish = pb.StopWish(person=pb.PersonName(participant=SECOND, number=GAMMA[1]))
    row = client.prepare(pb.PrepareRequest(stop=wish)).row
    assert row is not None
    with pytest.raises(CallError, match="tail: must be what the register has of it"):
        client.submit(row._replace(tail=row.tail + b"more"), council.signer(ALPHA))
    assert name_of(client.submit(row, council.signer(ALPHA))) == "OK"


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack("<BB2xI32s20s4x", Record.REVOCATION, 1, 3, b"\1" * 32, b"\1"),
        bytes([Record.CONFIRMATION]) + bytes(15),
        bytes([Record.CLOCK]),
        struct.pack("<B3xI", Record.RULES, 2**32 - 1),
        struct.pack("<B3xII4x", Record.MARGIN, 60_000, 0),
        b"",
    ],
)
def test_what_needs_no_signature_is_not_submitted(
    council: Council, tail: bytes
) -> None:
    """What the ledger takes of the switch itself it asks no signature of."""
    client = council.client()
    before = client.ledger().sequence
    stub = client._people
    request = pb.SubmitRequest(
        id=new_id(),
        kind=types_pb2.ENTRY_KIND_REGISTER,
        number=1,
        tail=tail,
        signature=bytes(64),
    )
    with pytest.raises(grpc.RpcError) as refused:
        stub.Submit(request, timeout=CALL_S)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert client.ledger().sequence == before


def test_a_shift_is_signed_at_its_centre(council: Council) -> None:
    """Of a shift the ledger asks no signature, so no number given here is a person."""
    council.load(payable())
    council.done(top_up(LAKH))
    paid = make_payment("ANY", 1, "a shift", centre=CENTRES[0], operator=1)
    assert name_of(council.client("harness", Role.HARNESS).pay(paid)) == "OK"
    centre = council.client(CENTRES[0], Role.CENTRE)
    shift = centre.close_shift(1, 0).shift.sequence
    row = Row(Kind.APPROVE, resolves=shift)
    with pytest.raises(CallError, match="resolves: a shift is signed at its centre"):
        council.client().submit(row, council.signer(ALPHA))


def registered(tail: bytes) -> Line:
    """The line that registers what a tail says."""
    return Line(Kind.REGISTER, tail=tail)


def test_a_text_is_not_taken_for_a_fact() -> None:
    behind = texts(
        id="bsk-00017",
        role="centre",
        active="no",
        name_en="a, role: centre",
        **{"x, role: centre": "\x1b[2J\u202eb\u200d"},
    )
    said = say(registered(participant("mallory", behind, Role.TREASURY)))
    facts = dict(said.facts)
    assert (facts["id"], facts["role"], facts["active"]) == (
        *("mallory", "treasury"),
        "yes",
    )
    assert facts["text role"] == '"centre"'
    assert facts["name_en"] == '"a, role: centre"'
    assert facts['"x, role: centre"'] == '"\\u001b[2J\\u202eb\u200d"'
    bad = say(registered(participant("mallory", b"\x1b]0;x\x07")))
    assert dict(bad.facts)["text"] == '"\\u001b]0;x\\u0007"'


def test_all_of_a_service_is_shown() -> None:
    """Each of its fields, its tariff and its texts: an approval is of all of it."""
    spec = ServiceSpec(
        code="TAX",
        biller="biller",
        heads=("main", "other"),
        amount_rule=AmountRule.EXACT,
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.ONCE,
        key_rule=KeyRule.REFERENCE,
        check_digit=CheckDigit.LUHN,
        pattern="9999",
        price_rule=PriceRule.TARIFF,
        tariff=(
            Fee(code="COPY", amount=1250, valid_from="2026-01-01"),
            Fee(code="FORM", amount=500, valid_from="2026-04-01"),
        ),
        name_en="Tax",
    )
    names = {"main": SimpleNamespace(index=7), "other": SimpleNamespace(index=9)}
    register = SimpleNamespace(
        find_participant=lambda _: SimpleNamespace(index=3),
        find_head=lambda _, head: names[head],
    )
    tail = service_tail(spec, cast("Register", register))
    facts = dict(say(registered(tail)).facts)
    assert facts["accounts"] == "7 9"
    days = [one.day for one in spec.tariff]
    assert facts["fees"] == (
        f"COPY 1250 paise from day {days[0]}; FORM 500 paise from day {days[1]}"
    )
    assert (facts["pattern"], facts["check digit"]) == ("9999", "1")
    assert (facts["name_en"], facts["price rule"]) == ('"Tax"', "1")


def test_the_old_call_approves_no_lines(council: Council) -> None:
    sequence = council.propose(ALPHA, top_up(LAKH))
    request = admin.ApproveRequest(id=new_id(), proposal_sequence=sequence)
    stub = council.client(SECOND)._admin
    reply = stub.Approve(request, timeout=CALL_S)
    assert name_of(reply.outcome) == "NOT_SIGNED"
    assert not reply.done
    assert council.do(sequence) == ["NOT_APPROVED"]


# --- a switch that lies --------------------------------------------------------------

LINE = pb.ProposedLine(line=Line(Kind.TOP_UP, amount=5, reference=b"U").pack())
LINES = pack_lines([LINE.line])
PROPOSAL = pb.GetProposalResponse(proposal=proposals_pb2.Proposal())
STOP = pb.GetProposalResponse(stop=pb.Stop())
REFUND = Row(Kind.PROPOSE, Kind.REFUND, 7, 5, b"why")


@pytest.mark.parametrize(
    ("row", "lines", "answer"),
    [
        (Row(Kind.PROPOSE, PROPOSE_LINES, tail=LINES), [LINE], PROPOSAL),
        (REFUND, [], PROPOSAL),
        (Row(Kind.FREEZE, debit=4), [], STOP),
        (Row(Kind.REGISTER, tail=participant("a", b"")), [], STOP),
    ],
)
def test_what_is_shown_can_be_signed(
    row: Row, lines: list[pb.ProposedLine], answer: pb.GetProposalResponse
) -> None:
    check_shown(Stored(row, bytes(16), 9, 0, 1, 1), lines, answer)


@pytest.mark.parametrize(
    ("row", "lines", "answer"),
    [
        # The lines are in the hash, and not on the screen.
        (Row(Kind.PROPOSE, PROPOSE_LINES, tail=LINES), [], PROPOSAL),
        (Row(Kind.PROPOSE, PROPOSE_LINES, tail=LINES), [], STOP),
        (Row(Kind.PROPOSE, PROPOSE_LINES, tail=LINES), [LINE], STOP),
        # Lines that nobody asks for, above a refund; or one that is called a stop.
        (REFUND._replace(tail=LINES), [LINE], PROPOSAL),
        (REFUND._replace(tail=b"x"), [], PROPOSAL),
        (REFUND, [], STOP),
        (Row(Kind.FREEZE, debit=4), [], PROPOSAL),
        (Row(Kind.FREEZE, debit=4, is_unfreeze=True), [], STOP),
        (Row(Kind.WITHDRAW, resolves=4), [], STOP),
    ],
)
def test_what_is_not_shown_is_not_signed(
    row: Row, lines: list[pb.ProposedLine], answer: pb.GetProposalResponse
) -> None:
    with pytest.raises(SwitchError, match="has not shown all of entry 9"):
        check_shown(Stored(row, bytes(16), 9, 0, 1, 1), lines, answer)


def test_it_is_said_what_a_proposal_asks_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(as_json=False, language=Language.ENGLISH)
    for kind, said in ((Kind.REFUND, "refund"), (PROPOSE_ADVANCE, "advance")):
        row = REFUND._replace(total=int(kind))
        facts_of(row, 0, bytes(32), Ledger(bytes(16)), screen)
        assert said in capsys.readouterr().out.split()


def test_a_terminal_acts_on_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=False, language=Language.ENGLISH)
    name = "\x1b[2Ja\x9bb\u202ec\rd"
    screen.line(name)
    screen.facts([("what", name)])
    screen.table(("what",), [(name,)])
    out = capsys.readouterr().out
    assert out.count(r"\x1b[2Ja\x9bb\u202ec\rd") == 3
    assert not set("\x1b\x9b\u202e\r") & set(out)
    # What Bengali is written with stays.
    screen.line("\u09b0\u200d\u09cd\u09af")
    assert capsys.readouterr().out == "\u09b0\u200d\u09cd\u09af\n"
