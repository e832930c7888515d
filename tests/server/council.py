"""A real server on a ledger with people, and those people: each with a certificate of
its treasury and a key of its own.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from switch.authority.development import DevAuthority
from switch.client import Client
from switch.client.messages import messages_of
from switch.client.people import Signer
from switch.codes import (
    AmountRule,
    DuplicateRule,
    Mode,
    PersonRole,
    PriceRule,
    Role,
)
from switch.ids import new_id
from switch.person_keys import PersonKey, make_key, read_key
from switch.specs import ParticipantSpec, ServiceSpec, Specs
from switch.v1 import admin_pb2
from switch.v1 import people_pb2 as pb
from switch.v1 import results_pb2 as results
from tests import forked
from tests.server.harness import RUPEE, ServerProcess

FIRST, SECOND = "treasury", "checker"
CENTRES = tuple(f"centre-{at}" for at in range(1, 6))
ALPHA, BETA, GAMMA, MAKER = (FIRST, 1), (SECOND, 1), (SECOND, 2), (FIRST, 2)
"""The first two, a third and one who proposes alone: participant and number."""
CHANNEL = (SECOND, 9)
"""A bank's connection."""
LAKH = 100_000 * RUPEE

Name = tuple[str, int]
_NAMES = (ALPHA, BETA, GAMMA, MAKER, CHANNEL)


class Council:
    """The ledger's directory, its server while it runs, and the people's keys."""

    def __init__(self, directory: Path) -> None:
        """Makes keys and certificates; nothing else is there."""
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.authority = DevAuthority(directory / "tls")
        self.authority.server()
        self.keys = {name: self._key(name) for name in _NAMES}
        self._clients: dict[str, Client] = {}

    def _key(self, name: Name) -> PersonKey:
        file = self.key_file(name)
        return read_key(file, bytes) if file.exists() else make_key(file)

    def know(self, name: Name) -> None:
        """Have a key for somebody more."""
        self.keys[name] = self._key(name)

    def key_file(self, name: Name) -> Path:
        """Where a person's key lies."""
        return self.directory / f"{name[0]}-{name[1]}.key"

    def begin(self, *, three: bool = False, recoverers: Sequence[Name] = ()) -> None:
        """Run what `payswitch init` runs, with two people, or with three; and with
        these of an auditor.
        """
        words = ["--data", str(self.directory / "ledger"), "--treasury", SECOND]
        if not three:
            words.append("--two-people")
        for name in (ALPHA, BETA, GAMMA)[: 3 if three else 2]:
            words += ["--person", f"{name[0]}/{name[1]}:{self.keys[name].public.hex()}"]
        for auditor in dict.fromkeys(auditor for auditor, _ in recoverers):
            words += ["--auditor", auditor]
        for name in recoverers:
            key = self.keys[name].public.hex()
            words += ["--recoverer", f"{name[0]}/{name[1]}:{key}"]
        done = forked.run("switch.register.begin", *words)
        assert done.returncode == 0, done.stderr
        # Whoever begins without them is told what that costs.
        assert ("nobody recovers" in str(done.stderr)) == (not recoverers)

    def start(self, *arguments: str, prefix: Sequence[str] = ()) -> None:
        """Start the server, as no development server."""
        self.server = ServerProcess(
            self.directory, *arguments, dev=False, prefix=prefix
        )
        self.server.wait_ready()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it; what clients there were are closed."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        code = self.server.stop(number)
        assert code == 0 or number == signal.SIGKILL, self.server.log()

    def restart(self) -> None:
        """Stop it and start it."""
        self.stop()
        self.start()

    def client(self, participant: str = FIRST, role: Role = Role.TREASURY) -> Client:
        """A client with this certificate."""
        if participant not in self._clients:
            credentials = self.authority.leaf(role, participant)
            self._clients[participant] = Client(self.server.address, credentials)
        return self._clients[participant]

    def signer(self, name: Name, key: PersonKey | None = None) -> Signer:
        """A person as registered, with its key or another."""
        registered = self.client(name[0]).people()
        [person] = [
            one for one in registered.people if (one.participant, one.number) == name
        ]
        return Signer(person, key or self.keys[name], registered.ledger)

    # --- what most tests do --------------------------------------------------------

    def close_window(
        self, by: Name = ALPHA, after: int = -1
    ) -> admin_pb2.CloseWindowResponse:
        """One person closes the window that is open, or that behind another."""
        client = self.client(by[0])
        last = client.ledger().last_window if after < 0 else after
        return client.close_window(last, self.signer(by))

    def propose(self, by: Name, *wishes: pb.Wish, reason: str = "a test") -> int:
        """Propose lines; the proposal's sequence."""
        return self.proposed(by, pb.PrepareRequest(wishes=wishes, reason=reason))

    def proposed(self, by: Name, request: pb.PrepareRequest) -> int:
        """Propose what a request asks for; 0 if there is nothing to do."""
        made = self.client(by[0]).prepare(request)
        if made.row is None:
            return 0
        outcome = self.client(by[0]).submit(made.row, self.signer(by))
        assert outcome.result == results.RESULT_OK, outcome
        return outcome.sequence

    def approve(self, by: Name, sequence: int) -> results.Outcome:
        """Approve what the switch shows."""
        client = self.client(by[0])
        return client.approve_signed(client.proposal(sequence), self.signer(by))

    def do(self, sequence: int, lines_max: int = 0) -> list[str]:
        """Do a proposal; the results of what was done now."""
        found = self.client().do_lines(sequence, lines_max=lines_max)
        return [results.Result.Name(one.outcome.result)[7:] for one in found]

    def done(self, *wishes: pb.Wish) -> int:
        """Propose by one, approve by another, by a third if it must be, do it all."""
        sequence = self.propose(ALPHA, *wishes)
        assert self.approve(BETA, sequence).result == results.RESULT_OK
        if self.client().proposal(sequence).answer.proposal.third_needed:
            assert self.approve(GAMMA, sequence).result == results.RESULT_OK
        assert set(self.do(sequence)) == {"OK"}
        return sequence

    def load(self, specs: Specs) -> int:
        """Bring a network into the register, phase by phase; how many there were."""
        participants, services = messages_of(specs)
        network = pb.NetworkWish(participants=participants, services=services)
        request = pb.PrepareRequest(network=network, reason="network")
        for phase in range(20):
            sequence = self.proposed(ALPHA, request)
            if not sequence:
                return phase
            assert self.approve(BETA, sequence).result == results.RESULT_OK
            assert set(self.do(sequence)) == {"OK"}
        raise AssertionError("a network has no end")


