"""What must hold in the end: all answers are in the log, journals are the log's, audits
find nothing.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from switch.backup.copying import Source
from switch.cluster.log import HEADER, ROW_SIZE, Sealed, sealed
from switch.cluster.postgres import PostgresLog
from tools.cluster.payers import BATCH, ID_SIZE, Batch
from tools.cluster.settings import LOG_ROLE
from tools.cluster.switches import NUMBERS, Switches

Answered = tuple[int, bytes]
"""The row that an answer named, and the payment's id."""


def chunks_of(directory: Path) -> dict[int, bytes]:
    """A hash of each chunk of a journal, by its first entry."""
    journal = Source(directory)
    try:
        return {
            int.from_bytes(key, "big"): hashlib.sha256(chunk).digest()
            for batch in journal.batches(journal.last())
            for key, chunk in batch
        }
    finally:
        journal.close()


def chunks_in_log(dsn: str) -> Iterator[Sealed]:
    """All chunks of the log, in order."""
    log = PostgresLog(dsn, "proof")
    log.reconnect()
    try:
        after = 0
        while chunks := log.read(after).chunks:
            for chunk in map(sealed, chunks):
                yield chunk
                after = chunk.last
    finally:
        log.close()


def in_order(answered: Sequence[Batch]) -> list[Answered]:
    """All answers by the row that they named."""
    return sorted(
        (batch.answers[3 * at + 1], batch.ids[ID_SIZE * at :][:ID_SIZE])
        for batch in answered
        for at in range(BATCH)
    )


class Held:
    """Holds answers, in order, against chunks, in order."""

    def __init__(self, answers: Sequence[Answered]) -> None:
        """No chunk was seen yet."""
        self._answers = answers
        self._at = 0
        self._last = 0
        self.wrong: list[str] = []

    def see(self, chunk: Sealed) -> None:
        """The next chunk."""
        if chunk.first != self._last + 1:
            self.wrong.append(f"the log has a gap before entry {chunk.first}")
        self._last = chunk.last
        before = 0
        while self._at < len(self._answers):
            sequence, own = self._answers[self._at]
            if sequence > chunk.last:
                return
            start = HEADER.size + (sequence - chunk.first) * ROW_SIZE
            found = chunk.data[start : start + ID_SIZE]
            if sequence < chunk.first or sequence == before or found != own:
                self.wrong.append(
                    f"{own.hex()} was answered with entry {sequence}, which is not its"
                )
            before = sequence
            self._at += 1

    def end(self) -> list[str]:
        """What was wrong, once there are no more chunks."""
        lost = len(self._answers) - self._at
        if lost:
            self.wrong.append(f"{lost} answers name entries behind the log's last")
        return self.wrong[:20]


def compare(switches: Switches, answered: Sequence[Batch]) -> list[str]:
    """How answers, the journals of both, which have ended, and the log differ."""
    held = Held(in_order(answered))
    log = {}
    for chunk in chunks_in_log(switches.stand.plan.dsn(LOG_ROLE)):
        log[chunk.first] = hashlib.sha256(chunk.data).digest()
        held.see(chunk)
    wrong = held.end()
    for number in NUMBERS:
        own = chunks_of(switches.ledger(number))
        if own != log:
            apart = sorted(
                first
                for first in own.keys() | log.keys()
                if own.get(first) != log.get(first)
            )
            wrong.append(
                f"switch{number} and the log differ in {len(apart)} of {len(log)} "
                f"chunks, first at entry {apart[0]}"
            )
    return wrong


def audits(switches: Switches) -> tuple[list[str], Any]:
    """What both audits find wrong, and the state's hash. The switches have ended."""
    wrong = []
    hashes = {}
    for number in NUMBERS:
        said = switches.audit(number)
        hashes[number] = said.get("state_hash")
        if said.get("audit") != "ok":
            wrong.append(f"audit of switch{number}: {said}"[:600])
    if len(set(hashes.values())) != 1:
        wrong.append(f"state hashes differ: {hashes}")
    return wrong, hashes[NUMBERS[0]]


def prove(switches: Switches, answered: Sequence[Batch]) -> dict[str, Any]:
    """Both audits and the comparison. The switches have ended."""
    wrong = compare(switches, answered)
    found, state_hash = audits(switches)
    return {"wrong": wrong + found, "state_hash": state_hash}
