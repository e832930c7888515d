"""What a counter looks up: the catalogue, payments by what is known of them.

A part of the client library; `switch.client.Client` has these methods. May use `calls`
and the messages. Amounts are paise.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from switch.client.calls import Caller
from switch.errors import WireError
from switch.v1 import (
    catalogue_pb2,
    counter_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    search_pb2,
    types_pb2,
)

PAGE_SIZE = 1_000
"""Entries of one page."""
SEARCH_PAGE_SIZE = 100
GET_MAX = 100
"""Payments that are asked about in one call."""
CHANGES_MAX = 5
"""Times that a catalogue which changes while it is read is begun again."""


class ListedPayment(NamedTuple):
    """A payment of a list, and how it stands."""

    entry: types_pb2.Entry
    line: payments_pb2.PaymentLine


class LookingCalls:
    """What `Client` can look up for a counter."""

    _caller: Caller
    _counter: counter_pb2_grpc.CounterServiceStub
    _payments: payments_pb2_grpc.PaymentServiceStub

    def catalogue(self, if_version: str = "") -> catalogue_pb2.ListCatalogueResponse:
        """The whole catalogue, or that it is still of this version.

        Pages of two versions are never mixed. Raises CallError, and WireError if it
        changes all the while.
        """
        for _ in range(CHANGES_MAX):
            found = self._catalogue(if_version)
            if found is not None:
                return found
        raise WireError("the catalogue changes while it is read")

    def _catalogue(self, if_version: str) -> catalogue_pb2.ListCatalogueResponse | None:
        """All pages; None if they are of two versions."""
        request = catalogue_pb2.ListCatalogueRequest(
            if_version=if_version, page_size=PAGE_SIZE
        )
        found = self._caller.read(self._counter.ListCatalogue, request)
        while found.next_page_token:
            request.page_token = found.next_page_token
            page = self._caller.read(self._counter.ListCatalogue, request)
            if page.version != found.version:
                return None
            found.services.extend(page.services)
            found.free_services.extend(page.free_services)
            found.next_page_token = page.next_page_token
        return found

    def payments(
        self, centre: str = "", wanted: payments_pb2.PaymentFilter | None = None
    ) -> Iterator[types_pb2.Entry]:
        """The payments of a wallet, newest first, page by page."""
        for one in self.payment_lines(centre, wanted):
            yield one.entry

    def payment_lines(
        self, centre: str = "", wanted: payments_pb2.PaymentFilter | None = None
    ) -> Iterator[ListedPayment]:
        """The same, and how each stands. Without a filter all that were accepted."""
        request = payments_pb2.ListPaymentsRequest(
            centre=centre, page_size=PAGE_SIZE, filter=wanted
        )
        while True:
            reply = self._caller.read(self._payments.ListPayments, request)
            yield from _listed(reply.payments, reply.lines)
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def get_payments(
        self, wanted: Sequence[tuple[bytes, str]]
    ) -> list[payments_pb2.GotPayment]:
        """What became of up to GET_MAX payments, by id and sender, in their order.

        What is wrong with one is said of it alone, in its `error`.
        """
        asked = [
            payments_pb2.GetPaymentRequest(id=one, sender=sender)
            for one, sender in wanted
        ]
        reply = self._caller.read(
            self._payments.GetPayments, payments_pb2.GetPaymentsRequest(payments=asked)
        )
        if [one.id for one in reply.payments] != [one.id[:16] for one in asked]:
            raise WireError("the payments are others than those asked for")
        return list(reply.payments)

    def list_payments(
        self, request: payments_pb2.ListPaymentsRequest
    ) -> payments_pb2.ListPaymentsResponse:
        """One page of a wallet's payments, for who shows one at a time."""
        return self._caller.read(self._payments.ListPayments, request)

    def search_payments(
        self, request: search_pb2.SearchPaymentsRequest
    ) -> search_pb2.SearchPaymentsResponse:
        """One page of what was found."""
        return self._caller.read(self._counter.SearchPayments, request)

    def search(
        self, request: search_pb2.SearchPaymentsRequest
    ) -> Iterator[ListedPayment]:
        """Payments by what is known of them, newest first, page by page.

        The request says what; its page is this method's.
        """
        asked = search_pb2.SearchPaymentsRequest()
        asked.CopyFrom(request)
        asked.page_size = SEARCH_PAGE_SIZE
        asked.page_token = ""
        while True:
            reply = self._caller.read(self._counter.SearchPayments, asked)
            yield from _listed(reply.payments, reply.lines)
            if not reply.next_page_token:
                return
            asked.page_token = reply.next_page_token


def _listed(
    entries: Sequence[types_pb2.Entry], lines: Sequence[payments_pb2.PaymentLine]
) -> Iterator[ListedPayment]:
    if len(entries) != len(lines):
        raise WireError("a list of payments that does not say how each stands")
    yield from map(ListedPayment, entries, lines)
