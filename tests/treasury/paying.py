"""A ledger with people whose settlement pays out, asked by hand: windows are closed,
and money is released to beneficiaries.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from switch.bank_numbers import Letter, make_number
from switch.codes import AccountKind, Kind, Result
from switch.file_names import FileName
from switch.register.register import Register
from switch.treasury.books import Books
from switch.treasury.instructions import Instruction, instructions_of
from switch.treasury.payouts import Payouts, find_payouts
from tests.core.cashier import (
    TRANSIT,
    Cashier,
    beneficiary,
    ending,
    thresholds,
    transfer,
)
from tests.core.council import (
    ALPHA,
    BILLER,
    HEAD,
    SECOND_NS,
    SETTLEMENT,
    WALLET,
    register,
    top_up,
)
from tests.signing import Line

SECOND_HEAD = 12
SETTLED = 50_000_000
"""Of each account, before the first payout."""
WAIT_S = 1
NAME = "পশ্চিমবঙ্গ বিদ্যুৎ & Sons"


def named(name: str) -> bytes:
    """The texts behind a beneficiary's record."""
    return json.dumps({"name": name}, ensure_ascii=False).encode()


class Paymaster(Cashier):
    """10 lakh rupees that were settled, and a biller with two accounts, each with a
    beneficiary that may be paid.
    """

    payees: list[int]
    """The rows of both."""

    def begin_paying(self, *, with_payees: bool = True) -> "Paymaster":
        """All that it takes."""
        self.begin()
        self.open((BILLER, 1, AccountKind.BILLER))
        self.told(top_up(200_000_000, b"FIRST"))
        heads = HEAD, SECOND_HEAD
        self.tell(*(transfer(SETTLED, WALLET, head) for head in heads))
        window = self.close_window()
        settle = partial(Line, Kind.SETTLE, SETTLED, window, credit=SETTLEMENT)
        told = self.tell(*(settle(debit=head) for head in heads))
        assert [each.result for each in told] == [Result.OK] * 2
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
        """The sequence of a window closed now, by the switch if nothing is in it."""
        said: dict[str, Any] = {"id": bytes(16), "resolves": self.ledger.last_window}
        told = self.ask(Kind.WINDOW, who=ALPHA, **said)
        if told.result == Result.WINDOW_EMPTY:
            told = self.ask(Kind.WINDOW, **said, participant=0)
        assert told.result == Result.OK, told
        return told.sequence

    def payouts(self, window: int, transit: int = TRANSIT) -> Payouts:
        """Those of a window."""
        after = self.ledger.row(window).resolves
        return find_payouts(self.ledger, after, window, transit)

    def number(self, sequence: int) -> str:
        """A release's."""
        return make_number(Letter.RELEASE, self.ledger.instance, sequence)

    # --- files ---------------------------------------------------------------------

    def names(self, window: int) -> list[FileName]:
        """The instructions of a window."""
        books = self.books()
        found = books.windows.find(window)
        assert found is not None
        return list(instructions_of(books, found))

    def instruction(self, name: FileName) -> Instruction:
        """The maker of one."""
        books = self.books()
        window = books.windows.numbered(name.year, name.ordinal)
        assert window is not None
        return Instruction(books, window, name)

    def made(self, window: int) -> bytes:
        """The one instruction of a window."""
        [name] = self.names(window)
        return b"".join(self.instruction(name).blocks())

    def books(self) -> Books:
        """As whoever opens the ledger now reads it."""
        return Books(Register(self.ledger))


def begun(path: Path) -> Paymaster:
    """One whose ledger begins here."""
    return Paymaster(path).begin_paying()
