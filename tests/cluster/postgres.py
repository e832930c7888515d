"""The three database nodes of `tools/postgres.py`, for tests: in memory, and skipped,
with a word, where PostgreSQL 17 is missing.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.memory import folder
from tools.postgres import (
    Nodes,
    NoPostgresError,
    binaries,
    ports_to_keep,
    running,
    who,
)

__all__ = ["Nodes", "nodes", "ports_to_keep"]


@contextmanager
def nodes(
    settings: str = "",
    certificate: tuple[str, str] = ("", ""),
    on_disk: bool = False,
) -> Iterator[Nodes]:
    """Three of them, for the time of the block."""
    try:
        binaries()
        who()
    except NoPostgresError as error:
        pytest.skip(str(error))
    with contextlib.ExitStack() as stack:
        if on_disk:
            base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            base = stack.enter_context(folder())
        yield stack.enter_context(running(base, settings, certificate))
