"""Goal: each connection is told what it may call, again after each change of the
register, and once; who is thrown out, switched off or over is noted.

Method: the door itself, with a front that remembers what it is told, a register of a
few names, and certificates without a network.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from server import door as door_module
from server._front import BUDGETS
from server.app import METHODS
from server.budgets import Budgets
from server.door import Door
from server.security_log import Cause, SecurityLog
from server.status import OpeningError
from switch.authority.development import DOMAIN, DevAuthority
from switch.codes import Budget, Role
from switch.config import Config
from switch.credentials import presented
from switch.register.identity import ForbiddenError, IdentityError
from switch.register.rights import BOOTSTRAP, MATRIX
from switch.specs import TREASURY, ParticipantSpec
from tests.register.test_identity import Names
from tests.server.leaves import make_leaf, uri

PATHS = [path for path, _ in METHODS]
OPEN = {path for path in PATHS if path not in MATRIX}
NEVER = 1 << 40
BOUND_S = 60.0


class Front:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.rights: dict[int, set[str]] = {}
        self.owners: dict[int, int] = {}
        self.budgets: dict[int, dict[str, int]] = {}
        self.refused: list[tuple[str, int]] = []
        self.admitted = 0
        self.closed: list[int] = []
        self.told = asyncio.Event()

    def admit(
        self,
        connection: int,
        owner: int,
        role: int,
        sender: int,
        bound: int,
        rights: bytes,
        budgets: tuple[int, ...],
    ) -> None:
        self.admitted += 1
        self.budgets[connection] = dict(zip(BUDGETS, budgets, strict=True))
        self.told.set()
        self.owners[connection] = owner
        assert bool(role) == bool(sender) or not sender
        self.rights[connection] = {
            path for path, right in zip(PATHS, rights, strict=True) if right
        }

    def take_refused(self) -> list[tuple[str, int]]:
        found, self.refused = self.refused, []
        return found

    def close_connection(self, connection: int, error: int) -> None:
        assert error == 0
        self.closed.append(connection)
        self.told.set()


class Changing(Names):
    """A register that changes."""

    def __init__(self, *specs: ParticipantSpec) -> None:
        super().__init__(*specs)
        self.listeners: list[Callable[[], None]] = []
        self.revoked: set[tuple[int, bytes, int]] = set()
        self.pinned: dict[int, tuple[bytes, ...]] = {}
        self.budgets: dict[int, dict[Budget, int]] = {}

    def find_revocation(
        self, participant: int, authority: bytes, serial: int, /
    ) -> object | None:
        return True if (participant, authority, serial) in self.revoked else None

    def pins(self, participant: int, /) -> tuple[bytes, ...]:
        return self.pinned.get(participant, ())

    def budgets_of(self, participant: int, /) -> Mapping[Budget, int]:
        return self.budgets.get(participant, {})

    def change(self) -> None:
        for listener in self.listeners:
            listener()

    def listen(self, listener: Callable[[], None], /) -> None:
        self.listeners.append(listener)

    def become(self, *specs: ParticipantSpec) -> None:
        self.known = Names(*specs).known
        for listener in self.listeners:
            listener()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DevAuthority:
    return DevAuthority(tmp_path_factory.mktemp("tls"))


def certificate(authority: DevAuthority, role: Role, name: str) -> bytes:
    files = make_leaf(authority, name, [uri(role, name)], lives=timedelta(days=1))
    found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    return found.public_bytes(serialization.Encoding.DER)


def spec(name: str, role: Role, *, active: bool = True) -> ParticipantSpec:
    return ParticipantSpec(id=name, role=role, active=active)


class Case:
    """A door, its front and its log."""

    def __init__(self, path: Path) -> None:
        self.front = Front()
        self.log = SecurityLog(path, days=1, day_bytes_max=1 << 20)
        self.door = Door(
            *(self.front, PATHS, DOMAIN, lambda: "at row 5", self.log),
            Budgets(Config()),
        )

    def notes(self) -> set[tuple[Cause, str, str]]:
        return {tuple(key) for key in self.log._notes}  # type: ignore[misc]


async def test_rights_of_each_role(tmp_path: Path, authority: DevAuthority) -> None:
    case = Case(tmp_path)
    register = Changing(*(spec(role.name.lower(), role) for role in Role))
    case.door.open(register)
    for number, role in enumerate(Role, 1):
        der = certificate(authority, role, role.name.lower())
        case.door.connect(number, "127.0.0.1:5", der, NEVER)
        mine = {path for path, roles in MATRIX.items() if role in roles}
        assert case.front.rights[number] == mine | OPEN
    assert len(set(case.front.owners.values())) == len(Role)
    case.door.close()


async def test_the_first_treasury(tmp_path: Path, authority: DevAuthority) -> None:
    case = Case(tmp_path)
    case.door.open(Changing())
    der = certificate(authority, Role.TREASURY, TREASURY)
    case.door.connect(1, "127.0.0.1:5", der, NEVER)
    assert case.front.rights[1] == {BOOTSTRAP} | OPEN
    assert isinstance(case.door.refusal(1, PATHS[0]), ForbiddenError)
    case.door.close()


async def test_before_the_ledger_is_open(
    tmp_path: Path, authority: DevAuthority
) -> None:
    case = Case(tmp_path)
    der = certificate(authority, Role.CENTRE, "centre-a")
    case.door.connect(1, "127.0.0.1:5", der, NEVER)
    owner = case.front.owners[1]
    assert case.front.rights[1] == OPEN
    error = case.door.refusal(1, PATHS[0])
    assert isinstance(error, OpeningError)
    assert "at row 5" in str(error)
    case.door.open(Changing(spec("centre-a", Role.CENTRE)))
    assert PATHS[0] in case.front.rights[1]
    assert case.front.owners[1] == owner
    # It came before the door was open, and was refused then.
    assert isinstance(case.door.refusal(1, PATHS[0]), OpeningError)
    case.door.close()


async def test_a_change_asks_for_all_once(
    tmp_path: Path, authority: DevAuthority
) -> None:
    case = Case(tmp_path)
    register = Changing(spec("centre-a", Role.CENTRE), spec("centre-b", Role.CENTRE))
    case.door.open(register)
    for number, name in enumerate(("centre-a", "centre-b"), 1):
        der = certificate(authority, Role.CENTRE, name)
        case.door.connect(number, f"127.0.0.{number}:5", der, NEVER)
    admitted = case.front.admitted
    for _ in range(100):
        register.become(
            spec("centre-a", Role.CENTRE), spec("centre-b", Role.CENTRE, active=False)
        )
    case.front.told.clear()
    await asyncio.wait_for(case.front.told.wait(), BOUND_S)
    for _ in range(10):
        await asyncio.sleep(0)
    assert case.front.admitted == admitted + 2
    assert PATHS[0] in case.front.rights[1]
    assert case.front.rights[2] == OPEN
    assert isinstance(case.door.refusal(2, PATHS[0]), IdentityError)
    assert case.notes() == {(Cause.REVOKED, "centre/centre-b", "127.0.0.2")}
    case.door.close()


async def test_a_certificate_is_revoked_on_its_open_connection(
    tmp_path: Path, authority: DevAuthority
) -> None:
    case = Case(tmp_path)
    register = Changing(spec("centre-a", Role.CENTRE))
    case.door.open(register)
    ders = [certificate(authority, Role.CENTRE, "centre-a") for _ in range(2)]
    for number, der in enumerate(ders, 1):
        case.door.connect(number, f"127.0.0.{number}:5", der, NEVER)
    one, other = map(presented, ders)
    known = register.find_participant("centre-a")
    assert known is not None
    index = known.index
    # The number of a certificate is its participant's and its authority's.
    register.revoked = {
        (index, one.authority, one.serial),
        (index + 1, other.authority, other.serial),
        (index, bytes(32), other.serial),
    }
    register.change()
    for _ in range(10):
        await asyncio.sleep(0)
    assert case.front.rights[1] == OPEN
    assert PATHS[0] in case.front.rights[2]
    error = case.door.refusal(1, PATHS[0])
    assert isinstance(error, IdentityError)
    assert "revoked" in str(error)
    assert case.notes() == {(Cause.REVOKED, "centre/centre-a", "127.0.0.1")}
    case.door.close()


async def test_only_pinned_keys_are_let_in(
    tmp_path: Path, authority: DevAuthority
) -> None:
    case = Case(tmp_path)
    register = Changing(spec("centre-a", Role.CENTRE))
    case.door.open(register)
    ders = [certificate(authority, Role.CENTRE, "centre-a") for _ in range(3)]
    keys = [presented(der).key for der in ders]
    for pins, let_in in (
        ((), {0, 1, 2}),
        (tuple(keys[:1]), {0}),
        (tuple(keys[1:]), {1, 2}),
    ):
        register.pinned = dict.fromkeys(range(5), pins)
        for number, der in enumerate(ders):
            case.door.connect(number, "127.0.0.1:5", der, NEVER)
        mine = {at for at in range(3) if PATHS[0] in case.front.rights[at]}
        assert mine == let_in
    case.door.close()


async def test_a_certificate_that_is_over_is_closed_once(
    tmp_path: Path, authority: DevAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "SWEEP_S", 0.001)
    case = Case(tmp_path)
    case.door.open(Changing(spec("centre-a", Role.CENTRE)))
    der = certificate(authority, Role.CENTRE, "centre-a")
    case.door.connect(1, "127.0.0.1:5", der, NEVER)
    case.door.connect(2, "[::1]:5", der, 1)
    case.front.told.clear()
    await asyncio.wait_for(case.front.told.wait(), BOUND_S)
    await asyncio.sleep(0.02)
    assert case.front.closed == [2]
    assert case.notes() == {(Cause.EXPIRED, "centre/centre-a", "::1")}
    case.door.close()


@pytest.mark.parametrize(
    ("cause", "noted"),
    [
        ("flood", Cause.ABUSE),
        ("protocol", Cause.ABUSE),
        ("untrusted", Cause.REVOKED),
        # The front tells of it as of each budget.
        ("owner_connections", None),
        ("peer_closed", None),
    ],
)
async def test_who_is_thrown_out(
    tmp_path: Path, authority: DevAuthority, cause: str, noted: Cause | None
) -> None:
    case = Case(tmp_path)
    case.door.open(Changing(spec("centre-a", Role.CENTRE)))
    der = certificate(authority, Role.CENTRE, "centre-a")
    case.door.connect(1, "127.0.0.1:5", der, NEVER)
    case.door.disconnect(1, cause)
    told = {(noted, "centre/centre-a", "127.0.0.1")} if noted else set()
    assert case.notes() == told
    case.door.close()


async def test_who_has_a_name_and_is_not_it_uses_none_of_its_budgets(
    tmp_path: Path, authority: DevAuthority
) -> None:
    case = Case(tmp_path)
    der = certificate(authority, Role.CENTRE, "centre-a")
    case.door.connect(1, "127.0.0.1:5", der, NEVER)
    # Nobody knows yet; then it is known.
    owner = case.front.owners[1]
    register = Changing(spec("centre-a", Role.CENTRE))
    case.door.open(register)
    assert case.front.owners[1] == owner
    # A copy of its certificate, which is taken back.
    register.become(spec("centre-a", Role.CENTRE, active=False))
    case.front.told.clear()
    await asyncio.wait_for(case.front.told.wait(), BOUND_S)
    stranger = case.front.owners[1]
    assert stranger != owner
    case.door.connect(2, "127.0.0.1:6", der, NEVER)
    assert case.front.owners[2] == stranger
    case.door.close()


async def test_strangers_get_next_to_nothing_however_many_they_are(
    tmp_path: Path, authority: DevAuthority
) -> None:
    case = Case(tmp_path)
    der = certificate(authority, Role.CENTRE, "centre-a")
    case.door.connect(1, "127.0.0.1:5", der, NEVER)
    # Nobody is known while the ledger is being opened: all have what a participant has.
    assert case.front.budgets[1]["owner_connections_max"] > 1_000
    case.door.open(Changing(spec("centre-a", Role.CENTRE)))
    await asyncio.sleep(0)
    for number in range(200):
        name = f"unknown-{number}"
        der = certificate(authority, Role.CENTRE, name)
        case.door.connect(2 + number, "127.0.0.1:6", der, NEVER)
    each = case.front.budgets[2]
    assert each == case.front.budgets[201]
    assert each["reads_per_s"] < 10
    assert each["owner_calls_max"] < 100
    # Together they hold a sixteenth of the connections that there may be.
    owners = {case.front.owners[2 + number] for number in range(200)}
    most = Config().transport.connections_max // 16
    assert len(owners) * each["owner_connections_max"] <= most
    assert case.front.owners[1] not in owners
    case.door.close()


async def test_who_is_over_a_budget_is_noted(
    tmp_path: Path, authority: DevAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "SWEEP_S", 0.01)
    case = Case(tmp_path)
    case.door.open(Changing(spec("centre-a", Role.CENTRE)))
    der = certificate(authority, Role.CENTRE, "centre-a")
    case.door.connect(1, "127.0.0.1:5", der, NEVER)
    case.door.over_budget(1, "reads", 7)
    # Beside it addresses that did not come as far as a certificate, and many of them.
    case.front.refused = [("10.0.0.9", 4), ("", 3)]
    until = asyncio.get_running_loop().time() + BOUND_S
    while case.front.refused:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.01)
    assert case.notes() == {
        (Cause.OVER_BUDGET, "centre/centre-a", "127.0.0.1"),
        (Cause.OVER_BUDGET, "", "10.0.0.9"),
        (Cause.OVER_BUDGET, "", "(others)"),
    }
    assert case.log.counts[Cause.OVER_BUDGET] == 7 + 4 + 3
    case.door.close()


async def test_budgets_are_those_of_the_role_and_then_the_registers(
    tmp_path: Path, authority: DevAuthority
) -> None:
    case = Case(tmp_path)
    names = {Role.CENTRE: "centre-a", Role.HARNESS: "load", Role.AUDITOR: "stranger"}
    for number, (role, name) in enumerate(names.items(), 1):
        der = certificate(authority, role, name)
        case.door.connect(number, "127.0.0.1:5", der, NEVER)
    told = case.front.budgets
    everybody = asdict(Config().budget)
    # Before there is a register nobody is known.
    assert [one["reads_per_s"] for one in told.values()] == [
        everybody["reads_per_s"]
    ] * 3
    register = Changing(spec("centre-a", Role.CENTRE), spec("load", Role.HARNESS))
    case.door.open(register)
    assert told[1] == {name: everybody[name] for name in BUDGETS}
    stranger = everybody | dict(Config().budgets["stranger"])
    assert told[3] == {name: stranger[name] for name in BUDGETS}
    harness = Config().budget_of(Role.HARNESS)
    assert (
        told[2]["reads_per_s"] == harness[Budget.READS_PER_S] > told[1]["reads_per_s"]
    )
    index = register.find_participant("centre-a")
    assert index is not None
    register.budgets[index.index] = {Budget.READS_PER_S: 7, Budget.FEEDS: 8}
    case.front.told.clear()
    register.change()
    await asyncio.wait_for(case.front.told.wait(), BOUND_S)
    usual = {name: everybody[name] for name in BUDGETS}
    assert told[1] == usual | {"reads_per_s": 7, "owner_feeds_max": 8}
    assert told[2]["reads_per_s"] == harness[Budget.READS_PER_S]
    case.door.close()
