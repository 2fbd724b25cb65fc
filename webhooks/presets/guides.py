"""The instructions of a preset as HTML, with the endpoint's own address in them."""

from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.token import Token

from webhooks.presets import Preset

_LOWER = {"h1": "h2", "h2": "h3", "h3": "h4"}
# Without HTML in the text there is nothing to clean: the parser escapes what it writes.
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


def guide_as_html(preset: Preset, *, url: str, language: str) -> SafeString:
    """The guide in that language without its title, its headings one level lower."""
    tokens = _MARKDOWN.parse(preset.guide(language).replace("{url}", url))
    for token in tokens:
        token.tag = _LOWER.get(token.tag, token.tag)
    return SafeString(_MARKDOWN.renderer.render(_without_title(tokens), _MARKDOWN.options, {}))


def _without_title(tokens: list[Token]) -> list[Token]:
    starts_with_title = bool(tokens) and tokens[0].type == "heading_open"
    return tokens[3:] if starts_with_title else tokens
