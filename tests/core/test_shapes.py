"""Goal: bad input gets the answer that docs/data-model.md gives, and leaves no trace.

Method: a good payment with one thing wrong at a time, written by hand as bytes. The
result is stated here; the model beside the core must say the same.
"""

from dataclasses import replace
from typing import Any

import pytest

from switch._core import GROUP_MAX, Request
from switch.codes import Field, Kind, Result, Role, RowFlag
from switch.errors import WireError
from tests.core import wire
from tests.core.network import NOW, Network
from tests.core.pair import Pair
from tests.model import Payments, Rows
from tests.records import LimitRecord, ParticipantRecord, Payment, Row, flags_of

GOOD = Payment(
    id=bytes(range(16)),
    service=b"GREAT",
    amount=1_000,
    reference=b"BILL 1",
    operator=1,
    centre=b"centre-0",
    note=b"a note",
)
NEGATIVE = 2**64 - 1_000  # what protobuf writes for an int64 of -1,000
WORD_MAX = 2**64 - 1

SHAPES: list[tuple[dict[str, Any], Result]] = [
    ({"id": b""}, Result.INVALID_ID),
    ({"id": bytes(16)}, Result.INVALID_ID),
    ({"id": bytes(range(15))}, Result.INVALID_ID),
    ({"id": bytes(range(17))}, Result.INVALID_ID),
    ({"amount": 0}, Result.INVALID_AMOUNT),
    ({"amount": NEGATIVE}, Result.INVALID_AMOUNT),
    ({"amount": WORD_MAX}, Result.INVALID_AMOUNT),
    ({"amount": 10**18 + 1}, Result.INVALID_AMOUNT),
    ({"reference": b""}, Result.INVALID_REFERENCE),
    ({"reference": b"r" * 33}, Result.INVALID_REFERENCE),
    ({"reference": b"r" * 70_000}, Result.INVALID_REFERENCE),
    ({"reference": "বিল".encode()}, Result.INVALID_REFERENCE),
    ({"reference": b"tab\there"}, Result.INVALID_REFERENCE),
    ({"reference": b"BILL 1 "}, Result.INVALID_REFERENCE),
    ({"reference": b" BILL 1"}, Result.INVALID_REFERENCE),
    ({"reference": b"delete\x7f"}, Result.INVALID_REFERENCE),
    ({"reference": b"nul\x00"}, Result.INVALID_REFERENCE),
    ({"reference": b"nul\x00more"}, Result.INVALID_REFERENCE),
    ({"operator": 2**32}, Result.INVALID_OPERATOR),
    ({"operator": WORD_MAX}, Result.INVALID_OPERATOR),
    ({"centre": b""}, Result.INVALID_CENTRE),
    ({"centre": b"nobody"}, Result.INVALID_CENTRE),
    ({"centre": b"treasury"}, Result.INVALID_CENTRE),
    ({"centre": b"biller-0"}, Result.INVALID_CENTRE),
    ({"centre": b"centre-0\x00"}, Result.INVALID_CENTRE),
    ({"centre": b"c" * 33}, Result.INVALID_CENTRE),
    ({"centre": b"c" * 300}, Result.INVALID_CENTRE),
    ({"centre": b"\xff\xff"}, Result.INVALID_CENTRE),
    ({"tender": 3}, Result.INVALID_TENDER),
    ({"tender": WORD_MAX}, Result.INVALID_TENDER),
    ({"head": 8}, Result.INVALID_HEAD),
    ({"head": 2**32}, Result.INVALID_HEAD),
    ({"note": b"n" * 65}, Result.INVALID_NOTE),
    ({"note": b"\xff"}, Result.INVALID_NOTE),
    ({"note": b"\xc0\x80"}, Result.INVALID_NOTE),
    ({"note": b"\xed\xa0\x80"}, Result.INVALID_NOTE),
    ({"note": b"cut \xe0\xa6"}, Result.INVALID_NOTE),
    ({"amount": 0, "tender": 9}, Result.INVALID_AMOUNT),
    ({"reference": b"", "head": 9, "operator": 2**40}, Result.INVALID_REFERENCE),
]

