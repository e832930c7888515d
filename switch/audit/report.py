"""An audit's result for people and for programs."""

import json
from typing import Final

from switch.audit.auditor import Report
from switch.audit.exceptions import TEXTS, Exceptions, What
from switch.audit.findings import CHECKS, Finding

SHOWN_MAX: Final = 50
"""Findings printed; the rest are counted."""


def as_dict(report: Report) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "audit": "ok" if report.ok else "failed",
        "sequence": report.sequence,
        "rows": report.sequence,
        "accounts": report.accounts,
        "holds": report.holds,
        "state_hash": report.state_hash,
        "findings": [_as_dict(finding) for finding in report.findings.kept],
        "findings_count": report.findings.count,
        "checks": report.checks,
        "notes": report.notes,
        "exceptions": _exceptions(report),
        "seconds": round(report.seconds, 3),
        "rows_per_s": report.rows_per_s,
    }


def _as_dict(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "sequence": finding.sequence,
        "text": finding.text,
        "advice": CHECKS[finding.check][1],
    }


def _exceptions(report: Report) -> dict[str, dict[str, int]] | None:
    """What is open, by kind; None if that was not looked at."""
    exceptions = report.exceptions
    if exceptions is None:
        return None
    return {
        str(what): {
            "count": some.count,
            "amount": some.amount,
            "oldest_sequence": some.sequence,
            "oldest_s": some.age_s(exceptions.now),
        }
        for what, some in exceptions.open.items()
    }


def _open(exceptions: Exceptions) -> list[str]:
    """A table of what is open at the end."""
    lines = ["open at the end:"]
    width = max(len(what) for what in What)
    for what, some in exceptions.open.items():
        told = "none"
        if some.count:
            days = some.age_s(exceptions.now) / 86_400
            told = f"{some.count:,}, {some.amount:,} paise, the oldest {days:.1f} days"
            told += f" (sequence {some.sequence})"
        lines.append(f"{what.replace('_', ' '):<{width}}  {told}; {TEXTS[what]}")
    return lines


def as_json(report: Report) -> str:
    """One line of JSON."""
    return json.dumps(as_dict(report), ensure_ascii=False)


def as_text(report: Report) -> str:
    """A table of the checks, the findings, and a last line that sums it up."""
    width = max(len(name) for name in report.checks)
    lines = []
    for name, count in report.checks.items():
        state = "ok" if not count else f"{count:,} found"
        lines.append(f"{name:<{width}}  {state:<12}  {CHECKS[name][0]}")
    lines.append("")
    lines += [str(finding) for finding in report.findings.kept[:SHOWN_MAX]]
    rest = report.findings.count - min(len(report.findings.kept), SHOWN_MAX)
    if rest:
        lines.append(f"and {rest:,} more")
    lines += [f"note: {note}" for note in report.notes]
    if report.exceptions:
        lines += [*_open(report.exceptions), ""]
    lines.append(f"state hash {report.state_hash}")
    lines.append(
        f"{'ok' if report.ok else 'FAILED'}: {report.sequence:,} rows, "
        f"{report.accounts:,} account{'' if report.accounts == 1 else 's'}, "
        f"{report.holds:,} open holds in "
        f"{report.seconds:.2f} s ({report.rows_per_s:,} rows/s)"
    )
    return "\n".join(lines)
