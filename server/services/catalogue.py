"""CounterService.ListCatalogue: what can be paid, and what costs nothing.

It is made of the register alone, once for each state of it and each day, and kept as
messages: to list it waits for no commit and for no reading thread, so that it is told
when nothing else is.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from server import arguments, network_convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.status import ArgumentError
from switch.billing.bills import citizens_form
from switch.billing.health import Health
from switch.calendar import day_number
from switch.codes import Mode, PriceRule
from switch.references import find_example
from switch.register.identity import Identity
from switch.register.register import Register, Service
from switch.specs import ServiceSpec
from switch.tariffs import day_text, fees_on
from switch.v1 import catalogue_pb2 as pb
from switch.v1 import network_pb2

VERSION_SIZE: Final = 16
"""Bytes of a version; it is written in hexadecimal digits."""
VERSION_TEXT_MAX: Final = 64
PAGE_BYTES_MAX: Final = 1 << 20
"""A page ends once it has so many bytes."""
AVAILABLE_S: Final = 1.0
"""How long it is not asked again which billers are there."""

Item = pb.CatalogueService | pb.CatalogueFreeService


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that is listed, as of one state of the register and one day."""

    register_version: int
    day: int
    version: str
    items: Sequence[Item]
    sizes: Sequence[int]
    asked: Sequence["_Asked"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A biller that is asked something."""

    index: int
    name: str
    confirms: bool
    bills: Sequence[int]
    """Its services that are paid by bill."""


class CatalogueLists:
    """Lists the catalogue; belongs to the event loop."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._made: Catalogue | None = None
        self._making = asyncio.Lock()
        self._unavailable: Sequence[str] = ()
        self._looked_for: Catalogue | None = None
        self._looked_s = 0.0

    async def list(
        self, request: pb.ListCatalogueRequest, caller: Identity
    ) -> pb.ListCatalogueResponse:
        """One page, or that it is what the caller has."""
        if len(request.if_version) > VERSION_TEXT_MAX:
            text = f"must be at most {VERSION_TEXT_MAX} characters"
            raise ArgumentError("if_version", text)
        size = arguments.page_size(request.page_size, self._node.config)
        first = read_token(request, caller)
        now = await self._catalogue()
        response = pb.ListCatalogueResponse(
            version=now.version,
            unavailable_billers=self._look(now),
            day=day_text(now.day),
        )
        if request.if_version == now.version and not first:
            response.unchanged = True
            return response
        at, room = first, PAGE_BYTES_MAX
        while at < len(now.items) and at - first < size and room > 0:
            item = now.items[at]
            if isinstance(item, pb.CatalogueService):
                response.services.append(item)
            else:
                response.free_services.append(item)
            room -= now.sizes[at]
            at += 1
        following = at if at < len(now.items) else 0
        response.next_page_token = make_token(request, caller, following)
        return response

    async def _catalogue(self) -> Catalogue:
        register = self._node.register
        wanted = register.version, day_number(time.time_ns())
        made = self._made
        if made is None or (made.register_version, made.day) != wanted:
            async with self._making:
                made = self._made
                if made is None or (made.register_version, made.day) != wanted:
                    # Not a reading thread: those wait for the disk.
                    run = self._node.loop.run_in_executor
                    made = await run(None, make_catalogue, register, *wanted)
                    self._made = made
        return made

    def _look(self, now: Catalogue) -> Sequence[str]:
        """The billers that would not be asked now."""
        moment = self._node.loop.time()
        if self._looked_for is not now or moment - self._looked_s >= AVAILABLE_S:
            self._looked_for, self._looked_s = now, moment
            self._unavailable = [
                one.name for one in now.asked if not self._answers(one)
            ]
        return self._unavailable

    def _answers(self, asked: _Asked) -> bool:
        biller = self._node.dispatch.biller(asked.index)
        # The clock that the dispatcher has.
        moment = time.monotonic()
        is_here = biller.presence.is_connected
        if asked.confirms and (biller.health(moment) is Health.OPEN or not is_here):
            return False
        # Of bills that it has put in it is not asked.
        put_in = self._node.put_in
        if all(put_in.is_put_in(service) for service in asked.bills):
            return True
        is_open = biller.fetch_breaker.state(moment) is Health.OPEN
        return bool(biller.connections_count) and not is_open


def make_catalogue(register: Register, register_version: int, day: int) -> Catalogue:
    """The catalogue of an IST day. Any thread."""
    services = sorted(_listed(register), key=lambda one: one.spec.code)
    items: list[Item] = [_service(register, one, day) for one in services]
    items += _free(register)
    bodies = [one.SerializeToString(deterministic=True) for one in items]
    hashed = hashlib.blake2b(digest_size=VERSION_SIZE, person=b"catalogue")
    for body in bodies:
        hashed.update(len(body).to_bytes(4, "little"))
        hashed.update(body)
    return Catalogue(
        register_version,
        day,
        hashed.hexdigest(),
        items,
        [len(body) for body in bodies],
        list(_asked(register, services)),
    )


def _asked(register: Register, services: Sequence[Service]) -> Iterator[_Asked]:
    """The billers of these services that are asked something, by index."""
    for index in sorted({one.biller for one in services}):
        mine = [one for one in services if one.biller == index]
        confirms = any(one.spec.mode is Mode.CONFIRMED for one in mine)
        bills = [one.index for one in mine if one.spec.price_rule is PriceRule.BILL]
        if confirms or bills:
            name = register.participant(index).spec.id
            yield _Asked(index, name, confirms, bills)


def _listed(register: Register) -> Iterator[Service]:
    for one in register.services():
        if one.spec.active and register.participant(one.biller).spec.active:
            yield one


def _service(register: Register, known: Service, day: int) -> pb.CatalogueService:
    spec = known.spec
    form = citizens_form(spec) if spec.price_rule is PriceRule.BILL else spec.form
    return pb.CatalogueService(
        code=spec.code,
        name_en=spec.name_en,
        name_bn=spec.name_bn,
        department_en=spec.department_en,
        department_bn=spec.department_bn,
        biller=spec.biller,
        called_en=spec.called_en,
        called_bn=spec.called_bn,
        price_rule=cast("network_pb2.PriceRule.ValueType", int(spec.price_rule)),
        amount_rule=cast("network_pb2.AmountRule.ValueType", int(spec.amount_rule)),
        amount_min=spec.amount_min,
        amount_max=spec.amount_max,
        amount_step=spec.amount_step,
        items=_items(spec, day),
        mode=cast("network_pb2.ServiceMode.ValueType", int(spec.mode)),
        key_rule=cast("network_pb2.KeyRule.ValueType", int(spec.key_rule or 0)),
        pattern=spec.pattern,
        example=find_example(form) or "",
        fields=network_convert.form_fields(spec.fields),
        documents=network_convert.words(spec.documents),
    )


def _items(spec: ServiceSpec, day: int) -> list[pb.CatalogueItem]:
    return [
        pb.CatalogueItem(
            code=fee.code, name_en=fee.name_en, name_bn=fee.name_bn, amount=fee.amount
        )
        for fee in fees_on(spec.tariff, day).values()
    ]


def _free(register: Register) -> Iterator[pb.CatalogueFreeService]:
    billers = [one.spec for one in register.participants() if one.spec.active]
    for biller in sorted(billers, key=lambda one: one.id):
        for one in biller.free_services:
            yield pb.CatalogueFreeService(
                biller=biller.id, service=network_convert.free_service(one)
            )