REFUSALS: list[tuple[dict[str, Any], Result]] = [
    ({"service": b""}, Result.SERVICE_UNKNOWN),
    ({"service": b"NOBODY"}, Result.SERVICE_UNKNOWN),
    ({"service": b"great"}, Result.SERVICE_UNKNOWN),
    ({"service": b"GREAT\x00"}, Result.SERVICE_UNKNOWN),
    ({"service": b"G" * 17}, Result.SERVICE_UNKNOWN),
    ({"service": b"G" * 300}, Result.SERVICE_UNKNOWN),
    ({"service": b"S009"}, Result.SERVICE_INACTIVE),
    ({"head": 1}, Result.HEAD_UNKNOWN),
    ({"head": 7}, Result.HEAD_UNKNOWN),
    ({"amount": 10**18}, Result.INSUFFICIENT_FUNDS),
]


def pay(pair: Pair, net: Network, payment: Payment, *, bound: int = 0) -> int:
    """One payment of a harness, or of a bound centre; its result."""
    sender = bound or net.harness
    return pair.commit([Payments([payment], [], sender, bound)], NOW)[0][0].result


def send(pair: Pair, net: Network, body: bytes) -> list[Any]:
    """Bytes as a harness's request; the outcomes."""
    request = Request.payments(body, net.harness, 0)
    (reply,) = pair.ledger.commit([request], NOW)
    return [outcome for _, outcome in wire.decode_reply(bytes(reply))]


@pytest.mark.parametrize(("fields", "result"), SHAPES)
def test_wrong_shapes_leave_no_trace(
    pair: Pair, network: Network, fields: dict[str, Any], result: Result
) -> None:
    sequence = pair.ledger.sequence
    assert pay(pair, network, replace(GOOD, **fields)) == result
    assert pair.ledger.sequence == sequence
    assert pay(pair, network, GOOD) == Result.OK


@pytest.mark.parametrize(("fields", "result"), REFUSALS)
def test_refusals_are_recorded_and_sticky(
    pair: Pair, network: Network, fields: dict[str, Any], result: Result
) -> None:
    payment = replace(GOOD, **fields)
    sequence = pair.ledger.sequence
    assert pay(pair, network, payment) == result
    assert pay(pair, network, payment) == result
    assert pair.ledger.sequence == sequence + 1
    pair.compare_all([sequence + 1])


def test_a_centre_pays_for_itself_only(pair: Pair, network: Network) -> None:
    own = network.centres[0]
    assert pay(pair, network, GOOD, bound=own) == Result.OK
    unnamed = replace(GOOD, id=b"2" * 16, centre=b"")
    assert pay(pair, network, unnamed, bound=own) == Result.OK
    foreign = replace(GOOD, id=b"3" * 16, centre=b"centre-1")
    assert pay(pair, network, foreign, bound=own) == Result.INVALID_CENTRE
    assert pay(pair, network, unnamed, bound=network.treasury) == Result.INVALID_CENTRE


