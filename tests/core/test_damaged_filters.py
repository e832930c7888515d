"""Goal: no filter that the disk has changed makes a row be taken for new. What says no
is verified each time, where it lies; whoever asks a line that is wrong has no answer.

Method: the lines of the filters of one map are changed in the index's file: a bit,
their order, or all of them. A payment is sent again, and new ones are. Then the fences
are changed, before an opening and behind it.
"""

import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import Result
from switch.errors import IndexDamagedError
from tests.core.index_lists import write_steps
from tests.core.network import NOW, Network, make_network
from tests.core.pair import rows_request
from tests.core.test_concurrency import transfers
from tests.core.test_corruption import items
from tests.core.test_damaged_rows import BLOCK_PAGES, FILTERS, IDS
from tests.core.ward import LATER, Ward, read_reply
from tests.records import Outcome, Row

LINE, FENCE, HEAD, PART_PAGES = 32, 16, 16, 108
KEPT_APART = 4_080
"""No part has fewer bytes."""
Part = tuple[bytes, int]
"""A part's value, and where its first line is in it."""
FANOUT, STEP_ROWS = 8, 4_096
"""Eight runs of so many entries are more than one part of a run."""
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": STEP_ROWS,
    "map_size": 1 << 30,
    "reserve_size": 0,
}


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """One of them."""
    made = Ward(tmp_path / "ledger")
    yield made
    made.pair.close()


def parts_of(path: Path, map_: int) -> Iterator[Part]:
    """The parts of a map's runs, and where the first line of each is."""
    pages: dict[bytes, int] = {}
    for key, value in items(path, "index", "runs"):
        run, block = key[:9], int.from_bytes(key[9:], "big")
        if key[0] == map_ and block < FILTERS:
            ends = struct.unpack_from(f"<{BLOCK_PAGES}H", value)
            pages[run] = pages.get(run, 0) + sum(1 for end in ends if end)
        elif key[0] == map_:
            count = min(PART_PAGES, pages[run] - (block - FILTERS) * PART_PAGES)
            assert len(value) >= KEPT_APART
            yield value, HEAD + (count + count % 2) * FENCE


Change = Callable[[bytearray, int], None]


def change_parts(path: Path, map_: int, change: Change) -> int:
    """Change all in the file, by their bytes and their first line's place; how many."""
    file = path / "index" / "data.mdb"
    body = bytearray(file.read_bytes())
    count = 0
    for value, first in parts_of(path, map_):
        new = bytearray(value)
        change(new, first)
        if new == value:
            continue
        at = body.find(value)
        assert at >= 0
        while at >= 0:
            body[at : at + len(new)] = new
            at = body.find(value, at + len(value))
        count += 1
    # In place: who has it mapped sees it.
    with file.open("r+b") as out:
        out.write(body)
    return count


def lines_of(part: bytearray, first: int) -> list[int]:
    """Where its lines are: behind them are zeros, which no line's check is here."""
    places = range(first, len(part) - LINE + 1, LINE)
    return [at for at in places if any(part[at + LINE - 4 : at + LINE])]


def flip_bits(part: bytearray, first: int) -> None:
    """One bit of every line, another in each."""
    for number, at in enumerate(lines_of(part, first)):
        part[at + number % LINE] ^= 1 << number % 8


def clear(part: bytearray, first: int) -> None:
    """Lines that have nothing, with the checks of those that had."""
    for at in lines_of(part, first):
        part[at : at + LINE - 4] = bytes(LINE - 4)


def lose(part: bytearray, first: int) -> None:
    """Nothing of them is left."""
    part[first:] = bytes(len(part) - first)


def shift(part: bytearray, first: int) -> None:
    """Each line stands in the place of the one before, whole."""
    places = lines_of(part, first)
    lines = [part[at : at + LINE] for at in places]
    for at, line in zip(places, lines[1:] + lines[:1], strict=True):
        part[at : at + LINE] = line


