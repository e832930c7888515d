"""WalletService: what a wallet holds, how it came to it, and which are low."""

import numpy as np

from server import arguments, convert
from server.actors import named
from server.node import Node
from server.page_tokens import make_token, read_token
from server.status import NotFoundError
from switch._core import Rows
from switch.codes import AccountState, Role
from switch.errors import CorruptionError
from switch.ledger import statements
from switch.register.identity import Identity
from switch.v1 import wallets_pb2 as pb


class WalletService:
    """Reads wallets."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    async def ListStatement(
        self, request: pb.ListStatementRequest, caller: Identity
    ) -> pb.ListStatementResponse:
        """The entries with the balance after each, newest first."""
        return await self._node.read(self._list_statement, request, caller)

    async def ListLowBalances(
        self, request: pb.ListLowBalancesRequest, caller: Identity
    ) -> pb.ListLowBalancesResponse:
        """The wallets that are low, in the order in which they became so."""
        return await self._node.read(self._list_low, request, caller)

    # --- in a reading thread -----------------------------------------------------

    def GetWallet(
        self, request: pb.GetWalletRequest, caller: Identity
    ) -> pb.GetWalletResponse:
        """The balance now or at a past sequence."""
        ledger = self._node.ledger
        register = self._node.register
        account = arguments.own_wallet(register, caller, request.centre)
        owner = register.participant(account.participant).spec.id
        sequence = arguments.point(ledger, request.sequence, request.time_ns)
        if not sequence:
            image, as_of = ledger.account(account.index)
            return pb.GetWalletResponse(
                wallet=convert.wallet(image, owner), as_of_sequence=as_of
            )
        image, _ = ledger.account(account.index)
        if sequence < image["opened"]:
            raise NotFoundError("sequence: the wallet did not exist then")
        pending, debits, _, credits = ledger.balance_at(account.index, sequence)
        wallet = pb.Wallet(
            centre=owner,
            balance=max(credits - debits, 0),
            pending=pending,
            available=max(credits - debits - pending, 0),
            owed=max(debits - credits, 0),
        )
        return pb.GetWalletResponse(wallet=wallet, as_of_sequence=sequence)

    def _list_low(
        self, request: pb.ListLowBalancesRequest, caller: Identity
    ) -> pb.ListLowBalancesResponse:
        node = self._node
        ledger, register = node.ledger, node.register
        size = arguments.page_size(request.page_size, node.config)
        after = max(request.after_sequence, read_token(request, caller))
        found: list[tuple[int, Rows]]
        if request.centre or caller.role is Role.CENTRE:
            wallet = arguments.own_wallet(register, caller, request.centre).index
            image, as_of = ledger.account(wallet)
            is_open = image["state"] != AccountState.CLOSED
            is_low = is_open and int(image["low_since"]) > after
            found = [(wallet, image)] if is_low else []
        else:
            images, as_of = ledger.accounts()
            since = images["low_since"]
            # Nobody fills a closed one.
            is_open = images["state"] != AccountState.CLOSED
            low = np.flatnonzero((since > after) & is_open)
            low = low[np.argsort(since[low])]
            found = [(int(at), images[at]) for at in low[: size + 1].tolist()]
        following = int(found[size - 1][1]["low_since"]) if len(found) > size else 0
        return pb.ListLowBalancesResponse(
            wallets=[self._low(*one) for one in found[:size]],
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
        )

    def _low(self, account: int, image: Rows) -> pb.LowBalance:
        ledger, register = self._node.ledger, self._node.register
        known = named(register, register.account, account)
        owner = named(register, register.participant, known.participant).spec.id
        shown = convert.wallet(image, owner)
        since = int(image["low_since"])
        try:
            since_ns = ledger.row(since).timestamp
        except CorruptionError:
            # It is low all the same.
            since_ns = 0
        return pb.LowBalance(
            centre=owner,
            low_since_sequence=since,
            low_since_ns=since_ns,
            low_balance=shown.low_balance,
            available=shown.available,
            owed=shown.owed,
        )

    def _list_statement(
        self, request: pb.ListStatementRequest, caller: Identity
    ) -> pb.ListStatementResponse:
        ledger = self._node.ledger
        register = self._node.register
        account = arguments.own_wallet(register, caller, request.centre).index
        size = arguments.page_size(request.page_size, self._node.config)
        last = arguments.point(ledger, request.sequence, request.time_ns)
        before = read_token(request, caller) or (last + 1 if last else 0)
        as_of = last or ledger.sequence
        lines, following = statements.statement(ledger, account, before, size)
        if lines:
            as_of = max(as_of, lines[0].entry.sequence)
        return pb.ListStatementResponse(
            lines=convert.statement_lines(lines, ledger, register),
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
        )
