"""The process manager of `make run`: supervisor, inside our own process and without its server.

Each process is restarted when it dies, its output goes to the terminal behind its name, and it ends with this
process: on SIGTERM and SIGINT in good order, and on SIGKILL too.
"""

import contextlib
import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from supervisor import events
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

_MANAGER_SECTION = """\
[supervisord]
nodaemon = true
logfile = /dev/null
loglevel = warn
pidfile = {pidfile}
"""

# A process that fails is tried again for ever, a second later each time. One that is told to end has time for what is
# in flight, which a destination's limit holds to 30 s.
_PROCESS_SECTION = """\
[program:{name}]
command = {command}
autorestart = true
startretries = 1000000
stopwaitsecs = 40
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = NONE
stdout_events_enabled = true
"""


class _Manager(Supervisor):  # type: ignore[misc]  # supervisor has no types
    def runforever(self) -> None:
        self._unfinished: dict[str, bytes] = defaultdict(bytes)
        events.subscribe(events.ProcessLogEvent, self._print_behind_name)
        super().runforever()

    def _print_behind_name(self, event: events.ProcessLogEvent) -> None:
        name = event.process.config.name
        *lines, self._unfinished[name] = (self._unfinished[name] + event.data).split(b"\n")
        # A full disk or a closed terminal costs lines. Raised here, it would end the reading, and a process whose
        # output nobody reads stands still.
        with contextlib.suppress(OSError):
            for line in lines:
                print(f"{name:>8} | {line.decode(errors='replace')}", flush=True)  # noqa: T201  # it is for the terminal


def supervise(commands: Mapping[str, str], *, directory: Path) -> None:
    """Keeps the shell commands, given by name, running until this process is told to end.

    `directory` gets the manager's configuration and the file with its process id.
    """
    path = directory / "processes.conf"
    path.write_text(_configuration(commands, pidfile=directory / "processes.pid"))
    options = ServerOptions()
    options.realize(["--configuration", str(path)])
    options.first, options.test = True, False
    with contextlib.suppress(ExitNow):
        _Manager(options).main()


def _configuration(commands: Mapping[str, str], *, pidfile: Path) -> str:
    manager = _MANAGER_SECTION.format(pidfile=_escaped(str(pidfile)))
    if os.geteuid() == 0:
        manager += "user = root\n"  # else it warns that nobody said so
    processes = (
        _PROCESS_SECTION.format(name=name, command=_command(line)) for name, line in commands.items()
    )
    return "\n".join([manager, *processes])


def _command(line: str) -> str:
    words = [sys.executable, "-m", "config.lifetime", "/bin/sh", "-c", line]
    return _escaped(shlex.join(words))


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