def centres() -> Specs:
    """A few centres, an auditor, who pays for others, and nothing that is paid."""
    found = [ParticipantSpec(id=name, role=Role.CENTRE) for name in CENTRES]
    found.append(ParticipantSpec(id="auditor", role=Role.AUDITOR))
    found.append(ParticipantSpec(id="harness", role=Role.HARNESS, may_state_dues=True))
    return Specs(tuple(found), ())


def payable() -> Specs:
    """The same, and a service that is paid directly, ANY."""
    biller = ParticipantSpec(id="power", role=Role.BILLER, heads=("0801-01",))
    service = ServiceSpec(
        code="ANY",
        biller="power",
        heads=("0801-01",),
        amount_rule=AmountRule.ANY,
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.NONE,
        price_rule=PriceRule.STATED,
    )
    return Specs((*centres().participants, biller), (service,))


def top_up(amount: int, centre: str = CENTRES[0], utr: str = "") -> pb.Wish:
    """A wish for money in a wallet."""
    wish = pb.TopUpWish(centre=centre, amount=amount, utr=utr or new_id().hex())
    return pb.Wish(top_up=wish)


def person(name: Name, council: Council, **changes: object) -> pb.Wish:
    """A wish for a person, a checker if nothing else is said."""
    values: dict[str, object] = {
        "participant": name[0],
        "number": name[1],
        "role": int(PersonRole.CHECKER),
        "active": True,
        "key": council.keys[name].public,
        **changes,
    }
    return pb.Wish(person=pb.PersonWish(**values))  # type: ignore[arg-type]


class Answered(Protocol):
    """What was answered: of a move or a payment."""

    @property
    def result(self) -> "results.Result.ValueType":
        """Its number."""


def name_of(outcome: Answered) -> str:
    return results.Result.Name(outcome.result)[7:]


def balance(council: Council, centre: str = CENTRES[0]) -> int:
    return council.client().wallet(centre).wallet.balance


@contextmanager
def sitting(directory: Path, *arguments: str, three: bool = False) -> Iterator[Council]:
    """A council of two, or of three, over a few centres, its server running."""
    council = Council(directory)
    council.begin(three=three)
    council.start(*arguments)
    try:
        council.load(centres())
        yield council
    finally:
        council.stop()
