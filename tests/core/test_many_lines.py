"""Goal: a proposal of 8,000 lines is done in pieces, and goes on where it was; one of
2.6 MB has room in a group and in the queue; what is no list is not followed.

Method: by hand, in requests of many rows, backwards, tampered with, opened again; by
the queue; a journal whose accepted proposals no core would have accepted.
"""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import Queue
from switch.codes import (
    PROPOSE_LINES,
    Kind,
    Result,
)
from tests.audit.journal_writer import Row as Written
from tests.audit.journal_writer import write_journal
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    DAY_NS,
    GAMMA,
    MAKER,
    OK,
    WALLET,
    Asked,
    Council,
    approved,
    no_row,
    participant,
    register,
    top_up,
)
from tests.core.network import NOW
from tests.core.pair import rows_request
from tests.records import (
    Row,
)
from tests.signing import Line

NOT_SIGNED, NOT_APPROVED = Result.NOT_SIGNED, Result.NOT_APPROVED
INVALID_RECORD = Result.INVALID_RECORD
LINES_MAX = 8_000
ITEM_MAX = 2_600_000
IST_NS = 19_800 * 10**9


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    made = Council(tmp_path / "ledger").begin(GAMMA, MAKER)
    yield made
    made.close()


# --- many lines ----------------------------------------------------------------------


def eight_thousand() -> list[Line]:
    """Top-ups, one of each UTR."""
    return [top_up(1 + n, b"UTR-%05d" % n) for n in range(LINES_MAX)]


def test_eight_thousand_lines(council: Council) -> None:
    lines = eight_thousand()
    row = council.proposal(ALPHA, [*lines, top_up(1, b"ONE MORE")])
    no_row(council, council.commit(row)[0], INVALID_RECORD)
    asked = approved(council, *lines)
    rows = [council.line(asked, number, BETA) for number in range(LINES_MAX)]
    # Some, backwards; then it goes on where it was, with a row that was tampered with.
    assert {each.result for each in council.commit(*rows[2_000:1_000:-1])} == {OK}
    council.catch_up()
    council.reopen()
    rows[5_000].amount += 1
    told = council.commit(*rows)
    assert [each.repeat for each in told].count(1) == 1_000
    assert [n for n, each in enumerate(told) if each.result != OK] == [5_000]
    no_row(council, told[5_000], NOT_APPROVED)
    rows[5_000].amount -= 1
    assert council.commit(rows[5_000])[0].result == OK
    assert council.balance(WALLET) == sum(range(1, LINES_MAX + 1))
    no_row(council, council.commit(council.line(asked, 0, ALPHA))[0], Result.ID_REUSED)


def great(size: int) -> list[Line]:
    """Lines whose item has just so many bytes, the signature included."""
    left = size - 8 - 64
    lines = []
    while left:
        tail = min(65_536, left - 64)
        if 0 < left - 64 - tail < 128:
            tail -= 128
        lines.append(register(participant(BILLER) + b" " * (tail - 64)))
        left -= 64 + tail
    return lines


def test_an_item_of_2_600_000_bytes(council: Council) -> None:
    lines = great(ITEM_MAX)
    row = council.proposal(ALPHA, lines)
    assert len(row.tail or b"") == ITEM_MAX
    [told] = council.commit(row)
    assert told.result == OK
    assert council.ledger.tail(told.sequence) == row.tail
    asked = Asked(row, told.sequence, ALPHA)
    council.catch_up()
    council.reopen()
    assert council.approve(BETA, asked).result == OK
    last = council.line(asked, len(lines) - 1, BETA)
    assert council.commit(last)[0].result == OK
    more = council.proposal(ALPHA, great(ITEM_MAX + 8))
    with pytest.raises(ValueError, match="2600000"):
        rows_request([more])
    other = council.row(Kind.PROPOSE, total=6, amount=1, tail=bytes(262_145))
    with pytest.raises(ValueError, match="262144"):
        rows_request([other])


def test_it_goes_through_the_queue(tmp_path: Path) -> None:
    """Beside others, and two great ones are two groups."""
    council = Council(tmp_path / "ledger", threads=True, index_step_rows=1024)
    council.begin()
    council.now = 0
    clock = np.array([NOW + DAY_NS, DAY_NS, 1], np.uint64)
    queue = Queue(council.ledger, clock=clock)
    queue.start()
    rows = [council.proposal(ALPHA, great(ITEM_MAX)) for _ in range(3)]
    for number, row in enumerate(rows):
        queue.submit(rows_request([row]), number)
    told: list[int] = []
    while len(told) < 3:
        for error, answers in queue.take():
            assert error is None
            for _, count, reply in answers:
                assert count == 1
                assert not isinstance(reply, (bytes, Exception))
                told.append(int(reply["result"][0]))
    assert told == [OK] * 3
    queue.stop(1)
    council.close()


# --- journals that no ledger of ours has written -------------------------------------

ONE = top_up(5, b"UTR").pack()
BAD_ITEMS = [
    b"",
    bytes(8),
    struct.pack("<II", 1, 0) + ONE,
    struct.pack("<II", 2**32 - 1, 0) + ONE + bytes(64),
    struct.pack("<II", LINES_MAX, 0) + LINES_MAX * ONE[:8],
    struct.pack("<II", 1, 0) + ONE[:4] + b"\xff" * 4 + ONE[8:] + bytes(64),
    struct.pack("<II", 1, 0) + ONE[:4] + b"\0\0\1\0" + ONE[8:] + bytes(64),
]


@pytest.mark.parametrize("item", BAD_ITEMS, ids=range(len(BAD_ITEMS)))
def test_a_proposal_that_no_core_accepted(tmp_path: Path, item: bytes) -> None:
    """What it says of lines is not followed out of its item."""
    told = [
        Written(Kind.REGISTER, debit=1, tail=participant(1)),
        Written(Kind.REGISTER, debit=1, tail=ALPHA.record()),
        Written(Kind.REGISTER, debit=2, tail=GAMMA.record()),
        Written(Kind.PROPOSE, amount=5, total=PROPOSE_LINES, participant=1, tail=item),
        Written(Kind.APPROVE, resolves=4, participant=1, tail=bytes(64)),
    ]
    for said, who in ((told[3], ALPHA), (told[4], GAMMA)):
        # Of people who can act: else nothing of it is read.
        said.operator_ = who.number
    for at, written in enumerate(told, 1):
        written.id = at.to_bytes(16, "big")
        written.sequence, written.timestamp = at, NOW + at
    write_journal(tmp_path / "ledger", [told])
    council = Council(tmp_path / "ledger", create=False)
    row = top_up(5, b"UTR")
    name = hashlib.blake2b(b"line" + told[3].id, digest_size=32).digest()[:12]
    asked = Row(
        Kind.TOP_UP,
        id=name + bytes(4),
        amount=5,
        debit=row.debit,
        credit=row.credit,
        reference=b"UTR",
        participant=1,
        operator_=ALPHA.number,
        checker=1,
        total=4,
    )
    for _ in range(2):
        no_row(council, council.commit(asked)[0], Result.DATA_DAMAGED)
        # Nobody else meets it.
        other = asked.copy()
        other.total = 3
        no_row(council, council.commit(other)[0], NOT_APPROVED)
    council.close()
