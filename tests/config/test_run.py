"""The parts of `make run` that look before they leap."""

import socket
import tomllib
from pathlib import Path

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from config import VERSION
from config.management.commands.run import collect_static_files, read_procfile, refuse_port_in_use
from tests.processes import PROJECT


def test_a_port_in_use_is_named_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(CommandError, match=f"127.0.0.1 port {port}: Address already in use"):
            refuse_port_in_use(host="127.0.0.1", port=port)

    refuse_port_in_use(host="127.0.0.1", port=port)


def test_the_commands_of_the_procfile_are_found_by_name() -> None:
    commands = read_procfile(PROJECT / "Procfile")

    assert list(commands) == ["web", "worker", "erp"]
    assert all(command.startswith("exec ") for command in commands.values())


def test_static_files_are_collected_once(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "config.static.StaticStorage"}}
    manifest = tmp_path / "staticfiles.json"

    collect_static_files()
    first = manifest.stat().st_mtime_ns
    collect_static_files()

    assert manifest.stat().st_mtime_ns == first
    assert list(tmp_path.glob("django_htmx/**/htmx*.br"))


def test_the_version_is_the_package_s() -> None:
    package = tomllib.loads((PROJECT / "pyproject.toml").read_text())

    assert package["project"]["version"] == VERSION
