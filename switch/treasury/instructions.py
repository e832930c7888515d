"""The payment instruction to a bank, ISO 20022 pain.001.001.09: a window's payouts.

May use `books`, `letters`, `payouts` and `xml`. A function of the journal up to the
window's row: its name and numbers follow from the window and the releases, its time is
that of the newest release in it, and whom it pays is what the very register row says
that each payout names. Made again, anywhere, it is the same, byte for byte.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from switch._core import entries_of
from switch.bank_numbers import Letter, find_number, letters_of, make_number
from switch.bank_rows import BENEFICIARY_SIZE, read_beneficiary
from switch.calendar import ist_date
from switch.canonical_csv import rupees
from switch.codes import AMOUNT_MAX, BANK_ACCOUNTS_MAX, Kind, Link, Record
from switch.entries import Entry
from switch.file_names import FileKind, FileName, instruction_id
from switch.register.banks import TRANSIT, BankAccount
from switch.said import read_texts
from switch.treasury.books import Books, NoFileError, differs
from switch.treasury.cells import time_text
from switch.treasury.letters import bank_text
from switch.treasury.manifests import manifest
from switch.treasury.payouts import U64, Payouts, find_payouts
from switch.treasury.windows import Window
from switch.treasury.xml import Writer

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NAME_MAX: Final = 140
"""Characters of a party's name."""
STEP_PAYOUTS: Final = 256
"""Payouts that are read, and written, together: some 30 ms."""
PART_PAYOUTS: Final = 50_000
"""Payouts of one instruction; a window that has more has as many as it takes."""


