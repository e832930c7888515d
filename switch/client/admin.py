"""What the treasury and the auditors ask a switch: the calls of AdminService.

A part of the client library; `switch.client.Client` has these methods. May use
`calls` and the generated messages.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from switch.client.calls import STREAM_TIMEOUT_S, Caller
from switch.ids import new_id
from switch.v1 import admin_pb2, admin_pb2_grpc, types_pb2

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
        participants: Sequence[admin_pb2.Participant],
        services: Sequence[admin_pb2.Service] = (),
    ) -> admin_pb2.LoadNetworkResponse:
        """Bring the register to what is given, in as many calls as that needs.

        Participants go first: services name their billers. The counts are the sums.
        """
        total = admin_pb2.LoadNetworkResponse()
        parts = [
            admin_pb2.LoadNetworkRequest(participants=part)
            for part in _parts(participants)
        ]
        parts += [
            admin_pb2.LoadNetworkRequest(services=part) for part in _parts(services)
        ]
        for request in parts:
            reply = self._caller.change(
                self._admin.LoadNetwork, request, timeout_s=LOAD_TIMEOUT_S
            )
            total.added_count += reply.added_count
            total.replaced_count += reply.replaced_count
            total.unchanged_count += reply.unchanged_count
            total.sequence = reply.sequence
        return total

    def top_up(
        self, centre: str, amount: int, utr: str, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Credit a wallet with money that reached the bank, once for each UTR."""
        request = admin_pb2.TopUpRequest(
            id=move_id or new_id(), centre=centre, amount=amount, utr=utr
        )
        reply = self._caller.change(self._admin.TopUp, request, [request.id])
        return reply.outcome

    def freeze_wallet(
        self, centre: str, reason: str, *, unfreeze: bool = False, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Freeze a wallet, or end its freeze."""
        request = admin_pb2.FreezeWalletRequest(
            id=move_id or new_id(), centre=centre, unfreeze=unfreeze, reason=reason
        )
        reply = self._caller.change(self._admin.FreezeWallet, request, [request.id])
        return reply.outcome

    def close_wallet(
        self, centre: str, reason: str, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
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
        *,
        move_id: bytes = b"",
    ) -> admin_pb2.Outcome:
        """Set what a wallet may spend in an IST day, and at once; 0 is no limit."""
        request = admin_pb2.SetLimitRequest(
            id=move_id or new_id(),
            centre=centre,
            day_amount_max=day_amount_max,
            day_count_max=day_count_max,
            payment_max=payment_max,
        )
        reply = self._caller.change(self._admin.SetLimit, request, [request.id])
        return reply.outcome

    def propose_refund(
        self,
        payment_sequence: int,
        amount: int,
        reason: str,
        *,
        move_id: bytes = b"",
    ) -> admin_pb2.Outcome:
        """Ask for a refund of the payment at `payment_sequence`; nothing moves yet."""
        request = admin_pb2.ProposeRefundRequest(
            id=move_id or new_id(),
            payment_sequence=payment_sequence,
            amount=amount,
            reason=reason,
        )
        reply = self._caller.change(self._admin.ProposeRefund, request, [request.id])
        return reply.outcome

    def propose_correction(
        self, case_sequence: int, reason: str, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Ask for what puts a case right; nothing moves yet."""
        request = admin_pb2.ProposeCorrectionRequest(
            id=move_id or new_id(), case_sequence=case_sequence, reason=reason
        )
        reply = self._caller.change(
            self._admin.ProposeCorrection, request, [request.id]
        )
        return reply.outcome

    def approve(
        self, proposal_sequence: int, *, move_id: bytes = b""
    ) -> admin_pb2.ApproveResponse:
        """Approve somebody else's proposal, and do what it asks for."""
        request = admin_pb2.ApproveRequest(
            id=move_id or new_id(), proposal_sequence=proposal_sequence
        )
        return self._caller.change(self._admin.Approve, request, [request.id])

    def close_case(
        self,
        case_sequence: int,
        reason: str,
        correction_sequence: int = 0,
        *,
        move_id: bytes = b"",
    ) -> admin_pb2.Outcome:
        """Close a case, with the entry that put it right if one was needed."""
        request = admin_pb2.CloseCaseRequest(
            id=move_id or new_id(),
            case_sequence=case_sequence,
            reason=reason,
            correction_sequence=correction_sequence,
        )
        reply = self._caller.change(self._admin.CloseCase, request, [request.id])
        return reply.outcome

    def exceptions(self) -> Iterator[types_pb2.Entry]:
        """Open cases and proposals and overdue holds, oldest first, page by page."""
        request = admin_pb2.ListExceptionsRequest(page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._admin.ListExceptions, request)
            yield from reply.entries
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def damaged(self) -> list[int]:
        """Open holds, cases and proposals that are damaged: the first 1,000."""
        request = admin_pb2.ListExceptionsRequest(page_size=1)
        reply = self._caller.read(self._admin.ListExceptions, request)
        return list(reply.damaged_sequences)

    def billers(self) -> list[admin_pb2.BillerState]:
        """Queue, connections and health of every biller."""
        reply = self._caller.read(
            self._admin.ListBillers, admin_pb2.ListBillersRequest()
        )
        return list(reply.billers)

    def close_window(self, previous_window: int) -> admin_pb2.CloseWindowResponse:
        """Close the open settlement window; `previous_window` is the one before.

        The answer has all lines of the window.
        """
        reply = self._caller.change(
            self._admin.CloseWindow,
            admin_pb2.CloseWindowRequest(previous_window=previous_window),
        )
        request = admin_pb2.ListWindowLinesRequest(
            window=reply.outcome.sequence,
            page_size=PAGE_SIZE,
            page_token=reply.next_page_token,
        )
        while request.page_token:
            page = self._caller.read(self._admin.ListWindowLines, request)
            reply.lines.extend(page.lines)
            request.page_token = page.next_page_token
        reply.next_page_token = ""
        return reply

    def settle(
        self, window: int, biller: str, head: str, amount: int, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
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

    def accounts(self) -> tuple[list[admin_pb2.Account], int]:
        """Every account in order, and the one sequence at which all are read."""

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
            read_all, admin_pb2.ListAccountsRequest(), STREAM_TIMEOUT_S
        )

    def services(self) -> list[admin_pb2.Service]:
        """The services in the register."""
        request = admin_pb2.ListServicesRequest(page_size=PAGE_SIZE)
        found: list[admin_pb2.Service] = []
        while True:
            reply = self._caller.read(self._admin.ListServices, request)
            found += reply.services
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    def ledger(self) -> admin_pb2.GetLedgerResponse:
        """Where the ledger stands."""
        return self._caller.read(self._admin.GetLedger, admin_pb2.GetLedgerRequest())


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH_MAX):
        yield items[start : start + BATCH_MAX]
