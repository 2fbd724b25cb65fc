"""Web processes that listen for themselves."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from select import select

import pytest

from config.listening import own_socket


@contextmanager
def _bound(port: int = 0) -> Iterator[socket.socket]:
    """As uvicorn binds it, before it starts its processes."""
    with closing(socket.socket()) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.bind(("127.0.0.1", port))
        yield shared


def test_two_processes_share_the_connections_that_come_at_once() -> None:
    with ExitStack() as stack:
        shared = stack.enter_context(_bound())
        doors = [stack.enter_context(closing(own_socket(shared))) for _process in range(2)]
        for door in doors:
            door.listen(100)
        for _sender in range(60):  # all to one of two: once in 10 ** 17
            stack.enter_context(closing(socket.create_connection(shared.getsockname())))
        assert select(doors, [], [], 10)[0] == doors


def test_a_second_server_at_the_same_port_is_refused() -> None:
    with _bound() as shared, closing(own_socket(shared)) as door:
        door.listen()
        with pytest.raises(OSError, match="in use"), _bound(shared.getsockname()[1]):
            pass
