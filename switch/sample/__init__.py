"""The Bangla Sahayata Kendra network as data: 3,561 centres, 97 services, 40 billers.

May use `specs`, `catalogue`, `codes`, `money` and `calendar`, and neither the core nor
a ledger. `load_sample` reads it, `sample_specs` is what a ledger is loaded with,
`day.plan_day` is what its centres pay on a working day. `README.md` says where each
figure is from.
"""

from collections.abc import Iterator
from functools import cache

from switch import catalogue
from switch.codes import Role
from switch.sample.records import (
    Biller,
    Centre,
    District,
    FreeService,
    HalfHour,
    HostKind,
    Network,
    Service,
)
from switch.sample.tables import read_network
from switch.specs import TREASURY, ParticipantSpec, ServiceSpec, Specs

__all__ = [
    "AUDITOR",
    "HARNESS",
    "PMU",
    "PUBLIC",
    "SUPPORT",
    "Biller",
    "Centre",
    "District",
    "FreeService",
    "HalfHour",
    "HostKind",
    "Network",
    "Service",
    "load_sample",
    "sample_specs",
]

SECOND = "second"
AUDITOR = "auditor"
HARNESS = "harness"
PMU = "pmu"
SUPPORT = "support"
PUBLIC = "public"
"""Participant ids of the offices beside the treasury, its second person first."""


@cache
def load_sample() -> Network:
    """The sample; the same object every time."""
    return read_network()


def sample_specs() -> Specs:
    """The sample as participants and services, for `load_network` or a file."""
    network = load_sample()
    heads = {biller.code: (biller.id, biller.head) for biller in network.billers}
    offices = (
        ParticipantSpec(id=TREASURY, role=Role.TREASURY, name_en="Treasury"),
        ParticipantSpec(id=SECOND, role=Role.TREASURY, name_en="Treasury, checker"),
        ParticipantSpec(id=AUDITOR, role=Role.AUDITOR, name_en="Auditor"),
        ParticipantSpec(id=HARNESS, role=Role.HARNESS, name_en="Load harness"),
    )
    # Behind all that were there before them: nobody's index is another one.
    readers = (
        ParticipantSpec(id=PMU, role=Role.PMU, name_en="Programme management unit"),
        ParticipantSpec(id=SUPPORT, role=Role.SUPPORT, name_en="Support desk"),
        ParticipantSpec(id=PUBLIC, role=Role.PUBLIC, name_en="Public check"),
    )
    billers = (
        ParticipantSpec(
            id=biller.id,
            role=Role.BILLER,
            name_en=biller.name_en,
            name_bn=biller.name_bn,
            code=biller.code,
            heads=(biller.head,),
            never_credits_late=biller.never_credits_late,
        )
        for biller in network.billers
    )
    centres = (
        ParticipantSpec(
            id=centre.id,
            role=Role.CENTRE,
            name_en=centre.name_en,
            name_bn=centre.name_bn,
            code=centre.code,
            district=centre.district,
            host_kind=centre.host_kind,
        )
        for centre in network.centres
    )
    services = (
        ServiceSpec(
            code=service.code,
            biller=heads[service.biller][0],
            heads=(heads[service.biller][1],),
            amount_rule=service.amount_rule,
            mode=service.mode,
            duplicate_rule=service.duplicate_rule,
            name_en=service.name_en,
            name_bn=service.name_bn,
            department_en=service.department_en,
            department_bn=service.department_bn,
            amount_min=service.amount_min,
            amount_max=service.amount_max,
            duplicate_hours=service.duplicate_hours,
            key_rule=service.key_rule,
            deadline_s=service.deadline_s,
            deadline_policy=service.deadline_policy,
            letters=service.letters,
            ignored=service.ignored,
            check_digit=service.check_digit,
            pattern=service.pattern,
            price_rule=service.price_rule,
            amount_step=service.amount_step,
            tariff=service.tariff,
            called_en=service.called_en,
            called_bn=service.called_bn,
            fields=service.fields,
            documents=service.documents,
        )
        for service in network.services
    )
    departments = _departments(network)
    everybody = (*offices, *billers, *centres, *readers, *departments)
    return Specs(everybody, tuple(services))


def _departments(network: Network) -> Iterator[ParticipantSpec]:
    """Those that nobody pays: billers without a head, with what they give."""
    given: dict[str, list[FreeService]] = {}
    for one in network.free_services:
        given.setdefault(one.participant, []).append(one)
    for participant, services in given.items():
        yield ParticipantSpec(
            id=participant,
            role=Role.BILLER,
            name_en=services[0].department_en,
            name_bn=services[0].department_bn,
            free_services=tuple(
                catalogue.FreeService(
                    code=one.code,
                    name_en=one.name_en,
                    name_bn=one.name_bn,
                    where_en=one.where_en,
                    where_bn=one.where_bn,
                    documents=one.documents,
                )
                for one in services
            ),
        )
