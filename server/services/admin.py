"""AdminService: what the treasury and the network's management do."""

import hashlib
from collections.abc import AsyncIterator

import numpy as np

from server import arguments, asking, convert, network_convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.rooms import Room
from server.services import budgets, certificates, proposals
from server.services.clock import accept_clock
from server.services.exceptions import list_exceptions
from server.services.keys import rotate_quotation_key
from server.services.network_list import list_network
from server.services.network_specs import read_network
from server.services.noted import page_of
from server.services.proposal_list import list_proposals
from server.services.proposals import do
from server.services.windows import get_schedule, list_windows
from server.services.wished import utr_of, warnings_of
from server.status import ArgumentError, NotFoundError
from server.tasks import Finisher
from switch._core import GROUP_MAX, Rows
from switch.codes import Kind, Role
from switch.ledger import explained, moves
from switch.register.identity import Identity
from switch.register.load import Commit, load_network
from switch.register.register import (
    PURPOSE_FLOAT,
    PURPOSE_SETTLEMENT,
    PURPOSE_SUSPENSE,
)
from switch.signed import SIGNATURE_SIZE
from switch.v1 import admin_pb2 as pb
from switch.v1 import (
    budgets_pb2,
    certificates_pb2,
    exceptions_pb2,
    proposals_pb2,
    results_pb2,
    schedules_pb2,
)

LOADS_WAITING_MAX = 64
"""Networks that may wait to be loaded, one after the other."""
OWN_LOADS_WAITING_MAX = 16
"""And of one participant."""
ACCOUNTS_PAGE = 1_000
"""Accounts in one message of ListAccounts."""

_TOTALS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_TOLD_INSTANCE = (Role.TREASURY, Role.AUDITOR)


