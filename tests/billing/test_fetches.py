"""Goal: whoever asks for a bill is told at once what the biller said, mistakes too.

Method: the fetches of one biller without sockets, answered with messages of every kind.
"""

from typing import Any

import pytest

from switch._core import parse_answers
from switch.billing.bills import Bill
from switch.billing.fetches import FETCH_BIT, Fetches
from switch.config import BillerConfig
from switch.errors import BillNotFoundError, BillUnreadableError, SwitchError
from switch.v1 import billers_pb2 as pb

NUMBER = FETCH_BIT + 1
BEGUN = 5.0


async def told(**answer: Any) -> tuple[Bill | SwitchError | None, tuple[float, bool]]:
    """What one who asks for a bill is told at once, and what the answer was."""
    fetches = Fetches("power", BillerConfig())
    waiting = fetches.begin("BILL", "1234", BEGUN)
    [question] = pb.ConnectResponse.FromString(fetches.take(1, 1, 0)).questions
    values: dict[str, Any] = {
        "number": NUMBER,
        "id": question.id,
        "kind": pb.ANSWER_KIND_CONFIRMED,
        "amount_due": 700,
    }
    message = pb.ConnectRequest(answers=[pb.Answer(**values | answer)])
    [parsed] = parse_answers(message.SerializeToString())
    taken = fetches.answer(parsed)
    if not waiting.done():
        return None, taken
    assert fetches.count == 0
    return waiting.result(), taken


async def test_a_bill() -> None:
    found, taken = await told(bill="B-1")
    assert isinstance(found, Bill)
    assert (found.id, found.reference, found.amount_due) == ("B-1", "1234", 700)
    assert taken == (BEGUN, False)
    # Without an id of its own it has the reference's.
    found, _ = await told()
    assert isinstance(found, Bill)
    assert found.id == "1234"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("bill", "বিল-১"),
        ("bill", "B" * 33),
        ("bill", "B\t1"),
        ("bill", " B-1"),
        ("bill", "B-1 "),
    ],
)
async def test_a_text_that_cannot_be_kept_is_the_billers_mistake(
    field: str, text: str
) -> None:
    found, taken = await told(**{field: text})
    assert isinstance(found, BillUnreadableError)
    assert field in str(found)
    # It answered, and wrongly.
    assert taken == (BEGUN, True)


async def test_a_text_that_the_bill_does_not_need_is_left_out() -> None:
    for field in ("biller_reference", "reason"):
        found, taken = await told(bill="B-1", **{field: "é"})
        assert isinstance(found, Bill)
        assert taken == (BEGUN, True)
    found, taken = await told(kind=pb.ANSWER_KIND_REJECTED, reason="é")
    assert isinstance(found, BillNotFoundError)
    assert found.reason == ""
    assert taken == (BEGUN, True)


async def test_answers_that_are_no_ones() -> None:
    assert await told(id=bytes(16)) == (None, (0.0, True))
    assert await told(kind=pb.ANSWER_KIND_UNSPECIFIED) == (None, (0.0, True))
    # It was given up: late, and no mistake.
    assert await told(number=NUMBER + 1) == (None, (0.0, False))
