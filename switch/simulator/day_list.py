"""A biller's complete list of a day: what it has credited, and that there is no more.

Made from the books' file. Before it is made the books refuse all that is not decided by
then, so that what it says stays true. Knows gRPC and `books`.
"""

import asyncio
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf.json_format import MessageToDict

from switch.calendar import ist_date
from switch.credentials import Credentials
from switch.simulator.books import Credit
from switch.v1 import billers_pb2 as pb

METHOD = "/payswitch.v1.BillerService/SendDayList"
LINES_MAX = 8_190
"""Of one message."""
CALL_S = 30.0
"""One sending may take so long."""
AGAIN_S = 0.2
"""After which a list is sent again that came too early for some payments."""

_Requests = Sequence[pb.SendDayListRequest]


def day_list(credits: Mapping[bytes, Credit], date: dt.date) -> _Requests:
    """The messages that list what was credited of the payments of an IST date.

    A basket is one line, by its first payment.
    """
    lines: dict[int, pb.Answer] = {}
    for credit in credits.values():
        if ist_date(credit.time_ns) != date:
            continue
        line = lines.get(credit.number)
        if line is None:
            line = lines[credit.number] = pb.Answer(
                number=credit.number,
                id=credit.id,
                kind=pb.ANSWER_KIND_CONFIRMED,
                biller_reference=credit.id.hex(),
            )
        line.amount += credit.amount
    return list_messages(date, [*lines.values()])


def list_messages(date: dt.date, lines: Sequence[pb.Answer]) -> _Requests:
    """The messages of a list that has these lines."""
    head = pb.DayList(
        day=f"{date}",
        count=len(lines),
        amount=sum(one.amount for one in lines),
    )
    return [pb.SendDayListRequest(list=head), *_parts(lines)]


def _parts(lines: Sequence[pb.Answer]) -> Iterator[pb.SendDayListRequest]:
    for at in range(0, len(lines), LINES_MAX):
        yield pb.SendDayListRequest(credited=lines[at : at + LINES_MAX])


async def send_day_list(
    messages: _Requests,
    addresses: Sequence[str],
    credentials: Credentials,
    patience_s: float,
) -> dict[str, Any]:
    """Send a list until it came too early for nothing, or patience ends.

    What the switch said of it the last time: an answer's fields, or its error. But
    `confirmed` and `rejected` are those of all sendings: they are `already` so the next
    time. Of several servers the next one is asked when one has an error.
    """
    decided: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    end_s = loop.time() + patience_s
    certificate, key, authority = credentials.read()
    channel_credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    said: dict[str, Any]
    places = itertools.cycle(addresses)
    address = next(places)
    while True:
        try:
            response = await _send(messages, address, channel_credentials)
        except grpc.aio.AioRpcError as error:
            said = {"error": error.code().name.lower(), "text": error.details()}
            is_final = error.code() is grpc.StatusCode.INVALID_ARGUMENT
            address = next(places)
        else:
            decided["confirmed"] += response.confirmed
            decided["rejected"] += response.rejected
            said = {**_plain(response), **+decided}
            is_final = not response.too_early
        if is_final or loop.time() > end_s:
            return said
        await asyncio.sleep(AGAIN_S)


async def _send(
    messages: _Requests, address: str, credentials: grpc.ChannelCredentials
) -> pb.SendDayListResponse:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        call: Any = channel.stream_unary(
            METHOD,
            request_serializer=pb.SendDayListRequest.SerializeToString,
            response_deserializer=pb.SendDayListResponse.FromString,
        )
        response: pb.SendDayListResponse = await call(iter(messages), timeout=CALL_S)
        return response


def _plain(response: pb.SendDayListResponse) -> dict[str, Any]:
    fields = MessageToDict(response, preserving_proto_field_name=True)
    lacks = fields.pop("lacks", None)
    said: dict[str, Any] = {
        name: [int(one) for one in value] if isinstance(value, list) else int(value)
        for name, value in fields.items()
    }
    if lacks is not None:
        told = response.lacks
        said["lacks"] = {
            "count": told.count,
            "amount": told.amount,
            "numbers": list(told.numbers),
            "let_through": told.let_through,
        }
    return said
