"""A small writer of chunks that no ledger made, and what must be true of its log after.

Speaks SQL through psql, so that it shares nothing with the switch but how a chunk in
doubt is settled (`switch/cluster/replicator.py`).
"""

import os
import select
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path
from typing import IO, Self

from switch.cluster.log import (
    CHUNK_MAGIC,
    HEADER,
    LOG_DONE,
    LOG_UNKNOWN,
    ROW_SIZE,
    DoubtError,
    Head,
    Part,
    Sealed,
    sealed,
)
from switch.cluster.replicator import Replicator
from tools.cluster.settings import LOG_ROLE, OWNER
from tools.cluster.stand import Stand, StandError

ANSWER_S = 4.0
PATIENCE_S = 150.0
"""Longer than any fault of a drill lasts."""
_END = "--end--"
SCHEMA = """
CREATE SCHEMA drill;
CREATE TABLE drill.head (ledger int PRIMARY KEY, sequence int8, chain int8, epoch int8)
    WITH (fillfactor = 20);
CREATE TABLE drill.chunks (first int8 PRIMARY KEY, last int8, epoch int8, chain int8,
    chunk bytea STORAGE EXTERNAL);
INSERT INTO drill.head VALUES (1, 0, 0, 1);
GRANT USAGE ON SCHEMA drill TO {role};
GRANT SELECT, UPDATE ON drill.head TO {role};
GRANT SELECT, INSERT ON drill.chunks TO {role};
"""
_QUORUM = (
    "current_setting('synchronous_standby_names') <> '' "
    "AND current_setting('synchronous_commit') = 'on'"
)


def make_schema(stand: Stand) -> None:
    """The tables of the drill, at their beginning."""
    for part in SCHEMA.format(role=LOG_ROLE).split(";\n"):
        if part.strip():
            stand.sql(part, role=OWNER, database="payswitch", timeout_s=30.0)


def chunk(sequence: int, previous: int, epoch: int) -> bytes:
    """A chunk of one row that says its own number; of no ledger."""
    row = struct.pack("<QQ", sequence, time.time_ns()).ljust(ROW_SIZE, b"\0")
    check = zlib.crc32(row, previous)
    header = HEADER.pack(
        *(CHUNK_MAGIC, 0, 0, 1, 0, sequence, b"\0" * 16, epoch, sequence),
        *(previous, check),
    )
    return header + row


class PsqlLog:
    """The log of the drill, one psql at a time."""

    def __init__(self, psql: Path, dsn: str) -> None:
        self._command = [str(psql), dsn, "-XAtq", "-v", "ON_ERROR_STOP=1"]
        self._psql: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """Let go of the connection without a word to the server."""
        if self._psql is not None:
            self._psql.kill()
            self._psql.communicate()
            self._psql = None

    def reconnect(self) -> None:
        """A new connection with the node that is written to."""
        self.close()
        self._psql = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._ask("SELECT 1")

    def append(self, chunk: Sealed) -> None:
        """The plan's statement."""
        answer = self._ask(
            f"WITH h AS (UPDATE drill.head SET sequence = {chunk.last}, "
            f"chain = {chunk.check} WHERE ledger = 1 AND sequence = {chunk.first - 1} "
            f"AND chain = {chunk.previous} AND epoch = {chunk.epoch} RETURNING 1) "
            f"INSERT INTO drill.chunks SELECT {chunk.first}, {chunk.last}, "
            f"{chunk.epoch}, {chunk.check}, '\\x{chunk.data.hex()}' FROM h "
            f"RETURNING {_QUORUM}"
        )
        if answer != "t":
            raise DoubtError("settings" if answer == "f" else "no row")

    def head(self) -> Head:
        """The head's row."""
        answer = self._ask("SELECT sequence, chain, epoch FROM drill.head")
        sequence, chain, epoch = (int(one) for one in answer.split("|"))
        return Head(b"", sequence, chain, epoch, "", "")

    def chunk_at(self, first: int) -> tuple[int, int] | None:
        """Epoch and check of the chunk that begins there."""
        answer = self._ask(
            f"SELECT epoch, chain FROM drill.chunks WHERE first = {first}"
        )
        if not answer:
            return None
        epoch, check = answer.split("|")
        return int(epoch), int(check)

    def barrier(self) -> None:
        """One more commit on a quorum."""
        answer = self._ask(
            f"UPDATE drill.head SET ledger = 1 WHERE ledger = 1 RETURNING {_QUORUM}"
        )
        if answer != "t":
            raise DoubtError("settings")

    def take_over(
        self, at: Head, name: str, address: str, keys: str = ""
    ) -> int | None:
        """The plan's statement."""
        answer = self._ask(
            "UPDATE drill.head SET epoch = epoch + 1 WHERE ledger = 1 "
            f"AND sequence = {at.sequence} AND chain = {at.chain} "
            f"AND epoch = {at.epoch} RETURNING epoch"
        )
        return int(answer) if answer else None

    def read(self, after: int, most_bytes: int = 0, most_chunks: int = 64) -> Part:
        """A writer follows nobody."""
        raise NotImplementedError

    def _ask(self, statement: str) -> str:
        """One statement; anything but a clean answer is doubt."""
        if self._psql is None:
            raise DoubtError("lost")
        to, answers = self._psql.stdin, self._psql.stdout
        assert to is not None
        assert answers is not None
        try:
            to.write(f"{statement};\n\\echo {_END}\n".encode())
            to.flush()
        except OSError:
            raise DoubtError("lost") from None
        text = _read_until_end(answers)
        if "WARNING:" in text or "NOTICE:" in text:
            raise DoubtError("notice", text)
        if "ERROR:" in text or "FATAL:" in text:
            raise DoubtError("error", text)
        return text


