"""What can be paid, as the switch lists it; kept on disk, so that a start needs no
line.

A cache and nothing more: what is due, what it costs, and whether it can be paid is the
switch's to say, each time.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from switch.web.counter.till import write_whole

SERVICES_MAX = 4_000
FILE_MAX = 8 << 20
"""Bytes of the copy on disk."""


@dataclass(frozen=True, slots=True)
class Both:
    """The same in English and Bengali."""

    en: str
    bn: str

    def said(self, language: str) -> str:
        """In a language, or in the other where it has none."""
        return (self.bn or self.en) if language == "bn" else (self.en or self.bn)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a tariff. Paise."""

    code: str
    name: Both
    amount: int


@dataclass(frozen=True, slots=True)
class FormField:
    """What a form asks for beside the reference."""

    name: str
    label: Both
    pattern: str
    example: str


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as its form needs it."""

    code: str
    name: Both
    department: Both
    biller: str
    price: str
    """`bill`, `tariff`, `open`, `free`, or `none` for what no counter can be paid."""
    called: tuple[str, ...] = ()
    rule: str = ""
    """Of a bill: `exact`, `above` or `below`."""
    amount_min: int = 0
    amount_max: int = 0
    amount_step: int = 0
    items: tuple[Item, ...] = ()
    example: str = ""
    fields: tuple[FormField, ...] = ()
    documents: tuple[Both, ...] = ()
    where: Both = Both("", "")
    """Of what is free: where it is applied for."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services by their code."""

    version: str
    services: Mapping[str, Service]
    day: str = ""


EMPTY = Catalogue("", {})


def make(version: str, services: Iterable[Service], day: str = "") -> Catalogue:
    """A catalogue of these services, at most SERVICES_MAX."""
    found: dict[str, Service] = {}
    for service in services:
        if len(found) >= SERVICES_MAX:
            break
        found[service.code] = service
    return Catalogue(version, found, day)


def save(path: Path, catalogue: Catalogue) -> None:
    """Keep a copy."""
    values = {
        "version": catalogue.version,
        "day": catalogue.day,
        "services": [asdict(one) for one in catalogue.services.values()],
    }
    write_whole(path, json.dumps(values, ensure_ascii=False).encode())


def load(path: Path) -> Catalogue:
    """The copy; EMPTY where there is none that can be read: the switch has another."""
    try:
        if path.stat().st_size > FILE_MAX:
            return EMPTY
        values = json.loads(path.read_bytes())
        services = [_service(one) for one in values["services"]]
        return make(str(values["version"]), services, str(values["day"]))
    except (OSError, ValueError, KeyError, TypeError):
        return EMPTY


def _both(values: Mapping[str, str]) -> Both:
    return Both(str(values["en"]), str(values["bn"]))


def _service(values: dict[str, Any]) -> Service:
    return Service(
        **{
            **values,
            "name": _both(values["name"]),
            "department": _both(values["department"]),
            "where": _both(values["where"]),
            "called": tuple(values["called"]),
            "items": tuple(
                Item(one["code"], _both(one["name"]), one["amount"])
                for one in values["items"]
            ),
            "fields": tuple(
                FormField(
                    one["name"], _both(one["label"]), one["pattern"], one["example"]
                )
                for one in values["fields"]
            ),
            "documents": tuple(_both(one) for one in values["documents"]),
        }
    )