def test_closed_and_frozen_wallets(pair: Pair, network: Network) -> None:
    wallet = network.wallets[0]
    reason = Row(Kind.FREEZE, id=b"f" * 16, debit=wallet, reference=b"reason")
    assert pair.one(reason, NOW).result == Result.OK
    assert pay(pair, network, replace(GOOD, id=b"4" * 16)) == Result.DEBIT_FROZEN
    thaw = replace(reason, id=b"u" * 16, flags=RowFlag.UNFREEZE)
    assert pair.one(thaw, NOW).result == Result.OK
    assert pay(pair, network, replace(GOOD, id=b"5" * 16)) == Result.OK
    # The same id cannot freeze once and thaw once.
    again = pair.one(replace(reason, flags=RowFlag.UNFREEZE), NOW)
    assert (again.result, again.field) == (Result.ID_REUSED, Field.KIND)
    # What has paid stays: it could be refunded.
    wallet = network.wallets[1]
    balance = pair.model.accounts[wallet].balance
    drain = Row(Kind.TRANSFER, id=b"d" * 16, debit=wallet, amount=balance)
    drain.credit, drain.reference = network.suspense, b"reason"
    close = Row(Kind.CLOSE, id=b"c" * 16, debit=wallet, reference=b"reason")
    outcomes = pair.commit([Rows([close, drain, replace(close, id=b"e" * 16)])], NOW)
    results = [outcome.result for outcome in outcomes[0]]
    assert results == [Result.BALANCE_NOT_ZERO, Result.OK, Result.OK]
    closed = replace(GOOD, id=b"6" * 16, centre=b"centre-1")
    assert pay(pair, network, closed) == Result.DEBIT_CLOSED


# --- framing --------------------------------------------------------------------------

BODY = wire.encode_request([GOOD])
OVERLONG = b"\xff" * 10 + b"\x01"
MALFORMED = [
    b"",
    b"\x08",
    b"\x0a",
    b"\x0a\x05\x0a",
    wire.key(1, wire.BYTES) + wire.varint(2**63) + b"x",
    wire.key(1, wire.BYTES) + OVERLONG,
    wire.scalar(0, 1) + BODY,
    wire.key(3, 6) + BODY,
    wire.key(3, 7) + BODY,
    wire.key(3, wire.GROUP_END) + BODY,
    wire.key(3, wire.GROUP_START) + BODY,
    wire.key(3, wire.GROUP_START) + wire.key(4, wire.GROUP_END) + BODY,
    BODY + wire.key(3, wire.FIXED64) + bytes(7),
    BODY + wire.key(3, wire.FIXED32) + bytes(3),
    wire.data(1, wire.encode_payment(GOOD)[:-1]),
    wire.data(1, wire.key(3, wire.VARINT) + OVERLONG),
    wire.data(1, wire.key(3, wire.VARINT) + b"\x80" * 9 + b"\x02"),
    wire.data(2, wire.data(1, b"\x0a\x10short")),
    wire.data(2, b""),
    wire.scalar(3, 1),
    wire.data(1, (wire.key(9, wire.GROUP_START) * 33)),
]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_messages_are_refused_whole(
    pair: Pair, network: Network, body: bytes
) -> None:
    with pytest.raises(WireError):
        Request.payments(body, network.harness, 0)


def test_every_truncation_is_refused(network: Network) -> None:
    for size in range(len(BODY)):
        with pytest.raises(WireError):
            Request.payments(BODY[:size], network.harness, 0)


def test_a_truncation_between_payments_is_a_shorter_message(network: Network) -> None:
    for size in range(1, 2 * len(BODY) + 1):
        if size % len(BODY) == 0:
            request = Request.payments((BODY + BODY)[:size], network.harness, 0)
            assert request.rows_count == size // len(BODY)
        else:
            with pytest.raises(WireError):
                Request.payments((BODY + BODY)[:size], network.harness, 0)


def test_at_most_a_group_of_payments(network: Network) -> None:
    tiny = wire.data(1, b"")
    assert Request.payments(tiny * GROUP_MAX, 1, 0).rows_count == GROUP_MAX
    with pytest.raises(WireError):
        Request.payments(tiny * (GROUP_MAX + 1), 1, 0)
    basket = wire.data(2, tiny * (GROUP_MAX + 1))
    with pytest.raises(WireError):
        Request.payments(basket, 1, 0)


def unknown_fields() -> bytes:
    """One of every wire type, groups in groups among them."""
    inner = wire.key(9, wire.GROUP_START) + wire.scalar(1, 7) + wire.data(2, b"\xff")
    inner += wire.key(9, wire.GROUP_END)
    group = wire.key(99, wire.GROUP_START) + inner + wire.key(99, wire.GROUP_END)
    return (
        wire.scalar(15, WORD_MAX)
        + wire.key(16, wire.FIXED64)
        + bytes(8)
        + wire.data(17, b"anything")
        + group
        + wire.key(2**29 - 1, wire.FIXED32)
        + bytes(4)
    )


