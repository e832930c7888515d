"""A switch with a network for counters, a biller that does what a test says, and the
counter's page as a process of its own.
"""

import contextlib
import json
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from switch.codes import (
    AmountRule,
    DuplicateRule,
    KeyRule,
    Mode,
    Policy,
    PriceRule,
    Role,
)
from switch.v1 import admin_pb2, billers_pb2, counter_pb2, network_pb2, payments_pb2
from tests import forked
from tests.server.harness import CALL_S, ROOT, Peers, ServerProcess, load, network
from tests.server.scripted_biller import (
    ScriptedBiller,
    confirm,
    due_bill,
    owes,
    willing,
)
from tests.server.till import settings
from tests.web.browsing import OPENS
from tools.postgres import ports_to_keep

CENTRE = "centre-p"
SIGNS = "centre-s"
"""Its operators sign on; register them with `World.register`."""
DUE = 95_000
POWER, RECORDS, RELIEF, BOOKING = "BSK0199", "BSK0169", "BSK0901", "BSK0210"


def _service(code: str, biller: str, head: str, **values: Any) -> network_pb2.Service:
    given: dict[str, Any] = {
        "amount_rule": int(AmountRule.EXACT),
        "mode": int(Mode.CONFIRMED),
        "price_rule": int(PriceRule.BILL),
        "duplicate_rule": int(DuplicateRule.ONCE),
        "key_rule": int(KeyRule.REFERENCE_PERIOD),
        "deadline_s": 3_600,
        "deadline_policy": int(Policy.RELEASE),
        "active": True,
        **values,
    }
    return network_pb2.Service(code=code, biller=biller, heads=[head], **given)


_ANY_AMOUNT: dict[str, Any] = {
    "price_rule": int(PriceRule.OPEN),
    "amount_rule": int(AmountRule.MIN_MAX),
    "amount_min": 100,
    "amount_max": 100_000_00,
    "duplicate_rule": int(DuplicateRule.NONE),
    "key_rule": 0,
}
SERVICES = [
    _service(
        POWER,
        "power",
        "0801-01",
        name_en="WBSEDCL electricity bill payment",
        name_bn="ডব্লিউবিএসইডিসিএল বিদ্যুৎ বিল জমা",
        department_en="Power Department",
        department_bn="বিদ্যুৎ বিভাগ",
        called_en=["light bill"],
        called_bn=["কারেন্ট বিল"],
        pattern="9{9}",
        ignored=[network_pb2.IGNORED_SPACE, network_pb2.IGNORED_HYPHEN],
        letters=network_pb2.LETTERS_AS_THEY_ARE,
    ),
    _service(
        RECORDS,
        "land",
        "0029-01",
        name_en="Record of Rights (RoR) certified copy",
        name_bn="পরচা (আরওআর)-র প্রত্যয়িত নকল",
        department_en="Land & Land Reforms Department",
        department_bn="ভূমি ও ভূমি সংস্কার বিভাগ",
        price_rule=int(PriceRule.TARIFF),
        mode=int(Mode.DIRECT),
        deadline_s=0,
        duplicate_rule=int(DuplicateRule.WITHIN),
        duplicate_hours=1,
        key_rule=0,
        called_en=["porcha"],
        called_bn=["পর্চা"],
        fields=[
            network_pb2.FormField(
                name="mouza",
                label_en="Mouza number",
                label_bn="মৌজা নম্বর",
                pattern="9{3}",
                example="104",
            )
        ],
        documents=[network_pb2.Words(en="Identity card", bn="পরিচয়পত্র")],
        tariff=[
            network_pb2.Fee(
                code="APPLY",
                amount=2_000,
                valid_from="2025-04-01",
                name_en="Application",
                name_bn="আবেদন ফি",
            ),
            network_pb2.Fee(
                code="COPY",
                amount=2_000,
                valid_from="2025-04-01",
                name_en="Copy, each page",
                name_bn="নকল, প্রতি পৃষ্ঠা",
            ),
        ],
    ),
    _service(
        RELIEF,
        "land",
        "0029-01",
        name_en="Relief fund donation",
        name_bn="ত্রাণ তহবিলে দান",
        department_en="Finance Department",
        department_bn="অর্থ বিভাগ",
        price_rule=int(PriceRule.OPEN),
        amount_rule=int(AmountRule.MIN_MAX),
        amount_min=1_000,
        amount_max=100_000_00,
        mode=int(Mode.DIRECT),
        deadline_s=0,
        duplicate_rule=int(DuplicateRule.WITHIN),
        duplicate_hours=24,
        key_rule=0,
    ),
    _service(
        BOOKING,
        "gas",
        "0217-01",
        name_en="Hall booking",
        name_bn="হল বুকিং",
        department_en="Municipality",
        department_bn="পৌরসভা",
        **_ANY_AMOUNT,
    ),
]
"""Nobody dials in for the last one: what is paid there waits."""

