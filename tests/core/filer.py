"""What a generator asks of files of bills: files, payments of bills that were fetched
before and behind them, and other amount rules of services that have some.

Part of tests/core/generator.py, which see.
"""

from dataclasses import replace
from typing import Any

from switch.codes import DuplicateRule, Kind, PriceRule, Record
from tests.core import quoting
from tests.core.network import BILL_RULES
from tests.core.recaller import Recaller
from tests.model import Payments
from tests.model_counters import (
    ADDITION,
    BILLS_COUNT_MAX,
    DELTA,
    FULL,
    WITHDRAWAL,
)
from tests.model_state import SECOND_NS
from tests.records import BillsRecord, Payment, Row

FILED = (0, 1, 2, 3, 6, 7, 8)
"""Which services of bills have files: some by ids, some by periods."""
AMOUNT_RULE = 1
"""Where it stands in the record of a service."""
MOMENTS_NS = (-SECOND_NS, -1, 0, 0, 1, SECOND_NS)
"""When a bill was fetched, seen from a file."""


class Filer(Recaller):
    """Draws what has to do with files of bills."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.records: dict[int, bytes] = {}
        """By service of bills: its newest record."""

    def remember(self, row: Row) -> None:
        """Also what was registered of a service."""
        super().remember(row)
        if row.kind == Kind.REGISTER and (row.tail or b"")[0] == Record.SERVICE:
            self.records[row.debit] = row.tail or b""

    def filed(self) -> list[int]:
        """The services that have files, or may have."""
        services = enumerate(self.model.services, 1)
        of_bills = [at for at, one in services if one.price_rule == PriceRule.BILL]
        return [of_bills[at] for at in FILED]

    def put_bills(self) -> list[Row]:
        """A file more of a service's biller; or out of its turn, or another's."""
        rng, model = self.rng, self.model
        row = Row(Kind.BILLS, id=rng.randbytes(16), service=rng.choice(self.filed()))
        draw = rng.randrange(16)
        if draw == 0:
            row.service = rng.randrange(1, len(model.services) + 1)
        elif draw == 1:
            row.service = rng.choice((0, len(model.services) + 1, 65_535))
        service = model.service_at(row.service)
        row.participant = service.biller if service else self.net.billers[0]
        if draw == 2:
            row.participant = rng.choice((*self.net.billers, self.net.treasury))
        row.resolves = model.bills_of.get(row.service, 0)
        if draw == 3:
            row.resolves = rng.choice((0, row.resolves - 1 if row.resolves else 5))
        elif draw == 4:
            row.resolves = self.past((Kind.BILLS,))
        # What only adds comes first: else there is always another form behind it.
        form = rng.choice((FULL, DELTA, WITHDRAWAL, ADDITION, ADDITION))
        record = BillsRecord(form if row.resolves else ADDITION, rng.randrange(1, 999))
        if record.form != WITHDRAWAL:
            record.amount = rng.choice((0, 1, 10**6, 10**18))
        record.hash = rng.randbytes(32)
        given: tuple[dict[str, Any], ...] = (
            {"count": 0, "amount": 0},
            {"count": 0},
            {"count": BILLS_COUNT_MAX},
            {"count": BILLS_COUNT_MAX + 1},
            {"amount": 10**18 + 1},
            {"form": rng.choice((0, 5, 255))},
            {"form": WITHDRAWAL, "amount": 1},
        )
        if self.chance(5):
            record = replace(record, **rng.choice(given))
        row.tail = record.pack() + rng.choice((b"", b'{"file": "bills.csv"}'))
        if self.chance(30):
            at = rng.choice((1, 2, 3, 48, 63))
            row.tail = row.tail[:at] + b"\1" + row.tail[at + 1 :]
        elif self.chance(60):
            row.tail = row.tail[: rng.randrange(1, 64)]
        elif self.chance(60):
            row.debit, row.amount = rng.choice(((1, 0), (0, 1)))
        row.operator_ = rng.randrange(3)
        return [row]

    def amount_rule(self) -> list[Row]:
        """A service has another amount rule, or the same, with files or without."""
        self.look()
        index = self.rng.choice(self.filed())
        row = self.by_treasury(Kind.REGISTER)
        row.reference, tail = b"", self.records[index]
        rule = int(self.rng.choice(BILL_RULES))
        row.tail = tail[:AMOUNT_RULE] + bytes([rule]) + tail[AMOUNT_RULE + 1 :]
        return [row]

    def of_files(self, size: int) -> Payments:
        """A message of a centre, of bills of services that have files."""
        which = self.rng.randrange(len(self.centres))
        centre = self.centres[which]
        services = [
            at
            for at in self.filed()
            if self.model.services[at - 1].duplicate_rule == DuplicateRule.ONCE
        ]
        have = [at for at in services if at in self.model.bills_of]
        if have and not self.chance(8):
            services = have
        payments = [
            self.of_file(self.rng.choice(services), centre) for _ in range(size)
        ]
        return Payments(payments, [], centre, centre)

    def of_file(self, index: int, centre: int) -> Payment:
        """A payment of a bill that was fetched about when a file came, or just now."""
        model = self.model
        bill = self.bill(self.services[index - 1], index)
        bill.amount_rule = model.services[index - 1].amount_rule
        newest = model.bills_of.get(index, 0)
        files = [newest]
        while newest and len(files) < 4:
            newest = model.rows[newest - 1].resolves
            files.append(newest)
        told = [model.rows[at - 1].timestamp for at in files if at]
        fetched = max(self.now, model.timestamp + 1) - self.rng.choice((0, SECOND_NS))
        if told and not self.chance(6):
            at = told[0] if self.chance(2) else self.rng.choice(told)
            fetched = at + self.rng.choice(MOMENTS_NS)
        said = quoting.quote(model, bill, centre, fetched)
        return quoting.payment_of(model, said, self.rng.randbytes(16))
