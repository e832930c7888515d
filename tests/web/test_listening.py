"""Goal: no page waits for the acknowledgement of its own head.

Method: what a browser's connection to each kind of page is told of it.
"""

import socket
from contextlib import closing

import pytest

from switch.errors import ConfigError
from switch.web.counter.command import listen
from switch.web.listening import send_at_once


def test_connections_to_the_counter_send_at_once() -> None:
    listener, address = listen(0)
    with closing(listener):
        assert is_at_once(listener)
        assert address == f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_a_port_of_another_is_said_to_be_so() -> None:
    with socket.socket() as taken:
        # It is bound so that another one may bind it, too, and only one may listen.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another one with --port"):
            listen(taken.getsockname()[1])


def test_a_listener_hands_it_on_to_its_connections() -> None:
    """Also those of the public check, which begins with one of these."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        assert not is_at_once(listener)
        send_at_once(listener)
        assert is_at_once(listener)


def is_at_once(listener: socket.socket) -> bool:
    """Of a connection that is made to it now."""
    with socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
