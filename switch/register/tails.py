"""The tails of the register's rows about participants and services: record, then texts.

A part of `register`, which reads them; may use the core's records, `templates` and
`specs`.
"""

from typing import TYPE_CHECKING

import numpy as np

from switch._core import PARTICIPANT_RECORD, SERVICE_RECORD, TARIFF_ITEM
from switch.catalogue import counter_texts, free_texts
from switch.codes import Record
from switch.ledger.templates import people_json, put_bytes
from switch.said import read_texts
from switch.specs import (
    NetworkError,
    ParticipantSpec,
    Problem,
    ServiceSpec,
)
from switch.tariffs import DAY_LAST, Fee, day_text

if TYPE_CHECKING:
    from switch.register.register import Register


def record_texts(tail: bytes, record: Record) -> dict[str, str]:
    """The texts for people in the tail of a `register` row; empty ones are left out."""
    if record is Record.SERVICE:
        return texts_of(tail, SERVICE_RECORD, tariff_size(tail))
    return texts_of(tail, PARTICIPANT_RECORD)


def texts_of(tail: bytes, dtype: np.dtype[np.void], more: int = 0) -> dict[str, str]:
    """What follows the record, and `more` bytes, in a tail: the texts for people."""
    try:
        return read_texts(tail[dtype.itemsize + more :])
    except ValueError:
        # The ledger takes any bytes here. Nobody is to end a switch by a name.
        return {}


def _item_text(at: int, language: str) -> str:
    """What the name of a tariff's line is called among the texts."""
    return f"tariff_{at}_{language}"


def tariff_size(tail: bytes) -> int:
    """Bytes of the tariff between a service's record and its texts."""
    record = np.frombuffer(tail, SERVICE_RECORD, 1)[0]
    return int(record["items_count"]) * TARIFF_ITEM.itemsize


def record_tariff(tail: bytes) -> tuple[Fee, ...]:
    """The lines of a tariff in the tail of a service's `register` row, with names."""
    texts = record_texts(tail, Record.SERVICE)
    count = tariff_size(tail) // TARIFF_ITEM.itemsize
    lines = np.frombuffer(tail, TARIFF_ITEM, count, SERVICE_RECORD.itemsize)
    return tuple(
        Fee(
            code=line["code"].tobytes().rstrip(b"\0").decode("ascii"),
            amount=int(line["fee"]),
            # The ledger knows days that no calendar has.
            valid_from=day_text(min(int(line["valid_from"]), DAY_LAST)),
            name_en=texts.get(_item_text(at, "en"), ""),
            name_bn=texts.get(_item_text(at, "bn"), ""),
        )
        for at, line in enumerate(lines)
    )


def _tariff_items(tariff: tuple[Fee, ...]) -> bytes:
    """The lines of a tariff, by code and day, as they stand behind the record."""
    lines = np.zeros(len(tariff), TARIFF_ITEM)
    for at, fee in enumerate(tariff):
        put_bytes(lines[at : at + 1], "code", fee.code.encode())
        lines["fee"][at] = fee.amount
        lines["valid_from"][at] = fee.day
    return lines.tobytes()


# --- the tails of `register` rows -------------------------------------------------


def participant_tail(spec: ParticipantSpec) -> bytes:
    """The tail of a participant's `register` row: the record, then the texts."""
    record = np.zeros(1, PARTICIPANT_RECORD)
    record["record"] = int(Record.PARTICIPANT)
    record["role"] = int(spec.role)
    record["active"] = int(spec.active)
    record["may_state_dues"] = int(spec.may_state_dues)
    record["never_credits_late"] = int(spec.never_credits_late)
    record["signs_on"] = int(spec.signs_on)
    record["answer_hours"] = spec.answer_hours
    put_bytes(record, "code", spec.id.encode())
    texts = {
        "name_en": spec.name_en,
        "name_bn": spec.name_bn,
        "code": spec.code,
        "district": spec.district,
        "host_kind": spec.host_kind,
        "day_list": spec.day_list,
        **free_texts(spec.free_services),
    }
    return record.tobytes() + people_json(texts)


def service_tail(spec: ServiceSpec, register: "Register") -> bytes:
    """The tail of a service's `register` row: the record, its tariff, then the texts.

    Raises NetworkError if the biller, a head of it or the series is not registered.
    """
    biller = register.find_participant(spec.biller)
    heads = [register.find_head(spec.biller, head) for head in spec.heads]
    found = [head.index for head in heads if head]
    if biller is None or len(found) != len(heads):
        text = f"service {spec.code}: its biller or a head is not there"
        raise NetworkError(text, [Problem("services", text)])
    series = register.find_service(spec.series) if spec.series else None
    if spec.series and series is None:
        text = f"service {spec.code}: there is no service {spec.series}"
        raise NetworkError(text, [Problem("services", text)])
    record = np.zeros(1, SERVICE_RECORD)
    values = {
        "record": int(Record.SERVICE),
        "amount_rule": int(spec.amount_rule),
        "mode": int(spec.mode),
        "duplicate_rule": int(spec.duplicate_rule),
        "key_rule": 0 if spec.key_rule is None else int(spec.key_rule),
        "deadline_policy": int(spec.deadline_policy),
        "active": int(spec.active),
        "heads_count": len(found),
        "amount_min": spec.amount_min,
        "amount_max": spec.amount_max,
        "duplicate_hours": spec.duplicate_hours,
        "deadline_s": spec.deadline_s,
        "biller": biller.index,
        "letters": int(spec.letters),
        "ignored": int(spec.ignored),
        "check_digit": int(spec.check_digit),
        "series": series.index if series else 0,
        "price_rule": int(spec.price_rule),
        "items_count": len(spec.tariff),
        "amount_step": spec.amount_step,
    }
    for name, value in values.items():
        record[name] = value
    record["heads"][0, : len(found)] = found
    put_bytes(record, "code", spec.code.encode())
    put_bytes(record, "pattern", spec.pattern.encode("ascii"))
    texts = {
        "name_en": spec.name_en,
        "name_bn": spec.name_bn,
        "department_en": spec.department_en,
        "department_bn": spec.department_bn,
        **counter_texts(spec.called_en, spec.called_bn, spec.fields, spec.documents),
    }
    for at, fee in enumerate(spec.tariff):
        texts[_item_text(at, "en")] = fee.name_en
        texts[_item_text(at, "bn")] = fee.name_bn
    return record.tobytes() + _tariff_items(spec.tariff) + people_json(texts)
