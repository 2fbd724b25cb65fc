"""What we know of other systems: one folder each, of data alone. A new system is a new folder and nothing else.

`<key>/preset.json` fills in what an administrator would otherwise have to find out: how its requests are recognised,
the form of its bodies, what names an event, and which of its fields is which of ours. `guide.<language>.md` says what
to do over there, `examples/` hold bodies in its shape with the documents that must come of them; docs/presets.md
describes each part.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

FOLDER = Path(__file__).parent
CATEGORIES = {
    "forms": gettext_lazy("Forms and landing pages"),
    "marketing": gettext_lazy("Marketing"),
    "messages": gettext_lazy("Messages and chatbots"),
    "telephony": gettext_lazy("Telephony"),
    "calendar": gettext_lazy("Calendars"),
    "billing": gettext_lazy("Billing"),
    "shop": gettext_lazy("Shops"),
    "erp": gettext_lazy("ERP"),
    "crm": gettext_lazy("Other CRMs"),
}
_NEEDED = frozenset({"name", "category", "verification", "mapping"})
_SETTINGS = ("dedupe", "handshakes", "allow_get", "writing")
_PARTS = _NEEDED | {*_SETTINGS, "secret", "source", "answer", "recordings"}


class UnknownPreset(ValueError):
    """There is no preset of that key. The message names those that there are."""


class BrokenPreset(Exception):
    """A folder that is no preset. The message says which and why, for whoever writes it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """`settings` are fields of an endpoint: `verification` without its secret, `mapping`, and others as needed.

    `secret_is_theirs` where the other system makes the secret and shows it. `source` is what new deals have as theirs.
    `answer` is an expression over our usual answer, for senders who expect another one. `recordings` says how they
    are asked for, as an endpoint's `recording_auth` does, without the credentials; empty where the address is enough.
    """

    key: str
    name: str
    category: str
    settings: Mapping[str, Any]
    secret_is_theirs: bool
    source: str
    answer: str
    recordings: Mapping[str, Any]

    def guide(self, language: str) -> str:
        """The instructions as Markdown, with {url} where the endpoint's address belongs."""
        name = "guide.pt_BR.md" if language.lower().startswith("pt") else "guide.en.md"
        return (FOLDER / self.key / name).read_text(encoding="utf-8")


def list_presets() -> list[Preset]:
    """All of them, in the order of their categories and names."""
    return list(_by_key().values())


def read_preset(key: str) -> Preset:
    """Raises UnknownPreset."""
    preset = _by_key().get(key)
    if preset is None:
        names = ", ".join(sorted(_by_key()))
        raise UnknownPreset(
            _("There is no preset “%(key)s”. There are: %(names)s.") % {"key": key, "names": names}
        )
    return preset


@cache
def _by_key() -> dict[str, Preset]:
    order = list(CATEGORIES)
    presets = [_read(path.parent.name) for path in FOLDER.glob("*/preset.json")]
    presets.sort(key=lambda preset: (order.index(preset.category), preset.name.lower()))
    return {preset.key: preset for preset in presets}


def _read(key: str) -> Preset:
    """Raises BrokenPreset."""
    told = json.loads((FOLDER / key / "preset.json").read_text(encoding="utf-8"))
    wrong = (told.keys() - _PARTS) | (_NEEDED - told.keys())
    if wrong:
        raise BrokenPreset(f"{key}: unknown or missing: {', '.join(sorted(wrong))}")
    if told["category"] not in CATEGORIES:
        raise BrokenPreset(f"{key}: there is no category {told['category']}")
    return Preset(
        key=key,
        name=told["name"],
        category=told["category"],
        settings={name: told[name] for name in ("verification", "mapping", *_SETTINGS) if name in told},
        secret_is_theirs=told.get("secret") == "theirs",
        source=told.get("source", ""),
        answer=told.get("answer", ""),
        recordings=told.get("recordings", {}),
    )