KEEPS, RELEASES = "BSK0211", "BSK0212"
SHORT = [
    _service(
        code,
        "power",
        "0801-01",
        name_en="Hall booking, today",
        name_bn="আজকের হল বুকিং",
        **_ANY_AMOUNT,
        deadline_s=2,
        deadline_policy=int(policy),
    )
    for code, policy in ((KEEPS, Policy.KEEP), (RELEASES, Policy.RELEASE))
]
"""Whose deadline passes while a test waits; `World.short` registers them."""

FREE = [
    network_pb2.FreeService(
        code="FREE-0001",
        name_en="Kanyashree application",
        name_bn="কন্যাশ্রী আবেদন",
        where_en="At the school, with form K1",
        where_bn="বিদ্যালয়ে, ফর্ম কে১ সহ",
        documents=[network_pb2.Words(en="Birth certificate", bn="জন্ম শংসাপত্র")],
    )
]


def bills(question: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
    """One bill of DUE paise of each reference; those that begin with 9 have two, those
    with 0 none.
    """
    if question.kind != billers_pb2.QUESTION_KIND_FETCH_BILL:
        return (confirm(question),)
    if question.reference.startswith("0"):
        answer = billers_pb2.Answer(
            number=question.number,
            id=question.id,
            kind=billers_pb2.ANSWER_KIND_REJECTED,
            reason="NOTHING_DUE",
        )
        return (answer,)
    found = [due_bill(question, id="", amount_due=DUE, due_time_ns=_DUE_NS)]
    if question.reference.startswith("9"):
        found.append(due_bill(question, id="", period="2026-10", amount_due=40_000))
    return (owes(question, *found),)


def answering_later(answers: threading.Event) -> Any:
    """The same, but a payment has no answer before `answers` is set."""

    def script(question: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
        if question.kind != billers_pb2.QUESTION_KIND_FETCH_BILL:
            answers.wait(CALL_S)
        return bills(question)

    return script


_DUE_NS = 1_796_200_000 * 10**9


class World:
    """One switch; counters and billers beside it."""

    def __init__(self, directory: Path) -> None:
        """Starts the switch and loads the network."""
        self.directory = directory
        self.arguments = settings()
        # It begins again there.
        [port] = ports_to_keep(1)
        self._listen = f"127.0.0.1:{port}"
        self.server = ServerProcess(directory, *self.arguments, listen=self._listen)
        self.server.wait_ready()
        self.peers = Peers(self.server)
        load(self.peers)
        land = next(one for one in network().participants if one.id == "land")
        land.free_services.extend(FREE)
        signs = network_pb2.Participant(
            id=SIGNS,
            role=network_pb2.ROLE_CENTRE,
            active=True,
            name_en=SIGNS,
            code=f"BAN/{SIGNS}",
            signs_on=True,
        )
        request = admin_pb2.LoadNetworkRequest(
            participants=[land, signs], services=SERVICES
        )
        self.peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)
        assert self.peers.treasury.top_up(SIGNS, 1_000_000_00).result == 1
        for name in (CENTRE, SIGNS):
            self.peers.authority.leaf(Role.CENTRE, name)
        self.biller: ScriptedBiller | None = None

    @property
    def tls(self) -> Path:
        """Where the certificates are."""
        return self.directory / "tls"

    @property
    def switch_address(self) -> str:
        """Where a counter reaches the switch, also while it begins again."""
        return self._listen

    def serve(self, script: Any = bills) -> ScriptedBiller:
        """The biller, connected."""
        if self.biller is not None:
            self.biller.close()
        self.biller = ScriptedBiller(self.peers.biller(), script)
        return self.biller

    def restart(self, *, meanwhile: Any = lambda: None) -> None:
        """The switch dies, and another begins at its address."""
        self.peers.close()
        if self.biller is not None:
            self.biller.close()
            self.biller = None
        self.server.stop(signal.SIGKILL)
        meanwhile()
        self.server = ServerProcess(
            self.directory, *self.arguments, listen=self._listen
        )
        self.server.wait_ready()
        self.peers = Peers(self.server)

    def register(self, keys: dict[int, bytes]) -> None:
        """Have the register know the operators of SIGNS, by their public keys."""
        operators = [
            network_pb2.Operator(number=number, key=key, active=True)
            for number, key in keys.items()
        ]
        signs = network_pb2.Participant(
            id=SIGNS,
            role=network_pb2.ROLE_CENTRE,
            active=True,
            name_en=SIGNS,
            code=f"BAN/{SIGNS}",
            signs_on=True,
            operators=operators,
        )
        request = admin_pb2.LoadNetworkRequest(participants=[signs])
        self.peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)

    def short(self) -> None:
        """Have the register know the services of SHORT."""
        request = admin_pb2.LoadNetworkRequest(services=SHORT)
        self.peers.treasury.admin.LoadNetwork(request, timeout=CALL_S)

    def payments(self, centre: str = CENTRE) -> list[Any]:
        """What a centre has paid, the newest first."""
        request = payments_pb2.ListPaymentsRequest()
        reply = self.peers.centre(centre).payments.ListPayments(request, timeout=CALL_S)
        return list(reply.payments)

    def receipt(self, payment_id: bytes, refund: int = 0) -> Any:
        """A paper of CENTRE, as the switch gives it."""
        request = counter_pb2.GetReceiptRequest(id=payment_id, refund=refund)
        return self.peers.centre(CENTRE).counter.GetReceipt(request, timeout=CALL_S)

    def close(self) -> None:
        """End all."""
        if self.biller is not None:
            self.biller.close()
        self.peers.close()
        self.server.stop()


