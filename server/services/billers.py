"""BillerService: a biller's connections, and the feed of its own payments."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from server import arguments, convert
from server.node import Node
from server.services.biller_stream import RULES, BillerStream
from server.services.day_list import DayLists
from server.services.put_bills import PutBills
from server.status import ArgumentError
from server.transport import Call
from switch._core import entries_of
from switch.codes import Kind, Result, Role
from switch.errors import CorruptionError
from switch.ledger.feed import Page, read_feed, sorted_accounts
from switch.ledger.statements import Payment, payment_of
from switch.ledger.templates import REFERENCE_SIZE
from switch.register.identity import Identity
from switch.register.register import Participant
from switch.v1 import billers_pb2 as pb

log = logging.getLogger("server.billers")

ACKNOWLEDGE_MAX = 1_000
"""Answers of one Acknowledge call."""

PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
_FINAL = (pb.ANSWER_KIND_CONFIRMED, pb.ANSWER_KIND_REJECTED)


class BillerService:
    """Follows the ledger for billers."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._day_lists = DayLists(node)
        self._files = PutBills(node)

    async def FollowFeed(
        self, request: pb.FollowFeedRequest, caller: Identity
    ) -> AsyncIterator[pb.FollowFeedResponse]:
        """All events after the cursor; then wait for more, or end."""
        biller = arguments.biller(self._node.register, caller, request.biller)
        if caller.role is not Role.BILLER:
            async for page in self._pages(request, biller):
                yield page
            return
        with self._node.dispatch.presence(biller.index):
            async for page in self._pages(request, biller):
                yield page

    async def _pages(
        self, request: pb.FollowFeedRequest, biller: Participant
    ) -> AsyncIterator[pb.FollowFeedResponse]:
        node = self._node
        config = node.config
        newest = node.ledger.sequence
        cursor = request.cursor
        if cursor > newest:
            raise ArgumentError("cursor", f"the newest durable entry is {newest}")
        while True:
            group = node.group
            # A head that was added meanwhile belongs to the feed from its first entry.
            accounts = sorted_accounts(
                account.index for account in node.register.accounts_of(biller.index)
            )
            pages = await node.read(
                read_feed, node.ledger, accounts, cursor, config.feed_page_max
            )
            for page in pages:
                cursor = page.cursor
                if len(page.events):
                    yield await node.read(self._response, page)
                node.check_running()
            if request.end_at_newest and cursor >= newest:
                yield pb.FollowFeedResponse(cursor=cursor)
                return
            if pages:
                continue
            if not await node.wait_group(group, config.feed_idle_s):
                yield pb.FollowFeedResponse(cursor=cursor)
            # Groups come by the thousand; a look for each would be a look too many.
            await asyncio.sleep(config.feed_poll_ms / 1000)

    def _response(self, page: Page) -> pb.FollowFeedResponse:
        node = self._node
        events = convert.entries(entries_of(page.events), node.ledger, node.register)
        return pb.FollowFeedResponse(events=events, cursor=page.cursor)

    async def Acknowledge(
        self, request: pb.AcknowledgeRequest, caller: Identity
    ) -> pb.AcknowledgeResponse:
        """What a biller says of holds that it was not asked about."""
        node = self._node
        answers = request.answers
        if not 1 <= len(answers) <= ACKNOWLEDGE_MAX:
            raise ArgumentError("answers", f"must be 1 to {ACKNOWLEDGE_MAX:,}")
        for place, one in enumerate(answers):
            if one.kind not in _FINAL:
                raise ArgumentError(
                    f"answers[{place}].kind", "must be CONFIRMED or REJECTED"
                )
            for name in ("biller_reference", "reason"):
                text = getattr(one, name)
                if len(text) > REFERENCE_SIZE or not PRINTABLE.issuperset(text):
                    raise ArgumentError(f"answers[{place}].{name}", RULES[name])
            is_credited = one.kind == pb.ANSWER_KIND_CONFIRMED
            if is_credited and not one.amount:
                raise ArgumentError(f"answers[{place}].amount", RULES["amount"])
        biller = node.dispatch.biller(caller.index)
        body = pb.ConnectRequest(answers=answers).SerializeToString()
        with node.dispatch.presence(caller.index):
            for part in node.dispatch.take(biller, body).requests:
                reply = await node.commit(part)
                assert not isinstance(reply, bytes)
                biller.note(reply)
            return await node.read(self._standings, list(answers), caller.index)

    def _standings(
        self, answers: Sequence[pb.Answer], biller: int
    ) -> pb.AcknowledgeResponse:
        response = pb.AcknowledgeResponse()
        for one in answers:
            told = response.payments.add(number=one.number)
            try:
                payment = self._hold(one, biller)
            except CorruptionError as error:
                # The others have been answered for and are not to wait for this one.
                log.error("cannot read hold %d: %s", one.number, error)
                continue
            if payment is None:
                continue
            told.state = convert.wire_state(payment.state)
            if payment.resolution is not None:
                told.sequence = payment.resolution.sequence
        return response

    def _hold(self, answer: pb.Answer, biller: int) -> Payment | None:
        ledger = self._node.ledger
        if not 0 < answer.number <= ledger.sequence:
            return None
        entry = ledger.row(answer.number)
        if entry.kind != Kind.HOLD or entry.result != Result.OK:
            return None
        if entry.id != answer.id:
            return None
        service = self._node.register.service(entry.service)
        return payment_of(ledger, entry) if service.biller == biller else None

    async def Connect(self, call: Call, caller: Identity) -> None:
        """Questions to the biller, and its answers."""
        await BillerStream(self._node, call, caller).run()

    async def SendDayList(self, call: Call, caller: Identity) -> None:
        """A biller's complete list of a day."""
        await self._day_lists.serve(call, caller)

    async def PutBills(self, call: Call, caller: Identity) -> None:
        """A file of a biller's bills."""
        await self._files.serve(call, caller)