def odd_payments() -> list[bytes]:
    """The good payment, each time written in another way that means the same."""
    body = wire.encode_payment(GOOD)
    unknown = unknown_fields()
    parts = [
        wire.scalar(3, GOOD.amount),
        wire.data(1, GOOD.id),
        wire.data(6, GOOD.centre),
        wire.scalar(5, GOOD.operator),
        wire.data(10, GOOD.note),
        wire.data(4, GOOD.reference),
        wire.data(2, GOOD.service),
    ]
    return [
        body,
        unknown + body + unknown,
        b"".join(parts),
        b"".join(reversed(parts)),
        # Of a repeated scalar the last one counts, whatever was wrong before.
        wire.encode_payment(
            Payment(
                id=b"short",
                service=b"S000",
                amount=7,
                reference=b"x" * 40,
                operator=2**40,
                centre=b"nobody",
                amount_due=3,
                tender=9,
                head=12,
                note=b"\xff",
            )
        )
        + wire.scalar(7, 0)
        + wire.scalar(8, 0)
        + wire.scalar(9, 0)
        + body,
        # Known fields of another wire type are unknown ones.
        wire.data(3, b"\x01\x02")
        + wire.scalar(1, 5)
        + wire.key(5, wire.FIXED32)
        + bytes(4)
        + wire.key(8, wire.FIXED64)
        + b"\x09" * 8
        + body,
        # Numbers may be written longer than they need be.
        body.replace(
            wire.scalar(3, GOOD.amount), wire.key(3, wire.VARINT) + b"\xe8\x87\x80\x00"
        ),
        body + wire.scalar(7, 0) + wire.scalar(8, 0) + wire.scalar(9, 0),
    ]


@pytest.mark.parametrize("number", range(len(odd_payments())))
def test_the_same_payment_written_otherwise(
    pair: Pair, network: Network, number: int
) -> None:
    (first,) = send(pair, network, wire.data(1, odd_payments()[number]))
    assert first.result == Result.OK
    (again,) = send(pair, network, BODY)
    assert (again.result, again.repeat) == (Result.OK, 1)
    assert again.sequence == first.sequence


def test_unknown_fields_around_payments_and_baskets(
    pair: Pair, network: Network
) -> None:
    one, two = replace(GOOD, id=b"1" * 16), replace(GOOD, id=b"2" * 16)
    unknown = unknown_fields()
    basket = unknown + b"".join(
        wire.data(1, wire.encode_payment(each)) + unknown for each in (one, two)
    )
    body = unknown + BODY + unknown + wire.data(2, basket) + unknown
    outcomes = send(pair, network, body)
    assert [outcome.result for outcome in outcomes] == [Result.OK] * 3
    expected = pair.model.commit([Payments([GOOD], [[one, two]], network.harness)], NOW)
    assert [o.sequence for o in outcomes] == [o.sequence for o in expected[0]]
    pair.compare_all()


def test_packed_and_odd_types_are_not_values(pair: Pair, network: Network) -> None:
    without = wire.encode_payment(replace(GOOD, amount=0))
    packed = wire.data(3, wire.varint(1_000))
    fixed = wire.key(3, wire.FIXED64) + (1_000).to_bytes(8, "little")
    for odd in (packed, fixed):
        (outcome,) = send(pair, network, wire.data(1, without + odd))
        assert outcome.result == Result.INVALID_AMOUNT


# --- baskets and rows -----------------------------------------------------------------


def many(count: int, **fields: Any) -> list[Payment]:
    """Good payments with ids of their own."""
    return [
        replace(GOOD, id=bytes([number + 1]) * 16, amount=100 + number, **fields)
        for number in range(count)
    ]


