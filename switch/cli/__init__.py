"""The command line. May use what speaks over the wire, and `authority`."""

from switch.starting import imports_that_stay

with imports_that_stay():
    from switch.cli.entry import main

__all__ = ["main"]
