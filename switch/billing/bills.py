"""Bills as billers say that they stand: read out of an answer, or refused.

May use the core, `codes`, `references`, the register and the generated messages. A bill
is no record: it is what the biller said a moment ago. What no payment can be of is the
biller's mistake, and makes the whole answer unreadable: half of what is owed would look
like all of it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from google.protobuf.message import DecodeError

from switch._core import Ledger
from switch.codes import AMOUNT_MAX, KeyRule, Mode
from switch.errors import BillUnreadableError
from switch.references import (
    REFERENCE_MAX,
    Form,
    WrongReferenceError,
    canonical,
    is_reference,
)
from switch.register.register import Service
from switch.specs import ServiceSpec
from switch.v1 import billers_pb2 as pb

BILLS_MAX = 16
"""Bills of one reference."""
SUPERSEDED_MAX = 16
"""Earlier bills that one stands for."""
LIFE_MAX_NS = 86_400 * 10**9
"""No quotation is older (TOKEN_LIFE_MAX_NS of the core)."""
PERIOD_SIZE = len("/YYYY-MM")
"""What a bill's period adds to the reference of its payment."""

_PERIOD = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_NO_MONTH = "0000-01"
"""Its number would be that of no period."""


class Bill(NamedTuple):
    """One bill. Paise and nanoseconds UTC."""

    id: str
    """In its service's one form; empty if the biller gives none."""
    period: str
    """`YYYY-MM`, or empty."""
    amount_due: int
    due_time_ns: int
    valid_until_ns: int
    head: int
    """Which of the service's heads of account it is paid to."""
    supersedes: tuple[str, ...]
    """Earlier bills that it stands for, in their one form."""


class Fetched(NamedTuple):
    """What came of one question about bills."""

    service: Service
    reference: str
    """In the service's one form."""
    at_ns: int
    """When the biller was asked, by the ledger's time."""
    bills: tuple[Bill, ...]
    """1 to BILLS_MAX, in the biller's order."""


def citizens_form(spec: ServiceSpec) -> Form:
    """How the references that bills are fetched by are written: without a period."""
    return replace(spec.form, has_period=False)


def paid_as(spec: ServiceSpec, reference: str, bill_id: str, period: str) -> str:
    """The reference that a payment of this bill has in the ledger."""
    if spec.key_rule is KeyRule.BILL_ID:
        return bill_id
    return f"{reference}/{period}" if _is_by_period(spec) else reference


def reference_max(spec: ServiceSpec) -> int:
    """Characters of a reference that bills are fetched by."""
    return REFERENCE_MAX - PERIOD_SIZE if _is_by_period(spec) else REFERENCE_MAX


def month_number(period: str) -> int:
    """A period as quotations have it: year × 12 + month − 1, 0 for none."""
    return int(period[:4]) * 12 + int(period[5:]) - 1 if period else 0


def read_bills(
    message: bytes, service: Service, reference: str, at_ns: int, ledger: Ledger
) -> Fetched:
    """The bills of an Answer that says CONFIRMED to the question of `at_ns`.

    Raises BillUnreadableError, which names the field.
    """
    try:
        stated = pb.Answer.FromString(message).bills
    except DecodeError:
        raise _unreadable("bills", "are not messages of the contract") from None
    if not 1 <= len(stated) <= BILLS_MAX:
        raise _unreadable("bills", f"must be 1 to {BILLS_MAX}")
    reader = _Reader(service, reference, at_ns, ledger)
    bills = tuple(reader.read(at, one) for at, one in enumerate(stated))
    for field, text in _clashes(service.spec, reference, bills):
        raise _unreadable(field, text)
    return Fetched(service, reference, at_ns, bills)


def read_stated(stated: pb.DueBill, service: Service, ledger: Ledger) -> Bill:
    """One bill that is put in, with a reference of its own, in its service's forms.

    When it ceases to be valid is as it is stated. Raises BillUnreadableError.
    """
    try:
        reference = canonical(citizens_form(service.spec), stated.reference)
    except WrongReferenceError as error:
        raise _unreadable("bills[0].reference", str(error)) from error
    if len(reference) > reference_max(service.spec):
        raise _unreadable("bills[0].reference", "has no room for its period")
    bill = _Reader(service, reference, -1, ledger).read(0, stated)
    return bill._replace(valid_until_ns=stated.valid_until_ns)