def _read_until_end(answers: IO[bytes]) -> str:
    found = b""
    end_s = time.monotonic() + ANSWER_S
    while not found.endswith(f"{_END}\n".encode()):
        left_s = end_s - time.monotonic()
        if left_s <= 0 or not select.select([answers], [], [], left_s)[0]:
            raise DoubtError("timeout")
        more = os.read(answers.fileno(), 1 << 16)
        if not more:
            raise DoubtError("lost", found.decode(errors="replace").strip())
        found += more
    return found.decode()[: -len(_END) - 1].strip()


class Writer:
    """Appends one chunk after the other until it is told to end."""

    def __init__(self, stand: Stand) -> None:
        dsn = stand.plan.dsn(LOG_ROLE)
        self._log = PsqlLog(stand.plan.postgres_bin / "psql", dsn)
        self._stopping = threading.Event()
        self.answered: list[tuple[int, int]] = []
        """(sequence, check) of what was done."""
        self.silences: list[float] = []
        """Seconds between two answers, of those over a tenth."""
        self.why = ""
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join()

    def wait_more(self, timeout_s: float, more: int = 20) -> bool:
        """Wait for so many more answers; whether they came."""
        end_s, wanted = time.monotonic() + timeout_s, len(self.answered) + more
        while len(self.answered) < wanted and time.monotonic() < end_s:
            if not self._thread.is_alive():
                raise StandError(f"the writer has ended: {self.why}")
            time.sleep(0.02)
        return len(self.answered) >= wanted

    def _run(self) -> None:
        try:
            self._write()
        except DoubtError as doubt:
            self.why = str(doubt)
        finally:
            self._log.close()

    def _write(self) -> None:
        head = self._begin()
        self.replicator = Replicator(
            self._log,
            head.epoch,
            patience_s=PATIENCE_S,
            stopping=self._stopping.is_set,
        )
        sequence, chain = head.sequence, head.chain
        last_s = time.monotonic()
        while not self._stopping.is_set():
            data = chunk(sequence + 1, chain, head.epoch)
            done = self.replicator.append(data)
            now_s = time.monotonic()
            if done != LOG_DONE:
                self.why = "unknown" if done == LOG_UNKNOWN else "fenced"
                return
            sequence, chain = sequence + 1, sealed(data).check
            self.answered.append((sequence, chain))
            if now_s - last_s > 0.1:
                self.silences.append(now_s - last_s)
            last_s = now_s

    def _begin(self) -> Head:
        """Take over, so that an earlier writer's last chunk is settled."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._log.reconnect()
                head = self._log.head()
                epoch = self._log.take_over(head, "", "")
            except DoubtError:
                if time.monotonic() > end_s or self._stopping.is_set():
                    raise
                time.sleep(0.3)
                continue
            if epoch is not None:
                return head._replace(epoch=epoch)


def differences(
    stand: Stand, answered: list[tuple[int, int]], *, nodes: bool = True
) -> list[str]:
    """What is wrong with the log: answers that it lacks, gaps, nodes that differ."""
    rows = stand.sql(
        "SELECT first, last, chain, chunk = '' FROM drill.chunks ORDER BY first",
        node=stand.leader(),
        database="payswitch",
        timeout_s=60.0,
    ).splitlines()
    found = {int(first): int(chain) for first, _, chain, _ in map(_parts, rows)}
    wrong = [
        f"answered {sequence} is not in the log"
        for sequence, check in answered
        if found.get(sequence) != check
    ]
    if sorted(found) != list(range(1, len(found) + 1)):
        wrong.append("the log has a gap")
    if not nodes:
        return wrong
    sums = {
        stand.sql(
            "SELECT count(*), max(last), sum(chain) FROM drill.chunks",
            node=number,
            database="payswitch",
            timeout_s=60.0,
        )
        for number in (1, 2, 3)
    }
    if len(sums) != 1:
        wrong.append(f"nodes differ: {sums}")
    return wrong


def _parts(row: str) -> tuple[str, ...]:
    return tuple(row.split("|"))
