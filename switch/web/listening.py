"""What all sockets that pages are served on have in common."""

import socket


def send_at_once(listener: socket.socket) -> None:
    """Have the connections of a listener send what they have, without a pause.

    An answer goes out in two parts, its head and its body. Else the second waits until
    the browser has acknowledged the first, which takes it up to 40 ms. asyncio does so
    only where a socket was made as one of TCP by its number: those of `socket.socket()`
    and of `socket.create_server` were not.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
