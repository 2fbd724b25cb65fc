"""What a sender is told in place of our usual answer, where its preset knows that it expects another one."""

from typing import Any

from crm import expressions
from webhooks.presets import UnknownPreset, read_preset


def in_their_words(told: dict[str, Any], *, preset: str) -> Any:
    """Our answer by the preset's expression, or as it is where there is none."""
    try:
        expression = read_preset(preset).answer
    except UnknownPreset:
        return told
    return expressions.evaluate(expressions.compile(expression), told) if expression else told
