"""What is wanted of a network as a whole, as lines: when windows close, and what its
accounts begin with.

In a reading thread, as `wishes`, whose ways these share.
"""

from server import arguments
from server.node import Node
from server.services.wished import About, record
from server.status import ArgumentError
from switch.bank_rows import DAY_MAX
from switch.codes import AMOUNT_MAX, AccountKind, AccountState
from switch.ledger import moves
from switch.register.register import PURPOSE_FLOAT
from switch.schedule_rows import (
    CUTOFFS_MAX,
    DAY_MINUTES,
    HOLIDAYS_MAX,
    WEEKDAYS,
    ScheduleRecord,
    day_of,
    schedule_tail,
)
from switch.v1 import people_pb2 as pb

OPENING = "opening"
"""The reason of all of them."""
_TOTALS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_NOT_OPENED = {
    AccountKind.FLOAT: "is what the others are opened from",
    AccountKind.BANK_SUSPENSE: "holds what is not explained, and is not opened",
    AccountKind.BANK_TRANSIT: "holds what is on its way, and is not opened",
}
_ALREADY = None


def schedule(node: Node, wish: pb.ScheduleWish) -> About | None:
    """When windows close by themselves, in place of what was said before."""
    wanted = wish.schedule
    weekdays = 0
    for at, day in enumerate(wanted.weekdays):
        if not 1 <= day <= len(WEEKDAYS) or weekdays >> (day - 1) & 1:
            text = "must be 1 (Monday) to 7, each once"
            raise ArgumentError(f"schedule.weekdays[{at}]", text)
        weekdays |= 1 << (day - 1)
    minutes = tuple(wanted.minutes)
    if len(minutes) > CUTOFFS_MAX or not _ascends(minutes, DAY_MINUTES):
        text = f"must be at most {CUTOFFS_MAX}, ascending, less than {DAY_MINUTES}"
        raise ArgumentError("schedule.minutes", text)
    try:
        holidays = tuple(map(day_of, wanted.holidays))
    except ValueError as error:
        raise ArgumentError("schedule.holidays", str(error)) from error
    if len(holidays) > HOLIDAYS_MAX or not _ascends(holidays, DAY_MAX + 1):
        text = f"must be at most {HOLIDAYS_MAX}, ascending, from 1970 on"
        raise ArgumentError("schedule.holidays", text)
    one = ScheduleRecord(weekdays, minutes, holidays)
    known = node.register.schedule
    if known is not None and known.schedule == one:
        return _ALREADY
    return record(schedule_tail(one), ("schedule", 0))


def _ascends(numbers: tuple[int, ...], end: int) -> bool:
    """Whether each is more than the one before, from 0 and below the end."""
    before = -1
    for one in numbers:
        if not before < one < end:
            return False
        before = one
    return True


def opening(node: Node, wish: pb.OpeningWish) -> About:
    """What an account that has never moved begins with, from a float or to it."""
    register = node.register
    account = arguments.office_account(register, wish.participant, wish.head)
    if account.kind in _NOT_OPENED:
        raise ArgumentError("head", _NOT_OPENED[account.kind])
    if not 0 < abs(wish.amount) <= AMOUNT_MAX:
        raise ArgumentError("amount", "must be 1 to 10^18 paise")
    is_bank = account.kind is AccountKind.BANK
    if wish.amount < 0 and not is_bank:
        text = "must not be negative: only a bank account may be overdrawn"
        raise ArgumentError("amount", text)
    image, _ = node.ledger.account(account.index)
    if any(image[name] for name in _TOTALS):
        raise ArgumentError("head", "has moved already: it begins with nothing else")
    if image["state"] == AccountState.CLOSED:
        raise ArgumentError("head", "is closed")
    ends = (register.treasury_account(PURPOSE_FLOAT).index, account.index)
    # The mirror of a bank account has what the bank has as a debit.
    debit, credit = ends[::-1] if is_bank and wish.amount > 0 else ends
    row = moves.transfer(b"", debit, credit, abs(wish.amount), OPENING, sender=0)
    return About(row, ("opening", account.index))
