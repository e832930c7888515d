"""`payswitch explain`: how an account, a window or a day came to its figures.

Over the wire only, as `commands`, whose ways they share.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from switch.calendar import day_start_ns, format_ist, parse_date, parse_moment
from switch.cli.commands import kind_of, limited, open_office, to_point, who
from switch.cli.windows import closed_by, days_text, years_text
from switch.client import BEGINNING, NOW, Client, Point, balance_of
from switch.console.output import Exit, Screen, enum_word, plain
from switch.errors import UsageError
from switch.said import BANK_PREFIX
from switch.v1 import admin_pb2, types_pb2
from switch.v1 import explain_pb2 as pb

TEXT = "how an account, a window or a day came to what it says"
ROWS_SHOWN = 100
"""Entries that --rows shows when no number is asked for."""
PURPOSES = ("float", "suspense", "settlement")
"""The treasury's accounts, by the names that need no owner."""

_KINDS = {
    enum_word(types_pb2.EntryKind.DESCRIPTOR, number): number
    for number in types_pb2.EntryKind.values()
    if number
}
_SIDES = {"": pb.SIDE_UNSPECIFIED, "-out": pb.SIDE_DEBIT, "-in": pb.SIDE_CREDIT}


class Wanted(NamedTuple):
    """Which entries --rows asks for."""

    kind: int = 0
    side: int = 0
    open_only: bool = False


class Name(NamedTuple):
    """An account by its owner and its head."""

    participant: str
    head: str


def to_name(text: str) -> Name:
    """`CENTRE`, `BILLER/HEAD`, `float`, `suspense`, `settlement`, or a bank account's
    three as lines call them, `bank/0123 suspense`. A participant that has such a name,
    or is called `window` or `day`, is named with a slash behind it, a biller's head
    behind `bank//`.
    """
    if text in PURPOSES:
        return Name("", text)
    if text.startswith(BANK_PREFIX):
        head = text.removeprefix(BANK_PREFIX)
        return Name("bank", head[1:]) if head[:1] == "/" else Name("", text)
    participant, _, head = text.partition("/")
    return Name(participant, head)


def _to_rows(text: str) -> Wanted:
    if text == "all":
        return Wanted()
    if text == "open":
        return Wanted(_KINDS["hold"], open_only=True)
    found = re.fullmatch(r"([a-z_]+)(-in|-out|)", text)
    if found is None or found[1] not in _KINDS:
        raise ArgumentTypeError(
            f"not a kind of entry: {text[:32]!r} (all, open, {', '.join(_KINDS)} are; "
            "with -in or -out behind them if only one side is meant)"
        )
    return Wanted(_KINDS[found[1]], int(_SIDES[found[2]]))


