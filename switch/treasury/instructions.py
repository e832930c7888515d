"""The payment instruction to a bank, ISO 20022 pain.001.001.09: a window's payouts.

May use `letters`, `payouts`, the core and the words. A function of the journal up to
the window's row: its name and numbers follow from the window and the releases, its time
is that of the newest release in it, and whom it pays is what the very register row says
that each payout names. Made again, anywhere, it is the same, byte for byte; it is
written as it is made, so that its size costs no memory. docs/files.md has the format.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple, TypeAlias

import numpy as np
from lxml import etree

from switch._core import PARTICIPANT_RECORD, Ledger, entries_of
from switch.bank_numbers import Letter, letters_of, make_number
from switch.bank_rows import BENEFICIARY_SIZE, read_beneficiary
from switch.calendar import IST, NS_IN_S
from switch.codes import AMOUNT_MAX, Record
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger.templates import get_bytes
from switch.said import read_texts
from switch.treasury.letters import bank_text
from switch.treasury.payouts import U64, Payouts, PayoutsError

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NAME_MAX: Final = 140
"""Characters of a party's name."""
STEP_PAYOUTS: Final = 1_024
"""Payouts that are read together."""

_PAISE: Final = 100


Element: TypeAlias = "tuple[str, str | Sequence[Element]]"
"""A name, and its text or what is in it."""


class Debtor(NamedTuple):
    """Whose bank account pays, as of the window's row."""

    bank: int
    """Index of the bank account among all of them."""
    number: str
    """The bank's for it."""
    name: str
    """For people; in letters that banks take something must be left of it."""


class Instruction(NamedTuple):
    """What is to be written."""

    id: str
    """The message's, and its one batch's."""
    debtor: Debtor
    payouts: Payouts


def instruct(
    ledger: Ledger, payouts: Payouts, debtor: Debtor, window_number: str
) -> Instruction:
    """The instruction of some payouts; `window_number` is the window's among those of
    its financial year, `2026-0031`.

    Raises PayoutsError if there is nothing to pay, as no bank takes an empty one, or
    more than it could say.
    """
    if not len(payouts.sequences):
        text = f"window {payouts.window}: nothing is to be paid from {debtor.number}"
        raise PayoutsError(text)
    if payouts.amount > AMOUNT_MAX:
        raise PayoutsError(f"window {payouts.window}: its sum is more than can be said")
    letters = letters_of(b"instruction", ledger.instance, payouts.window)
    name = f"P{window_number}-{debtor.bank:02d}-{letters}"
    return Instruction(name, debtor, payouts)


def write_instruction(ledger: Ledger, one: Instruction, out: BinaryIO) -> None:
    """Write it. Raises CorruptionError, or what `out` raises, in the midst of it."""
    payouts = one.payouts
    newest = dt.datetime.fromtimestamp(payouts.newest_ns // NS_IN_S, IST)
    totals: list[Element] = [
        ("NbOfTxs", str(len(payouts.sequences))),
        ("CtrlSum", _rupees(payouts.amount)),
    ]
    header: list[Element] = [
        ("MsgId", one.id),
        ("CreDtTm", newest.isoformat()),
        *totals,
        ("InitgPty", [("Nm", one.debtor.name)]),
    ]
    batch: list[Element] = [
        ("PmtInfId", one.id),
        ("PmtMtd", "TRF"),
        # One debit line for each: a line of several would say nothing of any release.
        ("BtchBookg", "false"),
        *totals,
        ("ReqdExctnDt", [("Dt", newest.date().isoformat())]),
        ("Dbtr", [("Nm", one.debtor.name)]),
        ("DbtrAcct", [*_account(one.debtor.number), ("Ccy", "INR")]),
        ("DbtrAgt", [("FinInstnId", [("Othr", [("Id", "NOTPROVIDED")])])]),
    ]
    with etree.xmlfile(out, encoding="UTF-8") as file:
        file.write_declaration()
        with file.element(_name("Document"), nsmap={None: NAMESPACE}):
            with file.element(_name("CstmrCdtTrfInitn")):
                _put(file, ("GrpHdr", header))
                with file.element(_name("PmtInf")):
                    for element in batch:
                        _put(file, element)
                    for payment in _payments(ledger, one):
                        file.write("\n")
                        _put(file, payment)
            file.write("\n")


def _payments(ledger: Ledger, one: Instruction) -> Iterator[Element]:
    sequences = one.payouts.sequences
    for first in range(0, len(sequences), STEP_PAYOUTS):
        rows = ledger.gather(sequences[first : first + STEP_PAYOUTS])
        named = dict(_payees(ledger, rows["resolves"]))
        for entry in entries_of(rows):
            yield _payment(ledger, entry, named[entry.resolves])


class Payee(NamedTuple):
    """To whom a payout goes, as the register's row that it names has it."""

    name: str
    number: str
    ifsc: str


def _payees(ledger: Ledger, sequences: U64) -> Iterator[tuple[int, Payee]]:
    """By the sequence of each register row."""
    distinct = np.unique(sequences)
    for sequence, tail in zip(distinct.tolist(), ledger.tails(distinct), strict=True):
        if tail[:1] != bytes([Record.BENEFICIARY]):
            raise CorruptionError(sequence, "is of no beneficiary")
        known = read_beneficiary(tail)
        try:
            name = read_texts(tail[BENEFICIARY_SIZE:]).get("name", "")
        except ValueError:
            # The ledger takes any bytes here.
            name = ""
        whose = bank_text(name, NAME_MAX) or _owner(ledger, known.account)
        yield sequence, Payee(whose, known.number, known.ifsc)


def _owner(ledger: Ledger, account: int) -> str:
    """The id of the biller whose account it is, which never changes."""
    image, _ = ledger.account(account)
    sequence = int(ledger.records(Record.PARTICIPANT)[int(image["participant"])])
    tail = ledger.tail(sequence)
    code = get_bytes(tail, PARTICIPANT_RECORD, "code").decode("ascii")
    return bank_text(code, NAME_MAX)


def _payment(ledger: Ledger, entry: Entry, payee: Payee) -> Element:
    number = make_number(Letter.RELEASE, ledger.instance, entry.sequence)
    member: list[Element] = [("ClrSysId", [("Cd", "INFSC")]), ("MmbId", payee.ifsc)]
    return (
        "CdtTrfTxInf",
        [
            ("PmtId", [("InstrId", number), ("EndToEndId", number)]),
            ("Amt", [("InstdAmt", _rupees(entry.amount))]),
            ("CdtrAgt", [("FinInstnId", [("ClrSysMmbId", member)])]),
            ("Cdtr", [("Nm", payee.name)]),
            ("CdtrAcct", _account(payee.number)),
            # In whichever field a bank tells the debit, the number comes back.
            ("RmtInf", [("Ustrd", number)]),
        ],
    )


# --- XML ------------------------------------------------------------------------------


def _account(number: str) -> list[Element]:
    return [("Id", [("Othr", [("Id", number)])])]


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _put(file: Any, element: Element) -> None:
    name, inside = element
    with file.element(_name(name), _INR if name == "InstdAmt" else {}):
        if isinstance(inside, str):
            file.write(inside)
        else:
            for one in inside:
                _put(file, one)


_INR: Final = {"Ccy": "INR"}


def _rupees(paise: int) -> str:
    return f"{paise // _PAISE}.{paise % _PAISE:02d}"
