"""The icons of the interface: drawings of the `lucide` package under the names our pages call them by.

They leave the server as one sprite per page, and each use of one is a reference to it: whole drawings in every card
would be half of the board's bytes.
"""

import re
import zipfile
from functools import cache
from importlib.resources import files
from io import BytesIO

ICONS = {
    "activities": "calendar-check",
    "alert": "triangle-alert",
    "arrow-in": "arrow-down-left",
    "arrow-out": "arrow-up-right",
    "back": "chevron-left",
    "bell": "bell",
    "board": "square-kanban",
    "bolt": "zap",
    "calendar": "calendar",
    "call": "phone",
    "chart": "chart-no-axes-column",
    "check": "check",
    "clock": "clock",
    "close": "x",
    "code": "braces",
    "columns": "columns-3",
    "companies": "building-2",
    "contacts": "users",
    "copy": "copy",
    "deals": "handshake",
    "deliveries": "send",
    "destination": "globe",
    "down": "chevron-down",
    "download": "download",
    "edit": "pencil",
    "email": "mail",
    "eye": "eye",
    "filter": "list-filter",
    "falling": "arrow-down",
    "file": "paperclip",
    "fold": "fold-horizontal",
    "grip": "grip-vertical",
    "help": "circle-question-mark",
    "inbound": "webhook",
    "info": "info",
    "insights": "activity",
    "key": "key-round",
    "language": "languages",
    "link": "link",
    "list": "list",
    "lock": "lock",
    "log-out": "log-out",
    "lost": "thumbs-down",
    "meeting": "video",
    "merge": "merge",
    "moon": "moon",
    "more": "ellipsis",
    "move": "arrow-right-left",
    "next": "chevron-right",
    "no-activity": "calendar-off",
    "note": "sticky-note",
    "pause": "pause",
    "play": "play",
    "plus": "plus",
    "product": "package",
    "renewals": "calendar-sync",
    "reopen": "rotate-ccw",
    "retry": "rotate-cw",
    "rising": "arrow-up",
    "rotting": "hourglass",
    "rules": "workflow",
    "search": "search",
    "settings": "settings",
    "sun": "sun",
    "tag": "tag",
    "task": "square-check-big",
    "test": "flask-conical",
    "theme": "sun-moon",
    "trash": "trash-2",
    "undo": "undo-2",
    "upload": "upload",
    "unfold": "unfold-horizontal",
    "user": "user",
    "won": "trophy",
}


@cache
def sprite() -> str:
    """One hidden SVG with every icon as a `<symbol id="i-NAME">`."""
    data = files("lucide").joinpath("lucide.zip").read_bytes()
    with zipfile.ZipFile(BytesIO(data)) as archive:
        symbols = [_symbol(name, archive.read(f"{drawing}.svg").decode()) for name, drawing in ICONS.items()]
    return f'<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" hidden>{"".join(symbols)}</svg>'


def _symbol(name: str, svg: str) -> str:
    inside = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    inside = re.sub(r"\s*/>", "/>", re.sub(r">\s+<", "><", inside)).strip()
    return f'<symbol id="i-{name}" viewBox="0 0 24 24">{inside}</symbol>'
