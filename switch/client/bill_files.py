"""The client's call of billers that put their bills in: a file, whole or not at all.

A part of the client library; `switch.client.Client` has this method. May use `calls`,
`ids` and the messages.
"""

import hashlib
from collections.abc import Iterator, Sequence

from switch.client.calls import STREAM_TIMEOUT_S, Caller
from switch.ids import new_id
from switch.v1 import billers_pb2 as pb
from switch.v1 import billers_pb2_grpc

MESSAGE_BILLS = 4_096
"""Bills of one message."""


def line_of(bill: pb.DueBill) -> bytes:
    """A bill as the file's hash has it: see BillFile in the contract."""
    fields = (
        *(bill.reference, bill.id, bill.period),
        *(bill.amount_due, bill.due_time_ns, bill.valid_until_ns, bill.head),
        *bill.supersedes,
    )
    return "\t".join(map(str, fields)).encode() + b"\n"


def file_of(
    kind: pb.BillFileKind.ValueType,
    service: str,
    number: int,
    bills: Sequence[pb.DueBill],
    file_id: bytes = b"",
) -> pb.BillFile:
    """What a file says of itself."""
    hashed = hashlib.sha256()
    for one in bills:
        hashed.update(line_of(one))
    return pb.BillFile(
        id=file_id or new_id(),
        kind=kind,
        service=service,
        number=number,
        count=len(bills),
        amount=sum(one.amount_due for one in bills),
        sha256=hashed.digest(),
    )


class BillFileCalls:
    """What `Client` can do for a biller that does not dial in."""

    _caller: Caller
    _billers: billers_pb2_grpc.BillerServiceStub

    def put_bills(
        self, file: pb.BillFile, bills: Sequence[pb.DueBill]
    ) -> pb.PutBillsResponse:
        """Put a file in. Sent again, after a lost reply too, it is taken once.

        Raises CallError if it was not taken, LostReplyError if that is not known.
        """

        def messages() -> Iterator[pb.PutBillsRequest]:
            yield pb.PutBillsRequest(file=file, bills=bills[:MESSAGE_BILLS])
            for first in range(MESSAGE_BILLS, len(bills), MESSAGE_BILLS):
                yield pb.PutBillsRequest(bills=bills[first : first + MESSAGE_BILLS])

        def send(_: pb.BillFile, timeout: float) -> pb.PutBillsResponse:
            return self._billers.PutBills(messages(), timeout=timeout)

        return self._caller.change(send, file, [file.id], timeout_s=STREAM_TIMEOUT_S)
