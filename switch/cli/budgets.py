"""The commands of `payswitch` for budgets of one participant: set, list.

Over the wire only, as `commands`, whose ways they share.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator

from switch.calendar import format_ist
from switch.cli.commands import open_office
from switch.cli.office import show_outcome
from switch.codes import Budget
from switch.console.output import Exit, Screen, plain
from switch.ids import new_id


def set_budget(args: Namespace, screen: Screen) -> Exit:
    """Say what a participant may use."""
    with open_office(args) as client:
        outcome = client.set_budget(
            args.participant,
            Budget[args.budget.upper()],
            args.value,
            move_id=args.id or new_id(),
        )
    return show_outcome(outcome, screen)


def budgets(args: Namespace, screen: Screen) -> Exit:
    """What was set for one participant, and by whom."""
    with open_office(args) as client:
        found = list(client.budgets())
    if screen.as_json:
        screen.value({"budgets": [plain(one) for one in found]})
        return Exit.DONE
    screen.table(
        ("participant", "budget", "value", "time", "set by"),
        [
            (
                one.participant,
                Budget(one.budget).name.lower(),
                screen.language.count(one.value),
                format_ist(one.time_ns),
                one.set_by,
            )
            for one in found
        ],
        right=("value",),
    )
    return Exit.DONE


def _value(text: str) -> int:
    if not text.isdecimal() or len(text) > 19:
        raise ArgumentTypeError(f"not a whole number: {text[:32]!r}")
    return int(text)


Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_commands(add: Add) -> Iterator[ArgumentParser]:
    """Add them; gives those whose attempts have an id."""
    add("budgets", budgets, "what single participants may use, other than the settings")
    what = "say what a participant may use; 0: what the settings say"
    setting = add("set-budget", set_budget, what)
    setting.add_argument("participant", metavar="ID", help="whose budget")
    names = [one.name.lower() for one in Budget]
    setting.add_argument("budget", metavar="NAME", choices=names, help=", ".join(names))
    setting.add_argument(
        "value", type=_value, metavar="VALUE", help="in its place, or 0"
    )
    yield setting
