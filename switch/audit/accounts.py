"""Every account as the journal gives it, one array for each field.

Index 0 is nobody's. Sums are unsigned 64-bit and may wrap while a run of rows is
applied in bulk; `books` finds a true overflow apart.
"""

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

from switch.audit.kinds import Move, table_of
from switch.audit.layout import ACCOUNT, SEGMENT_ACCOUNTS, U64, Index, Mask, Rows
from switch.codes import AccountKind

I64 = npt.NDArray[np.int64]

TOTALS: Final = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
ANY_BALANCE: Final = table_of(
    AccountKind.FLOAT, AccountKind.BANK, AccountKind.BANK_TRANSIT
)
"""Accounts that may be below zero."""
LOW: Final = np.uint64(0xFFFFFFFF)
HALF: Final = np.uint64(32)


class Accounts:
    """`count` accounts are open or were; fields are arrays at least that long."""

    def __init__(self) -> None:
        """No account."""
        self.count = 0
        self._size = 0
        self._fields: dict[str, npt.NDArray[np.uint64]] = {}
        self._grow(SEGMENT_ACCOUNTS)

    def _grow(self, size: int) -> None:
        """Make room for `size` accounts, index 0 included."""
        for name in ACCOUNT.names or ():
            array = np.zeros(size, dtype=ACCOUNT[name])
            if self._size:
                array[: self._size] = self._fields[name]
            self._fields[name] = array
        self._size = size

    def __getitem__(self, name: str) -> npt.NDArray[np.uint64]:
        """A field of all accounts, by its name in the layout. Not to be kept."""
        return self._fields[name]

    @property
    def size(self) -> int:
        """Length of the arrays."""
        return self._size

    def open(self) -> int:
        """Take the next index; every field is zero."""
        self.count += 1
        if self.count >= self._size:
            self._grow(self._size * 2)
        return self.count

    def is_kind(self, indices: Index, kind: AccountKind) -> Mask:
        """Whether accounts are of a kind."""
        mask: Mask = self._fields["kind"][indices] == int(kind)
        return mask

    def moves(self, rows: Rows) -> Index:
        """What transfers that name a row are, as `Move`: their accounts' kinds say."""
        kinds = self._fields["kind"]
        debit, credit = (
            kinds[np.where(rows[side] <= self.count, rows[side], 0)]
            for side in ("debit", "credit")
        )
        wallet, suspense = int(AccountKind.WALLET), int(AccountKind.SUSPENSE)
        moves = np.full(len(rows), Move.CORRECTION, dtype=np.intp)
        moves[(debit == suspense) & (credit == wallet)] = Move.ADVANCE
        moves[(debit == wallet) & (credit == suspense)] = Move.RECOVERY
        moves[(debit == int(AccountKind.BILLER)) & (credit == wallet)] = Move.UNDOING
        ends = debit == AccountKind.BANK_SUSPENSE
        ends |= debit == AccountKind.BANK_TRANSIT
        moves[ends | (credit == AccountKind.BANK_TRANSIT)] = Move.ENDING
        return moves

    def recalls(self, rows: Rows) -> Mask:
        """Which rows, transfers, take back what they say was released to a bank."""
        kinds, transit = self._fields["kind"], AccountKind.BANK_TRANSIT
        debit, credit = (
            kinds[np.where(rows[side] <= self.count, rows[side], 0)]
            for side in ("debit", "credit")
        )
        mask: Mask = (debit == transit) & (credit != transit)
        mask &= rows["resolves"] != 0
        return mask

    def image(self, first: int, count: int) -> Rows:
        """Account images of `first` ... `first + count - 1`, zeros beyond the last."""
        out = np.zeros(count, dtype=ACCOUNT)
        have = max(0, min(count, self._size - first))
        for name, array in self._fields.items():
            out[name][:have] = array[first : first + have]
        return out

    def totals(self) -> U64:
        """The four totals of accounts 1, 2, ..., one row each."""
        out = np.empty((self.count, 4), dtype="<u8")
        for column, name in enumerate(TOTALS):
            out[:, column] = self._fields[name][1 : self.count + 1]
        return out

    def state_hash(self) -> str:
        """BLAKE2b-256 over the totals in account order, as hexadecimal digits."""
        return state_hash(self.totals())


def state_hash(totals: U64) -> str:
    """BLAKE2b-256 over `totals` (n × 4, in account order), as hexadecimal digits."""
    data = np.ascontiguousarray(totals, dtype="<u8")
    return hashlib.blake2b(data.tobytes(), digest_size=32).hexdigest()


def high_half(values: U64) -> I64:
    """The upper 32 bits of each value, signed so that differences fit."""
    return (values >> HALF).astype(np.int64)


def low_half(values: U64) -> I64:
    """The lower 32 bits of each value, signed so that differences fit."""
    return (values & LOW).astype(np.int64)


def exact_sum(values: U64) -> int:
    """The sum of unsigned 64-bit values, however large."""
    high = int((values >> HALF).sum(dtype=np.uint64))
    return (high << 32) + int((values & LOW).sum(dtype=np.uint64))


def below_zero(
    account: Index, at: Index, gain: U64, loss: U64, strict: Mask, opening: Accounts
) -> Index:
    """Positions of movements that leave an account below zero.

    Each movement is of one `account` at row position `at` and adds `gain - loss` to
    what is available there; only `strict` ones are judged. Values are split into
    32-bit halves, so that running sums are exact in signed 64 bits.
    """
    order = np.lexsort((at, account))
    account, gain, loss = account[order], gain[order], loss[order]
    first = np.empty(len(account), dtype=np.bool_)
    first[:1] = True
    np.not_equal(account[1:], account[:-1], out=first[1:])
    group = np.cumsum(first) - 1
    halves = []
    for take in (high_half, low_half):
        change = take(gain) - take(loss)
        running = np.cumsum(change)
        start = take(opening["credits_posted"][account])
        start -= take(opening["debits_posted"][account])
        start -= take(opening["debits_pending"][account])
        base = (running - change)[first]
        halves.append(running - base[group] + start)
    high, low = halves
    negative = (high + (low >> 32)) < 0
    wrong: Index = at[order[negative & strict[order]]]
    return wrong
