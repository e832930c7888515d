"""The register's participants and services as messages, and as messages say them.

Uses `specs`, `catalogue` and the register, and no ledger.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TypeVar, cast

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
    return ParticipantSpec(
        id=message.id,
        role=_code(Role, message, "role"),
        active=message.active,
        name_en=message.name_en,
        name_bn=message.name_bn,
        code=message.code,
        district=message.district,
        host_kind=message.host_kind,
        heads=tuple(message.heads),
        day_amount_max=message.day_amount_max,
        day_count_max=message.day_count_max,
        payment_max=message.payment_max,
        low_balance=message.low_balance,
        may_state_dues=message.may_state_dues,
        never_credits_late=message.never_credits_late,
        signs_on=message.signs_on,
        answer_hours=message.answer_hours,
        operators=tuple(
            OperatorSpec(number=one.number, key=one.key.hex(), active=one.active)
            for one in message.operators
        ),
        free_services=tuple(
            FreeService(
                **{name: getattr(one, name) for name in _FREE},
                documents=_words(one.documents),
            )
            for one in message.free_services
        ),
    )


def service_spec(message: network_pb2.Service) -> ServiceSpec:
    """A service as it should be. Raises UnknownCodeError."""
    return ServiceSpec(
        code=message.code,
        biller=message.biller,
        heads=tuple(message.heads),
        amount_rule=_code(AmountRule, message, "amount_rule"),
        mode=_code(Mode, message, "mode"),
        duplicate_rule=_code(DuplicateRule, message, "duplicate_rule"),
        active=message.active,
        name_en=message.name_en,
        name_bn=message.name_bn,
        department_en=message.department_en,
        department_bn=message.department_bn,
        amount_min=message.amount_min,
        amount_max=message.amount_max,
        duplicate_hours=message.duplicate_hours,
        key_rule=_code(KeyRule, message, "key_rule") if message.key_rule else None,
        deadline_s=message.deadline_s,
        deadline_policy=_code(Policy, message, "deadline_policy", Policy.KEEP),
        letters=_code(Letters, message, "letters", Letters.AS_THEY_ARE),
        ignored=_ignored(message.ignored),
        check_digit=_code(CheckDigit, message, "check_digit"),
        pattern=message.pattern,
        series=message.series,
        price_rule=_code(PriceRule, message, "price_rule"),
        amount_step=message.amount_step,
        tariff=tuple(
            Fee(**{name: getattr(one, name) for name in _FEE}) for one in message.tariff
        ),
        called_en=tuple(message.called_en),
        called_bn=tuple(message.called_bn),
        fields=tuple(
            FormField(**{name: getattr(one, name) for name in _FIELD})
            for one in message.fields
        ),
        documents=_words(message.documents),
    )


def _ignored(numbers: "Iterable[network_pb2.Ignored.ValueType]") -> Ignored:
    result = Ignored(0)
    for number in numbers:
        if number not in _IGNORED:
            raise UnknownCodeError("ignored", number)
        result |= _IGNORED[number]
    return result
