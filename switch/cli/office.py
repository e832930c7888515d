"""The commands of `payswitch` for what people put right: cases, proposals, billers.

Over the wire only, as `commands`, whose ways they share.
"""

from argparse import Namespace
from collections.abc import Callable

from switch.calendar import format_ist
from switch.cli.commands import open_office
from switch.codes import Result
from switch.console.output import Exit, Screen, enum_word, plain
from switch.ids import new_id
from switch.v1 import admin_pb2, types_pb2


def billers(args: Namespace, screen: Screen) -> Exit:
    """How it stands with every biller."""
    with open_office(args) as client:
        found = client.billers()
    if screen.as_json:
        screen.value({"billers": [plain(one) for one in found]})
        return Exit.DONE
    count = screen.language.count
    names = ("biller", "health", "bill health")
    columns = ("connections", "waiting", "asked", "doubtful")
    numbers = ("p50 ms", "p99 ms", "status/min", "bills", "resting", "clock ms")
    screen.table(
        names + columns + numbers,
        [
            (
                one.biller,
                enum_word(admin_pb2.BillerHealth.DESCRIPTOR, one.health),
                enum_word(admin_pb2.BillerHealth.DESCRIPTOR, one.fetch_health),
                count(one.connections),
                count(one.queued),
                count(one.asked),
                count(one.unknown),
                count(one.p50_ms),
                count(one.p99_ms),
                count(one.status_questions),
                count(one.fetches),
                count(one.resting_centres),
                ("-" if one.clock_skew_ms < 0 else "") + count(abs(one.clock_skew_ms)),
            )
            for one in found
        ],
        right=columns + numbers,
    )
    return Exit.DONE


def exceptions(args: Namespace, screen: Screen) -> Exit:
    """Open cases and proposals, and holds that are overdue, oldest first."""
    with open_office(args) as client:
        found = list(client.exceptions())
        damaged = client.damaged()
    if damaged:
        entries = ", ".join(map(str, damaged))
        screen.note(f"damaged at the switch, and open: {entries}")
    if screen.as_json:
        for entry in found:
            screen.value(plain(entry))
        return Exit.DONE
    screen.table(
        ("time", "entry", "kind", "about", "centre", "biller", "reference", "amount"),
        [
            (
                format_ist(entry.time_ns),
                str(entry.sequence),
                _what(entry),
                str(entry.resolves or "-"),
                entry.centre,
                entry.biller,
                entry.reference,
                screen.language.amount(entry.amount),
            )
            for entry in found
        ],
    )
    return Exit.DONE


def _what(entry: types_pb2.Entry) -> str:
    if entry.kind == types_pb2.ENTRY_KIND_CASE:
        return enum_word(types_pb2.CaseType.DESCRIPTOR, entry.case_type)
    return enum_word(types_pb2.EntryKind.DESCRIPTOR, entry.kind)


def propose_refund(args: Namespace, screen: Screen) -> Exit:
    """Ask for a refund."""
    with open_office(args) as client:
        outcome = client.propose_refund(
            args.entry, args.amount, args.reason, move_id=args.id or new_id()
        )
    return _show(outcome, screen)


def propose_correction(args: Namespace, screen: Screen) -> Exit:
    """Ask for what puts a case right."""
    with open_office(args) as client:
        outcome = client.propose_correction(
            args.entry, args.reason, move_id=args.id or new_id()
        )
    return _show(outcome, screen)


def approve(args: Namespace, screen: Screen) -> Exit:
    """Approve a proposal of somebody else, and do it."""
    with open_office(args) as client:
        reply = client.approve(args.entry, move_id=args.id or new_id())
    if screen.as_json:
        screen.value(plain(reply))
        results = {reply.outcome.result, reply.done.result}
        return Exit.DONE if results == {int(Result.OK)} else Exit.REFUSED
    approved = _show(reply.outcome, screen)
    return approved if approved is not Exit.DONE else _show(reply.done, screen)


def close_case(args: Namespace, screen: Screen) -> Exit:
    """Close a case with a reason."""
    with open_office(args) as client:
        outcome = client.close_case(
            args.entry, args.reason, args.correction, move_id=args.id or new_id()
        )
    return _show(outcome, screen)


def accept_clock(args: Namespace, screen: Screen) -> Exit:
    """Stand by the switch's wall clock after a leap."""
    with open_office(args) as client:
        reply = client.accept_clock(args.reason, move_id=args.id or new_id())
    if screen.as_json:
        screen.value(plain(reply))
        done = reply.outcome.result == int(Result.OK)
        return Exit.DONE if done else Exit.REFUSED
    return _show(reply.outcome, screen)


def rotate_key(args: Namespace, screen: Screen) -> Exit:
    """Seal fetched bills with a new key."""
    with open_office(args) as client:
        reply = client.rotate_quotation_key(args.number)
    if screen.as_json:
        screen.value(plain(reply))
        return Exit.DONE
    screen.facts(
        [("state", screen.language.word("done")), ("key number", str(reply.number))]
    )
    if reply.repeat:
        screen.line(screen.language.word("repeat"))
    return Exit.DONE


def _show(outcome: admin_pb2.Outcome, screen: Screen) -> Exit:
    """The answer to one move; its entry is what the next command names."""
    result = Result(outcome.result)
    if screen.as_json:
        screen.value(plain(outcome))
    elif result is Result.OK:
        screen.facts(
            [("state", screen.language.word("done")), ("entry", str(outcome.sequence))]
        )
        if outcome.repeat:
            screen.line(screen.language.word("repeat"))
    else:
        word = screen.language.word("refused")
        screen.line(f"{word}: {screen.language.result(result)} ({result.name})")
    return Exit.DONE if result is Result.OK else Exit.REFUSED


COMMANDS: tuple[tuple[str, Callable[[Namespace, Screen], Exit], str], ...] = (
    ("billers", billers, "queue, connections and health of every biller"),
    ("exceptions", exceptions, "open cases and proposals, and overdue holds"),
    ("propose-refund", propose_refund, "ask for a refund; another person approves it"),
    (
        "propose-correction",
        propose_correction,
        "ask for what puts a case right; another person approves it",
    ),
    ("approve", approve, "approve a proposal of somebody else, and do it"),
    ("close-case", close_case, "close a case, with what put it right"),
    ("accept-clock", accept_clock, "stand by the switch's clock after it leapt ahead"),
    ("rotate-quotation-key", rotate_key, "seal fetched bills with a new key"),
)
