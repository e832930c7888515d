"""Proves a replayed day from the outside: what was sent against what the switch says,
and against what the billers say that they credited.

May use the client's messages, the script, what was sent and its fates. Knows nothing of
how the switch works; the auditor, in its own process, looks at the inside.
"""

import hashlib
import json
import struct
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from switch.client import balance_of
from switch.codes import Result
from switch.credentials import Credentials
from switch.day.fates import Fates, State, completed, count_states
from switch.day.replay import Replayed
from switch.day.sending import Sent, is_repeat, result_of
from switch.day.speed import STATUS_CALLS_MAX, STATUS_PER_MINUTE_MAX
from switch.programs import program
from switch.sample import load_sample
from switch.specs import TREASURY
from switch.v1 import admin_pb2, types_pb2

AUDIT_TIMEOUT_S = 600.0
Key = tuple[str, str, int]
"""A step's: what it pays."""
_FLOAT = admin_pb2.ACCOUNT_KIND_FLOAT
_BANK = admin_pb2.ACCOUNT_KIND_BANK
_WALLET = admin_pb2.ACCOUNT_KIND_WALLET
_BILLER = admin_pb2.ACCOUNT_KIND_BILLER
NOTHING: Mapping[str, int] = MappingProxyType({})
_SETTLEMENT = admin_pb2.ACCOUNT_KIND_SETTLEMENT


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

    def available(self, centre: str) -> int:
        """Paise that a centre's wallet can pay."""
        return sum(
            max(balance_of(account) - account.debits_pending, 0)
            for account in self.accounts
            if account.kind == _WALLET and account.participant == centre
        )

    @property
    def topped_up(self) -> int:
        """Paise that ever came in by hand: the debit balance of the bank float."""
        return -self.balances(_FLOAT).get(TREASURY, 0)

    @property
    def banked(self) -> int:
        """Paise that banks have, as far as they have told."""
        return -sum(self.balances(_BANK).values())

    @property
    def held(self) -> int:
        """Paise in all other accounts; holds are still in their wallets."""
        outside = _FLOAT, _BANK
        return sum(balance_of(one) for one in self.accounts if one.kind not in outside)

    @property
    def settlement(self) -> int:
        """Paise that were settled."""
        return self.balances(_SETTLEMENT).get(TREASURY, 0)

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

    states: Counter[State] = field(default_factory=Counter)
    amount: int = 0
    """Paise of the completed ones."""
    refused: Counter[Result] = field(default_factory=Counter)


def tallies(sent: Iterable[Sent], fates: Fates) -> dict[str, Tally]:
    """Department (English) → its tally; a service that is not there has none."""
    departments = {one.code: one.department_en for one in load_sample().services}
    found: dict[str, Tally] = defaultdict(Tally)
    for one in sent:
        tally = found[departments.get(one.step.service, "")]
        result = result_of(one)
        if result is not Result.OK:
            tally.refused[result] += 1
            continue
        fate = fates[one.payment.id]
        tally.states[fate.state] += 1
        tally.amount += fate.paid
    return found


# --- what was answered --------------------------------------------------------------


def prove_results(replayed: Replayed, fates: Fates) -> Proof:
    """Each payment got the result that its step must get."""
    by_bill: dict[Key, list[Sent]] = defaultdict(list)
    for one in replayed.sent:
        by_bill[one.step.key].append(one)
    wrong = [
        one
        for one in replayed.sent
        if result_of(one) not in (one.step.expected, *one.step.others)
        and not (one.step.is_again and _may_be_paid_again(one, by_bill, fates))
    ]
    detail = f"{len(replayed.sent)} payments and slips"
    if wrong:
        first = wrong[0]
        detail = (
            f"{len(wrong)} differ, the first {first.step.service} "
            f"{first.step.reference}: {result_of(first).name}, "
            f"not {first.step.expected.name}"
        )
    return Proof("every result is the one planned", not wrong, detail)


def _may_be_paid_again(
    one: Sent, by_bill: Mapping[Key, Sequence[Sent]], fates: Fates
) -> bool:
    """Whether every earlier payment of its bill was given back before this one, and
    by then its biller had said that it has not credited it.
    """
    if result_of(one) is not Result.OK:
        return False
    mine = fates[one.payment.id].hold.sequence
    for other in by_bill[one.step.key]:
        fate = fates.get(other.payment.id)
        if other is one or fate is None or fate.hold.sequence > mine:
            continue
        if not 0 < fate.ended < mine:
            return False
    return True


