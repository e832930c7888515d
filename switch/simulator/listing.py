"""What a simulated biller lists as due: its bills, less what it has credited of them.

No network. What bills a reference has is `bills`', what is paid of them `books`'.
"""

import time
from collections import Counter

from switch.simulator.bills import (
    Bill,
    bills_of,
    is_behind,
    is_reissued,
    issue,
    may_be_paid_in_parts,
    spelt,
)
from switch.simulator.books import Books
from switch.v1 import billers_pb2 as pb

REISSUED_MAX = 1_000_000
"""References whose bills are issued again; what is more is listed as first issued."""


class Listing:
    """The bills of one biller."""

    def __init__(self, biller: str, books: Books) -> None:
        self._biller = biller
        self._books = books
        self._issues: Counter[tuple[str, str]] = Counter()

    def due(self, service: str, reference: str) -> tuple[list[pb.DueBill], int]:
        """What is to be paid for a reference, the newest first, as the biller has it,
        and how many of these were issued again.

        A bill that is paid is left out, save by a biller whose lists are behind.
        """
        number = self._issue_number(service, reference)
        listed = []
        issued_again = 0
        for first in bills_of(service, reference, time.time_ns()):
            paid = self._books.paid(self._biller, service, first.key)
            in_parts = may_be_paid_in_parts(service)
            rest = first.amount_due - (paid if in_parts else 0)
            is_listed = in_parts or not paid or is_behind(service, reference)
            if rest <= 0 or not is_listed:
                continue
            bill = issue(first, service, number)
            issued_again += bill.id != first.id
            listed.append(_due_bill(service, bill, rest))
        return listed, issued_again

    def _issue_number(self, service: str, reference: str) -> int:
        """How often bills of this reference have been fetched before."""
        key = service, reference
        if not is_reissued(*key):
            return 0
        number = self._issues[key]
        if number or len(self._issues) < REISSUED_MAX:
            self._issues[key] = number + 1
        return number


def _due_bill(service: str, bill: Bill, rest: int) -> pb.DueBill:
    """A bill on the wire, as its biller writes it."""
    return pb.DueBill(
        id=spelt(service, bill.id) if bill.id else "",
        period=bill.period,
        reference=spelt(service, bill.reference),
        amount_due=rest,
        due_time_ns=bill.due_time_ns,
        valid_until_ns=bill.valid_until_ns,
        supersedes=[spelt(service, one) for one in bill.supersedes],
    )
