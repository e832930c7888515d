"""Goal: what people have decided outlives restarts and kills, is done once, and is in
the security log; what one participant has verified has a bound; what cannot be is said.

Method: as in `test_registered_people.py`. The switch is restarted between steps, and
killed among lines.
"""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.client import Client
from switch.client.calls import CallError
from switch.client.people import check_prepared
from switch.codes import Kind, PersonRole, Role
from switch.errors import SwitchError
from switch.ids import new_id
from switch.signed import Ledger, Line, Row, hash_of, person_tail
from switch.v1 import people_pb2 as pb
from switch.v1 import proposals_pb2
from switch.v1 import results_pb2 as results
from switch.v1 import types_pb2 as types
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    FIRST,
    LAKH,
    Council,
    balance,
    centres,
    name_of,
    sitting,
    top_up,
)
from tests.server.harness import CALL_S

APPROVED = proposals_pb2.PROPOSAL_STATE_APPROVED
DONE = proposals_pb2.PROPOSAL_STATE_DONE


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    arguments = ("--set", "signatures_per_s=1000")
    with sitting(tmp_path_factory.mktemp("people"), *arguments) as found:
        yield found


# --- whatever happens to the switch --------------------------------------------------


def test_each_step_outlives_a_restart(tmp_path: Path) -> None:
    council = Council(tmp_path / "steps")
    council.begin()
    council.start()
    try:
        council.restart()
        council.load(centres())
        council.restart()
        sequence = council.propose(ALPHA, top_up(LAKH))
        council.restart()
        assert name_of(council.approve(BETA, sequence)) == "OK"
        council.restart()
        assert council.do(sequence) == ["OK"]
        council.restart()
        assert balance(council) == LAKH
        assert council.client().proposal(sequence).answer.proposal.state == DONE
    finally:
        council.stop()


def test_lines_go_on_after_a_kill(tmp_path: Path) -> None:
    council = Council(tmp_path / "killed")
    council.begin()
    council.start()
    try:
        council.load(centres())
        wishes = [top_up(1 + at, CENTRES[at % 5]) for at in range(40)]
        sequence = council.propose(ALPHA, *wishes)
        assert name_of(council.approve(BETA, sequence)) == "OK"
        stub = council.client()._people
        first = stub.DoLines(
            pb.DoLinesRequest(proposal_sequence=sequence, lines_max=17),
            timeout=CALL_S,
        )
        assert len(first.outcomes) == 17
        assert (first.next_line, first.lines_done, first.lines_count) == (17, 17, 40)
        council.stop(signal.SIGKILL)
        council.start()
        stands = council.client().proposal(sequence).answer.proposal
        assert (stands.state, stands.lines_done) == (APPROVED, 17)
        # From the first on: what is done is passed over.
        assert council.do(sequence, lines_max=5) == ["OK"] * 23
        total = sum(balance(council, centre) for centre in CENTRES)
        assert total == sum(range(1, 41))
    finally:
        council.stop()


# --- bounds, rights, the security log ------------------------------------------------


def test_signatures_have_a_bound_a_second(tmp_path: Path) -> None:
    with sitting(tmp_path / "bound", "--set", "signatures_per_s=2") as council:
        client = council.client()
        credentials = council.authority.leaf(Role.TREASURY, FIRST)
        eager = Client(council.server.address, credentials, retries_max=0)
        row = Row(Kind.WITHDRAW, resolves=1, reference=b"nothing")
        signer = council.signer(ALPHA)
        said: list[str] = []
        # A slow machine needs more of them to be too quick.
        while "OVERLOAD" not in said and len(said) < 1_000:
            try:
                said.append(name_of(eager.submit(row, signer)))
            except CallError as error:
                said.append(error.reason)
        eager.close()
        assert "OVERLOAD" in said
        assert set(said) <= {"OVERLOAD", "PROPOSAL_NOT_FOUND"}
        # Others have their own, and who waits gets through.
        assert client.submit(row, signer).result == results.RESULT_PROPOSAL_NOT_FOUND


