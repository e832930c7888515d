"""What statements say together: pages put together, a row of statements looked through.

May use `lines`. A statement is a link of a chain: each begins with the balance that the
one before ended with, and each movement of money stands in just one of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby, pairwise

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
    NOT_BOOKED = "not-booked"
    """An advice has told what no statement of that day tells."""


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
    together: dict[tuple[str, bool, str], dict[int, Statement]] = defaultdict(dict)
    whole: list[Statement] = []
    for part in parts:
        if part.page == 1 and part.last_page:
            whole.append(part)
            continue
        pages = together[part.account, part.is_advice, part.name]
        if pages.setdefault(part.page, part) != part:
            raise StatementError(_name(part), "has two pages of one number")
    whole.extend(_join([*pages.values()]) for pages in together.values())
    for one in whole:
        _look_at_sum(one)
    return whole


def _join(pages: Sequence[Statement]) -> Statement:
    place = _name(pages[0])
    by_number = sorted(pages, key=lambda one: one.page)
    numbers = [one.page for one in by_number]
    if len(numbers) > PAGES_MAX:
        raise StatementError(place, f"has more than {PAGES_MAX} pages")
    if numbers != [*range(1, len(numbers) + 1)]:
        raise StatementError(place, f"has only the pages {_some(numbers)}")
    if [one.last_page for one in by_number] != [False] * (len(numbers) - 1) + [True]:
        raise StatementError(place, "its last page is missing, or is not the last")
    first, last = by_number[0], by_number[-1]
    _look_at_pages(by_number, place)
    return replace(
        first,
        lines=tuple(line for one in by_number for line in one.lines),
        closing=last.closing,
        last_day=first.last_day or last.last_day,
        page=1,
        last_page=True,
        pending_count=sum(one.pending_count for one in by_number),
        sources=tuple(source for one in by_number for source in one.sources),
    )


def _look_at_pages(pages: Sequence[Statement], place: str) -> None:
    """One statement's pages have its days, its number and its balances. Those of a page
    between may also be what its lines lead from and to.
    """
    first, last = pages[0], pages[-1]
    last_day = first.last_day or last.last_day
    at = first.opening
    for one in pages:
        # Without days of its own, a statement has the last one from its last page.
        if (one.number, one.first_day) != (
            first.number,
            first.first_day,
        ) or one.last_day not in {None, last_day}:
            raise StatementError(place, "has pages of other days or another number")
        then = None if at is None else at + one.change
        if one.opening not in {None, first.opening, at}:
            raise StatementError(place, f"page {one.page} begins with another balance")
        if one.closing not in {None, last.closing, then}:
            raise StatementError(place, f"page {one.page} ends with another balance")
        at = then


def _name(statement: Statement) -> str:
    kind = "advice" if statement.is_advice else "statement"
    return f"{kind} {statement.name} of {statement.account}"


def _some(numbers: Sequence[int]) -> str:
    text = ", ".join(map(str, numbers[:20]))
    return f"{text} …" if len(numbers) > 20 else text


def _look_at_sum(statement: Statement) -> None:
    place = _name(statement)
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
    distinct, _ = each_once(statements)
    # Sorted is stable: statements come in their order.
    for one in sorted(distinct, key=lambda one: one.is_advice):
        for line in one.lines:
            if line.key is None:
                if not one.is_advice:
                    lines.append(line)
            elif line.key not in seen:
                seen.add(line.key)
                lines.append(line)
    return lines


def look_through(statements: Sequence[Statement]) -> list[Finding]:
    """What is wrong with statements and advices of some accounts, taken together."""
    distinct, findings = each_once(statements)
    by_account: dict[str, list[Statement]] = defaultdict(list)
    for one in distinct:
        by_account[one.account].append(one)
    for account, ones in by_account.items():
        _look_at_chain(
            account, [one for one in ones if one.opening is not None], findings
        )
        _look_at_amounts(account, ones, findings)
        _look_at_advices(account, ones, findings)
    return findings


def each_once(
    statements: Iterable[Statement],
) -> tuple[list[Statement], list[Finding]]:
    """Without those that say again what one of the same name or number has said."""
    there: dict[object, Statement] = {}
    findings: list[Finding] = []
    distinct = []
    for one in statements:
        names: list[object] = [(one.account, one.is_advice, "name", one.name)]
        if one.number is not None and not one.is_advice:
            names.append((one.account, one.is_advice, one.year, one.number))
        before = next((there[name] for name in names if name in there), None)
        for name in names:
            there.setdefault(name, one)
        if before is not None and _says_the_same(before, one):
            text = f"statement {one.name} is there twice"
            findings.append(Finding(Break.REPEATED, one.account, text))
            continue
        if before is not None:
            text = f"statement {one.name} says other than {before.name} did"
            findings.append(Finding(Break.CONTRADICTS, one.account, text))
        distinct.append(one)
    return distinct, findings


def _says_the_same(one: Statement, other: Statement) -> bool:
    def content(statement: Statement) -> object:
        return statement.opening, statement.closing, statement.lines

    return content(one) == content(other)


def _look_at_chain(
    account: str, statements: list[Statement], findings: list[Finding]
) -> None:
    for before, after in pairwise(in_order(statements)):
        if before.number is not None and (before.number, before.year) == (
            after.number,
            after.year,
        ):
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
            # Banks begin again with 1, each year.
            and after.number not in {before.number + 1, 1}
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


def in_order(statements: Sequence[Statement]) -> list[Statement]:
    """By day, then by number, then each behind the one whose balance it begins with."""

    def place(one: Statement) -> tuple[str, int]:
        return str(one.last_day or one.first_day or ""), one.number or 0

    ordered: list[Statement] = []
    for _, group in groupby(sorted(statements, key=place), place):
        ties = list(group)
        closings = {one.closing for one in ties if one.change}
        # The last of a list is taken first: one that moves nothing, before others.
        by_opening: dict[int | None, list[Statement]] = defaultdict(list)
        for one in sorted(ties, key=lambda one: one.opening == one.closing):
            by_opening[one.opening].append(one)
        heads = [one.opening for one in ties if one.opening not in closings]
        heads += [one.opening for one in ties]
        at = ordered[-1].closing if ordered else None
        for head in heads:
            while by_opening.get(at):
                ordered.append(by_opening[at].pop())
                at = ordered[-1].closing
            at = head
        while by_opening.get(at):
            ordered.append(by_opening[at].pop())
            at = ordered[-1].closing
    return ordered


def _look_at_amounts(
    account: str, statements: list[Statement], findings: list[Finding]
) -> None:
    amounts: dict[LineKey, BankLine] = {}
    told_in: dict[tuple[LineKey, bool], Statement] = {}
    first_in: dict[LineKey, Statement] = {}
    for one in statements:
        for line in one.lines:
            if line.key is None:
                continue
            there = amounts.setdefault(line.key, line)
            first = first_in.setdefault(line.key, one)
            # A statement may tell what an advice has told, but no other statement.
            before = told_in.get((line.key, one.is_advice))
            told_in.setdefault((line.key, one.is_advice), one)
            if there.amount != line.amount:
                findings.append(
                    Finding(
                        Break.AMOUNT_DIFFERS,
                        account,
                        f"{line.reference} is {format_amount(there.amount)} in "
                        f"{first.name}, {format_amount(line.amount)} in {one.name}",
                    )
                )
            elif before is not None:
                findings.append(
                    Finding(
                        Break.OVERLAP,
                        account,
                        f"{line.reference} is told by {before.name} and by {one.name}",
                    )
                )


def _look_at_advices(
    account: str, statements: list[Statement], findings: list[Finding]
) -> None:
    """What an advice has told stands in a statement, once those have gone past its day:
    of the day itself another statement may come.
    """
    told = {line.key for one in statements if not one.is_advice for line in one.lines}
    missing = [
        (one, line)
        for one in statements
        if one.is_advice
        for line in one.lines
        if line.key is not None and line.key not in told
    ]
    days = {line.booked for _, line in missing}
    seen, past = set(), set()
    for one in statements:
        if one.is_advice or one.last_day is None:
            continue
        first_day = one.first_day or one.last_day
        seen |= {day for day in days if first_day <= day <= one.last_day}
        past |= {day for day in days if day < one.last_day}
    for one, line in missing:
        if line.booked in seen & past:
            text = f"{line.reference} of advice {one.name} is in no statement"
            findings.append(Finding(Break.NOT_BOOKED, account, text))
