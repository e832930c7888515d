"""What must hold in the end: journals and log are the same, audits find nothing."""

import hashlib
from pathlib import Path
from typing import Any

from switch.backup.copying import Source
from switch.cluster.postgres import PostgresLog
from tools.cluster.settings import LOG_ROLE
from tools.cluster.switches import NUMBERS, Switches


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
        journal.env.close()


def chunks_in_log(dsn: str) -> dict[int, bytes]:
    """The same of the log."""
    log = PostgresLog(dsn, "proof")
    log.reconnect()
    found: dict[int, bytes] = {}
    after = 0
    while chunks := log.read(after).chunks:
        for chunk in chunks:
            first = int.from_bytes(chunk[16:24], "little")
            found[first] = hashlib.sha256(chunk).digest()
            after = first
    log.close()
    return found


def compare(switches: Switches) -> list[str]:
    """How the journals of both, which have ended, and the log differ."""
    log = chunks_in_log(switches.stand.plan.dsn(LOG_ROLE))
    wrong = []
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


def prove(switches: Switches) -> dict[str, Any]:
    """Both audits and the comparison. The switches have ended."""
    wrong = compare(switches)
    hashes = {}
    for number in NUMBERS:
        said = switches.audit(number)
        hashes[number] = said.get("state_hash")
        if said.get("audit") != "ok":
            wrong.append(f"audit of switch{number}: {said}"[:600])
    if len(set(hashes.values())) != 1:
        wrong.append(f"state hashes differ: {hashes}")
    return {"wrong": wrong, "state_hash": hashes[NUMBERS[0]]}
