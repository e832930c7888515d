"""Some weeks of a treasury: payments of every kind, what became of them, windows, what
was settled, and names that change meanwhile. Drawn by chance, with texts that nobody
should have let in.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from switch._core import Request, Rows, entries_of
from switch.codes import Kind, Mode, Result, Role
from switch.entries import Entry
from switch.ids import new_id
from switch.ledger import moves
from switch.register.load import load_network
from switch.register.register import PURPOSE_FLOAT, PURPOSE_SETTLEMENT
from switch.specs import ParticipantSpec, ServiceSpec
from switch.v1 import payments_pb2 as pb
from tests.counter.counter_story import (
    HEAD,
    PARTICIPANTS,
    SERVICES,
    START_NS,
    Counter,
    service,
)
from tests.treasury import expected

DAY_S = 86_400
EVIL = ("", "=1+1 ", "+91 ", "-", "@A", "'", 'a,"b" ', ",", "''=", '"')
"""What texts begin with."""
NAMES = (
    "=HYPERLINK(1)",
    'A "B", C',
    "রামপুর",
    "＝১",
    "'t Hart",
    "plain",
    "",
)
LAND_HEADS = ("0029-01", "0029-02")
MORE = (
    ParticipantSpec(
        id="land",
        role=Role.BILLER,
        heads=LAND_HEADS,
        name_en="Land, and records",
        never_credits_late=True,
    ),
    ParticipantSpec(id="-bsk-2", role=Role.CENTRE, may_state_dues=True),
    ParticipantSpec(id="bsk-3", role=Role.CENTRE, may_state_dues=True),
)
MORE_SERVICES = (
    service(
        "-DEEDS", biller="land", heads=LAND_HEADS[:1], mode=Mode.DIRECT, deadline_s=0
    ),
    service("ASKED", biller="land", heads=LAND_HEADS[1:]),
)


class Story(Counter):
    """A ledger and those who use it."""

    now = START_NS

    def __init__(self, path: Path, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.participants = {one.id: one for one in (*PARTICIPANTS, *MORE)}
        self.services = {one.code: one for one in (*SERVICES, *MORE_SERVICES)}
        self.told: list[tuple[int, dict[str, str], dict[str, str]]] = []
        super().__init__(path)
        self.number = 0
        self.finals: list[int] = []
        self.given_back: list[int] = []
        self.window = 0
        self.due: list[tuple[int, int, int]] = []
        for name in ("-bsk-2", "bsk-3"):
            self._turn(name)
            self._top_up()

    def load(self, services: list[ServiceSpec]) -> None:
        load_network(
            self.register,
            self._commit,
            list(self.participants.values()),
            list(self.services.values()),
            sender=0,
        )
        self._note_names()

    def _commit(self, request: Request) -> bytes | Rows:
        [reply] = self.ledger.commit([request], self.now)
        return reply

    def _note_names(self) -> None:
        self.told.append(
            (
                self.ledger.sequence,
                {one.id: one.name_en for one in self.participants.values()},
                {one.code: one.name_en for one in self.services.values()},
            )
        )

    # --- who acts ----------------------------------------------------------------

    def _turn(self, centre: str) -> None:
        found = self.register.find_participant(centre)
        wallet = self.register.find_wallet(centre)
        assert found
        assert wallet
        self.centre, self.wallet = found.index, wallet.index

    def _top_up(self) -> None:
        source = self.register.treasury_account(PURPOSE_FLOAT).index
        self.do(
            moves.top_up(
                new_id(), source, self.wallet, 10**9, new_id().hex(), sender=self.office
            )
        )

    def _of(self, biller: str) -> None:
        found = self.register.find_participant(biller)
        assert found
        self.biller = found.index

    def _reference(self) -> str:
        self.number += 1
        return f"{self.rng.choice(EVIL)}{self.number}"

    # --- what happens ------------------------------------------------------------

    def happen(self, count: int) -> None:
        """So many things."""
        acts: list[tuple[Callable[[], None], int]] = [
            (self.paid_directly, 6),
            (self.paid_by_bill, 5),
            (self.paid_by_month, 3),
            (self.paid_by_tariff, 2),
            (self.paid_in_a_basket, 2),
            (self.held, 5),
            (self.refunded, 3),
            (self.corrected, 2),
            (self.closed, 2),
            (self.settled, 2),
            (self.renamed, 1),
            (self.waited, 1),
            (self.refused, 1),
        ]
        names, weights = zip(*acts, strict=True)
        for act in self.rng.choices(names, weights, k=count):
            self._turn(self.rng.choice(("bsk-1", "-bsk-2", "bsk-3")))
            act()

    def _amount(self) -> int:
        return self.rng.choice((1, 99, 100, 12_345, self.rng.randrange(1, 10**6)))

    def _done(self, outcome: Any) -> int:
        """The sequence of what must have been done: a message's, or an OUTCOME."""
        if isinstance(outcome, np.void):
            result, sequence = int(outcome["result"]), int(outcome["sequence"])
        else:
            result, sequence = outcome.result, outcome.sequence
        assert Result(result) is Result.OK, Result(result).name
        return int(sequence)

    def paid_directly(self) -> None:
        code = self.rng.choice(("DIRECT", "-DEEDS"))
        made = self.pay(new_id(), self._reference(), self._amount(), service=code)
        self.finals.append(self._done(made))

    def paid_by_bill(self) -> None:
        amount, reference = self._amount(), self._reference()
        period = 2026 * 12 + self.rng.randrange(12) if self.rng.random() < 0.5 else 0
        bill = self._reference()
        token = self.fetched("BILLED", reference, amount, bill=bill, period=period)
        made = self.pay(
            *(new_id(), reference, amount), service="BILLED", quotation=token, note="n"
        )
        self._answered("power", self._done(made))

    def paid_by_month(self) -> None:
        reference = f"C-{self.number}"
        self.number += 1
        token = self.fetched("MONTHLY", reference, 10**6, period=2026 * 12 + 2)
        made = self.pay(
            *(new_id(), reference, self._amount()), service="MONTHLY", quotation=token
        )
        self.finals.append(self._done(made))

    def paid_in_a_basket(self) -> None:
        """Two or three together, of a direct service or of one that is held."""
        code = self.rng.choice(("DIRECT", "FREES"))
        bills = [
            pb.Payment(
                id=new_id(),
                service=code,
                amount=self._amount(),
                reference=self._reference(),
                operator=1,
            )
            for _ in range(self.rng.choice((2, 3)))
        ]
        body = pb.CreatePaymentsRequest(baskets=[pb.Basket(payments=bills)])
        self.now += 10**9
        request = Request.payments(body.SerializeToString(), self.centre, self.centre)
        [reply] = self.ledger.commit([request], self.now)
        assert isinstance(reply, bytes)
        made = pb.CreatePaymentsResponse.FromString(reply).outcomes
        sequences = [self._done(one) for one in made]
        if code == "DIRECT":
            self.finals += sequences
            return
        self._of("power")
        together = sum(bill.amount for bill in bills)
        for held in sequences:
            said = self.answer(held, confirm=True, text="B", amount=together)
            self.finals.append(self._done(said))

    def paid_by_tariff(self) -> None:
        made = self.pay(
            *(new_id(), self._reference(), 1_000),
            service="COPIES",
            items=(("COPY", 1),),
        )
        self.finals.append(self._done(made))

    def held(self) -> None:
        biller, code = self.rng.choice((("power", "FREES"), ("land", "ASKED")))
        made = self.pay(new_id(), self._reference(), self._amount(), service=code)
        self._answered(biller, self._done(made))

    def _answered(self, biller: str, held: int) -> None:
        self._of(biller)
        chance = self.rng.random()
        text = self._reference()
        if chance < 0.7:
            self.finals.append(self._done(self.answer(held, confirm=True, text=text)))
        elif chance < 0.8:
            self._done(self.answer(held, confirm=False, text=text))
        elif chance < 0.9 and biller == "power":
            # Its deadline goes by, or a later act answers in time.
            self.given_back.append(held)

    def refunded(self) -> None:
        if not self.finals:
            return
        final = self.rng.choice(self.finals)
        row = self.ledger.row(final)
        _, so_far = self.ledger.resolution(final)
        left = row.amount - so_far
        if left:
            amount = left if self.rng.random() < 0.4 else self.rng.randint(1, left)
            self.refund(final, amount)

    def corrected(self) -> None:
        """A biller says late that it has credited what was given back."""
        if not self.given_back:
            return
        held = self.given_back.pop(0)
        self.wait(3_600)
        self._of("power")
        row = self.ledger.row(held)
        said = self.answer(held, confirm=True, text="LATE")
        if Result(int(said["result"])) is Result.ALREADY_EXPIRED:
            done = self.decide(Kind.TRANSFER, held, row.amount)
            assert Result(int(done["result"])) is Result.OK

    def undone(self) -> None:
        """A biller rejects what was corrected, and its money goes back."""
        before = [
            one.sequence
            for one in self.rows()
            if one.result == Result.OK and expected.is_correction(one)
        ]
        while True:
            held = self._held_and_given_back()
            self.given_back.append(held)
            self.corrected()
            paid = self.rows()[-1]
            if expected.is_correction(paid) and paid.sequence not in before:
                break
        self._of("power")
        self.answer(held, confirm=False, text="NOT AFTER ALL")
        done = moves.recover(new_id(), paid, "letter 8", sender=self.office)
        self._done(self.do(done))

    def _held_and_given_back(self) -> int:
        """A payment that its deadline gives back."""
        made = self.pay(new_id(), self._reference(), 5_000, service="FREES")
        return self._done(made)

    def closed(self) -> None:
        done = self.do(moves.window(self.window, sender=self.office))
        if done["result"] == Result.WINDOW_EMPTY:
            # As the schedule closes it, whatever is in it.
            done = self.do(moves.window(self.window, sender=0))
        self.window = self._done(done)
        for line in self.ledger_lines(self.window):
            if line[1]:
                self.due.append((self.window, *line))

    def closed_from(self, before: int) -> None:
        """Close the window behind one that the schedule has closed."""
        self.window = before
        self.closed()

    def ledger_lines(self, window: int) -> list[tuple[int, int]]:
        from switch.ledger.explained import window_lines

        lines = window_lines(self.ledger, window)
        pairs = zip(lines["account"].tolist(), lines["payable"].tolist(), strict=True)
        return list(pairs)

    def settled(self) -> None:
        if not self.due:
            return
        window, account, amount = self.due.pop(0)
        target = self.register.treasury_account(PURPOSE_SETTLEMENT).index
        # A refund since may have left too little: then it stays owed.
        self.do(
            moves.settle(new_id(), window, account, target, amount, sender=self.office)
        )

    def renamed(self) -> None:
        name = self.rng.choice(NAMES)
        if self.rng.random() < 0.6:
            who = self.rng.choice(("bsk-1", "-bsk-2", "bsk-3", "land", "power"))
            self.participants[who] = replace(self.participants[who], name_en=name)
        else:
            code = self.rng.choice(("DIRECT", "FREES", "BILLED"))
            self.services[code] = replace(self.services[code], name_en=name)
        self.load([])

    def waited(self) -> None:
        self.wait(self.rng.choice((10, 3_600, DAY_S, 3 * DAY_S)))

    def refused(self) -> None:
        made = self.pay(new_id(), self._reference(), 10**12, service="DIRECT")
        assert Result(made.result) is not Result.OK

    def opened(self) -> None:
        """What a biller's account begins with."""
        head = self.register.find_head("land", LAND_HEADS[1])
        assert head
        source = self.register.treasury_account(PURPOSE_FLOAT).index
        self._done(
            self.do(
                moves.transfer(
                    new_id(), source, head.index, 777, "opening", sender=self.office
                )
            )
        )

    # --- what is known -----------------------------------------------------------

    def rows(self) -> list[Entry]:
        found: list[Entry] = []
        while len(found) < self.ledger.sequence:
            found += entries_of(self.ledger.rows(len(found) + 1, 65_536))
        return found

    def groups(self) -> dict[int, int]:
        """The time of the group of each row."""
        found: dict[int, int] = {}
        sequence = 1
        while sequence <= self.ledger.sequence:
            _, first, count, _ = self.ledger.chunk_of(sequence)
            begun = self.ledger.row(first).timestamp
            found |= dict.fromkeys(range(first, first + count), begun)
            sequence = first + count
        return found

    def network(self, sequence: int) -> expected.Network:
        """What the register said at a row."""
        told = [one for one in self.told if one[0] <= sequence][-1]
        owners = {
            one.index: self.register.participant(one.participant).spec.id
            for one in self.register.accounts()
        }
        services = {one.index: one.spec for one in self.register.services()}
        return expected.Network(
            owners=owners,
            services=services,
            centre_names={
                index: told[1].get(owner, "") for index, owner in owners.items()
            },
            service_names={
                index: told[2][spec.code] for index, spec in services.items()
            },
            words=self.words,
        )

    @cached_property
    def words(self) -> dict[int, bytes]:
        """What stands behind payments; asked for once all has happened."""
        kinds = (Kind.PAY, Kind.HOLD, Kind.POST)
        rows = [row for row in self.rows() if row.kind in kinds]
        return {row.sequence: self.ledger.tail(row.sequence) for row in rows}


HEADS = {HEAD: "power", **dict.fromkeys(LAND_HEADS, "land")}
"""Biller by head."""
