"""What templates need beyond Django's tags: icons, navigation, and `crm.formats` as filters."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BoundField, Select
from django.template.context import RequestContext
from django.utils import formats as django_formats
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from crm import formats, icons
from crm.models import Activity
from crm.phones import as_read, call_url
from crm.recordings import explain_problem

register = template.Library()

register.filter("number", formats.number)
register.filter("initials", formats.initials)
register.filter("hue", formats.hue)
register.filter("long_day", formats.long_day)
register.filter("tax_id", formats.tax_id)
register.filter("phone", as_read)
register.filter("problem", explain_problem)


@register.filter
def money(value: Decimal | None, currency: str) -> str:
    return "" if value is None else formats.money(value, currency)


@register.filter
def money_short(value: Decimal | None, currency: str) -> str:
    return "" if value is None else formats.money_short(value, currency)


@register.filter
def ago(then: datetime | None) -> SafeString:
    """A `<time>` that says how long ago (or in how long) and shows the full date on hover."""
    if then is None:
        return SafeString("")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        then.isoformat(),
        django_formats.date_format(timezone.localtime(then), "SHORT_DATETIME_FORMAT"),
        formats.ago(then, now=timezone.now()),
    )


@register.filter
def due(then: datetime) -> SafeString:
    """A `<time>` such as "tomorrow, 9:00", which shows the full date on hover."""
    at = timezone.localtime(then)
    return format_html(
        '<time datetime="{}" title="{}">{}, {}</time>',
        then.isoformat(),
        django_formats.date_format(at, "SHORT_DATETIME_FORMAT"),
        formats.day_label(then, now=timezone.now()),
        django_formats.time_format(at, "TIME_FORMAT"),
    )


@register.simple_tag
def sprite() -> SafeString:
    return mark_safe(icons.sprite())  # noqa: S308  # drawings of the lucide package


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str, size: str = "") -> SafeString:
    """An icon of `crm.icons`, `small`, `large` or as high as a line. A name unknown there is a KeyError."""
    if name not in icons.ICONS:
        raise KeyError(f"{name!r} is not in crm.icons.ICONS")
    classes = f"i {size}".strip()
    return format_html('<svg class="{}" aria-hidden="true"><use href="#i-{}"/></svg>', classes, name)


@register.inclusion_tag("_shell/_nav_link.html", takes_context=True)
def nav_link(
    context: RequestContext, url: str, icon: str, label: str, also: str = "", but: str = "", beside: str = ""
) -> dict[str, Any]:
    """A link of the sidebar, current on `url` and below it (the board, "/": there alone), and below `also`,
    yet not below `but`. `beside` is a template with what stands behind the label."""
    path = context["request"].path
    under = path == url or (url != "/" and path.startswith(url)) or bool(also and path.startswith(also))
    current = under and not (but and path.startswith(but))
    shown = {"url": url, "icon": icon, "label": label, "current": current, "beside": beside}
    return {**shown, "request": context["request"]}


@register.inclusion_tag("_parts/dial.html", takes_context=True)
def dial(context: RequestContext, phone: str) -> dict[str, Any]:
    """A phone number that dials itself in the reader's own way."""
    url = dial_url(context, phone)
    return {"url": url, "phone": phone, "opens": url.startswith("https:")}


@register.simple_tag(takes_context=True)
def dial_url(context: RequestContext, phone: str) -> str:
    """The address that dials a number in the reader's own way."""
    return call_url(context["request"].user.call_url, phone)


@register.simple_tag(takes_context=True)
def unread_notices(context: RequestContext) -> int:
    """How many notices the reader has not read yet; 100 for more than 99."""
    return int(context["request"].user.notices.filter(read_at__isnull=True).order_by()[:100].count())


@register.simple_tag(takes_context=True)
def overdue_activities(context: RequestContext) -> int:
    """How many of the reader's own activities are overdue; 100 for more than 99. A page that asks twice counts once."""
    request = context["request"]
    if not hasattr(request, "overdue_activities"):
        mine = Activity.objects.visible_to(request.user).filter(assignee=request.user)
        request.overdue_activities = mine.overdue(now=timezone.now()).order_by()[:100].count()
    return int(request.overdue_activities)


@register.simple_tag
def control(bound: BoundField, hint: str = "") -> SafeString:
    """The input of a field, tied to the error and the hint that stand beside it."""
    parts = {"error": bound.errors, "hint": hint or bound.help_text}
    described = " ".join(f"{bound.id_for_label}-{name}" for name, there in parts.items() if there)
    attrs: dict[str, str | bool] = {"aria-describedby": described} if described else {}
    if bound.errors:
        attrs["aria-invalid"] = "true"
    return bound.as_widget(attrs=attrs)


@register.inclusion_tag("_parts/field.html")
def field(bound: BoundField, hint: str = "") -> dict[str, Any]:
    """A form row: label, control, hint, and the errors beside the field they belong to."""
    return {
        "field": bound,
        "control": control(bound, hint),
        "hint": hint or bound.help_text,
        "is_check": getattr(bound.field.widget, "input_type", "") == "checkbox",
        "is_optional": not bound.field.required and not isinstance(bound.field.widget, Select),
    }
