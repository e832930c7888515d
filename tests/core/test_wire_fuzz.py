"""Goal: the core's parser of payments and the generated classes agree on any bytes, and
what the core writes the generated classes read.

Method: messages made and spoilt by seed (`wire_maker.py`), read both ways and compared
field by field (`wire_compare.py`, where the differences that are meant stand); what
once was read differently stays as a case. Answers of random outcomes, edges among
them, are parsed and written again. `make fuzz-messages` reads millions of messages.
"""

import random
from typing import Any

import numpy as np
import pytest

from switch._core import OUTCOME, ROW, Request, encode_outcomes
from switch.codes import AMOUNT_MAX
from switch.v1 import payments_pb2 as pb
from tests.core import wire_compare
from tests.core.wire import data, key, padded, scalar
from tests.core.wire_compare import DisagreementError, compare, messages, run
from tests.core.wire_maker import EDGES
from tests.longer import quarter
from tests.records import OUTCOME_BYTES, OUTCOME_FIELDS, ZERO_ID

INPUTS = quarter(30_000)
"""Messages of one seed."""
LEAST = {
    # Of a thousand messages, how many at least must be of each sort.
    "payments": 150,
    "baskets": 20,
    "not UTF-8": 20,
    "malformed": 200,
    "empty": 10,
    "wide number": 5,
    "field 0": 2,
    "deep groups": 2,
}
OUTCOMES = quarter(20_000)
OUTCOME_MAX = 115
"""Of one without a handle; WIRE_OUTCOME_MAX of wire.pxi has room for that as well."""
PAYMENT = data(1, b"i" * 16) + scalar(3, 5)
CODE = data(1, b"A")


@pytest.mark.parametrize("seed", range(1, 5))
def test_readings_agree(seed: int) -> None:
    sorts = run(seed, INPUTS)
    assert sorts.total() == INPUTS
    rare = {
        sort for sort, least in LEAST.items() if sorts[sort] * 1_000 < least * INPUTS
    }
    assert not rare, sorts


@pytest.mark.parametrize("seed", [8, 12, 14])
def test_a_seed_may_spoil_its_first_fields(seed: int) -> None:
    # Those are made before there is anything odd that could be put into them.
    assert len(list(messages(seed, 2))) == 2


def test_a_seed_makes_the_same_messages() -> None:
    assert list(messages(9, 3_000)) == list(messages(9, 3_000))
    assert list(messages(9, 100)) != list(messages(10, 100))


def test_a_disagreement_is_found_and_made_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The bound that the messages' edges lie at, moved by one paisa.
    monkeypatch.setattr(wire_compare, "AMOUNT_MAX", AMOUNT_MAX + 1)
    with pytest.raises(DisagreementError) as caught:
        run(1, INPUTS)
    smallest = data(1, scalar(3, AMOUNT_MAX + 1))
    assert caught.value.body in (smallest, data(2, smallest))
    assert caught.value.body.hex() in str(caught.value)


# --- what once was read differently, or easily could be -------------------------------

SAME = {
    # Read differently until lengths and keys had to end within five bytes.
    "key of five bytes": data(1, padded(3 << 3, 5) + b"\x05"),
    "key of six bytes": data(1, padded(3 << 3, 6) + b"\x05"),
    "key of ten bytes": data(1, padded(11 << 3, 10) + b"\x05"),
    "outer key of six bytes": padded(1 << 3 | 2, 6) + b"\x02\x18\x05",
    "length of five bytes": key(1, 2) + padded(2, 5) + b"\x18\x05",
    "length of six bytes": key(1, 2) + padded(2, 6) + b"\x18\x05",
    "unknown length of six bytes": data(1, key(11, 2) + padded(1, 6) + b"x"),
    "end of a group, six bytes": data(1, key(11, 3) + padded(11 << 3 | 4, 6)),
    # The edges of what is refused.
    "key of 32 bits": data(1, padded(2**32 - 8, 5) + b"\x05"),
    "key of 33 bits": data(1, padded(2**32 + 24, 5) + b"\x05"),
    "number of ten bytes": data(1, scalar(3, 2**64 - 1)),
    "number of eleven bytes": data(1, key(3, 0) + padded(5, 11)),
    "field 0": data(1, scalar(0, 5)),
    "wire type 6": data(1, key(11, 6)),
    "wire type 7": data(1, key(3, 7)),
    "group within its payment": data(1, key(11, 3)) + key(11, 4),
    "payment that is a group": key(1, 3) + PAYMENT + key(1, 4),
    "groups, 32 deep": data(1, PAYMENT + key(11, 3) * 32 + key(11, 4) * 32),
    "groups, 33 deep": data(1, PAYMENT + key(11, 3) * 33 + key(11, 4) * 33),
    "groups, 33 deep, in a row": data(1, (key(11, 3) + key(11, 4)) * 33),
    "baskets first": data(2, data(1, PAYMENT) * 2) + data(1, PAYMENT),
    "a basket in two": data(2, data(1, PAYMENT)) * 2,
    "a basket of none": data(2, b"") + data(1, b""),
    "packed amounts": data(1, data(3, b"\x05\x06")),
    "an item in two": data(1, data(13, data(1, b"A")) + data(13, scalar(2, 1))),
    "an item of none": data(1, PAYMENT + data(13, b"")),
    "a count of ten bytes": data(1, data(13, CODE + key(2, 0) + padded(1, 10))),
    "a wide count": data(1, data(13, CODE + scalar(2, 2**32 + 1))),
    "a code given twice": data(
        1, data(13, data(1, b"\xff") + data(1, b"A") + scalar(2, 1))
    ),
    "an item with a group": data(1, data(13, CODE + key(2, 3) + key(2, 4))),
    "an item cut short": data(1, data(13, CODE + b"\x10")),
    "an item that is a number": data(1, scalar(13, 7)),
    "a handle given twice": data(1, data(12, b"h" * 24) + data(12, b"h")),
    "a token of none": data(1, data(11, b"x" * 144) + data(11, b"")),
    "UTF-8 that is overwritten": data(1, data(10, b"\xff") + data(10, b"x")),
}


