"""What the register says of banks: their accounts, each one's last statement, and to
whom billers' money is paid out.

May use the words. A part of `Register`, which gives it the rows; any thread may read.
What was booked, and what is open of it, is the ledger's to tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from switch.bank_rows import (
    BANK_ACCOUNT_SIZE,
    BENEFICIARY_SIZE,
    PURPOSE_FIRST,
    PURPOSE_LAST,
    StatementRecord,
    read_bank_account,
    read_beneficiary,
    read_statement,
)
from switch.said import BANK_PREFIX, BANK_SUSPENSE, BANK_TRANSIT, read_texts

SUSPENSE = 1
TRANSIT = 2
"""How far behind its own purpose those of a bank account's two others are."""
_NAME_MAX = 200
"""Characters; the ledger takes 65,536, and a page of such is more than one message."""
PURPOSES = 3


@dataclass(frozen=True, slots=True)
class BankAccount:
    """A bank account as registered last."""

    index: int
    """Among all of them, from 1."""
    sequence: int
    participant: int
    """Participant index of whose it is."""
    purpose: int
    number: str
    """The bank's."""
    active: bool
    name: str
    """For people."""

    def part_of(self, purpose: int) -> int:
        """Which of its three accounts has a purpose: 0, SUSPENSE, TRANSIT; else -1."""
        part = purpose - self.purpose
        return part if 0 <= part < PURPOSES else -1


@dataclass(frozen=True, slots=True)
class BankStatement:
    """A statement, or a piece of one, as it was accepted."""

    sequence: int
    time_ns: int
    record: StatementRecord


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """To whom the money of a biller's account is paid out, as registered last."""

    index: int
    """Among all of them, from 1."""
    sequence: int
    time_ns: int
    account: int
    """Index of the biller's account."""
    number: str
    ifsc: str
    active: bool
    name: str
    """For people."""


class Banks:
    """The bank accounts of a register, and its beneficiaries."""

    def __init__(self) -> None:
        self._accounts: dict[int, BankAccount] = {}
        self._by_number: dict[str, BankAccount] = {}
        self._by_purpose: dict[tuple[int, int], BankAccount] = {}
        self._statements: dict[int, BankStatement] = {}
        self._beneficiaries: dict[int, Beneficiary] = {}
        self._by_account: dict[int, Beneficiary] = {}

    def take_account(self, tail: bytes, index: int, sequence: int) -> None:
        """Note the newest row about a bank account."""
        one = read_bank_account(tail)
        name = _name(tail[BANK_ACCOUNT_SIZE:])
        known = BankAccount(
            index,
            sequence,
            one.participant,
            one.purpose,
            one.account,
            one.active,
            name,
        )
        self._accounts[index] = known
        self._by_number[known.number] = known
        for part in range(PURPOSES):
            self._by_purpose[known.participant, known.purpose + part] = known

    def take_statement(
        self, tail: bytes, index: int, sequence: int, time_ns: int
    ) -> None:
        """Note the newest statement of the bank account with this index."""
        self._statements[index] = BankStatement(sequence, time_ns, read_statement(tail))

    def take_beneficiary(
        self, tail: bytes, index: int, sequence: int, time_ns: int
    ) -> None:
        """Note the newest row about a beneficiary."""
        one = read_beneficiary(tail)
        known = Beneficiary(
            index,
            sequence,
            time_ns,
            one.account,
            one.number,
            one.ifsc,
            one.active,
            _name(tail[BENEFICIARY_SIZE:]),
        )
        self._beneficiaries[index] = known
        self._by_account[one.account] = known

    @property
    def has_beneficiaries(self) -> bool:
        """Whether payouts name to whom they go."""
        return bool(self._beneficiaries)

    def beneficiaries_after(self, index: int, count: int) -> list[Beneficiary]:
        """Up to `count` beneficiaries behind this index, by index, without gaps."""
        last = min(index + count, len(self._beneficiaries))
        return [self._beneficiaries[one] for one in range(index + 1, last + 1)]

    def beneficiary_of(self, account: int) -> Beneficiary | None:
        """To whom the money of a biller's account, by its index, is paid out."""
        return self._by_account.get(account)

    def active_beneficiaries(self) -> list[Beneficiary]:
        """Those that money may be paid out to, now or later."""
        return [one for one in self._by_account.values() if one.active]

    def after(self, index: int, count: int) -> list[BankAccount]:
        """Up to `count` bank accounts behind this index, by index, without gaps."""
        last = min(index + count, len(self._accounts))
        return [self._accounts[one] for one in range(index + 1, last + 1)]

    def find(self, number: str) -> BankAccount | None:
        """The bank account with this number, in its one form."""
        return self._by_number.get(number)

    def number_of(self, index: int) -> str:
        """The bank's number of the bank account with this index; empty of 0."""
        return self._accounts[index].number if index else ""

    def owner_of(self, participant: int, purpose: int) -> BankAccount | None:
        """The bank account one of whose three accounts this participant's is."""
        return self._by_purpose.get((participant, purpose))

    def head_of(self, participant: int, purpose: int) -> str:
        """What one of a bank account's three accounts is called; empty for any other.
        No participant's id begins so.
        """
        owner = self.owner_of(participant, purpose)
        if owner is None:
            return ""
        part = owner.part_of(purpose)
        return f"{BANK_PREFIX}{owner.number}{('', BANK_SUSPENSE, BANK_TRANSIT)[part]}"

    def find_head(self, head: str) -> tuple[int, int] | None:
        """Participant index and purpose of the account that is called so."""
        number, _, part = head.removeprefix(BANK_PREFIX).partition(" ")
        owner = self.find(number) if head.startswith(BANK_PREFIX) else None
        for at, name in enumerate(("", BANK_SUSPENSE, BANK_TRANSIT)):
            if owner is not None and name.removeprefix(" ") == part:
                return owner.participant, owner.purpose + at
        return None

    def statement(self, index: int) -> BankStatement | None:
        """The statement accepted last of the bank account with this index."""
        return self._statements.get(index)

    def free_purposes(self, participant: int) -> Iterator[int]:
        """Purposes of a participant that no bank account of the register has."""
        for purpose in range(PURPOSE_FIRST, PURPOSE_LAST + 1, PURPOSES):
            if (participant, purpose) not in self._by_purpose:
                yield purpose

    def first_free(self, participant: int, most: int) -> list[int]:
        """Some of them, the least."""
        return list(islice(self.free_purposes(participant), most))


def _name(texts: bytes) -> str:
    """What it is called, of the texts behind a record, as far as a list has room."""
    try:
        return read_texts(texts).get("name", "")[:_NAME_MAX]
    except ValueError:
        # The ledger takes any bytes here.
        return ""
