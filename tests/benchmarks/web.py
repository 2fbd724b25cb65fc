"""The web server as the Procfile starts it, on the tests' database."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from config.management.commands.run import read_procfile
from tests.processes import PROJECT, eventually
from tests.workers import environment


@contextlib.contextmanager
def web_server(*, settings: str = "config.settings") -> Iterator[str]:
    """Runs until the end of the block; gives its address."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as chosen:
        port = chosen.getsockname()[1]
    address, path = (
        f"http://127.0.0.1:{port}",
        f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )
    process = subprocess.Popen(
        ["/bin/sh", "-c", read_procfile(PROJECT / "Procfile")["web"]],
        cwd=PROJECT,
        env={
            **environment(),
            "DJANGO_SETTINGS_MODULE": settings,
            "ANSWER_WITHIN_MS": "90",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PATH": path,
        },
        start_new_session=True,
    )
    try:
        eventually(lambda: _answers(f"{address}/health/live"), seconds=60)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5):
            return True
    except OSError:
        return False
