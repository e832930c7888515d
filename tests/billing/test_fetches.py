"""Goal: whoever asks for a bill is told at once what the biller said, mistakes too, and
nobody asks so much that others cannot.

Method: the fetches of one biller without sockets, answered with messages of every kind.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from switch._core import Ledger, parse_answers
from switch.billing.bills import Fetched
from switch.billing.fetches import Fetches, Told
from switch.billing.lines import FETCH_BIT
from switch.codes import Role
from switch.config import BillerConfig
from switch.errors import (
    BillerBusyError,
    BillNotFoundError,
    BillUnreadableError,
    CentreBusyError,
    SwitchError,
)
from switch.register.load import committing, load_network
from switch.register.register import Register, Service
from switch.specs import ParticipantSpec
from switch.v1 import billers_pb2 as pb
from tests.billing.test_bills import ASKED_NS, HEADS, service_spec

NUMBER = FETCH_BIT + 1
BEGUN = 5.0
CENTRE, OTHER = 3, 4


class Door:
    """The fetches of one biller, and a service of it."""

    def __init__(self, ledger: Ledger, service: Service, **settings: int) -> None:
        self.ledger = ledger
        self.service = service
        self.fetches = Fetches("power", BillerConfig(**cast("Any", settings)))
        self.share = 100
        self.limits: dict[int, int] = {}

    def begin(self, reference: str = "AB12", centre: int = CENTRE) -> Any:
        return self.fetches.begin(self.service, reference, centre, BEGUN)

    def take(self, connection: int = 1, asked_ns: int = ASKED_NS) -> list[pb.Question]:
        body = self.fetches.take(100, self.share, self.limits, connection, asked_ns, 0)
        return list(pb.ConnectResponse.FromString(body).questions)

    def answer(self, question: pb.Question, **answer: Any) -> Told:
        values: dict[str, Any] = {
            "number": question.number,
            "id": question.id,
            "kind": pb.ANSWER_KIND_CONFIRMED,
        }
        # Not the first of its message.
        answers = [pb.Answer(number=1), pb.Answer(**values | answer)]
        body = pb.ConnectRequest(answers=answers).SerializeToString()
        return self.fetches.answer(parse_answers(body)[1], body, self.ledger)

    async def told(self, **answer: Any) -> tuple[Fetched | SwitchError | None, Told]:
        """What one who asks for a bill is told at once, and what the answer was."""
        waiting = self.begin()
        [question] = self.take()
        taken = self.answer(question, **answer)
        if not waiting.done():
            self.fetches.end_all("ended")
            return None, taken
        assert self.fetches.count == 0
        return waiting.result(), taken


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Register]:
    path: Path = tmp_path_factory.mktemp("fetches")
    with Ledger(str(path), map_size=1 << 30, reserve_size=0) as ledger:
        register = Register(ledger)
        participants = [ParticipantSpec(id="power", role=Role.BILLER, heads=HEADS)]
        services = [service_spec("ID"), service_spec("OTHER")]
        load_network(register, committing(ledger), participants, services)
        yield register


@pytest.fixture
def door(opened: Register) -> Door:
    service = opened.find_service("ID")
    assert service is not None
    return Door(opened.ledger, service, fetches_max=4, centre_fetches_max=3)


def bill(**changes: Any) -> pb.DueBill:
    values: dict[str, Any] = {"id": "B-1", "amount_due": 700}
    return pb.DueBill(**values | changes)


async def test_a_bill(door: Door) -> None:
    found, taken = await door.told(bills=[bill()])
    assert isinstance(found, Fetched)
    [one] = found.bills
    assert (one.id, found.reference, one.amount_due) == ("B1", "AB12", 700)
    assert taken == (BEGUN, CENTRE, False)


@pytest.mark.parametrize(
    ("bills", "field"),
    [
        ([], "bills"),
        ([bill(id="বিল-১")], "bills[0].id"),
        ([bill(), bill(id="C", amount_due=0)], "bills[1].amount_due"),
    ],
)
async def test_what_cannot_be_paid_is_the_billers_mistake(
    door: Door, bills: list[pb.DueBill], field: str
) -> None:
    found, taken = await door.told(bills=bills)
    assert isinstance(found, BillUnreadableError)
    assert found.field == field
    assert field in str(found)
    assert "power" in str(found)
    # It answered, and wrongly.
    assert taken == (BEGUN, CENTRE, True)


async def test_a_text_that_the_bill_does_not_need_is_left_out(door: Door) -> None:
    for field in ("biller_reference", "reason"):
        found, taken = await door.told(bills=[bill()], **{field: "é"})
        assert isinstance(found, Fetched)
        assert taken == (BEGUN, CENTRE, True)
    found, taken = await door.told(kind=pb.ANSWER_KIND_REJECTED, reason="é")
    assert isinstance(found, BillNotFoundError)
    assert found.reason == ""
    assert taken == (BEGUN, CENTRE, True)


async def test_answers_that_are_no_ones(door: Door) -> None:
    assert await door.told(id=bytes(16)) == (None, (0.0, 0, True))
    assert await door.told(kind=pb.ANSWER_KIND_UNSPECIFIED) == (None, (0.0, 0, True))
    # It was given up: late, and no mistake.
    assert await door.told(number=NUMBER + 9) == (None, (0.0, 0, False))


async def test_what_is_asked_again_is_as_old_as_the_first_question(door: Door) -> None:
    waiting = door.begin()
    [first] = door.take(connection=1)
    door.fetches.lost(1)
    [again] = door.take(connection=2, asked_ns=ASKED_NS + 5)
    assert (again.number, again.id) == (first.number, first.id)
    # The answer may be one to the first question, on whatever connection it comes.
    door.answer(again, bills=[bill()])
    assert waiting.result().at_ns == ASKED_NS


async def test_who_joins_gets_what_was_asked_before(door: Door) -> None:
    first = door.begin()
    [question] = door.take()
    second = door.begin(centre=OTHER)
    assert door.take(asked_ns=ASKED_NS + 5) == []
    door.answer(question, bills=[bill()])
    assert first.result() is second.result()
    assert second.result().at_ns == ASKED_NS


async def test_no_centre_takes_the_room_of_all(door: Door) -> None:
    for at in range(3):
        door.begin(f"AB1{at}")
    with pytest.raises(CentreBusyError, match="by this centre"):
        door.begin("AB19")
    # What is asked already costs the biller nothing more.
    door.begin("AB10")
    door.begin("AB20", OTHER)
    with pytest.raises(BillerBusyError, match="4 bills of power"):
        door.begin("AB21", OTHER)
    # A question counts until it ends, whether somebody waits for its answer or not.
    questions = door.take()
    door.answer(questions[0], bills=[bill()])
    door.begin("AB19")
    with pytest.raises(CentreBusyError, match="by this centre"):
        door.begin("AB18")
    door.fetches.expire(BEGUN + 60)
    assert door.fetches.count == 0
    for at in range(3):
        door.begin(f"AB1{at}")


async def test_no_centre_has_more_than_its_share_out(door: Door) -> None:
    for at in range(3):
        door.begin(f"AB1{at}")
    door.begin("AB20", OTHER)
    door.share = 2
    first = door.take()
    assert [one.reference for one in first] == ["AB10", "AB11", "AB20"]
    assert door.take() == []
    door.answer(first[0], bills=[bill()])
    assert [one.reference for one in door.take()] == ["AB12"]
    # Who rests is not asked for, and who has just rested once at a time.
    door.fetches.end_all("ended")
    for at in range(2):
        door.begin(f"AB1{at}")
        door.begin(f"AB2{at}", OTHER)
    door.limits = {CENTRE: 1, OTHER: 0}
    assert [one.reference for one in door.take()] == ["AB10"]
    assert door.take() == []
    # Whom it does not hold back takes over what waits for another.
    door.limits = {CENTRE: 0, OTHER: 0}
    joined = door.begin("AB21", 9)
    [question] = door.take()
    assert question.reference == "AB21"
    late = door.fetches.expire(BEGUN + 60)
    assert sorted(late.centres) == [CENTRE, 9]
    assert joined.done()
    assert door.fetches.count == 0


async def test_who_asks_too_much_takes_over_nothing(door: Door) -> None:
    for at in range(3):
        door.begin(f"AB1{at}")
    door.begin("AB20", OTHER)
    door.limits = {OTHER: 0}
    # Its answer is for both; whose question it is stays.
    door.begin("AB20")
    assert [one.reference for one in door.take()] == ["AB10", "AB11", "AB12"]
    door.fetches.end_all("ended")
    assert not door.fetches.count


async def test_where_more_is_out_than_may_be_nothing_is_asked(door: Door) -> None:
    door.begin("AB10")
    assert door.fetches.take(-2, 100, {}, 1, ASKED_NS, 0) == b""
    assert len(door.take()) == 1


async def test_what_another_takes_over_counts_no_longer(door: Door) -> None:
    for at in range(3):
        door.begin(f"AB1{at}")
    door.begin("AB10", OTHER)
    # There is room for one more of this centre.
    door.begin("AB13")
    assert door.fetches.count == 4
    with pytest.raises(CentreBusyError):
        door.begin("AB14")
    door.fetches.expire(BEGUN + 60)
    assert not door.fetches.count
    for at in range(3):
        door.begin(f"AB1{at}", OTHER)
    with pytest.raises(CentreBusyError):
        door.begin("AB13", OTHER)
