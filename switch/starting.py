"""How a program begins: what it imports stays, and is no garbage to look through."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports_that_stay() -> Iterator[None]:
    """Around the imports of a program's first module.

    To look for garbage among them, meanwhile and at the end, is a quarter of the
    processor time that a short command takes.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