def prove_repeats(replayed: Replayed) -> Proof:
    """Each lost reply came again as a repeat of the same answer."""
    # What left no entry is decided anew.
    lost = [one for one in replayed.sent if one.lost is not None and one.lost.sequence]
    same = sum(1 for one in lost if is_repeat(one))
    return Proof(
        "every lost reply came again, the same, and nothing was done twice",
        same == len(lost),
        f"{same} of {len(lost)}",
    )


def prove_fates(replayed: Replayed, fates: Fates, open_max: int = 0) -> Proof:
    """Each accepted payment has one fate, no other has any, and few are open or in
    doubt.
    """
    accepted = {one.payment.id for one in replayed.sent if result_of(one) is Result.OK}
    states = count_states(fates)
    unverified = sum(
        fate.state is State.EXPIRED and not fate.verified for fate in fates.values()
    )
    ok = accepted == fates.keys() and states[State.OPEN] + unverified <= open_max
    detail = ", ".join(f"{states[one]} {one.value}" for one in State)
    detail += f", {unverified} of them unverified" if unverified else ""
    return Proof("every accepted payment came to one end", ok, detail)


# --- money --------------------------------------------------------------------------


def prove_money(before: Books, after: Books, topped_up: int) -> Proof:
    """What is in the accounts is what banks have and what was topped up by hand, of
    which `topped_up` came today, to the paisa.
    """
    pending = [sum(one.debits_pending for one in after.accounts)]
    pending += [sum(one.credits_pending for one in after.accounts)]
    ok = (
        after.held == after.topped_up + after.banked
        and after.topped_up - before.topped_up == topped_up
        and pending[0] == pending[1]
    )
    return Proof(
        "wallets, billers, suspense, transit and settlement hold what the bank has",
        ok,
        f"{after.held} paise held, {after.banked} at the bank, {after.topped_up} "
        "topped up by hand",
    )


def prove_wallets(
    before: Books, after: Books, top_ups: Mapping[str, int], fates: Fates
) -> Proof:
    """Each wallet changed by its top-up less what it paid; `top_ups` are by centre."""
    change = Counter(top_ups)
    for fate in completed(fates):
        change[fate.hold.centre] -= fate.paid
    return _prove_balances(
        "every wallet changed by its top-up less its payments",
        before.balances(_WALLET),
        after.balances(_WALLET),
        change,
    )