@pytest.mark.parametrize("body", SAME.values(), ids=SAME)
def test_cases_are_read_the_same(body: bytes) -> None:
    compare(body)


@pytest.mark.parametrize("name", SAME)
def test_every_truncation_of_a_case_is_read_the_same(name: str) -> None:
    for size in range(len(SAME[name])):
        compare(SAME[name][:size])


def test_rows_are_not_decoded_as_payments() -> None:
    rows = np.zeros(1, ROW)
    with pytest.raises(ValueError, match="payments"):
        Request.rows(rows).decode()


# --- answers --------------------------------------------------------------------------


def outcomes_of(rng: random.Random) -> list[tuple[Any, ...]]:
    """Fields of outcomes in the order of OUTCOME_FIELDS, edges among them."""
    edges = [value for value in EDGES if value < 2**64]

    def number(bits: int) -> int:
        value = rng.choice((0, rng.choice(edges), rng.getrandbits(bits)))
        return value & (1 << bits) - 1

    def outcome() -> tuple[Any, ...]:
        wide = [number(64) for _ in range(5)]
        id_ = rng.choice((ZERO_ID, rng.randbytes(16), bytes(15) + b"x"))
        narrow = [number(32), number(32), number(16), number(8)]
        flags = rng.randrange(2), number(8), number(8), rng.choice((0, 0, 0, 1))
        return (*wide, id_, *narrow, *flags)

    return [outcome() for _ in range(OUTCOMES // 4)]


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_read_by_the_generated_classes(seed: int) -> None:
    rng = random.Random(seed)
    outcomes = outcomes_of(rng)
    ids = [rng.choice((ZERO_ID, rng.randbytes(16))) for _ in outcomes]
    packed = b"".join(OUTCOME_BYTES.pack(*each) for each in outcomes)
    reply = encode_outcomes(b"".join(ids), np.frombuffer(packed, OUTCOME))
    message = pb.CreatePaymentsResponse.FromString(reply)
    message.DiscardUnknownFields()
    assert message.SerializeToString() == reply
    for id_, values, found in zip(ids, outcomes, message.outcomes, strict=True):
        sent = dict(zip(OUTCOME_FIELDS, values, strict=True))
        foreign = sent["foreign"]
        assert found == pb.PaymentOutcome(
            id=id_.replace(ZERO_ID, b""),
            result=sent["result"],
            sequence=sent["sequence"],
            receipt=sent["receipt"],
            receipt_year=sent["year"],
            time_ns=sent["timestamp"],
            wallet_balance=sent["balance"],
            wallet_pending=sent["pending"],
            repeat=sent["repeat"],
            differing_field=sent["field"],
            other_id=b"" if foreign else sent["other_id"].replace(ZERO_ID, b""),
            other_sequence=0 if foreign else sent["other"],
            state=sent["state"],
        )


def test_the_longest_answer_fits() -> None:
    full = np.frombuffer(b"\xff" * 70 + bytes(10), OUTCOME)
    reply = encode_outcomes(b"\xff" * 16, full)
    assert len(reply) == OUTCOME_MAX
    assert len(pb.CreatePaymentsResponse.FromString(reply).outcomes) == 1
    with pytest.raises(ValueError, match="16 bytes"):
        encode_outcomes(bytes(15), full)
    assert encode_outcomes(b"", np.zeros(0, OUTCOME)) == b""
