"""Goal: the store of put-in bills does what files say, all of it or nothing, and tells
nothing that it cannot vouch for.

Method: files by hand into a store on disk; what is found afterwards, its counts and
sums; a file that fails in its middle; another journal's file; a changed value.
"""

from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from switch.billing.bill_files import NAME, Line
from switch.billing.bill_store import (
    DELTA,
    FULL,
    STORE,
    WITHDRAWAL,
    BillStore,
    State,
    StoreError,
)

INSTANCE = bytes(range(16))
SERVICE = 7
FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BillStore]:
    found = BillStore(tmp_path, INSTANCE)
    yield found
    found.close()


def line(number: int, amount: int = 100, period: str = "", *earlier: str) -> Line:
    return Line(f"REF-{number}", f"ID-{number}", period, amount, 0, 0, 0, earlier)


def apply(
    store: BillStore,
    before: int,
    to: tuple[int, bytes],
    form: int,
    lines: Iterator[Line] | list[Line],
    by_period: bool = False,
) -> State:
    state = State(to[0], hash=to[1])
    return store.apply(SERVICE, before, state, form, lines, by_period=by_period)


def test_files_follow_each_other(store: BillStore) -> None:
    told = apply(store, 0, (5, FIRST), FULL, [line(1), line(2), line(3)])
    assert (told.sequence, told.count, told.amount) == (5, 3, 300)
    told = apply(store, 5, (9, SECOND), DELTA, [line(2, 70), line(4, 30)])
    assert (told.count, told.amount) == (4, 300)
    told = apply(store, 9, (11, THIRD), WITHDRAWAL, [line(1), line(99)])
    assert (told.count, told.amount) == (3, 200)
    assert store.state(SERVICE) == told
    assert store.find(SERVICE, "REF-1", 11, THIRD) == []
    assert store.find(SERVICE, "REF-2", 11, THIRD) == [line(2, 70)]
    # A reference is not found by its beginning, and another service has none.
    assert store.find(SERVICE, "REF-", 11, THIRD) == []
    assert store.state(SERVICE + 1) == State()
    told = apply(store, 0, (12, FIRST), FULL, [])
    assert (told.count, told.amount) == (0, 0)


def test_what_it_lacks_it_does_not_tell(store: BillStore) -> None:
    apply(store, 0, (5, FIRST), FULL, [line(1)])
    assert store.find(SERVICE, "REF-1", 6, FIRST) is None
    # The same sequence of another journal is another file.
    assert store.find(SERVICE, "REF-1", 5, SECOND) is None
    with pytest.raises(StoreError):
        apply(store, 4, (6, SECOND), DELTA, [line(2)])


def test_half_a_file_is_none(store: BillStore) -> None:
    apply(store, 0, (5, FIRST), FULL, [line(1)])

    def torn() -> Iterator[Line]:
        yield line(2)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        apply(store, 0, (6, SECOND), FULL, torn())
    assert store.state(SERVICE).sequence == 5
    assert store.find(SERVICE, "REF-1", 5, FIRST) == [line(1)]


def test_a_bill_takes_the_place_of_those_it_stands_for(store: BillStore) -> None:
    apply(store, 0, (5, FIRST), FULL, [line(1, 40)])
    later = Line("REF-1", "ID-9", "", 55, 0, 0, 0, ("ID-1",))
    told = apply(store, 5, (6, SECOND), DELTA, [later])
    assert (told.count, told.amount) == (1, 55)
    assert store.find(SERVICE, "REF-1", 6, SECOND) == [later]


def test_by_period_another_id_is_the_same_bill(store: BillStore) -> None:
    apply(store, 0, (5, FIRST), FULL, [line(1, 40, "2026-11")], by_period=True)
    again = Line("REF-1", "OTHER", "2026-11", 50, 0, 0, 0, ())
    told = apply(store, 5, (6, SECOND), DELTA, [again], by_period=True)
    assert (told.count, told.amount) == (1, 50)
    assert store.find(SERVICE, "REF-1", 6, SECOND) == [again]


def test_a_changed_value_is_not_believed(tmp_path: Path) -> None:
    store = BillStore(tmp_path, INSTANCE)
    apply(store, 0, (5, FIRST), FULL, [line(1)])
    store.close()
    with lmdb.open(str(tmp_path / NAME / STORE), max_dbs=2) as env:
        bills = env.open_db(b"bills")
        with env.begin(write=True, db=bills) as txn:
            [(key, value)] = list(txn.cursor())
            txn.put(key, value.replace(b"\t100\t", b"\t900\t"))
    store = BillStore(tmp_path, INSTANCE)
    with pytest.raises(StoreError):
        store.find(SERVICE, "REF-1", 5, FIRST)
    store.close()
    # So is that of another ledger.
    other = BillStore(tmp_path, bytes(16))
    with pytest.raises(StoreError):
        other.state(SERVICE)
    other.close()
