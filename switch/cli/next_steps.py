"""What comes next after a row that waits for another person, ready to be pasted.

The other person sits at another machine as another participant: a hint names all that
its command needs. What only they know stands in capitals.
"""

from argparse import Namespace

from switch.cli.arguments import APPROVER
from switch.cli.office import show_outcome
from switch.codes import Result
from switch.console.output import Exit, Screen
from switch.v1 import results_pb2


def show_waiting(
    outcome: results_pb2.Outcome, screen: Screen, *, signs: bool = True
) -> None:
    """Say of an accepted proposal that it waits, and how another person approves it."""
    word = screen.language.word
    screen.facts(
        [("state", word("waits for another")), ("entry", str(outcome.sequence))]
    )
    if outcome.repeat:
        screen.line(word("repeat"))
    screen.line(word("approve it"))
    hint_approval(outcome.sequence, screen, signs=signs)


def show_approved(
    proposal: int,
    outcome: results_pb2.Outcome,
    screen: Screen,
    *,
    waits: bool,
) -> None:
    """Say of an approval what the proposal waits for: a third person, or to be done."""
    word = screen.language.word
    state = word("waits for another") if waits else word("proposal approved")
    # What was shown before it was signed has a state, too.
    screen.facts([("state now", state), ("entry", str(outcome.sequence))])
    if outcome.repeat:
        screen.line(word("repeat"))
    if waits:
        screen.line(word("third waits"))
        hint_approval(proposal, screen)
    else:
        screen.line(word("do it"))
        screen.command("do", str(proposal))


def hint_approval(sequence: int, screen: Screen, *, signs: bool = True) -> None:
    """The command with which another person approves it, with a key if it is signed."""
    who = APPROVER if signs else APPROVER[:2]
    screen.command("approve", str(sequence), *who)


def signer_words(args: Namespace) -> list[str]:
    """Who has signed, for a further command of the same person."""
    words = []
    if args.identity is not None:
        role, participant = args.identity
        words += ["--as", f"{role.name.lower()}/{participant}"]
    return [*words, "--person", str(args.number), "--key", str(args.key)]


def show_proposed(
    outcome: results_pb2.Outcome, screen: Screen, *, signs: bool = True
) -> Exit:
    """The answer to a proposal: it waits, or was refused."""
    if screen.as_json or outcome.result != int(Result.OK):
        return show_outcome(outcome, screen)
    show_waiting(outcome, screen, signs=signs)
    return Exit.DONE
