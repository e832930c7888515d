"""To whom a payment instruction pays: pain.001, as far as a match needs it.

May use `lines`, `values` and `xml`. Versions 03 to 13.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from switch.bank.lines import StatementError, canonical_account
from switch.bank.values import read_amount
from switch.bank.xml import Element, parse
from switch.calendar import parse_date

PAYMENTS_MAX: Final = 65_536
"""Payments of one instruction."""

_NAMESPACE = re.compile(
    r"urn:iso:std:iso:20022:tech:xsd:pain\.001\.001\.([0-9]{2})", re.ASCII
)
_VERSIONS: Final = range(3, 14)


@dataclass(frozen=True, slots=True)
class Payee:
    """One payment of an instruction."""

    reference: str
    """End-to-end."""
    amount: int
    day: dt.date
    """On which it is to be paid."""
    account: str
    """Of the creditor, in its one form."""
    ifsc: str


def read_payees(data: bytes, source: str) -> list[Payee]:
    """The payments of an instruction. Raises StatementError."""
    namespace, root = parse(data, source)
    found = _NAMESPACE.fullmatch(namespace)
    if found is None or int(found[1]) not in _VERSIONS:
        raise StatementError(source, "is no pain.001 of a known version")
    try:
        return _payments(root, source)
    except StatementError as error:
        raise StatementError(f"{source}, {error.place}", error.what) from None


def _payments(root: Element, source: str) -> list[Payee]:
    found: list[Payee] = []
    for batch in root.all("CstmrCdtTrfInitn/PmtInf"):
        # Later versions have the date one level deeper.
        asked = batch.one("ReqdExctnDt")
        day = _day(asked.maybe("Dt") or asked)
        for one in batch.all("CdtTrfTxInf"):
            to = one.one("CdtrAcct/Id")
            account = canonical_account(to.text_of("IBAN") or to.text_of("Othr/Id"))
            agent = "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"
            found.append(
                Payee(
                    reference=one.one("PmtId/EndToEndId").text,
                    amount=read_amount(one.one("Amt/InstdAmt")),
                    day=day,
                    account=account,
                    ifsc=one.text_of(agent),
                )
            )
            if len(found) > PAYMENTS_MAX:
                raise StatementError(source, f"has more than {PAYMENTS_MAX} payments")
    return found


def _day(element: Element) -> dt.date:
    try:
        return parse_date(element.text)
    except ValueError as error:
        raise StatementError(element.place, str(error)) from None
