"""WalletService: what a wallet holds, and how it came to it."""

from server import arguments, convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.status import NotFoundError
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
            balance=credits - debits,
            pending=pending,
            available=credits - debits - pending,
        )
        return pb.GetWalletResponse(wallet=wallet, as_of_sequence=sequence)

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
