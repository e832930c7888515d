"""What the network has taken: the call of TotalsService.

A part of the client library; `switch.client.Client` has this method. May use `calls`
and the messages.
"""

from switch.client.calls import Caller
from switch.errors import WireError
from switch.v1 import totals_pb2 as pb
from switch.v1 import totals_pb2_grpc


class TotalsCalls:
    """The call of TotalsService, whole."""

    _caller: Caller
    _totals: totals_pb2_grpc.TotalsServiceStub

    def totals(
        self,
        by: "pb.TotalsBy.ValueType" = pb.TOTALS_BY_UNSPECIFIED,
        from_day: str = "",
        to_day: str = "",
        biller: str = "",
    ) -> pb.ReadTotalsResponse:
        """The totals of some days, all lines together.

        Days are IST dates, "YYYY-MM-DD", empty for no bound. Raises CallError, and
        WireError if messages are not of one state.
        """
        request = pb.ReadTotalsRequest(
            by=by, from_day=from_day, to_day=to_day, biller=biller
        )

        def read(asked: pb.ReadTotalsRequest, timeout: float) -> pb.ReadTotalsResponse:
            found = pb.ReadTotalsResponse()
            for at, page in enumerate(self._totals.ReadTotals(asked, timeout=timeout)):
                if at and page.as_of_sequence != found.as_of_sequence:
                    raise WireError("totals of two states in one answer")
                found.MergeFrom(page)
            if not found.HasField("whole"):
                raise WireError("totals without their whole")
            return found

        return self._caller.read(read, request)
