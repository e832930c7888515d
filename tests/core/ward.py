"""A ledger, its model, what is sent to them, and damage done to the ledger alone."""

from pathlib import Path

import numpy as np
import pytest

from switch.codes import AmountRule, DuplicateRule, KeyRule, Kind, Mode, Policy, Result
from switch.errors import CorruptionError
from tests.core import wire
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair, pack_row, read_outcome, to_request
from tests.damage import damage_row
from tests.model import Ask, Payments, Rows
from tests.records import Outcome, Payment, Row, ServiceRecord

STEP_ROWS = 64
FILLING = 4 * STEP_ROWS
SECOND_NS = 10**9
LATER = NOW + 3_000 * SECOND_NS
DEADLINE_S = 600
FUNDS = 10**8
AMOUNT = 1_000


class Ward:
    """A ledger with its model, and what is sent to it."""

    def __init__(self, path: Path) -> None:
        self.net: Network = make_network()
        direct, confirmed = Mode.DIRECT, Mode.CONFIRMED
        self.direct = {
            rule: self.add(rule, direct, Policy.RELEASE) for rule in DuplicateRule
        }
        self.confirmed = self.add(DuplicateRule.ONCE, confirmed, Policy.RELEASE)
        self.keeping = self.add(DuplicateRule.ONCE, confirmed, Policy.KEEP)
        self.free = self.add(DuplicateRule.NONE, confirmed, Policy.RELEASE)
        self.pair = Pair(path, threads=False, index_step_rows=STEP_ROWS)
        self.pair.commit([Rows(self.net.rows)], NOW)
        for wallet in self.net.wallets:
            self.pair.one(top_up(self.net, wallet, FUNDS, b"UTR-%d" % wallet), NOW)
        self._number = 0

    # --- what can be asked for ---------------------------------------------------

    def add(self, rule: DuplicateRule, mode: Mode, policy: Policy) -> int:
        """One more service of the first biller, that takes any amount."""
        confirmed = mode is Mode.CONFIRMED
        return self.net.service(
            ServiceRecord(
                b"W-%d-%d-%d" % (rule, mode, policy),
                self.net.billers[0],
                tuple(self.net.heads[0]),
                amount_rule=AmountRule.ANY,
                mode=mode,
                duplicate_rule=rule,
                key_rule=KeyRule.BILL_ID if rule is DuplicateRule.ONCE else 0,
                duplicate_hours=2 if rule is DuplicateRule.WITHIN else 0,
                deadline_s=DEADLINE_S if confirmed else 0,
                deadline_policy=policy,
            )
        )

    def id(self) -> bytes:
        """One that was never used."""
        self._number += 1
        return b"damaged" + self._number.to_bytes(9, "big")

    def pay(self, rule: DuplicateRule = DuplicateRule.NONE, note: bytes = b"") -> Row:
        """A payment as a row template."""
        row = self.hold(self.direct[rule])
        row.kind, row.deadline = Kind.PAY, 0
        row.tail = note or None
        return row

    def hold(self, service: int = 0) -> Row:
        """A hold as a row template."""
        id_ = self.id()
        return Row(
            Kind.HOLD,
            id=id_,
            amount=AMOUNT,
            reference=b"BILL %d" % self._number,
            debit=self.net.wallets[0],
            service=service or self.confirmed,
            participant=self.net.harness,
            deadline=DEADLINE_S,
        )

    def basket(self, size: int) -> list[Row]:
        """Holds that stand or fall together."""
        rows = [self.hold() for _ in range(size)]
        for index, row in enumerate(rows):
            row.basket = size << 8 | index
        return rows

    def payment(self, id_: bytes = b"") -> Payment:
        """A payment in a message of the first centre."""
        id_ = id_ or self.id()
        code = self.net.services[self.direct[DuplicateRule.NONE] - 1].code
        return Payment(
            id=id_, service=code, amount=AMOUNT, reference=id_.hex().encode()
        )

    def message(self, *payments: Payment, basket: tuple[Payment, ...] = ()) -> Payments:
        """Payments of the first centre, and perhaps a basket."""
        centre = self.net.centres[0]
        baskets = [list(basket)] if basket else []
        return Payments(list(payments), baskets, centre, centre)

    # --- doing -------------------------------------------------------------------

    def do(self, *rows: Row) -> list[int]:
        """Commit rows that must be accepted; their sequences."""
        outcomes = self.pair.commit([Rows(list(rows))], NOW)[0]
        assert {outcome.result for outcome in outcomes} == {Result.OK}
        return [outcome.sequence for outcome in outcomes]

    def fill(self) -> None:
        """Put everything so far into the index."""
        rows = [self.pay() for _ in range(FILLING)]
        self.do(*rows)
        while self.pair.ledger.index_step():
            pass

    def damage(self, *sequences: int) -> None:
        """Flip a bit of each of these rows behind the ledger's back, and open it."""
        self.pair.close()
        for sequence in sequences:
            row = self.pair.model.rows[sequence - 1]
            damage_row(self.pair.path, pack_row(row))
        self.pair.reopen()
        self.pair.compare_all()
        for sequence in sequences:
            with pytest.raises(CorruptionError):
                self.pair.ledger.row(sequence)

    def send(self, *asks: Ask, now: int = LATER) -> list[list[Outcome]]:
        """To the ledger alone: one group, with its outcomes."""
        replies = self.pair.ledger.commit([to_request(ask) for ask in asks], now)
        return [read_reply(reply) for reply in replies]

    def refuses(self, ask: Ask, now: int = LATER) -> None:
        """Sent thrice it has no answer but DATA_DAMAGED, and leaves nothing behind."""
        ledger = self.pair.ledger
        before = ledger.sequence, ledger.damaged_requests
        for count in (1, 2, 3):
            [outcomes] = self.send(ask, now=now)
            expected = Outcome(Result.DATA_DAMAGED)
            assert outcomes == [expected] * ask.size()
            asked = count * ask.size()
            assert (ledger.sequence, ledger.damaged_requests - asked) == before
        assert not ledger.dead
        self.pair.compare_all()

    def goes_on(self) -> None:
        """Others are served as before."""
        self.do(self.pay(), self.hold())
        self.pair.compare_all([self.pair.ledger.sequence])


def read_reply(reply: object) -> list[Outcome]:
    """The outcomes of one request."""
    if isinstance(reply, bytes):
        return [outcome for _, outcome in wire.decode_reply(reply)]
    assert isinstance(reply, np.ndarray)
    packed = reply.tobytes()
    return [read_outcome(packed[i : i + 80]) for i in range(0, len(packed), 80)]
