"""The assets as a server that runs for people has them: collected, named after their contents, compressed."""

from pathlib import Path

from django.core.management import call_command
from pytest_django.fixtures import Settings


def test_all_assets_can_be_collected(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "config.static.StaticStorage"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    assert list(tmp_path.glob("stagehook/board/board.????????????.js"))
