"""Waiting for a descriptor, also in a process that has more than 1,024 files open, as
one of many tests may: `select` refuses those.
"""

import select


def readable(descriptor: int, timeout_s: float | None) -> bool:
    """Whether there is something to read before so long; None: wait for it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else max(timeout_s, 0) * 1_000))
