"""Ports of our own: what is typed as documents write it needs 7443, 7480 and others.

A network namespace has its own loopback, so that nothing beside the run is in its way.
Where the kernel lets nobody have one, the ports must be free, and it is said which is
not.
"""

import fcntl
import os
import socket
import struct
import sys
from typing import Final

PORTS: Final = (7443, 7444, 7446, 7480, 7481, 7543, 7553)
"""Those that the documents' commands take."""
_INSIDE: Final = "PAYSWITCH_JOURNEYS_INSIDE"
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1


def enter() -> str:
    """Go on in a namespace of our own, if there may be one; what is so, in words.

    Raises SystemExit if a port is taken.
    """
    if os.environ.get(_INSIDE):
        _raise_loopback()
        return "in a network namespace of its own"
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    flags = ["unshare", *user, "--net"]
    if os.spawnvp(os.P_WAIT, flags[0], [*flags, "true"]) == 0:
        os.environ[_INSIDE] = "1"
        words = [sys.executable, "-m", "tests.journeys", *sys.argv[1:]]
        os.execvp(flags[0], [*flags, *words])
    taken = [port for port in PORTS if _is_taken(port)]
    if taken:
        text = ", ".join(map(str, taken))
        raise SystemExit(
            f"make journeys: ports {text} of the documents are taken, and "
            "`unshare --net` is not allowed here: end what listens there"
        )
    return "at the machine's own ports"


def _is_taken(port: int) -> bool:
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _raise_loopback() -> None:
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        asked = struct.pack("16sH14x", b"lo", 0)
        told = fcntl.ioctl(channel, _SIOCGIFFLAGS, asked)
        (flags,) = struct.unpack_from("H", told, 16)
        wanted = struct.pack("16sH14x", b"lo", flags | _IFF_UP)
        fcntl.ioctl(channel, _SIOCSIFFLAGS, wanted)
