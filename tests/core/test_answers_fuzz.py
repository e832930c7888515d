"""Goal: the core reads billers' answers as the generated classes do.

Method: the messages of tests/core/wire_maker.py with the fields of an Answer, right,
wrong and spoilt; a class made of the contract, with text as bytes and numbers as
uint64, reads them too. What the core alone refuses is what it refuses of payments:
see tests/core/wire_compare.py. Bills are bytes to both: the core counts them and says
where the message lies that has them.
"""

from collections import Counter
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from switch._core import ANSWERS_MAX, parse_answers, parse_clock
from switch.errors import WireError
from switch.v1 import billers_pb2
from tests.core.wire_compare import DisagreementError, Walk, loose_class
from tests.core.wire_maker import Maker
from tests.longer import quarter

WHOLE = 40_000
MESSAGES = quarter(WHOLE)
"""Of each seed."""
LOOSE: Any = loose_class(billers_pb2.Answer, billers_pb2.ConnectRequest)
LOOSE_ANSWER: Any = type(LOOSE().answers.add())
TEXTS = ("biller_reference", "reason")
PRINTABLE = bytes(range(0x20, 0x7F))


class AnswerMaker(Maker):
    """The same messages with the types of an Answer's fields."""

    def known(self, number: int) -> bytes:
        """A field of an answer; the texts are made as a payment's are."""
        as_payment = {2: 1, 4: 4, 5: 4, 10: 4}.get(number)
        if as_payment is None or self.rng.random() < 0.1:
            return self.typed(number, self.rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 2, 5)))
        return self.framed(number, self.text(as_payment))


class AnswerWalk(Walk):
    """What the core alone refuses in a message of answers."""

    def __init__(self, body: bytes) -> None:
        self.refusals: set[str] = set()
        for number, value in self.fields(body):
            if number == 1:
                list(self.fields(value))


def expected_of(answer: Any) -> tuple[object, ...]:
    """What the contract says of one answer."""
    id_ = answer.id if len(answer.id) == 16 else bytes(16)
    kind = answer.kind & 0xFFFFFFFF
    texts, bad = [], 0
    for bit, name in enumerate(TEXTS):
        text = getattr(answer, name)
        if len(text) > 32 or text.translate(None, PRINTABLE):
            bad |= 1 << bit
            text = b""
        texts.append((text.ljust(32, b"\0"), len(text)))
    numbers = (answer.number, answer.sent_ns, len(answer.bills))
    return id_, kind if kind <= 4 else 0, *texts, bad, *numbers, answer


def found_of(answer: Any, body: bytes) -> tuple[object, ...]:
    """The same of what the core read in a message."""
    texts = [(answer[name].tobytes(), int(answer[f"{name}_size"])) for name in TEXTS]
    id_, kind, bad = answer["id"].tobytes(), int(answer["kind"]), int(answer["bad"])
    names = ("number", "sent_ns", "bills_count", "at", "size")
    *numbers, at, size = (int(answer[name]) for name in names)
    whole = LOOSE_ANSWER.FromString(body[at : at + size])
    return id_, kind, *texts, bad, *numbers, whole


def compare(body: bytes) -> str:
    """Read a message in both ways; what it turned out to be."""
    try:
        message = LOOSE.FromString(body)
    except DecodeError:
        message = None
    try:
        found = [found_of(answer, body) for answer in parse_answers(body)]
    except WireError as error:
        crowded = "more than" in str(error)
        if message is None:
            return "malformed"
        if crowded and len(message.answers) > ANSWERS_MAX:
            return "crowded"
        if not crowded and (refusals := AnswerWalk(body).refusals):
            return min(refusals)
        raise DisagreementError(body, str(error), str(message)) from None
    if message is None:
        raise DisagreementError(body, str(found), "malformed")
    expected = [expected_of(answer) for answer in message.answers]
    if found != expected:
        raise DisagreementError(body, str(found), str(expected))
    if parse_clock(body) != message.clock_ns:
        raise DisagreementError(body, str(parse_clock(body)), str(message.clock_ns))
    if any(answer[4] for answer in expected):
        return "bad texts"
    return "bills" if any(answer[7] for answer in expected) else "answers"


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_read_the_same(seed: int) -> None:
    maker = AnswerMaker(seed)
    sorts = Counter(compare(maker.make()) for _ in range(MESSAGES))
    assert sorts.total() == MESSAGES
    for sort in ("answers", "bad texts", "bills", "malformed"):
        assert sorts[sort] > MESSAGES // 20, sorts
    if MESSAGES == WHOLE:
        # Both are rare: a quarter may have none.
        assert sorts["crowded"] > 0
        assert sorts["deep groups"] > 0
