"""The catalogue as the switch tells it, turned into the counter's own; kept fresh.

May use the messages; nothing else of the page knows them for services.
"""

import asyncio
import logging

from switch.client import CallError
from switch.errors import SwitchError
from switch.v1 import catalogue_pb2, network_pb2
from switch.web.counter import catalogue
from switch.web.counter.catalogue import Both, Catalogue, FormField, Item, Service
from switch.web.counter.desk import Desk, in_thread

_log = logging.getLogger(__name__)

REFRESH_S = 60.0
"""A new fee, or a biller that has gone, is known after so long."""
AWAY_FIRST_S, AWAY_MAX_S = 2.0, 20.0
"""The same while a biller is away: soon at first, for it may just be coming; then the
pause doubles."""
RETRY_S = 2.0
"""The same as long as there is no catalogue at all."""
_PRICES = {
    network_pb2.PRICE_RULE_TARIFF: "tariff",
    network_pb2.PRICE_RULE_BILL: "bill",
    network_pb2.PRICE_RULE_OPEN: "open",
}
_RULES = {
    network_pb2.AMOUNT_RULE_EXACT: "exact",
    network_pb2.AMOUNT_RULE_EXACT_AND_ABOVE: "above",
    network_pb2.AMOUNT_RULE_EXACT_AND_BELOW: "below",
}


def told(reply: catalogue_pb2.ListCatalogueResponse) -> Catalogue:
    """What the switch has listed."""
    services = [_service(one) for one in reply.services]
    services += [_free(one) for one in reply.free_services]
    return catalogue.make(reply.version, services, reply.day)


def _service(one: catalogue_pb2.CatalogueService) -> Service:
    return Service(
        code=one.code,
        name=Both(one.name_en, one.name_bn),
        department=Both(one.department_en, one.department_bn),
        biller=one.biller,
        price=_PRICES.get(one.price_rule, "none"),
        called=(*one.called_en, *one.called_bn),
        rule=_RULES.get(one.amount_rule, ""),
        amount_min=one.amount_min,
        amount_max=one.amount_max,
        amount_step=one.amount_step,
        items=tuple(
            Item(item.code, Both(item.name_en, item.name_bn), item.amount)
            for item in one.items
        ),
        example=one.example,
        fields=tuple(
            FormField(
                asked.name,
                Both(asked.label_en, asked.label_bn),
                asked.pattern,
                asked.example,
            )
            for asked in one.fields
        ),
        documents=tuple(Both(words.en, words.bn) for words in one.documents),
    )


def _free(one: catalogue_pb2.CatalogueFreeService) -> Service:
    free = one.service
    return Service(
        code=free.code,
        name=Both(free.name_en, free.name_bn),
        department=Both("", ""),
        biller=one.biller,
        price="free",
        documents=tuple(Both(words.en, words.bn) for words in free.documents),
        where=Both(free.where_en, free.where_bn),
    )


async def keep_fresh(desk: Desk) -> None:
    """Ask for the catalogue from time to time, for as long as the counter runs."""
    away, asked = desk.away, 0
    while True:
        try:
            await refresh(desk)
        except (CallError, SwitchError, OSError) as error:
            _log.warning("the catalogue: %s", error)
        asked = asked + 1 if desk.away == away else 0
        away = desk.away
        await asyncio.sleep(_pause_s(desk, asked))


def _pause_s(desk: Desk, asked: int) -> float:
    """Until it is asked again; `asked` is how often the same billers were away."""
    if not desk.catalogue.services or not desk.line.is_up:
        return RETRY_S
    if not desk.away:
        return REFRESH_S
    return min(AWAY_FIRST_S * 2.0 ** min(asked, 16), AWAY_MAX_S)


async def refresh(desk: Desk) -> None:
    """Ask for it once; keep a copy of what is new. Raises as `Line.read`."""
    version = desk.catalogue.version
    client = desk.line.client
    reply = await in_thread(desk.line.read, lambda: client.catalogue(version))
    desk.away = frozenset(reply.unavailable_billers)
    if reply.unchanged:
        return
    desk.catalogue = told(reply)
    await in_thread(catalogue.save, desk.catalogue_path, desk.catalogue)