def test_an_auditor_looks_and_does_not_touch(council: Council) -> None:
    sequence = council.propose(ALPHA, top_up(LAKH))
    auditor = council.client("auditor", Role.AUDITOR)
    assert len(auditor.people().people) >= 2
    assert auditor.proposal(sequence).stored.sequence == sequence
    assert list(auditor.stops()) == list(council.client().stops())
    for call in (
        lambda: auditor.prepare(pb.PrepareRequest(wishes=[top_up(1)], reason="x")),
        lambda: auditor.do_lines(sequence),
        lambda: auditor.submit(Row(Kind.WITHDRAW), council.signer(ALPHA)),
    ):
        with pytest.raises(CallError, match="may not call"):
            call()


def test_the_security_log_says_who_has_done_what(council: Council) -> None:
    sequence = council.done(top_up(LAKH))
    wanted = [
        ("Submit", FIRST, "ENTRY_KIND_PROPOSE", ALPHA[1]),
        ("Submit", BETA[0], "ENTRY_KIND_APPROVE", BETA[1]),
        ("DoLines", FIRST, None, None),
    ]
    until = time.monotonic() + CALL_S
    while (said := acts_of(council, sequence)) != wanted:
        # Its writer is a thread of its own.
        assert time.monotonic() < until, said
        time.sleep(0.05)


def acts_of(council: Council, sequence: int) -> list[tuple[str, str, str, int]]:
    """What the log has about a proposal: method, participant, kind, number."""
    directory = council.directory / "ledger" / "security"
    found = []
    for file in sorted(directory.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            act = json.loads(line)
            request, outcome = act.get("request", {}), act.get("outcome", {})
            if sequence in (
                *(outcome.get("sequence"), request.get("resolves")),
                request.get("proposal_sequence"),
            ):
                participant = act["participant"].removeprefix("treasury/")
                said = request.get("kind"), request.get("number")
                found.append((act["method"], participant, *said))
    return found


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.PrepareRequest(reason="nothing"), "wishes"),
        (pb.PrepareRequest(wishes=[top_up(1)]), "reason"),
        (pb.PrepareRequest(wishes=[top_up(0)], reason="x"), "wishes[0].top_up.amount"),
        (pb.PrepareRequest(wishes=[pb.Wish()], reason="x"), "wishes[0]"),
        (pb.PrepareRequest(stop=pb.StopWish()), "stop"),
    ],
)
def test_what_cannot_be_wanted_is_named(
    council: Council, request_: pb.PrepareRequest, field: str
) -> None:
    with pytest.raises(CallError) as caught:
        council.client().prepare(request_)
    assert [one[0] for one in caught.value.violations] == [field]


def test_one_proposal_speaks_of_each_once(council: Council) -> None:
    wishes = [
        pb.Wish(participant=pb.ParticipantWish(participant=CENTRES[0], active=False)),
        pb.Wish(participant=pb.ParticipantWish(participant=CENTRES[0], active=False)),
    ]
    with pytest.raises(CallError, match="each once"):
        council.client().prepare(pb.PrepareRequest(wishes=wishes, reason="twice"))


def test_only_what_is_signed_is_submitted(council: Council) -> None:
    stub = council.client()._people
    for changes, field in (
        ({"kind": types.ENTRY_KIND_TOP_UP}, "kind"),
        ({"kind": types.ENTRY_KIND_PROPOSE, "signature": bytes(63)}, "signature"),
        ({"kind": types.ENTRY_KIND_PROPOSE, "tail": bytes(2_600_000)}, "tail"),
        ({"kind": types.ENTRY_KIND_PROPOSE, "reference": bytes(33)}, "reference"),
    ):
        values = {"id": new_id(), "signature": bytes(64), **changes}
        with pytest.raises(Exception, match=field):
            stub.Submit(pb.SubmitRequest(**values), timeout=CALL_S)  # type: ignore[arg-type]