def instructions_of(books: Books, window: Window) -> Iterator[FileName]:
    """The instructions of a window, by bank account; where nothing is to be paid there
    is none, as no bank takes an empty one.
    """
    books.register.refresh()
    for bank in books.register.banks.after(0, BANK_ACCOUNTS_MAX):
        count = len(_payouts(books, window, bank).sequences)
        for part in range(1, -(-count // PART_PAYOUTS) + 1):
            yield FileName(
                FileKind.INSTRUCTION,
                window.year,
                window.ordinal,
                bank.number,
                part,
                "xml",
            )


def _payouts(books: Books, window: Window, bank: BankAccount) -> Payouts:
    transit = books.ledger.find_account(bank.participant, bank.purpose + TRANSIT)
    return find_payouts(books.ledger, window.after, window.sequence, transit)


class Instruction:
    """One instruction."""

    def __init__(self, books: Books, window: Window, name: FileName) -> None:
        """Which payouts it has is known from here on. Raises NoFileError."""
        self.name = name
        self._books = books
        self._window = window
        books.register.refresh()
        bank = books.register.banks.find(name.owner)
        if bank is None:
            raise NoFileError(name.text)
        self._bank = bank
        first = (name.part - 1) * PART_PAYOUTS
        self._payouts = _payouts(books, window, bank).part(first, PART_PAYOUTS)
        if not len(self._payouts.sequences):
            raise NoFileError(name.text)
        if self._payouts.amount > AMOUNT_MAX:
            raise differs(name.number, "its sum is more than a bank can be told")
        self._newest_ns = int(self._payouts.times[-1])

    @property
    def id(self) -> str:
        """The name of the message, and of its one batch. The bank account's number may
        be too long for ISO's field; letters stand for the ledger, so that another one
        never has the same at one bank.
        """
        letters = letters_of(
            b"instruction", self._books.ledger.instance, self._window.sequence
        )
        return instruction_id(self.name, self._bank.index, letters)

    def blocks(self) -> Iterator[bytes]:
        """Its document. Raises CorruptionError."""
        writer = Writer(NAMESPACE)
        with writer.document(), writer.element("CstmrCdtTrfInitn"):
            owner = self._owner()
            with writer.element("GrpHdr"):
                writer.leaf("MsgId", self.id)
                writer.leaf("CreDtTm", time_text(self._newest_ns))
                self._totals(writer)
                writer.path("InitgPty/Nm", owner)
            with writer.element("PmtInf"):
                self._batch(writer, owner)
                for step in self._steps():
                    for payment in step:
                        _write(writer, payment)
                    yield writer.take()
        yield writer.take()

    def _batch(self, writer: Writer, owner: str) -> None:
        writer.leaf("PmtInfId", self.id)
        writer.leaf("PmtMtd", "TRF")
        # A debit line for each: a line of several would tell of no release.
        writer.leaf("BtchBookg", "false")
        self._totals(writer)
        day = ist_date(self._newest_ns)
        writer.path("ReqdExctnDt/Dt", day.isoformat())
        writer.path("Dbtr/Nm", owner)
        with writer.element("DbtrAcct"):
            writer.path("Id/Othr/Id", self._bank.number)
            writer.leaf("Ccy", "INR")
        # ISO's word where the sender need not say: it is the bank that gets this.
        writer.path("DbtrAgt/FinInstnId/Othr/Id", "NOTPROVIDED")

    def _totals(self, writer: Writer) -> None:
        writer.leaf("NbOfTxs", str(len(self._payouts.sequences)))
        writer.leaf("CtrlSum", rupees(self._payouts.amount))

    def _owner(self) -> str:
        """Whose account it is, as the register had it as the window closed."""
        index = self._bank.participant
        texts = self._books.texts(Record.PARTICIPANT, index, self._window)
        code = self._books.register.participant(index).spec.id
        return bank_text(texts.get("name_en", ""), NAME_MAX) or bank_text(code, 32)

    def _steps(self) -> Iterator[list["Payment"]]:
        ledger, sequences = self._books.ledger, self._payouts.sequences
        for first in range(0, len(sequences), STEP_PAYOUTS):
            rows = ledger.gather(sequences[first : first + STEP_PAYOUTS])
            payees = dict(self._payees(rows["resolves"]))
            yield [
                Payment(
                    make_number(Letter.RELEASE, ledger.instance, entry.sequence),
                    entry,
                    payees[entry.resolves],
                )
                for entry in entries_of(rows)
            ]

    def _payees(self, sequences: U64) -> Iterator[tuple[int, "Payee"]]:
        """By the sequence of each register row."""
        ledger = self._books.ledger
        distinct = np.unique(sequences)
        tails = ledger.tails(distinct)
        for sequence, tail in zip(distinct.tolist(), tails, strict=True):
            if tail[:1] != bytes([Record.BENEFICIARY]):
                raise differs(self.name.number, f"entry {sequence} is no beneficiary's")
            known = read_beneficiary(tail)
            try:
                name = read_texts(tail[BENEFICIARY_SIZE:]).get("name", "")
            except ValueError:
                # The ledger takes any bytes here.
                name = ""
            account = self._books.register.account(known.account)
            code = self._books.owner_code(account)
            whose = bank_text(name, NAME_MAX)
            if not whose or find_number([whose], ledger.instance) is not None:
                # A name that is a release's number would come back as one.
                whose = bank_text(code, NAME_MAX)
            yield sequence, Payee(whose, known.number, known.ifsc)

    def manifest(self, size: int, sha256: bytes) -> bytes:
        """What goes beside it: also which payouts it does not have, and why."""
        books, window = self._books, self._window
        return manifest(
            self.name,
            size,
            sha256,
            {
                "instance": books.ledger.instance.hex(),
                "account": self._bank.number,
                "message": self.id,
                "window": window.sequence,
                "after": window.after,
                "time": time_text(window.time_ns),
                "accounting_date": window.day.isoformat(),
                "closed_by": books.closer(window),
                "payments": len(self._payouts.sequences),
                "amount": rupees(self._payouts.amount),
                "left_out": [
                    {
                        "sequence": one.sequence,
                        "amount": rupees(one.amount),
                        "why": one.why,
                    }
                    for one in self._payouts.left_out
                ],
                "left_out_amount": rupees(self._payouts.left_out_amount),
                "left_out_payments": self._payouts.left_out_count,
            },
        )

    def recalled(self) -> Iterator[list[int]]:
        """Those of its payouts that two people have taken back since, some at a time:
        whoever takes the file to a bank has it pay what is in settlement again.

        Raises CorruptionError.
        """
        ledger = self._books.ledger
        sequences = self._payouts.sequences.tolist()
        for first in range(0, len(sequences), STEP_PAYOUTS):
            some = sequences[first : first + STEP_PAYOUTS]
            ended = [(one, ledger.link(one, Link.MATCHED)) for one in some]
            yield [
                one for one, by in ended if by and ledger.row(by).kind == Kind.TRANSFER
            ]


class Payee(NamedTuple):
    """To whom a payout goes, as the register's row that it names has it."""

    name: str
    number: str
    ifsc: str


class Payment(NamedTuple):
    """One payout, and what it is called at the bank."""

    number: str
    entry: Entry
    payee: Payee


def _write(writer: Writer, one: Payment) -> None:
    with writer.element("CdtTrfTxInf"):
        with writer.element("PmtId"):
            writer.leaf("InstrId", one.number)
            writer.leaf("EndToEndId", one.number)
        writer.path("Amt/InstdAmt", rupees(one.entry.amount), Ccy="INR")
        with (
            writer.element("CdtrAgt"),
            writer.element("FinInstnId"),
            writer.element("ClrSysMmbId"),
        ):
            writer.path("ClrSysId/Cd", "INFSC")
            writer.leaf("MmbId", one.payee.ifsc)
        writer.path("Cdtr/Nm", one.payee.name)
        writer.path("CdtrAcct/Id/Othr/Id", one.payee.number)
        # In whichever field a bank tells the debit, the number comes back.
        writer.path("RmtInf/Ustrd", one.number)