class _Reader:
    """The bills of one answer. In the event loop: what is right costs little."""

    def __init__(
        self, service: Service, reference: str, at_ns: int, ledger: Ledger
    ) -> None:
        self._service = service.index
        self._form = citizens_form(service.spec)
        self._by_id = service.spec.key_rule is KeyRule.BILL_ID
        self._by_period = _is_by_period(service.spec)
        self._is_direct = service.spec.mode is Mode.DIRECT
        self._last_head = len(service.spec.heads) - 1
        self._reference = reference
        self._spellings = {"", reference}
        self._at_ns = at_ns
        self._ledger = ledger
        self._at = 0

    def read(self, at: int, stated: pb.DueBill) -> Bill:
        """The bill at a place of the answer."""
        self._at = at
        self._check_reference(stated.reference)
        amount_due, head = stated.amount_due, stated.head
        if not 0 < amount_due <= AMOUNT_MAX:
            raise self._wrong("amount_due", f"must be 1 to {AMOUNT_MAX:,}")
        if head > self._last_head:
            raise self._wrong("head", f"must be 0 to {self._last_head}")
        return Bill(
            id=self._id(stated.id),
            period=self._period(stated.period),
            amount_due=amount_due,
            due_time_ns=stated.due_time_ns,
            valid_until_ns=self._valid_until(stated.valid_until_ns),
            head=head,
            supersedes=self._supersedes(stated.supersedes),
        )

    def _wrong(self, name: str, text: str) -> BillUnreadableError:
        return _unreadable(f"bills[{self._at}].{name}", text)

    def _check_reference(self, stated: str) -> None:
        if stated in self._spellings:
            return
        try:
            found = canonical(self._form, stated)
        except WrongReferenceError:
            found = ""
        if found != self._reference:
            raise self._wrong("reference", "is not the one that was asked about")
        self._spellings.add(stated)

    def _id(self, stated: str) -> str:
        if stated:
            return self._bill("id", stated)
        if self._by_id:
            raise self._wrong("id", "is empty, and bills are known by it")
        return ""

    def _bill(self, name: str, stated: str) -> str:
        if is_reference(stated):
            text = stated.encode("ascii")
            form = self._ledger.canonical_bill(self._service, text)
            if form is not None:
                return form.decode("ascii")
        raise self._wrong(
            name,
            f"must be 1 to {REFERENCE_MAX} printable ASCII characters, without spaces "
            "around, of which something is left in the service's one form",
        )

    def _period(self, stated: str) -> str:
        if not stated:
            if self._by_period:
                raise self._wrong("period", "is empty, and bills are known by it")
        elif not _PERIOD.fullmatch(stated) or stated == _NO_MONTH:
            raise self._wrong("period", "is no month, such as 2026-11")
        return stated

    def _valid_until(self, stated: int) -> int:
        last = self._at_ns + LIFE_MAX_NS
        if not stated:
            return last
        if stated <= self._at_ns:
            # Money would be taken for what cannot be paid.
            raise self._wrong("valid_until_ns", "had passed when it was asked for")
        return min(stated, last)

    def _supersedes(self, stated: Sequence[str]) -> tuple[str, ...]:
        if not stated:
            return ()
        if not self._by_id:
            # The ledger knows payments by what their bills are known by. What it cannot
            # look up it could not say to be paid, as the biller means it to be.
            raise self._wrong("supersedes", "is for bills that are known by their id")
        if self._is_direct:
            # Nobody would reject the second payment of the two.
            raise self._wrong("supersedes", "is for services that a biller confirms")
        if len(stated) > SUPERSEDED_MAX:
            raise self._wrong("supersedes", f"must be at most {SUPERSEDED_MAX}")
        return tuple(self._bill("supersedes", one) for one in stated)


def _clashes(
    spec: ServiceSpec, reference: str, bills: Sequence[Bill]
) -> Iterator[tuple[str, str]]:
    """(field, text) of what makes bills of one answer the same debt.

    They were fetched together, so that the ledger would take a payment of each.
    """
    if spec.key_rule is None:
        # One reference within the hours, whatever the bill.
        return
    name = "period" if _is_by_period(spec) else "id"
    seen: set[str] = set()
    for at, bill in enumerate(bills):
        known_as = paid_as(spec, reference, bill.id, bill.period)
        if known_as in seen:
            yield f"bills[{at}].{name}", "is that of another bill of the answer"
        seen.add(known_as)
    for at, bill in enumerate(bills):
        if seen & (set(bill.supersedes) - {bill.id}):
            yield f"bills[{at}].supersedes", "names another bill of the answer"


def _is_by_period(spec: ServiceSpec) -> bool:
    return spec.key_rule is KeyRule.REFERENCE_PERIOD


def _unreadable(field: str, text: str) -> BillUnreadableError:
    return BillUnreadableError(f"{field} {text}", field)
