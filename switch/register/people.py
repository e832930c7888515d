"""What the register says of people: who may propose and approve, by which key.

May use the words. Whether a signature is right the ledger decides.
"""

from dataclasses import dataclass

from switch.codes import APPROVER_WAIT_DAYS, BENEFICIARY_WAIT_S, PersonRole
from switch.signed import read_person, read_thresholds


@dataclass(frozen=True, slots=True)
class Person:
    """A person as registered last."""

    index: int
    """Among all people, from 1."""
    sequence: int
    time_ns: int
    participant: int
    """Participant index of whom it acts for."""
    number: int
    role: PersonRole
    active: bool
    key: bytes
    bank: int = 0
    """Of a channel: the index of its bank account; 0: none."""

    @property
    def is_idle_channel(self) -> bool:
        """Whether it is a channel that books nothing, as it has no bank account."""
        return self.active and self.role is PersonRole.CHANNEL and not self.bank


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a third person is needed: paise, more than which."""

    single: int
    batch: int
    day: int
    wait_s: int
    """Seconds from a beneficiary's newest row to a payout; 0: what the rules say."""
    wait_days: int
    """Of who would approve by two people's word; 0: what the rules say."""
    sequence: int

    @property
    def waits_s(self) -> int:
        """The same as it holds."""
        return self.wait_s or BENEFICIARY_WAIT_S

    @property
    def approver_days(self) -> int:
        """The days of waiting as they hold."""
        return self.wait_days or APPROVER_WAIT_DAYS


def person_of(tail: bytes, index: int, sequence: int, time_ns: int) -> Person:
    """A person out of its row and tail."""
    one = read_person(tail)
    return Person(
        index,
        sequence,
        time_ns,
        one.participant,
        one.number,
        one.role,
        one.active,
        one.key,
        one.bank,
    )


def thresholds_of(tail: bytes, sequence: int) -> Thresholds:
    """The thresholds out of a row's tail."""
    return Thresholds(*read_thresholds(tail), sequence)
