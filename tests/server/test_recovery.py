"""Goal: two people of an auditor make people of a treasury that cannot act any more,
when everybody could have seen it for thirty days; and nobody else, in no other way.

Method: a real server on a ledger with recoverers, and clients with their certificates
and keys. The treasury's keys are not used again from some moment on. The server's clock
is moved, and the server started anew, between what is approved and what is done.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from switch.audit import audit
from switch.calendar import ist_date
from switch.client import CallError, Client
from switch.codes import PersonRole, Role
from switch.ids import new_id
from switch.money import bengali_digits
from switch.specs import ParticipantSpec, Specs
from switch.v1 import people_pb2 as pb
from switch.v1 import proposals_pb2
from tests import leaps as played
from tests.leaps import Leaps
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    FIRST,
    GAMMA,
    MAKER,
    SECOND,
    Council,
    Name,
    name_of,
    person,
    top_up,
)
from tests.server.harness import figure, until
from tests.server.test_public_page import paging

AUDIT = "audit-office"
ONE, OTHER = (AUDIT, 1), (AUDIT, 2)
"""The two recoverers."""
READER = (AUDIT, 3)
"""Of the same auditor, without the role."""
ELSEWHERE = ("auditor", 1)
"""Of an auditor that has no recoverer."""
NEW, NEWER = (FIRST, 7), (SECOND, 7)
"""Whom they make."""
HOUR_S = 3_600
DAY_S = 24 * HOUR_S
SETTINGS = ("--set", "metrics.cases_s=1", "--set", "signatures_per_s=1000")
AUDITORS = (AUDIT, ELSEWHERE[0])
State = proposals_pb2.ProposalState


class Recovering(Council):
    """A treasury of three, an auditor with two recoverers, and a clock."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        for name in (ONE, OTHER, READER, ELSEWHERE, NEW, NEWER):
            self.know(name)
        self.leaps = Leaps(directory)
        self.leaps.says(played.SYNCHRONISED)

    def client(self, participant: str = FIRST, role: Role = Role.TREASURY) -> Client:
        role = Role.AUDITOR if participant in AUDITORS else role
        return super().client(participant, role)

    def open(self) -> None:
        """Begin, and have a network and people who are no recoverers."""
        self.begin(three=True, recoverers=(ONE, OTHER))
        self.run()
        specs = [ParticipantSpec(id=name, role=Role.CENTRE) for name in CENTRES]
        specs.append(ParticipantSpec(id=ELSEWHERE[0], role=Role.AUDITOR))
        specs.append(ParticipantSpec(id="public", role=Role.PUBLIC))
        self.load(Specs(tuple(specs), ()))
        auditor = int(PersonRole.AUDITOR)
        self.done(
            person(MAKER, self, role=int(PersonRole.MAKER)),
            person(READER, self, role=auditor),
            person(ELSEWHERE, self, role=auditor),
        )

    def run(self, *more: str) -> None:
        self.start(*SETTINGS, *more, prefix=self.leaps.prefix)

    def later(self, seconds: int, number: int = signal.SIGTERM) -> None:
        """The server ends, and starts again when its clock is so far ahead."""
        self.stop(number)
        self.leaps.set(seconds)
        self.run("--accept-clock")

    def recover(self, *wishes: pb.Wish, by: Name = ONE) -> int:
        wishes = wishes or (person(NEW, self), person(NEWER, self))
        return self.propose(by, *wishes, reason="nobody has a key")

    def begun(self, *wishes: pb.Wish) -> int:
        sequence = self.recover(*wishes)
        assert name_of(self.approve(OTHER, sequence)) == "OK"
        return sequence

    def stands(self, sequence: int) -> proposals_pb2.Proposal:
        return self.client(AUDIT).proposal(sequence).answer.proposal

    def state(self, sequence: int) -> str:
        return State.Name(self.stands(sequence).state)[15:]

    def do_as(self, participant: str, sequence: int) -> list[str]:
        found = self.client(participant).do_lines(sequence)
        return [name_of(one.outcome) for one in found]

    def audited(self) -> None:
        self.stop()
        assert audit(self.directory / "ledger").findings.counts == {}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Recovering]:
    council = Recovering(tmp_path / "office")
    council.open()
    try:
        yield council
    finally:
        if council.server.process.poll() is None:
            council.stop()


