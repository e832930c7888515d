"""Money in: the calls of BankService, and proposals of what a bank has said.

A part of the client library; `switch.client.Client` has these methods. What a bank has
said is made into lines by whoever has its files, and signed as it is: the switch is
asked only which accounts it names. May use `calls`, `people` and the messages.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from switch.client.calls import Caller
from switch.client.people import Signer
from switch.codes import PROPOSE_LINES, Kind
from switch.ids import ID_SIZE, new_id
from switch.signed import Row, amount_of, pack_lines
from switch.v1 import banks_pb2 as pb
from switch.v1 import banks_pb2_grpc

PAGE_SIZE = 1_000
"""Accounts, items or requests asked for at a time."""


class Banks(NamedTuple):
    """The bank accounts of a ledger."""

    accounts: tuple[pb.BankAccount, ...]
    instance: bytes
    """The ledger's: numbers of requests and releases depend on it."""
    as_of: int

    def find(self, number: str) -> pb.BankAccount | None:
        """The one with this number, in its one form."""
        return next((one for one in self.accounts if one.number == number), None)


class BankCalls:
    """The calls of BankService as methods that are safe to repeat."""

    _caller: Caller
    _banks: banks_pb2_grpc.BankServiceStub

    def request_top_up(
        self, amount: int, *, operator: int = 0, request_id: bytes = b""
    ) -> pb.RequestTopUpResponse:
        """Ask for `amount` paise for the caller's own wallet; the number to be written
        on the transfer comes back, the same each time for the same id.
        """
        request = pb.RequestTopUpRequest(
            id=request_id or new_id(), amount=amount, operator=operator
        )
        return self._caller.change(self._banks.RequestTopUp, request, [request.id])

    def top_up_request(
        self, number: str = "", request_id: bytes = b""
    ) -> pb.RequestedTopUp:
        """One request as it stands, by its number or by the id that asked for it."""
        request = pb.GetTopUpRequestRequest(number=number, id=request_id)
        return self._caller.read(self._banks.GetTopUpRequest, request).request

    def top_up_requests(
        self, centre: str = "", *, open_only: bool = False
    ) -> Iterator[pb.RequestedTopUp]:
        """A centre's, newest first; without one, of whoever may, all that are open."""
        request = pb.ListTopUpRequestsRequest(
            centre=centre, open_only=open_only, page_size=PAGE_SIZE
        )
        while True:
            reply = self._caller.read(self._banks.ListTopUpRequests, request)
            yield from reply.requests
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def bank_accounts(self) -> Banks:
        """All bank accounts, and how each stands."""
        request = pb.ListBankAccountsRequest(page_size=PAGE_SIZE)
        found: list[pb.BankAccount] = []
        while True:
            reply = self._caller.read(self._banks.ListBankAccounts, request)
            found += reply.accounts
            if not reply.next_page_token:
                return Banks(tuple(found), reply.instance, reply.as_of_sequence)
            request.page_token = reply.next_page_token

    def bank_items(
        self,
        account: str = "",
        kind: "pb.BankItemKind.ValueType" = pb.BANK_ITEM_KIND_UNSPECIFIED,
    ) -> Iterator[pb.BankItem]:
        """What waits for people, newest first."""
        request = pb.ListBankItemsRequest(
            account=account, kind=kind, page_size=PAGE_SIZE
        )
        while True:
            reply = self._caller.read(self._banks.ListBankItems, request)
            yield from reply.items
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def beneficiaries(self) -> Iterator[pb.Beneficiary]:
        """To which accounts at banks billers' money is paid out, as registered last."""
        request = pb.ListBeneficiariesRequest(page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._banks.ListBeneficiaries, request)
            yield from reply.beneficiaries
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token


def booking_row(lines: Sequence[bytes], reason: str) -> Row:
    """The proposal of packed lines, as a person signs it."""
    tail = pack_lines(lines)
    amount = amount_of(lines)
    return Row(
        Kind.PROPOSE,
        PROPOSE_LINES,
        amount=amount,
        reference=reason.encode("ascii"),
        tail=tail,
    )


def booking_id(row: Row, signer: Signer) -> bytes:
    """An id that follows from what is proposed and by whom, so that the same file again
    is the same proposal again, and not another one.
    """
    person = signer.person
    hashed = hashlib.blake2b(digest_size=ID_SIZE, person=b"payswitch-booked")
    hashed.update(signer.ledger.instance)
    hashed.update(person.participant_index.to_bytes(4, "little"))
    hashed.update(person.number.to_bytes(4, "little"))
    hashed.update(row.reference.ljust(32, b"\0"))
    hashed.update(row.tail)
    return hashed.digest()
