"""What `make run` runs: everything there is, in one terminal."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import BaseCommand, CommandError, call_command, get_commands
from django.db import connections

from config.demo.accounts import LOGINS, demo_is_loaded
from config.lifetime import die_with_parent
from config.manager import supervise
from config.static import StaticFilesConfig


class Command(BaseCommand):
    help = "Prepares the database, then runs the web server, the worker and the demo until Ctrl-C."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        if "MAKELEVEL" in os.environ:
            die_with_parent(signal.SIGTERM)()  # make cannot tell us when it is killed
        refuse_port_in_use(host=settings.HOST, port=settings.PORT)
        try:
            self.prepare()
        except KeyboardInterrupt:
            sys.exit(130)
        commands = read_procfile(settings.BASE_DIR / "Procfile")
        if not demo_is_loaded():
            commands.pop("erp", None)
        self.print_welcome()
        connections.close_all()
        os.chdir(settings.BASE_DIR)
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        supervise(commands, directory=settings.DATA_DIR)

    def prepare(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        if "load_demo" in get_commands() and not get_user_model().objects.exists():
            call_command("load_demo")
        collect_static_files()

    def print_welcome(self) -> None:
        lines = ["", f"Stagehook: {settings.PUBLIC_URL}/", ""]
        if demo_is_loaded():
            lines += [f"  {login.email:<24} {login.password:<12} {login.role.label}" for login in LOGINS] + [
                ""
            ]
        self.stdout.write("\n".join([*lines, "Ctrl-C stops everything.", ""]))
        self.stdout.flush()


def refuse_port_in_use(*, host: str, port: int) -> None:
    """Raises `CommandError` when another program listens there: the web process could only fail later."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise CommandError(
                f"Stagehook cannot listen on {host} port {port}: {error.strerror}.\n"
                "Stop what uses it, or choose another port: make run PORT=8001"
            ) from error


def collect_static_files() -> None:
    """Gathers, hashes and compresses the static files, when one of them is newer than the last time."""
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    collected_at = manifest.stat().st_mtime if manifest.exists() else 0
    ignored = StaticFilesConfig.ignore_patterns
    files = (Path(storage.path(name)) for finder in get_finders() for name, storage in finder.list(ignored))
    if any(file.stat().st_mtime > collected_at for file in files):
        call_command("collectstatic", interactive=False, verbosity=0)


def read_procfile(path: Path) -> dict[str, str]:
    """The commands of a Procfile by name, in its order."""
    lines = (line.partition(":") for line in path.read_text().splitlines() if ":" in line)
    return {name.strip(): command.strip() for name, _, command in lines}
