"""BankService: what centres ask for, what banks have booked, and what nobody explains.

What banks say is signed, and comes in by PeopleService; here it is read.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import cast

import numpy as np

from server import arguments
from server.actors import named
from server.node import Node
from server.page_tokens import make_token, read_token
from server.services.bank_items import item_message
from server.services.bank_wishes import parts
from server.services.line_words import beneficiary
from server.services.noted import page_of
from server.services.proposals import do
from server.status import ArgumentError, NotFoundError
from switch._core import entries_of
from switch.bank_numbers import Letter, make_number, read_number
from switch.codes import Role
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ids import ID_SIZE
from switch.ledger import moves
from switch.ledger.bank_matters import BankItem, BankItemKind
from switch.ledger.top_ups import TopUp, is_request, list_top_ups, top_up_of
from switch.register.banks import BankAccount, BankStatement
from switch.register.identity import Identity
from switch.v1 import banks_pb2 as pb
from switch.v1 import results_pb2

_BALANCE_MOST = 2**63 - 1
_NOT_THERE = "there is no such request"


class BankService:
    """Money in."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    async def RequestTopUp(
        self, request: pb.RequestTopUpRequest, caller: Identity
    ) -> pb.RequestTopUpResponse:
        """A centre asks for money for its own wallet."""
        node = self._node
        wallet = arguments.own_wallet(node.register, caller, "").index
        if request.operator >> 32:
            raise ArgumentError("operator", "must be at most 4,294,967,295")
        move = moves.request_top_up(
            request.id,
            wallet,
            request.amount,
            sender=caller.index,
            operator=request.operator,
        )
        outcome = await do(node, move)
        response = pb.RequestTopUpResponse(outcome=outcome)
        if outcome.result == results_pb2.RESULT_OK:
            # Not in a reading thread, which could be refused although it is done.
            found = top_up_of(node.ledger, node.ledger.row(outcome.sequence))
            response.request.CopyFrom(self._top_up(found, time.time_ns()))
        return response

    async def GetTopUpRequest(
        self, request: pb.GetTopUpRequestRequest, caller: Identity
    ) -> pb.GetTopUpRequestResponse:
        """One request as it stands."""
        return await self._node.read(self._get, request, caller)

    async def ListTopUpRequests(
        self, request: pb.ListTopUpRequestsRequest, caller: Identity
    ) -> pb.ListTopUpRequestsResponse:
        """Requests, newest first."""
        return await self._node.read(self._list, request, caller)

    async def ListBankAccounts(
        self, request: pb.ListBankAccountsRequest, caller: Identity
    ) -> pb.ListBankAccountsResponse:
        """What each bank account has, as far as its bank has told."""
        return await self._node.read(self._accounts, request, caller)

    async def ListBankItems(
        self, request: pb.ListBankItemsRequest, caller: Identity
    ) -> pb.ListBankItemsResponse:
        """What waits for people, newest first."""
        return await self._node.read(self._items, request, caller)

    async def ListBeneficiaries(
        self, request: pb.ListBeneficiariesRequest, caller: Identity
    ) -> pb.ListBeneficiariesResponse:
        """To which accounts at banks billers' money is paid out."""
        return await self._node.read(self._beneficiaries, request, caller)

    def _beneficiaries(
        self, request: pb.ListBeneficiariesRequest, caller: Identity
    ) -> pb.ListBeneficiariesResponse:
        node = self._node
        after = node.register.banks.beneficiaries_after
        page, token = page_of(node, request, caller, after)
        return pb.ListBeneficiariesResponse(
            beneficiaries=[beneficiary(one, node.register) for one in page],
            next_page_token=token,
            as_of_sequence=node.ledger.sequence,
        )

    # --- requests, in a reading thread -------------------------------------------

    def _get(
        self, request: pb.GetTopUpRequestRequest, caller: Identity
    ) -> pb.GetTopUpRequestResponse:
        ledger = self._node.ledger
        if bool(request.number) == bool(request.id):
            raise ArgumentError("number", "give either the number or the id")
        if request.id and len(request.id) != ID_SIZE:
            raise ArgumentError("id", f"must be {ID_SIZE} bytes")
        as_of = ledger.sequence
        entry = self._find(request, caller)
        return pb.GetTopUpRequestResponse(
            request=self._top_up(top_up_of(ledger, entry), time.time_ns()),
            as_of_sequence=max(as_of, entry.sequence),
        )

    def _find(self, request: pb.GetTopUpRequestRequest, caller: Identity) -> Entry:
        """The request that is meant. What is another's is not there."""
        ledger = self._node.ledger
        if request.id:
            sequence = ledger.find(caller.index, request.id)
        else:
            number = read_number(request.number, ledger.instance)
            is_it = number is not None and number.letter is Letter.REQUEST
            sequence = number.sequence if number is not None and is_it else 0
        # For one that is not there another entry is read, and all is compared at once:
        # how long this takes tells no more than the answer.
        newest = ledger.sequence
        entry = ledger.row(
            sequence if 0 < sequence <= newest else 1 + sequence % newest
        )
        is_own = caller.role is not Role.CENTRE or entry.participant == caller.index
        if (entry.sequence, is_request(entry), is_own) != (sequence, True, True):
            raise NotFoundError(_NOT_THERE)
        return entry

    def _list(
        self, request: pb.ListTopUpRequestsRequest, caller: Identity
    ) -> pb.ListTopUpRequestsResponse:
        node = self._node
        now_ns = time.time_ns()
        size = arguments.page_size(request.page_size, node.config)
        before = read_token(request, caller)
        if caller.role is not Role.CENTRE and not request.centre:
            if not request.open_only:
                text = "must name a centre, unless open ones are asked for"
                raise ArgumentError("centre", text)
            return self._list_open(request, caller, before, size)
        wallet = arguments.own_wallet(node.register, caller, request.centre).index
        as_of = node.ledger.sequence
        open_at_ns = now_ns if request.open_only else 0
        found, following = list_top_ups(node.ledger, wallet, before, size, open_at_ns)
        return pb.ListTopUpRequestsResponse(
            requests=[
                self._damaged(one)
                if isinstance(one, int)
                else self._top_up(one, now_ns)
                for one in found
            ],
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
        )

    def _list_open(
        self,
        request: pb.ListTopUpRequestsRequest,
        caller: Identity,
        before: int,
        size: int,
    ) -> pb.ListTopUpRequestsResponse:
        """Those of all centres that are open."""
        node, now_ns = self._node, time.time_ns()
        found, as_of = node.exceptions.requests(now_ns)
        page = [one for one in reversed(found) if not before or one < before]
        following = page[size - 1] if len(page) > size else 0
        response = pb.ListTopUpRequestsResponse(
            next_page_token=make_token(request, caller, following), as_of_sequence=as_of
        )
        for one in page[:size]:
            try:
                known = top_up_of(node.ledger, node.ledger.row(one))
            except CorruptionError:
                response.requests.append(self._damaged(one))
                continue
            response.requests.append(self._top_up(known, now_ns))
        return response

    def _damaged(self, sequence: int) -> pb.RequestedTopUp:
        """What is known of a request that cannot be read; its state is not."""
        instance = self._node.ledger.instance
        number = make_number(Letter.REQUEST, instance, sequence)
        return pb.RequestedTopUp(sequence=sequence, number=number)

    def _top_up(self, one: TopUp, now_ns: int) -> pb.RequestedTopUp:
        register, entry = self._node.register, one.entry
        wallet = named(register, register.account, entry.credit)
        owner = named(register, register.participant, wallet.participant)
        message = pb.RequestedTopUp(
            sequence=entry.sequence,
            number=make_number(
                Letter.REQUEST, self._node.ledger.instance, entry.sequence
            ),
            centre=owner.spec.id,
            amount=entry.amount,
            operator=entry.operator,
            time_ns=entry.timestamp,
            open_until_ns=one.open_until_ns,
            state=cast("pb.TopUpState.ValueType", int(one.state(now_ns))),
        )
        message.booked_sequence = one.booked
        message.booked_time_ns = one.booked_ns
        return message

    # --- bank accounts -----------------------------------------------------------

    def _accounts(
        self, request: pb.ListBankAccountsRequest, caller: Identity
    ) -> pb.ListBankAccountsResponse:
        node = self._node
        size = arguments.page_size(request.page_size, node.config)
        told = read_token(request, caller)
        node.register.refresh()
        found = node.register.banks.after(told, size + 1)
        following = found[size - 1].index if len(found) > size else 0
        items, as_of = node.exceptions.bank_items()
        # Counted once, however many bank accounts there are.
        counts = Counter((one.account, one.kind) for one in items)
        openings = node.exceptions.bank_openings()
        opened = node.exceptions.bank_opened()
        return pb.ListBankAccountsResponse(
            accounts=[
                self._account(one, counts, openings.get(one.index), opened)
                for one in found[:size]
            ],
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
            instance=node.ledger.instance,
        )

    def _account(
        self,
        bank: BankAccount,
        counts: Counter[tuple[int, BankItemKind]],
        first: int | None,
        opened_with: Mapping[int, int],
    ) -> pb.BankAccount:
        """As it stands; its first statement began with `first`, if there is one."""
        register = self._node.register
        indices = tuple(parts(register, bank))
        opened = opened_with.get(indices[0], 0)
        before = 0 if first is None else first - opened
        mirror, suspense, transit = (self._balance(one) for one in indices)
        message = pb.BankAccount(
            index=bank.index,
            number=bank.number,
            name=bank.name,
            participant=register.participant(bank.participant).spec.id,
            active=bank.active,
            account=indices[0],
            suspense_account=indices[1],
            transit_account=indices[2],
            balance=_held(-mirror),
            suspense=suspense,
            transit=_held(transit),
            before=before,
        )
        known = register.banks.statement(bank.index)
        closing = before + opened
        if known is not None:
            message.statement.CopyFrom(_statement(known))
            closing = known.record.closing
        message.unlisted = _held(before - mirror - closing)
        credits, debits, releases, contradictions = (
            sum(counts[one, kind] for one in indices) for kind in BankItemKind
        )
        message.credits_count, message.debits_count = credits, debits
        message.releases_count = releases
        message.contradictions_count = contradictions
        return message

    def _balance(self, account: int) -> int:
        """Credits less debits, paise."""
        image, _ = self._node.ledger.account(account)
        return int(image["credits_posted"]) - int(image["debits_posted"])

    # --- items -------------------------------------------------------------------

    def _items(
        self, request: pb.ListBankItemsRequest, caller: Identity
    ) -> pb.ListBankItemsResponse:
        node = self._node
        register = node.register
        size = arguments.page_size(request.page_size, node.config)
        before = read_token(request, caller)
        kind = int(request.kind)
        if kind and kind not in list(BankItemKind):
            raise ArgumentError("kind", f"{kind} stands for nothing there")
        register.refresh()
        within: set[int] | None = None
        if request.account:
            bank = register.banks.find(request.account)
            if bank is None:
                raise NotFoundError("account: there is no such bank account")
            within = set(parts(register, bank))
        found, as_of = node.exceptions.bank_items()
        if before:
            found = found[: bisect_left(found, before, key=_sequence_of)]
        wanted = (
            one
            for one in reversed(found)
            if (not kind or one.kind == kind)
            and (within is None or one.account in within)
        )
        page = list(islice(wanted, size + 1))
        following = page[size - 1].sequence if len(page) > size else 0
        return pb.ListBankItemsResponse(
            items=self._page(page[:size]),
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
        )

    def _page(self, items: list[BankItem]) -> list[pb.BankItem]:
        """Items, newest first, as messages; what their entries say is read in one walk
        unless one of them is damaged.
        """
        ledger = self._node.ledger
        sequences = np.array([one.sequence for one in reversed(items)], np.uint64)
        if not items:
            return []
        try:
            said = zip(
                entries_of(ledger.gather(sequences)),
                ledger.tails(sequences),
                strict=True,
            )
            known = [*said][::-1]
        except CorruptionError:
            return [self._read_item(one) for one in items]
        node = self._node
        return [item_message(node, *one) for one in zip(items, known, strict=True)]

    def _read_item(self, item: BankItem) -> pb.BankItem:
        ledger = self._node.ledger
        try:
            entry = ledger.row(item.sequence)
            said = (entry, ledger.tail(item.sequence))
            return item_message(self._node, item, said)
        except CorruptionError:
            # What is followed is told without what its entry says.
            return item_message(self._node, item, None)


def _held(paise: int) -> int:
    """A balance as far as a message can say it. One beyond that is a bank's lie, and
    must not end the list of all others.
    """
    return max(-_BALANCE_MOST, min(paise, _BALANCE_MOST))


def _sequence_of(item: BankItem) -> int:
    return item.sequence


def _statement(one: BankStatement) -> pb.BankStatement:
    known = one.record
    return pb.BankStatement(
        sequence=one.sequence,
        time_ns=one.time_ns,
        source=cast("pb.StatementSource.ValueType", int(known.source)),
        number=known.number,
        first_day=known.first_day,
        last_day=known.last_day,
        lines_count=known.lines_count,
        opening=known.opening,
        closing=known.closing,
        name=known.name,
    )
