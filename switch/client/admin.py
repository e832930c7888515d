"""What the treasury and the auditors ask a switch: the calls of AdminService.

A part of the client library; `switch.client.Client` has these methods. May use
`calls` and the generated messages.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from switch.client.calls import STREAM_TIMEOUT_S, Caller
from switch.client.people import Signer
from switch.codes import Kind
from switch.ids import ID_SIZE, new_id
from switch.signed import Row
from switch.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    budgets_pb2,
    certificates_pb2,
    exceptions_pb2,
    network_pb2,
    proposals_pb2,
    results_pb2,
    types_pb2,
)

BATCH_MAX = 8190
"""Payments in one message; participants or services in one load."""
PAGE_SIZE = 1000
"""Entries asked for at a time where a method walks all pages."""
LOAD_TIMEOUT_S = 60.0
"""A network is thousands of register entries in one call."""

Item = TypeVar("Item")


class AdminCalls:
    """The calls of AdminService as methods that are safe to repeat."""

    def __init__(self, caller: Caller, admin: admin_pb2_grpc.AdminServiceStub) -> None:
        self._caller = caller
        self._admin = admin

    def load_network(
        self,
        participants: Sequence[network_pb2.Participant],
        services: Sequence[network_pb2.Service] = (),
        participant_fields: Sequence[network_pb2.FieldNames] = (),
        service_fields: Sequence[network_pb2.FieldNames] = (),
    ) -> admin_pb2.LoadNetworkResponse:
        """Bring the register to what is given, in as many calls as that needs.

        Participants go first: services name their billers. The counts are the sums.
        The fields that each record says are given for all of them, or for none: then
        each says all of its fields.
        """
        total = admin_pb2.LoadNetworkResponse()
        parts = [
            admin_pb2.LoadNetworkRequest(
                participants=part, participant_fields=participant_fields[first:end]
            )
            for first, end, part in _parts(participants)
        ]
        parts += [
            admin_pb2.LoadNetworkRequest(
                services=part, service_fields=service_fields[first:end]
            )
            for first, end, part in _parts(services)
        ]
        for request in parts:
            reply = self._caller.change(
                self._admin.LoadNetwork, request, timeout_s=LOAD_TIMEOUT_S
            )
            total.added_count += reply.added_count
            total.replaced_count += reply.replaced_count
            total.unchanged_count += reply.unchanged_count
            total.sequence = reply.sequence
            del total.warnings[:]
            total.warnings.extend(reply.warnings)
        return total

    def top_up(
        self, centre: str, amount: int, utr: str, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Credit a wallet with money that reached the bank, once for each UTR."""
        request = admin_pb2.TopUpRequest(
            id=move_id or new_id(), centre=centre, amount=amount, utr=utr
        )
        reply = self._caller.change(self._admin.TopUp, request, [request.id])
        return reply.outcome

    def freeze_wallet(
        self, centre: str, reason: str, *, unfreeze: bool = False, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Freeze a wallet, or end its freeze."""
        request = admin_pb2.FreezeWalletRequest(
            id=move_id or new_id(), centre=centre, unfreeze=unfreeze, reason=reason
        )
        reply = self._caller.change(self._admin.FreezeWallet, request, [request.id])
        return reply.outcome

    def close_wallet(
        self, centre: str, reason: str, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Close a wallet for ever; it must be empty and without open holds."""
        request = admin_pb2.CloseWalletRequest(
            id=move_id or new_id(), centre=centre, reason=reason
        )
        reply = self._caller.change(self._admin.CloseWallet, request, [request.id])
        return reply.outcome

    def set_limit(
        self,
        centre: str,
        day_amount_max: int = 0,
        day_count_max: int = 0,
        payment_max: int = 0,
        low_balance: int = 0,
        *,
        move_id: bytes = b"",
    ) -> results_pb2.Outcome:
        """Set what a wallet may spend in an IST day, and at once, and below what it is
        low; 0 is none.
        """
        request = admin_pb2.SetLimitRequest(
            id=move_id or new_id(),
            centre=centre,
            day_amount_max=day_amount_max,
            day_count_max=day_count_max,
            payment_max=payment_max,
            low_balance=low_balance,
        )
        reply = self._caller.change(self._admin.SetLimit, request, [request.id])
        return reply.outcome

    def propose(
        self,
        kind: "types_pb2.ProposalKind.ValueType",
        sequence: int,
        reason: str,
        amount: int = 0,
        *,
        move_id: bytes = b"",
    ) -> results_pb2.Outcome:
        """Ask for what two people must want about a payment; nothing moves yet.

        `sequence` is the payment's, its hold's, or what the list of exceptions names;
        of what is closed the case's. `amount` 0 is the whole.
        """
        request = admin_pb2.ProposeRequest(
            id=move_id or new_id(),
            kind=kind,
            sequence=sequence,
            amount=amount,
            reason=reason,
        )
        reply = self._caller.change(self._admin.Propose, request, [request.id])
        return reply.outcome

    def withdraw(
        self, proposal_sequence: int, reason: str, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Take a proposal back that is not done, approved or not."""
        request = admin_pb2.WithdrawRequest(
            id=move_id or new_id(), proposal_sequence=proposal_sequence, reason=reason
        )
        reply = self._caller.change(self._admin.Withdraw, request, [request.id])
        return reply.outcome

    def approve(
        self, proposal_sequence: int, *, move_id: bytes = b""
    ) -> admin_pb2.ApproveResponse:
        """Approve somebody else's proposal, and do what it asks for."""
        request = admin_pb2.ApproveRequest(
            id=move_id or new_id(), proposal_sequence=proposal_sequence
        )
        return self._caller.change(self._admin.Approve, request, [request.id])

    def proposal_pages(
        self, *, all: bool = False
    ) -> Iterator[proposals_pb2.ListProposalsResponse]:
        """What was proposed, newest first: what nobody has answered, or all of it."""
        request = proposals_pb2.ListProposalsRequest(all=all, page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._admin.ListProposals, request)
            yield reply
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def fund_suspense(
        self, amount: int, reason: str, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Put money that reached the bank aside, for advances."""
        request = admin_pb2.FundSuspenseRequest(
            id=move_id or new_id(), amount=amount, reason=reason
        )
        reply = self._caller.change(self._admin.FundSuspense, request, [request.id])
        return reply.outcome

    def recover_advance(
        self, advance_sequence: int, reason: str, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Get an advance back from its wallet, or a correction from its biller."""
        request = admin_pb2.RecoverAdvanceRequest(
            id=move_id or new_id(), advance_sequence=advance_sequence, reason=reason
        )
        reply = self._caller.change(self._admin.RecoverAdvance, request, [request.id])
        return reply.outcome

    def exceptions(
        self,
        kinds: "Iterable[exceptions_pb2.ExceptionKind.ValueType]" = (),
        biller: str = "",
        centre: str = "",
        owner: "exceptions_pb2.ExceptionOwner.ValueType" = (
            exceptions_pb2.EXCEPTION_OWNER_UNSPECIFIED
        ),
        *,
        overdue_only: bool = False,
        with_history: bool = False,
    ) -> Iterator[exceptions_pb2.Exception]:
        """What people must see to, by sequence, page by page."""
        request = exceptions_pb2.ListExceptionsRequest(
            kinds=kinds,
            biller=biller,
            centre=centre,
            owner=owner,
            overdue_only=overdue_only,
            with_history=with_history,
        )
        for page in self.exception_pages(request):
            yield from page.exceptions

    def exception_pages(
        self, request: exceptions_pb2.ListExceptionsRequest
    ) -> Iterator[exceptions_pb2.ListExceptionsResponse]:
        """The same, page by page; the first one has the totals and what is damaged."""
        request.page_size = PAGE_SIZE
        while True:
            reply = self._caller.read(self._admin.ListExceptions, request)
            yield reply
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def revoke_certificate(
        self,
        participant: str,
        authority: bytes,
        serial: bytes,
        reason: str,
        *,
        move_id: bytes = b"",
    ) -> certificates_pb2.RevokeCertificateResponse:
        """Have a certificate not accepted any more, at once and for ever.

        `authority` is the SHA-256 of the issuer's name in DER, `serial` big-endian.
        """
        request = certificates_pb2.RevokeCertificateRequest(
            id=move_id or new_id(),
            participant=participant,
            authority=authority,
            serial=serial,
            reason=reason,
        )
        call = self._admin.RevokeCertificate
        return self._caller.change(call, request, [request.id])

    def confirm_revocation(
        self, revocation: int, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Stand by another person's revocation, by its number."""
        request = certificates_pb2.ConfirmRevocationRequest(
            id=move_id or new_id(), revocation=revocation
        )
        call = self._admin.ConfirmRevocation
        return self._caller.change(call, request, [request.id]).outcome

    def pin_keys(
        self, participant: str, pins: Iterable[bytes], *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Say which keys a participant's certificates may have; none: any."""
        request = certificates_pb2.PinKeysRequest(
            id=move_id or new_id(), participant=participant, pins=pins
        )
        return self._caller.change(self._admin.PinKeys, request, [request.id]).outcome

    def revocations(
        self, *, unconfirmed_only: bool = False
    ) -> Iterator[certificates_pb2.Revocation]:
        """What was revoked, in the order in which it was."""
        request = certificates_pb2.ListRevocationsRequest(
            unconfirmed_only=unconfirmed_only, page_size=PAGE_SIZE
        )
        while True:
            reply = self._caller.read(self._admin.ListRevocations, request)
            yield from reply.revocations
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def pins(self) -> Iterator[certificates_pb2.Pins]:
        """The keys that are pinned, of each participant that has any."""
        request = certificates_pb2.ListPinsRequest(page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._admin.ListPins, request)
            yield from reply.pins
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def set_budget(
        self, participant: str, budget: int, value: int, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Say what a participant may use; 0: what the settings say."""
        request = budgets_pb2.SetBudgetRequest(
            id=move_id or new_id(),
            participant=participant,
            budget=budgets_pb2.Budget.ValueType(budget),
            value=value,
        )
        return self._caller.change(self._admin.SetBudget, request, [request.id]).outcome

    def budgets(self) -> Iterator[budgets_pb2.ParticipantBudget]:
        """The budgets that are set for single participants."""
        request = budgets_pb2.ListBudgetsRequest(page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._admin.ListBudgets, request)
            yield from reply.budgets
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def billers(self) -> list[admin_pb2.BillerState]:
        """Queue, connections and health of every biller."""
        reply = self._caller.read(
            self._admin.ListBillers, admin_pb2.ListBillersRequest()
        )
        return list(reply.billers)

    def close_window(
        self, previous_window: int, signer: Signer | None = None
    ) -> admin_pb2.CloseWindowResponse:
        """Close the open settlement window; `previous_window` is the one before.

        In a ledger with people a person signs it. The answer has all lines of the
        window.
        """
        request = admin_pb2.CloseWindowRequest(previous_window=previous_window)
        if signer is not None:
            row = Row(Kind.WINDOW, resolves=previous_window)
            request.number = signer.person.number
            request.signature = signer.sign(row, bytes(ID_SIZE))
        reply = self._caller.change(self._admin.CloseWindow, request)
        if reply.next_page_token:
            lines = self.window_lines(reply.outcome.sequence, reply.next_page_token)
            reply.lines.extend(lines)
        reply.next_page_token = ""
        return reply

    def window_lines(
        self, window: int, page_token: str = ""
    ) -> Iterator[admin_pb2.WindowLine]:
        """What a closed window lists of each head of a biller, or the rest of it."""
        request = admin_pb2.ListWindowLinesRequest(
            window=window, page_size=PAGE_SIZE, page_token=page_token
        )
        while True:
            page = self._caller.read(self._admin.ListWindowLines, request)
            yield from page.lines
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def settle(
        self, window: int, biller: str, head: str, amount: int, *, move_id: bytes = b""
    ) -> results_pb2.Outcome:
        """Move a window's payable amount of one biller account to settlement."""
        request = admin_pb2.SettleRequest(
            id=move_id or new_id(),
            window=window,
            biller=biller,
            head=head,
            amount=amount,
        )
        reply = self._caller.change(self._admin.Settle, request, [request.id])
        return reply.outcome

    def accept_clock(
        self, reason: str, *, move_id: bytes = b""
    ) -> admin_pb2.AcceptClockResponse:
        """Stand by the switch's wall clock as it is now, after it leapt ahead."""
        request = admin_pb2.AcceptClockRequest(id=move_id or new_id(), reason=reason)
        return self._caller.change(self._admin.AcceptClock, request, [request.id])

    def rotate_quotation_key(
        self, current_number: int
    ) -> admin_pb2.RotateQuotationKeyResponse:
        """Follow the key of this number, the newest, by a new one."""
        request = admin_pb2.RotateQuotationKeyRequest(current_number=current_number)
        return self._caller.change(self._admin.RotateQuotationKey, request)

    def accounts(
        self, sequence: int = 0, time_ns: int = 0
    ) -> tuple[list[admin_pb2.Account], int]:
        """Every account in order, and the one sequence at which all are read: now, or
        as it was at an entry or a time.
        """

        def read_all(
            request: admin_pb2.ListAccountsRequest, *, timeout: float
        ) -> tuple[list[admin_pb2.Account], int]:
            accounts: list[admin_pb2.Account] = []
            sequence = 0
            for page in self._admin.ListAccounts(request, timeout=timeout):
                accounts += page.accounts
                sequence = page.as_of_sequence
            return accounts, sequence

        return self._caller.read(
            read_all,
            admin_pb2.ListAccountsRequest(sequence=sequence, time_ns=time_ns),
            STREAM_TIMEOUT_S,
        )

    def services(self) -> list[network_pb2.Service]:
        """The services in the register."""
        request = admin_pb2.ListServicesRequest(page_size=PAGE_SIZE)
        found: list[network_pb2.Service] = []
        while True:
            reply = self._caller.read(self._admin.ListServices, request)
            found += reply.services
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    def network(self) -> admin_pb2.ListNetworkResponse:
        """The register: all participants and services, as of the first page's entry.

        It is no picture of one moment: what is changed while pages are asked for may
        be told as it was or as it is, and counts as newer than that entry.
        """
        request = admin_pb2.ListNetworkRequest(page_size=PAGE_SIZE)
        found = admin_pb2.ListNetworkResponse()
        while True:
            reply = self._caller.read(self._admin.ListNetwork, request)
            if not request.page_token:
                found.as_of_sequence = reply.as_of_sequence
            found.participants.extend(reply.participants)
            found.services.extend(reply.services)
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    def network_record(self, name: str) -> admin_pb2.ListNetworkResponse:
        """The participant with this id, and the service with this code.

        Raises CallError (NOT_FOUND) if there is neither.
        """
        request = admin_pb2.ListNetworkRequest(participant=name, service=name)
        return self._caller.read(self._admin.ListNetwork, request)

    def ledger(self) -> admin_pb2.GetLedgerResponse:
        """Where the ledger stands."""
        return self._caller.read(self._admin.GetLedger, admin_pb2.GetLedgerRequest())


def _parts(items: Sequence[Item]) -> Iterator[tuple[int, int, Sequence[Item]]]:
    """What goes into one call each: from where to where, and that."""
    for first in range(0, len(items), BATCH_MAX):
        end = min(first + BATCH_MAX, len(items))
        yield first, end, items[first:end]
