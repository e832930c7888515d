"""The people of the treasury on a replayed day: who proposes, who approves, their keys.

A new ledger is begun with two of them, whose keys lie beside it; clerks who propose
are registered by those two. All that the treasury moves is a proposal of one of them
and the approval of another. May use the client; `begin` runs before there is a server.
"""

import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from switch.client import Client
from switch.client.people import Signer
from switch.codes import PersonRole, Result
from switch.day.proof import Books, Proof
from switch.errors import SwitchError
from switch.ids import new_id
from switch.person_keys import PersonKey, make_key, read_key
from switch.programs import program, tethered
from switch.sample import SECOND
from switch.specs import TREASURY
from switch.v1 import admin_pb2, network_pb2, proposals_pb2, types_pb2
from switch.v1 import people_pb2 as pb
from switch.v1 import results_pb2 as results

CLERKS = (2, 3, 4, 5)
"""Numbers of those of the treasury who propose: each may do so 256 times a day."""
PHASES_MAX = 20
"""Proposals that a network takes, and some."""


class CouncilError(SwitchError):
    """What they wanted was refused."""


def begin(data: Path) -> None:
    """Begin the ledger in `data` with two people, if there is none yet.

    Raises CouncilError.
    """
    ledger = data / "ledger"
    if (ledger / "journal").exists():
        return
    words = ["--data", str(ledger), "--treasury", SECOND, "--two-people"]
    for participant in (TREASURY, SECOND):
        public = _key(data, participant, 1).public.hex()
        words += ["--person", f"{participant}/1:{public}"]
    command = tethered(program("switch.register.begin", *words))
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise CouncilError(f"{ledger} could not be begun")


def key_file(data: Path, participant: str, number: int) -> Path:
    """Where a person's key is."""
    return data / "people" / f"{participant}-{number}.key"


def _key(data: Path, participant: str, number: int) -> PersonKey:
    """A person's key, made when it is first asked for."""
    file = key_file(data, participant, number)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return read_key(file, bytes) if file.exists() else make_key(file)


