"""How static files are named and packed: with a hash of their content, so that browsers may keep them for ever."""

from typing import Any

from django.contrib.staticfiles import apps
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesConfig(apps.StaticFilesConfig):
    """Leaves out what no page of ours asks for: it took most of a minute to compress."""

    ignore_patterns = [*apps.StaticFilesConfig.ignore_patterns, "*.map", "*/redoc/*", "rest_framework/*"]


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise has no types
    """Gives the plain name of a file that was not collected (yet), instead of an error on every page."""

    manifest_strict = False
    support_js_module_import_aggregation = True

    def hashed_name(self, name: str, *args: Any, **kwargs: Any) -> str:
        try:
            return str(super().hashed_name(name, *args, **kwargs))
        except ValueError:
            return name
