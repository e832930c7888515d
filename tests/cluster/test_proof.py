"""Goal: what `make cluster` says of answers is true: one that the log lacks, that names
another's entry, or that two payments share is found, and so is a gap of the log.

Method: chunks made here, held against answers that are as they should be or are not.
"""

import pytest

from switch.cluster.log import CHUNK_MAGIC, HEADER, ROW_SIZE, Sealed, sealed

pytest.importorskip("switch.cluster.postgres")
from tools.cluster.proof import Answered, Held

IDS = [bytes([number]) * 16 for number in range(1, 8)]


def chunk(first: int, count: int) -> Sealed:
    """Rows `first` and behind it, each with the id of its number."""
    rows = b"".join(
        IDS[number - 1].ljust(ROW_SIZE, b"\0") for number in range(first, first + count)
    )
    head = (CHUNK_MAGIC, 0, 0, count, 0, first, b"\0" * 16, 1, first, 0, 0)
    return sealed(HEADER.pack(*head) + rows)


CHUNKS = (chunk(1, 2), chunk(3, 1), chunk(4, 4))
WHOLE = [(number, IDS[number - 1]) for number in range(1, 8)]


@pytest.mark.parametrize(
    ("answers", "chunks", "said"),
    [
        (WHOLE, CHUNKS, []),
        # Entries that nobody was told of may be there.
        (WHOLE[1::3], CHUNKS, []),
        ([], CHUNKS, []),
        (WHOLE, CHUNKS[:2], ["4 answers name entries behind"]),
        (WHOLE[3:], (CHUNKS[0], CHUNKS[2]), ["gap before entry 4"]),
        (WHOLE, (CHUNKS[0], CHUNKS[2]), ["gap before entry 4", "with entry 3"]),
        ([(2, IDS[0])], CHUNKS, ["with entry 2"]),
        ([(2, IDS[1]), (2, IDS[1])], CHUNKS, ["with entry 2"]),
        ([(0, IDS[1])], CHUNKS, ["with entry 0"]),
    ],
)
def test_answers_are_held_against_the_log(
    answers: list[Answered], chunks: tuple[Sealed, ...], said: list[str]
) -> None:
    held = Held(answers)
    for one in chunks:
        held.see(one)
    wrong = held.end()
    assert len(wrong) == len(said), wrong
    assert all(part in text for part, text in zip(said, wrong, strict=True))
