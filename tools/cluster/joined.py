"""What must hold of two switches whose log began where a ledger stood: their journals
are the same, and the log's from its beginning on; audits find nothing.
"""

import hashlib
from typing import Any

from tools.cluster.proof import audits, chunks_in_log, chunks_of
from tools.cluster.settings import LOG_ROLE
from tools.cluster.switches import NUMBERS, Switches


def prove_joined(switches: Switches) -> dict[str, Any]:
    """What is wrong, and the state's hash. The switches have ended."""
    log = {
        chunk.first: hashlib.sha256(chunk.data).digest()
        for chunk in chunks_in_log(switches.stand.plan.dsn(LOG_ROLE))
    }
    begins = min(log, default=0)
    journals = {number: chunks_of(switches.ledger(number)) for number in NUMBERS}
    wrong = [] if begins else ["the log is empty"]
    for number, own in journals.items():
        if {first: of for first, of in own.items() if first >= begins} != log:
            wrong.append(f"the journal of switch{number} is not the log's")
        if own != journals[NUMBERS[0]]:
            wrong.append(f"the journal of switch{number} is not the first one's")
    found, state_hash = audits(switches)
    return {"wrong": wrong + found, "state_hash": state_hash}
