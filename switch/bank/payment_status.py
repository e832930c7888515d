"""ISO 20022: pain.002, what a bank says of a payment instruction.

May use `lines`, `values` and `xml`. Versions 03 to 15. A file that contradicts itself
is not believed, nor one with a status that is not known here: nothing is guessed about
money. What a bank says it means to do moves nothing; only a line of a statement does.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from switch.bank.lines import StatementError, tidy_text
from switch.bank.values import read_amount, read_count, read_decimal
from switch.bank.xml import Element, parse
from switch.calendar import IST

PAYMENTS_MAX: Final = 65_536
"""Payments that one report may speak of."""
REASONS_MAX: Final = 8
"""Reasons of one payment that are kept; a bank gives one."""
ID_MAX: Final = 35
"""Characters of a name that ISO 20022 gives to messages and payments."""

_NAMESPACE = re.compile(
    r"urn:iso:std:iso:20022:tech:xsd:pain\.002\.001\.([0-9]{2})", re.ASCII
)
_VERSIONS = range(3, 16)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)


class Word(StrEnum):
    """What a bank says of a payment."""

    ACCEPTED = "accepted"
    """It means to pay."""
    REJECTED = "rejected"
    """It does not pay, and has debited nothing."""
    PENDING = "pending"
    """It has not decided."""
    PARTLY = "partly"
    """Of several payments: each has a word of its own."""


_WORDS: Final = {
    **dict.fromkeys(
        ("ACCP", "ACSP", "ACSC", "ACCC", "ACFC", "ACWC", "ACWP", "ACPD"), Word.ACCEPTED
    ),
    **dict.fromkeys(("RJCT", "CANC"), Word.REJECTED),
    **dict.fromkeys(("RCVD", "PDNG", "ACTC", "PATC", "BLCK"), Word.PENDING),
    "PART": Word.PARTLY,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a bank says so: its code, and what it wrote."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """A bank's word, with its own code for it."""

    word: Word
    code: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """What a report says of one payment."""

    payment: str
    """Its EndToEndId."""
    status: Status
    amount: int | None
    """Paise, if the bank repeats it."""
    place: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What a report says of one batch of payments, PmtInf."""

    name: str
    status: Status | None
    payments: tuple[PaymentStatus, ...]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One pain.002: of one instruction."""

    name: str
    """The bank's name for it."""
    created: dt.datetime
    """Without a zone of its own it is IST."""
    instruction: str
    """MsgId of what it speaks of."""
    status: Status | None
    """Of all of it."""
    count: int | None
    amount: int | None
    """How many payments the instruction had, and paise of all, as the bank has read it;
    None if it does not say."""
    batches: tuple[Batch, ...]
    source: str

    @property
    def payments(self) -> Iterator[PaymentStatus]:
        """All that it lists."""
        return (one for batch in self.batches for one in batch.payments)


def read_status(data: bytes, source: str) -> StatusReport:
    """The report that a file is. Raises StatementError."""
    namespace, root = parse(data, source)
    found = _NAMESPACE.fullmatch(namespace)
    if found is None or root.path != "Document" or int(found[1]) not in _VERSIONS:
        raise StatementError(source, "is no pain.002, 03 to 15")
    body = root.one("CstmrPmtStsRpt")
    header = body.one("GrpHdr")
    group = body.one("OrgnlGrpInfAndSts")
    count, total = group.text_of("OrgnlNbOfTxs"), group.text_of("OrgnlCtrlSum")
    report = StatusReport(
        name=_id(header.one("MsgId")),
        created=_moment(header.one("CreDtTm")),
        instruction=_id(group.one("OrgnlMsgId")),
        status=_status(group, "GrpSts"),
        count=read_count(group, count) if count else None,
        amount=read_decimal(group, total) if total else None,
        batches=tuple(_batches(body, _status(group, "GrpSts"))),
        source=source,
    )
    _look_at_payments(report)
    _look_at_counts(body)
    return report


