"""How a program about a ledger's directory ends, whatever it met."""

from collections.abc import Callable

import lmdb

from switch.backup.proof import UnprovedError
from switch.console.output import Exit, Screen
from switch.errors import BusyError, ConfigError, StorageError, SwitchError


def ended(work: Callable[[], Exit], screen: Screen) -> int:
    """Do it; gives the exit code. An error is told in a line and has its own."""
    try:
        return int(work())
    except ConfigError as error:
        screen.note(f"payswitch: {error}")
        return Exit.CONFIG
    except BusyError as error:
        screen.note(f"payswitch: {error}")
        return Exit.USAGE
    except (StorageError, UnprovedError, SwitchError, lmdb.Error, OSError) as error:
        screen.note(f"payswitch: {error}")
        return Exit.UNKNOWN
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
