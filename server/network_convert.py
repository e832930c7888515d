"""The register's participants and services as messages, and as messages say them.

Uses `specs`, `catalogue` and the register, and no ledger.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, TypeVar, cast

from switch.catalogue import FormField, FreeService, Words
from switch.codes import (
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    Policy,
    PriceRule,
    Role,
)
from switch.operator_rows import OperatorSpec
from switch.register.register import Service
from switch.specs import ParticipantSpec, ServiceSpec
from switch.tariffs import Fee
from switch.v1 import network_pb2

Code = TypeVar("Code", bound=IntEnum)

# On the wire they are counted, in the register they are bits.
_IGNORED = {
    network_pb2.IGNORED_SPACE: Ignored.SPACE,
    network_pb2.IGNORED_HYPHEN: Ignored.HYPHEN,
    network_pb2.IGNORED_SLASH: Ignored.SLASH,
    network_pb2.IGNORED_POINT: Ignored.POINT,
    network_pb2.IGNORED_ZEROS: Ignored.ZEROS,
}

_FEE = ("code", "amount", "valid_from", "name_en", "name_bn")
_FIELD = ("name", "label_en", "label_bn", "pattern", "example")
_FREE = ("code", "name_en", "name_bn", "where_en", "where_bn")


def participant(spec: ParticipantSpec) -> network_pb2.Participant:
    """A participant as it is registered, with heads, limits and operators."""
    values = {
        entry.name: getattr(spec, entry.name)
        for entry in dataclasses.fields(spec)
        if entry.name not in ("role", "operators", "free_services")
    }
    return network_pb2.Participant(
        **values,
        role=cast("network_pb2.Role.ValueType", int(spec.role)),
        operators=[
            network_pb2.Operator(
                number=each.number, key=bytes.fromhex(each.key), active=each.active
            )
            for each in spec.operators
        ],
        free_services=[free_service(each) for each in spec.free_services],
    )


def service(known: Service) -> network_pb2.Service:
    """A service as it is registered."""
    spec = known.spec
    return network_pb2.Service(
        code=spec.code,
        name_en=spec.name_en,
        name_bn=spec.name_bn,
        department_en=spec.department_en,
        department_bn=spec.department_bn,
        biller=spec.biller,
        heads=spec.heads,
        amount_rule=cast("network_pb2.AmountRule.ValueType", int(spec.amount_rule)),
        amount_min=spec.amount_min,
        amount_max=spec.amount_max,
        mode=cast("network_pb2.ServiceMode.ValueType", int(spec.mode)),
        duplicate_rule=cast(
            "network_pb2.DuplicateRule.ValueType", int(spec.duplicate_rule)
        ),
        duplicate_hours=spec.duplicate_hours,
        key_rule=cast("network_pb2.KeyRule.ValueType", int(spec.key_rule or 0)),
        deadline_s=spec.deadline_s,
        deadline_policy=cast(
            "network_pb2.DeadlinePolicy.ValueType", int(spec.deadline_policy)
        ),
        active=spec.active,
        ignored=[number for number, one in _IGNORED.items() if one in spec.ignored],
        letters=cast("network_pb2.Letters.ValueType", int(spec.letters)),
        pattern=spec.pattern,
        check_digit=cast("network_pb2.CheckDigit.ValueType", int(spec.check_digit)),
        series=spec.series,
        price_rule=cast("network_pb2.PriceRule.ValueType", int(spec.price_rule)),
        amount_step=spec.amount_step,
        tariff=[
            network_pb2.Fee(**{name: getattr(one, name) for name in _FEE})
            for one in spec.tariff
        ],
        called_en=spec.called_en,
        called_bn=spec.called_bn,
        fields=form_fields(spec.fields),
        documents=words(spec.documents),
    )


def form_fields(fields: Sequence[FormField]) -> list[network_pb2.FormField]:
    """The fields of a form."""
    return [
        network_pb2.FormField(**{name: getattr(one, name) for name in _FIELD})
        for one in fields
    ]


def words(documents: Sequence[Words]) -> list[network_pb2.Words]:
    """Documents, or whatever else is said in both languages."""
    return [network_pb2.Words(en=one.en, bn=one.bn) for one in documents]


def free_service(one: FreeService) -> network_pb2.FreeService:
    """A free service of a biller."""
    return network_pb2.FreeService(
        **{name: getattr(one, name) for name in _FREE}, documents=words(one.documents)
    )


def _words(documents: Iterable[network_pb2.Words]) -> tuple[Words, ...]:
    return tuple(Words(en=one.en, bn=one.bn) for one in documents)


class UnknownCodeError(ValueError):
    """`field` of a message has a number that stands for nothing there."""

    def __init__(self, field: str, number: int) -> None:
        super().__init__(f"{number} stands for nothing there")
        self.field = field


def _code(
    codes: type[Code],
    message: network_pb2.Participant | network_pb2.Service,
    field: str,
    unspecified: int = 0,
) -> Code:
    """A field's number as what it stands for; 0 is `unspecified`."""
    number = getattr(message, field) or unspecified
    try:
        return codes(number)
    except ValueError:
        raise UnknownCodeError(field, number) from None


