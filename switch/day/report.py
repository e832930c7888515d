"""What a replayed day came to: tables for people, one object for machines.

May use what the day's other parts found out. Calls nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switch.calendar import format_ist, ist_date
from switch.codes import Result
from switch.console.output import Screen
from switch.day.arranged import Arranged, plain
from switch.day.bank import Banked
from switch.day.fates import Fates, State, count_states
from switch.day.proof import Proof, Tally, tallies
from switch.day.replay import Replayed, Told
from switch.day.script import Script
from switch.day.slips import QUOTATIONS
from switch.sample import load_sample

SHOWN = 8
"""Names of a list that a person is shown."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """What came of a day, and the proofs."""

    script: Script
    banked: Banked | None
    """What was done with the bank; None where there is none."""
    arranged: Arranged | None
    """To whom billers were paid, who is low; None without people."""
    replayed: Replayed
    fates: Fates
    listed: Counter[str]
    """Exceptions in the middle of the day, by kind."""
    decided: Counter[str]
    """What two people put right at the end of the day, by kind."""
    billers: Mapping[str, Any]
    """The simulated billers' own summary."""
    proofs: Sequence[Proof]
    audit: dict[str, Any]
    sequence: int
    """Last durable sequence."""
    services: int
    """Services in the register."""
    topped_up: int
    """Paise of this day's top-ups."""
    seconds: Mapping[str, float]
    """How long each part of the day took."""


def summarise(report: DayReport, ok: bool, seconds: float) -> dict[str, Any]:
    """The last line: whole numbers, amounts in paise, times in seconds."""
    found = [*tallies(report.replayed.sent, report.fates).values()]
    states = count_states(report.fates)
    accepted = [one for one in report.replayed.sent if one.payment.id in report.fates]
    return {
        "day": report.script.number,
        "planned_date": f"{report.script.date}",
        "booked_dates": booked_dates(report.fates),
        "payments": len(report.fates),
        **{state.value: states[state] for state in State},
        "refused": sum(one.refused.total() for one in found),
        "refused_for_quotations": sum(
            one.refused[result] for one in found for result in QUOTATIONS
        ),
        "additional": sum(bool(one.payment.additional_to) for one in accepted),
        "fetched": report.replayed.fetches,
        "told": {
            one.name.lower(): sum(told is one for _, told in report.replayed.told)
            for one in Told
        },
        "given_up": len(report.replayed.unsent),
        "amount_paise": sum(one.amount for one in found),
        "listed": dict(sorted(report.listed.items())),
        "decided": dict(sorted(report.decided.items())),
        "centres": len(report.script.top_ups),
        "centres_with_own_certificate": report.replayed.own_centres,
        "centres_paying": len({one.hold.centre for one in report.fates.values()}),
        "services": report.services,
        "billers": len(report.billers["billers"]),
        "repeats": report.replayed.repeats,
        "resent": report.replayed.resent,
        "turned_away": report.replayed.turned_away,
        "status_questions": report.billers.get("status", 0),
        "topped_up_paise": report.topped_up,
        "bank": _plain_bank(report.banked),
        "arranged": None if report.arranged is None else plain(report.arranged),
        "sequence": report.sequence,
        "messages": report.replayed.messages,
        "proofs_ok": ok,
        "audit": report.audit.get("audit", "failed"),
        "seconds_of": {name: round(one, 3) for name, one in report.seconds.items()},
        "seconds": round(seconds, 3),
    }


def show(report: DayReport, screen: Screen) -> None:
    """The tables for people."""
    show_dates(report.script, report.fates, screen)
    show_counts(len(report.replayed.sent), report.fates, screen)
    _show_departments(report, screen)
    _show_billers(report, screen)
    _show_exceptions(report, screen)
    if report.banked is not None:
        _show_bank(report.banked, screen)
    if report.arranged is not None:
        _show_arranged(report.arranged, screen)
    language = screen.language
    refused: Counter[Result] = Counter()
    for tally in tallies(report.replayed.sent, report.fates).values():
        refused.update(tally.refused)
    screen.table(
        ("reason", "refused", "meaning"),
        [
            (_plain(result), language.count(count), language.result(result))
            for result, count in sorted(refused.items())
        ],
        right=("refused",),
    )
    screen.table(
        ("proof", "state", "detail"),
        [
            (proof.name, "ok" if proof.ok else "FAILED", proof.detail)
            for proof in report.proofs
        ],
    )


def booked_dates(fates: Fates) -> list[str]:
    """The days, IST, on which the switch has booked the payments: those that commands
    and files name. The plan's date only says what the day is like.
    """
    return sorted({f"{ist_date(one.hold.time_ns)}" for one in fates.values()})


def show_dates(script: Script, fates: Fates, screen: Screen) -> None:
    """Which day was replayed, and on which day the switch has booked it."""
    screen.facts(
        [
            ("planned day", f"{script.date:%A %d %B %Y}"),
            ("booked days", ", ".join(booked_dates(fates))),
        ]
    )


