"""The client's calls of complaints: raise, follow, answer.

A part of the client library; `switch.client.Client` has these methods. May use `calls`,
`ids` and the messages.
"""

from collections.abc import Iterator

from switch.client.calls import Caller
from switch.ids import new_id
from switch.v1 import complaints_pb2 as pb
from switch.v1 import counter_pb2_grpc


class ComplaintCalls:
    """What `Client` can do about complaints."""

    _caller: Caller
    _counter: counter_pb2_grpc.CounterServiceStub

    def raise_complaint(
        self,
        payment_id: bytes,
        reason: pb.ComplaintReason.ValueType,
        note: str = "",
        *,
        operator: int = 0,
        centre: str = "",
        sender: str = "",
        move_id: bytes = b"",
    ) -> pb.RaiseComplaintResponse:
        """Raise a complaint about a payment; its number is what the citizen is given.

        Sent again with its `move_id` it has the same number.
        """
        request = pb.RaiseComplaintRequest(
            id=move_id or new_id(),
            payment_id=payment_id,
            sender=sender,
            centre=centre,
            operator=operator,
            reason=reason,
            note=note,
        )
        return self._caller.change(self._counter.RaiseComplaint, request, [request.id])

    def complaint(self, number: str) -> pb.Complaint:
        """One complaint as it stands, by its number in any spelling."""
        request = pb.GetComplaintRequest(number=number)
        return self._caller.read(self._counter.GetComplaint, request).complaint

    def complaint_about(self, payment_id: bytes, sender: str = "") -> pb.Complaint:
        """The newest complaint about a payment. CallError, NOT_FOUND, if none is."""
        request = pb.GetComplaintRequest(payment_id=payment_id, sender=sender)
        return self._caller.read(self._counter.GetComplaint, request).complaint

    def complaints(
        self, request: pb.ListComplaintsRequest
    ) -> pb.ListComplaintsResponse:
        """One page of complaints, newest first."""
        return self._caller.read(self._counter.ListComplaints, request)

    def all_complaints(
        self, request: pb.ListComplaintsRequest
    ) -> Iterator[pb.Complaint]:
        """Complaints, newest first, page by page; the request's page is not changed."""
        asked = pb.ListComplaintsRequest()
        asked.CopyFrom(request)
        while True:
            page = self.complaints(asked)
            yield from page.complaints
            if not page.next_page_token:
                return
            asked.page_token = page.next_page_token

    def answer_complaint(
        self,
        number: str,
        step: pb.ComplaintStep.ValueType,
        text: str,
        *,
        move_id: bytes = b"",
    ) -> pb.AnswerComplaintResponse:
        """Ask the biller, answer as one, or close."""
        request = pb.AnswerComplaintRequest(
            id=move_id or new_id(), number=number, step=step, text=text
        )
        return self._caller.change(self._counter.AnswerComplaint, request, [request.id])
