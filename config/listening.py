"""How the web processes share the connections: each listens for itself, and the kernel deals them out.

uvicorn's processes would listen on one socket. Whoever wakes first takes all that wait there: twenty senders that came
at once were all served by one process in four of six trials, with the other one idle.
"""

import socket
import sys
from typing import Any, TypeGuard

import uvloop


class Loop(uvloop.Loop):
    """The loop of a web process (`uvicorn --loop config.listening:Loop`)."""

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        shared = options.get("sock")
        if _can_be_shared(shared):
            options["sock"] = own_socket(shared)
        return await super().create_server(protocol_factory, *args, **options)


def _can_be_shared(bound: Any) -> TypeGuard[socket.socket]:
    """Whether it is at a port of a system that deals them out; elsewhere the newest socket may get all."""
    is_port = isinstance(bound, socket.socket) and bound.family in (socket.AF_INET, socket.AF_INET6)
    return is_port and sys.platform == "linux"


def own_socket(shared: socket.socket) -> socket.socket:
    """A socket of our own at the address to which `shared` is bound; one that only is bound gets no connections."""
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own = socket.socket(shared.family, shared.type)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind(shared.getsockname())
    return own
