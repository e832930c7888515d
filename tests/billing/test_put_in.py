"""Goal: whatever becomes of the store and the files of put-in bills, counters are told
what the journal's newest file says, or that it is not known.

Method: a real ledger with rows of files, the files written as the server does; in
between the store is damaged in service, a file is given up, kept without a row, or its
row is not known to be durable.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest

from switch.billing import put_in
from switch.billing.bill_files import NAME, Line
from switch.billing.bill_store import STORE, Met
from switch.billing.put_in import PutIn
from switch.codes import BillsForm, Kind
from switch.errors import BillerUnavailableError
from switch.ledger.bills_put import Bills, put_bills
from switch.register.register import Register
from tests.core.counter import Counter, quoted_service

NOW = 1
FULL, DELTA, WITHDRAWAL = BillsForm.FULL, BillsForm.DELTA, BillsForm.WITHDRAWAL


class Desk:
    """A service whose bills are put in."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.service = quoted_service(counter)
        self.register = Register(counter.ledger)
        self.put_in = PutIn(counter.ledger, self.register)
        self.after = 0

    def again(self) -> None:
        """As after a start."""
        self.put_in.close()
        self.put_in = PutIn(self.counter.ledger, self.register)

    def put(self, form: BillsForm, *lines: Line) -> None:
        """A file that is taken."""
        with self.put_in.writer(self.service) as writer:
            writer.add(lines)
            self.put_in.keep(self.service, writer)
            self.record(form, writer.digest, lines)
            self.put_in.done(self.service, writer, is_known=True)
        self.put_in.taken(self.service)

    def record(self, form: BillsForm, digest: bytes, lines: tuple[Line, ...]) -> None:
        """Its row."""
        amount = sum(one.amount_due for one in lines) if form != WITHDRAWAL else 0
        bills = Bills(form, len(lines), amount, digest)
        tail = put_bills(bytes(16), self.service, 0, bills, sender=1).tails[0]
        told = self.counter.one(
            Kind.BILLS,
            service=self.service,
            resolves=self.after,
            participant=self.counter.biller,
            tail=tail,
        )
        assert told.result == 1
        self.after = told.sequence

    def due(self, number: int) -> list[int]:
        """Amounts of the bills of a reference."""
        found = self.put_in.find(self.service, f"REF-{number}", NOW)
        return [one.amount_due for one in found]

    @property
    def files(self) -> int:
        """How many lie there."""
        folder = Path(self.counter.ledger.path) / NAME / "files" / str(self.service)
        return len(list(folder.iterdir()))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    counter = Counter(tmp_path / "ledger")
    made = Desk(counter)
    yield made
    made.put_in.close()
    counter.ledger.close()


def line(number: int, amount: int = 100) -> Line:
    return Line(f"REF-{number}", f"ID-{number}", "", amount, 0, 0, 0, ())


def damage(desk: Desk) -> None:
    """Change an amount behind the store's back, as a disk might."""
    env = desk.put_in._store._env
    bills: lmdb._Database = desk.put_in._store._bills
    with env.begin(write=True, db=bills) as txn:
        for key, value in list(txn.cursor()):
            txn.put(key, bytes(value).replace(b"\t100\t", b"\t900\t"))


def test_a_store_that_is_damaged_in_service_is_made_anew(desk: Desk) -> None:
    desk.put(FULL, line(1), line(2))
    desk.put(DELTA, line(3, 70))
    damage(desk)
    for _ in range(2):
        assert (desk.due(1), desk.due(2), desk.due(3)) == ([100], [100], [70])
    folder = Path(desk.counter.ledger.path) / NAME
    assert (folder / "store.aside").is_dir()
    # And once more, beside the one that was set aside.
    damage(desk)
    assert desk.due(2) == [100]
    desk.again()
    assert desk.due(1) == [100]


def test_a_file_without_a_row_goes_with_the_next(desk: Desk) -> None:
    desk.put(FULL, line(1))
    with desk.put_in.writer(desk.service) as writer:
        writer.add([line(2)])
        desk.put_in.keep(desk.service, writer)
        desk.put_in.done(desk.service, writer, is_known=True)
    assert desk.files == 1
    # What is not kept leaves nothing at all.
    with desk.put_in.writer(desk.service) as writer:
        writer.add([line(3)])
    assert desk.files == 1
    desk.put(FULL, line(4))
    assert desk.files == 1
    assert desk.due(4) == [100]