def show_counts(sent: int, fates: Fates, screen: Screen) -> None:
    """How many payments the day has had, by what is counted."""
    count = screen.language.count
    screen.facts(
        [
            ("day sent", count(sent)),
            ("day begun", count(len(fates))),
            ("day completed", count(count_states(fates)[State.COMPLETED])),
        ]
    )


def _show_departments(report: DayReport, screen: Screen) -> None:
    language = screen.language
    bengali = {one.department_en: one.department_bn for one in load_sample().services}
    found = tallies(report.replayed.sent, report.fates)
    total = Tally()
    rows = []
    for department, tally in sorted(found.items(), key=lambda item: -item[1].amount):
        name = bengali.get(department, "") if language.value == "bn" else department
        rows.append((name or "-", *_counts(tally, screen)))
        total.states += tally.states
        total.amount += tally.amount
        total.refused += tally.refused
    columns = ("completed", "amount", "reversed", "expired", "open", "refused")
    screen.table(
        ("department", *columns),
        rows,
        right=columns,
        footer=(language.word("total"), *_counts(total, screen)),
    )


def _counts(tally: Tally, screen: Screen) -> list[str]:
    language = screen.language
    return [
        language.count(tally.states[State.COMPLETED]),
        language.amount(tally.amount),
        language.count(tally.states[State.REVERSED]),
        language.count(tally.states[State.EXPIRED]),
        language.count(tally.states[State.OPEN]),
        language.count(tally.refused.total()),
    ]


def _show_billers(report: DayReport, screen: Screen) -> None:
    """The billers that had something to do, the busiest first."""
    count = screen.language.count
    states: dict[str, Counter[State]] = defaultdict(Counter)
    for fate in report.fates.values():
        states[fate.hold.biller][fate.state] += 1
    columns = ("completed", "reversed", "expired", "open", "status")
    screen.table(
        ("biller", *columns),
        [
            (
                biller,
                *(count(found[state]) for state in State),
                count(report.billers["billers"][biller].get("status", 0)),
            )
            for biller, found in sorted(
                states.items(), key=lambda item: -item[1].total()
            )
        ],
        right=columns,
    )


def _show_exceptions(report: DayReport, screen: Screen) -> None:
    """What stood in the list in the middle of the day, and what people put right."""
    language = screen.language
    count = language.count
    kinds = sorted({*report.listed, *report.decided})
    columns = ("listed", "decided")
    screen.table(
        ("kind", *columns),
        [
            (
                language.word(f"kind {kind}"),
                count(report.listed[kind]),
                count(report.decided[kind]),
            )
            for kind in kinds
        ],
        right=columns,
    )


def _plain_bank(banked: Banked | None) -> dict[str, Any] | None:
    if banked is None:
        return None
    return {
        "statements": banked.statements,
        "lines": banked.lines,
        "requested": banked.requested,
        "by_evidence": banked.by_evidence,
        "without_certificate": banked.cannot_ask,
        "mistakes": {one.name.lower(): n for one, n in banked.mistakes.items()},
        "given_to_wallets": banked.to_wallets,
        "returned": banked.returned,
        "payouts": banked.payouts,
        "paid_out_paise": banked.paid_out,
        "bank_has_paise": banked.has,
        "ledger_has_paise": banked.mirrored,
    }


def _show_arranged(arranged: Arranged, screen: Screen) -> None:
    """What the treasury has arranged, as it is at the end."""
    language = screen.language
    screen.facts(
        [
            ("what beneficiary", language.count(arranged.beneficiaries)),
            ("low", f"{language.count(len(arranged.low))}: {_some(arranged.low)}"),
            ("lacking", language.amount(arranged.lacking)),
            ("next cut-off", format_ist(arranged.cutoff_ns)),
        ]
    )


def _some(names: Sequence[str]) -> str:
    more = " …" if len(names) > SHOWN else ""
    return " ".join(names[:SHOWN]) + more


def _show_bank(banked: Banked, screen: Screen) -> None:
    """What the bank said, and what became of it."""
    rows = [
        ("statements of the bank", banked.statements),
        ("their lines", banked.lines),
        ("top-ups asked for", banked.requested),
        ("credited by what the bank said", banked.by_evidence),
        ("unmatched: the centre cannot ask, it has no certificate", banked.cannot_ask),
        *((f"unmatched: {one.value}", n) for one, n in banked.mistakes.items()),
        ("given to wallets by two people", banked.to_wallets),
        ("returned by two people", banked.returned),
        ("payouts of what was settled", banked.payouts),
    ]
    count, amount = screen.language.count, screen.language.amount
    told = [(name, count(n)) for name, n in rows]
    told.append(("the bank has", amount(banked.has)))
    told.append(("the ledger's account of it has", amount(banked.mirrored)))
    screen.table(("bank account", "value"), told, right=("value",))


def _plain(result: Result) -> str:
    return result.name.lower().replace("_", " ")
