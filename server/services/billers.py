"""BillerService: the feed of a biller's own payments."""

import asyncio
from collections.abc import AsyncIterator

from server import arguments, convert
from server.node import Node
from server.status import ArgumentError, Context, UnsupportedError
from switch.feed import Page, read_feed, sorted_accounts
from switch.identity import Identity
from switch.v1 import billers_pb2 as pb


class BillerService:
    """Follows the ledger for billers."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    async def FollowFeed(
        self, request: pb.FollowFeedRequest, caller: Identity
    ) -> AsyncIterator[pb.FollowFeedResponse]:
        """All events after the cursor; then wait for more, or end."""
        node = self._node
        config = node.config
        biller = arguments.biller(node.register, caller, request.biller)
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
        events = convert.entries(page.events, self._node.ledger, self._node.register)
        return pb.FollowFeedResponse(events=events, cursor=page.cursor)

    async def Connect(self, context: Context, caller: Identity) -> None:
        """Questions to the biller; part of the protocol, not yet of the switch."""
        raise UnsupportedError(
            "the switch does not ask billers yet: confirmed services run as direct "
            "ones, and FollowFeed has every payment"
        )
