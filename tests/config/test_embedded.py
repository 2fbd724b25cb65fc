"""The embedded server starts for its first user and stops after its last, however the users end."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import psutil
import pytest

from config.embedded.server import is_up, socket_directory
from tests.processes import PROJECT, eventually

# Answers each line it is sent with the process id of a server that answered a query, or with the error.
USER = """
import sys
from django.db import Error, connection
for _ in sys.stdin:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_read_file('postmaster.pid', 0, 20)")
            print(cursor.fetchone()[0].split()[0], flush=True)
    except Error as error:
        connection.close()
        print(repr(error), flush=True)
"""

User = Popen[str]
StartUser = Callable[[], User]


@pytest.fixture
def data() -> Iterator[Path]:
    """Not under pytest's own directories: other users of the machine, which the server is to root, may not enter."""
    with tempfile.TemporaryDirectory(prefix="stagehook-") as directory:
        yield Path(directory)


@pytest.fixture
def start_user(data: Path) -> Iterator[StartUser]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(data)}
    environment |= {"DEBUG": "true", "DATABASE_URL": ""}
    users: list[User] = []

    def start() -> User:
        command = [sys.executable, "-W", "ignore", "-c", USER]
        users.append(Popen(command, cwd=PROJECT, env=environment, text=True, stdin=PIPE, stdout=PIPE))
        return users[-1]

    yield start
    for user in users:
        user.kill()
        user.communicate()
    eventually(lambda: not servers_of(data))


def send(user: User) -> None:
    assert user.stdin
    user.stdin.write("\n")
    user.stdin.flush()


def answer(user: User) -> str:
    assert user.stdout
    return str(user.stdout.readline()).strip()


def ask(user: User) -> str:
    send(user)
    return answer(user)


def is_another_server(text: str, server: int) -> bool:
    return text.isdigit() and int(text) != server


def servers_of(data: Path) -> list[psutil.Process]:
    """The server's processes, its keeper included."""
    processes = psutil.process_iter(["cmdline"])
    return [
        process for process in processes if str(data / "postgres") in " ".join(process.info["cmdline"] or [])
    ]


def test_processes_that_start_at_once_share_one_server(start_user: StartUser) -> None:
    users = [start_user() for _ in range(4)]
    for user in users:
        send(user)

    answers = {answer(user) for user in users}

    assert len(answers) == 1
    assert psutil.Process(int(answers.pop())).name() == "postgres"


def test_the_server_stays_while_one_user_is_left_and_keeps_its_data(
    start_user: StartUser, data: Path
) -> None:
    first, second = start_user(), start_user()
    server = ask(first)
    assert server.isdigit()
    assert ask(second) == server

    first.kill()
    first.wait()

    assert ask(second) == server
    assert is_up(data / "postgres")


@pytest.mark.parametrize("last_breath", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_last_user_also_when_all_were_killed(
    start_user: StartUser, data: Path, last_breath: signal.Signals
) -> None:
    first, second = start_user(), start_user()
    assert ask(first) == ask(second)

    first.kill()
    second.send_signal(last_breath)

    eventually(lambda: not servers_of(data))
    assert not (data / "postgres" / "data" / "postmaster.pid").exists()  # it was stopped, not killed


def test_a_user_that_comes_while_the_server_stops_gets_a_new_one(start_user: StartUser) -> None:
    for _ in range(3):
        user = start_user()
        assert ask(user).isdigit()
        user.kill()


def test_a_killed_server_is_started_again_by_the_next_connection(start_user: StartUser) -> None:
    user = start_user()
    server = int(ask(user))

    psutil.Process(server).kill()

    eventually(lambda: is_another_server(ask(user), server))


def test_a_server_whose_keeper_was_killed_is_replaced(start_user: StartUser) -> None:
    user = start_user()
    server = psutil.Process(int(ask(user)))
    keeper = server.parent()
    assert keeper

    keeper.kill()

    eventually(lambda: is_another_server(ask(user), server.pid))


def test_a_process_number_left_by_a_crash_does_not_keep_the_server_down(
    start_user: StartUser, data: Path
) -> None:
    user = start_user()
    ask(user)
    user.kill()
    eventually(lambda: not servers_of(data))
    (data / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")

    assert ask(start_user()).isdigit()


def test_an_unfinished_data_directory_is_made_anew(start_user: StartUser, data: Path) -> None:
    user = start_user()
    ask(user)
    user.kill()
    eventually(lambda: not servers_of(data))
    (data / "postgres" / "data").rename(data / "postgres" / "data.new")

    assert ask(start_user()).isdigit()


def test_a_server_that_cannot_start_says_why(start_user: StartUser, data: Path) -> None:
    (data / "postgres" / "data").mkdir(parents=True)

    assert "could not access the server configuration file" in ask(start_user())


def test_a_long_data_path_gets_a_short_socket(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)

    assert socket_directory(tmp_path) == tmp_path
    assert len(bytes(socket_directory(home) / ".s.PGSQL.5432")) < 104
    assert socket_directory(home) != socket_directory(home / "other")
