"""The commands of `payswitch` for an office: billers, the clock, keys.

Over the wire only, as `commands`, whose ways they share.
"""

from argparse import Namespace
from collections.abc import Callable

from switch.cli.arguments import APPROVER, SIGNER
from switch.cli.commands import open_office
from switch.codes import Result
from switch.console.output import Exit, Screen, enum_word, plain
from switch.ids import new_id
from switch.v1 import admin_pb2, results_pb2

_FIRST_LEFT_OUT = (
    *("clock ms", "p50 ms", "status/min", "resting", "bills", "asked", "p99 ms"),
    *("unverified", "bill health", "kept", "connections"),
)
"""So that health, what waits and what is unknown stay."""


def billers(args: Namespace, screen: Screen) -> Exit:
    """How it stands with every biller."""
    with open_office(args) as client:
        found = client.billers()
    if screen.as_json:
        screen.value({"billers": [plain(one) for one in found]})
        return Exit.DONE
    count = screen.language.count

    def health(state: admin_pb2.BillerHealth.ValueType) -> str:
        state_name = enum_word(admin_pb2.BillerHealth.DESCRIPTOR, state)
        return screen.language.word(f"health {state_name}")

    names = ("biller", "health", "bill health")
    columns = ("connections", "waiting", "asked", "doubtful", "kept", "unverified")
    numbers = ("p50 ms", "p99 ms", "status/min", "bills", "resting", "clock ms")
    screen.table(
        names + columns + numbers,
        [
            (
                one.biller,
                health(one.health),
                health(one.fetch_health),
                count(one.connections),
                count(one.queued),
                count(one.asked),
                count(one.unknown),
                count(one.kept),
                count(one.unverified),
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
        drop=_FIRST_LEFT_OUT,
    )
    return Exit.DONE


def accept_clock(args: Namespace, screen: Screen) -> Exit:
    """Stand by the switch's wall clock after a leap."""
    with open_office(args) as client:
        reply = client.accept_clock(args.reason, move_id=args.id or new_id())
    if screen.as_json:
        screen.value(plain(reply))
        done = reply.outcome.result == int(Result.OK)
        return Exit.DONE if done else Exit.REFUSED
    return show_outcome(reply.outcome, screen)


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


def show_outcome(
    outcome: results_pb2.Outcome, screen: Screen, *, state: str = "done"
) -> Exit:
    """The answer to one move; its entry is what the next command names. `state` is the
    key of what an accepted one has come to.
    """
    result = Result(outcome.result)
    if screen.as_json:
        screen.value(plain(outcome))
    elif result is Result.OK:
        screen.facts(
            [("state", screen.language.word(state)), ("entry", str(outcome.sequence))]
        )
        if outcome.repeat:
            screen.line(screen.language.word("repeat"))
    else:
        word = screen.language.word("refused")
        screen.line(f"{word}: {screen.language.result(result)} ({result.name})")
        if outcome.other_sequence:
            screen.facts([("see entry", str(outcome.other_sequence))])
        if result in (Result.NOT_SIGNED, Result.NOT_APPROVED):
            show_people(screen)
    return Exit.DONE if result is Result.OK else Exit.REFUSED


def show_people(screen: Screen) -> None:
    """What to do instead in a ledger with people."""
    screen.line(screen.language.word("use people"))
    screen.command("propose", "--help")
    screen.command("approve", "ENTRY", *APPROVER)
    screen.command("do", "ENTRY")
    screen.command("withdraw", "ENTRY", "REASON", *SIGNER)


COMMANDS: tuple[tuple[str, Callable[[Namespace, Screen], Exit], str], ...] = (
    ("billers", billers, "queue, connections and health of every biller"),
    ("accept-clock", accept_clock, "stand by the switch's clock after it leapt ahead"),
    ("rotate-quotation-key", rotate_key, "seal fetched bills with a new key"),
)
