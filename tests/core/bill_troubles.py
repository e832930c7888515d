"""A walk over bills, with what goes wrong around it: processes end and are killed, keys
change, clocks differ, connections break, rows are damaged, and money is not there.

Of tests/core/test_bills_once.py, which see.
"""

import shutil
from collections.abc import Callable

from switch.codes import Kind, Result
from tests.core import wire
from tests.core.bill_ends import Ends
from tests.core.market import FUNDS, SECOND_NS
from tests.core.pair import pack_row, to_request
from tests.damage import ROW_BIT, damage_row
from tests.model import Answers, Payments
from tests.people import MAKER
from tests.records import Outcome, Row, Said

WHERE = ROW_BIT // 8
"""Bytes of a row before the one that is damaged."""
SKEWS_S = (0, 0, -4_000, -700, -90, 90, 700)
"""How far the department's clock may be ahead of the switch's."""


class Troubles(Ends):
    """A walk with all of it."""

    def moves(self) -> list[Callable[[], None]]:
        return [*super().moves(), *[self.disturb] * 5]

    def disturb(self) -> None:
        """Something goes wrong; most often the index goes on."""
        pair, rng = self.market.pair, self.rng
        draw = rng.randrange(16)
        if draw == 0:
            pair.reopen(without_index=self.chance(2))
            self.judge_all()
        elif draw == 1:
            number = pair.model.keys[0][0] % 255 + 1
            pair.set_keys([(number, rng.randbytes(32)), pair.model.keys[0]])
        elif draw == 2:
            self.kill()
        elif draw == 3:
            self.department.ahead_ns = rng.choice(SKEWS_S) * SECOND_NS
        elif draw == 4:
            self.damage()
        elif draw in (5, 6, 7) or self.unfunded:
            self.lend()
        else:
            pair.ledger.index_step()

    def kill(self) -> None:
        """The process is gone in the middle; another opens what it has written."""
        pair = self.market.pair
        left = pair.path.with_name(f"ledger-{self.seen['kill']}")
        shutil.copytree(pair.path, left, ignore=shutil.ignore_patterns("LOCK"))
        pair.ledger.close()
        shutil.rmtree(pair.path)
        pair.path = left
        pair.open_again()
        self.seen["kill"] += 1
        self.judge_all()

    # --- connections ------------------------------------------------------------------

    def answer(self, said: list[Said]) -> list[Outcome]:
        """As one message, which may come again: its connection broke before it knew."""
        outcomes = super().answer(said)
        if self.chance(6):
            if self.chance(3):
                self.kill()
            self.reconnect(said)
        return outcomes

    def reconnect(self, said: list[Said]) -> None:
        """What is said again makes no row."""
        last = self.market.pair.ledger.sequence
        again = self.commit([Answers(said, self.market.billers[0][0])])
        assert all(outcome.sequence <= last for outcome in again)
        self.seen["reconnect"] += 1

    # --- damage -----------------------------------------------------------------------

    def damage(self) -> None:
        """A row cannot be read for a while: who asks about it is told so."""
        pair = self.market.pair
        now = pair.model.timestamp + 1
        if not self.accepted or (pair.model.due and pair.model.due[0][0] <= now):
            return  # what is due would end beside it
        payment, sender = self.rng.choice(self.accepted)
        row = pair.model.rows[pair.model.ids[sender, payment.id] - 1]
        whole = pack_row(row)
        ask = Payments([payment], [], sender, sender)
        last = pair.ledger.sequence
        damage_row(pair.path, whole[:WHERE])
        [reply] = pair.ledger.commit([to_request(ask)], now)
        assert isinstance(reply, bytes)
        [(_, told)] = wire.decode_reply(reply)
        assert told == Outcome(Result.DATA_DAMAGED)
        assert pair.ledger.sequence == last
        damage_row(pair.path, whole[:WHERE])
        [told] = self.commit([ask])
        assert told.repeat
        self.seen["damaged"] += 1

    # --- money that is not there ------------------------------------------------------

    def lend(self) -> None:
        """The treasury takes back all that was to be advanced, or lends it again, and
        what has waited for it is done.
        """
        net = self.market.net
        free = self.market.model.accounts[net.suspense].available
        row = Row(Kind.TRANSFER, id=self.market.id(), amount=free or FUNDS)
        row.debit, row.credit = net.suspense, net.float_
        if not free:
            row.debit, row.credit = row.credit, row.debit
        row.reference, row.participant = b"as it is needed", MAKER
        self.note(self.market.pair.one(row, self.market.tick()))
        if not free:
            self.pay_owed()

    def pay_owed(self) -> None:
        """What was agreed on is done now, unless its biller has spoken since."""
        for deed in self.unfunded:
            outcome = self.market.pair.one(deed, self.market.tick())
            self.note(outcome)
            self.seen["refund owed"] += outcome.result == Result.OK
        self.unfunded.clear()
        self.catch_up()
