"""Is a receipt real, how stands a complaint, what may all know: PublicService's calls.

A part of the client library; `switch.client.Client` has these methods. May use `calls`
and the messages.
"""

from switch.client.calls import Caller
from switch.errors import WireError
from switch.v1 import public_pb2 as pb
from switch.v1 import public_pb2_grpc


class PublicCalls:
    """The calls of PublicService."""

    _caller: Caller
    _public: public_pb2_grpc.PublicServiceStub

    def check_receipt(self, number: str, code: str) -> pb.CheckReceiptResponse:
        """Whether there is a receipt with this number and code. Raises CallError."""
        request = pb.CheckReceiptRequest(number=number, code=code)
        return self._caller.read(self._public.CheckReceipt, request)

    def check_complaint(self, number: str, code: str) -> pb.CheckComplaintResponse:
        """How the complaint with this number stands, by its payment's receipt's code.

        Raises CallError.
        """
        request = pb.CheckComplaintRequest(number=number, code=code)
        return self._caller.read(self._public.CheckComplaint, request)

    def recoveries(self) -> pb.ListRecoveriesResponse:
        """Which recoveries are under way. Raises CallError."""
        request = pb.ListRecoveriesRequest()
        return self._caller.read(self._public.ListRecoveries, request)

    def public_totals(
        self,
        by: "pb.PublicBy.ValueType",
        of: "pb.PublicOf.ValueType",
        from_day: str = "",
        to_day: str = "",
    ) -> pb.ReadPublicTotalsResponse:
        """What is told of the totals, all lines together.

        Days are IST dates, "YYYY-MM-DD", empty for no bound. Raises CallError, and
        WireError if messages are not of one state.
        """
        request = pb.ReadPublicTotalsRequest(
            by=by, of=of, from_day=from_day, to_day=to_day
        )

        def read(
            asked: pb.ReadPublicTotalsRequest, timeout: float
        ) -> pb.ReadPublicTotalsResponse:
            pages = self._public.ReadPublicTotals(asked, timeout=timeout)
            found = pb.ReadPublicTotalsResponse()
            for at, page in enumerate(pages):
                if at and page.as_of_sequence != found.as_of_sequence:
                    raise WireError("totals of two states in one answer")
                found.MergeFrom(page)
            return found

        return self._caller.read(read, request)