def test_a_file_whose_row_may_be_durable_stays(desk: Desk) -> None:
    """The ledger fell silent in the commit; the next start finds the row."""
    desk.put(FULL, line(1))
    with desk.put_in.writer(desk.service) as writer:
        writer.add([line(2, 30)])
        desk.put_in.keep(desk.service, writer)
        desk.put_in.done(desk.service, writer, is_known=False)
    desk.record(DELTA, writer.digest, (line(2, 30),))
    desk.again()
    assert (desk.due(1), desk.due(2)) == ([100], [30])


def test_files_have_a_bound_until_a_full_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not desk.put_in.needs_full(desk.service)
    desk.put(FULL, line(1))
    desk.put(DELTA, line(2))
    size = 2 * len(line(1).packed())
    monkeypatch.setattr(put_in, "FILES_BYTES_MAX", size + 1)
    assert not desk.put_in.needs_full(desk.service)
    monkeypatch.setattr(put_in, "FILES_BYTES_MAX", size)
    assert desk.put_in.needs_full(desk.service)
    # The full one takes their place.
    desk.put(FULL, line(3))
    assert not desk.put_in.needs_full(desk.service)


class Shared:
    """Files of the other nodes, by their hash."""

    def __init__(self) -> None:
        self.files: dict[bytes, bytes] = {}
        self.asked = 0

    def put(self, data: bytes) -> None:
        self.files[hashlib.blake2b(data, digest_size=32).digest()] = data

    def get(self, name: bytes) -> bytes | None:
        self.asked += 1
        self.when_asked()
        return self.files.get(name)

    def when_asked(self) -> None:
        """Nothing."""


