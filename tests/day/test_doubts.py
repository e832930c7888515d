"""Goal: a look at the day is of one sequence: the list, and the fates as they were
then, between two readings of the billers' record.

Method: a switch of the test's own that is asked in turn, and whose list is behind.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from switch.client import Client
from switch.console.words import WORDS
from switch.day import doubts
from switch.day.doubts import kind_name, look
from switch.day.fates import State, read_fates
from switch.errors import WireError
from switch.ids import new_id
from switch.simulator.books import Books, Credit
from switch.v1 import admin_pb2, exceptions_pb2, types_pb2

HOLD, POST = types_pb2.ENTRY_KIND_HOLD, types_pb2.ENTRY_KIND_POST
EXPIRE, TRANSFER = types_pb2.ENTRY_KIND_EXPIRE, types_pb2.ENTRY_KIND_TRANSFER
KEPT = exceptions_pb2.EXCEPTION_KIND_KEPT


def entry(
    sequence: int, kind: types_pb2.EntryKind.ValueType, resolves: int = 0
) -> types_pb2.Entry:
    return types_pb2.Entry(
        sequence=sequence, kind=kind, resolves=resolves, id=new_id(), amount=500
    )


class Switch:
    """One biller's feed, a list that comes after the ledger, and a record."""

    def __init__(self, record: Path) -> None:
        self.entries = [entry(3, HOLD), entry(4, HOLD), entry(6, POST, 3)]
        self.entries += [entry(8, EXPIRE, 4), entry(9, TRANSFER, 4)]
        self.record = record
        self.behind = [4, 5, 7]
        self.asked: list[str] = []

    def ledger(self) -> admin_pb2.GetLedgerResponse:
        self.asked.append("ledger")
        return admin_pb2.GetLedgerResponse(sequence=6)

    def exception_pages(
        self, request: exceptions_pb2.ListExceptionsRequest
    ) -> Iterator[exceptions_pb2.ListExceptionsResponse]:
        self.asked.append("list")
        yield exceptions_pb2.ListExceptionsResponse(
            exceptions=[
                exceptions_pb2.Exception(
                    kind=KEPT, sequence=at, payment=types_pb2.Entry(sequence=at)
                )
                for at in (2, 5)
            ],
            as_of_sequence=self.behind.pop(0) if len(self.behind) > 1 else 7,
        )
        yield exceptions_pb2.ListExceptionsResponse(as_of_sequence=9)

    def feed(self, biller: str, cursor: int) -> Iterator[types_pb2.Entry]:
        self.asked.append(biller)
        # What is credited meanwhile is in the second reading alone.
        with Books(self.record) as books:
            books.write("cesc", Credit(self.entries[1].id, 500, "S", "R", 4))
        return (one for one in self.entries if one.sequence > cursor)


def test_a_look_is_of_one_sequence(tmp_path: Path) -> None:
    record = tmp_path / "credits"
    switch = Switch(record)
    with Books(record) as books:
        books.write("cesc", Credit(switch.entries[0].id, 500, "S", "R", 3))
    seen = look(cast("Client", switch), ["cesc"], record, 2)
    # The list was asked for until it had come to where the ledger was.
    assert switch.asked == ["ledger", "list", "list", "list", "cesc"]
    assert [one.sequence for one in seen.listed] == [5]
    assert seen.counts == {"kept": 1}
    # As it was when 7 was the last entry.
    paid, held = seen.fates.values()
    assert (paid.state, paid.paid) == (State.COMPLETED, 500)
    assert (held.state, held.paid) == (State.OPEN, 0)
    assert set(seen.before) == {switch.entries[0].id}
    assert set(seen.after) == {one.id for one in switch.entries[:2]}


def test_every_kind_of_exception_has_a_word() -> None:
    for kind in exceptions_pb2.ExceptionKind.values()[1:]:
        assert f"kind {kind_name(kind)}" in WORDS


def test_a_list_that_stays_behind_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "credits"
    record.touch()
    monkeypatch.setattr(doubts, "LIST_TIMEOUT_S", 0.05)
    switch = Switch(record)
    switch.behind = [5] * 1_000
    with pytest.raises(WireError, match="entry 6"):
        look(cast("Client", switch), ["cesc"], record, 0)


def test_a_correction_is_of_a_payment_of_the_day_and_once(tmp_path: Path) -> None:
    switch = Switch(tmp_path / "credits")
    office = cast("Client", switch)
    _, given_back = read_fates(office, [""], 0).values()
    assert (given_back.state, given_back.paid) == (State.COMPLETED, 500)
    assert [one.sequence for one in given_back.later] == [8, 9]
    for wrong in (entry(10, TRANSFER, 4), entry(10, TRANSFER, 1), entry(10, POST, 4)):
        other = Switch(tmp_path / f"{wrong.resolves}{wrong.kind}")
        other.entries.append(wrong)
        with pytest.raises(WireError, match="entry 10"):
            read_fates(cast("Client", other), [""], 0)
