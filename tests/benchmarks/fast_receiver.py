"""A receiver that costs next to nothing: it answers 200 to whatever comes, in a process of its own."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
END_OF_HEAD = b"\r\n\r\n"


class Answering(asyncio.Protocol):
    """Reads just enough of HTTP to know where a request ends; answers after `pause` seconds."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (head := self._unread.find(END_OF_HEAD)) >= 0:
            name = self._unread.lower().find(b"content-length:", 0, head)
            length = int(self._unread[name + 15 : self._unread.index(b"\r\n", name)]) if name >= 0 else 0
            end = head + len(END_OF_HEAD) + length
            if len(self._unread) < end:
                return
            self._unread = self._unread[end:]
            if self._pause:
                asyncio.get_running_loop().call_later(self._pause, self._transport.write, ANSWER)
            else:
                self._transport.write(ANSWER)


@contextlib.contextmanager
def fast_receiver(*, pause: float = 0) -> Iterator[str]:
    """Runs until the end of the block; gives its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.fast_receiver", str(pause)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/hook"
        finally:
            process.terminate()


async def _serve(pause: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(pause), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1])))
