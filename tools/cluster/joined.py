"""What must hold of two switches whose log began where a ledger stood: their journals
are the same, and the log's from its beginning on; audits find nothing.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from switch.backup.copying import Source
from switch.cluster.log import sealed
from switch.cluster.postgres import PostgresLog
from tools.cluster.settings import LOG_ROLE
from tools.cluster.switches import NUMBERS, Switches

Chunks = dict[int, bytes]
"""A hash of each, by its first entry."""


def prove_joined(switches: Switches) -> dict[str, Any]:
    """What is wrong, and the state's hash. The switches have ended."""
    log = dict(_in_log(switches.stand.plan.dsn(LOG_ROLE)))
    begins = min(log, default=0)
    journals = {number: dict(_of(switches.ledger(number))) for number in NUMBERS}
    wrong = []
    for number, own in journals.items():
        if not begins:
            wrong.append("the log is empty")
        if {first: of for first, of in own.items() if first >= begins} != log:
            wrong.append(f"the journal of switch{number} is not the log's")
        if own != journals[NUMBERS[0]]:
            wrong.append(f"the journal of switch{number} is not the first one's")
    hashes = set()
    for number in NUMBERS:
        said = switches.audit(number)
        hashes.add(said.get("state_hash"))
        if said.get("audit") != "ok":
            wrong.append(f"audit of switch{number}: {said}"[:600])
    if len(hashes) != 1:
        wrong.append(f"state hashes differ: {hashes}")
    return {"wrong": wrong, "state_hash": hashes.pop()}


def _of(directory: Path) -> Iterator[tuple[int, bytes]]:
    journal = Source(directory)
    try:
        for batch in journal.batches(journal.last()):
            for key, chunk in batch:
                yield int.from_bytes(key, "big"), hashlib.sha256(chunk).digest()
    finally:
        journal.close()


def _in_log(dsn: str) -> Iterator[tuple[int, bytes]]:
    log = PostgresLog(dsn, "proof")
    log.reconnect()
    try:
        after = 0
        while chunks := log.read(after).chunks:
            for chunk in map(sealed, chunks):
                yield chunk.first, hashlib.sha256(chunk.data).digest()
                after = chunk.last
    finally:
        log.close()
