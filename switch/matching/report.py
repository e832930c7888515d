"""What a match writes: evidence, and a report of where the difference lies.

May use the other parts and the words. All of it follows from the files that were
matched, so that they give the same bytes again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from switch.canonical_csv import csv_line, safe_text
from switch.matching.acknowledged import NOT_LOOKED_AT
from switch.matching.breaks import DECIDED, Break, State
from switch.matching.judging import Found
from switch.matching.lines import exact_sum
from switch.matching.payouts import KeptPaid, PaidFound
from switch.matching.sides import Undecided, Wanted

EVIDENCE_COLUMNS = ("number", "type", "biller", "payment", "amount_held", *DECIDED)
"""Of undecided payments: `number` is `X` and the entry."""

_ACTS = {"kept": "void", "overdue": "void", "unverified": "verify"}
"""What a list that lacks a payment is evidence for, by how that payment stands."""


def name_of(wanted: Wanted) -> str:
    """What the files of a match are called, without their kind and form."""
    days = f"{wanted.first:%Y%m%d}"
    if wanted.last != wanted.first:
        days += f"-{wanted.last:%Y%m%d}"
    return f"{wanted.biller}-{days}"


def make_report(
    wanted: Wanted, found: Found, paid: PaidFound | KeptPaid | None = None
) -> dict[str, Any]:
    """All figures of a match; amounts are paise."""
    breaks = [*found.breaks, *(paid.breaks if paid else ())]
    listed, scrolls = wanted.list, wanted.scrolls
    here = scrolls.here
    made: dict[str, Any] = {
        "biller": wanted.biller,
        "first": wanted.first.isoformat(),
        "last": wanted.last.isoformat(),
        "by": str(wanted.by),
        "scrolls": {
            "count": len(scrolls.scrolls),
            "lines": sum(one.lines for one in scrolls.scrolls),
            "first": scrolls.scrolls[0].number,
            "last": scrolls.scrolls[-1].number,
            "days": [
                min(one.day for one in scrolls.scrolls).isoformat(),
                max(one.day for one in scrolls.scrolls).isoformat(),
            ],
            "refunds": exact_sum(here.amount[here.refund]),
        },
        "list": {
            "name": listed.name,
            "sha256": listed.sha256,
            "lines": listed.count,
            "unknown": len(listed.bad),
            "complete": listed.is_complete,
        },
        "here": found.sums.here,
        "there": found.sums.there,
        "difference": found.sums.here - found.sums.there,
        "explained": found.sums.explained(),
        "heads": found.sums.heads(),
        "breaks": count_breaks(breaks),
        "evidence": {
            "listed": found.undecided_listed,
            "not_listed": len(found.not_listed),
        },
    }
    if wanted.acknowledged is not None:
        made["list"]["acknowledged"] = True
        made["not_looked_at"] = list(NOT_LOOKED_AT)
    if paid is not None:
        made["bank"] = paid.plain()
    return made


def count_breaks(breaks: Iterable[Break]) -> dict[str, Any]:
    """How many are open and closed, and of the open ones how many of each type."""
    types: dict[str, int] = {}
    states = {str(one): 0 for one in State}
    for one in breaks:
        states[one.state] += 1
        if one.state is State.OPEN:
            types[one.type] = types.get(one.type, 0) + 1
    return {**states, "types": dict(sorted(types.items()))}


def report_bytes(report: Mapping[str, Any]) -> bytes:
    """Canonical JSON."""
    text = json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def evidence_bytes(wanted: Wanted, not_listed: Sequence[Undecided]) -> bytes:
    """What a complete list says of the undecided payments that it lacks, as a decided
    file: whoever stands by it uploads it.
    """
    reason = f"list {wanted.list.sha256[:16]} {wanted.last:%Y%m%d}"
    lines = [csv_line(EVIDENCE_COLUMNS)]
    for one in not_listed:
        act = _ACTS.get(one.kind)
        if act is None:
            continue
        cells = [f"X{one.entry}", one.kind, wanted.biller, str(one.payment)]
        cells += [f"{one.amount // 100}.{one.amount % 100:02d}"]
        cells += [act, str(one.entry), "", reason]
        lines.append(csv_line(map(safe_text, cells)))
    return "".join(lines).encode()
