"""When a deal was won or lost: now, or on a day that somebody names later."""

from datetime import date, datetime, time

from django.utils import timezone
from django.utils.translation import gettext as _

from crm.deals.errors import InvalidFields


def closing_time(closed_on: date | None, *, now: datetime) -> datetime:
    """`now` for today or no day at all, else the noon of an earlier day. Raises InvalidFields for a later one."""
    today = timezone.localdate(now)
    if closed_on is None or closed_on == today:
        return now
    if closed_on > today:
        raise InvalidFields({"closed_on": [_("This day is still to come.")]})
    return timezone.make_aware(datetime.combine(closed_on, time(12)))