class AdminService:
    """The treasury's moves and the register."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._finisher = Finisher()
        # One at a time: two would each see the other's as a change by someone else.
        self._loading = Room(
            "networks",
            at_once=1,
            own_at_once=1,
            all_max=LOADS_WAITING_MAX,
            own_max=OWN_LOADS_WAITING_MAX,
        )

    # --- the register ------------------------------------------------------------

    async def LoadNetwork(
        self, request: pb.LoadNetworkRequest, caller: Identity
    ) -> pb.LoadNetworkResponse:
        """Bring the register to the state given."""
        for field, items in (
            ("participants", request.participants),
            ("services", request.services),
        ):
            if len(items) > GROUP_MAX:
                raise ArgumentError(field, f"must be at most {GROUP_MAX} in one call")
        asking.charge_bytes(request.ByteSize())
        return await self._finisher.finish(self._load(request, caller))

    async def _load(
        self, request: pb.LoadNetworkRequest, caller: Identity
    ) -> pb.LoadNetworkResponse:
        node = self._node
        async with self._loading.enter():
            return await node.read(
                self._load_network, request, caller, node.commit_in_thread()
            )

    def _load_network(
        self, request: pb.LoadNetworkRequest, caller: Identity, commit: Commit
    ) -> pb.LoadNetworkResponse:
        network = read_network(request)
        counts = load_network(
            self._node.register,
            commit,
            network.participants,
            network.services,
            sender=caller.index,
        )
        return pb.LoadNetworkResponse(
            added_count=counts.added,
            replaced_count=counts.replaced,
            unchanged_count=counts.unchanged,
            sequence=self._node.ledger.sequence,
            warnings=warnings_of(self._node.register),
        )

    async def ListNetwork(
        self, request: pb.ListNetworkRequest, caller: Identity
    ) -> pb.ListNetworkResponse:
        """Participants and services as they are registered."""
        return await self._node.read(list_network, self._node, request, caller)

    async def ListServices(
        self, request: pb.ListServicesRequest, caller: Identity
    ) -> pb.ListServicesResponse:
        """The services in the register, in the order of their index."""
        return await self._node.read(self._services, request, caller)

    def _services(
        self, request: pb.ListServicesRequest, caller: Identity
    ) -> pb.ListServicesResponse:
        node = self._node
        page, token = page_of(node, request, caller, node.register.services_after)
        return pb.ListServicesResponse(
            services=[network_convert.service(one) for one in page],
            as_of_sequence=node.ledger.sequence,
            next_page_token=token,
        )

    # --- the treasury's moves ----------------------------------------------------

    async def TopUp(
        self, request: pb.TopUpRequest, caller: Identity
    ) -> pb.TopUpResponse:
        """Credit a wallet for money that reached the bank."""
        register = self._node.register
        move = moves.top_up(
            request.id,
            register.treasury_account(PURPOSE_FLOAT).index,
            arguments.centre_wallet(register, request.centre).index,
            request.amount,
            utr_of(request.utr),
            sender=caller.index,
        )
        return pb.TopUpResponse(outcome=await do(self._node, move))

    async def FreezeWallet(
        self, request: pb.FreezeWalletRequest, caller: Identity
    ) -> pb.FreezeWalletResponse:
        """Freeze a wallet, or end its freeze."""
        move = moves.freeze(
            request.id,
            arguments.centre_wallet(self._node.register, request.centre).index,
            request.reason,
            sender=caller.index,
            unfreeze=request.unfreeze,
        )
        return pb.FreezeWalletResponse(outcome=await do(self._node, move))

    async def CloseWallet(
        self, request: pb.CloseWalletRequest, caller: Identity
    ) -> pb.CloseWalletResponse:
        """Close a wallet for ever."""
        move = moves.close(
            request.id,
            arguments.centre_wallet(self._node.register, request.centre).index,
            request.reason,
            sender=caller.index,
        )
        return pb.CloseWalletResponse(outcome=await do(self._node, move))

    async def SetLimit(
        self, request: pb.SetLimitRequest, caller: Identity
    ) -> pb.SetLimitResponse:
        """Set what a wallet may spend in a day, and at once."""
        move = moves.set_limit(
            arguments.centre_wallet(self._node.register, request.centre).index,
            request.day_amount_max,
            request.day_count_max,
            request.payment_max,
            request.low_balance,
            row_id=request.id,
            sender=caller.index,
        )
        return pb.SetLimitResponse(outcome=await do(self._node, move))

    async def Propose(
        self, request: pb.ProposeRequest, caller: Identity
    ) -> pb.ProposeResponse:
        """Ask for what two people must want; nothing moves."""
        return await proposals.propose(self._node, request, caller)

    async def Withdraw(
        self, request: pb.WithdrawRequest, caller: Identity
    ) -> pb.WithdrawResponse:
        """Take a proposal back."""
        return await proposals.withdraw(self._node, request, caller)

    async def Approve(
        self, request: pb.ApproveRequest, caller: Identity
    ) -> pb.ApproveResponse:
        """Approve a proposal and do what it asks for, in one commit."""
        return await proposals.approve(self._node, request, caller)

    async def ListProposals(
        self, request: proposals_pb2.ListProposalsRequest, caller: Identity
    ) -> proposals_pb2.ListProposalsResponse:
        """What was proposed, newest first."""
        return await self._node.read(list_proposals, self._node, request, caller)

    async def FundSuspense(
        self, request: pb.FundSuspenseRequest, caller: Identity
    ) -> pb.FundSuspenseResponse:
        """Put money aside for advances."""
        register = self._node.register
        move = moves.transfer(
            request.id,
            register.treasury_account(PURPOSE_FLOAT).index,
            register.treasury_account(PURPOSE_SUSPENSE).index,
            request.amount,
            request.reason,
            sender=caller.index,
        )
        return pb.FundSuspenseResponse(outcome=await do(self._node, move))

    async def RecoverAdvance(
        self, request: pb.RecoverAdvanceRequest, caller: Identity
    ) -> pb.RecoverAdvanceResponse:
        """Get an advance back."""
        return await proposals.recover_advance(self._node, request, caller)

    async def CloseWindow(
        self, request: pb.CloseWindowRequest, caller: Identity
    ) -> pb.CloseWindowResponse:
        """Close the settlement window that is open."""
        if len(request.signature) not in (0, SIGNATURE_SIZE):
            raise ArgumentError("signature", f"must have {SIGNATURE_SIZE} bytes")
        move = moves.window(
            request.previous_window,
            sender=caller.index,
            person=request.number,
            signature=request.signature,
        )
        outcome = await do(self._node, move)
        response = pb.CloseWindowResponse(outcome=outcome)
        if outcome.result == results_pb2.RESULT_OK:
            following = pb.ListWindowLinesRequest(window=outcome.sequence)
            size = self._node.config.page_size_max
            page = await self._node.read(self._lines, following, caller, 0, size)
            response.lines.extend(page.lines)
            response.next_page_token = page.next_page_token
        return response

    async def ListWindowLines(
        self, request: pb.ListWindowLinesRequest, caller: Identity
    ) -> pb.ListWindowLinesResponse:
        """The lines of a closed window."""
        # How many lines were told.
        told = read_token(request, caller)
        size = arguments.page_size(request.page_size, self._node.config)
        return await self._node.read(self._window_lines, request, caller, told, size)

    def _window_lines(
        self,
        request: pb.ListWindowLinesRequest,
        caller: Identity,
        told: int,
        size: int,
    ) -> pb.ListWindowLinesResponse:
        ledger, window = self._node.ledger, request.window
        entry = ledger.row(arguments.durable_sequence(ledger, window, "window"))
        if entry.kind != Kind.WINDOW:
            raise NotFoundError(f"window: entry {window} is no window")
        return self._lines(request, caller, told, size)

    async def ListWindows(
        self, request: schedules_pb2.ListWindowsRequest, caller: Identity
    ) -> schedules_pb2.ListWindowsResponse:
        """The windows that are closed, newest first."""
        return await self._node.read(list_windows, self._node, request, caller)

    async def GetSchedule(
        self, request: schedules_pb2.GetScheduleRequest, caller: Identity
    ) -> schedules_pb2.GetScheduleResponse:
        """When windows close by themselves."""
        return await self._node.read(get_schedule, self._node, request, caller)

    async def Settle(
        self, request: pb.SettleRequest, caller: Identity
    ) -> pb.SettleResponse:
        """Move a window's exact net to settlement."""
        register = self._node.register
        move = moves.settle(
            request.id,
            request.window,
            arguments.biller_head(register, request.biller, request.head).index,
            register.treasury_account(PURPOSE_SETTLEMENT).index,
            request.amount,
            sender=caller.index,
        )
        return pb.SettleResponse(outcome=await do(self._node, move))

    async def AcceptClock(
        self, request: pb.AcceptClockRequest, caller: Identity
    ) -> pb.AcceptClockResponse:
        """Believe the wall clock as it is now."""
        return await accept_clock(self._node, request, caller)

    async def RotateQuotationKey(
        self, request: pb.RotateQuotationKeyRequest, caller: Identity
    ) -> pb.RotateQuotationKeyResponse:
        """Seal quotations with a new key."""
        return await rotate_quotation_key(self._node, request, caller)

    async def RevokeCertificate(
        self, request: certificates_pb2.RevokeCertificateRequest, caller: Identity
    ) -> certificates_pb2.RevokeCertificateResponse:
        """Accept a certificate no longer."""
        return await certificates.revoke(self._node, request, caller)

    async def ConfirmRevocation(
        self, request: certificates_pb2.ConfirmRevocationRequest, caller: Identity
    ) -> certificates_pb2.ConfirmRevocationResponse:
        """Stand by another person's revocation."""
        return await certificates.confirm(self._node, request, caller)

    async def PinKeys(
        self, request: certificates_pb2.PinKeysRequest, caller: Identity
    ) -> certificates_pb2.PinKeysResponse:
        """Say which keys a participant's certificates may have."""
        return await certificates.pin(self._node, request, caller)

    async def ListRevocations(
        self, request: certificates_pb2.ListRevocationsRequest, caller: Identity
    ) -> certificates_pb2.ListRevocationsResponse:
        """What was revoked."""
        return await self._node.read(
            certificates.list_revocations, self._node, request, caller
        )

    async def ListPins(
        self, request: certificates_pb2.ListPinsRequest, caller: Identity
    ) -> certificates_pb2.ListPinsResponse:
        """The keys that are pinned."""
        return await self._node.read(
            certificates.list_pins, self._node, request, caller
        )

    async def SetBudget(
        self, request: budgets_pb2.SetBudgetRequest, caller: Identity
    ) -> budgets_pb2.SetBudgetResponse:
        """Say what one participant may use."""
        return await budgets.set_budget(self._node, request, caller)

    async def ListBudgets(
        self, request: budgets_pb2.ListBudgetsRequest, caller: Identity
    ) -> budgets_pb2.ListBudgetsResponse:
        """The budgets that are set."""
        return await self._node.read(budgets.list_budgets, self._node, request, caller)

    def _lines(
        self,
        request: pb.ListWindowLinesRequest,
        caller: Identity,
        told: int,
        size: int,
    ) -> pb.ListWindowLinesResponse:
        lines = explained.window_lines(self._node.ledger, request.window)
        end = min(told + size, len(lines))
        following = end if end < len(lines) else 0
        return pb.ListWindowLinesResponse(
            lines=convert.window_lines(lines[told:end], self._node.register),
            next_page_token=make_token(request, caller, following),
        )

    # --- reading -----------------------------------------------------------------

    async def ListExceptions(
        self, request: exceptions_pb2.ListExceptionsRequest, caller: Identity
    ) -> exceptions_pb2.ListExceptionsResponse:
        """What people must see to, by sequence."""
        return await list_exceptions(self._node, request, caller)

    async def ListBillers(
        self, request: pb.ListBillersRequest, caller: Identity
    ) -> pb.ListBillersResponse:
        """Queue, connections and health of every biller."""
        states = self._node.dispatch.states()
        return pb.ListBillersResponse(billers=map(convert.biller_state, states))

    async def ListAccounts(
        self, request: pb.ListAccountsRequest, caller: Identity
    ) -> AsyncIterator[pb.ListAccountsResponse]:
        """Every account at one durable sequence."""
        images, as_of = await self._node.read(self._images, request)
        if len(images) <= 1:
            yield pb.ListAccountsResponse(as_of_sequence=as_of)
        for first in range(1, len(images), ACCOUNTS_PAGE):
            self._node.check_running()
            page = images[first : first + ACCOUNTS_PAGE]
            past = as_of if request.sequence or request.time_ns else 0
            accounts = await self._node.read(self._accounts, page, first, past)
            yield pb.ListAccountsResponse(accounts=accounts, as_of_sequence=as_of)

    def _images(self, request: pb.ListAccountsRequest) -> tuple[Rows, int]:
        """The accounts to be listed, with image 0, and the sequence to list them at."""
        ledger = self._node.ledger
        past = arguments.point(ledger, request.sequence, request.time_ns)
        images, newest = ledger.accounts()
        if not past:
            return images, newest
        # Accounts are numbered as they are opened.
        return images[images["opened"] <= past], past

    def _accounts(self, page: Rows, first: int, past: int) -> list[pb.Account]:
        """The accounts from number `first` on; `past` is 0, or the sequence to show
        them at.
        """
        if past:
            page = self._as_of(page, first, past)
        return [
            convert.account(index, image, self._node.register)
            for index, image in enumerate(page, first)
        ]

    def _as_of(self, page: Rows, first: int, past: int) -> Rows:
        """Images that have the totals of a past sequence and nothing else of then."""
        numbers = np.arange(first, first + len(page))
        totals = self._node.ledger.balances_at(numbers, past)
        shown = np.zeros_like(page)
        shown["kind"] = page["kind"]
        for at, name in enumerate(_TOTALS):
            shown[name] = totals[:, at]
        return shown

    async def GetLedger(
        self, request: pb.GetLedgerRequest, caller: Identity
    ) -> pb.GetLedgerResponse:
        """Where the ledger stands."""
        return await self._node.read(self._get_ledger, caller)

    def _get_ledger(self, caller: Identity) -> pb.GetLedgerResponse:
        ledger = self._node.ledger
        images, as_of = ledger.accounts()
        return pb.GetLedgerResponse(
            sequence=as_of,
            index_sequence=ledger.index_sequence,
            index_step_rows=self._node.config.index_step_rows,
            index_lag_max=self._node.config.index_lag_max,
            # It keys the hash of claims: who sends payments must not aim at collisions,
            # and whoever may not read references must not try them by their hashes.
            instance=ledger.instance if caller.role in _TOLD_INSTANCE else b"",
            state_hash=state_hash(images),
            accounts_count=len(images) - 1,
            last_window=ledger.last_window,
            holds_count=ledger.holds_count,
            damaged_requests_count=ledger.damaged_requests,
            holds_turned_away_count=ledger.holds_turned_away,
            quotation_key_number=self._node.quotation_keys.number,
        )


def state_hash(images: Rows) -> bytes:
    """BLAKE2b-256 over the four totals of accounts 1, 2, 3 … in order."""
    totals = np.stack([images[name][1:].astype("<u8") for name in _TOTALS], axis=1)
    return hashlib.blake2b(totals.tobytes(), digest_size=32).digest()