@contextmanager
def denied() -> Iterator[None]:
    """The block must end with a call that nobody may make in this role."""
    with pytest.raises(CallError) as caught:
        yield
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


def test_from_the_loss_of_all_keys_to_the_next_top_up(office: Recovering) -> None:
    known = office.client(AUDIT).people()
    assert (known.approvers_count, known.recoverers_count) == (3, 2)
    sequence = office.recover()
    stands = office.stands(sequence)
    assert (stands.recovery, stands.widens, stands.third_needed) == (True, True, False)
    # Nobody else can approve it: not who has proposed it, not the treasury.
    assert name_of(office.approve(ONE, sequence)) == "SAME_PERSON"
    assert name_of(office.approve(BETA, sequence)) == "NOT_SIGNED"
    assert name_of(office.approve(READER, sequence)) == "NOT_SIGNED"
    assert office.do_as(AUDIT, sequence) == ["NOT_APPROVED"] * 2
    assert figure(office.server, "recoveries_approved") == 0
    assert name_of(office.approve(OTHER, sequence)) == "OK"
    stands = office.stands(sequence)
    days = [
        (one - stands.answer.time_ns) / 1e9 / DAY_S
        for one in (stands.waits_until_ns, stands.do_until_ns)
    ]
    assert (days, office.state(sequence)) == ([30, 60], "APPROVED")
    until(lambda: figure(office.server, "recoveries_approved") == 1)
    assert figure(office.server, "recoverers") == 2
    assert office.do_as(AUDIT, sequence) == ["APPROVER_WAITS"] * 2
    # The server dies, and an hour is missing.
    office.later(30 * DAY_S - HOUR_S, signal.SIGKILL)
    assert office.do_as(AUDIT, sequence) == ["APPROVER_WAITS"] * 2
    assert office.do_as(FIRST, sequence) == ["APPROVER_WAITS"] * 2
    office.later(30 * DAY_S)
    assert office.do_as(AUDIT, sequence) == ["OK", "OK"]
    assert office.state(sequence) == "DONE"
    until(lambda: figure(office.server, "recoveries_approved") == 0)
    until(lambda: figure(office.server, "approvers") == 5)
    # It is done once; and who is new acts as the others did.
    assert office.do_as(AUDIT, sequence) == []
    topped = office.propose(NEW, top_up(100))
    assert name_of(office.approve(NEWER, topped)) == "OK"
    assert office.do(topped) == ["OK"]
    assert office.client().wallet(CENTRES[0]).wallet.balance == 100
    office.audited()


def test_too_late(office: Recovering) -> None:
    sequence = office.begun()
    office.later(60 * DAY_S)
    assert office.do_as(AUDIT, sequence) == ["NOT_APPROVED"] * 2
    assert office.state(sequence) == "EXPIRED"
    assert office.client().people().approvers_count == 3
    office.audited()


def test_the_last_of_its_days(office: Recovering) -> None:
    sequence = office.begun(person(NEW, office))
    office.later(60 * DAY_S - HOUR_S)
    assert office.do_as(AUDIT, sequence) == ["OK"]
    office.audited()


def test_the_treasury_acts(office: Recovering) -> None:
    """What it had proposed before shows nothing."""
    old = office.propose(MAKER, top_up(100))
    sequence = office.begun()
    assert name_of(office.approve(ALPHA, old)) == "OK"
    assert office.state(sequence) == "APPROVED"
    asked = office.propose(ALPHA, top_up(200))
    assert office.state(sequence) == "APPROVED"
    acted = office.approve(BETA, asked)
    assert name_of(acted) == "OK"
    stands = office.stands(sequence)
    assert (office.state(sequence), stands.ended_by_sequence) == (
        "ENDED",
        acted.sequence,
    )
    until(lambda: figure(office.server, "recoveries_approved") == 0)
    assert figure(office.server, "proposals_widening") == 0
    office.later(31 * DAY_S)
    assert office.state(sequence) == "ENDED"
    assert office.do_as(AUDIT, sequence) == ["NOT_APPROVED"] * 2
    # A new one begins anew.
    again = office.begun(person(NEW, office))
    office.later(62 * DAY_S)
    assert office.do_as(AUDIT, again) == ["OK"]
    office.audited()


