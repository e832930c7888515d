"""`payswitch payment-status`: what banks answer to payment instructions.

May use `bank` and the client. A bank's word moves no money: what it has paid its
statement tells, and what it refuses people must look at.
"""

import re
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

from switch.bank.instructed import (
    Instruction,
    Known,
    Standing,
    Verdict,
    judge,
    read_instruction,
)
from switch.bank.lines import StatementError, tidy_text
from switch.bank.payment_status import StatusReport, read_status
from switch.bank.xml import FILE_MAX
from switch.bank_numbers import Letter, make_number
from switch.cli.arguments import to_count
from switch.cli.bank_statements import FILES_MAX, read_bytes
from switch.cli.commands import open_office
from switch.cli.recalls import recalls_of
from switch.client import Client
from switch.client.calls import CallError
from switch.console.output import Exit, Screen
from switch.file_names import parse_instruction_id
from switch.money import format_amount
from switch.v1 import banks_pb2

TEXT = "what a bank answers to payment instructions (pain.002), payment by payment"
SHOWN = 200
"""Payments that a person is shown when no number is asked for."""
PAYMENTS_ALL_MAX = 200_000
"""Payments of all answers of one command."""
COMMANDS_SHOWN = 10
"""Commands that a person is shown: what is refused is seldom more."""
_NUMBER = re.compile(r"R([0-9]{12})[A-Z2-9]{3}", re.ASCII)


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "files", nargs="+", metavar="FILE", type=Path, help="of the bank: pain.002"
    )
    command.add_argument(
        "--instruction",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="the instruction (pain.001) that it answers; may be given again "
        "(default: the switch is asked)",
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
        reports = list(_reports(args.files))
        if args.instruction:
            given = [read_instruction(*_read(path)) for path in args.instruction]
            standings = judge(_each_once(given), reports)
        else:
            with open_office(args) as client:
                standings = judge_with(client, reports)
    except StatementError as error:
        screen.note(f"not believed: {error}")
        return Exit.REFUSED
    if screen.as_json:
        for one in standings:
            screen.value({"payment": _plain(one)})
        screen.value({"payment_status": _totals(standings), "reports": _told(reports)})
    else:
        _show(standings, args.limit, screen)
    return Exit.FINDINGS if any(one.needs_people for one in standings) else Exit.DONE


def judge_with(client: Client, reports: Sequence[StatusReport]) -> list[Standing]:
    """How payments stand: the switch has the instructions, and knows what is booked."""
    known = client.bank_accounts()
    banks = {one.index: one for one in known.accounts}
    found = []
    for name in dict.fromkeys(one.instruction for one in reports):
        parsed = parse_instruction_id(name)
        if parsed is None or parsed[0] not in banks:
            continue
        file = parsed[1]._replace(owner=banks[parsed[0]].number).text
        one = _instruction(client, file)
        # Three letters of its name are of one ledger.
        if one is not None and one.name == name:
            found.append(one)
    kind = banks_pb2.BANK_ITEM_KIND_RELEASE
    open_ = {one.number for one in client.bank_items("", kind)}
    accounts = {one.account for one in found}
    recalled = {
        make_number(Letter.RELEASE, known.instance, sequence)
        for one in known.accounts
        if one.number in accounts
        for sequence in (entry.resolves for entry in recalls_of(client, one))
    }
    return judge(found, reports, Known(open_, recalled))


def _instruction(client: Client, name: str) -> Instruction | None:
    """An instruction that the switch makes again; None if there is none."""
    data = bytearray()
    try:
        for piece in client.read_file(name, although_recalled=True):
            data += piece
            if len(data) > FILE_MAX:
                raise StatementError(name, f"has more than {FILE_MAX} bytes")
    except CallError as error:
        if error.code is grpc.StatusCode.NOT_FOUND:
            return None
        raise
    return read_instruction(bytes(data), name)


def _reports(files: Sequence[Path]) -> Iterator[StatusReport]:
    if len(files) > FILES_MAX:
        raise StatementError("the command", f"more than {FILES_MAX} files")
    left = PAYMENTS_ALL_MAX
    for path in files:
        report = read_status(*_read(path))
        left -= sum(1 for _ in report.payments)
        if left < 0:
            what = f"with it there are over {PAYMENTS_ALL_MAX} payments"
            raise StatementError(report.source, what)
        yield report


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
    ordered = sorted(standings, key=lambda one: not one.needs_people)
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
        drop=("instruction", "code"),
    )
    if len(shown) < len(ordered):
        screen.note(f"{len(ordered) - len(shown)} more; --limit 0 shows them")
    for verdict, (count, amount) in _sums(standings).items():
        text = f"{screen.language.count(count)}, {format_amount(amount)}"
        screen.line(f"{word(f'payment {verdict}')}: {text}")
    refused = [
        one for one in ordered if one.verdict is Verdict.REJECTED and one.needs_people
    ]
    if refused:
        screen.line(word("refused payouts"))
    for one in refused[:COMMANDS_SHOWN]:
        screen.command("propose", "ending", "recall", str(_entry(one)))


def _entry(one: Standing) -> int:
    """Of a release, as its number says; 0 for what is no release's number."""
    found = _NUMBER.fullmatch(one.payment)
    return int(found[1]) if found and one.amount is not None else 0


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
        "entry": _entry(one),
        "instruction": one.instruction,
        "amount_paise": one.amount,
        "verdict": one.verdict,
        "code": one.code,
        "reasons": [
            {"code": reason.code, "text": reason.text} for reason in one.reasons
        ],
        "report": one.report,
        "booked": one.booked,
        "recalled": one.recalled,
        "notes": one.notes,
    }