def test_a_hash_is_over_everything(council: Council) -> None:
    """Whatever is different in a row or its lines is another hash."""
    row = Row(Kind.PROPOSE, 512, 0, 5, b"why", 0, tail=b"lines")
    ledger = Ledger(bytes(15) + b"\1")
    found = {hash_of(row, bytes(16), 1, 2, ledger)}
    for other in (
        row._replace(total=511),
        row._replace(resolves=1),
        row._replace(amount=6),
        row._replace(reference=b"whz"),
        row._replace(debit=1),
        row._replace(credit=1),
        row._replace(tail=b"lined"),
        row._replace(kind=Kind.APPROVE),
    ):
        found.add(hash_of(other, bytes(16), 1, 2, ledger))
    found.add(hash_of(row, b"\1" + bytes(15), 1, 2, ledger))
    found.add(hash_of(row, bytes(16), 2, 2, ledger))
    found.add(hash_of(row, bytes(16), 1, 3, ledger))
    found.add(hash_of(row, bytes(16), 1, 2, ledger._replace(epoch=1)))
    found.add(hash_of(row, bytes(16), 1, 2, Ledger(bytes(16))))
    assert len(found) == 14


LINE = pb.ProposedLine(line=Line(Kind.TOP_UP, amount=5, reference=b"U").pack())
WANTED = pb.PrepareRequest(wishes=[top_up(5)], reason="why")
PROPOSED = Row(Kind.PROPOSE, 512, 0, 5, b"why")
REFUND = pb.PaymentWish(kind=types.PROPOSAL_KIND_REFUND, sequence=7, amount=5)
ASKED = pb.PrepareRequest(payment=REFUND, reason="why")
FROZEN = pb.PrepareRequest(stop=pb.StopWish(wallet="centre-1"), reason="why")
OFF = pb.PrepareRequest(
    stop=pb.StopWish(person=pb.PersonName(participant="checker", number=2))
)


def off(number: int, *, active: bool = False) -> Row:
    tail = person_tail(2, number, PersonRole.CHECKER, bytes([7]) * 32, active=active)
    return Row(Kind.REGISTER, tail=tail)


@pytest.mark.parametrize(
    ("request_", "row", "lines"),
    [
        (WANTED, PROPOSED, [LINE]),
        (ASKED, Row(Kind.PROPOSE, 6, 7, 5, b"why"), []),
        (FROZEN, Row(Kind.FREEZE, reference=b"why", debit=4), []),
        (OFF, off(2), []),
    ],
)
def test_what_was_wanted_is_signed(
    request_: pb.PrepareRequest, row: Row, lines: list[pb.ProposedLine]
) -> None:
    check_prepared(request_, row, lines)


@pytest.mark.parametrize(
    ("request_", "row", "lines"),
    [
        # A switch that would have an approval, or another sum, reason or proposal.
        (WANTED, Row(Kind.APPROVE, 0, 9, 0, bytes(32)), []),
        (WANTED, Row(Kind.APPROVE, 0, 9, 5, b"why"), [LINE]),
        (WANTED, PROPOSED._replace(amount=6), [LINE]),
        (WANTED, PROPOSED._replace(reference=b"else"), [LINE]),
        (WANTED, PROPOSED._replace(resolves=7), [LINE]),
        (WANTED, PROPOSED._replace(total=6), [LINE]),
        (WANTED, PROPOSED._replace(debit=1), [LINE]),
        (WANTED, PROPOSED, [pb.ProposedLine(line=b"no line")]),
        (ASKED, Row(Kind.PROPOSE, 6, 7, 6, b"why"), []),
        (ASKED, Row(Kind.PROPOSE, 4, 7, 5, b"why"), []),
        (ASKED, Row(Kind.PROPOSE, 6, 7, 5, b"why", tail=b"x"), []),
        (ASKED, Row(Kind.PROPOSE, 512, 0, 5, b"why"), [LINE]),
        (FROZEN, Row(Kind.WITHDRAW, resolves=9, reference=b"why"), []),
        (FROZEN, Row(Kind.FREEZE, reference=b"else", debit=4), []),
        (FROZEN, off(2), []),
        (OFF, off(3), []),
        (OFF, off(2, active=True), []),
        (OFF, Row(Kind.FREEZE, debit=4), []),
    ],
)
def test_what_was_not_wanted_is_not_signed(
    request_: pb.PrepareRequest, row: Row, lines: list[pb.ProposedLine]
) -> None:
    with pytest.raises(SwitchError, match="something else"):
        check_prepared(request_, row, lines)