@pytest.mark.parametrize("by", [MAKER, ALPHA, ONE, OTHER])
def test_who_takes_it_back(office: Recovering, by: Name) -> None:
    sequence = office.begun()
    client = office.client(by[0])
    told = client.withdraw_signed(sequence, "we are here", office.signer(by))
    assert name_of(told) == "OK"
    office.later(31 * DAY_S)
    assert office.do_as(AUDIT, sequence) == ["NOT_APPROVED"] * 2
    assert office.state(sequence) == "WITHDRAWN"
    office.audited()


def test_one_recoverer_alone(office: Recovering) -> None:
    """By its own two numbers, by the other's name, or by an approval that is old."""
    sequence = office.recover()
    client = office.client(AUDIT)
    shown = client.proposal(sequence)
    stolen = office.signer(OTHER, key=office.keys[ONE])
    assert name_of(client.approve_signed(shown, stolen)) == "NOT_SIGNED"
    # What the other has approved is this proposal, and no other one.
    move = new_id()
    signer = office.signer(OTHER)
    assert name_of(client.approve_signed(shown, signer, move_id=move)) == "OK"
    again = office.recover(person(NEW, office))
    assert client.approve_signed(shown, signer, move_id=move).repeat
    office.later(30 * DAY_S)
    assert office.do_as(AUDIT, again) == ["NOT_APPROVED"]
    assert office.do_as(AUDIT, sequence) == ["OK", "OK"]
    office.audited()


def test_one_person_of_the_treasury_does_not_stop_it(office: Recovering) -> None:
    sequence = office.begun()
    client = office.client()
    for wish in (
        pb.StopWish(person=pb.PersonName(participant=AUDIT, number=ONE[1])),
        pb.StopWish(participant=AUDIT),
    ):
        made = client.prepare(pb.PrepareRequest(stop=wish))
        assert made.row is not None
        told = client.submit(made.row, office.signer(ALPHA))
        assert name_of(told) == "NOT_APPROVED"
    office.later(30 * DAY_S)
    assert office.do_as(AUDIT, sequence) == ["OK", "OK"]
    office.audited()


def test_an_auditor_does_nothing_else(office: Recovering) -> None:
    client = office.client(AUDIT)
    wishes = {
        "money": top_up(100),
        "a maker": person(NEW, office, role=int(PersonRole.MAKER)),
        "who is off": person(ALPHA, office, active=False),
        "its own": person(ONE, office),
        "a participant off": pb.Wish(
            participant=pb.ParticipantWish(participant=SECOND, active=False)
        ),
        "another's": pb.Wish(
            participant=pb.ParticipantWish(participant=CENTRES[0], active=True)
        ),
    }
    for name, wish in wishes.items():
        for wanted in ((wish,), (person(NEW, office), wish)):
            with denied():
                client.prepare(pb.PrepareRequest(wishes=wanted, reason=name))
        # What the treasury has prepared a recoverer can sign, but not have recorded.
        row = office.client().prepare(pb.PrepareRequest(wishes=[wish], reason=name)).row
        if row is not None:
            assert name_of(client.submit(row, office.signer(ONE))) == "NOT_SIGNED"
    stop = pb.StopWish(wallet=CENTRES[0])
    with denied():
        client.prepare(pb.PrepareRequest(stop=stop, reason="why"))
    made = office.client().prepare(pb.PrepareRequest(stop=stop, reason="why"))
    assert made.row is not None
    with denied():
        client.submit(made.row, office.signer(ONE))
    # Nor is it longer than a recovery need be.
    key = office.keys[NEW].public
    many = [pb.Wish(person=_checker(number, key)) for number in range(100, 800)]
    made = office.client().prepare(pb.PrepareRequest(wishes=many, reason="many"))
    assert made.row is not None
    with pytest.raises(CallError, match="65,536"):
        client.submit(made.row, office.signer(ONE))
    asked = office.propose(ALPHA, top_up(100))
    assert name_of(office.approve(ONE, asked)) == "NOT_SIGNED"
    told = client.withdraw_signed(asked, "not mine", office.signer(ONE))
    assert name_of(told) == "NOT_SIGNED"
    assert name_of(office.approve(BETA, asked)) == "OK"
    with denied():
        client.do_lines(asked)
    assert office.do(asked) == ["OK"]
    office.audited()


