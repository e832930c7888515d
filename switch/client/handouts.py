"""The client's calls of handouts: what waits for citizens at a counter.

A part of the client library; `switch.client.Client` has these methods. May use `calls`,
`ids` and the messages.
"""

from collections.abc import Iterator

from switch.client.calls import Caller
from switch.ids import new_id
from switch.v1 import counter_pb2_grpc
from switch.v1 import handouts_pb2 as pb


class HandoutCalls:
    """What `Client` can do for money that came back to a wallet."""

    _caller: Caller
    _counter: counter_pb2_grpc.CounterServiceStub

    def handouts(self, request: pb.ListHandoutsRequest) -> pb.ListHandoutsResponse:
        """One page of what waits, the oldest first; or all of one payment."""
        return self._caller.read(self._counter.ListHandouts, request)

    def all_handouts(self, centre: str = "") -> Iterator[pb.Handout]:
        """What waits at a centre, the oldest first, page by page."""
        asked = pb.ListHandoutsRequest(centre=centre)
        while True:
            page = self.handouts(asked)
            yield from page.handouts
            if not page.next_page_token:
                return
            asked.page_token = page.next_page_token

    def hand_out(
        self,
        sequence: int,
        amount: int,
        *,
        operator: int = 0,
        centre: str = "",
        move_id: bytes = b"",
    ) -> pb.HandOutResponse:
        """Hand out what an entry gave back; hand over no money before this returns.

        Sent again with its `move_id` it has its first answer.
        """
        request = pb.HandOutRequest(
            id=move_id or new_id(),
            centre=centre,
            operator=operator,
            sequence=sequence,
            amount=amount,
        )
        return self._caller.change(self._counter.HandOut, request, [request.id])
