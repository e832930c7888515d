"""The treasury: two people's day at the terminal, each command as it is typed.

A refund is proposed, shown to the other person with what it is about, approved and
done; a third wants the bank, the windows, the files and the audit.
"""

import re

from tests.journeys import operator
from tests.journeys.world import World

FIRST = "--person 1 --key data/people/treasury-1.key"
SECOND = {"YOUR-ID": "second", "YOUR-NUMBER": "1"}
SECOND_KEY = "data/people/second-1.key"


def walk(world: World, *, whole: bool = True) -> None:
    """One day."""
    if not whole:
        return
    if not world.learnt["counter payment"]:
        operator.walk(world, whole=False)
    payment = world.learnt["counter payment"][-1]
    centre = world.learnt["receipt"][-1].split("/")[0]
    found = world.run(f"payswitch search --payment {payment} --sender {centre} --json")
    entry = _newest(found.output)
    _two_people(world, f"payswitch propose refund {entry} 'letter 116' {FIRST}")
    for command in (
        "payswitch exceptions",
        "payswitch bank",
        "payswitch stops",
        "payswitch accounts --low",
        "payswitch windows",
        "payswitch scrolls",
        "payswitch totals",
        "payswitch explain bsk-00001",
        "payswitch audit data/ledger --only chain",
    ):
        world.run(command)


def _two_people(world: World, propose: str) -> None:
    """One proposes; the other pastes what the first was shown, and reads the same."""
    proposed = world.run(propose)
    receipt = world.learnt["receipt"][-1]
    for wanted in (receipt, operator.EXACT, "waits for another person"):
        world.find(proposed.output, wanted, "what the first signs")
    listed = world.run("payswitch proposals")
    [hint] = re.findall(r"^ +(payswitch approve .*)$", proposed.output, re.MULTILINE)
    for place, known in {**SECOND, "YOUR-KEY-FILE": SECOND_KEY}.items():
        hint = hint.replace(place, known)
    approved = world.run(hint)
    for wanted in (receipt, operator.EXACT):
        world.find(approved.output, wanted, "what the second signs")
    world.find(listed.output, operator.EXACT, "the list")
    [do] = re.findall(r"^ +(payswitch do .*)$", approved.output, re.MULTILINE)
    world.run(do)


def _newest(text: str) -> str:
    """The entry by which a payment was completed, of what a search has told."""
    found = re.findall(r'"sequence": ?"?(\d+)', text)
    return str(max(map(int, found)))
