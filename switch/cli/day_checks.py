"""What can be asked at a day's end: a part of `payswitch close-day`.

Over the wire, and the auditor as a process of its own.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from switch.client import Client
from switch.client.banks import Banks
from switch.money import format_amount
from switch.programs import program, tethered

AUDIT_S: Final = 3_600
"""Seconds that an audit may take."""


class Check(NamedTuple):
    """One question, and its answer."""

    name: str
    ok: bool
    """If not, it stands in the way of a closed day."""
    text: str


def checks(client: Client) -> Iterator[Check]:
    """What the switch is asked. Raises what the client raises."""
    accounts, sequence = client.accounts()
    debits = sum(one.debits_posted for one in accounts)
    credits_ = sum(one.credits_posted for one in accounts)
    yield Check(
        "books",
        debits == credits_,
        f"{len(accounts)} accounts at entry {sequence}: debits "
        f"{format_amount(debits)}, credits {format_amount(credits_)}",
    )
    banks = client.bank_accounts()
    if banks.accounts:
        yield _lines(banks)
        yield _open(banks)


def _lines(banks: Banks) -> Check:
    """Banks that contradict themselves: people must ask them."""
    twice = sum(one.contradictions_count for one in banks.accounts)
    less = [one.number for one in banks.accounts if one.unlisted < 0]
    text = f"{len(banks.accounts)} accounts, {twice} lines told twice with two amounts"
    if less:
        text += f"; less than its statements list: {', '.join(less)}"
    return Check("banks", not twice and not less, text)


def _open(banks: Banks) -> Check:
    """What waits for a bank, or for people. It is told, and stops nothing."""
    on_its_way = sum(one.transit for one in banks.accounts)
    aside = sum(one.suspense for one in banks.accounts)
    items = sum(one.credits_count + one.debits_count for one in banks.accounts)
    releases = sum(one.releases_count for one in banks.accounts)
    text = (
        f"{items} lines that nobody has explained, {format_amount(aside)} of credits; "
        f"{releases} releases on their way, {format_amount(on_its_way)}"
    )
    return Check("open", ok=True, text=text)


def audit_check(ledger: Path) -> Check:
    """The independent auditor's answer about a ledger that lies here."""
    command = tethered(program("switch.audit", str(ledger), "--json"))
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=AUDIT_S,
        check=False,
    )
    try:
        answer = json.loads(done.stdout.strip().rpartition("\n")[2])
    except ValueError:
        answer = {}
    ok = done.returncode == 0 and answer.get("audit") == "ok"
    text = f"{answer.get('rows', 0)} rows read again"
    if not ok:
        findings = [
            f"{one['check']}: {one['text']}" for one in answer.get("findings", ())
        ]
        text = "; ".join(findings[:3]) or done.stderr.strip()[-500:]
    return Check("audit", ok, text)
