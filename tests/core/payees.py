"""What a walk's book knows of billers that are paid out, from docs/decided.md: what was
settled of their accounts, what was paid out of it, and whose word of them is newest.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

from switch.codes import BENEFICIARY_WAIT_S, Result
from tests.core.cashier import TRANSIT, ending
from tests.core.council import SECOND_NS, SETTLEMENT
from tests.records import Row
from tests.signing import Line

WAIT_NS = BENEFICIARY_WAIT_S * SECOND_NS


class Payees:
    """Biller accounts with a beneficiary each."""

    def __init__(self, accounts: Sequence[int]) -> None:
        self.accounts = accounts
        self.newest: dict[int, tuple[int, int]] = {}
        """By account: the newest row about its beneficiary, and when it was made."""
        self.settled: Counter[int] = Counter()
        self.paid_out: Counter[int] = Counter()
        self.released: list[tuple[int, Row, int]] = []
        """What was paid out and is not recalled: account, payout, its sequence."""

    def room(self, account: int) -> int:
        """Paise that were settled and not paid out."""
        return self.settled[account] - self.paid_out[account]

    def payout(self, account: int, rng: Random) -> Line:
        """A line that pays out all that there is, or a part."""
        named, _ = self.newest[account]
        amount = rng.choice((self.room(account), self.room(account), 1))
        return ending(named, amount, SETTLEMENT, TRANSIT)

    def expected(self, account: int, row: Row, now: int) -> Result:
        """What the rules say of a payout that people want still."""
        named, since = self.newest[account]
        if row.resolves != named:
            return Result.BENEFICIARY_WRONG
        if now - since < WAIT_NS:
            return Result.BENEFICIARY_WAITS
        more = row.amount > self.room(account)
        return Result.EXCEEDS_SETTLED if more else Result.OK

    def done(self, account: int, row: Row, sequence: int) -> None:
        """Note a payout that was done."""
        self.paid_out[account] += row.amount
        self.released.append((account, row, sequence))

    def recall(self, rng: Random) -> Line:
        """A line that takes a payout back, as if it was done."""
        at = rng.randrange(len(self.released))
        account, row, sequence = self.released.pop(at)
        self.paid_out[account] -= row.amount
        return ending(sequence, row.amount, TRANSIT, SETTLEMENT)
