"""What rows about banks carry in their tails: three records, and what a bank wrote.

For both sides of the wire, as `signed`, over bytes alone; docs/data-model.md says what
each is. May use `codes`.
"""

import json
import re
import struct
from typing import Any, Final, NamedTuple

from switch.codes import BOOKED_TAIL_MAX, Record, Source

ACCOUNT_SIZE_MAX: Final = 34
"""Characters of a bank account's number."""
NAME_SIZE: Final = 8
"""Bytes that stand for the bank's name of a statement."""
PURPOSE_FIRST: Final = 16
PURPOSE_LAST: Final = 65_533
"""Of a bank account; the two behind it are its suspense's and its transit's."""
STATEMENT_LINES_MAX: Final = 7_999
"""Lines before a statement's own, in one proposal."""
DAY_MAX: Final = 65_535
NUMBER_MAX: Final = 2**32 - 1
BALANCE_MAX: Final = 10**18

_BANK_ACCOUNT: Final = struct.Struct("<BBxxIH6x40s")
_STATEMENT: Final = struct.Struct("<BBxxIIIIIqq8s")
_BENEFICIARY: Final = struct.Struct("<BBxxI40s16s")
_IFSC: Final = re.compile("[A-Z]{4}0[A-Z0-9]{6}")
_ACCOUNT: Final = re.compile(f"[A-Z0-9]{{1,{ACCOUNT_SIZE_MAX}}}")


class BankAccountRecord(NamedTuple):
    """A bank account, as its record has it."""

    active: bool
    participant: int
    purpose: int
    account: str
    """The bank's number for it."""


class StatementRecord(NamedTuple):
    """A statement, or a piece of one, likewise."""

    source: Source
    bank: int
    """The bank account's index."""
    number: int
    """The bank's; 0 for none."""
    first_day: int
    last_day: int
    """Days since 1970-01-01, by the bank."""
    lines_count: int
    opening: int
    closing: int
    """Paise, in favour of the account's owner."""
    name: bytes


class BookedTexts(NamedTuple):
    """What a bank wrote about a line, for people."""

    booked: str = ""
    """The bank's date."""
    kind: str = ""
    charges: int = 0
    """Paise that the bank kept of it."""
    texts: tuple[str, ...] = ()
    is_cut: bool = False
    """There was more than the ledger keeps."""


def bank_account_tail(one: BankAccountRecord) -> bytes:
    """The record of a bank account; names for people may follow. Raises ValueError."""
    try:
        return _BANK_ACCOUNT.pack(
            int(Record.BANK_ACCOUNT),
            int(one.active),
            one.participant,
            one.purpose,
            one.account.encode("ascii"),
        )
    except (struct.error, UnicodeEncodeError) as error:
        raise ValueError(f"no bank account can be that: {error}") from None


def read_bank_account(tail: bytes) -> BankAccountRecord:
    """A bank account out of a tail."""
    _, active, participant, purpose, account = _BANK_ACCOUNT.unpack_from(tail)
    number = account.rstrip(b"\0").decode("ascii", "replace")
    return BankAccountRecord(bool(active), participant, purpose, number)


BANK_ACCOUNT_SIZE: Final = _BANK_ACCOUNT.size
STATEMENT_SIZE: Final = _STATEMENT.size


def statement_tail(one: StatementRecord) -> bytes:
    """The record of a statement. Raises ValueError if a figure does not fit."""
    try:
        return _STATEMENT.pack(
            int(Record.STATEMENT),
            int(one.source),
            one.bank,
            one.number,
            one.first_day,
            one.last_day,
            one.lines_count,
            one.opening,
            one.closing,
            one.name,
        )
    except struct.error as error:
        raise ValueError(f"no statement can be that: {error}") from None


def read_statement(tail: bytes) -> StatementRecord:
    """A statement out of a tail."""
    _, source, *values = _STATEMENT.unpack_from(tail)
    return StatementRecord(Source(source), *values)


# --- to whom money is paid out --------------------------------------------------------


class BeneficiaryRecord(NamedTuple):
    """To which account at a bank the money of a biller's account goes."""

    active: bool
    account: int
    """Index of the biller's account in the ledger."""
    number: str
    """Of its owner's account at the bank."""
    ifsc: str
    """The bank's branch."""


