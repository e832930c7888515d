"""How a command of `payswitch` is added, and a verb to a command that takes some."""

import argparse
from collections.abc import Callable, Sequence

from switch.console.output import Exit, Screen

Add = Callable[
    [str, Callable[[argparse.Namespace, Screen], Exit], str], argparse.ArgumentParser
]


class Verbs:
    """A command that takes a verb; called, it adds one."""

    def __init__(
        self,
        found: "argparse._SubParsersAction[argparse.ArgumentParser]",
        noun: str,
        text: str,
        parents: Sequence[argparse.ArgumentParser],
        dest: str = "verb",
    ) -> None:
        command = found.add_parser(noun, help=text, description=text)
        self._verbs = command.add_subparsers(
            dest=dest, required=True, metavar=dest.upper()
        )
        self._parents = list(parents)

    def __call__(
        self,
        name: str,
        run: Callable[[argparse.Namespace, Screen], Exit],
        text: str,
    ) -> argparse.ArgumentParser:
        """Add a verb, which is run by `run`; `text` says in its help what it does."""
        verb = self._verbs.add_parser(
            name, help=text, description=text, parents=self._parents, allow_abbrev=False
        )
        verb.set_defaults(run=run, parser=verb)
        return verb

    def nested(self, noun: str, text: str) -> "Verbs":
        """A verb that says by another what is meant."""
        return Verbs(self._verbs, noun, text, self._parents, dest="how")
