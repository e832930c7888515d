"""What people ask a switch and sign: the calls of PeopleService.

A part of the client library; `switch.client.Client` has these methods. A person signs
the hash of the row and the lines that were shown, computed here from their bytes: no
hash is taken from the switch. May use `calls`, the words and the messages.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from switch.client.calls import Caller
from switch.codes import PROPOSE_LINES, Kind
from switch.errors import SwitchError, UsageError
from switch.ids import new_id
from switch.person_keys import PersonKey
from switch.said import Said, say
from switch.signed import (
    Ledger,
    Line,
    Row,
    Stored,
    amount_of,
    hash_of,
    pack_lines,
    read_row,
)
from switch.v1 import people_pb2 as pb
from switch.v1 import people_pb2_grpc, results_pb2, types_pb2

PAGE_SIZE = 1_000
"""People, lines or stops asked for at a time."""
PREPARE_TIMEOUT_S = 60.0
"""Eight thousand lines, and what they are called."""
DO_TIMEOUT_S = 60.0


class Registered(NamedTuple):
    """The people of a ledger, and what their signatures are for."""

    people: tuple[pb.Person, ...]
    thresholds: pb.Thresholds | None
    ledger: Ledger
    wait_s: int
    """Seconds until money is paid out to a beneficiary that is new, or changed."""
    approvers_count: int
    """How many may approve by now."""
    approver_wait_days: int
    """How long what lets more approve waits, by two people's word."""
    recoverers_count: int = 0
    """How many can recover by now."""


class Prepared(NamedTuple):
    """What is to be signed, as the switch has made it of what was wanted."""

    row: Row | None
    """None: there is nothing to do."""
    lines: tuple[pb.ProposedLine, ...]
    already_count: int
    left_count: int
    about: tuple[types_pb2.Entry, types_pb2.Entry] | None = None
    """Of a proposal about one payment: the entry that it names, and the payment."""
    as_of: int = 0
    """The newest entry that the switch had looked at; 0: it does not say."""
    warnings: tuple[str, ...] = ()
    """What in the register does nothing as it stands."""


class Shown(NamedTuple):
    """A proposal or a stop, with all its lines."""

    stored: Stored
    ledger: Ledger
    lines: tuple[pb.ProposedLine, ...]
    answer: pb.GetProposalResponse
    """The first page, with how it stands."""

    @property
    def hash(self) -> bytes:
        """What its person has signed, and who approves it names."""
        return self.stored.hash(self.ledger)


class Signer(NamedTuple):
    """A registered person with its key at hand."""

    person: pb.Person
    key: PersonKey
    ledger: Ledger

    def sign(self, row: Row, row_id: bytes) -> bytes:
        """The signature of a row under an id."""
        index, number = self.person.participant_index, self.person.number
        return self.key.sign(hash_of(row, row_id, index, number, self.ledger))


