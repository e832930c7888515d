"""Goal: what the core does in a ledger with people is what the data model says.

Method: the stories by hand of tests/test_model_people.py are told to the core and the
model side by side; then what only disagreement has shown, each as its smallest case.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from switch.codes import Field, Kind, Result, Role
from tests import test_model_people as told
from tests.core.pair import Pair
from tests.records import ParticipantRecord, Row
from tests.test_model_people import ALPHA, BETA, GAMMA, NOON, Treasury, top_up

globals().update(
    {name: story for name, story in vars(told).items() if name.startswith("test_")}
)
"""Each story is told here with these fixtures."""


@pytest.fixture
def bare(empty: Pair) -> Iterator[Treasury]:
    """Nothing is there yet; in the end all of it is read, from a new index, too."""
    yield Treasury(empty.model, empty.commit, NOON)
    empty.reopen(without_index=True)
    empty.compare_all(range(1, len(empty.model.rows) + 1))


@pytest.fixture
def office(bare: Treasury) -> Treasury:
    bare.open()
    return bare


def test_nobody_approves_an_approval(office: Treasury) -> None:
    asked = office.propose(GAMMA, top_up(5))
    sequence = office.approve(asked, ALPHA).sequence
    approval = office.approval(sequence, BETA)
    assert office.result(approval) == Result.PROPOSAL_NOT_FOUND


WHY = b'{"why": "%s"}' % (b"long " * 20)
"""As long as a signature and more."""


@pytest.fixture
def begun(bare: Treasury) -> tuple[Treasury, Row, int]:
    """Who was switched off before there were people: nobody has signed that."""
    bare.treasury(b"main")
    bare.treasury(b"branch")
    bare.treasury(b"third")
    off = ParticipantRecord(b"third", Role.TREASURY, active=0).pack()
    row = bare.row(Kind.REGISTER, (0, 0), tail=off + WHY)
    [told] = bare.tell(row)
    bare.begin(ALPHA, BETA)
    return bare, row, told.sequence


def test_what_was_stopped_before_people_is_no_stop(
    begun: tuple[Treasury, Row, int],
) -> None:
    office, _, sequence = begun
    approval = office.approval(sequence, BETA)
    assert office.result(approval) == Result.PROPOSAL_NOT_FOUND


def test_what_was_asked_before_people_is_compared_whole(
    begun: tuple[Treasury, Row, int],
) -> None:
    office, row, _ = begun
    tail = row.tail or b""
    for other in (tail[:-1] + b" ", tail[:-64] + bytes(64), tail + bytes(64)):
        [told] = office.tell(replace(row, tail=other))
        assert (told.result, told.field) == (Result.ID_REUSED, Field.REFERENCE)
    assert office.tell(row)[0].repeat
