"""The command line. May use what speaks over the wire, and `authority`."""

from switch.programs import ImportsThatStay

with ImportsThatStay():
    from switch.cli.entry import main

__all__ = ["main"]