@pytest.mark.parametrize("change", [flip_bits, clear, lose, shift])
def test_a_changed_filter_makes_nothing_new(ward: Ward, change: Change) -> None:
    paid = ward.payment()
    [[done]] = ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.pair.close()
    assert change_parts(ward.pair.path, IDS, change) > 0
    ward.pair.reopen()
    [[again]] = ward.send(ward.message(paid))
    assert again.result == Result.DATA_DAMAGED or again.sequence == done.sequence
    refused = 0
    for ask in [ward.message(ward.payment()) for _ in range(50)]:
        [outcomes] = ward.send(ask)
        if outcomes == [Outcome(Result.DATA_DAMAGED)]:
            refused += 1
        else:
            assert [outcomes] == ward.pair.model.commit([ask], LATER)
    assert refused > 0
    ward.pair.compare_accounts()


def test_without_it_all_are_taken(ward: Ward) -> None:
    """The same beside what nobody has changed."""
    paid = ward.payment()
    ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.pair.reopen()
    ward.pair.commit([ward.message(paid)], LATER)
    for ask in [ward.message(ward.payment()) for _ in range(50)]:
        ward.pair.commit([ask], LATER)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two runs of two parts, and two of one that are alike."""
    path = tmp_path_factory.mktemp("merged") / "ledger"
    with Ledger(str(path), **OPTIONS) as ledger:
        write_steps(ledger, make_network(), 2 * FANOUT + 2, STEP_ROWS)
        assert ledger.info()["ids_runs"][:2] == [2, 2]
    return path


def exchange(path: Path, places: Callable[[list[Part]], tuple[Part, Part]]) -> None:
    """Have the lines of two parts change places, whole, as many as both have."""
    one, other = places(list(parts_of(path, IDS)))
    count = min(len(lines_of(bytearray(value), first)) for value, first in (one, other))
    taken = [value[first : first + LINE * count] for value, first in (one, other)]

    def change(part: bytearray, first: int) -> None:
        if part in (one[0], other[0]):
            new = taken[part == one[0]]
            part[first : first + len(new)] = new

    assert change_parts(path, IDS, change) == 2


def parts_of_one_run(parts: list[Part]) -> tuple[Part, Part]:
    """The largest is full; behind it stands its run's last."""
    at = max(range(len(parts)), key=lambda each: len(parts[each][0]))
    return parts[at], parts[at + 1]


def last_two(parts: list[Part]) -> tuple[Part, Part]:
    """Those of two runs of one level."""
    return parts[-2], parts[-1]


@pytest.mark.parametrize("places", [parts_of_one_run, last_two])
def test_a_line_is_of_its_part_and_run(
    merged: Path, tmp_path: Path, places: Callable[[list[Part]], tuple[Part, Part]]
) -> None:
    """A whole line with a right check says nothing elsewhere."""
    path = tmp_path / "ledger"
    shutil.copytree(merged, path)
    exchange(path, places)
    network = make_network()
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        before = ledger.sequence
        moves = transfers(network, 1, before - len(network.rows))
        # Alone and among others, a thing that is there is never taken for new.
        refused = sum(not is_found(ledger, network, move) for move in moves)
        assert 0 < refused < len(moves)
        [reply] = ledger.commit([rows_request(moves[-STEP_ROWS:])], NOW)
        results = {each.result for each in read_reply(reply)}
        assert results <= {Result.OK, Result.DATA_DAMAGED}
        assert ledger.sequence == before


def is_found(ledger: Ledger, network: Network, move: Row) -> bool:
    """Whether a row that is there is told; False if that is refused."""
    try:
        found = ledger.find(network.treasury, move.id)
    except IndexDamagedError:
        return False
    assert found is not None, move.id
    return True


def break_fence(part: bytearray, _: int) -> None:
    part[HEAD] ^= 1


def test_changed_fences_are_found_at_opening(ward: Ward) -> None:
    ward.pair.commit([ward.message(ward.payment())], NOW)
    ward.fill()
    ward.pair.close()
    assert change_parts(ward.pair.path, IDS, break_fence) > 0
    with pytest.raises(IndexDamagedError):
        ward.pair.reopen()


@pytest.mark.parametrize("change", [break_fence, lose])
def test_what_changes_while_it_is_open_is_noticed(ward: Ward, change: Change) -> None:
    paid = ward.payment()
    ward.pair.commit([ward.message(paid)], NOW)
    ward.fill()
    ward.pair.reopen()
    assert change_parts(ward.pair.path, IDS, change) > 0
    ward.refuses(ward.message(paid))
    participant = ward.net.centres[0]
    with pytest.raises(IndexDamagedError):
        ward.pair.ledger.find(participant, paid.id)
    ward.pair.compare_accounts()
