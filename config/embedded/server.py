"""How the processes of one data directory share one embedded server.

Three lock files do it, because the kernel drops a lock whenever its holder ends, even by SIGKILL:

- `users`: held, shared, by every process that uses the server, and by what it forks;
- `keeper`: held by the keeper (keeper.py), the server's parent, while the server is up;
- `start`: held by who starts the server; the keeper inherits it and lets go when connections succeed.

The keeper waits for `users` to be free and then stops the server. A list of process ids would count the dead.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.db import OperationalError

PROJECT = Path(__file__).resolve().parents[2]

# What a Unix socket's path may have on the strictest system (macOS), less the name that PostgreSQL gives it.
_LONGEST_SOCKET_DIRECTORY = 103 - len("/.s.PGSQL.5432")

_joined: dict[Path, int] = {}


def socket_directory(home: Path) -> Path:
    """Where the server of `home` has its socket: there, or in a short stand-in when the path is too long."""
    if len(bytes(home)) <= _LONGEST_SOCKET_DIRECTORY:
        return home
    return Path("/tmp", f"stagehook-{hashlib.sha256(bytes(home)).hexdigest()[:16]}")  # noqa: S108  # kept at 0700


def ensure_running(home: Path, *, settings: Mapping[str, str]) -> None:
    """Joins the users of the server of `home`, and starts it, with these settings, when it is not up.

    Raises `OperationalError` with the end of the server's log when it does not start.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _join(home)
    if is_up(home):
        return
    with _holding(home / "start") as lock:
        if is_up(home):
            return
        arguments = [str(home), str(lock), *(f"{name}={value}" for name, value in settings.items())]
        subprocess.run(
            [sys.executable, "-m", "config.embedded.keeper", *arguments],
            cwd=PROJECT,
            pass_fds=[lock],
            stdin=subprocess.DEVNULL,
            check=True,
        )
    with _holding(home / "start"):
        if not is_up(home):
            log = (home / "log").read_text(errors="replace")
            raise OperationalError(f"The embedded PostgreSQL did not start:\n{log[-2000:]}")


def is_up(home: Path) -> bool:
    with _opened(home / "keeper") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _join(home: Path) -> None:
    """Counts this process among the users while it lives; waits for a keeper that is stopping the server."""
    if home not in _joined:
        lock = os.open(home / "users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        _joined[home] = lock


@contextmanager
def _holding(path: Path) -> Iterator[int]:
    with _opened(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield lock
    finally:
        os.close(lock)
