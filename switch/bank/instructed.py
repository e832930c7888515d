"""What became of payment instructions, by what a bank has said of each payment.

May use `lines`, `payment_status`, `values` and `xml`. An instruction is read from its
own file (pain.001), so that what a bank answers is held against what it was told, and
against nothing that is guessed.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from switch.bank.lines import StatementError, canonical_account
from switch.bank.payment_status import (
    ID_MAX,
    PAYMENTS_MAX,
    PaymentStatus,
    Reason,
    Status,
    StatusReport,
    Word,
)
from switch.bank.values import read_amount, read_count, read_decimal
from switch.bank.xml import Element, parse
from switch.money import format_amount

_NAMESPACE = re.compile(
    r"urn:iso:std:iso:20022:tech:xsd:pain\.001\.001\.([0-9]{2})", re.ASCII
)
_VERSIONS: Final = range(3, 14)


class Verdict(StrEnum):
    """How a payment stands."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PENDING = "pending"
    """The bank has not decided, or has said nothing of it."""
    UNKNOWN = "unknown"
    """The bank speaks of what nobody has instructed."""
    CONTRADICTS = "contradicts"
    """The bank says what cannot be: people must ask it."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """A payment instruction, as far as a bank's answer is held against it."""

    name: str
    """Its MsgId."""
    account: str
    """The bank account that pays."""
    payments: Mapping[str, int]
    """Paise by EndToEndId."""

    @property
    def amount(self) -> int:
        """Paise of all."""
        return sum(self.payments.values())


@dataclass(slots=True)
class Standing:
    """How one payment stands, by all that was said of it."""

    payment: str
    """Its EndToEndId; empty if a bank speaks of a whole instruction that is unknown."""
    instruction: str
    amount: int | None
    """Paise that were instructed; None of an unknown one."""
    verdict: Verdict = Verdict.PENDING
    code: str = ""
    """The bank's, or empty if it has said nothing."""
    reasons: tuple[Reason, ...] = ()
    report: str = ""
    """The bank's name for the report that has decided."""
    booked: bool | None = None
    """Whether its debit is in the ledger; None if nobody was asked."""
    recalled: bool = False
    """Whether two people have taken it back."""
    notes: list[str] = field(default_factory=list)
    """What does not fit, for people."""

    @property
    def needs_people(self) -> bool:
        """Whether somebody must look at it: who has taken back what was refused has."""
        if self.verdict is Verdict.REJECTED:
            return not self.recalled
        wrong = (Verdict.UNKNOWN, Verdict.CONTRADICTS)
        return self.verdict in wrong or bool(self.notes)


class Known(NamedTuple):
    """What the ledger says of releases, by their numbers."""

    open_: Collection[str]
    """Neither a line of a bank nor people have ended these."""
    recalled: Collection[str] = ()


def read_instruction(data: bytes, source: str) -> Instruction:
    """What a pain.001 tells a bank to pay. Raises StatementError."""
    namespace, root = parse(data, source)
    found = _NAMESPACE.fullmatch(namespace)
    if found is None or root.path != "Document" or int(found[1]) not in _VERSIONS:
        raise StatementError(source, "is no pain.001, 03 to 13")
    body = root.one("CstmrCdtTrfInitn")
    header, batch = body.one("GrpHdr"), body.one("PmtInf")
    payments: dict[str, int] = {}
    for one in batch.all("CdtTrfTxInf"):
        named = one.one("PmtId/EndToEndId")
        if not 1 <= len(named.text) <= ID_MAX:
            raise StatementError(named.place, f"is no name of 1 to {ID_MAX} characters")
        if named.text in payments:
            raise StatementError(named.place, "is there twice")
        payments[named.text] = read_amount(one.one("Amt/InstdAmt"))
        if len(payments) > PAYMENTS_MAX:
            raise StatementError(source, f"more than {PAYMENTS_MAX} payments")
    made = Instruction(header.one("MsgId").text, _account(batch), payments)
    for element in (header, batch):
        _look_at_totals(element, made)
    return made


def _account(batch: Element) -> str:
    there = batch.one("DbtrAcct/Id")
    return canonical_account(there.text_of("IBAN") or there.text_of("Othr/Id"))


def _look_at_totals(element: Element, made: Instruction) -> None:
    count, amount = element.text_of("NbOfTxs"), element.text_of("CtrlSum")
    if count and read_count(element, count) != len(made.payments):
        raise StatementError(element.place, f"{count} of {len(made.payments)} payments")
    if amount and read_decimal(element, amount) != made.amount:
        raise StatementError(element.place, "is not the sum of its payments")


def judge(
    instructions: Iterable[Instruction],
    reports: Iterable[StatusReport],
    ledger: Known | None = None,
) -> list[Standing]:
    """How each payment stands: those of instructions in their order, then what is
    unknown. `ledger` is what it says, if it was asked.
    """
    known = {one.name: one for one in instructions}
    standings = {
        (one.name, payment): Standing(payment, one.name, amount)
        for one in known.values()
        for payment, amount in one.payments.items()
    }
    strangers: dict[tuple[str, str], Standing] = {}
    for report in sorted(reports, key=lambda one: one.created):
        instruction = known.get(report.instruction)
        if instruction is None:
            _note_strangers(report, strangers)
        else:
            _take(report, instruction, standings, strangers)
    if ledger is not None:
        for one in standings.values():
            _look_at_ledger(one, ledger)
    return [*standings.values(), *strangers.values()]