def test_a_node_has_what_was_put_in_before_anybody_asks(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    shared = Shared()
    assert desk.put_in.catch_up()
    desk.put_in.shared = shared
    desk.put(FULL, line(1))
    desk.put(DELTA, line(2))
    # Another node, which has the rows alone.
    desk.put_in.close()
    shutil.rmtree(Path(desk.counter.ledger.path) / NAME)
    desk.put_in = PutIn(desk.counter.ledger, desk.register)
    desk.put_in.shared = shared
    kept, shared.files = shared.files, {}
    for _ in range(2):
        assert not desk.put_in.catch_up()
        assert desk.put_in.behind == 1
    assert caplog.text.count("wait for a file") == 1
    shared.files = kept
    assert desk.put_in.catch_up()
    assert (desk.put_in.behind, desk.files) == (0, 2)
    # From here on it asks for nothing.
    asked = shared.asked
    assert desk.put_in.catch_up()
    assert (desk.due(1), desk.due(2), shared.asked) == ([100], [100], asked)
    # A full one comes, in whose place all others go.
    packed = line(3).packed()
    shared.put(packed)
    digest = hashlib.blake2b(packed, digest_size=32).digest()
    desk.record(FULL, digest, (line(3),))
    assert desk.put_in.behind == 1
    assert desk.put_in.catch_up()
    assert (desk.due(3), desk.files) == ([100], 1)


def test_who_stops_waits_for_one_file(desk: Desk) -> None:
    """A leader that stops has the lease until it has ended."""
    shared = desk.put_in.shared = Shared()
    for number in range(4):
        desk.put(DELTA if number else FULL, line(number))
    desk.put_in.close()
    shutil.rmtree(Path(desk.counter.ledger.path) / NAME)
    desk.put_in = PutIn(desk.counter.ledger, desk.register)
    desk.put_in.shared = shared
    shared.when_asked = desk.put_in.end  # type: ignore[method-assign]
    assert not desk.put_in.catch_up()
    assert not desk.put_in.catch_up()
    assert (shared.asked, desk.put_in.behind) == (1, 1)


def test_what_goes_while_sizes_are_looked_at_counts_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node fetches files beside its biller's next one."""
    desk.put(FULL, line(1))
    monkeypatch.setattr(put_in, "FILES_BYTES_MAX", len(line(1).packed()))
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        yield folder / "partial-gone"
        yield from listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert desk.put_in.needs_full(desk.service)


def test_a_damaged_file_is_had_from_the_other_nodes(desk: Desk) -> None:
    shared = desk.put_in.shared = Shared()
    desk.put(FULL, line(1))
    folder = Path(desk.counter.ledger.path) / NAME
    desk.put_in.close()
    [path] = (folder / "files" / str(desk.service)).iterdir()
    path.write_bytes(b"REF-1\tcut")
    shutil.rmtree(folder / STORE)
    desk.put_in = PutIn(desk.counter.ledger, desk.register)
    desk.put_in.shared = shared
    assert desk.put_in.catch_up()
    assert (desk.due(1), desk.files) == ([100], 1)


def test_less_than_is_due_is_not_told(desk: Desk) -> None:
    desk.put(FULL, line(1))
    desk.put(DELTA, line(2))
    folder = Path(desk.counter.ledger.path) / NAME
    desk.put_in.close()
    for path in (folder / "files" / str(desk.service)).iterdir():
        path.write_bytes(b"")
    (folder / STORE / "data.mdb").unlink()
    desk.put_in = PutIn(desk.counter.ledger, desk.register)
    with pytest.raises(BillerUnavailableError):
        desk.due(1)
    desk.put(FULL, line(5))
    assert desk.due(5) == [100]


def other(number: int, bill: int, *supersedes: str) -> Line:
    """A bill of that reference with the id of another one."""
    return Line(f"REF-{number}", f"ID-{bill}", "", 100, 0, 0, 0, supersedes)


def test_a_delta_is_compared_with_the_bills_that_are_there(desk: Desk) -> None:
    def meets(*lines: Line) -> Met:
        return desk.put_in.meets(desk.service, lines)

    assert meets(line(1), line(2)) == Met(replaces=False, other=None)
    desk.put(FULL, line(1), line(2))
    assert meets(line(3), line(4)) == Met(replaces=False, other=None)
    assert meets(line(3), line(2)) == Met(replaces=True, other=None)
    # One more bill of a reference replaces none, unless it says so.
    assert meets(other(1, 7)) == Met(replaces=False, other=None)
    assert meets(other(1, 7, "ID-2")) == Met(replaces=False, other=None)
    assert meets(other(1, 7, "ID-1")) == Met(replaces=True, other=None)
    # One id under two references.
    assert meets(line(3), other(4, 2), other(5, 1)) == Met(False, (1, "REF-2"))
    desk.put(WITHDRAWAL, line(2))
    assert meets(line(3), other(4, 2)) == Met(replaces=False, other=None)
    desk.put(DELTA, other(1, 7, "ID-1"))
    assert meets(other(4, 1)) == Met(replaces=False, other=None)
    assert meets(other(4, 7)) == Met(False, (0, "REF-1"))
    desk.again()
    assert meets(other(4, 7)) == Met(False, (0, "REF-1"))
    # A full one takes all away.
    desk.put(FULL, line(9))
    assert meets(other(4, 7)) == Met(replaces=False, other=None)


def test_a_delta_that_nobody_can_compare_is_not_taken(desk: Desk) -> None:
    desk.put(FULL, line(1))
    desk.put_in.close()
    shutil.rmtree(Path(desk.counter.ledger.path) / NAME)
    desk.put_in = PutIn(desk.counter.ledger, desk.register)
    with pytest.raises(BillerUnavailableError, match="as a full file"):
        desk.put_in.meets(desk.service, [line(2)])
    desk.put(FULL, line(1))
    assert desk.put_in.meets(desk.service, [line(1)]).replaces


@pytest.mark.parametrize("is_taken", [False, True])
def test_what_is_told_beside_a_file_is_older_than_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """The clock stands still: each moment is one behind the newest row."""
    monkeypatch.setattr(put_in, "time", SimpleNamespace(time_ns=lambda: 0))
    ledger, service = desk.counter.ledger, desk.service
    desk.put(FULL, line(1))
    with desk.put_in.writer(service) as writer:
        writer.add([line(2)])
        assert desk.put_in.asked_ns(service) == ledger.timestamp + 1
        kept_ns = ledger.timestamp + 1
        desk.put_in.keep(service, writer)
        if is_taken:
            desk.record(FULL, writer.digest, (line(2),))
            assert desk.put_in.asked_ns(service) == kept_ns
            assert kept_ns <= ledger.timestamp
            # Of another service it says nothing.
            assert desk.put_in.asked_ns(service + 1) == ledger.timestamp + 1
        desk.put_in.done(service, writer, is_known=True)
    assert desk.put_in.asked_ns(service) == ledger.timestamp + 1
