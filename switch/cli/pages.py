"""The pages of `payswitch`: programs that serve people's browsers."""

import argparse
from argparse import Namespace
from collections.abc import Callable

from switch.console.output import Exit, Screen
from switch.errors import UsageError
from switch.web.counter import arguments

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """The commands of pages."""
    text = "the page of a centre's counter, on this computer alone"
    arguments.add_arguments(add("counter", counter, text))


def counter(args: Namespace, screen: Screen) -> Exit:
    """Serve a counter's page until told to end."""
    try:
        from switch.web.counter import command
    except ModuleNotFoundError as error:
        text = f"{error.name} is missing: pip install 'payswitch[counter]'"
        raise UsageError(text) from error
    command.serve(args)
    return Exit.DONE
