"""What the centre's wallet can pay now: an operator is told before taking cash.

The switch alone decides each payment. This keeps cash out of a drawer that would have
to give it back.
"""

import asyncio
import time

from switch.calendar import ist_date
from switch.client import CallError
from switch.codes import NO_AMOUNT_LIMIT, NO_COUNT_LIMIT, Result
from switch.money import format_amount
from switch.v1 import wallets_pb2
from switch.web.counter import words
from switch.web.counter.desk import Desk
from switch.web.counter.drafts import Line
from switch.web.counter.line import OfflineError
from switch.web.sessions import Session

READ_S = 3.0
"""A page waits so long for the balance; after that it says that it is not known."""
_STATES = {
    wallets_pb2.ACCOUNT_STATE_FROZEN: Result.DEBIT_FROZEN,
    wallets_pb2.ACCOUNT_STATE_CLOSED: Result.DEBIT_CLOSED,
}


async def read_wallet(desk: Desk, *, fresh: bool = False) -> wallets_pb2.Wallet | None:
    """The wallet, a few seconds old unless `fresh`; None if it cannot be read in time.

    None says nothing of the money: the switch decides, as it does in any case.
    """
    reading = asyncio.to_thread(desk.line.wallet, fresh=fresh)
    try:
        return await asyncio.wait_for(reading, READ_S)
    except (TimeoutError, OfflineError, CallError):
        return None


async def wallet_for(desk: Desk, amount: int) -> wallets_pb2.Wallet | None:
    """The same, read anew before anybody is told that it cannot pay `amount`."""
    wallet = await read_wallet(desk)
    if wallet is not None and refusal(wallet, amount) is not Result.OK:
        wallet = await read_wallet(desk, fresh=True)
    return wallet


async def ask_line(desk: Desk) -> wallets_pb2.Wallet | None:
    """The wallet as it is now; None if the switch answers, but does not tell it.

    How the line was a moment ago says nothing. Raises OfflineError if it is down.
    """
    try:
        return await asyncio.to_thread(desk.line.wallet, fresh=True)
    except CallError:
        return None


def least_of(line: Line) -> int:
    """The smallest amount that a line can be paid with, in paise."""
    return 1 if line.rule == "below" else line.amount


def refusal(wallet: wallets_pb2.Wallet, amount: int) -> Result:
    """Why the switch would refuse an amount to this wallet, in the order of its checks;
    OK if nothing is known that would.
    """
    if wallet.state in _STATES:
        return _STATES[wallet.state]
    spent, count = wallet.day_amount, wallet.day_count
    if wallet.day != ist_date(time.time_ns()).isoformat():
        spent = count = 0
    if wallet.payment_max != NO_AMOUNT_LIMIT and amount > wallet.payment_max:
        return Result.PAYMENT_AMOUNT_EXCEEDED
    if wallet.day_count_max != NO_COUNT_LIMIT and count + 1 > wallet.day_count_max:
        return Result.DAY_COUNT_EXCEEDED
    if (
        wallet.day_amount_max != NO_AMOUNT_LIMIT
        and spent + amount > wallet.day_amount_max
    ):
        return Result.DAY_AMOUNT_EXCEEDED
    return Result.OK if amount <= wallet.available else Result.INSUFFICIENT_FUNDS


def refusal_text(wallet: wallets_pb2.Wallet, amount: int, session: Session) -> str:
    """Tells an operator that the wallet cannot pay an amount, and what to do; else
    nothing.
    """
    reason = refusal(wallet, amount)
    if reason is Result.OK:
        return ""
    say = words.sayer(session.language)
    if reason is not Result.INSUFFICIENT_FUNDS:
        text = words.result_words(int(reason), session.language)
        return say("funds refused", reason=text)
    is_bengali = session.language == "bn"
    return say(
        "funds short",
        available=format_amount(wallet.available, bengali=is_bengali),
        short=format_amount(amount - wallet.available, bengali=is_bengali),
    )
