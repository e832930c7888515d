"""Goal: a row of any kind whose bytes have changed is refused by everything that reads
it, and nothing that a group does goes by it.

Method: a ledger has rows of every kind, accepted and refused. In each of some of every
kind one bit of each byte is flipped where it lies in the file, below an open ledger,
and every reading function that meets the row is called: those that give the row refuse
it, those that go by it refuse or tell the truth. Then groups ask for what makes the
core look the row up: its id again, its ends, refunds, approvals, settlements.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import Ledger
from switch.codes import Kind, Link, Result
from switch.errors import CorruptionError, StorageError
from switch.traits import TRAITS, Trait
from tests.core.aged import Story, outcomes_of, tell
from tests.core.pair import pack_row, rows_request
from tests.longer import TIMES
from tests.model import GIVEN, Model, Rows
from tests.records import Row

SEED = 5
ROWS = (4_000, 8_000, 16_000, 32_000)
"""As many as it takes until each kind is there: closed accounts are rare."""
STEP_ROWS = 64
LINKS = (
    *(Link.CORRECTION, Link.LATE_CONFIRMATION, Link.VERIFY),
    *(Link.ENDING, Link.MATCHED),
)
EACH = 1 if TIMES == 1 else 4
"""Rows of each kind that are damaged, accepted and refused ones."""
NEVER_REFUSED = {
    Kind.POST, Kind.VOID, Kind.WINDOW, Kind.EXPIRE, Kind.CASE, Kind.VERIFY,
    Kind.REFUND, Kind.CASE_CLOSE,
}  # fmt: skip
"""Kinds without an id, and those that two people must want: a refusal leaves no row."""


@dataclass
class Damaged:
    """A file of the journal in which single bits are flipped, and back again."""

    path: Path
    body: bytes

    def flip(self, row: Row, byte: int, bit: int) -> None:
        """Flip one bit of a row, or flip it back; every copy of it in the file."""
        wanted = pack_row(row)
        at = self.body.find(wanted)
        assert at >= 0
        with self.path.open("r+b") as file:
            while at >= 0:
                file.seek(at + byte)
                (value,) = file.read(1)
                file.seek(at + byte)
                file.write(bytes([value ^ 1 << bit]))
                at = self.body.find(wanted, at + 1)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    for rows in ROWS:
        path = tmp_path_factory.mktemp("rows") / "ledger"
        made = tell(path, SEED, rows, STEP_ROWS)
        accepted = {row.kind for row in made.model.rows if row.result == Result.OK}
        if accepted == set(Kind):
            break
    return made


@pytest.fixture(scope="module")
def indexed(story: Story) -> int:
    """Rows that the index covers: opening reads only those behind them."""
    with Ledger(str(story.path), create=False, **story.options) as ledger:
        return ledger.index_sequence


def chosen(model: Model, indexed: int, kind: Kind, *, ok: bool) -> list[Row]:
    """Some rows of a kind that opening does not read; the newest ones."""
    rows = [
        row
        for row in model.rows[:indexed]
        if row.kind == kind and (row.result == Result.OK) == ok
    ]
    return rows[-EACH:]


def every_kind(model: Model, indexed: int) -> Iterator[Row]:
    """Accepted rows of every kind, and refused ones of those that can be."""
    for kind in Kind:
        accepted = chosen(model, indexed, kind, ok=True)
        assert accepted, f"the story has no {kind.name}"
        yield from accepted
        yield from chosen(model, indexed, kind, ok=False)


def test_the_story_has_every_kind(story: Story, indexed: int) -> None:
    rows = list(every_kind(story.model, indexed))
    assert {row.kind for row in rows} == set(Kind)
    refused = {row.kind for row in rows if row.result != Result.OK}
    assert refused >= {Kind.PAY, Kind.HOLD, Kind.TOP_UP, Kind.TRANSFER, Kind.PROPOSE}
    assert not refused & NEVER_REFUSED


# --- reading --------------------------------------------------------------------------


def rows_given(ledger: Ledger, row: Row) -> dict[str, Callable[[], Any]]:
    """What gives the row itself: it must refuse."""
    at = row.sequence
    calls: dict[str, Callable[[], Any]] = {
        "row": lambda: ledger.row(at),
        "rows": lambda: ledger.rows(at, 1),
        "rows before": lambda: ledger.rows(max(1, at - 3), 5),
        "gather": lambda: ledger.gather(np.array([1, at], np.uint64)),
        "gather_whole": lambda: gather_one(ledger, at),
    }
    if row.kind == Kind.HOLD and row.result == Result.OK:
        sequences = np.array([at], np.uint64)
        calls["questions"] = lambda: ledger.questions(sequences, 2, 1, 1, sequences)
    return calls


def gather_one(ledger: Ledger, at: int) -> Any:
    """The row, from what leaves out the damaged ones and says which they are."""
    rows, damaged = ledger.gather_whole(np.array([at], np.uint64))
    assert len(rows) + len(damaged) == 1
    if len(damaged):
        raise CorruptionError(0, f"row {at} is damaged")
    return rows


def statement(ledger: Ledger, account: int, before: int) -> list[int]:
    """The last rows of an account below a sequence."""
    return [int(each) for each in ledger.account_rows(account, before, 50)]


def found_of(ledger: Ledger, key: tuple[int, bytes, int | None]) -> Any:
    """Which row has an id, and what resolved it."""
    [found] = ledger.find_entries([key])
    if isinstance(found, Exception):
        raise found
    return found and (found[0].sequence, *found[1:])


def facts_about(
    ledger: Ledger, model: Model, row: Row
) -> dict[str, tuple[Callable[[], Any], Any]]:
    """What goes by the row: it refuses, or it tells the truth."""
    at = row.sequence
    facts: dict[str, tuple[Callable[[], Any], Any]] = {
        "tail": (lambda: ledger.tail(at), row.tail or b""),
        "tails": (
            lambda: ledger.tails(np.array([at], np.uint64)),
            [row.tail or b""],
        ),
        "find_own": (
            lambda: (found_of(ledger, (row.participant, row.id, row.debit)) or [0])[0],
            model.find(row.participant, row.id),
        ),
        "find": (
            lambda: ledger.find(row.participant, row.id),
            model.find(row.participant, row.id),
        ),
    }
    known = model.find(row.participant, row.id)
    is_done = known and model.rows[known - 1].result == Result.OK
    resolved = model.resolution(known) if is_done else (0, 0)
    for wallet in (None, row.debit):
        facts[f"entry of {wallet}"] = (
            partial(found_of, ledger, (row.participant, row.id, wallet)),
            (known, *resolved) if known else None,
        )
    for number in {at, row.resolves} - {0}:
        if number <= len(model.rows):
            facts[f"resolution of {number}"] = (
                partial(ledger.resolution, number),
                model.resolution(number),
            )
            for what in LINKS:
                facts[f"link {what} of {number}"] = (
                    partial(ledger.link, number, what),
                    model.link(number, what),
                )
    for account in {row.debit, row.credit} & set(range(1, len(model.accounts))):
        facts[f"statement of {account}"] = (
            partial(statement, ledger, account, at + 1),
            model.account_rows(account, at + 1, 50),
        )
        for sequence in (at - 1, at, at + 1):
            facts[f"balance of {account} at {sequence}"] = (
                partial(ledger.balance_at, account, sequence),
                model.balance_at(account, sequence),
            )
        facts[f"settled {account}"] = (
            partial(ledger.settled, row.resolves, account),
            model.settled(row.resolves, account),
        )
    return facts


def test_no_read_believes_a_changed_row(
    story: Story, indexed: int, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(story.path, tmp_path / "ledger"))
    file = path / "journal" / "data.mdb"
    damaged = Damaged(file, file.read_bytes())
    believed: Counter[str] = Counter()
    with Ledger(str(path), create=False, **story.options) as ledger:
        for row in every_kind(story.model, indexed):
            given = rows_given(ledger, row)
            facts = facts_about(ledger, story.model, row)
            assert all(call() is not None for call in given.values())
            assert all(call() == truth for call, truth in facts.values())
            for byte in range(128):
                damaged.flip(row, byte, byte % 8)
                name = Kind(row.kind).name
                for what, call in given.items():
                    if not refuses(call):
                        believed[f"{what} of {name}"] += 1
                for what, (call, truth) in facts.items():
                    if not refuses(call) and call() != truth:
                        believed[f"{what} by {name}"] += 1
                damaged.flip(row, byte, byte % 8)
            assert not any(refuses(call) for call in given.values())
    assert not believed


def refuses(call: Callable[[], Any]) -> bool:
    """Whether it raises rather than give what a bad check covers."""
    try:
        call()
    except CorruptionError:
        return True
    return False


# --- groups ---------------------------------------------------------------------------


def content(row: Row) -> tuple[int | bytes, ...]:
    """What tells a request from others that use its id for something else."""
    return row.participant, row.id, row.kind, row.amount, row.resolves


def requests_by_content(story: Story) -> dict[tuple[int | bytes, ...], Row]:
    """What was asked for as a row, when it was for the first time."""
    return {
        content(row): row
        for turn in reversed(story.groups)
        for ask in reversed(turn.asks)
        if isinstance(ask, Rows)
        for row in ask.rows
        if row.kind in TRAITS and TRAITS[Kind(row.kind)] & Trait.ID
    }


def again(row: Row, sent: Row | None) -> Row:
    """What asked for a row, once more; of a payment, which came in a message, a row."""
    if sent is not None:
        return sent
    made = Row(row.kind, id=row.id, amount=row.amount, reference=row.reference)
    made.debit, made.credit = row.debit, row.credit
    made.participant, made.operator_ = row.participant, row.operator_
    made.service, made.flags = row.service, row.flags & GIVEN
    made.deadline, made.tail, made.basket = row.deadline, row.tail, row.basket
    return made


def asked_about(row: Row, sent: Row | None) -> list[Row]:
    """Requests for which the core has to look at this row; most are refused."""
    at, id_ = row.sequence, row.sequence.to_bytes(16, "big")
    asked = [
        Row(Kind.POST, resolves=at, amount=row.amount or 1),
        Row(Kind.VOID, resolves=at),
        Row(Kind.WINDOW, resolves=at, participant=row.participant),
        Row(Kind.REFUND, id=id_, resolves=at, amount=1, participant=row.participant),
    ]
    if TRAITS[Kind(row.kind)] & Trait.ID:
        # Its own id, with what it has become: the same, or another content.
        asked.append(again(row, sent))
    for kind in (Kind.APPROVE, Kind.CASE_CLOSE):
        speaks = Row(kind, id=id_, resolves=at, participant=row.participant)
        speaks.operator_, speaks.reference = 1, b"why" * (kind == Kind.CASE_CLOSE)
        asked.append(speaks)
    return asked


def test_no_group_goes_by_a_changed_row(
    story: Story, indexed: int, tmp_path: Path
) -> None:
    """Each request gets the answer that it gets from a sound copy, or none: an error,
    or a result without a row.
    """
    differs, answered = [], set()
    requests = requests_by_content(story)
    for row in every_kind(story.model, indexed):
        sent = requests.get(content(row))
        for number, ask in enumerate(asked_about(row, sent)):
            want = ask_copy(story, tmp_path, ask, None)
            if want is not None and want[1] == row.sequence:
                answered.add(Kind(row.kind))
            told = ask_copy(story, tmp_path, ask, row)
            if told is not None and told != want:
                name = Kind(row.kind).name
                text = f"{name} {row.sequence}, request {number}: {told}, not {want}"
                differs.append(text)
    assert not differs
    # Each that has an id was found by it.
    assert answered == {kind for kind in Kind if TRAITS[kind] & Trait.ID}


def ask_copy(
    story: Story, folder: Path, ask: Row, changed: Row | None
) -> tuple[int, ...] | None:
    """What a copy answers, perhaps with the amount of one row changed; None: nothing,
    because of the damage.
    """
    path = Path(shutil.copytree(story.path, folder / "ledger"))
    try:
        with Ledger(str(path), create=False, **story.options) as ledger:
            if changed is not None:
                file = path / "journal" / "data.mdb"
                Damaged(file, file.read_bytes()).flip(changed, 32, 3)
            (reply,) = ledger.commit([rows_request([ask])], story.model.timestamp)
    except StorageError:
        assert changed is not None
        return None
    finally:
        shutil.rmtree(path)
    (outcome,) = outcomes_of(Rows([ask]), bytes(reply))
    result, sequence, *_ = outcome
    if sequence == 0 and Result(result).name == "DATA_DAMAGED":
        return None
    return outcome