class PeopleCalls:
    """The calls of PeopleService as methods that are safe to repeat."""

    _caller: Caller
    _people: people_pb2_grpc.PeopleServiceStub

    def people(self) -> Registered:
        """Who is registered, and from where on a third person is needed."""
        request = pb.ListPeopleRequest(page_size=PAGE_SIZE)
        found: list[pb.Person] = []
        while True:
            reply = self._caller.read(self._people.ListPeople, request)
            found += reply.people
            if not reply.next_page_token:
                break
            request.page_token = reply.next_page_token
        thresholds = reply.thresholds if reply.HasField("thresholds") else None
        ledger = Ledger(reply.instance, reply.epoch)
        return Registered(
            tuple(found),
            thresholds,
            ledger,
            reply.wait_s,
            reply.approvers_count,
            reply.approver_wait_days,
            reply.recoverers_count,
        )

    def signer(self, participant: str, number: int, key: PersonKey) -> Signer:
        """The person of a participant with this number, and its key.

        Raises UsageError if it is not registered, or the key is not its own.
        """
        registered = self.people()
        for one in registered.people:
            if (one.participant, one.number) == (participant, number):
                if one.key != key.public:
                    text = f"this is not the key of person {number} of {participant}"
                    raise UsageError(text)
                return Signer(one, key, registered.ledger)
        raise UsageError(f"{participant} has no person {number}")

    def prepare(self, request: pb.PrepareRequest) -> Prepared:
        """Have a row and its lines made of what is wanted; nothing is recorded.

        Raises SwitchError if the row is not of the kind that was asked for: it is to be
        signed, and says more than its lines.
        """
        reply = self._caller.read(self._people.Prepare, request, PREPARE_TIMEOUT_S)
        lines = tuple(reply.lines)
        said = reply.row
        row = None
        if said.kind:
            tail = said.tail
            if said.total == PROPOSE_LINES:
                tail = pack_lines(one.line for one in lines)
            row = Row(
                Kind(said.kind),
                said.total,
                said.resolves,
                said.amount,
                said.reference,
                said.debit,
                tail=tail,
            )
            check_prepared(request, row, lines)
        about = (reply.about, reply.payment) if reply.HasField("about") else None
        counts = reply.already_count, reply.left_count
        warnings = tuple(reply.warnings)
        return Prepared(row, lines, *counts, about, reply.as_of_sequence, warnings)

    def submit(
        self, row: Row, signer: Signer, *, move_id: bytes = b"", as_of: int = 0
    ) -> results_pb2.Outcome:
        """Sign a row, and have it recorded.

        `as_of` is that of what was prepared: if a record of it has changed since, the
        call fails (FAILED_PRECONDITION, RECORD_CHANGED), and nothing is recorded.
        """
        row_id = move_id or new_id()
        request = pb.SubmitRequest(
            id=row_id,
            kind=int(row.kind),  # type: ignore[arg-type]
            total=row.total,
            resolves=row.resolves,
            amount=row.amount,
            reference=row.reference,
            debit=row.debit,
            number=signer.person.number,
            tail=row.tail,
            signature=signer.sign(row, row_id),
            as_of_sequence=as_of,
        )
        return self._caller.change(self._people.Submit, request, [row_id]).outcome

    def approve_signed(
        self, shown: Shown, signer: Signer, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Approve what was shown, by the hash of just that."""
        row = Row(Kind.APPROVE, resolves=shown.stored.sequence, reference=shown.hash)
        return self.submit(row, signer, move_id=move_id)

    def withdraw_signed(
        self, proposal: int, reason: str, signer: Signer, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Take a proposal back that is not done, approved or not."""
        row = Row(Kind.WITHDRAW, resolves=proposal, reference=reason.encode())
        return self.submit(row, signer, move_id=move_id)

    def proposal(self, sequence: int) -> Shown:
        """A proposal with all its lines, or a stop.

        Raises SwitchError if it is not just what its proposer has signed.
        """
        request = pb.GetProposalRequest(sequence=sequence, page_size=PAGE_SIZE)
        first = reply = self._caller.read(self._people.GetProposal, request)
        lines = list(reply.lines)
        while reply.next_page_token:
            request.page_token = reply.next_page_token
            reply = self._caller.read(self._people.GetProposal, request)
            lines += reply.lines
        tail = pack_lines(one.line for one in lines) if lines else first.tail
        try:
            stored = read_row(first.row, tail)
        except ValueError as error:
            raise SwitchError(f"entry {sequence} cannot be read: {error}") from None
        if stored.sequence != sequence:
            text = f"the switch has shown entry {stored.sequence} for {sequence}"
            raise SwitchError(text)
        check_shown(stored, lines, first)
        ledger = Ledger(first.instance, first.epoch)
        return Shown(stored, ledger, tuple(lines), first)

    def do_lines(
        self,
        proposal: int,
        *,
        lines_max: int = 0,
        progress: Callable[[pb.DoLinesResponse], None] = lambda _: None,
    ) -> list[pb.LineOutcome]:
        """Do what is not done yet of an approved proposal, in as many calls as needed.

        `progress` is told of each. What was done before is not among the outcomes.
        """
        request = pb.DoLinesRequest(proposal_sequence=proposal, lines_max=lines_max)
        found: list[pb.LineOutcome] = []
        while True:
            reply = self._caller.change(
                self._people.DoLines, request, timeout_s=DO_TIMEOUT_S
            )
            found += reply.outcomes
            progress(reply)
            if not reply.next_line:
                return found
            request.from_line = reply.next_line

    def stops(self) -> Iterator[pb.Stop]:
        """What one person has stopped, and nobody else has approved."""
        request = pb.ListStopsRequest(page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._people.ListStops, request)
            yield from reply.stops
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token


def check_shown(
    stored: Stored, lines: Sequence[pb.ProposedLine], answer: pb.GetProposalResponse
) -> None:
    """Raise SwitchError unless what a row says is all before whoever looks at it.

    A proposal has just the lines that are shown and no other bytes, and what is called
    a stop is one: an approval names it all, shown or not.
    """
    row = stored.row
    if row.kind is Kind.PROPOSE:
        has_lines = row.total == PROPOSE_LINES
        is_shown = answer.HasField("proposal") and bool(lines) == has_lines
        is_shown = is_shown and (has_lines or not row.tail)
    else:
        is_stop = row.kind is Kind.FREEZE and not row.is_unfreeze and not row.tail
        is_stop = is_stop or row.kind is Kind.REGISTER
        is_shown = is_stop and answer.HasField("stop") and not lines
    if not is_shown:
        text = f"the switch has not shown all of entry {stored.sequence}"
        raise SwitchError(text)


def check_prepared(
    request: pb.PrepareRequest, row: Row, lines: Sequence[pb.ProposedLine]
) -> None:
    """Raise SwitchError unless a row that a switch has made is just what was wanted.

    What its lines say is shown to whoever signs; that it is a proposal, about what and
    why, or a stop of just that, is seen here, or an approval could be had by it.
    """
    if not _is_wanted(request, row, lines):
        raise SwitchError("the switch has made something else of it: nothing is signed")


def _is_wanted(
    request: pb.PrepareRequest, row: Row, lines: Sequence[pb.ProposedLine]
) -> bool:
    if request.HasField("stop"):
        return not lines and _stops(request, row)
    if row.kind is not Kind.PROPOSE or row.reference != request.reason.encode():
        return False
    if row.debit:
        return False
    if request.HasField("payment"):
        wish = request.payment
        is_it = row.total == wish.kind and not lines and not row.tail
        return is_it and wish.amount in (0, row.amount)
    try:
        amount = amount_of(one.line for one in lines)
    except ValueError:
        return False
    return (row.total, row.resolves, row.amount) == (PROPOSE_LINES, 0, amount)


def _stops(request: pb.PrepareRequest, row: Row) -> bool:
    """Whether it stops what was named, as its own bytes say."""
    wish = request.stop
    if row.amount or row.resolves or row.total:
        return False
    if wish.WhichOneof("what") == "wallet":
        is_why = row.reference == request.reason.encode()
        return row.kind is Kind.FREEZE and is_why and not row.tail
    if row.kind is not Kind.REGISTER:
        return False
    what = wish.WhichOneof("what")
    said = say(Line(Kind.REGISTER, tail=row.tail))
    facts = dict(said.facts)
    if what == "revocation":
        wanted = wish.revocation
        is_it = facts.get("authority") == wanted.authority.hex()
        is_it = is_it and facts.get("serial") == wanted.serial.hex()
        is_it = is_it and facts.get("reason") == json.dumps(wanted.reason)
        return is_it and said.what == what
    if what == "confirmation":
        return said == Said(what, (("number", str(wish.confirmation)),))
    named = {
        "participant": ("participant", facts.get("id") == wish.participant),
        "service": ("service", facts.get("code") == wish.service),
        "person": ("person", facts.get("number") == str(wish.person.number)),
    }[what or "participant"]
    return named == (said.what, True) and facts.get("active") == "no"
