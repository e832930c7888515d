"""CounterService.FetchBill and FetchBills: what references owe, with quotations.

The biller is asked in the event loop; what is paid already is looked for in a reading
thread, which seals the quotations too. Nothing is recorded.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

from server import arguments, convert
from server.node import Node
from server.services.put_bills import fetch_put_in
from server.status import ArgumentError, NotFoundError, PreconditionError, reason_of
from switch.billing.bills import Fetched, citizens_form, read_bills, reference_max
from switch.billing.quotations import quote
from switch.codes import PriceRule
from switch.counter.masks import mask_reference
from switch.errors import (
    SHOWN_MAX,
    BillNotFoundError,
    BillUnreadableError,
    CorruptionError,
    SwitchError,
    shown,
)
from switch.references import WrongReferenceError, canonical
from switch.register.identity import Identity
from switch.register.register import Service
from switch.v1 import counter_pb2 as pb

log = logging.getLogger("server")

REFERENCES_MAX = 100
"""References of one FetchBills."""


async def fetch_bill(
    node: Node, request: pb.FetchBillRequest, caller: Identity
) -> pb.FetchBillResponse:
    """What one reference owes. Raises what keeps it from being known."""
    centre, service = _asked_for(node, caller, request.centre, request.service)
    found = await _fetch(node, service, request.reference, centre)
    [told] = await node.read(_tell, node, [found], centre)
    if isinstance(told, SwitchError):
        raise told
    return pb.FetchBillResponse(bills=told)


async def fetch_bills(
    node: Node, request: pb.FetchBillsRequest, caller: Identity
) -> pb.FetchBillsResponse:
    """What up to REFERENCES_MAX references owe; of each alone what went wrong."""
    centre, service = _asked_for(node, caller, request.centre, request.service)
    references = request.references
    if not 1 <= len(references) <= REFERENCES_MAX:
        raise ArgumentError("references", f"must be 1 to {REFERENCES_MAX}")
    found = await asyncio.gather(
        *(_fetch_or_not(node, service, one, centre) for one in references)
    )
    told = await node.read(_tell, node, found, centre)
    response = pb.FetchBillsResponse()
    for reference, one in zip(references, told, strict=True):
        if isinstance(one, SwitchError):
            response.fetched.add(reference=reference[:SHOWN_MAX], error=_reason(one))
        else:
            response.fetched.add(reference=reference[:SHOWN_MAX], bills=one)
    return response


def _asked_for(
    node: Node, caller: Identity, centre: str, code: str
) -> tuple[int, Service]:
    """Participant index of the centre, and the service that is paid by bill."""
    wallet = arguments.own_wallet(node.register, caller, centre)
    service = node.register.find_service(code)
    if service is None:
        raise NotFoundError(f"service: there is no service {shown(code)}")
    if service.spec.price_rule is not PriceRule.BILL:
        raise PreconditionError(
            "NOT_PAID_BY_BILL",
            f"{code} has no bills: its biller does not set the price",
        )
    return wallet.participant, service


async def _fetch(node: Node, service: Service, reference: str, centre: int) -> Fetched:
    spec = service.spec
    try:
        asked = canonical(citizens_form(spec), reference)
    except WrongReferenceError as error:
        raise ArgumentError("reference", str(error)) from error
    most = reference_max(spec)
    if len(asked) > most:
        raise ArgumentError(
            "reference",
            f"must be at most {most} characters, so that a payment's has room for its "
            "period",
        )
    try:
        # One look-up, here: what is asked for together is asked of a biller together.
        if node.put_in.is_put_in(service.index):
            at_ns, answer = await node.read(fetch_put_in, node, service, asked)
            return read_bills(answer, service, asked, at_ns, node.ledger)
        return await node.dispatch.fetch_bills(service, asked, centre)
    except BillNotFoundError as error:
        log.info("no bill of %s for %s: %s", spec.code, mask_reference(asked), error)
        raise
    except BillUnreadableError as error:
        log.warning("bills of %s for %s: %s", spec.code, mask_reference(asked), error)
        raise


async def _fetch_or_not(
    node: Node, service: Service, reference: str, centre: int
) -> Fetched | SwitchError:
    try:
        return await _fetch(node, service, reference, centre)
    except SwitchError as error:
        return error


def _reason(error: SwitchError) -> str:
    """In FetchBills; of FetchBill a wrong argument is told by its field."""
    return "REFERENCE_WRONG" if isinstance(error, ArgumentError) else reason_of(error)


def _tell(
    node: Node, fetched: Sequence[Fetched | SwitchError], centre: int
) -> list[list[pb.Bill] | SwitchError]:
    """The bills of each with their states and quotations; errors as they are."""
    now_ns = max(time.time_ns(), node.ledger.timestamp + 1)
    told: list[list[pb.Bill] | SwitchError] = []
    for one in fetched:
        if isinstance(one, SwitchError):
            told.append(one)
            continue
        try:
            quoted = quote(node.register, one, centre, now_ns)
        except CorruptionError as error:
            # Of this one it is not known what is paid; the others are not to wait.
            log.error("cannot look for payments of a bill: %s", error)
            told.append(error)
            continue
        told.append([convert.bill(bill, one) for bill in quoted])
    return told
