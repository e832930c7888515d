"""A log that is put back to the past in the middle of a history, and what people do.

As docs/cluster.md has it: all switches are stopped, an older state of the log is
restored, and the switch that is furthest is started alone. If the log has all that it
has, the others follow. Else it halts, and from then on nobody may lead; the log is made
anew from that switch's journal, and the others get copies of it.
"""

import shutil
from typing import TYPE_CHECKING, Final

from switch.cluster.log import Head
from tests.cluster.small_ledger import INSTANCE, open_copy

if TYPE_CHECKING:
    from tests.cluster.history import History
    from tests.cluster.simulated import Switch

HALTS_S: Final = 300.0
"""By then who is ahead has seen it, whatever goes wrong with its steps."""
NOBODY_S: Final = 3.0
"""How long it is looked whether somebody leads who must not."""


def head_of(switch: "Switch") -> tuple[int, int, int, int]:
    """Of its journal; its process has ended."""
    with open_copy(switch.path) as ledger:
        return ledger.head


def put_back(history: "History") -> None:
    """All of it, up to where everybody may be started again."""
    databases = history.databases
    stop_all(history)
    old = databases.durable_chunks()
    databases.put_back(history.chance.randrange(databases.durable + 1))
    restored = databases.primary.head
    history.nodes = {
        name: node
        for name, node in history.nodes.items()
        if node.sequence <= restored.sequence
    }
    furthest = max(history.switches, key=head_of)
    sequence, chain, _, epoch = head_of(furthest)
    history.note(
        f"the log is put back to {restored.sequence} of epoch {restored.epoch}; "
        f"{furthest.name} has {sequence} of epoch {epoch}"
    )
    if sequence <= restored.sequence:
        release_all(history)
        return
    history.held.remove(furthest.number)
    history.start()
    end = history.schedule.time + HALTS_S
    while furthest.number not in history.halted:
        history.turn()
        if history.schedule.time > end:
            raise AssertionError(f"{furthest.name} goes on before an older log")
    nobody_leads(history)
    stop_all(history)
    history.past += [each for each in old if each.last <= sequence]
    begun = Head(INSTANCE, sequence, chain, epoch, "", "")
    databases.begin(databases.primary_type(begun, []))
    history.note(f"a log is begun behind {sequence}")
    history.nodes = {}
    for switch in history.switches:
        if switch is not furthest:
            shutil.rmtree(switch.path)
            shutil.copytree(furthest.path, switch.path)
    history.halted.clear()
    release_all(history)


def release_all(history: "History") -> None:
    """Everybody is started."""
    history.held.clear()
    history.start()


def stop_all(history: "History") -> None:
    """Nobody runs, and nobody is started again."""
    history.held = {switch.number for switch in history.switches}
    for switch in history.switches:
        if not switch.actor.is_over:
            history.kill(switch)


def nobody_leads(history: "History") -> None:
    """The others are started all the same: they must leave the log as it is."""
    release_all(history)
    end = history.schedule.time + NOBODY_S
    before = history.databases.primary.head
    while history.schedule.time < end and len(history.halted) < len(history.switches):
        history.turn()
    after = history.databases.primary.head
    if after != before:
        raise AssertionError(
            f"{after.leader} leads a log that was put back, from {before}"
        )
