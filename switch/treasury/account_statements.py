"""camt.053 for billers: a head's account over a window, entry by entry.

May use `books`, `counted`, `described` and `xml`. A window's scroll lists what it
counts; this lists all that moved the account, so that it leads from one balance to the
next: what was settled meanwhile, too.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np

from switch._core import Rows
from switch.calendar import financial_year, format_financial_year, ist_date
from switch.canonical_csv import rupees
from switch.codes import Record
from switch.file_names import FileKind
from switch.register.register import Account
from switch.treasury import cells
from switch.treasury.books import Books, differs
from switch.treasury.cells import time_text
from switch.treasury.counted import POSTED, blocks
from switch.treasury.described import ENTRIES, Described, describe
from switch.treasury.windows import Window
from switch.treasury.xml import Form, Writer, add, start, xml_text

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
CURRENCY: Final = "INR"
ISSUER: Final = "payswitch"
STEP_ENTRIES: Final = 512
"""Entries that are written together: some 10 ms."""
ID_MAX, NAME_MAX, OWNER_MAX, INFORMATION_MAX = 35, 70, 140, 500
"""Characters of ISO's fields."""


def balance(books: Books, account: int, sequence: int) -> int:
    """What an account held after a row, in paise; may be negative."""
    image, _ = books.ledger.account(account)
    if sequence < int(image["opened"]):
        return 0
    _, debits, _, credits_ = books.ledger.balance_at(account, sequence)
    return credits_ - debits


class AccountStatement:
    """One statement of an account."""

    def __init__(self, books: Books, window: Window, account: Account) -> None:
        """Nothing is read yet."""
        self._books = books
        self._window = window
        self._account = account
        self._centres: dict[int, str] = {}
        self.name = books.name_of(FileKind.ACCOUNT_STATEMENT, window, account)._replace(
            form="xml"
        )

    def blocks(self) -> Iterator[bytes]:
        """Its document. Raises CorruptionError if its entries do not lead from the one
        balance to the other.
        """
        opening = balance(self._books, self._account.index, self._window.after)
        closing = balance(self._books, self._account.index, self._window.sequence)
        counts, sums = [0, 0], [0, 0]
        for rows in self._rows():
            is_credit = rows["credit"] == self._account.index
            for side in (0, 1):
                amounts = rows["amount"][is_credit == bool(side)].tolist()
                counts[side] += len(amounts)
                sums[side] += sum(amounts)
            yield b""
        if opening + sums[1] - sums[0] != closing:
            text = f"its entries lead from {opening} not to {closing}"
            raise differs(self.name.number, text)
        writer = Writer(NAMESPACE)
        with writer.document(), writer.element("BkToCstmrStmt"):
            with writer.element("GrpHdr"):
                writer.leaf("MsgId", self._id)
                writer.leaf("CreDtTm", time_text(self._window.time_ns))
            with writer.element("Stmt"):
                self._head(writer)
                after_day = self._first_day()
                self._balance(writer, "OPBD", opening, after_day)
                self._balance(writer, "CLBD", closing, self._window.day.isoformat())
                with writer.element("TxsSummry"):
                    for tag, side in (("TtlCdtNtries", 1), ("TtlDbtNtries", 0)):
                        with writer.element(tag):
                            writer.leaf("NbOfNtries", str(counts[side]))
                            writer.leaf("Sum", rupees(sums[side]))
                for rows in self._rows():
                    if len(rows):
                        yield from self._entries(writer, rows)
        yield writer.take()

    @property
    def _id(self) -> str:
        # A biller's id may be too long for ISO's field; the account's number never is.
        return f"C{self._window.text}-{self._account.index}"

    def _rows(self) -> Iterator[Rows]:
        window = self._window
        return blocks(
            self._books.ledger,
            self._account.index,
            window.after,
            window.sequence,
            POSTED,
        )

    def _first_ns(self) -> int:
        """When the window began."""
        return self._books.ledger.row(max(self._window.after, 1)).timestamp

    def _first_day(self) -> str:
        return ist_date(self._first_ns()).isoformat()

    def _head(self, writer: Writer) -> None:
        window, account = self._window, self._account
        texts = self._books.texts(Record.PARTICIPANT, account.participant, window)
        owner = texts.get("name_en", "") or self._books.owner_code(account)
        writer.leaf("Id", self._id)
        writer.leaf("ElctrncSeqNb", str(window.ordinal))
        writer.leaf("CreDtTm", time_text(window.time_ns))
        with writer.element("FrToDt"):
            writer.leaf("FrDtTm", time_text(self._first_ns()))
            writer.leaf("ToDtTm", time_text(window.time_ns))
        with writer.element("Acct"):
            with writer.element("Id"), writer.element("Othr"):
                writer.leaf("Id", str(account.index))
                writer.leaf("Issr", ISSUER)
            writer.leaf("Ccy", CURRENCY)
            writer.leaf("Nm", xml_text(account.head, NAME_MAX))
            writer.path("Ownr/Nm", xml_text(owner, OWNER_MAX))

    @staticmethod
    def _balance(writer: Writer, code: str, paise: int, day: str) -> None:
        with writer.element("Bal"):
            writer.path("Tp/CdOrPrtry/Cd", code)
            writer.leaf("Amt", rupees(abs(paise)), Ccy=CURRENCY)
            writer.leaf("CdtDbtInd", "DBIT" if paise < 0 else "CRDT")
            writer.path("Dt/Dt", day)

    def _entries(self, writer: Writer, rows: Rows) -> Iterator[bytes]:
        described = describe(self._books, rows, self._account.index)
        receipts = self._receipts(described)
        columns = zip(
            rows["sequence"].tolist(),
            rows["amount"].tolist(),
            described.is_credit.tolist(),
            _texts(cells.days(rows["timestamp"])),
            described.entries.tolist(),
            described.is_paid.tolist(),
            _hexadecimal(described.payments["id"]),
            _texts(described.references),
            receipts,
            strict=True,
        )
        for at, one in enumerate(columns):
            sequence, amount, is_credit, day, entry, is_paid, *payment = one
            if at % STEP_ENTRIES == 0:
                yield writer.take()
            made, number = rupees(amount), str(sequence)
            texts = [number, made, day, day, number]
            payment_id, reference, receipt = payment
            if is_paid:
                texts += [payment_id, made, xml_text(reference, ID_MAX)]
                texts += [xml_text(receipt, INFORMATION_MAX)] if receipt else []
            form = _entry_form(entry, is_credit, is_paid, bool(receipt and is_paid))
            writer.tree(form.filled(texts))

    def _receipts(self, described: Described) -> list[str]:
        """As people write them, or empty."""
        columns = zip(
            described.final["receipt"].tolist(),
            described.final["timestamp"].tolist(),
            described.payments["debit"].tolist(),
            described.is_paid.tolist(),
            strict=True,
        )
        return [
            f"{self._centre(wallet)}/{_year(time_ns)}/{number:06d}"
            if number and is_paid
            else ""
            for number, time_ns, wallet, is_paid in columns
        ]

    def _centre(self, wallet: int) -> str:
        code = self._centres.get(wallet)
        if code is None:
            account = self._books.register.account(wallet)
            code = self._centres[wallet] = self._books.owner_code(account)
        return code


