"""How a part of the product is run in a process of its own.

Python puts the working directory before everything installed when it runs a module by
its name: a folder there that happens to be called like one of our packages would be run
in its place. `-P` leaves it out.
"""

import sys


def program(module: str, *arguments: str) -> list[str]:
    """The command that runs our `module`, whatever lies in the working directory."""
    return [sys.executable, "-P", "-m", module, *arguments]