def prove_billers(
    before: Books, after: Books, fates: Fates, settled: Mapping[str, int] = NOTHING
) -> Proof:
    """Each biller got exactly what was paid to it; `settled` of it has gone on."""
    change = paid_by_biller(fates)
    change.subtract(Counter(settled))
    return _prove_balances(
        "every biller got what was paid to it",
        before.balances(_BILLER),
        after.balances(_BILLER),
        change,
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


def paid_by_biller(fates: Fates) -> Counter[str]:
    """Biller's participant id → paise of completed payments."""
    paid = Counter({one.id: 0 for one in load_sample().billers})
    for fate in completed(fates):
        paid[fate.hold.biller] += fate.paid
    return paid


def prove_feed(
    biller: str, replayed: Replayed, fates: Fates, entries: Sequence[types_pb2.Entry]
) -> Proof:
    """A biller's feed has its payments and their ends, each once and in order."""
    network = load_sample()
    codes = {one.code for one in network.billers if one.id == biller}
    services = {one.code for one in network.services if one.biller in codes}
    wanted: list[tuple[int, bytes, int, str]] = []
    for one in replayed.sent:
        if one.step.service not in services or result_of(one) is not Result.OK:
            continue
        assert one.outcome is not None
        fate = fates[one.payment.id]
        paid = one.step.amount, one.row_reference
        wanted.append((one.outcome.sequence, one.payment.id, *paid))
        for later in fate.later:
            # People may have paid what the biller has credited instead.
            amount = fate.paid if later is fate.payment else one.step.amount
            wanted.append((later.sequence, later.id, amount, one.row_reference))
    fed = [
        (one.sequence, one.id, one.amount, one.reference)
        for one in entries
        if one.kind != types_pb2.ENTRY_KIND_SETTLE
    ]
    return Proof(
        f"the feed of {biller} has every payment and its end once, in order",
        fed == sorted(wanted),
        f"{len(fed)} of {len(wanted)} entries",
    )


def prove_receipts(fates: Fates, day: int) -> Proof:
    """Each centre's receipts of the day have no gap and no double."""
    by_centre: dict[str, list[int]] = defaultdict(list)
    for fate in completed(fates):
        assert fate.payment is not None
        # What people corrected is in the wallet's statement, without a receipt.
        if fate.correction is None:
            by_centre[fate.hold.centre].append(fate.payment.receipt)
    wrong = []
    for centre, receipts in by_centre.items():
        first = 1 if day == 1 else min(receipts)
        if sorted(receipts) != list(range(first, first + len(receipts))):
            wrong.append(centre)
    detail = f"{sum(map(len, by_centre.values()))} of {len(by_centre)} centres"
    if wrong:
        detail = f"{len(wrong)} centres differ, such as {', '.join(wrong[:5])}"
    return Proof("receipts run without a gap in every centre", not wrong, detail)


def prove_window(window: admin_pb2.CloseWindowResponse, fates: Fates) -> Proof:
    """The day's settlement window lists what was paid to each biller."""
    ok = window.outcome.result == Result.OK.value
    listed: Counter[str] = Counter()
    for line in window.lines:
        listed[line.biller] += line.credits
        ok &= line.debits == 0
    paid = +paid_by_biller(fates)
    return Proof(
        "the settlement window lists what each biller got",
        ok and +listed == paid,
        f"{len(window.lines)} lines, {sum(listed.values())} paise",
    )


# --- the billers --------------------------------------------------------------------


def prove_budget(billers: Mapping[str, Mapping[str, int]], late_max: int) -> Proof:
    """No biller was asked for status more often than its budget allows.

    `late_max` is how often a payment may be asked about after its deadline.
    """
    most, late, minute = (
        max((one[f"status_{what}_most"] for one in billers.values()), default=0)
        for what in ("of_payment", "after_deadline", "of_minute")
    )
    return Proof(
        "status questions stay within the budget",
        # One goes out whatever the schedule: when it is final what was not seen.
        most <= STATUS_CALLS_MAX + 1
        and late <= late_max
        and minute <= STATUS_PER_MINUTE_MAX,
        f"at most {most} about a payment, {late} of {late_max} after its deadline, "
        f"{minute} to a biller in a minute",
    )


_NOT_IN_A_LIST = frozenset(
    {"error", "unknown", "damaged", "too_early", "missing", "disputed", "lacks"}
)


def prove_lists(lists: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Proof:
    """Every biller's list of the day was taken: nothing of it was unknown or too early,
    and no completed payment was missing.

    `lists` are by date and biller what the switch said of them.
    """
    told: Counter[str] = Counter()
    wrong = []
    for by_biller in lists.values():
        for biller, said in by_biller.items():
            if said.keys() & _NOT_IN_A_LIST:
                wrong.append(f"{biller}: {dict(said)}")
            told.update({name: n for name, n in said.items() if isinstance(n, int)})
    detail = ", ".join(f"{count} {name}" for name, count in sorted(told.items()))
    if wrong or not lists:
        detail = "; ".join(wrong[:2]) or "there was none"
    return Proof(
        "every biller's list of the day is taken", not wrong and bool(lists), detail
    )


# --- the whole ledger ---------------------------------------------------------------


def prove_state(after: Books, ledger: admin_pb2.GetLedgerResponse) -> Proof:
    """The state hash that the switch gives is that of the accounts it lists."""
    ok = ledger.sequence == after.sequence and ledger.state_hash == after.state_hash()
    return Proof(
        "the state hash is that of the accounts listed", ok, ledger.state_hash.hex()
    )


def audit(
    directory: Path, address: str, auditor: Credentials
) -> tuple[Proof, dict[str, Any]]:
    """Run the auditor in a process of its own beside the live server; of several, the
    nodes of a cluster, beside the first that tells as one that leads.

    Returns its proof and its whole answer, empty if it gave none.
    """
    answer: dict[str, Any] = {}
    for one in address.split(","):
        done = subprocess.run(
            [
                *program("switch.audit", str(directory), "--json"),
                *("--live", one, "--ca", str(auditor.authority)),
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
            continue
        break
    ok = done.returncode == 0 and answer.get("audit") == "ok"
    detail = f"{answer.get('rows', 0)} rows read again"
    if not ok:
        findings = [
            f"{one['check']}: {one['text']}" for one in answer.get("findings", ())
        ]
        detail = "; ".join(findings[:3]) or done.stderr.strip()[-500:]
    return Proof("the independent auditor finds nothing", ok, detail), answer