def _checker(number: int, key: bytes) -> pb.PersonWish:
    role = pb.PERSON_ROLE_CHECKER
    return pb.PersonWish(
        participant=FIRST, number=number, role=role, active=True, key=key
    )


def test_who_is_of_no_recoverers_auditor(office: Recovering) -> None:
    client = office.client(ELSEWHERE[0])
    wish = person(NEW, office)
    with denied():
        client.prepare(pb.PrepareRequest(wishes=[wish], reason="why"))
    row = office.client(AUDIT).prepare(pb.PrepareRequest(wishes=[wish], reason="x")).row
    assert row is not None
    with denied():
        client.submit(row, office.signer(ELSEWHERE))
    # Of the right auditor, and without the role.
    told = office.client(AUDIT).submit(row, office.signer(READER))
    assert name_of(told) == "NOT_SIGNED"
    sequence = office.begun(wish)
    with denied():
        client.do_lines(sequence)
    # It reads what waits, as every auditor does.
    assert client.proposal(sequence).answer.proposal.recovery
    office.audited()


def test_three_change_who_recovers(office: Recovering) -> None:
    """And what a recoverer wanted is done no more then."""
    sequence = office.begun()
    off = person(OTHER, office, role=int(PersonRole.RECOVERER), active=False)
    asked = office.propose(ALPHA, off)
    stands = office.client().proposal(asked).answer.proposal
    assert (stands.third_needed, stands.widens) == (True, True)
    assert name_of(office.approve(BETA, asked)) == "OK"
    assert office.do(asked) == ["NOT_APPROVED"]
    assert name_of(office.approve(GAMMA, asked)) == "OK"
    assert office.do(asked) == ["OK"]
    assert office.client().people().recoverers_count == 1
    until(lambda: figure(office.server, "recoverers") == 1)
    assert office.state(sequence) == "ENDED"
    office.audited()


def test_everybody_can_see_it(office: Recovering) -> None:
    with paging(office.server) as page:
        quiet = page.get("/en/recovery")
        assert (quiet.status, quiet.outcome) == (200, "quiet")
        assert "data-notice" not in page.get("/en").body
    first = office.recover()
    with paging(office.server) as page:
        body = page.get("/en/recovery").body
        assert "Proposed on" in body
        assert "not yet" in body
    assert name_of(office.approve(OTHER, first)) == "OK"
    approved_ns = office.stands(first).answer.time_ns
    days = [
        (ist_date(approved_ns) + timedelta(days)).isoformat() for days in (0, 30, 60)
    ]
    with paging(office.server) as page:
        english, bengali = (page.get(f"/{one}/recovery") for one in ("en", "bn"))
        for answer, told in ((english, days), (bengali, map(bengali_digits, days))):
            assert (answer.status, answer.outcome) == (200, "waits")
            assert all(day in answer.body for day in told)
            # Dates, and never a name or a number of an entry.
            for secret in (AUDIT, SECOND, "nobody has a key"):
                assert secret not in answer.body
        # The first page says it, too, in both languages.
        for language in ("en", "bn"):
            assert 'data-notice="recovery"' in page.get(f"/{language}").body
    acted = office.propose(ALPHA, top_up(100))
    assert name_of(office.approve(BETA, acted)) == "OK"
    with paging(office.server) as page:
        assert page.get("/en/recovery").outcome == "quiet"
        assert "data-notice" not in page.get("/en").body