class Council:
    """One of them proposes, another approves. The clients stay the caller's."""

    def __init__(self, data: Path, first: Client, second: Client) -> None:
        """For a ledger that was begun with these people."""
        self._data = data
        self._first = first
        self._second = second
        self._checker = second.signer(SECOND, 1, _key(data, SECOND, 1))
        self._makers = self._find_makers()
        self.proposals: list[int] = []
        """What was proposed, by entry."""
        self.settled = 0
        """Paise."""
        self.paid_out = 0
        """Paise of it that were released to the bank."""

    def key(self, participant: str, number: int) -> PersonKey:
        """A person's key, made when it is first asked for."""
        return _key(self._data, participant, number)

    def _find_makers(self) -> list[Signer]:
        registered = self._first.people().people
        numbers = [one.number for one in registered if one.participant == TREASURY]
        return [
            self._first.signer(TREASURY, one, _key(self._data, TREASURY, one))
            for one in sorted(numbers)
        ]

    def load(
        self,
        participants: Sequence[network_pb2.Participant],
        services: Sequence[network_pb2.Service],
    ) -> None:
        """Bring the register to this network, phase by phase, and have clerks."""
        wish = pb.NetworkWish(participants=participants, services=services)
        request = pb.PrepareRequest(network=wish, reason="network")
        for _ in range(PHASES_MAX):
            if not self.do(request):
                break
        else:
            raise CouncilError("the network is not done after all its phases")
        clerks = [
            pb.PersonWish(
                participant=TREASURY,
                number=number,
                role=int(PersonRole.MAKER),  # type: ignore[arg-type]
                active=True,
                key=_key(self._data, TREASURY, number).public,
            )
            for number in CLERKS
        ]
        self.do_all([pb.Wish(person=one) for one in clerks], "clerks")
        self._makers = self._find_makers()

    @property
    def clerk(self) -> Signer:
        """Who signs what one person alone may do."""
        return self._makers[0]

    def settle(self, closed: admin_pb2.CloseWindowResponse) -> Counter[str]:
        """Settle all that a closed window says is payable: biller → paise."""
        window = closed.outcome.sequence
        wishes = [
            pb.SettleWish(
                window=window, biller=one.biller, head=one.head, amount=one.payable
            )
            for one in closed.lines
            if one.payable
        ]
        if wishes:
            self.do_all([pb.Wish(settle=one) for one in wishes], f"window {window}")
        settled: Counter[str] = Counter()
        for one in wishes:
            settled[one.biller] += one.amount
        self.settled = settled.total()
        return settled

    def do_all(self, wishes: Iterable[pb.Wish], reason: str) -> None:
        """Have lines proposed, approved and done. Raises CouncilError."""
        self.do(pb.PrepareRequest(wishes=wishes, reason=reason))

    def do(self, request: pb.PrepareRequest) -> bool:
        """The same of a request; False if there was nothing to do."""
        proposed = self.propose(request)
        if proposed is None:
            return False
        _check(proposed, request.reason, "proposal")
        self._approve(proposed.sequence, request.reason)
        for one in self._first.do_lines(proposed.sequence):
            _check(one.outcome, request.reason, f"line {one.line}")
        return True

    def propose(self, request: pb.PrepareRequest) -> results.Outcome | None:
        """Propose it, by whoever may still propose today; None: nothing to do."""
        made = self._first.prepare(request)
        if made.row is None:
            return None
        for maker in list(self._makers):
            outcome = self._first.submit(
                made.row, maker, move_id=new_id(), as_of=made.as_of
            )
            if outcome.result != Result.DAY_COUNT_EXCEEDED.value:
                break
            self._makers.remove(maker)
        # A refusal has an entry, too, and nobody approves it.
        if outcome.result == Result.OK.value:
            self.proposals.append(outcome.sequence)
        return outcome

    def decide(
        self,
        kind: types_pb2.ProposalKind.ValueType,
        sequence: int,
        document: str,
        amount: int,
    ) -> results.Outcome:
        """Propose what two people must want about a payment."""
        wish = pb.PaymentWish(kind=kind, sequence=sequence, amount=amount)
        outcome = self.propose(pb.PrepareRequest(payment=wish, reason=document))
        assert outcome is not None
        return outcome

    def approve(self, proposal: int) -> tuple[int, list[results.Outcome]]:
        """Approve it by another person and do it: both results."""
        shown = self._second.proposal(proposal)
        approved = self._second.approve_signed(shown, self._checker)
        done = self._first.do_lines(proposal)
        return approved.result, [one.outcome for one in done]

    def _approve(self, proposal: int, reason: str) -> None:
        shown = self._second.proposal(proposal)
        outcome = self._second.approve_signed(shown, self._checker)
        _check(outcome, reason, "approval")


def _check(outcome: results.Outcome, reason: str, what: str) -> None:
    if outcome.result != Result.OK.value:
        name = Result(outcome.result).name
        raise CouncilError(f"the {what} of {reason} was refused: {name}")


def prove_people(
    treasury: Client, council: Council, before: Books, after: Books
) -> Proof:
    """What the treasury did was proposed by one, approved by another, and done."""
    listed = {
        one.proposed.sequence: one
        for page in treasury.proposal_pages(all=True)
        for one in page.proposals
    }
    wrong, lines = [], 0
    for sequence in council.proposals:
        one = listed.get(sequence)
        if one is None:
            wrong.append(sequence)
            continue
        lines += one.lines_count
        maker = one.proposed.sender.participant, one.proposed.sender.operator
        others = {(by.participant, by.operator) for by in one.approvals} - {maker}
        is_done = one.state == proposals_pb2.PROPOSAL_STATE_DONE
        if not others or not is_done or one.lines_done != one.lines_count:
            wrong.append(sequence)
    moved = after.settlement - before.settlement + council.paid_out
    detail = f"{len(council.proposals)} proposals, {lines} lines"
    if wrong:
        detail = f"{len(wrong)} are not, such as {wrong[:5]}"
    elif moved != council.settled:
        detail = f"{moved} paise are settled, not {council.settled}"
    ok = not wrong and moved == council.settled
    return Proof("two people have wanted all that the treasury did", ok, detail)