def basket_results(pair: Pair, net: Network, basket: list[Payment]) -> list[int]:
    ask = Payments([], [basket], net.harness)
    return [outcome.result for outcome in pair.commit([ask], NOW)[0]]


def test_sizes_of_baskets(pair: Pair, network: Network) -> None:
    for count in (1, 17, 255, 256, 300):
        sequence = pair.ledger.sequence
        payments = [
            replace(each, id=number.to_bytes(16, "big"))
            for number, each in enumerate(many(1) * count, 1)
        ]
        results = basket_results(pair, network, payments)
        assert results == [Result.INVALID_BASKET] * count
        assert pair.ledger.sequence == sequence
    assert basket_results(pair, network, many(16)) == [Result.OK] * 16


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"centre": b"centre-1"}, Result.INVALID_BASKET),
        ({"service": b"S000"}, Result.INVALID_BASKET),
        ({"id": b"\x01" * 16}, Result.INVALID_BASKET),
        ({"amount": 0}, Result.INVALID_AMOUNT),
        ({"centre": b"nobody"}, Result.INVALID_CENTRE),
        ({"reference": b"nul\x00"}, Result.INVALID_REFERENCE),
    ],
)
def test_a_basket_with_a_stranger(
    pair: Pair, network: Network, fields: dict[str, Any], result: Result
) -> None:
    basket = many(3)
    basket[2] = replace(basket[2], **fields)
    results = basket_results(pair, network, basket)
    assert results == [Result.INVALID_BASKET, Result.INVALID_BASKET, result]
    assert basket_results(pair, network, many(3)) == [Result.OK] * 3


def test_a_basket_is_found_behind_a_broken_start(pair: Pair, network: Network) -> None:
    rows = [
        Row(
            Kind.PAY,
            id=bytes([number + 1]) * 16,
            amount=100,
            reference=b"BILL",
            debit=network.wallets[0],
            service=network.great_service,
            participant=network.harness,
            basket=basket,
        )
        for number, basket in enumerate((0x0200, 0x0200, 0x0201))
    ]
    outcomes = pair.commit([Rows(rows)], NOW)[0]
    results = [outcome.result for outcome in outcomes]
    assert results == [Result.INVALID_BASKET, Result.OK, Result.OK]


@pytest.mark.parametrize("kind", [Kind.TRANSFER, Kind.TOP_UP, Kind.FREEZE, Kind.VOID])
def test_only_payments_stand_in_baskets(
    pair: Pair, network: Network, kind: Kind
) -> None:
    debit = network.float_ if kind == Kind.TOP_UP else network.wallets[0]
    rows = [
        Row(
            kind,
            id=bytes(16) if kind == Kind.VOID else bytes([number + 1]) * 16,
            amount=0 if kind in (Kind.FREEZE, Kind.VOID) else 100,
            reference=b"" if kind == Kind.VOID else b"reason %d" % number,
            debit=debit,
            credit=network.wallets[1],
            service=network.great_service,
            participant=network.treasury,
            basket=0x0200 | number,
        )
        for number in range(2)
    ]
    sequence = pair.ledger.sequence
    outcomes = pair.commit([Rows(rows)], NOW)[0]
    assert [outcome.result for outcome in outcomes] == [Result.INVALID_BASKET] * 2
    assert pair.ledger.sequence == sequence


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"kind": 0}, Result.INVALID_KIND),
        ({"kind": Kind.EXPIRE}, Result.INVALID_KIND),
        ({"kind": Kind.CASE}, Result.INVALID_KIND),
        ({"kind": 255}, Result.INVALID_KIND),
        ({"id": bytes(16)}, Result.INVALID_ID),
        ({"amount": 0}, Result.INVALID_AMOUNT),
        ({"amount": WORD_MAX}, Result.INVALID_AMOUNT),
        ({"reference": b"\xe0"}, Result.INVALID_REFERENCE),
        ({"reference": b"gap\x00gap"}, Result.INVALID_REFERENCE),
        ({"debit": 0}, Result.INVALID_CENTRE),
        ({"debit": 2}, Result.INVALID_CENTRE),
        ({"debit": 2**32 - 1}, Result.INVALID_CENTRE),
        ({"flags": flags_of(0, 3)}, Result.INVALID_TENDER),
        ({"tail": b"n" * 65}, Result.INVALID_NOTE),
        ({"deadline": 0}, Result.INVALID_DEADLINE),
        ({"deadline": 31 * 86_400 + 1}, Result.INVALID_DEADLINE),
        ({"kind": Kind.PAY}, Result.INVALID_DEADLINE),
        ({"basket": 1}, Result.INVALID_BASKET),
        ({"service": 65_535}, Result.SERVICE_UNKNOWN),
    ],
)
def test_shapes_of_holds(
    pair: Pair, network: Network, fields: dict[str, Any], result: Result
) -> None:
    row = Row(
        Kind.HOLD,
        id=b"h" * 16,
        amount=100,
        reference=b"BILL",
        debit=network.wallets[0],
        service=network.great_service,
        participant=network.harness,
        deadline=60,
    )
    assert pair.one(replace(row, **fields), NOW).result == result
    expected = Result.ID_REUSED if result == Result.SERVICE_UNKNOWN else Result.OK
    assert pair.one(replace(row, amount=101), NOW).result == expected


