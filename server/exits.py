"""The exit codes of a server."""

from typing import Final

EXIT_DEAD: Final = 70
"""The ledger died, or could not be opened."""
EXIT_DEPOSED: Final = 71
"""Of a node in whose place another one leads: started again, it follows that one."""
EXIT_HALTED: Final = 72
"""Of a node whose journal is not its log's, or says what this version cannot read: a
person must look.
"""
EXIT_UNSETTLED: Final = 73
"""Of a node whose log did not say what became of a group. Nothing is broken here:
started again, it follows, and has the group if the log has it.
"""
EXIT_BUSY: Final = 75
"""Another process has the ledger."""
EXIT_CONFIG: Final = 78
"""A setting, a file, the directory, the port or the clock is not usable."""

WHY: Final = {
    0: "as asked",
    EXIT_DEAD: "the ledger is dead",
    EXIT_DEPOSED: "another node leads",
    EXIT_HALTED: "this node has halted",
    EXIT_UNSETTLED: "the log did not say what became of a group",
    EXIT_CONFIG: "this node cannot go on as it is set up",
}
"""Why a server that has served ends."""
