"""Proves a replayed day from the outside: what was sent against what the switch says.

May use the client's messages, the script and what was sent. Knows nothing of how the
switch works; the auditor, in its own process, looks at the inside.
"""

import hashlib
import json
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from switch.client import balance_of
from switch.codes import Result
from switch.day_replay import Replayed, Sent, is_repeat, result_of
from switch.day_script import Script
from switch.identity import Credentials
from switch.sample import load_sample
from switch.specs import TREASURY
from switch.v1 import admin_pb2, types_pb2

AUDIT_TIMEOUT_S = 600.0
_FLOAT = admin_pb2.ACCOUNT_KIND_FLOAT
_WALLET = admin_pb2.ACCOUNT_KIND_WALLET
_BILLER = admin_pb2.ACCOUNT_KIND_BILLER


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that must hold, and whether it does."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Books:
    """Every account at one durable sequence."""

    accounts: Sequence[admin_pb2.Account]
    sequence: int

    def balances(self, kind: admin_pb2.AccountKind.ValueType) -> dict[str, int]:
        """Owner → paise over its accounts of this kind, credits less debits."""
        found: dict[str, int] = defaultdict(int)
        for one in self.accounts:
            if one.kind == kind:
                found[one.participant] += balance_of(one)
        return found

    @property
    def topped_up(self) -> int:
        """Paise that ever came in: the debit balance of the bank float."""
        return -self.balances(_FLOAT)[TREASURY]

    @property
    def held(self) -> int:
        """Paise in all accounts but the float; holds are still in their wallets."""
        return sum(balance_of(one) for one in self.accounts if one.kind != _FLOAT)

    def state_hash(self) -> bytes:
        """As the data model defines it, from what the switch lists."""
        digest = hashlib.blake2b(digest_size=32)
        for one in self.accounts:
            digest.update(
                struct.pack(
                    "<4Q",
                    one.debits_pending,
                    one.debits_posted,
                    one.credits_pending,
                    one.credits_posted,
                )
            )
        return digest.digest()


@dataclass(slots=True)
class Tally:
    """What came of one department's payments."""

    payments: int = 0
    amount: int = 0
    refused: Counter[Result] = field(default_factory=Counter)


def tallies(sent: Iterable[Sent]) -> dict[str, Tally]:
    """Department (English) → its tally; a service that is not there has none."""
    departments = {one.code: one.department_en for one in load_sample().services}
    found: dict[str, Tally] = defaultdict(Tally)
    for one in sent:
        tally = found[departments.get(one.step.service, "")]
        result = result_of(one)
        if result is Result.OK:
            tally.payments += 1
            tally.amount += one.step.amount
        else:
            tally.refused[result] += 1
    return found


# --- the proofs -----------------------------------------------------------------------


def prove_results(replayed: Replayed) -> Proof:
    """Each payment got the result that its step must get."""
    wrong = [one for one in replayed.sent if result_of(one) is not one.step.expected]
    detail = f"{len(replayed.sent)} payments and slips"
    if wrong:
        first = wrong[0]
        detail = (
            f"{len(wrong)} differ, the first {first.step.service} "
            f"{first.step.reference}: {result_of(first).name}, "
            f"not {first.step.expected.name}"
        )
    return Proof("every result is the one planned", not wrong, detail)


def prove_repeats(replayed: Replayed) -> Proof:
    """Each lost reply came again as a repeat of the same answer."""
    lost = [one for one in replayed.sent if one.step.is_lost]
    same = sum(1 for one in lost if is_repeat(one))
    return Proof(
        "every lost reply came again, the same, and nothing was done twice",
        same == len(lost),
        f"{same} of {len(lost)}",
    )


def prove_money(before: Books, after: Books, topped_up: int) -> Proof:
    """What is in the accounts is what was topped up, to the paisa."""
    pending = [sum(one.debits_pending for one in after.accounts)]
    pending += [sum(one.credits_pending for one in after.accounts)]
    ok = (
        after.held == after.topped_up
        and after.topped_up - before.topped_up == topped_up
        and pending[0] == pending[1]
    )
    return Proof(
        "wallets, billers, suspense and settlement hold what was topped up",
        ok,
        f"{after.held} paise held, {after.topped_up} topped up",
    )


