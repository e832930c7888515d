"""What statements say together: pages put together, a row of statements looked through.

May use `lines`. A statement is a link of a chain: each begins with the balance that the
one before ended with, and each movement of money stands in just one of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from switch.bank.lines import BankLine, LineKey, Statement, StatementError
from switch.money import format_amount

PAGES_MAX = 1_000
"""Pages of one statement."""


class Break(StrEnum):
    """What is wrong with a row of statements."""

    REPEATED = "repeated"
    """The same statement a second time; it counts once."""
    CONTRADICTS = "contradicts"
    """Another statement of the same name or number."""
    GAP = "gap"
    """One is missing: it does not begin with what the one before ended with."""
    OVERLAP = "overlap"
    """It begins before the one before has ended, or has lines of another one."""
    AMOUNT_DIFFERS = "amount-differs"
    """The bank's reference stands for two amounts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, for people."""

    what: Break
    account: str
    text: str


def join_pages(parts: Iterable[Statement]) -> list[Statement]:
    """Whole statements of what may be pages of them, in the order of their first page.

    Raises StatementError if a page is missing or there twice with another content, or
    if a statement with balances does not add up.
    """
    together: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    whole: list[Statement] = []
    for part in parts:
        if part.page == 1 and part.last_page:
            whole.append(part)
            continue
        pages = together[part.account, part.name]
        if part not in pages:
            pages.append(part)
    whole.extend(_join(pages) for pages in together.values())
    for one in whole:
        _look_at_sum(one)
    return whole


def _join(pages: Sequence[Statement]) -> Statement:
    place = f"statement {pages[0].name} of {pages[0].account}"
    by_number = sorted(pages, key=lambda one: one.page)
    numbers = [one.page for one in by_number]
    if len(numbers) > PAGES_MAX:
        raise StatementError(place, f"has more than {PAGES_MAX} pages")
    if len(set(numbers)) != len(numbers):
        raise StatementError(place, "has two pages of one number")
    if numbers != [*range(1, len(numbers) + 1)]:
        raise StatementError(place, f"has only the pages {_some(numbers)}")
    if [one.last_page for one in by_number] != [False] * (len(numbers) - 1) + [True]:
        raise StatementError(place, "its last page is missing, or is not the last")
    first, last = by_number[0], by_number[-1]
    return replace(
        first,
        lines=tuple(line for one in by_number for line in one.lines),
        closing=last.closing,
        page=1,
        last_page=True,
        pending_count=sum(one.pending_count for one in by_number),
        sources=tuple(source for one in by_number for source in one.sources),
    )


def _some(numbers: Sequence[int]) -> str:
    text = ", ".join(map(str, numbers[:20]))
    return f"{text} …" if len(numbers) > 20 else text


def _look_at_sum(statement: Statement) -> None:
    place = f"statement {statement.name} of {statement.account}"
    if (statement.opening is None) != (statement.closing is None):
        raise StatementError(place, "has one balance of two")
    if statement.opening is None or statement.closing is None:
        return
    if statement.opening + statement.change != statement.closing:
        raise StatementError(
            place,
            f"does not add up: {format_amount(statement.opening)} and "
            f"{format_amount(statement.change)} of lines are not "
            f"{format_amount(statement.closing)}",
        )


def distinct_lines(statements: Iterable[Statement]) -> list[BankLine]:
    """Every movement once, in the order in which it is first told. Statements before
    advices: a statement is what counts where both tell of one. Lines without a
    reference are told apart by nothing: each counts, but those of an advice, which a
    statement will tell again.
    """
    seen: set[LineKey] = set()
    lines: list[BankLine] = []
    # Sorted is stable: statements come in their order.
    for one in sorted(statements, key=lambda one: one.opening is None):
        for line in one.lines:
            if line.key is None:
                if one.opening is not None:
                    lines.append(line)
            elif line.key not in seen:
                seen.add(line.key)
                lines.append(line)
    return lines


def look_through(statements: Sequence[Statement]) -> list[Finding]:
    """What is wrong with statements and advices of some accounts, taken together."""
    findings: list[Finding] = []
    by_account: dict[str, list[Statement]] = defaultdict(list)
    for one in statements:
        by_account[one.account].append(one)
    for account, ones in by_account.items():
        distinct = _look_at_names(account, ones, findings)
        _look_at_chain(
            account, [one for one in distinct if one.opening is not None], findings
        )
        _look_at_amounts(account, distinct, findings)
    return findings


def _look_at_names(
    account: str, statements: list[Statement], findings: list[Finding]
) -> list[Statement]:
    """Each statement once."""
    by_name: dict[str, Statement] = {}
    by_number: dict[int, Statement] = {}
    distinct = []
    for one in statements:
        there = by_name.setdefault(one.name, one)
        if there is one and one.number is not None and one.opening is not None:
            there = by_number.setdefault(one.number, one)
        if there is one:
            distinct.append(one)
        elif _says_the_same(there, one):
            findings.append(
                Finding(Break.REPEATED, account, f"statement {one.name} is there twice")
            )
        else:
            findings.append(
                Finding(
                    Break.CONTRADICTS,
                    account,
                    f"statement {one.name} says other than {there.name} did",
                )
            )
            distinct.append(one)
    return distinct


def _says_the_same(one: Statement, other: Statement) -> bool:
    def content(statement: Statement) -> object:
        return statement.opening, statement.closing, statement.lines

    return content(one) == content(other)


def _look_at_chain(
    account: str, statements: list[Statement], findings: list[Finding]
) -> None:
    ordered = sorted(
        statements,
        key=lambda one: (
            one.number if one.number is not None else 0,
            str(one.first_day or ""),
            str(one.last_day or ""),
        ),
    )
    for before, after in pairwise(ordered):
        if before.number == after.number and before.number is not None:
            continue  # told by their names
        if after.opening != before.closing:
            findings.append(
                Finding(
                    Break.GAP,
                    account,
                    f"{after.name} begins with {format_amount(after.opening or 0)}, "
                    f"{before.name} ended with {format_amount(before.closing or 0)}",
                )
            )
        elif (
            before.number is not None
            and after.number is not None
            and after.number != before.number + 1
        ):
            findings.append(
                Finding(
                    Break.GAP,
                    account,
                    f"statement {after.number} follows {before.number}",
                )
            )
        if before.last_day and after.first_day and after.first_day < before.last_day:
            findings.append(
                Finding(
                    Break.OVERLAP,
                    account,
                    f"{after.name} begins on {after.first_day}, {before.name} ended on "
                    f"{before.last_day}",
                )
            )


def _look_at_amounts(
    account: str, statements: list[Statement], findings: list[Finding]
) -> None:
    amounts: dict[LineKey, BankLine] = {}
    told_in: dict[LineKey, Statement] = {}
    for one in statements:
        for line in one.lines:
            if line.key is None:
                continue
            there = amounts.setdefault(line.key, line)
            first = told_in.setdefault(line.key, one)
            if there is line:
                continue
            if there.amount != line.amount:
                findings.append(
                    Finding(
                        Break.AMOUNT_DIFFERS,
                        account,
                        f"{line.reference} is {format_amount(there.amount)} in "
                        f"{first.name}, {format_amount(line.amount)} in {one.name}",
                    )
                )
            elif (first.opening is None) == (one.opening is None):
                findings.append(
                    Finding(
                        Break.OVERLAP,
                        account,
                        f"{line.reference} is told by {first.name} and by {one.name}",
                    )
                )
