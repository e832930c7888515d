"""The secret that a counter without operators' keys asks for.

On loopback any account of the computer reaches the page. Whoever has started the
counter reads the secret where it was started, or in its file, which is that account's
alone.
"""

import hmac
import re
import secrets
from pathlib import Path

from switch.errors import ConfigError
from switch.web.counter.till import write_whole

FILE = "start-secret"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that is read as another."""
_SIZE = 12
"""Letters: 59 bits, so that guesses need no bound of their own."""
_WHOLE = re.compile(f"[{_LETTERS}]{{{_SIZE}}}")


def load(folder: Path) -> str:
    """The secret of the counter in a folder, made if there is none. Raises ConfigError
    for a file that has another thing in it.
    """
    path = folder / FILE
    if not path.exists():
        made = "".join(secrets.choice(_LETTERS) for _ in range(_SIZE))
        write_whole(path, made.encode())
    found = path.read_text(errors="replace").strip()
    if not _WHOLE.fullmatch(found):
        raise ConfigError(f"{path} has no secret: delete it, and another is made")
    return found


def is_right(secret: str, typed: str) -> bool:
    """Whether somebody has typed it, in any case and with what separates."""
    plain = re.sub(r"[\s-]", "", typed.lower())
    return hmac.compare_digest(secret.encode(), plain.encode())