def _batches(body: Element, group: Status | None) -> Iterator[Batch]:
    for element in body.all("OrgnlPmtInfAndSts"):
        status = _status(element, "PmtInfSts")
        yield Batch(
            _id(element.one("OrgnlPmtInfId")),
            status,
            tuple(_payment(one, status or group) for one in element.all("TxInfAndSts")),
        )


def _payment(element: Element, without: Status | None) -> PaymentStatus:
    """`without`: the status of what it is in, which is its own if it has none."""
    named = element.maybe("OrgnlEndToEndId") or element.maybe("OrgnlInstrId")
    if named is None:
        raise StatementError(element.place, "does not say which payment it is of")
    status = _status(element, "TxSts") or without
    if status is None or status.word is Word.PARTLY:
        raise StatementError(element.place, "says nothing of its payment")
    amount = element.maybe("OrgnlTxRef/Amt/InstdAmt")
    return PaymentStatus(
        _id(named),
        status,
        None if amount is None else read_amount(amount),
        element.place,
    )


def _status(element: Element, name: str) -> Status | None:
    found = element.maybe(name)
    if found is None:
        return None
    code = found.text
    if code not in _WORDS:
        raise StatementError(found.place, f"no status that is known: {code[:35]!a}")
    return Status(_WORDS[code], code, tuple(_reasons(element)))


def _reasons(element: Element) -> Iterator[Reason]:
    for one in element.all("StsRsnInf")[:REASONS_MAX]:
        code = one.text_of("Rsn/Cd") or one.text_of("Rsn/Prtry")
        texts = [text.text for text in one.all("AddtlInf")[:REASONS_MAX]]
        yield Reason(tidy_text(code)[:ID_MAX], tidy_text(" ".join(texts)))


def _look_at_payments(report: StatusReport) -> None:
    """No payment has two words, and none another word than all of its batch, or its
    instruction, have.
    """
    seen: dict[str, PaymentStatus] = {}
    for batch in report.batches:
        for one in batch.payments:
            if one.payment in seen:
                raise StatementError(one.place, f"{one.payment} is there twice")
            seen[one.payment] = one
            if len(seen) > PAYMENTS_MAX:
                raise StatementError(one.place, f"more than {PAYMENTS_MAX} payments")
            for outer in (batch.status, report.status):
                if outer is not None and not _agree(outer.word, one.status.word):
                    what = f"is {one.status.code} in what is {outer.code}"
                    raise StatementError(one.place, what)
        if (
            report.status is not None
            and batch.status is not None
            and not _agree(report.status.word, batch.status.word)
        ):
            what = f"batch {batch.name} is {batch.status.code} in {report.status.code}"
            raise StatementError(report.source, what)


def _agree(outer: Word, inner: Word) -> bool:
    """Whether what is said of a part goes with what is said of all."""
    if outer in (Word.ACCEPTED, Word.REJECTED):
        return inner is outer
    return True


def _look_at_counts(body: Element) -> None:
    """Where a bank says how many have a status, it lists no more of these."""
    for element in body.all("OrgnlPmtInfAndSts"):
        listed = [one.text_of("TxSts") for one in element.all("TxInfAndSts")]
        for total in element.all("NbOfTxsPerSts"):
            code = total.text_of("DtldSts")
            count = read_count(total, total.one("DtldNbOfTxs").text)
            if listed.count(code) > count:
                raise StatementError(total.place, f"lists more {code[:4]!a} than that")


def _id(element: Element) -> str:
    text = tidy_text(element.text)
    if not 1 <= len(element.text) <= ID_MAX or text != element.text:
        what = f"is no name of 1 to {ID_MAX} characters"
        raise StatementError(element.place, what)
    return text


def _moment(element: Element) -> dt.datetime:
    text = element.text
    try:
        if _MOMENT.fullmatch(text):
            # Of a second nine digits are allowed, six are kept.
            found = dt.datetime.fromisoformat(
                re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)
            )
            return found if found.tzinfo is not None else found.replace(tzinfo=IST)
    except ValueError:
        pass
    raise StatementError(element.place, f"no moment: {text[:40]!a}")