def test_a_service_is_payable_as_soon_as_it_is_registered(
    pair: Pair, network: Network
) -> None:
    record = replace(network.services[0], code=b"FRESH")
    register = Row(Kind.REGISTER, id=b"r" * 16, tail=record.pack())
    pay_ = Row(
        Kind.PAY,
        id=b"p" * 16,
        amount=100,
        reference=b"BILL",
        debit=network.wallets[0],
        service=len(network.services) + 1,
        participant=network.harness,
    )
    outcomes = pair.commit([Rows([register, pay_])], NOW)[0]
    assert [outcome.result for outcome in outcomes] == [Result.OK, Result.OK]


def test_a_centre_that_is_no_longer_active(pair: Pair, network: Network) -> None:
    assert pay(pair, network, GOOD) == Result.OK
    tail = ParticipantRecord(b"centre-0", Role.CENTRE, active=0).pack()
    row = Row(Kind.REGISTER, id=b"r" * 16, participant=network.treasury, tail=tail)
    assert pair.one(row, NOW).result == Result.OK
    one = replace(GOOD, id=b"i" * 16, reference=b"BILL 2")
    assert pay(pair, network, one) == Result.INVALID_CENTRE
    assert pay(pair, network, one, bound=network.centres[0]) == Result.INVALID_CENTRE


DAY, BOTH = LimitRecord(9, 9).pack(), LimitRecord(9, 9, 9).pack()


@pytest.mark.parametrize(
    ("tail", "result"),
    [
        (DAY, Result.OK),
        (DAY + b'{"why": "a text"}', Result.OK),
        (BOTH, Result.OK),
        (BOTH + b"{}", Result.OK),
        (DAY[:15], Result.INVALID_RECORD),
        (BOTH[:23], Result.INVALID_RECORD),
        (BOTH[:12] + b"\2" + BOTH[13:], Result.INVALID_RECORD),
        (BOTH[:13] + b"\1" + BOTH[14:], Result.INVALID_RECORD),
    ],
)
def test_a_limit_is_as_long_as_its_form(
    pair: Pair, network: Network, tail: bytes, result: Result
) -> None:
    # The form says how the record is read, and not its size: JSON may follow.
    for number, one in enumerate((BOTH, tail)):
        row = Row(Kind.LIMIT, id=b"limit-of-forms-%d" % number)
        row.debit, row.tail = network.wallets[0], one
        [[outcome]] = pair.commit([Rows([row])], NOW + number)
        assert outcome.result == (result if number else Result.OK)
    pair.reopen()
    pair.compare_all()