@cache
def _entry_form(entry: int, is_credit: bool, is_paid: bool, has_receipt: bool) -> Form:
    """What entries of a kind and side have in common."""
    side = "CRDT" if is_credit else "DBIT"
    element = start("Ntry")
    blanks = [
        add(element, "NtryRef"),
        add(element, "Amt", currency=CURRENCY),
    ]
    add(element, "CdtDbtInd", side)
    add(element, "Sts/Cd", "BOOK")
    blanks += [add(element, path) for path in ("BookgDt/Dt", "ValDt/Dt", "AcctSvcrRef")]
    code = add(element, "BkTxCd/Prtry")
    add(code, "Cd", ENTRIES[entry].upper())
    add(code, "Issr", ISSUER)
    if is_paid:
        details = add(element, "NtryDtls/TxDtls")
        blanks.append(add(details, "Refs/EndToEndId"))
        blanks.append(add(details, "Amt", currency=CURRENCY))
        add(details, "CdtDbtInd", side)
        blanks.append(add(details, "RmtInf/Strd/CdtrRefInf/Ref"))
        if has_receipt:
            blanks.append(add(details, "AddtlTxInf"))
    return Form(element, blanks)


def _texts(column: cells.Cells) -> list[str]:
    """The cells of a column; none has a zero but behind its end."""
    whole = np.ascontiguousarray(column).view(f"S{column.shape[1]}").ravel()
    return whole.astype(str).tolist()


def _hexadecimal(ids: cells.Cells) -> list[str]:
    joined, size = ids.tobytes().hex(), 2 * ids.shape[1]
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def _year(time_ns: int) -> str:
    return format_financial_year(financial_year(time_ns))
