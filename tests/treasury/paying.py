"""A ledger with people whose settlement pays out, asked by hand: windows are closed,
and money is released to beneficiaries.
"""

import io
import json
from pathlib import Path

from switch._core import Ledger
from switch.bank_numbers import Letter, make_number
from switch.codes import AccountKind, Kind, Result
from switch.treasury.instructions import Debtor, instruct, write_instruction
from switch.treasury.payouts import Payouts, find_payouts
from tests.core.cashier import (
    NUMBER,
    TRANSIT,
    Cashier,
    beneficiary,
    ending,
    thresholds,
    transfer,
)
from tests.core.council import (
    BILLER,
    HEAD,
    SECOND_NS,
    SETTLEMENT,
    WALLET,
    register,
    top_up,
)

SECOND_HEAD = 12
WAIT_S = 1
DEBTOR = Debtor(1, NUMBER.decode(), "Treasury of the State")
NAME = "পশ্চিমবঙ্গ বিদ্যুৎ & Sons"


def named(name: str) -> bytes:
    """The texts behind a beneficiary's record."""
    return json.dumps({"name": name}, ensure_ascii=False).encode()


class Paymaster(Cashier):
    """10 lakh rupees on settlement, and a biller with two accounts, each with a
    beneficiary that may be paid.
    """

    payees: list[int]
    """The rows of both."""

    def begin_paying(self, *, with_payees: bool = True) -> "Paymaster":
        """All that it takes."""
        self.begin()
        self.open((BILLER, 1, AccountKind.BILLER))
        self.tell(
            top_up(200_000_000, b"FIRST"), transfer(100_000_000, WALLET, SETTLEMENT)
        )
        self.tell(register(thresholds(wait_s=WAIT_S)))
        if with_payees:
            self.register_payees()
        return self

    def register_payees(self) -> None:
        """Of the first account with a name, of the second without."""
        self.payees = [
            self.registered(beneficiary(HEAD) + named(NAME)),
            self.registered(beneficiary(SECOND_HEAD, b"55", b"SBIN0001234")),
        ]
        self.now += 2 * WAIT_S * SECOND_NS

    def registered(self, tail: bytes) -> int:
        """The sequence of a beneficiary's row."""
        told = self.told(register(tail))
        assert told.result == Result.OK, told
        return told.sequence

    def pay_out(self, amount: int, payee: int = 0, to: int = TRANSIT) -> int:
        """The sequence of a payout that two people want."""
        told = self.told(ending(self.payees[payee], amount, SETTLEMENT, to))
        assert told.result == Result.OK, told
        return told.sequence

    def close_window(self) -> int:
        """The sequence of a window closed now."""
        told = self.ask(Kind.WINDOW, id=bytes(16), resolves=self.ledger.last_window)
        assert told.result == Result.OK, told
        return told.sequence

    def payouts(self, window: int, transit: int = TRANSIT) -> Payouts:
        """Those of a window."""
        return find_payouts(self.ledger, window, transit)

    def number(self, sequence: int) -> str:
        """A release's."""
        return make_number(Letter.RELEASE, self.ledger.instance, sequence)


def made(ledger: Ledger, window: int, debtor: Debtor = DEBTOR) -> bytes:
    """The instruction of a window, which is the first of its year."""
    payouts = find_payouts(ledger, window, TRANSIT)
    out = io.BytesIO()
    write_instruction(ledger, instruct(ledger, payouts, debtor, "2025-0001"), out)
    return out.getvalue()


def begun(path: Path) -> Paymaster:
    """One whose ledger begins here."""
    return Paymaster(path).begin_paying()
