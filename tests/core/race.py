"""Two threads that take from one taker at a time, which `core/queue_api.h` forbids:

    python -m tests.core.race FOLDER

For `make sanitize-threads` alone: on the build with the sanitizer of threads it must be
told of as a race; a sanitizer that lets it pass sees nothing of the core's threads. On
any other build it is not to be run.
"""

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

import tests.conftest  # noqa: F401  # the core of SWITCH_TEST_LIB
from switch._core import Ledger, Queue
from tests.core.queues import OPTIONS

NAME = b"switch._core.queue_api"
RACE_S = 120.0
"""It ends as soon as it is seen, which takes a few seconds where two cores are free."""
Number, Pointer = ctypes.c_int, ctypes.c_void_p


class Api(ctypes.Structure):
    """The beginning of `struct queue_api`."""

    _fields_ = [
        ("version", ctypes.c_uint32),
        ("queue", Pointer),
        *((name, Pointer) for name in ("count", "open", "fileno", "submit", "clear")),
        *((name, Pointer) for name in ("take", "copy", "release")),
    ]


class Request(ctypes.Structure):
    """`struct queue_request`."""

    _fields_ = [
        ("body", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
        *((name, ctypes.c_uint32) for name in ("rows", "sender", "centre", "operator")),
        ("tag", ctypes.c_uint64),
        ("owner", Pointer),
    ]


def main() -> None:
    """Race."""
    if "libtsan" not in os.environ.get("LD_PRELOAD", ""):
        sys.exit("not under the sanitizer of threads")
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = Pointer, (ctypes.py_object, ctypes.c_char_p)
    with Ledger(str(Path(sys.argv[1]) / "ledger"), **OPTIONS) as ledger:
        queue = Queue(ledger)
        queue.start()
        capsule = queue.capsule()
        api = Api.from_address(get(capsule, NAME))
        taker = ctypes.CFUNCTYPE(Number, Pointer, Pointer)(api.open)(api.queue, None)
        submit = ctypes.CFUNCTYPE(Number, Pointer, Number, Pointer)(api.submit)
        take = ctypes.CFUNCTYPE(Number, Pointer, Number, Pointer)(api.take)
        release = ctypes.CFUNCTYPE(None, Pointer, Number, Pointer)(api.release)
        # A payment that lacks everything: refused, and no row of it.
        request = Request(b"\x0a\x00", 2, 1, 1, 0, 0, 7, None)
        end_s = time.monotonic() + RACE_S

        def race() -> None:
            taken = ctypes.create_string_buffer(256)
            while time.monotonic() < end_s:
                if take(api.queue, taker, taken):
                    release(api.queue, taker, taken)

        threads = [threading.Thread(target=race) for _ in range(2)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end_s:
            submit(api.queue, taker, ctypes.byref(request))
            time.sleep(0.001)
        for thread in threads:
            thread.join()
        # It was not seen. What it has left of the queue may never come to its end.
        os._exit(0)


if __name__ == "__main__":
    main()
