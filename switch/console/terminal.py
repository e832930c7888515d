"""What is asked of the person at the terminal and is never shown: secrets.

May use the errors; must not keep what was typed.
"""

import getpass
import warnings

from switch.errors import UsageError


def ask_secret(prompt: str, instead: str) -> str:
    """A secret as it is typed, without showing it.

    Raises UsageError where no terminal is there; `instead` says what to type then.
    """
    try:
        with warnings.catch_warnings():
            # Read from elsewhere it would be shown, or be something else's line.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except (EOFError, getpass.GetPassWarning) as error:
        raise UsageError(f"nobody to ask at a terminal; {instead}") from error