def _to_point(text: str) -> Point:
    try:
        return to_point(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 19:
        raise ArgumentTypeError(f"not a whole number: {text[:32]!r}")
    return int(text)


def add_arguments(command: ArgumentParser) -> None:
    """What it takes, but for --at."""
    command.add_argument(
        "what",
        nargs="+",
        metavar="WHAT",
        help="CENTRE, BILLER/HEAD, float, suspense, settlement; `window SEQ`; "
        "`day DATE`, or `day DATE ACCOUNT`",
    )
    command.add_argument(
        "--from",
        dest="after",
        type=_to_point,
        default=BEGINNING,
        metavar="TIME|SEQ",
        help="begin after this entry or time (default: the account's beginning)",
    )
    command.add_argument(
        "--rows",
        type=_to_rows,
        metavar="KIND",
        help="the entries behind a figure instead: a kind such as pay or refund, "
        "transfer-in or transfer-out, `open` for open holds, or `all`",
    )
    command.add_argument(
        "--limit",
        type=_limit,
        default=ROWS_SHOWN,
        metavar="N",
        help="entries of --rows at most, 0 for all (default: %(default)s)",
    )


def explain(args: Namespace, screen: Screen) -> Exit:
    """Say how something came to its figures, or list the entries behind one."""
    what: list[str] = args.what
    with open_office(args) as client:
        if what[0] == "window":
            return _window(client, args, screen)
        if what[0] == "day":
            return _day(client, args, screen)
        if len(what) != 1:
            raise UsageError(
                f"one account at a time, not {' '.join(what)!r}: name it alone, as "
                "`explain bsk-00001`; or `explain window ENTRY`, `explain day DATE`"
            )
        return _account(client, to_name(what[0]), args, screen)


# --- an account ----------------------------------------------------------------------


def _account(client: Client, name: Name, args: Namespace, screen: Screen) -> Exit:
    if args.rows is not None:
        return _rows(client, name, args, screen)
    found = client.explain_account(*name, args.after, args.at)
    if screen.as_json:
        screen.value(plain(found))
        return Exit.DONE
    language = screen.language
    kind = enum_word(admin_pb2.AccountKind.DESCRIPTOR, found.kind)
    screen.facts(
        [
            ("account", f"{found.participant} {found.head}".strip()),
            ("kind", kind),
            ("after", str(found.after_sequence)),
            ("opening", _held(found.opening, screen)),
        ]
    )
    _show_movements(found.movements, screen)
    facts = [
        ("closing", _held(found.closing, screen)),
        ("pending", language.amount(_pending(found.closing))),
    ]
    if found.HasField("settlement"):
        facts += _settlement_facts(found.settlement, screen)
    screen.facts(facts)
    if found.open_holds:
        _show_entries(found.open_holds, screen, "holds")
    if found.open_holds_cut:
        screen.line(f"{language.word('more')} --rows open")
    _show_chain(found.chain, screen)
    return Exit.DONE


def _held(totals: pb.Totals, screen: Screen) -> str:
    return screen.language.amount(totals.credits_posted - totals.debits_posted)


def _pending(totals: pb.Totals) -> int:
    return totals.debits_pending + totals.credits_pending


def _settlement_facts(found: pb.Settlement, screen: Screen) -> list[tuple[str, str]]:
    amount, word = screen.language.amount, screen.language.word
    since = f"+{amount(found.credits)} −{amount(found.debits)}"
    facts = [("since window", since)]
    if found.window:
        by = str(found.settled_sequence or word("none"))
        facts = [
            ("window", str(found.window)),
            ("payable", amount(found.payable)),
            ("settled by", by),
            ("carried", amount(found.carried)),
            *facts,
        ]
    return facts


def _show_movements(movements: Sequence[pb.Movement], screen: Screen) -> None:
    """One line for each kind and side."""
    amount = screen.language.amount
    rows = []
    for one in movements:
        is_debit = one.side == pb.SIDE_DEBIT
        rows.append(
            (
                _movement(one, screen),
                screen.language.count(one.count),
                amount(one.posted) if one.posted and is_debit else "",
                amount(one.posted) if one.posted and not is_debit else "",
                amount(one.reserved) if one.reserved else "",
                amount(one.released) if one.released else "",
            )
        )
    columns = ("movement", "count", "debited", "credited", "reserved", "released")
    screen.table(columns, rows, right=columns[1:])


def _movement(one: pb.Movement, screen: Screen) -> str:
    word = screen.language.word
    kind = enum_word(types_pb2.EntryKind.DESCRIPTOR, one.kind)
    moved = word(f"moved {kind}")
    if one.side:
        side = word(f"side {enum_word(pb.Side.DESCRIPTOR, one.side)}")
        moved = f"{moved} ({side})"
    return moved


def _rows(client: Client, name: Name, args: Namespace, screen: Screen) -> Exit:
    """The entries behind a figure."""
    wanted: Wanted = args.rows
    entries = client.movements(
        *name,
        kind=types_pb2.EntryKind.ValueType(wanted.kind),
        side=pb.Side.ValueType(wanted.side),
        after=args.after,
        at=args.at,
        open_only=wanted.open_only,
    )
    found = limited(entries, args.limit, screen)
    if screen.as_json:
        for one in found:
            screen.value(plain(one))
    else:
        _show_entries(found, screen)
    return Exit.DONE


def _show_entries(
    entries: Sequence[types_pb2.Entry], screen: Screen, title: str = ""
) -> None:
    screen.table(
        (
            *("time", "entry", "kind", "centre", "biller", "head", "reference"),
            *("amount", "who"),
        ),
        [
            (
                format_ist(one.time_ns),
                str(one.sequence),
                kind_of(one, screen.language),
                one.centre,
                one.biller,
                one.head,
                one.reference,
                screen.language.amount(one.amount),
                who(one),
            )
            for one in entries
        ],
        title=screen.language.word(title) if title else "",
        drop=("who", "head", "biller", "centre", "kind", "entry"),
    )


def _show_chain(chain: pb.ChainPlace, screen: Screen) -> None:
    """Where the last entry stands in the journal."""
    last = chain.first_sequence + chain.entries_count - 1
    screen.facts(
        [
            ("as of", f"{chain.sequence} ({format_ist(chain.time_ns)})"),
            ("chunk", f"{chain.chunk}: {chain.first_sequence}-{last}"),
            ("chunk's check", f"{chain.check:08x}"),
        ]
    )


# --- a window, a day -----------------------------------------------------------------


def _window(client: Client, args: Namespace, screen: Screen) -> Exit:
    what: list[str] = args.what
    if len(what) != 2 or not what[1].isdecimal() or len(what[1]) > 19:
        raise UsageError("a window is named by its entry: explain window SEQ")
    found = client.explain_window(int(what[1]))
    if screen.as_json:
        screen.value(plain(found))
        return Exit.DONE
    amount = screen.language.amount
    screen.facts(
        [
            ("window", f"{found.window.sequence}"),
            ("time", format_ist(found.window.time_ns)),
            ("after", str(found.after_sequence)),
            ("closed by", closed_by(found.closed, screen)),
            ("accounting days", days_text(found.closed)),
            ("financial year", years_text(found.closed)),
        ]
    )
    sums = (found.credits, found.debits, found.carried, found.payable)
    columns = ("credits", "debits", "carried", "payable")
    screen.table(
        ("biller", "head", *columns, "settled by"),
        [
            (
                one.line.biller,
                one.line.head,
                *(amount(getattr(one.line, name)) for name in columns),
                str(one.settled_sequence) if one.settled_sequence else "",
            )
            for one in found.lines
        ],
        right=columns,
        footer=("", "", *map(amount, sums), amount(found.settled)),
        drop=("carried", "settled by", "debits", "credits"),
    )
    _show_chain(found.chain, screen)
    return Exit.DONE


def _day(client: Client, args: Namespace, screen: Screen) -> Exit:
    what: list[str] = args.what
    if args.after != BEGINNING or args.at != NOW:
        raise UsageError("a day has its own beginning and end: leave --from, --at out")
    if len(what) not in (2, 3):
        raise UsageError("say which day: explain day DATE, or explain day DATE ACCOUNT")
    try:
        start_ns = day_start_ns(parse_date(what[1]))
        args.at = Point(time_ns=parse_moment(what[1]))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if len(what) == 3:
        args.after = Point(time_ns=start_ns - 1)
        return _account(client, to_name(what[2]), args, screen)
    if args.rows is not None:
        args.after = Point(time_ns=start_ns - 1)
        return _rows(client, Name("", ""), args, screen)
    found = client.explain_day(what[1])
    opening = _by_kind(client, found.after_sequence)
    closing = _by_kind(client, found.as_of_sequence)
    if screen.as_json:
        screen.value({**plain(found), "opening": opening, "closing": closing})
        return Exit.DONE
    amount = screen.language.amount
    screen.table(
        ("account", "opening", "closing", "change"),
        [
            (
                kind,
                amount(opening.get(kind, 0)),
                amount(held),
                amount(held - opening.get(kind, 0)),
            )
            for kind, held in closing.items()
        ],
        right=("opening", "closing", "change"),
    )
    _show_movements(found.movements, screen)
    _show_chain(found.chain, screen)
    return Exit.DONE


def _by_kind(client: Client, sequence: int) -> dict[str, int]:
    """What the accounts of each kind held together after an entry, in paise."""
    held: dict[str, int] = defaultdict(int)
    if sequence:
        accounts, _ = client.accounts(sequence)
        for one in accounts:
            kind = enum_word(admin_pb2.AccountKind.DESCRIPTOR, one.kind)
            held[kind] += balance_of(one)
    return dict(held)
