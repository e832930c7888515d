"""`payswitch payment-status`: what banks answer to payment instructions.

May use `bank`. A bank's word moves no money: what it has paid its statement tells, and
what it refuses people must look at.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from switch.bank.instructed import (
    NEED_PEOPLE,
    Instruction,
    Standing,
    Verdict,
    judge,
    read_instruction,
)
from switch.bank.lines import StatementError, tidy_text
from switch.bank.payment_status import StatusReport, read_status
from switch.cli.arguments import to_count
from switch.cli.bank_statements import FILES_MAX, read_bytes
from switch.console.output import Exit, Screen
from switch.money import format_amount

TEXT = "what a bank answers to payment instructions (pain.002), payment by payment"
SHOWN = 200
"""Payments that a person is shown when no number is asked for."""


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("files", nargs="+", metavar="FILE", type=Path)
    command.add_argument(
        "--instruction",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="the instruction (pain.001) that it answers; may be given again",
    )
    command.add_argument(
        "--limit",
        type=to_count,
        default=SHOWN,
        metavar="N",
        help="payments to show at most, 0 for all (default: %(default)s)",
    )


def payment_status(args: Namespace, screen: Screen) -> Exit:
    """Read the answers, and say how each payment stands."""
    try:
        reports = [read_status(*_read(path)) for path in _few(args.files)]
        instructions = [read_instruction(*_read(path)) for path in args.instruction]
        standings = judge(_each_once(instructions), reports)
    except StatementError as error:
        screen.note(f"not believed: {error}")
        return Exit.REFUSED
    if screen.as_json:
        for one in standings:
            screen.value({"payment": _plain(one)})
        screen.value({"payment_status": _totals(standings), "reports": _told(reports)})
    else:
        _show(standings, args.limit, screen)
    return Exit.FINDINGS if any(map(needs_people, standings)) else Exit.DONE


def needs_people(one: Standing) -> bool:
    """Whether somebody must look at it."""
    return one.verdict in NEED_PEOPLE or bool(one.notes)


def _few(files: Sequence[Path]) -> Sequence[Path]:
    if len(files) > FILES_MAX:
        raise StatementError("the command", f"more than {FILES_MAX} files")
    return files


def _read(path: Path) -> tuple[bytes, str]:
    # A file's name is a text of others, too.
    return read_bytes(path), tidy_text(str(path))


def _each_once(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The same file may be given twice; two of one name contradict each other."""
    found: dict[str, Instruction] = {}
    for one in instructions:
        if found.setdefault(one.name, one) != one:
            raise StatementError(one.name, "two instructions have this name")
    return list(found.values())


def _show(standings: Sequence[Standing], limit: int, screen: Screen) -> None:
    """Those that people must look at come first."""
    ordered = sorted(standings, key=lambda one: not needs_people(one))
    shown = ordered[: limit or None]
    word = screen.language.word
    screen.table(
        ["release", "instruction", "amount", "bank says", "code", "reason"],
        [
            (
                one.payment,
                one.instruction,
                "" if one.amount is None else format_amount(one.amount),
                word(f"payment {one.verdict}"),
                one.code,
                _why(one),
            )
            for one in shown
        ],
    )
    if len(shown) < len(ordered):
        screen.note(f"{len(ordered) - len(shown)} more; --limit 0 shows them")
    for verdict, (count, amount) in _sums(standings).items():
        text = f"{screen.language.count(count)}, {format_amount(amount)}"
        screen.line(f"{word(f'payment {verdict}')}: {text}")
    if any(one.verdict is Verdict.REJECTED for one in standings):
        screen.line(word("refused payouts"))
        screen.command("propose", "recall", "--help")


def _why(one: Standing) -> str:
    said = [f"{reason.code} {reason.text}".strip() for reason in one.reasons]
    return "; ".join([*said, *one.notes])


def _sums(standings: Sequence[Standing]) -> dict[Verdict, tuple[int, int]]:
    counts = Counter(one.verdict for one in standings)
    amounts: Counter[Verdict] = Counter()
    for one in standings:
        amounts[one.verdict] += one.amount or 0
    return {one: (counts[one], amounts[one]) for one in Verdict if counts[one]}


def _totals(standings: Sequence[Standing]) -> dict[str, object]:
    sums = _sums(standings)
    return {
        one.value: {
            "count": sums.get(one, (0, 0))[0],
            "amount_paise": sums.get(one, (0, 0))[1],
        }
        for one in Verdict
    }


def _told(reports: Sequence[StatusReport]) -> list[dict[str, object]]:
    return [
        {
            "report": one.name,
            "instruction": one.instruction,
            "created": one.created.isoformat(),
            "status": one.status.code if one.status else None,
            "source": one.source,
        }
        for one in reports
    ]


def _plain(one: Standing) -> dict[str, object]:
    return {
        "release": one.payment,
        "instruction": one.instruction,
        "amount_paise": one.amount,
        "verdict": one.verdict,
        "code": one.code,
        "reasons": [
            {"code": reason.code, "text": reason.text} for reason in one.reasons
        ],
        "report": one.report,
        "booked": one.booked,
        "notes": one.notes,
    }
