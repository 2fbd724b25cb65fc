"""What the board costs a browser to load."""

import gzip
import re
from pathlib import Path
from posixpath import dirname, normpath

from django.contrib.staticfiles import finders

from crm.models import Deal, User
from tests.crm.pages import browser_of

MOST = 60_000  # bytes, compressed


def with_imports(path: str, found: dict[str, str]) -> dict[str, str]:
    """The texts of a script and of all that it imports, by their paths below /static/."""
    if path not in found:
        file = finders.find(path)
        assert isinstance(file, str), path
        found[path] = Path(file).read_text(encoding="utf-8")
        for imported in re.findall(r'from "(\..*?)"', found[path]):
            with_imports(normpath(f"{dirname(path)}/{imported}"), found)
    return found


def test_the_scripts_of_the_board_stay_within_their_budget(alice: User, deal: Deal) -> None:
    html = browser_of(alice).get("/").content.decode()
    scripts: dict[str, str] = {}
    for path in re.findall(r'<script[^>]* src="/static/(.*?)"', html):
        with_imports(path, scripts)
    assert {"stagehook/board/board.js", "stagehook/bulk/bar.js"} <= scripts.keys()
    assert sum(len(gzip.compress(text.encode())) for text in scripts.values()) < MOST
