"""What templates about sending need: a rule as a sentence, an error as a word, and whether anything is sent at all."""

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from automations.explanations import describe_rule
from automations.heartbeats import is_worker_silent

register = template.Library()

register.filter("sentence", describe_rule)


@register.simple_tag
def worker_is_silent() -> bool:
    return is_worker_silent(now=timezone.now())


@register.filter
def error_word(code: str) -> str:
    """The kind of error for a narrow column; the delivery's page has the whole sentence."""
    kinds = {"dns": "DNS", "tls": "TLS", "timeout": _("timeout"), "address": _("address")}
    kinds["interrupted"] = _("interrupted")
    return kinds.get(code.partition("_")[0], _("connection"))
