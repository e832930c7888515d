"""Something that goes on in a thread of its own while a block runs."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def meanwhile(run: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run it until the event that it is given says that the block is over.

    Raises at the end what it has raised.
    """
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, ended)
        try:
            yield
        finally:
            ended.set()
    running.result()