def prove_wallets(before: Books, after: Books, script: Script, sent: Replayed) -> Proof:
    """Each wallet changed by its top-up less what it paid."""
    change = Counter(script.top_ups)
    for one in sent.sent:
        if result_of(one) is Result.OK:
            change[one.step.centre] -= one.step.amount
    return _prove_balances(
        "every wallet changed by its top-up less its payments",
        before.balances(_WALLET),
        after.balances(_WALLET),
        change,
    )


def prove_billers(before: Books, after: Books, sent: Replayed) -> Proof:
    """Each biller got exactly what was paid to it."""
    return _prove_balances(
        "every biller got what was paid to it",
        before.balances(_BILLER),
        after.balances(_BILLER),
        paid_by_biller(sent),
    )


def _prove_balances(
    name: str, before: dict[str, int], after: dict[str, int], change: Counter[str]
) -> Proof:
    wrong = [
        owner
        for owner in sorted({*before, *after, *change})
        if after.get(owner, 0) - before.get(owner, 0) != change[owner]
    ]
    detail = f"{len(after)} accounts' owners"
    if wrong:
        detail = f"{len(wrong)} differ, such as {', '.join(wrong[:5])}"
    return Proof(name, not wrong, detail)


def paid_by_biller(sent: Replayed) -> Counter[str]:
    """Biller's participant id → paise of accepted payments."""
    network = load_sample()
    ids = {one.code: one.id for one in network.billers}
    billers = {one.code: ids[one.biller] for one in network.services}
    paid = Counter(dict.fromkeys(ids.values(), 0))
    for one in sent.sent:
        if result_of(one) is Result.OK:
            paid[billers[one.step.service]] += one.step.amount
    return paid


def prove_feed(
    biller: str, sent: Replayed, entries: Sequence[types_pb2.Entry]
) -> Proof:
    """A biller's feed has its accepted payments, each once and in order."""
    network = load_sample()
    codes = {one.code for one in network.billers if one.id == biller}
    services = {one.code for one in network.services if one.biller in codes}
    paid = [
        (one.outcome.sequence, one.payment.id, one.step.amount, one.step.reference)
        for one in sent.sent
        if one.outcome is not None
        and result_of(one) is Result.OK
        and one.step.service in services
    ]
    fed = [(one.sequence, one.id, one.amount, one.reference) for one in entries]
    return Proof(
        f"the feed of {biller} has every payment once, in the ledger's order",
        fed == sorted(paid),
        f"{len(fed)} of {len(paid)} entries",
    )


def prove_window(window: admin_pb2.CloseWindowResponse, sent: Replayed) -> Proof:
    """The day's settlement window lists what was paid to each biller."""
    ok = window.outcome.result == Result.OK.value
    listed: Counter[str] = Counter()
    for line in window.lines:
        listed[line.biller] += line.credits
        ok &= line.debits == 0
    paid = +paid_by_biller(sent)
    return Proof(
        "the settlement window lists what each biller got",
        ok and +listed == paid,
        f"{len(window.lines)} lines, {sum(listed.values())} paise",
    )


def prove_state(after: Books, ledger: admin_pb2.GetLedgerResponse) -> Proof:
    """The state hash that the switch gives is that of the accounts it lists."""
    ok = ledger.sequence == after.sequence and ledger.state_hash == after.state_hash()
    return Proof(
        "the state hash is that of the accounts listed", ok, ledger.state_hash.hex()
    )


def audit(
    directory: Path, address: str, auditor: Credentials
) -> tuple[Proof, dict[str, Any]]:
    """Run the auditor in a process of its own beside the live server.

    Returns its proof and its whole answer, empty if it gave none.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "switch.audit", str(directory), "--json"),
            *("--live", address, "--ca", str(auditor.authority)),
            *("--cert", str(auditor.certificate), "--key", str(auditor.key)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=AUDIT_TIMEOUT_S,
        check=False,
    )
    try:
        answer = json.loads(done.stdout.strip().rpartition("\n")[2])
    except ValueError:
        answer = {}
    ok = done.returncode == 0 and answer.get("audit") == "ok"
    detail = f"{answer.get('rows', 0)} rows read again"
    if not ok:
        findings = [
            f"{one['check']}: {one['text']}" for one in answer.get("findings", ())
        ]
        detail = "; ".join(findings[:3]) or done.stderr.strip()[-500:]
    return Proof("the independent auditor finds nothing", ok, detail), answer