def beneficiary_tail(one: BeneficiaryRecord) -> bytes:
    """The record of a beneficiary; texts for people may follow. Raises ValueError."""
    try:
        return _BENEFICIARY.pack(
            int(Record.BENEFICIARY),
            int(one.active),
            one.account,
            one.number.encode("ascii"),
            one.ifsc.encode("ascii"),
        )
    except (struct.error, UnicodeEncodeError) as error:
        raise ValueError(f"no beneficiary can be that: {error}") from None


def read_beneficiary(tail: bytes) -> BeneficiaryRecord:
    """A beneficiary out of a tail."""
    _, active, account, *texts = _BENEFICIARY.unpack_from(tail)
    number, ifsc = (one.rstrip(b"\0").decode("ascii", "replace") for one in texts)
    return BeneficiaryRecord(bool(active), account, number, ifsc)


BENEFICIARY_SIZE: Final = _BENEFICIARY.size


def is_account_number(text: str) -> bool:
    """Whether an account at a bank may have this number, in its one form."""
    return _ACCOUNT.fullmatch(text) is not None


def is_ifsc(text: str) -> bool:
    """Whether a bank's branch may have this code, in its one form."""
    return _IFSC.fullmatch(text) is not None


# --- what a bank wrote ----------------------------------------------------------------

CUT: Final = "…"
"""At the end of a text that is longer than what is kept of it."""


def booked_tail(one: BookedTexts) -> bytes:
    """JSON of at most BOOKED_TAIL_MAX bytes. What does not fit is left out from the end
    of the texts on, and that it was is said.
    """
    whole = _pack(one)
    if len(whole) <= BOOKED_TAIL_MAX:
        return whole
    kept: list[str] = []
    for text in one.texts:
        if len(_pack(_cut(one, [*kept, text]))) > BOOKED_TAIL_MAX:
            kept += _fitting(one, kept, text)
            break
        kept.append(text)
    return _pack(_cut(one, kept))


def _fitting(one: BookedTexts, kept: list[str], text: str) -> list[str]:
    """As much of a text as there is room for behind others; nothing if that is none."""
    least, most = 0, len(text) - 1
    while least < most:
        size = (least + most + 1) // 2
        if len(_pack(_cut(one, [*kept, text[:size] + CUT]))) <= BOOKED_TAIL_MAX:
            least = size
        else:
            most = size - 1
    return [text[:least] + CUT] if least else []


def _cut(one: BookedTexts, texts: list[str]) -> BookedTexts:
    return one._replace(texts=tuple(texts), is_cut=True)


def _pack(one: BookedTexts) -> bytes:
    found: dict[str, Any] = {}
    if one.booked:
        found["booked"] = one.booked
    if one.kind:
        found["kind"] = one.kind
    if one.charges:
        found["charges"] = one.charges
    if one.texts:
        found["texts"] = one.texts
    if one.is_cut:
        found["cut"] = True
    if not found:
        return b""
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def read_booked(tail: bytes) -> BookedTexts:
    """What a bank wrote, of a booked row's tail item.

    Whoever signed the row could put anything there: what is not as `booked_tail` makes
    it is one text.
    """
    if not tail:
        return BookedTexts()
    try:
        found = json.loads(tail.decode("utf-8"))
        listed = found.pop("texts", [])
        one = BookedTexts(
            found.pop("booked", ""),
            found.pop("kind", ""),
            found.pop("charges", 0),
            tuple(listed),
            found.pop("cut", False),
        )
        texts = (one.booked, one.kind, *one.texts)
        is_it = (
            not found
            and isinstance(listed, list)
            and all(isinstance(text, str) for text in texts)
        )
        is_it = is_it and isinstance(one.is_cut, bool) and type(one.charges) is int
        is_it = is_it and 0 <= one.charges <= BALANCE_MAX
        # Nothing hidden: no name twice, no half of a surrogate that could not be sent.
        if is_it and _pack(one) == tail:
            return one
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    return BookedTexts(texts=(tail.decode("utf-8", "replace"),))
