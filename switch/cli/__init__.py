"""The command line. May use what speaks over the wire, and `authority`."""

from switch.cli.entry import main

__all__ = ["main"]
