"""Records that say some of their fields, made whole by what the register has.

A part of `register`; may use the core, `register` and `specs`. Whoever loads or
proposes reads the register first, merges then, and loses nobody's change in between.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import MISSING
from typing import Any

from switch._core import Rows
from switch.codes import NO_AMOUNT_LIMIT, NO_COUNT_LIMIT, Role
from switch.errors import shown
from switch.operator_rows import OperatorSpec
from switch.register.operators import operators_of
from switch.register.register import Participant, Register
from switch.specs import (
    NetworkError,
    PartialRecord,
    ParticipantSpec,
    Problem,
    ServiceSpec,
    Specs,
)

ParticipantRecord = ParticipantSpec | PartialRecord
"""A participant that says all of its fields, or some."""
ServiceRecord = ServiceSpec | PartialRecord
"""A service that says all of its fields, or some."""


def describe(register: Register) -> Specs:
    """The register as specs: what a load of them into an empty ledger would give."""
    images, _ = register.ledger.accounts()
    return Specs(
        tuple(describe_one(register, each, images) for each in register.participants()),
        tuple(each.spec for each in register.services()),
    )


def describe_one(
    register: Register, known: Participant, images: Rows
) -> ParticipantSpec:
    """A participant with its heads, its limits and its operators.

    `images` are those of all accounts. Raises CorruptionError.
    """
    spec = _with_accounts(register, known, images)
    operators = operators_of(register.ledger, known.index)
    if operators:
        listed = tuple(operator.spec for operator in operators)
        spec = dataclasses.replace(spec, operators=listed)
    return spec


def _with_accounts(
    register: Register, known: Participant, images: Rows
) -> ParticipantSpec:
    spec = known.spec
    accounts = list(register.accounts_of(known.index))
    if spec.role is Role.BILLER:
        heads = tuple(account.head for account in accounts)
        return dataclasses.replace(spec, heads=heads)
    # An account that was opened since has no limits yet.
    if spec.role is Role.CENTRE and accounts and accounts[0].index < len(images):
        return dataclasses.replace(spec, **limits_of(images[accounts[0].index]))
    return spec


def limits_of(image: Any) -> dict[str, Any]:
    """The limits of a wallet by its image, as a spec has them."""
    return {
        "day_amount_max": _limit(int(image["day_amount_max"]), NO_AMOUNT_LIMIT),
        "day_count_max": _limit(int(image["day_count_max"]), NO_COUNT_LIMIT),
        "payment_max": _limit(int(image["payment_max"]), NO_AMOUNT_LIMIT),
        "low_balance": int(image["low_balance"]),
    }


def _limit(value: int, none: int) -> int:
    return 0 if value == none else value


def merge_participants(
    register: Register, records: Sequence[ParticipantRecord], images: Rows
) -> list[ParticipantSpec]:
    """Participants as they should be, with what their records do not say as it is.

    `images` are those of all accounts: what is merged must be compared with the same
    ones. Raises NetworkError.
    """
    return [
        record
        if isinstance(record, ParticipantSpec)
        else _merge_participant(register, record, images, f"participants[{at}]")
        for at, record in enumerate(records)
    ]


def _merge_participant(
    register: Register, record: PartialRecord, images: Rows, place: str
) -> ParticipantSpec:
    known = register.find_participant(record.key)
    if known is None:
        made: ParticipantSpec = _new(ParticipantSpec, record, place)
        return made
    spec = _with_accounts(register, known, images)
    values = dict(record.values)
    given = values.get("heads", spec.heads)
    if given[: len(spec.heads)] != spec.heads:
        raise _problem(
            f"{place}.heads",
            f"{record.key} has {', '.join(spec.heads)}: heads stay, in this order, and "
            "new ones go behind; `payswitch network export` writes them",
        )
    if "operators" in values:
        given = values["operators"]
        values["operators"] = (*given, *_left_out(register, known, given))
    return dataclasses.replace(spec, **values)


def _left_out(
    register: Register, known: Participant, given: Sequence[OperatorSpec]
) -> list[OperatorSpec]:
    """The active operators that a whole list leaves out, switched off."""
    numbers = {operator.number for operator in given}
    return [
        dataclasses.replace(operator.spec, active=False)
        for operator in operators_of(register.ledger, known.index)
        if operator.active and operator.number not in numbers
    ]


def merge_services(
    register: Register, records: Sequence[ServiceRecord]
) -> list[ServiceSpec]:
    """Services as they should be, likewise. Raises NetworkError."""
    found = []
    for at, record in enumerate(records):
        if isinstance(record, ServiceSpec):
            found.append(record)
        elif known := register.find_service(record.key):
            found.append(dataclasses.replace(known.spec, **record.values))
        else:
            found.append(_new(ServiceSpec, record, f"services[{at}]"))
    return found


def _new(kind: Any, record: PartialRecord, place: str) -> Any:
    """A record that the register does not have."""
    for entry in dataclasses.fields(kind):
        if entry.default is MISSING and entry.name not in record.values:
            raise _problem(
                f"{place}.{entry.name}",
                f"must be given: {shown(record.key)} is not in the register yet",
            )
    return kind(**record.values)


def _problem(field: str, text: str) -> NetworkError:
    return NetworkError(f"{field}: {text}", [Problem(field, text)])