def participant_spec(message: network_pb2.Participant) -> ParticipantSpec:
    """A participant as it should be. Raises UnknownCodeError."""
    names = [entry.name for entry in dataclasses.fields(ParticipantSpec)]
    return ParticipantSpec(**participant_values(message, names))


def participant_values(
    message: network_pb2.Participant, names: Iterable[str]
) -> dict[str, Any]:
    """Some fields of a participant, each of its own type. Raises UnknownCodeError."""
    return {
        name: _PARTICIPANT[name](message)
        if name in _PARTICIPANT
        else getattr(message, name)
        for name in names
    }


def service_spec(message: network_pb2.Service) -> ServiceSpec:
    """A service as it should be. Raises UnknownCodeError."""
    names = [entry.name for entry in dataclasses.fields(ServiceSpec)]
    return ServiceSpec(**service_values(message, names))


def service_values(
    message: network_pb2.Service, names: Iterable[str]
) -> dict[str, Any]:
    """Some fields of a service, each of its own type. Raises UnknownCodeError."""
    return {
        name: _SERVICE[name](message) if name in _SERVICE else getattr(message, name)
        for name in names
    }


_PARTICIPANT: Final[Mapping[str, Callable[[network_pb2.Participant], Any]]] = {
    "role": lambda message: _code(Role, message, "role"),
    "heads": lambda message: tuple(message.heads),
    "operators": lambda message: tuple(
        OperatorSpec(number=each.number, key=each.key.hex(), active=each.active)
        for each in message.operators
    ),
    "free_services": lambda message: tuple(
        FreeService(
            **{name: getattr(each, name) for name in _FREE},
            documents=_words(each.documents),
        )
        for each in message.free_services
    ),
}
"""Fields that a message has in another form than a spec."""
_SERVICE: Final[Mapping[str, Callable[[network_pb2.Service], Any]]] = {
    "heads": lambda message: tuple(message.heads),
    "amount_rule": lambda message: _code(AmountRule, message, "amount_rule"),
    "mode": lambda message: _code(Mode, message, "mode"),
    "duplicate_rule": lambda message: _code(DuplicateRule, message, "duplicate_rule"),
    "key_rule": lambda message: (
        _code(KeyRule, message, "key_rule") if message.key_rule else None
    ),
    "deadline_policy": lambda message: _code(
        Policy, message, "deadline_policy", Policy.KEEP
    ),
    "letters": lambda message: _code(Letters, message, "letters", Letters.AS_THEY_ARE),
    "ignored": lambda message: _ignored(message.ignored),
    "check_digit": lambda message: _code(CheckDigit, message, "check_digit"),
    "price_rule": lambda message: _code(PriceRule, message, "price_rule"),
    "tariff": lambda message: tuple(
        Fee(**{name: getattr(each, name) for name in _FEE}) for each in message.tariff
    ),
    "called_en": lambda message: tuple(message.called_en),
    "called_bn": lambda message: tuple(message.called_bn),
    "fields": lambda message: tuple(
        FormField(**{name: getattr(each, name) for name in _FIELD})
        for each in message.fields
    ),
    "documents": lambda message: _words(message.documents),
}


def _ignored(numbers: "Iterable[network_pb2.Ignored.ValueType]") -> Ignored:
    result = Ignored(0)
    for number in numbers:
        if number not in _IGNORED:
            raise UnknownCodeError("ignored", number)
        result |= _IGNORED[number]
    return result