class Reachable(Protocol):
    """A switch as a counter reaches it: itself, or through a slow line."""

    @property
    def tls(self) -> Path:
        """Where the certificates are."""

    @property
    def switch_address(self) -> str:
        """Where the switch answers."""


class Counter:
    """The page of one centre, as a process."""

    def __init__(
        self,
        world: Reachable,
        data: Path,
        *arguments: str,
        centre: str = CENTRE,
    ) -> None:
        """Starts it, with the catalogue that it would have been told."""
        self.world, self.data, self.arguments = world, data, arguments
        self.centre = centre
        self.folder = data / f"{centre}-counter"
        self.folder.mkdir(parents=True, exist_ok=True)
        [self.port] = ports_to_keep(1)
        self.start()

    def start(self) -> None:
        """Start, or start again at the same port."""
        words = [
            self.centre,
            *("--address", self.world.switch_address),
            *("--tls", str(self.world.tls)),
            *("--data", str(self.data)),
            *("--port", str(self.port)),
            *self.arguments,
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = forked.Process(
                "switch.web.counter", words, cwd=ROOT, stderr=log.fileno()
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "log").read_text()
        ready = json.loads(line)
        self.address: str = ready["address"]
        self.port = int(self.address.rsplit(":", 1)[1].strip("/"))
        self.opens: str = ready.get("open", self.address).removeprefix(self.address)
        """What a browser begins with there: it has the secret of the start."""
        OPENS[self.port] = "/" + self.opens

    def kill(self) -> None:
        """As a power cut ends it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def wait(self) -> int:
        """Its end, which comes from elsewhere; the exit code."""
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def stop(self) -> int:
        """End it as its operator does; the exit code."""
        self.process.terminate()
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def moves(self) -> list[dict[str, Any]]:
        """What is on its disk."""
        paths = sorted((self.folder / "till").glob("*.move"))
        return [json.loads(path.read_bytes()) for path in paths]


@contextmanager
def counting(
    world: Reachable, data: Path, *arguments: str, centre: str = CENTRE
) -> Iterator[Counter]:
    """A counter that is ended, whatever happens."""
    counter = Counter(world, data, *arguments, centre=centre)
    try:
        yield counter
    finally:
        with contextlib.suppress(ProcessLookupError):
            if counter.process.poll() is None:
                counter.stop()


__all__ = ["Counter", "World", "answering_later", "bills", "counting", "willing"]