def _note_strangers(
    report: StatusReport, strangers: dict[tuple[str, str], Standing]
) -> None:
    for one in report.payments:
        _note_stranger(report, one, strangers)
    if not any(True for _ in report.payments):
        key = (report.instruction, "")
        made = Standing("", report.instruction, None, Verdict.UNKNOWN)
        _say(strangers.setdefault(key, made), report, report.status)


def _note_stranger(
    report: StatusReport,
    one: PaymentStatus,
    strangers: dict[tuple[str, str], Standing],
) -> None:
    key = (report.instruction, one.payment)
    made = Standing(one.payment, report.instruction, None, Verdict.UNKNOWN)
    _say(strangers.setdefault(key, made), report, one.status)


def _say(one: Standing, report: StatusReport, status: Status | None) -> None:
    one.report = report.name
    if status is not None:
        one.code, one.reasons = status.code, status.reasons


def _take(
    report: StatusReport,
    instruction: Instruction,
    standings: Mapping[tuple[str, str], Standing],
    strangers: dict[tuple[str, str], Standing],
) -> None:
    wrong = _wrong_totals(report, instruction)
    listed: set[str] = set()
    for one in report.payments:
        standing = standings.get((instruction.name, one.payment))
        if standing is None:
            _note_stranger(report, one, strangers)
            continue
        listed.add(one.payment)
        _hear(standing, report, one.status)
        if one.amount is not None and one.amount != standing.amount:
            text = f"{report.name} says {format_amount(one.amount)}"
            _contradict(standing, text)
    # What it says of a whole, it says of what it does not list.
    for name in instruction.payments:
        standing = standings[instruction.name, name]
        if wrong:
            _contradict(standing, wrong)
        if name not in listed and (status := _status_of_all(report)) is not None:
            _hear(standing, report, status)


def _wrong_totals(report: StatusReport, instruction: Instruction) -> str:
    count, amount = len(instruction.payments), instruction.amount
    if report.count not in (None, count):
        return f"{report.name} is of {report.count} payments, not of {count}"
    if report.amount not in (None, amount):
        said = format_amount(report.amount or 0)
        return f"{report.name} is of {said}, not of {format_amount(amount)}"
    return ""


def _status_of_all(report: StatusReport) -> Status | None:
    """An instruction of this switch has one batch, so that its word is all's, too."""
    [*batches] = (one.status for one in report.batches if one.status is not None)
    found = report.status or (batches[0] if len(batches) == 1 else None)
    if found is not None and found.word is Word.PARTLY:
        return None
    return found


_VERDICTS: Final = {
    Word.ACCEPTED: Verdict.ACCEPTED,
    Word.REJECTED: Verdict.REJECTED,
    Word.PENDING: Verdict.PENDING,
}


def _hear(one: Standing, report: StatusReport, status: Status) -> None:
    """A later report says more: what was pending is decided, and what was accepted may
    be rejected on its day. What was rejected stays so.
    """
    if one.verdict is Verdict.CONTRADICTS:
        return
    verdict = _VERDICTS[status.word]
    if verdict is Verdict.REJECTED and _is_repeat(status):
        # A second sending is refused; of the first that says nothing.
        one.notes.append(f"{report.name} refuses it as sent before")
        return
    is_back = one.verdict is Verdict.REJECTED and verdict is not Verdict.REJECTED
    is_back |= one.verdict is Verdict.ACCEPTED and verdict is Verdict.PENDING
    if is_back:
        _contradict(one, f"{report.name} says {status.code} after {one.code}")
    else:
        one.verdict = verdict
        _say(one, report, status)


_REPEATS: Final = frozenset({"DUPL", "AM05", "DU01", "DU02", "DU03", "DU04", "DU05"})
"""Reasons of a bank that has had the same message, batch or payment before."""


def _is_repeat(status: Status) -> bool:
    return any(one.code in _REPEATS for one in status.reasons)


def _contradict(one: Standing, text: str) -> None:
    one.verdict = Verdict.CONTRADICTS
    if text not in one.notes:
        one.notes.append(text)


def _look_at_ledger(one: Standing, ledger: Known) -> None:
    """What has a debit line was paid, whatever else the bank says; and what was taken
    back is not to be paid.
    """
    one.recalled = one.payment in ledger.recalled
    one.booked = one.payment not in ledger.open_ and not one.recalled
    if one.booked and one.verdict is Verdict.REJECTED:
        _contradict(one, f"{one.report} says {one.code}, and a debit line is there")
    if one.recalled and one.verdict is Verdict.ACCEPTED:
        _contradict(one, f"{one.report} says {one.code}, and it was recalled")
